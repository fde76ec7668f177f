"""Parts that lie where they lie in every picture: three by three, which overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from findalike.regions.base import Entry, Proposal
from findalike.settings import Settings
from findalike.types import Box, Picture

SHARE = 0.45
"""Of each side, what a part of the grid has. Three by three of them find things of 0.3 to 0.4 of the side;
halves are too coarse for 0.3 (`benchmarks/focus.py --part grid`)."""

LEAST = 128
"""Pixels of a part's shorter side, in the original, below which parts would show nothing new."""

_STARTS = (0.0, (1 - SHARE) / 2, 1 - SHARE)
GRID: tuple[Box, ...] = tuple((left, top, left + SHARE, top + SHARE) for top in _STARTS for left in _STARTS)


@dataclass(frozen=True, slots=True)
class Grid:
    name: str = "grid"
    magnified: float = 1 / SHARE

    @property
    def least(self) -> int:
        return math.ceil(LEAST / SHARE)

    def find(self, _: Picture) -> Sequence[Proposal]:
        return [Proposal(box, tight=False) for box in GRID]


def load(_: str, __: Settings) -> Grid:
    """The grid, which needs nothing."""
    return Grid()


FINDER = Entry(load)
