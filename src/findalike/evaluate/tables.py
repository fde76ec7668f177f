"""Tables that say what is true: CSV (separated by comma, semicolon or tab) or JSON, as rows of texts."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from findalike.errors import UsageError
from findalike.sources.table import PATH_COLUMNS

_SEPARATORS = ",;\t"


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` have a text for each of `columns`, and the line or place that each stood at."""

    path: str
    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]

    @property
    def folder(self) -> str:
        """The folder that relative paths in it begin from."""
        return str(Path(self.path).absolute().parent)

    def column(self, name: str) -> str:
        """The column of that name. Raises UsageError naming those there are."""
        if name not in self.columns:
            raise UsageError(f"{self.path}: has no column {name!r}; there are {', '.join(self.columns)}")
        return name

    def path_column(self) -> str:
        """The column of paths: the first of `PATH_COLUMNS`, else the first of all."""
        lower = {column.lower(): column for column in reversed(self.columns)}
        return next((lower[name] for name in PATH_COLUMNS if name in lower), self.columns[0])

    def either(self, wanted: Sequence[str], place: int) -> str:
        """The column of one of these names, else the one at a place. Raises UsageError where there is
        none."""
        for name in wanted:
            if name in self.columns:
                return name
        if place >= len(self.columns):
            raise UsageError(
                f"{self.path}: has the columns {', '.join(self.columns)}; one named {wanted[0]!r} is missing"
            )
        return self.columns[place]


def read(path: str | os.PathLike[str]) -> Table:
    """The rows of a file whose name ends in .json, or of a CSV with a line of column names. Raises
    UsageError."""
    name = os.fspath(path)
    try:
        text = Path(os.path.expanduser(name)).read_text("utf-8-sig")  # noqa: PTH111
    except FileNotFoundError as error:
        raise UsageError(f"{name}: nothing is there; give the path of a CSV or JSON file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: cannot be read as UTF-8 text: {error}; give a CSV or JSON file") from error
    if not text.strip():
        raise UsageError(
            f"{name}: is empty; it must name its columns and have a row for each picture or pair"
        )
    found = _json(name, text) if name.lower().endswith(".json") else _csv(name, text)
    if not found.rows:
        raise UsageError(f"{name}: has no rows below the names of its columns ({', '.join(found.columns)})")
    return found


def _csv(name: str, text: str) -> Table:
    first = text.lstrip().partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    columns: tuple[str, ...] = ()
    rows = []
    for cells in reader:
        if not columns:
            columns = tuple(cell.strip() for cell in cells)
            _check_columns(name, columns)
        elif any(cell.strip() for cell in cells):
            if len(cells) != len(columns):
                counted = f"line {reader.line_num} has {len(cells)} fields"
                raise UsageError(f"{name}: {counted}, and the first line names {len(columns)}")
            rows.append((reader.line_num, dict(zip(columns, map(str.strip, cells), strict=True))))
    return Table(name, columns, tuple(rows))


def _check_columns(name: str, columns: Sequence[str]) -> None:
    doubled = sorted({column for column in columns if columns.count(column) > 1})
    if doubled:
        raise UsageError(f"{name}: has two columns named {doubled[0]!r}; rename one of them")


def _json(name: str, text: str) -> Table:
    """A list of objects; or an object of queries, each with a list of relevant pictures or their grades."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{name}: is no JSON: {error}") from error
    objects = list(_objects(name, content))
    columns = tuple(dict.fromkeys(column for each in objects for column in each))
    rows = [{column: _text(each.get(column)) for column in columns} for each in objects]
    return Table(name, columns, tuple(enumerate(rows, 1)))


def _objects(name: str, content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, dict):
        content = [{"query": query, "relevant": relevant} for query, relevant in content.items()]
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise UsageError(f"{name}: must be a list of objects, or an object of queries and what is relevant")
    for each in content:
        relevant = each.get("relevant")
        if isinstance(relevant, dict):
            several = [{**each, "relevant": path, "grade": grade} for path, grade in relevant.items()]
            yield from several or [{**each, "relevant": None}]
        elif isinstance(relevant, list):
            yield from ({**each, "relevant": path} for path in relevant or [None])
        else:
            yield each


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
