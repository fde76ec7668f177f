"""Search by words and by mixes, on photographs, against plain loops and what anyone would see."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import findalike
from findalike import search
from findalike.errors import QueryError
from findalike.query import Query, Term, from_json, to_json
from findalike.search.space import TESTIMONY
from findalike.search.words import ALSO, FAINT, KIN, Shelf, grown
from findalike.types import Bank, Concept, EvidenceTable


def names(hits) -> list[str]:
    return [Path(hit.asset.uri).stem for hit in hits]


@pytest.fixture(scope="module")
def unnamed(tmp_path_factory: pytest.TempPathFactory, album: Path) -> tuple[Path, dict[str, str]]:
    """A library of the album under numbers for names, so that only pixels tell; and the true names."""
    folder = tmp_path_factory.mktemp("unnamed")
    true = {}
    for number, path in enumerate(sorted(album.iterdir())):
        (folder / f"{number}.jpg").write_bytes(path.read_bytes())
        true[str(number)] = path.stem
    with findalike.open(folder / "library") as library:
        library.add(folder, exclude=["library"])
    return folder / "library", true


@pytest.fixture
def numbered(unnamed):
    path, true = unnamed
    with findalike.open(path, "r") as library:
        yield library, lambda hits: [true[name] for name in names(hits)]


# Words alone


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("cat", "chelsea"),
        ("a cat looks at you", "chelsea"),
        ("pet animal", "chelsea"),
        ("a cup of coffee", "coffee"),
        ("espresso", "coffee"),
        ("drinks", "coffee"),
    ],
)
def test_words_find_what_a_picture_shows(numbered, text: str, first: str) -> None:
    library, true = numbered
    hits = library.search(text=text)
    assert true(hits)[0] == first
    assert hits[0].score >= 0.3
    assert hits[0].band.endswith("match")
    assert len(hits) == 10


def test_what_no_picture_shows_scores_low(numbered) -> None:
    library, _ = numbered
    assert library.search(text="a volcano").nothing_similar
    assert not library.search(text="cat").nothing_similar


def test_scores_of_words_fall(numbered) -> None:
    library, _ = numbered
    for text in ("cat", "a cup on a table", "black and white"):
        scores = [hit.score for hit in library.search(text=text)]
        assert scores == sorted(scores, reverse=True)


def test_black_and_white_and_formats_are_seen_without_a_network(numbered) -> None:
    library, true = numbered
    grey = {"brick", "cell", "coins", "grass", "moon", "page", "text"}
    assert set(true(library.search(text="black and white"))[:7]) == grey
    assert {hit.asset.metadata["width"] for hit in library.search(text="landscape format")} == {192}


def test_each_hit_says_what_the_words_gave(numbered) -> None:
    library, _ = numbered
    best = library.search(text="cat")[0]
    spaces = {reason.space: reason for reason in best.reasons}
    assert spaces["concepts"].similarity > 0.5
    assert spaces["efficientnet-lite0@1-int8"].term == "cat"
    assert best.asset.tags.index("cat") >= 0


def test_a_name_is_found_where_the_pixels_say_nothing(shelf: findalike.Library) -> None:
    hits = shelf.search(text="chelsea")
    assert names(hits)[0] == "chelsea"
    assert any(reason.space == "texts" for reason in hits[0].reasons)


def test_a_name_with_a_typo_is_found_and_said_to_be_so(shelf: findalike.Library) -> None:
    hits = shelf.search(text="chelsae")
    assert names(hits)[0] == "chelsea"
    assert "'chelsea'" in hits.notes[0]


def test_what_all_names_hold_and_numbers_tell_nothing(shelf: findalike.Library, album: Path) -> None:
    for text in (album.name, "a 9"):
        assert all(reason.space != "texts" for hit in shelf.search(text=text) for reason in hit.reasons)


def test_words_to_look_away_from(numbered) -> None:
    library, true = numbered
    hits = library.search(Term("cat", "text", weight=-1.0))
    assert true(hits)[-1] == "chelsea"
    assert hits[0].score > 0.9 > hits[-1].score
    both = library.search(Term("coffee", "text"), Term("cat", "text", weight=-1.0))
    assert true(both)[0] == "coffee"


# Mixes


def test_a_picture_and_words_add(numbered, album: Path) -> None:
    library, true = numbered
    looks = library.search(album / "brick.jpg", include_self=True)
    mixed = library.search(album / "brick.jpg", text="cat", include_self=True)
    assert true(looks)[0] == "brick"
    assert set(true(mixed)[:2]) == {"brick", "chelsea"}
    assert true(looks).index("chelsea") > 1
    terms = {reason.term for reason in mixed[0].reasons}
    assert terms == {"brick.jpg", "cat"}


def test_weights_decide(numbered, album: Path) -> None:
    library, true = numbered
    brick = Term(str(album / "brick.jpg"))
    cat = Term("cat", "text")
    assert true(library.search(brick, replace(cat, weight=0.05), include_self=True))[0] == "brick"
    assert true(library.search(replace(brick, weight=0.05), cat, include_self=True))[0] == "chelsea"


def test_two_spaces_are_fused(tmp_path: Path, album: Path) -> None:
    with findalike.open(tmp_path / "library") as library:
        library.add(album, encoder=["efficientnet-lite0", "efficientnet-lite2"])
        names_ = ["efficientnet-lite0", "efficientnet-lite2"]
        apart = [{h.asset.id: n for n, h in enumerate(library.search(album / "chelsea.jpg", encoder=e), 1)}
                 for e in names_]  # fmt: skip
        hits = library.search(album / "chelsea.jpg", encoder=names_)
        by_hand = sorted(apart[0], key=lambda i: -sum(1 / (60 + ranks[i]) for ranks in apart))
        values = [sum(1 / (60 + ranks[i]) for ranks in apart) for i in by_hand]
        found = [sum(1 / (60 + ranks[h.asset.id]) for ranks in apart) for h in hits]
        assert found == pytest.approx(values)
        assert {reason.space for reason in hits[0].reasons} == {f"{name}@1-int8" for name in names_}


def test_words_in_a_library_whose_encoder_reads_none(tmp_path: Path, album: Path) -> None:
    with findalike.open(tmp_path / "library") as library:
        library.add(album, encoder="efficientnet-lite2")
        coloured = {"astronaut", "chelsea", "coffee"}
        assert not coloured & set(names(library.search(text="black and white"))[:7])
        assert names(library.search(text="cat"))[0] == "chelsea"


def test_the_same_query_as_json(shelf: findalike.Library, album: Path) -> None:
    query = Query(
        (Term(str(album / "coffee.jpg"), weight=0.5), Term("cat", "text"), Term("moon", "text", weight=-0.3)),
        where="width > 100",
        k=5,
        diverse=0.2,
    )
    again = from_json(json.loads(json.dumps(to_json(query))))
    assert shelf.search(again).to_dicts() == shelf.search(query).to_dicts()


# Pages and diversity


def test_pages_join_to_the_whole(numbered) -> None:
    library, true = numbered
    for query in (Query((Term("a cat on the grass", "text"),), k=10), Query(where="width > 0", k=10)):
        whole = true(library.search(query))
        assert len(whole) == 10
        by_offset = [n for at in (0, 3, 6, 9) for n in true(library.search(replace(query, k=3, offset=at)))]
        assert by_offset == whole
        page, by_cursor = library.search(replace(query, k=4)), []
        while True:
            by_cursor += true(page)
            if page.cursor is None:
                break
            page = library.search(replace(query, k=4, cursor=page.cursor))
        assert by_cursor == whole


def test_pages_join_where_a_page_needs_a_deeper_ranking(numbered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "DEPTHS", (3, 6, 50))
    library, true = numbered
    query = Query((Term("a cat on the grass", "text"), Term("coffee", "text", weight=0.3)), k=10)
    whole = true(library.search(query))
    assert sorted(whole) == sorted(set(whole))
    assert len(whole) == 10
    for size in (1, 2, 4):
        pages = [
            n for at in range(0, 10, size) for n in true(library.search(replace(query, k=size, offset=at)))
        ]
        assert pages == whole


def test_a_cursor_goes_on_after_its_hit_although_pictures_came(tmp_path: Path, album: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    paths = sorted(album.iterdir())
    for path in paths[:8]:
        (folder / path.name).write_bytes(path.read_bytes())
    with findalike.open(tmp_path / "library") as library:
        library.add(folder)
        query = Query((Term(str(paths[8])),), k=3)
        first = library.search(query)
        with Image.open(paths[8]) as image:
            image.resize((190, 140)).save(folder / "new.jpg")
        library.add(folder)
        second = library.search(replace(query, cursor=first.cursor))
        assert names(library.search(query))[0] == "new"
        assert not set(names(first)) & set(names(second))


def test_cursors_that_do_not_fit(numbered) -> None:
    library, _ = numbered
    cursor = library.search(text="cat", k=2).cursor
    with pytest.raises(QueryError, match="belongs to another query"):
        library.search(text="dog", k=2, cursor=cursor)
    for bad in ("!", "e30=", "bm9uZQ=="):
        with pytest.raises(QueryError, match="cursor"):
            library.search(text="cat", cursor=bad)


def test_diverse_hits_differ(tmp_path: Path, photo) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    for quality in (95, 90, 85):
        photo("chelsea").save(folder / f"chelsea-{quality}.jpg", quality=quality)
    photo("coffee").save(folder / "coffee.jpg")
    with findalike.open(tmp_path / "library") as library:
        library.add(folder)
        query = Query((Term(np.asarray(photo("chelsea"))),), k=2)
        assert all(name.startswith("chelsea") for name in names(library.search(query)))
        assert "coffee" in names(library.search(replace(query, diverse=0.7)))


# Focus


def test_a_focus_finds_the_thing(numbered, photo) -> None:
    library, true = numbered
    both = Image.new("RGB", (384, 144))
    both.paste(photo("chelsea"), (0, 0))
    both.paste(photo("coffee"), (192, 0))
    assert true(library.search(both, focus="cat"))[0] == "chelsea"
    assert true(library.search(both, focus="cup"))[0] == "coffee"


def test_an_unknown_focus_names_known_words(numbered, photo) -> None:
    library, _ = numbered
    with pytest.raises(QueryError, match=r"'caat' is nothing that can be told apart.*cat"):
        library.search(photo("chelsea"), focus="caat")
    assert "no elephant is seen" in library.search(photo("coffee"), focus="elephant").notes[0]
    assert not library.search(photo("chelsea"), focus="cat").notes
    with pytest.raises(QueryError, match="a focus is of one picture"):
        library.search(text="cat", focus="cat")


# Evidence against plain loops


def test_evidence_against_a_plain_loop() -> None:
    concepts = (
        Concept("tabby", ("tabby", "tabby cat"), ("cat", "pet")),
        Concept("cat", ("cat",), ("pet",)),
        Concept("pet", ("pet",)),
    )
    bank = Bank("own", "1", concepts)
    table = EvidenceTable(
        ("a", "b", "c"),
        np.array([0, 2, 3, 3]),
        np.array([0, 1, 2], np.int32),
        np.array([0.5, 0.8, 0.4], np.float32),
    )
    shelf = Shelf({"own": (bank, table)})
    reading = shelf.read("a tabby cat with a kite")
    assert [(named.phrase, named.share) for named in reading.named] == [("tabby cat", pytest.approx(2 / 3))]
    assert reading.others == ("kite",)
    strengths = [0.5 + KIN[0] * 0.8, KIN[1] * 0.4, 0.0]
    wanted = [2 / 3 * np.log1p(s / FAINT) / np.log1p(1 / FAINT) for s in strengths]
    assert shelf.evidence(reading) == pytest.approx(wanted, rel=1e-5)
    assert grown(np.array([0, 1], np.float32)) == pytest.approx([0, 1])


def test_pictures_that_one_bank_lacks() -> None:
    def table(ids: tuple[str, ...], weights: list[float]) -> EvidenceTable:
        count = len(ids)
        return EvidenceTable(
            ids, np.arange(count + 1), np.zeros(count, np.int32), np.array(weights, np.float32)
        )

    one = Bank("one", "1", (Concept("red", ("red",)),))
    two = Bank("two", "1", (Concept("red", ("red",)),))
    shelf = Shelf(
        {"one": (one, table(("a", "b"), [0.1, 0.9])), "two": (two, table(("c", "b", "d"), [0.7, 0.2, 1]))}
    )
    strength = shelf.strength(shelf.read("red").named[0])
    assert dict(zip(shelf.ids, strength.tolist(), strict=True)) == pytest.approx(
        {"c": 0.7, "b": 0.9, "d": 1.0, "a": 0.1}
    )


def test_ambiguous_and_overlapping_phrases() -> None:
    bank = Bank("own", "1", (Concept("hot dog", ("hot dog",)), Concept("dog", ("dog",))))
    shelf = Shelf(
        {
            "own": (
                bank,
                EvidenceTable((), np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32)),
            )
        }
    )
    reading = shelf.read("a dog eats a hot dog")
    assert [named.phrase for named in reading.named] == ["dog", "hot dog"]
    assert TESTIMONY * sum(named.share for named in reading.named) == pytest.approx(TESTIMONY * 3 / 4)


def test_what_is_called_so_is_meant_first() -> None:
    bank = Bank(
        "own", "1", (Concept("collie", ("collie",)), Concept("border collie", ("border collie", "collie")))
    )
    ids, starts = ("a", "b"), np.arange(3)
    table = EvidenceTable(ids, starts, np.array([0, 1], np.int32), np.array([0.7, 0.9], np.float32))
    shelf = Shelf({"own": (bank, table)})
    strength = shelf.strength(shelf.read("collie").named[0])
    assert strength.tolist() == pytest.approx([0.7, ALSO * 0.9])


# Bad input


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "expected some text"),
        ("   ", "expected some text"),
        ("😀🎉", "holds no word to look for"),
        ("?!…", "holds no word to look for"),
        ("the picture of a", "holds no word to look for"),
        ("word " * 20_000, "100,000 characters, but at most 5,000"),
    ],
)
def test_texts_that_cannot_be_looked_for(numbered, text: str, sentence: str) -> None:
    library, _ = numbered
    with pytest.raises(QueryError, match=sentence):
        library.search(text=text)


def test_unknown_words_are_said_to_be_so(numbered) -> None:
    library, true = numbered
    hits = library.search(text="cat zxqvw")
    assert true(hits)[0] == "chelsea"
    assert "'zxqvw'" in hits.notes[0]
    assert "elefant" in library.search(text="elefant").notes[0]
    assert "elephant" in library.search(text="elefant").notes[0]
    assert not library.search(text="a cat").notes
    german = library.search(text="eine schwarze Katze schläft")
    assert "English" in german.notes[0] or "known" in german.notes[0]


def test_a_missing_path_is_not_searched_for_as_words(numbered) -> None:
    library, _ = numbered
    for text in ("photos/dog.jpg", "dog.jpg", "./dog"):
        with pytest.raises(QueryError, match="there is no such file"):
            library.search(text)
    assert library.search("a dog")
