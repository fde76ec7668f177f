"""What is known of an attribute: a column, its values, and how well each method tells them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Label = str | bool
"""One value of an attribute."""

Method = Literal["probe", "words", "colours"]
"""`probe` learned it from labelled pictures, `words` compares pictures with a text for each value, and
`colours` takes the value whose colour is seen most."""

METHODS: tuple[Method, ...] = ("probe", "words", "colours")

CONFIDENCE = "_confidence"
"""What the column of a prediction's confidence has after the attribute's name."""


def confidence_column(column: str) -> str:
    """Where the confidence of an attribute's predictions stands: a value with one was predicted, and a value
    without one is a person's."""
    return column + CONFIDENCE


@dataclass(frozen=True, slots=True)
class Score:
    """How well a method told the values of labelled pictures, none of which it had learned from.

    `confusion[i][j]` pictures of value `i` were taken for value `j`; `by_fold` and `by_value` are shares in
    0..1 of those told right, the latter None of values without a picture. `confidence` is the mean of what
    was given for the answers, and `calibration_error` how far confidence and truth lie apart, weighted over
    15 equal bins (ECE, Guo et al. 2017). Where nothing is labelled, all are 0 or empty.
    """

    method: Method
    spaces: tuple[str, ...]
    accuracy: float | None = None
    by_fold: tuple[float, ...] = ()
    by_value: tuple[float | None, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    confidence: float = 0.0
    calibration_error: float | None = None
    log_loss: float | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """How an attribute was last applied: so it is to new pictures too. `where` is the filter's text."""

    min_confidence: float = 0.0
    where: str = ""
    method: Method | None = None


@dataclass(frozen=True, slots=True)
class AttributeInfo:
    """An attribute that was learned. `counts` are the labelled pictures of each of the `values`, in the same
    order; `method` is the one that `apply` uses, and `scores` has them all. `applied` is None before that. An
    encoder of the scores was trained on `seen` of the labelled pictures, which says nothing of new ones."""

    column: str
    values: tuple[Label, ...]
    counts: tuple[int, ...]
    method: Method
    scores: tuple[Score, ...]
    folds: int
    seed: int
    learned: datetime
    shrinkage: float = 0.0
    prompts: tuple[str, ...] = ()
    fold_case: bool = False
    applied: Way | None = None
    seen: int = 0

    @property
    def score(self) -> Score:
        """That of the method in use."""
        return self.score_of(self.method)

    def score_of(self, method: Method) -> Score:
        return next(each for each in self.scores if each.method == method)

    @property
    def labelled(self) -> int:
        return sum(self.counts)

    @property
    def accuracy(self) -> float | None:
        return self.score.accuracy


@dataclass(frozen=True, slots=True)
class Learned:
    """What learning an attribute gave: its card, and `notes`: sentences on what came out otherwise than it
    was asked for, or ought to be looked at."""

    info: AttributeInfo
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying an attribute did. `predicted` pictures have a value with a confidence now, of which
    `written` changed; `own` have a person's value and were left as they are; `unsure` got none, because its
    confidence would be too low, and `unseen` because they have no vectors. `counts` are the predicted
    pictures of each value; `seconds` are by `reading`, `computing` and `writing`."""

    column: str
    method: Method
    predicted: int
    written: int
    own: int
    unsure: int
    unseen: int
    counts: Mapping[Label, int]
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Of n pictures: the value of each, its confidence in 0..1 (n,), and the probabilities of all values,
    shape (n, values)."""

    values: tuple[Label, ...]
    confidences: NDArray[np.float32]
    probabilities: NDArray[np.float32]
