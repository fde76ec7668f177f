"""What probes learn from: the vectors of several spaces, put on one scale and side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from findalike.attributes.discriminant import Weights
from findalike.attributes.probe import Linear
from findalike.distance import CHI_SQUARE, COSINE
from findalike.encode import catalog
from findalike.types import Card, Vectors

_LEAST_SPREAD = 1e-12


def usable(cards: Iterable[Card]) -> list[Card]:
    """Those whose rows are numbers of whole pictures: no faces, bits or bags of words."""
    return [
        card
        for card in cards
        if card.metric in (COSINE, CHI_SQUARE)
        and card.dtype in ("float32", "float16")
        and not catalog.describes_faces(card)
    ]


def rooted(card: Card) -> bool:
    """Whether the square roots of a space's numbers are compared: of shares in a histogram, whose differences
    then count as the eye counts them (Bhattacharyya 1943)."""
    return card.metric == CHI_SQUARE


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One space of the features: its columns, and how its vectors became them."""

    card: Card
    columns: NDArray[np.int64]
    mean: Vectors
    scale: float


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The rows of n pictures, shape (n, D): the mean squared length of each space's part is 1."""

    rows: Vectors
    blocks: tuple[Block, ...]

    def columns(self, chosen: Sequence[int]) -> NDArray[np.int64]:
        """Those of some of the blocks."""
        return np.concatenate([self.blocks[n].columns for n in chosen])

    def probe(self, chosen: Sequence[int], found: Weights, temperature: float) -> Linear:
        """The probe of weights of some of the blocks, in the numbers of the spaces themselves."""
        weights, bias, start = {}, found.bias.copy(), 0
        for block in (self.blocks[n] for n in chosen):
            part = found.weights[:, start : start + len(block.columns)] * block.scale
            start += len(block.columns)
            bias -= part @ block.mean
            weights[block.card.space] = part.astype(np.float32)
        roots = tuple(self.blocks[n].card.space for n in chosen if rooted(self.blocks[n].card))
        return Linear(weights, bias.astype(np.float32), temperature, roots)


def joined(vectors: Mapping[str, Vectors], cards: Sequence[Card]) -> Features:
    """The features of pictures of which all have a row in each of these spaces: (n, dim) each."""
    rows = np.empty((len(vectors[cards[0].space]), sum(card.dim for card in cards)), np.float32)
    blocks, start = [], 0
    for card in cards:
        columns = np.arange(start, start + card.dim)
        blocks.append(_block(vectors[card.space], card, columns, rows[:, start : start + card.dim]))
        start += card.dim
    return Features(rows, tuple(blocks))


def _block(vectors: Vectors, card: Card, columns: NDArray[np.int64], out: Vectors) -> Block:
    """Fills in the columns of a space."""
    out[:] = np.sqrt(np.maximum(vectors, 0)) if rooted(card) else vectors
    mean = out.mean(axis=0, dtype=np.float64).astype(np.float32)
    out -= mean
    spread = float(np.einsum("ij,ij->", out, out, dtype=np.float64)) / len(out)
    scale = 1 / np.sqrt(max(spread, _LEAST_SPREAD))
    out *= np.float32(scale)
    return Block(card, columns, mean, float(scale))
