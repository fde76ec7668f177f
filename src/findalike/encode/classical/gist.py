"""The gist of a scene: how much of which orientation and scale there is in each part of it.

After Oliva and Torralba, "Modeling the shape of the scene" (2001): the contrast of a small grey copy is
evened out, a bank of Gabor filters is run over it (in frequencies, a Gaussian around each scale and
orientation), and the strength of each answer is averaged over a grid of 4 × 4. The square
roots of these are kept, so that a few strong edges do not drown the rest.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from findalike import distance
from findalike.encode.classical.descriptor import LICENCE, Describe, entry
from findalike.encode.classical.texture import grey
from findalike.types import Card, Pixels, Vector

SIDE = 96
MARGIN = 16
"""Pixels by which the copy is mirrored outwards, so that its edges are none to the filters."""

GRID = 4
ORIENTATIONS = (8, 8, 8, 8)
"""Of each scale, the finest first; each scale has half the frequency of the one before."""

FINEST = 0.25
"""The middle frequency of the finest scale, in waves a pixel."""

EVEN = 0.025
"""The frequency, in waves a pixel, of what is taken off as lighting, and by whose strength contrast is evened
out."""

_WHOLE = SIDE + 2 * MARGIN

GIST = Card(
    name="gist",
    revision="1",
    dim=GRID**2 * sum(ORIENTATIONS),
    metric=distance.EUCLIDEAN,
    preprocessing={"side": SIDE, "squash": SIDE, "resample": "bilinear"},
    licence=LICENCE,
    source="Gabor filters on a grid, after Oliva and Torralba (2001)",
)


def describe(pixels: Pixels) -> Vector:
    """Square roots of the mean answers, filter by filter, each of 4 × 4 parts from the top left: (512,)."""
    margin = ((MARGIN, MARGIN), (MARGIN, MARGIN))
    even = evened(np.pad(grey(pixels, SIDE).astype(np.float32) / 255, margin, "reflect"))
    answers = np.abs(np.fft.ifft2(np.fft.fft2(even) * filters()))
    inside = answers[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    part = SIDE // GRID
    means = inside.reshape(-1, GRID, part, GRID, part).mean(axis=(2, 4)).astype(np.float32)
    row: Vector = np.sqrt(means, dtype=np.float32).ravel()
    return row


def evened(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The image without its lighting, and with about the same contrast everywhere."""
    fine = image - _blurred(image)
    strength: NDArray[np.float32] = np.sqrt(np.maximum(_blurred(np.square(fine)), 0), dtype=np.float32)
    even: NDArray[np.float32] = fine / (strength + np.float32(0.2))
    return even


def _blurred(image: NDArray[np.float32]) -> NDArray[np.float32]:
    blurred: NDArray[np.float32] = np.fft.ifft2(np.fft.fft2(image) * _low()).real.astype(np.float32)
    return blurred


@cache
def _low() -> NDArray[np.float32]:
    """A Gaussian of frequencies, one half at `EVEN`."""
    down, across = _frequencies()
    gaussian = np.exp2(-(down**2 + across**2) / EVEN**2)
    return gaussian.astype(np.float32)


@cache
def filters() -> NDArray[np.float32]:
    """The bank in frequencies, shape (filters, side, side): a Gaussian in the logarithm of the frequency and
    in the angle, which touch those beside them at about half their height."""
    down, across = _frequencies()
    radius, angle = np.hypot(down, across), np.arctan2(down, across)
    bank = []
    for scale, orientations in enumerate(ORIENTATIONS):
        octaves = np.log2(np.maximum(radius, 1e-9) / (FINEST / 2**scale))
        for number in range(orientations):
            turn = np.angle(np.exp(1j * (angle - np.pi * number / orientations)))
            bank.append(np.exp2(-((2 * octaves) ** 2) - (2 * turn * orientations / np.pi) ** 2))
    return np.stack(bank).astype(np.float32)


def _frequencies() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    along: NDArray[np.float64] = np.fft.fftfreq(_WHOLE).astype(np.float64)
    return along[:, None], along[None, :]


def prepare() -> Describe:
    filters()
    return describe


ENTRY = entry(GIST, prepare)
