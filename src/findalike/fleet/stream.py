"""A Ray Data job: shards go to a pool of actors, answers come back as they are done.

Ray Data keeps the pool (an actor that dies is made again), hands out shards as actors are free, and holds
back when answers are taken too slowly. What an actor dies of is an errored block, which is passed over: the
driver misses the shard and sends it out again.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Any

import pyarrow as pa
import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext

from findalike.fleet.worker import ANSWER, SHARD, Encoding

WAITING = 4
"""Blocks of answers that wait to be taken: more stay with Ray, which then hands out less."""

STOPPING = 3.0
"""Seconds that the job gets to end when it is stopped."""


@dataclass(frozen=True, slots=True)
class Pool:
    """So many workers of `threads` logical CPUs each. In the first round an actor has a shard waiting while
    it works at another, and what it dies at is left to the next round; in later ones each shard is handed
    out alone and tried twice, so that none suffers for its neighbour."""

    workers: int
    threads: int
    first: bool = True


# Of how often a lost task is tried again, Ray Data is not told in another way yet.
warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")


class Stream:
    """The job of one round. It runs in a thread of whoever made it: the driver, or for a driver that is no
    part of the cluster an actor, through which answers are taken then."""

    def __init__(self, version: str, packed: bytes) -> None:
        self._facts = version, packed
        self._answers: Queue[list[bytes]] = Queue(WAITING)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._error = ""

    def begin(self, shards: Sequence[bytes], pool: Pool) -> None:
        """Start to work through pickled shards. The job before must be over."""
        _hush()
        tables = [pa.table({SHARD: pa.array([shard], pa.large_binary())}) for shard in shards]
        self._thread = threading.Thread(target=self._run, args=(tables, pool), daemon=True)
        self._thread.start()

    def take(self, seconds: float) -> tuple[list[bytes], bool]:
        """Pickled answers that are there, waiting so long for the first, and whether there will be more.
        Raises RuntimeError when the job failed as a whole."""
        until = time.monotonic() + seconds
        while True:
            running = self._thread is not None and self._thread.is_alive()
            try:
                return self._answers.get(timeout=0.05 if running else 0), True
            except Empty:
                if not running:
                    break
                if time.monotonic() > until:
                    return [], True
        if self._error:
            raise RuntimeError(self._error)
        return [], False

    def stop(self) -> None:
        """End the job that runs; what it has done so far and was not taken is lost."""
        self._stopped.set()
        if self._thread:
            self._thread.join(STOPPING)

    def _run(self, tables: Sequence[pa.Table], pool: Pool) -> None:
        try:
            done = _job(tables, self._facts, pool)
            for block in done.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                if not self._handed_over([value.as_py() for value in block[ANSWER]]):
                    return
        except Exception as error:  # what Ray raises has no common root
            self._error = f"{type(error).__name__}: {error}"

    def _handed_over(self, answers: list[bytes]) -> bool:
        while not self._stopped.is_set():
            try:
                self._answers.put(answers, timeout=0.1)
                return True
            except Full:
                continue
        return False


def _job(tables: Sequence[pa.Table], facts: tuple[str, bytes], pool: Pool) -> Any:
    """The data set of answers. Nothing runs before it is iterated."""
    size = min(pool.workers, len(tables))
    return ray.data.from_arrow(list(tables)).map_batches(
        Encoding,
        batch_size=1,
        batch_format="pyarrow",
        zero_copy_batch=True,
        fn_constructor_args=facts,
        compute=ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=2 if pool.first else 1),
        num_cpus=pool.threads,
        max_restarts=-1,
        max_task_retries=0 if pool.first else 1,
    )


def _hush() -> None:
    """No bars and lines of Ray's own; and what is lost is counted by the driver, not by Ray."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = -1
    context.execution_options.preserve_order = False
