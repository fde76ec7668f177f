"""The layers of a network that dlib wrote to a file (King 2009), read with numpy alone.

dlib writes the layers from the picture on, each with its settings and numbers, and what it needed to train
them. Before them stand the version numbers of the types they are made of, which nothing here depends on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from findalike.errors import EncoderError

INPUT = "input_rgb_image_sized"

_LARGEST_VERSION = 3
"""What is larger, where a version or a name may stand, is the length of a name."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """`kind` is `con`, `affine`, `relu`, `max_pool`, `avg_pool`, `add_prev` or `fc`.

    `window` is height, width, stride down and across, padding down and across; of height 0, the whole map.
    `weights` are those of a convolution (out, in, height, width), the gains of an affine layer (channels), or
    the matrix (in, out) of a full connection; `bias` has one number for each output.
    """

    kind: str
    window: tuple[int, ...] = ()
    weights: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    bias: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """`mean` is taken off the red, green and blue of pictures of `height` and `width`, and what is left
    divided by 256."""

    mean: tuple[float, float, float]
    height: int
    width: int
    layers: tuple[Layer, ...]


def read(path: Path) -> Network:
    """The network of a file. Raises EncoderError for one that is no residual network of dlib's."""
    try:
        return _Reader(path.read_bytes()).network()
    except (ValueError, IndexError, KeyError, OverflowError) as error:
        raise EncoderError(f"{path}: not a network for faces that dlib wrote ({error})") from error


class _Reader:
    """dlib's serialisation, from the start of some bytes to their end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def network(self) -> Network:
        self._name_after_versions()  # of the loss
        self._floats(2)
        if (name := self._name_after_versions()) != INPUT:
            raise ValueError(f"it begins with {name!r}, not with {INPUT!r}")
        red, green, blue = self._floats(3)
        height, width = self._whole_numbers(2)
        layers = [self._layer()]
        self._whole_number()  # how many samples the input makes of one
        while self._at < len(self._content):
            layers.append(self._layer())
        return Network((red, green, blue), height, width, tuple(layers))

    def _layer(self) -> Layer:
        layer = _KINDS[self._name(self._whole_number())](self)
        self._take(3)  # whether it was set up, and two more for training
        for _ in ("gradient", "output", "gradients of the parameters"):
            self._tensor()
        return layer

    def convolution(self) -> Layer:
        parameters, count = self._tensor(), self._whole_number()
        window, shape = tuple(self._whole_numbers(6)), self._shape_of_part()
        self._after_parameters()
        weights, bias = np.split(parameters.ravel(), [math.prod(shape)])
        if len(bias) != count:
            raise ValueError("a convolution with some other number of biases than outputs")
        return Layer("con", window, weights.reshape(shape), bias)

    def affine(self) -> Layer:
        gains, bias = np.split(self._tensor().ravel(), 2)
        self._shape_of_part()
        self._shape_of_part()
        self._whole_number()  # whether each place has its own, which the shape says too
        return Layer("affine", weights=gains, bias=bias)

    def full_connection(self) -> Layer:
        outputs, inputs = self._whole_numbers(2)
        matrix = self._tensor().reshape(inputs, outputs)
        self._shape_of_part()
        self._shape_of_part()
        self._whole_number()
        self._floats(4)
        return Layer("fc", weights=matrix)

    def max_pool(self) -> Layer:
        return Layer("max_pool", tuple(self._whole_numbers(6)))

    def average_pool(self) -> Layer:
        return Layer("avg_pool", tuple(self._whole_numbers(6)))

    def relu(self) -> Layer:
        return Layer("relu")

    def add_previous(self) -> Layer:
        return Layer("add_prev")

    def _after_parameters(self) -> None:
        self._shape_of_part()
        self._floats(4)

    def _name_after_versions(self) -> str:
        while (number := self._whole_number()) <= _LARGEST_VERSION:
            pass
        return self._name(number)

    def _name(self, length: int) -> str:
        return self._take(length).decode("ascii", "replace")

    def _take(self, count: int) -> bytes:
        if count < 0 or self._at + count > len(self._content):
            raise ValueError(f"it ends at byte {len(self._content):,}, inside a layer")
        self._at += count
        return self._content[self._at - count : self._at]

    def _whole_number(self) -> int:
        """A byte with the sign and the count of those that follow, the lowest first."""
        head = self._take(1)[0]
        number = int.from_bytes(self._take(head & 0x0F), "little")
        return -number if head & 0x80 else number

    def _whole_numbers(self, count: int) -> list[int]:
        return [self._whole_number() for _ in range(count)]

    def _floats(self, count: int) -> list[float]:
        """Each a whole number and a power of two."""
        return [math.ldexp(*self._whole_numbers(2)) for _ in range(count)]

    def _tensor(self) -> NDArray[np.float32]:
        if (version := self._whole_number()) != 2:
            raise ValueError(f"a tensor of version {version}, not 2")
        shape = self._whole_numbers(4)
        return np.frombuffer(self._take(4 * math.prod(shape)), "<f4").reshape(shape)

    def _shape_of_part(self) -> tuple[int, ...]:
        self._whole_number()
        return tuple(self._whole_numbers(4))


_KINDS: Mapping[str, Callable[[_Reader], Layer]] = {
    "con_4": _Reader.convolution,
    "affine_": _Reader.affine,
    "relu_": _Reader.relu,
    "max_pool_2": _Reader.max_pool,
    "avg_pool_2": _Reader.average_pool,
    "add_prev_": _Reader.add_previous,
    "fc_2": _Reader.full_connection,
}
