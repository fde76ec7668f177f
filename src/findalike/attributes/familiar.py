"""Labelled pictures that an encoder was trained on: how well those are told says nothing of new ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from findalike.encode import file as pairs
from findalike.errors import FindalikeError
from findalike.types import Card


def familiar(cards: Iterable[Card], digests: Sequence[str]) -> tuple[int, list[str]]:
    """How many of some pictures, by the SHA-256 of their bytes, any of these encoders was trained on, as far
    as their cards name them; and a sentence on each that was, or that cannot be asked any more."""
    known: set[int] = set()
    notes = []
    for card in cards:
        try:
            seen = _known(card, digests)
        except FindalikeError as error:
            notes.append(f"Whether {card.name} was trained on these pictures cannot be told: {error}.")
            continue
        known |= seen
        if seen:
            notes.append(
                f"{card.name} was trained on {len(seen):,} of these {len(digests):,} pictures: this accuracy "
                "says nothing of new ones."
            )
    return len(known), notes


def _known(card: Card, digests: Sequence[str]) -> set[int]:
    """The places of the pictures that an encoder, or one that it stands on, was trained on."""
    return {n for each in _line(card) for n, seen in enumerate(pairs.seen(each, digests)) if seen}


def _line(card: Card) -> Iterator[Card]:
    """The card of a pair, and those that it was trained on top of."""
    if pairs.is_trained(card):
        yield card
        base = pairs.base(card)
        if base is not None:
            yield from _line(base)
