"""What every encoder must keep to, whatever it computes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import small_models as small
from findalike import distance, settings
from findalike.encode import catalog
from findalike.encode.base import Encoder, PartEncoder, encode
from findalike.store.base import card_from_json, card_to_json
from findalike.types import Card, Origin, Picture

CARDS = {card.space: card for card in catalog.cards()}
REFERENCES = {
    "onnx, a map": lambda folder: f"onnx:{small.resnet(folder / 'net.onnx', outputs=['map'])}?pooling=gem",
    "onnx, tokens": lambda folder: f"onnx:{small.vit(folder / 'onnx/model.onnx')}?side=32",
    "onnx, a fixed batch": lambda folder: (
        f"onnx:{small.resnet(folder / 'net.onnx', (3, 3, 32, 32), ['map'])}"
    ),
    "clip, two graphs": lambda folder: f"clip:{small.two_tower(folder, mean=0.5)}",
    "clip, one graph": lambda folder: f"clip:{small.two_tower(folder, joint=True, mean=0.5)}",
    "a trained head": lambda folder: trained(folder, small.head, CARDS["efficientnet-lite0@1-int8"]),
    "a trained network": lambda folder: trained(folder, small.network),
}
"""A model of each kind that the families read, made when a test needs it."""


def trained(folder: Path, write: Callable[..., object], *given: Card) -> str:
    write(folder / "trained.onnx", *given, licence="CC0-1.0", source="drawings")
    return f"file:{folder / 'trained.onnx'}"


READERS = [space for space, card in CARDS.items() if "text" in card.modalities]
READERS += [name for name in REFERENCES if name.startswith("clip")]
"""Those with a side for texts."""

NETWORKS = ("efficientnet-lite0", "efficientnet-lite2")
CALIBRATED = (*NETWORKS, "colour", "layout")


def learned(card: Card) -> bool:
    """Whether there are weights, whose hash its card has to give."""
    return card.name.startswith(("efficientnet-", "faces")) or ":" in card.name


@pytest.fixture(scope="module", params=[*CARDS, *REFERENCES])
def card(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Card:
    if request.param in CARDS:
        return CARDS[request.param]
    return catalog.find(REFERENCES[request.param](tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def encoder(card: Card) -> Encoder:
    return catalog.load(card, settings.load())


def picture(seed: int, height: int = 240, width: int = 320) -> Picture:
    """Smooth random colours: something between noise and a photograph."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.float64)
    rows, columns = np.linspace(0, 5, height), np.linspace(0, 7, width)
    tall = np.stack([[np.interp(rows, range(6), coarse[:, x, c]) for x in range(8)] for c in range(3)])
    wide = np.stack([[np.interp(columns, range(8), tall[c, :, y]) for y in range(height)] for c in range(3)])
    return Picture(wide.transpose(1, 2, 0).round().astype(np.uint8), Origin(str(seed)), width, height)


def given(encoder: Encoder, *seeds: int) -> list[Picture]:
    """Pictures as an encoder wants them: one of parts gets parts, cut to its size."""
    pictures = [picture(seed) for seed in seeds]
    if not isinstance(encoder, PartEncoder):
        return pictures
    side = encoder.card.preprocessing["chip"]
    return [
        Picture(each.pixels[:side, :side], replace(each.origin, part="face"), side, side) for each in pictures
    ]


def test_one_row_for_each_picture_as_its_metric_needs_it(encoder: Encoder) -> None:
    vectors = encode(encoder, given(encoder, *range(5)))
    assert vectors.shape == (5, encoder.card.dim)
    assert vectors.dtype == np.float32
    if encoder.card.metric == distance.COSINE:
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    if encoder.card.metric == distance.CHI_SQUARE:
        assert (vectors >= 0).all()
        np.testing.assert_allclose(vectors.sum(axis=1), 1, atol=1e-4)
    assert (encoder.card.metric == distance.HAMMING) == (encoder.card.dtype == "bit")
    if encoder.card.dtype == "bit":
        assert set(np.unique(vectors)) <= {0, 1}


def test_rows_do_not_depend_on_the_batch_or_its_order(encoder: Encoder) -> None:
    pictures = given(encoder, *range(4))
    together = encode(encoder, pictures)
    alone = np.concatenate([encode(encoder, [one]) for one in pictures])
    turned = encode(encoder, pictures[::-1])[::-1]
    np.testing.assert_allclose(together, alone, atol=2e-3)
    np.testing.assert_allclose(together, turned, atol=2e-3)


def test_threads_share_an_encoder(encoder: Encoder) -> None:
    pictures = given(encoder, *range(6))
    expected = np.concatenate([encode(encoder, [one]) for one in pictures])
    with ThreadPoolExecutor(3) as pool:
        found = np.concatenate(list(pool.map(lambda one: encode(encoder, [one]), pictures)))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3000), (3000, 2), (7, 5), (1000, 1000)])
def test_any_size_is_encoded(encoder: Encoder, height: int, width: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    vectors = encode(encoder, [Picture(pixels, Origin("x"), width, height)])
    assert np.isfinite(vectors).all()


def test_no_pictures_give_no_rows(encoder: Encoder) -> None:
    assert encode(encoder, []).shape == (0, encoder.card.dim)


def test_unlike_pictures_are_told_apart(encoder: Encoder) -> None:
    first, again, other = encode(encoder, given(encoder, 1, 1, 2))
    np.testing.assert_array_equal(first, again)
    same, unlike = distance.similarity(encoder.card.metric, np.stack([again, other]), first)
    assert same == pytest.approx(1, abs=1e-5)
    of_faces = isinstance(encoder, PartEncoder)  # to which what is no face is all alike
    assert unlike < (0.98 if of_faces else 0.96)


def test_a_card_says_all_that_its_space_depends_on(card: Card) -> None:
    assert card.space == f"{card.name}@{card.revision}-{card.precision}"
    assert card.licence
    assert card.source
    assert len(card.sha256) == (64 if learned(card) else 0)
    assert card.preprocessing["side"] > 0
    assert card.calibration or card.name not in CALIBRATED
    if card.calibration:
        similarities, scores = zip(*card.calibration, strict=True)
        assert list(similarities) == sorted(set(similarities))
        assert list(scores) == sorted(set(scores))
        assert (scores[0], scores[-1]) == (0.0, 1.0)


def test_a_card_survives_the_library_and_is_found_again(card: Card) -> None:
    again = card_from_json(card_to_json(card))
    assert card_to_json(again) == card_to_json(card)
    assert catalog.installed(again).space == card.space
    assert catalog.find(catalog.reference(card), card.precision).space == card.space


@pytest.mark.parametrize("card", READERS, indirect=True)
def test_the_side_of_texts_gives_rows_of_the_same_space(card: Card) -> None:
    assert "text" in card.modalities
    reader = catalog.load_text(card, settings.load())
    texts = ["red", "blue and green", "", "an unheard-of word"]
    together = reader.encode_texts(texts)
    assert (together.shape, together.dtype) == ((4, card.dim), np.float32)
    alone = np.concatenate([reader.encode_texts([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=2e-3)
    with ThreadPoolExecutor(3) as pool:
        found = np.concatenate(list(pool.map(lambda text: reader.encode_texts([text]), texts)))
    np.testing.assert_array_equal(found, alone)
