"""From verified pairs to groups with a keeper.

Pairs hang pictures together, and a chain of pairs may lead from a picture to quite another. So a group is a
star: its keeper, what repeats the keeper itself, and what repeats one of the two members that agree with the
keeper best. What is left over may be another group.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from findalike import addresses
from findalike import uri as uris
from findalike.duplicates.denials import Denials
from findalike.duplicates.group import Group, Kind, Member, Pair
from findalike.duplicates.keeper import Order, is_member
from findalike.types import Asset

Compare = Callable[[int, int], Pair | None]
Orders = Callable[[Collection[str]], Order]
Tick = Callable[[int, int], None]
File = tuple[int, int] | None
"""Device and number of a file."""

STRONG = 0.97
"""Through members of such a score another may belong to a group."""

ROUNDS = 4
"""So often another keeper is tried when the keeper turns out to be made from a member."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """The assets of one content, the one to keep first."""

    assets: tuple[Asset, ...]

    @property
    def best(self) -> Asset:
        return self.assets[0]

    @staticmethod
    def of(assets: Iterable[Asset], key: Order) -> list[Bundle]:
        """All assets by their content, in the order of their paths."""
        by_content: dict[str, list[Asset]] = defaultdict(list)
        for asset in sorted(assets, key=lambda asset: (asset.uri, asset.id)):
            by_content[asset.sha256 or asset.id].append(asset)
        return [Bundle(tuple(sorted(several, key=key))) for several in by_content.values()]


def grouped(
    bundles: Sequence[Bundle],
    pairs: Iterable[tuple[int, int]],
    compare: Compare,
    orders: Orders,
    denials: Denials,
    tick: Tick = lambda done, total: None,
    prepare: Callable[[Sequence[int]], None] = lambda places: None,
) -> list[Group]:
    """Groups of two and more, the largest gain first. `pairs` are places in `bundles`; `compare` says how the
    second repeats the first, and `prepare` is told which are compared next."""
    components = _components(len(bundles), pairs)
    found: list[Group] = []
    for number, component in enumerate(components, 1):
        if len(component) > 1:
            prepare(component)
        for keeper, members in _stars(bundles, component, compare, orders):
            found += _groups(bundles, keeper, members, denials)
        tick(number, len(components))
    return sorted(found, key=lambda group: (-group.reclaimable, group.keeper.uri))


def _components(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Which places hang together; those that are alone too."""
    neighbours: dict[int, list[int]] = defaultdict(list)
    for one, other in pairs:
        neighbours[one].append(other)
        neighbours[other].append(one)
    seen: set[int] = set()
    found: list[list[int]] = []
    for place in range(count):
        if place not in seen:
            seen.add(place)
            component = [place]
            for each in component:
                new = [other for other in neighbours[each] if other not in seen] if each in neighbours else []
                seen.update(new)
                component += new
            found.append(component)
    return found


def _stars(
    bundles: Sequence[Bundle], component: list[int], compare: Compare, orders: Orders
) -> Iterable[tuple[int, dict[int, Pair]]]:
    """Keepers, each with how others repeat it. A component falls apart where not all repeat its keeper."""
    left = component
    while left:
        keeper, members = _star(bundles, left, compare, orders)
        yield keeper, members
        left = [place for place in left if place != keeper and place not in members]


def _star(
    bundles: Sequence[Bundle], places: list[int], compare: Compare, orders: Orders
) -> tuple[int, dict[int, Pair]]:
    """The keeper, and those that repeat it. One that turns out to be made from another gives way to it."""
    derived: set[str] = set()
    tried: dict[int, dict[int, Pair]] = {}
    keeper = places[0]
    for _ in range(ROUNDS):
        key = orders(derived)
        keeper = min(places, key=lambda place: key(bundles[place].best))
        if keeper in tried:
            break
        tried[keeper] = {
            other: pair
            for other in places
            if other != keeper and (pair := compare(keeper, other)) is not None
        }
        made = {pair.derived for pair in tried[keeper].values()} - {""}
        if made <= derived:
            break
        derived |= made
    return keeper, _with_second_links(places, keeper, tried[keeper], compare)


def _with_second_links(
    places: list[int], keeper: int, members: dict[int, Pair], compare: Compare
) -> dict[int, Pair]:
    """The members, and what repeats one of those that agree with the keeper best: of a turned keeper a
    captioned copy is told less well than of its upright twin. No chain is longer."""
    strong = sorted((p for p in members if members[p].score >= STRONG), key=lambda p: -members[p].score)[:2]
    found = dict(members)
    for other in places:
        if other != keeper and other not in members:
            pairs = (compare(each, other) for each in strong)
            if pair := next((pair for pair in pairs if pair is not None and pair.kind != "alike"), None):
                found[other] = pair
    return found


def _groups(
    bundles: Sequence[Bundle], keeper: int, pairs: dict[int, Pair], denials: Denials
) -> Iterable[Group]:
    """The group of a keeper: other files of its content, then those of others; none without a member."""
    best = bundles[keeper].best
    repeats: list[tuple[Asset, Kind, float, tuple[str, ...]]] = [
        (asset, "bytes", 1.0, ()) for asset in bundles[keeper].assets[1:]
    ]
    for place, pair in pairs.items():
        repeats += [(asset, pair.kind, pair.score, pair.changes) for asset in bundles[place].assets]
    kept, files = _file(best), set[File]()
    members: list[Member] = []
    for asset, kind, score, said in repeats:
        others = [best, *(m.asset for m in members)] if denials.all else []
        if not any(denials.forbid(asset, each) for each in others):
            members.append(_member(asset, kind, score, said, kept, files))
    if members:
        yield Group(best, tuple(members))


def _member(
    asset: Asset, kind: Kind, score: float, said: tuple[str, ...], kept: File, files: set[File]
) -> Member:
    """A member, with what comes free when it goes. `kept` is the keeper's file, `files` are those that are
    counted already."""
    if is_member(asset):
        note = "not a file of this machine" if addresses.scheme(asset.uri) else "in an archive"
        return Member(asset, kind, score, said, 0, note)
    if kind == "alike":
        return Member(asset, kind, score, said, 0, "")
    if os.path.islink(uris.to_path(asset.uri)):  # noqa: PTH114
        return Member(asset, kind, score, said, 0, "a link")
    file = _file(asset)
    if file is not None and file == kept:
        return Member(asset, kind, score, said, 0, "another name of the file to keep")
    if file is not None and file in files:  # its bytes come free when its last name goes, and count once
        return Member(asset, kind, score, said, 0, "")
    files.add(file)
    return Member(asset, kind, score, said, asset.size if file else 0, "" if file else "its file is gone")


def _file(asset: Asset) -> File:
    """Which file it is, whatever its name; None for a member of an archive and for what is gone."""
    if is_member(asset):
        return None
    try:
        status = os.stat(uris.to_path(asset.uri))  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
