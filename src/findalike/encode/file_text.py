"""The side of texts of a trained encoder: words go where its head takes pictures.

The text side is one that is there: findalike's own table of words, or that of a two-tower model. The card
mentions it, and by what it is told whether it is still the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike.encode import catalog, text
from findalike.encode.base import TextEncoder
from findalike.errors import EncoderError, UsageError
from findalike.settings import Settings
from findalike.types import Card, Vector, Vectors

OWN = "findalike"
"""How a card names the table of words that comes with findalike."""

_FILES = ("words.json", "words.npz")


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Findalike's own words. `chance` are mean and standard deviation of the cosine of texts and pictures
    that do not belong together."""

    card: Card
    tower: text.TextTower
    chance: tuple[float, float]

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Meanings of shape (n, card.dim), of unit length; zeros for a text without a known word."""
        return meanings(self.tower, texts)

    def compare(self, text: str, vectors: NDArray[np.floating[Any]]) -> Vector:
        """The cosine of a text and each of some stored vectors: shape (n, card.dim) to (n,), in -1..1."""
        found: Vector = np.asarray(vectors, np.float32) @ self.tower.embed(text)
        return found

    def knows(self, word: str) -> bool:
        return any(token.known for token in self.tower.tokens(word))

    def spelled_like(self, word: str) -> list[str]:
        """The known words that a mistyped one may have meant, the likeliest first."""
        return self.tower.spelled_like(word)


@dataclass(frozen=True, slots=True, eq=False)
class Borrowed:
    """The text side of another encoder."""

    card: Card
    side: TextEncoder

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Rows of shape (n, card.dim). Raises EncoderError."""
        return self.side.encode_texts(texts)


def meanings(tower: text.TextTower, texts: Sequence[str]) -> Vectors:
    """Of texts, shape (n, dim), of unit length; zeros for one without a known word."""
    found = np.zeros((len(texts), len(tower.bias)), np.float32)
    for row, each in enumerate(texts):
        found[row] = tower.embed(each)
    return found


def mention_own(chance: tuple[float, float]) -> dict[str, Any]:
    """What a card says of findalike's own words."""
    return {"tower": OWN, "sha256": _own_sha256(), "chance": list(chance)}


def mention_other(other: Card) -> dict[str, Any]:
    """What a card says of the text side of another encoder."""
    return {"tower": catalog.reference(other), "space": other.space, "precision": other.precision}


def load(card: Card, settings: Settings) -> Words | Borrowed:
    """The side of texts that a card mentions. Raises EncoderError where it is another than then."""
    said: Mapping[str, Any] = card.preprocessing["text"]
    if said.get("tower") == OWN:
        return Words(card, _own(card, said), _chance(card, said))
    other = _other(card, said)
    side = catalog.load_text(other, settings)
    _check_width(card, side.card.dim)
    return Borrowed(card, side)


def _own(card: Card, said: Mapping[str, Any]) -> text.TextTower:
    if said.get("sha256") != _own_sha256():
        raise EncoderError(
            f"{card.space} was trained for other words than those of this findalike: train it anew with "
            "findalike train words, or use the findalike that trained it"
        )
    found = text.tower()
    _check_width(card, len(found.bias))
    return found


def _chance(card: Card, said: Mapping[str, Any]) -> tuple[float, float]:
    try:
        mean, deviation = map(float, said["chance"])
    except (KeyError, TypeError, ValueError) as error:
        raise EncoderError(
            f"{card.space} does not say what chance finds: its card needs text.chance, two numbers; train it "
            "anew"
        ) from error
    if not (np.isfinite(mean) and 0 < deviation < np.inf):
        raise EncoderError(
            f"{card.space} says that chance is {mean} ± {deviation}, which is no spread; train it anew"
        )
    return mean, deviation


def _other(card: Card, said: Mapping[str, Any]) -> Card:
    try:
        other = catalog.find(str(said.get("tower")), said.get("precision"))
    except UsageError as error:
        raise EncoderError(f"{card.space} reads words by {said.get('tower')}: {error}") from error
    if other.space != said.get("space"):
        raise EncoderError(
            f"{card.space} reads words by {said.get('space')}, but {said.get('tower')} is {other.space} now: "
            "put that one back, or train anew with findalike train words"
        )
    return other


def _check_width(card: Card, dim: int) -> None:
    if dim != card.dim:
        raise EncoderError(
            f"{card.space} makes {card.dim} numbers of a picture, and its words are {dim}: they cannot be "
            "compared; train it anew with findalike train words"
        )


@cache
def _own_sha256() -> str:
    folder = resources.files("findalike.encode") / "data"
    digest = hashlib.sha256()
    for name in _FILES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()
