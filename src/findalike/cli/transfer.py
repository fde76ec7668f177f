"""`findalike copy`, `export` and `import`: libraries that move."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from findalike import transfer
from findalike.cli.figures import print_table
from findalike.cli.main import DONE, FAILED
from findalike.cli.options import console, json_option, library_option, number, say
from findalike.errors import UsageError
from findalike.evaluate.report import Table
from findalike.library import IN_MEMORY
from findalike.transfer import Copied, Watch, proof

_PHASES = {"copying": "Copying", "optimizing": "Optimizing", "proving": "Comparing"}

check_option = click.option("--check", is_flag=True, help="Copy nothing; only prove that both hold the same.")
wait_option = click.option("--wait", is_flag=True, help="Wait while another process writes to a library.")


@click.command(
    epilog="""\b
Examples:
  findalike copy ~/holiday.library /media/backup/holiday.library
  findalike copy ~/holiday.library milvus://127.0.0.1:19530/holiday
  findalike copy --check ~/holiday.library milvus://127.0.0.1:19530/holiday"""
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@check_option
@click.option(
    "--queries", type=click.IntRange(0), default=proof.QUERIES, show_default=True,
    help="So many vectors of each space are searched with on both sides; 0 asks nothing.",
)  # fmt: skip
@wait_option
@json_option
def copy(source: str, target: str, check: bool, queries: int, wait: bool, as_json: bool) -> int:
    """Copy all of a library to another place, and prove that both hold the same.

    FROM and TO are folders or addresses (milvus://host:port/name, s3://bucket/prefix). Vectors, thumbnails,
    tags, persons and all else are copied as they are: nothing is encoded again, no picture is read. A copy
    that was stopped goes on with the same command; until it is whole, nothing else opens the new library.
    Exits with 1 when both do not hold the same, or do not answer alike.
    """
    if IN_MEMORY in (source, target):
        raise UsageError(f"{IN_MEMORY} is gone when the command ends; name a folder or an address")
    with _progress() as watch:
        done = transfer.copy(source, target, check, queries, _seconds(wait), watch)
    return _report(done, as_json)


@click.command(
    epilog="""\b
Examples:
  findalike export ~/holiday.export
  findalike export ~/holiday.export --library milvus://127.0.0.1:19530/holiday
  findalike export --check ~/holiday.export"""
)
@click.argument("folder")
@library_option
@check_option
@wait_option
@json_option
def export(folder: str, library: str | None, check: bool, wait: bool, as_json: bool) -> int:
    """Write all of a library into a new folder as Parquet files, which pyarrow, pandas, polars and DuckDB
    read without findalike.

    An export that was stopped goes on with the same command. It ends with a proof that the files hold what
    the library does.
    """
    with _progress() as watch:
        done = transfer.export(library, folder, check, _seconds(wait), watch)
    return _report(done, as_json)


@click.command(
    "import",
    epilog="""\b
Examples:
  findalike import ~/holiday.export --library ~/holiday.library
  findalike import ~/holiday.export --library milvus://127.0.0.1:19530/holiday""",
)
@click.argument("folder")
@library_option
@check_option
@wait_option
@json_option
def import_(folder: str, library: str | None, check: bool, wait: bool, as_json: bool) -> int:
    """Fill a new library from a folder that findalike export wrote.

    Every file is held against the manifest before anything is written. An import that was stopped goes on
    with the same command, and ends with a proof that the library holds what the files do.
    """
    with _progress() as watch:
        done = transfer.import_(folder, library, check, _seconds(wait), watch)
    return _report(done, as_json)


def _seconds(wait: bool) -> float:
    return -1 if wait else 0


def _report(done: Copied, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps(record(done), ensure_ascii=False, indent=1))
    else:
        print_table(_table(done), to_stdout=True)
    if done.written or done.kept:
        pictures, rows = number(done.written, "picture"), number(done.rows, "row")
        say(f"Copied {pictures} with {rows} of vectors in {done.seconds:,.1f} s; {done.kept:,} were there.")
    if done.proof.holds:
        say(f"{done.target} holds the same as {done.source}.")
        return DONE
    say(f"Not the same: {', '.join(done.proof.differing)}.")
    return FAILED


def record(done: Copied) -> dict[str, Any]:
    """What JSON says of a copy."""
    parts = [{**dataclasses.asdict(part), "equal": part.equal} for part in done.proof.parts]
    answers = [{**dataclasses.asdict(each), "equal": each.equal} for each in done.proof.answers]
    facts = {name: getattr(done, name) for name in ("source", "target", "written", "kept", "rows", "seconds")}
    return {**facts, "equal": done.proof.holds, "parts": parts, "answers": answers}


def _table(done: Copied) -> Table:
    rows = [
        (part.name, f"{part.source.number:,}", f"{part.target.number:,}", _verdict(part.equal))
        for part in done.proof.parts
    ]
    rows += [
        (f"answers in {each.space}", f"{each.queries:,}", f"{each.overlap:.4f}", _verdict(each.equal))
        for each in done.proof.answers
    ]
    return Table("", ("", "source", "target", "equal"), tuple(rows))


def _verdict(equal: bool) -> str:
    return "yes" if equal else "NO"


@contextmanager
def _progress() -> Iterator[Watch]:
    """A bar on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console(True), transient=True, disable=not sys.stderr.isatty())
    task = bar.add_task(_PHASES["copying"], total=None)
    with bar:
        yield lambda phase, done, total: bar.update(
            task, description=_PHASES[phase], completed=done, total=total or None
        )
