"""Things and panels found without a model of their own, and what is done with proposals of any finder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import findalike
from conftest import Photo
from findalike import ingest, regions, settings, sources
from findalike.encode import catalog
from findalike.regions import Proposal
from findalike.regions.base import MOST
from findalike.regions.objects import FEWEST_PLACES, LARGEST, SLIMMEST, chosen
from findalike.regions.seams import seams
from findalike.types import Box, Origin, Picture, Pixels


def of(pixels: Pixels) -> Picture:
    return Picture(pixels, Origin("a"), pixels.shape[1], pixels.shape[0])


# Proposals of any finder


@dataclass
class Given:
    """A finder of what it is given."""

    proposals: Sequence[Proposal]
    name: str = "given"
    least: int = 0
    magnified: float = 1.0

    def find(self, _: Picture) -> Sequence[Proposal]:
        return self.proposals


@pytest.mark.parametrize(
    "box",
    [
        (0.5, 0.0, 0.5, 1.0),  # no area
        (0.8, 0.0, 0.2, 1.0),
        (1.2, 0.0, 1.5, 1.0),  # beside the picture
        (0.0, -3.0, 1.0, -1.0),
        (math.nan, 0.0, 1.0, 1.0),
        (0.0, 0.0, math.inf, 1.0),
        (0.0, 0.0, 0.1, 0.1),  # 10 pixels
        (0.01, 0.0, 1.0, 1.0),  # all of the picture
        (),
    ],
)
def test_what_is_no_part_is_left_out(box: Box) -> None:
    assert regions.sound([Proposal(box), Proposal((0.0, 0.0, 0.5, 0.5))], 100, 100) == [
        Proposal((0.0, 0.0, 0.5, 0.5))
    ]


def test_what_reaches_beyond_is_cut_and_what_is_named_may_be_the_whole() -> None:
    given = [Proposal((-0.5, 0.25, 0.5, 7.0)), Proposal((0.0, 0.0, 1.0, 1.0), "dog")]
    assert regions.sound(given, 100, 100) == [Proposal((0.0, 0.25, 0.5, 1.0)), Proposal((0, 0, 1, 1), "dog")]


def test_the_better_of_two_at_one_place_is_kept_and_no_more_than_so_many() -> None:
    one, close = Proposal((0.1, 0.1, 0.6, 0.6), "cat"), Proposal((0.1, 0.1, 0.6, 0.61), "dog")
    assert regions.sound([one, close], 1000, 1000) == [one]
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 0.8, (1000, 2))
    thousand = [Proposal((x, y, x + 0.15, y + 0.15)) for x, y in corners.tolist()]
    kept = regions.sound(thousand, 1000, 1000)
    assert len(kept) == MOST
    places = [thousand.index(each) for each in kept]
    assert places == sorted(places)
    assert max(regions.overlap(a.box, b.box) for a in kept for b in kept if a is not b) < 0.9


def test_overlap_is_intersection_over_union() -> None:
    assert regions.overlap((0, 0, 0.5, 1), (0.25, 0, 0.75, 1)) == pytest.approx(1 / 3)
    assert regions.overlap((0, 0, 0.5, 1), (0.5, 0, 1, 1)) == 0


CARD = catalog.find("efficientnet-lite0", "int8")


def run(library: findalike.Library, folder: Path, *finders: regions.Finder) -> ingest.Report:
    library.store.add_card(CARD)
    encoder = catalog.load(CARD, library.settings)
    found = [sources.discover(folder)]
    return ingest.ingest(library.store, [encoder], found, library.settings, regions=finders)


@pytest.mark.parametrize("proposals", [[], [Proposal((math.nan,) * 4)] * 5, [Proposal((2, 2, 3, 3))]])
def test_a_picture_in_which_nothing_is_found_has_its_whole(
    library: findalike.Library, pictures: Path, proposals: list[Proposal]
) -> None:
    report = run(library, pictures, Given(proposals))
    assert report.added == 4
    assert not report.failures
    assert len(library.store.attached("regions:given")) == 4
    again = run(library, pictures, Given(proposals))
    assert (again.unchanged, again.encoded) == (4, 0)


class Failing(Given):
    def find(self, _: Picture) -> Sequence[Proposal]:
        raise ValueError("out of order")


def test_a_finder_that_fails_costs_its_parts_alone(
    library: findalike.Library, pictures: Path, caplog: pytest.LogCaptureFixture
) -> None:
    finders = [Failing([]), Given([Proposal((0, 0, 0.5, 0.5))], "other")]
    report = run(library, pictures, *finders)
    assert (report.added, report.failures) == (4, ())
    assert "the finder given failed at" in caplog.text
    assert not library.store.attached("regions:given")
    rows = library.store.rows(CARD.space, [asset.id for asset in library.store.assets()])
    assert sorted(row.origin.part for row in rows) == ["region"] * 4 + ["whole"] * 4


# Seams


def test_a_step_between_two_halves_is_a_seam_where_it_is() -> None:
    pixels = np.zeros((120, 240, 3), np.uint8)
    pixels[:, 130:] = 90
    upright, level = seams(pixels, 7, 14)
    line = round(130 / 240 * 14)
    assert upright.clearness[line, 0, 7] > 0.7
    assert upright.position[line, 0, 7] == pytest.approx(130 / 240, abs=2 / 256)
    assert level.clearness.max() == 0


def test_a_step_along_a_part_counts_there() -> None:
    pixels = np.zeros((240, 240, 3), np.uint8)
    pixels[:120, 120:] = 90
    upright, level = seams(pixels, 14, 14)
    assert upright.clearness[7, 0, 7] > 0.7
    assert upright.clearness[7, 7, 14] < 0.1
    assert 0.3 < upright.clearness[7, 0, 14] < 0.5
    assert level.clearness[7, 7, 14] > 0.7


def test_noise_has_no_seams() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    upright, _ = seams(pixels, 14, 14)
    assert upright.clearness[:, 0, 14].max() < 0.3


# The choice of windows


def feature_map(height: int, width: int, things: dict[tuple[int, int, int, int], int]) -> np.ndarray:
    """A map whose ground has one direction, and each thing (left, top, right, bottom) another."""
    features = np.zeros((8, height, width), np.float32)
    features[0] = 1
    for (left, top, right, bottom), number in things.items():
        features[:, top:bottom, left:right] = 0
        features[number, top:bottom, left:right] = 1
    return features


GREY = np.full((448, 448, 3), 128, np.uint8)


def test_things_of_a_map_are_chosen_one_after_the_other() -> None:
    features = feature_map(14, 14, {(2, 3, 7, 8): 1, (9, 8, 13, 12): 2})
    boxes = [proposal.box for proposal in chosen(features, GREY)]
    for expected in [(2 / 14, 3 / 14, 7 / 14, 8 / 14), (9 / 14, 8 / 14, 13 / 14, 12 / 14)]:
        assert max(regions.overlap(expected, box) for box in boxes) > 0.99
    assert regions.overlap(boxes[0], (2 / 14, 3 / 14, 7 / 14, 8 / 14)) > 0.99


def test_a_picture_all_of_a_kind_has_no_things() -> None:
    assert chosen(feature_map(14, 14, {}), GREY) == []
    assert chosen(np.zeros((8, 14, 14), np.float32), GREY) == []


@pytest.mark.parametrize("size", [(1, 14), (2, 2), (3, 14), (14, 5)])
def test_maps_of_any_shape(size: tuple[int, int]) -> None:
    features = np.random.default_rng(1).normal(size=(8, *size)).astype(np.float32)
    for left, top, right, bottom in (each.box for each in chosen(features, GREY)):
        wide, high = (right - left) * size[1], (bottom - top) * size[0]
        assert min(wide, high) > FEWEST_PLACES - 1
        assert max(wide / high, high / wide) <= SLIMMEST + 1e-6
        assert wide * high <= LARGEST * size[0] * size[1] + 1e-6


def slow_gain(features: np.ndarray, box: tuple[int, int, int, int]) -> float:
    """What a window explains, place by place: the cosine with its mean direction beyond that with the
    whole's, by how strong the place is."""
    left, top, right, bottom = box
    places = {(y, x): features[:, y, x] for y in range(features.shape[1]) for x in range(features.shape[2])}
    units = {key: each / np.linalg.norm(each) for key, each in places.items()}
    whole = sum(units.values())
    inside = [key for key in units if top <= key[0] < bottom and left <= key[1] < right]
    mean = sum(units[key] for key in inside)
    strength = sum(np.linalg.norm(each) for each in places.values())
    gain = 0.0
    for key in inside:
        more = units[key] @ mean / np.linalg.norm(mean) - max(0.0, units[key] @ whole / np.linalg.norm(whole))
        gain += max(0.0, more) * np.linalg.norm(places[key]) / strength
    return gain


def test_the_first_window_is_the_best_by_plain_loops() -> None:
    features = np.random.default_rng(2).normal(size=(6, 5, 6)).astype(np.float32)
    gains = {}
    for top in range(5):
        for left in range(6):
            for bottom in range(top + FEWEST_PLACES, 6):
                for right in range(left + FEWEST_PLACES, 7):
                    wide, high = right - left, bottom - top
                    if wide * high <= LARGEST * 30 and max(wide / high, high / wide) <= SLIMMEST:
                        gains[left, top, right, bottom] = slow_gain(features, (left, top, right, bottom))
    left, top, right, bottom = max(gains, key=lambda box: gains[box])
    assert chosen(features, GREY)[0].box == pytest.approx((left / 6, top / 5, right / 6, bottom / 5))


# Pictures


def test_the_panels_of_a_collage_are_found_where_they_are(photo: Photo) -> None:
    names = ("chelsea", "coffee", "motorcycle_left", "astronaut")
    collage = np.zeros((480, 640, 3), np.uint8)
    expected: list[Box] = []
    for name, (left, top, right, bottom) in zip(
        names, [(0, 0, 250, 280), (250, 0, 640, 280), (0, 280, 400, 480), (400, 280, 640, 480)], strict=True
    ):
        collage[top:bottom, left:right] = np.asarray(photo(name, (right - left, bottom - top)))
        expected.append((left / 640, top / 480, right / 640, bottom / 480))
    found = regions.parts(regions.load("objects", settings.default()), of(collage))
    assert 4 <= len(found) <= 6
    for box in expected:
        assert max(regions.overlap(box, part.box) for part in found) > 0.75


def test_small_pictures_are_not_looked_into() -> None:
    finder = regions.load("objects", settings.default())
    assert regions.parts(finder, of(np.zeros((159, 900, 3), np.uint8))) == []
    assert regions.parts(finder, of(np.zeros((300, 300, 3), np.uint8))) == []


def test_a_small_thing_is_found_by_its_region_with_its_box(
    library: findalike.Library, tmp_path: Path, photo: Photo
) -> None:
    large = photo("grass", (1000, 800)).copy()
    large.paste(photo("chelsea", (320, 240)), (600, 100))
    folder = tmp_path / "scenes"
    folder.mkdir()
    large.save(folder / "scene.jpg", quality=90)
    for name in ("coffee", "astronaut", "brick"):
        photo(name, (600, 400)).save(folder / f"{name}.jpg")
    library.add(folder, regions=["objects", "grid"])
    hit = next(iter(library.search(np.asarray(photo("chelsea", (320, 240))))))
    assert Path(hit.asset.uri).name == "scene.jpg"
    assert regions.overlap(hit.origin.box, (0.6, 0.125, 0.92, 0.425)) > 0.6
    finders = {"regions:objects", "regions:grid"}
    assert finders <= set(library.store.attachments(hit.asset.id))
    spaces = {space: {row.origin.part for row in library.store.rows(space, [hit.asset.id])}
              for space in library.store.cards()}  # fmt: skip
    assert len(spaces) == 3  # what it shows, its colours, its layout
    assert all(parts == {"whole", "region"} for parts in spaces.values())


def test_the_library_remembers_all_its_finders(tmp_path: Path, photo: Photo) -> None:
    (tmp_path / "a").mkdir()
    photo("coffee", (600, 400)).save(tmp_path / "a" / "coffee.jpg")
    with findalike.open(tmp_path / "library") as library:
        library.add(tmp_path / "a", regions="grid")
        assert library.add(tmp_path / "a", regions="objects").encoded == 1
        assert library.add(tmp_path / "a").unchanged == 1
        Image.new("RGB", (500, 500), "red").save(tmp_path / "a" / "red.png")
        library.add(tmp_path / "a")
        assert len(library.store.attached("regions:grid")) == 2
        assert len(library.store.attached("regions:objects")) == 2


def test_names_of_finders_as_text_and_lists() -> None:
    assert regions.listed("objects, grid") == ["objects", "grid"]
    assert regions.listed(["grid", "objects,grid"]) == ["grid", "objects"]
    assert regions.listed(None) == []
    (file,) = regions.listed("onnx:model.onnx")
    assert file == f"onnx:{Path('model.onnx').absolute()}"


def test_a_part_is_searched_for_among_parts_or_a_note_says_that_there_are_none(
    tmp_path: Path, photo: Photo
) -> None:
    """The query is a large picture of which the lower left part counts."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    for number, (name, ground) in enumerate(
        [("chelsea", "grass"), ("coffee", "brick"), ("chelsea", "gravel")]
    ):
        scene = photo(ground, (1000, 800)).convert("RGB")
        scene.paste(photo(name, (320, 240)), (40 + 250 * number, 500 - 200 * number))
        scene.save(folder / f"{number}.jpg", quality=90)
    drawn = (0.04, 0.625, 0.36, 0.925)
    with findalike.open(tmp_path / "library") as library:
        library.add(folder)
        plain = library.search(folder / "0.jpg", region=drawn)
        assert any("--regions objects makes small things in them be found" in note for note in plain.notes)
        assert not library.search(folder / "0.jpg").notes
        library.add(folder, regions="objects")
        hits = library.search(folder / "0.jpg", region=drawn)
        assert not hits.notes
        assert [Path(hit.asset.uri).name for hit in hits] == ["2.jpg", "1.jpg"]
        assert regions.overlap(hits[0].origin.box, (0.54, 0.125, 0.86, 0.425)) > 0.6
        (record, _) = hits.to_dicts()
        assert record["part"] == "region"
        assert record["box"] == pytest.approx(hits[0].origin.box, abs=1e-6)
    with findalike.open(":memory:") as library:
        library.add(folder, regions="objects")
        assert not library.search(folder / "0.jpg", region=drawn).notes
