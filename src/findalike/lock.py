"""The lock of a library's one writer, on its folder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import filelock

from findalike.errors import LibraryError, LibraryLocked

LOCK, HOLDER = "writer.lock", "writer.json"


@contextmanager
def held(folder: Path, wait: float) -> Iterator[None]:
    """Hold the library in this folder for writing, after at most `wait` seconds, -1 for ever.

    Raises LibraryLocked naming who holds it, LibraryError when it cannot be written.
    """
    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=wait)
    except filelock.Timeout:
        raise LibraryLocked(
            f"{folder} is being written by {_holder(folder / HOLDER)}; wait until it is done"
        ) from None
    except OSError as error:
        raise LibraryError(f"the library {folder} cannot be written: {error.strerror or error}") from error
    try:
        _sign(folder / HOLDER)
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def _sign(path: Path) -> None:
    """Write down who holds the lock, for the message to those who wait; the lock itself is the kernel's."""
    me = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(" ", "seconds"),
    }
    with suppress(OSError):
        path.write_text(json.dumps(me), "utf-8")


def _holder(path: Path) -> str:
    try:
        held = json.loads(path.read_text("utf-8"))
        return f"process {held['pid']} on {held['host']} since {held['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
