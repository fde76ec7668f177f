"""The bank `appearance`: what pixels alone decide: colours, light, format, and whether it is a photograph.

All is read from a copy of 48×48 pixels, save the flat areas of graphics, which only the full rows show.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from findalike import palette
from findalike.palette import COLOURS
from findalike.types import Bank, Concept, Evidence, Metadata, Picture, Pixels
from findalike.words.banks import ramp

SIDE = 48

_KINDS = (
    Concept("black and white", ("black and white", "monochrome", "greyscale", "grayscale", "b&w")),
    Concept("sepia", ("sepia",)),
    Concept("colourful", ("colourful", "colorful", "vivid", "multicoloured", "multicolored")),
    Concept("bright", ("bright", "light", "high-key")),
    Concept("dark", ("dark", "low light", "low-key", "night")),
    Concept("high contrast", ("high contrast", "contrasty")),
    Concept("portrait format", ("portrait format", "portrait", "upright format", "vertical", "tall")),
    Concept("landscape format", ("landscape format", "landscape", "horizontal")),
    Concept("square format", ("square format", "square")),
    Concept("panorama", ("panorama", "panoramic", "wide")),
    Concept(
        "graphic",
        (
            "graphic",
            "screenshot",
            "screen capture",
            "drawing",
            "illustration",
            "diagram",
            "chart",
            "clip art",
        ),
    ),
)
_NUMBER = {concept.name: number for number, concept in enumerate(COLOURS + _KINDS)}

SEEN = (0.05, 0.25)
"""Shares of the picture, its middle counting most, where a colour begins to tell and where it says nearly
all: a thing that fills a quarter is what the picture shows, a twentieth is by the way."""

SEEN_NEUTRAL = (0.15, 0.5)
"""The same for the colours of shadow, sky, ground and skin, of which nearly every photograph has some."""

_NEUTRAL = frozenset(["brown", "beige", "black", "white", "grey"])

LEAST = 0.05
"""Evidence that is less is not kept."""

_SQUARE_WITHIN = 1.05
_PANORAMA_FROM = 2.0
_ROWS = 32
_ALIKE = 8
_AXES = np.array([[0.299, 0.587, 0.114], [1, -1, 0], [0.5, 0.5, -1]], np.float32)
"""Luma, red against green, and yellow against blue, from red, green and blue."""
_MIDDLE = np.float32(128)
"""Taken off before squares are summed, so that float32 holds the sums."""


class Appearance:
    bank = Bank("appearance", "1", COLOURS + _KINDS)
    from_metadata = False

    def observe(
        self, picture: Picture | None, metadata: Metadata, probabilities: NDArray[np.float32] | None
    ) -> Evidence:
        """Colours by their share of the picture; the rest by measures of light, format and flatness."""
        if picture is None:
            return {}
        small = reduced(picture.pixels)
        found = {**colours(small), **light(small), **format_of(picture.width, picture.height)}
        if not metadata.get("camera"):
            found["graphic"] = flatness(picture.pixels)
        return {_NUMBER[name]: weight for name, weight in found.items() if weight >= LEAST}


def reduced(pixels: Pixels) -> Pixels:
    """48×48 pixels, each the mean of 2×2 that are evenly taken from its part: shape (48, 48, 3), in memory
    one channel after the other."""
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1).take(_halves(height), axis=0)
    taken = rows.take(_bytes_taken(width), axis=1).astype(np.uint16)
    sums = (taken[:SIDE] + taken[SIDE:]).reshape(SIDE, 3, 2, SIDE)
    means = (sums[:, :, 0] + sums[:, :, 1] + np.uint16(2)) >> 2
    return means.transpose(1, 0, 2).astype(np.uint8).transpose(1, 2, 0)


def colours(small: Pixels) -> dict[str, float]:
    """The weight of each colour that is seen, by the share of the picture that it covers."""
    named = palette.names_of_levels().take(palette.levels(small).ravel())
    shares = np.bincount(named, weights=_centre_weights(), minlength=len(COLOURS)).tolist()
    seen = zip(COLOURS, shares, strict=True)
    return {colour.name: _seen(colour.name, share) for colour, share in seen if share > SEEN[0]}


def light(small: Pixels) -> dict[str, float]:
    """How bright, contrasty and colourful, from 0 to 1 each.

    Colourfulness after Hasler and Süsstrunk, "Measuring colourfulness in natural images" (2003): 45 is
    average, 82 high.
    """
    planes = _planes(small)
    red, green, blue = planes
    axes = _AXES @ (planes - _MIDDLE)
    luma, first, second = means = (axes.sum(axis=1) / len(red)).tolist()
    squares = (np.vecdot(axes, axes) / len(red)).tolist()
    spread, *spreads = (math.sqrt(max(s - m * m, 0)) for s, m in zip(squares, means, strict=True))
    colourfulness = math.hypot(*spreads) + 0.3 * math.hypot(first, second)
    apart = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    monochrome = ramp(np.count_nonzero(apart < _ALIKE) / len(apart), 0.94, 0.98)
    mean = (luma + float(_MIDDLE)) / 255
    return {
        "black and white": monochrome,
        "sepia": 0.0 if monochrome == 1 else _sepia(planes, second + first / 2),
        "colourful": ramp(colourfulness, 45, 82),
        "bright": ramp(mean, 0.6, 0.8),
        "dark": ramp(mean, 0.3, 0.15),
        "high contrast": ramp(spread / 255, 0.25, 0.35),
    }


def format_of(width: int, height: int) -> dict[str, float]:
    """Which way up: square where the sides differ by a twentieth at most."""
    ratio = width / height
    if 1 / _SQUARE_WITHIN <= ratio <= _SQUARE_WITHIN:
        return {"square format": 1.0}
    if ratio < 1:
        return {"portrait format": 1.0}
    return {"landscape format": 1.0, "panorama": float(ratio >= _PANORAMA_FROM)}


def flatness(pixels: Pixels) -> float:
    """How much of a drawing, diagram or screenshot is in the pixels, from 0 to 1.

    There most neighbours are alike to the last bit or nearly so, and where they are not, the step is high;
    a photograph has noise on its flat areas, and shades at its edges.
    """
    green = pixels[_places(len(pixels), _ROWS), :, 1]
    if green.shape[1] < SIDE:
        return 0.0
    left, right = green[:, :-1], green[:, 1:]
    steps = np.maximum(left, right) - np.minimum(left, right)
    changing = int(np.count_nonzero(steps > 1))
    flat = ramp(1 - changing / steps.size, 0.7, 0.85)
    return flat and flat * ramp(np.count_nonzero(steps > 48) / max(changing, 1), 0.1, 0.25)


def _seen(name: str, share: float) -> float:
    """Nine tenths at the share that says nearly all; the last tenth tells more from most."""
    low, high = SEEN_NEUTRAL if name in _NEUTRAL else SEEN
    return 0.9 * ramp(share, low, high) + 0.1 * ramp(share, high, 1)


def _sepia(planes: Pixels, tint: float) -> float:
    """One warm tint all over: red above green above blue, by as much as lightness alone says. `tint` is how
    far red is above blue on average."""
    red, green, blue = planes
    if tint < 12 or np.count_nonzero((red > green) & (green > blue)) < 0.8 * len(red):
        return 0.0
    tints = planes[:2] - planes[1:].astype(np.float32)
    luma = (_AXES[0] @ planes).astype(np.float64) / 255
    powers = np.stack([np.ones_like(luma), luma, luma * luma])
    damped = powers @ powers.T + 1e-6 * np.eye(3)
    fitted = np.linalg.solve(damped, powers @ tints.T).T @ powers
    return ramp(tint, 12, 24) * ramp((tints - fitted).std(), 6, 3)


def _planes(small: Pixels) -> Pixels:
    """The channels one after the other: shape (3, pixels)."""
    return small.transpose(2, 0, 1).reshape(3, -1)


@cache
def _centre_weights() -> NDArray[np.float64]:
    """A weight for each of the 48×48 pixels, the middle's eleven times the edge's, 1 in sum: what a
    photograph is of lies in its middle. On `captions-train` the colours named in captions agree better with
    these shares than with plain ones, for every colour."""
    along = (1 - ((np.arange(SIDE) + 0.5) / SIDE * 2 - 1) ** 2) ** 2
    weights = 1 + 10 * np.outer(along, along).ravel()
    result: NDArray[np.float64] = weights / weights.sum()
    return result


def _places(length: int, count: int) -> NDArray[np.intp]:
    """`count` evenly spaced indexes into `length`; repeated where there are fewer."""
    return ((np.arange(count) + 0.5) * length / count).astype(np.intp)


@lru_cache(1 << 10)
def _halves(length: int) -> NDArray[np.intp]:
    """2×48 such indexes: the first of each pair, then the second."""
    return _places(length, 2 * SIDE).reshape(SIDE, 2).T.ravel()


@lru_cache(1 << 10)
def _bytes_taken(width: int) -> NDArray[np.intp]:
    """Where these stand in a row of RGB: for each channel the first of each pair, then the second."""
    return (3 * _halves(width) + np.arange(3)[:, None]).ravel()


APPEARANCE = Appearance()
