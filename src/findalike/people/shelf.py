"""The file of a library's persons: JSON, replaced as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from findalike.errors import LibraryError
from findalike.files import replace_file
from findalike.people.album import Album, Person, Step

NAME = "people.json"
FORMAT = 1


class Shelf:
    """Keeps an album in a folder, or in memory where there is none."""

    def __init__(self, folder: Path | None) -> None:
        self.path = folder / NAME if folder else None
        self._known: tuple[tuple[int, int, int], Album] = (_NEVER, Album())

    def read(self) -> Album:
        """The album as it is now. Raises LibraryError for a file that is something else."""
        if self.path is None:
            return self._known[1]
        try:
            stamp = _stamp(self.path)
            if self._known[0] != stamp:
                self._known = stamp, _album(json.loads(self.path.read_text("utf-8")))
        except FileNotFoundError:
            if self._known[0] != _NEVER:
                self._known = _NEVER, Album()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise LibraryError(f"{self.path} cannot be read ({error}); mend it, or move it away") from error
        return self._known[1]

    def write(self, album: Album) -> None:
        if self.path is None:
            self._known = _NEVER, album
            return
        try:
            replace_file(self.path, json.dumps(_record(album), ensure_ascii=False, indent=1) + "\n")
            self._known = _stamp(self.path), album
        except OSError as error:
            raise LibraryError(f"{self.path} cannot be written: {error.strerror or error}") from error

    def remove(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self._known = _NEVER, Album()


_NEVER = (0, 0, 0)


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


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
