"""Where a run stands, as a file: arrays and a JSON in an .npz, written whole or not at all, and read without
running what could be in it.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike.errors import LibraryError, UsageError
from findalike.files import replace_file

ENDING = ".checkpoint.npz"

Arrays = Mapping[str, NDArray[Any]]
_FOLDERS = ("model", "best", "optimizer")
_FACTS = "facts"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """`purpose` says all that decides the result; `values` and `losses` are those so far; the others hold
    weights, the best weights, and what the optimizer remembers of each."""

    purpose: str
    values: tuple[float, ...]
    losses: tuple[float, ...]
    model: Arrays
    best: Arrays
    optimizer: Arrays


def beside(result: Path) -> Path:
    """The checkpoint of a run whose result is this file."""
    return result.with_name(result.stem + ENDING)


def write(path: Path, found: Checkpoint) -> None:
    """Raises LibraryError where it cannot be written; what was there stays."""
    facts = {"purpose": _digest(found.purpose), "values": found.values, "losses": found.losses}
    arrays = {
        f"{folder}/{name}": array for folder in _FOLDERS for name, array in getattr(found, folder).items()
    }
    buffer = io.BytesIO()
    arrays[_FACTS] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    np.savez(buffer, allow_pickle=False, **arrays)
    try:
        replace_file(path, buffer.getvalue())
    except OSError as error:
        raise LibraryError(
            f"{path} cannot be written: {error.strerror or error}; nothing that was there before was "
            "changed. Make room, or give --out on another drive, and go on with --resume"
        ) from error


def read(path: Path, purpose: str) -> Checkpoint:
    """Raises UsageError for a file that is not there, not of this kind, or of another run."""
    if not path.is_file():
        raise UsageError(f"{path}: nothing is there to go on from; leave out --resume to begin")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        facts = json.loads(arrays.pop(_FACTS).tobytes())
        kept, values, losses = facts["purpose"], tuple(facts["values"]), tuple(facts["losses"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} cannot be read as where a run stood ({error}); delete it, and begin "
                         "without --resume") from error  # fmt: skip
    if kept != _digest(purpose):
        raise UsageError(
            f"{path} is of a run with other pictures or options, and going on from it would give the result "
            "of neither; give the same ones again, or begin without --resume"
        )
    return Checkpoint(purpose, values, losses, *(_within(arrays, folder) for folder in _FOLDERS))


def _within(arrays: Arrays, folder: str) -> dict[str, NDArray[Any]]:
    inside = f"{folder}/"
    return {name.removeprefix(inside): array for name, array in arrays.items() if name.startswith(inside)}


def _digest(purpose: str) -> str:
    return hashlib.sha256(purpose.encode()).hexdigest()
