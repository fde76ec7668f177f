"""The one writer of a library in a bucket, on whatever machine: an object that names the holder.

Each step is a write that the server refuses when the object is another one by then, so of two that try one
wins. The holder writes it again every few seconds; one that stopped doing so, by the server's own clock, is
taken for dead. A process that finds another holder in its place writes no more.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from findalike import buckets
from findalike.buckets import BucketError, Fetched, Missing, Place, Refused, Server
from findalike.errors import LibraryError, LibraryLocked

NAME = "writer.json"
BEAT = 10.0
"""Seconds after which a holder writes its lease again."""
LASTS = 45.0
"""Seconds after which a lease that was not written again is nobody's."""
POLL = 1.0

_BOOT, _NAMESPACE = "/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"

_log = logging.getLogger(__name__)
_conditional: set[str] = set()  # endpoints that refused what they had to refuse


class Lease:
    """Of one library. Held by one thread at a time."""

    def __init__(self, library: Place) -> None:
        self._library = library.uri
        self._place = library.below(NAME)
        self._etag = ""
        self._mine = ""
        self._lost = False

    @property
    def token(self) -> str:
        """Another one for each time that it is held; empty while it is not."""
        return self._mine

    @contextmanager
    def held(self, wait: float) -> Iterator[None]:
        """Hold it, after at most `wait` seconds, -1 for ever. Raises LibraryLocked naming who holds it, and
        at the end where it was lost meanwhile; LibraryError for a server that knows no conditions."""
        self._take(wait)
        stop = threading.Event()
        beating = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        beating.start()
        try:
            yield
            self.check()
        finally:
            stop.set()
            beating.join()
            self._release()

    def check(self) -> None:
        """Raises LibraryLocked when another process has taken it over."""
        if self._lost:
            raise LibraryLocked(
                f"{self._library} was taken over by another writer, because this one did not reach the "
                f"server for {LASTS:.0f} s; what was written is kept: run the command again"
            )

    def mark(self) -> None:
        """Leave another object behind, so that readers hear of a write that was not made under a lease. While
        someone holds one they look anyway."""
        found = _fetched(buckets.server(), self._place)
        if found is None or not _holder(found):
            with suppress(Refused):
                buckets.server().put(self._place, _free(), found.etag if found else "")

    def _take(self, wait: float) -> None:
        started = time.monotonic()
        while holder := self._tried():
            if 0 <= wait <= time.monotonic() - started:
                raise LibraryLocked(f"{self._library} is being written by {holder}; wait until it is done")
            time.sleep(POLL)

    def _tried(self) -> str:
        """Take it if nobody has it; else who has."""
        token = secrets.token_hex(8)
        try:
            server = buckets.server()
            _check_conditions(server, self._place)
            found = _fetched(server, self._place)
            if found and (holder := _holder(found)):
                return holder
            self._etag = server.put(self._place, _signed(token), found.etag if found else "")
        except Refused:  # someone was faster
            return self._tried()
        except BucketError as error:
            raise LibraryError(str(error)) from error
        self._mine, self._lost = token, False
        return ""

    def _beat(self, stop: threading.Event) -> None:
        last = time.monotonic()
        while not stop.wait(BEAT) and not self._lost:
            try:
                self._etag = buckets.server().put(self._place, _signed(self._mine), self._etag)
                last = time.monotonic()
            except Refused:
                self._lost = not self._adopted()
            except BucketError as error:
                _log.warning("the lease of %s could not be renewed: %s", self._library, error)
                self._lost = time.monotonic() - last > LASTS

    def _adopted(self) -> bool:
        """Whether what stands there is of this process: a write whose answer was lost."""
        with suppress(BucketError):
            found = _fetched(buckets.server(), self._place)
            if found and _read(found).get("token") == self._mine:
                self._etag = found.etag
                return True
        return False

    def _release(self) -> None:
        self._mine = ""
        if self._lost:
            return
        try:
            buckets.server().put(self._place, _free(), self._etag)
        except BucketError as error:  # it ends by itself
            _log.warning("the lease of %s could not be given back: %s", self._library, error)


def _check_conditions(server: Server, place: Place) -> None:
    """Raises LibraryError for a server that writes under any condition: two writers could not be told
    apart there."""
    if server.endpoint in _conditional:
        return
    probe = Place(place.bucket, f"{place.key}.{secrets.token_hex(4)}")
    server.put(probe, b"")
    try:
        for condition in ("", '"another"'):
            with suppress(Refused):
                server.put(probe, b"", condition)
                raise LibraryError(
                    f"{place.uri}: the server {server.endpoint} knows no conditional writes (If-None-Match, "
                    "If-Match), so that two writers could spoil a library there; use a later version of it, "
                    "or keep the library in a folder: pictures may lie on that server all the same"
                )
    finally:
        server.delete(probe)
    _conditional.add(server.endpoint)


def _fetched(server: Server, place: Place) -> Fetched | None:
    try:
        return server.fetch(place)
    except Missing:
        return None


def _holder(found: Fetched) -> str:
    """Who holds a lease, for people to read; empty when nobody does, or nobody who is still alive."""
    content = _read(found)
    if "token" not in content or found.asked - found.modified > timedelta(seconds=LASTS) or _is_gone(content):
        return ""
    return f"process {content.get('pid')} on {content.get('host')} since {content.get('since')}"


def _is_gone(content: dict[str, object]) -> bool:
    """Whether it names a process of this very machine, by its run and its numbering of processes, that is
    there no more: one that was killed need not be waited for."""
    if not _kernel() or content.get("kernel") != _kernel():
        return False
    return not Path(f"/proc/{content.get('pid')}").exists()


def _kernel() -> str:
    """What no other machine or container has; empty where that cannot be told."""
    try:
        return f"{Path(_BOOT).read_text('ascii').strip()} {Path(_NAMESPACE).readlink()}"
    except OSError:
        return ""


def _read(found: Fetched) -> dict[str, object]:
    try:
        content = json.loads(found.data)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def is_free(content: bytes | None) -> bool:
    """Whether nobody held a lease when this was read."""
    return not content or b'"token"' not in content


def _signed(token: str) -> bytes:
    me = {
        "token": token,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "kernel": _kernel(),
        "since": datetime.now(UTC).isoformat(" ", "seconds"),
    }
    return json.dumps(me).encode()


def _free() -> bytes:
    return json.dumps({"free": secrets.token_hex(8)}).encode()
