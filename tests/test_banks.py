"""Banks of what the network, pixels and metadata decide: by made pictures and figures worked by hand."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from findalike import decode, palette
from findalike.errors import FindalikeError
from findalike.types import Bank, Concept, Evidence, Metadata, Origin, Picture, Pixels
from findalike.words.appearance import APPEARANCE, light, reduced
from findalike.words.banks import CLASSES, MOST_TAGS, TAG_FROM, Observer, observed, ramp, tags_of
from findalike.words.dates import DATES, FIRST_YEAR, LAST_YEAR
from findalike.words.lexicon import CLASS_COUNT, Words, lexicon

SHARED = Path(__file__).parents[2] / "shared/data"
BUILT_IN: tuple[Observer, ...] = (CLASSES, APPEARANCE, DATES)
GREY = (150, 150, 150)


def by_name(watcher: Observer, evidence: Evidence) -> dict[str, float]:
    return {watcher.bank.concepts[number].name: weight for number, weight in evidence.items()}


def picture(image: Image.Image | Pixels) -> Picture:
    pixels = np.asarray(image)
    return Picture(pixels, Origin("a"), pixels.shape[1], pixels.shape[0])


def seen(image: Image.Image | Pixels, **metadata: Any) -> Mapping[str, float]:
    return by_name(APPEARANCE, observed(APPEARANCE, picture(image), metadata, None))


def dated(**metadata: Any) -> set[str]:
    return set(by_name(DATES, observed(DATES, None, metadata, None)))


def square_of(colour: tuple[int, int, int], side: int, ground: tuple[int, int, int] = GREY) -> Image.Image:
    """A square in the middle of 240×240."""
    image = Image.new("RGB", (240, 240), ground)
    image.paste(colour, (120 - side // 2, 120 - side // 2, 120 + side // 2, 120 + side // 2))
    return image


def noise(shape: tuple[int, int, int] = (200, 300, 3), seed: int = 0) -> Pixels:
    """A soft field of colours with fine noise, as photographs have."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8)).resize(
        (shape[1], shape[0]), Image.Resampling.BICUBIC
    )
    return np.clip(np.asarray(coarse) + random.normal(0, 6, shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("watcher", BUILT_IN, ids=lambda watcher: watcher.bank.name)
def test_concepts_have_unique_names_and_words_that_find_them(watcher: Observer) -> None:
    concepts = watcher.bank.concepts
    names = {concept.name for concept in concepts}
    assert len(names) == len(concepts)
    assert all(set(concept.broader) <= names for concept in concepts)
    words = lexicon() if watcher is CLASSES else Words(watcher.bank)
    for number, concept in enumerate(concepts):
        for word in concept.words:
            mentions = words.find(word)
            assert len(mentions) == 1, word
            assert number in mentions[0].concepts, word


class Broken:
    """An observer that keeps no contract."""

    bank = Bank("broken", "1", (Concept("a", ("a",)),))
    from_metadata = False

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def observe(self, picture: object, metadata: Metadata, probabilities: object) -> Evidence:
        return self._evidence


@pytest.mark.parametrize("evidence", [{1: 0.5}, {-1: 0.5}, {0: 0.0}, {0: 1.01}, {0: float("nan")}])
def test_evidence_outside_the_contract_is_refused(evidence: Evidence) -> None:
    with pytest.raises(FindalikeError, match="broken"):
        observed(Broken(evidence), None, {}, None)


def test_evidence_comes_as_plain_numbers() -> None:
    found = observed(Broken({np.int64(0): np.float32(0.5)}), None, {}, None)  # type: ignore[dict-item]
    assert [(type(n), type(w)) for n, w in found.items()] == [(int, float)]


def test_classes_need_probabilities_of_all_classes() -> None:
    assert observed(CLASSES, None, {}, None) == {}
    with pytest.raises(FindalikeError, match="1000"):
        observed(CLASSES, None, {}, np.zeros(10, np.float32))
    probabilities = np.zeros(CLASS_COUNT, np.float32)
    probabilities[207] = 1
    found = by_name(CLASSES, observed(CLASSES, None, {}, probabilities))
    assert found["golden retriever"] == found["dog"] == found["animal"] == 1


def test_tags_are_the_surest_first_and_the_narrower_of_equal_ones() -> None:
    probabilities = np.zeros(CLASS_COUNT, np.float32)
    probabilities[[207, 281, 5]] = [0.6, 0.2, 0.14]
    tags = tags_of(CLASSES.bank, CLASSES.observe(None, {}, probabilities))
    assert {"golden retriever", "dog", "pet", "animal", "tabby cat", "cat"} <= set(tags)
    assert "electric ray" not in tags  # .14
    assert tags.index("animal") < tags.index("dog") < tags.index("tabby cat")
    assert tags.index("golden retriever") < tags.index("retriever") < tags.index("dog")
    assert len(tags) <= MOST_TAGS


def test_no_more_tags_than_there_is_room_for() -> None:
    bank = Bank("many", "1", tuple(Concept(str(i)) for i in range(50)))
    evidence = {i: (i + 1) / 50 for i in range(50)}
    tags = tags_of(bank, evidence)
    assert tags == [str(i) for i in range(49, 49 - MOST_TAGS, -1)]
    assert tags_of(bank, {0: TAG_FROM, 1: TAG_FROM - 0.001}) == ["0"]


@given(st.floats(0, 1), st.floats(0, 1), st.floats(-2, 2))
def test_a_ramp_stays_between_0_and_1(low: float, high: float, value: float) -> None:
    if abs(high - low) > 1e-6:
        assert 0 <= ramp(value, low, high) <= 1
        assert ramp(low, low, high) == 0
        assert ramp(high, low, high) == 1


@pytest.mark.parametrize(
    ("name", "rgb"),
    [
        # CSS colours of these names, and others that people would call so
        ("red", (255, 0, 0)),
        ("red", (200, 16, 46)),
        ("red", (139, 0, 0)),
        ("orange", (255, 140, 0)),
        ("yellow", (255, 255, 0)),
        ("yellow", (255, 215, 0)),
        ("green", (0, 128, 0)),
        ("green", (124, 252, 0)),
        ("green", (46, 70, 30)),
        ("turquoise", (64, 224, 208)),
        ("turquoise", (0, 255, 255)),
        ("blue", (0, 0, 255)),
        ("blue", (0, 0, 128)),
        ("blue", (135, 206, 235)),
        ("purple", (128, 0, 128)),
        ("purple", (138, 43, 226)),
        ("pink", (255, 192, 203)),
        ("pink", (255, 105, 180)),
        ("pink", (255, 0, 255)),
        ("brown", (139, 69, 19)),
        ("brown", (101, 67, 33)),
        ("beige", (245, 222, 179)),
        ("beige", (210, 190, 150)),
        ("black", (0, 0, 0)),
        ("black", (25, 25, 28)),
        ("white", (255, 255, 255)),
        ("white", (240, 240, 235)),
        ("grey", (128, 128, 128)),
        ("grey", (90, 92, 95)),
    ],
)
def test_colours_have_the_names_people_give_them(name: str, rgb: tuple[int, int, int]) -> None:
    (number,) = palette.named(np.array([rgb], np.uint8))
    assert palette.COLOURS[number].name == name


def test_every_colour_is_named_by_some_pixels() -> None:
    axis = np.arange(0, 256, 15, np.uint8)
    grid = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    assert set(palette.named(grid).tolist()) == set(range(len(palette.COLOURS)))


def test_a_thing_that_fills_a_quarter_is_of_its_colour_and_a_speck_is_not() -> None:
    assert seen(square_of((220, 20, 30), 120))["red"] >= 0.9
    assert "red" not in seen(square_of((220, 20, 30), 24))
    large, small = (seen(square_of((220, 20, 30), side))["red"] for side in (200, 70))
    assert large > small
    assert "blue" not in seen(square_of((220, 20, 30), 120))


def test_the_middle_counts_more_than_the_edge() -> None:
    middle = square_of((220, 20, 30), 90)
    corner = Image.new("RGB", (240, 240), GREY)
    corner.paste((220, 20, 30), (0, 0, 90, 90))
    assert seen(middle)["red"] > 2 * seen(corner).get("red", 0)


def test_black_and_white_and_sepia_are_told_from_colour(photo: Callable[..., Image.Image]) -> None:
    colour = photo("chelsea")
    grey = colour.convert("L")
    warm = Image.merge("RGB", [grey.point(lambda v, s=s: min(255, v * s)) for s in (1.07, 0.9, 0.7)])
    assert not {"black and white", "sepia"} & set(seen(colour))
    assert seen(grey.convert("RGB"))["black and white"] == 1
    assert "sepia" not in seen(grey.convert("RGB"))
    assert seen(warm)["sepia"] > 0.8
    assert "black and white" not in seen(warm)


def test_light() -> None:
    assert seen(np.full((90, 90, 3), 250, np.uint8))["bright"] == 1
    assert seen(np.full((90, 90, 3), 15, np.uint8))["dark"] == 1
    assert not {"bright", "dark"} & set(seen(np.full((90, 90, 3), 120, np.uint8)))
    halves = np.zeros((90, 90, 3), np.uint8)
    halves[:, 45:] = 255
    assert seen(halves)["high contrast"] == 1
    patches = Image.new("RGB", (90, 90), (255, 0, 0))
    patches.paste((0, 0, 255), (0, 0, 45, 90))
    patches.paste((0, 200, 0), (0, 45, 90, 90))
    assert seen(patches)["colourful"] == 1
    assert "colourful" not in seen(np.full((90, 90, 3), 120, np.uint8))


def test_light_agrees_with_plain_figures() -> None:
    """Colourfulness as its authors define it, and mean and spread of luma (ITU-R BT.601)."""
    for seed in range(5):
        small = noise((48, 48, 3), seed) // (1 + seed)
        red, green, blue = (small[:, :, i].astype(float).ravel() for i in range(3))
        luma = (0.299 * red + 0.587 * green + 0.114 * blue) / 255
        first, second = red - green, (red + green) / 2 - blue
        measure = (first.var() + second.var()) ** 0.5 + 0.3 * (first.mean() ** 2 + second.mean() ** 2) ** 0.5
        found = light(small)
        assert found["colourful"] == pytest.approx(ramp(measure, 45, 82), abs=1e-3)
        assert found["bright"] == pytest.approx(ramp(luma.mean(), 0.6, 0.8), abs=1e-3)
        assert found["dark"] == pytest.approx(ramp(luma.mean(), 0.3, 0.15), abs=1e-3)
        assert found["high contrast"] == pytest.approx(ramp(luma.std(), 0.25, 0.35), abs=1e-3)


@pytest.mark.parametrize(
    ("width", "height", "formats"),
    [
        (300, 200, {"landscape format"}),
        (200, 300, {"portrait format"}),
        (200, 200, {"square format"}),
        (208, 200, {"square format"}),
        (200, 208, {"square format"}),
        (400, 200, {"landscape format", "panorama"}),
        (1, 1, {"square format"}),
        (5000, 1, {"landscape format", "panorama"}),
    ],
)
def test_formats(width: int, height: int, formats: set[str]) -> None:
    found = seen(np.full((height, width, 3), 120, np.uint8))
    assert {name for name in found if name.endswith("format") or name == "panorama"} == formats


def test_the_format_is_that_of_the_original() -> None:
    small = Picture(np.full((50, 50, 3), 120, np.uint8), Origin("a"), 4000, 1000)
    assert "panorama" in by_name(APPEARANCE, APPEARANCE.observe(small, {}, None))


def drawing() -> Image.Image:
    """A window with a bar, lines of text and a chart: what a screenshot is made of."""
    image = Image.new("RGB", (640, 400), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 640, 30), fill=(40, 90, 180))
    for row in range(50, 380, 18):
        draw.text((20, row), "The quick brown fox jumps over the lazy dog", fill=(20, 20, 20))
    for place, height in enumerate((80, 140, 40, 190)):
        draw.rectangle(
            (380 + 55 * place, 360 - height, 420 + 55 * place, 360), fill=(220, 80 + 30 * place, 40)
        )
    return image


def test_a_drawing_is_told_from_a_photograph(photo: Callable[..., Image.Image]) -> None:
    assert seen(drawing())["graphic"] > 0.8
    assert "graphic" not in seen(drawing(), camera="Canon EOS 5D")
    assert "graphic" not in seen(drawing().filter(ImageFilter.GaussianBlur(4)))
    for name in ("chelsea", "coffee", "astronaut"):
        assert "graphic" not in seen(photo(name))
    assert "graphic" not in seen(noise())
    assert "graphic" not in seen(np.full((90, 90, 3), 120, np.uint8))


def test_a_reduction_keeps_the_means_of_its_parts() -> None:
    pixels = np.repeat(np.repeat(noise((48, 48, 3)), 6, axis=0), 6, axis=1)
    assert np.array_equal(reduced(pixels), noise((48, 48, 3)))
    assert reduced(np.full((1, 3000, 3), 7, np.uint8)).tolist() == np.full((48, 48, 3), 7).tolist()


@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 99))
def test_any_picture_can_be_looked_at(width: int, height: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    observed(APPEARANCE, picture(random.integers(0, 256, (height, width, 3), np.uint8)), {}, None)


def test_without_a_picture_there_is_no_appearance() -> None:
    assert APPEARANCE.observe(None, {"width": 3, "height": 2}, None) == {}


@pytest.mark.data
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data/cars")
def test_the_colour_of_cars() -> None:
    with (SHARED / "cars/labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = [seen(_opened(SHARED / "cars" / row["path"])) for row in rows]
    for colour, least in (("red", 0.9), ("yellow", 0.9), ("black", 0.5), ("white", 0.4)):
        best = sorted(range(len(rows)), key=lambda i: -found[i].get(colour, 0))[:10]
        assert sum(rows[i]["color"] == colour for i in best) / 10 >= least, colour


@pytest.mark.data
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data/copies")
def test_the_colour_modes_without_colour_are_black_and_white() -> None:
    grey = {
        path.name for path in (SHARED / "copies/modes").iterdir() if path.stem in ("1", "F", "I", "L", "LA")
    }
    for path in (SHARED / "copies/modes").iterdir():
        assert ("black and white" in seen(_opened(path))) == (path.name in grey), path.name


def _opened(path: Path) -> Pixels:
    return decode.decode(path.read_bytes(), Origin("a"), short_side=256).picture.pixels


def test_a_winter_is_of_three_months() -> None:
    for moment in (datetime(2019, 12, 1, tzinfo=UTC), date(2019, 1, 31), date(2019, 2, 28)):
        assert {"2019", "2010s", "winter"} <= dated(taken=moment)
    assert "winter" not in dated(taken=date(2019, 3, 1))
    assert "winter" not in dated(taken=date(2019, 11, 30))


@pytest.mark.parametrize(
    ("month", "north", "south"),
    [(1, "winter", "summer"), (4, "spring", "autumn"), (7, "summer", "winter"), (10, "autumn", "spring")],
)
def test_seasons_are_reversed_in_the_south(month: int, north: str, south: str) -> None:
    seasons = {"winter", "spring", "summer", "autumn"}
    day = date(2020, month, 15)
    assert dated(taken=day) & seasons == dated(taken=day, latitude=52.5) & seasons == {north}
    assert dated(taken=day, latitude=-33.9) & seasons == {south}


def test_all_that_a_moment_is() -> None:
    christmas = datetime(2021, 12, 25, 18, 30, tzinfo=UTC)  # a Saturday
    assert dated(taken=christmas) == {
        *("2021", "2020s", "december", "winter", "christmas", "weekend", "evening")
    }
    assert dated(taken=date(2021, 5, 5)) == {"2021", "2020s", "may", "spring"}
    assert "christmas" not in dated(taken=date(2021, 12, 27))


@pytest.mark.parametrize(
    ("hour", "part"),
    [(4, "night"), (5, "morning"), (11, "morning"), (12, "afternoon"), (18, "evening"), (22, "night")],
)
def test_parts_of_the_day(hour: int, part: str) -> None:
    parts = {"morning", "afternoon", "evening", "night"}
    moment = datetime(2021, 5, 5, hour, 1, tzinfo=UTC)
    assert dated(taken=moment) & parts == {part}
    assert not dated(taken=moment, longitude=13.4) & parts  # its hour is that of Greenwich
    assert not dated(taken=datetime(2021, 5, 5, tzinfo=UTC)) & parts  # a date without a time


def test_columns_of_tables_give_dates_where_pictures_do_not() -> None:
    assert {"2001", "july"} <= dated(date=date(2001, 7, 1))
    assert {"2001", "july"} <= dated(created=datetime(2001, 7, 1, 12, tzinfo=UTC))
    assert dated(year=1999) == {"1999", "1990s"}
    assert "2005" in dated(taken=date(2005, 1, 1), year=1999)
    assert "1999" in dated(date="unknown", year=1999)


@pytest.mark.parametrize("value", [None, True, "2019", 2019.0, FIRST_YEAR - 1, LAST_YEAR + 1, date(1, 1, 1)])
def test_what_is_no_date_of_a_photograph_is_left_out(value: Any) -> None:
    assert dated(year=value) == set()
    assert dated(taken=value) == set()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("winter 2019", ["winter", "2019"]),
        ("Fall of '98? no, 1998", ["autumn", "1998"]),
        ("the nineties", ["1990s"]),
        ("90s", ["1990s"]),
        ("Sept. 1985", ["september", "1985"]),
        ("weekends at Xmas", ["weekend", "christmas"]),
    ],
)
def test_words_of_dates(text: str, names: list[str]) -> None:
    found = Words(DATES.bank).find(text)
    assert [DATES.bank.concepts[mention.concepts[0]].name for mention in found] == names


@given(st.dates(date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)), st.floats(-90, 90))
def test_every_date_has_one_year_month_and_season(day: date, latitude: float) -> None:
    names = dated(taken=day, latitude=latitude)
    assert str(day.year) in names
    assert len(names & {"winter", "spring", "summer", "autumn"}) == 1
    assert 4 <= len(names) <= 6


def test_black_and_white_is_found_before_black() -> None:
    found = Words(APPEARANCE.bank).find("a black and white landscape, gray and colorful")
    names = [APPEARANCE.bank.concepts[mention.concepts[0]].name for mention in found]
    assert names == ["black and white", "landscape format", "grey", "colourful"]
