"""The store on disk: manifest and modes, killed writers, readers beside a writer, full drives, indexes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import lancedb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findalike.errors import LibraryError, LibraryMismatch, LibraryMissing, UsageError
from findalike.query import parse_filter
from findalike.sidecars import FolderSidecars
from findalike.store import (
    lance_ids,
    lance_index,
    lance_listing,
    lance_place,
    lance_reader,
    lance_snapshot,
    lance_tables,
    lance_text,
    manifest,
)
from findalike.store.base import Batch
from findalike.store.journal import Journal
from findalike.store.lance import LanceStore
from findalike.store.lance_filter import escaped, unescaped
from findalike.types import Asset, Bank, Card, Concept, Failure, Origin, Row, Vectors

DIM = 16
CARD = Card("cnn", "1", DIM, preprocessing={"size": (224, 224)}, calibration=((0.1, 0.0), (0.9, 1.0)))
SPACE = CARD.space
DAY = datetime(2020, 1, 1, tzinfo=UTC)
QUERY = np.ones(DIM, np.float32)


def batch(numbers: range, dim: int = DIM, **metadata: Any) -> Batch:
    """Assets with these numbers, each with two rows that depend on nothing but its number."""
    assets = [Asset(f"/p/{n}.jpg", n, DAY, f"a{n}", "image/jpeg", f"{n:064x}", metadata) for n in numbers]
    rows = []
    for n in numbers:
        raw = np.random.default_rng(n).standard_normal((2, dim)).astype(np.float32)
        for part, vector in enumerate(raw / np.linalg.norm(raw, axis=1, keepdims=True)):
            rows.append(Row(f"a{n}#{part}", Origin(f"a{n}"), vector))
    return Batch(assets, {SPACE: rows}, {a.id: b"thumbnail" for a in assets})


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return tmp_path / "library"


def made(library: Path, numbers: range = range(0)) -> LanceStore:
    store = LanceStore(library, mode="a")
    store.add_card(CARD)
    store.write(batch(numbers))
    return store


def listing(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*")}


def assert_whole(store: LanceStore, numbers: set[int]) -> None:
    """Exactly these assets, each with both rows and its thumbnail, and nothing else that answers."""
    ids = {f"a{n}" for n in numbers}
    assert {a.id for a in store.assets()} == ids
    assert set(store.thumbnails(ids)) == ids
    assert {r.id for r in store.rows(SPACE, ids)} == {f"{i}#{part}" for i in ids for part in (0, 1)}
    found = store.nearest(SPACE, QUERY, 10_000)
    assert {m.row.asset_id for m in found} == ids
    assert len(found) == 2 * len(ids)


# --- manifest and modes


def test_opening_what_is_not_there_creates_nothing(library: Path) -> None:
    with pytest.raises(LibraryMissing) as caught:
        LanceStore(library)
    assert str(library) in str(caught.value)
    assert "findalike index PATH --library" in str(caught.value)
    assert not library.exists()


def test_a_library_is_made_and_opened_again(library: Path) -> None:
    made(library, range(3)).close()
    content = json.loads((library / "findalike.json").read_text("utf-8"))
    assert content["format"] == 1
    assert content["made_by"].startswith("findalike ")
    assert [card["name"] for card in content["cards"]] == ["cnn"]
    again = LanceStore(library)
    (card,) = again.cards().values()
    assert replace(card, preprocessing={}) == replace(CARD, preprocessing={})
    assert_whole(again, {0, 1, 2})


def test_reading_writes_nothing(library: Path) -> None:
    made(library, range(5)).close()
    before = listing(library)
    store = LanceStore(library, mode="r")
    store.nearest(SPACE, QUERY, 3, parse_filter("size > 1"))
    list(store.assets())
    store.check()
    store.status()
    assert listing(library) == before
    for change in (
        lambda: store.write(batch(range(1))),
        lambda: store.add_card(Card("other", "1", 4)),
        lambda: store.update([]),
        lambda: store.remove(["a1"]),
        lambda: store.clear_failures(["x"]),
        lambda: store.repair(),
        lambda: store.optimize(),
    ):
        with pytest.raises(UsageError, match="mode='a'"):
            change()


def test_a_file_or_a_folder_of_something_else_is_no_library(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("x")
    folder.mkdir()
    (folder / "dog.jpg").write_text("x")
    modes: list[Literal["r", "a"]] = ["r", "a"]
    for mode in modes:
        with pytest.raises(LibraryError, match="file"):
            LanceStore(file, mode)
        with pytest.raises(LibraryError, match="folder"):
            LanceStore(folder, mode)
    assert [p.name for p in folder.iterdir()] == ["dog.jpg"]


def test_a_making_that_was_killed_goes_on(library: Path) -> None:
    made(library).close()
    (library / manifest.NAME).unlink()
    shutil.rmtree(library / f"rows_{escaped(SPACE)}.lance")
    shutil.rmtree(library / "failures.lance")
    assert_whole(made(library, range(2)), {0, 1})


def test_a_newer_format_is_refused(library: Path) -> None:
    made(library).close()
    (library / manifest.NAME).write_text('{"format": 2, "made_by": "findalike 9.0", "cards": []}')
    with pytest.raises(LibraryMismatch, match=r"findalike 9\.0"):
        LanceStore(library)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": "x", "cards": []}', '{"format": 1, "cards": [1]}']
)
def test_an_unreadable_manifest_names_the_doctor(library: Path, text: str) -> None:
    made(library).close()
    (library / manifest.NAME).write_text(text)
    with pytest.raises(LibraryError, match="findalike doctor"):
        LanceStore(library)


def test_cards_of_a_later_findalike_can_be_read(library: Path) -> None:
    made(library).close()
    path = library / manifest.NAME
    content = json.loads(path.read_text())
    content["cards"][0]["novelty"] = True
    path.write_text(json.dumps(content))
    assert list(LanceStore(library).cards()) == [SPACE]


def test_a_manifest_that_cannot_be_replaced_stays(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = made(library, range(2))
    before = (library / manifest.NAME).read_text()
    monkeypatch.setattr("os.fsync", _fail(OSError(28, "No space left on device")))
    with pytest.raises(LibraryError, match="free some space"):
        store.add_card(Card("other", "1", 4))
    assert (library / manifest.NAME).read_text() == before
    assert not list(library.glob("*.new"))


@given(st.text())
def test_names_are_stored_as_plain_words_and_come_back(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    assert unescaped(escaped(name)) == name
    assert set(escaped(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_vectors_are_stored_as_the_card_says(library: Path, dtype: str) -> None:
    store = LanceStore(library, mode="a")
    store.add_card(replace(CARD, dtype=dtype))
    written = batch(range(50))
    store.write(written)
    wrote = {row.id: row.vector for row in written.rows[SPACE]}
    exact = 0 if dtype == "float32" else 1e-3
    for row in store.rows(SPACE, [a.id for a in written.assets]):
        assert row.vector.dtype == np.float32
        np.testing.assert_allclose(row.vector, wrote[row.id], atol=exact)
    query = wrote["a7#0"]
    for match in store.nearest(SPACE, query, 100):
        assert match.similarity == pytest.approx(float(match.row.vector @ query), abs=1e-6)


# --- damage


def test_missing_and_damaged_tables_name_the_doctor(library: Path) -> None:
    made(library, range(20)).close()
    for path in sorted((library / "assets.lance" / "data").iterdir()):
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(LibraryError, match="findalike doctor"):
        list(LanceStore(library).assets())
    shutil.rmtree(library / "assets.lance")
    with pytest.raises(LibraryError, match="findalike doctor"):
        LanceStore(library).count()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "free some space"),
        (RuntimeError("lance error: LanceError(IO): File too large (os error 27)"), "free some space"),
        (PermissionError(13, "Permission denied"), "permission"),
        (RuntimeError("Read-only file system (os error 30)"), "permission"),
        (ValueError("Table 'assets' was not found"), "findalike doctor"),
    ],
)
def test_what_lance_raises_says_what_to_do(error: Exception, words: str, tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=words), lance_tables.guarded(tmp_path):
        raise error


def _fail(error: Exception) -> Callable[..., Any]:
    def raising(*_: Any, **__: Any) -> Any:
        raise error

    return raising


# --- killed writers

STEPS = ["_put_rows", "_put", "_put_assets", "_put_failures", "_copy_facts", "_drop_parts", "_widen_all"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("change", ["write", "rewrite", "update", "remove"])
def test_a_change_cut_off_at_any_step_is_mended(
    library: Path, step: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was acknowledged stays whole, what was in hand is there or not, and the next change mends."""
    store = made(library, range(10))
    changes: dict[str, Callable[[LanceStore], Any]] = {
        "write": lambda s: s.write(batch(range(10, 14), color="red")),
        "rewrite": lambda s: s.write(batch(range(6, 10), color="red")),
        "update": lambda s: s.update(batch(range(6, 10), color="red").assets),
        "remove": lambda s: s.remove([f"a{n}" for n in range(6, 10)]),
    }
    with monkeypatch.context() as patch:
        patch.setattr(LanceStore, step, _fail(RuntimeError("killed")))
        try:
            changes[change](store)
        except LibraryError:
            cut = True
        else:
            cut = False
    if cut:
        reader = LanceStore(library)
        there = {int(a.id[1:]) for a in reader.assets()}
        assert set(range(6)) <= there
        assert_whole(reader, there)
    fresh = LanceStore(library, mode="a")
    fresh.write(batch(range(20, 21)))
    assert not Journal(FolderSidecars(library)).read()
    assert list(fresh.check()) == []
    there = {int(a.id[1:]) for a in fresh.assets()}
    assert_whole(fresh, there)
    if "color" in fresh.columns():
        red = {a.id for a in fresh.assets(parse_filter("color = 'red'"))}
        found = fresh.nearest(SPACE, QUERY, 99, parse_filter("color = 'red'"))
        assert {m.row.asset_id for m in found} == red
    changes[change](fresh)
    assert list(fresh.check()) == []


_WRITER = """
import sys
sys.path.insert(0, {tests!r})
from test_lance import *
store = LanceStore(Path({library!r}), mode="a")
for start in range({start}, {start} + 100_000, 50):
    store.write(batch(range(start, start + 50), round=start // 50))
    print(start + 50, flush=True)
    if start % 200 == 0:
        store.optimize()
"""


def writer(library: Path, start: int) -> subprocess.Popen[str]:
    code = _WRITER.format(tests=str(Path(__file__).parent), library=str(library), start=start)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_killed_writer_loses_nothing_acknowledged(library: Path) -> None:
    made(library).close()
    random = np.random.default_rng(0)
    done = 0
    for _ in range(4):
        process = writer(library, done)
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        time.sleep(float(random.uniform(0, 1.0)))
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        process.wait()
        acknowledged = max([done + 50, *map(int, rest.split())])
        store = LanceStore(library)
        there = {int(a.id[1:]) for a in store.assets()}
        assert set(range(acknowledged)) <= there <= set(range(acknowledged + 50))
        assert_whole(store, there)
        done = len(there)
    store = LanceStore(library, mode="a")
    store.write(batch(range(1)))
    store.optimize()
    assert list(store.check()) == []


@pytest.mark.slow
def test_readers_follow_a_writer_and_never_fail(library: Path) -> None:
    made(library, range(10)).close()
    reader = LanceStore(library)
    process = writer(library, 50)
    counts = []
    until = time.monotonic() + 6
    try:
        while time.monotonic() < until:
            counts.append(reader.count())
            found = reader.nearest(SPACE, QUERY, 20, parse_filter("size >= 0"))
            assert len(found) == 20
            some = [m.row.asset_id for m in found]
            assert set(reader.get(some)) == set(some)
            reader.columns()
    finally:
        process.kill()
        process.communicate()
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_an_open_reader_sees_new_spaces_columns_and_rows(library: Path) -> None:
    store = made(library, range(3))
    reader = LanceStore(library)
    assert reader.count() == 3
    other = Card("faces", "1", 4)
    store.add_card(other)
    store.write(Batch(rows={other.space: [Row("f1", Origin("a1"), np.eye(4, dtype=np.float32)[0])]}))
    store.write(batch(range(3, 6), color="red"))
    assert list(reader.cards()) == [SPACE, other.space]
    assert reader.columns()["color"] == "text"
    assert reader.count(parse_filter("color = 'red'")) == 3
    assert reader.nearest(other.space, np.eye(4, dtype=np.float32)[0], 3)[0].row.id == "f1"


_FULL = """
import resource, signal, sys
sys.path.insert(0, {tests!r})
from test_lance import *
store = LanceStore(Path({library!r}), mode="a")
store.write(batch(range(50, 60)))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    store.write(batch(range(100, 3000)))
except LibraryError as error:
    print(error)
else:
    print("written all the same")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file size to fill")
def test_a_full_drive_says_so_and_loses_nothing(library: Path) -> None:
    made(library, range(50)).close()
    code = _FULL.format(tests=str(Path(__file__).parent), library=str(library))
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "free some space" in ran.stdout
    assert str(library) in ran.stdout
    store = LanceStore(library, mode="a")
    assert_whole(store, set(range(60)))
    store.write(batch(range(100, 200)))
    assert list(store.check()) == []
    assert_whole(store, {*range(60), *range(100, 200)})


def test_failures_survive_reopening(library: Path) -> None:
    made(library).write(Batch(failures=[Failure("/x", "decode", "bad")]))
    assert list(LanceStore(library).failures()) == [Failure("/x", "decode", "bad")]


def test_the_space_of_removed_assets_is_reclaimed_after_an_hour(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_index, "KEEP", timedelta(milliseconds=1))
    store = LanceStore(library, mode="a")
    store.add_card(CARD)
    secret = [b"thumbnail of %d" % n * 50 for n in range(40)]
    store.write(replace(batch(range(40)), thumbnails={f"a{n}": secret[n] for n in range(40)}))
    store.remove([f"a{n}" for n in range(20)])
    for _ in range(3):  # now and then the first leaves a file to the next
        time.sleep(0.1)  # the version before is then older than what is kept
        store.optimize()
        files = b"".join(p.read_bytes() for p in library.rglob("*") if p.is_file())
        if secret[3] not in files:
            break
    assert secret[30] in files
    assert secret[3] not in files


# --- banks, evidence, tags and texts on disk

BANK = Bank("things", "1", (Concept("dog", ("dog",), ("animal",)), Concept("cat")))


def shown(numbers: range, tag: str = "dog") -> Batch:
    """A batch with a tag and with evidence."""
    plain = batch(numbers)
    evidence = {"things": {a.id: {0: 0.5} for a in plain.assets}}
    return replace(plain, assets=[replace(a, tags=(tag,)) for a in plain.assets], evidence=evidence)


def with_bank(library: Path, numbers: range = range(0)) -> LanceStore:
    store = made(library)
    store.add_bank(BANK)
    store.write(shown(numbers))
    return store


def assert_tagged(store: LanceStore) -> None:
    """Tags, texts and evidence say the same of the same assets."""
    there = {a.id: a.tags for a in store.assets()}
    dogs = {i for i, tags in there.items() if "dog" in tags}
    where = parse_filter("tag = 'dog'")
    assert {a.id for a in store.assets(where)} == dogs
    assert {m.row.asset_id for m in store.nearest(SPACE, QUERY, 999, where)} == dogs
    assert {m.row.asset_id: m.asset.tags for m in store.nearest(SPACE, QUERY, 999)} == there
    assert {f.asset.id for f in store.full_text("dogs", 999)} == dogs
    assert sum(count for value, count in store.facets("tag") if value == "dog") == len(dogs)
    assert set(store.evidence("things").asset_ids) <= set(there)


@pytest.mark.parametrize("step", [*STEPS[:-1], "_put_evidence", "_put_words"])
@pytest.mark.parametrize("change", ["write", "rewrite", "put", "remove"])
def test_tags_and_evidence_cut_off_at_any_step_are_mended(
    library: Path, step: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = with_bank(library, range(10))
    ids = [f"a{n}" for n in range(6, 10)]
    changes: dict[str, Callable[[LanceStore], Any]] = {
        "write": lambda s: s.write(shown(range(10, 14))),
        "rewrite": lambda s: s.write(shown(range(6, 10), "cat")),
        "put": lambda s: s.put_evidence("things", {i: {1: 1.0} for i in ids}, dict.fromkeys(ids, ("cat",))),
        "remove": lambda s: s.remove(ids),
    }
    with monkeypatch.context() as patch:
        patch.setattr(LanceStore, step, _fail(RuntimeError("killed")))
        try:
            changes[change](store)
        except LibraryError:
            reader = LanceStore(library)
            assert set(reader.evidence("things").asset_ids) <= {a.id for a in reader.assets()}
    fresh = LanceStore(library, mode="a")
    fresh.write(shown(range(20, 21)))
    assert list(fresh.check()) == []
    assert_tagged(fresh)
    changes[change](fresh)
    assert_tagged(fresh)
    assert list(fresh.check()) == []


def test_banks_and_evidence_survive_reopening_and_readers_follow(library: Path) -> None:
    store = with_bank(library, range(5))
    reader = LanceStore(library)
    first = reader.evidence("things")
    assert reader.evidence("things") is first
    assert reader.banks() == {"things": BANK}
    store.put_evidence("things", {"a1": {1: 0.25}}, {"a1": ("cat",)})
    assert reader.evidence("things") is not first
    assert list(reader.evidence("things").concepts).count(1) == 1
    store.add_bank(replace(BANK, revision="2"))
    assert reader.banks()["things"].revision == "2"
    assert reader.evidence("things").asset_ids == ()
    assert reader.facets("tag") == [("dog", 4), ("cat", 1)]


def test_evidence_is_asked_for_by_many_threads(library: Path) -> None:
    reader = LanceStore(library) if with_bank(library, range(50)) else None
    assert reader is not None
    with ThreadPoolExecutor(8) as pool:
        tables = list(pool.map(lambda _: reader.evidence("things"), range(40)))
        found = list(pool.map(lambda _: len(reader.full_text("dog", 99)), range(40)))
    assert {len(table.asset_ids) for table in tables} == {50}
    assert set(found) == {50}


def test_listings_are_kept_until_assets_change(library: Path) -> None:
    store, reader = made(library, range(9)), LanceStore(library)
    filters = [None, *(parse_filter(f"size < {n}") for n in range(lance_listing.KEPT + 3))]
    assert [len(reader.listing(where)) for where in filters] == [9, *range(9), 9, 9][: len(filters)]
    last = reader.listing(filters[-1])
    assert reader.listing(filters[-1]) is last
    assert reader.listing() is not reader.listing(filters[1])
    store.add_bank(BANK)
    store.clear_failures(["/never"])
    assert reader.listing(filters[-1]) is last
    store.remove(["a3"])
    assert len(reader.listing()) == 8
    assert len(last) == 9


def test_large_writes_know_which_assets_are_there(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lance_snapshot, "FEW", 3)
    monkeypatch.setattr(lance_ids, "_MERGED", 7)
    store, other = made(library, range(5)), LanceStore(library, mode="a")
    store.write(batch(range(3, 9)))
    assert_whole(store, set(range(9)))
    store.write(batch(range(2)))  # a small write between large ones
    store.write(batch(range(6, 14), year=1))
    other.write(batch(range(14, 20)))  # what another writes in turn is there too
    store.remove(["a1", "a7"])
    store.write(batch(range(20)))
    other.write(batch(range(16, 24)))
    assert_whole(LanceStore(library), set(range(24)))
    assert store.count() == 24
    assert not store.get(["a7"])["a7"].metadata


def test_large_listings_leave_no_room_for_many(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lance_listing, "KEPT_ASSETS", 12)
    made(library, range(9))
    reader = LanceStore(library)
    whole, few = reader.listing(), reader.listing(parse_filter("size < 3"))
    assert reader.listing() is whole
    assert reader.listing(parse_filter("size < 3")) is few
    most = reader.listing(parse_filter("size < 8"))  # with it there are 20 assets: the two others go
    assert reader.listing(parse_filter("size < 8")) is most
    assert reader.listing() is not whole
    assert len(whole) == 9


def test_banks_about_the_same_assets_share_their_ids(library: Path) -> None:
    store, other = with_bank(library, range(5)), replace(BANK, name="others")
    store.add_bank(other)
    things = store.evidence("things")
    store.put_evidence("others", {i: {0: 1.0} for i in things.asset_ids}, {})
    reader = LanceStore(library)
    first, second = reader.evidence("things"), reader.evidence("others")
    assert first.asset_ids is second.asset_ids
    assert set(first.asset_ids) == set(things.asset_ids)
    store.put_evidence("others", {"a1": {0: 0.5}}, {})
    assert sorted(reader.evidence("others").asset_ids) == sorted(first.asset_ids)


def test_listings_are_asked_for_by_many_threads_beside_a_writer(library: Path) -> None:
    store, reader = made(library, range(3)), LanceStore(library)
    written = [3]

    def ask(number: int) -> None:
        least = written[0]
        where = parse_filter("size >= 0") if number % 2 else None
        assert len(reader.listing(where)) >= least

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, n) for n in range(200)]
        for n in range(3, 20):
            store.write(batch(range(n, n + 1)))
            written[0] = n + 1
            asked += [pool.submit(ask, n) for n in range(20)]
        for one in asked:
            one.result()
    assert len(reader.listing()) == 20


# --- versions and places


def test_a_folder_that_has_not_changed_is_not_asked_for_a_version(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, reader = made(library, range(3)), LanceStore(library)
    assert len(reader.get(["a1", "a2"])) == 2
    monkeypatch.setattr(lance_place, "SETTLED", 0)
    asked: list[str] = []
    for name in ("assets", "thumbnails"):
        table = reader._tables.latest(name)
        check = table.checkout_latest
        monkeypatch.setattr(table, "checkout_latest", lambda n=name, c=check: (asked.append(n), c()))
    for _ in range(3):
        assert len(reader.get(["a1", "a2"])) == reader.count() - 1 == 2
        assert len(reader.thumbnails(["a1", "a2"])) == 2
    assert asked == []
    store.remove(["a1"])
    assert set(reader.get(["a1", "a2"])) == set(reader.thumbnails(["a1", "a2"])) == {"a2"}
    assert reader.count() == 2
    assert asked == ["assets", "thumbnails"]


def test_a_folder_that_has_just_changed_is_asked_each_time(library: Path) -> None:
    store, reader = made(library, range(3)), LanceStore(library)
    for n in range(3, 30):
        store.write(Batch([Asset(f"/p/{n}.jpg", n, DAY, f"a{n}")]))
        assert reader.count() == n + 1
        assert len(reader.get([f"a{n}"])) == 1


def test_rows_are_taken_from_their_places_until_they_move(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_snapshot, "OFTEN", 2)
    store = made(library, range(8))
    ids = ["a5", "a2", "nobody", "a2", "a10", ""]
    rows = store._tables.snapshot("rows_" + escaped(SPACE))
    asked = [rows.select_ids(["row_id"], ids).column("row_id").to_pylist() for _ in range(4)]
    assert [sorted(found) for found in asked] == [["a2#0", "a2#1", "a5#0", "a5#1"]] * 4
    assert len(rows.select_ids(["row_id"], ["nobody"])) == len(rows.select_ids(["row_id"], [])) == 0
    store.write(batch(range(2, 3)))
    store.remove(["a5"])
    rows.table.checkout_latest()
    moved = rows.select_ids(["row_id"], ids).column("row_id").to_pylist()
    assert sorted(moved) == ["a2#0", "a2#1"]


@pytest.mark.parametrize("few", [0, 3, 1_000])
def test_many_threads_look_up_beside_a_writer(
    library: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(lance_snapshot, "OFTEN", 3)
    monkeypatch.setattr(lance_snapshot, "FEW", few)
    store, reader = made(library, range(20)), LanceStore(library)
    ids = [f"a{n}" for n in range(20)]

    def ask(number: int) -> None:
        some = [*ids[number % 15 : number % 15 + 5], f"none{number}"]
        assert set(reader.get(some)) == set(reader.thumbnails(some)) == set(some[:-1])
        assert len(reader.rows(SPACE, some)) == 10

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, n) for n in range(60)]
        for n in range(8):
            store.update([replace(batch(range(n, n + 1)).assets[0], size=7)])
            store.write(batch(range(20 + n, 21 + n)))
            asked += [pool.submit(ask, n) for n in range(15)]
        store.optimize()
        asked += [pool.submit(ask, n) for n in range(60)]
        for one in asked:
            one.result()
    assert reader.get(["a3"])["a3"].size == 7


def test_a_reader_changes_no_bank(library: Path) -> None:
    with_bank(library, range(3)).close()
    before = listing(library)
    reader = LanceStore(library)
    assert_tagged(reader)
    for change in (
        lambda: reader.add_bank(replace(BANK, revision="2")),
        lambda: reader.remove_bank("things"),
        lambda: reader.put_evidence("things", {}, {}),
    ):
        with pytest.raises(UsageError, match="mode='a'"):
            change()
    assert listing(library) == before


def test_what_a_killed_change_of_banks_left_goes(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = with_bank(library, range(3))
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", _fail(OSError(28, "No space left on device")))
        with pytest.raises(LibraryError, match="free some space"):
            store.add_bank(replace(BANK, revision="2"))
    assert len(list(library.glob("evidence_*"))) == 2
    assert_tagged(store)
    store.optimize()
    assert len(list(library.glob("evidence_*"))) == 1
    assert_tagged(LanceStore(library))


def test_a_damaged_list_of_banks_says_so(library: Path) -> None:
    with_bank(library).close()
    (library / "banks.json").write_text('{"banks": [{}]}')
    with pytest.raises(LibraryError, match=r"banks\.json cannot be read"):
        LanceStore(library).banks()


def as_before_tags(library: Path) -> None:
    """Make of a library what a findalike without tags and texts would have written."""
    database = lancedb.connect(library)
    database.drop_table("words")
    database.open_table("assets").drop_columns(["asset", "tags", "document", "tag_keys"])
    rows = database.open_table(f"rows_{escaped(SPACE)}")
    rows.drop_columns(["tag_keys"])
    found = rows.search().select(["asset_id", "asset"]).limit(None).to_arrow()
    once = dict(zip(*(found.column(name).to_pylist() for name in found.column_names), strict=True))
    short = [json.dumps(json.loads(text)[:6]) for text in once.values()]
    data = pa.table({"asset_id": list(once), "asset": short})
    rows.merge_insert("asset_id").when_matched_update_all().execute(data)


@pytest.mark.parametrize("killed", [False, True])
def test_a_library_from_before_tags_answers_and_grows(
    library: Path, killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(library, range(30)).close()
    as_before_tags(library)
    before = listing(library)
    for mode in ("r", "a"):
        old = LanceStore(library, mode)  # type: ignore[arg-type]
        assert_whole(old, set(range(30)))
        assert old.banks() == {}
        assert old.facets("tag") == []
        assert old.count(parse_filter("tag = 'dog' or tag like '%' or tag in ('x')")) == 0
        assert old.count(parse_filter("tag is null and tag != 'dog'")) == 30
        assert len(old.nearest(SPACE, QUERY, 99, parse_filter("tag is null"))) == 60
        assert [found.asset.id for found in old.full_text("7", 5)] == ["a7"]
        assert [found.asset.id for found in old.full_text("p", 5, parse_filter("size = 3"))] == ["a3"]
    assert listing(library) == before
    store = LanceStore(library, mode="a")
    if killed:
        with monkeypatch.context() as patch:
            patch.setattr(lance_text, "make_index", _fail(RuntimeError("killed")))
            with pytest.raises(LibraryError):
                store.add_bank(BANK)
        store = LanceStore(library, mode="a")
    store.add_bank(BANK)
    store.write(shown(range(30, 35)))
    store.put_evidence("things", {}, {"a3": ("dog",)})
    assert_whole(store, set(range(35)))
    assert_tagged(store)
    assert store.count(parse_filter("tag is null")) == 29
    assert [found.asset.id for found in store.full_text("7", 5)] == ["a7"]
    assert len(store.full_text("p", 99)) == 35
    assert list(store.check()) == []
    store.optimize()
    assert_tagged(store)


def test_a_library_whose_assets_are_no_json_yet_answers_and_grows(library: Path) -> None:
    store = with_bank(library, range(20))
    store.update([replace(a, metadata={"year": 2001, "moment": DAY}) for a in batch(range(9)).assets])
    before = {a.id: a for a in store.assets()}
    store.close()
    lancedb.connect(library).open_table("assets").drop_columns(["asset"])
    old = LanceStore(library, mode="a")
    assert {a.id: a for a in old.assets()} == old.get(before) == before
    assert {found.asset.id: found.asset for found in old.full_text("dog", 99)} == before
    old.write(shown(range(20, 25)))
    assert_tagged(old)
    assert_whole(old, set(range(25)))


def test_many_equal_texts_are_found_whole_and_in_order(library: Path) -> None:
    store = with_bank(library, range(300))
    ids = sorted(a.id for a in store.assets())
    for k in (1, 20, 299, 300, 999):
        assert [found.asset.id for found in store.full_text("dogs", k)] == ids[:k]
    assert store.full_text("dogs", 20)[3].asset == store.get(ids)[ids[3]]


def test_reading_many_texts_without_an_index_is_refused(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(library, range(5)).close()
    as_before_tags(library)
    monkeypatch.setattr(lance_reader, "MOST_READ", 4)
    with pytest.raises(LibraryError, match=f"findalike optimize --library {library}"):
        LanceStore(library).full_text("7", 5)
    LanceStore(library, mode="a").optimize()
    assert [found.asset.id for found in LanceStore(library).full_text("3", 5)] == ["a3"]


# --- indexes


@pytest.mark.parametrize(
    ("rows", "dim", "kind"),
    [
        (0, 256, "exact"),
        (10_000, 256, "exact"),
        (2_000, 1280, "exact"),
        (200_000, 256, "IVF_SQ"),
        (30_000, 1280, "IVF_RQ"),
    ],
)
def test_the_index_grows_with_the_space(rows: int, dim: int, kind: str) -> None:
    assert lance_index.wanted(rows, replace(CARD, dim=dim)) == kind


def clustered(rows: int, dim: int) -> tuple[Vectors, Any]:
    """Unit vectors of shape (rows, dim) in clusters of 100, and ranks that order whole clusters."""
    random = np.random.default_rng(0)
    spread = (np.arange(dim) + 1.0) ** -0.5
    cluster = random.integers(0, rows // 100, rows)
    centres = random.standard_normal((rows // 100, dim)) * spread
    made = centres[cluster] + 0.8 * random.standard_normal((rows, dim)) * spread
    rank = np.empty(rows, np.int64)
    rank[np.argsort(cluster, kind="stable")] = np.arange(rows)
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32), rank


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """30,000 rows of 64 numbers under an index."""
    rows, dim = 30_000, 64
    vectors, rank = clustered(rows, dim)
    store = LanceStore(tmp_path_factory.mktemp("indexed") / "library", mode="a")
    card = Card("cnn", "1", dim)
    store.add_card(card)
    apart = np.random.default_rng(1).permutation(rows)
    for start in range(0, rows, 5_000):
        numbers = range(start, start + 5_000)
        assets = [Asset(f"/p/{n}", 1, DAY, f"a{n}", metadata=_places(n, apart, rank)) for n in numbers]
        store.write(Batch(assets, {SPACE: [Row(f"{n:06d}", Origin(f"a{n}"), vectors[n]) for n in numbers]}))
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lance_index, "EXACT_FLOATS", 100_000)
        patch.setattr(lance_index, "LEAST_PROBES", 60)
        assert store.status()[SPACE].due == "IVF_SQ"
        assert any(problem.kind == "index" for problem in store.check())
        store.optimize(said.append)
        assert any("IVF_SQ" in sentence for sentence in said)
        status = store.status()[SPACE]
        assert (status.index, status.unindexed, status.due) == ("IVF_SQ", 0, "")
        yield store, vectors, {"apart": apart, "near": rank}


def _places(n: int, apart: Any, rank: Any) -> dict[str, int]:
    return {"apart": int(apart[n]), "near": int(rank[n])}


@pytest.mark.slow
@pytest.mark.parametrize("where", ["", *(f"{c} < {n}" for c in ("apart", "near") for n in (30, 300, 3000))])
def test_an_index_finds_what_a_scan_finds(indexed: Any, where: str) -> None:
    store, vectors, columns = indexed
    passing = np.arange(len(vectors))
    if where:
        column, _, below = where.split()
        passing = np.flatnonzero(columns[column] < int(below))
    queries = vectors[::600] + 0.3 * np.random.default_rng(2).standard_normal((50, 64)) / 8
    recalls = []
    for query in queries.astype(np.float32):
        found = store.nearest(SPACE, query, 20, parse_filter(where) if where else None)
        similarities = vectors[passing] @ query
        best = passing[np.argsort(-similarities)[:20]]
        recalls.append(len({int(m.row.id) for m in found} & set(best.tolist())) / 20)
        assert len(found) == 20
        values = [m.similarity for m in found]
        assert values == sorted(values, reverse=True)
        exact = [float(vectors[int(m.row.id)] @ query / np.linalg.norm(query)) for m in found]
        np.testing.assert_allclose(values, exact, atol=1e-5)
    assert np.mean(recalls) >= (0.97 if where else 0.98)


@pytest.mark.slow
def test_an_indexed_space_counts_new_and_forgets_removed_rows(indexed: Any) -> None:
    store, vectors, _ = indexed
    query = -vectors[:50].mean(axis=0)
    query /= np.linalg.norm(query)
    extra = Asset("/p/new", 1, DAY, "new")
    store.write(Batch([extra], {SPACE: [Row("new", Origin("new"), query.astype(np.float32))]}))
    assert store.nearest(SPACE, query, 3)[0].row.id == "new"
    store.update([replace(extra, metadata={"near": 5})])
    assert store.nearest(SPACE, query, 3, parse_filter("near = 5 and name = 'new'"))[0].row.id == "new"
    store.remove(["new"])
    assert store.nearest(SPACE, query, 3)[0].row.id != "new"
    assert not store.nearest(SPACE, query, 3, parse_filter("name = 'new'"))
    few = store.nearest(SPACE, query, 20, parse_filter("near < 7"))
    assert len(few) == 7
    assert len(store.nearest(SPACE, query, 40_000)) == 30_000


_OPTIMIZER = """
import sys
sys.path.insert(0, {tests!r})
from test_lance import *
lance_index.EXACT_FLOATS = 1_000
store = LanceStore(Path({library!r}), mode="a")
store.optimize(lambda sentence: print(sentence, flush=True))
print("done", flush=True)
"""


@pytest.mark.slow
def test_a_killed_index_build_leaves_a_working_library(library: Path) -> None:
    """Killed at once, after a while, and perhaps when all is done: how long it takes hangs on the machine."""
    store = made(library)
    for start in range(0, 20_000, 4_000):
        store.write(batch(range(start, start + 4_000)))
    store.close()
    code = _OPTIMIZER.format(tests=str(Path(__file__).parent), library=str(library))
    for seconds in (0, 0.1, 0.5):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = next((line for line in process.stdout if "Building" in line or "done" in line), "")
            assert "Building" in told or seconds
            time.sleep(seconds)
            process.kill()
            assert "done" not in process.stdout.read() or seconds
    again = LanceStore(library, mode="a")
    assert again.count() == 20_000
    assert len(again.nearest(SPACE, QUERY, 20)) == 20
    again.optimize()
    assert list(again.check()) == []
