"""Who may do what: tokens, the cookie that stands for one, and their scopes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Literal

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from findalike.web.problems import problem_response

Right = Literal["read", "write"]

COOKIE = "findalike"

GRANTED = "findalike.granted"
"""Where a request's scope says what its client may do: `read` or `write`."""

READS = frozenset({"GET", "HEAD", "OPTIONS"})
READING_POSTS = frozenset({"/v1/search", "/v1/faces", "/v1/assets/export"})
"""Addresses that read though they are posted to: a query may be larger than an address."""

OPEN = frozenset({"/", "/healthz", "/readyz", "/v1/session", "/favicon.ico"})
"""Addresses that need no token: the page itself holds nothing of the library."""


class Keys:
    """The tokens of a server. Compared in constant time, whatever their length, so that no answer tells how
    near a guess came."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._scopes = {_digest(token): scope for token, scope in tokens.items()}
        self._cookies = {_digest(cookie_of(token)): scope for token, scope in tokens.items()}

    def __bool__(self) -> bool:
        return bool(self._scopes)

    def scope(self, token: str) -> str | None:
        """The scope of a token; None for one that is unknown."""
        return _found(self._scopes, token)

    def scope_of_cookie(self, cookie: str) -> str | None:
        return _found(self._cookies, cookie)


def cookie_of(token: str) -> str:
    """What a browser keeps in place of a token: it cannot be turned back into it, and a new token ends it."""
    return hmac.new(token.encode(), b"findalike page 1", hashlib.sha256).hexdigest()


class Access:
    """Lets a request through that has the right to what it asks for. Without tokens everyone has: then only
    this machine reaches the server."""

    def __init__(self, app: ASGIApp, keys: Keys, writable: bool) -> None:
        self._app = app
        self._keys = keys
        self._writable = writable

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refused(scope)
        if refused is None:
            await self._app(scope, receive, send)
        else:
            await problem_response(*refused)(scope, receive, send)

    def _refused(self, scope: Scope) -> tuple[str, str] | tuple[str, str, Mapping[str, str]] | None:
        path = scope["path"]
        if path in OPEN or path.startswith("/static/"):
            return None
        right = _needed(scope["method"], path)
        granted: str | None = "write"
        if self._keys:
            granted = self._granted(Headers(scope=scope))
            if granted is None:
                detail = "give a token: Authorization: Bearer TOKEN, or x-api-key: TOKEN"
                return "unauthorized", detail, {"WWW-Authenticate": 'Bearer realm="findalike"'}
            if right == "write" and granted != "write":
                return "forbidden", "this token may read, not write"
        if right == "write" and not self._writable:
            return "forbidden", "this server only reads: it was started with --read-only"
        scope[GRANTED] = granted if self._writable else "read"
        return None

    def _granted(self, headers: Headers) -> str | None:
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and (scope := self._keys.scope(bearer.strip())):
            return scope
        if key := headers.get("x-api-key"):
            return self._keys.scope(key)
        cookie = _cookie(headers.getlist("cookie"))
        return self._keys.scope_of_cookie(cookie) if cookie else None


def _needed(method: str, path: str) -> Right:
    return "read" if method in READS or (method == "POST" and path in READING_POSTS) else "write"


def _cookie(headers: Iterable[str]) -> str | None:
    for header in headers:
        try:
            found = SimpleCookie(header).get(COOKIE)
        except CookieError:
            continue
        if found:
            return found.value
    return None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _found(scopes: Mapping[bytes, str], given: str) -> str | None:
    """Looks at every one, so that the time tells nothing."""
    wanted, found = _digest(given), None
    for digest, scope in scopes.items():
        if hmac.compare_digest(digest, wanted):
            found = scope
    return found
