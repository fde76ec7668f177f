"""Where a library of LanceDB lies, its tables and its sidecars: a folder of this machine here, a bucket in
`lance_bucket`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import lancedb

from findalike import lock
from findalike.errors import LibraryError
from findalike.sidecars import FolderSidecars, Sidecars

SETTLED = 3_000_000_000
"""Nanoseconds after which another change gives a folder another time: some file systems count two seconds."""


class Place(Protocol):
    """As text it is the path or the address, for people to read."""

    @property
    def sidecars(self) -> Sidecars: ...

    @property
    def shows_own_writes(self) -> bool:
        """Whether `stamp` is another one after this process has written, too."""
        ...

    def connect(self) -> Any:
        """The database of LanceDB. The place must be there: connecting may create it."""
        ...

    def make(self) -> None:
        """Make the place, unless it is there."""
        ...

    def names(self) -> Sequence[str]:
        """What lies at its top. Raises LibraryError for what cannot hold a library."""
        ...

    def under(self, folder: str) -> Sequence[str]:
        """The files right in a folder of it."""
        ...

    def read(self, name: str) -> bytes:
        """The content of a file."""
        ...

    def stamp(self, table: str) -> object | None:
        """Equal to an earlier one while a table is as it was; None where only the table itself can tell."""
        ...

    def locked(self, wait: float) -> AbstractContextManager[None]:
        """As of `Store.locked`."""
        ...

    def wrote(self) -> None:
        """Called after each write, so that other readers hear of it."""
        ...

    def disk_bytes(self) -> int: ...


class FolderPlace:
    """A folder of this machine. Each version of a table is a file in one folder: while the time of that is
    as it was, LanceDB, which takes 0.4 ms, need not be asked for another."""

    shows_own_writes = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sidecars: Sidecars = FolderSidecars(path)

    def __str__(self) -> str:
        return str(self.path)

    def connect(self) -> Any:
        return lancedb.connect(self.path)

    def make(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    def names(self) -> Sequence[str]:
        if self.path.exists() and not self.path.is_dir():
            raise LibraryError(f"{self.path} is a file, but a library is a folder; name another path")
        return [path.name for path in self.path.iterdir()] if self.path.exists() else []

    def under(self, folder: str) -> Sequence[str]:
        return [f"{folder}/{path.name}" for path in (self.path / folder).glob("*")]

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def stamp(self, table: str) -> object | None:
        try:
            found = (self.path / f"{table}.lance" / "_versions").stat()
        except OSError:
            return None
        settled = time.time_ns() - found.st_mtime_ns > SETTLED
        return (found.st_ino, found.st_mtime_ns) if settled else None

    def locked(self, wait: float) -> AbstractContextManager[None]:
        return lock.held(self.path, wait)

    def wrote(self) -> None:
        pass

    def disk_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())
