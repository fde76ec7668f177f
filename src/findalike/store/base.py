"""The seam of a store: what it keeps, and what it answers.

A store keeps assets with their metadata, one thumbnail for each asset, for each space the rows of its
vectors, and the failures. Every adapter passes `tests/contracts/test_store.py`, with the exact in-memory
store as the oracle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from findalike.query import Filter, Kind
from findalike.types import Asset, Card, Failure, Match, Row, Vector

Progress = Callable[[str], None]
"""Called with a sentence whenever a long operation begins another part."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One commit: upserts by asset id, row id and uri.

    All of it is durable when `Store.write` returns. Assets go last, so that an asset that is there always
    has its rows and its thumbnail, and a run that is killed leaves at most orphans, never holes.
    An asset that is written clears the failure of its uri.
    """

    assets: Sequence[Asset] = ()
    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)  # by space
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)  # by asset id
    failures: Sequence[Failure] = ()


@dataclass(frozen=True, slots=True)
class SpaceStatus:
    """`index` is `exact`, or the kind of approximate index; `unindexed` rows are scanned exactly."""

    rows: int
    index: str
    unindexed: int
    due: str = ""  # the index kind that `optimize` would build, or "" when nothing is due


@dataclass(frozen=True, slots=True)
class Problem:
    """Something `check` found. `repairable` by `repair`, which removes orphans and never assets."""

    kind: str  # "orphan rows", "orphan thumbnails", "missing rows", "missing thumbnails", "index"
    detail: str
    count: int
    repairable: bool


class Store(Protocol):
    """Where a library lives. Readers may be many; writers take turns (the library holds a lock)."""

    def cards(self) -> Mapping[str, Card]:
        """The cards of this library by space, in the order they were added."""
        ...

    def add_card(self, card: Card) -> None:
        """Make room for a space. The same card again changes nothing. Raises LibraryMismatch for a card
        whose space is there with another dim, metric, preprocessing, pooling or sha256."""
        ...

    def columns(self) -> Mapping[str, Kind]:
        """What filters may name: metadata columns, then the facts of `FACTS` that none of them shadows."""
        ...

    def write(self, batch: Batch) -> None:
        """Upsert a batch. New metadata columns are added; an integer column widens to number when a float
        comes; any other value of another kind raises UsageError naming column, both kinds and the uri.
        Rows of an asset in a space replace all earlier rows of that asset in that space."""
        ...

    def update(self, assets: Sequence[Asset]) -> None:
        """Change uri, size, modified and metadata of assets that are there; vectors stay."""
        ...

    def remove(self, asset_ids: Iterable[str]) -> int:
        """Remove assets with their rows and thumbnails; returns how many were there."""
        ...

    def clear_failures(self, uris: Iterable[str]) -> None: ...

    def failures(self) -> Sequence[Failure]: ...

    def assets(self, where: Filter | None = None) -> Iterator[Asset]:
        """Assets that pass the filter, in bounded memory, in no particular order."""
        ...

    def get(self, asset_ids: Iterable[str]) -> Mapping[str, Asset]:
        """Assets by id; ids that are not there are left out."""
        ...

    def find(self, uri: str) -> Asset | None: ...

    def encoded(self, space: str) -> set[str]:
        """Ids of the assets that have rows in a space."""
        ...

    def thumbnails(self, asset_ids: Iterable[str]) -> Mapping[str, bytes]: ...

    def rows(self, space: str, asset_ids: Iterable[str]) -> Sequence[Row]: ...

    def nearest(self, space: str, vector: Vector, k: int, where: Filter | None = None) -> Sequence[Match]:
        """The k rows of largest cosine similarity, best first, ties by row id. Rows whose asset is gone
        do not count. Never builds an index."""
        ...

    def count(self, where: Filter | None = None) -> int:
        """How many assets pass the filter."""
        ...

    def status(self) -> Mapping[str, SpaceStatus]: ...

    def check(self) -> Sequence[Problem]: ...

    def repair(self) -> Sequence[Problem]:
        """Mend what `check` calls repairable; returns what was mended."""
        ...

    def optimize(self, progress: Progress = lambda _: None) -> None:
        """Compact, and build or refresh each index whose size calls for one."""
        ...

    def close(self) -> None: ...
