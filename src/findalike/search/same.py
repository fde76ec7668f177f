"""Hits that have the value of an attribute that the query picture has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from findalike.ownership import confidence
from findalike.present.caption import ATTRIBUTES
from findalike.query import And, Compare, Filter, Literal_
from findalike.types import Asset, Hit, Reason

CERTAIN = 0.6
"""How sure a predicted value of the query is when nothing is said of it."""


@dataclass(frozen=True, slots=True)
class Same:
    """An attribute to respect: its column, the value of the query picture, which is called `picture`, and how
    sure that is, None where a person, a table or the pixels say so. `note` says what of it is missing."""

    column: str
    value: Literal_
    picture: str
    confidence: float | None = None
    note: str = ""

    @property
    def filter(self) -> Filter:
        return Compare(self.column, "=", self.value)

    @property
    def notes(self) -> list[str]:
        """What is to be said of a value that is uncertain, or that few pictures have yet."""
        notes = [self.note] if self.note else []
        if self.confidence is not None and self.confidence < CERTAIN:
            notes.append(
                f"the {self.column} of {self.picture} is uncertain: {shown_value(self.value)}, "
                f"{self.confidence:.2f}; to say it yourself, give a filter in place of same, such as "
                f"--where \"{self.column} = 'VALUE'\""
            )
        return notes

    def reason(self, asset: Asset) -> Reason:
        """What a hit has of it: `color = red, predicted` with how sure, or `color = red`."""
        sure = confidence(asset.metadata, self.column)
        term = f"{self.column} = {shown_value(self.value)}"
        if sure is None:
            return Reason(term, ATTRIBUTES, 1.0, 1.0)
        return Reason(f"{term}, predicted", ATTRIBUTES, sure, 1.0)


def passing(where: Filter | None, several: Sequence[Same]) -> Filter | None:
    """The filter, and that hits have all these values."""
    parts = (*([where] if where else []), *(same.filter for same in several))
    return And(parts) if len(parts) > 1 else parts[0] if parts else None


def told(hits: Sequence[Hit], several: Sequence[Same]) -> list[Hit]:
    """The hits, each saying what it has in common with the query."""
    return [replace(h, reasons=(*h.reasons, *(same.reason(h.asset) for same in several))) for h in hits]


def shown_value(value: Literal_) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
