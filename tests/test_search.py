"""Searching by example, against plain numpy over the stored rows."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import findalike
from findalike import Query, Term
from findalike.encode.calibration import BANDS
from findalike.errors import LibraryMismatch, LibraryMissing, QueryError, UsageError
from findalike.search import Hits
from findalike.types import Vector

SPACE = "efficientnet-lite0@1-int8"
SIDEWAYS = [
    Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_90, Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_270,
]  # fmt: skip
"""How the pixels lie in a file for the orientations 2 to 8."""


def names(hits: Hits) -> list[str]:
    return [Path(hit.asset.uri).stem for hit in hits]


def turned(image: Image.Image, orientation: int) -> tuple[Image.Image, Image.Exif]:
    """Pixels that are upright only when the orientation is applied."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return (image if orientation == 1 else image.transpose(SIDEWAYS[orientation - 2])), exif


def stored(library: findalike.Library) -> tuple[list[str], Vector]:
    """Names and vectors of all that the library holds."""
    assets = list(library.store.assets())
    rows = library.store.rows(SPACE, [asset.id for asset in assets])
    uris = {asset.id: asset.uri for asset in assets}
    return [Path(uris[row.asset_id]).stem for row in rows], np.stack([row.vector for row in rows])


def vector_of(library: findalike.Library, name: str) -> Vector:
    found, vectors = stored(library)
    return vectors[found.index(name)]


def unit(vector: Vector) -> Vector:
    return vector / np.linalg.norm(vector)


def brute_force(library: findalike.Library, wanted: Vector) -> dict[str, float]:
    """Similarity to a query turned from the library's mean, by the formula of the decision record."""
    found, vectors = stored(library)
    count = len(found)
    query = unit(unit(wanted) - 0.5 * count / (count + 20) * vectors.mean(axis=0))
    most = query @ unit(wanted)
    similarities = {name: min(1.0, float(v @ query / most)) for name, v in zip(found, vectors, strict=True)}
    return dict(sorted(similarities.items(), key=lambda item: -item[1]))


# What a query may be


def test_a_file_of_the_library(shelf: findalike.Library, album: Path) -> None:
    hits = shelf.search(album / "chelsea.jpg")
    assert len(hits) == 9
    assert "chelsea" not in names(hits)
    expected = brute_force(shelf, vector_of(shelf, "chelsea"))
    expected.pop("chelsea")
    assert names(hits) == list(expected)
    assert [hit.similarity for hit in hits] == pytest.approx(list(expected.values()), abs=2e-3)


def test_the_picture_itself_is_the_same_picture(shelf: findalike.Library, album: Path) -> None:
    best = shelf.search(album / "chelsea.jpg", include_self=True)[0]
    assert best.asset.uri == str(album / "chelsea.jpg")
    assert best.score == pytest.approx(1, abs=0.01)
    assert best.band == "same picture"
    assert best.similarity == pytest.approx(1, abs=2e-3)
    assert best.space == SPACE
    assert best.origin.part == "whole"


def test_all_forms_of_one_picture_give_one_answer(
    shelf: findalike.Library, album: Path, tmp_path: Path
) -> None:
    path = album / "coffee.jpg"
    outside = shutil.copy(path, tmp_path / "outside.jpg")
    with Image.open(path) as image:
        image.load()
    pixels = np.asarray(image)
    (asset,) = (a for a in shelf.store.assets() if a.uri == str(path))
    forms: list[object] = [
        path, str(path), outside, path.read_bytes(), bytearray(path.read_bytes()), image, pixels,
        pixels / 255, np.dstack([pixels, np.full_like(pixels[..., 0], 255)]), f"id:{asset.id}", asset.id,
        Term(str(path)), Term(asset.id, "asset"), Query((Term(str(path)),), include_self=True),
    ]  # fmt: skip
    scores = [{Path(h.asset.uri).stem: h.score for h in shelf.search(f, include_self=True)} for f in forms]
    for found in scores:
        assert next(iter(found)) == "coffee"
        assert found == pytest.approx(scores[0], abs=0.03)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_eight_orientations_are_one_picture(
    shelf: findalike.Library, album: Path, orientation: int, tmp_path: Path
) -> None:
    with Image.open(album / "chelsea.jpg") as image:
        pixels, exif = turned(image.convert("RGB"), orientation)
    pixels.save(tmp_path / "turned.jpg", quality=95, exif=exif)
    for query in (tmp_path / "turned.jpg", Image.open(tmp_path / "turned.jpg")):
        best = shelf.search(query)[0]
        assert Path(best.asset.uri).stem == "chelsea"
        assert best.band == "same picture"
        assert best.reasons[0].similarity > 0.99


def test_transparency_is_white_and_grey_is_a_colour(shelf: findalike.Library, album: Path) -> None:
    with Image.open(album / "coffee.jpg") as image:
        whole = image.convert("RGB")
    mask = Image.new("L", whole.size, 0)
    mask.paste(255, (20, 20, 170, 130))
    transparent = whole.copy()
    transparent.putalpha(mask)
    on_white = Image.new("RGB", whole.size, (255, 255, 255))
    on_white.paste(whole, mask=mask)
    first, second = shelf.search(transparent), shelf.search(on_white)
    assert [hit.score for hit in first] == pytest.approx([hit.score for hit in second], abs=0.01)
    assert names(shelf.search(np.asarray(whole.convert("L"))))[0] == "coffee"


def test_a_vector(shelf: findalike.Library, album: Path) -> None:
    vector = vector_of(shelf, "moon")
    assert names(shelf.search(Term(vector * 5, "vector")))[0] == "moon"
    with pytest.raises(LibraryMismatch, match=r"the vector has 7 numbers, those of .* have 1280"):
        shelf.search(Term(np.ones(7), "vector"))


# Several, weighted, negative, in part


def test_several_examples_add_by_weight(shelf: findalike.Library, album: Path) -> None:
    terms = [Term(str(album / "cell.jpg"), weight=2), Term(str(album / "moon.jpg"), weight=0.5)]
    hits = shelf.search(*terms)
    wanted = 2 * unit(vector_of(shelf, "cell")) + 0.5 * unit(vector_of(shelf, "moon"))
    expected = [name for name in brute_force(shelf, wanted) if name not in ("cell", "moon")]
    assert names(hits) == expected
    assert [(r.term, r.weight) for r in hits[0].reasons] == [("cell.jpg", 2), ("moon.jpg", 0.5)]
    first = hits[0]
    cosine = float(vector_of(shelf, "cell") @ vector_of(shelf, names(hits)[0]))
    assert first.reasons[0].similarity == pytest.approx(cosine, abs=2e-3)


def test_negative_examples_push_away(shelf: findalike.Library, album: Path) -> None:
    plain = names(shelf.search(album / "brick.jpg", include_self=True))
    minus = Term(str(album / "grass.jpg"), weight=-0.8)
    pushed = names(shelf.search(album / "brick.jpg", minus, include_self=True))
    assert pushed[0] == plain[0] == "brick"
    assert pushed[-1] == "grass"
    assert plain.index("grass") < len(plain) - 1
    assert "grass" not in names(shelf.search(album / "brick.jpg", minus))


def test_a_part_of_a_picture(shelf: findalike.Library, album: Path, tmp_path: Path) -> None:
    both = Image.new("RGB", (384, 144))
    for i, name in enumerate(("coffee", "text")):
        with Image.open(album / f"{name}.jpg") as image:
            both.paste(image, (192 * i, 0))
    both.save(tmp_path / "both.png")
    left, right = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)
    hits = shelf.search(tmp_path / "both.png", region=left)
    assert (names(hits)[0], hits[0].band) == ("coffee", "same picture")
    hits = shelf.search(both, region=right)
    assert (names(hits)[0], hits[0].band) == ("text", "same picture")
    inside = shelf.search(album / "chelsea.jpg", region=(0.1, 0.1, 0.9, 0.9), include_self=True)
    assert names(inside)[0] == "chelsea"
    assert inside[0].similarity < 0.999
    with pytest.raises(QueryError, match="a region is of one picture, but there are 2 in the query"):
        shelf.search(both, both, region=left)
    with pytest.raises(QueryError, match="left must be less than right"):
        shelf.search(both, region=(0.5, 0.0, 0.5, 1.0))


# How many, which, how good


def test_k_min_score_and_filters(shelf: findalike.Library, album: Path) -> None:
    path = album / "chelsea.jpg"
    everything = shelf.search(path, k=500)
    assert len(everything) == 9
    assert names(shelf.search(path, k=3)) == names(everything)[:3]
    least = everything[2].score
    assert names(shelf.search(path, min_score=least)) == [
        Path(hit.asset.uri).stem for hit in everything if hit.score >= least
    ]
    kept = {"coffee.jpg", "moon.jpg"}
    filtered = shelf.search(path, where="name in ('coffee.jpg', 'moon.jpg', 'chelsea.jpg')")
    assert names(filtered) == [Path(h.asset.uri).stem for h in everything if Path(h.asset.uri).name in kept]
    assert not shelf.search(path, where="width > 9000")


def test_a_filter_alone_lists_by_path(shelf: findalike.Library) -> None:
    hits = shelf.search(where="name like 'c%'")
    assert names(hits) == ["cell", "chelsea", "coffee", "coins"]
    assert {hit.score for hit in hits} == {1.0}
    assert len(shelf.search(where="size > 0", k=2)) == 2
    assert shelf.search(where="size < 0").nothing_similar


def test_scores_are_ordered_in_0_to_1_with_the_right_bands(shelf: findalike.Library, album: Path) -> None:
    for path in album.iterdir():
        hits = shelf.search(path, include_self=True)
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)
        for hit in hits:
            assert 0 <= hit.score <= 1
            assert hit.band == next(name for least, name in BANDS if hit.score >= least)
            assert [reason.term for reason in hit.reasons] == [path.name]


def test_nothing_similar_is_an_answer(shelf: findalike.Library, album: Path) -> None:
    stripes = np.zeros((90, 90, 3), np.uint8)
    stripes[::2] = (255, 0, 255)
    hits = shelf.search(stripes)
    assert hits.nothing_similar
    assert hits[0].band == "unrelated"
    assert not shelf.search(album / "moon.jpg", include_self=True).nothing_similar


def test_edits_of_a_picture_come_first(shelf: findalike.Library, album: Path) -> None:
    with Image.open(album / "astronaut.jpg") as image:
        edits = [image.crop((15, 10, 180, 130)), image.transpose(SIDEWAYS[0]), image.resize((90, 70))]
    for edit in edits:
        best = shelf.search(edit)[0]
        assert Path(best.asset.uri).stem == "astronaut"
        assert best.score >= 0.7


def test_a_file_that_changed_since_it_was_indexed_is_read_anew(
    library: findalike.Library, pictures: Path
) -> None:
    library.add(pictures)
    shutil.copy(pictures / "chelsea.jpg", pictures / "coffee.jpg")
    assert names(library.search(pictures / "coffee.jpg"))[0] == "chelsea"


def test_a_library_that_grows_while_it_is_open(library: findalike.Library, album: Path) -> None:
    library.add(album / "moon.jpg")
    assert not library.search(album / "moon.jpg")
    library.add(album / "chelsea.jpg", album / "coffee.jpg")
    assert set(names(library.search(album / "moon.jpg"))) == {"chelsea", "coffee"}
    library.remove(str(album / "coffee.jpg"))
    assert names(library.search(album / "moon.jpg")) == ["chelsea"]


def test_a_space_may_be_chosen(library: findalike.Library, pictures: Path) -> None:
    library.add(pictures, encoder=["efficientnet-lite0", "efficientnet-lite0@1-float32"])
    path = pictures / "coffee.jpg"
    assert library.search(path)[0].space == SPACE
    other = library.search(path, encoder="efficientnet-lite0@1-float32", include_self=True)
    assert other[0].space == "efficientnet-lite0@1-float32"
    assert other[0].score == pytest.approx(1, abs=0.01)


# What is shown


def test_hits_show_themselves(shelf: findalike.Library, album: Path, tmp_path: Path) -> None:
    hits = shelf.search(album / "coffee.jpg", k=4)
    assert repr(hits).startswith("<4 hits, best 0.")
    assert repr(shelf) == f"<Library {shelf.path}: 10 pictures>"
    assert [record["rank"] for record in hits.to_dicts()] == [1, 2, 3, 4]
    hits.sheet(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 200
    page = io.BytesIO()
    hits.page(page)
    assert b"data:image/jpeg;base64" in page.getvalue()
    assert "<img" in hits._repr_html_()
    assert len(hits[:2]) == 2


# What cannot be answered


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (lambda _: "id:0123", "no picture of the library has the id '0123'"),
        (lambda _: "absent.jpg", "absent.jpg: there is no such file"),
        (lambda album: album, "this is a folder"),
        (lambda _: b"no picture", "no picture of a format that is read here"),
        (lambda _: b"", "the picture is empty"),
        (lambda _: np.zeros((5, 5, 7), np.uint8), r"shape \(5, 5, 7\) is no picture"),
        (lambda _: np.full((5, 5), 300), "an array of int64 is no picture"),
        (lambda _: 7, "not a int"),
    ],
)
def test_what_is_no_query_says_what_would_be(
    shelf: findalike.Library, album: Path, query: Callable[[Path], object], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        shelf.search(query(album))


def test_what_cannot_be_asked(shelf: findalike.Library, album: Path) -> None:
    path = album / "coffee.jpg"
    with pytest.raises(QueryError, match="the query is empty"):
        shelf.search()
    with pytest.raises(QueryError, match="k is 0, but it must be a whole number from 1 to 10,000"):
        shelf.search(path, k=0)
    with pytest.raises(QueryError, match="min_score is 2"):
        shelf.search(path, min_score=2)
    with pytest.raises(QueryError, match="no column is named 'colour'"):
        shelf.search(path, where="colour = 'red'")
    with pytest.raises(QueryError, match="cancel each other out"):
        shelf.search(Term(str(path)), Term(str(path), weight=-1))
    with pytest.raises(LibraryMismatch, match="findalike index --encoder efficientnet-lite2"):
        shelf.search(path, encoder="efficientnet-lite2")
    with pytest.raises(UsageError, match="no encoder is named 'resnet'"):
        shelf.search(path, encoder="resnet")


def test_words_find_nothing_in_a_library_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with findalike.open(tmp_path / "library") as library:
        library.add(tmp_path / "none")
        assert list(library.search(text="a cat")) == []


def test_an_empty_library_cannot_be_searched(library: findalike.Library, album: Path) -> None:
    with pytest.raises(LibraryMissing, match="is empty: fill it with findalike index FOLDER"):
        library.search(album / "coffee.jpg")


def test_a_damaged_picture_is_no_query(shelf: findalike.Library, album: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes((album / "coffee.jpg").read_bytes()[:900])
    with pytest.raises(QueryError, match=r"cut\.jpg: .*(damaged|cut|end)"):
        shelf.search(tmp_path / "cut.jpg")
