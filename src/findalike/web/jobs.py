"""Indexing, and learning of attributes, in the background: one job at a time, each with its progress, its
failures and a way to stop."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from findalike import uri as uris
from findalike.errors import FindalikeError
from findalike.ingest import Progress, Report
from findalike.types import Failure
from findalike.web.problems import ProblemError, told_of

LOG = logging.getLogger(__name__)

State = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED = ("done", "failed", "cancelled")

KEPT = 50
"""Jobs that are remembered after their end."""

MOST_FAILURES = 1_000
"""Failures that a job tells; the library keeps all."""

Index = Callable[[Path, bool, Callable[[Progress], None]], Report]
"""Brings the library in step with a folder, and tells how far it is."""

Learn = Callable[[str, Callable[[str, int, int], None]], "Lesson"]
"""Learns an attribute anew and predicts by it; tells what it does, how much of that is done, and of what."""


class Cancelled(Exception):
    """Raised from the progress of a run to stop it; what was done is kept."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What learning an attribute anew gave: the accuracy on labelled pictures that were left out, now and
    before, how many are labelled and were predicted, and sentences on what is odd."""

    accuracy: float | None
    before: float | None
    labelled: int
    predicted: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"notes": list(self.notes)}


@dataclass(frozen=True, slots=True)
class Step:
    """How far a job is that learns."""

    phase: str
    done: int
    total: int
    failed: int = 0
    film: str = ""


@dataclass(slots=True)
class Job:
    """One run, over a folder or, where `column` says which, of an attribute. Changed only by the thread that
    runs it, and by `cancel`."""

    folder: str = ""
    path: Path = Path()
    retry: bool = False
    column: str | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: State = "queued"
    progress: Progress | Step | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: datetime | None = None
    ended: datetime | None = None
    error: str | None = None
    report: Report | None = None
    lesson: Lesson | None = None
    stop: bool = False

    def to_json(self) -> dict[str, Any]:
        done, report = self.progress, self.report
        failures = report.failures if report else ()
        return {
            "id": self.id,
            "kind": "learn" if self.column is not None else "index",
            "folder": self.folder,
            "path": uris.text(str(self.path)) if self.folder else "",
            "column": self.column,
            "state": self.state,
            "phase": done.phase if done and self.state == "running" else None,
            "done": done.done if done else 0,
            "total": done.total if done else 0,
            "failed": len(failures) or (done.failed if done else 0),
            "film": _film(done) if isinstance(done, Progress) and self.state == "running" else None,
            "created": _written(self.created),
            "started": _written(self.started),
            "ended": _written(self.ended),
            "error": self.error,
            "report": _report(report) if report else None,
            "lesson": self.lesson.to_json() if self.lesson else None,
            "failures": [failure_to_json(each) for each in failures[:MOST_FAILURES]],
        }


class Jobs:
    """Runs jobs in one thread, in the order they came. `most` may wait."""

    def __init__(self, index: Index, learn: Learn, most: int) -> None:
        self._index = index
        self._learn = learn
        self._most = most
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "index")

    def add(self, folder: str, path: Path, retry: bool) -> Job:
        """Raises ProblemError when too many wait. A folder that waits already is not added again."""
        return self._added(Job(folder, path, retry))

    def learn(self, column: str) -> Job:
        """The same for an attribute."""
        return self._added(Job(column=column))

    def _added(self, job: Job) -> Job:
        with self._lock:
            waiting = [job for job in self._jobs.values() if job.state == "queued"]
            for other in waiting:
                if (other.path, other.retry, other.column) == (job.path, job.retry, job.column):
                    return other
            if len(waiting) >= self._most:
                raise ProblemError("too-many", f"{len(waiting)} jobs are waiting; try again when one is done")
            self._jobs[job.id] = job
            self._forget()
        self._thread.submit(self._run, job)
        return job

    def get(self, job_id: str) -> Job:
        """Raises ProblemError for one that is not there."""
        try:
            return self._jobs[job_id]
        except KeyError:
            raise ProblemError("not-found", f"there is no job {job_id!r}; /v1/jobs lists them") from None

    def all(self) -> list[Job]:
        """The newest first."""
        return list(self._jobs.values())[::-1]

    def cancel(self, job_id: str) -> Job:
        """A job that runs stops at its next file."""
        job = self.get(job_id)
        with self._lock:
            job.stop = True
            if job.state == "queued":
                job.state, job.ended = "cancelled", datetime.now(UTC)
        return job

    @property
    def running(self) -> int:
        return sum(job.state not in ENDED for job in self._jobs.values())

    def close(self) -> None:
        """Stop what runs, and wait for what it has in hand."""
        for job in self.all():
            if job.state not in ENDED:
                self.cancel(job.id)
        self._thread.shutdown(wait=True)

    def _run(self, job: Job) -> None:
        if job.stop:
            return
        with self._lock:
            job.state, job.started = "running", datetime.now(UTC)
        state: State = "done"
        try:
            self._do(job)
        except Cancelled:
            state = "cancelled"
        except FindalikeError as error:
            state, job.error = "failed", told_of(error)
        except Exception:
            LOG.exception("job %s failed", job.id)
            state, job.error = "failed", "something went wrong in the server; its log says more"
        with self._lock:
            job.state, job.ended = state, datetime.now(UTC)

    def _do(self, job: Job) -> None:
        if job.column is None:
            job.report = self._index(job.path, job.retry, lambda progress: self._progress(job, progress))
        else:
            job.lesson = self._learn(job.column, lambda *step: self._progress(job, Step(*step)))

    def _progress(self, job: Job, progress: Progress | Step) -> None:
        if job.stop:
            raise Cancelled
        with self._lock:
            job.progress = progress

    def _forget(self) -> None:
        ended = [job.id for job in self._jobs.values() if job.state in ENDED]
        for job_id in ended[: max(0, len(ended) - KEPT)]:
            del self._jobs[job_id]


def _film(done: Progress) -> dict[str, Any] | None:
    """How far a film is that is being looked into; long ones take minutes."""
    if not done.film:
        return None
    of = None if done.of is None else round(done.of, 1)
    return {"path": done.film, "seconds": round(done.seconds, 1), "of": of}


def failure_to_json(failure: Failure) -> dict[str, str]:
    return {"path": failure.uri, "stage": failure.stage, "error": failure.error}


def _report(report: Report) -> dict[str, Any]:
    names = ("added", "updated", "encoded", "moved", "removed", "unchanged", "skipped")
    return {**{name: getattr(report, name) for name in names}, "seconds": round(report.seconds, 3)}


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None
