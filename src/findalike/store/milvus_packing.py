"""Fields of records as messages to Milvus, and vectors out of its answers.

pymilvus takes each number of a vector through Python; here they go as numpy has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from pymilvus import DataType
from pymilvus.grpc_gen import schema_pb2


def texts(name: str, values: Sequence[str]) -> Any:
    held = schema_pb2.ScalarField(string_data=schema_pb2.StringArray(data=values))
    return schema_pb2.FieldData(type=DataType.VARCHAR, field_name=name, scalars=held)


def numbers(name: str, values: Sequence[int]) -> Any:
    held = schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=values))
    return schema_pb2.FieldData(type=DataType.INT64, field_name=name, scalars=held)


def dynamic(values: Sequence[bytes]) -> Any:
    """The field of all that the schema does not name: JSON objects."""
    held = schema_pb2.ScalarField(json_data=schema_pb2.JSONArray(data=values))
    return schema_pb2.FieldData(type=DataType.JSON, field_name="$meta", is_dynamic=True, scalars=held)


def vectors(block: Any, dim: int) -> Any:
    """The field of vectors, of shape (records, dim). The numbers of a message are packed as numpy has them in
    memory, after a tag and the length."""
    raw = np.ascontiguousarray(block, "<f4").tobytes()
    packed = schema_pb2.FloatArray.FromString(b"\x0a" + _length(len(raw)) + raw)
    held = schema_pb2.VectorField(dim=dim, float_vector=packed)
    return schema_pb2.FieldData(type=DataType.FLOAT_VECTOR, field_name="v", vectors=held)


def with_vectors(records: list[dict[str, Any]], fields: Iterable[Any]) -> list[dict[str, Any]]:
    """The records of an answer with their vectors as numpy has them, taken from the message as they were put
    into it: pymilvus makes a Python number of each, which takes ten times as long."""
    for field in fields:
        if field.field_name == "v" and records:
            held = field.vectors.float_vector
            count = len(held.data)
            raw = held.SerializeToString()
            block = np.frombuffer(raw, "<f4", count, len(raw) - 4 * count).reshape(len(records), -1)
            for record, vector in zip(records, block, strict=True):
                record["v"] = vector
    return records


def _length(number: int) -> bytes:
    """A number in base 128, as messages have lengths."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
