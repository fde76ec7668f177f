"""From a library to groups of duplicates: each step is dearer than the last, and looks at fewer pictures.

Same bytes are told by sha256. The vectors that the library holds name pairs that may be copies; these are
laid on each other as thumbnails; and of those that look the same to the last grey level the files are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from findalike import decode, sources
from findalike.duplicates import candidates, changes, compare, films
from findalike.duplicates.candidates import Candidate
from findalike.duplicates.compare import Overlay
from findalike.duplicates.denials import Denials
from findalike.duplicates.gallery import KEPT, Gallery, Thumbnail
from findalike.duplicates.group import LEVELS, Group, Level, Pair
from findalike.duplicates.grouping import Bundle, Orders, grouped
from findalike.encode import calibration
from findalike.encode.classical.layout import LAYOUT
from findalike.errors import ReadError
from findalike.store.base import Store
from findalike.types import Asset, Card, Origin, Pixels

Stage = Literal["reading", "pairing", "comparing", "grouping"]
Watch = Callable[[Stage, int, int], None]

MOST = 8_000
"""So many pairs are compared by keypoints, the likeliest first. Up to some 10,000 pictures that is all that
may be copies at all; of more, what is left out is told."""

ALIKE = 0.85
"""The least calibrated score of look-alikes."""

NEAR = 0.35
"""Pairs whose reduced embeddings are less near are not compared by keypoints."""

LEAST_LIKELY = 0.2
"""Nor are pairs that stand out less among their neighbours."""

SAME_LEVELS = 2.0
"""Thumbnails of the same pixels differ by no more than this on average, in grey levels."""

_BLOCK = 400


@dataclass(frozen=True, slots=True)
class Found:
    """The groups, the largest gain first, how many pairs were left out as too many, and whether the library
    lacks the space `layout`, so that turned and mirrored copies may be missed."""

    groups: tuple[Group, ...]
    left_out: int = 0
    lacks_layout: bool = False


def find(
    store: Store,
    level: Level,
    order: Orders,
    denials: Denials,
    workers: int = 1,
    watch: Watch = lambda stage, done, total: None,
) -> Found:
    """The duplicates of a library. `order` makes the key of keepers, given the ids of what was made from
    others; see `keep_first`."""
    bundles = Bundle.of(store.assets(), order(()))
    cards = store.cards()
    search = _Search(
        store, bundles, level, denials, cards.get(LAYOUT.space), embedding(cards), workers, watch
    )
    pairs = search.pairs() if len(bundles) > 1 else []
    groups = grouped(bundles, pairs, search.pair, order, denials, partial(watch, "grouping"), search.prepare)
    return Found(tuple(groups), search.left_out, bool(cards) and LAYOUT.space not in cards)


def embedding(cards: Mapping[str, Card]) -> Card | None:
    """The first space that a network made."""
    return next(
        (c for c in cards.values() if c.metric == "cosine" and c.dtype in _DENSE and c.dim >= 256), None
    )


_DENSE = ("float32", "float16")


class _Search:
    """One run over a library. Pictures are known by their places among the bundles."""

    def __init__(
        self, store: Store, bundles: Sequence[Bundle], level: Level, denials: Denials,
        layout: Card | None, network: Card | None, workers: int, watch: Watch,
    ) -> None:  # fmt: skip
        self._store = store
        self._assets = [bundle.best for bundle in bundles]
        self._places = {asset.id: place for place, asset in enumerate(self._assets)}
        self._kinds = LEVELS[level]
        self._denials = denials
        self._layout, self._network = layout, network
        self._workers = workers
        self._watch = watch
        self._gallery = Gallery(store, self._assets)
        self._turns: dict[tuple[int, int], int] = {}
        self._known: dict[tuple[int, int], Pair | None] = {}
        self.left_out = 0

    def pairs(self) -> list[tuple[int, int]]:
        """Pairs that were verified; of pictures that others connect, not all."""
        candidates = [c for c in self._candidates() if not self._forbidden(c)]
        self._turns = {(c.one, c.other): c.turn for c in candidates if c.turn is not None}
        chosen = self._chosen(candidates)
        joined = _Joined(len(self._assets))
        verified: list[tuple[int, int]] = []
        left = MOST
        for start in range(0, len(chosen), _BLOCK):
            block = [c for c in chosen[start : start + _BLOCK] if not joined.same(c.one, c.other)]
            left -= sum(c.turn is None for c in block)
            for candidate, pair in zip(block, self._compared(block), strict=True):
                if pair is not None:
                    joined.join(candidate.one, candidate.other)
                    verified.append((candidate.one, candidate.other))
            self._watch("comparing", min(start + _BLOCK, len(chosen)), len(chosen))
            if left <= 0:
                self.left_out = len(chosen) - min(start + _BLOCK, len(chosen))
                break
        return verified

    def pair(self, one: int, other: int) -> Pair | None:
        """How `other` repeats `one`, looked at closely."""
        if (one, other) not in self._known:
            self._gallery.fetch((one, other))
            self._known[one, other] = self._compare(one, other)
        return self._known[one, other]

    def prepare(self, places: Sequence[int]) -> None:
        """Have the thumbnails of these at hand, as far as memory goes."""
        self._gallery.fetch(places[:KEPT])

    def _candidates(self) -> list[Candidate]:
        found = []
        for card, pairs, reduce in (
            (self._layout, candidates.by_layout, False),
            (self._network, candidates.by_embedding, True),
        ):
            if card is None:
                continue
            tick = partial(self._watch, "reading")
            vectors, there = candidates.read(self._store, card, self._places, reduce, tick)
            if len(there) > 1:
                found.append(pairs(vectors, there, partial(self._watch, "pairing")))
        return candidates.joined(found)

    def _forbidden(self, candidate: Candidate) -> bool:
        return self._denials.forbid(self._assets[candidate.one], self._assets[candidate.other])

    def _chosen(self, found: Sequence[Candidate]) -> list[Candidate]:
        """Those worth a comparison, the likeliest first."""
        if "copy" not in self._kinds:
            return [c for c in found if self._same_size(c.one, c.other) and (c.turn == 0 or c.cosine > 0.9)]
        whole = [c for c in found if c.turn is not None]
        parts = [c for c in found if c.turn is None and c.cosine >= NEAR and c.likely >= LEAST_LIKELY]
        return whole + parts

    def _compared(self, block: Sequence[Candidate]) -> list[Pair | None]:
        self._gallery.fetch(place for c in block for place in (c.one, c.other))
        with ThreadPoolExecutor(self._workers) as threads:
            found = list(threads.map(lambda c: self._compare(c.one, c.other, _is_near(c)), block))
        for candidate, pair in zip(block, found, strict=True):
            if pair is not None or _is_near(candidate):
                self._known[candidate.one, candidate.other] = pair
        return found

    def _compare(self, one: int, other: int, closely: bool = True) -> Pair | None:
        """How `other` repeats `one`; by keypoints too only when `closely`."""
        a, b = self._assets[one], self._assets[other]
        if a.is_film or b.is_film:
            return self._films(a, b)
        thumbnail_a, thumbnail_b = self._gallery[one], self._gallery[other]
        if thumbnail_a is None or thumbnail_b is None or self._denials.forbid(a, b):
            return None
        if self._same_size(one, other) and _same_levels(thumbnail_a, thumbnail_b) and _same_pixels(a, b):
            return Pair(a.id, b.id, "pixels", 1.0)
        if "copy" in self._kinds:
            overlay = _laid(thumbnail_a, thumbnail_b, self._turn(one, other), closely)
            if overlay is not None:
                facts = overlay, a, thumbnail_a.look, b, thumbnail_b.look
                said, made = changes.words(*facts), changes.derived(*facts)
                return Pair(a.id, b.id, "copy", overlay.score, said, made)
        return self._alike(a, b) if "alike" in self._kinds else None

    def _films(self, a: Asset, b: Asset) -> Pair | None:
        both = a.is_film and b.is_film and "copy" in self._kinds and not self._denials.forbid(a, b)
        return films.compared(self._store, a, b) if both else None

    def _turn(self, one: int, other: int) -> int | None:
        """The turn of `layout.turned` that brings the first to the second; that of the two the other way
        about is its inverse."""
        turn = self._turns.get((one, other))
        if turn is None and (back := self._turns.get((other, one))) is not None:
            turn = back if back >= 4 else -back % 4
        return turn

    def _same_size(self, one: int, other: int) -> bool:
        a, b = self._assets[one].metadata, self._assets[other].metadata
        return all(a.get(side) == b.get(side) for side in ("width", "height"))

    def _alike(self, a: Asset, b: Asset) -> Pair | None:
        if self._network is None:
            return None
        rows = [r for r in self._store.rows(self._network.space, [a.id, b.id]) if r.origin.part == "whole"]
        if {row.asset_id for row in rows} != {a.id, b.id}:
            return None
        score = calibration.score(self._network, float(rows[0].vector @ rows[1].vector))
        return Pair(a.id, b.id, "alike", score) if score >= ALIKE else None


class _Joined:
    """Which pictures hang together (union-find)."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def same(self, one: int, other: int) -> bool:
        return self._root(one) == self._root(other)

    def join(self, one: int, other: int) -> None:
        self._parents[self._root(one)] = self._root(other)

    def _root(self, place: int) -> int:
        while self._parents[place] != place:
            self._parents[place] = self._parents[self._parents[place]]
            place = self._parents[place]
        return place


def _is_near(candidate: Candidate) -> bool:
    """Whether it is worth a comparison by keypoints. Where only layouts are alike, edge must lie on edge."""
    return candidate.turn is None or candidate.cosine >= NEAR


def _laid(a: Thumbnail, b: Thumbnail, turn: int | None, closely: bool) -> Overlay | None:
    """The best way that one lies on the other as a copy does; None where it is none."""
    whole = None if turn is None else compare.framed(a.pixels, b.pixels, turn)
    if whole is not None and whole.is_copy and whole.agreement >= changes.WRITTEN:
        return whole
    if not closely:
        return whole if whole is not None and whole.is_copy else None
    found = [whole, compare.matched(a.pixels, b.pixels, a.keypoints, b.keypoints)]
    return max((each for each in found if each and each.is_copy), key=lambda o: o.score, default=None)


def _same_levels(a: Thumbnail, b: Thumbnail) -> bool:
    if a.pixels.shape != b.pixels.shape:
        return False
    return float(np.abs(a.pixels.astype(np.int16) - b.pixels).mean()) <= SAME_LEVELS


def _same_pixels(a: Asset, b: Asset) -> bool:
    """Whether the files hold the same pixels, upright; not where one cannot be read."""
    pixels_a = _pixels(a)
    pixels_b = _pixels(b) if pixels_a is not None else None
    return pixels_a is not None and pixels_b is not None and np.array_equal(pixels_a, pixels_b)


def _pixels(asset: Asset) -> Pixels | None:
    try:
        with sources.open_asset(asset.uri) as file:
            return decode.decode(file.read(), Origin(asset.id)).picture.pixels
    except ReadError:
        return None


def only(groups: Iterable[Group], asset_ids: set[str]) -> tuple[Group, ...]:
    """The groups that hold any of these assets."""
    return tuple(g for g in groups if asset_ids & {g.keeper.id, *(m.asset.id for m in g.members)})
