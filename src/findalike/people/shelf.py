"""The file of a library's persons: JSON, replaced as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from findalike.errors import LibraryError
from findalike.people.album import Album, Person, Step
from findalike.sidecars import Sidecars

NAME = "people.json"
FORMAT = 1


class Shelf:
    """Keeps an album among the sidecars of a library."""

    def __init__(self, sidecars: Sidecars) -> None:
        self._sidecars = sidecars
        self._known: tuple[object, Album] = (None, Album())

    def read(self) -> Album:
        """The album as it is now. Raises LibraryError for a file that is something else."""
        try:
            stamp = self._sidecars.stamp(NAME)
            if self._known[0] != stamp:
                content = self._sidecars.read(NAME)
                self._known = stamp, Album() if content is None else _album(json.loads(content))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            place = self._sidecars.where(NAME)
            raise LibraryError(f"{place} cannot be read ({error}); mend it, or move it away") from error
        return self._known[1]

    def write(self, album: Album) -> None:
        try:
            self._sidecars.write(NAME, json.dumps(_record(album), ensure_ascii=False, indent=1) + "\n")
            self._known = self._sidecars.stamp(NAME), album
        except OSError as error:
            place = self._sidecars.where(NAME)
            raise LibraryError(f"{place} cannot be written: {error.strerror or error}") from error

    def remove(self) -> None:
        self._sidecars.remove(NAME)
        self._known = None, Album()


def _record(album: Album) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "last": album.last,
        "seen": album.seen,
        "persons": [_of_person(person) for person in album.persons.values()],
        "steps": [
            {
                "words": step.words,
                "before": {str(n): p and _of_person(p) for n, p in step.before.items()},
            }
            for step in album.steps
        ],
    }


def _of_person(person: Person) -> dict[str, Any]:
    return {
        "number": person.number,
        "name": person.name,
        "faces": list(person.faces),
        "barred": sorted(person.barred),
        "settled": person.settled,
    }


def _album(record: Mapping[str, Any]) -> Album:
    if record["format"] > FORMAT:
        raise ValueError("a later findalike wrote it")
    persons = [_person(each) for each in record["persons"]]
    steps = [
        Step(each["words"], {int(n): p and _person(p) for n, p in each["before"].items()})
        for each in record["steps"]
    ]
    return Album({p.number: p for p in persons}, record["last"], record["seen"], tuple(steps))


def _person(record: Mapping[str, Any]) -> Person:
    faces, barred = tuple(record["faces"]), frozenset(record["barred"])
    return Person(record["number"], record["name"], faces, barred, record["settled"])
