"""Ranking against figures worked by hand and plain loops."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findalike.errors import QueryError
from findalike.rank import FUSION_K, RETREAT, STEADY_FROM, adapted, best_parts, combine, diversified, fused
from findalike.types import Asset, Match, Origin, Row, Vector

DAY = datetime(2020, 1, 1, tzinfo=UTC)
EAST, NORTH = np.array([1, 0], np.float32), np.array([0, 1], np.float32)


def test_terms_add_as_directions() -> None:
    assert combine([EAST * 7], [1]).tolist() == [1, 0]
    assert combine([EAST, NORTH * 100], [1, 1]) == pytest.approx([math.sqrt(0.5)] * 2)
    assert combine([EAST, NORTH], [3, 4]) == pytest.approx([0.6, 0.8])
    assert combine([EAST, NORTH], [3, -4]) == pytest.approx([0.6, -0.8])
    assert combine([EAST], [-2]).tolist() == [-1, 0]
    assert combine([EAST, NORTH], [1, 1]).dtype == np.float32


def test_terms_that_cancel_out_are_refused() -> None:
    with pytest.raises(QueryError, match="cancel each other out; give them other weights"):
        combine([EAST, EAST * 3], [1, -1])
    with pytest.raises(QueryError):
        combine([EAST, NORTH, EAST + NORTH], [1, 1, -math.sqrt(2)])


def test_a_query_turns_from_the_mean_the_more_the_more_pictures_it_is_of() -> None:
    mean = NORTH * 0.5
    assert adapted(EAST, mean, 0).tolist() == [1, 0]
    share = RETREAT * 20 / (20 + STEADY_FROM) * 0.5  # what is taken off for twenty pictures
    assert adapted(EAST, mean, 20) == pytest.approx([1 / math.hypot(1, share), -share / math.hypot(1, share)])
    far = adapted(EAST, mean, 10**9)
    assert far == pytest.approx([1 / math.hypot(1, 0.25), -0.25 / math.hypot(1, 0.25)])
    assert adapted(EAST * 9, mean, 20) == pytest.approx(adapted(EAST, mean, 20))


def test_a_query_that_is_all_mean_stays_as_it_is() -> None:
    assert adapted(EAST, EAST / RETREAT, 10**12).tolist() == [1, 0]


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.integers(-5, 5)), min_size=1, max_size=6)
)
def test_combining_equals_a_plain_loop(terms: list[tuple[int, int, int]]) -> None:
    used = [(x, y, w) for x, y, w in terms if (x or y) and w] or [(1, 0, 1)]
    east = sum(w * x / math.hypot(x, y) for x, y, w in used)
    north = sum(w * y / math.hypot(x, y) for x, y, w in used)
    vectors: list[Vector] = [np.array([x, y], np.float32) for x, y, _ in used]
    length = math.hypot(east, north)
    if length < 1e-5:
        return
    found = combine(vectors, [w for _, _, w in used])
    assert found == pytest.approx([east / length, north / length], abs=1e-4)


def test_the_best_part_stands_for_its_asset() -> None:
    parts = ["a:1", "b:1", "a:2", "c:1", "b:2", "d:1"]
    matches = [
        Match(Row(part, Origin(part[0]), EAST), Asset(part[0], 0, DAY), 1 - i / 10)
        for i, part in enumerate(parts)
    ]
    assert [m.row.id for m in best_parts(matches)] == ["a:1", "b:1", "c:1", "d:1"]
    assert [m.row.id for m in best_parts(matches, frozenset("bd"))] == ["a:1", "c:1"]


# Fusion and diversity


def test_fusion_by_hand() -> None:
    looks, words = {"a": (0.9, 1.0), "b": (0.5, 1.0), "c": (0.1, 1.0)}, {"b": (7.0, 0.5), "d": (3.0, 0.5)}
    total = fused([looks, words])
    assert total["a"] == pytest.approx(1 / (FUSION_K + 1))
    assert total["b"] == pytest.approx(1 / (FUSION_K + 2) + 0.5 / (FUSION_K + 1))
    assert total["c"] == pytest.approx(1 / (FUSION_K + 3))
    assert total["d"] == pytest.approx(0.5 / (FUSION_K + 2))
    assert max(total, key=total.__getitem__) == "b"


def test_equal_values_share_their_best_rank() -> None:
    total = fused([{"a": (1.0, 1.0), "b": (1.0, 1.0), "c": (0.5, 1.0)}])
    assert total["a"] == total["b"] == pytest.approx(1 / (FUSION_K + 1))
    assert total["c"] == pytest.approx(1 / (FUSION_K + 3))


def test_diversity_puts_a_twin_behind_another() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    assert diversified(vectors, [0.9, 0.89, 0.5], 0.0) == [0, 1, 2]
    assert diversified(vectors, [0.9, 0.89, 0.5], 0.6) == [0, 2, 1]


@given(st.integers(1, 12), st.floats(0, 1), st.integers(0, 9))
def test_diversity_against_a_plain_loop(count: int, strength: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    relevance = rng.random(count).tolist()
    low, high = min(relevance), max(relevance)
    scaled = [(r - low) / (high - low) if high > low else 0.0 for r in relevance]
    order: list[int] = []
    while len(order) < count:
        left = [i for i in range(count) if i not in order]

        def worth(i: int) -> float:
            near = max((float(vectors[i] @ vectors[j]) for j in order), default=0.0)
            return (1 - strength) * scaled[i] - strength * max(near, 0.0)

        order.append(max(left, key=worth))
    assert diversified(vectors, relevance, strength) == order
