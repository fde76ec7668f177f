"""Whose file it is: new files get their ids, moved ones keep the id they had."""

from __future__ import annotations

import hashlib
import threading
from typing import Protocol

from findalike import sources
from findalike.ingest.plan import Claim, Job, Known, Plan


class Identified(Protocol):
    """What tells whose file it is. Threads may ask at once."""

    def claim(self, job: Job, sha256: str) -> Claim | None:
        """The known asset that a file first seen is, found in another place; None where it is new."""
        ...

    def new(self, uri: str, sha256: str) -> str:
        """The id of a file first seen."""
        ...


class Identities:
    """Knows all of the library. Used by all threads."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._taken = {known.id for known in plan.known.values()}
        self._lost: dict[str, list[Known]] = {}
        for known in plan.lost():
            self._lost.setdefault(known.sha256, []).append(known)
        self.moved: set[str] = set()
        self._lock = threading.Lock()

    def claim(self, job: Job, sha256: str) -> Claim | None:
        """A known asset of this content whose file is gone from where it was; each is given once."""
        with self._lock:
            for candidate in self._lost.get(sha256, ()):
                if candidate.id not in self.moved and not sources.exists(candidate.uri):
                    self.moved.add(candidate.id)
                    return self._plan.claimed(candidate)
        return None

    def new(self, uri: str, sha256: str) -> str:
        """An id for a file first seen: the same for the same file and content, unless taken."""
        with self._lock:
            several = (identity(uri, sha256, salt) for salt in range(len(self._taken) + 1))
            asset_id = next(each for each in several if each not in self._taken)
            self._taken.add(asset_id)
            return asset_id


def identity(uri: str, sha256: str, salt: int = 0) -> str:
    """The id of a file and its content; with another `salt`, another one."""
    text = f"{uri}\0{sha256}\0{salt or ''}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
