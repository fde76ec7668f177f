"""Having nothing left on the drive of what was removed from a library.

A table of LanceDB is versions over files that never change: what is deleted stays in its file, marked, until
that is written again, and as long as a version names the file. Indexes keep what they were built of. Here
every table that marks rows as deleted is written again, indexes go, and then all versions but the last.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import pyarrow as pa

from findalike.store import lance_records, lance_tables
from findalike.store.base import Progress
from findalike.store.lance_place import Place
from findalike.store.lance_snapshot import Tables
from findalike.store.lance_text import COLUMN, Vocabulary

_NONE = timedelta(0)
_CONDITION = re.compile(rb" IN \(| = '")  # of a deletion


def purge(tables: Tables, name: str, progress: Progress) -> None:
    """Write a table again where rows of it are only marked as deleted, without its indexes."""
    progress(f"Clearing {name}")
    table = tables.latest(name)
    for index in table.list_indices():
        table.drop_index(index.name)
    forget_versions(table)
    if _tells_of_deletions(tables.place, f"{name}.lance"):
        tables.rewrite(name)
        forget_versions(tables.latest(name))


def _tells_of_deletions(place: Place, folder: str) -> bool:
    """Whether rows are marked as deleted, or the last change still says which were."""
    last = b"".join(map(place.read, place.under(f"{folder}/_transactions")))
    return bool(place.under(f"{folder}/_deletions")) or bool(_CONDITION.search(last))


def forget_versions(table: Any) -> None:
    """Merge small files, and delete every file that the latest version does not need."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that no older version can be read: so it shall be
        table.optimize(cleanup_older_than=_NONE, delete_unverified=True)


def drop_spaces(tables: Tables, spaces: Iterable[str]) -> None:
    """Drop the tables of rows of spaces that are gone, which a killed removal left."""
    kept = {lance_records.rows_table(space) for space in spaces}
    for name in tables.names():
        if name.startswith(lance_records.rows_table("")) and name not in kept:
            tables.drop(name)


def drop_words(tables: Tables) -> None:
    """Drop the words that no document holds any more."""
    words = tables.latest("words")
    held: set[str] = set()
    for batch in lance_tables.scan(tables.latest("assets"), [COLUMN]):
        held.update(word for text in batch.column(COLUMN).to_pylist() for word in (text or "").split())
    gone = Vocabulary().latest(words).words - held
    lance_tables.delete(words, "word", sorted(gone))


def contents(tables: Tables) -> Iterator[tuple[str, bytes]]:
    """The bytes of every column of every version of every table, as Arrow holds them in memory."""
    for name in tables.names():
        for version in tables.latest(name).list_versions():
            number = version["version"]
            table = tables.at(name, number)
            for batch in lance_tables.scan(table, table.schema.names):
                for column in batch.columns:
                    yield from ((f"{name}, version {number}", data) for data in _bytes(column))


def _bytes(column: pa.Array) -> Iterator[bytes]:
    yield from (memoryview(buffer).tobytes() for buffer in column.buffers() if buffer is not None)
