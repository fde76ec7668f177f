"""Filters against SQLite, which has the same three-valued logic, and against worked examples."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from findalike.errors import QueryError
from findalike.query import (
    And,
    Compare,
    Filter,
    In,
    IsNull,
    Kind,
    Like,
    Not,
    Or,
    bind,
    evaluate,
    parse_filter,
    render,
)

COLUMNS: dict[str, Kind] = {
    "color": "text",
    "year": "integer",
    "price": "number",
    "taken": "date",
    "modified": "time",
    "sold": "boolean",
    "focal length": "integer",
    "tag": "tags",
}

OPERATORS = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
INTEGERS = st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1)
NUMBERS = (
    INTEGERS | st.sampled_from([-1.5, 0.0, 0.5, 1.0, 2.5]) | st.floats(allow_nan=False, allow_infinity=False)
)
WORDS = st.text("aAbB%_'. \n", max_size=5)


def trees(leaves: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    def grown(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return inner.map(Not) | several.map(And) | several.map(Or)

    return st.recursive(leaves, grown, max_leaves=12)


def few(values: st.SearchStrategy) -> st.SearchStrategy[tuple]:
    return st.lists(values, min_size=1, max_size=3).map(tuple)


SQL_LEAVES = (
    st.builds(Compare, st.sampled_from(["i", "r"]), OPERATORS, NUMBERS)
    | st.builds(Compare, st.just("t"), OPERATORS, WORDS)
    | st.builds(In, st.just("t"), few(WORDS))
    | st.builds(In, st.just("i"), few(INTEGERS))
    | st.builds(Like, st.just("t"), WORDS)
    | st.builds(IsNull, st.sampled_from(["i", "r", "t"]))
)
SQL_VALUES = st.fixed_dictionaries(
    {
        "i": st.none() | INTEGERS,
        "r": st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([-1.5, 0.5, 1.0]),
        "t": st.none() | WORDS,
    }
)


@given(trees(SQL_LEAVES), SQL_VALUES)
def test_sqlite_gives_the_same_answer(tree, values):
    with sqlite3.connect(":memory:") as oracle:
        oracle.execute("create table assets (i integer, r real, t text)")
        oracle.execute("insert into assets values (:i, :r, :t)", values)
        (answer,) = oracle.execute(f"select {render(tree)} from assets").fetchone()
    oracle.close()
    assert evaluate(tree, values) == (None if answer is None else bool(answer))


NAMES = st.sampled_from(
    ["a", "größe", "exif.iso", "_x1", "and", "focal length", 'a"b', "`", "2nd"]
) | st.text(min_size=1)
DATES = st.dates() | st.datetimes(timezones=st.just(UTC))
LITERALS = (
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | DATES
)
LEAVES = (
    st.builds(Compare, NAMES, OPERATORS, LITERALS)
    | st.builds(In, NAMES, few(LITERALS))
    | st.builds(Like, NAMES, st.text())
    | st.builds(IsNull, NAMES)
)


@given(trees(LEAVES))
def test_text_of_a_tree_reads_back_as_the_tree(tree):
    assert parse_filter(render(tree)) == tree


BOUND_LEAVES = (
    st.builds(Compare, st.just("taken"), OPERATORS, st.dates() | st.integers(1000, 9998))
    | st.builds(
        Compare,
        st.just("modified"),
        OPERATORS,
        st.dates(max_value=date(9990, 1, 1)) | DATES.filter(lambda d: isinstance(d, datetime)),
    )
    | st.builds(Compare, st.just("price"), OPERATORS, st.integers(-(2**63), 2**63 - 1))
    | st.builds(In, st.just("taken"), few(st.dates() | st.sampled_from(["2019", "2019-05"])))
)


@given(trees(BOUND_LEAVES))
def test_binding_twice_changes_nothing_more(tree):
    once = bind(tree, COLUMNS)
    assert bind(once, COLUMNS) == once
    assert parse_filter(render(once), COLUMNS) == once


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("color='red'", Compare("color", "=", "red")),
        ("color == 'it''s'", Compare("color", "=", "it's")),
        ("year <> -5", Compare("year", "!=", -5)),
        ("price>=.5e-3", Compare("price", ">=", 0.0005)),
        ("sold = TRUE", Compare("sold", "=", True)),
        ('"focal length" < 50', Compare("focal length", "<", 50)),
        ("`focal length` < 50", Compare("focal length", "<", 50)),
        ("färbe like '%ro_%'", Like("färbe", "%ro_%")),
        ("exif.iso IS NULL", IsNull("exif.iso")),
        ("a is not null", Not(IsNull("a"))),
        ("a in (1, 2.5)", In("a", (1, 2.5))),
        ("a Not In ('x')", Not(In("a", ("x",)))),
        ("a between 1 and 2", And((Compare("a", ">=", 1), Compare("a", "<=", 2)))),
        ("a not between 1 and 2", Not(And((Compare("a", ">=", 1), Compare("a", "<=", 2))))),
        ("a = 2019-05-01", Compare("a", "=", date(2019, 5, 1))),
        ("a = 2019-05-01T10:30+02:00", Compare("a", "=", datetime(2019, 5, 1, 8, 30, tzinfo=UTC))),
        ("a = 2019-05", Compare("a", "=", "2019-05")),
        (
            "a=1 or b=2 and not c=3",
            Or((Compare("a", "=", 1), And((Compare("b", "=", 2), Not(Compare("c", "=", 3)))))),
        ),
        (
            "(a=1 or b=2) and c=3",
            And((Or((Compare("a", "=", 1), Compare("b", "=", 2))), Compare("c", "=", 3))),
        ),
        (
            "a between 1 and 2 and b=3",
            And((And((Compare("a", ">=", 1), Compare("a", "<=", 2))), Compare("b", "=", 3))),
        ),
    ],
)
def test_the_language(text, tree):
    assert parse_filter(text) == tree


@pytest.mark.parametrize(
    ("text", "marked", "words"),
    [
        ("color =", 7, "expected a value after '='"),
        ("", 0, "expected a column name"),
        ("color", 5, "expected a comparison after 'color'"),
        ("colour = 'red'", 0, "no column is named 'colour'; did you mean 'color'? Columns: color, year"),
        ("year = 2000 and COLOR = 'red'", 16, "did you mean 'color'?"),
        ("color = red", 8, "text goes in single quotes: 'red'"),
        ('color = "red"', 8, "text goes in single quotes: 'red'"),
        ("'color' = 'red'", 0, "expected a column name"),
        ("color = null", 8, "'is null'"),
        ("color = 'red", 8, "never closed"),
        ("color = 'red' year = 3", 14, "expected 'and', 'or' or the end"),
        ("color = 'red')", 13, "closes nothing"),
        ("(color = 'red'", 14, "expected ')'"),
        ("year in 5", 8, "expected '(' after 'in'"),
        ("year in ()", 9, "expected a value"),
        ("year in (1 2)", 11, "',' or ')'"),
        ("year in (1999, 'x')", 15, "whole numbers"),
        ("year between 1990 or 2000", 18, "'and' and the upper bound"),
        ("year between 1990 and 'z'", 22, "whole numbers"),
        ("year like '19%'", 0, "'like' is for text"),
        ("color like 5", 11, "pattern in single quotes"),
        ("year is 5", 8, "'null' or 'not null'"),
        ("color = 5", 8, "text"),
        ("sold = 1", 7, "true or false"),
        ("sold > false", 0, "= and != only"),
        ("tag >= 'a'", 0, "=, !=, in and like only"),
        ("tag between 'a' and 'b'", 0, "=, !=, in and like only"),
        ("tag in ('a', 5)", 13, "text in single quotes"),
        ("taken = 'soon'", 8, "'2019-05-01'"),
        ("taken = 2019-02-30", 8, "2019-02-30"),
        ("taken = '2019-13'", 8, "month"),
        ("taken = 2019-05-01T10:00", 8, "without the time of day"),
        ("taken = '20190501'", 8, "'2019-05-01'"),
        ("year = 99999999999999999999", 7, "64-bit"),
        ("price = 1e999", 8, "larger than any number"),
        ("year = 5x", 7, "begins with a digit"),
        ("year = 5; drop table", 8, "';'"),
        ("größe = 3 and foto = '日本' and x = 1", 30, "no column is named"),
    ],
)
def test_errors_point_at_the_place(text, marked, words):
    columns: dict[str, Kind] = {**COLUMNS, "größe": "integer", "foto": "text"}
    with pytest.raises(QueryError) as caught:
        parse_filter(text, columns)
    message, shown, carets = str(caught.value).split("\n")
    assert words in message
    assert shown == f"  {text}"
    wide = sum(c in "日本" for c in text[:marked])
    assert carets.index("^") == 2 + marked + wide


def test_a_long_filter_is_shown_around_the_place():
    text = " or ".join(["year = 2000"] * 200) + " or yeer = 1 or " + " or ".join(["year = 2000"] * 200)
    with pytest.raises(QueryError) as caught:
        parse_filter(text, COLUMNS)
    _, shown, carets = str(caught.value).split("\n")
    assert len(shown) < 110
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "yeer"


def test_control_characters_do_not_reach_the_terminal():
    with pytest.raises(QueryError) as caught:
        parse_filter("color = 'a\x1b[2J\n\t' x")
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("opening", ["(", "not ", "not ("])
def test_deep_nesting_is_refused_in_words(opening):
    with pytest.raises(QueryError, match="more than 100 parentheses"):
        parse_filter(opening * 1_000 + "a = 1")
    closing = ")" * 50 if "(" in opening else ""
    deep = parse_filter(opening * 50 + "year = 1" + closing, COLUMNS)
    assert evaluate(deep, {"year": 1}) is True


def test_the_deepest_text_binds_evaluates_and_renders():
    text = "year = 1"
    for _ in range(99):
        text = f"({text} and year = 1 or year = 2)"
    tree = bind(parse_filter(text), COLUMNS)
    assert evaluate(tree, {"year": 1}) is True
    assert parse_filter(render(tree)) == tree


def test_a_tree_built_too_deep_is_refused():
    tree: Filter = Compare("year", "=", 1)
    for _ in range(1_000):
        tree = Not(tree)
    with pytest.raises(QueryError, match="nested"):
        bind(tree, COLUMNS)


def test_long_text_is_refused():
    with pytest.raises(QueryError, match="10,000"):
        parse_filter("a = '" + "x" * 10_000 + "'")


def test_many_parts_need_no_depth():
    tree = parse_filter(" or ".join(f"year = {y}" for y in range(700)), COLUMNS)
    assert evaluate(tree, {"year": 699}) is True


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("taken = 2019", ["2019-01-01", "2019-12-31"], ["2018-12-31", "2020-01-01"]),
        ("taken = '2019'", ["2019-06-15"], ["2020-01-01"]),
        ("taken = 2019-02", ["2019-02-01", "2019-02-28"], ["2019-01-31", "2019-03-01"]),
        ("taken = 2019-12", ["2019-12-31"], ["2020-01-01", "2018-12-31"]),
        ("taken = 2019-05-01", ["2019-05-01"], ["2019-05-02"]),
        ("taken != 2019", ["2018-12-31"], ["2019-01-01"]),
        ("taken < 2019", ["2018-12-31"], ["2019-01-01"]),
        ("taken <= 2019", ["2019-12-31"], ["2020-01-01"]),
        ("taken > 2019", ["2020-01-01"], ["2019-12-31"]),
        ("taken >= 2019-05", ["2019-05-01"], ["2019-04-30"]),
        ("taken between 2018 and 2019-05", ["2018-01-01", "2019-05-31"], ["2017-12-31", "2019-06-01"]),
        ("taken not between 2018 and 2019", ["2020-01-01"], ["2019-12-31"]),
        ("taken in (2017, 2019-05, 2020-02-29)", ["2017-03-03", "2019-05-31", "2020-02-29"], ["2018-01-01"]),
        ("taken not in (2017)", ["2018-01-01"], ["2017-01-01"]),
    ],
)
def test_a_year_or_month_is_the_whole_period(text, inside, outside):
    tree = parse_filter(text, COLUMNS)
    assert [evaluate(tree, {"taken": date.fromisoformat(d)}) for d in inside] == [True] * len(inside)
    assert [evaluate(tree, {"taken": date.fromisoformat(d)}) for d in outside] == [False] * len(outside)
    assert evaluate(tree, {"taken": None}) is None


def test_a_day_of_a_time_column_is_the_whole_day():
    midnight = datetime(2019, 5, 1, tzinfo=UTC)
    tree = parse_filter("modified = 2019-05-01", COLUMNS)
    assert tree == And(
        (Compare("modified", ">=", midnight), Compare("modified", "<", midnight + timedelta(days=1)))
    )
    assert evaluate(tree, {"modified": midnight + timedelta(hours=23, minutes=59)}) is True
    later = parse_filter("modified > '2019-05-01 14:30'", COLUMNS)
    assert later == Compare("modified", ">", datetime(2019, 5, 1, 14, 30, tzinfo=UTC))


def test_days_and_instants_compare_at_midnight_in_utc():
    east = timezone(timedelta(hours=2))
    assert evaluate(Compare("t", "=", date(2019, 5, 1)), {"t": datetime(2019, 5, 1, 2, tzinfo=east)}) is True
    assert evaluate(Compare("t", "<", datetime(2019, 5, 1, 1, tzinfo=UTC)), {"t": date(2019, 5, 1)}) is True


def test_nan_and_missing_columns_are_null():
    assert evaluate(IsNull("a"), {}) is True
    assert evaluate(Compare("a", "!=", 1.0), {"a": float("nan")}) is None


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("tag = 'DOG'", (True, False, False)),
        ("tag != 'dog'", (False, True, True)),
        ("not tag = 'dog'", (False, True, True)),
        ("tag in ('cat', 'dog')", (True, True, False)),
        ("tag not in ('cat', 'dog')", (False, False, True)),
        ("tag like '%D_G%'", (True, True, False)),
        ("tag like '%'", (True, True, False)),
        ("tag is null", (False, False, True)),
        ("tag = 'dog' and tag = 'grass'", (True, False, False)),
    ],
)
def test_any_tag_may_fit(text, answers):
    tree = parse_filter(text, COLUMNS)
    several = ("grass", "Dog"), ("hotdog", "cat"), ()
    assert tuple(evaluate(tree, {"tag": tags}) for tags in several) == answers


def test_unlike_kinds_do_not_compare():
    with pytest.raises(QueryError, match="does not compare"):
        evaluate(Compare("a", "=", 1), {"a": "1"})
    with pytest.raises(QueryError, match="does not compare"):
        evaluate(Compare("a", "=", 1), {"a": True})


def test_like_takes_no_time_on_hopeless_patterns():
    assert evaluate(Like("a", "%a" * 40 + "%b"), {"a": "a" * 5_000}) is False


def test_like_ignores_case_beyond_ascii_and_crosses_lines():
    assert evaluate(Like("a", "É%Z"), {"a": "été\nfraîche\nz"}) is True
    assert evaluate(Like("a", "50\\%"), {"a": "50\\ off"}) is True


def test_literals_take_the_kind_of_their_column():
    assert parse_filter("year = 2.5", COLUMNS) == Compare("year", "=", 2.5)
    bound = parse_filter("price in (2, 3)", COLUMNS)
    assert isinstance(bound, In)
    assert [type(v) for v in bound.values] == [float, float]


def test_hand_built_filters_are_checked():
    with pytest.raises(QueryError, match="at least one value"):
        bind(In("year", ()), COLUMNS)
    with pytest.raises(QueryError, match="finite"):
        bind(Compare("price", "<", float("inf")), COLUMNS)
    with pytest.raises(QueryError, match="no text"):
        render(Compare("price", "<", float("inf")))
    with pytest.raises(QueryError, match="no parts"):
        render(And(()))
