"""Going through all that passes a filter, page by page, while pictures come and go."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from findalike import settings
from findalike.errors import QueryError
from findalike.query import MAX_K, Query
from findalike.search import Hits, Searcher
from findalike.search.words import Shelves
from findalike.store.base import Batch, Store
from findalike.store.lance import LanceStore
from findalike.store.memory import MemoryStore
from findalike.types import Asset

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "lance": lambda path: LanceStore(path / "library", mode="a"),
}
QUERY = Query((), "size >= 0", k=3)


@pytest.fixture(params=STORES)
def searcher(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Searcher]:
    store = STORES[request.param](tmp_path)
    yield Searcher(store, settings.default(), Shelves(store))
    store.close()


def put(searcher: Searcher, *names: str) -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC)
    searcher.store.write(Batch([Asset(f"/p/{name}", 1, at, f"id of {name}") for name in names]))


def remove(searcher: Searcher, *names: str) -> None:
    searcher.store.remove([f"id of {name}" for name in names])


def shown(hits: Hits) -> str:
    return "".join(hit.asset.uri.removeprefix("/p/") for hit in hits)


def page(searcher: Searcher, query: Query = QUERY, after: Hits | None = None) -> Hits:
    return searcher.search(replace(query, cursor=after.cursor) if after else query, [])


def test_pages_go_by_path_to_the_end(searcher: Searcher) -> None:
    put(searcher, *"hgfedcba")
    pages = [first := page(searcher), second := page(searcher, after=first), page(searcher, after=second)]
    assert [shown(hits) for hits in pages] == ["abc", "def", "gh"]
    assert [hits.start for hits in pages] == [0, 3, 6]
    assert pages[2].cursor is None
    assert shown(page(searcher, replace(QUERY, offset=5))) == "fgh"
    assert page(searcher, replace(QUERY, offset=5)).cursor is None
    beyond = page(searcher, replace(QUERY, offset=9))
    assert (shown(beyond), beyond.cursor) == ("", None)


def test_a_page_that_ends_with_the_last_hit_has_no_cursor(searcher: Searcher) -> None:
    put(searcher, *"abc")
    assert page(searcher).cursor is None
    assert page(searcher, replace(QUERY, where="size > 5")).cursor is None


@pytest.mark.parametrize("gone", ["a", "c", "d", "abc", "cde", "abcdefgh"])
def test_pages_stay_when_pictures_go(searcher: Searcher, gone: str) -> None:
    put(searcher, *"abcdefgh")
    first = page(searcher)
    remove(searcher, *gone)
    rest = "".join(name for name in "defgh" if name not in gone)
    second = page(searcher, after=first)
    assert shown(second) == rest[:3]
    assert shown(page(searcher, after=second) if second.cursor else second) == (rest[3:] or rest[:3])


def test_pages_stay_when_pictures_come(searcher: Searcher) -> None:
    put(searcher, *"bdfhj")
    first = page(searcher)
    put(searcher, *"aceg")
    second = page(searcher, after=first)
    assert shown(second) == "ghj"
    assert second.start == 6
    assert second.cursor is None


def test_all_pictures_of_one_path_are_shown_once(searcher: Searcher) -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC)
    searcher.store.write(Batch([Asset("/p/same", 1, at, f"id {n}") for n in range(7)]))
    found, hits = [], page(searcher)
    while True:
        found += [hit.asset.id for hit in hits]
        if hits.cursor is None:
            break
        hits = page(searcher, after=hits)
    assert found == [f"id {n}" for n in range(7)]


def test_cursors_go_on_where_offsets_end(searcher: Searcher) -> None:
    names = [f"{n:05d}" for n in range(MAX_K + 30)]
    put(searcher, *names)
    query = replace(QUERY, k=10)
    last = page(searcher, replace(query, offset=MAX_K - 10))
    beyond = page(searcher, query, last)
    assert [hit.asset.uri for hit in beyond] == [f"/p/{name}" for name in names[MAX_K : MAX_K + 10]]
    assert beyond.start == MAX_K
    assert beyond.cursor is not None


def test_only_the_pictures_of_a_page_are_read(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    put(searcher, *"abcdefgh")
    read: list[str] = []
    get = searcher.store.get
    monkeypatch.setattr(searcher.store, "get", lambda ids: get(read.append(i) or i for i in ids))
    monkeypatch.setattr(searcher.store, "assets", None)
    page(searcher, after=page(searcher))
    assert read == [f"id of {name}" for name in "abcdef"]


def test_made_up_cursors_are_refused(searcher: Searcher) -> None:
    put(searcher, *"abcdefgh")
    given = base64.urlsafe_b64decode(page(searcher).cursor or "")
    kind, digest, _ = given[:1], given[1:9], given[9:]
    states = [5, None, [], [3], [-1, "", ""], [True, "", ""], [3, "", 5], [3, None, ""], [1.5, "", ""]]
    made = [kind + digest + json.dumps(state).encode() for state in states]
    made += [kind + digest + b"[" * 9_000, kind + b"otherone" + given[9:], b"r" + given[1:], b"x", b"\xff"]
    made += [kind + digest + b"\xb4", kind + digest[:5]]
    for data in made:
        with pytest.raises(QueryError, match="cursor"):
            page(searcher, replace(QUERY, cursor=base64.urlsafe_b64encode(data).decode()))
    for text in ("\udc80", "a", "!!!!", given.hex()):
        with pytest.raises(QueryError, match="cursor"):
            page(searcher, replace(QUERY, cursor=text))
