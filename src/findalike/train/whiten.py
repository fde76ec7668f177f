"""Whitening as a head: vectors centred, turned to the axes that tell pictures apart, and stretched.

Without labels these are the axes in which pictures vary most (Jégou and Chum 2012). With labels or pairs, the
directions in which pictures that belong together differ are made to count less first (Mikolajczyk and Matas
2007; for vectors of networks Radenović, Tolias and Chum 2018). All of it is solved at once, without epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike import __version__
from findalike.encode import file_card, whitening
from findalike.errors import UsageError
from findalike.train import data, measure, splits
from findalike.train.data import CLASSES, Examples
from findalike.train.linear import Line, line
from findalike.train.measure import FIRST, MAP, Comparison, Judge
from findalike.train.splits import TEST, TRAIN, VALIDATION, Split
from findalike.types import Vectors

DIM = 128
POWERS = (0.0, 0.1, 0.25, 0.5)
"""How much less directions count in which what belongs together differs: 0.5 makes it differ in all alike.
The best of them on pictures that are not learned from is taken."""

_RANK = 1e-7
"""Of the largest variance: what is below it is rounding."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The power that was taken, the mAP of each that was tried and, in `start`, of the untouched vectors on
    what was chosen by; and how the head and what it began from do on pictures that it was not learned
    from."""

    power: float
    start: float
    tried: tuple[tuple[float, float], ...]
    comparisons: tuple[Comparison, ...]
    split: Split

    @property
    def gains(self) -> bool:
        """Whether any power was better than the untouched vectors on what was chosen by."""
        return max(value for _, value in self.tried) > self.start

    @property
    def better(self) -> bool:
        return self.comparisons[0].better


def unsupervised(vectors: Vectors, dim: int = DIM, power: float = whitening.POWER) -> Line:
    """The principal axes of vectors (n, d), at most `dim`, each divided by its variance to `power`. Raises
    UsageError for vectors that do not differ."""
    _check(vectors)
    try:
        found = whitening.learn(vectors, dim, power)
    except ValueError as error:
        raise UsageError(
            f"the vectors of {len(vectors):,} pictures do not differ, so there is nothing to learn: give two "
            "different pictures at least"
        ) from error
    axes = found.axes.astype(np.float64)
    return line(axes, -found.mean.astype(np.float64) @ axes)


def supervised(vectors: Vectors, astray: Vectors, dim: int = DIM, power: float = POWERS[-1]) -> Line:
    """The principal axes of vectors (n, d) once the directions of `astray` (m, d), by which vectors of what
    belongs together differ from one another, are divided by their variance to `power`.

    Those variances are shrunk towards their mean as Ledoit and Wolf (2004) derive: in most directions a few
    pictures cannot show how things of one kind differ. Raises UsageError where nothing differs.
    """
    _check(vectors)
    rows = astray.astype(np.float64)
    variances, axes = whitening.principal(rows)
    if not len(rows) or variances[0] <= 0:
        return unsupervised(vectors, dim)
    share = whitening.shrunk_by(rows, variances)
    even = share * float(variances.sum()) / vectors.shape[1]
    seen = variances > _RANK * variances[0]
    axes, shrunk = axes[:, seen], (1 - share) * variances[seen] + even
    rest = max(even, _RANK * float(variances[0])) ** -power
    evened = rest * np.eye(vectors.shape[1]) + (axes * (shrunk**-power - rest)) @ axes.T
    evened /= rest  # so that what was not seen to differ is left as it is
    turned = unsupervised(np.asarray(vectors @ evened, np.float32), dim)
    return line(evened @ turned.matrix, turned.offset)


def astray(examples: Examples, vectors: Vectors) -> Vectors:
    """How vectors differ from those they belong to, shape (m, d): from the mean of their class, or within
    each pair."""
    if examples.kind != CLASSES:
        first, second = examples.alike.T
        return np.asarray((vectors[first] - vectors[second]) / np.sqrt(2), np.float32)
    codes = examples.codes
    counts = np.bincount(codes)
    means = np.zeros((len(counts), vectors.shape[1]), np.float64)
    np.add.at(means, codes, vectors)
    means /= counts[:, None]
    return np.asarray((vectors - means[codes])[counts[codes] > 1], np.float32)


def learn(
    examples: Examples, vectors: Vectors, split: Split, dim: int = DIM, powers: Sequence[float] = POWERS
) -> tuple[Line, Outcome]:
    """Supervised whitening, its power chosen on the part for validation, then learned on that and the part
    for training, and measured on the rest. Raises UsageError."""
    tried = []
    for power in powers:
        found = _of(examples, vectors, split, [TRAIN], dim, power)
        tried.append((power, _map(examples, split, VALIDATION, found.of(vectors))))
    power = max(tried, key=lambda pair: pair[1])[0]
    found = _of(examples, vectors, split, [TRAIN, VALIDATION], dim, power)
    places = split.places(TEST)
    judge = Judge(data.subset(examples, places))
    before, after = judge.of(vectors[places]), judge.of(found.of(vectors[places]))
    if not len(before.average_precision):
        raise UsageError(
            "no picture of the part for test has anything to find; give more pictures, or another --split or "
            "--seed"
        )
    by_class = splits.of_unseen(examples, split)
    comparisons = tuple(measure.compare(before, after, each, split.seed, by_class) for each in (MAP, FIRST))
    start = _map(examples, split, VALIDATION, vectors)
    return found, Outcome(power, start, tuple(tried), comparisons, split)


def trained(outcome: Outcome, examples: Examples, of: str) -> dict[str, Any]:
    """What a card says of the learning. `of` names the data."""
    places = np.sort(np.concatenate([outcome.split.places(part) for part in (TRAIN, VALIDATION)]))
    some = data.subset(examples, places)
    return {
        "what": "whitening", "data": of, "by": examples.of, "power": outcome.power,
        "pictures": file_card.pictures(asset.sha256 for asset in some.pictures.assets),
        "classes": list(some.classes) if examples.kind == CLASSES else len(some.classes),
        "seed": outcome.split.seed, "split": {"how": outcome.split.how, **outcome.split.counts()},
        "measure": measure.record(outcome.comparisons),
        "before": outcome.comparisons[0].before, "after": outcome.comparisons[0].after,
        "findalike": __version__,
    }  # fmt: skip


def _of(
    examples: Examples, vectors: Vectors, split: Split, parts: Sequence[str], dim: int, power: float
) -> Line:
    places = np.sort(np.concatenate([split.places(part) for part in parts]))
    some = data.subset(examples, places)
    return supervised(vectors[places], astray(some, vectors[places]), dim, power)


def _map(examples: Examples, split: Split, part: str, vectors: Vectors) -> float:
    places = split.places(part)
    return Judge(data.subset(examples, places)).of(vectors[places]).map


def _check(vectors: Vectors) -> None:
    if not np.isfinite(vectors).all():
        raise UsageError(
            "a vector holds what is not a number, so nothing can be learned: findalike doctor names the "
            "picture"
        )
