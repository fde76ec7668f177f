"""Retrieval metrics over one ranking, as pure functions (Manning, Raghavan and Schütze 2008, chapter 8).

A ranking is a sequence of booleans, best first: whether the picture at each rank is relevant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ranking = Sequence[bool] | NDArray[np.bool_]


def precision_at(ranking: Ranking, k: int) -> float:
    """The share of the first k ranks that is relevant; ranks beyond the end count as not relevant."""
    if k < 1:
        raise ValueError(f"k is {k}, but it must be at least 1")
    return float(np.count_nonzero(ranking[:k]) / k)


def average_precision(ranking: Ranking) -> float:
    """The mean of the precision at each relevant rank, over a full ranking; nan when nothing is relevant."""
    ranks = np.flatnonzero(ranking) + 1
    return float((np.arange(1, len(ranks) + 1) / ranks).mean()) if len(ranks) else float("nan")


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
    rankings = []
    for i, row in enumerate(similarity):
        order = np.argsort(-row, kind="stable")
        ranking = (known == known[i])[order[order != i]]
        if ranking.any():
            rankings.append(ranking)
    if not rankings:
        raise ValueError("no label has two pictures")
    return Scores(
        len(rankings),
        float(np.mean([precision_at(r, 1) for r in rankings])),
        float(np.mean([precision_at(r, 10) for r in rankings])),
        float(np.mean([average_precision(r) for r in rankings])),
    )
