"""Terms, queries, regions, and their forms as words and JSON."""

from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from findalike.errors import QueryError
from findalike.query import (
    Compare,
    Query,
    Region,
    Term,
    bind,
    from_json,
    parse_filter,
    parse_region,
    parse_term,
    to_json,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("dog.jpg", "0.5:x.jpg", "id:1.jpg", "holiday"):
        (tmp_path / name).write_bytes(b"picture")
    (tmp_path / "album").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("dog.jpg", Term("dog.jpg")),
        ("./dog.jpg", Term("./dog.jpg")),
        ("holiday", Term("holiday")),
        ("0.5:dog.jpg", Term("dog.jpg", weight=0.5)),
        ("-2:dog.jpg", Term("dog.jpg", weight=-2.0)),
        (".5:id:abc", Term("abc", "asset", weight=0.5)),
        ("0.5:x.jpg", Term("0.5:x.jpg")),
        ("2:0.5:x.jpg", Term("0.5:x.jpg", weight=2.0)),
        ("id:1.jpg", Term("id:1.jpg")),
        ("id:abc", Term("abc", "asset")),
        ("a red car", Term("a red car", "text")),
        ("1e1:a red car", Term("a red car", "text", weight=10.0)),
        ("text:black/white", Term("black/white", "text")),
        ("1:text:16:9", Term("16:9", "text")),
        ("16:9", Term("16:9", "text")),
        ("0.5:2019", Term("2019", "text", weight=0.5)),
        ("text:nan:dog", Term("nan:dog", "text")),
        ("C:", Term("C:", "text")),
        ("x" * 5_000, Term("x" * 5_000, "text")),
    ],
)
def test_command_line_words(folder, text, term):
    assert parse_term(text) == term


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cat.jpg", "there is no such file; check the path"),
        ("pets/cat", "there is no such file"),
        ("C:/pets/cat.PNG", "there is no such file"),
        ("0.5:cat.mp4", "cat.mp4: there is no such file"),
        ("album", "is a folder"),
        ("https://example.org/cat", "nothing is fetched"),
        ("0:dog.jpg", "weight is 0"),
        ("1e999:dog.jpg", "weight is inf"),
        ("nan:dog", "weight is nan"),
        ("-inf:dog", "weight is -inf"),
        ("0.5:", "0.5:: a weight without a term; write 0.5:TERM"),
        ("2: ", "a weight without a term"),
        ("", "expected some text"),
        ("id:", "expected some text"),
    ],
)
def test_words_that_cannot_be_meant(folder, text, words):
    with pytest.raises(QueryError) as caught:
        parse_term(text)
    assert words in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(folder):
    (folder / "dog.jpg").chmod(0)
    with pytest.raises(QueryError, match="permissions"):
        parse_term("dog.jpg")


def test_home_is_known_behind_a_weight(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert parse_term("0.5:~/dog.jpg") == Term(os.path.expanduser("~/dog.jpg"), weight=0.5)  # noqa: PTH111


@pytest.mark.parametrize(
    ("what", "kind", "more", "words"),
    [
        ("", "image", {}, "empty"),
        (b"", "image", {}, "empty"),
        (3, "image", {}, "not int"),
        (np.zeros((4, 4), np.uint8), "image", {}, "uint8 of shape (4, 4)"),
        (np.zeros((4, 4, 3), np.float32), "image", {}, "not float32 of shape (4, 4, 3)"),
        (np.zeros((0, 4, 3), np.uint8), "image", {}, "no pixels"),
        (" ", "text", {}, "expected some text"),
        ("a", "sound", {}, "kind is 'sound'"),
        ("a", "vector", {}, "list of numbers"),
        ([0, 0], "vector", {}, "not all zero"),
        ([1, math.nan], "vector", {}, "finite"),
        ([[1, 2]], "vector", {}, "one dimension"),
        ("a.jpg", "image", {"weight": 0}, "weight is 0"),
        ("a.jpg", "image", {"weight": math.nan}, "weight is nan"),
        ("a.jpg", "image", {"weight": True}, "weight is True"),
        ("a.jpg", "image", {"box": (0, 0, 1)}, "four numbers"),
        ("a.jpg", "image", {"box": (0, 0, 2, 1)}, "from 0 to 1"),
        ("a.jpg", "image", {"box": (0, 0, math.nan, 1)}, "from 0 to 1"),
        ("a.jpg", "image", {"box": (0.5, 0, 0.5, 1)}, "left must be less than right"),
        ("words", "text", {"box": (0, 0, 1, 1)}, "a text has none"),
    ],
)
def test_terms_are_checked(what, kind, more, words):
    with pytest.raises(QueryError) as caught:
        Term(what, kind, **more)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "query is empty"),
        ({"k": 0}, "k is 0"),
        ({"k": 10_001}, "from 1 to 10,000"),
        ({"k": True}, "k is True"),
        ({"k": 2.0}, "k is 2.0"),
        ({"min_score": -0.1}, "min_score is -0.1"),
        ({"min_score": math.nan}, "min_score is nan"),
        ({"where": "color ="}, "expected a value"),
        ({"where": 5}, "where is 5, but it must be a filter"),
        ({"encoder": 5}, "encoder is 5, but it must be a name or a list of names"),
        ({"encoder": []}, "encoder is [], but"),
        ({"encoder": ("x", 5)}, "encoder is ['x', 5], but"),
        ({"cursor": 5}, "cursor is 5, but it must be the text"),
    ],
)
def test_queries_are_checked(values, words):
    terms = () if not values else (Term("dog.jpg"),)
    with pytest.raises(QueryError) as caught:
        Query(terms, **values)
    assert words in str(caught.value)


def test_a_filter_alone_is_a_query():
    assert Query(where="year > 2000").filter({"year": "integer"}) == Compare("year", ">", 2000)
    assert Query(where=Compare("taken", "<", "2019")).filter({"taken": "date"}) == bind(
        parse_filter("taken < 2019"), {"taken": "date"}
    )
    assert Query((Term("dog.jpg"),)).filter({}) is None
    with pytest.raises(QueryError, match="no column is named 'year'"):
        Query(where="year > 2000").filter({})


def test_labels():
    terms = [Term("a/dog.jpg"), Term(b"x"), Term("7", "asset"), Term("a dog", "text"), Term([1], "vector")]
    assert [term.label for term in terms] == ["dog.jpg", "picture", "id:7", "a dog", "vector"]


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("0,0,1,1", Region(0, 0, 1, 1)),
        (" 0.1, .2 ,0.5,0.75", Region(0.1, 0.2, 0.5, 0.75)),
        ("10%,20%,50%,100%", Region(0.1, 0.2, 0.5, 1)),
        ("10,20,30,40", Region(10, 20, 30, 40, "pixel")),
        ("0,0,8,9", Region(0, 0, 8, 9, "pixel")),
    ],
)
def test_regions(text, region):
    assert parse_region(text) == region


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2,3", "3 of 4 numbers"),
        ("a,b,c,d", "not four numbers"),
        ("10%,0.2,50%,60%", "mixes percent"),
        ("0%,0%,50%,160%", "more than 100%"),
        ("-1,0,1,1", "outside the picture"),
        ("nan,0,1,1", "outside the picture"),
        ("0.5,0,0.5,1", "is empty"),
        ("0,30,10,20", "is empty"),
        ("0,0,2,2", "fractions or pixels?"),
        ("0,0,1.5,1", "fractions or pixels?"),
        ("0,0,20.5,20", "whole ones, and a side has at least 8"),
    ],
)
def test_regions_are_checked(text, words):
    with pytest.raises(QueryError) as caught:
        parse_region(text)
    assert words in str(caught.value)


def test_pixels_become_fractions():
    assert parse_region("10,20,30,40").resolve(40, 80) == (0.25, 0.25, 0.75, 0.5)
    assert parse_region("0.1,0.2,0.3,0.4").resolve(40, 80) == (0.1, 0.2, 0.3, 0.4)
    with pytest.raises(QueryError, match="40 × 30 pixels"):
        parse_region("10,20,30,40").resolve(40, 30)


WEIGHTS = st.floats(allow_nan=False, allow_infinity=False).filter(bool)
BOXES = st.none() | st.sampled_from([(0.0, 0.0, 1.0, 1.0), (0.25, 0.1, 0.5, 0.2)])
PIXELS = st.tuples(st.integers(1, 3), st.integers(1, 3), st.just(3)).flatmap(
    lambda s: arrays.arrays(np.uint8, s)
)
VECTORS = st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=4).filter(any)
WORDS = st.text(min_size=1).filter(str.strip)
TERMS = (
    st.builds(Term, WORDS | st.binary(min_size=1) | PIXELS, st.just("image"), BOXES, WEIGHTS)
    | st.builds(Term, WORDS, st.just("asset"), BOXES, WEIGHTS)
    | st.builds(Term, WORDS, st.just("text"), st.none(), WEIGHTS)
    | st.builds(Term, VECTORS, st.just("vector"), st.none(), WEIGHTS)
)
QUERIES = st.builds(
    Query,
    st.lists(TERMS, min_size=1, max_size=3).map(tuple),
    st.none() | st.just("year > 2000 and color = 'red'"),
    st.none() | st.text(),
    st.integers(1, 10_000),
    st.floats(0, 1),
    st.booleans(),
)


@given(QUERIES)
def test_json_reads_back_as_the_query(query):
    again = from_json(json.loads(json.dumps(to_json(query), allow_nan=False)))
    assert again == query
    assert hash(again) == hash(query)


def test_a_filter_tree_goes_into_json_as_text():
    query = Query(where=Compare("year", ">", 2000))
    assert to_json(query)["where"] == "year > 2000"
    assert from_json(to_json(query)).filter({"year": "integer"}) == query.where


def test_json_has_defaults():
    assert from_json({"terms": [{"id": "7"}]}) == Query((Term("7", "asset"),))
    assert to_json(Query((Term("7", "asset"),))) == {
        "terms": [{"id": "7", "weight": 1.0}],
        "where": None,
        "encoder": None,
        "k": 20,
        "min_score": 0.0,
        "include_self": False,
        "diverse": 0.0,
        "offset": 0,
        "cursor": None,
        "look": None,
        "verify": None,
        "same": None,
    }


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "query is a list, but it must be an object"),
        ({"term": []}, "there is no field 'term'; did you mean 'terms'?"),
        ({"terms": {}}, "terms is an object, but it must be a list"),
        ({"terms": ["dog.jpg"]}, "terms[0] is text"),
        (
            {"terms": [{"id": "7"}, {"wieght": 1}]},
            "terms[1]: there is no field 'wieght'; did you mean 'weight'?",
        ),
        ({"terms": [{"weight": 1}]}, "terms[0] has none"),
        ({"terms": [{"id": "7", "text": "x"}]}, "terms[0] has id and text"),
        ({"terms": [{"id": 7}]}, "terms[0].id: expected some text, not 7"),
        ({"terms": [{"image": "no!"}]}, "terms[0].image: not base64"),
        ({"terms": [{"pixels": {"data": "AAAA"}}]}, "terms[0].pixels: shape is null"),
        (
            {"terms": [{"pixels": {"data": "AAAA", "shape": [2, 2, 3]}}]},
            "terms[0].pixels: data has 3 bytes, but",
        ),
        ({"terms": [{"pixels": {"data": "", "shape": [2, 2, 3]}}]}, "terms[0].pixels: data is empty"),
        ({"terms": [{"pixels": {"data": "é", "shape": [2, 2, 3]}}]}, "terms[0].pixels: data is not base64"),
        ({"terms": [{"pixels": None}]}, "terms[0].pixels is null"),
        ({"terms": [None]}, "terms[0] is null"),
        ({"terms": None}, "terms is null"),
        (None, "query is null"),
        ({"terms": [{"vector": [1, "x"]}]}, "terms[0].vector"),
        ({"terms": [{"id": "7", "weight": "1"}]}, "terms[0]: weight is '1'"),
        ({"terms": [{"id": "7", "box": "all"}]}, "terms[0]: box is 'all'"),
        ({"terms": [{"id": "7"}], "k": "20"}, "k is '20'"),
        ({"terms": [{"id": "7"}], "where": 5}, "where is 5, but it must be text"),
        ({"terms": [{"id": "7"}], "include_self": 1}, "include_self is 1, but it must be true or false"),
        ({"terms": [{"id": "7"}], "min_score": 2}, "min_score is 2"),
        ({}, "query is empty"),
    ],
)
def test_json_is_checked(data, words):
    with pytest.raises(QueryError) as caught:
        from_json(data)
    assert words in str(caught.value)


def test_a_server_refuses_paths():
    with pytest.raises(QueryError, match=r"terms\[0\]\.path: files are not opened by name here"):
        from_json({"terms": [{"path": "/etc/passwd"}]}, paths=False)


def test_json_of_all_that_a_query_can_say():
    query = Query(
        (Term("a.jpg", focus="cat"), Term("at night", "text", weight=-0.5)),
        encoder=("efficientnet-lite0", "clip:x"),
        diverse=0.3,
        offset=40,
    )
    data = to_json(query)
    assert data["terms"] == [
        {"path": "a.jpg", "focus": "cat", "weight": 1.0},
        {"text": "at night", "weight": -0.5},
    ]
    assert (data["encoder"], data["diverse"], data["offset"]) == (["efficientnet-lite0", "clip:x"], 0.3, 40)
    assert from_json(json.loads(json.dumps(data))) == query


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"offset": -1}, "offset is -1, but it must be a whole number from 0 to 9,980"),
        ({"offset": 9_981}, "narrow the search with a filter"),
        ({"offset": True}, "offset is True"),
        ({"offset": 1, "cursor": "x"}, "a cursor and an offset both say where to go on"),
        ({"diverse": 1.5}, "diverse is 1.5, but it must be from 0 to 1"),
    ],
)
def test_pages_and_diversity_are_checked(options, sentence):
    with pytest.raises(QueryError, match=sentence):
        Query((Term("7", "asset"),), **options)


def test_a_focus_is_of_a_picture():
    with pytest.raises(QueryError, match="a focus names a thing in a picture; a text shows none"):
        Term("red", "text", focus="cat")
    with pytest.raises(QueryError, match="expected some text"):
        Term("a.jpg", focus=" ")
