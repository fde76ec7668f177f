"""Which assets of a library on disk pass a filter, in order, so that a page of them is read and no more."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import overload

import pyarrow as pa

from findalike.store import lance_tables
from findalike.store.lance_snapshot import Snapshot

KEPT = 8
"""So many filters are remembered. A listing of 100,000 assets takes 8 MB."""
KEPT_ASSETS = 2_000_000
"""With more assets than this in all of them, the listings that were asked for longest ago go."""

_COLUMNS = ["uri", "asset_id"]
_AT_ONCE = 10_000


class Listing(Sequence[tuple[str, str]]):
    """Uris and ids, by uri. They stay as Arrow has them: as Python's tuples they would take five times as
    much memory and time."""

    def __init__(self, found: pa.Table) -> None:
        ordered = found.select(_COLUMNS).combine_chunks()
        self._table = ordered.sort_by([(name, "ascending") for name in _COLUMNS]).combine_chunks()

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self[start : start + _AT_ONCE]

    @overload
    def __getitem__(self, index: int) -> tuple[str, str]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[str, str]]: ...
    def __getitem__(self, index: int | slice) -> tuple[str, str] | list[tuple[str, str]]:
        chosen = range(len(self))[index]
        if isinstance(chosen, int):
            uri, asset_id = (self._table.column(name)[chosen].as_py() for name in _COLUMNS)
            return uri, asset_id
        if chosen.step == 1:
            part = self._table.slice(chosen.start, len(chosen))
        else:
            part = self._table.take(pa.array(chosen, pa.int64()))
        return list(zip(*(part.column(name).to_pylist() for name in _COLUMNS), strict=True))


class Listings:
    """The listings of the last few conditions, until the table of assets changes. Used by several threads:
    one reads, and those that ask for the same meanwhile wait for its answer."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str | None, Listing] = OrderedDict()
        self._of: Snapshot | None = None
        self._lock = threading.Lock()

    def of(self, assets: Snapshot, condition: str | None) -> Listing:
        with self._lock:
            if assets is not self._of:
                self._kept.clear()
                self._of = assets
            listing = self._kept.get(condition)
            if listing is None:
                found = lance_tables.select(assets.table, _COLUMNS, condition)
                listing = self._kept[condition] = Listing(found)
            self._kept.move_to_end(condition)
            while len(self._kept) > 1 and (len(self._kept) > KEPT or self._assets() > KEPT_ASSETS):
                self._kept.popitem(last=False)
            return listing

    def _assets(self) -> int:
        return sum(map(len, self._kept.values()))
