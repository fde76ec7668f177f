"""Learning an attribute from the pictures that have a person's value, and measuring it on those left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from findalike.attributes import choosing, features, reading, shelf, temperature
from findalike.attributes.card import AttributeInfo, Learned, Method, Score, Way
from findalike.attributes.choosing import Folded
from findalike.attributes.familiar import familiar
from findalike.attributes.folds import dealt
from findalike.attributes.labels import Labelled, check_column, check_confidence, enough, labelled
from findalike.attributes.probe import Linear
from findalike.attributes.scoring import cooled, score
from findalike.attributes.shelf import Attribute
from findalike.attributes.told import Dealt, measured, told_by
from findalike.attributes.wording import UNSAID, Reader, Wording
from findalike.encode.file import is_trained
from findalike.errors import LibraryError, UsageError
from findalike.filters import Filter
from findalike.store.base import Store
from findalike.types import Card, Vectors

FOLDS = 5
MOST = 100_000
"""Labelled pictures that are learned from: their vectors are held in memory, half a gigabyte."""

FEW = 20
"""Labelled pictures of which fewer give no accuracy to go by: one told right moves it by over 5 %."""

Watch = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""


def unseen(_: str, __: int, ___: int) -> None:
    """Watches nothing."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What shall be learned and how. Without `spaces`, all those of the library that can serve stand to
    choice. The `wording` says values in words; with `adopt`, values that have a confidence were predicted
    elsewhere, although nothing was learned here yet."""

    column: str
    folds: int = FOLDS
    spaces: tuple[str, ...] = ()
    where: Filter | None = None
    fold_case: bool = False
    seed: int = 0
    wording: Wording = UNSAID
    adopt: bool = False


def learn(
    store: Store,
    ask: Ask,
    reader: Reader | None = None,
    watch: Watch = unseen,
    writing: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Learned:
    """Learn a column's values from the pictures that have one, measure them by cross-validation, and keep
    what was learned as a sidecar, in place of what was. The pictures stay as they are until it is applied.

    `reader` reads the words of values: where the library has none, that method is left out. `writing` holds
    the library while it is kept, not while it is learned, so that others can write meanwhile. Raises
    UsageError for a column that cannot be learned, LibraryError.
    """
    found, taken, notes = fitted(store, ask, reader, watch)
    with writing():
        info = replace(found.info, applied=_applied(store, ask.column))
        shelf.save(store.sidecars, replace(found, info=info))
    return Learned(info, tuple(notes), taken)


def _applied(store: Store, column: str) -> Way | None:
    """How the column was applied so far. A file that cannot be read is written anew."""
    try:
        before = shelf.load(store.sidecars, column)
    except LibraryError:
        return None
    return before.info.applied if before else None


def fitted(
    store: Store, ask: Ask, reader: Reader | None = None, watch: Watch = unseen
) -> tuple[Attribute, dict[str, float], list[str]]:
    """The same without keeping it: what was learned, the seconds of each part, and sentences."""
    started = time.perf_counter()
    cards = _cards(store, ask.spaces)
    labels, notes = _labels(store, ask)
    watch("reading", 0, len(labels.ids))
    labels, vectors, lost = _with_vectors(store, labels, cards)
    read = time.perf_counter()
    lessons, told = told_by(store, labels.values, ask.wording, reader)
    notes += [*lost, *told]
    folds, few = _folds(labels, ask.folds)
    dealt_ = _dealt(labels, folds, ask.seed)
    probes: dict[Method, Linear] = {}
    scores, shrinkage = [], 0.0
    if labels.ids:
        probes["probe"], shrinkage, score_ = cross_validated(dealt_, vectors, cards, watch)
        scores.append(score_)
    for method, lesson in lessons.items():
        probes[method], score_ = measured(store, method, lesson, dealt_, vectors)
        scores.append(score_)
    looked_at = {space for each in scores for space in each.spaces}
    seen, learned_from = familiar(
        [card for space, card in store.cards().items() if space in looked_at], labels.digests
    )
    info = AttributeInfo(
        ask.column, labels.values, labels.counts, _better(scores), tuple(scores), folds, ask.seed,
        datetime.now(UTC).replace(microsecond=0), shrinkage, ask.wording.prompts, ask.fold_case,
        seen=seen,
    )  # fmt: skip
    taken = {"reading": read - started, "computing": time.perf_counter() - read}
    return Attribute(info, probes), taken, [*notes, *few, *learned_from]


def _better(scores: Sequence[Score]) -> Method:
    """The method that was right most often, and of those the surest."""
    return max(scores, key=lambda each: (each.accuracy or 0, -(each.log_loss or 0))).method


def _cards(store: Store, spaces: Sequence[str]) -> list[Card]:
    """The cards to choose from. Raises UsageError for a library without any.

    An encoder that was trained may know the very labels that it would be measured by, so unless it is the
    library's first it serves only where it is named.
    """
    every = store.cards()
    own = [card for place, card in enumerate(every.values()) if not place or not is_trained(card)]
    found = features.usable([every[space] for space in spaces] if spaces else own)
    if not found:
        which = f"{', '.join(spaces)} has" if spaces else "the library is empty, or has"
        raise UsageError(
            f"{which} no vectors of whole pictures to learn from; to fill it: findalike index FOLDER"
        )
    return found


def _labels(store: Store, ask: Ask) -> tuple[Labelled, list[str]]:
    """The labelled pictures to learn from; none where too few are labelled, but values are said in words."""
    columns, wanted = store.columns(), ask.wording.values
    check_column(ask.column, columns, new=bool(wanted))
    check_confidence(store, ask.column, ask.adopt)
    found, odd = labelled(store, ask.column, ask.where, ask.fold_case)
    try:
        kept, lonely = enough(found, ask.column)
    except UsageError as error:
        if not wanted:
            raise
        kept, lonely = found.only(()), [f"Nothing was learned from labels: {error}."] if found.ids else []
    if len(kept.ids) > MOST:
        chosen = np.sort(np.random.default_rng(ask.seed).permutation(len(kept.ids))[:MOST])
        lonely.append(
            f"{len(kept.ids):,} pictures are labelled; {MOST:,} were learned from, taken at random."
        )
        kept = kept.only(chosen.tolist())
    return kept.among(wanted), [*odd, *lonely]


def _with_vectors(
    store: Store, labels: Labelled, cards: Sequence[Card]
) -> tuple[Labelled, dict[str, Vectors], list[str]]:
    places, vectors = reading.read(store, [card.space for card in cards], labels.ids)
    missing = len(labels.ids) - len(places)
    if not missing:
        return labels, vectors, []
    kept = labels.at(places)
    if sum(count > 0 for count in kept.counts) < 2:
        raise UsageError(
            f"of {len(labels.ids):,} labelled pictures {len(places):,} have vectors in "
            f"{', '.join(card.space for card in cards)}; to make them: findalike index on their folders again"
        )
    return kept, vectors, [f"{missing:,} labelled pictures lack vectors, and were left out."]


def _folds(labels: Labelled, asked: int) -> tuple[int, list[str]]:
    """How many folds there can be: no more than the most frequent value has different pictures; and a
    sentence where these or the pictures are few."""
    if asked < 2:
        raise UsageError(f"folds is {asked}, but it must be at least 2: each is measured on by the others")
    most = max(labels.different, default=0)
    if asked <= most or not labels.ids:
        return (asked, _few(labels)) if labels.ids else (0, [])
    folds = max(most, 2)
    return folds, [
        f"Measured in {folds} folds, not {asked}: no value has more than {most} different pictures. "
        "Label more for figures to go by.",
        *_few(labels),
    ]


def _few(labels: Labelled) -> list[str]:
    if len(labels.ids) >= FEW:
        return []
    return [
        f"The accuracy is that of {len(labels.ids)} pictures alone, and chance decides most of it: label "
        f"{FEW} and more."
    ]


def _dealt(labels: Labelled, folds: int, seed: int) -> Dealt:
    numbers = np.asarray(labels.numbers, np.int64)
    fold = dealt(numbers, folds, seed, labels.groups) if folds else np.empty(0, np.int64)
    return Dealt(labels.values, labels.ids, numbers, fold)


def cross_validated(
    labels: Dealt, vectors: dict[str, Vectors], cards: Sequence[Card], watch: Watch
) -> tuple[Linear, float, Score]:
    """The probe learned from all pictures, its shrinkage, and its score on pictures left out, for which each
    fold made its own choice."""
    numbers, fold = labels.numbers, labels.fold
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
    return probe, choice.shrinkage, score("probe", probe.spaces, cooled(logits, numbers, fold), numbers, fold)
