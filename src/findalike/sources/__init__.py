"""Where bytes are: a folder tree, an archive, a table of paths, a single file.

A source of another kind registers an entry point of the group `findalike.sources`. Its name is a scheme:
`findalike index s3://bucket/photos` asks the entry point `s3`. The object it names offers what `Scheme`
lists, and its assets have uris that begin with the scheme.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Protocol

from findalike import plugins
from findalike import uri as uris
from findalike.errors import ReadError, UsageError
from findalike.sources import archive
from findalike.sources.archive import ArchiveSource, release
from findalike.sources.base import GROUP, LIBRARY_MANIFEST, Options, Source, reason
from findalike.sources.folder import Folder, SingleFile
from findalike.sources.table import discover_table
from findalike.types import Asset

__all__ = [
    "Options",
    "Scheme",
    "Source",
    "discover",
    "discover_table",
    "exists",
    "fetch",
    "forget",
    "is_empty_or_missing",
    "missing",
    "open_asset",
    "release",
]

TABLE_ENDINGS = (".csv", ".tsv", ".parquet")

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://")
_WISHED = ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY")
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in _WISHED)


class Scheme(Protocol):
    """What a plug-in source offers: the same four questions that this module answers for local files.

    Where answers come over a network it may offer more: `missing(uris) -> set[str]` asks for many at a
    time, `fetch(assets)` begins to read what will be opened soon, and `forget(uris)` lets go of it. A table
    may name its objects where `described(uris) -> dict[str, Asset]` gives those that are there.
    """

    def discover(self, path: str, options: Options) -> Source: ...

    def open_asset(self, uri: str) -> BinaryIO: ...

    def exists(self, uri: str) -> bool: ...

    def is_empty_or_missing(self, root: str) -> bool: ...


def discover(path: str | os.PathLike[str], options: Options | None = None) -> Source:
    """The source for a folder, a zip or tar archive, or a single file. A leading `~` is the home folder.

    Raises UsageError when nothing is there, or when it is a findalike library; ReadError when it cannot
    be looked at.
    """
    options = options or Options()
    given = os.fspath(path)
    if scheme := _scheme(given):
        return scheme.discover(given, options)
    local = os.path.expanduser(given)  # noqa: PTH111  (Path drops a final dot and slash)
    root = uris.from_path(local)
    if not os.path.lexists(local):
        raise UsageError(f"{given}: nothing is there; give the path of a folder, an archive or a picture")
    try:
        if not Path(local).is_dir():
            with open_asset(root):
                pass
            if local.casefold().endswith(TABLE_ENDINGS):
                raise UsageError(f"{given}: is a table; to index what it names, write --table {given}")
            return ArchiveSource(root, options) if archive.kind(local) else SingleFile(root)
    except OSError as error:
        raise ReadError(f"{given}: {reason(error)}") from error
    except ReadError as error:
        raise ReadError(f"{given}: {error}") from error
    if os.path.exists(os.path.join(local, LIBRARY_MANIFEST)):  # noqa: PTH110, PTH118  (Path's may raise)
        raise UsageError(f"{given}: is a findalike library; give a folder of pictures")
    return Folder(root, options, archive.inside if options.archives else None)


def open_asset(uri: str) -> BinaryIO:
    """The bytes of a file or a member, from the start, to be closed by the caller (`with`).

    Any thread may call it. Never waits for a pipe or a device. Raises ReadError, whose message does not
    repeat the uri.
    """
    if scheme := _scheme(uri):
        return scheme.open_asset(uri)
    archive_uri, member = uris.split(uri)
    path = uris.to_path(archive_uri)
    return archive.open_member(path, member) if member else _open_file(path)


def exists(uri: str) -> bool:
    """Whether the file, or the member in its archive, is there. In doubt (no permission, a damaged
    archive) it is: a sweep must not forget what it could not look for."""
    if scheme := _scheme(uri):
        return scheme.exists(uri)
    archive_uri, member = uris.split(uri)
    path = uris.to_path(archive_uri)
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    if not member or not regular:
        return regular
    return archive.holds(path, member)


def missing(uris: Iterable[str]) -> set[str]:
    """Those of many uris for which `exists` answers no. Over a network many are asked for at a time."""
    several = list(uris)
    gone = {uri for uri in several if not _scheme(uri) and not exists(uri)}
    for scheme, own in _by_scheme(several):
        together = getattr(scheme, "missing", None)
        gone |= together(own) if together else {uri for uri in own if not scheme.exists(uri)}
    return gone


def fetch(assets: Iterable[Asset]) -> None:
    """Begin to read what will be opened soon, where it comes over a network; `forget` lets go of what was
    not opened. Local files are left alone."""
    by_uri = {asset.uri: asset for asset in assets}
    for scheme, own in _by_scheme(by_uri):
        if ahead := getattr(scheme, "fetch", None):
            ahead([by_uri[uri] for uri in own])


def forget(uris: Iterable[str]) -> None:
    """Let go of what was read ahead and not opened."""
    for scheme, own in _by_scheme(uris):
        if ahead := getattr(scheme, "forget", None):
            ahead(own)


def is_empty_or_missing(root: str) -> bool:
    """Whether a root is gone, cannot be read, or holds nothing at all: perhaps a drive is unplugged."""
    if scheme := _scheme(root):
        return scheme.is_empty_or_missing(root)
    path = uris.to_path(root)
    try:
        if not Path(path).is_dir():
            return Path(path).stat().st_size == 0
        with os.scandir(path) as entries:
            return next(entries, None) is None
    except (OSError, ValueError):
        return True


def _open_file(path: str) -> BinaryIO:
    try:
        descriptor = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:
        if _is_special(path):
            raise ReadError("is not a file with content (a folder, pipe, socket or device)") from error
        raise ReadError(reason(error)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ReadError("is not a file with content (a folder, pipe, socket or device)")
    return io.BufferedReader(io.FileIO(descriptor, "rb"))


def _is_special(path: str) -> bool:
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except (OSError, ValueError):
        return False


def _by_scheme(uris: Iterable[str]) -> list[tuple[Scheme, list[str]]]:
    """The uris of each scheme, without those of local files."""
    found: dict[str, list[str]] = {}
    for uri in uris:
        if named := _SCHEME.match(uri):
            found.setdefault(named[0], []).append(uri)
    return [(scheme, own) for start, own in found.items() if (scheme := _scheme(start))]


def _scheme(uri: str) -> Scheme | None:
    found = _SCHEME.match(uri)
    if not found:
        return None
    scheme: Scheme = plugins.load(GROUP, found[1])
    return scheme
