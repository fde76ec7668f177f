"""Hits as a table for a terminal, and as tab-separated lines for everything else. Needs rich."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from findalike.present import caption
from findalike.types import Hit

BAR_CELLS = 8
GAP = 2
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def tabbed(hits: Sequence[Hit]) -> str:
    """Lines of rank, score, band and path, parted by tabs; of a moment or a part, where it is comes after
    them, and of a film that was searched for, which stretch of it. Control characters of a path are
    escaped."""
    return "".join(f"{rank}\t{_tabbed(hit)}\n" for rank, hit in enumerate(hits, 1))


def _tabbed(hit: Hit) -> str:
    words = [f"{hit.score:.4f}", caption.band(hit), caption.printable(hit.asset.uri), caption.fragment(hit)]
    if hit.query_span:
        words.append(caption.time_fragment(*hit.query_span))
    return "\t".join(words).rstrip("\t")


def table(hits: Sequence[Hit], console: Console) -> Table:
    """A table no wider than the console: the narrower, the fewer columns; rank, score and name always stay.

    On a terminal names are links to their files. Print it with `console.print`.
    """
    columns = _fitting(_columns(hits, console.options.ascii_only), console.width)
    grid = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    for column, width in columns:
        grid.add_column(column.title, justify="right" if column.right else "left", no_wrap=True, width=width)
    for i, hit in enumerate(hits):
        address = caption.link(hit) if console.is_terminal else None
        grid.add_row(*[_cell(column, i, width, address) for column, width in columns])
    return grid


@dataclass(frozen=True, slots=True)
class _Column:
    """`least` is 0 for a column that is shown in full, else the width below which it is left out."""

    title: str
    words: Sequence[str]
    order: int
    least: int = 0
    right: bool = False
    style: str = ""
    from_end: bool = False

    @property
    def natural(self) -> int:
        return max(map(cell_len, [self.title, *self.words]))


def _columns(hits: Sequence[Hit], ascii_only: bool) -> list[_Column]:
    """All that say something of these hits, the most important first; `order` is from left to right."""

    def each(words: Callable[[Hit], str]) -> list[str]:
        return [words(hit) for hit in hits]

    telling = any(len(hit.reasons) > 1 for hit in hits)
    columns = [
        _Column("#", [str(rank) for rank in range(1, len(hits) + 1)], 0, right=True, style="dim"),
        _Column("score", each(caption.score), 1, right=True, style="bold"),
        _Column("name", each(caption.name), 5, least=24),
        _Column("where", each(caption.place), 4),
        _Column("", each(caption.band), 3),
        _Column("", each(lambda hit: bar(hit.score, ascii_only)), 2, style="cyan"),
        _Column("why", each(caption.why) if telling else [], 9, least=22),
        _Column("folder", each(caption.folder), 6, least=20, style="dim", from_end=True),
        _Column("date", each(caption.day), 8),
        _Column("pixels", each(caption.pixels), 7, right=True),
    ]
    return [column for column in columns if any(column.words)]


def _fitting(columns: Sequence[_Column], width: int) -> list[tuple[_Column, int]]:
    """Columns and widths, from left to right: what fits by importance, elastic ones sharing what is left."""
    shown: list[_Column] = []
    taken = -GAP
    for column in columns:
        needed = GAP + (min(column.least, column.natural) or column.natural)
        if taken + needed <= width or column.title in ("#", "score", "name"):
            shown.append(column)
            taken += needed
    elastic = sorted((c for c in shown if c.least), key=lambda c: c.natural)
    room = width + GAP - sum(GAP + c.natural for c in shown if not c.least)
    widths = {}
    for left, column in zip(range(len(elastic), 0, -1), elastic, strict=True):
        widths[column.order] = max(1, min(column.natural, room // left - GAP))
        room -= GAP + widths[column.order]
    return [(c, widths.get(c.order, c.natural)) for c in sorted(shown, key=lambda c: c.order)]


def _cell(column: _Column, row: int, width: int, address: str | None) -> Text:
    words = column.words[row] if column.words else ""
    style = Style(link=address) if address and column.title == "name" else column.style
    return Text(_elided(words, width, column.from_end), style)


def _elided(words: str, width: int, from_end: bool) -> str:
    """The words in at most `width` cells; of a folder the end says more than the beginning."""
    if cell_len(words) <= width:
        return words
    if not from_end:
        return set_cell_size(words, width - 1).rstrip() + "…"
    while cell_len(words) > width - 1:
        words = words[1:]
    return "…" + words


def bar(score: float, ascii_only: bool) -> str:
    """A bar of `BAR_CELLS` cells for a share in 0..1."""
    filled = min(1.0, max(0.0, score)) * BAR_CELLS
    if ascii_only:
        return "#" * round(filled) + "-" * (BAR_CELLS - round(filled))
    whole = int(filled)
    return ("█" * whole + _EIGHTHS[int((filled - whole) * 8)])[:BAR_CELLS].ljust(BAR_CELLS)
