"""How many pictures have each value of a column: of one of dates or times, each year; and the tags of a
filter that no picture has."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date

from findalike.filters import And, Compare, Filter, In, IsNull, Kind, Not, Or, bind, folded
from findalike.store.base import Store
from findalike.tagging.tables import LABELS
from findalike.types import Value
from findalike.words.measures import last

PERIODS = ("year", "month")
"""Names that stand for the library's date where no column has them."""

LABEL = "label"
"""The name that stands for the labels among the tags where no column has it."""

_ALL = 1_000_000_000


def countable(columns: Mapping[str, Kind]) -> list[str]:
    """The names that `facets` knows: the columns, labels, then year and month where there is a date."""
    more = (LABEL, *PERIODS) if _date(columns) else (LABEL,)
    return [*last(columns), *(name for name in more if name not in columns)]


def facets(store: Store, column: str, where: Filter | None, most: int) -> list[tuple[Value, int]]:
    """Values and how many pictures have them, the most frequent first: of dates and times years (2008), by
    the name of `month` months (2008-12); by that of `label` the tags that people gave. Raises QueryError for
    no such column."""
    columns = store.columns()
    bind(IsNull(column), {name: columns.get(name, "text") for name in countable(columns)})
    if column == LABEL and column not in columns:
        return _labels(store, where, most)
    name = column if column in columns else _date(columns) or column
    if columns.get(name) not in ("date", "time"):
        return list(store.facets(name, where, most))
    by_month = column == "month" and column not in columns
    counts: Counter[Value] = Counter()
    for value, count in store.facets(name, where, _ALL):
        if isinstance(value, date):
            counts[f"{value.year:04}-{value.month:02}" if by_month else value.year] += count
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[: max(most, 0)]


def _labels(store: Store, where: Filter | None, most: int) -> list[tuple[Value, int]]:
    """Those tags that are labels."""
    bank = store.banks().get(LABELS)
    names = {folded(concept.name) for concept in bank.concepts} if bank else set()
    counts = store.facets("tag", where, _ALL) if names else ()
    return [(tag, count) for tag, count in counts if folded(str(tag)) in names][: max(most, 0)]


def unknown_tags(store: Store, where: Filter) -> dict[str, list[str]]:
    """The tags that a filter asks for and no picture has, each with those spelled like it."""
    asked = list(dict.fromkeys(_tags(where)))
    if not asked or store.columns().get("tag") != "tags":
        return {}
    known = {folded(str(tag)): str(tag) for tag, _ in store.facets("tag", None, _ALL)}
    missing = [tag for tag in asked if folded(tag) not in known]
    return {tag: [known[n] for n in difflib.get_close_matches(folded(tag), known, 3)] for tag in missing}


def _tags(tree: Filter) -> Iterator[str]:
    if isinstance(tree, And | Or):
        for part in tree.parts:
            yield from _tags(part)
    elif isinstance(tree, Not):
        yield from _tags(tree.part)
    elif isinstance(tree, Compare) and tree.column == "tag":
        yield str(tree.value)
    elif isinstance(tree, In) and tree.column == "tag":
        yield from map(str, tree.values)


def _date(columns: Mapping[str, Kind]) -> str | None:
    """The column of a library's dates: `taken`, else the first that is not the time of the file."""
    names = sorted(columns, key=lambda name: name != "taken")
    return next((n for n in names if columns[n] in ("date", "time") and n != "modified"), None)
