"""The faces of a picture that is searched for, and which of them is meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from findalike.errors import QueryError
from findalike.query import Term
from findalike.types import Box, Origin, Row, Vector


@dataclass(frozen=True, slots=True, eq=False)
class FoundFace:
    """A face of a picture. `number` counts from 1; `id` is that of its row, or empty where the library does
    not keep the picture."""

    number: int
    origin: Origin
    vector: Vector
    id: str = ""


def numbered(rows: Iterable[Row], kept: bool = True) -> list[FoundFace]:
    """Faces numbered from left to right by the middles of their boxes, those as far right from the top down;
    of a film first by time."""
    ordered = sorted(rows, key=lambda row: (row.origin.time or 0.0, *_middle(row.origin.box), row.id))
    return [
        FoundFace(number, row.origin, row.vector, row.id if kept else "")
        for number, row in enumerate(ordered, 1)
    ]


def chosen(faces: Sequence[FoundFace], term: Term) -> FoundFace:
    """The face that a term means: by its number, by its box, else the only one. Raises QueryError."""
    name = term.label
    if not faces:
        raise QueryError(f"no face was found in {name}; give a picture in which one is larger and seen "
                         "from the front, or search without --face")  # fmt: skip
    if term.face is not None:
        if term.face > len(faces):
            raise QueryError(f"{name} has no face {term.face}: {_count(faces)} found; {_to_see(name)}")
        return faces[term.face - 1]
    if term.box is not None:
        return _within(faces, term.box, name)
    if len(faces) > 1:
        raise QueryError(f"{_count(faces)} found in {name}; choose one with --face N (in Python face=N); "
                         f"{_to_see(name)}")  # fmt: skip
    return faces[0]


def _within(faces: Sequence[FoundFace], box: Box, name: str) -> FoundFace:
    best = max(faces, key=lambda face: _inside(face.origin.box, box))
    if _inside(best.origin.box, box) <= 0:
        raise QueryError(f"no face of {name} lies in that region; {_to_see(name)}")
    return best


def _inside(face: Box, box: Box) -> float:
    """The area that a face shares with a box, as a share of the larger of them: so of a box around several
    the largest is meant."""
    width = min(face[2], box[2]) - max(face[0], box[0])
    height = min(face[3], box[3]) - max(face[1], box[1])
    both = max(width, 0.0) * max(height, 0.0)
    areas = ((b[2] - b[0]) * (b[3] - b[1]) for b in (face, box))
    return both / max(*areas, 1e-12)


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _count(faces: Sequence[FoundFace]) -> str:
    return "1 face was" if len(faces) == 1 else f"{len(faces)} faces were"


def _to_see(name: str) -> str:
    return f"to see them numbered: findalike faces {name} --sheet faces.png"
