"""The text tower: answers of small towers against plain loops, and what the shipped one knows."""

from __future__ import annotations

import csv
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from findalike import decode, settings
from findalike.encode import catalog, text
from findalike.encode.base import TextEncoder, encode
from findalike.encode.text import UNKNOWN, TextTower, WordEncoder, stems
from findalike.types import Origin

DATA = Path(__file__).parents[2] / "shared/data"
WORDS = ("dog", "cat", "house", "grass", "glass", "fly", "make", "run", "jeep")
WORD = r"[\p{L}\p{N}]+(?:'[\p{L}\p{N}]+)*"


@pytest.fixture
def small() -> TextTower:
    """Nine words, four numbers a meaning, six a picture."""
    rng = np.random.default_rng(0)
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(("[unknown]", *WORDS))}, "[unknown]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), "removed", invert=True)
    table = rng.integers(-127, 128, (10, 4)).astype(np.int8)
    scales = rng.uniform(0.1, 2, 10).astype(np.float32)
    head, bias = rng.normal(size=(4, 6)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    return TextTower(tokenizer, table, scales, head, bias)


@pytest.fixture(scope="module")
def shipped() -> TextTower:
    return text.tower()


def cosine(a: Any, b: Any) -> float:
    dot = sum(float(x) * float(y) for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(float(x) ** 2 for x in a) * sum(float(y) ** 2 for y in b))


def slow_sum(tower: TextTower, words: list[str]) -> list[float]:
    numbers = [WORDS.index(word) + 1 for word in words]
    return [sum(float(tower.table[n, d]) * float(tower.scales[n]) for n in numbers) for d in range(4)]


# Small towers against plain loops


def test_a_meaning_is_the_sum_of_the_words(small: TextTower) -> None:
    wanted = slow_sum(small, ["dog", "cat", "dog"])
    found = small.embed("Dog, CAT: the dog!")
    assert cosine(found, wanted) == pytest.approx(1, abs=1e-6)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


def test_affinity_is_the_cosine_of_what_is_seen_and_what_is_meant(small: TextTower) -> None:
    meaning, vectors = small.embed("dog house"), np.random.default_rng(1).normal(size=(5, 6))
    for dtype, tolerance in ((np.float32, 1e-6), (np.float16, 1e-3)):
        found = small.affinity(meaning, vectors.astype(dtype))
        for row, vector in enumerate(vectors):
            seen = [sum(small.head[d, k] * vector[k] for k in range(6)) + small.bias[d] for d in range(4)]
            assert found[row] == pytest.approx(cosine(seen, meaning), abs=tolerance)
    assert found.dtype == np.float32


def test_a_direction_ranks_as_the_unscaled_answers_of_the_head(small: TextTower) -> None:
    meaning, vectors = small.embed("cat grass"), np.random.default_rng(2).normal(size=(20, 6))
    direction = small.into_space(meaning[None])[0]
    assert np.linalg.norm(direction) == pytest.approx(1, abs=1e-6)
    answers = [
        sum(sum(small.head[d, k] * v[k] for k in range(6)) * meaning[d] for d in range(4)) for v in vectors
    ]
    assert np.argsort(vectors @ direction).tolist() == np.argsort(answers).tolist()


def test_neighbours_are_all_words_by_cosine(small: TextTower) -> None:
    meaning = small.embed("dog fly")
    wanted = sorted(((cosine(slow_sum(small, [word]), meaning), word) for word in WORDS), reverse=True)
    found = small.neighbours(meaning, 20)
    assert [word for word, _ in found] == [word for _, word in wanted]
    np.testing.assert_allclose([c for _, c in found], [c for c, _ in wanted], atol=1e-6)
    assert [word for word, _ in small.neighbours(meaning, 3)] == [word for _, word in wanted[:3]]
    assert small.neighbours(np.zeros(4, np.float32)) == []


def test_an_unknown_word_says_nothing(small: TextTower) -> None:
    np.testing.assert_array_equal(small.embed("dog xyzzy"), small.embed("dog"))
    for nothing in ("", " ", "xyzzy", "🙂🐶", "!?"):
        assert not small.embed(nothing).any()
        assert not small.affinity(small.embed(nothing), np.ones((3, 6), np.float32)).any()
        assert not small.into_space(small.embed(nothing)[None]).any()


@pytest.mark.parametrize(
    ("form", "known"),
    [
        ("dogs", "dog"),
        ("dog's", "dog"),
        ("dogs'", "dog"),
        ("dog’s", "dog"),
        ("houses", "house"),
        ("glasses", "glass"),
        ("flies", "fly"),
        ("making", "make"),
        ("running", "run"),
        ("housed", "house"),
    ],
)
def test_an_inflected_word_is_what_it_is_a_form_of(small: TextTower, form: str, known: str) -> None:
    assert small.tokens(form)[0].number == WORDS.index(known) + 1


def test_what_only_looks_inflected_is_unknown(small: TextTower) -> None:
    assert not any(token.known for token in small.tokens("bed ing s ed dress nothing 's"))
    assert list(stems("as")) == ["as"]


def test_slips_of_the_fingers(small: TextTower) -> None:
    assert small.spelled_like("grss")[0] == "grass"
    assert set(small.spelled_like("gass")) == {"grass", "glass"}
    assert small.spelled_like("hosue")[0] == "house"
    assert small.spelled_like("DGO") == ["dog"]
    assert small.spelled_like("zzzzzz") == []
    assert len(small.spelled_like("gass", 1)) == 1


def test_the_encoder_gives_a_row_for_each_text(small: TextTower) -> None:
    card = catalog.EFFICIENTNET_LITE0[0]
    encoder: TextEncoder = WordEncoder(card, small)
    rows = encoder.encode_texts(["dog", "", "house cat"])
    assert rows.shape == (3, 6)
    assert not rows[1].any()
    np.testing.assert_allclose(rows[2], small.into_space(small.embed("house cat")[None])[0], atol=1e-6)
    assert encoder.encode_texts([]).shape == (0, 6)
    vectors = np.random.default_rng(3).normal(size=(4, 6)).astype(np.float32)
    expected = small.affinity(small.embed("dog"), vectors)
    np.testing.assert_allclose(WordEncoder(card, small).compare("dog", vectors), expected, atol=1e-6)
    assert not WordEncoder(card, small).compare("xyzzy", vectors).any()
    assert WordEncoder(card, small).compare("dog", vectors[:0]).shape == (0,)


# The shipped one


def test_shapes_and_size_of_the_shipped_tower(shipped: TextTower) -> None:
    words, dim = shipped.table.shape
    assert (dim, shipped.head.shape, shipped.bias.shape) == (256, (256, 1280), (256,))
    assert shipped.scales.shape == (words,)
    assert shipped.tokenizer.get_vocab_size() == words <= 30_000
    assert not shipped.table[UNKNOWN].any()
    data = Path(text.__file__).with_name("data")
    assert sum((data / name).stat().st_size for name in ("words.json", "words.npz")) < 9_000_000


def test_chance_lies_around_nothing(shipped: TextTower) -> None:
    assert abs(shipped.chance_mean) < 0.05 < shipped.chance_std < 0.15


@pytest.mark.parametrize(
    ("word", "near", "far"),
    [
        ("dog", "puppy", "car"),
        ("bicycle", "bike", "beach"),
        ("ocean", "sea", "guitar"),
        ("happy", "smiling", "brick"),
        ("a dog running on the beach", "puppy plays in the sand", "a man plays guitar on stage"),
    ],
)
def test_like_meanings_are_near(shipped: TextTower, word: str, near: str, far: str) -> None:
    meaning = shipped.embed(word)
    assert meaning @ shipped.embed(near) > meaning @ shipped.embed(far) + 0.2
    if " " not in word:
        assert near in [neighbour for neighbour, _ in shipped.neighbours(meaning, 12)]


def test_offsets_and_spelling_are_those_of_the_text_as_written(shipped: TextTower) -> None:
    found = shipped.tokens("Café: naïve ﬁsh, DOG’s 2 beaches-side 🙂 zzzgx.")
    assert [token.word for token in found] == [
        "café", "naïve", "ﬁsh", "dog’s", "2", "beaches", "side", "zzzgx",
    ]  # fmt: skip
    assert [token.known for token in found] == [True] * 7 + [False]
    for accented, plain in (("Café", "cafe"), ("ﬁsh", "fish"), ("ＤＯＧ", "dog")):
        assert shipped.tokens(accented)[0].number == shipped.tokens(plain)[0].number


def test_german_is_mostly_unknown(shipped: TextTower) -> None:
    found = shipped.tokens("Ein brauner Hund läuft durch das hohe Gras am Ufer eines Sees")
    assert sum(token.known for token in found) < len(found) / 2


def test_mistyped_words(shipped: TextTower) -> None:
    for wrong, right in (("bicicle", "bicycle"), ("elefant", "elephant"), ("brige", "bridge")):
        assert not shipped.tokens(wrong)[0].known
        assert right in shipped.spelled_like(wrong)


@given(st.text(max_size=200))
def test_any_text_has_a_meaning_or_none(written: str) -> None:
    meaning = text.tower().embed(written)
    assert np.isfinite(meaning).all()
    assert np.linalg.norm(meaning) == pytest.approx(1, abs=1e-5) or not meaning.any()
    lowered = written.lower()
    assert all(token.word in lowered for token in text.tower().tokens(written) if written.isascii())


def test_a_hundred_thousand_characters_are_quick(shipped: TextTower) -> None:
    shipped.embed("dog")
    for long in ("dog walks zzgx " * 7_000, "x" * 100_000, "🙂" * 100_000, "e\u0301" * 50_000):
        begun = time.perf_counter()
        tokens = shipped.tokens(long)
        shipped.embed(long)
        assert time.perf_counter() - begun < 0.5
        assert len(tokens) <= text.LONGEST


def test_the_tower_is_there_at_once() -> None:
    code = (
        "import time, numpy; from findalike.encode import text; begun = time.perf_counter();"
        "text.tower().embed('a dog'); print(time.perf_counter() - begun)"
    )
    run = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(3)]
    assert min(float(one.stdout) for one in run) < 0.3  # 0.05 on a computer with nothing else to do


# Real pictures


def affinities(name: str, texts: Callable[[dict[str, str]], list[str]]) -> Any:
    """Of every text and every picture of a set, and the number of the picture of each text."""
    with (DATA / name / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    card = catalog.EFFICIENTNET_LITE0[0]
    encoder, reader = catalog.load(card, settings.default()), text.load(card, settings.default())
    vectors = []
    for start in range(0, len(rows), 8):
        files = [(DATA / name / row["path"]).read_bytes() for row in rows[start : start + 8]]
        pictures = [decode.decode(data, Origin(""), short_side=256).picture for data in files]
        vectors.append(encode(encoder, pictures))
    stored = np.concatenate(vectors).astype(np.float16)
    pairs = [(said, number) for number, row in enumerate(rows) for said in texts(row)]
    return np.stack([reader.compare(said, stored) for said, _ in pairs]), [number for _, number in pairs]


def recalls(found: Any, right: list[int]) -> list[float]:
    ranks = [
        sum(float(other) > float(row[number]) for other in row)
        for row, number in zip(found, right, strict=True)
    ]
    return [sum(rank < k for rank in ranks) / len(ranks) for k in (1, 10)]


needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the pictures of ../shared/data")


@pytest.mark.data
@pytest.mark.slow
@needs_data
def test_captions_find_their_pictures() -> None:
    found, right = affinities("captions", lambda row: [row[f"caption_{i}"] for i in range(1, 6)])
    at_1, at_10 = recalls(found, right)
    assert at_1 >= 0.28
    assert at_10 >= 0.72
    tower, true = text.tower(), np.zeros(found.shape, bool)
    true[np.arange(len(right)), right] = True
    above = (found - tower.chance_mean) / tower.chance_std
    assert abs(above[~true].mean()) < 0.5
    assert np.median(above[true]) > 2.5


@pytest.mark.data
@pytest.mark.slow
@needs_data
def test_names_of_classes_find_their_pictures() -> None:
    found, right = affinities("objects", lambda row: [row["name"]])
    at_1, at_10 = recalls(found, right)
    assert at_1 >= 0.3
    assert at_10 >= 0.6
