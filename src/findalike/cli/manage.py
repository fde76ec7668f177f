"""`findalike info`, `doctor`, `remove`, `optimize`, `encoders` and `completion`."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
from click.shell_completion import get_completion_class

import findalike
from findalike import plugins
from findalike.cli.main import DONE, FAILED
from findalike.cli.main import findalike as program
from findalike.cli.options import json_option, library_option, number, say
from findalike.encode import catalog
from findalike.encode import file as pairs
from findalike.errors import LibraryError
from findalike.library import Info
from findalike.present.caption import printable
from findalike.types import Asset, Card


@click.command()
@library_option
@click.option("--failures", is_flag=True, help="List the files that could not be used.")
@json_option
def info(library: str | None, failures: bool, as_json: bool) -> None:
    """Show what a library holds."""
    with findalike.open(library, "r") as opened:
        found = opened.info()
    if as_json:
        click.echo(json.dumps(_record(found), ensure_ascii=False, indent=1))
    elif failures:
        for failure in found.failures:
            click.echo(f"{printable(failure.uri)}\t{failure.stage}\t{printable(failure.error)}")
    else:
        click.echo("\n".join(_lines(found)))


def _lines(found: Info) -> list[str]:
    lines = [
        f"library   {found.path}",
        f"pictures  {found.pictures:,}",
        f"failures  {len(found.failures):,}" + (" (findalike info --failures)" if found.failures else ""),
    ]
    if found.bytes:
        lines.append(f"on disk   {found.bytes / 2**20:,.1f} MiB")
    for space, status in found.spaces.items():
        due = f"; {status.due} is due: findalike optimize" if status.due else ""
        lines.append(f"space     {space}: {number(status.rows, 'row')}, {status.index} index{due}")
        if space in found.trained:
            lines.append(f"          {printable(_training(found.trained[space]))}")
    columns = ", ".join(f"{name} ({kind})" for name, kind in found.columns.items())
    return [*lines, f"columns   {printable(columns)}"]


def _training(said: Mapping[str, Any]) -> str:
    """What a card says of the training of its encoder, in a line."""
    if "problem" in said:
        return f"of which nothing can be told: {said['problem']}"
    how = ", ".join(str(said[name]) for name in ("what", "loss") if isinstance(said.get(name), str))
    pictures = f" on {number(said['pictures'], 'picture')}" if said.get("pictures") else ""
    line = f"trained{pictures}{f' ({how})' if how else ''}"
    if all(isinstance(said.get(name), int | float) for name in ("before", "after")):
        line += f": {_measure(said)} {said['before']:.3f} before, {said['after']:.3f} after"
    return line


def _measure(said: Mapping[str, Any]) -> str:
    """What `before` and `after` of a card are of."""
    measure = said.get("measure")
    first = measure[0] if isinstance(measure, list) and measure else measure
    name = first.get("metric") if isinstance(first, Mapping) else first
    return name if isinstance(name, str) else "the measure"


def _record(found: Info) -> dict[str, Any]:
    return {
        **{name: getattr(found, name) for name in ("path", "pictures", "bytes")},
        "failures": [{"uri": f.uri, "stage": f.stage, "error": f.error} for f in found.failures],
        "spaces": {space: dataclasses.asdict(status) for space, status in found.spaces.items()},
        "cards": [dataclasses.asdict(card) for card in found.cards],
        "columns": dict(found.columns),
        "trained": {space: dict(said) for space, said in found.trained.items()},
    }


@click.command()
@library_option
@click.option("--repair", is_flag=True, help="Mend what can be mended. Never removes a picture.")
@json_option
def doctor(library: str | None, repair: bool, as_json: bool) -> int:
    """Check a library: its manifest, cards, rows, thumbnails, index, and whether the files are still there.

    Exits with 1 when something is wrong and was not repaired.
    """
    try:
        with findalike.open(library, "a" if repair else "r") as opened:
            mended = opened.repair(say) if repair else []
            problems = opened.check()
    except LibraryError as error:
        if "findalike doctor" not in str(error):
            raise
        raise LibraryError(_beyond_repair(error)) from error
    if as_json:
        both = {"mended": mended, "problems": problems}
        click.echo(json.dumps({k: [dataclasses.asdict(p) for p in v] for k, v in both.items()}, indent=1))
    else:
        for problem in mended:
            click.echo(f"mended: {problem.kind}: {problem.count:,} {problem.detail}")
        for problem in problems:
            how = " (findalike doctor --repair)" if problem.repairable else ""
            click.echo(f"{problem.kind}: {problem.count:,} {problem.detail}{how}")
        if not problems:
            click.echo("All is well.")
    return FAILED if problems else DONE


def _beyond_repair(error: LibraryError) -> str:
    what = str(error.__cause__ or error).splitlines()[0]
    return (
        f"the library is damaged and cannot be mended ({what}). Pictures are never in it, so none is lost: "
        "make another with findalike index FOLDER --library NEW, or put back a copy of this one"
    )


@click.command(
    epilog="""\b
Examples:
  findalike remove ~/Pictures/old
  findalike remove --missing --dry-run
  findalike remove --where "folder like '%/tmp%'"
  findalike remove --encoder file:shop.onnx"""
)
@click.argument("what", nargs=-1, metavar="[PATH|id:…]...")
@library_option
@click.option("--where", metavar="EXPR", help="Those whose metadata passes.")
@click.option("--missing", is_flag=True, help="Those whose file is gone.")
@click.option("--encoder", metavar="NAME", help="Instead of pictures: an encoder, with all its vectors.")
@click.option("--dry-run", is_flag=True, help="Only list them.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def remove(
    what: tuple[str, ...], library: str | None, where: str | None, missing: bool, encoder: str | None,
    dry_run: bool, yes: bool,
) -> None:  # fmt: skip
    """Forget pictures: by path (a folder stands for all in it) or id; of those, or of all, only what passes
    --where and, with --missing, what has no file any more. Files are never touched."""
    if encoder and (what or where or missing or dry_run):
        raise click.UsageError("--encoder stands alone: it forgets vectors, and no picture")
    if not (what or where or missing or encoder):
        raise click.UsageError("nothing to remove: give a path, id:…, --where, --missing or --encoder")
    findalike.open(library, "r").close()  # never makes a library
    with findalike.open(library) as opened:
        if encoder:
            click.echo(f"Forgot {printable(opened.remove_encoder(encoder))}. The pictures stay.")
            return
        chosen = opened.remove(*what, where=where, missing=missing, dry_run=True)
        pictures = number(len(chosen), "picture")
        _list(chosen)
        if not chosen or dry_run:
            say(f"{pictures} would be forgotten." if chosen else "Nothing to remove.")
        elif not yes and not sys.stdin.isatty():
            raise click.UsageError(f"to forget {pictures} without being asked, add --yes")
        elif yes or click.confirm(f"Forget {pictures}?", err=True):
            opened.remove(*[f"id:{asset.id}" for asset in chosen])
            click.echo(f"Forgot {pictures}. No file was touched.")
        else:
            say("Nothing was removed.")


def _list(chosen: Sequence[Asset], most: int = 20) -> None:
    for asset in chosen[:most]:
        say(f"  {printable(asset.uri)}")
    if len(chosen) > most:
        say(f"  and {len(chosen) - most:,} more")


@click.command()
@library_option
def optimize(library: str | None) -> None:
    """Compact a library and build the index that its size calls for. Searches go on meanwhile."""
    findalike.open(library, "r").close()  # never makes a library
    with findalike.open(library) as opened:
        opened.optimize(say)
        for space, status in opened.store.status().items():
            click.echo(f"{space}: {number(status.rows, 'row')}, {status.index} index")


@click.command(
    epilog="""\b
Examples:
  findalike encoders
  findalike encoders file:head.onnx"""
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
def encoders(names: tuple[str, ...], as_json: bool) -> None:
    """List the encoders that are installed, and the families that files of your own can be of.

    A name stands for the first precision listed. Those marked words also read texts; for the others, words
    are looked up in what pictures were seen to show. With NAMEs only these, looked into: of a trained
    encoder also what its card says of the training.
    """
    cards = [catalog.find(name) for name in names] or list(catalog.cards())
    training = {card.space: pairs.training(card) for card in cards if pairs.is_trained(card)}
    if as_json:
        click.echo(json.dumps([_described(card, training.get(card.space)) for card in cards], indent=1))
        return
    for card in cards:
        words = "words" if catalog.reads_words(card) else ""
        kind = f"{card.name:20} {card.precision:8} {card.dim:5} numbers"
        click.echo(f"{kind}  {words:5}  {card.licence:11} {printable(card.source)}")
        if card.space in training:
            click.echo(f"{'':20} {printable(_training(training[card.space]))}")
    if not names:
        _list_families()


def _described(card: Card, training: Mapping[str, Any] | None) -> dict[str, Any]:
    found = {**dataclasses.asdict(card), "words": catalog.reads_words(card)}
    return found if training is None else {**found, "trained": training}


def _list_families() -> None:
    for family in plugins.names(catalog.FAMILIES):
        words = "words" if plugins.load(catalog.FAMILIES, family).load_text else ""
        click.echo(f"{FAMILIES.get(family, family + ':PATH'):46} {words:5}  {_what(family)}")


FAMILIES = {
    "bow": "bow:NAME, after findalike learn-vocabulary",
    "clip": "clip:FOLDER or clip:OWNER/NAME",
    "faces": "faces:onnx:FILE, with findalike[faces]",
    "file": "file:NAME.onnx, from findalike train",
    "onnx": "onnx:FILE, onnx:FOLDER or onnx:OWNER/NAME",
    "vlad": "vlad:NAME, after findalike learn-vocabulary",
    "whitened": "whitened:NAME, after findalike learn-whitening",
}


def _what(family: str) -> str:
    """What the module of a family says of itself first."""
    module = sys.modules[plugins.load(catalog.FAMILIES, family).load.__module__]
    return re.split(r"[:.]\s", " ".join((module.__doc__ or "").split()))[0]


@click.command(
    epilog="""\b
Examples:
  findalike completion bash > ~/.local/share/bash-completion/completions/findalike
  findalike completion zsh  > ~/.zfunc/_findalike
  findalike completion fish > ~/.config/fish/completions/findalike.fish"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(program, {}, "findalike", "_FINDALIKE_COMPLETE").source())
