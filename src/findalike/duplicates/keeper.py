"""Which picture of a group to keep."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from typing import Any

from findalike import uri as uris
from findalike.types import Asset

LOSSLESS = {"image/png": 1, "image/bmp": 1, "image/tiff": 2}
"""Formats that lose nothing; a TIFF may hold more than eight bits."""

_LIKE_A_COPY = re.compile(r"(\(\d+\)|\bcopy\b|\bkopie\b|_copy|-copy|~\d*)\s*(\.\w+)?$", re.IGNORECASE)

Order = Callable[[Asset], Any]


def keep_first(prefer: Sequence[str] = (), derived: Collection[str] = ()) -> Order:
    """A key that sorts the one to keep first.

    What was made from another of the group (`derived`, ids) comes last. Then more pixels, a format that loses
    nothing, a file of its own before a member of an archive, a folder of `prefer` (uris, the first first),
    more bytes, the older one, a name that does not speak of a copy, the shorter path.
    """
    folders = [folder.rstrip(os.sep) + os.sep for folder in prefer]

    def key(asset: Asset) -> tuple[Any, ...]:
        places = [n for n, folder in enumerate(folders) if asset.uri.startswith(folder)]
        return (
            asset.id in derived,
            -pixels(asset),
            -LOSSLESS.get(asset.media, 0),
            is_member(asset),
            min(places, default=len(folders)),
            -asset.size,
            taken(asset),
            bool(_LIKE_A_COPY.search(asset.uri)),
            len(asset.uri),
            asset.uri,
        )

    return key


def pixels(asset: Asset) -> int:
    """How many it has; 0 where that is not known."""
    width, height = asset.metadata.get("width"), asset.metadata.get("height")
    return width * height if isinstance(width, int) and isinstance(height, int) else 0


def taken(asset: Asset) -> str:
    """When it was taken, else when the file was changed, as text that sorts by time."""
    value = asset.metadata.get("taken")
    when = value if isinstance(value, date | datetime) else asset.modified
    return when.isoformat()


def is_member(asset: Asset) -> bool:
    """Whether it lies in an archive, or anywhere but in a file of its own."""
    return "://" in asset.uri or bool(uris.split(asset.uri)[1])
