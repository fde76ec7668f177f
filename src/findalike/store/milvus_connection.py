"""The connection to a Milvus server: each call waits for what passes, and says plainly what does not.

What one client wrote another may see seconds later, unless it asks for the state at a time of the server:
each write tells one, and every read here asks for the latest that is known (`clock`), so that a store reads
what it wrote, without the cost of asking for the very latest each time.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import grpc
import pymilvus
from pymilvus import MilvusException

from findalike.errors import FindalikeError, LibraryError
from findalike.store.milvus_place import Place

T = TypeVar("T")

LEAST_VERSION = (2, 3, 5)
CONNECTS_WITHIN = 10.0  # seconds
ANSWERS_WITHIN = 60.0  # seconds, of one attempt
_PAUSES = 0.05, 5.0  # seconds before the second attempt, and at most
_PHYSICAL_BITS = 18
_STRONG: Mapping[str, object] = {"consistency_level": "Strong"}

_PASSING_CODES = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
    }
)
_PASSING: Sequence[str] = (
    "rate limit",
    "timeout",
    "run out of",
    "not loaded",
    "on recovering",
    "not fully loaded",
    "not available",
    "no available",
    "unavailable",
    "deadline exceeded",
    "not ready",
    "unhealthy",
    "not healthy",
    "timestamp lag too large",
    "node not found",
    "not found in cluster",
    "service is closed",
    "connection refused",
    "context canceled",
    "channel closed",
)
_FULL: Sequence[str] = ("quota exceeded", "quota exhausted", "force deny", "deny to write")
_FULL = (*_FULL, "memory quota", "disk quota", "denied to write", "no space left")
_DENIED = (
    "auth check failure",
    "unauthenticated",
    "permissiondenied",
    "permission deny",
    "permission denied",
)
_NO_DATABASE = re.compile(r"database\S* not (?:found|exist)|database not")
_CAUSE = re.compile(r"to remote host: ([\w ]+?)(?= UNAVAILABLE| *$|[^\w ])")
"""In what gRPC tells, several times and at length, of a server that it did not reach."""


class Connection:
    """Calls of one store. Several threads may share it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.clock = 0
        self.untimed = False  # whether something was deleted since the clock was last set
        self.before_write: Callable[[], None] = lambda: None
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # all that it tells is raised, and told here
        self._client = self._opened()
        self.version = self._version()

    @property
    def client(self) -> Any:
        return self._client

    def upsert(self, collection: str, request: Any, checked: bool) -> None:
        """Write a request that is packed already, which only what the client itself calls does take.
        `checked`: not before `before_write`."""
        if checked:
            self.before_write()
        handler, context = self._client._get_connection(), self._client._generate_call_context()
        done = self.call(handler.upsert, collection, [], upsert_param=request, context=context)
        self.note(int(done.timestamp))

    def delete(self, collection: str, condition: str, checked: bool) -> None:
        """Delete by keys. The server tells no time of it: the store's next write does."""
        if checked:
            self.before_write()
        self.call(self._client.delete, collection, filter=condition)

    @property
    def strong(self) -> Mapping[str, object]:
        """The options of a read that sees all that anyone wrote before it."""
        return _STRONG

    @property
    def seen(self) -> Mapping[str, object]:
        """The options of a read that sees at least what this store knows was written."""
        return self.seen_at(self.clock)

    def seen_at(self, clock: int) -> Mapping[str, object]:
        if not clock:
            return {"consistency_level": "Bounded"}
        return {"consistency_level": "Customized", "guarantee_timestamp": clock}

    def note(self, timestamp: int) -> None:
        """The server wrote something at this time of its own."""
        self.clock = max(self.clock, timestamp)

    def now(self) -> float:
        """Seconds by the server's clock when it last wrote for this store; by this machine's for a file."""
        return (self.clock >> _PHYSICAL_BITS) / 1_000 if self.clock else time.time()

    def call(self, method: Callable[..., T], *values: Any, within: float = ANSWERS_WITHIN, **named: Any) -> T:
        """What a method answers, tried again while what is wrong may pass, until the patience ends."""
        began = time.monotonic()
        pause, most = _PAUSES
        while True:
            try:
                return method(*values, timeout=min(within, self.place.patience), **named)
            except FindalikeError:
                raise
            except (MilvusException, grpc.RpcError, grpc.FutureTimeoutError) as error:
                limit = max(within, self.place.patience) if _works(error) else self.place.patience
                if not _passes(error) or time.monotonic() - began >= limit:
                    raise self.explained(error) from None
            except ValueError as error:  # of a channel that another thread closed
                raise LibraryError(f"{self.place.shown} was closed ({error})") from None
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, most)

    def explained(self, error: Exception) -> LibraryError:
        """The sentence for what the server or the way to it answered."""
        told = self.place.without_secrets(" ".join(_text(error).split()))[:300]
        return LibraryError(f"{self.place.shown}: {self._advice(error, told.lower())} ({told})")

    def close(self) -> None:
        self._client.close()

    def _advice(self, error: Exception, told: str) -> str:
        if any(sign in told for sign in _FULL):
            return (
                "the server has no room, or takes no writes now: give it memory or disk, or raise its quota, "
                "then run the command again; what was done is kept"
            )
        if any(sign in told for sign in _DENIED):
            return (
                "the server refuses this user: set FINDALIKE_MILVUS_TOKEN to USER:PASSWORD or a token "
                "that may read and write there"
            )
        if _NO_DATABASE.search(told):
            named = self.place.database
            return f"the server has no database {named!r}: make it, or name another with ?database="
        if _code(error) is grpc.StatusCode.UNIMPLEMENTED or "unimplemented" in told:
            least = _dotted(LEAST_VERSION)
            return f"{self.place.uri} answers, but not as Milvus {least} or later does: is the port right?"
        if _passes(error):
            return (
                f"the server did not answer within {self.place.patience:g} seconds: is it running? To wait "
                "longer, add ?patience=SECONDS to the address"
            )
        return "the server refused what was asked of it; its log says more"

    def _opened(self) -> Any:
        place = self.place
        options = {"server_pem_path": place.ca, "server_name": place.server_name}
        try:
            return pymilvus.MilvusClient(
                place.uri,
                token=place.token,
                db_name=place.database,
                timeout=CONNECTS_WITHIN,
                dedicated=True,
                **{name: value for name, value in options.items() if value},
            )
        except (MilvusException, grpc.RpcError, grpc.FutureTimeoutError, OSError, ValueError) as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> LibraryError:
        causes = [error, *filter(None, (error.__cause__, error.__context__))]
        told = self.place.without_secrets(" ".join(" ".join(_text(cause) for cause in causes).split()))
        if self.place.is_file:
            return LibraryError(
                f"{self.place.shown} cannot be opened: does its folder exist, does no other process hold it, "
                f"and is milvus-lite there (pip install 'findalike[milvus-lite]')? ({told[:300]})"
            )
        lower = told.lower()
        known = any(sign in lower for sign in _DENIED) or _NO_DATABASE.search(lower)
        if known or "unimplemented" in lower:
            return LibraryError(f"{self.place.shown}: {self._advice(error, lower)} ({told[:300]})")
        tls = "without" if self.place.uri.startswith("http:") else "with"
        return LibraryError(
            f"{self.place.shown}: no Milvus server answers at {self.place.uri}, asked {tls} TLS; is it "
            "running, is the port right, and does it want ?tls=yes or a token in FINDALIKE_MILVUS_TOKEN? "
            f"({cause[1] if (cause := _CAUSE.search(told)) else told[:300]})"
        )

    def _version(self) -> tuple[int, ...]:
        """The version of the server. Raises LibraryError for one that is too old; a file has no age."""
        if self.place.is_file:
            return LEAST_VERSION
        told = str(self.call(self._client.get_server_version))
        found = tuple(int(part) for part in told.lstrip("v").split("-")[0].split(".")[:3] if part.isdigit())
        if found and found < LEAST_VERSION:
            self.close()
            raise LibraryError(
                f"{self.place.shown} is Milvus {told}, but findalike needs {_dotted(LEAST_VERSION)} or "
                "later: upgrade the server"
            )
        return found or LEAST_VERSION


def _passes(error: Exception) -> bool:
    """Whether the same call may succeed later."""
    code, told = _code(error), _text(error).lower()
    if any(sign in told for sign in (*_FULL, *_DENIED)):
        return False
    if code is not None:
        return code in _PASSING_CODES
    return any(sign in told for sign in _PASSING) or bool(getattr(error, "retriable", False))


def _works(error: Exception) -> bool:
    """Whether the server is busy with what was asked: loading and sealing a large collection take long."""
    told = _text(error).lower()
    return "timeout" in told and ("loading" in told or "wait for flush" in told)


def _code(error: Exception) -> Any:
    """The code of gRPC, where the error has one."""
    if isinstance(error, grpc.RpcError):
        return error.code() if hasattr(error, "code") else None
    code = getattr(error, "code", None)
    return code if isinstance(code, grpc.StatusCode) else None


def _text(error: BaseException) -> str:
    if isinstance(error, MilvusException):
        return str(error.message)
    if isinstance(error, grpc.RpcError) and hasattr(error, "details"):
        return f"{error.code().name}: {error.details()}"
    return str(error) or type(error).__name__


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
