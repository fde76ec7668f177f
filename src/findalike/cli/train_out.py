"""Where the result of a training goes: the options that say it, and what is refused before the work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from findalike.encode import file_card
from findalike.errors import UsageError
from findalike.present import output
from findalike.train import checkpoint

_OPTIONS = (
    click.option(
        "--out", required=True, metavar="NAME.onnx", help="The result, beside which NAME.json is its card."
    ),
    click.option("--replace", is_flag=True, help="Write over an earlier result of the same name."),
)


def out_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--out` and `--replace`, which `checked_out` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def checked_out(out: str, replace: bool, resume: bool = False) -> Path:
    """Where the result goes. Raises UsageError before the work for a place that cannot be written, and for a
    result that is there already, unless it may be replaced, or a run goes on to it."""
    target = Path(out)
    if target.suffix != ".onnx":
        raise UsageError(f"{out}: the result ends in .onnx, such as {target.stem or 'shop'}.onnx")
    output.check(target)
    there = [path.name for path in file_card.pair(target) if path.exists()]
    if there and not (replace or resume):
        go_on = ", --resume to go on with it" if checkpoint.beside(target).exists() else ""
        raise UsageError(
            f"{out}: {' and '.join(there)} of an earlier run would be lost, which a library may be using: "
            f"give another name{go_on}, or --replace to write over it"
        )
    return target
