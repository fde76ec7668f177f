"""How fast a library moves: `python benchmarks/moving.py --pictures 50000 --milvus 127.0.0.1:19530`.

Makes a library of random unit vectors in two spaces (--dim numbers in 16 bits, and 64 in 32 bits), with
thumbnails, tags, two columns and evidence, and measures by turns, in rows of vectors a second:

- reading alone: all batches of the source, which nobody uses;
- the copy into another folder, into Parquet files, from them, and to a Milvus server where one is named;
- writing alone: the same batches, held in memory, into the same store; and to Milvus the bare vectors with
  their ids and no other field, sent by pymilvus as arrays in requests of 4,096.

The second rate counts the seconds that processors worked for this process, its threads together: it depends
less on what else the machine does, and leaves out what a server works. Trust the ratios. Optimizing and the
proof are not in the rates; the proof's time is printed beside.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from findalike import plugins, settings, transfer
from findalike.library import store_at
from findalike.store.base import Batch, Store
from findalike.store.lance import LanceStore
from findalike.transfer import Copied
from findalike.transfer.contents import StoreContents
from findalike.types import Asset, Bank, Card, Concept, Origin, Row

BATCH = 2_000
REQUEST = 4_096
THUMBNAIL = 4_000  # bytes
BANK = Bank("things", "1", tuple(Concept(f"thing {n}") for n in range(500)))

Figures = tuple[str, dict[str, Any]]


def main() -> None:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="findalike-copy-", dir=options.folder))
    try:
        for name, figures in measured(folder, options):
            rate = f"{figures['rows_per_s']:>7,} rows/s {figures['rows_per_busy_s']:>7,} rows/busy s"
            print(f"{name:32} {rate}{_proof(figures)}", flush=True)
            if options.json:
                with options.json.open("a") as file:
                    file.write(json.dumps({"name": name, **figures}) + "\n")
    finally:
        shutil.rmtree(folder)


def measured(folder: Path, options: argparse.Namespace) -> Iterator[Figures]:
    source, other, files = (folder / name for name in ("source", "copy", "files"))
    rows = 2 * options.pictures
    with closing(LanceStore(source, "a")) as store:
        yield "writing alone into a folder", timed(rows, partial(build, store, options))
        store.optimize()
    for _ in range(options.rounds):
        with closing(LanceStore(source)) as store:
            yield "reading alone", timed(rows, partial(read, store))
        yield "folder to folder", copied(partial(transfer.copy, source, other, queries=0))
        shutil.rmtree(other)
        yield "folder to Parquet", copied(partial(transfer.export, source, files))
        yield "Parquet to folder", copied(partial(transfer.import_, files, other))
        shutil.rmtree(other)
        shutil.rmtree(files)
        if options.milvus:
            yield from to_milvus(source, rows, options)


def to_milvus(source: Path, rows: int, options: argparse.Namespace) -> Iterator[Figures]:
    address = f"milvus://{options.milvus}/benchmark-{time.time_ns()}"
    with closing(LanceStore(source)) as store:
        batches, cards = list(StoreContents(store).batches()), list(store.cards().values())
    yield "pymilvus alone, bare vectors", timed(rows, partial(bare, options.milvus, batches, cards))
    target, _ = store_at(f"{address}-alone", "a", settings.default())
    with closing(target), target.locked(0):
        for card in cards:
            target.add_card(card)
        target.add_bank(BANK)
        yield "writing alone to Milvus", timed(rows, partial(write, target, batches))
    batches.clear()
    yield "folder to Milvus", copied(partial(transfer.copy, source, address))


def write(target: Store, batches: list[Batch]) -> None:
    for batch in batches:
        target.write(batch)


def read(store: Store) -> None:
    for _ in StoreContents(store).batches():
        pass


def bare(place: str, batches: list[Batch], cards: list[Card]) -> None:
    """Ids and vectors into a collection for each space, as pymilvus sends them."""
    pymilvus = plugins.on_use("pymilvus", "findalike[milvus]")
    with closing(pymilvus.MilvusClient(f"http://{place}")) as client:
        for number, card in enumerate(cards):
            name = f"bare_{time.time_ns()}_{number}"
            schema = client.create_schema(auto_id=False)
            schema.add_field("id", pymilvus.DataType.VARCHAR, is_primary=True, max_length=64)
            schema.add_field("vector", pymilvus.DataType.FLOAT_VECTOR, dim=card.dim)
            client.create_collection(name, schema=schema)
            rows = [row for batch in batches for row in batch.rows[card.space]]
            for start in range(0, len(rows), REQUEST):
                some = rows[start : start + REQUEST]
                client.insert(name, [{"id": row.id, "vector": row.vector} for row in some])
            client.drop_collection(name)


def build(store: Store, options: argparse.Namespace) -> None:
    cards = [Card("bench", "1", options.dim, dtype="float16"), Card("colour", "1", 64)]
    for card in cards:
        store.add_card(card)
    store.add_bank(BANK)
    random = np.random.default_rng(7)
    for start in range(0, options.pictures, BATCH):
        store.write(made(range(start, min(start + BATCH, options.pictures)), cards, random))


def made(numbers: range, cards: list[Card], random: np.random.Generator) -> Batch:
    assets = [asset(number) for number in numbers]
    rows = {}
    for card in cards:
        vectors = random.standard_normal((len(numbers), card.dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        pairs = zip(assets, vectors, strict=True)
        rows[card.space] = [Row(f"{a.id}:whole", Origin(a.id), vector) for a, vector in pairs]
    shown = random.integers(0, len(BANK.concepts), (len(numbers), 5)).tolist()
    evidence = {a.id: dict.fromkeys(several, 0.5) for a, several in zip(assets, shown, strict=True)}
    thumbnails = {a.id: random.bytes(THUMBNAIL) for a in assets}
    return Batch(assets, rows, thumbnails, evidence={BANK.name: evidence})


def asset(number: int) -> Asset:
    return Asset(
        uri=f"/pictures/{number // 500}/img{number}.jpg",
        size=1_000 + number,
        modified=datetime(2020, 1, 1, tzinfo=UTC),
        id=f"asset{number:08d}",
        media="image/jpeg",
        sha256=f"{number:064x}",
        metadata={"width": number % 4_000, "caption": f"word{number % 997} thing"},
        tags=(f"thing {number % 500}",),
    )


def timed(rows: int, work: Callable[[], object]) -> dict[str, Any]:
    began, busy = time.perf_counter(), time.process_time()
    work()
    took, busy = time.perf_counter() - began, time.process_time() - busy
    return rates(rows, took, busy)


def rates(rows: int, took: float, busy: float) -> dict[str, Any]:
    return {
        "rows_per_s": round(rows / took),
        "seconds": round(took, 2),
        "rows_per_busy_s": round(rows / busy),
    }


def copied(work: Callable[..., Copied]) -> dict[str, Any]:
    """The time until the last picture has come, and that of the comparison."""
    seen: dict[str, list[tuple[float, float]]] = {}

    def watch(phase: str, done: int, total: int) -> None:
        seen.setdefault(phase, []).append((time.perf_counter(), time.process_time()))

    began, idle = time.perf_counter(), time.process_time()
    done = work(watch=watch)
    if not done.proof.whole:
        raise SystemExit(f"not the same: {', '.join(done.proof.differing)}")
    (ended, busy), proving = seen["copying"][-1], seen["proving"]
    return {
        **rates(done.rows, ended - began, busy - idle),
        "proof_s": round(proving[-1][0] - proving[0][0], 2),
        "overlap": [round(each.overlap, 4) for each in done.proof.answers],
    }


def _proof(figures: dict[str, Any]) -> str:
    if "proof_s" not in figures:
        return ""
    overlap = f", overlap {figures['overlap']}" if figures["overlap"] else ""
    return f"  compared in {figures['proof_s']:.1f} s{overlap}"


def _options() -> argparse.Namespace:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--pictures", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--milvus", metavar="HOST:PORT", help="a server to copy to")
    parser.add_argument("--folder", type=Path, help="where to make the libraries; else a temporary folder")
    parser.add_argument("--json", type=Path, help="a file that figures are added to, one line each")
    return parser.parse_args()


if __name__ == "__main__":
    main()
