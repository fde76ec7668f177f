"""What is done with the members of groups: move, hard link, delete. The keeper is never touched.

Before each step the files are looked at again, bytes and all: the keeper is there and is what the library
knows, the member is what was indexed, and both are not one file. Then the log notes the step, then it is
taken. Deleting moves to a trash on the same drive; only `purge` frees the bytes for good.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from findalike import sources
from findalike import uri as uris
from findalike.duplicates import log as logs
from findalike.duplicates.group import Group, Member
from findalike.duplicates.keeper import is_member
from findalike.duplicates.log import Action, Log, Step, settle
from findalike.errors import ReadError, UsageError
from findalike.sources.base import modified
from findalike.store.base import Store
from findalike.types import Asset

TRASH = "trash"
TRASH_BESIDE = ".findalike-trash"
"""The trash of files that lie on another drive than the library: hidden, in their own folder."""


class Refused(Exception):
    """One file must be left as it is; the message says why."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was left as it is, and why."""

    uri: str
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an action or its undoing did, or with `dry` would do. `bytes` came free; of what is deleted, once
    the trash is emptied. `log` is what undoes it."""

    done: tuple[str, ...]
    refused: tuple[Refusal, ...] = ()
    bytes: int = 0
    log: str = ""
    dry: bool = False


Tick = Callable[[int, int], None]


def act(
    store: Store,
    folder: Path,
    groups: Sequence[Group],
    action: Action,
    target: Path | None = None,
    dry: bool = False,
    tick: Tick = lambda done, total: None,
) -> Outcome:
    """Do it to the members of the groups, and bring the library in step. The caller holds the library's lock.

    `target` is the folder that `move` moves to, made when it is missing. Raises UsageError for look-alikes
    and for a target that is no folder, LibraryError when the log cannot be written.
    """
    _check(groups, action, target)
    jobs = [(group.keeper, member) for group in groups for member in group.members]
    refused, todo = [], []
    for keeper, member in jobs:
        why = _impossible(keeper, member, action)
        refused += [Refusal(member.asset.uri, why)] if why else []
        todo += [] if why else [(keeper, member)]
    if dry or not todo:
        uris_ = tuple(member.asset.uri for _, member in todo)
        return Outcome(uris_, tuple(refused), sum(m.reclaimable for _, m in todo), dry=dry)
    if target is not None:
        _make(target)
    done: list[Member] = []
    with logs.new(folder) as log:
        for number, (keeper, member) in enumerate(todo, 1):
            try:
                _one(store, folder, log, keeper, member, action, target)
                done.append(member)
            except (Refused, OSError) as error:
                refused.append(Refusal(member.asset.uri, words(error)))
            tick(number, len(todo))
    freed = 0 if action == "move" else sum(member.reclaimable for member in done)
    return Outcome(tuple(m.asset.uri for m in done), tuple(refused), freed, str(log.path))


def _check(groups: Sequence[Group], action: Action, target: Path | None) -> None:
    if any(member.kind == "alike" for group in groups for member in group.members):
        raise UsageError(
            "look-alikes are other pictures, so nothing is done to them; ask for the level exact or copies"
        )
    if action == "move" and target is None:
        raise UsageError("name the folder to move to: findalike duplicates move FOLDER")
    if target is not None and target.exists() and not target.is_dir():
        raise UsageError(f"{target}: is a file; name a folder to move to")


def _make(target: Path) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{target}: cannot be made: {error.strerror or error}") from error


def _impossible(keeper: Asset, member: Member, action: Action) -> str:
    """Why nothing can be done, as far as the library knows; empty when it can."""
    if member.note:
        return member.note
    if action == "link" and member.kind != "bytes":
        return "is a near copy with other bytes, which a link would replace"
    if action == "link" and is_member(keeper):
        return "the file to keep is no file of its own on this machine, and cannot be linked to"
    return ""


def _one(
    store: Store, folder: Path, log: Log, keeper: Asset, member: Member, action: Action, target: Path | None
) -> None:
    asset = member.asset
    source, kept = Path(uris.to_path(asset.uri)), Path(uris.to_path(keeper.uri))
    status = _checked(asset, source, "it")
    if not is_member(keeper):
        _checked(keeper, kept, "the file to keep")
        if source.samefile(kept):
            raise Refused("is another name of the file to keep")
    elif not _holds(keeper):
        raise Refused("the file to keep is no longer where it was, or is another one now")
    goal = _goal(folder, log, source, status, action, target, kept)
    step = Step(action, str(source), str(goal), str(kept), asset.size, asset.sha256, status.st_mtime_ns,
                stat.S_IMODE(status.st_mode), asset.id)  # fmt: skip
    number = log.begin(step)
    try:
        take(step)
    except (Refused, OSError) as error:
        log.note(number, "failed", words(error))
        raise
    log.note(number, "done")
    follow(store, asset, step)


def _checked(asset: Asset, path: Path, what: str) -> os.stat_result:
    """The status of a file that is what was indexed, byte for byte. Raises Refused."""
    try:
        status = path.lstat()
    except OSError as error:
        raise Refused(f"{what} is gone, or cannot be looked at: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"{what} is a link or no file")
    if status.st_size != asset.size or digest(path) != asset.sha256:
        raise Refused(f"{what} has changed since it was indexed: run findalike index on its folder again")
    return status


def _holds(keeper: Asset) -> bool:
    """Whether what is no file of its own still has the bytes that are known."""
    try:
        with sources.open_asset(keeper.uri) as file:
            return hashlib.sha256(file.read()).hexdigest() == keeper.sha256
    except (ReadError, OSError):
        return False


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _goal(
    folder: Path,
    log: Log,
    source: Path,
    status: os.stat_result,
    action: Action,
    target: Path | None,
    kept: Path,
) -> Path:
    """Where a step leads: a name that is free when it is chosen."""
    if action == "link":
        return kept
    if action == "move" and target is not None:
        return next(_names(target / source.name))
    own = folder / TRASH
    if os.stat(folder).st_dev == status.st_dev:  # noqa: PTH116
        return next(_names(own / log.path.stem / source.name))
    return next(_names(source.parent / TRASH_BESIDE / log.path.stem / source.name))


def _names(path: Path) -> Iterator[Path]:
    """The path, or where there is something, the same with a number."""
    if not os.path.lexists(path):
        yield path
    for number in range(2, 1_000_000):
        other = path.with_name(f"{path.stem} ({number}){path.suffix}")
        if not os.path.lexists(other):
            yield other


def take(step: Step) -> None:
    """Do what a step says. A file is at its old place or its new one at every moment, and nothing that is
    there is ever overwritten. Raises OSError, Refused."""
    source, target = Path(step.source), Path(step.target)
    if step.action == "link":
        _relink(source, target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    carry(source, target, step.sha256)


def carry(source: Path, target: Path, sha256: str) -> None:
    """Move a file without ever overwriting one; to another drive by a copy that is verified first."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise Refused(f"{target} is there already") from None
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS):
            raise
        _copy(source, target, sha256)
    settle(target.parent)
    source.unlink()
    settle(source.parent)


def _copy(source: Path, target: Path, sha256: str) -> None:
    beside = target.with_name(f".findalike-{secrets.token_hex(6)}")
    try:
        shutil.copy2(source, beside)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        if digest(beside) != sha256:
            raise Refused(f"its copy in {target.parent} is not the same; nothing was moved")
        if os.path.lexists(target):
            raise Refused(f"{target} is there already")
        beside.rename(target)
    finally:
        beside.unlink(missing_ok=True)


def _relink(source: Path, kept: Path) -> None:
    """Make a file another name of the keeper, in one step."""
    beside = source.with_name(f".findalike-{secrets.token_hex(6)}")
    try:
        os.link(kept, beside)
        beside.replace(source)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise Refused(
                "lies on another drive than the file to keep, and links cannot cross drives"
            ) from None
        raise
    finally:
        beside.unlink(missing_ok=True)
    settle(source.parent)


def follow(store: Store, asset: Asset, step: Step) -> None:
    """Bring the library in step with what was done."""
    if step.action == "delete":
        store.remove([asset.id])
        return
    place = Path(step.target if step.action == "move" else step.source)
    status = place.stat()
    moved = replace(
        asset, uri=uris.from_path(place), size=status.st_size, modified=modified(status.st_mtime_ns)
    )
    store.update([moved])


def words(error: Exception) -> str:
    """Why one file was left as it is."""
    if isinstance(error, PermissionError):
        return f"may not be changed: {error.strerror}; is the folder or the drive read-only?"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
