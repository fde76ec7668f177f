"""From a network's feature maps to one vector for each picture. Pure.

Maps have shape (n, channels, height, width); one axis of places, such as tokens, does as well where no
rectangle is asked for. Results have shape (n, channels), float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike.types import Vectors

Maps = NDArray[np.float32]

GEM_POWER = 3.0
"""As Radenović et al. (2018) start from, and mostly end at."""

LEVELS = 3
OVERLAP = 0.4
"""Of R-MAC, as Tolias et al. (2016) set them: sizes of regions, and how much the largest ones share."""

_LEAST = 1e-6
_SHORT = 1e-12


def average(maps: Maps) -> Vectors:
    """The mean of each channel over all places."""
    found: Vectors = np.asarray(maps, np.float32).mean(axis=_places(maps))
    return found


def maximum(maps: Maps) -> Vectors:
    """The largest value of each channel, wherever it is (MAC: Tolias et al. 2016)."""
    found: Vectors = np.asarray(maps, np.float32).max(axis=_places(maps))
    return found


def gem(maps: Maps, power: float = GEM_POWER) -> Vectors:
    """The generalised mean (Radenović et al. 2018): power 1 is the average, a large one the maximum."""
    raised = np.maximum(np.asarray(maps, np.float32), np.float32(_LEAST)) ** power
    found: Vectors = (raised.mean(axis=_places(maps)) ** (1 / power)).astype(np.float32)
    return found


def r_mac(maps: Maps, levels: int = LEVELS) -> Vectors:
    """The sum of the unit vectors of the maxima over a grid of regions (R-MAC: Tolias et al. 2016)."""
    x = np.asarray(maps, np.float32)
    total = np.zeros(x.shape[:2], np.float32)
    height, width = x.shape[2:]
    for top, left, side in regions(height, width, levels):
        strongest = x[:, :, top : top + side, left : left + side].max(axis=(2, 3))
        total += strongest / np.maximum(np.linalg.norm(strongest, axis=1, keepdims=True), _SHORT)
    return total


def regions(height: int, width: int, levels: int = LEVELS) -> list[tuple[int, int, int]]:
    """Top, left and side of the squares of R-MAC, in places of the map.

    Level 1 has squares as high as the shorter side, so many that neighbours share as nearly `OVERLAP` of
    each as they can; each level has one more along both sides, 2 / (level + 1) as long.
    """
    short, long = sorted((height, width))
    more = _along(short, long) - 1
    found = []
    for level in range(1, levels + 1):
        side = max(1, 2 * short // (level + 1))
        down, across = (level, level + more) if width >= height else (level + more, level)
        tops, lefts = _starts(height - side, down), _starts(width - side, across)
        found += [(top, left, side) for top in tops for left in lefts]
    return found


def _along(short: int, long: int) -> int:
    """How many squares of the largest size lie along the longer side."""
    if long == short:
        return 1
    fitting = 1 + (long - short) / (short * (1 - OVERLAP))
    counts = {max(2, int(fitting)), max(2, int(fitting) + 1)}
    return min(counts, key=lambda n: abs(1 - (long - short) / (n - 1) / short - OVERLAP))


def _starts(room: int, count: int) -> list[int]:
    return [number * room // max(1, count - 1) for number in range(count)]


def _places(maps: NDArray[Any]) -> tuple[int, ...]:
    return tuple(range(2, maps.ndim))


POOLINGS: Mapping[str, Callable[[Maps], Vectors]] = {
    "average": average,
    "max": maximum,
    "gem": gem,
    "r-mac": r_mac,
}
"""By the names that cards use."""
