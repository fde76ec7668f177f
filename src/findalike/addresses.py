"""The addresses of libraries that lie elsewhere than in a folder: SCHEME://PLACE."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import platformdirs

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_ONE_SLASH = re.compile(r"([a-z][a-z0-9+.-]+):/(?!/)", re.IGNORECASE)
_SECRET = re.compile(r"(?<=://)(?:[^/?#]*@|[^/@?#:]*:(?!\d*(?:[/?#]|$)).*@)")
"""What stands before the host; a password with `/`, `?` or `#` in it, which makes no address, too."""
_SECRETS = re.compile(r"(?<=[?&])((?:token|password|secret|key)=)[^&#]*", re.IGNORECASE)


def scheme(address: str) -> str:
    """The scheme of an address, which names the store; empty for the path of a folder."""
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""


def mistyped(address: str) -> str:
    """The scheme of what begins as an address does, but with one slash; empty for all else."""
    found = _ONE_SLASH.match(address)
    return found[1].lower() if found else ""


def shown(address: str) -> str:
    """The address without user, password and token, for people to read and for messages."""
    return _SECRETS.sub(r"\1…", _SECRET.sub("", address))


def workroom(address: str) -> Path:
    """The folder of this machine for what belongs to a library elsewhere, but concerns files of this machine:
    logs and trash of duplicates, and copies of what was learned. It may not be there yet."""
    named = re.sub(r"[^A-Za-z0-9._-]+", "-", shown(address)).strip("-")[-60:]
    number = hashlib.sha256(shown(address).encode()).hexdigest()[:12]
    return Path(platformdirs.user_data_dir("findalike", appauthor=False)) / "elsewhere" / f"{named}-{number}"
