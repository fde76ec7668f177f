"""What a network is shown of pictures: pixels, and what of them need be computed but once.

The parts of a pretrained network that do not learn make the same of the same pixels in every epoch. So each
picture is varied in a few ways only, and what those parts make of each is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from findalike.train.augment import Augmentation
from findalike.train.networks import Backbone
from findalike.train.pictures import Pictures, Places

VIEWS = 6
"""Ways in which a picture is varied where some parts do not learn."""

AT_ONCE = 32
"""Pictures that go through a network at a time while it only looks."""

MOST_BYTES = 1 << 30
"""Of what is kept; what is beyond is computed whenever it is needed."""

_PLAIN = -1


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Pixels (n, side, side, 3), and what the parts that do not learn made of them."""

    pixels: Tensor
    prefix: Tensor

    def to(self, device: torch.device) -> Seen:
        return Seen(self.pixels.to(device), self.prefix.to(device))


def pooled(backbone: Backbone, seen: Tensor | Seen) -> Tensor:
    """The features of a backbone, (n, channels), of pixels or of what was kept."""
    found: Tensor = backbone.rest(seen.prefix) if isinstance(seen, Seen) else backbone(seen)
    return found


@dataclass(slots=True)
class Looks:
    """A `metric.Fetch`: pixels as uint8 (n, side, side, 3), varied while learning. `shown` counts them."""

    pictures: Pictures
    augmentation: Augmentation | None
    shown: int = 0

    def __call__(self, places: Places, random: np.random.Generator | None) -> Tensor:
        self.shown += len(places)
        if self.augmentation is None or random is None:
            return torch.from_numpy(self.pictures.plain(places))
        seeds = random.integers(2**63, size=len(places))
        return torch.from_numpy(self.pictures.varied(places, self.augmentation, seeds))


@dataclass(slots=True)
class Remembered:
    """A `metric.Fetch` for a backbone some of whose parts do not learn. `needs_pixels` where they are seen by
    other parts too; else those of `Seen` are empty. `shown` counts the pictures that were asked for."""

    pictures: Pictures
    augmentation: Augmentation | None
    backbone: Backbone
    device: torch.device
    seed: int
    needs_pixels: bool = False
    shown: int = 0
    _kept: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    _bytes: int = 0

    def __call__(self, places: Places, random: np.random.Generator | None) -> Seen:
        varied = self.augmentation is not None and random is not None
        views = (
            random.integers(VIEWS, size=len(places)) if varied and random else np.full(len(places), _PLAIN)
        )
        keys = list(zip(places.tolist(), views.tolist(), strict=True))
        found = {key: self._kept[key] for key in keys if key in self._kept}
        missing = list(dict.fromkeys(key for key in keys if key not in found))
        for start in range(0, len(missing), AT_ONCE):
            found |= self._computed(missing[start : start + AT_ONCE])
            self.shown += len(missing[start : start + AT_ONCE])
        self.shown += len(keys) - len(missing)
        pixels = self._pixels(keys) if self.needs_pixels else torch.empty(len(keys), 0)
        return Seen(pixels, torch.stack([found[key] for key in keys]))

    def _computed(self, keys: list[tuple[int, int]]) -> dict[tuple[int, int], Tensor]:
        with torch.no_grad():
            made = self.backbone.prefix(self._pixels(keys).to(self.device)).cpu()
        found = dict(zip(keys, made, strict=True))
        for key, each in found.items():
            size = each.nbytes
            if self._bytes + size <= MOST_BYTES:
                self._kept[key] = each.clone()
                self._bytes += size
        return found

    def _pixels(self, keys: list[tuple[int, int]]) -> Tensor:
        """Of one batch all are plain, or none."""
        places = np.array([place for place, _ in keys], np.int64)
        if self.augmentation is None or keys[0][1] == _PLAIN:
            return torch.from_numpy(self.pictures.plain(places))
        seeds = np.array([_seed(self.seed, place, view) for place, view in keys], np.int64)
        return torch.from_numpy(self.pictures.varied(places, self.augmentation, seeds))


def _seed(seed: int, place: int, view: int) -> int:
    """The seed of a view: the same in every epoch, and in a run that was taken up again."""
    return int(np.random.default_rng((seed, place, view)).integers(2**63))
