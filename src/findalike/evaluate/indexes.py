"""Ways to find the nearest rows, on the user's own vectors: how much each finds of what is nearest, how fast,
and in how much memory.

Some of the stored rows are held out as queries. Queries are asked one at a time on one thread, as a search
asks. An index is told apart from its settings: a `Kind` builds once, and is searched with each of its
`sweep`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from findalike import distance, plugins
from findalike.errors import ExtraMissing, UsageError
from findalike.evaluate.index_kinds import KINDS, Found, Search
from findalike.evaluate.report import Table
from findalike.library import Library
from findalike.types import Card, Vectors

LEAST = 50
"""Rows below which there is nothing to compare."""

SMALL = 12_000_000
"""Stored numbers up to which a scan is about as fast as anything: see `store/lance_index.py`."""

QUERIES = 200


@dataclass(frozen=True, slots=True)
class Point:
    """One index with one setting. `recall` is the share of the k nearest that it finds, `query_ms` the median
    of its queries, `memory` in bytes (0 where it cannot be told)."""

    kind: str
    setting: str
    recall: float
    query_ms: float
    build_s: float
    memory: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared: `rows` are those indexed, `skipped` says which kinds were left out and why."""

    space: str
    rows: int
    dim: int
    queries: int
    k: int
    points: tuple[Point, ...]
    skipped: Mapping[str, str]

    @property
    def advice(self) -> str:
        """What to make of it, in a sentence."""
        if self.rows * self.dim <= SMALL:
            return (
                f"{self.rows:,} rows of {self.dim:,} numbers are few: exact search finds all and is fast "
                "enough, so no index is needed."
            )
        exact = next((p for p in self.points if p.kind == "exact"), self.points[0])
        good = [p for p in self.points if p.recall >= 0.95 and p.query_ms < exact.query_ms]
        if not good:
            return "None finds 95 % faster than exact search: stay with exact."
        best = min(good, key=lambda p: p.query_ms)
        return (
            f"{best.kind} ({best.setting}) finds {best.recall:.1%} in {best.query_ms:.2f} ms, "
            f"{exact.query_ms / best.query_ms:.1f} times as fast as exact search."
        )


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Places of the rows that are indexed, and of those that are asked with."""

    rows: Found
    queries: Found


def compare(
    library: Library,
    card: Card,
    k: int = 10,
    seed: int = 0,
    watch: Callable[[str], None] = lambda kind: None,
) -> Comparison:
    """Compare all kinds that are installed. Raises UsageError for a space that none of them can hold, or of
    too few rows, ExtraMissing without faiss."""
    if card.metric not in (distance.COSINE, distance.EUCLIDEAN) or card.dtype in ("sparse", "bit"):
        raise UsageError(
            f"{card.space} compares {card.dtype} numbers by {card.metric}; indexes are compared on dense "
            "vectors by cosine or Euclidean distance: name another space with --encoder"
        )
    plugins.on_use("faiss", "findalike[mirror]")
    vectors, ids = _stored(library, card)
    if len(vectors) < LEAST:
        count = f"{len(vectors):,} {'row' if len(vectors) == 1 else 'rows'}"
        raise UsageError(f"{card.space} has {count}; to compare indexes takes {LEAST} or more")
    split = _held_out(len(vectors), seed)
    rows, queries = (np.ascontiguousarray(vectors[places]) for places in (split.rows, split.queries))
    nearest = _nearest(card.metric, rows, queries, k)
    points, skipped = [], {}
    for name, build in KINDS.items():
        watch(name)
        started = time.perf_counter()
        try:
            built = build(rows, card.metric == distance.EUCLIDEAN)
        except (ExtraMissing, UsageError) as error:
            skipped[name] = str(error)
            continue
        seconds = time.perf_counter() - started
        for setting, search in built.searches.items():
            points.append(Point(name, setting, *_asked(search, queries, nearest, k), seconds, built.memory))
    watch("the library")
    search, index = _of_library(library, card, ids, split)
    points.append(Point("library", f"{index}, with its files", *_asked(search, queries, nearest, k), 0, 0))
    return Comparison(card.space, len(rows), card.dim, len(queries), k, tuple(points), skipped)


def _stored(library: Library, card: Card) -> tuple[Vectors, list[str]]:
    """Vectors, of unit length where directions are compared, and the ids of their rows."""
    found, ids = [], []
    every = sorted(library.store.encoded(card.space))
    for start in range(0, len(every), 1_000):
        rows = library.store.rows(card.space, every[start : start + 1_000])
        found += [row.vector for row in rows]
        ids += [row.id for row in rows]
    vectors = np.stack(found).astype(np.float32) if found else np.zeros((0, card.dim), np.float32)
    if card.metric == distance.COSINE:
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    return vectors, ids


def _held_out(rows: int, seed: int) -> Split:
    """Places of rows to index, and of rows to ask with, a tenth of all at most."""
    order = np.random.default_rng(seed).permutation(rows)
    asked = min(QUERIES, rows // 10)
    return Split(np.sort(order[asked:]), order[:asked])


def _nearest(metric: str, rows: Vectors, queries: Vectors, k: int) -> list[frozenset[int]]:
    """The places of the k nearest rows to each query, by the metric itself."""
    alike = (distance.similarity(metric, rows, query) for query in queries)
    return [frozenset(np.argsort(-values, kind="stable")[:k].tolist()) for values in alike]


def _asked(
    search: Search, queries: Vectors, nearest: Sequence[frozenset[int]], k: int
) -> tuple[float, float]:
    """Recall, and the median milliseconds of a query, after one that warms up."""
    seconds, recalls = [], []
    search(queries[:1], k)
    for query, wanted in zip(queries, nearest, strict=True):
        started = time.perf_counter()
        places = search(query[None], k)
        seconds.append(time.perf_counter() - started)
        recalls.append(len(wanted & set(places.tolist())) / len(wanted))
    return float(np.mean(recalls)), float(np.median(seconds) * 1000)


def _of_library(library: Library, card: Card, ids: Sequence[str], split: Split) -> tuple[Search, str]:
    """The store's own search, with all that it fetches, and the kind of its index. It holds the queries, too:
    those are passed over, and more are asked for while any stand in the way."""
    place = {ids[row]: i for i, row in enumerate(split.rows)}

    def search(query: Vectors, k: int) -> Found:
        asked = k + 5
        while True:
            found = library.store.nearest(card.space, query[0], asked)
            near = [place[match.row.id] for match in found if match.row.id in place]
            if len(near) >= k or len(found) < asked:
                return np.array(near[:k], np.int64)
            asked *= 2

    return search, library.store.status()[card.space].index


def table(found: Comparison) -> Table:
    """A row for each point."""
    rows = [
        (
            point.kind,
            point.setting,
            f"{point.recall:.3f}",
            f"{point.query_ms:.3f}",
            f"{point.build_s:.2f}" if point.build_s else "–",
            f"{point.memory / 2**20:,.1f}" if point.memory else "–",
        )
        for point in found.points
    ]
    head = ("index", "setting", f"recall@{found.k}", "query ms", "build s", "MiB")
    return Table("", head, tuple(rows))
