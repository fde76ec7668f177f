"""The proof that two places hold the same: what each of them holds, counted and digested, and whether two
stores give the same answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
    """How far both sides give the same answers in a space: the mean share, in 0..1, of the `K` best of so
    many queries. `note` says why none could be asked."""

    space: str
    queries: int
    overlap: float
    note: str = ""

    @property
    def equal(self) -> bool:
        return not self.queries or self.overlap >= LEAST


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
        return Answers(card.space, 0, 0.0, str(error))
    return Answers(card.space, len(shares), float(np.mean(shares)) if shares else 1.0)


def overlap(source: Store, target: Store, card: Card, vector: Vector, k: int = K) -> float:
    """The share of the k best that both stores find, in 0..1. Which of equally near ones a store takes makes
    no difference."""
    wanted = source.nearest(card.space, vector, k)
    found = target.nearest(card.space, vector, k)
    if not wanted or not found:
        return float(len(wanted) == len(found))
    least = min(_nearness(card, vector, wanted).values()) - TIE
    good = [i for i, near in _nearness(card, vector, found).items() if near >= least]
    return len(good) / max(len(wanted), len(found))


def _nearness(card: Card, vector: Vector, matches: Iterable[Match]) -> Mapping[str, float]:
    """The similarity of what was found by row id, computed here, alike for every store."""
    rows = [match.row for match in matches]
    near = similarities(card, np.stack([row.vector for row in rows]), target_of(vector, card))
    return dict(zip((row.id for row in rows), near.tolist(), strict=True))
