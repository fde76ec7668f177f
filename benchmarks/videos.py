"""How well films, clips of them and their moments are found, beside what frames and means alone give.

    python benchmarks/videos.py DATA [--frames N] [--trims N] [--json FILE]

DATA holds the folder `videos`. All its films are indexed into a library as `findalike index` does it. Then:

edits   each edit of one film (the rows of `labels.csv` with the subject of `--edits`) is a query; the others
have
        to come before anything else.
trims   three seconds of each film, or all of a shorter one, from random offsets, encoded anew with x264: the
        source has to come first, with the stretch in both within 0.5 s of the truth.
copies  films edited further, as wholes: grey, a logo, bars, another rate, mirrored, and within a longer film;
the
        source has to be in front of all that does not show the same, with the stretch on both sides.
frames  random frames, of random films (`by film`) and of all frames of all films (`by frame`), as they are
and
        with a random place cut to 80 % of each side (64 % of the area) and JPEG of quality 30: the first hit
        has to be the film, or another edit of it, at the moment within 1 s of the true time.

Plain search is that of the stored means of films (`edits`, `trims`, `copies`) and of stored frames (`frames`)
in the space of the default encoder, with nothing else looked at.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image
from rich.progress import track

import findalike
from findalike.decode.film import Film
from findalike.types import Hit, Origin

SECONDS, SLACK, NEAR = 3.0, 0.5, 1.0
CUT, QUALITY = 0.8, 30
LONGEST = 6.0
"""Seconds of a film that are edited."""

DEEP = 50


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A film of the set: when each of its frames is shown, in seconds from the first."""

    path: Path
    rate: float
    times: Sequence[float]

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def seconds(self) -> float:
        return self.times[-1] + 1 / self.rate

    def frames(self, start: float, end: float) -> tuple[list[float], list[np.ndarray]]:
        """Times and RGB pixels of what is shown from `start` on, before `end`."""
        with self.path.open("rb") as file:
            shown = [(f.time, f.pixels()) for f in Film(file).frames(end=end) if f.time >= start]
        return [at for at, _ in shown], [pixels for _, pixels in shown]


@dataclass(frozen=True, slots=True)
class Truth:
    """What a clip was made of: the film, from and to in it, and from and to in the clip."""

    name: str
    film: tuple[float, float]
    clip: tuple[float, float]


Asked = tuple[Source, float, np.ndarray]
"""A film, and a frame of it: when it is shown, and its pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--edits", default="pattern", help="the subject whose films are edits of one")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--trims", type=int, default=3, help="of each film that is longer than three seconds")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    folder = options.data / "videos"
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        subjects = {row["path"]: row["subject"] for row in csv.DictReader(file)}
    with tempfile.TemporaryDirectory() as place, findalike.open(Path(place) / "library") as library:
        started = time.perf_counter()
        library.add(folder)
        took = time.perf_counter() - started
        judge = Judge(library, {n: s if s == options.edits else n for n, s in subjects.items()})
        results: dict[str, Any] = {"edits": judge.edits(folder)}
        results["seconds of film a second of indexing"] = judge.seconds() / took
        sources = [opened(folder / name) for name in sorted(subjects)]
        rng = random.Random(0)
        results["trims"] = judge.clips(trims(sources, options.trims, rng), "trims")
        results["copies"] = judge.clips(copies(sources), "copies")
        for how in ("by film", "by frame"):
            chosen = list(picked(sources, options.frames, how, rng))
            for harmed in (False, True):
                name = f"frames {how}, " + ("cut to 80 % of each side, JPEG 30" if harmed else "as they are")
                results[name] = judge.moments(chosen, harmed, name)
    for name, found in results.items():
        print(f"{name:54}", json.dumps(found))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


class Judge:
    """Asks a library, and plain search beside it. `kin` says of each film which others are edits of it: those
    of the same text."""

    def __init__(self, library: findalike.Library, kin: dict[str, str]) -> None:
        self.library = library
        self.kin = kin
        self.space = next(iter(library.store.cards()))
        rows = library.store.rows(self.space, [asset.id for asset in library.store.assets()])
        names = {asset.id: Path(asset.uri).name for asset in library.store.assets()}
        whole = [row for row in rows if row.origin.part == "whole"]
        self.mean_names = [names[row.asset_id] for row in whole]
        self.means = np.stack([row.vector for row in whole])
        frames = [row for row in rows if row.origin.part == "frame"]
        self.frame_places = [(names[row.asset_id], row.origin) for row in frames]
        self.frames = np.stack([row.vector for row in frames])
        self.looker = library._space(library._card(None)).looker

    def seconds(self) -> float:
        return sum(float(a.metadata["duration"]) for a in self.library.store.assets() if a.is_film)

    def edits(self, folder: Path) -> dict[str, float]:
        names = [n for n, kin in self.kin.items() if kin != n]
        first, plain = [], []
        for name in names:
            others = len(names) - 1
            hits = [Path(hit.asset.uri).name for hit in self.library.search(folder / name, k=DEEP)]
            first.append(all(self.kin[each] == self.kin[name] for each in hits[:others]))
            mean = self.means[self.mean_names.index(name)]
            ordered = [n for n in self._by_means(mean) if n != name]
            plain.append(all(self.kin[each] == self.kin[name] for each in ordered[:others]))
        return {"queries": len(names), "others first": rate(first), "plain": rate(plain)}

    def clips(self, clips: Iterator[tuple[bytes, Truth]], words: str) -> dict[str, float]:
        """`first`: the source itself is the first hit; `kin first`: it or an edit of it; `spans`: its hit has
        both stretches within 0.5 s."""
        first, kin, spans, plain, seconds = [], [], [], [], []
        for data, truth in clips:
            started = time.perf_counter()
            hits = self.library.search(data, k=DEEP)
            seconds.append(time.perf_counter() - started)
            names = [Path(hit.asset.uri).name for hit in hits]
            first.append(names[0] == truth.name)
            kin.append(self.kin[names[0]] == self.kin[truth.name])
            own = hits[names.index(truth.name)]
            spans.append(right_spans(own, truth))
            if not (first[-1] and spans[-1]):
                print(f"  {words}: {truth}: {describe(hits[0])}; source: {describe(own)}", flush=True)
            ordered = self._by_means(self.looker.seen(findalike.Term(data)).vector)
            plain.append(ordered[0] == truth.name)
        return {
            "queries": len(first), "first": rate(first), "kin first": rate(kin), "spans": rate(spans),
            "seconds a query": float(np.mean(seconds)), "first, plain": rate(plain), "spans, plain": 0.0,
        }  # fmt: skip

    def moments(
        self, frames: list[tuple[Source, float, np.ndarray]], harmed: bool, words: str
    ) -> dict[str, float]:
        rng = random.Random(1)
        found, plain, source = [], [], []
        for film, at, pixels in track(frames, words):
            picture = harm(pixels, rng) if harmed else pixels
            hits = self.library.search(picture, k=DEEP)
            kin = self.kin[Path(hits[0].asset.uri).name] == self.kin[film.name]
            found.append(kin and near(hits[0].origin, at))
            own = [hit for hit in hits if Path(hit.asset.uri).name == film.name]
            source.append(bool(own) and near(own[0].origin, at))
            term = findalike.Term(picture)
            name, origin = self.frame_places[int(np.argmax(self.frames @ self.looker.seen(term).vector))]
            plain.append(self.kin[name] == self.kin[film.name] and near(origin, at))
            if not found[-1]:
                print(f"  {words}: {film.name} at {at:.2f}: {describe(hits[0])}", flush=True)
        return {
            "queries": len(found), "first hit": rate(found), "hit of the film itself": rate(source),
            "plain": rate(plain),
        }  # fmt: skip

    def _by_means(self, vector: np.ndarray) -> list[str]:
        return [self.mean_names[i] for i in np.argsort(-(self.means @ vector))]


def right_spans(hit: Hit, truth: Truth) -> bool:
    if hit.query_span is None or hit.origin.time is None or hit.origin.end is None:
        return False
    pairs = zip((hit.origin.time, hit.origin.end, *hit.query_span), (*truth.film, *truth.clip), strict=True)
    return all(abs(found - true) <= SLACK for found, true in pairs)


def near(origin: Origin, at: float) -> bool:
    """Whether a hit's stretch, or its time, is within a second of a time."""
    if origin.time is None:
        return False
    return origin.time - NEAR <= at <= (origin.time if origin.end is None else origin.end) + NEAR


def describe(hit: Hit) -> str:
    return f"{Path(hit.asset.uri).name} {hit.origin.time}-{hit.origin.end} {hit.query_span} {hit.score:.3f}"


def rate(several: Sequence[bool]) -> float:
    return round(float(np.mean(several)), 4)


# Films


def opened(path: Path) -> Source:
    with path.open("rb") as file:
        times = [frame.time for frame in Film(file).frames()]
    return Source(path, (len(times) - 1) / (times[-1] - times[0]), times)


def encoded(frames: Iterable[np.ndarray], times: Sequence[float], rate: float) -> bytes:
    """An mp4 of H.264 as x264 makes it by default; the sides are cut to even numbers."""
    data = io.BytesIO()
    several = iter(frames)
    first = next(several)
    height, width = (side // 2 * 2 for side in first.shape[:2])
    base = Fraction(1, 90_000)
    with av.open(data, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "23", "preset": "veryfast"}
        stream.codec_context.time_base = base
        for pixels, at in zip(chain([first], several), times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:height, :width]), format="rgb24")
            frame.pts, frame.time_base = round((at - times[0]) / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return data.getvalue()


def trims(sources: Sequence[Source], count: int, rng: random.Random) -> Iterator[tuple[bytes, Truth]]:
    for film in sources:
        spare = film.seconds - SECONDS
        for offset in [rng.uniform(0, spare) for _ in range(count)] if spare > 0.1 else [0.0]:
            times, frames = film.frames(offset, offset + SECONDS)
            span = times[0], times[-1] + 1 / film.rate
            yield encoded(frames, times, film.rate), Truth(film.name, span, (0.0, span[1] - span[0]))


def copies(sources: Sequence[Source]) -> Iterator[tuple[bytes, Truth]]:
    for number, film in enumerate(sources):
        times, frames = film.frames(0.0, LONGEST)
        end = times[-1] + 1 / film.rate
        truth = Truth(film.name, (0.0, end), (0.0, end))
        for edit in (grey, marked, barred, mirrored):
            yield encoded(map(edit, frames), times, film.rate), truth
        yield encoded(frames[::2], times[::2], film.rate / 2), truth
        others = [sources[(number + far) % len(sources)] for far in (5, 6)]
        yield within(film, times, frames, *others)


def within(
    film: Source, times: list[float], frames: list[np.ndarray], before: Source, after: Source
) -> tuple[bytes, Truth]:
    """A film between four seconds of two others, scaled to its size."""
    size = frames[0].shape[1], frames[0].shape[0]
    all_times, all_frames, starts, at = [], [], [], 0.0
    for source, shown in (
        (before, before.frames(0, 4)),
        (film, (times, frames)),
        (after, after.frames(0, 4)),
    ):
        starts.append(at)
        all_times += [at + each - shown[0][0] for each in shown[0]]
        all_frames += [np.asarray(Image.fromarray(each).resize(size)) for each in shown[1]]
        at = all_times[-1] + 1 / source.rate
    truth = Truth(film.name, (0.0, times[-1] + 1 / film.rate), (starts[1], starts[2]))
    return encoded(all_frames, all_times, film.rate), truth


def grey(frame: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(frame).convert("L").convert("RGB"))


def marked(frame: np.ndarray) -> np.ndarray:
    """With a white square over a fiftieth of it, at the upper right."""
    with_logo = frame.copy()
    side = int((frame.shape[0] * frame.shape[1] / 50) ** 0.5)
    with_logo[side // 2 : side // 2 * 3, -side // 2 * 3 : -side // 2] = 250
    return with_logo


def barred(frame: np.ndarray) -> np.ndarray:
    """With black bars above and below, each an eighth of its height."""
    return np.pad(frame, ((frame.shape[0] // 8, frame.shape[0] // 8), (0, 0), (0, 0)))


def mirrored(frame: np.ndarray) -> np.ndarray:
    return frame[:, ::-1]


# Frames


def picked(sources: Sequence[Source], count: int, how: str, rng: random.Random) -> Iterator[Asked]:
    every = [(film, i) for film in sources for i in range(len(film.times))]
    wanted: dict[Source, list[int]] = {}
    for _ in range(count):
        film, i = rng.choice(every)
        if how == "by film":
            film = rng.choice(sources)
            i = rng.randrange(len(film.times))
        wanted.setdefault(film, []).append(i)
    for film, several in wanted.items():
        with film.path.open("rb") as file:
            for i, frame in enumerate(Film(file).frames()):
                if i in several:
                    yield from [(film, frame.time, frame.pixels())] * several.count(i)


def harm(pixels: np.ndarray, rng: random.Random) -> bytes:
    image, file = Image.fromarray(pixels), io.BytesIO()
    width, height = round(image.width * CUT), round(image.height * CUT)
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    image.crop((left, top, left + width, top + height)).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


if __name__ == "__main__":
    main()
