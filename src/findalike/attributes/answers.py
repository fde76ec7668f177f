"""What people answered when they reviewed an attribute, kept as sidecars `reviews/COLUMN-000001.jsonl`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from findalike.attributes.card import Label
from findalike.attributes.shelf import name_of
from findalike.logbook import Logbook, Record
from findalike.sidecars import Sidecars

FOLDER = "reviews"
MOST = 100_000
"""Answers of a column that are kept: of older ones the values stay, but what was predicted is forgotten."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of one person. `before` is the value that was there, predicted with `confidence`, which is
    None for a person's own; None where there was no value. `session` tells people apart, not who they are."""

    asset: str
    value: Label
    before: Label | None
    confidence: float | None
    session: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def accepted(self) -> bool:
        """Whether a prediction was left as it is."""
        return self.confidence is not None and self.value == self.before


class Answers:
    """Those for one column, the oldest first. Who writes holds the library."""

    def __init__(self, sidecars: Sidecars, column: str) -> None:
        self._book = Logbook(sidecars, FOLDER, _parsed, _told)
        self._kind = PurePosixPath(name_of(column)).stem

    def all(self) -> list[Answer]:
        return self._book.read(self._kind)

    def last(self, session: str) -> Answer | None:
        """The last one of a session that was not taken back."""
        return next((answer for answer in reversed(self.all()) if answer.session == session), None)

    def add(self, answer: Answer) -> None:
        self._book.append(self._kind, [answer])
        self._book.let_go(self._kind, MOST)

    def remove(self, answer: Answer) -> None:
        self._book.keep(self._kind, lambda other: other.id != answer.id)


def _parsed(record: Record) -> Answer:
    names = {each.name for each in fields(Answer)}
    told: Mapping[str, Any] = {name: value for name, value in record.items() if name in names}
    return Answer(**{**told, "at": datetime.fromisoformat(told["at"])})


def _told(answer: Answer) -> Record:
    return asdict(answer) | {"at": answer.at.isoformat()}
