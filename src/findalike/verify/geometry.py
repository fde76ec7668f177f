"""Plane geometry of two pictures: transforms from the one to the other. Pure.

Points are rows x, y, with y downwards; a transform is a matrix of shape (3, 3) that takes x, y, 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from findalike.verify.keypoints import opencv

Points = NDArray[np.float64]
Transform = NDArray[np.float64]

STRETCH = 3.0
"""How much more a picture may be scaled along one direction than across it."""

SCALE = 12.0
"""How much larger or smaller, relative to its picture, a thing may be seen again."""


def applied(transform: Transform, points: Points) -> Points:
    """The points, transformed; not finite where the transform sends one to infinity."""
    moved = points @ transform[:, :2].T + transform[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Points = moved[:, :2] / moved[:, 2:]
    return found


def inverse(transform: Transform) -> Transform:
    """The way back."""
    return np.linalg.inv(transform).astype(np.float64)


def similarity(a: Points, b: Points) -> Transform:
    """The turn, scale and shift that bring `a` nearest to `b` (least squares)."""
    za, zb = a @ (1, 1j), b @ (1, 1j)
    centre_a, centre_b = za.mean(), zb.mean()
    length = max(float((abs(za - centre_a) ** 2).sum()), 1e-12)
    turn = (np.conj(za - centre_a) * (zb - centre_b)).sum() / length
    shift = centre_b - turn * centre_a
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag], [0, 0, 1]])


def affine(a: Points, b: Points) -> Transform:
    """The affine transform that brings `a` nearest to `b` (least squares)."""
    found, *_ = np.linalg.lstsq(np.column_stack([a, np.ones(len(a))]), b, rcond=None)
    return np.vstack([found.T, (0, 0, 1)])


def jacobian(transform: Transform, point: Points) -> NDArray[np.float64]:
    """How a transform scales, turns and shears at a point of shape (2,): a matrix of shape (2, 2)."""
    homogeneous = transform @ np.append(point, 1.0)
    depth = homogeneous[2]
    moved = homogeneous[:2] / depth
    found: NDArray[np.float64] = (transform[:2, :2] - np.outer(moved, transform[2, :2])) / depth
    return found


def corners(width: float, height: float) -> Points:
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)


def is_sane(transform: Transform, width: float, height: float) -> bool:
    """Whether a picture of this size stays a picture: not mirrored, folded or seen from behind anywhere, its
    corners still those of a convex shape, neither stretched nor scaled beyond reason."""
    frame = corners(width, height)
    depth = frame @ transform[2, :2] + transform[2, 2]
    if not np.isfinite(transform).all() or (depth <= 0.1 * depth.max()).any():
        return False
    sides = np.roll(applied(transform, frame), -1, axis=0) - applied(transform, frame)
    x, y = sides.T
    if (x * np.roll(y, -1) - y * np.roll(x, -1) <= 0).any():
        return False
    wide, narrow = np.linalg.svd(jacobian(transform, frame.mean(axis=0)), compute_uv=False)
    return bool(wide <= STRETCH * narrow and 1 / SCALE <= np.sqrt(wide * narrow) <= SCALE)


def common(transform: Transform, size_a: tuple[float, float], size_b: tuple[float, float]) -> Points:
    """The outline, in `b`, of what of the picture `a` lies within the picture `b`; none where none does."""
    cv2 = opencv()
    moved = applied(transform, corners(*size_a)).astype(np.float32)
    area, outline = cv2.intersectConvexConvex(moved, corners(*size_b).astype(np.float32))
    return outline.reshape(-1, 2).astype(np.float64) if area > 0 and outline is not None else np.zeros((0, 2))


def area(outline: Points) -> float:
    """Of a polygon, by Gauss's formula."""
    x, y = outline.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
