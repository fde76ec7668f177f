"""Colours: their places in CIE Lab, and the names that people give them. Pure.

The names are those that pictures are tagged with (`tag = 'red'`), whoever looks at the colours.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from findalike.types import Concept, Pixels

COLOURS = (
    Concept("red", ("red", "crimson", "scarlet", "reddish", "maroon")),
    Concept("orange", ("orange",)),
    Concept("yellow", ("yellow", "golden", "gold")),
    Concept("green", ("green", "greenish")),
    Concept("turquoise", ("turquoise", "cyan", "teal", "aqua")),
    Concept("blue", ("blue", "navy blue", "bluish", "azure")),
    Concept("purple", ("purple", "violet", "lilac", "lavender")),
    Concept("pink", ("pink", "magenta", "fuchsia")),
    Concept("brown", ("brown", "brownish")),
    Concept("beige", ("beige", "cream", "tan", "sand-coloured", "sand-colored", "skin-coloured")),
    Concept("black", ("black",)),
    Concept("white", ("white",)),
    Concept("grey", ("grey", "gray", "silver", "greyish", "grayish")),
)
"""The names, with the words that mean them."""

_NUMBER = {colour.name: number for number, colour in enumerate(COLOURS)}
_BITS = 5


def levels(pixels: Pixels) -> NDArray[np.intp]:
    """Which of 32,768 colours each pixel has, five bits a channel: shape (..., 3) to (...)."""
    coarse = (pixels >> (8 - _BITS)).astype(np.intp)
    return (coarse[..., 0] << 2 * _BITS) | (coarse[..., 1] << _BITS) | coarse[..., 2]


@cache
def of_levels() -> Pixels:
    """The colour in the middle of each level, shape (32768, 3)."""
    axis = np.arange(1 << _BITS) * (1 << (8 - _BITS)) + (1 << (7 - _BITS))
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid.astype(np.uint8)


@cache
def names_of_levels() -> NDArray[np.uint8]:
    """The place in COLOURS of the name of each level, shape (32768,)."""
    return named(of_levels())


def named(pixels: Pixels) -> NDArray[np.uint8]:
    """The place in COLOURS of the name of each RGB colour, shape (n, 3) to (n,).

    Names go by hue (HSV) where a colour has any, by lightness and chroma (CIE Lab) for what has little, for
    what is dark (brown is a dark orange) and for what is pale (pink, beige).
    """
    tint = hue(pixels)
    lightness, first, second = lab(pixels).T
    chroma = np.hypot(first, second)
    warm = (tint < 42) | (tint >= 345)
    rules = [
        ("black", (lightness < 12) | ((lightness < 26) & (chroma < 14))),
        ("white", (lightness >= 80) & (chroma < 9)),
        ("grey", chroma < 9),
        ("beige", (lightness >= 60) & (chroma < 32) & (tint >= 18) & (tint < 62)),
        ("brown", (lightness < 60) & (chroma < 26) & (tint >= 10) & (tint < 62)),
        ("pink", (lightness >= 62) & (chroma < 62) & ((tint < 18) | (tint >= 300))),
        ("brown", (lightness < 54) & (tint >= 16) & (tint < 48)),
        ("red", warm & ((tint < 15) | (tint >= 345))),
        ("orange", warm),
        ("yellow", tint < 68),
        ("green", tint < 163),
        ("turquoise", tint < 195),
        ("blue", tint < 255),
        ("purple", (tint < 292) | ((tint < 335) & (lightness < 45))),
        ("pink", tint < 345),
    ]
    numbers = [_NUMBER[name] for name, _ in rules]
    return np.select([rule for _, rule in rules], numbers, default=_NUMBER["grey"]).astype(np.uint8)


def lab(pixels: Pixels) -> NDArray[np.float64]:
    """CIE Lab of sRGB colours (IEC 61966-2-1, white D65), shape (n, 3): L from 0 to 100, a and b."""
    value = pixels / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = linear @ to_xyz.T / to_xyz.sum(axis=1)
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def hue(pixels: Pixels) -> NDArray[np.float64]:
    """HSV hue in degrees, 0 to 360; 0 where there is none."""
    red, green, blue = pixels.astype(np.float64).T
    high, low = pixels.max(axis=1).astype(np.float64), pixels.min(axis=1)
    span = np.maximum(high - low, 1)
    sixths = np.select(
        [high == low, high == red, high == green],
        [0.0, (green - blue) / span, 2 + (blue - red) / span],
        4 + (red - green) / span,
    )
    degrees: NDArray[np.float64] = sixths * 60 % 360
    return degrees
