"""PyTorch's legacy checkpoint files, read with numpy alone and without trusting them.

A legacy checkpoint is a run of pickles (magic number, protocol, machine, the tensors, the storage keys)
followed by the raw storages. Unpickling runs code, so the unpickler here knows an ordered dictionary, the
rebuilding of a tensor and the storage classes, and refuses every other name.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from findalike.errors import EncoderError

Tensors = Mapping[str, NDArray[Any]]

_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
}


def read(path: Path) -> Tensors:
    """Tensors by name. Raises EncoderError for a file that is no legacy checkpoint of plain tensors."""
    try:
        with path.open("rb") as file:
            return _read(file)
    except (
        pickle.UnpicklingError,
        EOFError,
        KeyError,
        ValueError,
        TypeError,
        IndexError,
        AttributeError,
    ) as error:
        raise EncoderError(f"{path}: not a PyTorch checkpoint of plain tensors ({error})") from error


def _read(file: BinaryIO) -> Tensors:
    storages: dict[str, _Storage] = {}
    if _Unpickler(file, storages).load() != _MAGIC:
        raise ValueError("its magic number is wrong")
    for _ in ("protocol", "machine"):
        _Unpickler(file, storages).load()
    tensors = _Unpickler(file, storages).load()
    for key in _Unpickler(file, storages).load():
        storages[key].fill(file)
    return {name: tensor.array() for name, tensor in tensors.items()}


@dataclass(slots=True)
class _Storage:
    """The flat numbers behind tensors. They follow the pickles, so tensors are shaped after filling."""

    dtype: str
    length: int
    numbers: NDArray[Any] | None = None

    def fill(self, file: BinaryIO) -> None:
        (length,) = np.frombuffer(file.read(8), "<i8")
        if length != self.length:
            raise ValueError(f"a storage of {length} numbers where {self.length} were announced")
        data = file.read(self.length * np.dtype(self.dtype).itemsize)
        self.numbers = np.frombuffer(data, self.dtype, count=self.length)


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self) -> NDArray[Any]:
        numbers = self.storage.numbers
        if numbers is None or len(self.shape) != len(self.stride) or min((self.offset, *self.stride)) < 0:
            raise ValueError("a tensor without storage, or of negative strides")
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))
        if 0 in self.shape or last >= numbers.size:
            raise ValueError("a tensor that reaches beyond its storage")
        bytes_apart = [step * numbers.itemsize for step in self.stride]
        return np.ascontiguousarray(
            as_strided(numbers[self.offset :], self.shape, bytes_apart, writeable=False)
        )


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, storages: dict[str, _Storage]) -> None:
        super().__init__(file, encoding="utf-8")
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, stride, *_: _Tensor(
                storage, offset, tuple(shape), tuple(stride)
            )
        if module == "torch" and name in _STORAGES:
            return partial(_Storage, _STORAGES[name])
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no weights need")

    def persistent_load(self, pid: Any) -> _Storage:
        tag, kind, key, _device, length, view = pid
        if tag != "storage" or view is not None:
            raise pickle.UnpicklingError("it holds something other than storages")
        storage: _Storage = self._storages.setdefault(key, kind(length))
        return storage
