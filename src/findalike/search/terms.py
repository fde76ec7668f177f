"""Terms to vectors of one space: pictures, parts of them, a thing in them, words."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from findalike import decode, pixels, plugins, sources, timing
from findalike import uri as uris
from findalike.distance import COSINE
from findalike.encode import catalog
from findalike.encode.base import Encoder, PartEncoder, TextEncoder, encode, short_side
from findalike.errors import LibraryMismatch, QueryError, ReadError
from findalike.query import Term
from findalike.search import faces
from findalike.search.clips import Clip, Clips, begins_film, mean_of, some, track_of
from findalike.settings import Settings
from findalike.store.base import Store
from findalike.tracks import TRACK, Track
from findalike.types import Asset, Box, Card, Origin, Picture, Pixels, Row, Vector, Vectors
from findalike.words.lexicon import CLASS_COUNT, lexicon

FOCUS_SIDE = 896
"""How long the shorter side of a decoded picture is for a focus, so that a small thing has pixels enough."""


SEEN_FROM = 0.02
"""The least probability of a thing that is focused on, in the whole picture or in its part."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A term as a vector. `asset` is the library's own, when the term is one; `picture` is there when it had
    to be decoded; `box` is the part of it that counted; `note` says what could not be seen in it. Of a film,
    the vector is the mean of its frames', `frames` are those of some of them, and `track` is its dense
    one."""

    term: Term
    vector: Vector
    asset: Asset | None = None
    picture: Picture | None = None
    box: Box | None = None
    note: str = ""
    frames: Vectors | None = None
    track: Track | None = None

    @property
    def is_film(self) -> bool:
        return self.frames is not None


@dataclass(frozen=True, slots=True)
class Looker:
    """Sees terms in one space. `encoder` and `text_encoder` load its two sides when they are needed."""

    store: Store
    card: Card
    encoder: Callable[[], Encoder]
    text_encoder: Callable[[], TextEncoder | None]
    settings: Settings
    clips: Clips

    def seen(self, term: Term) -> Seen:
        """Raises QueryError, LibraryMismatch."""
        if term.kind == "vector":
            return Seen(term, self._given(term))
        if term.kind == "text":
            return Seen(term, self._worded(term))
        asset = self.asset(term)
        if catalog.describes_faces(self.card):
            return self._of_face(term, asset)
        if self._shows_film(term, asset):
            return self._of_film(term, asset)
        if asset and term.box is None and term.focus is None:
            rows = self.store.rows(self.card.space, [asset.id])
            whole = [row for row in rows if row.origin.part == "whole"]
            if whole:
                return Seen(term, whole[0].vector, asset, note=self._blank(term, whole[0].vector))
        picture = self.picture(term, asset)
        if term.focus is None:
            with timing.stage("encode"):
                vector = encode(self.encoder(), [self._part(picture, term.box)])[0]
            return Seen(term, vector, asset, picture, term.box, self._blank(term, vector))
        with timing.stage("encode"):
            vector, box, seen = self._focused(_cropped(picture, term.box), term.focus)
        lost = f"no {term.focus} is seen in {term.label}; what is most like one there was looked for"
        return Seen(term, vector, asset, picture, _within(box, term.box), "" if seen else lost)

    def _of_face(self, term: Term, asset: Asset | None) -> Seen:
        """The face that a term means, of those the library keeps or of those found now."""
        if term.focus is not None:
            raise QueryError(f"a focus names a thing; of the faces in {term.label} choose one with --face N")
        kept = asset is not None and self._is_kept(asset)
        picture = None if kept or self._shows_film(term, asset) else self.picture(term, asset)
        face = faces.chosen(self.faces(term, asset, picture), term)
        return Seen(term, face.vector, asset, picture, face.origin.box)

    def faces(
        self, term: Term, asset: Asset | None = None, picture: Picture | None = None
    ) -> list[faces.FoundFace]:
        """All faces of a picture or a film, numbered, in a space of faces. Raises QueryError."""
        if asset is not None and self._is_kept(asset):
            return faces.numbered(self.store.rows(self.card.space, [asset.id]))
        if picture is None and self._shows_film(term, asset):
            pictures = list(self._clip(term, asset).pictures)
        else:
            pictures = [picture or self.picture(term, asset)]
        encoder = cast(PartEncoder, self.encoder())
        with timing.stage("encode"):
            parts = [part for each in pictures for part in encoder.parts(each)]
            vectors = encode(encoder, parts)
        rows = (Row(p.origin.key, p.origin, v) for p, v in zip(parts, vectors, strict=True))
        return faces.numbered(rows, kept=False)

    def _is_kept(self, asset: Asset) -> bool:
        """Whether the library looked for parts of an asset."""
        space = self.card.space
        if space not in self.store.cards():
            return False
        return bool(self.store.attachments(asset.id, [space]) or self.store.rows(space, [asset.id]))

    def _shows_film(self, term: Term, asset: Asset | None) -> bool:
        if asset:
            return asset.is_film
        if isinstance(term.what, np.ndarray):
            return False
        return begins_film(uri_of(term.what) if isinstance(term.what, str) else term.what)

    def _of_film(self, term: Term, asset: Asset | None) -> Seen:
        """A film as the library knows it, or as it is read now."""
        if term.box is not None or term.focus is not None:
            what = "a region" if term.box else "a focus"
            raise QueryError(
                f"{term.label} is a film, and {what} marks a part of one picture; to write its frames as "
                "pictures: findalike frames FILM OUT"
            )
        rows = self.store.rows(self.card.space, [asset.id]) if asset else ()
        frames = sorted((r for r in rows if r.origin.part == "frame"), key=lambda row: row.origin.time or 0.0)
        if asset and frames:
            vectors = np.stack([row.vector for row in frames])
            track = track_of(self.store.attachments(asset.id, [TRACK]))
            return Seen(term, mean_of(vectors), asset, frames=some(vectors), track=track)
        clip = self._clip(term, asset)
        with timing.stage("encode"):
            vectors = encode(self.encoder(), clip.pictures)
        note = f"{term.label} {clip.problem}" if clip.problem else ""
        return Seen(term, mean_of(vectors), asset, clip.middle, None, note, some(vectors), clip.track)

    def _clip(self, term: Term, asset: Asset | None) -> Clip:
        what = asset.uri if asset else uri_of(term.what) if isinstance(term.what, str) else term.what
        name = asset.uri if asset else term.label
        return self.clips.read(cast(str | bytes, what), name, short_side([self.card]))

    def _blank(self, term: Term, vector: Vector) -> str:
        """What is to be said of a picture that has nothing this space compares by."""
        lost = self.card.metric == COSINE and not vector.any()
        return f"{self.card.name} sees nothing in {term.label} to compare by" if lost else ""

    def _part(self, picture: Picture, box: Box | None) -> Picture:
        """The part in a box, with so much around it that the encoder, which looks at the central square of
        what it gets, sees all of it."""
        fraction = self.card.preprocessing.get("crop", 1.0)
        return _cropped(picture, box and pixels.with_margin(box, fraction))

    def asset(self, term: Term) -> Asset | None:
        """The library's own asset that a term is: by id, or by the path of a file that has not changed."""
        if term.kind == "asset":
            asset_id = cast(str, term.what)
            found = self.store.get([asset_id]).get(asset_id)
            if found is None:
                raise QueryError(
                    f"no picture of the library has the id {asset_id!r}: ids are in findalike search --json"
                )
            return found
        if term.kind != "image" or not isinstance(term.what, str):
            return None
        asset = self.store.find(uri_of(term.what))
        if asset is None or uris.split(asset.uri)[1]:
            return asset
        listed = next(iter(sources.discover(uris.to_path(asset.uri))))
        same = isinstance(listed, Asset) and (listed.size, listed.modified) == (asset.size, asset.modified)
        return asset if same else None

    def picture(self, term: Term, asset: Asset | None) -> Picture:
        """The pixels of a term, as large as its part needs them; of a film a frame in the middle."""
        origin = Origin(asset.id if asset else "")
        if self._shows_film(term, asset):
            return self._clip(term, asset).middle
        if isinstance(term.what, np.ndarray):
            array = cast(Pixels, term.what)
            return Picture(array, origin, array.shape[1], array.shape[0])
        try:
            with timing.stage("decode"):
                data = term.what if isinstance(term.what, bytes) else self._read(term, asset)
                side = FOCUS_SIDE if term.focus else short_side([self.card])
                if term.box and side:  # so that what is in it is as large as a whole picture would be
                    left, top, right, bottom = term.box
                    side = math.ceil(side / min(right - left, bottom - top))
                decoded = decode.decode(data, origin, short_side=side, budget=self.settings.pixel_budget)
        except ReadError as error:
            name = asset.uri if asset else term.label
            raise QueryError(f"{name}: {error}") from error
        return decoded.picture

    def _read(self, term: Term, asset: Asset | None) -> bytes:
        uri = asset.uri if asset else uri_of(cast(str, term.what))
        with sources.open_asset(uri) as file:
            return file.read()

    def _given(self, term: Term) -> Vector:
        vector = cast(Vector, term.what)
        if vector.shape != (self.card.dim,):
            raise LibraryMismatch(
                f"the vector has {len(vector)} numbers, those of {self.card.space} have {self.card.dim}"
            )
        return vector

    def _worded(self, term: Term) -> Vector:
        """The direction of a text; zeros where none of its words is known."""
        encoder = self.text_encoder()
        if encoder is None:
            return np.zeros(self.card.dim, np.float32)
        with timing.stage("encode"):
            direction: Vector = encoder.encode_texts([cast(str, term.what)])[0]
        return direction

    def _focused(self, picture: Picture, focus: str) -> tuple[Vector, Box | None, bool]:
        """The vector of a thing in a picture, where it is, and whether the encoder sees it there at all."""
        classes = classes_of(focus)
        encoder: Any = self.encoder()
        if not hasattr(encoder, "classifier"):
            raise QueryError(
                f"{self.card.name} names no things, so it cannot focus on {focus!r}; search with "
                "--encoder efficientnet-lite0"
            )
        vector, box = plugins.on_use("findalike.encode.focus").focused(encoder, picture, classes)
        around = _cropped(picture, box and pixels.with_margin(box, self.card.preprocessing["crop"]))
        likely = max(float(encoder.classify_batch([p])[1][0, classes].sum()) for p in (picture, around))
        return vector, box, likely >= SEEN_FROM


def classes_of(focus: str) -> list[int]:
    """The classes of the default network that a word means. Raises QueryError naming near words."""
    known = lexicon()
    mentions = known.find(focus)
    if not mentions:
        near = known.near(focus) or ["cat", "person", "car", "flower"]
        raise QueryError(
            f"the focus {focus!r} is nothing that can be told apart in a picture; known are, for example, "
            f"{', '.join(near)}: see findalike words"
        )
    names = [known.bank.concepts[number].name for mention in mentions for number in mention.concepts]
    return sorted({number for name in names for number in known.classes_under(name) if number < CLASS_COUNT})


def uri_of(path: str) -> str:
    return uris.from_path(os.path.expanduser(path))  # noqa: PTH111


def _cropped(picture: Picture, box: Box | None) -> Picture:
    return replace(picture, pixels=pixels.crop(picture.pixels, box)) if box else picture


def _within(box: Box | None, outer: Box | None) -> Box | None:
    """A box of a part, in fractions of the whole picture."""
    if box is None or outer is None:
        return box or outer
    width, height = outer[2] - outer[0], outer[3] - outer[1]
    return (
        outer[0] + box[0] * width,
        outer[1] + box[1] * height,
        outer[0] + box[2] * width,
        outer[1] + box[3] * height,
    )
