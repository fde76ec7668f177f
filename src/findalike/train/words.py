"""Pictures brought to the space of words: a linear head from the vectors of pictures to what is said of them
(DeViSE; Frome et al. 2013).

Where the encoder has such a head already, it is what the new one is shrunk towards: a few hundred captions
can correct what was learned of thousands, and not replace it. How strongly, cross-validation settles, by how
well texts find their pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from findalike.encode.base import unit
from findalike.errors import UsageError
from findalike.evaluate import bootstrap, metrics
from findalike.evaluate.metrics import PerQuery, Ranks
from findalike.train.captions import Captioned
from findalike.train.linear import Line, line
from findalike.train.measure import Comparison
from findalike.train.ridge import Ridge, ridge
from findalike.types import Vectors

Places = NDArray[np.int64]

STRENGTHS = (1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 300.0, 1_000.0, 1e9)
"""Of the pull towards the start, the last of which leaves the start as it is. Vectors have unit length, so it
is to be held against the number of pictures."""

ENOUGH = 0.7
"""Of the best gain over a start that is known: of strengths that bring so much, the one nearest to it is
taken. The best alone overshoots, since a little of what it gains is chance."""

FOLDS, ROUNDS = 5, 2
"""Of cross-validation: parts, and how often the pictures are dealt anew."""

MEASURES = ("recall@10", "recall@5", "recall@1", "mrr", "map")

_BLOCK = 4_000_000
"""Similarities that are ordered at a time."""


class Reader(Protocol):
    """What turns texts into meanings: shape (n, dim), of unit length, zeros for one that says nothing."""

    def __call__(self, texts: Sequence[str]) -> Vectors: ...


Watch = Callable[[int, int], None]
"""Called with how many steps are done, and of how many."""


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Vectors of pictures (n, d) and the meanings (t, dim) of their texts: text i is said of picture
    `owners[i]`, and `codes[i]` is the same for the same text."""

    vectors: Vectors
    meanings: Vectors
    owners: Places
    codes: Places

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def targets(self) -> Vectors:
        """The mean meaning of each picture's texts, of unit length: shape (n, dim)."""
        sums = np.zeros((len(self), self.meanings.shape[1]), np.float64)
        np.add.at(sums, self.owners, self.meanings)
        return unit(sums.astype(np.float32))

    def part(self, places: Places) -> Lesson:
        """The pictures of some places, in ascending order, with their texts."""
        chosen = np.isin(self.owners, places)
        owners = np.searchsorted(places, self.owners[chosen])
        return Lesson(self.vectors[places], self.meanings[chosen], owners, self.codes[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """How each text finds its pictures, and the picture that it is said of: `ranks` has a query for each text
    that differs."""

    ranks: Ranks
    owners: Places

    def per_query(self, measure: str) -> PerQuery:
        """In 0..1, by the name of a measure; recall@k is 1 where a right picture is among the first k."""
        if measure in ("mrr", "map"):
            return {"mrr": metrics.reciprocal_rank, "map": metrics.average_precision}[measure](self.ranks)
        return metrics.hit_rate(self.ranks, int(measure.partition("@")[2]))

    def mean(self, measure: str) -> float:
        return float(self.per_query(measure).mean())

    @property
    def median_rank(self) -> float:
        """Of the first right picture, from 1."""
        first = self.ranks.found == 1
        return float(np.median(self.ranks.rank[first]))


Starts = Callable[[Lesson], Line]
"""Where learning from a lesson starts."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The strength that was chosen, the measure of each that was tried, and of the start."""

    strength: float
    tried: Mapping[float, float] = field(default_factory=dict)
    start: float = 0.0

    @property
    def changes(self) -> bool:
        """Whether anything is learned at all."""
        return self.strength < STRENGTHS[-1]

    def line(self, ridges: Ridge) -> Line:
        return ridges.line(self.strength) if self.changes else ridges.start


def lesson(captioned: Captioned, vectors: Vectors, read: Reader) -> Lesson:
    """What is learned from: `vectors` has a row for each picture. Raises UsageError for texts that all mean
    the same, or vectors that are not finite."""
    if not np.isfinite(vectors).all():
        broken = captioned.pictures.assets[int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])].uri
        raise UsageError(
            f"the vector of {broken} holds what is not a number: findalike remove it, and index it again"
        )
    sentences = captioned.sentences
    distinct = {text: number for number, text in enumerate(dict.fromkeys(sentences))}
    meant = read(list(distinct))
    if len(meant) < 2 or not np.ptp(meant, axis=0).any():
        raise UsageError(
            f"all texts of {captioned.of} mean the same; there is nothing to tell pictures apart by"
        )
    codes = np.array([distinct[text] for text in sentences], np.int64)
    return Lesson(vectors, meant[codes], captioned.owners, codes)


def measured(found: Vectors, some: Lesson) -> Measured:
    """How the texts of a lesson find its pictures, whose place in the space of words is `found`, shape
    (n, dim). A picture is right for a text that is said of it."""
    _, first = np.unique(some.codes, return_index=True)
    parts = []
    step = max(1, _BLOCK // max(len(some), 1))
    for start in range(0, len(first), step):
        asked = first[start : start + step]
        near = some.meanings[asked] @ found.T
        parts.append(metrics.ranked(near, _right(some, some.codes[asked]), np.zeros(near.shape, np.bool_)))
    return Measured(metrics.joined(parts), some.owners[first])


def compared(before: Measured, after: Measured, measure: str, seed: int = 0) -> Comparison:
    """Two measurements of the same texts. Those of one picture hang together, so that each picture counts as
    one: the mean of what its texts find."""
    ours, theirs = (by_picture(each, measure) for each in (before, after))
    interval = bootstrap.means((theirs - ours)[:, None], seed=seed)[0]
    p = bootstrap.sign_flip(theirs - ours, seed=seed)
    return Comparison(measure, len(before.owners), before.mean(measure), after.mean(measure), interval, p)


def begun(vectors: Vectors, targets: Vectors, known: Line | None = None) -> Line:
    """Where learning starts: a mapping that is known, as long as its targets are, or else what is said of
    pictures on average."""
    if known is None:
        return line(np.zeros((vectors.shape[1], targets.shape[1])), targets.mean(axis=0))
    length = float(np.linalg.norm(vectors @ known.matrix + known.offset, axis=1).mean())
    return line(known.matrix / max(length, 1e-12), known.offset / max(length, 1e-12))


def choose(
    some: Lesson, known: Line | None, measure: str, seed: int = 0, watch: Watch = lambda done, total: None
) -> Choice:
    """The strength by cross-validation: the greatest that brings `ENOUGH` of what the best one gains, or
    without a mapping that is known the best. Raises UsageError where the pictures are too few to be dealt."""
    if len(some) < 2 * FOLDS:
        raise UsageError(f"{len(some)} pictures to learn from are too few: describe {2 * FOLDS} at least")
    values: list[list[float]] = []
    start: list[float] = []
    for turn in range(FOLDS * ROUNDS):
        watch(turn, FOLDS * ROUNDS)
        kept, held = dealt(len(some), turn, seed)
        learned, asked = some.part(kept), some.part(held)
        ridges = fitted(learned, known)
        found = [ridges.line(strength).of(asked.vectors) for strength in STRENGTHS]
        values.append([measured(each, asked).mean(measure) for each in found])
        start.append(measured(ridges.start.of(asked.vectors), asked).mean(measure))
    means = np.mean(values, axis=0)
    tried = dict(zip(STRENGTHS, map(float, means), strict=True))
    if known is None:  # the last strength knows nothing
        return Choice(max(STRENGTHS[:-1], key=tried.__getitem__), tried, float(np.mean(start)))
    least = tried[STRENGTHS[-1]] + ENOUGH * (max(tried.values()) - tried[STRENGTHS[-1]])
    good = [strength for strength, value in tried.items() if value >= least - 1e-9]
    return Choice(max(good), tried, float(np.mean(start)))


def fitted(some: Lesson, known: Line | None) -> Ridge:
    """The lines of all strengths, learned on a lesson."""
    targets = some.targets
    return ridge(some.vectors, targets, begun(some.vectors, targets, known))


def held_out(some: Lesson, learn: Callable[[Lesson], Line], seed: int = 0) -> Vectors:
    """What a line makes of each picture that is learned of the others, without its fold: shape (n, dim)."""
    found = np.zeros((len(some), some.meanings.shape[1]), np.float32)
    for turn in range(FOLDS):
        kept, held = dealt(len(some), turn, seed)
        found[held] = learn(some.part(kept)).of(some.vectors[held])
    return found


def chance(found: Vectors, some: Lesson) -> tuple[float, float]:
    """Mean and standard deviation of the cosine of texts and pictures of which they are not said."""
    _, first = np.unique(some.codes, return_index=True)
    first = first[:: max(1, len(first) * len(found) // _BLOCK)]
    near = some.meanings[first] @ found.T
    apart = near[~_right(some, some.codes[first])]
    return float(apart.mean()), max(float(apart.std()), 1e-3)


def _right(some: Lesson, asked: Places) -> NDArray[np.bool_]:
    """Of which pictures texts are said: shape (asked, n). `asked` are ascending codes."""
    at = np.searchsorted(asked, some.codes)
    there = (at < len(asked)) & (asked[np.minimum(at, len(asked) - 1)] == some.codes)
    right = np.zeros((len(asked), len(some)), np.bool_)
    right[at[there], some.owners[there]] = True
    return right


def by_picture(found: Measured, measure: str) -> PerQuery:
    """The mean measure of the texts of each picture, in the order of the pictures."""
    owners, places = np.unique(found.owners, return_inverse=True)
    means: PerQuery = np.bincount(places, found.per_query(measure), len(owners)) / np.bincount(places)
    return means


def dealt(count: int, turn: int, seed: int) -> tuple[Places, Places]:
    """The places that are kept and those that are held out at a turn, ascending."""
    order = np.random.default_rng([seed, turn // FOLDS]).permutation(count)
    held = np.sort(order[turn % FOLDS :: FOLDS])
    return np.setdiff1d(np.arange(count), held), held
