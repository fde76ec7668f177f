"""Hits as a labelled contact sheet: one picture to print, send or keep with a case. Needs Pillow."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageDraw

from findalike.errors import UsageError
from findalike.present import caption, output
from findalike.present.caption import Example, Thumbnails
from findalike.present.lettering import fitted, wrapped
from findalike.types import Box, Hit

MAX_HITS = 500
"""More hits than these are not drawn; a line at the foot says how many there were."""

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
MAX_SIDE = {"PNG": 65_500, "JPEG": 65_500, "WEBP": 16_383}

Colour = tuple[int, int, int]

PAPER = (255, 255, 255)
TILE = (241, 241, 243)
INK = (28, 28, 32)
GREY = (110, 110, 118)
RULE = (222, 222, 226)
QUERY = (37, 99, 235)
MINUS = (200, 50, 50)


def sheet(
    hits: Sequence[Hit],
    thumbnails: Thumbnails,
    out: str | os.PathLike[str] | BinaryIO,
    query: Sequence[Example] = (),
    columns: int | None = None,
    tile: int | None = None,
) -> None:
    """Draw the query's terms and below them the hits in rows, each with rank, name, score and band.

    `out` is a path ending in .png, .jpg, .jpeg or .webp, written whole or not at all, or a binary file,
    which gets PNG. `columns` is from 1 to 40; `tile`, the side of a picture, from 64 to 512 pixels; both
    are chosen by the number of hits when not given. Raises UsageError.
    """
    file_format = format_of(out)
    save(draw(hits, thumbnails, query, columns, tile), out, file_format)


def save(image: Image.Image, out: str | os.PathLike[str] | BinaryIO, file_format: str) -> None:
    """Write a sheet whole or not at all. Raises UsageError."""
    if max(image.size) > MAX_SIDE[file_format]:
        raise UsageError(
            f"{out}: {file_format} holds {MAX_SIDE[file_format]:,} pixels a side; ask for more columns"
        )
    encoded = io.BytesIO()
    image.save(encoded, file_format, quality=90)
    if isinstance(out, str | os.PathLike):
        output.write(out, encoded.getvalue())
    else:
        out.write(encoded.getvalue())


def draw(
    hits: Sequence[Hit],
    thumbnails: Thumbnails,
    query: Sequence[Example] = (),
    columns: int | None = None,
    tile: int | None = None,
) -> Image.Image:
    """The contact sheet as an RGB picture. Raises UsageError for columns or tile out of range."""
    drawn = hits[:MAX_HITS]
    layout = _layout(len(drawn), len(query), columns, tile)
    page = _Page(layout, Image.new("RGB", layout.size, PAPER))
    for i, example in enumerate(query):
        page.example(i, example)
    found = thumbnails(list({caption.picture(hit): None for hit in drawn}))
    for i, hit in enumerate(drawn):
        page.hit(i, hit, found)
    page.foot(len(drawn), len(hits))
    return page.image


def format_of(out: object, what: str = "a contact sheet") -> str:
    """The format of a sheet by the ending of its name; PNG for a file that is open. Raises UsageError, which
    says `what` is drawn."""
    if not isinstance(out, str | os.PathLike):
        return "PNG"
    suffix = Path(out).suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(f"{os.fspath(out)}: {what} ends in {', '.join(FORMATS)}, not {suffix or 'nothing'}")
    output.check(out)
    return FORMATS[suffix]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things go, in pixels. A cell is a tile and the lines under it."""

    tile: int
    columns: int
    hits: int
    examples: int

    @property
    def gap(self) -> int:
        return max(12, self.tile // 11)

    @property
    def margin(self) -> int:
        return self.gap * 2

    @property
    def letter(self) -> int:
        return max(11, self.tile // 15)

    @property
    def line(self) -> int:
        return round(self.letter * 1.45)

    @property
    def cell_height(self) -> int:
        return self.tile + 2 * self.line + self.gap // 2

    @property
    def example_height(self) -> int:
        return self.tile + self.line + self.gap // 2

    @property
    def head(self) -> int:
        """Height of the query's rows and the rule below them."""
        rows = math.ceil(self.examples / self.columns)
        return rows * (self.example_height + self.gap) + (self.gap if rows else 0)

    @property
    def size(self) -> tuple[int, int]:
        rows = math.ceil(self.hits / self.columns)
        width = 2 * self.margin + self.columns * (self.tile + self.gap) - self.gap
        return width, 2 * self.margin + self.head + rows * (self.cell_height + self.gap) + self.line

    def example(self, index: int) -> tuple[int, int]:
        """The upper left corner of a term's tile."""
        row, column = divmod(index, self.columns)
        return self.margin + column * (self.tile + self.gap), self.margin + row * (
            self.example_height + self.gap
        )

    def hit(self, index: int) -> tuple[int, int]:
        """The upper left corner of a hit's tile."""
        row, column = divmod(index, self.columns)
        top = self.margin + self.head + row * (self.cell_height + self.gap)
        return self.margin + column * (self.tile + self.gap), top


def _layout(hits: int, examples: int, columns: int | None, tile: int | None) -> _Layout:
    if columns is not None and not 1 <= columns <= 40:
        raise UsageError(f"columns is {columns}, but it must be from 1 to 40")
    if tile is not None and not 64 <= tile <= 512:
        raise UsageError(f"tile is {tile}, but it must be from 64 to 512 pixels")
    side = tile or (256 if hits <= 60 else 192 if hits <= 150 else 128)
    # A sheet somewhat taller than wide: rows are taller than columns are wide.
    across = columns or max(min(5, max(hits, examples, 3)), math.ceil(math.sqrt(hits * 0.8)))
    return _Layout(side, across, hits, examples)


class _Page:
    """The sheet while it is drawn."""

    def __init__(self, layout: _Layout, image: Image.Image) -> None:
        self.layout = layout
        self.image = image
        self.pen = ImageDraw.Draw(image)

    def example(self, index: int, example: Example) -> None:
        x, y = self.layout.example(index)
        colour = MINUS if example.weight < 0 else QUERY
        if example.thumbnail:
            self.tile(x, y, example.thumbnail, example.box, colour)
            self.name(x, y, "", caption.printable(example.caption))
        else:
            self.empty_tile(x, y, caption.printable(example.caption), INK)
        edge = max(3, self.layout.tile // 64)
        outer = (x - edge, y - edge, x + self.layout.tile + edge - 1, y + self.layout.tile + edge - 1)
        self.pen.rectangle(outer, outline=colour, width=edge)
        self.tag(x, y, example.role, colour)
        if index == self.layout.examples - 1:
            rule = self.layout.margin + self.layout.head - round(self.layout.gap * 1.25)
            self.pen.line((self.layout.margin, rule, self.image.width - self.layout.margin, rule), RULE, 2)

    def hit(self, index: int, hit: Hit, found: Mapping[str, bytes]) -> None:
        x, y = self.layout.hit(index)
        self.tile(x, y, found.get(caption.picture(hit)), caption.box(hit), QUERY)
        part = caption.part(hit)
        if part:
            self.tag(x, y + self.layout.tile - self.layout.line, part, INK)
        self.name(x, y, f"{index + 1}", caption.name(hit))
        self.score(x, y, hit)

    def tile(self, x: int, y: int, data: bytes | None, box: Box | None, colour: Colour) -> None:
        """The picture in the middle of its square, with its box."""
        picture = _picture(data, self.layout.tile)
        if picture is None:
            self.empty_tile(x, y, "damaged thumbnail" if data else "no thumbnail", GREY)
            return
        side = self.layout.tile
        self.pen.rectangle((x, y, x + side - 1, y + side - 1), fill=TILE)
        left, top = x + (side - picture.width) // 2, y + (side - picture.height) // 2
        self.image.paste(picture, (left, top))
        if box is not None:
            width, height = picture.width - 1, picture.height - 1
            edges = (
                left + box[0] * width,
                top + box[1] * height,
                left + box[2] * width,
                top + box[3] * height,
            )
            self.pen.rectangle(
                [edge + grow for edge, grow in zip(edges, (-2, -2, 2, 2), strict=True)], None, PAPER, 5
            )
            self.pen.rectangle(edges, None, colour, 2)

    def empty_tile(self, x: int, y: int, words: str, colour: Colour) -> None:
        """A square without a picture, and words in the middle of it."""
        side, line = self.layout.tile, self.layout.line
        self.pen.rectangle((x, y, x + side - 1, y + side - 1), fill=TILE)
        lines, font = wrapped(words, self.layout.letter, side - line, max(1, side // line - 2))
        top = y + (side - len(lines) * line) // 2
        for i, text in enumerate(lines):
            self.pen.text((x + side / 2, top + i * line + line / 2), text, colour, font, anchor="mm")

    def tag(self, x: int, y: int, words: str, colour: Colour) -> None:
        """Words in white on colour, at the upper left of x, y."""
        pad = self.layout.letter // 2
        text, font = fitted(words, self.layout.letter, self.layout.tile - 2 * pad)
        width = math.ceil(font.getlength(text)) + 2 * pad
        self.pen.rectangle((x, y, x + width - 1, y + self.layout.line - 1), fill=colour)
        self.pen.text((x + pad, y + self.layout.line / 2), text, PAPER, font, anchor="lm")

    def name(self, x: int, y: int, rank: str, name: str) -> None:
        middle = y + self.layout.tile + self.layout.gap // 4 + self.layout.line / 2
        indent = 0
        if rank:
            text, font = fitted(rank, self.layout.letter, self.layout.tile)
            self.pen.text((x, middle), text, GREY, font, anchor="lm")
            indent = math.ceil(font.getlength(text)) + self.layout.letter // 2
        text, font = fitted(name, self.layout.letter, self.layout.tile - indent, keep_end=8)
        self.pen.text((x + indent, middle), text, INK, font, anchor="lm")

    def score(self, x: int, y: int, hit: Hit) -> None:
        """Score, a bar as long as the score, and the band."""
        middle = y + self.layout.tile + self.layout.gap // 4 + self.layout.line * 1.5
        side, letter = self.layout.tile, self.layout.letter
        text, font = fitted(caption.score(hit), letter, side)
        self.pen.text((x, middle), text, INK, font, anchor="lm")
        left, length, thick = x + round(letter * 2.6), round(side * 0.22), max(2, letter // 6)
        self.pen.rectangle((left, middle - thick, left + length, middle + thick), fill=RULE)
        filled = round(length * min(1.0, max(0.0, hit.score)))
        self.pen.rectangle((left, middle - thick, left + filled, middle + thick), fill=QUERY)
        start = left + length + letter // 2
        text, font = fitted(caption.band(hit), letter, x + side - start)
        self.pen.text((start, middle), text, GREY, font, anchor="lm")

    def foot(self, drawn: int, hits: int) -> None:
        words = f"{hits:,} {'hit' if hits == 1 else 'hits'}"
        if drawn < hits:
            words = f"the first {drawn:,} of {words}"
        words = words if hits else "nothing similar was found"
        text, font = fitted(words, self.layout.letter, self.image.width - 2 * self.layout.margin)
        bottom = self.image.height - self.layout.margin - self.layout.line / 2
        self.pen.text((self.layout.margin, bottom), text, GREY, font, anchor="lm")


def _picture(data: bytes | None, side: int) -> Image.Image | None:
    """A thumbnail within a square, enlarged by half at most; None when there is none to be read."""
    if not data:
        return None
    try:
        with Image.open(io.BytesIO(data)) as file:
            picture = file.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    scale = min(side / max(picture.size), 1.5)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS)
