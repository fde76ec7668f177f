"""The words near a word: what it names, what is broader and narrower, what means nearly the same, and how
many pictures of a library show each, so that a search can be steered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from findalike import plugins
from findalike.encode.calibration import RELATED_FROM
from findalike.encode.text import TextTower
from findalike.search import Space
from findalike.search.space import SAMPLE
from findalike.search.words import Shelf, checked
from findalike.store.base import Store
from findalike.tagging.affinity import Affinity, scored
from findalike.types import Bank
from findalike.words.banks import TAG_FROM
from findalike.words.lexicon import singulars, tokens

Relation = Literal["named", "broader", "narrower", "near", "spelled like"]

Related = Callable[[Bank, int], list[int]]
"""From a concept of a bank to others of it."""

NARROWER = 8
NEAR = 12

MOST_OF_NOTHING = 5
"""Words that would find no picture: some of them, since they say that something is known."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word to search with, and its relation to what was asked for.

    `pictures` is how many of the library are tagged with what the word means in `bank`; where no bank knows
    it, how many a search would find by their looks, reckoned from a sample when the library is large.
    `similarity` of the meanings is in -1..1, and 0 where they were not compared.
    """

    word: str
    relation: Relation
    pictures: int
    bank: str = ""
    similarity: float = 0.0


def words(store: Store, space: Space, shelf: Shelf, text: str) -> list[Word]:
    """What a text names and what is near it; last come a few that would find no picture. For a word that
    nothing knows, those spelled like it. Raises QueryError for a text without words, or of endless length."""
    counted = _Counted(store, space, shelf)
    found = [*_named(shelf, counted, checked(text)), *_spelled(space, shelf, counted, text)]
    taken = {_folded(each.word) for each in found} | {_folded(text)}
    found += [each for each in _near(space, shelf, counted, text) if _folded(each.word) not in taken]
    nothing = [each for each in found if not each.pictures]
    return [each for each in found if each.pictures] + nothing[:MOST_OF_NOTHING]


class _Counted:
    """Counts pictures."""

    def __init__(self, store: Store, space: Space, shelf: Shelf) -> None:
        self._store = store
        self._space = space
        self._shelf = shelf

    @cached_property
    def tagged(self) -> dict[str, NDArray[np.int64]]:
        """By bank, how many pictures have each concept's tag."""
        found = {}
        for name, (bank, table) in self._shelf.tables.items():
            sure = table.concepts[table.weights >= np.float32(TAG_FROM)]
            found[name] = np.bincount(sure, minlength=len(bank.concepts))
        return found

    def matching(self, several: Sequence[str]) -> list[int]:
        """How many pictures a search for each of these texts would find, by their looks."""
        sample = self._store.sample(self._space.card.space, SAMPLE)
        matches = scored(Affinity(self._space, several).above_chance(sample)) >= RELATED_FROM
        share = self._store.count() / max(1, len(sample))
        return [round(count * share) for count in matches.sum(axis=0).tolist()]


def _named(shelf: Shelf, counted: _Counted, text: str) -> Iterator[Word]:
    """The concepts that a text names, then those above and below them."""
    concepts = [
        (name, number)
        for named in shelf.read(text).named
        for name, numbers in named.concepts.items()
        for number in numbers
    ]
    relations: list[tuple[Relation, Related]] = [
        ("named", lambda bank, number: [number]),
        ("broader", _broader),
        ("narrower", lambda bank, number: _narrower(bank, number, counted.tagged[bank.name])),
    ]
    for relation, related in relations:
        several: dict[tuple[str, int], None] = {}
        for name, number in concepts:
            bank = shelf.tables[name][0]
            several.update({(name, n): None for n in related(bank, number)})
        for name, number in several:
            concept = shelf.tables[name][0].concepts[number]
            yield Word(concept.name, relation, int(counted.tagged[name][number]), name)


def _broader(bank: Bank, number: int) -> list[int]:
    wanted = bank.concepts[number].broader
    places = {concept.name: place for place, concept in enumerate(bank.concepts) if concept.name in wanted}
    return [places[name] for name in wanted]


def _narrower(bank: Bank, number: int, counts: NDArray[np.int64]) -> list[int]:
    """Those that the library shows, the most frequent first."""
    name = bank.concepts[number].name
    below = [n for n, concept in enumerate(bank.concepts) if name in concept.broader and counts[n]]
    return sorted(below, key=lambda n: (-counts[n], n))[:NARROWER]


def _spelled(space: Space, shelf: Shelf, counted: _Counted, text: str) -> list[Word]:
    unknown = [word for word in shelf.read(text).others if not space.knows(word)]
    near = [n for word in unknown for n in (*shelf.near(word, 5), *space.spelled_like(word))]
    return _counted_words(shelf, counted, [(word, 0.0) for word in dict.fromkeys(near)], "spelled like")


def _near(space: Space, shelf: Shelf, counted: _Counted, text: str) -> list[Word]:
    """The nearest in meaning among single words, and among the phrases of banks that the library shows."""
    tower: TextTower = plugins.on_use("findalike.encode.text").tower()
    meaning = tower.embed(text)
    if not meaning.any():
        return []
    phrases = [p for p in _shown(shelf, counted) if all(token.known for token in tower.tokens(p))]
    similar = {phrase: float(tower.embed(phrase) @ meaning) for phrase in phrases}
    similar |= dict(tower.neighbours(meaning, 2 * NEAR))
    distinct = _distinct(shelf, text, sorted(similar.items(), key=lambda pair: -pair[1]))
    return _counted_words(shelf, counted, distinct[:NEAR], "near")


def _distinct(shelf: Shelf, text: str, several: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Those that would find something else than the words of the text, and than those before them."""
    said = {_meant(shelf, word) for word in (text, *tokens(text))}
    found = []
    for word, similarity in several:
        if (meant := _meant(shelf, word)) not in said:
            said.add(meant)
            found.append((word, similarity))
    return found


def _meant(shelf: Shelf, word: str) -> object:
    """The concepts that a word names, else the word."""
    reading = shelf.read(word)
    if len(reading.named) == 1 and not reading.others:
        return frozenset((bank, *numbers) for bank, numbers in reading.named[0].concepts.items())
    return _folded(word)


def _shown(shelf: Shelf, counted: _Counted) -> Iterator[str]:
    for name, (bank, _) in shelf.tables.items():
        for number in np.flatnonzero(counted.tagged[name]):
            yield from map(str.lower, bank.concepts[number].words[:1])


def _counted_words(
    shelf: Shelf, counted: _Counted, several: Sequence[tuple[str, float]], relation: Relation
) -> list[Word]:
    concepts = {word: _concept(shelf, word) for word, _ in several}
    others = [word for word, concept in concepts.items() if concept is None]
    estimates = dict(zip(others, counted.matching(others), strict=True))
    found = []
    for word, similarity in several:
        concept = concepts[word]
        if concept is None:
            found.append(Word(word, relation, estimates[word], "", similarity))
        else:
            bank, number = concept
            found.append(Word(word, relation, int(counted.tagged[bank][number]), bank, similarity))
    return found


def _concept(shelf: Shelf, word: str) -> tuple[str, int] | None:
    """The first concept that all of a phrase names."""
    reading = shelf.read(word)
    if len(reading.named) != 1 or reading.others:
        return None
    bank, numbers = next(iter(reading.named[0].concepts.items()))
    return bank, next(iter(numbers))


def _folded(word: str) -> str:
    """A word as it is compared: `dogs` is `dog`."""
    *head, last = tokens(word) or [""]
    return " ".join([*head, min(singulars(last), key=len)])
