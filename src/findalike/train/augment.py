"""Another look at a picture while training: cut out elsewhere, turned over, lit otherwise, blurred."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from findalike.types import Pixels

_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Augmentation:
    """A part of at least `least` of the picture's area, its sides stretched against each other by up to
    `stretch`, is scaled to the training size (Szegedy et al. 2015); half are turned over from left to right
    where `flip`. Brightness, contrast and saturation change by factors of up to 1 + `light`, and `blur` of
    them are blurred."""

    least: float = 0.4
    stretch: float = 4 / 3
    flip: bool = True
    light: float = 0.3
    blur: float = 0.1

    def of(self, pixels: Pixels, side: int, rng: np.random.Generator) -> Pixels:
        """A view of shape (side, side, 3) of pixels of any shape, each side of which is at least 1."""
        view = self._cut(pixels, side, rng)
        if self.flip and rng.random() < 0.5:
            view = view[:, ::-1]
        if self.light:
            view = self._lit(view, rng)
        if rng.random() < self.blur:
            view = cv2.GaussianBlur(view, (0, 0), rng.uniform(0.3, 1.5) * side / 224)
        return np.ascontiguousarray(view)

    def _cut(self, pixels: Pixels, side: int, rng: np.random.Generator) -> Pixels:
        height, width = pixels.shape[:2]
        tall, wide = self._size(height, width, rng)
        top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
        part = pixels[top : top + tall, left : left + wide]
        way = cv2.INTER_AREA if min(tall, wide) > side else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(part, (side, side), interpolation=way))

    def _size(self, height: int, width: int, rng: np.random.Generator) -> tuple[int, int]:
        """Height and width of the part. Of long pictures, which hardly any part of near square shape is
        large enough for, the largest square."""
        reach = math.log(self.stretch)
        for _ in range(_TRIES):
            area, shape = rng.uniform(self.least, 1) * height * width, math.exp(rng.uniform(-reach, reach))
            tall, wide = round(math.sqrt(area / shape)), round(math.sqrt(area * shape))
            if 0 < tall <= height and 0 < wide <= width:
                return tall, wide
        short = min(height, width)
        return short, short

    def _lit(self, view: Pixels, rng: np.random.Generator) -> Pixels:
        """Grey value, distance from the mean grey, and distance from grey, each times a factor."""
        brightness, contrast, saturation = np.exp(rng.uniform(-1, 1, 3) * math.log(1 + self.light))
        x = view.astype(np.float32) * brightness
        grey = x @ _GREY
        x = grey[..., None] + (x - grey[..., None]) * saturation
        mean = grey.mean()
        lit: NDArray[np.float32] = mean + (x - mean) * contrast
        return np.rint(lit).clip(0, 255).astype(np.uint8)
