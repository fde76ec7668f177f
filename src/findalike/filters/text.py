"""The text of a filter: read by recursive descent, and written back."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple, cast

from findalike.errors import QueryError
from findalike.filters.binding import LeafError, bound
from findalike.filters.tree import (
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
)

MAX_LENGTH = 10_000
"""Characters that the text of a filter may have."""

MAX_DEPTH = 100
"""Parentheses and `not` that the text of a filter may have inside one another."""


def parse_filter(text: str, columns: Mapping[str, Kind] | None = None) -> Filter:
    """The tree of a filter's text; with `columns`, bound to them as by `bind`.

    Raises QueryError with the text, a caret under the place, and what was expected there.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(f"the filter has {len(text):,} characters, but at most {MAX_LENGTH:,} are read")
    return _Parser(text, columns).parse()


class _Token(NamedTuple):
    kind: str  # "value", "text", "name", "quoted", "word", "operator", "mark" or "end"
    value: Any
    start: int
    end: int


_WORDS = frozenset({"and", "or", "not", "in", "between", "like", "is", "null", "true", "false"})
_BARE = re.compile(r"[^\W\d][\w.]*")
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<time>[0-9]{4}-[0-9]{2}(?:-[0-9]{2}(?:T[0-9:.]+(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?)?(?![\w-]))
    | (?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))
    | (?P<text>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")+"|`(?:[^`]|``)+`)
    | (?P<name>[^\W\d][\w.]*)
    | (?P<operator><=|>=|<>|!=|==|=|<|>)
    | (?P<mark>[(),])""",
    re.VERBOSE,
)
_SAME: dict[str, Operator] = {"==": "=", "<>": "!="}


class _Parser:
    """Recursive descent, one token ahead. `or` binds least, then `and`, then `not`."""

    def __init__(self, text: str, columns: Mapping[str, Kind] | None) -> None:
        self.text = text
        self.columns = columns
        self.tokens = list(_tokens(text))
        self.at = 0
        self.depth = 0

    @property
    def here(self) -> _Token:
        return self.tokens[self.at]

    def parse(self) -> Filter:
        tree = self._or()
        if self.here.kind == "end":
            return tree
        surplus = "this ')' closes nothing" if self.here.value == ")" else "expected 'and', 'or' or the end"
        raise self._error(surplus, self.here)

    def _or(self) -> Filter:
        parts = [self._and()]
        while self._take("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self) -> Filter:
        parts = [self._not()]
        while self._take("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _not(self) -> Filter:
        opening = self.here
        if not (self._take("not") or self._take("(")):
            return self._test()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error(f"more than {MAX_DEPTH} parentheses and nots inside one another", opening)
        tree: Filter
        if opening.value == "not":
            tree = Not(self._not())
        else:
            tree = self._or()
            self._need(")", "')'" if self.here.kind == "end" else "'and', 'or' or ')'")
        self.depth -= 1
        return tree

    def _test(self) -> Filter:
        column = self.here
        if column.kind not in ("name", "quoted"):
            raise self._expected("a column name (as it is, or in double quotes)")
        self.at += 1
        if self.here.kind == "operator":
            sign = self.here.value
            self.at += 1
            value = self._literal(f"'{sign}'")
            return self._leaf(Compare(column.value, _SAME.get(sign, sign), value.value), column, value)
        if self._take("is"):
            negative = self._take("not")
            self._need("null", "'null'" if negative else "'null' or 'not null'")
            return self._signed(self._leaf(IsNull(column.value), column), negative)
        negative = self._take("not")
        return self._signed(self._word_test(column), negative)

    def _word_test(self, column: _Token) -> Filter:
        if self._take("in"):
            self._need("(", "'(' after 'in'")
            values = [self._literal("'('")]
            while self._take(","):
                values.append(self._literal("','"))
            self._need(")", "',' or ')'")
            return self._leaf(In(column.value, tuple(v.value for v in values)), column, *values)
        if self._take("like"):
            pattern = self._literal("'like'")
            if pattern.kind != "text":
                raise self._error(
                    "expected a pattern in single quotes after 'like', such as '%red%'", pattern
                )
            return self._leaf(Like(column.value, pattern.value), column, pattern)
        if self._take("between"):
            low = self._literal("'between'")
            self._need("and", "'and' and the upper bound")
            high = self._literal("'and'")
            return And(
                (
                    self._leaf(Compare(column.value, ">=", low.value), column, low),
                    self._leaf(Compare(column.value, "<=", high.value), column, high),
                )
            )
        raise self._expected(
            f"a comparison after {column.value!r}: =, !=, <, <=, >, >=, in, between, like or is null"
        )

    def _literal(self, after: str) -> _Token:
        token = self.here
        expected = f"expected a value after {after}"
        if token.kind in ("name", "quoted"):
            raise self._error(f"{expected}; text goes in single quotes: {_quoted(token.value)}", token)
        if token.kind == "word" and token.value in ("true", "false"):
            token = token._replace(kind="value", value=token.value == "true")
        elif token.kind == "word" and token.value == "null":
            raise self._error(f"{expected}; nothing equals null, write 'is null' or 'is not null'", token)
        elif token.kind not in ("value", "text"):
            raise self._error(expected, token)
        self.at += 1
        return token

    def _leaf(self, leaf: Leaf, column: _Token, *values: _Token) -> Filter:
        if self.columns is None:
            return leaf
        try:
            return bound(leaf, self.columns)
        except LeafError as fault:
            raise self._error(str(fault), column if fault.value is None else values[fault.value]) from None

    @staticmethod
    def _signed(tree: Filter, negative: bool) -> Filter:
        return Not(tree) if negative else tree

    def _take(self, wanted: str) -> bool:
        found = self.here.kind in ("word", "mark") and self.here.value == wanted
        self.at += found
        return found

    def _need(self, wanted: str, words: str) -> None:
        if not self._take(wanted):
            raise self._expected(words)

    def _expected(self, words: str) -> QueryError:
        return self._error(f"expected {words}", self.here)

    def _error(self, message: str, token: _Token) -> QueryError:
        return QueryError(_pointed(message, self.text, token.start, token.end))


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise QueryError(_pointed(_unread(text[at:]), text, at, at + 1))
        kind = cast(str, found.lastgroup)
        if kind != "space":
            try:
                yield _token(kind, found[0], at, found.end())
            except (ValueError, OverflowError) as error:
                raise QueryError(_pointed(f"{found[0][:40]}: {error}", text, at, found.end())) from None
        at = found.end()
    yield _Token("end", "", len(text), len(text) + 1)


def _token(kind: str, raw: str, start: int, end: int) -> _Token:
    value: Any = raw
    if kind == "name" and raw.lower() in _WORDS:
        kind, value = "word", raw.lower()
    elif kind in ("text", "quoted"):
        value = raw[1:-1].replace(raw[0] * 2, raw[0])
    elif kind == "number":
        kind, value = "value", _read_number(raw)
    elif kind == "time":
        # A year and a month are no date; they stay text until a column of dates makes them a period.
        kind, value = "value", raw if len(raw) == 7 else _read_time(raw)
    return _Token(kind, value, start, end)


def _unread(rest: str) -> str:
    if rest[0] in "'\"`":
        return f"this {rest[0]} is never closed" if rest[1:2] != rest[0] else "a column name cannot be empty"
    if rest[0].isdigit():
        return "this is no number; a column name that begins with a digit goes in double quotes"
    return (
        f"{rest[0]!r} means nothing here; a column name with other signs than letters goes in double quotes"
    )


def _read_number(raw: str) -> int | float:
    if len(raw) > 400:
        raise ValueError("a number of more than 400 digits")
    if raw.lstrip("+-").isdecimal():
        return int(raw)
    value = float(raw)
    if math.isinf(value):
        raise ValueError("larger than any number that a column can hold")
    return value


def _read_time(raw: str) -> date | datetime:
    if len(raw) == 10:
        return date.fromisoformat(raw)
    return in_utc(datetime.fromisoformat(raw))


def _pointed(message: str, text: str, start: int, end: int) -> str:
    """The message, the part of the text that holds the place, and carets under it."""
    first, last = max(0, start - 50), min(len(text), max(end, start) + 30)
    before, marked, after = (_plain(text[a:b]) for a, b in ((first, start), (start, end), (end, last)))
    head, tail = "…" * (first > 0), "…" * (last < len(text))
    carets = "^" * min(60, max(1, _cells(marked)))
    return f"{message}\n  {head}{before}{marked}{after}{tail}\n  {' ' * (len(head) + _cells(before))}{carets}"


def _plain(text: str) -> str:
    """The text without what would move a terminal's cursor; each character stays one."""
    return "".join(c if c.isprintable() else " " for c in text)


def _cells(text: str) -> int:
    """Columns that the text takes in a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def render(tree: Filter) -> str:
    """The text of a filter: `parse_filter(render(tree)) == tree` where every `and` and `or` has two parts
    or more. Raises QueryError for a literal that has no text, such as NaN."""
    if isinstance(tree, Or | And):
        return _rendered_parts(tree)
    if isinstance(tree, Not):
        if isinstance(tree.part, In | Like | IsNull):
            return _rendered_leaf(tree.part, "not ")
        return f"not {_inner(tree.part, (And, Or))}"
    return _rendered_leaf(tree, "")


def _rendered_parts(tree: And | Or) -> str:
    if not tree.parts:
        raise QueryError(f"{type(tree).__name__} has no parts, and so no text")
    if len(tree.parts) == 1:
        return render(tree.parts[0])
    word, loose = (" or ", (Or,)) if isinstance(tree, Or) else (" and ", (And, Or))
    return word.join([_inner(part, loose) for part in tree.parts])


def _inner(part: Filter, loose: tuple[type, ...]) -> str:
    """The text of a part, in parentheses where it binds no closer than what it stands in."""
    return f"({render(part)})" if isinstance(part, loose) else render(part)


def _rendered_leaf(leaf: Leaf, negation: str) -> str:
    column = _rendered_column(leaf.column)
    if isinstance(leaf, IsNull):
        return f"{column} is {negation}null"
    if isinstance(leaf, Like):
        return f"{column} {negation}like {_quoted(leaf.pattern)}"
    if isinstance(leaf, In):
        return f"{column} {negation}in ({', '.join(map(_rendered_value, leaf.values))})"
    return f"{column} {leaf.operator} {_rendered_value(leaf.value)}"


def _rendered_column(column: str) -> str:
    if _BARE.fullmatch(column) and column.lower() not in _WORDS:
        return column
    escaped = column.replace('"', '""')
    return f'"{escaped}"'


def _rendered_value(value: Literal_) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, datetime):
        return in_utc(value).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if not math.isfinite(value):
        raise QueryError(f"{value} has no text in a filter; write a finite number")
    return repr(value)


def _quoted(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
