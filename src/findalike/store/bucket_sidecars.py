"""The sidecars of a library in a bucket: objects of their names beside its tables.

What lies at the top is known from one listing, which is asked for again after a second; what was read is kept
while its ETag is the same. So a search asks for one page of names at most, and for contents nearly never.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from findalike import buckets
from findalike.buckets import BucketError, Fetched, Missing, Place
from findalike.errors import LibraryError
from findalike.sidecars import OWN, PARTS, is_sidecar

T = TypeVar("T")

FRESH = 1.0
"""Seconds for which a listing holds: a reader hears that late, at most, of what other processes write."""


class BucketSidecars:
    """Used by several threads. `check` is asked before each change whether this process may write."""

    def __init__(self, library: Place, check: Callable[[], None]) -> None:
        self._library = library
        self._check = check
        self._etags: dict[str, str] = {}
        self._asked = float("-inf")
        self._kept: dict[str, tuple[str, bytes]] = {}
        self._lock = threading.RLock()

    def where(self, name: str) -> str:
        return self._library.below(name).uri

    def read(self, name: str) -> bytes | None:
        with self._lock:
            etag = self.stamp(name)
            if etag is None:
                return None
            seen, content = self._kept.get(name, ("", b""))
            if seen == etag:
                return content
            found = self._fetched(name)
            if found is None:
                self._etags.pop(name, None)
                return None
            self._note(name, found.etag, found.data)
            return found.data

    def write(self, name: str, content: bytes | str) -> None:
        self._check()
        data = content.encode() if isinstance(content, str) else content
        with self._lock:
            place = self._library.below(name)
            self._note(name, self._guarded(lambda: buckets.server().put(place, data)), data)

    def remove(self, name: str) -> None:
        self._check()
        with self._lock:
            if self.stamp(name) is not None:
                self._guarded(lambda: buckets.server().delete(self._library.below(name)))
                self._etags.pop(name, None)
                self._kept.pop(name, None)

    def names(self) -> Sequence[str]:
        with self._lock:
            self.refresh()
            found = {name for name in self._etags if "/" not in name}
            for part in filter(None, PARTS):
                found |= {f"{part}/{name}" for name in self._listed(f"{part}/")}
        return sorted(name for name in found - OWN if is_sidecar(name))

    def stamp(self, name: str) -> str | None:
        with self._lock:
            if time.monotonic() - self._asked > FRESH:
                self.refresh()
            if "/" in name and name not in self._etags:
                listed = self._guarded(lambda: buckets.server().look(self._library.below(name)))
                if listed:
                    self._etags[name] = listed.etag
            return self._etags.get(name)

    def refresh(self) -> None:
        """Ask what is there now."""
        asked = time.monotonic()
        self._etags, self._asked = self._listed(""), asked

    def _listed(self, folder: str) -> dict[str, str]:
        """The ETags of the objects right in a folder, by name."""
        place = self._library.below(folder)
        found = self._guarded(lambda: list(buckets.server().listing(place, deep=False)))
        return {each.place.key.removeprefix(place.key): each.etag for each in found}

    def _fetched(self, name: str) -> Fetched | None:
        try:
            return self._guarded(lambda: buckets.server().fetch(self._library.below(name)))
        except Missing:
            return None

    def _note(self, name: str, etag: str, data: bytes) -> None:
        self._etags[name] = etag
        self._kept[name] = etag, data

    def _guarded(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except Missing:
            raise
        except BucketError as error:
            raise LibraryError(str(error)) from error
