"""Bars at the edges of films, which say nothing of what they show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rectangle = tuple[int, int, int, int]
"""Top, bottom, left, right in pixels: the first row that counts, the first that does not, and so on."""

EVEN, STEADY = 1.5, 6.0
"""A line of a bar has a standard deviation of luma below the one, and no pixel of it ever changes by more
than the other: codecs leave no more noise than that on one colour, and walls and skies have more. All lines
of a bar have one level."""

SHARP = 12.0
"""By how much some pixel next to a bar differs from it, or changes: a bar ends at once, and a sky does
not."""

MOST = 0.4
"""The largest part of a side that a bar may take."""


@dataclass(slots=True)
class Borders:
    """Where the picture lies in the frames of a film, as far as it was seen: it only ever grows."""

    seen: Rectangle | None = None

    def within(self, frames: NDArray[np.float32]) -> Rectangle:
        """The rectangle that counts, after these frames too: shape (frames, height, width)."""
        found = rectangle(frames)
        if found is None:
            return self.seen or (0, frames.shape[1], 0, frames.shape[2])
        if self.seen is not None:
            top, bottom, left, right = self.seen
            found = min(top, found[0]), max(bottom, found[1]), min(left, found[2]), max(right, found[3])
        self.seen = found
        return found


def rectangle(frames: NDArray[np.float32]) -> Rectangle | None:
    """What is left of frames without bars; None where all is one colour."""
    mean, change = frames.mean(axis=0), frames.max(axis=0) - frames.min(axis=0)
    if mean.std() < EVEN and change.max() < STEADY:
        return None
    return *_between(mean, change), *_between(mean.T, change.T)


def _between(mean: NDArray[np.float32], change: NDArray[np.float32]) -> tuple[int, int]:
    """The first line that is none of a bar, and the line after the last. Where there is a bar, the line next
    to it is left out too: it is partly of the bar."""
    first, last = _bar(mean, change), _bar(mean[::-1], change[::-1])
    return first + (first > 0), len(mean) - last - (last > 0)


def _bar(mean: NDArray[np.float32], change: NDArray[np.float32]) -> int:
    """How many of the first lines are a bar."""
    even = (mean.std(axis=1) < EVEN) & (change.max(axis=1) < STEADY)
    level = mean.mean(axis=1)
    even &= abs(level - level[0]) < EVEN
    most = int(len(even) * MOST)
    lines = next((i for i in range(most) if not even[i]), 0)  # more than most: a scene that is dark there
    beyond = abs(mean[lines + 1] - level[0]) + change[lines + 1]
    return lines if beyond.max() >= SHARP else 0
