"""The checks of a trained encoder's ONNX: what it takes and gives, that nothing lies in other files, that it
needs no operators of others, and that numbers come out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike import plugins
from findalike.encode import graph, pickles
from findalike.encode.graph import Graph, Port
from findalike.errors import EncoderError

OUTPUT = "embedding"
AGAIN = "export it again, or train anew with findalike train"

_OWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc")
"""Of the operators that ONNX Runtime brings."""
_ALIKE = 1e-3
"""Of the largest number: by how much a row alone may differ from the same row among others."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a card says of its graph: one input and its type, with None where a length is not said, and the
    numbers of an embedding."""

    input: str
    dtype: str
    shape: tuple[int | None, ...]
    dim: int

    @property
    def port(self) -> Port:
        return Port(self.input, self.dtype, self.shape)


def refuse(path: Path) -> None:
    """Raises EncoderError for what is no ONNX model that keeps all it needs in itself: empty files, pickles,
    weights in other files, operators of others, weights that are no numbers."""
    if not path.stat().st_size:
        raise EncoderError(f"{path} is empty: the training or a copy was cut off; {AGAIN}")
    pickles.refuse(path)
    onnx = plugins.on_use("onnx")
    model = _parsed(path)
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            place = next((entry.value for entry in tensor.external_data if entry.key == "location"), "?")
            raise EncoderError(
                f"{path} keeps the weights {tensor.name!r} in another file, {place}, which is refused: a "
                "trained encoder is one .onnx and one .json; export it with external_data=False"
            )
        if tensor.data_type == onnx.TensorProto.FLOAT and _astray(onnx.numpy_helper.to_array(tensor)):
            raise EncoderError(
                f"{path} has weights that are not finite in {tensor.name!r}: its training went astray; train "
                "anew, with a smaller step"
            )
    own = {*_OWN_DOMAINS, *(function.domain for function in model.functions)}
    for node in _nodes(model):
        if node.domain not in own:
            raise EncoderError(
                f"{path} needs the operator {node.domain}::{node.op_type}, which ONNX Runtime lacks and "
                "findalike loads from nowhere; export it with operators of ONNX alone"
            )


def opened(path: Path, wanted: Wanted, exact: bool = False) -> Graph:
    """The graph of a file, whose input and output must be as its card says. Raises EncoderError."""
    loaded = graph.opened(path, exact)
    if [port.name for port in loaded.inputs] != [wanted.input] or not _fits(loaded.inputs[0], wanted.port):
        raise EncoderError(
            f"{path} must take {wanted.port} and nothing else, by its card: {loaded.described()}; {AGAIN}"
        )
    given = next((port for port in loaded.outputs if port.name == OUTPUT), None)
    if given is None or given.dtype != "float32":
        raise EncoderError(
            f"{path} must give {OUTPUT} (float32 ?×{wanted.dim}): {loaded.described()}; {AGAIN}"
        )
    if given.shape and (len(given.shape) != 2 or given.shape[1] not in (None, wanted.dim)):
        raise EncoderError(_other_dim(path, wanted.dim, given.shape))
    return loaded


def tried(loaded: Graph, wanted: Wanted, rows: NDArray[Any]) -> None:
    """Run a graph on a few rows. Raises EncoderError unless each gets finite numbers, as many as the card
    says, and the same alone as among others."""
    batch = loaded.inputs[0].shape[0]
    together = graph.in_rows(loaded, {}, {wanted.input: rows}, OUTPUT, batch)
    if together.shape != (len(rows), wanted.dim):
        raise EncoderError(_other_dim(loaded.path, wanted.dim, together.shape))
    if not np.isfinite(together).all():
        raise EncoderError(f"{loaded.path} gives numbers that are not finite; {AGAIN}")
    alone = graph.in_rows(loaded, {}, {wanted.input: rows[:1]}, OUTPUT, batch)[0]
    if np.abs(alone - together[0]).max() > _ALIKE * max(1.0, float(np.abs(alone).max())):
        raise EncoderError(
            f"{loaded.path} gives a row other numbers alone than among others, so its vectors cannot be "
            "compared; export it with module.eval(), so that batch normalisation is fixed"
        )


def _astray(numbers: NDArray[Any]) -> bool:
    """Whether weights are no numbers. A single infinity is the end of a range, as exporters write it."""
    return bool(np.isnan(numbers).any() or (numbers.size > 1 and np.isinf(numbers).any()))


def _other_dim(path: Path, dim: int, shape: Sequence[int | None]) -> str:
    given = "×".join(str(length or "?") for length in shape)
    return f"{path} gives an array of {given}, but its card claims {dim} numbers for each row; {AGAIN}"


def _fits(port: Port, wanted: Port) -> bool:
    """Whether an input takes what the card says: a length that one of them leaves open suits any."""
    if port.dtype != wanted.dtype or len(port.shape) != len(wanted.shape):
        return False
    return all(
        None in pair or pair[0] == pair[1] for pair in zip(port.shape[1:], wanted.shape[1:], strict=True)
    )


def _parsed(path: Path) -> Any:
    onnx = plugins.on_use("onnx")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own errors
        raise EncoderError(
            f"{path} is no ONNX model ({type(error).__name__}); {pickles.WHY}; {AGAIN}"
        ) from error
    if not model.HasField("graph") or not model.opset_import:
        raise EncoderError(f"{path} is no ONNX model: it holds no graph; {AGAIN}")
    return model


def _graphs(model: Any) -> Iterator[Any]:
    """The graph, those within its nodes, and the functions of the model."""
    waiting = [model.graph, *model.functions]
    while waiting:
        found = waiting.pop()
        yield found
        for node in found.node:
            for attribute in node.attribute:
                waiting += [*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs]


def _nodes(model: Any) -> Iterator[Any]:
    for found in _graphs(model):
        yield from found.node


def _tensors(model: Any) -> Iterator[Any]:
    """Every tensor that a model holds, by whatever part of it."""
    for found in _graphs(model):
        yield from getattr(found, "initializer", ())
        for sparse in getattr(found, "sparse_initializer", ()):
            yield from (sparse.values, sparse.indices)
        for node in found.node:
            for attribute in node.attribute:
                yield from [*([attribute.t] if attribute.HasField("t") else ()), *attribute.tensors]
