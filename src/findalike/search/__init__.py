"""From a query to hits: terms to vectors, rankings of each space and of texts, fused into one answer."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np

from findalike import decode
from findalike.encode import calibration
from findalike.encode.base import unit
from findalike.errors import QueryError
from findalike.present.caption import Example
from findalike.query import MAX_K, Filter, Query, evaluate
from findalike.rank import diversified, fused
from findalike.search import cursor, films, moments
from findalike.search.cursor import Place
from findalike.search.hits import Hits
from findalike.search.looks import weighed
from findalike.search.same import Same, passing, told
from findalike.search.space import Candidate, Space
from findalike.search.terms import Seen
from findalike.search.texts import Texts
from findalike.search.verified import DEPTH, Verified, Verifier, Watch, is_verified, paired
from findalike.search.views import Views
from findalike.search.words import Shelf, Shelves, checked
from findalike.settings import Settings
from findalike.store import columns
from findalike.store.base import Store
from findalike.types import Asset, Hit, Origin

__all__ = ["Hits", "Searcher", "Space"]

DEPTHS = (100, 500, 2_000, 2 * MAX_K)
"""How deep rankings are followed where words or several spaces are asked for. Each level begins where the one
before it ended, so that a deeper page never moves what earlier pages showed."""

DIVERSE_POOL = 500
"""So many of the best hits are looked at for diverse ones."""


class Searcher:
    """Searches a store."""

    def __init__(self, store: Store, settings: Settings, shelves: Shelves) -> None:
        self.store = store
        self.settings = settings
        self.shelves = shelves

    def search(
        self,
        query: Query,
        spaces: Sequence[Space],
        watch: Watch = lambda done, total: None,
        same: Sequence[Same] = (),
    ) -> Hits:
        """Answer a query in these spaces; `watch` is told of hits that are verified, and `same` are the
        values that its picture has. Raises QueryError, LibraryMismatch."""
        where = passing(None if query.where is None else query.filter(self.store.columns()), same)
        place = cursor.place(query)
        if not query.terms:
            return self._filtered(query, where, place)
        asked = self._asked(query, spaces, where)
        if query.verify and any(seen.is_film for seen in asked.seen[0]):
            raise QueryError(
                "verify compares pictures, but the query has a film, which is laid on others as it is: "
                "leave verify out"
            )
        ordered = self._ordered(asked, _reach(query, place))
        there = self._laid(asked, ordered)
        found = [_hit(c, asked.worded, there.stretches.get(c.asset.id)) for c in there.candidates]
        verified = self._verified(found, asked, place, watch)
        hits = [hit for hit in verified.hits if hit.score >= query.min_score or is_verified(hit)]
        if query.diverse:
            hits = self._diverse(hits[:DIVERSE_POOL], ordered, query)
        page, following = _page(hits, query, place)
        shown = asked.seen[0]
        notes = [*(s.note for s in shown if s.note), *(note for each in same for note in each.notes)]
        notes += [*asked.texts.notes(query.terms), *_unread(verified)]
        examples = partial(self._examples, shown)
        pairs = partial(
            paired, proofs=verified.proofs, views=Views(self.store, self.settings), start=place.start
        )
        return Hits(
            told(self._with_moments(page, asked), same),
            query,
            examples,
            self._pictures,
            self._holds,
            notes,
            following,
            place.start,
            pairs=pairs,
        )

    def _verified(self, hits: list[Hit], asked: _Asked, place: Place, watch: Watch) -> Verified:
        """The hits with the best of them verified, where that is asked for; what earlier pages showed is not
        looked at again."""
        method = asked.query.verify
        if method is None or asked.query.offset >= DEPTH:
            return Verified(hits)
        best = [hit for hit in hits[:DEPTH] if cursor.mark(hit.asset.id) not in place.seen]
        shown = [hit for hit in hits[:DEPTH] if cursor.mark(hit.asset.id) in place.seen]
        views = Views(self.store, self.settings)
        found = Verifier(method, views, self.settings.thread_count()).verified(best, asked.seen[0], watch)
        return replace(found, hits=[*shown, *found.hits, *hits[DEPTH:]])

    def _laid(self, asked: _Asked, ordered: Sequence[Candidate]) -> films.Laid:
        """The candidates, the films among them with where they show what is looked for."""
        first = asked.seen[0]
        if any(seen.is_film for seen in first):
            return films.laid(self.store, first, ordered, asked.worded)
        alone = len(first) == 1 and len(asked.spaces) == 1 and not asked.worded
        return films.showing(self.store, first[0], ordered) if alone else films.Laid(ordered)

    def _with_moments(self, page: Sequence[Hit], asked: _Asked) -> list[Hit]:
        """The hits of a page, those of films with the moments that answer too."""
        known = {space.card.space: number for number, space in enumerate(asked.spaces)}
        found: dict[str, Hit] = {}
        for number, (space, seen) in enumerate(zip(asked.spaces, asked.seen, strict=True)):
            hits = [h for h in page if h.asset.is_film and known.get(h.space, len(known) - 1) == number]
            if hits:
                most = min(moments.PER_FILM * len(hits), moments.MOST_ROWS)
                parts = moments.by_film(space.within(seen, [h.asset for h in hits], most, asked.worded))
                found |= {h.asset.id: moments.completed(h, parts.get(h.asset.id, [])) for h in hits}
        return [found.get(hit.asset.id, hit) for hit in page]

    def _pictures(self, names: Sequence[str]) -> dict[str, bytes]:
        """The pictures that stand for hits, by `caption.picture`: a frame of a film, or the thumbnail."""
        assets = {name: name.partition(":")[0] for name in names}
        small = self.store.thumbnails(list(dict.fromkeys(assets.values())))
        shown = {name: small[asset] for name, asset in assets.items() if asset in small}
        for name, asset in assets.items():
            frame = name.partition(":")[2]
            kept = self.store.attachments(asset, [frame]) if frame else {}
            shown |= {name: kept[frame]} if frame in kept else {}
        return shown

    def _asked(self, query: Query, spaces: Sequence[Space], where: Filter | None) -> _Asked:
        for term in query.terms:
            if term.kind == "text":
                checked(cast(str, term.what))
        seen = [[space.looker.seen(term) for term in query.terms] for space in spaces]
        own = frozenset() if query.include_self else frozenset(s.asset.id for s in seen[0] if s.asset)
        shelf = self.shelves.latest()
        return _Asked(query, spaces, seen, where, own, shelf, Texts(self.store, shelf, spaces))

    def _ordered(self, asked: _Asked, reach: int) -> list[Candidate]:
        """All candidates of the levels that a page needs."""
        if not asked.worded and len(asked.spaces) == 1:
            return _fused(self._rankings(asked, reach))
        ordered: list[Candidate] = []
        for before, depth in zip((0, *DEPTHS), DEPTHS, strict=False):
            if before >= reach:
                break
            ordered = ordered[:before]
            there = {candidate.asset.id for candidate in ordered}
            ordered += [c for c in _fused(self._rankings(asked, depth)) if c.asset.id not in there]
        return ordered

    def _rankings(self, asked: _Asked, depth: int) -> list[list[Candidate]]:
        where, own = asked.where, asked.own
        pairs = list(zip(asked.spaces, asked.seen, strict=True))
        passing = partial(self._passing, where)
        if asked.query.looks:
            return self._by_ways(asked, depth)
        if not asked.worded:
            return [space.by_looks(seen, depth, where, own) for space, seen in pairs]
        by_words = [space.by_words(seen, asked.shelf, depth, where, own, passing) for space, seen in pairs]
        return by_words + asked.texts.rankings(asked.query.terms, depth, where, own)

    def _by_ways(self, asked: _Asked, depth: int) -> list[list[Candidate]]:
        """Pictures weighed over their ways; words, which have none, are ranked apart: in the last space."""
        where, own, weights = asked.where, asked.own, [weight for _, weight in asked.query.looks]
        several = [[s for s in seen if s.term.kind != "text"] for seen in asked.seen]
        ways = list(zip(asked.spaces, several, weights, strict=False))
        ranking = weighed(ways, depth, where, own)
        if not asked.worded:
            return [ranking]
        texts = [s for s in asked.seen[-1] if s.term.kind == "text"]
        passing = partial(self._passing, where)
        by_words = asked.spaces[-1].by_words(texts, asked.shelf, depth, where, own, passing)
        return [ranking, by_words, *asked.texts.rankings(asked.query.terms, depth, where, own)]

    def _passing(self, where: Filter | None, ids: Sequence[str]) -> Mapping[str, Asset]:
        assets = self.store.get(ids) if ids else {}
        if where is None:
            return assets
        kinds = self.store.columns()
        return {i: a for i, a in assets.items() if evaluate(where, columns.values(a, kinds)) is True}

    def _diverse(self, hits: Sequence[Hit], ordered: Sequence[Candidate], query: Query) -> list[Hit]:
        rows = {c.asset.id: unit(c.row.vector) for c in ordered if c.row is not None}
        none = np.zeros(len(next(iter(rows.values()), ())), np.float32)
        vectors = np.array([rows.get(hit.asset.id, none) for hit in hits], np.float32)
        order = diversified(vectors, [hit.score for hit in hits], query.diverse)
        return [hits[i] for i in order]

    def _filtered(self, query: Query, where: Filter | None, place: Place) -> Hits:
        """All that passes the filter, by path: there is nothing to rank by. A page goes on after the path
        where the one before it ended, so that none is seen twice or left out while pictures come and go."""
        listing = self.store.listing(where)
        start = bisect.bisect_right(listing, (place.uri, place.asset_id)) if place.uri else place.start
        shown = listing[start : start + query.k]
        assets = self.store.get(asset_id for _, asset_id in shown)
        found = [assets[asset_id] for _, asset_id in shown if asset_id in assets]
        hits = [Hit(a, Origin(a.id), 1.0, "passes the filter", 1.0, "") for a in found]
        end = start + len(shown)
        more = shown and end < len(listing)
        following = cursor.listed(query, end, *shown[-1]) if more else None
        return Hits(hits, query, list, self._pictures, self._holds, (), following, start, len(listing))

    def _holds(self, uri: str) -> bool:
        return self.store.find(uri) is not None

    def _examples(self, seen: Sequence[Seen]) -> list[Example]:
        return [self._example(each) for each in seen]

    def _example(self, seen: Seen) -> Example:
        thumbnail = None
        if seen.picture:
            thumbnail = decode.thumbnail(seen.picture, self.settings.thumbnail_side)
        elif seen.asset:
            thumbnail = self.store.thumbnails([seen.asset.id]).get(seen.asset.id)
        return Example(seen.term.label, seen.term.weight, thumbnail, seen.box)


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A query as it is answered: `seen` has the terms as each of `spaces` sees them."""

    query: Query
    spaces: Sequence[Space]
    seen: Sequence[Sequence[Seen]]
    where: Filter | None
    own: frozenset[str]
    shelf: Shelf
    texts: Texts

    @property
    def worded(self) -> bool:
        return any(term.kind == "text" for term in self.query.terms)


def _reach(query: Query, place: Place) -> int:
    """How many of the best candidates a page needs."""
    if query.diverse:
        return DIVERSE_POOL
    return max(place.start + query.k + 1, DEPTH if query.verify else 0, films.DEPTH)


def _fused(rankings: Sequence[Sequence[Candidate]]) -> list[Candidate]:
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


def _hit(found: Candidate, worded: bool, there: films.Stretch | None) -> Hit:
    origin = found.row.origin if found.row else Origin(found.asset.id)
    band = calibration.band(found.score, worded)
    hit = Hit(found.asset, origin, found.score, band, found.similarity, found.space, found.reasons)
    if origin.time is not None:
        hit = replace(hit, frame=Origin(found.asset.id, "frame", time=origin.time).key)
    if there is None:
        return hit
    return replace(hit, origin=films.origin_of(found.asset, there), query_span=there.query)


def _unread(verified: Verified) -> list[str]:
    one = verified.unread == 1
    words = f"{verified.unread} {'hit' if one else 'hits'} could not be verified: no picture of "
    return [f"{words}{'it' if one else 'them'} can be read"] if verified.unread else []


def _page(hits: Sequence[Hit], query: Query, place: Place) -> tuple[list[Hit], str | None]:
    """The hits of a page, and the cursor of the next page if there is one."""
    if place.seen:
        hits = [hit for hit in hits if cursor.mark(hit.asset.id) not in place.seen]
        before: list[Hit] = []
    else:
        before, hits = list(hits[: place.start]), hits[place.start :]
    page = list(hits[: query.k])
    end = place.start + len(page)
    if len(hits) <= len(page) or not page or end >= MAX_K:
        return page, None
    return page, cursor.ranked(query, [hit.asset.id for hit in (*before, *page)], place.seen)
