"""`findalike search`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

import findalike
from findalike import plugins
from findalike.cli.main import DONE, NOTHING_SIMILAR
from findalike.cli.options import console, json_option, library_option, say, say_missed
from findalike.errors import QueryError
from findalike.library import Library
from findalike.present import caption, records
from findalike.query import VERIFICATIONS, Query, Term, from_json, parse_look, parse_region, to_json
from findalike.search import Hits
from findalike.search.verified import DEPTH, Watch, is_verified
from findalike.tagging import unknown_tags

DIVERSE = 0.3
"""How diverse hits are when nothing else is said: near copies give way, and the best stays first."""

PATIENCE = 1.0
"""Seconds after which a bar shows that something goes on."""

IN_A_QUERY = ("where", "k", "min_score", "include_self", "diverse", "offset", "cursor", "verify", "same")
"""Options that each stand for the field of the same name."""


def _strength(context: click.Context, option: click.Parameter, value: str) -> float:
    """The number of an option that may stand without one, and then takes what follows it for its number."""
    try:
        return float(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no number; write --diverse after the terms, or --diverse={DIVERSE}"
        ) from None


@click.command(
    epilog="""\b
Examples:
  findalike search "a dog on the beach"
  findalike search photo.jpg
  findalike search clip.mp4
  findalike search beach.jpg "with a dog" 0.5:sunset --minus crowd.jpg -k 50
  findalike search photo.jpg --focus cat --diverse
  findalike search group.jpg --face 2
  findalike search car.jpg --same color --same model
  findalike search "red car" --where "year >= 2015 and tag != 'toy'" --sheet found.png
  findalike search photo.jpg --min-score 0.85 --paths -0 | xargs -0 ls -l
  findalike search --where "taken is null" --jsonl"""
)
@click.argument("terms", nargs=-1, metavar="TERM...")
@library_option
@click.option("-k", "k", type=int, default=20, show_default=True, help="How many hits.")
@click.option("--minus", multiple=True, metavar="TERM", help="Look away from this. May be repeated.")
@click.option(
    "--where", metavar="EXPR", help="Only pictures that pass, such as \"year >= 2015 and tag = 'dog'\"."
)
@click.option(
    "--min-score", type=float, default=0.0, metavar="S", help="Only hits of at least this score, 0 to 1."
)
@click.option(
    "--region", metavar="L,T,R,B", help="The part of the picture that counts: fractions, percent or pixels."
)
@click.option("--focus", metavar="WORD", help="The thing in the picture that counts, such as cat.")
@click.option(
    "--face", type=int, metavar="N",
    help="Its face that counts, left to right: pictures of that person. See findalike faces.",
)  # fmt: skip
@click.option(
    "--diverse", callback=_strength, is_flag=False, flag_value=str(DIVERSE), default="0", metavar="[D]",
    help=f"Hits that look alike give way to others: 0 to 1, {DIVERSE} when no number is given.",
)  # fmt: skip
@click.option(
    "--verify", type=click.Choice(VERIFICATIONS),
    help="Compare the best 50 hits with the picture: those that show the same come first.",
)  # fmt: skip
@click.option(
    "--encoder", "-e", "encoders", multiple=True, metavar="NAME",
    help="The space to search in; several are fused. May be repeated.",
)  # fmt: skip
@click.option(
    "--look", metavar="WAY=W,...",
    help="What counts in looking alike, such as thing=1,colour=0.5; also layout, and encoders by name.",
)  # fmt: skip
@click.option(
    "--same", multiple=True, metavar="COLUMN",
    help="Only pictures with the value that the picture has, or is predicted to have. May be repeated.",
)  # fmt: skip
@click.option("--offset", type=int, default=0, metavar="N", help="Pass over so many hits.")
@click.option("--cursor", metavar="C", help="Go on after the page that said so.")
@click.option("--query", "query_file", metavar="FILE", help="A query in JSON; - is the standard input.")
@click.option("--show-query", is_flag=True, help="Print the query as JSON, and do not search.")
@click.option("--include-self", is_flag=True, help="Also the very picture that is searched for.")
@click.option("--exit-code", is_flag=True, help="Exit with 5 when nothing is similar.")
@json_option
@click.option("--jsonl", is_flag=True, help="Print one JSON object a line.")
@click.option("--paths", "as_paths", is_flag=True, help="Print paths alone.")
@click.option("-0", "null", is_flag=True, help="End paths with NUL instead of a new line; implies --paths.")
@click.option(
    "--sheet",
    metavar="FILE",
    help="Write a labelled contact sheet: .png, .jpg or .webp. With --verify geometric: why hits fit.",
)
@click.option("--html", metavar="FILE", help="Write a page that needs no other file.")
@click.pass_context
def search(
    context: click.Context, /, terms: tuple[str, ...], library: str | None, query_file: str | None,
    show_query: bool, exit_code: bool, sheet: str | None, html: str | None, as_json: bool, jsonl: bool,
    as_paths: bool, null: bool, **asked: Any,
) -> int:  # fmt: skip
    """Find pictures and moments of films by words, by what looks like them, or by both.

    A TERM that names a readable file is a picture or a film, `id:…` is one of the library, and all else is
    words; `text:` before words says so where they look like a path. Several terms add up; `0.5:TERM` weighs
    one. Without a TERM, --where lists what passes. With --offset or --cursor, the cursor of the next page is
    said at the end. Beside --query, each option that is given takes the place of what the query says.
    """
    if sum(map(bool, (as_json, jsonl, as_paths or null))) > 1:
        raise click.UsageError("give one of --json, --jsonl and --paths")
    if query_file is None and not (terms or asked["minus"]) and asked["where"] is None:
        raise click.UsageError("nothing to search for: name a picture, say it in words, or give --where")
    with findalike.open(library, "r") as opened:
        if query_file is None:
            query = _query(opened, terms, **asked)
        else:
            query = _changed(opened, _read(query_file), context)
        if show_query:
            click.echo(json.dumps(to_json(query), ensure_ascii=False, indent=1))
            return DONE
        with _comparing(query) as watch:
            hits = opened.search(query, watch=watch)
        _write(hits, sheet, html)
        _show(hits, bool(sheet or html), as_json, jsonl, as_paths, null)
        _remark(hits, opened, _is_given(context, "offset") or _is_given(context, "cursor"))
    return NOTHING_SIMILAR if exit_code and hits.nothing_similar else DONE


def _query(
    library: Library, terms: Sequence[str], k: int, minus: Sequence[str], where: str | None, min_score: float,
    region: str | None, focus: str | None, face: int | None, diverse: float, encoders: tuple[str, ...],
    offset: int, cursor: str | None, include_self: bool, look: str | None, verify: str | None,
    same: tuple[str, ...],
) -> Query:  # fmt: skip
    parsed = [_term(library, term) for term in terms]
    if (region, focus, face) != (None, None, None):
        parsed = _marked(library, parsed, region, focus, face)
    parsed += _away(library, minus)
    looks = () if look is None else parse_look(look)
    rest = (k, min_score, include_self, diverse, offset, cursor, looks, verify, same)
    return Query(tuple(parsed), where, _names(encoders), *rest)


def _away(library: Library, minus: Sequence[str]) -> list[Term]:
    return [replace(term, weight=-term.weight) for term in (_term(library, each) for each in minus)]


def _names(encoders: tuple[str, ...]) -> str | tuple[str, ...] | None:
    return encoders if len(encoders) > 1 else encoders[0] if encoders else None


def _term(library: Library, text: str) -> Term:
    try:
        return library.term(text)
    except QueryError as error:
        if "there is no such file" not in str(error):
            raise
        words = text.partition(":")[2] if text[:1].isdigit() else text
        raise QueryError(f"{error}. Is it a picture or words? For words: 'text:{words}'") from None


def _marked(
    library: Library, terms: Sequence[Term], region: str | None, focus: str | None, face: int | None
) -> list[Term]:
    """The terms, with region, focus and face given to the one picture among them."""
    pictures = [term for term in terms if term.kind in ("image", "asset")]
    if len(pictures) != 1:
        given = [face is not None, region is not None, True]
        options = (("--face", "a face of"), ("--region", "a part of"), ("--focus", "a thing in"))
        option, what = options[given.index(True)]
        count = f"there are {len(pictures)}" if pictures else "none is given"
        raise QueryError(f"{option} marks {what} one picture, but {count}")
    (picture,) = pictures
    box = None
    if region is not None:
        parsed = parse_region(region)
        box = parsed.resolve(*(library.size_of(picture) if parsed.unit == "pixel" else (1, 1)))
    return [replace(term, box=box, focus=focus, face=face) if term is picture else term for term in terms]


def _changed(library: Library, query: Query, context: click.Context) -> Query:
    """A query that was read, with each option that is given in place of what it says. Raises QueryError."""
    given = context.params
    changes: dict[str, Any] = {name: given[name] for name in IN_A_QUERY if _is_given(context, name)}
    if given["encoders"]:
        changes |= {"encoder": _names(given["encoders"]), "look": ()}
    if given["look"] is not None:
        changes |= {"encoder": None, "look": parse_look(given["look"])}
    if changes.keys() & {"offset", "cursor"}:
        changes = {"offset": 0, "cursor": None} | changes
    terms = [_term(library, term) for term in given["terms"]]
    if not (terms or given["minus"]):
        terms = list(query.terms)
    marks = [given[name] for name in ("region", "focus", "face")]
    if marks != [None, None, None]:
        terms = _marked(library, terms, *marks)
    return replace(query, terms=(*terms, *_away(library, given["minus"])), **changes)


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _read(name: str) -> Query:
    """The query of a file. Raises QueryError."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        values = json.loads(data)
    except OSError as error:
        raise QueryError(f"{name}: {error.strerror or error}; give a file of a query in JSON") from None
    except (ValueError, RecursionError) as error:
        raise QueryError(
            f"{name}: is no JSON ({error}); findalike search TERM --show-query prints a query"
        ) from None
    return from_json(values)


@contextmanager
def _comparing(query: Query) -> Iterator[Watch]:
    """A bar on a terminal while hits are verified, where that takes longer than a moment."""
    if not query.verify:
        yield lambda done, total: None
        return
    progress = plugins.on_use("rich.progress")
    columns = (progress.TextColumn("Comparing"), progress.BarColumn(), progress.MofNCompleteColumn())
    bar = progress.Progress(*columns, console=console(True), transient=True, disable=not sys.stderr.isatty())
    task = bar.add_task("", total=None)
    started = time.monotonic()

    def watch(done: int, total: int) -> None:
        if time.monotonic() - started > PATIENCE:
            bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield watch
    finally:
        bar.stop()


def _write(hits: Hits, sheet: str | None, html: str | None) -> None:
    if sheet:
        (hits.matches_sheet if hits.query.verify == "geometric" else hits.sheet)(sheet)
        say(f"Wrote {sheet}")
    if html:
        hits.page(html)
        say(f"Wrote {html}")


def _show(hits: Hits, written: bool, as_json: bool, jsonl: bool, as_paths: bool, null: bool) -> None:
    if as_json:
        click.echo(records.to_json(hits))
    elif jsonl:
        click.echo(records.to_jsonl(hits), nl=False)
    elif as_paths or null:
        sys.stdout.flush()
        sys.stdout.buffer.write(records.paths(hits, null))
    elif hits and not (written and not sys.stdout.isatty()):
        _table(hits)


def _table(hits: Hits) -> None:
    table = plugins.on_use("findalike.present.table")
    if sys.stdout.isatty():
        out = console()
        out.print(table.table(hits, out))
    else:
        click.echo(table.tabbed(hits), nl=False)


def _remark(hits: Hits, library: Library, paging: bool) -> None:
    """What a person should know of the answer."""
    for note in hits.notes:
        say(f"Note: {caption.printable(note)}.")
    if hits.query.verify:
        say(_verified(sum(map(is_verified, hits))))
    if not hits and hits.query.where is not None:
        passes = hits.query.filter(library.store.columns())
        say_missed(unknown_tags(library.store, passes) if passes else {})
    if hits.nothing_similar:
        say(_nothing(hits) if len(library) else "The library is empty: to fill it, findalike index FOLDER.")
    if paging:
        say(f"Next page: --cursor {hits.cursor}" if hits.cursor else "This is the last page.")


def _verified(count: int) -> str:
    if not count:
        return (
            f"Verified: none of these hits is seen to show the same (the first {DEPTH} of an answer are "
            "compared); they are in the order of their looks."
        )
    return f"Verified: {count} of these hits {'shows' if count == 1 else 'show'} the same."


def _nothing(hits: Hits) -> str:
    query = hits.query
    if not query.terms:
        return "No picture passes the filter."
    if not hits and (query.offset or query.cursor):
        return "No more hits."
    wanted = "fits the words" if all(term.kind == "text" for term in query.terms) else "is similar"
    if not hits and query.where is not None:
        return f"No picture that passes the filter {wanted}."
    if not hits:
        least = f" with a score of {query.min_score:g} or more" if query.min_score else ""
        return f"Nothing similar here{least}." if wanted == "is similar" else f"No picture {wanted}{least}."
    closest = f"{caption.score(hits[0])} ({hits[0].band})"
    if wanted == "is similar":
        return f"Nothing similar here: the closest scores {closest}."
    return (
        f"No picture fits the words: the nearest scores {closest}. To find other words: findalike words WORD"
    )
