"""Labelled pictures dealt into folds: each value evenly, and pictures of the same bytes together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def dealt(numbers: NDArray[np.int64], folds: int, seed: int, groups: Sequence[str] = ()) -> NDArray[np.int64]:
    """The fold of each of n rows, 0 to `folds` - 1, given the number of its value. Rows of one group go into
    one fold, because the same picture must not be learned from and measured on."""
    _, first, of = np.unique(
        np.asarray(groups if len(groups) else np.arange(len(numbers))), return_index=True, return_inverse=True
    )
    values = numbers[first]
    mixed = np.random.default_rng(seed).permutation(len(values))
    order = mixed[np.argsort(values[mixed], kind="stable")]
    fold = np.empty(len(values), np.int64)
    fold[order] = np.arange(len(values)) % folds
    dealt_: NDArray[np.int64] = fold[of]
    return dealt_
