"""A probe: from vectors of pictures to values, with how sure each is. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from findalike.attributes.card import Label, Prediction
from findalike.attributes.temperature import softmax
from findalike.encode.base import unit
from findalike.types import Vector, Vectors

EVIDENCE = "evidence:"
"""Begins the name of what stands for a space where a probe weighs the evidence for a bank's concepts."""


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Logits as the sum over `weights`, by space, of shape (values, dim), plus `bias` (values,).

    The numbers of the spaces among `roots` are taken by their square roots. With `heard`, a matrix (dim, m)
    and an offset (m,), rows are first taken through it and brought to unit length: so a text tower hears
    pictures.
    """

    weights: Mapping[str, Vectors]
    bias: Vector
    temperature: float
    roots: tuple[str, ...] = ()
    heard: tuple[Vectors, Vector] | None = None

    @property
    def spaces(self) -> tuple[str, ...]:
        return tuple(self.weights)

    def logits(self, vectors: Mapping[str, Vectors]) -> Vectors:
        """Of n pictures with a row in each space, shape (n, values); not yet divided by the temperature."""
        found = np.zeros((len(next(iter(vectors.values()))), len(self.bias)), np.float32) + self.bias
        for space, weights in self.weights.items():
            rows = np.sqrt(np.maximum(vectors[space], 0)) if space in self.roots else vectors[space]
            if self.heard is not None:
                rows = unit(rows @ self.heard[0] + self.heard[1])
            found += rows @ weights.T
        return found


def predicted(probe: Linear, values: Sequence[Label], vectors: Mapping[str, Vectors]) -> Prediction:
    """The likeliest value of each picture."""
    return of_logits(probe.logits(vectors), values, probe.temperature)


def of_logits(logits: Vectors, values: Sequence[Label], temperature: float) -> Prediction:
    probabilities = softmax(logits / np.float32(temperature))
    best = probabilities.argmax(axis=1)
    return Prediction(tuple(values[n] for n in best.tolist()), probabilities.max(axis=1), probabilities)
