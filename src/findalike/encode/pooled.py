"""EfficientNet-Lite with other poolings than the average, at other sizes or several, and two networks joined.

Adding one adds a line here and an entry point; `benchmarks/pooling.py` measures them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from findalike import pixels
from findalike.encode import catalog, cnn
from findalike.encode.base import Entry, unit
from findalike.encode.cnn import CnnEncoder
from findalike.encode.pooling import POOLINGS
from findalike.settings import Settings
from findalike.types import Card, Picture, Pixels, Vector, Vectors

STRIDE = 32
"""Pixels of the input for one place of the feature map."""

LONGEST = 3
"""How many times as long as the shorter side the longer one may be; what is longer is squeezed to that."""

CENTRE, SHORT, LONG = "centre", "short", "long"
"""What of a picture is seen: its central square, or all of it, its shorter or its longer side being given."""

SEVERAL = (0.7, 1.0, 1.4)
"""Scales about a factor of the square root of 2 apart, as in Radenović et al. (2018)."""


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """For each network the mean over all scales of the unit vectors of its pooled features, at unit length;
    one network's numbers after the other's."""

    card: Card
    networks: tuple[CnnEncoder, ...]

    def encode_batch(self, pictures: Sequence[Picture]) -> Vectors:
        seen = [[self._seen(network, each.pixels) for network in self.networks] for each in pictures]
        return np.stack([np.concatenate(parts) for parts in seen])

    def _seen(self, network: CnnEncoder, picture: Pixels) -> Vector:
        how, side = self.card.preprocessing, network.card.preprocessing["side"]
        total = np.zeros(network.card.dim, np.float32)
        for scale in how["scales"]:
            shown = view(picture, how["view"], scaled(side, scale), how["crop"])
            total += unit(self._pooled(network, network.look(shown[np.newaxis], ["features"])[0])[0])
        return unit(total)

    def _pooled(self, network: CnnEncoder, maps: Any) -> Vectors:
        found = POOLINGS[self.card.pooling](maps)
        return network.centred(found) if self.card.pooling == "average" else found


def scaled(side: int, scale: float) -> int:
    """A side of the network's input, at another scale in whole places of the feature map."""
    return side if scale == 1 else max(STRIDE, STRIDE * round(side * scale / STRIDE))


def view(picture: Pixels, kind: str, side: int, crop: float) -> Pixels:
    """What is shown to the network, bicubic: nothing is filled up, and of the whole nothing cut off."""
    if kind == CENTRE:
        return pixels.square(picture, side, crop)
    height, width = picture.shape[:2]
    factor = side / (min if kind == SHORT else max)(height, width)
    tall, wide = (max(STRIDE, round(length * factor)) for length in (height, width))
    most = LONGEST * min(tall, wide)
    size = (min(wide, most), min(tall, most))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def _cards(
    name: str, networks: Sequence[tuple[Card, ...]], pooling: str, kind: str = CENTRE,
    scales: Sequence[float] = (1.0,),
) -> tuple[Card, ...]:  # fmt: skip
    """The cards of both precisions."""
    return tuple(_card(name, parts, pooling, kind, scales) for parts in zip(*networks, strict=True))


def _card(name: str, parts: Sequence[Card], pooling: str, kind: str, scales: Sequence[float]) -> Card:
    sizes = [scaled(part.preprocessing["side"], scale) for part in parts for scale in scales]
    crop = parts[0].preprocessing["crop"]
    how = {
        "networks": [part.space for part in parts],
        # Of a whole picture the decoder is asked for so many pixels that none has to be made up.
        "side": max(sizes) if kind == CENTRE else round(max(sizes) * crop),
        "crop": crop if kind == CENTRE else 1.0,
        "resample": "bicubic",
        "view": kind,
        "scales": list(scales),
    }
    digests = [part.sha256 for part in parts]
    card = Card(
        name,
        "1",
        sum(part.dim for part in parts),
        preprocessing=how,
        pooling=pooling,
        precision=parts[0].precision,
        licence=parts[0].licence,
        source="; ".join(part.source for part in parts),
        sha256=digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest(),
    )
    return catalog.calibrated(card)


def load(card: Card, settings: Settings) -> Pooled:
    """The encoder of a card. Raises EncoderError."""
    parts = [catalog.find(space) for space in card.preprocessing["networks"]]
    return Pooled(card, tuple(cnn.load(part, settings) for part in parts))


_LITE0, _LITE2 = catalog.EFFICIENTNET_LITE0, catalog.EFFICIENTNET_LITE2

LITE0_MAX = Entry(_cards("efficientnet-lite0-max", [_LITE0], "max"), load)
LITE0_GEM = Entry(_cards("efficientnet-lite0-gem", [_LITE0], "gem"), load)
LITE0_GEM_WHOLE = Entry(_cards("efficientnet-lite0-gem-whole", [_LITE0], "gem", SHORT, (8 / 7,)), load)
LITE0_R_MAC = Entry(_cards("efficientnet-lite0-r-mac", [_LITE0], "r-mac"), load)
LITE0_R_MAC_WHOLE = Entry(_cards("efficientnet-lite0-r-mac-whole", [_LITE0], "r-mac", LONG, (2.0,)), load)
LITE0_R_MAC_MULTISCALE = Entry(
    _cards("efficientnet-lite0-r-mac-multiscale", [_LITE0], "r-mac", scales=SEVERAL), load
)
LITE2_R_MAC = Entry(_cards("efficientnet-lite2-r-mac", [_LITE2], "r-mac"), load)
JOINED = Entry(_cards("efficientnet-joined", [_LITE0, _LITE2], "average"), load)
JOINED_R_MAC = Entry(_cards("efficientnet-joined-r-mac", [_LITE0, _LITE2], "r-mac"), load)
