"""From pixels to the tensor that a network was trained on, after its `preprocessor_config.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from findalike import pixels
from findalike.errors import EncoderError
from findalike.types import Picture, Pixels

DEFAULTS = "ImageNet defaults"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
KEPT = 0.875
"""The share of the short side that a centre crop keeps where nothing says otherwise, 224 of 256; and what
`base.short_side` takes a card's `side` to be of the picture that it asks the decoder for."""

MOST_PIXELS = 4_096
"""Of a side of what a trained encoder may ask for."""

_FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # by their numbers in Pillow


@dataclass(frozen=True, slots=True)
class Recipe:
    """A picture is scaled, cut to `size` (height, width) about its centre, and its numbers x in 0..255 become
    (x · scale − mean) / std. `scaled` is the length of the short side, or height and width of the whole.

    `based_on` says where it comes from.
    """

    size: tuple[int, int]
    scaled: int | tuple[int, int]
    resample: str = "bilinear"
    scale: float = 1 / 255
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    layout: str = "NCHW"
    channels: str = "rgb"
    dtype: str = "float32"
    based_on: str = DEFAULTS

    @property
    def side(self) -> int:
        """Such that `base.short_side` asks for pictures that this loses nothing of."""
        needed = self.scaled if isinstance(self.scaled, int) else max(self.scaled)
        return max(*self.size, math.ceil(needed * KEPT))

    def fitted(self, size: tuple[int, int] | None) -> Recipe:
        """The recipe for an input of another size: all is scaled alike."""
        if size is None or size == self.size:
            return self
        down, across = size[0] / self.size[0], size[1] / self.size[1]
        if isinstance(self.scaled, int):
            return replace(self, size=size, scaled=round(self.scaled * max(down, across)))
        return replace(self, size=size, scaled=(round(self.scaled[0] * down), round(self.scaled[1] * across)))

    def to_json(self) -> dict[str, Any]:
        """As a card keeps it: lists for tuples, so that it is the same after a round trip."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def prepared(self, pictures: Sequence[Picture]) -> NDArray[Any]:
        """A batch in the network's layout and type: (n, 3, height, width) or (n, height, width, 3)."""
        batch = np.stack([self._cut(picture.pixels) for picture in pictures])
        if self.channels == "bgr":
            batch = batch[..., ::-1]
        if self.layout == "NCHW":
            batch = batch.transpose(0, 3, 1, 2)
        if self.dtype == "uint8":
            return np.ascontiguousarray(batch)
        shape = (3, 1, 1) if self.layout == "NCHW" else (3,)
        mean, std = (np.asarray(numbers, np.float32).reshape(shape) for numbers in (self.mean, self.std))
        return np.ascontiguousarray((batch * np.float32(self.scale) - mean) / std, self.dtype)

    def _cut(self, pixels: Pixels) -> Pixels:
        """Scaled and cut in one step: only what the crop shows is computed."""
        tall, wide = self._whole(*pixels.shape[:2])
        top, bottom = _centre(pixels.shape[0], tall, self.size[0])
        left, right = _centre(pixels.shape[1], wide, self.size[1])
        resample = Image.Resampling[self.resample.upper()]
        image = Image.fromarray(pixels)
        return np.asarray(image.resize(self.size[::-1], resample, box=(left, top, right, bottom)))

    def _whole(self, height: int, width: int) -> tuple[int, int]:
        if isinstance(self.scaled, int):
            short = min(height, width)
            tall, wide = self.scaled * height // short, self.scaled * width // short
        else:
            tall, wide = self.scaled
        return max(tall, self.size[0]), max(wide, self.size[1])


def from_json(values: Mapping[str, Any]) -> Recipe:
    """The recipe that a card keeps."""
    typed: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return Recipe(**typed)


@dataclass(frozen=True, slots=True)
class Square:
    """Pictures as the default encoders see them (`pixels.square`): the centre of the short side's `crop`,
    scaled to `side`, as uint8 of shape (n, side, side, 3)."""

    side: int
    crop: float

    def prepared(self, pictures: Sequence[Picture]) -> NDArray[Any]:
        return np.stack([pixels.square(picture.pixels, self.side, self.crop) for picture in pictures])


def of_card(values: Mapping[str, Any]) -> Recipe | Square:
    """What a trained encoder's card says: `side` and `crop` of a `Square`, or all of a `Recipe`. Raises
    TypeError, ValueError for what neither understands."""
    if set(values) == {"side", "crop"}:
        found: Recipe | Square = Square(int(values["side"]), float(values["crop"]))
        if not (1 <= found.side <= MOST_PIXELS and 0 < found.crop <= 1):  # type: ignore[union-attr]
            raise ValueError(f"side must be from 1 to {MOST_PIXELS}, and crop above 0 and at most 1")
        return found
    found = from_json(values)
    _check(found)
    return found


def _check(found: Recipe) -> None:
    """Raises TypeError, ValueError for a recipe that could not be followed."""
    scaled = (found.scaled,) if isinstance(found.scaled, int) else found.scaled
    lengths = (*found.size, *scaled)
    if len(found.size) != 2 or any(type(n) is not int or not 1 <= n <= MOST_PIXELS for n in lengths):
        raise ValueError(f"size and scaled must be whole numbers from 1 to {MOST_PIXELS}")
    choices = {
        "resample": (found.resample, _FILTERS),
        "layout": (found.layout, ("NCHW", "NHWC")),
        "channels": (found.channels, ("rgb", "bgr")),
        "dtype": (found.dtype, ("float32", "float16", "uint8")),
    }
    for name, (value, known) in choices.items():
        if value not in known:
            raise ValueError(f"{name} is {value!r}, but it must be {', '.join(known)}")
    if not np.isfinite([found.scale, *_numbers(found.mean), *_numbers(found.std)]).all() or 0 in found.std:
        raise ValueError("scale, mean and std must be numbers, and no std 0")


def configured(config: Mapping[str, Any], fixed: tuple[int, int] | None = None) -> Recipe:
    """The recipe of a `preprocessor_config.json` as Hugging Face writes it; without one, that of ImageNet's
    classifiers (He et al. 2016). `fixed` is the height and width of a graph that takes no other.

    Raises EncoderError for a value that is not understood.
    """
    if not config:
        return Recipe((224, 224), 256).fitted(fixed)
    try:
        size, scaled = _frame(config)
        plain = not config.get("do_normalize", True)
        recipe = Recipe(
            size,
            scaled,
            resample=_FILTERS[int(config.get("resample", 2))],
            scale=float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0,
            mean=(0.0,) * 3 if plain else _numbers(config.get("image_mean", IMAGENET_MEAN)),
            std=(1.0,) * 3 if plain else _numbers(config.get("image_std", IMAGENET_STD)),
            channels="bgr" if config.get("do_flip_channel_order") else "rgb",
            based_on="preprocessor_config.json",
        )
    except (TypeError, ValueError, KeyError, IndexError, ZeroDivisionError) as error:
        raise EncoderError(f"preprocessor_config.json is not understood: {error}") from error
    return recipe.fitted(fixed)


def _frame(config: Mapping[str, Any]) -> tuple[tuple[int, int], int | tuple[int, int]]:
    """The size of the input, and what the whole picture is scaled to before that is cut out."""
    crop = config.get("crop_size")
    cuts = bool(config.get("do_center_crop", crop is not None))
    size = config.get("size", 224)
    if isinstance(size, int):  # older configurations: CLIP's is a short side, ViT's a square
        size = {"shortest_edge": size} if cuts else {"height": size, "width": size}
    if "shortest_edge" in size:
        short = int(size["shortest_edge"])
        if "crop_pct" in config:  # ConvNeXt: https://huggingface.co/docs/transformers/model_doc/convnext
            return (short, short), (short, short) if short >= 384 else int(short / float(config["crop_pct"]))
        return _pair(crop) if cuts and crop else (short, short), short
    if "height" not in size or "width" not in size:
        raise ValueError(f"size is {size}, but it must have shortest_edge, or height and width")
    return _pair(crop) if cuts and crop else _pair(size), _pair(size)


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    return int(value["height"]), int(value["width"])


def _numbers(values: Any) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != 3:
        raise ValueError(
            f"{list(numbers)} has {len(numbers)} numbers, not one for each of red, green and blue"
        )
    return numbers


def _centre(length: int, whole: int, size: int) -> tuple[float, float]:
    """The original coordinates of the centre `size` of a side that is scaled from `length` to `whole`."""
    start = (whole - size) // 2
    unit = length / whole
    return start * unit, min(float(length), (start + size) * unit)
