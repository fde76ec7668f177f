"""The approximate index of a space on a real Milvus server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest

from findalike.query import parse_filter
from findalike.store import milvus_index
from findalike.store.base import Batch
from findalike.store.milvus import MilvusStore
from findalike.store.milvus_index import PARTED, Index, partitions, search_params, wanted
from findalike.types import Asset, Card, Origin, Row

pytest_plugins = ["milvus_server"]

ROWS, CARD = 1_500, Card("made-up", "1", 8)
VECTORS = np.random.default_rng(3).standard_normal((ROWS + 20, 8)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


@pytest.fixture
def store(milvus: str) -> Iterator[MilvusStore]:
    made = MilvusStore(f"milvus://{milvus}/index{uuid.uuid4().hex[:8]}?patience=60", "a")
    made.add_card(CARD)
    with made.locked(10):
        for start in range(0, ROWS, 500):
            made.write(batch(range(start, start + 500)))
    yield made
    for table in (made._tables.rows(CARD), made._tables.things, made._tables.assets):
        table.drop()
    made.close()


def batch(numbers: range) -> Batch:
    at = datetime(2020, 1, 1, tzinfo=UTC)
    assets = [Asset(f"/p/{n}.jpg", n, at, str(n), "image/jpeg", metadata={"n": n}) for n in numbers]
    return Batch(assets, {CARD.space: [Row(a.id, Origin(a.id), VECTORS[int(a.id)]) for a in assets]})


@pytest.mark.slow
def test_an_index_is_built_when_it_is_due_and_a_filter_never_misleads_it(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus_index, "LEAST_PROBES", 1)
    assert (store.status()[CARD.space].index, store.status()[CARD.space].due) == ("exact", "")
    monkeypatch.setattr(milvus_index, "EXACT_FLOATS", 10_000)
    assert store.status()[CARD.space].due == PARTED
    assert [(p.kind, p.count) for p in store.check() if p.kind == "index"] == [("index", ROWS)]
    said: list[str] = []
    store.optimize(said.append)
    assert any(PARTED in each for each in said)
    status = store.status()[CARD.space]
    assert (status.rows, status.index, status.due) == (ROWS, PARTED, "")
    found = right = 0
    for query in VECTORS[ROWS:]:
        for few in (ROWS, 300, 15):
            order = np.argsort(-(VECTORS[:few] @ query), kind="stable")[:10].tolist()
            matches = store.nearest(CARD.space, query, 10, parse_filter(f"n < {few}"))
            assert [int(m.asset.id) for m in matches] == order
        free = {int(m.asset.id) for m in store.nearest(CARD.space, query, 10)}
        right += len(free & set(np.argsort(-(VECTORS[:ROWS] @ query))[:10].tolist()))
        found += 10
    assert right / found > 0.6, "an eighth of the partitions of what has no neighbourhoods"
    store.write(batch(range(ROWS, ROWS + 20)))
    nearest = store.nearest(CARD.space, VECTORS[ROWS + 3], 1)[0]
    assert (nearest.asset.id, nearest.similarity) == (str(ROWS + 3), pytest.approx(1))


def test_which_index_a_space_calls_for() -> None:
    assert wanted(100_000, Card("a", "1", 1_280)) == "exact"
    assert wanted(100_001, Card("a", "1", 1_280)) == PARTED
    assert wanted(10**9, Card("a", "1", 64, dtype="bit", metric="hamming")) == "exact"
    assert partitions(1_000_000) == 4_000
    assert search_params(Index(), 24, True) == {}
    assert search_params(Index(PARTED, 800), 24, False) == {"nprobe": 100}
    assert search_params(Index(PARTED, 800), 24, True) == {"nprobe": 800}
    assert search_params(Index(PARTED, 20), 24, False) == {"nprobe": 20}
