"""How alike two vectors are: the metrics that a card can declare. Pure.

Each is a similarity, so that higher is always better: 1 for a vector and itself, and never above 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from findalike.errors import UsageError
from findalike.types import Vector, Vectors

COSINE, EUCLIDEAN, CITY_BLOCK, CHI_SQUARE, HAMMING = (
    "cosine",
    "euclidean",
    "city-block",
    "chi-square",
    "hamming",
)


def cosine(vectors: Vectors, target: Vector) -> Vector:
    """Of the directions of rows and target, in -1..1; a row of zeros has none, and gets 0."""
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(target)
    # Equal rows get equal ones, which a matrix product, where it depends on a row's place, does not give.
    found: Vector = (vectors * target).sum(axis=1, dtype=np.float32) / np.maximum(lengths, np.float32(1e-12))
    return found.clip(-1, 1)


def euclidean(vectors: Vectors, target: Vector) -> Vector:
    """1 / (1 + d), where d is the length of the difference."""
    found: Vector = 1 / (1 + np.sqrt(np.square(vectors - target).sum(axis=1, dtype=np.float32)))
    return found


def city_block(vectors: Vectors, target: Vector) -> Vector:
    """1 / (1 + d), where d is the sum of the differences."""
    found: Vector = 1 / (1 + np.abs(vectors - target).sum(axis=1, dtype=np.float32))
    return found


def chi_square(vectors: Vectors, target: Vector) -> Vector:
    """1 - d, where d is half the sum of (a - b)² / (a + b): in 0..1 for histograms that sum to 1."""
    total = vectors + target
    parts = np.divide(np.square(vectors - target), total, out=np.zeros_like(total), where=total > 0)
    found: Vector = 1 - parts.sum(axis=1, dtype=np.float32) / 2
    return found


def hamming(vectors: Vectors, target: Vector) -> Vector:
    """The share of the bits that are the same; each number is a bit, set where it is above one half."""
    found: Vector = ((vectors > 0.5) == (target > 0.5)).mean(axis=1, dtype=np.float32)
    return found


METRICS: Mapping[str, Callable[[Vectors, Vector], Vector]] = {
    COSINE: cosine,
    EUCLIDEAN: euclidean,
    CITY_BLOCK: city_block,
    CHI_SQUARE: chi_square,
    HAMMING: hamming,
}
"""By the name that cards declare: rows of shape (n, dim) and a target of shape (dim,) to (n,)."""


def similarity(metric: str, vectors: Vectors, target: Vector) -> Vector:
    """The similarity of each row to the target, shape (n,). Raises UsageError for a metric that is none."""
    if metric not in METRICS:
        raise UsageError(f"no metric is named {metric!r}; there are {', '.join(METRICS)}")
    return METRICS[metric](vectors, target)
