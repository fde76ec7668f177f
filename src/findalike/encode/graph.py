"""An ONNX graph of someone else's making: what it takes, what it gives, and how to run it."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike import plugins, runtime
from findalike.encode import pickles
from findalike.errors import EncoderError

_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8",
          "tensor(int64)": "int64", "tensor(int32)": "int32"}  # fmt: skip
_SMALL = 64 * 2**20
"""Bytes up to which a graph is looked into for weights in other files; one that holds its own is larger."""
_AT_ONCE = 32
"""Rows in one run, so that a long list takes no more memory than a short one."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output. A length that may be any is None; `shape` is empty where the graph does not say."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.name} ({self.dtype} {'×'.join(str(n or '?') for n in self.shape) or 'of any shape'})"


@dataclass(frozen=True, slots=True)
class Graph:
    """A loaded graph. Threads may call `run` at once."""

    path: Path
    session: Any
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def run(self, feeds: Arrays, outputs: Sequence[str]) -> list[NDArray[Any]]:
        """Some outputs; what only others need is not computed. Raises EncoderError."""
        options = plugins.on_use("onnxruntime").RunOptions()
        options.only_execute_path_to_fetches = True
        options.log_severity_level = 4
        try:
            found: list[NDArray[Any]] = self.session.run(list(outputs), dict(feeds), options)
        except Exception as error:  # onnxruntime raises classes of its own that share no base but Exception
            raise EncoderError(f"{self.path} cannot be run: {_first_line(error)}") from error
        return found

    def described(self) -> str:
        """The inputs and outputs, for a message."""
        takes, gives = (", ".join(map(str, ports)) or "none" for ports in (self.inputs, self.outputs))
        return f"its inputs are {takes}; its outputs are {gives}"


def opened(path: Path, exact: bool = False) -> Graph:
    """The graph of a file; `exact` as of `runtime.session`. Raises EncoderError."""
    pickles.refuse(path)
    session = runtime.session(path, exact)
    return Graph(path, session, _ports(session.get_inputs()), _ports(session.get_outputs()))


def image_input(graph: Graph) -> Port:
    """The input that takes pictures: of 4 axes, 3 channels. Raises EncoderError, listing what there is."""
    found = [port for port in graph.inputs if layout(port)]
    named = [port for port in found if port.name == "pixel_values"] or found
    if len(named) != 1:
        many = "several inputs that could" if named else "no input that can"
        raise EncoderError(f"{graph.path} has {many} take a picture: {graph.described()}")
    return named[0]


def layout(port: Port) -> str:
    """NCHW or NHWC, or nothing for an input that takes no pictures."""
    if len(port.shape) != 4 or port.dtype not in ("float32", "float16", "uint8"):
        return ""
    if port.shape[1] == 3 or (port.shape[1] is None and port.shape[3] != 3):
        return "NCHW"
    return "NHWC" if port.shape[3] == 3 else ""


def weights_beside(path: Path) -> list[str]:
    """The other files that a graph keeps weights in, by their names in its folder. Raises EncoderError."""
    if path.stat().st_size > _SMALL:
        return []
    if path.read_bytes().startswith(b"version https://git-lfs"):
        raise EncoderError(f"{path} is a pointer of Git LFS, not the model: git lfs pull fetches it")
    onnx = plugins.on_use("onnx")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own errors
        raise EncoderError(f"{path} is no ONNX model: {_first_line(error)}") from error
    entries = [entry for tensor in model.graph.initializer for entry in tensor.external_data]
    return sorted({entry.value for entry in entries if entry.key == "location"})


def batch_alone(path: Path) -> bool:
    """Whether pictures must be run one by one: activations whose range is taken while running (dynamic
    quantisation) make each row depend on the others of its batch."""
    return _holds(path, b"DynamicQuantizeLinear")


def precision(path: Path) -> str:
    """`int8` for a quantised graph, `float16` and `float32`: by its operators and its name."""
    if _holds(path, b"DequantizeLinear", b"QLinear", b"DynamicQuantizeLinear", b"MatMulInteger"):
        return "int8"
    return "float16" if "fp16" in path.stem.lower() else "float32"


def _holds(path: Path, *operators: bytes) -> bool:
    """Whether a file names one of these operators, seen without loading it."""
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(operator) >= 0 for operator in operators)


def in_rows(graph: Graph, feeds: Arrays, rows: Arrays, output: str, batch: int | None) -> NDArray[Any]:
    """An output for inputs of n rows; `feeds` go along unchanged. A graph of a fixed `batch` gets so many at
    a time, what the last lacks filled with zeros."""
    count = len(next(iter(rows.values())))
    step = batch or _AT_ONCE
    parts = []
    for start in range(0, count, step):
        several = {name: _filled(array[start : start + step], batch or 0) for name, array in rows.items()}
        parts.append(graph.run({**feeds, **several}, [output])[0])
    return np.concatenate(parts)[:count]


def _filled(array: NDArray[Any], length: int) -> NDArray[Any]:
    lacking = max(0, length - len(array))
    return np.concatenate([array, np.zeros((lacking, *array.shape[1:]), array.dtype)]) if lacking else array


def _ports(arguments: Sequence[Any]) -> tuple[Port, ...]:
    return tuple(Port(a.name, _TYPES.get(a.type, a.type), _lengths(a.shape)) for a in arguments)


def _lengths(shape: Sequence[Any] | None) -> tuple[int | None, ...]:
    return tuple(n if isinstance(n, int) and n > 0 else None for n in shape or ())


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
