"""Things in a picture, found without a model of their own: in the feature map of the default network.

Each place of the map has features. A window is worth as much as its mean explains of the places in it beyond
what the mean of the whole picture, and of the windows chosen before it, explain: so a thing among other
things is chosen, one after the other, and none where the picture is all of a kind (the greedy choice of
Nemhauser, Wolsey and Fisher 1978 for facilities and their customers). Where all sides of a window are seams,
as in collages, scans and screenshots, it counts more, and its sides are moved to the seams.

What was measured, and against what, is in `docs/decisions/regions.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from findalike.encode import catalog, cnn
from findalike.encode.cnn import CnnEncoder
from findalike.regions.base import Entry, Proposal
from findalike.regions.seams import STEP, seams
from findalike.settings import Settings
from findalike.types import Picture, Pixels, Vectors

SIDE = 448
"""Pixels of the longer side in which the network looks at a picture: twice what it looks at else."""

STRIDE = 32
"""Pixels for one place of the feature map."""

FEWEST_PLACES = 3
SLIMMEST, LARGEST = 3.0, 0.7
"""The ratio of sides that no window exceeds, and the share of the picture's area."""

MOST = 6
LEAST_GAIN = 0.03
"""What a window must explain, as a share of the picture. More makes fewer parts and finds less."""

OVERLAP = 0.5
"""The overlap, intersection over union, of two windows of which only the better is chosen."""

FRAMED = 3.0
"""How much more a window counts whose sides are all seams."""

CLEAR, SNAPPED = 0.15, 0.3
"""How clear a seam begins to count, and how clear it must be for the side to be moved to it."""

LEAST = 160
"""Pixels of a picture's shorter side, in the original, below which parts would show nothing new."""


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    network: CnnEncoder
    name: str = "objects"
    least: int = LEAST
    magnified: float = 2.5

    def find(self, picture: Picture) -> Sequence[Proposal]:
        shown = _shown(picture.pixels)
        if np.ptp(shown[::4, ::4], axis=(0, 1)).max() <= STEP:
            return []  # of one colour: what the map then shows are the picture's own edges
        features = self.network.look(shown[np.newaxis], ["features"])[0][0]
        return chosen(features - self.network.centre[:, None, None], picture.pixels)


def chosen(features: Vectors, pixels: Pixels) -> list[Proposal]:
    """The windows of a centred feature map, shape (dim, h, w), that explain most, the best first."""
    height, width = features.shape[1:]
    windows = _windows(height, width)
    if not len(windows.edges):
        return []
    boxes, framed = _framed(windows, pixels, height, width)
    places = features.reshape(len(features), -1).T
    strength = np.linalg.norm(places, axis=1)
    places = places / np.maximum(strength, 1e-6)[:, None]
    agreement = np.where(windows.inside > 0, _agreement(places, windows.inside), -1)
    explained = np.maximum(_agreement(places, np.ones((1, len(places)), np.float32))[0], 0)
    share = strength / max(float(strength.sum()), 1e-6)
    worth = 1 + FRAMED * framed
    gain = worth * (np.maximum(agreement - explained, 0) @ share)
    found: list[int] = []
    while len(found) < MOST and gain.max() >= LEAST_GAIN:
        best = int(gain.argmax())
        found.append(best)
        inside = np.flatnonzero(windows.inside[best])
        now = np.maximum(explained[inside], agreement[best, inside])
        near = agreement[:, inside]  # the only places that are explained better now
        less = np.maximum(near - explained[inside], 0) - np.maximum(near - now, 0)
        gain -= worth * (less @ share[inside])
        gain[_overlaps(boxes, boxes[best]) >= OVERLAP] = -np.inf
        explained[inside] = now
    return [Proposal((float(a), float(b), float(c), float(d))) for a, b, c, d in boxes[found]]


@dataclass(frozen=True, slots=True, eq=False)
class _Windows:
    """All windows of a map: left, top, right, bottom in places (n, 4), and 1 for each place inside, 0 for
    others (n, places)."""

    edges: NDArray[np.int64]
    inside: NDArray[np.float32]


@lru_cache(maxsize=16)
def _windows(height: int, width: int) -> _Windows:
    tops, bottoms = np.triu_indices(height + 1, FEWEST_PLACES)
    lefts, rights = np.triu_indices(width + 1, FEWEST_PLACES)
    level, upright = (np.repeat(np.arange(len(tops)), len(lefts)), np.tile(np.arange(len(lefts)), len(tops)))
    edges = np.stack([lefts[upright], tops[level], rights[upright], bottoms[level]], axis=1)
    wide, high = edges[:, 2] - edges[:, 0], edges[:, 3] - edges[:, 1]
    fits = (np.maximum(wide / high, high / wide) <= SLIMMEST) & (wide * high <= LARGEST * height * width)
    edges = edges[fits]
    left, top, right, bottom = edges.T[:, :, None]
    x, y = np.arange(width), np.arange(height)
    rows, columns = (y >= top) & (y < bottom), (x >= left) & (x < right)
    inside = (rows[:, :, None] & columns[:, None, :]).reshape(len(edges), height * width)
    return _Windows(edges, inside.astype(np.float32))


def _agreement(places: Vectors, inside: NDArray[np.float32]) -> NDArray[np.float32]:
    """The cosine of each place, of unit length, and the mean of the places inside each window: shape
    (windows, places)."""
    towards: NDArray[np.float32] = inside @ (places @ places.T)
    length = np.sqrt(np.maximum(np.einsum("wp,wp->w", towards, inside), 1e-12))
    towards /= length[:, None]
    return towards


def _framed(
    windows: _Windows, pixels: Pixels, height: int, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The boxes of windows in 0..1, their sides at clear seams, and how far all their sides are seams; the
    picture's own edges are as good."""
    upright, level = seams(pixels, height, width)
    left, top, right, bottom = windows.edges.T
    at = ((upright, left, top, bottom), (level, top, left, right),
          (upright, right, top, bottom), (level, bottom, left, right))  # fmt: skip
    clearness = np.stack([kind.clearness[line, start, end] for kind, line, start, end in at], axis=1)
    position = np.stack([kind.position[line, start, end] for kind, line, start, end in at], axis=1)
    inner = np.stack([left > 0, top > 0, right < width, bottom < height], axis=1)
    plain = windows.edges / np.array([width, height, width, height])
    boxes = np.where(inner & (clearness > SNAPPED), position, plain)
    strength = np.clip((clearness - CLEAR) / (1 - CLEAR), 0, 1)
    return boxes, np.where(inner, strength, 1.0).min(axis=1)


def _overlaps(boxes: NDArray[np.float64], one: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of each box, shape (n, 4), with one."""
    sides = np.minimum(boxes[:, 2:], one[2:]) - np.maximum(boxes[:, :2], one[:2])
    both = np.clip(sides, 0, None).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (one[2:] - one[:2]).prod()
    found: NDArray[np.float64] = both / (areas - both)
    return found


def _shown(pixels: Pixels) -> Pixels:
    """All of the picture as the network takes it, in whole places."""
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width) / STRIDE
    size = max(1, round(width * scale)) * STRIDE, max(1, round(height * scale)) * STRIDE
    image = Image.fromarray(pixels)
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC, reducing_gap=1.0))


def load(_: str, settings: Settings) -> Objects:
    """The finder, with the default network. Raises EncoderError."""
    card = catalog.find("efficientnet-lite0", settings.precision)
    return Objects(cnn.load(card, settings))


FINDER = Entry(load)
