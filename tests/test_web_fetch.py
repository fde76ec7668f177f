"""Pictures from URLs: what is fetched, what is refused, and that nothing lasts or grows without end."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from findalike.errors import ReadError
from findalike.web.fetch import FetchError, Limits, fetch

Reply = bytes | Callable[[socket.socket], None]

PICTURE = b"\x89PNG and more\r\n\0" * 10
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(PICTURE), PICTURE)


@dataclass
class Site:
    """A server on loopback and what it was asked."""

    port: int
    asked: list[bytes] = field(default_factory=list)

    def limits(self, **more: Any) -> Limits:
        return Limits(**{"ports": frozenset({self.port}), "private": True, "seconds": 10.0, **more})

    def url(self, path: str = "/a.png", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def get(self, path: str = "/a.png", **more: Any) -> bytes:
        return fetch(self.url(path), self.limits(**more))


Open = Callable[..., Site]


@pytest.fixture
def site() -> Iterator[Open]:
    """site(GOOD) answers every request so; site({"/a": …}) by its path; a callable writes what it likes."""
    with ExitStack() as stack:
        yield lambda *given, **more: stack.enter_context(_site(*given, **more))


@contextmanager
def _site(replies: Reply | dict[str, Reply], secure: ssl.SSLContext | None = None) -> Iterator[Site]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = Site(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, here, replies, secure), daemon=True).start()
        yield here
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, here: Site, replies: Any, secure: ssl.SSLContext | None) -> None:
    with suppress(OSError):
        while True:
            line, _ = listener.accept()
            threading.Thread(target=_answer, args=(line, here, replies, secure), daemon=True).start()


def _answer(line: socket.socket, here: Site, replies: Any, secure: ssl.SSLContext | None) -> None:
    line.settimeout(20)
    with suppress(OSError), line:
        line = secure.wrap_socket(line, server_side=True) if secure else line
        with line:
            request = b""
            while b"\r\n\r\n" not in request and (piece := line.recv(4096)):
                request += piece
            here.asked.append(request)
            reply = replies
            if isinstance(replies, dict):
                reply = replies[request.split()[1].decode()]
            if callable(reply):
                reply(line)
            else:
                line.sendall(reply)


def drip(data: bytes, pause: float = 0.05) -> Callable[[socket.socket], None]:
    """Writes a byte now and then, for a few seconds at most."""

    def write(line: socket.socket) -> None:
        for place in range(min(len(data), 200)):
            line.sendall(data[place : place + 1])
            time.sleep(pause)

    return write


def names(*addresses: str) -> Callable[..., list[tuple[Any, ...]]]:
    """A resolver that knows every name by these addresses."""

    def resolve(host: str, port: int, *_: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return resolve


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} See\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def chunked(*pieces: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


def test_fetches_content(site: Open) -> None:
    here = site(GOOD)
    assert here.get("/a b.png".replace(" ", "%20") + "?x=1&y=ü#part") == PICTURE
    request = here.asked[0]
    assert request.startswith(b"GET /a%20b.png?x=1&y=%C3%BC HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{here.port}\r\n".encode() in request
    assert b"Accept-Encoding: identity\r\n" in request
    assert request.count(b"Host:") == request.count(b"Accept-Encoding:") == 1


@pytest.mark.parametrize(
    "reply",
    [chunked(PICTURE[:3], PICTURE[3:]), b"HTTP/1.0 200 OK\r\n\r\n" + PICTURE],
    ids=["chunked", "until the end"],
)
def test_fetches_content_of_untold_length(site: Open, reply: bytes) -> None:
    assert site(reply).get() == PICTURE


def test_an_error_is_a_read_error() -> None:
    assert issubclass(FetchError, ReadError)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://pictures.test/a", "neither http nor https"),
        ("file:///etc/passwd", "neither http nor https"),
        ("//pictures.test/a", "neither http nor https"),
        ("pictures.test", "neither http nor https"),
        ("http:///a", "no host"),
        ("http://", "no host"),
        ("http://[::1", "cannot be read"),
        ("http://pictures.test:99999/", "cannot be read"),
        ("http://pictures.test:abc/", "cannot be read"),
        ("http://pictures.test:22/", "port 22"),
        ("http://pictures.test:0/", "port 0"),
        ("http://me:secret@pictures.test/", "user name or password"),
        ("http://@pictures.test/", "user name or password"),
        ("http://pictures.test/a b", "space"),
        (" http://pictures.test/", "space"),
        ("http://pictures.test/\r\nX-Evil: 1", "control character"),
        ("http://pictures.test/\tx", "control character"),
        ("http://pictures.test\n/", "control character"),
        ("http://pictures.test\\@other.test/", "backslash"),
        ("http://pictures.test/\x00", "control character"),
        ("http://pictures.test/\x85", "control character"),
        ("http://pictures.test/\ud800", "control character"),
        ("http://pictures.test/" + "a" * 9000, "longer than"),
        ("http://" + "a" * 300 + "/", "no host"),
        ("http://pic%74ures.test/", "no host"),
        ("http://[fe80::1%25eth0]/", "no host"),
        ("http://pictures..test/", "no host"),
        ("http://-x.test/", "no host"),
        ("http://a,b/", "no host"),
    ],
)
def test_refuses_urls(url: str, message: str) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("was resolved")

    with pytest.raises(FetchError, match=message) as raised:
        fetch(url, Limits(seconds=2), never)
    assert "secret" not in str(raised.value)


PRIVATE = [
    *("127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "192.0.2.1"),
    *("198.18.0.1", "::1", "fc00::1", "fd12::1"),
]
NEVER = [
    *("0.0.0.0", "169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "192.88.99.1"),
    *("224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "fe80::1", "fe80::1%1", "fec0::1", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "2002:7f00:1::", "2001:0:7f00:1::", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::1", "fd00:ec2::254", "not an address"),
]


@pytest.mark.parametrize(
    "address", [*PRIVATE, *NEVER, "64:ff9b::7f00:1", "::127.0.0.1", "2001:db8::1", "3fff::1", "4000::1"]
)
@pytest.mark.parametrize("among", [(), ("8.8.8.8",)], ids=["alone", "among public ones"])
def test_refuses_addresses_that_are_not_public(address: str, among: tuple[str, ...]) -> None:
    with pytest.raises(FetchError, match=r"^pictures\.test: has no public address") as raised:
        fetch("http://pictures.test/", Limits(seconds=2), names(*among, address))
    assert address not in str(raised.value)


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_refused_on_ones_own_network_too(address: str) -> None:
    with pytest.raises(FetchError, match="has no address"):
        fetch("http://pictures.test/", Limits(seconds=2, private=True), names(address))


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "127.1",
            "0x7f.1",
            "2130706433",
            "017700000001",
        ),
        *(
            "0x7f000001",
            "0177.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[0:0:0:0:0:0:0:1]",
            "0",
            "127。0。0。1",
        ),
        *("①②⑦.0.0.1", "[64:ff9b::7f00:1]", "169.254.169.254", "[::]"),
    ],
)
def test_refuses_this_machine_by_all_its_names(site: Open, host: str) -> None:
    here = site(GOOD)
    with pytest.raises(FetchError):
        fetch(here.url(host=host), here.limits(private=False))
    assert not here.asked


def test_an_unknown_and_a_private_name_are_told_alike() -> None:
    def unknown(*_: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    told = set()
    for resolve in (unknown, names("10.0.0.7"), names()):
        with pytest.raises(FetchError) as raised:
            fetch("http://wiki.test/", Limits(seconds=2), resolve)
        told.add(str(raised.value))
    assert len(told) == 1


def test_a_name_is_resolved_once_and_its_checked_address_used(site: Open) -> None:
    here = site(GOOD)
    asked: list[str] = []

    def rebinding(host: str, port: int, *_: Any) -> Any:
        asked.append(host)
        return names("127.0.0.1" if len(asked) == 1 else "169.254.169.254")(host, port)

    assert fetch(here.url(host="Pictures.Test"), here.limits(), rebinding) == PICTURE
    assert asked == ["pictures.test"]
    assert f"Host: pictures.test:{here.port}\r\n".encode() in here.asked[0]


def test_a_redirect_is_checked_like_the_first_url(site: Open) -> None:
    here = site({"/a": redirect("/b", 307), "/b": redirect("/c"), "/c": GOOD})
    here2 = site({"/a": redirect(f"http://other.test:{here.port}/b"), "/b": GOOD})
    asked: list[str] = []

    def turning(host: str, port: int, *_: Any) -> Any:
        asked.append(host)
        return names("127.0.0.1" if len(asked) == 1 else "169.254.169.254")(host, port)

    with pytest.raises(FetchError, match=r"^pictures\.test: has no address"):
        fetch(here.url("/a", "pictures.test"), here.limits(), turning)
    assert asked == ["pictures.test"] * 2
    assert len(here.asked) == 1
    with pytest.raises(FetchError, match=rf"^127\.0\.0\.1: redirects .*other\.test: port {here.port} is not"):
        here2.get("/a")


@pytest.mark.parametrize(
    "location",
    [
        *(
            "file:///etc/passwd",
            "ftp://pictures.test/",
            "http://me:secret@127.0.0.1/",
            "http://127.0.0.1:22/",
        ),
        *("http://[::1", "/a\tb", "gopher://127.0.0.1:70/_x"),
    ],
)
def test_a_redirect_elsewhere_is_refused(site: Open, location: str) -> None:
    here = site({"/a.png": redirect(location)})
    with pytest.raises(FetchError, match=r"^127\.0\.0\.1: redirects to what is not fetched") as raised:
        here.get()
    assert "secret" not in str(raised.value)


def test_follows_redirects_up_to_a_number(site: Open) -> None:
    here = site({"/a": redirect("b", 301), "/b": redirect("?c", 303), "/b?c": redirect("/d%C3%BC", 308)})
    end = site({"/a": redirect("/b"), "/b": redirect("/ü"), "/%C3%BC": GOOD})
    assert end.get("/a", redirects=2) == PICTURE
    with pytest.raises(FetchError, match="redirects more than 1 times"):
        end.get("/a", redirects=1)
    with pytest.raises(FetchError, match="redirects more than 2 times"):
        here.get("/a", redirects=2)
    assert len(here.asked) == 3
    round_ = site(redirect("/a.png"))
    with pytest.raises(FetchError, match="redirects more than 3"):
        round_.get()
    assert len(round_.asked) == 4


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "answered 404"),
        (b"HTTP/1.1 206 Part\r\nContent-Length: 1\r\n\r\na", "answered 206"),
        (b"HTTP/1.1 302 No location\r\nContent-Length: 0\r\n\r\n", "answered 302"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\0\0", "compressed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "ended early"),
        (chunked(b"abc")[:-7], "not HTTP"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "not HTTP"),
        (b"", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000, "not HTTP"),
    ],
)
def test_refuses_answers(site: Open, reply: bytes, message: str) -> None:
    with pytest.raises(FetchError, match=rf"^127\.0\.0\.1: .*{message}"):
        site(reply).get()


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(FetchError, match="refuses the connection"):
        fetch(f"http://127.0.0.1:{port}/", Limits(ports=frozenset({port}), private=True, seconds=5))


def flood(head: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    def write(line: socket.socket) -> None:
        line.sendall(head)
        for _ in range(300):
            line.sendall(piece)

    return write


MUCH = b"x" * 65_536
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        OK + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001,
        OK + b"Content-Length: 99999999999999999999\r\n\r\n",
        flood(OK + b"\r\n", MUCH),
        flood(OK + b"Content-Length: -5\r\n\r\n", MUCH),
        flood(OK + b"Content-Length: many\r\n\r\n", MUCH),
        flood(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + MUCH + b"\r\n"),
        flood(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + MUCH[:60_000] + b"\r\na\r\n"),
        flood(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 10_000),
        flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000),
    ],
    ids=["told", "told huge", "untold", "negative", "odd", "chunks", "chunk notes", "trailers", "continues"],
)
def test_bounds_bytes(site: Open, reply: Reply) -> None:
    with pytest.raises(FetchError, match=r"larger than 1000 bytes|more than the limit"):
        site(reply).get(bytes=1000)


def test_as_many_bytes_as_allowed(site: Open) -> None:
    assert len(site(OK + b"\r\n" + b"x" * 1000).get(bytes=1000)) == 1000
    told = OK + b"Content-Length: 3\r\n\r\nabc and more than was told"
    assert site(told).get() == b"abc"


@pytest.mark.parametrize(
    "reply",
    [
        drip(GOOD * 9),
        drip(OK + b"A: " + b"b" * 999),
        lambda line: (line.sendall(OK + b"\r\n"), drip(b"x" * 999)(line)),  # type: ignore[func-returns-value]
        lambda line: (line.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n"), drip(b"0" * 999)(line)),  # type: ignore[func-returns-value]
        lambda line: time.sleep(3),
    ],
    ids=["status", "header", "content", "chunk", "silence"],
)
def test_bounds_the_time(site: Open, reply: Reply) -> None:
    here = site(reply)
    began = time.monotonic()
    with pytest.raises(FetchError, match=r"within 0\.4 seconds"):
        here.get(seconds=0.4)
    assert 0.3 < time.monotonic() - began < 2.5


def test_bounds_the_time_of_names_and_of_all_redirects_together(site: Open) -> None:
    def late(*_: Any) -> Any:
        time.sleep(3)
        return []

    began = time.monotonic()
    with pytest.raises(FetchError, match=r"within 0\.4 seconds"):
        fetch("http://pictures.test/", Limits(seconds=0.4), late)

    def slow(line: socket.socket) -> None:
        time.sleep(0.25)
        line.sendall(redirect("/a.png"))

    with pytest.raises(FetchError, match=r"within 0\.4 seconds"):
        site(slow).get(seconds=0.4, redirects=9)
    assert time.monotonic() - began < 2.5


def test_tries_the_next_address(site: Open) -> None:
    here = site(GOOD)
    assert fetch(here.url(host="pictures.test"), here.limits(), names("127.0.0.9", "127.0.0.1")) == PICTURE


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for pictures.test and its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "certificate.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=pictures.test", "-addext", "subjectAltName=DNS:pictures.test", "-days", "2"]
    subprocess.run([*command, "-keyout", key, "-out", made], check=True, capture_output=True, timeout=60)
    made.write_bytes(made.read_bytes() + key.read_bytes())
    return made


def test_a_certificate_is_checked_against_the_name(site: Open, certificate: Path) -> None:
    shown: list[str | None] = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    server.sni_callback = lambda _socket, name, _context: shown.append(name)
    trusting = ssl.create_default_context(cafile=str(certificate))
    here = site(GOOD, secure=server)
    here_by_name = here.url(host="pictures.test", scheme="https")
    resolve = names("127.0.0.1")

    assert fetch(here_by_name, here.limits(), resolve, trusting) == PICTURE
    assert shown == ["pictures.test"]
    with pytest.raises(FetchError, match=r"^other\.test: its certificate"):
        fetch(here.url(host="other.test", scheme="https"), here.limits(), resolve, trusting)
    with pytest.raises(FetchError, match=r"^pictures\.test: its certificate"):
        fetch(here_by_name, here.limits(), resolve)
    assert len(here.asked) == 1


def test_a_silent_handshake_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        silent = Limits(ports=frozenset({port}), private=True, seconds=0.4)
        began = time.monotonic()
        with pytest.raises(FetchError, match=r"within 0\.4 seconds"):
            fetch(f"https://127.0.0.1:{port}/", silent)
        assert time.monotonic() - began < 2.5
