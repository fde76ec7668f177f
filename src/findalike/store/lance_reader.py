"""What a library on disk answers: the reading half of its store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from findalike.errors import LibraryError
from findalike.query import Filter, IsNull, Kind, bind
from findalike.sidecars import Sidecars
from findalike.store import (
    columns,
    full_text,
    lance_index,
    lance_purge,
    lance_records,
    lance_tables,
    lance_text,
    manifest,
)
from findalike.store.base import (
    Problem,
    SpaceStatus,
    card_of,
    evenly,
    is_indexable,
    orphan_problems,
    similarities,
    target_of,
)
from findalike.store.full_text import Asked
from findalike.store.journal import Journal
from findalike.store.lance_attachments import LanceAttachments
from findalike.store.lance_banks import LanceBanks
from findalike.store.lance_filter import TAG_KEYS, ids_sql, to_sql
from findalike.store.lance_listing import Listings
from findalike.store.lance_place import Place
from findalike.store.lance_snapshot import PLACE, Snapshot, Tables
from findalike.store.lance_text import Vocabulary
from findalike.store.scan import Scans
from findalike.types import (
    Asset,
    Bank,
    Card,
    EvidenceTable,
    Failure,
    Found,
    Match,
    Row,
    Value,
    Vector,
    Vectors,
)

MOST_READ = 20_000
"""Of a library without an index of texts so many assets are read for a search, which takes 2 s."""


class LanceReader:
    """Answers from the tables at a place as they are at that moment, and changes nothing."""

    lacks: Mapping[str, str] = {}

    def __init__(self, place: Place) -> None:
        self._place = place
        with self._guarded():
            self.sidecars: Sidecars = place.sidecars
            self._seen = self.sidecars.stamp(manifest.NAME)
            self._cards = manifest.read(self.sidecars, place)
            self._words = Vocabulary()
            self._searchable = False
            self._tables = Tables(place)
            self._banks = LanceBanks(self.sidecars, self._tables)
            self._attachments = LanceAttachments(self._tables)
            self._listings = Listings()
            self._journal = Journal(self.sidecars)
            self._scans = Scans(self)

    def cards(self) -> Mapping[str, Card]:
        if self._seen != (stamp := self.sidecars.stamp(manifest.NAME)):
            self._cards, self._seen = manifest.read(self.sidecars, self._place), stamp
        return dict(self._cards)

    def banks(self) -> Mapping[str, Bank]:
        return self._banks.all()

    def evidence(self, bank: str) -> EvidenceTable:
        with self._guarded():
            return self._banks.evidence(bank, self._gone())

    def full_text(self, words: str, k: int, where: Filter | None = None) -> Sequence[Found]:
        search = full_text.asked(words)
        with self._guarded():
            assets = self._snapshot("assets")
            condition = self._condition(where, assets)
            if not search or k < 1:
                return []
            if not self._has_index(assets.table):
                return self._read_through(search, k, where)
            self._words = self._words.latest(self._latest("words"))
            best, there = lance_text.search(assets.table, self._words, search, k, condition)
            there |= self._get(i for i, _ in best if i not in there)
            return [Found(there[i], relevance) for i, relevance in best if i in there]

    def facets(self, column: str, where: Filter | None = None, most: int = 20) -> Sequence[tuple[Value, int]]:
        with self._guarded():
            assets = self._snapshot("assets")
            kinds = assets.once(_kinds)
            bind(IsNull(column), columns.visible(kinds))
            condition, stored = self._condition(where, assets), lance_records.stored_as(column, kinds)
            if stored not in assets.schema.names:  # tags of a library that an earlier findalike wrote
                return []
            found = lance_tables.select(assets.table, [stored], condition)
            return lance_records.counted(found.column(stored), most)

    def columns(self) -> Mapping[str, Kind]:
        with self._guarded():
            return columns.visible(self._kinds())

    def failures(self) -> Sequence[Failure]:
        with self._guarded():
            table = self._latest("failures")
            return lance_records.to_failures(lance_tables.select(table, table.schema.names))

    def assets(self, where: Filter | None = None) -> Iterator[Asset]:
        with self._guarded():
            assets = self._snapshot("assets")
            names, kinds = lance_records.asset_columns(assets.schema), assets.once(_kinds)
            for batch in lance_tables.scan(assets.table, names, self._condition(where, assets)):
                yield from lance_records.to_assets(batch, kinds)

    def listing(self, where: Filter | None = None) -> Sequence[tuple[str, str]]:
        with self._guarded():
            assets = self._snapshot("assets")
            return self._listings.of(assets, self._condition(where, assets))

    def get(self, asset_ids: Iterable[str]) -> Mapping[str, Asset]:
        with self._guarded():
            return self._get(asset_ids)

    def find(self, uri: str) -> Asset | None:
        with self._guarded():
            assets = self._snapshot("assets")
            names = lance_records.asset_columns(assets.schema)
            found = lance_tables.select_ids(assets.table, names, "uri", [uri])
            return next(lance_records.to_assets(found, assets.once(_kinds)), None)

    def encoded(self, space: str) -> set[str]:
        with self._guarded():
            return self._ids(self._rows_of(space))

    def thumbnails(self, asset_ids: Iterable[str]) -> Mapping[str, bytes]:
        with self._guarded():
            thumbnails = self._snapshot("thumbnails")
            found = thumbnails.select_ids(["asset_id", "thumbnail"], list(asset_ids))
            return dict(zip(*(found.column(name).to_pylist() for name in found.column_names), strict=True))

    def attachments(self, asset_id: str, names: Iterable[str] | None = None) -> Mapping[str, bytes]:
        with self._guarded():
            return self._attachments.of(asset_id, None if names is None else list(names))

    def attachments_of(self, asset_ids: Iterable[str]) -> Mapping[str, Mapping[str, bytes]]:
        with self._guarded():
            return self._attachments.of_all(asset_ids)

    def attached(self, name: str) -> set[str]:
        with self._guarded():
            return self._attachments.with_name(name)

    def rows(self, space: str, asset_ids: Iterable[str]) -> Sequence[Row]:
        with self._guarded():
            rows = self._space(space)
            return lance_records.to_rows(rows.select_ids(lance_records.ROW_COLUMNS, list(asset_ids)))

    def row_ids(self, space: str) -> set[str]:
        with self._guarded():
            found = lance_tables.select(self._rows_of(space), ["row_id"], self._without_orphans(None))
            return set(found.column("row_id").to_pylist())

    def each_row(self, space: str) -> Iterator[Row]:
        with self._guarded():
            table, names = self._rows_of(space), lance_records.ROW_COLUMNS
            for batch in lance_tables.scan(table, names, self._without_orphans(None)):
                yield from lance_records.to_rows(pa.Table.from_batches([batch]))

    def attachment_names(self) -> Iterator[tuple[str, str]]:
        with self._guarded():
            yield from self._attachments.names()

    def contents(self) -> Iterator[tuple[str, bytes]]:
        with self._guarded():
            yield from lance_purge.contents(self._tables)

    def sample(self, space: str, most: int) -> Vectors:
        with self._guarded():
            table = self._rows_of(space)
            offsets = evenly(table.count_rows(), most)
            if not offsets:
                return np.empty((0, card_of(self.cards(), space).dim), np.float32)
            found = table.take_offsets(offsets).select(["vector"]).to_arrow()
            return lance_records.vectors_of(found)

    def nearest(self, space: str, vector: Vector, k: int, where: Filter | None = None) -> Sequence[Match]:
        card = card_of(self.cards(), space)
        target = target_of(vector, card)
        if not is_indexable(card):
            return self._scans.nearest(card, target, k, where)
        with self._guarded():
            rows = self._space(space)
            condition = self._without_orphans(self._condition(where, rows))
            found = lance_index.search(rows, target, max(k, 1), condition)
            return _best(card, found, target, k, rows.once(_kinds))[: max(k, 0)]

    def revision(self, space: str) -> object:
        with self._guarded():
            return self._space(space), tuple(self._gone())

    def row_keys(self, space: str, where: Filter | None = None) -> NDArray[np.uint64]:
        with self._guarded():
            rows = self._space(space)
            condition = self._without_orphans(self._condition(where, rows))
            found = lance_tables.select(rows.table, [PLACE], condition)
            return cast(NDArray[np.uint64], found.column(PLACE).to_numpy())

    def row_vectors(self, space: str, keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], Vectors]:
        with self._guarded():
            table = self._rows_of(space)
            found = table.take_row_ids(keys.tolist()).select([PLACE, "vector"]).to_arrow()
            return found.column(PLACE).to_numpy(), lance_records.vectors_of(found)

    def nearest_of(self, space: str, vector: Vector, keys: NDArray[np.uint64]) -> Sequence[Match]:
        card = card_of(self.cards(), space)
        target = target_of(vector, card)
        with self._guarded():
            rows = self._space(space)
            found = rows.table.take_row_ids(keys.tolist()).select(lance_records.MATCH_COLUMNS).to_arrow()
            return _best(card, found, target, len(found), rows.once(_kinds))

    def count(self, where: Filter | None = None) -> int:
        with self._guarded():
            assets = self._snapshot("assets")
            condition = self._condition(where, assets)
            return int(assets.table.count_rows(condition)) if condition else assets.once(_count)

    def status(self) -> Mapping[str, SpaceStatus]:
        with self._guarded():
            return {
                space: lance_index.status(self._rows_of(space), card) for space, card in self.cards().items()
            }

    def check(self) -> Sequence[Problem]:
        with self._guarded():
            found = orphan_problems(
                self._ids(self._latest("assets")),
                {space: self._ids(self._rows_of(space)) for space in self.cards()},
                self._ids(self._latest("thumbnails")),
                {bank: self._ids(self._banks.table(bank)) for bank in self.banks()},
                self._ids(self._attachments.table()) if self._attachments.there() else set(),
            )
            for space, status in self.status().items():
                if status.due:
                    detail = f"{space}: findalike optimize would build {status.due}"
                    found.append(Problem("index", detail, status.unindexed, False))
            return found

    def disk_bytes(self) -> int:
        return self._place.disk_bytes()

    def close(self) -> None:
        self._tables.close()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with lance_tables.guarded(self._place):
            yield

    def _has_index(self, table: Any) -> bool:
        self._searchable = self._searchable or lance_text.indexed(table)
        return self._searchable

    def _read_through(self, search: Asked, k: int, where: Filter | None) -> list[Found]:
        """Full-text search by reading all assets, until a first write makes the index. Raises LibraryError
        where that would take long."""
        count = self._latest("assets").count_rows()
        if count > MOST_READ:
            raise LibraryError(
                f"{self._place} has no index yet of the texts of its {count:,} pictures; to make it: "
                f"findalike optimize --library {self._place}"
            )
        assets = {asset.id: asset for asset in self.assets()}
        passing = set(assets) if where is None else {asset.id for asset in self.assets(where)}
        documents = {i: full_text.document(asset) for i, asset in assets.items()}
        return [Found(assets[i], score) for i, score in full_text.rank(search, documents, passing, k)]

    def _latest(self, name: str) -> Any:
        return self._tables.latest(name)

    def _snapshot(self, name: str) -> Snapshot:
        return self._tables.snapshot(name)

    def _rows_of(self, space: str) -> Any:
        return self._space(space).table

    def _space(self, space: str) -> Snapshot:
        card_of(self.cards(), space)
        return self._snapshot(lance_records.rows_table(space))

    def _kinds(self) -> dict[str, Kind]:
        return dict(self._snapshot("assets").once(_kinds))

    def _condition(self, where: Filter | None, table: Snapshot) -> str | None:
        """The filter as SQL over a table: rows tables have the columns of the asset table, under the same
        names."""
        if where is None:
            return None
        kinds = table.once(_kinds)
        return to_sql(bind(where, columns.visible(kinds)), kinds, TAG_KEYS in table.schema.names)

    def _without_orphans(self, condition: str | None) -> str | None:
        gone = self._gone()
        if not gone:
            return condition
        kept = f"NOT ({ids_sql('asset_id', gone)})"
        return f"{condition} AND {kept}" if condition else kept

    def _gone(self) -> list[str]:
        """Ids of assets that parts may be there of, but not they themselves; nearly always none."""
        suspects = self._journal.read()
        return sorted(suspects - set(self._get(suspects))) if suspects else []

    def _get(self, asset_ids: Iterable[str]) -> dict[str, Asset]:
        assets = self._snapshot("assets")
        found = assets.select_ids(lance_records.asset_columns(assets.schema), list(asset_ids))
        return {asset.id: asset for asset in lance_records.to_assets(found, assets.once(_kinds))}

    def _ids(self, table: Any) -> set[str]:
        return set(lance_tables.select(table, ["asset_id"]).column("asset_id").to_pylist())


def _count(table: Any) -> int:
    return int(table.count_rows())


def _kinds(table: Any) -> dict[str, Kind]:
    return lance_records.kinds_of(table.schema)


def _best(card: Card, found: pa.Table, target: Vector, k: int, kinds: Mapping[str, Kind]) -> list[Match]:
    rows = lance_records.to_rows(found)
    assets = lance_records.to_matched_assets(found, kinds)
    near = similarities(card, lance_records.vectors_of(found), target)
    order = sorted(range(len(rows)), key=lambda i: (-near[i], rows[i].id))[:k]
    return [Match(rows[i], assets[i], float(near[i])) for i in order]
