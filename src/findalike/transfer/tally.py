"""How much there is of everything in a library, and a digest of it that two libraries share only when they
hold the same, whatever order they hold it in.

Each thing is hashed on its own (BLAKE2b, 128 bits), and the hashes of a kind are added up modulo 2^128: a sum
knows no order, and tells of a thing that is there twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from findalike.errors import LibraryError
from findalike.store.base import Batch, card_to_json
from findalike.transfer.contents import Contents, ahead
from findalike.types import Asset, Card, Evidence, Failure, Row, Value

Tick = Callable[[int], None]
"""Told how many assets were read."""

_BITS = 128


@dataclass(frozen=True, slots=True)
class Count:
    """How many things of a kind there are, and the digest of all of them."""

    number: int
    digest: str


Tally = Mapping[str, Count]
"""By kind: `cards`, `pictures`, `rows of SPACE`, `evidence for BANK` and so on."""


def tally(contents: Contents, tick: Tick = lambda _: None) -> Tally:
    """Read all of a library and count it. Raises LibraryError when there are not as many assets as it says
    itself: somebody writes into it."""
    cards, banks = contents.cards(), contents.banks()
    sums = {kind: _Sum() for kind in kinds(cards, banks)}
    sums["cards"].add(_print(str(n), _card(card)) for n, card in enumerate(cards.values()))
    sums["banks"].add(_print(str(n), repr(bank)) for n, bank in enumerate(banks.values()))
    done = 0
    for batch in ahead(contents.batches()):
        for kind, _, number in prints(batch, cards):
            sums[kind].one(number)
        done += len(batch.assets)
        tick(done)
    if done != (count := contents.count()):
        raise LibraryError(
            f"{done:,} pictures were read of {count:,}: another program writes there now; try again later"
        )
    sums["failures"].add(_print(_failure(failure)) for failure in contents.failures())
    names = contents.sidecars.names()
    sums["sidecars"].add(_print(name, contents.sidecars.read(name) or b"") for name in names)
    return {kind: one.count() for kind, one in sums.items()}


def kinds(cards: Iterable[str], banks: Iterable[str]) -> list[str]:
    """What is counted of a library with these spaces and banks."""
    rows, evidence = [f"rows of {space}" for space in cards], [f"evidence for {name}" for name in banks]
    return [
        "cards",
        "pictures",
        *rows,
        "thumbnails",
        "attachments",
        "banks",
        *evidence,
        "failures",
        "sidecars",
    ]


def prints(batch: Batch, cards: Mapping[str, Card]) -> Iterator[tuple[str, str, int]]:
    """The kind, the asset and the hash of each thing that belongs to an asset."""
    yield from (("pictures", asset.id, _print(_asset(asset))) for asset in batch.assets)
    for space, rows in batch.rows.items():
        vectors = stored(cards[space], rows)
        for row, vector in zip(rows, vectors, strict=True):
            yield f"rows of {space}", row.asset_id, _print(_row(row), vector)
    yield from (("thumbnails", i, _print(i, data)) for i, data in batch.thumbnails.items())
    for i, several in batch.attachments.items():
        yield from (("attachments", i, _print(i, name, data)) for name, data in several.items())
    for bank, evidence in batch.evidence.items():
        yield from ((f"evidence for {bank}", i, _print(i, _evidence(e))) for i, e in evidence.items())


def of_assets(batch: Batch, cards: Mapping[str, Card]) -> dict[str, int]:
    """A digest of all that belongs to each asset of a batch."""
    sums: dict[str, int] = {}
    for kind, asset_id, number in prints(batch, cards):
        sums[asset_id] = sums.get(asset_id, 0) + _print(kind, str(number))
    return sums


def stored(card: Card, rows: Sequence[Row]) -> Iterable[bytes]:
    """The vectors of rows as bytes, in the precision that their card says they are kept in."""
    if not rows:
        return ()
    vectors = np.stack([row.vector for row in rows])
    if card.dtype == "bit":
        return map(bytes, np.packbits(vectors > 0.5, axis=1))
    kind = "<f2" if card.dtype == "float16" else "<f4"
    return map(bytes, np.ascontiguousarray(vectors + 0.0, kind))  # which has no zero below zero


class _Sum:
    def __init__(self) -> None:
        self._number = self._total = 0

    def one(self, number: int) -> None:
        self._number += 1
        self._total += number

    def add(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.one(number)

    def count(self) -> Count:
        return Count(self._number, f"{self._total % 2**_BITS:0{_BITS // 4}x}")


def _print(*parts: str | bytes) -> int:
    """The hash of a thing. Parts are told apart by their lengths."""
    encoded = [part.encode(errors="surrogatepass") if isinstance(part, str) else part for part in parts]
    lengths = ",".join(str(len(part)) for part in encoded).encode()
    found = hashlib.blake2b(b";".join([lengths, *encoded]), digest_size=_BITS // 8)
    return int.from_bytes(found.digest(), "big")


def _asset(asset: Asset) -> str:
    metadata = sorted((name, _value(value)) for name, value in asset.metadata.items())
    facts = (asset.id, asset.uri, asset.size, _value(asset.modified), asset.media, asset.sha256)
    return repr((facts, metadata, tuple(asset.tags)))


def _row(row: Row) -> str:
    origin = row.origin
    box = tuple(map(float, origin.box))
    times = [None if at is None else float(at) for at in (origin.time, origin.end)]
    return repr((row.id, origin.asset_id, origin.part, box, times, origin.label))


def _evidence(evidence: Evidence) -> str:
    return repr(sorted((number, float(np.float32(weight))) for number, weight in evidence.items()))


def _failure(failure: Failure) -> str:
    at = failure.modified
    return repr((failure.uri, failure.stage, failure.error, failure.size, at and _value(at)))


def _card(card: Card) -> str:
    return json.dumps(card_to_json(card), sort_keys=True)


def _value(value: Value) -> str:
    """A value as text that tells its kind too: 1, 1.0 and True are three."""
    return repr(value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value)
