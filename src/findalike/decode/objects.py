"""Pictures that are in memory already: PIL images and arrays."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from findalike.decode import colour
from findalike.errors import UsageError
from findalike.types import Pixels


def from_object(what: object) -> Pixels:
    """RGB pixels (height, width, 3) of a PIL image, turned upright and on white, or of an array.

    An array is (height, width), (height, width, 3) or (height, width, 4), of uint8 in 0..255 or of floats in
    0..1. Raises UsageError for anything else.
    """
    if isinstance(what, np.ndarray):
        return _from_image(_image(what))
    if isinstance(what, Image.Image):
        return _from_image(what)
    raise UsageError(
        f"a picture is a path, bytes, a PIL image, an array or an asset's id, not a {type(what).__name__}"
    )


def _from_image(image: Image.Image) -> Pixels:
    upright = ImageOps.exif_transpose(image)
    return np.asarray(colour.to_srgb(colour.plain(upright), image.info.get("icc_profile") or b""))


def _image(array: np.ndarray) -> Image.Image:
    shape = array.shape
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)) or 0 in shape:
        raise UsageError(
            f"an array of shape {shape} is no picture: give (height, width) or (height, width, 3)"
        )
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise UsageError("an array of floats is a picture when all its numbers are in 0..1")
        array = np.rint(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise UsageError(f"an array of {array.dtype} is no picture: give uint8 in 0..255 or floats in 0..1")
    return Image.fromarray(array.squeeze(2) if len(shape) == 3 and shape[2] == 1 else array)
