"""Who works through the files of a run: the threads of this process, or what is given in their place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from queue import Queue

from findalike import decode, sources
from findalike.encode.base import Encoder
from findalike.ingest.identity import Identities
from findalike.ingest.plan import Job, Plan
from findalike.ingest.work import Done, Step, Tell, Worker
from findalike.regions import Finder
from findalike.settings import Settings

CHUNK = 8
"""Files that a thread takes at once: enough to batch, few enough to keep memory and waiting short."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What a run has to do, and with what."""

    encoders: Sequence[Encoder]
    settings: Settings
    plan: Plan
    identities: Identities
    finders: Sequence[Finder] = ()


Results = Generator[Sequence[Done] | Step, None, None]
Run = Callable[[Workload], Results]
"""Gives what becomes of each job once, some at a time and in any order; nothing or a step now and then while
the work goes on. When it is closed, it stops."""


def threads(load: Workload) -> Results:
    """The threads of this process: as many as the settings say."""
    worker = Worker(load.encoders, load.settings, load.plan, load.identities, load.finders)
    return pipeline(load.plan.jobs, worker.work, load.settings.thread_count())


class _Stopped(BaseException):
    """The caller wants no more; a film that is half done is dropped."""


def pipeline(jobs: Sequence[Job], work: Callable[[Sequence[Job], Tell], list[Done]], workers: int) -> Results:
    """The results of `work` on chunks of jobs, in the order they are done, and how far long films are."""
    parts = chunked(jobs)
    chunks, soon, count = iter(parts), iter(parts[workers:]), len(parts)
    results: Queue[list[Done] | Step | BaseException] = Queue(maxsize=64)
    lock, stop = threading.Lock(), threading.Event()

    def tell(step: Step) -> None:
        if stop.is_set():
            raise _Stopped
        results.put(step)

    def run() -> None:
        while not stop.is_set():
            with lock:
                chunk, coming = next(chunks, None), next(soon, ())
            if chunk is None:
                return
            sources.fetch(job.listed for job in (*chunk, *coming))
            try:
                results.put(work(chunk, tell))
            except BaseException as error:  # handed to the caller, who raises it
                results.put(error)
                return

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(workers, count))]
    for thread in threads:
        thread.start()
    try:
        while count:
            result = results.get()
            if isinstance(result, BaseException):
                raise result
            count -= not isinstance(result, Step)
            yield result
    finally:
        stop.set()
        while any(thread.is_alive() for thread in threads):
            while not results.empty():
                results.get_nowait()
            time.sleep(0.01)
        sources.forget(job.listed.uri for job in jobs)


def chunked(jobs: Sequence[Job]) -> list[list[Job]]:
    """Some files at once, but each film by itself: nothing waits for it, and nothing is lost with it."""
    chunks: list[list[Job]] = []
    open_chunk: list[Job] = []
    for job in jobs:
        if decode.looks_like_film(job.listed.uri):
            chunks.append([job])
            continue
        if not open_chunk or len(open_chunk) == CHUNK:
            open_chunk = []
            chunks.append(open_chunk)
        open_chunk.append(job)
    return chunks
