"""Nothing is left of who is forgotten: by a search of every byte of the test's own, with its control."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import findalike
from findalike.errors import UsageError
from findalike.library import Library
from findalike.people import forgetting
from findalike.store.base import Batch
from findalike.types import Card, Origin, Row
from persons import CARD, SPACE, crop, face, put

ANNA, BOB, CARL = range(3)
GROUPS = {"a": [ANNA, BOB], "b": [BOB, ANNA], "c": [ANNA, CARL], "d": [BOB]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "library"


@pytest.fixture
def library(path: Path) -> Iterator[Library]:
    """Anna, who was Anni and for a while had a face of Bob's, and Bob, in a library of several versions."""
    with findalike.open(path) as opened:
        put(opened, GROUPS)
        opened.people.name(1, "Anni Zorblwyn")
        opened.people.name(1, "Anna Quxwell")
        opened.people.name(2, "Bob")
        opened.people.bar("Bob", [opened.people.faces("Anna Quxwell")[0].id])
        opened.people.merge("Bob", "Anna Quxwell")
        opened.people.undo()
        opened.optimize()
        yield opened


@pytest.fixture(params=["memory", "lance"])
def either(request: pytest.FixtureRequest, path: Path) -> Iterator[Library]:
    with findalike.open(":memory:" if request.param == "memory" else path) as opened:
        put(opened, GROUPS)
        opened.people.name(1, "Anna")
        yield opened


def traces(folder: Path, needle: bytes) -> list[str]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return [str(p.relative_to(folder)) for p in files if needle.lower() in p.read_bytes().lower()]


def vectors(library: Library, who: str) -> list[bytes]:
    ids = {f.id for f in library.people.faces(who)}
    rows = library.store.rows(SPACE, {i.rpartition(":")[0] for i in ids})
    return [row.vector.tobytes() for row in rows if row.id in ids]


def test_no_byte_is_left_where_there_were_some(library: Library, path: Path) -> None:
    gone, stay = vectors(library, "Anna Quxwell"), vectors(library, "Bob")
    rows = [f.id for f in library.people.faces("Anna Quxwell")]
    crops = [crop("a", 0), crop("b", 1), crop("c", 0)]
    needles = [*gone, *crops, b"Quxwell", b"Zorblwyn", *(row.encode() for row in rows)]
    assert all(traces(path, needle) for needle in needles)  # it would be found
    assert all(traces(path, needle) for needle in stay)
    done = library.people.forget("anna quxwell")
    assert [traces(path, needle) for needle in needles] == [[]] * len(needles)
    assert all(traces(path, needle) for needle in stay)
    assert (done.faces, done.crops, done.pictures, done.looked_for) == (3, 3, 3, 6)
    assert (done.before.vectors, done.before.crops) == (3, 3)
    assert done.before.names > 0
    assert (done.after, done.read) == (forgetting.Traces(0, 0, 0, ()), forgetting.Traces(0, 0, 0, ()))
    assert (done.control, done.left, done.elsewhere, done.proved) == (True, 0, 0, True)


def test_nobody_else_is_touched(library: Library) -> None:
    others = {row.id: row.vector.tobytes() for row in library.store.each_row(SPACE)}
    gone = {f.id for f in library.people.faces("Anna Quxwell")}
    bob = library.people.get("Bob")
    library.people.forget("Anna Quxwell")
    assert {row.id: row.vector.tobytes() for row in library.store.each_row(SPACE)} == {
        row: vector for row, vector in others.items() if row not in gone
    }
    after = library.people.get("Bob")
    assert (after.number, after.faces) == (bob.number, bob.faces)
    assert {hit.asset.id for hit in library.search(where="tag = 'bob'")} == {"a", "b", "d"}
    assert library.facets("tag") == [("Bob", 3)]
    assert set(library.store.attachments("a")) == {SPACE, library.people.faces("Bob")[0].id.partition(":")[2]}
    assert library.store.thumbnails(["a"]) == {"a": b"thumbnail"}
    assert [p.kind for p in library.check()] == ["missing files"]


def test_what_remembers_of_changes_goes_too(library: Library) -> None:
    library.people.forget("Anna Quxwell")
    with pytest.raises(UsageError, match="nobody is"):
        library.people.get("Anna Quxwell")
    while True:
        try:
            library.people.undo()
        except UsageError:
            break
        assert {p.number for p in library.people.all()} == {2}
    assert library.people.get(2).name in ("", "Bob")


def test_a_library_in_memory_forgets_as_well(either: Library) -> None:
    done = either.people.forget(1)
    assert done.proved
    assert (done.before.vectors, done.before.crops, done.after.vectors, done.after.crops) == (3, 3, 0, 0)
    assert [p.number for p in either.people.all()] == [2]
    done = either.people.forget_all()
    assert done.proved
    assert done.control is None
    assert SPACE not in either.store.cards()
    assert list(either.store.attachment_names()) == []
    assert either.people.all() == []
    assert "people" not in either.store.banks()


def test_the_same_face_in_another_space_of_faces_goes_too(library: Library, path: Path) -> None:
    other = another()
    library.store.add_card(other)
    vector = np.eye(1, 64, dtype=np.float32)[0]
    near = Origin("a", "face", (0.11, 0.1, 0.3, 0.4))
    far = Origin("a", "face", (0.5, 0.1, 0.7, 0.4))
    rows = [Row(f"a:{o.key}", o, np.roll(vector, n)) for n, o in enumerate((near, far))]
    library.store.write(Batch(rows={other.space: rows}))
    assert traces(path, rows[0].vector.tobytes())
    library.people.forget("Anna Quxwell")
    assert library.store.row_ids(other.space) == {rows[1].id}
    assert traces(path, rows[0].vector.tobytes()) == []
    assert traces(path, rows[1].vector.tobytes())


def another() -> findalike.types.Card:
    return Card("faces:onnx:mine", "1", 64)


def test_a_name_in_a_path_is_yours_and_is_told(path: Path) -> None:
    with findalike.open(path) as library:
        put(library, {"anna-1": [ANNA], "anna-2": [ANNA]})
        library.people.name(1, "anna")
        done = library.people.forget("anna")
        assert (done.elsewhere, done.proved) == (2, True)
        assert done.after.names > 0
        assert (done.after.vectors, done.after.crops) == (0, 0)


def test_the_proof_fails_where_something_is_left(library: Library, path: Path, cli) -> None:
    (path / "stray").write_bytes(b"before" + vectors(library, "Anna Quxwell")[0] + b"after")
    library.close()
    done = cli("forget", "Anna Quxwell", "--yes", library=path)
    assert done.returncode == 1
    assert "Something is LEFT, in: stray" in done.stdout


def test_all_faces_go_and_are_not_looked_for_again(path: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "in" / "x.png")
    with findalike.open(path) as library:
        put(library, GROUPS)
        library.people.name(1, "Quxwell")
        needles = [b"Quxwell", b"face-0", *vectors(library, "1"), *vectors(library, "2"), crop("a", 0)]
        assert all(traces(path, needle) for needle in needles)
        assert library.people.forget_all().proved
        assert [traces(path, needle) for needle in needles] == [[]] * len(needles)
        library.add(tmp_path / "in")
        assert not [space for space in library.store.cards() if space.startswith("faces")]
        assert library.people.all() == []


def test_what_was_forgotten_is_not_looked_into_again(library: Library) -> None:
    """The mark stays that a picture was looked into, with nothing about a face."""
    library.people.forget("Anna Quxwell")
    assert library.store.attached(SPACE) == set(GROUPS)
    assert library.store.attachments("c")[SPACE] == b""


STAGES = ["remove_rows", "remove_attachments", "put_evidence", "purge"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_that_is_killed_is_finished_by_the_next(
    library: Library, path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    needles = [*vectors(library, "Anna Quxwell"), crop("a", 0), b"Quxwell", b"Zorblwyn"]
    killed = KeyboardInterrupt("killed")

    def kill(*_: object, **__: object) -> None:
        raise killed

    with monkeypatch.context() as patch:
        patch.setattr(library.store, stage, kill)
        with pytest.raises(KeyboardInterrupt):
            library.people.forget("Anna Quxwell")
    assert (path / forgetting.NAME).exists()
    library.close()
    with findalike.open(path) as again:
        again.people.refresh()
        assert [p.label for p in again.people.all()] == ["Bob (2)"]
        assert again.facets("tag") == [("Bob", 3)]
    assert [traces(path, needle) for needle in needles] == [[]] * len(needles)
    assert not (path / forgetting.NAME).exists()


def test_photographs_are_never_touched(tmp_path: Path, path: Path, cli, album: Path) -> None:
    before = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in album.iterdir()}
    with findalike.open(path) as library:
        library.add(album)
        library.store.add_card(CARD)
        ids = sorted(asset.id for asset in library.store.assets())[:3]
        rows = [
            Row(f"{i}:{o.key}", o, face(ANNA, n))
            for n, i in enumerate(ids)
            for o in [Origin(i, "face", (0.1, 0.1, 0.5, 0.5))]
        ]
        marks = {i: {SPACE: b"", rows[n].origin.key: crop(i, 0)} for n, i in enumerate(ids)}
        library.store.write(Batch(rows={SPACE: rows}, attachments=marks))
    assert cli("people", "name", "1", "Anna", library=path).returncode == 0
    asked = cli("forget", "Anna", library=path)
    assert asked.returncode == 2
    assert "add --yes" in asked.stderr
    assert cli("forget", library=path).returncode == 2
    done = cli("forget", "Anna", "--yes", "--json", library=path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["proved"] is True
    told = cli("forget", "--all-faces", "--yes", library=path).stdout
    assert re.search("No photograph was touched", told)
    assert {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in album.iterdir()} == before
    assert cli("search", album / "moon.jpg", "-k", "1", library=path).returncode == 0
