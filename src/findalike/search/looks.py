"""Several ways of looking alike, weighed into one ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from findalike.query import Filter
from findalike.search.space import Candidate, Judged, Space
from findalike.search.terms import Seen
from findalike.types import Asset

Way = tuple[Space, Sequence[Seen], float]
"""A space, the pictures as they are seen in it, and how much it counts."""


def weighed(ways: Sequence[Way], depth: int, where: Filter | None, own: frozenset[str]) -> list[Candidate]:
    """The pictures most alike in all ways together: by the weighted mean of how many standard deviations
    each lies above the library, way by way.

    What is among the `depth` nearest in any way is compared in all of them. A picture that has no row in a
    space is as ordinary there as any.
    """
    near = [space.by_looks(seen, depth, where, own) for space, seen, _ in ways]
    assets = {found.asset.id: found.asset for several in near for found in several}
    judged = [space.judged(seen, assets) for space, seen, _ in ways]
    found = [_together(asset, ways, judged) for asset in assets.values()]
    return sorted(found, key=lambda c: (-c.value, c.asset.id))


def _together(asset: Asset, ways: Sequence[Way], judged: Sequence[Mapping[str, Judged]]) -> Candidate:
    there = [
        (space, each[asset.id], weight)
        for (space, _, weight), each in zip(ways, judged, strict=True)
        if asset.id in each
    ]
    total = sum(weight for _, _, weight in ways)

    def mean(name: str) -> float:
        return float(sum(weight * getattr(each, name) for _, each, weight in there)) / total

    space, first, _ = max(there, key=lambda way: way[2])
    reasons = tuple(
        replace(reason, weight=reason.weight * weight) for _, each, weight in there for reason in each.reasons
    )
    return Candidate(
        asset, first.row, mean("value"), mean("score"), mean("similarity"), space.card.space, reasons
    )
