"""Keypoints of two pictures that look alike, one to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike.errors import UsageError
from findalike.types import Vectors
from findalike.verify.keypoints import Keypoints

RATIO = 0.85
"""How much nearer the best match must be than the second best (Lowe 2004), seen from either picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Pairs of keypoints, the clearest first. `pairs` are their numbers in `a` and in `b`, shape (n, 2);
    `a` and `b` their places, in units of each picture, shape (n, 2); `zoom` and `turn` how much larger, in
    those units, and by how many degrees turned, clockwise, the thing is in `b`, shape (n,)."""

    pairs: NDArray[np.int64]
    a: NDArray[np.float64]
    b: NDArray[np.float64]
    zoom: NDArray[np.float64]
    turn: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, chosen: Any) -> Matches:
        return Matches(
            self.pairs[chosen], self.a[chosen], self.b[chosen], self.zoom[chosen], self.turn[chosen]
        )


def matched(a: Keypoints, b: Keypoints) -> Matches:
    """The pairs that are each other's best, by a clear margin. Raises UsageError for two kinds."""
    if a.kind != b.kind:
        raise UsageError(f"keypoints of {a.kind} and of {b.kind} cannot be matched; find both with one kind")
    pairs = _best_of_both(_distances(a, b)) if min(len(a), len(b)) > 1 else np.zeros((0, 2), np.int64)
    left, right = pairs.T
    return Matches(
        pairs,
        a.points[left].astype(np.float64) / a.unit,
        b.points[right].astype(np.float64) / b.unit,
        (b.scales[right] / b.unit / (a.scales[left] / a.unit)).astype(np.float64),
        (b.angles[right] - a.angles[left]).astype(np.float64),
    )


def _distances(a: Keypoints, b: Keypoints) -> Vectors:
    """Shape (of a, of b): Euclidean for unit vectors, differing bits for bits."""
    if a.kind == "orb":
        left, right = (np.unpackbits(each.descriptors, axis=1).astype(np.float32) for each in (a, b))
        differing: Vectors = left @ (1 - right).T + (1 - left) @ right.T
        return differing
    cosine = a.descriptors @ b.descriptors.T
    distances: Vectors = np.sqrt(np.maximum(2 - 2 * cosine, 0))
    return distances


def _best_of_both(distances: Vectors) -> NDArray[np.int64]:
    """Row and column of values that are least in both by the ratio, the clearest first; shape (n, 2)."""
    rows = np.arange(len(distances))
    nearest = distances.argmin(axis=1)
    value = distances[rows, nearest]
    mutual = distances.argmin(axis=0)[nearest] == rows
    rows, nearest, value = rows[mutual], nearest[mutual], value[mutual]
    second = np.minimum(
        _second(distances[rows], nearest), _second(np.ascontiguousarray(distances[:, nearest].T), rows)
    )
    ratio = value / np.maximum(second, 1e-9)
    order = np.argsort(ratio, kind="stable")
    clear = order[ratio[order] < RATIO]
    return np.stack([rows[clear], nearest[clear]], axis=1)


def _second(distances: Vectors, best: NDArray[np.int64]) -> Vectors:
    """The least value of each row but the one at `best`. Changes the array."""
    distances[np.arange(len(best)), best] = np.inf
    least: Vectors = distances.min(axis=1)
    return least
