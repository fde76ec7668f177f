"""What people say of the hits of a search: that one is a match, that one is none, or only that they looked.

Kept among the sidecars of the library, a line of JSON for each mark, the oldest first. Nothing is ranked by
it: it is there to learn from, and stays on the machine of the library.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from findalike.errors import UsageError
from findalike.logbook import Logbook, Record
from findalike.sidecars import Sidecars

Verdict = Literal["match", "no match", "click"]
"""What a mark says of a hit. A click is a weak word: someone opened it, and said no more."""

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

FOLDER = "feedback"
SAID, CLICKS = KINDS = ("said", "clicks")
MOST_SAID = 100_000
"""Verdicts that a library keeps; one more is refused."""

MOST_CLICKS = 20_000
"""Clicks that a library keeps; after so many the oldest thousand goes."""

LONGEST = 200
"""Characters of an id and of the name of a space."""

Writing = Callable[[float], AbstractContextManager[None]]
"""Holds a library for writing, waiting so many seconds for others."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One word on one hit. `query` and `hit` are ids of assets; `space` is the one that was searched and
    `rank` the place of the hit, from 1; empty and None where that is unknown."""

    query: str
    hit: str
    verdict: Verdict
    space: str = ""
    rank: int | None = None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures that are to be near one another or far apart, and how much that counts, above 0."""

    query: str
    hit: str
    alike: bool
    weight: float


class Feedback:
    """The marks of a library. What changes raises UsageError for one that is open for reading, LibraryLocked
    while another process writes."""

    def __init__(self, sidecars: Sidecars, writing: Writing) -> None:
        self._book = _book(sidecars)
        self._writing = writing

    def add(self, marks: Iterable[Mark], wait: float = 0) -> list[Mark]:
        """Keep marks; returns them. Raises UsageError for one that says nothing, and where there is no
        room for more verdicts."""
        given = [_checked(mark) for mark in marks]
        with self._writing(wait):
            said = [mark for mark in given if mark.verdict != "click"]
            if said and self._book.count(SAID) + len(said) > MOST_SAID:
                raise UsageError(
                    f"{MOST_SAID:,} verdicts are kept, which is the most; save them, and take those back "
                    "that have been learned from: library.feedback.forget('no match')"
                )
            self._book.append(SAID, said)
            self._book.append(CLICKS, [mark for mark in given if mark.verdict == "click"])
            self._book.let_go(CLICKS, MOST_CLICKS)
        return given

    def remove(self, ids: Iterable[str], wait: float = 0) -> int:
        """Take marks back by their ids; returns how many there were. What was said of the same hit before
        holds again."""
        gone = set(ids)
        return self._keep(lambda mark: mark.id not in gone, wait)

    def forget(self, verdict: Verdict | None = None, wait: float = 0) -> int:
        """Take back all marks, or all of a verdict; returns how many there were."""
        return self._keep(lambda mark: verdict is not None and mark.verdict != verdict, wait)

    def all(self) -> list[Mark]:
        """Every mark that was given, the oldest first. Raises LibraryError."""
        return _all(self._book)

    def marks(self) -> list[Mark]:
        """What holds now, as `marks` of this module tells it."""
        return _holding(_all(self._book))

    def _keep(self, wanted: Callable[[Mark], bool], wait: float) -> int:
        with self._writing(wait):
            return sum(self._book.keep(kind, wanted) for kind in KINDS)


def marks(sidecars: Sidecars) -> list[Mark]:
    """What holds of each query and hit, the oldest first: the last verdict, and a click only where nobody
    gave one. A picture that is named may have left the library since. Raises LibraryError for a file that
    is something else."""
    return _holding(_all(_book(sidecars)))


def _holding(several: Iterable[Mark]) -> list[Mark]:
    found: dict[tuple[str, str], Mark] = {}
    for mark in sorted(several, key=lambda mark: mark.verdict != "click"):
        found[mark.query, mark.hit] = mark
    return sorted(found.values(), key=lambda mark: mark.at)


def pairs(several: Iterable[Mark], clicks: float = 0.0) -> list[Pair]:
    """Marks as pairs to train with, in their order. A click counts `clicks`, 0 to 1, as a match does 1; with
    0 it is left out, for what is looked at need not be what was wanted (Joachims et al., 2005)."""
    weights = {"match": 1.0, "no match": 1.0, "click": clicks}
    return [
        Pair(mark.query, mark.hit, mark.verdict != "no match", weights[mark.verdict])
        for mark in several
        if weights[mark.verdict] > 0
    ]


def _checked(mark: Mark) -> Mark:
    if mark.verdict not in VERDICTS:
        raise UsageError(f"verdict is {mark.verdict!r}, but it must be one of {', '.join(VERDICTS)}")
    for name in ("query", "hit"):
        if not 0 < len(getattr(mark, name)) <= LONGEST:
            raise UsageError(f"{name} is {getattr(mark, name)[:80]!r}, but it must be the id of a picture")
    if mark.query == mark.hit:
        raise UsageError(f"{mark.query!r} is both the query and the hit; a picture always matches itself")
    if len(mark.space) > LONGEST:
        raise UsageError(f"space is {mark.space[:80]!r}…, but it must be the name of a space")
    if mark.rank is not None and mark.rank < 1:
        raise UsageError(f"rank is {mark.rank}, but the first hit has rank 1")
    if mark.at.tzinfo is None:
        raise UsageError(f"at is {mark.at}, but it must say its time zone")
    return mark


def _book(sidecars: Sidecars) -> Logbook[Mark]:
    return Logbook(sidecars, FOLDER, _parsed, _told)


def _all(book: Logbook[Mark]) -> list[Mark]:
    return sorted((mark for kind in KINDS for mark in book.read(kind)), key=lambda mark: mark.at)


def _parsed(record: Record) -> Mark:
    """What a later findalike may add to a mark is left out."""
    names = {each.name for each in fields(Mark)}
    told: dict[str, Any] = {name: value for name, value in record.items() if name in names}
    return _checked(Mark(**told | {"at": datetime.fromisoformat(told["at"])}))


def _told(mark: Mark) -> Record:
    return asdict(mark) | {"at": mark.at.isoformat()}
