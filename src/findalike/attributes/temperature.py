"""Confidence that means what it says: one number that logits are divided by, and how far off they are then.

Temperature scaling, after Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks" (2017).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from findalike.types import Vectors

Numbers = NDArray[np.int64]

BINS = 15
COOLEST, WARMEST = 1e-3, 1e3
_MOST = 20_000
"""Rows that a temperature is fitted to: more do not change its third digit."""
_MOST_LOSS = 20.0
_STEPS = 24
_GOLDEN = (math.sqrt(5) - 1) / 2


def softmax(logits: Vectors) -> Vectors:
    """Probabilities over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Vectors = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def log_loss(logits: Vectors, numbers: Numbers) -> float:
    """The mean of minus the logarithm of what is given to the true values."""
    return float(np.minimum(-_logarithms(logits, 1.0)[np.arange(len(numbers)), numbers], _MOST_LOSS).mean())


def losses(logits: Vectors, numbers: Numbers, temperature: float) -> NDArray[np.float64]:
    """What each of n rows costs at a temperature, shape (n,): minus the logarithms of the probabilities,
    nearly all by that of the true value. After Platt (1999), all values share one more picture alike, so that
    a few pictures that are all told right do not make what was learned sure beyond measure."""
    given = -np.maximum(_logarithms(logits, temperature), -_MOST_LOSS)
    count, values = logits.shape
    other = 1 / ((count + 1) * values)
    found: NDArray[np.float64] = given.sum(axis=1) * other
    found += given[np.arange(count), numbers] * (1 - values * other)
    return found


def fitted(logits: Vectors, numbers: Numbers) -> float:
    """The temperature of the least `losses`, by golden section over its logarithm; 1 for no rows."""
    if not len(numbers):
        return 1.0
    step = -(-len(numbers) // _MOST)
    few, true = logits[::step], numbers[::step]
    low, high = math.log(COOLEST), math.log(WARMEST)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = (float(losses(few, true, math.exp(at)).sum()) for at in (left, right))
    for _ in range(_STEPS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = float(losses(few, true, math.exp(left)).sum())
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = float(losses(few, true, math.exp(right)).sum())
    return math.exp((low + high) / 2)


def _logarithms(logits: Vectors, temperature: float) -> NDArray[np.float64]:
    """Those of the probabilities."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    scaled -= np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return scaled


def calibration_error(probabilities: Vectors, numbers: Numbers) -> float:
    """How far confidence and truth lie apart, weighted over equal bins of confidence (ECE); 0 for no rows."""
    if not len(numbers):
        return 0.0
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == numbers
    bins = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    apart = [abs(float(sure[bins == n].sum() - right[bins == n].sum())) for n in np.unique(bins)]
    return sum(apart) / len(numbers)
