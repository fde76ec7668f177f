"""The frames of a film, one after the other: upright, with square pixels, in bounded memory.

PyAV (FFmpeg) reads the file; `av` is imported here, so this module is itself imported on use. What a frame
shows is converted only when it is asked for, because that costs more than to decode it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from findalike.decode.film_facts import Facts, Promised, facts_of, promised
from findalike.decode.film_view import View
from findalike.decode.image import PIXEL_BUDGET, check_budget
from findalike.decode.media import HEAD_BYTES, sniff_film
from findalike.errors import DamagedPicture, NotAPicture, ReadError, TooManyPixels
from findalike.types import Pixels

_FORMATS = {
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "video/3gpp": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
    "video/x-msvideo": "avi",
    "video/x-flv": "flv",
    "video/x-ms-wmv": "asf",
    "video/mpeg": "mpeg",
    "video/mp2t": "mpegts",
    "video/ogg": "ogg",
}
"""FFmpeg's reader for each media type. It is named and never guessed: some of FFmpeg's formats are lists of
other files and addresses, and a film must not make us open those."""

_BUFFER = 1 << 18
_BRISK_RATE, _BRISK_STEP = 20.0, 0.09
_MOST_PIXELS = 2**31 - 1
_BROKEN = (FFmpegError, OSError)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What a film shows from `time` to `end`, when the next is shown, in seconds from its start. `key`: it is
    decoded without others.

    Its pixels live as long as it does; a film is read on while few frames are kept.
    """

    time: float
    end: float
    key: bool
    _raw: Any
    _view: View

    def luma(self) -> NDArray[np.uint8]:
        """The whole upright frame in grey, squashed to a square of `LUMA_SIDE` pixels a side, 0..255."""
        return self._view.luma(self._raw)

    def pixels(self, short_side: int | None = None) -> Pixels:
        """RGB of shape (height, width, 3), upright; reduced to that shorter side, and never enlarged."""
        return self._view.pixels(self._raw, short_side)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright frame with square pixels, unreduced."""
        return self._view.upright_size(self._raw)


class Film:
    """An opened film. `facts` are known from the start; `problem` and `seen` once its frames were read."""

    def __init__(self, file: BinaryIO, budget: int = PIXEL_BUDGET) -> None:
        """`file` can be read from any place (seekable), and stays open as long as the film is read.

        Raises NotAPicture for what is no film, or one of sound alone; TooManyPixels from its header;
        DamagedPicture when not one frame can be read. Messages do not name the file.
        """
        file.seek(0)
        media = sniff_film(file.read(HEAD_BYTES))
        if not media:
            raise NotAPicture("is no film of a format that is read here")
        self._file, self._format, self._budget = file, _FORMATS[media], budget
        self.problem = ""
        self.seen = 0.0
        with self._opened(keys=False) as (container, stream):
            first = next(_decoded(container, stream, _Damage()), None)
            if first is None:
                raise DamagedPicture("is a film of which no picture can be decoded: it is damaged, or empty")
            self.facts: Facts = facts_of(container, stream, media, View(stream).upright_size(first))

    def frames(
        self, start: float = 0.0, end: float | None = None, keys: bool = False, brisk: bool = False
    ) -> Iterator[Frame]:
        """The frames shown between `start` and `end`, in order of time; with `keys` the key frames only.

        `brisk` gives eleven a second at most, and leaves others undecoded where it can. What cannot
        be decoded is passed over, and a film that breaks ends there: `problem` then says so, and `seen` how
        far it was read, in seconds.
        """
        damage, self.problem, self.seen = _Damage(), "", 0.0
        from_key = start > 0 and self._can_seek(start)
        with self._opened(keys, brisk) as (container, stream):
            if from_key:
                container.seek(_stamp(container, start))
            waiting: Frame | None = None
            for frame in self._timed(container, stream, damage):
                if waiting and brisk and frame.time - waiting.time < _BRISK_STEP:
                    continue
                self.seen = frame.time
                if waiting and frame.time > start:
                    yield replace(waiting, end=frame.time)
                waiting = frame
                if end is not None and frame.time >= end:
                    return
            self.seen = damage.reached
            self.problem = damage.sentence(promised(container, stream))
            if waiting and damage.reached > start:
                yield replace(waiting, end=max(damage.reached, waiting.time))

    def _can_seek(self, start: float) -> bool:
        """Whether what is found by seeking begins before `start`; some formats keep no index, and miss it."""
        try:
            with self._opened(keys=False) as (container, stream):
                container.seek(_stamp(container, start))
                first = next(self._timed(container, stream, _Damage()), None)
        except _BROKEN:
            return False
        return first is not None and first.time <= start

    def _timed(self, container: Any, stream: Any, damage: _Damage) -> Iterator[Frame]:
        """The frames with their times; the end of each is still unknown."""
        view, before, usual = View(stream), -1.0, 1 / (self.facts.fps or 25.0)
        damage.begin, damage.usual = (container.start_time or 0) / av.time_base, usual
        for raw in _decoded(container, stream, damage):
            try:
                check_budget((raw.width, raw.height), self._budget)
            except TooManyPixels as error:
                damage.end = f"there its pictures change their size, and it {error}"
                return
            time = before + usual if raw.time is None else max(raw.time - damage.begin, 0.0)
            if time <= before:  # stamps that go back, as where two recordings were joined
                time = before + usual
            before = time
            damage.reached = max(damage.reached, time)
            yield Frame(time, time, raw.key_frame, raw, view)

    @contextmanager
    def _opened(self, keys: bool, brisk: bool = False) -> Iterator[tuple[Any, Any]]:
        """The container and its stream of pictures, from the start."""
        self._file.seek(0)
        limit = {"max_pixels": str(min(self._budget, _MOST_PIXELS))}
        try:
            container = av.open(
                self._file, "r", format=self._format, options=limit, buffer_size=_BUFFER,
                metadata_errors="replace",
            )  # fmt: skip
        except _BROKEN as error:
            raise DamagedPicture(
                f"is damaged or cut off, so that nothing of it can be read: {_text(error)}"
            ) from error
        with container:
            stream = _stream(container)
            check_budget((stream.codec_context.width, stream.codec_context.height), self._budget)
            stream.thread_type = "AUTO"
            if keys:
                stream.codec_context.skip_frame = "NONKEY"
            elif brisk and float(stream.average_rate or 0) >= _BRISK_RATE:
                stream.codec_context.skip_frame = "NONREF"
            yield container, stream


@dataclass(slots=True)
class _Damage:
    """What went wrong while a film was read. `begin`: the stamp of its start; `usual`: how long a frame is
    shown that does not say; `reached`: how far it was read. Seconds."""

    begin: float = 0.0
    usual: float = 0.0
    reached: float = 0.0
    places: int = 0
    first: float = 0.0
    end: str = ""

    def read(self, packet: Any) -> None:
        if packet.pts is not None:
            length = float(packet.duration * packet.time_base) if packet.duration else self.usual
            self.reached = max(self.reached, float(packet.pts * packet.time_base) + length - self.begin)

    def note(self) -> None:
        if not self.places:
            self.first = self.reached
        self.places += 1

    def sentence(self, promised: Promised | None) -> str:
        if self.end or (promised and self.reached < promised.least):
            of = f" of {promised.duration:.1f} s" if promised else ""
            why = self.end or "it is cut off there, or damaged"
            return f"can be read up to {self.reached:.1f} s{of}: {why}"
        if self.places:
            return f"is damaged in places, the first at {self.first:.1f} s; the rest was read"
        return ""


def _stream(container: Any) -> Any:
    """The stream of moving pictures; the cover of an audio book is none."""
    several = [each for each in container.streams.video if "attached_pic" not in _disposition(each)]
    if not several:
        raise NotAPicture("holds no moving pictures, only sound or text")
    if several[0].codec_context is None:
        raise ReadError("is a film whose codec is not read here; convert it to H.264, VP9 or AV1")
    return several[0]


def _disposition(stream: Any) -> str:
    return str(getattr(stream, "disposition", ""))


def _decoded(container: Any, stream: Any, damage: _Damage) -> Iterator[Any]:
    """All that can be decoded. Packets that cannot are noted; an end before its time is too."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except _BROKEN as error:
            damage.end = _text(error)
            packet = None
        try:
            frames = stream.codec_context.decode(None) if packet is None else packet.decode()
            if packet is not None:
                damage.read(packet)
        except EOFError:  # it was emptied by the last packet
            return
        except _BROKEN:
            frames = []
            damage.note()
        yield from frames
        if packet is None:
            return


def _stamp(container: Any, time: float) -> int:
    """In the unit that a container is searched by."""
    return int(container.start_time or 0) + round(time * 1_000_000)


def _text(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
