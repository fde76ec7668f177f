"""The seam of an encoder: a card, and one method that turns pictures into vectors.

What every encoder would otherwise repeat (batches, the check of shape and finiteness, unit length) lives in
`encode`, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from findalike.errors import EncoderError
from findalike.settings import Settings
from findalike.types import Card, Picture, Row, Vector, Vectors


class Encoder(Protocol):
    """A loaded model. Threads may call `encode_batch` at once."""

    @property
    def card(self) -> Card: ...

    def encode_batch(self, pictures: Sequence[Picture]) -> Vectors:
        """One row for each picture, in order: shape (len(pictures), card.dim)."""
        ...


class Classifier(Encoder, Protocol):
    """An encoder that also says which of the classes of its bank each picture shows, in the same run."""

    def classify_batch(self, pictures: Sequence[Picture]) -> tuple[Vectors, Vectors]:
        """Vectors as of `encode_batch`, and probabilities of shape (len(pictures), classes)."""
        ...


@runtime_checkable
class Derived(Encoder, Protocol):
    """An encoder whose vectors can be made from those of another, without the pictures."""

    @property
    def base(self) -> Card:
        """The card of that other one."""
        ...

    def derive(self, vectors: Vectors) -> Vectors:
        """Vectors of shape (n, base.dim) to (n, card.dim)."""
        ...


@runtime_checkable
class PartEncoder(Encoder, Protocol):
    """An encoder that describes parts of pictures which it finds itself, such as faces. The rows of its space
    are of those parts alone; a picture may have none."""

    def parts(self, picture: Picture) -> list[Picture]:
        """The parts of a picture as `encode_batch` wants them, each with its box and part as its origin."""
        ...


class TextEncoder(Protocol):
    """What turns texts into vectors of an encoder's space, so that words find pictures."""

    @property
    def card(self) -> Card: ...

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """One row for each text, in order: shape (len(texts), card.dim)."""
        ...


@runtime_checkable
class WordEncoder(TextEncoder, Protocol):
    """A text side that knows which words it knows, and compares more exactly than by its directions."""

    def compare(self, text: str, vectors: Vectors) -> Vector:
        """How well rows of the space fit a text: shape (n, card.dim) to (n,), in -1..1."""
        ...

    @property
    def chance(self) -> tuple[float, float]:
        """Mean and standard deviation of what `compare` gives for what does not belong together."""
        ...

    def knows(self, word: str) -> bool: ...

    def spelled_like(self, word: str) -> list[str]:
        """The known words that a mistyped one may have meant, the likeliest first."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """What an entry point of the group `findalike.encoders` names: cards, the default first, and a loader;
    `load_text` loads the side for texts of a space that has one.

    The module that holds it is imported to list encoders, so it imports nothing heavy itself.
    """

    cards: tuple[Card, ...]
    load: Callable[[Card, Settings], Encoder]
    load_text: Callable[[Card, Settings], TextEncoder] | None = None


def encode(encoder: Encoder, pictures: Sequence[Picture]) -> Vectors:
    """Float32 vectors of shape (n, dim), of unit length when the card's metric is cosine.

    Raises EncoderError when the encoder breaks its contract: wrong shape, or numbers that are not finite.
    """
    if not pictures:
        return np.empty((0, encoder.card.dim), np.float32)
    return _checked(encoder.card, encoder.encode_batch(pictures), len(pictures))


def derived(encoder: Derived, rows: Sequence[Row]) -> list[Row]:
    """The rows of an encoder's space, given those of its base. Raises EncoderError as `encode` does."""
    if not rows:
        return []
    found = encoder.derive(np.stack([row.vector for row in rows]))
    vectors = _checked(encoder.card, found, len(rows))
    return [replace(row, vector=vector) for row, vector in zip(rows, vectors, strict=True)]


def _checked(card: Card, found: Vectors, count: int) -> Vectors:
    vectors = np.asarray(found, np.float32)
    if vectors.shape != (count, card.dim):
        raise EncoderError(f"{card.space} gave an array of {vectors.shape}, not of {(count, card.dim)}")
    if not np.isfinite(vectors).all():
        raise EncoderError(f"{card.space} gave numbers that are not finite")
    return unit(vectors) if card.metric == "cosine" else vectors


def short_side(cards: Iterable[Card]) -> int | None:
    """How long the shorter side of a decoded picture must be for these encoders: none of them loses by the
    reduction. None when one of them does not say."""
    wanted = [card.preprocessing.get("side") for card in cards]
    return None if None in wanted else max((256, *(round(side / 0.875) for side in wanted if side)))


def unit(vectors: Vectors) -> Vectors:
    """Rows scaled to unit length; a row of zeros, which has no direction, stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Vectors = vectors / np.maximum(length, np.float32(1e-12))
    return scaled
