"""Frames to a track, one after the other, in bounded memory."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from findalike.tracks.borders import Borders, Rectangle
from findalike.tracks.track import BLOCK, CELLS, GRID, Block, Cells, halved, joined, packed, unpacked

LUMA_SIDE = 96
"""Frames come as squares of so many pixels a side, whatever their shape was."""

STEP = 1 / 8
"""Seconds of a tick."""

MOST_TICKS = 4 * 3600 * 8
"""Four hours at full rate; of longer films ticks become twice as long, as often as it takes."""

_Frame = NDArray[np.float32]


class Recorder:
    """Makes the track of a film: `add` every frame, or at least eight a second, then `finish`."""

    def __init__(self, step: float = STEP, most_ticks: int = MOST_TICKS) -> None:
        if most_ticks % (2 * BLOCK):
            raise ValueError(f"most_ticks is {most_ticks}, expected a multiple of {2 * BLOCK}")
        self._step = step
        self._most = most_ticks
        self._start: float | None = None
        self._tick = 0  # the one that is being filled
        self._sum: _Frame = np.zeros((LUMA_SIDE, LUMA_SIDE), np.float32)
        self._count = 0
        self._pending: list[_Frame] = []  # ticks that wait for their block to be full
        self._blocks: list[Block] = []
        self._borders = Borders()

    def add(self, time: float, luma: NDArray[np.uint8]) -> None:
        """One frame: when it is shown, in seconds, and the luma of all of it, squashed to `LUMA_SIDE` square
        by area means. A frame that comes late counts for the moment."""
        if luma.shape != (LUMA_SIDE, LUMA_SIDE):
            raise ValueError(f"luma has shape {luma.shape}, expected ({LUMA_SIDE}, {LUMA_SIDE})")
        if not math.isfinite(time):
            raise ValueError(f"a frame is shown at {time} seconds, expected a finite number")
        if self._start is None:
            self._start = time
        while time - self._start >= self._step * self._most:
            self._shown_until(self._most)
            self._slow_down()
        tick = int((time - self._start) / self._step + 1e-6)
        if tick > self._tick:
            self._shown_until(tick)
        self._sum += luma
        self._count += 1

    def finish(self) -> bytes:
        """The track as `Track.from_bytes` reads it; nothing where there was no frame."""
        if self._start is None:
            return b""
        self._shown_until(self._tick + 1)
        self._flush()
        return joined(self._start, self._step, self._blocks)

    def _shown_until(self, tick: int) -> None:
        """Close the present tick; what it shows stays until the next frame."""
        mean = self._sum / np.float32(max(self._count, 1))
        for _ in range(tick - self._tick):
            self._pending.append(mean)
            if len(self._pending) == BLOCK:
                self._flush()
        self._tick, self._count = tick, 0
        self._sum = np.zeros_like(self._sum)

    def _flush(self) -> None:
        if self._pending:
            still = all(frame is self._pending[0] for frame in self._pending)
            frames = np.stack(self._pending[:1] if still else self._pending)
            cells = cells_of(frames, self._borders.within(frames))
            self._blocks.append(packed(np.resize(cells, (len(self._pending), CELLS))))
            self._pending = []

    def _slow_down(self) -> None:
        """Make ticks twice as long, those that are recorded too; all blocks are full."""
        middles, codes = zip(*self._blocks, strict=True)
        slow = halved(unpacked(np.stack(middles), np.concatenate(codes)))
        self._blocks = [packed(slow[i : i + BLOCK]) for i in range(0, len(slow), BLOCK)]
        self._step *= 2
        self._tick = len(slow)


def cells_of(frames: NDArray[np.float32], rectangle: Rectangle) -> Cells:
    """The mean luma of each cell of a rectangle, whose edges may lie within pixels: shape (frames, CELLS)."""
    top, bottom, left, right = rectangle
    rows = _shares(bottom - top)
    columns = _shares(right - left)
    cells = rows @ frames[:, top:bottom, left:right] @ columns.T
    return np.asarray(cells, np.float32).reshape(-1, CELLS)


def _shares(pixels: int) -> NDArray[np.float32]:
    """How much each of a line of pixels counts in the mean of each cell: shape (GRID, pixels)."""
    edges = np.linspace(0, pixels, GRID + 1)
    low, high = edges[:-1, None], edges[1:, None]
    at = np.arange(pixels)[None]
    inside = np.minimum(high, at + 1) - np.maximum(low, at)
    return (inside.clip(0) * GRID / pixels).astype(np.float32)
