"""A torch module as the bytes of an ONNX graph, which must give what the module gives."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from findalike.errors import EncoderError

OPSET = 17
TOLERANCE = 1e-4
"""The largest difference of a number, of vectors of unit length."""

VECTORS, PIXELS, EMBEDDING = "vectors", "pixels", "embedding"
"""What the inputs and the output are called."""


def onnx_bytes(
    module: nn.Module,
    example: torch.Tensor,
    name: str = VECTORS,
    outputs: Sequence[str] = (EMBEDDING,),
    free: Mapping[int, str] | None = None,
) -> bytes:
    """The graph of a module of one input, called `name`, like `example` of shape (n, …); `free` names the
    axes that may be of any length, by default the first alone.

    The graph is run on the example and on a single row of it. Raises EncoderError where it gives other
    numbers than the module.
    """
    module = module.to("cpu").eval()
    example = example.to("cpu")
    axes = dict(free or {0: "n"})
    buffer = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the exporter of graphs that were traced is called old, and needs no more
        torch.onnx.export(
            module, (example,), buffer, input_names=[name], output_names=list(outputs), opset_version=OPSET,
            dynamic_axes={name: axes, **{output: {0: axes[0]} for output in outputs}}, dynamo=False,
        )  # fmt: skip
    data = buffer.getvalue()
    for some in (example, example[:1]):
        verify(data, module, some, name, outputs)
    return data


def verify(
    data: bytes, module: nn.Module, example: torch.Tensor, name: str = VECTORS,
    outputs: Sequence[str] = (EMBEDDING,),
) -> None:  # fmt: skip
    """Raise EncoderError unless the graph gives what the module gives."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    found = session.run(list(outputs), {name: example.numpy()})
    with torch.no_grad():
        wanted = module(example)
    several = wanted if isinstance(wanted, tuple) else (wanted,)
    for output, ours, theirs in zip(outputs, found, several, strict=True):
        far = _apart(ours, theirs.numpy())
        if not far <= TOLERANCE:
            raise EncoderError(
                f"the exported graph gives other numbers than what was trained: {output} is off by "
                f"{far:.2g}; nothing was written. Please report this, with the versions of torch and "
                "onnxruntime"
            )


def _apart(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours - theirs).max(initial=0.0))
