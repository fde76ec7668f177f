"""What is asked: terms, a filter, and their forms as command-line words, text and JSON."""

from __future__ import annotations

from findalike.filters import (
    FACTS,
    And,
    Compare,
    Filter,
    In,
    IsNull,
    Kind,
    Like,
    Literal_,
    Not,
    Or,
    bind,
    evaluate,
    parse_filter,
    render,
)

__all__ = [
    "FACTS",
    "And",
    "Compare",
    "Filter",
    "In",
    "IsNull",
    "Kind",
    "Like",
    "Literal_",
    "Not",
    "Or",
    "bind",
    "evaluate",
    "parse_filter",
    "render",
]
