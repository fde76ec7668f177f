"""The exact store in memory: plain dictionaries and one matrix product. The oracle for all others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from findalike.query import Filter, Kind, bind, evaluate
from findalike.store import columns
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
    unit,
)
from findalike.types import Asset, Card, Failure, Match, Row, Vector, Vectors


class MemoryStore:
    """Keeps everything until it is closed, and scans everything for every answer."""

    def __init__(self) -> None:
        self._cards: dict[str, Card] = {}
        self._kinds: dict[str, Kind] = {}
        self._assets: dict[str, Asset] = {}
        self._rows: dict[str, dict[str, Row]] = {}
        self._thumbnails: dict[str, bytes] = {}
        self._failures: dict[str, Failure] = {}

    def cards(self) -> Mapping[str, Card]:
        return dict(self._cards)

    def add_card(self, card: Card) -> None:
        if check_card(self._cards, card):
            self._cards[card.space] = card
            self._rows.setdefault(card.space, {})

    def columns(self) -> Mapping[str, Kind]:
        return columns.visible(self._kinds)

    def write(self, batch: Batch) -> None:
        check_rows(self._cards, batch.rows)
        self._grow(batch.assets)
        for space, rows in batch.rows.items():
            replaced = {row.asset_id for row in rows}
            kept = {i: row for i, row in self._rows[space].items() if row.asset_id not in replaced}
            self._rows[space] = kept | {row.id: row for row in rows}
        self._thumbnails |= batch.thumbnails
        for asset in batch.assets:
            self._assets[asset.id] = self._kept(asset)
            self._failures.pop(asset.uri, None)
        self._failures |= {failure.uri: failure for failure in batch.failures}

    def update(self, assets: Sequence[Asset]) -> None:
        there = [asset for asset in assets if asset.id in self._assets]
        self._grow(there)
        for asset in there:
            old = self._assets[asset.id]
            self._assets[asset.id] = replace(self._kept(asset), media=old.media, sha256=old.sha256)

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

    def get(self, asset_ids: Iterable[str]) -> Mapping[str, Asset]:
        return {i: self._assets[i] for i in asset_ids if i in self._assets}

    def find(self, uri: str) -> Asset | None:
        return next((asset for asset in self._assets.values() if asset.uri == uri), None)

    def encoded(self, space: str) -> set[str]:
        card_of(self._cards, space)
        return {row.asset_id for row in self._rows[space].values()}

    def thumbnails(self, asset_ids: Iterable[str]) -> Mapping[str, bytes]:
        return {i: self._thumbnails[i] for i in asset_ids if i in self._thumbnails}

    def rows(self, space: str, asset_ids: Iterable[str]) -> Sequence[Row]:
        card_of(self._cards, space)
        ids = set(asset_ids)
        return [row for row in self._rows[space].values() if row.asset_id in ids]

    def sample(self, space: str, most: int) -> Vectors:
        card = card_of(self._cards, space)
        vectors = [row.vector for row in self._rows[space].values()]
        chosen = [vectors[i] for i in evenly(len(vectors), most)]
        return np.stack(chosen) if chosen else np.empty((0, card.dim), np.float32)

    def nearest(self, space: str, vector: Vector, k: int, where: Filter | None = None) -> Sequence[Match]:
        target = unit(vector, card_of(self._cards, space))
        passing = {asset.id for asset in self._passing(where)}
        rows = sorted(
            (row for row in self._rows[space].values() if row.asset_id in passing), key=lambda row: row.id
        )
        if not rows or k < 1:
            return []
        similarities = np.stack([row.vector for row in rows]) @ target
        best = np.argsort(-similarities, kind="stable")[:k]
        return [Match(rows[i], self._assets[rows[i].asset_id], float(similarities[i])) for i in best]

    def count(self, where: Filter | None = None) -> int:
        return len(self._passing(where))

    def status(self) -> Mapping[str, SpaceStatus]:
        return {space: SpaceStatus(len(rows), "exact", len(rows)) for space, rows in self._rows.items()}

    def check(self) -> Sequence[Problem]:
        return orphan_problems(
            set(self._assets), {space: self.encoded(space) for space in self._cards}, set(self._thumbnails)
        )

    def repair(self) -> Sequence[Problem]:
        found = [problem for problem in self.check() if problem.repairable]
        rows = {row.asset_id for several in self._rows.values() for row in several.values()}
        self._drop_parts((rows | set(self._thumbnails)) - set(self._assets))
        return found

    def optimize(self, progress: Progress = lambda _: None) -> None:
        """Nothing to do: every answer is a scan."""

    def close(self) -> None:
        """Nothing to release."""

    def _grow(self, assets: Sequence[Asset]) -> None:
        wider = columns.grown(self._kinds, assets)
        widened = {name for name, kind in self._kinds.items() if wider[name] != kind}
        self._kinds = wider
        if widened:
            self._assets = {i: self._kept(asset) for i, asset in self._assets.items()}

    def _kept(self, asset: Asset) -> Asset:
        return replace(asset, metadata=columns.kept(asset.metadata, self._kinds))

    def _passing(self, where: Filter | None) -> list[Asset]:
        if where is None:
            return list(self._assets.values())
        tree = bind(where, self.columns())
        return [a for a in self._assets.values() if evaluate(tree, columns.values(a, self._kinds)) is True]

    def _drop_parts(self, asset_ids: set[str]) -> None:
        for space, rows in self._rows.items():
            self._rows[space] = {i: row for i, row in rows.items() if row.asset_id not in asset_ids}
        for i in asset_ids:
            self._thumbnails.pop(i, None)
