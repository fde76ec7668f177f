"""Ridge regression that is shrunk towards a mapping that is known already, instead of towards nothing (Hoerl
and Kennard 1970; with another mean of the prior, Swindel 1976)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike.train.linear import Line, line
from findalike.types import Vectors

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """The eigenvalues `spread` (r,) of the vectors' products, and what makes the line of a strength of them:
    `bases` (d + 1, r) and `pull` (r, dim)."""

    start: Line
    spread: Floats
    bases: Floats
    pull: Floats

    def line(self, strength: float) -> Line:
        """The line that makes ‖f(x) − t‖², summed over the rows, plus `strength` times the squared distance
        from the start the least. Endless strength gives the start."""
        change = self.bases @ (self.pull / (self.spread + strength)[:, None])
        return line(self.start.matrix + change[:-1], self.start.offset + change[-1])


def ridge(vectors: Vectors, targets: NDArray[np.floating[Any]], start: Line) -> Ridge:
    """All lines from vectors of shape (n, d) to targets (n, dim): the costly part, once for every strength.

    The offset is shrunk as the matrix is. Of the products of rows and those of columns the smaller is taken
    apart.
    """
    rows = np.hstack([np.asarray(vectors, np.float64), np.ones((len(vectors), 1))])
    missing = np.asarray(targets, np.float64) - (
        rows[:, :-1] @ np.asarray(start.matrix, np.float64) + start.offset
    )
    if len(rows) <= rows.shape[1]:
        spread, sides = np.linalg.eigh(rows @ rows.T)
        return Ridge(start, spread.clip(0), rows.T @ sides, sides.T @ missing)
    spread, axes = np.linalg.eigh(rows.T @ rows)
    return Ridge(start, spread.clip(0), axes, axes.T @ (rows.T @ missing))
