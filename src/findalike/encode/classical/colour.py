"""What colours a picture has, wherever they are: a soft histogram over colours that the eye tells apart.

The bins stand on a lattice in CIE Lab whose chroma is drawn together: a strong red and a stronger one are
both red, while grey and greyish differ. Each colour counts for all the bins near it, so that a shade more of
light does not move it to another bin, as it does with hard bins (Swain and Ballard 1991). The square roots of
the shares are compared by cosine, which is the Bhattacharyya coefficient of the two histograms (1943).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from findalike import palette
from findalike.encode.classical.descriptor import LICENCE, Describe, entry
from findalike.types import Card, Pixels, Vector

SIDE = 48
LIGHTNESS_STEP, STEP = 20, 32
"""How far the bins are apart: in L of 0..100, and along both axes of drawn-together chroma."""

SPREAD = 9.0
"""The standard deviation by which a colour counts for the bins around it."""

CHROMA_SCALE, CHROMA_KNEE = 60.0, 25.0

COLOUR = Card(
    name="colour",
    revision="1",
    dim=91,
    preprocessing={"side": 64, "squash": SIDE, "resample": "box"},
    licence=LICENCE,
    source="soft colour histogram in CIE Lab, after Swain and Ballard (1991)",
)


def prepare() -> Describe:
    """A function from pixels to square roots of shares, shape (91,), of unit length."""
    table, weights = _table(), _centre_weights()

    def describe(pixels: Pixels) -> Vector:
        small = np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BOX))
        shares = weights @ table[palette.levels(small).ravel()]
        root: Vector = np.sqrt(shares)
        return root

    return describe


@cache
def _table() -> NDArray[np.float32]:
    """How much each level of colour counts for each bin, shape (32768, 91); each row sums to 1."""
    points = _drawn_together(palette.lab(palette.of_levels()))
    apart = _squared_distances(points, _bins(points))
    nearness = np.exp((apart.min(axis=1, keepdims=True) - apart) / np.float32(2 * SPREAD**2))
    nearness[nearness < 1e-3] = 0
    table: NDArray[np.float32] = nearness / nearness.sum(axis=1, keepdims=True)
    return table


def _drawn_together(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lab with the logarithm of its chroma: shape (n, 3)."""
    lightness, first, second = points.T
    chroma = np.hypot(first, second)
    scale = CHROMA_SCALE * np.log1p(chroma / CHROMA_KNEE) / np.maximum(chroma, 1e-9)
    return np.stack([lightness, first * scale, second * scale], axis=1)


def _bins(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The places of a lattice, every other layer of lightness moved by half a step, that some colour is near
    to: shape (n, 3)."""
    along = np.arange(-4 * STEP, 4 * STEP + 1, STEP)
    places = np.array(
        [
            (lightness, first + layer % 2 * STEP / 2, second + layer % 2 * STEP / 2)
            for layer, lightness in enumerate(np.arange(LIGHTNESS_STEP / 2, 100, LIGHTNESS_STEP))
            for first in along
            for second in along
        ]
    )
    nearest = _squared_distances(points[::7], places).min(axis=0)  # enough to tell, and quick
    found: NDArray[np.float64] = places[nearest < (0.35 * STEP) ** 2]
    return found


def _squared_distances(points: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float32]:
    """Of each point to each place, shape (points, places)."""
    squares = np.square(points).sum(axis=1)[:, None] + np.square(places).sum(axis=1)
    apart: NDArray[np.float64] = squares - 2 * points @ places.T
    return apart.astype(np.float32)


@cache
def _centre_weights() -> NDArray[np.float32]:
    """A weight for each pixel, the middle's eleven times the edge's, 1 in sum: there is what a photograph is
    of. The same as for the tags of colours."""
    along = (1 - ((np.arange(SIDE) + 0.5) / SIDE * 2 - 1) ** 2) ** 2
    weights = 1 + 10 * np.outer(along, along).ravel()
    result: NDArray[np.float32] = (weights / weights.sum()).astype(np.float32)
    return result


ENTRY = entry(COLOUR, prepare)
