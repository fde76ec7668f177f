"""Duplicates: what is found and why, which one is kept, and what people said is none."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

import findalike
from findalike.duplicates import Group, keep_first
from findalike.duplicates.candidates import by_layout
from findalike.duplicates.compare import framed, keypoints, matched
from findalike.duplicates.neighbours import nearest
from findalike.encode.classical import layout
from findalike.errors import LibraryError, UsageError
from findalike.types import Asset

Photo = Callable[..., Image.Image]
LARGE = (480, 360)


def captioned(image: Image.Image) -> Image.Image:
    made = image.copy()
    ImageDraw.Draw(made).text((140, 20), "AN OLD FRIEND", "white", stroke_width=2, stroke_fill="black")
    return made


EDITS: dict[str, tuple[Callable[[Image.Image], Image.Image], str]] = {
    "mirror": (ImageOps.mirror, "mirrored"),
    "flip": (ImageOps.flip, "flipped upside down"),
    "left": (lambda image: image.rotate(90, expand=True), "turned by 90° left"),
    "half": (lambda image: image.rotate(180), "turned by 180°"),
    "crop": (lambda image: image.crop((60, 40, 400, 320)), "cropped to 55 %"),
    "small": (lambda image: image.resize((240, 180)), "smaller (50 %)"),
    "grey": (lambda image: image.convert("L").convert("RGB"), "grey"),
    "frame": (lambda image: ImageOps.expand(image, 60, "white"), "in a frame"),
    "text": (captioned, "copy"),
}


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory, photo: Photo) -> Path:
    """A folder of photographs, of which one is there in many edits; and its library beside it."""
    root = tmp_path_factory.mktemp("messy")
    pictures = root / "pictures"
    pictures.mkdir()
    for name in ("astronaut", "coffee", "coins", "chelsea", "moon", "page"):
        photo(name, LARGE).save(pictures / f"{name}.jpg", quality=95)
    original = Image.open(pictures / "chelsea.jpg")
    for name, (edit, _) in EDITS.items():
        edit(original).save(pictures / f"chelsea-{name}.jpg", quality=90)
    original.save(pictures / "chelsea-lossless.png")
    shutil.copy(pictures / "coffee.jpg", pictures / "coffee copy.jpg")
    os.link(pictures / "coins.jpg", pictures / "coins-again.jpg")
    with zipfile.ZipFile(pictures / "old.zip", "w") as archive:
        archive.write(pictures / "moon.jpg", "moon.jpg")
    with findalike.open(root / "library") as opened:
        opened.add(pictures, archives=True)
    return root


@pytest.fixture
def groups(messy: Path) -> dict[str, Group]:
    """The groups by the first word of their keeper's name."""
    with findalike.open(messy / "library", "r") as opened:
        return {Path(g.keeper.uri).stem.partition("-")[0]: g for g in opened.duplicates()}


def names(group: Group) -> set[str]:
    return {Path(member.asset.uri).stem for member in group.members}


# The cascade


def test_every_edit_is_grouped_and_nothing_else_is(groups: dict[str, Group]) -> None:
    assert set(groups) == {"chelsea", "coffee", "coins", "moon"}
    assert names(groups["chelsea"]) == {"chelsea", *(f"chelsea-{name}" for name in EDITS)}


@pytest.mark.parametrize("name", EDITS)
def test_each_member_says_what_was_done(groups: dict[str, Group], name: str) -> None:
    member = next(m for m in groups["chelsea"].members if m.asset.uri.endswith(f"-{name}.jpg"))
    assert member.kind == "copy"
    assert EDITS[name][1] in member.reason


def test_the_lossless_one_is_kept_and_the_same_pixels_are_told(groups: dict[str, Group]) -> None:
    group = groups["chelsea"]
    assert group.keeper.uri.endswith("chelsea-lossless.png")
    kinds = {Path(m.asset.uri).name: m.kind for m in group.members}
    assert kinds["chelsea.jpg"] == "pixels"
    assert sum(kind == "pixels" for kind in kinds.values()) == 1


def test_what_comes_free(groups: dict[str, Group]) -> None:
    coffee, coins, moon = groups["coffee"], groups["coins"], groups["moon"]
    assert coffee.keeper.uri.endswith("coffee.jpg")  # not the one whose name speaks of a copy
    assert coffee.reclaimable == coffee.keeper.size == coffee.members[0].asset.size
    assert (coins.reclaimable, coins.members[0].note) == (0, "another name of the file to keep")
    assert (moon.reclaimable, moon.members[0].note) == (0, "in an archive")
    assert groups["chelsea"].reclaimable == sum(m.asset.size for m in groups["chelsea"].members)


def test_levels_and_names_narrow_it(messy: Path) -> None:
    with findalike.open(messy / "library", "r") as opened:
        exact = opened.duplicates(level="exact")
        assert {m.kind for group in exact for m in group.members} == {"bytes", "pixels"}
        assert sum(len(group) for group in exact) == 8
        assert len(opened.duplicates(str(messy / "pictures" / "coffee.jpg"))) == 1
        with pytest.raises(UsageError, match="level is 'same', but it must be exact, copies, alike"):
            opened.duplicates(level="same")


def test_a_library_without_layouts_still_finds_copies(messy: Path, tmp_path: Path) -> None:
    shutil.copytree(messy / "library", tmp_path / "library")
    manifest = tmp_path / "library" / "findalike.json"
    content = json.loads(manifest.read_text("utf-8"))
    content["cards"] = [card for card in content["cards"] if card["name"] not in ("layout", "colour")]
    manifest.write_text(json.dumps(content), "utf-8")
    with findalike.open(tmp_path / "library", "r") as opened:
        found = opened.find_duplicates()
    assert found.lacks_layout
    chelsea = next(g for g in found.groups if "chelsea" in g.keeper.uri)
    assert {"chelsea", "chelsea-mirror", "chelsea-crop", "chelsea-grey", "chelsea-frame"} <= names(chelsea)


def test_one_picture_and_none(tmp_path: Path, photo: Photo) -> None:
    photo("coffee").save(tmp_path / "coffee.jpg")
    with findalike.open(tmp_path / "library") as opened:
        assert opened.duplicates() == []
        opened.add(tmp_path / "coffee.jpg")
        assert opened.duplicates() == []


def test_plain_pictures_of_one_colour_are_not_copies_of_one_another(tmp_path: Path) -> None:
    for n, colour in enumerate(("red", "green", "white", "black")):
        Image.new("RGB", (200, 150), colour).save(tmp_path / f"{n}.png")
    with findalike.open(tmp_path / "library") as opened:
        opened.add(tmp_path)
        assert opened.duplicates() == []


# Its parts


@pytest.mark.parametrize("rows", [300, 13_000])
def test_neighbours_are_those_of_a_plain_scan(rows: int) -> None:
    random = np.random.default_rng(1)
    centres = random.standard_normal((rows // 50, 24))
    vectors = centres[random.integers(0, len(centres), rows)] + 0.7 * random.standard_normal((rows, 24))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    places, cosines = nearest(vectors, 3)
    found = 0
    for row in range(0, rows, rows // 100):
        true = vectors @ vectors[row]
        true[row] = -2
        assert row not in places[row]
        assert cosines[row] == pytest.approx(true[places[row]], abs=1e-5)
        found += len(set(np.argsort(-true)[:3]) & set(places[row].tolist()))
    assert found >= 0.95 * 3 * len(range(0, rows, rows // 100))


def test_layouts_find_every_turn_and_which_it_is(photo: Photo) -> None:
    pictures = [np.asarray(photo(name, (96, 96))) for name in ("coffee", "astronaut", "coins", "moon")]
    for turn in range(8):
        base = pictures[0][:, ::-1] if turn >= 4 else pictures[0]
        turned = np.ascontiguousarray(np.rot90(base, turn % 4))
        rows = np.stack([layout.describe(p) for p in (*pictures, turned)])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        pairs = by_layout(rows.astype(np.float32), np.arange(5), lambda done, total: None)
        best = max(pairs, key=lambda candidate: candidate.likely)
        assert (best.one, best.other, best.turn) == (0, 4, turn)
        overlay = framed(pictures[0], turned, turn)
        assert overlay.agreement == 1
        assert overlay.mirrored == (turn >= 4)


def test_another_picture_and_another_view_are_no_copies(photo: Photo) -> None:
    cat, coffee = (np.asarray(photo(name, (256, 192))) for name in ("chelsea", "coffee"))
    assert not framed(cat, coffee, 0).is_copy
    assert matched(cat, coffee, keypoints(cat), keypoints(coffee)) is None
    slanted = photo("chelsea", (256, 192)).transform(
        (256, 192), Image.Transform.PERSPECTIVE, (1, 0.1, 0, 0.05, 1.1, 0, 0.001, 0.0005)
    )
    other = np.asarray(slanted)
    overlay = matched(cat, other, keypoints(cat), keypoints(other))
    assert overlay is None or not overlay.is_copy


def asset(name: str, size: int = 1, width: int = 10, media: str = "image/jpeg", day: int = 1) -> Asset:
    return Asset(
        name, size, datetime(2020, 1, day, tzinfo=UTC), name, media, name, {"width": width, "height": width}
    )


@pytest.mark.parametrize(
    ("best", "worse"),
    [
        (asset("/a/1", width=20), asset("/a/2", media="image/png")),
        (asset("/a/2", media="image/png"), asset("/a/1", size=9)),
        (asset("/z/1"), asset("/a/a.zip!/1", size=9)),
        (asset("/wanted/1", day=9), asset("/a/1", size=9)),
        (asset("/a/2", size=9), asset("/a/1")),
        (asset("/a/2", day=1), asset("/a/1", day=2)),
        (asset("/a/IMG.jpg"), asset("/a/IMG (1).jpg")),
        (asset("/a/IMG.jpg"), asset("/IMG copy.jpg")),
        (asset("/a/1"), asset("/derived", width=99)),
    ],
)
def test_which_is_kept(best: Asset, worse: Asset) -> None:
    key = keep_first(["/wanted"], {"/derived"})
    assert min([worse, best], key=key) is best


# What people say


def test_what_was_denied_stays_apart_until_it_is_taken_back(messy: Path, tmp_path: Path) -> None:
    shutil.copytree(messy / "library", tmp_path / "library")
    pictures = messy / "pictures"
    pair = [str(pictures / "chelsea-crop.jpg"), str(pictures / "chelsea-lossless.png")]

    def together() -> bool:
        with findalike.open(tmp_path / "library", "r") as opened:
            both = [{g.keeper.uri, *(m.asset.uri for m in g.members)} for g in opened.duplicates()]
            return any(set(pair) <= each for each in both)

    assert together()
    with findalike.open(tmp_path / "library") as opened:
        assert opened.not_duplicates(*pair) == 2
        opened.add(pictures, archives=True, retry=True)
    assert not together()
    with findalike.open(tmp_path / "library") as opened:
        assert [set(d.ids) for d in opened.denials().all] == [
            {a.id for a in map(opened.store.find, pair) if a}
        ]
        assert opened.not_duplicates(pair[0], take_back=True) == 1
        with pytest.raises(UsageError, match="one picture is no pair"):
            opened.not_duplicates(pair[0])
    assert together()


def test_pictures_of_the_same_bytes_can_be_denied_too(messy: Path, tmp_path: Path) -> None:
    shutil.copytree(messy / "library", tmp_path / "library")
    with findalike.open(tmp_path / "library") as opened:
        opened.not_duplicates(*[str(messy / "pictures" / f"coffee{end}.jpg") for end in ("", " copy")])
        assert not any("coffee" in group.keeper.uri for group in opened.duplicates())


def test_a_damaged_memory_is_named(messy: Path, tmp_path: Path) -> None:
    shutil.copytree(messy / "library", tmp_path / "library")
    (tmp_path / "library" / "duplicates").mkdir()
    (tmp_path / "library" / "duplicates" / "not-duplicates.json").write_text("{")
    with findalike.open(tmp_path / "library", "r") as opened, pytest.raises(LibraryError, match="not-dupl"):
        opened.duplicates()
