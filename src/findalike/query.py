"""What is asked: terms, a filter, and their forms as command-line words, text and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

Kind = Literal["boolean", "integer", "number", "text", "date", "time"]
"""The kind of a metadata column. `time` is an aware datetime in UTC."""

FACTS: dict[str, Kind] = {
    "path": "text",
    "name": "text",
    "folder": "text",
    "media": "text",
    "size": "integer",
    "modified": "time",
}
"""What every asset can be filtered by without any metadata: its uri, the last part of the uri, the uri of
what holds it, media type, bytes and time of last change. A metadata column of the same name shadows one."""

Literal_ = bool | int | float | str | date | datetime


@dataclass(frozen=True, slots=True)
class Compare:
    column: str
    operator: Literal["=", "!=", "<", "<=", ">", ">="]
    value: Literal_


@dataclass(frozen=True, slots=True)
class In:
    column: str
    values: tuple[Literal_, ...]


@dataclass(frozen=True, slots=True)
class Like:
    """`%` stands for any run of characters, `_` for one; letters match in either case."""

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
    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Filter, ...]


Filter = Compare | In | Like | IsNull | Not | And | Or
"""A filter tree. Null values follow SQL: a comparison with null is neither true nor false."""
