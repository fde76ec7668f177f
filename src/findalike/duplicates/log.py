"""The undo log of one action: JSON lines, each on the drive before the step that it names begins.

A step is noted with all that takes it back, then taken, then noted as done. After a power cut the last line
may be torn; its step was not begun, so it is passed over. A step that was begun and not noted as done may
have happened or not: undoing looks at the files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

from findalike.errors import FindalikeError, LibraryError, UsageError

Action = Literal["delete", "move", "link"]

ENDING = ".jsonl"


@dataclass(frozen=True, slots=True)
class Step:
    """What is done to one file. `source` and `target` are paths: a file that is deleted or moved goes from
    the one to the other; for a link, `target` is the keeper that `source` becomes another name of.

    `modified` (nanoseconds) and `mode` are those of the file, `asset_id` the picture's in the library.
    """

    action: Action
    source: str
    target: str
    keeper: str
    size: int
    sha256: str
    modified: int
    mode: int
    asset_id: str


State = Literal["begun", "done", "failed", "undone", "purged"]


class Log:
    """Appends to one log. Use `writing`."""

    def __init__(self, path: Path, file: BinaryIO, count: int) -> None:
        self.path = path
        self._file = file
        self._count = count

    def begin(self, step: Step) -> int:
        """Note a step; it is on the drive when this returns. Its number."""
        self._count += 1
        self._append({"step": self._count, "at": _now(), **asdict(step)})
        return self._count

    def note(self, number: int, state: State, problem: str = "") -> None:
        """Say what became of a step."""
        self._append({"of": number, "state": state, **({"problem": problem} if problem else {})})

    def _append(self, record: Mapping[str, Any]) -> None:
        with _guarded(self.path):
            self._file.write(json.dumps(record).encode("ascii") + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())


@contextmanager
def new(folder: Path) -> Iterator[Log]:
    """A new log in a folder, named for the moment."""
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S-%f}{ENDING}"
    with _guarded(path):
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("xb")
    with file:
        settle(folder)
        yield Log(path, file, 0)


@contextmanager
def again(path: Path) -> Iterator[Log]:
    """A log that is there, to note more in. A torn line at its end is ended first."""
    with _guarded(path):
        steps = read(path)
        torn = not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
        file = path.open("ab")
    with file:
        if torn:
            file.write(b"\n")
        yield Log(path, file, max(steps, default=0))


def read(path: Path) -> dict[int, tuple[Step, State]]:
    """The steps by number, with what became of each, in the order they were begun. Raises UsageError when
    there is no such log, LibraryError when it is something else."""
    steps: dict[int, tuple[Step, State]] = {}
    try:
        lines = path.read_bytes().split(b"\n")
    except (FileNotFoundError, IsADirectoryError):
        raise UsageError(f"{path}: there is no such log; to undo the last action: "
                         "findalike duplicates undo") from None  # fmt: skip
    except OSError as error:
        raise LibraryError(f"{path} cannot be read: {error.strerror or error}") from error
    for line in lines:
        record = _record(line)
        if "step" in record:
            number = record.pop("step")
            record.pop("at", None)
            steps[number] = (_step(path, record), "begun")
        elif record.get("of") in steps:
            steps[record["of"]] = (steps[record["of"]][0], record["state"])
    return steps


def _record(line: bytes) -> dict[str, Any]:
    """What a line says; a torn one says nothing."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _step(path: Path, record: dict[str, Any]) -> Step:
    try:
        return Step(**record)
    except TypeError as error:
        raise LibraryError(f"{path}: is no undo log of this findalike ({error})") from error


def logs(folder: Path) -> list[Path]:
    """The logs of a folder, the newest last."""
    return sorted(folder.glob(f"*{ENDING}")) if folder.is_dir() else []


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def settle(folder: Path) -> None:
    """Have the names in a folder on the drive, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # pragma: no cover  (Windows opens no folders)
        return
    try:
        os.fsync(descriptor)
    except OSError:  # pragma: no cover  (some network drives cannot)
        pass
    finally:
        os.close(descriptor)


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    try:
        yield
    except FindalikeError:
        raise
    except OSError as error:
        raise LibraryError(
            f"the undo log {path} cannot be written ({error.strerror or error}), so nothing more was done"
        ) from error
