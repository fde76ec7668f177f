"""Retrieval metrics against plain loops and cases worked by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findalike.evaluate import metrics
from findalike.evaluate.metrics import Ranks, leave_one_out, ranked

graded = st.lists(st.integers(0, 3), min_size=1, max_size=30)


def ranks_of(ranking: Sequence[float], more: int = 0) -> Ranks:
    """One query whose ranking has these grades, best first; `more` pictures follow that are not relevant."""
    grades = np.array([[*ranking, *[0] * more]], np.float64)
    similarity = -np.arange(grades.shape[1], dtype=np.float32)[None]
    return ranked(similarity, grades, np.zeros(grades.shape, np.bool_))


def one(values: np.ndarray) -> float:
    assert values.shape == (1,)
    return float(values[0])


def test_cases_worked_by_hand() -> None:
    ranks = ranks_of([1, 0, 1, 0, 0, 1])
    assert one(metrics.precision(ranks, 1)) == 1
    assert one(metrics.precision(ranks, 2)) == 0.5
    assert one(metrics.precision(ranks, 10)) == pytest.approx(0.3)
    assert one(metrics.precision(ranks)) == 0.5
    assert one(metrics.recall(ranks, 1)) == pytest.approx(1 / 3)
    assert one(metrics.recall(ranks, 5)) == pytest.approx(2 / 3)
    assert one(metrics.recall(ranks)) == 1
    assert one(metrics.hit_rate(ranks, 1)) == 1
    assert one(metrics.average_precision(ranks)) == pytest.approx((1 / 1 + 2 / 3 + 3 / 6) / 3)
    assert one(metrics.average_precision(ranks, 5)) == pytest.approx((1 / 1 + 2 / 3) / 3)
    assert one(metrics.average_precision(ranks, 2)) == pytest.approx((1 / 1) / 2)
    assert one(metrics.r_precision(ranks)) == pytest.approx(2 / 3)
    assert one(metrics.reciprocal_rank(ranks)) == 1
    late = ranks_of([0, 0, 1, 0])
    assert one(metrics.hit_rate(late, 2)) == 0
    assert one(metrics.hit_rate(late, 3)) == 1
    assert one(metrics.reciprocal_rank(late)) == pytest.approx(1 / 3)
    assert one(metrics.average_precision(late, 2)) == 0


def test_graded_gain_by_hand() -> None:
    ranks = ranks_of([1, 0, 3, 2])
    dcg = 1 / math.log2(2) + 3 / math.log2(4) + 2 / math.log2(5)
    ideal = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    assert one(metrics.ndcg(ranks)) == pytest.approx(dcg / ideal)
    assert one(metrics.ndcg(ranks, 2)) == pytest.approx(1 / (3 + 2 / math.log2(3)))


def test_a_query_with_nothing_relevant_has_no_number() -> None:
    for values in metrics.measured(ranks_of([0, 0, 0])).values():
        assert math.isnan(one(values))
    assert np.isnan(metrics.precision_at_recall(ranks_of([0, 0]))).all()


def test_a_curve_by_hand() -> None:
    # Recall 1/3 at precision 1, 2/3 at 2/3, 1 at 1/2; each level takes the best at it or beyond.
    curve = metrics.precision_at_recall(ranks_of([1, 0, 1, 0, 0, 1]))[0]
    assert curve == pytest.approx([1, 1, 1, 1, 2 / 3, 2 / 3, 2 / 3, 1 / 2, 1 / 2, 1 / 2, 1 / 2])


def test_equal_similarities_rank_in_order_and_what_is_excluded_is_left_out() -> None:
    similarity = np.array([[0.5, 0.5, 0.9, 0.5]], np.float32)
    excluded = np.array([[False, False, True, False]])
    assert metrics.ordered(similarity, excluded)[0].tolist() == [0, 1, 3, 2]
    ranks = ranked(similarity, np.array([[0, 1, 1, 1]]), excluded)
    assert (ranks.depths.tolist(), ranks.rank.tolist()) == ([3], [2, 3])
    almost = np.array([[0.5, 0.5 + 1e-8, 0.1, 0.5]])
    assert metrics.ordered(almost, np.zeros((1, 4), np.bool_))[0].tolist() == [0, 1, 3, 2]
    with pytest.raises(ValueError, match="not a number"):
        metrics.ordered(np.array([[0.5, np.nan]]), np.zeros((1, 2), np.bool_))


@given(graded, st.sampled_from([1, 2, 3, 5, 10, 20, None]))
def test_every_metric_equals_a_plain_loop(grades: list[int], k: int | None) -> None:
    found, total, first, discounted, at_r = 0, 0.0, 0.0, 0.0, 0
    relevant = sum(grade > 0 for grade in grades)
    reach = len(grades) if k is None else k
    for rank, grade in enumerate(grades, 1):
        if grade > 0:
            first = first or 1 / rank
            at_r += rank <= relevant
            if rank <= reach:
                found += 1
                total += found / rank
                discounted += grade / math.log2(rank + 1)
    ideal = 0.0
    for rank, grade in enumerate(sorted(grades, reverse=True)[:reach], 1):
        ideal += grade / math.log2(rank + 1)
    ranks = ranks_of(grades)
    if not relevant:
        assert math.isnan(one(metrics.average_precision(ranks, k)))
        return
    assert one(metrics.precision(ranks, k)) == pytest.approx(found / reach)
    assert one(metrics.recall(ranks, k)) == pytest.approx(found / relevant)
    assert one(metrics.hit_rate(ranks, k)) == (found > 0)
    assert one(metrics.average_precision(ranks, k)) == pytest.approx(total / min(relevant, reach))
    assert one(metrics.ndcg(ranks, k)) == pytest.approx(discounted / ideal)
    assert one(metrics.r_precision(ranks)) == pytest.approx(at_r / relevant)
    assert one(metrics.reciprocal_rank(ranks)) == pytest.approx(first)


@pytest.mark.parametrize("seed", range(20))
def test_many_queries_equal_scikit_learn(seed: int) -> None:
    """Average precision and nDCG of a library that computes them from scores, without ties."""
    sklearn = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(seed)
    similarity = random.permuted(np.tile(np.arange(12.0), (4, 1)), axis=1) / 12
    grades = random.integers(0, 4, (4, 12))
    grades[:, 0] += 1
    ranks = ranked(similarity, grades, np.zeros((4, 12), np.bool_))
    averages = [sklearn.average_precision_score(g > 0, s) for g, s in zip(grades, similarity, strict=True)]
    assert metrics.average_precision(ranks) == pytest.approx(averages)
    for k in (1, 5, 12):
        gains = [sklearn.ndcg_score([g], [s], k=k) for g, s in zip(grades, similarity, strict=True)]
        assert metrics.ndcg(ranks, k) == pytest.approx(gains)


@given(st.integers(0, 10_000))
def test_blocks_are_as_the_whole(seed: int) -> None:
    random = np.random.default_rng(seed)
    similarity, grades = random.integers(0, 4, (5, 9)) / 4, random.integers(0, 2, (5, 9))
    excluded = random.random((5, 9)) < 0.2
    whole = ranked(similarity, grades, excluded)
    parts = [ranked(similarity[i:j], grades[i:j], excluded[i:j]) for i, j in ((0, 2), (2, 3), (3, 5))]
    expected = metrics.measured(whole)
    for name, values in metrics.measured(metrics.joined(parts)).items():
        np.testing.assert_array_equal(values, expected[name])


def test_leave_one_out_by_hand() -> None:
    # a1 and a2 find each other first; b1 finds a2, then b2; b2 finds b1; c is alone and does not count.
    similarity = np.array(
        [
            [1.0, 0.9, 0.1, 0.0, 0.2],
            [0.9, 1.0, 0.5, 0.3, 0.1],
            [0.1, 0.5, 1.0, 0.4, 0.0],
            [0.0, 0.3, 0.4, 1.0, 0.1],
            [0.2, 0.1, 0.0, 0.1, 1.0],
        ]
    )
    scores = leave_one_out(similarity, ["a", "a", "b", "b", "c"])
    assert scores.queries == 4
    assert scores.precision_at_1 == 3 / 4
    assert scores.precision_at_10 == pytest.approx(0.1)
    assert scores.mean_average_precision == pytest.approx((1 + 1 + 1 / 2 + 1) / 4)


def test_equal_similarities_rank_by_position() -> None:
    scores = leave_one_out(np.ones((3, 3)), ["a", "b", "a"])
    assert scores.precision_at_1 == 1 / 2  # the first finds b before a, the last finds a


@given(st.integers(0, 10_000), st.integers(4, 12))
def test_leave_one_out_equals_plain_loops(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    labels = [int(label) for label in random.integers(0, 3, n)] + [0, 0]
    n += 2
    similarity = random.integers(0, 5, (n, n)).astype(float)
    firsts, tens, averages = [], [], []
    for i in range(n):
        others = sorted((j for j in range(n) if j != i), key=lambda j: (-similarity[i, j], j))
        relevant = [labels[j] == labels[i] for j in others]
        if any(relevant):
            firsts.append(relevant[0])
            tens.append(sum(relevant[:10]) / 10)
            at = [rank for rank, r in enumerate(relevant, 1) if r]
            averages.append(sum((k + 1) / rank for k, rank in enumerate(at)) / len(at))
    scores = leave_one_out(similarity, labels)
    assert scores.queries == len(firsts)
    assert scores.precision_at_1 == pytest.approx(sum(firsts) / len(firsts))
    assert scores.precision_at_10 == pytest.approx(sum(tens) / len(tens))
    assert scores.mean_average_precision == pytest.approx(sum(averages) / len(averages))


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(ValueError, match="no label has two"):
        leave_one_out(np.eye(2), ["a", "b"])
    with pytest.raises(ValueError, match=r"\(2, 2\) for 3 labels"):
        leave_one_out(np.eye(2), ["a", "a", "b"])
