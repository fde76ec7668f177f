"""What is asked of LanceDB's tables: records are read by condition and id, and changed in single commits.

Everything that LanceDB raises leaves through `guarded` as a LibraryError that says what to do.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pyarrow as pa

from findalike.bucket_errors import BucketError, advice_for
from findalike.errors import FindalikeError, LibraryError
from findalike.store.lance_filter import ids_sql

log = logging.getLogger(__name__)

KEEP = timedelta(hours=1)
"""How long files of an old version stay: a reader that began before a compaction still finds them."""

_CHUNK = 2_000  # ids in one condition: a longer one takes longer to parse than to answer
_PLACE = re.compile(r",? ?/?[\w./-]+\.rs:\d+:\d+")  # where in the engine's source an error arose
_FULL = ("no space left", "os error 28", "file too large", "os error 27", "quota")
_DENIED = ("permission denied", "os error 13", "read-only file", "os error 30", "operation not permitted")


@contextmanager
def guarded(library: object) -> Iterator[None]:
    """Turn what LanceDB, Arrow and the file system raise into a LibraryError with the next thing to do."""
    try:
        yield
    except FindalikeError:
        raise
    except BucketError as error:
        raise LibraryError(str(error)) from error
    except (OSError, RuntimeError, ValueError, pa.ArrowException) as error:
        text = str(error)
        if any(sign in text.lower() for sign in _FULL):
            advice = "the drive is full: free some space and run the command again; what was done is kept"
        elif advised := advice_for(text):
            advice = advised
        elif any(sign in text.lower() for sign in _DENIED):
            advice = "it may not be read or written: give this user the permission, or name another --library"
        else:
            advice = f"to see what is wrong: findalike doctor --library {library}"
            text = text.splitlines()[0] if text else type(error).__name__
        text = _PLACE.sub("", text)
        raise LibraryError(f"{library}: {advice} ({text[:300]})") from error


def select(table: Any, names: Sequence[str], condition: str | None = None) -> pa.Table:
    """These columns of all rows that pass a condition."""
    query = table.search().select(list(names)).limit(None)
    return (query.where(condition) if condition else query).to_arrow()


def scan(table: Any, names: Sequence[str], condition: str | None = None) -> Iterator[pa.RecordBatch]:
    """The same in bounded memory."""
    query = table.search().select(list(names)).limit(None)
    yield from (query.where(condition) if condition else query).to_batches(batch_size=4_096)


def select_ids(table: Any, names: Sequence[str], column: str, ids: Iterable[str]) -> pa.Table:
    """These columns of the rows whose `column` holds one of the ids."""
    parts = [select(table, names, ids_sql(column, some)) for some in chunks(ids)]
    if parts:
        return pa.concat_tables(parts)
    schema = table.schema  # asked for once: each time takes 0.3 ms
    return pa.schema([schema.field(name) for name in names]).empty_table()


def upsert(table: Any, data: pa.Table, key: str | list[str]) -> None:
    """Write records by their key in one commit."""
    table.merge_insert(key).when_matched_update_all().when_not_matched_insert_all().execute(data)


def replace_rows(table: Any, data: pa.Table) -> None:
    """Write rows in one commit; other rows of the same assets go in that commit too. Looking for those first
    pays: without any the commit takes a tenth of the time."""
    rows, assets = data.column("row_id").to_pylist(), data.column("asset_id").unique().to_pylist()
    there = set(select_ids(table, ["row_id"], "asset_id", assets).column("row_id").to_pylist())
    if not there:
        table.add(data)
        return
    merge = table.merge_insert("row_id").when_matched_update_all().when_not_matched_insert_all()
    if there - set(rows):
        merge = merge.when_not_matched_by_source_delete(ids_sql("asset_id", assets))
    merge.execute(data)


def change(table: Any, data: pa.Table, key: str) -> None:
    """Overwrite these columns of the records that are there."""
    if len(data):
        table.merge_insert(key).when_matched_update_all().execute(data)


def delete(table: Any, column: str, ids: Iterable[str]) -> None:
    for some in chunks(ids):
        table.delete(ids_sql(column, some))


def chunks(ids: Iterable[str], size: int = _CHUNK) -> Iterator[list[str]]:
    several = list(ids)
    for start in range(0, len(several), size):
        yield several[start : start + size]


def add_columns(table: Any, fields: Sequence[pa.Field]) -> None:
    """Add the columns that a table lacks, with nulls."""
    missing = [field for field in fields if field.name not in table.schema.names]
    if missing:
        table.add_columns(pa.schema(missing))


def widen(table: Any, narrow: str, wide: str) -> None:
    """Turn an integer column into a number column: added with its values, then the old one goes. A crash
    between leaves both, and the next call goes on."""
    names = table.schema.names
    if narrow not in names:
        return
    if wide not in names:
        table.add_columns({wide: f"CAST(`{narrow}` AS DOUBLE)"})
    table.drop_columns([narrow])
