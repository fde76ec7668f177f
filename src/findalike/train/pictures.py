"""The pictures of a training run: decoded by findalike's own decoder, kept at the size that it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from findalike import decode, sources
from findalike.errors import NotAPicture, ReadError
from findalike.pixels import square
from findalike.settings import Settings
from findalike.sources.base import reason
from findalike.train.augment import Augmentation
from findalike.types import Failure, Origin, Pixels

KEPT = 0.875
"""The share of the short side that the central cut keeps, as the encoders do."""

MOST_BYTES = 1 << 30
"""Decoded pictures that are kept in memory; those beyond are decoded again whenever they are needed."""

LONGEST = 1.5
"""Of a long picture the middle is kept: so many times its short side."""

_AT_ONCE = 64

Places = NDArray[np.int64]
Watch = Callable[[int, int], None]
"""Called with how many of how many pictures are read."""


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures that can be read, in order. `side` is that of a network's square input; `kept` holds those
    that fit into memory, by their place."""

    uris: Sequence[str]
    side: int
    settings: Settings
    kept: dict[int, Pixels]

    def __len__(self) -> int:
        return len(self.uris)

    def whole(self, place: int) -> Pixels:
        """Upright pixels, scaled so that the central cut has `side`. Raises ReadError for a file that is no
        longer what it was."""
        if place in self.kept:
            return self.kept[place]
        try:
            return _decoded(self.uris[place], self.side, self.settings)
        except (ReadError, OSError) as error:
            raise ReadError(f"{self.uris[place]}: {_told(error)}") from error

    def plain(self, places: Places) -> Pixels:
        """The central cuts that an encoder sees, (n, side, side, 3)."""
        return self._each(lambda place, _: square(self.whole(place), self.side, KEPT), places, places)

    def varied(self, places: Places, how: Augmentation, seeds: Places) -> Pixels:
        """Views of the same shape, each changed by its own seed, whatever threads do."""
        return self._each(
            lambda place, seed: how.of(self.whole(place), self.side, np.random.default_rng(seed)),
            places,
            seeds,
        )

    def _each(self, view: Callable[[int, int], Pixels], places: Places, seeds: Places) -> Pixels:
        with ThreadPoolExecutor(self.settings.thread_count()) as pool:
            return np.stack(list(pool.map(view, places.tolist(), seeds.tolist())))


def read(
    uris: Sequence[str],
    side: int,
    settings: Settings,
    watch: Watch = lambda done, total: None,
    most_bytes: int = MOST_BYTES,
) -> tuple[Pictures, Places, list[Failure]]:
    """The pictures of files, which of them could be read (places among `uris`, ascending), and why the others
    could not: a bad file is left out, and never ends a run. No more than `most_bytes` stay in memory."""
    kept: dict[int, Pixels] = {}
    readable: list[int] = []
    failures: list[Failure] = []
    taken = 0
    with ThreadPoolExecutor(settings.thread_count()) as pool:
        for start in range(0, len(uris), _AT_ONCE):
            some = uris[start : start + _AT_ONCE]
            for place, found in enumerate(pool.map(lambda uri: _tried(uri, side, settings), some), start):
                if isinstance(found, Failure):
                    failures.append(found)
                    continue
                if (taken := taken + found.nbytes) <= most_bytes:
                    kept[len(readable)] = found
                readable.append(place)
            watch(start + len(some), len(uris))
    pictures = Pictures([uris[place] for place in readable], side, settings, kept)
    return pictures, np.array(readable, np.int64), failures


def _tried(uri: str, side: int, settings: Settings) -> Pixels | Failure:
    try:
        return _decoded(uri, side, settings)
    except (ReadError, OSError) as error:
        return Failure(uri, "read" if isinstance(error, OSError) else "decode", _told(error))


def _decoded(uri: str, side: int, settings: Settings) -> Pixels:
    """Upright, its short side such that the central cut has `side`. Raises ReadError, OSError."""
    short = round(side / KEPT)
    with sources.open_asset(uri) as file:
        head = file.read(decode.HEAD_BYTES)
        if not decode.sniff(head):  # a film may be larger than memory
            raise NotAPicture("is empty" if not head else "is no picture of a format that is read here")
        data = head + file.read()
    found = decode.decode(data, Origin(""), short_side=short, budget=settings.pixel_budget)
    return _scaled(found.picture.pixels, short)


def _scaled(pixels: Pixels, short: int) -> Pixels:
    """The middle, its short side `short` and the other at most `LONGEST` times that, bicubic."""
    height, width = pixels.shape[:2]
    least = min(height, width)
    tall, wide = min(height, round(least * LONGEST)), min(width, round(least * LONGEST))
    top, left = (height - tall) / 2, (width - wide) / 2
    size = round(wide * short / least), round(tall * short / least)
    box = (left, top, left + wide, top + tall)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, box=box))


def _told(error: Exception) -> str:
    return reason(error) if isinstance(error, OSError) else str(error)
