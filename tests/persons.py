"""Libraries whose faces are made by hand, so that everybody knows who is who."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

import findalike
from findalike.encode import catalog
from findalike.store.base import Batch
from findalike.types import Asset, Box, Origin, Row

CARD = catalog.find(catalog.FACES)
SPACE = CARD.space
BOXES: Sequence[Box] = ((0.1, 0.1, 0.3, 0.4), (0.5, 0.1, 0.7, 0.4), (0.75, 0.5, 0.95, 0.8))
"""Where the first, the second and the third face of a picture are: left to right."""


def face(person: int, seed: int) -> NDArray[np.float32]:
    """A vector that is like those of the same person (cosine above .97), and unlike all others."""
    vector = np.random.default_rng(seed).standard_normal(CARD.dim) * 0.01
    vector[person] += 1
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def asset(name: str, **metadata: int) -> Asset:
    size = {"width": 1000, "height": 1000, **metadata}
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    return Asset(f"/p/{name}.jpg", 10, moment, id=name, media="image/jpeg", sha256=name, metadata=size)


def put(
    library: findalike.Library,
    pictures: Mapping[str, Sequence[int]],
    boxes: Sequence[Box] = BOXES,
    times: Mapping[str, float] | None = None,
    changed: Sequence[str] = (),
    **metadata: int,
) -> list[str]:
    """Write pictures with faces of persons, by name; the ids of the rows. `times` are those of films."""
    library.store.add_card(CARD)
    rows, attachments = [], {}
    for name, people in pictures.items():
        kept = attachments.setdefault(name, {SPACE: b""})
        for place, person in enumerate(people):
            time = None if times is None else times[name] + place
            origin = Origin(name, "face", boxes[place], time, "0.98", None if time is None else time + 1)
            vector = face(person, sum(map(ord, name)) * 10 + place)
            rows.append(Row(f"{name}:{origin.key}", origin, vector))
            kept[origin.key] = crop(name, place)
    assets = [asset(name, **metadata) for name in pictures]
    thumbnails = dict.fromkeys(pictures, b"thumbnail")
    batch = Batch(assets, {SPACE: rows}, thumbnails, attachments=attachments, changed=changed)
    library.store.write(batch)
    return [row.id for row in rows]


def crop(name: str, place: int) -> bytes:
    """Bytes that no other file has; nothing looks into them."""
    return np.random.default_rng(sum(map(ord, name)) * 10 + place).bytes(600)
