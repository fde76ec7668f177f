"""A linear head: vectors times a matrix plus an offset, and the ONNX graph of it, for which no training
framework is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike import plugins
from findalike.encode.base import unit
from findalike.encode.file_card import VECTORS
from findalike.encode.file_graph import OUTPUT
from findalike.types import Vector, Vectors

OPSET, IR = 17, 8
"""Of ONNX: old enough for every ONNX Runtime that findalike runs on."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """`matrix` has shape (d, dim) and `offset` (dim,)."""

    matrix: Vectors
    offset: Vector

    def of(self, vectors: Vectors) -> Vectors:
        """Vectors of shape (n, d) as (n, dim), of unit length; one of zeros stays so."""
        found = vectors @ self.matrix + self.offset
        return unit(np.asarray(found * vectors.any(axis=1, keepdims=True), np.float32))


def line(matrix: NDArray[np.floating[Any]], offset: NDArray[np.floating[Any]]) -> Line:
    return Line(np.ascontiguousarray(matrix, np.float32), np.ascontiguousarray(offset, np.float32))


def onnx_bytes(found: Line) -> bytes:
    """The graph of a line: `vectors` (n, d) to `embedding` (n, dim), not yet of unit length."""
    onnx = plugins.on_use("onnx")
    helper, numbers = onnx.helper, onnx.numpy_helper
    kind = onnx.TensorProto.FLOAT
    width, dim = found.matrix.shape
    graph = helper.make_graph(
        [helper.make_node("Gemm", [VECTORS, "matrix", "offset"], [OUTPUT])],
        "linear head",
        [helper.make_tensor_value_info(VECTORS, kind, ["n", width])],
        [helper.make_tensor_value_info(OUTPUT, kind, ["n", dim])],
        [numbers.from_array(found.matrix, "matrix"), numbers.from_array(found.offset, "offset")],
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, producer_name="findalike", ir_version=IR, opset_imports=opset)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data
