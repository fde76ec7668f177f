"""How long a search takes in an open library, and in how much memory.

    python benchmarks/query.py --rows 200000

The rows are made up, with the statistics that `benchmarks/store.py` describes, in the space of the default
encoder, and searched through `Library.search`: by a vector (all that a query costs beyond encoding it), by a
picture that has to be encoded, by the id of an asset, by words, and with a filter. The yardstick of the same
run is a scan of all vectors in numpy. Of a search by words, what the store takes is told from the rest, which
reads the words and scores. Searches run in a process of their own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

import findalike
from findalike.encode import catalog
from findalike.query import Term
from store import build, clustered

TEXTS = (
    "dog", "a red car", "two boys playing in the snow", "musical instrument", "a woman with a hat",
    "fruit", "a brown dog runs through the grass", "bridge",
)  # fmt: skip

CARD = catalog.find("efficientnet-lite0", "int8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    vectors, queries, columns = clustered(options.rows, CARD.dim, options.queries, 0)
    with tempfile.TemporaryDirectory() as folder:
        built = build(Path(folder) / "library", CARD, vectors, columns)
        with findalike.open(Path(folder) / "library") as library:
            library.optimize()  # `build` ends with some rows written again
        report: dict[str, Any] = {
            "rows": options.rows,
            **{k: built[k] for k in ("write_s", "optimize_s", "disk_mb")},
        }
        report["numpy scan p50 ms"] = median_ms(vectors.__matmul__, queries[:20])
        del vectors
        picture = Path(folder) / "picture.jpg"
        noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC).save(picture)
        spawn = multiprocessing.get_context("spawn")
        with spawn.Pool(1) as pool:
            report |= pool.apply(searched, (str(Path(folder) / "library"), queries, str(picture)))
    for name, value in report.items():
        print(f"{name:36} {value:,.1f}" if isinstance(value, float) else f"{name:36} {value}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def searched(path: str, queries: np.ndarray, picture: str) -> dict[str, float]:
    with findalike.open(path, "r") as library:
        terms = [Term(query, "vector") for query in queries]
        library.search(terms[0])
        ids = [hit.asset.id for hit in library.search(terms[1], k=20)]
        found = {
            "by vector p50 ms (target 12)": median_ms(library.search, terms),
            "by vector, 1 % filter, p50 ms": median_ms(lambda t: library.search(t, where="any < 10"), terms),
            "by id p50 ms": median_ms(lambda i: library.search(f"id:{i}"), ids),
            "by picture p50 ms": median_ms(lambda _: library.search(picture), ids),
        }
        found |= worded(library)
        found["memory MiB (target 700)"] = psutil.Process().memory_info().rss / 2**20
        return found


def worded(library: findalike.Library) -> dict[str, float]:
    """Searches by words, with and without the time inside the store."""
    store = Timed(library.store)
    with findalike.open(library.path, "r") as opened:
        opened.store = opened._shelves._store = store  # type: ignore[assignment]
        started = time.perf_counter()
        opened.search(text="dog")
        found = {"by words, the first, ms": (time.perf_counter() - started) * 1000}
        whole, outside = [], []
        for text in TEXTS * 5:
            store.seconds = 0.0
            started = time.perf_counter()
            opened.search(text=text)
            whole.append(time.perf_counter() - started)
            outside.append(whole[-1] - store.seconds)
        found["by words p50 ms"] = float(np.median(whole) * 1000)
        found["  outside the store p50 ms (target 5)"] = float(np.median(outside) * 1000)
        return found


class Timed:
    """A store, and the seconds that were spent in it."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return method(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


def median_ms(call: Callable[[Any], object], arguments: Any) -> float:
    times = []
    for argument in arguments:
        started = time.perf_counter()
        call(argument)
        times.append(time.perf_counter() - started)
    return float(np.median(times) * 1000)


if __name__ == "__main__":
    main()
