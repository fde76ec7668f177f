"""`findalike train`: its list of commands."""

from __future__ import annotations

import click

from findalike.cli.main import Commands

TRAININGS = {
    "metric": ("train_metric", "Bring together what belongs together: a head on stored vectors."),
    "classifier": ("train_classifier", "Tell classes apart: a head on stored vectors, and its accuracy."),
    "words": ("train_words", "Bring pictures to what is said of them, so that words find them."),
    "whiten": ("train_whiten", "Learn which directions of vectors tell pictures apart: solved at once."),
    "autoencoder": (
        "train_autoencoder",
        "Learn codes that pictures can be drawn from again, without labels.",
    ),
}
"""Each command's module and the line that `--help` shows, so that help imports none of them."""


class Trainings(Commands):
    table = TRAININGS


@click.group(
    cls=Trainings,
    epilog="""\b
Examples:
  findalike train metric shop/ --out shop.onnx
  findalike train metric --library shop.library --column article --out article.onnx
  findalike index shop/ --encoder file:shop.onnx
  findalike search photo.jpg --encoder file:shop.onnx""",
)
def train() -> None:
    """Teach findalike your own pictures.

    What is trained becomes two files, NAME.onnx and NAME.json, which --encoder file:NAME.onnx takes
    everywhere. It is measured on pictures that nothing was learned from, beside what it began from. Needs the
    extra findalike[train]; what was trained is used without it.
    """
