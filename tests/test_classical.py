"""The classical encoders, against hand-worked pictures, plain loops and what the libraries say themselves."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from conftest import Photo
from findalike.encode.base import unit
from findalike.encode.classical import colour, layout
from findalike.types import Pixels, Vector

GREY = (128, 128, 128)


def plain(rgb: tuple[int, int, int], height: int = 60, width: int = 80) -> Pixels:
    return np.full((height, width, 3), rgb, np.uint8)


def colours_of(pixels: Pixels) -> Vector:
    return unit(colour.prepare()(pixels)[None])[0]


def layout_of(pixels: Pixels) -> Vector:
    return unit(layout.describe(pixels)[None])[0]


# Colour


def test_shares_of_colours_sum_to_one() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    assert np.square(colour.prepare()(pixels)).sum() == pytest.approx(1, abs=1e-5)


def test_near_colours_are_nearer_than_far_ones() -> None:
    red, reddish, orange, blue = map(
        colours_of, map(plain, [(200, 20, 20), (190, 28, 24), (230, 120, 20), (20, 40, 200)])
    )
    assert red @ reddish > 0.85
    assert red @ reddish > red @ orange > red @ blue
    assert red @ blue < 0.05


def test_where_the_colours_are_makes_no_difference_but_the_middle_counts_more() -> None:
    pixels = plain((200, 20, 20))
    pixels[:, :40] = (20, 40, 200)
    np.testing.assert_allclose(colours_of(pixels), colours_of(pixels[:, ::-1]), atol=1e-5)
    middle, edge = plain(GREY), plain(GREY)
    middle[20:40, 27:53] = edge[:20, :26] = (200, 20, 20)
    red = colours_of(plain((200, 20, 20)))
    assert colours_of(middle) @ red > colours_of(edge) @ red


def test_a_shade_more_of_light_is_nearly_the_same_picture(photo: Photo) -> None:
    pixels = np.asarray(photo("coffee"))
    brighter = np.clip(pixels.astype(int) + 6, 0, 255).astype(np.uint8)
    assert colours_of(pixels) @ colours_of(brighter) > 0.97


# Layout


def waves(channel: np.ndarray, down: int, across: int) -> float:
    """One coefficient of the transform, by its definition, in grey levels."""
    side, total = len(channel), 0.0
    for y in range(side):
        for x in range(side):
            total += (
                channel[y, x]
                * np.cos(np.pi * (2 * y + 1) * down / (2 * side))
                * np.cos(np.pi * (2 * x + 1) * across / (2 * side))
            )
    scale = (1 if down else 0.5**0.5) * (1 if across else 0.5**0.5) * 2 / side
    return total * scale / side


def test_the_numbers_of_a_layout_are_those_of_its_definition() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    red, green, blue = pixels.astype(float).transpose(2, 0, 1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    channels = [luma - 128, 0.5 * (blue - luma) / (1 - 0.114), 0.5 * (red - luma) / (1 - 0.299)]
    expected = []
    for channel, most in zip(channels, (9, 5, 5), strict=True):
        for total in range(most + 1):
            for down in range(total + 1):
                number = np.arcsinh(4 * waves(channel, down, total - down))
                expected.append(number * (0.5 if total == 0 else 1) * (1 if channel is channels[0] else 1.2))
    np.testing.assert_allclose(layout.describe(pixels), [*expected, np.arcsinh(4)], atol=0.02)


@pytest.mark.parametrize("name", ["chelsea", "coffee", "text"])
def test_a_row_turns_as_its_picture_does(photo: Photo, name: str) -> None:
    pixels = np.asarray(photo(name))
    found = unit(layout.turned(layout.describe(pixels)[None])[:, 0])
    for number in range(8):
        turned = np.rot90(np.fliplr(pixels) if number >= 4 else pixels, number % 4)
        really = layout_of(np.ascontiguousarray(turned))
        assert found[number] @ really > 0.999
        assert np.argmax(found @ really) == number


def test_turning_four_times_and_mirroring_twice_changes_nothing() -> None:
    rows = np.random.default_rng(0).normal(size=(5, layout.LAYOUT.dim)).astype(np.float32)
    turns = layout.turned(rows)
    assert turns.shape == (8, 5, layout.LAYOUT.dim)
    np.testing.assert_array_equal(turns[0], rows)
    np.testing.assert_array_equal(layout.turned(turns[1])[3], rows)
    np.testing.assert_array_equal(layout.turned(turns[4])[4], rows)


def test_edits_leave_a_layout_nearer_than_any_other_picture(photo: Photo) -> None:
    names = ("astronaut", "brick", "cell", "chelsea", "coffee", "coins", "grass", "moon", "page", "text")
    stored = np.stack([layout_of(np.asarray(photo(name))) for name in names])
    for place, name in enumerate(names):
        image = photo(name)
        framed = Image.new("RGB", (204, 153), (255, 255, 255))
        framed.paste(image, (6, 4))
        for edited in (image.resize((64, 48)), image.convert("L").convert("RGB"), framed):
            assert np.argmax(stored @ layout_of(np.asarray(edited))) == place


@pytest.mark.parametrize("describe", [colours_of, layout_of])
def test_plain_pictures_have_a_direction(describe: object) -> None:
    assert callable(describe)
    for height, width in [(1, 1), (60, 80), (1, 10_000), (10_000, 1)]:
        row = describe(plain(GREY, height, width))
        assert np.linalg.norm(row) == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(row, describe(plain(GREY)), atol=1e-5)
