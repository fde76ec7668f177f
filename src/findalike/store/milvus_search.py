"""The nearest rows of a space on Milvus: found by its index, and ranked here by their stored vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from findalike.query import Kind
from findalike.store import milvus_index, milvus_records
from findalike.store.base import similarities
from findalike.store.milvus_index import Index
from findalike.store.milvus_tables import Record, Table
from findalike.types import Card, Match, Vector

SLACK = 4
"""More candidates than asked for, so that among equal ones row ids decide."""
TIE = 1e-6
"""Similarities that float32 cannot tell apart."""
EXACTLY = Index()
MOST = 16_384
"""Milvus answers with so many at most."""


@dataclass(frozen=True, slots=True)
class Search:
    """Searches of one space; `kinds` are those of all metadata columns."""

    table: Table
    card: Card
    kinds: Mapping[str, Kind]
    index: Index = EXACTLY

    def nearest(self, target: Vector, k: int, conditions: Sequence[str]) -> list[Match]:
        """The k nearest rows that pass one of the conditions, ties by row id."""
        if k < 1:
            return []
        found = [record for text in conditions for record in self._candidates(target, k, text)]
        return self.ranked(found, target, k)

    def ranked(self, found: Sequence[Record], target: Vector, k: int) -> list[Match]:
        """The best k of these records by their stored vectors, best first, ties by row id."""
        near = similarities(self.card, milvus_records.vectors_of(found, self.card), target)
        order = sorted(range(len(found)), key=lambda i: (-near[i], found[i]["row_id"]))[:k]
        best = [found[i] for i in order]
        rows, assets = milvus_records.to_rows(best, self.card), milvus_records.to_assets(best, self.kinds)
        return [Match(row, asset, float(near[i])) for row, asset, i in zip(rows, assets, order, strict=True)]

    def _candidates(self, target: Vector, k: int, text: str) -> list[Record]:
        """Never fewer than the k nearest, and with all that are as near as the k-th."""
        limit = min(k + SLACK, MOST)
        while True:
            params = milvus_index.search_params(self.index, limit, bool(text))
            found = self.table.search(target, limit, text, milvus_records.MATCH, params)
            if len(found) < limit or limit == MOST or not _cut_through_a_tie(found, k):
                return found
            limit = min(4 * limit, MOST)


def _cut_through_a_tie(found: Sequence[Record], k: int) -> bool:
    """Whether rows as near as the k-th may have been left out, so that row ids could not decide."""
    return len(found) > k and bool(found[k - 1]["distance"] - found[-1]["distance"] <= TIE)
