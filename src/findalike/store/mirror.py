"""A store whose vectors are also held in memory, at half precision, and scanned for every search by faiss
(Johnson, Douze and Jégou 2017).

It finds what an exact scan of the stored vectors finds, whatever index the store has: no row whose similarity
could be among the best is left out, and the store ranks those that are left by what it holds. Each answer
first asks the store whether anything changed, and then reads what did.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from findalike import plugins
from findalike.query import Filter
from findalike.store.base import Store, card_of, is_indexable, target_of
from findalike.types import Match, Vector, Vectors

Keys = NDArray[np.uint64]
Mask = NDArray[np.bool_]

ERROR = 2.0**-11 + 1e-5
"""How far a scanned similarity of unit vectors may be from the true one: half a unit in the last place of
each number, by Cauchy and Schwarz, and what sums in float32 add."""
SLACK = 8
"""More candidates than asked for, so that one scan is nearly always enough."""
SEGMENTS = 6
"""With more parts than this, all but the first are read again as one."""
CHANGED = 0.2
"""A share of rows that are new, or gone, from which on everything is read again."""
ATTEMPTS = 4
"""So often is a search repeated when rows are written again while it runs; then the store searches."""
_AT_ONCE = 4_096
_FILTERS = 8  # whose rows are remembered, at a bit and a byte for each row


class Mirrorable(Store, Protocol):
    """What a store answers beyond `Store`, so that a mirror can follow it."""

    def revision(self, space: str) -> object:
        """Equal to an earlier one while `row_keys` would answer as it did then."""
        ...

    def row_keys(self, space: str, where: Filter | None = None) -> Keys:
        """A number for each row whose asset is there and passes the filter, in no particular order. A row
        that is written again may get another number; none ever stands for another vector."""
        ...

    def row_vectors(self, space: str, keys: Keys) -> tuple[Keys, Vectors]:
        """The vectors of those of the rows that are there."""
        ...

    def nearest_of(self, space: str, vector: Vector, keys: Keys) -> Sequence[Match]:
        """Those of the rows that are there, as `nearest` orders them."""
        ...


def mirrored(store: Mirrorable) -> Store:
    """The store with its vectors in memory. Raises ExtraMissing."""
    return cast(Store, Mirror(store))


class Mirror:
    """Answers `nearest` from memory, and all else as its store does. Safe to use from several threads: while
    one reads what changed, others that need it wait, and those that began before go on."""

    def __init__(self, store: Mirrorable) -> None:
        self._store = store
        self._faiss: Any = plugins.on_use("faiss", "findalike[mirror]")
        self._states: dict[str, State] = {}
        self._reading = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def nearest(self, space: str, vector: Vector, k: int, where: Filter | None = None) -> Sequence[Match]:
        card = card_of(self._store.cards(), space)
        if not is_indexable(card):  # the store scans it in memory too
            return self._store.nearest(space, vector, k, where)
        target = target_of(vector, card)
        for _ in range(ATTEMPTS):
            state = self.state(space)
            masks = self._masks(space, state, where)
            if masks is None:
                continue
            wanted = min(k, sum(int(mask.sum()) for mask in masks))
            if wanted < 1:
                return []
            keys = self._candidates(state, masks, target, wanted)
            found = self._store.nearest_of(space, target, keys)
            if len(found) == len(keys):
                return found[:wanted]
        return self._store.nearest(space, vector, k, where)

    def state(self, space: str) -> State:
        """The vectors of a space as its store has them now; asked for beforehand, they are there when the
        first search comes."""
        known = self._states.get(space)
        if known and known.revision == self._store.revision(space):
            return known
        with self._reading:
            known = self._states.get(space)
            revision = self._store.revision(space)  # before reading, so that what is read is never older
            if not known or known.revision != revision:
                keys = np.sort(self._store.row_keys(space))
                known = State(revision, self._segments(space, known.segments if known else (), keys), keys)
                self._states[space] = known
            return known

    def close(self) -> None:
        self._states.clear()
        self._store.close()

    def _segments(self, space: str, known: Sequence[Segment], keys: Keys) -> tuple[Segment, ...]:
        """Segments with these rows, and perhaps some that are gone; what is known already is kept."""
        held = sum(len(segment.keys) for segment in known)
        there = sum(int(_among(segment.keys, keys).sum()) for segment in known)
        if held - there > CHANGED * held or len(keys) - there > CHANGED * len(keys):
            self._states.pop(space, None)  # so that no more than one copy is kept
            return self._read(space, keys)
        kept = tuple(known) if len(known) < SEGMENTS else tuple(known[:1])
        fresh = keys
        for segment in kept:
            fresh = fresh[~_among(fresh, segment.keys)]
        return kept + self._read(space, fresh)

    def _read(self, space: str, keys: Keys) -> tuple[Segment, ...]:
        """The vectors of these rows, as one segment, if there are any."""
        dim = card_of(self._store.cards(), space).dim
        half, product = self._faiss.ScalarQuantizer.QT_fp16, self._faiss.METRIC_INNER_PRODUCT
        index = self._faiss.IndexScalarQuantizer(dim, half, product)
        read: list[Keys] = []
        with self._one_thread():
            for start in range(0, len(keys), _AT_ONCE):
                some, vectors = self._store.row_vectors(space, keys[start : start + _AT_ONCE])
                order = np.argsort(some)
                read.append(some[order])
                index.add(np.ascontiguousarray(vectors[order], np.float32))
        return (Segment(index, np.concatenate(read)),) if index.ntotal else ()

    def _masks(self, space: str, state: State, where: Filter | None) -> list[Mask] | None:
        """Which rows of each segment are there and pass the filter. None when rows were written again before
        all could be read."""
        asked = repr(where)  # filters that differ in 1 and 1.0 alone are equal, and ask for different rows
        masks = state.passing.get(asked)
        if masks is None:
            keys = state.keys if where is None else np.sort(self._store.row_keys(space, where))
            masks = [_among(segment.keys, keys) for segment in state.segments]
            if sum(int(mask.sum()) for mask in masks) < len(keys):
                return None
            state.remember(asked, masks)
        return masks

    def _candidates(self, state: State, masks: Sequence[Mask], target: Vector, wanted: int) -> Keys:
        """The rows that may be among the nearest by what is stored: all whose scanned similarity is as high
        as the last one's, but for the error of two."""
        limit = wanted + SLACK
        while True:
            scores, keys = self._scan(state, masks, target, limit)
            least = scores[wanted - 1] - 2 * ERROR
            if len(scores) < limit or scores[-1] < least:
                return cast(Keys, keys[scores >= least])
            limit *= 4

    def _scan(
        self, state: State, masks: Sequence[Mask], target: Vector, limit: int
    ) -> tuple[NDArray[np.float32], Keys]:
        """The best `limit` rows that pass, best first, with their similarities at half precision."""
        found: list[tuple[NDArray[np.float32], Keys]] = []
        for segment, mask in zip(state.segments, masks, strict=True):
            passing = int(mask.sum())
            if not passing:
                continue
            bits = np.packbits(mask, bitorder="little")
            some = passing < len(mask)
            options = self._faiss.SearchParameters(sel=self._faiss.IDSelectorBitmap(bits)) if some else None
            with self._one_thread():
                scores, places = segment.index.search(target[None], min(limit, passing), params=options)
            found.append((scores[0], segment.keys[places[0]]))
        scores, keys = (np.concatenate(parts) for parts in zip(*found, strict=True))
        best = np.argsort(-scores, kind="stable")[:limit]
        return scores[best], keys[best]

    @contextmanager
    def _one_thread(self) -> Iterator[None]:
        """Let faiss compute in this thread. It would start as many as there are cores, for each thread that
        calls it, and of one query they have nothing to share."""
        before = self._faiss.omp_get_max_threads()
        self._faiss.omp_set_num_threads(1)
        try:
            yield
        finally:
            self._faiss.omp_set_num_threads(before)


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Vectors that are never changed, in the order of their keys, which is ascending."""

    index: Any
    keys: Keys


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """The rows of a space at one revision: `keys` are of those that are there, in ascending order, and all of
    them lie in `segments`. `passing` has for the last few filters which rows of each segment pass."""

    revision: object
    segments: tuple[Segment, ...]
    keys: Keys
    passing: OrderedDict[str, list[Mask]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def remember(self, asked: str, masks: list[Mask]) -> None:
        with self._lock:
            self.passing[asked] = masks
            while len(self.passing) > _FILTERS:
                self.passing.popitem(last=False)


def _among(keys: Keys, others: Keys) -> Mask:
    """Which keys are among others; both in ascending order."""
    if not len(others):
        return np.zeros(len(keys), np.bool_)
    places = np.minimum(np.searchsorted(others, keys), len(others) - 1)
    return cast(Mask, others[places] == keys)
