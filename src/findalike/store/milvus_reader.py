"""What a library on Milvus answers: the reading half of its store."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from findalike.errors import Unsupported
from findalike.filters import folded
from findalike.query import Filter, IsNull, Kind, bind, evaluate
from findalike.sidecars import Sidecars
from findalike.store import banks, columns, full_text, manifest, milvus_index, milvus_records
from findalike.store.banks import Shelved
from findalike.store.base import Problem, SpaceStatus, card_of, is_indexable, orphan_problems, target_of
from findalike.store.journal import Journal
from findalike.store.milvus_connection import Connection
from findalike.store.milvus_filter import ALL, Condition, Kinds, any_of, both, condition
from findalike.store.milvus_place import Place
from findalike.store.milvus_search import Search
from findalike.store.milvus_tables import VECTORS, Record, Table, Tables, key
from findalike.store.milvus_things import ATTACHMENT, FAILURE, REVISION, THUMBNAIL, MilvusSidecars, Things
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

COLUMNS = "columns.json"
KEPT = 32
"""So many answers are remembered until the library changes."""
LACKS = {
    "purge": "Milvus drops what was removed when it compacts and collects its garbage, at times of its own, "
    "and keeps its log of writes for days: to have nothing left, keep pictures in a library that is a folder",
    "contents": "Milvus keeps its files where no client reads them, so nothing can prove that something is "
    "gone from them: keep such pictures in a library that is a folder",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that is remembered, once it was `made`."""

    made: list[Any] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)


class MilvusReader:
    """Answers from the collections as they were when this store last wrote or looked, and changes nothing.
    What others write is seen after some seconds at most."""

    lacks: Mapping[str, str] = LACKS

    def __init__(self, connection: Connection, tables: Tables) -> None:
        self._connection = connection
        self._place: Place = connection.place
        self._tables = tables
        self._things = Things(tables.things)
        self._files = MilvusSidecars(tables.things, self._place.shown)
        self.sidecars: Sidecars = self._files
        self._files.refresh(strong=True)
        self._cards: tuple[object, dict[str, Card]] = None, manifest.read(self._files, self._place.shown)
        self._journal = Journal(self._files)
        self._scans = Scans(self)
        self._lock = threading.RLock()
        self._kept: OrderedDict[object, Kept] = OrderedDict()  # by what was asked, at one revision
        self._kept_at: object = None

    def cards(self) -> Mapping[str, Card]:
        stamp = self._files.stamp(manifest.NAME)
        if self._cards[0] != stamp:
            self._cards = stamp, manifest.read(self._files, self._place.shown)
            self._tables.open([self._tables.rows(card) for card in self._cards[1].values()], make=False)
        return dict(self._cards[1])

    def banks(self) -> Mapping[str, Bank]:
        return {name: one.bank for name, one in self._shelved().items()}

    def evidence(self, bank: str) -> EvidenceTable:
        shelved = self._shelved()
        banks.bank_of({name: one.bank for name, one in shelved.items()}, bank)

        def made() -> EvidenceTable:
            gone = set(self._gone())
            found = self._things.all(shelved[bank].table)
            there = {t.asset_id: milvus_records.to_evidence(t) for t in found if t.asset_id not in gone}
            return banks.evidence_table(there)

        return cast(EvidenceTable, self._once(("evidence", shelved[bank].table), made))

    def full_text(self, words: str, k: int, where: Filter | None = None) -> Sequence[Found]:
        search = full_text.asked(words)
        passing = None if where is None else set(self._passing(where))
        if not search or k < 1:
            return []
        documents = self._once("documents", self._documents)
        best = full_text.rank(search, documents, documents.keys() if passing is None else passing, k)
        there = self.get(i for i, _ in best)
        return [Found(there[i], score) for i, score in best if i in there]

    def facets(self, column: str, where: Filter | None = None, most: int = 20) -> Sequence[tuple[Value, int]]:
        """Counted here, over all assets that pass, once until the library changes."""
        bind(IsNull(column), self.columns())
        asked = ("facets", column, repr(where))
        found: list[tuple[Value, int]] = self._once(asked, lambda: self._counted(column, where))
        return found[: max(most, 0)]

    def columns(self) -> Mapping[str, Kind]:
        return columns.visible(self._kinds())

    def failures(self) -> Sequence[Failure]:
        return [milvus_records.to_failure(thing) for thing in self._things.all(FAILURE)]

    def assets(self, where: Filter | None = None) -> Iterator[Asset]:
        tree, asked = self._bound(where)
        kinds = self._kinds()
        for record in self._tables.assets.scan(asked.text, ["asset"]):
            (asset,) = milvus_records.to_assets([record], kinds)
            if tree is None or asked.exact or evaluate(tree, columns.values(asset, kinds)) is True:
                yield asset

    def listing(self, where: Filter | None = None) -> Sequence[tuple[str, str]]:
        self._bound(where)
        made = self._once(("listing", repr(where)), lambda: sorted((a.uri, a.id) for a in self.assets(where)))
        return cast(Sequence[tuple[str, str]], made)

    def get(self, asset_ids: Iterable[str]) -> Mapping[str, Asset]:
        return self._get(asset_ids)

    def find(self, uri: str) -> Asset | None:
        found = list(self._tables.assets.by_keys("uri_key", [key(uri)], ["asset"]))
        return next(iter(milvus_records.to_assets(found, self._kinds())), None)

    def encoded(self, space: str) -> set[str]:
        return {each["asset_id"] for each in self._rows(space).scan("", ["asset_id"])}

    def thumbnails(self, asset_ids: Iterable[str]) -> Mapping[str, bytes]:
        return {t.asset_id: t.data for t in self._things.of(THUMBNAIL, ((i, "") for i in asset_ids))}

    def attachments(self, asset_id: str, names: Iterable[str] | None = None) -> Mapping[str, bytes]:
        if names is None:
            found = self._things.of_owners(ATTACHMENT, [asset_id])
        else:
            found = self._things.of(ATTACHMENT, ((asset_id, name) for name in names))
        return {thing.name: thing.data for thing in found}

    def attachments_of(self, asset_ids: Iterable[str]) -> Mapping[str, Mapping[str, bytes]]:
        found: dict[str, dict[str, bytes]] = {}
        for thing in self._things.of_owners(ATTACHMENT, asset_ids):
            found.setdefault(thing.asset_id, {})[thing.name] = thing.data
        return found

    def attached(self, name: str) -> set[str]:
        return {asset_id for asset_id, other in self._things.names(ATTACHMENT) if other == name}

    def rows(self, space: str, asset_ids: Iterable[str]) -> Sequence[Row]:
        card = card_of(self.cards(), space)
        found = self._rows(space).by_keys("owner", map(key, asset_ids), milvus_records.ROW)
        return milvus_records.to_rows(list(found), card)

    def row_ids(self, space: str) -> set[str]:
        return {each["row_id"] for each in self._rows(space).scan(self._without_orphans(""), ["row_id"])}

    def each_row(self, space: str) -> Iterator[Row]:
        card = card_of(self.cards(), space)
        found = self._rows(space).scan(self._without_orphans(""), milvus_records.ROW)
        while some := list(itertools.islice(found, VECTORS)):
            yield from milvus_records.to_rows(some, card)

    def attachment_names(self) -> Iterator[tuple[str, str]]:
        yield from self._things.names(ATTACHMENT)

    def contents(self) -> Iterator[tuple[str, bytes]]:
        raise Unsupported(self.lacks["contents"])

    def sample(self, space: str, most: int) -> Vectors:
        """Keys are hashes, so the first by key are spread evenly."""
        card = card_of(self.cards(), space)
        with closing(cast(Any, self._rows(space).scan("", ["packed", "v"]))) as found:
            some = [record for _, record in zip(range(max(most, 0)), found, strict=False)]
        return milvus_records.vectors_of(some, card)

    def nearest(self, space: str, vector: Vector, k: int, where: Filter | None = None) -> Sequence[Match]:
        card = card_of(self.cards(), space)
        target = target_of(vector, card)
        if not is_indexable(card):
            return self._scans.nearest(card, target, k, where)
        table = self._rows(space)
        index = self._once(("index", space), lambda: milvus_index.index_of(table))
        search = Search(table, card, self._kinds(), index)
        parts = [self._without_orphans(text) for text in self._conditions(where, "owner")]
        return search.nearest(target, k, parts)

    def revision(self, space: str) -> object:
        card_of(self.cards(), space)
        return self._files.stamp(REVISION), tuple(self._gone())

    def row_keys(self, space: str, where: Filter | None = None) -> NDArray[np.uint64]:
        table = self._rows(space)
        parts = [self._without_orphans(text) for text in self._conditions(where, "owner")]
        marks = [each["mark"] for part in parts for each in table.scan(part, ["mark"])]
        return np.array(marks, np.uint64)

    def row_vectors(self, space: str, keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], Vectors]:
        card = card_of(self.cards(), space)
        found = self._marked(space, keys, ["mark", "packed", "v"])
        marks = np.array([each["mark"] for each in found], np.uint64)
        return marks, milvus_records.vectors_of(found, card)

    def nearest_of(self, space: str, vector: Vector, keys: NDArray[np.uint64]) -> Sequence[Match]:
        card = card_of(self.cards(), space)
        found = self._marked(space, keys, milvus_records.MATCH)
        return Search(self._rows(space), card, self._kinds()).ranked(
            found, target_of(vector, card), len(found)
        )

    def count(self, where: Filter | None = None) -> int:
        tree, asked = self._bound(where)
        if tree is None:
            return cast(int, self._once("count", self._tables.assets.count))
        if asked.exact:
            return self._tables.assets.count(asked.text)
        return len(self._passing(cast(Filter, where)))

    def status(self) -> Mapping[str, SpaceStatus]:
        return {space: milvus_index.status(self._rows(space), card) for space, card in self.cards().items()}

    def check(self) -> Sequence[Problem]:
        found = orphan_problems(
            {asset.id for asset in self.assets()},
            {space: self.encoded(space) for space in self.cards()},
            {asset_id for asset_id, _ in self._things.names(THUMBNAIL)},
            {
                bank: {asset_id for asset_id, _ in self._things.names(one.table)}
                for bank, one in self._shelved().items()
            },
            {asset_id for asset_id, _ in self._things.names(ATTACHMENT)},
        )
        for space, status in self.status().items():
            if status.due:
                detail = f"{space}: findalike optimize would build {status.due}"
                found.append(Problem("index", detail, status.unindexed, False))
        return found

    def disk_bytes(self) -> int:
        """A server does not say."""
        return 0

    def close(self) -> None:
        self._connection.close()

    def _shelved(self) -> dict[str, Shelved]:
        stamp = self._files.stamp(banks.NAME)
        return dict(self._once(("banks", stamp), lambda: banks.read(self._files)))

    def _rows(self, space: str) -> Table:
        return self._tables.rows(card_of(self.cards(), space))

    def _marked(self, space: str, keys: NDArray[np.uint64], names: Sequence[str]) -> list[Record]:
        table, found = self._rows(space), []
        for start in range(0, len(keys), 512):
            some = ", ".join(map(str, keys[start : start + 512].tolist()))
            found += list(table.scan(self._without_orphans(f"mark in [{some}]"), names))
        return found

    def _forms(self) -> Kinds:
        """The metadata columns with the kinds they are stored as."""
        stamp = self._files.stamp(COLUMNS)
        return cast(
            Kinds, self._once(("columns", stamp), lambda: json.loads(self._files.read(COLUMNS) or "{}"))
        )

    def _kinds(self) -> dict[str, Kind]:
        return {name: forms[-1] for name, forms in self._forms().items()}

    def _bound(self, where: Filter | None) -> tuple[Filter | None, Condition]:
        if where is None:
            return None, ALL
        tree = bind(where, self.columns())
        return tree, condition(tree, self._forms())

    def _passing(self, where: Filter) -> Sequence[str]:
        """The ids of the assets that pass a filter, remembered until the library changes."""
        made = self._once(("passing", repr(where)), lambda: [asset.id for asset in self.assets(where)])
        return cast(Sequence[str], made)

    def _conditions(self, where: Filter | None, column: str) -> list[str]:
        """The expressions of which exactly one holds for what passes: one that says the filter, or several
        that name the assets, where no expression can say it."""
        tree, asked = self._bound(where)
        if tree is None or asked.exact:
            return [asked.text]
        keys = [key(i) for i in self._passing(cast(Filter, where))]
        return [any_of(column, keys[start : start + 4_096]) for start in range(0, len(keys), 4_096)]

    def _without_orphans(self, text: str) -> str:
        gone = self._gone()
        return both(text, f"not ({any_of('owner', [key(i) for i in gone])})" if gone else "")

    def _gone(self) -> Sequence[str]:
        """Ids of assets that parts may be there of, but not they themselves; nearly always none."""
        suspects = self._journal.read()
        if not suspects:
            return ()
        asked = ("gone", self._files.stamp(REVISION), self._files.stamp("pending.json"))
        return cast(Sequence[str], self._once(asked, lambda: sorted(suspects - set(self._get(suspects)))))

    def _get(self, asset_ids: Iterable[str], seen: Mapping[str, object] | None = None) -> dict[str, Asset]:
        found = self._tables.assets.by_keys("id", map(key, asset_ids), ["asset"], seen=seen)
        return {asset.id: asset for asset in milvus_records.to_assets(found, self._kinds())}

    def _counted(self, column: str, where: Filter | None) -> list[tuple[Value, int]]:
        kinds = self._kinds()
        counts: Counter[Value] = Counter()
        spelled: dict[Value, Value] = {}
        for asset in self.assets(where):
            value = columns.values(asset, kinds).get(column)
            for one in value if isinstance(value, tuple) else () if value is None else (value,):
                same = folded(one) if isinstance(value, tuple) else one
                spelled[same] = min(spelled.get(same, one), one)  # type: ignore[type-var]
                counts[same] += 1
        pairs = ((spelled[same], count) for same, count in counts.items())
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    def _documents(self) -> dict[str, str]:
        return {asset.id: full_text.document(asset) for asset in self.assets()}

    def _once(self, asked: object, make: Any) -> Any:
        """What a function makes, once for each revision of the library. Those that ask for the same wait for
        who makes it, others do not."""
        revision = self._files.stamp(REVISION)  # before it is made, so that what is made is never older
        with self._lock:
            if revision != self._kept_at:
                self._kept.clear()
                self._kept_at = revision
            kept = self._kept.setdefault(asked, Kept())
            self._kept.move_to_end(asked)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        with kept.lock:
            if not kept.made:
                kept.made.append(make())
            return kept.made[0]

    def _forget(self) -> None:
        """After a change that was broken off, of which nobody was told."""
        with self._lock:
            self._kept.clear()
