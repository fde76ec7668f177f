"""Errors as the web tells them: RFC 9457 problem details with codes that stay.

{"type": "urn:findalike:problem:query", "title": "…", "status": 422, "detail": "…", "code": "query"}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from findalike import errors
from findalike import uri as uris
from findalike.errors import QueryError
from findalike.web.fetch import FetchError

MEDIA = "application/problem+json"

PROBLEMS: Mapping[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be read"),
    "unauthorized": (401, "A token is needed"),
    "forbidden": (403, "The token or the operator does not allow this"),
    "cross-site": (403, "Another site's page may not do this"),
    "not-found": (404, "There is no such thing"),
    "file-missing": (404, "The file is not where the library knows it"),
    "method-not-allowed": (405, "This address does not answer that method"),
    "slow": (408, "The request came too slowly"),
    "library-empty": (409, "The library is empty"),
    "library-locked": (409, "Another process is writing to the library"),
    "library-mismatch": (409, "The library was made by another encoder or version"),
    "conflict": (409, "This cannot be done now"),
    "too-large": (413, "The request is too large"),
    "unsupported-media": (415, "The body is of a media type that is not read here"),
    "range": (416, "The file has no such range"),
    "bad-host": (421, "This server does not answer under that name"),
    "invalid": (422, "A value is not what it must be"),
    "query": (422, "The query cannot be understood"),
    "unreadable": (422, "A picture cannot be read"),
    "fetch": (422, "The picture cannot be fetched from that URL"),
    "too-many": (429, "Too many requests at once"),
    "internal": (500, "Something went wrong in the server"),
    "unavailable": (501, "This server cannot do that"),
    "busy": (503, "The server is busy"),
    "timeout": (503, "That took too long"),
}
"""The status and the title of each code."""

RETRY = {"busy": "1", "too-many": "1", "timeout": "5", "library-locked": "5"}
"""Codes after which trying again may help, and after how many seconds."""


class ProblemError(Exception):
    """What a route raises to answer with a problem; `more` are further members of it."""

    def __init__(
        self, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.headers = headers
        self.more = more


def problem_response(
    code: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """The answer for a code of `PROBLEMS`; `more` are further members of the problem."""
    status, title = PROBLEMS[code]
    retry = {"Retry-After": RETRY[code]} if code in RETRY else {}
    body = {
        "type": f"urn:findalike:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        **more,
    }
    return JSONResponse(body, status, {**retry, **(headers or {})}, MEDIA)


_COMMAND = re.compile(r"[;:,] [^;:,]*(?:findalike [a-z]|FINDALIKE_[A-Z]|--[a-z])[^;]*$")

_CODES: tuple[tuple[type[Exception], str], ...] = (
    (FetchError, "fetch"),
    (QueryError, "query"),
    (errors.UsageError, "invalid"),
    (errors.ReadError, "unreadable"),
    (errors.LibraryMissing, "library-empty"),
    (errors.LibraryMismatch, "library-mismatch"),
    (errors.LibraryLocked, "library-locked"),
    (errors.SweepRefused, "conflict"),
    (errors.ExtraMissing, "unavailable"),
    (errors.Unsupported, "unavailable"),
)


def code_of(error: Exception) -> str:
    """The code that tells an error; what no client can help is `internal`."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), "internal")


def told_of(error: Exception) -> str:
    """The message of an error, without the advice at its end that is for a command line."""
    message = uris.text(str(error))
    while (shorter := _COMMAND.sub("", message)) != message:
        message = shorter
    return message


def code_of_status(status: int) -> str:
    """The code of a bare HTTP error, such as a path that nothing answers."""
    known = {status_: code for code, (status_, _) in reversed([*PROBLEMS.items()])}
    named = {404: "not-found", 403: "forbidden", 422: "invalid", 503: "busy", 409: "conflict"}
    return named.get(status) or known.get(status) or ("internal" if status >= 500 else "bad-request")


def phrase(status: int) -> str:
    return HTTPStatus(status).phrase
