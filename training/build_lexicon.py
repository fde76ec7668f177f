"""Build the lexicon of the default network's 1,000 classes: their names, synonyms and what they are kinds of.

    python training/build_lexicon.py WORDNET WNIDS

writes `src/findalike/words/data/lexicon.json`. WORDNET is the folder of WordNet 3.0's database (it holds
`data.noun`; Debian: wordnet-base), WNIDS a file with the ImageNet identifiers of the classes, one a line, in
the order of the network's outputs (`timm/data/_info/imagenet_synsets.txt` in timm's wheel is one).

WordNet gives the names of the classes. Where its words are not what people type, CLASSES below replaces them.
What is broader is ours: TREE is written by hand, by what a picture shows, because WordNet's own tree is made
for dictionaries (a hyena is a canine there, and a cat an artifact's equal).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

OUT = Path(__file__).parents[1] / "src/findalike/words/data/lexicon.json"
MOST_WORDS = 8
CLASS_COUNT = 1000

NOTICE = (
    "Names and synonyms of the classes in part from WordNet 3.0. WordNet 3.0 Copyright 2006 by Princeton "
    "University. All rights reserved. See NOTICE for its licence."
)

# A class's number, and the words that mean it, the best first, instead of WordNet's. In parentheses: what
# tells its name from another concept's; the words themselves stay without.
CLASSES = """
2 great white shark, white shark, great white
5 electric ray, crampfish, numbfish
7 rooster, cock, cockerel
8 hen, chicken
9 ostrich, Struthio camelus
15 American robin, robin, Turdus migratorius
20 dipper, water ouzel
21 kite (bird), kite bird, red kite
24 great grey owl, great gray owl, Strix nebulosa
37 box turtle, box tortoise
40 American chameleon, anole, green anole, Anolis carolinensis
49 African crocodile, Nile crocodile, crocodile, Crocodylus niloticus
50 American alligator, alligator, gator, Alligator mississipiensis
70 harvestman, daddy longlegs, Phalangium opilio
80 black grouse
82 ruffed grouse, Bonasa umbellus
84 peacock, peafowl, peahen
87 African grey parrot, African grey, African gray, grey parrot, Psittacus erithacus
97 drake, mallard, male duck
101 tusker, tusked elephant
102 echidna, spiny anteater, anteater
103 platypus, duck-billed platypus, duckbill
105 koala, koala bear, Phascolarctos cinereus
112 conch, conch shell, seashell
113 snail
117 nautilus, chambered nautilus, pearly nautilus
124 crayfish, crawfish, crawdad
134 crane (bird), crane bird
137 American coot, Fulica americana
147 grey whale, gray whale, Eschrichtius robustus
148 killer whale, orca, grampus, Orcinus orca
150 sea lion, seal
153 Maltese dog, Maltese, Maltese terrier
160 Afghan hound, Afghan
161 basset hound, basset
164 bluetick coonhound, bluetick
166 Walker hound, Walker foxhound, treeing walker coonhound
168 redbone coonhound, redbone
179 Staffordshire bull terrier, Staffordshire bullterrier, Staffie
191 Airedale terrier, Airedale
192 cairn terrier, cairn
194 Dandie Dinmont terrier, Dandie Dinmont
195 Boston terrier, Boston bull
199 Scottish terrier, Scotch terrier, Scottie
204 Lhasa apso, Lhasa
208 Labrador retriever, Labrador
215 Brittany spaniel, Brittany dog
216 clumber spaniel, clumber
217 English springer spaniel, English springer
219 cocker spaniel, English cocker spaniel, cocker
224 Groenendael, Belgian sheepdog
225 Malinois, Belgian Malinois
227 kelpie, Australian kelpie
229 Old English sheepdog, bobtail
230 Shetland sheepdog, Shetland sheep dog, sheltie
231 collie, rough collie
232 Border collie, collie
235 German shepherd, German shepherd dog, Alsatian
241 Entlebucher mountain dog, EntleBucher
240 Appenzeller mountain dog, Appenzeller
242 boxer (dog), boxer dog
243 bullmastiff, bull mastiff
247 Saint Bernard, St Bernard, Saint Bernard dog
248 Eskimo dog, husky
249 Alaskan malamute, malamute, malemute
250 Siberian husky, husky
251 Dalmatian, coach dog
252 affenpinscher, monkey dog
254 pug, pug dog
255 Leonberger, Leonberg
256 Newfoundland dog, Newfoundland
257 Great Pyrenees, Pyrenean mountain dog
260 chow chow, chow
262 Brussels griffon, Brabancon griffon
263 Pembroke Welsh corgi, Pembroke
264 Cardigan Welsh corgi, Cardigan corgi
268 Mexican hairless dog, Mexican hairless, xoloitzcuintli
269 grey wolf, gray wolf, timber wolf, Canis lupus
270 Arctic wolf, white wolf, Canis lupus tundrarum
271 red wolf, maned wolf, Canis rufus
272 coyote, prairie wolf, Canis latrans
275 African wild dog, African hunting dog, painted dog, Lycaon pictus
281 tabby cat, tabby
284 Siamese cat, Siamese
286 cougar, puma, mountain lion, catamount, panther, Puma concolor
287 lynx, bobcat
289 snow leopard, Panthera uncia
290 jaguar, panther, Panthera onca
291 lion, lioness, lion cub, Panthera leo
292 tiger, tigress, Panthera tigris
293 cheetah, Acinonyx jubatus
294 brown bear, grizzly bear, grizzly, Ursus arctos
295 American black bear, black bear, Ursus americanus
296 polar bear, ice bear, Ursus maritimus
297 sloth bear, Melursus ursinus
301 ladybug, ladybird, ladybeetle, lady beetle, ladybird beetle
303 longhorn beetle, long-horned beetle, longicorn
308 fly, housefly
309 bee, honeybee, bumblebee
310 ant
313 stick insect, walking stick, walkingstick, phasmid
314 cockroach, roach
315 praying mantis, mantis, mantid
316 cicada
318 lacewing
319 dragonfly
321 red admiral, admiral butterfly, admiral
322 ringlet butterfly, ringlet
323 monarch butterfly, monarch, Danaus plexippus
324 cabbage butterfly, cabbage white
325 sulphur butterfly, sulfur butterfly
326 lycaenid butterfly, lycaenid, gossamer-winged butterfly
330 cottontail, cottontail rabbit, wood rabbit
332 Angora rabbit, Angora
334 porcupine, hedgehog
335 fox squirrel, squirrel, Sciurus niger
336 marmot, groundhog
339 sorrel, sorrel horse, chestnut horse
341 pig, hog, piglet, Sus scrofa domesticus
342 wild boar, boar, Sus scrofa
344 hippopotamus, hippo, Hippopotamus amphibius
345 ox, bullock
346 water buffalo, water ox, Asiatic buffalo
348 ram, male sheep
349 bighorn sheep, bighorn, Rocky Mountain sheep, Ovis canadensis
354 dromedary, Arabian camel, Camelus dromedarius
355 llama, alpaca
358 polecat, Mustela putorius
359 black-footed ferret, ferret, Mustela nigripes
361 skunk, polecat
364 three-toed sloth, sloth, Bradypus tridactylus
365 orangutan, orangutang, orang, Pongo pygmaeus
378 capuchin, capuchin monkey, Cebus capucinus
383 ring-tailed lemur, Madagascar cat, Lemur catta
384 indri, Indri indri
387 red panda, lesser panda, Ailurus fulgens
388 giant panda, panda bear, Ailuropoda melanoleuca
391 coho salmon, coho, silver salmon, salmon, Oncorhynchus kisutch
393 clownfish, anemone fish, clown fish, anemonefish
397 pufferfish, puffer, blowfish, globefish
401 accordion, squeezebox, piano accordion
403 aircraft carrier, flattop
404 airliner, passenger jet, jet airliner, passenger plane
405 airship, dirigible, blimp, zeppelin
408 amphibious vehicle
409 analog clock, analogue clock
410 apiary, bee house, beehive
412 trash can, garbage can, dustbin, wastebin, rubbish bin, litter bin, ashcan, bin
413 assault rifle
414 backpack, rucksack, knapsack
415 bakery, bakeshop, bakehouse
416 balance beam
417 balloon, hot-air balloon
418 ballpoint pen, ballpoint, Biro
419 Band-Aid, adhesive bandage, sticking plaster, bandage
421 banister, bannister, handrail, balustrade, baluster, railing
424 barbershop, barber shop, barber, hairdresser
425 barn
427 barrel, cask
428 wheelbarrow, barrow, garden cart
429 baseball
433 swimming cap, bathing cap
435 bathtub, bath, bathing tub
436 station wagon, estate car, beach wagon
437 lighthouse, beacon
441 beer glass, beer mug, pint glass
442 bell cote, bell cot, bell tower, belfry
444 tandem bicycle, tandem, bicycle-built-for-two
445 bikini, two-piece swimsuit
446 ring binder, binder
447 binoculars, field glasses, opera glasses
448 birdhouse, bird house, nest box
450 bobsled, bobsleigh
451 bolo tie, bolo
452 bonnet, poke bonnet
453 bookcase, bookshelf
454 bookshop, bookstore
455 bottle cap, bottlecap
456 bow (archery), archery bow, bow and arrow
458 brass plaque, memorial plaque, plaque, memorial tablet
459 bra, brassiere
460 breakwater, seawall, groyne, jetty
461 breastplate
466 bullet train, high-speed train
467 butcher shop, butcher's shop, meat market, butcher
468 taxi, cab, taxicab
469 cauldron, caldron
470 candle
475 car mirror, wing mirror, rear-view mirror
476 carousel, merry-go-round
477 tool kit, toolbox, carpenter's kit
478 carton, cardboard box
483 castle, fortress, fort
480 cash machine, ATM, cash dispenser, automated teller machine
481 cassette, cassette tape
486 cello, violoncello
487 mobile phone, cell phone, cellphone, smartphone, cellular telephone, cellular phone, mobile
489 chain-link fence, chainlink fence, wire fence
490 chain mail, chainmail, ring mail
491 chainsaw, chain saw
492 chest (box), wooden chest, treasure chest
493 chiffonier, chest of drawers, dresser, commode
494 chime, wind chime, bell
497 church, chapel, cathedral, church building
498 cinema, movie theater, movie theatre, picture palace
499 cleaver, meat cleaver
502 clog, wooden shoe, geta, sabot
504 coffee mug, mug
505 coffeepot, coffee pot
506 coil, spiral, helix
508 computer keyboard, keypad
509 candy store, confectionery, sweet shop, candy shop
511 convertible, cabriolet
513 cornet, trumpet, horn
516 cradle
517 crane (machine), construction crane, crane machine
520 crib, cot
521 slow cooker, Crock Pot
525 dam, dike
528 dial telephone, dial phone, rotary phone
529 diaper, nappy
532 dining table, dinner table
533 dishcloth, dishrag
536 dock, dockyard
537 dog sled, dogsled, dog sleigh
538 dome
540 drilling platform, oil rig, offshore rig, oil platform
541 drum
545 electric fan, fan
548 entertainment center, entertainment centre, TV unit
552 feather boa
553 filing cabinet, file cabinet
555 fire engine, fire truck, firetruck
557 flagpole, flagstaff, flag
558 flute
564 four-poster bed, four-poster
565 freight car, goods wagon
566 French horn, horn
567 frying pan, skillet, frypan
569 garbage truck, dustcart, bin lorry
570 gas mask, gasmask, respirator
571 gas pump, petrol pump, gasoline pump
575 golf cart, golf buggy
578 gown, evening gown, evening dress, wedding dress, bridal gown
579 grand piano, grand
580 greenhouse, glasshouse
582 grocery store, grocery, supermarket, food market
584 hair clip, hair slide, barrette
586 half-track
589 hair dryer, hairdryer, hair drier, blow dryer, hand blower
590 hand-held computer, handheld computer, PDA
592 hard disk, hard disc, hard drive
593 harmonica, mouth organ
595 harvester, combine harvester, reaper
598 home theater, home theatre, home cinema
600 hook
601 hoop skirt, hoopskirt, crinoline
603 horse cart, horse-drawn carriage, horse-drawn cart
605 iPod, MP3 player
606 clothes iron, iron, flat iron
607 jack-o'-lantern, carved pumpkin, pumpkin
608 jeans, blue jeans, jean, denim
609 jeep, Land Rover, off-road car
610 T-shirt, tee shirt, jersey, tee
612 rickshaw, jinrikisha
622 lens cap, lens cover
623 letter opener, paper knife
626 lighter, cigarette lighter
628 ocean liner, cruise ship, liner
630 loafer, loafer shoe
632 loudspeaker, speaker
633 loupe, jeweler's loupe, magnifying glass
634 sawmill, lumbermill
635 compass, magnetic compass
636 mailbag, postbag
637 mailbox, letter box, post box
638 maillot, one-piece swimsuit
639 maillot (tank suit), tank suit, one-piece swimsuit, maillot
643 mask (costume), carnival mask, costume mask, face mask
644 matchstick, match
646 maze, labyrinth
649 megalith, standing stone, stone circle
651 microwave oven, microwave
656 minivan, people carrier
657 missile
658 mitten, mitt
660 mobile home, manufactured home
661 Model T, Ford Model T
664 monitor, computer monitor
666 mortar, mortar and pestle
667 mortarboard, graduation cap
670 motor scooter, scooter
673 computer mouse, mouse
675 moving van, removal van
680 pacifier, baby's dummy, bottle teat
681 notebook, notebook computer, laptop
685 odometer, speedometer, mileometer
687 organ, pipe organ
688 oscilloscope
693 paddle, oar
696 paintbrush, paint brush
697 pajamas, pyjamas, pajama, pyjama
699 pan pipes, panpipe, pan flute
700 paper towel, kitchen roll
701 parachute
702 parallel bars
703 park bench, bench
705 passenger car, railway carriage, railroad car
707 payphone, pay-phone, phone booth, telephone box
711 perfume
713 photocopier, copier, copy machine
714 plectrum, guitar pick, pick
715 pickelhaube, spiked helmet
717 pickup truck, pickup
722 ping-pong ball, table tennis ball, ping-pong, table tennis
724 pirate ship, pirate
725 pitcher, ewer
726 carpenter's plane, woodworking plane, hand plane
730 plough, plow
731 plunger
732 Polaroid camera, instant camera
733 pole
734 police van, paddy wagon
736 pool table, billiard table, snooker table
737 soda bottle, pop bottle
738 flowerpot, flower pot, plant pot, pot
743 prison, jail
744 projectile, missile
746 hockey puck, puck
747 punching bag, punchbag, punch bag, boxing
748 purse, handbag
750 quilt, comforter, duvet
751 racing car, race car, racer, formula one car
752 racket, racquet, tennis racket
753 radiator
754 radio, radio set
755 radio telescope
757 recreational vehicle, RV, motorhome, camper van, camper
758 reel, fishing reel
756 rain barrel, barrel, water butt
759 reflex camera, SLR camera
760 refrigerator, fridge
762 restaurant, cafe, diner, eatery
763 revolver, handgun, pistol
764 rifle
765 rocking chair
767 eraser, rubber eraser, rubber
769 ruler, rule
773 salt shaker
776 saxophone, sax
778 scale, weighing scale, scales
782 screen (CRT), CRT screen, CRT monitor, computer screen
795 ski, skiing, skier
796 ski mask, balaclava
800 slot machine, one-armed bandit
768 rugby ball, rugby
805 soccer ball, football, soccer
807 solar dish, solar collector
815 spider web, cobweb, spider's web
818 spotlight
820 steam locomotive, steam engine, steam train
822 steel drum, drum
824 stole, shawl
829 streetcar, tram, trolley
831 studio couch, day bed, sofa bed
832 stupa, pagoda
833 submarine, U-boat
834 suit, business suit
836 sunglass, sunglasses, shades
837 sunglasses, dark glasses, shades
840 mop, swab
842 swimming trunks, swim shorts, bathing trunks, shorts
844 switch, light switch
847 tank, army tank
850 teddy bear, teddy
851 television, TV, television set
853 thatched roof, thatch
862 torch
864 tow truck, wrecker
867 trailer truck, articulated lorry, tractor trailer, semi-trailer truck
870 tricycle, trike
876 tub, vat
881 upright piano, upright
882 vacuum cleaner, vacuum, hoover
884 vault, vaulted ceiling
889 violin, fiddle
893 wallet, billfold, pocketbook
894 wardrobe, closet
895 warplane, military plane, fighter jet, fighter plane
896 washbasin, sink, wash basin, handbasin, washbowl
897 washing machine, washer
904 window screen, fly screen
905 window shade, window blind, blind
908 wing, airplane wing, aircraft wing
911 wool, woollen, woolen
913 wreck, shipwreck
916 web site, website, web page, screenshot
917 comic book, comic
919 street sign, road sign, traffic sign, sign
920 traffic light, traffic signal, stoplight
921 book jacket, book cover, dust jacket, dust cover
923 plate, plate of food, main course
925 consomme, clear soup, broth
926 hot pot
928 ice cream
929 ice lolly, popsicle, lollipop, lolly
930 French loaf, baguette, loaf
931 bagel
933 cheeseburger, hamburger, burger
934 hot dog
936 head cabbage, cabbage
939 zucchini, courgette
945 bell pepper, pepper, sweet pepper, capsicum
947 mushroom (edible), edible mushroom, champignon
948 Granny Smith, green apple
949 strawberry
950 orange, orange fruit
953 pineapple
955 jackfruit
959 carbonara, spaghetti carbonara
961 dough
963 pizza
964 potpie, pot pie
966 red wine
968 cup (drink), cup of coffee, cup of tea, teacup
970 alp, alpine mountain
971 bubble, soap bubble
972 cliff
976 promontory, headland
978 seashore, coast, seacoast, seaside, shore
981 baseball player, ballplayer
982 bridegroom, groom
984 rapeseed, canola, rape field
985 daisy
986 yellow lady's slipper, lady's slipper, Cypripedium calceolus
987 corn, maize, sweetcorn
989 rose hip, rosehip
990 horse chestnut, buckeye, conker
996 hen-of-the-woods, maitake, Grifola frondosa
998 ear of corn, corn cob, corn ear
999 toilet paper, toilet tissue, bathroom tissue
"""

# NAME, other words < what it is a kind of = numbers of classes that are one. Whatever a narrower concept
# holds, the broader holds too. A word may stand here for what the network has no class for where it takes
# such pictures for this concept's: a deer for an antelope, a dolphin for a whale.
TREE = """
animal, beast, creature
wild animal, wildlife < animal = 9 21-24 49-50 101-106 269-280 286-299 330-331 334-337 340 342-344 346-347
    349-353 356-358 360-388
pet, pet animal < animal = 1 87-89 332 333 338
farm animal, livestock < animal = 7-8 97 99 341 348
safari animal, safari < wild animal = 9 49 101 275-276 288 291 293 340 343-344 351-353 372 386
sea animal, sea creature, marine animal, marine life, sealife < aquatic animal = 2-6 107-109 112 115-123
    125 145 147-150 327-329 389 391-393 396-397
aquatic animal, water animal < animal = 0-1 25-30 35-36 124 337 360 390 394-395 103 344
extinct animal, prehistoric animal, fossil < animal = 51 69
fish, fishes < aquatic animal = 0-1 389-397
shark < fish = 2-4
ray (fish), ray fish, manta ray < fish = 5-6
tropical fish, aquarium fish < fish = 1 392 393 396 397
bird, birds < animal = 91-96
songbird, perching bird < bird = 10-20
finch < songbird = 10-14
corvid, crow, raven < songbird = 17-18
bird of prey, raptor < bird = 21-24
eagle < bird of prey = 22
hawk, falcon < bird of prey = 21
owl < bird of prey = 24
game bird, pheasant < bird = 82 84-86
grouse < game bird = 80-83
partridge (game bird), partridge < game bird = 82 86
parrot < bird = 87-90
cockatoo < parrot = 89
chicken, poultry, domestic fowl < farm animal, bird = 7-8
water bird, waterbird, waterfowl, aquatic bird < bird = 97-100 129-130 134-138
wading bird, wader < water bird = 129-130 134-138
duck, duckling < water bird = 97-98
swan < water bird = 100
stork < wading bird = 127-128
heron < wading bird = 131-133
egret < heron = 132
shorebird, shore bird < wading bird = 139-143
sandpiper < shorebird = 140-142
seabird, sea bird, seagull, gull < water bird = 144-146
penguin < seabird = 145
flightless bird < bird = 9 145
amphibian < animal = 25-32
salamander < amphibian = 25-29
newt < salamander = 26-27
frog, toad < amphibian = 30-32
reptile < animal = 51
turtle, tortoise < reptile = 35-37
sea turtle < turtle, sea animal = 33-34
lizard < reptile = 38-48
gecko < lizard = 38
chameleon < lizard = 40 47
crocodilian < reptile = 49-50
dinosaur < extinct animal, reptile = 51
snake, serpent < reptile = 52-68
python < snake = 62
boa < snake = 61
cobra < snake = 63
mamba < snake = 64
viper < snake = 66-68
rattlesnake < viper = 67-68
invertebrate < animal = 69 107-109
arthropod < invertebrate = 69 79
insect, bug < arthropod = 300-326
beetle < insect = 300-307
butterfly, moth < insect = 321-326
arachnid < arthropod = 70-78
spider < arachnid = 72-77
crustacean, shellfish < arthropod = 118-126
crab < crustacean = 118-121 125
lobster < crustacean = 122-123
mollusc, mollusk, shellfish < invertebrate = 112-117
worm < invertebrate = 110-111
coral < invertebrate, sea animal = 109
echinoderm < invertebrate, sea animal = 327-329
mammal < animal = 101-106 147-150 298-299 330-388
marsupial < mammal = 104-106
kangaroo < marsupial = 104
monotreme, egg-laying mammal < mammal = 102-103
marine mammal, sea mammal < mammal, sea animal = 147-150
whale, cetacean, dolphin, porpoise < marine mammal = 147-148
carnivore, predator < mammal = 276 298-299 356-362 387-388
canine < carnivore = 269-275 277-280
dog, puppy, doggy, pooch, hound dog, domestic dog < pet, canine = 151-268
lap dog, toy dog, small dog < dog = 151-158 254 259 262 265
spaniel < dog = 152 156 215-221
springer spaniel < spaniel, gun dog = 217-218
hound < dog = 159-178
coonhound < hound = 164-165 168
foxhound < hound = 166-167
wolfhound < hound = 169-170
greyhound < hound = 171-172
terrier < dog = 158 179-203
bull terrier, bullterrier, pit bull < terrier = 179-180
fox terrier < terrier = 188
schnauzer < terrier = 196-198
gun dog, sporting dog, hunting dog < dog = 178 205-221
retriever < gun dog = 205-209
pointer (dog), pointer dog, pointer < gun dog = 210-211
setter < gun dog = 212-214
working dog, guard dog < dog = 222-223 234 236 238-244 246-250 255-258
sheepdog, sheep dog, shepherd dog, herding dog < dog = 222 224-233 235
Belgian shepherd < sheepdog = 224-225
Swiss mountain dog, mountain dog < working dog = 238-241
mastiff < working dog = 243-244
bulldog < dog = 245
pinscher < dog = 236-237 252
sled dog < working dog = 248-250 258
spitz < dog = 248-250 258-261
corgi, Welsh corgi < dog = 263-264
poodle < dog = 265-267
wolf < canine = 269-271
wild dog < canine = 273-275
fox < canine = 277-280
feline < carnivore
cat, kitten, kitty, house cat, domestic cat < pet, feline = 281-285
wildcat, wild cat < feline = 286-287
big cat < feline = 286 288-293
bear < carnivore = 294-297 388
panda < carnivore = 387-388
mustelid, weasel family < carnivore = 356-362
rabbit, bunny < mammal = 330-332
rodent, mouse, rat < mammal = 333-338
hoofed animal, hoofed mammal, ungulate < mammal = 344
equine < hoofed animal = 340
horse, pony, foal, stallion, mare < equine, farm animal = 339
swine < hoofed animal = 341-343
bovine < hoofed animal = 345-347
cow, cattle, bull, calf, cows < bovine, farm animal = 345
buffalo < bovine = 346-347
sheep, lamb, ewe < hoofed animal = 348-349
goat < hoofed animal, farm animal = 350
antelope, deer < hoofed animal, wild animal = 351-353
camel < hoofed animal = 354
camelid < hoofed animal = 354-355
elephant < mammal = 101 385-386
primate < mammal = 365-384
ape < primate = 365-369
great ape < ape = 365-367
monkey < primate = 370-382
lemur < primate = 383-384

plant, flora, vegetation < nature = 946 958 984 987-990 998
flower, blossom, bloom < plant = 984-986
orchid < flower = 986
crop, cereal, grain < plant = 958 984 987 998
nut, seed < plant = 988 990
fungus, mushroom, toadstool < nature = 947 991-997

food, meal
fruit < food = 948-957
citrus fruit, citrus < fruit = 950-951
apple < fruit = 948
berry < fruit = 949
vegetable, veggie, veg < food = 936-947 987 998
squash, gourd < vegetable = 939-942
brassica < vegetable = 936-938
cooked food, dish, cooking < food = 923-926 933-935 959 962-965
soup, stew < cooked food = 925-926
pasta, spaghetti, noodles < cooked food = 959
potato < cooked food = 935
fast food, junk food, snack < food = 932-934 963 965
sandwich < fast food = 933-934
bread < baked goods = 930-932
baked goods, pastry, baking < food = 961-964
dessert, sweet, pudding, sweets < food = 927-929 960
frozen dessert < dessert = 928-929
sauce, dip < food = 924 959-960
meat < food = 933-934 962
drink, beverage = 966-969
alcohol, alcoholic drink < drink = 440-441 966 969
wine < alcohol = 907 966
beer < alcohol = 440-441
coffee < drink = 504-505 550 967-968
tea < drink = 849 968

nature, natural world = 599 815
landscape, scenery, nature scene, natural scene, countryside < nature = 970 972 974-980
mountain, mount, peak, hill < landscape = 970 980
lake, pond, river < landscape, water = 975
sea, ocean < water = 460 540 973 976-978
coast, coastline, shore, seaside < landscape, sea = 976-978
beach, sand < coast = 977-978
underwater < sea = 107-109 392-393 396 973 983
geological formation, rock formation, rock < landscape = 970 972-974 976-977 979-980
water, waterside = 449 525 536 562 718 971 974
snow, winter scene = 537 795 802-803 970

person, people, human, human being = 981-983
sportsman, athlete, sportsperson, player < person, sport = 981

vehicle, transport = 408 573 575 612 690 757 802-803 829 847 870 880
motor vehicle < vehicle = 408 573 575 586 670 757 802-803 866
car, automobile, auto, motorcar, motor car, sedan, coupe < motor vehicle = 407 436 468 511 609 627 656 661
    751 817
truck, lorry < motor vehicle = 555 569 675 717 864 867
van < motor vehicle = 656 675 734 757
bus, coach, autobus < motor vehicle, public transport = 654 779 874
motorcycle, motorbike, bike, motor bike < motor vehicle = 665 670
bicycle, bike, cycle, pushbike < vehicle = 444 671
public transport < vehicle = 466 468 705 829
emergency vehicle < vehicle = 407 554-555 734
train, railway, railroad, rail < vehicle = 466 547 565 705 820
locomotive < train = 547 820
farm vehicle, farm machine, farm machinery, agricultural machine < machine = 595 730 856 866
military vehicle < vehicle, military = 403 586 847 895
cart, wagon, carriage < vehicle = 428 603 612 690 791
sled, sledge, sleigh < vehicle, snow = 450 537
aircraft < vehicle = 405 417
airplane, aeroplane, plane, jet, jet plane < aircraft = 404 895 908
spacecraft, spaceship < vehicle, outer space = 812
outer space, astronomy = 727 755 812
watercraft < vehicle, water = 403 472 554 576 625 814 833 913
boat < watercraft = 472 554 576 625 814
sailing boat, sailboat, sailing ship, yacht, sailing < boat = 484 724 780 871 914
ship, vessel < watercraft, sea = 403 510 628 724 780 833 913
warship, naval ship, navy < ship, military = 403 833
wheel = 479 694 723 739
street, road, traffic = 468 640 704 829 874 919-920

building, architecture, edifice = 410 425 437 483 449 498 500 538 580 624 634 663 698 727 743 762 853 858
    884 900
house, home, dwelling, cottage, hut, cabin < building = 449 500 660 853 858 915
roof < building = 538 853 858
tower < building = 437 442 900
religious building, place of worship, temple, house of prayer < building = 442 497 663 668 832
religion = 406 442 497 663 668 741 832 887
shop, store, shopfront < building = 415 424 454 467 509 582 788 860 865
shopping < = 582 790-791
bridge = 821 839 888
fence < barrier = 489 716 912
barrier = 421 460 525 825 877
wall < barrier = 825
monument, memorial, landmark = 458 649 682 863 873
column, pillar < = 682 708 863
arch < = 821 873 888
harbour, harbor, port < water = 460 536 718
farm = 410 425 595 730 856 866 958
playground, funfair, amusement park = 476 843
garden, yard, gardening = 428 448 562 580 621 706 716 738

furniture, furnishing = 453 493 548 553 857
bed < furniture = 431 516 520 564 831
baby bed < bed, baby = 431 516 520
seat < furniture = 703 831 861
chair, armchair < seat = 423 559 765 857
sofa, couch, settee < seat = 831
table < furniture = 526 532 736
cabinet, cupboard < furniture = 493 495 553 648 894
lamp, light, lantern < = 607 619 818 846
lighting, light source = 470 607 619 626 818 846 862
curtain, drape = 794 854
window < = 789 904-905
door < = 789 799
rug, carpet, mat = 539 741
bedding, bedroom = 564 669 721 750
bathroom = 434-435 648 731 793-794 804 861 896 999
living room = 548 598 831 851
mirror = 475

clothing, clothes, garment, apparel, outfit, fashion, wear = 399 400 411 443 501 529 610 614 617 652 697
    735 834 887
dress, frock < clothing = 578 601 689
robe < clothing = 399-400 614 887
skirt < clothing = 601 655 689 775
coat, jacket < clothing = 568 617 869
sweater, jumper, pullover, hoodie < clothing = 474 841
shirt < clothing = 610
trousers, pants < clothing = 608
swimsuit, swimwear, bathing suit, swimming costume < clothing = 445 638-639 842
underwear, lingerie < clothing = 459
uniform < clothing = 617 652
headwear, headgear < clothing = 433 793 903
hat < headwear = 439 452 515 667 808
cap < headwear = 433 667 793
helmet < headwear, protective gear = 518 560 715
footwear < clothing = 502 806
shoe < footwear = 502 514 630 770 774
boot < shoe = 514
sneaker, trainer, sports shoe < shoe = 770
stocking, hosiery < clothing = 496 806
glove < clothing = 658
accessory, fashion accessory = 584 679 748 893 879
scarf < clothing, accessory = 552 824
tie, necktie, neckwear < clothing, accessory = 451 457 906
glasses, eyeglasses, spectacles, eyewear < accessory = 836-837
jewellery, jewelry < accessory = 679
watch, wristwatch < accessory, timepiece = 531
mask < = 570 643 691 796
armour, armor, body armour, body armor, suit of armour < protective gear = 461 465 490 524 715 787
protective gear = 570 615 676 785
fabric, cloth, textile, material = 434 533 591 741 885 911
towel < fabric = 434 700
wedding, marriage = 578 982
baby, infant = 431 443 516 520 529 680

bag < container = 414 636 728 748
container = 412 427 438 463 588 756 653 692 719 771 868 876
bottle < container = 440 720 737 898 901 907
jug < container = 725 899 901
jar, vase < container = 883
box < container = 478 492 519 709
basket < container = 588 790
can, tin < container = 653

kitchen, kitchenware = 473 503 512 618 647 659 666 729 773 809 828 910 968
kitchen utensil, utensil < kitchen = 473 499 512 618 647 659 813 828 910
cookware, cooking utensil, pots and pans < kitchen = 469 521 544 567 909
pan < cookware = 567 909
cooking pot, pot < cookware, container = 469 521 544
tableware, dishes, crockery, dishware < kitchen = 441 504 505 572 659 725 809 849 868 910 968
bowl < tableware = 659 809
cup < tableware = 504 968
glass, drinking glass, glassware < tableware = 441 572
spoon < kitchen utensil = 618 910
knife < tool = 499 623
appliance, household appliance, domestic appliance = 545 589 606 786 811 882 897
kitchen appliance < appliance, kitchen = 521 534 550 651 760 766 827 859 891
oven, cooker < kitchen appliance = 544 651 766 827
heater, heating = 753 811 827

tool = 477 587 623 726 730-731 740 783 784 792
hand tool < tool = 587 596 726 731 784 792
power tool < tool = 491 740
garden tool < tool, garden = 428 621 792
saw < power tool = 491
axe, ax < tool = 596
drill < power tool = 740
cleaning, cleaning equipment, housework = 462-463 533 731 840 882
fastener, hardware = 464 600 616 677 772 783
lock < fastener = 507 695
machine, machinery = 480 491 517 561 571 621 713 740 742 786 800 856 886 897
construction machine, construction site < machine = 517 561
weapon, arms = 456 471 583 657 744
gun, firearm < weapon = 413 471 763-764
military, army, war = 413 465 471 586 597 652 657 744 777 847

electronics, electronic device, gadget = 398 545 592 613 650 662 688 745 761 844
computer, PC < electronics = 508 527 590 620 664 673 681 782
keyboard < = 508 810 878
screen, display < electronics = 664 782 851
phone, telephone < electronics = 487 528 707
camera, photo camera < electronics = 732 759
audio equipment, music player, hi-fi, stereo < electronics = 481-482 485 605 632 754 848
clock < timepiece = 409 530 835 892
timepiece = 604 826
measuring instrument = 426 635 647 685 769 778 798 826
optical instrument < = 447 633 755
scientific instrument, laboratory equipment, laboratory, science = 438 633 688 712 755
medical equipment, medical, medicine, hospital = 419 523 617 648 678 691 720 823 830 845

musical instrument, instrument, music = 494
string instrument, stringed instrument < musical instrument = 420 486 594 889
guitar < string instrument = 402 546
piano < keyboard instrument = 579 881
keyboard instrument < musical instrument = 401 687
wind instrument < musical instrument = 401 593 684 699
brass instrument, brass < wind instrument = 513 566 875
woodwind, woodwind instrument < wind instrument = 432 558 683 776
percussion instrument, percussion < musical instrument = 541-542 577 641-642 822
theatre, theater, performance, concert = 498 819 854

book, reading = 454 624 917 921
writing instrument, pen < stationery = 418 563 749
stationery, office supply = 446 549 623 709-710 767 769
office = 508 526-527 553 664 673 713 742 878
toy, plaything = 417 611 723 843 850
game = 611 736 800 918
puzzle < game = 611 646 918
cosmetics, makeup, make-up = 551 629
toiletries, toiletry = 551 585 629 631 711 838
hair care = 424 584-585 589 903
packaging = 455 478 692 720 728
car part, vehicle part = 475 479 535 581 685-686 785
money, bank = 480 719 771 893
paper = 549 700 922 999
camping, tent < outdoors = 672
outdoors, hiking = 414 447 635 797
metalwork, metal = 458 488 506 581 600
symbol, flag pole < = 557 863
art and craft, craft = 611 696 739 855 816
device = 622 626 674 714 761 835 902
energy, power, electricity = 525 540 807 844
photography = 622 732 759 872
beekeeping < farm = 309 410 599
festival, celebration, holiday, party = 417 496 607 645
christmas, xmas < festival = 496
halloween < festival = 607
text, document, page = 916-919 922
fire = 470 556 644 862
public facility, street furniture < street = 637 703 707 733

sport, sports = 433 456 560 615 736 752 781 801 902 981 983
ball < sport = 429-430 522 574 722 768 805 852 890
winter sport, skiing < sport, snow = 450 795
water sport, swimming, diving < sport, water = 433 445 472 638-639 693 801 842 983
gym, fitness, gymnastics, exercise, workout < sport = 416 422 543 602 702 747
golf < sport = 574-575
tennis < sport = 752 852
baseball (sport), baseball game, baseball < sport = 429 981
motor racing, motorsport, racing < sport = 518 573 751
hockey, ice hockey < sport = 746
american football < sport = 560
fishing < sport = 758
parachuting, skydiving < sport = 701
"""


@dataclass
class Node:
    """A concept while the tree is built: `parents` are names, `members` numbers of classes."""

    name: str
    words: list[str]
    parents: list[str] = field(default_factory=list)
    members: set[int] = field(default_factory=set)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wordnet", type=Path)
    parser.add_argument("wnids", type=Path)
    arguments = parser.parse_args()
    wnids = arguments.wnids.read_text("utf-8").split()
    if len(wnids) != CLASS_COUNT or wnids != sorted(wnids):
        parser.error(f"{arguments.wnids} does not hold {CLASS_COUNT} sorted identifiers")
    classes = class_nodes(wnids, lemmas(arguments.wordnet / "data.noun"))
    broader = tree()
    check(classes, broader)
    content = {"notice": NOTICE, "concepts": rows(classes, broader)}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(
        json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("],[", "],\n[") + "\n", "utf-8"
    )
    print(f"{OUT.name}: {len(classes)} classes, {len(broader)} broader, {OUT.stat().st_size:,} bytes")


def lemmas(path: Path) -> dict[int, list[str]]:
    """The words of each noun synset by its offset (the format is that of WordNet's wndb(5))."""
    found = {}
    for line in path.read_text("ascii").splitlines():
        if not line.startswith(" "):
            fields = line.split(" ")
            count = int(fields[3], 16)
            found[int(fields[0])] = [fields[4 + 2 * i].replace("_", " ") for i in range(count)]
    return found


def class_nodes(wnids: Sequence[str], words: dict[int, list[str]]) -> list[Node]:
    better = {}
    for line in CLASSES.strip().splitlines():
        number, _, text = line.partition(" ")
        if int(number) in better:
            raise SystemExit(f"CLASSES: {number} stands there twice")
        better[int(number)] = text.split(", ")
    texts = [better.get(number, words[int(wnid[1:])]) for number, wnid in enumerate(wnids)]
    return [node(text) for text in texts]


def node(texts: list[str]) -> Node:
    """A name is in lower case; what stands in parentheses belongs to it, and not to its words."""
    plain = [texts[0].partition(" (")[0], *texts[1:]]
    words = list(dict.fromkeys(word for word in plain if word))
    return Node(texts[0].lower(), words[:MOST_WORDS])


def tree() -> dict[str, Node]:
    found: dict[str, Node] = {}
    for line in filter(None, TREE.replace("\n    ", " ").splitlines()):
        head, _, numbers = line.partition("=")
        texts, _, parents = head.partition("<")
        made = node([text.strip() for text in texts.split(",")])
        made.parents = [name.strip().lower() for name in parents.split(",") if name.strip()]
        made.members = set(ranges(numbers))
        if made.name in found:
            raise SystemExit(f"TREE: {made.name} stands there twice")
        found[made.name] = made
    return found


def ranges(text: str) -> Iterator[int]:
    for part in text.split():
        low, _, high = part.partition("-")
        yield from range(int(low), int(high or low) + 1)


def ancestors(broader: dict[str, Node], names: Sequence[str], below: str = "") -> set[str]:
    found: set[str] = set()
    for name in names:
        if name == below:
            raise SystemExit(f"TREE: {name} is a kind of itself")
        if name not in broader:
            raise SystemExit(f"TREE: {below} is a kind of {name}, which does not stand there")
        found |= {name} | ancestors(broader, broader[name].parents, below or name)
    return found


def covered(broader: dict[str, Node]) -> dict[str, set[int]]:
    """The classes below each broader concept, those of narrower ones among them."""
    found = {name: set(entry.members) for name, entry in broader.items()}
    for name, entry in broader.items():
        for above in ancestors(broader, entry.parents, name):
            found[above] |= entry.members
    return found


def check(classes: list[Node], broader: dict[str, Node]) -> None:
    below = covered(broader)
    names = Counter([entry.name for entry in classes] + list(broader))
    double = [name for name, count in names.items() if count > 1]
    empty = [name for name, members in below.items() if not members]
    alone = sorted(set(range(CLASS_COUNT)) - set().union(*below.values()))
    if double or empty or alone:
        without = [f"{number} {classes[number].name}" for number in alone]
        raise SystemExit(f"twice: {double}\nwithout a class: {empty}\nwithout anything broader: {without}")


def rows(classes: list[Node], broader: dict[str, Node]) -> list[list[object]]:
    """For each concept its name, its words, and the numbers of its broader concepts, the nearest (that is,
    the one of fewest classes) first."""
    below = covered(broader)
    depth = {name: len(ancestors(broader, entry.parents, name)) for name, entry in broader.items()}
    order = sorted(broader, key=lambda name: (len(below[name]), -depth[name], name))
    number = {name: CLASS_COUNT + place for place, name in enumerate(order)}
    of_class = [[number[name] for name in order if place in below[name]] for place in range(CLASS_COUNT)]
    of_broader = [sorted(number[up] for up in ancestors(broader, broader[name].parents)) for name in order]
    nodes = [*classes, *(broader[name] for name in order)]
    return [
        [entry.name, entry.words, above] for entry, above in zip(nodes, of_class + of_broader, strict=True)
    ]


if __name__ == "__main__":
    main()
