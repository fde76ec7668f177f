"""What a library has stored of pictures, as arrays, and what encoding them takes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from findalike import decode, sources
from findalike.encode import catalog
from findalike.encode.base import Derived, derived, encode, short_side, unit
from findalike.errors import FindalikeError, LibraryError
from findalike.evaluate.truth import Pictures
from findalike.library import Library
from findalike.search.space import SAMPLE
from findalike.types import Asset, Card, Origin, Picture, Row, Vector, Vectors

TIMED = 16
"""Pictures that the time of encoding is taken of."""
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """The vectors of pictures in one space, shape (n, dim), and what a search of the library turns away from:
    the mean of its vectors, and of how many pictures."""

    card: Card
    vectors: Vectors
    mean: Vector
    count: int

    @property
    def bytes_each(self) -> float:
        """What a vector takes where it is stored."""
        if self.card.dtype == "sparse":
            return float(np.count_nonzero(self.vectors) * 8 / max(len(self.vectors), 1))
        return self.card.dim * {"bit": 1 / 8, "float16": 2}.get(self.card.dtype, 4)


def encoded(library: Library, cards: Iterable[Card], assets: Iterable[Asset]) -> tuple[list[Asset], int]:
    """The assets that all of these spaces have, and how many lack one."""
    every = list(assets)
    ids = [library.store.encoded(_source(library, card)[0].space) for card in cards]
    there = [asset for asset in every if all(asset.id in of_space for of_space in ids)]
    return there, len(every) - len(there)


def space(library: Library, card: Card, pictures: Pictures) -> Space:
    """The vectors of whole pictures; of what has none, that of its first part. Those of a head that the
    library lacks are made of its base's. Raises LibraryError for one that is not finite."""
    vectors = np.zeros((len(pictures), card.dim), np.float32)
    place = {asset.id: i for i, asset in enumerate(pictures.assets)}
    ids = [asset.id for asset in pictures.assets]
    source, steps = _source(library, card)
    for start in range(0, len(ids), _AT_ONCE):
        rows: Sequence[Row] = library.store.rows(source.space, ids[start : start + _AT_ONCE])
        for step in steps:
            rows = derived(step, rows)
        for row in sorted(rows, key=lambda row: (row.origin.part == "whole", row.id)):
            vectors[place[row.asset_id]] = row.vector
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(broken):
        uri = pictures.assets[int(broken[0])].uri
        raise LibraryError(
            f"the vector of {uri} in {card.space} holds what is not a number, so its similarities are none: "
            f"findalike remove it, and index it again"
        )
    sample = library.store.sample(source.space, SAMPLE)
    for step in steps:
        sample = unit(step.derive(sample))
    mean = sample.mean(axis=0) if len(sample) else np.zeros(card.dim, np.float32)
    return Space(card, vectors, np.asarray(mean, np.float32), library.store.count())


def _source(library: Library, card: Card) -> tuple[Card, list[Derived]]:
    """The card whose vectors the library has, and the encoders that make of them, one after another, those of
    a card that it lacks."""
    steps: list[Derived] = []
    while card.space not in library.store.cards():
        encoder = catalog.load(card, library.settings)
        if not isinstance(encoder, Derived):
            break
        steps.insert(0, encoder)
        card = encoder.base
    return card, steps


def decoded(library: Library, cards: Sequence[Card], pictures: Pictures) -> list[Picture]:
    """A few of the pictures, as these encoders take them in; those that cannot be read are left out."""
    step = max(1, len(pictures) // TIMED)
    found = []
    for asset in pictures.assets[::step][:TIMED]:
        try:
            with sources.open_asset(asset.uri) as file:
                data = file.read()
            budget = library.settings.pixel_budget
            found.append(decode.decode(data, Origin(asset.id), short_side=short_side(cards), budget=budget))
        except (FindalikeError, OSError):
            continue
    return [each.picture for each in found]


def encode_ms(library: Library, card: Card, pictures: Sequence[Picture]) -> float | None:
    """Milliseconds that one picture takes, decoding aside: the median, one by one. None where none is
    readable or the encoder cannot be loaded."""
    try:
        encoder = catalog.load(card, library.settings)
        seconds = []
        for picture in [*pictures[:1], *pictures]:  # the first one warms up
            started = time.perf_counter()
            encode(encoder, [picture])
            seconds.append(time.perf_counter() - started)
    except FindalikeError:
        return None
    return float(np.median(seconds[1:]) * 1000) if len(seconds) > 1 else None
