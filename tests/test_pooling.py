"""Poolings of feature maps, against plain loops and hand-worked cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from findalike import pixels, settings
from findalike.encode import catalog, onnx, pooled, pooling
from findalike.encode.base import encode, short_side
from findalike.encode.pooling import Maps, regions
from findalike.types import Origin, Picture, Pixels


def maps(count: int = 3, channels: int = 5, height: int = 7, width: int = 9, seed: int = 0) -> Maps:
    return np.random.default_rng(seed).random((count, channels, height, width)).astype(np.float32) * 6


def by_loops(name: str, x: Maps) -> list[list[float]]:
    """Average, max and GeM, place by place."""
    rows = []
    for picture in x.tolist():
        row = []
        for channel in picture:
            values = [value for line in channel for value in line]
            if name == "average":
                row.append(sum(values) / len(values))
            elif name == "max":
                row.append(max(values))
            else:
                row.append((sum(value**3 for value in values) / len(values)) ** (1 / 3))
        rows.append(row)
    return rows


@pytest.mark.parametrize("name", ["average", "max", "gem"])
@pytest.mark.parametrize("size", [(7, 9), (1, 1), (3, 12)])
def test_every_place_counts(name: str, size: tuple[int, int]) -> None:
    x = maps(height=size[0], width=size[1])
    found = pooling.POOLINGS[name](x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_loops(name, x), rtol=1e-5)


def test_gem_goes_from_the_average_to_the_maximum() -> None:
    x = maps()
    np.testing.assert_allclose(pooling.gem(x, 1), pooling.average(x), rtol=1e-5)
    np.testing.assert_allclose(pooling.gem(x, 40), pooling.maximum(x), rtol=0.12)
    assert (pooling.gem(x) > pooling.average(x)).all()
    assert (pooling.gem(x) < pooling.maximum(x)).all()


def test_r_mac_sums_the_unit_vectors_of_its_regions() -> None:
    x = maps(height=8, width=11)
    expected = np.zeros((3, 5))
    for n in range(3):
        for top, left, side in regions(8, 11):
            best = [
                max(float(x[n, c, y, z]) for y in range(top, top + side) for z in range(left, left + side))
                for c in range(5)
            ]
            length = math.sqrt(sum(value**2 for value in best))
            expected[n] += [value / length for value in best]
    np.testing.assert_allclose(pooling.r_mac(x), expected, rtol=1e-5)


def test_the_regions_of_a_square_map_are_one_then_four_then_nine() -> None:
    found = regions(6, 6, 3)
    assert found[0] == (0, 0, 6)
    assert found[1:5] == [(0, 0, 4), (0, 2, 4), (2, 0, 4), (2, 2, 4)]
    assert found[5:] == [(top, left, 3) for top in (0, 1, 3) for left in (0, 1, 3)]


def test_the_regions_of_a_wide_map_share_two_fifths() -> None:
    # Three squares of 10 along 22 share (10 - 6) / 10 of each other: 2 x 10 + 2 = 22.
    found = regions(10, 22, 2)
    assert found[:3] == [(0, 0, 10), (0, 6, 10), (0, 12, 10)]
    assert len(found) == 3 + 2 * 4
    assert {side for _, _, side in found[3:]} == {6}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 30), (14, 10), (2, 3), (40, 3)])
@pytest.mark.parametrize("levels", [1, 3, 5])
def test_regions_stay_inside_and_reach_every_end(height: int, width: int, levels: int) -> None:
    found = regions(height, width, levels)
    for top, left, side in found:
        assert 0 <= top <= top + side <= height
        assert 0 <= left <= left + side <= width
    first = [each for each in found if each[2] == min(height, width)]
    assert {(0, 0), (height - min(height, width), width - min(height, width))} <= {e[:2] for e in first}
    assert {(left, top, side) for top, left, side in found} == set(regions(width, height, levels))


def test_a_map_without_anything_gives_zeros() -> None:
    blank = np.zeros((2, 4, 5, 5), np.float32)
    assert not pooling.r_mac(blank).any()
    assert not pooling.maximum(blank).any()
    assert np.isfinite(pooling.gem(blank)).all()


@pytest.mark.parametrize("name", ["avg", "max", "gem", "r-mac"])
def test_models_of_the_user_are_pooled_by_the_same_functions(name: str) -> None:
    x = maps()
    own = {"avg": "average"}.get(name, name)
    expected = pooling.POOLINGS[own](x)
    np.testing.assert_allclose(onnx.pooled(x, name, "NCHW"), expected, rtol=1e-5)
    np.testing.assert_allclose(onnx.pooled(x.transpose(0, 2, 3, 1), name, "NHWC"), expected, rtol=1e-5)
    if name != "r-mac":
        tokens = x.reshape(3, 5, -1).transpose(0, 2, 1)
        np.testing.assert_allclose(onnx.pooled(tokens, name, "NCHW"), expected, rtol=1e-5)


# Encoders


def photograph(height: int = 300, width: int = 400, seed: int = 3) -> Pixels:
    """Blocks of colour, which are not alike everywhere."""
    coarse = np.random.default_rng(seed).integers(0, 256, (10, 12, 3), np.uint8)
    return np.kron(coarse, np.ones((height // 10 + 1, width // 12 + 1, 1), np.uint8))[:height, :width]


def vector(name: str, shown: Pixels) -> np.ndarray:
    card = catalog.find(name, "int8")
    picture = Picture(shown, Origin("x"), shown.shape[1], shown.shape[0])
    return encode(catalog.load(card, settings.load()), [picture])[0]


def features(name: str, seen: Pixels) -> Maps:
    network = catalog.load(catalog.find(name, "int8"), settings.load())
    maps: Maps = network.look(seen[np.newaxis], ["features"])[0]  # type: ignore[attr-defined]
    return maps


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)


@pytest.mark.parametrize("name", ["max", "gem", "r-mac"])
def test_an_encoder_pools_what_the_network_sees_of_the_centre(name: str) -> None:
    shown = photograph()
    maps = features("efficientnet-lite0", pixels.square(shown, 224, 0.875))
    assert maps.shape == (1, 1280, 7, 7)
    expected = unit(pooling.POOLINGS[name](maps)[0])
    np.testing.assert_allclose(vector(f"efficientnet-lite0-{name}", shown), expected, atol=1e-6)


def test_several_scales_are_averaged_as_unit_vectors() -> None:
    shown, total = photograph(), np.zeros(1280)
    for side in (160, 224, 320):
        maps = features("efficientnet-lite0", pixels.square(shown, side, 0.875))
        assert maps.shape[2:] == (side // 32, side // 32)
        total += unit(pooling.r_mac(maps)[0])
    found = vector("efficientnet-lite0-r-mac-multiscale", shown)
    np.testing.assert_allclose(found, unit(total), atol=1e-6)


def test_two_networks_are_joined_in_equal_parts() -> None:
    shown = photograph()
    found = vector("efficientnet-joined", shown)
    for part, name in zip((found[:1280], found[1280:]), ("lite0", "lite2"), strict=True):
        expected = vector(f"efficientnet-{name}", shown) / math.sqrt(2)
        np.testing.assert_allclose(part, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "side", "height", "width", "size"),
    [
        (pooled.CENTRE, 224, 300, 400, (224, 224)),
        (pooled.SHORT, 256, 300, 400, (256, 341)),
        (pooled.SHORT, 256, 400, 300, (341, 256)),
        (pooled.SHORT, 256, 100, 2000, (256, 768)),
        (pooled.LONG, 448, 300, 400, (336, 448)),
        (pooled.LONG, 448, 2000, 10, (96, 32)),
        (pooled.LONG, 448, 1, 1, (448, 448)),
    ],
)
def test_of_a_whole_picture_nothing_is_cut_or_filled(
    kind: str, side: int, height: int, width: int, size: tuple[int, int]
) -> None:
    blue = np.zeros((height, width, 3), np.uint8)
    blue[..., 2] = 200
    seen = pooled.view(blue, kind, side, 0.875)
    assert seen.shape == (*size, 3)
    assert (seen == (0, 0, 200)).all()
    if kind != pooled.CENTRE and height > 100 < width:
        halves = blue.copy()
        halves[:, : width // 2] = (255, 0, 0)
        ends = pooled.view(halves, kind, side, 0.875)[:, [0, -1]]
        assert (ends[:, 0] == (255, 0, 0)).all()
        assert (ends[:, 1] == (0, 0, 200)).all()


def test_the_decoder_is_asked_for_pixels_enough() -> None:
    wanted = {
        "efficientnet-lite0-max": 256,
        "efficientnet-lite0-gem-whole": 256,
        "efficientnet-lite0-r-mac-whole": 448,
        "efficientnet-lite0-r-mac-multiscale": round(320 / 0.875),
        "efficientnet-joined": round(260 / 0.875),
    }
    for name, side in wanted.items():
        assert short_side([catalog.find(name)]) == side, name


def test_each_precision_is_a_space_of_its_own() -> None:
    for name in ("efficientnet-lite0-r-mac", "efficientnet-joined-r-mac"):
        exact, quick = (catalog.find(name, precision) for precision in ("float32", "int8"))
        assert exact.space != quick.space
        assert [space.rpartition("-")[2] for space in exact.preprocessing["networks"]] == (
            ["float32"] * len(exact.preprocessing["networks"])
        )
