"""The thumbnails of pictures that are compared, decoded, with their keypoints; the last used are kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from findalike.duplicates import compare
from findalike.duplicates.changes import Look
from findalike.store.base import Store
from findalike.types import Asset, Pixels
from findalike.verify import Keypoints
from findalike.verify.keypoints import opencv

KEPT = 1_200
"""Pictures in memory, of 250 KB each at most."""


@dataclass(slots=True, eq=False)
class Thumbnail:
    """RGB pixels of shape (height, width, 3), and their keypoints once they were asked for."""

    pixels: Pixels
    look: Look
    _keypoints: Keypoints | None = None
    _making: threading.Lock = field(default_factory=threading.Lock)

    @property
    def keypoints(self) -> Keypoints:
        with self._making:
            if self._keypoints is None:
                self._keypoints = compare.keypoints(self.pixels)
            return self._keypoints


class Gallery:
    """Thumbnails by place. Only one thread fetches; any may look."""

    def __init__(self, store: Store, assets: Sequence[Asset]) -> None:
        self._store = store
        self._assets = assets
        self._kept: OrderedDict[int, Thumbnail | None] = OrderedDict()

    def fetch(self, places: Iterable[int]) -> None:
        """Have these at hand, all at once; the longest unused go."""
        wanted = list(dict.fromkeys(places))
        for place in wanted:
            if place in self._kept:
                self._kept.move_to_end(place)
        missing = [place for place in wanted if place not in self._kept]
        found = self._store.thumbnails([self._assets[place].id for place in missing]) if missing else {}
        for place in missing:
            self._kept[place] = _decoded(found.get(self._assets[place].id))
        while len(self._kept) > max(KEPT, len(wanted)):
            self._kept.popitem(last=False)

    def __getitem__(self, place: int) -> Thumbnail | None:
        """The thumbnail that was fetched; None where there is none that can be read."""
        return self._kept[place]


def _decoded(data: bytes | None) -> Thumbnail | None:
    cv2 = opencv()
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        return None
    pixels: Pixels = np.ascontiguousarray(image[:, :, ::-1])
    red, green, blue = pixels.reshape(-1, 3).mean(axis=0).tolist()
    return Thumbnail(pixels, Look(compare.colourful(pixels), (red, green, blue), max(pixels.shape[:2])))
