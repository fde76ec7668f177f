"""The store of a library on a Milvus server, or in a file of milvus-lite.

A space is a collection of its rows, each with a copy of its asset and of the columns that filters name, so
that one search filters, ranks and describes. Measured choices are in docs/decisions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

from findalike.errors import LibraryError, LibraryMissing, Unsupported, UsageError
from findalike.query import Kind
from findalike.settings import Settings
from findalike.store import banks, columns, manifest, milvus_index, milvus_place, milvus_records
from findalike.store.banks import Shelved
from findalike.store.base import Batch, Problem, Progress, check_card, check_rows
from findalike.store.milvus_connection import Connection
from findalike.store.milvus_filter import Kinds
from findalike.store.milvus_lease import Lease
from findalike.store.milvus_reader import COLUMNS, MilvusReader
from findalike.store.milvus_tables import Tables, key
from findalike.store.milvus_things import ATTACHMENT, FAILURE, THUMBNAIL, MilvusSidecars, Thing
from findalike.types import Asset, Bank, Card, Evidence, Failure, Row


class MilvusStore(MilvusReader):
    """A library on a server. Mode `r` reads and creates nothing; `a` makes the library when it is missing.

    Raises UsageError for a bad address, LibraryMissing, LibraryMismatch for collections that are not
    findalike's, and LibraryError for a server that cannot be reached.
    """

    def __init__(self, address: str, mode: Literal["r", "a"] = "r", settings: Settings | None = None) -> None:
        place = milvus_place.place(address, settings.milvus_token if settings else "")
        self._writable = mode == "a"
        connection = Connection(place)
        try:
            tables = Tables(connection)
            _open(tables, self._writable)
            try:
                super().__init__(connection, tables)
            except LibraryMissing:
                _refuse_torn(tables)
                raise
        except BaseException:
            connection.close()
            raise
        self._known: set[int] | None = None  # while held: which assets this store wrote or read since
        self._failed: set[str] | None = None
        self._held_at = 0
        self._unsealed = False  # whether pictures were written since

    @contextmanager
    def locked(self, wait: float) -> Iterator[None]:
        self._demand()
        lease = Lease(self._tables.things)
        with lease.held(wait):
            self._connection.before_write = lease.check
            self._files.refresh(strong=True)
            self._known, self._failed, self._held_at = set(), None, self._connection.clock
            try:
                yield
                self._seal()
            finally:
                self._known = None
                self._connection.before_write = lambda: None

    def add_card(self, card: Card) -> None:
        known = dict(self.cards())
        if check_card(known, card):
            with self._writing():
                self._tables.open([self._tables.rows(card)], make=True)
                manifest.write(self._files, known | {card.space: card})

    def remove_space(self, space: str) -> None:
        cards = dict(self.cards())
        if space not in cards:
            return
        with self._writing():
            gone = cards.pop(space)
            manifest.write(self._files, cards)
            self._tables.drop(self._tables.rows(gone))

    def add_bank(self, bank: Bank) -> None:
        shelved = self._shelved()
        known = shelved.get(bank.name)
        if known is not None and known.bank == bank:
            return
        grown = known is not None and banks.grows(known.bank, bank)
        one = replace(known, bank=bank) if known is not None and grown else banks.shelved(bank)
        with self._writing():
            banks.write(self._files, shelved | {bank.name: one})
            self._drop_bank(None if grown else known)

    def remove_bank(self, name: str) -> None:
        shelved = self._shelved()
        known = shelved.pop(name, None)
        if known is not None:
            with self._writing():
                banks.write(self._files, shelved)
                self._drop_bank(known)

    def put_evidence(
        self, bank: str, evidence: Mapping[str, Evidence], tags: Mapping[str, Sequence[str]]
    ) -> None:
        banks.check_evidence(self.banks(), {bank: evidence})
        for asset_id, several in tags.items():
            columns.check_tags(asset_id, several)
        with self._writing():
            self._settle()
            there = self._there({*evidence, *tags})
            kept = {i: one for i, one in evidence.items() if i in there}
            self._things.put(self._evidence_things({bank: kept}))
            self._change([replace(there[i], tags=columns.kept_tags(tags[i])) for i in tags if i in there])

    def write(self, batch: Batch) -> None:
        check_rows(self.cards(), batch.rows)
        banks.check_evidence(self.banks(), batch.evidence)
        ids = {a.id for a in batch.assets}.union(batch.thumbnails, batch.attachments, batch.changed)
        ids = ids.union(
            *batch.evidence.values(), *({row.asset_id for row in rows} for rows in batch.rows.values())
        )
        with self._writing():
            kinds = self._grown(batch.assets)
            self._settle()
            assets = {a.id: columns.kept_asset(a, kinds) for a in batch.assets}
            there = self._there(ids)
            owners = {**there, **assets}
            self._journal.note(ids)
            self._widen(kinds)
            self._drop_contents([i for i in batch.changed if i in there])
            self._put_parts(batch, owners, there)
            again = [asset for i, asset in assets.items() if i in there]
            self._copy_facts(again, {s: {row.asset_id for row in rows} for s, rows in batch.rows.items()})
            self._put_assets(assets.values())
            self._put_failures([a.uri for a in batch.assets], batch.failures)
            self._journal.note(ids - set(owners))
            self._remember(assets)
            self._unsealed = True

    def update(self, assets: Sequence[Asset]) -> None:
        with self._writing():
            self._settle()
            old = self._there(asset.id for asset in assets)
            there = {asset.id: asset for asset in assets if asset.id in old}
            kinds = self._grown(list(there.values()))
            self._widen(kinds)
            self._change(
                [
                    replace(
                        asset,
                        media=old[i].media,
                        sha256=old[i].sha256,
                        tags=old[i].tags,
                        metadata=columns.kept(asset.metadata, kinds),
                    )
                    for i, asset in there.items()
                ]
            )

    def remove(self, asset_ids: Iterable[str]) -> int:
        ids = sorted(set(asset_ids))
        with self._writing():
            self._settle()
            there = self._there(ids)
            self._journal.note(ids)
            self._tables.assets.delete(map(key, there))
            self._drop_parts(ids)
            self._journal.note([])
            self._remember(there)
        return len(there)

    def remove_rows(self, space: str, row_ids: Iterable[str]) -> int:
        with self._writing():
            return self._rows(space).delete_where("id", map(key, set(row_ids)))

    def remove_attachments(self, names: Mapping[str, Iterable[str]]) -> int:
        with self._writing():
            return self._things.drop_named(
                ATTACHMENT, ((i, n) for i, several in names.items() for n in several)
            )

    def clear_failures(self, uris: Iterable[str]) -> None:
        with self._writing():
            self._put_failures(list(uris), [])

    def repair(self) -> Sequence[Problem]:
        found = [problem for problem in self.check() if problem.repairable]
        with self._writing():
            self._settle()
            there = {asset.id for asset in self.assets()}
            parts = [self.encoded(space) for space in self.cards()]
            kinds = [THUMBNAIL, ATTACHMENT, *(one.table for one in self._shelved().values())]
            parts += [{asset_id for asset_id, _ in self._things.names(kind)} for kind in kinds]
            self._drop_parts(sorted(set().union(*parts) - there))
            self._journal.note([])
        return found

    def optimize(self, progress: Progress = lambda _: None) -> None:
        with self._writing():
            self._settle()
            for card in self.cards().values():
                milvus_index.refresh(self._tables.rows(card), card, progress)
            self._unsealed = True

    def purge(self, progress: Progress = lambda _: None) -> None:
        raise Unsupported(self.lacks["purge"])

    def _seal(self) -> None:
        """Once pictures were written: a server that dies twice may lose what it has in its log alone."""
        if self._unsealed and not self._place.is_file:
            spaces = [self._tables.rows(card) for card in self.cards().values()]
            self._tables.seal([self._tables.things, self._tables.assets, *spaces])
        self._unsealed = False

    def _demand(self) -> None:
        if not self._writable:
            raise UsageError(
                f"{self._place.shown} was opened with mode='r'; open it with mode='a' to change it"
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Around each change. Outside of `locked` another store may have written since: then what it wrote is
        read first."""
        self._demand()
        if self._known is None:
            self._files.refresh(strong=True)
        try:
            yield
        except BaseException:
            self._forget()
            raise
        self._files.bump()

    def _there(self, asset_ids: Iterable[str]) -> dict[str, Asset]:
        """Those of these assets that are there. A read that sees the last write of this store waits for the
        server's next tick, so while the library is held only what was touched since is read so."""
        ids = set(asset_ids)
        if self._known is None:
            return self._get(ids, self._connection.strong)
        touched = {i for i in ids if hash(i) in self._known}
        fresh = self._get(ids - touched, self._connection.seen_at(self._held_at))
        return fresh | (self._get(touched) if touched else {})

    def _remember(self, asset_ids: Iterable[str]) -> None:
        if self._known is not None:
            self._known.update(map(hash, asset_ids))

    def _grown(self, assets: Sequence[Asset]) -> dict[str, Kind]:
        return columns.grown(self._kinds(), assets)

    def _widen(self, kinds: Mapping[str, Kind]) -> None:
        """Note the columns, with all the kinds that their values are stored as."""
        forms = self._forms()
        wider: Kinds = {
            name: list(dict.fromkeys([*forms.get(name, ()), kind])) for name, kind in kinds.items()
        }
        if wider != forms:
            self._files.write(COLUMNS, json.dumps(wider))

    def _put_rows(
        self, space: str, rows: Sequence[Row], owners: Mapping[str, Asset], there: Mapping[str, Asset]
    ) -> None:
        """Write rows, then delete the earlier ones of the same assets, so that none is ever without any."""
        card, table = self.cards()[space], self._rows(space)
        once = list({row.id: row for row in rows}.values())
        if not once:
            return
        assets = [owners.get(row.asset_id) for row in once]
        records = [
            milvus_records.row_record(row, card, asset) for row, asset in zip(once, assets, strict=True)
        ]
        earlier = sorted({row.asset_id for row in once} & set(there))
        before = [
            each["id"]
            for each in table.by_keys("owner", map(key, earlier), ["id"], seen=self._connection.strong)
        ]
        vectors = milvus_records.matrix(once, card)
        table.put(records, vectors, milvus_records.dynamic(assets, self._forms()))
        table.delete(set(before) - {record["id"] for record in records})

    def _put_assets(self, assets: Iterable[Asset]) -> None:
        several = list(assets)
        records = [milvus_records.asset_record(asset) for asset in several]
        self._tables.assets.put(records, dynamic=milvus_records.dynamic(several, self._forms()))

    def _put_parts(self, batch: Batch, owners: Mapping[str, Asset], there: Mapping[str, Asset]) -> None:
        """Write all but the assets, what lies in different collections at a time."""
        with ThreadPoolExecutor(len(batch.rows) + 1) as threads:
            writes = [
                threads.submit(self._put_rows, space, rows, owners, there)
                for space, rows in batch.rows.items()
            ]
            writes.append(threads.submit(self._put_things, batch))
            for each in writes:
                each.result()

    def _put_things(self, batch: Batch) -> None:
        attached = ((i, n, data) for i, several in batch.attachments.items() for n, data in several.items())
        things: dict[str, Iterable[Thing]] = {
            THUMBNAIL: (Thing(i, "", data) for i, data in batch.thumbnails.items()),
            ATTACHMENT: (Thing(*each) for each in attached),
        }
        self._things.put(things | self._evidence_things(batch.evidence))

    def _evidence_things(self, evidence: Mapping[str, Mapping[str, Evidence]]) -> dict[str, Iterable[Thing]]:
        shelved = self._shelved()
        return {
            shelved[bank].table: [milvus_records.evidence_thing(i, one) for i, one in several.items()]
            for bank, several in evidence.items()
        }

    def _put_failures(self, cleared: Sequence[str], failures: Sequence[Failure]) -> None:
        """Failures are few: while the library is held, which there are is read once."""
        if self._failed is None or self._known is None:
            self._failed = {uri for _, uri in self._things.names(FAILURE, self._connection.strong)}
        self._things.drop_named(FAILURE, [("", uri) for uri in cleared if uri in self._failed])
        once = {failure.uri: failure for failure in failures}
        self._things.put({FAILURE: map(milvus_records.failure_thing, once.values())})
        self._failed = (self._failed - set(cleared)) | set(once)

    def _change(self, assets: Sequence[Asset]) -> None:
        """Write assets that are there, and bring their rows into step."""
        self._journal.note(asset.id for asset in assets)
        self._put_assets(assets)
        self._copy_facts(assets, {})
        self._journal.note([])
        self._remember(asset.id for asset in assets)

    def _copy_facts(self, assets: Sequence[Asset], written: Mapping[str, set[str]]) -> None:
        """Write the rows of these assets again, with what they repeat of them, but those that were just
        `written`, by space."""
        by_id = {asset.id: asset for asset in assets}
        for space, card in self.cards().items() if assets else ():
            table = self._rows(space)
            ids = sorted(set(by_id) - written.get(space, set()))
            found = list(
                table.by_keys("owner", map(key, ids), milvus_records.WHOLE, seen=self._connection.strong)
            )
            owners = [by_id[each["asset_id"]] for each in found]
            texts = [milvus_records.asset_record(asset)["asset"] for asset in owners]
            records = [each | {"asset": text} for each, text in zip(found, texts, strict=True)]
            if records:
                vectors = milvus_records.vectors_of(found, card) if milvus_records.is_dense(card) else None
                table.put(records, vectors, milvus_records.dynamic(owners, self._forms()))

    def _drop_contents(self, asset_ids: Sequence[str]) -> None:
        if asset_ids:
            for space in self.cards():
                self._rows(space).delete_where("owner", map(key, asset_ids))
            self._things.drop(ATTACHMENT, asset_ids)

    def _drop_parts(self, asset_ids: Sequence[str]) -> None:
        if asset_ids:
            self._drop_contents(asset_ids)
            self._tables.things.delete_where("owner", map(key, asset_ids))

    def _drop_bank(self, known: Shelved | None) -> None:
        if known is not None:
            self._things.drop_kind(known.table)

    def _settle(self) -> None:
        """Mend what a killed writer left: parts whose asset never came go, rows of others get its columns."""
        suspects = self._journal.read()
        if suspects:
            there = self._get(suspects, self._connection.strong)
            self._copy_facts(list(there.values()), {})
            self._drop_parts(sorted(suspects - set(there)))
            self._journal.note([])


def _open(tables: Tables, make: bool) -> None:
    """Open the collections of a library, or make them."""
    place = tables.connection.place
    tables.refuse_others()
    if not make and not tables.there():
        raise LibraryMissing(
            f"there is no library at {place.shown}; to make one: findalike index PATH --library {place.shown}"
        )
    tables.open([tables.things, tables.assets], make)
    if not make:
        return
    files = MilvusSidecars(tables.things, place.shown)
    files.refresh(strong=True)
    if files.stamp(manifest.NAME) is None:
        _refuse_torn(tables)
        manifest.write(files, {})


def _refuse_torn(tables: Tables) -> None:
    """Raises LibraryError where there is no manifest, but something that only a library with one has."""
    if tables.filled():
        raise LibraryError(
            f"{tables.connection.place.shown}: its collections are there, but its manifest is not. A server "
            "that was just started may still be reading its log: wait a minute and run the command again. If "
            "it stays so, records were lost: index into a library of another name, or put the server's files "
            "back from a copy"
        )
