"""Heads for words, and whitening: the sums by another way, what cannot be learned from, the whole program."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from scipy import linalg
from sklearn.linear_model import Ridge as SklearnRidge

import findalike
import small_models as small
from conftest import PROGRAM, Cli
from findalike import settings
from findalike.encode import catalog, file_card, file_text, text
from findalike.encode.base import unit
from findalike.encode.file_card import FileCard
from findalike.errors import EncoderError, UsageError
from findalike.evaluate import tables
from findalike.evaluate.truth import Pictures
from findalike.train import captions, contrast, data, devise, loop, splits, whiten, words
from findalike.train.data import Examples
from findalike.train.linear import Line, line, onnx_bytes
from findalike.train.loop import Schedule
from findalike.train.ridge import ridge
from findalike.train.words import Lesson
from findalike.types import Asset

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 40), "blue": (30, 50, 200), "yellow": (230, 210, 30)}
EACH = 8


def rows(count: int, dim: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32))


def of(names: Sequence[str], folder: Path = Path("/pictures")) -> Pictures:
    """Pictures of these names, each with bytes of its own."""
    day = datetime(2026, 1, 1, tzinfo=UTC)
    return Pictures(tuple(Asset(str(folder / name), 1, day, id=name, sha256=name) for name in names))


def table(folder: Path, content: str) -> tables.Table:
    path = folder / "said.csv"
    path.write_text(content, "utf-8")
    return tables.read(path)


def lesson(count: int = 40, dim: int = 12, seed: int = 0) -> tuple[Lesson, Line]:
    """Pictures whose two texts each follow from their vectors by a line, nearly; and that line."""
    random = np.random.default_rng(seed)
    vectors = rows(count, dim, seed)
    true = line(random.normal(size=(dim, 6)), np.zeros(6))
    owners = np.repeat(np.arange(count), 2)
    meanings = unit(true.of(vectors)[owners] + 0.2 * rows(2 * count, 6, seed + 1))
    return Lesson(vectors, meanings, owners, np.arange(2 * count)), true


# The ridge


@pytest.mark.parametrize("count", [7, 60])
def test_a_ridge_is_the_least_of_what_it_says(count: int) -> None:
    random = np.random.default_rng(count)
    x, t = random.normal(size=(count, 20)), random.normal(size=(count, 5))
    start = line(random.normal(size=(20, 5)), random.normal(size=5))
    found = ridge(x.astype(np.float32), t, start).line(3.0)
    design = np.vstack([np.hstack([x, np.ones((count, 1))]), np.sqrt(3.0) * np.eye(21)])
    wanted = np.vstack([t, np.sqrt(3.0) * np.vstack([start.matrix, start.offset])])
    expected = np.linalg.lstsq(design, wanted, rcond=None)[0]
    np.testing.assert_allclose(found.matrix, expected[:-1], atol=2e-5)
    np.testing.assert_allclose(found.offset, expected[-1], atol=2e-5)


def test_a_ridge_from_nothing_is_that_of_sklearn_and_an_endless_one_the_start() -> None:
    x, t = rows(30, 8), rows(30, 4, 1)
    zero = line(np.zeros((8, 4)), np.zeros(4))
    design = np.hstack([x, np.ones((30, 1))])
    expected = SklearnRidge(alpha=0.7, fit_intercept=False).fit(design, t).coef_.T
    found = ridge(x, t, zero).line(0.7)
    np.testing.assert_allclose(np.vstack([found.matrix, found.offset]), expected, atol=1e-5)
    start = line(rows(8, 4, 2), rows(1, 4, 3)[0])
    np.testing.assert_allclose(ridge(x, t, start).line(1e12).matrix, start.matrix, atol=1e-6)


def test_the_graph_of_a_line_gives_what_the_line_gives() -> None:
    found = line(rows(9, 5), rows(1, 5, 1)[0])
    session = onnxruntime.InferenceSession(onnx_bytes(found))
    vectors = rows(4, 9, 2)
    (given,) = session.run(["embedding"], {"vectors": vectors})
    np.testing.assert_allclose(unit(given), found.of(vectors), atol=1e-6)
    assert not found.of(np.zeros((1, 9), np.float32)).any(), "what has no vector gets none"


# Measuring and choosing


def test_texts_are_ranked_as_by_a_plain_loop() -> None:
    random = np.random.default_rng(4)
    found, meanings = rows(30, 5), rows(50, 5, 1)
    owners = np.sort(random.integers(0, 30, 50))
    codes = random.integers(0, 35, 50)
    for code in codes:  # texts of one code mean the same
        meanings[codes == code] = meanings[np.flatnonzero(codes == code)[0]]
    measured = words.measured(found, Lesson(rows(30, 4, 2), meanings, owners, codes))
    firsts = []
    for code in sorted(set(codes)):
        near = found @ meanings[np.flatnonzero(codes == code)[0]]
        right = set(owners[codes == code])
        order = sorted(range(30), key=lambda place: -near[place])
        firsts.append(next(rank for rank, place in enumerate(order, 1) if place in right))
    for k in (1, 5, 10):
        assert measured.mean(f"recall@{k}") == pytest.approx(np.mean([first <= k for first in firsts]))
    assert measured.mean("mrr") == pytest.approx(np.mean([1 / first for first in firsts]))
    assert measured.median_rank == np.median(firsts)


def test_chance_is_that_of_pairs_that_do_not_belong_together() -> None:
    some, _ = lesson(10)
    found = rows(10, 6, 5)
    apart = [
        found[picture] @ meaning
        for owner, meaning in zip(some.owners, some.meanings, strict=True)
        for picture in range(10)
        if picture != owner
    ]
    assert words.chance(found, some) == pytest.approx((np.mean(apart), np.std(apart)), abs=1e-5)


def test_the_pictures_that_are_measured_on_do_not_calibrate_the_head() -> None:
    some, _ = lesson(60)
    said = [[f"picture {n}", f"number {n}"] for n in range(60)]
    captioned = captions.Captioned(of([f"{n:02}" for n in range(60)]), tuple(map(tuple, said)), "said")
    side = devise.Side(lambda texts: some.meanings[: len(texts)], lambda chance: {}, None, 6)
    _, held = devise.split(60, devise.TEST, 0)
    other = some.vectors.copy()
    other[held] = rows(len(held), 12, 99)
    one, two = (devise.learn(captioned, vectors, side, devise.Plan()) for vectors in (some.vectors, other))
    assert one[1] == two[1]
    assert one[3].comparisons[0].after != two[3].comparisons[0].after


def test_what_is_held_out_is_learned_of_the_others() -> None:
    some, _ = lesson(20)
    learned: list[int] = []

    def learn(part: Lesson) -> Line:
        learned.append(len(part))
        return words.fitted(part, None).line(1.0)

    found = words.held_out(some, learn, 3)
    assert learned == [16] * words.FOLDS
    for turn in range(words.FOLDS):
        kept, held = words.dealt(20, turn, 3)
        x = np.hstack([some.vectors[kept], np.ones((16, 1))])
        targets = some.part(kept).targets
        begun = np.vstack([np.zeros((12, 6)), targets.mean(axis=0)])
        weights = begun + np.linalg.solve(x.T @ x + np.eye(13), x.T @ (targets - x @ begun))
        plain = np.hstack([some.vectors[held], np.ones((4, 1))]) @ weights
        np.testing.assert_allclose(found[held], unit(plain.astype(np.float32)), atol=1e-4)


def test_a_good_start_is_kept_and_a_bad_one_left() -> None:
    some, true = lesson()
    bad = line(rows(12, 6, 9), np.zeros(6))
    right, wrong = (words.choose(some, known, "mrr") for known in (true, bad))
    assert right.strength > 100 * wrong.strength
    assert right.tried[words.STRENGTHS[-1]] == pytest.approx(right.start)
    best = words.fitted(some, bad).line(wrong.strength).of(some.vectors)
    assert (
        words.measured(best, some).mean("mrr") > words.measured(bad.of(some.vectors), some).mean("mrr") + 0.2
    )


def test_of_strengths_that_find_alike_the_one_nearest_to_the_start_is_taken() -> None:
    some, _ = lesson(20)
    perfect = Lesson(some.targets, some.targets, np.arange(20), np.arange(20))
    identity = line(np.eye(6), np.zeros(6))
    assert words.choose(perfect, identity, "recall@10").changes is False


def test_a_comparison_takes_the_texts_of_a_picture_together() -> None:
    some, true = lesson(12)
    before, after = (
        words.measured(each.of(some.vectors), some) for each in (line(rows(12, 6, 9), np.zeros(6)), true)
    )
    compared = words.compared(before, after, "recall@1")
    by_text = after.per_query("recall@1") - before.per_query("recall@1")
    assert compared.difference.value == pytest.approx(by_text.mean())
    assert compared.difference.low < compared.difference.value < compared.difference.high
    assert compared.better


# Contrastive training


def test_contrastive_training_brings_pictures_to_their_texts_and_again_the_same() -> None:
    some, _ = lesson(60, seed=3)
    start = line(0.3 * rows(12, 6, 8), np.zeros(6))
    before = words.measured(start.of(some.vectors), some).mean("mrr")
    runs = [contrast.train(some, lambda _: start, "mrr", Schedule(30, 30, 0), "cpu") for _ in range(2)]
    (found, fit, unseen), (again, _, _) = runs
    assert words.measured(found.of(some.vectors), some).mean("mrr") > before
    assert fit.best_epoch == int(np.argmax(fit.values))
    np.testing.assert_array_equal(found.matrix, again.matrix)
    np.testing.assert_allclose(np.linalg.norm(unseen, axis=1), 1, atol=1e-5)
    assert words.measured(unseen, some).mean("mrr") > before


def test_the_loss_is_that_of_a_plain_loop() -> None:
    near = np.random.default_rng(0).normal(size=(4, 4))
    same = np.eye(4, dtype=bool)
    same[0, 2] = same[2, 0] = True
    total = 0.0
    for matrix, right in ((near, same), (near.T, same.T)):
        for row, good in zip(matrix, right, strict=True):
            probabilities = np.exp(row) / np.exp(row).sum()
            total -= np.log(probabilities[good]).mean() / 4
    found = contrast._mismatch(torch.from_numpy(near), torch.from_numpy(same))
    assert float(found) == pytest.approx(total / 2)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_numbers_that_run_away_end_the_training_with_the_best_until_then() -> None:
    some, _ = lesson(20)
    huge = line(np.full((12, 6), 3e38), np.zeros(6))
    with pytest.raises(UsageError, match="not finite"):
        contrast.train(some, lambda _: huge, "mrr", Schedule(3, 3, 0), "cpu")

    def runs_away(found: Line) -> float:
        if judged.append(found) or len(judged) == 3:
            raise ValueError("a vector is not finite")
        return float(len(judged))

    judged: list[Line] = []
    task = contrast.Contrast(some, line(rows(12, 6), np.zeros(6)), runs_away, loop.device("cpu"))
    fit = loop.fit(task, Schedule(9, 9, 0))
    assert (fit.ended, fit.best_epoch) == (loop.NOT_A_NUMBER, 1)
    np.testing.assert_array_equal(task.line().matrix, judged[1].matrix)


# What is said of pictures


def test_captions_come_of_columns_and_of_rows(tmp_path: Path) -> None:
    names = [f"{n}.jpg" for n in range(12)]
    lines = [f"{name},a dog {n},a cat {n}" for n, name in enumerate(names)]
    found = of(names, tmp_path)
    both = captions.of_table(found, table(tmp_path, "\n".join(["path,caption_1,caption_2", *lines])))
    assert both.texts[3] == ("a dog 3", "a cat 3")
    long = [f"{name},a {kind} {n}" for kind in ("dog", "cat") for n, name in enumerate(names)]
    assert captions.of_table(found, table(tmp_path, "\n".join(["path,anything", *long]))).texts == both.texts
    assert both.owners.tolist() == [place for place in range(12) for _ in range(2)]
    assert not both.shared


def test_copies_share_their_texts_and_what_has_none_is_left_out(tmp_path: Path) -> None:
    found = of([f"{n}.jpg" for n in range(14)], tmp_path)
    assets = list(found.assets)
    assets[1] = Asset(assets[1].uri, 1, assets[1].modified, id="1.jpg", sha256=assets[0].sha256)
    content = "\n".join(
        ["path,text", *(f"{n}.jpg,picture number {n}" for n in range(12)), "gone.jpg,no picture"]
    )
    said = captions.of_table(Pictures(tuple(assets)), table(tmp_path, content))
    assert said.texts[0] == ("picture number 0", "picture number 1")
    assert len(said) == 11
    notes = " ".join(said.notes)
    assert "gone.jpg" in notes
    assert "1 pictures are copies" in notes
    assert "2 pictures have no text" in notes


@pytest.mark.parametrize(
    ("content", "columns", "expected"),
    [
        (
            "path,caption\n" + "\n".join(f"{n}.jpg,a dog" for n in range(12)),
            (),
            "all 12 pictures are said to be",
        ),
        ("path,caption\n" + "\n".join(f"{n}.jpg," for n in range(12)), (), "no picture has a text"),
        ("path,caption\n" + "\n".join(f"{n}.jpg,dog {n}" for n in range(5)), (), "it takes 10"),
        ("path,caption\nother/1.jpg,a dog", (), "none of its pictures"),
        ("path,caption,place\n1.jpg,a dog,sea", ("captoin",), "near it are caption"),
        ("path,one,two\n1.jpg,a dog,sea", (), "which column holds what is said"),
        ("", (), "is empty"),
        ("path,caption\n", (), "has no rows"),
    ],
)
def test_tables_that_say_nothing_are_refused(
    tmp_path: Path, content: str, columns: tuple[str, ...], expected: str
) -> None:
    with pytest.raises(UsageError, match=expected):
        captions.of_table(of([f"{n}.jpg" for n in range(12)], tmp_path), table(tmp_path, content), columns)


def test_columns_of_a_library_say_what_people_gave_and_not_what_was_predicted() -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    given = [{"paint": f"red_{n}"} | ({"paint_confidence": 0.9} if n % 2 else {}) for n in range(30)]
    assets = [
        Asset(f"/{n:02}", 1, day, id=str(n), sha256=f"{n:02}", metadata=values, tags=("wall",))
        for n, values in enumerate(given)
    ]
    said = captions.of_columns(Pictures(tuple(assets)), ["paint"])
    assert said.sentences == [f"red {n}" for n in range(0, 30, 2)]
    both = captions.of_columns(Pictures(tuple(assets)), ["paint", "tag"])
    assert both.texts[:2] == (("red 0", "wall"), ("wall",))


def test_labels_are_read_as_words_and_texts_without_known_ones_are_left_out() -> None:
    found = of([f"{n:02}" for n in range(30)])
    said = captions.of_labels(found, ["red_car", "blue  sky", None] * 10, "label")
    assert set(said.sentences) == {"red car", "blue sky"}
    assert said.shared
    with pytest.raises(UsageError, match="all 10 pictures"):
        captions.known_by(said, lambda each: "car" in each)
    with pytest.raises(UsageError, match="no word of label is known"):
        captions.known_by(said, lambda each: False)


def test_pictures_of_one_folder_are_told_by_the_table_beside_them(tmp_path: Path) -> None:
    found = of([f"{n}.jpg" for n in range(12)], tmp_path)
    with pytest.raises(UsageError, match="give --captions FILE, a table"):
        captions.of_folders(found)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "kinds.csv").write_text("path,kind\n1.jpg,dog\n")
    with pytest.raises(UsageError, match="give --captions FILE, a table"):
        captions.of_folders(found, str(tmp_path))
    table(tmp_path, "path,caption_1,caption_2\n1.jpg,a dog,a cat\n")
    with pytest.raises(UsageError, match=r"give --captions \S+said.csv, which has caption_1, caption_2"):
        captions.of_folders(found, str(tmp_path))
    two = of([f"{'red' if n % 2 else 'blue'}/{n}.jpg" for n in range(12)], tmp_path)
    assert set(captions.of_folders(two).sentences) == {"red", "blue"}


# The side of texts


def worded(tmp_path: Path, base: str = "efficientnet-lite0", **text_side: object) -> Path:
    """A head for words, its line drawn by lot."""
    card = catalog.find(base)
    side = devise.side(card, settings.default())
    drawn = side.known or line(rows(card.dim, side.dim), np.zeros(side.dim))
    full, graph = devise.exported(drawn, (0.1, 0.2), side, FileCard(file_card.HEAD, "drawn", 1))
    said = {**(full.text or {}), **text_side}
    path = tmp_path / "drawn.onnx"
    file_card.write(path, replace(full, base=file_card.mention(card), text=said), graph)
    return path


def test_own_words_are_read_by_the_table_and_compared_with_what_the_head_makes(tmp_path: Path) -> None:
    card = catalog.find(f"file:{worded(tmp_path)}")
    side = catalog.load_text(card, settings.default())
    assert isinstance(side, file_text.Words)
    tower = text.tower()
    np.testing.assert_array_equal(side.encode_texts(["a dog", "xyzzy"])[0], tower.embed("a dog"))
    assert not side.encode_texts(["xyzzy"]).any()
    vectors = rows(5, card.dim)
    np.testing.assert_allclose(side.compare("a dog", vectors), vectors @ tower.embed("a dog"), atol=1e-6)
    assert side.chance == (0.1, 0.2)
    assert (side.knows("dog"), side.knows("xyzzy")) == (True, False)
    assert "dog" in side.spelled_like("dgo")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"sha256": "0" * 64}, "trained for other words"),
        ({"chance": None}, "does not say what chance finds"),
        ({"chance": [0.1, 0.0]}, "no spread"),
        ({"tower": "colour"}, "reads no words|sees pictures"),
        ({"tower": "nothing"}, "no encoder is named"),
    ],
)
def test_another_side_of_texts_than_then_is_refused(
    tmp_path: Path, said: Mapping[str, object], expected: str
) -> None:
    if said.get("tower") == "colour":
        said = {**said, "space": catalog.find("colour").space, "precision": None}
    card = catalog.find(f"file:{worded(tmp_path, **said)}")
    with pytest.raises((EncoderError, UsageError), match=expected):
        catalog.load_text(card, settings.default())


def test_a_two_tower_model_reads_its_own_words_for_a_head_on_its_vectors(tmp_path: Path) -> None:
    model = f"clip:{small.two_tower(tmp_path / 'tiny')}"
    card = catalog.find(f"file:{worded(tmp_path, model)}")
    theirs = catalog.load_text(catalog.find(model), settings.default()).encode_texts(["red", "blue"])
    ours = catalog.load_text(card, settings.default()).encode_texts(["red", "blue"])
    np.testing.assert_array_equal(ours, theirs)
    side = devise.side(catalog.find(model), settings.default())
    assert side.known is not None
    np.testing.assert_array_equal(side.known.matrix, np.eye(len(theirs[0])))


# Whitening


def examples(count: int = 60, classes: int = 6) -> tuple[Examples, np.ndarray]:
    """Classes that differ by two numbers, and are scattered by a third that says nothing."""
    random = np.random.default_rng(0)
    labels = [f"class {n % classes}" for n in range(count)]
    angle = 2 * np.pi * (np.arange(count) % classes) / classes
    vectors = np.stack(
        [np.cos(angle), np.sin(angle), 3 * random.normal(size=count), np.full(count, 2.0)], axis=1
    )
    vectors += 0.02 * random.normal(size=vectors.shape)
    found = of([f"{n:03}" for n in range(count)])
    return Examples(found, tuple(labels), "kind"), unit(vectors.astype(np.float32))


def test_supervised_whitening_is_the_formula_of_its_authors() -> None:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(400, 6)).astype(np.float32) @ random.normal(size=(6, 6)).astype(np.float32)
    astray = (random.normal(size=(20_000, 6)) * [3, 1, 0.5, 2, 1, 0.7]).astype(np.float32)
    within = linalg.inv(linalg.sqrtm(astray.T.astype(np.float64) @ astray / len(astray))).real
    turned = (vectors - vectors.mean(axis=0)) @ within
    _, axes = np.linalg.eigh(turned.T @ turned)
    expected = turned @ axes[:, ::-1][:, :3]
    found = whiten.supervised(vectors, astray, 3, 0.5)
    ours = vectors @ found.matrix + found.offset
    for mine, theirs in zip(ours.T, expected.T, strict=True):
        assert abs(np.corrcoef(mine, theirs)[0, 1]) > 0.9999


def test_what_belongs_together_comes_nearer_in_classes_that_were_not_learned() -> None:
    some, vectors = examples()
    found, outcome = whiten.learn(some, vectors, splits.make(some, "class", 0), dim=4)
    assert outcome.comparisons[0].metric == "mAP"
    assert outcome.comparisons[0].after > outcome.comparisons[0].before + 0.1
    assert outcome.power == max(outcome.tried, key=lambda pair: pair[1])[0]
    assert outcome.gains
    assert outcome.better == outcome.comparisons[0].better
    assert found.matrix.shape[0] == 4


def test_whitening_that_no_power_gains_by_says_so() -> None:
    """Two classes that any vectors tell apart: nothing can be better than what finds all."""
    some, _ = examples(40, 2)
    vectors = unit(np.eye(4, dtype=np.float32)[some.codes] + 0.05 * rows(40, 4))
    _, outcome = whiten.learn(some, vectors, splits.make(some, "random", 0), dim=4)
    assert outcome.start == 1
    assert not outcome.gains
    assert not outcome.better


def test_pairs_say_the_directions_that_their_classes_say() -> None:
    some, vectors = examples(12, 6)
    codes = some.codes
    alike = np.array([(i, j) for i in range(12) for j in range(i + 1, 12) if codes[i] == codes[j]])
    of_pairs = Examples(some.pictures, some.labels, "pairs", kind=data.PAIRS, alike=alike)
    scatter = [each.T @ each for each in (whiten.astray(some, vectors), whiten.astray(of_pairs, vectors))]
    np.testing.assert_allclose(scatter[0], scatter[1], atol=1e-5)


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        (np.full((5, 4), 0.5, np.float32), "do not differ"),
        (np.full((5, 4), np.nan, np.float32), "not a number"),
    ],
)
def test_vectors_that_say_nothing_are_refused(vectors: np.ndarray, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        whiten.unsupervised(vectors)


# The installed program


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of each colour, and tables that say it."""
    folder = tmp_path_factory.mktemp("shop")
    random = np.random.default_rng(0)
    said = []
    for name, colour in COLOURS.items():
        (folder / name).mkdir()
        for n in range(EACH):
            noise = random.integers(-25, 25, (48, 64, 3))
            Image.fromarray(np.clip(noise + colour, 0, 255).astype(np.uint8)).save(folder / name / f"{n}.png")
            said.append((f"{name}/{n}.png", f"a {name} wall", f"paint that is {name}, pot {n}", name))
    with (folder / "said.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "caption_1", "caption_2", "paint"), *said])
    return folder


@pytest.fixture(scope="module")
def stocked(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stocked") / "library"
    with findalike.open(path) as library:
        library.add(shop, table=None)
    return path


def contents(folder: Path) -> Mapping[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_words_are_trained_indexed_and_found(cli: Cli, shop: Path, stocked: Path, tmp_path: Path) -> None:
    out = tmp_path / "said.onnx"
    before = contents(stocked)
    done = cli("train", "words", "--captions", shop / "said.csv", "--out", out, "--json", tmp_path / "f.json",
               library=stocked)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert contents(stocked) == before, "a library is only read"
    figures = json.loads((tmp_path / "f.json").read_text())
    assert [each["metric"] for each in figures["comparisons"]] == ["recall@10", "recall@1", "mrr"]
    card = json.loads(out.with_suffix(".json").read_text())
    assert (card["kind"], card["text"]["tower"], card["trained"]["loss"]) == ("head", "findalike", "ridge")
    assert len(card["trained"]["pictures"]) == figures["counts"][0] == 26

    library = tmp_path / "library"
    assert cli("index", shop, "--encoder", f"file:{out}", library=library).returncode == 0
    found = cli("search", "green paint", "--encoder", f"file:{out}", "-k", 8, "--paths", library=library)
    assert [Path(path).parent.name for path in found.stdout.split()] == ["green"] * 8, found.stderr


def test_contrastive_training_runs_on_labels_and_draws_its_measure(
    cli: Cli, shop: Path, tmp_path: Path
) -> None:
    out = tmp_path / "paint.onnx"
    done = cli("train", "words", shop, "--labels", shop / "said.csv", "--column", "paint", "--loss",
               "contrastive", "--epochs", 3, "--out", out)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "32 pictures with 32 texts" in done.stderr
    assert json.loads(out.with_suffix(".json").read_text())["trained"]["measure"] == "map"
    with Image.open(out.with_suffix(".png")) as drawn:
        assert drawn.size == (800, 400)


def test_what_is_interrupted_before_the_end_does_not_promise_to_go_on(
    shop: Path, stocked: Path, tmp_path: Path
) -> None:
    endless = [str(PROGRAM), "train", "words", "--library", str(stocked), "--captions",
               str(shop / "said.csv"), "--loss", "contrastive", "--epochs", "1000000", "--out",
               str(tmp_path / "x.onnx")]  # fmt: skip
    with subprocess.Popen(endless, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as run:
        assert run.stderr
        try:
            assert any("64 texts" in said for said in run.stderr)
            run.send_signal(signal.SIGTERM)
            _, said = run.communicate(timeout=90)
        finally:
            run.kill()
    assert run.returncode == 130, said
    assert said.endswith("Interrupted: nothing was written, and the same command begins anew.\n")
    assert not list(tmp_path.iterdir())


def test_whitening_with_and_without_labels(cli: Cli, shop: Path, stocked: Path, tmp_path: Path) -> None:
    plain, taught = tmp_path / "plain.onnx", tmp_path / "taught.onnx"
    before = contents(stocked)
    done = cli("train", "whiten", "--out", plain, "--dim", 16, library=stocked)
    assert done.returncode == 0, done.stderr
    done = cli("train", "whiten", "--column", "folder", "--split", "random", "--out", taught, library=stocked)
    assert done.returncode == 0, done.stderr
    assert "measured on" in done.stdout
    assert contents(stocked) == before
    assert catalog.find(f"file:{plain}").dim == 16
    assert json.loads(taught.with_suffix(".json").read_text())["trained"]["power"] in whiten.POWERS


Arguments = Callable[[Path], Sequence[object]]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (lambda shop: ["words", "--column", "pant"], "has no column 'pant'"),
        (lambda shop: ["words", "--captions", shop / "said.csv", "--column", "pain"], "near it are paint"),
        (lambda shop: ["words", "--labels", shop / "said.csv"], "Name it: --column"),
        (lambda shop: ["words", "--captions", shop / "none.csv"], "nothing is there"),
        (lambda shop: ["words", "--captions", shop / "said.csv", "--test", "0.9"], "to learn from"),
        (lambda shop: ["whiten", "--column", "pant"], "no column is named 'pant'"),
        (lambda shop: ["whiten", "--encoder", "nothing"], "nothing"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(
    cli: Cli, shop: Path, stocked: Path, tmp_path: Path, arguments: Arguments, expected: str
) -> None:
    done = cli("train", *arguments(shop), "--out", tmp_path / "out.onnx", library=stocked)
    assert done.returncode != 0
    assert expected in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    cli: Cli, stocked: Path, tmp_path: Path
) -> None:
    for out, expected in ((tmp_path / "gone" / "a.onnx", "no folder"), (tmp_path / "a.pt", "ends in .onnx")):
        done = cli("train", "whiten", "--out", out, library=stocked)
        assert (done.returncode, expected in done.stderr) == (2, True), done.stderr
