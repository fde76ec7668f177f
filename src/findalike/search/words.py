"""What a text asks for: the concepts of the library's banks that it names, and how far each picture shows
them."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from findalike.errors import QueryError
from findalike.store.base import Store
from findalike.types import Bank, EvidenceTable, Vector
from findalike.words.lexicon import Words, lexicon, tokens

LONGEST = 5_000
"""Characters that a text may have: the longest caption has some hundred."""

FAINT = 0.03
"""Evidence grows with the logarithm from here on: doubling it says nearly the same, wherever it starts."""

KIN = (0.03, 0.01)
"""What the evidence for the nearest broader concepts adds: where a picture shows no tabby for sure, one of
another cat comes before one of a car."""

ALSO = 0.6
"""How much a word means what it can be used for, too, where something else is called by it: a collie is a
rough collie first, and a Border collie then."""

_EMPTY_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by for from has have in into is it its my of on one or our over photo "
        "photograph picture image that the their there these this to under up very was were which while who "
        "with",
    )
)


@dataclass(frozen=True, slots=True)
class Named:
    """A phrase of a text, the concepts that it names, by bank, with how much each is meant, and its share of
    what the text says."""

    phrase: str
    concepts: Mapping[str, Mapping[int, float]]
    share: float


@dataclass(frozen=True, slots=True)
class Reading:
    """A text, read: what of it names concepts, and the other words that count, in order."""

    text: str
    named: tuple[Named, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class BankIndex:
    """The evidence of a bank, turned round: the pictures that show each concept (CSC)."""

    bank: Bank
    words: Words
    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    weights: NDArray[np.float32]

    def strength(self, meant: Mapping[int, float], count: int) -> Vector:
        """How strongly each picture shows the strongest of these concepts, in 0..1: shape (count,)."""
        strengths = [np.float32(much) * self._strength(number, count) for number, much in meant.items()]
        strongest: Vector = np.maximum.reduce(strengths)
        return strongest

    def meant(self, phrase: str, numbers: Sequence[int]) -> dict[int, float]:
        """How much a phrase means each of the concepts that it names: most the one that is called so."""
        called = {number for number in numbers if self.bank.concepts[number].name == phrase}
        return {number: ALSO if called and number not in called else 1.0 for number in numbers}

    def _strength(self, number: int, count: int) -> Vector:
        """Of one concept, with a little of what is broader."""
        strength = np.zeros(count, np.float32)
        broader = [self._number[name] for name in self.bank.concepts[number].broader]
        for each, share in zip((number, *broader), (1.0, *KIN), strict=False):
            part = slice(self.starts[each], self.starts[each + 1])
            strength[self.rows[part]] += np.float32(share) * self.weights[part]
        return np.minimum(strength, np.float32(1))

    @cached_property
    def _number(self) -> dict[str, int]:
        return {concept.name: number for number, concept in enumerate(self.bank.concepts)}


class Shelf:
    """The evidence of all banks over one list of pictures, as it was at one moment."""

    def __init__(self, tables: Mapping[str, tuple[Bank, EvidenceTable]], before: Shelf | None = None) -> None:
        """What of an earlier shelf is still so is taken over: a label changes one small table of many."""
        self.tables = tables
        self._longest = max((table.asset_ids for _, table in tables.values()), key=len, default=())
        known = before if before and before._longest is self._longest else None
        place: dict[str, int] = (
            dict(known.place) if known else {i: row for row, i in enumerate(self._longest)}
        )
        self._indexes: dict[str, BankIndex] = {
            name: known._indexes[name]
            if known and name in known.tables and _same_table(pair, known.tables[name])
            else _index(*pair, place)
            for name, pair in tables.items()
        }
        self.ids = list(place)
        self.place: Mapping[str, int] = place

    def read(self, text: str) -> Reading:
        """What a text names, the longest phrases first."""
        words = tokens(text)
        found: dict[tuple[int, int], dict[str, Mapping[int, float]]] = {}
        for bank, index in self._indexes.items():
            for mention in index.words.find(text):
                phrase = " ".join(words[mention.start : mention.end])
                meant = index.meant(phrase, mention.concepts)
                found.setdefault((mention.start, mention.end), {})[bank] = meant
        chosen = _apart(found)
        covered = {place for start, end in chosen for place in range(start, end)}
        others = [w for i, w in enumerate(words) if i not in covered and w not in _EMPTY_WORDS]
        total = sum(_meaningful(words[start:end]) for start, end in chosen) + len(others)
        named = [
            Named(" ".join(words[start:end]), found[start, end], _meaningful(words[start:end]) / total)
            for start, end in chosen
        ]
        return Reading(text, tuple(named), tuple(others))

    def strength(self, named: Named) -> Vector:
        """How strongly each picture shows what a phrase names: shape (pictures,)."""
        strengths = [
            self._indexes[bank].strength(meant, len(self.ids)) for bank, meant in named.concepts.items()
        ]
        strongest: Vector = np.maximum.reduce(strengths)
        return strongest

    def evidence(self, reading: Reading) -> Vector:
        """How far each picture shows what a text names, in 0..1: shape (pictures,). A text that names half
        of what it says gives at most a half."""
        total = np.zeros(len(self.ids), np.float32)
        for named in reading.named:
            strength = self.strength(named)
            shown = np.flatnonzero(strength)  # few pictures show any one thing
            total[shown] += np.float32(named.share) * grown(strength[shown])
        return total

    def near(self, word: str, most: int = 3) -> list[str]:
        """Phrases of the banks that are spelled like a word."""
        near = [phrase for index in self._indexes.values() for phrase in index.words.near(word, most)]
        return list(dict.fromkeys(near))[:most]


class Shelves:
    """Keeps the shelf of a library while its evidence stays the same. Used by several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shelf = Shelf({})
        self._lock = threading.Lock()

    def latest(self) -> Shelf:
        tables = {name: (bank, self._store.evidence(name)) for name, bank in self._store.banks().items()}
        with self._lock:
            if not _same(tables, self._shelf.tables):
                self._shelf = Shelf(tables, self._shelf)
            return self._shelf


def grown(strength: Vector) -> Vector:
    """Evidence on a scale where doubling a weak one counts as much as doubling a strong one: 0..1."""
    scaled: Vector = np.log1p(strength / np.float32(FAINT)) * np.float32(1 / math.log1p(1 / FAINT))
    return scaled


def checked(text: str) -> str:
    """The text, if it can be looked for. Raises QueryError for one without words or of endless length."""
    if len(text) > LONGEST:
        raise QueryError(
            f"the text has {len(text):,} characters, but at most {LONGEST:,} are looked for: shorten it to "
            "what the picture shows"
        )
    if all(word in _EMPTY_WORDS for word in tokens(text)):
        raise QueryError(f"{text[:40]!r} holds no word to look for; write words, such as 'red car'")
    return text


def _apart(found: Mapping[tuple[int, int], object]) -> list[tuple[int, int]]:
    """Spans that do not overlap, the longest first, in the order of the text."""
    chosen: list[tuple[int, int]] = []
    for start, end in sorted(found, key=lambda span: (span[0] - span[1], span[0])):
        if all(end <= first or start >= last for first, last in chosen):
            chosen.append((start, end))
    return sorted(chosen)


def _meaningful(words: Sequence[str]) -> int:
    return max(1, sum(word not in _EMPTY_WORDS for word in words))


def _index(bank: Bank, table: EvidenceTable, place: dict[str, int]) -> BankIndex:
    """The table turned round, its pictures numbered as in `place`, which grows by those that it lacks."""
    for asset_id in table.asset_ids:
        place.setdefault(asset_id, len(place))
    own = np.fromiter((place[asset_id] for asset_id in table.asset_ids), np.int32, len(table.asset_ids))
    order = np.argsort(table.concepts.astype(np.uint16), kind="stable")
    rows = np.repeat(own, np.diff(table.starts))[order]
    starts = np.searchsorted(table.concepts[order], np.arange(len(bank.concepts) + 1))
    known = lexicon()
    words = known if bank.name == known.bank.name and bank == known.bank else Words(bank)
    return BankIndex(bank, words, starts, rows, table.weights[order])


def _same(
    tables: Mapping[str, tuple[Bank, EvidenceTable]], others: Mapping[str, tuple[Bank, EvidenceTable]]
) -> bool:
    return tables.keys() == others.keys() and all(
        _same_table(pair, others[name]) for name, pair in tables.items()
    )


def _same_table(one: tuple[Bank, EvidenceTable], other: tuple[Bank, EvidenceTable]) -> bool:
    return one[1] is other[1] and one[0] == other[0]
