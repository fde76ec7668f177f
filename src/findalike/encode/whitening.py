"""Whitening that was learned on a library: another encoder's vectors, centred, turned to their principal
axes, and stretched so that the common counts less (Jégou and Chum 2012).

`--encoder whitened:NAME`, once `findalike learn-whitening` has learned it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike.encode import catalog, learned
from findalike.encode.base import Encoder, encode
from findalike.encode.catalog import Family
from findalike.errors import EncoderError
from findalike.settings import Settings
from findalike.types import Card, Picture, Vector, Vectors

DIM, POWER = 128, 0.0
"""Principal axes alone, which `benchmarks/pooling.py` found not to hurt. Half of whitening is a power of 1/4,
all of it 1/2."""

_RANK = 1e-7
"""Of the largest variance: what is below it is rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """`mean` has shape (d,); `axes` (d, dim), scaled. `shrinkage`, in 0..1, is how much of the variances is
    their mean."""

    mean: Vector
    axes: Vectors
    shrinkage: float = 0.0

    def of(self, vectors: Vectors) -> Vectors:
        """Vectors of shape (n, d) as (n, dim), not yet of unit length; one of zeros stays so."""
        found = (vectors - self.mean) @ self.axes
        return np.asarray(found * vectors.any(axis=1, keepdims=True), np.float32)


def learn(vectors: Vectors, dim: int = DIM, power: float = POWER) -> Whitening:
    """Whitening of rows of shape (n, d) to at most `dim` numbers, and to no more than they vary in.

    Each principal axis is divided by its variance to `power`. Variances are shrunk towards their mean as
    Ledoit and Wolf (2004) derive, which matters while there are fewer rows than numbers. Raises ValueError
    for rows that do not vary.
    """
    if not len(vectors):
        raise ValueError("there are no rows")
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors.astype(np.float64) - mean
    variances, axes = principal(centred)
    varying = int((variances > _RANK * max(float(variances[0]), 1e-12)).sum())
    if not varying:
        raise ValueError("all rows are the same")
    shrinkage = shrunk_by(centred, variances)
    kept = min(dim, varying)
    even = variances.sum() / vectors.shape[1]
    shrunk = (1 - shrinkage) * variances[:kept] + shrinkage * even
    scaled = axes[:, :kept] * shrunk**-power
    return Whitening(mean.astype(np.float32), scaled.astype(np.float32), shrinkage)


def principal(centred: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variances, the largest first, and their axes, shape (d, most), by the smaller of the two products."""
    n, d = centred.shape
    if n > d:
        variances, axes = np.linalg.eigh(centred.T @ centred / n)
        return variances[::-1].clip(0), _signed(axes[:, ::-1])
    variances, sides = np.linalg.eigh(centred @ centred.T / n)
    variances, sides = variances[::-1].clip(0), sides[:, ::-1]
    axes = centred.T @ sides
    return variances, _signed(axes / np.maximum(np.linalg.norm(axes, axis=0), 1e-12))


def _signed(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each axis with its largest number positive, so that learning again gives the same."""
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    signed: NDArray[np.float64] = axes * np.where(largest < 0, -1.0, 1.0)
    return signed


def shrunk_by(centred: NDArray[np.float64], variances: NDArray[np.float64]) -> float:
    """How much of the mean variance to mix in: the estimate of Ledoit and Wolf (2004, section 3.3)."""
    n, d = centred.shape
    squares = float(np.square(variances).sum())
    apart = squares - float(variances.sum()) ** 2 / d
    noise = (float(np.square(np.square(centred).sum(axis=1)).mean()) - squares) / n
    return min(1.0, max(0.0, noise) / apart) if apart > 0 else 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Whitened:
    """An encoder after another. `derive` needs that one's vectors alone, and no pictures."""

    card: Card
    encoder: Encoder
    whitening: Whitening

    @property
    def base(self) -> Card:
        return self.encoder.card

    def derive(self, vectors: Vectors) -> Vectors:
        """Of the base's vectors, shape (n, base.dim), the card's, shape (n, card.dim)."""
        return self.whitening.of(vectors)

    def encode_batch(self, pictures: Sequence[Picture]) -> Vectors:
        return self.derive(encode(self.encoder, pictures))


def card(base: Card, name: str, dim: int, pictures: int, power: float) -> Card:
    """The card of a whitening of `base` to `dim` numbers, learned on so many vectors."""
    kept = {key: base.preprocessing[key] for key in ("side", "crop") if key in base.preprocessing}
    how = {**kept, "base": _mention(base), "power": power, "pictures": pictures}
    return Card(
        learned.named(learned.WHITENED, name),
        learned.REVISION,
        dim,
        preprocessing=how,
        pooling=base.pooling,
        precision=base.precision,
        licence=base.licence,
    )


def arrays(found: Whitening) -> dict[str, NDArray[Any]]:
    """What a card's file holds."""
    return {"mean": found.mean, "axes": found.axes}


def _mention(base: Card) -> dict[str, str]:
    """What finds the base again: of one that was itself learned, the file beside this one."""
    reference = catalog.reference(base)
    family, _, place = reference.partition(":")
    if family in learned.COMMANDS:
        reference = f"{family}:{Path(place).name}"
    return {"space": base.space, "reference": reference, "precision": base.precision, "sha256": base.sha256}


def base_of(card: Card) -> Card:
    """The card whose vectors are whitened. Raises UsageError, EncoderError."""
    mention = card.preprocessing["base"]
    reference = mention["reference"]
    family, _, place = reference.partition(":")
    if family in learned.COMMANDS:
        reference = f"{family}:{learned.located(card)[learned.FOLDER].parent / place}"
    elif own := learned.copy_of(learned.located(card)[learned.FOLDER].parent, mention["space"]):
        reference = f"{family}:{own}"
    base = catalog.find(reference, mention["precision"])
    if (base.space, base.sha256) != (mention["space"], mention["sha256"]):
        raise EncoderError(
            f"{card.space} was learned on {mention['space']} of SHA-256 {mention['sha256']}, but {reference} "
            f"is {base.space} of {base.sha256} now; put that one back"
        )
    return base


def load(card: Card, settings: Settings) -> Whitened:
    """The encoder of a card. Raises EncoderError, UsageError."""
    found = learned.load(card, ("mean", "axes")).arrays
    encoder = catalog.load(base_of(card), settings)
    if found["mean"].shape != (encoder.card.dim,) or found["axes"].shape != (encoder.card.dim, card.dim):
        raise EncoderError(f"{card.source} does not fit vectors of {encoder.card.space}; learn it anew")
    return Whitened(card, encoder, Whitening(found["mean"], found["axes"]))


FAMILY = Family(learned.card_of, learned.located, load)
