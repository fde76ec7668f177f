"""The arithmetic of attributes, held against scikit-learn, plain loops and figures worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from findalike.attributes import choosing, features, temperature
from findalike.attributes.discriminant import solved, sums
from findalike.attributes.folds import dealt
from findalike.attributes.learning import cross_validated
from findalike.attributes.probe import Linear, predicted
from findalike.attributes.scoring import score
from findalike.attributes.told import Dealt
from findalike.types import Card, Vectors

discriminant_analysis = pytest.importorskip("sklearn.discriminant_analysis")

Numbers = NDArray[np.int64]


def groups(seed: int, count: int, dim: int, values: int, apart: float) -> tuple[Vectors, Numbers]:
    """Rows around as many means."""
    random = np.random.default_rng(seed)
    numbers = random.integers(values, size=count)
    means = random.normal(size=(values, dim)) * apart
    return (means[numbers] + random.normal(size=(count, dim))).astype(np.float32), numbers


# Discriminant analysis


@pytest.mark.parametrize("shrinkage", [0.05, 0.5])
def test_weights_are_those_of_sklearn(shrinkage: float) -> None:
    rows, numbers = groups(0, 300, 12, 4, 1.0)
    own = rows.astype(np.float64)
    theirs = discriminant_analysis.LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
    theirs.fit(own, numbers)
    within = sum(np.cov(own[numbers == n].T, bias=True) * (numbers == n).mean() for n in range(4))
    ridge = shrinkage / (1 - shrinkage) * np.trace(within) / 12  # they mix, and here a ridge is added
    (found,) = solved(sums(own, numbers, 4), [ridge])
    np.testing.assert_allclose(found.weights, theirs.coef_ * (1 - shrinkage), rtol=1e-6)
    priors = np.log(np.bincount(numbers) / 300)
    np.testing.assert_allclose(found.bias - priors, (theirs.intercept_ - priors) * (1 - shrinkage), rtol=1e-6)


def test_sums_of_folds_can_be_taken_out() -> None:
    rows, numbers = groups(1, 50, 5, 3, 1.0)
    both, one = sums(rows, numbers, 3), sums(rows[:20], numbers[:20], 3)
    rest, direct = both - one, sums(rows[20:], numbers[20:], 3)
    for name in ("counts", "sums", "products"):
        np.testing.assert_allclose(getattr(rest, name), getattr(direct, name), atol=1e-3)


def test_a_value_without_pictures_is_never_told() -> None:
    rows, numbers = groups(2, 60, 4, 2, 2.0)
    (found,) = solved(sums(rows, numbers, 3), [0.01])
    assert set(found.logits(rows).argmax(axis=1).tolist()) <= {0, 1}


def test_few_pictures_of_many_numbers_lose_nothing_by_being_turned() -> None:
    """Solved in the few directions that 30 rows vary in, and in all 200."""
    rows, numbers = groups(3, 30, 200, 3, 0.5)
    card = Card("made", "1", 200)
    joined = features.joined({card.space: rows}, [card])
    data = choosing.Folded(joined, numbers, np.arange(30) % 5, 3)
    choice = choosing.Choice((0,), 1e-2, 1.0, np.empty(0))
    turned = data.full(choice)
    (plain,) = solved(sums(joined.rows.astype(np.float64), numbers, 3), [1e-2])
    np.testing.assert_allclose(turned.logits(joined.rows), plain.logits(joined.rows), atol=1e-3)


def test_a_probe_of_the_spaces_own_numbers_gives_the_same_logits() -> None:
    rows, numbers = groups(4, 80, 6, 3, 1.0)
    shares = np.random.default_rng(0).dirichlet(np.ones(5), 80).astype(np.float32)
    cards = [Card("made", "1", 6), Card("histogram", "1", 5, metric="chi-square")]
    vectors = {cards[0].space: rows, cards[1].space: shares}
    joined = features.joined(vectors, cards)
    (weights,) = solved(sums(joined.rows, numbers, 3), [1e-2])
    probe = joined.probe((0, 1), weights, 1.0)
    np.testing.assert_allclose(probe.logits(vectors), weights.logits(joined.rows), atol=1e-3)
    for card in cards:  # each space counts as much as the other
        block = joined.blocks[cards.index(card)]
        assert np.square(joined.rows[:, block.columns]).sum(axis=1).mean() == pytest.approx(1, abs=1e-3)


# Calibration


def test_the_temperature_is_that_of_a_fine_grid() -> None:
    random = np.random.default_rng(0)
    numbers = random.integers(3, size=400)
    logits = (np.eye(3)[numbers] * 6 + random.normal(size=(400, 3)) * 4).astype(np.float32)
    grid = np.exp(np.linspace(math.log(0.05), math.log(50), 2_000))
    best = min(grid, key=lambda t: temperature.losses(logits, numbers, t).mean())
    assert temperature.fitted(logits, numbers) == pytest.approx(best, rel=0.01)


def test_losses_are_those_of_a_plain_loop() -> None:
    logits, numbers = np.array([[2.0, 0.0], [0.5, 1.5]], np.float32), np.array([0, 0])
    found = temperature.losses(logits, numbers, 2.0)
    for row, true, loss in zip(logits, numbers, found, strict=True):
        powers = [math.exp(x / 2) for x in row.tolist()]
        shares = [each / sum(powers) for each in powers]
        other = 1 / (3 * 2)  # one more picture, shared by both values
        aims = [other + (1 - 2 * other) * (n == true) for n in range(2)]
        assert loss == pytest.approx(-sum(a * math.log(s) for a, s in zip(aims, shares, strict=True)))


def test_a_temperature_stays_finite_where_all_is_told_right() -> None:
    logits = np.array([[9.0, -9.0], [-9.0, 9.0]] * 20, np.float32)
    numbers = np.array([0, 1] * 20)
    sure = temperature.softmax(logits / np.float32(temperature.fitted(logits, numbers))).max(axis=1)
    assert 0.9 < sure.mean() < 1 - 1 / 200


def test_the_calibration_error_is_worked_by_hand() -> None:
    told = np.array([[0.95, 0.05], [0.95, 0.05], [0.55, 0.45], [0.4, 0.6]], np.float32)
    numbers = np.array([0, 1, 0, 1])  # .95 for a half; .55 for one of one; .6 for one of one
    expected = (2 * abs(0.95 - 0.5) + abs(0.55 - 1) + abs(0.6 - 1)) / 4
    assert temperature.calibration_error(told, numbers) == pytest.approx(expected, abs=1e-6)


def test_scores_are_counted_by_hand() -> None:
    logits = np.log(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]], np.float32))
    found = score("probe", ("a",), logits, np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    assert found.confusion == ((1, 0), (1, 2))
    assert found.accuracy == 0.75
    assert found.by_fold == (1.0, 0.5)
    assert found.by_value == (1.0, pytest.approx(2 / 3))
    assert found.confidence == pytest.approx((0.9 + 0.8 + 0.6 + 0.7) / 4)
    expected = -sum(map(math.log, (0.9, 0.8, 0.4, 0.7))) / 4
    assert found.log_loss == pytest.approx(expected, rel=1e-5)


# Folds


def test_each_fold_has_each_value_evenly() -> None:
    numbers = np.repeat([0, 1, 2], [50, 20, 7])
    fold = dealt(numbers, 5, seed=3)
    counts = np.array([np.bincount(fold[numbers == n], minlength=5) for n in range(3)])
    assert (counts.max(axis=1) - counts.min(axis=1) <= 1).all()
    assert np.array_equal(fold, dealt(numbers, 5, seed=3))
    assert not np.array_equal(fold, dealt(numbers, 5, seed=4))


def test_pictures_of_the_same_bytes_are_in_one_fold() -> None:
    names = [f"picture {n // 3}" for n in range(60)]
    fold = dealt(np.repeat([0, 1], 30), 5, 0, names)
    assert all(len(set(fold[n : n + 3].tolist())) == 1 for n in range(0, 60, 3))
    assert set(fold.tolist()) == set(range(5))


# Learning


def learned(vectors: dict[str, Vectors], numbers: Numbers, values: int) -> tuple[Linear, float, Numbers]:
    """A probe, its accuracy on what was left out, and the answers of the probe itself."""
    cards = [Card(space.partition("@")[0], "1", rows.shape[1]) for space, rows in vectors.items()]
    fold = dealt(numbers, 5, 0)
    names = tuple(map(str, range(values)))
    labels = Dealt(names, tuple(map(str, range(len(numbers)))), numbers, fold)
    probe, _, found = cross_validated(labels, vectors, cards, lambda *_: None)
    told = predicted(probe, names, vectors)
    assert found.accuracy is not None
    return probe, found.accuracy, np.array(list(map(int, told.values)))


def test_digits_are_told_as_well_as_by_sklearn() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    linear_model = pytest.importorskip("sklearn.linear_model")
    model_selection = pytest.importorskip("sklearn.model_selection")
    rows, numbers = datasets.load_digits(return_X_y=True)
    rows, numbers = (rows[:600] / 16).astype(np.float32), numbers[:600].astype(np.int64)
    _, accuracy, _ = learned({"digits@1-float32": rows}, numbers, 10)
    theirs = linear_model.LogisticRegression(C=1.0, max_iter=300)
    folds = model_selection.StratifiedKFold(5, shuffle=True, random_state=0)
    assert accuracy >= model_selection.cross_val_score(theirs, rows, numbers, cv=folds).mean() - 0.03


def test_values_that_are_chance_are_told_as_by_chance() -> None:
    """With 120 pictures of 600 numbers all can be learned by heart: none of it may leak into the score."""
    random = np.random.default_rng(5)
    numbers = random.integers(4, size=120)
    vectors = {f"{name}@1-float32": random.normal(size=(120, 200)).astype(np.float32) for name in "abc"}
    probe, accuracy, _ = learned(vectors, numbers, 4)
    assert accuracy < 0.4
    sure = predicted(probe, ("0", "1", "2", "3"), vectors).confidences
    assert sure.mean() < 0.75


def test_the_space_that_shows_a_value_is_chosen() -> None:
    rows, numbers = groups(6, 120, 20, 3, 1.2)
    noise = np.random.default_rng(0).normal(size=(120, 40)).astype(np.float32)
    probe, accuracy, told = learned({"noise@1-float32": noise, "shown@1-float32": rows}, numbers, 3)
    assert probe.spaces == ("shown@1-float32",)
    assert accuracy > 0.9
    assert (told == numbers).mean() > 0.95


def test_spaces_that_each_show_a_half_are_joined() -> None:
    """Four values by two bits, of which each space shows one."""
    random = np.random.default_rng(7)
    numbers = random.integers(4, size=200)
    vectors = {
        f"{name}@1-float32": (random.normal(size=(200, 15)) + bit[:, None] * 2).astype(np.float32)
        for name, bit in (("high", numbers // 2), ("low", numbers % 2))
    }
    probe, accuracy, _ = learned(vectors, numbers, 4)
    assert set(probe.spaces) == set(vectors)
    assert accuracy > 0.9
