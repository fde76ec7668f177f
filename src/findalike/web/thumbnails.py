"""Pictures in small, many at once: those asked for together are read together, and kept for a while."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from findalike import decode, sources
from findalike.settings import Settings
from findalike.types import Asset, Origin

SIZES = (16, 2_048)
"""The least and the most of the longer side."""

KEPT_BYTES = 64 * 2**20


Key = tuple[str, str | None, int | None]
"""An asset's id, the version and the size."""


class Recent:
    """Thumbnails by key, the last used, up to so many bytes. Any thread may use it."""

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._room = most
        self._lock = threading.Lock()

    def get(self, key: Key) -> bytes | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Key, data: bytes) -> None:
        with self._lock:
            self._room += len(self._kept.pop(key, b"")) - len(data)
            self._kept[key] = data
            while self._room < 0:
                self._room += len(self._kept.popitem(last=False)[1])

    def drop(self, asset_id: str) -> None:
        with self._lock:
            for key in [key for key in self._kept if key[0] == asset_id]:
                self._room += len(self._kept.pop(key))


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A thumbnail, and the version of the content that it is of."""

    data: bytes
    version: str


class Stored:
    """Reads thumbnails from a store. What is asked for while a read is under way waits for the next one,
    which then takes all of it: a page of a hundred pictures costs a few reads, and none waits for company."""

    def __init__(self, read: Callable[[Sequence[str]], Mapping[str, Thumbnail]]) -> None:
        self._read = read
        self._waiting: dict[str, asyncio.Future[Thumbnail | None]] = {}
        self._reading = False
        self._thread = ThreadPoolExecutor(1, "thumbnails")

    async def get(self, asset_id: str) -> Thumbnail | None:
        """None where the store has none."""
        future = self._waiting.get(asset_id)
        if future is None:
            future = self._waiting[asset_id] = asyncio.get_running_loop().create_future()
        if not self._reading:
            self._reading = True
            self._task = asyncio.create_task(self._read_all())
        return await asyncio.shield(future)

    async def _read_all(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                several, self._waiting = self._waiting, {}
                try:
                    found = await loop.run_in_executor(self._thread, self._read, list(several))
                except Exception as error:
                    for future in several.values():
                        future.set_exception(error)
                else:
                    for asset_id, future in several.items():
                        future.set_result(found.get(asset_id))
        finally:
            self._reading = False

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def made(asset: Asset, size: int, settings: Settings) -> bytes:
    """A JPEG of an asset's file, upright, its longer side at most `size`. Raises ReadError."""
    with sources.open_asset(asset.uri) as file:
        data = file.read()
    decoded = decode.decode(data, Origin(asset.id), short_side=size, budget=settings.pixel_budget)
    return decode.thumbnail(decoded.picture, size)


def media_of(data: bytes) -> str:
    """The media type of a stored thumbnail."""
    if data.startswith(b"RIFF"):
        return "image/webp"
    return "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
