"""The lease of a library's one writer, kept in Milvus itself, because writers run on many machines.

Milvus has no lock, but it orders writes, and a strong read sees all that were made before it. Who wants to
write inserts a wish, and reads all leases: of the wishes the one that came first goes on, but only while
nobody holds the library. It says that it holds, and reads again: if another says so too, both step back. A
holder says every few seconds that it lives; one that was silent for `EXPIRES` seconds is taken to be dead,
and its lease is cleared away. So a holder that was stopped for longer must look again before it writes.
"""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from findalike.errors import FindalikeError, LibraryLocked
from findalike.store.milvus_tables import Record, Table, key
from findalike.store.milvus_things import is_kind

LEASE = "lease"
EXPIRES = 30.0
"""Seconds without a sign of life after which a holder is taken to be dead."""
BEATS = 5.0
"""Seconds between two signs of life."""
_ASKS = 0.25, 2.0  # seconds between two looks of who waits, at first and later
_MILLISECONDS = 1_000


@dataclass(frozen=True, slots=True)
class Sign:
    """A lease as another process reads it: `at` in seconds by the server's clock, `born` too."""

    id: str
    owner: str
    born: int
    at: float
    holds: bool

    @property
    def order(self) -> tuple[int, str]:
        return self.born, self.id


class Lease:
    """One process's lease of one library."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._id = uuid.uuid4().hex
        self._born = 0
        self._since = datetime.now(UTC).isoformat(" ", "seconds")
        self._beaten = 0.0  # by this machine's clock, when the last sign was sent that arrived
        self._lost = ""
        self._stop = threading.Event()
        self._saying = threading.Lock()

    @contextmanager
    def held(self, wait: float) -> Iterator[None]:
        """Hold the library, after at most `wait` seconds, -1 for ever. Raises LibraryLocked."""
        self._acquire(wait)
        beats = threading.Thread(target=self._beat, name="lease", daemon=True)
        beats.start()
        try:
            yield
        finally:
            self._stop.set()
            beats.join()
            with suppress(FindalikeError):  # it expires by itself
                self._clear([self._id])

    def check(self) -> None:
        """Before each write: that the lease still holds. Raises LibraryLocked when another has it."""
        if self._lost:
            raise LibraryLocked(self._lost)
        if time.monotonic() - self._beaten > EXPIRES / 2:
            self._again()

    def _acquire(self, wait: float) -> None:
        until = float("inf") if wait < 0 else time.monotonic() + wait
        pause, most = _ASKS
        self._say(holds=False)
        self._born = int(self._table.connection.now() * _MILLISECONDS)
        self._say(holds=False)
        while not self._taken():
            if time.monotonic() >= until:
                holder, shown = _named(self._others()), self._table.connection.place.shown
                self._clear([self._id])
                raise LibraryLocked(f"{shown} is being written by {holder}; wait until it is done")
            time.sleep(min(pause * random.uniform(0.5, 1.5), max(until - time.monotonic(), 0.01)))
            pause = min(2 * pause, most)
            if time.monotonic() - self._beaten > BEATS:
                self._say(holds=False)

    def _taken(self) -> bool:
        others = self._others()
        if any(each.holds or each.order < (self._born, self._id) for each in others):
            return False
        self._say(holds=True)
        if not any(each.holds for each in self._others()):
            return True
        self._say(holds=False)
        return False

    def _again(self) -> None:
        """Hold on after a silence that may have been too long."""
        others = self._others()
        if not any(each.holds for each in others):
            self._say(holds=True)
            others = self._others()
        if holders := [each for each in others if each.holds]:
            self._lost = (
                f"this process did not reach {self._table.connection.place.shown} for more than {EXPIRES:g} "
                f"seconds, and meanwhile {_named(holders)} began to write it; what was done is kept: run the "
                "command again"
            )
            raise LibraryLocked(self._lost)

    def _others(self) -> list[Sign]:
        """The leases of others that live; those of the dead are cleared away. The time is the server's: that
        of the latest sign of anyone, which is this one's own or later."""
        connection = self._table.connection
        names = ["owner", "name", "part", "data"]
        signs = [_sign(each) for each in self._table.scan(is_kind(LEASE), names, connection.strong)]
        now = max([connection.now(), *(sign.at for sign in signs)])
        dead = [sign for sign in signs if now - sign.at > EXPIRES and sign.id != self._id]
        self._clear([sign.id for sign in dead])
        return sorted(
            (sign for sign in signs if sign not in dead and sign.id != self._id), key=lambda sign: sign.order
        )

    def _clear(self, ids: Sequence[str]) -> None:
        self._table.delete([key(LEASE, each) for each in ids], checked=False)

    def _say(self, holds: bool) -> None:
        """Write the lease, with the latest time that is known of the server's clock."""
        with self._saying:
            sent = time.monotonic()
            owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": self._since}
            data = {"at": self._table.connection.now(), "holds": holds, "owner": owner}
            record = {"id": key(LEASE, self._id), "kind": LEASE, "name": self._id, "part": self._born}
            self._table.put([record | {"data": json.dumps(data)}], checked=False)
            self._beaten = sent

    def _beat(self) -> None:
        while not self._stop.wait(BEATS):
            with suppress(FindalikeError):  # the next write looks again, and tells what it finds
                if time.monotonic() - self._beaten < EXPIRES / 2:
                    self._say(holds=True)
                else:
                    self.check()


def _sign(record: Record) -> Sign:
    data = json.loads(record["data"])
    owner = data["owner"]
    named = f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    return Sign(record["name"], named, record["part"], data["at"], data["holds"])


def _named(several: Sequence[Sign]) -> str:
    holders = [sign for sign in several if sign.holds] or list(several)
    return holders[0].owner if holders else "another process"
