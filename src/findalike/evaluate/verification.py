"""Same or not: how well a score tells pairs apart, and from which score on to believe it. Pure.

A pair is taken for the same when its score is at least the threshold. Pairs come in groups (all pairs of one
query) that are drawn and folded together, since they have a picture in common; where pairs were given one by
one, each is a group of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from findalike.evaluate import bootstrap
from findalike.evaluate.bootstrap import Interval

FOLDS = 10
CURVE = 200
"""Points that are kept of a curve, at most."""

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Pairs: `score`, whether they are the `same`, and the number of the `group` of each; shape (pairs,)."""

    score: Numbers
    same: Flags
    group: NDArray[np.int64]

    def only(self, chosen: Flags) -> Scored:
        return Scored(self.score[chosen], self.same[chosen], self.group[chosen])


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which score on to take a pair for the same, and what it was chosen for. `precision` and `recall`
    are of pairs that had no say in the choice (k folds)."""

    chosen_for: str
    score: float
    precision: Interval
    recall: Interval


@dataclass(frozen=True, slots=True)
class Verification:
    """`equal_error` is the rate at which as large a share of the same pairs is missed as of the different
    ones is taken. `right` says which pairs the best threshold of the other folds judges rightly, `accuracy`
    is their share, to be held against `base`. `missed` says what no threshold serves: none that is chosen
    for it takes any pair that was held out. `curve` has points of the false and the true positive rate
    (ROC)."""

    pairs: int
    same: int
    auc: float
    equal_error: float
    accuracy: Interval
    folds: int
    thresholds: tuple[Threshold, ...]
    missed: tuple[str, ...]
    curve: tuple[tuple[float, float], ...]
    right: Flags = field(repr=False, compare=False)

    @property
    def base(self) -> float:
        """The accuracy of giving all pairs the answer that most of them have."""
        return max(self.same, self.pairs - self.same) / self.pairs


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """Every way to part pairs by a threshold, the highest first: how many `same` and how many `different`
    pairs are taken at each, of how many."""

    at: Numbers
    same: NDArray[np.int64]
    different: NDArray[np.int64]

    @property
    def rates(self) -> tuple[Numbers, Numbers]:
        """The false and the true positive rate of each."""
        return self.different / max(self.different[-1], 1), self.same / max(self.same[-1], 1)


Choice = Callable[[Cuts], int | None]


def verify(pairs: Scored, precision: float, seed: int = 0) -> Verification:
    """All that is said of pairs. `precision` is what a recommended threshold is to reach.

    Raises ValueError unless there are same and different pairs, in two groups at least.
    """
    if not pairs.same.any() or pairs.same.all() or len(np.unique(pairs.group)) < 2:
        raise ValueError("pairs of both kinds are needed, in two groups at least")
    found, folds = cuts(pairs), folded(pairs, seed)
    right = _held_out(pairs, folds, most_right) == pairs.same
    wanted = {
        "equal error": nearest_equal,
        f"precision {precision:g}": lambda found: precise(found, precision),
    }
    thresholds = {name: _recommended(pairs, folds, name, choice, seed) for name, choice in wanted.items()}
    return Verification(
        len(pairs.score),
        int(pairs.same.sum()),
        auc(found),
        equal_error(found),
        _shares(pairs, [(right, np.ones(len(right), np.bool_))], seed)[0],
        int(folds.max()) + 1,
        tuple(filter(None, thresholds.values())),
        tuple(name for name, found in thresholds.items() if found is None),
        curve(found),
        right,
    )


def cuts(pairs: Scored) -> Cuts:
    """The thresholds between scores that differ, with one above all and one below."""
    order = np.argsort(-pairs.score, kind="stable")
    score, same = pairs.score[order], pairs.same[order]
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    at = np.append((score[last[:-1]] + score[last[:-1] + 1]) / 2, score[-1])
    taken = np.cumsum(same)[last]
    return Cuts(
        np.concatenate([[np.inf], at]),
        np.concatenate([[0], taken]),
        np.concatenate([[0], last + 1 - taken]),
    )


def auc(found: Cuts) -> float:
    """The chance that a same pair scores above a different one, ties counting one half."""
    wrong, right = found.rates
    return float(np.trapezoid(right, wrong))


def equal_error(found: Cuts) -> float:
    """Where the false positive rate equals the false negative rate, by a straight line between thresholds."""
    wrong, right = found.rates
    gap = wrong - (1 - right)
    above = int(np.argmax(gap >= 0))  # the first gap is -1, the last 1
    share = -gap[above - 1] / (gap[above] - gap[above - 1])
    return float(wrong[above - 1] + share * (wrong[above] - wrong[above - 1]))


def curve(found: Cuts) -> tuple[tuple[float, float], ...]:
    wrong, right = found.rates
    kept = np.unique(np.linspace(0, len(wrong) - 1, CURVE).round().astype(int))
    return tuple((float(x), float(y)) for x, y in zip(wrong[kept], right[kept], strict=True))


def most_right(found: Cuts) -> int:
    """The threshold of the best accuracy, the highest of those."""
    return int(np.argmax(found.same - found.different))


def nearest_equal(found: Cuts) -> int:
    wrong, right = found.rates
    return int(np.argmin(np.abs(wrong - (1 - right))))


def precise(found: Cuts, least: float) -> int | None:
    """The threshold that takes most pairs with at least this precision."""
    taken = found.same + found.different
    good = np.flatnonzero((found.same >= least * taken) & (found.same > 0))
    return int(good[-1]) if len(good) else None


def folded(pairs: Scored, seed: int) -> NDArray[np.int64]:
    """The fold of each pair, of `FOLDS` or as many as there are groups: groups stay whole, and each fold gets
    as many of those with a larger share of same pairs."""
    groups, place = np.unique(pairs.group, return_inverse=True)
    share = np.bincount(place, weights=pairs.same) / np.bincount(place)
    order = np.lexsort((np.random.default_rng(seed).random(len(groups)), share))
    fold = np.empty(len(groups), np.int64)
    fold[order] = np.arange(len(groups)) % min(FOLDS, len(groups))
    return fold[place]


def _held_out(pairs: Scored, folds: NDArray[np.int64], choice: Choice) -> Flags:
    """Which pairs are taken for the same, each by the threshold that all other folds choose."""
    taken = np.zeros(len(pairs.score), np.bool_)
    for fold in range(int(folds.max()) + 1):
        found = cuts(pairs.only(folds != fold))
        place = choice(found)
        if place is not None:
            taken |= (folds == fold) & (pairs.score >= found.at[place])
    return taken


def _recommended(
    pairs: Scored, folds: NDArray[np.int64], name: str, choice: Choice, seed: int
) -> Threshold | None:
    found = cuts(pairs)
    place = choice(found)
    taken = _held_out(pairs, folds, choice)
    if place is None or not math.isfinite(found.at[place]) or not taken.any():
        return None
    right = taken & pairs.same
    shares = _shares(pairs, [(right, taken), (right, pairs.same)], seed)
    return Threshold(name, float(found.at[place]), *shares)


def _shares(pairs: Scored, parts: list[tuple[Flags, Flags]], seed: int) -> list[Interval]:
    """The share of the first in the second of each pair of flags, with an interval over groups."""
    groups, place = np.unique(pairs.group, return_inverse=True)
    columns = [np.bincount(place, weights=flags, minlength=len(groups)) for part in parts for flags in part]
    counts = np.stack(columns, axis=1).astype(np.float64)
    draws = int(np.clip(50_000_000 // len(groups), 200, bootstrap.DRAWS))
    resampled, whole = bootstrap.sums(counts, draws, seed), counts.sum(axis=0)
    return [
        Interval(_share(whole[i], whole[i + 1]), *_ends(resampled[:, i], resampled[:, i + 1], len(groups)))
        for i in range(0, len(whole), 2)
    ]


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _ends(parts: Numbers, wholes: Numbers, groups: int) -> tuple[float, float]:
    some = wholes > 0
    if not some.any():
        return float("nan"), float("nan")
    low, high = bootstrap.percentiles((parts[some] / wholes[some])[:, None], groups)
    return float(low[0]), float(high[0])
