"""The pictures of a library that an answer of a person would help most with, in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

import numpy as np

from findalike.attributes import ordering, reading
from findalike.attributes.card import Label, confidence_column
from findalike.attributes.features import usable
from findalike.attributes.labels import given
from findalike.attributes.probe import EVIDENCE
from findalike.attributes.shelf import Attribute
from findalike.filters import Filter, IsNull, Not, Or
from findalike.store.base import Store, evenly
from findalike.types import Vector, Vectors

MOST = 100
"""Pictures that are put in order at a time: what people answer changes what is worth asking."""

CANDIDATES = 1_000
"""The most uncertain pictures, of which those are chosen."""

NEIGHBOURS = 2_000
"""Further pictures without an answer, spread evenly, by which it is seen how many are near a candidate."""


@dataclass(frozen=True, slots=True)
class Open:
    """A picture without a person's answer: `value` and `confidence` are None where nothing was predicted."""

    id: str
    value: Label | None
    confidence: float | None

    @property
    def uncertainty(self) -> float:
        return 1.0 - (self.confidence or 0.0)


def deck(store: Store, column: str, found: Attribute | None, without: Set[str] = frozenset()) -> list[str]:
    """The ids of up to `MOST` pictures that no person gave a value, the most valuable first; `without` are
    left out. `found` is what was learned of the column."""
    several = sorted((each for each in open_ones(store, column)), key=lambda each: each.id)
    raised = _raised(several)
    places = [n for n, each in enumerate(several) if each.id not in without]
    places.sort(key=lambda n: -raised[n] * several[n].uncertainty)
    chosen = places[:CANDIDATES]
    rest = sorted(set(range(len(several))).difference(chosen))
    beside = [rest[n] for n in evenly(len(rest), NEIGHBOURS)]
    all_ = [several[n] for n in (*chosen, *beside)]
    doubts = np.array([each.uncertainty for each in all_], np.float32)
    near = _near(store, found, [each.id for each in all_], len(chosen))
    order = ordering.ordered(doubts[: len(chosen)], raised[chosen], near, doubts, MOST)
    return [all_[n].id for n in order.tolist()]


def open_ones(store: Store, column: str) -> Iterator[Open]:
    """All pictures that no person gave a value."""
    name = confidence_column(column)
    for asset in store.assets(_unanswered(store, column)):
        if given(asset, column) is None:
            value, sure = asset.metadata.get(column), asset.metadata.get(name)
            predicted = isinstance(value, str | bool) and isinstance(sure, int | float)
            yield Open(asset.id, value, float(sure)) if predicted else Open(asset.id, None, None)  # type: ignore[arg-type]


def _unanswered(store: Store, column: str) -> Filter | None:
    columns, name = store.columns(), confidence_column(column)
    if column not in columns:
        return None
    return Or((IsNull(column), Not(IsNull(name)))) if name in columns else IsNull(column)


def _raised(several: Sequence[Open]) -> Vector:
    """How much each counts by how rare its predicted value is; one without any counts least."""
    counts = Counter(each.value for each in several if each.value is not None)
    values = list(counts)
    factors = ordering.rarity(np.array([counts[value] for value in values], np.float32))
    of = dict(zip(values, factors.tolist(), strict=True))
    return np.array([of.get(each.value, 1.0) if each.value is not None else 1.0 for each in several])


def _near(store: Store, found: Attribute | None, ids: Sequence[str], count: int) -> Vectors:
    """How near the first `count` pictures are to all, shape (count, all). One without a vector is near itself
    alone."""
    near = np.zeros((count, len(ids)), np.float32)
    space = _space(store, found)
    if space and ids:
        places, vectors = reading.read(store, [space], ids)
        first, rows = [n for n in places if n < count], vectors[space]
        if first:
            near[np.ix_(first, places)] = ordering.nearness(rows[: len(first)], rows)
    np.fill_diagonal(near, 1.0)
    return near


def _space(store: Store, found: Attribute | None) -> str | None:
    """The space in which it is seen what is near: the first that the attribute was learned in."""
    cards = store.cards()
    learned = [s for s in found.probe().spaces if s in cards and not s.startswith(EVIDENCE)] if found else []
    return next(iter([*learned, *(card.space for card in usable(cards.values()))]), None)
