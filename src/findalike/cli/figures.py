"""Tables of figures for a terminal and for pipes, and JSON for files."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import Any

import click
from rich import box
from rich.table import Table as Grid
from rich.text import Text

from findalike.cli.options import console
from findalike.evaluate.report import BESIDE, Table
from findalike.present import output
from findalike.present.caption import printable

GAP = 3
DISPENSABLE = ("R@10", "R-prec", "compare ms", "nDCG@10", "MRR", "bytes", "P@10")
"""Columns that a narrow terminal does without, the first first."""


def print_table(table: Table, to_stdout: bool) -> None:
    """On a terminal as a table, elsewhere in lines; on stderr where stdout is for JSON."""
    if (sys.stdout if to_stdout else sys.stderr).isatty():
        out = console(stderr=not to_stdout)
        fitting = _fitting(table, out.width)
        out.print(_grid(fitting))
        if missing := [name for name in table.head if name not in fitting.head]:
            out.print(Text(f"No room for {printable(', '.join(missing))}."), style="dim")
    elif to_stdout:
        click.echo(_tabbed(table))


def _fitting(table: Table, width: int) -> Table:
    """The table without columns that a narrow terminal has no room for; files have them all."""
    for name in (*DISPENSABLE, *(name for name in reversed(table.head) if name.startswith(BESIDE))):
        natural = (max(map(len, column)) for column in zip(table.head, *table.rows, strict=True))
        if sum(natural) + GAP * len(table.head) <= width or name not in table.head:
            continue
        place = table.head.index(name)
        head, *rows = [(*line[:place], *line[place + 1 :]) for line in (table.head, *table.rows)]
        table = Table(table.title, head, tuple(rows))
    return table


def _grid(table: Table) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, title=Text(printable(table.title)) if table.title else None,
                title_justify="left", title_style="bold", pad_edge=False)  # fmt: skip
    for place, name in enumerate(table.head):
        grid.add_column(
            Text(printable(name)), justify="right" if place else "left", no_wrap=not place, overflow="fold"
        )
    for row in table.rows:
        grid.add_row(*[Text(printable(cell)) for cell in row])
    return grid


def _tabbed(table: Table) -> str:
    return "\n".join("\t".join(map(printable, line)) for line in (table.head, *table.rows))


def write_json(record: dict[str, Any], to: str | None) -> None:
    written = json.dumps(_finite(record), ensure_ascii=False, indent=1) + "\n"
    if to == "-":
        click.echo(written, nl=False)
    elif to:
        output.write(to, written.encode("utf-8", "replace"))


def _finite(value: Any) -> Any:
    """The same with None for what is not a number, which JSON has no word for."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
