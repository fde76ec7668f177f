"""`findalike train autoencoder`: codes from which pictures can be drawn again, learned without labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from findalike import plugins
from findalike.cli.evaluate import cards_of
from findalike.cli.options import say
from findalike.cli.train_data import Gathered, Source, opened, pictures, place_options, tell
from findalike.cli.train_metric import finish, run, told
from findalike.cli.train_networks import Asked, learner, readable
from findalike.cli.train_out import checked_out, out_options
from findalike.encode import file_card
from findalike.encode.file_card import FileCard
from findalike.errors import UsageError
from findalike.evaluate import stored, truth
from findalike.evaluate.truth import Pictures
from findalike.present import output
from findalike.train import data as datas
from findalike.train import splits
from findalike.train.data import Examples
from findalike.train.splits import Split

REQUIREMENT = "findalike[train]"


@click.command(
    epilog="""\b
Examples:
  findalike train autoencoder ~/Pictures --out codes.onnx
  findalike train autoencoder --library holiday.library --side 96 --dim 256 --out codes.onnx"""
)
@place_options
@click.option("--column", metavar="NAME",
              help="Only to judge: like pictures have the same value; else one folder.")  # fmt: skip
@out_options
@click.option("--epochs", type=click.IntRange(1), default=40, show_default=True, help="At most so many.")
@click.option("--patience", type=click.IntRange(1), default=12, show_default=True,
              help="Epochs without a better measure after which it ends.")  # fmt: skip
@click.option(
    "--dim", type=click.IntRange(2, 4096), default=128, show_default=True, help="Numbers of a code."
)
@click.option("--side", type=click.IntRange(32, 512), default=64, show_default=True, metavar="PIXELS",
              help="Of the square that is seen and drawn: a multiple of 16.")  # fmt: skip
@click.option("--rate", type=click.FloatRange(0, min_open=True), metavar="NUMBER",
              help="How fast it learns; else 0.001.")  # fmt: skip
@click.option("--varied/--plain", default=True, show_default=True,
              help="Show pictures cut, turned over and lit otherwise, or as they are.")  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the split and of all chance."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--resume", is_flag=True, help="Go on from where a run for the same --out was ended.")
@click.option("--json", "json_file", metavar="FILE", help="Write all figures; - is stdout.")
def autoencoder(
    out: str, replace: bool, epochs: int, patience: int, dim: int, side: int, rate: float | None,
    varied: bool, seed: int, device: str, resume: bool, json_file: str | None, **data: Any,
) -> int:  # fmt: skip
    """Train a small network to draw pictures again from a code, which then finds pictures drawn alike.

    It begins from nothing, sees pictures with noise added and parts blackened, and learns without labels.
    What it finds are colours and coarse shapes, not things: the default encoder knows those. Where folders or
    --column say what is alike, what codes find is measured beside what the default's vectors find. Beside the
    result, NAME.drawn.png shows pictures that were not learned from, spoiled, and drawn again.
    """
    target = checked_out(out, replace, resume)
    if side % 16:
        raise click.UsageError(f"--side {side} is no multiple of 16: give {round(side / 16) * 16 or 16}")
    training = plugins.on_use("findalike.train.autoencoding", REQUIREMENT)
    loops = plugins.on_use("findalike.train.loop", REQUIREMENT)
    metric = plugins.on_use("findalike.train.metric", REQUIREMENT)
    plan = metric.Plan("mean squared error", schedule=loops.Schedule(epochs, patience, seed), device=device)
    asked = Asked("autoencoder", None, side, rate, varied)
    path, column = data.pop("data"), data.pop("column")
    with _gathered(Source(path, column=column, **data)) as found:
        found, read = readable(asked, found)
        learns = learner(asked, found, read, _split(found.examples, seed), plan, dim)
        outcome = run(learns.task, found, target, resume, learns.of, training.train)
        how_told = metric.trained(outcome, found.examples, plan, found.of)
        card, graph = learns.exported(FileCard(file_card.NETWORK, target.stem, dim, trained=how_told,
                                               source=told(found)))  # fmt: skip
        drawn = target.with_suffix(".drawn.png")
        output.write(drawn, training.drawings(learns.task))
        say(f"Drew {drawn}: pictures, what was seen of them, and what was drawn from that.")
    return finish(outcome, card, graph, target, bool(found.failures), json_file)


@contextmanager
def _gathered(asked: Source) -> Iterator[Gathered]:
    """As `train_data.gathered`, but labels are not needed."""
    with opened(asked) as (library, failures):
        card = cards_of(library, [asked.encoder] if asked.encoder else [])[0]
        found = pictures(library, card, asked)
        examples = _examples(found, asked.column)
        vectors = stored.space(library, card, examples.pictures).vectors
        tell(examples.notes, failures)
        yield Gathered(library, card, examples, vectors, failures, asked.path or library.path)


def _examples(found: Pictures, column: str | None) -> Examples:
    """Labelled where labels tell something; a column that was named must."""
    try:
        return datas.of_column(found, truth.of_library(found), column)
    except UsageError:
        if column:
            raise
        return Examples(found, ("",) * len(found), "nothing")


def _split(examples: Examples, seed: int) -> Split:
    if len(examples.classes) > 1:
        return splits.make(examples, splits.RANDOM, seed)
    return Split(tuple(splits.stratified(examples.labels, seed)), splits.RANDOM, seed)
