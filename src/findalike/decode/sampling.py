"""Which frames stand for a film: so many a second, one for each scene, or the key frames. Pure.

Frames that show nothing (black, or of one colour) are left out, and so is what looks like the frame before
it; that one then stands for a longer stretch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from findalike.errors import UsageError

if TYPE_CHECKING:
    from findalike.decode.film import Frame

MOST_FRAMES = 10_000
"""Of one film, so that memory has a bound: three hours with one a second. Of longer films fewer a second."""

_CELLS = 12
_BLANK = 20.0
_EQUAL = 4.0
_CUT = 20.0
_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|min)")
_GAP = re.compile(r"(\d+(?:\.\d+)?)(s|min)")
_SECONDS = {"s": 1.0, "min": 60.0}
_SLACK = 1e-3


@dataclass(frozen=True, slots=True)
class Sampling:
    """`rate`: a frame every `gap` seconds, and one where a scene begins; `scene`: those alone; `key`: the key
    frames. Never more than `per_minute`."""

    mode: Literal["rate", "scene", "key"] = "rate"
    gap: float = 1.0
    per_minute: int = 120

    @classmethod
    def parse(cls, text: str, per_minute: int = 120) -> Sampling:
        """`key`, `scene`, a rate such as `2/s` or `10/min`, or a gap such as `5s`. Raises UsageError."""
        if text == "key":
            return cls("key", 0.0, per_minute)
        if text == "scene":
            return cls("scene", 0.0, per_minute)
        if (found := _RATE.fullmatch(text)) and float(found[1]):
            return cls("rate", _SECONDS[found[2]] / float(found[1]), per_minute)
        if (found := _GAP.fullmatch(text)) and float(found[1]):
            return cls("rate", float(found[1]) * _SECONDS[found[2]], per_minute)
        raise UsageError(
            f"frames of films is {text!r}, but it must be key, scene, or a rate such as 1/s or 5s"
        )

    def least(self, duration: float | None) -> float:
        """Seconds between two frames, whatever they show."""
        return max(60 / self.per_minute, (duration or 0.0) / MOST_FRAMES)


DEFAULT = Sampling()


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """A frame that stands for what is shown from its time to `end`, in seconds."""

    frame: Frame
    end: float


def sample(
    frames: Iterable[Frame], sampling: Sampling = DEFAULT, duration: float | None = None
) -> Iterator[Sampled]:
    """Some of the frames of a film, in order; one of them at least, if there is any. Keeps one in mind.

    `duration`: how long the film says it is, in seconds. Without it, the frames of a film that does not end
    come ever less often.
    """
    picker = _Picker(sampling, duration)
    kept: Frame | None = None
    first: Frame | None = None
    end = 0.0
    for frame in frames:
        choice = picker.choose(frame)
        if choice == "keep":
            if kept:
                yield Sampled(kept, end)
            kept = frame
        if choice != "blank" or not kept:
            first, end = first or frame, frame.end
    if kept or first:
        yield Sampled(kept or first, end)  # type: ignore[arg-type]


class _Picker:
    """Says of each frame, in order, whether it is kept."""

    def __init__(self, sampling: Sampling, duration: float | None) -> None:
        self._sampling = sampling
        self._least = sampling.least(duration)
        self._endless = duration is None
        self._count = 0
        self._last = -np.inf
        self._kept: NDArray[np.float32] | None = None
        self._before: NDArray[np.float32] | None = None

    def choose(self, frame: Frame) -> Literal["keep", "blank", "pass"]:
        cells = cells_of(frame.luma())
        begins = self._before is None or _difference(cells, self._before) > _CUT
        if is_blank(frame.luma()):
            self._before = None
            return "blank"
        self._before = cells
        gone = frame.time - self._last + _SLACK
        if gone < self._pause() or not self._due(gone, begins) or self._same(cells):
            return "pass"
        self._kept, self._last = cells, frame.time
        self._count += 1
        return "keep"

    def _pause(self) -> float:
        left = 1 - self._count / MOST_FRAMES if self._endless else 1.0
        return self._least / left if left > 0 else np.inf

    def _due(self, gone: float, begins: bool) -> bool:
        mode = self._sampling.mode
        return mode == "key" or begins or (mode == "rate" and gone >= self._sampling.gap)

    def _same(self, cells: NDArray[np.float32]) -> bool:
        return self._kept is not None and float(np.abs(cells - self._kept).max()) < _EQUAL


def cells_of(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The mean of each of 12 by 12 cells: noise goes, and a thing that moves stays."""
    return _means(luma, _CELLS)


def is_blank(luma: NDArray[np.uint8]) -> bool:
    """Whether a frame is black, or of one colour, save for noise."""
    return float(np.ptp(_means(luma, 2 * _CELLS))) < _BLANK


def _means(luma: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    side = len(luma) // count
    means = luma.reshape(count, side, count, side).mean(axis=(1, 3), dtype=np.float32)
    return np.asarray(means, np.float32)


def _difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(one - other).mean())
