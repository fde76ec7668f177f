"""Faces on sheets: a picture with its faces framed and numbered, and persons, each with a row of faces."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image, ImageDraw

from findalike.present.caption import printable
from findalike.present.lettering import fitted
from findalike.present.sheet import GREY, INK, PAPER, QUERY, TILE, _picture, format_of, save
from findalike.types import Box, Pixels

SIDE, GAP, LETTER, LINE = 112, 16, 15, 22
ACROSS = 10
"""Faces in a row."""

MOST_ROWS = 400
"""More rows are not drawn; a line at the foot says so."""

LONGEST = 1_600
"""Pixels of the longer side of a picture that is drawn."""


@dataclass(frozen=True, slots=True)
class Framed:
    """A face in a picture, and the words at its frame, such as "2 Anna"."""

    box: Box
    words: str


@dataclass(frozen=True, slots=True)
class Strip:
    """A line of words, and below it faces as JPEG files, each with words; one that is lost is None."""

    title: str
    faces: Sequence[tuple[str, bytes | None]]


def framed(pixels: Pixels, faces: Sequence[Framed], out: str | os.PathLike[str] | BinaryIO) -> None:
    """Write a picture with frames: .png, .jpg or .webp. Raises UsageError."""
    file_format = format_of(out)
    save(draw_framed(pixels, faces), out, file_format)


def draw_framed(pixels: Pixels, faces: Sequence[Framed]) -> Image.Image:
    image = Image.fromarray(pixels)
    scale = min(max(1.0, 640 / max(image.size)), LONGEST / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    image = image.resize(size, Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(image)
    for face in faces:
        _frame(pen, image.size, face)
    return image


def _frame(pen: ImageDraw.ImageDraw, size: tuple[int, int], face: Framed) -> None:
    left, top, right, bottom = (
        edge * (length - 1) for edge, length in zip(face.box, (*size, *size), strict=True)
    )
    pen.rectangle((left - 2, top - 2, right + 2, bottom + 2), None, PAPER, 5)
    pen.rectangle((left, top, right, bottom), None, QUERY, 2)
    text, font = fitted(printable(face.words), LETTER, max(size[0] // 2, 40))
    wide = font.getlength(text) + 10
    x = min(max(left, 0), max(size[0] - wide, 0))
    y = top - LINE if top >= LINE else min(bottom, size[1] - LINE)
    pen.rectangle((x, y, x + wide - 1, y + LINE - 1), fill=QUERY)
    pen.text((x + 5, y + LINE / 2), text, PAPER, font, anchor="lm")


def strips(several: Sequence[Strip], out: str | os.PathLike[str] | BinaryIO) -> None:
    """Write rows of faces: .png, .jpg or .webp. Raises UsageError."""
    file_format = format_of(out)
    save(draw_strips(several), out, file_format)


def draw_strips(several: Sequence[Strip]) -> Image.Image:
    heights = [LINE + -(-max(len(s.faces), 1) // ACROSS) * (SIDE + LINE) + GAP for s in several[:MOST_ROWS]]
    width = GAP + ACROSS * (SIDE + GAP)
    image = Image.new("RGB", (width, sum(heights) + 2 * GAP), PAPER)
    pen, y = ImageDraw.Draw(image), GAP
    for strip, height in zip(several, heights, strict=False):
        text, font = fitted(printable(strip.title), LETTER, width - 2 * GAP)
        pen.text((GAP, y + LINE / 2), text, INK, font, anchor="lm")
        for place, face in enumerate(strip.faces):
            row, column = divmod(place, ACROSS)
            _face(image, pen, GAP + column * (SIDE + GAP), y + LINE + row * (SIDE + LINE), *face)
        y += height
    if len(several) > MOST_ROWS:
        text, font = fitted(f"and {len(several) - MOST_ROWS:,} more", LETTER, width)
        pen.text((GAP, image.height - GAP), text, GREY, font, anchor="lm")
    return image


def _face(
    image: Image.Image, pen: ImageDraw.ImageDraw, x: int, y: int, words: str, data: bytes | None
) -> None:
    pen.rectangle((x, y, x + SIDE - 1, y + SIDE - 1), fill=TILE)
    picture = _picture(data, SIDE)
    if picture is not None:
        image.paste(picture, (x + (SIDE - picture.width) // 2, y + (SIDE - picture.height) // 2))
    text, font = fitted(printable(words), LETTER, SIDE, keep_end=6)
    pen.text((x, y + SIDE + LINE / 2), text, GREY, font, anchor="lm")
