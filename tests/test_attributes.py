"""Attributes of a library: learned, applied, forgotten, and everything that is wrong with what is given."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import findalike
import small_models
from conftest import Cli
from findalike import attributes
from findalike.attributes import AttributeInfo, shelf
from findalike.encode import file_card
from findalike.errors import FindalikeError, LibraryError, LibraryLocked, LibraryMismatch, UsageError
from findalike.library import Library
from findalike.present import confusion
from findalike.store.base import Batch
from findalike.types import Asset, Card, Metadata, Origin, Row, Value

SHOWN = Card("shown", "1", 12)
AT = datetime(2026, 1, 1, tzinfo=UTC)
COLOURS = {"red": (200, 30, 30), "blue": (30, 40, 190), "green": (40, 150, 50)}


def true_value(number: int) -> str:
    return ("red", "blue", "green")[number % 3]


def filled(library: Library, count: int, metadata: Callable[[int], Metadata]) -> Library:
    """With so many pictures, whose vectors tell `true_value`; identifiers are numbers of four digits."""
    random = np.random.default_rng(0)
    means = random.normal(size=(3, SHOWN.dim)) * 1.5
    library.store.add_card(SHOWN)
    assets, rows = [], []
    for number in range(count):
        name = f"{number:04}"
        vector = means[number % 3] + random.normal(size=SHOWN.dim)
        vector = (vector / np.linalg.norm(vector)).astype(np.float32)
        assets.append(Asset(f"/p/{name}.jpg", 1, AT, name, "image/jpeg", name, metadata(number)))
        rows.append(Row(f"{name}:whole", Origin(name), vector))
    library.store.write(Batch(assets, {SHOWN.space: rows}))
    return library


def half_labelled(number: int) -> Metadata:
    return {"color": true_value(number) if number < 45 else None, "number": number}


@pytest.fixture(params=["memory", "lance"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    """90 pictures, of which the first 45 have a person's color."""
    place = ":memory:" if request.param == "memory" else tmp_path / "library"
    with findalike.open(place) as opened:
        yield filled(opened, 90, half_labelled)


def made(metadata: Callable[[int], Metadata], count: int = 30) -> Library:
    return filled(findalike.open(":memory:"), count, metadata)


def column(library: Library, name: str) -> dict[str, Value]:
    return {a.id: a.metadata[name] for a in library.store.assets() if name in a.metadata}


# Learn, apply, forget


def test_learned_values_are_told_of_the_others(library: Library) -> None:
    learned = library.learn_attribute("color")
    assert learned.info.values == ("blue", "green", "red")
    assert learned.info.counts == (15, 15, 15)
    assert learned.info.accuracy is not None
    assert learned.info.accuracy > 0.9
    assert np.sum(learned.info.score.confusion) == 45
    assert not column(library, "color_confidence")  # nothing is written by learning
    (done,) = library.apply_attributes("color")
    assert (done.predicted, done.own, done.unsure, done.unseen) == (45, 45, 0, 0)
    assert Counter(done.counts).total() == 45
    told = column(library, "color_confidence")
    assert set(told) == {f"{n:04}" for n in range(45, 90)}
    right = [column(library, "color")[name] == true_value(int(name)) for name in told]
    assert np.mean(right) > 0.85
    assert all(isinstance(sure, float) and 1 / 3 <= sure <= 1 for sure in told.values())


def test_what_is_told_is_what_the_probe_says_of_the_vectors(library: Library) -> None:
    library.learn_attribute("color")
    library.apply_attributes("color")
    found = attributes.load(library.store.sidecars, "color")
    assert found is not None
    probe = found.probe("probe")
    for row in library.store.rows(SHOWN.space, ["0050", "0077"]):
        logits = [
            (float(w @ row.vector) + float(b)) / probe.temperature
            for w, b in zip(probe.weights[SHOWN.space], probe.bias, strict=True)
        ]
        shares = np.exp(logits) / np.exp(logits).sum()
        assert column(library, "color")[row.asset_id] == found.info.values[int(shares.argmax())]
        assert column(library, "color_confidence")[row.asset_id] == pytest.approx(shares.max(), abs=1e-4)


def test_filters_know_predictions(library: Library) -> None:
    library.learn_attribute("color")
    library.apply_attributes("color")
    values, sure = column(library, "color"), column(library, "color_confidence")
    wanted = {i for i, value in values.items() if value == "red" and float(sure.get(i) or 0) >= 0.8}  # type: ignore[arg-type]
    passes = findalike.query.parse_filter(
        "color = 'red' AND color_confidence >= 0.8", library.store.columns()
    )
    assert wanted
    assert {a.id for a in library.store.assets(passes)} == wanted


def test_a_persons_value_is_never_written_over(library: Library) -> None:
    library.edit(["0000"], metadata={"color": "blue"})  # a person says so, whatever it looks like
    before = column(library, "color")
    library.learn_attribute("color")
    library.apply_attributes("color")
    library.apply_attributes("color", min_confidence=1.0)
    assert {i: v for i, v in column(library, "color").items() if i in before} == before


def test_applying_again_writes_nothing(library: Library) -> None:
    library.learn_attribute("color")
    (first,) = library.apply_attributes()
    (again,) = library.apply_attributes()
    assert first.written == 45
    assert again.written == 0
    assert again.predicted == 45


def test_what_is_too_unsure_gets_no_value_and_loses_an_old_one(library: Library) -> None:
    library.learn_attribute("color")
    library.apply_attributes("color")
    sure = sorted(float(each or 0) for each in column(library, "color_confidence").values())  # type: ignore[arg-type]
    (done,) = library.apply_attributes("color", min_confidence=sure[20])
    assert done.unsure == 20
    assert done.predicted == 25
    assert done.written == 20
    assert min(float(v or 0) for v in column(library, "color_confidence").values()) == sure[20]  # type: ignore[arg-type]
    assert len(column(library, "color")) == 45 + 25


def test_applying_again_does_as_the_last_time(library: Library) -> None:
    library.learn_attribute("color")
    (first,) = library.apply_attributes("color", min_confidence=0.9, where="number >= 60")
    assert first.unsure > 0
    library.learn_attribute("color")
    (again,) = library.apply_attributes()
    assert (again.predicted, again.unsure, again.written) == (first.predicted, first.unsure, 0)
    (plain,) = library.apply_attributes(min_confidence=0.0)
    assert (plain.predicted, plain.unsure) == (45, 0)


def test_only_pictures_that_pass_are_told(library: Library) -> None:
    library.learn_attribute("color")
    (done,) = library.apply_attributes("color", where="number >= 80")
    assert done.predicted == 10
    assert set(column(library, "color_confidence")) == {f"{n:04}" for n in range(80, 90)}


def test_predictions_are_not_learned_from(library: Library) -> None:
    first = library.learn_attribute("color").info
    library.apply_attributes("color")
    again = library.learn_attribute("color").info
    assert (again.counts, again.score) == (first.counts, first.score)
    library.edit(["0060"], metadata={"color": "red", "color_confidence": None})  # accepted by a person
    assert library.learn_attribute("color").info.labelled == 46


def test_forgetting_takes_predictions_away_and_nothing_else(library: Library) -> None:
    own = column(library, "color")
    library.learn_attribute("color")
    library.apply_attributes("color")
    assert library.forget_attribute("color") == 45
    assert column(library, "color") == own
    assert not column(library, "color_confidence")
    assert library.attributes() == []
    assert column(library, "number") == {f"{n:04}": n for n in range(90)}
    with pytest.raises(UsageError, match="nothing was learned of 'color'"):
        library.forget_attribute("color")


def test_what_was_learned_is_read_again(tmp_path: Path) -> None:
    with findalike.open(tmp_path / "library") as opened:
        learned = filled(opened, 60, lambda n: {"Größe / Color": true_value(n)}).learn_attribute(
            "Größe / Color"
        )
    with findalike.open(tmp_path / "library", "r") as again:
        assert again.attributes() == [learned.info]
        names = [name for name in again.store.sidecars.names() if name.startswith("attributes/")]
        assert len(names) == 1
        assert names[0].isascii()
        with pytest.raises(UsageError, match="open for reading"):
            again.learn_attribute("Größe / Color")
        with pytest.raises(UsageError, match="open for reading"):
            again.apply_attributes()


def test_columns_whose_names_differ_in_case_stay_apart() -> None:
    assert (
        len({shelf.name_of(name).casefold() for name in ("color", "Color", "co-lor", "co/lor", "co%2flor")})
        == 5
    )


def test_true_and_false_are_told_too() -> None:
    library = made(lambda n: {"is_red": true_value(n) == "red" if n < 20 else None})
    info = library.learn_attribute("is_red").info
    assert info.values == (False, True)
    library.apply_attributes("is_red")
    assert {type(value) for value in column(library, "is_red").values()} == {bool}


def test_the_same_seed_gives_the_same_and_another_deals_other_folds() -> None:
    library = made(half_labelled, 60)
    first, again = (library.learn_attribute("color", seed=1).info.score for _ in range(2))
    other = library.learn_attribute("color", seed=2).info.score
    assert first == again
    assert first != other


# New pictures


def plain_pictures(folder: Path, first: int, count: int) -> Path:
    """Pictures of one colour each, with noise."""
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        random = np.random.default_rng(number)
        noise = random.integers(-25, 25, (48, 48, 3)) + np.array(COLOURS[true_value(number)])
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(folder / f"{number:04}.png")
    return folder


def table_of(folder: Path, out: Path, count: int) -> Path:
    """The first have a color; all have a path."""
    names = sorted(folder.glob("*.png"))
    with out.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "color"])
        rows.writerows([name, true_value(n) if n < count else ""] for n, name in enumerate(names))
    return out


def test_new_pictures_are_told_as_they_are_indexed(tmp_path: Path) -> None:
    folder = plain_pictures(tmp_path / "pictures", 0, 18)
    library = findalike.open(":memory:", encoder="colour")
    library.add(table=table_of(folder, tmp_path / "table.csv", 18))
    library.learn_attribute("color")
    library.add(plain_pictures(tmp_path / "more", 18, 3))
    assert not column(library, "color_confidence")  # it was learned, and never applied
    library.apply_attributes("color", min_confidence=0.5)
    library.add(plain_pictures(tmp_path / "more", 21, 3))
    told = {Path(a.uri).stem: a.metadata.get("color") for a in library.store.assets()}
    assert told == {f"{n:04}": true_value(n) for n in range(24)}
    assert len(column(library, "color_confidence")) == 6


def test_an_encoder_that_was_trained_on_the_labels_is_said_to_know_them(tmp_path: Path) -> None:
    library = findalike.open(":memory:", encoder="colour")
    library.add(table=table_of(plain_pictures(tmp_path / "a", 0, 18), tmp_path / "table.csv", 12))
    colour = next(card for card in library.store.cards().values() if card.name == "colour")
    by_name = {Path(asset.uri).stem: asset.sha256 for asset in library.store.assets()}
    known = file_card.pictures(by_name[f"{n:04}"] for n in range(5, 18))  # 7 of them are labelled
    small_models.head(tmp_path / "head.onnx", colour, colour.dim, trained={"pictures": known})
    reference = f"file:{tmp_path / 'head.onnx'}"
    library.add(encoder=reference)
    plain = library.learn_attribute("color", encoder="colour")
    assert plain.info.seen == 0
    assert not any("trained on" in note for note in plain.notes)
    found = library.learn_attribute("color", encoder=reference)
    assert found.info.seen == 7
    (note,) = [note for note in found.notes if "trained on" in note]
    assert "was trained on 7 of these 12 pictures: this accuracy says nothing of new ones" in note
    assert library.attributes()[0].seen == 7


def test_an_attribute_that_cannot_be_told_any_more_does_not_stop_indexing(tmp_path: Path) -> None:
    library = findalike.open(":memory:", encoder="colour")
    library.add(table=table_of(plain_pictures(tmp_path / "a", 0, 12), tmp_path / "table.csv", 12))
    library.learn_attribute("color")
    library.apply_attributes()
    found = attributes.of_column(library.store, "color")
    probes = {
        "probe": replace(found.probe("probe"), weights={"gone@1-float32": np.zeros((3, 4), np.float32)})
    }
    shelf.save(library.store.sidecars, attributes.Attribute(replace(found.info, method="probe"), probes))
    report = library.add(plain_pictures(tmp_path / "b", 12, 1))
    assert report.added == 1
    assert [(f.uri, "gone@1-float32" in f.error) for f in report.failures] == [("color", True)]
    library.store.sidecars.write(shelf.name_of("color"), b"damaged")
    report = library.add(plain_pictures(tmp_path / "c", 13, 1))
    assert report.added == 1
    assert [f.uri for f in report.failures] == ["attributes/color.npz"]


def test_others_can_write_while_it_is_learned(tmp_path: Path) -> None:
    done = []

    def watch(phase: str, *_: int) -> None:
        if phase == "learning" and not done:
            done.append(other.edit(["0000"], metadata={"number": 7}))

    with findalike.open(tmp_path / "library") as opened, findalike.open(tmp_path / "library") as other:
        filled(opened, 45, half_labelled)
        assert opened.learn_attribute("color", watch=watch).info.labelled == 45
        assert done
        with other._writing(0), pytest.raises(LibraryLocked):
            opened.learn_attribute("color")
    with findalike.open(tmp_path / "library", "r") as reading:
        assert column(reading, "number")["0000"] == 7
        assert [info.column for info in reading.attributes()] == ["color"]
        with pytest.raises(UsageError, match="open for reading"):
            reading.learn_attribute("color")


# Words and colours


def test_values_are_told_without_labels_by_the_colour_seen_most(tmp_path: Path) -> None:
    library = findalike.open(":memory:", encoder="colour")
    library.add(plain_pictures(tmp_path / "pictures", 0, 9))
    learned = library.learn_attribute("paint", values=["red", "blue", "green"])
    assert [score.method for score in learned.info.scores] == ["colours"]
    assert learned.info.accuracy is None
    assert learned.info.labelled == 0
    library.apply_attributes("paint")
    told = {Path(a.uri).stem: a.metadata["paint"] for a in library.store.assets()}
    assert told == {f"{n:04}": true_value(n) for n in range(9)}


def test_values_are_told_in_words_and_compared_with_the_probe(album: Path) -> None:
    """By the default encoder's text tower, on ten photographs."""
    library = findalike.open(":memory:")
    library.add(album)
    kinds = {"chelsea": "cat", "coffee": "drink", "grass": "grass"}
    library.learn_attribute("kind", values=["cat", "drink", "grass"], prompt=["{}", "a photo of a {}"])
    (done,) = library.apply_attributes("kind")
    assert done.method == "words"
    assert done.predicted == 10
    told = {Path(a.uri).stem: a.metadata["kind"] for a in library.store.assets()}
    assert {name: told[name] for name in kinds} == kinds
    text = library._reader([], True)
    assert text is not None
    found = attributes.of_column(library.store, "kind")
    vectors = {row.asset_id: row.vector for row in library.store.rows(text.card.space, ids_of(library))}
    probe = found.probe("words")
    assert probe.heard is not None
    for (
        asset_id,
        vector,
    ) in vectors.items():  # the tower's affinity, by hand
        heard = vector @ text.encoder.tower.head.T + text.encoder.tower.bias  # type: ignore[attr-defined]
        sums = []
        for value in found.info.values:
            meanings = [text.encoder.tower.embed(p) for p in (str(value), f"a photo of a {value}")]  # type: ignore[attr-defined]
            mean = np.mean(meanings, axis=0)
            sums.append(float(heard @ mean / np.linalg.norm(heard) / np.linalg.norm(mean)))
        np.testing.assert_allclose(probe.logits({text.card.space: vector[None]})[0], sums, atol=1e-4)
        assert (
            library.store.get([asset_id])[asset_id].metadata["kind"]
            == found.info.values[int(np.argmax(sums))]
        )


def test_values_are_told_by_a_two_tower_encoder_and_measured_by_labels(tmp_path: Path) -> None:
    """One that knows the words red, green and blue, and averages colours. Its text tower, by hand."""
    library = findalike.open(":memory:", encoder=f"clip:{small_models.two_tower(tmp_path / 'model')}")
    folder = plain_pictures(tmp_path / "pictures", 0, 12)
    library.add(table=table_of(folder, tmp_path / "table.csv", 9))
    learned = library.learn_attribute("color", prompt="{}")
    words = learned.info.score_of("words")
    assert words.accuracy == 1.0
    assert words.spaces == (next(iter(library.store.cards())),)
    reader = library._reader([], True)
    assert reader is not None
    texts = reader.encoder.encode_texts([str(value) for value in learned.info.values])
    probe = attributes.of_column(library.store, "color").probe("words")
    for row in library.store.rows(words.spaces[0], ids_of(library)):
        logits = probe.logits({words.spaces[0]: row.vector[None]})[0]
        np.testing.assert_allclose(logits, texts @ row.vector, atol=1e-5)
    (done,) = library.apply_attributes("color", method="words")
    assert done.predicted == 3
    told = {Path(a.uri).stem: a.metadata["color"] for a in library.store.assets()}
    assert told == {f"{n:04}": true_value(n) for n in range(12)}
    said = library.learn_attribute("color", values=["red", "unheard", "blue", "green"], prompt="{}")
    assert any("knows no word of 'unheard'" in note for note in said.notes)


def ids_of(library: Library) -> list[str]:
    return [asset.id for asset in library.store.assets()]


def test_a_file_of_values_has_their_words(tmp_path: Path) -> None:
    (tmp_path / "values.txt").write_text("# seasons\nsummer: sun, beach\n\nwinter\n", "utf-8")
    said = attributes.wording.worded(tmp_path / "values.txt", ["a {} photo"])
    assert said.values == ("summer", "winter")
    assert said.texts("summer") == ["a sun photo", "a beach photo"]
    assert said.texts("winter") == ["a winter photo"]


@pytest.mark.parametrize(
    ("values", "prompt", "message"),
    [
        (["red"], None, "at least two"),
        (["red", "red "], None, "each another"),
        (["red", ""], None, "each another"),
        (["red", "blue"], "a car", "no place for the value"),
        ("/nowhere/values.txt", None, "No such file"),
    ],
)
def test_words_that_cannot_be_used(values: list[str] | str, prompt: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        made(half_labelled).learn_attribute("color", values=values, prompt=prompt)


# What is wrong with labels


def with_confidence(number: int, value: Value) -> Metadata:
    return {"color": true_value(number), "color_confidence": value}


@pytest.mark.parametrize(
    ("metadata", "name", "message"),
    [
        (lambda n: {"color": "red"}, "color", "all 30 labelled pictures have the same 'color', 'red'"),
        (lambda n: {"color": f"number {n}"}, "color", "fewer than two have two pictures"),
        (
            lambda n: {"color": None, "number": n},
            "color",
            "no column 'color'; it has none that can be learned",
        ),
        (lambda n: {"color": true_value(n)}, "colour", "no column 'colour'; there are color"),
        (
            lambda n: {"shape": "round", "number": n, "color": true_value(n), "monochrome": True},
            "colour",
            "there are color, shape",
        ),
        (lambda n: {"year": n % 3}, "year", "holds whole numbers"),
        (lambda n: {"price": n / 2}, "price", "holds numbers"),
        (lambda n: {"taken": AT}, "taken", "holds times"),
        (lambda n: {"color": true_value(n)}, "color_confidence", "name that: --column color"),
        (lambda n: {"color": true_value(n)}, "tag", "holds tags"),
        (lambda n: {"color": true_value(n)}, "media", "a fact of every file"),
        (lambda n: {"color": true_value(n)}, " ", "no name of a column"),
        (
            lambda n: {"color": true_value(n), "color_confidence": "high"},
            "color",
            "a column 'color_confidence'",
        ),
        (
            lambda n: {"color": true_value(n), "color_confidence": 70.0},
            "color",
            "a column 'color_confidence'",
        ),
        (lambda n: {"color": true_value(n), "color_confidence": 0.5}, "color", "--adopt"),
    ],
)
def test_columns_that_cannot_be_learned(metadata: Callable[[int], Metadata], name: str, message: str) -> None:
    library = made(metadata)
    with pytest.raises(UsageError) as raised:
        library.learn_attribute(name)
    assert message in str(raised.value)
    assert library.attributes() == []


def test_predictions_from_elsewhere_are_adopted_when_told() -> None:
    library = made(lambda n: {"color": true_value(n), "color_confidence": 0.9 if n >= 24 else None})
    assert library.learn_attribute("color", adopt=True).info.labelled == 24
    (done,) = library.apply_attributes()
    assert (done.own, done.predicted) == (24, 6)


def test_spellings_are_named_and_merged_only_when_asked() -> None:
    spellings = ("red", "Red", "RED ", "blue", "blue", "blue")
    library = made(lambda n: {"color": spellings[n % 6]}, 36)
    apart = library.learn_attribute("color")
    assert set(apart.info.values) == set(spellings)
    (note,) = [note for note in apart.notes if "--fold-case" in note]
    assert "3 spellings" in note
    assert "'Red' (6)" in note
    assert "'RED ' (6)" in note
    library.edit(["0000"], metadata={"color": "Red"})  # now the most frequent
    together = library.learn_attribute("color", fold_case=True)
    assert together.info.values == ("Red", "blue")
    assert together.info.counts == (18, 18)
    assert any("Counted as one value" in note for note in together.notes)
    assert Counter(column(library, "color").values())["RED "] == 6  # the labels stay as they are


def test_values_of_one_picture_are_left_out_and_named() -> None:
    library = made(lambda n: {"color": "pink" if n == 0 else true_value(n)})
    learned = library.learn_attribute("color")
    assert learned.info.values == ("blue", "green", "red")
    assert learned.info.labelled == 29
    assert any("pink" in note and "one picture" in note for note in learned.notes)


def test_fewer_folds_than_asked_for_are_said() -> None:
    library = made(lambda n: {"color": true_value(n) if n < 9 else None})
    learned = library.learn_attribute("color", folds=10)
    assert learned.info.folds == 3
    assert len(learned.info.score.by_fold) == 3
    assert any("3 folds, not 10" in note for note in learned.notes)
    with pytest.raises(UsageError, match="at least 2"):
        library.learn_attribute("color", folds=1)


@pytest.mark.parametrize(("count", "warned"), [(18, True), (19, True), (20, False), (30, False)])
def test_an_accuracy_of_few_pictures_is_said_to_be_one(count: int, warned: bool) -> None:
    notes = made(lambda n: {"color": true_value(n) if n < count else None}).learn_attribute("color").notes
    assert any(f"that of {count} pictures alone" in note for note in notes) == warned


def test_long_values_are_cut_in_sentences() -> None:
    long = "a text\nof several lines " * 20
    library = made(lambda n: {"color": long if n == 0 else true_value(n) if n < 29 else long.upper()})
    notes = library.learn_attribute("color", fold_case=True).notes
    (merged,) = [note for note in notes if "Counted as one" in note]
    library.edit(["0029"], metadata={"color": "red"})
    (lonely,) = [note for note in library.learn_attribute("color").notes if "one picture alone" in note]
    assert "a text of several lines a text of sever…" in lonely
    assert "'a text\\nof several lines" in merged
    assert max(map(len, (lonely, merged))) < 200
    assert "\n" not in lonely + merged


def test_two_pictures_of_each_value_are_enough() -> None:
    library = made(lambda n: {"color": true_value(n) if n < 6 else None})
    learned = library.learn_attribute("color")
    assert learned.info.folds == 2
    assert learned.info.counts == (2, 2, 2)
    (done,) = library.apply_attributes()
    assert done.predicted == 24


def test_pictures_without_vectors_are_left_out() -> None:
    library = made(half_labelled, 60)
    library.store.remove_rows(SHOWN.space, ["0000:whole", "0050:whole"])
    learned = library.learn_attribute("color")
    assert learned.info.labelled == 44
    assert any("1 labelled pictures lack vectors" in n for n in learned.notes)
    (done,) = library.apply_attributes()
    assert done.unseen == 1
    assert done.predicted == 14
    assert "0050" not in column(library, "color")


def test_numbers_that_are_none_are_left_out() -> None:
    library = made(half_labelled, 60)
    for row in library.store.rows(SHOWN.space, ["0001"]):
        row.vector[0] = np.nan
    assert library.learn_attribute("color").info.labelled == 44


def test_an_empty_library_says_how_to_fill_it() -> None:
    with pytest.raises(FindalikeError, match="findalike index"):
        findalike.open(":memory:").learn_attribute("color")
    with pytest.raises(UsageError, match="nothing was learned yet"):
        findalike.open(":memory:").apply_attributes()


def test_a_space_that_went_away_is_named(library: Library) -> None:
    library.learn_attribute("color")
    library.store.add_card(replace(SHOWN, name="other"))
    library.store.remove_space(SHOWN.space)
    with pytest.raises(LibraryMismatch, match=r"learned in shown@1-float32.*attributes learn --column color"):
        library.apply_attributes("color")


def test_a_damaged_sidecar_is_named(library: Library) -> None:
    library.learn_attribute("color")
    name = shelf.name_of("color")
    whole = library.store.sidecars.read(name)
    assert whole is not None
    for content in (b"", b"nothing", whole[:400]):
        library.store.sidecars.write(name, content)
        with pytest.raises(LibraryError, match=r"learn the\s+attribute again"):
            library.attributes()
    library.learn_attribute("color")
    assert [info.column for info in library.attributes()] == ["color"]


def test_methods_and_confidences_that_are_none(library: Library) -> None:
    library.learn_attribute("color")
    with pytest.raises(UsageError, match="no method 'colours'; it has probe"):
        library.apply_attributes("color", method="colours")
    with pytest.raises(UsageError, match="from 0 to 1"):
        library.apply_attributes("color", min_confidence=1.5)


# The picture


def test_the_picture_has_a_dark_diagonal() -> None:
    values = tuple(f"value {n}" for n in range(3))
    drawn = np.asarray(
        confusion.draw([confusion.Confusion("made", values, ((9, 0, 1), (0, 10, 0), (5, 0, 5)))])
    )
    blue = (drawn[..., 2].astype(int) - drawn[..., 0]) > 120
    orange = (drawn[..., 0].astype(int) - drawn[..., 2]) > 60
    assert blue.sum() > 3 * 0.4 * confusion.CELL**2
    assert orange.sum() > 0.5 * confusion.CELL**2


def test_a_picture_of_many_values_stays_readable(tmp_path: Path) -> None:
    many = 90
    counts = tuple(tuple(int(i == j) * (i + 1) for j in range(many)) for i in range(many))
    several = [confusion.Confusion("made", tuple(map(str, range(many))), counts)] * 2
    confusion.write(several, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        assert image.width < confusion.CELL * (confusion.MOST + 7)
        assert image.height > 2 * confusion.CELL * confusion.MOST


# The installed program


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library on disk whose pictures are of three colours, half of them labelled."""
    folder = tmp_path_factory.mktemp("shop")
    plain_pictures(folder / "pictures", 0, 24)
    with findalike.open(folder / "library", encoder="colour") as opened:
        opened.add(table=table_of(folder / "pictures", folder / "table.csv", 12))
    return folder / "library"


def test_the_program_learns_applies_finds_and_forgets(shop: Path, cli: Cli, tmp_path: Path) -> None:
    picture = tmp_path / "confusion.png"
    run = cli("attributes", "learn", "--column", "color", "--json", "--picture", picture, library=shop)
    assert run.returncode == 0, run.stderr
    (record,) = json.loads(run.stdout)
    assert record["values"] == ["blue", "green", "red"]
    assert record["accuracy"] == 1.0
    assert {score["method"] for score in record["scores"]} == {"probe", "colours"}
    with Image.open(picture) as image:
        assert image.format == "PNG"
    run = cli("attributes", "apply", "--json", library=shop)
    assert json.loads(run.stdout)[0]["predicted"] == 12
    assert "To find them" in run.stderr
    run = cli("search", "--where", "color = 'red' AND color_confidence >= 0.5", "--paths", library=shop)
    assert {Path(line).stem for line in run.stdout.splitlines()} == {"0012", "0015", "0018", "0021"}
    listed = cli("attributes", library=shop).stdout.splitlines()
    assert listed[1].split("\t")[:4] == ["color", "3", "12", "12"]
    exported = list(csv.DictReader(io.StringIO(cli("attributes", "export", library=shop).stdout)))
    assert Counter(row["color_by"] for row in exported) == {"given": 12, "predicted": 12}
    assert all(bool(row["color_confidence"]) == (row["color_by"] == "predicted") for row in exported)
    assert "predictions of 12 pictures" in cli("attributes", "forget", "color", library=shop).stdout
    assert "Nothing was learned yet" in cli("attributes", "list", library=shop).stderr


def test_the_program_says_what_is_wrong(shop: Path, cli: Cli, tmp_path: Path) -> None:
    for args, message in (
        (("learn", "--column", "colr"), "there are color"),
        (("learn", "--column", "color", "--values", "a,b", "--values-file", "x"), "not both"),
        (("learn", "--column", "color", "--picture", tmp_path / "c.gif"), "c.gif: a picture of what was"),
        (("apply", "--column", "model"), "nothing was learned of 'model'"),
        (("export", "--column", "model"), "no column 'model'"),
        (("forget", "model"), "nothing was learned of 'model'"),
    ):
        run = cli("attributes", *args, library=shop)
        assert run.returncode == 2, (args, run.stderr)
        assert message in run.stderr
        assert "Traceback" not in run.stderr
    missing = cli("attributes", "learn", "--column", "color", library=tmp_path / "none")
    assert missing.returncode == 4
    assert not (tmp_path / "none").exists()


def test_a_confidence_is_offered_to_find_by_where_labels_bear_it_out(shop: Path, cli: Cli) -> None:
    for column, offered in (("paint", False), ("color", True)):
        learned = cli("attributes", "learn", "-c", column, "--values", "red,blue,green", library=shop)
        assert learned.returncode == 0, learned.stderr
        run = cli("attributes", "apply", "-c", column, library=shop)
        assert f"--where \"{column} = '…'" in run.stderr
        assert (f"{column}_confidence >= 0.8" in run.stderr) == offered
        cli("attributes", "forget", column, library=shop)


def test_tables_are_for_people(shop: Path, cli: Cli) -> None:
    run = cli("attributes", "learn", "-c", "color", "--values", "red,blue,green", library=shop)
    assert run.returncode == 0, run.stderr
    assert all(line.isprintable() for line in run.stdout.replace("\t", " ").splitlines())
    title, *methods, of, head, red, blue, green = run.stdout.splitlines()
    assert title == "color: 3 values, 12 labelled pictures, 4 folds"
    assert methods[0].split("\t")[:4] == ["method", "accuracy", "of", "folds"]
    told = {line.split("\t")[0].removesuffix(" ←"): line.split("\t")[2] for line in methods[1:]}
    assert told == {"probe": "12", "colours": "12"}
    assert (of, head.split("\t")[0]) == ("color, of which told right", "value")
    assert {line.split("\t")[0] for line in (red, blue, green)} == {"red", "blue", "green"}


def test_no_cell_of_a_table_is_a_formula() -> None:
    library = made(lambda n: {"=color": ("=cmd|'/c calc'!A0", "@red", "plain-blue")[n % 3]}, 3)
    rows = list(csv.reader(io.StringIO("".join(attributes.lines(library.store, ["=color"])))))
    assert rows[0][2] == "'=color"
    assert [row[2] for row in rows[1:]] == ["'=cmd|'/c calc'!A0", "'@red", "plain-blue"]


def test_a_card_says_all_that_was_measured() -> None:
    info = made(half_labelled, 60).learn_attribute("color").info
    assert isinstance(info, AttributeInfo)
    assert info.score.calibration_error is not None
    assert 0 <= info.score.calibration_error < 0.2
    assert info.score.log_loss is not None
    assert info.score.log_loss < np.log(3)
    assert len(info.score.by_fold) == info.folds == 5
