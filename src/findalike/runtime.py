"""Model files and ONNX sessions: locate a file in an installed package, verify it, convert it once into the
cache, and run it the same way on every processor."""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from findalike.errors import EncoderError, ExtraMissing
from findalike.files import replace_file


def locate(package: str, pattern: str, extra: str = "") -> Path:
    """The one file of an installed package that matches a glob. The package is not imported.

    Raises ExtraMissing when the package is not installed, EncoderError when the file is not in it.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        wanted = f"'findalike[{extra}]'" if extra else package
        raise ExtraMissing(f"the Python package {package} is not installed: pip install {wanted}")
    folder = Path(next(iter(spec.submodule_search_locations)))
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise EncoderError(f"{folder} holds {len(found)} files like {pattern}, not one: reinstall {package}")
    return found[0]


def verify(path: Path, sha256: str) -> None:
    """Raise EncoderError unless the file has this SHA-256."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise EncoderError(
            f"{path} is not the expected file: its SHA-256 is {found}, not {sha256}; reinstall its package"
        )


def cached(folder: Path, name: str, build: Callable[[], bytes]) -> Path:
    """The file `name` in a cache folder, built when it is not there and written whole or not at all.

    A cache that cannot be written is passed over: the file then lives in a temporary folder until the
    process ends.
    """
    path = folder / name
    if path.exists():
        return path
    data = build()
    try:
        return _written(path, data)
    except OSError:
        instead = tempfile.mkdtemp(prefix="findalike-")
        atexit.register(shutil.rmtree, instead, ignore_errors=True)
        return _written(Path(instead) / name, data)


def _written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, data)
    return path


def session(model: Path, exact: bool = False) -> Any:
    """An ONNX Runtime session of one thread, to be shared by threads that each bring their own work.

    `exact` has integer products summed without saturation on processors where `saturates` is true, at about
    half the speed. Raises EncoderError.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Threads that spin for work take the cores from those that decode.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.x64quantprecision", "1" if exact else "0")
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own that share no base but Exception
        raise EncoderError(f"{model} cannot be loaded by ONNX Runtime: {error}") from error


def built(folder: Path, name: str, build: Callable[[], bytes], exact: bool = False) -> Any:
    """The session of a graph of the cache, which is built when it is not there, and once more when it is
    damaged; then its error stands. Raises EncoderError."""
    graph = cached(folder, name, build)
    try:
        return session(graph, exact)
    except EncoderError:
        graph.unlink(missing_ok=True)
        return session(cached(folder, name, build), exact)


@cache
def saturates(folder: Path) -> bool:
    """Whether int8 convolutions saturate here: x86 processors without VNNI add pairs of products in 16 bits.

    Seen by running one, kept in the cache `folder`, whose products are too large for that.
    """
    probe = session(cached(folder, "saturation-probe.onnx", _probe))
    (sums,) = probe.run(None, {"x": np.full((1, 64, 8, 8), 255, np.uint8)})
    return bool((sums != 127).any())


def _probe() -> bytes:
    """A 1×1 convolution of 64 channels whose exact result is 127 everywhere."""
    from onnx import TensorProto, helper, numpy_helper

    def constant(name: str, value: Any, dtype: Any) -> Any:
        return numpy_helper.from_array(np.asarray(value, dtype), name)

    weights = [
        constant("xs", 1, np.float32),
        constant("xz", 0, np.uint8),
        constant("w", np.full((64, 64, 1, 1), 127), np.int8),
        constant("ws", 1, np.float32),
        constant("wz", 0, np.int8),
        constant("ys", 64 * 255, np.float32),
        constant("yz", 0, np.uint8),
    ]
    node = helper.make_node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["y"])
    x = helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 64, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.UINT8, [1, 64, 8, 8])
    graph = helper.make_graph([node], "probe", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    data: bytes = model.SerializeToString()
    return data
