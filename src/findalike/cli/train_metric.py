"""`findalike train metric`: a head on stored vectors that brings together what belongs together."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from findalike import plugins
from findalike.cli.figures import write_json
from findalike.cli.main import DONE, FAILED, INTERRUPTED, SOME_FAILED
from findalike.cli.options import number, say
from findalike.cli.train_data import Gathered, data_options, gathered, source, split_file
from findalike.cli.train_networks import (
    Learner,
    asked,
    learner,
    network_options,
    own_loss,
    readable,
    recipe_option,
    suited,
)
from findalike.cli.train_out import checked_out, out_options
from findalike.cli.train_shown import epochs, show
from findalike.encode import file_card
from findalike.encode.file_card import FileCard
from findalike.present import output
from findalike.train import checkpoint, curve, splits
from findalike.train.splits import Split

REQUIREMENT = "findalike[train]"


@click.command(
    epilog="""\b
Examples:
  findalike train metric shop/ --out shop.onnx
  findalike train metric shop/ --labels shop/labels.csv --column model --loss arcface --out model.onnx
  findalike train metric --library shop.library --column article --split random --out article.onnx
  findalike train metric --library shop.library --feedback --out clicked.onnx
  findalike train metric products.csv --column product --across kind --asks studio --out shelf.onnx
  findalike train metric shop/ --unfreeze last --out network.onnx
  findalike train metric shop/ --recipe deep-ranking --split random --out ranked.onnx"""
)
@data_options
@out_options
@click.option("--loss", default="triplet", show_default=True, metavar="NAME",
              help="triplet, contrastive, multi-similarity, supervised-contrastive, circle, arcface, softmax "
              "or proxy-anchor.")  # fmt: skip
@click.option("--miner", metavar="NAME",
              help="none, hard, semi-hard, easy-hard, multi-similarity, distance-weighted, angular or pairs; "
              "else what suits the loss.")  # fmt: skip
@click.option("--across", metavar="COLUMN",
              help="Pictures are to find those of other values of it: studio and shelf.")  # fmt: skip
@click.option("--asks", metavar="VALUE", help="Of --across: only pictures of this value ask.")
@click.option("--split", "how", default=splits.BY_CLASS, show_default=True, metavar="HOW",
              help="class measures on classes that were not learned, random on other pictures of the same, "
              "COLUMN=VALUE on those of the value.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(1), default=60, show_default=True, help="At most so many.")
@click.option("--patience", type=click.IntRange(1), default=15, show_default=True,
              help="Epochs without a better mAP after which it ends.")  # fmt: skip
@click.option("--dim", type=click.IntRange(1, 4096), help="Numbers of a vector; else as many as there were.")
@click.option(
    "--classes", "p", type=click.IntRange(2), default=16, show_default=True, help="Classes in a batch."
)
@click.option("--pictures", "k", type=click.IntRange(2), default=4, show_default=True,
              help="Pictures of each class in a batch.")  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the split and of all chance."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--resume", is_flag=True, help="Go on from where a run for the same --out was ended.")
@recipe_option
@network_options
@click.option("--json", "json_file", metavar="FILE", help="Write all figures; - is stdout.")
def metric(
    out: str, replace: bool, loss: str, miner: str | None, across: str | None, asks: str | None, how: str,
    epochs: int, patience: int, dim: int | None, p: int, k: int, seed: int, device: str, resume: bool,
    json_file: str | None, **data: Any,
) -> int:  # fmt: skip
    """Train a head that brings together what belongs together; with --unfreeze or --recipe a whole network.

    DATA is a folder with a folder for each class, or a table of paths and labels; without it, the stored
    vectors of --library are used, which is only read. A part of the classes is set aside first and measured
    on at the end, another decides by its mAP when to stop. Beside the result lie the split, a picture of the
    mAP after each epoch, and, until the run has ended by itself, the file that --resume goes on from.

    Exits with 3 when files could not be read, with 130 when interrupted: the best so far is written, and can
    be gone on from.
    """
    target = checked_out(out, replace, resume)
    training = plugins.on_use("findalike.train.metric", REQUIREMENT)
    loops = plugins.on_use("findalike.train.loop", REQUIREMENT)
    sizes = {"epochs": epochs, "patience": patience, "p": p, "k": k, "dim": dim}
    if whole := asked(data):
        loss, sizes = own_loss(whole, loss, miner, across), suited(whole.kind, sizes)
    schedule = loops.Schedule(sizes["epochs"], sizes["patience"], seed)
    plan = training.Plan(loss, miner, across, asks, schedule, sizes["p"], sizes["k"], device)
    with gathered(source(data)) as found:
        found, pictures = readable(whole, found) if whole else (found, None)
        split = splits.make(found.examples, how, seed)
        if whole:
            learns = learner(whole, found, pictures, split, plan, sizes["dim"] or found.card.dim)
        else:
            learns = _head(found, split, plan, dim)
        outcome = run(learns.task, found, target, resume, learns.of)
        how_told = training.trained(outcome, found.examples, plan, found.of)
        card = FileCard(
            file_card.HEAD, target.stem, dim or found.card.dim, trained=how_told, source=told(found)
        )
        card, graph = learns.exported(card)
    return finish(outcome, card, graph, target, bool(found.failures), json_file)


def _head(found: Gathered, split: Split, plan: Any, dim: int | None) -> Learner:
    heads = plugins.on_use("findalike.train.heads", REQUIREMENT)
    task = heads.task(found.examples, found.vectors, split, plan, dim)
    dim = dim or found.card.dim
    of = f"head {dim} {found.card.space} {found.card.sha256}"
    return Learner(task, of, lambda card: heads.exported(task.network, found.card, card))


def told(found: Gathered) -> str:
    """What was learned from, as a sentence for a card."""
    return f"{number(len(found.examples), 'picture')} of {found.of}, by {found.examples.of}"


def run(task: Any, found: Gathered, target: Path, resume: bool, of: str, train: Any = None) -> Any:
    """Train a `metric.Retrieval`, shown as it goes, and write its split, which was settled before. `train`
    stands for `metric.train`."""
    training = plugins.on_use("findalike.train.metric", REQUIREMENT)
    counts = task.split.counts()
    say(f"{number(counts['train'], 'picture')} to learn from, {counts['validation']:,} to choose by, "
        f"{counts['test']:,} to measure on, split by {task.split.how}.")  # fmt: skip
    purpose = training.purpose(found.examples, task.split, task.plan, of)
    with epochs(shown=lambda: getattr(task.fetch, "shown", 0)) as watch:
        outcome = (train or training.train)(
            task, found.vectors, checkpoint.beside(target), resume, purpose, watch
        )
    if not _spoiled(outcome):
        output.write(split_file(target), splits.table(found.examples, task.split).encode("utf-8", "replace"))
    return outcome


def _spoiled(outcome: Any) -> bool:
    """Whether a loss that is not a number came before anything better than the beginning: there is no
    result, and an earlier one stays."""
    return outcome.fit.ended == "not a number" and not outcome.fit.best > outcome.start


def use(outcome: Any, target: Path) -> str:
    """What to do with the result."""
    command = f"findalike index FOLDER --encoder file:{target}"
    if outcome.better:
        return f"To use it: {command}"
    of_known = " To measure on other pictures of the classes it knows: --split random."
    further = of_known if outcome.split.how == splits.BY_CLASS else ""
    return (
        f"It was not shown to be better: more pictures and classes may help.{further} "
        f"To use it all the same: {command}"
    )


def finish(
    outcome: Any, card: FileCard, graph: bytes, target: Path, some_failed: bool, json_file: str | None
) -> int:  # fmt: skip
    """Show how it went, write the result and what lies beside it; the exit code."""
    ended = outcome.fit.ended
    show(outcome, to_stdout=json_file != "-")
    write_json({"out": str(target), **dataclasses.asdict(outcome)}, json_file)
    if _spoiled(outcome):
        say(f"The loss became {ended} after {number(len(outcome.fit.losses), 'epoch')}, and nothing better "
            f"than the beginning was found: {target} was not written. Try another --loss.")  # fmt: skip
        return FAILED
    fit, measure = outcome.fit, outcome.measure
    output.write(target.with_suffix(".png"), curve.png(fit.values, outcome.start, fit.best_epoch, measure))
    file_card.write(target, card, graph)
    say(f"Wrote {target}, {file_card.pair(target)[1].name}, {split_file(target).name} and {target.stem}.png. "
        f"{use(outcome, target)}")  # fmt: skip
    if ended == "interrupted":
        say("Interrupted: that is the best so far; the same command with --resume goes on.")
        return INTERRUPTED
    if ended == "not a number":
        say(f"The loss became {ended} after {number(len(outcome.fit.losses), 'epoch')}; that is the best "
            "until then.")  # fmt: skip
        return FAILED
    checkpoint.beside(target).unlink(missing_ok=True)
    return SOME_FAILED if some_failed else DONE
