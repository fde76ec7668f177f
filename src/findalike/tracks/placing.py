"""Where a film shows a picture: the picture laid on every tick of its dense track, cropped as it may be.

A picture of a film is often cropped, recompressed or marked. So it is taken to be each of many parts of a
frame, first roughly and then closely; the part and the tick whose cells correlate best are where it comes
from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from findalike.tracks.borders import rectangle
from findalike.tracks.track import CELLS, GRID, Cells, Track
from findalike.types import Span

LEAST = 0.95
"""The least correlation of a picture with a tick that surely shows it: one in a thousand pairs of a
photograph and another film has more."""

NOT_AT_ALL = 0.5
"""Below this a rough look is not followed by a close one."""

ROUGH_TICKS = 2_000
"""At most so many ticks are looked at roughly, spread over the film."""

CLOSELY = 3
"""So many of the rough parts are looked at closely."""

BLANK = 4.0
"""A variance of luma over a picture below which there is nothing to see in it."""

COVERED = 0.7
"""The share of a cell that a picture has to show for the cell to count."""

LOOSER, NOISE = 1.25, 5e-4
"""A tick shows the picture too if what it lacks to a correlation of 1 is no more than what the best one
lacks, so many times, and this."""

Line = tuple[float, float]
"""What a picture shows of one side of a frame: how much, and where it begins, in 0..1."""

ROUGH_LINES: tuple[Line, ...] = (
    (1.0, 0.0), (0.9, 0.0), (0.9, 0.05), (0.9, 0.1),
    (0.8, 0.0), (0.8, 0.05), (0.8, 0.1), (0.8, 0.15), (0.8, 0.2),
)  # fmt: skip
GROWN = (-0.05, -0.025, 0.0, 0.025, 0.05)
SHIFTED = (-0.0375, -0.025, -0.0125, 0.0, 0.0125, 0.025, 0.0375)
"""By how much more or less of a side, and how far from there, a picture may be of what a close look finds."""

FINER = (1.0, 0.6, 0.3, 0.15)
"""By what these steps are multiplied, look after look."""

SMALLEST = 0.7
"""The least share of a side that a picture may show."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A film shows a picture from `span[0]` to `span[1]`, in seconds; `similarity` is the correlation of
    luma."""

    span: Span
    similarity: float


def placed(luma: NDArray[np.uint8], track: Track, least: float = LEAST) -> Placement | None:
    """Where a film shows a picture, given as `Recorder.add` takes frames; None where no tick is so alike."""
    picture = luma.astype(np.float32)
    inside = rectangle(picture[None])
    if inside is None or picture.var() < BLANK:
        return None
    picture = picture[inside[0] : inside[1], inside[2] : inside[3]]
    cells = track.cells - track.cells.mean()
    rough = Parts.of(picture, ROUGH_LINES, ROUGH_LINES)
    every = max(1, round(0.5 / track.step), -(-len(cells) // ROUGH_TICKS))
    best = rough.alike(cells[::every]).max(axis=0)
    chosen = [int(n) for n in best.argsort()[::-1][:CLOSELY] if best[n] >= NOT_AT_ALL]
    closely = [_closely(picture, cells, every, rough.lines[n]) for n in chosen]
    fits = max(closely, key=lambda each: each.max(), default=np.zeros(1, np.float32))
    return _placement(track, fits) if fits.max() >= least else None


def _closely(
    picture: NDArray[np.float32], cells: Cells, every: int, lines: tuple[Line, Line]
) -> NDArray[np.float32]:
    """How alike all ticks and the best part near a rough one are."""
    for fine in FINER:
        part = Parts.of(picture, lines[:1], lines[1:])
        ticks = cells[part.alike(cells[::every])[:, 0].argsort()[::-1][:8] * every]
        down = Parts.of(picture, _near(lines[0], fine), lines[1:]).best(ticks)[0]
        lines = Parts.of(picture, [down], _near(lines[1], fine)).best(ticks)
    alike: NDArray[np.float32] = Parts.of(picture, lines[:1], lines[1:]).alike(cells)[:, 0]
    return alike


def _near(line: Line, fine: float) -> list[Line]:
    share, start = line
    steps = product(GROWN, SHIFTED)
    found = [(min(share + fine * grow, 1.0), start + fine * (shift - grow / 2)) for grow, shift in steps]
    return [line, *(near for near in found if near[0] >= SMALLEST and 0 <= near[1] <= 1 - near[0])]


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A picture as several parts of a frame: `lines` down and across of each; `cells`, shape (parts, CELLS),
    what the cells of the frame then are, centred and of unit length; `counts`, of the same shape, 1 for those
    that the picture shows and 0 for others."""

    lines: Sequence[tuple[Line, Line]]
    cells: NDArray[np.float32]
    counts: NDArray[np.float32]

    @staticmethod
    def of(picture: NDArray[np.float32], down: Sequence[Line], across: Sequence[Line]) -> Parts:
        rows, rows_count = _shares(down, picture.shape[0])
        columns, columns_count = _shares(across, picture.shape[1])
        means = np.tensordot(rows @ picture, columns, (2, 2))  # down, GRID, across, GRID
        cells = means.transpose(0, 2, 1, 3).reshape(-1, CELLS)
        counts = np.einsum("ij,kl->ikjl", rows_count, columns_count).reshape(-1, CELLS)
        centred = (
            cells - (cells * counts).sum(axis=1, keepdims=True) / counts.sum(axis=1, keepdims=True)
        ) * counts
        length = np.linalg.norm(centred, axis=1, keepdims=True)
        return Parts(list(product(down, across)), centred / np.maximum(length, 1e-6), counts)

    def alike(self, ticks: Cells) -> NDArray[np.float32]:
        """The correlation of each tick with each part, over the cells it shows: shape (ticks, parts)."""
        total = ticks @ self.counts.T
        squares = ticks**2 @ self.counts.T
        apart = squares - total**2 / self.counts.sum(axis=1)
        alike: NDArray[np.float32] = ticks @ self.cells.T / np.sqrt(apart.clip(1.0))
        return alike

    def best(self, ticks: Cells) -> tuple[Line, Line]:
        """The lines of the part that is most like any tick."""
        return self.lines[int(self.alike(ticks).max(axis=0).argmax())]


def _shares(lines: Sequence[Line], pixels: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much each pixel of one side counts in the mean of each cell of a frame, shape (lines, GRID,
    pixels), and which cells are shown enough of, as 1 and 0, shape (lines, GRID)."""
    share, start = np.array(lines, np.float64).T[:, :, None]
    edges = (np.linspace(0, 1, GRID + 1)[None] - start) / share * pixels
    low, high = edges[:, :-1, None].clip(0, pixels), edges[:, 1:, None].clip(0, pixels)
    at = np.arange(pixels)[None, None]
    inside = (np.minimum(high, at + 1) - np.maximum(low, at)).clip(0)
    shown = (high - low)[:, :, 0] * GRID * share / pixels
    means = inside / np.maximum(inside.sum(axis=2, keepdims=True), 1e-9)
    return means.astype(np.float32), (shown > COVERED).astype(np.float32)


def _placement(track: Track, fits: NDArray[np.float32]) -> Placement:
    """The best tick and those around it that are nearly as good."""
    best = int(fits.argmax())
    good = 1 - fits <= LOOSER * (1 - fits[best]) + NOISE
    first = best - int(np.argmin(np.append(good[best::-1], False))) + 1
    last = best + int(np.argmin(np.append(good[best:], False)))
    return Placement((track.start + first * track.step, track.start + last * track.step), float(fits[best]))
