"""Reading ahead: files that will be opened soon come over the network while others are decoded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Generic, TypeVar

from findalike.types import Asset

T = TypeVar("T")

MOST_FILES = 64
MOST_BYTES = 128 << 20
"""So much may be held, or on its way, at a time; what goes beyond is read when it is opened."""
LARGE = 16 << 20
"""What is larger is never read ahead: a film, of which only parts may be needed."""


class Ahead(Generic[T]):
    """Files that are on their way or there already, by uri, each handed out once. Used by all threads."""

    def __init__(self, begin: Callable[[str], Future[T]]) -> None:
        self._begin = begin
        self._coming: dict[str, tuple[int, Future[T]]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def fetch(self, assets: Iterable[Asset]) -> None:
        """Begin to fetch these, in their order, as far as there is room; what comes already is left alone."""
        for asset in assets:
            with self._lock:
                full = len(self._coming) >= MOST_FILES or self._bytes + asset.size > MOST_BYTES
                if asset.uri in self._coming or full or not 0 < asset.size <= LARGE:
                    continue
                self._coming[asset.uri] = asset.size, self._begin(asset.uri)
                self._bytes += asset.size

    def take(self, uri: str) -> T | None:
        """What was fetched, which may have to be waited for; None where nothing was. Raises what fetching
        it raised."""
        future = self._drop(uri)
        return future.result() if future else None

    def forget(self, uris: Iterable[str]) -> None:
        """Let go of those of these that nobody took."""
        for uri in uris:
            if future := self._drop(uri):
                future.cancel()

    def _drop(self, uri: str) -> Future[T] | None:
        with self._lock:
            size, future = self._coming.pop(uri, (0, None))
            self._bytes -= size
            return future
