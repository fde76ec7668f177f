"""Epochs: learn, measure, keep the best, and stop when nothing has got better for long.

What decides is the measure of retrieval, never the loss. After each epoch all is written beside the result,
so that a run that was ended goes on from there to the very same end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from findalike.errors import UsageError
from findalike.train import checkpoint as checkpoints
from findalike.train.checkpoint import Checkpoint

FINISHED, PATIENCE, NOT_A_NUMBER, INTERRUPTED = "finished", "no better", "not a number", "interrupted"
EVERY = 5.0
"""Seconds between two writings of where a run stands: an epoch of a head takes less than writing it does."""

NOT_FINITE = (
    "what training begins from gives numbers that are not finite, so nothing can be learned: name another "
    "--encoder, or give --device cpu"
)

LARGEST_GRADIENT = 5.0
"""Of the length of all gradients together: longer ones are shortened to it."""


class Task(Protocol):
    """What is trained."""

    @property
    def model(self) -> nn.Module:
        """All that learns, the weights of the loss among it."""
        ...

    def groups(self) -> list[dict[str, Any]]:
        """The parameters as an optimizer takes them, each group with its `lr`."""
        ...

    def losses(self, random: np.random.Generator) -> Iterator[torch.Tensor]:
        """The loss of each batch of an epoch, all that is random in it drawn from `random` or torch."""
        ...

    def measure(self) -> float:
        """How good the model is, on what is not learned from: higher is better. Raises ValueError where that
        is not a number."""
        ...


@dataclass(frozen=True, slots=True)
class Schedule:
    """At most so many epochs; an end after `patience` of them without a better measure. Rates fall along half
    a cosine (Loshchilov and Hutter 2017)."""

    epochs: int = 60
    patience: int = 15
    seed: int = 0
    weight_decay: float = 0.0


@dataclass(frozen=True, slots=True)
class Tick:
    """An epoch that is done: `values` are the measures so far, that before the first among them; `loss` is
    NaN before the first."""

    epoch: int
    epochs: int
    loss: float
    values: tuple[float, ...]
    best_epoch: int


@dataclass(frozen=True, slots=True)
class Fit:
    """How it went: the measure before the first epoch and after each, the losses, which was the best, and why
    it ended: one of `FINISHED`, `PATIENCE`, `NOT_A_NUMBER` and `INTERRUPTED`."""

    values: tuple[float, ...]
    losses: tuple[float, ...]
    best_epoch: int
    ended: str

    @property
    def best(self) -> float:
        return self.values[self.best_epoch]


Watch = Callable[[Tick], None]
Tensors = Mapping[str, torch.Tensor]


@dataclass(slots=True)
class _Run:
    """Where a run stands."""

    optimizer: torch.optim.Optimizer
    rates: list[float]
    values: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    best: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """How many are done."""
        return len(self.losses)

    @property
    def best_epoch(self) -> int:
        """The first of the best: what comes later must be better to count."""
        return int(np.argmax(self.values))


def fit(
    task: Task,
    schedule: Schedule,
    checkpoint: Path | None = None,
    resume: bool = False,
    purpose: str = "",
    watch: Watch = lambda _: None,
    every: float = EVERY,
) -> Fit:
    """Train, and leave the best weights in the task's model.

    `checkpoint` is the file that is written after the first epoch, and after each that ends `every` seconds
    after the last time; with `resume` the run goes on from what is there, which must be of the same
    `purpose`, a text that says all that decides the result. A loss that is not a number and Ctrl-C end the
    run with the best so far; `Fit.ended` says so. Raises UsageError for a checkpoint that is missing or of
    another run, LibraryError where it cannot be written.
    """
    _seed(schedule.seed, 0)
    run = _begun(task, schedule)
    if resume:
        _restore(task.model, run, checkpoints.read(_there(checkpoint), purpose))
    ended, due = FINISHED, 0.0
    try:
        if not run.values:
            _note(task, run)
        while (ended := _ended(run, schedule)) == "":
            loss = _epoch(task, run, schedule)
            if not math.isfinite(loss):
                ended = NOT_A_NUMBER
                break
            run.losses.append(loss)
            _note(task, run)
            watch(_tick(run, schedule))
            if checkpoint and time.monotonic() >= due:
                due = time.monotonic() + every
                checkpoints.write(checkpoint, _state(task.model, run, purpose))
    except ValueError as error:
        if "not finite" not in str(error) and "not a number" not in str(error):
            raise
        ended = NOT_A_NUMBER
        del run.losses[max(0, len(run.values) - 1) :]
    except KeyboardInterrupt:
        ended = INTERRUPTED
    if run.best:
        task.model.load_state_dict(run.best)
    return Fit(tuple(run.values), tuple(run.losses), run.best_epoch if run.values else 0, ended)


def check_begun(fit: Fit) -> None:
    """Raises UsageError for a run that began from numbers that are not finite, so that nothing was learned,
    and KeyboardInterrupt for one that was interrupted before its beginning was measured."""
    if fit.values:
        return
    if fit.ended == NOT_A_NUMBER:
        raise UsageError(NOT_FINITE)
    raise KeyboardInterrupt


def device(name: str = "auto") -> torch.device:
    """The device of a name: `auto` is a GPU where there is one. Raises UsageError."""
    if name == "auto":
        mps = getattr(torch.backends, "mps", None)
        return torch.device(
            "cuda" if torch.cuda.is_available() else "mps" if mps and mps.is_available() else "cpu"
        )
    try:
        found = torch.device(name)
        torch.zeros(1, device=found)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"the device {name!r} cannot be used ({_first_line(error)}): give --device auto, "
                         "cpu or cuda") from error  # fmt: skip
    return found


# An epoch


def _begun(task: Task, schedule: Schedule) -> _Run:
    groups = task.groups()
    optimizer = torch.optim.AdamW(groups, weight_decay=schedule.weight_decay)
    return _Run(optimizer, [group["lr"] for group in optimizer.param_groups])


def _ended(run: _Run, schedule: Schedule) -> str:
    """Why it is time to end, or nothing."""
    if run.epoch >= schedule.epochs:
        return FINISHED
    return PATIENCE if run.epoch - run.best_epoch >= schedule.patience else ""


def _epoch(task: Task, run: _Run, schedule: Schedule) -> float:
    """The mean loss of an epoch; not a number as soon as one is none."""
    _seed(schedule.seed, run.epoch + 1)
    random = np.random.default_rng([schedule.seed, run.epoch + 1])
    pace = (1 + math.cos(math.pi * run.epoch / schedule.epochs)) / 2
    for group, rate in zip(run.optimizer.param_groups, run.rates, strict=True):
        group["lr"] = rate * pace
    task.model.train()
    found = []
    for loss in task.losses(random):
        found.append(float(loss.detach()))
        if not math.isfinite(found[-1]):
            return math.nan
        _step(task.model, run.optimizer, loss)
    return float(np.mean(found))


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    if loss.requires_grad:
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimizer.step()


def _note(task: Task, run: _Run) -> None:
    """Measure, and keep the weights where they are the best so far."""
    task.model.eval()
    with torch.no_grad():
        value = task.measure()
    if not math.isfinite(value):
        raise ValueError("the measure is not a number")
    run.values.append(value)
    if run.best_epoch == len(run.values) - 1:
        run.best = {name: tensor.detach().clone() for name, tensor in task.model.state_dict().items()}


def _seed(seed: int, epoch: int) -> None:
    """All that torch draws follows from the seed and the epoch, so that a run goes on as if unbroken."""
    torch.manual_seed(seed * 1_000_003 + epoch)


def _tick(run: _Run, schedule: Schedule) -> Tick:
    return Tick(run.epoch, schedule.epochs, run.losses[-1], tuple(run.values), run.best_epoch)


# Between epochs


def _there(path: Path | None) -> Path:
    if path is None:
        raise UsageError("--resume needs the file that the run left behind, beside its result")
    return path


def _state(model: nn.Module, run: _Run, purpose: str) -> Checkpoint:
    moments = {
        f"{number}/{name}": _array(value)
        for number, values in run.optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }
    return Checkpoint(purpose, tuple(run.values), tuple(run.losses), _arrays(model.state_dict()),
                      _arrays(run.best), moments)  # fmt: skip


def _restore(model: nn.Module, run: _Run, found: Checkpoint) -> None:
    run.values, run.losses = list(found.values), list(found.losses)
    model.load_state_dict(_tensors(found.model))
    run.best = _tensors(found.best)
    state = run.optimizer.state_dict()
    for name, array in found.optimizer.items():
        number, _, key = name.partition("/")
        state["state"].setdefault(int(number), {})[key] = torch.from_numpy(array.copy())
    run.optimizer.load_state_dict(state)


def _array(value: Any) -> NDArray[Any]:
    return np.asarray(value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value)


def _arrays(tensors: Tensors) -> dict[str, NDArray[Any]]:
    return {name: _array(tensor) for name, tensor in tensors.items()}


def _tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
