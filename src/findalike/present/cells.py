"""Cells of tables that spreadsheets open."""

from __future__ import annotations

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def safe(value: object) -> object:
    """The value; with a quote before a text that a spreadsheet would take for a formula, and work out."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
