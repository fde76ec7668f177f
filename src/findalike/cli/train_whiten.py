"""`findalike train whiten`: a head that is solved at once."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from findalike.cli.figures import write_json
from findalike.cli.options import number, say
from findalike.cli.train_data import Source, base_card, data_options, gathered, opened, pictures, source, tell
from findalike.cli.train_metric import told, use
from findalike.cli.train_out import checked_out, out_options
from findalike.cli.train_shown import compare
from findalike.cli.train_words import json_option, seed_option, written
from findalike.encode import file_card
from findalike.encode.file_card import FileCard
from findalike.evaluate import stored
from findalike.train import splits
from findalike.train import whiten as whitening
from findalike.train.linear import onnx_bytes


@click.command(
    epilog="""\b
Examples:
  findalike train whiten photos/ --out axes.onnx
  findalike train whiten shop/ --labels shop/labels.csv --column article --split random --out shop.onnx
  findalike train whiten --library shop.library --pairs same.csv --out shop.onnx
  findalike index shop/ --encoder file:shop.onnx""",
)
@data_options
@out_options
@click.option(
    "--dim", type=click.IntRange(1), default=whitening.DIM, show_default=True, help="Numbers of a vector."
)
@click.option("--power", type=click.FloatRange(0, 0.5),
              help="How far to whiten, 0 to 0.5. With labels the best is found, else it is 0.")  # fmt: skip
@click.option("--split", "how", default=splits.BY_CLASS, show_default=True, metavar="HOW",
              help="class measures on classes that were not learned, random on other pictures of the same, "
              "COLUMN=VALUE on those of the value.")  # fmt: skip
@seed_option
@json_option
def whiten(
    out: str, replace: bool, dim: int, power: float | None, how: str, seed: int, json_file: str | None,
    **data: Any,
) -> int:  # fmt: skip
    """Learn which directions of an encoder's vectors tell pictures apart.

    Without labels: the axes in which the pictures vary most, of which --dim are kept. With --column, --labels
    or --pairs: directions in which pictures that belong together differ are made to count less first, and a
    part of the pictures is set aside and measured on. It is solved at once, in seconds.

    findalike learn-whitening does the first inside a library. Exits with 3 when files could not be read.
    """
    target = checked_out(out, replace)
    asked = source(data)
    if asked.says:
        return _supervised(asked, target, dim, power, how, seed, json_file)
    with opened(asked) as (there, failures):
        base = base_card(there, asked)
        found = pictures(there, base, asked)
        tell((), failures)
        line = whitening.unsupervised(stored.space(there, base, found).vectors, dim, power or 0.0)
        of = asked.path or there.path
    record = {"what": "whitening", "data": of, "power": power or 0.0, "seed": seed}
    seen = file_card.pictures(asset.sha256 for asset in found.assets)
    card = FileCard(
        file_card.HEAD,
        target.stem,
        line.matrix.shape[1],
        trained={**record, "pictures": seen},
        source=f"{number(len(found), 'picture')} of {of}",
    )
    say(f"Learned from {number(len(found), 'picture')}; without labels there is nothing to measure by.")
    write_json({"out": str(target), "dim": card.dim, **record}, json_file)
    return written(target, card, base, onnx_bytes(line), bool(failures))


def _supervised(
    asked: Source, target: Path, dim: int, power: float | None, how: str, seed: int, json_file: str | None
) -> int:  # fmt: skip
    with gathered(asked) as found:
        split = splits.make(found.examples, how, seed)
        powers = whitening.POWERS if power is None else [power]
        line, outcome = whitening.learn(found.examples, found.vectors, split, dim, powers)
        record = whitening.trained(outcome, found.examples, found.of)
        card = FileCard(file_card.HEAD, target.stem, line.matrix.shape[1], trained=record, source=told(found))
    counts = split.counts()
    say(f"Learned from {number(counts['train'] + counts['validation'], 'picture')}, measured on "
        f"{counts['test']:,} others, split by {how}; power {outcome.power:g}.")  # fmt: skip
    if not outcome.gains:
        say("Nothing that was learned is better than the beginning on what was chosen by.")
    compare(outcome.comparisons, json_file != "-")
    write_json({"out": str(target), **dataclasses.asdict(outcome)}, json_file)
    some_failed = bool(found.failures)
    return written(target, card, found.card, onnx_bytes(line), some_failed, use(outcome, target))
