"""What `workers` may say: a number of processes here, or where a Ray cluster is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from findalike.errors import UsageError

AUTO = "auto"
CLIENT = "ray://"
MOST = 4096
"""Workers of one machine that are not taken for a mistyped number."""

_PLACE = re.compile(r"(?:ray://)?(?P<host>\[[^\]\s/]+\]|[^\s:/?@\[\]]+):(?P<port>\d{1,5})")
_WORKERS = re.compile(r"workers=([1-9]\d{0,4})")


@dataclass(frozen=True, slots=True)
class Asked:
    """`address` of a cluster, empty for processes of this machine; `workers`, 0 for as many as there is room
    for. `host` and `port` where they are known."""

    address: str
    workers: int = 0
    host: str = ""
    port: int = 0

    @property
    def through_client(self) -> bool:
        return self.address.startswith(CLIENT)


def asked(workers: int | str) -> Asked:
    """What a number or a text asks for: `4`, `auto`, `ray://HOST:PORT`, `HOST:PORT`, the last three also
    with `?workers=N`. Raises UsageError."""
    text = str(workers).strip()
    if isinstance(workers, int) or re.fullmatch(r"-?\d+", text):
        if isinstance(workers, bool) or not 1 <= int(text) <= MOST:
            raise UsageError(f"workers is {workers!r}, but it must be a number from 1 to {MOST:,}")
        return Asked("", int(text))
    address, mark, rest = text.partition("?")
    number = _WORKERS.fullmatch(rest)
    place = _PLACE.fullmatch(address)
    if (mark and not number) or not (address == AUTO or place):
        raise UsageError(
            f"workers is {workers!r}, but it must be a number of processes on this machine, ray://HOST:PORT "
            "or HOST:PORT of a Ray cluster, or auto on a machine of one; with ?workers=N so many of it"
        )
    count = int(number[1]) if number else 0
    if not place:
        return Asked(address, count)
    return Asked(address, count, place["host"].strip("[]"), int(place["port"]))
