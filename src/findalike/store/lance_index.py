"""Which index a space of so many rows calls for, and how to search through it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from lancedb.index import BTree, HnswSq, IvfRq

from findalike.store.base import Progress, SpaceStatus
from findalike.store.lance_records import ROW_COLUMNS, tree_columns
from findalike.store.lance_tables import KEEP
from findalike.types import Card, Vector

EXACT = "exact"
HNSW = "IVF_HNSW_SQ"
RQ = "IVF_RQ"

EXACT_FLOATS = 8_000_000
"""Up to so many stored numbers (rows times dim) every search is a scan."""
HNSW_ROWS = 400_000
"""Beyond so many rows one graph takes minutes to build and too much memory; partitions take over."""

SCANNED = 20_000
"""Partitions miss rows that a filter leaves; where it leaves no more than this, they are scanned."""
WITH_TREES = 10_000
"""From so many rows on, trees over the columns that are looked up pay: assets are found by id 3 times and
updated 30 times as fast, and at 200,000 rows a filter costs 1.5 ms, not 6. One takes 0.05 s to build."""
SLACK = 4
"""More candidates than asked for, so that among equal ones row ids decide."""
TIE = 1e-6
"""Distances that float32 cannot tell apart."""


@dataclass(frozen=True, slots=True)
class Index:
    """The vector index of a table: its kind, and the rows that it does not cover, which are scanned."""

    kind: str = EXACT
    rows: int = 0
    unindexed: int = 0


def wanted(rows: int, dim: int) -> str:
    """The kind of index that a space of this size calls for."""
    if rows * dim <= EXACT_FLOATS:
        return EXACT
    return HNSW if rows <= HNSW_ROWS else RQ


def index_of(table: Any) -> Index:
    """The vector index of a table at the version it is opened at."""
    rows = table.count_rows()
    for found in table.list_indices():
        if found.columns == ["vector"]:
            return Index(_KINDS.get(found.index_type, found.index_type), rows, found.num_unindexed_rows)
    return Index(EXACT, rows, rows)


def status(table: Any, dim: int) -> SpaceStatus:
    index = index_of(table)
    return SpaceStatus(index.rows, index.kind, index.unindexed, due(index, dim))


def due(index: Index, dim: int) -> str:
    """The kind of index that is to be built or refreshed, or nothing."""
    kind = wanted(index.rows, dim)
    if kind == EXACT or (kind == index.kind and index.unindexed * dim <= EXACT_FLOATS // 4):
        return ""
    return kind


def search(table: Any, target: Vector, k: int, condition: str | None) -> pa.Table:
    """The candidates for the k nearest rows that pass a condition: never fewer than min(k, those rows)."""
    index = index_of(table)
    limit = min(k + SLACK, index.rows)
    if _serves(index, table, limit, condition):
        found = _tuned(_query(table, target, limit, condition), index.kind, limit).to_arrow()
        if len(found) == limit or len(found) >= table.count_rows(condition):
            return found
    return _scanned(table, target, k, limit, condition)


def _serves(index: Index, table: Any, limit: int, condition: str | None) -> bool:
    """Whether the index is there and finds what a scan would find."""
    if index.kind == EXACT or limit * 10 > index.rows:
        return False
    return index.kind == HNSW or condition is None or table.count_rows(condition) > SCANNED


def _scanned(table: Any, target: Vector, k: int, limit: int, condition: str | None) -> pa.Table:
    while True:
        found = _query(table, target, max(limit, 1), condition).bypass_vector_index().to_arrow()
        if len(found) < limit or not _cut_through_a_tie(found, k):
            return found
        limit *= 4


def compact(table: Any, name: str, progress: Progress) -> None:
    """Merge small files, drop deleted rows and old versions, and bring the indexes there are up to date. The
    columns of a larger table that ids and filters are looked up in get a tree each."""
    progress(f"Compacting {name}")
    table.optimize(cleanup_older_than=KEEP)
    if table.count_rows() < WITH_TREES:
        return
    there = {column for index in table.list_indices() for column in index.columns}
    for column in tree_columns(table.schema):
        if column not in there:
            table.create_index(column, config=BTree())


def refresh(table: Any, card: Card, progress: Progress) -> None:
    """Build the vector index that the size of a space calls for."""
    index = index_of(table)
    kind = due(index, card.dim)
    if kind:
        progress(f"Building the {kind} index of {card.space} over {index.rows:,} rows")
        table.create_index("vector", config=_config(kind, index.rows), replace=True)


def _query(table: Any, target: Vector, limit: int, condition: str | None) -> Any:
    query = table.search(target, vector_column_name="vector").distance_type("cosine").limit(limit)
    query = query.select([*ROW_COLUMNS, "_distance"])
    return query.where(condition, prefilter=True) if condition else query


def _tuned(query: Any, kind: str, limit: int) -> Any:
    """A query with the effort that its index needs. Candidates are refined by their stored vectors."""
    if kind == HNSW:
        return query.ef(max(256, 4 * limit)).refine_factor(4)
    return query.nprobes(32).refine_factor(10)


def _cut_through_a_tie(found: pa.Table, k: int) -> bool:
    """Whether rows as near as the k-th may have been left out, so that row ids could not decide."""
    distances = found.column("_distance").to_numpy()
    return len(found) > k and bool(distances[-1] - distances[k - 1] <= TIE)


def _config(kind: str, rows: int) -> Any:
    if kind == HNSW:
        return HnswSq(distance_type="cosine", num_partitions=1, m=16, ef_construction=100)
    return IvfRq(distance_type="cosine", num_partitions=max(1, math.isqrt(rows)))


_KINDS = {"IvfHnswSq": HNSW, "IvfRq": RQ}
