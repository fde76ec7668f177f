"""The inverted index, against the dense product."""

from __future__ import annotations

import numpy as np
import pytest

from findalike import distance
from findalike.store.inverted import Inverted
from findalike.types import Vectors


def sparse(count: int, dim: int, share: float, seed: int = 0) -> Vectors:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((count, dim)) * (rng.random((count, dim)) < share)
    return values.astype(np.float32)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 1.0])
def test_it_gives_the_cosine_of_every_row(share: float) -> None:
    vectors = sparse(200, 64, share)
    index = Inverted.of(vectors)
    for target in (*sparse(5, 64, 0.2, 1), *vectors[:5], np.zeros(64, np.float32)):
        expected = distance.cosine(vectors, target)
        np.testing.assert_allclose(index.similarities(target), expected, atol=1e-6)


def test_a_sparse_matrix_by_rows_is_what_it_is_made_of() -> None:
    starts, words = np.array([0, 2, 2, 3]), np.array([4, 1, 4], np.int32)
    index = Inverted(starts, words, np.array([3, 4, 5], np.float32), 6)
    target = np.array([0, 0, 0, 0, 2, 0], np.float32)
    np.testing.assert_allclose(index.similarities(target), [0.6, 0, 1], atol=1e-7)
    assert index.similarities(target).dtype == np.float32


def test_equal_rows_get_equal_similarities_wherever_they_are() -> None:
    vectors = np.tile(sparse(7, 50, 0.3), (40, 1))
    found = Inverted.of(vectors).similarities(sparse(1, 50, 0.5, 2)[0]).reshape(40, 7)
    np.testing.assert_array_equal(found, np.tile(found[0], (40, 1)))


def test_nothing_is_an_index_too() -> None:
    assert Inverted.of(np.zeros((0, 8), np.float32)).similarities(np.ones(8, np.float32)).shape == (0,)


@pytest.mark.parametrize(
    ("starts", "words"), [([0, 1], [8]), ([0, 1], [-1]), ([0, 2], [1]), ([], []), ([1, 1], [3])]
)
def test_what_is_no_matrix_is_refused(starts: list[int], words: list[int]) -> None:
    weights = np.ones(len(words), np.float32)
    with pytest.raises(ValueError, match=r"word"):
        Inverted(np.array(starts, np.int64), np.array(words, np.int32), weights, 8)
