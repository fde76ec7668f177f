"""Taking an action back by its log, whatever became of its steps, and emptying the trash for good."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from findalike import uri as uris
from findalike.duplicates import log as logs
from findalike.duplicates.actions import (
    TRASH,
    TRASH_BESIDE,
    Outcome,
    Refusal,
    Refused,
    Tick,
    carry,
    digest,
    words,
)
from findalike.duplicates.log import Log, Step, settle
from findalike.errors import UsageError
from findalike.sources.base import modified
from findalike.store.base import Store

Restored = Callable[[Step], None]
"""Told of each file that is back, so that the library follows."""


def last(folder: Path) -> Path:
    """The newest log of which something can be taken back. Raises UsageError when there is none."""
    for path in reversed(logs.logs(folder)):
        if any(state in ("begun", "done") for _, state in logs.read(path).values()):
            return path
    raise UsageError(f"there is nothing to undo: {folder} holds no log of an action that was not undone")


def undo(path: Path, restored: Restored, tick: Tick = lambda done, total: None) -> Outcome:
    """Take back the steps of a log, the last first. A step that was begun when the power went is taken back
    if it happened. Files that changed meanwhile are left as they are and told."""
    steps = [(n, step) for n, (step, state) in logs.read(path).items() if state in ("begun", "done")]
    done, refused = [], []
    with logs.again(path) as log:
        for count, (number, step) in enumerate(reversed(steps), 1):
            try:
                if _back(step):
                    restored(step)
                    done.append(step.source)
                log.note(number, "undone")
            except (Refused, OSError) as error:
                refused.append(Refusal(step.source, words(error)))
            tick(count, len(steps))
    return Outcome(tuple(done), tuple(refused), log=str(path))


def purge(folder: Path, path: Path | None = None) -> Outcome:
    """Delete for good what lies in the trash, of one log or of all. Undoing brings none of it back."""
    done, refused, freed = [], [], 0
    for each in [path] if path else logs.logs(folder):
        with logs.again(each) as log:
            for number, (step, state) in logs.read(each).items():
                if step.action != "delete" or state not in ("begun", "done") or not _is_trash(step, folder):
                    continue
                try:
                    freed += _destroy(step, log, number)
                    done.append(step.source)
                except OSError as error:
                    refused.append(Refusal(step.source, words(error)))
    return Outcome(tuple(done), tuple(refused), freed)


def restored(store: Store, step: Step) -> None:
    """Bring the library in step with a file that is back. One that was deleted is not in it any more."""
    asset = store.get([step.asset_id]).get(step.asset_id)
    if asset is not None:
        place = Path(step.source)
        status = place.stat()
        when = modified(status.st_mtime_ns)
        store.update([replace(asset, uri=uris.from_path(place), size=status.st_size, modified=when)])


def _is_trash(step: Step, folder: Path) -> bool:
    """Whether a step's target lies where deleting puts files, whatever a log says."""
    parents = {parent.name for parent in Path(step.target).parents}
    return TRASH_BESIDE in parents or (folder / TRASH) in Path(step.target).parents


def _destroy(step: Step, log: Log, number: int) -> int:
    target = Path(step.target)
    if not os.path.lexists(step.target) or os.path.lexists(step.source):
        return 0  # it never came to the trash: the file is where it was
    target.unlink()
    log.note(number, "purged")
    _tidy(step)
    return step.size


def _back(step: Step) -> bool:
    """Undo one step; False where it never happened. Raises Refused, OSError."""
    if step.action == "link":
        return _unlinked(step)
    source, target = Path(step.source), Path(step.target)
    there, moved = os.path.lexists(source), os.path.lexists(target)
    if there and not moved:
        return False
    # Both are there when the power went between the halves of a step, or of a copy to another drive.
    if there and (source.samefile(target) or digest(source) == step.sha256 == digest(target)):
        target.unlink()
    elif there:
        raise Refused(f"another file is there now; what was there lies in {target}")
    elif not moved:
        raise Refused(f"{target} is gone, so it cannot be brought back")
    else:
        source.parent.mkdir(parents=True, exist_ok=True)
        carry(target, source, step.sha256)
    _tidy(step)
    return True


def _unlinked(step: Step) -> bool:
    """Make a name of the keeper a file of its own again, with the time and mode it had."""
    source, kept = Path(step.source), Path(step.target)
    if not os.path.lexists(source):
        raise Refused("is gone, so it cannot be made a file of its own")
    if not (os.path.lexists(kept) and source.samefile(kept)):
        return False
    if digest(source) != step.sha256:
        raise Refused("was changed since it was linked, and so was its keeper; it is left as it is")
    beside = source.with_name(f".findalike-{secrets.token_hex(6)}")
    try:
        shutil.copyfile(source, beside)
        os.chmod(beside, step.mode)  # noqa: PTH101
        os.utime(beside, ns=(step.modified, step.modified))
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(source)
    finally:
        beside.unlink(missing_ok=True)
    settle(source.parent)
    return True


def _tidy(step: Step) -> None:
    """Take away the folders of the trash that are empty now."""
    if step.action == "delete":
        with suppress(OSError):
            Path(step.target).parent.rmdir()
            Path(step.target).parent.parent.rmdir()
