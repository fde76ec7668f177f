"""The files of a model: which there are, what they say of it, and that they are still the same."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from findalike.errors import EncoderError, UsageError


@dataclass(frozen=True, slots=True)
class Folder:
    """`source` is a path or OWNER/NAME@COMMIT; `names` are the files there, by their path within it.

    `fetch` gives the directory in which the files that it is asked for are.
    """

    source: str
    names: frozenset[str]
    fetch: Callable[[Sequence[str]], Path]

    def require(self, *alternatives: str) -> str:
        """The first of these names that is there. Raises UsageError naming what is missing."""
        found = next((name for name in alternatives if name in self.names), None)
        if found is None:
            there = ", ".join(sorted(self.names)[:12]) or "nothing"
            raise UsageError(f"{self.source} lacks {' or '.join(alternatives)}; in it there is {there}")
        return found


def local(path: Path) -> Folder:
    """The folder at a path. Raises UsageError when there is none."""
    if not path.is_dir():
        what = "is a file, but a folder is expected" if path.exists() else "is not there"
        raise UsageError(f"{path} {what}; give the path of a model's folder, or OWNER/NAME of a model hub")
    return Folder(str(path), listed(path), lambda _: path)


def listed(path: Path) -> frozenset[str]:
    """The files of a folder and of its `onnx`."""
    found = [*path.iterdir(), *((path / "onnx").iterdir() if (path / "onnx").is_dir() else ())]
    return frozenset(each.relative_to(path).as_posix() for each in found if each.is_file())


PRECISIONS: Mapping[str, tuple[str, ...]] = {
    "float32": ("",),
    "int8": ("_quantized", "_int8", "_uint8"),
    "float16": ("_fp16",),
}
"""What stands at the end of the name of a graph that is computed so, the first choice first."""


def graphs(folder: Folder, stems: Sequence[str], precision: str | None) -> tuple[str, list[str]] | None:
    """The precision and the names of these graphs, such as `vision_model` and `text_model`, where all are
    there in one precision; None where they are not."""
    for each in [precision] if precision else PRECISIONS:
        found = [_graph(folder, stem, PRECISIONS.get(each, ())) for stem in stems]
        names = [name for name in found if name]
        if len(names) == len(stems):
            return each, names
    return None


def _graph(folder: Folder, stem: str, suffixes: Sequence[str]) -> str | None:
    names = [f"{place}{stem}{suffix}.onnx" for suffix in suffixes for place in ("onnx/", "")]
    return next((name for name in names if name in folder.names), None)


def weights_of(folder: Folder, name: str) -> list[str]:
    """The files in which a graph of more than 2 GB keeps its weights, as exporters name them."""
    return sorted(each for each in folder.names if each.startswith((f"{name}_data", f"{name}.data")))


# What the files say


def config(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises EncoderError."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise EncoderError(f"{path} cannot be read as JSON: {error}; fetch it again") from error
    if not isinstance(content, dict):
        raise EncoderError(f"{path} holds no JSON object; fetch it again")
    return content


def licence(path: Path) -> str:
    """The licence that a model's README.md names in its first lines, or `unknown`."""
    if not path.is_file():
        return "unknown"
    head = path.read_text("utf-8", errors="replace")[:20_000]
    found = re.search(r"\A---\n.*?^license:\s*['\"]?([\w.+-]+)", head, re.DOTALL | re.MULTILINE)
    return found[1] if found else "unknown"


def digests(files: Mapping[str, Path]) -> dict[str, str]:
    """The SHA-256 of each file, by its role."""
    return {role: sha256(path) for role, path in files.items()}


def combined(digests: Iterable[str]) -> str:
    """One SHA-256 for several files: that of the file itself where there is one."""
    several = list(digests)
    return several[0] if len(several) == 1 else hashlib.sha256(" ".join(several).encode()).hexdigest()


def sha256(path: Path) -> str:
    """The SHA-256 of a file, kept while neither its size nor its time of change is another."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(files: Mapping[str, Path], wanted: Mapping[str, str], space: str) -> None:
    """Raises EncoderError unless each file is the one that a card was made of."""
    for role, path in files.items():
        if not path.is_file():
            raise EncoderError(f"{path} is gone, of which {space} was made: {put_back(wanted[role], space)}")
        if (found := sha256(path)) != wanted[role]:
            raise EncoderError(
                f"{path} is not the file that {space} was made of: its SHA-256 is {found}, not "
                f"{wanted[role]}; put that one back, or take it out of the library: "
                f"findalike remove --encoder {space}"
            )


def put_back(sha256: str, space: str) -> str:
    family = space.rpartition(":")[0]
    return (
        f"put the file of SHA-256 {sha256} back, or say where it is now: "
        f"findalike index --encoder {family}:PATH on the folders again"
    )
