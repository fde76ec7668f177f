"""Who may ask, how much and how slowly: each middleware alone, and all of them in a real server."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import cache
from typing import Any

import pytest
from fastapi import FastAPI, Request, UploadFile
from fastapi.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from findalike.web.guard import BodyLimit, Headers, HostCheck, SameOrigin, split_host
from test_web_protocol import Served, answer, ends, read, serving, soon

CSP = "default-src 'self'"


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": b"ok"})


def status(app: ASGIApp, headers: list[tuple[bytes, bytes]], method: str = "GET", kind: str = "http") -> int:
    """What an app answers to a request without body; to a websocket, the code it closes with."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": kind, "method": method, "path": "/", "query_string": b"", "headers": headers}
    asyncio.run(app(scope, receive, send))
    return int(sent[0].get("status") or sent[0].get("code"))


def host(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", value.encode("latin-1")) for value in values]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("localhost", ("localhost", None)),
        ("LocalHost.:8000", ("localhost", 8000)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]", ("::1", None)),
        ("[0:0:0:0:0:0:0:1]:8000", ("::1", 8000)),
        ("[::FFFF:127.0.0.1]", ("::ffff:7f00:1", None)),
        ("my_shop-1.example", ("my_shop-1.example", None)),
    ],
)
def test_splits_a_host(given: str, meant: tuple[str, int | None]) -> None:
    assert split_host(given) == meant


ODD = [
    *(
        "",
        ":",
        ":80",
        "a:",
        "a:b",
        "a:99999",
        "a:-1",
        "a:080808",
        "a b",
        " a",
        "a ",
        "a,b",
        "a/b",
        "a@b",
        "a#b",
    ),
    *(
        "::1",
        "[::1",
        "::1]",
        "[::1]x",
        "[]",
        "[a]",
        "[fe80::1%25eth0]",
        "[127.0.0.1]:",
        "a\tb",
        "a\r\nb",
        "ä",
    ),
    *(".a", "a" * 300, "a\x00", "a\\b", "a?b", "*"),
]


@pytest.mark.parametrize("given", ODD)
def test_splits_no_odd_host(given: str) -> None:
    assert split_host(given) is None
    assert status(HostCheck(plain, frozenset({"a", "::1"}), any_address=True), host(given)) == 421


@pytest.mark.parametrize(
    ("values", "allowed", "allowed_by_address"),
    [
        (("localhost:8000",), True, True),
        (("LOCALHOST.",), True, True),
        (("shop.example",), True, True),
        (("[::1]:8000",), True, True),
        (("192.168.1.5:8000",), False, True),
        (("[fd00::5]",), False, True),
        (("evil.example",), False, False),
        (("localhost.evil.example",), False, False),
        (("127.0.0.1.nip.io",), False, False),
        (("evil.example:localhost",), False, False),
        (("2130706433",), False, False),
        (("127.1",), False, False),
        (("0x7f.0.0.1",), False, False),
        ((), False, False),
        (("localhost", "localhost"), False, False),
        (("localhost", "evil.example"), False, False),
    ],
)
def test_host(values: tuple[str, ...], allowed: bool, allowed_by_address: bool) -> None:
    names = frozenset({"localhost", "Shop.Example", "[::1]"})
    for kind, refused in (("http", 421), ("websocket", 1008)):
        assert status(HostCheck(plain, names), host(*values), kind=kind) == (200 if allowed else refused)
        any_ = HostCheck(plain, names, any_address=True)
        assert status(any_, host(*values), kind=kind) == (200 if allowed_by_address else refused)


OWN = "http://localhost:8000"
SHOP = "https://shop.example"


@pytest.mark.parametrize(
    ("origin", "site", "allowed"),
    [
        (None, None, True),
        (None, "same-origin", True),
        (None, "none", True),
        (None, "cross-site", False),
        (None, "same-site", False),
        (None, "odd", False),
        (OWN, None, True),
        (OWN, "same-origin", True),
        ("HTTPS://LocalHost:8000", None, True),
        (OWN, "cross-site", False),
        (OWN, "same-site", False),
        ("http://localhost:3000", "same-site", False),
        ("http://localhost:3000", None, False),
        ("http://localhost", None, False),
        ("http://127.0.0.1:8000", None, False),
        ("http://evil.example:8000", None, False),
        ("http://localhost:8000.evil.example", None, False),
        ("http://localhost:8000@evil.example", None, False),
        ("file://localhost:8000", None, False),
        ("null", None, False),
        ("null", "same-origin", False),
        ("", None, False),
        ("localhost:8000", None, False),
        (SHOP, "cross-site", True),
        (SHOP.upper(), None, True),
        ("http://shop.example", None, False),
        ("https://shop.example:444", None, False),
        ("https://shop.example.evil", None, False),
    ],
)
def test_origin(origin: str | None, site: str | None, allowed: bool) -> None:
    headers = host("localhost:8000")
    headers += [(b"origin", origin.encode())] if origin is not None else []
    headers += [(b"sec-fetch-site", site.encode())] if site else []
    app = SameOrigin(plain, frozenset({SHOP + "/"}))
    for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "odd"):
        assert status(app, headers, method) == (200 if allowed else 403)
    assert status(app, headers, kind="websocket") == (200 if allowed else 1008)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert status(app, headers, method) == 200


@pytest.mark.parametrize(
    ("named", "origin", "allowed"),
    [
        ("shop.example", "https://shop.example", True),
        ("shop.example:443", "https://shop.example", True),
        ("shop.example", "http://shop.example:80", True),
        ("shop.example:443", "http://shop.example", False),
        ("[::1]:8000", "http://[::1]:8000", True),
        ("[::1]:8000", "http://[::2]:8000", False),
    ],
)
def test_own_origin_with_usual_ports(named: str, origin: str, allowed: bool) -> None:
    headers = [*host(named), (b"origin", origin.encode())]
    assert status(SameOrigin(plain), headers, "POST") == (200 if allowed else 403)


def test_origin_given_twice_or_without_a_host() -> None:
    twice = [*host("localhost:8000"), (b"origin", OWN.encode()), (b"origin", b"http://evil.example")]
    assert status(SameOrigin(plain, {OWN}), twice, "POST") == 403
    assert status(SameOrigin(plain), [(b"origin", OWN.encode())], "POST") == 403


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ([(b"content-length", b"1000")], 0),
        ([(b"content-length", b"0001000")], 0),
        ([(b"content-length", b"1001")], 413),
        ([(b"content-length", b"9" * 5000)], 413),
        ([(b"content-length", b"-1")], 400),
        ([(b"content-length", b"+1")], 400),
        ([(b"content-length", b"1_0")], 400),
        ([(b"content-length", b"0x10")], 400),
        ([(b"content-length", b"1, 1")], 400),
        ([(b"content-length", b"")], 400),
        ([(b"content-length", "²".encode("latin-1"))], 400),
        ([(b"content-length", b"1"), (b"content-length", b"1")], 400),
        ([(b"content-length", b"1"), (b"transfer-encoding", b"chunked")], 400),
    ],
)
def test_told_length(headers: list[tuple[bytes, bytes]], refused: int) -> None:
    assert status(BodyLimit(plain, 1000), headers, "POST") == (refused or 200)


app = FastAPI()
seen: list[str] = []


@app.post("/json")
async def whole(request: Request) -> int:
    """Goes on, whatever reading raises: the limit must hold against that."""
    try:
        return len(await request.body())
    except Exception as error:
        seen.append(type(error).__name__)
        return -1


@app.post("/parsed")
async def parsed(body: dict[str, Any]) -> int:
    return len(body)


@app.post("/upload")
async def upload(file: UploadFile) -> int:
    return file.size or 0


@app.post("/late")
async def late(request: Request) -> int:
    """Takes its time before it reads."""
    await asyncio.sleep(0.8)
    return len(await request.body())


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(2_000):
        await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
    seen.append("endless ended")
    await send({"type": "http.response.body", "body": b""})


app.mount("/endless", endless)


@app.get("/go/{where:path}")
async def go(where: str) -> RedirectResponse:
    return RedirectResponse("/" + where)


@app.get("/echo/{what:path}")
async def echo(what: str, request: Request) -> dict[str, str]:
    return {"what": what, "header": request.headers.get("x-what", "")}


@pytest.fixture(scope="module")
def serve() -> Iterator[Any]:
    """serve(bytes, seconds, stall) is a server with all of the guards."""

    def guarded(*limits: Any) -> ASGIApp:
        names = frozenset({"localhost", "127.0.0.1"})
        return Headers(HostCheck(SameOrigin(BodyLimit(app, *limits)), names), CSP)

    with ExitStack() as stack:
        yield cache(lambda *limits: stack.enter_context(serving(guarded(*limits))))


def post(path: str, body: bytes, *headers: bytes) -> bytes:
    lines = [b"POST %s HTTP/1.1" % path.encode(), b"Host: localhost", *headers]
    if not any(header.lower().startswith((b"content-length", b"transfer")) for header in headers):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def told(got: bytes) -> tuple[int, Any]:
    """The status and the code of a problem, or the content."""
    head, _, body = got.partition(b"\r\n\r\n")
    content = json.loads(body)
    assert b"x-content-type-options: nosniff" in head
    return int(head.split()[1]), content.get("code") if isinstance(content, dict) else content


def ask(server: Served, request: bytes) -> tuple[int, Any]:
    with server.connect() as line:
        with suppress(ConnectionError):
            line.sendall(request)
        return told(answer(line))


def chunks(size: int, count: int) -> bytes:
    return b"%x\r\n%s\r\n" % (size, b"x" * size) * count


JSON = b"Content-Type: application/json"
CHUNKED = b"Transfer-Encoding: chunked"
FORM = b"Content-Type: multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


def test_bodies_within_the_limit(serve: Any) -> None:
    server = serve(100_000, 10.0, 10.0)
    assert ask(server, post("/json", b"x" * 100_000)) == (200, 100_000)
    assert ask(server, post("/json", b"")) == (200, 0)
    assert ask(server, post("/json", chunks(10_000, 10) + b"0\r\n\r\n", CHUNKED)) == (200, 100_000)
    assert ask(server, post("/upload", PART + b"x" * 90_000 + b"\r\n--b--\r\n", FORM)) == (200, 90_000)


@pytest.mark.parametrize("path", ["/json", "/parsed", "/upload", "/nowhere"])
def test_a_told_length_is_refused_before_it_is_read(serve: Any, path: str) -> None:
    server = serve(100_000, 10.0, 10.0)
    with server.connect() as line:
        line.sendall(post(path, b"", b"Content-Length: 100001"))
        got = answer(line)
        assert told(got) == (413, "too-large")
        assert b"connection: close" in got
    assert b"100 Continue" not in server.ask(
        post(path, b"", b"Content-Length: 100001", b"Expect: 100-continue"), 20
    )


@pytest.mark.parametrize(
    ("path", "kind"), [("/json", JSON), ("/parsed", JSON), ("/upload", FORM)], ids=["raw", "parsed", "form"]
)
def test_chunks_are_counted_as_they_come(serve: Any, path: str, kind: bytes) -> None:
    server = serve(100_000, 10.0, 10.0)
    start = b"%x\r\n%s\r\n" % (len(PART), PART) if kind == FORM else b""
    with server.connect() as line:
        with suppress(ConnectionError):
            line.sendall(post(path, start + chunks(50_000, 3), CHUNKED, kind))  # and no end
        assert told(answer(line)) == (413, "too-large")


def test_a_client_that_sends_on_still_sees_why(serve: Any) -> None:
    server = serve(100_000, 10.0, 10.0)
    with server.connect() as line:
        line.sendall(post("/json", b"x" * 20_000_000))
        assert told(read(line)) == (413, "too-large")


@pytest.mark.parametrize("path", ["/json", "/parsed", "/upload"])
@pytest.mark.parametrize("byte", [b"", b"x"], ids=["stops", "drips"])
def test_a_slow_body(serve: Any, path: str, byte: bytes) -> None:
    server = serve(100_000, 0.8, 0.4)
    kind = FORM if path == "/upload" else JSON
    with server.connect() as line:
        line.sendall(post(path, PART, b"Content-Length: 90000", kind))
        got, began = b"", time.monotonic()
        line.settimeout(0.05)
        while b"}" not in got and time.monotonic() - began < 4:
            with suppress(TimeoutError):
                line.sendall(byte)
                got += line.recv(4096)
        assert told(got) == (408, "slow")
        assert b"connection: close" in got
        assert (0.6 if byte else 0.3) < time.monotonic() - began
        ends(line)


def test_time_that_the_application_takes_is_not_the_clients(serve: Any) -> None:
    server = serve(100_000, 0.4, 0.4)
    assert ask(server, post("/late", b"abc")) == (200, 3)


def test_who_does_not_read_is_dropped(serve: Any) -> None:
    server = serve(100_000, 0.8, 0.4)
    seen.clear()
    with server.connect() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(b"GET /endless/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert soon(lambda: seen == ["endless ended"])
        assert soon(lambda: not server.server.server_state.tasks)


def test_who_reads_slowly_is_served(serve: Any) -> None:
    server = serve(100_000, 0.8, 0.4)
    with server.connect() as line:
        line.sendall(b"GET /endless/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        got = 0
        for _ in range(10):
            time.sleep(0.1)
            got += len(line.recv(1_000_000))
        assert got + len(read(line)) > 2_000 * 65_536


def test_refusals_reach_the_application_as_errors(serve: Any) -> None:
    server = serve(100_000, 0.8, 0.4)
    seen.clear()
    with server.connect() as line:
        line.sendall(post("/json", chunks(50_000, 3), CHUNKED))
        assert told(answer(line)) == (413, "too-large")
    assert seen == ["HTTPException"]


def request_(path: str, *headers: bytes) -> bytes:
    return b"\r\n".join([b"GET %s HTTP/1.1" % path.encode("latin-1"), *headers, b"", b""])


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (b"Host: evil.example",),
        (b"Host: rebound.example:8000",),
        (b"Host: localhost", b"Host: evil.example"),
        (b"Host: localhost", b"Host: localhost"),
        (b"Host: localhost evil.example",),
        (b"Host: 192.168.1.5",),
        (b"Host:",),
    ],
)
def test_a_real_server_answers_under_its_own_names_only(serve: Any, headers: tuple[bytes, ...]) -> None:
    server = serve(100_000, 10.0, 10.0)
    assert ask(server, request_("/echo/a", *headers)) == (421, "bad-host")
    assert ask(server, request_("/echo/a", b"Host: localhost:%d" % server.port)) == (200, None)


def test_a_real_server_refuses_other_sites(serve: Any) -> None:
    server = serve(100_000, 10.0, 10.0)
    own = b"Origin: http://localhost:%d" % server.port
    for headers in (
        [b"Origin: http://evil.example"],
        [b"Origin: null"],
        [own, b"Sec-Fetch-Site: cross-site"],
    ):
        assert ask(server, post("/json", b"{}", *headers)) == (403, "cross-site")
    named = post("/json", b"{}", own).replace(b"Host: localhost", b"Host: localhost:%d" % server.port)
    assert ask(server, named) == (200, 2)


@pytest.mark.parametrize(
    "path",
    [
        "/go/%0d%0aSet-Cookie:%20a=b",
        "/go/a%0d%0a%0d%0a<script>",
        "/go/%0aX-Evil:1",
        "/go/%E5%98%8A%E5%98%8DX-Evil:1",
        "/echo/%0d%0aX-Evil:1?a=%0d%0aX-Evil:1",
        "/json/%0d%0aX-Evil:1",
    ],
)
def test_no_path_becomes_a_header(serve: Any, path: str) -> None:
    got = serve(100_000, 10.0, 10.0).ask(request_(path, b"Host: localhost", b"Connection: close"))
    head = got.partition(b"\r\n\r\n")[0].lower()
    assert not any(line.startswith((b"set-cookie", b"x-evil", b"<")) for line in head.splitlines())


@pytest.mark.parametrize(
    "broken", [b"X-What: a\nX-Evil: 1", b"X-What: a\rX-Evil: 1", b"X-What: a\x00b", b"X Y: 1"]
)
def test_no_header_becomes_two(serve: Any, broken: bytes) -> None:
    got = serve(100_000, 10.0, 10.0).ask(request_("/echo/a", b"Host: localhost", broken))
    assert got.startswith(b"HTTP/1.1 400 ")


def test_headers_of_every_answer(serve: Any) -> None:
    server = serve(100_000, 10.0, 10.0)
    for request in (
        request_("/echo/a", b"Host: localhost"),
        request_("/nowhere", b"Host: localhost"),
        request_("/echo/a", b"Host: evil.example"),
        post("/json", b"x" * 200_000),
        post("/json", b"", b"Origin: null"),
    ):
        with server.connect() as line:
            line.sendall(request)
            head = answer(line).partition(b"\r\n\r\n")[0].lower()
        assert f"content-security-policy: {CSP}".encode() in head
        for name in (
            b"cross-origin-opener-policy: same-origin",
            b"cross-origin-resource-policy: same-origin",
        ):
            assert head.count(name) == 1
        for name in (
            b"referrer-policy: no-referrer",
            b"x-frame-options: deny",
            b"permissions-policy: camera=()",
        ):
            assert head.count(name) == 1


def test_an_answer_keeps_its_own_headers() -> None:
    sent: list[Any] = []

    async def own(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"Content-Security-Policy", b"sandbox"), (b"X-Frame-Options", b"SAMEORIGIN")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Headers(own, CSP)({"type": "http"}, None, send))  # type: ignore[arg-type]
    names = [name.lower() for name, _ in sent[0]["headers"]]
    assert len(names) == len(set(names)) == 7
    assert (b"Content-Security-Policy", b"sandbox") in sent[0]["headers"]


def test_all_bodies_together_are_bounded_and_room_comes_back() -> None:
    held = asyncio.Event()

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await held.wait()
        await plain(scope, receive, send)

    limit = BodyLimit(waits, 1000, together=1500)

    async def post(size: int) -> int:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"x" * size, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await limit({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
        return int(sent[0]["status"])

    async def several() -> list[int]:
        first = [asyncio.create_task(post(700)) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await post(700)
        held.set()
        return [*await asyncio.gather(*first), refused, await post(700)]

    assert asyncio.run(several()) == [200, 200, 503, 200]
    assert limit.held == 0
