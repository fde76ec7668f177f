"""The frames of an animated GIF, PNG or WebP, by Pillow: what `decode.film` gives of films."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from findalike.decode import colour
from findalike.decode.image import PIXEL_BUDGET, check_budget, opened
from findalike.tracks import LUMA_SIDE
from findalike.types import Pixels

_MEDIA = ("image/gif", "image/png", "image/webp")
_UNSAID = 0.1
"""Seconds that a frame is shown that says 0, as browsers take it."""


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """What an animation shows from `time` to `end`; as `film.Frame`."""

    time: float
    end: float
    key: bool
    _image: Image.Image

    def luma(self) -> NDArray[np.uint8]:
        return np.asarray(self._image.convert("L").resize((LUMA_SIDE, LUMA_SIDE), Image.Resampling.BOX))

    def pixels(self, short_side: int | None = None) -> Pixels:
        factor = min(self._image.size) // short_side if short_side else 1
        return np.asarray(self._image.reduce(factor) if factor > 1 else self._image)

    @property
    def size(self) -> tuple[int, int]:
        return self._image.size


class Animation:
    """The frames of a picture that moves. What follows a damaged frame is left out: `problem` says so."""

    def __init__(self, data: bytes, media: str, budget: int = PIXEL_BUDGET) -> None:
        self._data, self._media, self._budget = data, media, budget
        self.problem = ""
        self.seen = 0.0

    def frames(
        self, start: float = 0.0, end: float | None = None, keys: bool = False, brisk: bool = False
    ) -> Iterator[Still]:
        """Those shown between `start` and `end`, in seconds. Every one is a key frame."""
        for still in self._stills():
            if end is not None and still.time >= end:
                return
            if still.end > start:
                yield still

    def _stills(self) -> Iterator[Still]:
        self.problem, self.seen = "", 0.0
        image: Any = opened(self._data, self._media)
        check_budget(image.size, self._budget)
        try:
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                image.load()
                end = self.seen + (float(image.info.get("duration") or 0) / 1000 or _UNSAID)
                yield Still(self.seen, end, True, colour.to_srgb(colour.plain(image.copy())))
                self.seen = end
        except (EOFError, OSError, ValueError, SyntaxError) as error:
            self.problem = f"is an animation that can be read up to {self.seen:.1f} s: {error}"


def moves(data: bytes, media: str) -> bool:
    """Whether a picture that can be decoded has more than one frame."""
    if media not in _MEDIA:
        return False
    try:
        return bool(getattr(opened(data, media), "is_animated", False))
    except Exception:  # its first frame was read; what comes after is broken in any way
        return False
