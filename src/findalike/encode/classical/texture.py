"""Gradients and textures of a grey copy: HOG and LBP, computed by scikit-image."""

from __future__ import annotations

import numpy as np
from PIL import Image

from findalike import distance, plugins
from findalike.encode.classical.descriptor import EXTRA, Describe, entry
from findalike.types import Card, Pixels, Vector

HOG_SIDE, CELL, BLOCK, ORIENTATIONS = 128, 16, 2, 9
LBP_SIDE = 128
NEIGHBOURS, RADIUS = 8, 1
PATTERNS = NEIGHBOURS * (NEIGHBOURS - 1) + 3
"""Of eight neighbours: 58 whose circle changes at most twice between lighter and darker, and all others."""

_BLOCKS = HOG_SIDE // CELL - BLOCK + 1

HOG = Card(
    name="hog",
    revision="1",
    dim=_BLOCKS**2 * BLOCK**2 * ORIENTATIONS,
    metric=distance.EUCLIDEAN,
    preprocessing={"side": HOG_SIDE, "squash": HOG_SIDE, "resample": "bilinear"},
    licence="BSD-3-Clause",
    source="scikit-image: histograms of oriented gradients (Dalal and Triggs 2005)",
)
LBP = Card(
    name="lbp",
    revision="1",
    dim=PATTERNS,
    metric=distance.CHI_SQUARE,
    preprocessing={"side": LBP_SIDE, "squash": LBP_SIDE, "resample": "bilinear"},
    licence="BSD-3-Clause",
    source="scikit-image: uniform local binary patterns (Ojala et al. 2002)",
)


def grey(pixels: Pixels, side: int) -> Pixels:
    """The luma of the picture squashed to a square, shape (side, side)."""
    image = Image.fromarray(pixels).convert("L").resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(image)


def prepare_hog() -> Describe:
    """A function from pixels to normalised blocks of 2 × 2 cells of 16 × 16 pixels, nine orientations each.
    Raises ExtraMissing."""
    hog = plugins.on_use("skimage.feature", EXTRA).hog

    def describe(pixels: Pixels) -> Vector:
        row: Vector = hog(
            grey(pixels, HOG_SIDE),
            orientations=ORIENTATIONS,
            pixels_per_cell=(CELL, CELL),
            cells_per_block=(BLOCK, BLOCK),
        ).astype(np.float32)
        return row

    return describe


def prepare_lbp() -> Describe:
    """A function from pixels to the share of each uniform pattern, 1 in sum. Raises ExtraMissing."""
    local_binary_pattern = plugins.on_use("skimage.feature", EXTRA).local_binary_pattern

    def describe(pixels: Pixels) -> Vector:
        small = grey(pixels, LBP_SIDE)
        patterns = local_binary_pattern(small, NEIGHBOURS, RADIUS, "nri_uniform").astype(np.intp)
        counts = np.bincount(patterns.ravel(), minlength=PATTERNS)
        return (counts / small.size).astype(np.float32)

    return describe


HOG_ENTRY = entry(HOG, prepare_hog)
LBP_ENTRY = entry(LBP, prepare_lbp)
