"""Assets, rows, failures and evidence as the records of Milvus, and back."""

from __future__ import annotations

import base64
import json
import secrets
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from findalike.errors import UsageError
from findalike.query import Kind
from findalike.store import packing
from findalike.store.lance_records import asset_to_text, origin_to_text, to_asset, to_origin
from findalike.store.milvus_filter import Kinds, stored
from findalike.store.milvus_tables import LONGEST_TEXT, Record, key
from findalike.store.milvus_things import Thing
from findalike.types import Asset, Card, Evidence, Failure, Row, Vector, Vectors

ROW = ["row_id", "asset_id", "origin", "packed", "v"]
MATCH = [*ROW, "asset"]
"""The fields that make a `Row`, and a `Match`."""
WHOLE = [*MATCH, "id", "owner", "mark"]
"""Those that are written again when the facts of the asset change."""

_PACKED = "z"  # before a text that is compressed; none begins so otherwise


def asset_record(asset: Asset) -> Record:
    """Raises UsageError for one whose metadata are too long for a field."""
    return {"id": key(asset.id), "uri_key": key(asset.uri), "asset": _asset_text(asset)}


def to_assets(records: Iterable[Record], kinds: Mapping[str, Kind]) -> list[Asset]:
    return [to_asset(_unpacked(each["asset"]), kinds) for each in records]


def row_record(row: Row, card: Card, asset: Asset | None) -> Record:
    """A row beside its asset, where that is there, so that one search finds both. A row that is written again
    has another `mark`."""
    return {
        "id": key(row.id),
        "owner": key(row.asset_id),
        "row_id": row.id,
        "asset_id": row.asset_id,
        "origin": origin_to_text(row.origin),
        "asset": _asset_text(asset) if asset else "",
        "packed": "" if is_dense(card) else _packed(row.vector, card),
        "mark": secrets.randbits(63),
    }


def is_dense(card: Card) -> bool:
    """Whether vectors lie as numbers in the collection's own field; others are packed into a text."""
    return card.dtype not in ("bit", "sparse")


def matrix(rows: Sequence[Row], card: Card) -> Vectors | None:
    """The vectors of rows, of shape (rows, dim), as they are stored."""
    if not is_dense(card):
        return None
    block = np.stack([row.vector for row in rows])
    return block.astype(np.float16).astype(np.float32) if card.dtype == "float16" else block


def to_rows(records: Sequence[Record], card: Card) -> list[Row]:
    several = vectors_of(records, card)
    return [
        Row(each["row_id"], to_origin(each["asset_id"], each["origin"]), vector)
        for each, vector in zip(records, several, strict=True)
    ]


def vectors_of(records: Sequence[Record], card: Card) -> Vectors:
    """The vectors of records, of shape (records, dim)."""
    if not records:
        return np.empty((0, card.dim), np.float32)
    if is_dense(card):
        return np.array([each["v"] for each in records], np.float32)
    read = packing.bits if card.dtype == "bit" else packing.sparse
    return np.stack([read(base64.b64decode(each["packed"])) for each in records])


def dynamic(assets: Sequence[Asset | None], kinds: Kinds) -> list[Record]:
    """The fields that filters look in."""
    return [stored(asset, kinds) if asset else {} for asset in assets]


def failure_thing(failure: Failure) -> Thing:
    modified = failure.modified.isoformat() if failure.modified else None
    values = [failure.stage, failure.error, failure.size, modified]
    return Thing("", failure.uri, json.dumps(values).encode())


def to_failure(thing: Thing) -> Failure:
    stage, error, size, modified = json.loads(thing.data)
    return Failure(thing.name, stage, error, size, datetime.fromisoformat(modified) if modified else None)


def evidence_thing(asset_id: str, evidence: Evidence) -> Thing:
    pairs = sorted(evidence.items())
    numbers = np.array([number for number, _ in pairs], "<i4").tobytes()
    return Thing(asset_id, "", numbers + np.array([weight for _, weight in pairs], "<f4").tobytes())


def to_evidence(thing: Thing) -> dict[int, float]:
    count = len(thing.data) // 8
    numbers = np.frombuffer(thing.data, "<i4", count)
    weights = np.frombuffer(thing.data, "<f4", count, 4 * count)
    return dict(zip(numbers.tolist(), weights.tolist(), strict=True))


def _asset_text(asset: Asset) -> str:
    text = asset_to_text(asset)
    if len(text.encode("utf-8", "surrogatepass")) < LONGEST_TEXT:
        return text
    text = _PACKED + base64.b85encode(zlib.compress(text.encode())).decode()
    if len(text) > LONGEST_TEXT:
        raise UsageError(
            f"{asset.uri}: its metadata are longer than the 64 KB that Milvus keeps in a field; leave out a "
            "column of long texts"
        )
    return text


def _unpacked(text: str) -> str:
    return zlib.decompress(base64.b85decode(text[1:])).decode() if text.startswith(_PACKED) else text


def _packed(vector: Vector, card: Card) -> str:
    data: Any = packing.packed([vector], packing.type_of(card)).to_pylist()[0]
    text = base64.b64encode(data).decode()
    if len(text) > LONGEST_TEXT:
        raise UsageError(
            f"a row of {card.space} has more numbers than the 64 KB that Milvus keeps in a field; leave this "
            "encoder to a library in a folder"
        )
    return text
