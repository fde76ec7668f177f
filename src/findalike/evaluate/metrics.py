"""Retrieval metrics as pure functions of ranks (Manning, Raghavan and Schütze 2008, chapter 8).

All of them follow from the ranks at which each query finds what is relevant, so that is all they take. Each
gives one number for each query, in 0..1; a query with nothing relevant to find gets NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PerQuery = NDArray[np.float64]
"""Of shape (queries,)."""

CUTOFFS = (1, 5, 10, 20)
LEVELS = np.linspace(0, 1, 11)
"""The levels of recall that a curve of precision has points at."""

DIGITS = 6
"""Similarities that are the same to so many digits are equal: a matrix product of float32 gives equal vectors
slightly different ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """Where queries find what is relevant to them.

    `depths`, shape (queries,), says how many pictures were ranked for each. `query`, `rank` (from 1) and
    `gain` (the grade of relevance, above 0) have one entry for each relevant picture, by query and then by
    rank.
    """

    depths: NDArray[np.int64]
    query: NDArray[np.int64]
    rank: NDArray[np.int64]
    gain: NDArray[np.float64]

    @property
    def relevant(self) -> NDArray[np.int64]:
        """How many relevant pictures each query has, shape (queries,)."""
        counts: NDArray[np.int64] = np.bincount(self.query, minlength=len(self.depths))
        return counts

    @property
    def found(self) -> NDArray[np.int64]:
        """How many relevant pictures each relevant one ends the count of: 1, 2, … within each query."""
        starts = np.concatenate([[0], np.cumsum(self.relevant)[:-1]])
        counts: NDArray[np.int64] = np.arange(1, len(self.query) + 1) - starts[self.query]
        return counts

    def sums(self, values: NDArray[Any], k: int | None = None) -> PerQuery:
        """For each query the sum of values, one for each relevant picture, over those in the first k
        ranks."""
        within = values if k is None else np.where(self.rank <= k, values, 0)
        total: PerQuery = np.bincount(self.query, within, len(self.depths)).astype(np.float64)
        return total


def joined(parts: Sequence[Ranks]) -> Ranks:
    """The ranks of several blocks of queries as those of one."""
    firsts = np.cumsum([0, *(len(part.depths) for part in parts[:-1])])
    return Ranks(
        np.concatenate([part.depths for part in parts]),
        np.concatenate([part.query + first for part, first in zip(parts, firsts, strict=True)]),
        np.concatenate([part.rank for part in parts]),
        np.concatenate([part.gain for part in parts]),
    )


def ordered(similarity: NDArray[np.floating], excluded: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The places of each query's pictures, best first, equal ones in the order of their places, and those
    that are excluded last: shape (queries, gallery), like what comes in. Raises ValueError for NaN."""
    if np.isnan(similarity).any():
        raise ValueError("a similarity is not a number")
    keys = np.round(-similarity, DIGITS)
    keys[excluded] = np.inf
    return np.argsort(keys, axis=1, kind="stable")


def ranked(
    similarity: NDArray[np.floating], grades: NDArray[np.generic], excluded: NDArray[np.bool_]
) -> Ranks:
    """The ranks of what is relevant: `grades` above 0, and not excluded. All of shape (queries, gallery)."""
    return in_order(ordered(similarity, excluded), grades, excluded)


def in_order(order: NDArray[np.int64], grades: NDArray[np.generic], excluded: NDArray[np.bool_]) -> Ranks:
    """The same of the places of each query's pictures, best first."""
    found = np.take_along_axis(np.where(excluded, 0, grades), order, axis=1)
    query, place = np.nonzero(found > 0)
    return Ranks((~excluded).sum(axis=1), query, place + 1, found[query, place].astype(np.float64))


def precision(ranks: Ranks, k: int | None = None) -> PerQuery:
    """The share of the first k that is relevant; ranks beyond the end count as not relevant. In full: the
    share of all that were ranked, which is what chance finds."""
    return _judged(ranks, _ratio(ranks.sums(np.ones(len(ranks.query)), k), ranks.depths if k is None else k))


def recall(ranks: Ranks, k: int | None = None) -> PerQuery:
    """The share of the relevant pictures that is among the first k."""
    return _ratio(ranks.sums(np.ones(len(ranks.query)), k), ranks.relevant)


def hit_rate(ranks: Ranks, k: int | None = None) -> PerQuery:
    """1 where any of the first k is relevant, else 0."""
    return _judged(ranks, (ranks.sums(np.ones(len(ranks.query)), k) > 0).astype(np.float64))


def average_precision(ranks: Ranks, k: int | None = None) -> PerQuery:
    """The mean of the precision at the rank of each relevant picture. At k, those beyond count 0, and the
    mean is over as many as can be among the first k, so that 1 is always within reach."""
    most = ranks.relevant if k is None else np.minimum(ranks.relevant, k)
    return _ratio(ranks.sums(ranks.found / ranks.rank, k), most)


def ndcg(ranks: Ranks, k: int | None = None) -> PerQuery:
    """Discounted cumulative gain over that of the best order (Järvelin and Kekäläinen 2002): grades count as
    they are, divided by log2(rank + 1)."""
    best_first = np.lexsort((-ranks.gain, ranks.query))
    ideal = Ranks(ranks.depths, ranks.query, ranks.found, ranks.gain[best_first])
    return _ratio(_discounted(ranks, k), _discounted(ideal, k))


def r_precision(ranks: Ranks) -> PerQuery:
    """The share of the first R that is relevant, where R is how many relevant pictures there are."""
    within = (ranks.rank <= ranks.relevant[ranks.query]).astype(np.float64)
    return _ratio(ranks.sums(within), ranks.relevant)


def reciprocal_rank(ranks: Ranks) -> PerQuery:
    """1 / the rank of the first relevant picture; its mean is the MRR."""
    return _judged(ranks, ranks.sums(np.where(ranks.found == 1, 1 / ranks.rank, 0)))


def precision_at_recall(ranks: Ranks) -> NDArray[np.float64]:
    """The interpolated precision at each of `LEVELS`: the best at any rank where recall is at least as high.
    Shape (queries, levels)."""
    curve = np.zeros((len(ranks.depths), len(LEVELS)))
    reached = ranks.found / ranks.relevant[ranks.query]
    for place, level in enumerate(LEVELS):
        good = reached >= level - 1e-12
        np.maximum.at(curve[:, place], ranks.query[good], (ranks.found / ranks.rank)[good])
    curve[ranks.relevant == 0] = np.nan
    return curve


def measured(ranks: Ranks) -> Mapping[str, PerQuery]:
    """All metrics by name: `precision@5`, and `precision` for that in full; `map`, `ndcg`, `mrr`, …"""
    ways = {
        "precision": precision,
        "recall": recall,
        "hit_rate": hit_rate,
        "map": average_precision,
        "ndcg": ndcg,
    }
    found = {f"{name}@{k}": way(ranks, k) for name, way in ways.items() for k in CUTOFFS}
    found |= {name: way(ranks) for name, way in ways.items()}
    return {**found, "r_precision": r_precision(ranks), "mrr": reciprocal_rank(ranks)}


def _judged(ranks: Ranks, values: PerQuery) -> PerQuery:
    return np.where(ranks.relevant > 0, values, np.nan)


def _ratio(above: NDArray[Any], below: NDArray[Any] | int) -> PerQuery:
    """Above over below, NaN where that is 0."""
    bottom = np.broadcast_to(below, above.shape).astype(np.float64)
    found: PerQuery = np.divide(above, bottom, out=np.full(above.shape, np.nan), where=bottom > 0)
    return found


def _discounted(ranks: Ranks, k: int | None) -> PerQuery:
    return ranks.sums(ranks.gain / np.log2(ranks.rank + 1), k)


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over the queries that have something relevant to find."""

    queries: int
    precision_at_1: float
    precision_at_10: float
    mean_average_precision: float


def leave_one_out(similarity: NDArray[np.floating], labels: Sequence[object]) -> Scores:
    """Each picture is a query against all others; those of its label are relevant.

    `similarity` has shape (n, n); equal similarities rank by position. Queries alone in their label do not
    count. Raises ValueError when that leaves none.
    """
    known = np.asarray(labels, dtype=object)
    if similarity.shape != (len(known), len(known)):
        raise ValueError(f"a similarity of {similarity.shape} for {len(known)} labels")
    same = (known[:, None] == known).astype(np.float32)
    ranks = ranked(similarity, same, np.eye(len(known), dtype=np.bool_))
    queries = int((ranks.relevant > 0).sum())
    if not queries:
        raise ValueError("no label has two pictures")
    found = (precision(ranks, 1), precision(ranks, 10), average_precision(ranks))
    return Scores(queries, *(float(np.nanmean(each)) for each in found))
