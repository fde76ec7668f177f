"""What detectors say, in their several forms, as boxes with scores and classes.

Forms are told apart by the names and the shapes of the outputs; boxes come out as left, top, right, bottom in
0..1 of what the network was shown, higher scores first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Outputs = Mapping[str, NDArray[Any]]
"""Outputs of a network by name, of a batch of one."""

LEAST_SCORE = 0.25
APART = 0.5
"""The overlap, intersection over union, from which on only the better of two boxes is kept, whatever their
classes: both would be looked for as one place."""

MOST = 100
"""Boxes that are kept of a picture."""

MOST_FINAL = 1_000
"""Rows of 6 numbers up to which they are final boxes, and not the cells of a network of one class."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Boxes of shape (n, 4), scores and classes of shape (n,)."""

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    classes: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the forms need to know: the pixels of the network's input, and how many classes have names, 0
    where that is unknown."""

    width: int
    height: int
    classes: int = 0


Form = Callable[[Outputs, Shown], Detections]


def best(found: Detections) -> Detections:
    """The boxes that are surest, without those that lie on better ones."""
    order = np.argsort(-found.scores, kind="stable")
    order = order[found.scores[order] >= LEAST_SCORE]
    kept: list[int] = []
    while len(order) and len(kept) < MOST:
        kept.append(int(order[0]))
        order = order[1:][_overlaps(found.boxes[order[1:]], found.boxes[order[0]]) < APART]
    return Detections(found.boxes[kept], found.scores[kept], found.classes[kept])


def _overlaps(boxes: NDArray[np.float64], one: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.minimum(boxes[:, 2:], one[2:]) - np.maximum(boxes[:, :2], one[:2])
    both = np.clip(sides, 0, None).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (one[2:] - one[:2]).prod()
    overlaps: NDArray[np.float64] = both / np.maximum(areas - both, 1e-12)
    return overlaps


# Forms


def form_of(outputs: Outputs) -> Form | None:
    """The form of the outputs of a run; None where they are of no detector known here."""
    if {"logits", "pred_boxes"} <= set(outputs):
        return softmax_queries if _mostly_nothing(outputs["logits"]) else sigmoid_queries
    if {"labels", "boxes", "scores"} <= set(outputs):
        return listed
    if {"num_dets", "det_boxes", "det_scores", "det_classes"} <= set(outputs):
        return counted
    first = next(iter(outputs.values()))
    if first.ndim == 2 and first.shape[1] == 7:
        return numbered
    if first.ndim != 3 or len(first) != 1:
        return None
    rows, columns = first.shape[1:]
    if columns == 6 and rows <= MOST_FINAL:
        return final
    if min(rows, columns) < 5:
        return None
    return cells if columns < rows else channels


def cells(outputs: Outputs, shown: Shown) -> Detections:
    """YOLO to version 7, (1, n, 5 + classes): centre, size, how surely a thing, and its classes."""
    rows = next(iter(outputs.values()))[0].astype(np.float64)
    return _scored(rows[:, :4], rows[:, 4:5] * _classes(rows[:, 5:], shown), shown)


def channels(outputs: Outputs, shown: Shown) -> Detections:
    """YOLO from version 8 on, (1, 4 + classes, n): centre, size, and classes."""
    rows = next(iter(outputs.values()))[0].T.astype(np.float64)
    return _scored(rows[:, :4], _classes(rows[:, 4:], shown), shown)


def final(outputs: Outputs, shown: Shown) -> Detections:
    """(1, n, 6): left, top, right, bottom, score and class."""
    rows = next(iter(outputs.values()))[0].astype(np.float64)
    return Detections(_fractions(rows[:, :4], shown), rows[:, 4], _whole(rows[:, 5]))


def numbered(outputs: Outputs, shown: Shown) -> Detections:
    """(n, 7): number of the picture, left, top, right, bottom, class and score."""
    rows = next(iter(outputs.values())).astype(np.float64)
    return Detections(_fractions(rows[:, 1:5], shown), rows[:, 6], _whole(rows[:, 5]))


def listed(outputs: Outputs, shown: Shown) -> Detections:
    """`labels`, `boxes` and `scores`, with or without an axis for the batch."""
    boxes = outputs["boxes"].reshape(-1, 4).astype(np.float64)
    scores, labels = outputs["scores"].reshape(-1), outputs["labels"].reshape(-1)
    return Detections(_fractions(boxes, shown), scores.astype(np.float64), _whole(labels))


def counted(outputs: Outputs, shown: Shown) -> Detections:
    """`num_dets`, and that many of `det_boxes`, `det_scores` and `det_classes`."""
    count = int(outputs["num_dets"].reshape(-1)[0])
    named = {name: outputs[f"det_{name}"] for name in ("boxes", "scores", "classes")}
    boxes = named["boxes"].reshape(-1, 4)[:count].astype(np.float64)
    scores, classes = (named[name].reshape(-1)[:count] for name in ("scores", "classes"))
    return Detections(_fractions(boxes, shown), scores.astype(np.float64), _whole(classes))


def softmax_queries(outputs: Outputs, shown: Shown) -> Detections:
    """DETR (Carion et al. 2020): the last class is that there is nothing."""
    logits = outputs["logits"][0].astype(np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return _queried(outputs, (powers / powers.sum(axis=1, keepdims=True))[:, :-1])


def sigmoid_queries(outputs: Outputs, shown: Shown) -> Detections:
    """RT-DETR and others: each class by itself, none for nothing."""
    logits = outputs["logits"][0].astype(np.float64)
    return _queried(outputs, 1 / (1 + np.exp(-np.clip(logits, -60, 60))))


def _mostly_nothing(logits: NDArray[Any]) -> bool:
    """Whether the last class is the likeliest nearly everywhere in a picture of nothing."""
    return bool((logits[0].argmax(axis=1) == logits.shape[2] - 1).mean() > 0.5)


def _queried(outputs: Outputs, probabilities: NDArray[np.float64]) -> Detections:
    boxes = _edges(outputs["pred_boxes"][0].astype(np.float64))
    return Detections(boxes, probabilities.max(axis=1), probabilities.argmax(axis=1))


def _scored(boxes: NDArray[np.float64], scores: NDArray[np.float64], shown: Shown) -> Detections:
    edges = _fractions(_edges(boxes), shown)
    return Detections(edges, scores.max(axis=1), scores.argmax(axis=1))


def _classes(scores: NDArray[np.float64], shown: Shown) -> NDArray[np.float64]:
    """The columns of classes, without those of masks or keypoints after them."""
    return scores[:, : shown.classes] if shown.classes else scores


def _edges(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre and size as left, top, right, bottom."""
    return np.hstack([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2])


def _fractions(boxes: NDArray[np.float64], shown: Shown) -> NDArray[np.float64]:
    """Pixels of the input as fractions; fractions as they are."""
    if not len(boxes) or np.nanmax(np.abs(boxes), initial=0) <= 1.5:
        return boxes
    fractions: NDArray[np.float64] = boxes / np.array([shown.width, shown.height] * 2)
    return fractions


def _whole(classes: NDArray[Any]) -> NDArray[np.int64]:
    return np.nan_to_num(classes.astype(np.float64), nan=-1, posinf=-1, neginf=-1).astype(np.int64)
