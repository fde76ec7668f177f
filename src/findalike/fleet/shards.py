"""The list of files in shards: so many files and bytes, each film by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from findalike import decode
from findalike.ingest.pipeline import CHUNK
from findalike.ingest.plan import Job

FILES, BYTES = 256, 256 << 20
"""What a shard has at most: some seconds of work for one core, so that handing it out costs nothing beside
it, and little is done again when a worker is lost."""

EACH = 8
"""Shards for each worker where there are enough files: none waits long for the last."""

SMALLER = 8
"""How many times smaller the shards are with which what was lost is tried again."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Files that one worker takes at once."""

    number: int
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Round:
    """Files to work through in shards of at most so many; the `last` that is tried."""

    jobs: Sequence[Job]
    files: int
    first: bool = True
    last: bool = False

    def again(self, lost: Sequence[Job]) -> Round:
        """The round for what was lost in this one."""
        return Round(lost, max(1, self.files // SMALLER), first=False, last=self.files == 1)


def opening(jobs: Sequence[Job], workers: int) -> Round:
    """The first round: shards small enough that all workers have their part."""
    return Round(jobs, min(FILES, max(CHUNK, len(jobs) // (EACH * workers))))


def sharded(jobs: Iterable[Job], files: int) -> Iterator[Shard]:
    """The jobs, in order, in numbered shards."""
    return (Shard(number, tuple(part)) for number, part in enumerate(_parts(jobs, files)))


def _parts(jobs: Iterable[Job], files: int) -> Iterator[list[Job]]:
    part: list[Job] = []
    held = 0
    for job in jobs:
        if decode.looks_like_film(job.listed.uri):
            yield [job]
            continue
        if part and (len(part) == files or held + job.listed.size > BYTES):
            yield part
            part, held = [], 0
        part.append(job)
        held += job.listed.size
    if part:
        yield part
