"""The three networks of MTCNN and dlib's descriptor of faces as ONNX graphs, float32.

All take pixels: uint8 of shape (n, height, width, 3), RGB. What was trained on other numbers has the change
folded into its first convolution, which never pads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from findalike.encode.faces.arrays import Arrays
from findalike.encode.faces.network import Layer, Network
from findalike.errors import EncoderError

OPSET = 17
MTCNN_CENTRE, MTCNN_SCALE = 127.5, 1 / 128
DLIB_SCALE = 1 / 256


@dataclass(slots=True)
class _Graph:
    """Nodes and weights as they are added; each output is named by its number."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        name = output or f"{operator}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def weight(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"weight.{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(values, dtype, order="C"), name))
        return name

    def numbers(self) -> str:
        """The pixels as float32 of shape (n, 3, height, width)."""
        return self.add("Cast", [self.add("Transpose", ["pixels"], perm=[0, 3, 1, 2])], to=TensorProto.FLOAT)

    def built(self, name: str, size: Sequence[int | str], outputs: Mapping[str, Sequence[Any]]) -> bytes:
        pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", *size, 3])
        given = [helper.make_tensor_value_info(each, TensorProto.FLOAT, ["n", *shape])
                 for each, shape in outputs.items()]  # fmt: skip
        graph = helper.make_graph(self.nodes, name, [pixels], given, self.weights)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="findalike", ir_version=9)
        onnx.checker.check_model(model)
        data: bytes = model.SerializeToString()
        return data


# MTCNN (Zhang et al. 2016): each convolution and hidden connection is followed by a PReLU


def proposal(arrays: Arrays) -> bytes:
    """Of any picture, for windows of 12 × 12 pixels two apart: `boxes`, the correction of each (n, 4, h, w),
    and `faces`, the probability that it shows one (n, h, w)."""
    graph = _Graph()
    weights = iter(arrays)
    x = _mtcnn_convolution(graph, graph.numbers(), weights, first=True)
    x = graph.add("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER")
    x = _mtcnn_convolution(graph, x, weights)
    x = _mtcnn_convolution(graph, x, weights)
    _mtcnn_convolution(graph, x, weights, output="boxes", active=False)
    _face(graph, _mtcnn_convolution(graph, x, _between(weights), active=False))
    return graph.built("mtcnn-proposal", ["height", "width"], {"boxes": [4, "h", "w"], "faces": ["h", "w"]})


def refinement(arrays: Arrays) -> bytes:
    """Of pictures of 24 × 24: `boxes` (n, 4) and `faces` (n,) as of `proposal`."""
    graph = _Graph()
    weights = iter(arrays)
    x = _mtcnn_convolution(graph, graph.numbers(), weights, first=True)
    x = graph.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
    x = _mtcnn_convolution(graph, x, weights)
    x = graph.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2])
    x = _mtcnn_hidden(graph, _mtcnn_convolution(graph, x, weights), weights)
    _connection(graph, x, weights, "boxes")
    _face(graph, _connection(graph, x, _between(weights)))
    return graph.built("mtcnn-refinement", [24, 24], {"boxes": [4], "faces": []})


def output(arrays: Arrays) -> bytes:
    """Of pictures of 48 × 48: `boxes` (n, 4), `landmarks` (n, 10: five x and five y, in sides of the
    picture) and `faces` (n,)."""
    graph = _Graph()
    weights = iter(arrays)
    x = _mtcnn_convolution(graph, graph.numbers(), weights, first=True)
    x = graph.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
    x = _mtcnn_convolution(graph, x, weights)
    x = graph.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2])
    x = _mtcnn_convolution(graph, x, weights)
    x = graph.add("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER")
    x = _mtcnn_hidden(graph, _mtcnn_convolution(graph, x, weights), weights)
    _connection(graph, x, weights, "boxes")
    _connection(graph, x, weights, "landmarks")
    _face(graph, _connection(graph, x, _between(weights)))
    return graph.built("mtcnn-output", [48, 48], {"boxes": [4], "landmarks": [10], "faces": []})


def _mtcnn_convolution(
    graph: _Graph, x: str, weights: Any, output: str = "", first: bool = False, active: bool = True
) -> str:
    kernel, bias = next(weights).transpose(3, 2, 0, 1), next(weights)
    if first:
        bias = bias - MTCNN_CENTRE * MTCNN_SCALE * kernel.sum(axis=(1, 2, 3))
        kernel = kernel * MTCNN_SCALE
    if not active:
        return graph.add("Conv", [x, graph.weight(kernel), graph.weight(bias)], output)
    x = graph.add("Conv", [x, graph.weight(kernel), graph.weight(bias)])
    return _parametric(graph, x, next(weights).reshape(-1, 1, 1))


def _parametric(graph: _Graph, x: str, slopes: NDArray[np.float32]) -> str:
    """PReLU of parts: ONNX Runtime's own operator takes several times as long as all these."""
    negative = graph.add("Min", [x, graph.weight(0.0)])
    return graph.add("Add", [graph.add("Relu", [x]), graph.add("Mul", [negative, graph.weight(slopes)])])


def _mtcnn_hidden(graph: _Graph, x: str, weights: Any) -> str:
    """A full connection to the map (n, c, h, w), whose numbers were trained in the order w, h, c."""
    flat = graph.add("Flatten", [graph.add("Transpose", [x], perm=[0, 3, 2, 1])])
    return graph.add("PRelu", [_connection(graph, flat, weights), graph.weight(next(weights))])


def _connection(graph: _Graph, x: str, weights: Any, output: str = "") -> str:
    return graph.add("Gemm", [x, graph.weight(next(weights)), graph.weight(next(weights))], output)


def _between(weights: Any) -> Any:
    """Weights and biases of two classes as those of one, the difference: what softmax makes of the two,
    the logistic function makes of it."""
    return iter([np.diff(next(weights)), np.diff(next(weights))])


def _face(graph: _Graph, x: str) -> None:
    """The probability of a face from a difference (n, 1, ...)."""
    graph.add("Squeeze", [graph.add("Sigmoid", [x]), graph.weight([1], np.int64)], "faces")


# dlib's residual network


@dataclass(frozen=True, slots=True)
class _Map:
    """An output of the graph, and the shape that dlib's arithmetic gives it."""

    name: str
    channels: int
    height: int
    width: int


def descriptor(network: Network) -> bytes:
    """Of pictures of the network's size, `descriptors` (n, 128), as dlib gives them.

    Raises EncoderError for layers in another order than those of dlib's network for faces.
    """
    graph, layers = _Graph(), _Layers(_folded(network))
    x = _Map(graph.numbers(), 3, network.height, network.width)
    x = _relu(graph, _convolution(graph, x, layers.take("con")))
    layers.take("relu")
    x = _pooled(graph, x, layers.take("max_pool"), "MaxPool")
    while layers.next == "con":
        x = _block(graph, x, layers)
    layers.take("avg_pool")
    mean = graph.add("ReduceMean", [x.name], axes=[2, 3], keepdims=0)
    matrix = layers.take("fc").weights
    graph.add("MatMul", [mean, graph.weight(matrix)], "descriptors")
    return graph.built("dlib-face", [network.height, network.width], {"descriptors": [matrix.shape[1]]})


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


def _block(graph: _Graph, x: _Map, layers: _Layers) -> _Map:
    """Two convolutions beside a shortcut, which is averaged where they halve the map (He et al. 2016)."""
    changed = _relu(graph, _convolution(graph, x, layers.take("con")))
    layers.take("relu")
    changed = _convolution(graph, changed, layers.take("con"))
    if layers.next == "avg_pool":
        x = _pooled(graph, x, layers.take("avg_pool"), "AveragePool")
    layers.take("add_prev")
    layers.take("relu")
    return _relu(graph, _sum(graph, changed, x))


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


def _convolution(graph: _Graph, x: _Map, layer: Layer) -> _Map:
    inputs = [x.name, graph.weight(layer.weights), graph.weight(layer.bias)]
    name = graph.add("Conv", inputs, **_window(layer))
    return _Map(name, len(layer.weights), *_size(x, layer))


def _relu(graph: _Graph, x: _Map) -> _Map:
    return replace(x, name=graph.add("Relu", [x.name]))


def _pooled(graph: _Graph, x: _Map, layer: Layer, operator: str) -> _Map:
    return _Map(graph.add(operator, [x.name], **_window(layer)), x.channels, *_size(x, layer))


def _sum(graph: _Graph, one: _Map, other: _Map) -> _Map:
    """Of maps of different sizes, the smaller counts as zero where it ends."""
    shapes = [(each.channels, each.height, each.width) for each in (one, other)]
    largest = tuple(map(max, *shapes))
    names = [_extended(graph, each, largest) for each in (one, other)]
    return _Map(graph.add("Add", names), *largest)


def _extended(graph: _Graph, x: _Map, size: Sequence[int]) -> str:
    lacking = [there - here for there, here in zip(size, (x.channels, x.height, x.width), strict=True)]
    if not any(lacking):
        return x.name
    return graph.add("Pad", [x.name, graph.weight([0, 0, 0, 0, 0, *lacking], np.int64)])


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
