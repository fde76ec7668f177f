"""What runs on the machines of a cluster: an actor that is made once and looks into shards of files."""

from __future__ import annotations

import hashlib
import logging
import pickle
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from findalike import regions
from findalike import settings as settings_
from findalike.encode import catalog, learned
from findalike.encode.base import Encoder
from findalike.errors import FindalikeError, FleetError
from findalike.fleet.shards import Shard
from findalike.ingest.identity import identity
from findalike.ingest.measures import Measures
from findalike.ingest.observe import Watchers
from findalike.ingest.pipeline import pipeline
from findalike.ingest.plan import Claim, Job, Known, Plan
from findalike.ingest.work import Done, Worker
from findalike.query import Kind
from findalike.settings import Settings
from findalike.sidecars import MemorySidecars
from findalike.store.memory import MemoryStore
from findalike.types import Bank, Card
from findalike.words import banks

log = logging.getLogger(__name__)

VERSION = metadata.version("findalike")

SHARD, ANSWER = "shard", "answer"
"""The columns of what goes to a worker and comes back, pickled."""

_SAME = "install the same on all machines"

_SHOWN = 16
"""Hexadecimal digits of a SHA-256 that go to workers of each lost content."""


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What a worker must know of a run. `finders` are names of finders by their references, `observers`
    prints of banks by their names, `learned` the files that were learned of the library. `lost` are the
    beginnings of the contents of known files that the run does not list, sorted, shape (n,)."""

    cards: Sequence[Card]
    settings: Settings
    columns: Mapping[str, Kind]
    measures: Measures
    finders: Mapping[str, str]
    observers: Mapping[str, str]
    learned: Mapping[str, bytes]
    lost: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a shard, on the machine `node`. Jobs that are not in `done` were not finished, because
    of `error`. `problem` says why this worker can look into nothing at all."""

    number: int
    node: str
    done: Sequence[Done] = ()
    error: str = ""
    problem: str = ""


def beginnings(contents: Sequence[str]) -> NDArray[np.uint64]:
    """The sorted beginnings of SHA-256 sums: eight bytes each, for libraries of many millions."""
    return np.unique(np.fromiter((_beginning(each) for each in contents), np.uint64, len(contents)))


def printed(bank: Bank) -> str:
    """What differs when two installations have another bank of one name."""
    return hashlib.sha256(repr(bank).encode()).hexdigest()[:_SHOWN]


def _beginning(sha256: str) -> int:
    return int(sha256[:_SHOWN] or "0", 16)


@dataclass(frozen=True, slots=True, eq=False)
class Elsewhere:
    """Identities on a worker, which does not know the library: the driver settles whose file it is.

    A file first seen whose content may be that of a lost one is claimed for nobody, with nothing to do; the
    driver sends it out again with what came of it.
    """

    lost: NDArray[np.uint64]

    def claim(self, job: Job, sha256: str) -> Claim | None:
        if job.settled:
            return job.claim if job.claim and job.claim.known.sha256 == sha256 else None
        beginning = _beginning(sha256)
        place = int(np.searchsorted(self.lost, np.uint64(beginning)))
        if place == len(self.lost) or int(self.lost[place]) != beginning:
            return None
        nobody = Known("", job.listed.uri, job.listed.size, job.listed.modified, sha256)
        return Claim(nobody, (), ())

    def new(self, uri: str, sha256: str) -> str:
        return identity(uri, sha256)


class Encoding:
    """The actor. It is given the version of the driver's findalike and its facts, pickled, since only the
    same version can read them. Encoders are loaded when it is made; what is wrong then, it answers to every
    shard, because an actor that cannot be made ends the run without a word of why."""

    def __init__(self, version: str, packed: bytes) -> None:
        self._node = socket.gethostname()
        self._problem = ""
        if version != VERSION:
            self._problem = f"findalike {VERSION} is installed there, but {version} here: {_SAME}"
            return
        try:
            facts: Facts = pickle.loads(packed)
            self._threads = max(1, facts.settings.threads)
            self._work: Callable[..., list[Done]] = made(facts).work
        except (FindalikeError, OSError) as error:
            self._problem = str(error)

    def __call__(self, table: pa.Table) -> pa.Table:
        """A table with a pickled shard in each row, to one with a pickled answer in each."""
        shards = [pickle.loads(value.as_py()) for value in table[SHARD]]
        answers = [pickle.dumps(self._answer(shard), protocol=5) for shard in shards]
        return pa.table({ANSWER: pa.array(answers, pa.large_binary())})

    def _answer(self, shard: Shard) -> Answer:
        if self._problem:
            return Answer(shard.number, self._node, problem=self._problem)
        done: list[Done] = []
        error = ""
        try:
            for several in pipeline(shard.jobs, self._work, self._threads):
                done += several if isinstance(several, list) else ()
        except Exception as failed:  # the driver tries again with fewer files, and names it in the end
            log.exception("unexpected error in a shard")
            error = f"{type(failed).__name__}: {failed}"
        return Answer(shard.number, self._node, done, error)


def made(facts: Facts) -> Worker:
    """The worker of a run, as it would be on the driver. Raises FleetError where this machine is not like
    that one, EncoderError, ExtraMissing."""
    settings = replace(facts.settings, cache=settings_.default().cache)
    encoders = _encoders(facts, settings)
    watchers = _watchers(facts.observers)
    finders = [_finder(reference, name, settings) for reference, name in facts.finders.items()]
    plan = Plan({}, {}, watchers, facts.columns, measures=facts.measures)
    return Worker(encoders, settings, plan, Elsewhere(facts.lost), finders)


def _encoders(facts: Facts, settings: Settings) -> list[Encoder]:
    files = MemorySidecars()
    for name, content in facts.learned.items():
        files.write(name, content)
    with tempfile.TemporaryDirectory() as folder:
        home = learned.Home(files, Path(folder))
        return [_encoder(learned.at_home(card, home), settings) for card in facts.cards]


def _encoder(card: Card, settings: Settings) -> Encoder:
    installed = catalog.installed(card)
    differing = catalog.differing(installed, card)
    if differing:
        raise FleetError(f"another {card.space} is installed there: {', '.join(differing)} differ: {_SAME}")
    return catalog.load(installed, settings)


def _watchers(prints: Mapping[str, str]) -> Watchers:
    """Observers that know of no evidence from before: a worker is told what to look for."""
    observers, nothing = [banks.observer(name) for name in prints], MemoryStore()
    for observer in observers:
        if printed(observer.bank) != prints[observer.bank.name]:
            raise FleetError(f"another bank {observer.bank.name} is installed there: {_SAME}")
        nothing.add_bank(observer.bank)
    return Watchers(observers, nothing)


def _finder(reference: str, name: str, settings: Settings) -> regions.Finder:
    finder = regions.load(reference, settings)
    if finder.name != name:
        raise FleetError(f"{reference} is {finder.name} there, but {name} here: {_SAME}")
    return finder
