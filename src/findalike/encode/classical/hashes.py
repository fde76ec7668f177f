"""Perceptual hashes, computed by ImageHash: 64 bits, compared by how many of them differ (Hamming).

What each hash of the library gives for a picture, the row gives bit for bit, row by row of its square.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from findalike import distance, plugins
from findalike.encode.classical.descriptor import EXTRA, Describe, entry
from findalike.types import Card, Pixels, Vector

BITS = 64
WAVELET_SIDE = 64
SEGMENTS = 4
SEGMENTED = 100
"""Height and width in pixels at which the crop-resistant hash looks for segments: a third of what is usual in
the library, and ten times as fast."""

_LEAST_SEGMENT = 56
"""Pixels of a segment, the same share of the picture as in the library."""


def _card(name: str, source: str, segments: int = 1) -> Card:
    return Card(
        name=name,
        revision="1",
        dim=BITS * segments,
        metric=distance.HAMMING,
        dtype="bit",
        preprocessing={"side": 128},
        licence="BSD-2-Clause",
        source=f"ImageHash: {source}",
    )


AVERAGE = _card("average-hash", "which of 8 × 8 parts are lighter than their mean")
DIFFERENCE = _card("difference-hash", "which of 8 × 8 parts are darker than the next")
PERCEPTUAL = _card("perceptual-hash", "signs of the low frequencies (cosine transform) about their median")
WAVELET = _card("wavelet-hash", "low Haar wavelets about their median")
CROP_RESISTANT = _card(
    "crop-resistant-hash",
    f"difference hashes of the {SEGMENTS} largest segments (Steinebach et al. 2014)",
    SEGMENTS,
)


def _hashing(compute: Callable[[Any, Image.Image], list[Any]]) -> Callable[[], Describe]:
    """Prepares a function from pixels to the bits, 0 or 1, of one hash or several. Raises ExtraMissing."""

    def prepare() -> Describe:
        library = plugins.on_use("imagehash", EXTRA)

        def describe(pixels: Pixels) -> Vector:
            hashes = compute(library, Image.fromarray(pixels))
            return np.concatenate([each.hash.ravel() for each in hashes]).astype(np.float32)

        return describe

    return prepare


def _wavelet(library: Any, image: Image.Image) -> list[Any]:
    """Of a fixed scale: that of the library, which follows the size of the picture, fails for small ones."""
    return [library.whash(image, image_scale=WAVELET_SIDE)]


def _segments(library: Any, image: Image.Image) -> list[Any]:
    """The hashes of the largest segments, the largest first; of fewer, they begin again."""
    found = library.crop_resistant_hash(
        image,
        limit_segments=SEGMENTS,
        min_segment_size=_LEAST_SEGMENT,
        segmentation_image_size=SEGMENTED,
    ).segment_hashes
    return [found[n % len(found)] for n in range(SEGMENTS)]


AVERAGE_ENTRY = entry(AVERAGE, _hashing(lambda library, image: [library.average_hash(image)]))
DIFFERENCE_ENTRY = entry(DIFFERENCE, _hashing(lambda library, image: [library.dhash(image)]))
PERCEPTUAL_ENTRY = entry(PERCEPTUAL, _hashing(lambda library, image: [library.phash(image)]))
WAVELET_ENTRY = entry(WAVELET, _hashing(_wavelet))
CROP_RESISTANT_ENTRY = entry(CROP_RESISTANT, _hashing(_segments))
