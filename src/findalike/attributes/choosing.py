"""Which spaces serve an attribute, and how much shrinkage: chosen by cross-validation, inside the pictures
that are learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from findalike.attributes.discriminant import Floats, Sums, Weights, solved, sums, total
from findalike.attributes.features import Features
from findalike.attributes.temperature import fitted, losses
from findalike.types import Vectors

SHRINKAGES = (1e-4, 1e-3, 3e-3, 1e-2, 1e-1)
PLAIN = 1e-2
"""The shrinkage where too few pictures are there to choose one."""

SMALL = 400
"""Numbers up to which every fold is looked at for a choice: of more one is, because each costs a solution of
as many equations."""

MOST_LOOKED_AT = 4_000
"""Rows of one fold that a choice looks at."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Blocks of features, shrinkage, and the temperature that goes with them; `losses` is what they cost on
    each picture that was looked at, shape (n,)."""

    blocks: tuple[int, ...]
    shrinkage: float
    temperature: float
    losses: Floats

    @property
    def loss(self) -> float:
        return float(self.losses.mean())

    def beats(self, other: Choice) -> bool:
        """Whether it costs less by more than chance would have it: one standard error of the difference
        (the rule of Breiman et al. 1984), picture by picture."""
        gain = other.losses - self.losses
        return bool(gain.mean() > gain.std() / np.sqrt(len(gain)))


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """Features with the number of each row's value, its fold, and the sums of each fold."""

    features: Features
    numbers: NDArray[np.int64]
    fold: NDArray[np.int64]
    sums: tuple[Sums, ...]

    @property
    def folds(self) -> int:
        return len(self.sums)

    def learned(
        self, without: Sequence[int], blocks: Sequence[int], shrinkages: Sequence[float]
    ) -> list[Weights]:
        """The weights learned from all folds but some."""
        columns = self.features.columns(blocks)
        kept = [each.of(columns) for n, each in enumerate(self.sums) if n not in without]
        return solved(total(kept), shrinkages)

    def rows(
        self, fold: int, blocks: Sequence[int], most: int | None = None
    ) -> tuple[Vectors, NDArray[np.int64]]:
        """The rows of a fold, or up to `most` of them, and the numbers of their values."""
        places = np.flatnonzero(self.fold == fold)
        places = places[:: -(-len(places) // most)] if most else places
        return self.features.rows[np.ix_(places, self.features.columns(blocks))], self.numbers[places]


def folded(features: Features, numbers: NDArray[np.int64], fold: NDArray[np.int64], count: int) -> Folded:
    """`count` values; the folds are 0 and up, and none is empty."""
    of_fold = [sums(features.rows[fold == n], numbers[fold == n], count) for n in range(int(fold.max()) + 1)]
    return Folded(features, numbers, fold, tuple(of_fold))


def chosen(data: Folded, held_out: int | None = None) -> Choice:
    """The choice for what is learned without the fold `held_out`, which it never looks at. Spaces are joined
    one by one, the one that helps most first, as long as one helps."""
    count = len(data.features.blocks)
    best = min((_best(data, (n,), held_out) for n in range(count)), key=_loss)
    while len(best.blocks) < count and len(best.losses):
        more = [(*best.blocks, n) for n in range(count) if n not in best.blocks]
        found = min((_best(data, blocks, held_out) for blocks in more), key=_loss)
        if not found.beats(best):
            break
        best = found
    return best


def _loss(choice: Choice) -> float:
    return choice.loss if len(choice.losses) else 0.0


def _best(data: Folded, blocks: tuple[int, ...], held_out: int | None) -> Choice:
    """The best shrinkage of some blocks."""
    logits: list[list[Vectors]] = [[] for _ in SHRINKAGES]
    numbers = []
    for fold in _looked_at(data, blocks, held_out):
        rows, true = data.rows(fold, blocks, MOST_LOOKED_AT)
        numbers.append(true)
        without = [fold] if held_out is None else [fold, held_out]
        for found, weights in zip(logits, data.learned(without, blocks, SHRINKAGES), strict=True):
            found.append(weights.logits(rows))
    if not numbers:
        return Choice(blocks, PLAIN, 1.0, np.empty(0))
    true = np.concatenate(numbers)
    choices = (_choice(blocks, s, np.vstack(one), true) for s, one in zip(SHRINKAGES, logits, strict=True))
    return min(choices, key=_loss)


def _choice(blocks: tuple[int, ...], shrinkage: float, logits: Vectors, true: NDArray[np.int64]) -> Choice:
    temperature = fitted(logits, true)
    return Choice(blocks, shrinkage, temperature, losses(logits, true, temperature))


def _looked_at(data: Folded, blocks: Sequence[int], held_out: int | None) -> list[int]:
    """The folds that a choice is judged by, where another remains to learn from."""
    others = [n for n in range(data.folds) if n != held_out]
    if len(others) < 2:
        return []
    if len(data.features.columns(blocks)) <= SMALL:
        return others
    return [others[(held_out or 0) % len(others)]]
