"""A convolutional denoising autoencoder (Vincent and others 2008; Masci and others 2011): a code of few
numbers from which a picture is drawn again, though what was seen of it was spoiled. The code is the
embedding; no labels are needed.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

MASKED, NOISE = 0.25, 0.1
"""The share of pixels that are blackened, and the standard deviation of what is added to the others, of 1."""

_WIDTHS, _LAST = (32, 64, 128, 256), 16


class Autoencoder(nn.Module):
    """`forward` takes pixels (n, side, side, 3) in 0..255, `side` a multiple of 16, and gives the code
    (n, dim), of unit length; `drawn` gives the picture again."""

    def __init__(self, side: int, dim: int) -> None:
        super().__init__()
        self._least = side // 16
        flat = _WIDTHS[-1] * self._least**2
        self.encoder = nn.Sequential(
            *(_halved(into, out) for into, out in pairwise((3, *_WIDTHS))),
            nn.Flatten(),
            nn.Linear(flat, dim),
            nn.BatchNorm1d(dim, affine=False),
        )
        self.widened = nn.Sequential(nn.Linear(dim, flat), nn.ReLU())
        self.decoder = nn.Sequential(
            *(_doubled(into, out) for into, out in pairwise((*_WIDTHS[::-1], _LAST))),
            nn.Conv2d(_LAST, 3, 3, padding=1),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        return functional.normalize(self.encoder(planes_of(pixels)), dim=1)

    def drawn(self, planes: Tensor) -> Tensor:
        """Planes (n, 3, side, side), grey being 0 and black −0.5, drawn again from their code."""
        wide = self.widened(self.encoder(planes))
        found: Tensor = self.decoder(wide.view(len(planes), _WIDTHS[-1], self._least, self._least))
        return found

    def loss(self, pixels: Tensor) -> Tensor:
        """The mean squared error of what is drawn from spoiled pixels, of 1."""
        planes = planes_of(pixels)
        return functional.mse_loss(self.drawn(spoiled(planes)), planes)


def spoiled(planes: Tensor) -> Tensor:
    """Noise added, and some pixels black, both by torch's own randomness."""
    noisy = planes + NOISE * torch.randn_like(planes)
    masked = torch.rand(len(planes), 1, *planes.shape[2:], device=planes.device) < MASKED
    return torch.where(masked, torch.full_like(planes, -0.5), noisy)


def planes_of(pixels: Tensor) -> Tensor:
    """Pixels (n, side, side, 3) in 0..255 as planes (n, 3, side, side) in −0.5..0.5."""
    return pixels.permute(0, 3, 1, 2).float() / 255 - 0.5


def _halved(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(into, out, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(out), nn.ReLU()
    )


def _doubled(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(into, out, 3, padding=1, bias=False),
                         nn.BatchNorm2d(out), nn.ReLU())  # fmt: skip
