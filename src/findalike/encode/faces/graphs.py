"""The three networks of MTCNN (Zhang et al. 2016) as ONNX graphs, float32.

All take pixels: uint8 of shape (n, height, width, 3), RGB. What was trained on other numbers has the change
folded into its first convolution, which never pads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from findalike.encode.faces.arrays import Arrays

OPSET = 17
MTCNN_CENTRE, MTCNN_SCALE = 127.5, 1 / 128


@dataclass(slots=True)
class Graph:
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
    graph = Graph()
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
    graph = Graph()
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
    graph = Graph()
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
    graph: Graph, x: str, weights: Any, output: str = "", first: bool = False, active: bool = True
) -> str:
    kernel, bias = next(weights).transpose(3, 2, 0, 1), next(weights)
    if first:
        bias = bias - MTCNN_CENTRE * MTCNN_SCALE * kernel.sum(axis=(1, 2, 3))
        kernel = kernel * MTCNN_SCALE
    if not active:
        return graph.add("Conv", [x, graph.weight(kernel), graph.weight(bias)], output)
    x = graph.add("Conv", [x, graph.weight(kernel), graph.weight(bias)])
    return _parametric(graph, x, next(weights).reshape(-1, 1, 1))


def _parametric(graph: Graph, x: str, slopes: NDArray[np.float32]) -> str:
    """PReLU of parts: ONNX Runtime's own operator takes several times as long as all these."""
    negative = graph.add("Min", [x, graph.weight(0.0)])
    return graph.add("Add", [graph.add("Relu", [x]), graph.add("Mul", [negative, graph.weight(slopes)])])


def _mtcnn_hidden(graph: Graph, x: str, weights: Any) -> str:
    """A full connection to the map (n, c, h, w), whose numbers were trained in the order w, h, c."""
    flat = graph.add("Flatten", [graph.add("Transpose", [x], perm=[0, 3, 2, 1])])
    return graph.add("PRelu", [_connection(graph, flat, weights), graph.weight(next(weights))])


def _connection(graph: Graph, x: str, weights: Any, output: str = "") -> str:
    return graph.add("Gemm", [x, graph.weight(next(weights)), graph.weight(next(weights))], output)


def _between(weights: Any) -> Any:
    """Weights and biases of two classes as those of one, the difference: what softmax makes of the two,
    the logistic function makes of it."""
    return iter([np.diff(next(weights)), np.diff(next(weights))])


def _face(graph: Graph, x: str) -> None:
    """The probability of a face from a difference (n, 1, ...)."""
    graph.add("Squeeze", [graph.add("Sigmoid", [x]), graph.weight([1], np.int64)], "faces")
