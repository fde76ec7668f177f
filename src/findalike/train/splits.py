"""Which pictures are learned from, which choose when to stop, and which are measured on: settled by a seed
before anything is learned.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from findalike.errors import UsageError
from findalike.evaluate.truth import Labels
from findalike.train.data import CLASSES, Examples, Places

TRAIN, VALIDATION, TEST = PARTS = ("train", "validation", "test")
SHARES = (0.5, 0.2, 0.3)

BY_CLASS, RANDOM = "class", "random"
T = TypeVar("T")

LEAST_CLASSES = 6
"""Of a split by class, or of pairs by groups: two in each part, since one cannot be told from anything."""


@dataclass(frozen=True, slots=True)
class Split:
    """The part that each picture is in, and how that was settled."""

    parts: tuple[str, ...]
    how: str
    seed: int

    def places(self, part: str) -> Places:
        """The places of a part, in ascending order."""
        return np.array([place for place, own in enumerate(self.parts) if own == part], np.int64)

    def counts(self) -> dict[str, int]:
        return {part: self.parts.count(part) for part in PARTS}


def make(examples: Examples, how: str = BY_CLASS, seed: int = 0) -> Split:
    """Split by `class`, so that what is measured on are classes that were not learned; `random`, by class in
    proportion; or `COLUMN=VALUE`, where the pictures of the value are those to measure on. Pairs and
    triplets are split by the groups that hang together, `random` too. Raises UsageError."""
    if examples.kind != CLASSES and how in (BY_CLASS, RANDOM):
        parts = by_group(examples, seed)
    elif how == BY_CLASS:
        parts = by_class(examples.labels, seed)
    elif how == RANDOM:
        parts = stratified(examples.labels, seed)
    else:
        column, equals, value = how.partition("=")
        if not equals:
            raise UsageError(
                f"the split {how!r} is none of class, random and COLUMN=VALUE, such as split=test"
            )
        parts = by_value(examples.labels, examples.column(column), column, value, seed)
    split = Split(tuple(parts), how, seed)
    _check(examples, split)
    return split


def of_unseen(examples: Examples, split: Split) -> bool:
    """Whether what is measured on are whole classes, or groups of pairs, of which nothing was learned."""
    return split.how == BY_CLASS or (examples.kind != CLASSES and split.how == RANDOM)


def by_class(labels: Sequence[str], seed: int, shares: Sequence[float] = SHARES) -> list[str]:
    """Whole classes for each part. Raises UsageError where there are too few."""
    repeated = _repeated(labels)
    if len(repeated) < LEAST_CLASSES:
        raise UsageError(
            f"{len(repeated)} classes have two pictures or more, and a split by class needs {LEAST_CLASSES}, "
            "two for each of learning, choosing and measuring: give --split random, which measures on other "
            "pictures of the same classes"
        )
    return _whole(labels, repeated, seed, shares)


def by_group(examples: Examples, seed: int, shares: Sequence[float] = SHARES) -> list[str]:
    """Whole groups of pictures that hang together for each part. Raises UsageError where there are too
    few."""
    groups = _repeated(examples.labels)
    if (missing := LEAST_CLASSES - len(groups)) > 0:
        raise UsageError(
            f"{examples.of}: {len(groups)} groups of pictures hang together, and it takes {LEAST_CLASSES}, "
            f"two for each of learning, choosing and measuring: mark {missing} more matches, or name "
            f"{missing} more pairs that are the same, each of pictures that are in none yet"
        )
    return _whole(examples.labels, groups, seed, shares)


def stratified(labels: Sequence[str], seed: int, shares: Sequence[float] = SHARES) -> list[str]:
    """The pictures of each class dealt to the parts in proportion: two to each at least, so that they find
    one another, where there are as many; of a class of four or five, two to learn from and two to one of the
    others, to measure on and to choose by in turn."""
    random = np.random.default_rng(seed)
    by_label: dict[str, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        by_label[label].append(place)
    parts = [TRAIN] * len(labels)
    enough = 2 * sum(share > 0 for share in shares)
    few = 0
    for label in sorted(by_label):
        own = random.permutation(by_label[label]).tolist()
        if 4 <= len(own) < enough:
            dealt = _dealt_few(own, turn=few)
            few += 1
        else:
            dealt = _dealt(own, shares, 2 if len(own) >= enough else 0)
        for place, part in dealt.items():
            parts[place] = part
    return parts


def by_value(labels: Sequence[str], values: Labels, column: str, value: str, seed: int) -> list[str]:
    """Pictures with the value are measured on, the others learned from and, two in seven, chosen by. Raises
    UsageError."""
    if value not in values:
        there = ", ".join(sorted({each for each in values if each})[:10]) or "none"
        raise UsageError(f"the column {column!r} has no value {value!r}; there are {there}: write --split "
                         f"{column}=VALUE for those to measure on")  # fmt: skip
    rest = [place for place, each in enumerate(values) if each != value]
    shares = (SHARES[0] / sum(SHARES[:2]), SHARES[1] / sum(SHARES[:2]), 0)
    parts = [TEST] * len(labels)
    for place, part in zip(rest, stratified([labels[p] for p in rest], seed, shares), strict=True):
        parts[place] = part
    return parts


def table(examples: Examples, split: Split) -> str:
    """The split as a CSV of path, label and part, which `--split` and other programs read."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["path", "label", "part"])
    for asset, label, part in zip(examples.pictures.assets, examples.labels, split.parts, strict=True):
        writer.writerow([asset.uri, label, part])
    return out.getvalue()


def _repeated(labels: Sequence[str]) -> list[str]:
    """The labels of two pictures or more, in order."""
    return sorted(label for label, size in Counter(labels).items() if size > 1)


def _whole(labels: Sequence[str], repeated: Sequence[str], seed: int, shares: Sequence[float]) -> list[str]:
    random = np.random.default_rng(seed)
    of = _dealt(random.permutation(repeated).tolist(), shares, 2)
    alone = sorted(set(labels) - set(of))
    of |= _dealt(random.permutation(alone).tolist(), shares, 0)
    return [of[label] for label in labels]


def _dealt(things: Sequence[T], shares: Sequence[float], least: int) -> dict[T, str]:
    """Each thing's part, in their order: those to measure on first, then to choose by, the rest to learn."""
    count = len(things)
    test = max(least, round(shares[2] * count)) if shares[2] else 0
    validation = max(least, round(shares[1] * count))
    kinds = [TEST] * test + [VALIDATION] * validation
    return {thing: kinds[place] if place < len(kinds) else TRAIN for place, thing in enumerate(things)}


def _dealt_few(things: Sequence[T], turn: int) -> dict[T, str]:
    """The parts of four or five things, which are too few for two in each."""
    one, other = (TEST, VALIDATION) if turn % 2 == 0 else (VALIDATION, TEST)
    return dict(zip(things, [one, one, TRAIN, TRAIN, other], strict=False))


def _check(examples: Examples, split: Split) -> None:
    """Every part must have something to find."""
    for part in PARTS:
        labels = [examples.labels[place] for place in split.places(part)]
        if len(set(labels)) < 2 or len(set(labels)) == len(labels):
            what = f"{len(labels):,} pictures of {len(set(labels)):,} classes"
            raise UsageError(
                f"the part to {_PURPOSE[part]} would have {what}, and needs two classes and two pictures of "
                "one: give more pictures, or another --split (class, random or COLUMN=VALUE)"
            )


_PURPOSE = {TRAIN: "learn from", VALIDATION: "choose by", TEST: "measure on"}
