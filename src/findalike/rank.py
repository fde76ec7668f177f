"""Pure ranking: weigh terms into one vector, group parts under their asset, cut off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from findalike.errors import QueryError
from findalike.types import Match, Vector


def combine(vectors: Sequence[Vector], weights: Sequence[float]) -> Vector:
    """The direction that weighted terms of one space point to together, of unit length.

    Each vector counts by its direction alone. Raises QueryError when they cancel out.
    """
    summed = np.zeros_like(vectors[0], dtype=np.float64)
    for vector, weight in zip(vectors, weights, strict=True):
        summed += weight * vector / max(float(np.linalg.norm(vector)), 1e-12)
    length = float(np.linalg.norm(summed))
    if length < 1e-6 * sum(map(abs, weights)):
        raise QueryError("the terms cancel each other out; give them other weights, or leave one out")
    combined: Vector = (summed / length).astype(np.float32)
    return combined


def best_parts(matches: Iterable[Match], excluded: frozenset[str] = frozenset()) -> Iterator[Match]:
    """The best match of each asset, in order, without the excluded assets."""
    seen = set(excluded)
    for match in matches:
        if match.row.asset_id not in seen:
            seen.add(match.row.asset_id)
            yield match
