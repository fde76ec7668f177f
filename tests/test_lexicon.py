"""The lexicon: everyday words to classes of the default network, expected figures by hand."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findalike.errors import UsageError
from findalike.types import Bank, Concept
from findalike.words.lexicon import CLASS_COUNT, LEAST, LEAST_BROADER, TOP, Words, lexicon, singulars, tokens

LABELS = Path(__file__).parents[2] / "shared/data/objects/labels.csv"

# By the published list of ImageNet's classes: what a word means to people.
ALL = {
    "goldfish": {1},
    "shark": {2, 3, 4},
    "owl": {24},
    "parrot": {87, 88, 89, 90},
    "duck": {97, 98},
    "swan": {100},
    "stork": {127, 128},
    "penguin": {145},
    "whale": {147, 148},
    "frog": {30, 31, 32},
    "turtle": set(range(33, 38)),
    "lizard": set(range(38, 49)),
    "crocodile": {49},
    "snake": set(range(52, 69)),
    "spider": set(range(72, 78)),
    "scorpion": {71},
    "dog": set(range(151, 269)),
    "golden retriever": {207},
    "retriever": set(range(205, 210)),
    "poodle": {265, 266, 267},
    "corgi": {263, 264},
    "pug": {254},
    "husky": {248, 250},
    "collie": {231, 232},
    "wolf": {269, 270, 271},
    "fox": {277, 278, 279, 280},
    "cat": set(range(281, 286)),
    "kitten": set(range(281, 286)),
    "lion": {291},
    "tiger": {292},
    "bear": {294, 295, 296, 297, 388},
    "polar bear": {296},
    "panda": {387, 388},
    "insect": set(range(300, 327)),
    "beetle": set(range(300, 308)),
    "bee": {309},
    "butterfly": set(range(321, 327)),
    "rabbit": {330, 331, 332},
    "squirrel": {335},
    "horse": {339},
    "zebra": {340},
    "pig": {341},
    "cow": {345},
    "sheep": {348, 349},
    "camel": {354},
    "elephant": {101, 385, 386},
    "monkey": set(range(370, 383)),
    "gorilla": {366},
    "car": {407, 436, 468, 511, 609, 627, 656, 661, 751, 817},
    "truck": {555, 569, 675, 717, 864, 867},
    "lorry": {555, 569, 675, 717, 864, 867},
    "bus": {654, 779, 874},
    "train": {466, 547, 565, 705, 820},
    "bicycle": {444, 671},
    "motorcycle": {665, 670},
    "taxi": {468},
    "ambulance": {407},
    "fire engine": {555},
    "submarine": {833},
    "canoe": {472},
    "church": {497},
    "bridge": {821, 839, 888},
    "castle": {483},
    "lighthouse": {437},
    "chair": {423, 559, 765, 857},
    "bed": {431, 516, 520, 564, 831},
    "sofa": {831},
    "couch": {831},
    "guitar": {402, 546},
    "piano": {579, 881},
    "violin": {889},
    "trumpet": {513},
    "ball": {429, 430, 522, 574, 722, 768, 805, 852, 890},
    "clock": {409, 530, 835, 892},
    "watch": {531},
    "phone": {487, 528, 707},
    "television": {851},
    "hat": {439, 452, 515, 667, 808},
    "shoe": {502, 514, 630, 770, 774},
    "jeans": {608},
    "necklace": {679},
    "jewelry": {679},
    "umbrella": {879},
    "backpack": {414},
    "bottle": {440, 720, 737, 898, 901, 907},
    "gun": {413, 471, 763, 764},
    "pizza": {963},
    "hot dog": {934},
    "hamburger": {933},
    "ice cream": {928},
    "banana": {954},
    "apple": {948},
    "lemon": {951},
    "fruit": set(range(948, 958)),
    "wine": {907, 966},
    "coffee": {504, 505, 550, 967, 968},
    "mushroom": {947, *range(991, 998)},
    "flower": {984, 985, 986},
    "volcano": {980},
    "mountain": {970, 980},
    "beach": {977, 978},
    "lake": {975},
    "person": {981, 982, 983},
    "scuba diver": {983},
    "traffic light": {920},
    "toilet paper": {999},
    "crane": {134, 517},
    "missile": {657, 744},
    "sunglasses": {836, 837},
    "maillot": {638, 639},
    "cardigan": {474},
}
SOME = {
    "animal": ({7, 207, 281, 310, 386}, {404, 948}),
    "bird": ({7, 24, 88, 99, 145}, {281, 310}),
    "fish": ({0, 1, 2, 5, 397}, {147, 150}),
    "pet": ({1, 151, 268, 281, 333, 338}, {269, 291}),
    "big cat": ({288, 290, 291, 292, 293}, {281, 285}),
    "farm animal": ({8, 339, 341, 345, 348}, {291, 340}),
    "wild animal": ({269, 291, 296, 340, 386}, {207, 281, 345}),
    "sea animal": ({2, 33, 107, 121, 147, 327}, {1, 97}),
    "reptile": ({33, 38, 49, 52}, {25, 30}),
    "vehicle": ({404, 468, 484, 671, 820, 847, 866}, {479, 920}),
    "boat": ({472, 484, 576, 814, 914}, {449}),
    "ship": ({403, 510, 628, 780}, {472}),
    "plane": ({404, 895}, {405, 726}),
    "aircraft": ({404, 405, 417, 895}, {812}),
    "vegetable": ({937, 938, 939, 943, 945}, {949, 954}),
    "food": ({930, 933, 937, 954, 963}, {967, 504}),
    "drink": ({966, 967, 969}, {963}),
    "dessert": ({927, 928, 929}, {963}),
    "bread": ({930, 931, 932}, {963}),
    "tool": ({587, 784, 740, 792}, {402}),
    "musical instrument": ({402, 513, 541, 579, 889}, {587}),
    "furniture": ({423, 526, 564, 831, 894}, {846}),
    "clothes": ({399, 578, 608, 610, 834}, {414}),
    "dress": ({578}, {610}),
    "bag": ({414, 748}, {797}),
    "building": ({425, 497, 580, 668, 698}, {821}),
    "house": ({500, 660, 915}, {497}),
    "tower": ({437, 900}, {755}),
    "shop": ({415, 424, 454, 860, 865}, {497}),
    "sport": ({430, 752, 795, 805, 981}, {402}),
    "toy": ({850, 611}, {430}),
    "weapon": ({413, 763, 657}, {587}),
    "kitchen": ({567, 651, 827, 849}, {435}),
    "appliance": ({534, 651, 760, 859, 882, 897}, {831}),
    "electronics": ({487, 527, 620, 851}, {587}),
    "computer": ({527, 620, 681}, {487}),
    "camera": ({732, 759}, {745}),
    "cup": ({504, 968}, {849}),
    "lamp": ({846}, {827}),
    "table": ({526, 532}, {423}),
    "landscape": ({970, 972, 975, 978, 979, 980}, {437}),
    "plant": ({985, 986}, {937}),
    "book": ({917, 921}, {916}),
    "medical": ({823, 845, 830}, {587}),
}


def named(text: str) -> list[set[int]]:
    """For each mention in a text, all the classes that it may mean."""
    words = lexicon()
    names = [concept.name for concept in words.bank.concepts]
    return [
        {place for number in mention.concepts for place in words.classes_under(names[number])}
        for mention in words.find(text)
    ]


@pytest.mark.parametrize("word", ALL)
def test_everyday_words_mean_these_classes(word: str) -> None:
    assert named(word) == [ALL[word]]


@pytest.mark.parametrize("word", SOME)
def test_broad_words_hold_some_classes_and_not_others(word: str) -> None:
    (found,) = named(word)
    within, without = SOME[word]
    assert within <= found
    assert not without & found


@pytest.mark.data
@pytest.mark.skipif(not LABELS.exists(), reason="needs ../shared/data/objects")
def test_names_of_the_object_photographs_find_their_classes() -> None:
    with LABELS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 200
    lost = [row["name"] for row in rows if int(row["imagenet_index"]) not in set().union(*named(row["name"]))]
    assert lost == []


def test_concepts_are_classes_then_what_is_broader() -> None:
    concepts = lexicon().bank.concepts
    assert [concepts[i].name for i in (0, 1, 207, 281, 404, 817, 999)] == [
        "tench",
        "goldfish",
        "golden retriever",
        "tabby cat",
        "airliner",
        "sports car",
        "toilet paper",
    ]
    assert len({concept.name for concept in concepts}) == len(concepts) > CLASS_COUNT
    assert all(concept.words and concept.name == concept.name.lower() for concept in concepts)
    assert all(concept.broader for concept in concepts[:CLASS_COUNT])


def test_the_tree_holds_no_cycle_and_names_every_ancestor() -> None:
    by_name = {concept.name: concept for concept in lexicon().bank.concepts}
    for concept in by_name.values():
        assert concept.name not in concept.broader
        for name in concept.broader:
            assert set(by_name[name].broader) <= set(concept.broader)


def test_what_is_broader_comes_nearest_first() -> None:
    words = lexicon()
    broader = words.bank.concepts[207].broader
    assert broader[:3] == ("retriever", "gun dog", "dog")
    assert broader[-1] == "animal"
    for concept in words.bank.concepts:
        sizes = [len(words.classes_under(name)) for name in concept.broader]
        assert sizes == sorted(sizes)


def test_a_name_that_no_concept_has_is_refused_with_those_near() -> None:
    assert lexicon().classes_under("Golden retriever") == (207,)
    with pytest.raises(UsageError, match="elephant"):
        lexicon().classes_under("elefant")


@pytest.mark.parametrize(
    ("text", "singular"),
    [
        ("dogs", "dog"),
        ("wolves", "wolf"),
        ("geese", "goose"),
        ("people", "person"),
        ("buses", "bus"),
        ("mice", "mouse"),
        ("strawberries", "strawberry"),
        ("Foxes", "fox"),
        ("butterflies", "butterfly"),
        ("churches", "church"),
        ("knives", "knife"),
        ("oxen", "ox"),
        ("Golden Retrievers", "golden retriever"),
        ("hotdog", "hot dog"),
        ("ice-creams", "ice cream"),
        ("tree-frog", "tree frog"),
        ("jack o lantern", "jack-o'-lantern"),
        ("jack-o\u2019-lanterns", "jack-o'-lantern"),
        ("consommé", "consomme"),
        ("goldenretriever", "golden retriever"),
        ("binocular", "binoculars"),
        ("BLACK SWANS", "black swan"),
        ("St. Bernard", "saint bernard"),
        ("carpenters planes", "carpenter's plane"),
    ],
)
def test_inflections_and_spellings(text: str, singular: str) -> None:
    assert lexicon().find(text)
    assert named(text) == named(singular)


def test_glasses_are_worn_and_a_glass_is_not() -> None:
    assert named("glasses") == [{836, 837}]
    assert named("glass") == [{441, 572}]


def test_the_longest_phrase_wins_and_spans_say_what_is_left() -> None:
    text = "A hot dog, and two Golden Retrievers on the beach"
    spans = [(mention.start, mention.end) for mention in lexicon().find(text)]
    assert [tokens(text)[start:end] for start, end in spans] == [
        ["hot", "dog"],
        ["golden", "retrievers"],
        ["beach"],
    ]
    assert named("hot dog") == [{934}]
    assert named("car pets") == [ALL["car"], set(lexicon().classes_under("pet"))]
    assert lexicon().find("") == lexicon().find("the of, 42!") == ()


def test_near_words_come_quickly() -> None:
    start = time.perf_counter()
    assert lexicon().near("retreiver")[0] == "retriever"
    assert lexicon().near("bycicle")[0] == "bicycle"
    assert lexicon().near("qqqqqq") == []
    assert time.perf_counter() - start < 0.15


def test_evidence_is_the_surest_classes_and_sums_for_what_is_broader() -> None:
    words = lexicon()
    probabilities = np.zeros(CLASS_COUNT, np.float32)
    probabilities[[207, 208, 281, 5, 950]] = [0.5, 0.25, 0.125, 0.009, 0.015]
    evidence = words.evidence_of(probabilities)
    number = words.number
    assert evidence[207] == 0.5
    assert evidence[208] == 0.25
    assert evidence[950] == pytest.approx(0.015)
    assert 5 not in evidence
    assert evidence[number["retriever"]] == 0.75
    assert evidence[number["dog"]] == 0.75
    assert evidence[number["pet"]] == 0.875
    assert evidence[number["animal"]] == pytest.approx(0.884)
    assert number["fruit"] not in evidence
    assert number["vehicle"] not in evidence


@given(st.integers(0, 2**32 - 1), st.floats(0.005, 1))
def test_evidence_agrees_with_plain_loops(seed: int, spread: float) -> None:
    words = lexicon()
    probabilities = np.random.default_rng(seed).dirichlet(np.full(CLASS_COUNT, spread)).astype(np.float32)
    evidence = words.evidence_of(probabilities)
    surest = sorted(range(CLASS_COUNT), key=lambda i: -probabilities[i])[:TOP]
    for place in surest:
        assert (place in evidence) == (probabilities[place] >= LEAST)
    assert sum(number < CLASS_COUNT for number in evidence) <= TOP
    for concept in ("dog", "animal", "vehicle", "food"):
        total = sum(float(probabilities[place]) for place in words.classes_under(concept))
        assert evidence.get(words.number[concept], 0) == pytest.approx(
            total if total >= LEAST_BROADER else 0, abs=1e-5
        ) or total == pytest.approx(LEAST_BROADER, abs=1e-5)
    assert all(0 < weight <= 1 for weight in evidence.values())


def test_descriptions_say_what_a_concept_is() -> None:
    text = lexicon().description(207)
    assert text.startswith("a golden retriever, a retriever, a gun dog, a dog")
    assert text.endswith("an animal")
    assert lexicon().description(837).startswith("sunglasses, glasses")


@given(st.text())
def test_any_text_can_be_asked(text: str) -> None:
    ends = [0]
    for mention in lexicon().find(text):
        assert ends[-1] <= mention.start < mention.end <= len(tokens(text))
        ends.append(mention.end)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1))
def test_a_word_is_its_own_singular(word: str) -> None:
    assert next(singulars(word)) == word
    assert word in list(singulars(word + "s")) or len(word) < 3 or word.endswith("s")


def test_any_bank_can_be_asked() -> None:
    words = Words(Bank("mine", "1", (Concept("blue", ("blue", "navy blue")), Concept("sky", ("blue",)))))
    assert [mention.concepts for mention in words.find("Navy-blue, blue")] == [(0,), (0, 1)]
    assert Words(Bank("none", "1", ())).find("blue") == ()
