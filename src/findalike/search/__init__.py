"""From a query to hits: terms to vectors, rankings of each space and of texts, fused into one answer."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from findalike import decode
from findalike.encode import calibration
from findalike.encode.base import unit
from findalike.errors import QueryError
from findalike.present.caption import Example
from findalike.query import MAX_K, Filter, Query, evaluate, to_json
from findalike.rank import diversified, fused
from findalike.search.hits import Hits
from findalike.search.space import Candidate, Space
from findalike.search.terms import Seen
from findalike.search.texts import Texts
from findalike.search.words import Shelves, checked
from findalike.settings import Settings
from findalike.store import columns
from findalike.store.base import Store
from findalike.types import Asset, Hit, Origin

__all__ = ["Hits", "Searcher", "Space"]

DEPTHS = (100, 500, 2_000, 2 * MAX_K)
"""How deep rankings go that are fused: the least of these that the page needs, so that the pages before it
come from the same ranking."""

DIVERSE_POOL = 500
"""So many of the best hits are looked at for diverse ones."""


class Searcher:
    """Searches a store."""

    def __init__(self, store: Store, settings: Settings, shelves: Shelves) -> None:
        self.store = store
        self.settings = settings
        self.shelves = shelves

    def search(self, query: Query, spaces: Sequence[Space]) -> Hits:
        """Answer a query in these spaces. Raises QueryError, LibraryMismatch."""
        where = None if query.where is None else query.filter(self.store.columns())
        start, after = self._start(query)
        if not query.terms:
            return self._filtered(query, where, start, after)
        for term in query.terms:
            if term.kind == "text":
                checked(str(term.what))
        reach = DIVERSE_POOL if query.diverse else start + query.k + 1
        seen = {space.card.space: [space.looker.seen(term) for term in query.terms] for space in spaces}
        own = self._own(query, next(iter(seen.values())))
        rankings = [self._ranking(s, seen[s.card.space], reach, len(spaces) > 1, where, own) for s in spaces]
        texts = Texts(self.store, self.shelves.latest())
        rankings += texts.rankings(query.terms, _depth(reach), where, own)
        ordered = _ordered(rankings)
        notes = texts.notes(query.terms, spaces)
        worded = any(term.kind == "text" for term in query.terms)
        hits = [_hit(candidate, worded) for candidate in ordered if candidate.score >= query.min_score]
        if query.diverse:
            hits = self._diverse(hits[:DIVERSE_POOL], ordered, query)
        shown = seen[spaces[0].card.space]
        page, cursor = _page(hits, query, start, after)
        return Hits(
            page,
            query,
            lambda: [self._example(s) for s in shown],
            self.store.thumbnails,
            self._holds,
            notes,
            cursor,
        )

    def _ranking(
        self,
        space: Space,
        seen: Sequence[Seen],
        reach: int,
        several: bool,
        where: Filter | None,
        own: frozenset[str],
    ) -> list[Candidate]:
        if not any(s.term.kind == "text" for s in seen):
            return space.by_looks(seen, _depth(reach) if several else reach, where, own)
        shelf = self.shelves.latest()
        return space.by_words(seen, shelf, _depth(reach), where, own, lambda ids: self._passing(ids, where))

    def _passing(self, ids: Sequence[str], where: Filter | None) -> Mapping[str, Asset]:
        assets = self.store.get(ids) if ids else {}
        if where is None:
            return assets
        kinds = self.store.columns()
        return {i: a for i, a in assets.items() if evaluate(where, columns.values(a, kinds)) is True}

    def _own(self, query: Query, seen: Sequence[Seen]) -> frozenset[str]:
        return frozenset() if query.include_self else frozenset(s.asset.id for s in seen if s.asset)

    def _diverse(self, hits: Sequence[Hit], ordered: Sequence[Candidate], query: Query) -> list[Hit]:
        rows = {c.asset.id: unit(c.row.vector) for c in ordered if c.row is not None}
        none = np.zeros(len(next(iter(rows.values()), ())), np.float32)
        vectors = np.array([rows.get(hit.asset.id, none) for hit in hits], np.float32)
        order = diversified(vectors, [hit.score for hit in hits], query.diverse)
        return [hits[i] for i in order]

    def _filtered(self, query: Query, where: Filter | None, start: int, after: str) -> Hits:
        """All that passes the filter, by path: there is nothing to rank by."""
        assets = sorted(self.store.assets(where), key=lambda asset: asset.uri)
        hits = [Hit(a, Origin(a.id), 1.0, "passes the filter", 1.0, "") for a in assets]
        page, cursor = _page(hits, query, start, after)
        return Hits(page, query, list, self.store.thumbnails, self._holds, (), cursor)

    def _holds(self, uri: str) -> bool:
        return self.store.find(uri) is not None

    def _example(self, seen: Seen) -> Example:
        thumbnail = None
        if seen.picture:
            thumbnail = decode.thumbnail(seen.picture, self.settings.thumbnail_side)
        elif seen.asset:
            thumbnail = self.store.thumbnails([seen.asset.id]).get(seen.asset.id)
        return Example(seen.term.label, seen.term.weight, thumbnail, seen.box)

    def _start(self, query: Query) -> tuple[int, str]:
        """Where a page begins: after so many hits, or after this asset where it is still among them."""
        if query.cursor is None:
            return query.offset, ""
        try:
            asked, start, after = json.loads(base64.urlsafe_b64decode(query.cursor.encode()))
        except ValueError:
            raise QueryError(f"cursor {query.cursor[:40]!r} is none that a search gave") from None
        if asked != _digest(query) or not isinstance(start, int) or not isinstance(after, str):
            raise QueryError("the cursor belongs to another query; give it with the query it came from")
        if not 0 <= start <= MAX_K - query.k:
            raise QueryError(f"the cursor goes on after {MAX_K:,} hits, and those are the most")
        return start, after


def _ordered(rankings: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """One ranking as it is; several fused, each candidate with the reasons and the best score of all."""
    filled = [ranking for ranking in rankings if ranking]
    if len(filled) <= 1:
        return sorted((c for ranking in filled for c in ranking), key=lambda c: (-c.value, c.asset.id))
    values = fused([{c.asset.id: (c.value, c.vote) for c in ranking} for ranking in filled])
    merged: dict[str, Candidate] = {}
    for ranking in filled:
        for candidate in ranking:
            known = merged.get(candidate.asset.id)
            merged[candidate.asset.id] = _merged(known, candidate) if known else candidate
    ordered = [replace(candidate, value=values[i]) for i, candidate in merged.items()]
    return sorted(ordered, key=lambda c: (-c.value, -c.score, c.asset.id))


def _merged(first: Candidate, second: Candidate) -> Candidate:
    better = first if first.score >= second.score else second
    row = first.row or second.row
    return replace(better, row=row, reasons=(*first.reasons, *second.reasons))


def _hit(found: Candidate, worded: bool) -> Hit:
    origin = found.row.origin if found.row else Origin(found.asset.id)
    band = calibration.band(found.score, worded)
    return Hit(found.asset, origin, found.score, band, found.similarity, found.space, found.reasons)


def _page(hits: Sequence[Hit], query: Query, start: int, after: str) -> tuple[list[Hit], str | None]:
    """The hits of a page, and the cursor of the next if there is one."""
    place = next((n + 1 for n, hit in enumerate(hits) if hit.asset.id == after), start)
    page = list(hits[place : place + query.k])
    end = place + len(page)
    if not page or end >= min(len(hits), MAX_K):
        return page, None
    state = json.dumps([_digest(query), end, page[-1].asset.id])
    return page, base64.urlsafe_b64encode(state.encode()).decode()


def _digest(query: Query) -> str:
    """What a cursor belongs to: all of a query but its page."""
    asked = to_json(replace(query, k=1, offset=0, cursor=None))
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def _depth(reach: int) -> int:
    return next(depth for depth in DEPTHS if depth >= min(reach, DEPTHS[-1]))
