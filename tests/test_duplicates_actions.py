"""Cleaning up: nothing is lost, whatever happens between the steps, and every action can be taken back."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import numpy as np
import pytest
from PIL import Image

import findalike
from findalike.duplicates import actions, log
from findalike.errors import LibraryLocked, UsageError

Photo = Callable[..., Image.Image]
Tree = dict[str, bytes]


def contents(folder: Path) -> Tree:
    """All files below a folder, by their paths."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, photo: Photo) -> Path:
    """Two photographs, each with two copies."""
    root = tmp_path_factory.mktemp("made")
    (root / "b").mkdir()
    for name in ("coffee", "chelsea"):
        photo(name).save(root / f"{name}.jpg", quality=90)
        for n in (1, 2):
            shutil.copy2(root / f"{name}.jpg", root / "b" / f"{name} ({n}).jpg")
    return root


@pytest.fixture
def pictures(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "pictures")
    return tmp_path / "pictures"


@pytest.fixture
def library(pictures: Path, tmp_path: Path) -> Iterator[findalike.Library]:
    with findalike.open(tmp_path / "library") as opened:
        opened.add(pictures)
        yield opened


def in_step(library: findalike.Library) -> bool:
    """Whether every picture of the library is where it says, as it says."""
    return all(Path(a.uri).is_file() and Path(a.uri).stat().st_size == a.size for a in library.store.assets())


@pytest.mark.parametrize("action", ["delete", "move", "link"])
def test_each_action_is_done_and_taken_back(
    library: findalike.Library, pictures: Path, tmp_path: Path, action: str
) -> None:
    before = contents(pictures)
    groups = library.duplicates()
    dry = library.reclaim(groups, action, tmp_path / "there", dry=True)
    assert contents(pictures) == before
    assert (len(dry.done), dry.dry, dry.log) == (4, True, "")
    outcome = library.reclaim(groups, action, tmp_path / "there")
    assert (len(outcome.done), outcome.refused) == (4, ())
    assert in_step(library)
    left = contents(pictures)
    if action == "link":
        assert left == before
        assert len({p.stat().st_ino for p in pictures.rglob("*.jpg")}) == 2
        assert library.reclaim(library.duplicates(), action).done == ()
    else:
        assert set(left) == {"coffee.jpg", "chelsea.jpg"}
        assert len(library) == (2 if action == "delete" else 6)
    if action == "move":
        assert sorted(contents(tmp_path / "there").values()) == sorted(
            data for name, data in before.items() if name.startswith("b/")
        )
    again = library.undo()
    assert (len(again.done), again.refused) == (4, ())
    assert contents(pictures) == before
    assert len({p.stat().st_ino for p in pictures.rglob("*.jpg")}) == 6
    assert in_step(library)
    assert len(library) == 6
    with pytest.raises(UsageError, match="there is nothing to undo"):
        library.undo()


def test_purging_frees_the_trash_and_only_that(library: findalike.Library, pictures: Path) -> None:
    library.reclaim(library.duplicates(), "delete")
    trash = Path(library.path) / "duplicates" / "trash"
    assert len(contents(trash)) == 4
    outcome = library.purge()
    assert len(outcome.done) == 4
    assert outcome.bytes > 0
    assert contents(trash) == {}
    assert set(contents(pictures)) == {"coffee.jpg", "chelsea.jpg"}
    assert library.purge().done == ()


@pytest.mark.parametrize(
    "change",
    [
        lambda keeper, member: keeper.unlink(),
        lambda keeper, member: keeper.write_bytes(keeper.read_bytes()[:-1] + b"!"),
        lambda keeper, member: member.write_bytes(member.read_bytes() + b"!"),
        lambda keeper, member: member.write_bytes(b"!" * member.stat().st_size),
        lambda keeper, member: member.unlink(),
        lambda keeper, member: (keeper.unlink(), os.link(member, keeper)),
        lambda keeper, member: (member.unlink(), member.symlink_to(keeper)),
    ],
    ids=["gone", "keeper", "longer", "same size", "member gone", "one file", "symlink"],
)
def test_what_changed_since_is_left_alone(
    library: findalike.Library, change: Callable[[Path, Path], object]
) -> None:
    group = next(g for g in library.duplicates() if "coffee" in g.keeper.uri)
    keeper, member = Path(group.keeper.uri), Path(group.members[0].asset.uri)
    change(keeper, member)
    there = {p: p.read_bytes() for p in (keeper, member) if p.exists()}
    outcome = library.reclaim([group], "delete")
    assert str(member) in [refusal.uri for refusal in outcome.refused]
    assert {p: p.read_bytes() for p in (keeper, member) if p.exists()} == there


def test_no_name_at_the_target_is_overwritten(library: findalike.Library, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "coffee (1).jpg").write_text("mine")
    library.reclaim(library.duplicates(), "move", tmp_path / "there")
    assert (tmp_path / "there" / "coffee (1).jpg").read_text() == "mine"
    assert (tmp_path / "there" / "coffee (1) (2).jpg").exists()
    with pytest.raises(UsageError, match="is a file; name a folder"):
        library.reclaim([], "move", tmp_path / "there" / "coffee (1).jpg")


def test_the_lock_is_taken(library: findalike.Library, pictures: Path) -> None:
    groups = library.duplicates()
    before = contents(pictures)
    with filelock.FileLock(Path(library.path) / "writer.lock"), pytest.raises(LibraryLocked):
        library.reclaim(groups, "delete")
    assert contents(pictures) == before


def other_drive() -> Path | None:
    """A writable folder on another drive than that of temporary files."""
    shm = Path("/dev/shm")
    here = Path(os.environ.get("TMPDIR", "/tmp"))
    return (
        shm if shm.is_dir() and os.access(shm, os.W_OK) and shm.stat().st_dev != here.stat().st_dev else None
    )


@pytest.mark.skipif(other_drive() is None, reason="there is no second drive, such as /dev/shm")
def test_two_drives(library: findalike.Library, pictures: Path) -> None:
    drive = other_drive()
    assert drive is not None
    away = drive / f"findalike-{os.getpid()}"
    try:
        before = contents(pictures)
        outcome = library.reclaim(library.duplicates(), "move", away)
        assert len(outcome.done) == 4
        assert len(contents(away)) == 4
        groups = library.duplicates()
        refused = library.reclaim(groups, "link").refused
        assert len(refused) == 4
        assert all("another drive" in refusal.why for refusal in refused)
        deleted = library.reclaim(groups, "delete")
        assert len(deleted.done) == 4
        assert all(".findalike-trash" in name for name in contents(away))
        library.undo()
        library.undo(outcome.log)
        assert contents(pictures) == before
        assert in_step(library)
    finally:
        shutil.rmtree(away, ignore_errors=True)


def test_a_folder_that_may_not_be_changed(
    library: findalike.Library, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: object, target: object) -> None:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    before = contents(pictures)
    groups = library.duplicates()
    monkeypatch.setattr(actions.os, "link", refuse)
    outcome = library.reclaim(groups, "delete")
    assert (len(outcome.done), len(outcome.refused)) == (0, 4)
    assert "read-only" in outcome.refused[0].why
    assert contents(pictures) == before
    assert len(library) == 6


def test_look_alikes_are_never_touched(library: findalike.Library) -> None:
    groups = library.duplicates()
    alike = [type(g)(g.keeper, tuple(type(m)(m.asset, "alike", m.score) for m in g.members)) for g in groups]
    with pytest.raises(UsageError, match="look-alikes are other pictures"):
        library.reclaim(alike, "delete")


# Cut off in the middle


@pytest.mark.parametrize("action", ["delete", "move", "link"])
@pytest.mark.parametrize("moment", ["before", "half", "after"])
def test_a_step_that_was_begun_is_taken_back(
    library: findalike.Library, pictures: Path, tmp_path: Path, action: str, moment: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As if the power went before the first step, between its halves, or before it was noted as done."""
    before = contents(pictures)
    groups = library.duplicates()

    class Cut(BaseException):
        pass

    def cut(*_: object, **__: object) -> None:
        raise Cut

    if moment == "before":
        monkeypatch.setattr(actions, "take", cut)
    elif moment == "half":
        monkeypatch.setattr(Path, "unlink" if action != "link" else "replace", cut)
    else:
        monkeypatch.setattr(log.Log, "note", cut)
    with pytest.raises(Cut):
        library.reclaim(groups, action, tmp_path / "there")
    monkeypatch.undo()
    (path,) = log.logs(Path(library.path) / "duplicates")
    with path.open("ab") as file:
        file.write(b'{"step": 2, "at": "2026-')  # a torn line
    library.undo()
    assert contents(pictures) == before
    assert in_step(library)
    assert len(library) == 6
    assert [state for _, state in log.read(path).values()] == ["undone"]


_KILLED = """
import sys, time
import findalike
from findalike.duplicates import actions
take = actions.take
def slow(step):
    take(step)
    print(step.source, flush=True)
    time.sleep(0.2)
actions.take = slow
with findalike.open(sys.argv[1]) as library:
    library.reclaim(library.duplicates(), "delete")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system kills no process")
def test_a_process_that_is_killed(library: findalike.Library, pictures: Path) -> None:
    before = contents(pictures)
    library.close()
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, library.path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    process.kill()
    process.wait()
    assert 2 <= len(contents(pictures)) < 6
    with findalike.open(library.path) as opened:
        opened.undo()
        assert contents(pictures) == before
        opened.add(pictures)
        assert len(opened) == 6
        assert in_step(opened)


def test_undo_leaves_what_is_there_now(library: findalike.Library, pictures: Path) -> None:
    library.reclaim(library.duplicates(), "delete")
    (pictures / "b" / "coffee (1).jpg").write_text("another")
    outcome = library.undo()
    assert len(outcome.done) == 3
    assert "another file is there now" in outcome.refused[0].why
    assert (pictures / "b" / "coffee (1).jpg").read_text() == "another"


def test_no_log_and_a_foreign_one(library: findalike.Library, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such log"):
        library.undo(tmp_path / "none.jsonl")
    with findalike.open(":memory:") as memory, pytest.raises(UsageError, match="keeps no undo log"):
        memory.reclaim([], "delete")


# The command


def test_the_command_lists_asks_acts_and_undoes(
    library: findalike.Library,
    pictures: Path,
    tmp_path: Path,
    cli: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    path = Path(library.path)
    library.close()
    before = contents(pictures)
    shown = cli("duplicates", "list", "--sheet", tmp_path / "sheets", library=path)
    assert shown.returncode == 0, shown.stderr
    assert "2 groups, 4 pictures too many" in shown.stdout
    with Image.open(tmp_path / "sheets" / "group-0001.jpg") as sheet:
        assert np.asarray(sheet).std() > 20
    assert cli("duplicates", library=path).stdout == shown.stdout
    record = json.loads(cli("duplicates", "--json", library=path).stdout)
    assert [len(group["members"]) for group in record["groups"]] == [2, 2]
    assert record["reclaimable"] == sum(m["size"] for g in record["groups"] for m in g["members"])
    asked = cli("duplicates", "delete", library=path)
    assert "Nothing was done; to do it without being asked, add --yes" in asked.stderr
    assert "4 files would be" in cli("duplicates", "move", tmp_path / "x", "--dry-run", library=path).stderr
    assert contents(pictures) == before
    acted = cli("duplicates", "delete", "--yes", library=path)
    assert acted.stdout.startswith("4 files moved to the trash")
    assert len(contents(pictures)) == 2
    assert cli("duplicates", "undo", library=path).stdout == "4 files brought back.\n"
    assert contents(pictures) == before
    ids = [f"id:{record['groups'][0][key]['asset']}" for key in ("keeper",)]
    ids.append(f"id:{record['groups'][0]['members'][0]['asset']}")
    assert "no two of these 2" in cli("duplicates", "deny", *ids, library=path).stdout
    again = json.loads(cli("duplicates", "--json", library=path).stdout)
    assert sorted(len(group["members"]) for group in again["groups"]) == [1, 2]
    assert len(again["not_duplicates"]) == 1
    assert cli("duplicates", "delete", "--level", "alike", "--yes", library=path).returncode == 2
