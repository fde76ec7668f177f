"""Options and output that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

library_option = click.option(
    "--library",
    "-l",
    metavar="PLACE",
    help="The folder of the library, or its address (milvus://host:port/name, s3://bucket/prefix). Else "
    "FINDALIKE_LIBRARY, else the platform's data folder.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class ListFirst(click.Group):
    """A group of commands of which `list` stands when none is named."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in context.help_option_names):
            args = ["list", *args]
        return super().parse_args(context, args)


def console(stderr: bool = False) -> Any:
    """A rich console on stdout or stderr, coloured only on a terminal."""
    from rich.console import Console

    return Console(
        stderr=stderr, highlight=False, soft_wrap=not (sys.stderr if stderr else sys.stdout).isatty()
    )


def say(text: str) -> None:
    """A sentence for a person, on stderr."""
    click.echo(text, err=True)


def say_missed(tags: Mapping[str, Sequence[str]]) -> None:
    """Of tags that no picture has, that they are none, and those that are spelled like them."""
    for tag, near in tags.items():
        offered = f"; spelled like it: {', '.join(near)}" if near else ""
        say(f"Note: no picture has the tag {tag!r}{offered}.")


def number(count: int, noun: str, plural: str = "") -> str:
    """`1 picture`, `2,000 pictures`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
