"""Which of the attributes that pixels decide are a library's own, where people gave others in their place,
and those of pictures that it had before.

A column that the user has by the name of one is the user's: nothing is ever measured into it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from findalike.errors import LibraryError
from findalike.ownership import without
from findalike.query import FACTS, MEASURES, IsNull, Not
from findalike.sidecars import Sidecars
from findalike.store.base import Store
from findalike.types import Asset, Metadata
from findalike.words.measures import of_jpeg

SIDECAR = "measures.json"

FROM_FILES = (
    "width", "height", "taken", "camera", "latitude", "longitude", "duration", "fps", "codec",
)  # fmt: skip
"""Metadata that decoding gives. It goes when the content changes, as measures do; other columns stay."""

BATCH = 1_000
"""Pictures that are measured between two writes."""

Tick = Callable[[int, int], None]
"""Hears how many of how many pictures are measured."""


@dataclass(frozen=True, slots=True)
class Measures:
    """`columns`: those of `MEASURES` that are the library's own, None before the first run that knows of
    them. `edited`: by column, the ids of the assets whose value a person gave.
    `complete`: whether every picture was measured."""

    columns: tuple[str, ...] | None = None
    edited: Mapping[str, frozenset[str]] = field(default_factory=dict)
    complete: bool = False

    @classmethod
    def read(cls, sidecars: Sidecars) -> Measures:
        """Raises LibraryError when the file is spoilt."""
        try:
            data = dict(json.loads(sidecars.read(SIDECAR) or b"{}"))
        except ValueError as error:
            where = sidecars.where(SIDECAR)
            raise LibraryError(f"{where}: is spoilt ({error}); remove it, and index again") from error
        columns, edited = data.get("columns"), data.get("edited", {})
        return cls(
            None if columns is None else tuple(columns),
            {name: frozenset(ids) for name, ids in edited.items()},
            data.get("complete", False),
        )

    def write(self, sidecars: Sidecars) -> None:
        edited = {name: sorted(ids) for name, ids in self.edited.items() if ids}
        told = {"columns": self.columns, "edited": edited, "complete": self.complete}
        sidecars.write(SIDECAR, json.dumps(told) + "\n")

    @property
    def own(self) -> tuple[str, ...]:
        return self.columns or ()

    def given(self, asset_id: str) -> frozenset[str]:
        """The columns of which a person gave this asset's value."""
        return frozenset(name for name, ids in self.edited.items() if asset_id in ids)

    def fresh(self, asset: Asset, brought: Metadata) -> Asset:
        """A decoded asset without what people said better; `brought` is what a table says of it."""
        known = self.given(asset.id) - {name for name, value in brought.items() if value is not None}
        return replace(asset, metadata=without(asset.metadata, known)) if known else asset

    def dropped(self, asset_id: str) -> frozenset[str]:
        """The columns whose values go with the content of an asset."""
        return frozenset((*FROM_FILES, *self.own)) - self.given(asset_id)


def settled(store: Store, listed: Iterable[Asset]) -> Measures:
    """The measures of a library for a run that lists these assets, written down. A column that a table brings
    is the user's from then on, and what was measured into it goes."""
    before = Measures.read(store.sidecars)
    theirs = {name for asset in listed for name in asset.metadata}
    known = before.columns
    if known is None:
        columns = {name for name, kind in store.columns().items() if FACTS.get(name) != kind}
        known = tuple(name for name in MEASURES if name not in columns)
    else:
        _give_up(store, [name for name in known if name in theirs], before)
    own = tuple(name for name in known if name not in theirs)
    now = replace(before, columns=own, complete=before.complete or not store.count())
    if now != before:
        now.write(store.sidecars)
    return now


def note_edits(sidecars: Sidecars, asset_ids: Iterable[str], names: Iterable[str]) -> None:
    """Remember whose values in these columns are a person's from now on."""
    ids, before = frozenset(asset_ids), Measures.read(sidecars)
    edited = {name: before.edited.get(name, frozenset()) | ids for name in names}
    if any(several != before.edited.get(name) for name, several in edited.items()):
        replace(before, edited={**before.edited, **edited}).write(sidecars)


def fill(store: Store, measures: Measures, tick: Tick) -> None:
    """Measure the pictures that a library had before it measured any, by its small pictures of them: no file
    is read. Nothing where that was done."""
    if measures.complete:
        return
    lacking = [asset.id for asset in store.assets() if _lacking(asset, measures)]
    for start in range(0, len(lacking), BATCH):
        tick(start, len(lacking))
        some = lacking[start : start + BATCH]
        small, assets = store.thumbnails(some), store.get(some)
        store.update([_filled(a, small[a.id], measures) for a in assets.values() if small.get(a.id)])
    replace(measures, complete=True).write(store.sidecars)


def _lacking(asset: Asset, measures: Measures) -> list[str]:
    given = measures.given(asset.id)
    return [name for name in measures.own if name not in asset.metadata and name not in given]


def _filled(asset: Asset, small: bytes, measures: Measures) -> Asset:
    width, height = (asset.metadata.get(side) for side in ("width", "height"))
    size = (width, height) if isinstance(width, int) and isinstance(height, int) else None
    try:
        found, lacking = of_jpeg(small, size), _lacking(asset, measures)
    except (OSError, ValueError):  # a small picture that is spoilt tells nothing
        return asset
    return replace(asset, metadata={**asset.metadata, **{name: found[name] for name in lacking}})


def _give_up(store: Store, names: Sequence[str], measures: Measures) -> None:
    """Take away what was measured into columns that are the user's now."""
    for name in names:
        ids = [a.id for a in store.assets(Not(IsNull(name))) if name not in measures.given(a.id)]
        for start in range(0, len(ids), BATCH):
            assets = store.get(ids[start : start + BATCH]).values()
            store.update([replace(a, metadata=without(a.metadata, (name,))) for a in assets])
