"""Films made of drawn pictures: each scene shows one, which moves a little."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from findalike.types import Pixels
from web import drawn

RATE = 10
"""Frames a second."""

SIZE = (320, 180)


def film(path: Path, scenes: Sequence[tuple[int, float]], codec: str = "libx264") -> Path:
    """A film of scenes, each the seed of a drawing and how many seconds it is shown."""
    return _written(path, _scenes(scenes), codec)


def cut(source: Path, start: float, end: float, path: Path) -> Path:
    """The stretch of a film between two times, in seconds, as a film of its own."""
    with av.open(str(source)) as opened:
        several = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]
    return _written(path, several[round(start * RATE) : round(end * RATE)], "libx264")


def _scenes(scenes: Sequence[tuple[int, float]]) -> Iterator[Pixels]:
    for seed, seconds in scenes:
        picture = drawn(seed, (SIZE[0] + 40, SIZE[1]))
        for at in range(round(seconds * RATE)):
            yield np.asarray(picture.crop((at % 40, 0, at % 40 + SIZE[0], SIZE[1])))


def _written(path: Path, several: Iterable[Pixels], codec: str) -> Path:
    """A key frame each second."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=Fraction(RATE))
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.gop_size = RATE
        for number, pixels in enumerate(several):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def animation(path: Path, seeds: Sequence[int]) -> Path:
    """An animated GIF that shows a drawing for each seed, half a second each."""
    first, *rest = (drawn(seed, SIZE).convert("P", palette=Image.Palette.ADAPTIVE) for seed in seeds)
    first.save(path, save_all=True, append_images=rest, duration=500, loop=0)
    return path
