"""The keypoints of a picture as one vector: a bag of visual words (Sivic and Zisserman 2003), or VLAD (Jégou
et al. 2010), with words that were learned on a library.

`--encoder bow:NAME` and `--encoder vlad:NAME`, once `findalike learn-vocabulary` has learned them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike import pixels, plugins
from findalike.encode import learned
from findalike.encode.base import unit
from findalike.encode.catalog import Family
from findalike.errors import EncoderError
from findalike.settings import Settings
from findalike.types import Card, Picture, Pixels, Vector, Vectors

SIDE = 480
"""The longer side of the picture that keypoints are found in."""

MOST = 500
"""Keypoints of one picture, the strongest."""

DIMS: Mapping[str, int] = {"sift": 128, "orb": 256}
"""How many numbers describe a keypoint where words are compared: those of RootSIFT, the bits of ORB."""

_BYTES: Mapping[str, int] = {"sift": 128, "orb": 32}

Descriptors = NDArray[np.uint8]
"""Of a picture's keypoints, a byte a number as OpenCV gives them: (n, 128) of SIFT, (n, 32) of ORB."""


def described(local: str, picture: Pixels) -> Descriptors:
    """The descriptors of a picture's keypoints (SIFT: Lowe 2004; ORB: Rublee et al. 2011); none for one
    without texture."""
    cv2 = plugins.on_use("cv2")
    detector = cv2.SIFT_create(MOST) if local == "sift" else cv2.ORB_create(MOST)
    grey = cv2.cvtColor(np.ascontiguousarray(pixels.fit(picture, SIDE)), cv2.COLOR_RGB2GRAY)
    _, found = detector.detectAndCompute(grey, None)
    if found is None:
        return np.empty((0, _BYTES[local]), np.uint8)
    return np.asarray(found[:MOST], np.uint8)


def compared(local: str, descriptors: Descriptors) -> Vectors:
    """Descriptors as they are compared, shape (n, DIMS[local]): RootSIFT (Arandjelović and Zisserman 2012),
    the square roots of SIFT's shares, of unit length; of ORB its bits."""
    if local == "orb":
        return np.unpackbits(descriptors, axis=1).astype(np.float32)
    numbers = descriptors.astype(np.float32)
    roots: Vectors = np.sqrt(numbers / np.maximum(numbers.sum(axis=1, keepdims=True), np.float32(1)))
    return roots


def assigned(rows: Vectors, words: Vectors) -> NDArray[np.int64]:
    """The nearest word of each row: rows of shape (n, d), words (k, d), to (n,). Ties go to the first."""
    return np.asarray((np.square(words).sum(axis=1) - 2 * (rows @ words.T)).argmin(axis=1), np.int64)


def rarity(having: NDArray[np.int64], pictures: int) -> Vector:
    """How much each word counts (idf): the logarithm of 1 + `pictures` / how many of them have it.

    The 1 is ours: a word of every picture counts a little, so that one picture alone has a bag as well.
    """
    found: Vector = np.log1p(pictures / np.maximum(having, 1)).astype(np.float32)
    return found


def bag(places: NDArray[np.int64], weights: Vector) -> Vector:
    """How often each word was seen, times its weight, of unit length: shape (k,). Zeros for no keypoints."""
    return unit(np.bincount(places, minlength=len(weights)).astype(np.float32) * weights)


def vlad(rows: Vectors, places: NDArray[np.int64], words: Vectors) -> Vector:
    """What lies between keypoints and their words, summed for each word: shape (k * d,), of unit length.

    Each word's sum is scaled to unit length first (Arandjelović and Zisserman 2013), so that a texture that
    repeats does not outweigh the rest. Zeros for no keypoints.
    """
    total = np.zeros_like(words)
    np.add.at(total, places, rows - words[places])
    return unit(unit(total).reshape(-1))


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """An encoder of either kind. `weights` are those of the words of a bag; VLAD has none."""

    card: Card
    words: Vectors
    weights: Vector | None

    def encode_batch(self, pictures: Sequence[Picture]) -> Vectors:
        return np.stack([self.of(described(self._local, picture.pixels)) for picture in pictures])

    def of(self, descriptors: Descriptors) -> Vector:
        """The vector of a picture with these descriptors."""
        rows = compared(self._local, descriptors)
        places = assigned(rows, self.words)
        return vlad(rows, places, self.words) if self.weights is None else bag(places, self.weights)

    @property
    def _local(self) -> str:
        local: str = self.card.preprocessing["local"]
        return local


def card(family: str, name: str, local: str, words: int, pictures: int) -> Card:
    """The card of a vocabulary of so many words, learned on so many pictures."""
    is_bag = family == learned.BAG
    how = {
        "side": round(SIDE * 0.875),
        "local": local,
        "keypoints": MOST,
        "words": words,
        "pictures": pictures,
    }
    return Card(
        learned.named(family, name),
        learned.REVISION,
        words if is_bag else words * DIMS[local],
        dtype="sparse" if is_bag else "float16",
        preprocessing=how,
        pooling="bag of words" if is_bag else "VLAD",
        licence="yours",
    )


def arrays(words: Vectors, weights: Vector | None) -> dict[str, NDArray[Any]]:
    """What a card's file holds."""
    return {"words": words} if weights is None else {"words": words, "weights": weights}


def load(card: Card, settings: Settings) -> Words:
    """The encoder of a card. Raises EncoderError."""
    is_bag = card.name.partition(":")[0] == learned.BAG
    found = learned.load(card, ("words", "weights") if is_bag else ("words",)).arrays
    words, weights = found["words"], found["weights"] if is_bag else None
    expected = (card.preprocessing["words"], DIMS[card.preprocessing["local"]])
    if words.shape != expected or (weights is not None and weights.shape != expected[:1]):
        raise EncoderError(f"{card.source} has other words than {card.space}; put the right one back")
    return Words(card, words, weights)


BAGS = Family(learned.card_of, learned.located, load)
VLADS = Family(learned.card_of, learned.located, load)
