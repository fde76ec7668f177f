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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike import distance, plugins
from findalike.errors import ExtraMissing, UsageError
from findalike.evaluate.report import Table
from findalike.library import Library
from findalike.types import Card, Vectors

LEAST = 50
"""Rows below which there is nothing to compare."""

SMALL = 12_000_000
"""Stored numbers up to which a scan is about as fast as anything: see `store/lance_index.py`."""

QUERIES = 200
Found = NDArray[np.int64]
Search = Callable[[Vectors, int], Found]
"""One query of shape (1, dim) and k to the places of what is near, best first; fewer than k end in -1."""


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
class Built:
    """An index that is ready: how to search it with each setting, and its bytes."""

    searches: Mapping[str, Search]
    memory: int


Build = Callable[[Vectors, bool], Built]


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
        raise UsageError(f"{card.space} has {len(vectors):,} rows; to compare indexes takes {LEAST} or more")
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


# Kinds: vectors of shape (n, dim) and whether Euclidean distance counts, to an index. All but the last are
# those of faiss (Johnson, Douze and Jégou 2019).


def exact(rows: Vectors, euclidean: bool) -> Built:
    """A scan of all rows."""
    faiss = _faiss()
    index = faiss.IndexFlatL2(rows.shape[1]) if euclidean else faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return Built({"": _plain(index)}, _bytes(index))


def hnsw(rows: Vectors, euclidean: bool) -> Built:
    """A graph of neighbours in layers (Malkov and Yashunin 2018)."""
    faiss = _faiss()
    index = faiss.IndexHNSWFlat(rows.shape[1], 16, _metric(euclidean))
    index.hnsw.efConstruction = 100
    index.add(rows)

    def at(ef: int) -> Search:
        options = faiss.SearchParametersHNSW(efSearch=ef)
        return lambda query, k: index.search(query, k, params=options)[1][0]

    return Built({f"ef {ef}": at(ef) for ef in (8, 16, 32, 64, 128, 256)}, _bytes(index))


def ivf(rows: Vectors, euclidean: bool) -> Built:
    """Rows in √n partitions around k-means centres, of which the nearest few are scanned (Sivic and Zisserman
    2003; Jégou, Douze and Schmid 2011)."""
    faiss = _faiss()
    partitions = max(1, round(len(rows) ** 0.5))
    flat = faiss.IndexFlatL2(rows.shape[1]) if euclidean else faiss.IndexFlatIP(rows.shape[1])
    index = faiss.IndexIVFFlat(flat, rows.shape[1], partitions, _metric(euclidean))
    index.cp.min_points_per_centroid = 1  # small libraries are trained with what there is
    index.train(rows)
    index.add(rows)

    def at(probes: int) -> Search:
        options = faiss.SearchParametersIVF(nprobe=probes)
        return lambda query, k: index.search(query, k, params=options)[1][0]

    probes = [n for n in (1, 2, 4, 8, 16, 32, 64) if n < partitions] or [1]
    return Built({f"{n} of {partitions} partitions": at(n) for n in probes}, _bytes(index))


def lsh(rows: Vectors, euclidean: bool) -> Built:
    """A bit for the side of each random hyperplane that a row lies on (Charikar 2002); the nearest by bits
    are ranked again by their vectors."""
    if euclidean:
        raise UsageError("hyperplanes part directions, and this space compares by Euclidean distance")
    faiss = _faiss()
    searches: dict[str, Search] = {}
    memory = 0
    for bits in (256, 1024):
        index = faiss.IndexLSH(rows.shape[1], bits, True, False)
        index.add(rows)
        memory = _bytes(index) + rows.nbytes
        for candidates in (50, 200, 1_000):
            if candidates < len(rows):
                searches[f"{bits} bits, {candidates:,} ranked again"] = _again(index, rows, candidates)
    return Built(searches, memory)


def annoy(rows: Vectors, euclidean: bool) -> Built:
    """Trees of random splits between two rows (Bernhardsson 2013), when the package `annoy` is installed."""
    package = plugins.on_use("annoy", "annoy")
    index = package.AnnoyIndex(rows.shape[1], "euclidean" if euclidean else "angular")
    index.set_seed(0)
    for place, row in enumerate(rows):
        index.add_item(place, row)
    trees = 50
    index.build(trees, n_jobs=1)

    def at(nodes: int) -> Search:
        return lambda query, k: np.array(index.get_nns_by_vector(query[0], k, search_k=nodes), np.int64)

    return Built({f"{trees} trees, {n:,} nodes": at(n) for n in (200, 1_000, 5_000, 20_000)}, 0)


def _plain(index: Any) -> Search:
    return lambda query, k: index.search(query, k)[1][0]


def _again(index: Any, rows: Vectors, candidates: int) -> Search:
    """The nearest by an index, ranked again by the cosines of the vectors."""

    def search(query: Vectors, k: int) -> Found:
        near: Found = index.search(query, candidates)[1][0]
        return near[np.argsort(-(rows[near] @ query[0]), kind="stable")[:k]]

    return search


def _faiss() -> Any:
    faiss = plugins.on_use("faiss", "findalike[mirror]")
    faiss.omp_set_num_threads(1)  # a search asks one query at a time, which threads share badly
    return faiss


def _metric(euclidean: bool) -> int:
    faiss = _faiss()
    return int(faiss.METRIC_L2 if euclidean else faiss.METRIC_INNER_PRODUCT)


def _bytes(index: Any) -> int:
    """What an index takes when it is written, which is what it takes in memory but for a little."""
    return int(_faiss().serialize_index(index).nbytes)


KINDS: Mapping[str, Build] = {"exact": exact, "HNSW": hnsw, "IVF": ivf, "LSH": lsh, "Annoy": annoy}


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
