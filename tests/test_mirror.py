"""A mirror keeps in step with its store, and finds exactly what an exact scan finds."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from findalike.errors import ExtraMissing, LibraryMismatch
from findalike.query import parse_filter
from findalike.store import mirror
from findalike.store.base import Batch
from findalike.store.lance import LanceStore
from findalike.store.memory import MemoryStore
from findalike.store.mirror import Mirror, Mirrorable
from findalike.types import Asset, Card, Origin, Row, Vectors

faiss = pytest.importorskip("faiss", reason="a mirror needs pip install 'findalike[mirror]'")

DIM = 32
CARD = Card("cnn", "1", DIM)
SPACE = CARD.space
DAY = datetime(2020, 1, 1, tzinfo=UTC)


def vectors(count: int, seed: int = 0) -> Vectors:
    raw = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True), np.float32)


def batch(numbers: range, seed: int = 0, **metadata: Any) -> Batch:
    assets = [Asset(f"/p/{n}.jpg", n, DAY, f"a{n:05d}", metadata={"n": n, **metadata}) for n in numbers]
    pairs = zip(assets, vectors(len(numbers), numbers.start + 1_000 * seed), strict=True)
    return Batch(assets, {SPACE: [Row(f"{a.id}#", Origin(a.id), v) for a, v in pairs]})


STORES: dict[str, Callable[[Path], Mirrorable]] = {
    "memory": lambda _: MemoryStore(),
    "lance": lambda path: LanceStore(path / "library", mode="a"),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mirrorable]:
    made = STORES[request.param](tmp_path)
    made.add_card(CARD)
    yield made
    made.close()


@pytest.fixture
def library(tmp_path: Path) -> Path:
    with_card = LanceStore(tmp_path / "library", mode="a")
    with_card.add_card(CARD)
    with_card.write(batch(range(40)))
    with_card.close()
    return tmp_path / "library"


def assert_in_step(mirrored: Mirror, store: Mirrorable) -> None:
    """The same answers as an exact scan of all rows in numpy, ties by row id."""
    assets = {a.id: a for a in store.assets()}
    rows = store.rows(SPACE, sorted(assets))
    for number, text in enumerate(["", "n < 10", "n >= 10 and n < 300", "n < 0", "size >= 0"]):
        where = parse_filter(text) if text else None
        passing = {a.id for a in store.assets(where)}
        target = vectors(1, 50 + number)[0]
        scored = [(-float((r.vector * target).sum()), r.id) for r in rows if r.asset_id in passing]
        for k in (1, 7, 1_000):
            found = mirrored.nearest(SPACE, target, k, where)
            assert [m.row.id for m in found] == [name for _, name in sorted(scored)[:k]]
            assert [m.asset for m in found] == [assets[m.row.asset_id] for m in found]


def test_a_mirror_follows_every_change(store: Mirrorable) -> None:
    mirrored = Mirror(store)
    assert list(mirrored.nearest(SPACE, vectors(1)[0], 5)) == []
    for change in (
        lambda: store.write(batch(range(300))),
        lambda: store.write(batch(range(300, 305))),
        lambda: mirrored.write(batch(range(3, 6), seed=1)),
        lambda: store.update([replace(batch(range(7, 8)).assets[0], size=9, metadata={"n": 400})]),
        lambda: store.remove(["a00001", "a00304", "nobody"]),
        lambda: store.optimize(),
        lambda: store.write(batch(range(100, 300), seed=2)),
        lambda: store.remove([f"a{n:05d}" for n in range(50, 250)]),
        lambda: store.write(batch(range(1, 2), seed=3)),
        lambda: store.remove([a.id for a in store.assets()]),
        lambda: store.write(batch(range(20))),
    ):
        change()
        assert_in_step(mirrored, store)


def test_a_mirror_follows_another_writer(library: Path) -> None:
    mirrored = Mirror(LanceStore(library))
    writer = LanceStore(library, mode="a")
    assert_in_step(mirrored, writer)
    for n in range(40, 60):
        writer.write(batch(range(n, n + 1)))
        assert (
            mirrored.nearest(SPACE, batch(range(n, n + 1)).rows[SPACE][0].vector, 1)[0].row.id == f"a{n:05d}#"
        )
        writer.remove([f"a{n - 40:05d}"])
        assert f"a{n - 40:05d}" not in {m.row.asset_id for m in mirrored.nearest(SPACE, vectors(1)[0], 99)}
    assert_in_step(mirrored, writer)


def test_small_changes_read_only_what_is_new(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LanceStore(library, mode="a")
    read: list[int] = []
    row_vectors = store.row_vectors
    monkeypatch.setattr(
        store, "row_vectors", lambda s, keys: (read.append(len(keys)), row_vectors(s, keys))[1]
    )
    mirrored = Mirror(store)
    mirrored.state(SPACE)
    mirrored.nearest(SPACE, vectors(1)[0], 5)
    assert read == [40]
    store.write(batch(range(40, 43)))
    store.remove(["a00007"])
    assert_in_step(mirrored, store)
    assert read == [40, 3]
    store.update([replace(batch(range(5, 6)).assets[0], size=9)])
    assert_in_step(mirrored, store)
    assert sum(read) <= 44
    store.write(batch(range(100, 140)))
    assert_in_step(mirrored, store)
    assert read[-1] == 82


def test_segments_stay_few(store: Mirrorable) -> None:
    store.write(batch(range(200)))
    mirrored = Mirror(store)
    most = 0
    for n in range(200, 230):
        store.write(batch(range(n, n + 1)))
        most = max(most, len(mirrored.state(SPACE).segments))
    assert 2 < most <= mirror.SEGMENTS
    assert_in_step(mirrored, store)


@pytest.mark.parametrize("noise", [0, 1e-7, 1e-5, 1e-3])
def test_rows_that_half_precision_cannot_tell_apart(store: Mirrorable, noise: float) -> None:
    one = vectors(1)[0]
    near = one + noise * vectors(300, 3)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    made = batch(range(300))
    rows = [replace(r, vector=v) for r, v in zip(made.rows[SPACE], near, strict=True)]
    store.write(replace(made, rows={SPACE: rows[::-1]}))
    target = one + 0.1 * vectors(1, 9)[0]
    target = (target / np.linalg.norm(target)).astype(np.float32)
    scored = sorted(
        (-float((r.vector * target).sum()), r.id) for r in store.rows(SPACE, [a.id for a in made.assets])
    )
    found = Mirror(store).nearest(SPACE, target, 10)
    assert [m.row.id for m in found] == [name for _, name in scored[:10]]


class Restless(MemoryStore):
    """Writes rows again while they are read."""

    def __init__(self, times: int, during: str) -> None:
        super().__init__()
        self.times, self.during = 0, during
        self.add_card(CARD)
        self.write(batch(range(30)))
        self.times = times

    def _disturb(self, name: str) -> None:
        if self.times and name == self.during:
            self.times -= 1
            self.write(batch(range(5), seed=self.times + 1))

    def row_keys(self, *arguments: Any) -> Any:
        found = super().row_keys(*arguments)
        self._disturb("row_keys")
        return found

    def row_vectors(self, *arguments: Any) -> Any:
        self._disturb("row_vectors")
        return super().row_vectors(*arguments)

    def nearest_of(self, *arguments: Any) -> Any:
        self._disturb("nearest_of")
        return super().nearest_of(*arguments)


@pytest.mark.parametrize("during", ["row_keys", "row_vectors", "nearest_of"])
@pytest.mark.parametrize("times", [1, 2, 50])
@pytest.mark.parametrize("text", ["", "n < 20"])
def test_rows_written_while_they_are_read_are_found(during: str, times: int, text: str) -> None:
    store = Restless(times, during)
    found = Mirror(store).nearest(SPACE, vectors(1)[0], 99, parse_filter(text) if text else None)
    assert len(found) == (20 if text else 30)
    rows = {r.id: r for r in store.rows(SPACE, [m.row.asset_id for m in found])}
    assert all(np.array_equal(m.row.vector, rows[m.row.id].vector) for m in found)


def test_many_threads_search_beside_a_writer(library: Path) -> None:
    mirrored, writer = Mirror(LanceStore(library)), LanceStore(library, mode="a")
    written = [40]
    end = threading.Event()

    def ask(number: int) -> int:
        asked = 0
        while not end.is_set():
            least = written[0]
            where = parse_filter("n >= 0") if number % 2 else None
            assert len(mirrored.nearest(SPACE, vectors(1, number)[0], 1_000, where)) >= least
            asked += 1
        return asked

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask, n) for n in range(8)]
        try:
            for n in range(40, 70):
                writer.write(batch(range(n, n + 1)))
                written[0] = n + 1
                writer.update([replace(batch(range(3, 4)).assets[0], size=n)])
        finally:
            end.set()
        assert all(one.result() for one in asking)
    assert_in_step(mirrored, writer)


_WRITER = """
import sys
sys.path.insert(0, {tests!r})
from test_mirror import *
writer = LanceStore(Path({library!r}), mode="a")
for n in range(40, 4_000):
    writer.write(batch(range(n, n + 1)))
    print(n, flush=True)
"""


@pytest.mark.slow
def test_a_mirror_follows_another_process(library: Path) -> None:
    mirrored = Mirror(LanceStore(library))
    code = _WRITER.format(tests=str(Path(__file__).parent), library=str(library))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for _ in range(30):
            n = int(process.stdout.readline())
            vector = batch(range(n, n + 1)).rows[SPACE][0].vector
            assert mirrored.nearest(SPACE, vector, 1)[0].row.id == f"a{n:05d}#"
    finally:
        process.kill()
        process.communicate()


def test_spaces_that_come_later_and_are_not_there(store: Mirrorable) -> None:
    mirrored = Mirror(store)
    store.write(batch(range(3)))
    with pytest.raises(LibraryMismatch, match="faces"):
        mirrored.nearest("faces", vectors(1)[0], 3)
    other = Card("faces", "1", 4, dtype="float16")
    mirrored.add_card(other)
    face = np.eye(4, dtype=np.float32)
    mirrored.write(Batch(rows={other.space: [Row("f", Origin("a00001"), face[0])]}))
    assert [m.row.id for m in mirrored.nearest(other.space, face[0], 3)] == ["f"]
    with pytest.raises(LibraryMismatch, match="shape"):
        mirrored.nearest(SPACE, face[0], 3)
    assert len(mirrored.nearest(SPACE, vectors(1)[0], 9)) == 3


def test_faiss_keeps_its_threads(store: Mirrorable) -> None:
    store.write(batch(range(30)))
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        Mirror(store).nearest(SPACE, vectors(1)[0], 3)
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)


def test_without_faiss_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'findalike\[mirror\]'"):
        mirror.mirrored(MemoryStore())
