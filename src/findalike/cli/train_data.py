"""What the commands of `findalike train` learn from: the options that say it, and the pictures and labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

import findalike
from findalike import feedback as marks_
from findalike import settings, sources
from findalike import uri as uris
from findalike.cli.evaluate import cards_of, kept_for, under
from findalike.cli.index import progress_bar
from findalike.cli.options import library_option, number, say
from findalike.errors import UsageError
from findalike.evaluate import stored, tables, truth
from findalike.evaluate.truth import Known, Pictures
from findalike.library import Library
from findalike.present.caption import printable
from findalike.query import parse_filter
from findalike.train import data as datas
from findalike.train.data import Examples
from findalike.types import Asset, Card, Failure, Vectors

SHOWN = 3
CLICK = 0.5
"""What a click counts, where clicks are asked for."""

_TABLES = (".csv", ".parquet")


@dataclass(frozen=True, slots=True)
class Source:
    """What the options say."""

    path: str | None
    library: str | None
    where: str | None
    encoder: str | None
    column: str | None = None
    labels: str | None = None
    pairs: str | None = None
    triplets: str | None = None
    feedback: bool = False
    clicks: bool = False

    @property
    def is_table(self) -> bool:
        return self.path is not None and self.path.lower().endswith(_TABLES)

    @property
    def says(self) -> bool:
        """Whether it is said what is alike."""
        return bool(self.column or self.labels or self.pairs or self.triplets or self.feedback)


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """`vectors` has a row for each example, of `card`'s space. `of` names where they come from."""

    library: Library
    card: Card
    examples: Examples
    vectors: Vectors
    failures: tuple[Failure, ...]
    of: str


_PLACES = 4
_OPTIONS = (
    click.argument("data", required=False, metavar="[DATA]"),
    library_option,
    click.option("--where", metavar="EXPR", help="Only pictures whose metadata passes."),
    click.option("--encoder", "-e", metavar="NAME", help="Whose vectors to begin from; else the default's."),
    click.option(
        "--column", metavar="NAME", help="Pictures with the same value are alike; else folders say."
    ),
    click.option("--labels", metavar="FILE", help="A CSV or JSON with a column of paths, and --column."),
    click.option("--pairs", metavar="FILE", help="A CSV of first, second and same (1 or 0)."),
    click.option("--triplets", metavar="FILE", help="A CSV of anchor, positive and negative."),
    click.option("--feedback", is_flag=True, help="What people marked as a match or none, of the library."),
    click.option("--clicks", is_flag=True, help="With --feedback, also what they looked at."),
)


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `Source`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Those that say which pictures, and no more."""
    for option in reversed(_OPTIONS[:_PLACES]):
        command = option(command)
    return command


def source(given: dict[str, Any]) -> Source:
    """What was given to the options, which are taken out. Raises click.UsageError for some that do not go
    together."""
    path = given.pop("data")
    found = Source(path, **{name: given.pop(name) for name in Source.__dataclass_fields__ if name != "path"})
    if path and found.library:
        raise click.UsageError(
            "give DATA, which is indexed apart, or --library, whose pictures are used as they are"
        )
    if sum(map(bool, (found.column or found.labels, found.pairs, found.triplets, found.feedback))) > 1:
        raise click.UsageError("give one of --column, --pairs, --triplets and --feedback")
    if found.labels and not found.column:
        raise click.UsageError("which column of --labels says what is alike? Name it: --column NAME")
    if found.clicks and not found.feedback:
        raise click.UsageError("--clicks goes with --feedback")
    if found.feedback and path:
        raise click.UsageError("--feedback is of a library: give --library, and no DATA")
    return found


@contextmanager
def gathered(asked: Source) -> Iterator[Gathered]:
    """The examples, their vectors, and the library they are in: a library that was named is only read."""
    with opened(asked) as (library, failures):
        card = base_card(library, asked)
        found = pictures(library, card, asked)
        examples = _examples(library, found, asked)
        vectors = stored.space(library, card, examples.pictures).vectors
        tell(examples.notes, failures)
        yield Gathered(library, card, examples, vectors, failures, asked.path or library.path)


@contextmanager
def opened(asked: Source) -> Iterator[tuple[Library, tuple[Failure, ...]]]:
    """The library that was named, for reading; or one apart, brought in step with the data."""
    if not asked.path:
        with findalike.open(asked.library, "r") as library:
            yield library, ()
        return
    if not asked.is_table:
        sources.discover(asked.path)
    encoder = _encoder(asked)
    with findalike.open(kept_for([asked.path])) as library:
        with progress_bar() as watch:
            if asked.is_table:
                report = library.add(table=asked.path, encoder=[encoder], watch=watch)
            else:
                report = library.add(asked.path, encoder=[encoder], watch=watch)
        yield library, tuple(report.failures)


def _encoder(asked: Source) -> str:
    return asked.encoder or settings.default().encoder


def base_card(library: Library, asked: Source) -> Card:
    """The card whose vectors are learned from: of data that is indexed apart the default's, unless another is
    named; else the first of the library."""
    named = [_encoder(asked)] if asked.path or asked.encoder else []
    card = cards_of(library, named)[0]
    if card.metric != "cosine":
        raise UsageError(
            f"vectors of {card.space} are compared by {card.metric}, and a head is for those compared by "
            "cosine: name another --encoder"
        )
    return card


def pictures(library: Library, card: Card, asked: Source) -> Pictures:
    """The pictures that have vectors of a card. Raises UsageError where there are none."""
    passes = parse_filter(asked.where, library.store.columns()) if asked.where else None
    roots = [] if asked.path is None or asked.is_table else [_uri(asked.path)]
    assets = [asset for asset in library.store.assets(passes) if _is_picture(asset, roots)]
    there, without = stored.encoded(library, [card], assets)
    if without:
        say(f"{number(without, 'picture')} of the library have no vector of {card.space}, and are left out.")
    if not there:
        what = f"no picture passes {asked.where!r}" if asked.where and not assets else "there are no pictures"
        raise UsageError(f"{what} to learn from: give a folder of pictures, or fill the library with "
                         "findalike index")  # fmt: skip
    return truth.pictures(there)


def _is_picture(asset: Asset, roots: Sequence[str]) -> bool:
    return not asset.is_film and (not roots or under(asset, roots))


def _uri(path: str) -> str:
    return uris.from_path(os.path.expanduser(path))  # noqa: PTH111


def _examples(library: Library, found: Pictures, asked: Source) -> Examples:
    if asked.pairs:
        return datas.of_pairs(found, truth.pairs(found, tables.read(asked.pairs)), asked.pairs)
    if asked.triplets:
        return datas.of_triplets(found, tables.read(asked.triplets))
    if asked.feedback:
        weights = CLICK if asked.clicks else 0.0
        several = marks_.pairs(marks_.marks(library.store.sidecars), weights)
        return datas.of_marks(found, [(each.query, each.hit, each.alike) for each in several])
    known = truth.of_table(found, tables.read(asked.labels)) if asked.labels else truth.of_library(found)
    return datas.of_column(found, Known({**truth.of_library(found).columns, **known.columns}, known.unknown),
                           asked.column)  # fmt: skip


def tell(notes: Sequence[str], failures: Sequence[Failure]) -> None:
    for note in notes:
        say(f"- {printable(note)}")
    if failures:
        say(f"- {number(len(failures), 'file')} could not be read, and are left out:")
    for failure in failures[:SHOWN]:
        say(f"    {printable(failure.uri)}: {printable(failure.error)}")
    if len(failures) > SHOWN:
        say(f"    and {len(failures) - SHOWN:,} more")


def split_file(out: Path) -> Path:
    """Where the split of a result is written."""
    return out.with_name(f"{out.stem}.split.csv")
