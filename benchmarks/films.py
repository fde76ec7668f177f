"""How fast films are taken into a library, as a multiple of real time, and how much memory a long one takes.

    python benchmarks/films.py DATA [--minutes 20] [--folder DIR] [--json FILE]

DATA holds `videos` and `captions`, each with a `labels.csv`. From these, films of 1280 × 720 are made once
in the folder: each clip, at most 20 s of it, encoded anew as H.264; the two that are that large as they are;
and a `tour` of panning and zooming over photographs. They are indexed as users do it, with the settings as
they are, into a new library; the program's start and the loading of its network are not counted, the writing
is. `x real time`: seconds of film for a second of work. The long film is the tour over and over, so that
`peak MB` can be held beside that of the short one. The network, and what is read from it, run as on every
picture; `--frames key` and others say what samplings cost.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

SIZE, RATE, MOST_SECONDS, TARGET = (1280, 720), 25, 20, 10.0
PHOTOGRAPHS, SHOWN = 30, 2.0

INDEX = """
import json, resource, sys, tempfile, time
from pathlib import Path
import findalike
from findalike.encode import catalog
options = json.loads(sys.argv[2])
with tempfile.TemporaryDirectory() as folder, findalike.open(Path(folder) / "library") as library:
    for card in (catalog.find(library.settings.encoder), *map(catalog.find, catalog.BESIDE)):
        catalog.load(card, library.settings)
    before = resource.getrusage(resource.RUSAGE_SELF)
    report = library.add(*sys.argv[3:], **options)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert not report.failures, report.failures
    films = list(library.store.assets())
    print(json.dumps({
        "film s": sum(film.metadata["duration"] for film in films),
        "frames": sum(status.rows for space, status in library.store.status().items()
                      if space.startswith(library.settings.encoder)) - len(films),
        "s": report.seconds,
        "cpu s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak MB": after.ru_maxrss / 1024,
    }))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=int, default=20, help="of the long film; 0 for none")
    parser.add_argument("--frames", help="as of findalike index --frames")
    parser.add_argument("--folder", type=Path, help="where the films are made, and found the next time")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        folder = given.folder or Path(passing)
        folder.mkdir(parents=True, exist_ok=True)
        films = [*made(given.data, folder), tour(given.data / "captions", folder / "tour.mp4")]
        options = {"frames": given.frames} if given.frames else {}
        results = {"all": indexed(films, options)} | {film.stem: indexed([film], options) for film in films}
        if given.minutes:
            results["long"] = indexed([repeated(films[-1], folder / "long.mp4", given.minutes)], options)
    report(results)
    if given.json:
        given.json.write_text(json.dumps(results, indent=1), "utf-8")


def report(results: dict[str, dict[str, float]]) -> None:
    print(f"{'film':32}{'film s':>8}{'frames':>8}{'x real time':>13}{'x per core':>12}{'peak MB':>9}")
    for name, found in results.items():
        fast, each = found["film s"] / found["s"], found["film s"] / found["cpu s"]
        print(
            f"{name:32}{found['film s']:8.0f}{found['frames']:8.0f}{fast:13.1f}{each:12.1f}"
            f"{found['peak MB']:9.0f}"
        )
    whole = results["all"]["film s"] / results["all"]["s"]
    print(f"target, x real time: {TARGET:.0f}; all: {whole:.1f}, {'met' if whole >= TARGET else 'missed'}")


def indexed(films: list[Path], options: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, "-c", INDEX, "-", json.dumps(options), *map(str, films)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(run.stdout)
    return found


def made(data: Path, folder: Path) -> Iterator[Path]:
    """The clips as films of 1280 × 720."""
    with (data / "videos" / "labels.csv").open(encoding="utf-8", newline="") as table:
        names = [row["path"] for row in csv.DictReader(table)]
    for name in names:
        clip, film = data / "videos" / name, folder / f"{Path(name).stem}.mp4"
        if "-hd-" in name:
            yield clip
            continue
        if not film.exists():
            with av.open(str(clip)) as source:
                written(film, shown(source))
        yield film


def shown(source: Any) -> Iterator[tuple[float, Any]]:
    """The frames of an opened clip, with their times, in the larger size."""
    for frame in source.decode(video=0):
        if frame.time >= MOST_SECONDS:
            return
        yield frame.time, frame.reformat(*SIZE, format="yuv420p", interpolation="BICUBIC")


def tour(pictures: Path, film: Path) -> Path:
    """Over some photographs, two seconds each, ever nearer and from one side to the other."""

    def frames() -> Iterator[tuple[float, Any]]:
        paths = sorted(pictures.rglob("*.jpg"))[:PHOTOGRAPHS]
        count = round(SHOWN * RATE)
        for number, path in enumerate(paths):
            with Image.open(path) as image:
                picture = image.convert("RGB")
            width, height = picture.size
            for at in range(count):
                part = 0.9 - 0.3 * at / count
                wide, high = width * part, min(height * part, width * part * SIZE[1] / SIZE[0])
                left, top = (width - wide) * at / count, (height - high) / 2
                cut = picture.resize(SIZE, Image.Resampling.BICUBIC, box=(left, top, left + wide, top + high))
                pixels = av.VideoFrame.from_ndarray(np.asarray(cut), format="rgb24")
                yield (number * count + at) / RATE, pixels.reformat(format="yuv420p")

    if not film.exists():
        written(film, frames())
    return film


def written(film: Path, frames: Iterator[tuple[float, Any]]) -> None:
    part = film.with_suffix(".part")
    with av.open(str(part), "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time, frame in frames:
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            frame.pict_type = 0
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    part.rename(film)


def repeated(film: Path, target: Path, minutes: int) -> Path:
    """The packets of a film over and over, until it is so long."""
    part, start = target.with_suffix(".part"), 0
    with av.open(str(part), "w", format="mp4") as out:
        stream: Any = None
        while stream is None or start * stream.time_base < 60 * minutes:
            with av.open(str(film)) as source:
                video = source.streams.video[0]
                stream = stream or out.add_stream_from_template(video)
                end = start
                for packet in source.demux(video):
                    if packet.dts is not None:
                        packet.pts, packet.dts = packet.pts + start, packet.dts + start
                        end, packet.stream = max(end, packet.pts + packet.duration), stream
                        out.mux(packet)
                start = end
    part.rename(target)
    return target


if __name__ == "__main__":
    main()
