"""Every colour mode that Pillow reads to RGB as it should look, in sRGB, on white."""

from __future__ import annotations

import logging
import threading
from functools import cache, lru_cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_log = logging.getLogger(__name__)
_WHITE = (255, 255, 255)
_SIXTEEN_TO_EIGHT = ((np.arange(65536, dtype=np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
_ROWS = 256
_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab "}
_SAME = 2
_building = threading.Lock()


def plain(image: Image.Image) -> Image.Image:
    """The image in a mode of 8 bits whose pixels may be averaged: L, LA, RGB, RGBA, CMYK, LAB or YCbCr.

    16 bits are scaled by 257. Whole numbers and floats of 32 bits are looked at: within 0..1 (floats
    only) one is white, within 0..255 that is, within 0..65535 (whole numbers only) that is; otherwise the
    least is black and the greatest white.
    """
    mode = image.mode
    if mode.startswith("I;16"):
        return _from_sixteen(image)
    if mode in ("I", "F"):
        return _from_numbers(np.asarray(image))
    if mode in ("La", "RGBa"):
        return image.convert(mode.upper())
    if image.has_transparency_data:
        return image if mode in ("LA", "RGBA") else _with_alpha(image)
    if mode == "1":
        return image.convert("L")
    return image if mode in ("L", "RGB", "CMYK", "LAB", "YCbCr") else image.convert("RGB")


def to_srgb(image: Image.Image, profile: bytes = b"") -> Image.Image:
    """An image as `plain` gives it, in RGB. A profile that does not fit the image is ignored."""
    if image.mode in ("LA", "RGBA"):
        alpha = image.getchannel("A")
        opaque = to_srgb(image.convert(image.mode[:-1]), profile)
        return opaque if alpha.getextrema() == (255, 255) else _on_white(opaque, alpha)
    if image.mode == "LAB":
        return _apply(image, _from_lab())
    transform = _transform(profile, image.mode) if profile else None
    if transform is not None:
        grey = image.mode == "L" and transform.input_mode == "RGB"
        return _apply(image.convert("RGB") if grey else image, transform)
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image, alpha: Image.Image) -> Image.Image:
    paper = Image.new("RGB", image.size, _WHITE)
    paper.paste(image, mask=alpha)
    return paper


def _with_alpha(image: Image.Image) -> Image.Image:
    try:
        return image.convert("RGBA")
    except (ValueError, TypeError, OverflowError):
        return image.convert("RGB")  # a transparent colour that no pixel of this mode can have


def _from_sixteen(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    grey = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), _ROWS):  # in bands: indices are eight times as large as the result
        np.take(_SIXTEEN_TO_EIGHT, values[row : row + _ROWS], out=grey[row : row + _ROWS])
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[values == clear] = 255
    return Image.fromarray(grey)


def _from_numbers(values: NDArray[np.generic]) -> Image.Image:
    numbers = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=np.nan, neginf=np.nan)
    finite = numbers[np.isfinite(numbers)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    numbers = np.nan_to_num(numbers, nan=high)
    base, span = _range(low, high, whole=np.issubdtype(values.dtype, np.integer))
    return Image.fromarray(np.clip((numbers - base) * (255.0 / span) + 0.5, 0, 255).astype(np.uint8))


def _range(low: float, high: float, whole: bool) -> tuple[float, float]:
    """What is black, and how much more is white."""
    if low < 0:
        return low, (high - low) or 1.0
    if high <= 1 and not whole:
        return 0.0, 1.0
    if high <= 255:
        return 0.0, 255.0
    return (0.0, 65535.0) if whole and high <= 65535 else (low, (high - low) or 1.0)


@lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From this profile to sRGB; None when it is sRGB, broken, or of another kind of colour."""
    try:
        with _building:
            given = ImageCms.ImageCmsProfile(BytesIO(profile))
            space = given.profile.xcolor_space
            if mode == "L" and space == "RGB ":
                mode = "RGB"  # grey, and its profile is for colour: grey is where the three are equal
            if space != _SPACES.get(mode):
                _log.debug("a profile for %r is ignored in an image of mode %s", space, mode)
                return None
            transform = ImageCms.buildTransform(given, ImageCms.createProfile("sRGB"), mode, "RGB")
    except Exception as error:  # what littlecms says of a broken profile has no common type
        _log.debug("a broken colour profile is ignored: %s", error)
        return None
    return None if _changes_nothing(transform, mode) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    if mode not in ("RGB", "L"):
        return False
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    image = Image.fromarray(cube).convert(mode)
    moved = np.asarray(_apply(image, transform)).astype(int) - np.asarray(image.convert("RGB"))
    return bool(abs(moved).max() <= _SAME)


@cache
def _from_lab() -> ImageCms.ImageCmsTransform:
    with _building:
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(*profiles, "LAB", "RGB")


def _apply(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    result = ImageCms.applyTransform(image, transform)
    assert result is not None  # only an image changed in place is not returned
    return result
