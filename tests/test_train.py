"""Training of heads: data, splits and batches, losses and measures against plain loops, and runs that are
broken off, spoiled, and gone on from."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from findalike.errors import EncoderError, LibraryError, UsageError
from findalike.evaluate import tables, truth
from findalike.evaluate.truth import Known, Pictures
from findalike.types import Asset, Vectors

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'findalike[train]'")
pytest.importorskip("pytorch_metric_learning")

from findalike.train import (  # noqa: E402
    beginning,
    checkpoint,
    classify,
    curve,
    data,
    export,
    heads,
    loop,
    losses,
    measure,
    metric,
    sampling,
    splits,
)
from findalike.train.data import Examples, Places  # noqa: E402
from findalike.train.loop import Schedule  # noqa: E402
from findalike.train.measure import Judge  # noqa: E402
from findalike.train.metric import Plan  # noqa: E402

WIDTH, CLASSES, EACH = 24, 12, 8


def pictures(count: int) -> Pictures:
    day = datetime(2020, 1, 1, tzinfo=UTC)
    return Pictures(tuple(
        Asset(f"/pictures/{n:03}.jpg", 1, day, id=f"id{n:03}", sha256=f"{n:064x}") for n in range(count)
    ))  # fmt: skip


def examples_of(labels: Sequence[str], **columns: Sequence[str]) -> Examples:
    return Examples(pictures(len(labels)), tuple(labels), "kind", {k: tuple(v) for k, v in columns.items()})


@pytest.fixture(scope="module")
def examples() -> Examples:
    """Twelve classes of eight, every other picture from a studio."""
    labels = [f"c{number // EACH:02}" for number in range(CLASSES * EACH)]
    return examples_of(labels, place=[("studio", "shelf")[n % 2] for n in range(len(labels))])


@pytest.fixture(scope="module")
def vectors(examples: Examples) -> Vectors:
    """Classes lie apart in eight numbers, and pictures of each differ more in eight others."""
    random = np.random.default_rng(0)
    centres = random.normal(0, 1, (CLASSES, 8))[examples.codes]
    others = random.normal(0, 2, (len(examples), 8))
    rows = np.concatenate([centres, others, np.zeros((len(examples), WIDTH - 16))], axis=1)
    rows += random.normal(0, 0.1, rows.shape)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


# Data


def test_labels_in_two_spellings_and_classes_of_one_are_told() -> None:
    labels = ("T-Shirt", "t shirt", "T-Shirt", "t shirt", "hat", None)
    found = data.of_column(pictures(6), Known({"kind": labels}, ("gone.jpg",)), "kind")
    assert len(found) == 5
    told = " ".join(found.notes)
    for word in ("'T-Shirt'", "'t shirt'", "two spellings", "hat", "gone.jpg", "1 pictures have no label"):
        assert word in told


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (("a", "a", "a"), "all 3 pictures"),
        (("a", "b", "c"), "no two pictures have the same kind"),
        ((None, None, None), "no picture has"),
    ],
)
def test_labels_that_teach_nothing_are_refused(labels: tuple[str | None, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        data.of_column(pictures(3), Known({"kind": labels}), "kind")


def test_a_missing_column_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="'colour'; there are folder, kind"):
        data.of_column(pictures(2), Known({"kind": ("a", "b")}), "colour")


def test_pairs_hang_together_in_groups(tmp_path: Path) -> None:
    found = pictures(7)
    table = tmp_path / "pairs.csv"
    rows = [(0, 1, 1), (1, 2, 1), (3, 4, 1), (0, 3, 0), (5, 6, 1), (6, 5, 0)]
    table.write_text("first,second,same\n" + "".join(f"id:id{a:03},id:id{b:03},{s}\n" for a, b, s in rows))
    got = data.of_pairs(found, truth.pairs(found, tables.read(table)), "pairs")
    groups = dict(zip((asset.id for asset in got.pictures.assets), got.labels, strict=True))
    assert set(groups) == {f"id{n:03}" for n in range(5)}  # of the last two nothing is known
    assert groups["id000"] == groups["id001"] == groups["id002"] != groups["id003"] == groups["id004"]
    assert got.alike.tolist() == [[0, 1], [1, 2], [3, 4]]
    assert got.apart.tolist() == [[0, 3]]
    assert "said to be the same and not" in " ".join(got.notes)


def test_the_last_mark_of_two_pictures_counts() -> None:
    marks = [
        ("id000", "id001", False), ("id001", "id000", True), ("id002", "id000", False), ("id0", "x", True)
    ]  # fmt: skip
    got = data.of_marks(pictures(3), marks)
    assert (got.alike.tolist(), got.apart.tolist()) == ([[0, 1]], [[0, 2]])
    assert "1 marks are of pictures that are gone" in got.notes[0]
    with pytest.raises(UsageError, match="no two pictures are said to be the same"):
        data.of_marks(pictures(3), marks[2:3])


def test_triplets_keep_their_order(tmp_path: Path) -> None:
    table = tmp_path / "triplets.csv"
    table.write_text("anchor,positive,negative\nid:id004,id:id002,id:id000\nid:id004,id:id001,id:id009\n")
    got = data.of_triplets(pictures(5), tables.read(table))
    assert [[got.pictures.assets[p].id for p in row] for row in got.triplets] == [["id004", "id002", "id000"]]
    assert "id:id009" in got.notes[0]


# Splits and batches


def test_a_split_by_class_keeps_classes_apart(examples: Examples) -> None:
    split = splits.make(examples, "class", 3)
    of = {part: {examples.labels[p] for p in split.places(part)} for part in splits.PARTS}
    assert not of["train"] & of["test"]
    assert not of["train"] & of["validation"]
    assert not of["validation"] & of["test"]
    assert {part: len(classes) for part, classes in of.items()} == {"train": 6, "validation": 2, "test": 4}
    assert splits.make(examples, "class", 3) == split
    assert splits.make(examples, "class", 4).parts != split.parts


def test_a_random_split_keeps_the_proportions_of_each_class(examples: Examples) -> None:
    split = splits.make(examples, "random", 0)
    counts = Counter(zip(examples.labels, split.parts, strict=True))
    for label in examples.classes:
        assert [counts[label, part] for part in splits.PARTS] == [4, 2, 2]


def test_a_split_by_a_value_measures_on_that_value(examples: Examples) -> None:
    split = splits.make(examples, "place=shelf", 0)
    measured_on = {examples.columns["place"][p] for p in split.places("test")}
    assert measured_on == {"shelf"}
    assert split.counts() == {"train": 24, "validation": 24, "test": 48}
    with pytest.raises(UsageError, match=r"no value 'wall'; there are shelf, studio"):
        splits.make(examples, "place=wall", 0)
    with pytest.raises(UsageError, match="none of class, random and COLUMN=VALUE"):
        splits.make(examples, "half", 0)


def test_too_few_classes_name_the_other_split() -> None:
    with pytest.raises(UsageError, match="--split random"):
        splits.make(examples_of(["a", "a", "b", "b", "c", "c"]), "class", 0)


def test_the_split_is_written_as_a_table(examples: Examples, tmp_path: Path) -> None:
    split = splits.make(examples, "random", 0)
    file = tmp_path / "split.csv"
    file.write_text(splits.table(examples, split))
    read = tables.read(file)
    assert [row["part"] for _, row in read.rows] == list(split.parts)
    assert [row["path"] for _, row in read.rows] == [asset.uri for asset in examples.pictures.assets]


def test_batches_are_so_many_classes_of_so_many_pictures(examples: Examples) -> None:
    several = list(sampling.batches(examples, np.random.default_rng(0), p=5, k=3))
    assert len(several) == round(len(examples) / 15)
    for places in several:
        assert len(set(places.tolist())) == len(places) == 15
        assert sorted(Counter(examples.labels[p] for p in places).values()) == [3] * 5


def test_batches_across_a_column_have_both_values_of_each_class(examples: Examples) -> None:
    for places in sampling.batches(examples, np.random.default_rng(0), p=5, k=2, across="place"):
        found = Counter((examples.labels[p], examples.columns["place"][p]) for p in places)
        assert len(found) == 10
        assert set(found.values()) == {1}


def test_batches_of_triplets_are_whole(examples: Examples) -> None:
    triplets = np.array([[a, a + 1, a + 20] for a in range(40)])
    of = replace(examples, kind=data.TRIPLETS, triplets=triplets)
    several = list(sampling.batches(of, np.random.default_rng(0), p=4, k=3))
    whole = [row for row in triplets.tolist() for places in several if set(row) <= set(places.tolist())]
    assert {tuple(row) for row in whole} == {tuple(row) for row in triplets.tolist()}


# Losses


def apart(vectors: Vectors, one: int, other: int) -> float:
    return float(np.linalg.norm(vectors[one].astype(np.float64) - vectors[other]))


def test_the_triplet_loss_is_the_mean_of_what_is_violated(examples: Examples, vectors: Vectors) -> None:
    places = np.arange(0, 40, 5)
    loss = losses.Objective(examples, "triplet", "none", WIDTH)(torch.from_numpy(vectors[places]), places)
    labels = [examples.labels[p] for p in places]
    found = [
        apart(vectors, places[a], places[p]) - apart(vectors, places[a], places[n]) + 0.2
        for a, p, n in itertools.permutations(range(len(places)), 3)
        if labels[a] == labels[p] != labels[n]
    ]
    assert float(loss) == pytest.approx(np.mean([each for each in found if each > 0]), abs=1e-5)


def test_across_a_column_only_pictures_of_other_values_are_brought_nearer(
    examples: Examples, vectors: Vectors
) -> None:
    places = np.arange(24)
    objective = losses.Objective(examples, "contrastive", None, WIDTH, "place")
    loss = objective(torch.from_numpy(vectors[places]), places)
    same, other = [], []
    for a, b in itertools.permutations(places, 2):
        distance = apart(vectors, a, b)
        if examples.labels[a] != examples.labels[b]:
            other.append(max(0, 1 - distance))
        elif examples.columns["place"][a] != examples.columns["place"][b]:
            same.append(distance)
    wanted = np.mean([each for each in same if each > 0]) + np.mean([each for each in other if each > 0])
    assert float(loss) == pytest.approx(wanted, abs=1e-5)


def test_given_triplets_alone_make_the_loss(examples: Examples, vectors: Vectors) -> None:
    triplets = np.array([[0, 9, 3], [5, 2, 30], [40, 1, 2]])
    of = replace(examples, kind=data.TRIPLETS, triplets=triplets)
    places = np.array([0, 1, 2, 3, 5, 9, 30, 40])
    loss = losses.Objective(of, "triplet", None, WIDTH)(torch.from_numpy(vectors[places]), places)
    found = [apart(vectors, a, p) - apart(vectors, a, n) + 0.2 for a, p, n in triplets]
    assert float(loss) == pytest.approx(np.mean([each for each in found if each > 0]), abs=1e-5)


@pytest.mark.parametrize("loss", losses.LOSSES)
@pytest.mark.parametrize("miner", losses.MINERS)
def test_every_loss_and_miner_works_or_says_why_not(
    examples: Examples, vectors: Vectors, loss: str, miner: str
) -> None:
    places = np.arange(32)
    rows = torch.from_numpy(vectors[places]).requires_grad_()
    if losses.LOSSES[loss].rate and miner != "none":
        with pytest.raises(UsageError, match="leave out --miner"):
            losses.Objective(examples, loss, miner, WIDTH)
        return
    torch.manual_seed(0)
    found = losses.Objective(examples, loss, miner, WIDTH)(rows, places)
    found.backward()
    assert torch.isfinite(found)
    assert torch.isfinite(rows.grad).all()


def test_unknown_names_list_those_there_are(examples: Examples) -> None:
    with pytest.raises(UsageError, match=r"no loss is named 'tripel'; there are triplet, contrastive"):
        losses.checked(examples, "tripel", None)
    with pytest.raises(UsageError, match=r"no miner is named 'easy'; there are none, hard"):
        losses.checked(examples, "triplet", "easy")
    pairs = replace(examples, kind=data.PAIRS, alike=np.array([[0, 1]]))
    with pytest.raises(UsageError, match="pairs have no classes"):
        losses.checked(pairs, "arcface", None)
    with pytest.raises(UsageError, match="the miner hard chooses by class"):
        losses.checked(pairs, "triplet", "hard")


def test_a_loss_of_what_is_no_number_is_none(examples: Examples, vectors: Vectors) -> None:
    rows = vectors[:16].copy()
    rows[3, 2] = np.nan
    assert torch.isnan(
        losses.Objective(examples, "triplet", None, WIDTH)(torch.from_numpy(rows), np.arange(16))
    )


# Measures


def slow_precision(similarity: Any, wanted: Any, ranked: Any) -> float:
    order = sorted(np.flatnonzero(ranked), key=lambda place: -similarity[place])
    hits = [n for n, place in enumerate(order, 1) if wanted[place]]
    return float(np.mean([count / rank for count, rank in enumerate(hits, 1)]))


def turned(vectors: Vectors) -> Any:
    """Similarities as of a search in a library of these vectors: half of the mean, by count, is taken off."""
    mean, count = vectors.mean(axis=0), len(vectors)
    queries = vectors - 0.5 * count / (count + 20) * mean
    found = queries / np.linalg.norm(queries, axis=1, keepdims=True) @ vectors.T
    return found / np.diag(found)[:, None]


@pytest.mark.parametrize("across", [None, "place"])
def test_average_precision_is_that_of_a_search(
    examples: Examples, vectors: Vectors, across: str | None
) -> None:
    found = Judge(examples, across, "studio" if across else None).of(vectors)
    similarity, labels = turned(vectors), np.array(examples.labels)
    sides = np.array(examples.columns["place"])
    asking = np.flatnonzero(sides == "studio") if across else np.arange(len(labels))
    slow = [
        slow_precision(similarity[q], labels == labels[q],
                       sides != sides[q] if across else np.arange(len(labels)) != q)
        for q in asking
    ]  # fmt: skip
    assert found.average_precision == pytest.approx(slow, abs=1e-6)


def test_a_few_ask_where_many_could(examples: Examples, vectors: Vectors) -> None:
    all_of_them = Judge(examples).of(vectors).average_precision
    found = Judge(examples, most=24).of(vectors).average_precision
    assert len(found) == 24
    assert set(found.tolist()) <= set(all_of_them.tolist())


def test_only_judged_pictures_are_ranked_for_pairs(examples: Examples, vectors: Vectors) -> None:
    """Of a group, pictures whose pair nobody judged count neither for nor against."""
    alike, wrong = np.array([[0, 1], [1, 2]]), np.array([[0, 10]])
    of = replace(examples, kind=data.PAIRS, alike=alike, apart=wrong)
    found = Judge(of).of(vectors)
    similarity, labels = turned(vectors), np.array(examples.labels)
    ranked = labels != labels[0]
    ranked[1] = True
    wanted = np.zeros(len(labels), bool)
    wanted[1] = True
    assert len(found.average_precision) == 3
    assert found.average_precision[0] == pytest.approx(slow_precision(similarity[0], wanted, ranked))


def test_better_is_said_only_of_what_chance_does_not_give() -> None:
    def measured(values: Any) -> measure.Measured:
        return measure.Measured(np.array(values, float), np.array(values, float), np.arange(len(values)))

    noise = np.random.default_rng(0).uniform(0, 1, 40)
    clear = measure.compare(measured(noise * 0.5), measured(noise * 0.5 + 0.3))
    assert clear.better
    assert clear.difference.value == pytest.approx(0.3)
    same = measure.compare(measured(noise), measured(noise[::-1]))
    assert not same.better
    assert not measure.compare(measured(noise), measured(noise)).better


@pytest.mark.parametrize(("classes", "p"), [(5, math.nan), (6, 2 / 2**6)])
def test_of_new_classes_each_counts_as_one(classes: int, p: float) -> None:
    """A hundred pictures of each gain alike: that is one gain for each class, whose signs fall out all the
    same by chance twice in 2 to the number of classes."""
    codes = np.repeat(np.arange(classes), 100)
    before = measure.Measured(np.full(len(codes), 0.5), np.full(len(codes), 0.5), codes)
    after = measure.Measured(0.6 + 0.01 * codes, 0.6 + 0.01 * codes, codes)
    found = measure.compare(before, after, by_class=True)
    assert (found.queries, found.classes) == (len(codes), classes)
    assert found.difference.value == pytest.approx(0.1 + 0.01 * np.arange(classes).mean())
    assert found.p == pytest.approx(p, abs=0.006, nan_ok=True)
    assert found.difference.known == (classes > 5)
    assert found.better == (classes > 5)


# Where a head begins


def test_matching_pictures_differ_less_by_the_root_of_how_much(examples: Examples, vectors: Vectors) -> None:
    """Against the same matrix made from the whole covariance."""
    rows = np.concatenate([
        vectors[np.array(examples.labels) == label] - vectors[np.array(examples.labels) == label].mean(axis=0)
        for label in examples.classes
    ]).astype(np.float64)  # fmt: skip
    covariance = rows.T @ rows / len(rows)
    even = np.trace(covariance) / WIDTH
    shrunk = 0.5 * covariance + 0.5 * even * np.eye(WIDTH)
    variances, found = np.linalg.eigh(shrunk)
    wanted = (found * variances**-0.25) @ found.T * (0.5 * even) ** 0.25
    assert beginning.axes(examples, vectors) == pytest.approx(wanted, abs=1e-4)


def test_differences_across_a_column_are_those_of_its_pairs(examples: Examples, vectors: Vectors) -> None:
    found = beginning.differences(examples, vectors, "place")
    assert len(found) == CLASSES * (EACH // 2) ** 2
    sides = np.array(examples.columns["place"])
    slow = [
        vectors[a] - vectors[b]
        for a, b in itertools.permutations(range(len(examples)), 2)
        if examples.labels[a] == examples.labels[b] and sides[a] > sides[b]
    ]  # fmt: skip
    ours, theirs = (np.abs(np.asarray(each)).sum(axis=1) for each in (found, slow))
    assert np.sort(ours) == pytest.approx(np.sort(theirs), abs=1e-5)


def test_a_shorter_head_keeps_what_varies_most(examples: Examples, vectors: Vectors) -> None:
    whole = (vectors - vectors.mean(axis=0)) @ beginning.axes(examples, vectors)
    short = (vectors - vectors.mean(axis=0)) @ beginning.axes(examples, vectors, 6)
    kept = np.linalg.svd(whole - whole.mean(axis=0), compute_uv=False)[:6]
    assert np.linalg.svd(short - short.mean(axis=0), compute_uv=False) == pytest.approx(kept, rel=1e-3)


# Runs


def task_of(
    examples: Examples, vectors: Vectors, how: str = "random", **plan: Any
) -> metric.Retrieval:  # fmt: skip
    schedule = plan.pop("schedule", Schedule(epochs=6, patience=6, seed=1))
    split = splits.make(examples, how, 1)
    made: metric.Retrieval = heads.task(examples, vectors, split, Plan(schedule=schedule, p=6, k=3, **plan))
    return made


def test_a_head_learns_what_belongs_together(examples: Examples, vectors: Vectors) -> None:
    outcome = metric.train(task_of(examples, vectors, schedule=Schedule(epochs=30)), vectors)
    first = outcome.comparisons[0]
    assert first.after > first.before + 0.1
    assert outcome.better
    assert outcome.fit.best == max(outcome.fit.values)
    again = metric.train(task_of(examples, vectors, schedule=Schedule(epochs=30)), vectors)
    assert again == outcome


def test_classes_that_were_never_seen_are_found_better(examples: Examples, vectors: Vectors) -> None:
    """What sets pictures of a class apart is the same for all classes here."""
    outcome = metric.train(task_of(examples, vectors, "class"), vectors)
    assert outcome.comparisons[0].after > outcome.comparisons[0].before + 0.1


def test_what_was_learned_is_what_was_best(examples: Examples, vectors: Vectors) -> None:
    task = task_of(examples, vectors, schedule=Schedule(epochs=12, patience=3))
    fit = loop.fit(task, task.plan.schedule)
    assert task.measure() == fit.best == max(fit.values)
    assert fit.ended in (loop.FINISHED, loop.PATIENCE)
    if fit.ended == loop.PATIENCE:
        assert len(fit.losses) - fit.best_epoch == 3


class Ended:
    """A task that a loss, or a hand on the keyboard, ends in its third epoch."""

    def __init__(self, task: metric.Retrieval, spoiled: BaseException | float) -> None:
        self.task, self.spoiled, self.epochs = task, spoiled, 0
        self.model, self.groups, self.measure = task.model, task.groups, task.measure

    def losses(self, random: np.random.Generator) -> Iterator[Any]:
        self.epochs += 1
        several = self.task.losses(random)
        yield next(several)
        if self.epochs == 3:
            if isinstance(self.spoiled, BaseException):
                raise self.spoiled
            yield next(several) * self.spoiled
        yield from several


@pytest.mark.parametrize("loss", ["triplet", "arcface", "softmax"])
def test_a_run_that_goes_on_ends_as_if_unbroken(
    examples: Examples, vectors: Vectors, tmp_path: Path, loss: str
) -> None:
    whole = task_of(examples, vectors, loss=loss)
    fit = loop.fit(whole, whole.plan.schedule)
    file = tmp_path / "run.checkpoint.npz"
    broken = task_of(examples, vectors, loss=loss)
    ended = loop.fit(Ended(broken, KeyboardInterrupt()), broken.plan.schedule, file, purpose="x", every=0)
    assert (ended.ended, len(ended.losses)) == (loop.INTERRUPTED, 2)
    resumed = task_of(examples, vectors, loss=loss)
    again = loop.fit(resumed, resumed.plan.schedule, file, resume=True, purpose="x", every=0)
    assert again == fit
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name


@pytest.mark.parametrize("spoiled", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_run_with_the_best(
    examples: Examples, vectors: Vectors, spoiled: float
) -> None:
    task = task_of(examples, vectors)
    fit = loop.fit(Ended(task, spoiled), task.plan.schedule)
    assert (fit.ended, len(fit.values), len(fit.losses)) == (loop.NOT_A_NUMBER, 3, 2)
    assert task.measure() == fit.best
    assert all(torch.isfinite(each).all() for each in task.model.state_dict().values())


def test_a_beginning_that_is_not_finite_is_said_and_no_interrupt(
    examples: Examples, vectors: Vectors
) -> None:
    task = task_of(examples, vectors)
    with torch.no_grad():
        next(task.network.parameters()).fill_(float("nan"))
    with pytest.raises(UsageError, match="training begins from gives numbers that are not finite"):
        metric.train(task, vectors)
    spoilt = vectors.copy()
    spoilt[0, 0] = np.inf
    with pytest.raises(UsageError, match="not finite"):
        metric.train(task_of(examples, vectors), spoilt)


def test_a_checkpoint_of_another_run_is_refused(examples: Examples, vectors: Vectors, tmp_path: Path) -> None:
    file = tmp_path / "run.checkpoint.npz"
    task = task_of(examples, vectors, schedule=Schedule(epochs=1))
    with pytest.raises(UsageError, match="nothing is there to go on from"):
        loop.fit(task, task.plan.schedule, file, resume=True)
    split = splits.make(examples, "random", 1)
    purposes = [
        metric.purpose(examples, split, task.plan, "head"),
        metric.purpose(examples, split, replace(task.plan, loss="arcface"), "head"),
        metric.purpose(examples, splits.make(examples, "random", 2), task.plan, "head"),
        metric.purpose(replace(examples, labels=examples.labels[::-1]), split, task.plan, "head"),
    ]
    loop.fit(task, task.plan.schedule, file, purpose=purposes[0])
    assert checkpoint.read(file, purposes[0]).values
    for other in purposes[1:]:
        with pytest.raises(UsageError, match="other pictures or options"):
            checkpoint.read(file, other)
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(UsageError, match="delete it, and begin without --resume"):
        checkpoint.read(file, purposes[0])


def test_a_drive_without_room_leaves_the_earlier_checkpoint(tmp_path: Path) -> None:
    """A limit on the size of files stands for a drive that is full: the write fails half done."""
    resource = pytest.importorskip("resource", reason="limits on files are of Unix")
    file = tmp_path / "run.checkpoint.npz"
    small = checkpoint.Checkpoint("x", (0.5,), (), {}, {}, {})
    checkpoint.write(file, small)
    before = file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(LibraryError, match="cannot be written: File too large"):
            checkpoint.write(file, replace(small, model={"a": np.zeros(100_000)}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


def test_a_classifier_is_measured_by_what_it_takes_pictures_for(examples: Examples, vectors: Vectors) -> None:
    split = splits.make(examples, "random", 1)
    plan = Plan(schedule=Schedule(epochs=30), p=6, k=3)
    task = classify.task(examples, vectors, split, plan, hidden=16)
    outcome = classify.train(task, vectors)
    accuracy = outcome.comparisons[0]
    assert accuracy.metric == "accuracy"
    learned, measured_on = split.places("train"), split.places("test")
    nearest = [learned[np.argmax(vectors[learned] @ vectors[place])] for place in measured_on]
    right = [examples.labels[a] == examples.labels[b] for a, b in zip(measured_on, nearest, strict=True)]
    assert accuracy.before == pytest.approx(np.mean(right))
    assert accuracy.after > accuracy.before + 0.2
    with pytest.raises(UsageError, match="--split random"):
        classify.task(examples, vectors, splits.make(examples, "class", 0), plan)


# Results


@pytest.mark.parametrize("hidden", [0, 8])
def test_the_graph_gives_what_was_trained(examples: Examples, vectors: Vectors, hidden: int) -> None:
    torch.manual_seed(0)
    head = heads.begun(examples, vectors, 10, hidden=hidden)
    with torch.no_grad():
        for each in head.parameters():
            each.add_(torch.randn_like(each), alpha=0.1)
    rows = torch.from_numpy(np.concatenate([vectors[:6], np.zeros((1, WIDTH), np.float32)]))
    graph = export.onnx_bytes(head, rows)
    centred = rows.numpy() - vectors.mean(axis=0)
    plain = centred @ head.axes.detach().numpy()
    if head.bend is not None:
        first, last = head.bend[0], head.bend[2]
        inner = np.maximum(centred @ first.weight.detach().numpy().T + first.bias.detach().numpy(), 0)
        plain = plain + inner @ last.weight.detach().numpy().T
    plain[-1] = 0
    import onnxruntime

    (found,) = onnxruntime.InferenceSession(graph).run(None, {"vectors": rows.numpy()})
    assert found == pytest.approx(
        plain / np.maximum(np.linalg.norm(plain, axis=1, keepdims=True), 1e-12), abs=1e-5
    )


def test_a_graph_that_gives_other_numbers_is_refused(examples: Examples, vectors: Vectors) -> None:
    rows = torch.from_numpy(vectors[:4])
    head = heads.begun(examples, vectors)
    graph = export.onnx_bytes(head, rows)
    with torch.no_grad():
        head.axes[0, 0] += 0.5
    with pytest.raises(EncoderError, match="gives other numbers than what was trained"):
        export.verify(graph, head, rows)


def test_vectors_that_do_not_differ_teach_nothing(examples: Examples) -> None:
    same = np.tile(np.eye(1, WIDTH, dtype=np.float32), (len(examples), 1))
    with pytest.raises(UsageError, match="the same vector"):
        heads.task(examples, same, splits.make(examples, "random", 0), Plan())


def test_an_unknown_device_names_those_that_are_known() -> None:
    with pytest.raises(UsageError, match="give --device auto, cpu or cuda"):
        loop.device("abacus")
    assert loop.device("cpu").type == "cpu"


def test_the_curve_is_a_picture_that_rises_with_the_values() -> None:
    import io

    from PIL import Image

    with Image.open(io.BytesIO(curve.png([0.2, 0.4, 0.6, 0.8], 0.3, 3))) as image:
        pixels = np.asarray(image.convert("RGB"))
    rows, columns = np.nonzero((pixels == curve.LINE).all(axis=2))
    assert rows[columns == columns.min()].mean() > rows[columns == columns.max()].mean() + 100
    marked = np.nonzero((pixels == curve.BEST).all(axis=2))
    assert marked[1].max() > columns.max() - 8


def slow_groups(rows: Places) -> list[set[int]]:
    groups: list[set[int]] = []
    for row in rows.tolist():
        touching = [group for group in groups if group & set(row)]
        groups = [g for g in groups if g not in touching] + [set(row).union(*touching)]
    return groups


def test_groups_are_what_pairs_connect() -> None:
    random = np.random.default_rng(5)
    rows = random.integers(0, 60, (40, 2))
    rows = rows[rows[:, 0] != rows[:, 1]]
    marks = [(f"id{a:03}", f"id{b:03}", True) for a, b in rows]
    got = data.of_marks(pictures(60), marks)
    by_label: dict[str, set[str]] = {}
    for asset, label in zip(got.pictures.assets, got.labels, strict=True):
        by_label.setdefault(label, set()).add(asset.id)
    wanted = [{f"id{place:03}" for place in group} for group in slow_groups(rows)]
    assert sorted(map(sorted, by_label.values())) == sorted(map(sorted, wanted))
