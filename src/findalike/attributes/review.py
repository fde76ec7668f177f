"""The review of an attribute: people see pictures, and accept or correct what was predicted."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from findalike.attributes import applying, shelf
from findalike.attributes.answers import Answer, Answers
from findalike.attributes.card import Label, confidence_column
from findalike.attributes.deck import deck
from findalike.attributes.labels import check_column, check_confidence
from findalike.attributes.leases import Leases
from findalike.attributes.shelf import Attribute
from findalike.attributes.standing import Standing, standing
from findalike.errors import UsageError
from findalike.filters import Filter, IsNull, Not, folded
from findalike.ingest.measures import note_edits
from findalike.store.base import Store
from findalike.types import Asset, Value

CHOICES = 9
"""Values that a picture is shown with: as many as there are digits to choose them by."""

LONGEST = 100
"""Characters of a value that a person types."""

_ALL = 1_000_000_000
_WORDS = {"true": True, "yes": True, "false": False, "no": False}

Writing = Callable[[float], AbstractContextManager[None]]
"""Holds a library for writing, waiting so many seconds for others."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A value and how likely it is, 0 to 1; None where nothing was learned to tell that by."""

    value: Label
    probability: float | None


@dataclass(frozen=True, slots=True)
class Case:
    """A picture before a person: the value that stands there, its confidence, None for a person's own, and
    the likeliest values, the one that stands there first. `revision` changes with value and confidence."""

    asset: Asset
    value: Label | None
    confidence: float | None
    choices: tuple[Choice, ...] = ()

    @property
    def revision(self) -> str:
        told = json.dumps([self.value, self.confidence])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def is_open(self) -> bool:
        """Whether no person gave it a value."""
        return self.value is None or self.confidence is not None


class Outdated(UsageError):
    """Someone else changed the value since it was shown; `now` is what stands there."""

    def __init__(self, message: str, now: Case) -> None:
        super().__init__(message)
        self.now = now


class Review:
    """The review of one column. Several people may review it at once: each names a `session` of their own,
    and none is shown a picture that is before another. Safe to use from several threads.

    Raises UsageError for a column that is no attribute.
    """

    def __init__(self, store: Store, column: str, writing: Writing) -> None:
        self.column = column
        self._store = store
        self._writing = writing
        self._answers = Answers(store.sidecars, column)
        self._leases = Leases()
        self._deck: list[str] = []
        self._learned: tuple[object, Attribute | None] = (None, None)
        self._lock = threading.RLock()
        check_column(column, store.columns())
        check_confidence(store, column)

    # Asking

    def deal(self, session: str = "", count: int = 1) -> list[Case]:
        """Up to `count` pictures to review now, the most valuable first; those dealt to the session before
        and not answered are among them. Empty when all were answered, skipped, or are before others."""
        with self._lock:
            cases = list(self._open(session, count))
            if len(cases) < count:
                self._deck = self._dealt_anew(session)
                cases = list(self._open(session, count))
            self._leases.hold(session, [case.asset.id for case in cases])
        return [self._with_choices(case) for case in cases]

    def case(self, asset_id: str) -> Case:
        """One picture as it stands. Raises UsageError for an id that is none of the library's."""
        return self._with_choices(self._bare(asset_id))

    def standing(self) -> Standing:
        """How far the review is, and how much is right by now."""
        columns, name = self._store.columns(), confidence_column(self.column)
        sures: Sequence[tuple[Value, int]] = self._store.facets(name, None, _ALL) if name in columns else ()
        predicted = sum(count for _, count in sures)
        sure = sum(value * count for value, count in sures if isinstance(value, int | float))
        there: Filter | None = Not(IsNull(self.column)) if self.column in columns else None
        valued = self._store.count(there) if there else 0
        bare = self._store.count() - valued
        return standing(valued - predicted, predicted, bare, sure, self.answers())

    def answers(self) -> list[Answer]:
        """All answers that hold, the oldest first."""
        return self._answers.all()

    def values(self) -> list[Label]:
        """The values that are known, the most frequent first."""
        there = self.column in self._store.columns()
        found = [value for value, _ in self._store.facets(self.column, None, _ALL)] if there else []
        learned = self._attribute()
        more = learned.info.values if learned else ()
        return list(dict.fromkeys([*(v for v in found if isinstance(v, str | bool)), *more]))

    # Saying

    def answer(
        self, asset_id: str, value: Label, revision: str, session: str = "", wait: float = 0
    ) -> Answer:
        """Say what a picture's value is: that of the prediction, or another. It is a person's then, and has
        no confidence. A value that differs from a known one in capitals and spaces alone is that one.

        `revision` is that of the case that was shown. Raises Outdated, and changes nothing, where another
        value or confidence stands there now; UsageError for what is no value, LibraryLocked.
        """
        with self._writing(wait):
            now = self._bare(asset_id)
            if now.revision != revision:
                raise Outdated(_changed(now), self._with_choices(now))
            said = Answer(asset_id, self._meant(value), now.value, now.confidence, session)
            self._put(now.asset, said.value, None)
            note_edits(self._store.sidecars, [asset_id], [self.column])
            self._answers.add(said)
        with self._lock:
            self._leases.unskip(session, asset_id)
            self._deck = [each for each in self._deck if each != asset_id]
        return said

    def undo(self, session: str = "", wait: float = 0) -> Answer:
        """Take back the last answer of a session, and so on: what stood there before does again, and the
        picture is dealt next. Raises UsageError where there is none, Outdated where someone changed the value
        since: that answer is then let go of, and the value stays."""
        with self._writing(wait):
            last = self._answers.last(session)
            if last is None:
                raise UsageError("there is no answer left to take back")
            self._answers.remove(last)
            now = self._bare(last.asset)
            if (now.value, now.confidence) != (last.value, None):
                raise Outdated(_changed(now), self._with_choices(now))
            self._put(now.asset, last.before, last.confidence)
        with self._lock:
            self._deck = [last.asset, *(each for each in self._deck if each != last.asset)]
            self._leases.hold(session, [last.asset])
        return last

    def skip(self, asset_id: str, session: str = "") -> None:
        """Do not show a picture to a session again, until it is unskipped."""
        with self._lock:
            self._leases.skip(session, asset_id)

    def unskip(self, session: str = "") -> None:
        """What a session skipped may be shown to it again."""
        with self._lock:
            self._leases.unskip(session)

    def renew(self) -> None:
        """Put the pictures in a new order, as after learning anew."""
        with self._lock:
            self._deck = []

    # Inside

    def _open(self, session: str, count: int) -> Iterator[Case]:
        """The first of the deck that are open, not skipped, and before no other session."""
        skipped = self._leases.skipped(session)
        left = [i for i in self._deck if i not in skipped and self._leases.free(session, i)]
        there = self._store.get(left[: 10 * count])
        cases = (_case(there[i], self.column) for i in left if i in there)
        return (case for case, _ in zip((c for c in cases if c.is_open), range(count), strict=False))

    def _dealt_anew(self, session: str) -> list[str]:
        without = self._leases.skipped(session) | self._leases.elsewhere(session)
        return deck(self._store, self.column, self._attribute(), without)

    def _bare(self, asset_id: str) -> Case:
        asset = self._store.get([asset_id]).get(asset_id)
        if asset is None:
            raise UsageError(f"no picture of the library has the id {asset_id[:64]!r}")
        return _case(asset, self.column)

    def _with_choices(self, case: Case) -> Case:
        likely = self._likely(case.asset.id) or [Choice(value, None) for value in self.values()]
        first = [] if case.value is None else [Choice(case.value, case.confidence)]
        others = [choice for choice in likely if choice.value != case.value]
        return replace(case, choices=tuple([*first, *others][:CHOICES]))

    def _likely(self, asset_id: str) -> list[Choice]:
        """The values by what was learned, the likeliest first; empty where nothing was, or the picture has no
        vectors."""
        found = self._attribute()
        if found is None:
            return []
        places, told = applying.predict(self._store, found, [asset_id])
        if not places:
            return []
        pairs = zip(found.info.values, told.probabilities[0].tolist(), strict=True)
        return [Choice(value, share) for value, share in sorted(pairs, key=lambda pair: -pair[1])]

    def _attribute(self) -> Attribute | None:
        """What was learned of the column, read again when it was learned again."""
        stamp = self._store.sidecars.stamp(shelf.name_of(self.column))
        if self._learned[0] != stamp:
            self._learned = stamp, shelf.load(self._store.sidecars, self.column)
        return self._learned[1]

    def _meant(self, value: Label) -> Label:
        """What a person typed as a value. Raises UsageError."""
        known = self.values()
        if self._store.columns().get(self.column) == "boolean":
            given = value if isinstance(value, bool) else _WORDS.get(value.strip().casefold())
            if given is None:
                raise UsageError(f"{value!r} is no value of {self.column!r}, which is true or false")
            return given
        text = " ".join(str(value).split())
        if not 0 < len(text) <= LONGEST or not text.isprintable():
            raise UsageError(f"{text[:40]!r} is no value: give a word or a few, of at most {LONGEST} letters")
        spelled = {folded(each): each for each in reversed(known) if isinstance(each, str)}
        return spelled.get(folded(text), text)

    def _put(self, asset: Asset, value: Label | None, confidence: float | None) -> None:
        changed = {self.column: value, confidence_column(self.column): confidence}
        self._store.update([replace(asset, metadata={**asset.metadata, **changed})])


def _case(asset: Asset, column: str) -> Case:
    value, sure = asset.metadata.get(column), asset.metadata.get(confidence_column(column))
    if not isinstance(value, str | bool):
        return Case(asset, None, None)
    return Case(asset, value, float(sure) if isinstance(sure, int | float) else None)


def _changed(now: Case) -> str:
    if now.value is None:
        return "the value was taken away since it was shown"
    who = "another person says" if now.confidence is None else "it was predicted anew:"
    return f"{who} {now.value!r} now"
