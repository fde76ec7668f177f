"""Parts of pictures: where they lie, when there are none, and that a small thing is found by them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import findalike
from conftest import Photo
from findalike import ingest, regions, settings, sources
from findalike.errors import UsageError
from findalike.ingest import Report
from findalike.types import Origin, Picture

INT8 = "efficientnet-lite0@1-int8"


def grid() -> regions.Finder:
    return regions.load("grid", settings.default())


def picture(width: int, height: int, reduced: int = 1) -> Picture:
    rows, columns = np.mgrid[0 : height // reduced, 0 : width // reduced]
    pixels = np.stack([rows % 256, columns % 256, rows * 0], axis=2).astype(np.uint8)
    return Picture(pixels, Origin("a"), width, height)


def test_the_grid_covers_the_picture_and_its_parts_overlap() -> None:
    shown = picture(800, 600, reduced=2)
    parts = [regions.cut(shown, part) for part in regions.parts(grid(), shown)]
    covered = np.zeros((300, 400), int)
    for part in parts:
        left, top, right, bottom = part.origin.box
        covered[round(top * 300) : round(bottom * 300), round(left * 400) : round(right * 400)] += 1
    assert len(parts) == 9
    assert covered.min() == 1
    assert covered.max() > 1
    assert {part.origin.part for part in parts} == {"region"}
    assert {part.origin.asset_id for part in parts} == {"a"}
    assert {(part.width, part.height) for part in parts} == {(360, 270)}


def test_a_part_shows_what_is_inside_its_box() -> None:
    proposal = regions.Proposal((0.25, 0.5, 0.75, 1.0), "cat")
    part = regions.cut(picture(200, 100), proposal)
    assert (part.origin.label, part.origin.box) == ("cat", proposal.box)
    assert part.pixels.shape == (50, 100, 3)
    assert part.pixels[0, 0].tolist() == [50, 50, 0]


def test_around_a_tight_box_there_is_what_an_encoder_cuts_off() -> None:
    """Half of 200 × 100, of which the central half is seen: twice as much, up to the picture's edge."""
    proposal = regions.Proposal((0.25, 0.5, 0.75, 1.0))
    part = regions.cut(picture(200, 100), proposal, seen=0.5)
    assert part.pixels.shape == (75, 200, 3)
    assert part.pixels[0, 0].tolist() == [25, 0, 0]
    assert (part.origin.box, part.width, part.height) == (proposal.box, 100, 50)
    loose = replace(proposal, tight=False)
    assert regions.cut(picture(200, 100), loose, seen=0.5).pixels.shape == (50, 100, 3)


@pytest.mark.parametrize(("size", "count"), [((285, 285), 9), ((4000, 284), 0), ((284, 300), 0)])
def test_small_pictures_have_no_parts(size: tuple[int, int], count: int) -> None:
    assert len(regions.parts(grid(), picture(*size))) == count
    assert regions.worthwhile(grid(), *size) == bool(count)


def test_a_name_of_no_regions_is_answered_with_those_there_are(library: findalike.Library) -> None:
    with pytest.raises(UsageError, match="named 'faces'; there are: grid, objects, onnx:FILE"):
        regions.load("faces", library.settings)
    with pytest.raises(UsageError, match=r"finds regions by a model: give its file, onnx:detector\.onnx"):
        regions.load("onnx", library.settings)
    with pytest.raises(UsageError, match="grid takes no file; write grid"):
        regions.load("grid:9", library.settings)
    with pytest.raises(UsageError, match="there are: grid"):
        library.add(".", regions="faces")


def test_decoding_keeps_pixels_enough_for_parts() -> None:
    assert regions.magnified([grid()], 256) == round(256 / 0.45)
    assert regions.magnified([grid()], None) is None
    assert regions.magnified([], 256) == 256


# In a library


def run(library: findalike.Library, folder: Path, name: str | None) -> Report:
    encoder = library._encoder(next(iter(library.store.cards().values())))
    finders = [regions.load(name, library.settings)] if name else []
    found = [sources.discover(folder)]
    return ingest.ingest(library.store, [encoder], found, library.settings, regions=finders)


def boxes(library: findalike.Library, asset_id: str) -> dict[str, tuple[str, tuple[float, ...]]]:
    rows = library.store.rows(INT8, [asset_id])
    return {row.id.removeprefix(f"{asset_id}:"): (row.origin.part, row.origin.box) for row in rows}


@pytest.fixture
def scene(tmp_path: Path, photo: Photo, pictures: Path) -> Path:
    """A large picture of grass, with a small cat in it; the folder has four small pictures besides."""
    large = photo("grass", (1200, 900)).copy()
    large.paste(photo("chelsea", (400, 300)), (60, 520))
    large.save(pictures / "scene.jpg", quality=90)
    return pictures


def test_a_large_picture_gets_rows_of_its_parts(library: findalike.Library, scene: Path) -> None:
    library.add(scene / "cell.jpg")
    report = run(library, scene, "grid")
    assert (report.added, report.encoded) == (4, 0)
    by_name = {Path(asset.uri).name: asset for asset in library.store.assets()}
    rows = boxes(library, by_name["scene.jpg"].id)
    starts = [("0000", "0450"), ("0275", "0725"), ("0550", "1000")]
    keys = {f"region-{left}-{top}-{right}-{bottom}" for left, right in starts for top, bottom in starts}
    assert set(rows) == {*keys, "whole"}
    assert rows["region-0550-0550-1000-1000"][0] == "region"
    np.testing.assert_allclose(rows["region-0550-0550-1000-1000"][1], (0.55, 0.55, 1, 1), atol=1e-6)
    assert list(boxes(library, by_name["coffee.jpg"].id)) == ["whole"]
    assert not library.check()


def test_a_small_thing_is_found_with_its_box(library: findalike.Library, scene: Path, photo: Photo) -> None:
    library.add(scene / "cell.jpg")
    run(library, scene, None)
    cat = np.asarray(photo("chelsea", (400, 300)))
    before = {Path(hit.asset.uri).name: hit for hit in library.search(cat)}
    assert run(library, scene, "grid").encoded == 1
    after = {Path(hit.asset.uri).name: hit for hit in library.search(cat)}
    assert after["scene.jpg"].score > before["scene.jpg"].score + 0.1
    left, top, right, bottom = after["scene.jpg"].origin.box
    assert left < 260 / 1200 < right
    assert top < 670 / 900 < bottom


def test_known_pictures_get_their_parts_once(library: findalike.Library, scene: Path) -> None:
    library.add(scene)
    assert run(library, scene, "grid").encoded == 1
    again = run(library, scene, "grid")
    assert (again.encoded, again.unchanged) == (0, 5)
    assert run(library, scene, None).unchanged == 5
    (asset,) = [asset for asset in library.store.assets() if asset.uri.endswith("scene.jpg")]
    assert len(boxes(library, asset.id)) == 10
    Image.open(scene / "coffee.jpg").resize((640, 480)).save(scene / "scene.jpg")
    assert run(library, scene, "grid").updated == 1
    assert len(boxes(library, asset.id)) == 10
