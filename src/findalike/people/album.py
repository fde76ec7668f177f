"""Persons and their faces, as values: each change gives another album, and remembers how it was before.

A face is known by the id of its row, `ASSET:face-…`; it belongs to one person or to none. What no person was
told of and nobody looked at again is loose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from findalike.errors import UsageError
from findalike.filters import folded
from findalike.store.columns import check_tags

LONGEST = 100
"""Letters of a name."""

MOST_STEPS = 100
"""So many changes can be taken back."""


@dataclass(frozen=True, slots=True)
class Person:
    """Faces of one person, in the order in which they came. `number` is given once. `barred` are faces that
    were said to be another's. One that is `settled`, by a name or by hand, is never joined with another such
    person unless that is asked for."""

    number: int
    name: str = ""
    faces: tuple[str, ...] = ()
    barred: frozenset[str] = frozenset()
    settled: bool = False

    @property
    def pictures(self) -> int:
        """How many pictures and films show them."""
        return len({asset_of(face) for face in self.faces})

    @property
    def label(self) -> str:
        """`Anna (3)`, or `person 3`."""
        return f"{self.name} ({self.number})" if self.name else f"person {self.number}"


Before = Mapping[int, Person | None]
"""What persons were before a change, by number; None where there was none."""


@dataclass(frozen=True, slots=True)
class Step:
    """A change in words, and what it takes to take it back."""

    words: str
    before: Before


@dataclass(frozen=True, slots=True)
class Album:
    """Persons by number. `last` is the number that was given last, `seen` a digest of the faces that were
    sorted in, `steps` the last changes, the newest last."""

    persons: Mapping[int, Person] = field(default_factory=dict)
    last: int = 0
    seen: str = ""
    steps: tuple[Step, ...] = ()

    def of_face(self) -> dict[str, Person]:
        """The person of each face that has one."""
        return {face: person for person in self.persons.values() for face in person.faces}

    def named(self, name: str) -> Person | None:
        """The person of that name, in whatever case."""
        wanted = folded(name)
        return next((p for p in self.persons.values() if p.name and folded(p.name) == wanted), None)

    def changed(self, words: str, *now: Person | None, gone: Iterable[int] = ()) -> Album:
        """Another album with these persons, and without those; it remembers how they were."""
        after: dict[int, Person | None] = {p.number: p for p in now if p} | dict.fromkeys(gone)
        before = {number: self.persons.get(number) for number in after}
        kept = {n: p for n, p in {**self.persons, **after}.items() if p is not None}
        steps = (*self.steps, Step(words, before))[-MOST_STEPS:]
        return replace(self, persons=kept, last=max([self.last, *after]), steps=steps)


def asset_of(face: str) -> str:
    """The id of the asset of a face."""
    return face.rpartition(":")[0]


# What people say


def name(album: Album, person: Person, given: str) -> Album:
    """Name a person, or take the name away with an empty one. Raises UsageError for what is no name, and for
    one that another has."""
    if given:
        check_name(given)
    other = album.named(given) if given else None
    if other and other.number != person.number:
        raise UsageError(
            f"{other.label} has that name already; to make them one: findalike people merge "
            f"{other.number} {person.number}"
        )
    words = f"name {person.label} {given}" if given else f"take the name of {person.label}"
    return album.changed(words, replace(person, name=given, settled=True))


def check_name(given: str) -> None:
    """Raises UsageError for what is no name."""
    tidy = given.strip() == given and given.isprintable() and 0 < len(given) <= LONGEST
    if not tidy or given.isdecimal() or ":" in given:
        raise UsageError(
            f"{given[:40]!r} is no name; give a word or a few, such as 'Anna' or 'Uncle Tom': no number, "
            f"no colon, at most {LONGEST} letters"
        )
    check_tags("name", [given])


def place(album: Album, faces: Sequence[str], given: str) -> Album:
    """Say that faces are the person of a name, who is made when there is none; they leave those they were
    of. Raises UsageError for what is no name."""
    check_name(given)
    known = album.named(given)
    person = known or Person(album.last + 1, given)
    taken = [p for p in _without(album, faces) if p.number != person.number]
    joined = tuple(dict.fromkeys([*person.faces, *faces]))
    now = replace(person, faces=joined, barred=person.barred - set(faces), settled=True)
    return _kept(album, f"place {len(faces)} in {now.label}", [now, *taken])


def merge(album: Album, first: Person, *others: Person) -> Album:
    """Make one person of several, with the number of the first and the first name there is."""
    several = list({p.number: p for p in (first, *others)}.values())
    if len(several) < 2:
        raise UsageError("one person is nobody to merge: name two or more, by number or name")
    names = [p.name for p in several if p.name]
    faces = tuple(dict.fromkeys(face for p in several for face in p.faces))
    barred = frozenset().union(*(p.barred for p in several)) - set(faces)
    now = Person(first.number, names[0] if names else "", faces, barred, True)
    words = f"merge {' and '.join(p.label for p in several)}"
    return album.changed(words, now, gone=[p.number for p in several[1:]])


def split(album: Album, person: Person, parts: Sequence[Sequence[str]]) -> Album:
    """Make persons of their own of parts of a person's faces; the rest stays. None of them joins another
    of itself. Raises UsageError when nothing or nobody would be left."""
    taken = [face for part in parts for face in part]
    _check_of(person, taken)
    rest = tuple(face for face in person.faces if face not in set(taken))
    if not taken or not rest:
        raise UsageError(
            f"a split leaves some of the {len(person.faces)} faces of {person.label} on each side"
        )
    now = [replace(person, faces=rest, settled=True)]
    for count, part in enumerate(parts, 1):
        now.append(Person(album.last + count, "", tuple(part), person.barred, True))
    return album.changed(f"split {person.label}", *now)


def bar(album: Album, person: Person, faces: Sequence[str]) -> Album:
    """Say that faces are not of a person: they leave, and never come back of themselves."""
    barred = set(faces)
    rest = tuple(face for face in person.faces if face not in barred)
    now = replace(person, faces=rest, barred=person.barred | barred, settled=True)
    return album.changed(f"take {len(barred)} out of {person.label}", now)


def undo(album: Album) -> tuple[Album, str]:
    """Take back the last change; what it was. Raises UsageError when there is none."""
    if not album.steps:
        raise UsageError("nothing was said of persons that could be taken back")
    step = album.steps[-1]
    persons = {n: p for n, p in {**album.persons, **step.before}.items() if p is not None}
    back = {face for p in step.before.values() if p for face in p.faces}
    for number, person in persons.items():  # a face that came to another since is of one person only
        if number not in step.before and not back.isdisjoint(person.faces):
            persons[number] = replace(person, faces=tuple(f for f in person.faces if f not in back))
    return replace(album, persons=persons, steps=album.steps[:-1]), step.words


def _without(album: Album, faces: Sequence[str]) -> Iterator[Person]:
    """The persons that have any of these faces, without them."""
    for person in album.persons.values():
        if not set(faces).isdisjoint(person.faces):
            yield replace(person, faces=tuple(f for f in person.faces if f not in faces))


def _kept(album: Album, words: str, now: Sequence[Person]) -> Album:
    """Changed to these persons; those of whom nothing is left go."""
    gone = [p.number for p in now if not p.faces and not p.name and not p.barred]
    return album.changed(words, *(p for p in now if p.number not in gone), gone=gone)


def _check_of(person: Person, faces: Iterable[str]) -> None:
    if strange := next((face for face in faces if face not in person.faces), None):
        raise UsageError(
            f"{strange} is no face of {person.label}; to list them: findalike people show {person.number}"
        )


# What the library says


def renamed(album: Album, heirs: Mapping[str, str], there: set[str]) -> Album:
    """The same with faces by their new ids, and without those that are there no more: in the persons and in
    what is remembered. A person of whom nothing is left goes."""

    def now(faces: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(f for f in (heirs.get(face, face) for face in faces) if f in there))

    def mended(person: Person | None) -> Person | None:
        if person is None:
            return None
        return replace(person, faces=now(person.faces), barred=frozenset(now(person.barred)))

    steps = tuple(Step(s.words, {n: mended(p) for n, p in s.before.items()}) for s in album.steps)
    persons = {n: mended(p) for n, p in album.persons.items()}
    left = {n: p for n, p in persons.items() if p and (p.faces or p.barred)}
    return replace(album, persons=left, steps=steps)


def forgotten(album: Album, numbers: set[int]) -> Album:
    """The same without persons, their faces, and every remembered change that tells of any of them."""
    lost = {face for n in numbers for face in album.persons[n].faces}
    kept = {n: _cleared(p, lost) for n, p in album.persons.items() if n not in numbers}
    steps = tuple(step for step in album.steps if not tells(step, numbers, lost))
    return replace(album, persons=kept, steps=steps)


def _cleared(person: Person, lost: set[str]) -> Person:
    return replace(person, barred=person.barred - lost)


def tells(step: Step, numbers: set[int], lost: set[str]) -> bool:
    if not numbers.isdisjoint(step.before):
        return True
    return any(p and not lost.isdisjoint({*p.faces, *p.barred}) for p in step.before.values())
