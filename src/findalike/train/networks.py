"""EfficientNet-Lite (Tan and Le 2019; Liu 2020) as a torch module of the same numbers as the encoder's graph.

Parameters are named as in the checkpoint, so that its tensors load as they are, and what was trained goes
through the builder that makes the graph of the default encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from findalike import runtime
from findalike.checkpoint import Tensors, read
from findalike.encode import catalog
from findalike.encode.cnn import Statistics
from findalike.encode.efficientnet import BATCH_NORM_EPSILON, INPUT_SCALE, INPUT_ZERO_POINT, STAGE_STRIDES
from findalike.errors import UsageError
from findalike.types import Card, Vector

NETWORKS = ("efficientnet-lite0", "efficientnet-lite2")
UNFREEZE = ("head", "last", "all")
LAST = 2
"""Parts that `last` sets free: the last stage, and the convolution after it."""


class Backbone(nn.Module):
    """The network up to its pooled features. Batch norm keeps the averages of the checkpoint, also while
    training, unless `norms_learn`: batches of a few pictures would spoil them.

    `stages` has the number of blocks of each; the first `frozen` of its `parts` do not learn. `forward` takes
    pixels (n, height, width, 3) in 0..255 and gives (n, channels).
    """

    def __init__(self, tensors: Tensors, norms_learn: bool = False) -> None:
        super().__init__()
        self.norms_learn = norms_learn
        self._conv_stem = _convolution(tensors, "_conv_stem", stride=2)
        self._bn0 = _norm(self._conv_stem)
        self.stages = _stages(tensors)
        strides = [stride for count, stride in zip(self.stages, STAGE_STRIDES, strict=True)
                   for stride in (stride, *[1] * (count - 1))]  # fmt: skip
        starts = {sum(self.stages[:stage]) for stage in range(len(self.stages))}
        self._blocks = nn.ModuleList(
            Block(tensors, f"_blocks.{index}.", stride, residual=index not in starts)
            for index, stride in enumerate(strides)
        )
        self._conv_head = _convolution(tensors, "_conv_head")
        self._bn1 = _norm(self._conv_head)
        self._fc = nn.Linear(*reversed(tensors["_fc.weight"].shape))
        self._load(tensors)
        self.frozen = 0
        self.eval()

    @property
    def channels(self) -> int:
        return int(self._conv_head.out_channels)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.rest(self.prefix(pixels))

    def prefix(self, pixels: Tensor) -> Tensor:
        """What the parts that do not learn make of pixels: the same in every epoch."""
        x = (pixels.permute(0, 3, 1, 2).float() - INPUT_ZERO_POINT) * INPUT_SCALE
        return self._through(x, range(self.frozen))

    def rest(self, x: Tensor) -> Tensor:
        """The pooled features, of what `prefix` gave."""
        return self._through(x, range(self.frozen, len(self.stages) + 2))

    def _through(self, x: Tensor, parts: range) -> Tensor:
        for part in parts:
            if part == 0:
                x = _relu6(self._bn0(_same(self._conv_stem, x)))
            elif part <= len(self.stages):
                first = sum(self.stages[: part - 1])
                for block in self._blocks[first : first + self.stages[part - 1]]:
                    x = block(x)
            else:
                x = _relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))
        return x

    def train(self, mode: bool = True) -> Backbone:
        super().train(mode)
        for number, part in enumerate(self.parts()):
            if number < self.frozen or not self.norms_learn:
                for module in part.modules():
                    if isinstance(module, nn.BatchNorm2d):
                        module.eval()
        return self

    def parts(self) -> list[nn.ModuleList]:
        """What can be set free, from the pixels on: the stem, each stage, and the last convolution."""
        ends = [sum(self.stages[:stage]) for stage in range(len(self.stages) + 1)]
        stages = [nn.ModuleList(self._blocks[start:end]) for start, end in pairwise(ends)]
        return [
            nn.ModuleList([self._conv_stem, self._bn0]),
            *stages,
            nn.ModuleList([self._conv_head, self._bn1]),
        ]

    def unfreeze(self, what: str) -> None:
        """Let the last parts learn, and no other: `head` none, `last` two, `all`, or a number of them.
        Raises UsageError."""
        parts = self.parts()
        free = _free(what, len(parts))
        self.frozen = len(parts) - free
        self.requires_grad_(False)
        for part in parts[self.frozen :]:
            part.requires_grad_(True)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """The weights as numpy arrays under the checkpoint's names, as `efficientnet.float_model` takes
        them."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.state_dict().items()}

    def _load(self, tensors: Tensors) -> None:
        counters = {name for name in tensors if name.endswith("num_batches_tracked")}
        found = {name: torch.from_numpy(array.copy()) for name, array in tensors.items()
                 if name not in counters}  # fmt: skip
        missing, unknown = self.load_state_dict(found, strict=False)
        if unknown or any(not name.endswith("num_batches_tracked") for name in missing):
            raise ValueError(f"weights that do not fit: {[*missing, *unknown][:4]}")


class Block(nn.Module):
    """An inverted residual block (Sandler et al. 2018): wider, by a convolution of each channel, narrow."""

    def __init__(self, tensors: Tensors, prefix: str, stride: int, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.expands = f"{prefix}_expand_conv.weight" in tensors
        if self.expands:
            self._expand_conv = _convolution(tensors, f"{prefix}_expand_conv")
            self._bn0 = _norm(self._expand_conv)
        self._depthwise_conv = _convolution(tensors, f"{prefix}_depthwise_conv", stride, depthwise=True)
        self._bn1 = _norm(self._depthwise_conv)
        self._project_conv = _convolution(tensors, f"{prefix}_project_conv")
        self._bn2 = _norm(self._project_conv)

    def forward(self, entry: Tensor) -> Tensor:
        x = _relu6(self._bn0(self._expand_conv(entry))) if self.expands else entry
        x = _relu6(self._bn1(_same(self._depthwise_conv, x)))
        x = self._bn2(self._project_conv(x))
        return x + entry if self.residual else x


def pretrained(name: str, norms_learn: bool = False) -> tuple[Backbone, Vector]:
    """The network of an encoder that comes with findalike, and the centre that the encoder takes off its
    pooled features, shape (channels,). The file of the weights is checked by its SHA-256, and read without
    unpickling. Raises UsageError, EncoderError."""
    card = card_of(name)
    weights = runtime.locate(card.preprocessing["package"], "models/*.pth")
    runtime.verify(weights, card.sha256)
    centre = Statistics(card.name).mean * np.float32(card.preprocessing["centring"])
    return Backbone(read(weights), norms_learn), centre


def card_of(name: str) -> Card:
    """The card of a network in float32, which is what it is trained in. Raises UsageError."""
    if name not in NETWORKS:
        raise UsageError(f"{name!r} cannot be trained as a whole; there are: {', '.join(NETWORKS)}. A head "
                         "can be trained on the vectors of any encoder: leave out --unfreeze")  # fmt: skip
    return catalog.find(name, "float32")


def _free(what: str, parts: int) -> int:
    """How many of the parts learn."""
    named = {"head": 0, "last": LAST, "all": parts}
    if what in named:
        return named[what]
    if not what.isdecimal() or not 1 <= int(what) <= parts:
        raise UsageError(f"unfreeze is {what!r}, but it must be one of {', '.join(UNFREEZE)}, or how many of "
                         f"the last parts shall learn: 1 to {parts}")  # fmt: skip
    return int(what)


def _stages(tensors: Mapping[str, NDArray[np.float32]]) -> Sequence[int]:
    """How many blocks each stage has: within one, all give the same number of channels."""
    counts: list[int] = []
    channels = index = 0
    while (name := f"_blocks.{index}._project_conv.weight") in tensors:
        if (out := len(tensors[name])) != channels:
            counts.append(0)
        channels, index = out, index + 1
        counts[-1] += 1
    return tuple(counts)


def _convolution(tensors: Tensors, name: str, stride: int = 1, depthwise: bool = False) -> nn.Conv2d:
    """A convolution of the checkpoint's shape; what it lacks at the edges, `_same` adds."""
    out, into, kernel, _ = tensors[f"{name}.weight"].shape
    groups = out if depthwise else 1
    return nn.Conv2d(into * groups, out, kernel, stride, groups=groups, bias=False)


def _norm(convolution: nn.Conv2d) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(convolution.out_channels, eps=BATCH_NORM_EPSILON, momentum=0.01)


def _same(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A convolution whose output is the input's size over the stride, rounded up: where an odd number of rows
    or columns is lacking, one more is added below and to the right (`SAME_UPPER` of ONNX)."""
    kernel, stride = convolution.kernel_size[0], convolution.stride[0]
    down, across = (max(0, (-(-side // stride) - 1) * stride + kernel - side) for side in x.shape[2:])
    padding = (across // 2, across - across // 2, down // 2, down - down // 2)
    return convolution(functional.pad(x, padding)) if any(padding) else convolution(x)


def _relu6(x: Tensor) -> Tensor:
    return functional.relu6(x)
