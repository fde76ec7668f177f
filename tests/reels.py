"""Films that tests write: each second has a colour of its own, so that what a frame shows says its time."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from findalike.types import Pixels

COLOURS = ((200, 30, 30), (30, 190, 30), (40, 40, 210), (200, 190, 30), (190, 40, 190), (40, 190, 190))
"""Of the seconds of a film, over and over."""

UPRIGHT = (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
CLOCKWISE = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
COUNTER = (0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30)
AROUND = (-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30)
MIRRORED = (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)


def card(colour: Sequence[int], size: tuple[int, int] = (96, 64)) -> Pixels:
    """A frame of one colour with a white corner, left and at the top."""
    pixels = np.empty((size[1], size[0], 3), np.uint8)
    pixels[:] = colour
    pixels[: size[1] // 2, : size[0] // 2] = 255
    return pixels


def seconds(count: int, fps: int = 10, size: tuple[int, int] = (96, 64)) -> list[Pixels]:
    """The frames of so many seconds."""
    return [card(COLOURS[at // fps % len(COLOURS)], size) for at in range(count * fps)]


def nearest(colour: Sequence[int]) -> int:
    """Which of the colours it is."""
    return int(np.abs(np.array(COLOURS) - np.asarray(colour)).sum(axis=1).argmin())


def reel(
    frames: Iterable[Pixels],
    container: str = "mp4",
    codec: str = "libx264",
    fps: int = 10,
    times: Sequence[float] | None = None,
    keys: int = 10,
    options: dict[str, str] | None = None,
    sound: float = 0.0,
    aspect: Fraction | None = None,
    metadata: dict[str, str] | None = None,
    path: Path | None = None,
) -> bytes:
    """The file of a film, written to `path` where options need one. `times`, in seconds, make its rate vary;
    `sound`: seconds of a tone beside it."""
    target = io.BytesIO()
    with av.open(
        str(path) if path else target, "w", format=container, container_options=options or {}
    ) as out:
        out.metadata.update(metadata or {})
        stream: Any = None
        tone: Any = out.add_stream("aac", rate=8000) if sound else None
        for number, pixels in enumerate(frames):
            if stream is None:
                stream = _stream(out, codec, fps, pixels, keys, aspect)
                stream.codec_context.time_base = Fraction(1, 1000 if times else fps)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            if times is not None:
                frame.pts, frame.time_base = round(times[number] * 1000), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        if stream is not None:
            out.mux(stream.encode(None))
        if tone:
            _tone(out, tone, sound)
    return path.read_bytes() if path else target.getvalue()


def _stream(out: Any, codec: str, fps: int, pixels: Pixels, keys: int, aspect: Fraction | None) -> Any:
    stream = out.add_stream(codec, rate=fps)
    stream.height, stream.width = pixels.shape[:2]
    stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    stream.codec_context.gop_size = keys
    if aspect:
        stream.codec_context.sample_aspect_ratio = aspect
    return stream


def _tone(out: Any, stream: Any, length: float) -> None:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, round(8000 * length)), np.float32), "fltp", "mono")
    frame.sample_rate = 8000
    out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def turned(data: bytes, matrix: Sequence[int]) -> bytes:
    """An MP4 whose track has another display matrix (ISO/IEC 14496-12, 8.3.2, version 0)."""
    at = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    assert struct.unpack_from(">9i", data, at) == UPRIGHT
    return data[:at] + struct.pack(">9i", *matrix) + data[at + 36 :]
