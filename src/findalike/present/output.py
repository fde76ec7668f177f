"""What is written to a path that somebody named: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from findalike.errors import UsageError
from findalike.files import replace_file


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file under another name beside it, and then give it its own; what was there stays until then.

    A device or a pipe is written to directly, a link is followed. Raises UsageError naming the path.
    """
    target = Path(path)
    check(target)
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)
        else:
            replace_file(target.resolve(), data)
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror or error}") from error


def check(path: str | os.PathLike[str]) -> None:
    """Refuse, before the work, a path that is a folder or has none. Raises UsageError."""
    target = Path(path)
    if target.is_dir():
        raise UsageError(f"{target}: this is a folder; give the name of a file in it")
    if not target.parent.is_dir():
        raise UsageError(f"{target}: there is no folder {target.parent}; make it first")
