"""The pixels of terms and of hits, to be compared: from their files, else from what the library keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import BytesIO
from typing import cast

import numpy as np
from PIL import Image

from findalike import decode, pixels, sources
from findalike.errors import FindalikeError
from findalike.search.terms import Seen, uri_of
from findalike.settings import Settings
from findalike.store.base import Store
from findalike.types import Asset, Box, Hit, Origin, Pixels
from findalike.verify import SIDE


@dataclass(frozen=True, slots=True)
class Views:
    """Reads pictures of a store and of queries, reduced to what a comparison needs."""

    store: Store
    settings: Settings

    def of_term(self, seen: Seen) -> Pixels | None:
        """The part of a term's picture that counts; None where it cannot be read."""
        what = seen.term.what
        if seen.is_film and seen.picture is not None:
            return seen.picture.pixels
        if isinstance(what, np.ndarray):
            whole: Pixels | None = cast(Pixels, what)
        elif isinstance(what, bytes):
            whole = self._decoded(what, seen.box)
        elif seen.asset:
            whole = self.of_asset(seen.asset, seen.box)
        else:
            whole = self._read(uri_of(what), seen.box)
        return whole if whole is None or seen.box is None else pixels.crop(whole, seen.box)

    def of_hit(self, hit: Hit, box: Box | None = None) -> Pixels | None:
        """The picture of a hit, of a film the frame that it names. As `of_asset`."""
        kept = self.store.attachments(hit.asset.id, [hit.frame]) if hit.frame else {}
        found = _small(kept.get(hit.frame))
        return self.of_asset(hit.asset, box) if found is None else found

    def of_asset(self, asset: Asset, box: Box | None = None) -> Pixels | None:
        """A picture of the library; where its file cannot be read, and of a film, its thumbnail, and None
        without one."""
        found = None if asset.is_film else self._read(asset.uri, box)
        return _small(self.store.thumbnails([asset.id]).get(asset.id)) if found is None else found

    def _read(self, uri: str, box: Box | None) -> Pixels | None:
        try:
            with sources.open_asset(uri) as file:
                data = file.read()
        except (OSError, FindalikeError):
            return None
        return self._decoded(data, box)

    def _decoded(self, data: bytes, box: Box | None) -> Pixels | None:
        side = SIDE if box is None else math.ceil(SIDE / min(box[2] - box[0], box[3] - box[1]))
        try:
            decoded = decode.decode(data, Origin(""), short_side=side, budget=self.settings.pixel_budget)
        except FindalikeError:
            return None
        return decoded.picture.pixels


def _small(data: bytes | None) -> Pixels | None:
    try:
        return np.asarray(Image.open(BytesIO(data)).convert("RGB")) if data else None
    except (OSError, ValueError, SyntaxError):
        return None
