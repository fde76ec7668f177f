"""The loss of a classifier of a whole network: its vectors are told apart by a matrix that is thrown away."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from findalike.train.data import Places

SCALE = 16.0
"""What vectors of unit length are multiplied by, so that a class can be sure."""


class ClassLoss(nn.Module):
    """The cross entropy of classes, by vectors of `dim` numbers. `codes` are those that are learned."""

    rate = 1e-2

    def __init__(self, codes: Places, dim: int) -> None:
        super().__init__()
        self._codes = codes
        self.classes = nn.Linear(dim, int(codes.max()) + 1)

    def forward(self, vectors: Tensor, places: Places) -> Tensor:
        codes = torch.from_numpy(self._codes[places]).to(vectors.device)
        return functional.cross_entropy(self.classes(SCALE * vectors), codes)
