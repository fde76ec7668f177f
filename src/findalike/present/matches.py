"""Pictures in pairs, with lines between what is the same in both: why a hit was verified. Needs Pillow."""

from __future__ import annotations

import colorsys
import math
import os
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from findalike.errors import UsageError
from findalike.present.caption import Pair
from findalike.present.lettering import fitted
from findalike.present.sheet import GREY, INK, PAPER, QUERY, TILE, Colour, format_of, save
from findalike.types import Pixels

MAX_PAIRS = 24
"""Pairs that one sheet has room for."""

MAX_LINES = 30
"""Lines that one pair has, so that each can be followed with the eye; all matches are counted."""

SIDE, GAP, MARGIN, LETTER, LINE = 340, 24, 44, 17, 25
"""In pixels: the longer side of a picture, the room between two, the border, letters and lines."""

FINE = 3
"""Lines are drawn so much larger and then reduced, so that they are smooth."""

SHADE = (0, 0, 0, 150)


def sheet(pairs: Sequence[Pair], out: str | os.PathLike[str] | BinaryIO, columns: int | None = None) -> None:
    """Draw pairs: the query left, the hit right. `out` is as in `present.sheet.sheet`. Raises UsageError."""
    file_format = format_of(out)
    save(draw(pairs, columns), out, file_format)


def draw(pairs: Sequence[Pair], columns: int | None = None) -> Image.Image:
    """The sheet as an RGB picture. Raises UsageError for columns that are not from 1 to 8."""
    if columns is not None and not 1 <= columns <= 8:
        raise UsageError(f"columns is {columns}, but it must be from 1 to 8")
    drawn = pairs[:MAX_PAIRS]
    across = columns or (1 if len(drawn) <= 2 else 2 if len(drawn) <= 8 else 3)
    across = max(1, min(across, len(drawn)))
    tile = max((_size(each)[1] for pair in drawn for each in (pair.left, pair.right)), default=0)
    wide, high = 2 * SIDE + GAP, tile + 2 * LINE + GAP // 2
    rows = math.ceil(len(drawn) / across)
    size = (
        2 * MARGIN + across * wide + (across - 1) * 2 * GAP,
        2 * MARGIN + rows * (high + GAP) + LINE,
    )
    page = Image.new("RGB", size, PAPER)
    for number, pair in enumerate(drawn):
        row, column = divmod(number, across)
        _pair(page, MARGIN + column * (wide + 2 * GAP), MARGIN + row * (high + GAP), tile, pair)
    words = (
        f"{len(pairs)} verified {'hit' if len(pairs) == 1 else 'hits'}" if pairs else "no hit was verified"
    )
    _write(page, MARGIN, page.height - MARGIN - LINE / 2, words, size[0] - 2 * MARGIN, GREY)
    return page


def _pair(page: Image.Image, x: int, y: int, tile: int, pair: Pair) -> None:
    """Both pictures, the lines between them, and the words below."""
    places = [_picture(page, x, y, tile, pair.left), _picture(page, x + SIDE + GAP, y, tile, pair.right)]
    _lines(page, pair.lines, places)
    middle = y + tile + GAP // 4 + LINE / 2
    right = x + SIDE + GAP
    _write(page, x, middle, pair.left_name, SIDE, INK)
    indent = _write(page, right, middle, f"{pair.rank}", SIDE, GREY) + LETTER // 2
    _write(page, right + indent, middle, pair.right_name, SIDE - indent, INK)
    _write(page, x, middle + LINE, "query", SIDE, QUERY)
    _write(page, right, middle + LINE, pair.words, SIDE, GREY)


def _picture(page: Image.Image, x: int, y: int, tile: int, pixels: Pixels) -> tuple[int, int, int, int]:
    """The picture in the middle of its tile; where it is: left, top, width and height."""
    size = _size(pixels)
    left, top = x + (SIDE - size[0]) // 2, y + (tile - size[1]) // 2
    ImageDraw.Draw(page).rectangle((x, y, x + SIDE - 1, y + tile - 1), fill=TILE)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    page.paste(image.resize(size, Image.Resampling.LANCZOS), (left, top))
    return left, top, *size


def _size(pixels: Pixels) -> tuple[int, int]:
    """Width and height as drawn."""
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _lines(
    page: Image.Image, lines: NDArray[np.float64], places: Sequence[tuple[int, int, int, int]]
) -> None:
    """Each in a colour of its own and with a shade around it, so that it is seen on any picture; dots are
    where it ends."""
    if not len(lines):
        return
    x, y = min(place[0] for place in places), min(place[1] for place in places)
    right = max(place[0] + place[2] for place in places)
    bottom = max(place[1] + place[3] for place in places)
    room = 6
    size = right - x + 2 * room, bottom - y + 2 * room
    layer = Image.new("RGBA", (size[0] * FINE, size[1] * FINE), (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    ends = [
        [((left + u * wide) - x + room, (top + v * high) - y + room)
         for (left, top, wide, high), (u, v) in zip(places, (line[:2], line[2:]), strict=True)]
        for line in lines[_spread(lines)]
    ]  # fmt: skip
    coloured = [(np.array(each) * FINE, _colour(n / len(ends))) for n, each in enumerate(ends)]
    for path, _ in coloured:
        pen.line([tuple(end) for end in path], SHADE, round(3.4 * FINE))
    for path, colour in coloured:
        pen.line([tuple(end) for end in path], (*colour, 255), round(1.8 * FINE))
    for path, colour in coloured:
        for end in path:
            _dot(pen, end, 5.2 * FINE, SHADE)
            _dot(pen, end, 4.2 * FINE, (*PAPER, 255))
            _dot(pen, end, 3.0 * FINE, (*colour, 255))
    smooth = layer.resize(size, Image.Resampling.LANCZOS)
    page.paste(smooth, (x - room, y - room), smooth)


def _dot(pen: ImageDraw.ImageDraw, end: NDArray[np.float64], radius: float, colour: tuple[int, ...]) -> None:
    x, y = end
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _spread(lines: NDArray[np.float64]) -> NDArray[np.int64]:
    """The lines to draw, from top to bottom: of all, those that lie farthest from the ones before, beginning
    with the clearest."""
    left = lines[:, :2]
    chosen = [0]
    apart = np.square(left - left[0]).sum(axis=1)
    while len(chosen) < min(MAX_LINES, len(lines)) and apart.max() > 0:
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, np.square(left - left[chosen[-1]]).sum(axis=1))
    return np.array(sorted(chosen, key=lambda n: float(left[n, 1])))


def _colour(place: float) -> Colour:
    """From orange over green to violet: neighbours differ, and all are bright."""
    red, green, blue = colorsys.hsv_to_rgb(0.04 + 0.8 * place, 0.75, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def _write(page: Image.Image, x: float, middle: float, words: str, width: int, colour: Colour) -> int:
    """The words, shortened where they must be; their width."""
    text, font = fitted(words, LETTER, width, keep_end=8)
    ImageDraw.Draw(page).text((x, middle), text, colour, font, anchor="lm")
    return math.ceil(font.getlength(text))
