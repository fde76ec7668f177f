"""A library of made-up pictures, filled by the ordinary ingest, and what is really nearest in it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import findalike
from findalike import ingest
from findalike.encode import catalog
from findalike.ingest.pipeline import Results, Workload
from findalike.ingest.plan import Job
from findalike.ingest.work import Done
from findalike.types import Asset, Evidence, Failure, Origin, Row, Vectors
from findalike.words import banks
from findalike.words.lexicon import lexicon
from synthetic import CARD, CHUNK, Pictures, Tiled, real

K = 20
PART = 100_000
"""Pictures in a folder, indexed by a run of its own."""
MORE = 10_000
"""Pictures that come later."""
AT_ONCE = 8
"""Pictures that a run is handed at once, as it is by its threads."""
FILTERS = {"": "", "0.1 %": "any < 1", "1 %": "any < 10", "1 % of subjects": "subject < 10"}
ROOT = "/pictures"

_BEGAN = datetime(2004, 1, 1, tzinfo=UTC)
_NAMES = [concept.name for concept in lexicon().bank.concepts]


@dataclass(frozen=True)
class Task:
    """A library of so many rows in a folder for the work, with thumbnails of so many bytes. Its pictures are
    the first ones of a set of `of`, or the whole set. `tiled`: where the real pictures lie whose vectors are
    repeated; without it vectors are made up."""

    work: Path
    rows: int
    thumbnail: int = 600
    queries: int = 200
    tiled: Path | None = None
    of: int = 0

    @property
    def name(self) -> str:
        return f"{self.rows}-tiled" if self.tiled else str(self.rows)

    @property
    def library(self) -> Path:
        return self.work / f"{self.name}.library"

    @property
    def set_rows(self) -> int:
        return self.of or self.rows

    @property
    def parts(self) -> int:
        return math.ceil(self.rows / PART)

    def part(self, number: int) -> range:
        return range(number * PART, min((number + 1) * PART, self.rows))

    def later(self) -> range:
        """The numbers of the pictures that come later, in a folder of their own."""
        return range(self.parts * PART, self.parts * PART + MORE)

    def pictures(self) -> Pictures:
        if self.tiled is None:
            return Pictures(self.set_rows)
        return Tiled(self.set_rows, real=real(self.tiled, self.work / "real.npy"))

    def asked(self) -> Vectors:
        """Pictures of the same subjects that are never in the library, each of another scene."""
        beyond = max(self.later().stop, self.set_rows)
        return self.pictures().vectors(beyond, beyond + 5 * self.queries)[::5]


@dataclass(frozen=True)
class Folder:
    """A source that lists made-up files, as a folder does."""

    name: str
    numbers: range

    @property
    def root(self) -> str:
        return f"{ROOT}/{self.name}"

    def __iter__(self) -> Iterator[Asset | Failure]:
        for n in self.numbers:
            place = f"{self.root}/{_NAMES[n // 300 % len(_NAMES)]} {n // 300}/IMG_{n:08d}.jpg"
            yield Asset(place, 3_000_000 + n, _BEGAN + timedelta(minutes=n))

    def covers(self, uri: str) -> bool:
        return uri.startswith(f"{self.root}/")


def number_of(uri: str) -> int:
    """The number of a made-up picture."""
    return int(uri[-12:-4])


@dataclass
class Maker:
    """Stands where reading, decoding and encoding stand in a run, and counts the seconds that it takes."""

    task: Task
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._pictures = {CARD.space: self.task.pictures()}
        for seed, name in enumerate(catalog.BESIDE, 1):
            card = catalog.find(name)
            self._pictures[card.space] = Pictures(self.task.set_rows, card.dim, seed)

    def run(self, load: Workload) -> Results:
        for start in range(0, len(load.plan.jobs), CHUNK):
            began = time.perf_counter()
            several = self._made(load, load.plan.jobs[start : start + CHUNK])
            self.seconds += time.perf_counter() - began
            for first in range(0, len(several), AT_ONCE):
                yield several[first : first + AT_ONCE]

    def _made(self, load: Workload, jobs: Sequence[Job]) -> list[Done]:
        numbers = [number_of(job.listed.uri) for job in jobs]
        first, end = numbers[0], numbers[-1] + 1
        vectors = {space: each.vectors(first, end) for space, each in self._pictures.items()}
        columns = columns_of(self._pictures[CARD.space], range(first, end))
        random = np.random.default_rng(first)
        thumbnails = random.bytes(self.task.thumbnail * len(jobs))
        shown = random.integers(0, len(_NAMES), (len(jobs), 12))
        weights = random.uniform(0.02, 0.4, (len(jobs), 12))
        return [
            self._done(load, job, i, columns, vectors, thumbnails, dict(zip(*pair, strict=True)))
            for i, (job, pair) in enumerate(
                zip(jobs, zip(shown.tolist(), weights.tolist(), strict=True), strict=True)
            )
        ]

    def _done(
        self, load: Workload, job: Job, i: int, columns: dict[str, NDArray[np.int64]],
        vectors: dict[str, Vectors], thumbnails: bytes, classes: Evidence,
    ) -> Done:  # fmt: skip
        listed = job.listed
        n = number_of(listed.uri)
        sha256 = f"{n:064x}"
        asset_id = load.identities.new(listed.uri, sha256)
        metadata: dict[str, Any] = {name: int(values[i]) for name, values in columns.items()}
        metadata |= {"width": 4032, "height": 3024, "taken": listed.modified, "camera": f"camera {n % 7}"}
        asset = Asset(listed.uri, listed.size, listed.modified, asset_id, "image/jpeg", sha256, metadata)
        rows = {
            space: [Row(f"{asset_id}:whole", Origin(asset_id), made[i])] for space, made in vectors.items()
        }
        appearance = {n % 11: 0.4, 11 + n % 13: 0.2}
        size = self.task.thumbnail
        return Done(
            job, "added", asset, thumbnails[i * size : (i + 1) * size], rows=rows,
            evidence={"appearance": appearance, "classes": classes},
        )  # fmt: skip


def columns_of(pictures: Pictures, numbers: range) -> dict[str, NDArray[np.int64]]:
    """What pictures are filtered by: see the top of `million.py`."""
    order = np.random.default_rng(3).permutation(pictures.subject_count)
    subject = order[pictures.subjects(numbers.start, numbers.stop)] * 1000 // pictures.subject_count
    return {"any": np.arange(numbers.start, numbers.stop) * 7919 % 1000, "subject": subject}


def recalls(
    task: Task, found: dict[str, NDArray[np.int64]], queries: Vectors
) -> dict[str, NDArray[np.float64]]:
    """With each filter, what share of the pictures that are really nearest to a query was found: shape
    (queries,). `found` has their numbers, -1 where there are none, of shape (queries, K). All vectors are
    made again and looked at."""
    pictures = task.pictures()
    none = np.full((len(queries), K), -2, np.float32), np.full((len(queries), K), -2)
    best = dict.fromkeys(found, none)
    for first, vectors in pictures.each(0, task.rows):
        similar = queries @ vectors.T
        columns = columns_of(pictures, range(first, first + len(vectors)))
        for name in found:
            passing = np.arange(len(vectors))
            if where := FILTERS[name]:
                column, _, below = where.split()
                passing = np.flatnonzero(columns[column] < int(below))
            numbers = np.broadcast_to(passing + first, (len(similar), len(passing)))
            best[name] = _best(best[name], (similar[:, passing], numbers))
    return {
        name: np.array(
            [len(set(a) & set(b)) / K for a, b in zip(those.tolist(), best[name][1].tolist(), strict=True)]
        )
        for name, those in found.items()
    }


Ranked = tuple[Vectors, NDArray[np.int64]]


def _best(one: Ranked, other: Ranked) -> Ranked:
    """The K best of both, by similarity, for each query."""
    near, numbers = (np.concatenate(pair, axis=1) for pair in zip(one, other, strict=True))
    order = np.argpartition(-near, K - 1, axis=1)[:, :K]
    return np.take_along_axis(near, order, 1), np.take_along_axis(numbers, order, 1)


def bring_in(library: findalike.Library, task: Task, folder: Folder, maker: Maker) -> ingest.Report:
    """What `Library.add` does for a folder, with made-up pictures in it."""
    store = library.store
    with store.locked(0):
        encoders, _ = library._usable(library._cards_to_fill((), None, False))
        for each in encoders:
            store.add_card(each.card)
        watchers = banks.observers()
        for watcher in watchers:
            store.add_bank(watcher.bank)
        return ingest.ingest(store, encoders, [folder], library.settings, observers=watchers, run=maker.run)
