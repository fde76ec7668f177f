"""Faces and persons by the API: who is told, what may be said, and that of one forgotten nothing stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from findalike import Query, Term
from findalike.web.config import Config
from portraits import LEFT, RIGHT, SHOWN, ids, middles
from web import READER, TOKENS, WRITER, Served, encoded, refused, serving

pytest_plugins = ["web", "portraits"]


@pytest.fixture
def client(party: Served) -> Iterator[httpx.Client]:
    with party.client() as made:
        yield made


def people(client: httpx.Client) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = client.get("/v1/people").json()["people"]
    return told


def faces(client: httpx.Client, asset_id: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = client.get(f"/v1/assets/{asset_id}/faces").json()["faces"]
    return told


def say(client: httpx.Client, face: dict[str, Any], **said: object) -> httpx.Response:
    return client.post(face["picture"].partition("?")[0].replace("/parts/", "/faces/"), json=said)


def test_faces_are_told_from_left_to_right(party: Served, client: httpx.Client) -> None:
    told = faces(client, ids(party)["beach"])
    assert [(face["number"], tuple(face["box"])) for face in told] == [(1, LEFT), (2, RIGHT)]
    assert [face["score"] for face in told] == [0.99, 0.99]
    assert all(face["person"]["name"] is None for face in told)
    assert all(client.get(face["picture"]).headers["content-type"] == "image/jpeg" for face in told)
    assert faces(client, ids(party)["empty"]) == []
    refused(client.get("/v1/assets/0000/faces"), "not-found")
    assert client.get("/v1/library").json()["faces"] == sum(map(len, SHOWN.values()))


def test_persons_are_those_of_many_pictures(client: httpx.Client) -> None:
    told = client.get("/v1/people").json()
    assert [(one["faces"], one["pictures"], one["name"]) for one in told["people"]] == [
        (4, 4, None),
        (3, 3, None),
    ]
    assert told["loose"] == 1
    assert client.get(told["people"][0]["picture"]).status_code == 200
    assert client.get(f"/v1/people/{told['people'][0]['number']}").json() == told["people"][0]
    refused(client.get("/v1/people/99"), "not-found")


def test_a_name_is_of_all_faces_that_are_alike(party: Served, client: httpx.Client) -> None:
    face = faces(client, ids(party)["stairs"])[0]
    assert say(client, face, name="Ada").json()["person"]["name"] == "Ada"
    found = client.get("/v1/assets", params={"where": "tag = 'Ada'"}).json()["assets"]
    shown = {name for name, who in SHOWN.items() if "small" in who.values()}
    assert {Path(asset["name"]).stem for asset in found} == shown
    other = next(f for f in faces(client, ids(party)["party"]) if tuple(f["box"]) == RIGHT)
    assert say(client, other, name="ada").json()["person"]["name"] == "Ada", "whatever the case"
    assert people(client)[0]["faces"] == 5


def test_not_this_person_and_back(party: Served, client: httpx.Client) -> None:
    face = faces(client, ids(party)["garden"])[0]
    number = face["person"]["number"]
    assert say(client, face, not_person=number).json()["person"] is None
    assert next(one for one in people(client) if one["number"] == number)["faces"] == 3
    assert "take 1 out" in client.post("/v1/people/undo").json()["undone"]
    assert faces(client, ids(party)["garden"])[0]["person"]["number"] == number


def test_what_is_said_must_make_sense(party: Served, client: httpx.Client) -> None:
    face = faces(client, ids(party)["beach"])[0]
    assert "one of name and not_person" in refused(say(client, face), "invalid")
    refused(say(client, face, name="Ada", not_person=1), "invalid")
    refused(say(client, face, not_person=99), "not-found")
    refused(say(client, face, name="12"), "invalid")
    refused(
        client.post(f"/v1/assets/{ids(party)['empty']}/faces/{face['key']}", json={"name": "A"}), "not-found"
    )
    first, second = (one["number"] for one in people(client))
    assert client.patch(f"/v1/people/{first}", json={"name": "Ada"}).json()["name"] == "Ada"
    told = refused(client.patch(f"/v1/people/{second}", json={"name": "Ada"}), "invalid")
    assert "findalike" not in told, "no command of a command line"
    refused(client.post(f"/v1/people/{first}/merge", json={"others": [first]}), "invalid")
    refused(client.post(f"/v1/people/{first}/merge", json={"others": [99]}), "not-found")
    assert client.patch(f"/v1/people/{first}", json={"name": ""}).json()["name"] is None


def test_persons_become_one(client: httpx.Client) -> None:
    first, second = (one["number"] for one in people(client))
    client.patch(f"/v1/people/{second}", json={"name": "Bo"})
    merged = client.post(f"/v1/people/{first}/merge", json={"others": [second]}).json()
    assert (merged["number"], merged["name"], merged["faces"]) == (first, "Bo", 7)
    assert [one["number"] for one in people(client)] == [first]


def test_one_is_forgotten_only_by_name_and_wholly(party: Served, client: httpx.Client) -> None:
    first = people(client)[0]["number"]
    client.patch(f"/v1/people/{first}", json={"name": "Ada"})
    face = next(f for f in faces(client, ids(party)["stairs"]))
    for wrong in ({}, {"confirm": "Bo"}, {"confirm": str(first)}):
        refused(client.delete(f"/v1/people/{first}", params=wrong), "invalid")
    done = client.delete(f"/v1/people/{first}", params={"confirm": "Ada"}).json()
    assert (done["faces"], done["crops"], done["pictures"], done["proved"]) == (4, 4, 4, True)
    refused(client.get(face["picture"]), "not-found")
    refused(client.get(f"/v1/people/{first}"), "not-found")
    assert client.get("/v1/assets", params={"where": "tag = 'Ada'"}).json()["assets"] == []
    assert faces(client, ids(party)["stairs"]) == []


def test_a_face_is_searched_for_by_its_number(party: Served, client: httpx.Client) -> None:
    query = {"terms": [{"id": ids(party)["garden"], "face": 1}]}
    hits = client.post("/v1/search", json=query).json()["hits"]
    best = {Path(hit["name"]).stem: tuple(hit["box"]) for hit in hits[:3]}
    assert best == {
        name: next(box for box, who in shown.items() if who == "small")
        for name, shown in SHOWN.items()
        if "small" in shown.values() and name != "garden"
    }
    assert {hit["part"] for hit in hits} == {"face"}
    assert (
        client.post("/v1/search", json={"terms": [{"id": ids(party)["garden"], "face": 3}]}).status_code
        == 422
    )


def test_the_faces_of_a_picture_that_is_sent(crowd: Served, group: Path) -> None:
    library, picture = crowd.library, group.read_bytes()
    before = library.store.status(), library.people.all()
    with crowd.client() as client:
        told = client.post("/v1/faces", files={"file": ("group.png", picture)}).json()["faces"]
        assert [face["number"] for face in told] == [1, 2]
        for face, (x, y) in zip(told, middles(), strict=True):
            left, top, right, bottom = face["box"]
            assert (left + right) / 2 == pytest.approx(x, abs=0.02)
            assert (top + bottom) / 2 == pytest.approx(y, abs=0.04)
            assert 0.9 < face["score"] <= 1
        scores = []
        for number in (1, 2):
            query = {"terms": [{"upload": "one", "face": number}]}
            form = {"query": (None, json.dumps(query)), "one": ("group.png", picture)}
            best = client.post("/v1/search", files=form).json()["hits"][0]
            assert (best["name"], best["part"]) == ("astronaut.png", "face")
            scores.append(best["score"])
            expected = library.search(Query((Term(picture, "image", face=number),)))[0]
            assert best["score"] == pytest.approx(expected.score, abs=1e-4)
        assert scores[0] != scores[1], "they are not the same face of it"
    assert (library.store.status(), library.people.all()) == before, "nothing is kept"


def test_faces_are_seen_where_there_is_something_to_see(
    crowd: Served, group: Path, web: httpx.Client
) -> None:
    sent = {"file": ("group.png", group.read_bytes())}
    with crowd.client() as client:
        plain = {"file": ("plain.png", encoded(Image.new("RGB", (200, 200), "teal")))}
        assert client.post("/v1/faces", files=plain).json() == {"faces": []}
        refused(client.post("/v1/faces", files={"file": ("a.png", b"no picture")}), "unreadable")
        refused(client.post("/v1/faces", files={"other": sent["file"]}), "invalid")
    assert "knows no faces" in refused(web.post("/v1/faces", files=sent), "query")


def test_who_may_search_may_see_faces(crowd: Served, group: Path) -> None:
    sent = {"file": ("group.png", group.read_bytes())}
    with serving(Path(crowd.library.path), Config(port=0, tokens=TOKENS), mode="r") as guarded:
        with guarded.client(**{"x-api-key": READER}) as reader:
            assert len(reader.post("/v1/faces", files=sent).json()["faces"]) == 2
        with guarded.client() as stranger:
            refused(stranger.post("/v1/faces", files=sent), "unauthorized")


def test_who_may_only_read_says_nothing(party: Served) -> None:
    number = party.library.people.all()[0].number
    with serving(Path(party.library.path), Config(port=0, tokens=TOKENS), mode="r") as guarded:
        with guarded.client(**{"x-api-key": READER}) as reader:
            assert reader.get("/v1/people").status_code == 200
            face = faces(reader, ids(party)["beach"])[0]
            refused(say(reader, face, name="Ada"), "forbidden")
            refused(reader.patch(f"/v1/people/{number}", json={"name": "Ada"}), "forbidden")
            refused(reader.delete(f"/v1/people/{number}", params={"confirm": str(number)}), "forbidden")
            refused(reader.post("/v1/people/undo"), "forbidden")
        with guarded.client() as stranger:
            refused(stranger.get("/v1/people"), "unauthorized")
    assert WRITER in TOKENS


def test_without_faces_nobody_is_told(web: httpx.Client, ids: dict[str, str]) -> None:
    assert web.get("/v1/people").json() == {"people": [], "loose": 0}
    assert web.get(f"/v1/assets/{ids['upright.jpg']}/faces").json() == {"faces": []}
    assert web.get("/v1/library").json()["faces"] == 0


def test_while_another_writes_it_is_told(party: Served, client: httpx.Client) -> None:
    number = people(client)[0]["number"]
    with party.library._writing(0):
        told = refused(client.patch(f"/v1/people/{number}", json={"name": "Ada"}), "library-locked")
    assert "try again" in told
