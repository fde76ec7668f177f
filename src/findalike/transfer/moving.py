"""Moving a library: to another store, to Parquet files, and back; nothing is encoded again."""

from __future__ import annotations

import logging
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from findalike import addresses, settings
from findalike.errors import LibraryError, LibraryLocked, Unsupported, UsageError
from findalike.library import IN_MEMORY, Library, Mode, store_at
from findalike.store import copying
from findalike.store.base import Store
from findalike.store.copying import Copying
from findalike.transfer import exporter as exporters
from findalike.transfer import fill, manifest, proof
from findalike.transfer.contents import Contents, StoreContents
from findalike.transfer.exported import Exported, guarded
from findalike.transfer.exporter import Exporter
from findalike.transfer.fill import Filled
from findalike.transfer.proof import Part, Proof

_log = logging.getLogger(__name__)

Place = str | os.PathLike[str] | Library
"""The path or address of a library, or one that is open."""

Watch = Callable[[str, int, int], None]
"""Told what is being done (`copying`, `optimizing`, `proving`), and how many of how many pictures are."""


@dataclass(frozen=True, slots=True)
class Copied:
    """From where to where, without secrets; what was `written` (pictures, and `rows` of vectors), and what
    was there already and `kept`; the proof that both hold the same; and the time it all took."""

    source: str
    target: str
    proof: Proof
    written: int = 0
    kept: int = 0
    rows: int = 0
    seconds: float = 0.0


def copy(
    source: Place,
    target: Place,
    check: bool = False,
    queries: int = proof.QUERIES,
    wait: float = 0,
    watch: Watch = lambda phase, done, total: None,
) -> Copied:
    """Copy all of a library to another place, and prove that both hold the same and answer the same.

    What an earlier run brought is kept, so that one that was stopped goes on; until it is whole, the target
    cannot be opened. The source is only read, and nobody can write into it meanwhile. With `check` nothing is
    copied, only proved. `queries` are asked of both in every space; `wait`: seconds to wait for another
    writer, -1 for ever. Files of pictures stay where they are. Raises LibraryMissing, LibraryMismatch for a
    target that holds something else, LibraryLocked, UsageError.
    """
    began = time.monotonic()
    _check_apart(source, target)
    with _opened(source, "r") as (origin, from_), _opened(target, "r" if check else "a") as (store, to):
        copying.check(origin.sidecars, from_)
        with _still(origin, wait):
            contents = StoreContents(origin)
            if check:
                filled, parts = Filled(), _compared(contents, StoreContents(store), watch)
            else:
                mark = _mark(from_, f"findalike copy {shlex.quote(from_)} {shlex.quote(to)}")
                filled, parts = _filled(contents, store, to, mark, wait, watch)
            answers = proof.answers(origin, store, queries) if queries else ()
    return _copied(from_, to, filled, Proof(parts, answers), began)


def export(
    source: Place | None,
    folder: str | os.PathLike[str],
    check: bool = False,
    wait: float = 0,
    watch: Watch = lambda phase, done, total: None,
) -> Copied:
    """Write all of a library into a new folder as Parquet files, and prove that they hold the same.

    A run that was stopped goes on after the last whole part. With `check` nothing is written, only proved.
    Raises LibraryMissing, LibraryMismatch and LibraryError for a folder that holds something else.
    """
    began = time.monotonic()
    place = _folder(folder)
    with _opened(source, "r") as (store, from_), guarded(place):
        copying.check(store.sidecars, from_)
        with _still(store, wait):
            contents = StoreContents(store)
            if check:
                filled, parts = Filled(), _compared(contents, _exported(place), watch)
            else:
                filled, parts = _written(store, from_, place, watch)
    return _copied(from_, str(place), filled, Proof(parts), began)


def import_(
    folder: str | os.PathLike[str],
    target: Place | None,
    check: bool = False,
    wait: float = 0,
    watch: Watch = lambda phase, done, total: None,
) -> Copied:
    """Fill a new library from an export, and prove that both hold the same: as `copy`.

    Before anything is written every file is held against the manifest. Raises LibraryError naming what is
    missing or damaged, LibraryMismatch for an export of a later format or one that is not whole.
    """
    began = time.monotonic()
    place = _folder(folder)
    contents = _exported(place)
    with _opened(target, "r" if check else "a") as (store, to):
        if check:
            filled, parts = Filled(), _compared(contents, StoreContents(store), watch)
        else:
            command = f"findalike import {shlex.quote(str(place))} --library {shlex.quote(to)}"
            filled, parts = _filled(contents, store, to, _mark(str(place), command), wait, watch)
    return _copied(str(place), to, filled, Proof(parts), began)


def _written(store: Store, from_: str, place: Path, watch: Watch) -> tuple[Filled, tuple[Part, ...]]:
    """Write an export, compare, and finish it when it is whole."""
    contents, total = StoreContents(store), store.count()
    begun = exporters.begin(place, from_, exporters.layout_of(store))
    exporter = Exporter(place, begun, lambda done: watch("copying", done, total))
    written = exporter.write(contents)
    parts = _compared(contents, written, watch)
    if all(part.equal for part in parts):
        exporter.finish({part.name: part.target for part in parts})
    return exporter.filled, parts


def _exported(place: Path) -> Exported:
    """A whole export, every file as it was written."""
    found = manifest.read(place)
    manifest.check(place, found.files)
    return Exported(place, found)


def _folder(path: str | os.PathLike[str]) -> Path:
    given = os.path.expanduser(os.fspath(path))  # noqa: PTH111  (Path's raises for a user it lacks)
    if not given or addresses.scheme(given):
        raise UsageError(f"an export is a folder of this machine, but the path is {os.fspath(path)!r}")
    return Path(given).absolute()


def _filled(
    contents: Contents, store: Store, to: str, mark: Copying, wait: float, watch: Watch
) -> tuple[Filled, tuple[Part, ...]]:
    """Fill a store, compare, and take the mark away when it is whole."""
    with store.locked(wait):
        begun = _begun(store, mark, to)
        fill.check(contents, store, begun, to)
        if not begun:
            copying.write(store.sidecars, mark)
        total = contents.count()
        filled = fill.fill(contents, store, begun, lambda done: watch("copying", done, total))
        watch("optimizing", total, total)
        store.optimize()
        parts = _compared(contents, StoreContents(store), watch)
        if all(part.equal for part in parts):
            copying.remove(store.sidecars)
    return filled, parts


def _begun(store: Store, mark: Copying, to: str) -> bool:
    """Whether an earlier run began to fill this store from the same source. Raises LibraryMismatch when it
    was filled from another."""
    found = copying.read(store.sidecars)
    if found and found.source != mark.source:
        copying.check(store.sidecars, to)
    return found is not None


def _compared(source: Contents, target: Contents, watch: Watch) -> tuple[Part, ...]:
    total = source.count() + target.count()
    return proof.compared(source, target, lambda done: watch("proving", done, total))


def _mark(source: str, command: str) -> Copying:
    return Copying(source, datetime.now(UTC).isoformat(" ", "seconds"), command)


def _copied(source: str, target: str, filled: Filled, proof: Proof, began: float) -> Copied:
    seconds = time.monotonic() - began
    return Copied(source, target, proof, filled.written, filled.kept, filled.rows, seconds)


@contextmanager
def _opened(place: Place | None, mode: Mode) -> Iterator[tuple[Store, str]]:
    """The store at a place, without one that of the settings, and where that is for people to read. What was
    open stays open."""
    if isinstance(place, Library):
        yield place.store, place.path
        return
    store, shown = store_at(place, mode, settings.default())
    try:
        yield store, shown
    finally:
        store.close()


@contextmanager
def _still(store: Store, wait: float) -> Iterator[None]:
    """Keep others from writing into what is read. Where that cannot be, as on a drive that is only for
    reading or on a server, the proof tells what changed meanwhile. Raises LibraryLocked."""
    with ExitStack() as held:
        try:
            held.enter_context(store.locked(wait))
        except LibraryLocked:
            raise
        except (LibraryError, Unsupported, UsageError) as error:
            _log.info("%s; it is read without a lock", error)
        yield


def _check_apart(source: Place, target: Place) -> None:
    """Raises UsageError when both are the same."""
    if source is target or (_where(source) == _where(target) != IN_MEMORY):
        raise UsageError(f"{_where(target)} is the library itself; name another place to copy it to")


def _where(place: Place) -> str:
    """A place as it can be compared with others."""
    given = place.path if isinstance(place, Library) else os.fspath(place)
    if addresses.scheme(given) or given == IN_MEMORY:
        return addresses.shown(given).rstrip("/")
    return os.path.realpath(os.path.expanduser(given))  # noqa: PTH111
