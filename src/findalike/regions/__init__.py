"""Parts of pictures that get vectors of their own, so that a small thing in a large picture is found.

    load(reference)         the finder of `grid`, `objects` or `onnx:detector.onnx`
    parts(finder, picture)  what it finds, as proposals
    cut(picture, proposal)  the picture of a part, with its box as its origin

A finder is an entry point of the group `findalike.regions`. It may look at a picture with an encoder's
network, so this stage stands above `encode`, although pictures pass it first. Each part costs the network
what a picture costs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from findalike import plugins
from findalike.errors import UsageError
from findalike.regions.base import Entry, Finder, Proposal, cut, overlap, parts, sound, worthwhile
from findalike.settings import Settings

__all__ = [
    "Finder", "Proposal", "cut", "listed", "load", "magnified", "mark", "names", "overlap", "parts",
    "sound", "worthwhile",
]  # fmt: skip

GROUP = "findalike.regions"


def names() -> list[str]:
    """How finders are asked for: `grid`, `objects`, `onnx:FILE`."""
    return [f"{name}:FILE" if _entry(name).of_file else name for name in plugins.names(GROUP)]


def load(reference: str, settings: Settings) -> Finder:
    """The finder of a name, or of a name and a file. Raises UsageError naming those there are, and
    EncoderError for a file that is no detector."""
    name, colon, file = reference.partition(":")
    if name not in plugins.names(GROUP):
        there = ", ".join(names())
        raise UsageError(f"no way to find regions is named {reference!r}; there are: {there}")
    entry = _entry(name)
    if entry.of_file and not file:
        raise UsageError(f"{name} finds regions by a model: give its file, {name}:detector.onnx")
    if colon and not entry.of_file:
        raise UsageError(f"regions {reference!r}: {name} takes no file; write {name}")
    return entry.load(file, settings)


def listed(given: str | Iterable[str] | None) -> list[str]:
    """References as text with commas, or several such texts, each once; files by their absolute path."""
    several = [given] if isinstance(given, str) else list(given or ())
    each = [part.strip() for text in several for part in text.split(",") if part.strip()]
    return list(dict.fromkeys(map(_absolute, each)))


def mark(name: str) -> str:
    """The name of the attachment that says that a picture was looked into by the finder of that name."""
    return f"regions:{name}"


def magnified(finders: Sequence[Finder], short_side: int | None) -> int | None:
    """How long the shorter side of a decoded picture must be, when `short_side` is enough for the whole."""
    most = max((finder.magnified for finder in finders), default=1.0)
    return None if short_side is None else round(short_side * most)


def _entry(name: str) -> Entry:
    entry: Entry = plugins.load(GROUP, name)
    return entry


def _absolute(reference: str) -> str:
    name, colon, file = reference.partition(":")
    return f"{name}:{os.path.abspath(os.path.expanduser(file))}" if colon and file else reference  # noqa: PTH100, PTH111
