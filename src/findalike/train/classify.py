"""A classifier on stored vectors: a head, and a vector for each class that its own pictures come near to.

What is kept is the head, which is an encoder like any other; the vectors of the classes only teach it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from findalike.encode.base import unit
from findalike.errors import UsageError
from findalike.evaluate import bootstrap
from findalike.train import heads, metric
from findalike.train.data import CLASSES, Examples, Places
from findalike.train.loop import Watch
from findalike.train.measure import Comparison
from findalike.train.metric import Outcome, Plan, Retrieval
from findalike.train.splits import BY_CLASS, TEST, TRAIN, VALIDATION, Split
from findalike.types import Vectors

_BLOCK = 4_000_000
"""Similarities that are held at a time."""

ACCURACY = "accuracy"
LOSS = "softmax"


@dataclass(slots=True)
class Classification(Retrieval):
    """The same training, measured by how many pictures are taken for what they are."""

    def measure(self) -> float:
        places = self.split.places(VALIDATION)
        return float(self.right(self.embedded(places), places).mean())

    def right(self, vectors: Vectors, places: Places) -> NDArray[np.bool_]:
        """Which pictures are nearest to the vector of their own class."""
        of_classes = self.objective.loss.W.detach().cpu().numpy().T
        found: NDArray[np.bool_] = (unit(vectors) @ unit(of_classes).T).argmax(axis=1) == self._codes(places)
        return found

    def _codes(self, places: Places) -> Places:
        """The number of each picture's class among those that are learned; -1 for another."""
        numbers = {label: number for number, label in enumerate(self._sampled.classes)}
        return np.array([numbers.get(self.examples.labels[place], -1) for place in places], np.int64)


def task(
    examples: Examples, vectors: Vectors, split: Split, plan: Plan, dim: int | None = None, hidden: int = 0
) -> Classification:  # fmt: skip
    """A classifier to be trained; `vectors` has a row for each example. Raises UsageError for examples
    without classes, and a split by class, of which the classes to measure on would be unknown."""
    if examples.kind != CLASSES:
        raise UsageError(f"a classifier learns classes, and {examples.of} gives {examples.kind}: give "
                         "--column, or a folder for each class")  # fmt: skip
    if split.how == BY_CLASS:
        raise UsageError(
            "a split by class measures on classes that a classifier never saw: give --split random"
        )
    head = heads.task(examples, vectors, split, replace(plan, loss=LOSS, miner=None), dim, hidden=hidden)
    return Classification(head.network, head.objective, head.fetch, examples, split, head.plan, head.rates,
                          head.device, head.held)  # fmt: skip


def train(
    of: Classification, start: Vectors, checkpoint: Path | None = None, resume: bool = False,
    purpose: str = "", watch: Watch = lambda _: None,
) -> Outcome:  # fmt: skip
    """Train it, and hold its accuracy against that of the nearest picture, by the vectors that it began from;
    raises as `metric.train` does."""
    outcome = metric.train(of, start, checkpoint, resume, purpose, watch)
    places = of.split.places(TEST)
    before = nearest(of, start, places)
    with torch.no_grad():
        after = of.right(of.embedded(places), places)
    differences = after.astype(np.float64) - before
    seed = of.plan.schedule.seed
    interval = bootstrap.means(differences[:, None], seed=seed)[0]
    found = Comparison(ACCURACY, len(places), float(before.mean()), float(after.mean()), interval,
                       bootstrap.sign_flip(differences, seed=seed))  # fmt: skip
    begun = float(nearest(of, start, of.split.places(VALIDATION)).mean())
    return replace(outcome, start=begun, comparisons=(found, *outcome.comparisons))


def nearest(of: Classification, vectors: Vectors, places: Places) -> NDArray[np.bool_]:
    """Which pictures have the class of the nearest of those to learn from."""
    learned = of.split.places(TRAIN)
    known = unit(vectors[learned]).T
    parts = np.array_split(places, max(1, len(places) * len(learned) // _BLOCK))
    found = np.concatenate([learned[(unit(vectors[part]) @ known).argmax(axis=1)] for part in parts])
    return np.array(
        [of.examples.labels[a] == of.examples.labels[b] for a, b in zip(places, found, strict=True)]
    )
