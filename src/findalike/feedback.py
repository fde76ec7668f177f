"""What people say of the hits of a search: that one is a match, that one is none, or only that they looked.

Kept among the sidecars of the library, a line of JSON for each mark, the oldest first. Nothing is ranked by
it: it is there to learn from, and stays on the machine of the library.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from findalike.errors import LibraryError, UsageError
from findalike.sidecars import Sidecars

Verdict = Literal["match", "no match", "click"]
"""What a mark says of a hit. A click is a weak word: someone opened it, and said no more."""

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

FOLDER = "feedback"
SAID, CLICKS = KINDS = ("said", "clicks")
LINES = 1_000
"""Marks of one file: the last file is written anew with every mark, so none grows for ever."""

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
        self._files = _Files(sidecars)
        self._writing = writing

    def add(self, marks: Iterable[Mark], wait: float = 0) -> list[Mark]:
        """Keep marks; returns them. Raises UsageError for one that says nothing, and where there is no
        room for more verdicts."""
        given = [_checked(mark) for mark in marks]
        with self._writing(wait):
            for kind in KINDS:
                self._files.append(kind, [mark for mark in given if _kind(mark) == kind])
        return given

    def remove(self, ids: Iterable[str], wait: float = 0) -> int:
        """Take marks back by their ids; returns how many there were. What was said of the same hit before
        holds again."""
        gone = set(ids)
        with self._writing(wait):
            return self._files.keep(lambda mark: mark.id not in gone)

    def forget(self, verdict: Verdict | None = None, wait: float = 0) -> int:
        """Take back all marks, or all of a verdict; returns how many there were."""
        with self._writing(wait):
            return self._files.keep(lambda mark: verdict is not None and mark.verdict != verdict)

    def all(self) -> list[Mark]:
        """Every mark that was given, the oldest first. Raises LibraryError."""
        return self._files.all()

    def marks(self) -> list[Mark]:
        """What holds now, as `marks` of this module tells it."""
        return _holding(self._files.all())


def marks(sidecars: Sidecars) -> list[Mark]:
    """What holds of each query and hit, the oldest first: the last verdict, and a click only where nobody
    gave one. A picture that is named may have left the library since. Raises LibraryError for a file that
    is something else."""
    return _holding(_Files(sidecars).all())


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


def _kind(mark: Mark) -> str:
    return CLICKS if mark.verdict == "click" else SAID


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


class _Files:
    """Files of lines, for each kind some with a number; what was read is kept while its stamp is the same."""

    def __init__(self, sidecars: Sidecars) -> None:
        self._sidecars = sidecars
        self._known: dict[str, tuple[object, list[Mark]]] = {}

    def all(self) -> list[Mark]:
        return sorted((mark for name in self._names() for mark in self._read(name)), key=lambda mark: mark.at)

    def append(self, kind: str, given: Sequence[Mark]) -> None:
        """Put marks at the end of the last file of a kind, and begin others where it is full."""
        names = self._names(kind)
        last = self._read(names[-1]) if names else []
        count = max(0, len(names) - 1) * LINES + len(last) + len(given)
        if kind == SAID and count > MOST_SAID:
            raise UsageError(
                f"{MOST_SAID:,} verdicts are kept, which is the most; save them, and take those back that "
                "have been learned from: library.feedback.forget('no match')"
            )
        number = _number(names[-1]) if names else 1
        lines = [*last, *given] if given else []
        for start in range(0, len(lines), LINES):
            name = f"{FOLDER}/{kind}-{number + start // LINES:06}.jsonl"
            self._write(name, lines[start : start + LINES])
        if kind == CLICKS and count > MOST_CLICKS:
            for name in self._names(kind)[: -(-(count - MOST_CLICKS) // LINES)]:
                self._sidecars.remove(name)

    def keep(self, wanted: Callable[[Mark], bool]) -> int:
        """Take all others out; returns how many these are."""
        gone = 0
        for name in self._names():
            there = self._read(name)
            left = [mark for mark in there if wanted(mark)]
            gone += len(there) - len(left)
            if len(left) < len(there):
                self._write(name, left)
        return gone

    def _names(self, kind: str = "") -> list[str]:
        """The files of a kind, or of all, the oldest first."""
        return [name for name in self._sidecars.names() if name.startswith(f"{FOLDER}/{kind}")]

    def _read(self, name: str) -> list[Mark]:
        try:
            stamp = self._sidecars.stamp(name)
            if name not in self._known or self._known[name][0] != stamp:
                content = (self._sidecars.read(name) or b"").decode()
                self._known[name] = stamp, list(_parsed(content.splitlines()))
        except (OSError, UsageError, ValueError, KeyError, TypeError, AttributeError) as error:
            place = self._sidecars.where(name)
            raise LibraryError(f"{place} cannot be read ({error}); mend it, or move it away") from error
        return self._known[name][1]

    def _write(self, name: str, several: Sequence[Mark]) -> None:
        try:
            if several:
                self._sidecars.write(name, "".join(f"{json.dumps(_record(mark))}\n" for mark in several))
            else:
                self._sidecars.remove(name)
        except OSError as error:
            place = self._sidecars.where(name)
            raise LibraryError(f"{place} cannot be written: {error.strerror or error}") from error


def _number(name: str) -> int:
    return int(name.rpartition("-")[2].partition(".")[0])


def _parsed(lines: Iterable[str]) -> Iterator[Mark]:
    """What a later findalike may add to a mark is left out."""
    names = {each.name for each in fields(Mark)}
    for line in filter(None, lines):
        told: dict[str, Any] = {name: value for name, value in json.loads(line).items() if name in names}
        yield _checked(Mark(**told | {"at": datetime.fromisoformat(told["at"])}))


def _record(mark: Mark) -> dict[str, Any]:
    return asdict(mark) | {"at": mark.at.isoformat()}
