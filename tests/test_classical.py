"""The classical encoders, against hand-worked pictures, plain loops and what the libraries say themselves."""

from __future__ import annotations

import colorsys
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import findalike
from conftest import Photo
from findalike import distance, palette, settings
from findalike.encode import catalog
from findalike.encode.base import encode, unit
from findalike.encode.classical import colour, dominant, layout
from findalike.errors import ExtraMissing
from findalike.types import Origin, Picture, Pixels, Vector
from findalike.words.appearance import APPEARANCE

imagehash = pytest.importorskip("imagehash", reason="pip install 'findalike[classical]'")
skimage = pytest.importorskip("skimage", reason="pip install 'findalike[classical]'")

GREY = (128, 128, 128)
NAMES = (
    "colour",
    "layout",
    "dominant-colours",
    "hsv-histogram",
    "lab-histogram",
    "gist",
    "hog",
    "lbp",
    "average-hash",
    "difference-hash",
    "perceptual-hash",
    "wavelet-hash",
    "crop-resistant-hash",
)


def picture(pixels: Pixels) -> Picture:
    return Picture(pixels, Origin("x"), pixels.shape[1], pixels.shape[0])


def row_of(name: str, pixels: Pixels) -> Vector:
    """As a library would store it."""
    return encode(catalog.load(catalog.find(name), settings.load()), [picture(pixels)])[0]


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


# Histograms


def test_a_picture_of_two_colours_has_two_bins() -> None:
    pixels = plain((255, 0, 0), 96, 96)
    pixels[:24] = (0, 0, 128)
    hsv = row_of("hsv-histogram", pixels)
    red, blue = (0 * 4 + 3) * 4 + 3, (8 * 4 + 3) * 4 + 2
    assert {n: float(hsv[n]) for n in np.flatnonzero(hsv)} == {red: 0.75, blue: 0.25}


@pytest.mark.parametrize("rgb", [(250, 10, 10), (20, 180, 60), (13, 13, 13), (200, 180, 250), (10, 200, 220)])
def test_the_bins_of_a_histogram_are_those_of_the_colour(rgb: tuple[int, int, int]) -> None:
    middle = tuple((value >> 3 << 3) + 4 for value in rgb)
    tint, saturation, _ = colorsys.rgb_to_hsv(*(each / 255 for each in middle))
    expected = (int(tint * 12) * 4 + min(int(saturation * 4), 3)) * 4 + int(max(middle) / 64)
    assert np.argmax(row_of("hsv-histogram", plain(rgb))) == expected
    lightness, first, second = skimage.color.rgb2lab(np.array(middle, float).reshape(1, 1, 3) / 255).ravel()
    places = [lightness / 100, (first / 60 + 1) / 2, (second / 60 + 1) / 2]
    down, green, blue = (min(int(place * n), n - 1) for place, n in zip(places, (6, 7, 7), strict=True))
    assert np.argmax(row_of("lab-histogram", plain(rgb))) == (down * 7 + green) * 7 + blue


def test_lab_is_that_of_scikit_image() -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (500, 3), np.uint8)
    np.testing.assert_allclose(palette.lab(rgb), skimage.color.rgb2lab(rgb[None] / 255)[0], atol=0.05)


# Dominant colours


def test_dominant_colours_have_the_names_and_shares_that_are_seen() -> None:
    pixels = plain((16, 40, 120), 64, 64)
    pixels[:16] = (250, 250, 250)
    pixels[60:, :16] = (220, 20, 20)  # 1.6 % is too little
    found = dominant.dominant(pixels)
    assert [(each.name, each.tag) for each in found] == [("dark blue", "blue"), ("white", "white")]
    assert [each.share for each in found] == pytest.approx([0.75 - 64 / 4096, 0.25])
    assert found[0].rgb == (16, 40, 120)
    row = row_of("dominant-colours", pixels)
    assert {dominant.names()[n] for n in np.flatnonzero(row)} == {"dark blue", "white"}
    assert row.sum() == pytest.approx(1)


def test_the_names_of_dominant_colours_are_those_of_the_tags() -> None:
    tags = {colour.name for colour in palette.COLOURS}
    assert tags == {concept.name for concept in APPEARANCE.bank.concepts[: len(palette.COLOURS)]}
    assert {name.removeprefix("dark ").removeprefix("light ") for name in dominant.names()} == tags
    assert len(set(dominant.names())) == dominant.DOMINANT.dim


def test_dominant_colours_are_filtered_by_name(tmp_path: Path) -> None:
    for name, rgb in {"fire": (210, 30, 20), "sea": (20, 60, 190), "wood": (40, 140, 50)}.items():
        Image.fromarray(plain(rgb)).save(tmp_path / f"{name}.png")
    with findalike.open(tmp_path / "library") as library:
        library.add(tmp_path)
        for asset in library.store.assets():
            pixels = np.asarray(Image.open(asset.uri))
            assert dominant.dominant(pixels)[0].tag in asset.tags
        found = library.search(
            tmp_path / "fire.png", where="tag = 'blue' or tag = 'green'", include_self=True
        )
        assert {Path(hit.asset.uri).stem for hit in found} == {"sea", "wood"}


# Gradients and texture


@pytest.mark.parametrize(("name", "side"), [("hog", 128), ("lbp", 128)])
def test_gradients_and_patterns_are_those_of_scikit_image(photo: Photo, name: str, side: int) -> None:
    image = photo("coffee")
    small = np.asarray(image.convert("L").resize((side, side), Image.Resampling.BILINEAR))
    if name == "hog":
        expected = skimage.feature.hog(small, 9, (16, 16), (2, 2))
    else:
        patterns = skimage.feature.local_binary_pattern(small, 8, 1, "nri_uniform")
        expected = np.histogram(patterns, 59, (0, 59))[0] / side**2
    np.testing.assert_allclose(row_of(name, np.asarray(image)), expected, atol=1e-6)


def test_the_gist_of_stripes_is_in_the_filter_of_their_direction_and_width() -> None:
    across = np.arange(96)
    for scale, orientation, wave in [
        (0, 0, np.cos(2 * np.pi * 0.25 * across)[None, :] * np.ones((96, 1))),
        (1, 4, np.cos(2 * np.pi * 0.125 * across)[:, None] * np.ones((1, 96))),
        (2, 0, np.cos(2 * np.pi * 0.0625 * across)[None, :] * np.ones((96, 1))),
    ]:
        pixels = np.repeat((128 + 100 * wave).round().astype(np.uint8)[..., None], 3, axis=2)
        strength = row_of("gist", pixels).reshape(4, 8, 16).mean(axis=2)
        assert np.unravel_index(strength.argmax(), strength.shape) == (scale, orientation)


def test_the_parts_of_a_gist_are_where_the_texture_is() -> None:
    pixels = plain(GREY, 96, 96)
    pixels[72:, :24] = np.random.default_rng(0).integers(0, 256, (24, 24, 1), np.uint8)
    parts = row_of("gist", pixels).reshape(32, 4, 4).mean(axis=0)
    assert np.unravel_index(parts.argmax(), parts.shape) == (3, 0)
    assert parts[0, 3] < 0.2 * parts[3, 0]


# Hashes


@pytest.mark.parametrize(
    ("name", "direct"),
    [
        ("average-hash", imagehash.average_hash),
        ("difference-hash", imagehash.dhash),
        ("perceptual-hash", imagehash.phash),
        ("wavelet-hash", lambda image: imagehash.whash(image, image_scale=64)),
    ],
)
def test_bits_are_those_of_the_library(photo: Photo, name: str, direct: Any) -> None:
    first, second = photo("chelsea"), photo("coffee")
    rows = [row_of(name, np.asarray(image)) for image in (first, second)]
    for row, image in zip(rows, (first, second), strict=True):
        np.testing.assert_array_equal(row, direct(image).hash.ravel())
    similarity = distance.similarity("hamming", np.stack(rows), rows[0])[1]
    assert similarity == pytest.approx(1 - (direct(first) - direct(second)) / 64)


def test_a_crop_resistant_row_is_that_of_the_largest_segments(photo: Photo) -> None:
    image = photo("coffee")
    segments = imagehash.crop_resistant_hash(
        image, limit_segments=4, min_segment_size=56, segmentation_image_size=100
    ).segment_hashes
    row = row_of("crop-resistant-hash", np.asarray(image)).reshape(4, 64)
    for number, bits in enumerate(row):
        np.testing.assert_array_equal(bits, segments[number % len(segments)].hash.ravel())


def test_a_plain_picture_has_one_segment_that_is_repeated() -> None:
    row = row_of("crop-resistant-hash", plain(GREY)).reshape(4, 64)
    np.testing.assert_array_equal(row, np.repeat(row[:1], 4, axis=0))


# Odd pictures, missing libraries


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (10_000, 1), (1, 10_000), (300, 200)])
def test_pictures_of_one_pixel_one_line_and_one_colour_are_described(
    name: str, height: int, width: int
) -> None:
    card = catalog.find(name)
    for rgb in [(0, 0, 0), GREY, (255, 255, 255)]:
        row = row_of(name, plain(rgb, height, width))
        assert np.isfinite(row).all()
        assert distance.similarity(card.metric, row[None], row)[0] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["hog", "lbp", "average-hash", "crop-resistant-hash"])
def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for module in ("skimage.feature", "imagehash"):
        monkeypatch.setitem(sys.modules, module, None)
    card = catalog.find(name)  # it is still listed
    with pytest.raises(ExtraMissing, match=r"pip install 'findalike\[classical\]'"):
        catalog.load(card, settings.load())


def test_a_library_is_searched_by_bits_and_by_shares(tmp_path: Path, photo: Photo) -> None:
    for name in ("chelsea", "coffee", "moon"):
        photo(name).save(tmp_path / f"{name}.jpg")
    Image.fromarray(plain(GREY)).save(tmp_path / "plain.png")
    with findalike.open(tmp_path / "library") as library:
        for name in ("colour", "layout", "perceptual-hash", "hsv-histogram"):
            library.add(tmp_path, encoder=name)
            for each in ("chelsea.jpg", "plain.png"):
                hits = library.search(tmp_path / each, encoder=name, include_self=True)
                assert Path(hits[0].asset.uri).name == each
                assert hits[0].similarity == pytest.approx(1)
