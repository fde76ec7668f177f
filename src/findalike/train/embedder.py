"""The default network with a projection on top: pictures to vectors, trained as one."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from findalike.encode import efficientnet, whitening
from findalike.train.export import EMBEDDING
from findalike.train.looks import Seen, pooled
from findalike.train.networks import Backbone
from findalike.types import Vector, Vectors

DIM = 128


class Embedder(nn.Module):
    """A backbone, less the centre of its features, times a matrix of shape (dim, channels). Without a `dim`
    there is none, and the untrained network gives the vectors of the default encoder in float32.

    `forward` takes pixels (n, height, width, 3) in 0..255 and gives rows (n, dim) of unit length.
    """

    centre: Tensor

    def __init__(self, backbone: Backbone, centre: Vector, dim: int | None = DIM, seed: int = 0) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("centre", torch.from_numpy(np.asarray(centre, np.float32)))
        self.projection = nn.Linear(backbone.channels, dim, bias=False) if dim else None
        if self.projection is not None and dim:
            self._turn(orthonormal(np.zeros((backbone.channels, 0), np.float32), dim, seed))

    def features(self, seen: Tensor | Seen) -> Tensor:
        """What is projected, (n, channels)."""
        return pooled(self.backbone, seen) - self.centre

    def forward(self, seen: Tensor | Seen) -> Tensor:
        x = self.features(seen)
        return functional.normalize(x if self.projection is None else self.projection(x), dim=1)

    def begin(self, features: Vectors, seed: int) -> None:
        """Begin with the principal axes of `features` of untrained pictures, shape (n, channels), which
        nearly keep how alike they are. Axes that few pictures do not have are drawn at random."""
        if self.projection is not None:
            dim = self.projection.out_features
            self._turn(orthonormal(principal(features, dim), dim, seed))

    def _turn(self, axes: Vectors) -> None:
        assert self.projection is not None
        with torch.no_grad():
            self.projection.weight.copy_(torch.from_numpy(np.ascontiguousarray(axes.T)))


def principal(features: Vectors, dim: int) -> Vectors:
    """The at most `dim` directions, as columns of unit length, in which rows vary most: shape (d, m). None
    where they do not vary."""
    if len(features) < 2 or not np.ptp(features, axis=0).any():
        return np.zeros((features.shape[1], 0), np.float32)
    return whitening.learn(features, dim).axes


def orthonormal(first: Vectors, dim: int, seed: int) -> Vectors:
    """Orthonormal columns, shape (d, dim): those of `first`, and random ones at right angles to them. Where
    `dim` is above d, rows are orthonormal instead."""
    random = np.random.default_rng(seed)
    if dim > len(first):
        return np.asarray(np.linalg.qr(random.standard_normal((dim, len(first))))[0].T, np.float32)
    more = random.standard_normal((len(first), dim - first.shape[1]))
    more -= first @ (first.T @ more)
    return np.asarray(np.concatenate([first, np.linalg.qr(more)[0]], axis=1), np.float32)


def graph(embedder: Embedder) -> bytes:
    """The serialised graph: up to its pooled features that of the default encoder in float32, by the same
    builder, so it takes `pixels` of any height and width; then the projection."""
    model = efficientnet.float_model(embedder.backbone.tensors())
    weights = {"embedding.centre": embedder.centre.cpu().numpy()}
    added = [helper.make_node("Sub", ["pooled", "embedding.centre"], ["centred.pooled"])]
    last = "centred.pooled"
    if embedder.projection is not None:
        weights["embedding.axes"] = embedder.projection.weight.detach().cpu().numpy().T.copy()
        last = "projected"
        added.append(helper.make_node("MatMul", ["centred.pooled", "embedding.axes"], [last]))
    added.append(helper.make_node("LpNormalization", [last], [EMBEDDING], axis=1, p=2))
    dim = weights.get("embedding.axes", weights["embedding.centre"]).shape[-1]
    return _extended(model, added, weights, dim)


def _extended(
    model: onnx.ModelProto, added: list[onnx.NodeProto], weights: dict[str, Vectors], dim: int
) -> bytes:
    """The model with more at its end, and without its classifier."""
    kept = [node for node in model.graph.node if node.output[0] != "logits"]
    tensors = [each for each in model.graph.initializer if not each.name.startswith("classifier.")]
    tensors += [numpy_helper.from_array(array, name) for name, array in weights.items()]
    gives = [helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, ["n", dim])]
    made = helper.make_graph([*kept, *added], model.graph.name, list(model.graph.input), gives, tensors)
    whole = helper.make_model(made, opset_imports=list(model.opset_import), producer_name="findalike",
                              ir_version=model.ir_version)  # fmt: skip
    onnx.checker.check_model(whole)
    data: bytes = whole.SerializeToString()
    return data
