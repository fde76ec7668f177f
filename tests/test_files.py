"""Files that are there whole or not at all."""

from __future__ import annotations

import resource
import signal
import threading
from pathlib import Path

import pytest

from findalike.files import replace_file


def test_text_and_bytes_are_there_and_nothing_else(tmp_path: Path) -> None:
    replace_file(tmp_path / "a.json", "grün 猫\n")
    replace_file(tmp_path / "b", b"\x00\r\n")
    replace_file(tmp_path / "b", b"\xff")
    assert (tmp_path / "a.json").read_bytes() == "grün 猫\n".encode()
    assert (tmp_path / "b").read_bytes() == b"\xff"
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "b"}


def test_a_reader_meets_the_old_or_the_new(tmp_path: Path) -> None:
    path, size = tmp_path / "file", 300_000
    replace_file(path, b"0" * size)

    def write() -> None:
        for turn in range(1, 30):
            replace_file(path, b"%d" % (turn % 10) * size)

    writer = threading.Thread(target=write)
    writer.start()
    met = [path.read_bytes()]
    while writer.is_alive():
        met.append(path.read_bytes())
    assert all(len(each) == size and len(set(each)) == 1 for each in met)


def test_several_write_at_once(tmp_path: Path) -> None:
    contents = [bytes([number]) * 100_000 for number in range(8)]
    writers = [threading.Thread(target=replace_file, args=(tmp_path / "file", each)) for each in contents]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() in contents


def test_a_full_drive_leaves_what_was_there(tmp_path: Path) -> None:
    replace_file(tmp_path / "file", "old")
    heard, limits = signal.getsignal(signal.SIGXFSZ), resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        with pytest.raises(OSError, match="File too large"):
            replace_file(tmp_path / "file", bytes(20_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, heard)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        replace_file(tmp_path / "folder", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_the_longest_of_names(tmp_path: Path) -> None:
    replace_file(tmp_path / ("x" * 255), "text")
    assert (tmp_path / ("x" * 255)).read_text() == "text"
