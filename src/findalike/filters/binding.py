"""Fitting a filter to the columns of a library: names known, literals of the column's kind."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from findalike.errors import QueryError
from findalike.filters.tree import (
    MEASURES,
    And,
    Compare,
    Filter,
    In,
    IsNull,
    Kind,
    Leaf,
    Like,
    Literal_,
    Not,
    Operator,
    Or,
    in_utc,
    midnight,
)

MAX_TREE = 210
"""Levels of a tree. The text of a filter may nest 100 deep, and each level can hold an `or` and an `and`."""


def bind(tree: Filter, columns: Mapping[str, Kind]) -> Filter:
    """The same filter with every column known and every literal of its column's kind.

    A comparison of a date or time with a whole year, month or day becomes one with the period's ends:
    `taken = 2019` is from 2019-01-01 to before 2020-01-01. Raises QueryError naming column and value.
    """
    try:
        return _bound_tree(tree, columns, 0)
    except LeafError as fault:
        raise QueryError(str(fault)) from None


class LeafError(Exception):
    """What is wrong with a leaf: with its column, or with its literal of index `value`."""

    def __init__(self, message: str, value: int | None = None) -> None:
        super().__init__(message)
        self.value = value


def _bound_tree(tree: Filter, columns: Mapping[str, Kind], depth: int) -> Filter:
    if depth > MAX_TREE:
        raise LeafError(f"the filter is nested more than {MAX_TREE} deep")
    if isinstance(tree, Not):
        return Not(_bound_tree(tree.part, columns, depth + 1))
    if isinstance(tree, And | Or):
        return type(tree)(tuple([_bound_tree(part, columns, depth + 1) for part in tree.parts]))
    return bound(tree, columns)


def bound(leaf: Leaf, columns: Mapping[str, Kind]) -> Filter:
    kind = columns.get(leaf.column)
    if kind is None:
        raise LeafError(_unknown(leaf.column, columns))
    if isinstance(leaf, IsNull):
        return leaf
    if isinstance(leaf, Like):
        if kind not in ("text", "tags"):
            raise LeafError(f"'like' is for text, but column {leaf.column!r} holds {_HOLDS[kind]}")
        return leaf
    if isinstance(leaf, In):
        return _bound_in(leaf, kind)
    if kind == "boolean" and leaf.operator not in ("=", "!="):
        raise LeafError(f"column {leaf.column!r} holds true or false, which compare with = and != only")
    if kind == "tags" and leaf.operator not in ("=", "!="):
        raise LeafError(f"column {leaf.column!r} holds tags, which compare with =, !=, in and like only")
    value = _coerced(leaf.value, kind, leaf.column, 0)
    if isinstance(value, _Period):
        return _in_period(leaf.column, leaf.operator, value)
    return Compare(leaf.column, leaf.operator, value)


def _bound_in(leaf: In, kind: Kind) -> Filter:
    if not leaf.values:
        raise LeafError(f"'in' needs at least one value for column {leaf.column!r}")
    values = [_coerced(value, kind, leaf.column, i) for i, value in enumerate(leaf.values)]
    points = tuple(v for v in values if not isinstance(v, _Period))
    parts: list[Filter] = [In(leaf.column, points)] if points else []
    parts += [_in_period(leaf.column, "=", v) for v in values if isinstance(v, _Period)]
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def _unknown(column: str, columns: Mapping[str, Kind]) -> str:
    """That there is no such column, the nearest names, and all of them when they are few."""
    by_lower = {name.lower(): name for name in columns}
    near = [by_lower[n] for n in difflib.get_close_matches(column.lower(), by_lower, n=3, cutoff=0.6)]
    names = list(columns)
    listed = ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")
    guess = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    unmeasured = f" {column} is measured when folders are indexed again: findalike index FOLDER."
    more = unmeasured if column in MEASURES else ""
    return f"no column is named {column!r}{guess}{more} Columns: {listed or 'none'}"


class _Period(NamedTuple):
    """From `start` to before `end`."""

    start: date
    end: date


def _in_period(column: str, sign: Operator, period: _Period) -> Filter:
    start, end = period
    if sign in ("=", "!="):
        inside = And((Compare(column, ">=", start), Compare(column, "<", end)))
        return inside if sign == "=" else Not(inside)
    bounds: dict[str, Filter] = {
        "<": Compare(column, "<", start),
        "<=": Compare(column, "<", end),
        ">": Compare(column, ">=", end),
        ">=": Compare(column, ">=", start),
    }
    return bounds[sign]


_HOLDS: dict[Kind, str] = {
    "boolean": "true or false",
    "integer": "whole numbers",
    "number": "numbers",
    "text": "text",
    "date": "dates",
    "time": "times",
    "tags": "tags",
}


def _coerced(value: Literal_, kind: Kind, column: str, index: int) -> Literal_ | _Period:
    try:
        return _COERCE[kind](value)
    except (ValueError, OverflowError) as error:
        shown = repr(value) if isinstance(value, str) else value
        raise LeafError(
            f"column {column!r} holds {_HOLDS[kind]}, but here is {shown}: {error}", index
        ) from None


def _boolean(value: Literal_) -> bool:
    if not isinstance(value, bool):
        raise ValueError("write true or false")
    return value


def _integer(value: Literal_) -> int | float:
    number = _number(value)
    if number.is_integer() and not -(2**63) <= int(value) < 2**63:  # type: ignore[arg-type]
        raise ValueError("outside the range of 64-bit integers")
    return int(value) if number.is_integer() else number  # type: ignore[arg-type]


def _number(value: Literal_) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("write a number, without quotes")
    if not math.isfinite(value):
        raise ValueError("write a finite number")
    return float(value)


def _text(value: Literal_) -> str:
    if not isinstance(value, str):
        raise ValueError("write text in single quotes")
    return value


_WHOLE_PERIOD = re.compile(r"([0-9]{4})(?:-([0-9]{2}))?")


def _day(value: Literal_) -> date | _Period:
    moment = _moment(value)
    if isinstance(moment, datetime):
        raise ValueError("write a day, without the time of day, such as '2019-05-01'")
    return moment


def _time(value: Literal_) -> datetime | _Period:
    moment = _moment(value)
    if isinstance(moment, datetime):
        return moment
    start, end = moment if isinstance(moment, _Period) else (moment, moment + timedelta(days=1))
    return _Period(midnight(start), midnight(end))


def _moment(value: Literal_) -> date | datetime | _Period:
    """A day, an instant in UTC, or a year or month."""
    if isinstance(value, datetime):
        return in_utc(value)
    if isinstance(value, date):
        return value
    if isinstance(value, bool | float):
        raise ValueError("write a date, such as '2019-05-01', '2019-05' or 2019")
    whole = _WHOLE_PERIOD.fullmatch(str(value).strip())
    if whole is None:
        return _stated_time(str(value).strip())
    year, month = int(whole[1]), whole[2]
    if not 1 <= year <= 9998:
        raise ValueError("write a year from 0001 to 9998")
    if month is None:
        return _Period(date(year, 1, 1), date(year + 1, 1, 1))
    start = date(year, int(month), 1)
    return _Period(start, (start + timedelta(days=31)).replace(day=1))


def _stated_time(text: str) -> date | datetime:
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
        if text[4:5] == "-":  # without its dashes a date would read as an instant
            return in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        pass
    raise ValueError("write a date, such as '2019-05-01', '2019-05' or 2019, or a time, '2019-05-01T14:30'")


_COERCE: dict[Kind, Callable[[Literal_], Literal_ | _Period]] = {
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "text": _text,
    "date": _day,
    "time": _time,
    "tags": _text,
}
