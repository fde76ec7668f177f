"""The arrays of a joblib file, read with numpy alone and without trusting it.

joblib writes a pickle in which the numbers of each array follow its description. Unpickling runs code, so the
unpickler here knows that description and the types of arrays, and refuses every other name.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from findalike import plugins
from findalike.errors import EncoderError

Arrays = list[NDArray[np.float32]]

MOST_BYTES = 64 * 2**20
"""Of what a file may unpack to: ten times the largest of them."""

EXTRA = "findalike[faces]"


def read(path: Path) -> Arrays:
    """The list of float32 arrays in an lz4 file of joblib's.

    Raises EncoderError for a file that holds anything else, ExtraMissing where lz4 is not installed.
    """
    lz4 = plugins.on_use("lz4.frame", EXTRA)
    try:
        content = lz4.LZ4FrameDecompressor().decompress(path.read_bytes(), max_length=MOST_BYTES)
        return _arrays(io.BytesIO(content))
    except (
        pickle.UnpicklingError,
        EOFError,
        KeyError,
        ValueError,
        TypeError,
        IndexError,
        AttributeError,
        RuntimeError,
    ) as error:
        raise EncoderError(f"{path}: not a joblib file of plain arrays ({error})") from error


def _arrays(file: BinaryIO) -> Arrays:
    found = _Unpickler(file).load()
    if not isinstance(found, list) or not all(isinstance(each, _Array) for each in found):
        raise ValueError("it is no list of arrays")
    if file.read(1):
        raise ValueError("something follows its arrays")
    return [each.numbers for each in found]


class _Type:
    """A numpy dtype as it is pickled: its letters, and then its byte order."""

    def __init__(self, letters: str, *_: Any) -> None:
        self.letters = letters

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.letters = f"{state[1]}{self.letters}"


class _Array:
    """What joblib writes for an array: its description is set where the file stands at its numbers."""

    file: BinaryIO
    numbers: NDArray[np.float32]

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        kind, shape = state["dtype"], tuple(state["shape"])
        if not isinstance(kind, _Type) or kind.letters != "<f4" or state["order"] != "C":
            raise ValueError("it holds something other than rows of float32")
        if not all(isinstance(length, int) and length > 0 for length in shape):
            raise ValueError(f"an array of shape {shape}")
        if state.get("numpy_array_alignment_bytes"):
            self.file.read(self.file.read(1)[0])
        data = self.file.read(4 * math.prod(shape))
        self.numbers = np.frombuffer(data, "<f4").reshape(shape)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="utf-8")
        self._array = type("_Array", (_Array,), {"file": file})

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
            return self._array
        if (module, name) == ("numpy", "dtype"):
            return _Type
        if (module, name) == ("numpy", "ndarray"):
            return "ndarray"  # named by each array as its class, and never made
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no weights need")
