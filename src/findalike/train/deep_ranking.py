"""Deep ranking (Wang and others 2014): a deep look at a picture and two shallow ones of smaller scales,
trained so that what is of its class comes first, and within the class what is liker.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from findalike.train.data import Places
from findalike.train.embedder import orthonormal, principal
from findalike.train.looks import Seen, pooled
from findalike.train.networks import Backbone
from findalike.types import Vector, Vectors

GAP = 0.2
"""By how much the squared distance to the less like picture shall be the larger."""

LEAD = 0.1
"""By how much two pictures of a class must differ in relevance for their order to be learned."""

WITHIN = 0.2
"""The share of the loss that in-class negatives have."""

_BRANCHES = ((4, 7, 4, 2), (8, 3, 2, 1))
"""Of each shallow branch: how much smaller its picture is; kernel, stride and padding of its pooling."""

_CHANNELS = 96


class Shallow(nn.Module):
    """One convolution of a picture made smaller, and the largest responses nearby: rows of unit length."""

    def __init__(self, shrink: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.shrink = shrink
        self.convolution = nn.Conv2d(3, _CHANNELS, 8, stride=4, padding=4)
        self.pool = nn.MaxPool2d(kernel, stride, padding)

    def forward(self, planes: Tensor) -> Tensor:
        small = functional.avg_pool2d(planes, self.shrink)
        found = self.pool(functional.relu(self.convolution(small)))
        return functional.normalize(found.flatten(1), dim=1)


class DeepRanking(nn.Module):
    """The deep branch is the default network. The branches, each of unit length, are joined and projected.

    `forward` takes pixels (n, side, side, 3) in 0..255 and gives rows (n, dim) of unit length. Untrained it
    gives the deep branch's alone, since the projection begins with nothing of the others.
    """

    centre: Tensor

    def __init__(self, backbone: Backbone, centre: Vector, side: int, dim: int, seed: int = 0) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("centre", torch.from_numpy(np.asarray(centre, np.float32)))
        self.shallow = nn.ModuleList(Shallow(*each) for each in _BRANCHES)
        planes = torch.zeros(1, 3, side, side)
        sizes = [branch(planes).shape[1] for branch in self.shallow]
        self.projection = nn.Linear(backbone.channels + sum(sizes), dim, bias=False)
        self.begin(np.zeros((0, backbone.channels), np.float32), seed)

    def features(self, seen: Tensor | Seen) -> Tensor:
        """What the deep branch sees, (n, channels)."""
        return pooled(self.backbone, seen) - self.centre

    def forward(self, seen: Tensor | Seen) -> Tensor:
        pixels = seen.pixels if isinstance(seen, Seen) else seen
        planes = (pixels.permute(0, 3, 1, 2).float() - 127) / 128
        deep = functional.normalize(self.features(seen), dim=1)
        looks = [deep, *(branch(planes) for branch in self.shallow)]
        return functional.normalize(self.projection(torch.cat(looks, dim=1)), dim=1)

    def begin(self, features: Vectors, seed: int) -> None:
        """Begin with the principal axes of the deep branch's `features` of untrained pictures."""
        dim, deep = self.projection.out_features, self.backbone.channels
        axes = orthonormal(principal(features, dim), dim, seed)
        with torch.no_grad():
            self.projection.weight.zero_()
            self.projection.weight[:, :deep] = torch.from_numpy(np.ascontiguousarray(axes.T))


class RankingLoss(nn.Module):
    """The hinge loss of all triplets of a batch: a picture, one of its class, and a negative, which is of
    another class or, of the same one, less relevant by `LEAD`.

    `golden`, rows of unit length of the pictures to learn from, says by its cosines how relevant one of a
    class is to another (the paper's golden feature); `codes` are their classes.
    """

    rate = 0.0

    def __init__(self, codes: Places, golden: Vectors, gap: float = GAP, within: float = WITHIN) -> None:
        super().__init__()
        self._codes = codes
        self._golden = golden
        self._gap, self._within = gap, within

    def forward(self, vectors: Tensor, places: Places) -> Tensor:
        codes = torch.from_numpy(self._codes[places]).to(vectors.device)
        golden = torch.from_numpy(self._golden[places]).to(vectors.device)
        apart = (vectors[:, None] - vectors[None]).square().sum(dim=2)
        short = (self._gap + apart[:, :, None] - apart[:, None, :]).clamp(min=0)  # anchor, positive, negative
        same = codes[:, None] == codes
        positive = same & ~torch.eye(len(codes), dtype=torch.bool, device=vectors.device)
        relevance = golden @ golden.T
        lesser = relevance[:, :, None] - relevance[:, None, :] >= LEAD
        out = _mean(short, positive[:, :, None] & ~same[:, None, :])
        within = _mean(short, positive[:, :, None] & positive[:, None, :] & lesser)
        return (1 - self._within) * out + self._within * within


def _mean(short: Tensor, chosen: Tensor) -> Tensor:
    """The mean over the chosen triplets that are not yet in order; 0 where all are."""
    failing = chosen & (short.detach() > 0)
    return (short * failing).sum() / failing.sum().clamp(min=1)
