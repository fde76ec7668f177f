"""A table of paths and metadata: CSV or Parquet, told apart by the first bytes.

Types in a CSV are found by Arrow over the whole column, with three differences. Only an empty field is
missing ("NA" is a text). A column with leading zeros (007) or with more digits than a float holds stays
text, since such numbers are names. The path column is always text.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from findalike import addresses, plugins
from findalike import uri as uris
from findalike.errors import ReadError, UsageError
from findalike.sources import archive
from findalike.sources.base import GROUP, Options, asset, failure, modified, reason
from findalike.types import Asset, Failure, Value

PATH_COLUMNS = ("path", "file", "filename", "image", "picture", "uri")

_log = logging.getLogger(__name__)
_LEADING_ZERO = r"^[+-]?0\d"
_MANY_DIGITS = r"^[+-]?\d{16,}$"
_BATCH = 4096


@dataclass(frozen=True, slots=True)
class _Rows:
    """A table, the number of each of its rows as a spreadsheet shows it, and the rows that are broken."""

    table: pa.Table
    numbers: list[int]
    broken: list[tuple[int, str]]


class Table:
    """The files that a table names, in its order, each with the other columns as metadata.

    A path may be absolute, relative to the table's folder, a member (`photos.zip!/cat.jpg`) or an object in a
    bucket (`s3://photos/cat.jpg`). When two
    rows name one file, the later counts, and one warning is logged. Patterns match the path as it is
    written; hidden files are listed, for the table names them.
    """

    def __init__(self, root: str, rows: _Rows, path_column: str, options: Options) -> None:
        self._root = root
        self._rows = rows
        self._path_column = path_column
        self._options = options
        self._name = Path(uris.to_path(root)).name
        self._folder = os.path.dirname(uris.to_path(root))  # noqa: PTH120

    @property
    def root(self) -> str:
        return self._root

    def covers(self, uri: str) -> bool:
        """Never: a file that is not in the table may still be wanted from elsewhere."""
        return False

    def __iter__(self) -> Iterator[Asset | Failure]:
        for number, problem in self._rows.broken:
            yield Failure(self._root, "list", f"row {number}: {problem}")
        paths = self._rows.table.column(self._path_column).to_pylist()
        found = [self._uri(path) for path in paths]
        last = {uri: index for index, uri in enumerate(found) if uri}
        self._warn_of_repeats(found, last)
        elsewhere = _elsewhere(last)
        for index, values in enumerate(_values(self._rows.table.drop_columns([self._path_column]))):
            uri, number = found[index], self._rows.numbers[index]
            if not uri:
                yield Failure(self._root, "list", f"row {number}: the column {self._path_column!r} is empty")
            elif last[uri] == index and self._options.wants(_slashed(paths[index])):
                yield self._listed(uri, number, values, elsewhere)

    def _uri(self, path: str | None) -> str:
        path = (path or "").strip()
        if not path or _scheme(path):
            return path
        local = os.path.join(self._folder, os.path.expanduser(path))  # noqa: PTH111, PTH118
        if "\\" in path and os.sep == "/" and not os.path.lexists(local):
            local = os.path.join(self._folder, _slashed(path))  # noqa: PTH118
        return uris.from_path(local)

    def _listed(
        self, uri: str, number: int, values: Mapping[str, Value], elsewhere: Mapping[str, Asset]
    ) -> Asset | Failure:
        try:
            if _scheme(uri) and uri not in elsewhere:
                raise FileNotFoundError
            return replace(elsewhere.get(uri) or _described(uri), metadata=values)
        except (ReadError, OSError, ValueError) as error:
            missing = isinstance(error, FileNotFoundError)
            problem = "nothing is there" if missing else failure(uri, error).error
            return Failure(uri, "list", f"row {number} of {self._name} names this file: {problem}")

    def _warn_of_repeats(self, found: list[str], last: Mapping[str, int]) -> None:
        repeats = [index for index, uri in enumerate(found) if uri and last[uri] != index]
        if repeats:
            first, later = (self._rows.numbers[i] for i in (repeats[0], last[found[repeats[0]]]))
            _log.warning("%s: %d rows name a file that a later row names again, and the later row counts; "
                         "the first are rows %d and %d", self._name, len(repeats), first, later)  # fmt: skip


def discover_table(
    path: str | os.PathLike[str], path_column: str | None = None, options: Options | None = None
) -> Table:
    """The source for a CSV (UTF-8, separated by comma, semicolon or tab) or a Parquet file.

    `path_column` names the column of paths; without it, the first of path, file, filename, image, picture
    and uri. All other columns become metadata: bool, int, float, str, date, datetime in UTC; a time of
    day, nested values (as JSON) and numbers too large for 64 bits as text; what is empty or not finite as
    None. Columns without a name and columns of bytes are left out. Raises UsageError.
    """
    name = os.fspath(path)
    local = os.path.expanduser(name)  # noqa: PTH111
    try:
        with open(local, "rb") as file:  # noqa: PTH123
            parquet = file.read(4) == b"PAR1"
        rows = _parquet(local) if parquet else _csv(local, path_column)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        problem = "nothing is there; give the path of a CSV or Parquet file" if missing else reason(error)
        raise UsageError(f"{name}: {problem}") from error
    except (pa.ArrowException, UnicodeDecodeError) as error:
        problem = f"cannot be read as a table: {_first_line(error)}; give a CSV or Parquet file"
        raise UsageError(f"{name}: {problem}") from error
    column = _checked(rows.table.schema, path_column, name)
    return Table(uris.from_path(local), rows, column, options or Options())


def _path_column(names: list[str], wanted: str | None) -> str | None:
    if wanted is not None:
        return wanted if wanted in names else None
    lower = {n.strip().lower(): n for n in reversed(names)}
    return next((lower[n] for n in PATH_COLUMNS if n in lower), None)


def _checked(schema: pa.Schema, wanted: str | None, name: str) -> str:
    """The path column. Raises UsageError when the table has none, or one that holds no text."""
    names = [n for n in schema.names if n]
    doubled = sorted({n for n in names if names.count(n) > 1})
    if doubled:
        raise UsageError(f"{name}: has two columns named {doubled[0]!r}; rename one of them")
    column = _path_column(names, wanted)
    if column is None:
        looked = f"no column {wanted!r}" if wanted else "no column of paths found"
        raise UsageError(f"{name}: {looked}; name one of these with --path-column: {', '.join(names)}")
    kind = schema.field(column).type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        problem = f"the column {column!r} holds {kind}, not the text of paths"
        raise UsageError(f"{name}: {problem}; name another with --path-column")
    return column


def _scheme(uri: str) -> str:
    """The scheme of what is no file here, where a source answers for it."""
    scheme = addresses.scheme(uri)
    return scheme if scheme in plugins.names(GROUP) else ""


def _elsewhere(uris: Iterable[str]) -> dict[str, Asset]:
    """What is no file here, as it is now: many are asked for at a time. What is not there is left out."""
    by_scheme: dict[str, list[str]] = {}
    for uri in uris:
        if scheme := _scheme(uri):
            by_scheme.setdefault(scheme, []).append(uri)
    found: dict[str, Asset] = {}
    for scheme, own in by_scheme.items():
        found |= plugins.load(GROUP, scheme).described(own)
    return found


def _described(uri: str) -> Asset:
    """The file or member as it is now. Raises OSError, ReadError."""
    archive_uri, name = uris.split(uri)
    path = uris.to_path(archive_uri)
    status = os.stat(path)  # noqa: PTH116
    if name:
        member = archive.find(path, name)
        if member.problem:
            raise ReadError(member.problem)
        return Asset(uri, member.size, modified(status.st_mtime_ns))
    if not os.path.isfile(path):  # noqa: PTH113
        raise ReadError("is not a file with content (a folder, pipe, socket or device)")
    return asset(uri, status)


def _csv(path: str, wanted: str | None) -> _Rows:
    """Two passes: one reads all as text, which tells the columns that must stay text."""
    texts, broken = _parsed(path, None)
    column = _path_column(texts.schema.names, wanted)
    typed, _ = _parsed(path, {column: pa.string()} if column else {})
    for position, field in enumerate(typed.schema):
        text = texts.column(position)
        named = _any(text, _LEADING_ZERO) and not pa.types.is_temporal(field.type)
        if named or (pa.types.is_floating(field.type) and _any(text, _MANY_DIGITS)):
            typed = typed.set_column(position, field.name, text)
    return _Rows(typed, _numbers(len(typed), [n for n, _ in broken]), broken)


def _parsed(path: str, kinds: dict[str, pa.DataType] | None) -> tuple[pa.Table, list[tuple[int, str]]]:
    broken: list[tuple[int, str]] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        problem = f"has {row.actual_columns} fields, and the header names {row.expected_columns}"
        broken.append((row.number, problem))
        return "skip"

    with open(path, "rb") as file:  # noqa: PTH123
        header = file.readline()
        if b"\0" in header:
            raise pa.ArrowInvalid("it is not UTF-8 text; save it as 'CSV UTF-8'")
    names = header.decode("utf-8-sig").count
    separator = max(",;\t", key=names)
    size = max(1 << 20, min(os.path.getsize(path) + 1, (1 << 31) - 1))  # noqa: PTH202
    convert = pyarrow.csv.ConvertOptions(
        null_values=[""],
        strings_can_be_null=True,
        column_types=_all_text(path, separator) if kinds is None else kinds,
    )
    table = pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=size),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=separator, newlines_in_values=True, invalid_row_handler=note
        ),
        convert_options=convert,
    )
    return table, broken


def _all_text(path: str, separator: str) -> dict[str, pa.DataType]:
    with pyarrow.csv.open_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=separator, newlines_in_values=True, invalid_row_handler=lambda row: "skip"
        ),
    ) as reader:
        return {name: pa.string() for name in reader.schema.names}


def _numbers(count: int, broken: list[int]) -> list[int]:
    """The numbers of the good rows, as a spreadsheet shows them: the header is row 1."""
    skipped = set(broken)
    return [n for n in range(2, count + len(skipped) + 2) if n not in skipped]


def _any(column: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(column, pattern)).as_py())


def _parquet(path: str) -> _Rows:
    table = pyarrow.parquet.read_table(path)
    return _Rows(table, list(range(1, len(table) + 1)), [])


def _values(table: pa.Table) -> Iterator[dict[str, Value]]:
    """The metadata of each row."""
    kept = [field.name for field in table.schema if field.name.strip() and not _is_bytes(field.type)]
    plain = pa.table([_without_nanoseconds(table.column(n)) for n in kept], names=kept) if kept else None
    if plain is None:
        yield from ({} for _ in range(len(table)))
        return
    for batch in plain.to_batches(_BATCH):
        for row in batch.to_pylist():
            yield {name.strip(): value(item) for name, item in row.items()}


def _is_bytes(kind: pa.DataType) -> bool:
    checks = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return any(check(kind) for check in checks)


def _without_nanoseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Python's datetime ends at microseconds, and Arrow refuses to cut the rest off unasked."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", kind.tz), safe=False)
    if pa.types.is_time64(kind):
        return column.cast(pa.time64("us"), safe=False)
    return column.cast(pa.duration("us"), safe=False) if pa.types.is_duration(kind) else column


def value(item: Any) -> Value:
    """One cell as metadata."""
    if item is None or item == "":
        return None
    if isinstance(item, datetime):
        return (item if item.tzinfo else item.replace(tzinfo=UTC)).astimezone(UTC)
    if isinstance(item, bool | str | date):
        return item
    if isinstance(item, int):
        return item if -(1 << 63) <= item < 1 << 63 else str(item)
    if isinstance(item, Decimal | timedelta | float):
        number = item.total_seconds() if isinstance(item, timedelta) else float(item)
        return number if math.isfinite(number) else None
    return item.isoformat() if isinstance(item, time) else json.dumps(item, default=str, ensure_ascii=False)


def _slashed(path: str) -> str:
    return path.strip().replace("\\", "/")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
