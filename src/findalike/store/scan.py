"""Exact search of the spaces that no index of the store covers: their rows are held in memory, read anew
when the library changes, and compared with every query by the metric of their card."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from findalike.query import Filter
from findalike.store.base import similarities
from findalike.store.inverted import Inverted
from findalike.types import Card, Match, Vector, Vectors

Keys = NDArray[np.uint64]

TIE = 1e-6
"""Similarities that float32 cannot tell apart: among those, what is stored and row ids decide."""
_AT_ONCE = 2_048


class Scanned(Protocol):
    """What a store answers, so that its rows can be held in memory: see `mirror.Mirrorable`."""

    def revision(self, space: str) -> object: ...

    def row_keys(self, space: str, where: Filter | None = None) -> Keys: ...

    def row_vectors(self, space: str, keys: Keys) -> tuple[Keys, Vectors]: ...

    def nearest_of(self, space: str, vector: Vector, keys: Keys) -> Sequence[Match]: ...


class Rows(Protocol):
    """The rows of a space in memory."""

    def similarities(self, target: Vector) -> Vector:
        """How alike each row and a target are: shape (rows,)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """Rows as a matrix of shape (n, dim); of bits, a byte holds each."""

    card: Card
    matrix: NDArray[np.float32 | np.uint8]

    def similarities(self, target: Vector) -> Vector:
        found = np.empty(len(self.matrix), np.float32)
        for start in range(0, len(found), _AT_ONCE):
            some = self.matrix[start : start + _AT_ONCE].astype(np.float32, copy=False)
            found[start : start + _AT_ONCE] = similarities(self.card, some, target)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """The rows of a space at one revision, in the order of `keys`, which is ascending."""

    revision: object
    keys: Keys
    rows: Rows


class Scans:
    """Answers `nearest` for the spaces of a store. Several threads may ask at once."""

    def __init__(self, store: Scanned) -> None:
        self._store = store
        self._states: dict[str, State] = {}
        self._reading = threading.Lock()

    def nearest(self, card: Card, target: Vector, k: int, where: Filter | None) -> Sequence[Match]:
        state = self._state(card)
        found = state.rows.similarities(target)
        if where is not None:
            passing = np.isin(state.keys, self._store.row_keys(card.space, where))
            found = np.where(passing, found, -np.inf)
        wanted = min(k, int(np.isfinite(found).sum()))
        if wanted < 1:
            return []
        least = np.partition(found, -wanted)[-wanted] - TIE
        return self._store.nearest_of(card.space, target, state.keys[found >= least])[:wanted]

    def _state(self, card: Card) -> State:
        with self._reading:
            revision = self._store.revision(card.space)  # before reading, so that what is read is never older
            known = self._states.get(card.space)
            if known is None or known.revision != revision:
                known = self._states[card.space] = self._read(card, revision)
            return known

    def _read(self, card: Card, revision: object) -> State:
        keys = np.sort(self._store.row_keys(card.space))
        blocks, read = [], []
        for start in range(0, len(keys), _AT_ONCE):
            some, vectors = self._store.row_vectors(card.space, keys[start : start + _AT_ONCE])
            order = np.argsort(some)
            read.append(some[order])
            blocks.append(_kept(card, vectors[order]))
        there = np.concatenate(read) if read else keys
        return State(revision, there, _rows(card, blocks))


Block = tuple[NDArray[np.int64], NDArray[np.int64], Vector] | NDArray[np.float32 | np.uint8]


def _kept(card: Card, vectors: Vectors) -> Block:
    """A block of rows in the least memory: of sparse ones how many words each has, which, their weights."""
    if card.dtype == "sparse":
        rows, words = np.nonzero(vectors)
        return np.bincount(rows, minlength=len(vectors)), words, vectors[rows, words]
    return (vectors > 0.5).astype(np.uint8) if card.dtype == "bit" else vectors


def _rows(card: Card, blocks: Sequence[Block]) -> Rows:
    if card.dtype != "sparse":
        none = np.empty((0, card.dim), np.float32)
        return Dense(card, np.concatenate(blocks) if blocks else none)
    counts, words, weights = (
        np.concatenate([np.asarray(block[part]) for block in blocks] or [np.empty(0)]) for part in range(3)
    )
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Inverted(starts, words.astype(np.int32), weights.astype(np.float32), card.dim)
