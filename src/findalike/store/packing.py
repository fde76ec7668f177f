"""How the vectors of a space lie in a column: numbers as they are, bits by eight, and of sparse ones only
what is not zero. Each packed vector says how many numbers it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa

from findalike.types import Card, Vector, Vectors

_COUNT = np.dtype("<u4")
_PLACE, _WEIGHT = np.dtype("<u4"), np.dtype("<f4")


def type_of(card: Card) -> pa.DataType:
    """The type of a column of vectors of a card."""
    if card.dtype == "bit":
        return pa.binary(_COUNT.itemsize + -(-card.dim // 8))
    if card.dtype == "sparse":
        return pa.large_binary()
    return pa.list_(pa.float16() if card.dtype == "float16" else pa.float32(), card.dim)


def packed(vectors: Sequence[Vector], kind: pa.DataType) -> pa.Array:
    """Vectors of shape (dim,) as a column of that type."""
    if pa.types.is_fixed_size_binary(kind):
        return pa.array([_head(v) + np.packbits(v > 0.5).tobytes() for v in vectors], kind)
    if pa.types.is_large_binary(kind):
        return pa.array([_head(v) + _nonzero(v) for v in vectors], kind)
    flat = np.concatenate(vectors).astype(kind.value_type.to_pandas_dtype(), copy=False)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), len(vectors[0]))


def unpacked(column: pa.ChunkedArray) -> Vectors:
    """The vectors of a column, of shape (rows, dim), as float32."""
    kind = column.type
    if pa.types.is_fixed_size_binary(kind) or pa.types.is_large_binary(kind):
        read = bits if pa.types.is_fixed_size_binary(kind) else sparse
        rows = [read(value) for value in column.to_pylist()]
        return np.stack(rows) if rows else np.empty((0, 0), np.float32)
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float32).reshape(len(column), cast(Any, kind).list_size)


def _head(vector: Vector) -> bytes:
    return np.array(len(vector), _COUNT).tobytes()


def _nonzero(vector: Vector) -> bytes:
    places = np.flatnonzero(vector)
    return places.astype(_PLACE).tobytes() + vector[places].astype(_WEIGHT).tobytes()


def _dim(value: bytes) -> int:
    return int(np.frombuffer(value, _COUNT, 1)[0])


def bits(value: bytes) -> Vector:
    """The vector of packed bits."""
    found = np.unpackbits(np.frombuffer(value, np.uint8, offset=_COUNT.itemsize), count=_dim(value))
    return found.astype(np.float32)


def sparse(value: bytes) -> Vector:
    """The vector of packed numbers that are not zero."""
    vector = np.zeros(_dim(value), np.float32)
    count = (len(value) - _COUNT.itemsize) // (_PLACE.itemsize + _WEIGHT.itemsize)
    places = np.frombuffer(value, _PLACE, count, _COUNT.itemsize)
    vector[places] = np.frombuffer(value, _WEIGHT, count, _COUNT.itemsize + places.nbytes)
    return vector
