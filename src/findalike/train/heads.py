"""A head: vectors of another encoder, turned and stretched so that what belongs together comes near.

It begins where `beginning` can solve it at once, and is held to that: from few pictures little can be known
(Li, Grandvalet and Davoine 2018 hold all weights to where they began).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from findalike.encode import file_card
from findalike.encode.file_card import FileCard
from findalike.errors import UsageError
from findalike.train import beginning, data, export, loop, metric
from findalike.train.data import Examples, Places
from findalike.train.metric import Plan, Retrieval
from findalike.train.splits import TRAIN, Split
from findalike.types import Card, Vectors

RATE = 0.25
"""Over the numbers of a vector of the base: so many weights add up in each number of a new one, and all move
by about the rate with a batch."""

HOLD = 0.1
"""How strongly a head is held to its beginning: times how far its axes strayed from there."""

_SAME = 1e-6


class Head(nn.Module):
    """Shape (n, base dim) to (n, dim), of unit length. A vector of zeros stays one. With `hidden`, a layer of
    so many numbers adds what no straight line can; it begins by adding nothing."""

    def __init__(self, mean: torch.Tensor, axes: torch.Tensor, hidden: int = 0) -> None:
        super().__init__()
        self.bend = _bend(axes.shape[0], hidden, axes.shape[1]) if hidden else None
        self.register_buffer("mean", mean.clone())
        self.register_buffer("begun", axes.clone(), persistent=False)
        self.axes = nn.Parameter(axes.clone())

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        there = (vectors.abs().sum(dim=1, keepdim=True) > 0).to(vectors.dtype)
        centred = vectors - self.mean
        found = centred @ self.axes + (self.bend(centred) if self.bend is not None else 0)
        return nn.functional.normalize(found * there, dim=1)

    def strayed(self) -> torch.Tensor:
        """How far it is from its beginning: the share of the length of its axes."""
        squares: torch.Tensor = (self.axes - self.begun).square().sum() / self.begun.square().sum()
        return squares


def _bend(width: int, hidden: int, dim: int) -> nn.Module:
    last = nn.Linear(hidden, dim, bias=False)
    nn.init.zeros_(last.weight)
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), last)


def begun(
    examples: Examples, vectors: Vectors, dim: int | None = None, across: str | None = None, hidden: int = 0
) -> Head:
    """A head for vectors like these, one for each example, of `dim` numbers or as many as they have. Raises
    ValueError for vectors that do not differ."""
    mean = vectors.mean(axis=0)
    if not np.abs(vectors - mean).max(initial=0) > _SAME:
        raise ValueError("all vectors are the same")
    axes = beginning.axes(examples, vectors, dim, across)
    return Head(
        torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(np.ascontiguousarray(axes)), hidden
    )


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Fetches vectors, shape (n, base dim). Learned from, they are varied by noise of about `noise` of their
    length."""

    vectors: Vectors
    noise: float = 0.0

    def __call__(self, places: Places, random: np.random.Generator | None) -> torch.Tensor:
        rows = self.vectors[places]
        if random is not None and self.noise:
            spread = self.noise / np.sqrt(rows.shape[1])
            rows = rows + random.normal(0, spread, rows.shape).astype(np.float32)
        return torch.from_numpy(rows)


def task(
    examples: Examples, vectors: Vectors, split: Split, plan: Plan, dim: int | None = None,
    hold: float = HOLD, hidden: int = 0,
) -> Retrieval:  # fmt: skip
    """A head to be trained; `vectors` has a row for each example. Raises UsageError for what cannot be
    learned from."""
    torch.manual_seed(plan.schedule.seed)
    try:
        some = split.places(TRAIN)
        head = begun(data.subset(examples, some), vectors[some], dim, plan.across, hidden)
    except ValueError as error:
        raise UsageError("all pictures to learn from have the same vector, so there is nothing to tell "
                         "apart: name another --encoder, or give other pictures") from error  # fmt: skip
    objective = metric.objective(examples, split, plan, head.axes.shape[1])
    rates = [{"params": list(head.parameters()), "lr": RATE / vectors.shape[1]}]
    return Retrieval(head, objective, Stored(vectors), examples, split, plan, rates, loop.device(plan.device),
                     lambda: hold * head.strayed())  # fmt: skip


def exported(head: Head, base: Card, card: FileCard) -> tuple[FileCard, bytes]:
    """The card of a head with its base, and its graph. Raises EncoderError where that gives other numbers."""
    random = torch.Generator().manual_seed(0)
    rows = nn.functional.normalize(torch.randn(5, base.dim, generator=random), dim=1)
    graph = export.onnx_bytes(head, rows, file_card.VECTORS)
    return replace(card, base=file_card.mention(base), licence=base.licence or "unknown"), graph
