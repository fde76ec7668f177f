"""How well vectors retrieve: each picture asks for those like it, as a search of a library would rank them.

The measures are those of `findalike eval`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike.evaluate import bootstrap, metrics, similarity
from findalike.evaluate.bootstrap import Interval
from findalike.evaluate.metrics import PerQuery
from findalike.train.data import CLASSES, TRIPLETS, Examples, Places
from findalike.types import Card, Vectors

MAP, FIRST = "mAP", "recall@1"
"""What is measured: the mean of average precision, and how often the first result is right."""

LEAST_CLASSES = 6
"""Of fewer, even if all gain, signs that chance gives are the same too often for a p below .05."""

_BLOCK = 2_000_000
"""Similarities that are ordered at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """For each query that has something to find: its average precision, whether its first is right, and the
    number of its class."""

    average_precision: PerQuery
    first: PerQuery
    classes: Places

    @property
    def map(self) -> float:
        return float(self.average_precision.mean())

    def per_query(self, metric: str) -> PerQuery:
        return {MAP: self.average_precision, FIRST: self.first}[metric]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure before and after on the same queries: means, their difference with its 95 % interval, and
    the two-sided p of a paired test. Where it is asked what other classes gain, the queries of a class hang
    together: `classes` tells how many were measured on, and of fewer than `LEAST_CLASSES` nothing is known
    of the interval and p, which are NaN."""

    metric: str
    queries: int
    before: float
    after: float
    difference: Interval
    p: float
    classes: int = 0

    @property
    def better(self) -> bool:
        return self.difference.value > 0 and self.p < 1 - bootstrap.LEVEL


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Asks by examples. With `across`, a column, pictures are ranked against those of other values alone;
    with `asks`, a value of it, only pictures of that value ask. Of more than `most`, as many ask, evenly
    chosen."""

    examples: Examples
    across: str | None = None
    asks: str | None = None
    most: int | None = None

    def of(self, vectors: Vectors) -> Measured:
        """`vectors` has a row for each example. Raises ValueError for numbers that are not finite."""
        if not np.isfinite(vectors).all():
            raise ValueError("a vector is not finite")
        card = Card("trained", "1", vectors.shape[1])
        mean = np.asarray(vectors.mean(axis=0), np.float32)
        parts, asked = [], []
        for some in self._blocks():
            grades, excluded = self._truth(some)
            alike = similarity.as_searched(card, vectors[some], vectors, mean, len(vectors))
            parts.append(metrics.ranked(alike, grades, excluded))
            asked.append(self.examples.codes[some])
        ranks = metrics.joined(parts)
        judged = ranks.relevant > 0
        precision, first = metrics.average_precision(ranks)[judged], metrics.hit_rate(ranks, 1)[judged]
        return Measured(precision, first, np.concatenate(asked)[judged])

    def _blocks(self) -> Iterator[Places]:
        asking = np.arange(len(self.examples))
        if self.across and self.asks is not None:
            asking = np.flatnonzero(np.array(self.examples.column(self.across)) == self.asks)
        if self.most and len(asking) > self.most:
            asking = asking[np.linspace(0, len(asking) - 1, self.most).astype(np.int64)]
        step = max(1, _BLOCK // max(len(self.examples), 1))
        yield from (asking[start : start + step] for start in range(0, len(asking), step))

    def _truth(self, some: Places) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """What is relevant to some pictures, and what is not ranked for them: shape (some, all)."""
        codes = self.examples.codes
        same = codes[some][:, None] == codes
        excluded = some[:, None] == np.arange(len(codes))
        if self.across:
            sides = np.array([value or "" for value in self.examples.column(self.across)])
            excluded |= sides[some][:, None] == sides
        if self.examples.kind == CLASSES:
            return same, excluded
        relevant = _pairs(self.examples.alike, some, len(codes))
        wrong = _pairs(self.examples.apart, some, len(codes))
        unknown = ~wrong if self.examples.kind == TRIPLETS else same & ~wrong
        return relevant, excluded | (unknown & ~relevant)


def compare(
    before: Measured, after: Measured, metric: str = MAP, seed: int = 0, by_class: bool = False
) -> Comparison:
    """Two measurements of the same queries, held against each other pair by pair; with `by_class`, class by
    class, as what is claimed of classes that were not learned must be."""
    ours, theirs = before.per_query(metric), after.per_query(metric)
    differences = theirs - ours
    means = float(ours.mean()), float(theirs.mean())
    if by_class:
        interval, p, classes = _by_class(differences, before.classes, seed)
        return Comparison(metric, len(ours), *means, interval, p, classes)
    interval = bootstrap.means(differences[:, None], seed=seed)[0]
    return Comparison(metric, len(ours), *means, interval, bootstrap.sign_flip(differences, seed=seed))


def _by_class(differences: PerQuery, classes: Places, seed: int) -> tuple[Interval, float, int]:
    """The mean difference over queries with its interval and p, whole classes being drawn and their signs
    flipped; and how many classes there are."""
    _, places = np.unique(classes, return_inverse=True)
    sums = np.bincount(places, weights=differences).astype(np.float64)
    totals = np.stack([sums, np.bincount(places).astype(np.float64)], axis=1)
    mean, count = float(differences.mean()), len(totals)
    if count < LEAST_CLASSES:
        return Interval(mean, math.nan, math.nan), math.nan, count
    drawn = bootstrap.sums(totals, seed=seed)
    low, high = bootstrap.percentiles(drawn[:, :1] / drawn[:, 1:], count)
    return Interval(mean, float(low[0]), float(high[0])), bootstrap.sign_flip(sums, seed=seed), count


def record(comparisons: Iterable[Comparison]) -> list[dict[str, Any]]:
    """Comparisons as a card holds them: where nothing is known of an interval or p, they are None."""
    found = [asdict(each) for each in comparisons]
    for each in found:
        ends = each["difference"]
        each["difference"] = {name: value if math.isfinite(value) else None for name, value in ends.items()}
        each["p"] = each["p"] if math.isfinite(each["p"]) else None
    return found


def _pairs(rows: Places, some: Places, count: int) -> NDArray[np.bool_]:
    """Which picture is in a pair with each of some: shape (some, count)."""
    found = np.zeros((len(some), count), np.bool_)
    at = {int(place): number for number, place in enumerate(some)}
    for one, other in rows:
        for ours, theirs in ((one, other), (other, one)):
            if int(ours) in at:
                found[at[int(ours)], theirs] = True
    return found
