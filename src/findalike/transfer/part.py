"""One part of an export while it is written."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from findalike.store.base import Batch
from findalike.transfer import manifest, tables
from findalike.transfer.manifest import File
from findalike.transfer.tables import Layout

SHARD = 256 << 20
_PLAIN = ("vectors", "thumbnails", "attachments")
"""Folders of files whose values hardly repeat."""


class Part:
    """The files of one part while they are written: whole, or not there."""

    def __init__(self, folder: Path, layout: Layout, number: int) -> None:
        self._folder = folder
        self._layout = layout
        self._name = f"part-{number:05d}.parquet"
        self._rows = dict.fromkeys(layout.schemas(), 0)
        self._files: dict[str, BinaryIO] = {}
        self._writers: dict[str, Any] = {}

    def __enter__(self) -> Self:
        for each, schema in self._layout.schemas().items():
            (self._folder / each).mkdir(parents=True, exist_ok=True)
            self._files[each] = self._path(each, unfinished=True).open("wb")
            plain = each.partition("/")[0] in _PLAIN
            self._writers[each] = pq.ParquetWriter(
                self._files[each], schema, compression="zstd", compression_level=1, use_dictionary=not plain
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for each in self._writers.values():
            with suppress(OSError, pa.ArrowException):
                each.close()
        for each, file in self._files.items():
            with suppress(OSError):
                file.close()
            self._path(each, unfinished=True).unlink(missing_ok=True)

    def write(self, batch: Batch) -> None:
        """One row group for each kind, perhaps without rows."""
        for each, table in tables.to_tables(batch, self._layout).items():
            self._writers[each].write_table(table, row_group_size=max(1, len(table)))
            self._rows[each] += len(table)

    def full(self) -> bool:
        return max(file.tell() for file in self._files.values()) >= SHARD

    def finish(self) -> list[File]:
        """Give all files their names, durably."""
        for each, writer in self._writers.items():
            writer.close()
            self._files[each].flush()
            os.fsync(self._files[each].fileno())
            self._files[each].close()
            self._path(each, unfinished=True).replace(self._path(each))
        return [manifest.described(self._folder, f"{e}/{self._name}", n) for e, n in self._rows.items()]

    def _path(self, each: str, unfinished: bool = False) -> Path:
        return self._folder / each / (f".{self._name}.unfinished" if unfinished else self._name)

    def empty(self) -> bool:
        return not any(self._rows.values())
