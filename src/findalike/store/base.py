"""The seam of a store: what it keeps, and what it answers.

A store keeps assets with their metadata, one thumbnail for each asset, for each space the rows of its
vectors, and the failures. Every adapter passes `tests/contracts/test_store.py`, with the exact in-memory
store as the oracle.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from findalike import distance
from findalike.distance import COSINE
from findalike.errors import LibraryMismatch, UsageError
from findalike.query import Filter, Kind
from findalike.sidecars import Sidecars
from findalike.types import (
    Asset,
    Bank,
    Card,
    Evidence,
    EvidenceTable,
    Failure,
    Found,
    Match,
    Row,
    Value,
    Vector,
    Vectors,
)

Progress = Callable[[str], None]
"""Called with a sentence whenever a long operation begins another part."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One commit: upserts by asset id, row id and uri.

    All of it is durable when `Store.write` returns. Assets go last, so that an asset that is there always
    has its rows, evidence and thumbnail, and a run that is killed leaves at most orphans, never holes. An
    asset that is written clears the failure of its uri. Rows, evidence and thumbnails whose asset is neither
    in the batch nor in the store are orphans: they never count, and the next write may drop them.

    `attachments` are small files kept with an asset: the JPEG of a frame or a face, named by its origin's
    `key`; a mark that it was looked into. Of `changed` assets all earlier rows and attachments go first.
    """

    assets: Sequence[Asset] = ()
    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)  # by space
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)  # by asset id
    failures: Sequence[Failure] = ()
    evidence: Mapping[str, Mapping[str, Evidence]] = field(default_factory=dict)  # by bank, by asset id
    attachments: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)  # by asset id, by name
    changed: Sequence[str] = ()  # ids of assets whose content is new


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

    kind: str  # "orphan rows", "... evidence", "... attachments", "missing rows", "... thumbnails", "index"
    detail: str
    count: int
    repairable: bool


class Store(Protocol):
    """Where a library lives. Readers may be many; writers take turns (`locked`)."""

    @property
    def sidecars(self) -> Sidecars:
        """The small files that belong to the library beside its pictures."""
        ...

    @property
    def lacks(self) -> Mapping[str, str]:
        """What it cannot do: names of methods of this protocol, each with a sentence that says why and what
        to do instead. Such a method raises Unsupported with that sentence."""
        ...

    def locked(self, wait: float) -> AbstractContextManager[None]:
        """Hold the library for writing, against every other process and machine, after at most `wait`
        seconds, -1 for ever. Raises LibraryLocked naming who holds it."""
        ...

    def disk_bytes(self) -> int:
        """How much it takes up on its drive; 0 where that cannot be known."""
        ...

    def cards(self) -> Mapping[str, Card]:
        """The cards of this library by space, in the order they were added."""
        ...

    def add_card(self, card: Card) -> None:
        """Make room for a space. The same card again changes nothing. Raises LibraryMismatch for a card
        whose space is there with another dim, metric, preprocessing, pooling or sha256."""
        ...

    def banks(self) -> Mapping[str, Bank]:
        """The banks of concepts of this library by name, in the order they were added."""
        ...

    def add_bank(self, bank: Bank) -> None:
        """Make room for a bank. The same bank again changes nothing, and one that has more concepts at its
        end keeps the evidence; any other of the same name takes its place, and the evidence of the old one
        goes."""
        ...

    def remove_bank(self, name: str) -> None:
        """Forget a bank and its evidence; one that is not there changes nothing."""
        ...

    def evidence(self, bank: str) -> EvidenceTable:
        """All evidence for a bank, of assets that are there. Kept in memory until the library changes, so
        that asking again is free. Raises LibraryMismatch for a bank that is not there."""
        ...

    def put_evidence(
        self, bank: str, evidence: Mapping[str, Evidence], tags: Mapping[str, Sequence[str]]
    ) -> None:
        """Write the evidence of assets for a bank, in place of what they had for it, and the whole tags
        of assets; assets that are not there are left out."""
        ...

    def full_text(self, words: str, k: int, where: Filter | None = None) -> Sequence[Found]:
        """The k assets whose texts (name, folders, text columns, tags) fit the words best, best first,
        ties by asset id: any of the words counts, stems count as words, a word of five letters or more may
        have a typo, and words in double quotes must stand together."""
        ...

    def facets(self, column: str, where: Filter | None = None, most: int = 20) -> Sequence[tuple[Value, int]]:
        """The values of a column and how many assets have them, the most frequent first, ties by value;
        of `tag`, each tag of an asset counts. Null is not a value. Raises QueryError for no such column."""
        ...

    def columns(self) -> Mapping[str, Kind]:
        """What filters may name: metadata columns, then the facts of `FACTS` that none of them shadows."""
        ...

    def write(self, batch: Batch) -> None:
        """Upsert a batch. New metadata columns are added; an integer column widens to number when a float
        comes; any other value of another kind raises UsageError naming column, both kinds and the uri.
        Rows of an asset in a space replace all earlier rows of that asset in that space. Metadata that is
        null or NaN is not kept."""
        ...

    def update(self, assets: Sequence[Asset]) -> None:
        """Change uri, size, modified and the whole metadata of assets that are there; vectors stay, and so do
        media, sha256 and tags. Assets that are not there are left out."""
        ...

    def remove(self, asset_ids: Iterable[str]) -> int:
        """Remove assets with their rows, evidence and thumbnails; returns how many were there."""
        ...

    def clear_failures(self, uris: Iterable[str]) -> None: ...

    def failures(self) -> Sequence[Failure]: ...

    def assets(self, where: Filter | None = None) -> Iterator[Asset]:
        """Assets that pass the filter, in bounded memory, in no particular order."""
        ...

    def listing(self, where: Filter | None = None) -> Sequence[tuple[str, str]]:
        """Uri and id of each asset that passes the filter, by uri, then by id. A store on disk keeps the
        last few in memory until the library changes, so that asking again is nearly free."""
        ...

    def get(self, asset_ids: Iterable[str]) -> Mapping[str, Asset]:
        """Assets by id; ids that are not there are left out."""
        ...

    def find(self, uri: str) -> Asset | None: ...

    def encoded(self, space: str) -> set[str]:
        """Ids of the assets that have rows in a space."""
        ...

    def thumbnails(self, asset_ids: Iterable[str]) -> Mapping[str, bytes]: ...

    def attachments(self, asset_id: str, names: Iterable[str] | None = None) -> Mapping[str, bytes]:
        """The attachments of an asset by name, all or these; names that are not there are left out."""
        ...

    def attachments_of(self, asset_ids: Iterable[str]) -> Mapping[str, Mapping[str, bytes]]:
        """All attachments of assets, by asset id and name, in one go; assets without any are left out."""
        ...

    def attached(self, name: str) -> set[str]:
        """Ids of the assets that have an attachment of this name."""
        ...

    def rows(self, space: str, asset_ids: Iterable[str]) -> Sequence[Row]: ...

    def row_ids(self, space: str) -> set[str]:
        """The ids of all rows of a space whose asset is there."""
        ...

    def each_row(self, space: str) -> Iterator[Row]:
        """All rows of a space whose asset is there, in no particular order."""
        ...

    def remove_rows(self, space: str, row_ids: Iterable[str]) -> int:
        """Remove these rows of a space; returns how many were there. Their assets stay."""
        ...

    def remove_space(self, space: str) -> None:
        """Forget a space: its card and all its rows; one that is not there changes nothing."""
        ...

    def attachment_names(self) -> Iterator[tuple[str, str]]:
        """The asset id and the name of every attachment."""
        ...

    def remove_attachments(self, names: Mapping[str, Iterable[str]]) -> int:
        """Remove attachments, by asset id and name; returns how many were there."""
        ...

    def purge(self, progress: Progress = lambda _: None) -> None:
        """Have nothing left of what was removed or replaced: no old version of a table, no row that is only
        marked as deleted, no index or list of words that still tells of it. Other processes that read the
        library meanwhile may have to ask again."""
        ...

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """All that is kept, as plain bytes with where they lie: every column of every version of every
        table, without compression. For proofs that something is gone."""
        ...

    def sample(self, space: str, most: int) -> Vectors:
        """Up to `most` vectors, spread evenly over the rows of a space: shape (n, dim)."""
        ...

    def nearest(self, space: str, vector: Vector, k: int, where: Filter | None = None) -> Sequence[Match]:
        """The k rows of largest similarity by the metric of the space's card, best first, ties by row id.
        Rows whose asset is gone do not count. Never builds an index."""
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


def check_card(known: Mapping[str, Card], card: Card) -> bool:
    """Whether a card has to be kept: its space is new, or what may be refined was (its calibration, say).

    Raises LibraryMismatch when the space was made by another card.
    """
    if card.space not in known:
        return True
    was, now = card_to_json(known[card.space]), card_to_json(card)
    for name in ("dim", "metric", "preprocessing", "pooling", "sha256"):
        if was[name] != now[name]:
            raise LibraryMismatch(
                f"space {card.space!r} was made with {name} {was[name]!r}, but the encoder now has "
                f"{now[name]!r}; use the encoder of then, or index into a new library"
            )
    return was != now


def card_to_json(card: Card) -> dict[str, Any]:
    """A card as JSON holds it: tuples are lists."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(card)))
    return values


def card_from_json(values: Mapping[str, Any]) -> Card:
    """The card again; fields of a later version of findalike are left out."""
    known = {f.name: values[f.name] for f in dataclasses.fields(Card) if f.name in values}
    known["modalities"] = tuple(known.get("modalities", ("image",)))
    known["calibration"] = tuple((float(x), float(y)) for x, y in known.get("calibration", ()))
    return Card(**known)


def check_rows(cards: Mapping[str, Card], rows: Mapping[str, Sequence[Row]]) -> None:
    """Raises LibraryMismatch for rows of a space that is not there or vectors of another dim."""
    for space, several in rows.items():
        dim = card_of(cards, space).dim
        for row in several:
            if row.vector.shape != (dim,):
                raise LibraryMismatch(
                    f"row {row.id} has shape {row.vector.shape}, but space {space!r} holds ({dim},)"
                )


def card_of(cards: Mapping[str, Card], space: str) -> Card:
    """The card of a space. Raises LibraryMismatch when the library has no such space."""
    if space not in cards:
        raise LibraryMismatch(f"the library has no space {space!r}; it has {', '.join(cards) or 'none yet'}")
    return cards[space]


def evenly(count: int, most: int) -> list[int]:
    """Up to `most` of the positions below `count`, spread evenly."""
    wanted = min(count, most)
    return [i * count // wanted for i in range(wanted)]


def target_of(vector: Vector, card: Card) -> Vector:
    """A query vector as the metric of its space wants it: of unit length for cosine. Raises LibraryMismatch
    for another dim, UsageError for a vector that has no direction, or holds what is not a number."""
    if np.shape(vector) != (card.dim,):
        raise LibraryMismatch(
            f"the query has shape {np.shape(vector)}, but space {card.space!r} holds ({card.dim},)"
        )
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or (length == 0 and card.metric == COSINE):
        raise UsageError("the query vector has no direction: it is zero or holds what is not a number")
    return np.asarray(vector / length if card.metric == COSINE else vector, np.float32)


def similarities(card: Card, vectors: Vectors, target: Vector) -> Vector:
    """The similarity of each row of a space to a target of `target_of`: shape (rows,). Equal rows get equal
    ones."""
    if card.metric != COSINE:
        return distance.similarity(card.metric, vectors, target)
    found: Vector = (vectors * target).sum(axis=1, dtype=np.float32)  # rows are of unit length
    return found.clip(-1.0, 1.0)


def is_indexable(card: Card) -> bool:
    """Whether the rows of a space can get an index of vectors: those that cosine compares, number by number.
    All others are scanned in memory."""
    return card.metric == COSINE and card.dtype in ("float32", "float16")


def orphan_problems(
    assets: set[str],
    encoded: Mapping[str, set[str]],
    thumbnails: set[str],
    evidence: Mapping[str, set[str]],
    attached: set[str],
) -> list[Problem]:
    """What is wrong between these sets of asset ids; `encoded` by space, `evidence` by bank.

    An asset may rightly lack rows in one space (a picture without faces), but not in all of them.
    """
    found = []
    for space, ids in encoded.items():
        if orphans := len(ids - assets):
            found.append(Problem("orphan rows", f"rows in {space} of assets that are gone", orphans, True))
    for bank, ids in evidence.items():
        if orphans := len(ids - assets):
            detail = f"evidence for {bank} of assets that are gone"
            found.append(Problem("orphan evidence", detail, orphans, True))
    if orphans := len(thumbnails - assets):
        found.append(Problem("orphan thumbnails", "thumbnails of assets that are gone", orphans, True))
    if orphans := len(attached - assets):
        found.append(Problem("orphan attachments", "attachments of assets that are gone", orphans, True))
    if encoded and (bare := len(assets.difference(*encoded.values()))):
        detail = "assets that no space has a row of: run findalike index on their folders again"
        found.append(Problem("missing rows", detail, bare, False))
    if missing := len(assets - thumbnails):
        detail = "assets without a thumbnail: run findalike index on their folders again"
        found.append(Problem("missing thumbnails", detail, missing, False))
    return found
