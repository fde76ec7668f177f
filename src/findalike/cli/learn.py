"""`findalike learn-whitening` and `learn-vocabulary`: spaces that are learned on a library's own pictures."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import findalike
from findalike.cli.options import console, json_option, library_option, number, say
from findalike.encode import local, whitening
from findalike.learn import BOTH, MOST_PICTURES, Lesson, Watch

_PHASES = {"learning": "Learning", "encoding": "Encoding"}
KINDS = (*BOTH, "both")

name_option = click.option(
    "--name", metavar="NAME", help="What to call it. What was learned before under other names stays."
)


@click.command(
    "learn-whitening",
    epilog="""\b
Examples:
  findalike learn-whitening
  findalike learn-whitening --power 0.25 --name half
  findalike learn-whitening --encoder efficientnet-joined-r-mac --dim 128
  findalike search photo.jpg --encoder whitened:efficientnet-lite0""",
)
@library_option
@click.option("--encoder", "-e", metavar="NAME", help="Whose vectors; else those of the library's first.")
@click.option(
    "--dim", type=click.IntRange(1), default=whitening.DIM, show_default=True, help="Numbers of a vector."
)
@click.option(
    "--power", type=click.FloatRange(0, 0.5), default=whitening.POWER, show_default=True,
    help="How far to whiten: 0 only turns and shortens, 0.25 is half of it, 0.5 all.",
)  # fmt: skip
@name_option
@json_option
def learn_whitening(
    library: str | None, encoder: str | None, dim: int, power: float, name: str | None, as_json: bool
) -> None:
    """Learn what varies among a library's pictures, and search by that.

    From the vectors that an encoder gave them: their mean is taken off, they are turned to the directions in
    which these pictures vary most, of which --dim are kept, and the strongest directions count for less the
    higher --power is. No file is read again. The space whitened:NAME is added to the library, and filled by
    every findalike index from then on.
    """
    findalike.open(library, "r").close()  # never makes a library
    with findalike.open(library) as opened, _progress() as watch:
        lesson = opened.learn_whitening(encoder, dim, power, name, watch=watch)
    _report(lesson, as_json)


@click.command(
    "learn-vocabulary",
    epilog="""\b
Examples:
  findalike learn-vocabulary
  findalike learn-vocabulary --local orb --kind bow --words 10000
  findalike search photo.jpg --encoder bow:sift
  findalike search photo.jpg --encoder vlad:sift""",
)
@library_option
@click.option(
    "--local", "kind", type=click.Choice(list(local.DIMS)), default="sift", show_default=True,
    help="Which keypoints.",
)  # fmt: skip
@click.option("--kind", "space", type=click.Choice(KINDS), default="both", show_default=True,
              help="Bags of words, VLAD, or a space of each.")  # fmt: skip
@click.option(
    "--words", type=click.IntRange(1),
    help="Words to learn: 4,096 for bags and 64 for VLAD; with both, those of the bags.",
)  # fmt: skip
@click.option(
    "--most-pictures", type=click.IntRange(1), default=MOST_PICTURES, show_default=True,
    help="Pictures to learn from.",
)  # fmt: skip
@name_option
@json_option
def learn_vocabulary(
    library: str | None, kind: str, space: str, words: int | None, most_pictures: int, name: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Learn visual words of a library's pictures, to find the same thing or print seen again.

    The keypoints of some of its pictures are put into groups of like ones, the words. The space bow:NAME
    counts the words of each picture, rare ones more; vlad:NAME keeps how its keypoints differ from their
    words. NAME is sift or orb unless given. Both are filled by every findalike index from then on. A picture
    whose file is gone is seen as its thumbnail. Needs the extra findalike[classical].
    """
    findalike.open(library, "r").close()  # never makes a library
    with findalike.open(library) as opened, _progress() as watch:
        lesson = opened.learn_vocabulary(kind, _sizes(space, words), name, most_pictures, watch=watch)
    _report(lesson, as_json)


def _sizes(space: str, words: int | None) -> Mapping[str, int]:
    """How many words each space has."""
    if space != "both":
        return {space: words or BOTH[space]}
    bag, *_ = BOTH
    return {**BOTH, bag: words or BOTH[bag]}


def _report(lesson: Lesson, as_json: bool) -> None:
    if as_json:
        spaces = [{"space": card.space, "encoder": card.name, "dim": card.dim} for card in lesson.cards]
        record = {"spaces": spaces, "pictures": lesson.pictures, "encoded": lesson.encoded}
        click.echo(json.dumps({**record, "notes": list(lesson.notes)}, ensure_ascii=False, indent=1))
        return
    for card in lesson.cards:
        click.echo(
            f"{card.name}: {number(card.dim, 'number')}, learned on {number(lesson.pictures, 'picture')}"
        )
    for note in lesson.notes:
        say(note)
    say(f"{number(lesson.encoded, 'picture')} encoded. To search so: findalike search PICTURE --encoder "
        f"{lesson.cards[0].name}")  # fmt: skip


@contextmanager
def _progress() -> Iterator[Watch]:
    """A bar on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console(True), transient=True, disable=not sys.stderr.isatty())
    task = bar.add_task(_PHASES["learning"], total=None)
    with bar:
        yield lambda phase, done, total: bar.update(
            task, description=_PHASES[phase], completed=done, total=total or None
        )
