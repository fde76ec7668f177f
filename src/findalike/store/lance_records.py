"""Assets, rows, thumbnails and failures as Arrow tables, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, cast

import numpy as np
import pyarrow as pa

from findalike.query import Kind
from findalike.store import columns
from findalike.store.lance_filter import escaped, storage_name, unescaped
from findalike.types import Asset, Card, Failure, Origin, Row

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

ASSETS = pa.schema([pa.field("asset_id", pa.string()), pa.field("sha256", pa.string()), *_FACTS])
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
    element = pa.float16() if card.dtype == "float16" else pa.float32()
    texts = [pa.field(name, pa.string()) for name in ("row_id", "asset_id", "origin", "asset")]
    return pa.schema([*texts, pa.field("vector", pa.list_(element, card.dim)), *_FACTS])


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


def field_of(name: str, kind: Kind) -> pa.Field:
    return pa.field(storage_name(name, kind), _TYPES[kind])


def assets_to_arrow(assets: Sequence[Asset], schema: pa.Schema) -> pa.Table:
    """Assets with these columns of an asset table; metadata must be admitted by `columns`."""
    ids = {"asset_id": [a.id for a in assets], "sha256": [a.sha256 for a in assets]}
    return _table({**ids, **_filterable(assets, kinds_of(schema))}, schema)


def facts_to_arrow(assets: Sequence[Asset], schema: pa.Schema) -> pa.Table:
    """The asset ids and the columns that a rows table repeats."""
    names = [n for n in schema.names if n not in ROW_COLUMNS or n == "asset_id"]
    data = {"asset_id": [a.id for a in assets], **_filterable(assets, kinds_of(schema))}
    data["asset"] = [_asset_to_text(asset) for asset in assets]
    return _table(data, pa.schema([schema.field(n) for n in names]))


def rows_to_arrow(rows: Sequence[Row], owners: Mapping[str, Asset], schema: pa.Schema) -> pa.Table:
    """Rows beside the columns of their assets; a row without an asset has nulls there."""
    element = schema.field("vector").type.value_type.to_pandas_dtype()
    flat = np.concatenate([row.vector for row in rows]).astype(element, copy=False)
    data: dict[str, Any] = {
        "row_id": [row.id for row in rows],
        "asset_id": [row.asset_id for row in rows],
        "origin": [_origin_to_text(row.origin) for row in rows],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat), len(rows[0].vector)),
    }
    assets = [owners.get(row.asset_id) for row in rows]
    data["asset"] = [_asset_to_text(asset) if asset else None for asset in assets]
    return _table({**data, **_filterable(assets, kinds_of(schema))}, schema)


def thumbnails_to_arrow(thumbnails: Mapping[str, bytes]) -> pa.Table:
    return _table({"asset_id": list(thumbnails), "thumbnail": list(thumbnails.values())}, THUMBNAILS)


def failures_to_arrow(failures: Iterable[Failure]) -> pa.Table:
    several = list(failures)
    data = {name: [getattr(failure, name) for failure in several] for name in FAILURES.names}
    return _table(data, FAILURES)


def to_assets(table: pa.Table | pa.RecordBatch) -> Iterator[Asset]:
    kinds = kinds_of(table.schema)
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
        )


def to_rows(table: pa.Table) -> list[Row]:
    """Rows with float32 vectors, whatever precision they are stored in."""
    vectors = vectors_of(table)
    texts = (table.column(name).to_pylist() for name in ("row_id", "asset_id", "origin"))
    return [
        Row(row_id, _origin(asset_id, origin), vector)
        for row_id, asset_id, origin, vector in zip(*texts, vectors, strict=True)
    ]


def to_matched_assets(table: pa.Table, kinds: Mapping[str, Kind]) -> list[Asset]:
    """The assets of found rows; `kinds` are those of all metadata columns."""
    texts = zip(table.column("asset_id").to_pylist(), table.column("asset").to_pylist(), strict=True)
    return [_asset(asset_id, text, kinds) for asset_id, text in texts]


def to_failures(table: pa.Table) -> list[Failure]:
    records = table.select(FAILURES.names).to_pylist()
    return [Failure(**{**record, "modified": _value(record["modified"])}) for record in records]


def vectors_of(table: pa.Table) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The vectors of a table of rows, of shape (rows, dim), as float32."""
    column = table.column("vector").combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float32).reshape(len(table), column.type.list_size)


def _origin_to_text(origin: Origin) -> str:
    return json.dumps([origin.part, origin.box, origin.time, origin.label], ensure_ascii=False)


def _origin(asset_id: str, text: str) -> Origin:
    part, box, time, label = json.loads(text)
    left, top, right, bottom = map(float, box)
    return Origin(asset_id, part, (left, top, right, bottom), time, label)


def _asset_to_text(asset: Asset) -> str:
    facts = [asset.uri, asset.size, asset.modified.isoformat(), asset.media, asset.sha256]
    return json.dumps([*facts, dict(asset.metadata)], ensure_ascii=False, default=str)


def _asset(asset_id: str, text: str, kinds: Mapping[str, Kind]) -> Asset:
    uri, size, modified, media, sha256, metadata = json.loads(text)
    typed = {name: _READ.get(kinds[name], _as_it_is)(value) for name, value in metadata.items()}
    return Asset(uri, size, datetime.fromisoformat(modified), asset_id, media, sha256, typed)


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
