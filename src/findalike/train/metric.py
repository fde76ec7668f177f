"""Metric learning: pictures that belong together come near one another, of a head or of a whole network.

What is learned is the same for both; they differ in what a batch is made of, which `Fetch` brings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from findalike import __version__
from findalike.encode import file_card
from findalike.errors import UsageError
from findalike.train import data, loop, measure, sampling, splits
from findalike.train.data import Examples, Places
from findalike.train.loop import Fit, Schedule, Watch
from findalike.train.losses import Objective
from findalike.train.measure import FIRST, MAP, Comparison, Judge
from findalike.train.splits import TEST, TRAIN, VALIDATION, Split
from findalike.types import Vectors

ASKING = 2_000
"""Pictures that ask after each epoch, at most."""

_AT_ONCE = 256
"""Pictures that are embedded at a time."""


class Fetch(Protocol):
    """What a network takes in of examples, by their places: shape (n, …)."""

    def __call__(self, places: Places, random: np.random.Generator | None) -> torch.Tensor:
        """With `random`, varied as for learning; without it, as they are."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is decided before the first epoch. `across` is a column: pictures are brought nearer to those
    of other values, and ranked against them alone; `asks` is its value whose pictures ask. `p` classes of `k`
    pictures make a batch."""

    loss: str = "triplet"
    miner: str | None = None
    across: str | None = None
    asks: str | None = None
    schedule: Schedule = field(default_factory=Schedule)
    p: int = sampling.P
    k: int = sampling.K
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went, the measure of the beginning on what was chosen by, and what was measured at last, on
    pictures that nothing was learned from. `chosen` names the measure that chose where it is not the first of
    these."""

    fit: Fit
    start: float
    comparisons: tuple[Comparison, ...]
    split: Split
    chosen: str = ""

    @property
    def better(self) -> bool:
        return self.comparisons[0].better

    @property
    def measure(self) -> str:
        """What the best was chosen by."""
        return self.chosen or self.comparisons[0].metric


@dataclass(slots=True)
class Retrieval:
    """A `loop.Task`: bring together what `examples` says, measure how they find one another.

    `network` maps what `fetch` brings to vectors of unit length; `rates` gives its parameters with their
    rates. `held` is added to each loss.
    """

    network: nn.Module
    objective: Objective
    fetch: Fetch
    examples: Examples
    split: Split
    plan: Plan
    rates: Sequence[Mapping[str, Any]]
    device: torch.device
    held: Callable[[], torch.Tensor | float] = lambda: 0.0
    model: nn.Module = field(init=False)
    _learned: Places = field(init=False)
    _sampled: Examples = field(init=False)
    _judge: Judge = field(init=False)

    def __post_init__(self) -> None:
        self.model = nn.ModuleList([self.network, self.objective]).to(self.device)
        self._learned = self.split.places(TRAIN)
        self._sampled = data.subset(self.examples, self._learned)
        self._judge = judge(self.examples, self.split, VALIDATION, self.plan)

    def groups(self) -> list[dict[str, Any]]:
        own = [each for each in self.objective.parameters() if each.requires_grad]
        return [dict(group) for group in self.rates] + (
            [{"params": own, "lr": self.objective.rate}] if own else []
        )

    def losses(self, random: np.random.Generator) -> Iterator[torch.Tensor]:
        for chosen in sampling.batches(self._sampled, random, self.plan.p, self.plan.k, self.plan.across):
            vectors = self.network(self.fetch(self._learned[chosen], random).to(self.device))
            yield self.objective(vectors, chosen) + self.held()

    def measure(self) -> float:
        return self._judge.of(self.embedded(self.split.places(VALIDATION))).map

    def embedded(self, places: Places) -> Vectors:
        """The vectors of examples, shape (n, dim)."""
        return embedded(self.network, self.fetch, places, self.device)


def judge(examples: Examples, split: Split, part: str, plan: Plan) -> Judge:
    """What asks among the examples of a part; of that for validation, which asks after each epoch, a few."""
    most = ASKING if part == VALIDATION else None
    return Judge(data.subset(examples, split.places(part)), plan.across, plan.asks, most)


def embedded(network: nn.Module, fetch: Fetch, places: Places, device: torch.device) -> Vectors:
    """Vectors of shape (n, dim)."""
    network.eval()
    parts = np.array_split(places, max(1, -(-len(places) // _AT_ONCE)))
    with torch.no_grad():
        found = [network(fetch(part, None).to(device)).cpu().numpy() for part in parts if len(part)]
    return np.concatenate(found).astype(np.float32)


def train(
    task: Retrieval,
    start: Vectors,
    checkpoint: Path | None = None,
    resume: bool = False,
    purpose: str = "",
    watch: Watch = lambda _: None,
) -> Outcome:
    """Train a task, and hold what came out against where it began: `start` has a vector for each example.
    Raises UsageError where the beginning has nothing to find or is not finite, and as `loop.fit` does."""
    if not np.isfinite(start).all():
        raise UsageError(loop.NOT_FINITE)
    judges = {part: judge(task.examples, task.split, part, task.plan) for part in (VALIDATION, TEST)}
    before = {part: each.of(start[task.split.places(part)]) for part, each in judges.items()}
    for part, found in before.items():
        if not len(found.average_precision):
            raise UsageError(f"no picture of the part for {part} has anything to find; give more pictures, "
                             "or another --split or --seed")  # fmt: skip
    fit = loop.fit(task, task.plan.schedule, checkpoint, resume, purpose, watch)
    loop.check_begun(fit)
    after = judges[TEST].of(task.embedded(task.split.places(TEST)))
    seed = task.plan.schedule.seed
    by_class = splits.of_unseen(task.examples, task.split)
    several = tuple(measure.compare(before[TEST], after, each, seed, by_class) for each in (MAP, FIRST))
    return Outcome(fit, before[VALIDATION].map, several, task.split)


def objective(examples: Examples, split: Split, plan: Plan, dim: int) -> Objective:
    """The loss of a plan, over the examples to learn from. Raises UsageError for a loss or miner that does
    not fit."""
    return Objective(data.subset(examples, split.places(TRAIN)), plan.loss, plan.miner, dim, plan.across)


def purpose(examples: Examples, split: Split, plan: Plan, of: str) -> str:
    """All that decides the result, as a text; `of` says what is trained."""
    contents = [asset.sha256 for asset in examples.pictures.assets]
    relations = [rows.tolist() for rows in (examples.alike, examples.apart, examples.triplets)]
    columns = examples.column(plan.across) if plan.across else ()
    return json.dumps([of, asdict(plan), contents, examples.labels, columns, relations, split.parts])


def trained(outcome: Outcome, examples: Examples, plan: Plan, of: str, **further: Any) -> dict[str, Any]:
    """What a card says of the training. `of` names the data. Pictures that it was chosen by are known to it
    as those are that it learned from."""
    learned = data.subset(examples, outcome.split.places(splits.TRAIN))
    known = np.concatenate([outcome.split.places(part) for part in (TRAIN, VALIDATION)])
    return {
        "what": "metric", "loss": plan.loss, "data": of, "by": examples.of,
        "pictures": file_card.pictures(examples.pictures.assets[place].sha256 for place in known),
        "classes": list(learned.classes) if examples.kind == data.CLASSES else len(learned.classes),
        "seed": plan.schedule.seed, "epochs": len(outcome.fit.losses), "best_epoch": outcome.fit.best_epoch,
        "ended": outcome.fit.ended, "split": {"how": outcome.split.how, **outcome.split.counts()},
        "measure": measure.record(outcome.comparisons),
        "before": outcome.comparisons[0].before, "after": outcome.comparisons[0].after,
        "findalike": __version__, **further,
    }  # fmt: skip
