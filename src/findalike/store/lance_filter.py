"""A filter tree as the SQL that Lance reads, and the storage names of columns.

Column names are any text that a table's head may hold, so none of them is ever written into SQL: a metadata
column is stored under its kind and its name with every byte but a-z and 0-9 escaped. That mapping needs no
table of its own and can be read backwards. Literals are quoted here, in one place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from findalike.filters import folded
from findalike.filters.tree import Leaf
from findalike.query import FACTS, And, Compare, Filter, In, IsNull, Kind, Like, Literal_, Not, Or

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789")
_FACT_NAMES = {name: name for name in FACTS} | {"path": "uri"}

TAG_KEYS = "tag_keys"
"""The column of tags that filters look in: a list of the folded tags, or of `NO_TAGS` alone."""
NO_TAGS = ""
"""Stands in the list of what has no tags, so that its index answers for those too. No tag is empty."""

_OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">="})


def escaped(name: str) -> str:
    """Text of a-z, 0-9 and `_` that stands for a name; `unescaped` gives the name back."""
    return "".join(chr(byte) if byte in _PLAIN else f"_{byte:02x}" for byte in name.encode())


def unescaped(text: str) -> str:
    first, *rest = text.split("_")
    return (first.encode() + b"".join(bytes.fromhex(part[:2]) + part[2:].encode() for part in rest)).decode()


def storage_name(name: str, kind: Kind) -> str:
    """Where a metadata column is stored, such as `integer_year`."""
    return f"{kind}_{escaped(name)}"


def to_sql(where: Filter, stored: Mapping[str, Kind], tagged: bool = True) -> str:
    """The condition that Lance reads. `where` is bound; `stored` has the metadata columns of the table, and
    `tagged` says whether it has tags: one of an earlier findalike has none.

    Null is neither true nor false, as in SQL, and conditions that are decided beforehand keep that: they
    compare the column with itself.
    """
    match where:
        case And(parts) | Or(parts):
            word = " AND " if isinstance(where, And) else " OR "
            several = word.join(to_sql(part, stored, tagged) for part in parts)
            return f"({several})" if parts else str(isinstance(where, And)).lower()
        case Not(part):
            return f"(NOT {to_sql(part, stored, tagged)})"
        case IsNull("tag") | Like("tag") | Compare("tag") | In("tag") if "tag" not in stored:
            return _tag_sql(where) if tagged else _decided("`asset_id`", _fits_none(where))
        case IsNull(column):
            return f"({_column(column, stored)} IS NULL)"
        case Like(column, pattern):
            return f"({_column(column, stored)} ILIKE {quoted(pattern.replace(chr(92), chr(92) * 2))})"
        case Compare(column, operator, value):
            return _compared(_column(column, stored), _kind(column, stored), operator, value)
        case In(column, values):
            name, kind = _column(column, stored), _kind(column, stored)
            if not values:
                return _decided(name, False)
            return "(" + " OR ".join(_compared(name, kind, "=", value) for value in values) + ")"


def ids_sql(column: str, ids: list[str]) -> str:
    """The condition that a text column of our own holds one of these; false when there are none."""
    return f"`{column}` IN ({', '.join(quoted(i) for i in ids)})" if ids else "false"


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def tag_keys(tags: Sequence[str]) -> list[str]:
    """What `TAG_KEYS` holds of these tags."""
    return [folded(tag) for tag in tags] or [NO_TAGS]


def _tag_sql(leaf: Leaf) -> str:
    """A list and its index answer for equal tags; a pattern reads the tags as lines of one text."""
    match leaf:
        case IsNull():
            return f"array_has(`{TAG_KEYS}`, '{NO_TAGS}')"
        case Like(_, pattern):
            return f"(NOT array_has(`{TAG_KEYS}`, '{NO_TAGS}') AND {_line_like(folded(pattern))})"
        case In(_, values):
            equal = [_tag_sql(Compare("tag", "=", value)) for value in values]
            return f"({' OR '.join(equal)})" if equal else _decided("`asset_id`", False)
        case Compare(_, operator, value):
            if operator not in ("=", "!=") or not isinstance(value, str):
                raise ValueError(f"{operator!r} {value!r} is no comparison of tags")
            has = f"array_has(`{TAG_KEYS}`, {quoted(folded(value))})"
            has = _decided("`asset_id`", False) if value == NO_TAGS else has
            return f"(NOT {has})" if operator == "!=" else has


def _line_like(pattern: str) -> str:
    if "\n" in pattern:
        return "false"
    signs = {"%": "[^\n]*", "_": "[^\n]"}
    wanted = "".join(signs.get(sign) or re.escape(sign) for sign in pattern)
    line = quoted("(?:^|\n)" + wanted + "(?:$|\n)")
    return f"regexp_like(array_to_string(`{TAG_KEYS}`, '\n'), {line})"


def _fits_none(leaf: Leaf) -> bool:
    """Whether what has no tags passes."""
    return isinstance(leaf, IsNull) or (isinstance(leaf, Compare) and leaf.operator == "!=")


def _column(name: str, stored: Mapping[str, Kind]) -> str:
    return f"`{storage_name(name, stored[name]) if name in stored else _FACT_NAMES[name]}`"


def _kind(name: str, stored: Mapping[str, Kind]) -> Kind:
    return stored[name] if name in stored else FACTS[name]


def _compared(name: str, kind: Kind, operator: str, value: Literal_) -> str:
    if operator not in _OPERATORS:
        raise ValueError(f"{operator!r} is no comparison")
    if kind in ("integer", "number") and isinstance(value, (int, float)):
        return _compared_numbers(name, kind, operator, value)
    return f"({name} {operator} {_literal(value)})"


def _compared_numbers(name: str, kind: Kind, operator: str, value: float) -> str:
    """Numbers compare by value: no literal is rounded to fit the column."""
    if kind == "number":
        return f"({name} {operator} CAST('{float(value)!r}' AS DOUBLE))"
    if value == int(value):  # as text, because -2**63 written as a number is read as a float
        return f"({name} {operator} CAST('{int(value)}' AS BIGINT))"
    if operator in ("=", "!="):
        return _decided(name, operator == "!=")
    return f"({name} {'<=' if operator[0] == '<' else '>='} {math.floor(value) + (operator[0] == '>')})"


def _decided(name: str, truth: bool) -> str:
    """True or false for every value, and null for null."""
    return f"({name} {'=' if truth else '!='} {name})"


def _literal(value: Literal_) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    raise TypeError(type(value).__name__)
