"""The attachments of a library on disk: one table, made when the first is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from findalike.store import lance_records, lance_tables
from findalike.store.lance_filter import ids_sql
from findalike.store.lance_snapshot import Tables

TABLE = "attachments"
_TOGETHER = 100  # assets in one condition that names the attachments of each


class LanceAttachments:
    """Small files kept with assets, by asset id and name."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._made = False

    def there(self) -> bool:
        self._made = self._made or TABLE in self._tables.names()
        return self._made

    def table(self) -> Any:
        return self._tables.latest(TABLE)

    def of(self, asset_id: str, names: Sequence[str] | None) -> dict[str, bytes]:
        """Those of an asset, all or these."""
        if not self.there() or names == []:
            return {}
        condition = ids_sql("asset_id", [asset_id])
        if names is not None:
            condition = f"({condition}) AND ({ids_sql('name', list(names))})"
        found = lance_tables.select(self.table(), ["name", "data"], condition)
        return dict(zip(*(found.column(n).to_pylist() for n in ("name", "data")), strict=True))

    def of_all(self, asset_ids: Iterable[str]) -> dict[str, dict[str, bytes]]:
        """All of these assets, by asset id and name."""
        found: dict[str, dict[str, bytes]] = {}
        if self.there():
            names = lance_records.ATTACHMENTS.names
            columns = lance_tables.select_ids(self.table(), names, "asset_id", asset_ids).select(names)
            for asset_id, name, data in zip(*(column.to_pylist() for column in columns), strict=True):
                found.setdefault(asset_id, {})[name] = data
        return found

    def with_name(self, name: str) -> set[str]:
        """The ids of the assets that have one of this name."""
        if not self.there():
            return set()
        found = lance_tables.select(self.table(), ["asset_id"], ids_sql("name", [name]))
        return set(found.column("asset_id").to_pylist())

    def put(self, attachments: Mapping[str, Mapping[str, bytes]], fresh: bool) -> None:
        """Write them in place of those of the same asset and name. `fresh`: none of these assets has any."""
        data = lance_records.attachments_to_arrow(attachments)
        if not len(data):
            return
        self._tables.create(TABLE, lance_records.ATTACHMENTS)
        if fresh:
            self.table().add(data)
        else:
            lance_tables.upsert(self.table(), data, ["asset_id", "name"])

    def names(self) -> Iterator[tuple[str, str]]:
        """The asset id and the name of each."""
        for batch in lance_tables.scan(self.table(), ["asset_id", "name"]) if self.there() else ():
            yield from zip(*(batch.column(n).to_pylist() for n in ("asset_id", "name")), strict=True)

    def drop_named(self, names: Mapping[str, Iterable[str]]) -> int:
        """Drop those of these assets and names; how many there were."""
        if not self.there():
            return 0
        before = self.table().count_rows()
        wanted = {asset_id: list(several) for asset_id, several in names.items()}
        for some in lance_tables.chunks([asset_id for asset_id in wanted if wanted[asset_id]], _TOGETHER):
            both = (f"({ids_sql('asset_id', [i])} AND {ids_sql('name', wanted[i])})" for i in some)
            self.table().delete(" OR ".join(both))
        return int(before - self.table().count_rows())

    def drop(self, asset_ids: Iterable[str]) -> None:
        if self.there():
            lance_tables.delete(self.table(), "asset_id", asset_ids)
