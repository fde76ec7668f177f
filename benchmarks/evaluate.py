"""How long the judge takes for an encoder that is stored, and in how much memory.

    python benchmarks/evaluate.py --pictures 5000

The rows are made up, with the statistics that `benchmarks/store.py` describes, in the space of the default
encoder: each picture is a query against all others (leave one out), and pictures with one nearest centre have
one label. All that `findalike eval` computes is computed: metrics, intervals, values, pairs and thresholds.
It runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import findalike
from findalike.encode import catalog
from findalike.evaluate import task, truth
from findalike.evaluate.results import Method, Options
from findalike.evaluate.run import evaluate
from store import build, clustered

LABELS = 50


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=5_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    card = catalog.find("efficientnet-lite0", "int8")
    vectors, _, columns = clustered(options.pictures, card.dim, 1, 0)
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder) / "library", card, vectors, columns)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            report = pool.apply(judged, (str(Path(folder) / "library"),))
    for name, value in report.items():
        print(f"{name:36} {value:,.1f}" if isinstance(value, float) else f"{name:36} {value:,}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def judged(path: str) -> dict[str, Any]:
    with findalike.open(path, "r") as library:
        (card,) = library.store.cards().values()
        found = truth.pictures(library.store.assets())
        labels = labelled(library, card.space, found)
        before = psutil.Process().memory_info().rss
        started = time.perf_counter()
        asked = task.leave_one_out("label", found, labels)
        report = evaluate(library, [asked], [Method(card)], Options(timing=False))
        seconds = time.perf_counter() - started
        memory = psutil.Process().memory_info()
        result = report.evaluations[0].results[0]
        return {
            "queries": result.queries,
            "pictures": len(found),
            "numbers of a vector": card.dim,
            "eval s (target 20)": seconds,
            "comparing s": result.cost.compare_ms * result.queries / 1000,
            "memory before MiB": before / 2**20,
            "memory at most MiB": getattr(memory, "peak_wset", 0) / 2**20 or peak() / 2**20,
        }


def labelled(library: findalike.Library, space: str, found: truth.Pictures) -> truth.Labels:
    """The nearest of a few pictures: labels that vectors have something to do with."""
    ids = [asset.id for asset in found.assets]
    rows = {row.asset_id: row.vector for row in library.store.rows(space, ids)}
    vectors = np.stack([rows[i] for i in ids])
    return tuple(str(n) for n in np.argmax(vectors @ vectors[:LABELS].T, axis=1))


def peak() -> float:
    """The most memory that this process ever held, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


if __name__ == "__main__":
    main()
