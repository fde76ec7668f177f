"""Assets, rows, thumbnails, evidence and failures as Arrow tables, and back."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from findalike.filters import folded
from findalike.query import Kind
from findalike.store import columns, full_text, packing
from findalike.store.banks import evidence_table
from findalike.store.lance_filter import NO_TAGS, TAG_KEYS, escaped, storage_name, tag_keys, unescaped
from findalike.types import Asset, Card, Evidence, EvidenceTable, Failure, Origin, Row, Value

_TIME = pa.timestamp("us", "UTC")
_TYPES: dict[Kind, pa.DataType] = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "text": pa.string(),
    "date": pa.date32(),
    "time": _TIME,
}
_FACTS = [
    pa.field("uri", pa.string()),
    pa.field("name", pa.string()),
    pa.field("folder", pa.string()),
    pa.field("media", pa.string()),
    pa.field("size", pa.int64()),
    pa.field("modified", _TIME),
]

TAGS = [pa.field("tags", pa.list_(pa.string())), pa.field("document", pa.string())]
"""What an asset table of an earlier findalike lacks, beside `KEYS`: tags as they were given, and the text
that words are searched in."""
KEYS = pa.field(TAG_KEYS, pa.list_(pa.string()))

ASSETS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("asset_id", "sha256", "asset")),
        *_FACTS,
        *TAGS,
        KEYS,
    ]
)
WORDS = pa.schema([pa.field("word", pa.string())])
EVIDENCE = pa.schema(
    [
        pa.field("asset_id", pa.string()),
        pa.field("concepts", pa.list_(pa.int32())),
        pa.field("weights", pa.list_(pa.float32())),
    ]
)
ATTACHMENTS = pa.schema(
    [pa.field("asset_id", pa.string()), pa.field("name", pa.string()), pa.field("data", pa.large_binary())]
)
THUMBNAILS = pa.schema([pa.field("asset_id", pa.string()), pa.field("thumbnail", pa.binary())])
FAILURES = pa.schema(
    [
        pa.field("uri", pa.string()),
        pa.field("stage", pa.string()),
        pa.field("error", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("modified", _TIME),
    ]
)
ROW_COLUMNS = ["row_id", "asset_id", "origin", "vector"]
MATCH_COLUMNS = [*ROW_COLUMNS, "asset"]
"""What makes a `Row`, and a `Match`. Origin and asset are one JSON text each and not a column for each
field, because a search fetches each column of its hits apart, at 0.5 ms a column."""


def rows_schema(card: Card) -> pa.Schema:
    """The table of a space: ids, origin, the asset and vector, and the columns that filters name, so that one
    query filters, ranks and describes."""
    texts = [pa.field(name, pa.string()) for name in ("row_id", "asset_id", "origin", "asset")]
    return pa.schema([*texts, pa.field("vector", packing.type_of(card)), *_FACTS, KEYS])


def rows_table(space: str) -> str:
    """The name of the table that holds the rows of a space."""
    return f"rows_{escaped(space)}"


def kinds_of(schema: pa.Schema) -> dict[str, Kind]:
    """The metadata columns of a table, by their own names. Where a column is being widened and both its
    forms are there, the wider one counts."""
    kinds: dict[str, Kind] = {}
    for stored in schema.names:
        kind, found, name = stored.partition("_")
        if found and kind in _TYPES and kinds.get(unescaped(name)) != "number":
            kinds[unescaped(name)] = cast(Kind, kind)
    return kinds


def tree_columns(schema: pa.Schema) -> list[str]:
    """The columns of a table worth a tree: those that ids, equalities and ranges are looked up in."""
    if "row_id" in schema.names:
        facts = ["folder", "media", "size", "modified"]
        return ["asset_id", *facts, *(storage_name(*column) for column in kinds_of(schema).items())]
    return [name for name in ("asset_id", "uri") if name in schema.names]


def stored_as(column: str, kinds: Mapping[str, Kind]) -> str:
    """Where an asset table holds a column or a fact."""
    if column in kinds:
        return storage_name(column, kinds[column])
    return {"path": "uri", "tag": "tags"}.get(column, column)


def asset_columns(schema: pa.Schema) -> list[str]:
    """The columns that make an `Asset`: one JSON text, which of 200 assets takes 3 ms to fetch, or those that
    filters name, which take a millisecond each, where an earlier findalike made the table."""
    if "asset" in schema.names:
        return ["asset"]
    return [name for name in schema.names if name not in ("name", "folder", "document", TAG_KEYS)]


def field_of(name: str, kind: Kind) -> pa.Field:
    return pa.field(storage_name(name, kind), _TYPES[kind])


def assets_to_arrow(assets: Sequence[Asset], schema: pa.Schema) -> pa.Table:
    """Assets with these columns of an asset table; metadata must be admitted by `columns`."""
    own = {
        "asset_id": [asset.id for asset in assets],
        "sha256": [asset.sha256 for asset in assets],
        "tags": [list(asset.tags) for asset in assets],
        "document": [full_text.document(asset) for asset in assets],
        "asset": [asset_to_text(asset) for asset in assets],
    }
    return _table({**own, **_filterable(assets, kinds_of(schema))}, schema)


def words_to_arrow(words: Sequence[str]) -> pa.Table:
    return pa.table({"word": words}, schema=WORDS)


def evidence_to_arrow(evidence: Mapping[str, Evidence]) -> pa.Table:
    flat = evidence_table(evidence)
    starts = pa.array(flat.starts.astype(np.int32))
    lists = [pa.ListArray.from_arrays(starts, pa.array(part)) for part in (flat.concepts, flat.weights)]
    return pa.Table.from_arrays([pa.array(flat.asset_ids, pa.string()), *lists], schema=EVIDENCE)


def to_evidence(table: pa.Table) -> EvidenceTable:
    concepts, weights = (table.column(name).combine_chunks() for name in ("concepts", "weights"))
    starts = concepts.offsets.to_numpy().astype(np.int64)
    return EvidenceTable(
        tuple(table.column("asset_id").to_pylist()),
        starts - starts[0] if len(starts) else np.zeros(1, np.int64),
        concepts.flatten().to_numpy(),
        weights.flatten().to_numpy(),
    )


def counted(column: pa.ChunkedArray, most: int) -> list[tuple[Value, int]]:
    """The values of a column and how often they stand there, the most frequent first, ties by value. Tags
    that differ in the case of letters are one."""
    several = pa.types.is_list(column.type)
    counts = (pc.list_flatten(column) if several else column).drop_null().value_counts()
    pairs = zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)
    totals: dict[Any, tuple[Any, int]] = {}
    for value, count in pairs:
        key = folded(value) if several else value
        spelled, before = totals.get(key, (value, 0))
        totals[key] = (min(spelled, value), before + count)
    best = heapq.nsmallest(max(most, 0), totals.values(), key=lambda pair: (-pair[1], pair[0]))
    return [(_value(value), count) for value, count in best]


def facts_to_arrow(assets: Sequence[Asset], schema: pa.Schema) -> pa.Table:
    """The asset ids and the columns that a rows table repeats."""
    names = [n for n in schema.names if n not in ROW_COLUMNS or n == "asset_id"]
    data = {"asset_id": [a.id for a in assets], **_filterable(assets, kinds_of(schema))}
    data["asset"] = [asset_to_text(asset) for asset in assets]
    return _table(data, pa.schema([schema.field(n) for n in names]))


class Facts:
    """What the rows of assets repeat of them, made once for all rows of a write: making it takes longer than
    all else that a row needs."""

    def __init__(self, owners: Mapping[str, Asset]) -> None:
        self._assets = [*owners.values(), None]  # None stands for an asset that is not there
        self._places = {asset_id: place for place, asset_id in enumerate(owners)}
        self._made: tuple[dict[str, Kind], pa.Table] | None = None

    def of(self, asset_ids: Sequence[str], schema: pa.Schema) -> dict[str, pa.Array]:
        """These columns of a rows table, one record for each id."""
        kinds = kinds_of(schema)
        if self._made is None or self._made[0] != kinds:
            data: dict[str, Any] = {"asset": [asset_to_text(a) if a else None for a in self._assets]}
            data |= _filterable(self._assets, kinds)
            self._made = kinds, _table(data, pa.schema([schema.field(name) for name in data]))
        places = [self._places.get(asset_id, len(self._places)) for asset_id in asset_ids]
        found = self._made[1].take(pa.array(places, pa.int64())).combine_chunks()
        return {name: found.column(name).combine_chunks() for name in found.column_names}


def rows_to_arrow(rows: Sequence[Row], facts: Facts, schema: pa.Schema) -> pa.Table:
    """Rows beside the columns of their assets; a row without an asset has nulls there."""
    asset_ids = [row.asset_id for row in rows]
    data: dict[str, Any] = {
        "row_id": [row.id for row in rows],
        "asset_id": asset_ids,
        "origin": [origin_to_text(row.origin) for row in rows],
        "vector": packing.packed([row.vector for row in rows], schema.field("vector").type),
    }
    return _table({**data, **facts.of(asset_ids, schema)}, schema)


def thumbnails_to_arrow(thumbnails: Mapping[str, bytes]) -> pa.Table:
    return _table({"asset_id": list(thumbnails), "thumbnail": list(thumbnails.values())}, THUMBNAILS)


def attachments_to_arrow(attachments: Mapping[str, Mapping[str, bytes]]) -> pa.Table:
    records = [(i, name, data) for i, several in attachments.items() for name, data in several.items()]
    columns_ = zip(*records, strict=True) if records else ((), (), ())
    return _table(dict(zip(ATTACHMENTS.names, map(list, columns_), strict=True)), ATTACHMENTS)


def failures_to_arrow(failures: Iterable[Failure]) -> pa.Table:
    several = list(failures)
    data = {name: [getattr(failure, name) for failure in several] for name in FAILURES.names}
    return _table(data, FAILURES)


def to_assets(table: pa.Table | pa.RecordBatch, kinds: Mapping[str, Kind]) -> Iterator[Asset]:
    """The assets of a table with `asset_columns`; `kinds` are those of all metadata columns."""
    if "asset" in table.schema.names:
        yield from (to_asset(text, kinds) for text in table.column("asset").to_pylist())
        return
    stored = [(name, storage_name(name, kind)) for name, kind in kinds.items()]
    for record in table.to_pylist():
        metadata = {name: _value(record[column]) for name, column in stored if record[column] is not None}
        yield Asset(
            uri=record["uri"],
            size=record["size"],
            modified=record["modified"].astimezone(UTC),
            id=record["asset_id"],
            media=record["media"],
            sha256=record["sha256"],
            metadata=metadata,
            tags=tuple(record.get("tags") or ()),
        )


def to_rows(table: pa.Table) -> list[Row]:
    """Rows with float32 vectors, whatever precision they are stored in."""
    vectors = vectors_of(table)
    texts = (table.column(name).to_pylist() for name in ("row_id", "asset_id", "origin"))
    return [
        Row(row_id, to_origin(asset_id, origin), vector)
        for row_id, asset_id, origin, vector in zip(*texts, vectors, strict=True)
    ]


def to_matched_assets(table: pa.Table, kinds: Mapping[str, Kind]) -> list[Asset]:
    """The assets of found rows; `kinds` are those of all metadata columns."""
    texts = zip(table.column("asset_id").to_pylist(), table.column("asset").to_pylist(), strict=True)
    return [to_asset(text, kinds, asset_id) for asset_id, text in texts]


def to_failures(table: pa.Table) -> list[Failure]:
    records = table.select(FAILURES.names).to_pylist()
    return [Failure(**{**record, "modified": _value(record["modified"])}) for record in records]


def vectors_of(table: pa.Table) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The vectors of a table of rows, of shape (rows, dim), as float32."""
    return packing.unpacked(table.column("vector"))


def origin_to_text(origin: Origin) -> str:
    values = [origin.part, origin.box, origin.time, origin.label]
    return json.dumps(values if origin.end is None else [*values, origin.end], ensure_ascii=False)


def to_origin(asset_id: str, text: str) -> Origin:
    part, box, time, label, *later = json.loads(text)
    left, top, right, bottom = map(float, box)
    return Origin(asset_id, part, (left, top, right, bottom), time, label, later[0] if later else None)


def asset_to_text(asset: Asset) -> str:
    facts = [asset.uri, asset.size, asset.modified.isoformat(), asset.media, asset.sha256]
    return json.dumps([*facts, dict(asset.metadata), asset.tags, asset.id], ensure_ascii=False, default=str)


def to_asset(text: str, kinds: Mapping[str, Kind], asset_id: str = "") -> Asset:
    """An earlier findalike wrote no id in the text, and before that no tags."""
    uri, size, modified, media, sha256, metadata, *later = json.loads(text)
    tags: list[str] = later[0] if later else []
    own_id: str = later[1] if len(later) > 1 else asset_id
    typed = {name: _READ.get(kinds[name], _as_it_is)(value) for name, value in metadata.items()}
    at = datetime.fromisoformat(modified).astimezone(UTC)
    return Asset(uri, size, at, own_id, media, sha256, typed, tuple(tags))


def _as_it_is(value: Any) -> Any:
    return value


_READ: dict[Kind, Callable[[Any], Any]] = {
    "number": float,
    "date": date.fromisoformat,
    "time": datetime.fromisoformat,
}
"""How JSON's values become those of a kind; `str` wrote dates and times."""


def _filterable(assets: Sequence[Asset | None], kinds: Mapping[str, Kind]) -> dict[str, list[Any]]:
    facts = [columns.facts(asset) if asset else {} for asset in assets]
    data: dict[str, list[Any]] = {
        field.name: [fact.get("path" if field.name == "uri" else field.name) for fact in facts]
        for field in _FACTS
    }
    data[TAG_KEYS] = [tag_keys(asset.tags) if asset else [NO_TAGS] for asset in assets]
    for name, kind in kinds.items():
        data[storage_name(name, kind)] = [asset.metadata.get(name) if asset else None for asset in assets]
    return data


def _table(data: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    """A table of this schema; a column that the data lacks is null."""
    length = len(next(iter(data.values())))
    arrays = [
        _array(data[field.name], field.type) if field.name in data else pa.nulls(length, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def _value(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
