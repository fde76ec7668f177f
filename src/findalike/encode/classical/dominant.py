"""The few colours that make most of a picture, each with a name: dark blue, beige, light green.

After the dominant colour descriptor of MPEG-7 (Deng, Manjunath et al. 2001), but on a fixed palette: the
colours that have a name (`palette.COLOURS`, those of the tags), each in up to three lightnesses. So the same
number of a row means the same colour in every picture. Filters find the names: `tag = 'blue'`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from findalike import distance, palette
from findalike.encode.classical.descriptor import LICENCE, Describe, entry
from findalike.types import Card, Pixels, Vector

SIDE = 64
MOST = 8
LEAST = 0.03
"""Colours of a picture that are kept: so many at most, and none of which there is less than this share."""

DARK_BELOW, LIGHT_FROM = 35, 68
"""Lightnesses (L of CIE Lab, 0 to 100) that divide what has one name."""

_WITHOUT_SHADE = frozenset(["black", "white"])
_SHADES = ("dark ", "", "light ")


DOMINANT = Card(
    name="dominant-colours",
    revision="1",
    dim=32,
    metric=distance.CHI_SQUARE,
    preprocessing={"side": SIDE, "squash": SIDE, "resample": "box"},
    licence=LICENCE,
    source="shares of the colours that make most of a picture, after Deng, Manjunath et al. (2001)",
)


@dataclass(frozen=True, slots=True)
class Colour:
    """One colour of a picture: its place in the row, its name, the name of the tag, and its share in 0..1.
    `rgb` is the mean of the pixels that are of it."""

    place: int
    name: str
    tag: str
    share: float
    rgb: tuple[int, int, int]


@cache
def _palette() -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """The names of the colours in the order of a row, and the place of each level of colour, (32768,)."""
    levels = palette.of_levels()
    lightness = palette.lab(levels)[:, 0]
    shade = (lightness >= DARK_BELOW).astype(np.intp) + (lightness >= LIGHT_FROM)
    tags = palette.names_of_levels()
    shade[np.isin(tags, [i for i, c in enumerate(palette.COLOURS) if c.name in _WITHOUT_SHADE])] = 1
    there, places = np.unique(tags * len(_SHADES) + shade, return_inverse=True)
    return tuple(_SHADES[n % 3] + palette.COLOURS[n // 3].name for n in there.tolist()), places.astype(
        np.intp
    )


def names() -> tuple[str, ...]:
    """The colours in the order of a row: those of `palette.COLOURS`, the dark ones of each first."""
    return _palette()[0]


def dominant(pixels: Pixels) -> list[Colour]:
    """The colours of a picture, that of the greatest share first, of all its pixels alike."""
    small = np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BOX)).reshape(-1, 3)
    called, places = _palette()
    found = places[palette.levels(small)]
    counts = np.bincount(found, minlength=len(called))
    kept = [n for n in np.argsort(-counts, kind="stable")[:MOST].tolist() if counts[n] >= LEAST * len(small)]
    return [
        Colour(
            n,
            called[n],
            called[n].removeprefix("dark ").removeprefix("light "),
            float(counts[n] / len(small)),
            tuple(small[found == n].mean(axis=0).round().astype(int).tolist()),
        )
        for n in kept or [int(counts.argmax())]
    ]


def prepare() -> Describe:
    """A function from pixels to the shares of the dominant colours, which sum to 1."""
    count = len(names())

    def describe(pixels: Pixels) -> Vector:
        row = np.zeros(count, np.float32)
        for colour in dominant(pixels):
            row[colour.place] = colour.share
        shares: Vector = row / row.sum()
        return shares

    return describe


ENTRY = entry(DOMINANT, prepare)
