"""`findalike search`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

import findalike
from findalike import plugins
from findalike.cli.main import DONE, NOTHING_SIMILAR
from findalike.cli.options import console, json_option, library_option, say
from findalike.errors import QueryError
from findalike.library import Library
from findalike.present import caption, records
from findalike.query import Query, Term, parse_region
from findalike.search import Hits


@click.command(
    epilog="""\b
Examples:
  findalike search photo.jpg
  findalike search red.jpg 0.5:beach.jpg --minus crowd.jpg -k 50
  findalike search photo.jpg --where "year >= 2015 and camera like '%nikon%'" --sheet found.png
  findalike search photo.jpg --min-score 0.85 --paths -0 | xargs -0 ls -l
  findalike search --where "taken is null" --jsonl"""
)
@click.argument("terms", nargs=-1, metavar="TERM...")
@library_option
@click.option("-k", "k", type=int, default=20, show_default=True, help="How many hits.")
@click.option("--minus", multiple=True, metavar="TERM", help="Look away from this. May be repeated.")
@click.option("--where", metavar="EXPR", help='Only pictures whose metadata passes, such as "year >= 2015".')
@click.option(
    "--min-score", type=float, default=0.0, metavar="S", help="Only hits of at least this score, 0 to 1."
)
@click.option(
    "--region", metavar="L,T,R,B", help="The part of the picture that counts: fractions, percent or pixels."
)
@click.option("--encoder", "-e", metavar="NAME", help="The space to search in, if the library has several.")
@click.option("--include-self", is_flag=True, help="Also the very picture that is searched for.")
@click.option("--exit-code", is_flag=True, help="Exit with 5 when nothing is similar.")
@json_option
@click.option("--jsonl", is_flag=True, help="Print one JSON object a line.")
@click.option("--paths", "as_paths", is_flag=True, help="Print paths alone.")
@click.option("-0", "null", is_flag=True, help="End paths with NUL instead of a new line; implies --paths.")
@click.option("--sheet", metavar="FILE", help="Write a labelled contact sheet: .png, .jpg or .webp.")
@click.option("--html", metavar="FILE", help="Write a page that needs no other file.")
def search(
    terms: tuple[str, ...], library: str | None, k: int, minus: tuple[str, ...], where: str | None,
    min_score: float, region: str | None, encoder: str | None, include_self: bool, exit_code: bool,
    sheet: str | None, html: str | None, **forms: Any,
) -> int:  # fmt: skip
    """Find pictures that look like the given ones.

    A TERM that names a readable file is a picture, and `id:…` is one of the library. Several terms add up;
    `0.5:TERM` weighs one. Without a TERM, --where lists what passes.
    """
    if sum(map(bool, (forms["as_json"], forms["jsonl"], forms["as_paths"] or forms["null"]))) > 1:
        raise click.UsageError("give one of --json, --jsonl and --paths")
    if not (terms or minus) and where is None:
        raise click.UsageError("nothing to search for: name a picture, or give --where")
    with findalike.open(library, "r") as opened:
        parsed = [opened.term(term) for term in terms] + [_negative(opened.term(term)) for term in minus]
        if region:
            parsed = [_with_region(opened, parsed, region)]
        hits = opened.search(Query(tuple(parsed), where, encoder, k, min_score, include_self))
        if sheet:
            hits.sheet(sheet)
            say(f"Wrote {sheet}")
        if html:
            hits.page(html)
            say(f"Wrote {html}")
        _show(hits, bool(sheet or html), **forms)
        if hits.nothing_similar:
            say(
                _nothing(hits) if len(opened) else "The library is empty: to fill it, findalike index FOLDER."
            )
    return NOTHING_SIMILAR if exit_code and hits.nothing_similar else DONE


def _negative(term: Term) -> Term:
    return replace(term, weight=-term.weight)


def _with_region(library: Library, terms: Sequence[Term], region: str) -> Term:
    if len(terms) != 1:
        raise QueryError(f"--region marks a part of one picture, but there are {len(terms)} terms")
    parsed = parse_region(region)
    size = library.size_of(terms[0]) if parsed.unit == "pixel" else (1, 1)
    return replace(terms[0], box=parsed.resolve(*size))


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


def _nothing(hits: Hits) -> str:
    if not hits.query.terms:
        return "No picture passes the filter."
    if not hits and hits.query.where is not None:
        return "No picture that passes the filter is similar."
    if not hits:
        least = f" with a score of {hits.query.min_score:g} or more" if hits.query.min_score else ""
        return f"Nothing similar here{least}."
    return f"Nothing similar here: the closest scores {caption.score(hits[0])} ({hits[0].band})."
