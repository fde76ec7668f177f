"""`findalike bench-index`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

import findalike
from findalike import plugins
from findalike.cli.evaluate import cards_of, check_outputs, progress
from findalike.cli.figures import print_table, write_json
from findalike.cli.options import library_option, say
from findalike.errors import UsageError
from findalike.evaluate import indexes
from findalike.present import output
from findalike.present.caption import printable


@click.command(
    epilog="""\b
Examples:
  findalike bench-index
  findalike bench-index --library holiday.library --encoder colour --plot recall.png"""
)
@library_option
@click.option("--encoder", "-e", metavar="NAME", help="A space of the library; default: its first.")
@click.option(
    "-k", type=click.IntRange(1, 1000), default=10, show_default=True, help="Nearest rows asked for."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of which rows are held out as queries.")
@click.option("--json", "json_file", metavar="FILE", help="Write all figures; - is stdout.")
@click.option("--plot", metavar="FILE", help="Draw recall against time, as .png, .svg or .pdf.")
def bench_index(
    library: str | None, encoder: str | None, k: int, seed: int, json_file: str | None, plot: str | None
) -> None:
    """Compare indexes on the stored vectors: how much of what is nearest each finds, how fast.

    Exact search, HNSW, IVF, random-hyperplane LSH, Annoy where it is installed, and the library's own search.
    A tenth of the rows, 200 at most, are held out as queries, and asked one at a time on one thread.
    """
    check_outputs(json_file, None, None, None)
    if plot:
        plugins.on_use("matplotlib", "findalike[plots]")
        output.check(plot)
        if Path(plot).suffix.lower() not in (".png", ".svg", ".pdf"):
            raise UsageError(f"{plot}: a plot ends in .png, .svg or .pdf")
    with findalike.open(library, "r") as opened:
        card = cards_of(opened, [encoder] if encoder else [])[0]
        with progress() as watch:
            found = indexes.compare(opened, card, k, seed, lambda kind: watch(0, 0, kind))
    print_table(indexes.table(found), json_file != "-")
    for kind, why in found.skipped.items():
        say(f"- {kind} was left out: {printable(why)}")
    say(f"- {found.advice}")
    write_json(dataclasses.asdict(found), json_file)
    if plot:
        plugins.on_use("findalike.evaluate.plots").draw_indexes(found, Path(plot))
