"""A plain Siamese network (Chopra, Hadsell and LeCun 2005; Hadsell, Chopra and LeCun 2006): twins of one
small convolutional network, begun from nothing, and the contrastive loss.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from findalike.train.data import Places

MARGIN = 1.0
_WIDTHS = (32, 64, 128, 128)


class Twin(nn.Module):
    """Pixels (n, side, side, 3) in 0..255 to rows (n, dim) of unit length; `side` is a multiple of 16. Both
    twins share their weights, so they are one module that sees both pictures."""

    def __init__(self, side: int, dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for into, out in zip((3, *_WIDTHS), _WIDTHS, strict=False):
            layers += [nn.Conv2d(into, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(),
                       nn.MaxPool2d(2)]  # fmt: skip
        self.convolutions = nn.Sequential(*layers)
        self.last = nn.Linear(_WIDTHS[-1] * (side // 16) ** 2, dim)

    def forward(self, pixels: Tensor) -> Tensor:
        planes = (pixels.permute(0, 3, 1, 2).float() - 127) / 128
        return functional.normalize(self.last(self.convolutions(planes).flatten(1)), dim=1)


class ContrastiveLoss(nn.Module):
    """Over all pairs of a batch, as many pictures as they are: half the squared distance d of like ones, and
    half the square of what d lacks to `margin` of unlike ones; like and unlike pairs count the same in all.
    `codes` are the classes of the pictures to learn from."""

    rate = 0.0

    def __init__(self, codes: Places, margin: float = MARGIN) -> None:
        super().__init__()
        self._codes = codes
        self._margin = margin

    def forward(self, vectors: Tensor, places: Places) -> Tensor:
        codes = torch.from_numpy(self._codes[places]).to(vectors.device)
        first, second = torch.triu_indices(len(codes), len(codes), offset=1, device=vectors.device)
        squared = (vectors[first] - vectors[second]).square().sum(dim=1)
        like = codes[first] == codes[second]
        lacking = (self._margin - (squared + 1e-12).sqrt()).clamp(min=0).square()
        return (_mean(squared, like) + _mean(lacking, ~like)) / 2


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    return (values * chosen).sum() / chosen.sum().clamp(min=1)
