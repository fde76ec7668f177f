"""The values that people gave: which pictures have one in a column, and what is wrong with them."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from findalike.attributes import shelf
from findalike.attributes.card import CONFIDENCE, Label, confidence_column
from findalike.errors import UsageError
from findalike.filters import FACTS, MEASURES, Compare, Filter, IsNull, Kind, Not, Or, folded
from findalike.present.caption import printable
from findalike.store.base import Store
from findalike.types import Asset, Value

LEAST = 2
"""Pictures of a value to learn it from, and values."""

_NAMED = 5
"""Values that a sentence names."""

_OFFERED, _LONGEST = 10, 40
"""Columns that a sentence names, and letters of a value."""

_NAMES = ("text", "boolean")
"""The kinds of columns that hold names."""

_WHY: Mapping[str, str] = {
    "integer": "whole numbers, and attributes are names: write what you mean as text, such as '2-door'",
    "number": "numbers, and attributes are names: write what ranges you mean as text, such as 'under 50'",
    "date": "dates, which pictures do not show; --where compares them as they are",
    "time": "times, which pictures do not show; --where compares them as they are",
    "tags": "tags, of which a picture has many; to score pictures against words: findalike tag",
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """Pictures with a person's value: `ids`, `digests` of their bytes and `numbers`, the places of their
    values among `values`, all in one order."""

    values: tuple[Label, ...]
    ids: tuple[str, ...]
    digests: tuple[str, ...]
    numbers: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        found = Counter(self.numbers)
        return tuple(found[n] for n in range(len(self.values)))

    @property
    def groups(self) -> tuple[str, ...]:
        """Equal for pictures of the same bytes."""
        return tuple(digest or i for i, digest in zip(self.ids, self.digests, strict=True))

    @property
    def different(self) -> tuple[int, ...]:
        """Of each value, how many pictures differ in their bytes."""
        found = Counter(n for n, _ in set(zip(self.numbers, self.groups, strict=True)))
        return tuple(found[n] for n in range(len(self.values)))

    def at(self, places: Iterable[int]) -> Labelled:
        """Some of the pictures, and all values."""
        kept = list(places)
        return Labelled(
            self.values,
            tuple(self.ids[n] for n in kept),
            tuple(self.digests[n] for n in kept),
            tuple(self.numbers[n] for n in kept),
        )

    def only(self, places: Iterable[int]) -> Labelled:
        """Some of the pictures, and the values that they have."""
        few = self.at(places)
        there = sorted(set(few.numbers))
        number = {old: new for new, old in enumerate(there)}
        numbers = tuple(number[n] for n in few.numbers)
        return Labelled(tuple(self.values[n] for n in there), few.ids, few.digests, numbers)

    def among(self, values: Iterable[Label]) -> Labelled:
        """The same pictures, with more values to tell apart."""
        every = sorted({*self.values, *values})
        place = {value: n for n, value in enumerate(every)}
        numbers = tuple(place[self.values[n]] for n in self.numbers)
        return Labelled(tuple(every), self.ids, self.digests, numbers)


def check_column(column: str, columns: Mapping[str, Kind], new: bool = False) -> None:
    """Raises UsageError for a column that is none of names; with `new` it need not be there yet."""
    if column.endswith(CONFIDENCE):
        raise UsageError(
            f"{column!r} is where the confidence of {column.removesuffix(CONFIDENCE)!r} stands, and no "
            f"attribute; name that: --column {column.removesuffix(CONFIDENCE) or 'color'}"
        )
    if not column.strip() or not column.isprintable():
        raise UsageError(f"{column[:40]!r} is no name of a column; give one such as --column color")
    kind = columns.get(column)
    if kind is None and new:
        return
    if kind is None:
        raise UsageError(f"the library has no column {column!r}; {_offered(column, columns)}")
    if column in FACTS and kind != "tags":
        raise UsageError(f"{column!r} is a fact of every file, which nobody gives; name another column")
    if kind not in _NAMES:
        raise UsageError(f"the column {column!r} holds {_WHY[kind]}")


def _offered(column: str, columns: Mapping[str, Kind]) -> str:
    """The columns that can be learned, those of a like name first."""
    there = [
        name
        for name, kind in columns.items()
        if kind in _NAMES and name not in FACTS and name not in MEASURES and not name.endswith(CONFIDENCE)
    ]
    if not there:
        return "it has none that can be learned: findalike index --table FILE brings some"
    near = difflib.get_close_matches(column, there, _OFFERED)
    return f"there are {_some([*near, *(name for name in there if name not in near)], _OFFERED)}"


def check_confidence(store: Store, column: str, adopt: bool = False) -> None:
    """Raises UsageError where the column of the confidence is one of the user's own: not of numbers in 0..1,
    or there although nothing was ever learned of the attribute, unless its values are to be adopted."""
    name, columns = confidence_column(column), store.columns()
    if name not in columns:
        return
    if columns[name] != "number" or _beyond(store, name):
        raise UsageError(
            f"the library has a column {name!r} of its own, which holds no confidence in 0..1, and "
            "predictions keep theirs there; give it another name in the table, and index that again"
        )
    if not adopt and not shelf.there(store.sidecars, column) and store.count(Not(IsNull(name))):
        raise UsageError(
            f"the library has a column {name!r}, although nothing was learned of {column!r} here: if it is a "
            "column of your own, give it another name in the table, and index that again; if its values were "
            "predicted elsewhere, take them as such: --adopt"
        )


def _beyond(store: Store, name: str) -> bool:
    """Whether a column of numbers holds what is no share."""
    return bool(store.count(Or((Compare(name, "<", 0.0), Compare(name, ">", 1.0)))))


def labelled(
    store: Store, column: str, where: Filter | None = None, fold_case: bool = False
) -> tuple[Labelled, list[str]]:
    """The pictures to which a person gave a value, and sentences on what is odd. With `fold_case` values that
    differ in capitals and spaces alone are one, spelled as most often. Where several spellings are there and
    it is not asked for, they stay apart, and are named."""
    known = [
        (asset.id, asset.sha256, value)
        for asset in store.assets(where)
        if (value := given(asset, column)) is not None
    ]
    known.sort()
    spelled = _spellings(value for _, _, value in known)
    meant = {v: max(several, key=lambda s: (several[s], s)) if fold_case else v
             for several in spelled.values() for v in several}  # fmt: skip
    values = sorted({meant[value] for _, _, value in known})
    number = {value: n for n, value in enumerate(values)}
    found = Labelled(
        tuple(values),
        tuple(i for i, _, _ in known),
        tuple(digest for _, digest, _ in known),
        tuple(number[meant[value]] for _, _, value in known),
    )
    return found, list(_odd(column, spelled, fold_case))


def given(asset: Asset, column: str) -> Label | None:
    """The value that a person gave; None where there is none, or it was predicted."""
    value: Value = asset.metadata.get(column)
    if not isinstance(value, str | bool) or (isinstance(value, str) and not value.strip()):
        return None
    return None if asset.metadata.get(confidence_column(column)) is not None else value


def enough(found: Labelled, column: str) -> tuple[Labelled, list[str]]:
    """Those whose value several pictures have, and a sentence on the others. Raises UsageError where nothing
    is left to tell apart."""
    counts = found.counts
    lonely = [n for n, count in enumerate(counts) if count < LEAST]
    several = len(counts) - len(lonely)
    if several < LEAST:
        raise UsageError(_too_few(column, found))
    if not lonely:
        return found, []
    named = _some(str(found.values[n]) for n in lonely)
    kept = found.only(place for place, n in enumerate(found.numbers) if counts[n] >= LEAST)
    return kept, [
        f"Left out of {column}, because one picture alone has the value: {named}. Give a second one each."
    ]


def _too_few(column: str, found: Labelled) -> str:
    name = printable(column)
    if not found.ids:
        return (
            f"no picture has a value of {name!r} that a person gave; give some on the page, or by a table: "
            "findalike index --table FILE"
        )
    if len(found.values) == 1:
        return (
            f"all {len(found.ids):,} labelled pictures have the same {name!r}, {_quoted(found.values[0])}: "
            "give another value to at least two pictures, for there is nothing to tell apart"
        )
    return (
        f"of the values of {name!r} ({_some(map(str, found.values))}) fewer than two have two pictures: an "
        "attribute is learned from at least two pictures each of at least two values, and better from ten"
    )


def _spellings(values: Iterable[Label]) -> dict[Label, Counter[Label]]:
    """How often each spelling stands there, by what they have in common."""
    found: dict[Label, Counter[Label]] = defaultdict(Counter)
    for value in values:
        found[folded(" ".join(value.split())) if isinstance(value, str) else value][value] += 1
    return found


def _odd(column: str, spelled: Mapping[Label, Counter[Label]], fold_case: bool) -> Iterator[str]:
    for several in spelled.values():
        if len(several) > 1:
            named = ", ".join(f"{_quoted(value)} ({count:,})" for value, count in several.most_common(_NAMED))
            if fold_case:
                yield f"Counted as one value of {column}: {named}. The labels themselves stay as they are."
            else:
                yield (
                    f"{column} has one value in {len(several)} spellings, which count as so many values: "
                    f"{named}. To count them as one: --fold-case"
                )


def _some(names: Iterable[str], most: int = _NAMED) -> str:
    several = [_short(name) for name in names]
    more = f" and {len(several) - most:,} more" if len(several) > most else ""
    return ", ".join(several[:most]) + more


def _short(value: Label) -> str:
    """A value in a sentence: on one line, and of a long one the beginning."""
    text = printable(" ".join(str(value).split()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _quoted(value: Label) -> str:
    """The same with the spaces that tell spellings apart."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]}…{text[-1]}"


def chosen_columns(columns: Sequence[str]) -> list[str]:
    """Columns that were asked for, each once. Raises UsageError for none."""
    if not columns:
        raise UsageError("name an attribute: --column color")
    return list(dict.fromkeys(columns))
