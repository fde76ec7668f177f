"""Which pairs of pictures may be copies of one another, from the small vectors that the library holds.

The layout of a picture finds what shows all of it, turned or flipped as it may be; the network's embedding
finds parts of it, frames around it and what was written on it. Neither compares all pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from findalike.duplicates.neighbours import Tick, nearest
from findalike.encode.classical import layout
from findalike.store.base import Store
from findalike.types import Card, Vectors

NEIGHBOURS = 6
"""With so many neighbours in each space a picture is paired."""

AROUND = 4
"""The neighbours from this on tell how near to each other pictures are hereabouts."""

CROWDED = 0.7
"""Neighbours nearer than this do not make a pair less likely: they may all be copies."""

NUMBERS = 128
"""To so many numbers an embedding is reduced, its directions half whitened (variance to the power -1/4)."""

SAME_FRAME, SAME_GREY = 0.8, 0.9
"""From this cosine of the layouts on both may show all of the same picture; and from this one where their
colours do not count."""

_CHUNK = 2_000
_SAMPLE = 4_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two pictures by their places. `turn` is that of `layout.turned` which brings the first to the second
    where their layouts are alike, else None; `likely` orders candidates, the likeliest highest; `cosine` is
    that of the reduced embeddings, 0 where those did not bring them together."""

    one: int
    other: int
    turn: int | None
    likely: float
    cosine: float


def by_layout(vectors: Vectors, there: NDArray[np.int64], tick: Tick) -> Iterator[Candidate]:
    """Pairs of alike layouts, with their colours and without: rows of shape (n, dim) of the pictures at these
    places."""
    yield from _of_one_frame(vectors, there, SAME_FRAME, tick)
    yield from _of_one_frame(layout.grey(vectors), there, SAME_GREY, tick)


def _of_one_frame(
    vectors: Vectors, there: NDArray[np.int64], least: float, tick: Tick
) -> Iterator[Candidate]:
    neighbours, _ = nearest(_unturned(vectors), min(NEIGHBOURS, len(vectors) - 1), tick)
    first, second = _pairs(neighbours)
    for start in range(0, len(first), 10_000):
        one, other = first[start : start + 10_000], second[start : start + 10_000]
        cosines = np.einsum("tnd,nd->tn", layout.turned(vectors[one]), vectors[other])
        turns = cosines.argmax(axis=0)
        for a, b, turn, cosine in zip(one, other, turns, cosines.max(axis=0), strict=True):
            if cosine >= least:
                yield Candidate(int(there[a]), int(there[b]), int(turn), float(cosine), 0.0)


def by_embedding(vectors: Vectors, there: NDArray[np.int64], tick: Tick) -> Iterator[Candidate]:
    """Pairs of near embeddings, of reduced rows. Likely is what is near, and nearer than others hereabouts
    (after Conneau et al. 2018)."""
    k = min(NEIGHBOURS, len(vectors) - 1)
    neighbours, cosines = nearest(vectors, k, tick)
    around = cosines[:, AROUND:].mean(axis=1) if k > AROUND else np.zeros(len(vectors), np.float32)
    around = np.minimum(around, CROWDED)
    first, second = _pairs(neighbours)
    for start in range(0, len(first), 50_000):
        one, other = first[start : start + 50_000], second[start : start + 50_000]
        cosine = np.einsum("nd,nd->n", vectors[one], vectors[other])
        likely = (3 * cosine - around[one] - around[other]) / 3
        for a, b, value, near in zip(one, other, likely, cosine, strict=True):
            yield Candidate(int(there[a]), int(there[b]), None, float(value), float(near))


def joined(several: Sequence[Iterator[Candidate]]) -> list[Candidate]:
    """The candidates of several spaces, each pair once, the likeliest first; those of one frame before all
    others."""
    found: dict[tuple[int, int], Candidate] = {}
    for candidate in (each for one in several for each in one):
        pair = candidate.one, candidate.other
        known = found.get(pair)
        if known is None:
            found[pair] = candidate
        else:
            cosine, likely = max(known.cosine, candidate.cosine), max(known.likely, candidate.likely)
            turn = candidate.turn if known.turn is None else known.turn
            found[pair] = Candidate(*pair, turn, likely, cosine)
    return sorted(found.values(), key=lambda c: (c.turn is None, -c.likely, c.one, c.other))


def read(
    store: Store, card: Card, places: Mapping[str, int], reduce: bool, tick: Tick
) -> tuple[Vectors, NDArray[np.int64]]:
    """The vectors of whole pictures in a space, reduced on request, and the places they belong to."""
    basis = _basis(store.sample(card.space, _SAMPLE)) if reduce else None
    ids, vectors, there = list(places), [], []
    for start in range(0, len(ids), _CHUNK):
        rows = [r for r in store.rows(card.space, ids[start : start + _CHUNK]) if r.origin.part == "whole"]
        if rows:
            several = np.stack([row.vector for row in rows])
            vectors.append(basis(several) if basis else several)
            there += [places[row.asset_id] for row in rows]
        tick(min(start + _CHUNK, len(ids)), len(ids))
    stacked = np.concatenate(vectors) if vectors else np.empty((0, card.dim), np.float32)
    return stacked, np.array(there, np.int64)


class _basis:  # noqa: N801  (a function that remembers)
    """Reduces rows of shape (n, dim) to unit rows of at most `NUMBERS`, learned from a sample."""

    def __init__(self, sample: Vectors) -> None:
        self._mean = (
            sample.mean(axis=0) if len(sample) > 2 * NUMBERS else np.zeros(sample.shape[1], np.float32)
        )
        if len(sample) <= 2 * NUMBERS:  # too few to learn from
            self._axes = np.eye(sample.shape[1], dtype=np.float32)
            return
        variances, axes = np.linalg.eigh(np.cov((sample - self._mean).T))
        most = min(NUMBERS, len(variances))
        scales = np.maximum(variances[-most:], 1e-12) ** -0.25
        self._axes = (axes[:, -most:] * scales).astype(np.float32)

    def __call__(self, rows: Vectors) -> Vectors:
        reduced = (rows - self._mean) @ self._axes
        found: Vectors = reduced / np.maximum(np.linalg.norm(reduced, axis=1, keepdims=True), 1e-12)
        return found.astype(np.float32)


def _unturned(vectors: Vectors) -> Vectors:
    """What turns and flips of a picture share: the sizes of its waves, of each two that a turn exchanges the
    smaller and the larger. Rows that are near after some turn are at least as near in this."""
    sizes, exchanged = np.abs(vectors), np.abs(layout.turned(vectors)[1])
    both = np.concatenate([np.minimum(sizes, exchanged), np.maximum(sizes, exchanged)], axis=1)
    found: Vectors = both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-12)
    return found


def _pairs(neighbours: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each pair of a row and a neighbour once, the smaller place first."""
    rows = np.repeat(np.arange(len(neighbours)), neighbours.shape[1])
    others = neighbours.ravel().astype(np.int64)
    rows, others = rows[others >= 0], others[others >= 0]
    pairs = np.unique(np.minimum(rows, others) * len(neighbours) + np.maximum(rows, others))
    return pairs // len(neighbours), pairs % len(neighbours)
