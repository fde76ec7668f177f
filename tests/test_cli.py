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
from conftest import PROGRAM, Cli, Photo
from findalike.cli.main import COMMANDS

SPACE = "efficientnet-lite0@1-int8"
SPACES = [SPACE, "colour@1-float32", "layout@1-float32"]


def _at_the_terminal() -> None:
    """What a shell does for its programs: the terminal is theirs, and ctrl-C is heard."""
    os.close(os.open(os.ttyname(0), os.O_RDWR))
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def on_terminal(
    *args: object, stop_at: bytes = b"", seconds: float = 60, **environment: str
) -> tuple[int, str]:
    """Run the program on a terminal of 100 columns; at the first sight of `stop_at` press ctrl-C, and again
    after a while, as people do when nothing happens."""
    master, slave = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"} | environment
    child = subprocess.Popen(
        [str(PROGRAM), *map(str, args)], stdin=slave, stdout=slave, stderr=slave, env=env,
        start_new_session=True, preexec_fn=_at_the_terminal,
    )  # fmt: skip
    os.close(slave)
    seen, until, pressed = b"", time.monotonic() + seconds, 0.0
    while time.monotonic() < until:
        if select.select([master], [], [], 0.1)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            seen += data
        if (stop_at and stop_at in seen) or (pressed and time.monotonic() - pressed > 15):
            os.write(master, b"\x03")
            stop_at, pressed = b"", time.monotonic()
    code = child.wait(10)
    os.close(master)
    return code, seen.decode("utf-8", "replace")


# Help, names, completion


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_of_every_command(cli: Cli, command: str) -> None:
    run = cli(*([command] if command else []), "--help")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith(f"Usage: findalike {command}".rstrip())
    if command in ("", "index", "search", "tags", "facets", "words", "tag", "remove", "completion"):
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
        (["search"], "nothing to search for: name a picture, say it in words, or give --where"),
        (["search", "--diverse", "x.jpg"], "'x.jpg' is no number; write --diverse after the terms, or"),
        (["tags"], "Missing argument 'PICTURE'"),
        (["words"], "Missing argument 'TERM'"),
        (["tag"], "give one of --vocabulary FILE, --remove NAME and --list"),
        (["tag", "--list", "--remove", "x"], "give one of --vocabulary FILE, --remove NAME and --list"),
        (["facets", "-n", "0"], "0 is not in the range x>=1"),
        (["index", "--regions", "faces", "."], "no way to find regions is named 'faces'"),
        (["index"], "nothing to index: give the path of a folder"),
        (["remove"], "nothing to remove: give a path"),
        (["search", "--json", "--paths", "x.jpg"], "give one of --json, --jsonl and --paths"),
        (["search", "x.jpg", "-k", "many"], "'many' is not a valid integer"),
        (["index", "--threads", "0", "."], "0 is not in the range x>=1"),
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
    run = cli("index", pictures, "--threads", "1", "--no-optimize", library=library)
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
    assert (run.returncode, run.stdout) == (0, "".join(f"{space}: 2 rows, exact index\n" for space in SPACES))


def test_encoders(cli: Cli) -> None:
    run = cli("encoders")
    lines = run.stdout.splitlines()
    named = [tuple(line.split()[:2]) for line in lines]
    nets = ["efficientnet-lite0", "efficientnet-lite2"]
    assert [line for line in named if line[0] in nets] == [(n, p) for n in nets for p in ("int8", "float32")]
    assert {("colour", "float32"), ("layout", "float32")} < set(named)
    reading = {line.split()[0] for line in lines if " words " in line}
    assert reading == {"efficientnet-lite0", "clip:FOLDER", "file:NAME.onnx,"}
    assert {"clip:FOLDER", "onnx:FILE,"} < {name for name, _ in named}
    assert any(line.endswith("Any network for pictures that was exported to ONNX") for line in lines)
    cards = json.loads(cli("encoders", "--json").stdout)
    assert all(card["licence"] for card in cards)
    assert {card["name"] for card in cards if card["words"]} == {"efficientnet-lite0"}


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
        "rank", "path", "asset", "score", "band", "similarity", "space", "part", "box", "label", "time",
        "end", "moments", "query_span", "frame", "reasons", "tags", "metadata",
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


def names(stdout: str) -> list[str]:
    return [Path(line).stem for line in stdout.splitlines()]


def test_search_by_words(cli: Cli, filled: Path, album: Path) -> None:
    run = cli("search", "a cat", "-k", "1", library=filled)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.endswith("chelsea.jpg\n")
    assert run.stdout.split("\t")[2] in ("match", "good match", "strong match", "sure match")
    run = cli(
        "search", "a cup of coffee", "0.5:cat", "--minus", "text:cup", "-k", "10", "--jsonl", library=filled
    )
    best = json.loads(run.stdout.splitlines()[0])
    told = {(reason["term"], reason["weight"]) for reason in best["reasons"]}
    assert {("a cup of coffee", 1), ("cat", 0.5), ("cup", -1)} >= told
    run = cli(
        "search", album / "moon.jpg", "a cat", "--region", "0,0,0.5,0.5", "-k", "1", "--paths", library=filled
    )
    assert run.returncode == 0
    assert run.stderr.startswith("Note: the part is compared with whole pictures; findalike index FOLDER")
    run = cli("search", "cat", "--where", "tag = 'cat'", "--paths", library=filled)
    assert "chelsea" in names(run.stdout)
    run = cli("search", album / "chelsea.jpg", "--focus", "cat", "--include-self", "-k", "1", library=filled)
    assert run.stdout.endswith("chelsea.jpg\n"), run.stderr
    run = cli("search", "cat", "--encoder", "efficientnet-lite0", "-e", SPACE, "-k", "1", library=filled)
    assert run.stdout.endswith("chelsea.jpg\n"), run.stderr


def test_diverse_hits_are_others_and_begin_with_the_best(cli: Cli, filled: Path) -> None:
    plain = cli("search", "cat", "-k", "9", "--paths", library=filled).stdout
    alone = cli("search", "cat", "-k", "9", "--paths", "--diverse", library=filled).stdout
    assert cli("search", "cat", "-k", "9", "--paths", "--diverse=0.3", library=filled).stdout == alone
    assert alone.splitlines()[0] == plain.splitlines()[0]


def test_pages_hang_together(cli: Cli, filled: Path) -> None:
    whole = cli("search", "an animal", "-k", "9", "--paths", library=filled)
    assert whole.stderr == ""
    first = cli("search", "an animal", "-k", "4", "--offset", "0", "--paths", library=filled)
    cursor = first.stderr.removeprefix("Next page: --cursor ").strip()
    second = cli("search", "an animal", "-k", "4", "--cursor", cursor, "--paths", library=filled)
    assert (first.stdout + second.stdout).splitlines() == whole.stdout.splitlines()[:8]
    third = cli("search", "an animal", "-k", "4", "--offset", "8", "--paths", library=filled)
    assert third.stderr.splitlines()[-1] == "This is the last page."
    run = cli("search", "another", "--cursor", cursor, library=filled)
    assert run.returncode == 2
    assert "the cursor belongs to another query" in run.stderr
    run = cli("search", "cat", "--offset", "500", library=filled)
    assert (run.returncode, run.stdout) == (0, "")
    assert run.stderr == "No more hits.\nThis is the last page.\n"


def test_a_query_as_json_goes_out_and_in(cli: Cli, filled: Path, album: Path, tmp_path: Path) -> None:
    asked = (album / "chelsea.jpg", "0.5:at night", "--minus", "text", "--where", "size > 0", "-k", "3",
             "--diverse=0.2", "--min-score", "0.01")  # fmt: skip
    shown = cli("search", *asked, "--show-query", library=filled)
    query = json.loads(shown.stdout)
    assert query["terms"][1] == {"text": "at night", "weight": 0.5}
    (tmp_path / "query.json").write_text(shown.stdout)
    expected = cli("search", *asked, "--json", library=filled).stdout
    assert cli("search", "--query", tmp_path / "query.json", "--json", library=filled).stdout == expected
    assert cli("search", "--query", "-", "--json", stdin=shown.stdout, library=filled).stdout == expected
    again = cli("search", "--query", "-", "--show-query", stdin=shown.stdout, library=filled)
    assert json.loads(again.stdout) == query
    one = cli(
        "search", "--query", "-", "-k", "1", "--offset", "1", "--json", stdin=shown.stdout, library=filled
    )
    assert json.loads(one.stdout)[0]["asset"] == json.loads(expected)[1]["asset"]
    options = ("--minus", "cat", "--where", "size > 1", "--encoder", "efficientnet-lite0", "--diverse")
    changed = cli(
        "search", "--query", "-", "dog", *options, "--show-query", stdin=shown.stdout, library=filled
    )
    assert json.loads(changed.stdout) == query | {
        "terms": [{"text": "dog", "weight": 1.0}, {"text": "cat", "weight": -1.0}],
        "where": "size > 1",
        "diverse": 0.3,
        "encoder": "efficientnet-lite0",
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "-: is no JSON"),
        ("[]", "query is a list, but it must be an object"),
        ("{}", "the query is empty"),
        ('{"terms": [{"txt": "dog"}]}', "there is no field 'txt'; did you mean 'text'?"),
        ('{"terms": [{"path": "/nowhere.jpg"}]}', "/nowhere.jpg: there is no such file"),
        ('{"terms": [{"text": "dog"}], "k": 0}', "k is 0, but it must be a whole number"),
        ("[" * 100000, "-: is no JSON"),
    ],
    ids=["no json", "a list", "empty", "a field", "no file", "a number", "deep"],
)
def test_queries_that_cannot_be_read(cli: Cli, filled: Path, content: str, said: str) -> None:
    run = cli("search", "--query", "-", stdin=content, library=filled)
    assert (run.returncode, run.stdout) == (2, "")
    assert said in run.stderr


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ([""], "expected some text, not ''"),
        (["  "], "expected some text, not '  '"),
        (["😀🐶"], "'😀🐶' holds no word to look for; write words, such as 'red car'"),
        (["a" * 100_000], "the text has 100,000 characters, but at most 5,000 are looked for"),
        (["photos/dog.jpg"], "Is it a picture or words? For words: 'text:photos/dog.jpg'"),
        (["0.5:dog.jpg"], "Is it a picture or words? For words: 'text:dog.jpg'"),
        (["PICTURE", "--region", "0,0,5000,10"], "reaches to 5000,10, but the picture has 192 × 144 pixels"),
        (["PICTURE", "--region", "0.5,0,0.5,1"], "is empty: left must be less than right"),
        (["PICTURE", "--region", "0.9,0,0.1,1"], "is empty: left must be less than right"),
        (["PICTURE", "--region=-1,0,1,1"], "has an edge outside the picture"),
        (["cat", "--region", "0,0,1,1"], "--region marks a part of one picture, but none is given"),
        (["PICTURE", "PICTURE", "--region", "0,0,1,1"], "but there are 2"),
        (["cat", "--focus", "cat"], "--focus marks a thing in one picture, but none is given"),
        (["PICTURE", "--focus", "retreiver"], "retriever"),
        (["PICTURE", "--focus", ""], "expected some text"),
        (["cat", "--diverse", "2"], "diverse is 2.0, but it must be from 0 to 1"),
        (["cat", "--offset", "-1"], "offset is -1, but it must be"),
        (["cat", "--offset", "9999"], "narrow the search with a filter"),
        (["cat", "--cursor", "x", "--offset", "1"], "give one of them"),
        (["cat", "--cursor", "DROP TABLE"], "is none that a search gave"),
        (["cat", "--where", "tag = 'cat'; drop table assets"], "';' means nothing here"),
        (["cat", "--where", "tag = 'x' or 1=1 --"], "means nothing here"),
        (["cat", "--where", "taag = 'cat'"], "did you mean 'tag'"),
        (["cat", "--encoder", "nope"], "no encoder is named 'nope'; there are: "),
        (["--query", "/nowhere.json"], "/nowhere.json: No such file or directory"),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, list) else "",
)
def test_what_cannot_be_searched_for(
    cli: Cli, filled: Path, album: Path, args: list[str], sentence: str
) -> None:
    picture = str(album / "chelsea.jpg")
    run = cli("search", *[picture if arg == "PICTURE" else arg for arg in args], library=filled)
    assert (run.returncode, run.stdout) == (2, ""), run.stderr
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr


def test_words_that_nothing_knows_are_said_and_end_well(cli: Cli, filled: Path) -> None:
    run = cli("search", "xqzzwvk", "--exit-code", library=filled)
    assert run.returncode == 5
    assert "Note: no picture or text knows 'xqzzwvk'" in run.stderr
    assert "No picture fits the words" in run.stderr
    run = cli("search", "xqzzwvk", "--json", library=filled)
    assert run.returncode == 0
    assert isinstance(json.loads(run.stdout), list)


# Tags, facets, words, vocabularies


def test_tags(cli: Cli, filled: Path, album: Path, tmp_path: Path) -> None:
    run = cli("tags", album / "chelsea.jpg", library=filled)
    assert run.returncode == 0
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    cat = next(row for row in rows if row[:3] == ["classes", "#", "cat"])
    assert cat[3].endswith("%")
    assert any(len(row) == 5 and row[4].startswith("a ") for row in rows)
    assert re.fullmatch(r'To find all of a kind: findalike search --where "tag = \'.+\'"\n', run.stderr)
    found = json.loads(cli("tags", album / "chelsea.jpg", "--json", library=filled).stdout)
    assert set(found[0]) == {"name", "weight", "bank", "tag"}
    assert [row[2] for row in rows if row[1]] == [tag["name"] for tag in found if tag["tag"]]
    assert list(dict.fromkeys(row[0] for row in rows)) == ["classes", "appearance"]
    weaker = [tag for tag in found if not tag["tag"] and tag["bank"] == "classes"]
    assert [row[2] for row in rows if row[:2] == ["classes", ""]] == [tag["name"] for tag in weaker[:5]]
    every = cli("tags", album / "chelsea.jpg", "--all", library=filled).stdout.splitlines()
    assert len(every) == len(found) >= len(rows)
    shutil.copy(album / "chelsea.jpg", tmp_path / "mine.jpg")
    run = cli("tags", tmp_path / "mine.jpg", FINDALIKE_LIBRARY=str(tmp_path / "none"))
    assert "classes\t#\tcat\t" in run.stdout
    assert not (tmp_path / "none").exists()
    assert cli("tags", tmp_path / "mine.jpg", library=tmp_path / "none").returncode == 4
    for wrong, said in (
        ("no.jpg", "there is no such file"),
        ("a dog", "is no picture"),
        ("id:0", "has the id '0'"),
    ):
        run = cli("tags", wrong, library=filled)
        assert (run.returncode, run.stdout) == (2, "")
        assert said in run.stderr


def test_facets(cli: Cli, filled: Path, album: Path, tmp_path: Path) -> None:
    run = cli("facets", library=filled)
    assert all(line.startswith("tag\t") for line in run.stdout.splitlines())
    assert run.stderr.startswith("Columns: ")
    run = cli("facets", "media", "width", "--where", "tag = 'cat'", "-n", "3", library=filled)
    assert run.stderr == ""
    assert {line.split("\t")[0] for line in run.stdout.splitlines()} == {"media", "width"}
    found = json.loads(cli("facets", "media", "--json", library=filled).stdout)
    assert found == {"media": [{"value": "image/jpeg", "count": 10}]}
    run = cli("facets", "medai", "media", library=filled)
    assert (run.returncode, run.stdout) == (2, "media\timage/jpeg\t10\n")
    assert "no column is named 'medai'; did you mean 'media'?" in run.stderr
    run = cli("facets", "--where", "tag = ", library=filled)
    assert (run.returncode, run.stdout) == (2, "")
    run = cli("facets", "tag", "--where", "size < 0", library=filled)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "No picture has a value of tag.\n")
    run = cli("facets", "--where", "tag = 'catt'", library=filled)
    assert (run.returncode, run.stdout) == (0, "")
    assert "Note: no picture has the tag 'catt'; spelled like it: cat" in run.stderr
    assert cli("facets", library=tmp_path / "none").returncode == 4


def test_a_reader_that_has_seen_enough_ends_no_command_badly(filled: Path) -> None:
    for args in (["facets", "media", "tag", "width"], ["words", "cat"]):
        run = subprocess.Popen([PROGRAM, *args, "--library", filled], stdout=subprocess.PIPE)
        assert run.stdout is not None
        run.stdout.close()
        assert run.wait(60) == 0


def test_words(cli: Cli, filled: Path) -> None:
    run = cli("words", "cat", library=filled)
    assert (run.returncode, run.stderr) == (0, "")
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    assert rows[0][:2] == ["named", "cat"]
    assert {"named", "broader", "near"} <= {row[0] for row in rows}
    found = json.loads(cli("words", "cat", "--json", library=filled).stdout)
    assert list(found[0]) == ["word", "relation", "pictures", "bank", "similarity"]
    run = cli("words", "espresssso", library=filled)
    assert run.returncode == 0
    assert "Nothing here knows all of 'espresssso'; spelled like it: espresso" in run.stderr
    run = cli("words", "xqzzwvk", library=filled)
    assert (run.returncode, run.stdout) == (0, "")
    assert "nothing is spelled like it. The words known here are English." in run.stderr
    for text in ("", "😀", "a" * 100_000):
        run = cli("words", text, library=filled)
        assert (run.returncode, run.stdout) == (2, ""), run.stderr


def test_tag_with_words_of_ones_own(cli: Cli, album: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    (tmp_path / "mine.txt").write_text("# pets\nkitten: cat\nhot drink: coffee, espresso\nblurbxq\n")
    run = cli("tag", "--vocabulary", tmp_path / "mine.txt", library=library)
    assert run.returncode == 4
    assert not library.exists()
    assert cli("index", album, library=library).returncode == 0
    run = cli("tag", "--list", library=library)
    assert (run.returncode, run.stdout) == (0, "")
    assert run.stderr.startswith("The library has no vocabulary.")
    run = cli("tag", "--vocabulary", tmp_path / "mine.txt", library=library)
    assert run.returncode == 3
    assert dict(line.split("\t") for line in run.stdout.splitlines()).keys() == {"kitten", "hot drink"}
    assert "Scored 10 pictures against 2 entries of mine. Pictures indexed later are not" in run.stderr
    assert "  left out: 'blurbxq' is not known here" in run.stderr
    run = cli("search", "--where", "tag = 'kitten'", "--paths", library=library)
    assert "chelsea" in names(run.stdout)
    run = cli("tag", "--list", library=library)
    assert run.stdout == "mine\t2 entries\n"
    (tmp_path / "two.txt").write_text("kitten: cat\n")
    run = cli("tag", "--vocabulary", tmp_path / "two.txt", "--name", "pets", "--json", library=library)
    assert run.returncode == 0
    assert json.loads(run.stdout)["name"] == "pets"
    run = cli("tag", "--remove", "mine", library=library)
    assert re.fullmatch(r"Forgot mine and its tags of \d+ pictures?\.\n", run.stdout)
    run = cli("search", "--where", "tag = 'kitten'", "--paths", library=library)
    assert "chelsea" in names(run.stdout)  # pets still says so
    for wrong, said in (
        (["--remove", "mine"], "the library has no vocabulary 'mine'; it has pets"),
        (["--remove", "classes"], "'classes' is a bank of findalike's own, and stays"),
        (["--vocabulary", tmp_path / "two.txt", "--name", "dates"], "'dates' is a bank of findalike's own"),
        (["--vocabulary", tmp_path / "none.txt"], "none.txt: No such file or directory"),
        (["--vocabulary", tmp_path / "two.txt", "--min-confidence", "0"], "must be from 0.15 to 1"),
    ):
        run = cli("tag", *wrong, library=library)
        assert (run.returncode, run.stdout) == (2, "")
        assert said in run.stderr


def test_index_makes_no_library_for_what_cannot_be(cli: Cli, album: Path, tmp_path: Path) -> None:
    for options, environment, said in (
        (["--encoder", "onnx:missing.onnx"], {}, "missing.onnx is not there"),
        (["--encoder", "frob"], {}, "no encoder is named 'frob'"),
        ([], {"FINDALIKE_ENCODER": "frob"}, "no encoder is named 'frob'"),
        (["--table", tmp_path / "none.csv"], {}, "none.csv"),
    ):
        run = cli("index", album, *options, library=tmp_path / "library", **environment)
        assert (run.returncode, run.stdout) == (2, ""), run.stderr
        assert said in run.stderr
        assert not (tmp_path / "library").exists()


def test_index_makes_a_library_of_a_table(cli: Cli, album: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(
        f"file,colour,shot\n{album}/moon.jpg,grey,2008-12-01\n{album}/coffee.jpg,brown,2008-08-12\n"
    )
    run = cli("index", "--table", tmp_path / "table.csv", library=tmp_path / "library")
    assert (run.returncode, run.stderr) == (0, "")
    run = cli("facets", "colour", library=tmp_path / "library")
    assert run.stdout == "colour\tbrown\t1\ncolour\tgrey\t1\n"
    run = cli("facets", "year", "shot", "month", library=tmp_path / "library")
    assert run.stdout == "year\t2008\t2\nshot\t2008\t2\nmonth\t2008-08\t1\nmonth\t2008-12\t1\n"


def test_index_regions(cli: Cli, tmp_path: Path, photo: Photo) -> None:
    (tmp_path / "pictures").mkdir()
    photo("coffee", (600, 400)).save(tmp_path / "pictures" / "coffee.jpg")
    run = cli("index", tmp_path / "pictures", "--regions", "grid", library=tmp_path / "library")
    assert (run.returncode, run.stderr) == (0, "")
    assert f"{SPACE}: 10 rows" in cli("info", library=tmp_path / "library").stdout


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
    run = cli("info", FINDALIKE_THREADS="many")
    assert (run.returncode, run.stdout) == (2, "")
    assert "FINDALIKE_THREADS" in run.stderr
    (tmp_path / "mine.toml").write_text("thraeds = 3")
    run = cli("info", FINDALIKE_CONFIG=str(tmp_path / "mine.toml"))
    assert run.returncode == 2
    assert "mine.toml: no setting is named 'thraeds'; did you mean threads?" in run.stderr


# On a terminal


def test_on_a_terminal_hits_are_a_table_with_links(filled: Path, album: Path) -> None:
    code, shown = on_terminal("search", album / "chelsea.jpg", "-k", "2", "--library", filled)
    assert code == 0
    assert "score" in shown
    assert "\x1b]8;" in shown  # a link
    assert f"file://{album}" in shown


def test_on_a_terminal_tags_facets_and_words_have_bars(filled: Path, album: Path) -> None:
    for args in (["tags", album / "chelsea.jpg"], ["facets"], ["words", "cat"]):
        code, shown = on_terminal(*args, "--library", filled)
        assert code == 0
        assert "█" in shown
        assert "\t" not in shown
        assert ("# marks the tags" in shown) == (args[0] == "tags")


def test_on_a_terminal_words_say_why(filled: Path) -> None:
    code, shown = on_terminal("search", "cat", "-k", "1", "--library", filled, COLUMNS="200")
    assert code == 0
    assert "concepts: cat" in shown


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
    code, shown = on_terminal("index", folder, "--library", library, "--threads", "1", stop_at=b" 8/120")
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
