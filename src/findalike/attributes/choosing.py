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

THOROUGH = 800
"""Numbers, or pictures where they are fewer, up to which every fold is looked at for a choice: of more one
is, because each look costs the solution of as many equations."""

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
class Part:
    """Some blocks of the features: the sums of each fold, and where there are fewer pictures than numbers,
    the few directions that they vary in, `turned` of shape (D, n), so that nothing is lost."""

    columns: NDArray[np.int64]
    turned: Vectors | None
    sums: tuple[Sums, ...]

    def of(self, rows: Vectors) -> Vectors:
        """Rows of all features, as this part has them."""
        own = rows[:, self.columns]
        return own if self.turned is None else own @ self.turned


class Folded:
    """Features with the number of each row's value and its fold. The folds are 0 and up; none is empty."""

    def __init__(
        self, features: Features, numbers: NDArray[np.int64], fold: NDArray[np.int64], values: int
    ) -> None:
        self.features, self.numbers, self.fold = features, numbers, fold
        self.folds = int(fold.max()) + 1
        self._values = values
        self._parts: dict[tuple[int, ...], Part] = {}
        self._solved: dict[tuple[tuple[int, ...], tuple[int, ...], float], Weights] = {}
        many = len(numbers) >= features.rows.shape[1]
        self._sums = self._summed(features.rows) if many else ()

    @property
    def size(self) -> int:
        """Equations that the widest choice takes."""
        return int(min(self.features.rows.shape))

    def weights(
        self, blocks: tuple[int, ...], shrinkages: Sequence[float], without: Sequence[int] = ()
    ) -> list[Weights]:
        """For each shrinkage, the weights learned from all folds but some."""
        left_out = tuple(sorted(without))
        new = [each for each in shrinkages if (blocks, left_out, each) not in self._solved]
        if new:
            kept = [each for n, each in enumerate(self._part(blocks).sums) if n not in without]
            for each, found in zip(new, solved(total(kept), new), strict=True):
                self._solved[blocks, left_out, each] = found
        return [self._solved[blocks, left_out, each] for each in shrinkages]

    def full(self, choice: Choice) -> Weights:
        """What was learned of all folds, in the numbers of the features."""
        found, part = self._chosen(choice, ()), self._part(choice.blocks)
        if part.turned is None:
            return found
        return Weights(found.weights @ part.turned.T, found.bias)

    def held_out(self, choice: Choice, fold: int) -> Vectors:
        """The logits of a fold's rows by what the others taught."""
        return self._chosen(choice, [fold]).logits(self.rows(choice.blocks, fold)[0])

    def rows(
        self, blocks: tuple[int, ...], fold: int, most: int | None = None
    ) -> tuple[Vectors, NDArray[np.int64]]:
        """The rows of a fold, or up to `most` of them, and the numbers of their values."""
        places = np.flatnonzero(self.fold == fold)
        places = places[:: -(-len(places) // most)] if most else places
        return self._part(blocks).of(self.features.rows[places]), self.numbers[places]

    def _chosen(self, choice: Choice, without: Sequence[int]) -> Weights:
        return self.weights(choice.blocks, [choice.shrinkage], without)[0]

    def _part(self, blocks: tuple[int, ...]) -> Part:
        if blocks not in self._parts:
            self._parts[blocks] = self._made(self.features.columns(blocks))
        return self._parts[blocks]

    def _made(self, columns: NDArray[np.int64]) -> Part:
        if self._sums:
            return Part(columns, None, tuple(each.of(columns) for each in self._sums))
        own = self.features.rows[:, columns]
        if len(own) >= len(columns):
            return Part(columns, None, self._summed(own))
        turned = np.linalg.qr(own.T.astype(np.float64))[0].astype(np.float32)
        return Part(columns, turned, self._summed(own @ turned))

    def _summed(self, rows: Vectors) -> tuple[Sums, ...]:
        of_fold = (self.fold == n for n in range(self.folds))
        return tuple(sums(rows[here], self.numbers[here], self._values) for here in of_fold)


def chosen(data: Folded, held_out: int | None = None) -> Choice:
    """The choice for what is learned without the fold `held_out`, which it never looks at. Spaces are joined
    one by one, the one that helps most first, as long as one helps; for those joined, the shrinkages next to
    that of before are looked at."""
    count = len(data.features.blocks)
    best = min((_best(data, (n,), SHRINKAGES, held_out) for n in range(count)), key=_loss)
    while len(best.blocks) < count and len(best.losses):
        near = _next_to(best.shrinkage)
        more = [tuple(sorted((*best.blocks, n))) for n in range(count) if n not in best.blocks]
        found = min((_best(data, blocks, near, held_out) for blocks in more), key=_loss)
        if not found.beats(best):
            break
        best = found
    return best


def _next_to(shrinkage: float) -> tuple[float, ...]:
    place = SHRINKAGES.index(shrinkage)
    return SHRINKAGES[max(place - 1, 0) : place + 2]


def _loss(choice: Choice) -> float:
    return choice.loss if len(choice.losses) else 0.0


def _best(data: Folded, blocks: tuple[int, ...], shrinkages: Sequence[float], held_out: int | None) -> Choice:
    """The best shrinkage of some blocks."""
    logits: list[list[Vectors]] = [[] for _ in shrinkages]
    numbers = []
    for fold in _looked_at(data, held_out):
        rows, true = data.rows(blocks, fold, MOST_LOOKED_AT)
        numbers.append(true)
        without = [fold] if held_out is None else [fold, held_out]
        for found, weights in zip(logits, data.weights(blocks, shrinkages, without), strict=True):
            found.append(weights.logits(rows))
    if not numbers:
        return Choice(blocks, PLAIN, 1.0, np.empty(0))
    true = np.concatenate(numbers)
    choices = (_choice(blocks, s, np.vstack(one), true) for s, one in zip(shrinkages, logits, strict=True))
    return min(choices, key=_loss)


def _choice(blocks: tuple[int, ...], shrinkage: float, logits: Vectors, true: NDArray[np.int64]) -> Choice:
    temperature = fitted(logits, true)
    return Choice(blocks, shrinkage, temperature, losses(logits, true, temperature))


def _looked_at(data: Folded, held_out: int | None) -> list[int]:
    """The folds that a choice is judged by, where another remains to learn from."""
    others = [n for n in range(data.folds) if n != held_out]
    if len(others) < 2:
        return []
    return others if data.size <= THOROUGH else [others[(held_out or 0) % len(others)]]
