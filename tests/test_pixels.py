"""Pixels against numpy's turns, and against scaling all before cropping."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from findalike import pixels

RANDOM = np.random.default_rng(7)


def noise(height: int, width: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)


TURNED_BACK = {  # what a camera stored, as a function of the upright picture (EXIF 2.32, 4.6.4 A)
    1: lambda up: up,
    2: lambda up: up[:, ::-1],
    3: lambda up: np.rot90(up, 2),
    4: lambda up: up[::-1],
    5: lambda up: up.swapaxes(0, 1),
    6: lambda up: np.rot90(up, 1),
    7: lambda up: np.rot90(up.swapaxes(0, 1), 2),
    8: lambda up: np.rot90(up, -1),
}


@pytest.mark.parametrize("orientation", TURNED_BACK)
def test_all_orientations_give_the_upright_picture(orientation: int) -> None:
    upright = noise(5, 8)
    stored = np.ascontiguousarray(TURNED_BACK[orientation](upright))
    assert np.array_equal(np.asarray(pixels.oriented(Image.fromarray(stored), orientation)), upright)


@pytest.mark.parametrize("orientation", [0, 9, -1, 65535])
def test_an_unknown_orientation_changes_nothing(orientation: int) -> None:
    image = Image.fromarray(noise(3, 4))
    assert pixels.oriented(image, orientation) is image


def test_crop_takes_fractions() -> None:
    picture = noise(100, 200)
    assert np.array_equal(pixels.crop(picture, (0.25, 0.1, 0.75, 0.5)), picture[10:50, 50:150])
    assert np.array_equal(pixels.crop(picture, (0.0, 0.0, 1.0, 1.0)), picture)


@pytest.mark.parametrize(
    "box", [(0.5, 0.5, 0.5, 0.5), (1.0, 1.0, 1.0, 1.0), (-1.0, -1.0, 0.0, 0.0), (2, 2, 3, 3)]
)
def test_crop_is_never_empty(box: tuple[float, float, float, float]) -> None:
    assert pixels.crop(noise(7, 9), box).shape == (1, 1, 3)


@pytest.mark.parametrize("shape", [(375, 500), (500, 375), (256, 256), (301, 1999), (60, 45), (1024, 257)])
@pytest.mark.parametrize("fraction", [0.875, 1.0])
def test_square_equals_scaling_all_and_cropping(shape: tuple[int, int], fraction: float) -> None:
    picture = noise(*shape)
    short = round(224 / fraction)
    height, width = shape
    scale = short / min(shape)
    size = round(width * scale), round(height * scale)
    whole = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    left, top = (size[0] - 224) // 2, (size[1] - 224) // 2
    expected = whole[top : top + 224, left : left + 224].astype(int)
    assert abs(pixels.square(picture, 224, fraction) - expected).max() <= 1


@pytest.mark.parametrize("shape", [(1, 10_000), (10_000, 1), (1, 1), (2, 3)])
def test_square_takes_any_shape(shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), (10, 200, 30), np.uint8)
    assert pixels.square(picture, 224).shape == (224, 224, 3)
    assert (pixels.square(picture, 224) == (10, 200, 30)).all()


def test_fit_keeps_the_shape_and_never_enlarges() -> None:
    assert pixels.fit(noise(300, 600), 200).shape == (100, 200, 3)
    assert pixels.fit(noise(10_000, 2), 100).shape == (100, 1, 3)
    small = noise(20, 30)
    assert pixels.fit(small, 200) is small
