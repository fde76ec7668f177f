"""Where faces are: MTCNN (Zhang et al. 2016), three networks of which each looks closer at what the one
before took for a face.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike.encode.faces.chips import opencv
from findalike.types import Pixels

Numbers = NDArray[np.float32]
Places = NDArray[np.intp]

LEAST_SIDE = 20
"""Pixels of the longer side of the smallest face that is taken: of smaller ones, too little can be said."""

_WINDOW = 1.2
"""How much larger than the smallest face the first network's smallest window is: it finds those too."""

LEAST_CHANCES = (0.7, 0.7, 0.9)
"""Probability of a face from which on each network's finding counts."""

MOST_PIXELS = 2**21
"""Of a picture that is looked into; a larger one is scaled down, so that time and memory are bounded."""

MOST_CANDIDATES = (4_000, 2_000)
"""Findings of the first and of the second network that the next one looks at: the likeliest."""

MOST_FACES = 500

CELL, STEP = 12, 2
"""Side and distance, in pixels, of the windows that the first network looks through."""

SHRINKING = 0.709
"""From one level of the pyramid to the next: half the pixels."""

_SAME, _SAME_FACE = 0.5, 0.7
_AT_ONCE = 64
_OUTSIDE = 128


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """What was found, the likeliest first, in pixels: `boxes` (n, 4: left, top, right, bottom), `chances`
    (n,) in 0..1, and `landmarks` (n, 5, 2: x and y of the left eye, the right eye, the nose, the left and
    the right corner of the mouth, as seen in the picture)."""

    boxes: Numbers
    chances: Numbers
    landmarks: Numbers

    def __len__(self) -> int:
        return len(self.boxes)

    def chosen(self, which: Any) -> Faces:
        return Faces(self.boxes[which], self.chances[which], self.landmarks[which])

    def scaled(self, factor: float) -> Faces:
        return Faces(self.boxes * np.float32(factor), self.chances, self.landmarks * np.float32(factor))


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """The sessions of the three networks, and how sure and how small a face must be at least."""

    proposal: Any
    refinement: Any
    output: Any
    least_side: float = LEAST_SIDE
    least_chances: tuple[float, float, float] = LEAST_CHANCES

    def find(self, pixels: Pixels) -> Faces:
        """The faces of a picture. Bounded: of a large picture a reduction is looked into, and of many
        candidates the likeliest."""
        height, width = pixels.shape[:2]
        shrink = min(1.0, (MOST_PIXELS / (height * width)) ** 0.5)
        picture = pixels if shrink == 1 else _resized(pixels, width * shrink, height * shrink)
        found = self._settled(picture, self._refined(picture, self._proposed(picture)))
        return found.scaled(width / picture.shape[1])

    def _proposed(self, picture: Pixels) -> Numbers:
        boxes, chances = [np.empty((0, 4), np.float32)], [np.empty(0, np.float32)]
        for level, scale in _pyramid(picture, CELL / (_WINDOW * self.least_side)):
            corrections, likely = self.proposal.run(["boxes", "faces"], {"pixels": level[None]})
            rows, columns = np.nonzero(likely[0] >= self.least_chances[0])
            corner = np.stack([columns, rows, columns, rows], axis=1) * STEP
            cells = (corner + np.array([0, 0, CELL, CELL])).astype(np.float32)
            found = cells + corrections[0][:, rows, columns].T.clip(-1, 1) * CELL
            kept = apart(found, likely[0][rows, columns], _SAME, MOST_CANDIDATES[0])
            boxes.append(found[kept] / np.array([*scale, *scale], np.float32))
            chances.append(likely[0][rows, columns][kept])
        every, likely = np.concatenate(boxes), np.concatenate(chances)
        return every[apart(every, likely, _SAME, MOST_CANDIDATES[0])]

    def _refined(self, picture: Pixels, boxes: Numbers) -> Numbers:
        windows = squares(boxes)
        corrections, chances = _seen(self.refinement, ["boxes", "faces"], picture, windows, 24)
        likely = chances >= self.least_chances[1]
        found, chances = _corrected(windows, corrections)[likely], chances[likely]
        return found[apart(found, chances, _SAME, MOST_CANDIDATES[1])]

    def _settled(self, picture: Pixels, boxes: Numbers) -> Faces:
        windows = squares(boxes)
        names = ["boxes", "faces", "landmarks"]
        corrections, chances, points = _seen(self.output, names, picture, windows, 48)
        side = (windows[:, 2:] - windows[:, :2])[:, None]
        landmarks = windows[:, None, :2] + points.reshape(-1, 2, 5).transpose(0, 2, 1) * side
        boxes = _corrected(windows, corrections)
        large = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) >= self.least_side
        found = Faces(boxes, chances, landmarks).chosen(large & (chances >= self.least_chances[2]))
        return found.chosen(apart(found.boxes, found.chances, _SAME_FACE, MOST_FACES, within=True))


def squares(boxes: Numbers) -> Numbers:
    """Boxes of shape (n, 4) grown about their centres to the longer of their sides, in whole pixels."""
    side = np.rint((boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)).clip(1)
    corner = np.rint((boxes[:, :2] + boxes[:, 2:] - side) / 2)
    return np.concatenate([corner, corner + side], axis=1)


def apart(
    boxes: Numbers, chances: Numbers, most: float, count: int, within: bool = False
) -> NDArray[np.intp]:
    """The places of at most `count` boxes, the likeliest first, none of which shares more than `most` with
    one before: of their union, or, with `within`, of the smaller of the two."""
    order = np.argsort(-chances, kind="stable")
    areas = np.prod((boxes[:, 2:] - boxes[:, :2]).clip(0), axis=1)
    kept: list[int] = []
    while len(order) and len(kept) < count:
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[order, :2], boxes[best, :2])
        high = np.minimum(boxes[order, 2:], boxes[best, 2:])
        shared = np.prod((high - low).clip(0), axis=1)
        whole = np.minimum(areas[order], areas[best]) if within else areas[order] + areas[best] - shared
        order = order[shared <= most * whole]
    return np.array(kept, np.intp)


def _pyramid(picture: Pixels, scale: float) -> Iterator[tuple[Pixels, tuple[float, float]]]:
    """The picture scaled by `scale` and then ever smaller, with how much across and down."""
    height, width = picture.shape[:2]
    level = picture
    while min(height, width) * scale >= CELL:
        level = _resized(level, width * scale, height * scale)
        yield level, (level.shape[1] / width, level.shape[0] / height)
        scale *= SHRINKING


def _resized(pixels: Pixels, width: float, height: float) -> Pixels:
    cv2 = opencv()
    how = cv2.INTER_AREA if width < pixels.shape[1] else cv2.INTER_LINEAR
    found: Pixels = cv2.resize(pixels, (max(1, round(width)), max(1, round(height))), interpolation=how)
    return found


def _window(picture: Pixels, box: Numbers, side: int) -> Pixels:
    """A square of whole pixels scaled to `side`; what of it is outside of the picture is grey."""
    left, top, right, bottom = (int(end) for end in box)
    height, width = picture.shape[:2]
    if left < 0 or top < 0 or right > width or bottom > height:
        whole = np.full((bottom - top, right - left, 3), _OUTSIDE, np.uint8)
        inside = picture[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        down, across = max(-top, 0), max(-left, 0)
        whole[down : down + inside.shape[0], across : across + inside.shape[1]] = inside
    else:
        whole = picture[top:bottom, left:right]
    return _resized(whole, side, side)


def _corrected(windows: Numbers, corrections: Numbers) -> Numbers:
    """Each end moved by so many sides of its window, at most by one."""
    found: Numbers = windows + corrections.clip(-1, 1) * (windows[:, 2:3] - windows[:, :1])
    return found


def _seen(session: Any, names: list[str], picture: Pixels, windows: Numbers, side: int) -> list[Numbers]:
    """The outputs of a network for each window of a picture, scaled to its side."""
    found = []
    for start in range(0, max(1, len(windows)), _AT_ONCE):
        some = [_window(picture, each, side) for each in windows[start : start + _AT_ONCE]]
        found.append(session.run(names, {"pixels": np.array(some, np.uint8).reshape(-1, side, side, 3)}))
    return [np.concatenate(each) for each in zip(*found, strict=True)]
