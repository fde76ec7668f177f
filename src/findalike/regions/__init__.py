"""Parts of pictures that get vectors of their own, so that a small thing in a large picture is found.

    find(name)  the function that cuts a picture into parts, each with its box

Each part costs the network what a picture costs: with nine of them, indexing is ten times its work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from findalike import pixels
from findalike.errors import UsageError
from findalike.types import Box, Picture

Cut = Callable[[Picture], list[Picture]]

SHARE = 0.45
"""Of each side, what a part of the grid has. Three by three of them find things of 0.3 to 0.4 of the side;
halves are too coarse for 0.3 (`benchmarks/focus.py --part grid`)."""

LEAST = 128
"""Pixels of a part's shorter side, in the original, below which parts would show nothing new."""

_STARTS = (0.0, (1 - SHARE) / 2, 1 - SHARE)
GRID: tuple[Box, ...] = tuple((left, top, left + SHARE, top + SHARE) for top in _STARTS for left in _STARTS)


def grid(picture: Picture) -> list[Picture]:
    """Three by three parts that overlap; none of a picture whose parts would be too small."""
    if not worthwhile("grid", picture.width, picture.height):
        return []
    return [part(picture, box) for box in GRID]


def worthwhile(name: str, width: int, height: int) -> bool:
    """Whether a picture of this size, in pixels of the original, is large enough to have such parts."""
    return min(width, height) >= LEAST * MAGNIFIED[name]


def part(picture: Picture, box: Box) -> Picture:
    """What is inside the box, with that box as its origin. A view of the same pixels."""
    origin = replace(picture.origin, part="region", box=box)
    width, height = picture.width * (box[2] - box[0]), picture.height * (box[3] - box[1])
    return Picture(pixels.crop(picture.pixels, box), origin, round(width), round(height))


FINDERS: dict[str, Cut] = {"grid": grid}
MAGNIFIED: dict[str, float] = {"grid": 1 / SHARE}
"""How much longer a decoded picture's sides must be than without parts, so that these have pixels enough."""


def find(name: str) -> Cut:
    """The function of that name. Raises UsageError naming those there are."""
    if name not in FINDERS:
        raise UsageError(f"no way to find regions is named {name!r}; there are: {', '.join(sorted(FINDERS))}")
    return FINDERS[name]


def mark(name: str) -> str:
    """The name of the attachment that says that a picture was looked into for such parts."""
    return f"regions:{name}"


def magnified(name: str, short_side: int | None) -> int | None:
    """How long the shorter side of a decoded picture must be, when `short_side` is enough for the whole."""
    find(name)
    return None if short_side is None else round(short_side * MAGNIFIED[name])
