"""Nothing left of a person, or of all faces, and the proof.

What is to go is noted in a file first and struck out last, so that a run that is killed is finished by the
next that changes anything. The files of photographs are never touched, and neither are their thumbnails.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeVar

import numpy as np

from findalike.encode import catalog
from findalike.errors import LibraryError
from findalike.filters import folded
from findalike.people import album as albums
from findalike.people import sorting, tags
from findalike.people.album import Album, Person, asset_of
from findalike.people.shelf import Shelf
from findalike.sidecars import FolderSidecars, Sidecars
from findalike.store.base import Progress, Store
from findalike.types import Card, Row

T = TypeVar("T")

NAME = "forgetting.json"

MOST_NEEDLES = 100
"""So many vectors, and so many crops, are looked for in every byte; where there are more, evenly chosen. By
their ids all are looked for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to go: persons by number, names, rows by space, attachments by asset; with `everything` all
    spaces of faces."""

    persons: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    rows: Mapping[str, Sequence[str]] = field(default_factory=dict)
    crops: Mapping[str, Sequence[str]] = field(default_factory=dict)
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Traces:
    """How many of the vectors and crops that were looked for, and of the names, were found, and in which
    files or tables."""

    vectors: int
    crops: int
    names: int
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was forgotten, and the proof. `looked_for` vectors and crops were searched for in every byte of
    the library's files: `before` and `after`; and once more in all that its tables hold, read as they are:
    `read`. `control` says whether the vector of a face that stays was found the same way after, None where
    none stays. `left` are rows and crops that are still there by their ids, `elsewhere` the pictures whose
    path, labels or metadata have the name; these are not changed."""

    persons: tuple[str, ...]
    faces: int
    crops: int
    pictures: int
    looked_for: int
    before: Traces
    after: Traces
    read: Traces
    control: bool | None
    left: int
    elsewhere: int

    @property
    def proved(self) -> bool:
        """Whether nothing was left, and the search for it would have found it."""
        searches = (self.after, self.read)
        clean = not (self.left or any(found.vectors or found.crops for found in searches))
        unnamed = self.elsewhere > 0 or not any(found.names for found in searches)
        return clean and unnamed and self.control is not False


@dataclass(frozen=True, slots=True, eq=False)
class _Needles:
    vectors: Sequence[bytes]
    crops: Sequence[bytes]
    names: re.Pattern[bytes] | None

    def found(self, haystacks: Iterable[tuple[str, bytes | mmap.mmap]]) -> Traces:
        vectors, crops, names, places = set[bytes](), set[bytes](), 0, dict[str, None]()
        for place, data in haystacks:
            some = {needle for needle in self.vectors if data.find(needle) >= 0}
            others = {needle for needle in self.crops if data.find(needle) >= 0}
            named = bool(self.names and self.names.search(data))
            if some or others or named:
                places[place] = None
            vectors |= some
            crops |= others
            names += named
        return Traces(len(vectors), len(crops), names, tuple(places))


def plan(store: Store, album: Album, person: Person) -> Plan:
    """What a person has left in a library: also in other spaces of faces, by the places of the faces, and
    the names that they had before."""
    steps = [step for step in album.steps if albums.tells(step, {person.number}, set(person.faces))]
    before = (step.before.get(person.number) for step in steps)
    names = dict.fromkeys(p.name for p in (person, *before) if p and p.name)
    rows = {c.space: _same_faces(store, c, person.faces) for c in _cards(store)}
    crops: dict[str, list[str]] = {}
    for face in dict.fromkeys(face for several in rows.values() for face in several):
        crops.setdefault(asset_of(face), []).append(face.rpartition(":")[2])
    return Plan((person.number,), tuple(names), rows, crops)


def plan_all(store: Store, album: Album) -> Plan:
    """All that faces left in a library."""
    spaces = [card.space for card in _cards(store)]
    crops: dict[str, list[str]] = {}
    for asset_id, name in store.attachment_names():
        if name in spaces or name.startswith("face-") or "-face-" in name:
            crops.setdefault(asset_id, []).append(name)
    told = [p for step in album.steps for p in step.before.values() if p]
    names = dict.fromkeys(p.name for p in (*album.persons.values(), *told) if p.name)
    rows = {space: sorted(store.row_ids(space)) for space in spaces}
    return Plan(tuple(album.persons), tuple(names), rows, crops, True)


def forget(store: Store, shelf: Shelf, what: Plan, progress: Progress) -> Forgotten:
    """Carry a plan out, and prove it. To be called by one who holds the library for writing."""
    labels = tuple(p.label for n, p in shelf.read().persons.items() if n in what.persons)
    needles, kept = _needles(store, what), _kept(store, what)
    progress("Looking for what is to go")
    before = needles.found(_everywhere(store))
    store.sidecars.write(NAME, json.dumps(asdict(what)))
    progress("Forgetting, and clearing the library")
    finish(store, shelf, what)
    progress("Looking for what is left")
    after, read = needles.found(_everywhere(store)), needles.found(store.contents())
    stays = kept and _Needles([kept], [], None).found(_everywhere(store))
    return Forgotten(
        persons=labels,
        faces=len({face for several in what.rows.values() for face in several}),
        crops=sum(name not in what.rows for several in what.crops.values() for name in several),
        pictures=len({asset_of(face) for several in what.rows.values() for face in several}),
        looked_for=len(needles.vectors) + len(needles.crops),
        before=before,
        after=after,
        read=read,
        control=None if not stays else stays.vectors == 1,
        left=_left(store, what),
        elsewhere=_elsewhere(store, needles.names),
    )


def finish(store: Store, shelf: Shelf, what: Plan) -> None:
    """Carry a plan out from wherever it was broken off."""
    for space, several in what.rows.items():
        if space in store.cards():
            store.remove_rows(space, several)
            if what.everything:
                store.remove_space(space)
    store.remove_attachments(what.crops)
    if what.everything:
        shelf.remove()
    else:
        album = shelf.read()
        shelf.write(albums.forgotten(album, set(what.persons) & set(album.persons)))
    tags.sync(store, shelf.read())
    store.purge()
    store.sidecars.remove(NAME)


def pending(sidecars: Sidecars) -> Plan | None:
    """What a run that was killed had begun to forget. Raises LibraryError."""
    try:
        if (content := sidecars.read(NAME)) is None:
            return None
        record = json.loads(content)
        return Plan(
            tuple(record["persons"]), tuple(record["names"]), record["rows"], record["crops"],
            record["everything"],
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        place = sidecars.where(NAME)
        raise LibraryError(f"{place} cannot be read ({error}); delete it, and forget again") from error


def _cards(store: Store) -> list[Card]:
    return [card for card in store.cards().values() if catalog.describes_faces(card)]


def _same_faces(store: Store, card: Card, faces: Sequence[str]) -> list[str]:
    """The rows of a space that are these faces, or lie where they lie."""
    by_asset: dict[str, list[str]] = {}
    for face in faces:
        by_asset.setdefault(asset_of(face), []).append(face)
    return [row.id for row in store.rows(card.space, by_asset) if _is_one_of(row, by_asset[row.asset_id])]


def _is_one_of(row: Row, faces: Sequence[str]) -> bool:
    if row.id in faces:
        return True
    near = (f for f in faces if sorting.time_of(f) == sorting.time_of(row.origin.key))
    return any(sorting.shared(sorting.box_of(f), row.origin.box) >= sorting.SAME_PLACE for f in near)


def _needles(store: Store, what: Plan) -> _Needles:
    vectors = []
    for card in _cards(store):
        ids = _some(what.rows.get(card.space, ()))
        rows = store.rows(card.space, {asset_of(face) for face in ids})
        vectors += [_stored(card, row) for row in rows if row.id in set(ids)]
    named = [(asset_id, name) for asset_id, several in what.crops.items() for name in several]
    crops = [store.attachments(i, [name]).get(name, b"") for i, name in _some(named)]
    words = [re.escape(each.encode()) for name in what.names for each in (name, folded(name))]
    pattern = re.compile(rb"(?<![^\W_])(?:%s)(?![^\W_])" % b"|".join(words)) if words else None
    return _Needles(vectors, [crop for crop in crops if crop], pattern)


def _some(several: Sequence[T]) -> list[T]:
    step = max(1, -(-len(several) // MOST_NEEDLES))
    return list(several[::step])


def _stored(card: Card, row: Row) -> bytes:
    """The bytes of a vector as they lie in a column."""
    return row.vector.astype(np.float16 if card.dtype == "float16" else np.float32).tobytes()


def _kept(store: Store, what: Plan) -> bytes | None:
    """The vector of a face that stays, to prove that such a thing is found."""
    for card in [] if what.everything else _cards(store):
        gone = set(what.rows.get(card.space, ()))
        row = next((row for row in store.each_row(card.space) if row.id not in gone), None)
        if row is not None:
            return _stored(card, row)
    return None


def _everywhere(store: Store) -> Iterator[tuple[str, bytes | mmap.mmap]]:
    """The bytes of every file of a library; of one that is in no folder, of all that it holds."""
    if not isinstance(store.sidecars, FolderSidecars):
        yield from store.contents()
        return
    folder = store.sidecars.folder
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield str(path.relative_to(folder)), data


def _left(store: Store, what: Plan) -> int:
    """Rows and attachments that are still there by their ids."""
    there = [store.row_ids(space) & set(ids) for space, ids in what.rows.items() if space in store.cards()]
    attached = [name for i, names in what.crops.items() for name in store.attachments(i, names)]
    return sum(map(len, there)) + len(attached)


def _elsewhere(store: Store, names: re.Pattern[bytes] | None) -> int:
    """The pictures that have a name in what is their own."""
    if names is None:
        return 0
    return sum(bool(names.search(repr(asset).encode())) for asset in store.assets())
