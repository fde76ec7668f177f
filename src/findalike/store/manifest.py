"""The manifest of a library: one small JSON file that names its format and its cards.

It is replaced as a whole (a temporary file, fsync, rename), so a reader sees the old one or the new one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from findalike.errors import LibraryError, LibraryMismatch, LibraryMissing
from findalike.files import replace_file
from findalike.store.base import card_from_json, card_to_json
from findalike.types import Card

NAME = "findalike.json"
FORMAT = 1


def read(library: Path) -> dict[str, Card]:
    """The cards by space. Raises LibraryMissing when there is no library at that path, LibraryMismatch when
    a later findalike made it, LibraryError when the path or the manifest is something else."""
    path = library / NAME
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise LibraryMissing(
            f"there is no library at {library}; to make one: findalike index PATH --library {library}"
        ) from error
    except NotADirectoryError as error:
        raise LibraryMissing(f"{library} is a file, but a library is a folder; name another path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from error
    return _cards(path, text)


def write(library: Path, cards: Mapping[str, Card]) -> None:
    """Replace the manifest."""
    content = {
        "format": FORMAT,
        "made_by": f"findalike {version('findalike')}",
        "cards": [card_to_json(card) for card in cards.values()],
    }
    replace_file(library / NAME, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _cards(path: Path, text: str) -> dict[str, Card]:
    try:
        content: dict[str, Any] = json.loads(text)
        made_by, form = content.get("made_by", "another version"), int(content["format"])
        if form > FORMAT:
            raise LibraryMismatch(
                f"{path.parent} was made by {made_by} in format {form}, but this version reads up to "
                f"{FORMAT}: pip install --upgrade findalike"
            )
        cards = [card_from_json(values) for values in content["cards"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from error
    return {card.space: card for card in cards}


def _damaged(path: Path, error: Exception) -> LibraryError:
    return LibraryError(
        f"{path} cannot be read ({error}); to see what is wrong: findalike doctor --library {path.parent}"
    )
