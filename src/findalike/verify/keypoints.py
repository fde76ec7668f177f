"""The keypoints of a picture: where something can be recognised, how large it is and which way it points."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from findalike import pixels as pixels_
from findalike import plugins
from findalike.errors import UsageError
from findalike.types import Pixels, Vectors

Kind = Literal["sift", "orb"]

SIDE = 512
"""Pictures are reduced to the area of a 4:3 picture with this longer side."""

MOST = 1_000
"""So many keypoints are kept of a picture, the clearest ones."""

LONGEST = 8
"""No side is longer than this times the side asked for, however thin the picture."""

LEAST_SIDE = 128
"""A picture whose longer side is smaller is enlarged to it, since little can be described in fewer pixels."""

CONTRAST = 0.02
"""Half of Lowe's threshold, so that dim photographs and thumbnails have keypoints too."""

CELLS, DIRECTIONS = 4, 8
"""A SIFT descriptor has a histogram of 8 directions for each of 4 x 4 cells."""


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """The keypoints of one picture, the clearest first.

    `points` are x, y in pixels of the picture given, shape (n, 2), where 0, 0 is the middle of the first
    pixel; `scales` their diameters in pixels and `angles` their directions in degrees, clockwise from the
    right, shape (n,). `descriptors` of `sift` are of unit length, shape (n, 128); those of `orb` are bits,
    shape (n, 32) of uint8. `width` and `height` are those of the picture.
    """

    kind: Kind
    points: NDArray[np.float32]
    scales: NDArray[np.float32]
    angles: NDArray[np.float32]
    descriptors: NDArray[Any]
    width: int
    height: int

    def __len__(self) -> int:
        return len(self.points)

    @property
    def unit(self) -> float:
        """The side of a square of the picture's area, in pixels."""
        return math.sqrt(self.width * self.height)


def keypoints(pixels: Pixels, kind: Kind = "sift", side: int = SIDE, most: int = MOST) -> Keypoints:
    """The keypoints of RGB pixels (height, width, 3) of uint8; none where nothing stands out.

    `sift` is Lowe's (2004), its descriptors as square roots (Arandjelovic and Zisserman 2012); `orb`, after
    Rublee et al. (2011), is ten times as fast and finds less. Raises UsageError for another kind.
    """
    if kind not in ("sift", "orb"):
        raise UsageError(f"no keypoints are named {kind!r}; there are sift, orb")
    height, width = pixels.shape[:2]
    grey = _grey(pixels, side)
    scale = math.sqrt(grey.size / (height * width))
    found, descriptors = _detector(kind, most).detectAndCompute(grey, None)
    found = found if descriptors is not None else ()
    best = np.argsort([-point.response for point in found], kind="stable")[:most]
    points = np.array([found[i].pt for i in best], np.float32).reshape(-1, 2)
    centre = np.float32(0.5)
    return Keypoints(
        kind,
        (points + centre) / (grey.shape[1] / width, grey.shape[0] / height) - centre,
        np.array([found[i].size / scale for i in best], np.float32),
        np.array([found[i].angle for i in best], np.float32),
        _described(kind, descriptors, best),
        width,
        height,
    )


def mirrored(keypoints: Keypoints) -> Keypoints:
    """The keypoints of the picture as a mirror shows it, left and right exchanged, without looking again:
    a SIFT descriptor is mirrored by reordering it. Raises UsageError for keypoints of another kind."""
    if keypoints.kind != "sift":
        raise UsageError(f"{keypoints.kind} has no mirrored keypoints; find those of the mirrored pixels")
    cells = keypoints.descriptors.reshape(-1, CELLS, CELLS, DIRECTIONS)
    turned = cells[:, ::-1][..., -np.arange(DIRECTIONS) % DIRECTIONS]
    x, y = keypoints.points.T
    return replace(
        keypoints,
        points=np.stack([keypoints.width - 1 - x, y], axis=1),
        angles=(540 - keypoints.angles) % 360,
        descriptors=turned.reshape(-1, CELLS * CELLS * DIRECTIONS),
    )


@cache
def opencv() -> ModuleType:
    """OpenCV, on one thread."""
    cv2 = plugins.on_use("cv2")
    cv2.setNumThreads(1)
    return cv2


def _grey(pixels: Pixels, side: int) -> Pixels:
    """The picture in grey, of a size that suits."""
    cv2 = opencv()
    height, width = pixels.shape[:2]
    longest = max(height, width)
    scale = min(1.0, side * math.sqrt(3 / 4 / (height * width)), LONGEST * side / longest)
    reduced = pixels_.fit(pixels, max(1, round(longest * scale)))
    grey: Pixels = cv2.cvtColor(np.ascontiguousarray(reduced), cv2.COLOR_RGB2GRAY)
    if longest < LEAST_SIDE:
        larger = LEAST_SIDE / longest
        size = max(1, round(width * larger)), max(1, round(height * larger))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC)
    return grey


def _detector(kind: Kind, most: int) -> Any:
    """A new one each time: they keep state while they work."""
    cv2 = opencv()
    return cv2.SIFT_create(most, 3, CONTRAST) if kind == "sift" else cv2.ORB_create(most)


def _described(kind: Kind, descriptors: Any, best: NDArray[np.intp]) -> NDArray[Any]:
    if kind == "orb":
        bits: NDArray[np.uint8] = np.zeros((0, 32), np.uint8) if descriptors is None else descriptors[best]
        return bits
    if descriptors is None:
        return np.zeros((0, CELLS * CELLS * DIRECTIONS), np.float32)
    counts = descriptors[best].astype(np.float32)
    rooted: Vectors = np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-6))
    return rooted
