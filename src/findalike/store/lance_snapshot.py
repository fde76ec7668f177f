"""The tables of one library: opened on use, read at their latest version, with what is known of it.

Asking LanceDB for anything takes 0.2 ms, and a search would ask twenty times. Finding rows by a condition
takes 2 to 3 ms, and 20 ms where thumbnails lie outside of the tree of their ids; taking them from their
places takes 1 ms.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import pyarrow as pa

from findalike.store import lance_tables
from findalike.store.lance_place import Place

T = TypeVar("T")

OFTEN = 16
"""With so many look-ups at one version, the places of all rows are read: 50 ms and 5 MB for 100,000 rows."""
FEW = 1_000
"""More ids than this are read by a condition."""
PLACE = "_rowid"
"""LanceDB's column of where rows stand. No row ever stands where another stood."""


class Tables:
    """The LanceDB tables at one place."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._database = place.connect()
        self._open: dict[str, tuple[object | None, Snapshot]] = {}

    def create(self, name: str, schema: pa.Schema) -> None:
        """Make an empty table unless it is there, perhaps with more columns."""
        if name not in self.names():
            self._database.create_table(name, schema=schema, exist_ok=True)

    def names(self) -> list[str]:
        return list(self._database.list_tables().tables)

    def drop(self, name: str) -> None:
        self._open.pop(name, None)
        self._database.drop_table(name)

    def rewrite(self, name: str) -> None:
        """Write a table again in one commit, with the rows that are there and no index."""
        table = self.latest(name)
        schema = table.schema
        records = pa.RecordBatchReader.from_batches(schema, lance_tables.scan(table, schema.names))
        self._database.create_table(name, data=records, mode="overwrite")
        self._open.pop(name, None)

    def at(self, name: str, version: int) -> Any:
        """A table at a version of its own."""
        table = self._database.open_table(name)
        table.checkout(version)
        return table

    def latest(self, name: str) -> Any:
        """A table at its latest version."""
        return self.snapshot(name).table

    def snapshot(self, name: str) -> Snapshot:
        """A table at its latest version, with what is known of it. While its place says that nothing
        changed, LanceDB is not asked for another."""
        seen, known = self._open.get(name, (None, None))
        stamp = self.place.stamp(name)
        if known and stamp is not None and stamp == seen and self._is_as_written(known):
            return known
        if known:
            known.table.checkout_latest()
        table = known.table if known else self._database.open_table(name)
        version = table.version
        if known is None or known.version != version:
            known = Snapshot(table, version)
        self._open[name] = (stamp, known)
        return known

    def close(self) -> None:
        self._open.clear()

    def _is_as_written(self, known: Snapshot) -> bool:
        """Whether this process has not changed a table since, where its place does not tell."""
        return self.place.shows_own_writes or known.version == known.table.version


class Snapshot:
    """A table at its latest version. Several threads share it.

    When the table goes on to another version meanwhile, an answer may be of that one: it is never older than
    this, and what comes from places is checked.
    """

    def __init__(self, table: Any, version: int) -> None:
        self.table = table
        self.version = version
        self._made: dict[object, Any] = {}
        self._lookups = 0
        self._reading = threading.Lock()

    @property
    def schema(self) -> pa.Schema:
        return self.once(_schema)

    def once(self, make: Callable[[Any], T]) -> T:
        """What a function makes of the table, made once."""
        if make not in self._made:
            self._made[make] = make(self.table)
        return cast(T, self._made[make])

    def select_ids(self, names: Sequence[str], asset_ids: Sequence[str]) -> pa.Table:
        """These columns of the rows of assets."""
        if not 0 < len(asset_ids) <= FEW:
            return lance_tables.select_ids(self.table, names, "asset_id", asset_ids)
        places = self._places(asset_ids)
        if not places:
            return lance_tables.select_ids(self.table, names, "asset_id", [])
        found = self.table.take_row_ids(places).select(list(names)).to_arrow()
        if len(found) < len(places):  # rows were written again, elsewhere, since their places were read
            return lance_tables.select_ids(self.table, names, "asset_id", asset_ids)
        return found

    def _places(self, asset_ids: Sequence[str]) -> list[int]:
        """Where the rows of assets stand, by all places once there are many look-ups."""
        self._lookups += 1
        if Places in self._made or (self._lookups >= OFTEN and self._reading.acquire(blocking=False)):
            return self.once(Places).of(asset_ids)
        found = lance_tables.select_ids(self.table, [PLACE], "asset_id", asset_ids)
        return cast(list[int], found.column(PLACE).to_pylist())


class Places:
    """Where the rows of all assets of a table stand. A row keeps its place while it is there."""

    def __init__(self, table: Any) -> None:
        found = lance_tables.select(table, ["asset_id", PLACE]).combine_chunks().sort_by("asset_id")
        self._asset_ids, self._found = (found.column(n).combine_chunks() for n in ("asset_id", PLACE))

    def of(self, asset_ids: Sequence[str]) -> list[int]:
        places: list[int] = []
        for asset_id in dict.fromkeys(asset_ids):
            start = bisect.bisect_left(self._asset_ids, asset_id, key=_text)
            end = bisect.bisect_right(self._asset_ids, asset_id, start, key=_text)
            places += self._found[start:end].to_pylist()
        return places


def _text(scalar: pa.StringScalar) -> str:
    return cast(str, scalar.as_py())


def _schema(table: Any) -> pa.Schema:
    return table.schema
