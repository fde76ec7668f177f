"""The dense track of a film as a value, and as bytes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from findalike.errors import FindalikeError

TRACK = "track"
"""The name of the attachment that holds it."""

GRID = 10
"""Cells across and down a frame."""

CELLS = GRID * GRID

BLOCK = 64
"""Ticks that are stored relative to their mean: 8 seconds at full rate."""

FINE, STEEP = 16.0, 8.0
"""How a difference of luma becomes a byte: by the logarithm, in steps of 1/128 level at 0 and of 6 % further
away. A camera that stands still gives changes of a tenth of a level, and they tell one minute from the
next."""

_MAGIC = b"FATR1\0"
_HEAD = struct.Struct("<6sddI")

Cells = NDArray[np.float32]
"""Shape (ticks, CELLS): the mean luma, 0 to 255, of each cell, row by row."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """What a film shows at `start`, `start + step` and so on, in seconds: each tick is the mean of its
    frames."""

    start: float
    step: float
    cells: Cells

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def end(self) -> float:
        return self.start + len(self) * self.step

    def halved(self) -> Track:
        """The track with ticks of twice the length."""
        return Track(self.start, self.step * 2, halved(self.cells))

    def mirrored(self) -> Track:
        """The track of the film seen in a mirror."""
        turned = self.cells.reshape(-1, GRID, GRID)[:, :, ::-1].reshape(-1, CELLS)
        return Track(self.start, self.step, np.ascontiguousarray(turned))

    def to_bytes(self) -> bytes:
        blocks = [packed(self.cells[i : i + BLOCK]) for i in range(0, len(self), BLOCK)]
        return joined(self.start, self.step, blocks)

    @staticmethod
    def from_bytes(data: bytes) -> Track:
        """The track again, its cells within 1/256 level or 3.5 %. Raises FindalikeError for other bytes."""
        try:
            magic, start, step, count = _HEAD.unpack_from(data)
            body = zlib.decompress(data[_HEAD.size :])
        except (struct.error, zlib.error) as error:
            raise FindalikeError(f"a film's track is damaged ({error}); index the film again") from error
        blocks = -(-count // BLOCK)
        if magic != _MAGIC or len(body) != blocks * CELLS * 4 + count * CELLS:
            raise FindalikeError("a film's track is damaged, or of another version; index the film again")
        middles = np.frombuffer(body, "<f4", blocks * CELLS).reshape(-1, CELLS)
        codes = np.frombuffer(body, np.int8, count * CELLS, blocks * CELLS * 4).reshape(-1, CELLS)
        return Track(start, step, unpacked(middles, codes))


def halved(cells: Cells) -> Cells:
    """The means of each two ticks; an odd last one stays as it is."""
    pairs = len(cells) // 2
    means = cells[: pairs * 2].reshape(pairs, 2, CELLS).mean(axis=1)
    return np.concatenate([means, cells[pairs * 2 :]]).astype(np.float32)


Block = tuple[Cells, NDArray[np.int8]]
"""The mean of up to `BLOCK` ticks, shape (CELLS,), and how each of them differs from it, as bytes."""


def packed(cells: Cells) -> Block:
    middle = cells.mean(axis=0).astype(np.float32)
    apart = cells - middle
    codes = np.sign(apart) * np.rint(FINE * np.log1p(STEEP * np.abs(apart)))
    return middle, codes.astype(np.int8)


def unpacked(middles: Cells, codes: NDArray[np.int8]) -> Cells:
    """The ticks of blocks, all of which but the last are full; `middles` has shape (blocks, CELLS)."""
    apart = np.sign(codes) * _APART[np.abs(codes.astype(np.int16))]
    return (apart + np.repeat(middles, BLOCK, axis=0)[: len(codes)]).astype(np.float32)


_APART = (np.expm1(np.arange(128) / FINE) / STEEP).astype(np.float32)


def joined(start: float, step: float, blocks: Sequence[Block]) -> bytes:
    """A track as bytes, of its blocks."""
    middles = b"".join(middle.astype("<f4").tobytes() for middle, _ in blocks)
    codes = b"".join(codes.tobytes() for _, codes in blocks)
    count = sum(len(codes) for _, codes in blocks)
    return _HEAD.pack(_MAGIC, start, step, count) + zlib.compress(middles + codes)
