"""Whether two films are copies of one another: by their dense tracks, second by second. Their pictures would
not tell: shots of one place look alike, whatever happens in them."""

from __future__ import annotations

import math

from findalike.duplicates.group import Pair
from findalike.duplicates.keeper import pixels
from findalike.store.base import Store
from findalike.tracks import TRACK, Track, aligned
from findalike.types import Asset, Span

WHOLE = 0.95
"""The share of both films that a copy shows. A part of a film is no copy of it: the rest would be lost."""


def compared(store: Store, a: Asset, b: Asset) -> Pair | None:
    """How film `b` repeats film `a` from beginning to end; None where it does not, or no track says so."""
    one, other = _track(store, a), _track(store, b)
    found = aligned(one, other) if one and other else None
    if not (one and other and found) or min(_share(found.query, one), _share(found.film, other)) < WHOLE:
        return None
    said = ["the same film", "mirrored"] if found.mirrored else ["the same film"]
    return Pair(a.id, b.id, "copy", found.confidence, (*said, *_resized(a, b)))


def _share(span: Span, track: Track) -> float:
    return (span[1] - span[0]) / (track.end - track.start)


def _track(store: Store, asset: Asset) -> Track | None:
    data = store.attachments(asset.id, [TRACK]).get(TRACK) if asset.is_film else None
    return Track.from_bytes(data) if data else None


def _resized(a: Asset, b: Asset) -> list[str]:
    """What became of the number of pixels of `a` in `b`."""
    if not (pixels(a) and pixels(b)):
        return []
    percent = round(100 * math.sqrt(pixels(b) / pixels(a)))
    return [] if 97 <= percent <= 103 else [f"{'larger' if percent > 100 else 'smaller'} ({percent} %)"]
