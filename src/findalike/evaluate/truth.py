"""What is true of the pictures of a library: labels from folders, columns and tables; pairs; relevant
pictures.

Pictures are kept in the order of their content's SHA-256. Equal similarities rank in this order, which is as
good as a random one, knows nothing of labels, and is the same on every machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from findalike import uri as uris
from findalike.errors import UsageError
from findalike.evaluate.tables import Table
from findalike.ownership import without_predictions
from findalike.present.caption import plain
from findalike.store.columns import parent
from findalike.types import Asset, Value

SAME = {"1", "same", "true", "yes", "y"}
DIFFERENT = {"0", "different", "false", "no", "n"}
FOLDER = "folder"

Labels = tuple[str | None, ...]
"""The label of each picture, None where it has none."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures in the order of their content. `find` gives the place of one."""

    assets: tuple[Asset, ...]

    def __len__(self) -> int:
        return len(self.assets)

    @cached_property
    def places(self) -> Mapping[str, int]:
        by_uri = {asset.uri: place for place, asset in enumerate(self.assets)}
        return by_uri | {f"id:{asset.id}": place for place, asset in enumerate(self.assets)}

    @cached_property
    def content(self) -> NDArray[np.int64]:
        """A number for each picture, the same for the same bytes."""
        numbers = {sha: n for n, sha in enumerate(sorted({asset.sha256 for asset in self.assets}))}
        return np.array([numbers[asset.sha256] for asset in self.assets], np.int64)

    def find(self, name: str, folder: str) -> int | None:
        """The place of `id:…`, or of a path that is absolute or relative to a folder."""
        if name.startswith("id:"):
            return self.places.get(name)
        path = os.path.join(folder, os.path.expanduser(name))  # noqa: PTH111, PTH118
        return self.places.get(uris.from_path(path))


@dataclass(frozen=True, slots=True)
class Known:
    """What a table says of pictures: by column the text of each, and the files that are not among them."""

    columns: Mapping[str, Labels]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of places, and whether they are the same; files that are not among the pictures, and of how many
    rows both pictures are one."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    same: NDArray[np.bool_]
    unknown: tuple[str, ...] = ()
    selves: int = 0


@dataclass(frozen=True, slots=True)
class Relevant:
    """The grades (above 0) of what is relevant, by place of the query and of the picture."""

    grades: Mapping[int, Mapping[int, float]]
    unknown: tuple[str, ...] = ()


def pictures(assets: Iterable[Asset]) -> Pictures:
    return Pictures(tuple(sorted(assets, key=lambda asset: (asset.sha256, asset.uri))))


def of_folders(found: Pictures) -> Labels:
    """The name of the folder that each picture lies in."""
    return tuple(Path(parent(asset.uri)[0]).name or None for asset in found.assets)


def of_library(found: Pictures) -> Known:
    """The metadata columns of the library, without what was predicted: nothing can be judged by, or learned
    of, a guess."""
    stated = [without_predictions(asset.metadata) for asset in found.assets]
    names = sorted({name for each in stated for name in each})
    return Known({name: tuple(_label(each.get(name)) for each in stated) for name in names})


def of_table(found: Pictures, table: Table) -> Known:
    """The columns of a table that names pictures. A later row of one picture counts."""
    path = table.path_column()
    rows: dict[int, Mapping[str, str]] = {}
    unknown = []
    for _, row in table.rows:
        place = found.find(row[path], table.folder)
        if place is None:
            unknown.append(row[path])
        else:
            rows[place] = row
    columns = [column for column in table.columns if column != path]
    labels = {c: tuple(rows[i][c] or None if i in rows else None for i in range(len(found))) for c in columns}
    return Known(labels, tuple(unknown))


def pairs(found: Pictures, table: Table) -> Pairs:
    """The pairs of a table: the columns `first`, `second` and `same`, or the first three. A picture and
    itself are no pair. Raises UsageError."""
    first, second = table.either(["first"], 0), table.either(["second"], 1)
    verdict = table.either(["same"], 2)
    rows, unknown, selves = [], [], 0
    for line, row in table.rows:
        places = [found.find(_named(table, line, row, column), table.folder) for column in (first, second)]
        same = _same(table, line, row[verdict])
        missing = [row[c] for c, place in zip((first, second), places, strict=True) if place is None]
        unknown += missing
        if not missing and places[0] == places[1]:
            selves += 1
        elif not missing:
            rows.append((*places, same))
    if not rows:
        raise UsageError(
            f"{table.path}: {_none_known(unknown) if unknown else 'all pairs are of one picture'}"
        )
    ours, theirs, kinds = zip(*rows, strict=True)
    unknown = list(dict.fromkeys(unknown))
    return Pairs(np.array(ours), np.array(theirs), np.array(kinds, np.bool_), tuple(unknown), selves)


def relevant(found: Pictures, table: Table) -> Relevant:
    """What a table of the columns `query`, `relevant` and perhaps `grade` says; where `relevant` is empty,
    the query has nothing to find. Raises UsageError."""
    query, wanted = table.either(["query"], 0), table.either(["relevant"], 1)
    grades: dict[int, dict[int, float]] = {}
    unknown = []
    for line, row in table.rows:
        named = [_named(table, line, row, query), *filter(None, [row[wanted]])]
        places = [found.find(name, table.folder) for name in named]
        unknown += [name for name, place in zip(named, places, strict=True) if place is None]
        asked, good = (*places, None)[:2]
        if asked is not None:
            of_query = grades.setdefault(asked, {})
            if good is not None:
                of_query[good] = _grade(table, line, row.get("grade", ""))
    if not grades:
        raise UsageError(f"{table.path}: {_none_known(unknown)}")
    return Relevant(grades, tuple(dict.fromkeys(unknown)))


def _label(value: Value) -> str | None:
    return None if value is None or value == "" else str(plain(value))


def _named(table: Table, line: int, row: Mapping[str, str], column: str) -> str:
    if not row[column]:
        raise UsageError(f"{table.path}: line {line} names no picture in the column {column!r}")
    return row[column]


def _same(table: Table, line: int, text: str) -> bool:
    if text.lower() not in SAME | DIFFERENT:
        raise UsageError(f"{table.path}: line {line} says {text!r}, but it must be 1 or 0, same or different")
    return text.lower() in SAME


def _grade(table: Table, line: int, text: str) -> float:
    try:
        grade = float(text or 1)
    except ValueError:
        grade = float("nan")
    if not 0 <= grade < float("inf"):
        raise UsageError(
            f"{table.path}: line {line} has the grade {text!r}, but it must be a number from 0 on"
        )
    return grade


def _none_known(unknown: Sequence[str]) -> str:
    return (
        f"none of its pictures is in the library; the first is {unknown[0]!r}. Relative paths begin at the "
        "folder of the table"
    )
