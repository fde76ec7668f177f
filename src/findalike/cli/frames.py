"""`findalike frames`."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click
from PIL import Image
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from findalike import decode, plugins, settings, sources
from findalike import uri as uris
from findalike.cli.main import DONE, SOME_FAILED
from findalike.cli.options import console, json_option, number, say
from findalike.decode import animation, sampling
from findalike.errors import ReadError, UsageError
from findalike.present.caption import moment, printable

QUALITY = 92
_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(ms|s|min|m|h|)")
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d\d(?:\.\d+)?)")
_WRITTEN = re.compile(r"-\d\d-\d\d-\d\d\.\d{3}\.(jpg|png)$")


class Seconds(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases alone
    """`5s`, `0.5`, `500ms`, `2min`, `1h`, `1:30` or `0:01:30.5`."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        if found := _LENGTH.fullmatch(value):
            return float(found[1]) * _UNITS[found[2]]
        if found := _CLOCK.fullmatch(value):
            return int(found[1] or 0) * 3600 + int(found[2]) * 60 + float(found[3])
        return self.fail(f"{value!r} is no time; write 5s, 500ms, 2min or 0:01:30", param, context)


@click.command(
    epilog="""\b
Examples:
  findalike frames film.mp4 --every 5s stills/
  findalike frames film.mp4 --scenes --format png stills/
  findalike frames film.mp4 --every 200ms --from 1:02:00 --to 1:02:10 stills/"""
)
@click.argument("film")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--every", type=Seconds(), metavar="TIME", help="What is shown at every so many seconds; 5s.")
@click.option("--key", is_flag=True, help="The key frames, which is quickest.")
@click.option("--scenes", is_flag=True, help="The first frame of each scene.")
@click.option("--from", "start", type=Seconds(), default="0", metavar="TIME", help="Begin there.")
@click.option("--to", "end", type=Seconds(), metavar="TIME", help="End there.")
@click.option("--format", "kind", type=click.Choice(["jpg", "png"]), default="jpg", show_default=True)
@click.option("--force", is_flag=True, help="Write over frames of this film that are there.")
@json_option
def frames(
    film: str, out: Path, every: float | None, key: bool, scenes: bool, start: float, end: float | None,
    kind: str, force: bool, as_json: bool,
) -> int:  # fmt: skip
    """Write frames of a film as pictures, upright and in full size.

    Each is named after the film and its time, such as film-00-01-05.000.jpg.
    """
    if (every is not None) + key + scenes > 1:
        raise click.UsageError("give one of --every, --key and --scenes")
    if every == 0:
        raise click.UsageError("--every 0 is no time; write 5s or 200ms")
    if end is not None and end <= start:
        raise click.UsageError("--to is not after --from, so there is nothing between them")
    stem = Path(film).stem
    with _opened(film) as opened:
        _check(out, stem, force)
        chosen = _chosen(opened, every or 5.0, key, scenes, start, end)
        try:
            written = _written(chosen, out, stem, kind, _until(opened, end))
        except ReadError as error:
            raise ReadError(f"{film}: {error}") from error
    if as_json:
        click.echo(
            json.dumps([{"path": str(p), "time": t} for p, t in written], ensure_ascii=False, indent=1)
        )
    else:
        click.echo(f"{number(len(written), 'frame')} in {printable(str(out))}")
    if opened.problem:
        say(f"{printable(film)}: {printable(opened.problem)}")
    return SOME_FAILED if opened.problem else DONE


@contextmanager
def _opened(film: str) -> Iterator[Any]:
    """The film, or the animation. Raises UsageError when nothing is there, ReadError naming the file."""
    path = os.path.expanduser(film)  # noqa: PTH111
    if "://" not in path and not os.path.lexists(uris.to_path(uris.split(uris.from_path(path))[0])):
        raise UsageError(f"{film}: nothing is there; give the path of a film")
    try:
        with sources.open_asset(path if "://" in path else uris.from_path(path)) as file:
            yield _film(file)
    except ReadError as error:
        raise ReadError(f"{film}: {error}") from error


def _film(file: BinaryIO) -> Any:
    head = file.read(decode.HEAD_BYTES)
    media, budget = decode.sniff(head), settings.default().pixel_budget
    if media:
        return animation.Animation(head + file.read(), media, budget)
    return plugins.on_use("findalike.decode.film", "av").Film(file, budget)


def _check(out: Path, stem: str, force: bool) -> None:
    """Make the folder. Raises UsageError when frames of the film are in it."""
    out.mkdir(parents=True, exist_ok=True)
    there = sorted(p for p in out.iterdir() if p.name.startswith(stem) and _is_frame(p.name, stem))
    if there and not force:
        raise UsageError(
            f"{there[0]}: is there already; give another folder, or add --force to write over it"
        )


def _is_frame(name: str, stem: str) -> bool:
    return _WRITTEN.fullmatch(name[len(stem) :]) is not None


def _chosen(
    film: Any, every: float, key: bool, scenes: bool, start: float, end: float | None
) -> Iterator[Any]:
    if scenes:
        each = sampling.sample(film.frames(start, end), sampling.Sampling("scene", 0.0))
        return (sampled.frame for sampled in each)
    if key:
        return (frame for frame in film.frames(start, end, keys=True) if frame.time >= start)
    return shown_every(film.frames(start, end), every, start)


def shown_every(frames: Iterable[Any], gap: float, start: float = 0.0) -> Iterator[Any]:
    """Those that are shown at `start` and every `gap` seconds after; what is shown for long comes once."""
    wanted = 0
    for frame in frames:
        if frame.end > start + wanted * gap + 1e-6:
            yield frame
            wanted = math.floor((frame.end - start - 1e-6) / gap) + 1


def _until(film: Any, end: float | None) -> float | None:
    return end if end is not None else film.facts.duration if hasattr(film, "facts") else None


def _written(
    chosen: Iterator[Any], out: Path, stem: str, kind: str, until: float | None
) -> list[tuple[Path, float]]:
    written = []
    with _bar(until) as show:
        for frame in chosen:
            path = out / f"{stem}-{stamp(frame.time)}.{kind}"
            Image.fromarray(frame.pixels()).save(path, quality=QUALITY)
            written.append((path, round(frame.time, 3)))
            show(frame.time)
    return written


def stamp(seconds: float) -> str:
    """`00-01-05.000`: hours, minutes, seconds, so that names sort by time."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02}-{minutes % 60:02}-{rest // 1000:02}.{rest % 1000:03}"


@contextmanager
def _bar(until: float | None) -> Iterator[Any]:
    """A bar on a terminal, nothing elsewhere; it moves with the time of the film."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console(True), transient=True, disable=not sys.stderr.isatty())
    task = bar.add_task("0:00", total=until)

    def show(time: float) -> None:
        of = f" of {moment(until)}" if until else ""
        bar.update(task, completed=time, description=f"{moment(time)}{of}")

    with bar:
        yield show
