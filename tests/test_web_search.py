"""`/v1/search` answers what `library.search` answers in Python, whatever way the query comes."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

import findalike
from findalike import Query, Term
from findalike.present.records import records
from findalike.search import Hits
from findalike.web.config import Config, Limits
from web import drawn, encoded, lying, refused, serving

pytest_plugins = ["web"]

SHARED = (
    "rank",
    "score",
    "band",
    "similarity",
    "space",
    "part",
    "box",
    "time",
    "reasons",
    "tags",
    "metadata",
)
"""What an answer tells of a hit in the words of `findalike search --json`."""


def asked(web: httpx.Client, **query: Any) -> dict[str, Any]:
    answer = web.post("/v1/search", json=query)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def same(told: dict[str, Any], hits: Hits) -> None:
    """Whether an answer says what Python found, number for number."""
    expected = records(hits)
    assert [hit["id"] for hit in told["hits"]] == [record["asset"] for record in expected]
    for hit, record in zip(told["hits"], expected, strict=True):
        assert {name: hit[name] for name in SHARED} == {name: record[name] for name in SHARED}
        assert hit["path"] == record["path"]
    assert told["notes"] == list(hits.notes)
    assert told["nothing_similar"] == hits.nothing_similar


def names(told: dict[str, Any]) -> list[str]:
    return [hit["name"] for hit in told["hits"]]


def scores(told: dict[str, Any]) -> dict[str, float]:
    return {hit["name"]: hit["score"] for hit in told["hits"]}


def base64_of(image: Image.Image) -> str:
    return base64.b64encode(encoded(image)).decode()


# What Python says


def test_words(web: httpx.Client, oracle: findalike.Library) -> None:
    hits = oracle.search(text="red circle", k=8)
    assert len(hits) == 8
    same(asked(web, terms=[{"text": "red circle"}], limit=8), hits)


def test_a_picture_of_the_library(web: httpx.Client, oracle: findalike.Library, ids: dict[str, str]) -> None:
    known = ids["shape-05.png"]
    told = asked(web, terms=[{"id": known}], limit=40)
    same(told, oracle.search(Term(known, "asset"), k=40))
    assert known not in [hit["id"] for hit in told["hits"]]
    with_itself = asked(web, terms=[{"id": known}], limit=3, include_self=True)
    assert with_itself["hits"][0]["id"] == known


def test_a_picture_in_base64_and_as_an_upload(web: httpx.Client, oracle: findalike.Library) -> None:
    data = encoded(drawn(7, (120, 90)), "JPEG")
    hits = oracle.search(data, k=6)
    same(asked(web, terms=[{"image": base64.b64encode(data).decode()}], limit=6), hits)
    form = {"query": json.dumps({"terms": [{"upload": "mine"}], "limit": 6})}
    answer = web.post("/v1/search", data=form, files={"mine": ("../../x.jpg", data, "image/jpeg")})
    same(answer.json(), hits)


def test_an_upload_that_lies_on_its_side_is_turned(
    web: httpx.Client, oracle: findalike.Library, ids: dict[str, str]
) -> None:
    told = asked(web, terms=[{"image": base64.b64encode(lying()).decode()}], limit=1)
    assert told["hits"][0]["id"] == ids["upright.jpg"]
    assert told["hits"][0]["similarity"] == pytest.approx(1, abs=0.01)


def test_the_query_may_be_a_file_of_the_form(web: httpx.Client, oracle: findalike.Library) -> None:
    query = json.dumps({"terms": [{"text": "green"}], "limit": 2}).encode()
    answer = web.post("/v1/search", files={"query": ("query.json", query, "application/json")})
    same(answer.json(), oracle.search(text="green", k=2))


def test_weights_are_the_library_s(web: httpx.Client, oracle: findalike.Library, ids: dict[str, str]) -> None:
    terms = [{"text": "red circle", "weight": 2}, {"id": ids["shape-03.png"], "weight": -0.5}]
    wanted = (Term("red circle", "text", weight=2), Term(ids["shape-03.png"], "asset", weight=-0.5))
    same(asked(web, terms=terms, limit=12), oracle.search(Query(wanted, k=12)))


def test_a_vector(web: httpx.Client, oracle: findalike.Library, ids: dict[str, str]) -> None:
    space = next(iter(oracle.store.cards()))
    vector = [float(x) for x in oracle.store.rows(space, [ids["shape-09.png"]])[0].vector]
    told = asked(web, terms=[{"vector": vector}], limit=5)
    assert told["hits"][0]["id"] == ids["shape-09.png"]
    same(told, oracle.search(Query((Term(vector, "vector"),), k=5)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "more"),
    [
        ({"where": "taken >= '2018-01-01'"}, {"where": "taken >= '2018-01-01'"}),
        ({"min_score": 0.5}, {"min_score": 0.5}),
        ({"diverse": 0.7}, {"diverse": 0.7}),
        ({"encoder": "efficientnet-lite0"}, {"encoder": "efficientnet-lite0"}),
        ({"where": "tag = 'red' and not name like 'shape-0%'"},) * 2,
    ],
)
def test_filters_and_settings_are_the_library_s(
    web: httpx.Client, oracle: findalike.Library, query: dict[str, Any], more: dict[str, Any]
) -> None:
    told = asked(web, terms=[{"text": "blue"}], limit=9, **query)
    same(told, oracle.search(text="blue", k=9, **more))
    assert told["ranked"]


def test_nothing_asked_is_all_by_path(web: httpx.Client, oracle: findalike.Library) -> None:
    told = asked(web, limit=100)
    assert not told["ranked"]
    paths = [hit["path"] for hit in told["hits"]]
    assert len(paths) == len(oracle)
    assert paths == sorted(paths)
    filtered = asked(web, where="media = 'image/tiff'")
    assert names(filtered) == ["scan.tiff"]


# The box


def test_a_box_is_the_crop(web: httpx.Client) -> None:
    """A part that is marked finds what the part cut out finds; what lies around it counts for little."""
    left, right = drawn(11, (128, 128)), drawn(12, (128, 128))
    both = Image.new("RGB", (256, 128))
    both.paste(left, (0, 0))
    both.paste(right, (128, 0))
    for box, part, best in (([0, 0, 0.5, 1], left, "shape-11.png"), ([0.5, 0, 1, 1], right, "shape-12.png")):
        boxed = scores(asked(web, terms=[{"image": base64_of(both), "box": box}], limit=40))
        cropped = scores(asked(web, terms=[{"image": base64_of(part)}], limit=40))
        assert next(iter(boxed)) == next(iter(cropped)) == best
        assert max(abs(boxed[name] - cropped[name]) for name in boxed) < 0.15
        assert np.corrcoef([boxed[name] for name in boxed], [cropped[name] for name in boxed])[0, 1] > 0.97


def test_a_box_is_of_the_picture_as_people_see_it(
    web: httpx.Client, oracle: findalike.Library, ids: dict[str, str]
) -> None:
    """Of one with orientation 6, the upper half is what is above when it stands upright."""
    own, upper, lower = ids["upright.jpg"], [0, 0, 1, 0.5], [0, 0.5, 1, 1]
    upright = Image.new("RGB", (80, 120), "blue")
    upright.paste("red", (0, 0, 80, 60))
    told = asked(web, terms=[{"id": own, "box": upper}], limit=40)
    same(told, oracle.search(Term(own, "asset", (0, 0, 1, 0.5)), k=40))
    image = base64_of(upright)
    above = scores(asked(web, terms=[{"image": image, "box": upper}], limit=40))
    below = scores(asked(web, terms=[{"image": image, "box": lower}], limit=40))
    mine = scores(told)
    assert set(mine) == set(above) - {"upright.jpg"}
    alike, unlike = ([other[name] for name in mine] for other in (above, below))
    own_scores = list(mine.values())
    assert np.corrcoef(own_scores, alike)[0, 1] > 0.8 > np.corrcoef(own_scores, unlike)[0, 1]


# The address


def test_an_address_asks_the_same(web: httpx.Client, oracle: findalike.Library, ids: dict[str, str]) -> None:
    answer = web.get("/v1/search", params={"text": ["red", "circle"], "limit": 4})
    same(answer.json(), oracle.search(text=["red", "circle"], k=4))
    known, other = ids["shape-01.png"], ids["shape-02.png"]
    answer = web.get("/v1/search", params={"like": known, "unlike": other, "limit": 4, "min_score": 0.1})
    terms = (Term(known, "asset"), Term(other, "asset", weight=-0.5))
    same(answer.json(), oracle.search(Query(terms, k=4, min_score=0.1)))
    answer = web.get("/v1/search", params={"where": "width > 1000"})
    assert names(answer.json()) == ["large.png"]


def test_ways_of_looking_alike(web: httpx.Client, oracle: findalike.Library, ids: dict[str, str]) -> None:
    known = ids["shape-01.png"]
    look = {"thing": 1, "colour": 0.5}
    expected = oracle.search(Query((Term(known, "asset"),), k=4, look=look))
    same(asked(web, terms=[{"id": known}], limit=4, look=look), expected)
    answer = web.get("/v1/search", params={"like": known, "limit": 4, "look": "thing=1,color=0.5"})
    same(answer.json(), expected)
    plain = oracle.search(Query((Term(known, "asset"),), k=4))
    assert [hit.score for hit in plain] != [hit.score for hit in expected]
    for wrong in ({"shape": 1}, {"colour": -1}, {"onnx:/etc/passwd": 1}, {"colour": 0}):
        refused = web.post("/v1/search", json={"terms": [{"id": known}], "look": wrong})
        assert refused.status_code == 422, refused.text
        assert refused.json()["code"] in ("query", "invalid")


# What a hit tells


def test_a_hit_links_to_what_it_is(web: httpx.Client, ids: dict[str, str]) -> None:
    hit = asked(web, where="name = 'spring.jpg'")["hits"][0]
    assert hit["id"] == ids["spring.jpg"]
    assert (hit["width"], hit["height"], hit["media"]) == (96, 72, "image/jpeg")
    assert hit["metadata"]["taken"].startswith("2015-05-01T10:00:00")
    assert web.get(hit["links"]["self"]).json()["id"] == hit["id"]
    assert web.get(hit["links"]["thumbnail"]).headers["content-type"].startswith("image/")
    assert len(web.get(hit["links"]["content"]).content) == hit["size"]


def test_the_time_of_each_stage(web: httpx.Client) -> None:
    image = base64.b64encode(encoded(drawn(90))).decode()
    times = asked(web, terms=[{"image": image}, {"text": "red"}])["timings"]
    assert {"decode", "encode", "nearest", "rank", "total"} <= set(times)
    assert all(value >= 0 for value in times.values())
    assert sum(times.values()) - times["total"] <= times["total"] + 0.1


def test_words_that_nothing_knows_are_told(web: httpx.Client, oracle: findalike.Library) -> None:
    told = asked(web, terms=[{"text": "frobnicate"}])
    same(told, oracle.search(text="frobnicate", k=40))
    assert any("frobnicate" in note for note in told["notes"])


# Pages


@pytest.mark.parametrize(
    "query", [{}, {"terms": [{"text": "red circle"}]}, {"where": "size > 0"}], ids=["all", "words", "filter"]
)
def test_pages_are_the_whole_in_pieces(web: httpx.Client, query: dict[str, Any]) -> None:
    whole = asked(web, **query, limit=100)
    assert whole["cursor"] is None
    pages, cursor = [], None
    while True:
        page = asked(web, **query, limit=7, cursor=cursor)
        pages += page["hits"]
        cursor = page["cursor"]
        if cursor is None or len(pages) > 100:
            break
    assert [hit["rank"] for hit in pages] == list(range(1, len(pages) + 1))
    assert [(hit["id"], hit["score"]) for hit in pages] == [
        (hit["id"], hit["score"]) for hit in whole["hits"]
    ]


def test_a_cursor_belongs_to_its_query(web: httpx.Client) -> None:
    cursor = asked(web, terms=[{"text": "red"}], limit=2)["cursor"]
    for terms in ([{"text": "blue"}], [{"text": "red"}, {"text": "blue"}], []):
        refused(web.post("/v1/search", json={"terms": terms, "limit": 2, "cursor": cursor}), "query")
    assert asked(web, terms=[{"text": "red"}], limit=3, cursor=cursor)["hits"][0]["rank"] == 3


def _deep(letters: str, pad: int = 2_900) -> str:
    return base64.urlsafe_b64encode((letters * pad)[:2_900].encode()).decode()


@pytest.mark.parametrize("cursor", ["", "x", "é", "WzFd", _deep("["), _deep('{"a":'), "=" * 100, "\x00"])
def test_a_cursor_that_nobody_gave_is_refused(web: httpx.Client, cursor: str) -> None:
    refused(web.post("/v1/search", json={"limit": 2, "cursor": cursor}), "query")
    for path in ("/v1/search", "/v1/assets", "/v1/failures"):
        assert web.get(path, params={"cursor": cursor}).status_code == 422, path


# What is refused


@pytest.mark.parametrize(
    ("terms", "place"),
    [
        ([{}], "terms[0]"),
        ([{"text": "a", "id": "b"}], "terms[0]"),
        ([{"text": "red"}, {"text": "red", "box": [0, 0, 1, 1]}], "terms[1]"),
        ([{"image": "not base64!"}], "terms[0].image"),
        ([{"image": "é"}], "terms[0].image"),
        ([{"upload": "nothing"}], "terms[0]"),
        ([{"text": "red", "weight": 0}], "terms[0]"),
        ([{"text": "x", "colour": 1}], "terms[0].colour"),
        ([{"id": "../../etc/passwd"}], "terms[0].id"),
        ([{"id": "a", "box": [0, 0, 1]}], "terms[0].box"),
        ([{"id": "a", "box": [0, 0, 2, 1]}], "terms[0].box"),
        ([{"image": "AAAA", "box": [0.5, 0, 0.5, 1]}], "terms[0]"),
        ([{"vector": []}], "terms[0].vector"),
    ],
)
def test_a_term_that_is_wrong_is_named(web: httpx.Client, terms: list[dict[str, Any]], place: str) -> None:
    answer = web.post("/v1/search", json={"terms": terms})
    assert answer.status_code == 422
    assert place in answer.json()["detail"]


@pytest.mark.parametrize(
    "query",
    [
        {"where": "year >"},
        {"where": "nosuchcolumn = 1"},
        {"where": "size > 'big'"},
        {"where": "(" * 5_000},
        {"where": "not " * 2_400 + "size > 0"},
        {"where": "(" * 2_000 + "size > 0" + ")" * 2_000},
        {"where": "size > 0" + " and size > 0" * 700},
        {"where": "size > " + "9" * 5_000},
        {"where": "name = '\x00"},
        {"encoder": "no-such-encoder"},
        {"encoder": []},
        {"encoder": ["../../../etc/passwd"]},
        {"encoder": "onnx:/etc"},
        {"encoder": "clip:/etc"},
        {"limit": 0},
        {"limit": 10_001},
        {"limit": 1.5},
        {"min_score": 2},
        {"min_score": "nan"},
        {"diverse": -1},
        {"unknown": 1},
        {"terms": [{"vector": [1.0, 2.0]}]},
        {"terms": [{"text": "red", "focus": "dog"}]},
        {"terms": [{"id": "0000000000000000"}]},
        {"terms": "red"},
    ],
)
def test_a_query_that_is_wrong_is_refused(web: httpx.Client, query: dict[str, Any]) -> None:
    """Or answered, as a long filter may be; never is it the server's own mistake."""
    answer = web.post("/v1/search", json=query)
    fine = answer.status_code == 200 and ("and size" in str(query) or query == {"encoder": []})
    assert fine or answer.status_code in (409, 422), answer.text


def test_what_is_no_json_is_refused(web: httpx.Client) -> None:
    for body in (b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 50_000, b'{"limit": NaN}', b"{}{}"):
        answer = web.post("/v1/search", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422, body[:20]
        assert answer.json()["code"] == "invalid"
    assert web.post("/v1/search", content=b"{}").json()["code"] == "unsupported-media"
    plain = web.post("/v1/search", content=b"{}", headers={"content-type": "text/plain"})
    assert plain.status_code == 415
    for kind in ("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x"):
        answer = web.post("/v1/search", content=b"--y\r\n\r\n", headers={"content-type": kind})
        assert answer.status_code in (400, 422), kind
    many = {f"part{n}": b"x" for n in range(100)}
    assert web.post("/v1/search", data={"query": "{}"}, files=many).status_code == 400


def test_pictures_that_cannot_be_read_are_told(web: httpx.Client) -> None:
    for data in (b"PK\x03\x04zip", encoded(drawn(1), "JPEG")[:200], b"\x89PNG\r\n\x1a\n", b"x"):
        answer = web.post("/v1/search", json={"terms": [{"image": base64.b64encode(data).decode()}]})
        refused(answer, "unreadable")


def test_urls_are_off(web: httpx.Client) -> None:
    answer = web.post("/v1/search", json={"terms": [{"url": "http://127.0.0.1/x.png"}]})
    assert answer.status_code == 403
    assert "allow-urls" in refused(answer, "forbidden")


def test_limits_of_the_operator(gallery: Path) -> None:
    limits = Limits(body=50_000, terms=2, hits=5, workers=1)
    with serving(gallery, Config(port=0, limits=limits)) as served, served.client() as web:
        told = web.get("/v1/library").json()["limits"]
        assert (told["body"], told["terms"], told["limit"]) == (50_000, 2, 5)
        assert web.post("/v1/search", json={"terms": [{"text": "red"}] * 2, "limit": 5}).status_code == 200
        refused(web.post("/v1/search", json={"terms": [{"text": "red"}] * 3}), "query")
        refused(web.post("/v1/search", json={"limit": 6}), "query")
        refused(web.get("/v1/assets", params={"limit": 6}), "query")
        refused(web.post("/v1/search", json={"where": "x" * 60_000}), "too-large")
        assert web.get("/healthz").status_code == 200


def test_the_pixel_budget_holds_for_queries(gallery: Path) -> None:
    with serving(gallery, pixel_budget=10_000) as served, served.client() as web:
        assert web.get("/v1/library").json()["limits"]["pixels"] == 10_000
        assert asked(web, terms=[{"image": base64_of(drawn(1, (100, 100)))}])["hits"]
        answer = web.post("/v1/search", json={"terms": [{"image": base64_of(drawn(1, (200, 100)))}]})
        assert "pixels" in refused(answer, "unreadable")


# An empty library


def test_an_empty_library_answers(tmp_path: Path) -> None:
    with serving(tmp_path / "new") as served, served.client() as web:
        for query in ({}, {"terms": [{"text": "red"}]}, {"where": "size > 0"}):
            told = asked(web, **query)
            assert told["hits"] == []
            assert told["cursor"] is None
        image = base64.b64encode(encoded(drawn(1))).decode()
        assert asked(web, terms=[{"image": image}])["hits"] == []
        assert web.get("/v1/library").json()["pictures"] == 0
        assert web.get("/v1/assets").json() == {"assets": [], "cursor": None}
        for path in (
            "facets",
            "facets?column=year",
            "facets?column=taken",
            "tags",
            "failures",
            "jobs",
            "encoders",
        ):
            assert web.get(f"/v1/{path}").status_code in (200, 422), path
        assert web.get("/v1/facets").json() == {"column": "tag", "values": []}
        assert web.get("/v1/words", params={"text": "dog"}).status_code in (200, 409)
        for path in ("", "/thumbnail", "/content"):
            refused(web.get(f"/v1/assets/0123456789abcdef{path}"), "not-found")
        assert web.get("/readyz").status_code == 200
        assert "findalike_pictures 0" in web.get("/metrics").text


def _all_pages(web: httpx.Client, query: dict[str, Any], between: Any) -> list[str]:
    """The ids of all pages, with something done to the library after each."""
    seen, cursor = [], None
    for number in range(30):
        page = asked(web, **query, limit=5, cursor=cursor)
        seen += [hit["id"] for hit in page["hits"]]
        cursor = page["cursor"]
        if cursor is None:
            return seen
        between(number, seen)
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize(
    "terms",
    [
        pytest.param([], id="all"),
        pytest.param([{"text": "red circle"}], id="words"),
        pytest.param("shape-03.png", id="looks"),
    ],
)
def test_pages_while_the_library_grows_and_shrinks(
    copied: Path, tmp_path: Path, terms: Any, ids: dict[str, str]
) -> None:
    """Of what stays all the while, nothing comes twice and nothing is left out."""
    terms = [{"id": ids[terms]}] if isinstance(terms, str) else terms
    with serving(copied) as served, served.client() as web, findalike.open(copied) as writer:
        before = {hit["id"] for hit in asked(web, terms=terms, limit=100)["hits"]}
        (tmp_path / "more").mkdir()
        removed: set[str] = set()

        def between(number: int, seen: list[str]) -> None:
            drawn(200 + number).save(tmp_path / "more" / f"{number}.png")
            writer.add(tmp_path / "more")
            gone = seen[-1]  # the very one that the cursor goes on after
            assert web.delete(f"/v1/assets/{gone}").status_code == 204
            removed.add(gone)

        seen = _all_pages(web, {"terms": terms}, between)
        assert len(seen) == len(set(seen)), "a picture came twice"
        assert not before - removed - set(seen), "a picture was left out"


def test_what_is_only_looked_away_from_is_no_match(web: httpx.Client) -> None:
    answer = asked(web, terms=[{"text": "dog", "weight": -1}], limit=3)
    assert answer["ranked"] is False
    assert {(hit["score"], hit["band"]) for hit in answer["hits"]} == {(None, "not looked for")}
    assert "looked away from" in answer["notes"][0]


def test_texts_are_bounded_together(web: httpx.Client) -> None:
    body = {"terms": [{"text": "dog cat red " * 80}] * 6}
    answer = web.post("/v1/search", json=body)
    assert answer.status_code == 422
    assert "5,000" in answer.json()["detail"]


def test_what_hits_share_with_the_picture(
    web: httpx.Client, oracle: findalike.Library, ids: dict[str, str]
) -> None:
    known = ids["shape-03.png"]
    hits = oracle.search(Term(known, "asset"), k=40, same="orientation")
    assert hits
    terms = [{"id": known}]
    same(asked(web, terms=terms, same="orientation"), hits)
    same(asked(web, terms=terms, same=["orientation"]), hits)
    same(web.get("/v1/search", params={"like": known, "same": "orientation"}).json(), hits)
    elsewhere = asked(web, terms=[{"image": base64_of(drawn(3))}], same="dominant_color")
    value = oracle.store.get([known])[known].metadata["dominant_color"]
    assert {hit["metadata"]["dominant_color"] for hit in elsewhere["hits"]} == {value}
    for wrong in ("nothing", "sharpness", "path"):
        refused(web.post("/v1/search", json={"terms": terms, "same": wrong}), "query")
    refused(web.post("/v1/search", json={"terms": [{"text": "red"}], "same": "dominant_color"}), "query")
