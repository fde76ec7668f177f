"""Who owns a value of a picture's metadata: a person or a table, a prediction, or the pixels.

A value that was predicted stands in its column, and how sure it is, from 0 to 1, in a column beside it:
`color` and `color_confidence`. One without a confidence is a person's, a table's or the file's own. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from findalike.types import Metadata, Value

_CONFIDENCE = "_confidence"


def confidence_column(column: str) -> str:
    """The column that says how sure the predicted values of another are."""
    return column + _CONFIDENCE


def confidence(metadata: Metadata, column: str) -> float | None:
    """How sure a predicted value is; None for one that is a person's, and where there is none."""
    found = metadata.get(confidence_column(column))
    return float(found) if isinstance(found, int | float) and metadata.get(column) is not None else None


def stated(before: Metadata, given: Metadata) -> dict[str, Value]:
    """The whole metadata after a person gave these values: None takes one away. A column that is given is no
    longer predicted, unless its confidence is given too."""
    over = {confidence_column(name): None for name in given if confidence_column(name) in before}
    return {**before, **over, **given}


def told(before: Metadata, brought: Metadata, given: Collection[str] = ()) -> dict[str, Value]:
    """The same for a table. An empty cell takes away what an earlier table said, but neither a prediction nor
    what a person gave, in these columns."""
    empty = [name for name, value in brought.items() if value is None]
    silent = [name for name in empty if name in given or confidence(before, name) is not None]
    return stated(before, without(brought, silent))


def without_predictions(metadata: Metadata) -> dict[str, Value]:
    """The metadata without what was predicted: of a picture whose pixels are others now."""
    guessed = [name for name in metadata if confidence(metadata, name) is not None]
    gone = {*guessed, *map(confidence_column, guessed)}
    return {name: value for name, value in metadata.items() if name not in gone}


def without(metadata: Metadata, names: Iterable[str]) -> dict[str, Value]:
    gone = set(names)
    return {name: value for name, value in metadata.items() if name not in gone}
