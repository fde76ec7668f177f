"""`findalike tags`, `facets`, `words` and `tag`: what pictures show, in words."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import findalike
from findalike.cli.main import DONE, SOME_FAILED, WRONG_USAGE
from findalike.cli.options import console, json_option, library_option, number, say, say_missed
from findalike.errors import LibraryMissing, QueryError
from findalike.library import IN_MEMORY, Library
from findalike.present.bars import Bar, bars, lines
from findalike.present.caption import plain, printable
from findalike.query import parse_filter
from findalike.tagging import (
    MIN_CONFIDENCE,
    Tag,
    Tagged,
    Watch,
    Word,
    countable,
    unknown_tags,
    vocabularies,
)
from findalike.types import Value
from findalike.words.lexicon import CLASS_COUNT, lexicon

WEAKER = 5
"""Of each bank, so many concepts that are too weak for tags are shown unless all are asked for."""

DESCRIBED = 3
"""Classes of a picture that are said in words: what comes after the surest is mostly wrong."""


@click.command(
    epilog="""\b
Examples:
  findalike tags photo.jpg
  findalike tags id:3f2a90c1d4e5b677 --json"""
)
@click.argument("picture", metavar="PICTURE")
@library_option
@click.option("--all", "as_all", is_flag=True, help="Also all that is weakly seen; --json has it anyway.")
@json_option
def tags(picture: str, library: str | None, as_all: bool, as_json: bool) -> None:
    """Show what a picture shows, and how strongly: things, words of your own, dates, colours.

    PICTURE is a path, or id: and the id of a picture of the library. One that is not in the library is looked
    at, and not kept. Marked with # are the tags that --where and findalike facets know; of what is weaker,
    five of each bank are shown.
    """
    with _library_or_none(library) as opened:
        found = opened.tags(picture)
    if as_json:
        _print_json([{**dataclasses.asdict(tag), "tag": tag.is_filtered} for tag in found])
        return
    shown = found if as_all else list(_strong(found))
    _print_bars(list(_tag_bars(shown)), ("bank", "#", "tag", "sure"))
    if sys.stdout.isatty() and found:
        hidden = number(len(found) - len(shown), "weaker one")
        left_out = f" Left out: {hidden}; to see all: --all" if len(found) > len(shown) else ""
        say(f"# marks the tags that --where and findalike facets know.{left_out}")
    filtered = [tag for tag in found if tag.is_filtered]
    if not found:
        say("Nothing that has a name here was seen in the picture.")
    elif filtered:
        said = max(filtered, key=_telling)
        say(f"To find all of a kind: findalike search --where {_quoted(said.name)}")


def _library_or_none(library: str | None) -> Library:
    """The library; where none is, and none was named, one of nothing, since any picture can be looked at."""
    try:
        return findalike.open(library, "r")
    except LibraryMissing:
        if library is not None:
            raise
        return findalike.open(IN_MEMORY)


def _strong(found: Sequence[Tag]) -> Iterator[Tag]:
    """The tags, and of each bank a few weaker ones."""
    for _, several in groupby(found, key=lambda tag: tag.bank):
        weaker = 0
        for tag in several:
            weaker += not tag.is_filtered
            if tag.is_filtered or weaker <= WEAKER:
                yield tag


def _tag_bars(found: Sequence[Tag]) -> Iterator[Bar]:
    for bank, several in groupby(found, key=lambda tag: tag.bank):
        described = 0
        for tag in several:
            words = ""
            place = (
                lexicon().number.get(tag.name, CLASS_COUNT) if bank == lexicon().bank.name else CLASS_COUNT
            )
            if place < CLASS_COUNT and described < DESCRIBED:
                words, described = lexicon().description(place), described + 1
            mark = "#" if tag.is_filtered else ""
            yield Bar((bank, mark, tag.name), tag.weight, f"{tag.weight:.0%}", words)


def _telling(tag: Tag) -> float:
    """How much a tag says: a turtle more than an animal, if it is nearly as sure."""
    known = lexicon()
    above = known.bank.concepts[known.number[tag.name]].broader if tag.bank == known.bank.name else ()
    return tag.weight * (1 + len(above) + (tag.bank == known.bank.name))


def _quoted(tag: str) -> str:
    escaped = tag.replace("'", "''")
    return f'''"tag = '{escaped}'"'''


@click.command(
    epilog="""\b
Examples:
  findalike facets
  findalike facets color year
  findalike facets month --where "taken >= 2019" -n 50"""
)
@click.argument("columns", nargs=-1, metavar="[COLUMN]...")
@library_option
@click.option("--where", metavar="EXPR", help="Only pictures whose metadata passes.")
@click.option(
    "-n", "most", type=click.IntRange(1), default=20, show_default=True, help="Values of each column."
)
@json_option
def facets(columns: tuple[str, ...], library: str | None, where: str | None, most: int, as_json: bool) -> int:
    """Count the values of columns: how many pictures are red, of 2019, or tagged dog.

    Dates and times count by year. Where no column has the name, year and month (2019-05) are those of the
    library's date: taken, else its first column of dates. Without a COLUMN: the tags, and which columns there
    are.
    """
    with findalike.open(library, "r") as opened:
        known = countable(opened.store.columns())
        passes = where and parse_filter(where, opened.store.columns())
        there = [column for column in columns or ("tag",) if column in known]
        found = {column: opened.facets(column, where, most) for column in there}
        unknown = list(_unknown(opened, [column for column in columns if column not in known]))
        missed = unknown_tags(opened.store, passes) if passes and not any(found.values()) else {}
    if as_json:
        _print_json({name: [_count(*pair) for pair in pairs] for name, pairs in found.items()})
    else:
        _print_facets(found)
    say_missed(missed)
    if not columns and not as_json:
        say(f"Columns: {printable(', '.join(known))}. To count one: findalike facets COLUMN")
    for sentence in unknown:
        say(f"findalike: {printable(sentence)}")
    return WRONG_USAGE if unknown else DONE


def _unknown(library: Library, columns: Sequence[str]) -> Iterator[str]:
    """What is to be said of columns that are not there."""
    for column in columns:
        try:
            library.facets(column)
        except QueryError as error:
            yield str(error)


def _print_facets(found: Mapping[str, Sequence[tuple[Value, int]]]) -> None:
    for name, pairs in found.items():
        top = max((count for _, count in pairs), default=1)
        _print_bars([Bar((name, _shown(v)), count / top, f"{count:,}") for v, count in pairs])
        if not pairs:
            say(f"No picture has a value of {printable(name)}.")


def _count(value: Value, count: int) -> dict[str, Any]:
    return {"value": plain(value), "count": count}


def _shown(value: Value) -> str:
    text = plain(value)
    return printable(text) if isinstance(text, str) else json.dumps(text)


@click.command(
    epilog="""\b
Examples:
  findalike words beach
  findalike words "red car" --json"""
)
@click.argument("term", metavar="TERM")
@library_option
@json_option
def words(term: str, library: str | None, as_json: bool) -> None:
    """Show the words near TERM, and how many pictures each would find.

    First what it names, with what is broader and narrower: these are tags, and the number is that of the
    pictures tagged so. Then what means nearly the same: of a word that is no tag, the number is that of the
    pictures that a search for it would find by their looks, with a score of 0.3 or more. For a word that
    nothing knows: those that are spelled like it. Last come words that would find nothing, five at most.
    """
    with findalike.open(library, "r") as opened:
        found = opened.words(term)
    if as_json:
        _print_json([dataclasses.asdict(word) for word in found])
        return
    top = max((word.pictures for word in found), default=1) or 1
    _print_bars([_word_bar(word, top) for word in found], ("relation", "word", "pictures"))
    spelled = [word.word for word in found if word.relation == "spelled like"]
    if not found:
        say(f"Nothing here knows {printable(term)!r}, and nothing is spelled like it. {ENGLISH}")
    elif spelled:
        say(f"Nothing here knows all of {printable(term)!r}; spelled like it: {', '.join(spelled[:3])}.")


ENGLISH = "The words known here are English."


def _word_bar(word: Word, top: int) -> Bar:
    return Bar((word.relation, word.word), word.pictures / top, f"{word.pictures:,}", word.bank)


@click.command(
    epilog="""\b
Examples:
  findalike tag --vocabulary garden.txt
  findalike tag --vocabulary words.txt --name plants --min-confidence 0.6
  findalike tag --list
  findalike tag --remove garden"""
)
@library_option
@click.option("--vocabulary", metavar="FILE", help="A text file of one word or phrase a line.")
@click.option("--name", metavar="NAME", help="What to call it; else the file's name without its ending.")
@click.option(
    "--min-confidence", type=float, default=MIN_CONFIDENCE, show_default=True, metavar="C",
    help="Only tags of at least this confidence, 0.15 to 1.",
)  # fmt: skip
@click.option("--remove", metavar="NAME", help="Forget a vocabulary and its tags.")
@click.option("--list", "as_list", is_flag=True, help="List the vocabularies of the library.")
@json_option
def tag(
    library: str | None, vocabulary: str | None, name: str | None, min_confidence: float, remove: str | None,
    as_list: bool, as_json: bool,
) -> int:  # fmt: skip
    """Tag every picture with words of your own.

    A line of FILE is a word or phrase; after `name:`, or after the first comma, come other words that mean
    the same, parted by commas; lines that begin with # are passed over. Each picture is scored against each
    line, as by a search for it, and what reaches the least confidence is a tag for --where, findalike facets
    and searches. The same again replaces what was there, and costs little: run it after findalike index,
    which does not do it.

    Exits with 3 when words of the file are not known and were left out.
    """
    if sum(map(bool, (vocabulary is not None, remove is not None, as_list))) != 1:
        raise click.UsageError("give one of --vocabulary FILE, --remove NAME and --list")
    findalike.open(library, "r").close()  # never makes a library
    if as_list:
        _list(library, as_json)
        return DONE
    with findalike.open(library) as opened:
        if remove is not None:
            _report_removed(remove, opened.untag(remove), as_json)
            return DONE
        with _progress() as watch:
            done = opened.tag(vocabulary or "", name, min_confidence, watch=watch)
    _report(done, as_json)
    return SOME_FAILED if done.skipped else DONE


def _list(library: str | None, as_json: bool) -> None:
    with findalike.open(library, "r") as opened:
        banks = opened.store.banks()
        own = {each: len(banks[each].concepts) for each in vocabularies(opened.store)}
    if as_json:
        _print_json([{"name": each, "entries": count} for each, count in own.items()])
    for each, count in own.items() if not as_json else ():
        click.echo(f"{printable(each)}\t{number(count, 'entry', 'entries')}")
    if not own:
        say("The library has no vocabulary. To add one: findalike tag --vocabulary FILE")


def _report_removed(name: str, pictures: int, as_json: bool) -> None:
    if as_json:
        _print_json({"name": name, "pictures": pictures})
    else:
        click.echo(f"Forgot {printable(name)} and its tags of {number(pictures, 'picture')}.")


def _report(done: Tagged, as_json: bool) -> None:
    if as_json:
        _print_json(dataclasses.asdict(done))
    else:
        found = sorted(done.counts.items(), key=lambda pair: -pair[1])
        top = max(done.counts.values(), default=1) or 1
        _print_bars([Bar((each,), count / top, f"{count:,}") for each, count in found])
        say(f"Scored {number(done.pictures, 'picture')} against {number(len(found), 'entry', 'entries')} of "
            f"{printable(done.name)}. Pictures indexed later are not: run this again then.")  # fmt: skip
    for word, near in done.skipped.items():
        offered = f"; known are {', '.join(near)}" if near else ""
        say(f"  left out: {printable(word)!r} is not known here{offered}")


@contextmanager
def _progress() -> Iterator[Watch]:
    """A bar on a terminal, for what takes long enough to be looked at."""
    columns = (TextColumn("Scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console(True), transient=True, disable=not sys.stderr.isatty())
    task = bar.add_task("", total=None)
    with bar:
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_json(values: object) -> None:
    click.echo(json.dumps(values, ensure_ascii=False, indent=1))


def _print_bars(several: Sequence[Bar], titles: Sequence[str] = ()) -> None:
    """`titles` stand above them on a terminal."""
    if sys.stdout.isatty() and several:
        out = console()
        out.print(bars(several, out, titles))
    else:
        click.echo(lines(several), nl=False)
