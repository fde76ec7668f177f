"""What stands before the application: who may ask, how much, and how slowly.

Each is a plain ASGI middleware with one duty, and answers with a problem. From the outside in:
`Headers(HostCheck(SameOrigin(BodyLimit(app))))`, so that refusals carry the headers too.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterable
from ipaddress import ip_address

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from findalike.web.problems import PROBLEMS, problem_response

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"

_HOST = re.compile(
    r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9_-][a-z0-9._-]{0,253}))(?::([0-9]{1,5}))?", re.IGNORECASE
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_DRAIN = 2.0
_QUIET = 0.3
_CLOSE = {"Connection": "close"}


class HostCheck:
    """Answers only under the server's own names. Another site can point its name at this machine (DNS
    rebinding) and then read answers as its own, but the browser still says that name.

    `hosts` are names and addresses without port. `any_address`: any IP address will do as well, since no
    one can point an address elsewhere.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], any_address: bool = False) -> None:
        self.app = app
        self.hosts = frozenset(_canonical(host.strip("[]")) for host in hosts)
        self.any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"} or self._mine(scope):
            return await self.app(scope, receive, send)
        detail = "Ask under a name that the server has, or let its operator add this one."
        return await _refuse("bad-host", detail, scope, receive, send)

    def _mine(self, scope: Scope) -> bool:
        given = _values(scope, b"host")
        found = split_host(given[0]) if len(given) == 1 else None
        if found is None:
            return False
        return found[0] in self.hosts or (self.any_address and _is_address(found[0]))


class SameOrigin:
    """Refuses to be changed by the pages of other sites, which a browser sends here as willingly as ours.

    Of what a browser says, `Origin` must be this server or among `origins` (`https://shop.example`), and
    `Sec-Fetch-Site` must not be another site or port. A program that says neither is no browser. Reading
    is not stopped here: without CORS headers a browser keeps the answer from other sites' pages.
    """

    def __init__(self, app: ASGIApp, origins: Iterable[str] = ()) -> None:
        self.app = app
        self.origins = frozenset(origin.lower().rstrip("/") for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reads = scope["type"] == "http" and scope["method"] in SAFE_METHODS
        if scope["type"] not in {"http", "websocket"} or reads or self._ours(scope):
            return await self.app(scope, receive, send)
        detail = "Only this server's own pages, and those that its operator allows, may do this."
        return await _refuse("cross-site", detail, scope, receive, send)

    def _ours(self, scope: Scope) -> bool:
        origins = [origin.lower() for origin in _values(scope, b"origin")]
        if len(origins) == 1 and origins[0] in self.origins:
            return True
        if origins and (len(origins) > 1 or not _is_own(origins[0], scope)):
            return False
        return all(site in {"same-origin", "none"} for site in _values(scope, b"sec-fetch-site"))


class BodyLimit:
    """Bounds what is sent here, and how long this server waits for a client.

    `bytes`: of a body, told by its header or counted as it comes. `together`: of all bodies that are being
    answered. `seconds` of waiting for a whole body, `stall` for each piece of it, and for a client to take
    each piece of an answer. What the application does in between counts for none.
    """

    def __init__(
        self,
        app: ASGIApp,
        bytes: int,  # noqa: A002
        seconds: float = 60.0,
        stall: float = 20.0,
        together: int | None = None,
    ) -> None:
        self.app = app
        self.bytes = bytes
        self.together = 8 * bytes if together is None else together
        self.held = 0
        self.seconds = seconds
        self.stall = stall

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        exchange = _Exchange(self, receive, send)
        if refusal := self._refusal(scope):
            return await exchange.refuse(refusal, scope)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception:
            if not exchange.refusal:
                raise
        finally:
            self.held -= exchange.bytes
        if exchange.refusal and not exchange.started:
            await exchange.refuse(exchange.refusal, scope)
        return None

    def _refusal(self, scope: Scope) -> str:
        """The code of what the headers alone give away, or nothing."""
        lengths = _values(scope, b"content-length")
        if not lengths:
            return ""
        digits = lengths[0].isascii() and lengths[0].isdigit()
        if len(lengths) > 1 or not digits or _values(scope, b"transfer-encoding"):
            return "bad-request"
        return "too-large" if len(lengths[0]) > 18 or int(lengths[0]) > self.bytes else ""


class Headers:
    """Adds the headers that keep a browser from misusing answers, wherever the answer has not its own."""

    def __init__(self, app: ASGIApp, csp: str, policy: str = POLICY) -> None:
        self.app = app
        headers = {
            "content-security-policy": csp,
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": policy,
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
        }
        self.headers = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                own = {name.lower() for name, _ in given}
                message = {
                    **message,
                    "headers": given + [pair for pair in self.headers if pair[0] not in own],
                }
            await send(message)

        await self.app(scope, receive, add)


class _Exchange:
    """One request and its answer under a `BodyLimit`."""

    def __init__(self, limit: BodyLimit, receive: Receive, send: Send) -> None:
        self.limit = limit
        self.refusal = ""
        self.started = False
        self._receive = receive
        self._send = send
        self._seconds = limit.seconds
        self.bytes = 0
        self._whole = False
        self._gone = False

    async def receive(self) -> Message:
        if self._gone:
            return {"type": "http.disconnect"}
        if self._whole:
            return await self._receive()
        message = await self._piece()
        size = len(message.get("body", b""))
        self.bytes += size
        self.limit.held += size
        self._whole = not message.get("more_body", False)
        if self.bytes > self.limit.bytes:
            raise self._refused("too-large")
        if self.limit.held > self.limit.together:
            raise self._refused("busy")
        return message

    async def _piece(self) -> Message:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(min(self._seconds, self.limit.stall)):
                return await self._receive()
        except TimeoutError:
            raise self._refused("slow") from None
        finally:
            self._seconds -= clock() - began

    def _refused(self, code: str) -> HTTPException:
        """What the application sees; whatever it answers to that, the client is told the refusal."""
        self.refusal = code
        return HTTPException(PROBLEMS[code][0], PROBLEMS[code][1])

    async def send(self, message: Message) -> None:
        if self._gone or (self.refusal and not self.started):
            return
        self.started = True
        try:
            async with asyncio.timeout(self.limit.stall):
                await self._send(message)
        except TimeoutError:
            self._gone = True

    async def refuse(self, code: str, scope: Scope) -> None:
        """The answer, and then a look at what is still coming: closed at once, many a client would see a
        broken connection and no answer."""
        details = {
            "bad-request": "The length of the body must be told once, as a number, and not for chunks.",
            "too-large": f"A request may have {self.limit.bytes / 2**20:,.3g} MiB: send less at once.",
            "busy": "So much is being sent at once that there is no room for more.",
            "slow": f"A body must come within {self.limit.seconds:g} seconds, "
            f"and no piece of it {self.limit.stall:g} seconds after another.",
        }
        self.refusal = ""

        async def hold(message: Message) -> None:
            last = message["type"] == "http.response.body"
            await self.send({**message, "more_body": True} if last else message)

        await problem_response(code, details[code], _CLOSE)(scope, self._receive, hold)
        if code in ("too-large", "busy"):
            await self._drain()
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _drain(self) -> None:
        """Drops what still comes, for a short while and as long as it does."""
        clock = asyncio.get_running_loop().time
        end = clock() + _DRAIN
        with contextlib.suppress(TimeoutError):
            while not self._whole and clock() < end:
                async with asyncio.timeout(_QUIET):
                    self._whole = not (await self._receive()).get("more_body", False)


def split_host(value: str) -> tuple[str, int | None] | None:
    """A Host header as a name or address, folded and without brackets and final dot, and its port; None
    for what is neither: `[::1]:8000` is ("::1", 8000)."""
    found = _HOST.fullmatch(value)
    if not found:
        return None
    host = found[1] or found[2]
    port = int(found[3]) if found[3] else None
    if (found[1] and not _is_address(host)) or (port or 0) > 65535:
        return None
    return _canonical(host), port


def _canonical(host: str) -> str:
    folded = host.lower().removesuffix(".")
    return str(ip_address(folded)) if _is_address(folded) else folded


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_own(origin: str, scope: Scope) -> bool:
    """Whether an origin is the host and port that the request itself names. The scheme is left out: a
    proxy may have taken TLS away."""
    hosts = _values(scope, b"host")
    scheme, _, authority = origin.partition("://")
    own = split_host(hosts[0]) if len(hosts) == 1 else None
    theirs = split_host(authority)
    if own is None or theirs is None or scheme not in _DEFAULT_PORTS:
        return False
    usual = _DEFAULT_PORTS[scheme]
    return (own[0], own[1] or usual) == (theirs[0], theirs[1] or usual)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


async def _refuse(code: str, detail: str, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await problem_response(code, detail)(scope, receive, send)
