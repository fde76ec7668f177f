"""A library of a million pictures on one machine: how long everything takes, in how much memory and disk.

    python benchmarks/million.py --work /somewhere/with/15/GB
    python benchmarks/million.py --work /somewhere --rows 100000

Each step is a process of its own, whose peak memory the operating system tells, and leaves its figures in
`WORK/ROWS.json`: a run that was cut goes on with the step it was at, and `--again STEP` does one anew. The
load of the machine and a yardstick, the scan of 20,000 vectors in numpy, stand beside the figures of each
step: where others compute too, trust ratios to it, and seconds of processor time.

The library is filled by the ordinary ingest, folder by folder of 100,000 pictures, and only what reads,
decodes and encodes is replaced: vectors are those of `synthetic.py`, in the spaces that every library has
(efficientnet-lite0 of 1,280 numbers, colour, layout), with evidence of all banks and so tags, times,
folders to search in, and two columns to filter by: `any` (0 to 999) has nothing to do with the vectors,
`subject` (0 to 999) leaves whole subjects. Thumbnails, of 12,700 bytes for a photograph, have `--thumbnail`
bytes. Files of old versions, which otherwise stay for an hour, go at once. All that is asked, is asked of
`Library`.

With `--tiled DATA` the vectors are real ones, each repeated with noise.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

import findalike
from filling import FILTERS, Folder, K, Maker, Task, bring_in, number_of, recalls
from findalike.query import Term
from findalike.store import lance_index
from synthetic import CARD

BOUNDS = {
    "query p50 ms": 30.0,
    "query, 0.1 %, p50 ms": 60.0,
    "query, 1 %, p50 ms": 60.0,
    "slower at the end": 1.2,
    "peak GiB": 3.0,
}
LEAST = {"query recall": 0.98, "query, 0.1 %, recall": 1.0, "query, 1 %, recall": 1.0}
Figures = dict[str, Any]


def main() -> None:
    options = _options()
    task = Task(options.work, options.rows, options.thumbnail, options.queries, options.tiled, options.of)
    task.work.mkdir(parents=True, exist_ok=True)
    path = task.work / f"{task.name}.json"
    figures: Figures = json.loads(path.read_text("utf-8")) if path.exists() else {}
    for name, step in steps(task).items():
        if (name not in figures or name in options.again) and _is_asked_for(name, options.only):
            figures[name] = apart(step, task)
            path.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
            print(f"{name:13} {json.dumps(figures[name])}", flush=True)
    show(summary(figures))
    if not (options.keep or options.only):
        shutil.rmtree(task.library, ignore_errors=True)


def _is_asked_for(name: str, only: list[str]) -> bool:
    return not only or name in only or (name.startswith("fill") and "fill" in only)


def steps(task: Task) -> dict[str, Callable[[Task], Figures]]:
    """What is done, in this order; each name stands for one process."""
    fill = {f"fill-{n:02}": _Fill(n) for n in range(task.parts)}
    return {
        **fill, "optimize": optimize, "info": info, "query": query, "judge": judge, "nothing": nothing,
        "more": more, "query-fresh": query_fresh, "optimize-more": optimize, "delete": delete,
        "optimize-less": optimize, "query-last": query_last,
    }  # fmt: skip


def apart(step: Callable[[Task], Figures], task: Task) -> Figures:
    """The figures of a step that runs in a process of its own, with that process's peak memory."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (step, task))


def _measured(step: Callable[[Task], Figures], task: Task) -> Figures:
    before, mark = os.getloadavg()[0], yardstick_ms()
    began, cpu = time.perf_counter(), time.process_time()
    found = step(task)
    return {
        **found,
        "seconds": round(time.perf_counter() - began, 2),
        "cpu s": round(time.process_time() - cpu, 2),
        "peak GiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3),
        "load": [round(before, 1), round(os.getloadavg()[0], 1)],
        "yardstick ms": [mark, yardstick_ms()],
    }


def yardstick_ms() -> float:
    """A scan of 20,000 vectors by numpy."""
    vectors = np.full((20_000, CARD.dim), 0.5, np.float32)
    return median_ms(lambda: vectors @ vectors[0], 9)


class _Fill:
    """Index one more folder."""

    def __init__(self, part: int) -> None:
        self._part = part

    def __call__(self, task: Task) -> Figures:
        with findalike.open(task.library) as library:
            return filled(library, task, Folder(f"{self._part:03}", task.part(self._part)))


def filled(library: findalike.Library, task: Task, folder: Folder) -> Figures:
    """Index a folder, and tell what the run took beside the making of vectors: in all, before its first
    write and after its last, and of its writes."""
    maker, watched = Maker(task), Watched(library.store)
    library.store = watched  # type: ignore[assignment]
    began = time.perf_counter()
    report = bring_in(library, task, folder, maker)
    ended = time.perf_counter()
    batches = watched.seconds
    return {
        "added": report.added,
        "run s": round(ended - began - maker.seconds, 2),
        "made up s": round(maker.seconds, 2),
        "planning s": round(watched.first - began, 2),
        "ending s": round(ended - watched.last, 2),
        "write s": round(sum(batches), 2),
        "write cpu s": round(watched.cpu, 2),
        "pictures/s": round(report.added / (ended - began - maker.seconds), 1),
        "pictures/s of writes": round(report.added / sum(batches), 1),
        "batch p50 ms": round(float(np.median(batches)) * 1000, 1),
        "last batches p50 ms": round(float(np.median(batches[-10:])) * 1000, 1),
        "GB": gigabytes(library),
    }


class Watched:
    """A store, and when its writes began and ended."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.first = self.last = 0.0
        self.seconds: list[float] = []
        self.cpu = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self, batch: Any) -> None:
        began, cpu = time.perf_counter(), time.process_time()
        self._store.write(batch)
        self.last = time.perf_counter()
        self.cpu += time.process_time() - cpu
        self.first = self.first or began
        self.seconds.append(self.last - began)


def optimize(task: Task) -> Figures:
    lance_index.KEEP = timedelta(0)
    said: list[tuple[float, str]] = []
    with findalike.open(task.library) as library:
        before = gigabytes(library)
        library.optimize(lambda sentence: said.append((time.perf_counter(), sentence)))
        said.append((time.perf_counter(), ""))
        took = {text: round(said[n + 1][0] - at, 1) for n, (at, text) in enumerate(said[:-1])}
        return {"before GB": before, "GB": gigabytes(library), "parts s": took}


def info(task: Task) -> Figures:
    """`findalike info` in a program of its own."""
    began = time.perf_counter()
    with findalike.open(task.library, "r") as library:
        opened = time.perf_counter() - began
        held = library.info()
    return {
        "open s": round(opened, 3),
        "info s": round(time.perf_counter() - began, 3),
        "pictures": held.pictures,
    }


def query(task: Task) -> Figures:
    """Searches by vector: the first, and then with each filter how fast they are. What they asked the store
    for and what they found is left for `judge`."""
    terms = [Term(vector, "vector") for vector in task.asked()]
    began = time.perf_counter()
    with findalike.open(task.library, "r") as library:
        library.search(terms[0], k=K)
        figures: Figures = {"open and first s": round(time.perf_counter() - began, 3)}
        asked = [library._space(library._card(None))._adapted(term.what) for term in terms]
        answers: dict[str, Any] = {"asked": np.stack(asked)}
        for name, where in FILTERS.items():
            library.search(terms[0], k=K, where=where or None)
            answers[name or "all"] = np.full((len(terms), K), -1)
            seconds, cpu = [], time.process_time()
            for n, term in enumerate(terms):
                began = time.perf_counter()
                hits = library.search(term, k=K, where=where or None)
                seconds.append(time.perf_counter() - began)
                answers[name or "all"][n, : len(hits)] = [number_of(hit.asset.uri) for hit in hits]
            figures |= {
                f"{_told(name)}p50 ms": _ms(np.median(seconds)),
                f"{_told(name)}p95 ms": _ms(np.quantile(seconds, 0.95)),
                f"{_told(name)}cpu ms": _ms((time.process_time() - cpu) / len(terms)),
            }
        np.savez(task.work / f"{task.name}.npz", **answers)
        figures["by words first s"] = timed(lambda: library.search(text="a dog on a beach"))
        figures["by words p50 ms"] = median_ms(lambda: library.search(text="a red car"), 9)
        figures["facet s"] = timed(lambda: library.facets("tag"))
        return figures


def judge(task: Task) -> Figures:
    """How many of the really nearest `query` found."""
    with np.load(task.work / f"{task.name}.npz") as kept:
        asked = kept["asked"] / np.linalg.norm(kept["asked"], axis=1, keepdims=True)
        found = {name: kept[name or "all"] for name in FILTERS}
    figures: Figures = {}
    for name, each in recalls(task, found, asked.astype(np.float32)).items():
        figures[f"{_told(name)}recall"] = round(float(each.mean()), 4)
        figures[f"{_told(name)}least recall"] = float(each.min())
    return figures


def _told(name: str) -> str:
    return f"query, {name}, " if name else "query "


def query_fresh(task: Task) -> Figures:
    """Searches with pictures that came since the last `optimize`."""
    return _again(task, task.later())


def query_last(task: Task) -> Figures:
    return _again(task, range(0))


def _again(task: Task, wanted: range) -> Figures:
    """Searches by vector, and whether each of some pictures that came later is found by its own vector."""
    terms = [Term(vector, "vector") for vector in task.asked()]
    some = wanted[:: max(1, len(wanted) // 50)]
    pictures = task.pictures()
    with findalike.open(task.library, "r") as library:
        library.search(terms[0], k=K)
        turns = iter(terms * 2)
        figures = {"query p50 ms": median_ms(lambda: library.search(next(turns), k=K), len(terms))}
        where = "any < 10" if wanted else "any < 20"
        turns = iter(terms * 2)
        figures["query, 1 %, p50 ms"] = median_ms(lambda: library.search(next(turns), k=K, where=where), 50)
        own = [
            number_of(library.search(Term(pictures.vectors(n, n + 1)[0], "vector"), k=1)[0].asset.uri) == n
            for n in some
        ]
        return figures | ({"found of those that came": sum(own) / len(own)} if own else {})


def nothing(task: Task) -> Figures:
    """`findalike index` on all folders, when nothing changed."""
    folders = Everything(task)
    with findalike.open(task.library) as library:
        maker = Maker(task)
        began = time.perf_counter()
        report = bring_in(library, task, folders, maker)
        return {"index s": round(time.perf_counter() - began, 2), "unchanged": report.unchanged}


class Everything(Folder):
    """All folders that were indexed, as one source."""

    def __init__(self, task: Task) -> None:
        super().__init__("", range(0))
        object.__setattr__(self, "_folders", [Folder(f"{n:03}", task.part(n)) for n in range(task.parts)])

    def __iter__(self) -> Iterator[Any]:
        for folder in self._folders:  # type: ignore[attr-defined]
            yield from folder

    def covers(self, uri: str) -> bool:
        return True


def more(task: Task) -> Figures:
    """Index another folder into the library as it is."""
    with findalike.open(task.library) as library:
        return filled(library, task, Folder("later", task.later()))


def delete(task: Task) -> Figures:
    """Forget the pictures of a filter: a hundredth of them."""
    with findalike.open(task.library) as library:
        return {"removed": len(library.remove(where="any < 10")), "GB": gigabytes(library)}


def gigabytes(library: findalike.Library) -> float:
    return round(library.info().bytes / 1e9, 3)


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return round(time.perf_counter() - began, 3)


def median_ms(call: Callable[[], object], times: int) -> float:
    return _ms(np.median([_seconds(call) for _ in range(times)]))


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _ms(seconds: Any) -> float:
    return round(float(seconds) * 1000, 2)


def summary(figures: Figures) -> dict[str, float]:
    """What the bounds are about. Whether writes get slower is told beside the making of vectors, which takes
    as long for the last picture as for the first, whatever else the machine does."""
    found = {
        name: value
        for name, value in (figures.get("query", {}) | figures.get("judge", {})).items()
        if name in {**BOUNDS, **LEAST}
    }
    fills = [figures[name] for name in sorted(figures) if name.startswith("fill")]
    if len(fills) > 1:
        first, last = (fill["write s"] / fill["made up s"] for fill in (fills[0], fills[-1]))
        found["slower at the end"] = round(last / first, 3)
    found["peak GiB"] = max((step["peak GiB"] for step in figures.values()), default=0.0)
    return found


def show(found: dict[str, float]) -> None:
    for name, value in found.items():
        least = LEAST.get(name)
        met = value >= least if least is not None else value <= BOUNDS[name]
        bound = f"at least {least}" if least is not None else f"at most {BOUNDS[name]}"
        print(f"{name:28} {value:10.3f}  {bound:14} {'met' if met else 'MISSED'}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="where the library and the figures go")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--thumbnail", type=int, default=600, help="bytes of each thumbnail")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--tiled", type=Path, metavar="DATA", help="repeat the vectors of these pictures")
    parser.add_argument("--of", type=int, default=0, help="take the first rows of a set of so many")
    parser.add_argument("--again", nargs="*", default=[], metavar="STEP", help="do these anew")
    parser.add_argument("--only", nargs="*", default=[], metavar="STEP", help="do no others; fill: all of it")
    parser.add_argument("--keep", action="store_true", help="keep the library in the end")
    return parser.parse_args()


if __name__ == "__main__":
    main()
