"""The collections of a library on Milvus, and what is asked of them: records by key and condition.

`assets`; `things`, which are thumbnails, attachments, evidence, failures, sidecars and leases; and for each
space its `rows`. A key is the hash of what identifies a record, so that keys are evenly spread hexadecimal
digits, whatever text an id holds. Each write is an upsert by key: written again, it changes nothing.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymilvus import DataType
from pymilvus.grpc_gen import milvus_pb2

from findalike.errors import LibraryError, LibraryMismatch
from findalike.store import milvus_packing
from findalike.store.base import is_indexable
from findalike.store.lance_filter import escaped
from findalike.store.milvus_connection import Connection
from findalike.store.milvus_filter import any_of, both
from findalike.types import Card

Record = dict[str, Any]

ASSETS, THINGS = "assets", "things"
PAGE = 4_096
"""Records that are read at a time, of small ones."""
VECTORS = 512
"""Records with vectors that are read at a time."""
MOST_BYTES = 16 << 20
"""A write of more is done in parts: a server takes up to 64 MB in one."""
LONGEST_TEXT = 65_535
"""Bytes of the longest text that a field holds."""
LOADS_WITHIN = 3_600.0  # seconds, for a large collection
_MADE_BY = "findalike"
_TEXTS: Mapping[str, Mapping[str, int]] = {
    ASSETS: {"id": 32, "uri_key": 32, "asset": LONGEST_TEXT},
    THINGS: {
        "id": 32,
        "kind": 64,
        "owner": 32,
        "asset_id": LONGEST_TEXT,
        "name": LONGEST_TEXT,
        "data": LONGEST_TEXT,
    },
    "rows": {
        "id": 32,
        "owner": 32,
        "row_id": LONGEST_TEXT,
        "asset_id": LONGEST_TEXT,
        "origin": LONGEST_TEXT,
        "asset": LONGEST_TEXT,
        "packed": LONGEST_TEXT,
    },
}
_NUMBERS: Mapping[str, Sequence[str]] = {ASSETS: (), THINGS: ("part", "parts"), "rows": ("mark",)}
_ORDERED: Mapping[str, object] = {"iterator": "True", "reduce_stop_for_best": "True"}
"""What milvus-lite must be told to answer by key; a server does so by itself."""
_NO_VECTOR = 2  # numbers of the vector that a collection must have, even where there is none


def key(*parts: str) -> str:
    """The key of what is identified by these texts."""
    joined = "\0".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def prefix(library: str) -> str:
    """What the names of a library's collections begin with. No other library's do: after the escaped name
    comes `_` with a letter that no escaped byte has."""
    return f"findalike_{escaped(library)}"


def rows_name(space: str) -> str:
    name = f"rows_{escaped(space)}"
    return name if len(name) < 120 else f"rows_{key(space)}"


@dataclass(frozen=True, slots=True)
class Table:
    """One collection. `dim` is that of its vectors; 0 where it has none of its own."""

    connection: Connection
    name: str
    part: str
    dim: int = 0
    index: str = "FLAT"
    metric: str = "L2"

    @property
    def fields(self) -> list[str]:
        """All but the vector."""
        return [*_TEXTS[self.part], *_NUMBERS[self.part]]

    def there(self) -> bool:
        return bool(self._ask(self._client.has_collection, self.name))

    def make(self) -> None:
        """Make it, with its index, and load it. What is there already, perhaps by another's hand, stays."""
        try:
            self._ask(
                self._client.create_collection,
                self.name,
                schema=self._schema(),
                consistency_level="Session",
                num_shards=1,
            )
        except LibraryError:
            if not self.there():
                raise
        self.build(self.index, {})
        self.load()

    def build(self, kind: str, params: Mapping[str, int]) -> None:
        """Give the vectors an index of this kind, which must not have another."""
        wanted = self._client.prepare_index_params()
        wanted.add_index("v", index_type=kind, index_name="v", metric_type=self.metric, params=dict(params))
        self._ask(self._client.create_index, self.name, wanted, sync=False)

    def load(self) -> None:
        """Have it searched. Loaded already, this is quick."""
        self._ask(self._client.load_collection, self.name, within=LOADS_WITHIN)

    def rebuild(self, kind: str, params: Mapping[str, int]) -> None:
        """Give the vectors another index. A collection must not be loaded for that: readers ask again until
        it is. A run that is killed between leaves none, and the next `open` loads what there is."""
        self._ask(self._client.release_collection, self.name)
        self._ask(self._client.drop_index, self.name, "v")
        self.build(kind, params)
        self.load()

    def index_told(self) -> Mapping[str, Any]:
        """What the server tells of the index of the vectors."""
        return dict(self._ask(self._client.describe_index, self.name, "v") or {})

    def seal(self) -> None:
        """Have all that was written lie in files of its own, so that a server that dies has not to read it
        out of its log."""
        self._ask(self._client.flush, self.name)

    def compact(self) -> None:
        """Seal what was written, and drop what was deleted, in the server's own time."""
        self.seal()
        self._ask(self._client.compact, self.name)

    def check(self) -> None:
        """Raises LibraryMismatch when it was not made by findalike, or for vectors of another size."""
        found = self._ask(self._client.describe_collection, self.name)
        names = {field["name"] for field in found["fields"]}
        signed = self.connection.place.is_file or found.get("description") == _MADE_BY  # a file keeps none
        if not signed or not {*self.fields, "v"} <= names:
            raise LibraryMismatch(
                f"{self.connection.place.shown}: the collection {self.name} there was not made by findalike; "
                "give the library another name, or the server another database"
            )
        dims = [field["params"].get("dim") for field in found["fields"] if field["name"] == "v"]
        if int(dims[0]) != (self.dim or _NO_VECTOR):
            raise LibraryMismatch(
                f"{self.connection.place.shown}: the collection {self.name} holds vectors of {dims[0]} "
                f"numbers, but {self.dim} are expected; it was made by another card: index into a new library"
            )

    def drop(self) -> None:
        self._ask(self._client.drop_collection, self.name)

    def count(self, condition: str = "") -> int:
        found = self._query(condition, ["count(*)"], {})
        return int(found[0]["count(*)"]) if found else 0

    def by_keys(
        self,
        column: str,
        keys: Iterable[str],
        names: Sequence[str],
        condition: str = "",
        seen: Mapping[str, object] | None = None,
    ) -> Iterator[Record]:
        """The records whose column holds one of these keys, and which pass the condition. A column other than
        `id` may hold one many times."""
        wanted, size = list(dict.fromkeys(keys)), VECTORS if "v" in names else PAGE
        for start in range(0, len(wanted), size):
            asked = both(any_of(column, wanted[start : start + size]), condition)
            if column == "id":
                yield from self._query(asked, names, {}, seen)
            else:
                yield from self.scan(asked, names, seen)

    def scan(
        self, condition: str, names: Sequence[str], seen: Mapping[str, object] | None = None
    ) -> Iterator[Record]:
        """The records that pass a condition by key, in bounded memory."""
        wanted = list(dict.fromkeys(["id", *names]))
        limit, last = VECTORS if "v" in names else PAGE, ""
        options = {"limit": limit, **(_ORDERED if self.connection.place.is_file else {})}
        while True:
            after = f'id > "{last}"'
            found = self._query(both(after, condition), wanted, options, seen)
            if not found:  # a page that is not full tells nothing: a server may stop at the end of a segment
                return
            keys = [last, *(each["id"] for each in found)]
            if any(first >= second for first, second in itertools.pairwise(keys)):
                raise LibraryError(
                    f"{self.connection.place.shown}: this version of Milvus does not answer in the order of "
                    "keys, so that records would be lost: use a later one"
                )
            yield from found
            last = keys[-1]

    def put(
        self,
        records: Sequence[Record],
        vectors: Any = None,
        dynamic: Sequence[Record] = (),
        checked: bool = True,
    ) -> None:
        """Upsert records by `id`: `vectors` of shape (records, dim), `dynamic` their further fields."""
        for start, end in self._parts(records):
            block = None if vectors is None else vectors[start:end]
            request = self._request(records[start:end], block, dynamic[start:end])
            self.connection.upsert(self.name, request, checked)

    def delete(self, keys: Iterable[str], checked: bool = True) -> None:
        """Delete records by key."""
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), PAGE):
            self.connection.untimed = self.connection.untimed or self.part != THINGS
            self.connection.delete(self.name, any_of("id", wanted[start : start + PAGE]), checked)

    def delete_where(self, column: str, keys: Iterable[str], condition: str = "") -> int:
        """Delete the records whose column holds one of these keys; how many there were. They are looked up
        first, by the latest state: versions differ in what else they delete by."""
        strong = self.connection.strong
        there = [each["id"] for each in self.by_keys(column, keys, ["id"], condition, strong)]
        self.delete(there)
        return len(there)

    def search(
        self, vector: Any, limit: int, condition: str, names: Sequence[str], params: Mapping[str, int]
    ) -> list[Record]:
        """The nearest records, nearest first, each with its `distance`: Milvus' word for a similarity."""
        found = self._ask(
            self._client.search,
            self.name,
            data=[vector],
            anns_field="v",
            filter=condition,
            limit=limit,
            output_fields=list(names),
            search_params={"metric_type": self.metric, "params": dict(params)},
            **self.connection.seen,
        )
        hits = found[0]
        plain = [hits.get_raw_item(i) for i in range(len(hits))]
        records = [{"distance": each["distance"], **each["entity"]} for each in plain]
        return milvus_packing.with_vectors(records, hits.lazy_field_data)

    @property
    def _client(self) -> Any:
        return self.connection.client

    def _ask(self, method: Any, *values: Any, **named: Any) -> Any:
        return self.connection.call(method, *values, **named)

    def _query(
        self,
        condition: str,
        names: Sequence[str],
        options: Mapping[str, object],
        seen: Mapping[str, object] | None = None,
    ) -> list[Record]:
        seen = self.connection.seen if seen is None else seen
        found = self._ask(
            self._client.query, self.name, filter=condition, output_fields=list(names), **options, **seen
        )
        if "v" not in names:
            return list(found)
        return milvus_packing.with_vectors(list(list.__iter__(found)), found._lazy_field_data)

    def _schema(self) -> Any:
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=True, description=_MADE_BY)
        for name, longest in _TEXTS[self.part].items():
            schema.add_field(name, DataType.VARCHAR, is_primary=name == "id", max_length=longest)
        for name in _NUMBERS[self.part]:
            schema.add_field(name, DataType.INT64)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=self.dim or _NO_VECTOR)
        return schema

    def _parts(self, records: Sequence[Record]) -> Iterator[tuple[int, int]]:
        """From where to where a write goes at a time."""
        start = size = 0
        for number, record in enumerate(records):
            takes = 4 * self.dim + 200 + sum(len(v) for v in record.values() if isinstance(v, str))
            if size + takes > MOST_BYTES and number > start:
                yield start, number
                start, size = number, 0
            size += takes
        if len(records) > start:
            yield start, len(records)

    def _request(self, records: Sequence[Record], vectors: Any, dynamic: Sequence[Record]) -> Any:
        """The upsert of records, packed here: pymilvus takes each number of a vector through Python, which
        for 1,280 of them takes five times as long."""
        count, dim = len(records), self.dim or _NO_VECTOR
        block = np.zeros((count, dim), np.float32) if vectors is None else vectors
        fields = [
            milvus_packing.texts(name, [each.get(name, "") for each in records]) for name in _TEXTS[self.part]
        ]
        fields += [
            milvus_packing.numbers(name, [each.get(name, 0) for each in records])
            for name in _NUMBERS[self.part]
        ]
        further = [json.dumps(each, ensure_ascii=False).encode() for each in dynamic] or [b"{}"] * count
        fields.append(milvus_packing.vectors(block, dim))
        fields.append(milvus_packing.dynamic(further))
        return milvus_pb2.UpsertRequest(
            db_name=self.connection.place.database,
            collection_name=self.name,
            num_rows=count,
            fields_data=fields,
        )


class Tables:
    """The collections of a library."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._prefix = prefix(connection.place.name)
        self._ready: set[str] = set()

    @property
    def assets(self) -> Table:
        return self._table(ASSETS, ASSETS)

    @property
    def things(self) -> Table:
        return self._table(THINGS, THINGS)

    def rows(self, card: Card) -> Table:
        """The rows of a space, made when they are not there yet."""
        dim = 0 if card.dtype in ("bit", "sparse") else card.dim
        metric = "COSINE" if is_indexable(card) else "L2"
        return self._table(rows_name(card.space), "rows", dim, metric)

    def there(self) -> bool:
        """Whether there is a library."""
        return self.assets.there() and self.things.there()

    def filled(self) -> bool:
        """Whether there is more than a library has from its beginning."""
        several = self.connection.call(self.connection.client.list_collections)
        spaces = any(name.startswith(f"{self._prefix}_{rows_name('')}") for name in several)
        return spaces or self.assets.count() > 0

    def seal(self, several: Sequence[Table]) -> None:
        """Seal these collections, at the same time: each takes the server two seconds."""
        with ThreadPoolExecutor(max(len(several), 1)) as threads:
            list(threads.map(Table.seal, several))

    def refuse_others(self) -> None:
        """Raises LibraryMismatch, before anything is made, for collections of our names by another's hand."""
        for table in (self.assets, self.things):
            if table.there():
                table.check()

    def open(self, several: Sequence[Table], make: bool) -> None:
        """Have these collections loaded, and made if they are not there."""
        fresh = [table for table in several if table.name not in self._ready]
        with ThreadPoolExecutor(max(len(fresh), 1)) as threads:
            list(threads.map(lambda table: self._open(table, make), fresh))

    def drop(self, table: Table) -> None:
        self._ready.discard(table.name)
        table.drop()

    def _open(self, table: Table, make: bool) -> None:
        if make and not table.there():
            table.make()
        else:
            table.check()
            table.load()
        self._ready.add(table.name)

    def _table(self, name: str, part: str, dim: int = 0, metric: str = "L2") -> Table:
        return Table(self.connection, f"{self._prefix}_{name}", part, dim, metric=metric)
