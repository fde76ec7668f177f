"""Straight steps in a picture, such as the edges of a picture in a picture: where they are, how clear.

A side of a box is a seam as far as the picture steps along it, in the very row or column, more often than in
those around it. What is grown has few of them; what was pasted, printed or framed has four.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from findalike.types import Pixels

SIDE = 256
"""Pixels of the longer side in which seams are looked for."""

STEP = 10
"""The least difference of two neighbours, of 255, that counts as a step."""

REACH = 0.6
"""How far from the line between two places a seam may be, in places."""

_AROUND = 6
"""Columns to each side that tell how often there are steps anyway."""


@dataclass(frozen=True, slots=True, eq=False)
class Seams:
    """The clearest seam near each line between places, along each stretch of places: `clearness`, up to 1,
    and `position` in 0..1, both of shape (lines, starts, ends). The picture's own edges are no seams."""

    clearness: NDArray[np.float32]
    position: NDArray[np.float32]


def seams(pixels: Pixels, rows: int, columns: int) -> tuple[Seams, Seams]:
    """Upright and level seams of a picture that is divided into so many rows and columns of places."""
    small = _reduced(pixels)
    return _upright(_steps(small), columns, rows), _upright(_steps(small.swapaxes(0, 1)), rows, columns)


def _reduced(pixels: Pixels) -> NDArray[np.int16]:
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    size = max(16, round(width * scale)), max(16, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX)).astype(np.int16)


def _steps(small: NDArray[np.int16]) -> NDArray[np.float32]:
    """Where neighbours in a row differ more than those beside them, or one pixel from there: 0 or 1."""
    red, green, blue = np.abs(np.diff(small, axis=1)).transpose(2, 0, 1)
    height = np.pad(np.maximum(np.maximum(red, green), blue), ((0, 0), (2, 1)))
    middle = height[:, 1:-1]
    peaks = (middle > STEP) & (middle >= height[:, :-2]) & (middle >= height[:, 2:])
    wide = np.pad(peaks, ((0, 0), (1, 1)))
    return (wide[:, :-2] | wide[:, 1:-1] | wide[:, 2:]).astype(np.float32)


def _upright(steps: NDArray[np.float32], columns: int, rows: int) -> Seams:
    height, width = steps.shape
    edges = np.round(np.arange(rows + 1) * height / rows).astype(int)
    total = np.vstack([np.zeros((1, width), np.float32), steps.cumsum(axis=0)])[edges]
    starts, ends = np.triu_indices(rows + 1, 1)
    share = (total[ends] - total[starts]) / (edges[ends] - edges[starts])[:, None]
    share -= _mean_around(share)
    shape = (columns + 1, rows + 1, rows + 1)
    found = Seams(np.zeros(shape, np.float32), np.zeros(shape, np.float32))
    place = width / columns
    for line in range(1, columns):
        first = max(1, int((line - REACH) * place))
        near = share[:, first : int((line + REACH) * place) + 1]
        found.clearness[line, starts, ends] = near.max(axis=1)
        found.position[line, starts, ends] = (first + near.argmax(axis=1)) / width
    return found


def _mean_around(share: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean over the columns around each, those beyond the picture being 0."""
    span = 2 * _AROUND + 1
    total = np.pad(share, ((0, 0), (_AROUND + 1, _AROUND))).cumsum(axis=1, dtype=np.float64)
    mean: NDArray[np.float32] = ((total[:, span:] - total[:, :-span]) / span).astype(np.float32)
    return mean
