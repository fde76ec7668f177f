"""Values and confidences for the pictures that no person gave a value."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from findalike.attributes import probe as probes
from findalike.attributes import reading, shelf
from findalike.attributes.card import Applied, Label, Method, Prediction, Way, confidence_column
from findalike.attributes.labels import check_confidence
from findalike.attributes.learning import Watch, unseen
from findalike.attributes.shelf import Attribute
from findalike.errors import FindalikeError, UsageError
from findalike.filters import And, Filter, IsNull, Not, Or, parse_filter
from findalike.store.base import Store
from findalike.types import Asset, Failure, Value, Vectors

PLAIN = Way()
"""Every picture gets a value, by the better method."""

DIGITS = 4
"""Of a confidence."""


def predict(
    store: Store, found: Attribute, what: Sequence[str] | Mapping[str, Vectors], method: Method | None = None
) -> tuple[list[int], Prediction]:
    """The values of pictures: of asset ids, or of rows that are given by space. And the places, among the
    ids, of those that have vectors: the others are left out. Raises LibraryMismatch."""
    probe = found.probe(method)
    if isinstance(what, Mapping):
        count = len(next(iter(what.values())))
        return list(range(count)), probes.predicted(probe, found.info.values, what)
    reading.check_spaces(store, probe.spaces, found.info.column)
    places, vectors = reading.read(store, probe.spaces, what)
    return places, probes.predicted(probe, found.info.values, vectors)


def apply(store: Store, found: Attribute, way: Way = PLAIN, watch: Watch = unseen) -> Applied:
    """Write the likeliest value and its confidence to every picture without a value of a person's own, and
    take away what was predicted before where it is less sure than the way asks for. In bounded memory; what
    is so already is not written again. The way is remembered. Raises UsageError, LibraryMismatch."""
    check_confidence(store, found.info.column)
    where = parse_filter(way.where, store.columns()) if way.where else None
    done = _Writer(store, found, way).all(where, watch)
    if found.info.applied != way:
        shelf.save(store.sidecars, replace(found, info=replace(found.info, applied=way)))
    return done


def follow(store: Store, changed: bool) -> list[Failure]:
    """Tell new pictures, as they were last applied, of the attributes that were: those without a value, or
    all where known pictures have changed. What cannot be told any more is named."""
    lost = []
    for name in shelf.names(store.sidecars):
        found = None
        try:
            found = shelf.read(store.sidecars, name)
            if found is not None and found.info.applied is not None:
                _followed(store, found, found.info.applied, changed)
        except FindalikeError as error:
            lost.append(Failure(found.info.column if found else name, "encode", str(error)))
    return lost


def _followed(store: Store, found: Attribute, way: Way, changed: bool) -> None:
    where = parse_filter(way.where, store.columns()) if way.where else None
    if not changed and found.info.column in store.columns():
        bare = IsNull(found.info.column)
        where = And((where, bare)) if where else bare
    _Writer(store, found, way).all(where, unseen)


def forget(store: Store, column: str, watch: Watch = unseen) -> int:
    """Take away the values that were predicted, never a person's, and what was learned; returns how many
    pictures had one. Raises UsageError where nothing was learned."""
    of_column(store, column)
    name = confidence_column(column)
    told = Not(IsNull(name)) if name in store.columns() else None
    ids = [asset_id for _, asset_id in store.listing(told)] if told else []
    for done, several in _chunks(ids, reading.WRITTEN_AT_ONCE):
        watch("writing", done, len(ids))
        assets = store.get(several).values()
        store.update([_with(asset, {column: None, name: None}) for asset in assets])
    watch("writing", len(ids), len(ids))
    shelf.remove(store.sidecars, column)
    return len(ids)


def of_column(store: Store, column: str) -> Attribute:
    """What was learned of a column. Raises UsageError naming what there is."""
    found = shelf.load(store.sidecars, column)
    if found is None:
        there = ", ".join(each.info.column for each in shelf.every(store.sidecars)) or "none yet"
        raise UsageError(
            f"nothing was learned of {column!r} in this library; learned are: {there}. To learn it: "
            f"findalike attributes learn --column {column}"
        )
    return found


class _Writer:
    """Predicts and writes one attribute."""

    def __init__(self, store: Store, found: Attribute, way: Way) -> None:
        if not 0 <= way.min_confidence <= 1:
            raise UsageError(f"the least confidence is {way.min_confidence:g}, but it must be from 0 to 1")
        if way.method is not None and way.method not in found.probes:
            raise UsageError(
                f"{found.info.column!r} has no method {way.method!r}; it has {', '.join(found.probes)}"
            )
        self._store, self._found, self._least = store, found, way.min_confidence
        self._method = way.method or found.info.method
        self._column, self._confidence = found.info.column, confidence_column(found.info.column)
        self._seconds = {"reading": 0.0, "computing": 0.0, "writing": 0.0}
        self._counts: Counter[Label] = Counter()
        self._written = self._unsure = self._unseen = 0

    def all(self, where: Filter | None, watch: Watch) -> Applied:
        reading.check_spaces(self._store, self._found.probe(self._method).spaces, self._column)
        with self._timed("reading"):
            ids = [asset_id for _, asset_id in self._store.listing(self._open(where))]
            own = self._store.count(where) - len(ids)
        changed: list[Asset] = []
        for done, several in _chunks(ids, reading.AT_ONCE):
            watch("applying", done, len(ids))
            changed += self._told(several)
            if len(changed) >= reading.WRITTEN_AT_ONCE:
                self._write(changed)
                changed = []
        self._write(changed)
        watch("applying", len(ids), len(ids))
        return Applied(
            self._column, self._method, self._counts.total(), self._written, own, self._unsure, self._unseen,
            dict(self._counts.most_common()), self._seconds,
        )  # fmt: skip

    def _open(self, where: Filter | None) -> Filter | None:
        """What passes, without what has a person's value: one without a confidence."""
        columns = self._store.columns()
        if self._column not in columns:
            return where
        untold: Filter = IsNull(self._column)
        if self._confidence in columns:
            untold = Or((untold, Not(IsNull(self._confidence))))
        return And((where, untold)) if where else untold

    def _told(self, ids: Sequence[str]) -> list[Asset]:
        """Those of some pictures whose value or confidence changes."""
        with self._timed("reading"):
            places, vectors = reading.read(self._store, self._found.probe(self._method).spaces, ids)
            assets = self._store.get(ids)
        with self._timed("computing"):
            told = probes.predicted(self._found.probe(self._method), self._found.info.values, vectors)
            values = self._values(ids, places, told)
            return [_with(each, values[i]) for i, each in assets.items() if _differs(each, values[i])]

    def _write(self, changed: Sequence[Asset]) -> None:
        with self._timed("writing"):
            if changed:
                self._store.update(changed)
        self._written += len(changed)

    def _values(
        self, ids: Sequence[str], places: Sequence[int], told: Prediction
    ) -> dict[str, dict[str, Value]]:
        """What the two columns are to hold, by asset id: nothing where there is no vector, or too little
        confidence."""
        values: dict[str, dict[str, Value]] = {i: {self._column: None, self._confidence: None} for i in ids}
        sure = np.round(told.confidences.astype(np.float64), DIGITS)
        for place, value, confidence in zip(places, told.values, sure.tolist(), strict=True):
            if confidence >= self._least:
                values[ids[place]] = {self._column: value, self._confidence: confidence}
                self._counts[value] += 1
        self._unseen += len(ids) - len(places)
        self._unsure += int(np.count_nonzero(sure < self._least))
        return values

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[part] += time.perf_counter() - started


def _chunks(ids: Sequence[str], size: int) -> Iterator[tuple[int, Sequence[str]]]:
    return ((start, ids[start : start + size]) for start in range(0, len(ids), size))


def _with(asset: Asset, values: Mapping[str, Value]) -> Asset:
    return replace(asset, metadata={**asset.metadata, **values})


def _differs(asset: Asset, values: Mapping[str, Value]) -> bool:
    return any(asset.metadata.get(name) != value for name, value in values.items())
