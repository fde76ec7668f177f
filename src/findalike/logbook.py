"""What people say, one line of JSON after another, in files among the sidecars of a library.

A file holds a thousand lines, and the last is written anew with every line that comes: none grows for ever,
and each is there whole or not at all. Who writes holds the library for writing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from findalike.errors import FindalikeError, LibraryError
from findalike.sidecars import Sidecars

LINES = 1_000
"""Lines of one file."""

Record = Mapping[str, Any]

T = TypeVar("T")


class Logbook(Generic[T]):
    """The lines of files `FOLDER/KIND-000001.jsonl`, each of which `parse` turns into a value and `tell`
    back. What was read is kept while the file's stamp is the same.

    Raises LibraryError for a file that is something else, or cannot be written.
    """

    def __init__(
        self, sidecars: Sidecars, folder: str, parse: Callable[[Record], T], tell: Callable[[T], Record]
    ) -> None:
        self._sidecars = sidecars
        self._folder = folder
        self._parse = parse
        self._tell = tell
        self._known: dict[str, tuple[object, list[T]]] = {}

    def read(self, kind: str) -> list[T]:
        """All of a kind, in the order they were written."""
        return [each for name in self._names(kind) for each in self._lines(name)]

    def count(self, kind: str) -> int:
        """How many there may be at most; read from the last file alone."""
        names = self._names(kind)
        return (len(names) - 1) * LINES + len(self._lines(names[-1])) if names else 0

    def append(self, kind: str, given: Sequence[T]) -> None:
        """Write more at the end."""
        if not given:
            return
        names = self._names(kind)
        number = _number(names[-1]) if names else 1
        lines = [*(self._lines(names[-1]) if names else ()), *given]
        for start in range(0, len(lines), LINES):
            name = f"{self._folder}/{kind}-{number + start // LINES:06}.jsonl"
            self._write(name, lines[start : start + LINES])

    def let_go(self, kind: str, most: int) -> None:
        """Remove whole files, the oldest, until at most so many are left."""
        excess = self.count(kind) - most
        for name in self._names(kind)[: -(-excess // LINES)] if excess > 0 else ():
            self._sidecars.remove(name)

    def keep(self, kind: str, wanted: Callable[[T], bool]) -> int:
        """Take all others out; returns how many these are."""
        gone = 0
        for name in self._names(kind):
            there = self._lines(name)
            left = [each for each in there if wanted(each)]
            gone += len(there) - len(left)
            if len(left) < len(there):
                self._write(name, left)
        return gone

    def _names(self, kind: str) -> list[str]:
        """The files of a kind, the oldest first."""
        begin = f"{self._folder}/{kind}-"
        names = self._sidecars.names()
        return [n for n in names if n.startswith(begin) and n == f"{begin}{_number(n):06}.jsonl"]

    def _lines(self, name: str) -> list[T]:
        try:
            stamp = self._sidecars.stamp(name)
            if name not in self._known or self._known[name][0] != stamp:
                content = (self._sidecars.read(name) or b"").decode()
                lines = [self._parse(json.loads(line)) for line in content.splitlines() if line]
                self._known[name] = stamp, lines
        except (OSError, FindalikeError, ValueError, KeyError, TypeError, AttributeError) as error:
            place = self._sidecars.where(name)
            raise LibraryError(f"{place} cannot be read ({error}); mend it, or move it away") from error
        return self._known[name][1]

    def _write(self, name: str, several: Sequence[T]) -> None:
        try:
            if several:
                lines = (json.dumps(self._tell(each), ensure_ascii=False) for each in several)
                self._sidecars.write(name, "".join(f"{line}\n" for line in lines))
            else:
                self._sidecars.remove(name)
        except OSError as error:
            place = self._sidecars.where(name)
            raise LibraryError(f"{place} cannot be written: {error.strerror or error}") from error


def _number(name: str) -> int:
    """The number in the name of a file; 0 for a name of another form."""
    digits = name.rpartition("-")[2].partition(".")[0]
    return int(digits) if len(digits) == 6 and digits.isdecimal() else 0
