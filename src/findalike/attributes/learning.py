"""Learning an attribute from the pictures that have a person's value, and measuring it on those left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from findalike.attributes import choosing, features, reading, shelf, temperature
from findalike.attributes.card import AttributeInfo, Learned, Score
from findalike.attributes.choosing import Choice, Folded
from findalike.attributes.folds import dealt
from findalike.attributes.labels import (
    Labelled,
    check_column,
    check_confidence,
    enough,
    labelled,
)
from findalike.attributes.probe import Linear
from findalike.attributes.scoring import cooled, score
from findalike.attributes.shelf import Attribute
from findalike.errors import UsageError
from findalike.filters import Filter
from findalike.store.base import Store
from findalike.types import Card, Vectors

FOLDS = 5
MOST = 100_000
"""Labelled pictures that are learned from: their vectors are held in memory, half a gigabyte."""

Watch = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""


def unseen(_: str, __: int, ___: int) -> None:
    """Watches nothing."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What shall be learned and how. Without `spaces`, all those of the library that can serve stand to
    choice."""

    column: str
    folds: int = FOLDS
    spaces: tuple[str, ...] = ()
    where: Filter | None = None
    fold_case: bool = False
    seed: int = 0


def learn(store: Store, ask: Ask, watch: Watch = unseen) -> Learned:
    """Learn a column's values from the pictures that have one, measure them by cross-validation, and keep
    what was learned as a sidecar, in place of what was. The pictures stay as they are until it is applied.

    Raises UsageError for a column that cannot be learned, LibraryError.
    """
    found, taken, notes = fitted(store, ask, watch)
    shelf.save(store.sidecars, found)
    return Learned(found.info, tuple(notes), taken)


def fitted(store: Store, ask: Ask, watch: Watch = unseen) -> tuple[Attribute, dict[str, float], list[str]]:
    """The same without keeping it: what was learned, the seconds of each part, and sentences."""
    started = time.perf_counter()
    cards = _cards(store, ask.spaces)
    labels, notes = _labels(store, ask)
    watch("reading", 0, len(labels.ids))
    labels, vectors, lost = _with_vectors(store, labels, cards)
    notes += lost
    labels, lonely = enough(labels, ask.column)
    if lonely:  # a second picture of it had no vectors
        kept = set(labels.ids)
        raise UsageError(f"{lonely[0]} ({len(kept):,} pictures have vectors)")
    read = time.perf_counter()
    folds, few = _folds(labels, ask.folds)
    probe, choice, found = _probe(labels, vectors, cards, folds, ask.seed, watch)
    info = AttributeInfo(
        ask.column, labels.values, labels.counts, "probe", (found,), folds, ask.seed,
        datetime.now(UTC).replace(microsecond=0), choice.shrinkage, fold_case=ask.fold_case,
    )  # fmt: skip
    taken = {"reading": read - started, "computing": time.perf_counter() - read}
    return Attribute(info, {"probe": probe}), taken, [*notes, *few]


def _cards(store: Store, spaces: Sequence[str]) -> list[Card]:
    """The cards to choose from. Raises UsageError for a library without any."""
    every = store.cards()
    found = features.usable([every[space] for space in spaces] if spaces else every.values())
    if not found:
        which = f"{', '.join(spaces)} has" if spaces else "the library is empty, or has"
        raise UsageError(
            f"{which} no vectors of whole pictures to learn from; to fill it: findalike index FOLDER"
        )
    return found


def _labels(store: Store, ask: Ask) -> tuple[Labelled, list[str]]:
    check_column(ask.column, store.columns())
    check_confidence(ask.column, store.columns())
    found, odd = labelled(store, ask.column, ask.where, ask.fold_case)
    kept, lonely = enough(found, ask.column)
    if len(kept.ids) <= MOST:
        return kept, [*odd, *lonely]
    chosen = np.sort(np.random.default_rng(ask.seed).permutation(len(kept.ids))[:MOST])
    note = f"{len(kept.ids):,} pictures are labelled; {MOST:,} of them were learned from, taken at random."
    return kept.only(chosen.tolist()), [*odd, *lonely, note]


def _with_vectors(
    store: Store, labels: Labelled, cards: Sequence[Card]
) -> tuple[Labelled, dict[str, Vectors], list[str]]:
    places, vectors = reading.read(store, [card.space for card in cards], labels.ids)
    missing = len(labels.ids) - len(places)
    if not missing:
        return labels, vectors, []
    if not places:
        raise UsageError("no labelled picture has vectors; to make them: findalike index FOLDER")
    kept = labels.only(places)
    return kept, vectors, [f"{missing:,} labelled pictures lack vectors, and were left out."]


def _folds(labels: Labelled, asked: int) -> tuple[int, list[str]]:
    """How many folds there can be: no more than the most frequent value has pictures."""
    if asked < 2:
        raise UsageError(f"folds is {asked}, but it must be at least 2: each is measured on by the others")
    most = max(labels.counts)
    if asked <= most:
        return asked, []
    return most, [
        f"Measured in {most} folds, not {asked}: no value has more than {most} pictures. Label more for "
        "figures to go by."
    ]


def _probe(
    labels: Labelled, vectors: dict[str, Vectors], cards: Sequence[Card], folds: int, seed: int, watch: Watch
) -> tuple[Linear, Choice, Score]:
    """The probe learned from all pictures, the choice behind it, and its score on pictures left out, for
    which each fold made its own choice."""
    numbers = np.asarray(labels.numbers, np.int64)
    fold = dealt(numbers, folds, seed, labels.digests)
    data = Folded(features.joined(vectors, cards), numbers, fold, len(labels.values))
    logits = np.zeros((len(numbers), len(labels.values)), np.float32)
    for held_out in range(data.folds):
        watch("learning", held_out, data.folds + 1)
        own = choosing.chosen(data, held_out)
        logits[fold == held_out] = data.held_out(own, held_out) / np.float32(own.temperature)
    watch("learning", data.folds, data.folds + 1)
    choice = choosing.chosen(data)
    warmth = choice.temperature * temperature.fitted(logits, numbers)
    probe = data.features.probe(choice.blocks, data.full(choice), warmth)
    watch("learning", data.folds + 1, data.folds + 1)
    return probe, choice, score("probe", probe.spaces, cooled(logits, numbers, fold), numbers, fold)
