"""Films made of drawn pictures: each scene shows one, which moves a little."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

import findalike
from findalike.encode import catalog
from findalike.encode.base import encode
from findalike.store.base import Batch
from findalike.types import Asset, Origin, Picture, Row
from web import drawn, encoded

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


def indexed(library: findalike.Library, folder: Path) -> None:
    """Fills a library with pictures and films by hand, a frame each second."""
    stills, films = [], []
    for path in sorted(folder.iterdir()):
        (films if path.suffix in (".mp4", ".avi", ".webm") else stills).append(path)
    library.add(*stills)
    card = next(iter(library.store.cards().values()))
    encoder = catalog.load(card, library.settings)
    for path in films:
        asset_id = hashlib.sha256(path.name.encode()).hexdigest()[:16]
        with av.open(str(path)) as opened:
            pixels = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)][::RATE]
            codec = opened.streams.video[0].codec_context.name
        origins = [Origin(asset_id, "frame", time=float(at), end=float(at + 1)) for at in range(len(pixels))]
        pictures = [Picture(p, o, *SIZE) for p, o in zip(pixels, origins, strict=True)]
        vectors = encode(encoder, pictures)
        rows = [Row(f"{asset_id}:{o.key}", o, v) for o, v in zip(origins, vectors, strict=True)]
        media = {".mp4": "video/mp4", ".avi": "video/x-msvideo", ".webm": "video/webm"}[path.suffix]
        facts = {"width": SIZE[0], "height": SIZE[1], "duration": float(len(pixels)), "codec": codec}
        asset = Asset(
            str(path), path.stat().st_size, datetime(2020, 1, 1, tzinfo=UTC), asset_id, media,
            hashlib.sha256(path.read_bytes()).hexdigest(), facts,
        )  # fmt: skip
        jpegs = {o.key: encoded(Image.fromarray(p), "JPEG") for p, o in zip(pixels, origins, strict=True)}
        seen = {bank: {asset_id: {0: 0.5}} for bank in library.store.banks()}
        library.store.write(
            Batch([asset], {card.space: rows}, {asset_id: jpegs["frame-0.000"]}, (), seen, {asset_id: jpegs})
        )
