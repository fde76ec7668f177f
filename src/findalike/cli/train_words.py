"""`findalike train words`: a head that brings pictures to what is said of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import click

from findalike.cli.figures import write_json
from findalike.cli.main import DONE, FAILED, INTERRUPTED, SOME_FAILED
from findalike.cli.options import number, say
from findalike.cli.train_data import Source, base_card, opened, pictures, place_options, tell
from findalike.cli.train_out import checked_out, out_options
from findalike.cli.train_shown import compare, epochs
from findalike.encode import file_card
from findalike.encode.file_card import FileCard
from findalike.evaluate import stored, tables
from findalike.evaluate.truth import Pictures
from findalike.present import output
from findalike.train import captions, curve, devise
from findalike.train.captions import Captioned
from findalike.train.devise import Plan
from findalike.train.words import MEASURES
from findalike.types import Card

seed_option = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the split and of all chance."
)
json_option = click.option("--json", "json_file", metavar="FILE", help="Write all figures; - is stdout.")


@click.command(
    epilog="""\b
Examples:
  findalike train words photos/ --captions photos/captions.csv --out said.onnx
  findalike train words shop/ --labels shop/labels.csv --column colour --column article --out shop.onnx
  findalike train words --library holiday.library --column title --out titles.onnx
  findalike index photos/ --encoder file:said.onnx
  findalike search "a dog on a bench" --encoder file:said.onnx""",
)
@place_options
@click.option("--captions", "captions_file", metavar="FILE",
              help="A CSV or JSON of paths and captions, in several columns or rows.")  # fmt: skip
@click.option("--labels", metavar="FILE", help="A CSV or JSON with a column of paths, and --column.")
@click.option("--column", "columns", multiple=True, metavar="NAME",
              help="What is said of the pictures: of --captions or --labels, else of the library. tag are "
              "its tags. May be repeated. Without any, the folders.")  # fmt: skip
@click.option("--text-encoder", metavar="NAME",
              help="Which words: clip:FOLDER; else those of --encoder, or findalike's own.")  # fmt: skip
@out_options
@click.option("--loss", type=click.Choice(devise.LOSSES), default=devise.RIDGE, show_default=True,
              help="contrastive brings pictures nearer to their own texts than to others; ridge is solved at "
              "once.")  # fmt: skip
@click.option("--measure", type=click.Choice(MEASURES),
              help="What decides how much is learned: else recall@10, or map where texts are said of several "
              "pictures, as labels are.")  # fmt: skip
@click.option("--epochs", "most", type=click.IntRange(1), default=devise.EPOCHS, show_default=True,
              help="At most so many.")  # fmt: skip
@click.option("--test", type=click.FloatRange(0, 0.9, min_open=True), default=devise.TEST, show_default=True,
              help="The share of the pictures that is measured on, and not learned from.")  # fmt: skip
@seed_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@json_option
def words(
    data: str | None, library: str | None, where: str | None, encoder: str | None, captions_file: str | None,
    labels: str | None, columns: tuple[str, ...], text_encoder: str | None, out: str, replace: bool,
    loss: str, measure: str | None, most: int, test: float, seed: int, device: str, json_file: str | None,
) -> int:  # fmt: skip
    """Train a head that brings pictures to what is said of them, so that words find them.

    DATA is a folder, or a table of paths; without it, the stored vectors of --library are used, which is only
    read. What is said: captions, labels read as words, or the values of columns. The head starts from the one
    that the default encoder has, and cross-validation says how far to leave it. A part of the pictures is set
    aside first and measured on at the end.

    Exits with 3 when files could not be read, with 130 when interrupted.
    """
    _check(data, library, captions_file, labels, columns)
    target = checked_out(out, replace)
    asked = Source(data, library, where, encoder)
    with opened(asked) as (there, failures):
        base = base_card(there, asked)
        texts = devise.side(base, there.settings, text_encoder)
        found = pictures(there, base, asked)
        said = _known(_captioned(found, asked, captions_file, labels, columns), texts)
        tell(said.notes, failures)
        plan = Plan(loss, measure or devise.decides(said), most, test, seed, device)
        vectors = stored.space(there, base, said.pictures).vectors
        try:
            say(f"{number(len(said), 'picture')} with {number(len(said.sentences), 'text')}.")
            with epochs(plan.measure) as watch:
                line, chance, learned, outcome = devise.learn(said, vectors, texts, plan, watch)
        except KeyboardInterrupt:
            say("Interrupted: nothing was written, and the same command begins anew.")
            return INTERRUPTED
        of = data or there.path
        how = devise.trained(outcome, said, learned, plan, of)
        card = FileCard(file_card.HEAD, target.stem, 1, trained=how, source=_source(said, of))
        card, graph = devise.exported(line, chance, texts, card)
    _show(outcome, plan, json_file != "-")
    write_json({"out": str(target), **dataclasses.asdict(outcome)}, json_file)
    return _finish(target, card, base, graph, outcome, bool(failures))


def _check(
    data: str | None,
    library: str | None,
    captions_file: str | None,
    labels: str | None,
    columns: Sequence[str],
) -> None:
    if data and library:
        raise click.UsageError(
            "give DATA, which is indexed apart, or --library, whose pictures are used as they are"
        )
    if captions_file and labels:
        raise click.UsageError("give --captions or --labels, not both")
    if labels and not columns:
        raise click.UsageError("which column of --labels says what pictures show? Name it: --column NAME")


def _captioned(
    found: Pictures, asked: Source, captions_file: str | None, labels: str | None, columns: Sequence[str]
) -> Captioned:  # fmt: skip
    """What is said of the pictures, by the options; a table that is the data says it itself."""
    table = captions_file or labels
    if asked.path and asked.is_table and not table and not asked.path.lower().endswith(".parquet"):
        table = asked.path
    if table:
        return captions.of_table(found, tables.read(table), columns, as_labels=bool(labels))
    if columns:
        return captions.of_columns(found, columns)
    return captions.of_folders(found, asked.path)


def _known(said: Captioned, texts: devise.Side) -> Captioned:
    """Without texts that mean nothing to the side of texts."""
    distinct = list(dict.fromkeys(said.sentences))
    meant = texts.read(distinct)
    known = {text for text, vector in zip(distinct, meant, strict=True) if vector.any()}
    return captions.known_by(said, known.__contains__)


def _source(said: Captioned, of: str) -> str:
    return f"{number(len(said), 'picture')} of {of}, by {said.of}"


def _show(outcome: devise.Outcome, plan: Plan, to_stdout: bool) -> None:
    learned, held = outcome.counts
    say(f"Learned from {number(learned, 'picture')}, measured by the texts of {held:,} others.")
    compare(outcome.comparisons, to_stdout)
    before, after = outcome.median
    say(f"The median rank of the right picture: {before:g} before, {after:g} after.")
    if outcome.how.get("epochs") == 0 or (plan.loss == devise.RIDGE and outcome.how["strength"] is None):
        say("Nothing that was learned finds better than the start, so the head is the start.")


def _finish(
    target: Path, card: FileCard, base: Card, graph: bytes, outcome: devise.Outcome, some_failed: bool
) -> int:
    if outcome.ended:
        best = max(range(len(outcome.curve)), key=outcome.curve.__getitem__)
        what = outcome.comparisons[0].metric
        output.write(target.with_suffix(".png"), curve.png(outcome.curve, outcome.curve[0], best, what))
    code = written(target, card, base, graph, some_failed)
    if outcome.ended == "interrupted":
        say("Interrupted: that is the best until then.")
        return INTERRUPTED
    if outcome.ended == "not a number":
        say("The loss became not a number; that is the best until then.")
        return FAILED
    return code


def written(target: Path, card: FileCard, base: Card, graph: bytes, some_failed: bool, use: str = "") -> int:
    """Write a head on vectors of `base`, and say what to do with it; the exit code. Raises UsageError,
    EncoderError."""
    full = dataclasses.replace(card, base=file_card.mention(base), licence=base.licence or "unknown")
    file_card.write(target, full, graph)
    use = use or f"To use it: findalike index FOLDER --encoder file:{target}"
    say(f"Wrote {target} and {file_card.pair(target)[1].name}. {use}")
    return SOME_FAILED if some_failed else DONE
