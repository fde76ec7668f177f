"""A head trained so that a picture is nearer to what is said of it than to what is said of others (InfoNCE in
both directions; Radford et al. 2021, CLIP), from a start that is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from findalike.errors import UsageError
from findalike.train import loop
from findalike.train.linear import Line, line
from findalike.train.loop import Fit, Schedule, Watch
from findalike.train.words import FOLDS, Lesson, Starts, dealt, measured
from findalike.types import Vectors

RATE, DROPOUT, TEMPERATURE, BATCH = 3e-4, 0.35, 0.05, 256
"""Of `training/train_words.py`, but the batch: a few hundred pictures are one."""


class Linear(nn.Module):
    """Shape (n, d) to (n, dim), of unit length."""

    def __init__(self, start: Line) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.from_numpy(start.matrix.copy()))
        self.offset = nn.Parameter(torch.from_numpy(start.offset.copy()))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self.dropout(vectors) @ self.matrix + self.offset, dim=1)

    def line(self) -> Line:
        return line(self.matrix.detach().cpu().numpy(), self.offset.detach().cpu().numpy())


@dataclass(slots=True)
class Contrast:
    """A `loop.Task`: bring pictures of `learned` to their texts; `judge` says how good a line is."""

    learned: Lesson
    start: Line
    judge: Callable[[Line], float]
    device: torch.device
    model: nn.Module = field(init=False)
    _texts: torch.Tensor = field(init=False)
    _pictures: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.model = Linear(self.start).to(self.device)
        self._texts = torch.from_numpy(self.learned.meanings).to(self.device)
        self._pictures = torch.from_numpy(self.learned.vectors).to(self.device)

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters()), "lr": RATE}]

    def losses(self, random: np.random.Generator) -> Iterator[torch.Tensor]:
        """Each picture once, with one of its texts."""
        order = random.permutation(len(self.learned))
        chosen = _one_of_each(self.learned, random)
        for part in np.array_split(order, max(1, round(len(order) / BATCH))):
            texts = chosen[part]
            same = torch.from_numpy(self.learned.codes[texts][:, None] == self.learned.codes[texts])
            near = self.model(self._pictures[part]) @ self._texts[texts].T / TEMPERATURE
            yield _mismatch(near, same.to(self.device))

    def measure(self) -> float:
        return self.judge(self.line())

    def line(self) -> Line:
        return cast(Linear, self.model).line()


@dataclass(slots=True)
class Until:
    """Judges the line of one epoch best, whatever it is: the beginning is epoch 0."""

    epoch: int
    seen: int = -1

    def __call__(self, found: Line) -> float:
        if not (np.isfinite(found.matrix).all() and np.isfinite(found.offset).all()):
            raise ValueError("a weight is not finite")
        self.seen += 1
        return -float(abs(self.seen - self.epoch))


def train(
    some: Lesson,
    starts: Starts,
    measure: str,
    schedule: Schedule,
    device: str = "auto",
    watch: Watch = lambda _: None,
) -> tuple[Line, Fit, Vectors]:
    """A line learned on a lesson, for as many epochs as cross-validation finds best by how texts find their
    pictures; how it went: `Fit.values` are means over the parts held out; and what lines that did not learn a
    picture made of it, shape (n, dim).

    A few held-out pictures alone could not tell epochs apart: with all of them in turn, each counts. Raises
    UsageError for a device that cannot be used, and KeyboardInterrupt before anything was learned.
    """
    on = loop.device(device)
    unseen = np.zeros((len(some), some.meanings.shape[1]), np.float32)
    fits = [_held_out(some, starts, measure, schedule, turn, on, watch, unseen) for turn in range(FOLDS)]
    _go_on(fits)
    least = min(len(fit.values) for fit in fits)
    values = np.mean([fit.values[:least] for fit in fits], axis=0)
    best = int(values.argmax())
    task = Contrast(some, starts(some), Until(best), on)
    last = loop.fit(task, replace(schedule, patience=1))
    losses = tuple(np.mean([fit.losses[: least - 1] for fit in fits], axis=0).tolist())
    fit = Fit(tuple(map(float, values)), losses, last.best_epoch, _ending([*fits, last]))
    return task.line(), fit, unseen


def _held_out(
    some: Lesson,
    starts: Starts,
    measure: str,
    schedule: Schedule,
    turn: int,
    on: torch.device,
    watch: Watch,
    unseen: Vectors,
) -> Fit:
    """How learning without a fold went; `unseen` takes what came of its pictures."""
    kept, held = dealt(len(some), turn, schedule.seed)
    learned, asked = some.part(kept), some.part(held)

    def judge(found: Line) -> float:
        vectors = found.of(asked.vectors)
        if not np.isfinite(vectors).all():
            raise ValueError("a vector is not finite")
        return measured(vectors, asked).mean(measure)

    task = Contrast(learned, starts(learned), judge, on)
    fit = loop.fit(task, replace(schedule, patience=schedule.epochs + 1), watch=watch)
    unseen[held] = task.line().of(asked.vectors)
    return fit


def _go_on(fits: Sequence[Fit]) -> None:
    if any(fit.ended == loop.INTERRUPTED for fit in fits):
        raise KeyboardInterrupt
    if not all(fit.values for fit in fits):
        raise UsageError("what training starts from gives numbers that are not finite: give --loss ridge")


def _ending(fits: Sequence[Fit]) -> str:
    """What is to be said: an end that was not meant, of any of them."""
    odd = [fit.ended for fit in fits if fit.ended in (loop.NOT_A_NUMBER, loop.INTERRUPTED)]
    return odd[0] if odd else loop.FINISHED


def _one_of_each(some: Lesson, random: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int64]]:
    """For each picture the place of one of its texts."""
    order = random.permutation(len(some.owners))
    chosen = np.zeros(len(some), np.int64)
    chosen[some.owners[order]] = order
    return chosen


def _mismatch(near: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy of rows and of columns; where one text is said of several pictures, all of them
    are right, each in part (Khosla et al. 2020)."""
    right = same.to(near.dtype)
    losses = [-(right / right.sum(dim=1, keepdim=True) * each.log_softmax(dim=1)).sum(dim=1).mean()
              for each in (near, near.T)]  # fmt: skip
    return torch.stack(losses).mean()
