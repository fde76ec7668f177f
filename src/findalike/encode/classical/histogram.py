"""Colour histograms as the field knows them: hard bins, plain shares, chi-square (Swain and Ballard 1991).

They stand here to compare by. `colour` is what is better for searching: its bins are soft, and cosine lets
stores index it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from findalike import distance, palette
from findalike.encode.classical.descriptor import LICENCE, Describe, entry
from findalike.types import Card, Pixels, Vector

SIDE = 96
HUES, SATURATIONS, VALUES = 12, 4, 4
LIGHTNESSES, GREENS, BLUES = 6, 7, 7
_CHROMA = 60.0
"""Lab's a and b are told apart from minus this to this; what is stronger falls into the outer bins.
Their number is odd, so that grey has bins of its own."""


def _card(name: str, dim: int, source: str) -> Card:
    return Card(
        name=name,
        revision="1",
        dim=dim,
        metric=distance.CHI_SQUARE,
        preprocessing={"side": SIDE, "squash": SIDE, "resample": "nearest"},
        licence=LICENCE,
        source=source,
    )


HSV = _card(
    "hsv-histogram",
    HUES * SATURATIONS * VALUES,
    f"{HUES} hues × {SATURATIONS} saturations × {VALUES} values, after Swain and Ballard (1991)",
)
LAB = _card(
    "lab-histogram",
    LIGHTNESSES * GREENS * BLUES,
    f"{LIGHTNESSES} × {GREENS} × {BLUES} bins of CIE Lab, after Swain and Ballard (1991)",
)


def shares(pixels: Pixels, bins: NDArray[np.intp], count: int) -> Vector:
    """The share of the picture in each bin, shape (count,), 1 in sum: `bins` gives that of each level of
    colour, see `palette.levels`. The pixels are taken as they are, on an even grid of 96 × 96."""
    small = np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.NEAREST))
    counts = np.bincount(bins[palette.levels(small).ravel()], minlength=count)
    return (counts / SIDE**2).astype(np.float32)


@cache
def hsv_bins() -> NDArray[np.intp]:
    """The bin of each level of colour: hue first, then saturation, then value. Shape (32768,)."""
    levels = palette.of_levels()
    high, low = levels.max(axis=1).astype(np.float64), levels.min(axis=1)
    return _joined(
        (HUES, palette.hue(levels) / 360),
        (SATURATIONS, (high - low) / np.maximum(high, 1)),
        (VALUES, high / 256),
    )


@cache
def lab_bins() -> NDArray[np.intp]:
    """The bin of each level of colour: lightness first, then a, then b. Shape (32768,)."""
    lightness, first, second = palette.lab(palette.of_levels()).T
    return _joined(
        (LIGHTNESSES, lightness / 100),
        (GREENS, (first / _CHROMA + 1) / 2),
        (BLUES, (second / _CHROMA + 1) / 2),
    )


def _joined(*axes: tuple[int, NDArray[np.float64]]) -> NDArray[np.intp]:
    """One number from the bins along several axes, each in 0..1."""
    joined = np.zeros(len(axes[0][1]), np.intp)
    for count, values in axes:
        joined = joined * count + np.clip(values * count, 0, count - 1).astype(np.intp)
    return joined


def _preparing(bins: Callable[[], NDArray[np.intp]], count: int) -> Callable[[], Describe]:
    def prepare() -> Describe:
        table = bins()
        return lambda pixels: shares(pixels, table, count)

    return prepare


HSV_ENTRY = entry(HSV, _preparing(hsv_bins, HSV.dim))
LAB_ENTRY = entry(LAB, _preparing(lab_bins, LAB.dim))
