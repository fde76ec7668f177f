"""The seam of a finder: a name, and one method that proposes parts of a picture.

What every finder would otherwise repeat (proposals that are no boxes, too many, several of one place, the
cutting out) lives here, once.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from findalike import pixels
from findalike.settings import Settings
from findalike.types import Box, Picture

log = logging.getLogger(__name__)

MOST = 32
"""Parts of one picture that are kept, the best: each costs the network what a picture costs."""

SAME = 0.9
"""The overlap, intersection over union, from which on two proposals are one."""

LEAST_SIDE = 16
"""Pixels of a part's shorter side, in the original, below which it shows nothing."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A part of a picture that may be looked for by itself; `label` names it, where the finder can. `tight`
    says that the box ends where a thing does, so that all that is in it must be seen."""

    box: Box
    label: str = ""
    tight: bool = True


class Finder(Protocol):
    """What finds parts of pictures. Threads may call `find` at once."""

    @property
    def name(self) -> str:
        """Its name, and with it all that its proposals hang on, such as `onnx:detector-1f0c6a52`."""
        ...

    @property
    def least(self) -> int:
        """Pixels of a picture's shorter side, in the original, below which it has no parts."""
        ...

    @property
    def magnified(self) -> float:
        """How much longer a decoded picture's sides must be than without parts, so that these have pixels
        enough."""
        ...

    def find(self, picture: Picture) -> Sequence[Proposal]:
        """Any number of proposals, the best first."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """What an entry point of the group `findalike.regions` names: how to load a finder. `of_file` says that
    it is made from a file that the user names, `onnx:detector.onnx`, which `load` is given; others get an
    empty text.

    The module that holds it is imported to list finders, so it imports nothing heavy itself.
    """

    load: Callable[[str, Settings], Finder]
    of_file: bool = False


def parts(finder: Finder, picture: Picture) -> list[Proposal]:
    """The sound proposals for a picture; none for one that is too small."""
    if not worthwhile(finder, picture.width, picture.height):
        return []
    return sound(finder.find(picture), picture.width, picture.height)


def worthwhile(finder: Finder, width: int, height: int) -> bool:
    """Whether a picture of this size, in pixels of the original, is large enough to have parts."""
    return min(width, height) >= finder.least


def sound(proposals: Iterable[Proposal], width: int, height: int) -> list[Proposal]:
    """Those that are boxes inside a picture of this size, at most `MOST`. What reaches beyond the picture is
    cut off; what has no area or no numbers, shows what a better one shows, or all of the picture without
    saying what it is, is left out."""
    kept: list[Proposal] = []
    for proposal in proposals:
        box = _inside(proposal.box)
        if box is None or min((box[2] - box[0]) * width, (box[3] - box[1]) * height) < LEAST_SIDE:
            continue
        if not proposal.label and (box[2] - box[0]) * (box[3] - box[1]) >= SAME:
            continue
        if all(overlap(box, other.box) < SAME for other in kept):
            kept.append(replace(proposal, box=box))
        if len(kept) == MOST:
            break
    return kept


def cut(picture: Picture, proposal: Proposal, seen: float = 1.0) -> Picture:
    """What is inside a box, with that box as its origin, for an encoder that sees the central `seen` of what
    it gets: around a tight box there is so much more. A view of the same pixels."""
    box = proposal.box
    origin = replace(picture.origin, part="region", box=box, label=proposal.label)
    width, height = picture.width * (box[2] - box[0]), picture.height * (box[3] - box[1])
    shown = pixels.with_margin(box, seen) if proposal.tight else box
    return Picture(pixels.crop(picture.pixels, shown), origin, round(width), round(height))


def overlap(one: Box, other: Box) -> float:
    """Intersection over union, 0 to 1, of two boxes that have an area."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, wide) * max(0.0, high)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (areas - both)


def _inside(box: Box) -> Box | None:
    """The part of a box that is in the picture, if any."""
    if len(box) != 4 or not all(math.isfinite(edge) for edge in box):
        return None
    left, top, right, bottom = (min(max(float(edge), 0.0), 1.0) for edge in box)
    return (left, top, right, bottom) if left < right and top < bottom else None
