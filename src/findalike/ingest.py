"""From sources to rows: list, compare with what is known, read, decode, encode, write, sweep.

Threads of one kind each take a few files, read and decode them and encode them on a session that all share;
the calling thread writes. Queues between them are short, so memory does not grow with the library. A file
that cannot be used is a Failure; only a library that cannot be written ends a run.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from queue import Queue
from typing import Literal

from findalike import decode, sources
from findalike import uri as uris
from findalike.encode.base import Encoder, encode, short_side
from findalike.errors import EncoderError, ReadError, SweepRefused
from findalike.settings import Settings
from findalike.sources import Source
from findalike.store.base import Batch, Store
from findalike.types import Asset, Failure, Metadata, Origin, Picture, Row, Vector

log = logging.getLogger(__name__)

CHUNK = 8
"""Files that a thread takes at once: enough to batch, few enough to keep memory and waiting short."""

SECONDS_BETWEEN_WRITES = 15.0
HEAD_BYTES = 64
FROM_PIXELS = ("width", "height", "taken", "camera", "latitude", "longitude")
"""Metadata that decoding gives; it goes when the content changes, while a table's columns stay."""

Outcome = Literal["added", "updated", "encoded", "moved", "unchanged", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did. `added`: new files; `updated`: content or metadata changed; `encoded`: known files that
    got vectors in another space; `skipped`: files that are no pictures and do not claim to be.
    `failures` also lists files that failed before and have not changed since."""

    added: int = 0
    updated: int = 0
    encoded: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    skipped: int = 0
    failures: tuple[Failure, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `total` is 0 while the sources are still being listed."""

    phase: Literal["listing", "encoding", "sweeping"]
    done: int
    total: int
    failed: int


Watch = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class _Known:
    id: str
    uri: str
    size: int
    modified: datetime
    sha256: str

    def same_file(self, listed: Asset) -> bool:
        return (self.size, self.modified) == (listed.size, listed.modified)


@dataclass(frozen=True, slots=True)
class _Job:
    """A file to look into. `spaces` are those it needs vectors in even if its content is the same."""

    listed: Asset
    known: _Known | None
    spaces: tuple[str, ...]


@dataclass(slots=True)
class _Done:
    """What became of a job."""

    job: _Job
    outcome: Outcome
    asset: Asset | None = None
    thumbnail: bytes = b""
    picture: Picture | None = None
    vectors: dict[str, Vector] = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(slots=True)
class _Plan:
    jobs: list[_Job] = field(default_factory=list)
    unchanged: int = 0
    listed: dict[str, Asset] = field(default_factory=dict)
    unlisted: list[Failure] = field(default_factory=list)  # folders and files that could not be listed
    remembered: list[Failure] = field(default_factory=list)  # failed before and not changed since
    with_metadata: list[tuple[_Known, Asset]] = field(default_factory=list)


def roots(
    paths: Iterable[str | os.PathLike[str]], options: sources.Options, store: Store, sweep: bool
) -> list[Source]:
    """The sources of the given paths. Raises UsageError for a path where nothing is and never was, and
    SweepRefused for a root that is missing or empty although the library holds files under it."""
    return [_root(os.path.expanduser(path), options, store, sweep) for path in paths]  # noqa: PTH111


def _root(path: str, options: sources.Options, store: Store, sweep: bool) -> Source:
    root = path if "://" in path else uris.from_path(path)
    if not sources.is_empty_or_missing(root):
        return sources.discover(path, options)
    gone = _Gone(root)
    held = sum(gone.covers(asset.uri) for asset in store.assets())
    if held and not sweep:
        raise SweepRefused(
            f"{path} is missing or empty, but the library holds {held:,} pictures from there. Is a drive not "
            "connected? Nothing was removed. Connect it and run again, or add --sweep to remove them."
        )
    return gone if held else sources.discover(path, options)


@dataclass(frozen=True, slots=True)
class _Gone:
    """A root where nothing is any more: it lists nothing, and so all it held is swept."""

    root: str

    def covers(self, uri: str) -> bool:
        return uri == self.root or uri.startswith(
            (self.root.rstrip(os.sep) + os.sep, uris.member(self.root, ""))
        )

    def __iter__(self) -> Iterator[Asset | Failure]:
        return iter(())


def ingest(
    store: Store,
    encoders: Sequence[Encoder],
    found: Sequence[Source],
    settings: Settings,
    watch: Watch = lambda _: None,
) -> Report:
    """Bring the library in step with the sources. Each encoder's space must be in the store.

    Raises LibraryError when the library cannot be written. On KeyboardInterrupt what was done is written
    first.
    """
    started = time.monotonic()
    known = {a.uri: _Known(a.id, a.uri, a.size, a.modified, a.sha256) for a in store.assets()}
    plan = _planned(store, encoders, found, known, watch)
    writer = _Writer(store, settings.batch_rows)
    identities = _Identities(known, plan.listed)
    worker = _Worker(encoders, settings, identities)
    failed = len(plan.unlisted) + len(plan.remembered)
    finished, total = len(plan.listed) - len(plan.jobs), len(plan.listed)
    try:
        writer.failures(plan.unlisted)
        writer.metadata(plan.with_metadata)
        for several in _pipeline(plan.jobs, worker.work, settings.worker_count()):
            for done in several:
                writer.take(done)
            finished += len(several)
            watch(Progress("encoding", finished, total, failed + len(writer.failed)))
    finally:  # what was done is kept, also when the user interrupts
        writer.flush()
    watch(Progress("sweeping", finished, total, failed + len(writer.failed)))
    removed = _sweep(store, found, known, plan, identities, writer)
    count = writer.counts
    return Report(
        added=count["added"],
        updated=count["updated"],
        encoded=count["encoded"],
        moved=count["moved"],
        removed=removed,
        unchanged=plan.unchanged + count["unchanged"] - writer.refreshed,
        skipped=count["skipped"],
        failures=(*plan.unlisted, *plan.remembered, *writer.failed),
        seconds=time.monotonic() - started,
    )


# Plan


def _planned(
    store: Store,
    encoders: Sequence[Encoder],
    found: Sequence[Source],
    known: Mapping[str, _Known],
    watch: Watch,
) -> _Plan:
    plan = _Plan()
    for source in found:
        for item in source:
            if isinstance(item, Failure):
                plan.unlisted.append(item)
                continue
            if item.metadata or item.uri not in plan.listed:
                plan.listed[item.uri] = item
            if len(plan.listed) % 1000 == 0:
                watch(Progress("listing", len(plan.listed), 0, len(plan.unlisted)))
    spaces = tuple(encoder.card.space for encoder in encoders)
    encoded = {space: store.encoded(space) for space in spaces}
    failures = {failure.uri: failure for failure in store.failures()}
    for uri, listed in plan.listed.items():
        before = known.get(uri)
        failure = failures.get(uri)
        if failure and failure.stage in ("decode", "encode") and _same_failure(failure, listed):
            plan.remembered.append(failure)
            continue
        missing = tuple(s for s in spaces if before is None or before.id not in encoded[s])
        if before is None or missing or not before.same_file(listed):
            plan.jobs.append(_Job(listed, before, missing))
            continue
        plan.unchanged += 1
        if listed.metadata:
            plan.with_metadata.append((before, listed))
    return plan


def _same_failure(failure: Failure, listed: Asset) -> bool:
    return (failure.size, failure.modified) == (listed.size, listed.modified)


class _Identities:
    """Gives each new file its id, and a moved file the id it had. Used by all threads."""

    def __init__(self, known: Mapping[str, _Known], listed: Mapping[str, Asset]) -> None:
        self._taken = {k.id for k in known.values()}
        self._lost: dict[str, list[_Known]] = {}
        for k in known.values():
            if k.uri not in listed:
                self._lost.setdefault(k.sha256, []).append(k)
        self.moved: set[str] = set()
        self._lock = threading.Lock()

    def claim(self, sha256: str) -> _Known | None:
        """A known asset of this content whose file is gone from where it was; each is given once."""
        with self._lock:
            for candidate in self._lost.get(sha256, ()):
                if candidate.id not in self.moved and not sources.exists(candidate.uri):
                    self.moved.add(candidate.id)
                    return candidate
        return None

    def new(self, uri: str, sha256: str) -> str:
        """An id for a file first seen: the same for the same file and content, unless taken."""
        with self._lock:
            for salt in range(len(self._taken) + 1):
                text = f"{uri}\0{sha256}\0{salt or ''}"
                asset_id = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
                if asset_id not in self._taken:
                    break
            self._taken.add(asset_id)
            return asset_id


# Work, in threads


class _Worker:
    def __init__(self, encoders: Sequence[Encoder], settings: Settings, identities: _Identities) -> None:
        self._encoders = {encoder.card.space: encoder for encoder in encoders}
        self._settings = settings
        self._identities = identities
        self._short_side = short_side(encoder.card for encoder in encoders)

    def work(self, jobs: Sequence[_Job]) -> list[_Done]:
        several = [self._guarded(job) for job in jobs]
        for space in self._encoders:
            waiting = [d for d in several if d.picture is not None and space in self._spaces(d)]
            self._encode(space, waiting)
        for done in several:
            done.picture = None
        return several

    def _spaces(self, done: _Done) -> Iterable[str]:
        return done.job.spaces if done.outcome == "encoded" else self._encoders

    def _guarded(self, job: _Job) -> _Done:
        stage = "read"
        try:
            with sources.open_asset(job.listed.uri) as file:
                head = file.read(HEAD_BYTES)
                media = decode.sniff(head)
                if not media and not decode.looks_like_picture(job.listed.uri):
                    return _Done(job, "skipped")
                data = head + file.read()
            stage = "decode"
            return self._looked_into(job, data, media)
        except ReadError as error:
            return _failed(job, stage, str(error))
        except Exception as error:  # one file, whatever it holds, never ends a run
            log.exception("unexpected error at %s", job.listed.uri)
            return _failed(job, stage, f"{type(error).__name__}: {error}")

    def _looked_into(self, job: _Job, data: bytes, media: str) -> _Done:
        sha256 = hashlib.sha256(data).hexdigest()
        known = job.known
        if known and known.sha256 == sha256:
            outcome: Outcome = "encoded" if job.spaces else "unchanged"
        elif known is None and (known := self._identities.claim(sha256)):
            outcome = "moved"
        else:
            outcome = "updated" if known else "added"
        identity = known.id if known else self._identities.new(job.listed.uri, sha256)
        asset = replace(job.listed, id=identity, sha256=sha256, media=media)
        if outcome in ("unchanged", "moved"):
            return _Done(job, outcome, asset)
        decoded = decode.decode(
            data, Origin(identity), short_side=self._short_side, budget=self._settings.pixel_budget
        )
        asset = replace(asset, media=decoded.media, metadata={**decoded.metadata, **asset.metadata})
        thumbnail = decode.thumbnail(decoded.picture, self._settings.thumbnail_side)
        return _Done(job, outcome, asset, thumbnail, decoded.picture)

    def _encode(self, space: str, waiting: Sequence[_Done]) -> None:
        encoder = self._encoders[space]
        try:
            vectors = encode(encoder, [d.picture for d in waiting if d.picture])
        except Exception as error:
            if len(waiting) > 1:  # find the picture that does it
                for done in waiting:
                    self._encode(space, [done])
                return
            if not isinstance(error, EncoderError):
                log.exception("unexpected error at %s", waiting[0].job.listed.uri)
            waiting[0].outcome, waiting[0].asset = "failed", None
            waiting[0].failure = _failed(waiting[0].job, "encode", str(error)).failure
            return
        for done, vector in zip(waiting, vectors, strict=True):
            done.vectors[space] = vector


def _failed(job: _Job, stage: str, error: str) -> _Done:
    listed = job.listed
    return _Done(job, "failed", failure=Failure(listed.uri, stage, error, listed.size, listed.modified))


def _pipeline(
    jobs: Sequence[_Job], work: Callable[[Sequence[_Job]], list[_Done]], workers: int
) -> Iterator[list[_Done]]:
    """The results of `work` on chunks of jobs, in the order they are done."""
    chunks = iter([jobs[i : i + CHUNK] for i in range(0, len(jobs), CHUNK)])
    count = -(-len(jobs) // CHUNK)
    results: Queue[list[_Done] | BaseException] = Queue(maxsize=64)
    lock, stop = threading.Lock(), threading.Event()

    def run() -> None:
        while not stop.is_set():
            with lock:
                chunk = next(chunks, None)
            if chunk is None:
                return
            try:
                results.put(work(chunk))
            except BaseException as error:  # handed to the caller, who raises it
                results.put(error)
                return

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(workers, count))]
    for thread in threads:
        thread.start()
    try:
        for _ in range(count):
            result = results.get()
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        stop.set()
        while any(thread.is_alive() for thread in threads):
            while not results.empty():
                results.get_nowait()
            time.sleep(0.01)


# Write, in the calling thread


class _Writer:
    """Gathers what is done into batches, and counts."""

    def __init__(self, store: Store, batch_rows: int) -> None:
        self._store = store
        self._batch_rows = batch_rows
        self._waiting: list[_Done] = []
        self._last = time.monotonic()
        self.counts: dict[Outcome, int] = dict.fromkeys(
            ("added", "updated", "encoded", "moved", "unchanged", "skipped", "failed"), 0
        )
        self.failed: list[Failure] = []
        self.refreshed = 0

    def take(self, done: _Done) -> None:
        self.counts[done.outcome] += 1
        if done.failure:
            self.failed.append(done.failure)
        if done.asset or done.failure:
            self._waiting.append(done)
        if len(self._waiting) >= self._batch_rows or time.monotonic() - self._last > SECONDS_BETWEEN_WRITES:
            self.flush()

    def failures(self, failures: Sequence[Failure]) -> None:
        if failures:
            self._store.write(Batch(failures=failures))

    def flush(self) -> None:
        """Write what waits. It is durable when this returns."""
        waiting, self._waiting = self._waiting, []
        self._last = time.monotonic()
        old = {d.asset.id for d in waiting if d.asset and d.outcome != "added"}
        stored = self._store.get(old) if old else {}
        same = [d.asset for d in waiting if d.asset and d.outcome in ("moved", "unchanged")]
        if same:
            self._store.update([_merged(a, stored[a.id].metadata, False) for a in same if a.id in stored])
        new = [d for d in waiting if d.asset and d.outcome in ("added", "updated", "encoded")]
        failures = [d.failure for d in waiting if d.failure]
        if new or failures:
            self._store.write(_batch(new, stored, failures))

    def metadata(self, pairs: Sequence[tuple[_Known, Asset]]) -> None:
        """Bring the metadata of unchanged files in step with their table."""
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
            self.refreshed += len(changed)
        self.counts["updated"] += self.refreshed


def _batch(new: Sequence[_Done], stored: Mapping[str, Asset], failures: Sequence[Failure]) -> Batch:
    assets: list[Asset] = []
    rows: dict[str, list[Row]] = {}
    thumbnails: dict[str, bytes] = {}
    for done in new:
        if done.asset is None:
            continue
        before = stored.get(done.asset.id)
        assets.append(_merged(done.asset, before.metadata if before else {}, True))
        thumbnails[done.asset.id] = done.thumbnail
        for space, vector in done.vectors.items():
            rows.setdefault(space, []).append(Row(f"{done.asset.id}:whole", Origin(done.asset.id), vector))
    return Batch(assets, rows, thumbnails, failures)


def _merged(asset: Asset, before: Metadata, decoded: bool) -> Asset:
    """The asset with the metadata it had, save what decoding has given anew."""
    kept = {k: v for k, v in before.items() if not (decoded and k in FROM_PIXELS)}
    return replace(asset, metadata={**kept, **asset.metadata})


# Sweep


def _sweep(
    store: Store,
    found: Sequence[Source],
    known: Mapping[str, _Known],
    plan: _Plan,
    identities: _Identities,
    writer: _Writer,
) -> int:
    """Forget assets and failures whose file is gone from a place that could be listed."""
    unknown = tuple(f"{failure.uri}{end}" for failure in plan.unlisted for end in ("/", uris.SEPARATOR))

    def vanished(uri: str) -> bool:
        return (
            uri not in plan.listed
            and not uri.startswith(unknown)
            and any(source.covers(uri) for source in found)
            and not sources.exists(uri)
        )

    gone = [k.id for k in known.values() if k.id not in identities.moved and vanished(k.uri)]
    removed = store.remove(gone) if gone else 0
    still = {f.uri for f in (*plan.unlisted, *plan.remembered, *writer.failed)}
    covered = [f.uri for f in store.failures() if f.uri not in still and any(s.covers(f.uri) for s in found)]
    if covered:
        store.clear_failures(covered)
    return removed
