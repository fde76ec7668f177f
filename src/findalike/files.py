"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a whole file, so that a reader, or the next run after a crash, finds the old one or the new one.

    It is written under another name beside it, goes to the drive and then gets its own name; text as UTF-8.
    Raises OSError, and leaves what was there.
    """
    beside = path.with_name(
        f".findalike-{secrets.token_hex(6)}"
    )  # short: the file's own name may be the longest
    try:
        with beside.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
