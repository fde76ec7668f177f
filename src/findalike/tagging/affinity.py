"""How near pictures come to the meaning of several texts at once, judged as a search judges one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike.encode.base import WordEncoder, unit
from findalike.encode.text import WordEncoder as TowerEncoder
from findalike.search import Space
from findalike.search.space import SAMPLE, WORDED
from findalike.types import Vectors

Numbers = NDArray[np.floating[Any]]


class Affinity:
    """Of texts in a space. Where the space reads no words, and for texts of which it knows none, it is 0."""

    def __init__(self, space: Space, texts: Sequence[str]) -> None:
        self._encoder = space.text_encoder()
        self._texts = texts
        if self._encoder is not None and texts:
            directions = self._encoder.encode_texts(texts)
            self._known = directions.any(axis=1)
            self._directions = unit(directions)
            self._chance = self._of_chance(space)

    def above_chance(self, vectors: Vectors) -> Vectors:
        """Standard deviations above a picture that has nothing to do with the text: of vectors of shape
        (n, dim) to (n, texts)."""
        if self._encoder is None or not self._texts:
            return np.zeros((len(vectors), len(self._texts)), np.float32)
        mean, spread = self._chance
        above = (self._similarity(unit(vectors)) - mean) / spread
        return np.where(self._known, above, 0).astype(np.float32)

    def _similarity(self, vectors: Vectors) -> Numbers:
        if isinstance(self._encoder, TowerEncoder):  # as its `compare`, of all texts at once: 70 times faster
            tower = self._encoder.tower
            meanings = np.stack([tower.embed(text) for text in self._texts])
            heard: Vectors = unit(vectors @ tower.head.T + tower.bias)
            together: Numbers = heard @ meanings.T
            return together
        if isinstance(self._encoder, WordEncoder):
            return np.stack([self._encoder.compare(text, vectors) for text in self._texts], axis=1)
        return vectors @ self._directions.T

    def _of_chance(self, space: Space) -> tuple[Numbers, Numbers]:
        """Mean and standard deviation of the similarity by chance: the encoder's own, else the library's."""
        if isinstance(self._encoder, WordEncoder):
            mean, deviation = self._encoder.chance
            return np.asarray(mean), np.asarray(deviation)
        similarity = self._similarity(unit(space.store.sample(space.card.space, SAMPLE)))
        return similarity.mean(axis=0), np.maximum(similarity.std(axis=0), 1e-3)


def scored(above: Vectors) -> Vectors:
    """The scores in 0..1 of standard deviations above chance."""
    points, scores = zip(*WORDED, strict=True)
    found: Vectors = np.interp(above, points, scores).astype(np.float32)
    return found
