"""Objects on S3 and on servers that speak its protocol: the one place that knows s3fs.

s3fs makes the connection, from the keys, region and endpoint that AWS's own tools would use, and one thread
on which any number of requests are under way at a time. Its client is asked directly: s3fs itself asks for
the size of an object before it reads it, and cannot write under a condition.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, TypeVar

from findalike import plugins
from findalike.bucket_errors import Beyond, BucketError, Missing, NoBucket, Refused, is_transient, translated
from findalike.errors import UsageError

__all__ = [
    "Beyond",
    "BucketError",
    "Fetched",
    "Listed",
    "Missing",
    "NoBucket",
    "Place",
    "Refused",
    "Server",
    "server",
]

T = TypeVar("T")

SCHEME = "s3://"
EXTRA = "findalike[s3]"
TRIES = 5
"""So often is a request sent whose failure may pass: a server that is busy, a connection that broke."""
PAUSE = 0.2
"""Seconds before the second try; before each further one twice as long."""
PATIENCE = 30.0
"""Seconds after which nothing is tried again."""
CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 20.0
"""Seconds that a server may take to be reached, and to send the next bytes."""
AT_ONCE = 32
"""Requests under way at a time, where many are asked for together."""

_LASTING = ("env", "shared-credentials-file", "config-file")  # where keys are found that stay as they are
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")


@dataclass(frozen=True, slots=True)
class Place:
    """An object, or all whose keys begin with `key/`: `s3://bucket/key`."""

    bucket: str
    key: str = ""

    @classmethod
    def parse(cls, uri: str) -> Place:
        """Raises UsageError, which never repeats keys that were written into an address."""
        bucket, _, key = uri.removeprefix(SCHEME).partition("/")
        if "@" in bucket:
            raise UsageError(
                f"{SCHEME}…@{bucket.rpartition('@')[2]}: keys do not belong in an address; set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            )
        if not _BUCKET.fullmatch(bucket):
            raise UsageError(f"{uri}: {bucket!r} is no name of a bucket; write {SCHEME}BUCKET/FOLDER")
        return cls(bucket, key)

    @property
    def uri(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}" if self.key else f"{SCHEME}{self.bucket}"

    def below(self, name: str) -> Place:
        return Place(self.bucket, f"{self.key.rstrip('/')}/{name}" if self.key else name)


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing names it. `etag` is another one whenever the content is."""

    place: Place
    size: int
    modified: datetime
    etag: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """An object, or a part of it: `size` is that of the whole, `asked` when the server sent it."""

    data: bytes
    size: int
    modified: datetime
    etag: str
    asked: datetime


class Server:
    """A connection. Used by any number of threads; every method raises BucketError."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection  # which closes when nobody holds it any more
        self._loop = connection.loop
        self._client = connection.s3
        self.endpoint = str(self._client.meta.endpoint_url)
        self.region = str(self._client.meta.region_name or "")

    def listing(self, prefix: Place, deep: bool = True) -> Iterator[Listed]:
        """The objects whose keys begin with that of `prefix`, by key, page by page; without `deep` only those
        with no further `/` in the rest of their keys."""
        asked: dict[str, Any] = {"Bucket": prefix.bucket, "Prefix": prefix.key}
        asked |= {} if deep else {"Delimiter": "/"}
        while True:
            page = self._ask("list", prefix, lambda: self._client.list_objects_v2(**asked))
            for each in page.get("Contents", ()):
                place = Place(prefix.bucket, each["Key"])
                yield Listed(place, each["Size"], each["LastModified"], each["ETag"])
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def holds(self, prefix: Place) -> bool:
        """Whether any object's key begins with that of `prefix`."""
        asked = {"Bucket": prefix.bucket, "Prefix": prefix.key, "MaxKeys": 1}
        page = self._ask("list", prefix, lambda: self._client.list_objects_v2(**asked))
        return bool(page.get("Contents"))

    def look(self, place: Place) -> Listed | None:
        """What is known of an object; None when it is not there."""
        return self.look_all([place])[0]

    def look_all(self, places: Sequence[Place]) -> list[Listed | None]:
        """The same of several, many at a time."""

        async def all_() -> list[Listed | None]:
            gate = asyncio.Semaphore(AT_ONCE)

            async def one(place: Place) -> Listed | None:
                async with gate:
                    return await self._look(place)

            return await asyncio.gather(*map(one, places))

        found: list[Listed | None] = self._begin(all_()).result()
        return found

    def fetch(self, place: Place, start: int = 0, length: int | None = None, etag: str = "") -> Fetched:
        """An object, or `length` bytes of it from `start` on. With an `etag`, raises Refused when it has
        another by now. Raises Missing, and Beyond where it has none of these bytes."""
        return self.begin(place, start, length, etag).result()

    def begin(
        self, place: Place, start: int = 0, length: int | None = None, etag: str = ""
    ) -> Future[Fetched]:
        """The same, of which the caller does not wait yet."""
        return self._begin(self._fetch(place, start, length, etag))

    def put(self, place: Place, content: bytes, instead_of: str | None = None) -> str:
        """Write an object and return its etag; it is durable then. `instead_of`: only where the object has
        this etag, or with an empty one only where there is none; else raises Refused."""
        asked: dict[str, Any] = {"Bucket": place.bucket, "Key": place.key, "Body": content}
        if instead_of is not None:
            asked |= {"IfMatch": instead_of} if instead_of else {"IfNoneMatch": "*"}
        answer = self._ask("write", place, lambda: self._client.put_object(**asked), instead_of is None)
        return str(answer["ETag"])

    def delete(self, place: Place) -> None:
        """Delete an object; one that is not there changes nothing."""
        asked = {"Bucket": place.bucket, "Key": place.key}
        self._ask("delete", place, lambda: self._client.delete_object(**asked))

    def options(self, place: Place) -> dict[str, str]:
        """What LanceDB needs to reach a bucket by the same way and with the same keys. Keys that are handed
        out anew every hour are not among them: LanceDB finds those as AWS's own tools do."""
        found = {"region": self.region or "us-east-1"}
        if ".amazonaws.com" in self.endpoint:
            found["region"] = self._region_of(place)
        else:
            found |= {"endpoint": self.endpoint, "allow_http": str(self.endpoint.startswith("http:")).lower()}
        if self._connection.anon:
            return {**found, "skip_signature": "true"}
        return {**found, **self._begin(self._keys()).result()}

    def _region_of(self, place: Place) -> str:
        """Where a bucket lies, as far as the server says."""
        try:
            answer = self._ask("list", place, lambda: self._client.head_bucket(Bucket=place.bucket))
        except BucketError:
            return self.region
        return str(answer.get("BucketRegion") or self.region)

    async def _keys(self) -> dict[str, str]:
        found = await self._connection.session.get_credentials()
        if found is None or found.method not in _LASTING:
            return {}
        keys = await found.get_frozen_credentials()
        named = {"access_key_id": keys.access_key, "secret_access_key": keys.secret_key}
        return {**named, **({"session_token": keys.token} if keys.token else {})}

    async def _look(self, place: Place) -> Listed | None:
        asked = {"Bucket": place.bucket, "Key": place.key}
        try:
            found = await self._tried("read", place, lambda: self._client.head_object(**asked))
        except Missing:
            return None
        return Listed(place, found["ContentLength"], found["LastModified"], found["ETag"])

    async def _fetch(self, place: Place, start: int, length: int | None, etag: str) -> Fetched:
        asked: dict[str, Any] = {"Bucket": place.bucket, "Key": place.key}
        if start or length is not None:
            asked["Range"] = f"bytes={start}-{'' if length is None else start + length - 1}"
        asked |= {"IfMatch": etag} if etag else {}

        async def whole() -> Fetched:
            answer = await self._client.get_object(**asked)
            async with answer["Body"] as body:
                data = await body.read()
            size = int(answer.get("ContentRange", f"/{len(data)}").rpartition("/")[2])
            sent = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
            when = parsedate_to_datetime(sent) if sent else answer["LastModified"]
            return Fetched(data, size, answer["LastModified"], answer["ETag"], when)

        return await self._tried("read", place, whole)

    def _ask(self, what: str, place: Place, request: Callable[[], Awaitable[T]], again: bool = True) -> T:
        answer: T = self._begin(self._tried(what, place, request, again)).result()
        return answer

    def _begin(self, coroutine: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def _tried(
        self, what: str, place: Place, request: Callable[[], Awaitable[T]], again: bool = True
    ) -> T:
        """The answer to a request, sent again while its failure may pass. A write under a condition is sent
        once: where its answer was lost, the second would be refused because of the first."""
        started, tries = time.monotonic(), 0
        while True:
            try:
                return await request()
            except Exception as error:
                tries += 1
                late = time.monotonic() - started > PATIENCE
                if not again or tries == TRIES or late or not is_transient(error):
                    raise translated(error, what, place.uri, self.endpoint, READ_TIMEOUT) from error
            await asyncio.sleep(random.uniform(0.5, 1.0) * PAUSE * 2 ** (tries - 1))


def server() -> Server:
    """The connection that the environment asks for, made once. Raises BucketError, ExtraMissing."""
    return _server(tuple((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))


@cache
def _server(environment: Iterable[tuple[str, str]]) -> Server:
    s3fs = plugins.on_use("s3fs", EXTRA)
    given = dict(environment)
    options = {
        "connect_timeout": CONNECT_TIMEOUT,
        "read_timeout": READ_TIMEOUT,
        "max_pool_connections": 2 * AT_ONCE,
        "retries": {"total_max_attempts": 1},  # tried again here, bodies too
    }
    for name in ("request_checksum_calculation", "response_checksum_validation"):
        if f"AWS_{name.upper()}" not in given:  # most servers beside AWS's own know no other checksums
            options[name] = "when_required"
    anonymous = given.get("AWS_SKIP_SIGNATURE", "").lower() in ("1", "true", "yes")
    try:
        connection = s3fs.S3FileSystem(
            anon=anonymous, config_kwargs=options, skip_instance_cache=True, use_listings_cache=False
        )
        return Server(connection)
    except Exception as error:
        where = given.get("AWS_ENDPOINT_URL_S3") or given.get("AWS_ENDPOINT_URL") or ""
        raise translated(error, "list", "S3", where, READ_TIMEOUT) from error
