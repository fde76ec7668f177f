"""Filters: conditions on metadata columns, such as `color = 'red' and taken >= 2019`.

A filter is read from text by `parse_filter`, fitted to the columns of a library by `bind`, translated by
each store, and answered in plain Python by `evaluate`. `docs/query.md` describes the language.
"""

from findalike.filters.binding import bind
from findalike.filters.text import MAX_DEPTH, MAX_LENGTH, parse_filter, render
from findalike.filters.tree import (
    FACTS,
    MEASURES,
    And,
    Compare,
    Filter,
    In,
    IsNull,
    Kind,
    Like,
    Literal_,
    Not,
    Operator,
    Or,
    evaluate,
    folded,
)

__all__ = [
    "FACTS",
    "MAX_DEPTH",
    "MAX_LENGTH",
    "MEASURES",
    "And",
    "Compare",
    "Filter",
    "In",
    "IsNull",
    "Kind",
    "Like",
    "Literal_",
    "Not",
    "Operator",
    "Or",
    "bind",
    "evaluate",
    "folded",
    "parse_filter",
    "render",
]
