"""What an operator decides about a server."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from findalike import uri as uris
from findalike.errors import UsageError

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|[0-9a-f]*:[0-9a-f:.]*", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.IGNORECASE)

LEAST_TOKEN = 16
"""Letters of a token: what is shorter can be guessed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may ask for. `body` in bytes; `clip`: seconds of a film that is searched with; `terms`
    of a query; `hits` of one page; `seconds` for an answer, waiting included, and `stall` for a client that
    neither sends nor reads; `workers` that search at once (0: one for each core, at least two) and `waiting`
    requests behind them; `jobs` that wait."""

    body: int = 64 * 2**20
    clip: float = 600.0
    terms: int = 32
    hits: int = 1_000
    seconds: float = 30.0
    stall: float = 15.0
    workers: int = 0
    waiting: int = 128
    jobs: int = 16


@dataclass(frozen=True, slots=True)
class Config:
    """Where a server listens, to whom, and what it may do.

    `folders` may be indexed from the page; `uploads` is the folder that uploaded pictures go to, None for no
    uploads. `tokens` give a client the scope that they stand for, `read` or `write`. `hosts` are more names
    that the server answers under, `origins` those whose pages may call it. `urls` lets a query name a picture
    by URL, `private_urls` one in the operator's own network. `mirror` keeps the vectors in memory.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    folders: tuple[Path, ...] = ()
    uploads: Path | None = None
    tokens: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    urls: bool = False
    private_urls: bool = False
    writable: bool = True
    mirror: bool = False
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if not self.is_local and not self.tokens:
            raise UsageError(
                f"on the address {self.host} others could reach the pictures: give a token in the variable "
                'FINDALIKE_TOKEN (python -c "import secrets; print(secrets.token_urlsafe(24))" makes one), '
                "or listen on 127.0.0.1"
            )
        for token in self.tokens:
            if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
                raise UsageError(
                    f"a token must be {LEAST_TOKEN} or more plain letters, digits and signs; "
                    "this one is shorter or has others"
                )
        for name in self.hosts:
            if not _NAME.fullmatch(name):
                raise UsageError(f"{name!r} is no name of a host; give one without scheme and port")
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin):
                raise UsageError(
                    f"{origin!r} is no origin; name each site with its scheme: https://shop.example"
                )
        for folder in self.folders:
            if not folder.is_dir():
                raise UsageError(f"{folder}: there is no such folder, so it cannot be indexed from the page")

    @property
    def is_local(self) -> bool:
        """Whether it listens where only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def names(self) -> frozenset[str]:
        """The names under which clients may call it."""
        return frozenset({"localhost", "127.0.0.1", "::1", self.host.lower(), *map(str.lower, self.hosts)})

    def folder_ids(self) -> dict[str, Path]:
        """The folders by ids that tell them apart."""
        ids: dict[str, Path] = {}
        for folder in dict.fromkeys(self.folders):
            name = uris.text(folder.name) or "root"
            numbered = (f"{name}~{number}" for number in itertools.count(2))
            ids[next(each for each in itertools.chain([name], numbered) if each not in ids)] = folder
        return ids
