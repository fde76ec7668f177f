"""Which values were taken for which, as a picture: a row for each true value, a column for each answer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image, ImageDraw

from findalike.present.caption import printable
from findalike.present.lettering import fitted, lettered
from findalike.present.sheet import GREY, INK, PAPER, QUERY, TILE, format_of, save

CELL, LETTER, TITLE, LINE, GAP = 56, 15, 18, 26, 24
NAMES, SHARE = 170, 76
"""Pixels for the names beside the rows, and for the share told right behind them."""

MOST = 40
"""Values that are drawn: of more, those of the most pictures."""

_RIGHT, _WRONG = QUERY, (214, 96, 47)
_PALE = 0.45
"""The share of a row from which its cell is so dark that its number is white."""

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Confusion:
    """`counts[i][j]` pictures of value `i` were taken for value `j`."""

    title: str
    values: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


def write(several: Sequence[Confusion], out: str | os.PathLike[str] | BinaryIO) -> None:
    """Draw one below the other into a file: .png, .jpg or .webp. Raises UsageError."""
    file_format = check(out)
    save(draw(several), out, file_format)


def check(out: str | os.PathLike[str] | BinaryIO) -> str:
    """The format of the file. Raises UsageError for one that cannot be written."""
    return format_of(out, "a picture of what was taken for what")


def draw(several: Sequence[Confusion]) -> Image.Image:
    parts = [_draw(_fewer(each)) for each in several]
    image = Image.new("RGB", (max(p.width for p in parts), sum(p.height for p in parts)), PAPER)
    y = 0
    for part in parts:
        image.paste(part, (0, y))
        y += part.height
    return image


def _fewer(each: Confusion) -> Confusion:
    if len(each.values) <= MOST:
        return each
    kept = sorted(sorted(range(len(each.values)), key=lambda n: -sum(each.counts[n]))[:MOST])
    counts = tuple(tuple(each.counts[i][j] for j in kept) for i in kept)
    title = f"{each.title}; {MOST} of {len(each.values):,} values"
    return Confusion(title, tuple(each.values[n] for n in kept), counts)


def _draw(each: Confusion) -> Image.Image:
    count = len(each.values)
    head = GAP + 2 * LINE + _longest(each.values)
    width = max(2 * GAP + NAMES + count * CELL + SHARE, _wide(each.title) + 2 * GAP)
    image = Image.new("RGB", (width, head + count * CELL + GAP), PAPER)
    pen = ImageDraw.Draw(image)
    _text(pen, (GAP, GAP + LINE / 2), each.title, TITLE, INK, width - 2 * GAP)
    _text(pen, (GAP, head - LINE / 2), "shown ↓  told →", LETTER, GREY, NAMES)
    for n, name in enumerate(each.values):
        _upright(image, (GAP + NAMES + n * CELL, head - 6), name)
        _row(pen, head + n * CELL, each, n)
    return image


def _row(pen: ImageDraw.ImageDraw, y: int, each: Confusion, n: int) -> None:
    counts = each.counts[n]
    total = sum(counts)
    _text(pen, (GAP, y + CELL / 2), each.values[n], LETTER, INK, NAMES - 10)
    for place, found in enumerate(counts):
        x, share = GAP + NAMES + place * CELL, found / total if total else 0.0
        pen.rectangle(
            (x, y, x + CELL - 3, y + CELL - 3), fill=_shade(share, _RIGHT if place == n else _WRONG)
        )
        if found or place == n:
            ink = PAPER if share > _PALE else INK
            pen.text((x + CELL / 2 - 1, y + CELL / 2 - 1), f"{found:,}", ink, lettered("0", LETTER)[1], "mm")
    told = f"{counts[n] / total:.0%}" if total else "–"
    pen.text((GAP + NAMES + len(counts) * CELL + SHARE - 8, y + CELL / 2), told, GREY,
             lettered("0", LETTER)[1], "rm")  # fmt: skip


def _shade(share: float, colour: Colour) -> Colour:
    """From the paper's tile to the colour; what happened at all is seen."""
    depth = 0.0 if share == 0 else 0.12 + 0.88 * share
    red, green, blue = (round(a + (b - a) * depth) for a, b in zip(TILE, colour, strict=True))
    return red, green, blue


def _text(
    pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: int, colour: Colour, width: int
) -> None:
    words, font = fitted(printable(text), size, width)
    pen.text(at, words, colour, font, "lm")


def _upright(image: Image.Image, at: tuple[int, int], name: str) -> None:
    """A name above a column, read from below."""
    words, font = fitted(printable(name), LETTER, NAMES - 10)
    strip = Image.new("RGB", (round(font.getlength(words)) + 2, CELL - 3), PAPER)
    ImageDraw.Draw(strip).text((0, CELL / 2), words, INK, font, "lm")
    turned = strip.transpose(Image.Transpose.ROTATE_90)
    image.paste(turned, (at[0], at[1] - turned.height))


def _longest(names: Sequence[str]) -> int:
    """Pixels of the longest name above a column."""
    texts = (fitted(printable(name), LETTER, NAMES - 10) for name in names)
    return round(max(font.getlength(words) for words, font in texts)) + 12


def _wide(title: str) -> int:
    words, font = lettered(printable(title), TITLE)
    return round(font.getlength(words)) + 4
