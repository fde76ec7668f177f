"""Faces cut out so that eyes, nose and mouth lie where a descriptor was trained to expect them."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from findalike import plugins
from findalike.types import Pixels

Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cut:
    """A square of `side` pixels, and where in it the eyes, the nose and the corners of the mouth are to lie,
    x and y, in the order of `Faces.landmarks`."""

    side: int
    places: tuple[tuple[float, float], ...]

    def of(self, pixels: Pixels, landmarks: Points) -> Pixels:
        """The square in which landmarks, shape (5, 2), lie nearest to their places that can be had by moving,
        turning and scaling. What is outside of the picture is black."""
        cv2 = opencv()
        move = similarity(landmarks, np.array(self.places, np.float32))
        left, top, right, bottom = _reach(move, self.side, pixels)
        part = pixels[top:bottom, left:right]
        coarser = int(1 / np.hypot(*move[0, :2]))
        if coarser > 1:  # else only some of the pixels would count
            size = max(1, part.shape[1] // coarser), max(1, part.shape[0] // coarser)
            part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        turn = move[:, :2] * [(right - left) / part.shape[1], (bottom - top) / part.shape[0]]
        shift = move[:, :2] @ [left, top] + move[:, 2] + turn @ [0.5, 0.5] - 0.5  # of centres, not of corners
        matrix = np.column_stack([turn, shift])
        found: Pixels = cv2.warpAffine(part, matrix, (self.side, self.side), flags=cv2.INTER_LINEAR)
        return found

    def scaled(self, side: int) -> Cut:
        """The same in a square of another size."""
        unit = side / self.side
        return Cut(side, tuple((x * unit, y * unit) for x, y in self.places))


DLIB = Cut(150, ((47, 46.3), (103, 46.3), (75, 78.3), (50.5, 105), (99.5, 105)))
"""Of dlib's network: where MTCNN's landmarks lie in the squares that dlib's own landmarks give, measured on
everyday photographs."""

ARCFACE = Cut(112, ((38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20)))
"""Of most other networks for faces, as of Deng et al. (2019)."""


def opencv() -> ModuleType:
    """OpenCV, on one thread: those that decode and encode have the cores."""
    cv2 = plugins.on_use("cv2")
    cv2.setNumThreads(1)
    return cv2


def similarity(points: Points, places: Points) -> NDArray[np.float64]:
    """The 2 × 3 matrix that moves, turns and scales points to places with the least sum of squares (Umeyama
    1991, without reflections, which in the plane has a solution of its own)."""
    x, y = (each.astype(np.float64) - each.mean(axis=0, dtype=np.float64) for each in (points, places))
    size = max(float(np.square(x).sum()), 1e-12)
    along = float((x * y).sum()) / size
    aside = float((x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]).sum()) / size
    if np.hypot(along, aside) < 1e-6:  # all points in one place: moved, and no more
        along = 1.0
    turn = np.array([[along, -aside], [aside, along]])
    return np.column_stack([turn, places.mean(axis=0) - turn @ points.mean(axis=0)])


def _reach(move: NDArray[np.float64], side: int, pixels: Pixels) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what the square shows of the picture, a little more, never nothing."""
    corners = np.array([(0, 0), (side, 0), (0, side), (side, side)], np.float64)
    back = (corners - move[:, 2]) @ np.linalg.inv(move[:, :2]).T
    height, width = pixels.shape[:2]
    margin = 2 + 2 / np.hypot(*move[0, :2])
    low, high = back.min(axis=0) - margin, back.max(axis=0) + margin
    left, top = np.floor(low).clip(0, [width - 1, height - 1]).astype(int)
    right, bottom = np.ceil(high).clip([left + 1, top + 1], [width, height]).astype(int)
    return left, top, right, bottom
