"""What learning gives back, and what both ways of it share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from findalike.encode import learned
from findalike.errors import UsageError
from findalike.store.base import Store
from findalike.types import Card

ROWS_AT_ONCE = 1_000
"""Rows that are held and written at once."""

Watch = Callable[[str, int, int], None]
"""Called with `learning` or `encoding`, how many pictures are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """The spaces that were added, on how many `pictures` they were learned, how many were `encoded` in them,
    and `notes`: sentences on what came out otherwise than it was asked for."""

    cards: tuple[Card, ...]
    pictures: int
    encoded: int
    notes: tuple[str, ...] = ()


def unseen(_: str, __: int, ___: int) -> None:
    """Watches nothing."""


def check_new(store: Store, card: Card) -> None:
    """Raises UsageError for a space that the library has: what was learned stays as it is, because vectors
    were made with it."""
    if card.space in store.cards():
        command = learned.COMMANDS[card.name.partition(":")[0]]
        raise UsageError(
            f"the library has {card.name} already, and keeps it as it is: what pictures it lacks, findalike "
            f"index gives it; to learn another beside it, give that a name: findalike {command} --name NAME"
        )
