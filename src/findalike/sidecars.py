"""The small named files that belong to a library beside its pictures: who is in them, which finders of parts
it was filled with, what was learned of it, what people said of its hits, and its manifest. Each is written
whole or not at all, so a reader sees the old one or the new one.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from findalike.files import replace_file

OWN = frozenset(
    {
        "findalike.json",
        "banks.json",
        "pending.json",
        "copying.json",
        "forgetting.json",
        "writer.lock",
        "writer.json",
    }
)
"""Names of what a store keeps for itself: not part of what moves with the pictures to another store."""

PARTS = ("", "learned", "duplicates", "attributes", "feedback", "reviews")
"""The folders, of a library in a folder, that sidecars lie in."""
_ENDINGS = ("", ".json", ".jsonl", ".npz", ".onnx")


class Sidecars(Protocol):
    """Names are relative paths with `/`. Every method raises OSError or LibraryError when the place cannot be
    read or written."""

    def where(self, name: str) -> str:
        """Where a file is, for people to read."""
        ...

    def read(self, name: str) -> bytes | None:
        """The content, or None when it is not there."""
        ...

    def write(self, name: str, content: bytes | str) -> None:
        """Write a whole file, durably; text as UTF-8."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there changes nothing."""
        ...

    def names(self) -> Sequence[str]:
        """The names of all that moves with the library, sorted: not those of `OWN`."""
        ...

    def stamp(self, name: str) -> object:
        """Another one whenever the file was written again; None while it is not there."""
        ...


class FolderSidecars:
    """Files in the folder of a library."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def where(self, name: str) -> str:
        return str(self.folder / name)

    def read(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes | str) -> None:
        path = self.folder / name
        if "/" in name:
            path.parent.mkdir(exist_ok=True)
        replace_file(path, content)

    def remove(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def names(self) -> Sequence[str]:
        files = itertools.chain.from_iterable((self.folder / part).glob("*") for part in PARTS)
        there = (f for f in files if is_sidecar(f.name) and f.is_file())
        return sorted({f.relative_to(self.folder).as_posix() for f in there} - OWN)

    def stamp(self, name: str) -> object:
        try:
            found = (self.folder / name).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def is_sidecar(name: str) -> bool:
    """Whether a file of this name, among those of a library, is one of its sidecars."""
    last = PurePosixPath(name)
    return last.suffix in _ENDINGS and not last.name.startswith(".")


class MemorySidecars:
    """Kept until the library is closed."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[int, bytes]] = {}
        self._written = itertools.count()

    def where(self, name: str) -> str:
        return f":memory:/{name}"

    def read(self, name: str) -> bytes | None:
        return self._files[name][1] if name in self._files else None

    def write(self, name: str, content: bytes | str) -> None:
        data = content.encode() if isinstance(content, str) else content
        self._files[name] = next(self._written), data

    def remove(self, name: str) -> None:
        self._files.pop(name, None)

    def names(self) -> Sequence[str]:
        return sorted(set(self._files) - OWN)

    def stamp(self, name: str) -> object:
        return self._files[name][0] if name in self._files else None
