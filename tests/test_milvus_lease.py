"""The lease of a library's one writer on a real Milvus server."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from findalike.errors import LibraryLocked
from findalike.store import milvus_lease
from findalike.store.milvus_connection import Connection
from findalike.store.milvus_lease import LEASE, Lease
from findalike.store.milvus_place import place
from findalike.store.milvus_tables import Table, Tables, key
from findalike.store.milvus_things import is_kind

pytest_plugins = ["milvus_server"]


@pytest.fixture(scope="module")
def tables(milvus: str) -> Iterator[list[Table]]:
    """The same collection as two processes have it."""
    name = f"lease{uuid.uuid4().hex[:8]}"
    connections = [Connection(place(f"milvus://{milvus}/{name}?patience=20")) for _ in range(2)]
    both = [Tables(connection) for connection in connections]
    for each in both:
        each.open([each.things], make=True)
    yield [each.things for each in both]
    both[0].drop(both[0].things)
    for connection in connections:
        connection.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus_lease, "EXPIRES", 2.0)
    monkeypatch.setattr(milvus_lease, "BEATS", 0.3)


def left(table: Table) -> int:
    return len(list(table.scan(is_kind(LEASE), [], table.connection.strong)))


def test_one_holds_and_others_are_told_who(tables: list[Table]) -> None:
    first, second = tables
    with Lease(first).held(5), pytest.raises(LibraryLocked) as caught, Lease(second).held(0):
        pass
    told = str(caught.value)
    assert f"process {os.getpid()} on {socket.gethostname()} since 2" in told
    assert left(first) == 0
    with Lease(second).held(5):
        assert left(first) == 1


def test_who_waits_gets_it_when_it_is_free(tables: list[Table]) -> None:
    first, second = tables
    with ExitStack() as holding:
        holding.enter_context(Lease(first).held(5))
        threading.Timer(1.0, holding.pop_all().close).start()
        began = time.monotonic()
        with Lease(second).held(10):
            assert time.monotonic() - began > 0.7


def test_a_holder_that_lives_keeps_it_however_long(
    tables: list[Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus_lease, "EXPIRES", 5.0)  # a busy machine may be silent for two seconds
    first, second = tables
    with Lease(first).held(5), pytest.raises(LibraryLocked), Lease(second).held(2 * milvus_lease.EXPIRES):
        pass


def test_of_many_one_at_a_time(tables: list[Table]) -> None:
    held: list[str] = []
    most = []

    def write(name: str, table: Table) -> None:
        with Lease(table).held(60):
            held.append(name)
            most.append(len(held))
            time.sleep(0.05)
            held.remove(name)

    threads = [threading.Thread(target=write, args=(str(n), tables[n % 2])) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 5


def test_a_dead_holder_is_cleared_away(tables: list[Table]) -> None:
    first, second = tables
    dead = Lease(first)
    dead._acquire(5)  # and no sign of life after that
    began = time.monotonic()
    with Lease(second).held(20):
        assert time.monotonic() - began > 1
        assert left(second) == 1


def test_a_holder_that_was_stopped_notices_before_it_writes(tables: list[Table]) -> None:
    first, second = tables
    stopped = Lease(first)
    stopped._acquire(5)
    first.connection.before_write = stopped.check
    try:
        with Lease(second).held(20):
            wanted = re.escape(f"process {os.getpid()}")
            for _ in range(2):
                with pytest.raises(LibraryLocked, match=f"{wanted}.*run the command again"):
                    first.put([{"id": key("x"), "kind": "x"}])
            assert not list(second.by_keys("id", [key("x")], [], seen=second.connection.strong))
    finally:
        first.connection.before_write = lambda: None


def test_a_holder_that_was_stopped_goes_on_when_nobody_else_came(tables: list[Table]) -> None:
    first, _ = tables
    stopped = Lease(first)
    stopped._acquire(5)
    time.sleep(milvus_lease.EXPIRES + 0.5)
    stopped.check()
    assert left(first) == 1
    stopped._clear([stopped._id])
