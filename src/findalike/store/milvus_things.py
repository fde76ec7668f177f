"""The small things of a library on Milvus: bytes by kind, owner and name, and its sidecars.

A field holds 64 KB of text, so bytes are stored as base64, in as many records as they need.
"""

from __future__ import annotations

import base64
import threading
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from findalike.errors import LibraryError
from findalike.sidecars import OWN
from findalike.store.milvus_filter import both
from findalike.store.milvus_tables import Record, Table, key

THUMBNAIL, ATTACHMENT, FAILURE = "thumbnail", "attachment", "failure"
SIDECAR, CHUNK = "sidecar", "chunk"
HIDDEN = OWN | {"columns.json", "revision"}
"""Sidecars that a store keeps for itself."""
REVISION = "revision"

FRESH = 1.0
"""For so many seconds what other processes wrote into the sidecars may go unseen."""
_PART = 48_000  # bytes, which are 64,000 characters
_READ = ["asset_id", "name", "part", "parts", "data"]
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Thing:
    """Bytes that belong to an asset."""

    asset_id: str
    name: str
    data: bytes


class Things:
    """Bytes by kind, asset id and name."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def put(self, several: Mapping[str, Iterable[Thing]]) -> None:
        """Write things, by kind."""
        self.table.put(
            [
                record
                for kind, things in several.items()
                for thing in things
                for record in _records(kind, thing)
            ]
        )

    def of(self, kind: str, names: Iterable[tuple[str, str]]) -> Iterator[Thing]:
        """Those of these asset ids and names that are there."""
        firsts = {key(kind, asset_id, name, "0") for asset_id, name in names}
        yield from self._whole(kind, self.table.by_keys("id", firsts, _READ))

    def of_owners(self, kind: str, asset_ids: Iterable[str]) -> Iterator[Thing]:
        condition = both(is_kind(kind), "part == 0")
        yield from self._whole(kind, self.table.by_keys("owner", map(key, asset_ids), _READ, condition))

    def all(self, kind: str) -> Iterator[Thing]:
        yield from self._whole(kind, self.table.scan(both(is_kind(kind), "part == 0"), _READ))

    def names(self, kind: str, seen: Mapping[str, object] | None = None) -> Iterator[tuple[str, str]]:
        """The asset id and name of each."""
        for each in self.table.scan(both(is_kind(kind), "part == 0"), ["asset_id", "name"], seen):
            yield each["asset_id"], each["name"]

    def drop(self, kind: str, asset_ids: Iterable[str]) -> None:
        self.table.delete_where("owner", map(key, asset_ids), is_kind(kind))

    def drop_named(self, kind: str, names: Iterable[tuple[str, str]]) -> int:
        """How many of these were there."""
        firsts = [key(kind, *each, "0") for each in names]
        there = list(self.table.by_keys("id", firsts, _READ[:-1], seen=self.table.connection.strong))
        several = [(each["asset_id"], each["name"], n) for each in there for n in range(each["parts"])]
        self.table.delete(key(kind, asset_id, name, str(n)) for asset_id, name, n in several)
        return len(there)

    def drop_kind(self, kind: str) -> None:
        condition = is_kind(kind)
        self.table.delete(
            [each["id"] for each in self.table.scan(condition, [], self.table.connection.strong)]
        )

    def _whole(self, kind: str, firsts: Iterable[Record]) -> Iterator[Thing]:
        """The things that begin with these records."""
        for first in firsts:
            asset_id, name = first["asset_id"], first["name"]
            texts = {0: first["data"]}
            if first["parts"] > 1:
                keys = [key(kind, asset_id, name, str(n)) for n in range(1, first["parts"])]
                texts |= {each["part"]: each["data"] for each in self.table.by_keys("id", keys, _READ)}
            yield Thing(asset_id, name, b"".join(base64.b64decode(texts[n]) for n in sorted(texts)))


def is_kind(kind: str) -> str:
    """The condition; kinds are words of our own."""
    return f'kind == "{kind}"'


def _records(kind: str, thing: Thing) -> Iterator[Record]:
    several = _cut(thing.data)
    for number, data in enumerate(several):
        yield {
            "id": key(kind, thing.asset_id, thing.name, str(number)),
            "kind": kind,
            "owner": key(thing.asset_id),
            "asset_id": thing.asset_id,
            "name": thing.name,
            "part": number,
            "parts": len(several),
            "data": data,
        }


def _cut(data: bytes) -> list[str]:
    starts = range(0, max(len(data), 1), _PART)
    return [base64.b64encode(data[start : start + _PART]).decode() for start in starts]


class MilvusSidecars:
    """Sidecars as records: a head with a version of its own, and the parts of that version, written before
    it, so that a reader finds the old file or the new one, whole. Several threads may share it."""

    def __init__(self, table: Table, where: str) -> None:
        self._table = table
        self._where = where
        self._heads: dict[str, Record] = {}
        self._asked = float("-inf")
        self._contents: dict[str, tuple[str, bytes]] = {}
        self._lock = threading.RLock()

    def where(self, name: str) -> str:
        return f"{self._where} {name}"

    def read(self, name: str) -> bytes | None:
        for _ in range(_ATTEMPTS):
            head = self._head(name)
            if head is None:
                return None
            version, content = self._contents.get(name, ("", b""))
            if version == head["data"]:
                return content
            found = self._content(head)
            if found is not None:
                self._contents[name] = head["data"], found
                return found
            self.refresh()  # it was written again meanwhile
        raise LibraryError(f"{self.where(name)} is written again all the time; try it later")

    def write(self, name: str, content: bytes | str) -> None:
        data = content.encode() if isinstance(content, str) else content
        texts, version = _cut(zlib.compress(data, 1)), uuid.uuid4().hex
        chunks = [
            {"id": key(CHUNK, version, str(n)), "kind": CHUNK, "name": version, "part": n, "data": text}
            for n, text in enumerate(texts)
        ]
        head = {"id": key(SIDECAR, name), "kind": SIDECAR, "name": name, "parts": len(texts), "data": version}
        with self._lock:
            before = self._head(name)
            self._table.put([*chunks, head])
            self._heads[name], self._contents[name] = head, (version, data)
            if before is not None:
                self._table.delete(_chunk_keys(before))

    def remove(self, name: str) -> None:
        with self._lock:
            head = self._head(name)
            if head is not None:
                self._table.delete([head["id"]])
                self._table.delete(_chunk_keys(head))
                del self._heads[name]
                self._contents.pop(name, None)

    def names(self) -> Sequence[str]:
        with self._lock:
            self._renew()
            return sorted(set(self._heads) - HIDDEN)

    def stamp(self, name: str) -> object:
        head = self._head(name)
        return None if head is None else head["data"]

    def bump(self) -> None:
        """Tell all that the library changed: the last write of each change, with the time of all of it, so
        that who reads it waits for that time everywhere."""
        head: Record = {
            "id": key(SIDECAR, REVISION),
            "kind": SIDECAR,
            "name": REVISION,
            "data": uuid.uuid4().hex,
        }
        with self._lock:
            connection = self._table.connection
            if connection.untimed:
                self._table.put([head])  # tells a time that is later than that of deletions
                connection.untimed = False
            head["part"] = connection.clock
            self._table.put([head])
            self._heads[REVISION] = head

    def refresh(self, strong: bool = False) -> None:
        """Read what is there now; all that anyone wrote before when `strong`."""
        connection = self._table.connection
        with self._lock:
            seen = connection.strong if strong else connection.seen
            names = ["name", "part", "parts", "data"]
            heads = {each["name"]: each for each in self._table.scan(is_kind(SIDECAR), names, seen)}
            self._asked = time.monotonic()
            self._heads = heads
            connection.note(int(heads.get(REVISION, {}).get("part", 0)))

    def _head(self, name: str) -> Record | None:
        with self._lock:
            self._renew()
            return self._heads.get(name)

    def _renew(self) -> None:
        if time.monotonic() - self._asked > FRESH:
            self.refresh()

    def _content(self, head: Record) -> bytes | None:
        found = {each["part"]: each["data"] for each in self._table.by_keys("id", _chunk_keys(head), _READ)}
        if len(found) < head["parts"]:
            return None
        return zlib.decompress(b"".join(base64.b64decode(found[n]) for n in sorted(found)))


def _chunk_keys(head: Record) -> list[str]:
    return [key(CHUNK, head["data"], str(n)) for n in range(head["parts"])]
