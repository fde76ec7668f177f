"""Which faces are of one person: agglomeration over the graph of nearest neighbours, in two passes.

First, two groups become one while even their least alike faces are alike enough, the most alike groups first
(complete linkage: Sorensen 1948). That is sure, but a person of a hundred pictures stays in pieces. So then
they become one by the mean similarity of their faces (average linkage: Sokal and Michener 1958), where enough
faces speak for it. Of unit vectors that mean is the product of the sums of the two groups. Only groups that
hold neighbours are ever compared. Two faces of one picture are never one person's.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from findalike.types import Vectors

NEIGHBOURS = 24
"""Of each face, so many that are most alike may be of the same person at once."""

SEVERAL = 4
"""By their mean two groups become one when one of them has so many faces, or both have two."""

_AT_ONCE = 2_048

Pair = tuple[int, int]


class Edge(NamedTuple):
    """Two faces, by their places, and how alike they are."""

    similarity: float
    one: int
    other: int


class Least(NamedTuple):
    """The similarity from which two groups are one: of their least alike faces, and the mean of all."""

    lowest: float
    mean: float


@dataclass(frozen=True, slots=True)
class Given:
    """A group that is there before. One that is `settled` is never joined with another such group."""

    faces: tuple[int, ...]
    settled: bool = False
    barred: frozenset[int] = frozenset()


def edges(vectors: Vectors, least: float, most: int = NEIGHBOURS, since: int = 0) -> list[Edge]:
    """Each face from the place `since` on, of unit length in rows of shape (n, dim), with at most so many of
    its nearest among all that are at least so alike, each pair once. Products are taken in blocks of bounded
    size, (n - since) n of them."""
    found: dict[Pair, float] = {}
    for start in range(since, len(vectors), _AT_ONCE):
        for one, other, similarity in _nearest(vectors, start, least, most):
            found[min(one, other), max(one, other)] = similarity
    return [Edge(similarity, *pair) for pair, similarity in found.items()]


def _nearest(vectors: Vectors, start: int, least: float, most: int) -> Iterator[tuple[int, int, float]]:
    """The neighbours of a block of faces among all, found block by block."""
    block = vectors[start : start + _AT_ONCE]
    best = np.full((len(block), most), -np.inf, np.float32)
    where = np.zeros((len(block), most), np.int64)
    for there in range(0, len(vectors), _AT_ONCE):
        near = block @ vectors[there : there + _AT_ONCE].T
        near[near < least] = -np.inf
        own = np.arange(start, start + len(block)) - there  # a face is no neighbour of its own
        here = (own >= 0) & (own < near.shape[1])
        near[np.flatnonzero(here), own[here]] = -np.inf
        better = np.flatnonzero((near > best.min(axis=1, keepdims=True)).any(axis=1))
        if len(better):
            best[better], where[better] = _better(best[better], where[better], near[better], there)
    for row, column in zip(*np.nonzero(np.isfinite(best)), strict=True):
        yield start + int(row), int(where[row, column]), float(best[row, column])


def _better(
    best: NDArray[np.float32], where: NDArray[np.int64], near: NDArray[np.float32], there: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The best of those that were found and of a block that begins at the place `there`."""
    most = best.shape[1]
    every = np.concatenate([best, near], axis=1)
    places = np.concatenate([where, np.broadcast_to(np.arange(near.shape[1]) + there, near.shape)], axis=1)
    chosen = np.argpartition(-every, most - 1, axis=1)[:, :most]
    return np.take_along_axis(every, chosen, 1), np.take_along_axis(places, chosen, 1)


def grouped(
    vectors: Vectors,
    near: Sequence[Edge],
    least: Least,
    pictures: Sequence[object],
    given: Sequence[Given] = (),
) -> list[list[int]]:
    """The groups of faces, by their places: first the given ones with what joined them, in their order and
    empty where another took them in, then the new ones.

    `near` are the pairs that are looked at, and `pictures` say which faces come from the same: any value for
    each face, equal where they do.
    """
    merging = _Merging(vectors, pictures, given)
    for edge in near:
        merging.meet(edge.one, edge.other)
    for to_settled in (True, False):  # who is known takes what is theirs before new groups are made of it
        merging.run(least.lowest, to_settled)
        merging.run(least.mean, to_settled, by_mean=True)
    return merging.groups()


@dataclass(slots=True)
class _Group:
    faces: list[int]
    total: NDArray[np.float64]
    pictures: set[object]
    barred: frozenset[int]
    rank: int  # of those that meet, the lower keeps its place
    settled: bool
    near: set[int] = field(default_factory=set)


class _Merging:
    """Groups while they become fewer. `self._of` has the group of each face."""

    def __init__(self, vectors: Vectors, pictures: Sequence[object], given: Sequence[Given]) -> None:
        self._given = len(given)
        self._vectors = vectors
        self._to_settled = self._by_mean = False
        taken = {face for group in given for face in group.faces}
        loose = (Given((face,)) for face in range(len(vectors)) if face not in taken)
        self._groups: dict[int, _Group] = {}
        self._of: dict[int, int] = {}
        for rank, group in enumerate([*given, *loose]):
            total = vectors[list(group.faces)].sum(axis=0, dtype=np.float64)
            seen = {pictures[face] for face in group.faces}
            self._groups[rank] = _Group(list(group.faces), total, seen, group.barred, rank, group.settled)
            self._of |= dict.fromkeys(group.faces, rank)

    def meet(self, one: int, other: int) -> None:
        """Let the groups of two faces be compared."""
        first, second = self._of[one], self._of[other]
        if first != second:
            self._groups[first].near.add(second)
            self._groups[second].near.add(first)

    def run(self, least: float, to_settled: bool = False, by_mean: bool = False) -> None:
        """Join what is alike enough; with `to_settled` only with groups that are settled."""
        self._to_settled, self._by_mean = to_settled, by_mean
        waiting = [
            (-self._linkage(one, other), one, other)
            for one, group in self._groups.items()
            for other in group.near
            if one < other
        ]
        heap = [each for each in waiting if -each[0] >= least]
        heapq.heapify(heap)
        while heap:
            linkage, one, other = heapq.heappop(heap)
            if one not in self._groups or other not in self._groups or self._forbidden(one, other):
                continue
            if linkage != -self._linkage(one, other):  # one of them has grown since
                continue
            for third in self._join(one, other):
                if (now := self._linkage(one, third)) >= least:
                    heapq.heappush(heap, (-now, min(one, third), max(one, third)))

    def groups(self) -> list[list[int]]:
        first = [self._groups[rank].faces if rank in self._groups else [] for rank in range(self._given)]
        return first + [group.faces for rank, group in self._groups.items() if rank >= self._given]

    def _linkage(self, one: int, other: int) -> float:
        first, second = self._groups[one], self._groups[other]
        if not self._by_mean:
            return float((self._vectors[first.faces] @ self._vectors[second.faces].T).min())
        fewer, more = sorted((len(first.faces), len(second.faces)))
        if fewer < 2 and more < SEVERAL:
            return -1.0
        return float(first.total @ second.total) / (fewer * more)

    def _forbidden(self, one: int, other: int) -> bool:
        first, second = self._groups[one], self._groups[other]
        if (first.settled and second.settled) or (self._to_settled and not (first.settled or second.settled)):
            return True
        if not first.pictures.isdisjoint(second.pictures):
            return True
        return not (first.barred.isdisjoint(second.faces) and second.barred.isdisjoint(first.faces))

    def _join(self, one: int, other: int) -> set[int]:
        """Make one group of two, in the place of the first; returns those that are near it."""
        first, second = self._groups[one], self._groups.pop(other)
        first.faces += second.faces
        first.total = first.total + second.total
        first.pictures |= second.pictures
        first.barred |= second.barred
        first.settled = first.settled or second.settled
        first.near = (first.near | second.near) - {one, other}
        for third in second.near - {one}:
            self._groups[third].near.discard(other)
            self._groups[third].near.add(one)
        return first.near
