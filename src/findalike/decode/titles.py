"""Whether a frame is a title card: letters on a ground of one shade. Pure."""

from __future__ import annotations

import numpy as np
from PIL import Image

from findalike.types import Pixels

_SIDE = 256
_GROUND = 0.75
_NEAR, _FAR = 16, 60
_LETTERS = (0.004, 0.22)
_STROKES = 6
_LINES = 4
_IN_LINES = 0.7


def is_title(pixels: Pixels) -> bool:
    """Whether most of an RGB picture has one shade, and nearly all that stands out from it lies in rows that
    change shade often, as lines of letters do. Pictures on a plain ground lie in one piece instead."""
    image = Image.fromarray(pixels).convert("L")
    image.thumbnail((2 * _SIDE, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(image, np.int16)
    ground = int(np.bincount(grey.ravel(), minlength=256).argmax())
    apart = np.abs(grey - ground)
    ink = apart > _FAR
    if (apart < _NEAR).mean() < _GROUND or not _LETTERS[0] < ink.mean() < _LETTERS[1]:
        return False
    strokes = (ink[:, 1:] & ~ink[:, :-1]).sum(axis=1)
    lines = strokes >= _STROKES
    return bool(lines.sum() >= _LINES and ink[lines].sum() > _IN_LINES * ink.sum())
