"""A group of duplicates as a contact sheet: the one to keep framed, and under each why it is there."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from findalike.errors import UsageError
from findalike.present import output
from findalike.present.caption import Thumbnails, printable
from findalike.present.lettering import fitted, wrapped
from findalike.present.sheet import GREY, INK, PAPER, QUERY, TILE, _picture

SIDE, GAP, LETTER, LINE = 256, 24, 15, 22
LINES = 5
"""Under each picture: its name, its folder, its size, and two lines of the reason."""

MOST = 60
"""More pictures of one group are not drawn."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture of a group; `facts` such as "4000 × 3000  2.1 MiB"."""

    asset_id: str
    uri: str
    facts: str
    reason: str
    keep: bool = False


def draw_all(groups: Sequence[Sequence[Tile]], thumbnails: Thumbnails, folder: str | os.PathLike[str]) -> int:
    """Write `group-0001.jpg` and so on into a folder, which is made when it is missing; how many there are.
    Raises UsageError."""
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{target}: cannot be made a folder: {error.strerror or error}") from error
    for number, tiles in enumerate(groups, 1):
        encoded = io.BytesIO()
        draw(tiles, thumbnails).save(encoded, "JPEG", quality=90)
        output.write(target / f"group-{number:04d}.jpg", encoded.getvalue())
    return len(groups)


def draw(tiles: Sequence[Tile], thumbnails: Thumbnails) -> Image.Image:
    """One group as an RGB picture."""
    drawn = tiles[:MOST]
    columns = min(len(drawn), max(4, math.ceil(math.sqrt(len(drawn)))))
    rows = math.ceil(len(drawn) / columns)
    across, down = SIDE + GAP, SIDE + LINES * LINE + GAP
    image = Image.new("RGB", (columns * across + GAP, rows * down + 2 * GAP), PAPER)
    found = thumbnails([tile.asset_id for tile in drawn])
    for place, tile in enumerate(drawn):
        row, column = divmod(place, columns)
        _draw(image, GAP + column * across, GAP + row * down, tile, found)
    if len(tiles) > len(drawn):
        text, font = fitted(f"and {len(tiles) - len(drawn):,} more", LETTER, image.width)
        ImageDraw.Draw(image).text((GAP, image.height - GAP), text, GREY, font, anchor="lm")
    return image


def _draw(image: Image.Image, x: int, y: int, tile: Tile, found: Mapping[str, bytes]) -> None:
    pen = ImageDraw.Draw(image)
    pen.rectangle((x, y, x + SIDE - 1, y + SIDE - 1), fill=TILE)
    picture = _picture(found.get(tile.asset_id), SIDE)
    if picture is not None:
        image.paste(picture, (x + (SIDE - picture.width) // 2, y + (SIDE - picture.height) // 2))
    if tile.keep:
        pen.rectangle((x - 4, y - 4, x + SIDE + 3, y + SIDE + 3), outline=QUERY, width=4)
    folder, name = os.path.split(tile.uri)
    lines = [(name, INK), (folder, GREY), (tile.facts, INK)]
    for number, (words, colour) in enumerate(lines):
        text, font = fitted(printable(words), LETTER, SIDE, keep_end=12)
        pen.text((x, y + SIDE + 6 + LINE * (number + 0.5)), text, colour, font, anchor="lm")
    reason, font = wrapped(printable(tile.reason), LETTER, SIDE, 2)
    for number, text in enumerate(reason):
        colour = QUERY if tile.keep else INK
        pen.text((x, y + SIDE + 6 + LINE * (len(lines) + number + 0.5)), text, colour, font, anchor="lm")
