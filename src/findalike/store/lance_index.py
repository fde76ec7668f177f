"""When a space gets an index, and how it is searched with and without.

The index is IVF: the rows in √N partitions around k-means centres, their numbers quantised to a byte each
(IVF_SQ), or in long vectors to four bits (IVF_RQ: RaBitQ, Gao and Long 2024). A search scores the rows of the
nearest partitions and ranks the best again by their stored vectors. Beside a graph (HNSW) it is as fast here,
builds in a quarter of the time, can be probed to the end, so that a filter never misleads it, and has no part
that a search cannot reach. Measured in docs/decisions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from lancedb.index import BTree, IvfRq, IvfSq, LabelList

from findalike.store import lance_text
from findalike.store.base import Progress, SpaceStatus, is_indexable
from findalike.store.lance_filter import TAG_KEYS
from findalike.store.lance_records import MATCH_COLUMNS, tree_columns
from findalike.store.lance_snapshot import Snapshot
from findalike.store.lance_tables import KEEP
from findalike.types import Card, Vector

EXACT = "exact"
BYTES, BITS = "IVF_SQ", "IVF_RQ"
_KINDS = {"IvfSq": BYTES, "IvfRq": BITS}

EXACT_FLOATS = 12_000_000
"""Up to so many stored numbers (rows times dim) every search is a scan, which takes no longer."""
NEW_FLOATS = 1_000_000
"""So many numbers may be stored since the index was built: each search scans them beside it."""
SEGMENTS = 4
"""New rows go into segments of the index. With more than this, each of them searched, it is built anew."""
WITH_TREES = 10_000
"""From so many rows on, trees over the columns that are looked up pay: assets are found by id 3 times and
updated 30 times as fast, and at 200,000 rows a filter costs 1.5 ms, not 6. One takes 0.05 s to build."""
LEAST_PROBES = 256
PROBED = 0.55
"""How many partitions a search without a filter looks into at least, and the share of them beyond. Among a
million vectors that lie as real ones do, a third of the partitions holds .955 of the answers, this share .987
(docs/growing.md)."""
ALL_PROBES = 2**16
"""More than any table has."""
MANY_NUMBERS = 512
"""From so many numbers in a vector on, four bits for each rank as well as a byte, in half the memory."""
TRAINED = 10
SAMPLED = 64
"""Rounds of k-means that place the centres, and rows that are looked at for each centre: a twentieth of the
work of LanceDB's own 50 and 256, which find as much. Of a million long vectors it is most of a build."""
REFINE = 2
"""So many times the candidates asked for are ranked again by their stored vectors."""
SLACK = 4
"""More candidates than asked for, so that among equal ones row ids decide."""
TIE = 1e-6
"""Distances that float32 cannot tell apart."""


@dataclass(frozen=True, slots=True)
class Index:
    """The vector index of a table: its kind, the rows that it does not cover, and its segments."""

    kind: str = EXACT
    rows: int = 0
    unindexed: int = 0
    segments: int = 0


def wanted(rows: int, card: Card) -> str:
    """The kind of index that a space of this size calls for."""
    if not is_indexable(card) or rows * card.dim <= EXACT_FLOATS:
        return EXACT
    return BITS if card.dim >= MANY_NUMBERS else BYTES


def index_of(table: Any) -> Index:
    """The vector index of a table at the version it is opened at."""
    rows = table.count_rows()
    for found in table.list_indices():
        if found.columns == ["vector"]:
            kind = _KINDS.get(found.index_type, found.index_type)
            return Index(kind, rows, found.num_unindexed_rows, found.num_segments)
    return Index(EXACT, rows, rows)


def status(table: Any, card: Card) -> SpaceStatus:
    index = index_of(table)
    return SpaceStatus(index.rows, index.kind, index.unindexed, due(index, card))


def due(index: Index, card: Card) -> str:
    """The kind of index that is to be built or refreshed, or nothing."""
    kind = wanted(index.rows, card)
    fresh = index.kind == kind and index.unindexed * card.dim <= NEW_FLOATS and index.segments <= SEGMENTS
    return "" if kind == EXACT or fresh else kind


def search(rows: Snapshot, target: Vector, k: int, condition: str | None) -> pa.Table:
    """The candidates for the k nearest rows that pass a condition: never fewer than min(k, those rows), and
    with all that are as near as the k-th, so that row ids can decide among those."""
    index = rows.once(index_of)
    limit = min(k + SLACK, max(index.rows, 1))
    while True:
        found = _candidates(rows.table, index, target, limit, condition)
        if len(found) < limit or not _cut_through_a_tie(found, k):
            return found
        limit *= 4


def _candidates(table: Any, index: Index, target: Vector, limit: int, condition: str | None) -> pa.Table:
    query = _query(table, target, limit, condition)
    if index.kind == EXACT or limit * 10 > index.rows:
        return query.bypass_vector_index().to_arrow()
    found = query.nprobes(_probes(index, condition)).refine_factor(REFINE).to_arrow()
    if len(found) == limit or len(found) == table.count_rows(condition):
        return found
    return _query(table, target, limit, condition).bypass_vector_index().to_arrow()


def _probes(index: Index, condition: str | None) -> int:
    """Partitions to look into. The rows that a filter leaves may lie in any of them, so then it is all."""
    return ALL_PROBES if condition else max(LEAST_PROBES, int(PROBED * _partitions(index.rows)))


def _partitions(rows: int) -> int:
    return max(1, math.isqrt(rows))


def compact(table: Any, name: str, progress: Progress, patience: int = 2) -> None:
    """Merge small files, drop deleted rows and old versions, and bring the indexes there are up to date. The
    columns of a larger table that ids and filters are looked up in get a tree each.

    It may write the whole table again, so it waits for that many small files, for a tenth of the rows to be
    deleted or for texts that searches must read, unless one file is all there is.
    """
    stats = table.stats()
    files = stats["fragment_stats"]
    deleted = files["lengths"]["mean"] * files["num_fragments"] - stats["num_rows"]
    small = files["num_small_fragments"] >= patience
    fresh = lance_text.unindexed(table) > lance_text.FRESH
    if files["num_fragments"] == 1 or small or fresh or deleted * 10 > stats["num_rows"]:
        progress(f"Compacting {name}")
        table.optimize(cleanup_older_than=KEEP)
    if table.count_rows() < WITH_TREES:
        return
    there = {column for index in table.list_indices() for column in index.columns}
    for column in tree_columns(table.schema):
        if column not in there:
            table.create_index(column, config=BTree())
    if TAG_KEYS in table.schema.names and TAG_KEYS not in there:
        table.create_index(TAG_KEYS, config=LabelList())


def refresh(table: Any, card: Card, progress: Progress) -> None:
    """Build the vector index that the size of a space calls for, or add new rows to it."""
    index = index_of(table)
    kind = due(index, card)
    if kind and kind == index.kind and index.segments <= SEGMENTS:
        progress(f"Adding {index.unindexed:,} rows to the {kind} index of {card.space}")
        table.optimize(cleanup_older_than=KEEP)
    elif kind:
        progress(f"Building the {kind} index of {card.space} over {index.rows:,} rows")
        table.create_index("vector", config=_config(kind, _partitions(index.rows)), replace=True)


def _config(kind: str, partitions: int) -> IvfSq | IvfRq:
    training = {"max_iterations": TRAINED, "sample_rate": SAMPLED}
    if kind == BYTES:
        return IvfSq("cosine", partitions, **training)
    return IvfRq("cosine", partitions, num_bits=4, **training)


def _query(table: Any, target: Vector, limit: int, condition: str | None) -> Any:
    query = table.search(target, vector_column_name="vector").distance_type("cosine").limit(limit)
    query = query.select([*MATCH_COLUMNS, "_distance"])
    return query.where(condition, prefilter=True) if condition else query


def _cut_through_a_tie(found: pa.Table, k: int) -> bool:
    """Whether rows as near as the k-th may have been left out, so that row ids could not decide."""
    distances = found.column("_distance").to_numpy()
    return len(found) > k and bool(distances[-1] - distances[k - 1] <= TIE)
