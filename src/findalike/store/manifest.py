"""The manifest of a library: one small JSON file that names its format and its cards.

It is replaced as a whole (a temporary file, fsync, rename), so a reader sees the old one or the new one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from findalike.errors import LibraryError, LibraryMismatch, LibraryMissing
from findalike.sidecars import Sidecars
from findalike.store.base import card_from_json, card_to_json
from findalike.types import Card

NAME = "findalike.json"
FORMAT = 1


def read(sidecars: Sidecars, library: object) -> dict[str, Card]:
    """The cards by space, of the library at that place. Raises LibraryMissing when there is none,
    LibraryMismatch when a later findalike made it, LibraryError when the place or the manifest is something
    else."""
    try:
        content = sidecars.read(NAME)
    except NotADirectoryError as error:
        raise LibraryMissing(f"{library} is a file, but a library is a folder; name another path") from error
    except OSError as error:
        raise _damaged(sidecars, library, error) from error
    if content is None:
        raise LibraryMissing(
            f"there is no library at {library}; to make one: findalike index PATH --library {library}"
        )
    try:
        return _cards(library, json.loads(content))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(sidecars, library, error) from error


def write(sidecars: Sidecars, cards: Mapping[str, Card]) -> None:
    """Replace the manifest."""
    content = {
        "format": FORMAT,
        "made_by": f"findalike {version('findalike')}",
        "cards": [card_to_json(card) for card in cards.values()],
    }
    sidecars.write(NAME, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _cards(library: object, content: Mapping[str, Any]) -> dict[str, Card]:
    made_by, form = content.get("made_by", "another version"), int(content["format"])
    if form > FORMAT:
        raise LibraryMismatch(
            f"{library} was made by {made_by} in format {form}, but this version reads up to "
            f"{FORMAT}: pip install --upgrade findalike"
        )
    cards = [card_from_json(values) for values in content["cards"]]
    return {card.space: card for card in cards}


def _damaged(sidecars: Sidecars, library: object, error: Exception) -> LibraryError:
    return LibraryError(
        f"{sidecars.where(NAME)} cannot be read ({error}); to see what is wrong: "
        f"findalike doctor --library {library}"
    )
