"""The words that stand beside a picture, safe for a terminal, and what all forms take in."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from findalike import uri
from findalike.query import VERIFICATIONS
from findalike.types import WHOLE, Box, Hit, Pixels, Reason, Value

Thumbnails = Callable[[Sequence[str]], Mapping[str, bytes]]
"""Pictures as JPEG bytes by asset id, or by `picture` of a hit; what has none is left out."""

JOINERS = "\u200c\u200d"  # not printable, but harmless, and names in some scripts and emoji need them


TRACKED = "track"
"""Where the reason of a film that was laid on another comes from."""

ATTRIBUTES = "attributes"
"""Where reasons come from that name a value which a hit has in common with the query picture."""

NAMED_SOURCES = ("concepts", "texts", TRACKED, *VERIFICATIONS)
"""Where reasons come from beside the spaces of encoders: of words, evidence of banks and full-text search; of
films, their tracks; of pictures, their keypoints and their structure."""


@dataclass(frozen=True, slots=True)
class Example:
    """One term of the query as it is shown: a picture as JPEG bytes, or words alone.

    A negative weight is shown as "minus". `box` is the part of the picture that counted.
    """

    caption: str
    weight: float = 1.0
    thumbnail: bytes | None = None
    box: Box | None = None

    @property
    def role(self) -> str:
        """`query` or `minus`, and the weight where it is not one."""
        word = "minus" if self.weight < 0 else "query"
        return word if abs(self.weight) == 1 else f"{word} ({abs(self.weight):g})"


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A picture of the query, and a hit that shows the same. `lines` are x, y in the left and x, y in the
    right picture of what agrees, in 0..1, shape (n, 4), the clearest first; `words` say how surely."""

    left: Pixels
    right: Pixels
    lines: NDArray[np.float64]
    left_name: str
    right_name: str
    rank: int
    words: str


def printable(text: str) -> str:
    """The text with what could move a cursor, hide or reorder letters written as escapes.

    Stray bytes of a path, which a uri keeps in U+F780 to U+F7FF, become `\\x80` to `\\xff`.
    """
    return "".join(c if c.isprintable() or c in JOINERS else _escaped(c) for c in text)


def _escaped(char: str) -> str:
    point = ord(char)
    if 0xF780 <= point <= 0xF7FF:
        return f"\\x{point - 0xF700:02x}"
    if 0xDC80 <= point <= 0xDCFF:
        return f"\\x{point - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def score(hit: Hit) -> str:
    """The score with two digits, cut and not rounded, so that it never reads like a better band."""
    return f"{math.floor(hit.score * 100 + 1e-9) / 100:.2f}"


def name(hit: Hit) -> str:
    """The file's own name, or that of the archive member."""
    return printable(os.path.basename(hit.asset.uri) or hit.asset.uri)  # noqa: PTH119


def folder(hit: Hit) -> str:
    """What holds the file: a folder, or an archive and the folder in it."""
    return printable(os.path.dirname(hit.asset.uri))  # noqa: PTH120


def link(hit: Hit) -> str | None:
    """The file as a `file:` address, percent-encoded; for a member, that of its archive."""
    path = Path(uri.to_path(hit.asset.uri))
    return path.as_uri() if path.is_absolute() else None


def picture(hit: Hit) -> str:
    """What names the picture that shows a hit: that of its moment in a film, else the asset's."""
    return f"{hit.asset.id}:{hit.frame}" if hit.frame else hit.asset.id


def span(start: float, end: float) -> str:
    """`0:12–0:15`, or `0:12` where that is all to be said in whole seconds."""
    since, until = moment(start), moment(end)
    return since if since == until else f"{since}–{until}"


def moment(seconds: float) -> str:
    """`1:02:03`, or `2:03` under an hour."""
    minutes, second = divmod(math.floor(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def part(hit: Hit) -> str:
    """Where in the asset: empty for a whole picture, else such as `face`, `frame at 0:12`, `0:12–0:15`,
    `face at 0:12`, `region (dog)`; of a film that was searched for, `0:12–0:15 is 0:00–0:03`."""
    origin = hit.origin
    words = "" if origin.part == "whole" else origin.part
    if origin.time is not None:
        words = f"{words or 'frame'} at {moment(origin.time)}"
    if origin.time is not None and origin.end is not None and origin.part == "frame":
        words = span(origin.time, origin.end)
    if hit.query_span:
        words = f"{words} is {span(*hit.query_span)}"
    return f"{words} ({printable(origin.label)})".strip() if origin.label else words


def place(hit: Hit) -> str:
    """The same, of a region or a face with its box in percent, as `--region` takes it: `region (dog)
    12%,5%,40%,62%`."""
    if hit.origin.part not in ("region", "face") or hit.origin.box == WHOLE:
        return part(hit)
    return f"{part(hit)} {','.join(f'{edge:.0%}' for edge in hit.origin.box)}"


def box(hit: Hit) -> Box | None:
    """The part of the picture that matched, when it is not all of it."""
    return None if hit.origin.box == WHOLE else hit.origin.box


def why(hit: Hit, most: int = 3) -> str:
    """The reasons that counted most, each with its similarity: `dog.jpg 0.82, minus night 0.31`, and for
    words also what was seen or read of them: `concepts: dog 0.93`."""
    strongest = sorted(hit.reasons, key=lambda reason: -abs(reason.similarity * reason.weight))[:most]
    return ", ".join(map(_strength, strongest))


def _strength(reason: Reason) -> str:
    """A reason with its similarity; of an attribute, with how sure it is where it was predicted."""
    if reason.space != ATTRIBUTES:
        return f"{because(reason)} {reason.similarity:.2f}"
    predicted = reason.term.endswith(", predicted")
    return f"{because(reason)}, {reason.similarity:.2f}" if predicted else because(reason)


def fragment(hit: Hit) -> str:
    """Where in the file, as the fragment of an address is written (W3C Media Fragments 1.0):
    `t=12.480,14.000` of a film, `xywh=percent:10.0,5.0,28.0,57.0` of a part; empty for a whole picture."""
    origin, said = hit.origin, []
    if origin.time is not None:
        said.append(time_fragment(origin.time, origin.end))
    if origin.box != WHOLE:
        left, top, right, bottom = origin.box
        edges = (left, top, right - left, bottom - top)
        said.append(f"xywh=percent:{','.join(f'{100 * edge:.1f}' for edge in edges)}")
    return "&".join(said)


def time_fragment(start: float, end: float | None) -> str:
    return f"t={start:.3f}" + (f",{end:.3f}" if end is not None else "")


def band(hit: Hit) -> str:
    """The band of the score, and whether the hit was verified, which may put a low score first."""
    verified = any(reason.space in VERIFICATIONS for reason in hit.reasons)
    return f"{hit.band}, verified" if verified else hit.band


def because(reason: Reason) -> str:
    """The term of a reason, as it is shown: where it is no vector that was compared, with what was."""
    source = f"{reason.space}: " if reason.space in NAMED_SOURCES else ""
    return f"{'minus ' if reason.weight < 0 else ''}{source}{printable(reason.term)}"


def pixels(hit: Hit) -> str:
    """`4000 × 3000` when the metadata has width and height, else empty."""
    width, height = hit.asset.metadata.get("width"), hit.asset.metadata.get("height")
    return f"{width} × {height}" if isinstance(width, int) and isinstance(height, int) else ""


def day(hit: Hit) -> str:
    """The day the picture was taken, when the metadata has it under a usual name, else empty."""
    for column in ("taken", "date", "datetime", "created"):
        value = hit.asset.metadata.get(column)
        if isinstance(value, date):
            return value.isoformat()[:10]
    return ""


def plain(value: Value) -> bool | int | float | str | None:
    """A metadata value as JSON can hold it: times in UTC with Z, days as ISO; NaN and infinite as None."""
    if isinstance(value, datetime):
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return aware.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return value
