"""A film, or a picture that moves, frame by frame: what its asset is made of.

The frames are decoded once, in bounded memory: some ten a second feed the dense track, fewer are kept,
encoded in small batches as if they were pictures, and joined.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from findalike import decode
from findalike.decode import sampling, titles
from findalike.decode.sampling import Sampled, Sampling
from findalike.encode.base import unit
from findalike.errors import DamagedPicture, ReadError
from findalike.ingest.observe import Found
from findalike.tracks import TRACK, Recorder
from findalike.types import Card, Origin, Picture, Row

if TYPE_CHECKING:
    from findalike.ingest.work import Done

BATCH = 8
"""Frames that are encoded at once."""

STRONGEST = 10
"""The evidence of a film is the mean of the strongest tenth of its frames, and of so many at most: what is
there for some seconds is in the film, and one doubtful frame among many is not enough."""

WEAK = 0.02
"""Evidence of a film below this is not kept."""

COPY_LIMIT = 1 << 33
"""Bytes of a film that can only be read from start to end, and is therefore copied first."""

_CHUNK = 1 << 20

Tell = Callable[[float], None]
"""Hears how many seconds of a film are done."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked of a film: which frames, of which shorter side (as of `decode.decode`), and the longer
    side of the small pictures that are kept."""

    sampling: Sampling
    short_side: int | None
    thumbnail_side: int


class Joined:
    """Takes the frames of a film, one batch after the other, and puts together what they give.

    `describe` gives each picture its rows, evidence and attachments, as to one of a file of its own. `cards`
    are those of the spaces that describe pictures as wholes.
    """

    def __init__(
        self, wishes: Wishes, cards: Sequence[Card],
        describe: Callable[[Sequence[Picture]], Sequence[Done]],
    ) -> None:  # fmt: skip
        self._wishes, self._describe = wishes, describe
        self._metrics = {card.space: card.metric for card in cards}
        self._recorder = Recorder()
        self._sums: dict[str, NDArray[np.float64]] = {}
        self._strongest: dict[str, dict[int, list[float]]] = {}
        self._looks: dict[str, tuple[bool, NDArray[np.float32]]] = {}
        self._rows: dict[str, list[Row]] = {}
        self._attachments: dict[str, bytes] = {}
        self.problem = ""

    def take(self, frames: Iterable[Any], asset_id: str, duration: float | None, tell: Tell) -> None:
        """All frames of a film, in order. Raises DamagedPicture when none of them can be used."""
        chosen = sampling.sample(self._recorded(frames), self._wishes.sampling, duration)
        pictures = self._pictured(chosen, asset_id)
        while several := list(islice(pictures, BATCH)):
            for picture, done in zip(several, self._describe(several), strict=True):
                self._add(picture, done)
            tell(several[-1].origin.time or 0.0)
        if not self._looks:
            raise DamagedPicture(self.problem or "is a film of which no picture can be decoded")
        if track := self._recorder.finish():
            self._attachments[TRACK] = track

    def put_into(self, done: Done) -> None:
        """The rows and attachments of the frames beside what a picture's first frame gave."""
        for space, several in self._rows.items():
            done.rows.setdefault(space, []).extend(several)
        done.attachments |= self._attachments

    def put_whole_into(self, done: Done, asset_id: str) -> None:
        """What stands for a whole film too: the mean of its frames, its evidence, its thumbnail."""
        self.put_into(done)
        for space, total in self._sums.items():
            mean = (total / len(self._looks)).astype(np.float32)
            vector = unit(mean) if self._metrics[space] == "cosine" else mean
            done.rows[space].append(Row(f"{asset_id}:whole", Origin(asset_id), vector))
        done.evidence = self._evidence()
        done.thumbnail = self._thumbnail()

    def _evidence(self) -> Found:
        most = max(1, min(STRONGEST, len(self._looks) // 10))
        means = {
            bank: {concept: sum(sorted(weights)[-most:]) / most for concept, weights in found.items()}
            for bank, found in self._strongest.items()
        }
        return {bank: {c: w for c, w in found.items() if w >= WEAK} for bank, found in means.items()}

    def _thumbnail(self) -> bytes:
        """The frame that looks most like the others; a title card only where there is nothing else."""
        usual = np.median([look for _, look in self._looks.values()], axis=0)
        scores = [
            (title, float(np.abs(look - usual).mean()), key) for key, (title, look) in self._looks.items()
        ]
        return self._attachments[min(scores)[2]]

    def _recorded(self, frames: Iterable[Any]) -> Iterator[Any]:
        for frame in frames:
            self._recorder.add(frame.time, frame.luma())
            yield frame

    def _pictured(self, chosen: Iterator[Sampled], asset_id: str) -> Iterator[Picture]:
        for sampled in chosen:
            frame = sampled.frame
            pixels = frame.pixels(self._wishes.short_side)
            title = titles.is_title(pixels)
            time, end = round(frame.time, 3), round(sampled.end, 3)
            origin = Origin(asset_id, "frame", time=time, end=end, label="title" if title else "")
            self._looks[origin.key] = title, sampling.cells_of(frame.luma())
            yield Picture(pixels, origin, *frame.size)

    def _add(self, picture: Picture, done: Done) -> None:
        key = picture.origin.key
        if done.failure:
            self.problem = self.problem or f"at {picture.origin.time:.1f} s: {done.failure.error}"
            del self._looks[key]
            return
        small = decode.thumbnail(picture, self._wishes.thumbnail_side)
        self._attachments |= {**done.attachments, key: small}
        for space, several in done.rows.items():
            self._rows.setdefault(space, []).extend(several)
            if space in self._metrics:
                self._sums[space] = self._sums.get(space, 0) + several[0].vector.astype(np.float64)
        for bank, found in done.evidence.items():
            kept = self._strongest.setdefault(bank, {})
            for concept, weight in found.items():
                weights = kept.setdefault(concept, [])
                heapq.heappush(weights, weight)
                if len(weights) > STRONGEST:
                    heapq.heappop(weights)


@contextmanager
def seekable(file: BinaryIO) -> Iterator[BinaryIO]:
    """The file, or a copy of one that can only be read from start to end. Raises ReadError for too large a
    one."""
    if file.seekable():
        yield file
        return
    with tempfile.TemporaryFile() as copy:
        while chunk := file.read(_CHUNK):
            if copy.tell() + len(chunk) > COPY_LIMIT:
                raise ReadError(f"is a film of more than {COPY_LIMIT:,} bytes; copy it to this machine first")
            copy.write(chunk)
        yield cast(BinaryIO, copy)
