"""Write the parts of the documentation that follow from the program: `python docs/generate.py` (`make docs`).

Such a part stands between `<!-- generated: NAME -->` and `<!-- end -->` in any page; NAME is one of `BLOCKS`.
`docs/check.py` fails when one is out of date.
"""

from __future__ import annotations

import html
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click

from findalike import errors
from findalike.cli.main import code_of
from findalike.cli.main import findalike as program
from findalike.encode import calibration, catalog
from findalike.settings import Settings
from findalike.web.problems import PROBLEMS, RETRY

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
KEY = re.compile(r"<dt>(.*?)</dt><dd>(.*?)</dd>", re.DOTALL)


def main() -> None:
    for page in pages(ROOT):
        old = page.read_text("utf-8")
        new = filled(old, ROOT)
        if new != old:
            page.write_text(new, "utf-8")
            print(f"wrote {page.relative_to(ROOT)}")


def pages(root: Path) -> list[Path]:
    """Every page of the documentation: those at the top, and those in docs/."""
    return sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])


def filled(text: str, root: Path) -> str:
    """The text of a page with its generated parts as they ought to be. An unknown name stays as it is."""

    def made(found: re.Match[str]) -> str:
        begin, name, _, end = found.groups()
        return f"{begin}\n{BLOCKS[name](root)}\n{end}" if name in BLOCKS else found[0]

    return BLOCK.sub(made, text)


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


# The command line


def commands(root: Path) -> str:
    group = click.Context(program, info_name="findalike", **program.context_settings)
    parts = [_command(program, group, "findalike")]
    for name in program.list_commands(group):
        command = program.get_command(group, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=group)
        parts.append(_command(command, context, f"findalike {name}"))
        for under, each in _below(command, context):
            below = click.Context(each, info_name=under, parent=context)
            parts.append(_command(each, below, f"findalike {name} {under}"))
    return "\n".join(parts)


def _below(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """The commands of a command that is a group, also of one that imports them when they are used."""
    for name in command.list_commands(context) if isinstance(command, click.Group) else ():
        if found := command.get_command(context, name):
            yield name, found


def _command(command: click.Command, context: click.Context, title: str) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    records = [p.get_help_record(context) for p in command.get_params(context) if isinstance(p, click.Option)]
    options = [[f"`{names}`", words] for names, words in filter(None, records)]
    help_ = inspect.cleandoc(command.help or "")
    examples = [line for line in (command.epilog or "").splitlines() if line.startswith("  ")]
    shown = f"\n```sh\n{textwrap.dedent(chr(10).join(examples))}\n```\n" if examples else ""
    return f"## {title}\n\n    {title} {usage}\n\n{help_}\n\n{table(['option', ''], options)}{shown}"


# Settings, errors, encoders, scores


def settings_(root: Path) -> str:
    rows = []
    for each in fields(Settings):
        default = f"`{each.default}`" if isinstance(each.default, str | int) else "see below"
        rows.append([f"`{each.name}`", f"`FINDALIKE_{each.name.upper()}`", default])
    return table(["setting", "variable", "default"], rows)


def errors_(root: Path) -> str:
    """The tree of the module's docstring, and each class with the exit code that it ends in."""
    tree = textwrap.dedent((errors.__doc__ or "").split("\n\n")[1])
    rows = []
    for error in below(errors.FindalikeError):
        words = " ".join((error.__doc__ or "").split())
        rows.append([f"`{error.__name__}`", words, str(code_of(error("")))])
    return f"```\n{tree}\n```\n\n{table(['error', 'raised for', 'exit code'], rows)}"


def below(error: type[errors.FindalikeError]) -> Iterator[type[errors.FindalikeError]]:
    yield error
    for child in error.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from below(child)


def cards(root: Path) -> str:
    rows = []
    for card in catalog.cards():
        side = str(card.preprocessing.get("side", ""))
        numbers = f"{card.dim}, {card.dtype}"
        rows.append(
            [f"`{card.space}`", card.precision, side, numbers, card.metric, card.licence, card.source]
        )
    digests = {card.name: card.sha256 for card in catalog.cards() if card.sha256}
    listed = "".join(f"- `{name}`: `{digest}`\n" for name, digest in digests.items())
    head = ["space", "precision", "input side", "numbers", "metric", "licence", "source"]
    return f"{table(head, rows)}\nSHA-256 of the weights, checked before they are read:\n\n{listed}"


def bands(root: Path) -> str:
    """From which similarity on each band begins, in each space that was calibrated."""
    least = [(score, name) for score, name in reversed(calibration.BANDS[:-1])]
    rows = []
    for space, points in calibration.measured().items():
        begins = {score: f"{similarity:.3f}" for similarity, score in points}
        rows.append([f"`{space}`", *(begins[score] for score, _ in least)])
    return table(["space", *(f"{name}, {score:.2f}" for score, name in least)], rows)


# The server


def problems(root: Path) -> str:
    """The codes of problems, by their status."""
    rows = [
        [f"`{code}`", str(status), title, f"after {RETRY[code]} s" if code in RETRY else ""]
        for code, (status, title) in PROBLEMS.items()
    ]
    return table(["code", "status", "meaning", "try again"], rows)


def keys(root: Path) -> str:
    """The keys of the page, as its own help tells them."""
    page = (root / "src" / "findalike" / "web" / "static" / "index.html").read_text("utf-8")
    rows = [
        [" ".join(f"`{html.unescape(key)}`" for key in re.findall("<kbd>(.*?)</kbd>", pressed)), does]
        for pressed, does in KEY.findall(page)
    ]
    return table(["key", ""], rows)


# Decisions


def decisions(root: Path) -> str:
    lines = []
    for path in sorted((root / "docs" / "decisions").glob("*.md")):
        if path.name != "README.md":
            title = path.read_text("utf-8").splitlines()[0].removeprefix("#").strip()
            lines.append(f"- [{path.stem}]({path.name}): {title}\n")
    return "".join(lines)


BLOCKS = {
    "commands": commands,
    "settings": settings_,
    "errors": errors_,
    "cards": cards,
    "bands": bands,
    "problems": problems,
    "keys": keys,
    "decisions": decisions,
}

if __name__ == "__main__":
    main()
