"""Slow, greedy and broken clients at a real server: they are let go, and others are served."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from findalike.web.protocol import JUST_NOW, Bounds, bounded

USUAL = Bounds()
HASTY = Bounds(head_seconds=0.4, stall_seconds=0.4)
SOON = 4.0
"""Seconds within which what takes 0.4 must have happened on a busy machine."""

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass(frozen=True)
class Served:
    port: int
    server: uvicorn.Server

    def connect(self) -> closing[socket.socket]:
        return closing(socket.create_connection(("127.0.0.1", self.port), 10))

    def ask(self, request: bytes, seconds: float = 10.0) -> bytes:
        """Sends all of it and reads to the end."""
        with self.connect() as line:
            line.settimeout(seconds)
            line.sendall(request)
            return read(line)

    def connections(self, wanted: int) -> bool:
        """Whether the server soon has that many."""
        return soon(lambda: len(self.server.server_state.connections) == wanted)


@contextmanager
def serving(app: ASGIApp, bounds: Bounds = USUAL) -> Iterator[Served]:
    """A real server on loopback."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    config = uvicorn.Config(
        app,
        http=bounded(bounds),
        ws="none",
        lifespan="off",
        log_level="critical",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    assert soon(lambda: server.started)
    yield Served(listener.getsockname()[1], server)
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def soon(true: Any, seconds: float = SOON) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def read(line: socket.socket) -> bytes:
    """All until the other side closes, cleanly or not."""
    got = bytearray()
    with suppress(ConnectionError):
        while piece := line.recv(65_536):
            got += piece
    return bytes(got)


def answer(line: socket.socket) -> bytes:
    """One answer of a connection that stays open."""
    got = bytearray()
    while b"\r\n\r\n" not in got and (piece := line.recv(4096)):
        got += piece
    head, _, body = bytes(got).partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    while length and len(body) < int(length[1]) and (piece := line.recv(4096)):
        body += piece
    return head + b"\r\n\r\n" + body


def ends(line: socket.socket, byte: bytes = b"") -> float:
    """Seconds until the other side has closed, while `byte` is sent to it now and then."""
    began = time.monotonic()
    line.settimeout(0.05)
    while time.monotonic() - began < SOON:
        try:
            if byte:
                line.sendall(byte)
            if not line.recv(65_536):
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    else:
        raise AssertionError("still open")
    return time.monotonic() - began


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes the whole body and tells how long it was, and the headers that came after the head."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = json.dumps({"size": size, "headers": len(scope["headers"])}).encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def serve() -> Iterator[Any]:
    """serve(app, bounds): the same app and bounds are the same server."""
    with ExitStack() as stack:
        yield cache(lambda *given: stack.enter_context(serving(*given)))


def served_well(server: Served) -> bool:
    with server.connect() as line:
        line.sendall(GET)
        return answer(line).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("first", "byte"),
    [
        (b"", b""),
        (b"GET", b""),
        (b"GET / HTTP/1.1\r\nA: ", b"b"),
        (b"", b"\r\n"),
        (b"GET / HTTP/1.1\r\n", b"A:b\r\n"),
    ],
    ids=["nothing", "stopped", "value drips", "empty lines", "headers drip"],
)
def test_a_head_must_come_in_time(serve: Any, first: bytes, byte: bytes) -> None:
    server = serve(hello, HASTY)
    with server.connect() as line:
        line.sendall(first)
        assert ends(line, byte) > 0.2
    assert served_well(server)


def test_the_head_of_a_later_request_must_come_in_time(serve: Any) -> None:
    server = serve(hello, HASTY)
    with server.connect() as line:
        for _ in range(3):
            line.sendall(GET)
            assert answer(line).startswith(b"HTTP/1.1 200")
            time.sleep(0.3)  # three times this is longer than a head may take
        line.sendall(b"GET / HT")
        assert ends(line, b"") > 0.2


def test_a_slow_answer_is_not_a_slow_head(serve: Any) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(1.2)
        await hello(scope, receive, send)

    assert served_well(serve(slow, HASTY))


def test_a_body_that_nobody_waits_for_must_end_too(serve: Any) -> None:
    async def curt(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    server = serve(curt, HASTY)
    with server.connect() as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        assert ends(line, b"x") > 0.2


LONG = b"x" * 1_000_000


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + LONG,
        b"GET / HTTP/1.1\r\nA: " + LONG,
        b"GET / HTTP/1.1\r\n" + LONG,
        b"GET / HTTP/1.1\r\n" + b"A:b\r\n" * 20_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nA: " + LONG[:66_000] + b"\r\n\r\n",
        b"\r\n" * 200_000,
    ],
    ids=["path", "value", "name", "many", "whole", "empty lines"],
)
def test_a_head_is_bounded(serve: Any, request_: bytes) -> None:
    server = serve(hello)
    with server.connect() as line:
        with suppress(ConnectionError):
            line.sendall(request_)
        told = read(line)
    assert told == b"" or told.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert served_well(server)


def test_a_long_head_is_told(serve: Any) -> None:
    head = b"GET / HTTP/1.1\r\nCookie: " + LONG[:65_600] + b"\r\n\r\n"
    assert serve(hello).ask(head) == (
        b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    head = b"GET / HTTP/1.1\r\nConnection: close\r\nCookie: " + LONG[:65_000] + b"\r\n\r\n"
    assert serve(hello).ask(head).startswith(b"HTTP/1.1 200 OK\r\n")


def test_trailers_are_bounded_and_no_headers(serve: Any) -> None:
    server = serve(hello)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    told = server.ask(head + b"3\r\nabc\r\n0\r\nOrigin: null\r\nHost: b\r\n\r\n")
    assert told.endswith(b'{"size": 3, "headers": 3}')
    with server.connect() as line:
        with suppress(ConnectionError):
            line.sendall(head + b"0\r\nA: " + LONG)
        assert b" 200 " not in read(line)


def test_much_body_is_no_long_head(serve: Any) -> None:
    server = serve(hello)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    told = head + b"Content-Length: 5000000\r\n\r\n" + LONG * 5
    assert b'"size": 5000000' in server.ask(told)
    chunks = head + b"Transfer-Encoding: chunked\r\n\r\n" + b"F4240\r\n%s\r\n" % LONG * 5 + b"0\r\n\r\n"
    assert b'"size": 5000000' in server.ask(chunks)


def test_who_does_not_take_an_answer_is_dropped(serve: Any) -> None:
    async def much(scope: Scope, receive: Receive, send: Send) -> None:
        size = 64 * 2**20
        headers = [(b"content-length", b"%d" % size)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(size)})

    server = serve(much, Bounds(head_seconds=0.4, stall_seconds=1.0))
    with server.connect() as line:
        line.sendall(GET)
        assert server.connections(1)
        assert server.connections(0)
    with server.connect() as line:
        line.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        got = 0
        for _ in range(12):  # slower than it is sent, and longer than a stall
            time.sleep(0.1)
            got += len(line.recv(500_000))
        assert got + len(read(line)) > 64 * 2**20


def test_half_open_connections_keep_nobody_out(serve: Any) -> None:
    server = serve(hello)
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(server.connect()).sendall(b"GET / HTTP/1.1\r\nA: b\r\n")
        assert soon(lambda: len(server.server.server_state.connections) >= 100)
        assert served_well(server)


def served_at_last(server: Served) -> bool:
    with suppress(ConnectionError):
        return served_well(server)
    return False


def test_the_oldest_that_waits_makes_room(serve: Any) -> None:
    server = serve(hello, Bounds(connections=20))
    with ExitStack() as stack:
        for _ in range(3):
            lines = [stack.enter_context(server.connect()) for _ in range(40)]
            for line in lines:
                with suppress(ConnectionError):
                    line.sendall(b"GET / HT")
            assert soon(lambda: served_at_last(server))
            assert len(server.server.server_state.connections) <= 40


def test_idle_connections_lock_nobody_out(serve: Any) -> None:
    """They are dropped for a newcomer, the one that was answered longest ago first."""
    server = serve(hello, Bounds(connections=10))
    with ExitStack() as stack:
        idle = [stack.enter_context(server.connect()) for _ in range(10)]
        for line in idle:
            line.sendall(GET)
            assert b" 200 OK" in answer(line)
        time.sleep(JUST_NOW + 0.1)
        for _ in range(5):
            assert served_well(server)
        idle[-1].sendall(GET)
        assert b" 200 OK" in answer(idle[-1])


def test_a_crowd_is_told_to_come_back(serve: Any) -> None:
    """Of clients that all have just asked none is dropped for another; one more gets an answer too."""
    server = serve(hello, Bounds(connections=10))
    with ExitStack() as stack:
        crowd = [stack.enter_context(server.connect()) for _ in range(15)]
        answers = []
        for line in crowd:
            line.sendall(GET)
            answers.append(answer(line))
    assert sum(b" 200 OK" in told for told in answers) == 10
    refused = [told for told in answers if b" 503 " in told]
    assert len(refused) == 5
    assert all(b"retry-after: 1" in told and b"connection: close" in told.lower() for told in refused)


def test_one_request_too_many_is_told_to_come_back(serve: Any) -> None:
    waiting: list[asyncio.Event] = []

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/wait":
            waiting.append(asyncio.Event())
            await waiting[-1].wait()
        await hello(scope, receive, send)

    server = serve(wait, Bounds(requests=3))
    with ExitStack() as stack:
        lines = [stack.enter_context(server.connect()) for _ in range(3)]
        for line in lines:
            line.sendall(GET.replace(b"/ ", b"/wait "))
        assert soon(lambda: len(waiting) == 3)
        with server.connect() as line:
            line.sendall(GET)
            told = answer(line)
            assert told.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert b"retry-after: 1\r\n" in told
            assert b"content-type: application/problem+json\r\n" in told
            assert json.loads(told.partition(b"\r\n\r\n")[2])["code"] == "busy"
            for event in waiting:
                server.server.servers[0].get_loop().call_soon_threadsafe(event.set)
            assert soon(lambda: not server.server.server_state.tasks)
            line.sendall(GET)
            assert answer(line).startswith(b"HTTP/1.1 200")


def test_requests_sent_ahead_are_bounded(serve: Any) -> None:
    started = []

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        started.append(1)
        await asyncio.sleep(0.2)
        await hello(scope, receive, send)

    server = serve(slow, Bounds(pipelined=4))
    with server.connect() as line:
        line.sendall(GET * 5)
        got = b""
        while got.count(b" 200 OK") < 5:
            got += line.recv(4096)
        line.sendall(GET * 5_000)
        read(line)
    assert len(started) < 20
    assert server.connections(0)


BROKEN = [
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET /a b HTTP/1.1\r\n\r\n",
    b"GET /a\x01 HTTP/1.1\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    b"BREW / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
]


@pytest.mark.parametrize("request_", BROKEN)
def test_broken_requests(serve: Any, request_: bytes) -> None:
    server = serve(hello, HASTY)
    assert server.ask(request_).startswith(b"HTTP/1.1 400 ")
    assert served_well(server)


def test_a_broken_request_does_not_break_into_an_answer(serve: Any) -> None:
    async def long(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"20")]})
        await send({"type": "http.response.body", "body": b"0123456789", "more_body": True})
        await asyncio.sleep(0.3)
        await send({"type": "http.response.body", "body": b"0123456789"})

    server = serve(long)
    with server.connect() as line:
        line.sendall(GET)
        assert soon(lambda: b"0123456789" in line.recv(4096, socket.MSG_PEEK))
        line.sendall(b"nonsense\r\n\r\n")
        assert b" 400 " not in read(line)
