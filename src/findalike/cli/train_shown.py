"""How training is shown: the measure as it goes, and the table of what came out."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.live import Live
from rich.text import Text

from findalike.cli.figures import print_table
from findalike.cli.options import console, number, say
from findalike.evaluate.report import Table
from findalike.train.measure import Comparison

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 40
"""Epochs that the line shows at a time."""


@contextmanager
def epochs(what: str = "mAP", shown: Callable[[], int] = lambda: 0) -> Iterator[Callable[[Any], None]]:
    """Shows each `loop.Tick` as it comes: on a terminal in one line, with the measure drawn. `shown` says how
    many pictures a network was shown until now, since its epochs may take minutes."""
    if not sys.stderr.isatty():
        yield lambda tick: None
        return
    ticks: list[Any] = []

    def now() -> Text:
        parts = [line(tick, what) for tick in ticks[-1:]] or ["the first epoch"]
        parts += [f"{count:,} pictures shown" for count in [shown()] if count]
        return Text("  ".join(parts), no_wrap=True, overflow="ellipsis")

    with Live(console=console(True), refresh_per_second=8, transient=True, get_renderable=now):
        yield ticks.append


def line(tick: Any, what: str = "mAP") -> str:
    """`epoch 12/60  mAP .712, best .715 (epoch 9)  ▁▂▃▅▆▇`."""
    value, best = tick.values[-1], tick.values[tick.best_epoch]
    return (f"epoch {tick.epoch}/{tick.epochs}  {what} {_short(value)}, best {_short(best)} (epoch "
            f"{tick.best_epoch})  {sparkline(tick.values[-WIDTH:])}")  # fmt: skip


def sparkline(values: Sequence[float]) -> str:
    """The values as blocks, the least lowest."""
    low, high = min(values), max(values)
    return "".join(BLOCKS[round((v - low) / ((high - low) or 1) * (len(BLOCKS) - 1))] for v in values)


def show(outcome: Any, to_stdout: bool) -> None:
    """What came out, on pictures that nothing was learned from, and a sentence on it."""
    fit = outcome.fit
    measure = outcome.measure
    say(f"{number(len(fit.losses), 'epoch')}; {measure} of what was chosen by: {_short(outcome.start)} at "
        f"the beginning, {_short(fit.best)} after epoch {fit.best_epoch}.")  # fmt: skip
    if fit.best <= outcome.start:
        say("Nothing that was learned is better than the beginning on what was chosen by.")
    compare(outcome.comparisons, to_stdout)


def compare(comparisons: Sequence[Comparison], to_stdout: bool) -> None:
    """Before and after, and whether it is better, plainly."""
    rows = [
        (c.metric, f"{c.queries:,}", _short(c.before), _short(c.after), f"{c.difference.value:+.3f}",
         f"{c.difference.low:+.3f} to {c.difference.high:+.3f}" if c.difference.known else "",
         "" if math.isnan(c.p) else f"{c.p:.4f}")
        for c in comparisons
    ]  # fmt: skip
    head = ("measured on", "queries", "before", "after", "difference", "95 %", "p")
    print_table(Table("", head, tuple(rows)), to_stdout)
    say(verdict(comparisons[0]))


def verdict(first: Comparison) -> str:
    """Whether it is better, by its first measure."""
    if math.isnan(first.p):
        return (
            f"{first.metric} {first.difference.value:+.3f} on {first.classes:,} classes, or groups of pairs, "
            "that were not learned: too few to tell what others gain. Give more of them."
        )
    if first.better:
        return (
            f"Better than what it began from: {first.metric} {first.difference.value:+.3f}, p {first.p:.4f}."
        )
    if first.difference.value < 0 and first.p < 0.05:
        return (
            f"Worse than what it began from: {first.metric} {first.difference.value:+.3f}, p {first.p:.4f}."
        )
    return (f"No better than what it began from: {first.metric} {first.difference.value:+.3f}, which chance "
            f"could give (p {first.p:.4f}).")  # fmt: skip


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")
