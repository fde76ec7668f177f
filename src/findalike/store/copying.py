"""The mark of a library that is being filled from elsewhere. Until it is whole, all but what fills it is
refused: half of a library looks like a whole one, and whoever indexed into it would mix two.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from findalike.errors import LibraryError, LibraryMismatch
from findalike.sidecars import Sidecars

NAME = "copying.json"


@dataclass(frozen=True, slots=True)
class Copying:
    """From where, without secrets; since when, in UTC; and the command that goes on."""

    source: str
    since: str
    command: str


def read(sidecars: Sidecars) -> Copying | None:
    """The mark, or None where there is none. Raises LibraryError when it is damaged."""
    if (content := sidecars.read(NAME)) is None:
        return None
    try:
        values = json.loads(content)
        return Copying(*(str(values[field.name]) for field in dataclasses.fields(Copying)))
    except (ValueError, KeyError, TypeError) as error:
        raise LibraryError(
            f"{sidecars.where(NAME)} cannot be read ({error}): what was being copied there is not whole; "
            "copy it anew to another place"
        ) from error


def write(sidecars: Sidecars, mark: Copying) -> None:
    sidecars.write(NAME, json.dumps(dataclasses.asdict(mark), ensure_ascii=False, indent=1) + "\n")


def remove(sidecars: Sidecars) -> None:
    sidecars.remove(NAME)


def check(sidecars: Sidecars, library: str) -> None:
    """Raises LibraryMismatch for a library that is not whole, with the command that goes on."""
    if mark := read(sidecars):
        raise LibraryMismatch(
            f"{library} is not whole: since {mark.since} it is being filled from {mark.source}; to go on: "
            f"{mark.command}"
        )
