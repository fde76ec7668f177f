"""From sources to rows: list, compare with what is known, read, decode, encode, write, sweep.

Threads of one kind each take a few files, read and decode them and encode them on a session that all share;
the calling thread writes. Queues between them are short, so memory does not grow with the library. A file
that cannot be used is a Failure; only a library that cannot be written ends a run. What works through the
files can be replaced: `findalike.fleet` has other machines do it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from findalike.encode.base import Encoder
from findalike.ingest.identity import Identities
from findalike.ingest.measures import fill
from findalike.ingest.observe import Watchers
from findalike.ingest.pipeline import Run, Workload, threads
from findalike.ingest.plan import planned, roots
from findalike.ingest.work import Step
from findalike.ingest.write import Writer, sweep
from findalike.regions import Finder
from findalike.settings import Settings
from findalike.sources import Source
from findalike.store.base import Store
from findalike.types import Failure
from findalike.words.banks import Observer

__all__ = ["Progress", "Report", "Run", "Watch", "Workload", "ingest", "roots", "threads"]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did. `added`: new files; `updated`: content or metadata changed; `encoded`: known files that
    got vectors in another space, vectors of regions, or evidence for another bank; `moved`: known files found
    in another place; `removed`: files that are gone; `skipped`: files that are no pictures and do not claim
    to be. `failures` also lists files that failed before and have not changed since. `seconds` is the time it
    all took."""

    added: int = 0
    updated: int = 0
    encoded: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    skipped: int = 0
    failures: tuple[Failure, ...] = ()
    seconds: float = 0.0


Phase = Literal["listing", "encoding", "measuring", "sweeping"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `total` is 0 while the sources are still being listed. Measured are the pictures that
    a library had before it measured any. In the middle of a film it is
    `film`, and `seconds` of `of` are done; not every film says how long it is."""

    phase: Phase
    done: int
    total: int
    failed: int
    film: str = ""
    seconds: float = 0.0
    of: float | None = None


Watch = Callable[[Progress], None]


def ingest(
    store: Store,
    encoders: Sequence[Encoder],
    found: Sequence[Source],
    settings: Settings,
    watch: Watch = lambda _: None,
    retry: bool = False,
    observers: Sequence[Observer] = (),
    regions: Sequence[Finder] = (),
    run: Run = threads,
) -> Report:
    """Bring the library in step with the sources. Each encoder's space and each observer's bank must be in
    the store.

    The first encoder that is a classifier tells the observers which classes a picture shows. `regions` find
    parts of pictures, which get vectors beside the whole. A file that failed before and has
    not changed is looked into again only with `retry`. `run` works through the files. Raises LibraryError
    when the library cannot be written. On KeyboardInterrupt what was done is written first.
    """
    started = time.monotonic()
    plan = planned(
        store,
        encoders,
        Watchers(observers, store),
        found,
        retry,
        regions,
        lambda *counts: watch(Progress("listing", counts[0], 0, counts[1])),
    )
    writer, identities = Writer(store, settings.batch_rows, plan.watchers, plan.measures), Identities(plan)
    load = Workload(encoders, settings, plan, identities, regions)
    finished, total = len(plan.listed) - len(plan.jobs), len(plan.listed)

    def tick(phase: Phase, film: Step | None = None) -> None:
        failed = len(plan.unlisted) + len(plan.remembered) + len(writer.failed)
        where = (film.uri, film.seconds, film.of) if film else ()
        watch(Progress(phase, finished, total, failed, *where))

    writer.failures(plan.unlisted)
    refreshed = writer.metadata(plan.with_metadata)
    with closing(run(load)) as results:
        try:
            for several in results:
                writer.flush_when_due()
                if isinstance(several, Step):
                    tick("encoding", several)
                    continue
                for done in several:
                    writer.take(done)
                finished += len(several)
                tick("encoding")
        finally:  # what was done is kept, also when the user interrupts
            writer.flush()
    fill(store, plan.measures, lambda done, of: watch(Progress("measuring", done, of, len(writer.failed))))
    tick("sweeping")
    removed = sweep(store, found, plan, identities.moved, writer.failed)
    count = writer.counts
    return Report(
        added=count["added"],
        updated=count["updated"] + refreshed,
        encoded=count["encoded"],
        moved=count["moved"],
        removed=removed,
        unchanged=plan.unchanged + count["unchanged"] - refreshed,
        skipped=count["skipped"],
        failures=(*plan.unlisted, *plan.remembered, *writer.failed),
        seconds=time.monotonic() - started,
    )
