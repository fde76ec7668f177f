"""What a library on Milvus costs over the bare client:
`python benchmarks/milvus.py milvus://127.0.0.1:19530/bench`.

The same made-up embeddings of the default encoder (`synthetic.py`) are written through the store and by
pymilvus into a collection made by hand, in turn, batch by batch; then both get one index, searched alike,
and each query is asked of the client, of the store and of the library in turn, without a filter and with
filters that leave 10 % and 1 % of the rows. Whoever asks gets the nearest 20 with path and columns. Recall is
held against an exact scan in numpy; the library ranks otherwise on purpose (docs/decisions), so it has none.
Trust the ratios: seconds depend on what else the machine does. What was written is removed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient

import findalike
from findalike.library import Library
from findalike.query import Query, Term, parse_filter
from findalike.store import milvus_index
from findalike.store.base import Batch
from findalike.store.milvus_place import place
from findalike.types import Asset, Origin, Row, Vectors
from synthetic import CARD, Pictures

K = 20
BATCH = 2_000
FILTERS = ("", "any < 100", "any < 10")
WAYS = ("client", "store", "library")
_TAKEN = datetime(2020, 1, 1, tzinfo=UTC)
_BY_HAND = "findalike_benchmark_by_hand"


class ByHand:
    """A collection as somebody would make it who needs no more than this search."""

    def __init__(self, address: str) -> None:
        at = place(address)
        self.client = MilvusClient(at.uri, token=at.token, db_name=at.database)
        self.remove()
        schema = self.client.create_schema(auto_id=False)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
        schema.add_field("path", DataType.VARCHAR, max_length=1_000)
        schema.add_field("any", DataType.INT64)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=CARD.dim)
        self.client.create_collection(_BY_HAND, schema=schema, consistency_level="Session")

    def write(self, assets: Sequence[Asset], vectors: Vectors) -> None:
        columns = ({"id": a.id, "path": a.uri, "any": a.metadata["any"]} for a in assets)
        self.client.upsert(_BY_HAND, [{**one, "v": v} for one, v in zip(columns, vectors, strict=True)])

    def build(self, kind: str, params: dict[str, int]) -> None:
        self.client.flush(_BY_HAND)
        index = self.client.prepare_index_params()
        index.add_index("v", index_type=kind, metric_type="COSINE", params=params)
        self.client.create_index(_BY_HAND, index)
        self.client.load_collection(_BY_HAND)

    def search(self, vector: Any, where: str, params: dict[str, int]) -> list[str]:
        (found,) = self.client.search(
            _BY_HAND,
            data=[vector],
            filter=where,
            limit=K,
            output_fields=["path", "any"],
            search_params={"metric_type": "COSINE", "params": params},
        )
        return [hit["id"] for hit in found]

    def remove(self) -> None:
        if self.client.has_collection(_BY_HAND):
            self.client.drop_collection(_BY_HAND)


def main() -> None:
    options = _options()
    pictures = Pictures(options.rows)
    vectors = pictures.vectors(0, options.rows)
    queries = pictures.vectors(options.rows, options.rows + options.queries)
    numbers = np.random.default_rng(0).integers(0, 1_000, options.rows)
    by_hand = ByHand(options.address)
    with findalike.open(options.address) as library:
        report: dict[str, Any] = {"rows": options.rows, "dim": CARD.dim, "server": options.address}
        try:
            report |= write(library, by_hand, vectors, numbers)
            report |= build(library, by_hand, options.rows)
            report["searches"] = [search(library, by_hand, vectors, numbers, queries, w) for w in FILTERS]
        finally:
            by_hand.remove()
            _clear(library)
    show(report)
    if options.json:
        print(json.dumps(report))


def write(library: Library, by_hand: ByHand, vectors: Vectors, numbers: Any) -> dict[str, Any]:
    """Rows in a second: the store's with assets, and each batch durable when it returns."""
    library.store.add_card(CARD)
    seconds: dict[str, list[float]] = {"store": [], "client": []}
    for start in range(0, len(vectors), BATCH):
        end = min(start + BATCH, len(vectors))
        assets = [_asset(n, int(numbers[n])) for n in range(start, end)]
        rows = [Row(a.id, Origin(a.id), v) for a, v in zip(assets, vectors[start:end], strict=True)]
        thumbnails = {asset.id: bytes(500) for asset in assets}
        batch = Batch(assets, {CARD.space: rows}, thumbnails)
        seconds["store"].append(_timed(lambda batch=batch: library.store.write(batch))[0])
        part = vectors[start:end]
        seconds["client"].append(_timed(lambda a=assets, part=part: by_hand.write(a, part))[0])
    rates = {way: round(len(vectors) / sum(several)) for way, several in seconds.items()}
    return {"rows_a_second": rates, "write_ratio": round(rates["store"] / rates["client"], 2)}


def build(library: Library, by_hand: ByHand, rows: int) -> dict[str, Any]:
    mine, _ = _timed(library.optimize)
    index = library.store.status()[CARD.space].index
    parts = milvus_index.partitions(rows)
    kind, params = ("FLAT", {}) if index == milvus_index.EXACT else (index, {"nlist": parts})
    other, _ = _timed(lambda: by_hand.build(kind, params))
    return {"index": index, "optimize_s": round(mine, 1), "by_hand_s": round(other, 1)}


def search(
    library: Library,
    by_hand: ByHand,
    vectors: Vectors,
    numbers: Any,
    queries: Vectors,
    where: str,
) -> dict[str, Any]:
    """Milliseconds of each way, and the recall of all."""
    tree = parse_filter(where) if where else None
    kind = library.store.status()[CARD.space].index
    index = milvus_index.Index(kind, milvus_index.partitions(len(vectors)))
    alike = dict(milvus_index.search_params(index, K, bool(where)))
    asked: dict[str, Callable[[Any], list[str]]] = {
        "client": lambda v: by_hand.search(v, where, alike),
        "store": lambda v: [m.asset.id for m in library.store.nearest(CARD.space, v, K, tree)],
        "library": lambda v: [
            hit.asset.id for hit in library.search(Query((Term(v, "vector"),), where or None, CARD.name, K))
        ],
    }
    passing = np.flatnonzero(numbers < int(where.split()[-1])) if where else np.arange(len(vectors))
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    right = dict.fromkeys(WAYS[:2], 0)
    for way in WAYS:
        asked[way](queries[0])
    for query in queries:
        best = {f"{n:032x}" for n in passing[np.argsort(-(vectors[passing] @ query))[:K]]}
        for way in WAYS:
            took, found = _timed(lambda way=way, query=query: asked[way](query))
            seconds[way].append(took)
            if way in right:
                right[way] += len(best & set(found))
    medians = {way: round(1000 * float(np.median(several)), 2) for way, several in seconds.items()}
    return {
        "filter": where or "none",
        "passing": len(passing),
        "ms": medians,
        "ratio": {way: round(medians[way] / medians["client"], 2) for way in WAYS[1:]},
        "recall": {way: round(n / len(queries) / min(K, len(passing)), 4) for way, n in right.items()},
    }


def show(report: dict[str, Any]) -> None:
    for name, value in report.items():
        if name != "searches":
            print(f"{name:>14}  {value}")
    print(
        f"{'filter':>14} {'rows':>8}"
        + "".join(f"{way + ' ms':>12}" for way in WAYS)
        + "   ratios       recall"
    )
    for one in report["searches"]:
        times = "".join(f"{one['ms'][way]:>12}" for way in WAYS)
        ratios = " ".join(f"{ratio:5.2f}" for ratio in one["ratio"].values())
        recall = " ".join(f"{share:.4f}" for share in one["recall"].values())
        print(f"{one['filter']:>14} {one['passing']:>8,}{times}  {ratios}  {recall}")


def _asset(number: int, any_: int) -> Asset:
    uri = f"/home/someone/Pictures/{2000 + number // 9_000}/{number // 300:04d}/IMG_{number:07d}.jpg"
    metadata = {"any": any_, "width": 4_000, "height": 3_000}
    return Asset(uri, 3_000_000 + number, _TAKEN, f"{number:032x}", "image/jpeg", f"{number:064x}", metadata)


def _clear(library: Library) -> None:
    library.store.remove([asset.id for asset in library.store.assets()])
    for space in list(library.store.cards()):
        library.store.remove_space(space)


def _timed(ask: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    answer = ask()
    return time.perf_counter() - began, answer


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("address", help="of a library that is not there yet")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
