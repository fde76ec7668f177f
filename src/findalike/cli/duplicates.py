"""`findalike duplicates` and what it can do: list, move, link, delete, undo, purge, deny."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import findalike
from findalike.cli.main import DONE, SOME_FAILED
from findalike.cli.options import ListFirst, console, json_option, library_option, number, say
from findalike.duplicates import LEVELS, NAMES, Action, Found, Group, Level, Member, Outcome, Stage, Watch
from findalike.errors import UsageError
from findalike.library import Library
from findalike.present import group_sheet
from findalike.present.caption import plain, printable

_STAGES: dict[Stage, str] = {
    "reading": "Reading",
    "pairing": "Pairing",
    "comparing": "Comparing",
    "grouping": "Grouping",
}
_DID = {"delete": "moved to the trash", "move": "moved", "link": "linked to the one to keep"}
SHOWN = 20


@click.group(
    cls=ListFirst,
    epilog="""\b
Examples:
  findalike duplicates
  findalike duplicates list --level exact --sheet sheets
  findalike duplicates delete --dry-run
  findalike duplicates move ~/doubtful --level copies --prefer ~/Pictures/originals
  findalike duplicates undo
  findalike duplicates deny id:3f2a90c1d4e5b677 id:9b1c22e07d5f4a68""",
)
def duplicates() -> None:
    """Find pictures that are there more than once, and clean up. Without a command: list.

    Each group has one picture to keep, and says how each other repeats it. Nothing is touched before it is
    shown and agreed to, each action writes a log that undo takes back, and what is deleted lies in a trash
    until it is purged.
    """


def _chosen(default: Level) -> Callable[[Any], Any]:
    """The options that say which groups."""

    def decorate(command: Any) -> Any:
        for option in (
            click.option("--prefer", multiple=True, metavar="FOLDER",
                         help="Of two that are as good, keep the one in this folder. May be repeated."),
            click.option("--level", type=click.Choice(list(LEVELS)), default=default, show_default=True,
                         help="Same bytes or pixels; also copies; also pictures that look nearly alike."),
            library_option,
        ):  # fmt: skip
            command = option(command)
        return command

    return decorate


def _acting(command: Any) -> Any:
    """The options of what changes files."""
    command = click.option("--yes", "-y", is_flag=True, help="Do not ask.")(command)
    return click.option("--dry-run", is_flag=True, help="Only say what would be done.")(command)


@duplicates.command("list")
@click.argument("what", nargs=-1, metavar="[PATH|id:…]...")
@_chosen("copies")
@json_option
@click.option("--sheet", metavar="DIR", help="Draw a contact sheet of each group into this folder.")
def list_(
    what: tuple[str, ...], library: str | None, level: Level, prefer: tuple[str, ...], as_json: bool,
    sheet: str | None,
) -> None:  # fmt: skip
    """List the groups, those that free most first; with paths or ids, those that hold any of them."""
    with findalike.open(library, "r") as opened:
        found = _find(opened, what, level, prefer)
        if as_json:
            click.echo(json.dumps(_record(opened, found), ensure_ascii=False, indent=1))
        else:
            _show(found.groups)
        if sheet is not None:
            drawn = group_sheet.draw_all([_tiles(g) for g in found.groups], opened.store.thumbnails, sheet)
            say(f"{number(drawn, 'contact sheet')} in {sheet}")


@duplicates.command()
@click.argument("folder", metavar="FOLDER")
@click.argument("what", nargs=-1, metavar="[PATH|id:…]...")
@_chosen("exact")
@_acting
def move(folder: str, what: tuple[str, ...], **options: Any) -> int:
    """Move all but the picture to keep of each group to a folder, where you can look through them."""
    return _act("move", what, folder=folder, **options)


@duplicates.command()
@click.argument("what", nargs=-1, metavar="[PATH|id:…]...")
@_chosen("exact")
@_acting
def link(what: tuple[str, ...], **options: Any) -> int:
    """Make files of the same bytes hard links to the one to keep: every name stays, the space comes free.

    Changing one of them then changes all.
    """
    return _act("link", what, **options)


@duplicates.command()
@click.argument("what", nargs=-1, metavar="[PATH|id:…]...")
@_chosen("exact")
@_acting
def delete(what: tuple[str, ...], **options: Any) -> int:
    """Put all but the picture to keep of each group in the trash. The space comes free with purge."""
    return _act("delete", what, **options)


@duplicates.command()
@click.argument("log", required=False, metavar="[LOG]")
@library_option
def undo(log: str | None, library: str | None) -> int:
    """Take back the last action that was not, or that of a log."""
    findalike.open(library, "r").close()  # never makes a library
    with findalike.open(library) as opened:
        return _tell(opened.undo(log), "brought back")


@duplicates.command()
@click.argument("log", required=False, metavar="[LOG]")
@library_option
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def purge(log: str | None, library: str | None, yes: bool) -> int:
    """Empty the trash: delete for good what delete put there, by one log or all."""
    findalike.open(library, "r").close()
    with findalike.open(library) as opened:
        if not _agreed("Delete for good what lies in the trash? This cannot be undone.", yes):
            return DONE
        return _tell(opened.purge(log), "deleted for good")


@duplicates.command()
@click.argument("what", nargs=-1, metavar="PATH|id:…...")
@library_option
@click.option("--take-back", is_flag=True, help="Forget what was said of any of these.")
def deny(what: tuple[str, ...], library: str | None, take_back: bool) -> None:
    """Remember that no two of these pictures are duplicates. They are never grouped again."""
    findalike.open(library, "r").close()
    with findalike.open(library) as opened:
        count = opened.not_duplicates(*what, take_back=take_back)
    if take_back:
        click.echo(f"Forgot {number(count, 'word')} about them." if count else "Nothing was said of them.")
    else:
        click.echo(f"Remembered: no two of these {count} are duplicates.")


# Finding and showing


def _find(opened: Library, what: Sequence[str], level: Level, prefer: Sequence[str]) -> Found:
    with _bars() as watch:
        found = opened.find_duplicates(*what, level=level, prefer=prefer, watch=watch)
    if found.lacks_layout and level != "exact":
        say("Note: this library does not know the layout of its pictures, so some turned or mirrored copies "
            "are missed. To add it, run findalike index on its folders again.")  # fmt: skip
    if found.left_out:
        say(f"Note: {number(found.left_out, 'less likely pair')} of pictures were not looked at.")
    return found


def _show(groups: Sequence[Group]) -> None:
    for place, group in enumerate(groups, 1):
        click.echo(
            f"{place}. {NAMES[group.kind]}, {number(len(group), 'picture')}, "
            f"{_size(group.reclaimable)} to free"
        )
        click.echo(f"   keep  {_facts(group.keeper)}")
        for member in group.members:
            click.echo(f"         {_facts(member.asset)}  {_why(member)}")
    click.echo(_summary(groups))


def _summary(groups: Sequence[Group]) -> str:
    if not groups:
        return "No duplicates."
    members = sum(len(group.members) for group in groups)
    free = _size(sum(group.reclaimable for group in groups))
    return f"{number(len(groups), 'group')}, {number(members, 'picture')} too many, {free} to free."


def _facts(asset: findalike.Asset) -> str:
    return f"{printable(asset.uri)}  {_pixels(asset)}{_size(asset.size)}"


def _pixels(asset: findalike.Asset) -> str:
    width, height = asset.metadata.get("width"), asset.metadata.get("height")
    return f"{width} × {height}  " if width and height else ""


def _why(member: Member) -> str:
    return f"{member.reason} ({member.note})" if member.note else member.reason


def _size(count: int) -> str:
    size, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):  # noqa: B007
        if size < 1024:
            break
        size /= 1024
    else:
        unit = "TiB"
    return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"


def _record(opened: Library, found: Found) -> dict[str, Any]:
    return {
        "groups": [
            {
                "kind": group.kind,
                "reclaimable": group.reclaimable,
                "keeper": _asset(group.keeper),
                "members": [
                    {
                        **_asset(m.asset),
                        "kind": m.kind,
                        "score": round(m.score, 4),
                        "changes": list(m.changes),
                        "reclaimable": m.reclaimable,
                        "note": m.note,
                    }
                    for m in group.members
                ],
            }
            for group in found.groups
        ],
        "reclaimable": sum(group.reclaimable for group in found.groups),
        "left_out": found.left_out,
        "not_duplicates": [list(denial.ids) for denial in opened.denials().all],
    }


def _asset(asset: findalike.Asset) -> dict[str, Any]:
    return {
        "path": asset.uri,
        "asset": asset.id,
        "size": asset.size,
        "sha256": asset.sha256,
        "width": asset.metadata.get("width"),
        "height": asset.metadata.get("height"),
        "modified": plain(asset.modified),
    }


def _tiles(group: Group) -> list[group_sheet.Tile]:
    keeper = group_sheet.Tile(group.keeper.id, group.keeper.uri, _line(group.keeper), "keep", True)
    return [
        keeper,
        *(group_sheet.Tile(m.asset.id, m.asset.uri, _line(m.asset), _why(m)) for m in group.members),
    ]


def _line(asset: findalike.Asset) -> str:
    return f"{_pixels(asset)}{_size(asset.size)}"


# Acting


def _act(
    action: Action, what: Sequence[str], library: str | None, level: Level, prefer: Sequence[str],
    dry_run: bool, yes: bool, folder: str | None = None,
) -> int:  # fmt: skip
    if level == "alike":
        raise UsageError(
            "look-alikes are other pictures, so nothing is done to them; use --level exact or copies"
        )
    findalike.open(library, "r").close()  # never makes a library
    with findalike.open(library) as opened:
        groups = _find(opened, what, level, prefer).groups
        plan = opened.reclaim(groups, action, folder, dry=True)
        _show_plan(plan)
        files = number(len(plan.done), "file")
        if not plan.done or dry_run:
            say(
                f"{files} would be {_DID[action]}, {_size(plan.bytes)} in all."
                if plan.done
                else "Nothing to do."
            )
            return DONE
        if not _agreed(f"{files}, {_size(plan.bytes)}: to be {_DID[action]}?", yes):
            return DONE
        with _bars() as watch:
            outcome = opened.reclaim(
                groups, action, folder, tick=lambda n, total: watch("comparing", n, total)
            )
        return _tell(outcome, _DID[action])


def _agreed(question: str, yes: bool) -> bool:
    """Ask; where nobody can answer, nothing is done."""
    if yes:
        return True
    if not sys.stdin.isatty():
        say(f"{question} Nothing was done; to do it without being asked, add --yes.")
        return False
    if click.confirm(question, err=True):
        return True
    say("Nothing was done.")
    return False


def _show_plan(plan: Outcome) -> None:
    for uri in plan.done[:SHOWN]:
        say(f"  {printable(uri)}")
    if len(plan.done) > SHOWN:
        say(f"  and {len(plan.done) - SHOWN:,} more")
    for refusal in plan.refused[:SHOWN]:
        say(f"  left: {printable(refusal.uri)}: {refusal.why}")


def _tell(outcome: Outcome, did: str) -> int:
    freed = f", {_size(outcome.bytes)}" if outcome.bytes else ""
    click.echo(f"{number(len(outcome.done), 'file')} {did}{freed}.")
    for refusal in outcome.refused:
        say(f"  left: {printable(refusal.uri)}: {printable(refusal.why)}")
    if outcome.log and outcome.done and did in _DID.values():
        say(f"To take it back: findalike duplicates undo {Path(outcome.log)}")
    return SOME_FAILED if outcome.refused else DONE


@contextmanager
def _bars() -> Iterator[Watch]:
    """A bar on a terminal, nothing elsewhere."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console(stderr=True), transient=True, disable=not sys.stderr.isatty(),
    )  # fmt: skip
    with bar:
        task = bar.add_task("Looking", total=None)

        def watch(stage: Stage, done: int, total: int) -> None:
            bar.update(task, description=_STAGES[stage], completed=done, total=total)

        yield watch
