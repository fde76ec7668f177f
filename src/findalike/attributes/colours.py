"""Attributes whose values are colours, told by the colour that is seen most: no label is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from findalike.attributes.card import Label
from findalike.attributes.probe import EVIDENCE, Linear
from findalike.filters import folded
from findalike.palette import COLOURS
from findalike.types import Bank

BANK = "appearance"
"""The bank that says how much of each colour a picture shows, the middle counting most."""

WARM = 0.2
"""The temperature of such shares where no label tells a better one."""


def probe(values: Sequence[Label], bank: Bank) -> Linear | None:
    """Takes the value of whose colour there is most; None where a value is no name of a colour, or two are
    names of one."""
    named = {word: colour.name for colour in COLOURS for word in colour.words}
    asked = [named.get(folded(value.strip())) if isinstance(value, str) else None for value in values]
    if None in asked or len(set(asked)) < len(asked):
        return None
    place = {concept.name: n for n, concept in enumerate(bank.concepts)}
    weights = np.zeros((len(values), len(bank.concepts)), np.float32)
    weights[np.arange(len(values)), [place[str(name)] for name in asked]] = 1
    return Linear({EVIDENCE + BANK: weights}, np.zeros(len(values), np.float32), WARM)
