"""Whitening learned on the vectors that a library has, and its own space made from them: no file is read."""

from __future__ import annotations

from findalike.encode import learned, whitening
from findalike.encode.base import Derived, Encoder, derived
from findalike.encode.whitening import Whitened, Whitening
from findalike.errors import UsageError
from findalike.learn.lesson import ROWS_AT_ONCE, Lesson, Watch, check_new, unseen
from findalike.store.base import Batch, Store
from findalike.types import Card, Vectors

MOST, MOST_OF_MANY, MANY = 20_000, 4_000, 2_048
"""Vectors to learn from, and how many where each has more than `MANY` numbers: 100 MB, and a minute."""


def whiten(
    store: Store,
    encoder: Encoder,
    home: learned.Home,
    name: str | None = None,
    dim: int = whitening.DIM,
    power: float = whitening.POWER,
    watch: Watch = unseen,
) -> Lesson:
    """Learn a whitening of an encoder's space of the store, and fill its own. `home` keeps
    what was learned. Raises UsageError for what cannot be learned from, LibraryError."""
    base = encoder.card
    name = name or base.name.replace(":", "-")
    check_new(store, whitening.card(base, name, 1, 0, power))
    _check(base, dim, power)
    sample = store.sample(base.space, MOST if base.dim <= MANY else MOST_OF_MANY)
    watch("learning", 0, len(sample))
    found = _learned(sample, base, dim, power)
    kept = found.axes.shape[1]
    card = whitening.card(base, name, kept, len(sample), power)
    card = learned.save(card, whitening.arrays(found), home)
    store.add_card(card)
    encoded = fill(store, Whitened(card, encoder, found), watch)
    return Lesson((card,), len(sample), encoded, tuple(_notes(len(sample), dim, kept, base.dim)))


def fill(store: Store, encoder: Derived, watch: Watch = unseen) -> int:
    """Make the rows that a space lacks from those of its base; returns how many pictures got some."""
    space, base = encoder.card.space, encoder.base.space
    ids = sorted(store.encoded(base) - store.encoded(space))
    for start in range(0, len(ids), ROWS_AT_ONCE):
        watch("encoding", start, len(ids))
        rows = store.rows(base, ids[start : start + ROWS_AT_ONCE])
        store.write(Batch(rows={space: derived(encoder, rows)}))
    watch("encoding", len(ids), len(ids))
    return len(ids)


def _check(base: Card, dim: int, power: float) -> None:
    if base.metric != "cosine":
        raise UsageError(
            f"vectors of {base.space} are compared by {base.metric}, and whitening is for those compared by "
            "cosine; name another encoder: findalike info lists the library's"
        )
    if dim < 1:
        raise UsageError(f"dim is {dim}, but it must be at least 1")
    if not 0 <= power <= 0.5:
        raise UsageError(f"power is {power:g}, but it must be from 0 (PCA alone) to 0.5 (whitening in full)")


def _learned(sample: Vectors, base: Card, dim: int, power: float) -> Whitening:
    try:
        return whitening.learn(sample, dim, power)
    except ValueError as error:
        raise UsageError(
            f"the library's vectors of {base.space} ({len(sample):,}) do not differ, so there is nothing to "
            "learn: index at least two different pictures first"
        ) from error


def _notes(pictures: int, asked: int, kept: int, dim: int) -> list[str]:
    if kept < min(asked, dim):
        return [
            f"The {pictures:,} vectors vary in {kept:,} ways, so there are {kept:,} numbers, not {asked:,}."
        ]
    if asked > dim:
        return [f"The vectors have {dim:,} numbers, so there are no {asked:,} to be had."]
    return []
