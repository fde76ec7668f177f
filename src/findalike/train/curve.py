"""A picture of the measure after each epoch, drawn with Pillow."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw

from findalike.present.lettering import fitted

SIZE, MARGIN = (800, 400), (64, 24, 24, 48)
"""Pixels: width and height; left, top, right, bottom."""
INK, FAINT, LINE, BEST = (40, 40, 40), (220, 220, 220), (31, 119, 180), (214, 39, 40)
LETTERS = 14


def png(values: Sequence[float], start: float, best: int, what: str = "mAP") -> bytes:
    """The values, that before the first epoch first, beside a dashed line at `start`, and the best marked:
    the bytes of a PNG."""
    image = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(image)
    low, high = _ends([*values, start])
    left, top, right, bottom = MARGIN[0], MARGIN[1], SIZE[0] - MARGIN[2], SIZE[1] - MARGIN[3]

    def at(epoch: float, value: float) -> tuple[float, float]:
        across = epoch / max(len(values) - 1, 1)
        return left + across * (right - left), bottom - (value - low) / (high - low) * (bottom - top)

    for step in range(5):
        value = low + (high - low) * step / 4
        draw.line([at(0, value), (right, at(0, value)[1])], FAINT)
        _write(draw, (8, at(0, value)[1] - LETTERS / 2), f"{value:.3f}")
    _write(draw, (left, bottom + 8), "0")
    _write(draw, (right - 80, bottom + 8), f"epoch {len(values) - 1}")
    _write(
        draw, (left + 200, bottom + 8), f"{what}: before {start:.3f}, best {values[best]:.3f} at epoch {best}"
    )
    for dash in range(left, right, 12):
        draw.line([(dash, at(0, start)[1]), (dash + 6, at(0, start)[1])], INK)
    draw.line([at(epoch, value) for epoch, value in enumerate(values)], LINE, 3)
    x, y = at(best, values[best])
    draw.ellipse((x - 6, y - 6, x + 6, y + 6), BEST)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = max((high - low) * 0.1, 0.005)
    return low - room, high + room


def _write(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str) -> None:
    words, font = fitted(text, LETTERS, SIZE[0])
    draw.text(at, words, INK, font)
