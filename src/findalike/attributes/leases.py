"""Which pictures are before whom: two people who review one attribute are shown different ones. Pure."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

SECONDS = 120.0
"""For so long after they were last heard of, the pictures before a person are shown to no other."""

MOST = 1_000
"""Sessions whose skipped pictures are remembered; of more the one heard of least lately is forgotten."""


class Leases:
    """Of one attribute, in memory: pictures that are out, and those that someone skipped."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._out: dict[str, tuple[str, float]] = {}
        self._skipped: OrderedDict[str, set[str]] = OrderedDict()

    def hold(self, session: str, asset_ids: Iterable[str]) -> None:
        """These, and no others, are before a session now."""
        self._out = {i: held for i, held in self._out.items() if held[0] != session}
        until = self._clock() + SECONDS
        self._out |= {asset_id: (session, until) for asset_id in asset_ids if self.free(session, asset_id)}

    def free(self, session: str, asset_id: str) -> bool:
        """Whether a picture is before no other session."""
        owner, until = self._out.get(asset_id, (session, 0.0))
        return owner == session or until < self._clock()

    def elsewhere(self, session: str) -> set[str]:
        """The pictures that are before others."""
        return {asset_id for asset_id in self._out if not self.free(session, asset_id)}

    def skip(self, session: str, asset_id: str) -> None:
        self._skipped.setdefault(session, set()).add(asset_id)
        self._skipped.move_to_end(session)
        while len(self._skipped) > MOST:
            self._skipped.popitem(last=False)

    def unskip(self, session: str, asset_id: str | None = None) -> None:
        """A picture may be shown again, or all may."""
        there = self._skipped.get(session, set())
        there.difference_update([asset_id] if asset_id else list(there))

    def skipped(self, session: str) -> frozenset[str]:
        return frozenset(self._skipped.get(session, ()))
