"""Listing and opening real folders, archives and tables."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import logging
import os
import socket
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from findalike import sources
from findalike import uri as uris
from findalike.errors import ReadError, UsageError
from findalike.sources import (
    Options,
    archive,
    discover,
    discover_table,
    exists,
    is_empty_or_missing,
    open_asset,
)
from findalike.types import Asset, Failure

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX files")


@pytest.fixture(autouse=True)
def _closed_archives():
    yield
    sources.release()


def write(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def listed(source: sources.Source) -> list[str]:
    """The assets below the root, with `/`. Fails on a Failure."""
    items = list(source)
    assert all(isinstance(item, Asset) for item in items), items
    return [item.uri[len(source.root) :].replace(os.sep, "/").lstrip("/") for item in items]


def failures(source: sources.Source) -> list[Failure]:
    return [item for item in source if isinstance(item, Failure)]


def content(uri: str) -> bytes:
    with open_asset(uri) as file:
        return file.read()


# ---------------------------------------------------------------- folders


def test_a_folder_is_listed_in_one_order_with_size_and_time(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/1.jpg", "a.jpg", "c.txt", "b/deep/0.png"):
        write(tmp_path / name, name.encode())
    os.utime(tmp_path / "a.jpg", ns=(0, 1_500_000_000_123_456_789))
    source = discover(tmp_path)
    assert source.root == str(tmp_path)
    assert listed(source) == ["a.jpg", "c.txt", "b/1.jpg", "b/2.jpg", "b/deep/0.png"]
    assert listed(source) == listed(source)
    first = next(iter(source))
    assert isinstance(first, Asset)
    assert (first.size, first.id, first.sha256, first.media) == (5, "", "", "")
    assert first.modified == datetime(2017, 7, 14, 2, 40, 0, 123456, UTC)
    assert content(first.uri) == b"a.jpg"


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ((), (), ["a.jpg", "b/c.JPG", "b/d.png", "b/raw/e.jpg"]),
        (("*.jpg",), (), ["a.jpg", "b/c.JPG", "b/raw/e.jpg"]),
        (("*.jpg", "*.png"), ("raw",), ["a.jpg", "b/c.JPG", "b/d.png"]),
        (("b/*.jpg",), (), ["b/c.JPG"]),
        (("b/**/*.jpg",), (), ["b/c.JPG", "b/raw/e.jpg"]),
        (("**/raw/**",), (), ["b/raw/e.jpg"]),
        (("b/raw",), (), ["b/raw/e.jpg"]),
        ((), ("b/",), ["a.jpg"]),
        ((), ("?.jpg",), ["b/d.png"]),
        (("[a].jpg",), (), []),
    ],
)
def test_patterns(
    tmp_path: Path, include: tuple[str, ...], exclude: tuple[str, ...], expected: list[str]
) -> None:
    for name in ("a.jpg", "b/c.JPG", "b/d.png", "b/raw/e.jpg"):
        write(tmp_path / name)
    source = discover(tmp_path, Options(include=include, exclude=exclude))
    assert listed(source) == expected
    every = [str(tmp_path / n) for n in ("a.jpg", "b/c.JPG", "b/d.png", "b/raw/e.jpg")]
    assert [u for u in every if source.covers(u)] == [str(tmp_path / n) for n in expected]
    assert not source.covers(str(tmp_path.parent / "a.jpg"))


def test_patterns_match_composed_and_decomposed_letters(tmp_path: Path) -> None:
    write(tmp_path / "cafe\u0301.jpg")
    assert len(listed(discover(tmp_path, Options(include=("caf\u00e9.*",))))) == 1


def test_hidden_and_system_files_are_listed_only_on_request(tmp_path: Path) -> None:
    names = [
        ".a.jpg",
        ".b/c.jpg",
        "@eaDir/d.jpg",
        "System Volume Information/e.jpg",
        "f.jpg",
        "node_modules/g.jpg",
    ]
    for name in names:
        write(tmp_path / name)
    assert listed(discover(tmp_path)) == ["f.jpg"]
    assert sorted(listed(discover(tmp_path, Options(hidden=True)))) == sorted(names)
    assert not discover(tmp_path).covers(str(tmp_path / ".b" / "c.jpg"))


def test_a_hidden_root_is_listed_because_it_was_named(tmp_path: Path) -> None:
    write(tmp_path / ".photos" / "a.jpg")
    assert listed(discover(tmp_path / ".photos")) == ["a.jpg"]


@pytest.mark.parametrize("hidden", [False, True])
def test_libraries_are_never_listed(tmp_path: Path, hidden: bool) -> None:
    write(tmp_path / "photos.library" / "findalike.json", b"{}")
    write(tmp_path / "photos.library" / "thumbnail.jpg")
    write(tmp_path / "a.jpg")
    assert listed(discover(tmp_path, Options(hidden=hidden))) == ["a.jpg"]
    with pytest.raises(UsageError, match="is a findalike library"):
        discover(tmp_path / "photos.library")


@posix
def test_links_and_circles_are_not_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "secret.jpg").parent
    root = tmp_path / "root"
    write(root / "a" / "x.jpg")
    (root / "a" / "again").symlink_to(root, target_is_directory=True)
    (root / "to_a").symlink_to(root / "a", target_is_directory=True)
    (root / "to_x.jpg").symlink_to(root / "a" / "x.jpg")
    (root / "out").symlink_to(outside, target_is_directory=True)
    (root / "out.jpg").symlink_to(outside / "secret.jpg")
    (root / "nowhere.jpg").symlink_to(root / "missing.jpg")
    (root / "self").symlink_to(root / "self")
    assert listed(discover(root)) == ["a/x.jpg"]


@posix
def test_a_root_that_is_a_link_is_followed_and_keeps_its_name(tmp_path: Path) -> None:
    write(tmp_path / "real" / "x.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    source = discover(tmp_path / "link")
    assert [item.uri for item in source] == [str(tmp_path / "link" / "x.jpg")]


@posix
def test_pipes_and_sockets_are_skipped_and_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    monkeypatch.chdir(tmp_path)  # a socket's path may be no longer than a hundred bytes
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("socket.jpg")
    write(tmp_path / "x.jpg")
    assert listed(discover(tmp_path, Options(archives=True))) == ["x.jpg"]
    for name in ("pipe.jpg", "socket.jpg"):
        with pytest.raises(ReadError, match="not a file with content"):
            open_asset(str(tmp_path / name))
        with pytest.raises(ReadError, match="not a file with content"):
            discover(tmp_path / name)
    with pytest.raises(ReadError, match="not a file with content"):
        open_asset("/dev/null")
    with pytest.raises(ReadError, match="not a file with content"):
        open_asset(str(tmp_path))
    listener.close()


_AS_ANOTHER_USER = """
import os, sys
from findalike import sources
from findalike.errors import ReadError
if os.getuid() == 0:  # root may read all: look as another user
    os.setgid(65534)
    os.setuid(65534)
for item in sources.discover(sys.argv[1]):
    print(type(item).__name__, os.path.basename(item.uri), getattr(item, "error", ""))
try:
    sources.open_asset(sys.argv[1] + "/locked.jpg")
except ReadError as error:
    print(error)
print(sources.exists(sys.argv[1] + "/locked/inside.jpg"))
print(sources.is_empty_or_missing(sys.argv[1] + "/locked"))
print([type(item).__name__ for item in sources.discover(sys.argv[1] + "/locked")])
"""


@posix
def test_an_unreadable_folder_is_a_failure_and_the_listing_goes_on(tmp_path: Path) -> None:
    write(tmp_path / "locked" / "inside.jpg")
    write(tmp_path / "locked.jpg")
    write(tmp_path / "z" / "x.jpg")
    (tmp_path / "locked").chmod(0)
    (tmp_path / "locked.jpg").chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:-2]) if os.getuid() == 0 else ():
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    command = [sys.executable, "-c", _AS_ANOTHER_USER, str(tmp_path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        (tmp_path / "locked").chmod(0o700)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "Asset locked.jpg ",
        "Failure locked this folder may not be read by this user, so nothing below it was looked at",
        "Asset x.jpg ",
        "may not be read by this user; change its permissions, or run as another user",
        "True",
        "True",
        "['Failure']",
    ]


@posix
def test_odd_names_are_listed_and_opened(tmp_path: Path) -> None:
    names = [
        b"new\nline.jpg",
        b"quote'\".jpg",
        "😀.jpg".encode(),
        b"stray\xff.jpg",
        b"y" * 250,
        "\uf781.jpg".encode(),
    ]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    found = {content(item.uri) for item in discover(tmp_path)}
    assert found == set(names)
    assert all(exists(item.uri) for item in discover(tmp_path))


@posix
def test_a_folder_deeper_than_the_recursion_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(sys.getrecursionlimit() // 4):
        Path("d").mkdir()
        os.chdir("d")
    Path("x.jpg").write_bytes(b"x")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit // 4)
    try:
        assert len(listed(discover(tmp_path))) == 1
    finally:
        sys.setrecursionlimit(limit)


def test_nothing_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing is there"):
        discover(tmp_path / "missing")


def test_a_single_file(tmp_path: Path) -> None:
    file = write(tmp_path / "x.jpg", b"abc")
    source = discover(file)
    (item,) = source
    assert isinstance(item, Asset)
    assert (item.uri, item.size, source.root) == (str(file), 3, str(file))
    assert source.covers(str(file))
    file.unlink()
    assert [f.stage for f in failures(source)] == ["list"]


def test_a_file_that_went_away_says_so(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="was there when it was listed, and is gone now"):
        open_asset(str(tmp_path / "x.jpg"))
    with pytest.raises(ReadError):
        open_asset("/a\0b")


def test_empty_or_missing(tmp_path: Path) -> None:
    assert is_empty_or_missing(str(tmp_path))
    assert is_empty_or_missing(str(tmp_path / "missing"))
    file = write(tmp_path / ".hidden")
    assert not is_empty_or_missing(str(tmp_path))
    assert not is_empty_or_missing(str(file))
    assert is_empty_or_missing(str(write(tmp_path / "empty.zip", b"")))


def test_exists(tmp_path: Path) -> None:
    file = write(tmp_path / "x.jpg")
    assert exists(str(file))
    assert not exists(str(tmp_path))
    assert not exists(str(tmp_path / "y.jpg"))
    assert not exists(str(file / "y.jpg"))


# ---------------------------------------------------------------- archives

MEMBERS = {"b.jpg": b"bee", "a/c.jpg": b"sea" * 100_000, ".hidden.jpg": b"h", "__MACOSX/._b.jpg": b"m"}


def zipped(path: Path, members: dict[str, bytes] = MEMBERS, **options: int) -> Path:
    with zipfile.ZipFile(path, "w", **options) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def tarred(path: Path, mode: str = "w", members: dict[str, bytes] = MEMBERS) -> Path:
    with tarfile.open(path, mode) as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


ARCHIVES = {
    "zip": lambda path: zipped(path),
    "zip-deflated": lambda path: zipped(path, compression=zipfile.ZIP_DEFLATED),
    "tar": lambda path: tarred(path),
    "tar.gz": lambda path: tarred(path, "w:gz"),
    "tar.bz2": lambda path: tarred(path, "w:bz2"),
    "tar.xz": lambda path: tarred(path, "w:xz"),
}


@pytest.fixture(params=ARCHIVES)
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return ARCHIVES[request.param](tmp_path / "named-by-nothing.dat")


def test_an_archive_is_listed_and_read_in_place(packed: Path) -> None:
    os.utime(packed, (1_000_000_000, 1_000_000_000))
    source = discover(packed)
    items = list(source)
    assert [i.uri for i in items] == [f"{packed}!/a/c.jpg", f"{packed}!/b.jpg"]
    assert [content(i.uri) for i in items] == [b"sea" * 100_000, b"bee"]
    assert [i.size for i in items if isinstance(i, Asset)] == [300_000, 3]
    assert {i.modified for i in items} == {datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)}
    assert list(packed.parent.iterdir()) == [packed]
    assert all(source.covers(i.uri) for i in items)
    assert not source.covers(f"{packed}!/.hidden.jpg")


def test_members_are_found_or_not(packed: Path) -> None:
    assert exists(f"{packed}!/b.jpg")
    assert not exists(f"{packed}!/z.jpg")
    assert not exists(f"{packed.parent}/gone.zip!/b.jpg")
    with pytest.raises(ReadError, match="not in the archive"):
        open_asset(f"{packed}!/z.jpg")
    with pytest.raises(ReadError, match="gone now"):
        open_asset(f"{packed.parent}/gone.zip!/b.jpg")


def test_many_threads_read_one_archive(packed: Path) -> None:
    uri = f"{packed}!/a/c.jpg"
    barrier = threading.Barrier(8)

    def read(_: int) -> bool:
        barrier.wait()
        return all(content(uri) == b"sea" * 100_000 for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8)))


def test_a_changed_archive_is_read_anew(packed: Path) -> None:
    assert content(f"{packed}!/b.jpg") == b"bee"
    zipped(packed, {"b.jpg": b"other", "new.jpg": b"n"})
    assert content(f"{packed}!/b.jpg") == b"other"
    assert exists(f"{packed}!/new.jpg")


def test_archives_in_folders_are_entered_only_on_request(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    zipped(tmp_path / "in" / "p.bin")
    write(tmp_path / "x.jpg")
    assert listed(discover(tmp_path)) == ["x.jpg", "in/p.bin"]
    inside = discover(tmp_path, Options(archives=True))
    assert listed(inside) == ["x.jpg", "in/p.bin!/a/c.jpg", "in/p.bin!/b.jpg"]
    assert inside.covers(f"{tmp_path}/in/p.bin!/b.jpg")
    assert not discover(tmp_path).covers(f"{tmp_path}/in/p.bin!/b.jpg")
    some = discover(tmp_path, Options(archives=True, include=("b.*",), exclude=("*.png",)))
    assert listed(some) == ["in/p.bin!/b.jpg"]
    without = discover(tmp_path, Options(archives=True, exclude=("in/p.bin/a",)))
    assert listed(without) == ["x.jpg", "in/p.bin!/b.jpg"]
    assert listed(discover(tmp_path, Options(archives=True, exclude=("p.bin",)))) == ["x.jpg"]


def test_the_last_of_two_members_of_one_name_wins(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.jpg", b"old")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("x.jpg", b"new")
    assert [content(i.uri) for i in discover(path)] == [b"new"]
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for data in (b"old", b"newer"):
            info = tarfile.TarInfo("./x.jpg")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    assert [content(i.uri) for i in discover(tmp_path / "a.tar")] == [b"newer"]


@posix
def test_odd_member_names(tmp_path: Path) -> None:
    names = [
        "new\nline.jpg",
        "😀.jpg",
        "odd!/x.jpg",
        "../up.jpg",
        "/abs.jpg",
        "stray\udcff.jpg",
        "\uf781.jpg",
    ]
    tarred(tmp_path / "a.tar", members={n: os.fsencode(n) for n in names})
    assert {content(i.uri) for i in discover(tmp_path / "a.tar", Options(hidden=True))} == set(
        map(os.fsencode, names)
    )


def test_links_and_devices_in_a_tar_are_skipped(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in (
            ("l", tarfile.SYMTYPE),
            ("h", tarfile.LNKTYPE),
            ("d", tarfile.CHRTYPE),
            ("f", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
    assert list(discover(tmp_path / "a.tar")) == []
    assert list(discover(tmp_path / "a.zip")) == []


def test_a_zip_bomb_is_refused_by_what_it_declares(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("bomb.jpg", "w") as member:
        for _ in range(20):
            member.write(bytes(1 << 20))
    (item,) = archive.ArchiveSource(str(path), Options(), limit=10 << 20)
    assert isinstance(item, Failure)
    assert "20,971,520 bytes, and the limit is 10,485,760" in item.error
    with pytest.raises(ReadError, match="limit"):
        archive.open_member(str(path), "bomb.jpg", limit=10 << 20)


def test_a_zip_bomb_that_lies_yields_no_more_than_it_declared(tmp_path: Path) -> None:
    path = tmp_path / "liar.zip"
    zipped(path, {"bomb.jpg": bytes(5 << 20)}, compression=zipfile.ZIP_DEFLATED)
    data = path.read_bytes().replace((5 << 20).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    path.write_bytes(data)
    with pytest.raises(ReadError, match="damaged"):
        open_asset(f"{path}!/bomb.jpg")


def test_a_compressed_tar_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_BOMB_SIZE", 10 << 20)
    tarred(tmp_path / "bomb", "w:gz", {"zero.jpg": bytes(40 << 20)})
    (failure,) = failures(discover(tmp_path / "bomb"))
    assert "more than 100 times its size" in failure.error


def test_a_large_member_goes_through_a_temporary_file(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_IN_MEMORY", 1000)
    assert content(f"{packed}!/a/c.jpg") == b"sea" * 100_000


def test_a_damaged_member_is_a_failure_of_that_member(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip")
    path.write_bytes(path.read_bytes().replace(b"seaseasea", b"seaXeasea", 1))
    with pytest.raises(ReadError, match="damaged inside the archive"):
        open_asset(f"{path}!/a/c.jpg")
    assert content(f"{path}!/b.jpg") == b"bee"


def test_encrypted_members_are_failures(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"x.jpg": b"secret"})
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the flag in the local header
    data[data.index(b"PK\1\2") + 8] |= 1  # and in the directory
    path.write_bytes(data)
    (failure,) = failures(discover(path))
    assert failure.uri == f"{path}!/x.jpg"
    assert "encrypted" in failure.error
    with pytest.raises(ReadError, match="encrypted"):
        open_asset(failure.uri)


def test_methods_that_cannot_be_read_safely_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"x.jpg": b"x"}, compression=zipfile.ZIP_LZMA)
    assert "pack it with Deflate" in failures(discover(path))[0].error


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.xz", "tar.bz2"])
def test_a_cut_tar_gives_the_members_before_the_cut(tmp_path: Path, kind: str) -> None:
    noise = os.urandom(1_000_000)
    mode = "w:" + kind.partition(".")[2] if "." in kind else "w"
    path = tarred(tmp_path / "a", mode, {"a.jpg": noise, "b.jpg": noise[::-1]})
    path.write_bytes(path.read_bytes()[:1_600_000])
    items = list(discover(path))
    assert [i.uri for i in items if isinstance(i, Asset)] in (
        [f"{path}!/a.jpg"],
        [],
    )  # bzip2 works in large blocks
    assert any(isinstance(i, Failure) and "cut off" in i.error for i in items)
    if kind != "tar.bz2":
        assert content(f"{path}!/a.jpg") == noise
        with pytest.raises(ReadError):
            open_asset(f"{path}!/b.jpg")


def test_a_cut_zip_is_a_failure(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip")
    path.write_bytes(path.read_bytes()[:-30])
    (failure,) = discover(path)
    assert isinstance(failure, Failure)
    assert failure.uri == str(path)
    assert "damaged archive" in failure.error
    assert exists(f"{path}!/b.jpg"), "in doubt it is there"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_compressed_file_that_is_no_tar_is_a_single_file(tmp_path: Path, pack) -> None:
    assert len(listed(discover(write(tmp_path / "x.tar.gz", pack(b"no tar" * 500))))) == 1


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_a_mutated_zip_never_raises_but_a_read_error(tmp_path: Path, cut: int) -> None:
    path = zipped(tmp_path / "a.zip", {"x.jpg": b"abc" * 20, "y.jpg": b"d"}, compression=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    data[cut % len(data)] ^= 0xFF
    path.write_bytes(data)
    for item in discover(path):
        if isinstance(item, Asset):
            with contextlib.suppress(ReadError):
                content(item.uri)


# ---------------------------------------------------------------- tables


def table(folder: Path, text: str, encoding: str = "utf-8", name: str = "t.csv") -> Path:
    for picture in ("a.jpg", "b.jpg"):
        write(folder / picture)
    return write(folder / name, text.encode(encoding))


def rows(path: Path, **options) -> list[Asset | Failure]:
    return list(discover_table(path, **options))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_columns_are_typed(tmp_path: Path, separator: str, encoding: str) -> None:
    header = ["file", "year", "price", "ok", "name", "day", "at", "zoned", "code", "long", "none"]
    first = ["a.jpg", "2015", "1.5", "true", "Zoë", "2020-02-29", "2020-02-29 12:00:00",
             "2020-02-29T12:00:00Z", "007", "12345678901234567890", ""]  # fmt: skip
    second = ["b.jpg"] + [""] * 10
    text = "\n".join(separator.join(row) for row in (header, first, second))
    one, two = rows(table(tmp_path, text, encoding))
    noon = datetime(2020, 2, 29, 12, tzinfo=UTC)
    assert one.uri == str(tmp_path / "a.jpg")
    assert dict(one.metadata) == {
        "year": 2015, "price": 1.5, "ok": True, "name": "Zoë", "day": date(2020, 2, 29), "at": noon,
        "zoned": noon, "code": "007", "long": "12345678901234567890", "none": None,
    }  # fmt: skip
    assert set(two.metadata.values()) == {None}


def test_types_hold_for_the_whole_column(tmp_path: Path) -> None:
    lines = ["path,n,m", *("a.jpg,1,NA" for _ in range(100_000)), "b.jpg,x,nan"]
    last = rows(table(tmp_path, "\n".join(lines)))[-1]
    assert dict(last.metadata) == {"n": "x", "m": "nan"}


def test_quotes_line_breaks_and_paths_that_look_like_numbers(tmp_path: Path) -> None:
    write(tmp_path / "2019")
    (one,) = rows(table(tmp_path, 'picture,name\n2019,"two\nlines, ""quoted"""\n'))
    assert one.uri == str(tmp_path / "2019")
    assert one.metadata["name"] == 'two\nlines, "quoted"'


def test_any_column_can_be_named(tmp_path: Path) -> None:
    write(tmp_path / "7")
    path = table(tmp_path, "path,other\na.jpg,7\n")
    assert rows(path, path_column="other")[0].uri == str(tmp_path / "7")
    with pytest.raises(UsageError, match=r"no column 'nope'.*--path-column: path, other"):
        discover_table(path, path_column="nope")
    with pytest.raises(UsageError, match=r"no column of paths found.*--path-column: x, y"):
        discover_table(table(tmp_path, "x,y\n1,2\n"))
    with pytest.raises(UsageError, match="two columns named"):
        discover_table(table(tmp_path, "path,x,x\na.jpg,1,2\n"))


def test_missing_files_and_broken_rows_name_their_row(tmp_path: Path) -> None:
    path = table(tmp_path, "path,n\na.jpg,1\nbroken\nmissing.jpg,2\n,3\n.,4\nb.jpg,5\n")
    items = rows(path)
    assert [i.uri for i in items if isinstance(i, Asset)] == [
        str(tmp_path / "a.jpg"),
        str(tmp_path / "b.jpg"),
    ]
    problems = {i.error: i for i in items if isinstance(i, Failure)}
    assert {i.stage for i in problems.values()} == {"list"}
    assert "row 3: has 1 fields, and the header names 2" in problems
    assert problems["row 4 of t.csv names this file: nothing is there"].uri == str(tmp_path / "missing.jpg")
    assert "row 5: the column 'path' is empty" in problems
    assert any(error.startswith("row 6 of t.csv") and "not a file" in error for error in problems)


def test_of_two_rows_for_one_file_the_last_counts_and_a_warning_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = table(tmp_path, "path,n\na.jpg,1\nb.jpg,2\n./a.jpg,3\n")
    with caplog.at_level(logging.WARNING):
        items = rows(path)
    assert [(i.uri[-5:], i.metadata["n"]) for i in items] == [("b.jpg", 2), ("a.jpg", 3)]
    assert "rows 2 and 4" in caplog.text


@posix
def test_backslashes_of_windows_tables_are_understood(tmp_path: Path) -> None:
    write(tmp_path / "sub" / "x.jpg")
    (item,) = rows(table(tmp_path, "path\nsub\\x.jpg\n"))
    assert item.uri == str(tmp_path / "sub" / "x.jpg")


def test_rows_may_name_members_of_archives(tmp_path: Path) -> None:
    zipped(tmp_path / "p.zip")
    one, two = rows(table(tmp_path, "path,n\np.zip!/b.jpg,1\np.zip!/z.jpg,2\n"))
    assert content(one.uri) == b"bee"
    assert isinstance(two, Failure)
    assert "row 3" in two.error
    assert "not in the archive" in two.error


def test_options_choose_rows_and_a_table_never_covers(tmp_path: Path) -> None:
    source = discover_table(table(tmp_path, "path\na.jpg\nb.jpg\n"), options=Options(exclude=("b*",)))
    assert [i.uri for i in source] == [str(tmp_path / "a.jpg")]
    assert source.root == str(tmp_path / "t.csv")
    assert not source.covers(str(tmp_path / "a.jpg"))


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x1a\n\0\0\0", b"\xff\xfep\0a\0t\0h\0\n\0", b"PAR1broken", b"path\n\xff.jpg\n"],
)
def test_what_is_no_table_is_wrong_usage(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UsageError, match=r"t\.csv: .*(give a CSV|--path-column)"):
        discover_table(write(tmp_path / "t.csv", content))
    with pytest.raises(UsageError, match="nothing is there"):
        discover_table(tmp_path / "missing.csv")


def test_a_header_alone_is_a_table_of_nothing(tmp_path: Path) -> None:
    assert rows(table(tmp_path, "path,n\n")) == []


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    berlin = pa.timestamp("ns", "Europe/Berlin")
    columns = {
        "path": pa.array(["a.jpg", "b.jpg"]),
        "n": pa.array([1, None], pa.int8()),
        "big": pa.array([2**64 - 1, 1], pa.uint64()),
        "f": pa.array([0.5, float("nan")], pa.float32()),
        "t": pa.array([datetime(2020, 1, 1, 12, tzinfo=UTC), None], berlin),
        "d": pa.array([Decimal("1.25"), None]),
        "tags": pa.array([["x", "y"], None]),
        "deep": pa.array([{"k": 1}, None]),
        "raw": pa.array([b"\0", None]),
        "word": pa.array(["red", "red"]).dictionary_encode(),
    }
    table(tmp_path, "")
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    one, two = rows(tmp_path / "t.parquet")
    assert dict(one.metadata) == {
        "n": 1, "big": str(2**64 - 1), "f": 0.5, "t": datetime(2020, 1, 1, 12, tzinfo=UTC), "d": 1.25,
        "tags": json.dumps(["x", "y"]), "deep": '{"k": 1}', "word": "red",
    }  # fmt: skip
    assert {k: v for k, v in two.metadata.items() if v is not None} == {"big": 1, "word": "red"}
    with pytest.raises(UsageError, match="holds int8, not the text of paths"):
        discover_table(tmp_path / "t.parquet", path_column="n")


def test_an_unknown_scheme_names_those_that_are_there() -> None:
    with pytest.raises(UsageError, match="no source is named 'gopher'"):
        discover("gopher://host/photos")


def test_uris_of_members_round_trip(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip")
    assert [uris.split(i.uri) for i in discover(path)] == [(str(path), "a/c.jpg"), (str(path), "b.jpg")]
