"""When a space on Milvus gets an approximate index, and how it is searched with and without.

Milvus' own exact index (FLAT) compares every row. Where that takes too long it is IVF_FLAT: the rows in
partitions around k-means centres, their numbers as they are. It is probed to the end where a filter leaves
rows in any partition, so that no filter misleads it. Measured in docs/decisions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from findalike.store.base import Progress, SpaceStatus, is_indexable
from findalike.store.milvus_tables import Table
from findalike.types import Card

EXACT, FLAT, PARTED = "exact", "FLAT", "IVF_FLAT"
EXACT_FLOATS = 128_000_000
"""Up to so many stored numbers (rows times dim) every search is a scan."""
LEAST_PROBES = 32


@dataclass(frozen=True, slots=True)
class Index:
    """The index of a table: its kind, its partitions, and the rows that it does not cover yet."""

    kind: str = EXACT
    partitions: int = 0
    unindexed: int = 0


def index_of(table: Table) -> Index:
    found = table.index_told()
    kind = found.get("index_type", FLAT)
    pending = int(found.get("pending_index_rows", 0))
    return Index(EXACT if kind == FLAT else kind, int(found.get("nlist", 0)), max(pending, 0))


def wanted(rows: int, card: Card) -> str:
    """The kind of index that a space of this size calls for."""
    return PARTED if is_indexable(card) and rows * card.dim > EXACT_FLOATS else EXACT


def status(table: Table, card: Card) -> SpaceStatus:
    index, rows = index_of(table), table.count()
    if index.kind == EXACT:
        return SpaceStatus(rows, EXACT, rows, _due(index, rows, card))
    return SpaceStatus(rows, index.kind, index.unindexed, _due(index, rows, card))


def search_params(index: Index, limit: int, filtered: bool) -> Mapping[str, int]:
    """How much of the index a search looks into."""
    if index.kind != PARTED:
        return {}
    some = max(LEAST_PROBES, index.partitions // 8, math.isqrt(limit))
    return {"nprobe": index.partitions if filtered else min(some, index.partitions)}


def refresh(table: Table, card: Card, progress: Progress) -> None:
    """Have what was written sealed and what was deleted dropped, and build the index that the size of a space
    calls for. While an index takes the place of another, searches wait."""
    rows = table.count()
    kind = _due(index_of(table), rows, card)
    progress(f"Compacting {card.space}")
    table.compact()
    if kind:
        progress(f"Building the {kind} index of {card.space} over {rows:,} rows")
        table.rebuild(kind, {"nlist": partitions(rows)})


def partitions(rows: int) -> int:
    return min(max(1, 4 * math.isqrt(rows)), 65_536)


def _due(index: Index, rows: int, card: Card) -> str:
    kind = wanted(rows, card)
    return kind if kind not in (EXACT, index.kind) else ""
