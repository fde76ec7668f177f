"""Similarities in blocks, pairs, intervals and tests of the judge, against plain loops and libraries."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from findalike import distance
from findalike.encode import calibration
from findalike.evaluate import bootstrap, report, similarity, verification
from findalike.evaluate.verification import Scored
from findalike.rank import adapted
from findalike.types import Card

CARD = Card("made-up", "1", 8, calibration=((0.0, 0.0), (0.5, 0.3), (0.8, 0.9), (1.0, 1.0)))


def scored(score: list[float], same: list[int], group: list[int] | None = None) -> Scored:
    return Scored(np.array(score, float), np.array(same, bool), np.array(group or range(len(score))))


def overlapping(seed: int, n: int = 300, digits: int = 2) -> Scored:
    """Scores with ties, of which those of same pairs are higher on average."""
    random = np.random.default_rng(seed)
    same = random.random(n) < 0.4
    return Scored((random.normal(0.4, 0.15, n) + 0.2 * same).round(digits), same, np.arange(n))


# Similarity


@pytest.mark.parametrize("metric", distance.METRICS)
def test_blocks_have_the_numbers_of_each_metric(metric: str) -> None:
    random = np.random.default_rng(0)
    queries, gallery = (random.random((n, 40)).astype(np.float32) for n in (5, 9))
    gallery[3] = queries[1]
    found = similarity.matrix(metric, queries, gallery)
    for query, row in zip(queries, found, strict=True):
        assert row == pytest.approx(distance.similarity(metric, gallery, query), abs=2e-6)
    assert found[1, 3] == pytest.approx(1, abs=1e-6)


def test_city_block_over_many_rows_is_scipys() -> None:
    spatial = pytest.importorskip("scipy.spatial.distance")
    random = np.random.default_rng(1)
    queries, gallery = (random.random((n, 300)).astype(np.float32) for n in (3, 2_000))
    assert len(gallery) * 300 > similarity._CACHED
    expected = 1 / (1 + spatial.cdist(queries, gallery, "cityblock"))
    assert similarity.matrix("city-block", queries, gallery) == pytest.approx(expected, rel=1e-4)


def test_as_searched_is_what_a_search_reckons() -> None:
    random = np.random.default_rng(2)
    rows = random.normal(0.3, 1, (12, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    mean = rows.mean(axis=0)
    found = similarity.as_searched(CARD, rows[:3], rows, mean, 12)
    for query, row in zip(rows[:3], found, strict=True):
        turned = adapted(query, mean, 12)
        assert row == pytest.approx(
            [min(1, float(turned @ r) / float(turned @ query)) for r in rows], abs=1e-5
        )
    assert np.diag(found[:, :3]) == pytest.approx(np.ones(3))


def test_a_picture_without_a_direction_is_like_none() -> None:
    rows = np.eye(3, 8, dtype=np.float32)
    rows[1] = 0
    assert similarity.as_searched(CARD, rows, rows, np.zeros(8, np.float32), 3)[1].tolist() == [0, 0, 0]


def test_scores_are_calibrated() -> None:
    values = np.linspace(-0.2, 1, 13, dtype=np.float32)
    assert similarity.scores(CARD, values) == pytest.approx(
        [calibration.score(CARD, float(v)) for v in values]
    )


# Pairs


def test_pairs_by_hand() -> None:
    # Same: .9 .8 .4; different: .6 .4 .1. Of 9 couples 7 are in order and one is tied.
    pairs = scored([0.9, 0.8, 0.4, 0.6, 0.4, 0.1], [1, 1, 1, 0, 0, 0])
    found = verification.cuts(pairs)
    assert found.at == pytest.approx([math.inf, 0.85, 0.7, 0.5, 0.25, 0.1])
    assert found.same.tolist() == [0, 1, 2, 2, 3, 3]
    assert found.different.tolist() == [0, 0, 0, 1, 2, 3]
    assert verification.auc(found) == pytest.approx(7.5 / 9)
    assert verification.equal_error(found) == pytest.approx(1 / 3)
    assert found.at[verification.most_right(found)] == pytest.approx(0.7)
    assert found.at[verification.precise(found, 0.6)] == pytest.approx(0.25)  # type: ignore[index]
    assert found.at[verification.precise(found, 0.61)] == pytest.approx(0.5)  # type: ignore[index]
    assert verification.precise(verification.cuts(scored([0.9, 0.1], [0, 1])), 0.9) is None


@pytest.mark.parametrize("seed", range(10))
def test_area_and_curve_equal_plain_counts(seed: int) -> None:
    pairs = overlapping(seed)
    same, different = pairs.score[pairs.same], pairs.score[~pairs.same]
    right = sum((a > b) + 0.5 * (a == b) for a, b in itertools.product(same, different))
    found = verification.cuts(pairs)
    assert verification.auc(found) == pytest.approx(right / len(same) / len(different))
    for cut, taken, wrong in zip(found.at, found.same, found.different, strict=True):
        assert (int((same >= cut).sum()), int((different >= cut).sum())) == (taken, wrong)
    rate = verification.equal_error(found)
    gaps = [(abs((different >= c).mean() - (same < c).mean()), (different >= c).mean()) for c in found.at]
    assert rate == pytest.approx(min(gaps)[1], abs=0.02)


def test_area_is_scikit_learns() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    pairs = overlapping(3)
    expected = sklearn.roc_auc_score(pairs.same, pairs.score)
    assert verification.auc(verification.cuts(pairs)) == pytest.approx(expected)


def test_accuracy_and_thresholds_are_of_pairs_that_were_held_out() -> None:
    pairs = overlapping(5, digits=6)
    found = verification.verify(pairs, 0.9)
    folds = verification.folded(pairs, 0)
    assert sorted(np.bincount(folds)) == [30] * 10
    right = 0
    for fold in range(10):
        others = pairs.only(folds != fold)
        best = min((-sum((others.score >= c) == others.same), -c) for c in others.score)
        mine = pairs.only(folds == fold)
        right += sum((mine.score >= -best[1]) == mine.same)
    assert found.accuracy.value == pytest.approx(right / 300, abs=0.01)
    assert found.accuracy.low < found.accuracy.value < found.accuracy.high
    equal, precise = found.thresholds
    assert (equal.chosen_for, precise.chosen_for) == ("equal error", "precision 0.9")
    taken = pairs.score >= precise.score
    assert pairs.same[taken].mean() >= 0.9
    lower = np.sort(pairs.score[pairs.score < precise.score])[::-1]
    for cut in lower:  # no lower threshold would do as well
        assert pairs.same[pairs.score >= cut].mean() < 0.9
    assert 0.8 < precise.precision.value <= 1
    assert precise.precision.low < precise.precision.value < precise.precision.high


def test_groups_stay_in_one_fold() -> None:
    random = np.random.default_rng(0)
    pairs = Scored(random.random(200), random.random(200) < 0.3, random.integers(0, 25, 200))
    folds = verification.folded(pairs, 0)
    assert all(len(set(folds[pairs.group == group])) == 1 for group in set(pairs.group))
    assert set(folds) == set(range(10))


@pytest.mark.parametrize("same", [[1, 1, 1], [0, 0, 0]])
def test_pairs_of_one_kind_are_refused(same: list[int]) -> None:
    with pytest.raises(ValueError, match="both kinds"):
        verification.verify(scored([0.1, 0.2, 0.3], same), 0.9)


def test_no_threshold_of_pairs_that_cannot_be_told_apart() -> None:
    found = verification.verify(scored([0.5] * 40, [1, 0] * 20), 0.9)
    assert (found.auc, found.thresholds) == (0.5, ())
    assert found.missed == ("equal error", "precision 0.9")


def test_no_threshold_that_held_only_where_it_was_chosen() -> None:
    # One same pair lies above all others: without it, no score reaches the precision.
    found = verification.verify(scored([0.99, *np.linspace(0.1, 0.8, 60)], [1] + [1, 0, 0] * 20), 0.9)
    assert [each.chosen_for for each in found.thresholds] == ["equal error"]
    assert found.missed == ("precision 0.9",)
    assert found.base == 40 / 61


# Intervals and tests


def test_an_interval_is_near_that_of_theory_and_of_scipy() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.2, (400, 1))
    found = bootstrap.means(values, seed=1)[0]
    error = values.std(ddof=1) / 20
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(
        (values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=error * 0.15
    )
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.bootstrap(
        (values[:, 0],), np.mean, n_resamples=2_000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=error * 0.2)
    assert bootstrap.means(values, seed=1)[0] == found


@pytest.mark.parametrize("values", [[0.0, 1.0, 1.0, 0.0], [1.0] * 30])
def test_no_interval_where_resamples_cannot_tell(values: list[float]) -> None:
    (found,) = bootstrap.means(np.array(values)[:, None])
    assert found.value == np.mean(values)
    assert not found.known
    assert math.isnan(found.high)
    assert report.between(found) == f"{found.value:.2f}"
    assert report.between(bootstrap.Interval(0.8, 0.5, 1), 3) == "0.800 (0.50–1.00)"


def test_resamples_in_blocks_draw_whole_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    found = bootstrap.sums(values, 500)
    assert found[:, 1] == pytest.approx(10 * found[:, 0])
    assert set(found[:, 0]) <= {float(sum(three)) for three in itertools.product([1, 2, 4], repeat=3)}
    monkeypatch.setattr(bootstrap, "_AT_ONCE", 7)
    assert bootstrap.sums(values, 500).mean(axis=0) == pytest.approx([7, 70], rel=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_a_paired_test_is_near_all_sign_flips(seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0.2, 0.5, 12)
    seen = abs(differences.sum())
    flips = [
        abs(np.dot(signs, differences)) >= seen - 1e-12 for signs in itertools.product([1, -1], repeat=12)
    ]
    assert bootstrap.sign_flip(differences) == pytest.approx(np.mean(flips), abs=0.012)


def test_no_difference_is_no_evidence() -> None:
    assert bootstrap.sign_flip(np.zeros(50)) == 1
    assert bootstrap.sign_flip(np.full(50, 0.1)) == pytest.approx(1 / (bootstrap.FLIPS + 1))


def test_several_tests_are_corrected_by_hand() -> None:
    assert bootstrap.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert bootstrap.holm([0.9, 0.8]) == [1.0, 1.0]
