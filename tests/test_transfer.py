"""Copying a library to another store: what arrives is read by plain loops from both."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import findalike
import moved
from conftest import Cli
from findalike import lock
from findalike.errors import LibraryError, LibraryLocked, LibraryMismatch, LibraryMissing, UsageError
from findalike.library import IN_MEMORY, Library
from findalike.settings import default
from findalike.store import copying
from findalike.store.base import Batch, Store
from findalike.store.lance import LanceStore
from findalike.store.memory import MemoryStore
from findalike.transfer import contents, proof, tally
from findalike.transfer.contents import StoreContents
from findalike.types import Bank, Card, Concept, Failure, Origin, Row


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small libraries take several batches too."""
    monkeypatch.setattr(contents, "MOST", 4)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library on disk with something of every kind, which no test changes."""
    path = tmp_path_factory.mktemp("furnished") / "library"
    store = moved.furnish(LanceStore(path, "a"))
    store.close()
    return path


def in_memory() -> Library:
    return findalike.open(IN_MEMORY)


def same(first: Library | Path, second: Library | Path) -> None:
    one, other = ({**moved.everything(store_of(place))} for place in (first, second))
    assert one == other
    assert len(one["assets"]) > 20


def store_of(place: Library | Path) -> Store:
    return place.store if isinstance(place, Library) else LanceStore(place)


def stop_after(pictures: int) -> Callable[[str, int, int], None]:
    def watch(phase: str, done: int, total: int) -> None:
        if phase == "copying" and done >= pictures:
            raise KeyboardInterrupt

    return watch


# --- what arrives


def test_everything_arrives_in_another_folder(furnished: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    done = findalike.copy(furnished, tmp_path / "new", watch=lambda *now: told.append(now))
    same(furnished, tmp_path / "new")
    assert (done.written, done.kept) == (25, 0)
    assert done.rows == sum(len(each) for each in moved.everything(store_of(furnished))["rows"].values())
    assert done.proof.holds
    assert list(dict.fromkeys(phase for phase, _, _ in told)) == [
        "copying", "optimizing", "proving",
    ]  # fmt: skip
    assert [now for now in told if now[0] == "copying"][-1] == ("copying", 25, 25)
    assert told[-1] == ("proving", 50, 50)
    with findalike.open(tmp_path / "new") as opened:  # it can be opened at once
        assert len(opened) == 25


def test_everything_arrives_in_memory_and_comes_back(furnished: Path, tmp_path: Path) -> None:
    with in_memory() as held:
        findalike.copy(furnished, held)
        same(furnished, held)
        findalike.copy(held, tmp_path / "back")
    same(furnished, tmp_path / "back")


def test_vectors_of_half_precision_arrive_as_they_would_be_stored(tmp_path: Path) -> None:
    """Memory keeps what it was given; the copy holds what its card says, and is the same."""
    with in_memory() as held:
        held.store.add_card(moved.HALVES)
        given = np.random.default_rng(1).standard_normal((3, 9)).astype(np.float32)
        assets = [moved.asset(number) for number in range(1, 4)]
        rows = [Row(a.id, Origin(a.id), v) for a, v in zip(assets, given, strict=True)]
        held.store.write(Batch(assets, {moved.HALVES.space: rows}))
        assert findalike.copy(held, tmp_path / "new", queries=0).proof.whole
    found = {row.id: row.vector for row in store_of(tmp_path / "new").each_row(moved.HALVES.space)}
    for row in rows:
        np.testing.assert_array_equal(found[row.id], row.vector.astype(np.float16).astype(np.float32))


def test_an_empty_library_arrives(tmp_path: Path) -> None:
    findalike.open(tmp_path / "old").close()
    assert findalike.copy(tmp_path / "old", tmp_path / "new").proof.holds
    assert len(findalike.open(tmp_path / "new", "r")) == 0


def test_a_real_library_answers_the_same_afterwards(filled: Path, album: Path, tmp_path: Path) -> None:
    done = findalike.copy(filled, tmp_path / "new")
    assert done.proof.holds
    picture = next(iter(sorted(album.iterdir())))
    with findalike.open(filled, "r") as old, findalike.open(tmp_path / "new", "r") as new:
        for query in (picture, "an astronaut"):
            assert new.search(query).to_dicts() == old.search(query).to_dicts()


# --- going on


def test_what_was_interrupted_is_closed_to_all_else_and_goes_on(
    furnished: Path, tmp_path: Path, cli: Cli
) -> None:
    target = tmp_path / "new"
    with pytest.raises(KeyboardInterrupt):
        findalike.copy(furnished, target, watch=stop_after(5))
    arrived = {asset.id for asset in store_of(target).assets()}
    assert 5 <= len(arrived) < 25
    with pytest.raises(LibraryMismatch, match=f"findalike copy {furnished} {target}"):
        findalike.open(target)
    with pytest.raises(LibraryMismatch, match="is not whole"):
        findalike.copy(target, tmp_path / "third")
    told = cli("search", "dog", library=target)
    assert told.returncode == 4
    assert f"findalike copy {furnished} {target}" in told.stderr
    with in_memory() as other, pytest.raises(LibraryMismatch, match="is being filled from"):
        findalike.copy(other, target)
    done = findalike.copy(furnished, target)
    assert (done.kept, done.written) == (len(arrived), 25 - len(arrived))
    same(furnished, target)
    assert copying.read(store_of(target).sidecars) is None


def test_the_command_of_an_unfinished_copy_goes_on(furnished: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "it's new"
    with pytest.raises(KeyboardInterrupt):
        findalike.copy(furnished, target, watch=stop_after(5))
    mark = copying.read(store_of(target).sidecars)
    assert mark
    done = subprocess.run(
        [sys.executable, "-m", "findalike.cli.main", *(_words(mark.command)[1:])],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    same(furnished, target)


def _words(command: str) -> list[str]:
    done = subprocess.run(
        ["/bin/sh", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True
    )
    return done.stdout.split("\0")[:-1]


def test_a_copy_follows_what_changed_before_it_went_on(tmp_path: Path) -> None:
    source, target = tmp_path / "old", tmp_path / "new"
    old = moved.furnish(LanceStore(source, "a"))
    with pytest.raises(KeyboardInterrupt):
        findalike.copy(source, target, watch=stop_after(12))
    arrived = sorted(asset.id for asset in store_of(target).assets())
    first, second, third, fourth, fifth = arrived[:5]
    changed = old.get(arrived)
    old.remove([first])
    old.update([replace(changed[second], metadata={"width": 1})])
    old.put_evidence("things", {third: {1: 0.5}}, {third: ("cat",)})
    new = moved.rows(changed[fourth], moved.FLOATS, 999)
    old.write(replace(Batch([changed[fourth]]), rows={moved.FLOATS.space: new}, changed=[fourth]))
    old.write(Batch(thumbnails={fifth: b"another"}, assets=[changed[fifth]]))
    old.write(moved.batch(range(100, 103)))
    old.clear_failures([moved.FAILURES[0].uri])
    old.write(Batch(failures=[Failure("/new.jpg", "read", "new")]))
    old.remove_bank("colours")
    old.sidecars.remove("regions")
    old.sidecars.write("people.json", b"{}")
    done = findalike.copy(source, target)
    assert done.proof.holds
    same(source, target)


COPY = """
import sys, findalike
from findalike.transfer import contents
contents.MOST = 4
findalike.copy(sys.argv[1], sys.argv[2], queries=0)
"""


def test_a_copy_that_is_killed_twice_goes_on(tmp_path: Path) -> None:
    source, target = tmp_path / "old", tmp_path / "new"
    moved.furnish(LanceStore(source, "a"), 60).close()
    for least in (6, 24):
        process = subprocess.Popen([sys.executable, "-c", COPY, str(source), str(target)])
        _until(lambda least=least: _count(target) >= least, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert least <= _count(target) < 60
        with pytest.raises(LibraryMismatch, match="is not whole"):
            findalike.open(target)
    assert findalike.copy(source, target).kept >= 24
    same(source, target)
    assert not LanceStore(target).check()


def _count(path: Path) -> int:
    try:
        return LanceStore(path).count()
    except LibraryError:
        return 0


def _until(holds: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 60
    while not holds() and process.poll() is None and time.monotonic() < ends:
        time.sleep(0.02)
    assert process.poll() is None


# --- what is refused


def test_nothing_is_made_where_there_is_nothing_to_copy(tmp_path: Path) -> None:
    with pytest.raises(LibraryMissing):
        findalike.copy(tmp_path / "nothing", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_target_with_pictures_is_left_as_it_is(furnished: Path, tmp_path: Path, filled: Path) -> None:
    other = tmp_path / "other"
    findalike.copy(filled, other)
    before = moved.everything(store_of(other))
    with pytest.raises(LibraryMismatch, match="holds the spaces efficientnet-lite0@1-int8"):
        findalike.copy(furnished, other)
    with pytest.raises(LibraryMismatch, match="is a library already, with 10 pictures"):
        findalike.copy(filled, other)
    assert moved.everything(store_of(other)) == before
    assert copying.read(store_of(other).sidecars) is None


@pytest.mark.parametrize(
    "card", [replace(moved.FLOATS, dim=13), replace(moved.FLOATS, sha256="other"), moved.HALVES]
)
def test_other_cards_are_refused_before_anything_is_written(
    furnished: Path, tmp_path: Path, card: Card
) -> None:
    store = LanceStore(tmp_path / "new", "a")
    store.add_card(card)
    with pytest.raises(LibraryMismatch, match="with these cards"):
        findalike.copy(furnished, tmp_path / "new")
    assert list(store.cards().values()) == [card]
    assert store.count() == 0


def test_a_library_is_not_copied_onto_itself(furnished: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(furnished)
    with in_memory() as held:
        for source, target in [(furnished, furnished), (furnished, tmp_path / "link"), (held, held)]:
            with pytest.raises(UsageError, match="is the library itself"):
                findalike.copy(source, target)


def test_a_folder_of_something_else_is_left_alone(furnished: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(LibraryError, match="a folder of something else"):
        findalike.copy(furnished, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_nobody_writes_into_what_is_being_copied(tmp_path: Path) -> None:
    source = tmp_path / "old"
    moved.furnish(LanceStore(source, "a"))
    tried: list[str] = []

    def watch(phase: str, done: int, total: int) -> None:
        with pytest.raises(LibraryLocked), lock.held(source, 0):
            pass
        tried.append(phase)

    findalike.copy(source, tmp_path / "new", watch=watch)
    assert {"copying", "proving"} <= set(tried)
    with lock.held(source, 0), pytest.raises(LibraryLocked, match="is being written by"):
        findalike.copy(source, tmp_path / "third")


def test_what_is_written_although_it_is_copied_is_told(tmp_path: Path) -> None:
    """As where no lock can be had: the proof finds it, and the copy goes on."""
    source, target = tmp_path / "old", tmp_path / "new"
    old = moved.furnish(LanceStore(source, "a"))

    def watch(phase: str, done: int, total: int) -> None:
        if phase == "optimizing":
            old.remove(["asset00001"])

    done = findalike.copy(source, target, watch=watch)
    assert not done.proof.whole
    assert "pictures" in done.proof.differing
    with pytest.raises(LibraryMismatch, match="is not whole"):
        findalike.open(target)
    assert findalike.copy(source, target).proof.holds


def test_a_full_drive_is_named_and_the_copy_goes_on(tmp_path: Path) -> None:
    """No file may grow beyond 64 KB, which the thumbnails of one batch do."""
    source, target = tmp_path / "old", tmp_path / "new"
    store = moved.furnish(LanceStore(source, "a"))
    large = list(store.assets())[-1]
    store.write(Batch([large], thumbnails={large.id: os.urandom(200_000)}))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))\n"
    quiet = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    done = subprocess.run(
        [sys.executable, "-c", limit + quiet + COPY, str(source), str(target)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the drive is full: free some space and run the command again" in done.stderr
    assert findalike.copy(source, target).proof.holds
    same(source, target)


# --- the proof


def _change_asset(store: Store) -> None:
    store.update([replace(store.get(["asset00003"])["asset00003"], metadata={"width": 31})])


def _change_tags(store: Store) -> None:
    store.put_evidence("things", {}, {"asset00003": ("dog", "tag 9")})


def _change_vector(store: Store) -> None:
    (row,) = store.rows(moved.HALVES.space, ["asset00003"])
    vector = row.vector.copy()
    vector[4] = np.nextafter(np.float16(vector[4]), np.float16(9))
    store.write(Batch(rows={moved.HALVES.space: [replace(row, vector=vector)]}))


def _change_origin(store: Store) -> None:
    (row,) = store.rows(moved.FLOATS.space, ["asset00003"])
    store.write(Batch(rows={moved.FLOATS.space: [replace(row, origin=replace(row.origin, label="x"))]}))


def _change_calibration(store: Store) -> None:
    store.add_card(replace(moved.FLOATS, calibration=((0.0, 0.0), (0.6, 1.0))))


CHANGES: dict[str, tuple[Callable[[Store], Any], str]] = {
    "metadata": (_change_asset, "pictures"),
    "tags": (_change_tags, "pictures"),
    "one number": (_change_vector, f"rows of {moved.HALVES.space}"),
    "an origin": (_change_origin, f"rows of {moved.FLOATS.space}"),
    "a row that is gone": (
        lambda s: s.remove_rows(moved.BITS.space, ["asset00003:whole"]),
        f"rows of {moved.BITS.space}",
    ),
    "a thumbnail": (lambda s: s.write(Batch(thumbnails={"asset00003": b"x"})), "thumbnails"),
    "an attachment": (
        lambda s: s.write(Batch(attachments={"asset00007": {"frame-0.000": b"x"}})),
        "attachments",
    ),
    "evidence": (lambda s: s.put_evidence("things", {"asset00003": {0: 0.26}}, {}), "evidence for things"),
    "a failure": (lambda s: s.clear_failures([moved.FAILURES[1].uri]), "failures"),
    "a sidecar": (lambda s: s.sidecars.write("people.json", b"{}"), "sidecars"),
    "a bank": (lambda s: s.add_bank(Bank("colours", "3", (Concept("red"), Concept("blue")))), "banks"),
    "a card": (_change_calibration, "cards"),
}


@pytest.fixture(scope="module")
def proven(furnished: Path) -> Iterator[Library]:
    with in_memory() as held:
        findalike.copy(furnished, held)
        yield held


@pytest.mark.parametrize("name", CHANGES)
def test_the_proof_names_what_differs_and_nothing_else(proven: Library, name: str) -> None:
    with in_memory() as other:
        findalike.copy(proven, other)
        assert findalike.copy(proven, other, check=True, queries=0).proof.holds
        change, expected = CHANGES[name]
        change(other.store)
        found = findalike.copy(proven, other, check=True, queries=0).proof
        assert found.differing == (expected,)
        assert not found.whole


def test_digests_know_no_order_and_tell_twice_from_once() -> None:
    stores = [MemoryStore() for _ in range(2)]
    for store, numbers in zip(stores, [(range(5), range(5, 9)), (range(5, 9), range(5))], strict=True):
        for card in moved.CARDS:
            store.add_card(card)
        store.add_bank(moved.THINGS)
        for some in numbers:
            made = moved.batch(some)
            store.write(replace(made, evidence={"things": {a.id: {0: 0.5} for a in made.assets}}))
    first, second = (tally.tally(StoreContents(store)) for store in stores)
    assert first == second
    assert first["pictures"].number == 9
    numbers = [tally._print("a"), tally._print("b")]
    sums = []
    for several in (numbers, numbers * 2, [numbers[0]] * 2):
        one = tally._Sum()
        one.add(several)
        sums.append(one.count().digest)
    assert len(set(sums)) == 3
    assert tally._print("ab", "c") != tally._print("a", "bc")


def test_overlap_is_what_numpy_counts() -> None:
    """Of two stores, in one of which every third vector is another, by a plain scan of both."""
    card = replace(moved.FLOATS, dim=6)
    made = moved.vectors(card, 200, 1)
    other = made.copy()
    other[::3] = moved.vectors(card, 200, 2)[::3]
    stores = [_of_vectors(card, each) for each in (made, other)]
    shares = []
    for query in made[:30]:
        best = [np.argsort(-(each @ query), kind="stable")[:20] for each in (made, other)]
        near = [(each @ query)[found] for each, found in zip((made, other), best, strict=True)]
        there = sum(n >= near[0].min() - proof.TIE for n in near[1]) / 20
        back = sum(n >= near[1].min() - proof.TIE for n in near[0]) / 20
        shares.append(there)
        assert proof.overlap(*stores, card, query) == (there, back)
    assert 0.2 < np.mean(shares) < 0.98
    (answers,) = proof.answers(*stores, queries=200)
    assert not answers.equal
    (same_,) = proof.answers(stores[0], stores[0], queries=200)
    assert (same_.overlap, same_.back, same_.queries, same_.equal) == (1.0, 1.0, 200, True)


def test_a_target_may_miss_as_many_as_the_source() -> None:
    assert proof.Answers("s", 100, 0.99, 1.0).equal
    assert not proof.Answers("s", 100, 0.985, 1.0).equal
    assert proof.Answers("s", 100, 0.975, 0.98).equal
    assert not proof.Answers("s", 100, 0.955, 0.97).equal
    assert not proof.Answers("s", 100, 0.945, 0.945).equal
    assert proof.Answers("s", 0, 0.0, 0.0, "a store that cannot").equal


def test_equally_near_rows_are_no_difference() -> None:
    """Forty rows are the same vector, and each store takes twenty others."""
    card = replace(moved.FLOATS, dim=3)
    vector = np.array([0.6, 0.8, 0.0], np.float32)
    stores = [_of_vectors(card, np.tile(vector, (40, 1)), names) for names in (range(40), range(40)[::-1])]
    found = [{m.row.vector.tobytes() for m in s.nearest(card.space, vector, 20)} for s in stores]
    assert found[0] == found[1]
    stores[1].remove_rows(card.space, [f"r{n:04d}" for n in range(20)])
    assert proof.overlap(*stores, card, vector) == (1.0, 1.0)
    stores[1].remove_rows(card.space, [f"r{n:04d}" for n in range(25)])
    assert proof.overlap(*stores, card, vector) == (15 / 20, 1.0)


def _of_vectors(card: Card, several: Any, names: Any = None) -> MemoryStore:
    store = MemoryStore()
    store.add_card(card)
    assets = [moved.asset(n) for n in range(len(several))]
    rows = [
        Row(f"r{n:04d}", Origin(a.id), v)
        for n, a, v in zip(names or range(len(several)), assets, several, strict=True)
    ]
    store.write(Batch(assets, {card.space: rows}))
    return store


# --- reading


def test_batches_hold_every_asset_once_with_all_that_is_its(furnished: Path) -> None:
    read = list(contents.ahead(StoreContents(store_of(furnished)).batches()))
    assert len(read) > 5
    ids = [asset.id for each in read for asset in each.assets]
    assert len(ids) == len(set(ids)) == 25
    for each in read:
        there = {asset.id for asset in each.assets}
        parts = [each.thumbnails, *each.evidence.values(), each.attachments]
        assert all(set(part) <= there for part in parts)
        assert {row.asset_id for rows in each.rows.values() for row in rows} <= there


def test_batches_are_small_where_assets_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MOST", 2_000)
    monkeypatch.setattr(contents, "BYTES", 100_000)
    store = MemoryStore()
    assets = [moved.asset(n) for n in range(1, 400) if n % moved.FILM]
    files = {a.id: {"track": bytes(10_000)} for a in assets}
    store.write(Batch(assets, attachments=files))
    sizes = [len(batch.assets) for batch in StoreContents(store).batches()]
    assert sum(sizes) == len(assets)
    assert max(sizes[1:]) <= 10
    films = [moved.asset(n * moved.FILM) for n in range(12)]
    store = MemoryStore()
    store.write(Batch(films))
    assert max(len(batch.assets) for batch in StoreContents(store).batches()) <= 4


# --- the command


def test_the_command_prints_the_proof(furnished: Path, tmp_path: Path, cli: Cli) -> None:
    done = cli("copy", furnished, tmp_path / "new")
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert lines[0] == ["", "source", "target", "equal"]
    table = {line[0]: line[1:] for line in lines[1:]}
    assert table["pictures"] == ["25", "25", "yes"]
    assert table[f"rows of {moved.CITY.space}"][0] == table[f"rows of {moved.CITY.space}"][1]
    assert table[f"answers in {moved.FLOATS.space}"][1:] == ["1.0000", "yes"]
    assert f"{tmp_path / 'new'} holds the same as {furnished}." in done.stderr
    again = cli("copy", furnished, tmp_path / "new")
    assert again.returncode == 4
    assert "--check" in again.stderr


def test_check_copies_nothing_and_ends_in_1_where_they_differ(
    furnished: Path, tmp_path: Path, cli: Cli
) -> None:
    findalike.copy(furnished, tmp_path / "new")
    LanceStore(tmp_path / "new", "a").remove(["asset00004"])
    done = cli("copy", "--check", "--json", furnished, tmp_path / "new")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["equal"], found["written"]) == (False, 0)
    parts = {part["name"]: part for part in found["parts"]}
    assert parts["pictures"]["source"]["number"] == 25
    assert parts["pictures"]["target"]["number"] == 24
    assert not parts["pictures"]["equal"]
    assert parts["banks"]["equal"]
    assert "Not the same: pictures" in done.stderr
    assert cli("copy", "--check", furnished, tmp_path / "nothing").returncode == 4


def test_what_was_open_stays_open(furnished: Path) -> None:
    with findalike.open(furnished, "r") as source, in_memory() as target:
        assert findalike.copy(source, target).source == str(furnished)
        assert len(source) == len(target) == 25
        assert default().library  # and the settings are not asked for another


def test_a_copy_into_memory_is_refused_on_the_command_line(cli: Cli, tmp_path: Path) -> None:
    run = cli("copy", tmp_path / "library", ":memory:")
    assert run.returncode == 2
    assert ":memory: is gone when the command ends" in run.stderr
