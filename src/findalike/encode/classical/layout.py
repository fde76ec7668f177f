"""Where a picture is light, dark and coloured: a colour layout descriptor, for near copies and composition.

After Kasutani and Yamada, "The MPEG-7 color layout descriptor" (2001): the picture is squashed to a small
square and its low frequencies are kept (discrete cosine transform). Two things differ, since rows are
compared by cosine: the mean colour counts for little, and every coefficient by its inverse hyperbolic sine,
so that faint structure tells as well as strong, and a frame or a banner does not drown the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from findalike.encode.classical.descriptor import LICENCE, Describe, entry
from findalike.types import Card, Pixels, Vector, Vectors

SIDE = 32
LUMA, CHROMA = 9, 5
"""Frequencies are kept whose numbers down and across add up to no more than this: a set that turning the
picture by 90 degrees leaves as it is."""

FAINT = 0.25
"""The amplitude, in grey levels, below which coefficients count as they are and above by their logarithm."""

COLOUR_WEIGHT = 1.2
MEAN_WEIGHT = 0.5
_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]],
    np.float32,
)
"""Luma, and blue and red against it (ITU-R BT.601)."""


def _cosines() -> NDArray[np.float32]:
    """The waves of the transform (type II), shape (LUMA + 1, SIDE), each of root mean square 1 / SIDE."""
    places = (2 * np.arange(SIDE) + 1) * np.pi / (2 * SIDE)
    waves = np.cos(np.arange(LUMA + 1)[:, None] * places)
    scaled: NDArray[np.float64] = waves / np.linalg.norm(waves, axis=1, keepdims=True) / np.sqrt(SIDE)
    return scaled.astype(np.float32)


def _kept() -> list[tuple[int, int, int]]:
    """Channel, frequency down, frequency across of each number but the last: the means come first."""
    return [
        (channel, down, across)
        for channel, most in enumerate((LUMA, CHROMA, CHROMA))
        for total in range(most + 1)
        for down in range(total + 1)
        for across in [total - down]
    ]


_WAVES = _cosines()
_KEPT = _kept()
_CHANNEL, _DOWN, _ACROSS = np.array(_KEPT).T
_WEIGHT = np.where(_CHANNEL > 0, COLOUR_WEIGHT, 1) * np.where(_DOWN + _ACROSS > 0, 1, MEAN_WEIGHT)
_WEIGHT = _WEIGHT.astype(np.float32)
_STILL = np.arcsinh(np.float32(1 / FAINT))
"""The last number of every row, as much as one grey level: it gives a plain picture a direction."""

_TRANSPOSED = np.array([_KEPT.index((c, a, d)) for c, d, a in _KEPT] + [len(_KEPT)])
_MIRRORED = np.append(1 - 2 * (_ACROSS % 2), 1).astype(np.float32)

LAYOUT = Card(
    name="layout",
    revision="1",
    dim=len(_KEPT) + 1,
    preprocessing={"side": 64, "squash": SIDE, "resample": "bilinear"},
    licence=LICENCE,
    source="colour layout descriptor, after Kasutani and Yamada (2001)",
)


def describe(pixels: Pixels) -> Vector:
    """Scaled coefficients by channel and frequency, and a constant: shape (98,)."""
    small = np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)
    channels = _TO_YCC @ small.reshape(-1, 3).T
    channels[0] -= 128
    waves = _WAVES @ channels.reshape(3, SIDE, SIDE) @ _WAVES.T
    numbers = np.arcsinh(waves[_CHANNEL, _DOWN, _ACROSS] / np.float32(FAINT)) * _WEIGHT
    return np.append(numbers, _STILL)


def turned(vectors: Vectors) -> Vectors:
    """The rows of the eight turns and flips of each picture, by its row alone: (n, dim) to (8, n, dim).

    The first four are turned by 0, 90, 180 and 270 degrees against the clock (`numpy.rot90`), the other four
    are mirrored (`numpy.fliplr`) and then turned so. A mirrored wave is the same wave, or its negative where
    its number is odd; transposing the picture transposes the coefficients.
    """
    turns = []
    for current in (vectors, vectors * _MIRRORED):
        for _ in range(4):
            turns.append(current)
            current = (current * _MIRRORED)[:, _TRANSPOSED]
    return np.stack(turns)


def grey(vectors: Vectors) -> Vectors:
    """The rows of the same pictures without their colours, of unit length: (n, dim) to (n, dim)."""
    kept = vectors * np.append(_CHANNEL == 0, True)
    lengths = np.linalg.norm(kept, axis=1, keepdims=True)
    found: Vectors = (kept / np.maximum(lengths, 1e-12)).astype(np.float32)
    return found


def prepare() -> Describe:
    return describe


ENTRY = entry(LAYOUT, prepare)
