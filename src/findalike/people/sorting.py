"""New faces sorted in: to the persons they clearly are of, else in new groups, else left loose."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from findalike.people import grouping
from findalike.people.album import Album, Person, asset_of, renamed
from findalike.people.grouping import Given, Least
from findalike.store.base import Store
from findalike.types import Box, Card, Origin, Row

ALIKE = {"faces": Least(0.92, 0.94)}
"""From when on the faces of two groups are one person's, by the name of the encoder. See `docs/people.md` for
what was measured."""

ALIKE_ELSEWHERE = Least(0.4, 0.5)
"""The same for encoders of which nothing was measured: networks with a margin (Deng et al. 2019) hold
strangers near zero."""

NEAR = 0.02
"""Faces less alike than the thresholds by this much are not compared at all."""

LEAST_PIXELS = 32
"""The shorter side of a face's box from which on it is grouped of itself: a descriptor of fewer pixels says
little of who it is. Smaller faces can be searched for and named."""

SAME_PLACE = 0.5
"""Of two boxes, what they share of what both cover, from which on they hold the same face."""


def signature(row_ids: Iterable[str]) -> str:
    """A digest of which faces there are."""
    return hashlib.sha256("\n".join(sorted(row_ids)).encode()).hexdigest()


def sorted_in(album: Album, store: Store, card: Card) -> Album:
    """The album with all faces of the library: those that are gone leave it, unless a face of the same place
    took over, and new ones join. Persons keep their numbers."""
    rows = {row.id: row for row in store.each_row(card.space)}
    album = renamed(album, heirs(album, rows), set(rows))
    of = album.of_face()
    loose = _large([row for i, row in rows.items() if i not in of], store)
    if loose:
        album = _grouped(album, rows, loose, ALIKE.get(card.name, ALIKE_ELSEWHERE))
    return replace(album, seen=signature(rows))


def heirs(album: Album, rows: Mapping[str, Row]) -> dict[str, str]:
    """For faces that are gone, those that were found in the same place of the same picture since."""
    people = album.persons.values()
    known = {face for person in people for face in (*person.faces, *person.barred)}
    lost = {face for face in known if face not in rows}
    if not lost:
        return {}
    assets = {asset_of(face) for face in lost}
    fresh: dict[str, list[Origin]] = {}
    for face, row in rows.items():
        if face not in known and row.asset_id in assets:
            fresh.setdefault(row.asset_id, []).append(row.origin)
    found: dict[str, str] = {}
    for face in sorted(lost):
        before = box_of(face)
        several = fresh.get(asset_of(face), [])
        best = max(several, key=lambda origin: shared(before, origin.box), default=None)
        if best and time_of(face) == time_of(best.key) and shared(before, best.box) >= SAME_PLACE:
            found[face] = f"{best.asset_id}:{best.key}"
            several.remove(best)
    return found


def box_of(face: str) -> Box:
    """The box in the id of a face."""
    left, top, right, bottom = (int(side) / 1000 for side in face.split("-")[-4:])
    return left, top, right, bottom


def time_of(face: str) -> str:
    """The part of an id, or of a key, that says which frame it is of."""
    return face.rpartition(":")[2].rpartition("face-")[0]


def shared(one: Box, other: Box) -> float:
    """What two boxes share of what both cover, 0..1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(width, 0.0) * max(height, 0.0)
    areas = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (one, other))
    return both / (areas - both) if both else 0.0


def tighter(rows: Sequence[Row], least: Least) -> list[list[str]]:
    """The faces of a person in the first two or more groups that a rising threshold gives, the largest
    first. Raises no error: a single group is the answer where nothing tells the faces apart."""
    vectors = np.stack([row.vector for row in rows])
    near = grouping.edges(vectors, -1.0, len(rows))
    names = [row.id for row in rows]
    for step in np.linspace(least.mean, 1.0, 50):
        groups = grouping.grouped(vectors, near, Least(float(step), float(step)), names)
        if len(groups) > 1:
            return sorted(([names[i] for i in sorted(group)] for group in groups), key=len, reverse=True)
    return [names]


def _large(rows: Sequence[Row], store: Store) -> list[str]:
    """The ids of the faces that are large enough to be grouped of themselves."""
    assets = store.get({row.asset_id for row in rows})
    return [row.id for row in rows if _pixels(row.origin.box, assets[row.asset_id].metadata) >= LEAST_PIXELS]


def _pixels(box: Box, metadata: Mapping[str, object]) -> float:
    width, height = metadata.get("width"), metadata.get("height")
    if not isinstance(width, int) or not isinstance(height, int):
        return LEAST_PIXELS
    return min((box[2] - box[0]) * width, (box[3] - box[1]) * height)


def _grouped(album: Album, rows: Mapping[str, Row], loose: Sequence[str], least: Least) -> Album:
    """Persons with the loose faces that joined them, and new ones of two and more faces."""
    people = list(album.persons.values())
    names = [face for person in people for face in person.faces] + sorted(loose)
    number = {face: i for i, face in enumerate(names)}
    given = [_given(person, number) for person in people]
    vectors = np.stack([rows[face].vector for face in names])
    pictures = [(rows[face].asset_id, rows[face].origin.time) for face in names]
    near = grouping.edges(vectors, min(least) - NEAR, since=len(names) - len(loose))
    groups = grouping.grouped(vectors, near, least, pictures, given)
    old, new = groups[: len(people)], groups[len(people) :]
    persons = {
        p.number: replace(p, faces=tuple(names[i] for i in group))
        for p, group in zip(people, old, strict=True)
        if group or p.barred
    }
    last = album.last
    for group in sorted((g for g in new if len(g) > 1), key=lambda g: (-len(g), names[min(g)])):
        last += 1
        persons[last] = Person(last, "", tuple(names[i] for i in sorted(group)))
    return replace(album, persons=persons, last=last)


def _given(person: Person, number: Mapping[str, int]) -> Given:
    barred = frozenset(number[face] for face in person.barred if face in number)
    return Given(tuple(number[face] for face in person.faces), person.settled, barred)
