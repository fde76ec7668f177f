"""The installed program: every command and option, what goes where, and the exit codes."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

import findalike
from conftest import PROGRAM, Cli
from findalike.cli.main import COMMANDS

SPACE = "efficientnet-lite0@1-int8"


def on_terminal(
    *args: object, stop_at: bytes = b"", seconds: float = 60, **environment: str
) -> tuple[int, str]:
    """Run the program on a terminal of 100 columns; at the first sight of `stop_at` press ctrl-C."""
    master, slave = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"} | environment
    child = subprocess.Popen(
        [str(PROGRAM), *map(str, args)], stdin=slave, stdout=slave, stderr=slave, env=env,
        start_new_session=True, preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
    )  # fmt: skip
    os.close(slave)
    seen, until = b"", time.monotonic() + seconds
    while time.monotonic() < until:
        if select.select([master], [], [], 0.1)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            seen += data
            if stop_at and stop_at in seen:
                os.write(master, b"\x03")
                stop_at = b""
    code = child.wait(10)
    os.close(master)
    return code, seen.decode("utf-8", "replace")


# Help, names, completion


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_of_every_command(cli: Cli, command: str) -> None:
    run = cli(*([command] if command else []), "--help")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith(f"Usage: findalike {command}".rstrip())
    if command in ("", "index", "search", "remove", "completion"):
        assert "Examples:" in run.stdout
    if not command:
        assert all(name in run.stdout for name in COMMANDS)
        assert "130 interrupted" in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 110


def test_version(cli: Cli) -> None:
    assert cli("--version").stdout == f"findalike {findalike.__version__}\n"


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["serch"], "No such command 'serch'. See findalike --help."),
        (["search"], "nothing to search for: name a picture, or give --where"),
        (["index"], "nothing to index: give the path of a folder"),
        (["remove"], "nothing to remove: give a path"),
        (["search", "--json", "--paths", "x.jpg"], "give one of --json, --jsonl and --paths"),
        (["search", "x.jpg", "-k", "many"], "'many' is not a valid integer"),
        (["index", "--workers", "0", "."], "0 is not in the range x>=1"),
        (["index", "--frob", "."], "No such option"),
        (["completion", "tcsh"], "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage(cli: Cli, args: list[str], sentence: str) -> None:
    run = cli(*args)
    assert (run.returncode, run.stdout) == (2, "")
    assert sentence in run.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(cli: Cli, shell: str) -> None:
    run = cli("completion", shell)
    assert run.returncode == 0
    assert "_FINDALIKE_COMPLETE" in run.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=run.stdout, text=True, check=True)
    asked = {"_FINDALIKE_COMPLETE": f"{shell}_complete", "COMP_WORDS": "findalike op", "COMP_CWORD": "1"}
    if shell == "fish":
        asked["COMP_CWORD"] = "op"
    assert "optimize" in cli(**asked).stdout


# A library from its making to its end


def test_index(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    (pictures / "notes.txt").write_text("no picture")
    run = cli("index", pictures, library=library)
    assert (run.returncode, run.stderr) == (0, "")
    first, second = run.stdout.splitlines()
    assert re.fullmatch(r"4 added \(1 other file passed over\) in \d+\.\d s, [\d,]+ pictures/s", first), first
    assert second == f"{library} holds 4 pictures."

    (pictures / "coffee.jpg").write_bytes(b"\xff\xd8\xff broken")
    (pictures / "cell.jpg").rename(pictures / "moved.jpg")
    (pictures / "coins.jpg").unlink()
    run = cli("index", pictures, "--workers", "1", "--no-optimize", library=library)
    assert run.returncode == 3
    assert re.match(r"1 moved, 1 removed, 1 unchanged, 1 failed \(1 other file passed over\) in ", run.stdout)
    assert f"  {pictures}/coffee.jpg: is damaged" in run.stderr
    assert "or with --retry" in run.stderr

    run = cli("index", pictures, "--json", library=library)
    assert run.returncode == 3
    report = json.loads(run.stdout)
    assert {name: report[name] for name in ("added", "unchanged", "skipped")} == {
        "added": 0, "unchanged": 2, "skipped": 1
    }  # fmt: skip
    assert report["failures"][0]["uri"] == str(pictures / "coffee.jpg")

    run = cli("info", "--failures", library=library)
    assert run.stdout.split("\t")[:2] == [str(pictures / "coffee.jpg"), "decode"]
    assert json.loads(cli("info", "--json", library=library).stdout)["pictures"] == 3


def test_index_options(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    (pictures / ".hidden").mkdir()
    shutil.copy(pictures / "coffee.jpg", pictures / ".hidden" / "one.jpg")
    shutil.make_archive(str(pictures / "packed"), "zip", pictures, "cell.jpg")
    with (pictures / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["photo", "year"], ["coins.jpg", 1999]])
    run = cli("index", pictures, "--include", "c*.jpg", "--exclude", "co*", library=library)
    assert run.stdout.startswith("2 added in"), run.stdout
    run = cli("index", "--table", pictures / "table.csv", "--path-column", "photo", library=library)
    assert run.stdout.startswith("1 added in"), run.stdout
    run = cli("index", pictures, "--hidden", "--archives", "--encoder", "efficientnet-lite0",
              "--precision", "float32", library=library)  # fmt: skip
    assert run.stdout.startswith("3 added, 3 newly encoded (1 other file passed over) in"), run.stdout
    shown = cli("info", library=library)
    assert f"space     {SPACE}: 6 rows, exact index" in shown.stdout
    assert "space     efficientnet-lite0@1-float32: 6 rows, exact index" in shown.stdout
    assert "year (integer)" in shown.stdout
    run = cli("search", "--where", "year = 1999", "--paths", library=library)
    assert run.stdout == f"{pictures}/coins.jpg\n"


def test_index_asks_before_it_sweeps_a_missing_drive(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    assert cli("index", pictures, library=library).returncode == 0
    shutil.rmtree(pictures)
    run = cli("index", pictures, library=library)
    assert (run.returncode, run.stdout) == (1, "")
    assert "Is a drive not connected? Nothing was changed." in run.stderr
    assert "--sweep" in run.stderr
    run = cli("index", pictures, "--sweep", library=library)
    assert (run.returncode, run.stdout.startswith("4 removed in")) == (0, True)


def test_remove_optimize_and_doctor(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    with findalike.open(library) as opened:
        opened.add(pictures)
    run = cli("remove", pictures / "coffee.jpg", "--dry-run", library=library)
    assert (run.returncode, run.stdout) == (0, "")
    assert run.stderr == f"  {pictures}/coffee.jpg\n1 picture would be forgotten.\n"
    run = cli("remove", pictures / "coffee.jpg", "--yes", library=library)
    assert (run.returncode, run.stdout) == (0, "Forgot 1 picture. No file was touched.\n")
    assert (pictures / "coffee.jpg").exists()
    (pictures / "coins.jpg").unlink()
    run = cli("doctor", library=library)
    assert run.returncode == 1
    assert run.stdout.startswith("missing files: 1 files are gone")
    problems = json.loads(cli("doctor", "--json", library=library).stdout)
    assert problems["problems"][0]["kind"] == "missing files"
    assert cli("remove", "--missing", library=library).returncode == 2  # nobody is there to ask
    assert cli("remove", "--missing", "-y", library=library).returncode == 0
    run = cli("remove", "--missing", library=library)
    assert (run.returncode, run.stderr) == (0, "Nothing to remove.\n")
    run = cli("doctor", "--repair", library=library)
    assert (run.returncode, run.stdout) == (0, "All is well.\n")
    run = cli("optimize", library=library)
    assert (run.returncode, run.stdout) == (0, f"{SPACE}: 2 rows, exact index\n")


def test_encoders(cli: Cli) -> None:
    run = cli("encoders")
    assert [line.split()[:2] for line in run.stdout.splitlines()] == [
        ["efficientnet-lite0", "int8"], ["efficientnet-lite0", "float32"],
        ["efficientnet-lite2", "int8"], ["efficientnet-lite2", "float32"],
    ]  # fmt: skip
    cards = json.loads(cli("encoders", "--json").stdout)
    assert {card["licence"] for card in cards} == {"Apache-2.0"}


# Search


def test_search_forms(cli: Cli, filled: Path, album: Path) -> None:
    query = album / "chelsea.jpg"
    plain = cli("search", query, "-k", "3", library=filled)
    assert (plain.returncode, plain.stderr.startswith("Nothing similar here")) == (0, True)
    rows = [line.split("\t") for line in plain.stdout.splitlines()]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    as_json = json.loads(cli("search", query, "-k", "3", "--json", library=filled).stdout)
    assert [record["path"] for record in as_json] == [row[3] for row in rows]
    assert list(as_json[0]) == [
        "rank", "path", "asset", "score", "band", "similarity", "space", "part", "box", "time", "reasons",
        "metadata",
    ]  # fmt: skip
    lines = cli("search", query, "-k", "3", "--jsonl", library=filled).stdout.splitlines()
    assert [json.loads(line) for line in lines] == as_json
    paths = cli("search", query, "-k", "3", "--paths", library=filled).stdout
    assert paths.splitlines() == [row[3] for row in rows]
    assert cli("search", query, "-k", "3", "-0", library=filled).stdout == paths.replace("\n", "\0")


def test_search_options(cli: Cli, filled: Path, album: Path, tmp_path: Path) -> None:
    query = album / "chelsea.jpg"
    run = cli("search", query, "--include-self", "--min-score", "0.95", "--exit-code", library=filled)
    assert (run.returncode, run.stderr) == (0, "")
    (row,) = [line.split("\t") for line in run.stdout.splitlines()]
    assert row[2:] == ["same picture", str(query)]
    run = cli("search", query, "--min-score", "0.95", "--exit-code", library=filled)
    assert (run.returncode, run.stdout) == (5, "")
    assert run.stderr == "Nothing similar here with a score of 0.95 or more.\n"
    run = cli("search", f"2:{query}", album / "moon.jpg", "--minus", f"0.5:{album}/grass.jpg",
              "--where", "name like 'c%'", "--encoder", "efficientnet-lite0", "--json",
              library=filled)  # fmt: skip
    records = json.loads(run.stdout)
    assert {Path(record["path"]).stem for record in records} == {"cell", "coffee", "coins"}
    assert [reason["weight"] for reason in records[0]["reasons"]] == [2, 1, -0.5]
    asset = records[0]["asset"]
    run = cli("search", f"id:{asset}", "--include-self", "-k", "1", "--jsonl", library=filled)
    assert json.loads(run.stdout)["asset"] == asset
    for region in ("0%,0%,50%,100%", "0,0,96,144"):
        run = cli("search", query, "--region", region, "--include-self", "-k", "1", library=filled)
        assert run.stdout.endswith("chelsea.jpg\n"), run.stderr


def test_search_writes_sheets_and_pages(cli: Cli, filled: Path, album: Path, tmp_path: Path) -> None:
    run = cli("search", album / "chelsea.jpg", "--sheet", "out.png", "--html", "out.html",
              library=filled, cwd=tmp_path)  # fmt: skip
    assert (run.returncode, run.stdout) == (0, "")
    assert run.stderr.startswith("Wrote out.png\nWrote out.html\n")
    with Image.open(tmp_path / "out.png") as sheet:
        assert min(sheet.size) > 100
    assert (tmp_path / "out.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    run = cli("search", album / "chelsea.jpg", "--sheet", "out.txt", library=filled, cwd=tmp_path)
    assert run.returncode == 2
    assert "out.txt: a contact sheet ends in .png" in run.stderr


def test_a_reader_that_leaves_early_is_no_error(filled: Path, album: Path) -> None:
    command = [str(PROGRAM), "search", str(album / "chelsea.jpg"), "--jsonl", "--library", str(filled)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout
        assert run.stderr
        run.stdout.close()
        assert b"Traceback" not in run.stderr.read()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_an_output_that_is_full_is_a_sentence(filled: Path, album: Path) -> None:
    with Path("/dev/full").open("w") as full:
        run = subprocess.run([str(PROGRAM), "info", "--library", str(filled)], stdout=full,
                             stderr=subprocess.PIPE, text=True, check=False)  # fmt: skip
    assert run.returncode == 1
    assert run.stderr.startswith("findalike: ")
    assert "Traceback" not in run.stderr


def test_the_library_is_the_variables_unless_it_is_named(cli: Cli, filled: Path, tmp_path: Path) -> None:
    assert cli("info", FINDALIKE_LIBRARY=str(filled)).stdout.splitlines()[1] == "pictures  10"
    run = cli("info", FINDALIKE_LIBRARY=str(tmp_path / "none"))
    assert run.returncode == 4
    assert f"to make one: findalike index PATH --library {tmp_path}/none" in run.stderr
    run = cli("info", library=filled, FINDALIKE_LIBRARY=str(tmp_path / "none"))
    assert run.returncode == 0


@pytest.mark.parametrize("command", [["doctor"], ["optimize"], ["remove", "x"]])
def test_only_index_makes_a_library(cli: Cli, tmp_path: Path, command: list[str]) -> None:
    run = cli(*command, library=tmp_path / "none")
    assert (run.returncode, run.stdout) == (4, "")
    assert "there is no library at" in run.stderr
    assert not (tmp_path / "none").exists()


def test_a_bad_setting_is_a_wrong_usage(cli: Cli, tmp_path: Path) -> None:
    run = cli("info", FINDALIKE_WORKERS="many")
    assert (run.returncode, run.stdout) == (2, "")
    assert "FINDALIKE_WORKERS" in run.stderr
    (tmp_path / "mine.toml").write_text("wrokers = 3")
    run = cli("info", FINDALIKE_CONFIG=str(tmp_path / "mine.toml"))
    assert run.returncode == 2
    assert "mine.toml: no setting is named 'wrokers'; did you mean workers?" in run.stderr


# On a terminal


def test_on_a_terminal_hits_are_a_table_with_links(filled: Path, album: Path) -> None:
    code, shown = on_terminal("search", album / "chelsea.jpg", "-k", "2", "--library", filled)
    assert code == 0
    assert "score" in shown
    assert "\x1b]8;" in shown  # a link
    assert f"file://{album}" in shown


def test_on_a_terminal_remove_asks(pictures: Path, tmp_path: Path) -> None:
    with findalike.open(tmp_path / "library") as library:
        library.add(pictures)
    code, shown = on_terminal(
        "remove", pictures, "--library", tmp_path / "library", stop_at=b"Forget 4 pictures?"
    )
    assert code == 130
    assert "Nothing was removed" in shown or "Interrupted" in shown
    with findalike.open(tmp_path / "library") as library:
        assert len(library) == 4


def test_ctrl_c_keeps_what_was_done(cli: Cli, album: Path, tmp_path: Path) -> None:
    folder, library = tmp_path / "many", tmp_path / "library"
    folder.mkdir()
    with Image.open(album / "coffee.jpg") as image:
        large = tmp_path / "large.jpg"
        image.resize((2400, 1800)).save(large, quality=90)
    for i in range(120):
        (folder / f"{i:03}.jpg").write_bytes(large.read_bytes() + i.to_bytes(2, "big"))
    code, shown = on_terminal("index", folder, "--library", library, "--workers", "1", stop_at=b" 8/120")
    assert code == 130, shown
    assert "Encoding" in shown
    assert "Interrupted. What was done is kept" in shown
    assert "Traceback" not in shown
    with findalike.open(library, "r") as opened:
        done = {asset.uri: asset.id for asset in opened.store.assets()}
        assert 8 <= len(done) < 120
        assert not opened.check()
    run = cli("index", folder, library=library)
    assert run.stdout.startswith(f"{120 - len(done)} added, {len(done)} unchanged in"), run.stdout
    with findalike.open(library, "r") as opened:
        now = {asset.uri: asset.id for asset in opened.store.assets()}
    assert len(now) == 120
    assert done.items() <= now.items()


def test_a_terminated_run_keeps_what_was_done_too(album: Path, tmp_path: Path) -> None:
    script = (
        "import sys, time; from findalike.cli import index, main\n"
        "tick = index._Bar.__call__\n"
        "def slow(bar, at): print(at.phase, flush=True); time.sleep(30)\n"
        "index._Bar.__call__ = slow; main.main()"
    )
    command = [sys.executable, "-c", script, "index", str(album), "--library", str(tmp_path / "library")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout
        assert run.stderr
        assert run.stdout.readline() == "encoding\n"
        run.send_signal(signal.SIGTERM)
        assert "Interrupted. What was done is kept" in run.stderr.read()
        assert run.wait(20) == 130
    with findalike.open(tmp_path / "library", "r") as opened:
        assert len(opened) > 0
