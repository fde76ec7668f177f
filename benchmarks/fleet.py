"""How fast a fleet fills a library, beside the threads of one process on the same cores.

    python benchmarks/fleet.py [--pictures 2400] [--workers 2] [--rounds 3] [--json FILE]

JPEGs of 500×375, made from photographs that come inside scikit-image, are indexed into new libraries, by
turns:

    threads    findalike index --threads N
    fleet      findalike index --workers N, on a Ray that was started before

so that what else the machine does falls on each. A rate counts from the first result to the end, with all
that is written; when the first shard of a fleet is back, the other workers are taken to have done as much.
Seconds of processors count all that ran for it, here and in all processes below, and hang less on what else
the machine does. What it takes until then (Ray itself, and the pool of workers of each run) is told apart. A
worker's peak is the resident memory of its process, and what of it no other process shares. Last, what the
driver can do by itself: the same pictures with workers that take no time, because their answers are there.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
import pyarrow as pa

import findalike
from findalike import fleet, plugins
from findalike.fleet.address import Asked
from findalike.fleet.rounds import rounds
from findalike.ingest import Progress
from ingest import written

WORKER = "ray::MapWorker"


@dataclass
class Clock:
    """When the first and the last result of a run came, and how many were there then."""

    mark: Callable[[], None] = lambda: None
    began: float = field(default_factory=time.perf_counter)
    first: tuple[float, int] = (0.0, 0)
    last: tuple[float, int] = (0.0, 0)

    def __call__(self, tick: Progress) -> None:
        if tick.phase == "encoding" and tick.done > self.last[1]:
            self.last = time.perf_counter(), tick.done
            if not self.first[1]:
                self.first = self.last
                self.mark()

    @property
    def start_up(self) -> float:
        return self.first[0] - self.began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=2400)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        written(Path(folder) / "pictures", arguments.pictures, (500, 375))
        found = measured(Path(folder), arguments.workers, arguments.rounds)
        found |= driven(Path(folder))
    show(found, arguments.pictures, arguments.workers)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def measured(folder: Path, workers: int, turns: int) -> dict[str, list[float]]:
    plugins.on_use("findalike.fleet.quiet")
    cluster = plugins.on_use("findalike.fleet.cluster", "findalike[ray]")
    kinds = ("ray", "threads", "fleet", "threads by cpu", "fleet by cpu", "pool", "rss", "own")
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    began = time.perf_counter()
    with cluster.joined(Asked("", workers), 1):
        found["ray"].append(time.perf_counter() - began)
        for turn in range(turns):
            for way, chosen in (("threads", None), ("fleet", workers)):
                with findalike.open(folder / f"{way}{turn}", threads=1 if chosen else workers) as library:
                    with Watched() as watched:
                        clock = Clock(watched.mark)
                        library.add(folder / "pictures", workers=chosen, watch=clock)
                    seconds = time.perf_counter() - clock.first[0]
                counted = clock.last[1] - workers * clock.first[1]
                found[way].append(counted / seconds)
                found[f"{way} by cpu"].append(counted / watched.cpu)
                if chosen:
                    found["pool"].append(clock.start_up)
                    found["rss"].append(watched.rss)
                    found["own"].append(watched.own)
    return found


class Replay:
    """A cluster whose workers take no time: it looks into the files once, and then gives those answers."""

    workers = threads = 1

    def __init__(self) -> None:
        self.answers: list[bytes] = []

    def stream(self, facts: Any) -> Replay:
        if not self.answers:
            encoding = plugins.on_use("findalike.fleet.worker").Encoding
            self._encoding = encoding(findalike.__version__, pickle.dumps(facts))
        return self

    def pool(self, first: bool) -> None:
        return None

    def begin(self, shards: Sequence[bytes], pool: None) -> None:
        if not self.answers:
            tables = (pa.table({"shard": pa.array([shard], pa.large_binary())}) for shard in shards)
            self.answers = [self._encoding(table)["answer"][0].as_py() for table in tables]
        self._waiting = list(self.answers)

    def take(self, seconds: float) -> tuple[list[bytes], bool]:
        return ([self._waiting.pop(0)], True) if self._waiting else ([], False)

    def stop(self) -> None:
        self._waiting = []


def driven(folder: Path) -> dict[str, list[float]]:
    """Pictures a second that the driver can settle and write, were the workers without end; bytes of what
    comes back for each."""
    replay, seconds, pictures = Replay(), 0.0, 0
    original = fleet.run
    fleet.run = lambda asked, sidecars, finders=(): lambda load: rounds(load, replay, sidecars, finders)
    try:
        for turn in range(2):  # the first to encode, the second to be measured
            with findalike.open(folder / f"driven{turn}", batch_rows=10_000) as library:
                clock = Clock()
                pictures = library.add(folder / "pictures", workers=1, watch=clock).added
                seconds = time.perf_counter() - clock.first[0]
    finally:
        fleet.run = original
    size = sum(map(len, replay.answers))
    return {"driver": [(pictures - clock.first[1]) / seconds], "answer": [size / pictures]}


class Watched:
    """What this process and all below it use: processor time, and the most memory of a worker in MB, resident
    and its own alone."""

    def __init__(self) -> None:
        self.rss = self.own = self._before = 0.0
        self._cpu: dict[int, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def mark(self) -> None:
        """Count processor time from here on."""
        self._look()
        self._before = sum(self._cpu.values())

    @property
    def cpu(self) -> float:
        """Seconds of processors since the mark."""
        return sum(self._cpu.values()) - self._before

    def _run(self) -> None:
        while not self._over.wait(0.25):
            self._look()

    def _look(self) -> None:
        me = psutil.Process(os.getpid())
        for process in [me, *me.children(recursive=True)]:
            try:
                times = process.cpu_times()
                self._cpu[process.pid] = times.user + times.system
                if process.name().startswith(WORKER[:15]):
                    memory = process.memory_full_info()
                    self.rss = max(self.rss, memory.rss / 1e6)
                    self.own = max(self.own, memory.uss / 1e6)
            except psutil.Error:
                continue


def show(found: dict[str, list[float]], pictures: int, workers: int) -> None:
    turns = len(found["fleet"])
    print(f"{pictures:,} pictures, {workers} workers beside {workers} threads, {turns} rounds by turns")
    for way in ("threads", "fleet"):
        rate, by_cpu = (statistics.median(found[kind]) for kind in (way, f"{way} by cpu"))
        print(f"  {way:8} {rate:7.1f} pictures/s, {by_cpu:6.1f} for a second of a processor")
    for kind, said in (("", "of the clock"), (" by cpu", "of processors")):
        pairs = zip(found[f"fleet{kind}"], found[f"threads{kind}"], strict=True)
        ratios = [fleet / threads for fleet, threads in pairs]
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"  by seconds {said} a fleet reaches {statistics.median(ratios):.2f} (target .9): {each}")
    pool = statistics.median(found["pool"])
    print(f"  until then: Ray {found['ray'][0]:.1f} s, the workers of a run {pool:.1f} s")
    print(
        f"  the driver alone settles and writes {found['driver'][0]:,.0f} pictures/s; "
        f"{found['answer'][0] / 1000:.1f} kB come back for each"
    )
    print(f"  peak of a worker: {max(found['rss']):.0f} MB resident, {max(found['own']):.0f} MB its own")


if __name__ == "__main__":
    main()
