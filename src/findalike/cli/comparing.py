"""What `findalike eval --compare` asks for: which encoders are held against which."""

from __future__ import annotations

from collections.abc import Sequence

import click

from findalike.encode import catalog
from findalike.errors import UsageError
from findalike.evaluate import compare
from findalike.evaluate.results import BETTER, Report
from findalike.types import Card


def check(compared: Sequence[str], distances: Sequence[str], exit_code: bool) -> None:
    """Refuse what does not go together."""
    if compared and (len(distances) > 1 or "all" in distances):
        raise click.UsageError("--compare holds encoders against each other: give one --distance, or none")
    if exit_code and not compared:
        raise click.UsageError("--exit-code tells whether what --compare names is better; name something")


def start(held: Sequence[Card]) -> tuple[str, ...]:
    """What the first of them was trained on, where its card says so."""
    found = compare.start(held[0]) if held else None
    return (found,) if found else ()


def to_index(compared: Sequence[str]) -> list[str]:
    """What a PATH is indexed with for them: of a head the encoder that looks at the pictures, else itself.
    Raises UsageError, EncoderError."""
    roots = {name: compare.root(catalog.find(name)) for name in compared}
    return [compare.name(root) if root else name for name, root in roots.items()]


def beside(first: Sequence[Card], held: Sequence[Card]) -> list[Card]:
    """The cards to judge, the start first. Raises UsageError for an encoder that is compared with itself."""
    if held and first[0].space in {card.space for card in held}:
        raise UsageError(
            f"{first[0].space} would be compared with itself; name what it is held against: --encoder NAME"
        )
    return list({card.space: card for card in (*first, *held)}.values())


def all_better(report: Report) -> bool:
    """Whether there are verdicts, and every one is that of a better encoder."""
    several = [each.outcome for found in report.evaluations for each in found.verdicts]
    return bool(several) and set(several) == {BETTER}
