"""What is said of pictures: sentences of a table or a column, or labels read as words."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from findalike.errors import UsageError
from findalike.evaluate import tables, truth
from findalike.evaluate.tables import Table
from findalike.evaluate.truth import Pictures
from findalike.ownership import without_predictions
from findalike.types import Asset

LEAST = 10
"""Pictures with texts that anything can be learned of and measured on."""

SHOWN = 3
"""Names that a sentence lists before it says how many more there are."""

_BEGINNINGS = ("caption", "text", "sentence", "description", "title", "comment")
"""Of columns that hold what is said of a picture, where none is named."""

_TAGS = ("tag", "tags")


@dataclass(frozen=True, slots=True, eq=False)
class Captioned:
    """Pictures in the order of their content, and the texts of each, at least one. `of` says where these
    stood, and `notes` what a person should know."""

    pictures: Pictures
    texts: tuple[tuple[str, ...], ...]
    of: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def owners(self) -> NDArray[np.int64]:
        """The place of the picture of each text."""
        return np.repeat(np.arange(len(self)), [len(texts) for texts in self.texts])

    @property
    def sentences(self) -> list[str]:
        return [text for texts in self.texts for text in texts]

    @property
    def shared(self) -> bool:
        """Whether most texts are said of several pictures, as labels are and captions are not."""
        counts: dict[str, int] = defaultdict(int)
        for texts in self.texts:
            for text in set(texts):
                counts[text] += 1
        return 2 * sum(count > 1 for count in counts.values()) > len(counts)


def of_table(
    found: Pictures, table: Table, columns: Sequence[str] = (), as_labels: bool = False
) -> Captioned:
    """The captions of a table with a column of paths: of several columns, of several rows of a picture, or
    both. Without names, the columns are those whose name begins as `caption` or the like, else the only one
    beside the path. With `as_labels`, they are read as `words`. Raises UsageError."""
    path = table.path_column()
    names = [_named(name, table.columns, table.path) for name in columns] or _likely(table, path)
    texts: dict[int, list[str]] = defaultdict(list)
    unknown: dict[str, None] = {}
    for _, row in table.rows:
        place = found.find(row[path], table.folder)
        if place is None:
            unknown[row[path]] = None
        else:
            texts[place] += [words(row[name]) if as_labels else row[name] for name in names]
    if not texts:
        raise UsageError(
            f"{table.path}: none of its pictures is among those that could be read; the first is "
            f"{next(iter(unknown))!r}. Relative paths begin at the folder of the table"
        )
    notes = (
        [f"{_listed(list(unknown))}: not among the pictures that could be read, and left out."]
        if unknown
        else []
    )
    return _captioned(found, texts, f"{', '.join(names)} of {table.path}", notes)


def of_columns(found: Pictures, columns: Sequence[str]) -> Captioned:
    """The values of columns of a library, each a text of its own; `tag` are the tags. What was predicted says
    nothing. Raises UsageError."""
    known = sorted({name for asset in found.assets for name in asset.metadata})
    names = [_named(name, [*known, *_TAGS], "the library") for name in columns]
    texts = {place: list(_said(asset, names)) for place, asset in enumerate(found.assets)}
    return _captioned(found, texts, ", ".join(names), [])


def of_labels(found: Pictures, labels: Sequence[str | None], of: str) -> Captioned:
    """Labels read as words: `red_car` as `red car`. Raises UsageError."""
    texts = {place: [words(label)] for place, label in enumerate(labels) if label}
    return _captioned(found, texts, of, [])


def of_folders(found: Pictures, place: str | None = None) -> Captioned:
    """The names of the folders that pictures lie in, read as words. Raises UsageError; where all lie in one,
    it names a table in the folder `place` that says more of them."""
    labels = truth.of_folders(found)
    if len(set(labels)) == 1:
        raise UsageError(f"all {len(found):,} pictures lie in {labels[0]!r}, a folder whose name tells none "
                         f"from others: give --captions {_beside(place)}")  # fmt: skip
    return of_labels(found, labels, "the names of the folders")


def words(label: str) -> str:
    """A label as it would be said."""
    return " ".join(label.replace("_", " ").replace("/", " ").split())


def known_by(captioned: Captioned, means: Callable[[str], bool]) -> Captioned:
    """Without the texts of which no word is known. Raises UsageError where none is left."""
    kept = [[text for text in texts if means(text)] for texts in captioned.texts]
    lost = [text for text in captioned.sentences if not means(text)]
    if not any(kept):
        raise UsageError(
            f"no word of {captioned.of} is known, the first text is {lost[0][:60]!r}: the words that are "
            "read are English, or those of another model, given with --text-encoder clip:FOLDER"
        )
    note = (
        f"{len(lost):,} texts have no word that is known, such as {lost[0][:40]!r}, and are left out."
        if lost
        else ""
    )
    return _checked(_picked(captioned, kept, [*captioned.notes, *filter(None, [note])]))


def subset(captioned: Captioned, places: NDArray[np.int64]) -> Captioned:
    """The pictures of some places, in their order."""
    assets = tuple(captioned.pictures.assets[place] for place in places)
    return replace(
        captioned, pictures=Pictures(assets), texts=tuple(captioned.texts[place] for place in places)
    )


def _captioned(found: Pictures, texts: Mapping[int, Sequence[str]], of: str, notes: list[str]) -> Captioned:
    """Pictures of the same bytes are one, with the texts of all."""
    first: dict[int, int] = {}
    joined: dict[int, dict[str, None]] = defaultdict(dict)
    for place in range(len(found)):
        own = first.setdefault(int(found.content[place]), place)
        joined[own] |= dict.fromkeys(
            text for each in texts.get(place, ()) if (text := " ".join(each.split()))
        )
    every = [list(joined.get(place, ())) for place in range(len(found))]
    bare = sum(not every[place] for place in first.values())
    notes += [f"{len(found) - len(first):,} pictures are copies of others, and count once."] * (
        len(first) < len(found)
    )
    notes += [f"{bare:,} pictures have no text, and are left out."] * bool(bare)
    return _checked(_picked(Captioned(found, tuple(map(tuple, every)), of), every, notes))


def _picked(captioned: Captioned, texts: Sequence[Sequence[str]], notes: Iterable[str]) -> Captioned:
    """The pictures that have texts."""
    places = np.array([place for place, several in enumerate(texts) if several], np.int64)
    full = replace(captioned, texts=tuple(map(tuple, texts)), notes=tuple(notes))
    return subset(full, places)


def _checked(captioned: Captioned) -> Captioned:
    distinct = set(captioned.sentences)
    if not distinct:
        raise UsageError(
            f"{captioned.of}: no picture has a text there; name the column that has: --column NAME"
        )
    if len(distinct) == 1:
        raise UsageError(
            f"all {len(captioned):,} pictures are said to be {next(iter(distinct))[:60]!r}, and what "
            "words tell apart is learned of two texts at least: name another --column"
        )
    if len(captioned) < LEAST:
        raise UsageError(
            f"{len(captioned):,} pictures have texts, and it takes {LEAST} to learn from some and measure on "
            "others: describe more pictures"
        )
    return captioned


def _likely(table: Table, path: str) -> list[str]:
    others = [column for column in table.columns if column != path]
    found = [column for column in others if column.lower().startswith(_BEGINNINGS)]
    if not found and len(others) != 1:
        raise UsageError(
            f"{table.path}: which column holds what is said of the pictures? There are "
            f"{', '.join(others) or 'none'}: name one with --column NAME"
        )
    return found or others


def _beside(place: str | None) -> str:
    """The first table in a folder that has columns of captions, and which."""
    folder = Path(place).expanduser() if place else None
    for path in sorted(folder.glob("*.csv")) if folder else ():
        try:
            columns = tables.read(path).columns
        except UsageError:
            continue
        if said := [column for column in columns if column.lower().startswith(_BEGINNINGS)]:
            return f"{path}, which has {_listed(said)}"
    return "FILE, a table of paths and of what is said of each picture"


def _named(name: str, columns: Sequence[str], of: str) -> str:
    if name in columns:
        return name
    near = difflib.get_close_matches(name, columns, 3, 0.5)
    there = ", ".join(near or columns) or "none"
    raise UsageError(f"{of}: has no column {name!r}; {'near it are' if near else 'there are'} {there}")


def _said(asset: Asset, names: Sequence[str]) -> Iterator[str]:
    """What these columns say of a picture; nothing that was predicted."""
    stated = without_predictions(asset.metadata)
    for name in names:
        if name in _TAGS and name not in asset.metadata:
            yield from map(words, asset.tags)
        elif stated.get(name) is not None:
            yield words(str(stated[name]))


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
