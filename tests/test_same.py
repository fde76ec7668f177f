"""Hits that share the values of attributes with the query picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import findalike
from conftest import Cli
from findalike import Query, Term
from findalike.errors import QueryError
from findalike.library import Library
from findalike.present import caption
from findalike.query import from_json, to_json
from findalike.search.same import Same
from findalike.types import Pixels

COLORS = {"red": (210, 20, 25), "blue": (20, 50, 200), "green": (30, 160, 50)}
EACH = 8


def drawn(color: str, seed: int, size: tuple[int, int] = (96, 72)) -> Pixels:
    """Stripes of a colour on noise: alike in shape where seeds are alike, whatever the colour."""
    rng = np.random.default_rng(seed)
    width, height = size
    pixels = rng.integers(90, 160, (height, width, 1), np.uint8).repeat(3, axis=2)
    for at in rng.integers(0, width - 20, 4):
        pixels[height // 5 : -height // 5, at : at + 18] = COLORS[color]
    return pixels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("same")
    (folder / "pictures").mkdir()
    for color in COLORS:
        for seed in range(EACH):
            Image.fromarray(drawn(color, seed)).save(folder / "pictures" / f"{color}{seed}.png")
    return folder


@pytest.fixture(scope="module")
def library(folder: Path) -> Iterator[Library]:
    """Three quarters are labelled by a person, the others predicted; `shape` is known of two alone."""
    with findalike.open(folder / "library") as opened:
        opened.add(folder / "pictures")
        known = ids(opened)
        for color in COLORS:
            opened.edit([known[f"{color}{n}"] for n in range(6)], metadata={"color": color})
        opened.edit([known["red0"], known["blue1"]], metadata={"shape": "striped", "weight": 2.5})
        opened.learn_attribute("color")
        opened.apply_attributes()
        yield opened


def ids(library: Library) -> dict[str, str]:
    return {Path(asset.uri).stem: asset.id for asset in library.store.assets()}


def names(hits: Sequence[findalike.Hit]) -> list[str]:
    return [Path(hit.asset.uri).stem for hit in hits]


def picture(library: Library, name: str) -> str:
    return f"id:{ids(library)[name]}"


def test_hits_are_the_look_alikes_that_have_the_value(library: Library) -> None:
    plain = library.search(picture(library, "red2"), k=100)
    red = names([hit for hit in plain if hit.asset.metadata["color"] == "red"])
    assert len(red) == EACH - 1
    assert not all(name.startswith("red") for name in names(plain)[: EACH - 1])
    assert names(library.search(picture(library, "red2"), k=100, same="color")) == red
    first = library.search(picture(library, "red2"), k=3, same=["color"])
    rest = library.search(picture(library, "red2"), k=3, same=["color"], cursor=first.cursor)
    assert names(first) + names(rest) == red[:6]
    filtered = library.search(picture(library, "red2"), same="color", where="name like '%4%'")
    assert names(filtered) == ["red4"]


def test_a_hit_says_what_it_shares_and_how_sure_that_is(library: Library) -> None:
    hits = library.search(picture(library, "red2"), k=100, same="color")
    by_name = dict(zip(names(hits), hits, strict=True))
    assert "color = red" in caption.why(by_name["red3"]).split(", ")
    sure = by_name["red7"].asset.metadata["color_confidence"]
    (said,) = [reason for reason in by_name["red7"].reasons if reason.space == "attributes"]
    assert (said.term, said.similarity) == ("color = red, predicted", sure)
    assert f"color = red, predicted, {sure:.2f}" in caption.why(by_name["red7"])
    (own,) = [reason for reason in by_name["red3"].reasons if reason.space == "attributes"]
    assert (own.term, own.similarity) == ("color = red", 1.0)
    assert hits.to_dicts()[0]["reasons"][-1]["space"] == "attributes"


@pytest.mark.parametrize("color", COLORS)
def test_a_picture_of_elsewhere_is_predicted(library: Library, folder: Path, color: str) -> None:
    Image.fromarray(drawn(color, 99)).save(folder / "new.png")
    hits = library.search(folder / "new.png", k=EACH, same="color")
    assert {hit.asset.metadata["color"] for hit in hits} == {color}
    assert len(hits) == EACH
    again = library.search(drawn(color, 99), k=EACH, same="color")
    assert names(again) == names(hits)


def test_what_pixels_decide_is_measured_on_a_picture_of_elsewhere(library: Library, folder: Path) -> None:
    wide = drawn("green", 3)
    hits = library.search(wide, same=["dominant_color", "orientation", "monochrome"], k=100)
    assert {h.asset.metadata["dominant_color"] for h in hits} == {"green"}
    assert "orientation = landscape" in [r.term for r in hits[0].reasons]
    assert not library.search(drawn("green", 3, (72, 96)), same="orientation")
    both = np.concatenate([drawn("blue", 1), drawn("red", 1)], axis=1)
    part = library.search(both, region=(0.5, 0, 1, 1), same="dominant_color", k=100)
    assert {h.asset.metadata["dominant_color"] for h in part} == {"red"}


def test_an_uncertain_value_is_told(library: Library) -> None:
    assert Same("color", "red", "car.jpg", 0.93).notes == Same("color", "red", "car.jpg").notes == []
    (note,) = Same("color", "red", "car.jpg", 0.41).notes
    assert "color of car.jpg is uncertain: red, 0.41" in note
    known = ids(library)["blue7"]
    before = library.store.get([known])[known].metadata
    library.edit([known], metadata={"color": "green", "color_confidence": 0.4})
    hits = library.search(f"id:{known}", same="color", k=2)
    library.edit([known], metadata={name: before[name] for name in ("color", "color_confidence")})
    assert any("uncertain: green, 0.40" in note for note in hits.notes)
    assert not library.search(picture(library, "red1"), same="color").notes


@pytest.mark.parametrize(
    ("what", "same", "said"),
    [
        ("red1", "colour", "no column is named 'colour'; did you mean 'color'"),
        ("red1", "shape", r"no value for 'shape', and nothing was learned.*attributes learn --column shape"),
        ("red1", "weight", "same is for columns of a few values"),
        ("red1", "sharpness", "same is for columns of a few values"),
        ("red1", "path", "same is for columns of a few values"),
        ("red1", "tag", "same is for columns of a few values"),
        (None, "color", "same asks for what a picture"),
        ("red1", "", "same is"),
    ],
)
def test_what_cannot_be_the_same_is_said(library: Library, what: str | None, same: str, said: str) -> None:
    term = Term("red", "text") if what is None else Term(ids(library)[what], "asset")
    with pytest.raises(QueryError, match=said):
        library.search(Query((term,), same=(same,)))


def test_what_was_learned_but_not_applied_says_so(folder: Path) -> None:
    with findalike.open(":memory:") as opened:
        opened.add(folder / "pictures")
        known = ids(opened)
        for color in COLORS:
            opened.edit([known[f"{color}{n}"] for n in range(6)], metadata={"paint": color})
        opened.learn_attribute("paint")
        hits = opened.search(drawn("red", 55), same="paint")
        assert {name[:3] for name in names(hits)} == {"red"}
        assert len(hits) == 6
        assert "attributes apply --column paint" in hits.notes[0]
        opened.apply_attributes()
        hits = opened.search(drawn("red", 55), same="paint")
        assert len(hits) == EACH
        assert not hits.notes


def test_a_query_is_written_and_read_again(library: Library) -> None:
    query = Query((Term("x", "asset"),), same=["color", "shape", "color"])  # type: ignore[arg-type]
    assert query.same == ("color", "shape")
    assert from_json(json.loads(json.dumps(to_json(query)))) == query
    assert from_json({"terms": [{"id": "x"}], "same": "color"}).same == ("color",)
    assert to_json(Query((Term("x", "asset"),)))["same"] is None
    with pytest.raises(QueryError, match="same is 3"):
        from_json({"terms": [{"id": "x"}], "same": 3})
    with pytest.raises(QueryError, match="same is"):
        library.search(picture(library, "red1"), same=[3])  # type: ignore[list-item]


def test_the_command_line(library: Library, folder: Path, cli: Cli) -> None:
    asked = ("search", "--library", str(folder / "library"), picture(library, "blue2"))
    paths = cli(*asked, "--same", "color", "-k", "100", "--paths").stdout
    assert {Path(line).stem[:-1] for line in paths.splitlines()} == {"blue"}
    written = cli(*asked, "--same", "color", "--same", "orientation", "--show-query").stdout
    assert json.loads(written)["same"] == ["color", "orientation"]
    (folder / "query.json").write_text(written)
    again = cli(*asked[:3], "--query", str(folder / "query.json"), "--same", "color", "--show-query")
    assert json.loads(again.stdout)["same"] == ["color"]
    refused = cli(*asked[:3], "blue", "--same", "color")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "say the value in a filter" in refused.stderr
