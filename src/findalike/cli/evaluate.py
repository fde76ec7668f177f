"""`findalike eval`."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

import findalike
from findalike import plugins, settings, sources
from findalike import uri as uris
from findalike.cli import comparing
from findalike.cli.figures import print_table, write_json
from findalike.cli.index import progress_bar
from findalike.cli.main import DONE, NOTHING_SIMILAR, SOME_FAILED
from findalike.cli.options import console, library_option, say
from findalike.encode import catalog
from findalike.errors import LibraryMismatch, LibraryMissing, UsageError
from findalike.evaluate import compare, similarity, stored, tables, task, truth
from findalike.evaluate import report as reports
from findalike.evaluate.results import Method, Options, Report
from findalike.evaluate.run import Watch, evaluate
from findalike.evaluate.task import Task
from findalike.evaluate.truth import Known, Labels, Pictures
from findalike.library import Library
from findalike.present import output
from findalike.present.caption import printable
from findalike.query import parse_filter
from findalike.types import Asset, Card

ALL = "all"


@click.command(
    name="eval",
    epilog="""\b
Examples:
  findalike eval ~/Pictures/by-class
  findalike eval shop/ --labels shop/labels.csv --column model --column color --by background
  findalike eval shop/ --encoder efficientnet-lite0 --encoder colour --distance all --plots out/
  findalike eval covers/ --labels covers/labels.csv --column album --split role=query
  findalike eval faces/ --pairs pairs.csv --precision 0.99
  findalike eval shop/ --compare file:head.onnx
  findalike eval --library holiday.library --column place --html worst.html""",
)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@library_option
@click.option("--where", metavar="EXPR", help="Only pictures whose metadata passes.")
@click.option("--labels", metavar="FILE", help="A CSV or JSON with a column of paths, and columns of labels.")
@click.option(
    "--column", "columns", multiple=True, metavar="NAME",
    help="Pictures with the same value are alike: of --labels, else of the library. May be repeated.",
)  # fmt: skip
@click.option("--pairs", metavar="FILE", help="A CSV of first, second and same (1 or 0).")
@click.option("--relevant", metavar="FILE", help="A CSV or JSON of query, relevant and perhaps grade.")
@click.option(
    "--split", metavar="COLUMN=VALUE", help="Pictures with the value are the queries, others the gallery."
)
@click.option("--queries", metavar="DIR", help="Pictures of this folder ask, the others are found.")
@click.option(
    "--by", multiple=True, metavar="COLUMN", help="Also tell queries apart by this. May be repeated."
)
@click.option(
    "--encoder", "-e", "encoders", multiple=True, metavar="NAME",
    help="See findalike encoders; all for those of the library. The first is what others are held against.",
)  # fmt: skip
@click.option(
    "--distance", "distances", multiple=True, metavar="NAME",
    help=f"{', '.join(similarity.NAMES)}, or all. Default: {similarity.AS_SEARCHED}. May be repeated.",
)  # fmt: skip
@click.option(
    "--compare", "compared", multiple=True, metavar="NAME",
    help="Say whether this encoder, such as file:head.onnx, is better than the first --encoder; default: "
    "than the one that it was trained on. May be repeated.",
)  # fmt: skip
@click.option(
    "--only-unseen/--also-seen", default=None,
    help="Leave out pictures that an encoder was trained on, or judge by them, too. With --compare they are "
    "left out, unless --also-seen; then nothing is told of new pictures.",
)  # fmt: skip
@click.option("--exit-code", is_flag=True, help="Exit with 5 unless each --compare is better in every task.")
@click.option("--copies", is_flag=True, help="Also rank pictures with the same bytes as the query.")
@click.option(
    "--precision", type=click.FloatRange(0, 1, min_open=True), default=0.9, show_default=True,
    help="What the recommended threshold is to reach.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of resampling and folds.")
@click.option("--no-timing", is_flag=True, help="Encode nothing, so that no time is told.")
@click.option("--json", "json_file", metavar="FILE", help="Write all figures; - is stdout.")
@click.option("--markdown", metavar="FILE", help="Write the tables as Markdown.")
@click.option("--plots", metavar="DIR", help="Draw curves, and accuracy against cost, into a folder.")
@click.option("--html", metavar="FILE", help="Write a page of the worst queries and what they found.")
def eval(  # noqa: A001  (commands are found by their names)
    paths: tuple[str, ...], library: str | None, where: str | None, labels: str | None,
    columns: tuple[str, ...], pairs: str | None, relevant: str | None, split: str | None,
    queries: str | None, by: tuple[str, ...], encoders: tuple[str, ...], distances: tuple[str, ...],
    compared: tuple[str, ...], only_unseen: bool | None, exit_code: bool, copies: bool, precision: float,
    seed: int, no_timing: bool, json_file: str | None, markdown: str | None, plots: str | None,
    html: str | None,
) -> int:  # fmt: skip
    """Judge how well pictures are found, where it is known which are alike.

    What is alike: pictures of one folder, or with one value of a --column, or what --pairs or --relevant say.
    Each picture asks for those like it among all others (leave one out), unless --split or --queries say
    which ask. PATH is indexed first, into a library of its own that is kept in the cache, or into --library;
    without PATH, the stored vectors of the library are used. Distances are those of a search, unless
    --distance names others.

    With --compare it says in words whether an encoder is better than what it began from, judged
    by pictures that it was not trained on. Heads need not be indexed for that.

    Exits with 3 when pictures of the truth are unknown or files could not be read: they are counted.
    """
    _check_options(columns, pairs, relevant, labels, split, queries)
    comparing.check(compared, distances, exit_code)
    check_outputs(json_file, markdown, html, plots)
    wanted = [similarity.check(name) for name in _distances(distances)]
    encoders, indexed = _named(paths, library, encoders, compared)
    with _opened(paths, library, indexed) as (opened, failed):
        held = cards_of(opened, compared) if compared else []
        cards = comparing.beside(cards_of(opened, encoders or comparing.start(held)), held)
        found, counts = _pictures(opened, cards, paths, where)
        counts["failed"] = failed
        known = _known(found, labels)
        asks = _asking(found, known, split, queries)
        left_out = {name: count for name, count in counts.items() if count}
        tasks = [
            task.with_counts(each, left_out)
            for each in _tasks(found, known, columns, pairs, relevant, asks, copies)
        ]
        if only_unseen or (compared and only_unseen is None):
            tasks = [compare.unseen(each, cards) for each in tasks]
        options = Options({name: _column(known, name) for name in by}, precision, not no_timing, seed)
        methods = [Method(card, distance) for card in cards for distance in wanted]
        with progress() as watch:
            report = replace(evaluate(opened, tasks, methods, options, watch), paths=paths)
        report = compare.judged(report, held)
        _print(report, to_stdout=json_file != "-")
        _write(report, opened, json_file, markdown, plots, html)
    unknown = sum(len(each.unknown) for each in tasks)
    if exit_code and not comparing.all_better(report):
        return NOTHING_SIMILAR
    return SOME_FAILED if unknown or failed else DONE


# What is asked for


def _check_options(
    columns: Sequence[str], pairs: str | None, relevant: str | None, labels: str | None, split: str | None,
    queries: str | None,
) -> None:  # fmt: skip
    if sum(map(bool, (columns, pairs, relevant))) > 1:
        raise click.UsageError("give one of --column, --pairs and --relevant; without any, it is folders")
    if labels and not (columns or split):
        raise click.UsageError("which column of --labels says what is alike? Name it: --column NAME")
    if (split or queries) and (pairs or relevant):
        raise click.UsageError("--split and --queries go with labels; pairs and tables say what asks")
    if split and "=" not in split:
        raise click.UsageError(f"--split {split}: write COLUMN=VALUE, such as role=query")
    if split and queries:
        raise click.UsageError("give --split or --queries, not both")


def check_outputs(
    json_file: str | None, markdown: str | None, html: str | None, plots: str | None
) -> None:  # fmt: skip
    """Refuse what cannot be written before the work."""
    for path in (json_file if json_file != "-" else None, markdown, html):
        if path:
            output.check(path)
    if html and not html.lower().endswith((".html", ".htm")):
        raise UsageError(f"{html}: a page ends in .html or .htm")
    if plots:
        plugins.on_use("matplotlib", "findalike[plots]")
        _make(Path(plots))


def _make(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: this is a file; --plots takes a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: this folder cannot be made: {error.strerror or error}") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{folder}: nothing can be written into this folder; give another to --plots")


def _distances(names: Sequence[str]) -> Sequence[str]:
    if ALL in names:
        return similarity.NAMES
    return [name.replace("as-searched", similarity.AS_SEARCHED) for name in names] or [similarity.AS_SEARCHED]


def _named(
    paths: Sequence[str], library: str | None, encoders: tuple[str, ...], compared: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The encoders to judge as far as they are named, and those that paths are indexed with."""
    if not paths:
        return encoders, ()
    encoders = encoders or comparing.start([catalog.find(name) for name in compared])
    if not (library or encoders):
        encoders = (settings.default().encoder,)  # a library that is kept may have begun with others
    return encoders, (*encoders, *comparing.to_index(compared))


@contextmanager
def _opened(
    paths: Sequence[str], library: str | None, encoders: Sequence[str]
) -> Iterator[tuple[Library, int]]:
    """The library, filled with the paths where there are some, and how many files failed."""
    if not paths:
        with findalike.open(library, "r") as opened:
            yield opened, 0
        return
    for path in paths:
        sources.discover(path)
    with findalike.open(library or kept_for(paths)) as opened:
        with progress_bar() as watch:
            named = [name for name in encoders if name != ALL]
            report = opened.add(*paths, encoder=named, watch=watch)
        for failure in report.failures[:3]:
            say(f"  {printable(failure.uri)}: {printable(failure.error)}")
        yield opened, len(report.failures)


def kept_for(paths: Sequence[str]) -> Path:
    """The library that is kept for these paths."""
    key = "\n".join(sorted(uris.from_path(os.path.expanduser(path)) for path in paths))  # noqa: PTH111
    folder = settings.default().cache / "eval" / hashlib.sha256(key.encode()).hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def cards_of(library: Library, encoders: Sequence[str]) -> list[Card]:
    """The cards that are named, else the first of the library, which a search uses."""
    known = list(library.store.cards().values())
    if not known:
        raise LibraryMissing(f"the library {library.path} is empty: fill it with findalike index FOLDER")
    if ALL in encoders:
        return known
    named = [_card(library, known, name) for name in encoders or [known[0].space]]
    return [library.at_home(card) for card in {card.space: card for card in named}.values()]


def _card(library: Library, known: Sequence[Card], name: str) -> Card:
    """The card of a name or space. Raises LibraryMismatch where the library has no vectors of it, UsageError
    for a name that no encoder has."""
    if found := catalog.meant(known, name):
        return found
    if not catalog.on_hub(name):
        asked = catalog.find(name)
        base = compare.root(asked)
        if asked.space in library.store.cards() or (base and base.space in library.store.cards()):
            return asked
    raise LibraryMismatch(
        f"the library {library.path} holds {', '.join(card.space for card in known)}, not {name}; give the "
        f"PATH of the pictures, or add it with findalike index --encoder {name}"
    )


def _pictures(
    library: Library, cards: Sequence[Card], paths: Sequence[str], where: str | None
) -> tuple[Pictures, dict[str, int]]:
    """The pictures under the paths that pass, and counts of what was left out."""
    passes = parse_filter(where, library.store.columns()) if where else None
    roots = [uris.from_path(os.path.expanduser(path)) for path in paths]  # noqa: PTH111
    assets = [asset for asset in library.store.assets(passes) if not roots or under(asset, roots)]
    there, without = stored.encoded(library, cards, assets)
    if not there:
        what = f"no picture passes {where!r}" if where and not assets else "there are no pictures to judge"
        raise UsageError(f"{what}: give a folder of pictures, or fill the library with findalike index")
    return truth.pictures(there), {"unencoded": without}


def under(asset: Asset, roots: Sequence[str]) -> bool:
    inside = tuple(each for root in roots for each in (root.rstrip(os.sep) + os.sep, uris.member(root, "")))
    return asset.uri in roots or asset.uri.startswith(inside)


def _known(found: Pictures, labels: str | None) -> Known:
    """What is said of pictures; the folder that each lies in is a column, too, unless one has its name."""
    known = truth.of_table(found, tables.read(labels)) if labels else truth.of_library(found)
    if truth.FOLDER in known.columns:
        return known
    return replace(known, columns={**known.columns, truth.FOLDER: truth.of_folders(found)})


def _column(known: Known, name: str) -> Labels:
    if name not in known.columns:
        there = ", ".join(known.columns) or "none; a table with columns is given with --labels FILE"
        raise UsageError(f"no column is named {name!r}; there are {there}")
    return known.columns[name]


def _asking(
    found: Pictures, known: Known, split: str | None, queries: str | None
) -> Sequence[bool | None] | None:
    """Which pictures ask, where it is said."""
    if split:
        column, _, value = split.partition("=")
        return task.sides(column, _column(known, column), value)
    if queries:
        roots = [uris.from_path(os.path.expanduser(queries))]  # noqa: PTH111
        asks = [under(asset, roots) for asset in found.assets]
        if not any(asks):
            raise UsageError(f"{queries}: none of the pictures lies in this folder; name it as a PATH, too")
        return asks
    return None


def _tasks(
    found: Pictures, known: Known, columns: Sequence[str], pairs: str | None, relevant: str | None,
    asks: Sequence[bool | None] | None, copies: bool,
) -> Iterator[Task]:  # fmt: skip
    if pairs:
        yield task.of_pairs(Path(pairs).name, found, truth.pairs(found, tables.read(pairs)))
    elif relevant:
        yield task.of_relevant(
            Path(relevant).name, found, truth.relevant(found, tables.read(relevant)), copies
        )
    else:
        labelled = {name: _column(known, name) for name in columns}
        for name, labels in (labelled or {truth.FOLDER: truth.of_folders(found)}).items():
            if asks is None:
                yield task.leave_one_out(name, found, labels, copies, known.unknown)
            else:
                yield task.query_gallery(name, found, labels, asks, copies, known.unknown)


# What is shown


@contextmanager
def progress() -> Iterator[Watch]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, console=console(True), transient=True, disable=not sys.stderr.isatty())
    shown = bar.add_task("Judging", total=None)
    with bar:
        yield lambda done, total, label: bar.update(shown, completed=done, total=total, description=label)


def _print(report: Report, to_stdout: bool) -> None:
    """Tables on a terminal, tab-separated lines elsewhere; sentences go to stderr."""
    for evaluation in report.evaluations:
        say(f"{printable(reports.heading(evaluation))}")
        for table in reports.tables(evaluation):
            print_table(table, to_stdout)
        for sentence in (
            *reports.verdicts(evaluation),
            *reports.recommendations(evaluation),
            *reports.remarks(evaluation),
        ):
            say(f"- {printable(sentence)}")
    if sys.stderr.isatty():
        say(f"Judged in {report.seconds:.1f} s. {' '.join(reports.EXPLAINED.split())}")


def _write(
    report: Report, library: Library, json_file: str | None, markdown: str | None, plots: str | None,
    html: str | None,
) -> None:  # fmt: skip
    write_json(reports.record(report), json_file)
    if markdown:
        output.write(markdown, reports.markdown(report).encode("utf-8", "replace"))
    if plots:
        drawn = plugins.on_use("findalike.evaluate.plots").draw(report, Path(plots))
        say(f"Drew {', '.join(str(path) for path in drawn)}.")
    if html:
        pages = plugins.on_use("findalike.evaluate.page")
        output.write(html, pages.page(report, library.store.thumbnails).encode("utf-8", "replace"))
