"""A filter tree as the expression that Milvus reads, and how values are stored so that it can.

Milvus' versions differ in what a missing value compares like, in how texts are quoted, in which numbers they
read, and all compare `like` by case. So nothing of that is asked of them: each record names the columns that
it has, texts are stored as the hexadecimal digits of their UTF-8, which sort alike, and numbers, dates and
times as whole numbers, which do too. An expression holds only names of our own, digits and such texts. What
cannot be said so, as `like`, leaves an expression that lets too much pass; then the tree decides.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from findalike.filters import folded
from findalike.filters.tree import Leaf, midnight
from findalike.query import FACTS, And, Compare, Filter, In, IsNull, Kind, Like, Literal_, Not, Or
from findalike.store import columns
from findalike.store.lance_filter import storage_name
from findalike.types import Asset, Value

HAS, TAGS = "has_columns", "tag_keys"
"""The dynamic fields that list the columns a record has, and its folded tags, or `NO_TAGS` alone."""
NO_TAGS = ""
EVERY, NONE = 'id != ""', 'id == ""'

_LONGEST = 256  # bytes of a text that are stored for comparing
_CUT = "~"  # stands after a text that was cut; it sorts after every digit
_LEAST, _MOST = -(2**63), 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INFINITY = struct.unpack("<q", struct.pack("<d", float("inf")))[0]

Kinds = Mapping[str, Sequence[Kind]]
"""The metadata columns, with the kinds each is stored as: a widened one has two, of which the last counts."""


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression; unless `exact`, some of what passes it does not pass the filter."""

    text: str
    exact: bool = True


ALL = Condition("")


def condition(where: Filter, kinds: Kinds) -> Condition:
    """The condition of a bound filter."""
    return Condition(_said(where, True, kinds) or "", _exact(where, kinds))


def any_of(column: str, keys: Sequence[str]) -> str:
    """That a column of our own holds one of these keys, which are hexadecimal digits."""
    return f"{column} in [{', '.join(map(_quoted, keys))}]" if keys else NONE


def both(first: str, second: str) -> str:
    return f"({first}) and ({second})" if first and second else first or second


def stored(asset: Asset, kinds: Kinds) -> dict[str, object]:
    """The dynamic fields that filters on an asset look in."""
    fields: dict[str, object] = {_fact(name): _key(value) for name, value in columns.facts(asset).items()}
    has = []
    for name, value in asset.metadata.items():
        if value is not None and name in kinds:
            field = storage_name(name, kinds[name][-1])
            fields[field] = _key(value)
            has.append(field)
    tags = [_text_key(folded(tag)) for tag in asset.tags] or [NO_TAGS]
    return {**fields, HAS: has, TAGS: tags}


def _said(tree: Filter, truth: bool, kinds: Kinds) -> str | None:
    """The expression that the tree is true, or that it is false; None where none can be said, which lets
    everything pass. Null is neither, as in SQL."""
    match tree:
        case Not(part):
            return _said(part, not truth, kinds)
        case And(parts) | Or(parts):
            every = isinstance(tree, And) == truth
            several = [_said(part, truth, kinds) for part in parts]
            known = [f"({text})" for text in several if text is not None]
            if not parts:
                return EVERY if every else NONE
            if every:
                return " and ".join(known) if known else None
            return " or ".join(known) if len(known) == len(several) else None
        case _:
            return _leaf(tree, truth, kinds)


def _exact(tree: Filter, kinds: Kinds) -> bool:
    match tree:
        case Not(part):
            return _exact(part, kinds)
        case And(parts) | Or(parts):
            return all(_exact(part, kinds) for part in parts)
        case _:
            return _leaf(tree, True, kinds) is not None


def _leaf(leaf: Leaf, truth: bool, kinds: Kinds) -> str | None:
    if leaf.column == "tag" and "tag" not in kinds:
        return _tagged(leaf, truth)
    if leaf.column not in kinds:
        kind = FACTS[leaf.column]
        if isinstance(leaf, IsNull):
            return NONE if truth else EVERY
        return _held(leaf, truth, _fact(leaf.column), kind, kind)
    forms = [(storage_name(leaf.column, kind), kind) for kind in kinds[leaf.column]]
    guards = [f'json_contains({HAS}, "{field}")' for field, _ in forms]
    if isinstance(leaf, IsNull):
        return " and ".join(f"not {guard}" for guard in guards) if truth else " or ".join(guards)
    parts = [_held(leaf, truth, field, kind, kinds[leaf.column][-1]) for field, kind in forms]
    said = [f"({guard} and ({part}))" for guard, part in zip(guards, parts, strict=True) if part is not None]
    return " or ".join(said) if len(said) == len(parts) else None


def _held(leaf: Compare | In | Like, truth: bool, field: str, kind: Kind, counts_as: Kind) -> str | None:
    """The expression over a field that holds a value."""
    if isinstance(leaf, Like):
        return None
    if isinstance(leaf, In):
        several = [Compare(leaf.column, "=" if truth else "!=", value) for value in leaf.values]
        parts = [_held(each, True, field, kind, counts_as) for each in several]
        known = [f"({part})" for part in parts if part is not None]
        return (" or " if truth else " and ").join(known) if len(known) == len(parts) else None
    operator = leaf.operator if truth else _OPPOSITE[leaf.operator]
    if kind == "text":
        key = _text_key(leaf.value) if isinstance(leaf.value, str) else _CUT
        return None if key.endswith(_CUT) else f"{field} {_SIGNS[operator]} {_quoted(key)}"
    return _compared(field, operator, *_bounds(leaf.value, kind, counts_as))


def _tagged(leaf: Leaf, truth: bool) -> str | None:
    """Tags are never unknown: what has none fits nothing."""
    no = "" if truth else "not "
    match leaf:
        case IsNull():
            return f'{no}json_contains({TAGS}, "{NO_TAGS}")'
        case Compare(_, operator, str(value)):
            key = _text_key(folded(value))
            if not key or key.endswith(_CUT):
                return (EVERY if (operator == "!=") == truth else NONE) if not key else None
            return f"{'not ' if (operator == '!=') == truth else ''}json_contains({TAGS}, {_quoted(key)})"
        case In(_, values):
            parts = [_tagged(Compare("tag", "=", value), truth) for value in values]
            known = [f"({part})" for part in parts if part is not None]
            return (" or " if truth else " and ").join(known) if len(known) == len(parts) else None
        case _:
            return None


_SIGNS = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def _compared(field: str, operator: str, least: int, beyond: int) -> str:
    """A stored number compared with those that count as equal: from `least` to below `beyond`."""
    match operator:
        case "=":
            return f"{_from(field, least)} and {_below(field, beyond)}"
        case "!=":
            return f"{_below(field, least)} or {_from(field, beyond)}"
        case "<":
            return _below(field, least)
        case "<=":
            return _below(field, beyond)
        case ">":
            return _from(field, beyond)
        case _:
            return _from(field, least)


def _below(field: str, bound: int) -> str:
    if bound <= _LEAST:
        return NONE
    return EVERY if bound > _MOST else f"{field} < {bound}"


def _from(field: str, bound: int) -> str:
    if bound <= _LEAST:
        return EVERY
    return NONE if bound > _MOST else f"{field} >= {bound}"


def _bounds(value: Literal_, kind: Kind, counts_as: Kind) -> tuple[int, int]:
    """Which stored numbers of a kind are equal to a literal: from one to below another."""
    if kind not in ("integer", "number"):
        key = _key(value)
        assert isinstance(key, int)
        return key, key + 1
    read: Callable[[int], float] = _float_of if kind == "number" else float if counts_as == "number" else int
    ends = (-_INFINITY, _INFINITY) if kind == "number" else (_LEAST, _MOST)
    least = _first(lambda key: read(key) >= value, *ends)  # type: ignore[operator]
    return least, _first(lambda key: read(key) > value, *ends)  # type: ignore[operator]


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first number of a range, ends included, from which on something holds; one beyond for none."""
    high += 1
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _key(value: Value) -> int | str:
    """A value as it is stored: whole numbers and texts that sort as the values do."""
    if isinstance(value, str):
        return _text_key(value)
    if isinstance(value, datetime):
        return (value - _EPOCH) // _MICROSECOND
    if isinstance(value, date):
        return _key(midnight(value))
    if isinstance(value, float):
        bits = int(struct.unpack("<q", struct.pack("<d", value))[0])
        return bits if bits >= 0 else _LEAST - bits
    return int(value or 0)


def _float_of(key: int) -> float:
    bits = key if key >= 0 else _LEAST - key
    return float(struct.unpack("<d", struct.pack("<q", bits))[0])


def _text_key(text: str) -> str:
    data = text.encode("utf-8", "surrogatepass")
    return data[:_LONGEST].hex() + _CUT * (len(data) > _LONGEST)


def _fact(name: str) -> str:
    return f"fact_{name}"


def _quoted(digits: str) -> str:
    return f'"{digits}"'
