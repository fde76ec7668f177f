"""Attributes that pixels decide: dominant colour, orientation, grey or colour, sharpness, brightness.

They are measured on the small picture that a library keeps of each of its own, so that those of pictures that
were there before can be measured without reading a file, and cost little.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from findalike import palette
from findalike.palette import COLOURS
from findalike.query import MEASURES, Kind
from findalike.types import Pixels, Value
from findalike.words import appearance

SIDE = 256
"""The longer side that pictures are measured at, in pixels: from three quarters of it. Smaller ones are as
they are."""

EVERY = 4
"""Colours are counted on every so many pixels of every so many rows."""

AROUND = 0.75
"""How much of a colour's share at the edges is taken off its share in the middle: what is there too is
background. Of `cars`, whose colour is labelled, this names .73 right, the middle alone .67 and all pixels
alike .19 (`benchmarks/same.py`)."""

NEUTRAL = 0.5
"""What the colours of shadow, sky, ground and skin count, of which nearly every photograph has some."""

EDGE = 6
"""The edges are a sixth of the picture wide on each side."""

HALF_SHARP = 17.0
"""The standard deviation of the Laplacian, in grey levels, that is half sharp: between photographs, of which
those of `cars` all lie above it, and copies of them blurred by 2 pixels of 300, of which 93 in 100 lie below
(`benchmarks/same.py`)."""

GREY_FROM = 0.5
"""From which evidence for `black and white` or `sepia` on a picture has no colour."""

_SQUARE_WITHIN = 1.05


def last(columns: Mapping[str, Kind]) -> dict[str, Kind]:
    """Columns as they are listed for people: first those of their own, then these."""
    return dict(sorted(columns.items(), key=lambda column: column[0] in MEASURES))


def measured(pixels: Pixels, width: int, height: int) -> dict[str, Value]:
    """The value of each of `MEASURES` for a picture, upright, of shape (h, w, 3); `width` and `height` are
    those of the original. Numbers are from 0 to 1."""
    small = normalised(pixels)
    some = small[::EVERY, ::EVERY]
    luma = np.asarray(Image.fromarray(small).convert("L"))
    return {
        "dominant_color": dominant_color(some),
        "orientation": orientation(width, height),
        "monochrome": is_monochrome(some),
        "sharpness": round(sharpness(luma), 3),
        "brightness": round(float(luma.mean()) / 255, 3),
    }


def of_jpeg(small: bytes, size: tuple[int, int] | None = None) -> dict[str, Value]:
    """The same of the small picture that a library keeps; `size` is width and height of the original, where
    they are known."""
    image = Image.open(BytesIO(small))
    return measured(np.asarray(image.convert("RGB")), *(size or image.size))


def normalised(pixels: Pixels) -> Pixels:
    """The picture with a longer side of `SIDE` pixels or little less, by a whole factor and box means."""
    factor = -(-max(pixels.shape[:2]) // SIDE)
    return pixels if factor <= 1 else np.asarray(Image.fromarray(pixels).reduce(factor))


def dominant_color(pixels: Pixels) -> str:
    """The name, of `palette.COLOURS`, of the colour that there is most of in the middle, beyond what there is
    of it around: that of a thing rather than of what it stands before. Pixels of shape (h, w, 3)."""
    named = palette.names_of_levels().take(palette.levels(pixels)).ravel()
    middle, edges = _weights(*pixels.shape[:2])
    inside, around = (np.bincount(named, weights, len(COLOURS)) for weights in (middle, edges))
    beyond = np.maximum(inside - AROUND * around, 0) * _COUNTS
    return COLOURS[int((beyond + 1e-6 * inside).argmax())].name


def orientation(width: int, height: int) -> str:
    """`portrait`, `landscape`, or `square` where the sides of the upright picture differ by a twentieth at
    most."""
    if 1 / _SQUARE_WITHIN <= width / height <= _SQUARE_WITHIN:
        return "square"
    return "landscape" if width > height else "portrait"


def is_monochrome(pixels: Pixels) -> bool:
    """Whether a picture is grey, or of one tint all over (sepia). Pixels of shape (h, w, 3)."""
    light = appearance.light(pixels)
    return max(light["black and white"], light["sepia"]) >= GREY_FROM


def sharpness(luma: NDArray[np.uint8]) -> float:
    """How sharp the edges of a picture are, luma of shape (h, w), from 0 (nothing but slopes) to 1.

    The variance of the Laplacian (Pech-Pacheco, Cristóbal, Chamorro-Martínez and Fernández-Valdivia, "Diatom
    autofocusing in brightfield microscopy", 2000; among the best of the 36 that Pertuz, Puig and García
    compared in 2013): its root σ as σ / (σ + `HALF_SHARP`).
    """
    if min(luma.shape) < 3:
        return 0.0
    y = luma.astype(np.int16)
    laplacian = y[1:-1, :-2] + y[1:-1, 2:] + y[:-2, 1:-1] + y[2:, 1:-1] - 4 * y[1:-1, 1:-1]
    spread = float(laplacian.astype(np.float32).std())
    return spread / (spread + HALF_SHARP)


_NEUTRALS = ("brown", "beige", "black", "white", "grey")
_COUNTS = np.array([NEUTRAL if colour.name in _NEUTRALS else 1.0 for colour in COLOURS])


@lru_cache(64)
def _weights(height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each pixel counts in the middle, and what at the edges: 1 in sum each."""
    rows, columns = ((1 - ((np.arange(n) + 0.5) / n * 2 - 1) ** 2) ** 4 for n in (height, width))
    middle = 1 + 100 * np.outer(rows, columns)
    edges = np.ones((height, width))
    edges[height // EDGE : -(height // EDGE) or None, width // EDGE : -(width // EDGE) or None] = 0
    if not edges.any():  # too small to have any
        edges = middle
    return (middle / middle.sum()).ravel(), (edges / edges.sum()).ravel()
