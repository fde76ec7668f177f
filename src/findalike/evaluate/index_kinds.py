"""Kinds of index: each takes vectors of shape (n, dim), and whether Euclidean distance counts in place of the
cosine. All but the last are those of faiss (Johnson, Douze and Jégou 2019)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike import plugins
from findalike.errors import UsageError
from findalike.types import Vectors

Found = NDArray[np.int64]
Search = Callable[[Vectors, int], Found]
"""One query of shape (1, dim) and k to the places of what is near, best first; fewer than k end in -1."""


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """An index that is ready: how to search it with each setting, and its bytes."""

    searches: Mapping[str, Search]
    memory: int


Build = Callable[[Vectors, bool], Built]


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
        for times in (5, 20, 100):
            searches[f"{bits} bits, {times} × k ranked again"] = _again(index, rows, times)
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


def _again(index: Any, rows: Vectors, times: int) -> Search:
    """So many times k nearest by an index, ranked again by the cosines of the vectors."""

    def search(query: Vectors, k: int) -> Found:
        near: Found = index.search(query, min(times * k, len(rows)))[1][0]
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
