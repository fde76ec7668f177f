"""The bytes of a picture file to upright sRGB pixels, and to a thumbnail."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from findalike.decode import colour, exif, whole
from findalike.decode.media import sniff
from findalike.errors import DamagedPicture, NotAPicture, ReadError, TooManyPixels
from findalike.pixels import oriented
from findalike.types import Origin, Picture, Pixels, Value

PIXEL_BUDGET = 200_000_000

_QUALITY = 82
_LARGE = 40_000_000
"""Pixels from which on pictures are decoded one after the other, whatever the number of threads: each takes
4 bytes a pixel, and as much again for each change of its mode."""
_one_large_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture, its media type, what its file says, and a thumbnail if one was asked for.

    `metadata` has width and height of the upright original and, where the file tells them, taken, camera,
    latitude and longitude. `small` has the pixels of the thumbnail, (h, w, 3).
    """

    picture: Picture
    media: str
    metadata: dict[str, Value]
    thumbnail: bytes = b""
    small: Pixels | None = None


def decode(
    data: bytes,
    origin: Origin,
    *,
    short_side: int | None = None,
    budget: int = PIXEL_BUDGET,
    thumbnail_side: int = 0,
) -> Decoded:
    """The first frame as upright sRGB pixels on white.

    With `short_side` the pixels may be a reduction whose shorter side is at least that long; they are the
    original's where it is smaller. Raises NotAPicture, DamagedPicture, TooManyPixels (from the header,
    before any pixel is decoded), or another ReadError for a variant that is not read here; never
    anything else. Messages do not name the file.
    """
    media = sniff(data)
    if not media:
        raise NotAPicture("is empty" if not data else "is no picture of a format that is read here")
    try:
        return _decoded(data, media, origin, short_side, budget, thumbnail_side)
    except ReadError:
        raise
    except Image.DecompressionBombError as error:
        raise TooManyPixels(f"is too large: {error}") from error
    except MemoryError as error:
        raise DamagedPicture("needs more memory to decode than there is") from error
    except Exception as error:  # a decoder meets damage with nearly any exception
        raise DamagedPicture(f"is damaged: {error or type(error).__name__}") from error


def thumbnail(picture: Picture, side: int) -> bytes:
    """A JPEG of the picture whose longer side is at most `side`."""
    return _jpeg(_small(Image.fromarray(picture.pixels), side))


def _small(image: Image.Image, side: int) -> Image.Image:
    """Reduced by a whole factor where the result stays near `side`, which takes a fifth of the time."""
    factor = -(-max(image.size) // side)
    if factor > 1 and max(image.size) / factor > 0.75 * side:
        return image.reduce(factor)
    image = image.copy()
    image.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return image


def _jpeg(image: Image.Image) -> bytes:
    target = BytesIO()
    image.save(target, "JPEG", quality=_QUALITY)
    return target.getvalue()


def _decoded(
    data: bytes, media: str, origin: Origin, short_side: int | None, budget: int, thumbnail_side: int
) -> Decoded:
    check_budget(whole.claimed_size(data, media), budget)
    image = opened(data, media)
    check_budget(image.size, budget)
    whole.require_whole(data, media)
    width, height = image.size
    if media == "image/jpeg" and short_side:
        image.draft(None, (short_side, short_side))
    profile = image.info.get("icc_profile") or b""
    with _one_large_at_a_time if image.width * image.height > _LARGE else nullcontext():
        image.load()
        tags = _tags(data, media, image)
        turn = 1 if media == "image/tiff" else tags.orientation  # Pillow turns a TIFF itself while loading
        upright = oriented(colour.plain(image), turn)
        plain = colour.to_srgb(_reduced(upright, short_side), profile)
        del upright
    if turn > 4:
        width, height = height, width
    metadata = {"width": width, "height": height, **tags.metadata}
    picture = Picture(np.asarray(plain), origin, width, height)
    if not thumbnail_side:
        return Decoded(picture, media, metadata)
    small = _small(plain, thumbnail_side)
    return Decoded(picture, media, metadata, _jpeg(small), np.asarray(small))


def check_budget(size: tuple[int, int], budget: int) -> None:
    """Raises TooManyPixels for a width and height of more pixels than the budget."""
    width, height = size
    if width * height > budget:
        problem = f"has {width:,} × {height:,} pixels, and the limit is {budget:,}"
        raise TooManyPixels(f"{problem}; raise FINDALIKE_PIXEL_BUDGET, and index with --retry")


def opened(data: bytes, media: str) -> ImageFile.ImageFile:
    """The header read, nothing decoded. By the format's own class: `Image.open` would try all formats,
    and would apply Pillow's pixel limit, which is the process's and not ours to set."""
    if media == "image/png":
        data = whole.png_without_text(data)
    try:
        return _opener(media)(BytesIO(data))
    except (SyntaxError, KeyError, NotImplementedError) as error:
        if media == "image/tiff":
            raise ReadError(
                f"is a TIFF that is damaged, or of a kind that is not read here: {error}"
            ) from error
        raise


def _opener(media: str) -> Callable[[BytesIO], ImageFile.ImageFile]:
    return _heif() if media in ("image/heic", "image/heif") else _OPENERS[media]


@cache
def _heif() -> Callable[[BytesIO], ImageFile.ImageFile]:
    import pillow_heif

    return pillow_heif.HeifImageFile  # type: ignore[no-any-return]


def _tags(data: bytes, media: str, image: Image.Image) -> exif.Exif:
    block: Any = data if media == "image/tiff" else image.info.get("exif")
    return exif.read(block) if isinstance(block, bytes) else exif.Exif(1, {})


def _reduced(image: Image.Image, short_side: int | None) -> Image.Image:
    factor = min(image.size) // short_side if short_side else 1
    return image.reduce(factor) if factor > 1 else image


class _JpegFile(JpegImagePlugin.JpegImageFile):
    """Without Pillow's search of the EXIF block for a print resolution, which takes a tenth of the time
    that a small picture needs and warns of blocks that do not matter."""

    def _read_dpi_from_exif(self) -> None:
        return


_OPENERS: dict[str, Callable[[BytesIO], ImageFile.ImageFile]] = {
    "image/jpeg": _JpegFile,
    "image/png": PngImagePlugin.PngImageFile,
    "image/webp": WebPImagePlugin.WebPImageFile,
    "image/gif": GifImagePlugin.GifImageFile,
    "image/bmp": BmpImagePlugin.BmpImageFile,
    "image/tiff": TiffImagePlugin.TiffImageFile,
    "image/avif": AvifImagePlugin.AvifImageFile,
}
