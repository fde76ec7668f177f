"""Batches as Arrow tables, one for each kind of thing, and back: what an export's Parquet files hold.

Vectors are lists of a fixed size, of bits too (a byte of 0 or 1 each); of sparse ones there are the places
and the weights of what is not zero. The card of a space, or a bank, stands in the metadata of the schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from findalike.query import Kind
from findalike.store.banks import evidence_table
from findalike.store.base import Batch, card_to_json
from findalike.types import Asset, Bank, Card, Evidence, Failure, Origin, Row, Vectors

ASSETS, THUMBNAILS, ATTACHMENTS, FAILURES = "assets", "thumbnails", "attachments", "failures"
CARD, BANK = b"findalike.card", b"findalike.bank"
"""Keys of the metadata of a schema."""

_TIME = pa.timestamp("us", "UTC")
_TYPES: Mapping[Kind, pa.DataType] = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "text": pa.string(),
    "date": pa.date32(),
    "time": _TIME,
}
_FACTS = {
    "asset_id": pa.string(),
    "path": pa.string(),
    "size": pa.int64(),
    "modified": _TIME,
    "media": pa.string(),
    "sha256": pa.string(),
    "tags": pa.list_(pa.string()),
}
_ORIGIN = {
    "row_id": pa.string(),
    "asset_id": pa.string(),
    "part": pa.string(),
    "box": pa.list_(pa.float64(), 4),
    "time": pa.float64(),
    "end": pa.float64(),
    "label": pa.string(),
}
_FAILURE = {
    "path": pa.string(),
    "stage": pa.string(),
    "error": pa.string(),
    "size": pa.int64(),
    "modified": _TIME,
}


@dataclass(frozen=True, slots=True)
class Layout:
    """What there are tables of: spaces and banks by name, and the metadata columns with their kinds."""

    cards: Mapping[str, Card]
    banks: Mapping[str, Bank]
    columns: Mapping[str, Kind]

    def schemas(self) -> dict[str, pa.Schema]:
        """The schema of each table of a batch, by the folder that its files lie in."""
        metadata = {"metadata": pa.struct([(name, _TYPES[kind]) for name, kind in self.columns.items()])}
        return {
            ASSETS: pa.schema({**_FACTS, **(metadata if self.columns else {})}),
            THUMBNAILS: pa.schema({"asset_id": pa.string(), "thumbnail": pa.binary()}),
            ATTACHMENTS: pa.schema({"asset_id": pa.string(), "name": pa.string(), "data": pa.large_binary()}),
            **{rows_folder(space): _rows_schema(card) for space, card in self.cards.items()},
            **{evidence_folder(name): _evidence_schema(bank) for name, bank in self.banks.items()},
        }


def rows_folder(space: str) -> str:
    return f"vectors/{quote(space, safe='@')}"


def evidence_folder(bank: str) -> str:
    return f"evidence/{quote(bank, safe='@')}"


def to_tables(batch: Batch, layout: Layout) -> dict[str, pa.Table]:
    """A table for each of the layout's schemas."""
    schemas = layout.schemas()
    made = {
        ASSETS: _assets(batch.assets, schemas[ASSETS]),
        THUMBNAILS: [list(batch.thumbnails), list(batch.thumbnails.values())],
        ATTACHMENTS: _attachments(batch.attachments),
    }
    for space, card in layout.cards.items():
        made[rows_folder(space)] = _rows(batch.rows.get(space, ()), card)
    for name in layout.banks:
        made[evidence_folder(name)] = _evidence(batch.evidence.get(name, {}))
    return {name: _table(columns, schemas[name]) for name, columns in made.items()}


def to_batch(tables: Mapping[str, pa.Table], layout: Layout) -> Batch:
    """The batch again."""
    spaces, banks = layout.cards.items(), layout.banks
    return Batch(
        assets=[_to_asset(record) for record in tables[ASSETS].to_pylist()],
        rows={space: _to_rows(tables[rows_folder(space)], card) for space, card in spaces},
        thumbnails=dict(zip(*_lists(tables[THUMBNAILS]), strict=True)),
        evidence={name: _to_evidence(tables[evidence_folder(name)]) for name in banks},
        attachments=_to_attachments(tables[ATTACHMENTS]),
    )


def failures_table(failures: Sequence[Failure]) -> pa.Table:
    columns = [
        [failure.uri for failure in failures],
        *([getattr(failure, name) for failure in failures] for name in list(_FAILURE)[1:]),
    ]
    return _table(columns, pa.schema(_FAILURE))


def to_failures(table: pa.Table) -> list[Failure]:
    records = zip(*_lists(table.select(list(_FAILURE))), strict=True)
    return [Failure(uri, stage, error, size, at and _utc(at)) for uri, stage, error, size, at in records]


def _rows_schema(card: Card) -> pa.Schema:
    return pa.schema({**_ORIGIN, **_vector_columns(card)}, metadata={CARD: _json(card_to_json(card))})


def _vector_columns(card: Card) -> dict[str, pa.DataType]:
    if card.dtype == "sparse":
        return {"places": pa.list_(pa.int32()), "weights": pa.list_(pa.float32())}
    kinds = {"bit": pa.uint8(), "float16": pa.float16()}
    return {"vector": pa.list_(kinds.get(card.dtype, pa.float32()), card.dim)}


def _evidence_schema(bank: Bank) -> pa.Schema:
    fields = {"asset_id": pa.string(), "concepts": pa.list_(pa.int32()), "weights": pa.list_(pa.float32())}
    return pa.schema(fields, metadata={BANK: _json(asdict(bank))})


def _json(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode()


def _assets(assets: Sequence[Asset], schema: pa.Schema) -> list[Any]:
    facts = ("id", "uri", "size", "modified", "media", "sha256", "tags")
    columns = [[getattr(asset, name) for asset in assets] for name in facts]
    if "metadata" in schema.names:
        columns.append([dict(asset.metadata) for asset in assets])
    return columns


def _to_asset(record: Mapping[str, Any]) -> Asset:
    values = (record.get("metadata") or {}).items()
    metadata = {name: _utc(value) for name, value in values if value is not None}
    return Asset(
        uri=record["path"],
        size=record["size"],
        modified=_utc(record["modified"]),
        id=record["asset_id"],
        media=record["media"],
        sha256=record["sha256"],
        metadata=metadata,
        tags=tuple(record["tags"]),
    )


def _rows(rows: Sequence[Row], card: Card) -> list[Any]:
    origins = [row.origin for row in rows]
    facts = [[getattr(origin, name) for origin in origins] for name in list(_ORIGIN)[1:]]
    return [[row.id for row in rows], *facts, *_packed([row.vector for row in rows], card)]


def _packed(vectors: Sequence[np.ndarray[Any, Any]], card: Card) -> list[Any]:
    if card.dtype == "sparse":
        places = [np.flatnonzero(vector) for vector in vectors]
        return [places, [vector[there] for vector, there in zip(vectors, places, strict=True)]]
    kind = _vector_columns(card)["vector"]
    flat = np.concatenate(vectors) if vectors else np.empty(0, np.float32)
    numbers = flat > 0.5 if card.dtype == "bit" else flat
    values = pa.array(numbers.astype(kind.value_type.to_pandas_dtype(), copy=False))
    return [pa.FixedSizeListArray.from_arrays(values, card.dim)]


def _to_rows(table: pa.Table, card: Card) -> list[Row]:
    texts = _lists(table.select(["row_id", "asset_id", "part", "box", "time", "label", "end"]))
    vectors = _unpacked(table, card)
    return [
        Row(row_id, Origin(asset_id, part, tuple(box), *rest), vector)
        for row_id, asset_id, part, box, *rest, vector in zip(*texts, vectors, strict=True)
    ]


def _unpacked(table: pa.Table, card: Card) -> Vectors:
    if card.dtype == "sparse":
        dense = np.zeros((len(table), card.dim), np.float32)
        lists = zip(*_lists(table.select(["places", "weights"])), strict=True)
        for row, (places, weights) in enumerate(lists):
            dense[row, places] = weights
        return dense
    flat = table.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float32).reshape(len(table), card.dim)


def _evidence(evidence: Mapping[str, Evidence]) -> list[Any]:
    flat = evidence_table(evidence)
    starts = pa.array(flat.starts.astype(np.int32))
    lists = [pa.ListArray.from_arrays(starts, pa.array(part)) for part in (flat.concepts, flat.weights)]
    return [list(flat.asset_ids), *lists]


def _to_evidence(table: pa.Table) -> dict[str, Evidence]:
    several = zip(*_lists(table), strict=True)
    return {i: dict(zip(concepts, weights, strict=True)) for i, concepts, weights in several}


def _attachments(attachments: Mapping[str, Mapping[str, bytes]]) -> list[Any]:
    records = [(i, name, data) for i, several in attachments.items() for name, data in several.items()]
    return [list(column) for column in zip(*records, strict=True)] if records else [[], [], []]


def _to_attachments(table: pa.Table) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {}
    for asset_id, name, data in zip(*_lists(table), strict=True):
        found.setdefault(asset_id, {})[name] = data
    return found


def _table(columns: Sequence[Any], schema: pa.Schema) -> pa.Table:
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _lists(table: pa.Table) -> Iterable[list[Any]]:
    return [column.to_pylist() for column in table.columns]


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
