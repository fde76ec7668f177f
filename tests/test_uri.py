"""Names come back byte for byte, and members are told from files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from findalike import uri

NAMES = [
    b"plain.jpg",
    "émoji 😀 \n\t\"'`$.jpg".encode(),
    b"stray \xff\xfe\x80.jpg",
    "really \uf780 private \uf7ff.jpg".encode(),
    b"half of a private character \xef\x9e",
    b"x" * 251 + b".jpg",
]


@pytest.mark.skipif(os.name == "nt", reason="file names are not bytes on Windows")
@pytest.mark.parametrize("name", NAMES)
def test_a_path_comes_back_byte_for_byte(name: bytes) -> None:
    path = os.fsdecode(b"/photos/" + name)
    text = uri.from_path(path)
    assert os.fsencode(uri.to_path(text)) == b"/photos/" + name
    assert json.loads(json.dumps(text)) == text
    text.encode("utf-8")


@pytest.mark.skipif(os.name == "nt", reason="file names are not bytes on Windows")
def test_different_names_have_different_uris() -> None:
    assert len({uri.from_path(os.fsdecode(b"/" + name)) for name in NAMES}) == len(NAMES)


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert uri.from_path("a/../b.jpg") == str(tmp_path / "b.jpg")


def test_a_member_splits_at_its_archive(tmp_path: Path) -> None:
    archive = str(tmp_path / "a.zip")
    assert uri.split(uri.member(archive, "in/x.jpg")) == (archive, "in/x.jpg")
    assert uri.split(uri.member(archive, "odd!/x.jpg")) == (archive, "odd!/x.jpg")
    assert uri.to_path(uri.member(archive, "x.jpg")) == archive
    assert uri.split(archive) == (archive, "")


def test_a_folder_that_ends_in_an_exclamation_mark_is_no_archive(tmp_path: Path) -> None:
    folder = tmp_path / "wow!" / "deep!"
    folder.mkdir(parents=True)
    file = str(folder / "x.jpg")
    assert uri.split(file) == (file, "")
    inside = str(folder / "a.zip")
    assert uri.split(uri.member(inside, "x.jpg")) == (inside, "x.jpg")
