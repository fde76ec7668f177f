"""uvicorn's HTTP protocol, with bounds on what a client does before and after the application sees it.

The application cannot bound these: a request head that drips in, one that never ends, an answer that is
not taken, connections that only stay open. uvicorn bounds none but the pause between two requests.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from findalike.web.problems import problem_response

JUST_NOW = 1.0
"""Seconds in which a connection without a request is not idle: the next may be on its way."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """`head_seconds` from a connection's start, or the first byte of its next request, until the head is
    whole. `stall_seconds` in which a client takes nothing of an answer. `head_bytes` of a head, and of
    trailers. `connections` at once: one more, and the one that has been without a request for longest is
    dropped; where all have one, the newcomer is answered with the problem `busy`. `requests` at once: one
    more is answered with it too. `pipelined` requests that one connection may send ahead.
    """

    head_seconds: float = 10.0
    stall_seconds: float = 30.0
    head_bytes: int = 64 * 1024
    connections: int = 200
    requests: int = 160
    pipelined: int = 8


def bounded(bounds: Bounds = Bounds()) -> type[asyncio.Protocol]:
    """The class to give to uvicorn: `uvicorn.Config(app, http=bounded(), ws="none")`."""
    return type("BoundedProtocol", (_Bounded,), {"bounds": bounds})


class _HeadTooLong(Exception):
    """Ends the parser's work on a connection."""


class _Bounded(HttpToolsProtocol):
    bounds: Bounds

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._application = self.app
        self._waiting_since: float | None = self.loop.time()
        self._taken_at = self._answered = self.loop.time()
        self._crowded = False
        self._untaken = 0
        self._head = 0
        self._held = 0
        self._trailers = False

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def since(self) -> float:
        """Since when a connection that is idle waits for a request: from its opening, the first byte of a
        head, or its last answer."""
        return self._answered if self._waiting_since is None else self._waiting_since

    @property
    def answering(self) -> bool:
        """Whether an answer is under way, so that no other may be written now."""
        return bool(self.pipeline) or (not self.idle and self.cycle.response_started)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.bounds.connections:
            self._make_room()
        self._watch()

    def data_received(self, data: bytes) -> None:
        if self.idle and self._waiting_since is None:
            self._waiting_since = self.loop.time()
        self._held += len(data)
        super().data_received(data)
        if not self.idle:
            self._waiting_since = None
        if self._held > self.bounds.head_bytes:
            self._refuse_head()

    def resume_writing(self) -> None:
        self._taken_at = self.loop.time()
        super().resume_writing()

    def on_response_complete(self) -> None:
        self._answered = self.loop.time()
        super().on_response_complete()

    def on_message_begin(self) -> None:
        self._head = 0
        self._trailers = False
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        if not self._trailers:  # which uvicorn would add to headers that were already checked
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= self.bounds.pipelined:
            raise _HeadTooLong
        many = len(self.tasks) >= self.bounds.requests
        refusing = _one_too_many if self._crowded else _busy if many else None
        self.app = cast(Any, refusing) or self._application
        super().on_headers_complete()
        self._trailers = True

    def on_body(self, body: bytes) -> None:
        self._held = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        if self.answering:
            self.transport.abort()
        elif self._head > self.bounds.head_bytes:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def _count(self, size: int) -> None:
        """The parser has let go of what it held. It keeps a header line to itself until the next begins."""
        self._held = 0
        self._head += size
        if self._head > self.bounds.head_bytes:
            raise _HeadTooLong

    def _refuse_head(self) -> None:
        if self.answering:
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.write(STATUS_LINE[431] + b"content-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()

    def _watch(self) -> None:
        """Looks at this connection from time to time for as long as it is an HTTP one."""
        if self not in self.connections:
            return
        if self._waits_too_long() or self._takes_too_long():
            self.transport.abort()
            return
        self.loop.call_later(min(self.bounds.head_seconds, self.bounds.stall_seconds) / 5, self._watch)

    def _waits_too_long(self) -> bool:
        since = self._waiting_since
        return since is not None and self.loop.time() - since > self.bounds.head_seconds

    def _takes_too_long(self) -> bool:
        untaken = self.transport.get_write_buffer_size()
        if not untaken or untaken < self._untaken:
            self._taken_at = self.loop.time()
        self._untaken = untaken
        return self.loop.time() - self._taken_at > self.bounds.stall_seconds

    def _make_room(self) -> None:
        """Drops the connection that has been of no use for longest, first of those with half a head. Where
        all are in use this one is told to come back, or dropped where too many are told."""
        until = self.loop.time() - JUST_NOW
        others = [other for other in self.connections if isinstance(other, _Bounded) and other is not self]
        useless = [other for other in others if other.idle and other.since < until]
        if useless:
            oldest = min(useless, key=lambda other: (other._waiting_since is None, other.since))
            self.connections.discard(oldest)
            oldest.transport.abort()
        elif len(self.connections) > 2 * self.bounds.connections:
            self.connections.discard(self)
            self.transport.abort()
        else:
            self._crowded = True


async def _busy(scope: Scope, receive: Receive, send: Send) -> None:
    await problem_response("busy", "Too many requests at once.")(scope, receive, send)


async def _one_too_many(scope: Scope, receive: Receive, send: Send) -> None:
    closing = {"Connection": "close"}
    await problem_response("busy", "Too many clients at once.", closing)(scope, receive, send)
