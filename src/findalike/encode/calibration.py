"""From similarity to a score in 0..1, and the names of its bands.

A score means the same for every encoder: each space maps its similarities so that the bands begin where
they do. The maps are written by `training/calibrate_scores.py`, which says what each band was measured on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources

import numpy as np

from findalike.types import Card

BANDS: tuple[tuple[float, str], ...] = (
    (0.95, "same picture"),
    (0.85, "near copy"),
    (0.70, "very similar"),
    (0.50, "similar"),
    (0.30, "loosely related"),
    (0.0, "unrelated"),
)
"""The least score of each band, best first."""

WORD_BANDS = dict(
    zip(
        (name for _, name in BANDS),
        ("sure match", "strong match", "good match", "match", "weak match", "unrelated"),
        strict=True,
    )
)
"""The names of the bands where words were asked for: a picture is no copy of a text."""

RELATED_FROM = BANDS[-2][0]
"""Below this score nothing is similar."""


@cache
def measured() -> dict[str, tuple[tuple[float, float], ...]]:
    """The map of each space that was calibrated: points of similarity and score, both rising."""
    file = resources.files("findalike.encode") / "data" / "calibration.json"
    return {
        space: tuple((x, y) for x, y in points)
        for space, points in json.loads(file.read_text("utf-8")).items()
    }


def score(card: Card, similarity: float) -> float:
    """The calibrated score of a similarity, in 0..1; without calibration the similarity, if positive."""
    points: Sequence[tuple[float, float]] = card.calibration or ((0.0, 0.0), (1.0, 1.0))
    similarities, scores = zip(*points, strict=True)
    return float(np.interp(similarity, similarities, scores))


def band(score: float, words: bool = False) -> str:
    """The name of a score's band; `words` for a query that has some."""
    name = next(name for least, name in BANDS if score >= least)
    return WORD_BANDS[name] if words else name
