"""Reading an export: what its files hold, as it was written."""

from __future__ import annotations

import errno
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from findalike.errors import FindalikeError, LibraryError
from findalike.sidecars import FolderSidecars, Sidecars
from findalike.store.base import Batch
from findalike.transfer import tables
from findalike.transfer.manifest import Manifest
from findalike.transfer.tables import ASSETS, FAILURES
from findalike.types import Bank, Card, Failure

SIDECARS = "sidecars"


@contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Turn what Arrow and the file system raise into a LibraryError with the next thing to do."""
    try:
        yield
    except FindalikeError:
        raise
    except (OSError, pa.ArrowException) as error:
        text = (str(error).splitlines() or [type(error).__name__])[0][:300]
        full = getattr(error, "errno", None) in _FULL or "no space left" in text.lower()
        advice = (
            "the drive is full: free some space and run the command again; what was done is kept"
            if full
            else "it cannot be read or written; mend that, and run the command again"
        )
        raise LibraryError(f"{folder}: {advice} ({text})") from error


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Exported:
    """What an export holds: `Contents`. Its files must have been checked."""

    def __init__(self, folder: Path, found: Manifest) -> None:
        self._folder = folder
        self._found = found
        self.sidecars: Sidecars = FolderSidecars(folder / SIDECARS)

    def cards(self) -> Mapping[str, Card]:
        return self._found.layout.cards

    def banks(self) -> Mapping[str, Bank]:
        return self._found.layout.banks

    def count(self) -> int:
        return sum(file.rows for file in self._found.of(ASSETS))

    def failures(self) -> Sequence[Failure]:
        with guarded(self._folder):
            several = (pq.read_table(self._folder / file.path) for file in self._found.of(FAILURES))
            return [failure for table in several for failure in tables.to_failures(table)]

    def batches(self, but: Container[str] = ()) -> Iterator[Batch]:
        for part in self._found.of(ASSETS):
            with guarded(self._folder):
                yield from self._part(Path(part.path).name)

    def ids(self) -> set[str]:
        """The ids of all assets."""
        with guarded(self._folder):
            paths = [self._folder / file.path for file in self._found.of(ASSETS)]
            several = [pq.read_table(path, columns=["asset_id"]) for path in paths]
            return {i for table in several for i in table.column(0).to_pylist()}

    def _part(self, name: str) -> Iterator[Batch]:
        layout = self._found.layout
        files = {each: pq.ParquetFile(self._folder / each / name) for each in layout.schemas()}
        for group in range(files[ASSETS].num_row_groups):
            read = {each: file.read_row_group(group) for each, file in files.items()}
            yield tables.to_batch(read, layout)
