"""The nearest other rows of every row, without comparing all of them once they are many.

Rows are parted among about as many centres as the root of their number (k-means), and each is compared with
the rows of the centres nearest to it (Sivic and Zisserman 2003; Jégou et al. 2011): n times the root of n.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from findalike.types import Vectors

EXACT = 12_000
"""Up to so many rows all are compared, in blocks."""

PROBES = 12
"""With how many centres' rows each row is compared."""

ROUNDS = 6
_BLOCK = 1_000
_SAMPLE = 40
"""Rows for each centre that the centres are learned from."""

Tick = Callable[[int, int], None]


def nearest(
    vectors: Vectors, k: int, tick: Tick = lambda done, total: None
) -> tuple[NDArray[np.int32], Vectors]:
    """For each row of unit length the k other rows of largest cosine, best first, and those cosines: shape
    (n, k) each. Where there are fewer, -1 and a cosine of -1. `tick` is told how many rows of how many are
    done."""
    best = _Best(len(vectors), k)
    if len(vectors) <= EXACT:
        everything = np.arange(len(vectors), dtype=np.int32)
        for start in range(0, len(vectors), _BLOCK):
            best.offer(vectors, everything[start : start + _BLOCK], everything)
            tick(min(start + _BLOCK, len(vectors)), len(vectors))
        return best.sorted()
    centres = _centres(vectors)
    probed = np.concatenate(
        [_most(vectors[s : s + 10_000] @ centres.T, PROBES) for s in range(0, len(vectors), 10_000)]
    )
    own = probed[:, 0]
    by_centre = np.argsort(probed.ravel(), kind="stable") // PROBES
    ends = np.cumsum(np.bincount(probed.ravel(), minlength=len(centres)))
    for number, end in enumerate(ends):
        asking = by_centre[ends[number - 1] if number else 0 : end].astype(np.int32)
        members = np.flatnonzero(own == number).astype(np.int32)
        for start in range(0, len(asking), _BLOCK) if len(members) else ():
            best.offer(vectors, asking[start : start + _BLOCK], members)
        tick(number + 1, len(centres))
    return best.sorted()


class _Best:
    """The nearest so far of every row."""

    def __init__(self, rows: int, k: int) -> None:
        self._places = np.full((rows, k), -1, np.int32)
        self._cosines = np.full((rows, k), -1, np.float32)
        self._k = k

    def offer(self, vectors: Vectors, asking: NDArray[np.int32], members: NDArray[np.int32]) -> None:
        """Compare some rows with others, none of which they were compared with before."""
        cosines = vectors[asking] @ vectors[members].T
        cosines[asking[:, None] == members[None, :]] = -2
        chosen = _most(cosines, min(self._k, len(members)))
        cosines = np.take_along_axis(cosines, chosen, 1)
        places = np.where(cosines > -2, members[chosen], -1)
        both = np.concatenate([self._cosines[asking], cosines], axis=1)
        places = np.concatenate([self._places[asking], places], axis=1)
        kept = _most(both, self._k)
        self._cosines[asking] = np.take_along_axis(both, kept, 1)
        self._places[asking] = np.take_along_axis(places, kept, 1)

    def sorted(self) -> tuple[NDArray[np.int32], Vectors]:
        order = np.argsort(-self._cosines, axis=1, kind="stable")
        cosines = np.take_along_axis(self._cosines, order, 1)
        cosines[cosines < -1] = -1
        return np.take_along_axis(self._places, order, 1), cosines


def _centres(vectors: Vectors) -> Vectors:
    """Directions that many rows lie around, by k-means on a part of the rows; the same each time."""
    count = round(len(vectors) ** 0.5)
    random = np.random.default_rng(0)
    sample = vectors[random.choice(len(vectors), min(len(vectors), _SAMPLE * count), replace=False)]
    centres: Vectors = sample[:count].copy()
    for _ in range(ROUNDS):  # an empty centre stays where it is
        own = np.argmax(sample @ centres.T, axis=1)
        order = np.argsort(own, kind="stable")
        there, starts = np.unique(own[order], return_index=True)
        sums = np.add.reduceat(sample[order], starts, axis=0)
        centres[there] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return centres


def _most(values: Vectors, k: int) -> NDArray[np.int64]:
    """The places of the k largest of each row, the largest first."""
    if k >= values.shape[1]:
        return np.argsort(-values, axis=1, kind="stable")
    found = np.argpartition(-values, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(values, found, 1), axis=1, kind="stable")
    best: NDArray[np.int64] = np.take_along_axis(found, order, 1)
    return best
