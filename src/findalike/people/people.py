"""The persons of a library: who they are, which faces are theirs, and what people say of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from findalike.encode import catalog
from findalike.errors import LibraryLocked, UsageError
from findalike.people import album as albums
from findalike.people import forgetting, sorting, tags
from findalike.people.album import Album, Person
from findalike.people.shelf import Shelf
from findalike.search.faces import FoundFace, numbered
from findalike.store.base import Progress, Store
from findalike.types import Box, Card, Row

Writing = Callable[[float], AbstractContextManager[None]]
"""Holds a library for writing, waiting so many seconds for others."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face in a picture. `number` counts from 1, left to right; `id` is that of its row, empty where the
    library does not keep the picture; `sureness` is in 0..1; `person` and `name` say whose it is, 0 and
    empty where nobody knows."""

    number: int
    id: str
    asset_id: str
    box: Box
    time: float | None
    sureness: float
    person: int = 0
    name: str = ""


class People:
    """What is known of the faces of a library. Every change is one write, and `undo` takes it back.

    A person is named by their number, or by their name in whatever case; a face by its id. What changes
    raises UsageError for a person or a face that is not there, LibraryLocked while another process writes.
    """

    def __init__(self, store: Store, writing: Writing, writable: bool) -> None:
        self._store = store
        self._shelf = Shelf(store.sidecars)
        self._writing = writing
        self._writable = writable
        self._sorted = (Album(), Album())  # as it was kept, and with what came since
        self._lock = threading.RLock()

    # Asking

    @property
    def card(self) -> Card | None:
        """The card of the faces that persons have; None where no faces were looked for."""
        return next((c for c in self._store.cards().values() if catalog.describes_faces(c)), None)

    def all(self) -> list[Person]:
        """The persons: those with a name first, then those with most faces."""
        several = [p for p in self._album().persons.values() if p.faces or p.name]
        return sorted(several, key=lambda p: (not p.name, -len(p.faces), p.number))

    def loose(self) -> list[str]:
        """The ids of the faces that are nobody's."""
        return sorted(self._there() - set(self._album().of_face()))

    def get(self, who: int | str) -> Person:
        """A person by number or name. Raises UsageError."""
        return _person(self._album(), who)

    def faces(self, who: int | str) -> list[Face]:
        """The faces of a person, in the order that `show` numbers them by: here `number` is that one."""
        person = self.get(who)
        rows = {row.id: row for row in self._rows({albums.asset_of(face) for face in person.faces})}
        found = [FoundFace(0, rows[i].origin, rows[i].vector, i) for i in person.faces if i in rows]
        return [replace(_face(face, person), number=n) for n, face in enumerate(found, 1)]

    def in_picture(self, asset_id: str) -> list[Face]:
        """The faces of an asset that the library keeps, left to right; of a film by time."""
        return self.described(numbered(self._rows([asset_id])))

    def described(self, faces: Iterable[FoundFace]) -> list[Face]:
        """Faces with whose they are."""
        of = self._album().of_face()
        return [_face(face, of.get(face.id)) for face in faces]

    def crop(self, face: str) -> bytes | None:
        """A face as a JPEG file, cut out and turned upright."""
        key = face.rpartition(":")[2]
        return self._store.attachments(albums.asset_of(face), [key]).get(key)

    # Saying

    def name(self, who: int | str, name: str, wait: float = 0) -> Person:
        """Name a person; an empty name takes it away. Pictures of a named person have the name as a tag.
        Raises UsageError for what is no name, and for one that another has: then `merge` them."""
        number = self.get(who).number
        after = self._change(lambda a: albums.name(a, _person(a, number), name), wait)
        return after.persons[number]

    def place(self, faces: Sequence[str], name: str, wait: float = 0) -> Person:
        """Say that faces are a person of that name, who is made when there is none."""
        self._check(faces)
        after = self._change(lambda a: albums.place(a, faces, name), wait)
        return _person(after, name)

    def merge(self, first: int | str, *others: int | str, wait: float = 0) -> Person:
        """Make one person of several, with the number of the first and the first name there is."""
        number = self.get(first).number
        after = self._change(
            lambda a: albums.merge(a, _person(a, number), *(_person(a, each) for each in others)), wait
        )
        return after.persons[number]

    def split(self, who: int | str, faces: Sequence[str] = (), wait: float = 0) -> list[Person]:
        """Make a person of their own of some faces of a person; without any, persons of those that are less
        alike. Returns the person that was split, then the new ones. Raises UsageError when all look alike."""

        def change(album: Album) -> Album:
            person = _person(album, who)
            return albums.split(album, person, [faces] if faces else self._parts(person))

        after = self._change(change, wait)
        return [p for n in after.steps[-1].before if (p := after.persons.get(n))]

    def bar(self, who: int | str, faces: Sequence[str], wait: float = 0) -> Person:
        """Say that faces are not of a person ("not this person"): they leave, and never come back of
        themselves, not even when their picture is indexed again."""
        self._check(faces)
        number = self.get(who).number
        return self._change(lambda a: albums.bar(a, _person(a, number), faces), wait).persons[number]

    def undo(self, wait: float = 0) -> str:
        """Take back the last change that was said; returns it in words. Raises UsageError for none."""
        undone = []

        def change(album: Album) -> Album:
            before, words = albums.undo(album)
            undone.append(words)
            return before

        self._change(change, wait)
        return undone[0]

    # Forgetting

    def forget(
        self, who: int | str, wait: float = 0, progress: Progress = lambda _: None
    ) -> forgetting.Forgotten:
        """Remove a person for good: vectors, crops, names, tags and what is remembered of changes, so that
        no byte of them is left in the library's files; and prove it. Photographs stay as they are. It cannot
        be undone, and takes about as long as `optimize`."""
        with self._lock, self._writing(wait):
            self._finish()
            album = self._latest()
            self._shelf.write(album)
            what = forgetting.plan(self._store, album, _person(album, who))
            return forgetting.forget(self._store, self._shelf, what, progress)

    def forget_all(self, wait: float = 0, progress: Progress = lambda _: None) -> forgetting.Forgotten:
        """Remove all faces for good, and every name; faces are not looked for again until that is asked."""
        with self._lock, self._writing(wait):
            self._finish()
            what = forgetting.plan_all(self._store, self._shelf.read())
            return forgetting.forget(self._store, self._shelf, what, progress)

    def _finish(self) -> None:
        """Finish what a run that was killed had begun to forget."""
        if what := forgetting.pending(self._store.sidecars):
            forgetting.finish(self._store, self._shelf, what)

    # Keeping in step

    def refresh(self, wait: float = 0) -> None:
        """Sort new faces in, let go of those that are no more, and bring tags in step."""
        with self._writing(wait):
            self.follow()

    def follow(self) -> None:
        """The same, for one who holds the library for writing."""
        with self._lock:
            self._finish()
            if self.card is not None:
                self._keep(self._latest())

    def _album(self) -> Album:
        """The album with all faces of the library; what is new in it is kept where that can be."""
        with self._lock:
            latest = self._latest()
            if self._writable and latest is not self._shelf.read():
                try:
                    with self._writing(0):
                        self._keep(latest := self._latest())
                except LibraryLocked:
                    pass  # whoever writes now sorts them in
            return latest

    def _latest(self) -> Album:
        """The album as it is kept, or with what the library has beyond."""
        album, card = self._shelf.read(), self.card
        if card is None:
            return album
        seen = sorting.signature(self._store.row_ids(card.space))
        if album.seen == seen:
            return album
        if self._sorted[0] is not album or self._sorted[1].seen != seen:
            self._sorted = album, sorting.sorted_in(album, self._store, card)
        return self._sorted[1]

    def _change(self, change: Callable[[Album], Album], wait: float) -> Album:
        if self.card is None:
            raise UsageError("the library knows no faces; to look for them: findalike index --faces FOLDER")
        with self._lock, self._writing(wait):
            self._finish()
            after = change(self._latest())
            self._keep(after)
        return after

    def _keep(self, album: Album) -> None:
        if album is not self._shelf.read():
            self._shelf.write(album)
        tags.sync(self._store, album)

    def _parts(self, person: Person) -> list[list[str]]:
        """A person's faces in groups that are less alike, without the largest."""
        assets = {albums.asset_of(face) for face in person.faces}
        rows = [row for row in self._rows(assets) if row.id in person.faces]
        card = self.card
        least = sorting.ALIKE.get(card.name if card else "", sorting.ALIKE_ELSEWHERE)
        parts = sorting.tighter(rows, least) if rows else []
        if len(parts) < 2:
            raise UsageError(
                f"the faces of {person.label} cannot be told apart; name those that are another's: "
                f"findalike people split {person.number} FACE..."
            )
        return parts[1:]

    def _rows(self, asset_ids: Iterable[str]) -> Sequence[Row]:
        return self._store.rows(self.card.space, asset_ids) if self.card else ()

    def _there(self) -> set[str]:
        return self._store.row_ids(self.card.space) if self.card else set()

    def _check(self, faces: Sequence[str]) -> None:
        there = {row.id for row in self._rows({albums.asset_of(face) for face in faces})}
        if not faces:
            raise UsageError("no face is named")
        if strange := next((face for face in faces if face not in there), None):
            raise UsageError(f"the library has no face {strange}; to list those of a picture: "
                             "findalike faces PICTURE --json")  # fmt: skip


def _face(found: FoundFace, person: Person | None) -> Face:
    origin = found.origin
    sureness = float(origin.label) if origin.label.replace(".", "", 1).isdecimal() else 1.0
    whose = (person.number, person.name) if person else (0, "")
    return Face(found.number, found.id, origin.asset_id, origin.box, origin.time, sureness, *whose)


def _person(album: Album, who: int | str) -> Person:
    known = album.persons.get(int(who)) if str(who).isdecimal() else album.named(str(who))
    if known is None:
        raise UsageError(f"nobody is {who!r} here; to list the persons: findalike people")
    return known
