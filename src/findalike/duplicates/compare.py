"""Whether one picture is a copy of another, from their pixels: laid on each other, do they show the same?

A copy is made from the pixels of the other: turned, flipped, scaled, cropped, framed, recoloured, written on.
So where one lies on the other all of it agrees in structure, save for what was written on it. Two shots of
one thing do not agree so: light, view and background differ here and there. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from findalike import verify
from findalike.types import Pixels
from findalike.verify import Keypoints, geometry
from findalike.verify.keypoints import opencv

SIDE, MOST = 160, 200
"""Keypoints are looked for in pictures of this longer side, and so many are kept."""

CANVAS = 112
"""The longer side, in pixels, of what is compared window by window."""

WINDOW = 9
"""The side of a window, in pixels of the canvas."""

EDGE = 5
"""The same for what surrounds the overlap, which may be narrow."""

FLAT = 3.0
"""A window whose grey levels spread less than this (standard deviation) tells nothing."""

AGREES = 0.7
"""From this correlation on a window shows the same in both."""

MOSTLY, IN_PART, EXACTLY = 0.85, 0.5, 0.93
"""In a copy at least the first part of the windows agree; or the second, and their median correlation is
the third: a copy that was written on is still exact elsewhere, another shot is exact nowhere."""

TILT, STRETCH, SHIFTED = 0.7, 1.03, 0.96
"""Degrees off a quarter turn, and factor; and of two that show less than this part of each other, both show
something that the other does not. Such an overlay is crooked: another shot is laid so as a rule, a copy
seldom, and it must agree nearly everywhere."""

CROOKED = (0.88, 0.97)
"""The least agreement and median correlation of a crooked overlay."""

PERSPECTIVE = 0.02
"""Copies are not seen at a slant: the depth may change by no more than this part across the picture."""

SURE = 0.9
"""The least confidence in an alignment."""

COLOURLESS, COLOURED = 5.0, 10.0
"""Mean distance of the channels: below the first a picture is grey, above the second it is not."""

Grey = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """How picture `a` lies on picture `b`.

    `transform` takes pixels of `a`, mirrored first where `mirrored`, to pixels of `b`, shape (3, 3).
    `overlap` is the part of each that the other shows, in 0..1. `agreement` is the part of the telling
    windows that show the same in both, `median` their median correlation. `busier` is above 0 where `b` has
    more in the windows that differ, below 0 where `a` has. `sharper` is the ratio of their fine detail, of
    `b` to `a`. `plain` says how much of what is outside of the overlap is plain, of each.
    """

    transform: NDArray[np.float64]
    mirrored: bool
    overlap: tuple[float, float]
    agreement: float
    median: float
    busier: float
    sharper: float
    plain: tuple[float, float]
    sure: float

    @property
    def is_copy(self) -> bool:
        if self.sure < SURE:
            return False
        if self.is_crooked:
            return self.agreement >= CROOKED[0] and self.median >= CROOKED[1]
        return self.agreement >= MOSTLY or (self.agreement >= IN_PART and self.median >= EXACTLY)

    @property
    def is_crooked(self) -> bool:
        tilt = abs((self.degrees + 45) % 90 - 45)
        return tilt > TILT or self.stretch > STRETCH or max(self.overlap) < SHIFTED

    @property
    def score(self) -> float:
        """In 0..1; 0 for what is no copy."""
        return self.sure * (self.agreement + max(self.median, 0.0)) / 2 if self.is_copy else 0.0

    @property
    def scale(self) -> float:
        """How many pixels of `b` a pixel of `a` is long."""
        return _zoom(self.transform)

    @property
    def degrees(self) -> float:
        """By how much `a` is turned, clockwise, in -180..180."""
        return math.degrees(math.atan2(self.transform[1, 0], self.transform[0, 0]))

    @property
    def stretch(self) -> float:
        """How much more `a` is scaled along one direction than across it: at least 1."""
        wide, narrow = np.linalg.svd(self.transform[:2, :2], compute_uv=False)
        return float(wide / max(narrow, 1e-9))


def keypoints(pixels: Pixels) -> Keypoints:
    return verify.keypoints(pixels, "sift", SIDE, MOST)


def framed(a: Pixels, b: Pixels, turn: int) -> Overlay:
    """The whole of `a` laid on the whole of `b`, after that one of the eight turns and flips of
    `encode.classical.layout.turned`."""
    corners = geometry.corners(a.shape[1], a.shape[0])
    target = np.roll(geometry.corners(b.shape[1], b.shape[0]), turn % 4, axis=0)
    return _overlay(a, b, geometry.affine(corners - 0.5, target - 0.5), turn >= 4, 1.0)


def matched(a: Pixels, b: Pixels, keypoints_a: Keypoints, keypoints_b: Keypoints) -> Overlay | None:
    """`a` laid on `b` by their keypoints; None where those tell nothing, or another view."""
    found = verify.aligned(keypoints_a, keypoints_b, reflections=True)
    if found is None or found.confidence < SURE:
        return None
    slant = np.abs(found.transform[2, :2] / found.transform[2, 2]).max() * max(a.shape[:2])
    if slant > PERSPECTIVE:
        return None
    return _overlay(a, b, found.transform, found.mirrored, found.confidence)


def colourful(pixels: Pixels) -> float:
    """The mean distance of the largest from the smallest channel."""
    return float((pixels.max(axis=2).astype(np.int16) - pixels.min(axis=2)).mean())


def _zoom(transform: NDArray[np.float64]) -> float:
    return math.sqrt(abs(float(np.linalg.det(transform[:2, :2]))))


def _overlay(a: Pixels, b: Pixels, matrix: NDArray[np.float64], mirrored: bool, sure: float) -> Overlay:
    grey_a, grey_b = _grey(a[:, ::-1] if mirrored else a), _grey(b)
    overlap = _overlap(matrix, a.shape, b.shape)
    zoom = _zoom(matrix)
    longest = max(b.shape[:2]) * math.sqrt(overlap[1])
    factor = min(1.0, 1 / max(zoom, 1e-6), CANVAS / max(longest, 1.0))
    small_a, small_b = _reduced(grey_a, factor * zoom), _reduced(grey_b, factor)
    onto = _sizes(b, small_b) @ matrix @ np.linalg.inv(_sizes(a, small_a))
    moved, there = _moved(small_a, onto, small_b.shape)
    agreement, median, busier, sharper = _agreement(moved, small_b, there)
    _, there_a = _moved(small_b, np.linalg.inv(onto), small_a.shape)
    plain = _plain(small_a, there_a), _plain(small_b, there)
    return Overlay(matrix, mirrored, overlap, agreement, median, busier, sharper, plain, sure)


def _grey(pixels: Pixels) -> Grey:
    found: Grey = opencv().cvtColor(np.ascontiguousarray(pixels), opencv().COLOR_RGB2GRAY).astype(np.float32)
    return found


def _overlap(matrix: NDArray[np.float64], a: tuple[int, ...], b: tuple[int, ...]) -> tuple[float, float]:
    outline = geometry.common(matrix, (a[1], a[0]), (b[1], b[0]))
    if len(outline) < 3:
        return 0.0, 0.0
    back = geometry.applied(np.linalg.inv(matrix).astype(np.float64), outline)
    return min(1.0, geometry.area(back) / (a[0] * a[1])), min(1.0, geometry.area(outline) / (b[0] * b[1]))


def _reduced(grey: Grey, factor: float) -> Grey:
    if factor >= 1:
        return grey
    size = max(8, round(grey.shape[1] * factor)), max(8, round(grey.shape[0] * factor))
    found: Grey = opencv().resize(grey, size, interpolation=opencv().INTER_AREA)
    return found


def _sizes(whole: Pixels, reduced: Grey) -> NDArray[np.float64]:
    return np.diag([reduced.shape[1] / whole.shape[1], reduced.shape[0] / whole.shape[0], 1.0])


def _moved(grey: Grey, transform: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[Grey, Mask]:
    cv2 = opencv()
    size = shape[1], shape[0]
    moved = cv2.warpPerspective(grey, transform, size, borderMode=cv2.BORDER_REPLICATE)
    return moved, cv2.warpPerspective(np.ones(grey.shape, np.uint8), transform, size) > 0


def _agreement(a: Grey, b: Grey, there: Mask) -> tuple[float, float, float, float]:
    """The part of the telling windows that agree, the median correlation of all, which picture has more in
    the others, and which has more detail where they agree."""
    detail_a, detail_b = (np.abs(opencv().Laplacian(each, opencv().CV_32F)) for each in (a, b))
    a, b = (opencv().GaussianBlur(each, (0, 0), 1.0) for each in (a, b))
    (mean_a, spread_a), (mean_b, spread_b) = _windows(a), _windows(b)
    together = opencv().blur(a * b, (WINDOW, WINDOW)) - mean_a * mean_b
    telling = _within(there) & (np.maximum(spread_a, spread_b) >= FLAT**2)
    if not telling.any():
        return 0.0, 0.0, 0.0, 1.0
    correlation = together[telling] / np.sqrt(np.maximum(spread_a[telling] * spread_b[telling], 1.0))
    agree = correlation >= AGREES
    busier = float((spread_b[telling] - spread_a[telling])[~agree].sum())
    sharper = float(detail_b[telling][agree].sum() / max(float(detail_a[telling][agree].sum()), 1e-6))
    return float(agree.mean()), float(np.median(correlation)), busier, sharper


def _windows(grey: Grey, side: int = WINDOW) -> tuple[Grey, Grey]:
    """Mean and variance around each pixel."""
    mean = opencv().blur(grey, (side, side))
    return mean, np.maximum(opencv().blur(grey * grey, (side, side)) - mean**2, 0)


def _within(there: Mask, side: int = WINDOW) -> Mask:
    """The pixels whose whole window is true."""
    cv2 = opencv()
    window = np.ones((side, side), np.uint8)
    kept = cv2.erode(there.astype(np.uint8), window, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    found: Mask = kept > 0
    return found


def _plain(grey: Grey, there: Mask) -> float:
    """The part of what is outside of the overlap in which next to nothing changes; 0 where nothing is."""
    outside = _within(~there, EDGE)
    return float((_windows(grey, EDGE)[1] < FLAT**2)[outside].mean()) if outside.any() else 0.0
