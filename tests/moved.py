"""A small library with something of every kind, and all of a store as plain Python, to be compared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from findalike.store.base import Batch, Store
from findalike.types import Asset, Bank, Card, Concept, Failure, Origin, Row

FLOATS = Card("cnn", "1", 12, preprocessing={"size": [224, 224]}, calibration=((0.0, 0.0), (0.5, 1.0)))
HALVES = Card("half", "2", 9, dtype="float16", precision="int8", source="whitened:/elsewhere/half.npz")
BITS = Card("hash", "1", 21, metric="hamming", dtype="bit")
WORDS = Card("bow:sift", "1", 500, dtype="sparse")
CITY = Card("histogram", "1", 5, metric="city-block")
CARDS = (FLOATS, HALVES, BITS, WORDS, CITY)
THINGS = Bank("things", "1", (Concept("dog", ("dog", "a dog"), ("animal",)), Concept("it's ü")))
EMPTY = Bank("colours", "3", (Concept("red"),))
FILM = 7
"""Every seventh asset is a film of four frames."""


def asset(number: int) -> Asset:
    metadata = {
        "width": number * 10,
        "share": number / 3 if number % 2 else float(number),
        "caption": f"Straße {number}" if number % 3 else None,
        "taken": datetime(2020, 2, 29, 23, 59, 59, 123456, UTC) + timedelta(hours=number),
        "day": date(1999, 12, 31) if number % 4 else None,
        "good": bool(number % 2),
        "size": f"a column that is named as a fact is: {number}" if number % 5 == 0 else None,
    }
    return Asset(
        uri=f"/pictures/{number // 10}/größe {number}.jpg",
        size=2**40 + number,
        modified=datetime(2021, 5, 1, tzinfo=UTC) + timedelta(microseconds=number),
        id=f"asset{number:05d}",
        media="video/mp4" if number % FILM == 0 else "image/jpeg",
        sha256=f"{number:064x}",
        metadata={name: value for name, value in metadata.items() if value is not None},
        tags=("dog", f"tag {number % 3}") if number % 2 else (),
    )


def vectors(card: Card, count: int, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Vectors as an encoder of this card would give them."""
    random = np.random.default_rng(seed)
    made = random.standard_normal((count, card.dim)).astype(np.float32)
    if card.dtype == "bit":
        return (made > 0).astype(np.float32)
    if card.dtype == "sparse":
        made = np.where(random.random(made.shape) < 0.02, np.abs(made), 0).astype(np.float32)
        made[:, 3] = 1.0
    if card.metric == "cosine":
        made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made.astype(np.float16).astype(np.float32) if card.dtype == "float16" else made


def rows(of: Asset, card: Card, seed: int) -> list[Row]:
    frames = 4 if of.is_film else 1
    origins = (
        [Origin(of.id)]
        if not of.is_film
        else [
            Origin(of.id, "frame", (0.1, 0.2, 1 / 3, 1.0), n * 1.5, "scene ü" * (n % 2), n * 1.5 + 1 / 3)
            for n in range(frames)
        ]
    )
    found = zip(origins, vectors(card, frames, seed), strict=True)
    return [Row(f"{of.id}:{origin.key}", origin, vector) for origin, vector in found]


def batch(numbers: range) -> Batch:
    assets = [asset(number) for number in numbers]
    return Batch(
        assets=assets,
        rows={
            card.space: [
                row
                for number, a in zip(numbers, assets, strict=True)
                for row in rows(a, card, number * 10 + place)
                if number % 6 or card is not CITY  # some have nothing in this space
            ]
            for place, card in enumerate(CARDS)
        },
        thumbnails={a.id: b"\xff\xd8" + a.id.encode() * 5 for a in assets},
        evidence={THINGS.name: {a.id: ({0: 0.25, 1: 1 / 3} if n % 2 else {}) for n, a in enumerate(assets)}},
        attachments={a.id: {"track": bytes(range(256)), "frame-0.000": b""} for a in assets if a.is_film},
    )


FAILURES = (
    Failure("/pictures/broken.jpg", "decode", "cut short", 17, datetime(2020, 1, 1, tzinfo=UTC)),
    Failure("/pictures/gone.jpg", "read", "no such file"),
)
SIDECARS = {
    "people.json": b'{"persons": []}',
    "regions": b"objects\n",
    "learned/whitened-half-1.npz": bytes(range(256)) * 4,
    "duplicates/not-duplicates.json": b"[]",
}


def furnish(store: Store, count: int = 25) -> Store:
    """Fill an empty store."""
    for card in CARDS:
        store.add_card(card)
    for bank in (THINGS, EMPTY):
        store.add_bank(bank)
    for start in range(0, count, 10):
        store.write(batch(range(start, min(count, start + 10))))
    store.write(Batch(failures=FAILURES))
    for name, content in SIDECARS.items():
        store.sidecars.write(name, content)
    return store


def everything(store: Store) -> dict[str, Any]:
    """All that a store holds, read one by one."""
    assets = {a.id: a for a in store.assets()}
    return {
        "cards": list(store.cards().items()),
        "banks": list(store.banks().items()),
        "assets": assets,
        "rows": {space: dict(_rows(store, space)) for space in store.cards()},
        "thumbnails": {i: store.thumbnails([i])[i] for i in assets if store.thumbnails([i])},
        "attachments": {(i, n): store.attachments(i, [n])[n] for i, n in store.attachment_names()},
        "evidence": {name: dict(_evidence(store, name)) for name in store.banks()},
        "failures": {f.uri: f for f in store.failures()},
        "sidecars": {name: store.sidecars.read(name) for name in store.sidecars.names()},
    }


def _rows(store: Store, space: str) -> Iterator[tuple[str, Any]]:
    for row in store.each_row(space):
        yield row.id, (row.origin, row.vector.astype(np.float32).tolist())


def _evidence(store: Store, bank: str) -> Iterator[tuple[str, Any]]:
    table = store.evidence(bank)
    for place, asset_id in enumerate(table.asset_ids):
        part = slice(int(table.starts[place]), int(table.starts[place + 1]))
        yield asset_id, (table.concepts[part].tolist(), table.weights[part].tolist())
