"""A folder and all below it, and a single file."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterator

from findalike import uri as uris
from findalike.errors import ReadError
from findalike.sources.base import LIBRARY_MANIFEST, Options, Source, asset, failure
from findalike.types import Asset, Failure

_log = logging.getLogger(__name__)
_JUNCTION = 0xA0000003
_HIDDEN = getattr(stat, "FILE_ATTRIBUTE_HIDDEN", 2)

Opened = Callable[[str, str, Options], Source | None]
"""Gives the source of an archive from its path, its path below the root, and the options; else None."""


class Folder:
    """The regular files below a folder: each folder's files by name, then its subfolders by name.

    Links are never followed: what they point to inside the tree is listed where it lies, and what is
    outside was not asked for. So no circle can arise; a folder mounted inside itself is entered once.
    """

    def __init__(self, root: str, options: Options, opened: Opened | None = None) -> None:
        """`root` is a uri; `opened` is asked for each file whether it is an archive to be entered."""
        self._root = root
        self._options = options
        self._opened = opened
        self._uri_prefix = root.rstrip(os.sep) + os.sep

    @property
    def root(self) -> str:
        return self._root

    def covers(self, uri: str) -> bool:
        if not uri.startswith(self._uri_prefix):
            return False
        relative = uri[len(self._uri_prefix) :].replace(os.sep, "/")
        file, _, member = relative.partition(uris.SEPARATOR)
        if member and not self._options.archives:
            return False
        relative = f"{file}/{member}" if member else file
        return self._options.wants(relative) and not any(map(self._options.skips, relative.split("/")))

    def __iter__(self) -> Iterator[Asset | Failure]:
        pending = [""]
        seen: set[tuple[int, int]] = set()
        while pending:
            folder = pending.pop()
            yield from self._listed(folder, pending, seen)

    def _listed(
        self, folder: str, pending: list[str], seen: set[tuple[int, int]]
    ) -> Iterator[Asset | Failure]:
        """The files of one folder, given relative to the root with `/`; adds its subfolders to `pending`."""
        where = self._uri_prefix + folder.replace("/", os.sep)
        path = uris.to_path(where)
        try:
            if _seen(path, seen):
                return
            entries = _entries(path)
        except OSError as error:
            yield failure(where.rstrip(os.sep) or where, _during_listing(error))
            return
        if any(entry.name == LIBRARY_MANIFEST for entry in entries):
            _log.debug("%s is a findalike library and is not listed", path)
            return
        folders = []
        for entry in entries:
            relative = folder + uris.text(entry.name)
            if self._options.skips(entry.name) or self._options.excludes(relative):
                continue
            try:
                if _is_folder(entry):
                    folders.append(relative + "/")
                elif entry.is_file(follow_symlinks=False):
                    yield from self._file(relative, entry)
            except FileNotFoundError:
                continue  # deleted since the folder was listed
            except OSError as error:
                yield failure(self._uri(relative), error)
        pending.extend(reversed(folders))

    def _file(self, relative: str, entry: os.DirEntry[str]) -> Iterator[Asset | Failure]:
        status = entry.stat(follow_symlinks=False)
        if not self._options.hidden and getattr(status, "st_file_attributes", 0) & _HIDDEN:
            return
        archive = self._opened(entry.path, relative, self._options) if self._opened else None
        if archive is not None:
            yield from archive
        elif self._options.wants(relative):
            yield asset(self._uri(relative), status)

    def _uri(self, relative: str) -> str:
        return self._uri_prefix + relative.replace("/", os.sep)


class SingleFile:
    """One file that the user named; a link is followed here."""

    def __init__(self, root: str) -> None:
        self._root = root

    @property
    def root(self) -> str:
        return self._root

    def covers(self, uri: str) -> bool:
        return uri == self._root

    def __iter__(self) -> Iterator[Asset | Failure]:
        try:
            status = os.stat(uris.to_path(self._root))  # noqa: PTH116
            if not stat.S_ISREG(status.st_mode):
                raise ReadError("is not a file with content (a pipe, socket or device)")
            yield asset(self._root, status)
        except (OSError, ReadError) as error:
            yield failure(self._root, error)


def _entries(path: str) -> list[os.DirEntry[str]]:
    with os.scandir(path) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _seen(path: str, seen: set[tuple[int, int]]) -> bool:
    status = os.stat(path)  # noqa: PTH116
    key = (status.st_dev, status.st_ino)
    if status.st_ino and key in seen:
        return True
    seen.add(key)
    return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    if not entry.is_dir(follow_symlinks=False):
        return False
    if os.name != "nt":
        return True
    status = entry.stat(follow_symlinks=False)
    return getattr(status, "st_reparse_tag", 0) != _JUNCTION


def _during_listing(error: OSError) -> Exception:
    if isinstance(error, PermissionError):
        return ReadError("this folder may not be read by this user, so nothing below it was looked at")
    problem = error.strerror or error
    return ReadError(f"this folder cannot be read, so nothing below it was looked at: {problem}")
