"""Retrieval metrics against plain loops and cases worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findalike.evaluate.metrics import average_precision, leave_one_out, precision_at

rankings = st.lists(st.booleans(), min_size=1, max_size=30)


def test_cases_worked_by_hand() -> None:
    ranking = np.array([True, False, True, False, False, True])
    assert precision_at(ranking, 1) == 1
    assert precision_at(ranking, 2) == 0.5
    assert precision_at(ranking, 10) == 0.3
    assert average_precision(ranking) == pytest.approx((1 / 1 + 2 / 3 + 3 / 6) / 3)
    assert average_precision(np.array([False, True])) == 0.5
    assert math.isnan(average_precision(np.array([False, False])))
    with pytest.raises(ValueError, match="k is 0"):
        precision_at(ranking, 0)


@given(rankings, st.integers(1, 40))
def test_precision_equals_a_plain_loop(ranking: list[bool], k: int) -> None:
    found = 0
    for i in range(k):
        if i < len(ranking) and ranking[i]:
            found += 1
    assert precision_at(np.array(ranking), k) == pytest.approx(found / k)


@given(rankings)
def test_average_precision_equals_a_plain_loop(ranking: list[bool]) -> None:
    total, found = 0.0, 0
    for rank, relevant in enumerate(ranking, 1):
        if relevant:
            found += 1
            total += found / rank
    if found:
        assert average_precision(np.array(ranking)) == pytest.approx(total / found)


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
