"""What the order of a review is worth: how fast accuracy grows when people answer in it, or in others.

    python benchmarks/review.py DATA [--seeds 8] [--libraries DIR]

DATA holds `clothing` (column category) and `cars` (column color), each with a `labels.csv`. A third of the
pictures is never asked for, and measured on. Of the rest two of each value are labelled to begin with; the
table's own values are the answers. Between the rounds a logistic regression learns from all answers on the
library's first space: the order is compared, not the probe. Needs scikit-learn.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from sklearn.linear_model import LogisticRegression

import findalike
from findalike.attributes import ordering
from findalike.types import Vectors

ROUNDS = 5
SETS = (("clothing", "category", 20), ("cars", "color", 6))
"""Folder, column, and answers of a round."""

Places = NDArray[np.int64]
Chooser = Callable[[Vectors, Vectors, NDArray[np.str_], int, np.random.Generator], Places]
"""From the vectors of pictures without an answer, their confidences and values, so many places."""


def main() -> None:
    parser = argparse.ArgumentParser(description="What the order of a review is worth.")
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--libraries", type=Path, help="Keep the libraries here.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, column, step in SETS:
            place = (asked.libraries or Path(folder)) / f"{name}.library"
            vectors, values = labelled(asked.data / name, place, column)
            print(f"\n{name}: {len(values)} pictures, {step} answers a round, {asked.seeds} seeds\n")
            print(table(vectors, values, step, asked.seeds))


def labelled(folder: Path, place: Path, column: str) -> tuple[Vectors, NDArray[np.str_]]:
    """Vectors around their mean, of unit length, and values, of all pictures with both."""
    with findalike.open(place) as library:
        library.add(folder, table=folder / "labels.csv")
        space = next(iter(library.store.cards()))
        assets = {a.id: a for a in library.store.assets() if a.metadata.get(column)}
        rows = sorted(library.store.rows(space, assets), key=lambda row: assets[row.asset_id].uri)
    vectors = np.stack([row.vector for row in rows])
    vectors = vectors - vectors.mean(axis=0)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit, np.array([str(assets[row.asset_id].metadata[column]) for row in rows])


def by_chance(
    vectors: Vectors, sure: Vectors, values: NDArray[np.str_], most: int, rng: np.random.Generator
) -> Places:
    return rng.permutation(len(sure))[:most]


def by_doubt(
    vectors: Vectors, sure: Vectors, values: NDArray[np.str_], most: int, rng: np.random.Generator
) -> Places:
    return np.argsort(sure, kind="stable")[:most]


def as_reviewed(
    vectors: Vectors, sure: Vectors, values: NDArray[np.str_], most: int, rng: np.random.Generator
) -> Places:
    _, kinds, counts = np.unique(values, return_inverse=True, return_counts=True)
    near = ordering.nearness(vectors, vectors)
    np.fill_diagonal(near, 1.0)
    raised = ordering.rarity(counts.astype(np.float32))[kinds]
    return ordering.ordered(1 - sure, raised, near, 1 - sure, most)


CHOOSERS: dict[str, Chooser] = {
    "by chance": by_chance,
    "the most doubtful": by_doubt,
    "as Review has it": as_reviewed,
}


def table(vectors: Vectors, values: NDArray[np.str_], step: int, seeds: int) -> str:
    """Accuracy after each round, and that of the values, each counting the same, after the last."""
    head = ["order", *(f"{n * step} answers" for n in range(ROUNDS + 1)), "mean of values"]
    lines = [head, ["---"] * len(head)]
    for name, chooser in CHOOSERS.items():
        runs = np.array([run(vectors, values, chooser, step, s) for s in track(range(seeds), name)])
        mean, spread = runs.mean(axis=0), runs.std(axis=0, ddof=1)
        cells = [f"{m:.3f} ± {d:.3f}" for m, d in zip(mean, spread, strict=True)]
        lines.append([name, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def run(vectors: Vectors, values: NDArray[np.str_], chooser: Chooser, step: int, seed: int) -> list[float]:
    """Of one split: accuracy before the first round and after each, then the mean over the values."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(values))
    kept, pool = order[: len(values) // 3], order[len(values) // 3 :]
    known = np.concatenate([pool[values[pool] == value][:2] for value in np.unique(values)])
    pool = np.setdiff1d(pool, known)
    curve: list[float] = []
    for _ in range(ROUNDS + 1):
        probe = LogisticRegression(C=20, max_iter=200).fit(vectors[known], values[known])
        told = probe.predict(vectors[kept])
        curve.append(float((told == values[kept]).mean()))
        shares = probe.predict_proba(vectors[pool])
        guessed = probe.classes_[shares.argmax(axis=1)]
        chosen = pool[chooser(vectors[pool], shares.max(axis=1), guessed, step, rng)]
        known, pool = np.concatenate([known, chosen]), np.setdiff1d(pool, chosen)
    each = [float((told[values[kept] == value] == value).mean()) for value in np.unique(values[kept])]
    return [*curve, float(np.mean(each))]


if __name__ == "__main__":
    main()
