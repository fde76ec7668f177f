"""The proof that two places hold the same: what each of them holds, counted and digested, and whether two
stores give the same answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from findalike.errors import Unsupported
from findalike.store.base import Store, similarities, target_of
from findalike.transfer.contents import Contents
from findalike.transfer.tally import Count, tally
from findalike.types import Card, Match, Vector

QUERIES = 100
K = 20
LEAST = 0.99
"""The mean overlap of the answers of two stores that hold the same: an approximate index may miss a few."""
LEAST_OF_INDEXES = 0.95
"""Where the index of the source misses some as well, at least so much."""
TIE = 1e-5
"""Similarities this near are equal: float32 sums in another order differ by as much."""
NOTHING = Count(0, "")

Step = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of things, as both sides hold it."""

    name: str
    source: Count
    target: Count

    @property
    def equal(self) -> bool:
        return self.source == self.target


@dataclass(frozen=True, slots=True)
class Answers:
    """How far both sides give the same answers in a space, of the `K` best of so many queries.

    `overlap` is the mean share, in 0..1, of the source's answers that the target gives too, or others as
    near; `back` that of the target's which the source gives. Where an approximate index of the source misses
    as many as that of the target, they answer alike. `note` says why none could be asked."""

    space: str
    queries: int
    overlap: float
    back: float
    note: str = ""

    @property
    def equal(self) -> bool:
        as_good = max(LEAST_OF_INDEXES, self.back - (1 - LEAST))
        return not self.queries or self.overlap >= min(LEAST, as_good)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was compared. `whole`: both sides hold the same; `holds`: they answer the same as well."""

    parts: tuple[Part, ...]
    answers: tuple[Answers, ...] = ()

    @property
    def whole(self) -> bool:
        return all(part.equal for part in self.parts)

    @property
    def holds(self) -> bool:
        return self.whole and all(each.equal for each in self.answers)

    @property
    def differing(self) -> tuple[str, ...]:
        """The names of what differs."""
        answers = (f"answers in {each.space}" for each in self.answers if not each.equal)
        return (*(part.name for part in self.parts if not part.equal), *answers)


def compared(source: Contents, target: Contents, step: Step = lambda _: None) -> tuple[Part, ...]:
    """Read both sides whole, and compare them kind by kind; `step` hears how many assets were read of both
    together."""
    first = tally(source, step)
    read = source.count()
    second = tally(target, lambda done: step(read + done))
    return tuple(
        Part(kind, first.get(kind, NOTHING), second.get(kind, NOTHING)) for kind in {**first, **second}
    )


def answers(source: Store, target: Store, queries: int = QUERIES) -> tuple[Answers, ...]:
    """Ask both stores for what is nearest to vectors of the source."""
    there = target.cards()
    return tuple(_answers(source, target, card, queries) for s, card in source.cards().items() if s in there)


def _answers(source: Store, target: Store, card: Card, most: int) -> Answers:
    vectors = [vector for vector in source.sample(card.space, most) if np.any(vector)]
    try:
        shares = [overlap(source, target, card, vector) for vector in vectors]
    except Unsupported as error:
        return Answers(card.space, 0, 0.0, 0.0, str(error))
    there, back = np.mean(shares, axis=0).tolist() if shares else (1.0, 1.0)
    return Answers(card.space, len(shares), there, back)


def overlap(source: Store, target: Store, card: Card, vector: Vector, k: int = K) -> tuple[float, float]:
    """The shares, in 0..1, of the k best of the source that the target finds, and the other way round. Which
    of equally near ones a store takes makes no difference."""
    wanted = _nearness(card, vector, source.nearest(card.space, vector, k))
    found = _nearness(card, vector, target.nearest(card.space, vector, k))
    return _share(wanted, found), _share(found, wanted)


def _share(wanted: Vector, found: Vector) -> float:
    """How many of `found` are as near as the last that is wanted."""
    if not len(wanted) or not len(found):
        return float(len(wanted) == len(found))
    return float((found >= wanted.min() - TIE).sum()) / max(len(wanted), len(found))


def _nearness(card: Card, vector: Vector, matches: Sequence[Match]) -> Vector:
    """The similarity of what was found, computed here, alike for every store."""
    vectors = [match.row.vector for match in matches] or [np.empty((0, card.dim), np.float32)]
    return similarities(card, np.vstack(vectors), target_of(vector, card))
