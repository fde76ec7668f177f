"""A picture from a URL that a client named, fetched so that no client can reach what only this machine can.

Each hop, the first and every redirect, goes the same way: the URL is checked; its host is resolved once;
every address that comes back must be public; and the connection is made to an address that was checked,
never to the name, which could by then answer otherwise (DNS rebinding). One deadline holds for all of it.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from findalike.errors import ReadError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Resolve = Callable[..., list[tuple[Any, ...]]]
"""What `socket.getaddrinfo(host, port, family, type)` is: the addresses of a name."""

MAX_URL = 8192

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PIECE = 64 * 1024
_TRIED = 4
_UNFIT = re.compile(r"[\x00-\x20\x7f-\xa0\\\ud800-\udfff]")
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_HEADERS = (
    ("User-Agent", "findalike"),
    ("Accept", "image/*, */*;q=0.5"),
    ("Accept-Encoding", "identity"),
    ("Connection", "close"),
)

_NEVER = tuple(
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/3"),
        *("100.100.100.200", "168.63.129.16"),  # metadata of clouds, outside of the link-local network
        *("fd00:ec2::/32", "fd20:ce::/32"),  # likewise
        *("::", "fe80::/10", "fec0::/10", "ff00::/8", "5f00::/16", "3fff::/20"),
        *("::ffff:0:0/96", "64:ff9b:1::/48", "2001::/32", "2002::/16"),  # an IPv4 address inside
    )
)
"""What is no picture server on anyone's network, not even on one's own."""

_NAT64 = ip_network("64:ff9b::/96")
_UNICAST6 = ip_network("2000::/3")


class FetchError(ReadError):
    """A URL that is not fetched, or what came from it is not kept. The message names its host alone."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one fetch may take. `seconds` is for everything: names, redirects, headers and content.

    `private`: addresses of one's own network and of this machine are fetched too, though never those of
    cloud metadata and other link-local ones. `ports` are allowed with both schemes.
    """

    bytes: int = 32 * 1024 * 1024
    seconds: float = 15.0
    redirects: int = 3
    ports: frozenset[int] = frozenset({80, 443})
    private: bool = False


@dataclass(frozen=True, slots=True)
class _Target:
    """A URL that passed: `host` is a lower-case ASCII name or an address, `path` is ready to send."""

    url: str
    secure: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS["https" if self.secure else "http"] else f"{host}:{self.port}"


class _Budget:
    """What is left of the time and of the bytes, overhead included, of one fetch."""

    def __init__(self, limits: Limits) -> None:
        self._end = time.monotonic() + limits.seconds
        self._bytes = limits.bytes + limits.bytes // 4 + 4 * _PIECE

    def seconds(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def spend(self, count: int) -> int:
        self._bytes -= count
        if self._bytes < 0:
            raise http.client.HTTPException("more than the limit")
        return count


class _Reader(io.RawIOBase):
    """What comes in. Each wait ends when the budget does, however slowly the bytes drip."""

    def __init__(self, sock: socket.socket, budget: _Budget) -> None:
        self._sock = sock
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        self._sock.settimeout(self._budget.seconds())
        return self._budget.spend(self._sock.recv_into(buffer))


@dataclass(frozen=True, slots=True)
class _Line:
    """All that http.client asks of a socket. Who connected closes."""

    sock: socket.socket
    budget: _Budget

    def sendall(self, data: bytes) -> None:
        self.sock.settimeout(self.budget.seconds())
        self.sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self.sock, self.budget), _PIECE)

    def close(self) -> None:
        pass


def fetch(
    url: str,
    limits: Limits = Limits(),
    resolve: Resolve = socket.getaddrinfo,
    context: ssl.SSLContext | None = None,
) -> bytes:
    """The content of an http or https URL. Blocks, for `limits.seconds` at most; any thread may call it.

    `context` is for certificates that the system does not trust by itself. Proxies of the environment are
    not used. Raises FetchError.
    """
    budget = _Budget(limits)
    target = _parse(url, limits)
    for _ in range(limits.redirects + 1):
        try:
            found = _hop(target, limits, budget, resolve, context)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FetchError(f"{target.host}: {_reason(error, limits)}") from None
        if isinstance(found, bytes):
            return found
        target = _redirected(target, found, limits)
    raise FetchError(f"{target.host}: redirects more than {limits.redirects} times")


def _parse(url: str, limits: Limits) -> _Target:
    _check_letters(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise FetchError("the URL cannot be read; write https://host/path") from None
    if parts.scheme not in _PORTS:
        raise FetchError("the URL is neither http nor https")
    host = _host(parts.hostname or "")
    if "@" in parts.netloc:
        raise FetchError(f"{host}: the URL carries a user name or password, which is not sent")
    port = _PORTS[parts.scheme] if port is None else port
    if port not in limits.ports:
        raise FetchError(f"{host}: port {port} is not fetched from")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]") if parts.query else ""
    return _Target(parts._replace(fragment="").geturl(), parts.scheme == "https", host, port, path + query)


def _check_letters(url: str) -> None:
    if len(url) > MAX_URL or _UNFIT.search(url):
        raise FetchError(
            f"the URL is longer than {MAX_URL} or has a space, a backslash or a control character"
        )


def _redirected(source: _Target, location: str, limits: Limits) -> _Target:
    try:
        _check_letters(location)  # first: joining drops some of what it refuses
        return _parse(urljoin(source.url, location), limits)
    except (FetchError, ValueError) as error:
        raise FetchError(f"{source.host}: redirects to what is not fetched ({error})") from None


def _host(given: str) -> str:
    """The host in lower-case ASCII, without the dot of the root."""
    if ":" in given and "%" not in given:
        try:
            return str(IPv6Address(given))
        except ValueError:
            given = ""
    try:
        host = given.encode("idna").decode("ascii").lower().removesuffix(".") if len(given) <= 254 else ""
    except UnicodeError:
        host = ""
    if not _NAME.fullmatch(host):
        raise FetchError("the URL has no host, or one that is no host name")
    return host


def _hop(
    target: _Target, limits: Limits, budget: _Budget, resolve: Resolve, context: ssl.SSLContext | None
) -> bytes | str:
    """The content, or the location that it redirects to."""
    addresses = _addresses(target, limits, budget, resolve)
    with closing(_connect(target, addresses, budget, context)) as sock:
        connection = http.client.HTTPConnection(target.host, target.port)
        connection.auto_open = 0
        connection.sock = _Line(sock, budget)
        connection.putrequest("GET", target.path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", target.authority)
        for name, value in _HEADERS:
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        location = response.getheader("Location")
        if response.status in _REDIRECTS and location:
            return location.encode("latin-1", "replace").decode("utf-8", "replace")
        return _content(target, response, limits)


def _addresses(target: _Target, limits: Limits, budget: _Budget, resolve: Resolve) -> list[str]:
    """The addresses of the host, all of them allowed. That a name is unknown and that it is private are
    told alike: whoever asks learns nothing about the names of this network."""
    found = _resolved(target, budget, resolve)
    if not found or not all(_allowed(address, limits.private) for address in found):
        asked = "" if limits.private else " public"
        raise FetchError(f"{target.host}: has no{asked} address, or also others; is the name right?")
    return found[:_TRIED]


def _resolved(target: _Target, budget: _Budget, resolve: Resolve) -> list[str]:
    """Asked in a thread of its own, since nothing else ends a resolver that takes its time."""
    answers: list[str] = []

    def ask() -> None:
        try:
            answers.extend(entry[4][0] for entry in resolve(target.host, target.port, 0, socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            answers.clear()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(budget.seconds())
    if thread.is_alive():
        raise TimeoutError
    return list(dict.fromkeys(answers))


def _allowed(address: str, private: bool) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if ip in _NAT64:
        ip = IPv4Address(int(ip) & 0xFFFFFFFF)
    if any(ip in network for network in _NEVER) or (isinstance(ip, IPv6Address) and ip.scope_id):
        return False
    return private or (ip.is_global and (ip.version == 4 or ip in _UNICAST6))


def _connect(
    target: _Target, addresses: list[str], budget: _Budget, context: ssl.SSLContext | None
) -> socket.socket:
    """Connected to the first address that answers, each given a share of the time. TLS checks the name."""
    failed: OSError = TimeoutError()
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            sock.settimeout(budget.seconds() / left)
            sock.connect((address, target.port))
            return _secured(sock, target, budget, context) if target.secure else sock
        except OSError as error:
            sock.close()
            failed = error
    raise failed


def _secured(
    sock: socket.socket, target: _Target, budget: _Budget, context: ssl.SSLContext | None
) -> ssl.SSLSocket:
    sock.settimeout(budget.seconds())
    return (context or _trusted()).wrap_socket(sock, server_hostname=target.host)


def _content(target: _Target, response: http.client.HTTPResponse, limits: Limits) -> bytes:
    if response.status != 200:
        raise FetchError(f"{target.host}: answered {response.status}")
    if response.getheader("Content-Encoding", "identity").strip().lower() not in {"identity", ""}:
        raise FetchError(f"{target.host}: sent compressed content, which was not asked for")
    if (response.length or 0) > limits.bytes:
        raise _too_large(target, limits)
    pieces = bytearray()
    while piece := response.read(min(_PIECE, limits.bytes + 1 - len(pieces))):
        pieces += piece
        if len(pieces) > limits.bytes:
            raise _too_large(target, limits)
    if response.length:
        raise FetchError(f"{target.host}: the content ended early")
    return bytes(pieces)


def _too_large(target: _Target, limits: Limits) -> FetchError:
    return FetchError(f"{target.host}: the content is larger than {limits.bytes} bytes")


def _reason(error: Exception, limits: Limits) -> str:
    """In words that hold no address."""
    if isinstance(error, TimeoutError):
        return f"did not answer in full within {limits.seconds:g} seconds"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not valid for that name, or not trusted"
    if isinstance(error, ConnectionRefusedError):
        return "refuses the connection"
    if isinstance(error, ssl.SSLError):
        return "no secure connection could be made"
    if isinstance(error, OSError):
        return "cannot be reached, or closed the connection"
    return "answered with what is not HTTP, or with more than the limit"


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()
