"""Which form of the embedding to store, and how to adapt a query: the figures behind two decision records.

    python benchmarks/embedding.py DATA

DATA holds the labelled folders of `benchmarks/retrieval.py`, and `captions-train`, on which PCA is learned
and nothing is measured. Prints P@1 / mAP of leave one out for each form, and the mean of each over the sets.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from findalike import rank
from findalike.evaluate.metrics import leave_one_out
from retrieval import SETS, by_cosine, embeddings, read_labels

SPACE = "efficientnet-lite0@1-int8"
Form = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    data = Path(sys.argv[1])
    trained, _ = read_labels(data / "captions-train", "caption_1")
    train = embeddings(trained, SPACE)
    sets = {}
    for name, column in SETS.items():
        paths, labels = read_labels(data / name, column)
        sets[name] = embeddings(paths, SPACE), labels
    print(f"{'form':36}" + "".join(f"{name:>14}" for name in sets) + f"{'mean':>14}")
    for form, similarity in {**reductions(train), **adaptations()}.items():
        scores = [leave_one_out(similarity(vectors), labels) for vectors, labels in sets.values()]
        pairs = [(s.precision_at_1, s.mean_average_precision) for s in scores]
        pairs.append((float(np.mean([p for p, _ in pairs])), float(np.mean([m for _, m in pairs]))))
        print(f"{form:36}" + "".join(f"{p:8.3f} {m:.3f}" for p, m in pairs), flush=True)


def reductions(train: np.ndarray) -> dict[str, Form]:
    """Plain cosine of all 1,280 numbers, and of 128 to 640 by PCA, whitened to the power 0 to 1/2."""
    mean = train.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov((train - mean).T))
    values, axes = values[::-1], axes[:, ::-1]

    def reduced(dim: int, power: float) -> Form:
        return lambda vectors: by_cosine((vectors - mean) @ axes[:, :dim] * values[:dim] ** -power)

    forms: dict[str, Form] = {"1280, plain cosine": by_cosine}
    for dim in (128, 256, 512, 640):
        for power in (0, 0.125, 0.25, 0.5):
            forms[f"{dim}, whitened to the power {power:g}"] = reduced(dim, power)
    return forms


def adaptations() -> dict[str, Form]:
    """How much of the library's mean is taken off: from the query alone, or from both sides."""

    def turned(vectors: np.ndarray, part: float) -> np.ndarray:
        moved = vectors - part * vectors.mean(axis=0)
        unit: np.ndarray = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        return unit

    forms: dict[str, Form] = {}
    for part in (0.25, 0.5, 0.75, 1.0):
        forms[f"query turned by {part:g}"] = lambda vectors, part=part: turned(vectors, part) @ vectors.T
        forms[f"both sides turned by {part:g}"] = lambda vectors, part=part: by_cosine(turned(vectors, part))
    forms["as searched (rank.adapted)"] = lambda vectors: (
        np.stack([rank.adapted(query, vectors.mean(axis=0), len(vectors)) for query in vectors]) @ vectors.T
    )
    return forms


if __name__ == "__main__":
    main()
