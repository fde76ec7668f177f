"""dlib's residual network for faces as an ONNX graph, in float32 or in int8.

It takes pixels: uint8 of shape (n, height, width, 3), RGB.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike.encode.faces.graphs import Graph
from findalike.encode.faces.network import Layer, Network
from findalike.errors import EncoderError

Ranges = Mapping[str, tuple[float, float]]
"""The least and greatest value of each map, by its name."""

DLIB_SCALE = 1 / 256


@dataclass(frozen=True, slots=True)
class _Map:
    """An output of the graph, and the shape that dlib's arithmetic gives it."""

    name: str
    channels: int
    height: int
    width: int


def descriptor(network: Network, ranges: Ranges | None = None) -> bytes:
    """Of pictures of the network's size, `descriptors` (n, 128), as dlib gives them; `map.0`, `map.1`, … are
    the maps in between. With `ranges`, the least and greatest value seen in each map of the float graph, in
    uint8 with weights of int8, one scale for each output channel.

    Raises EncoderError for layers in another order than those of dlib's network for faces.
    """
    graph, layers = _Maps(ranges=ranges), _Layers(_folded(network))
    x = _Map(graph.quantised(graph.numbers(), 0, 255), 3, network.height, network.width)
    x = graph.convolution(x, layers.take("con"), active=True)
    layers.take("relu")
    x = graph.pooled(x, layers.take("max_pool"), "MaxPool")
    while layers.next == "con":
        x = _block(graph, x, layers)
    layers.take("avg_pool")
    mean = graph.add("ReduceMean", [x.name], axes=[2, 3], keepdims=0)
    matrix = layers.take("fc").weights
    graph.add("MatMul", [mean, graph.weight(matrix)], "descriptors")
    return graph.built("dlib-face", [network.height, network.width], {"descriptors": [matrix.shape[1]]})


def _block(graph: _Maps, x: _Map, layers: _Layers) -> _Map:
    """Two convolutions beside a shortcut, which is averaged where they halve the map (He et al. 2016)."""
    changed = graph.convolution(x, layers.take("con"), active=True)
    layers.take("relu")
    changed = graph.convolution(changed, layers.take("con"), active=False)
    if layers.next == "avg_pool":
        x = graph.pooled(x, layers.take("avg_pool"), "AveragePool")
    layers.take("add_prev")
    layers.take("relu")
    return graph.sum(changed, x)


@dataclass(slots=True)
class _Maps(Graph):
    """A graph of maps, named in the order of their making; quantised where their ranges are given."""

    ranges: Ranges | None = None
    made: int = 0
    steps: dict[str, float] = field(default_factory=dict)

    def convolution(self, x: _Map, layer: Layer, active: bool) -> _Map:
        weights = self._exact(layer) if self.ranges is None else self._rounded(layer, self.steps[x.name])
        name = self._map("Conv", [x.name, *weights], active, **_window(layer))
        return _Map(name, len(layer.weights), *_size(x, layer))

    def pooled(self, x: _Map, layer: Layer, operator: str) -> _Map:
        name = self._map(operator, [x.name], False, **_window(layer))
        return _Map(name, x.channels, *_size(x, layer))

    def sum(self, one: _Map, other: _Map) -> _Map:
        """What is positive of the sum of two maps. Of different sizes, the smaller is zero where it ends."""
        shapes = [(each.channels, each.height, each.width) for each in (one, other)]
        most = tuple(map(max, *shapes))
        names = [self._extended(each, most) for each in (one, other)]
        return _Map(self._map("Add", names, True), *most)

    def quantised(self, name: str, low: float, high: float) -> str:
        """A tensor in 256 steps from `low` to `high`, of which zero is one; as it is in a float graph."""
        if self.ranges is None:
            return name
        low, high = min(low, 0.0), max(high, 0.0)
        step = (high - low) / 255
        grid = [self.weight(step), self.weight(round(-low / step), np.uint8)]
        rounded = self.add("DequantizeLinear", [self.add("QuantizeLinear", [name, *grid]), *grid])
        self.steps[rounded] = step
        return rounded

    def _map(self, operator: str, inputs: Sequence[str], active: bool, **attributes: Any) -> str:
        """The next map: of what is positive, if `active`, which rounding from 0 on does by itself."""
        name = f"map.{self.made}"
        self.made += 1
        if self.ranges is not None:
            low, high = self.ranges[name]
            return self.quantised(self.add(operator, inputs, **attributes), 0.0 if active else low, high)
        if active:
            return self.add("Relu", [self.add(operator, inputs, **attributes)], name)
        return self.add(operator, inputs, name, **attributes)

    def _exact(self, layer: Layer) -> list[str]:
        return [self.weight(layer.weights), self.weight(layer.bias)]

    def _rounded(self, layer: Layer, step: float) -> list[str]:
        """Weights in int8, and biases in int32 whose steps are those of the products."""
        reach = np.abs(layer.weights).reshape(len(layer.weights), -1).max(axis=1)
        scale = (np.maximum(reach, 1e-12) / 127).astype(np.float32)
        weights = np.rint(layer.weights / scale[:, None, None, None]).clip(-127, 127)
        products = (scale * np.float32(step)).astype(np.float32)
        return [
            self._constant(weights, np.int8, scale),
            self._constant(np.rint(layer.bias / products.astype(np.float64)), np.int32, products),
        ]

    def _constant(self, whole: NDArray[Any], dtype: Any, scale: NDArray[np.float32]) -> str:
        zero = self.weight(np.zeros(len(scale)), dtype)
        inputs = [self.weight(whole, dtype), self.weight(scale), zero]
        return self.add("DequantizeLinear", inputs, axis=0)

    def _extended(self, x: _Map, size: Sequence[int]) -> str:
        lacking = [there - here for there, here in zip(size, (x.channels, x.height, x.width), strict=True)]
        if not any(lacking):
            return x.name
        return self.add("Pad", [x.name, self.weight([0, 0, 0, 0, 0, *lacking], np.int64)])


class _Layers:
    """The layers of a network, taken one by one."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._left = deque(layers)

    @property
    def next(self) -> str:
        return self._left[0].kind if self._left else ""

    def take(self, kind: str) -> Layer:
        if self.next != kind:
            raise EncoderError(f"dlib's network has {self.next or 'no layer'} where {kind} was expected")
        return self._left.popleft()


def _folded(network: Network) -> list[Layer]:
    """The layers with each affine one folded into the convolution before it, and the change of pixels into
    the first."""
    found: list[Layer] = []
    for layer in network.layers:
        if layer.kind == "affine":
            before = found.pop()
            weights = before.weights * layer.weights[:, None, None, None]
            found.append(replace(before, weights=weights, bias=before.bias * layer.weights + layer.bias))
        else:
            found.append(layer)
    first = found[0]
    weights = first.weights * np.float32(DLIB_SCALE)
    shift = (weights * np.asarray(network.mean, np.float32)[:, None, None]).sum(axis=(1, 2, 3))
    return [replace(first, weights=weights, bias=first.bias - shift), *found[1:]]


def _window(layer: Layer) -> dict[str, Any]:
    tall, wide, down, across, above, beside = layer.window
    return {
        "kernel_shape": [tall, wide],
        "strides": [down, across],
        "pads": [above, beside, above, beside],
    }


def _size(x: _Map, layer: Layer) -> tuple[int, int]:
    tall, wide, down, across, above, beside = layer.window
    return (x.height + 2 * above - tall) // down + 1, (x.width + 2 * beside - wide) // across + 1
