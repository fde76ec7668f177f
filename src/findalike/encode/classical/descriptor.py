"""What the classical encoders share: a card, and a function that describes one picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from findalike.encode.base import Entry
from findalike.encode.catalog import calibrated
from findalike.settings import Settings
from findalike.types import Card, Picture, Pixels, Vector, Vectors

LICENCE = "Apache-2.0"
"""Of what is computed by findalike alone, without the weights of anyone else."""

EXTRA = "findalike[classical]"
"""What brings the libraries that some of these need."""

Describe = Callable[[Pixels], Vector]


@dataclass(frozen=True)
class Descriptor:
    """An encoder that describes picture by picture, so that no row depends on its batch."""

    card: Card
    describe: Describe

    def encode_batch(self, pictures: Sequence[Picture]) -> Vectors:
        return np.stack([self.describe(picture.pixels) for picture in pictures]).astype(np.float32)


def entry(card: Card, prepare: Callable[[], Describe]) -> Entry:
    """The entry of a card. `prepare` is called when the encoder is loaded, not to list it: there it makes
    its tables, and takes in what is heavy to import."""

    def load(card: Card, settings: Settings) -> Descriptor:
        return Descriptor(card, prepare())

    return Entry((calibrated(card),), load)
