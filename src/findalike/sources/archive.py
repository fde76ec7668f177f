"""Zip and tar archives, whose members are read in place and never unpacked beside the archive.

What is an archive is told by its first bytes, not by its name. Zip members may be stored or deflated. A
compressed tar is unpacked once into an unnamed temporary file, so that its members can be read in any
order. Opened archives are kept and shared by all threads.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, Protocol, cast

from findalike import uri as uris
from findalike.errors import ReadError
from findalike.sources.base import Options, failure, modified, reason
from findalike.types import Asset, Failure

MEMBER_LIMIT = 1 << 30
"""Bytes; a member that is larger, or says so, is refused."""

_KEPT = 8
_IN_MEMORY = 64 << 20
_CHUNK = 1 << 20
_SPARE_DISK = 1 << 30
_BOMB_SIZE, _BOMB_RATIO = 1 << 30, 100
_COMPRESSED = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz"}
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError,
           NotImplementedError, RuntimeError, MemoryError, OverflowError, IndexError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """One member. `name` is as it stands in a uri; `problem` says why it cannot be read, if it cannot."""

    name: str
    size: int
    position: int
    problem: str = ""


class Archive(Protocol):
    """An opened archive. `damage` says what is wrong with it as a whole; its members may still be read."""

    members: dict[str, Member]
    damage: str

    def read(self, member: Member) -> Iterator[bytes]: ...


def kind(path: str) -> str:
    """`zip`, `tar`, `tar.gz`, `tar.bz2` or `tar.xz`, from the first bytes; empty when it is no archive."""
    with open(path, "rb") as file:  # noqa: PTH123
        head = file.read(tarfile.BLOCKSIZE)
        if head[:4] in (b"PK\3\4", b"PK\5\6", b"PK\7\x08"):
            return "zip"
        if _is_tar(head):
            return "tar"
        for magic, name in _COMPRESSED.items():
            if head.startswith(magic):
                file.seek(0)
                return f"tar.{name}" if _is_tar(_first_block(file, name)) else ""
    return ""


class ArchiveSource:
    """The members of one archive, by name. `modified` of a member is that of the archive."""

    def __init__(self, root: str, options: Options, prefix: str = "", limit: int = MEMBER_LIMIT) -> None:
        """`root` is the archive's uri; `prefix` is its path, with a `/`, that stands before patterns."""
        self._root = root
        self._options = options
        self._prefix = prefix
        self._limit = limit
        self._prefix_of_members = root + uris.SEPARATOR

    @property
    def root(self) -> str:
        return self._root

    def covers(self, uri: str) -> bool:
        start = self._prefix_of_members
        return uri.startswith(start) and self._wants(uri[len(start) :])

    def __iter__(self) -> Iterator[Asset | Failure]:
        path = uris.to_path(self._root)
        try:
            opened = _shelf.get(path)
            when = modified(os.stat(path).st_mtime_ns)  # noqa: PTH116
        except (ReadError, OSError) as error:
            yield failure(self._root, error)
            return
        for name, member in sorted(opened.members.items()):
            if self._wants(name):
                uri = self._prefix_of_members + name
                problem = member.problem or _too_large(member.size, self._limit)
                if problem:
                    yield Failure(uri, "list", problem, member.size, when)
                else:
                    yield Asset(uri, member.size, when)
        if opened.damage:
            yield failure(self._root, ReadError(opened.damage))

    def _wants(self, name: str) -> bool:
        return self._options.wants(self._prefix + name) and not any(map(self._options.skips, name.split("/")))


def inside(path: str, relative: str, options: Options) -> ArchiveSource | None:
    """The source of an archive that lies in a folder, at `relative` below the root; None if it is none."""
    if not options.archives or not kind(path):
        return None
    return ArchiveSource(uris.from_path(path), options, prefix=f"{relative}/")


def open_member(path: str, name: str, limit: int = MEMBER_LIMIT) -> BinaryIO:
    """The whole content of a member, checked. Many threads may call this at once. Raises ReadError."""
    member = find(path, name)
    if problem := member.problem or _too_large(member.size, limit):
        raise ReadError(problem)
    target = cast(BinaryIO, io.BytesIO() if member.size <= _IN_MEMORY else tempfile.TemporaryFile())  # noqa: SIM115
    try:
        for chunk in _shelf.get(path).read(member):
            target.write(chunk)
        if target.tell() != member.size:
            raise ReadError(f"is damaged: the archive promises {member.size} bytes and holds {target.tell()}")
    except _DAMAGE as error:
        target.close()
        raise ReadError(f"is damaged inside the archive: {error}") from error
    except BaseException:
        target.close()
        raise
    target.seek(0)
    return target


def find(path: str, name: str) -> Member:
    """The member of this name. Raises ReadError when the archive or the member is not there."""
    member = _shelf.get(path).members.get(uris.text(name))
    if member is None:
        raise ReadError("is not in the archive (any more)")
    return member


def holds(path: str, name: str) -> bool:
    """Whether the archive has such a member; also True when the archive cannot be looked into."""
    try:
        return uris.text(name) in _shelf.get(path).members
    except ReadError:
        return True


def release() -> None:
    """Closes the archives that were kept open, once no thread reads from them any more."""
    _shelf.clear()


class _Zip:
    """`zipfile` counts its readers without a lock, so opening and closing a member are guarded here."""

    def __init__(self, path: str) -> None:
        self._zip = zipfile.ZipFile(path)
        self._lock = threading.Lock()
        self._infos = [info for info in self._zip.infolist() if _is_regular(info)]
        self.members = {m.name: m for m in map(_zip_member, range(len(self._infos)), self._infos)}
        self.damage = ""

    def read(self, member: Member) -> Iterator[bytes]:
        with self._lock:
            file = self._zip.open(self._infos[member.position])
        try:
            yield from _chunks(file)
        finally:
            with self._lock:
                file.close()


def _is_regular(info: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16)
    return not info.is_dir() and kind in (0, stat.S_IFREG)


def _zip_member(position: int, info: zipfile.ZipInfo) -> Member:
    problem = ""
    if info.flag_bits & 0x1:
        problem = "is encrypted inside the archive; unpack it with its password first"
    elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        problem = f"is packed by zip method {info.compress_type}, which is not read; pack it with Deflate"
    return Member(_name(info.filename), info.file_size, position, problem)


class _Tar:
    def __init__(self, path: str, kind: str) -> None:
        self._lock = threading.Lock()
        self.damage = ""
        plain = cast(IO[bytes], open(path, "rb"))  # noqa: PTH123, SIM115
        if kind == "tar":
            self._file = plain
        else:
            with plain:
                self._file, self.damage = _unpacked(plain, kind.removeprefix("tar."))
        self._size = self._file.seek(0, io.SEEK_END)
        self._file.seek(0)
        self.members = {m.name: m for m in self._listed()}

    def read(self, member: Member) -> Iterator[bytes]:
        position, end = member.position, member.position + member.size
        while position < end:
            with self._lock:
                self._file.seek(position)
                chunk = self._file.read(min(_CHUNK, end - position))
            if not chunk:
                raise EOFError("the archive is cut off")
            position += len(chunk)
            yield chunk

    def _listed(self) -> Iterator[Member]:
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as tar:
                while (info := tar.next()) is not None:
                    tar.members = []  # type: ignore[attr-defined]  # or it keeps every header
                    if info.isreg():
                        yield self._member(info)
        except _DAMAGE as error:
            self.damage = self.damage or f"is damaged: {error}; the members before the damage were listed"

    def _member(self, info: tarfile.TarInfo) -> Member:
        problem = ""
        if info.issparse():
            problem = "is stored as a sparse file, which is not read here; pack it without --sparse"
        elif info.offset_data + info.size > self._size:
            problem = "is cut off: the archive ends inside it"
        return Member(_name(info.name), info.size, info.offset_data, problem)


def _unpacked(packed: IO[bytes], kind: str) -> tuple[IO[bytes], str]:
    """The tar without its compression in an unnamed temporary file, and what was wrong on the way."""
    target = cast(IO[bytes], tempfile.TemporaryFile())  # noqa: SIM115
    packed_size = os.fstat(packed.fileno()).st_size
    try:
        for chunk in _chunks(_decompressor(packed, kind)):
            target.write(chunk)
            if target.tell() > max(_BOMB_SIZE, _BOMB_RATIO * packed_size):
                raise ReadError(f"unpacks to more than {_BOMB_RATIO} times its size, as no pictures do")
            if shutil.disk_usage(tempfile.gettempdir()).free < _SPARE_DISK:
                raise ReadError(f"does not fit into {tempfile.gettempdir()}; set TMPDIR to a larger place")
    except _DAMAGE as error:
        return target, f"is cut off or damaged: {error}; the members before the damage were listed"
    except BaseException:
        target.close()
        raise
    return target, ""


def _decompressor(file: IO[bytes], kind: str) -> IO[bytes]:
    opened = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}[kind](file, "rb")  # type: ignore[operator]
    return cast(IO[bytes], opened)


def _first_block(file: IO[bytes], kind: str) -> bytes:
    try:
        with closing(_decompressor(file, kind)) as unpacked:
            return unpacked.read(tarfile.BLOCKSIZE)
    except _DAMAGE:
        return b""


def _is_tar(block: bytes) -> bool:
    if len(block) < tarfile.BLOCKSIZE:
        return False
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")  # checks the header's checksum
    except (tarfile.TarError, ValueError):
        return False
    return True


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _name(name: str) -> str:
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return uris.text(name)


def _too_large(size: int, limit: int) -> str:
    return f"unpacks to {size:,} bytes, and the limit is {limit:,}" if size > limit else ""


def _opened(path: str) -> Archive:
    try:
        found = kind(path)
        if found == "zip":
            return _Zip(path)
        if found:
            return _Tar(path, found)
    except (FileNotFoundError, PermissionError) as error:
        raise ReadError(reason(error)) from error
    except _DAMAGE as error:
        raise ReadError(f"is a damaged archive: {error}") from error
    raise ReadError("is not a zip or tar archive")


@dataclass(slots=True)
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    archive: Archive | None = None


class _Shelf:
    """The last few archives, opened once for all threads. One that changed on disk is opened anew.

    An archive that is taken off the shelf closes by itself when its last reader lets go of it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: OrderedDict[tuple[object, ...], _Slot] = OrderedDict()

    def get(self, path: str) -> Archive:
        try:
            status = Path(path).stat()
        except (OSError, ValueError) as error:
            raise ReadError(f"its archive {reason(error)}") from error
        if not stat.S_ISREG(status.st_mode):
            raise ReadError("is not in an archive, but below a folder or device that is not there any more")
        key = (path, status.st_mtime_ns, status.st_size, status.st_ino)
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            while len(self._slots) > _KEPT:
                self._slots.popitem(last=False)
        with slot.lock:
            if slot.archive is None:
                slot.archive = _opened(path)
            return slot.archive

    def clear(self) -> None:
        with self._lock:
            self._slots.clear()


_shelf = _Shelf()
