"""Where two films show the same: dense tracks laid on each other at every offset.

Windows of a second or two of the shorter film are slid along the longer one. Each place is judged by two
correlations over the cells of the frames: of what stands (the means of both windows over time) and of what
moves (their changes about these means). What stands tells films apart, what moves tells the moments of a
camera that stands still, and is blind to logos. Windows that agree on an offset vote for it, as in a Hough
transform (Ballard 1981); ticks then say how far the agreement reaches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from findalike.tracks.track import CELLS, Cells, Track
from findalike.types import Span

WINDOW, STRIDE = 1.5, 0.5
"""Seconds of a window, and from one to the next; a film that is shorter is one window."""

MOST_WINDOWS = 128
"""So many at most are slid, spread evenly over the shorter film."""

STILL = 0.02
"""The variance of luma about its mean over time that codecs bring by themselves."""

MOVING = 0.25
"""The variance from which on movement counts more than what stands."""

LEAST_VOTE = 0.9
"""Of what stands and what moves together, 2 at most: below it a window says nothing."""

BLANK = 2.0
"""A variance over the cells and time below which there is nothing to see: black, and frames between."""

MOST_OFFSETS = 8
"""So many of the offsets with most votes are looked at closely."""

AGREES = 0.7
"""The share of the best vote for an offset that a window needs to agree with it."""

MISSED = 2
"""So many windows in a row may disagree within a run."""

SHORTEST = 1.0
"""Seconds that two films have to share."""

SURE, CLEAR = 0.7, 0.95
"""The least confidence of an alignment, and that from which on no other is looked for."""

SLACK, ALIKE, NOT_UNLIKE = 6.0, 0.85, 0.5
"""By what factor a tick may differ more than usual, or how much alike it has to move; and how much within
what windows agreed on."""

PHASES = (0.0, 0.25, -0.25, 0.5, -0.5)
"""By what part of a tick one film may be later than the other."""

_Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Two films show the same: one from `query[0]` to `query[1]`, the other from `film[0]` to `film[1]`, in
    seconds. `confidence` is in 0..1; `mirrored`, where one is seen in a mirror."""

    query: Span
    film: Span
    confidence: float
    mirrored: bool = False


def aligned(query: Track, film: Track, mirrors: bool = True) -> Alignment | None:
    """The longest stretch that both films show, if there is any that both surely show. `mirrors`: looked for
    in a mirror too where it is not found otherwise."""
    while query.step < film.step * 0.999:
        query = query.halved()
    while film.step < query.step * 0.999:
        film = film.halved()
    found = _aligned(query, film)
    if mirrors and (found is None or found.confidence < CLEAR):
        turned = _aligned(query.mirrored(), film)
        if turned and (found is None or turned.confidence > found.confidence):
            return replace(turned, mirrored=True)
    return found


def _aligned(query: Track, film: Track) -> Alignment | None:
    if len(query) > len(film):
        turned = _aligned(film, query)
        return turned and Alignment(turned.film, turned.query, turned.confidence)
    votes = _votes(query, film)
    if votes is None:
        return None
    tried = [_tried(query, film, offset, votes.stretch(offset)) for offset in votes.offsets()]
    best = max(filter(None, tried), key=lambda each: each[0], default=None)
    return best and best[1]


def _tried(query: Track, film: Track, offset: int, agreed: tuple[int, int]) -> tuple[float, Alignment] | None:
    """The alignment at an offset and what speaks for it; None where too little is surely the same there."""
    low, high = max(0, -offset), min(len(query), len(film) - offset)
    here, there = query.cells[low:high], film.cells[low + offset : high + offset]
    first, last = agreed[0] - low, agreed[1] - low
    for _ in range(2):  # what is known to be the same is known better the second time
        first, last, same = _grown(here, there, first, last)
    span = first + low, last + low
    if (last - first) * query.step < min(SHORTEST, len(query) * query.step * 0.8):
        return None
    fits = {phase: _fit(here[first:last][same], _later(there, phase)[first:last][same]) for phase in PHASES}
    phase, fit = max(fits.items(), key=lambda each: each[1].sum)
    confidence = fit.confidence * float(same.mean())
    if confidence < SURE:
        return None
    found = Alignment(_seconds(query, span, 0), _seconds(film, span, offset + phase), confidence)
    return fit.sum * int(same.sum()), found


def _later(cells: Cells, phase: float) -> Cells:
    """What a film shows so much of a tick later, or earlier."""
    places = np.arange(len(cells)) + np.sign(phase).astype(int)
    share = np.float32(abs(phase))
    later: Cells = (1 - share) * cells + share * cells[places.clip(0, len(cells) - 1)]
    return later


def _seconds(track: Track, ticks: tuple[int, int], offset: float) -> Span:
    return track.start + (ticks[0] + offset) * track.step, track.start + (ticks[1] + offset) * track.step


@dataclass(frozen=True, slots=True, eq=False)
class _Votes:
    """`total` is what offsets got, the first that of `-before`; `windows` are the first and the last tick of
    each window and what each of its places in the film got."""

    total: NDArray[np.float64]
    before: int
    windows: list[tuple[int, int, _Scores]]

    def offsets(self) -> list[int]:
        """Those with most votes, the best first, none next to another."""
        left = self.total.copy()
        found: list[int] = []
        while len(found) < MOST_OFFSETS and left.max() > 0:
            best = int(left.argmax())
            found.append(best - self.before)
            left[max(0, best - 1) : best + 2] = 0
        return found

    def stretch(self, offset: int) -> tuple[int, int]:
        """The longest run of windows that vote for an offset; a few in between may not."""
        scores = [_at(scores, first + offset) for first, _, scores in self.windows]
        least = max(LEAST_VOTE, AGREES * max(scores))
        best, before, start = (0, 0), -MISSED - 2, 0
        for number, (first, last, _) in enumerate(self.windows):
            if scores[number] >= least:
                start = first if number - before > MISSED + 1 else start
                before = number
                best = max(best, (start, last), key=lambda run: run[1] - run[0])
        return best


def _at(scores: _Scores, place: int) -> float:
    return float(scores[place]) if 0 <= place < len(scores) else 0.0


def _votes(query: Track, film: Track) -> _Votes | None:
    """What the windows of the shorter film say; None where none says anything."""
    length = min(len(query), max(2, round(WINDOW / query.step)))
    slid = Slid(film.cells, length)
    total = np.zeros(len(query) + len(film))
    windows = []
    for first in _places(len(query) - length + 1, max(1, round(STRIDE / query.step))):
        scores = slid.scores(query.cells[first : first + length])
        if scores is None:
            continue
        windows.append((first, first + length, scores))
        start = len(query) - 1 - first
        total[start : start + len(scores)] += np.maximum(scores - LEAST_VOTE, 0)
    return _Votes(total, len(query) - 1, windows) if total.any() else None


def _places(count: int, stride: int) -> list[int]:
    """Where windows begin, of `count` places: evenly, no further apart than `stride` where that many may
    be."""
    number = min(MOST_WINDOWS, 1 + -(-(count - 1) // stride))
    return sorted({round(i) for i in np.linspace(0, count - 1, number)})


class Slid:
    """A film over which windows of one length are slid."""

    def __init__(self, cells: Cells, length: int) -> None:
        self.length = length
        self._middle = cells.mean(axis=0)
        self._cells = cells - self._middle
        sums = np.concatenate([np.zeros((1, CELLS)), self._cells.cumsum(axis=0, dtype=np.float64)])
        means = (sums[length:] - sums[:-length]) / length
        squares = np.concatenate([[0.0], (self._cells.astype(np.float64) ** 2).sum(axis=1).cumsum()])
        whole = (squares[length:] - squares[:-length]) / length
        self._variance = ((whole - (means**2).sum(axis=1)) / CELLS).clip(0)
        self._standing = _centred(means + self._middle)

    def scores(self, window: Cells) -> _Scores | None:
        """How well the window fits at each place: the correlation of what stands and that of what moves,
        added. None for a window that shows nothing."""
        mean = window.mean(axis=0)
        moved = window - mean
        variance = float((moved**2).mean())
        if mean.var() + variance < BLANK:
            return None
        moves = 2 * self._covariance(moved) / (variance + self._variance + 2 * STILL)
        standing = self._standing @ _centred(mean[None])[0]
        scores: _Scores = (standing + moves).astype(np.float32)
        return scores

    def _covariance(self, moved: Cells) -> NDArray[np.float64]:
        """With the film at each place; the film need not be centred there, since `moved` is."""
        products = moved @ self._cells.T
        places = products.shape[1] - self.length + 1
        total = np.zeros(places)
        for tick in range(self.length):
            total += products[tick, tick : tick + places]
        return total / (self.length * CELLS)


def _centred(cells: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rows without their mean, of unit length; zeros for rows of one value."""
    centred = cells - cells.mean(axis=1, keepdims=True, dtype=np.float64)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit: NDArray[np.float64] = centred / np.maximum(length, 1e-6)
    return unit


def _grown(query: Cells, film: Cells, first: int, last: int) -> tuple[int, int, NDArray[np.bool_]]:
    """A stretch of ticks made longer and shorter at its ends, as far as ticks agree, and which in it do.

    Ticks agree that differ no more about what stands than those of the stretch usually do, or that moved
    alike; of those that windows agreed on it takes less.
    """
    known = slice(first, last)
    moved, other = query - query[known].mean(axis=0), film - film[known].mean(axis=0)
    apart = ((moved - other) ** 2).mean(axis=1)
    alike = 2 * (moved * other).mean(axis=1) / ((moved**2 + other**2).mean(axis=1) + 2 * STILL)
    usual = apart <= SLACK * max(float(np.median(apart[known])), STILL)
    good = usual | (alike >= ALIKE)
    while first > 0 and good[first - 1]:
        first -= 1
    while last < len(good) and good[last]:
        last += 1
    good[known] |= alike[known] >= NOT_UNLIKE
    within = np.flatnonzero(good[first:last])  # at least half of the stretch
    first, last = first + int(within[0]), first + int(within[-1]) + 1
    return first, last, good[first:last]


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well two stretches fit: the correlations of what stands and of what moves, and the variance of the
    one that moves more."""

    stands: float
    moves: float
    variance: float

    @property
    def sum(self) -> float:
        return self.stands + self.moves

    @property
    def confidence(self) -> float:
        """By what moves where enough does, else by what stands, which then has to be nearly equal."""
        still = float(np.interp(self.stands, (0.9, 0.98, 1.0), (0.0, 0.7, 1.0)))
        weight = self.variance / (self.variance + MOVING)
        return min(max(weight * self.moves + (1 - weight) * still, 0.0), 1.0)


def _fit(query: Cells, film: Cells) -> _Fit:
    """Of two stretches of one length."""
    mean, other = query.mean(axis=0), film.mean(axis=0)
    moved, moved_there = query - mean, film - other
    variance, variance_there = float((moved**2).mean()), float((moved_there**2).mean())
    moves = 2 * float((moved * moved_there).mean()) / (variance + variance_there + 2 * STILL)
    stands = float(_centred(mean[None])[0] @ _centred(other[None])[0])
    return _Fit(stands, moves, max(variance, variance_there))
