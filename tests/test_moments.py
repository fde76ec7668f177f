"""Searching films: by clips, by pictures of a moment, and for moments. Films are drawn by the tests."""

from __future__ import annotations

import io
import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import filmed
import findalike
from findalike import Library, Term
from findalike.errors import QueryError
from findalike.present import caption, records
from findalike.search.moments import stretches
from findalike.search.space import DOUBLED, Candidate, Space
from findalike.search.terms import Looker
from findalike.store.base import Batch
from findalike.store.memory import MemoryStore
from findalike.types import Asset, Card, Hit, Origin, Row
from web import drawn

ONE, TWO, THREE = ((1, 3.0), (2, 4.0), (3, 3.0)), ((4, 5.0), (5, 5.0)), ((6, 2.0), (7, 6.0), (6, 2.0))
"""The scenes of three films: seeds of drawings, and seconds."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for name, scenes in (("one", ONE), ("two", TWO), ("three", THREE)):
        filmed.film(folder / f"{name}.mp4", scenes)
    drawn(40, filmed.SIZE).save(folder / "still.png")
    return folder


@pytest.fixture(scope="module")
def library(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = findalike.open(tmp_path_factory.mktemp("library") / "library")
    report = library.add(folder)
    assert not report.failures
    return library


def name(hit: Hit) -> str:
    return Path(hit.asset.uri).name


def asset(library: Library, film: str) -> Asset:
    return next(each for each in library.store.assets() if Path(each.uri).name == film)


@pytest.mark.parametrize(
    ("film", "start", "end"), [("one", 2.0, 5.0), ("two", 3.5, 6.5), ("three", 6.0, 9.5)]
)
def test_a_clip_finds_its_film_and_where_it_is_in_it(
    library: Library, folder: Path, tmp_path: Path, film: str, start: float, end: float
) -> None:
    clip = filmed.cut(folder / f"{film}.mp4", start, end, tmp_path / "clip.mp4")
    for given in (str(clip), clip.read_bytes()):
        hits = library.search(given, k=4)
        assert name(hits[0]) == f"{film}.mp4"
        assert (hits[0].origin.time, hits[0].origin.end) == pytest.approx((start, end), abs=0.3)
        assert hits[0].query_span == pytest.approx((0, end - start), abs=0.3)
        assert hits[0].score >= 0.85
        assert {reason.space for reason in hits[0].reasons} >= {"track"}
        assert all(hit.query_span is None for hit in hits[1:])


def test_a_film_of_the_library_is_left_out_of_its_own_answer(library: Library, folder: Path) -> None:
    two = asset(library, "two.mp4")
    for given in (Term(two.id, "asset"), folder / "two.mp4"):
        assert two.id not in [hit.asset.id for hit in library.search(given)]
        first = library.search(given, include_self=True)[0]
        assert first.asset.id == two.id
        assert (first.origin.time, first.origin.end) == pytest.approx((0, 10), abs=0.3)
        assert first.query_span == pytest.approx((0, 10), abs=0.3)


def test_a_longer_film_finds_what_is_in_it(library: Library, tmp_path: Path) -> None:
    longer = filmed.film(tmp_path / "longer.mp4", [(20, 3.0), *TWO, (21, 3.0)])
    first = library.search(longer)[0]
    assert name(first) == "two.mp4"
    assert (first.origin.time, first.origin.end) == pytest.approx((0, 10), abs=0.5)
    assert first.query_span == pytest.approx((3, 13), abs=0.5)


def test_clips_go_with_filters_words_and_least_scores(library: Library, folder: Path, tmp_path: Path) -> None:
    clip = filmed.cut(folder / "one.mp4", 1.0, 6.0, tmp_path / "clip.mp4")
    assert all(name(hit) != "one.mp4" for hit in library.search(clip, where="name != 'one.mp4'"))
    assert [name(hit) for hit in library.search(clip, min_score=0.85)][:1] == ["one.mp4"]
    hits = library.search(clip, text="a drawing", k=4)
    assert next(hit for hit in hits if name(hit) == "one.mp4").query_span is not None
    films = library.search(where="media like 'video/%'")
    assert {name(hit) for hit in films} == {"one.mp4", "two.mp4", "three.mp4"}


def test_a_part_of_a_film_cannot_be_marked(library: Library, folder: Path) -> None:
    with pytest.raises(QueryError, match=r"one\.mp4 is a film.*findalike frames"):
        library.search(folder / "one.mp4", region=(0, 0, 0.5, 0.5))


@pytest.mark.parametrize("content", [b"", b"\0\0\0\x18ftypisom\0\0\0\0isom", b"no film"])
def test_what_is_no_film_is_named(library: Library, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.mp4").write_bytes(content)
    with pytest.raises(QueryError, match=r"broken\.mp4: "):
        library.search(tmp_path / "broken.mp4")


@pytest.mark.parametrize(
    ("film", "at", "scene"), [("one", 4.5, (3, 7)), ("two", 7.0, (5, 10)), ("three", 4.0, (2, 8))]
)
def test_a_picture_of_a_film_finds_its_moment(
    library: Library, folder: Path, tmp_path: Path, film: str, at: float, scene: tuple[float, float]
) -> None:
    clip = filmed.cut(folder / f"{film}.mp4", at, at + 0.1, tmp_path / "frame.mp4")
    pixels = _only_frame(clip)
    cropped, file = Image.fromarray(pixels).crop((30, 10, 290, 160)), io.BytesIO()
    cropped.save(file, "JPEG", quality=40)
    for picture, near in ((pixels, 1.0), (file.getvalue(), 5.0)):  # a crop of what moves aside is like others
        first = library.search(picture)[0]
        assert name(first) == f"{film}.mp4"
        assert first.origin.time is not None
        assert first.origin.end is not None
        assert scene[0] - 0.3 <= first.origin.time <= at + near
        assert at - near <= first.origin.end <= scene[1] + 0.3


def _only_frame(path: Path) -> np.ndarray:
    with av.open(str(path)) as opened:
        return next(opened.decode(video=0)).to_ndarray(format="rgb24")


def test_a_scene_that_comes_again_is_a_further_moment(library: Library) -> None:
    scene = np.asarray(
        drawn(6, (filmed.SIZE[0] + 40, filmed.SIZE[1])).crop((5, 0, 5 + filmed.SIZE[0], filmed.SIZE[1]))
    )
    first = library.search(scene)[0]
    assert name(first) == "three.mp4"
    times = [first.origin.time, *(moment.origin.time for moment in first.moments)]
    assert any(time is not None and time < 2 for time in times)
    assert any(time is not None and time >= 7.9 for time in times)
    assert all(time is None or not 2.5 < time < 7.5 for time in times)


def test_no_search_by_pictures_or_words_answers_with_a_mean(library: Library) -> None:
    space = next(iter(library.store.cards()))
    films = {a.id for a in library.store.assets() if a.media.startswith("video/")}
    means = [r for r in library.store.rows(space, films) if r.origin.part == "whole"]
    assert len(means) == 3
    for what in (*(Term(row.vector, "vector") for row in means), Term("a drawing", "text")):
        hits = [hit for hit in library.search(what, k=10) if hit.asset.id in films]
        assert hits
        assert all(hit.origin.part == "frame" and hit.origin.time is not None for hit in hits)


def test_hits_of_films_are_shown_by_their_moments(library: Library, folder: Path, tmp_path: Path) -> None:
    clip = filmed.cut(folder / "two.mp4", 6.0, 8.0, tmp_path / "clip.mp4")
    hits = library.search(clip, k=1)
    (record,) = records.records(hits)
    json.dumps(record)
    assert (record["time"], record["end"]) == pytest.approx((6, 8), abs=0.3)
    assert record["query_span"] == pytest.approx([0, 2], abs=0.3)
    assert record["frame"] in library.store.attachments(hits[0].asset.id)
    assert re.search(r"0:0[56]–0:0[78] is 0:00–0:0[12]", caption.place(hits[0]))
    with Image.open(io.BytesIO(library.frame(hits[0]))) as frame:
        shown = np.asarray(frame.convert("RGB").resize((32, 18)), float)
    second = np.asarray(drawn(5, (360, 180)).crop((0, 0, 320, 180)).resize((32, 18)), float)
    first = np.asarray(drawn(4, (360, 180)).crop((0, 0, 320, 180)).resize((32, 18)), float)
    assert np.abs(shown - second).mean() < np.abs(shown - first).mean()
    shown_on_page = hits.thumbnails([caption.picture(hits[0])])
    assert list(shown_on_page.values()) == [library.frame(hits[0])]
    hits.sheet(tmp_path / "sheet.png")
    hits.page(tmp_path / "page.html")
    assert "0:0" in (tmp_path / "page.html").read_text("utf-8")


# Stretches


def _candidate(time: float, end: float, score: float) -> Candidate:
    asset = Asset("/f.mp4", 1, None, "f", "video/mp4")  # type: ignore[arg-type]
    row = Row(f"f:{time}", Origin("f", "frame", time=time, end=end), np.ones(2, np.float32))
    return Candidate(asset, row, score, score, score, "net", ())


def test_frames_next_to_each_other_are_one_stretch() -> None:
    frames = [
        (4.0, 5.0, 0.7),
        (0.0, 1.0, 0.6),
        (1.0, 2.0, 0.9),
        (2.04, 3.0, 0.5),
        (8.0, 9.0, 0.8),
        (8.0, 9.0, 0.4),
    ]
    found = [(m.origin.time, m.origin.end, m.score) for m in stretches([_candidate(*f) for f in frames])]
    assert found == [(0.0, 3.0, 0.9), (8.0, 9.0, 0.8), (4.0, 5.0, 0.7)]


# Long films


class Counting(MemoryStore):
    """Remembers how many rows it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def nearest(self, space, vector, k, where=None):  # type: ignore[no-untyped-def]
        self.asked.append(k)
        return super().nearest(space, vector, k, where)


def test_a_long_film_does_not_crowd_out_others_nor_ask_for_all() -> None:
    card, store, rng = Card("net", "1", 8), Counting(), np.random.default_rng(0)
    store.add_card(card)
    query = np.eye(8, dtype=np.float32)[0]

    def row(asset_id: str, number: int, part: str, noise: float) -> Row:
        vector = query + noise * rng.normal(size=8)
        origin = Origin(asset_id, part, time=float(number) if part == "frame" else None)
        return Row(f"{asset_id}:{number}", origin, (vector / np.linalg.norm(vector)).astype(np.float32))

    films = {f"film{n}": [row(f"film{n}", i, "frame", 0.01) for i in range(3_000)] for n in range(3)}
    stills = {f"still{n:02}": [row(f"still{n:02}", 0, "whole", 0.5)] for n in range(30)}
    when = datetime(2020, 1, 1, tzinfo=UTC)
    media = {i: "video/mp4" if i.startswith("film") else "image/jpeg" for i in {**films, **stills}}
    assets = [Asset(f"/{i}", 1, when, i, media[i]) for i in media]
    store.write(Batch(assets, {card.space: [r for several in {**films, **stills}.values() for r in several]}))
    space = Space(store, card, Looker(store, card, None, None, None, None), lambda: None)  # type: ignore[arg-type]
    found = space.nearest(query, 20, None)
    expected = sorted(stills, key=lambda i: -float(stills[i][0].vector @ query))
    assert [match.asset.id for match in found[3:]] == expected[:17]
    assert {match.asset.id for match in found[:3]} == set(films)
    assert max(store.asked) <= 20 * 2**DOUBLED
    assert len(store.asked) <= DOUBLED + 3


def test_films_that_show_the_same_score_the_same_however_many(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    filmed.film(folder / "0.mp4", [(3, 2.0), (11, 2.0)])
    for number in range(1, 14):
        shutil.copyfile(folder / "0.mp4", folder / f"{number}.mp4")
    with av.open(str(folder / "0.mp4")) as opened:
        shown = next(opened.decode(video=0)).to_ndarray(format="rgb24")
    with findalike.open(tmp_path / "library") as library:
        library.add(folder)
        hits = library.search(shown, k=20)
    assert len(hits) == 14
    assert len({round(hit.score, 6) for hit in hits}) == 1


def test_scores_of_films_fall_with_their_order(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    filmed.film(folder / "whole.mp4", [(3, 2.0), (11, 2.0), (7, 2.0)])
    filmed.film(folder / "other.mp4", [(21, 2.0), (11, 2.0), (9, 2.0)])
    clip = filmed.cut(folder / "whole.mp4", 1.0, 4.0, tmp_path / "clip.mp4")
    with findalike.open(tmp_path / "library") as library:
        library.add(folder)
        hits = library.search(clip)
    scores = [hit.score for hit in hits if hit.query_span]
    assert scores == sorted(scores, reverse=True)
    assert all(hit.query_span[0] >= 0 for hit in hits if hit.query_span)


def test_a_film_is_not_verified_as_a_picture_is(tmp_path: Path) -> None:
    path = filmed.film(tmp_path / "film.mp4", [(3, 1.0), (11, 1.0)])
    with findalike.open(tmp_path / "library") as library:
        library.add(path)
        with pytest.raises(QueryError, match="leave verify out"):
            library.search(path, verify="geometric")
