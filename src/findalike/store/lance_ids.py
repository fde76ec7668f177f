"""Which ids a table may hold, kept by the one who writes it: new ones are told without looking through it.

Without this each write of some thousand assets reads the ids of all assets of which no tree knows yet, and
so a library that is filled in one go is written to more slowly the larger it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from findalike.store import lance_tables
from findalike.store.lance_snapshot import Snapshot

_MERGED = 100_000  # so many hashes are kept apart from the others, which are in order


class Ids:
    """Hashes of all ids at one version of a table: 8 bytes for each, and one in 10¹³ new ids is taken for one
    that is there. Whoever writes the table says so by `add`; after any other change it is read again."""

    def __init__(self) -> None:
        self._version = -1
        self._ordered: NDArray[np.int64] = np.empty(0, np.int64)
        self._fresh: set[int] = set()

    def among(self, table: Snapshot, ids: Iterable[str]) -> list[str]:
        """Those of the ids that may be there: all that are, and hardly ever another one."""
        if table.version != self._version:
            self._read(table)
        asked = list(ids)
        hashes = _hashes(asked)
        places = np.searchsorted(self._ordered, hashes)
        there = np.zeros(len(asked), bool)
        inside = places < len(self._ordered)
        there[inside] = self._ordered[places[inside]] == hashes[inside]
        return [each for each, one, known in zip(asked, hashes.tolist(), there, strict=True)
                if known or one in self._fresh]  # fmt: skip

    def add(self, ids: Iterable[str], before: int, after: int) -> None:
        """Take in ids that were written, which led from one version of the table to another."""
        if self._version != before:
            return
        self._fresh.update(_hashes(list(ids)).tolist())
        self._version = after
        if len(self._fresh) > _MERGED:
            fresh = np.fromiter(self._fresh, np.int64, len(self._fresh))
            self._ordered, self._fresh = np.union1d(self._ordered, fresh), set()

    def _read(self, table: Snapshot) -> None:
        batches = lance_tables.scan(table.table, ["asset_id"])
        parts = [_hashes(batch.column("asset_id").to_pylist()) for batch in batches]
        self._ordered = np.sort(np.concatenate([np.empty(0, np.int64), *parts]))
        self._fresh, self._version = set(), table.version


def _hashes(ids: Sequence[str]) -> NDArray[np.int64]:
    return np.fromiter(map(hash, ids), np.int64, len(ids))
