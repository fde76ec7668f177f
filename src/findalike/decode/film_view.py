"""From the decoder's frames to pixels: the matrix turned into a rotation, pixels made square, YUV to RGB."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from findalike.pixels import oriented
from findalike.tracks import LUMA_SIDE
from findalike.types import Pixels

_EXACT = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
_HIGH_DEFINITION = 720
_BT709, _UNSPECIFIED = 1, 2
_MOST_STRETCHED = 4.0
_TURNS = {
    (False, 1, 1): 1, (False, -1, 1): 2, (False, -1, -1): 3, (False, 1, -1): 4,
    (True, 1, 1): 5, (True, 1, -1): 6, (True, -1, -1): 7, (True, -1, 1): 8,
}  # fmt: skip
"""The EXIF orientation of a display matrix: whether x and y change places, and the two signs."""


class View:
    """How the frames of one stream are looked at. Used by one thread at a time."""

    def __init__(self, stream: Any) -> None:
        self._stretch = _stretch(stream)
        self._grey, self._colour = VideoReformatter(), VideoReformatter()
        self._turns: dict[int, int] = {}
        self._seen: tuple[Any, NDArray[np.uint8] | None] = (None, None)

    def upright_size(self, raw: Any) -> tuple[int, int]:
        width, height = self._square_size(raw)
        return (height, width) if self._turn(raw) > 4 else (width, height)

    def luma(self, raw: Any) -> NDArray[np.uint8]:
        """What several ask of one frame is computed once."""
        of, known = self._seen
        if known is None or of is not raw:
            area = Interpolation.AREA
            small = self._grey.reformat(raw, LUMA_SIDE, LUMA_SIDE, "gray", interpolation=area, threads=1)
            known = _turned(np.asarray(small.to_ndarray(), np.uint8), self._turn(raw))
            self._seen = raw, known
        return known

    def pixels(self, raw: Any, short_side: int | None) -> Pixels:
        size = self._square_size(raw)
        width, height = _reduced(size, short_side)
        rgb = self._colour.reformat(
            raw,
            width=width,
            height=height,
            format="rgb24",
            src_colorspace=_matrix(raw),
            interpolation=_EXACT if (width, height) == size else Interpolation.AREA,
            threads=1,
        )
        return _turned(np.asarray(rgb.to_ndarray(), np.uint8), self._turn(raw))

    def _turn(self, raw: Any) -> int:
        """The orientation, read once for each angle: a frame whose side data was looked at is in a circle of
        references, and so stays in memory until the garbage is collected."""
        angle = raw.rotation
        if angle not in self._turns:
            self._turns[angle] = orientation(raw)
        return self._turns[angle]

    def _square_size(self, raw: Any) -> tuple[int, int]:
        """Before it is turned; only ever stretched, so that nothing is lost."""
        if self._stretch >= 1:
            return round(raw.width * self._stretch), raw.height
        return raw.width, round(raw.height / self._stretch)


def orientation(raw: Any) -> int:
    """The EXIF orientation 1..8 that a frame's display matrix means (ISO/IEC 14496-12, 6.2.2)."""
    data = raw.side_data.get("DISPLAYMATRIX")
    if data is None or data.buffer_size < 36:
        return 1
    a, b, _, c, d, *_ = np.frombuffer(data, np.int32, 9).tolist()
    crossed = abs(b) + abs(c) > abs(a) + abs(d)
    first, second = (b, c) if crossed else (a, d)
    return _TURNS[crossed, 1 if first >= 0 else -1, 1 if second >= 0 else -1]


def _turned(pixels: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    return pixels if turn == 1 else np.asarray(oriented(Image.fromarray(pixels), turn))


def _stretch(stream: Any) -> float:
    """How much wider than high a pixel is; 1 for what makes no sense."""
    ratio = float(stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1)
    return ratio if 1 / _MOST_STRETCHED <= ratio <= _MOST_STRETCHED else 1.0


def _reduced(size: tuple[int, int], short_side: int | None) -> tuple[int, int]:
    scale = min(1.0, short_side / min(size)) if short_side else 1.0
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _matrix(raw: Any) -> int | None:
    """BT.709 for large frames that do not say how their colours are coded, as players take them; otherwise
    what the frame says, and BT.601 for small ones."""
    if raw.colorspace == _UNSPECIFIED and min(raw.width, raw.height) >= _HIGH_DEFINITION:
        return _BT709
    return None
