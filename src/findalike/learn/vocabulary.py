"""Visual words learned on a library's pictures: k-means over their keypoints, and the spaces that are made
with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np

from findalike import decode, plugins, sources
from findalike.encode import learned, local
from findalike.encode.base import short_side, unit
from findalike.encode.local import Descriptors, Words
from findalike.errors import ReadError, UsageError
from findalike.learn.lesson import ROWS_AT_ONCE, Lesson, Watch, check_new, unseen
from findalike.settings import Settings
from findalike.store.base import Batch, Store, evenly
from findalike.types import Asset, Origin, Row, Vectors

BOTH: Mapping[str, int] = {learned.BAG: 4_096, learned.VLAD: 64}
"""The kinds of spaces, and how many words each has unless it is said."""

MOST_PICTURES = 1_000
MOST_KEYPOINTS = 100_000
"""To learn from: 64 MB of descriptors, and a minute."""

MOST_OF_VLAD = 512
"""Words: each adds 128 or 256 numbers to every vector."""

_NUMBERS_AT_ONCE = 16_000_000
"""Of vectors that are held and written: 64 MB."""

_MANY = 8_192
"""Words from which on k-means begins with any of the keypoints: spreading them out would take minutes."""

FEW = 3
"""Keypoints for each word below which words are hardly shared by pictures."""

Described = dict[str, Descriptors]


def make_vocabulary(
    store: Store,
    home: learned.Home,
    settings: Settings,
    kind: str = "sift",
    sizes: Mapping[str, int] = BOTH,
    name: str | None = None,
    most_pictures: int = MOST_PICTURES,
    watch: Watch = unseen,
) -> Lesson:
    """Learn words of `kind` (sift or orb) and fill a space for each of `sizes`, by family. `home`
    keeps what was learned. Raises UsageError for what cannot be learned from, LibraryError,
    ExtraMissing."""
    _check(kind, sizes, most_pictures)
    for family in sizes:
        check_new(store, local.card(family, name or kind, kind, 1, 0))
    clusters = plugins.on_use("sklearn.cluster", "findalike[classical]")
    ids = sorted(asset_id for _, asset_id in store.listing())
    seen: Described = {}
    chosen = [ids[place] for place in evenly(len(ids), most_pictures)] if ids else []
    for part in _described(store, chosen, kind, settings):
        seen |= part
        watch("learning", len(seen), len(chosen))
    rows = _sampled(seen, kind)
    encoders, notes = [], []
    for family, size in sizes.items():
        words = _clustered(clusters, rows, size)
        if len(words) < size:
            notes.append(f"Its keypoints make {len(words):,} different words, so {family} has no {size:,}.")
        if len(rows) < FEW * len(words):
            notes.append(
                f"{family} has {len(words):,} words of {len(rows):,} keypoints: few words are in two "
                f"pictures, so little can be found; learn fewer, such as {len(rows) // 10:,}."
            )
        encoders.append(_saved(family, name or kind, kind, words, seen, home))
    for encoder in encoders:
        store.add_card(encoder.card)
    encoded = _fill(store, encoders, ids, seen, settings, watch)
    if encoded < len(ids):
        notes.append(
            f"{len(ids) - encoded:,} of {len(ids):,} pictures could not be read and have no vectors there: "
            "findalike index tries them again."
        )
    return Lesson(tuple(encoder.card for encoder in encoders), len(seen), encoded, tuple(notes))


def _check(kind: str, sizes: Mapping[str, int], most_pictures: int) -> None:
    if kind not in local.DIMS:
        raise UsageError(f"no keypoints are named {kind!r}; there are {', '.join(local.DIMS)}")
    for family, size in sizes.items():
        if family not in BOTH:
            raise UsageError(f"no kind of space is named {family!r}; there are {', '.join(BOTH)}")
        if size < 1:
            raise UsageError(f"{family} has {size} words, but it must have at least 1")
        if family == learned.VLAD and size > MOST_OF_VLAD:
            raise UsageError(f"{family} has {size:,} words, but it can have at most {MOST_OF_VLAD}")
    if most_pictures < 1:
        raise UsageError(f"most_pictures is {most_pictures}, but it must be at least 1")


def _sampled(seen: Described, kind: str) -> Vectors:
    """Different keypoints, up to the most, as they are compared. Raises UsageError when there are none."""
    every = [each for each in seen.values() if len(each)]
    if not every:
        raise UsageError(
            f"none of the library's pictures ({len(seen):,}) has a keypoint of {kind}, so there are no words "
            "to learn: index pictures with some texture first"
        )
    flat = np.unique(np.concatenate(every), axis=0)
    return local.compared(kind, flat[evenly(len(flat), MOST_KEYPOINTS)])


def _clustered(clusters: Any, rows: Vectors, size: int) -> Vectors:
    """The centres of k-means (Sculley 2010, by batches), always from the same start; all rows where there are
    no more of them."""
    if len(rows) <= size:
        return rows
    start = "random" if size > _MANY else "k-means++"
    means = clusters.MiniBatchKMeans(size, init=start, random_state=0, n_init=1, batch_size=max(4_096, size))
    return np.asarray(means.fit(rows).cluster_centers_, np.float32)


def _saved(family: str, name: str, kind: str, words: Vectors, seen: Described, home: learned.Home) -> Words:
    weights = None
    if family == learned.BAG:
        having = np.zeros(len(words), np.int64)
        for descriptors in seen.values():
            having[np.unique(local.assigned(local.compared(kind, descriptors), words))] += 1
        weights = local.rarity(having, len(seen))
    card = local.card(family, name, kind, len(words), len(seen))
    return Words(learned.save(card, local.arrays(words, weights), home), words, weights)


def _fill(
    store: Store, encoders: Sequence[Words], ids: Sequence[str], seen: Described, settings: Settings,
    watch: Watch,
) -> int:  # fmt: skip
    """Give every picture its rows in the spaces; returns how many could be read. Those of `seen` are not
    looked at again."""
    kind, done = encoders[0].card.preprocessing["local"], 0
    at_once = max(1, min(ROWS_AT_ONCE, _NUMBERS_AT_ONCE // sum(encoder.card.dim for encoder in encoders)))
    for start in range(0, len(ids), at_once):
        part = ids[start : start + at_once]
        found = {i: seen[i] for i in part if i in seen}
        for more in _described(store, [i for i in part if i not in seen], kind, settings):
            found |= more
            watch("encoding", done + len(found), len(ids))
        store.write(Batch(rows={encoder.card.space: _rows(encoder, found) for encoder in encoders}))
        done += len(found)
        watch("encoding", done, len(ids))
    return done


def _rows(encoder: Words, found: Described) -> list[Row]:
    return [Row(f"{i}:whole", Origin(i), unit(encoder.of(each))) for i, each in found.items()]


# Pictures of a library

_AT_ONCE = 64


def _described(store: Store, ids: Sequence[str], kind: str, settings: Settings) -> Iterator[Described]:
    """The keypoints of the pictures of these ids that can be read, some at a time."""
    card = local.card(learned.BAG, kind, kind, 1, 0)

    def look(read: tuple[Asset, bytes | None]) -> Descriptors | None:
        """The keypoints of one picture, of its file or of its thumbnail; None where neither can be read."""
        asset, small = read
        with suppress(ReadError, OSError):
            data = _bytes(asset) if small is None else small
            side, budget = short_side([card]), settings.pixel_budget
            picture = decode.decode(data, Origin(""), short_side=side, budget=budget).picture
            return local.described(kind, picture.pixels)
        return None

    with ThreadPoolExecutor(settings.thread_count()) as pool:
        for start in range(0, len(ids), _AT_ONCE):
            reads = _reads(store, ids[start : start + _AT_ONCE])
            looks = pool.map(look, reads.values())
            yield {i: found for i, found in zip(reads, looks, strict=True) if found is not None}


def _reads(store: Store, ids: Sequence[str]) -> dict[str, tuple[Asset, bytes | None]]:
    """Each asset by its id, with its thumbnail where its file is gone."""
    assets = store.get(ids)
    gone = {i for i, asset in assets.items() if not sources.exists(asset.uri)}
    small = store.thumbnails(gone) if gone else {}
    return {i: (asset, small.get(i, b"") if i in gone else None) for i, asset in assets.items()}


def _bytes(asset: Asset) -> bytes:
    with sources.open_asset(asset.uri) as file:
        return file.read()
