"""The whole program on Milvus: what a user does there gives what it gives with a library in a folder."""

from __future__ import annotations

import csv
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import findalike
from conftest import Cli, Photo, save_all
from findalike.errors import LibraryMissing, Unsupported
from findalike.library import Library
from findalike.present.records import records
from findalike.search import Hits
from persons import put
from web import serving

pytest_plugins = ["milvus_server", "web"]

K = 20
APART = 1e-4
"""Scores may differ by this much, as sums of float32 in another order do."""
COLOURS = ("grey", "red", "brown")


@dataclass(frozen=True)
class Twins:
    """Two libraries of the same files: one on Milvus, one in a folder."""

    milvus: str
    folder: Path
    pictures: Path


def new(place: str) -> str:
    """The address of a library that nobody has made yet."""
    return f"milvus://{place}/test-{uuid.uuid4().hex[:12]}?patience=20"


@pytest.fixture(params=["server", "lite"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "lite":
        return f"milvus://{tmp_path}/library.db"
    return new(request.getfixturevalue("milvus"))


@pytest.fixture(scope="module", params=["server", "lite"])
def twins(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, photo: Photo, cli: Cli
) -> Twins:
    """Made by the program, of a folder and a table of its files."""
    folder = tmp_path_factory.mktemp("twins")
    pictures = save_all(folder / "pictures", photo)
    with (folder / "table.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "year", "colour", "note"])
        for n, path in enumerate(sorted(pictures.iterdir())):
            table.writerow([path, 2000 + n, COLOURS[n % 3], f"the {path.stem} of {2000 + n}"])
    lite = f"milvus://{folder}/library.db"
    made = Twins(
        lite if request.param == "lite" else new(request.getfixturevalue("milvus")), folder, pictures
    )
    for library in (made.milvus, str(folder / "library")):
        run = cli("index", "--table", folder / "table.csv", "--library", library)
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.startswith("10 added in "), run.stdout
        assert run.stdout.splitlines()[1] == f"{library} holds 10 pictures."
    return made


@pytest.fixture
def both(twins: Twins) -> Iterator[tuple[Library, Library]]:
    with (
        findalike.open(twins.milvus, "r") as elsewhere,
        findalike.open(twins.folder / "library", "r") as here,
    ):
        yield elsewhere, here


def told(hits: Hits | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What hits say, without the ids that each library gives for itself."""
    several = records(hits) if isinstance(hits, Hits) else hits
    return [
        {name: value for name, value in one.items() if name not in ("asset", "reasons")} for one in several
    ]


def assert_same(one: Hits | list[dict[str, Any]], other: Hits | list[dict[str, Any]]) -> None:
    """The same pictures in the same order, with the same scores."""
    first, second = told(one), told(other)
    assert [each["path"] for each in first] == [each["path"] for each in second]
    for a, b in zip(first, second, strict=True):
        assert a["score"] == pytest.approx(b["score"], abs=APART)
        rest = ("part", "box", "space", "tags", "metadata", "time", "band")
        assert {name: a[name] for name in rest} == {name: b[name] for name in rest}


# The program


ON_SERVER = pytest.mark.parametrize("twins", ["server"], indirect=True)


@ON_SERVER
@pytest.mark.parametrize(
    "asked",
    [
        ("{pictures}/moon.jpg", "--where", "year >= 2004 and colour != 'red'"),
        ("{pictures}/chelsea.jpg", "0.5:{pictures}/moon.jpg", "--minus", "0.3:{pictures}/grass.jpg"),
        ("a cup of coffee", "--where", "tag is not null"),
        ("--where", "note like 'the c%' or year = 2009"),
    ],
    ids=lambda asked: " ".join(asked).replace("{pictures}/", ""),
)
def test_a_search_finds_the_same(cli: Cli, twins: Twins, asked: tuple[str, ...]) -> None:
    words = [word.format(pictures=twins.pictures) for word in asked]
    runs = [
        cli("search", *words, "-k", K, "--json", "--library", library)
        for library in (twins.milvus, twins.folder / "library")
    ]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr
    assert runs[0].stderr == runs[1].stderr
    found = [json.loads(run.stdout) for run in runs]
    assert found[1]
    assert_same(*found)


@ON_SERVER
@pytest.mark.parametrize(
    "command",
    [
        ("facets", "colour", "tag", "year", "media", "--json"),
        ("words", "cat", "--json"),
        ("doctor", "--json"),
    ],
    ids=" ".join,
)
def test_what_is_told_is_the_same(cli: Cli, twins: Twins, command: tuple[str, ...]) -> None:
    words = [word.format(pictures=twins.pictures) for word in command]
    runs = [cli(*words, "--library", library) for library in (twins.milvus, twins.folder / "library")]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr
    assert json.loads(runs[0].stdout) == json.loads(runs[1].stdout)


@ON_SERVER
def test_info(cli: Cli, twins: Twins) -> None:
    elsewhere, here = (
        json.loads(cli("info", "--json", "--library", library).stdout)
        for library in (twins.milvus, twins.folder / "library")
    )
    assert elsewhere["path"] == twins.milvus
    for name in ("pictures", "cards", "columns", "failures"):
        assert elsewhere[name] == here[name]
    assert {space: each["rows"] for space, each in elsewhere["spaces"].items()} == dict.fromkeys(
        here["spaces"], 10
    )


def test_from_the_making_of_a_library_to_its_end(
    cli: Cli, address: str, pictures: Path, tmp_path: Path
) -> None:
    """Each command says what it says of a library in a folder."""
    folder = str(tmp_path / "library")

    def told(*command: object) -> list[tuple[int, str]]:
        runs = [(place, cli(*command, "--library", place)) for place in (address, folder)]
        several = [(run.returncode, (run.stdout + run.stderr).replace(place, "IT")) for place, run in runs]
        return [
            (code, re.sub(r"in [\d.]+ s(, [\d,.]+ pictures/s)?", "in no time", said))
            for code, said in several
        ]

    def same(*command: object) -> None:
        elsewhere, here = told(*command)
        assert elsewhere == here

    same("info")
    same("index", pictures)
    (pictures / "coffee.jpg").write_bytes(b"\xff\xd8\xff broken")
    (pictures / "cell.jpg").rename(pictures / "moved.jpg")
    (pictures / "coins.jpg").unlink()
    same("index", pictures)
    same("info", "--failures")
    same("remove", pictures / "moved.jpg", "--yes")
    same("search", "--where", "size > 0", "--paths")
    same("doctor")
    assert [code for code, _ in told("optimize")] == [0, 0]
    same("duplicates")


# Python


@pytest.mark.parametrize(
    ("what", "more"),
    [
        (["chelsea.jpg"], {}),
        (["coffee.jpg"], {"include_self": True, "encoder": "colour"}),
        (["chelsea.jpg", "moon.jpg"], {"where": "colour = 'red' or year < 2003"}),
        (["chelsea.jpg"], {"region": (0.0, 0.0, 0.5, 1.0), "diverse": 0.5}),
        ([], {"text": "an animal"}),
        ([], {"text": "coins of 2005"}),
        ([], {"text": "a cat", "where": "year between 2001 and 2008"}),
        ([], {"where": "colour in ('grey', 'brown') and name like '%O%'"}),
        ([], {"where": "not (note like '%of 200_' and year != 2004) or tag = 'cat'"}),
    ],
    ids=str,
)
def test_python_answers_the_same(
    both: tuple[Library, Library], twins: Twins, what: list[str], more: dict[str, Any]
) -> None:
    elsewhere, here = both
    several = [twins.pictures / name for name in what]
    found, expected = (library.search(*several, k=K, **more) for library in (elsewhere, here))
    assert expected
    assert_same(found, expected)


def test_all_that_was_written_is_the_same(both: tuple[Library, Library]) -> None:
    elsewhere, here = both
    assert len(elsewhere) == len(here) == 10
    assert {a.uri for a in elsewhere.store.assets()} == {a.uri for a in here.store.assets()}
    assert elsewhere.facets("tag", "year > 2003") == here.facets("tag", "year > 2003")
    for space in here.store.cards():
        mine = {row.origin.key + uri: row.vector for uri, row in _rows(elsewhere, space)}
        theirs = {row.origin.key + uri: row.vector for uri, row in _rows(here, space)}
        assert mine.keys() == theirs.keys()
        for name, vector in mine.items():
            np.testing.assert_allclose(vector, theirs[name], atol=1e-6)


def _rows(library: Library, space: str) -> Iterator[tuple[str, Any]]:
    uris = {asset.id: asset.uri for asset in library.store.assets()}
    return ((uris[row.asset_id], row) for row in library.store.each_row(space))


def test_a_library_that_is_read_is_never_made(address: str) -> None:
    with pytest.raises(LibraryMissing, match="findalike index"):
        findalike.open(address, "r")
    with pytest.raises(LibraryMissing):
        findalike.open(address, "r")


def test_persons_are_kept_named_and_searched_for(address: str) -> None:
    groups = {"a": [0, 1], "b": [1, 0], "c": [0, 2], "d": [1]}
    with findalike.open(address) as library, findalike.open(":memory:") as oracle:
        for each in (library, oracle):
            put(each, groups)
            each.people.name(1, "Anna")
        assert library.people.all() == oracle.people.all()
        assert [hit.asset.id for hit in library.search(where="tag = 'Anna'")] == ["a", "b", "c"]
    with findalike.open(address, "r") as again:
        assert {p.name for p in again.people.all()} >= {"Anna"}


def test_what_a_server_keeps_is_not_said_to_be_forgotten(address: str) -> None:
    """Nothing is half done: all is there, and can be written."""
    with findalike.open(address) as library:
        put(library, {"a": [0, 1], "b": [1, 0]})
        before = library.people.all()
        with pytest.raises(Unsupported, match="keep such pictures in a library"):
            library.people.forget(1)
        assert library.people.all() == before
        assert library.people.name(1, "Anna").name == "Anna"


def test_what_was_learned_moves_with_the_library(
    address: str, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Learned files lie on the server: another machine, with a folder of its own, finds them there."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "one"))
    query = album / "chelsea.jpg"
    with findalike.open(address) as library:
        library.add(album)
        (card,) = library.learn_whitening(dim=4, name="own").cards
        before = library.search(query, encoder=card.space, k=5)
        assert any(name.startswith("learned/") for name in library.store.sidecars.names())
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "other"))
    with findalike.open(address, "r") as again:
        assert_same(again.search(query, encoder=card.space, k=5), before)


# The server


@ON_SERVER
def test_the_api_and_the_page_serve_it(twins: Twins) -> None:
    with findalike.open(twins.folder / "library", "r") as here, serving(twins.milvus, mode="r") as served:
        client = served.client()
        page = client.get("/")
        assert page.status_code == 200
        assert "<title>" in page.text
        for query, asked in (
            ({"terms": [{"text": "a cat"}], "limit": K}, {"text": "a cat"}),
            ({"where": "year < 2005", "limit": K}, {"where": "year < 2005"}),
        ):
            answer = client.post("/v1/search", json=query)
            assert answer.status_code == 200, answer.text
            expected = here.search(k=K, **asked)
            assert [hit["path"] for hit in answer.json()["hits"]] == [hit.asset.uri for hit in expected]
            scores = [hit["score"] for hit in answer.json()["hits"]]
            assert scores == pytest.approx([hit.score for hit in expected], abs=APART)
        one = answer.json()["hits"][0]["id"]
        thumbnail = client.get(f"/v1/assets/{one}/thumbnail")
        assert (thumbnail.status_code, thumbnail.content[:2]) == (200, b"\xff\xd8")
