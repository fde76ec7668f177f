"""Films beside the film or the picture that is looked for, by their dense tracks.

A film is laid on others in time, and near copies come first. A picture is looked for in the films that look
most like it, moment by moment, also between the frames that were described.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from findalike.present.caption import TRACKED
from findalike.search.clips import track_of
from findalike.search.space import Candidate
from findalike.search.terms import Seen
from findalike.store.base import Store
from findalike.tracks import LUMA_SIDE, TRACK, Alignment, Placement, aligned, placed
from findalike.tracks.placing import LEAST
from findalike.types import Asset, Origin, Reason, Span

DEPTH = 50
"""So many of the films that look most alike are laid on the one that is searched for."""

SHOWN_DEPTH, AS_ALIKE = 8, 0.05
"""So many of the films that look most alike are searched for a picture, and those that score less by so
little: what shows the same is treated alike."""

SURELY, LIKELY = (0.15, LEAST), (0.7, 0.6)
"""Scores of looks, and how alike some tick of a film then has to be for the picture to be taken for one of
it: where they look less alike, the tick has to be sure."""

FIRST = 10.0
"""What an alignment is worth beside looks, which give 1 at most. Among films that were laid on the query,
looks count as much as the alignment does: they tell the source from its edits."""

LEAST_SCORE, SURE = 0.85, 0.7
"""The score of the least sure alignment, the beginning of near copies; the surest has 1."""


@dataclass(frozen=True, slots=True)
class Laid:
    """Candidates in their new order, and where they show what is looked for, by asset id."""

    candidates: Sequence[Candidate]
    stretches: Mapping[str, Stretch] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stretch:
    """From and to in a film, and in the film that is looked for, if it is one; in seconds."""

    film: Span
    query: Span | None = None


def laid(store: Store, seen: Sequence[Seen], candidates: Sequence[Candidate], worded: bool) -> Laid:
    """Compare the films among candidates with the film that is looked for, tick by tick. Those that show the
    same come first, unless words count too."""
    query = next((s for s in seen if s.track is not None and s.term.weight > 0), None)
    if query is None or query.track is None:
        return Laid(candidates)
    films = [c.asset for c in candidates if c.asset.is_film][:DEPTH]
    found: dict[str, Alignment] = {}
    for film in films:
        track = track_of(store.attachments(film.id, [TRACK]))
        alignment = aligned(query.track, track) if track else None
        if alignment:
            found[film.id] = alignment
    marked = [_marked(c, query, found[c.asset.id], worded) if c.asset.id in found else c for c in candidates]
    ordered = marked if worded else _falling(sorted(marked, key=lambda c: (-c.value, c.asset.id)), found)
    return Laid(ordered, {i: Stretch(each.film, _clamped(each.query)) for i, each in found.items()})


def _falling(ordered: Sequence[Candidate], found: Mapping[str, Alignment]) -> list[Candidate]:
    """The candidates, none of those that were aligned with a higher score than the one before it."""
    scores = accumulate((c.score if c.asset.id in found else 1.0 for c in ordered), min)
    return [replace(c, score=min(c.score, least)) for c, least in zip(ordered, scores, strict=True)]


def _clamped(span: Span) -> Span:
    """Without what an alignment between two ticks puts before the beginning."""
    return max(span[0], 0.0), span[1]


def showing(store: Store, seen: Seen, candidates: Sequence[Candidate]) -> Laid:
    """Look for a picture in the films among candidates, tick by tick. Those that surely show it come
    first."""
    luma = _luma(store, seen)
    if luma is None:
        return Laid(candidates)
    found: dict[str, Placement] = {}
    for film in _likely(candidates):
        track = track_of(store.attachments(film.asset.id, [TRACK]))
        least = LIKELY[1] if film.score >= LIKELY[0] else SURELY[1]
        place = placed(luma, track, least) if track else None
        if place:
            found[film.asset.id] = place
    shown = [_shown(c, seen, found[c.asset.id]) if c.asset.id in found else c for c in candidates]
    ordered = sorted(shown, key=lambda c: (-c.value, c.asset.id))
    return Laid(ordered, {i: Stretch(each.span) for i, each in found.items()})


def _likely(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The films that may show a picture, by their looks."""
    several = sorted((c for c in candidates if c.asset.is_film), key=lambda c: -c.score)
    last = several[:SHOWN_DEPTH][-1].score - AS_ALIKE if several else 0.0
    return [c for c in several[:DEPTH] if c.score >= max(last, SURELY[0])]


def origin_of(film: Asset, stretch: Stretch) -> Origin:
    """The stretch of a film that was found."""
    start, end = stretch.film
    duration = film.metadata.get("duration")
    if isinstance(duration, int | float) and duration > start:  # the last tick may reach beyond
        end = min(end, float(duration))
    return Origin(film.id, "frame", time=max(start, 0.0), end=end)


def _luma(store: Store, seen: Seen) -> NDArray[np.uint8] | None:
    """A picture that is looked for as a whole, as a track sees frames; None for anything else."""
    if seen.is_film or seen.box is not None or seen.term.weight < 0:
        return None
    if seen.picture is not None:
        image = Image.fromarray(seen.picture.pixels)
    elif seen.asset is not None:
        data = store.thumbnails([seen.asset.id]).get(seen.asset.id, b"")
        try:
            image = Image.open(BytesIO(data))
            image.load()
        except (OSError, ValueError, SyntaxError):
            return None
    else:
        return None
    return np.asarray(image.convert("L").resize((LUMA_SIDE, LUMA_SIDE), Image.Resampling.BOX))


def _shown(candidate: Candidate, seen: Seen, place: Placement) -> Candidate:
    """A film that shows the picture. One that surely does comes before all but the very picture."""
    reason = Reason(seen.term.label, TRACKED, place.similarity, seen.term.weight)
    if place.similarity < LEAST:
        return replace(candidate, reasons=(*candidate.reasons, reason))
    score = LEAST_SCORE + (1 - LEAST_SCORE) * (place.similarity - LEAST) / (1 - LEAST)
    return replace(
        candidate,
        value=max(candidate.value, place.similarity),
        score=max(candidate.score, min(score, 1.0)),
        reasons=(*candidate.reasons, reason),
    )


def _marked(candidate: Candidate, query: Seen, alignment: Alignment, worded: bool) -> Candidate:
    confidence = alignment.confidence
    reason = Reason(query.term.label, TRACKED, confidence, query.term.weight)
    score = LEAST_SCORE + (1 - LEAST_SCORE) * (confidence - SURE) / (1 - SURE)
    return replace(
        candidate,
        value=candidate.value if worded else FIRST + confidence + candidate.similarity,
        score=max(candidate.score, min(score, 1.0)),
        reasons=(*candidate.reasons, reason),
    )
