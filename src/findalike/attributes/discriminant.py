"""A linear probe in closed form: discriminant analysis with a ridge.

Each value is a normal distribution around its own mean, and all share one spread, to which `shrinkage` is
added in every direction (Friedman, "Regularized discriminant analysis", 1989; Hastie, Buja and Tibshirani,
"Penalized discriminant analysis", 1995). All it needs of pictures are sums, which folds can be taken out of.
What was measured against logistic regression and ridge regression is in `docs/decisions/attributes.md`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike.types import Vectors

Floats = NDArray[np.float64]

AT_ONCE = 8_192
"""Rows of a product at once: 40 MB of vectors."""

EXACT = 800
"""More equations than this are solved in float32, which takes half the time: the shrinkage keeps them well
conditioned."""

ABSENT = -1e4
"""The logit of a value that nothing was learned of."""


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Of rows of D numbers and K values: how many have each value (K,), the sums of their rows (K, D), and
    the sum of the outer products of all rows with themselves (D, D)."""

    counts: Floats
    sums: Floats
    products: NDArray[Any]

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.counts + other.counts, self.sums + other.sums, self.products + other.products)

    def __sub__(self, other: Sums) -> Sums:
        return Sums(self.counts - other.counts, self.sums - other.sums, self.products - other.products)

    def of(self, columns: NDArray[np.int64]) -> Sums:
        """Those of some of the numbers alone."""
        return Sums(self.counts, self.sums[:, columns], self.products[np.ix_(columns, columns)])


def sums(rows: Vectors, numbers: NDArray[np.int64], count: int) -> Sums:
    """The sums of rows, shape (n, D), whose values have these numbers below `count`, shape (n,)."""
    parts = [
        _sums(rows[start : start + AT_ONCE], numbers[start : start + AT_ONCE], count)
        for start in range(0, len(rows), AT_ONCE)
    ]
    return reduce(add, parts)


def total(several: Iterable[Sums]) -> Sums:
    return reduce(add, several)


def _sums(rows: Vectors, numbers: NDArray[np.int64], count: int) -> Sums:
    member = np.zeros((count, len(rows)), rows.dtype)
    member[numbers, np.arange(len(rows))] = 1
    return Sums(member.sum(axis=1, dtype=np.float64), (member @ rows).astype(np.float64), rows.T @ rows)


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """What logits are made of: rows (n, D) times `weights` (K, D), plus `bias` (K,)."""

    weights: Floats
    bias: Floats

    def logits(self, rows: Vectors) -> Vectors:
        found: Vectors = rows @ self.weights.T.astype(np.float32) + self.bias.astype(np.float32)
        return found


def solved(found: Sums, shrinkages: Iterable[float]) -> list[Weights]:
    """The weights for each shrinkage, a part of the mean squared length of rows."""
    there = found.counts > 0
    counts = found.counts[there]
    means = found.sums[there] / counts[:, None]
    within = (found.products - (means * counts[:, None]).T @ means) / counts.sum()
    if len(within) > EXACT:
        within = within.astype(np.float32)
    priors = np.log(counts / counts.sum())
    return [_weights(within, means, priors, there, shrinkage) for shrinkage in shrinkages]


def _weights(
    within: NDArray[Any], means: Floats, priors: Floats, there: NDArray[np.bool_], shrinkage: float
) -> Weights:
    weights, bias = np.zeros((len(there), means.shape[1])), np.full(len(there), ABSENT)
    ridged = within + shrinkage * np.eye(len(within), dtype=within.dtype)
    weights[there] = np.linalg.solve(ridged, means.T.astype(within.dtype)).T
    bias[there] = priors - (weights[there] * means).sum(axis=1) / 2
    return Weights(weights, bias)
