"""Tags of a picture, facets, words near a word, and vocabularies of one's own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import findalike
from conftest import Photo
from findalike.errors import QueryError, UsageError
from findalike.tagging import Tag, Vocabulary, Word
from findalike.words.banks import TAG_FROM


@pytest.fixture
def album_library(album: Path) -> findalike.Library:
    """A library of the album in memory, to be changed at will."""
    opened = findalike.open(":memory:")
    opened.add(album)
    return opened


def tags_of(library: findalike.Library, name: str) -> tuple[str, ...]:
    return next(a.tags for a in library.store.assets() if a.uri.endswith(f"{name}.jpg"))


# Tags


def test_tags_of_a_picture_of_the_library_are_those_it_keeps(shelf: findalike.Library, album: Path) -> None:
    found = shelf.tags(album / "chelsea.jpg")
    asset = next(a for a in shelf.store.assets() if a.uri == str(album / "chelsea.jpg"))
    assert {tag.name for tag in found if tag.is_filtered} == set(asset.tags)
    assert "cat" in asset.tags
    assert {tag.bank for tag in found} == {"appearance", "classes"}
    for bank in ("appearance", "classes"):
        weights = [round(tag.weight, 2) for tag in found if tag.bank == bank]
        assert weights == sorted(weights, reverse=True)
    assert shelf.tags(f"id:{asset.id}") == found
    assert next(tag for tag in found if tag.name == "cat").weight > TAG_FROM


def test_a_picture_of_nowhere_is_looked_at_and_not_kept(shelf: findalike.Library, photo: Photo) -> None:
    kept = {tag.name: tag.weight for tag in shelf.tags("id:" + asset_id(shelf, "chelsea"))}
    seen = {tag.name: tag.weight for tag in shelf.tags(photo("chelsea"))}
    assert seen["cat"] == pytest.approx(kept["cat"], abs=0.1)
    assert len(shelf) == 10


def asset_id(library: findalike.Library, name: str) -> str:
    return next(a.id for a in library.store.assets() if a.uri.endswith(f"{name}.jpg"))


def test_dates_come_from_the_file(tmp_path: Path, photo: Photo) -> None:
    exif = Image.Exif()
    exif[0x0132] = "2019:12:24 20:00:00"
    exif.get_ifd(0x8769)[0x9003] = "2019:12:24 20:00:00"
    photo("coffee").save(tmp_path / "eve.jpg", exif=exif)
    with findalike.open(":memory:") as library:
        found = {tag.name for tag in library.tags(tmp_path / "eve.jpg") if tag.bank == "dates"}
    assert {"2019", "december", "winter", "christmas"} <= found


def test_words_have_no_tags(shelf: findalike.Library) -> None:
    with pytest.raises(QueryError, match="'a dog' is no picture; give a path"):
        shelf.tags("a dog")


def test_a_tag_that_filters_see_is_at_least_as_sure_as_they_ask() -> None:
    assert Tag("dog", TAG_FROM, "classes").is_filtered
    assert Tag("dog", float(np.float32(TAG_FROM)), "classes").is_filtered
    assert not Tag("dog", 0.149, "classes").is_filtered


# Facets


def test_facets_count_as_plain_loops_do(shelf: findalike.Library) -> None:
    assets = list(shelf.store.assets())
    counted = Counter(tag for asset in assets for tag in asset.tags)
    assert dict(shelf.facets(most=1000)) == counted
    few = [asset for asset in assets if "animal" in asset.tags]
    among = Counter(tag for asset in few for tag in asset.tags)
    assert dict(shelf.facets("tag", "tag = 'animal'", 1000)) == among
    assert shelf.facets("media") == [("image/jpeg", 10)]
    assert len(shelf.facets(most=3)) == 3


def test_a_column_that_is_not_there_is_named_with_its_neighbours(shelf: findalike.Library) -> None:
    with pytest.raises(QueryError, match="no column is named 'medai'; did you mean 'media'"):
        shelf.facets("medai")


# Words


def named(found: list[Word], relation: str) -> dict[str, Word]:
    return {each.word: each for each in found if each.relation == relation}


def test_words_name_concepts_with_those_above_and_below(shelf: findalike.Library) -> None:
    found = shelf.words("a cat")
    count = dict(shelf.facets(most=1000))
    assert named(found, "named")["cat"].pictures == count["cat"]
    assert {"animal", "mammal"} <= set(named(found, "broader"))
    assert all(word.pictures == count[word.word] for word in named(found, "narrower").values())
    near = list(named(found, "near").values())
    assert 3 <= len(near) <= 12
    assert [word.similarity for word in near] == sorted((w.similarity for w in near), reverse=True)
    assert "cat" not in named(found, "near")


def test_what_no_bank_knows_is_counted_by_search(shelf: findalike.Library) -> None:
    near = named(shelf.words("espresso"), "near")
    for word in [word for word, each in near.items() if not each.bank][:4]:
        scores = [hit.score for hit in shelf.search(text=word, k=100) if hit.space != "texts"]
        assert near[word].pictures == sum(score >= 0.3 for score in scores), word


def test_a_word_that_nothing_knows_has_those_spelled_like_it(shelf: findalike.Library) -> None:
    found = shelf.words("espresssso")
    assert "espresso" in named(found, "spelled like")
    assert shelf.words("xqzzwvk") == []


@pytest.mark.parametrize("text", ["😀", "...", "a" * 6000])
def test_texts_without_words_or_end_are_refused(shelf: findalike.Library, text: str) -> None:
    with pytest.raises(QueryError):
        shelf.words(text)


# Vocabularies


def test_a_vocabulary_tags_pictures_and_goes_without_a_trace(album_library: findalike.Library) -> None:
    library = album_library
    before = {asset.uri: asset.tags for asset in library.store.assets()}
    words = Vocabulary.of({"kitten": ["cat"], "hot drink": ["coffee", "espresso"], "blurbxq": []}, "mine")
    done = library.tag(words)
    assert (done.name, done.pictures) == ("mine", 10)
    assert set(done.counts) == {"kitten", "hot drink"}
    assert set(done.skipped) == {"blurbxq"}
    assert "kitten" in tags_of(library, "chelsea")
    assert "hot drink" in tags_of(library, "coffee")
    assert "hot drink" not in tags_of(library, "moon")
    hits = library.search(where="tag = 'hot drink'")
    assert {Path(hit.asset.uri).stem for hit in hits} >= {"coffee"}
    assert dict(library.facets(most=1000))["kitten"] == done.counts["kitten"]
    assert all(set(before[asset.uri]) <= set(asset.tags) for asset in library.store.assets())
    mine = [tag for tag in library.tags("id:" + asset_id(library, "chelsea")) if tag.bank == "mine"]
    assert [tag.name for tag in mine] == ["kitten"]
    assert library.search(text="hot drink")[0].asset.uri.endswith("coffee.jpg")
    changed = sum(asset.tags != before[asset.uri] for asset in library.store.assets())
    assert library.untag("mine") == changed
    assert {asset.uri: asset.tags for asset in library.store.assets()} == before
    assert "mine" not in library.store.banks()


def test_confidence_is_the_score_of_a_search(album_library: findalike.Library) -> None:
    library = album_library
    phrases = ["cat", "hot drink", "red animal"]
    library.tag(Vocabulary.of(phrases, "mine"), min_confidence=0.15)
    bank, table = library.store.banks()["mine"], library.store.evidence("mine")
    kept = {
        (asset, bank.concepts[number].name): float(weight)
        for place, asset in enumerate(table.asset_ids)
        for number, weight in zip(
            table.concepts[table.starts[place] : table.starts[place + 1]],
            table.weights[table.starts[place] : table.starts[place + 1]],
            strict=True,
        )
    }
    library.untag("mine")
    for phrase in phrases:
        for hit in library.search(text=phrase, k=100):
            expected = hit.score if hit.score >= 0.15 else 0
            assert kept.get((hit.asset.id, phrase), 0) == pytest.approx(expected, abs=0.002)


def test_the_same_again_writes_nothing_and_another_replaces_it(tmp_path: Path, album: Path) -> None:
    (tmp_path / "mine.txt").write_text("# animals\n\ncat\nbrew: cup, espresso\n")
    with findalike.open(tmp_path / "library") as library:
        library.add(album)
        first = library.tag(tmp_path / "mine.txt")
        put = library.store.put_evidence
        library.store.put_evidence = lambda *_: pytest.fail("nothing has changed")  # type: ignore[method-assign]
        assert library.tag(tmp_path / "mine.txt") == first
        library.store.put_evidence = put  # type: ignore[method-assign]
        done = library.tag(Vocabulary.of({"feline": ["cat"]}, "mine"))
        assert set(done.counts) == {"feline"}
        tags = set().union(*(asset.tags for asset in library.store.assets()))
        assert "feline" in tags
        assert "brew" not in tags
    with findalike.open(tmp_path / "library", "r") as library:
        assert "feline" in tags_of(library, "chelsea")
        with pytest.raises(UsageError, match="open for reading"):
            library.tag(tmp_path / "mine.txt")


def test_a_picture_indexed_later_is_tagged_by_the_next_run(
    tmp_path: Path, pictures: Path, photo: Photo
) -> None:
    with findalike.open(tmp_path / "library") as library:
        library.add(pictures)
        words = Vocabulary.of({"night sky": ["moon"]}, "mine")
        library.tag(words)
        photo("chelsea").save(pictures / "another.jpg")
        library.add(pictures)
        assert library.tag(Vocabulary.of({"kitten": ["cat"]}, "mine")).pictures == 5
        assert "kitten" in tags_of(library, "another")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has no words"),
        ("# only\n\n", "has no words"),
        ("cat\n!!!\n", "line 2: '!!!' names no word"),
        (": cat", "line 1: ': cat' names no word"),
        ("a" * 300, "a tag of 300 characters"),
        ("blurbxq\nzzqqv", "no word of 'mine' is known here"),
        (b"\xff\xfe\x00", "is no text in UTF-8"),
        (b"cat\0dog", "is no list of words"),
    ],
    ids=["empty", "comments", "signs", "no name", "long", "unknown", "bytes", "binary"],
)
def test_files_that_are_no_vocabulary(
    album_library: findalike.Library, tmp_path: Path, content: str | bytes, said: str
) -> None:
    (tmp_path / "mine.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match=said):
        album_library.tag(tmp_path / "mine.txt")
    assert "mine" not in album_library.store.banks()


def test_names_that_no_vocabulary_may_have(album_library: findalike.Library, tmp_path: Path) -> None:
    for name in ("classes", "appearance", "dates"):
        with pytest.raises(UsageError, match="is a bank of findalike's own"):
            album_library.tag(Vocabulary.of(["cat"], name))
        with pytest.raises(UsageError, match="is a bank of findalike's own"):
            album_library.untag(name)
    for name in ("", " ", "a\nb", "n" * 300):
        with pytest.raises(UsageError, match="is no name for a vocabulary"):
            Vocabulary.of(["cat"], name)
    with pytest.raises(UsageError, match="has no vocabulary 'mine'; it has none"):
        album_library.untag("mine")
    with pytest.raises(UsageError, match="No such file"):
        album_library.tag(tmp_path / "none.txt")
    with pytest.raises(UsageError, match=r"from 0\.15 to 1"):
        album_library.tag(Vocabulary.of(["cat"], "mine"), min_confidence=0.1)


def test_names_are_joined_whatever_their_case() -> None:
    words = Vocabulary.of(["Cat: kitten", "cat: feline", "  night   sky "], "mine")
    assert [(e.name, e.words) for e in words.entries] == [
        ("Cat", ("Cat", "kitten", "cat", "feline")),
        ("night sky", ("night sky",)),
    ]


def test_the_first_word_of_a_line_without_a_colon_is_the_name() -> None:
    entries = Vocabulary.of(["child, kid, boy", "red, white: flag"], "mine").entries
    assert [(each.name, each.words) for each in entries] == [
        ("child", ("child", "kid", "boy")),
        ("red, white", ("red, white", "flag")),
    ]


def test_words_that_would_find_nothing_come_last_and_are_few(shelf: findalike.Library) -> None:
    for text in ("red", "cat", "beach"):
        counts = [word.pictures for word in shelf.words(text)]
        zeros = [count for count in counts if not count]
        assert counts[len(counts) - len(zeros) :] == zeros
        assert len(zeros) <= 5


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"text": 5}, "text is 5, but it must be words"),
        ({"text": b"dog"}, "text is b'dog', but it must be words"),
        ({"text": ["dog", 5]}, "but it must be words, or a list of them"),
        ({"encoder": 5}, "encoder is 5, but it must be a name or a list of names"),
    ],
)
def test_arguments_of_other_types_are_refused(
    shelf: findalike.Library, wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(QueryError, match=said):
        shelf.search("red", **wrong)  # type: ignore[arg-type]


def test_a_term_of_a_file_that_is_not_there_says_so(shelf: findalike.Library, album: Path) -> None:
    with pytest.raises(QueryError, match=r"none\.jpg: there is no such file"):
        shelf.search(findalike.Term(str(album / "none.jpg")))
