"""Small networks as people export them, written with `onnx.helper`: a few kilobytes each, and simple enough
for numpy to say what they must give."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from findalike.encode import file_card
from findalike.encode.file_card import FileCard
from findalike.types import Card

WORDS = ("red", "green", "blue")
COLOURS = np.random.default_rng(7).normal(size=(3, 8)).astype(np.float32)
"""The picture tower's matrix: the embedding of a colour (r, g, b) is the product with it."""

CONV = np.random.default_rng(1).normal(size=(8, 3, 3, 3)).astype(np.float32)
SCORES = np.random.default_rng(2).normal(size=(8, 5)).astype(np.float32)
PATCH = np.random.default_rng(3).normal(size=(6, 3, 8, 8)).astype(np.float32)
FIRST = np.random.default_rng(4).normal(size=(1, 1, 6)).astype(np.float32)

PREPROCESSOR = {
    "do_resize": True,
    "size": {"shortest_edge": 36},
    "do_center_crop": True,
    "crop_size": {"height": 32, "width": 32},
    "resample": 3,
    "rescale_factor": 1 / 255,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.4],
}

Shape = Sequence[int | str]


def save(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], **weights: Any) -> Path:
    constants = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    made = helper.make_graph(nodes, "small", inputs, outputs, constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def value(name: str, shape: Shape | None, kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def resnet(
    path: Path, shape: Shape = ("n", 3, 32, 32), outputs: Sequence[str] = ("logits",), factor: float = 1.0
) -> Path:
    """Convolution, ReLU, average, class scores; any of the outputs `map`, `features`, `logits`."""
    nodes = [
        helper.make_node("Conv", ["data", "conv"], ["raw"], strides=[2, 2]),
        helper.make_node("Relu", ["raw"], ["map"]),
        helper.make_node("GlobalAveragePool", ["map"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["features"]),
        helper.make_node("MatMul", ["features", "scores"], ["logits"]),
    ]
    ranks = {"map": ["n", 8, "h", "w"], "features": ["n", 8], "logits": ["n", 5]}
    given = [value(name, ranks[name]) for name in outputs]
    return save(path, nodes, [value("data", shape)], given, conv=CONV * np.float32(factor), scores=SCORES)


def vit(path: Path, first: bool = True) -> Path:
    """Patches of 8 × 8 as tokens, after a first token of its own where `first`: `last_hidden_state`."""
    nodes = [
        helper.make_node("Conv", ["pixel_values", "patch"], ["map"], strides=[8, 8]),
        helper.make_node("Reshape", ["map", "flat"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["tokens"], perm=[0, 2, 1]),
        helper.make_node("ReduceMean", ["tokens"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "first"], ["own"]),
        helper.make_node("Concat", ["own", "tokens"] if first else ["tokens"], ["last_hidden_state"], axis=1),
    ]
    return save(
        path,
        nodes,
        [value("pixel_values", ["batch", "channels", "height", "width"])],
        [value("last_hidden_state", ["batch", "tokens", 6])],
        patch=PATCH,
        first=FIRST,
        flat=np.array([0, 6, -1], np.int64),
    )


def uint8(path: Path) -> Path:
    """Pixels as they are, (1, height, width, 3): their mean colour, as float16."""
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT16),
        helper.make_node("Mul", ["numbers", "scale"], ["small"]),
        helper.make_node("ReduceMean", ["small"], ["embedding"], axes=[1, 2], keepdims=0),
    ]
    inputs = [value("image", [1, 24, 24, 3], TensorProto.UINT8)]
    outputs = [value("embedding", [1, 3], TensorProto.FLOAT16)]
    return save(path, nodes, inputs, outputs, scale=np.float16(1 / 255))


def not_finite(path: Path) -> Path:
    """The share of each colour: for a picture that is black, zero by zero."""
    nodes = [
        helper.make_node("ReduceMean", ["data"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceSum", ["mean", "axis"], ["sum"], keepdims=1),
        helper.make_node("Div", ["mean", "sum"], ["embedding"]),
    ]
    inputs, outputs = [value("data", ["n", 3, 16, 16])], [value("embedding", ["n", 3])]
    save(path, nodes, inputs, outputs, axis=np.array([1], np.int64))
    (path.parent / "preprocessor_config.json").write_text('{"do_normalize": false}', "utf-8")
    return path


def two_tower(
    folder: Path, joint: bool = False, suffix: str = "", text_dim: int = 8, mean: float = 0.0
) -> Path:
    """A folder as of a hub. A picture's embedding is its mean colour less `mean`, times COLOURS, a text's the
    sum of what its words mean, so that `red` finds what is red."""
    see = [
        helper.make_node("ReduceMean", ["pixel_values"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "colours"], ["image_embeds"]),
    ]
    read = [
        helper.make_node("Gather", ["meanings", "input_ids"], ["each"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["weight"]),
        helper.make_node("Mul", ["each", "weight"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "along"], ["text_embeds"], keepdims=0),
    ]
    ids = [value(name, ["texts", "tokens"], TensorProto.INT64) for name in ("input_ids", "attention_mask")]
    pixels, image = value("pixel_values", ["n", 3, "h", "w"]), value("image_embeds", ["n", 8])
    meanings = np.zeros((5, text_dim), np.float32)
    meanings[2:, :8] = COLOURS[:, :text_dim]
    reading = {"meanings": meanings, "last": np.array([2], np.int64), "along": np.array([1], np.int64)}
    text = value("text_embeds", ["texts", text_dim])
    if joint:
        both = [image, text]
        save(
            folder / f"onnx/model{suffix}.onnx", see + read, [*ids, pixels], both, colours=COLOURS, **reading
        )
    else:
        save(folder / f"onnx/vision_model{suffix}.onnx", see, [pixels], [image], colours=COLOURS)
        save(folder / f"onnx/text_model{suffix}.onnx", read, ids, [text], **reading)
    return _configs(folder, mean)


def _configs(folder: Path, mean: float) -> Path:
    words = {"[PAD]": 0, "[UNK]": 1, **{word: i + 2 for i, word in enumerate(WORDS)}}
    tokenizer = Tokenizer(models.WordLevel(words, "[UNK]"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    size = {"height": 32, "width": 32}
    plain = {"image_mean": [mean] * 3, "image_std": [1, 1, 1], "size": size, "resample": 2}
    contents = {
        "config.json": {"model_type": "clip", "text_config": {"max_position_embeddings": 6}},
        "preprocessor_config.json": plain,
        "tokenizer_config.json": {"do_lower_case": True, "pad_token": "[PAD]", "model_max_length": 77},
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content), "utf-8")
    (folder / "README.md").write_text("---\nlicense: mit\ntags:\n- clip\n---\n# A model\n", "utf-8")
    return folder


def detector(
    path: Path, outputs: dict[str, np.ndarray], entry: str = "images", side: int | str = 64,
    sizes: str = "", size_shape: Sequence[int] = (1, 2), **metadata: str,
) -> Path:  # fmt: skip
    """A network that gives these arrays whatever picture of `side` pixels it is shown, `any` side. `sizes`
    names an input beside the picture; `metadata` is written into the file."""
    nodes = [helper.make_node("ReduceMax", [entry], ["most"], keepdims=0)]
    constants: dict[str, np.ndarray] = {"nothing": np.float32(0)}
    nodes.append(helper.make_node("Mul", ["most", "nothing"], ["zero"]))
    for name, array in outputs.items():
        constants[f"{name}.of"] = array
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        nodes.append(helper.make_node("Cast", ["zero"], [f"{name}.zero"], to=kind))
        nodes.append(helper.make_node("Add", [f"{name}.of", f"{name}.zero"], [name]))
    lengths = ["h", "w"] if side == "any" else [side, side]
    inputs = [value(entry, [1, 3, *lengths])]
    if sizes:
        inputs.append(value(sizes, size_shape, TensorProto.INT64))
    given = [
        value(name, array.shape, helper.np_dtype_to_tensor_dtype(array.dtype))
        for name, array in outputs.items()
    ]
    save(path, nodes, inputs, given, **constants)
    model = onnx.load(path)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def seeing_detector(path: Path, kind: str, axes: str) -> Path:
    """A network of one final box: from the mean of blue to those of red and green, of 64 pixels."""
    tensor = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    shape, means = ([1, 3, 64, 64], [2, 3]) if axes == "NCHW" else ([1, 64, 64, 3], [1, 2])
    scale = 64 / 255 if kind == "uint8" else 64
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers"], ["means"], axes=means, keepdims=0),
        helper.make_node("MatMul", ["means", "places"], ["row"]),
        helper.make_node("Add", ["row", "score"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["boxes"]),
    ]
    places = np.zeros((3, 6), np.float32)  # of red, green, blue to left, top, right, bottom, score, class
    places[0, 2] = places[1, 3] = places[2, 0] = scale
    constants = {
        "places": places,
        "score": np.array([[0, 0, 0, 0, 0.9, 0]], np.float32),
        "shape": np.array([1, 1, 6], np.int64),
    }
    return save(path, nodes, [value("images", shape, tensor)], [value("boxes", [1, 1, 6])], **constants)


# Trained encoders, as pairs of ONNX and card


def head_bytes(matrix: np.ndarray, width: int | str | None = None, **changes: Any) -> bytes:
    """The ONNX of a head that multiplies by a matrix (base dim, dim); `changes`: names of its ports."""
    names = {"takes": "vectors", "gives": "embedding", "dim": matrix.shape[1], "rows": "n", **changes}
    node = helper.make_node("MatMul", [names["takes"], "matrix"], [names["gives"]])
    inputs = [value(names["takes"], [names["rows"], width or matrix.shape[0]])]
    return as_bytes([node], inputs, [value(names["gives"], [names["rows"], names["dim"]])], matrix=matrix)


def network_bytes(matrix: np.ndarray, side: int = 32) -> bytes:
    """The ONNX of a network of pixels, uint8 (n, side, side, 3): means of 4 × 4 parts less 128, as 48 numbers
    by colour, times a matrix (48, dim)."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["numbers", "grey"], ["centred"]),
        helper.make_node("Transpose", ["centred"], ["maps"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["maps"], ["parts"], kernel_shape=[side // 4] * 2, strides=[side // 4] * 2
        ),
        helper.make_node("Flatten", ["parts"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["embedding"]),
    ]
    inputs = [value("pixels", ["n", side, side, 3], TensorProto.UINT8)]
    outputs = [value("embedding", ["n", matrix.shape[1]])]
    return as_bytes(nodes, inputs, outputs, grey=np.float32(128), matrix=matrix)


def as_bytes(nodes: list[Any], inputs: list[Any], outputs: list[Any], **weights: Any) -> bytes:
    constants = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    made = helper.make_graph(nodes, "small", inputs, outputs, constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    data: bytes = model.SerializeToString()
    return data


def matrix(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def head(path: Path, base: Card, dim: int = 16, seed: int = 0, **facts: Any) -> FileCard:
    """A pair at a path: a head on an encoder that multiplies by `matrix(base.dim, dim, seed)`."""
    card = FileCard(file_card.HEAD, path.stem, dim, base=file_card.mention(base), **facts)
    return file_card.write(path, card, head_bytes(matrix(base.dim, dim, seed)))


def network(path: Path, dim: int = 8, seed: int = 0, **facts: Any) -> FileCard:
    """A pair at a path: a network of squares of 32 pixels."""
    card = FileCard(file_card.NETWORK, path.stem, dim, recipe={"side": 32, "crop": 0.875}, **facts)
    return file_card.write(path, card, network_bytes(matrix(48, dim, seed)))
