"""`findalike index`."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

import findalike
from findalike import fleet, regions, settings, sources
from findalike.cli.main import DONE, SOME_FAILED
from findalike.cli.options import console, json_option, library_option, number, say
from findalike.decode.sampling import Sampling
from findalike.encode import catalog
from findalike.errors import LibraryLocked, LibraryMissing
from findalike.ingest import Progress as Tick
from findalike.ingest import Report, Watch
from findalike.library import Library
from findalike.present.caption import moment, printable

SHOWN_FAILURES = 20
_PHASES = {"listing": "Looking", "encoding": "Encoding", "measuring": "Measuring", "sweeping": "Sweeping"}


@click.command(
    epilog="""\b
Examples:
  findalike index ~/Pictures
  findalike index scans.zip holiday/ --library holiday.library
  findalike index --table products.csv --path-column photo
  findalike index ~/Pictures --regions objects
  findalike index ~/Pictures --faces
  findalike index ~/Films --frames 2/s
  findalike index s3://bucket/photos --workers ray://head:10001
  findalike index /mnt/archive --exclude "*.tif" --encoder efficientnet-lite2"""
)
@click.argument("paths", nargs=-1, metavar="PATH...")
@library_option
@click.option(
    "--table",
    metavar="FILE",
    help="A CSV or Parquet file with a column of paths; the others become metadata.",
)
@click.option(
    "--path-column", metavar="COL", help="The column of paths; found by its name when it is path, file, …"
)
@click.option(
    "--encoder",
    "-e",
    "encoders",
    multiple=True,
    metavar="NAME",
    help="See findalike encoders. May be repeated.",
)
@click.option("--precision", type=click.Choice(["int8", "float32"]), help="How the network is computed.")
@click.option(
    "--include", multiple=True, metavar="GLOB", help="Only files that match, such as '*.jpg' or '2019/**'."
)
@click.option("--exclude", multiple=True, metavar="GLOB", help="No files or folders that match.")
@click.option("--hidden", is_flag=True, help="Also hidden files and system folders.")
@click.option("--archives", is_flag=True, help="Also what is in the zip and tar archives of a folder.")
@click.option(
    "--regions", multiple=True, metavar="NAME",
    help="Parts of pictures get vectors of their own, so that small things are found; five to "
    "ten times the work. objects, grid, or onnx:FILE, a detector of yours. May be repeated.",
)  # fmt: skip
@click.option(
    "--faces", is_flag=True,
    help="Find faces, and those of the same persons; needs the extra findalike[faces]. Off unless asked for.",
)  # fmt: skip
@click.option(
    "--frames", metavar="WHICH",
    help="Of films: a rate such as 1/s (the default) or 5s, scene, or key. What looks the same is kept once.",
)  # fmt: skip
@click.option("--per-minute", type=click.IntRange(1), help="At most so many frames of a film a minute; 120.")
@click.option("--no-films", "films", flag_value=False, default=None, type=bool, help="Pass films over.")
@click.option("--sweep", is_flag=True, help="Forget what is gone even if a whole root is missing or empty.")
@click.option("--retry", is_flag=True, help="Also files that failed before and have not changed.")
@click.option("--wait", is_flag=True, help="Wait while another process writes to the library.")
@click.option(
    "--threads", type=click.IntRange(1), help="Threads that decode and encode; one for each core by default."
)
@click.option(
    "--workers", metavar="WHERE",
    help="Other processes encode, with the extra findalike[ray]: so many of this machine, or those of a Ray "
    "cluster: ray://HOST:10001, or auto on a machine of it. --threads is of each of them then; 1.",
)  # fmt: skip
@click.option("--no-optimize", is_flag=True, help="Leave the building of an index to findalike optimize.")
@json_option
def index(
    paths: tuple[str, ...], library: str | None, table: str | None, as_json: bool, wait: bool,
    threads: int | None, encoders: tuple[str, ...], no_optimize: bool, **options: Any,
) -> int:  # fmt: skip
    """Bring a library in step with folders, archives, files, or a table of files.

    New and changed pictures are encoded, moved ones keep their identity, those whose file is gone are
    forgotten. Run it again at any time: files that are unchanged are not read again.

    Without PATH, an --encoder that makes its vectors of those of another, such as file:head.onnx, is given
    those that the library has: no picture is read.
    """
    if not paths and table is None and not encoders:
        raise click.UsageError(
            "nothing to index: give the path of a folder, an archive, a picture or a table"
        )
    if options["workers"] is not None:
        fleet.checked(options["workers"])
    try:
        findalike.open(library, "r").close()
    except LibraryMissing:
        Sampling.parse(options["frames"] or settings.default().frames)
        finders = regions.listed(options["regions"])
        if not paths and table is None:
            raise
        _check(paths, table, options["path_column"], encoders, options["precision"], finders)
        if options["faces"]:
            catalog.load(catalog.find(catalog.FACES), settings.default())
    with findalike.open(library, threads=threads) as opened:

        def add(wait: float) -> Report:
            with progress_bar() as watch:
                return opened.add(*paths, table=table, encoder=encoders, wait=wait, watch=watch, **options)

        try:
            report = add(0)
        except LibraryLocked as error:
            if not wait:
                raise LibraryLocked(f"{error}, or add --wait") from None
            say(f"Waiting: {str(error).partition(';')[0]}.")
            report = add(-1)
        if as_json:
            click.echo(json.dumps(_record(report), ensure_ascii=False, indent=1))
        else:
            click.echo(_sentence(report, len(opened), opened.path))
        _list_failures(report)
        if report.unchanged and (options["frames"] or options["per_minute"]):
            say("Films that were there keep their frames; to read one anew, findalike remove FILM first.")
        if not no_optimize and opened.due():
            _optimize(opened)
    return SOME_FAILED if report.failures else DONE


def _check(
    paths: Sequence[str], table: str | None, path_column: str | None, encoders: Sequence[str],
    precision: str | None, finders: Sequence[str],
) -> None:  # fmt: skip
    """Refuse what cannot be indexed before a library is made for it."""
    for path in paths:
        sources.discover(path)
    if table is not None:
        sources.discover_table(table, path_column)
    for name in encoders or [settings.default().encoder]:
        catalog.find(name, precision)
    for name in finders:
        regions.load(name, settings.default())


def _optimize(library: Library) -> None:
    try:
        library.optimize(say)
    except LibraryLocked:
        say("Another process writes to the library now; findalike optimize builds the index that is due.")


def _sentence(report: Report, size: int, path: str) -> str:
    changes = {
        "added": report.added,
        "changed": report.updated,
        "newly encoded": report.encoded,
        "moved": report.moved,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "failed": len(report.failures),
    }
    said = ", ".join(f"{count:,} {word}" for word, count in changes.items() if count) or "no pictures found"
    others = f" ({number(report.skipped, 'other file')} passed over)" if report.skipped else ""
    done = report.added + report.updated + report.encoded
    rate = f", {done / report.seconds:,.0f} pictures/s" if done and report.seconds > 0 else ""
    return f"{said}{others} in {report.seconds:.1f} s{rate}\n{path} holds {number(size, 'picture')}."


def _list_failures(report: Report) -> None:
    for failure in report.failures[:SHOWN_FAILURES]:
        say(f"  {printable(failure.uri)}: {printable(failure.error)}")
    more = len(report.failures) - SHOWN_FAILURES
    if more > 0:
        say(f"  and {more:,} more: findalike info --failures")
    if report.failures:
        say("What failed is looked into again when the file changes, or with --retry.")


def _record(report: Report) -> dict[str, Any]:
    values = dataclasses.asdict(report)
    values["failures"] = [{"uri": f.uri, "stage": f.stage, "error": f.error} for f in report.failures]
    return values


def _described(tick: Tick) -> str:
    """What is done now; of a film, how far it is: `harbour.mp4 1:02:30 of 2:00:00`."""
    if not tick.film:
        return _PHASES[tick.phase]
    name = escape(printable(tick.film.replace("\\", "/").rpartition("/")[2]))
    return f"{name} {moment(tick.seconds)}" + (f" of {moment(tick.of)}" if tick.of else "")


class _Bar:
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("[red]{task.fields[failed]}"),
            console=console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(_PHASES["listing"], total=None, rate="", failed="")
        self._phase, self._first = "listing", 0
        self._bar.start()

    def __call__(self, tick: Tick) -> None:
        if tick.phase != self._phase:
            self._phase, self._first = tick.phase, tick.done
            self._bar.reset(self._task, description=_PHASES[tick.phase], total=tick.total or None)
        seconds = self._bar.tasks[0].elapsed or 0.0
        rate = f"{(tick.done - self._first) / seconds:,.0f}/s" if tick.phase == "encoding" and seconds else ""
        failed = f"{tick.failed:,} failed" if tick.failed else ""
        part = tick.seconds / tick.of if tick.of else 0.0
        self._bar.update(
            self._task, description=_described(tick), completed=tick.done + min(part, 0.99), rate=rate,
            failed=failed,
        )  # fmt: skip

    def close(self) -> None:
        self._bar.stop()


@contextmanager
def progress_bar() -> Iterator[Watch]:
    bar = _Bar()
    try:
        yield bar
    finally:
        bar.close()
