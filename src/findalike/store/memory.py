"""The exact store in memory: plain dictionaries and one matrix product. The oracle for all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from findalike.filters import folded
from findalike.query import Filter, IsNull, Kind, bind, evaluate
from findalike.sidecars import MemorySidecars, Sidecars
from findalike.store import banks, columns, full_text
from findalike.store.base import (
    Batch,
    Problem,
    Progress,
    SpaceStatus,
    card_of,
    check_card,
    check_rows,
    evenly,
    orphan_problems,
    similarities,
    target_of,
)
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


class MemoryStore:
    """Keeps everything until it is closed, and scans everything for every answer."""

    lacks: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.sidecars: Sidecars = MemorySidecars()
        self._cards: dict[str, Card] = {}
        self._kinds: dict[str, Kind] = {}
        self._assets: dict[str, Asset] = {}
        self._rows: dict[str, dict[str, Row]] = {}
        self._thumbnails: dict[str, bytes] = {}
        self._attachments: dict[str, dict[str, bytes]] = {}
        self._failures: dict[str, Failure] = {}
        self._banks: dict[str, Bank] = {}
        self._evidence: dict[str, dict[str, Evidence]] = {}
        self._tables: dict[str, EvidenceTable] = {}  # of evidence, until the next change
        self._changes = 0
        self._keys: dict[str, dict[str, tuple[int, Row]]] = {}  # of rows, by space and row id
        self._last_key = 0

    def cards(self) -> Mapping[str, Card]:
        return dict(self._cards)

    def add_card(self, card: Card) -> None:
        if check_card(self._cards, card):
            self._cards[card.space] = card
            self._rows.setdefault(card.space, {})

    def banks(self) -> Mapping[str, Bank]:
        return dict(self._banks)

    def add_bank(self, bank: Bank) -> None:
        known = self._banks.get(bank.name)
        if known is None or not banks.grows(known, bank):
            self._evidence[bank.name] = {}
            self._changed()
        self._banks[bank.name] = bank

    def remove_bank(self, name: str) -> None:
        for by_name in (self._banks, self._evidence, self._tables):
            by_name.pop(name, None)

    def evidence(self, bank: str) -> EvidenceTable:
        banks.bank_of(self._banks, bank)
        if bank not in self._tables:
            there = {i: one for i, one in self._evidence[bank].items() if i in self._assets}
            self._tables[bank] = banks.evidence_table(there)
        return self._tables[bank]

    def put_evidence(
        self, bank: str, evidence: Mapping[str, Evidence], tags: Mapping[str, Sequence[str]]
    ) -> None:
        banks.check_evidence(self._banks, {bank: evidence})
        for asset_id, several in tags.items():
            columns.check_tags(asset_id, several)
        self._evidence[bank] |= {i: dict(one) for i, one in evidence.items() if i in self._assets}
        for i in set(tags) & set(self._assets):
            self._assets[i] = replace(self._assets[i], tags=columns.kept_tags(tags[i]))
        self._changed()

    def full_text(self, words: str, k: int, where: Filter | None = None) -> Sequence[Found]:
        passing = {asset.id for asset in self._passing(where)}
        documents = {i: full_text.document(asset) for i, asset in self._assets.items()}
        best = full_text.rank(full_text.asked(words), documents, passing, k)
        return [Found(self._assets[i], relevance) for i, relevance in best]

    def facets(self, column: str, where: Filter | None = None, most: int = 20) -> Sequence[tuple[Value, int]]:
        bind(IsNull(column), self.columns())
        counts: Counter[Value] = Counter()
        spelled: dict[Value, Value] = {}
        for asset in self._passing(where):
            value = columns.values(asset, self._kinds).get(column)
            for one in value if isinstance(value, tuple) else () if value is None else (value,):
                key = folded(one) if isinstance(value, tuple) else one
                spelled[key] = min(spelled.get(key, one), one)  # type: ignore[type-var]
                counts[key] += 1
        found = [(spelled[key], count) for key, count in counts.items()]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))[: max(most, 0)]

    def columns(self) -> Mapping[str, Kind]:
        return columns.visible(self._kinds)

    def write(self, batch: Batch) -> None:
        check_rows(self._cards, batch.rows)
        banks.check_evidence(self._banks, batch.evidence)
        self._grow(batch.assets)
        self._drop_contents(set(batch.changed))
        for space, rows in batch.rows.items():
            replaced = {row.asset_id for row in rows}
            kept = {i: row for i, row in self._rows[space].items() if row.asset_id not in replaced}
            self._rows[space] = kept | {row.id: row for row in rows}
        for bank, evidence in batch.evidence.items():
            self._evidence[bank] |= {i: dict(one) for i, one in evidence.items()}
        self._changed()
        self._thumbnails |= batch.thumbnails
        for i, several in batch.attachments.items():
            self._attachments[i] = self._attachments.get(i, {}) | dict(several)
        for asset in batch.assets:
            self._assets[asset.id] = self._kept(asset)
            self._failures.pop(asset.uri, None)
        self._failures |= {failure.uri: failure for failure in batch.failures}

    def update(self, assets: Sequence[Asset]) -> None:
        self._changed()
        there = [asset for asset in assets if asset.id in self._assets]
        self._grow(there)
        for asset in there:
            old = self._assets[asset.id]
            self._assets[asset.id] = replace(
                self._kept(asset), media=old.media, sha256=old.sha256, tags=old.tags
            )

    def remove(self, asset_ids: Iterable[str]) -> int:
        ids = set(asset_ids)
        removed = [self._assets.pop(i) for i in ids if i in self._assets]
        self._drop_parts(ids)
        return len(removed)

    def clear_failures(self, uris: Iterable[str]) -> None:
        for uri in uris:
            self._failures.pop(uri, None)

    def failures(self) -> Sequence[Failure]:
        return list(self._failures.values())

    def assets(self, where: Filter | None = None) -> Iterator[Asset]:
        return iter(self._passing(where))

    def listing(self, where: Filter | None = None) -> Sequence[tuple[str, str]]:
        return sorted((asset.uri, asset.id) for asset in self._passing(where))

    def get(self, asset_ids: Iterable[str]) -> Mapping[str, Asset]:
        return {i: self._assets[i] for i in asset_ids if i in self._assets}

    def find(self, uri: str) -> Asset | None:
        return next((asset for asset in self._assets.values() if asset.uri == uri), None)

    def encoded(self, space: str) -> set[str]:
        card_of(self._cards, space)
        return {row.asset_id for row in self._rows[space].values()}

    def thumbnails(self, asset_ids: Iterable[str]) -> Mapping[str, bytes]:
        return {i: self._thumbnails[i] for i in asset_ids if i in self._thumbnails}

    def attachments(self, asset_id: str, names: Iterable[str] | None = None) -> Mapping[str, bytes]:
        there = self._attachments.get(asset_id, {})
        return {name: there[name] for name in (there if names is None else names) if name in there}

    def attachments_of(self, asset_ids: Iterable[str]) -> Mapping[str, Mapping[str, bytes]]:
        return {i: dict(self._attachments[i]) for i in asset_ids if self._attachments.get(i)}

    def attached(self, name: str) -> set[str]:
        return {i for i, several in self._attachments.items() if name in several}

    def rows(self, space: str, asset_ids: Iterable[str]) -> Sequence[Row]:
        card_of(self._cards, space)
        ids = set(asset_ids)
        return [row for row in self._rows[space].values() if row.asset_id in ids]

    def row_ids(self, space: str) -> set[str]:
        return {row.id for row in self.each_row(space)}

    def each_row(self, space: str) -> Iterator[Row]:
        card_of(self._cards, space)
        return iter([row for row in self._rows[space].values() if row.asset_id in self._assets])

    def remove_rows(self, space: str, row_ids: Iterable[str]) -> int:
        card_of(self._cards, space)
        self._changed()
        return sum(self._rows[space].pop(row_id, None) is not None for row_id in set(row_ids))

    def remove_space(self, space: str) -> None:
        for by_space in (self._cards, self._rows, self._keys):
            by_space.pop(space, None)
        self._changed()

    def attachment_names(self) -> Iterator[tuple[str, str]]:
        return iter([(i, name) for i, several in self._attachments.items() for name in several])

    def remove_attachments(self, names: Mapping[str, Iterable[str]]) -> int:
        there = [
            (self._attachments.get(i, {}), name) for i, several in names.items() for name in set(several)
        ]
        return sum(of.pop(name, None) is not None for of, name in there)

    def purge(self, progress: Progress = lambda _: None) -> None:
        """Nothing to do: what is removed is gone."""

    def contents(self) -> Iterator[tuple[str, bytes]]:
        for space, rows in self._rows.items():
            for row in rows.values():
                yield space, row.id.encode() + row.vector.tobytes()
        for i, several in self._attachments.items():
            for name, data in several.items():
                yield "attachments", f"{i}:{name}".encode() + data
        yield from ((i, data) for i, data in self._thumbnails.items())
        for kept in (self._assets, self._failures, self._banks):
            yield from (("values", repr(each).encode()) for each in kept.values())

    def sample(self, space: str, most: int) -> Vectors:
        card = card_of(self._cards, space)
        vectors = [row.vector for row in self._rows[space].values()]
        chosen = [vectors[i] for i in evenly(len(vectors), most)]
        return np.stack(chosen) if chosen else np.empty((0, card.dim), np.float32)

    def nearest(self, space: str, vector: Vector, k: int, where: Filter | None = None) -> Sequence[Match]:
        card_of(self._cards, space)
        passing = {asset.id for asset in self._passing(where)}
        rows = [row for row in self._rows[space].values() if row.asset_id in passing]
        return self._nearest(space, vector, rows, k)

    def revision(self, space: str) -> object:
        card_of(self._cards, space)
        return self._changes

    def row_keys(self, space: str, where: Filter | None = None) -> NDArray[np.uint64]:
        card_of(self._cards, space)
        passing = {asset.id for asset in self._passing(where)}
        rows = self._keyed(space)
        return np.array([key for key, row in rows.items() if row.asset_id in passing], np.uint64)

    def row_vectors(self, space: str, keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], Vectors]:
        rows = self._keyed(space)
        there = [key for key in keys.tolist() if key in rows]
        vectors = [rows[key].vector for key in there] or [np.empty((0, self._cards[space].dim), np.float32)]
        return np.array(there, np.uint64), np.vstack(vectors)

    def nearest_of(self, space: str, vector: Vector, keys: NDArray[np.uint64]) -> Sequence[Match]:
        rows = self._keyed(space)
        return self._nearest(space, vector, [rows[key] for key in keys.tolist() if key in rows], len(keys))

    def count(self, where: Filter | None = None) -> int:
        return len(self._passing(where))

    def status(self) -> Mapping[str, SpaceStatus]:
        return {space: SpaceStatus(len(rows), "exact", len(rows)) for space, rows in self._rows.items()}

    def check(self) -> Sequence[Problem]:
        return orphan_problems(
            set(self._assets),
            {space: self.encoded(space) for space in self._cards},
            set(self._thumbnails),
            {bank: set(evidence) for bank, evidence in self._evidence.items()},
            set(self._attachments),
        )

    def repair(self) -> Sequence[Problem]:
        found = [problem for problem in self.check() if problem.repairable]
        rows = {row.asset_id for several in self._rows.values() for row in several.values()}
        parts = rows.union(self._thumbnails, self._attachments, *self._evidence.values())
        self._drop_parts(parts - set(self._assets))
        return found

    def optimize(self, progress: Progress = lambda _: None) -> None:
        """Nothing to do: every answer is a scan."""

    def locked(self, wait: float) -> AbstractContextManager[None]:
        """No other process can write into it."""
        return nullcontext()

    def disk_bytes(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing to release."""

    def _changed(self) -> None:
        self._changes += 1
        self._tables = {}

    def _keyed(self, space: str) -> dict[int, Row]:
        """The rows of a space by their keys, of which each is given once."""
        known, now = self._keys.get(space, {}), {}
        for row in self._rows[space].values():
            key, was = known.get(row.id, (0, None))
            if was is not row:
                key = self._last_key = self._last_key + 1
            now[row.id] = key, row
        self._keys[space] = now
        return dict(now.values())

    def _nearest(self, space: str, vector: Vector, rows: Iterable[Row], k: int) -> list[Match]:
        card = card_of(self._cards, space)
        target = target_of(vector, card)
        ordered = sorted(rows, key=lambda row: row.id)
        if not ordered or k < 1:
            return []
        found = similarities(card, np.stack([row.vector for row in ordered]), target)
        best = np.argsort(-found, kind="stable")[:k]
        return [Match(ordered[i], self._assets[ordered[i].asset_id], float(found[i])) for i in best]

    def _grow(self, assets: Sequence[Asset]) -> None:
        wider = columns.grown(self._kinds, assets)
        widened = {name for name, kind in self._kinds.items() if wider[name] != kind}
        self._kinds = wider
        if widened:
            self._assets = {i: self._kept(asset) for i, asset in self._assets.items()}

    def _kept(self, asset: Asset) -> Asset:
        return columns.kept_asset(asset, self._kinds)

    def _passing(self, where: Filter | None) -> list[Asset]:
        if where is None:
            return list(self._assets.values())
        tree = bind(where, self.columns())
        return [a for a in self._assets.values() if evaluate(tree, columns.values(a, self._kinds)) is True]

    def _drop_contents(self, asset_ids: set[str]) -> None:
        for space, rows in self._rows.items() if asset_ids else ():
            self._rows[space] = {i: row for i, row in rows.items() if row.asset_id not in asset_ids}
        for i in asset_ids:
            self._attachments.pop(i, None)

    def _drop_parts(self, asset_ids: set[str]) -> None:
        self._drop_contents(asset_ids)
        self._changed()
        for i in asset_ids:
            self._thumbnails.pop(i, None)
            for evidence in self._evidence.values():
                evidence.pop(i, None)
