"""Decoding real files: colours, orientation, damage, budgets, metadata."""

from __future__ import annotations

import base64
import io
import json
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from findalike.decode import Decoded, decode, looks_like_picture, sniff, thumbnail
from findalike.errors import DamagedPicture, NotAPicture, ReadError, TooManyPixels
from findalike.types import Origin

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ORIGIN = Origin("a")
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"]
MEDIA = {
    "JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif", "BMP": "image/bmp",
    "TIFF": "image/tiff", "AVIF": "image/avif", "HEIF": "image/heic",
}  # fmt: skip


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    target = io.BytesIO()
    if form == "HEIF":
        pillow_heif.from_pillow(image).save(target, **options)
    else:
        image.save(target, form, **options)
    return target.getvalue()


def pixels(data: bytes, **options: int) -> np.ndarray:
    return decode(data, ORIGIN, **options).picture.pixels


def patches() -> np.ndarray:
    """Eight unlike colours, each 16 × 16, in two rows: no turn or flip leaves them in place."""
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0),
               (0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 100, 50)]  # fmt: skip
    return np.kron(np.array(colours, np.uint8).reshape(2, 4, 3), np.ones((16, 16, 1), np.uint8))


def photo(width: int = 96, height: int = 64) -> Image.Image:
    """Smooth and noisy at once, so that no format packs it into a few bytes."""
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height)], axis=-1)
    noise = np.random.default_rng(3).integers(-20, 20, smooth.shape)
    return Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))


def close(actual: np.ndarray, expected: object, tolerance: int = 1) -> None:
    assert actual.dtype == np.uint8
    assert abs(actual.astype(int) - np.asarray(expected)).max() <= tolerance


# ---------------------------------------------------------------- formats and names


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_told_from_its_first_bytes_and_decoded(form: str) -> None:
    image = photo()
    data = saved(image, form)
    assert sniff(data[:64]) == MEDIA[form]
    result = decode(data, ORIGIN)
    assert isinstance(result, Decoded)
    assert result.media == MEDIA[form]
    assert result.picture.origin is ORIGIN
    assert (result.picture.width, result.picture.height) == (96, 64)
    assert result.metadata == {"width": 96, "height": 64}
    difference = abs(result.picture.pixels.astype(int) - np.asarray(image)).mean()
    assert difference < 12, "GIF has 256 colours and JPEG halves its colour; all else is closer"


def test_big_endian_and_big_tiff() -> None:
    image = photo()
    for data in (saved(image, "TIFF", big_tiff=True), _big_endian_tiff()):
        assert sniff(data[:64]) == "image/tiff"
        decode(data, ORIGIN)


def _big_endian_tiff() -> bytes:
    tags = [(256, 4, 2), (257, 4, 2), (258, 3, 8 << 16), (259, 3, 1 << 16), (262, 3, 1 << 16), (273, 4, 200),
            (277, 3, 1 << 16), (278, 4, 2), (279, 4, 4)]  # fmt: skip
    entries = b"".join(struct.pack(">HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"MM\0*" + struct.pack(">I", 8) + struct.pack(">H", len(tags)) + entries + bytes(4)
    return head.ljust(200, b"\0") + bytes([0, 255, 128, 64])


@pytest.mark.parametrize(
    "head",
    [b"", b"\xff\xd8", b"hello, world, this is text", b"BM is not always a bitmap", b"%PDF-1.7",
     b"RIFF\0\0\0\0WAVEfmt ",
     b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", b"II*\0\x10\0\0\0CR\2\0", b"\0" * 64],
)  # fmt: skip
def test_what_is_no_picture_is_not_taken_for_one(head: bytes) -> None:
    assert sniff(head) == ""
    with pytest.raises(NotAPicture, match="is empty" if not head else "no picture"):
        decode(head, ORIGIN)


@pytest.mark.parametrize(
    ("brand", "compatible", "media"),
    [(b"avif", b"mif1", "image/avif"), (b"mif1", b"avif", "image/avif"), (b"mif1", b"heic", "image/heic"),
     (b"heix", b"mif1", "image/heic"), (b"mif1", b"miaf", "image/heif"), (b"avis", b"msf1", "image/avif")],
)  # fmt: skip
def test_brands_tell_avif_from_heic(brand: bytes, compatible: bytes, media: str) -> None:
    assert sniff(b"\0\0\0\x14ftyp" + brand + bytes(4) + compatible) == media


def test_names_that_claim_to_be_pictures() -> None:
    assert all(map(looks_like_picture, ["a.jpg", "b.JPEG", "c.HeIC", "x/y.tiff", "a.b.webp", "!/in.avif"]))
    assert not any(map(looks_like_picture, ["README", "a.jpg.txt", "jpg", "clip.mp4", "a.nef", ""]))


# ---------------------------------------------------------------- colour


MODES = {
    "1": [(0, 0, 0), (255, 255, 255)],
    "L": [(77, 77, 77), (200, 200, 200)],
    "P": [(200, 100, 50), (0, 0, 255)],
    "RGB": [(200, 100, 50), (0, 0, 255)],
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "GIF"])
def test_plain_modes(mode: str, form: str) -> None:
    colours = np.array(MODES[mode], np.uint8).reshape(1, 2, 3)
    image = Image.fromarray(colours)
    image = image.quantize(2, Image.Quantize.FASTOCTREE) if mode == "P" else image.convert(mode)
    if form == "GIF" and mode == "RGB":
        pytest.skip("GIF has no RGB")
    close(pixels(saved(image, form)), colours, 0)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_transparency_lies_on_white(form: str) -> None:
    blocks = np.array([(255, 0, 0, 255), (255, 0, 0, 0), (255, 0, 0, 128), (0, 0, 0, 51)], np.uint8)
    image = Image.fromarray(np.kron(blocks.reshape(1, 4, 4), np.ones((32, 32, 1), np.uint8)))
    options = {"lossless": True} if form == "WEBP" else {"quality": 100} if form in ("AVIF", "HEIF") else {}
    found = pixels(saved(image, form, **options))[16, 16::32]
    close(
        found,
        [(255, 0, 0), (255, 255, 255), (255, 127, 127), (204, 204, 204)],
        6 if form in ("AVIF", "HEIF") else 1,
    )


def test_transparent_grey_and_palettes() -> None:
    grey = Image.fromarray(np.array([[[0, 255], [0, 0], [100, 128]]], np.uint8), "LA")
    close(pixels(saved(grey, "PNG")), [[[0] * 3, [255] * 3, [177] * 3]])
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    close(
        pixels(saved(palette, "PNG", transparency=bytes([255, 0, 128]))),
        [[[255, 0, 0], [255] * 3, [127, 127, 255]]],
    )
    close(pixels(saved(palette, "PNG", transparency=1)), [[[255, 0, 0], [255] * 3, [0, 0, 255]]])
    close(pixels(saved(palette, "GIF", transparency=1)), [[[255, 0, 0], [255] * 3, [0, 0, 255]]])
    colour = Image.fromarray(np.array([[[9, 8, 7], [1, 2, 3]]], np.uint8))
    close(pixels(saved(colour, "PNG", transparency=(9, 8, 7))), [[[255] * 3, [1, 2, 3]]])


def png(width: int, height: int, bits: int, kind: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG made by hand: for what Pillow does not write."""
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    all_chunks = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in all_chunks
    )


def test_sixteen_bits_are_scaled_and_never_clipped() -> None:
    values = np.array([[0, 256, 257, 32896, 65279, 65535]], np.uint16)
    expected = np.rint(values / 257).astype(int)[..., None].repeat(3, -1)
    close(pixels(saved(Image.fromarray(values), "PNG")), expected, 0)
    close(pixels(saved(Image.fromarray(values), "TIFF")), expected, 0)
    big_endian = Image.frombytes("I;16B", (6, 1), values.astype(">u2").tobytes())
    close(pixels(saved(big_endian, "TIFF")), expected, 0)
    raw = b"\0" + values.astype(">u2").tobytes()
    close(pixels(png(2, 1, 16, 2, raw)), [np.array([[0, 1, 1], [128, 254, 255]])], 1)
    close(
        pixels(png(6, 1, 16, 0, raw, (b"tRNS", struct.pack(">H", 32896)))),
        np.where(expected == 128, 255, expected),
    )


def test_sixteen_bit_alpha() -> None:
    raw = b"\0" + struct.pack(">8H", 65535, 0, 0, 65535, 65535, 0, 0, 32896)
    close(pixels(png(2, 1, 16, 6, raw)), [[[255, 0, 0], [255, 127, 127]]])
    close(pixels(png(2, 1, 16, 4, b"\0" + struct.pack(">4H", 0, 65535, 0, 0))), [[[0] * 3, [255] * 3]])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([1000.0, 2000.0, 3000.0], [0, 128, 255]),
        ([float("nan"), 0.0, 1.0], [0, 0, 255]),
        ([float("inf"), 0.0, 1.0], [255, 0, 255]),
        ([float("nan")] * 3, [0, 0, 0]),
        ([5e9, 5e9, 5e9], [0, 0, 0]),
    ],
)
def test_floats_of_any_range(values: list[float], expected: list[int]) -> None:
    image = Image.fromarray(np.array([values], np.float32))
    close(pixels(saved(image, "TIFF"))[0, :, 0], expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 100, 255], [0, 100, 255]), ([0, 32896, 65535], [0, 128, 255]), ([-100, 0, 100], [0, 128, 255]),
     ([0, 10**9, 2 * 10**9], [0, 128, 255]), ([0, 1, 1], [0, 1, 1])],
)  # fmt: skip
def test_whole_numbers_of_any_range(values: list[int], expected: list[int]) -> None:
    image = Image.fromarray(np.array([values], np.int32))
    close(pixels(saved(image, "TIFF"))[0, :, 0], expected)


def test_lab_is_d50_as_littlecms_and_photoshop_mean_it() -> None:
    # CIE Lab (D50) of sRGB red, white, black and mid grey, after Lindbloom's calculator
    lab = [(54.29, 80.81, 69.89), (100, 0, 0), (0, 0, 0), (53.585, 0, 0)]
    stored = bytes(v & 0xFF for l, a, b in lab for v in (round(l * 2.55), round(a), round(b)))  # noqa: E741
    image = Image.frombytes("LAB", (4, 1), stored)
    close(
        pixels(saved(image, "TIFF")), [[(255, 0, 0), (255,) * 3, (0,) * 3, (128,) * 3]], 5
    )  # a and b are whole numbers


def test_cmyk_and_its_inverted_twin() -> None:
    inks = [(0, 0, 0, 0), (0, 0, 0, 255), (255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0)]
    paper = [(255, 255, 255), (0, 0, 0), (0, 255, 255), (255, 0, 255), (255, 255, 0)]
    image = Image.fromarray(np.kron(np.array([inks], np.uint8), np.ones((16, 16, 1), np.uint8)), "CMYK")
    close(pixels(saved(image, "TIFF"))[8, 8::16], paper)
    close(
        pixels(saved(image, "JPEG", quality=100, subsampling=0))[8, 8::16], paper, 4
    )  # Pillow writes Adobe's


def test_other_colour_spaces() -> None:
    colours = np.array([[(200, 100, 50), (10, 220, 90)]], np.uint8)
    ycbcr = Image.fromarray(np.kron(colours, np.ones((16, 16, 1), np.uint8))).convert("YCbCr")
    close(pixels(saved(ycbcr, "TIFF"))[8, 8::16], colours[0], 4)


# ---------------------------------------------------------------- profiles


def matrix_profile(red: tuple, green: tuple, blue: tuple, gamma: float = 2.2) -> bytes:
    """An ICC v2 display profile from D50 colorants (ICC.1:2001-04)."""

    def xyz(values: tuple) -> bytes:
        return b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    name = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78 + 8)
    tags = {b"rXYZ": xyz(red), b"gXYZ": xyz(green), b"bXYZ": xyz(blue), b"wtpt": xyz((0.9642, 1.0, 0.8249)),
            b"rTRC": curve, b"gTRC": curve, b"bTRC": curve, b"desc": name,
            b"cprt": b"text" + bytes(4) + b"none"}  # fmt: skip
    table, body = struct.pack(">I", len(tags)), b""
    for tag, value in tags.items():
        table += tag + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(body), len(value))
        body += value.ljust(-(-len(value) // 4) * 4, b"\0")
    head = (
        bytes(4)
        + b"lcms\2\x20\0\0mntrRGB XYZ "
        + bytes(12)
        + b"acsp"
        + bytes(28)
        + struct.pack(">iii", 63190, 65536, 54061)
    )
    profile = head.ljust(128, b"\0") + table + body
    return struct.pack(">I", len(profile)) + profile[4:]


SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_a_profile_with_swapped_channels_swaps_them(form: str) -> None:
    profile = matrix_profile(SRGB[1], SRGB[0], SRGB[2])
    image = Image.fromarray(np.full((32, 32, 3), (255, 0, 0), np.uint8))
    options = {"quality": 95} if form != "PNG" else {}
    close(pixels(saved(image, form, icc_profile=profile, **options))[16, 16], (0, 255, 0), 12)


def test_a_wide_gamut_is_converted_as_the_formula_says() -> None:
    gamma = 563 / 256
    profile = matrix_profile(*ADOBE, gamma=gamma)
    given_colours = np.array([[(128, 64, 64), (100, 150, 120), (200, 190, 60), (30, 30, 30)]], np.uint8)
    xyz = (given_colours / 255) ** gamma @ np.array(ADOBE)
    linear = np.clip(xyz @ np.linalg.inv(np.array(SRGB)), 0, 1)
    expected = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    close(pixels(saved(Image.fromarray(given_colours), "PNG", icc_profile=profile)), expected, 2)


def test_an_srgb_profile_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = photo()
    assert np.array_equal(pixels(saved(image, "PNG", icc_profile=profile)), np.asarray(image))


@pytest.mark.parametrize("profile", [b"x", b"\0" * 128, b"not a profile" * 50, matrix_profile(*SRGB)[:200]])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_broken_profile_is_ignored(form: str, profile: bytes) -> None:
    image = photo()
    options = {"lossless": True} if form == "WEBP" else {}
    with_profile = pixels(saved(image, form, icc_profile=profile, **options))
    assert np.array_equal(with_profile, pixels(saved(image, form, **options)))


def test_a_profile_works_with_grey_alpha_and_palettes() -> None:
    swapped = matrix_profile(SRGB[1], SRGB[0], SRGB[2])
    grey = Image.fromarray(np.full((8, 8), 99, np.uint8))
    assert pixels(saved(grey, "PNG", icc_profile=swapped)).shape == (8, 8, 3)
    clear = Image.fromarray(np.full((8, 8, 4), (255, 0, 0, 128), np.uint8))
    close(pixels(saved(clear, "PNG", icc_profile=swapped))[0, 0], (127, 255, 127), 2)
    palette = Image.fromarray(np.full((8, 8, 3), (255, 0, 0), np.uint8)).convert("P")
    close(pixels(saved(palette, "PNG", icc_profile=swapped))[0, 0], (0, 255, 0), 2)


# ---------------------------------------------------------------- orientation

STORED = {
    1: lambda up: up,
    2: lambda up: up[:, ::-1],
    3: lambda up: np.rot90(up, 2),
    4: lambda up: up[::-1],
    5: lambda up: up.swapaxes(0, 1),
    6: lambda up: np.rot90(up, 1),
    7: lambda up: np.rot90(up.swapaxes(0, 1), 2),
    8: lambda up: np.rot90(up, -1),
}


@pytest.mark.parametrize("short_side", [None, 13])
@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "JPEG", "AVIF"])
def test_the_eight_orientations_give_the_same_upright_pixels(
    form: str, orientation: int, short_side: int | None
) -> None:
    upright = np.asarray(photo(53, 31)) if form in ("PNG", "WEBP", "TIFF") else patches()
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 100, "subsampling": 0},
        "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    }
    result = decode(saved(stored, form, exif=exif, **options.get(form, {})), ORIGIN, short_side=short_side)
    height, width = upright.shape[:2]
    assert (result.picture.width, result.picture.height) == (width, height)
    assert (result.metadata["width"], result.metadata["height"]) == (width, height)
    expected = pixels(saved(Image.fromarray(upright), "PNG"), short_side=short_side)
    if form in ("PNG", "WEBP", "TIFF"):
        assert np.array_equal(result.picture.pixels, expected)
    else:
        close(result.picture.pixels, expected, 30 if short_side else 6)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_heic_is_turned_once(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](patches())))
    data = saved(stored, "HEIF", exif=exif.tobytes(), quality=100, chroma=444)
    close(pixels(data), patches(), 12)


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("form", [*FORMATS, "JPEG progressive", "PNG profile", "TIFF lzw", "GIF animated"])
def test_a_file_that_is_cut_anywhere_is_never_a_picture(form: str) -> None:
    options = {
        "JPEG progressive": {"progressive": True},
        "PNG profile": {"icc_profile": matrix_profile(*ADOBE)},
        "TIFF lzw": {"compression": "tiff_lzw"},
        "GIF animated": {"save_all": True, "append_images": [photo().rotate(90)]},
    }.get(form, {})
    data = saved(photo(), form.split()[0], **options)
    decode(data, ORIGIN)
    for length in {*range(0, len(data), 10), *range(len(data) - 12, len(data))}:
        with pytest.raises(ReadError):
            pytest.fail(f"{length} of {len(data)}: {decode(data[:length], ORIGIN, short_side=16)}")


def test_a_cut_tail_padded_with_zeros_is_still_cut() -> None:
    data = saved(photo(), "JPEG")
    with pytest.raises(DamagedPicture, match="is cut off: the file ends after"):
        decode(data[: len(data) // 2] + bytes(1000), ORIGIN)
    with pytest.raises(DamagedPicture):
        decode(data[:-2], ORIGIN)


def test_looking_for_the_end_takes_time_in_proportion_to_the_file() -> None:
    data = saved(photo(), "JPEG")[:-2] + b"\x00\xff\x01" * 2_000_000
    start = time.perf_counter()
    with pytest.raises(DamagedPicture):
        decode(data, ORIGIN)
    assert time.perf_counter() - start < 5


def test_bytes_after_the_picture_do_no_harm() -> None:
    for form in ("JPEG", "PNG", "GIF", "WEBP", "BMP"):
        data = saved(photo(), form)
        assert np.array_equal(pixels(data), pixels(data + b"trailer \xff\xd8\xff" * 9)), form


def test_a_thumbnail_inside_does_not_pass_for_the_end() -> None:
    small = saved(photo(16, 16), "JPEG")
    data = saved(photo(), "JPEG", exif=b"Exif\0\0II*\0" + small)
    end = data.index(small) + len(small)
    with pytest.raises(ReadError):
        decode(data[:end], ORIGIN)
    decode(data, ORIGIN)


@pytest.mark.parametrize("form", FORMATS)
def test_pixels_are_counted_before_they_are_decoded(form: str) -> None:
    data = saved(photo(), form)
    with pytest.raises(TooManyPixels, match="96 × 64 pixels, and the limit is 6,143"):
        decode(data, ORIGIN, budget=6143)
    decode(data, ORIGIN, budget=6144)


def test_a_png_that_claims_billions_of_pixels_is_refused_at_once() -> None:
    bomb = png(60_000, 60_000, 8, 2, b"\0" * 100)
    start = time.perf_counter()
    with pytest.raises(TooManyPixels, match="60,000 × 60,000"):
        decode(bomb, ORIGIN, short_side=256)
    assert time.perf_counter() - start < 0.05


def test_other_headers_that_claim_too_much() -> None:
    gif = bytearray(saved(photo(), "GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    webp = bytearray(saved(photo(), "WEBP", exif=b"Exif\0\0" + bytes(8)))
    webp[24:30] = b"\xff\xff\xff\xff\xff\0"
    bmp = bytearray(saved(photo(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 100_000, 100_000)
    jpeg = bytearray(saved(photo(), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    avif = bytearray(saved(photo(), "AVIF"))
    ispe = avif.index(b"ispe")
    avif[ispe + 8 : ispe + 16] = struct.pack(">II", 60_000, 60_000)
    for data in (gif, webp, bmp, jpeg, avif):
        with pytest.raises(TooManyPixels):
            decode(bytes(data), ORIGIN)


def test_bombs_in_comments_and_profiles_cost_nothing_and_the_picture_is_read() -> None:
    zeros = zlib.compress(bytes(100 << 20), 9)
    raw = b"\0\x10\x20\x30"
    for chunk in ((b"zTXt", b"a\0\0" + zeros), (b"iCCP", b"a\0\0" + zeros), (b"iTXt", b"a\0\1\0\0\0" + zeros),
                  (b"iCCP", b"no end"), (b"tEXt", b"x" * (2 << 20))):  # fmt: skip
        start = time.perf_counter()
        close(pixels(png(1, 1, 8, 2, raw, chunk)), [[(16, 32, 48)]], 0)
        assert time.perf_counter() - start < 0.3


def test_a_tiff_of_a_strange_kind_is_named_as_such() -> None:
    data = bytearray(saved(photo(), "TIFF"))
    at = data.index(struct.pack("<HHI", 259, 3, 1)) + 8  # Compression
    data[at : at + 2] = struct.pack("<H", 61234)
    with pytest.raises(ReadError, match="of a kind that is not read here"):
        decode(bytes(data), ORIGIN)


def test_animations_give_their_first_frame() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    for form in ("GIF", "PNG", "WEBP", "TIFF", "AVIF"):
        data = saved(frames[0], form, save_all=True, append_images=frames[1:])
        close(pixels(data)[10, 10], (255, 0, 0), 5)


def test_many_threads_decode_at_once() -> None:
    samples = [saved(photo(), form, **({"icc_profile": matrix_profile(*ADOBE)} if form != "BMP" else {}))
               for form in FORMATS if form != "GIF"]  # fmt: skip
    alone = [pixels(data) for data in samples]
    with ThreadPoolExecutor(8) as pool:
        for found, expected in zip(pool.map(pixels, samples * 20), alone * 20, strict=True):
            assert np.array_equal(found, expected)


def test_pillow_is_left_as_it_was() -> None:
    limit, formats = Image.MAX_IMAGE_PIXELS, list(Image.OPEN)
    for form in FORMATS:
        decode(saved(photo(), form), ORIGIN)
    assert (Image.MAX_IMAGE_PIXELS, list(Image.OPEN)) == (limit, formats)


_CHILD = """
import base64, json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from findalike.decode import decode
from findalike.errors import ReadError
from findalike.types import Origin
for line in sys.stdin:
    try:
        picture = decode(base64.b64decode(line), Origin("a"), short_side=32, budget=20_000_000).picture
        print(json.dumps(picture.pixels.shape), flush=True)
    except ReadError as error:
        print(json.dumps(str(error)), flush=True)
"""


@pytest.fixture(scope="module")
def child():
    environment = {"OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    yield process
    process.stdin.close()
    assert process.wait(30) == 0


def _samples() -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    profile = matrix_profile(*ADOBE)
    plain = [saved(photo(40, 24), form) for form in FORMATS]
    rich = [
        saved(photo(40, 24), form, exif=exif.tobytes(), icc_profile=profile)
        for form in FORMATS
        if form not in ("GIF", "BMP")
    ]
    modes = [
        saved(photo(40, 24).convert(mode), "TIFF") for mode in ("1", "L", "P", "LAB", "CMYK", "YCbCr", "RGBA")
    ]
    packed = [
        saved(photo(40, 24), "TIFF", compression=c)
        for c in ("tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits")
    ]
    other = [
        saved(photo(40, 24), "JPEG", progressive=True),
        saved(photo(40, 24).convert("P"), "PNG"),
        saved(photo(40, 24).convert("P"), "GIF", transparency=3),
        saved(photo(40, 24).convert("CMYK"), "JPEG"),
        saved(photo(40, 24).convert("RGBA"), "WEBP", lossless=True),
    ]
    return plain + rich + modes + packed + other


SAMPLES = _samples()


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    sample=st.integers(0, len(SAMPLES) - 1),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=8
    ),
    header=st.booleans(),
    keep=st.floats(0.1, 1),
)
def test_no_damage_raises_anything_but_a_read_error(child, sample, changes, header, keep) -> None:
    data = bytearray(SAMPLES[sample])
    for where, new in changes:
        at = int(where * (min(len(data), 300) if header else len(data)))
        data[at : at + len(new)] = new
    data = data[: max(1, int(len(data) * keep))] if keep < 0.4 else data
    child.stdin.write(base64.b64encode(data).decode() + "\n")
    child.stdin.flush()
    answer = child.stdout.readline()
    assert answer, f"the decoder died of {base64.b64encode(data).decode()}"
    assert json.loads(answer)


# ---------------------------------------------------------------- reduction and thumbnails


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("short_side", [64, 100, 256, 1000])
def test_a_reduction_is_large_enough_and_not_much_larger(form: str, short_side: int) -> None:
    image = photo(900, 700)
    found = pixels(saved(image, form), short_side=short_side)
    assert min(found.shape[:2]) >= min(short_side, 700)
    assert min(found.shape[:2]) < 2 * short_side
    expected = np.asarray(image.resize((found.shape[1], found.shape[0]), Image.Resampling.BOX)).astype(int)
    assert abs(found - expected).mean() < (8 if found.shape[0] < 700 else 30)


def test_a_reduction_keeps_the_size_of_the_original() -> None:
    result = decode(saved(photo(1001, 501), "JPEG"), ORIGIN, short_side=60)
    assert (result.picture.width, result.picture.height) == (1001, 501)


@pytest.mark.parametrize("size", [(10_000, 1), (1, 10_000), (1, 1), (3, 5000)])
def test_very_long_pictures(size: tuple[int, int]) -> None:
    for form in ("JPEG", "PNG"):
        result = decode(saved(Image.new("RGB", size, (9, 99, 200)), form), ORIGIN, short_side=256)
        assert result.picture.pixels.shape == (size[1], size[0], 3)
        with Image.open(io.BytesIO(thumbnail(result.picture, 128))) as small:
            assert max(small.size) <= 128


def test_a_thumbnail_is_a_small_jpeg_of_the_same_picture() -> None:
    picture = decode(saved(photo(500, 375), "PNG"), ORIGIN).picture
    with Image.open(io.BytesIO(thumbnail(picture, 128))) as small:
        assert (small.format, small.size) == ("JPEG", (125, 94))  # reduced four times, not quite to 128
        expected = np.asarray(photo(500, 375).resize(small.size, Image.Resampling.BOX)).astype(int)
        assert abs(np.asarray(small) - expected).mean() < 6
    with Image.open(io.BytesIO(thumbnail(picture, 240))) as between:
        assert between.size == (240, 180)
    tiny = decode(saved(photo(20, 10), "PNG"), ORIGIN).picture
    with Image.open(io.BytesIO(thumbnail(tiny, 128))) as same:
        assert same.size == (20, 10)


# ---------------------------------------------------------------- metadata


def with_exif(*, base: dict | None = None, inner: dict | None = None, gps: dict | None = None) -> dict:
    exif = Image.Exif()
    exif.update(base or {})
    exif.get_ifd(0x8769).update(inner or {})
    exif.get_ifd(0x8825).update(gps or {})
    return decode(saved(photo(), "JPEG", exif=exif), ORIGIN).metadata


def test_camera_time_and_place() -> None:
    metadata = with_exif(
        base={0x010F: "NIKON CORPORATION\0", 0x0110: "NIKON D70 ", 0x0132: "2021:01:01 00:00:00"},
        inner={0x9003: "2020:07:08 09:10:11", 0x9011: "+02:00"},
        gps={1: "S", 2: (33.0, 51.0, 31.5), 3: "E", 4: (151.0, 12.0, 51.0)},
    )
    assert metadata["camera"] == "NIKON D70"
    assert metadata["taken"] == datetime(2020, 7, 8, 7, 10, 11, tzinfo=UTC)
    assert metadata["latitude"] == pytest.approx(-33.858750)
    assert metadata["longitude"] == pytest.approx(151.214167, abs=1e-6)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_metadata_of_other_formats(form: str) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Make", "Model X"
    exif.get_ifd(0x8769)[0x9003] = "2020:07:08 09:10:11"
    metadata = decode(saved(photo(), form, exif=exif.tobytes()), ORIGIN).metadata
    assert metadata["camera"] == "Make Model X"
    assert metadata["taken"] == datetime(2020, 7, 8, 9, 10, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("inner", "base", "expected"),
    [
        (
            {0x9004: "2019:01:02 03:04:05"},
            {0x0132: "2021:01:01 00:00:00"},
            datetime(2019, 1, 2, 3, 4, 5, tzinfo=UTC),
        ),
        ({}, {0x0132: "2021:01:01 00:00:00"}, datetime(2021, 1, 1, tzinfo=UTC)),
        ({0x9003: "0000:00:00 00:00:00"}, {0x0132: "2021:01:01 00:00:00"}, datetime(2021, 1, 1, tzinfo=UTC)),
        ({0x9003: "2020:13:45 99:99:99"}, {}, None),
        ({0x9003: "    :  :     :  :  "}, {}, None),
        ({0x9003: "9020:01:01 00:00:00"}, {}, None),
        ({0x9003: "2020:01:01 00:30:00", 0x9011: "-01:00"}, {}, datetime(2020, 1, 1, 1, 30, tzinfo=UTC)),
        ({0x9003: "2020:01:01 00:30:00", 0x9011: "nonsense"}, {}, datetime(2020, 1, 1, 0, 30, tzinfo=UTC)),
    ],
)
def test_dates(inner: dict, base: dict, expected: datetime | None) -> None:
    assert with_exif(inner=inner, base=base).get("taken") == expected


@pytest.mark.parametrize(
    "gps",
    [
        {1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)},
        {1: "N", 2: (1.0, 0.0, 0.0)},
        {1: "X", 2: (1.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)},
        {2: (1.0, 0.0, 0.0), 4: (1.0, 0.0, 0.0)},
    ],
)
def test_places_that_cannot_be_are_left_out(gps: dict) -> None:
    assert not {"latitude", "longitude"} & set(with_exif(gps=gps))


def test_exif_that_is_broken_anywhere_never_fails_the_picture() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "Canon EOS 5D"
    exif.get_ifd(0x8769)[0x9003] = "2020:07:08 09:10:11"
    exif.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0), 3: "W", 4: (4.0, 5.0, 6.0)})
    block = exif.tobytes()
    upright = photo()
    for form in ("JPEG", "PNG", "WEBP"):
        for at in range(6, len(block), 3):
            broken = block[:at] + bytes([block[at] ^ 0xFF]) + block[at + 1 :]
            picture = decode(saved(upright, form, exif=broken), ORIGIN).picture
            assert picture.pixels.shape in ((64, 96, 3), (96, 64, 3))
        for at in range(6, len(block), 7):
            decode(saved(upright, form, exif=block[:at]), ORIGIN)


# ---------------------------------------------------------------- the shared pictures


def _shared(name: str) -> Path:
    folder = DATA / "copies" / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


@pytest.mark.data
def test_the_bridge_looks_right_in_every_mode() -> None:
    folder = _shared("modes")
    with Image.open(folder / "original.jpg") as image:
        original = np.asarray(image.convert("RGB").resize((400, 251), Image.Resampling.BOX)).astype(float)
    grey = original @ (0.299, 0.587, 0.114)
    for path in sorted(folder.iterdir()):
        found = Image.fromarray(pixels(path.read_bytes())).resize((400, 251), Image.Resampling.BOX)
        is_grey = path.stem in ("1", "L", "LA", "F", "I")
        expected = grey[..., None].repeat(3, -1) if is_grey else original
        likeness = np.corrcoef(np.asarray(found).ravel(), expected.ravel())[0, 1]
        assert likeness > 0.97, (path.name, likeness)


@pytest.mark.data
def test_turned_pictures_show_as_the_turned_original() -> None:
    folder = _shared("turns")
    turned = {path.stem[7:]: pixels(path.read_bytes()).astype(int) for path in folder.glob("bridge-*.jpg")}
    up = turned.pop("1-original")
    assert up.shape == (321, 512, 3)
    every = [turn(up) for turn in STORED.values()]
    for name, found in turned.items():
        differences = [abs(found - other).mean() for other in every if other.shape == found.shape]
        assert min(differences) < 6, name
