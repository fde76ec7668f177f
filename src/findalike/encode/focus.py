"""The part of a picture that a query is about: of a cat with a bottle, the cat.

Two ways, each from looking at the whole picture in a few sizes, and joined by default:

- `weights`: the places of the picture count by how much they speak for the classes (class activation
  mapping, Zhou et al. 2016; as weights of a pooling, Jimenez, Alvarez and Giró-i-Nieto 2017), and its
  channels by how much the classes need them;
- `crop`: the box around those places is cut out and looked at by itself.

Only the query changes: it is compared with the vectors that a library has anyway. What was measured is in
`docs/decisions/focus.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from findalike import pixels
from findalike.encode.base import unit
from findalike.encode.cnn import CnnEncoder, softmax
from findalike.errors import QueryError
from findalike.types import Box, Picture, Pixels, Vector, Vectors

How = Literal["both", "weights", "crop"]

SCALES = (1.0, 1.45, 2.0)
"""The shorter side in which a picture is looked at, in sides of the network: a thing of its own height is
best seen at 1, one of a third of it at 2."""

SLIMMEST = 3.0
"""The ratio of sides from which on a picture is looked at in less height, so that it costs no more."""

STRENGTH = 0.5
"""The power of the class's weights: at 1 the class counts so much that the very thing is found less often."""

_SMALLEST = 32


def focused(
    encoder: CnnEncoder, picture: Picture, class_numbers: Sequence[int], how: How = "both"
) -> tuple[Vector, Box | None]:
    """The unit vector, in the encoder's space, of what a picture shows of some classes of the network, and
    the box it was cut from (None with `weights`). Several classes are kinds of one thing.

    The picture should have a shorter side of 896 where it is as large. Raises QueryError for no
    classes or numbers that are none.
    """
    numbers = _checked(class_numbers, len(encoder.bias))
    views = [_seen(encoder, picture.pixels, scale, numbers) for scale in SCALES]
    if how == "weights":
        return max(views, key=lambda view: view.odds).vector, None
    crops = [_cropped(encoder, picture.pixels, view, numbers) for view in views]
    best = max(crops, key=lambda view: view.odds)
    if how == "crop":
        return best.vector, best.box
    whole = max(views, key=lambda view: view.odds).vector
    joined: Vector = unit(whole + best.vector)
    return joined, best.box


def reweighted(
    pooled: Vector,
    weights: Vectors,
    class_numbers: Sequence[int],
    centre: Vector,
    shares: Vector | None = None,
) -> Vector:
    """Pooled features (dim,) with each channel counted by what the classes need it for, of unit length.

    `centre` (dim,) is taken off first. `weights` (classes, dim) are the classifier's, of which the positive
    part counts, to the power of `STRENGTH`; `shares` says how much each class of `class_numbers` counts,
    all the same without.
    """
    wanted: Vector = np.maximum(_mixed(weights, class_numbers, shares), 0) ** np.float32(STRENGTH)
    vector: Vector = unit((pooled - centre) * wanted)
    return vector


def activation(
    features: Vectors, weights: Vectors, class_numbers: Sequence[int], shares: Vector | None = None
) -> Vectors:
    """How much each place speaks for the classes: shape (h, w), from 0 to 1, which the strongest has.

    `features` have shape (dim, h, w). Where no place speaks for them, all places are 1.
    """
    found: Vectors = np.einsum("c,chw->hw", _mixed(weights, class_numbers, shares), features)
    most = float(found.max())
    if most <= 0:
        return np.ones_like(found)
    strength: Vectors = np.clip(found / most, 0, 1).astype(np.float32)
    return strength


def activation_box(
    features: Vectors, weights: Vectors, class_numbers: Sequence[int], shares: Vector | None = None
) -> Box:
    """The box around the places that speak at least half as much for the classes as the strongest, and hang
    together with it; half a place wider on each side, and three places wide where there are as many."""
    strength = activation(features, weights, class_numbers, shares)
    peak = divmod(int(strength.argmax()), strength.shape[1])
    places = np.argwhere(_connected(strength >= 0.5, peak))
    top, bottom = _widened(*places[:, 0], length=strength.shape[0])
    left, right = _widened(*places[:, 1], length=strength.shape[1])
    return left, top, right, bottom


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What was seen of a picture: `odds` are the logarithm of how much likelier it shows the classes than
    any other, by which views are compared."""

    vector: Vector
    odds: float
    box: Box
    shares: Vector


def _seen(encoder: CnnEncoder, array: Pixels, scale: float, numbers: Sequence[int]) -> _View:
    """The whole picture in one size."""
    side = encoder.card.preprocessing["side"] * scale
    outputs = encoder.look(_scaled(array, side)[None], ["features", "logits"])
    features, logits = (output[0] for output in outputs)
    shares = softmax(logits[list(numbers)])
    strength = activation(features, encoder.classifier, numbers, shares)
    pooled = np.einsum("chw,hw->c", features, strength) / strength.sum()
    vector = reweighted(pooled, encoder.classifier, numbers, encoder.centre, shares)
    box = activation_box(features, encoder.classifier, numbers, shares)
    return _View(vector, _odds(encoder, pooled, numbers), box, shares)


def _cropped(encoder: CnnEncoder, array: Pixels, view: _View, numbers: Sequence[int]) -> _View:
    """What is inside a view's box, by itself."""
    square = pixels.square(pixels.crop(array, view.box), encoder.card.preprocessing["side"], 1.0)
    pooled = encoder.look(square[None], ["pooled"])[0][0]
    vector = reweighted(pooled, encoder.classifier, numbers, encoder.centre, view.shares)
    return replace(view, vector=vector, odds=_odds(encoder, pooled, numbers))


def _odds(encoder: CnnEncoder, pooled: Vector, numbers: Sequence[int]) -> float:
    logits = encoder.classifier @ pooled + encoder.bias
    wanted = np.zeros(len(logits), bool)
    wanted[list(numbers)] = True
    return _log_sum(logits[wanted]) - _log_sum(logits[~wanted])


def _log_sum(logits: Vector) -> float:
    most = float(logits.max(initial=-1e9))
    return most + float(np.log(np.exp(logits - most).sum() + 1e-30))


def _mixed(weights: Vectors, class_numbers: Sequence[int], shares: Vector | None) -> Vector:
    chosen = weights[list(class_numbers)]
    mixed: Vector = chosen.mean(axis=0) if shares is None else shares @ chosen
    return mixed


def _checked(class_numbers: Sequence[int], classes: int) -> list[int]:
    numbers = sorted(set(class_numbers))
    if not numbers or numbers[0] < 0 or numbers[-1] >= classes:
        raise QueryError(f"focus needs numbers of classes from 0 to {classes - 1}, not {list(class_numbers)}")
    return numbers


def _scaled(array: Pixels, side: float) -> Pixels:
    """All of the picture, in its proportions, with a shorter side of `side` pixels or, if slim, less."""
    height, width = array.shape[:2]
    factor = min(side / min(height, width), SLIMMEST * side / max(height, width))
    size = [max(_SMALLEST, round(length * factor)) for length in (width, height)]
    return np.asarray(Image.fromarray(array).resize((size[0], size[1]), Image.Resampling.BICUBIC))


def _connected(mask: NDArray[np.bool_], start: tuple[int, int]) -> NDArray[np.bool_]:
    """The true places that hang together with `start`, also over corners."""
    found = np.zeros_like(mask)
    found[start] = True
    while True:
        padded = np.pad(found, 1)
        rows = padded[:-2] | padded[1:-1] | padded[2:]
        grown = (rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]) & mask
        if (grown == found).all():
            return found
        found = grown


def _widened(*places: int, length: int) -> tuple[float, float]:
    """From the first to the last place and half a place more, at least three of them, in 0..1."""
    first, last = min(places) - 0.5, max(places) + 1.5
    short = max(0.0, min(3, length) - (last - first))
    first, last = first - short / 2, last + short / 2
    return max(0.0, first) / length, min(float(length), last) / length
