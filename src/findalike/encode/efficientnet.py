"""EfficientNet-Lite (Tan and Le 2019; Liu 2020) as an ONNX graph, built from its PyTorch weights.

Both graphs take `pixels`, uint8 of shape (n, height, width, 3), and give `features` (n, c, h, w), `pooled`
(n, c), their average, and `logits` (n, 1000). The normalisation (x - 127) / 128 is part of the graph; to the
int8 graph it is nothing but the zero point and scale of its input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from findalike import checkpoint
from findalike.checkpoint import Tensors

Ranges = Mapping[str, tuple[float, float]]
"""The least and greatest value seen at each tensor, by the name that the float graph gives it."""

STAGE_STRIDES = (1, 2, 2, 2, 1, 2, 1)
BATCH_NORM_EPSILON = 1e-3
INPUT_ZERO_POINT, INPUT_SCALE = 127, 1 / 128
OPSET = 17


def build(weights: Path, ranges: Ranges | None) -> bytes:
    """The serialised graph of a checkpoint: int8 when ranges are given, else float32."""
    tensors = checkpoint.read(weights)
    model = float_model(tensors) if ranges is None else int8_model(tensors, ranges)
    data: bytes = model.SerializeToString()
    return data


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A convolution with its batch norm folded in: weight (out, in / groups, k, k), bias (out)."""

    name: str
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    stride: int = 1
    groups: int = 1
    relu6: bool = True
    residual: bool = False  # adds the output of the layer before this block


def layers(tensors: Tensors) -> Iterator[Layer]:
    """The convolutions in order, without the classifier."""
    yield _layer(tensors, "_conv_stem", "_bn0", "stem", stride=2)
    stage, channels, index = -1, 0, 0
    while f"_blocks.{index}._project_conv.weight" in tensors:
        block = f"_blocks.{index}."
        out = tensors[f"{block}_project_conv.weight"].shape[0]
        first = out != channels
        stage, channels = stage + first, out
        if f"{block}_expand_conv.weight" in tensors:
            yield _layer(tensors, f"{block}_expand_conv", f"{block}_bn0", f"block{index}.expand")
        stride = STAGE_STRIDES[stage] if first else 1
        depthwise = tensors[f"{block}_depthwise_conv.weight"].shape[0]
        yield _layer(
            tensors,
            f"{block}_depthwise_conv",
            f"{block}_bn1",
            f"block{index}.depthwise",
            stride=stride,
            groups=depthwise,
        )
        yield _layer(
            tensors,
            f"{block}_project_conv",
            f"{block}_bn2",
            f"block{index}.project",
            relu6=False,
            residual=not first,
        )
        index += 1
    yield _layer(tensors, "_conv_head", "_bn1", "head")


def _layer(tensors: Tensors, conv: str, norm: str, name: str, **shape: Any) -> Layer:
    mean, variance = tensors[f"{norm}.running_mean"], tensors[f"{norm}.running_var"]
    gain = tensors[f"{norm}.weight"] / np.sqrt(variance.astype(np.float64) + BATCH_NORM_EPSILON)
    weight = tensors[f"{conv}.weight"] * gain[:, None, None, None]
    bias = tensors[f"{norm}.bias"] - mean * gain
    return Layer(name, weight.astype(np.float32), bias.astype(np.float32), **shape)


@dataclass(slots=True)
class _Graph:
    """Nodes and weights as they are added."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(
            helper.make_node(operator, list(inputs), [output], name=f"{operator}/{output}", **attributes)
        )
        return output

    def weight(self, name: str, values: Any, dtype: Any) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def model(self, channels: int, classes: int) -> onnx.ModelProto:
        pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", "height", "width", 3])
        outputs = [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", channels, "h", "w"]),
            helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["n", channels]),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", classes]),
        ]
        graph = helper.make_graph(self.nodes, "efficientnet-lite", [pixels], outputs, self.weights)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="findalike", ir_version=9)
        onnx.checker.check_model(model)
        return model

    def classify(self, tensors: Tensors) -> onnx.ModelProto:
        """From `features` on, in float: average, classifier."""
        self.add("ReduceMean", ["features"], "pooled", axes=[2, 3], keepdims=0)
        classifier = tensors["_fc.weight"]
        matrix = self.weight("classifier.weight", classifier, np.float32)
        self.add(
            "Gemm",
            ["pooled", matrix, self.weight("classifier.bias", tensors["_fc.bias"], np.float32)],
            "logits",
            transB=1,
        )
        return self.model(classifier.shape[1], classifier.shape[0])


def float_model(tensors: Tensors) -> onnx.ModelProto:
    """The graph in float32. The outputs of its layers carry the names that `Ranges` uses."""
    graph = _Graph()
    graph.weight("zero", 0.0, np.float32)
    graph.weight("six", 6.0, np.float32)
    planes = graph.add("Transpose", ["pixels"], "planes", perm=[0, 3, 1, 2])
    centred = graph.add(
        "Sub",
        [
            graph.add("Cast", [planes], "numbers", to=TensorProto.FLOAT),
            graph.weight("centre", INPUT_ZERO_POINT, np.float32),
        ],
        "centred",
    )
    x = graph.add("Mul", [centred, graph.weight("scale", INPUT_SCALE, np.float32)], "input")
    entry = x  # what went into the block at hand
    for layer in layers(tensors):
        linear = layer.name if not layer.relu6 and not layer.residual else f"{layer.name}.linear"
        weight = graph.weight(f"{layer.name}.weight", layer.weight, np.float32)
        bias = graph.weight(f"{layer.name}.bias", layer.bias, np.float32)
        x = graph.add("Conv", [x, weight, bias], linear, **_convolution(layer))
        if layer.relu6:
            output = "features" if layer.name == "head" else layer.name
            x = graph.add("Clip", [x, "zero", "six"], output)
        elif layer.residual:
            x = graph.add("Add", [x, entry], layer.name)
        if _ends_block(layer):
            entry = x
    return graph.classify(tensors)


def int8_model(tensors: Tensors, ranges: Ranges) -> onnx.ModelProto:
    """The graph with uint8 activations and int8 weights, one scale for each output channel.

    `ranges` are those of the float graph's layers. ReLU6 needs no node: its range begins at 0 and ends at 6
    or before, and saturation does the rest.
    """
    graph = _Graph()
    x = graph.add("Transpose", ["pixels"], "planes", perm=[0, 3, 1, 2])
    scale: dict[str, float] = {x: INPUT_SCALE}
    quantisation = {x: _quantisation(graph, x, INPUT_SCALE, INPUT_ZERO_POINT)}
    entry = x
    for layer in layers(tensors):
        linear = f"{layer.name}.linear" if layer.residual else layer.name
        scale[linear], zero_point = _affine(*ranges[linear if layer.name != "head" else "features"])
        quantisation[linear] = _quantisation(graph, linear, scale[linear], zero_point)
        weight = _quantised_weight(graph, layer, scale[x])
        inputs = [x, *quantisation[x], *weight[:3], *quantisation[linear], weight[3]]
        x = graph.add("QLinearConv", inputs, linear, **_convolution(layer))
        if layer.residual:
            scale[layer.name], zero_point = _affine(*ranges[layer.name])
            quantisation[layer.name] = _quantisation(graph, layer.name, scale[layer.name], zero_point)
            inputs = [x, *quantisation[x], entry, *quantisation[entry], *quantisation[layer.name]]
            x = graph.add("QLinearAdd", inputs, layer.name, domain="com.microsoft")
        if _ends_block(layer):
            entry = x
    graph.add("DequantizeLinear", [x, *quantisation[x]], "features")
    return graph.classify(tensors)


def ranged_tensors(tensors: Tensors) -> list[str]:
    """The names of the float graph whose ranges `int8_model` needs."""
    names = []
    for layer in layers(tensors):
        if layer.residual:
            names.append(f"{layer.name}.linear")
        names.append("features" if layer.name == "head" else layer.name)
    return names


def _ends_block(layer: Layer) -> bool:
    return layer.name == "stem" or layer.name.endswith(".project")


def _convolution(layer: Layer) -> dict[str, Any]:
    kernel = layer.weight.shape[-1]
    return {
        "kernel_shape": [kernel, kernel],
        "strides": [layer.stride, layer.stride],
        "group": layer.groups,
        "auto_pad": "SAME_UPPER",
    }


def _affine(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point that spread uint8 over low..high, zero being a whole step."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    return scale, round(-low / scale)


def _quantisation(graph: _Graph, name: str, scale: float, zero_point: int) -> tuple[str, str]:
    return graph.weight(f"{name}.scale", scale, np.float32), graph.weight(
        f"{name}.zero", zero_point, np.uint8
    )


def _quantised_weight(graph: _Graph, layer: Layer, input_scale: float) -> tuple[str, str, str, str]:
    reach = np.abs(layer.weight).reshape(len(layer.weight), -1).max(axis=1)
    scale = (np.maximum(reach, 1e-12) / 127).astype(np.float32)
    whole = np.clip(np.rint(layer.weight / scale[:, None, None, None]), -127, 127)
    limit = np.iinfo(np.int32)
    bias = np.clip(np.rint(layer.bias / (scale.astype(np.float64) * input_scale)), limit.min, limit.max)
    return (
        graph.weight(f"{layer.name}.weight", whole, np.int8),
        graph.weight(f"{layer.name}.weight.scale", scale, np.float32),
        graph.weight(f"{layer.name}.weight.zero", np.zeros(len(scale)), np.int8),
        graph.weight(f"{layer.name}.bias", bias, np.int32),
    )
