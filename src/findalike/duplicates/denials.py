"""What people said is no duplicate: sets of pictures of which no two are one.

Kept among the sidecars of the library, as JSON. A picture is known by its content, so the word
holds when the file is moved or indexed again; pictures of the same content are told apart by their ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from findalike.errors import LibraryError, UsageError
from findalike.sidecars import Sidecars
from findalike.types import Asset

NAME = "duplicates/not-duplicates.json"


@dataclass(frozen=True, slots=True)
class Denial:
    """Pictures of which no two are duplicates, by id, and the sha256 of each."""

    ids: tuple[str, ...]
    contents: tuple[str, ...]


class Denials:
    """Which pairs are none, by the sidecars of a library."""

    def __init__(self, sidecars: Sidecars) -> None:
        self._sidecars = sidecars
        self._know(self._read())

    def _know(self, denials: Sequence[Denial]) -> None:
        self.all = tuple(denials)
        self._contents = {pair for each in self.all for pair in _pairs(each.contents)}
        self._ids = {pair for each in self.all for pair in _pairs(each.ids)}

    def forbid(self, one: Asset, other: Asset) -> bool:
        """Whether these two were said to be no duplicates."""
        if one.sha256 == other.sha256:
            return frozenset((one.id, other.id)) in self._ids
        return frozenset((one.sha256, other.sha256)) in self._contents

    def add(self, assets: Sequence[Asset]) -> None:
        """Remember that no two of these are duplicates. Raises UsageError for fewer than two."""
        if len({asset.id for asset in assets}) < 2:
            raise UsageError(
                "one picture is no pair: name two or more that are not duplicates of one another"
            )
        self._write([*self.all, Denial(tuple(a.id for a in assets), tuple(a.sha256 for a in assets))])

    def take_back(self, assets: Sequence[Asset]) -> int:
        """Forget what was said of any of these, alone or together; returns how many sayings went."""
        ids, contents = {a.id for a in assets}, {a.sha256 for a in assets}
        kept = [d for d in self.all if not (ids & {*d.ids} or contents & {*d.contents})]
        gone = len(self.all) - len(kept)
        if gone:
            self._write(kept)
        return gone

    def _read(self) -> tuple[Denial, ...]:
        try:
            content = json.loads(self._sidecars.read(NAME) or "[]")
            return tuple(Denial(tuple(each["ids"]), tuple(each["contents"])) for each in content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            place = self._sidecars.where(NAME)
            raise LibraryError(f"{place} cannot be read ({error}); mend it, or move it away") from error

    def _write(self, denials: Sequence[Denial]) -> None:
        records = [{"ids": each.ids, "contents": each.contents} for each in denials]
        try:
            self._sidecars.write(NAME, json.dumps(records, indent=1) + "\n")
        except OSError as error:
            place = self._sidecars.where(NAME)
            raise LibraryError(f"{place} cannot be written: {error.strerror or error}") from error
        self._know(denials)


def _pairs(names: Sequence[str]) -> Iterable[frozenset[str]]:
    return (frozenset(pair) for pair in combinations(names, 2))
