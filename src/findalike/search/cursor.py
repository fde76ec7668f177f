"""Where the next page of an answer begins, as a text that a client hands back.

A ranking shifts when pictures are added or removed between two pages. So the cursor of one names no place in
it but all that was shown, in four bytes each: the next page has the best of what was not. Nothing comes
twice, and nothing that stays is left out. A list by path goes on after a path, which needs no memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from findalike.errors import QueryError
from findalike.query import MAX_K, Query, to_json

DIGEST = 8
"""Bytes that tell a query from others."""

RANKED, LISTED = b"r", b"l"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after `start` hits. Of a ranking `seen` marks those that earlier pages showed, in
    a list by path `uri` and `asset_id` are the last of them, whether they are still there or not."""

    start: int
    seen: frozenset[int] = frozenset()
    uri: str = ""
    asset_id: str = ""


def place(query: Query) -> Place:
    """Where the page that is asked for begins. Raises QueryError for a cursor that is none of this query."""
    if query.cursor is None:
        return Place(query.offset)
    try:  # text that is no Unicode is a ValueError too
        data = base64.b64decode(query.cursor.encode(), b"-_", validate=True)
    except ValueError:
        data = b""
    kind, digest, rest = data[:1], data[1 : 1 + DIGEST], data[1 + DIGEST :]
    if kind not in (RANKED, LISTED) or len(digest) != DIGEST:
        raise QueryError(f"cursor {query.cursor[:40]!r} is none that a search gave")
    if digest != _digest(query) or (kind == RANKED) != bool(query.terms):
        raise QueryError("the cursor belongs to another query; give it with the query it came from")
    return _ranked(query, rest) if kind == RANKED else _listed(query, rest)


def ranked(query: Query, shown: Iterable[str], before: Iterable[int]) -> str:
    """The cursor of a ranking after these asset ids, and those that `before` marks."""
    marks = np.array(sorted({*before, *map(mark, shown)}), "<u4")
    return _written(query, RANKED, marks.tobytes())


def listed(query: Query, start: int, uri: str, asset_id: str) -> str:
    """The cursor after an asset of a list by path, the `start`th of all."""
    return _written(query, LISTED, json.dumps([start, uri, asset_id], ensure_ascii=False).encode())


def mark(asset_id: str) -> int:
    """Four bytes that stand for an id. Among 10,000 that were shown, one in 400,000 others has the mark of
    any of them."""
    return zlib.crc32(asset_id.encode())


def _ranked(query: Query, data: bytes) -> Place:
    if len(data) % 4:
        raise QueryError(f"cursor {(query.cursor or '')[:40]!r} is none that a search gave")
    seen = frozenset(np.frombuffer(data, "<u4").tolist())
    if len(seen) > MAX_K - query.k:
        raise QueryError(f"the cursor goes on after {MAX_K:,} hits, and those are the most")
    return Place(len(seen), seen)


def _listed(query: Query, data: bytes) -> Place:
    try:
        start, uri, asset_id = json.loads(data)
    except (ValueError, TypeError, RecursionError):
        start = uri = asset_id = None
    if type(start) is not int or start < 0 or not isinstance(uri, str) or not isinstance(asset_id, str):
        raise QueryError(f"cursor {(query.cursor or '')[:40]!r} is none that a search gave")
    return Place(start, uri=uri, asset_id=asset_id)


def _written(query: Query, kind: bytes, data: bytes) -> str:
    return base64.urlsafe_b64encode(kind + _digest(query) + data).decode()


def _digest(query: Query) -> bytes:
    """What a cursor belongs to: all of a query but its page."""
    asked = to_json(replace(query, k=1, offset=0, cursor=None))
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()[:DIGEST]
