"""What a library learns of its own pictures: whitening, bags of visual words, VLAD."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import findalike
from conftest import Cli, Photo
from findalike import distance, settings
from findalike.encode import catalog, learned, local, whitening
from findalike.encode.base import Derived, encode
from findalike.errors import (
    EncoderError,
    LibraryError,
    LibraryMismatch,
    LibraryMissing,
    UsageError,
)
from findalike.learn import BOTH
from findalike.sidecars import FolderSidecars
from findalike.types import Card, Origin, Picture, Vectors

SIZES = {"bow": 60, "vlad": 4}
SPACES = {"bow": "bow:sift@1-float32", "vlad": "vlad:sift@1-float32"}


def drawing(seed: int, size: tuple[int, int] = (200, 160)) -> Image.Image:
    """Overlapping shapes with corners enough for keypoints, another for each seed."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(int(c) for c in rng.integers(0, 256, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y = int(rng.integers(0, size[0] - 20)), int(rng.integers(0, size[1] - 20))
        w, h = (int(n) for n in rng.integers(8, 40, 2))
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        draw.rectangle((x, y, x + w, y + h), fill=colour)
        draw.line((x, y, x + h, y + w), fill=(0, 0, 0), width=2)
    return image


def picture(image: Image.Image) -> Picture:
    pixels = np.asarray(image)
    return Picture(pixels, Origin("x"), image.width, image.height)


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight drawings, and one with nothing on it."""
    folder = tmp_path_factory.mktemp("drawings")
    for seed in range(8):
        drawing(seed).save(folder / f"{seed}.png")
    Image.new("RGB", (200, 160), (90, 120, 200)).save(folder / "blank.png")
    return folder


@pytest.fixture(scope="module")
def indexed(drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of the drawings."""
    path = tmp_path_factory.mktemp("indexed") / "library"
    with findalike.open(path) as library:
        library.add(drawings)
    return path


@pytest.fixture
def opened(tmp_path: Path, indexed: Path) -> Iterator[findalike.Library]:
    """A copy of that library, to be changed at will."""
    with findalike.open(shutil.copytree(indexed, tmp_path / "library")) as library:
        yield library


def rows(library: findalike.Library, space: str) -> dict[str, np.ndarray]:
    """The vectors of a space by the name of the file."""
    names = {asset.id: Path(asset.uri).name for asset in library.store.assets()}
    return {names[row.asset_id]: row.vector for row in library.store.rows(space, names)}


# Whitening


def spread(count: int, dim: int, seed: int = 0) -> Vectors:
    """Rows that vary more along some directions than along others."""
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((count, dim)) * np.linspace(3, 0.2, dim)
    return (mixed @ np.linalg.qr(rng.standard_normal((dim, dim)))[0] + 1).astype(np.float32)


@pytest.mark.parametrize("count", [200, 12])
def test_whitening_turns_to_the_axes_of_the_singular_value_decomposition(count: int) -> None:
    vectors = spread(count, 20)
    found = whitening.learn(vectors, 5, 0.0).of(vectors)
    centred = vectors.astype(np.float64) - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(found), np.abs(centred @ axes[:5].T), atol=1e-4)


def test_whitening_in_full_leaves_no_variance_greater_than_another() -> None:
    vectors = spread(40_000, 10)
    for power, remains in ((0.5, 0.0), (0.25, 0.5), (0.0, 1.0)):
        variances = whitening.learn(vectors, 10, power).of(vectors).var(axis=0)
        before = np.linalg.eigvalsh(np.cov(vectors.T))[::-1]
        np.testing.assert_allclose(variances / variances[0], (before / before[0]) ** remains, rtol=0.04)


@pytest.mark.parametrize("count", [15, 30, 500])
def test_variances_are_shrunk_as_ledoit_and_wolf_say(count: int) -> None:
    covariance = pytest.importorskip("sklearn.covariance")
    vectors = spread(count, 24)
    expected = covariance.ledoit_wolf(vectors.astype(np.float64))[1]
    assert whitening.learn(vectors).shrinkage == pytest.approx(expected, rel=1e-6)


def test_whitening_has_no_more_numbers_than_there_are_ways_to_vary() -> None:
    assert whitening.learn(spread(9, 50), 128).axes.shape == (50, 8)
    assert whitening.learn(np.eye(2, 7, dtype=np.float32), 128).axes.shape == (7, 1)
    for same in (np.ones((5, 7), np.float32), np.ones((1, 7), np.float32), np.ones((0, 7), np.float32)):
        with pytest.raises(ValueError, match="row"):
            whitening.learn(same)


def test_a_row_of_zeros_stays_one() -> None:
    vectors = spread(30, 6)
    vectors[3] = 0
    found = whitening.learn(vectors).of(vectors)
    assert not found[3].any()
    assert found[2].any()


def test_a_library_is_whitened_without_its_files(opened: findalike.Library, drawings: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    lesson = opened.learn_whitening(dim=5, power=0.25, watch=lambda *tick: seen.append(tick))
    assert (lesson.pictures, lesson.encoded, lesson.notes) == (9, 9, ())
    assert seen[-1] == ("encoding", 9, 9)
    card = lesson.cards[0]
    assert (card.space, card.dim) == ("whitened:efficientnet-lite0@1-int8", 5)
    base, found = rows(opened, "efficientnet-lite0@1-int8"), rows(opened, card.space)
    assert found.keys() == base.keys()
    stacked = np.stack(list(base.values()))
    expected = whitening.learn(opened.store.sample("efficientnet-lite0@1-int8", 99), 5, 0.25).of(stacked)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(np.stack(list(found.values())), expected, atol=1e-5)
    hits = opened.search(drawings / "3.png", encoder="whitened:efficientnet-lite0", include_self=True)
    assert Path(hits[0].asset.uri).name == "3.png"
    assert hits[0].similarity == pytest.approx(1, abs=1e-3)


def test_fewer_pictures_than_numbers_are_said_plainly(opened: findalike.Library) -> None:
    lesson = opened.learn_whitening(dim=128)
    assert lesson.cards[0].dim == 8
    assert "9 vectors vary in 8 ways" in lesson.notes[0]


def test_new_pictures_get_rows_and_the_network_runs_once(
    opened: findalike.Library, drawings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.learn_whitening()
    opened.learn_vocabulary(sizes=SIZES)
    drawing(99).save(tmp_path / "new.png")
    runs = []
    run = whitening.Whitened.encode_batch
    monkeypatch.setattr(
        whitening.Whitened, "encode_batch", lambda self, several: (runs.append(1), run(self, several))[1]
    )
    assert opened.add(drawings, tmp_path / "new.png").added == 1
    assert not runs
    encoder = opened._encoder(opened._card("whitened:efficientnet-lite0"))
    assert isinstance(encoder, Derived)
    expected = encode(encoder, [picture(drawing(99))])[0]
    assert runs
    np.testing.assert_allclose(rows(opened, encoder.card.space)["new.png"], expected, atol=2e-3)
    for space in SPACES.values():
        assert rows(opened, space)["new.png"].any()
        assert len(rows(opened, space)) == 10


def test_what_was_learned_can_be_whitened_in_its_turn(opened: findalike.Library, tmp_path: Path) -> None:
    opened.learn_vocabulary(sizes={"vlad": 4})
    opened.learn_whitening("vlad:sift", dim=4)
    drawing(99).save(tmp_path / "new.png")
    opened.add(tmp_path / "new.png")
    space = "whitened:vlad-sift@1-float32"
    assert len(rows(opened, space)) == 10
    assert not rows(opened, space)["blank.png"].any()
    path = Path(opened.path)
    opened.close()
    moved = path.rename(path.with_name("moved"))
    with findalike.open(moved) as again:
        assert again.search(tmp_path / "new.png", encoder="whitened:vlad-sift", k=3)


# Keypoints and words


def test_root_sift_has_unit_length_and_keeps_the_shares() -> None:
    descriptors = np.random.default_rng(0).integers(0, 256, (6, 128)).astype(np.uint8)
    descriptors[5] = 0
    found = local.compared("sift", descriptors)
    for row, numbers in zip(found[:5], descriptors[:5].tolist(), strict=True):
        np.testing.assert_allclose(row, [math.sqrt(n / sum(numbers)) for n in numbers], rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found[:5], axis=1), 1, rtol=1e-5)
    assert not found[5].any()


def test_orb_is_compared_by_its_bits() -> None:
    one = np.zeros((2, 32), np.uint8)
    one[1, 0] = 0b1010_0000
    rows_ = local.compared("orb", one)
    assert rows_.shape == (2, 256)
    assert np.flatnonzero(rows_[1]).tolist() == [0, 2]


def test_each_keypoint_goes_to_the_nearest_word() -> None:
    rng = np.random.default_rng(1)
    some, words = rng.random((50, 8)).astype(np.float32), rng.random((7, 8)).astype(np.float32)
    expected = [min(range(7), key=lambda w: sum((a - b) ** 2 for a, b in zip(row, words[w], strict=True)))
                for row in some]  # fmt: skip
    assert local.assigned(some, words).tolist() == expected
    assert local.assigned(some[:0], words).tolist() == []


def test_a_bag_of_words_worked_by_hand() -> None:
    """Of 4 pictures, word 0 is in all, word 1 in one, word 2 in none."""
    weights = local.rarity(np.array([4, 1, 0]), 4)
    np.testing.assert_allclose(weights, [math.log(2), math.log(5), math.log(5)], rtol=1e-6)
    found = local.bag(np.array([0, 0, 0, 1]), weights)
    length = math.hypot(3 * math.log(2), math.log(5))
    np.testing.assert_allclose(found, [3 * math.log(2) / length, math.log(5) / length, 0], rtol=1e-6)
    assert not local.bag(np.array([], np.int64), weights).any()


def test_vlad_worked_by_hand() -> None:
    """Two points at word 0, together (1, 2) from it; one at word 1, (0, 3) from it; none at word 2."""
    words = np.array([[0, 0], [10, 0], [0, 10]], np.float32)
    points = np.array([[1, 0], [0, 2], [10, 3]], np.float32)
    places = local.assigned(points, words)
    assert places.tolist() == [0, 0, 1]
    each = [1 / math.sqrt(5), 2 / math.sqrt(5), 0, 1, 0, 0]
    np.testing.assert_allclose(local.vlad(points, places, words), np.array(each) / math.sqrt(2), atol=1e-6)
    assert not local.vlad(points[:0], places[:0], words).any()


@pytest.mark.parametrize("kind", ["sift", "orb"])
def test_a_vocabulary_is_learned_and_searched(
    opened: findalike.Library, drawings: Path, kind: str, tmp_path: Path
) -> None:
    lesson = opened.learn_vocabulary(kind, SIZES)
    assert (lesson.pictures, lesson.encoded, lesson.notes) == (9, 9, ())
    bag, vlad = lesson.cards
    assert (bag.space, bag.dim, bag.dtype) == (f"bow:{kind}@1-float32", 60, "sparse")
    assert (vlad.dim, vlad.dtype) == (4 * local.DIMS[kind], "float16")
    cropped = drawing(5).crop((10, 8, 190, 150))
    cropped.save(tmp_path / "cropped.jpg", quality=92)
    for card in lesson.cards:
        assert not rows(opened, card.space)["blank.png"].any()
        hits = opened.search(tmp_path / "cropped.jpg", encoder=card.name)
        assert Path(hits[0].asset.uri).name == "5.png"
        assert all(np.isfinite(hit.similarity) for hit in hits)


def test_the_store_finds_by_words_what_a_product_of_all_rows_finds(opened: findalike.Library) -> None:
    opened.learn_vocabulary(sizes={"bow": 60})
    every = rows(opened, SPACES["bow"])
    target = every["2.png"]
    expected = distance.cosine(np.stack(list(every.values())), target)
    order = sorted(zip(every, expected, strict=True), key=lambda pair: -pair[1])[:5]
    found = opened.store.nearest(SPACES["bow"], target, 5)
    assert [Path(match.asset.uri).name for match in found] == [name for name, _ in order]
    np.testing.assert_allclose([m.similarity for m in found], [s for _, s in order], atol=1e-5)


def test_learning_again_gives_the_same(opened: findalike.Library) -> None:
    first = opened.learn_vocabulary(sizes=SIZES)
    again = opened.learn_vocabulary(sizes=SIZES, name="again")
    for one, other in zip(first.cards, again.cards, strict=True):
        before, after = rows(opened, one.space), rows(opened, other.space)
        for name, vector in before.items():
            np.testing.assert_allclose(after[name], vector, atol=1e-6)


def test_a_vocabulary_larger_than_the_data_is_made_smaller_and_says_so(opened: findalike.Library) -> None:
    lesson = opened.learn_vocabulary(sizes={"bow": 1_000_000})
    dim = lesson.cards[0].dim
    assert 60 < dim < 9 * local.MOST
    assert f"{dim:,} different words" in lesson.notes[0]
    assert "few words are in two pictures" in lesson.notes[1]
    found = rows(opened, SPACES["bow"])
    assert found["1.png"] @ found["1.png"] == pytest.approx(1, abs=1e-5)


def test_a_picture_whose_file_is_gone_is_seen_as_its_thumbnail(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(4):
        drawing(seed).save(folder / f"{seed}.png")
    with findalike.open(tmp_path / "library") as library:
        library.add(folder)
        (folder / "2.png").unlink()
        lesson = library.learn_vocabulary(sizes=SIZES)
        assert (lesson.pictures, lesson.encoded) == (4, 4)
        assert rows(library, SPACES["bow"])["2.png"].any()


def test_a_file_that_cannot_be_read_any_more_is_left_for_later(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(4):
        drawing(seed).save(folder / f"{seed}.png")
    with findalike.open(tmp_path / "library") as library:
        library.add(folder)
        (folder / "1.png").write_bytes(b"nothing")
        lesson = library.learn_vocabulary(sizes=SIZES)
        assert (lesson.pictures, lesson.encoded) == (3, 3)
        assert "1 of 4 pictures could not be read" in lesson.notes[0]


# A file that was learned


def test_a_moved_library_finds_what_it_learned(
    opened: findalike.Library, drawings: Path, tmp_path: Path
) -> None:
    opened.learn_whitening()
    opened.learn_vocabulary(sizes=SIZES)
    path = Path(opened.path)
    opened.close()
    moved = path.rename(path.with_name("moved"))
    drawing(77).save(tmp_path / "later.png")
    with findalike.open(moved) as library:
        assert library.add(tmp_path / "later.png").added == 1
        for space in ("whitened:efficientnet-lite0@1-int8", *SPACES.values()):
            assert len(rows(library, space)) == 10
            assert library.search(drawings / "1.png", encoder=space, k=2)
        assert not library.check()
    with findalike.open(moved, "r") as library:
        assert library.search(text="a drawing", k=1) is not None
        assert library.search(tmp_path / "later.png", encoder="bow:sift", k=2)


def test_other_precisions_are_asked_of_networks_alone(opened: findalike.Library, drawings: Path) -> None:
    opened.learn_whitening()
    opened.add(drawings, encoder="efficientnet-lite0", precision="float32")
    assert len(rows(opened, "whitened:efficientnet-lite0@1-int8")) == 9
    assert opened.learn_whitening("efficientnet-lite0@1-float32").cards[0].precision == "float32"


def test_a_name_is_learned_once(opened: findalike.Library) -> None:
    opened.learn_whitening()
    with pytest.raises(UsageError, match=r"has whitened:efficientnet-lite0 already.*--name"):
        opened.learn_whitening(dim=3)
    assert opened.learn_whitening(dim=3, name="three").cards[0].dim == 3
    opened.learn_vocabulary(sizes={"bow": 10})
    with pytest.raises(UsageError, match=r"bow:sift already.*learn-vocabulary --name"):
        opened.learn_vocabulary(sizes=SIZES)


def learned_file(library: findalike.Library) -> Path:
    return next((Path(library.path) / learned.FOLDER).iterdir())


def test_a_learned_file_that_is_gone_or_another_is_named(opened: findalike.Library, drawings: Path) -> None:
    opened.learn_whitening()
    path = learned_file(opened)
    data = path.read_bytes()
    path.unlink()
    with findalike.open(opened.path, "r") as again:
        with pytest.raises(LibraryMismatch, match=rf"{path.name} is gone.*put it back"):
            again.search(drawings / "1.png", encoder="whitened:efficientnet-lite0")
        assert again.search(drawings / "1.png")
        assert any(path.name in problem.detail for problem in again.check())
    path.write_bytes(b"something else")
    with findalike.open(opened.path, "r") as again:
        assert any(path.name in problem.detail for problem in again.check())
    with findalike.open(opened.path, "r") as again, pytest.raises(EncoderError, match="cannot be read"):
        again._encoder(again._card("whitened:efficientnet-lite0"))
    path.write_bytes(data)
    with findalike.open(opened.path, "r") as again:
        assert again.search(drawings / "1.png", encoder="whitened:efficientnet-lite0")


def test_a_learned_file_that_is_gone_keeps_nothing_else_from_being_indexed(
    opened: findalike.Library, tmp_path: Path
) -> None:
    card = opened.learn_whitening().cards[0]
    path = learned_file(opened)
    path.rename(tmp_path / "away")
    drawing(77).save(tmp_path / "new.png")
    with findalike.open(opened.path) as again:
        before = again.store.status()
        report = again.add(tmp_path / "new.png")
        assert report.added == 1
        (failure,) = report.failures
        assert (failure.uri, failure.stage) == (str(path), "encode")
        assert "put it back" in failure.error
        grown = {space: one.rows - before[space].rows for space, one in again.store.status().items()}
        assert grown == {space: int(space != card.space) for space in before}
    (tmp_path / "away").rename(path)
    with findalike.open(opened.path) as again:
        assert again.add(tmp_path / "new.png").encoded == 1
        assert len(again.store.encoded(card.space)) == len(again)


def test_what_is_not_a_number_is_refused(opened: findalike.Library, tmp_path: Path) -> None:
    card = opened.learn_whitening().cards[0]
    held = learned.load(card, ("mean", "axes"))
    spoilt = held.arrays["axes"].copy()
    spoilt[0, 0] = np.nan
    bad = learned.save(
        replace(card, source="", sha256=""),
        {**held.arrays, "axes": spoilt},
        learned.Home(FolderSidecars(tmp_path), tmp_path),
    )
    with pytest.raises(EncoderError, match=r"not a finite number in 'axes'"):
        catalog.load(bad, settings.load())
    with pytest.raises(EncoderError, match=r"SHA-256"):
        catalog.load(replace(card, source=bad.source), settings.load())


def test_no_code_in_a_learned_file_is_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    written = np.frombuffer(json.dumps({"name": "whitened:x"}).encode(), np.uint8)
    np.savez(tmp_path / "trap.npz", card=written, mean=np.array([Trap()], object))
    with pytest.raises(EncoderError, match="cannot be read"):
        learned.card_of(f"whitened:{tmp_path / 'trap.npz'}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_others_may_read_what_was_learned_as_the_rest_of_the_library(opened: findalike.Library) -> None:
    opened.learn_whitening()
    beside = Path(opened.path) / "findalike.json"
    assert learned_file(opened).stat().st_mode == beside.stat().st_mode


def test_a_family_without_a_name_is_no_encoder(opened: findalike.Library, drawings: Path) -> None:
    opened.learn_vocabulary(sizes=SIZES)
    with pytest.raises(UsageError, match=r"no encoder is named 'vlad'; there are: .*vlad:…"):
        opened.search(drawings / "1.png", encoder="vlad")


def test_a_card_is_read_back_from_its_file(opened: findalike.Library) -> None:
    for card in (*opened.learn_whitening().cards, *opened.learn_vocabulary(sizes=SIZES).cards):
        assert catalog.find(catalog.reference(card), card.precision) == card
        assert catalog.installed(card) == card
    with pytest.raises(UsageError, match="leave out the precision"):
        catalog.find(catalog.reference(card), "int8")
    with pytest.raises(UsageError, match="name it vlad:"):
        catalog.find(f"bow:{card.source.partition(':')[2]}")


def test_what_another_library_learned_may_be_named_by_its_file(
    opened: findalike.Library, drawings: Path, tmp_path: Path
) -> None:
    opened.learn_whitening(dim=5)
    expected = rows(opened, "whitened:efficientnet-lite0@1-int8")
    with findalike.open(tmp_path / "other") as other:
        other.add(drawings, encoder=f"whitened:{learned_file(opened)}")
        found = rows(other, "whitened:efficientnet-lite0@1-int8")
        for name, vector in expected.items():
            np.testing.assert_allclose(found[name], vector, atol=2e-3)
        assert other.search(drawings / "1.png", encoder="whitened:efficientnet-lite0", k=2)


# What cannot be learned from


def test_an_empty_library_has_nothing_to_learn(tmp_path: Path) -> None:
    with findalike.open(tmp_path / "library") as library:
        for learn in (library.learn_whitening, library.learn_vocabulary):
            with pytest.raises(LibraryMissing, match="is empty"):
                learn()


def test_one_picture_and_pictures_that_are_all_the_same(tmp_path: Path) -> None:
    for name, count in (("one", 1), ("same", 3)):
        folder = tmp_path / name
        folder.mkdir()
        for number in range(count):
            drawing(0).save(folder / f"{number}.png")
        with findalike.open(tmp_path / f"{name}.library") as library:
            library.add(folder)
            with pytest.raises(UsageError, match=r"do not differ.*two different pictures"):
                library.learn_whitening()
            assert library.learn_vocabulary(sizes=SIZES).encoded == count
            hits = library.search(folder / "0.png", encoder="bow:sift", include_self=True)
            assert len(hits) == count
            assert hits[0].similarity == pytest.approx(1, abs=1e-4)


def test_pictures_without_keypoints_have_no_words(tmp_path: Path) -> None:
    folder = tmp_path / "blank"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (90, 90), (number * 60, 80, 90)).save(folder / f"{number}.png")
    with findalike.open(tmp_path / "library") as library:
        library.add(folder)
        with pytest.raises(UsageError, match=r"keypoint of sift.*texture"):
            library.learn_vocabulary()
        assert list(library.store.cards()) == [
            space for space in library.store.cards() if not space.startswith(("bow", "vlad"))
        ]


def test_a_picture_without_keypoints_may_be_searched_with(opened: findalike.Library, drawings: Path) -> None:
    opened.learn_vocabulary(sizes=SIZES)
    for encoder in SIZES:
        hits = opened.search(drawings / "blank.png", encoder=f"{encoder}:sift", include_self=True)
        assert all(hit.similarity == pytest.approx(0, abs=1e-6) for hit in hits)


def test_bad_values_are_named(opened: findalike.Library, drawings: Path) -> None:
    with pytest.raises(UsageError, match="power is 2"):
        opened.learn_whitening(power=2)
    with pytest.raises(UsageError, match="dim is 0"):
        opened.learn_whitening(dim=0)
    with pytest.raises(LibraryMismatch, match="efficientnet-lite2"):
        opened.learn_whitening("efficientnet-lite2")
    with pytest.raises(UsageError, match=r"the name 'a/b'"):
        opened.learn_whitening(name="a/b")
    with pytest.raises(UsageError, match="no keypoints are named 'surf'"):
        opened.learn_vocabulary("surf")
    with pytest.raises(UsageError, match="0 words"):
        opened.learn_vocabulary(sizes={"bow": 0})
    with pytest.raises(UsageError, match="at most 512"):
        opened.learn_vocabulary(sizes={"vlad": 513})
    with pytest.raises(UsageError, match="no kind of space is named 'fisher'"):
        opened.learn_vocabulary(sizes={"fisher": 9})
    with pytest.raises(UsageError, match="most_pictures is 0"):
        opened.learn_vocabulary(most_pictures=0)
    with pytest.raises(UsageError, match=r"nothing is named whitened:lost.*learn-whitening"):
        opened.add(drawings, encoder="whitened:lost")
    with findalike.open(opened.path, "r") as reading, pytest.raises(UsageError, match="open for reading"):
        reading.learn_whitening()
    with findalike.open(":memory:") as memory, pytest.raises(UsageError, match="in memory"):
        memory.learn_whitening()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / learned.FOLDER).write_text("a file is in the way")
    with pytest.raises(LibraryError, match="cannot be written"):
        learned.save(
            Card("whitened:x", "1", 3),
            {"mean": np.zeros(3)},
            learned.Home(FolderSidecars(tmp_path), tmp_path),
        )


# The command line


def test_learning_from_the_command_line(cli: Cli, drawings: Path, indexed: Path, tmp_path: Path) -> None:
    path = tmp_path / "library"
    assert cli("learn-whitening", library=path).returncode == 4
    shutil.copytree(indexed, path)
    done = cli("learn-whitening", "--dim", 5, "--name", "five", library=path)
    assert (done.returncode, done.stdout) == (0, "whitened:five: 5 numbers, learned on 9 pictures\n")
    assert "9 pictures encoded" in done.stderr
    again = cli("learn-whitening", "--name", "five", library=path)
    assert again.returncode == 2
    assert "--name NAME" in again.stderr
    done = cli("learn-vocabulary", "--kind", "bow", "--words", 50, "--json", library=path)
    record = json.loads(done.stdout)
    assert record["spaces"] == [{"space": SPACES["bow"], "encoder": "bow:sift", "dim": 50}]
    assert (record["pictures"], record["encoded"], record["notes"]) == (9, 9, [])
    encoders = ("--encoder", "whitened:five", "--encoder", "bow:sift")
    found = cli("search", drawings / "4.png", *encoders, "-k", 3, "--paths", library=path)
    assert found.returncode == 0
    assert len(found.stdout.splitlines()) == 3
    assert BOTH == {"bow": 4_096, "vlad": 64}


def test_photographs_are_found_again_by_their_words(photo: Photo, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    names = ("astronaut", "brick", "chelsea", "coffee", "coins", "page", "text")
    for name in names:
        photo(name, (480, 360)).save(folder / f"{name}.jpg", quality=92)
    with findalike.open(tmp_path / "library") as library:
        library.add(folder)
        library.learn_vocabulary(sizes={"bow": 400, "vlad": 16})
        for name in names:
            turned = photo(name, (480, 360)).crop((60, 40, 440, 330)).rotate(15, Image.Resampling.BICUBIC)
            turned.save(tmp_path / "query.png")
            for space in ("bow:sift", "vlad:sift"):
                best = library.search(tmp_path / "query.png", encoder=space, k=1)[0]
                assert Path(best.asset.uri).stem == name, space
