"""What every source offers, which entries are wanted, and how one file is described."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

from findalike.errors import ReadError
from findalike.types import Asset, Failure

GROUP = "findalike.sources"
"""Of the entry points of sources that answer for a scheme."""

LIBRARY_MANIFEST = "findalike.json"
"""A folder with a file of this name is a findalike library, and never a folder of pictures."""

_SYSTEM_FOLDERS = frozenset(
    {
        "$recycle.bin",
        "#recycle",
        "@eadir",
        "__macosx",
        "lost+found",
        "node_modules",
        "system volume information",
    }
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


class Source(Protocol):
    """Says where bytes are. Iterating lists them in one fixed order, and may be done again.

    Each item is an `Asset` with `uri`, `size`, `modified` and, from a table, `metadata`; or a `Failure`
    with the stage `list`. A Failure for a folder or an archive means that nothing below it is known.
    """

    @property
    def root(self) -> str:
        """The uri of what was given: a folder, an archive, a file or a table."""
        ...

    def __iter__(self) -> Iterator[Asset | Failure]: ...

    def covers(self, uri: str) -> bool:
        """Whether this source would list `uri` if it were there: a sweep may judge only such assets."""
        ...


@dataclass(frozen=True, slots=True)
class Options:
    """What to list. Patterns match the path below the root, `/` between its parts, in either letter case.

    `*` and `?` stay within one part, `**` crosses parts. A pattern without `/` matches at any depth. A
    pattern that matches a folder matches all below it; an excluded folder is not entered. An archive
    counts as a folder. `hidden`: also list what is hidden, and enter system folders. `archives`: also
    list the members of the archives in a folder.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hidden: bool = False
    archives: bool = False

    def excludes(self, path: str) -> bool:
        """Whether `path`, relative to the root, is shut out by a pattern of `exclude`."""
        return bool(self.exclude) and _matches(self.exclude, path)

    def wants(self, path: str) -> bool:
        """Whether the file at `path`, relative to the root, passes both kinds of pattern."""
        return (not self.include or _matches(self.include, path)) and not self.excludes(path)

    def skips(self, name: str) -> bool:
        """Whether a file or folder of this name is hidden or the system's own, and so not wanted."""
        return not self.hidden and (name.startswith(".") or name.casefold() in _SYSTEM_FOLDERS)


def _matches(patterns: tuple[str, ...], path: str) -> bool:
    return _compiled(patterns).fullmatch(unicodedata.normalize("NFC", path)) is not None


@lru_cache(maxsize=64)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(_regex(p) for p in patterns), re.IGNORECASE | re.DOTALL)


def _regex(pattern: str) -> str:
    pattern = unicodedata.normalize("NFC", pattern).strip("/")
    start = "" if "/" in pattern else "(?:.*/)?"
    return f"{start}{''.join(_part(p) for p in _TOKENS.findall(pattern))}(?:/.*)?"


_TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+", re.DOTALL)


def _part(token: str) -> str:
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return wild.get(token) or re.escape(token)


def modified(nanoseconds: int) -> datetime:
    """A file's time stamp, in UTC, cut to microseconds and to the years that a datetime can hold."""
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return _LAST if nanoseconds > 0 else _EPOCH


def asset(uri: str, status: os.stat_result) -> Asset:
    """The asset of a file, not read yet."""
    return Asset(uri=uri, size=status.st_size, modified=modified(status.st_mtime_ns))


def failure(uri: str, error: Exception) -> Failure:
    """A Failure of the stage `list`."""
    text = str(error) if isinstance(error, ReadError) else reason(error)
    return Failure(uri=uri, stage="list", error=text)


def reason(error: Exception) -> str:
    """What went wrong, in words that help; without the file's name, which stands beside it."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "was there when it was listed, and is gone now"
    if isinstance(error, PermissionError):
        return "may not be read by this user; change its permissions, or run as another user"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return f"cannot be read: {error}"
