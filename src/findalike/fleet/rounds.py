"""What the driver does: sends shards out, settles whose file it is, and sends out again what was lost.

A shard that is lost with its worker, or at which one fails, is tried again in smaller ones, down to single
files; a file that ends its worker even then is a failure, and the run goes on.
"""

from __future__ import annotations

import pickle
import re
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from findalike import plugins, sources
from findalike.encode.learned import FOLDER
from findalike.errors import FindalikeError, FleetError
from findalike.fleet.shards import Round, opening, sharded
from findalike.ingest.pipeline import Results, Workload
from findalike.ingest.plan import Job
from findalike.ingest.work import Done, failed
from findalike.sidecars import Sidecars
from findalike.types import Row

if TYPE_CHECKING:
    from findalike.fleet.cluster import Cluster
    from findalike.fleet.worker import Answer, Facts

WINDOW = 2_000
"""Shards that are handed to one Ray Data job: the list of a very long run is not all with Ray at once."""

LEARNED = f"{FOLDER}/"

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

SECONDS = 1.0
"""How long the driver waits for answers before it looks after what else there is."""

ENDED = (
    "it ended the worker that looked into it, each time: more memory for workers, or fewer of them, may help"
)


def rounds(load: Workload, cluster: Cluster, sidecars: Sidecars, finders: Sequence[str]) -> Results:
    """What becomes of each job of a run, some at a time, in any order. Raises FleetError."""
    stream = cluster.stream(facts(load, sidecars, finders))
    try:
        yield from _Driver(load, cluster, stream).results()
    finally:
        stream.stop()


def facts(load: Workload, sidecars: Sidecars, finders: Sequence[str]) -> Facts:
    """What workers must know of a run."""
    worker = plugins.on_use("findalike.fleet.worker")
    found: Facts = worker.Facts(
        cards=[encoder.card for encoder in load.encoders],
        settings=replace(load.settings, milvus_token=""),  # they open no library
        columns=load.plan.columns,
        measures=replace(load.plan.measures, edited={}),
        finders={reference: each.name for reference, each in zip(finders, load.finders, strict=True)},
        observers={bank.name: worker.printed(bank) for bank in load.plan.watchers.banks()},
        learned={
            name: sidecars.read(name) or b"" for name in sidecars.names() if name.startswith("learned/")
        },
        lost=worker.beginnings([known.sha256 for known in load.plan.lost()]),
    )
    return found


@dataclass(slots=True)
class _Driver:
    """One run. `open` are the jobs of the shards that are out, `errors` what workers said of those they could
    not finish, `unseen` by machine the files that it cannot read and this one can."""

    load: Workload
    cluster: Cluster
    stream: Any
    open: dict[int, dict[str, Job]] = field(default_factory=dict)
    again: list[Job] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    unseen: dict[str, list[Done]] = field(default_factory=dict)

    def results(self) -> Results:
        first = opening(self.load.plan.jobs, self.cluster.workers)
        waiting = deque([first])
        while waiting:
            each = waiting.popleft()
            lost = yield from self._round(each)
            if self.again:
                waiting.append(replace(first, jobs=self.again))
                self.again = []
            if lost and each.last:
                yield [self._given_up(job) for job in lost]
            elif lost:
                waiting.append(each.again(lost))
        yield [_not_seen(node, several) for node, several in self.unseen.items()]

    def _round(self, each: Round) -> Generator[Sequence[Done], None, list[Job]]:
        """Results of one round; returns the jobs that were lost in it."""
        lost: list[Job] = []
        shards = sharded(each.jobs, each.files)
        while window := list(islice(shards, WINDOW)):
            self.open = {shard.number: {job.listed.uri: job for job in shard.jobs} for shard in window}
            self.stream.begin(
                [pickle.dumps(shard, protocol=5) for shard in window], self.cluster.pool(each.first)
            )
            yield from self._window()
            lost += [job for jobs in self.open.values() for job in jobs.values()]
        return lost

    def _window(self) -> Iterator[Sequence[Done]]:
        more = True
        while more:
            try:
                taken, more = self.stream.take(SECONDS)
            except Exception as error:  # what Ray raises has no common root
                raise FleetError(_broken(error)) from error
            answers = [pickle.loads(each) for each in taken]
            yield [done for answer in answers for done in self._settled(answer)]

    def _settled(self, answer: Answer) -> Iterator[Done]:
        """What an answer brings that is not known yet, with the identities that the library gives."""
        if answer.problem:
            raise FleetError(f"the worker on {answer.node} cannot begin: {answer.problem}")
        jobs = self.open.get(answer.number, {})
        for done in answer.done:
            job = jobs.pop(done.job.listed.uri, None)
            if job and (found := self._identified(done, answer.node)):
                yield found
        for uri in jobs:
            self.errors[uri] = answer.error

    def _identified(self, done: Done, node: str) -> Done | None:
        """The result under its own id; None for one that has to wait or is not wanted."""
        job, asset = done.job, done.asset
        if done.failure and done.failure.stage == "read" and _readable(job.listed.uri):
            self.unseen.setdefault(node, []).append(done)
            return None
        if asset is None or job.known:
            return done
        if not asset.id:
            return self._claimed(done)
        return (
            done
            if done.outcome == "moved"
            else renamed(done, self.load.identities.new(asset.uri, asset.sha256))
        )

    def _claimed(self, done: Done) -> Done | None:
        """A file whose content may be that of a lost one: moved and done with, or to be looked into again."""
        job, asset = done.job, done.asset
        claim = self.load.identities.claim(job, asset.sha256) if asset else None
        if asset and claim and not (claim.spaces or claim.banks):
            return replace(done, asset=replace(asset, id=claim.known.id))
        self.again.append(replace(job, settled=True, claim=claim))
        return None

    def _given_up(self, job: Job) -> Done:
        return failed(job, "encode", self.errors.get(job.listed.uri) or ENDED)


def renamed(done: Done, asset_id: str) -> Done:
    """The result under another id."""
    if done.asset is None or done.asset.id == asset_id:
        return done
    rows = {space: [_of(row, asset_id) for row in several] for space, several in done.rows.items()}
    return replace(done, asset=replace(done.asset, id=asset_id), rows=rows)


def _of(row: Row, asset_id: str) -> Row:
    key = row.id.removeprefix(row.origin.asset_id)
    return replace(row, id=f"{asset_id}{key}", origin=replace(row.origin, asset_id=asset_id))


def _readable(uri: str) -> bool:
    """Whether this machine can read a file."""
    try:
        with sources.open_asset(uri) as file:
            file.read(1)
    except (FindalikeError, OSError):
        return False
    return True


def _not_seen(node: str, several: Sequence[Done]) -> Done:
    """One failure for all that a machine cannot read."""
    first = several[0]
    said = first.failure.error if first.failure else ""
    more = f" and {len(several) - 1:,} more files" if len(several) > 1 else ""
    return failed(
        first.job,
        "read",
        f"the worker on {node} cannot read it{more} ({said}), while this machine can: give all machines the "
        "same folder at the same path, or index from s3://",
    )


def _broken(error: Exception) -> str:
    said = _COLOURS.sub("", str(error))
    lines = [line.strip() for line in said.splitlines() if line.strip()] or [type(error).__name__]
    return (
        f"the Ray cluster gave up: {' '.join(lines[:1] + lines[-1:])}; what was done is kept, and the same "
        "command goes on from there"
    )
