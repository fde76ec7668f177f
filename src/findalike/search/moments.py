"""The moments of films that answer a query: frames next to each other are one stretch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from findalike.encode import calibration
from findalike.search.space import Candidate
from findalike.types import Hit, Moment, Origin, Row

PER_FILM, MOST_ROWS = 40, 1_000
"""So many frames of each film of a page are looked at for moments, and of all its films together."""

SLACK = 0.15
"""How much lower than the best frame of its film a moment may score."""

NEXT = 0.1
"""Seconds between two frames that are next to each other: the file's times are rounded."""

MOST_MOMENTS = 20


def completed(hit: Hit, parts: Sequence[Candidate]) -> Hit:
    """The hit of a film with the name of its frame's picture, and with further stretches of it that
    answer."""
    time = hit.origin.time
    if time is None:
        return hit
    if hit.query_span:  # the film that was looked for, from end to end
        return replace(hit, frame=frame_in(hit.origin, [p.row for p in parts if p.row]) or hit.frame)
    best = max((part.score for part in parts), default=0.0)
    least = max(best - SLACK, calibration.RELATED_FROM)
    found = stretches([part for part in parts if part.score >= least])
    others = [moment for moment in found if not _holds(moment.origin, time)]
    shown = frame_in(hit.origin, [part.row for part in parts if part.row])
    return replace(hit, frame=shown or hit.frame, moments=tuple(others[:MOST_MOMENTS]))


def frame_in(stretch: Origin, rows: Sequence[Row]) -> str:
    """The key of the first of these frames that is shown in a stretch; empty without one."""
    start, end = stretch.time or 0.0, stretch.end or 0.0
    for row in rows:
        time = row.origin.time
        if time is not None and time < end and (row.origin.end or time) > start:
            return Origin(row.asset_id, "frame", time=time).key
    return ""


def stretches(parts: Sequence[Candidate]) -> list[Moment]:
    """Frames, of which some may be given by several parts, as stretches that do not touch, best first."""
    frames: dict[float, Moment] = {}
    for part in parts:
        if part.row is None or part.row.origin.time is None:
            continue
        origin = part.row.origin
        time = part.row.origin.time
        if time not in frames or frames[time].score < part.score:
            frames[time] = Moment(Origin(origin.asset_id, "frame", time=time, end=origin.end), part.score)
    joined: list[Moment] = []
    for _, moment in sorted(frames.items()):
        if joined and (joined[-1].origin.end or 0.0) + NEXT >= (moment.origin.time or 0.0):
            joined[-1] = _joined(joined[-1], moment)
        else:
            joined.append(moment)
    return sorted(joined, key=lambda moment: (-moment.score, moment.origin.time))


def _joined(first: Moment, second: Moment) -> Moment:
    return Moment(replace(first.origin, end=second.origin.end), max(first.score, second.score))


def _holds(stretch: Origin, time: float) -> bool:
    start = stretch.time or 0.0
    return start <= time <= (start if stretch.end is None else stretch.end)


def by_film(parts: Sequence[Candidate]) -> Mapping[str, list[Candidate]]:
    found: dict[str, list[Candidate]] = {}
    for part in parts:
        found.setdefault(part.asset.id, []).append(part)
    return found
