"""In which order pictures are shown to people, so that each answer teaches most. Pure.

A picture is worth asking for that is uncertain itself and lies where many others are uncertain (information
density: Settles and Craven 2008). Once it is asked for, those near it are worth less, so that a cluster is
not asked for picture by picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from findalike.types import Vector, Vectors

Places = NDArray[np.int64]

SHARPNESS = 4
"""The power of the cosine that says how much an answer for one picture tells of another: .9 of all counts
two thirds, .5 a sixteenth."""

MOST_RARE = 3.0
"""How many times as much a picture of the rarest value is worth as one of the most frequent."""


def rarity(counts: Vector) -> Vector:
    """How much more the pictures of values count than those of the most frequent: the fourth root of how many
    times rarer they are, 1 to `MOST_RARE`. `counts`: pictures of each value, above 0."""
    rarer = counts.max(initial=1) / np.maximum(counts, 1)
    raised: Vector = (rarer**0.25).clip(1.0, MOST_RARE)
    return raised


def nearness(vectors: Vectors, others: Vectors) -> Vectors:
    """How near each of n pictures is to each of m others, 0 to 1, of their vectors (n, dim) and (m, dim).
    Their mean is taken out before, for it is what all have in common."""
    mean = others.mean(axis=0)
    cosines = _unit(vectors - mean) @ _unit(others - mean).T
    found: Vectors = cosines.clip(0.0, 1.0) ** SHARPNESS
    return found


def ordered(uncertainty: Vector, raised: Vector, near: Vectors, others: Vector, most: int) -> Places:
    """The places of up to `most` of n pictures, the most valuable first.

    `uncertainty` (n,) is 0 to 1, `raised` (n,) a factor by how rare the predicted values are, `near` (n, m)
    how near m pictures without an answer are, of which the first n are the pictures themselves, and `others`
    (m,) how uncertain those are. Ties go to the first.
    """
    count = len(uncertainty)
    left, own = others.astype(np.float64), np.ones(count)
    density = near @ left
    found: list[int] = []
    while len(found) < min(most, count):
        worth = raised * uncertainty * own * density
        worth[found] = -1.0
        best = int(worth.argmax())
        found.append(best)
        told = left * near[best]
        density -= near @ told
        left -= told
        own *= 1.0 - near[best, :count]
    return np.array(found, np.int64)


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = vectors / np.maximum(lengths, 1e-12)
    return scaled
