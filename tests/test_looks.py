"""Thing, colour and layout weighed against each other, against plain numpy over the stored rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import findalike
from findalike import Query, Term
from findalike.encode.catalog import find
from findalike.errors import LibraryMismatch, QueryError
from findalike.query import from_json, parse_look, to_json
from findalike.search import Hits

SPACES = {
    "thing": "efficientnet-lite0@1-int8",
    "colour": find("colour").space,
    "layout": find("layout").space,
}


def names(hits: Hits) -> list[str]:
    return [Path(hit.asset.uri).stem for hit in hits]


def by_hand(library: findalike.Library, name: str, weights: dict[str, float]) -> dict[str, float]:
    """The weighted mean of standardised similarities to a picture of the library, by the formulas of
    docs/search.md; so small a library is its own sample."""
    assets = sorted(library.store.assets(), key=lambda asset: asset.id)
    total = np.zeros(len(assets))
    place = [Path(asset.uri).stem for asset in assets].index(name)
    for way, weight in weights.items():
        rows = {row.asset_id: row.vector for row in library.store.rows(SPACES[way], [a.id for a in assets])}
        vectors = np.stack([rows[asset.id] for asset in assets]).astype(np.float64)
        query = vectors[place] / np.linalg.norm(vectors[place])
        turned = query - 0.5 * len(assets) / (len(assets) + 20) * vectors.mean(axis=0)
        found = vectors @ (turned / np.linalg.norm(turned))
        total += weight * (found - found.mean()) / found.std()
    values = {Path(a.uri).stem: value for a, value in zip(assets, total / sum(weights.values()), strict=True)}
    return dict(sorted(values.items(), key=lambda item: -item[1]))


@pytest.mark.parametrize(
    "look",
    [
        {"thing": 1.0},
        {"colour": 1.0},
        {"layout": 1.0},
        {"thing": 1.0, "colour": 0.5},
        {"thing": 0.25, "layout": 2.0},
        {"thing": 1.0, "colour": 1.0, "layout": 1.0},
    ],
)
def test_ways_are_weighed(shelf: findalike.Library, album: Path, look: dict[str, float]) -> None:
    expected = by_hand(shelf, "coffee", look)
    assert next(iter(expected)) == "coffee"
    hits = shelf.search(album / "coffee.jpg", look=look)
    assert names(hits) == [name for name in expected if name != "coffee"]
    for hit in hits:
        assert {reason.space: reason.weight for reason in hit.reasons} == {SPACES[w]: look[w] for w in look}
        assert 0 <= hit.score <= 1


def test_a_look_may_be_written_as_text(shelf: findalike.Library, album: Path) -> None:
    said, weighed = "thing=1,color=0.5", {"thing": 1, "colour": 0.5}
    text, mapping = (shelf.search(album / "coffee.jpg", look=look) for look in (said, weighed))
    assert [(hit.asset.id, hit.score) for hit in text] == [(hit.asset.id, hit.score) for hit in mapping]


def test_the_picture_itself_is_the_same_in_every_way(shelf: findalike.Library, album: Path) -> None:
    look = {"thing": 1, "colour": 0.5, "layout": 0.5}
    best = shelf.search(album / "coffee.jpg", look=look, include_self=True)[0]
    assert Path(best.asset.uri).stem == "coffee"
    assert best.score == pytest.approx(1, abs=0.02)


def test_a_file_from_elsewhere(shelf: findalike.Library, album: Path, tmp_path: Path) -> None:
    copy = tmp_path / "else.jpg"
    copy.write_bytes((album / "coffee.jpg").read_bytes())
    found = names(shelf.search(copy, look={"colour": 1, "layout": 1}))
    assert found == list(by_hand(shelf, "coffee", {"colour": 1, "layout": 1}))


def test_pages_go_on_where_they_ended(shelf: findalike.Library, album: Path) -> None:
    whole = names(shelf.search(album / "coffee.jpg", look={"thing": 1, "colour": 1}))
    paged: list[str] = []
    cursor = None
    while cursor or not paged:
        page = shelf.search(album / "coffee.jpg", look={"thing": 1, "colour": 1}, k=4, cursor=cursor)
        paged += names(page)
        cursor = page.cursor
    assert paged == whole


def test_filters_hold(shelf: findalike.Library, album: Path) -> None:
    hits = shelf.search(album / "coffee.jpg", look={"colour": 1, "layout": 0.5}, where="name like 'c%'")
    expected = by_hand(shelf, "coffee", {"colour": 1, "layout": 0.5})
    assert names(hits) == [name for name in expected if name.startswith("c") and name != "coffee"]


def test_words_are_ranked_apart_and_fused(shelf: findalike.Library, album: Path) -> None:
    hits = shelf.search(album / "coffee.jpg", text="cat", look={"colour": 1})
    assert "chelsea" in names(hits)[:3]
    assert {reason.term for hit in hits for reason in hit.reasons} >= {"coffee.jpg", "cat"}


@pytest.mark.parametrize(
    ("text", "look"),
    [
        ("thing=1,color=0.5", (("thing", 1.0), ("colour", 0.5))),
        ("layout", (("layout", 1.0),)),
        (" thing = 2 , colour = 0 ", (("thing", 2.0),)),
        ("efficientnet-lite0=1e-1", (("efficientnet-lite0", 0.1),)),
    ],
)
def test_a_look_in_one_text(text: str, look: tuple[tuple[str, float], ...]) -> None:
    assert parse_look(text) == look
    query = Query((Term("7", "asset"),), look=parse_look(text))
    assert from_json(json.loads(json.dumps(to_json(query)))) == query


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("thing=much", "'much' is no number"),
        ("thing=-1", "thing the weight -1.0"),
        ("thing=nan", "must be a number from 0 up"),
        ("thing=1,thing=2", "names thing twice"),
        ("color=1,colour=2", "names colour twice"),
        ("thing=0,colour=0", "nothing would count"),
        ("=1", "the ways are thing, colour, layout"),
        ("", "the ways are thing, colour, layout"),
    ],
)
def test_what_is_no_look(text: str, words: str) -> None:
    with pytest.raises(QueryError, match=words):
        parse_look(text)


def test_a_look_in_one_text_from_python(shelf: findalike.Library, album: Path) -> None:
    found = names(shelf.search(album / "coffee.jpg", look="thing=1,color=0.5"))
    assert found == names(shelf.search(album / "coffee.jpg", look={"thing": 1, "colour": 0.5}))


def test_a_look_needs_a_picture_a_known_way_and_no_encoder(shelf: findalike.Library, album: Path) -> None:
    with pytest.raises(QueryError, match="the query has no picture"):
        shelf.search(text="cat", look={"colour": 1})
    with pytest.raises(
        QueryError, match="'colours', which is no way of looking alike: thing, colour, layout"
    ):
        shelf.search(album / "coffee.jpg", look={"colours": 1})
    with pytest.raises(QueryError, match="give one of them"):
        shelf.search(album / "coffee.jpg", look={"colour": 1}, encoder="colour")
    with pytest.raises(QueryError, match="names one space twice"):
        shelf.search(album / "coffee.jpg", look={"thing": 1, "efficientnet-lite0": 1})


def test_a_library_without_colours_says_what_to_do(album: Path) -> None:
    with findalike.open(":memory:") as library:
        library.store.add_card(find("efficientnet-lite0"))
        with pytest.raises(LibraryMismatch, match=r"colour of its pictures yet.*findalike index"):
            library.search(album / "coffee.jpg", look={"colour": 1})


def test_every_library_gets_them_and_an_earlier_one_when_it_is_indexed_again(album: Path) -> None:
    with findalike.open(":memory:") as library:
        library.add(album)
        assert list(library.store.cards()) == list(SPACES.values())
        ids = {asset.id for asset in library.store.assets()}
        assert all(library.store.encoded(space) == ids for space in SPACES.values())


def test_on_the_command_line(cli, filled: Path, album: Path, shelf: findalike.Library) -> None:
    done = cli("search", album / "coffee.jpg", "--look", "colour=1,layout=0.5", "--json", library=filled)
    assert done.returncode == 0, done.stderr
    found = [Path(hit["path"]).stem for hit in json.loads(done.stdout)]
    assert found == names(shelf.search(album / "coffee.jpg", look={"colour": 1, "layout": 0.5}))
    shown = cli("search", album / "coffee.jpg", "--look", "color", "--show-query", library=filled)
    assert json.loads(shown.stdout)["look"] == {"colour": 1.0}
    wrong = cli("search", album / "coffee.jpg", "--look", "shape=1", library=filled)
    assert wrong.returncode == 2
    assert "thing, colour, layout" in wrong.stderr
