"""What a run has to do: the roots it was given, what they list, and how that differs from the library."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from findalike import regions, sources
from findalike import uri as uris
from findalike.encode.base import Encoder, PartEncoder
from findalike.errors import SweepRefused
from findalike.ingest.measures import Measures, settled
from findalike.ingest.observe import Watchers
from findalike.query import FACTS, Kind
from findalike.regions import Finder
from findalike.sources import Source
from findalike.store.base import Store
from findalike.store.columns import grown
from findalike.types import Asset, Failure

LISTED_BETWEEN_TICKS = 1_000


@dataclass(frozen=True, slots=True)
class Known:
    """What a run keeps in mind of an asset of the library."""

    id: str
    uri: str
    size: int
    modified: datetime
    sha256: str
    width: int = 0
    height: int = 0

    def same_file(self, listed: Asset) -> bool:
        return (self.size, self.modified) == (listed.size, listed.modified)


@dataclass(frozen=True, slots=True)
class Claim:
    """A known asset that was found in another place, and what it lacks there."""

    known: Known
    spaces: tuple[str, ...]
    banks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """A file to look into. `spaces` and `banks` are those it needs vectors in and evidence for even if its
    content is the same. Of a file first seen, `settled` says that its content was compared with that of lost
    files, and `claim` what came of it."""

    listed: Asset
    known: Known | None
    spaces: tuple[str, ...]
    banks: tuple[str, ...] = ()
    settled: bool = False
    claim: Claim | None = None


@dataclass(slots=True)
class Plan:
    """`listed` by uri. `missing`: by space, the ids of the known assets that lack vectors: few, also where a
    library is large. `columns`: the kinds of metadata that the library and the tables have. `unlisted`:
    folders and files that could not be listed. `remembered`: files that failed before and have not changed
    since. `measures`: which attributes of pixels to measure."""

    known: Mapping[str, Known]
    missing: Mapping[str, set[str]]
    watchers: Watchers
    columns: Mapping[str, Kind] = field(default_factory=dict)
    listed: dict[str, Asset] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    unchanged: int = 0
    unlisted: list[Failure] = field(default_factory=list)
    remembered: list[Failure] = field(default_factory=list)
    with_metadata: list[tuple[Known, Asset]] = field(default_factory=list)
    measures: Measures = field(default_factory=Measures)

    def lacking(self, asset_id: str) -> tuple[str, ...]:
        """The spaces in which an asset has no vectors."""
        return tuple(space for space, ids in self.missing.items() if asset_id in ids)

    def lost(self) -> Iterator[Known]:
        """The known assets whose files this run does not list: gone, moved, or not looked for."""
        return (known for known in self.known.values() if known.uri not in self.listed)

    def claimed(self, known: Known) -> Claim:
        """What a known asset needs that was found in another place."""
        return Claim(known, self.lacking(known.id), self.watchers.lacking(known.id, self.watchers.of_pixels))


def planned(
    store: Store,
    encoders: Sequence[Encoder],
    watchers: Watchers,
    found: Sequence[Source],
    retry: bool,
    finders: Sequence[Finder],
    tick: Callable[[int, int], None],
) -> Plan:
    """What has to be done for these encoders, and for these finders of regions, which known pictures then
    need too. `tick` hears now and then how many files are listed and how many could not be.

    Raises UsageError when a table's column is of another kind than the library's.
    """
    known = {asset.uri: _known(asset) for asset in store.assets()}
    ids = {each.id for each in known.values()}
    watchers.compare(ids)
    missing = {encoder.card.space: ids - _looked_into(store, encoder) for encoder in encoders}
    for finder in finders:
        large = {k.id for k in known.values() if regions.worthwhile(finder, k.width, k.height)}
        without = large - store.attached(regions.mark(finder.name))
        for encoder in filter(describes_regions, encoders):
            missing[encoder.card.space] |= without
    plan = Plan(known, missing, watchers)
    for source in found:
        for item in source:
            if isinstance(item, Failure):
                plan.unlisted.append(item)
            elif item.metadata or item.uri not in plan.listed:
                plan.listed[item.uri] = item
                if len(plan.listed) % LISTED_BETWEEN_TICKS == 0:
                    tick(len(plan.listed), len(plan.unlisted))
    brought = [asset for asset in plan.listed.values() if asset.metadata]
    plan.columns = grown(_columns(store), brought)
    plan.measures = settled(store, brought)
    failures = {} if retry else {f.uri: f for f in store.failures() if f.stage in ("decode", "encode")}
    for listed in plan.listed.values():
        _sort_in(plan, listed, failures.get(listed.uri))
    return plan


def _known(asset: Asset) -> Known:
    width, height = (asset.metadata.get(name) for name in ("width", "height"))
    size = (width, height) if isinstance(width, int) and isinstance(height, int) else (0, 0)
    return Known(asset.id, asset.uri, asset.size, asset.modified, asset.sha256, *size)


def describes_regions(encoder: Encoder) -> bool:
    """Whether regions get rows in an encoder's space: not where it describes parts of its own."""
    return not isinstance(encoder, PartEncoder)


def _looked_into(store: Store, encoder: Encoder) -> set[str]:
    """The ids of the assets that need no more of an encoder: of parts, a picture may have none."""
    space = encoder.card.space
    return store.attached(space) if isinstance(encoder, PartEncoder) else store.encoded(space)


def _columns(store: Store) -> dict[str, Kind]:
    """The metadata columns of a library. One that shadows a fact of the same kind cannot be told from it."""
    return {name: kind for name, kind in store.columns().items() if FACTS.get(name) != kind}


def _sort_in(plan: Plan, listed: Asset, failure: Failure | None) -> None:
    if failure and (failure.size, failure.modified) == (listed.size, listed.modified):
        plan.remembered.append(failure)
        return
    known = plan.known.get(listed.uri)
    lacking = plan.lacking(known.id) if known else tuple(plan.missing)
    banks = plan.watchers.lacking(known.id, plan.watchers.of_pixels) if known else ()
    if known is None or lacking or banks or not known.same_file(listed):
        plan.jobs.append(Job(listed, known, lacking, banks))
        return
    plan.unchanged += 1
    if listed.metadata or plan.watchers.lacking(known.id, plan.watchers.of_metadata):
        plan.with_metadata.append((known, listed))


# Roots


def roots(
    paths: Iterable[str | os.PathLike[str]], options: sources.Options, store: Store, sweep: bool
) -> list[Source]:
    """The sources of the given paths. Raises UsageError for a path where nothing is and never was, and
    SweepRefused for a root that is missing or empty although the library holds files under it."""
    return [_root(os.path.expanduser(path), options, store, sweep) for path in paths]  # noqa: PTH111


def _root(path: str, options: sources.Options, store: Store, sweep: bool) -> Source:
    root = path if "://" in path else uris.from_path(path)
    if not sources.is_empty_or_missing(root):
        return sources.discover(path, options)
    gone = _Gone(root)
    held = sum(gone.covers(asset.uri) for asset in store.assets())
    if not held:
        return sources.discover(path, options)
    if not sweep:
        pictures = "1 picture" if held == 1 else f"{held:,} pictures"
        raise SweepRefused(
            f"{path} is missing or empty, but the library holds {pictures} from there. Is a drive not "
            f"connected? Nothing was changed. Connect it and run again, or add --sweep to forget {pictures}."
        )
    return gone


@dataclass(frozen=True, slots=True)
class _Gone:
    """A root where nothing is any more: it lists nothing, and so all it held is swept."""

    root: str

    def covers(self, uri: str) -> bool:
        return uri == self.root or uri.startswith(
            (self.root.rstrip(os.sep) + os.sep, uris.member(self.root, ""))
        )

    def __iter__(self) -> Iterator[Asset | Failure]:
        return iter(())
