"""How well logits tell the values of pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from findalike.attributes.card import Method, Score
from findalike.attributes.temperature import calibration_error, fitted, log_loss, softmax
from findalike.types import Vectors


def score(
    method: Method,
    spaces: tuple[str, ...],
    logits: Vectors,
    numbers: NDArray[np.int64],
    fold: NDArray[np.int64],
) -> Score:
    """Of n pictures whose values have these numbers, shape (n,), by logits of shape (n, values) that are
    divided by their temperature already; `fold` says which fold each is of."""
    probabilities = softmax(logits)
    answers = probabilities.argmax(axis=1)
    right = answers == numbers
    confusion = np.zeros((logits.shape[1],) * 2, np.int64)
    np.add.at(confusion, (numbers, answers), 1)
    return Score(
        method,
        spaces,
        float(right.mean()),
        tuple(float(right[fold == n].mean()) for n in range(int(fold.max()) + 1)),
        tuple(_share(row, n) for n, row in enumerate(confusion.tolist())),
        tuple(map(tuple, confusion.tolist())),
        float(probabilities.max(axis=1).mean()),
        calibration_error(probabilities, numbers),
        log_loss(logits, numbers),
    )


def cooled(logits: Vectors, numbers: NDArray[np.int64], fold: NDArray[np.int64]) -> Vectors:
    """Logits divided by a temperature that, for each fold, was fitted to the others."""
    found = logits.copy()
    for n in range(int(fold.max()) + 1):
        found[fold == n] /= fitted(logits[fold != n], numbers[fold != n])
    return found


def _share(row: list[int], n: int) -> float | None:
    return row[n] / sum(row) if sum(row) else None
