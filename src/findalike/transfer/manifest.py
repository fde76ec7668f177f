"""The manifest of an export: which files there are, how large, with which SHA-256, and what is in them.

It is written last, so an export without one is not whole. While it grows, the same stands in a file of
another name, so that a run that was stopped goes on after the last whole file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from findalike.errors import LibraryError, LibraryMismatch, LibraryMissing
from findalike.files import replace_file
from findalike.query import Kind
from findalike.store.base import card_from_json, card_to_json
from findalike.transfer.tables import Layout
from findalike.transfer.tally import Count, Tally
from findalike.types import Bank, Concept

NAME, UNFINISHED = "manifest.json", "manifest.unfinished.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class File:
    """One file of an export, by its path in it. `rows` is 0 of what is no table."""

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export holds, and of which library. `totals` are there once it is whole."""

    source: str
    layout: Layout
    files: tuple[File, ...] = ()
    totals: Tally = dataclasses.field(default_factory=dict)

    def of(self, folder: str) -> list[File]:
        """The files in one folder, in order."""
        return sorted((f for f in self.files if f.path.rpartition("/")[0] == folder), key=lambda f: f.path)


def described(folder: Path, path: str, rows: int = 0) -> File:
    """A file as the manifest lists it."""
    with (folder / path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return File(path, rows, os.fstat(file.fileno()).st_size, digest)


def write(folder: Path, manifest: Manifest, name: str = NAME) -> None:
    layout = manifest.layout
    content = {
        "format": FORMAT,
        "made_by": f"findalike {version('findalike')}",
        "source": manifest.source,
        "cards": [card_to_json(card) for card in layout.cards.values()],
        "banks": [dataclasses.asdict(bank) for bank in layout.banks.values()],
        "columns": dict(layout.columns),
        "totals": {kind: dataclasses.asdict(count) for kind, count in manifest.totals.items()},
        "files": [dataclasses.asdict(file) for file in manifest.files],
    }
    replace_file(folder / name, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read(folder: Path, name: str = NAME) -> Manifest:
    """The manifest of an export. Raises LibraryMissing when there is none, LibraryMismatch for one of a later
    format and for an export that is not whole, LibraryError for a damaged one."""
    path = folder / name
    try:
        content = json.loads(path.read_bytes())
        if (form := int(content["format"])) > FORMAT:
            raise LibraryMismatch(
                f"{folder} was made by {content.get('made_by', 'a later findalike')} in format {form}, but "
                f"this version reads up to {FORMAT}: pip install --upgrade findalike"
            )
        return _manifest(content)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(folder) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LibraryError(f"{path} cannot be read ({error}); export the library anew") from error


def check(folder: Path, files: Iterable[File]) -> None:
    """Raises LibraryError naming the files that are gone, shorter or other than they were written."""
    wrong = [f"{file.path} {state}" for file in files if (state := _state(folder, file))]
    if wrong:
        more = f" and {len(wrong) - 3:,} more" if len(wrong) > 3 else ""
        raise LibraryError(
            f"{folder} is not the export that was written: {', '.join(wrong[:3])}{more}; put the files back "
            "from a copy, or export the library anew"
        )


def _state(folder: Path, file: File) -> str:
    """What is wrong with a file; empty when nothing is."""
    try:
        size = (folder / file.path).stat().st_size
    except OSError:
        return "is missing"
    if size != file.bytes:
        return f"has {size:,} bytes instead of {file.bytes:,}"
    return "" if described(folder, file.path).sha256 == file.sha256 else "has another SHA-256"


def _missing(folder: Path) -> LibraryError:
    if (folder / UNFINISHED).exists():
        return LibraryMismatch(
            f"{folder} is an export that is not whole; to go on, run the findalike export that began it again"
        )
    return LibraryMissing(
        f"there is no export in {folder}: {NAME} is not there; to make one: findalike export {folder}"
    )


def _manifest(content: Mapping[str, Any]) -> Manifest:
    cards = [card_from_json(values) for values in content["cards"]]
    banks = [_bank(values) for values in content["banks"]]
    columns: dict[str, Kind] = dict(content["columns"])
    layout = Layout({card.space: card for card in cards}, {bank.name: bank for bank in banks}, columns)
    totals = {kind: Count(**count) for kind, count in content["totals"].items()}
    return Manifest(content["source"], layout, tuple(File(**file) for file in content["files"]), totals)


def _bank(values: Mapping[str, Any]) -> Bank:
    concepts = (Concept(c["name"], tuple(c["words"]), tuple(c["broader"])) for c in values["concepts"])
    return Bank(values["name"], values["revision"], tuple(concepts))
