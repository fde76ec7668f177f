"""Films made of drawn pictures: each scene shows one, which moves a little."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from web import drawn

RATE = 10
"""Frames a second."""

SIZE = (320, 180)


def film(path: Path, scenes: Sequence[tuple[int, float]], codec: str = "libx264") -> Path:
    """A film of scenes, each the seed of a drawing and how many seconds it is shown. A key frame a second."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=Fraction(RATE))
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.gop_size = RATE
        number = 0
        for seed, seconds in scenes:
            picture = drawn(seed, (SIZE[0] + 40, SIZE[1]))
            for at in range(round(seconds * RATE)):
                shown = picture.crop((at % 40, 0, at % 40 + SIZE[0], SIZE[1]))
                frame = av.VideoFrame.from_ndarray(np.asarray(shown), format="rgb24")
                frame.pts, number = number, number + 1
                out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def animation(path: Path, seeds: Sequence[int]) -> Path:
    """An animated GIF that shows a drawing for each seed, half a second each."""
    first, *rest = (drawn(seed, SIZE).convert("P", palette=Image.Palette.ADAPTIVE) for seed in seeds)
    first.save(path, save_all=True, append_images=rest, duration=500, loop=0)
    return path
