"""Feedback and reviews over HTTP: two people at once, undo, conflicts, tables, and who may."""

from __future__ import annotations

import csv
import io
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import findalike
from findalike.attributes import deck
from findalike.web.config import Config, Limits
from painted import COLOURS, painted
from web import READER, TOKENS, WRITER, Served, refused, serving

pytest_plugins = ["web"]

ADA, BO = "ada-0000000", "bo-00000000"


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library whose colours were learned and predicted; no test changes it."""
    place = tmp_path_factory.mktemp("taught")
    folder = painted(place / "pictures")
    with findalike.open(place / "library") as library:
        library.add(folder, table=folder / "table.csv")
        library.learn_attribute("colour")
        library.apply_attributes("colour")
    return place / "library"


@pytest.fixture
def library_copy(taught: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(taught, tmp_path / "library"))


@pytest.fixture
def served(library_copy: Path) -> Iterator[Served]:
    with serving(library_copy, Config(port=0, limits=Limits(workers=2))) as running:
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with served.client() as made:
        yield made


def names(served: Served) -> dict[str, str]:
    """The ids of the pictures by their names."""
    return {asset.uri.rpartition("/")[2]: asset.id for asset in served.library.store.assets()}


def dealt(client: httpx.Client, session: str, **more: object) -> list[dict[str, Any]]:
    answer = client.post("/v1/review/next", json={"column": "colour", "session": session, **more})
    assert answer.status_code == 200, answer.text
    cases: list[dict[str, Any]] = answer.json()["cases"]
    return cases


def answered(client: httpx.Client, session: str, case: dict[str, Any], value: object) -> httpx.Response:
    said = {"asset": case["asset"]["id"], "revision": case["revision"], "value": value}
    return client.post("/v1/review/answers", json={"column": "colour", "session": session, **said})


def undone(client: httpx.Client, session: str) -> httpx.Response:
    return client.post("/v1/review/undo", json={"column": "colour", "session": session})


def metadata(served: Served, asset_id: str) -> dict[str, Any]:
    return dict(served.library.store.get([asset_id])[asset_id].metadata)


# Feedback


def test_marks_are_given_listed_and_taken_back(served: Served, client: httpx.Client) -> None:
    ids = names(served)
    query, first, second = ids["red-0.png"], ids["red-1.png"], ids["blue-0.png"]
    given = [
        {"query": query, "hit": first, "verdict": "match", "space": "s", "rank": 1},
        {"query": query, "hit": second, "verdict": "no match", "rank": 2},
        {"query": first, "hit": second, "verdict": "click"},
    ]
    told = client.post("/v1/feedback", json={"marks": given}).json()["marks"]
    assert [
        {k: v for k, v in mark.items() if k in each} for mark, each in zip(told, given, strict=True)
    ] == given
    of_query = client.get("/v1/feedback", params={"query": query}).json()
    assert [(mark["hit"], mark["verdict"]) for mark in of_query["marks"]] == [
        (second, "no match"),
        (first, "match"),
    ]
    table = list(csv.DictReader(io.StringIO(client.get("/v1/feedback", params={"format": "csv"}).text)))
    assert {(row["verdict"], Path(row["query_path"]).name, Path(row["hit_path"]).name) for row in table} == {
        ("match", "red-0.png", "red-1.png"),
        ("no match", "red-0.png", "blue-0.png"),
        ("click", "red-1.png", "blue-0.png"),
    }
    again = client.post("/v1/feedback", json={"marks": [{**given[0], "verdict": "no match"}]}).json()["marks"]
    assert client.get("/v1/feedback", params={"query": query}).json()["marks"][0]["verdict"] == "no match"
    assert client.delete(f"/v1/feedback/{again[0]['id']}").status_code == 204
    refused(client.delete(f"/v1/feedback/{again[0]['id']}"), "not-found")
    left = {
        mark["hit"]: mark["verdict"]
        for mark in client.get("/v1/feedback", params={"query": query}).json()["marks"]
    }
    assert left == {first: "match", second: "no match"}
    assert client.delete("/v1/feedback", params={"verdict": "click"}).json() == {"removed": 1}
    assert client.delete("/v1/feedback", params={"verdict": "all"}).json() == {"removed": 2}
    assert client.get("/v1/feedback").json() == {"marks": [], "total": 0}


def test_marks_that_make_no_sense_are_refused(served: Served, client: httpx.Client) -> None:
    known = names(served)["red-0.png"]
    for marks, code in (
        ([], "invalid"),
        ([{"query": known, "hit": "0000", "verdict": "match"}], "not-found"),
        ([{"query": known, "hit": known, "verdict": "match"}], "invalid"),
        ([{"query": known, "hit": known, "verdict": "perhaps"}], "invalid"),
        ([{"query": known, "hit": known, "verdict": "click", "who": "me"}], "invalid"),
    ):
        refused(client.post("/v1/feedback", json={"marks": marks}), code)
    assert client.get("/v1/feedback").json()["total"] == 0


# Reviews


def test_an_answer_is_a_persons_and_can_be_taken_back(served: Served, client: httpx.Client) -> None:
    (case,) = dealt(client, ADA)
    before = metadata(served, case["asset"]["id"])
    assert (case["value"], case["confidence"]) == (before["colour"], before["colour_confidence"])
    shares = [choice["probability"] for choice in case["choices"]]
    assert case["choices"][0]["value"] == case["value"]
    assert shares[1:] == sorted(shares[1:], reverse=True)
    other = next(name for name in COLOURS if name != case["value"])
    told = answered(client, ADA, case, f"  {other.upper()} ").json()
    assert (told["answer"]["value"], told["answer"]["accepted"]) == (other, False), (
        "as it is spelled elsewhere"
    )
    now = metadata(served, case["asset"]["id"])
    assert now["colour"] == other
    assert "colour_confidence" not in now
    assert told["cases"][0]["asset"]["id"] != case["asset"]["id"]
    assert told["standing"]["stated"] == 13
    second = told["cases"][0]
    assert answered(client, ADA, second, second["value"]).json()["answer"]["accepted"]
    for asset in (second, case):
        back = undone(client, ADA).json()
        assert back["cases"][0] == asset
        assert back["answer"]["asset"] == asset["asset"]["id"]
    assert metadata(served, case["asset"]["id"]) == before
    refused(undone(client, ADA), "invalid")
    assert client.get("/v1/review/answers", params={"column": "colour"}).json() == {"answers": []}


def test_two_people_see_other_pictures_and_lose_no_answer(served: Served, client: httpx.Client) -> None:
    with served.client() as other:
        mine, theirs = dealt(client, ADA, count=3), dealt(other, BO, count=3)
        seen = [case["asset"]["id"] for case in (*mine, *theirs)]
        assert len(set(seen)) == 6
        assert dealt(client, ADA, count=3) == mine, "a page that is loaded again goes on where it was"
        # Bo has a page of Ada's picture open all the same
        assert answered(client, ADA, mine[0], "violet").status_code == 200
        answer = answered(other, BO, mine[0], "red")
        assert "'violet'" in refused(answer, "conflict")
        now = answer.json()["now"]
        assert (now["value"], now["confidence"]) == ("violet", None)
        assert metadata(served, seen[0])["colour"] == "violet"
        # who saw that may say otherwise, and then Ada cannot take hers back any more
        assert answered(other, BO, now, "red").status_code == 200
        assert refused(undone(client, ADA), "conflict")
        assert metadata(served, seen[0])["colour"] == "red"
        assert undone(other, BO).status_code == 200
        assert metadata(served, seen[0])["colour"] == "violet"


def test_two_people_answer_at_the_same_time(served: Served) -> None:
    given: dict[str, list[str]] = {ADA: [], BO: []}
    wrong: list[str] = []

    def person(session: str) -> None:
        with served.client() as own:
            cases = dealt(own, session, count=2)
            while cases:
                answer = answered(own, session, cases[0], session[:2])
                if answer.status_code != 200:
                    wrong.append(answer.text)
                    return
                given[session].append(cases[0]["asset"]["id"])
                cases = answer.json()["cases"]

    people = [threading.Thread(target=person, args=(session,)) for session in given]
    for each in people:
        each.start()
    for each in people:
        each.join()
    assert wrong == []
    assert len({*given[ADA], *given[BO]}) == len(given[ADA]) + len(given[BO]) == 18
    for session, ids in given.items():
        assert {metadata(served, asset_id)["colour"] for asset_id in ids} <= {session[:2]}


def test_an_answer_to_a_prediction_of_yesterday_is_refused(served: Served, client: httpx.Client) -> None:
    (case,) = dealt(client, ADA)
    served.library.edit([case["asset"]["id"]], metadata={"colour": "red", "colour_confidence": 0.123})
    answer = answered(client, ADA, case, case["value"])
    refused(answer, "conflict")
    assert answer.json()["now"]["confidence"] == 0.123


def test_all_are_reviewed_once_and_the_standing_adds_up(served: Served, client: httpx.Client) -> None:
    begun = client.get("/v1/review", params={"column": "colour"}).json()
    sure = sum(
        asset.metadata["colour_confidence"]
        for asset in served.library.store.assets()
        if "colour_confidence" in asset.metadata
    )
    assert (begun["total"], begun["stated"], begun["predicted"], begun["bare"]) == (30, 12, 18, 0)
    assert begun["expected"] == pytest.approx((12 + sure) / 30)
    assert (begun["answered"], begun["accepted_share"], begun["trust"]) == (0, None, "unknown")
    (first,) = dealt(client, ADA)
    (second,) = dealt(client, ADA, skip=first["asset"]["id"])
    assert second != first
    done, cases = [], dealt(client, ADA)
    while cases:
        done.append(cases[0]["asset"]["id"])
        truth = cases[0]["asset"]["name"].partition("-")[0]
        cases = answered(client, ADA, cases[0], truth).json()["cases"]
    assert len(done) == len(set(done)) == 17
    assert first["asset"]["id"] not in done
    assert [case["asset"]["id"] for case in dealt(client, ADA, again=True)] == [first["asset"]["id"]]
    standing = client.get("/v1/review", params={"column": "colour"}).json()
    answers = client.get("/v1/review/answers", params={"column": "colour"}).json()["answers"]
    right = sum(answer["value"] == answer["before"] for answer in answers)
    assert (standing["answered"], standing["accepted"]) == (17, right)
    assert standing["foreseen_share"] == pytest.approx(sum(a["confidence"] for a in answers) / 17)
    assert standing["expected"] == pytest.approx((29 + first["confidence"]) / 30)
    table = client.get("/v1/review/answers", params={"column": "colour", "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["asset"] for row in rows] == done
    assert all(Path(row["path"]).name.startswith(row["value"]) for row in rows)


def test_learning_anew_takes_the_answers(served: Served, client: httpx.Client) -> None:
    case = dealt(client, ADA)[0]
    answered(client, ADA, case, case["value"])
    job = client.post("/v1/review/learn", json={"column": "colour"})
    assert job.status_code == 202
    end = time.monotonic() + 60
    while (told := client.get(job.headers["location"]).json())["state"] not in ("done", "failed"):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert (told["state"], told["kind"], told["column"]) == ("done", "learn", "colour"), told
    assert (told["lesson"]["labelled"], told["lesson"]["predicted"]) == (13, 17)
    assert metadata(served, case["asset"]["id"]) == {
        **metadata(served, case["asset"]["id"]),
        "colour": case["value"],
    }
    (known,) = client.get("/v1/attributes").json()["attributes"]
    assert (known["column"], known["labelled"], known["predicted"]) == ("colour", 13, 17)
    assert known["accuracy"] == told["lesson"]["accuracy"]


def test_an_attribute_that_was_forgotten_is_none(served: Served, client: httpx.Client) -> None:
    def listed() -> list[str]:
        return [each["column"] for each in client.get("/v1/attributes").json()["attributes"]]

    assert listed() == ["colour"]
    served.library.forget_attribute("colour")
    assert listed() == []
    problem = client.get("/v1/review", params={"column": "mood"}).json()
    assert "attributes are: none" in problem["detail"]


def test_what_is_no_attribute_is_refused(served: Served, client: httpx.Client) -> None:
    case = dealt(client, ADA)[0]
    session = {"session": ADA}
    for column, code in (("mood", "not-found"), ("size", "invalid"), ("colour_confidence", "invalid")):
        refused(client.get("/v1/review", params={"column": column}), code)
        refused(client.get("/v1/review/answers", params={"column": column}), code)
        for path in ("next", "undo"):
            refused(client.post(f"/v1/review/{path}", json={"column": column, **session}), code)
        refused(client.post("/v1/review/learn", json={"column": column}), code)
    for value in ("", "x" * 101, "bell\x07", 3):
        refused(answered(client, ADA, case, value), "invalid")
    refused(answered(client, "short", case, "red"), "invalid")
    refused(answered(client, ADA, {**case, "asset": {"id": "0000"}}, "red"), "not-found")
    assert metadata(served, case["asset"]["id"])["colour_confidence"] == case["confidence"]


def test_yes_and_no_are_told_as_such(served: Served, client: httpx.Client) -> None:
    """A column of truths; `known` was given by the table, so that taking it away makes it a question."""
    asset_id = names(served)["red-9.png"]
    served.library.edit([asset_id], metadata={"known": None})
    cases = client.post("/v1/review/next", json={"column": "known", "session": ADA}).json()["cases"]
    assert [case["asset"]["id"] for case in cases] == [asset_id]
    assert {choice["value"] for choice in cases[0]["choices"]} == {True, False}
    said = {"column": "known", "session": ADA, "asset": asset_id, "revision": cases[0]["revision"]}
    refused(client.post("/v1/review/answers", json={**said, "value": "perhaps"}), "invalid")
    assert client.post("/v1/review/answers", json={**said, "value": "Yes"}).json()["answer"]["value"] is True
    assert metadata(served, asset_id)["known"] is True


def test_who_may_only_read_says_nothing(taught: Path) -> None:
    with serving(taught, Config(port=0, writable=False), mode="r") as running, running.client() as client:
        ids = list(names(running).values())
        mark = {"query": ids[0], "hit": ids[1], "verdict": "match"}
        refused(client.post("/v1/feedback", json={"marks": [mark]}), "forbidden")
        refused(client.delete("/v1/feedback", params={"verdict": "all"}), "forbidden")
        for path in ("next", "answers", "undo", "learn"):
            refused(client.post(f"/v1/review/{path}", json={"column": "colour", "session": ADA}), "forbidden")
        assert client.get("/v1/feedback").json()["total"] == 0
        assert client.get("/v1/review", params={"column": "colour"}).json()["predicted"] == 18


def test_tokens_and_other_sites_are_minded(library_copy: Path) -> None:
    config = Config(port=0, tokens=TOKENS, limits=Limits(workers=2))
    with serving(library_copy, config) as running:
        asked = {"column": "colour", "session": ADA}
        with running.client() as nobody:
            refused(nobody.get("/v1/feedback"), "unauthorized")
            refused(nobody.post("/v1/review/next", json=asked), "unauthorized")
        with running.client(authorization=f"Bearer {READER}") as reader:
            assert reader.get("/v1/review", params={"column": "colour"}).status_code == 200
            refused(reader.post("/v1/review/next", json=asked), "forbidden")
        with running.client(authorization=f"Bearer {WRITER}", origin="https://elsewhere.example") as foreign:
            refused(foreign.post("/v1/review/next", json=asked), "cross-site")
        with running.client(authorization=f"Bearer {WRITER}") as writer:
            assert writer.post("/v1/review/next", json=asked).status_code == 200


def test_the_deck_is_small_and_leaves_out_what_was_answered(
    library_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only some candidates are looked at: all come up in the end."""
    monkeypatch.setattr(deck, "MOST", 3)
    monkeypatch.setattr(deck, "CANDIDATES", 5)
    monkeypatch.setattr(deck, "NEIGHBOURS", 4)
    with findalike.open(library_copy) as library:
        review, seen = library.review("colour"), []
        while cases := review.deal():
            seen.append(cases[0].asset.id)
            review.answer(cases[0].asset.id, "red", cases[0].revision)
        assert len(seen) == len(set(seen)) == 18
