"""Structural similarity: how alike two pictures are where they lie on each other."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from findalike import pixels as pixels_
from findalike.errors import UsageError
from findalike.types import Pixels
from findalike.verify.alignment import Alignment
from findalike.verify.keypoints import opencv

SIGMA, REACH = 1.5, 5
"""The window of Wang et al.: a Gaussian, cut off at 5 pixels from its middle."""

STEADY = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)
"""What keeps flat windows from deciding by their noise."""

SIDE = 256
"""Pictures are reduced to this longer side before they are compared where they are aligned."""


def ssim(a: Pixels, b: Pixels, mask: NDArray[np.bool_] | None = None) -> float:
    """The mean structural similarity of two RGB pictures of one size, in grey: from -1 to 1, where 1 is the
    same (Wang et al. 2004: Gaussian windows of 11 pixels, K = 0.01 and 0.03, population covariance).

    Only windows that lie within the picture count, and with a `mask` (height, width) only those that lie
    within what is true of it; where there is none, those whose middle does, and 0 where nothing does.
    Raises UsageError for pictures of two sizes.
    """
    if a.shape != b.shape:
        raise UsageError(f"structure is compared of pictures of one size, not of {a.shape} and {b.shape}")
    similarity = _map(_grey(a), _grey(b))
    valid = np.ones(a.shape[:2], bool) if mask is None else mask
    whole = opencv().erode(
        valid.astype(np.uint8), np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8),
        borderType=opencv().BORDER_CONSTANT, borderValue=0,
    ).astype(bool)  # fmt: skip
    chosen = whole if whole.any() else valid
    return float(similarity[chosen].mean()) if chosen.any() else 0.0


def resized(pixels: Pixels, shape: tuple[int, ...]) -> Pixels:
    """The whole picture, smoothly, in the height and width that `shape` begins with."""
    cv2 = opencv()
    size = shape[1], shape[0]
    smaller = size[0] * size[1] < pixels.shape[0] * pixels.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cast(Pixels, cv2.resize(np.ascontiguousarray(pixels), size, interpolation=how))


def ssim_aligned(a: Pixels, b: Pixels, alignment: Alignment) -> float:
    """The structural similarity of what both pictures show, after `a` is brought onto `b`; 0 where that is
    nothing. `alignment` is that of these pictures, in their pixels. The larger is blurred to the smaller."""
    target = pixels_.fit(b, SIDE)
    a = a[:, ::-1] if alignment.mirrored else a
    to_target = np.diag([target.shape[1] / b.shape[1], target.shape[0] / b.shape[0], 1])
    zoom = alignment.scale * target.shape[1] / b.shape[1]
    source = pixels_.fit(a, max(1, round(max(a.shape[:2]) * min(1.0, zoom))))
    from_source = np.diag([a.shape[1] / source.shape[1], a.shape[0] / source.shape[0], 1])
    transform = to_target @ alignment.transform @ from_source
    moved, mask = _warped(source, transform, target.shape)
    return ssim(moved, target, mask)


def _warped(
    source: Pixels, transform: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[Pixels, NDArray[np.bool_]]:
    """The picture, transformed, and where it lies."""
    cv2 = opencv()
    size = shape[1], shape[0]
    moved = cv2.warpPerspective(
        source, transform, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    there = cv2.warpPerspective(np.full(source.shape[:2], 255, np.uint8), transform, size)
    return cast(Pixels, moved), there == 255


def _grey(pixels: Pixels) -> NDArray[np.float64]:
    cv2 = opencv()
    grey: Any = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    return cast(NDArray[np.float64], grey.astype(np.float64))


def _map(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The similarity of the windows around each pixel."""
    mean_a, mean_b = _blurred(a), _blurred(b)
    spread_a, spread_b = _blurred(a * a) - mean_a**2, _blurred(b * b) - mean_b**2
    together = _blurred(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + STEADY[0]) / (mean_a**2 + mean_b**2 + STEADY[0])
    structure = (2 * together + STEADY[1]) / (spread_a + spread_b + STEADY[1])
    found: NDArray[np.float64] = light * structure
    return found


def _blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    window = 2 * REACH + 1
    blurred: NDArray[np.float64] = opencv().GaussianBlur(values, (window, window), SIGMA)
    return blurred
