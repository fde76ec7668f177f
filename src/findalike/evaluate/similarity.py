"""The similarity of many queries to many pictures at once. Pure.

`distance.similarity` says what a metric is; here the same numbers come in blocks, by matrix products where a
metric allows it. `as_searched` gives what a search of the library does.
"""

from __future__ import annotations

import numpy as np

from findalike import distance
from findalike.encode.base import unit
from findalike.errors import UsageError
from findalike.rank import adapted, is_adapted
from findalike.types import Card, Vector, Vectors

AS_SEARCHED = "as searched"
NAMES = (AS_SEARCHED, *distance.METRICS)
"""What can be asked for: what a search of the library does, or a metric whatever the card declares."""

_CACHED = 2**18
"""Numbers of rows that are compared at once, so that they stay in the processor's cache."""


def unsuited(metric: str, card: Card, vectors: Vectors) -> str:
    """Why a metric says nothing of these vectors, or nothing."""
    if metric == distance.HAMMING and card.dtype != "bit":
        return f"{metric} compares bits, and {card.space} has none"
    if metric == distance.CHI_SQUARE and len(vectors) and float(vectors.min()) < 0:
        return f"{metric} compares histograms, and {card.space} has numbers below 0"
    return ""


def matrix(metric: str, queries: Vectors, gallery: Vectors) -> Vectors:
    """`distance.similarity` of each query to each picture: shapes (q, dim) and (g, dim) to (q, g),
    float32."""
    if metric == distance.COSINE:
        cosines: Vectors = np.clip(unit(queries) @ unit(gallery).T, -1, 1)
        return cosines
    if metric == distance.HAMMING:
        ours, theirs = (np.where(each > 0.5, 1, -1).astype(np.float32) for each in (queries, gallery))
        return np.asarray((ours @ theirs.T / queries.shape[1] + 1) / 2, np.float32)
    if metric == distance.EUCLIDEAN:
        # In float64: the difference of large squares would leave nothing of small distances.
        ours64, theirs64 = queries.astype(np.float64), gallery.astype(np.float64)
        squares = np.square(ours64).sum(axis=1)[:, None] + np.square(theirs64).sum(axis=1)
        distances = np.sqrt(np.maximum(squares - 2 * ours64 @ theirs64.T, 0))
        return np.asarray(1 / (1 + distances), np.float32)
    step = max(1, _CACHED // gallery.shape[1])
    found = np.empty((len(queries), len(gallery)), np.float32)
    for start in range(0, len(gallery), step):
        some = gallery[start : start + step]
        for place, query in enumerate(queries):
            found[place, start : start + step] = distance.similarity(metric, some, query)
    return found


def as_searched(card: Card, queries: Vectors, gallery: Vectors, mean: Vector, count: int) -> Vectors:
    """The similarities that hits of a search have: of a dense space of cosines, to the query turned away from
    the `mean` of a library of `count` pictures, over what a picture equal to the query gets; else by the
    metric."""
    if card.metric != distance.COSINE or not is_adapted(card):
        return matrix(card.metric, queries, gallery)
    ours = unit(queries)
    turned = np.stack([adapted(query, mean, count) if query.any() else query for query in ours])
    most = np.maximum((turned * ours).sum(axis=1), np.float32(1e-6))
    found: Vectors = np.minimum(turned @ unit(gallery).T / most[:, None], np.float32(1))
    return found


def scores(card: Card, similarity: Vectors) -> Vectors:
    """The calibrated scores of similarities, as `calibration.score` gives one."""
    points = card.calibration or ((0.0, 0.0), (1.0, 1.0))
    similarities, values = zip(*points, strict=True)
    found: Vectors = np.interp(similarity, similarities, values)
    return found


def check(name: str) -> str:
    """The name of a distance. Raises UsageError for one that is none."""
    if name not in NAMES:
        raise UsageError(f"no distance is named {name!r}; there are {', '.join(NAMES)}")
    return name
