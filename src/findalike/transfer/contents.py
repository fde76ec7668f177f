"""What a library holds, as it travels: cards, banks, sidecars, failures, and batches of whole assets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol, TypeVar

from findalike.sidecars import Sidecars
from findalike.store.base import Batch, Store
from findalike.types import Asset, Bank, Card, Evidence, EvidenceTable, Failure

T = TypeVar("T")

MOST = 2_000
"""Assets in a batch: with fewer, commits and conditions by id cost more than what they carry."""
BYTES = 64 << 20
"""About what a batch may hold; of films, whose size nobody knows beforehand, it may be several times that."""
FILM = 500
"""A film has as many frames as so many pictures."""


class Contents(Protocol):
    """Where everything of a library can be read: a store, or the files of an export."""

    @property
    def sidecars(self) -> Sidecars: ...

    def cards(self) -> Mapping[str, Card]:
        """By space, in the order they were added."""
        ...

    def banks(self) -> Mapping[str, Bank]:
        """By name, in the order they were added."""
        ...

    def failures(self) -> Sequence[Failure]: ...

    def count(self) -> int:
        """How many assets there are."""
        ...

    def batches(self, but: Container[str] = ()) -> Iterator[Batch]:
        """Every asset once, each with all that belongs to it, in bounded memory; those of the ids in `but`
        are left out."""
        ...


class StoreContents:
    """What a store holds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.sidecars = store.sidecars

    def cards(self) -> Mapping[str, Card]:
        return self._store.cards()

    def banks(self) -> Mapping[str, Bank]:
        return self._store.banks()

    def failures(self) -> Sequence[Failure]:
        return self._store.failures()

    def count(self) -> int:
        return self._store.count()

    def batches(self, but: Container[str] = ()) -> Iterator[Batch]:
        reader = Reader(self._store)
        assets = (asset for asset in self._store.assets() if asset.id not in but)
        most = max(1, MOST // 10)  # until it is known how much an asset has
        while several := _some(assets, most):
            batch = reader.read(several)
            yield batch
            most = max(1, min(MOST, most * 2, BYTES * len(several) // max(1, weight(batch))))


class Reader:
    """Reads all that belongs to assets of a store, as it was when the reader was made."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._spaces = tuple(store.cards())
        self._evidence = {name: Evidences(store.evidence(name)) for name in store.banks()}

    def read(self, assets: Sequence[Asset]) -> Batch:
        ids = [asset.id for asset in assets]
        return Batch(
            assets=assets,
            rows={space: self._store.rows(space, ids) for space in self._spaces},
            thumbnails=self._store.thumbnails(ids),
            evidence={name: evidence.of(ids) for name, evidence in self._evidence.items()},
            attachments=self._store.attachments_of(ids),
        )


class Evidences:
    """A table of evidence, looked into by asset."""

    def __init__(self, table: EvidenceTable) -> None:
        self._table = table
        self._places = {asset_id: place for place, asset_id in enumerate(table.asset_ids)}

    def of(self, asset_ids: Iterable[str]) -> dict[str, Evidence]:
        return {i: self._at(self._places[i]) for i in asset_ids if i in self._places}

    def _at(self, place: int) -> Evidence:
        start, end = self._table.starts[place : place + 2]
        concepts, weights = self._table.concepts[start:end], self._table.weights[start:end]
        return dict(zip(concepts.tolist(), weights.tolist(), strict=True))


def _some(assets: Iterator[Asset], most: int) -> list[Asset]:
    """The next assets, up to `most` pictures; a film counts for many."""
    several: list[Asset] = []
    room = most
    while room > 0 and (asset := next(assets, None)):
        several.append(asset)
        room -= FILM if asset.is_film else 1
    return several


def weight(batch: Batch) -> int:
    """About how many bytes it holds."""
    vectors = sum(row.vector.nbytes for several in batch.rows.values() for row in several)
    files = itertools.chain(
        batch.thumbnails.values(), *(each.values() for each in batch.attachments.values())
    )
    return vectors + sum(map(len, files)) + 500 * len(batch.assets)


def only(batch: Batch, asset_ids: set[str]) -> Batch:
    """What belongs to these assets."""
    return replace(
        batch,
        assets=[asset for asset in batch.assets if asset.id in asset_ids],
        rows={s: [row for row in rows if row.asset_id in asset_ids] for s, rows in batch.rows.items()},
        thumbnails=_of(batch.thumbnails, asset_ids),
        evidence={name: _of(evidence, asset_ids) for name, evidence in batch.evidence.items()},
        attachments=_of(batch.attachments, asset_ids),
    )


def _of(by_asset: Mapping[str, T], asset_ids: set[str]) -> dict[str, T]:
    return {i: value for i, value in by_asset.items() if i in asset_ids}


def ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same, each read by another thread while the one before is in use."""
    with ThreadPoolExecutor(1, "findalike-reading") as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def uninterrupted(write: Callable[[], None]) -> None:
    """In a thread of its own a commit is not torn by ctrl-C: leaving the block waits for its end."""
    with ThreadPoolExecutor(1, "findalike-writing") as thread:
        thread.submit(write).result()
