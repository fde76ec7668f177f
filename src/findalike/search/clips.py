"""Films as queries: a few of their frames, and their dense track."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from findalike import decode, plugins, sources, timing
from findalike.decode import sampling
from findalike.errors import FindalikeError, QueryError, ReadError
from findalike.settings import Settings
from findalike.tracks import TRACK, Recorder, Track
from findalike.types import Origin, Picture, Vector, Vectors

MOST_PICTURES = 64
"""So many frames of a clip are described, spread over all of it."""

ASKED = 8
"""So many of them are looked for by themselves."""

KEPT = 2
"""So many clips are remembered, for the next space or the next page."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A film that is searched for: frames of it, in order of time, and its track. `problem` says what of it
    could not be read."""

    pictures: tuple[Picture, ...]
    track: Track | None
    problem: str = ""

    @property
    def middle(self) -> Picture:
        return self.pictures[len(self.pictures) // 2]


class Clips:
    """Reads films that are searched for. The last few are remembered. Used by all threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[object, Clip] = {}
        self._lock = threading.Lock()

    def read(self, what: str | bytes, label: str, side: int | None) -> Clip:
        """The film of a uri, or of bytes, its frames reduced to a shorter side. Raises QueryError, which
        names it by `label`."""
        try:
            with self._lock, closing(opened(what)) as file:
                key = (_identity(what, file), side)
                if key not in self._known:
                    for old in list(self._known)[: 1 - KEPT]:
                        del self._known[old]
                    with timing.stage("decode"):
                        self._known[key] = self._decoded(file, side)
                return self._known[key]
        except (ReadError, OSError) as error:
            raise QueryError(f"{label}: {error}") from error

    def _decoded(self, file: BinaryIO, side: int | None) -> Clip:
        recorder, pictures = Recorder(), Evenly(MOST_PICTURES)
        film = plugins.on_use("findalike.decode.film", "av").Film(file, self._settings.pixel_budget)
        frames = _recorded(film.frames(brisk=True), recorder)
        for sampled in sampling.sample(frames, duration=film.facts.duration):
            if pictures.wanted():
                pixels = sampled.frame.pixels(side)
                origin = Origin("", "frame", time=sampled.frame.time, end=sampled.end)
                pictures.add(Picture(pixels, origin, *sampled.frame.size))
        if not pictures.kept:
            raise ReadError("is a film that shows nothing: all of it is black or of one colour")
        data = recorder.finish()
        return Clip(tuple(pictures.kept), Track.from_bytes(data) if data else None, film.problem)


def opened(what: str | bytes) -> BinaryIO:
    return io.BytesIO(what) if isinstance(what, bytes) else sources.open_asset(what)


def begins_film(what: str | bytes) -> bool:
    """Whether a uri or bytes are a film, by the first of them. What cannot be read is none."""
    try:
        with closing(opened(what)) as file:
            return bool(decode.sniff_film(file.read(decode.HEAD_BYTES)))
    except (OSError, FindalikeError):
        return False


def track_of(attachments: Mapping[str, bytes]) -> Track | None:
    """The track among the attachments of a film; None where it has none that can be read."""
    try:
        return Track.from_bytes(attachments[TRACK]) if TRACK in attachments else None
    except FindalikeError:
        return None


class Evenly:
    """Keeps at most so many of things that come one after the other, spread evenly over all."""

    def __init__(self, most: int) -> None:
        self.kept: list[Any] = []
        self._most, self._every, self._next = most, 1, 0

    def wanted(self) -> bool:
        """Whether the next one is to be added."""
        self._next += 1
        return (self._next - 1) % self._every == 0

    def add(self, thing: Any) -> None:
        if len(self.kept) == self._most:
            self.kept = self.kept[::2]
            self._every *= 2
            if (self._next - 1) % self._every:
                return
        self.kept.append(thing)


def some(vectors: Vectors, most: int = ASKED) -> Vectors:
    """At most so many rows, spread evenly."""
    places = np.linspace(0, len(vectors) - 1, min(most, len(vectors))).round().astype(int)
    return np.asarray(vectors[places])


def mean_of(vectors: Vectors) -> Vector:
    """Of the frames of a film, of unit length where those are."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    scale = float(np.linalg.norm(mean)) if np.allclose(lengths, 1, atol=1e-3) else 1.0
    return np.asarray(mean / (scale or 1.0), np.float32)


def _recorded(frames: Iterable[Any], recorder: Recorder) -> Iterator[Any]:
    """The frames, each handed to a recorder on the way."""
    for frame in frames:
        recorder.add(frame.time, frame.luma())
        yield frame


def _identity(what: str | bytes, file: BinaryIO) -> object:
    """What tells a film from others, and from what it was before."""
    if isinstance(what, bytes):
        return len(what), hash(what)
    try:
        now = os.fstat(file.fileno())
    except (OSError, AttributeError):  # a member of an archive
        return what
    return what, now.st_size, now.st_mtime_ns
