"""Pictures on S3, and on servers that speak its protocol: `s3://bucket/folder`.

A bucket has no folders, only keys, in which `/` means what it means in a path. To list 1,000 objects is one
request, however deep they lie.
"""

from __future__ import annotations

import io
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from findalike import buckets
from findalike.buckets import Beyond, BucketError, Fetched, Listed, NoBucket, Place
from findalike.errors import FindalikeError, ReadError, UsageError
from findalike.sources.ahead import Ahead
from findalike.sources.base import LIBRARY_MANIFEST, Options, Source
from findalike.types import Asset, Failure

BLOCK = 8 << 20
"""Bytes that are read at once: of most pictures, all."""
KEPT_BLOCKS = 4

_ARCHIVES = (".zip", ".cbz", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
_TABLES = (".csv", ".tsv", ".parquet")
_UNOPENED = "archives in buckets are not opened; copy it to this machine, or unpack it into the bucket"


def discover(path: str, options: Options) -> Source:
    """The source of a folder in a bucket, or of a single object. Raises UsageError when nothing is there or
    it cannot be read where it lies, ReadError when it cannot be looked at."""
    place = _root(path)
    try:
        return _discovered(path, place, options)
    except NoBucket as error:
        raise UsageError(str(error)) from error
    except BucketError as error:
        raise ReadError(str(error)) from error


def open_asset(uri: str) -> BinaryIO:
    """The bytes of an object, which are read in blocks where it is large. Raises ReadError."""
    try:
        place = Place.parse(uri)
        fetched = _ahead.take(uri) or buckets.server().fetch(place, 0, BLOCK)
        return io.BytesIO(fetched.data) if len(fetched.data) == fetched.size else _opened(place, fetched)
    except Beyond:  # of an empty object, from its start
        return io.BytesIO()
    except BucketError as error:
        raise ReadError(error.reason) from error


def exists(uri: str) -> bool:
    """Whether the object is there; in doubt it is."""
    return not missing([uri])


def missing(uris: Iterable[str]) -> set[str]:
    """Those that are not there, asked for many at a time; in doubt they are."""
    several = list(uris)
    try:
        found = buckets.server().look_all([Place.parse(uri) for uri in several])
    except (BucketError, FindalikeError):
        return set()
    return {uri for uri, listed in zip(several, found, strict=True) if listed is None}


def described(uris: Iterable[str]) -> dict[str, Asset]:
    """Those of these objects that are there. Raises ReadError."""
    places = [place for uri in uris if (place := Place.parse(uri)).key]
    try:
        return {each.place.uri: _asset(each) for each in buckets.server().look_all(places) if each}
    except BucketError as error:
        raise ReadError(str(error)) from error


def is_empty_or_missing(root: str) -> bool:
    """Whether a folder, an object or the whole bucket is gone or empty. Raises ReadError when that cannot be
    told, so that nobody takes a server that does not answer for a folder that was emptied."""
    place = _root(root)
    try:
        if buckets.server().holds(_folder(place)):
            return False
        listed = buckets.server().look(place) if place.key else None
        return listed is None or not listed.size
    except NoBucket:
        return True
    except BucketError as error:
        raise ReadError(str(error)) from error


def fetch(assets: Iterable[Asset]) -> None:
    """Read these ahead, within bounds: they will be opened soon."""
    _ahead.fetch(assets)


def forget(uris: Iterable[str]) -> None:
    """Let go of what was read ahead and not opened."""
    _ahead.forget(uris)


class Below:
    """The objects below a folder, by key. Those that only stand for a folder are left out."""

    def __init__(self, root: Place, options: Options) -> None:
        self._place = root
        self._options = options
        self._prefix = _folder(root).uri if root.key else f"{root.uri}/"

    @property
    def root(self) -> str:
        return self._place.uri

    def covers(self, uri: str) -> bool:
        relative = uri[len(self._prefix) :]
        return uri.startswith(self._prefix) and self._options.wants(relative) and not self._skips(relative)

    def __iter__(self) -> Iterator[Asset | Failure]:
        """The whole listing comes first: what tells that a folder is a library may stand behind its files."""
        assets, libraries = [], set[str]()
        try:
            for listed in buckets.server().listing(_folder(self._place)):
                uri = listed.place.uri
                if uri.endswith(f"/{LIBRARY_MANIFEST}"):
                    libraries.add(uri.removesuffix(LIBRARY_MANIFEST))
                if self.covers(uri) and not (uri.endswith("/") and not listed.size):
                    assets.append(_asset(listed))
        except BucketError as error:
            yield Failure(self.root, "list", error.reason)
            return
        for asset in assets:
            if libraries and any(asset.uri.startswith(library) for library in libraries):
                continue
            if self._options.archives and asset.uri.casefold().endswith(_ARCHIVES):
                yield Failure(asset.uri, "list", _UNOPENED, asset.size, asset.modified)
            else:
                yield asset

    def _skips(self, relative: str) -> bool:
        return any(map(self._options.skips, relative.split("/")))


class Single:
    """One object that the user named."""

    def __init__(self, listed: Listed) -> None:
        self._listed = listed

    @property
    def root(self) -> str:
        return self._listed.place.uri

    def covers(self, uri: str) -> bool:
        return uri == self.root

    def __iter__(self) -> Iterator[Asset | Failure]:
        yield _asset(self._listed)


def _discovered(path: str, place: Place, options: Options) -> Source:
    server = buckets.server()
    if server.holds(_folder(place)):
        if server.look(place.below(LIBRARY_MANIFEST)):
            raise UsageError(f"{path}: is a findalike library; give a folder of pictures")
        return Below(place, options)
    listed = server.look(place) if place.key else None
    if listed is None:
        raise UsageError(f"{path}: nothing is there; give the address of a folder or a picture in a bucket")
    if place.key.casefold().endswith(_TABLES):
        raise UsageError(f"{path}: is a table; copy it to this machine and name it with --table")
    if place.key.casefold().endswith(_ARCHIVES):
        raise UsageError(f"{path}: {_UNOPENED}")
    return Single(listed)


def _root(path: str) -> Place:
    place = Place.parse(path)
    return Place(place.bucket, place.key.removesuffix("/"))


def _folder(place: Place) -> Place:
    """What the keys of all that lies in a folder begin with."""
    return Place(place.bucket, f"{place.key}/" if place.key else "")


def _asset(listed: Listed) -> Asset:
    return Asset(uri=listed.place.uri, size=listed.size, modified=_modified(listed))


def _modified(listed: Listed) -> datetime:
    """When an object was written. S3 tells whole seconds; in place of their fractions stands a number of the
    ETag, so that another content of the same size in the same second is another time."""
    fraction = zlib.crc32(listed.etag.encode()) % 1_000_000
    return listed.modified.astimezone(UTC).replace(microsecond=fraction)


def _begin(uri: str) -> Future[Fetched]:
    return buckets.server().begin(Place.parse(uri))


_ahead: Ahead[Fetched] = Ahead(_begin)


def _opened(place: Place, first: Fetched) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Ranges(place, first), 1 << 16))


class _Ranges(io.RawIOBase):
    """A large object, of which the last few blocks are kept. While it is read from start to end, the next
    block comes before it is asked for. Raises BucketError when it changes meanwhile."""

    def __init__(self, place: Place, first: Fetched) -> None:
        self._place, self._size, self._etag = place, first.size, first.etag
        self._blocks: OrderedDict[int, bytes] = OrderedDict({0: first.data})
        self._next: tuple[int, Future[Fetched]] | None = None
        self._last = 0
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, target: Any) -> int:
        if self._at >= self._size:
            return 0
        number, start = divmod(self._at, BLOCK)
        part = memoryview(self._block(number))[start : start + len(target)]
        target[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            self._blocks[number] = self._fetched(number).data
            if number == self._last + 1 and (number + 1) * BLOCK < self._size:
                self._next = number + 1, self._begun(number + 1)
            while len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        self._last = number
        return self._blocks[number]

    def _fetched(self, number: int) -> Fetched:
        coming, self._next = self._next, None
        if coming and coming[0] == number:
            return coming[1].result()
        return self._begun(number).result()

    def _begun(self, number: int) -> Future[Fetched]:
        return buckets.server().begin(self._place, number * BLOCK, BLOCK, self._etag)
