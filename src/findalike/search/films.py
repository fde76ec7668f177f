"""Films that are searched for by a film: laid on each other in time, so that near copies come first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from findalike.present.caption import TRACKED
from findalike.search.clips import is_film, track_of
from findalike.search.space import Candidate
from findalike.search.terms import Seen
from findalike.store.base import Store
from findalike.tracks import TRACK, Alignment, aligned
from findalike.types import Asset, Origin, Reason

DEPTH = 50
"""So many of the films that look most alike are laid on the one that is searched for."""

FIRST = 10.0
"""What an alignment is worth beside looks, which give 1 at most."""

LEAST_SCORE, SURE = 0.85, 0.7
"""The score of the least sure alignment, the beginning of near copies; the surest has 1."""


@dataclass(frozen=True, slots=True)
class Laid:
    """Candidates in their new order, and where those that were laid on the query lie, by asset id."""

    candidates: Sequence[Candidate]
    alignments: Mapping[str, Alignment] = field(default_factory=dict)


def laid(store: Store, seen: Sequence[Seen], candidates: Sequence[Candidate], worded: bool) -> Laid:
    """Compare the films among candidates with the film that is looked for, tick by tick. Those that show the
    same come first, unless words count too."""
    query = next((s for s in seen if s.track is not None and s.term.weight > 0), None)
    if query is None or query.track is None:
        return Laid(candidates)
    films = [c.asset for c in candidates if is_film(c.asset)][:DEPTH]
    found: dict[str, Alignment] = {}
    for film in films:
        track = track_of(store.attachments(film.id, [TRACK]))
        alignment = aligned(query.track, track) if track else None
        if alignment:
            found[film.id] = alignment
    marked = [_marked(c, query, found[c.asset.id], worded) if c.asset.id in found else c for c in candidates]
    ordered = marked if worded else sorted(marked, key=lambda c: (-c.value, c.asset.id))
    return Laid(ordered, found)


def origin_of(film: Asset, alignment: Alignment) -> Origin:
    """The stretch of a film that was found."""
    start, end = alignment.film
    duration = film.metadata.get("duration")
    if isinstance(duration, int | float) and duration > start:  # the last tick may reach beyond
        end = min(end, float(duration))
    return Origin(film.id, "frame", time=max(start, 0.0), end=end)


def _marked(candidate: Candidate, query: Seen, alignment: Alignment, worded: bool) -> Candidate:
    confidence = alignment.confidence
    reason = Reason(query.term.label, TRACKED, confidence, query.term.weight)
    score = LEAST_SCORE + (1 - LEAST_SCORE) * (confidence - SURE) / (1 - SURE)
    return replace(
        candidate,
        value=candidate.value if worded else FIRST + confidence,
        score=max(candidate.score, min(score, 1.0)),
        reasons=(*candidate.reasons, reason),
    )
