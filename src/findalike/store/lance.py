"""The store of a library on disk: LanceDB inside one folder, beside a manifest.

Tables: assets; thumbnails (inline ones would make every update 20 times slower); failures; the words that
full-text search looks typos up in; for each space the rows with a copy of the columns that filters name, so
that one search filters and ranks; and for each bank the evidence. Measured choices are in docs/decisions.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pyarrow as pa

from findalike.errors import UsageError
from findalike.query import Kind
from findalike.store import (
    banks,
    columns,
    lance_index,
    lance_layout,
    lance_purge,
    lance_records,
    lance_snapshot,
    lance_tables,
    lance_text,
    manifest,
)
from findalike.store.base import (
    Batch,
    Problem,
    Progress,
    check_card,
    check_rows,
)
from findalike.store.lance_filter import storage_name
from findalike.store.lance_ids import Ids
from findalike.store.lance_place import FolderPlace, Place
from findalike.store.lance_reader import LanceReader
from findalike.types import (
    Asset,
    Bank,
    Card,
    Evidence,
    Failure,
    Row,
)

_THUMBNAIL_FILES = 64  # thumbnails are most of a library, and found by their tree in many files as in one


class LanceStore(LanceReader):
    """A library in a folder, or at another place. Mode `r` reads and creates nothing; `a` makes the library
    when it is missing.

    Many processes may read while one writes; each answer sees what was committed when it was asked for. Of
    several threads, one at a time may write. Processes must be spawned, not forked, once a store is open.

    Raises LibraryMissing, LibraryMismatch for a newer format, and LibraryError for a path that is a file, a
    folder of something else, or damaged.
    """

    def __init__(self, path: str | os.PathLike[str] | Place, mode: Literal["r", "a"] = "r") -> None:
        place = FolderPlace(Path(path)) if isinstance(path, str | os.PathLike) else path
        self._writable = mode == "a"
        if self._writable:
            with lance_tables.guarded(place):
                lance_layout.make(place)
        super().__init__(place)
        self._known_ids = Ids()

    def locked(self, wait: float) -> AbstractContextManager[None]:
        return self._place.locked(wait)

    def add_card(self, card: Card) -> None:
        known = dict(self.cards())
        if not check_card(known, card):
            return
        with self._writing():
            if card.space not in known:
                name = lance_records.rows_table(card.space)
                self._tables.create(name, lance_records.rows_schema(card))
                self._widen(name, lance_records.kinds_of(self._latest("assets").schema))
            manifest.write(self.sidecars, known | {card.space: card})

    def add_bank(self, bank: Bank) -> None:
        if self.banks().get(bank.name) != bank:
            with self._writing():
                self._banks.add(bank)

    def remove_bank(self, name: str) -> None:
        with self._writing():
            self._banks.remove(name)

    def remove_space(self, space: str) -> None:
        """The rows go first: a table that a killed removal leaves is empty, and is dropped later."""
        if space not in self.cards():
            return
        with self._writing():
            table = self._rows_of(space)
            table.delete("true")
            manifest.write(self.sidecars, {s: card for s, card in self.cards().items() if s != space})
            self._tables.drop(table.name)

    def put_evidence(
        self, bank: str, evidence: Mapping[str, Evidence], tags: Mapping[str, Sequence[str]]
    ) -> None:
        banks.check_evidence(self.banks(), {bank: evidence})
        for asset_id, several in tags.items():
            columns.check_tags(asset_id, several)
        with self._writing():
            self._settle()
            there = self._get({*evidence, *tags})
            self._journal.note(there)
            self._put_evidence(bank, {i: one for i, one in evidence.items() if i in there}, there)
            changed = [
                replace(there[i], tags=columns.kept_tags(several))
                for i, several in tags.items()
                if i in there
            ]
            self._put_assets(changed, there)
            self._copy_facts(changed)
            self._journal.note([])

    def write(self, batch: Batch) -> None:
        check_rows(self.cards(), batch.rows)
        banks.check_evidence(self.banks(), batch.evidence)
        rows = [row for several in batch.rows.values() for row in several]
        ids = {a.id for a in batch.assets} | {row.asset_id for row in rows} | set(batch.thumbnails)
        ids = ids.union(batch.attachments, batch.changed, *batch.evidence.values())
        with self._writing():
            kinds = columns.grown(self._kinds(), batch.assets)
            self._settle()
            self._journal.note(ids)
            self._widen_all(kinds)
            assets = {a.id: columns.kept_asset(a, kinds) for a in batch.assets}
            there = self._there(ids)
            owners = {**there, **assets}
            facts = lance_records.Facts(owners)
            self._drop_contents(i for i in batch.changed if i in there)
            for space, several in batch.rows.items():
                self._put_rows(space, several, facts, there)
            for bank, evidence in batch.evidence.items():
                self._put_evidence(bank, evidence, there)
            self._attachments.put(batch.attachments, not any(i in there for i in batch.attachments))
            self._put("thumbnails", lance_records.thumbnails_to_arrow(batch.thumbnails), there)
            before = self._snapshot("assets").version
            self._put_assets(list(assets.values()), there)
            self._known_ids.add(assets, before, self._snapshot("assets").version)
            self._put_failures([a.uri for a in batch.assets], batch.failures)
            self._journal.note(ids - set(owners))

    def update(self, assets: Sequence[Asset]) -> None:
        with self._writing():
            old = self._get(asset.id for asset in assets)
            there = {asset.id: asset for asset in assets if asset.id in old}
            kinds = columns.grown(self._kinds(), list(there.values()))
            self._settle()
            self._journal.note(there)
            self._widen_all(kinds)
            changed = [
                replace(
                    asset,
                    media=old[i].media,
                    sha256=old[i].sha256,
                    tags=old[i].tags,
                    metadata=columns.kept(asset.metadata, kinds),
                )
                for i, asset in there.items()
            ]
            self._put_assets(changed, there)
            self._copy_facts(changed)
            self._journal.note([])

    def remove(self, asset_ids: Iterable[str]) -> int:
        ids = sorted(set(asset_ids))
        with self._writing():
            self._settle()
            self._journal.note(ids)
            removed = len(self._get(ids))
            lance_tables.delete(self._latest("assets"), "asset_id", ids)
            self._drop_parts(ids)
            self._journal.note([])
        return removed

    def remove_rows(self, space: str, row_ids: Iterable[str]) -> int:
        with self._writing():
            before = self._rows_of(space).count_rows()
            lance_tables.delete(self._rows_of(space), "row_id", sorted(set(row_ids)))
            return int(before - self._rows_of(space).count_rows())

    def remove_attachments(self, names: Mapping[str, Iterable[str]]) -> int:
        with self._writing():
            return self._attachments.drop_named(names)

    def clear_failures(self, uris: Iterable[str]) -> None:
        with self._writing():
            lance_tables.delete(self._latest("failures"), "uri", uris)

    def repair(self) -> Sequence[Problem]:
        found = [problem for problem in self.check() if problem.repairable]
        with self._writing():
            self._settle()
            assets = self._ids(self._latest("assets"))
            parts = [self._rows_of(space) for space in self.cards()] + [self._latest("thumbnails")]
            parts += [self._banks.table(bank) for bank in self.banks()]
            parts += [self._attachments.table()] if self._attachments.there() else []
            self._drop_parts(set().union(*(self._ids(table) for table in parts)) - assets)
        return found

    def optimize(self, progress: Progress = lambda _: None) -> None:
        with self._writing():
            self._settle()
            self._banks.drop_strays()
            for name in lance_layout.OWN:
                patience = _THUMBNAIL_FILES if name == "thumbnails" else 2
                lance_index.compact(self._latest(name), name, progress, patience)
            for bank in self.banks():
                lance_index.compact(self._banks.table(bank), f"the evidence for {bank}", progress)
            if self._attachments.there():
                table = self._attachments.table()
                lance_index.compact(table, "attachments", progress, _THUMBNAIL_FILES)
            for space, card in self.cards().items():
                table = self._rows_of(space)
                lance_index.compact(table, space, progress)
                lance_index.refresh(table, card, progress)

    def purge(self, progress: Progress = lambda _: None) -> None:
        with self._writing():
            self._settle()
            self._banks.drop_strays()
            lance_purge.drop_spaces(self._tables, self.cards())
            lance_purge.drop_words(self._tables)
            self._words = lance_text.Vocabulary()
            for name in self._tables.names():
                lance_purge.purge(self._tables, name, progress)
            lance_text.make_index(self._latest("assets"))
            for name in self._tables.names():
                lance_purge.forget_versions(self._latest(name))
        self.optimize(progress)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if not self._writable:
            raise UsageError(f"{self._place} was opened with mode='r'; open it with mode='a' to change it")
        with self._guarded():
            self._complete()
            yield
            self._place.wrote()

    def _complete(self) -> None:
        """Bring a library of an earlier findalike up to what this one writes."""
        if not self._searchable:
            lance_layout.complete(self._tables, self.cards())
            self._searchable = True

    def _there(self, ids: Collection[str]) -> dict[str, Asset]:
        """Those of the assets of a write that are there. Of many, most are new."""
        many = len(ids) > lance_snapshot.FEW
        return self._get(self._known_ids.among(self._snapshot("assets"), ids) if many else ids)

    def _put_rows(
        self, space: str, rows: Sequence[Row], facts: lance_records.Facts, there: Mapping[str, Asset]
    ) -> None:
        table = self._rows_of(space)
        once = list({row.id: row for row in rows}.values())
        if not once:
            return
        data = lance_records.rows_to_arrow(once, facts, table.schema)
        if any(row.asset_id in there for row in once):
            lance_tables.replace_rows(table, data)
        else:
            table.add(data)

    def _put_assets(self, assets: Sequence[Asset], there: Mapping[str, Asset]) -> None:
        data = lance_records.assets_to_arrow(assets, self._latest("assets").schema)
        self._put_words(data.column(lance_text.COLUMN).to_pylist())
        self._put("assets", data, there)

    def _put_words(self, documents: Sequence[str]) -> None:
        table = self._latest("words")
        self._words = self._words.latest(table)
        if lacking := self._words.lacking(documents):
            table.add(lance_records.words_to_arrow(lacking))

    def _put_evidence(self, bank: str, evidence: Mapping[str, Evidence], there: Mapping[str, Asset]) -> None:
        """An asset that is not there may have some all the same: `Batch` allows orphans."""
        self._banks.put(bank, evidence, fresh=not any(i in there for i in evidence))

    def _put(self, name: str, data: pa.Table, there: Mapping[str, Asset]) -> None:
        """Write records by asset id. Of an asset that is not there, no table holds anything: what a killed
        write left was mended first. So new ones are appended without looking."""
        if any(i in there for i in data.column("asset_id").to_pylist()):
            lance_tables.upsert(self._latest(name), data, "asset_id")
        elif len(data):
            self._latest(name).add(data)

    def _put_failures(self, cleared: Sequence[str], failures: Sequence[Failure]) -> None:
        table = self._latest("failures")
        if cleared and table.count_rows():
            lance_tables.delete(table, "uri", cleared)
        once = {failure.uri: failure for failure in failures}
        if once:
            lance_tables.upsert(table, lance_records.failures_to_arrow(once.values()), "uri")

    def _copy_facts(self, assets: Sequence[Asset]) -> None:
        """Bring the filterable columns of these assets' rows into step."""
        for space in self.cards():
            table = self._rows_of(space)
            lance_tables.change(table, lance_records.facts_to_arrow(assets, table.schema), "asset_id")

    def _drop_contents(self, asset_ids: Iterable[str]) -> None:
        ids = sorted(asset_ids)
        for space in self.cards() if ids else ():
            lance_tables.delete(self._rows_of(space), "asset_id", ids)
        self._attachments.drop(ids)

    def _drop_parts(self, asset_ids: Iterable[str]) -> None:
        ids = sorted(asset_ids)
        self._drop_contents(ids)
        lance_tables.delete(self._latest("thumbnails"), "asset_id", ids)
        for bank in self.banks():
            lance_tables.delete(self._banks.table(bank), "asset_id", ids)

    def _settle(self) -> None:
        """Mend what a killed writer left: rows whose asset never came go, others get its columns."""
        suspects = self._journal.read()
        if suspects:
            there = self._get(suspects)
            self._copy_facts(list(there.values()))
            self._drop_parts(suspects - set(there))
            self._journal.note([])

    def _widen_all(self, kinds: Mapping[str, Kind]) -> None:
        """Give all tables these columns; the asset table last: its columns are what filters may name."""
        for name in [lance_records.rows_table(space) for space in self.cards()] + ["assets"]:
            self._widen(name, kinds)

    def _widen(self, name: str, kinds: Mapping[str, Kind]) -> None:
        table = self._latest(name)
        for column, kind in kinds.items():
            if kind == "number":
                lance_tables.widen(table, storage_name(column, "integer"), storage_name(column, "number"))
        lance_tables.add_columns(table, [lance_records.field_of(*column) for column in kinds.items()])
