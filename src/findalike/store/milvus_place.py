"""Where a library on Milvus lies, as its address says it.

    milvus://HOST[:PORT]/NAME[?database=…&tls=yes&ca=FILE&server_name=…&patience=SECONDS]
    milvus:///PATH/TO/FILE.db[?library=NAME]

A token, or user and password, stand before the host with an `@`, or better in FINDALIKE_MILVUS_TOKEN, where
no list of processes and no history of a shell shows them. A file is one of milvus-lite.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from findalike import addresses
from findalike.errors import UsageError

PORT = 19_530
PATIENCE = 300.0
"""So many seconds a server that does not answer is waited for."""
LONGEST = 60
"""Characters of the name of a library."""

_FORM = "milvus://HOST:PORT/NAME, or milvus:///PATH/TO/FILE.db for a file of milvus-lite"
_ASKED = ("database", "tls", "ca", "server_name", "patience", "library", "token", "user", "password")
_NAME = re.compile(r"[^\W](?:[\w. -]*[\w])?")


@dataclass(frozen=True, slots=True, repr=False)
class Place:
    """`uri` as pymilvus takes it; `name` of the library; `shown` is the address without secrets."""

    uri: str
    name: str
    shown: str
    token: str = ""
    database: str = ""
    ca: str = ""
    server_name: str = ""
    patience: float = PATIENCE

    @property
    def is_file(self) -> bool:
        return "://" not in self.uri

    def without_secrets(self, text: str) -> str:
        """A message of the server or of pymilvus, in which the token never stands."""
        for secret in {self.token, *self.token.split(":", 1)[1:]} - {""}:
            text = text.replace(secret, "…")
        return text


def place(address: str, token: str = "") -> Place:
    """The place that an address names; `token` counts where the address has none. Raises UsageError."""
    shown = addresses.shown(address)
    try:
        parts = urlsplit(address)
        port = parts.port or PORT
    except ValueError:  # whose message may tell a part of the password
        raise UsageError(
            f"{shown} is no address: one is like {_FORM}, with a port from 0 to 65535; "
            "a password with / ? or # goes into FINDALIKE_MILVUS_TOKEN"
        ) from None
    asked = _asked(parts.query, shown)
    patience = _seconds(asked.get("patience", ""), shown)
    if not parts.hostname:
        return _file(parts.path, asked, shown, patience)
    name = _named(unquote(parts.path.strip("/")), shown)
    tls = _yes(asked.get("tls", "yes" if asked.get("ca") else "no"), shown)
    if (ca := asked.get("ca", "")) and not Path(ca).is_file():
        raise UsageError(
            f"{shown}: there is no file {ca}; ca= names the certificate that the server's is signed by"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Place(
        uri=f"{'https' if tls else 'http'}://{host}:{port}",
        name=name,
        shown=shown,
        token=_token(parts.username, parts.password, asked) or token,
        database=asked.get("database", ""),
        ca=ca,
        server_name=asked.get("server_name", ""),
        patience=patience,
    )


def _file(path: str, asked: dict[str, str], shown: str, patience: float) -> Place:
    file = unquote(path)
    if not file.endswith(".db"):
        raise UsageError(
            f"{shown} names neither a server nor a file that ends in .db; an address is like {_FORM}"
        )
    return Place(file, _named(asked.get("library", "library"), shown), shown, patience=patience)


def _asked(query: str, shown: str) -> dict[str, str]:
    asked = dict(parse_qsl(query, keep_blank_values=True))
    for name in asked:
        if name not in _ASKED:
            raise UsageError(f"{shown}: an address has no part {name!r}; there are {', '.join(_ASKED)}")
    return asked


def _token(user: str | None, password: str | None, asked: dict[str, str]) -> str:
    if asked.get("token"):
        return asked["token"]
    name, word = (
        unquote(user or "") or asked.get("user", ""),
        unquote(password or "") or asked.get("password", ""),
    )
    return f"{name}:{word}" if word else name


def _named(name: str, shown: str) -> str:
    if not _NAME.fullmatch(name) or len(name.encode()) > LONGEST:
        raise UsageError(
            f"{shown}: the name of a library has up to {LONGEST} letters, digits, points, spaces, - and _; "
            f"an address is like {_FORM}"
        )
    return name


def _yes(word: str, shown: str) -> bool:
    if word not in ("yes", "no"):
        raise UsageError(f"{shown}: tls is {word!r}, but it must be yes or no")
    return word == "yes"


def _seconds(text: str, shown: str) -> float:
    try:
        seconds = float(text or PATIENCE)
    except ValueError:
        seconds = 0
    if not 1 <= seconds <= 86_400:
        raise UsageError(f"{shown}: patience is {text!r}, but it must be seconds from 1 to 86400")
    return seconds
