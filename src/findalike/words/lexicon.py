"""The everyday words for the 1,000 classes of the default network, and the tree of what is broader.

Concepts 0 to 999 are the classes, in the order of the network's outputs; the broader ones (dog, vehicle,
food) follow. The words are data, built by `training/build_lexicon.py`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, cached_property
from importlib.resources import files
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from findalike.errors import UsageError
from findalike.types import Bank, Concept, Evidence

CLASS_COUNT = 1000
NAME, REVISION = "classes", "1"

TOP = 10
"""Classes kept for each picture: a network that is wrong at first mostly has the right class among its ten
surest, and what comes after them would only grow the library."""

LEAST = 0.01
"""The least probability of a class that is kept: ten times what each would have by chance."""

LEAST_BROADER = 0.02
"""The least sum that is kept for a broader concept: it gathers the noise of up to 400 classes."""

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_MOST_TOKENS = 6
_IRREGULAR = {
    "calves": "calf", "children": "child", "dice": "die", "feet": "foot", "fungi": "fungus", "geese": "goose",
    "halves": "half", "hippopotami": "hippopotamus", "hooves": "hoof", "knives": "knife", "lice": "louse",
    "loaves": "loaf", "men": "man", "mice": "mouse", "nautili": "nautilus", "octopi": "octopus", "oxen": "ox",
    "teeth": "tooth", "wolves": "wolf", "women": "woman", "people": "person",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mention:
    """Words of a text that name concepts: those of `tokens(text)[start:end]`. There are several numbers when
    the words mean several things (crane)."""

    concepts: tuple[int, ...]
    start: int
    end: int


def tokens(text: str) -> list[str]:
    """The words of a text in lower case (NFKC), without punctuation: letters with their accents, digits, and
    apostrophes inside a word. A hyphen parts words."""
    plain = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    return _WORD.findall(plain.lower())


def singulars(token: str) -> Iterator[str]:
    """The token, then what it may be the plural of. Not all of them are words."""
    yield token
    if token in _IRREGULAR:
        yield _IRREGULAR[token]
    if len(token) > 3 and token.endswith("s") and not token.endswith("ss"):
        yield token[:-1]
        if token.endswith("ies"):
            yield token[:-3] + "y"
        elif token.endswith("ves"):
            yield from (token[:-3] + "f", token[:-3] + "fe")
        elif token.endswith("es"):
            yield token[:-2]
    elif token.endswith("men") and len(token) > 4:
        yield token[:-2] + "an"


class Words:
    """Finds which concepts the words of a text name. Serves any bank: `bank.concepts[i].words` mean `i`."""

    def __init__(self, bank: Bank) -> None:
        self._phrases: dict[tuple[str, ...], tuple[int, ...]] = {}
        found: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for number, concept in enumerate(bank.concepts):
            for word in concept.words:
                found[_key(tokens(word))].append(number)
        self._phrases = {key: tuple(dict.fromkeys(numbers)) for key, numbers in found.items() if key}
        self._joined = {"".join(key): numbers for key, numbers in self._phrases.items()}
        self._longest = min(_MOST_TOKENS, max(map(len, self._phrases), default=0))

    def find(self, text: str) -> tuple[Mention, ...]:
        """The concepts that the text names, from left to right, the longest phrase first: `hot dog` is no
        dog. Case, accents, plurals, hyphens and spaces make no difference."""
        key = _key(tokens(text))
        found, start = [], 0
        while start < len(key):
            mention = self._longest_from(key, start)
            if mention:
                found.append(mention)
            start = mention.end if mention else start + 1
        return tuple(found)

    def near(self, word: str, n: int = 5) -> list[str]:
        """The known phrases most like a word by their spelling, the likest first; none that is unlike."""
        wanted = " ".join(_key(tokens(word)))
        matcher = SequenceMatcher(autojunk=False)
        matcher.set_seq2(wanted)
        scored = []
        for phrase in map(" ".join, self._phrases):
            matcher.set_seq1(phrase)
            if abs(len(phrase) - len(wanted)) <= 3 and matcher.quick_ratio() >= 0.7:
                scored.append((matcher.ratio(), phrase))
        return [phrase for ratio, phrase in sorted(scored, reverse=True)[:n] if ratio >= 0.7]

    def _longest_from(self, key: Sequence[str], start: int) -> Mention | None:
        for end in range(min(len(key), start + self._longest), start, -1):
            concepts = self._named(key[start:end])
            if concepts:
                return Mention(concepts, start, end)
        return None

    def _named(self, phrase: Sequence[str]) -> tuple[int, ...]:
        """By the exact words, else with the last or each in the singular, else written as one word."""
        for candidate in chain(_endings(phrase), _singular(phrase)):
            if candidate in self._phrases:
                return self._phrases[candidate]
        if len(phrase) > 1 and all(self._known(token) for token in phrase):
            return ()  # "car pet" is no carpet, where "sea shore" may be a seashore
        head = "".join(phrase[:-1])
        joined = (self._joined.get(head + last) for last in singulars(phrase[-1]))
        return next(filter(None, joined), ())

    def _known(self, token: str) -> bool:
        return any((form,) in self._phrases for form in singulars(token))


class Lexicon(Words):
    """The bank of the classes, its words, and its tree."""

    def __init__(self, bank: Bank) -> None:
        super().__init__(bank)
        self.bank = bank
        self.number: Mapping[str, int] = {concept.name: i for i, concept in enumerate(bank.concepts)}

    def classes_under(self, name: str) -> tuple[int, ...]:
        """The classes of a concept by its name, sorted: of a class, itself. Raises UsageError."""
        number = self.number.get(name.lower())
        if number is None:
            near = ", ".join(self.near(name)) or "see docs/words.md"
            raise UsageError(f"no concept is named {name!r}; near it: {near}")
        if number < CLASS_COUNT:
            return (number,)
        above, classes = self._members
        return tuple(classes[above == number - CLASS_COUNT].tolist())

    def evidence_of(self, probabilities: NDArray[np.float32]) -> Evidence:
        """The evidence of a picture from its class probabilities, shape (1000,): the surest classes, and for
        each broader concept the sum of all its classes."""
        sure = np.flatnonzero(probabilities >= LEAST)
        top = sorted(zip(probabilities[sure].tolist(), sure.tolist(), strict=True), reverse=True)[:TOP]
        above, classes = self._members
        sums = np.bincount(above, weights=probabilities[classes])
        broader = np.flatnonzero(sums >= LEAST_BROADER)
        found = {number: min(probability, 1.0) for probability, number in top}
        found.update(
            zip((broader + CLASS_COUNT).tolist(), np.minimum(sums[broader], 1.0).tolist(), strict=True)
        )
        return found

    def description(self, number: int) -> str:
        """A concept in words: what it is, and what it is a kind of."""
        concept = self.bank.concepts[number]
        named = [concept.words[0], *(self.bank.concepts[self.number[up]].words[0] for up in concept.broader)]
        return ", ".join(_with_article(name) for name in dict.fromkeys(named))

    @cached_property
    def _members(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """All pairs of a broader concept, counted from 0, and a class below it, in order of class."""
        pairs = [
            (self.number[name] - CLASS_COUNT, place)
            for place, concept in enumerate(self.bank.concepts[:CLASS_COUNT])
            for name in concept.broader
        ]
        above, classes = np.array(pairs, np.intp).T.copy()
        return above, classes


@cache
def lexicon() -> Lexicon:
    """The lexicon, read once."""
    text = files("findalike.words").joinpath("data/lexicon.json").read_text("utf-8")
    rows = json.loads(text)["concepts"]
    names = [row[0] for row in rows]
    concepts = (Concept(name, tuple(words), tuple(names[up] for up in above)) for name, words, above in rows)
    return Lexicon(Bank(NAME, REVISION, tuple(concepts)))


def _key(words: Iterable[str]) -> tuple[str, ...]:
    """Tokens as they are compared: without accents and apostrophes, a possessive without its s."""
    return tuple(_folded(word.removesuffix("'s").replace("'", "")) for word in words)


def _folded(word: str) -> str:
    if word.isascii():
        return word
    parts = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


def _endings(phrase: Sequence[str]) -> Iterator[tuple[str, ...]]:
    head = tuple(phrase[:-1])
    yield from ((*head, last) for last in singulars(phrase[-1]))
    yield (*head, phrase[-1] + "s")  # what is mostly said in the plural: a binocular, a sunglass


def _singular(phrase: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Each word in the singular: `dogs sleds`, and `women's clothes`."""
    if len(phrase) > 1:
        for last in singulars(phrase[-1]):
            yield (*(list(singulars(token))[-1] for token in phrase[:-1]), last)


_MASS = frozenset({
    "alcohol", "armour", "beekeeping", "bedding", "beer", "bread", "broccoli", "camping", "carbonara",
    "care", "christmas", "cleaning", "clothing", "coffee", "consomme", "coral", "corn", "cream", "dough",
    "eggnog", "energy", "equipment", "fire", "fishing", "food", "football", "furniture", "gear", "golf",
    "guacamole", "halloween", "hay", "hockey", "jewellery", "lighting", "mail", "meat", "metalwork",
    "military", "money", "nature", "outdoors", "packaging", "paper", "parachuting", "pasta", "powder",
    "racing", "rapeseed", "religion", "sauce", "shopping", "snow", "soup", "space", "spray", "stationery",
    "sunscreen", "swine", "tea", "tennis", "text", "transport", "underwater", "velvet", "water", "wine",
    "wool",
})  # fmt: skip
"""Last words of what is counted by no number: a golf club, but golf."""

_MASS_ENDINGS = ("wear", "ware", "graphy")
_SINGULAR_ENDINGS = ("ss", "us", "is", "patas", "tops", "-woods", "Pyrenees", "Flandres")


def _with_article(name: str) -> str:
    """A name with its article, which what is said in the plural, or of no number, has not."""
    last = name.lower().split()[-1]
    is_plural = last.endswith("s") and not name.endswith(_SINGULAR_ENDINGS)
    is_mass = (last in _MASS and " of " not in name) or last.endswith(_MASS_ENDINGS)
    if is_plural or is_mass or name in ("mashed potato", "art and craft"):
        return name
    spoken = name.lower().removeprefix("h") if name.startswith("hour") else name.lower()
    vowel = spoken[0] in "aeiou" and not spoken.startswith(("uni", "euro"))
    return f"{'an' if vowel else 'a'} {name}"
