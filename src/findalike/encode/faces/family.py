"""Faces described by a network of yours that was exported to ONNX: `--encoder faces:onnx:FILE`.

They are found as the encoder `faces` finds them, and cut out as most networks for faces are trained: the
eyes, the nose and the mouth at the places of ArcFace (Deng et al. 2019), scaled to the square that the graph
takes. One that takes any is told so: `faces:onnx:FILE?side=112`.
"""

from __future__ import annotations

from dataclasses import replace

from findalike.encode import onnx, recipe, reference
from findalike.encode.catalog import FACES, Family
from findalike.encode.faces import chips, encoder
from findalike.encode.faces.encoder import FaceEncoder
from findalike.errors import UsageError
from findalike.settings import Settings
from findalike.types import Card

PREFIX = f"{FACES}:onnx"

_HALF = (0.5, 0.5, 0.5)
"""Mean and spread of pixels in 0..1 that most networks for faces are trained with."""


def card_of(text: str, precision: str | None = None) -> Card:
    """The card that a reference stands for; the graph is loaded and run once on a blank picture.

    Raises UsageError for what is not there or is asked for wrongly, EncoderError for a graph that cannot be
    used, ExtraMissing.
    """
    asked = reference.parse(text)
    if asked.family != PREFIX:
        raise UsageError(f"{text} names no network for faces; give its file: {PREFIX}:FILE")
    found = onnx.card_of(text, precision)
    used = recipe.from_json(found.preprocessing["recipe"])
    if used.based_on == recipe.DEFAULTS:
        used = replace(used, mean=_HALF, std=_HALF, based_on="faces")
    used = replace(used, scaled=used.size)
    how = {
        **{name: found.preprocessing[name] for name in ("input", "output", "batch")},
        "recipe": used.to_json(),
        **encoder.HOW,
        "chip": max(used.size),
    }
    place = reference.readable(asked.place if asked.hub else str(asked.path))
    changed = replace(found, preprocessing=how)
    return onnx.named(changed, PREFIX, place, found.source, found.preprocessing["files"])


def load(card: Card, settings: Settings) -> FaceEncoder:
    """The encoder of a card. Raises EncoderError when its file is gone or is another one, ExtraMissing."""
    cut = chips.ARCFACE.scaled(card.preprocessing["chip"])
    return FaceEncoder(card, encoder.detector(settings), cut, onnx.load(card, settings).encode_batch)


FAMILY = Family(card_of, onnx.located, load)
