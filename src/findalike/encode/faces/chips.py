"""Faces cut out so that eyes, nose and mouth lie where a descriptor was trained to expect them."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from findalike import plugins
from findalike.types import Pixels

Points = NDArray[np.float32]

DLIB_SIDE = 150
DLIB: Sequence[tuple[float, float]] = ((47, 46.3), (103, 46.3), (75, 78.3), (50.5, 105), (99.5, 105))
"""Where the eyes, the nose and the corners of the mouth lie in the square of 150 pixels of dlib's network."""

ARCFACE_SIDE = 112
ARCFACE: Sequence[tuple[float, float]] = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
"""The same for the square of 112 pixels that most networks for faces are trained on (Deng et al. 2019)."""


def opencv() -> ModuleType:
    """OpenCV, on one thread: those that decode and encode have the cores."""
    cv2 = plugins.on_use("cv2")
    cv2.setNumThreads(1)
    return cv2


def cut(pixels: Pixels, landmarks: Points, places: Points, side: int) -> Pixels:
    """The square of `side` pixels in which landmarks, shape (n, 2), lie nearest to `places`, shape (n, 2),
    that can be had by moving, turning and scaling. What is outside of the picture is black."""
    cv2 = opencv()
    move = similarity(landmarks, places)
    left, top, right, bottom = _reach(move, side, pixels)
    part = pixels[top:bottom, left:right]
    coarser = max(1, int(1 / np.hypot(*move[0, :2])))
    if coarser > 1:  # else only some of the pixels would count
        size = max(1, part.shape[1] // coarser), max(1, part.shape[0] // coarser)
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    unit = np.array([(right - left) / part.shape[1], (bottom - top) / part.shape[0]])
    turn = move[:, :2] * unit
    shift = move[:, :2] @ [left, top] + move[:, 2] + turn @ [0.5, 0.5] - 0.5  # of centres, not of corners
    found: Pixels = cv2.warpAffine(part, np.column_stack([turn, shift]), (side, side), flags=cv2.INTER_LINEAR)
    return found


def similarity(points: Points, places: Points) -> NDArray[np.float64]:
    """The 2 × 3 matrix that moves, turns and scales points to places with the least sum of squares (Umeyama
    1991, without reflections, which in the plane has a solution of its own)."""
    x, y = (each.astype(np.float64) - each.mean(axis=0, dtype=np.float64) for each in (points, places))
    size = max(float(np.square(x).sum()), 1e-12)
    along = float((x * y).sum()) / size
    aside = float((x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]).sum()) / size
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
