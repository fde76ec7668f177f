"""Attributes that pixels decide: what they say, whose columns they are, and what becomes of values."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage

import findalike
from findalike.errors import LibraryError, QueryError
from findalike.ingest.measures import SIDECAR
from findalike.library import Library
from findalike.ownership import confidence, stated, told, without_predictions
from findalike.query import MEASURES
from findalike.store import full_text
from findalike.types import Asset, Pixels
from findalike.words import measures
from findalike.words.measures import dominant_color, measured, orientation, sharpness
from reels import reel

RED, WHITE, BLUE, GREY = (200, 20, 20), (250, 250, 250), (20, 40, 200), (128, 128, 128)


def plain(color: tuple[int, int, int], width: int = 120, height: int = 90) -> Pixels:
    return np.full((height, width, 3), color, np.uint8)


def thing(color: tuple[int, int, int], around: tuple[int, int, int], width: int = 120) -> Pixels:
    """A disc of a third of the width in the middle of something else."""
    pixels = plain(around, width)
    y, x = np.mgrid[: len(pixels), :width]
    pixels[np.hypot(y - len(pixels) / 2, x - width / 2) < width / 6] = color
    return pixels


def noisy(width: int, height: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


# What pixels say


@pytest.mark.parametrize(
    ("pixels", "name"),
    [
        (plain(RED), "red"),
        (plain(BLUE), "blue"),
        (plain(WHITE), "white"),
        (thing(RED, WHITE), "red"),
        (thing(BLUE, (60, 140, 60)), "blue"),
        (thing(WHITE, BLUE), "white"),
        (plain(RED, 1, 1), "red"),
        (plain(BLUE, 2000, 3), "blue"),
    ],
)
def test_the_dominant_colour_is_that_of_the_thing(pixels: Pixels, name: str) -> None:
    assert measured(pixels, pixels.shape[1], pixels.shape[0])["dominant_color"] == name


def test_shares_of_the_middle_and_the_edges_worked_out_by_loops() -> None:
    pixels = thing(RED, BLUE, 60)[:30, :40]
    height, width = pixels.shape[:2]
    inside, around = dict.fromkeys(("red", "blue"), 0.0), dict.fromkeys(("red", "blue"), 0)
    for y in range(height):
        for x in range(width):
            name = "red" if tuple(pixels[y, x]) == RED else "blue"
            fall = [(1 - ((at + 0.5) / of * 2 - 1) ** 2) ** 4 for at, of in ((y, height), (x, width))]
            inside[name] += 1 + 100 * fall[0] * fall[1]
            around[name] += not (height // 6 <= y < height - height // 6
                                 and width // 6 <= x < width - width // 6)  # fmt: skip
    total, edge = sum(inside.values()), sum(around.values())
    beyond = {name: inside[name] / total - 0.75 * around[name] / edge for name in inside}
    assert dominant_color(pixels) == max(beyond, key=beyond.__getitem__)


@pytest.mark.parametrize(
    ("size", "word"),
    [((4, 3), "landscape"), ((3, 4), "portrait"), ((105, 100), "square"), ((106, 100), "landscape"),
     ((100, 105), "square"), ((100, 106), "portrait"), ((1, 1), "square")],
)  # fmt: skip
def test_orientation(size: tuple[int, int], word: str) -> None:
    assert orientation(*size) == word


def test_grey_sepia_and_colour() -> None:
    grey = np.repeat(noisy(80, 60)[..., :1], 3, axis=2)
    sepia = (grey * [1.0, 0.86, 0.66]).clip(0, 255).astype(np.uint8)
    assert [measures.is_monochrome(pixels) for pixels in (grey, sepia, noisy(80, 60), plain(RED))] == [
        True, True, False, False,
    ]  # fmt: skip


def test_sharpness_is_the_spread_of_scipys_laplacian_and_falls_with_blur() -> None:
    luma = np.asarray(Image.fromarray(noisy(90, 70)).filter(ImageFilter.GaussianBlur(1)).convert("L"))
    spread = ndimage.laplace(luma.astype(np.float64))[1:-1, 1:-1].std()
    assert sharpness(luma) == pytest.approx(spread / (spread + 17), abs=1e-4)
    blurred = [
        sharpness(np.asarray(Image.fromarray(luma).filter(ImageFilter.GaussianBlur(b)))) for b in (0, 1, 2)
    ]
    assert blurred == sorted(blurred, reverse=True)
    assert sharpness(np.full((9, 9), 70, np.uint8)) == sharpness(luma[:2]) == 0


def test_numbers_are_from_0_to_1_and_large_pictures_are_measured_small() -> None:
    assert measured(plain((0, 0, 0)), 1, 1)["brightness"] == 0
    assert measured(plain((255, 255, 255)), 1, 1)["brightness"] == 1
    assert measured(plain(GREY), 1, 1)["brightness"] == pytest.approx(128 / 255, abs=1e-3)
    large = Image.fromarray(noisy(64, 48)).resize((1024, 768), Image.Resampling.NEAREST)
    assert measures.normalised(np.asarray(large)).shape == (192, 256, 3)
    assert list(measured(noisy(64, 48), 64, 48)) == list(MEASURES)


# In a library


def save(folder: Path, name: str, pixels: Pixels) -> Path:
    folder.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(folder / name)
    return folder / name


def write_table(path: Path, *rows: dict[str, object]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def metadata_of(library: Library) -> dict[str, dict[str, object]]:
    return {Path(a.uri).stem: dict(a.metadata) for a in library.store.assets()}


def measured_of(library: Library) -> dict[str, dict[str, object]]:
    return {n: {c: m[c] for c in MEASURES if c in m} for n, m in metadata_of(library).items()}


def found(library: Library, where: str) -> set[str]:
    return {Path(hit.asset.uri).stem for hit in library.search(where=where)}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    save(folder, "car.png", thing(RED, WHITE))
    save(folder, "sea.png", plain(BLUE, 60, 90))
    return folder


@pytest.fixture(params=["memory", "lance"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    with findalike.open(":memory:" if request.param == "memory" else tmp_path / "library") as opened:
        yield opened


def test_pictures_are_measured_and_filtered(library: Library, pictures: Path) -> None:
    library.add(pictures)
    where = "dominant_color = 'red' and orientation = 'landscape' and sharpness < 0.9 and monochrome = false"
    assert found(library, where) == {"car"}
    assert found(library, "orientation = 'portrait' and brightness < 0.5") == {"sea"}
    assert dict(library.facets("dominant_color")) == {"red": 1, "blue": 1}
    assert list(library.info().columns)[-5:] == list(MEASURES)


def test_the_turn_of_a_camera_counts(library: Library, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "p").mkdir()
    Image.fromarray(plain(RED)).save(tmp_path / "p" / "turned.jpg", exif=exif)
    library.add(tmp_path / "p")
    assert measured_of(library)["turned"]["orientation"] == "portrait"


def test_a_film_is_measured_on_the_frame_that_stands_for_it(library: Library, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    frames = [thing(RED, WHITE, 160)] * 20 + [thing(BLUE, WHITE, 160)] * 5
    (tmp_path / "p" / "reel.mp4").write_bytes(reel([frame[:90] for frame in frames]))
    library.add(tmp_path / "p")
    told = measured_of(library)["reel"]
    assert (told["dominant_color"], told["orientation"], told["monochrome"]) == ("red", "landscape", False)
    assert told["brightness"] == pytest.approx(0.87, abs=0.05)


def test_a_column_that_the_user_has_stays_the_users(library: Library, pictures: Path) -> None:
    table = write_table(pictures / "t.csv", {"path": "car.png", "orientation": 6, "sharpness": "crisp"})
    library.add(pictures, table=table)
    assert {c: metadata_of(library)["car"][c] for c in ("orientation", "sharpness")} == {
        "orientation": 6, "sharpness": "crisp",
    }  # fmt: skip
    assert measured_of(library)["sea"].keys() == MEASURES.keys() - {"orientation", "sharpness"}
    save(pictures, "later.png", plain(RED))
    library.add(pictures)
    assert measured_of(library)["later"].keys() == MEASURES.keys() - {"orientation", "sharpness"}


def test_a_table_that_comes_later_takes_a_column_over(library: Library, pictures: Path) -> None:
    library.add(pictures)
    library.add(table=write_table(pictures / "t.csv", {"path": "car.png", "dominant_color": "maroon"}))
    assert {n: m.get("dominant_color") for n, m in metadata_of(library).items()} == {
        "car": "maroon", "sea": None,
    }  # fmt: skip
    save(pictures, "sea.png", plain(RED, 60, 90))
    library.add(pictures)
    assert "dominant_color" not in metadata_of(library)["sea"]


def test_what_a_person_says_outlives_the_content(library: Library, pictures: Path) -> None:
    library.add(pictures)
    known = {Path(a.uri).stem: a.id for a in library.store.assets()}
    library.edit([known["car"]], metadata={"dominant_color": "maroon", "monochrome": None, "camera": "mine"})
    save(pictures, "car.png", plain(BLUE, 60, 90))
    assert library.add(pictures).updated == 1
    now = metadata_of(library)["car"]
    assert (now["dominant_color"], now["camera"], now["orientation"]) == ("maroon", "mine", "portrait")
    assert "monochrome" not in now


def test_pictures_from_before_are_filled_in_without_their_files(library: Library, pictures: Path) -> None:
    library.add(pictures)
    expected = measured_of(library)
    bare = [replace(a, metadata={"width": 120, "height": 90}) for a in library.store.assets()]
    bare = [replace(a, metadata={"width": 60, "height": 90}) if "sea" in a.uri else a for a in bare]
    library.store.update(bare)
    library.store.sidecars.write(SIDECAR, '{"columns": ["dominant_color", "orientation", "sharpness"]}')
    other = save(pictures.parent / "other", "new.png", plain(WHITE))
    phases = []
    report = library.add(other, watch=lambda progress: phases.append(progress.phase))
    assert report.added == 1
    assert "measuring" in phases
    now = measured_of(library)
    assert now["new"].keys() == now["car"].keys() == {"dominant_color", "orientation", "sharpness"}
    assert [now["car"][c] for c in ("dominant_color", "orientation")] == ["red", "landscape"]
    assert now["sea"]["orientation"] == "portrait"
    assert now["car"]["sharpness"] == pytest.approx(expected["car"]["sharpness"], abs=0.05)
    phases.clear()
    library.add(other, watch=lambda progress: phases.append(progress.phase))
    assert "measuring" not in phases


def test_a_filter_of_a_library_from_before_says_what_to_do(library: Library, pictures: Path) -> None:
    library.store.sidecars.write(SIDECAR, '{"columns": []}')
    library.add(pictures)
    with pytest.raises(QueryError, match=r"no column is named 'sharpness'.*: findalike index FOLDER"):
        library.search(where="sharpness > 0.5")
    with pytest.raises(QueryError, match=r"'orientation'.*: findalike index FOLDER"):
        library.search(plain(RED), same="orientation")


def test_a_spoilt_note_of_whose_columns_are_whose_is_named(library: Library, pictures: Path) -> None:
    library.store.sidecars.write(SIDECAR, "{")
    with pytest.raises(LibraryError, match=r"measures\.json.*spoilt.*index again"):
        library.add(pictures)


def test_words_do_not_find_what_was_measured() -> None:
    metadata = {"orientation": "landscape", "dominant_color": "blue"}
    asset = Asset("/p/harbour.jpg", 1, datetime(2026, 1, 1, tzinfo=UTC), metadata=metadata)
    assert not {"landscape", "blue"} & set(full_text.document(asset).split())
    own = replace(asset, metadata={"orientation": "facing north"})
    assert {"north", "harbour"} <= set(full_text.document(own).split())


# Who owns a value


def test_who_states_a_value_owns_it() -> None:
    guessed = {"color": "red", "color_confidence": 0.8, "note": "x"}
    assert confidence(guessed, "color") == 0.8
    assert stated(guessed, {"color": "blue"}) == {"color": "blue", "color_confidence": None, "note": "x"}
    again = {"color": "blue", "color_confidence": 0.5}
    assert stated(guessed, again) == {**guessed, **again}
    assert told(guessed, {"color": None, "note": None}) == {**guessed, "note": None}
    assert told({"note": "x"}, {"note": None}, given=["note"]) == {"note": "x"}
    assert without_predictions(guessed) == {"note": "x"}
    assert without_predictions({"price": 3, "self_confidence": 0.5}) == {"price": 3, "self_confidence": 0.5}


@pytest.fixture
def guessed(library: Library, pictures: Path) -> Library:
    """A library with a predicted value for each picture."""
    library.add(pictures)
    assets = list(library.store.assets())
    library.store.update(
        [replace(a, metadata={**a.metadata, "color": "red", "color_confidence": 0.75}) for a in assets]
    )
    return library


def test_an_edit_makes_a_value_a_persons(guessed: Library) -> None:
    known = next(a.id for a in guessed.store.assets() if "car" in a.uri)
    guessed.edit([known], metadata={"color": "scarlet"})
    assert found(guessed, "color_confidence is null") == found(guessed, "color = 'scarlet'") == {"car"}
    guessed.edit([known], metadata={"color": "red", "color_confidence": 0.5})
    assert found(guessed, "color = 'red' and color_confidence < 0.6") == {"car"}


def test_a_table_makes_a_value_its_own_but_an_empty_cell_does_not(guessed: Library, pictures: Path) -> None:
    rows = [{"path": "car.png", "color": "white"}, {"path": "sea.png", "color": ""}]
    guessed.add(table=write_table(pictures / "t.csv", *rows))
    assert found(guessed, "color = 'white' and color_confidence is null") == {"car"}
    assert found(guessed, "color = 'red' and color_confidence = 0.75") == {"sea"}
    sea = next(a.id for a in guessed.store.assets() if "sea" in a.uri)
    guessed.edit([sea], metadata={"color": "navy"})
    guessed.add(table=pictures / "t.csv")
    assert found(guessed, "color = 'navy'") == {"sea"}


def test_predictions_go_with_the_pixels_and_stay_with_a_move(guessed: Library, pictures: Path) -> None:
    save(pictures, "car.png", plain(BLUE, 50, 50))
    (pictures / "sea.png").rename(pictures / "moved.png")
    guessed.add(pictures)
    assert found(guessed, "color = 'red' and color_confidence = 0.75") == {"moved"}
    assert found(guessed, "color is null and color_confidence is null") == {"car"}
