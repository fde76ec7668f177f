"""What is asked of the judge, and what it answers: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from findalike.evaluate.bootstrap import Interval
from findalike.evaluate.metrics import PerQuery
from findalike.evaluate.similarity import AS_SEARCHED
from findalike.evaluate.task import Places, Task
from findalike.evaluate.truth import Labels
from findalike.evaluate.verification import Verification
from findalike.types import Card


@dataclass(frozen=True, slots=True)
class Method:
    """Vectors of one space, compared in one way: a name of `similarity.NAMES`."""

    card: Card
    distance: str = AS_SEARCHED

    @property
    def label(self) -> str:
        """The space, and the distance where it is not that of a search."""
        return self.card.space if self.distance == AS_SEARCHED else f"{self.card.space}, {self.distance}"

    @property
    def short(self) -> str:
        """The encoder's name in place of the space."""
        return self.card.name if self.distance == AS_SEARCHED else f"{self.card.name}, {self.distance}"


@dataclass(frozen=True, slots=True)
class Options:
    """`by`: further columns whose values are told apart, with the label of each picture. `precision`: what
    the recommended threshold is to reach. `timing`: whether a few pictures are encoded to see how long it
    takes."""

    by: Mapping[str, Labels] = field(default_factory=dict)
    precision: float = 0.9
    timing: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """For one picture: `encode_ms` of encoding it (None where it was not timed), `bytes` of its vector. For
    one query: `compare_ms` of comparing it with all pictures."""

    encode_ms: float | None
    compare_ms: float
    bytes: float


@dataclass(frozen=True, slots=True)
class Slice:
    """The queries with one value of a column."""

    value: str
    queries: int
    means: Mapping[str, Interval]


@dataclass(frozen=True, slots=True, eq=False)
class Top:
    """The best `run.TOP` results of each query, shape (queries, top): places of pictures, their scores
    (calibrated where a search was followed, else similarities), and whether they are relevant. -1 where there
    are fewer."""

    places: Places
    scores: NDArray[np.float32]
    relevant: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """One method on one task. `per_query` has NaN for queries with nothing relevant, which count nowhere
    else."""

    method: Method
    cost: Cost
    queries: int = 0
    without: int = 0
    means: Mapping[str, Interval] = field(default_factory=dict)
    slices: Mapping[str, tuple[Slice, ...]] = field(default_factory=dict)
    curve: tuple[float, ...] = ()
    verification: Verification | None = None
    per_query: Mapping[str, PerQuery] = field(default_factory=dict)
    top: Top | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A method less the first one: the mean difference of a metric, and the p of a paired test, raised for
    the number of comparisons."""

    method: str
    first: str
    metric: str
    difference: Interval
    p: float


BETTER, WORSE, NO_BETTER, UNTOLD = "better", "worse", "no better", "untold"
"""What is said of a trained encoder. `NO_BETTER`: the difference may be chance; `UNTOLD`: there is too little
to judge by, or it was trained on some of the pictures."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What of a task an encoder knows from its training: so many `pictures` of so many, where its card names
    those at all (`told`), and so many of the `values` that pictures are alike by."""

    pictures: int = 0
    of: int = 0
    told: bool = True
    values: int = 0
    of_values: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an encoder is better than what it is held against: the `outcome`, a metric of both, their mean
    difference with its interval, the p of a paired test, and on how many queries or pairs."""

    method: str
    first: str
    metric: str
    outcome: str
    before: float
    after: float
    difference: Interval
    p: float
    queries: int
    seen: Seen = Seen()


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """One task: its results in the order of the methods, what could not be compared and why, comparisons with
    the first method, and verdicts on those that were to be held against it."""

    task: Task
    results: tuple[Result, ...]
    skipped: Mapping[str, str]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """`paths` are those that were named, of a library that was filled for them."""

    library: str
    evaluations: tuple[Evaluation, ...]
    seconds: float
    paths: tuple[str, ...] = ()

    @property
    def of(self) -> str:
        """What was judged: the paths that were named, else the library."""
        return ", ".join(self.paths) or self.library
