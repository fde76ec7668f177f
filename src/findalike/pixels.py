"""Pure work on pixels: upright, cropped, scaled. Arrays are (height, width, 3) uint8 RGB throughout."""

from __future__ import annotations

import numpy as np
from PIL import Image

from findalike.types import Box, Pixels

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def oriented(image: Image.Image, orientation: int) -> Image.Image:
    """The image upright, after its EXIF orientation 1..8; any other number leaves it as it is."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def crop(pixels: Pixels, box: Box) -> Pixels:
    """The part inside `box`, given in 0..1, to the nearest pixel and at least one pixel large. A view."""
    height, width = pixels.shape[:2]
    left, right = _span(box[0], box[2], width)
    top, bottom = _span(box[1], box[3], height)
    return pixels[top:bottom, left:right]


def square(pixels: Pixels, size: int, fraction: float = 0.875) -> Pixels:
    """The centre as (size, size, 3): scaled so that the short side is `size / fraction`, then cropped.

    Bicubic with antialiasing. Only what the crop shows is computed, so that a picture of 10,000 × 1
    costs no more than another; the pixels are those of scaling all and cropping then.
    """
    height, width = pixels.shape[:2]
    short = max(size, round(size / fraction))
    scale = short / min(height, width)
    whole_width, whole_height = max(short, round(width * scale)), max(short, round(height * scale))
    left, right = _centre(width, whole_width, size)
    top, bottom = _centre(height, whole_height, size)
    image = Image.fromarray(pixels).resize(
        (size, size), Image.Resampling.BICUBIC, box=(left, top, right, bottom)
    )
    return np.asarray(image)


def reduced(pixels: Pixels, short_side: int) -> Pixels:
    """Means of squares of whole pixels, as large as leave the shorter side at least so long."""
    factor = min(pixels.shape[:2]) // short_side
    return np.asarray(Image.fromarray(pixels).reduce(factor)) if factor > 1 else pixels


def fit(pixels: Pixels, side: int) -> Pixels:
    """The whole picture, its longer side at most `side`, bicubic; never enlarged."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _span(low: float, high: float, length: int) -> tuple[int, int]:
    start = min(max(round(low * length), 0), length - 1)
    return start, min(max(round(high * length), start + 1), length)


def _centre(length: int, whole: int, size: int) -> tuple[float, float]:
    """The original coordinates of the centre `size` of a side that is scaled from `length` to `whole`."""
    start = (whole - size) // 2
    unit = length / whole
    return start * unit, min(length, (start + size) * unit)


def with_margin(box: Box, fraction: float) -> Box:
    """The box, grown so far that a central crop of `fraction` shows all of it, unless the picture ends."""
    wider, higher = ((box[end + 2] - box[end]) * (1 / fraction - 1) / 2 for end in (0, 1))
    return (
        max(0.0, box[0] - wider),
        max(0.0, box[1] - higher),
        min(1.0, box[2] + wider),
        min(1.0, box[3] + higher),
    )
