"""The filter tree, and its answer for one asset: the oracle of what every store answers."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Literal, TypeVar, cast

from findalike.errors import QueryError
from findalike.types import Value

Kind = Literal["boolean", "integer", "number", "text", "date", "time", "tags"]
"""The kind of a column. `time` is an aware datetime in UTC. `tags` is several texts, of which any may fit, in
either case of letters; no metadata column is of this kind."""

FACTS: dict[str, Kind] = {
    "path": "text",
    "name": "text",
    "folder": "text",
    "media": "text",
    "size": "integer",
    "modified": "time",
    "tag": "tags",
}
"""What every asset can be filtered by without any metadata: its uri, the last part of the uri, the uri of
what holds it, media type, bytes, time of last change, and its tags. A metadata column of the same name
shadows one."""

MEASURES: dict[str, Kind] = {
    "dominant_color": "text",
    "orientation": "text",
    "monochrome": "boolean",
    "sharpness": "number",
    "brightness": "number",
}
"""The metadata columns that pixels decide, measured on every picture that is indexed. A column that the user
has by one of these names is the user's, whatever it holds."""

Literal_ = bool | int | float | str | date | datetime
Operator = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Compare:
    column: str
    operator: Operator
    value: Literal_


@dataclass(frozen=True, slots=True)
class In:
    """Equal to one of the values, of which there is at least one."""

    column: str
    values: tuple[Literal_, ...]


@dataclass(frozen=True, slots=True)
class Like:
    """`%` stands for any run of characters, `_` for one; letters match in either case. Nothing escapes."""

    column: str
    pattern: str


@dataclass(frozen=True, slots=True)
class IsNull:
    column: str


@dataclass(frozen=True, slots=True)
class Not:
    part: Filter


@dataclass(frozen=True, slots=True)
class And:
    """True when every part is; there are at least two when it comes from text."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """True when one of its parts is; there are at least two when it comes from text."""

    parts: tuple[Filter, ...]


Filter = Compare | In | Like | IsNull | Not | And | Or
"""A filter tree. Null values follow SQL: a comparison with null is neither true nor false."""

Leaf = Compare | In | Like | IsNull


def evaluate(tree: Filter, values: Mapping[str, Value | tuple[str, ...]]) -> bool | None:
    """Whether an asset with these values passes a bound filter: true, false, or None for unknown.

    SQL's three-valued logic. A column that is missing is null, and so is a NaN. Tags are a tuple; one that
    is empty is null for `is null`, and fits nothing else. Raises QueryError when a value and a literal
    cannot be compared, which binding prevents.
    """
    if isinstance(tree, And | Or):
        decisive = isinstance(tree, Or)
        answers = {evaluate(part, values) for part in tree.parts}
        return decisive if decisive in answers else None if None in answers else not decisive
    if isinstance(tree, Not):
        answer = evaluate(tree.part, values)
        return None if answer is None else not answer
    value = values.get(tree.column)
    if isinstance(value, tuple):
        return _tagged(tree, value)
    null = value is None or (isinstance(value, float) and math.isnan(value))
    if isinstance(tree, IsNull):
        return null
    return None if null else _holds(tree, cast(Literal_, value))


def _tagged(leaf: Leaf, tags: tuple[str, ...]) -> bool:
    """Whether any tag fits; for `!=`, whether none does. It is never unknown."""
    if isinstance(leaf, IsNull):
        return not tags
    if isinstance(leaf, Compare) and leaf.operator == "!=":
        return not _tagged(Compare(leaf.column, "=", leaf.value), tags)
    return any(_holds(_folded(leaf), folded(tag)) for tag in tags)


def _folded(leaf: Compare | In | Like) -> Compare | In | Like:
    if isinstance(leaf, Like):
        return Like(leaf.column, folded(leaf.pattern))
    if isinstance(leaf, In):
        return In(leaf.column, tuple(folded(value) for value in leaf.values))
    return Compare(leaf.column, leaf.operator, folded(leaf.value))


_T = TypeVar("_T")


def folded(tag: _T) -> _T:
    """A tag as it is compared: without the case of its letters. What is no text stays as it is."""
    return cast(_T, tag.casefold()) if isinstance(tag, str) else tag


def _holds(leaf: Compare | In | Like, value: Literal_) -> bool:
    if isinstance(leaf, Like):
        return isinstance(value, str) and _pattern(leaf.pattern).fullmatch(value) is not None
    if isinstance(leaf, In):
        return any(operator.eq(*_comparable(leaf.column, value, v)) for v in leaf.values)
    return bool(_TESTS[leaf.operator](*_comparable(leaf.column, value, leaf.value)))


_TESTS: dict[Operator, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _comparable(column: str, value: Literal_, literal: Literal_) -> tuple[Any, Any]:
    """Both as one type: of numbers any two, a day against a time as its midnight in UTC."""
    if _family(value) != _family(literal):
        raise QueryError(f"column {column!r} holds {value!r}, which does not compare with {literal!r}")
    if isinstance(value, datetime) or isinstance(literal, datetime):
        return _instant(value), _instant(literal)
    return value, literal


def _family(value: Literal_) -> type:
    if isinstance(value, bool):
        return bool
    if isinstance(value, int | float):
        return float
    return date if isinstance(value, date) else str


def midnight(day: date) -> datetime:
    """The instant at which a day begins, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def in_utc(value: datetime) -> datetime:
    """A time without a zone is taken to be in UTC."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _instant(value: Any) -> datetime:
    return in_utc(value) if isinstance(value, datetime) else midnight(value)


@lru_cache(maxsize=256)
def _pattern(like: str) -> re.Pattern[str]:
    """Each run of fixed characters is taken where it first fits (an atomic group), so that matching never
    backtracks over more than one `%`."""
    runs = ["".join("." if c == "_" else re.escape(c) for c in run) for run in re.split("%+", like)]
    middle = "".join(f"(?>.*?{run})" for run in runs[1:-1])
    last = f".*{runs[-1]}" if len(runs) > 1 else ""
    return re.compile(f"{runs[0]}{middle}{last}", re.IGNORECASE | re.DOTALL)
