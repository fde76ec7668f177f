"""The stored vectors of pictures as arrays, one row for each picture in each space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from findalike.attributes.probe import EVIDENCE
from findalike.errors import LibraryMismatch
from findalike.store.base import Store, card_of
from findalike.types import EvidenceTable, Vectors

AT_ONCE = 4_000
"""Pictures that are read and predicted at once: 20 MB of vectors."""

WRITTEN_AT_ONCE = 20_000
"""Pictures that are written at once, 30 MB: each commit goes through the ids of the whole library."""


def read(
    store: Store, spaces: Sequence[str], asset_ids: Sequence[str]
) -> tuple[list[int], dict[str, Vectors]]:
    """The vectors of whole pictures, by space of shape (n, dim), of those that have a finite one in each of
    the spaces: and the places of these among `asset_ids`."""
    found: dict[str, Vectors] = {}
    there = np.ones(len(asset_ids), bool)
    place = {asset_id: n for n, asset_id in enumerate(asset_ids)}
    for space in spaces:
        rows, seen = _rows(store, space, place)
        found[space] = rows
        there &= seen & np.isfinite(rows).all(axis=1)
    if there.all():
        return list(range(len(asset_ids))), found
    return np.flatnonzero(there).tolist(), {space: rows[there] for space, rows in found.items()}


def check_spaces(store: Store, spaces: Iterable[str], column: str) -> None:
    """Raises LibraryMismatch for a space that an attribute was learned in and that went away since."""
    there = store.cards()
    for space in spaces:
        gone = not space.startswith(EVIDENCE) and space not in there
        if gone or (space.startswith(EVIDENCE) and space.removeprefix(EVIDENCE) not in store.banks()):
            raise LibraryMismatch(
                f"{column!r} was learned in {space}, which the library has no more: it has "
                f"{', '.join(there)}; learn it again: findalike attributes learn --column {column}"
            )


def _rows(store: Store, space: str, place: Mapping[str, int]) -> tuple[Vectors, np.ndarray]:
    if space.startswith(EVIDENCE):
        return _evidence(store, space.removeprefix(EVIDENCE), place)
    rows = np.zeros((len(place), card_of(store.cards(), space).dim), np.float32)
    seen = np.zeros(len(place), bool)
    ids = list(place)
    for start in range(0, len(ids), AT_ONCE):
        for row in store.rows(space, ids[start : start + AT_ONCE]):
            if row.origin.part == "whole":
                rows[place[row.asset_id]] = row.vector
                seen[place[row.asset_id]] = True
    return rows, seen


def _evidence(store: Store, bank: str, place: Mapping[str, int]) -> tuple[Vectors, np.ndarray]:
    """The evidence for each concept of a bank; a picture without any has none of it."""
    table = store.evidence(bank)
    rows = np.zeros((len(place), len(store.banks()[bank].concepts)), np.float32)
    seen = np.zeros(len(place), bool)
    for n, at in _places(table, place):
        part = slice(table.starts[n], table.starts[n + 1])
        rows[at, table.concepts[part]] = table.weights[part]
        seen[at] = True
    return rows, seen


def _places(table: EvidenceTable, place: Mapping[str, int]) -> Iterable[tuple[int, int]]:
    return ((n, place[i]) for n, i in enumerate(table.asset_ids) if i in place)
