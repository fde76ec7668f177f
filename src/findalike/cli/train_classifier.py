"""`findalike train classifier`: a head on stored vectors that tells classes apart."""

from __future__ import annotations

from typing import Any

import click

from findalike import plugins
from findalike.cli.train_data import data_options, gathered, source
from findalike.cli.train_metric import REQUIREMENT, finish, run, told
from findalike.cli.train_networks import (
    CLASSIFIER,
    Learner,
    asked,
    learner,
    network_options,
    readable,
    suited,
)
from findalike.cli.train_out import checked_out, out_options
from findalike.encode import file_card
from findalike.encode.file_card import FileCard
from findalike.train import splits


@click.command(
    epilog="""\b
Examples:
  findalike train classifier shop/ --out shop.onnx
  findalike train classifier shop/ --labels shop/labels.csv --column category --split split=test --out
  shop.onnx findalike train classifier --library shop.library --column pattern --hidden 512 --out
  pattern.onnx"""
)
@data_options
@out_options
@click.option("--split", "how", default=splits.RANDOM, show_default=True, metavar="HOW",
              help="random sets pictures of each class aside, COLUMN=VALUE those of the value.")  # fmt: skip
@click.option(
    "--hidden", type=click.IntRange(0, 4096), default=0, show_default=True,
    help="Numbers of a layer between; 0 is a straight line.",
)  # fmt: skip
@click.option("--dim", type=click.IntRange(1, 4096), help="Numbers of a vector; else as many as there were.")
@click.option("--epochs", type=click.IntRange(1), default=60, show_default=True, help="At most so many.")
@click.option("--patience", type=click.IntRange(1), default=15, show_default=True,
              help="Epochs without a better accuracy after which it ends.")  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the split and of all chance."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--resume", is_flag=True, help="Go on from where a run for the same --out was ended.")
@network_options
@click.option("--json", "json_file", metavar="FILE", help="Write all figures; - is stdout.")
def classifier(
    out: str, replace: bool, how: str, hidden: int, dim: int | None, epochs: int, patience: int, seed: int,
    device: str, resume: bool, json_file: str | None, **data: Any,
) -> int:  # fmt: skip
    """Train a head that tells classes apart; with --unfreeze the network under it too.

    DATA is as for findalike train metric. Pictures of each class are set aside first; the accuracy on them is
    shown beside that of taking the class of the nearest picture. The result is an encoder whose vectors keep
    classes apart, with their names in its card. To have classes written to pictures: findalike attributes.
    """
    target = checked_out(out, replace, resume)
    training = plugins.on_use("findalike.train.metric", REQUIREMENT)
    classify = plugins.on_use("findalike.train.classify", REQUIREMENT)
    heads = plugins.on_use("findalike.train.heads", REQUIREMENT)
    loops = plugins.on_use("findalike.train.loop", REQUIREMENT)
    sizes: dict[str, Any] = {"epochs": epochs, "patience": patience, "dim": dim}
    if whole := asked(data, CLASSIFIER):
        if hidden:
            raise click.UsageError("--hidden is of a head alone: leave out --unfreeze")
        sizes = suited(CLASSIFIER, sizes)
    schedule = loops.Schedule(sizes["epochs"], sizes["patience"], seed)
    plan = training.Plan(classify.LOSS, schedule=schedule, device=device)
    with gathered(source(data)) as found:
        found, pictures = readable(whole, found) if whole else (found, None)
        split = splits.make(found.examples, how, seed)
        if whole:
            learns = learner(whole, found, pictures, split, plan, sizes["dim"])
        else:
            task = classify.task(found.examples, found.vectors, split, plan, dim, hidden)
            of = f"classifier {hidden} {dim} {found.card.space} {found.card.sha256}"
            learns = Learner(task, of, lambda card: heads.exported(task.network, found.card, card))
        outcome = run(learns.task, found, target, resume, learns.of, classify.train)
        how_told = training.trained(outcome, found.examples, learns.task.plan, found.of, what="classifier")
        wide = dim or found.card.dim
        card = FileCard(file_card.HEAD, target.stem, wide, trained=how_told, source=told(found))
        card, graph = learns.exported(card)
    return finish(outcome, card, graph, target, bool(found.failures), json_file)
