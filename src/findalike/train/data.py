"""What there is to learn from: pictures of a library, and which of them belong together.

Labels say it, of folders, of columns and of tables; or single pairs do, of a table or of the marks that
people left on results; or triplets. Pictures of the same bytes count once, so that none is learned from and
measured on.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from findalike.errors import UsageError
from findalike.evaluate.tables import Table
from findalike.evaluate.truth import FOLDER, Known, Labels, Pairs, Pictures, of_folders

Places = NDArray[np.int64]

CLASSES, PAIRS, TRIPLETS = "classes", "pairs", "triplets"
SHOWN = 3
"""Names that a sentence lists before it says how many more there are."""

_NO_PAIRS: Places = np.zeros((0, 2), np.int64)
_NO_TRIPLETS: Places = np.zeros((0, 3), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Pictures in the order of their content, each with a label.

    Where `kind` is `classes`, pictures of one label are alike and all others are not. Else labels name the
    groups that hang together; only the pairs of `alike`, shape (m, 2), are known to be alike, pictures of two
    groups are not, nor are those of `apart`. Of each row of `triplets`, shape (m, 3), the first is liker the
    second than the third. `columns` are further values of each picture, and `notes` what a person should
    know."""

    pictures: Pictures
    labels: tuple[str, ...]
    of: str
    columns: Mapping[str, Labels] = field(default_factory=dict)
    kind: str = CLASSES
    alike: Places = field(default_factory=_NO_PAIRS.copy)
    apart: Places = field(default_factory=_NO_PAIRS.copy)
    triplets: Places = field(default_factory=_NO_TRIPLETS.copy)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.labels)))

    @property
    def codes(self) -> Places:
        """The number of each picture's label among `classes`."""
        numbers = {label: number for number, label in enumerate(self.classes)}
        return np.array([numbers[label] for label in self.labels], np.int64)

    def column(self, name: str) -> Labels:
        """The values of a column. Raises UsageError naming those there are."""
        return _column(self.columns, name)


def of_column(found: Pictures, known: Known, column: str | None) -> Examples:
    """Pictures with one value of a column are alike; without a column, those that lie in one folder. Raises
    UsageError for labels that nothing can be learned from."""
    columns = {**known.columns, FOLDER: known.columns.get(FOLDER) or of_folders(found)}
    labels = _column(columns, column or FOLDER)
    chosen, notes = _usable(found, labels)
    picked = _picked(found, [labels[place] or "" for place in chosen], columns, chosen, column or FOLDER)
    _check_labels(picked)
    notes += [*_unknown(known.unknown), *_spellings(picked.classes), *_single(picked)]
    return replace(picked, notes=tuple(notes))


def of_pairs(found: Pictures, pairs: Pairs, of: str) -> Examples:
    """What pairs say that are the same, or are not. Raises UsageError where none are the same."""
    places = np.stack([pairs.first, pairs.second], axis=1)
    notes = _unknown(pairs.unknown)
    return _of_relations(found, places[pairs.same], places[~pairs.same], of, notes)


def of_marks(found: Pictures, marks: Iterable[tuple[str, str, bool]]) -> Examples:
    """What people marked: the ids of a query and of what it found, and whether that was right. The last mark
    of a pair counts."""
    verdicts: dict[tuple[int, int], bool] = {}
    lost = 0
    for query, hit, good in marks:
        ours, theirs = found.find(f"id:{query}", ""), found.find(f"id:{hit}", "")
        if ours is None or theirs is None or ours == theirs:
            lost += 1
        else:
            verdicts[min(ours, theirs), max(ours, theirs)] = good
    notes = [f"{lost:,} marks are of pictures that are gone, and are left out."] if lost else []
    sides = [np.array([p for p, good in verdicts.items() if good is v], np.int64).reshape(-1, 2)
             for v in (True, False)]  # fmt: skip
    return _of_relations(found, sides[0], sides[1], "marks", notes)


def of_triplets(found: Pictures, table: Table) -> Examples:
    """Rows of `anchor`, `positive` and `negative`, or the first three columns. Raises UsageError."""
    names = [table.either([name], place) for place, name in enumerate(("anchor", "positive", "negative"))]
    rows, unknown = [], []
    for _, row in table.rows:
        places = [found.find(row[name], table.folder) for name in names]
        unknown += [row[name] for name, place in zip(names, places, strict=True) if place is None]
        if None not in places and len(set(places)) == 3:
            rows.append(places)
    triplets = np.array(rows, np.int64).reshape(-1, 3)
    if not len(triplets):
        raise UsageError(f"{table.path}: no row names three pictures that are there; the columns are anchor, "
                         "positive and negative, with paths from the folder of the table")  # fmt: skip
    return _of_relations(found, triplets[:, :2], triplets[:, [0, 2]], table.path, _unknown(unknown), triplets)


def subset(examples: Examples, places: Places) -> Examples:
    """The examples of some places, in ascending order, with those relations that lie wholly among them."""
    to = np.full(len(examples), -1, np.int64)
    to[places] = np.arange(len(places))

    def kept(rows: Places) -> Places:
        moved = to[rows]
        return moved[(moved >= 0).all(axis=1)]

    return replace(
        examples,
        pictures=Pictures(tuple(examples.pictures.assets[place] for place in places)),
        labels=tuple(examples.labels[place] for place in places),
        columns={name: tuple(values[p] for p in places) for name, values in examples.columns.items()},
        alike=kept(examples.alike),
        apart=kept(examples.apart),
        triplets=kept(examples.triplets),
    )


# Labels


def _column(columns: Mapping[str, Labels], name: str) -> Labels:
    if name not in columns:
        there = ", ".join(sorted(columns)) or "none; a table with columns is given with --labels FILE"
        raise UsageError(f"no column is named {name!r}; there are {there}: give one to --column")
    return columns[name]


def _usable(found: Pictures, labels: Labels) -> tuple[list[int], list[str]]:
    """The places of labelled pictures, of the same bytes one, and what is left out. Pictures of the same
    bytes with two labels say nothing, and are all left out."""
    by_content: dict[int, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        if label is not None:
            by_content[int(found.content[place])].append(place)
    torn = [places for places in by_content.values() if len({labels[place] for place in places}) > 1]
    chosen = sorted(places[0] for places in by_content.values() if len({labels[p] for p in places}) == 1)
    copies = sum(len(places) - 1 for places in by_content.values()) - sum(len(places) - 1 for places in torn)
    bare = sum(label is None for label in labels)
    notes = [f"{bare:,} pictures have no label, and are left out."] if bare else []
    notes += [f"{copies:,} pictures are copies of others, and count once."] if copies else []
    if torn:
        first = " and ".join(repr(labels[place]) for place in torn[0][:2])
        notes.append(f"{len(torn):,} pictures are there twice with two labels ({first}), and are left out.")
    return chosen, notes


def _picked(
    found: Pictures, labels: Sequence[str], columns: Mapping[str, Labels], chosen: Sequence[int], of: str
) -> Examples:  # fmt: skip
    pictures = Pictures(tuple(found.assets[place] for place in chosen))
    values = {name: tuple(column[place] for place in chosen) for name, column in columns.items()}
    return Examples(pictures, tuple(labels), of, values)


def _check_labels(examples: Examples) -> None:
    sizes = Counter(examples.labels)
    if not sizes:
        raise UsageError(
            f"no picture has a value of {examples.of}: check the name of the column and the paths of the "
            "table, or put the pictures into a folder for each class"
        )
    if len(sizes) == 1:
        raise UsageError(
            f"all {len(examples):,} pictures have the {examples.of} {next(iter(sizes))!r}, and what sets "
            "classes apart is learned of two at least: name another --column, or give a folder with one for "
            "each class"
        )
    if max(sizes.values()) == 1:
        raise UsageError(
            f"no two pictures have the same {examples.of}, and what makes two alike is learned of classes "
            "of two or more: name a --column whose values repeat"
        )


def _spellings(classes: Sequence[str]) -> list[str]:
    """Labels that differ in nothing but case, spaces and dashes."""
    alike: dict[str, list[str]] = defaultdict(list)
    for label in classes:
        alike[re.sub(r"[\W_]+", "", label).casefold()].append(label)
    return [f"The labels {' and '.join(map(repr, several))} look like one in two spellings; they are taken "
            "for classes of their own. Give them one spelling if they are one."
            for several in alike.values() if len(several) > 1]  # fmt: skip


def _single(examples: Examples) -> list[str]:
    alone = [label for label, size in Counter(examples.labels).items() if size == 1]
    return [f"{_listed(sorted(alone))} have one picture each, which has nothing to find."] if alone else []


def _unknown(unknown: Sequence[str]) -> list[str]:
    if not unknown:
        return []
    return [
        f"{_listed(list(dict.fromkeys(unknown)))}: not among the pictures that could be read, and left out."
    ]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


# Pairs


def _of_relations(
    found: Pictures, alike: Places, apart: Places, of: str, notes: list[str],
    triplets: Places = _NO_TRIPLETS,
) -> Examples:  # fmt: skip
    """Examples of pairs, of pictures of the same bytes the first. One that is said to be alike and apart says
    nothing, nor does a picture beside itself."""
    first = np.unique(found.content, return_index=True)[1][found.content] if len(found) else np.zeros(0, int)
    alike, apart, triplets = (_distinct(first[rows]) for rows in (alike, apart, triplets))
    both = {*map(tuple, np.sort(alike, axis=1))} & {*map(tuple, np.sort(apart, axis=1))}
    alike, apart = (_without(rows, both) for rows in (alike, apart))
    if not len(alike):
        raise UsageError(f"{of}: no two pictures are said to be the same, so there is nothing to bring "
                         "nearer; add pairs that are")  # fmt: skip
    if both:
        notes = [*notes, f"{len(both):,} pairs are said to be the same and not; they are left out."]
    named = np.unique(np.concatenate([alike.ravel(), apart.ravel(), triplets.ravel()]))
    group = _groups(len(found), alike)
    examples = Examples(found, tuple(f"group {group(place)}" for place in range(len(found))), of,
                        {FOLDER: of_folders(found)}, TRIPLETS if len(triplets) else PAIRS, alike, apart,
                        triplets, tuple(notes))  # fmt: skip
    return subset(examples, named)


def _distinct(rows: Places) -> Places:
    """The rows that name no picture twice."""
    ordered = np.sort(rows, axis=1)
    kept: Places = rows[(ordered[:, 1:] != ordered[:, :-1]).all(axis=1)]
    return kept


def _without(rows: Places, both: Iterable[tuple[int, ...]]) -> Places:
    out = set(both)
    kept = [row for row in rows if tuple(sorted(row)) not in out]
    return np.array(kept, np.int64).reshape(-1, 2)


def _groups(count: int, alike: Places) -> Callable[[int], int]:
    """The least place of all that hang together by pairs (union and find, Galler and Fischer 1964)."""
    parent = list(range(count))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for one, other in alike:
        low, high = sorted((root(int(one)), root(int(other))))
        parent[high] = low
    return root
