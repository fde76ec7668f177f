"""The cursor of a ranking: what was shown does not come again, whatever happens to the ranking."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest

from findalike.errors import QueryError
from findalike.query import MAX_K, Query, Term
from findalike.search import cursor

QUERY = Query((Term("dog", "text"),), k=3)


def test_marks_what_was_shown_on_all_pages_before() -> None:
    first = cursor.ranked(QUERY, ["a", "b", "c"], ())
    place = cursor.place(replace(QUERY, cursor=first))
    assert place.seen == {cursor.mark(i) for i in "abc"}
    assert place.start == 3
    second = cursor.ranked(QUERY, ["d"], place.seen)
    assert cursor.place(replace(QUERY, cursor=second)).seen == {cursor.mark(i) for i in "abcd"}


def test_is_short_and_grows_by_four_bytes_a_hit() -> None:
    assert len(cursor.ranked(QUERY, map(str, range(40)), ())) < 240
    assert len(cursor.ranked(QUERY, map(str, range(MAX_K - 3)), ())) < 54_000


def test_another_page_size_goes_on_and_another_query_does_not() -> None:
    given = cursor.ranked(QUERY, ["a"], ())
    assert cursor.place(replace(QUERY, cursor=given, k=9)).start == 1
    for other in (replace(QUERY, min_score=0.1), replace(QUERY, terms=(Term("cat", "text"),))):
        with pytest.raises(QueryError, match="another query"):
            cursor.place(replace(other, cursor=given))


def test_ends_at_the_most_that_a_query_may_ask_for() -> None:
    given = cursor.ranked(QUERY, map(str, range(MAX_K)), ())
    with pytest.raises(QueryError, match="those are the most"):
        cursor.place(replace(QUERY, cursor=given))


def test_marks_that_are_cut_off_are_refused() -> None:
    data = base64.urlsafe_b64decode(cursor.ranked(QUERY, ["a", "b"], ()))
    with pytest.raises(QueryError, match="none that a search gave"):
        cursor.place(replace(QUERY, cursor=base64.urlsafe_b64encode(data[:-1]).decode()))


def test_marks_of_many_ids_rarely_meet() -> None:
    random = np.random.default_rng(0)
    ids = [f"{a:08x}{b:08x}" for a, b in random.integers(0, 2**32, (MAX_K, 2), dtype=np.uint64)]
    assert len({cursor.mark(i) for i in ids}) >= MAX_K - 2
