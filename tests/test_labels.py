"""Labels and metadata that people give pictures: kept, found, filtered, and never lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import findalike
from findalike.errors import UsageError
from findalike.library import Library
from findalike.tagging import Vocabulary


@pytest.fixture(params=["memory", "lance"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    rng = np.random.default_rng(4)
    (tmp_path / "pictures").mkdir()
    for name in ("a", "b", "c"):
        pixels = rng.integers(0, 255, (48, 64, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{name}.png")
    path = ":memory:" if request.param == "memory" else tmp_path / "library"
    with findalike.open(path) as opened:
        opened.add(tmp_path / "pictures")
        yield opened


def ids(library: Library) -> dict[str, str]:
    return {Path(asset.uri).stem: asset.id for asset in library.store.assets()}


def named(library: Library, where: str) -> set[str]:
    return {Path(hit.asset.uri).stem for hit in library.search(where=where)}


def test_labels_are_tags_and_come_off_again(library: Library) -> None:
    known = ids(library)
    before = library.store.get([known["a"]])[known["a"]].tags
    assert library.edit([known["a"], known["b"]], add=["Keeper", "xmas 2019"]) == 2
    assert library.labels(known.values()) == {
        known["a"]: ("Keeper", "xmas 2019"),
        known["b"]: ("Keeper", "xmas 2019"),
    }
    assert named(library, "tag = 'keeper'") == {"a", "b"}
    assert library.facets("label") == [("Keeper", 2), ("xmas 2019", 2)]
    assert library.facets("label", where="name = 'a.png'") == [("Keeper", 1), ("xmas 2019", 1)]
    library.edit([known["a"]], remove=["KEEPER", "never was"], add=["other"])
    assert library.labels(known.values())[known["a"]] == ("xmas 2019", "other")
    assert named(library, "tag = 'keeper'") == {"b"}
    library.edit([known["a"]], remove=["xmas 2019", "other"])
    assert library.store.get([known["a"]])[known["a"]].tags == before


def test_a_label_is_spelled_as_at_first_and_found_by_a_search(library: Library) -> None:
    known = ids(library)
    library.edit([known["c"]], add=["zorbling"])
    library.edit([known["a"]], add=["ZORBLING"])
    assert library.labels([known["a"]]) == {known["a"]: ("zorbling",)}
    best = library.search(text="zorbling", k=2)
    assert {hit.asset.id for hit in best} == {known["a"], known["c"]}
    assert dict(library.facets("tag", most=1000))["zorbling"] == 2


def test_taking_a_label_off_leaves_the_tag_that_a_bank_gives(library: Library) -> None:
    asset = next(a for a in library.store.assets() if a.tags)
    library.edit([asset.id], add=[asset.tags[0]])
    library.edit([asset.id], remove=[asset.tags[0]])
    assert library.store.get([asset.id])[asset.id].tags == asset.tags


def test_labels_and_metadata_stay_when_the_file_changes(library: Library, tmp_path: Path) -> None:
    known = ids(library)
    library.edit([known["a"]], add=["keeper"], metadata={"rating": 5})
    Image.new("RGB", (60, 50), "teal").save(tmp_path / "pictures" / "a.png")
    assert library.add(tmp_path / "pictures").updated == 1
    assert library.labels([known["a"]]) == {known["a"]: ("keeper",)}
    assert named(library, "tag = 'keeper' and rating = 5") == {"a"}


def test_other_vocabularies_leave_labels_alone(library: Library) -> None:
    known = ids(library)
    library.edit([known["a"]], add=["keeper"])
    library.tag(Vocabulary.of(["dog", "cat"], "animals"))
    library.untag("animals")
    assert named(library, "tag = 'keeper'") == {"a"}
    for bad in ("labels",):
        with pytest.raises(UsageError, match="findalike's own"):
            library.tag(Vocabulary.of(["dog"], bad))
        with pytest.raises(UsageError, match="findalike's own"):
            library.untag(bad)


def test_metadata_is_set_and_taken_away(library: Library) -> None:
    known = ids(library)
    library.edit([known["a"]], metadata={"artist": "unknown", "width": 3})
    assert library.store.get([known["a"]])[known["a"]].metadata["artist"] == "unknown"
    library.edit([known["a"]], metadata={"artist": None})
    assert "artist" not in library.store.get([known["a"]])[known["a"]].metadata
    with pytest.raises(UsageError, match="artist"):
        library.edit([known["a"]], metadata={"artist": 5})


@pytest.mark.parametrize("bad", ["", " ", " a", "a\nb", "x" * 101])
def test_what_is_no_label_is_refused_and_nothing_written(library: Library, bad: str) -> None:
    known = ids(library)
    with pytest.raises(UsageError):
        library.edit([known["a"]], add=["fine", bad])
    assert library.labels(known.values()) == {}


def test_an_unknown_id_is_named(library: Library) -> None:
    with pytest.raises(UsageError, match="nobody"):
        library.edit(["nobody"], add=["x"])


def test_labels_are_still_there_when_opened_again(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    Image.new("RGB", (64, 64), "red").save(tmp_path / "p" / "a.png")
    with findalike.open(tmp_path / "library") as first:
        first.add(tmp_path / "p")
        (asset,) = first.store.assets()
        first.edit([asset.id], add=["one"])
        first.edit([asset.id], add=["two"])
    with findalike.open(tmp_path / "library", mode="r") as again:
        assert again.labels([asset.id]) == {asset.id: ("one", "two")}
