"""A library of LanceDB in a bucket: `s3://bucket/folder`, on S3 or a server that speaks its protocol.

The objects have the names that the files of a library in a folder have, so that either can be made of the
other by copying.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import lancedb

from findalike import buckets
from findalike.settings import Settings
from findalike.store import bucket_lease
from findalike.store.bucket_lease import Lease
from findalike.store.bucket_sidecars import FRESH, BucketSidecars
from findalike.store.lance import LanceStore

_OPTIONS = {
    "connect_timeout": f"{buckets.CONNECT_TIMEOUT:.0f}s",
    "timeout": f"{buckets.PATIENCE:.0f}s",
    "client_max_retries": str(buckets.TRIES),
    "client_retry_timeout": f"{buckets.PATIENCE:.0f}",
}


def opened(address: str, mode: Literal["r", "a"], settings: Settings) -> LanceStore:
    """The library at an address. Raises LibraryError and its children."""
    return LanceStore(BucketPlace(address), mode)


class BucketPlace:
    """While nobody holds the lease, its ETag tells whether anything changed; while another process does,
    tables are asked again after `FRESH` seconds."""

    shows_own_writes = False

    def __init__(self, address: str) -> None:
        place = buckets.Place.parse(address)
        self._place = buckets.Place(place.bucket, place.key.strip("/"))
        self._lease = Lease(self._place)
        self.sidecars = BucketSidecars(self._place, self._lease.check)

    def __str__(self) -> str:
        return self._place.uri

    def connect(self) -> Any:
        server = buckets.server()
        return lancedb.connect(self._place.uri, storage_options={**_OPTIONS, **server.options(self._place)})

    def make(self) -> None:
        """A folder of a bucket is there once something lies in it."""

    def names(self) -> Sequence[str]:
        start = self._place.below("")
        found = (each.place.key.removeprefix(start.key) for each in buckets.server().listing(start))
        return sorted({name.partition("/")[0] for name in found} - {""})

    def under(self, folder: str) -> Sequence[str]:
        start = self._place.below(f"{folder}/")
        found = buckets.server().listing(start, deep=False)
        return [f"{folder}/{each.place.key.removeprefix(start.key)}" for each in found]

    def read(self, name: str) -> bytes:
        return buckets.server().fetch(self._place.below(name)).data

    def stamp(self, table: str) -> object | None:
        if self._lease.token:
            return self._lease.token
        content = self.sidecars.read(bucket_lease.NAME)
        if bucket_lease.is_free(content):
            return content or b""
        return time.monotonic() // FRESH

    @contextmanager
    def locked(self, wait: float) -> Iterator[None]:
        with self._lease.held(wait):
            self.sidecars.refresh()
            yield

    def wrote(self) -> None:
        if not self._lease.token:
            self._lease.mark()

    def disk_bytes(self) -> int:
        return sum(each.size for each in buckets.server().listing(self._place.below("")))
