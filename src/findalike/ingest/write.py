"""What a run writes, in batches, and what it sweeps."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

from findalike import sources
from findalike import uri as uris
from findalike.ingest.measures import Measures
from findalike.ingest.observe import Found, Watchers
from findalike.ingest.plan import Known, Plan
from findalike.ingest.work import Done, Outcome
from findalike.ownership import told, without, without_predictions
from findalike.sources import Source
from findalike.store.base import Batch, Store
from findalike.types import Asset, Evidence, Failure, Metadata, Row

SECONDS_BETWEEN_WRITES = 15.0


class Writer:
    """Gathers what is done into batches, and counts."""

    def __init__(self, store: Store, batch_rows: int, watchers: Watchers, measures: Measures) -> None:
        self._store = store
        self._measures = measures
        self._watchers = watchers
        self._batch_rows = batch_rows
        self._waiting: list[Done] = []
        self._rows = 0
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
            self._rows += max([1, *(len(several) for several in done.rows.values())])
        self.flush_when_due()

    def flush_when_due(self) -> None:
        """Write when enough waits, or when the last time is long ago."""
        if self._rows >= self._batch_rows or time.monotonic() - self._last > SECONDS_BETWEEN_WRITES:
            self.flush()

    def flush(self) -> None:
        """Write what waits. It is durable when this returns."""
        waiting, self._waiting, self._rows = self._waiting, [], 0
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
            self._update(
                [(stored[a.id], self._joined(stored[a.id].metadata, a)) for a in same if a.id in stored]
            )
        new = [d for d in waiting if d.asset and d.thumbnail]
        failures = [d.failure for d in waiting if d.failure]
        if new or failures:
            self._store.write(self._batch(new, stored, failures))

    def failures(self, failures: Sequence[Failure]) -> None:
        if failures:
            self._store.write(Batch(failures=failures))

    def metadata(self, pairs: Sequence[tuple[Known, Asset]]) -> int:
        """Bring the metadata of unchanged files in step with their table; returns how many it changed."""
        refreshed = 0
        for start in range(0, len(pairs), self._batch_rows):
            part = pairs[start : start + self._batch_rows]
            stored = self._store.get([known.id for known, _ in part])
            pairs_there = [(stored[known.id], listed) for known, listed in part if known.id in stored]
            refreshed += self._update(
                [(b, self._joined(b.metadata, replace(b, metadata=a.metadata))) for b, a in pairs_there]
            )
        return refreshed

    def _update(self, pairs: Sequence[tuple[Asset, Asset]]) -> int:
        """Write assets that have no new pixels, each given as it was and as it is, and what their metadata
        now says; returns how many had other metadata."""
        other = {now.id for before, now in pairs if _has_other_metadata(before, now)}
        changed = [now for before, now in pairs if now.id in other or _has_other_place(before, now)]
        if changed:
            self._store.update(changed)
        self._observe(
            [n for _, n in pairs if n.id in other or self._watchers.lacking(n.id, self._watchers.of_metadata)]
        )
        return len(other)

    def _observe(self, assets: Sequence[Asset]) -> None:
        found = {asset.id: self._watchers.read(asset.metadata) for asset in assets}
        for bank in self._watchers.of_metadata if assets else ():
            tags = {a.id: self._watchers.tags(a.id, found[a.id], a.tags) for a in assets}
            self._store.put_evidence(bank, {a.id: found[a.id][bank] for a in assets}, tags)

    def _batch(self, new: Sequence[Done], stored: Mapping[str, Asset], failures: Sequence[Failure]) -> Batch:
        assets: list[Asset] = []
        rows: dict[str, list[Row]] = {}
        evidence: dict[str, dict[str, Evidence]] = {}
        for done in new:
            if done.asset is None:
                continue
            before = stored.get(done.asset.id)
            asset = self._anew(done, before.metadata) if before else done.asset
            found: Found = done.evidence | self._watchers.read(asset.metadata)
            tags = self._watchers.tags(asset.id, found, before.tags if before else ())
            assets.append(replace(asset, tags=tags))
            for space, several in done.rows.items():
                rows.setdefault(space, []).extend(several)
            for bank, each in found.items():
                evidence.setdefault(bank, {})[asset.id] = each
        thumbnails = {done.asset.id: done.thumbnail for done in new if done.asset}
        attachments = {done.asset.id: done.attachments for done in new if done.asset and done.attachments}
        changed = [done.asset.id for done in new if done.asset and done.outcome == "updated"]
        return Batch(assets, rows, thumbnails, failures, evidence, attachments, changed)

    def _anew(self, done: Done, before: Metadata) -> Asset:
        """A decoded asset with what it had that its new pixels do not change."""
        asset = self._measures.fresh(cast(Asset, done.asset), done.job.listed.metadata)
        kept = without(before, self._measures.dropped(asset.id))
        return self._joined(without_predictions(kept) if done.outcome == "updated" else kept, asset)

    def _joined(self, before: Metadata, asset: Asset) -> Asset:
        """The asset with the metadata it had, save what it brings anew."""
        return replace(asset, metadata=told(before, asset.metadata, self._measures.given(asset.id)))


def _has_other_metadata(before: Asset, now: Asset) -> bool:
    """Whether it brings a value that is not there; one that is null is there where none is."""
    return any(before.metadata.get(name) != value for name, value in now.metadata.items())


def _has_other_place(before: Asset, now: Asset) -> bool:
    return any(getattr(before, name) != getattr(now, name) for name in ("uri", "size", "modified"))


def sweep(
    store: Store, found: Sequence[Source], plan: Plan, moved: set[str], failed: Sequence[Failure]
) -> int:
    """Forget assets whose file is gone from a place that could be listed, and failures that are no more."""
    unknown = tuple(f"{failure.uri}{end}" for failure in plan.unlisted for end in (os.sep, uris.SEPARATOR))

    def judged(uri: str) -> bool:
        return not uri.startswith(unknown) and any(source.covers(uri) for source in found)

    lost = [
        known
        for known in plan.known.values()
        if known.uri not in plan.listed and known.id not in moved and judged(known.uri)
    ]
    nowhere = sources.missing(known.uri for known in lost)
    gone = [known.id for known in lost if known.uri in nowhere]
    removed = store.remove(gone) if gone else 0
    still = {f.uri for f in (*plan.unlisted, *plan.remembered, *failed)}
    over = [f.uri for f in store.failures() if f.uri not in still and (f.uri in plan.listed or judged(f.uri))]
    if over:
        store.clear_failures(over)
    return removed
