"""Marks on hits: the last word holds, each can be taken back, and many may write at once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import findalike
from findalike import feedback, logbook
from findalike.errors import LibraryError, UsageError
from findalike.feedback import Feedback, Mark, Pair, pairs
from findalike.sidecars import FolderSidecars, MemorySidecars, Sidecars


@pytest.fixture(params=["folder", "memory"])
def sidecars(request: pytest.FixtureRequest, tmp_path: Path) -> Sidecars:
    return FolderSidecars(tmp_path) if request.param == "folder" else MemorySidecars()


def over(sidecars: Sidecars) -> Feedback:
    return Feedback(sidecars, lambda wait: nullcontext())


def test_marks_are_read_as_they_were_given(sidecars: Sidecars) -> None:
    begun = datetime(2026, 3, 1, 12, 30, 15, 250, tzinfo=UTC)
    given = [
        Mark("a", "b", "match", "lite0@float32", 1, begun),
        Mark("a", "c", "no match", "lite0@float32", 2, begun + timedelta(seconds=1)),
        Mark("a", "d", "click", at=begun + timedelta(seconds=2)),
    ]
    assert over(sidecars).add(given) == given
    assert over(sidecars).all() == feedback.marks(sidecars) == given
    lines = [
        json.loads(line) for name in sidecars.names() for line in (sidecars.read(name) or b"").splitlines()
    ]
    assert {line["verdict"]: (line["query"], line["hit"], line["space"], line["rank"]) for line in lines} == {
        "match": ("a", "b", "lite0@float32", 1),
        "no match": ("a", "c", "lite0@float32", 2),
        "click": ("a", "d", "", None),
    }
    assert {line["at"] for line in lines} == {mark.at.isoformat() for mark in given}


def test_the_last_word_holds_and_a_click_says_less_than_any(sidecars: Sidecars) -> None:
    kept = over(sidecars)
    yes, no, click = (Mark("a", "b", verdict) for verdict in ("match", "no match", "click"))
    other = Mark("b", "a", "match")
    for mark in (yes, no, click, other):
        kept.add([mark])
    assert kept.marks() == [no, other], "the other way round is another pair"
    assert kept.remove([no.id]) == 1
    assert kept.marks() == [yes, other], "what was said before holds again"
    assert kept.remove([yes.id, "unknown"]) == 1
    assert kept.marks() == [click, other]
    assert kept.forget("click") == 1
    assert kept.forget() == 1
    assert kept.all() == []
    assert sidecars.names() == []


def test_pairs_are_for_training() -> None:
    several = [Mark("a", "b", "match"), Mark("a", "c", "no match"), Mark("b", "d", "click")]
    assert pairs(several) == [Pair("a", "b", True, 1.0), Pair("a", "c", False, 1.0)]
    assert pairs(several, clicks=0.2)[2:] == [Pair("b", "d", True, 0.2)]


def test_files_stay_small_and_old_clicks_go(sidecars: Sidecars, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbook, "LINES", 4)
    monkeypatch.setattr(feedback, "MOST_SAID", 10)
    monkeypatch.setattr(feedback, "MOST_CLICKS", 10)
    kept = over(sidecars)
    said = [Mark("q", f"h{i}", "match") for i in range(10)]
    clicks = [Mark("q", f"c{i}", "click") for i in range(30)]
    kept.add(said[:7])
    kept.add(said[7:])
    for click in clicks:
        kept.add([click])
    with pytest.raises(UsageError, match="10 verdicts"):
        kept.add([Mark("q", "more", "match")])
    sizes = [len((sidecars.read(name) or b"").splitlines()) for name in sidecars.names()]
    assert max(sizes) <= 4
    left = [mark for mark in kept.all() if mark.verdict == "click"]
    assert left == clicks[-len(left) :]
    assert 6 <= len(left) <= 10
    assert [mark for mark in kept.marks() if mark.verdict == "match"] == said


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"verdict": "maybe"}, "verdict"),
        ({"query": ""}, "query"),
        ({"hit": "x" * 201}, "hit"),
        ({"hit": "a"}, "both the query and the hit"),
        ({"rank": 0}, "rank"),
        ({"space": "x" * 201}, "space"),
        ({"at": datetime(2026, 1, 1)}, "time zone"),
    ],
)
def test_what_says_nothing_is_refused(change: dict[str, object], told: str) -> None:
    sidecars = MemorySidecars()
    with pytest.raises(UsageError, match=told):
        over(sidecars).add([replace(Mark("a", "b", "match"), **change)])  # type: ignore[arg-type]
    assert sidecars.names() == []


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"\xff", b'{"at": "soon"}', b'{"at": "2026-01-01T00:00:00+00:00"}']
)
def test_a_spoilt_file_is_named_and_kept(tmp_path: Path, line: bytes) -> None:
    sidecars = FolderSidecars(tmp_path)
    kept = over(sidecars)
    kept.add([Mark("a", "b", "match")])
    (name,) = sidecars.names()
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + line + b"\n")
    spoilt = (tmp_path / name).read_bytes()
    for use in (kept.all, lambda: kept.add([Mark("a", "c", "match")]), lambda: feedback.marks(sidecars)):
        with pytest.raises(LibraryError, match=r"said-000001\.jsonl cannot be read"):
            use()
    assert (tmp_path / name).read_bytes() == spoilt


def test_many_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    """Threads of this process, and another process beside them."""
    path = tmp_path / "library"
    program = (
        "import sys, findalike\n"
        "from findalike.feedback import Mark\n"
        "with findalike.open(sys.argv[1]) as library:\n"
        "    for i in range(4):\n"
        "        library.feedback.add([Mark('q', f'{sys.argv[2]}-{i}', 'match')], wait=-1)\n"
    )
    with findalike.open(path) as library:
        other = subprocess.Popen([sys.executable, "-c", program, str(path), "z"])

        def here(name: str) -> None:
            for i in range(4):
                library.feedback.add([Mark("q", f"{name}-{i}", "no match")], wait=-1)

        threads = [threading.Thread(target=here, args=(name,)) for name in ("x", "y")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert other.wait(120) == 0
        wanted = {f"{name}-{i}" for name in "xyz" for i in range(4)}
        assert {mark.hit for mark in library.feedback.marks()} == wanted
        assert len(library.feedback.all()) == 12


def test_a_library_for_reading_takes_none(filled: Path) -> None:
    with findalike.open(filled, "r") as library:
        with pytest.raises(UsageError, match="open for reading"):
            library.feedback.add([Mark("a", "b", "match")])
        assert library.feedback.all() == []


def test_marks_move_with_the_library(tmp_path: Path) -> None:
    with findalike.open(tmp_path / "library") as library:
        library.feedback.add([Mark("a", "b", "match")])
        assert [name for name in library.store.sidecars.names() if name.startswith("feedback/")] == [
            "feedback/said-000001.jsonl"
        ]
