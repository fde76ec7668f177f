"""What every store must do. Each answer is held against plain Python or numpy over the same data."""

from __future__ import annotations

import importlib
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import SHARED
from findalike.errors import LibraryMismatch, QueryError, Unsupported, UsageError
from findalike.query import And, Compare, Filter, In, IsNull, Like, Not, Or, parse_filter
from findalike.settings import load as load_settings
from findalike.store import lance_index, lance_snapshot
from findalike.store.base import Batch, Store
from findalike.store.lance import LanceStore
from findalike.store.memory import MemoryStore
from findalike.store.mirror import Mirrorable, mirrored
from findalike.types import Asset, Bank, Card, Concept, Failure, Metadata, Origin, Row, Vector
from milvus_server import emptied, shared_server


class Eager(LanceStore):
    """The store on disk as a large library sees it: with all its trees, and optimized after every write."""

    def write(self, batch: Batch) -> None:
        super().write(batch)
        if batch.assets:
            self.optimize()


def mirror_over(store: Mirrorable) -> Store:
    pytest.importorskip("faiss", reason="a mirror needs pip install 'findalike[mirror]'")
    return mirrored(store)


def milvus_at(path: Path) -> Store:
    """A library for each use, which is taken again and again: making one takes the server seconds."""
    place = shared_server(SHARED)
    name = f"contract-{os.getpid()}-{path.name.partition('_')[0].rstrip('0123456789')}"
    emptied(place, name, kept=SPACE)
    return elsewhere(f"milvus://{place}/{name}?patience=20")


def elsewhere(address: str) -> Store:
    milvus = pytest.importorskip(
        "findalike.store.milvus", reason="needs pip install 'findalike[milvus-lite]'"
    )
    made: Store = milvus.MilvusStore(address, "a")
    return made


def on_s3(_: Path) -> Store:
    s3_server = pytest.importorskip("s3_server")
    os.environ |= s3_server.environment(s3_server.port())
    opened = importlib.import_module("findalike.store.lance_bucket").opened
    made: Store = opened(f"s3://{s3_server.new_bucket()}/library", "a", load_settings())
    return made


STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "lance": lambda path: LanceStore(path / "library", mode="a"),
    "lance, optimized": lambda path: Eager(path / "library", mode="a"),
    "lance on s3": on_s3,
    "mirror over memory": lambda _: mirror_over(MemoryStore()),
    "mirror over lance": lambda path: mirror_over(LanceStore(path / "library", mode="a")),
    "milvus": milvus_at,
    "milvus-lite": lambda path: elsewhere(f"milvus://{path}/library.db"),
}
NEAR = [name for name in STORES if name != "lance on s3"]
"""Without the store that differs from another in where its bytes lie alone."""
DIM = 16
CARD = Card(name="cnn", revision="1", dim=DIM, preprocessing={"size": (224, 224)}, calibration=((0.0, 0.0),))
SPACE = CARD.space
BANK = Bank("things", "1", (Concept("dog", ("dog", "a dog"), ("animal",)), Concept("cat"), Concept("it's ü")))
SIMILARITY = 1e-5  # float32 sums in another order differ by this much at most


@pytest.fixture(scope="module", autouse=True)
def ways_of_large_tables() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lance_index, "WITH_TREES", 1)
        patch.setattr(lance_snapshot, "OFTEN", 2)
        yield


not_mirrored = pytest.mark.parametrize(
    "store", [name for name in STORES if not name.startswith("mirror")], indirect=True
)
"""For what never asks for the nearest: all else a mirror hands to its store."""


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = STORES[request.param](tmp_path)
    made.add_card(CARD)
    yield made
    made.close()


def asset(number: int, metadata: Metadata | None = None, uri: str = "") -> Asset:
    return Asset(
        uri=uri or f"/pictures/{number // 10}/img{number}.jpg",
        size=1000 + number,
        modified=datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=number, microseconds=number),
        id=f"asset{number:05d}",
        media="image/png" if number % 3 else "image/jpeg",
        sha256=f"{number:064x}",
        metadata=metadata or {},
    )


def vectors(count: int, seed: int = 0, dim: int = DIM) -> np.ndarray[Any, np.dtype[np.float32]]:
    raw = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True), np.float32)


def row(of: Asset, vector: Vector, part: int = 0) -> Row:
    return Row(f"{of.id}#{part}", Origin(of.id), vector)


def batch(assets: list[Asset], seed: int = 0) -> Batch:
    several = vectors(len(assets), seed)
    return Batch(
        assets=assets,
        rows={SPACE: [row(a, v) for a, v in zip(assets, several, strict=True)]},
        thumbnails={a.id: f"thumbnail of {a.id}".encode() for a in assets},
    )


def by_hand(store: Store, query: Vector, k: int, ids: set[str]) -> list[tuple[str, float]]:
    """The k nearest rows of these assets by a plain loop, ties by row id."""
    rows = store.rows(SPACE, ids)
    scored = [(-math.fsum(map(float, r.vector * query)), r.id) for r in rows]
    return [(name, -negative) for negative, name in sorted(scored)[:k]]


def assert_nearest(store: Store, query: Vector, k: int, ids: set[str], where: Filter | None = None) -> None:
    expected = by_hand(store, query, k, ids)
    found = store.nearest(SPACE, query, k, where)
    assert [m.row.id for m in found] == [name for name, _ in expected]
    np.testing.assert_allclose([m.similarity for m in found], [s for _, s in expected], atol=SIMILARITY)


# --- attachments


@not_mirrored
def test_attachments_come_back_by_name_and_go_with_their_asset(store: Store) -> None:
    store.write(batch([asset(1), asset(2)]))
    assert store.attachments("asset00001") == {}
    assert store.attached("track") == set()
    frames = {"frame-0.000": b"first", "frame-1.500": b"second", "track": bytes(range(256))}
    store.write(Batch(attachments={"asset00001": frames, "asset00002": {"track": b""}}))
    assert store.attachments("asset00001") == frames
    assert store.attachments("asset00001", ["track", "nothing"]) == {"track": bytes(range(256))}
    assert store.attachments("asset00001", []) == {}
    assert store.attachments("nobody") == {}
    assert store.attached("track") == {"asset00001", "asset00002"}
    assert store.attached("it's") == set()
    store.write(Batch(attachments={"asset00001": {"track": b"new", "face-1": b"face"}}))
    assert store.attachments("asset00001") == {**frames, "track": b"new", "face-1": b"face"}
    store.optimize()
    assert store.remove(["asset00001"]) == 1
    assert store.attachments("asset00001") == {}
    assert store.attached("track") == {"asset00002"}
    assert list(store.check()) == []


@not_mirrored
def test_attachments_of_many_assets_come_in_one_go(store: Store) -> None:
    assert store.attachments_of(["asset00001"]) == {}
    several = {a.id: {"track": a.id.encode(), "face-1": b""} for a in map(asset, range(5))}
    store.write(replace(batch([asset(n) for n in range(7)]), attachments=several))
    assert store.attachments_of(["nobody", *several]) == several
    assert store.attachments_of(["asset00003", "asset00006"]) == {"asset00003": several["asset00003"]}
    assert store.attachments_of([]) == {}


@not_mirrored
def test_of_an_asset_whose_content_is_new_nothing_earlier_stays(store: Store) -> None:
    other = replace(CARD, name="faces")
    store.add_card(other)
    first, second = asset(1), asset(2)
    store.write(batch([first, second]))
    faces = {a.id: {"face-1": b"face", other.space: b""} for a in (first, second)}
    rows = [
        Row(f"{a.id}:face-1", Origin(a.id, "face"), v)
        for a, v in zip((first, second), vectors(2), strict=True)
    ]
    store.write(Batch(rows={other.space: rows}, attachments=faces))
    store.write(
        replace(batch([first], seed=3), changed=[first.id, "nobody"], attachments={first.id: {"x": b"y"}})
    )
    assert store.encoded(other.space) == {second.id}
    assert store.encoded(SPACE) == {first.id, second.id}
    assert store.attachments(first.id) == {"x": b"y"}
    assert store.attachments(second.id) == faces[second.id]
    assert store.rows(SPACE, [first.id])[0].vector == pytest.approx(vectors(1, 3)[0])


@not_mirrored
def test_attachments_of_assets_that_never_came_are_mended(store: Store) -> None:
    store.write(batch([asset(1)]))
    store.write(Batch(attachments={"gone": {"track": b"x"}, "asset00001": {"track": b"y"}}))
    assert [(p.kind, p.count) for p in store.check()] == [("orphan attachments", 1)]
    store.repair()
    assert list(store.check()) == []
    assert store.attached("track") == {"asset00001"}


# --- sidecars, and what a store lacks


@not_mirrored
def test_sidecars_are_there_whole_or_not_at_all(store: Store) -> None:
    files = store.sidecars
    assert files.read("people.json") is None
    assert files.stamp("people.json") is None
    assert list(files.names()) == []
    large = np.random.default_rng(0).bytes(300_000)
    files.write("people.json", "é")
    files.write("learned/words-1.npz", large)
    files.write("duplicates/not-duplicates.json", b"")
    files.write("regions", "objects\n")
    first = files.stamp("people.json")
    assert first is not None
    assert first == files.stamp("people.json")
    assert files.read("people.json") == "é".encode()
    assert files.read("learned/words-1.npz") == large
    assert files.read("duplicates/not-duplicates.json") == b""
    files.write("people.json", b"\0other")
    assert files.stamp("people.json") != first
    assert files.read("people.json") == b"\0other"
    names = ["duplicates/not-duplicates.json", "learned/words-1.npz", "people.json", "regions"]
    assert list(files.names()) == names
    store.write(batch([asset(1)]))
    assert list(files.names()) == names, "a store's own files are none of the library's"
    files.remove("learned/words-1.npz")
    files.remove("learned/words-1.npz")
    assert files.read("learned/words-1.npz") is None
    assert files.where("people.json").endswith("people.json")


@not_mirrored
def test_what_a_store_lacks_it_refuses_in_a_sentence(store: Store) -> None:
    calls: dict[str, Callable[[], object]] = {
        "purge": lambda: store.purge(),
        "contents": lambda: list(store.contents()),
        "full_text": lambda: store.full_text("dog", 1),
    }
    assert set(store.lacks) <= set(calls), "what it lacks otherwise has no test"
    for name in store.lacks:
        with pytest.raises(Unsupported, match=re.escape(store.lacks[name])):
            calls[name]()


@not_mirrored
def test_one_writer_holds_a_store(store: Store) -> None:
    with store.locked(0):
        store.write(batch([asset(1)]))
    with store.locked(0):
        assert store.count() == 1


# --- assets, rows, thumbnails, failures


def test_an_empty_store_answers_everything(store: Store) -> None:
    assert list(store.assets()) == []
    assert store.count() == 0
    assert store.get(["a"]) == {}
    assert store.find("/x") is None
    assert store.encoded(SPACE) == set()
    assert store.thumbnails(["a"]) == {}
    assert list(store.rows(SPACE, ["a"])) == []
    assert list(store.nearest(SPACE, vectors(1)[0], 5)) == []
    assert list(store.failures()) == []
    assert store.remove(["a"]) == 0
    assert list(store.check()) == []
    assert store.status()[SPACE].rows == 0
    store.update([asset(1)])
    store.write(Batch())
    store.clear_failures([])
    store.optimize()
    assert store.count() == 0


@not_mirrored
def test_what_was_written_comes_back(store: Store) -> None:
    assets = [asset(i) for i in range(25)]
    written = batch(assets)
    store.write(written)
    assert {a.id: a for a in store.assets()} == {a.id: a for a in assets}
    assert store.get(["asset00003", "nobody"]) == {"asset00003": assets[3]}
    assert store.find(assets[7].uri) == assets[7]
    assert store.find("/pictures/0/IMG7.jpg") is None
    assert store.thumbnails([assets[3].id, "nobody"]) == {assets[3].id: written.thumbnails[assets[3].id]}
    assert store.encoded(SPACE) == {a.id for a in assets}
    assert store.count() == 25
    assert store.status()[SPACE].rows == 25


def test_rows_keep_their_origin_and_vector(store: Store) -> None:
    video = asset(1)
    origins = [
        Origin(video.id, "frame", time=12.5, label="scene ü", end=14 + 1 / 3),
        Origin(video.id, "face", box=(0.1, 0.2, 1 / 3, 0.9), time=0.0),
        Origin(video.id),
    ]
    frames = [Row(f"r{i}", origin, v) for i, (origin, v) in enumerate(zip(origins, vectors(3), strict=True))]
    store.write(Batch([video], {SPACE: frames}))
    back = {r.id: r for r in store.rows(SPACE, [video.id])}
    assert {r.id: r.origin for r in frames} == {name: r.origin for name, r in back.items()}
    for wrote in frames:
        assert back[wrote.id].vector.dtype == np.float32
        np.testing.assert_array_equal(back[wrote.id].vector, wrote.vector)
    match = store.nearest(SPACE, frames[1].vector, 1)[0]
    assert match.row.origin == frames[1].origin
    np.testing.assert_array_equal(match.row.vector, frames[1].vector)


def test_the_same_batch_twice_counts_once(store: Store) -> None:
    written = batch([asset(i, {"year": i}) for i in range(30)])
    store.write(written)
    store.write(written)
    assert store.count() == 30
    assert len(store.rows(SPACE, [a.id for a in written.assets])) == 30
    assert len(store.nearest(SPACE, vectors(1)[0], 100)) == 30
    assert store.status()[SPACE].rows == 30
    assert len(store.thumbnails([a.id for a in written.assets])) == 30


def test_one_id_twice_in_a_batch_counts_once_and_the_last_stands(store: Store) -> None:
    first, second = asset(1, {"n": 1}), asset(1, {"n": 2})
    a, b = vectors(2)
    store.write(Batch([first, second], {SPACE: [row(first, a), row(first, b)]}))
    assert list(store.assets()) == [second]
    assert len(store.nearest(SPACE, b, 5)) == 1
    assert store.nearest(SPACE, b, 5)[0].similarity == pytest.approx(1)


def test_new_rows_of_an_asset_replace_its_old_ones(store: Store) -> None:
    one, other = asset(1), asset(2)
    v = vectors(6)
    store.write(Batch([one, other], {SPACE: [row(one, v[0], 0), row(one, v[1], 1), row(other, v[2])]}))
    store.write(Batch([replace(one, size=7)], {SPACE: [row(one, v[3], 1), row(one, v[4], 5)]}))
    assert {r.id for r in store.rows(SPACE, [one.id])} == {f"{one.id}#1", f"{one.id}#5"}
    assert {r.id for r in store.rows(SPACE, [other.id])} == {f"{other.id}#0"}
    assert store.get([one.id])[one.id].size == 7
    assert_nearest(store, v[0], 10, {one.id, other.id})


def test_an_asset_may_be_written_without_rows_and_keeps_those_it_has(store: Store) -> None:
    store.write(batch([asset(1)]))
    store.write(Batch([asset(1, {"tag": "new"})]))
    assert len(store.rows(SPACE, ["asset00001"])) == 1
    assert len(store.nearest(SPACE, vectors(1)[0], 5)) == 1


def test_update_changes_facts_and_metadata_and_leaves_vectors(store: Store) -> None:
    assets = [asset(i, {"color": "red", "year": 2000 + i}) for i in range(10)]
    store.write(batch(assets))
    moved = replace(assets[4], uri="/elsewhere/x.png", size=5, metadata={"color": "blue", "new": True})
    store.update([moved, asset(99)])
    assert store.get([moved.id])[moved.id] == moved
    assert store.count() == 10
    assert store.find("/elsewhere/x.png") == moved
    assert store.find(assets[4].uri) is None
    query = vectors(1, seed=5)[0]
    assert_nearest(store, query, 5, {moved.id}, parse_filter("color = 'blue'"))
    assert_nearest(store, query, 5, {moved.id}, parse_filter("folder = '/elsewhere'"))
    assert_nearest(store, query, 20, {a.id for a in assets} - {moved.id}, parse_filter("year >= 0"))
    assert store.thumbnails([moved.id])


@not_mirrored
def test_update_keeps_media_and_hash(store: Store) -> None:
    store.write(batch([asset(1)]))
    store.update([replace(asset(1), media="", sha256="")])
    assert store.get(["asset00001"])["asset00001"] == asset(1)


def test_update_reaches_every_row_of_an_asset(store: Store) -> None:
    film = asset(1, {"kind": "film"})
    store.write(Batch([film], {SPACE: [row(film, v, i) for i, v in enumerate(vectors(5))]}))
    store.update([replace(film, metadata={"kind": "clip"})])
    assert len(store.nearest(SPACE, vectors(1)[0], 9, parse_filter("kind = 'clip'"))) == 5
    assert not store.nearest(SPACE, vectors(1)[0], 9, parse_filter("kind = 'film'"))


def test_remove_takes_rows_and_thumbnails_along(store: Store) -> None:
    assets = [asset(i) for i in range(10)]
    store.write(batch(assets))
    assert store.remove(["asset00003", "asset00004", "nobody", "asset00003"]) == 2
    left = {a.id for a in assets} - {"asset00003", "asset00004"}
    assert {a.id for a in store.assets()} == store.encoded(SPACE) == left
    assert store.thumbnails(["asset00003"]) == {}
    assert_nearest(store, vectors(1)[0], 20, left)
    assert list(store.check()) == []


@not_mirrored
def test_ids_and_uris_may_hold_any_text(store: Store) -> None:
    odd = [
        replace(asset(i), id=f"{i}{text}", uri=f"/p/{text}/{text}.jpg")
        for i, text in enumerate(["it's", 'say "hi"', "a\\b", "100%_sure", "日本 🏔", "-- drop", "\uf7e9"])
    ]
    store.write(batch(odd))
    assert {a.id: a for a in store.assets()} == {a.id: a for a in odd}
    for a in odd:
        assert store.find(a.uri) == a
        assert len(store.rows(SPACE, [a.id])) == 1
        assert store.count(Compare("path", "=", a.uri)) == 1
    assert store.remove([odd[0].id]) == 1


@not_mirrored
def test_failures_are_kept_once_for_each_uri(store: Store) -> None:
    at = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    first = Failure("/bad's.jpg", "decode", "truncated", 12, at)
    other = Failure("/worse.jpg", "read", "denied")
    store.write(Batch(failures=[first, other]))
    again = replace(first, error="still truncated")
    store.write(Batch(failures=[again]))
    assert {f.uri: f for f in store.failures()} == {again.uri: again, other.uri: other}
    store.clear_failures([other.uri, "/never"])
    assert list(store.failures()) == [again]
    store.write(batch([asset(1, uri=first.uri)]))
    assert list(store.failures()) == []


def assert_listing(store: Store, where: Filter | None = None) -> None:
    expected = sorted((a.uri, a.id) for a in store.assets(where))
    found = store.listing(where)
    assert list(found) == expected
    assert len(found) == len(expected)
    assert [found[n] for n in range(len(found))] == expected
    for part in (slice(2, 5), slice(-3, None), slice(None, None, 3), slice(4, 1), slice(90, 99)):
        assert list(found[part]) == expected[part]


@not_mirrored
def test_a_listing_is_ordered_by_uri(store: Store) -> None:
    assert list(store.listing()) == []
    names = ["b", "B", "a b", "a", "ä", "日本", "\uf7e9", "🏔", "it's", "a/b", "A%", "ab", "\U0010ffff", "~"]
    odd = [replace(asset(i, {"n": i}), uri=f"/p/{name}") for i, name in enumerate(names)]
    twins = [replace(asset(50 - i), uri="/p/twin") for i in range(3)]
    store.write(batch(odd + twins))
    assert_listing(store)
    assert_listing(store, parse_filter("n > 3"))
    assert_listing(store, parse_filter("n > 99"))
    with pytest.raises(IndexError):
        store.listing()[len(names) + 3]


@not_mirrored
def test_a_listing_follows_what_happens_to_assets(store: Store) -> None:
    where = parse_filter("size < 1005")
    store.write(batch([asset(i) for i in range(9)]))
    assert [i for _, i in store.listing(where)] == [asset(i).id for i in range(5)]
    store.write(batch([asset(3, uri="/zoo.jpg")]))
    assert_listing(store)
    store.update([replace(asset(0), size=5_000), asset(99)])
    assert [i for _, i in store.listing(where)] == [asset(i).id for i in (1, 2, 4, 3)]
    assert len(store.listing()) == 9
    store.remove([asset(1).id])
    store.optimize()
    assert [i for _, i in store.listing(where)] == [asset(i).id for i in (2, 4, 3)]
    assert_listing(store)


@not_mirrored
def test_a_listing_is_as_it_was_asked_for(store: Store) -> None:
    store.write(batch([asset(1), asset(2)]))
    before = store.listing()
    store.remove([asset(1).id])
    assert [i for _, i in before] == [asset(1).id, asset(2).id]
    with pytest.raises(QueryError, match="colour"):
        store.listing(Compare("colour", "=", "red"))


# --- columns


@not_mirrored
def test_columns_grow_and_facts_stand_last(store: Store) -> None:
    assert list(store.columns()) == ["path", "name", "folder", "media", "size", "modified", "tag"]
    store.write(batch([asset(1, {"year": 2001, "empty": None})]))
    store.write(batch([asset(2, {"day": date(2020, 1, 2), "at": datetime(2020, 1, 2, tzinfo=UTC)})]))
    store.write(batch([asset(3, {"ok": False, "share": 0.5, "words": "a b", "size": 3})]))
    kinds = dict(store.columns())
    assert kinds.pop("size") == "integer"
    assert kinds == {
        "year": "integer",
        "day": "date",
        "at": "time",
        "ok": "boolean",
        "share": "number",
        "words": "text",
        "path": "text",
        "name": "text",
        "folder": "text",
        "media": "text",
        "modified": "time",
        "tag": "tags",
    }
    assert list(store.columns())[-6:] == ["path", "name", "folder", "media", "modified", "tag"]
    assert store.get(["asset00001"])["asset00001"].metadata == {"year": 2001}


def test_an_integer_column_widens_to_number(store: Store) -> None:
    store.write(batch([asset(1, {"n": 3}), asset(2)]))
    store.write(batch([asset(3, {"n": 2.5}), asset(4, {"n": 7})]))
    assert store.columns()["n"] == "number"
    found = {a.id: a.metadata.get("n") for a in store.assets()}
    assert found == {"asset00001": 3.0, "asset00002": None, "asset00003": 2.5, "asset00004": 7.0}
    assert all(isinstance(value, float) for value in found.values() if value is not None)
    assert len(store.nearest(SPACE, vectors(1)[0], 9, parse_filter("n >= 2.5 and n < 7"))) == 2
    store.write(batch([asset(5, {"n": 2**70})]))
    assert store.get(["asset00005"])["asset00005"].metadata == {"n": float(2**70)}


@not_mirrored
def test_an_integer_column_widens_through_update_too(store: Store) -> None:
    store.write(batch([asset(1, {"n": 3})]))
    store.update([asset(1, {"n": 3.5})])
    assert store.count(parse_filter("n = 3.5")) == 1


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (1, "x", ("'c'", "whole numbers", "text")),
        ("x", 1.5, ("'c'", "text", "number")),
        (True, 1, ("'c'", "true or false", "integer")),
        (1, True, ("'c'", "whole numbers", "boolean")),
        (date(2020, 1, 1), datetime(2020, 1, 1, tzinfo=UTC), ("'c'", "dates", "time")),
        (1, b"x", ("'c'", "bytes")),
        (1, datetime(2020, 1, 1), ("'c'", "2020")),
        ("x", "\udc80", ("'c'", "Unicode")),
    ],
)
@not_mirrored
def test_a_value_of_another_kind_is_refused_and_nothing_is_written(
    store: Store, first: Any, second: Any, words: tuple[str, ...]
) -> None:
    store.write(batch([asset(1, {"c": first})]))
    with pytest.raises(UsageError) as caught:
        store.write(batch([asset(2), asset(3, {"c": second})]))
    for word in (*words, "/pictures/0/img3.jpg"):
        assert word in str(caught.value)
    assert store.count() == 1
    assert store.get(["asset00001"])["asset00001"].metadata == {"c": first}


@not_mirrored
def test_nan_and_null_are_no_values(store: Store) -> None:
    numbers: list[dict[str, Any]] = [{"x": math.nan, "y": None}, {"x": math.inf}, {"x": -1.0}]
    store.write(batch([asset(i + 1, metadata) for i, metadata in enumerate(numbers)]))
    assert store.get(["asset00001"])["asset00001"].metadata == {}
    assert "y" not in store.columns()
    assert store.count(IsNull("x")) == 1
    assert store.count(Compare("x", ">", 0.0)) == 1
    assert store.get(["asset00002"])["asset00002"].metadata == {"x": math.inf}
    assert store.count(Compare("x", "<", 1e308)) == 1


@not_mirrored
def test_times_are_instants(store: Store) -> None:
    there = datetime(2020, 6, 1, 2, 0, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    store.write(batch([asset(1, {"at": there}), asset(2, {"at": datetime(1901, 1, 1, tzinfo=UTC)})]))
    back = store.get(["asset00001"])["asset00001"].metadata["at"]
    assert isinstance(back, datetime)
    assert back == there
    assert back.utcoffset() == timedelta(0)
    assert store.count(Compare("at", "=", there)) == 1
    assert store.count(Compare("at", "<", datetime(1970, 1, 1, tzinfo=UTC))) == 1


ODD_NAMES = [
    "Main Color",
    "a.b",
    "a_b",
    "A_B",
    "it's",
    'the "best"',
    "`tick`",
    "back\\slash",
    "select",
    "NULL",
    "名前",
    "Ärger",
    "",
    " ",
    "100%",
    "x; DROP TABLE assets",
    "integer_year",
    "asset_id",
    "row_id",
    "vector",
    "part",
    "uri",
    "_distance",
    "_rowid",
    "\n",
]


def test_column_names_are_any_text(store: Store) -> None:
    metadata = {name: i for i, name in enumerate(ODD_NAMES)}
    store.write(batch([asset(1, metadata), asset(2)]))
    assert set(ODD_NAMES) <= set(store.columns())
    assert store.get(["asset00001"])["asset00001"].metadata == metadata
    for name, value in metadata.items():
        assert store.count(Compare(name, "=", value)) == 1, name
        assert store.count(IsNull(name)) == 1, name
        found = store.nearest(SPACE, vectors(1)[0], 5, Compare(name, "=", value))
        assert [m.row.asset_id for m in found] == ["asset00001"], name


@not_mirrored
def test_a_metadata_column_shadows_the_fact_of_its_name(store: Store) -> None:
    store.write(batch([asset(1, {"size": "large", "name": 5}), asset(2)]))
    assert store.columns()["size"] == "text"
    assert store.count(Compare("size", "=", "large")) == 1
    assert store.count(IsNull("size")) == 1
    assert store.count(Compare("name", "=", 5)) == 1
    assert store.get(["asset00001"])["asset00001"].size == 1001
    with pytest.raises(QueryError):
        store.count(Compare("size", ">", 3))


def test_facts_can_be_filtered_by(store: Store) -> None:
    uris = ["/a/b/cat.jpg", "/a/dog.png", "/a/zoo.zip!/birds/owl.jpg", "/a/zoo.zip!/top.jpg", "/root.jpg"]
    assets = [asset(i, uri=uri) for i, uri in enumerate(uris)]
    store.write(batch(assets))

    def numbers(text: str) -> list[int]:
        found = sorted(int(a.id[5:]) for a in store.assets(parse_filter(text)))
        matched = {m.row.asset_id for m in store.nearest(SPACE, vectors(1)[0], 9, parse_filter(text))}
        assert matched == {assets[n].id for n in found}
        assert store.count(parse_filter(text)) == len(found)
        return found

    assert numbers("folder = '/a'") == [1]
    assert numbers("folder = '/a/zoo.zip'") == [3]
    assert numbers("folder = '/a/zoo.zip!/birds'") == [2]
    assert numbers("folder = ''") == [4]
    assert numbers("name like '%.JPG'") == [0, 2, 3, 4]
    assert numbers("path = '/a/dog.png'") == [1]
    assert numbers("media = 'image/jpeg'") == [0, 3]
    assert numbers("size >= 1003") == [3, 4]
    assert numbers("modified < '2020-01-02'") == [0]


# --- filters against a plain loop

TEXTS = [None, "red", "Red", "RED car", "it's", "100%", "a_b", "a\\b", "", "日本", "Ärger", "line\nbreak"]
NUMBERS = [None, 0.0, -0.0, 1.5, -2.25, 1e300, -1e-300, math.inf, -math.inf, 3.0, 0.1]
INTEGERS = [None, 0, 1, -1, 7, 2**53 + 1, -(2**63), 2**63 - 1, 3]
DATES = [None, date(1, 1, 1), date(1969, 12, 31), date(2020, 2, 29), date(9999, 12, 31)]
TIMES = [None] + [
    datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]
    for parts in [(1, 1, 1), (1960, 1, 1), (2020, 2, 29, 12, 30, 15, 999999), (2020, 2, 29), (9999, 12, 30)]
]
KINDS: dict[str, list[Any]] = {
    "Words": TEXTS,
    "share": NUMBERS,
    "n": INTEGERS,
    "day": DATES,
    "at": TIMES,
    "ok": [None, True, False],
}


def random_metadata(count: int, seed: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    return [{k: v[random.integers(len(v))] for k, v in KINDS.items()} for _ in range(count)]


def passes(tree: Filter, values: Mapping[str, Any]) -> bool | None:
    """SQL's three-valued logic, said once more and as plainly as can be."""
    match tree:
        case And(parts):
            answers = [passes(part, values) for part in parts]
            return False if False in answers else None if None in answers else True
        case Or(parts):
            answers = [passes(part, values) for part in parts]
            return True if True in answers else None if None in answers else False
        case Not(part):
            answer = passes(part, values)
            return None if answer is None else not answer
        case IsNull(column):
            return values.get(column) is None
        case _:
            value = values.get(tree.column)
            return None if value is None else holds(tree, value)


def holds(leaf: Compare | In | Like, value: Any) -> bool:
    match leaf:
        case Compare(_, operator, literal):
            order = (value > literal) - (value < literal)
            signs = {"=": (0,), "!=": (-1, 1), "<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (0, 1)}
            return order in signs[operator]
        case In(_, values):
            return any(value == literal for literal in values)
        case Like(_, pattern):
            return like(value.lower(), pattern.lower())


def like(text: str, pattern: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(like(text[i:], pattern[1:]) for i in range(len(text) + 1))
    return bool(text) and pattern[0] in ("_", text[0]) and like(text[1:], pattern[1:])


def literals(column: str) -> st.SearchStrategy[Any]:
    known = st.sampled_from([v for v in KINDS[column] if v is not None and v not in (math.inf, -math.inf)])
    other: dict[str, st.SearchStrategy[Any]] = {
        "Words": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4),
        "share": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5),
        "n": st.integers(-(2**63), 2**63 - 1) | st.floats(-1e9, 1e9) | st.integers(-3, 9),
        "day": st.dates(),
        "at": st.datetimes(
            min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)
        ),
        "ok": st.booleans(),
    }
    return known | other[column]


@st.composite
def leaves(draw: st.DrawFn) -> Filter:
    column = draw(st.sampled_from(sorted(KINDS)))
    form = draw(st.sampled_from(["compare", "compare", "in", "null", "like"]))
    if form == "null":
        return IsNull(column)
    if form == "like":
        return Like("Words", "".join(draw(st.lists(st.sampled_from("%_rE\\'ä0")))))
    if form == "in":
        return In(column, tuple(draw(st.lists(literals(column), min_size=1, max_size=4))))
    signs = ["=", "!="] if column == "ok" else ["=", "!=", "<", "<=", ">", ">="]
    return Compare(column, draw(st.sampled_from(signs)), draw(literals(column)))


def trees() -> st.SearchStrategy[Filter]:
    return st.recursive(
        leaves(),
        lambda parts: (
            st.builds(Not, parts)
            | st.builds(And, st.lists(parts, min_size=1, max_size=3).map(tuple))
            | st.builds(Or, st.lists(parts, min_size=1, max_size=3).map(tuple))
        ),
        max_leaves=6,
    )


@pytest.fixture(scope="module", params=NEAR)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """120 assets of random metadata with many nulls, two rows each."""
    made = STORES[request.param](tmp_path_factory.mktemp("filled"))
    made.add_card(CARD)
    assets = [asset(i, m) for i, m in enumerate(random_metadata(120, seed=1))]
    pairs = vectors(240).reshape(120, 2, DIM)
    rows = [row(a, v, part) for a, two in zip(assets, pairs, strict=True) for part, v in enumerate(two)]
    made.write(Batch(assets[:70], {SPACE: [r for r in rows if r.asset_id < "asset00070"]}))
    made.write(Batch(assets[70:], {SPACE: [r for r in rows if r.asset_id >= "asset00070"]}))
    yield made
    made.close()


EVERY_NODE = [
    Compare("n", "=", 7),
    Compare("n", "!=", 7),
    Compare("n", "<", 2**53 + 1),
    Compare("n", "<=", 2**53 + 1),
    Compare("n", ">", 0.5),
    Compare("n", ">=", -0.5),
    Compare("n", "=", 0.5),
    Compare("n", "!=", 0.5),
    Compare("n", "<=", 2**63 - 1),
    Compare("n", ">", -(2**63)),
    Compare("share", "=", 0),
    Compare("share", "<", 0.1),
    Compare("share", ">=", 1e300),
    Compare("share", "<", 5e-324),
    Compare("Words", "=", "it's"),
    Compare("Words", ">", "Z"),
    Compare("Words", "!=", ""),
    Compare("day", ">", date(1969, 12, 31)),
    Compare("at", "=", datetime(2020, 2, 29, 12, 30, 15, 999999, tzinfo=UTC)),
    Compare("ok", "=", False),
    In("Words", ("red", "100%", "nowhere")),
    Not(In("n", (0, 7, 1.0))),
    Like("Words", "RE_%"),
    Like("Words", "%\\%"),
    Like("Words", "_"),
    Like("Words", "%'%"),
    Like("Words", "ä%"),
    Like("Words", "line%k"),
    Like("Words", ""),
    Not(Like("Words", "%")),
    IsNull("day"),
    Not(IsNull("day")),
    Not(Compare("ok", "=", True)),
    And((IsNull("n"), IsNull("share"))),
    Or((Compare("ok", "=", True), IsNull("ok"), Compare("n", "<", 0))),
    Not(And((Compare("n", ">", 0), Compare("share", ">", 0.0)))),
    Not(Or((Compare("n", ">", 0), Compare("share", ">", 0.0)))),
]


def assert_filters(store: Store, tree: Filter) -> None:
    expected = {a.id for a in store.assets() if passes(tree, dict(a.metadata)) is True}
    assert {a.id for a in store.assets(tree)} == expected
    assert {i for _, i in store.listing(tree)} == expected
    assert store.count(tree) == len(expected)
    assert_nearest(store, vectors(1, seed=9)[0], 7, expected, tree)


@pytest.mark.parametrize("tree", EVERY_NODE, ids=str)
def test_each_node_answers_as_a_plain_loop(filled: Store, tree: Filter) -> None:
    assert_filters(filled, tree)


def examples(store: Store, most: int) -> settings:
    """So many, and fewer of a store that each answer has to come from over a network."""
    far = type(store).__module__.startswith("findalike.store.milvus")
    return settings(max_examples=most // 5 if far else most, deadline=None, derandomize=True)


def test_random_filters_answer_as_a_plain_loop(filled: Store) -> None:
    @examples(filled, 150)
    @given(tree=trees())
    def ask(tree: Filter) -> None:
        assert_filters(filled, tree)

    ask()


def test_a_filter_names_columns_that_are_there(filled: Store) -> None:
    for ask in (
        lambda: filled.count(Compare("colour", "=", "red")),
        lambda: list(filled.assets(Compare("colour", "=", "red"))),
        lambda: filled.nearest(SPACE, vectors(1)[0], 3, Compare("colour", "=", "red")),
    ):
        with pytest.raises(QueryError, match="colour"):
            ask()
    with pytest.raises(QueryError):
        filled.count(Compare("n", "=", "seven"))


# --- nearest


def test_nearest_is_exact(store: Store) -> None:
    assets = [asset(i, {"even": i % 2 == 0}) for i in range(300)]
    store.write(batch(assets[:200]))
    store.write(batch(assets[200:], seed=1))
    every, even = {a.id for a in assets}, {a.id for a in assets if a.metadata["even"]}
    for query in vectors(5, seed=2):
        assert_nearest(store, query, 10, every)
        assert_nearest(store, query, 10, even, parse_filter("even = true"))
    assert_nearest(store, vectors(1, seed=3)[0], 1000, every)
    assert_nearest(store, vectors(1, seed=3)[0], 1, every)
    assert list(store.nearest(SPACE, vectors(1)[0], 0)) == []


def test_a_match_brings_its_asset_as_it_is_now(store: Store) -> None:
    assets = [asset(i, {"year": 2000 + i, "note": f"it's {i}"}) for i in range(6)]
    store.write(batch(assets))
    moved = replace(assets[2], uri="/elsewhere/2.jpg", metadata={"note": "moved", "place": 1.5})
    store.update([moved])
    expected = {a.id: a for a in (*assets[:2], moved, *assets[3:])}
    matches = store.nearest(SPACE, vectors(1, seed=3)[0], 6)
    assert {m.row.asset_id: m.asset for m in matches} == expected


def test_the_length_of_the_query_does_not_count(store: Store) -> None:
    store.write(batch([asset(i) for i in range(20)]))
    query = vectors(1, seed=4)[0]
    once, thrice = store.nearest(SPACE, query, 5), store.nearest(SPACE, query * 3, 5)
    assert [m.row.id for m in once] == [m.row.id for m in thrice]
    assert once[0].similarity == pytest.approx(thrice[0].similarity, abs=SIMILARITY)


@pytest.mark.parametrize("count", [1, 2, 3, 13, 27, 31, 59, 61])
def test_equal_rows_are_equally_near_wherever_they_stand(store: Store, count: int) -> None:
    same, query = vectors(2)
    assets = [asset(i) for i in range(count)]
    store.write(Batch(assets, {SPACE: [row(a, same) for a in assets]}))
    found = store.nearest(SPACE, query, 99)
    assert [m.row.asset_id for m in found] == [a.id for a in assets]
    assert len({m.similarity for m in found}) == 1


def test_equal_rows_come_by_row_id_and_are_cut_by_it(store: Store) -> None:
    same, other = vectors(2)
    assets = [asset(i) for i in range(60)]
    shuffled = [assets[i] for i in np.random.default_rng(0).permutation(60)]
    rows = [row(a, other if a.id == "asset00059" else same) for a in shuffled]
    store.write(Batch(shuffled[:30], {SPACE: rows[:30]}))
    store.write(Batch(shuffled[30:], {SPACE: rows[30:]}))
    found = store.nearest(SPACE, same, 7)
    assert [m.row.asset_id for m in found] == [f"asset{i:05d}" for i in range(7)]
    assert {round(m.similarity, 5) for m in found} == {1.0}


def test_similarity_of_the_opposite_is_minus_one(store: Store) -> None:
    vector = vectors(1)[0]
    store.write(Batch([asset(1)], {SPACE: [row(asset(1), vector)]}))
    assert store.nearest(SPACE, -vector, 1)[0].similarity == pytest.approx(-1)


@pytest.mark.parametrize("bad", [np.zeros(DIM), np.full(DIM, np.nan), np.full(DIM, np.inf)])
def test_a_query_without_direction_is_refused(store: Store, bad: Any) -> None:
    with pytest.raises(UsageError):
        store.nearest(SPACE, bad.astype(np.float32), 3)


def test_rows_whose_asset_is_gone_never_come_back_or_shorten_the_answer(store: Store) -> None:
    assets = [asset(i) for i in range(10)]
    store.write(batch(assets))
    query = vectors(1, seed=7)[0]
    ghosts = [Row(f"ghost{i}", Origin(f"gone{i}"), query) for i in range(30)]
    store.write(Batch(rows={SPACE: ghosts}, thumbnails={"gone1": b"x"}))
    assert_nearest(store, query, 5, {a.id for a in assets})
    assert len(store.nearest(SPACE, query, 50)) == 10
    assert len(store.nearest(SPACE, query, 50, parse_filter("size >= 0"))) == 10
    assert len(store.nearest(SPACE, query, 50, IsNull("size"))) == 0
    kinds = {problem.kind: problem for problem in store.check()}
    assert kinds["orphan rows"].count == 30
    assert kinds["orphan thumbnails"].count == 1
    assert all(problem.repairable for problem in kinds.values())
    assert {problem.kind for problem in store.repair()} == {"orphan rows", "orphan thumbnails"}
    assert list(store.check()) == []
    assert store.count() == 10
    assert store.status()[SPACE].rows == 10


@not_mirrored
def test_check_names_assets_without_rows_or_thumbnail(store: Store) -> None:
    store.write(Batch([asset(1), asset(2)], thumbnails={"asset00001": b"x"}))
    kinds = {problem.kind: problem for problem in store.check()}
    assert kinds["missing rows"].count == 2
    assert kinds["missing thumbnails"].count == 1
    assert not any(problem.repairable for problem in kinds.values())
    assert list(store.repair()) == []
    assert store.count() == 2


# --- cards and spaces


def test_spaces_are_apart(store: Store) -> None:
    faces = Card("faces", "2", 4, dtype="float16")
    store.write(batch([asset(i, {"n": i}) for i in range(5)]))
    store.add_card(faces)
    assert list(store.cards()) == [SPACE, faces.space]
    assert store.encoded(faces.space) == set()
    rows = [Row(f"f{i}", Origin(f"asset{i:05d}", "face"), v) for i, v in enumerate(vectors(3, dim=4))]
    store.write(Batch(rows={faces.space: rows}))
    assert store.encoded(faces.space) == {"asset00000", "asset00001", "asset00002"}
    assert len(store.rows(SPACE, ["asset00000"])) == 1
    found = store.nearest(faces.space, rows[2].vector, 9, parse_filter("n >= 1"))
    assert found[0].row.id == "f2"
    assert {m.row.id for m in found} == {"f1", "f2"}
    assert found[0].similarity == pytest.approx(1, abs=1e-3)
    assert list(store.check()) == [p for p in store.check() if p.kind == "missing thumbnails"]


def test_the_same_card_again_changes_nothing(store: Store) -> None:
    store.write(batch([asset(1)]))
    store.add_card(CARD)
    store.add_card(replace(CARD, preprocessing={"size": [224, 224]}))
    assert store.count() == 1
    assert len(store.nearest(SPACE, vectors(1)[0], 2)) == 1


@not_mirrored
def test_calibration_may_be_refined(store: Store) -> None:
    finer = replace(CARD, calibration=((0.0, 0.0), (1.0, 1.0)))
    store.add_card(finer)
    assert store.cards()[SPACE].calibration == finer.calibration


@pytest.mark.parametrize(
    "change",
    [{"dim": 8}, {"metric": "l2"}, {"preprocessing": {}}, {"pooling": "gem"}, {"sha256": "ff"}],
    ids=lambda change: next(iter(change)),
)
@not_mirrored
def test_another_card_of_the_same_space_is_refused(store: Store, change: dict[str, Any]) -> None:
    with pytest.raises(LibraryMismatch, match=next(iter(change))):
        store.add_card(replace(CARD, **change))
    assert dict(store.cards())[SPACE].dim == DIM


def test_vectors_of_another_space_or_size_are_refused(store: Store) -> None:
    a = asset(1)
    with pytest.raises(LibraryMismatch, match="nowhere"):
        store.write(Batch([a], {"nowhere@1-float32": [row(a, vectors(1)[0])]}))
    with pytest.raises(LibraryMismatch, match="shape"):
        store.write(Batch([a], {SPACE: [row(a, vectors(1, dim=4)[0])]}))
    assert store.count() == 0
    with pytest.raises(LibraryMismatch, match="shape"):
        store.nearest(SPACE, vectors(1, dim=4)[0], 3)
    for ask in (
        lambda: store.nearest("nowhere", vectors(1)[0], 3),
        lambda: store.encoded("nowhere"),
        lambda: store.rows("nowhere", ["a"]),
    ):
        with pytest.raises(LibraryMismatch, match="nowhere"):
            ask()


def test_optimize_changes_no_answer(store: Store) -> None:
    assets = [asset(i, {"n": i}) for i in range(40)]
    for start in range(0, 40, 10):
        store.write(batch(assets[start : start + 10], seed=start))
    store.remove(["asset00001"])
    said: list[str] = []
    store.optimize(said.append)
    assert all(said)
    left = {a.id for a in assets} - {"asset00001"}
    assert {a.id for a in store.assets()} == left
    assert_nearest(store, vectors(1)[0], 15, left)
    assert_nearest(store, vectors(1)[0], 15, left - {"asset00039"}, parse_filter("n < 39"))


@not_mirrored
def test_a_sample_is_vectors_of_the_space(store: Store) -> None:
    assert store.sample(SPACE, 10).shape == (0, DIM)
    written = batch([asset(i) for i in range(40)])
    store.write(written)
    wrote = {row.vector.tobytes() for row in written.rows[SPACE]}
    for most, count in ((10, 10), (40, 40), (1000, 40)):
        found = store.sample(SPACE, most)
        assert found.shape == (count, DIM)
        assert len({vector.tobytes() for vector in found} & wrote) == count


# --- tags


def tagged(several: Mapping[int, tuple[str, ...]]) -> list[Asset]:
    return [replace(asset(i, {"n": i}), tags=tags) for i, tags in several.items()]


TAGS: dict[int, tuple[str, ...]] = {
    0: ("dog", "Park bench"),
    1: ("Dog",),
    2: ("hot dog", "it's", "100%"),
    3: (),
    4: ("Ärger", "a_b", "a\\b", "日本"),
    5: ("dog park", "bench"),
    6: ("x,y", "[z]", '"q"', ".*", "Straße"),
}


@pytest.fixture(scope="module", params=NEAR)
def kennel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Seven assets with tags, written in three ways."""
    made = STORES[request.param](tmp_path_factory.mktemp("kennel"))
    made.add_card(CARD)
    made.add_bank(BANK)
    assets = tagged(TAGS)
    made.write(batch(assets[:4]))
    made.write(batch([replace(a, tags=("before",)) for a in assets[4:]], seed=1))
    made.put_evidence(BANK.name, {}, {a.id: a.tags for a in assets[4:]})
    yield made
    made.close()


def fits(tree: Filter, tags: tuple[str, ...]) -> bool:
    """What a filter on tags means, said plainly."""
    match tree:
        case And(parts):
            return all(fits(part, tags) for part in parts)
        case Or(parts):
            return any(fits(part, tags) for part in parts)
        case Not(part):
            return not fits(part, tags)
        case IsNull():
            return len(tags) == 0
        case Compare(_, "=", value):
            return value.casefold() in {tag.casefold() for tag in tags}  # type: ignore[union-attr]
        case Compare(_, "!=", value):
            return value.casefold() not in {tag.casefold() for tag in tags}  # type: ignore[union-attr]
        case In(_, values):
            return any(fits(Compare("tag", "=", value), tags) for value in values)
        case Like(_, pattern):
            return any(like(tag.casefold(), pattern.casefold()) for tag in tags)
    raise AssertionError(tree)


def assert_tag_filter(store: Store, tree: Filter) -> None:
    expected = {asset(i).id for i, tags in TAGS.items() if fits(tree, tags)}
    assert {a.id for a in store.assets(tree)} == expected
    assert store.count(tree) == len(expected)
    assert_nearest(store, vectors(1, seed=9)[0], 5, expected, tree)


@pytest.mark.parametrize(
    "text",
    [
        "tag = 'dog'",
        "tag = 'DOG PARK'",
        "tag != 'dog'",
        "not tag = 'dog'",
        "tag in ('bench', 'it''s', 'nothing')",
        "tag not in ('dog', 'bench')",
        "tag like '%dog%'",
        "tag not like '%dog%'",
        "tag like 'dog_park'",
        "tag like 'dog%bench'",
        "tag like '%'",
        "tag like ''",
        "tag like '.*'",
        "tag like '[z_'",
        "tag like '%\\%'",
        "tag like 'ä%'",
        "tag = 'strasse'",
        "tag = ''",
        "tag != ''",
        "tag is null",
        "tag is not null",
        "tag = 'dog' and n > 0 or tag is null",
        "tag = 'x'') or 1=1 --'",
    ],
)
def test_filters_on_tags(kennel: Store, text: str) -> None:
    tree = parse_filter(text, kennel.columns())
    if "n >" in text:
        assert {a.id for a in kennel.assets(tree)} == {"asset00001", "asset00003"}
    else:
        assert_tag_filter(kennel, tree)


TAG_WORDS = st.sampled_from(sorted({tag for tags in TAGS.values() for tag in tags})) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=5
)
TAG_LEAVES: st.SearchStrategy[Filter] = (
    st.builds(Compare, st.just("tag"), st.sampled_from(["=", "!="]), TAG_WORDS)
    | st.builds(In, st.just("tag"), st.lists(TAG_WORDS, min_size=1, max_size=3).map(tuple))
    | st.builds(Like, st.just("tag"), st.text("%_doG .\\'[^\n$ß", max_size=5) | TAG_WORDS)
    | st.just(IsNull("tag"))
)


TAG_TREES = st.recursive(
    TAG_LEAVES,
    lambda parts: (
        st.builds(Not, parts)
        | st.builds(And, st.lists(parts, min_size=1, max_size=3).map(tuple))
        | st.builds(Or, st.lists(parts, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=4,
)


def test_random_filters_on_tags(kennel: Store) -> None:
    @examples(kennel, 100)
    @given(tree=TAG_TREES)
    def ask(tree: Filter) -> None:
        assert_tag_filter(kennel, tree)

    ask()


@pytest.mark.parametrize("text", ["tag < 'dog'", "tag between 'a' and 'b'", "tag = 5"])
def test_tags_have_no_order_and_are_text(kennel: Store, text: str) -> None:
    with pytest.raises(QueryError, match="'tag' holds tags"):
        parse_filter(text, kennel.columns())


def test_tags_come_back_wherever_assets_do(kennel: Store) -> None:
    found = {a.id: a.tags for a in kennel.assets()}
    assert found == {asset(i).id: tags for i, tags in TAGS.items()}
    assert {i: a.tags for i, a in kennel.get(found).items()} == found
    assert {m.asset.id: m.asset.tags for m in kennel.nearest(SPACE, vectors(1)[0], 9)} == found
    one = kennel.find(asset(4).uri)
    assert one is not None
    assert one.tags == TAGS[4]


@not_mirrored
def test_update_keeps_tags_and_write_replaces_them(store: Store) -> None:
    first = replace(asset(1), tags=("dog", "DOG", "cat"))
    store.write(batch([first]))
    store.update([replace(asset(1, {"n": 1}), tags=("other",))])
    assert store.get([first.id])[first.id].tags == ("dog", "cat")
    assert store.count(parse_filter("tag = 'cat' and n = 1")) == 1
    store.write(batch([replace(first, tags=("bird",))]))
    assert store.count(parse_filter("tag = 'bird'")) == 1
    assert store.count(parse_filter("tag = 'cat'")) == 0
    assert [f.asset.tags for f in store.full_text("bird cat", 5)] == [("bird",)]


@pytest.mark.parametrize("bad", ["", "two\nlines", "\udc80", 5])
@not_mirrored
def test_a_tag_is_text_of_one_line(store: Store, bad: Any) -> None:
    store.write(batch([asset(1)]))
    with pytest.raises(UsageError, match="img2"):
        store.write(batch([replace(asset(2), tags=(bad,))]))
    store.add_bank(BANK)
    with pytest.raises(UsageError, match="asset00001"):
        store.put_evidence(BANK.name, {}, {"asset00001": (bad,)})
    assert store.count() == 1


@not_mirrored
def test_a_metadata_column_named_tag_shadows_tags(store: Store) -> None:
    store.write(batch([replace(asset(1, {"tag": "price"}), tags=("dog",)), asset(2)]))
    assert store.columns()["tag"] == "text"
    assert store.count(Compare("tag", "=", "price")) == 1
    assert store.count(Compare("tag", "!=", "dog")) == 1
    assert store.count(Compare("tag", "<", "z")) == 1
    assert store.count(IsNull("tag")) == 1
    assert list(store.facets("tag")) == [("price", 1)]
    assert store.get(["asset00001"])["asset00001"].tags == ("dog",)


# --- banks and evidence


def table_of(store: Store, bank: str = BANK.name) -> dict[str, dict[int, float]]:
    found = store.evidence(bank)
    assert (found.concepts.dtype, found.weights.dtype, found.starts.dtype) == (np.int32, np.float32, np.int64)
    assert len(found.starts) == len(found.asset_ids) + 1
    assert found.starts[0] == 0
    assert found.starts[-1] == len(found.concepts) == len(found.weights)
    return {
        i: {int(found.concepts[at]): float(found.weights[at]) for at in range(start, end)}
        for i, start, end in zip(found.asset_ids, found.starts, found.starts[1:], strict=False)
    }


@not_mirrored
def test_banks_are_kept_in_order_and_replaced_by_another_revision(store: Store) -> None:
    assert dict(store.banks()) == {}
    other = Bank("colours", "7", (Concept("red"),))
    store.add_bank(BANK)
    store.add_bank(other)
    store.write(batch([asset(1)]))
    store.put_evidence("things", {"asset00001": {1: 0.5}}, {})
    store.add_bank(BANK)
    assert table_of(store) == {"asset00001": {1: 0.5}}
    assert list(store.banks().values()) == [BANK, other]
    finer = replace(BANK, concepts=BANK.concepts[:2])
    for newer in (replace(BANK, revision="2"), finer):
        store.add_bank(newer)
        assert store.banks() == {"things": newer, "colours": other}
        assert table_of(store) == {}
        store.put_evidence("things", {"asset00001": {0: 0.25}}, {})
    store.remove_bank("things")
    store.remove_bank("things")
    assert list(store.banks()) == ["colours"]
    with pytest.raises(LibraryMismatch, match="'things'"):
        store.evidence("things")
    assert store.count() == 1
    assert list(store.check()) == []


@not_mirrored
def test_evidence_comes_back_and_is_free_to_ask_for_again(store: Store) -> None:
    store.add_bank(BANK)
    assert table_of(store) == {}
    assets = [asset(i) for i in range(20)]
    weights = {
        a.id: {n: (i + 1) / 32 for n in range(i % 4 if i % 4 < 4 else 3) if n < 3}
        for i, a in enumerate(assets)
    }
    store.write(replace(batch(assets), evidence={BANK.name: weights}))
    assert table_of(store) == weights
    assert store.evidence(BANK.name) is store.evidence(BANK.name)
    store.put_evidence(BANK.name, {"asset00001": {2: 1.0}, "nobody": {1: 0.5}}, {"nobody": ("dog",)})
    assert table_of(store) == weights | {"asset00001": {2: 1.0}}
    store.remove(["asset00002"])
    left = {i: one for i, one in weights.items() if i != "asset00002"} | {"asset00001": {2: 1.0}}
    assert table_of(store) == left
    store.update([asset(3, {"n": 1})])
    store.write(batch([asset(4)]))
    store.optimize()
    assert table_of(store) == left
    assert list(store.check()) == []


@not_mirrored
def test_evidence_without_an_asset_never_counts_and_is_mended(store: Store) -> None:
    store.add_bank(BANK)
    store.write(replace(batch([asset(1)]), evidence={BANK.name: {"asset00001": {0: 0.5}}}))
    store.write(Batch(evidence={BANK.name: {"ghost": {1: 0.5}}}))
    assert table_of(store) == {"asset00001": {0: 0.5}}
    (problem,) = store.check()
    assert (problem.kind, problem.count, problem.repairable) == ("orphan evidence", 1, True)
    store.repair()
    assert list(store.check()) == []
    assert table_of(store) == {"asset00001": {0: 0.5}}


@pytest.mark.parametrize(
    ("bank", "weights", "error", "words"),
    [
        ("nowhere", {0: 0.5}, LibraryMismatch, "nowhere"),
        ("things", {3: 0.5}, LibraryMismatch, "concept 3"),
        ("things", {0: 0.0}, UsageError, "above 0"),
        ("things", {0: 1.5}, UsageError, "at most 1"),
        ("things", {0: math.nan}, UsageError, "above 0"),
    ],
)
@not_mirrored
def test_evidence_that_does_not_fit_is_refused(
    store: Store, bank: str, weights: dict[int, float], error: type[Exception], words: str
) -> None:
    store.add_bank(BANK)
    with pytest.raises(error, match=words):
        store.write(replace(batch([asset(1)]), evidence={bank: {"asset00001": weights}}))
    assert store.count() == 0
    with pytest.raises(error, match=words):
        store.put_evidence(bank, {"asset00001": weights}, {})


# --- full text

TEXTS_OF: list[tuple[str, Metadata, tuple[str, ...]]] = [
    ("/home/me/Rome 2019/IMG_2041_redFerrari-f430.jpg", {}, ("car",)),
    ("/home/me/Rome 2019/IMG_2042.jpg", {"caption": "The dogs were running"}, ("dog", "park bench")),
    ("/home/me/zoo.zip!/cats/Löwe.png", {"caption": "A lion, and a dog"}, ("lion",)),
    ("/home/me/misc/iPhone12 blue car.jpeg", {"stars": 5, "place": "Château d'If"}, ()),
    ("/home/me/misc/ferrari.jpg", {"caption": "blue Ferrari, not red"}, ()),
    ("/home/me/misc/x.jpg", {"caption": "日本語の写真 of mountains"}, ("mountain",)),
    ("/home/me/misc/house.jpg", {"caption": "house and house"}, ()),
    ("/home/me/misc/mouse.jpg", {"caption": "mouse"}, ()),
]


@pytest.fixture(scope="module", params=[name for name in NEAR if not name.startswith("mirror")])
def texts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = STORES[request.param](tmp_path_factory.mktemp("texts"))
    assets = [replace(asset(i, metadata, uri), tags=tags) for i, (uri, metadata, tags) in enumerate(TEXTS_OF)]
    made.write(Batch(assets[:4]))
    made.write(Batch(assets[4:]))
    yield made
    made.close()


def numbers_found(store: Store, words: str, k: int = 50, where: str = "") -> list[int]:
    found = store.full_text(words, k, parse_filter(where) if where else None)
    relevances = [each.relevance for each in found]
    assert all(value > 0 for value in relevances)
    assert relevances == sorted(relevances, reverse=True)
    assert all(store.get([each.asset.id])[each.asset.id] == each.asset for each in found)
    return [int(each.asset.id[5:]) for each in found]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("2041", {0}),
        ("f430", {0}),
        ("red", {0, 4}),
        ("redFerrari", {0}),
        ("ferrari", {0, 4}),
        ("FERRARI", {0, 4}),
        ("dogs", {1, 2}),
        ("dog", {1, 2}),
        ("run", {1}),
        ("rome", {0, 1}),
        ("zoo", {2}),
        ("lowe", {2}),
        ("löwe", {2}),
        ("chateau", {3}),
        ("iphone", {3}),
        ("iPhone12", {3}),
        ("phone", {3}),
        ("bench", {1}),
        ("mountains", {5}),
        ("写真", {5}),
        ("真写", set()),
        ("5", set()),
        ("jpg", set()),
        ("ru", set()),
        ("lion car", {0, 2, 3}),
        ("the", {1}),
        ("the lion", {2}),
        ('"red ferrari"', {0}),
        ('"ferrari red"', set()),
        ("“red ferrari”", {0}),
        ('"park bench"', {1}),
        ('"dog park"', set()),
        ('"blue car" ferrari', {3}),
        ('"the dog"', {1}),
        ('"lion" "a dog"', {2}),
        ('"lion" "car"', set()),
        ('"unclosed lion', {2}),
        ("ferrri", {0, 4}),
        ("ferari", {0, 4}),
        ("fexrari", {0, 4}),
        ("ferarri", {0, 4}),
        ("ferrrari", {0, 4}),
        ("xerrari", {0, 4}),
        ("fxrrxri", set()),
        ("lios", set()),
        ("mountian", {5}),
        ('"ferari"', set()),
        ("house", {6, 7}),
        ("nothing here", set()),
        ("", set()),
        ("   ", set()),
        ("!?% -- '", set()),
        ('"', set()),
        ('""', set()),
        ("|", set()),
        ("🏔", set()),
    ],
)
def test_words_find_assets(texts: Store, words: str, expected: set[int]) -> None:
    assert set(numbers_found(texts, words)) == expected


def test_better_fits_stand_first(texts: Store) -> None:
    assert numbers_found(texts, "house") == [6, 7]
    assert numbers_found(texts, "mouse") == [7, 6]
    assert numbers_found(texts, "red ferrri f430")[0] == 0
    assert numbers_found(texts, "blue car")[0] == 3
    assert numbers_found(texts, "hause lion dog")[0] == 2


def test_words_within_a_filter(texts: Store) -> None:
    assert numbers_found(texts, "dog", where="tag = 'lion'") == [2]
    assert numbers_found(texts, "house", where="name = 'mouse.jpg'") == [7]
    assert numbers_found(texts, "hause", where="name = 'mouse.jpg'") == []
    assert numbers_found(texts, "dog", where="tag = 'nothing'") == []
    with pytest.raises(QueryError, match="colour"):
        texts.full_text("dog", 3, Compare("colour", "=", "red"))


@not_mirrored
def test_k_cuts_and_ties_stand_by_id(store: Store) -> None:
    assets = [asset(i, uri=f"/p/{name}/same.jpg") for i, name in enumerate(["a"] * 60)]
    for start in (30, 0):
        store.write(batch(assets[start : start + 30], seed=start))
    store.optimize()
    assert numbers_found(store, "same", 7) == list(range(7))
    assert numbers_found(store, "same", 0) == []
    assert len(numbers_found(store, "same", 1000)) == 60


def test_long_searches_end(texts: Store) -> None:
    many = " ".join(f"word{i}" for i in range(15_000))
    for words in ("a" * 100_000, "lion " * 20_000, many, '"' * 100_000, f'"{many}"', "Ab1" * 33_000):
        began = time.monotonic()
        texts.full_text(words, 20)
        assert time.monotonic() - began < 5


@not_mirrored
def test_texts_follow_what_happens_to_assets(store: Store) -> None:
    store.write(batch([asset(1, {"caption": "a lion"}), asset(2, {"caption": "a lion"})]))
    assert numbers_found(store, "lion") == [1, 2]
    store.update([asset(1, {"caption": "a zebra"})])
    assert numbers_found(store, "lion") == [2]
    assert numbers_found(store, "zebra") == [1]
    store.add_bank(BANK)
    store.put_evidence(BANK.name, {}, {"asset00002": ("giraffe",)})
    assert numbers_found(store, "girafe") == [2]
    store.remove(["asset00002"])
    assert numbers_found(store, "giraffe lion") == []
    store.write(batch([asset(3, {"caption": "a lion"})]))
    assert numbers_found(store, "lion") == [3]


@not_mirrored
def test_an_empty_store_has_no_words_or_facets(store: Store) -> None:
    assert list(store.full_text("dog", 5)) == []
    assert list(store.facets("tag")) == []
    assert list(store.facets("name")) == []


WORD = st.sampled_from(["red", "car", "lion", "sunset", "ferrari", "house", "mouse", "blue"])


SEARCHES = st.lists(WORD | st.sampled_from(['"red ferrari"', "sunsets", "houze", "'"]), max_size=5)


def test_random_searches_find_what_memory_finds(texts: Store) -> None:
    oracle = MemoryStore()
    oracle.write(Batch(list(texts.assets())))

    @examples(texts, 60)
    @given(words=SEARCHES.map(" ".join))
    def ask(words: str) -> None:
        assert set(numbers_found(texts, words)) == set(numbers_found(oracle, words))

    ask()


# --- facets


def test_facets_count_values(filled: Store) -> None:
    for column in KINDS:
        for text in ("", "n >= 0", "Words = 'red' or Words is null", "n = 0 and n = 1"):
            where = parse_filter(text) if text else None
            values = [a.metadata.get(column) for a in filled.assets(where)]
            counts = {value: values.count(value) for value in values if value is not None}
            expected = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
            assert list(filled.facets(column, where, most=100)) == expected
            assert list(filled.facets(column, where, most=2)) == expected[:2]
            assert list(filled.facets(column, where, most=0)) == []


def test_facets_of_facts_and_tags(kennel: Store) -> None:
    assert list(kennel.facets("media")) == [("image/png", 4), ("image/jpeg", 3)]
    assert list(kennel.facets("folder")) == [("/pictures/0", 7)]
    assert kennel.facets("modified", most=1)[0] == (asset(0).modified, 1)
    assert list(kennel.facets("path", most=2)) == [(asset(0).uri, 1), (asset(1).uri, 1)]
    assert list(kennel.facets("tag", most=3)) == [("Dog", 2), ('"q"', 1), (".*", 1)]
    assert list(kennel.facets("tag", parse_filter("tag = 'bench'"))) == [("bench", 1), ("dog park", 1)]
    with pytest.raises(QueryError, match="did you mean 'tag'"):
        kennel.facets("tags")


# --- other metrics, and vectors that are packed

OTHERS = {
    "euclidean": Card("hog", "1", 12, "euclidean"),
    "city-block": Card("gist", "1", 12, "city-block"),
    "chi-square": Card("histogram", "1", 12, "chi-square"),
    "hamming": Card("hash", "1", 12, "hamming", "bit"),
    "sparse": Card("words", "1", 300, dtype="sparse"),
}


def some_of(card: Card, count: int, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng(seed)
    raw = rng.random((count, card.dim))
    if card.dtype == "bit":
        return (raw > 0.5).astype(np.float32)
    if card.dtype == "sparse":
        raw *= rng.random(raw.shape) < 0.05
        raw[0] = 0  # a picture without a word
    if card.metric == "chi-square":
        raw /= raw.sum(axis=1, keepdims=True)
    return raw.astype(np.float32)


def alike(card: Card, a: Vector, b: Vector) -> float:
    """The similarity of two vectors, by the formula of its metric over plain numbers."""
    pairs = list(zip(map(float, a), map(float, b), strict=True))
    if card.metric == "euclidean":
        return 1 / (1 + math.sqrt(sum((x - y) ** 2 for x, y in pairs)))
    if card.metric == "city-block":
        return 1 / (1 + sum(abs(x - y) for x, y in pairs))
    if card.metric == "chi-square":
        return 1 - sum((x - y) ** 2 / (x + y) for x, y in pairs if x + y) / 2
    if card.metric == "hamming":
        return sum(x == y for x, y in pairs) / len(pairs)
    length = math.hypot(*map(float, a)) * math.hypot(*map(float, b))
    return sum(x * y for x, y in pairs) / length if length else 0.0


@pytest.mark.parametrize("card", OTHERS.values(), ids=OTHERS)
def test_every_metric_finds_what_its_formula_finds(store: Store, card: Card) -> None:
    store.add_card(card)
    assets, several = [asset(n, {"n": n}) for n in range(40)], some_of(card, 40, 1)
    scale = (
        np.maximum(np.linalg.norm(several, axis=1, keepdims=True), 1e-12) if card.metric == "cosine" else 1
    )
    rows = {card.space: [row(a, v) for a, v in zip(assets, several / scale, strict=True)]}
    query = some_of(card, 2, 2)[1]

    def expected(passing: range) -> list[tuple[str, float]]:
        scored = sorted((-round(alike(card, several[n], query), 6), assets[n].id) for n in passing)
        return [(name, -negative) for negative, name in scored]

    def assert_found(k: int, passing: range, where: Filter | None = None) -> None:
        found = [(m.row.asset_id, m.similarity) for m in store.nearest(card.space, query, k, where)]
        wanted = expected(passing)[:k]
        assert [name for name, _ in found] == [name for name, _ in wanted]
        np.testing.assert_allclose([s for _, s in found], [s for _, s in wanted], atol=SIMILARITY)

    store.write(Batch(assets=assets[:30], rows={card.space: rows[card.space][:30]}))
    assert_found(5, range(30))
    store.write(Batch(assets=assets[30:], rows={card.space: rows[card.space][30:]}))
    assert_found(7, range(40))
    assert_found(99, range(40))
    assert_found(6, range(10, 40), parse_filter("n >= 10"))
    assert list(store.nearest(card.space, query, 3, parse_filter("n > 99"))) == []
    store.remove([a.id for a in assets[:10]])
    assert_found(99, range(10, 40))
    kept = {r.asset_id: r.vector for r in store.rows(card.space, [a.id for a in assets])}
    for n in range(10, 40):
        np.testing.assert_array_equal(kept[assets[n].id], (several / scale)[n].astype(np.float32))
    assert store.sample(card.space, 4).shape == (4, card.dim)
    assert store.status()[card.space].index == "exact"


@pytest.mark.parametrize("card", OTHERS.values(), ids=OTHERS)
def test_an_empty_space_of_any_metric_answers(store: Store, card: Card) -> None:
    store.add_card(card)
    assert list(store.nearest(card.space, some_of(card, 2, 3)[1], 5)) == []
    with pytest.raises(LibraryMismatch, match="shape"):
        store.nearest(card.space, np.ones(card.dim + 1, np.float32), 5)


# --- removal of parts, and what is left of it


def test_rows_are_removed_by_id_and_their_assets_stay(store: Store) -> None:
    first, second = asset(1), asset(2)
    store.write(batch([first, second]))
    parts = vectors(4, seed=7)
    store.write(Batch(rows={SPACE: [row(first, v, part) for part, v in enumerate(parts)]}))
    assert store.row_ids(SPACE) == {f"{first.id}#{part}" for part in range(4)} | {f"{second.id}#0"}
    assert {r.id: r.vector.tolist() for r in store.each_row(SPACE) if r.asset_id == first.id} == {
        f"{first.id}#{part}": vector.tolist() for part, vector in enumerate(parts)
    }
    gone = [f"{first.id}#1", f"{first.id}#3", "nobody#0", f"{first.id}#1"]
    assert store.remove_rows(SPACE, gone) == 2
    assert store.row_ids(SPACE) == {f"{first.id}#0", f"{first.id}#2", f"{second.id}#0"}
    assert_nearest(store, parts[1], 5, {first.id, second.id})
    assert store.count() == 2
    assert store.remove_rows(SPACE, []) == 0
    with pytest.raises(LibraryMismatch):
        store.remove_rows("nothing@1-float32", ["x"])


@not_mirrored
def test_rows_of_assets_that_never_came_do_not_count(store: Store) -> None:
    store.write(batch([asset(1)]))
    store.write(Batch(rows={SPACE: [row(asset(5), vectors(1)[0])]}))
    assert store.row_ids(SPACE) == {"asset00001#0"}
    assert [r.id for r in store.each_row(SPACE)] == ["asset00001#0"]


@not_mirrored
def test_a_space_is_forgotten_and_may_come_again(store: Store) -> None:
    other = replace(CARD, name="other", dim=4)
    store.add_card(other)
    store.write(batch([asset(1)]))
    store.write(Batch(rows={other.space: [row(asset(1), vectors(1, dim=4)[0])]}))
    store.remove_space(other.space)
    store.remove_space(other.space)
    assert set(store.cards()) == {SPACE}
    assert set(store.status()) == {SPACE}
    with pytest.raises(LibraryMismatch):
        store.rows(other.space, ["asset00001"])
    store.add_card(replace(other, dim=6))
    assert store.row_ids(other.space) == set()
    assert store.row_ids(SPACE) == {"asset00001#0"}


@not_mirrored
def test_attachments_are_removed_by_asset_and_name(store: Store) -> None:
    store.write(batch([asset(1), asset(2)]))
    assert list(store.attachment_names()) == []
    assert store.remove_attachments({"asset00001": ["a"]}) == 0
    store.write(Batch(attachments={i: {"a": b"1", "b": b"2"} for i in ("asset00001", "asset00002")}))
    names = {"asset00001": ["a", "a", "nothing"], "asset00002": [], "nobody": ["a"]}
    assert store.remove_attachments(names) == 1
    assert set(store.attachment_names()) == {("asset00001", "b"), ("asset00002", "a"), ("asset00002", "b")}
    assert store.attachments("asset00001") == {"b": b"2"}


def test_nothing_is_left_of_what_was_removed(store: Store, tmp_path: Path) -> None:
    """On the drive neither, where it was before."""
    if lacking := store.lacks.get("purge"):
        pytest.skip(lacking)
    several = [replace(asset(n), tags=("zorbling", "kept") if n == 3 else ("kept",)) for n in range(40)]
    store.write(batch(several))
    crops = {a.id: {"face": bytes(vectors(1, seed=n).tobytes() * 9)} for n, a in enumerate(several)}
    store.write(Batch(attachments=crops))
    (gone,) = (r for r in store.each_row(SPACE) if r.asset_id == "asset00003")
    kept = next(r for r in store.each_row(SPACE) if r.asset_id == "asset00004")
    needles = [gone.vector.tobytes(), crops["asset00003"]["face"], b"zorbling"]
    on_disk = any(tmp_path.rglob("*.lance"))
    assert all(any(needle in data for _, data in store.contents()) for needle in needles)
    assert all(lies_in(tmp_path, needle) for needle in needles) == on_disk
    store.add_bank(BANK)
    store.put_evidence("things", {}, {"asset00003": ["kept"]})
    store.remove_rows(SPACE, [gone.id])
    store.remove_attachments({"asset00003": ["face"]})
    store.purge()
    assert not any(needle in data for _, data in store.contents() for needle in needles)
    assert not any(lies_in(tmp_path, needle) for needle in needles)
    assert any(kept.vector.tobytes() in data for _, data in store.contents())
    assert lies_in(tmp_path, kept.vector.tobytes()) == on_disk
    assert store.row_ids(SPACE) == {f"{a.id}#0" for a in several} - {gone.id}
    assert_nearest(store, gone.vector, 5, {a.id for a in several})
    assert [f.asset.id for f in store.full_text("img7", 1)] == ["asset00007"]
    assert store.facets("tag") == [("kept", 40)]
    assert store.full_text("zorbling", 1) == []


def lies_in(folder: Path, needle: bytes) -> bool:
    return any(needle in path.read_bytes() for path in folder.rglob("*") if path.is_file())
