"""An inverted index (Sivic and Zisserman 2003): exact cosine over rows that are mostly zeros, such as bags of
visual words, by walking only the postings of the words that a query has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from findalike.types import Vector, Vectors


class Inverted:
    """For each word, the rows that have it and how much it counts in them.

    Memory: 8 bytes for each number that is not zero. Threads may ask at once.
    """

    def __init__(
        self, starts: NDArray[np.int64], words: NDArray[np.int32], weights: NDArray[np.float32], dim: int
    ) -> None:
        """Of a sparse matrix by rows (CSR): row `i` has `words[starts[i]:starts[i + 1]]`, each at most once
        and below `dim`, with the `weights` of the same places. Raises ValueError for what is no such matrix.
        """
        if len(starts) < 1 or len(words) != len(weights) or (starts[0], starts[-1]) != (0, len(words)):
            raise ValueError("starts must go from 0 to the number of words, and each word needs a weight")
        if len(words) and not 0 <= int(words.min()) <= int(words.max()) < dim:
            raise ValueError(f"a word is not in 0..{dim - 1}")
        self.dim = dim
        self.count = len(starts) - 1
        rows = np.repeat(np.arange(self.count, dtype=np.int32), np.diff(starts))
        squares = np.square(weights, dtype=np.float64)
        lengths = np.sqrt(np.bincount(rows, squares, minlength=self.count))
        order = np.argsort(words, kind="stable")
        self._rows = rows[order]
        self._shares = (weights / np.maximum(lengths, 1e-12)[rows]).astype(np.float32)[order]
        self._starts = np.searchsorted(words[order], np.arange(dim + 1))

    @classmethod
    def of(cls, vectors: Vectors) -> Inverted:
        """Of rows as they are in memory, shape (n, dim)."""
        rows, words = np.nonzero(vectors)
        starts = np.searchsorted(rows, np.arange(len(vectors) + 1))
        return cls(starts, words.astype(np.int32), vectors[rows, words], vectors.shape[1])

    def similarities(self, target: Vector) -> Vector:
        """The cosine of each row and the target, shape (n,), in -1..1, as `distance.cosine` has it: a row of
        zeros gets 0, and equal rows get equal ones."""
        asked = np.flatnonzero(target)
        parts = [slice(self._starts[word], self._starts[word + 1]) for word in asked]
        if not parts:
            return np.zeros(self.count, np.float32)
        rows = np.concatenate([self._rows[part] for part in parts])
        shares = [self._shares[part] * target[word] for part, word in zip(parts, asked, strict=True)]
        total = np.bincount(rows, np.concatenate(shares), minlength=self.count)
        found: Vector = (total / max(float(np.linalg.norm(target)), 1e-12)).astype(np.float32)
        return found.clip(-1, 1)
