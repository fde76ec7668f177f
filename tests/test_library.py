"""The library as a whole: opening, removing, checking, cards, and its one writer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import findalike
from findalike import lock
from findalike.errors import (
    LibraryError,
    LibraryLocked,
    LibraryMismatch,
    LibraryMissing,
    QueryError,
    SettingError,
    UsageError,
)


def names(assets: list[findalike.Asset]) -> list[str]:
    return [Path(asset.uri).stem for asset in assets]


def change_card(library: Path, **changes: object) -> None:
    """What a library of another encoder would say of itself."""
    path = library / "findalike.json"
    content = json.loads(path.read_text("utf-8"))
    content["cards"][0] |= changes
    path.write_text(json.dumps(content), "utf-8")


# Opening


def test_a_library_is_made_when_it_is_missing_and_only_then(tmp_path: Path) -> None:
    with pytest.raises(LibraryMissing, match=f"to make one: findalike index PATH --library {tmp_path}/new"):
        findalike.open(tmp_path / "new", mode="r")
    assert not (tmp_path / "new").exists()
    with findalike.open(tmp_path / "new") as made:
        assert len(made) == 0
    with findalike.open(tmp_path / "new", mode="r") as again:
        assert again.path == str(tmp_path / "new")


def test_what_is_no_library(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "file").write_text("a file")
    for mode in ("r", "a"):
        with pytest.raises(LibraryError, match="file is a file, but a library is a folder"):
            findalike.open(tmp_path / "file", mode)
    with pytest.raises(LibraryError, match="pictures"):
        findalike.open(pictures)
    with pytest.raises(UsageError, match="path of the library is empty"):
        findalike.open("")
    with pytest.raises(UsageError, match="mode is 'w', but it must be 'r' or 'a'"):
        findalike.open(tmp_path / "x", "w")
    with pytest.raises(SettingError, match="no setting is named 'encoders'; did you mean encoder"):
        findalike.open(tmp_path / "x", encoders="x")
    assert not (tmp_path / "x").exists()


def test_without_a_path_it_is_that_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with findalike.open(library=tmp_path / "other") as opened:
        assert opened.path == str(tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    with findalike.open("other", "r") as opened:
        assert opened.path == str(tmp_path / "other")


def test_a_library_may_be_moved(filled: Path, tmp_path: Path, album: Path) -> None:
    shutil.copytree(filled, tmp_path / "moved")
    with findalike.open(tmp_path / "moved", "r") as moved:
        assert len(moved.search(album / "coffee.jpg")) == 9
        assert not moved.check()


def test_reading_changes_nothing(filled: Path, album: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in filled.rglob("*")}
    with findalike.open(filled, "r") as opened:
        opened.search(album / "coffee.jpg")
        opened.info()
        opened.check()
        for change in (opened.optimize, opened.repair, lambda: opened.remove(missing=True)):
            with pytest.raises(UsageError, match="open for reading; open it with mode 'a'"):
                change()
        with pytest.raises(UsageError, match="open for reading"):
            opened.add(album)
    assert {path: path.stat().st_mtime_ns for path in filled.rglob("*")} == before


# Removing


def test_removing_by_path_folder_id_and_filter(library: findalike.Library, pictures: Path) -> None:
    (pictures / "sub").mkdir()
    shutil.copy(pictures / "coffee.jpg", pictures / "sub" / "one.jpg")
    shutil.copy(pictures / "cell.jpg", pictures / "sub" / "two.jpg")
    (pictures / "sub2").mkdir()
    shutil.copy(pictures / "coins.jpg", pictures / "sub2" / "three.jpg")
    library.add(pictures)
    assert names(library.remove(str(pictures / "sub"), dry_run=True)) == ["one", "two"]
    assert len(library) == 7
    assert names(library.remove(str(pictures / "sub"))) == ["one", "two"]
    asset = next(a for a in library.store.assets() if a.uri.endswith("three.jpg"))
    assert names(library.remove(f"id:{asset.id}", str(pictures / "cell.jpg"))) == ["cell", "three"]
    assert names(library.remove(where="name like 'co%'")) == ["coffee", "coins"]
    assert len(library) == 1
    assert (pictures / "sub" / "one.jpg").exists()
    assert library.add(pictures).added == 6


def test_conditions_narrow_what_is_removed(library: findalike.Library, pictures: Path) -> None:
    (pictures / "sub").mkdir()
    for name in ("coffee", "cell"):
        shutil.copy(pictures / f"{name}.jpg", pictures / "sub")
    library.add(pictures)
    for path in (pictures / "sub" / "cell.jpg", pictures / "coins.jpg"):
        path.unlink()
    sub = str(pictures / "sub")
    assert names(library.remove(sub, where="name = 'coffee.jpg'", dry_run=True)) == ["coffee"]
    assert names(library.remove(sub, missing=True, dry_run=True)) == ["cell"]
    assert names(library.remove(where="name like 'co%'", missing=True, dry_run=True)) == ["coins"]
    assert names(library.remove(missing=True)) == ["coins", "cell"]
    assert library.remove(missing=True) == []


def test_removing_what_is_not_there(library: findalike.Library, pictures: Path) -> None:
    library.add(pictures)
    with pytest.raises(UsageError, match=r"absent\.jpg: the library .* holds no picture of that name"):
        library.remove(str(pictures / "absent.jpg"), str(pictures))
    with pytest.raises(UsageError, match="id:0123"):
        library.remove("id:0123")
    with pytest.raises(UsageError, match="nothing to remove"):
        library.remove()
    with pytest.raises(QueryError, match="no column is named 'colour'"):
        library.remove(where="colour = 'red'")
    assert len(library) == 4


# Checking


def test_a_sound_library(shelf: findalike.Library) -> None:
    assert shelf.check() == []
    found = shelf.info()
    assert (found.pictures, found.failures) == (10, ())
    assert found.bytes > 10_000
    assert found.columns["width"] == "integer"
    spaces = ["efficientnet-lite0@1-int8", "colour@1-float32", "layout@1-float32"]
    assert [card.space for card in found.cards] == spaces


def test_files_that_are_gone_are_a_problem_that_repair_leaves(
    library: findalike.Library, pictures: Path
) -> None:
    library.add(pictures)
    (pictures / "coffee.jpg").unlink()
    (problem,) = library.check()
    assert (problem.kind, problem.count, problem.repairable) == ("missing files", 1, False)
    assert "findalike remove --missing" in problem.detail
    assert library.repair() == []
    assert len(library) == 4
    library.remove(missing=True)
    assert library.check() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "0" * 64},
        {"dim": 640},
        {"pooling": "max"},
        {"preprocessing": {"side": 192}},
        {"name": "efficientnet-lite9"},
        {"revision": "0"},
        {"precision": "int4"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_library_of_another_card_is_refused(
    filled: Path, tmp_path: Path, album: Path, changes: dict[str, object]
) -> None:
    path = tmp_path / "library"
    shutil.copytree(filled, path)
    change_card(path, **changes)
    with findalike.open(path) as opened:
        with pytest.raises(LibraryMismatch, match="was made with"):
            opened.search(album / "coffee.jpg")
        with pytest.raises(LibraryMismatch, match="was made with"):
            opened.add(album)


def test_another_calibration_is_the_same_space(filled: Path, tmp_path: Path, album: Path) -> None:
    path = tmp_path / "library"
    shutil.copytree(filled, path)
    change_card(path, calibration=[[0, 0], [1, 0.5]])
    with findalike.open(path) as opened:
        assert opened.search(album / "coffee.jpg", include_self=True)[0].score > 0.9
        assert opened.add(album).unchanged == 10


def test_optimize_keeps_the_answers(library: findalike.Library, pictures: Path) -> None:
    library.add(pictures)
    before = [hit.asset.id for hit in library.search(pictures / "coffee.jpg")]
    said: list[str] = []
    library.optimize(said.append)
    assert said
    assert [hit.asset.id for hit in library.search(pictures / "coffee.jpg")] == before
    assert library.due() == []


# One writer


def test_a_second_writer_is_refused_and_named(tmp_path: Path, pictures: Path) -> None:
    path = tmp_path / "library"
    refused: list[str] = []
    with findalike.open(path) as first, findalike.open(path) as second:

        def watch(_: object) -> None:
            with pytest.raises(
                LibraryLocked, match=r"is being written by process \d+ on .* since 20"
            ) as error:
                second.add(pictures)
            refused.append(str(error.value))

        first.add(pictures, watch=watch)
        assert refused
        assert second.add(pictures).unchanged == 4
    assert not (path / lock.HOLDER).exists()


def test_an_error_in_the_midst_gives_the_lock_back(library: findalike.Library, pictures: Path) -> None:
    def watch(_: object) -> None:
        raise RuntimeError("of the caller")

    with pytest.raises(RuntimeError, match="of the caller"):
        library.add(pictures, watch=watch)
    assert library.add(pictures).unchanged == 4  # what was done until then was kept
