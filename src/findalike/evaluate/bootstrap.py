"""How sure a mean is, and whether two differ: bootstrap and permutation over queries. Pure, and seeded.

Every query is drawn with all that was measured of it, so methods that were measured on the same queries are
resampled together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2_000
FLIPS = 10_000
LEVEL = 0.95
LEAST = 5
"""Rows below which resamples say nothing of how sure a mean is."""

_AT_ONCE = 4_000_000
"""Numbers held in memory at a time."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number and the ends of its 95 % interval, which are NaN where nothing is known of them."""

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        return not math.isnan(self.low)


def sums(values: NDArray[np.float64], draws: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
    """The column sums of resamples of the rows, drawn with replacement (Efron 1979): shape (draws,
    columns)."""
    random = np.random.default_rng(seed)
    n = len(values)
    found = np.empty((draws, values.shape[1]))
    step = max(1, _AT_ONCE // max(n, 1))
    for start in range(0, draws, step):
        several = min(step, draws - start)
        drawn = random.integers(0, n, (several, n)) + np.arange(several)[:, None] * n
        times = np.bincount(drawn.ravel(), minlength=several * n).reshape(several, n)
        found[start : start + several] = times @ values
    return found


def means(values: NDArray[np.float64], draws: int = DRAWS, seed: int = 0) -> list[Interval]:
    """The mean of each column, with the percentile interval of its resamples. `values`: (queries,
    columns)."""
    if not len(values):
        return [Interval(float("nan"), float("nan"), float("nan"))] * values.shape[1]
    lows, highs = percentiles(sums(values, draws, seed) / len(values), len(values))
    return [Interval(*map(float, each)) for each in zip(values.mean(axis=0), lows, highs, strict=True)]


def percentiles(resampled: NDArray[np.float64], rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends of the interval of each column, of resamples of so many rows. Both NaN where resamples cannot
    tell: of fewer than `LEAST` rows, or of rows that are all the same, of which more could still differ."""
    ends = (1 - LEVEL) / 2
    lows, highs = np.quantile(resampled, [ends, 1 - ends], axis=0)
    blind = (np.ptp(resampled, axis=0) < 1e-12) | (rows < LEAST)
    return np.where(blind, np.nan, lows), np.where(blind, np.nan, highs)


def sign_flip(differences: NDArray[np.float64], flips: int = FLIPS, seed: int = 0) -> float:
    """The two-sided p of a paired permutation test (Fisher 1935): how often differences whose signs are drawn
    anew have a mean as far from 0. Never below 1 / (flips + 1), since the signs that were seen count too."""
    told = differences[differences != 0]
    if not len(told):
        return 1.0
    random = np.random.default_rng(seed)
    seen, as_far = abs(told.sum()) * (1 - 1e-12), 0
    step = max(1, _AT_ONCE // len(told))
    for start in range(0, flips, step):
        signs = random.integers(0, 2, (min(step, flips - start), len(told)), dtype=np.int8) * 2 - 1
        as_far += int((np.abs(signs @ told) >= seen).sum())
    return (as_far + 1) / (flips + 1)


def holm(several: Sequence[float]) -> list[float]:
    """The p of several tests, raised for their number (Holm 1979)."""
    raised = [0.0] * len(several)
    highest = 0.0
    for done, place in enumerate(sorted(range(len(several)), key=several.__getitem__)):
        highest = max(highest, min(1.0, several[place] * (len(several) - done)))
        raised[place] = highest
    return raised
