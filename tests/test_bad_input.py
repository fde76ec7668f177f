"""Bad input and bad luck: each ends with a sentence that helps, the right exit code, and nothing lost."""

from __future__ import annotations

import ctypes
import io
import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

import findalike
from conftest import Cli, Photo


def check(library: Path, pictures: int) -> None:
    """The library is sound and holds so many pictures, each once and each with one vector."""
    with findalike.open(library, "r") as opened:
        assert opened.check() == []
        uris = [asset.uri for asset in opened.store.assets()]
        assert len(uris) == len(set(uris)) == len(opened) == pictures
        for status in opened.store.status().values():
            assert status.rows == pictures


def child(script: str, *args: object, **options: Any) -> subprocess.Popen[str]:
    """A Python process that runs a script, its output line by line."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, args)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


# Paths that are not what they should be


def test_an_empty_folder(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run = cli("index", tmp_path / "empty", library=tmp_path / "library")
    assert run.returncode == 0
    assert run.stdout.startswith("no pictures found in ")
    run = cli("search", "--where", "size > 0", library=tmp_path / "library")
    assert (run.returncode, run.stdout) == (0, "")
    assert run.stderr == "The library is empty: to fill it, findalike index FOLDER.\n"


def test_a_folder_that_does_not_exist(cli: Cli, tmp_path: Path) -> None:
    run = cli("index", tmp_path / "absent", library=tmp_path / "library")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (
        f"findalike: {tmp_path}/absent: nothing is there; "
        "give the path of a folder, an archive or a picture\n"
    )
    assert not (tmp_path / "library").exists()


def without_rights() -> dict[str, Any]:
    """How to run the program so that permissions count; to root they do only without two capabilities."""
    if os.geteuid() != 0:
        return {}
    prctl = getattr(ctypes.CDLL(None), "prctl", None)

    def drop() -> None:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP

    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).chmod(0)
        opened = prctl and subprocess.run(
            ["cat", file.name], preexec_fn=drop, capture_output=True, check=False
        )
    if not opened or not opened.returncode:
        pytest.skip("root runs the tests, and cannot do without its rights here")
    return {"preexec_fn": drop}


def test_no_permission(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    library, rights = tmp_path / "library", without_rights()
    (pictures / "sub").mkdir()
    (pictures / "coins.jpg").rename(pictures / "sub" / "coins.jpg")
    (pictures / "cell.jpg").chmod(0)
    run = cli("index", pictures, library=library, options=rights)
    assert (run.returncode, run.stdout[:18]) == (3, "3 added, 1 failed "), run.stdout
    assert f"{pictures}/cell.jpg: may not be read by this user; change its permissions" in run.stderr

    (pictures / "cell.jpg").chmod(0o644)  # neither size nor time of change differ
    (pictures / "sub").chmod(0)
    run = cli("index", pictures, library=library, options=rights)
    assert (run.returncode, run.stdout[:31]) == (3, "1 added, 2 unchanged, 1 failed "), run.stdout
    assert f"{pictures}/sub: this folder may not be read by this user" in run.stderr
    assert run.stdout.endswith("holds 4 pictures.\n")  # what cannot be looked at is not gone

    (pictures / "sub").chmod(0o755)
    pictures.chmod(0)
    run = cli("index", pictures, library=library, options=rights)
    assert run.returncode == 1
    assert "Nothing was changed" in run.stderr
    pictures.chmod(0o755)

    (pictures / "cell.jpg").chmod(0)
    run = cli("search", pictures / "cell.jpg", library=library, options=rights)
    assert run.returncode == 2
    assert "cell.jpg: this file may not be read; check its permissions" in run.stderr
    run = cli("index", pictures / "cell.jpg", library=tmp_path / "other", options=rights)
    assert run.returncode == 1
    assert "cell.jpg: may not be read by this user" in run.stderr
    (pictures / "cell.jpg").chmod(0o644)
    check(library, 4)


def test_a_library_that_may_not_be_written(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    rights = without_rights()
    (tmp_path / "closed").mkdir(mode=0o555)
    run = cli("index", pictures, library=tmp_path / "closed" / "library", options=rights)
    assert run.returncode == 1
    assert "give this user the permission, or name another --library" in run.stderr
    library = tmp_path / "library"
    with findalike.open(library) as opened:
        opened.add(pictures / "coffee.jpg")
    folders = [library, *(path for path in library.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    run = cli("index", pictures, library=library, options=rights)
    assert (run.returncode, run.stdout) == (1, "")
    assert str(library) in run.stderr
    assert "Traceback" not in run.stderr
    run = cli("search", pictures / "cell.jpg", library=library, options=rights)
    assert (run.returncode, len(run.stdout.splitlines())) == (0, 1)
    for folder in folders:
        folder.chmod(0o755)
    check(library, 1)


def test_a_library_path_that_is_a_file(cli: Cli, pictures: Path) -> None:
    for command, code in ((["index", pictures], 1), (["info"], 4)):
        run = cli(*command, library=pictures / "coffee.jpg")
        assert (run.returncode, run.stdout) == (code, "")
        assert "coffee.jpg is a file, but a library is a folder; name another path" in run.stderr


def test_a_library_path_that_is_a_folder_of_something_else(cli: Cli, pictures: Path) -> None:
    before = sorted(pictures.rglob("*"))
    run = cli("index", pictures, library=pictures)
    assert (run.returncode, run.stdout) == (1, "")
    assert str(pictures) in run.stderr
    assert sorted(pictures.rglob("*")) == before


def test_a_damaged_library(cli: Cli, filled: Path, album: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    shutil.copytree(filled, library)
    (library / "findalike.json").write_text("{")
    run = cli("search", album / "coffee.jpg", library=library)
    assert run.returncode == 1
    assert f"to see what is wrong: findalike doctor --library {library}" in run.stderr
    run = cli("doctor", "--repair", library=library)
    assert (run.returncode, run.stdout) == (1, "")
    assert "is damaged and cannot be mended (Expecting property name" in run.stderr
    shutil.copy(filled / "findalike.json", library)
    for data in (library / "assets.lance" / "data").iterdir():
        data.write_bytes(b"garbage")
    run = cli("doctor", library=library)
    assert run.returncode == 1
    assert "make another with findalike index FOLDER --library NEW" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_library_of_another_encoder(cli: Cli, filled: Path, album: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    shutil.copytree(filled, library)
    manifest = json.loads((library / "findalike.json").read_text())

    def altered(**changes: object) -> None:
        content = manifest | {"cards": [manifest["cards"][0] | changes]}
        (library / "findalike.json").write_text(json.dumps(content))

    altered(sha256="0" * 64)
    run = cli("search", album / "coffee.jpg", library=library)
    assert (run.returncode, run.stdout) == (4, "")
    assert (
        "was made with another efficientnet-lite0@1-int8: sha256 differ; install the findalike" in run.stderr
    )
    altered(revision="0")
    run = cli("index", album, library=library)
    assert run.returncode == 4
    assert "was made with efficientnet-lite0@0-int8, which is not installed here" in run.stderr
    (library / "findalike.json").write_text(json.dumps(manifest | {"format": 99}))
    run = cli("info", library=library)
    assert run.returncode == 4
    assert "pip install --upgrade findalike" in run.stderr
    (library / "findalike.json").write_text(json.dumps(manifest))
    check(library, 10)


# Files that are not what they should be


def bomb() -> bytes:
    """A PNG of a few hundred bytes that claims 60,000 × 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_files_that_are_no_pictures(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    whole = (pictures / "coffee.jpg").read_bytes()
    (pictures / "text.jpg").write_text("words")
    (pictures / "zero.png").write_bytes(b"")
    (pictures / "bomb.png").write_bytes(bomb())
    cuts = [len(whole) * tenth // 10 for tenth in range(1, 10)]
    for cut in cuts:
        (pictures / f"cut{cut}.jpg").write_bytes(whole[:cut])
    run = cli("index", pictures, library=tmp_path / "library")
    assert run.returncode == 3
    assert run.stdout.startswith("4 added, 12 failed in "), run.stdout
    said = dict(line.strip().partition(": ")[::2] for line in run.stderr.splitlines() if line[0] == " ")
    assert "no picture" in said[f"{pictures}/text.jpg"]
    assert said[f"{pictures}/zero.png"] == "is empty"
    assert "60,000 × 60,000 pixels" in said[f"{pictures}/bomb.png"]
    assert "FINDALIKE_PIXEL_BUDGET" in said[f"{pictures}/bomb.png"]
    for cut in cuts:
        assert "cut" in said[f"{pictures}/cut{cut}.jpg"] or "damaged" in said[f"{pictures}/cut{cut}.jpg"]
    assert "Traceback" not in run.stderr
    check(tmp_path / "library", 4)


def test_queries_that_are_no_pictures(cli: Cli, filled: Path, album: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("words")
    (tmp_path / "bomb.png").write_bytes(bomb())
    for query, sentence in [
        (tmp_path / "text.jpg", "text.jpg: is no picture of a format that is read here"),
        (tmp_path / "bomb.png", "60,000 × 60,000 pixels, and the limit is 200,000,000"),
        (tmp_path / "absent.jpg", "absent.jpg: there is no such file"),
        ("😀", "holds no word to look for"),
        ("https://example.org/x.jpg", "nothing is fetched from the network; save the picture"),
    ]:
        run = cli("search", query, library=filled)
        assert (run.returncode, run.stdout) == (2, ""), query
        assert sentence in run.stderr
        assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--where", "colour ="], "expected a value after '='\n  colour =\n          ^"),
        (["--where", "colour = 'red'"], "no column is named 'colour'. Columns: width, height"),
        (["-k", "0"], "k is 0, but it must be a whole number from 1 to 10,000"),
        (["--region", "0.5,0,0.5,1"], "is empty: left must be less than right"),
    ],
    ids=lambda value: "".join(value) if isinstance(value, list) else "",
)
def test_options_that_cannot_be_used(
    cli: Cli, filled: Path, album: Path, options: list[str], sentence: str
) -> None:
    run = cli("search", album / "coffee.jpg", *options, library=filled)
    assert (run.returncode, run.stdout) == (2, "")
    assert sentence in run.stderr


def test_names_of_all_kinds(cli: Cli, photo: Photo, tmp_path: Path) -> None:
    folder, library = os.fsencode(tmp_path / "names"), tmp_path / "library"
    os.mkdir(folder)  # noqa: PTH102
    file = io.BytesIO()
    photo("coffee").save(file, "JPEG")
    names = [
        b"two\nlines.jpg", b"\"double\" and 'single'.jpg", "\N{CAT FACE}e\u0301.jpg".encode(),
        b"invalid \xff\xfe.jpg", b"x" * 246 + b".jpg", b"-rf.jpg", b"id:0123.jpg", b"0.5:half.jpg",
        b"\x1b[31mred.jpg", b" space .jpg", b"percent%41_$HOME.jpg", b"colon!.jpg",
    ]  # fmt: skip
    for i, name in enumerate(names):
        with open(os.path.join(folder, name), "wb") as out:  # noqa: PTH118, PTH123
            out.write(file.getvalue() + bytes([i]))
    run = cli("index", tmp_path / "names", library=library)
    assert (run.returncode, run.stdout.startswith(f"{len(names)} added")) == (0, True), run.stderr
    check(library, len(names))
    run = cli("search", "--where", "size > 0", "-0", library=library)
    paths = os.fsencode(run.stdout).split(b"\0")
    assert sorted(paths[:-1]) == sorted(os.path.join(folder, name) for name in names)  # noqa: PTH118
    for name in names:
        path = os.fsdecode(os.path.join(folder, name))  # noqa: PTH118
        with findalike.open(library, "r") as opened:
            best = opened.search(path, include_self=True, k=len(names))
            assert path in {os.fsdecode(findalike.uri.to_path(hit.asset.uri)) for hit in best}
            assert len(opened.search(path, k=len(names))) == len(names) - 1
    run = cli("search", tmp_path / "names" / "-rf.jpg", library=library)
    assert "\x1b" not in run.stdout
    assert len(run.stdout.splitlines()) == len(names) - 1
    records = json.loads(cli("search", "--where", "size > 0", "--json", library=library).stdout)
    assert len(records) == len(names)
    shutil.move(tmp_path / "names", tmp_path / "renamed")
    run = cli("index", tmp_path / "renamed", library=library)
    assert run.stdout.startswith(f"{len(names)} moved"), run.stdout


def test_links_in_a_circle_and_pipes(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    (pictures / "circle").symlink_to(pictures)
    (pictures / "self").symlink_to("self")
    (pictures / "dangling.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(pictures / "pipe.jpg")
    run = cli("index", pictures, library=tmp_path / "library")
    assert (run.returncode, run.stdout.startswith("4 added in")) == (0, True), run.stdout + run.stderr
    for name in ("pipe.jpg", "self", "dangling.jpg"):
        run = cli("index", pictures / name, library=tmp_path / "library")
        assert run.returncode in (1, 2)
        assert run.stderr.startswith("findalike: ")
        assert name in run.stderr
        assert "Traceback" not in run.stderr
    run = cli("search", pictures / "pipe.jpg", library=tmp_path / "library")
    assert run.returncode == 2
    check(tmp_path / "library", 4)


# Bad luck


def limited(size: int) -> dict[str, Any]:
    """As on a full drive: no file may grow beyond this size."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return {"preexec_fn": limit}


@pytest.mark.parametrize("size", [100, 2_000, 4_500])
def test_a_full_disk(cli: Cli, pictures: Path, tmp_path: Path, filled: Path, size: int) -> None:
    library = tmp_path / "library"
    with findalike.open(library) as opened:
        opened.add(pictures / "coffee.jpg")
    run = cli("index", pictures, library=library, options=limited(size), FINDALIKE_BATCH_ROWS="2")
    assert run.returncode == 1, run.stdout
    assert "the drive is full: free some space and run the command again" in run.stderr
    assert "Traceback" not in run.stderr
    with findalike.open(library) as opened:
        held = len(opened)
        assert held >= 1
        assert opened.search(pictures / "coffee.jpg", include_self=True)[0].band == "same picture"
    run = cli("index", pictures, library=library)
    assert run.returncode == 0
    assert "holds 4 pictures" in run.stdout
    check(library, 4)


HOLDER = """
import sys, findalike
def watch(tick):
    print(tick.phase, tick.done, flush=True)
    sys.stdin.readline()
with findalike.open(sys.argv[1], batch_rows=1, threads=1) as library:
    library.add(sys.argv[2], watch=watch)
"""


def test_two_indexers_and_a_search_meanwhile(cli: Cli, album: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    with child(HOLDER, library, album) as first:
        assert first.stdin
        assert first.stdout
        assert first.stdout.readline() == "encoding 8\n"
        run = cli("index", album, library=library)
        assert (run.returncode, run.stdout) == (1, "")
        assert f"is being written by process {first.pid} on " in run.stderr
        assert "; wait until it is done, or add --wait" in run.stderr

        run = cli("search", album / "coffee.jpg", "--include-self", library=library)
        assert run.returncode == 0
        assert len(run.stdout.splitlines()) == 8

        command = [str(Path(sys.executable).with_name("findalike")), "index", str(album), "--wait"]
        with subprocess.Popen([*command, "--library", str(library)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as second:  # fmt: skip
            assert second.stderr
            assert second.stdout
            waiting = second.stderr.readline()
            assert waiting.startswith("Waiting: ")
            assert f"process {first.pid} " in waiting
            first.stdin.write("\n" * 9)
            first.stdin.close()
            assert first.wait(30) == 0
            assert second.stdout.read().startswith("10 unchanged in ")
            assert second.wait(30) == 0
    check(library, 10)


def test_a_writer_that_was_killed_leaves_no_lock(cli: Cli, album: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    with child(HOLDER, library, album) as first:
        assert first.stdout
        assert first.stdout.readline() == "encoding 8\n"
        first.kill()
    run = cli("index", album, library=library)
    assert (run.returncode, run.stdout.startswith("2 added, 8 unchanged in ")) == (0, True), run.stdout
    check(library, 10)


RUNNER = """
import sys, findalike


library = findalike.open(sys.argv[1], batch_rows=2, threads=2)
library.search(sys.argv[3]) if len(library) else library.add(sys.argv[3])  # the encoder is loaded
print("ready", flush=True)
library.add(sys.argv[2])
print("done", flush=True)
"""


@pytest.mark.slow
def test_kill_9_at_moments_of_a_run(photo: Photo, tmp_path: Path) -> None:
    """Each round something is added, changed and moved; then the indexer is killed, each time in another
    eighth of the time that a run takes."""
    folder, library = tmp_path / "pictures", tmp_path / "library"
    folder.mkdir()
    chance = random.Random(20)
    first = folder / "first.jpg"
    photo("coffee").save(first)
    with findalike.open(library) as opened:
        opened.add(first)
    names = ("cell", "chelsea", "coins", "moon", "text")
    before: dict[str, str] = {}
    killed, longest = 0, 0.4
    eighths = chance.sample(range(8), 8)
    for turn, eighth in enumerate(eighths):
        for name in names:
            photo(name, (90 + turn, 70)).save(folder / f"{turn:02}-{name}.jpg")
        photo("grass", (100 + turn, 60)).save(folder / "changing.png")
        wanderers = list(folder.rglob("wanderer*.jpg"))
        (folder / f"sub{turn}").mkdir()
        if wanderers:
            wanderers[0].rename(folder / f"sub{turn}" / f"wanderer{turn}.jpg")
        else:
            photo("page").save(folder / "wanderer.jpg")
        with child(RUNNER, library, folder, first) as run:
            assert run.stdout
            assert run.stderr
            assert run.stdout.readline() == "ready\n", run.stderr.read()
            started = time.monotonic()
            time.sleep(longest * (eighth + chance.random()) / 8)
            run.kill()
            finished = run.stdout.read() == "done\n"
            killed += not finished
            longest = min(longest, time.monotonic() - started) if finished else longest
        with findalike.open(library, "r") as opened:
            now = {asset.id: asset.uri for asset in opened.store.assets()}
            assert len(set(now.values())) == len(now)
            assert before.keys() <= now.keys()
            assert opened.search(first, include_self=True)[0].asset.uri == str(first)
            before = now
    assert killed >= 3, "the runs ended too soon to be killed"
    with findalike.open(library) as opened:
        report = opened.add(folder)
        assert not report.failures
        assert report.removed == 0
        now = {asset.id: asset.uri for asset in opened.store.assets()}
        assert before.keys() <= now.keys()
        assert opened.add(folder).unchanged == len(now)
    files = [str(path) for path in folder.rglob("*") if path.is_file()]
    assert sorted(now.values()) == sorted(files)
    check(library, len(files))


def test_damaged_pictures_of_many_kinds_never_end_a_run(photo: Photo, tmp_path: Path) -> None:
    """Bytes of real pictures are changed at random; the batch finishes in bounded memory."""
    folder = tmp_path / "mutants"
    folder.mkdir()
    chance = random.Random(7)
    for form in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"):
        file = io.BytesIO()
        photo("coffee", (64, 48)).save(file, form)
        for i in range(12):
            data = bytearray(file.getvalue())
            for _ in range(chance.choice((1, 5, 40))):
                data[chance.randrange(len(data))] = chance.randrange(256)
            (folder / f"{i}.{form.lower()}").write_bytes(data)
    script = (
        "import sys, resource, findalike\n"
        "library = findalike.open(':memory:')\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 3 * 2**30,) * 2)\n"
        "report = library.add(sys.argv[1])\n"
        "print(report.added + report.skipped + len(report.failures))"
    )
    if not Path("/proc/self/statm").exists():
        pytest.skip("memory is bounded here by what /proc says")
    run = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "72\n"
    assert "Traceback" not in run.stderr


def test_a_sheet_is_never_written_over_a_picture(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    library, query = tmp_path / "library", tmp_path / "query.jpg"
    cli("index", pictures, library=library)
    shutil.copy(pictures / "coffee.jpg", query)
    for target in (query, pictures / "coins.jpg"):
        before = target.read_bytes()
        run = cli("search", query, "--sheet", target, library=library)
        assert run.returncode == 2
        assert f"{target} is one of the pictures; name another file" in run.stderr
        assert target.read_bytes() == before


def test_a_table_given_as_a_picture(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path\na.jpg\n")
    run = cli("index", tmp_path / "list.csv", library=tmp_path / "library")
    assert run.returncode == 2
    assert f"write --table {tmp_path}/list.csv" in run.stderr


def test_removing_without_being_asked_needs_a_yes(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    cli("index", pictures, library=tmp_path / "library")
    run = cli("remove", pictures, library=tmp_path / "library")
    assert run.returncode == 2
    assert "add --yes" in run.stderr
    check(tmp_path / "library", 4)
