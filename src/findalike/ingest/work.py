"""What threads do with files: read, tell moved from new, decode, encode."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from queue import Queue
from typing import Literal

from findalike import decode, sources
from findalike.encode.base import Encoder, encode, short_side
from findalike.errors import EncoderError, ReadError
from findalike.ingest.plan import Job, Known, Plan
from findalike.settings import Settings
from findalike.sources.base import reason
from findalike.store.columns import kind_of
from findalike.types import Asset, Failure, Metadata, Origin, Picture, Vector

log = logging.getLogger(__name__)

CHUNK = 8
"""Files that a thread takes at once: enough to batch, few enough to keep memory and waiting short."""

HEAD_BYTES = 64

Outcome = Literal["added", "updated", "encoded", "moved", "unchanged", "skipped", "failed"]


@dataclass(slots=True)
class Done:
    """What became of a job. With a picture, it waits for the vectors of `spaces`; with a thumbnail, it was
    decoded anew."""

    job: Job
    outcome: Outcome
    asset: Asset | None = None
    thumbnail: bytes = b""
    picture: Picture | None = None
    spaces: tuple[str, ...] = ()
    vectors: dict[str, Vector] = field(default_factory=dict)
    failure: Failure | None = None


def failed(job: Job, stage: str, error: str) -> Done:
    listed = job.listed
    return Done(job, "failed", failure=Failure(listed.uri, stage, error, listed.size, listed.modified))


class Identities:
    """Gives each new file its id, and a moved file the id it had. Used by all threads."""

    def __init__(self, plan: Plan) -> None:
        self._taken = {known.id for known in plan.known.values()}
        self._lost: dict[str, list[Known]] = {}
        for known in plan.known.values():
            if known.uri not in plan.listed:
                self._lost.setdefault(known.sha256, []).append(known)
        self.moved: set[str] = set()
        self._lock = threading.Lock()

    def claim(self, sha256: str) -> Known | None:
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


class Worker:
    """Looks into files. `work` may be called by several threads at once."""

    def __init__(
        self, encoders: Sequence[Encoder], settings: Settings, plan: Plan, identities: Identities
    ) -> None:
        self._encoders = {encoder.card.space: encoder for encoder in encoders}
        self._settings = settings
        self._plan = plan
        self._identities = identities
        self._short_side = short_side(encoder.card for encoder in encoders)

    def work(self, jobs: Sequence[Job]) -> list[Done]:
        several = [self._guarded(job) for job in jobs]
        for space in self._encoders:
            self._encode(space, [done for done in several if done.picture and space in done.spaces])
        for done in several:
            done.picture = None
        return several

    def _guarded(self, job: Job) -> Done:
        stage = "read"
        try:
            with sources.open_asset(job.listed.uri) as file:
                head = file.read(HEAD_BYTES)
                media = decode.sniff(head)
                if not media and not job.known and not decode.looks_like_picture(job.listed.uri):
                    return Done(job, "skipped")
                data = head + file.read()
            stage = "decode"
            return self._looked_into(job, data, media)
        except ReadError as error:
            return failed(job, stage, str(error))
        except OSError as error:  # a bad sector, a drive that went away
            return failed(job, stage, reason(error))
        except Exception as error:  # one file, whatever it holds, never ends a run
            log.exception("unexpected error at %s", job.listed.uri)
            return failed(job, stage, f"{type(error).__name__}: {error}")

    def _looked_into(self, job: Job, data: bytes, media: str) -> Done:
        sha256 = hashlib.sha256(data).hexdigest()
        known, spaces = job.known, tuple(self._encoders)
        outcome: Outcome = "updated" if known else "added"
        if known and known.sha256 == sha256:
            outcome, spaces = ("encoded" if job.spaces else "unchanged"), job.spaces
        elif known is None and (known := self._identities.claim(sha256)):
            outcome, spaces = "moved", self._plan.lacking(known.id)
        identity = known.id if known else self._identities.new(job.listed.uri, sha256)
        asset = replace(job.listed, id=identity, sha256=sha256, media=media)
        if not spaces:
            return Done(job, outcome, asset)
        decoded = decode.decode(
            data,
            Origin(identity),
            short_side=self._short_side,
            budget=self._settings.pixel_budget,
            thumbnail_side=self._settings.thumbnail_side,
        )
        metadata = {**self._fitting(decoded.metadata), **asset.metadata}
        asset = replace(asset, media=decoded.media, metadata=metadata)
        return Done(job, outcome, asset, decoded.thumbnail, decoded.picture, spaces)

    def _fitting(self, metadata: Metadata) -> Metadata:
        """What a picture says of itself gives way to a table's column of the same name and another kind."""
        columns = self._plan.columns
        return {
            name: value
            for name, value in metadata.items()
            if columns.get(name) in (None, kind_of(value)) or {columns[name], kind_of(value)} == _NUMBERS
        }

    def _encode(self, space: str, waiting: Sequence[Done]) -> None:
        encoder = self._encoders[space]
        try:
            vectors = encode(encoder, [done.picture for done in waiting if done.picture])
        except Exception as error:
            if len(waiting) > 1:  # find the picture that does it
                for done in waiting:
                    self._encode(space, [done])
                return
            if not isinstance(error, EncoderError):
                log.exception("unexpected error at %s", waiting[0].job.listed.uri)
            waiting[0].outcome, waiting[0].asset = "failed", None
            waiting[0].failure = failed(waiting[0].job, "encode", str(error)).failure
            return
        for done, vector in zip(waiting, vectors, strict=True):
            done.vectors[space] = vector


_NUMBERS = {"integer", "number"}


def pipeline(
    jobs: Sequence[Job], work: Callable[[Sequence[Job]], list[Done]], workers: int
) -> Iterator[list[Done]]:
    """The results of `work` on chunks of jobs, in the order they are done."""
    chunks = iter([jobs[i : i + CHUNK] for i in range(0, len(jobs), CHUNK)])
    count = -(-len(jobs) // CHUNK)
    results: Queue[list[Done] | BaseException] = Queue(maxsize=64)
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
