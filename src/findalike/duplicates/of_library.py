"""Pictures that are there more than once, as methods of a library."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

from findalike import addresses
from findalike import duplicates as repeats
from findalike import uri as uris
from findalike.errors import UsageError
from findalike.settings import Settings
from findalike.store.base import Store
from findalike.types import Asset

Path_ = str | os.PathLike[str]


class Cleanup(ABC):
    """For a library: needs its store, its settings and the lock of its writer."""

    store: Store
    settings: Settings

    def duplicates(
        self,
        *what: str,
        level: repeats.Level = "copies",
        prefer: Sequence[Path_] = (),
        watch: repeats.Watch = lambda stage, done, total: None,
    ) -> list[repeats.Group]:
        """Groups of pictures that repeat one another, the largest gain first, each with the one to keep; with
        `what` (paths, `id:…`) those that hold any of these. See `find_duplicates`."""
        return list(self.find_duplicates(*what, level=level, prefer=prefer, watch=watch).groups)

    def find_duplicates(
        self,
        *what: str,
        level: repeats.Level = "copies",
        prefer: Sequence[Path_] = (),
        watch: repeats.Watch = lambda stage, done, total: None,
    ) -> repeats.Found:
        """The same, and what was not looked at. `level`: `exact` (same bytes or pixels), `copies` (also what
        was made from one another), `alike` (also pictures that look nearly the same). Of two files that are
        as good, the one in a folder of `prefer` is kept. Raises UsageError."""
        if level not in repeats.LEVELS:
            raise UsageError(f"level is {level!r}, but it must be {', '.join(repeats.LEVELS)}")
        named = [os.fspath(folder) for folder in prefer]
        folders = [f if addresses.scheme(f) else uris.from_path(os.path.expanduser(f)) for f in named]  # noqa: PTH111
        only = set(self._named(what)) if what else None
        found = repeats.find(
            self.store, level, partial(repeats.keep_first, folders), self.denials(),
            self.settings.thread_count(), watch,
        )  # fmt: skip
        return found if only is None else replace(found, groups=repeats.only(found.groups, only))

    def reclaim(
        self,
        groups: Sequence[repeats.Group],
        action: repeats.Action,
        folder: Path_ | None = None,
        dry: bool = False,
        wait: float = 0,
        tick: Callable[[int, int], None] = lambda done, total: None,
    ) -> repeats.Outcome:
        """`delete` the members of groups (into a trash), `move` them to a folder, or hard `link` those of the
        same bytes to their keeper. Every file is read again first, what changed is left alone, and a log is
        written that `undo` takes back. Raises UsageError, LibraryLocked, LibraryError."""
        target = None if folder is None else Path(uris.to_path(uris.from_path(folder)))
        if dry:
            return repeats.act(self.store, self._own(), groups, action, target, dry=True)
        with self._writing(wait):
            return repeats.act(self.store, self._own(), groups, action, target, tick=tick)

    def undo(self, log: Path_ | None = None, wait: float = 0) -> repeats.Outcome:
        """Take back an action on duplicates, by its log; without one the last that was not. Files come back
        under their names, and into the library. Raises UsageError, LibraryLocked."""
        with self._writing(wait):
            path = Path(log) if log is not None else repeats.last(self._own())
            outcome = repeats.undo(path, partial(repeats.restored, self.store))
        lost = [uris.from_path(path) for path in outcome.done]
        if again := [uris.to_path(uri) for uri in lost if self.store.find(uri) is None]:
            self._index(again, wait)
        return outcome

    def purge(self, log: Path_ | None = None, wait: float = 0) -> repeats.Outcome:
        """Delete for good what `reclaim` put in the trash, by one log or all. Raises LibraryLocked."""
        with self._writing(wait):
            return repeats.purge(self._own(), None if log is None else Path(log))

    def not_duplicates(self, *what: str, take_back: bool = False, wait: float = 0) -> int:
        """Remember that no two of these pictures (paths, `id:…`) are duplicates, or take back what was said
        of any of them; returns how many pictures it is about, or sayings went. Raises UsageError."""
        with self._writing(wait):
            assets = list(self._named(what).values())
            if take_back:
                return self.denials().take_back(assets)
            self.denials().add(assets)
            return len(assets)

    def denials(self) -> repeats.Denials:
        """What people said is no duplicate."""
        return repeats.Denials(self.store.sidecars)

    def _own(self) -> Path:
        """The folder of logs, trash and remembered words on duplicates."""
        if self._folder is None:
            raise UsageError(
                "a library in memory keeps no undo log, so it changes no files; use one in a folder"
            )
        return self._folder / "duplicates"

    # What a library brings

    @property
    @abstractmethod
    def _folder(self) -> Path | None: ...

    @abstractmethod
    def _index(self, paths: Sequence[str], wait: float) -> object: ...

    @abstractmethod
    def _named(self, what: Sequence[str]) -> Mapping[str, Asset]: ...

    @abstractmethod
    def _writing(self, wait: float) -> AbstractContextManager[None]: ...
