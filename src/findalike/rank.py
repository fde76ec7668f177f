"""Pure ranking: weigh terms into one vector, turn it from the ordinary, group parts, fuse, diversify."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from findalike.errors import QueryError
from findalike.types import Card, Match, Vector, Vectors

RETREAT = 0.5
"""How much of the library's mean is taken off a query; measured in `docs/decisions/query-adaptation.md`."""

STEADY_FROM = 20
"""Pictures from which on their mean counts for more than half."""

FUSION_K = 60
"""Of reciprocal rank fusion, as Cormack, Clarke and Buettcher (2009) set it: how slowly ranks lose weight."""


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


def adapted(query: Vector, mean: Vector, count: int) -> Vector:
    """The query turned away from what all pictures of a library have in common, of unit length.

    That is the negative part of Rocchio's feedback (1971), with the whole library as what is not wanted:
    half of `mean`, the mean of its unit vectors, is taken off. A mean of few pictures (`count`) counts for
    less, since it is the picture looked for as much as the ordinary.
    """
    turned = query / np.linalg.norm(query) - RETREAT * count / (count + STEADY_FROM) * mean
    length = float(np.linalg.norm(turned))
    if length < 1e-6:
        return query
    adapted: Vector = (turned / length).astype(np.float32)
    return adapted


def is_adapted(card: Card) -> bool:
    """Whether queries in a card's space are turned so. Sparse vectors are not: the words that all pictures
    have weigh little in them already. Nor are those of a card that says so: what all faces have in common
    was taken out of their descriptors by training."""
    return card.dtype != "sparse" and bool(card.preprocessing.get("adapted", True))


def best_parts(matches: Iterable[Match], excluded: frozenset[str] = frozenset()) -> Iterator[Match]:
    """The best match of each asset, in order, without the excluded assets."""
    seen = set(excluded)
    for match in matches:
        if match.row.asset_id not in seen:
            seen.add(match.row.asset_id)
            yield match


def fused(rankings: Sequence[Mapping[str, tuple[float, float]]]) -> dict[str, float]:
    """Reciprocal rank fusion: each id's sum of `weight / (FUSION_K + rank)` over the rankings that hold it.

    A ranking gives each id a value, the higher the better, and the weight of its vote; equal values share the
    best of their ranks.
    """
    total: dict[str, float] = {}
    for votes in rankings:
        rank, previous = 0, None
        for place, name in enumerate(sorted(votes, key=lambda i: (-votes[i][0], i)), 1):
            value, weight = votes[name]
            if value != previous:
                rank, previous = place, value
            total[name] = total.get(name, 0.0) + weight / (FUSION_K + rank)
    return total


def diversified(vectors: Vectors, relevance: Sequence[float], strength: float) -> list[int]:
    """The order of maximal marginal relevance (Carbonell and Goldstein 1998) of rows of unit length.

    Each next one is the best by `(1 - strength) * relevance - strength * similarity`, where relevance is
    scaled to 0..1 and similarity is the cosine to the most similar one before it.
    """
    left = np.asarray(relevance, np.float64)
    spread = float(left.max() - left.min()) if len(left) else 0.0
    value = (1 - strength) * ((left - left.min()) / spread if spread else left * 0)
    nearest = np.zeros(len(left))
    order: list[int] = []
    for _ in range(len(left)):
        best = int(np.argmax(value - strength * nearest))
        order.append(best)
        value[best] = -np.inf
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return order
