"""From a query to hits: terms to vectors, nearest rows, scores, reasons."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast, overload

import numpy as np

from findalike import decode, pixels, plugins, sources
from findalike import uri as uris
from findalike.encode import calibration
from findalike.encode.base import Encoder, encode, short_side, unit
from findalike.errors import LibraryMismatch, QueryError, ReadError, UsageError
from findalike.present import caption
from findalike.present.caption import Example, Thumbnails
from findalike.query import Filter, Query, Term
from findalike.rank import adapted, best_parts, combine
from findalike.settings import Settings
from findalike.store.base import Store
from findalike.types import Asset, Card, Hit, Match, Origin, Picture, Pixels, Reason, Row, Vector

SAMPLE = 4_000
"""Rows that stand for a library when its mean is taken: the mean is then within 2 % of its length."""

STALE = 0.05
"""The share by which a library grows or shrinks before its mean is taken again."""


class Hits(Sequence[Hit]):
    """The answer to a query, best first. In a notebook it shows itself as a grid of pictures."""

    def __init__(
        self,
        hits: Iterable[Hit],
        query: Query,
        examples: Callable[[], Sequence[Example]],
        thumbnails: Thumbnails,
        holds: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`examples` gives the query's terms as they are shown, when a sheet or a page asks for them; `holds`
        tells whether a uri is a picture of the library, which nothing is written over."""
        self._hits = tuple(hits)
        self.query = query
        self.examples = examples
        self.thumbnails = thumbnails
        self._holds = holds

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Hit]: ...
    def __getitem__(self, index: int | slice) -> Hit | Sequence[Hit]:
        return self._hits[index]

    def __len__(self) -> int:
        return len(self._hits)

    def __repr__(self) -> str:
        best = f", best {caption.score(self._hits[0])} ({self._hits[0].band})" if self._hits else ""
        return f"<{len(self)} hits{best}>"

    @property
    def nothing_similar(self) -> bool:
        """Whether no hit is even loosely related. Without terms: whether nothing passed the filter."""
        if not self.query.terms:
            return not self._hits
        return all(hit.score < calibration.RELATED_FROM for hit in self._hits)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The records that `--json` prints."""
        records = plugins.on_use("findalike.present.records").records(self._hits)
        return cast(list[dict[str, Any]], records)

    def sheet(self, out: str | os.PathLike[str] | BinaryIO, columns: int | None = None) -> None:
        """Write a labelled contact sheet: .png, .jpg or .webp. Raises UsageError, also rather than write over
        a picture that was searched for or found."""
        self._spare(out)
        plugins.on_use("findalike.present.sheet").sheet(
            self._hits, self.thumbnails, out, query=self.examples(), columns=columns
        )

    def page(self, out: str | os.PathLike[str] | BinaryIO) -> None:
        """Write a self-contained HTML page. Raises UsageError."""
        self._spare(out)
        page = plugins.on_use("findalike.present.page")
        page.page(self._hits, self.thumbnails, out, query=self.examples())

    def _spare(self, out: object) -> None:
        """Refuse to write over a picture of the library or of the query."""
        if not isinstance(out, str | os.PathLike):
            return
        written = _uri(os.fspath(out))
        asked = {_uri(term.what) for term in self.query.terms if isinstance(term.what, str)}
        if written in asked or self._holds(written):
            raise UsageError(f"{os.fspath(out)} is one of the pictures; name another file to write to")

    def _repr_html_(self) -> str:
        page = plugins.on_use("findalike.present.page")
        return cast(str, page.html_grid(self._hits, self.thumbnails, self.examples()))


class Searcher:
    """Searches one space of a store. `encoder` loads the space's encoder when a picture needs it."""

    def __init__(self, store: Store, card: Card, encoder: Callable[[], Encoder], settings: Settings) -> None:
        self.store = store
        self.card = card
        self.encoder = encoder
        self.settings = settings
        self._mean: tuple[Vector, int] = (np.zeros(card.dim, np.float32), 0)

    def search(self, query: Query) -> Hits:
        """Answer a query. Raises QueryError, LibraryMismatch."""
        where = None if query.where is None else query.filter(self.store.columns())
        if not query.terms:
            return self._filtered(query, where)
        seen = [self._seen(term) for term in query.terms]
        wanted = combine([s.vector for s in seen], [s.term.weight for s in seen])
        vector = adapted(wanted, *self._ordinary())
        most = float(vector @ wanted)  # of a picture that is the query itself
        own = frozenset() if query.include_self else frozenset(s.asset.id for s in seen if s.asset)
        matches = self._matches(vector, query.k, where, own)
        hits = [self._hit(m.row, m.asset, min(1.0, m.similarity / most), seen) for m in matches]
        kept = [hit for hit in hits if hit.score >= query.min_score]
        return Hits(kept, query, lambda: [self._example(s) for s in seen], self.store.thumbnails, self._holds)

    def size_of(self, term: Term) -> tuple[int, int]:
        """Width and height of a term's picture, upright. Raises QueryError."""
        if term.kind not in ("image", "asset"):
            raise QueryError(f"{term.label!r} is no picture, so it has no size")
        picture = self._picture(term, self._asset(term))
        return picture.width, picture.height

    def _filtered(self, query: Query, where: Filter | None) -> Hits:
        """All that passes the filter, by path: there is nothing to rank by."""
        assets = sorted(self.store.assets(where), key=lambda asset: asset.uri)
        hits = [Hit(a, Origin(a.id), 1.0, "passes the filter", 1.0, "") for a in assets[: query.k]]
        return Hits(hits, query, list, self.store.thumbnails, self._holds)

    def _holds(self, uri: str) -> bool:
        return self.store.find(uri) is not None

    def _matches(self, vector: Vector, k: int, where: Filter | None, own: frozenset[str]) -> list[Match]:
        """The best part of each of k assets. Asks for more rows when several are parts of one asset."""
        asked = k + len(own)
        while True:
            rows = self.store.nearest(self.card.space, vector, asked, where)
            best = list(best_parts(rows, own))[:k]
            if len(best) == k or len(rows) < asked:
                return best
            asked *= 2

    def _hit(self, row: Row, asset: Asset, similarity: float, seen: Sequence[_Seen]) -> Hit:
        space = self.card.space
        score = calibration.score(self.card, similarity)
        vector = unit(row.vector)
        reasons = [Reason(s.term.label, space, float(unit(s.vector) @ vector), s.term.weight) for s in seen]
        band = calibration.band(score)
        return Hit(asset, row.origin, score, band, similarity, space, tuple(reasons))

    def _ordinary(self) -> tuple[Vector, int]:
        """The mean of the library's vectors and of how many rows; kept while the library grows little."""
        rows = self.store.count()
        mean, counted = self._mean
        if abs(rows - counted) > counted * STALE:
            sample = self.store.sample(self.card.space, SAMPLE)
            mean, counted = (sample.mean(axis=0), rows) if len(sample) else (mean, 0)
            self._mean = mean, counted
        return self._mean

    def _example(self, seen: _Seen) -> Example:
        thumbnail = None
        if seen.picture:
            thumbnail = decode.thumbnail(seen.picture, self.settings.thumbnail_side)
        elif seen.asset:
            thumbnail = self.store.thumbnails([seen.asset.id]).get(seen.asset.id)
        return Example(seen.term.label, seen.term.weight, thumbnail, seen.term.box)

    # Terms to vectors

    def _seen(self, term: Term) -> _Seen:
        if term.kind == "vector":
            vector = cast(Vector, term.what)
            if vector.shape != (self.card.dim,):
                raise LibraryMismatch(
                    f"the vector has {len(vector)} numbers, those of {self.card.space} have {self.card.dim}"
                )
            return _Seen(term, vector, None, None)
        if term.kind == "text":
            raise QueryError(
                f"{term.what!r} is no file here, and words cannot be searched for yet; give the path of a "
                "picture, or id: and the id of one in the library"
            )
        asset = self._asset(term)
        if asset and term.box is None:
            rows = self.store.rows(self.card.space, [asset.id])
            whole = [row for row in rows if row.origin.part == "whole"]
            if whole:
                return _Seen(term, whole[0].vector, asset, None)
        picture = self._picture(term, asset)
        part = replace(picture, pixels=pixels.crop(picture.pixels, term.box)) if term.box else picture
        return _Seen(term, encode(self.encoder(), [part])[0], asset, picture)

    def _asset(self, term: Term) -> Asset | None:
        """The library's own asset that a term is: by id, or by the path of a file that has not changed."""
        if term.kind == "asset":
            asset_id = cast(str, term.what)
            found = self.store.get([asset_id]).get(asset_id)
            if found is None:
                raise QueryError(
                    f"no picture of the library has the id {asset_id!r}: ids are in findalike search --json"
                )
            return found
        if not isinstance(term.what, str):
            return None
        asset = self.store.find(_uri(term.what))
        if asset is None or uris.split(asset.uri)[1]:
            return asset
        listed = next(iter(sources.discover(uris.to_path(asset.uri))))
        same = isinstance(listed, Asset) and (listed.size, listed.modified) == (asset.size, asset.modified)
        return asset if same else None

    def _picture(self, term: Term, asset: Asset | None) -> Picture:
        origin = Origin(asset.id if asset else "")
        if isinstance(term.what, np.ndarray):
            array = cast(Pixels, term.what)
            return Picture(array, origin, array.shape[1], array.shape[0])
        try:
            data = term.what if isinstance(term.what, bytes) else self._read(term, asset)
            side = None if term.box else short_side([self.card])
            decoded = decode.decode(data, origin, short_side=side, budget=self.settings.pixel_budget)
        except ReadError as error:
            name = asset.uri if asset else term.label
            raise QueryError(f"{name}: {error}") from error
        return decoded.picture

    def _read(self, term: Term, asset: Asset | None) -> bytes:
        uri = asset.uri if asset else _uri(cast(str, term.what))
        with sources.open_asset(uri) as file:
            return file.read()


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A term turned into a vector. `asset` is the library's own, when the term is one; `picture` is there
    when it had to be decoded."""

    term: Term
    vector: Vector
    asset: Asset | None
    picture: Picture | None


def _uri(path: str) -> str:
    return uris.from_path(os.path.expanduser(path))  # noqa: PTH111
