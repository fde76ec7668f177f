"""`findalike attributes`: what a column says of labelled pictures, learned and told of the others."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import findalike
from findalike.attributes import (
    FOLDS,
    METHODS,
    Applied,
    AttributeInfo,
    Learned,
    Method,
    Watch,
    confidence_column,
    lines,
)
from findalike.cli.figures import print_table
from findalike.cli.options import ListFirst, console, json_option, library_option, number, say
from findalike.errors import UsageError
from findalike.evaluate.report import Table
from findalike.filters import IsNull, Not
from findalike.present import confusion, output
from findalike.present.bars import Bar, bars
from findalike.present.bars import lines as bar_lines
from findalike.present.caption import printable
from findalike.query import parse_filter

_PHASES = {"reading": "Reading", "learning": "Learning", "applying": "Applying", "writing": "Writing"}
_SAID = {"probe": "learned from labels", "words": "told by words", "colours": "the colour seen most"}
SHOWN = 30
"""Values in a table for people; --json has all."""


@click.group(
    cls=ListFirst,
    epilog="""\b
Examples:
  findalike attributes learn --column color --column model --picture confusion.png
  findalike attributes apply --min-confidence 0.7
  findalike search --where "color = 'red' AND color_confidence >= 0.8"
  findalike attributes learn --column season --values summer,winter --prompt "a photo taken in {}"
  findalike attributes forget color""",
)
def attributes() -> None:
    """Learn what a column says from labelled pictures, and tell it of all others. Without a command: list.

    A value that was predicted stands in the column itself, and its confidence, 0 to 1, beside it in
    COLUMN_confidence. A value without a confidence is a person's: it is learned from, and never written over.
    """


@attributes.command()
@click.option("--column", "-c", "columns", multiple=True, required=True, metavar="NAME",
              help="What to learn. May be repeated.")  # fmt: skip
@library_option
@click.option("--folds", type=click.IntRange(2), default=FOLDS, show_default=True,
              help="Parts of the labelled pictures, each told by what the others taught.")  # fmt: skip
@click.option("--encoder", "-e", multiple=True, metavar="NAME",
              help="Only these vectors; else the best of all that the library has. Repeatable.")  # fmt: skip
@click.option("--where", metavar="EXPR", help="Learn from labelled pictures that pass.")
@click.option("--fold-case", is_flag=True, help="Red, red and RED are one value.")
@click.option("--values", metavar="A,B,…", help="Values to tell by words, without a label.")
@click.option("--values-file", metavar="FILE", help="The same as a text file: value, or value: text, text.")
@click.option("--prompt", multiple=True, metavar="TEXT",
              help='What to compare pictures with: "a {} car". May be repeated.')  # fmt: skip
@click.option("--adopt", is_flag=True, help="Values that have a confidence were predicted elsewhere.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the folds.")
@click.option("--picture", metavar="FILE", help="Draw what was taken for what: .png, .jpg or .webp.")
@json_option
def learn(
    columns: tuple[str, ...], library: str | None, values: str | None, values_file: str | None,
    picture: str | None, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Learn columns from the pictures that have a value, and say how well the others would be told.

    Nothing is written to pictures: findalike attributes apply does that. No file is read either: it goes by
    the vectors that the library has, and which of its spaces serve is chosen by cross-validation. Accuracy is
    that on labelled pictures that were left out of learning. Three methods are compared where they can be:
    the probe that was learned from labels, words, and for values that are colours the colour seen most.
    """
    if values is not None and values_file is not None:
        raise click.UsageError("give --values or --values-file, not both")
    if picture is not None:
        confusion.check(picture)
    wanted = values_file if values is None else [each.strip() for each in values.split(",")]
    options["prompt"] = options["prompt"] or None
    findalike.open(library, "r").close()  # never makes a library
    with findalike.open(library) as opened:
        found = []
        for column in dict.fromkeys(columns):
            with _progress() as watch:
                found.append(opened.learn_attribute(column, values=wanted, watch=watch, **options))
            _show(found[-1], not as_json)  # before another column may be refused
    if as_json:
        click.echo(json.dumps([_record(each) for each in found], ensure_ascii=False, indent=1))
    if picture is not None:
        confusion.write([_confusion(each.info) for each in found if each.info.accuracy is not None], picture)
        say(f"Wrote {picture}")


@attributes.command()
@click.option("--column", "-c", "columns", multiple=True, metavar="NAME",
              help="Only these; else all that were learned. May be repeated.")  # fmt: skip
@library_option
@click.option("--min-confidence", type=click.FloatRange(0, 1), help="Give no value that is less sure.")
@click.option("--where", metavar="EXPR", help="Only pictures whose metadata passes.")
@click.option("--method", type=click.Choice(METHODS), help="Not the best one, but this.")
@json_option
def apply(
    columns: tuple[str, ...], library: str | None, min_confidence: float | None, where: str | None,
    method: Method | None, as_json: bool,
) -> None:  # fmt: skip
    """Give every picture without a value of a person's own the likeliest one, and its confidence.

    What is so already is not written again, so that it may be run as often as one likes; without an option
    it does as the last time. To new pictures findalike index applies by itself what was applied before.
    """
    findalike.open(library, "r").close()  # never makes a library
    with findalike.open(library) as opened, _progress() as watch:
        done = opened.apply_attributes(list(columns) or None, min_confidence, where, method, watch=watch)
        guessed = {i.column for i in opened.attributes() if not i.labelled}
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(each) for each in done], ensure_ascii=False, indent=1))
    for each in done:
        _show_applied(each, as_json, each.column in guessed)


@attributes.command("list")
@library_option
@json_option
def list_(library: str | None, as_json: bool) -> None:
    """List what was learned, how well it is told, and of how many pictures."""
    with findalike.open(library, "r") as opened:
        found = opened.attributes()
        columns = opened.store.columns()
        told = {
            info.column: opened.store.count(Not(IsNull(confidence_column(info.column))))
            for info in found
            if confidence_column(info.column) in columns
        }
    if as_json:
        records = [{**_info(info), "predicted": told.get(info.column, 0)} for info in found]
        click.echo(json.dumps(records, ensure_ascii=False, indent=1))
    elif found:
        print_table(_listing(found, told), True)
    if not found:
        say("Nothing was learned yet. To learn a column: findalike attributes learn --column NAME")


@attributes.command()
@click.argument("column", metavar="COLUMN")
@library_option
@json_option
def forget(column: str, library: str | None, as_json: bool) -> None:
    """Take away what was learned of COLUMN and every value that was predicted; never a person's."""
    findalike.open(library, "r").close()  # never makes a library
    with findalike.open(library) as opened, _progress() as watch:
        pictures = opened.forget_attribute(column, watch=watch)
    if as_json:
        click.echo(json.dumps({"column": column, "pictures": pictures}, ensure_ascii=False, indent=1))
    else:
        click.echo(f"Forgot {printable(column)}, and its predictions of {number(pictures, 'picture')}.")


@attributes.command()
@click.option("--column", "-c", "columns", multiple=True, metavar="NAME",
              help="Only these; else all that were learned. May be repeated.")  # fmt: skip
@library_option
@click.option("--where", metavar="EXPR", help="Only pictures whose metadata passes.")
@click.option("--out", metavar="FILE", help="Where to; else stdout.")
def export(columns: tuple[str, ...], library: str | None, where: str | None, out: str | None) -> None:
    """Write values and confidences as CSV: path, id, each column's value, confidence, and by whom."""
    if out is not None:
        output.check(out)
    with findalike.open(library, "r") as opened:
        known = opened.store.columns()
        passes = parse_filter(where, known) if where else None
        chosen = list(columns) or [info.column for info in opened.attributes()]
        if unknown := [name for name in chosen if name not in known]:
            raise UsageError(f"the library has no column {unknown[0]!r}; it has {', '.join(known)}")
        table = lines(opened.store, chosen, passes)
        if out is None:
            for line in table:
                click.echo(line, nl=False)
        else:
            output.write(out, "".join(table).encode("utf-8", "replace"))
            say(f"Wrote {out}")


def _show(found: Learned, to_stdout: bool) -> None:
    """The methods, and the values by each of them; on stderr where stdout is for JSON."""
    info = found.info
    _print(_methods(info), to_stdout)
    if info.accuracy is not None:
        _print(_values(info), to_stdout)
    for note in found.notes:
        say(f"Note: {printable(note)}")
    used = f"{info.method} ({_SAID[info.method]})"
    say(f"To give the other pictures a value, by {used}: findalike attributes apply --column "
        f"{printable(info.column)}")  # fmt: skip


def _print(table: Table, to_stdout: bool) -> None:
    """A table, and what it is of also where no terminal shows that."""
    if to_stdout and not sys.stdout.isatty():
        click.echo(printable(table.title))
    print_table(table, to_stdout)


def _methods(info: AttributeInfo) -> Table:
    """One row for each method, the one in use marked."""
    rows = []
    for score in info.scores:
        spread = _spread(score.by_fold)
        rows.append((
            f"{score.method} ←" if score.method == info.method else score.method,
            _part(score.accuracy),
            f"{sum(map(sum, score.confusion)):,}",
            "–" if spread is None else f"±{spread:.3f}",
            _part(score.confidence if score.accuracy is not None else None),
            _part(score.calibration_error),
            ", ".join(score.spaces),
        ))  # fmt: skip
    told = f"{number(info.labelled, 'labelled picture')}, {info.folds} folds" if info.labelled else "no label"
    head = ("method", "accuracy", "of", "folds", "confidence", "off by", "looks at")
    return Table(f"{info.column}: {number(len(info.values), 'value')}, {told}", head, tuple(rows))


def _values(info: AttributeInfo) -> Table:
    """How each value is told, the most frequent first, and what it is mostly taken for instead."""
    order = sorted(range(len(info.values)), key=lambda n: -info.counts[n])[:SHOWN]
    rows = [
        (
            str(info.values[n]),
            f"{info.counts[n]:,}",
            *(_part(score.by_value[n]) for score in info.scores),
            _taken_for(info, n),
        )
        for n in order
    ]
    head = ("value", "pictures", *(score.method for score in info.scores), "taken for")
    more = len(info.values) - len(order)
    beyond = f"; {more:,} values more in --json" if more else ""
    return Table(f"{info.column}, of which told right{beyond}", head, tuple(rows))


def _taken_for(info: AttributeInfo, n: int) -> str:
    others = [(count, j) for j, count in enumerate(info.score.confusion[n]) if j != n and count]
    count, place = max(others, default=(0, 0))
    return f"{info.values[place]} ({count:,})" if count else ""


def _listing(found: Sequence[AttributeInfo], told: dict[str, int]) -> Table:
    rows = [
        (
            info.column,
            f"{len(info.values):,}",
            f"{info.labelled:,}",
            f"{told.get(info.column, 0):,}",
            info.method,
            _part(info.accuracy),
            info.learned.astimezone().strftime("%Y-%m-%d %H:%M"),
        )
        for info in found
    ]
    head = ("attribute", "values", "labelled", "predicted", "method", "accuracy", "learned")
    return Table("", head, tuple(rows))


def _show_applied(done: Applied, as_json: bool, guessed: bool) -> None:
    """What was predicted, and how to find it: by confidence only where labels say what that is worth."""
    if not as_json:
        top = max(done.counts.values(), default=1)
        found = [Bar((done.column, str(v)), n / top, f"{n:,}") for v, n in done.counts.items()]
        if sys.stdout.isatty() and found:
            out = console()
            out.print(bars(found[:SHOWN], out))
        else:
            click.echo(bar_lines(found), nl=False)
    said = [f"{number(done.predicted, 'picture')} predicted by {done.method}, {done.written:,} changed"]
    said += [f"{done.own:,} with a person's value left as they are"] if done.own else []
    said += [f"{done.unsure:,} too unsure"] if done.unsure else []
    said += [f"{done.unseen:,} without vectors"] if done.unseen else []
    name = printable(done.column)
    sure = "" if guessed else f" AND {name}_confidence >= 0.8"
    say(f"{name}: {'; '.join(said)}. To find them: findalike search --where \"{name} = '…'{sure}\"")


def _record(found: Learned) -> dict[str, Any]:
    return {**_info(found.info), "notes": list(found.notes), "seconds": dict(found.seconds)}


def _info(info: AttributeInfo) -> dict[str, Any]:
    record = dataclasses.asdict(info)
    return {**record, "learned": cast(datetime, record["learned"]).isoformat(), "accuracy": info.accuracy}


def _confusion(info: AttributeInfo) -> confusion.Confusion:
    title = f"{info.column}: {info.accuracy:.1%} of {number(info.labelled, 'picture')} told right"
    return confusion.Confusion(title, tuple(map(str, info.values)), info.score.confusion)


def _spread(shares: Sequence[float]) -> float | None:
    """The standard deviation over folds."""
    if len(shares) < 2:
        return None
    mean = sum(shares) / len(shares)
    return float((sum((each - mean) ** 2 for each in shares) / (len(shares) - 1)) ** 0.5)


def _part(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


@contextmanager
def _progress() -> Iterator[Watch]:
    """A bar on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console(True), transient=True, disable=not sys.stderr.isatty())
    task = bar.add_task(_PHASES["reading"], total=None)
    with bar:
        yield lambda phase, done, total: bar.update(
            task, description=_PHASES[phase], completed=done, total=total or None
        )
