"""What a run writes, in batches, and what it sweeps."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from findalike import sources
from findalike import uri as uris
from findalike.ingest.plan import Known, Plan
from findalike.ingest.work import Done, Outcome
from findalike.sources import Source
from findalike.store.base import Batch, Store
from findalike.types import Asset, Failure, Metadata, Origin, Row

SECONDS_BETWEEN_WRITES = 15.0
FROM_PIXELS = ("width", "height", "taken", "camera", "latitude", "longitude")
"""Metadata that decoding gives; it goes when the content changes, while a table's columns stay."""


class Writer:
    """Gathers what is done into batches, and counts."""

    def __init__(self, store: Store, batch_rows: int) -> None:
        self._store = store
        self._batch_rows = batch_rows
        self._waiting: list[Done] = []
        self._last = time.monotonic()
        self.counts: dict[Outcome, int] = dict.fromkeys(
            ("added", "updated", "encoded", "moved", "unchanged", "skipped", "failed"), 0
        )
        self.failed: list[Failure] = []

    def take(self, done: Done) -> None:
        self.counts[done.outcome] += 1
        if done.failure:
            self.failed.append(done.failure)
        if done.asset or done.failure:
            self._waiting.append(done)
        if len(self._waiting) >= self._batch_rows or time.monotonic() - self._last > SECONDS_BETWEEN_WRITES:
            self.flush()

    def flush(self) -> None:
        """Write what waits. It is durable when this returns."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            # In a thread of its own a commit is not torn by ctrl-C: leaving the block waits for its end.
            with ThreadPoolExecutor(1) as thread:
                thread.submit(self._write, waiting).result()
        self._last = time.monotonic()

    def _write(self, waiting: Sequence[Done]) -> None:
        old = {d.asset.id for d in waiting if d.asset and d.outcome != "added"}
        stored = self._store.get(old) if old else {}
        same = [d.asset for d in waiting if d.asset and not d.thumbnail]
        if same:
            self._store.update([_merged(a, stored[a.id].metadata, ()) for a in same if a.id in stored])
        new = [d for d in waiting if d.asset and d.thumbnail]
        failures = [d.failure for d in waiting if d.failure]
        if new or failures:
            self._store.write(_batch(new, stored, failures))

    def failures(self, failures: Sequence[Failure]) -> None:
        if failures:
            self._store.write(Batch(failures=failures))

    def metadata(self, pairs: Sequence[tuple[Known, Asset]]) -> int:
        """Bring the metadata of unchanged files in step with their table; returns how many it changed."""
        refreshed = 0
        for start in range(0, len(pairs), self._batch_rows):
            part = pairs[start : start + self._batch_rows]
            stored = self._store.get([known.id for known, _ in part])
            changed = []
            for known, listed in part:
                before = stored.get(known.id)
                if before and any(before.metadata.get(k) != v for k, v in listed.metadata.items()):
                    changed.append(replace(before, metadata={**before.metadata, **listed.metadata}))
            if changed:
                self._store.update(changed)
            refreshed += len(changed)
        return refreshed


def _batch(new: Sequence[Done], stored: Mapping[str, Asset], failures: Sequence[Failure]) -> Batch:
    assets: list[Asset] = []
    rows: dict[str, list[Row]] = {}
    thumbnails: dict[str, bytes] = {}
    for done in new:
        if done.asset is None:
            continue
        before = stored.get(done.asset.id)
        assets.append(_merged(done.asset, before.metadata if before else {}, FROM_PIXELS))
        thumbnails[done.asset.id] = done.thumbnail
        for space, vector in done.vectors.items():
            rows.setdefault(space, []).append(Row(f"{done.asset.id}:whole", Origin(done.asset.id), vector))
    return Batch(assets, rows, thumbnails, failures)


def _merged(asset: Asset, before: Metadata, dropped: Sequence[str]) -> Asset:
    """The asset with the metadata it had, save the dropped and what it brings anew."""
    kept = {name: value for name, value in before.items() if name not in dropped}
    return replace(asset, metadata={**kept, **asset.metadata})


def sweep(
    store: Store, found: Sequence[Source], plan: Plan, moved: set[str], failed: Sequence[Failure]
) -> int:
    """Forget assets whose file is gone from a place that could be listed, and failures that are no more."""
    unknown = tuple(f"{failure.uri}{end}" for failure in plan.unlisted for end in (os.sep, uris.SEPARATOR))

    def judged(uri: str) -> bool:
        return not uri.startswith(unknown) and any(source.covers(uri) for source in found)

    gone = [
        known.id
        for known in plan.known.values()
        if known.uri not in plan.listed
        and known.id not in moved
        and judged(known.uri)
        and not sources.exists(known.uri)
    ]
    removed = store.remove(gone) if gone else 0
    still = {f.uri for f in (*plan.unlisted, *plan.remembered, *failed)}
    over = [f.uri for f in store.failures() if f.uri not in still and (f.uri in plan.listed or judged(f.uri))]
    if over:
        store.clear_failures(over)
    return removed
