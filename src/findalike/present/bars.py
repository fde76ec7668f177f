"""Words with bars: as a table for a terminal, and as tab-separated lines for everything else. Needs rich."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.console import Console
from rich.table import Table
from rich.text import Text

from findalike.present.caption import printable
from findalike.present.table import bar


@dataclass(frozen=True, slots=True)
class Bar:
    """`words` from left to right, how long the bar is in 0..1, the number beside it, and a remark."""

    words: tuple[str, ...]
    share: float
    number: str
    remark: str = ""


def lines(several: Sequence[Bar]) -> str:
    """A line for each: its words, its number and its remark, parted by tabs."""
    cells = [(*each.words, each.number, *([each.remark] if each.remark else [])) for each in several]
    return "".join("\t".join(map(printable, row)) + "\n" for row in cells)


def bars(several: Sequence[Bar], console: Console, titles: Sequence[str] = ()) -> Table:
    """A table; what repeats the first word of the row above is left out. `titles` are those of the words and
    of the number."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(titles), header_style="dim")
    width = len(several[0].words) if several else 0
    titles = titles or [""] * (width + 1)
    for place in range(width):
        grid.add_column(titles[place], style="dim" if place == 0 and width > 1 else "", no_wrap=True)
    grid.add_column(titles[width], justify="right", no_wrap=True)
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(style="dim")
    firsts = [None, *(each.words[0] for each in several)]
    for (above, first), each in zip(pairwise(firsts), several, strict=True):
        words = ("" if above == first and len(each.words) > 1 else each.words[0], *each.words[1:])
        cells = [*words, each.number, bar(each.share, console.options.ascii_only)]
        remark = Text(printable(each.remark), no_wrap=True, overflow="ellipsis")
        grid.add_row(*[Text(printable(cell)) for cell in cells], remark)
    return grid
