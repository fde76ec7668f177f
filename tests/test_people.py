"""Persons: grouped by hand-made vectors, named, merged, split, taken back, searched for and shown."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.cluster.hierarchy import fcluster, linkage

import findalike
from findalike.errors import LibraryMismatch, QueryError, UsageError
from findalike.library import Library
from findalike.people import Person, album, grouping, tags
from findalike.people.album import Album
from findalike.present.face_sheet import Framed, Strip, draw_framed, draw_strips
from findalike.query import Query, Term, from_json, to_json
from findalike.store.base import Batch
from findalike.tagging import Vocabulary
from persons import BOXES, SPACE, crop, put

DATA = Path(__file__).parents[2] / "shared/data/faces"
ANNA, BOB, CARL, DORA = range(4)
GROUPS = {"a": [ANNA, BOB], "b": [BOB, ANNA], "c": [ANNA, CARL], "d": [BOB]}


@pytest.fixture(params=["memory", "lance"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    path = ":memory:" if request.param == "memory" else tmp_path / "library"
    with findalike.open(path) as opened:
        yield opened


@pytest.fixture
def known(library: Library) -> Library:
    """Person 1 is in a, b, c; person 2 in a, b, d; Carl's one face is nobody's."""
    put(library, GROUPS)
    assert [set(p.faces) for p in library.people.all()] == [of(ANNA), of(BOB)]
    return library


def of(person: int, pictures: Mapping[str, list[int]] = GROUPS) -> set[str]:
    """The ids of a person's faces, by what was put."""
    keys = [f"face-{'-'.join(f'{round(side * 1000):04d}' for side in box)}" for box in BOXES]
    return {f"{n}:{keys[i]}" for n, people in pictures.items() for i, p in enumerate(people) if p == person}


def tagged(library: Library, name: str) -> set[str]:
    return {hit.asset.id for hit in library.search(where=f"tag = '{name}'")}


def shown(library: Library) -> dict[int, tuple[str, frozenset[str]]]:
    return {p.number: (p.name, frozenset(p.faces)) for p in library.people.all()}


# --- grouping


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_groups_are_those_of_complete_linkage(seed: int) -> None:
    """Against scipy, whose linkage looks at all pairs; no mean is above 1."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((12, 16))
    vectors = unit(np.repeat(centres, 6, axis=0) + rng.standard_normal((72, 16)) * 0.7)
    for least in (0.4, 0.6, 0.8):
        tree = linkage(1 - np.clip(vectors @ vectors.T, -1, 1)[np.triu_indices(72, 1)], "complete")
        expected = fcluster(tree, 1 - least, "distance")
        near = grouping.edges(vectors, -1.0, 72)
        groups = grouping.grouped(vectors, near, grouping.Least(least, 1.1), range(72))
        assert {frozenset(group) for group in groups} == {
            frozenset(np.flatnonzero(expected == number).tolist()) for number in set(expected)
        }


def test_pieces_of_a_person_join_by_their_mean() -> None:
    """Two pairs whose least alike faces are at .8, and the mean of all at .875, hand-made in the plane."""
    angles = np.arccos([1.0, 0.995, 0.88, 0.83])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    between = vectors[:2] @ vectors[2:].T
    near = grouping.edges(vectors, -1.0, 4)
    for least, groups in ((between.mean() - 0.01, 1), (between.mean() + 0.01, 2)):
        asked = grouping.Least(0.97, float(least))
        assert len(grouping.grouped(vectors, near, asked, range(4))) == groups
    alone = grouping.Least(0.97, float(between[:, 1].min()) - 0.01)
    kept = grouping.grouped(vectors[[0, 3]], grouping.edges(vectors[[0, 3]], -1.0, 2), alone, range(2))
    assert len(kept) == 2  # one face each: no mean speaks for them


@pytest.mark.parametrize("since", [0, 30, 55])
def test_neighbours_are_those_of_all_pairs(since: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "_AT_ONCE", 16)
    vectors = unit(np.random.default_rng(1).standard_normal((60, 8)))
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -np.inf)
    expected = {
        (min(one, int(other)), max(one, int(other)))
        for one in range(since, 60)
        for other in np.argsort(-alike[one])[:5]
        if alike[one, other] >= 0.3
    }
    found = grouping.edges(vectors, 0.3, 5, since)
    assert {(edge.one, edge.other) for edge in found} == expected
    for edge in found:
        assert edge.similarity == pytest.approx(alike[edge.one, edge.other], abs=1e-6)


def test_two_faces_of_one_picture_are_never_one_person(library: Library) -> None:
    put(library, {"twins": [ANNA, ANNA], "one": [ANNA]})
    (person,) = library.people.all()
    assert len(person.faces) == 2
    assert len({row.rpartition(":")[0] for row in person.faces}) == 2


def test_faces_of_a_film_at_other_times_are_one_person(library: Library) -> None:
    put(library, {"film": [ANNA, ANNA, ANNA]}, times={"film": 3.0})
    (person,) = library.people.all()
    assert (len(person.faces), person.pictures) == (3, 1)
    assert [face.time for face in library.people.in_picture("film")] == [3.0, 4.0, 5.0]


def test_small_faces_are_grouped_by_nobody_but_can_be_named(library: Library) -> None:
    rows = put(library, {"a": [ANNA], "b": [ANNA]}, width=100, height=100)
    assert library.people.all() == []
    assert library.people.loose() == sorted(rows)
    assert library.people.place(rows, "Anna").faces == tuple(rows)


def test_a_person_keeps_number_and_name_while_pictures_come(known: Library) -> None:
    known.people.name(2, "Bob")
    put(known, {"e": [BOB, DORA], "f": [DORA], "g": [CARL]})
    after = {p.number: p for p in known.people.all()}
    assert after[2].name == "Bob"
    assert set(after[2].faces) == of(BOB) | of(BOB, {"e": [BOB, DORA]})
    assert set(after[1].faces) == of(ANNA)
    assert {len(after[n].faces) for n in (3, 4)} == {2}
    known.people.refresh()
    assert tagged(known, "Bob") == {"a", "b", "d", "e"}


def test_settled_persons_never_join_by_themselves(known: Library) -> None:
    (one, *rest) = sorted(of(ANNA))
    known.people.split(1, [one])
    put(known, {"e": [ANNA], "f": [ANNA]})
    persons = known.people.all()
    assert all({one} != set(p.faces) & of(ANNA) or not set(p.faces) & set(rest) for p in persons)
    assert sum(1 for p in persons if set(p.faces) & of(ANNA)) == 2


# --- what people say


def test_names_are_tags_and_stay_in_step(known: Library) -> None:
    assert known.people.name(1, "Anna").label == "Anna (1)"
    assert tagged(known, "anna") == {"a", "b", "c"}
    assert known.facets("tag") == [("Anna", 3)]
    assert {hit.asset.id for hit in known.search(text="Anna", k=3, min_score=0.3)} == {"a", "b", "c"}
    known.people.name("ANNA", "Zoë Müller")
    assert tagged(known, "Anna") == set()
    assert tagged(known, "zoë müller") == {"a", "b", "c"}
    assert [concept.name for concept in known.store.banks()["people"].concepts] == ["Zoë Müller"]
    known.people.name(1, "")
    assert known.facets("tag") == []
    assert "people" not in known.store.banks()


def test_a_label_of_the_same_word_stays(known: Library) -> None:
    known.edit(["a"], add=["anna"])
    known.people.name(1, "Anna")
    known.people.name(1, "Zoe")
    assert tagged(known, "anna") == {"a"}
    known.edit(["a"], remove=["anna"])
    assert tagged(known, "anna") == set()
    assert tagged(known, "zoe") == {"a", "b", "c"}


def test_no_vocabulary_takes_the_place_of_names(known: Library) -> None:
    known.people.name(1, "Anna")
    with pytest.raises(UsageError, match="findalike's own"):
        known.untag("people")
    with pytest.raises(UsageError, match="findalike's own"):
        Vocabulary.of(["dog"], "people")
    assert tagged(known, "Anna") == {"a", "b", "c"}


@pytest.mark.parametrize("bad", [" ", " Anna", "Anna ", "12", "a\nb", "x" * 101, "id:3", "\u202eanna"])
def test_what_is_no_name_is_refused(known: Library, bad: str) -> None:
    before = shown(known)
    with pytest.raises(UsageError, match="is no name"):
        known.people.name(1, bad)
    with pytest.raises(UsageError, match="is no name"):
        known.people.place(sorted(of(CARL)), bad)
    assert shown(known) == before


def test_a_name_that_another_has_asks_for_a_merge(known: Library) -> None:
    known.people.name(1, "Anna")
    with pytest.raises(UsageError, match=r"people merge 1 2"):
        known.people.name(2, "ANNA")
    assert known.people.name(1, "anna").name == "anna"
    known.people.merge(2, "anna")
    assert shown(known) == {2: ("anna", frozenset(of(ANNA) | of(BOB)))}
    assert tagged(known, "anna") == {"a", "b", "c", "d"}
    for wrong in (1, 7, "nobody", "0"):
        with pytest.raises(UsageError, match="nobody is"):
            known.people.get(wrong)
    with pytest.raises(UsageError, match="nobody to merge"):
        known.people.merge(2, "Anna")


def test_a_face_that_is_not_a_person_never_comes_back(known: Library) -> None:
    wrong = sorted(of(ANNA))[0]
    known.people.name(1, "Anna")
    known.people.bar(1, [wrong])
    assert tagged(known, "Anna") == {"b", "c"}
    put(known, {"e": [ANNA], "f": [ANNA]})
    assert set(known.people.get("Anna").faces) == (of(ANNA) - {wrong}) | of(ANNA, {"e": [ANNA], "f": [ANNA]})
    known.people.merge(2, "Anna")
    put(known, {"g": [ANNA]})
    assert wrong not in known.people.get("Anna").faces


def test_it_is_remembered_when_its_picture_is_indexed_again(known: Library) -> None:
    """The file changed, and the faces were found a little to the right."""
    known.people.name(1, "Anna")
    wrong = next(row for row in of(ANNA) if row.startswith("a:"))
    known.people.bar(1, [wrong])
    moved = [(left + 0.01, top, right + 0.01, bottom) for left, top, right, bottom in BOXES]
    rows = put(known, {"a": [ANNA, BOB]}, boxes=moved, changed=["a"])
    assert wrong not in rows
    assert set(known.people.get("Anna").faces) == of(ANNA) - {wrong}
    assert rows[1] in known.people.get(2).faces
    put(known, {"h": [ANNA]})
    assert rows[0] not in known.people.get("Anna").faces


def test_faces_leave_with_their_pictures(known: Library) -> None:
    known.people.name(1, "Anna")
    known.people.name(2, "Bob")
    known.remove("id:a", "id:b")
    gone = {row for row in of(ANNA) | of(BOB) if row[0] in "ab"}
    assert shown(known) == {1: ("Anna", frozenset(of(ANNA) - gone)), 2: ("Bob", frozenset(of(BOB) - gone))}
    known.remove("id:c")
    assert [p.name for p in known.people.all()] == ["Bob"]
    assert known.facets("tag") == [("Bob", 1)]


def test_a_split_parts_those_that_are_less_alike(library: Library) -> None:
    rows = put(library, {name: [ANNA if name < "d" else BOB] for name in "abcdef"})
    library.people.merge(1, 2)
    one, other = library.people.split(1)
    assert (one.number, other.number) == (1, 3)
    assert {frozenset(one.faces), frozenset(other.faces)} == {frozenset(rows[:3]), frozenset(rows[3:])}
    with pytest.raises(UsageError, match="some of the 3 faces"):
        library.people.split(1, one.faces)
    with pytest.raises(UsageError, match="is no face of"):
        library.people.split(1, other.faces)


def test_a_face_is_placed_by_a_click(known: Library) -> None:
    (loose,) = of(CARL)
    carl = known.people.place([loose], "Carl")
    assert (carl.number, carl.faces) == (3, (loose,))
    taken = sorted(of(BOB))[0]
    assert set(known.people.place([taken], "carl").faces) == {loose, taken}
    assert taken not in known.people.get(2).faces
    with pytest.raises(UsageError, match="has no face nobody:"):
        known.people.place(["nobody:face-0000-0000-0100-0100"], "Carl")
    assert known.people.undo() == "place 1 in Carl (3)"
    assert known.people.undo() == "place 1 in Carl (3)"
    assert shown(known) == {1: ("", frozenset(of(ANNA))), 2: ("", frozenset(of(BOB)))}


def test_there_is_an_end_to_what_is_taken_back(known: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(album, "MOST_STEPS", 4)
    with pytest.raises(UsageError, match="nothing was said"):
        known.people.undo()
    for number in range(7):
        known.people.name(1, f"name {number}")
    for _ in range(4):
        known.people.undo()
    assert known.people.get(1).name == "name 2"
    with pytest.raises(UsageError, match="nothing was said"):
        known.people.undo()


FACES = [f"a{n}:face-0100-0100-0200-0200" for n in range(8)]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["name", "place", "merge", "split", "bar"]),
        st.integers(1, 6),
        st.lists(st.sampled_from(FACES), min_size=1, max_size=4, unique=True),
        st.sampled_from(["Anna", "Bob", "anna", "Carl"]),
    ),
    max_size=12,
)


def start() -> Album:
    persons = (Person(1, "", tuple(FACES[:3])), Person(2, "Bob", tuple(FACES[3:6]), settled=True))
    return Album({p.number: p for p in persons}, 2)


def said(before: Album, change: tuple[str, int, list[str], str]) -> Album:
    what, number, faces, name = change
    person = before.persons.get(number)
    if what == "place":
        return album.place(before, faces, name)
    if person is None:
        raise UsageError("nobody")
    if what == "name":
        return album.name(before, person, name)
    if what == "bar":
        return album.bar(before, person, faces)
    if what == "split":
        return album.split(before, person, [faces])
    return album.merge(before, person, *(p for n, p in before.persons.items() if n > number))


@given(CHANGES)
@settings(max_examples=150, deadline=None)
def test_all_that_was_said_can_be_taken_back(changes: list[tuple[str, int, list[str], str]]) -> None:
    """In the order in which it was said, and every album on the way is sound: a face is one person's at
    most, none is barred from the person it is of, and names are had once."""
    albums = [start()]
    for change in changes:
        try:
            albums.append(said(albums[-1], change))
        except UsageError:
            continue
        now = albums[-1]
        assert max(Counter(f for p in now.persons.values() for f in p.faces).values(), default=1) == 1
        assert all(p.barred.isdisjoint(p.faces) for p in now.persons.values())
        names = [p.name.casefold() for p in now.persons.values() if p.name]
        assert len(names) == len(set(names))
    now = albums[-1]
    for before in reversed(albums[:-1]):
        now, _ = album.undo(now)
        assert now.persons == before.persons


@pytest.mark.parametrize("where", ["first", "second"])
def test_a_run_that_is_killed_is_mended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    with findalike.open(tmp_path / "library") as library:
        put(library, GROUPS)
        library.people.name(1, "Anna")
        with monkeypatch.context() as patch:
            kill = KeyboardInterrupt("killed")
            if where == "first":
                patch.setattr(tags, "_put", lambda *_: (_ for _ in ()).throw(kill))
            else:
                patch.setattr(tags, "_renew", lambda *_: (_ for _ in ()).throw(kill))
            with pytest.raises(KeyboardInterrupt):
                library.people.name(1, "Zoe")
    with findalike.open(tmp_path / "library") as library:
        library.people.refresh()
        assert library.people.get(1).name == "Zoe"
        assert (tagged(library, "Anna"), tagged(library, "Zoe")) == (set(), {"a", "b", "c"})


def test_what_is_said_is_there_when_the_library_is_opened_again(tmp_path: Path) -> None:
    with findalike.open(tmp_path / "library") as library:
        put(library, GROUPS)
        library.people.name(1, "Anna")
        library.people.bar(2, sorted(of(BOB))[:1])
        before = shown(library)
    with findalike.open(tmp_path / "library", "r") as library:
        assert shown(library) == before
        with pytest.raises(UsageError, match="open for reading"):
            library.people.name(1, "Zoe")
    with findalike.open(tmp_path / "library") as library:
        assert library.people.undo() == "take 1 out of person 2"


def test_a_library_without_faces_says_how_to_get_them(library: Library) -> None:
    library.store.write(Batch())
    assert library.people.all() == [] == library.people.loose()
    with pytest.raises(UsageError, match="findalike index --faces"):
        library.people.undo()


# --- searching


def test_faces_are_numbered_from_left_to_right(known: Library) -> None:
    rows = put(known, {"x": [CARL, DORA, ANNA]}, boxes=[BOXES[2], BOXES[0], BOXES[1]])
    assert [f.id for f in known.people.in_picture("x")] == [rows[1], rows[2], rows[0]]
    assert [f.number for f in known.faces("id:x")] == [1, 2, 3]
    assert known.faces("id:x")[1].person == 1
    assert known.people.crop(rows[0]) == crop("x", 0)
    assert known.people.crop("x:face-9999-0000-0100-0100") is None


def test_a_search_by_one_face_finds_that_person(known: Library) -> None:
    hits = known.search("id:a", face=1, k=2)
    assert {hit.asset.id for hit in hits} == {"b", "c"}
    assert {f"{hit.asset.id}:{hit.origin.key}" for hit in hits} < of(ANNA)
    assert {hit.asset.id for hit in known.search("id:a", face=2, k=2)} == {"b", "d"}
    record = next(r for r in hits.to_dicts() if r["asset"] == "b")
    assert (record["part"], record["box"], record["space"]) == ("face", list(BOXES[1]), SPACE)
    assert {hit.asset.id for hit in known.search("id:d", encoder="faces", k=2)} == {"a", "b"}
    both = known.search(Term("a", "asset", face=1), Term("a", "asset", face=2, weight=-1.0), k=4)
    assert {hit.asset.id for hit in list(both)[:2]} == {"b", "c"}


def test_a_region_picks_the_face_in_it(known: Library) -> None:
    region = (0.45, 0.05, 0.75, 0.5)
    assert {h.asset.id for h in known.search("id:a", encoder="faces", region=region, k=2)} == {"b", "d"}
    with pytest.raises(QueryError, match="no face of id:a lies in that region"):
        known.search("id:a", encoder="faces", region=(0.0, 0.8, 0.2, 1.0))


def test_what_cannot_be_meant_is_said(known: Library) -> None:
    put(known, {"empty": []})
    with pytest.raises(QueryError, match=r"2 faces were found in id:a; choose one with --face N.*--sheet"):
        known.search("id:a", encoder="faces")
    with pytest.raises(QueryError, match="id:a has no face 3: 2 faces were found"):
        known.search("id:a", face=3)
    with pytest.raises(QueryError, match="no face was found in id:empty"):
        known.search("id:empty", face=1)
    for wrong in (0, -1, True, 1.5):
        with pytest.raises(QueryError, match="face is"):
            Term("a", "asset", face=wrong)
    with pytest.raises(QueryError, match="both say what counts"):
        Term("a", "asset", face=1, box=(0, 0, 1, 1))
    with pytest.raises(QueryError, match="a text shows none"):
        Term("dog", "text", face=1)


def test_a_library_without_faces_refuses_to_search_by_one(shelf: Library, album: Path) -> None:
    with pytest.raises(LibraryMismatch, match="findalike index --faces"):
        shelf.search(album / "astronaut.jpg", face=1)


def test_a_query_by_face_goes_through_json() -> None:
    query = Query((Term("a", "asset", face=2), Term("dog.jpg")))
    written = to_json(query)
    assert written["terms"][0]["face"] == 2
    assert "face" not in written["terms"][1]
    assert from_json(json.loads(json.dumps(written))) == query
    assert hash(Term("a", "asset", face=2)) != hash(Term("a", "asset", face=1))


def test_hits_of_films_name_the_time(library: Library) -> None:
    put(library, {"film": [BOB, ANNA]}, times={"film": 12.0})
    put(library, {"a": [ANNA]})
    (hit, *_) = library.search("id:a", face=1, k=1)
    assert (hit.asset.id, hit.origin.time, hit.origin.part, hit.origin.box) == (
        "film",
        13.0,
        "face",
        BOXES[1],
    )


# --- sheets


def test_frames_and_rows_are_drawn_where_they_belong() -> None:
    pixels = np.zeros((600, 800, 3), np.uint8)
    drawn = np.asarray(draw_framed(pixels, [Framed((0.25, 0.25, 0.5, 0.5), "1 Anna")]))
    assert drawn.shape == pixels.shape
    blue = (drawn == (37, 99, 235)).all(axis=2)
    down, across = np.nonzero(blue[160:])
    assert (across.min(), across.max()) == pytest.approx((200, 400), abs=3)
    assert down.max() + 160 == pytest.approx(300, abs=3)
    red = io_jpeg((200, 0, 0))
    sheet = np.asarray(draw_strips([Strip("1 Anna", [("a", red), ("b", None)]), Strip("2", [])]))
    assert ((sheet[:, :, 0] > 180) & (sheet[:, :, 1] < 40)).sum() == pytest.approx(112 * 112, rel=0.02)


def io_jpeg(colour: tuple[int, int, int]) -> bytes:
    out = BytesIO()
    Image.new("RGB", (112, 112), colour).save(out, "JPEG", quality=95)
    return out.getvalue()


# --- the command line


def test_the_commands_say_what_they_did(tmp_path: Path, cli) -> None:
    path = tmp_path / "library"
    with findalike.open(path) as library:
        put(library, GROUPS)
        for name in GROUPS:
            data = {f.id.rpartition(":")[2]: io_jpeg((9, 9, 9)) for f in library.people.in_picture(name)}
            library.store.write(Batch(attachments={name: data}))
    assert cli("people", library=path).stdout.split() == ["1", "unnamed", "3", "3", "2", "unnamed", "3", "3"]
    assert cli("people", "name", "1", "Anna", library=path).stdout == "1\tAnna\t3 faces in 3 pictures\n"
    listed = json.loads(cli("people", "--json", library=path).stdout)
    assert listed[0] == {"number": 1, "name": "Anna", "faces": 3, "pictures": 3}
    seen = json.loads(cli("people", "show", "anna", "--json", library=path).stdout)
    assert {f["path"] for f in seen["faces"]} == {"/p/a.jpg", "/p/b.jpg", "/p/c.jpg"}
    assert cli("people", "not", "Anna", "2", library=path).stdout == "1\tAnna\t2 faces in 2 pictures\n"
    assert cli("people", "not", "Anna", "9", library=path).returncode == 2
    assert cli("people", "undo", library=path).stdout == "Taken back: take 1 out of Anna (1)\n"
    merged = cli("people", "merge", "2", "anna", library=path)
    assert merged.stdout == "2\tAnna\t6 faces in 4 pictures\n"
    assert len(cli("people", "split", "2", library=path).stdout.splitlines()) == 2
    for args in (["sheet", tmp_path / "all.png"], ["show", "2", "--sheet", tmp_path / "two.png"]):
        assert cli("people", *args, library=path).returncode == 0
    assert Image.open(tmp_path / "all.png").width == Image.open(tmp_path / "two.png").width > 1000
    faces = cli("faces", "id:a", library=path).stdout.splitlines()
    assert [line.split("\t")[0] for line in faces] == ["1", "2"]
    found = cli("search", "id:a", "--face", "1", "-k", "2", "--json", library=path)
    assert {hit["asset"] for hit in json.loads(found.stdout)} == {"b", "c"}
    several = cli("search", "id:a", "-e", "faces", library=path)
    assert several.returncode == 2
    assert "findalike faces id:a --sheet faces.png" in several.stderr


# --- real faces


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"the picture set {DATA} is not there")
def test_persons_of_the_marked_set_are_found(tmp_path: Path) -> None:
    """40 persons, 4 pictures each: of the pairs that are grouped, nearly all are of one person, and of those
    that belong together most are grouped."""
    if find_spec("mtcnn") is None:
        pytest.skip("pip install 'findalike[faces]'")
    with (DATA / "labels.csv").open(encoding="utf-8") as file:
        person_of = {row["path"]: row["person"] for row in csv.DictReader(file)}
    chosen = sorted(set(person_of.values()))[::3][:40]
    for name, person in person_of.items():
        if person in chosen:
            (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "in" / name).symlink_to(DATA / name)
    with findalike.open(tmp_path / "library") as library:
        library.add(*(str(p) for p in (tmp_path / "in").rglob("*.jpg")), faces=True)
        uris = {a.id: a.uri for a in library.store.assets()}
        groups = [
            [Path(uris[f.rpartition(":")[0]]).parent.name for f in p.faces] for p in library.people.all()
        ]
    pairs = [(a, b) for group in groups for n, a in enumerate(group) for b in group[:n]]
    right = sum(a == b for a, b in pairs)
    assert right / len(pairs) >= 0.95
    assert right / (6 * len(chosen)) >= 0.85
