"""One thing in a picture: weights and boxes worked by hand, and a network that looks where it is told."""

from __future__ import annotations

import numpy as np
import pytest

from conftest import Photo
from findalike import pixels, settings
from findalike.encode import catalog, focus
from findalike.encode.base import encode, unit
from findalike.encode.cnn import CnnEncoder, softmax
from findalike.errors import QueryError
from findalike.types import Box, Origin, Picture

TABBY, TIGER_CAT, EGYPTIAN_CAT, ESPRESSO, CUP = 281, 282, 285, 967, 968
CATS = [TABBY, TIGER_CAT, EGYPTIAN_CAT]


@pytest.fixture(scope="module")
def encoder() -> CnnEncoder:
    loaded = catalog.load(catalog.find("efficientnet-lite0"), settings.default())
    assert isinstance(loaded, CnnEncoder)
    return loaded


def picture(pixels: np.ndarray) -> Picture:
    return Picture(pixels, Origin("a"), pixels.shape[1], pixels.shape[0])


@pytest.fixture(scope="module")
def both(photo: Photo) -> Picture:
    """A cat on the left, a cup of coffee on the right."""
    return picture(np.hstack([np.asarray(photo(name, (320, 320))) for name in ("chelsea", "coffee")]))


# By hand


def test_channels_count_by_the_root_of_the_positive_weights() -> None:
    weights = np.array([[4, -1, 1, 9], [0, 9, 9, 9], [0, 0, 0, 0]], np.float32)
    pooled, centre = np.array([3, 5, 4, 1], np.float32), np.array([1, 1, 1, 1], np.float32)
    by_hand = np.array([2 * 2, 0, 3 * 1, 0], np.float32) / 5
    np.testing.assert_allclose(focus.reweighted(pooled, weights, [0], centre), by_hand, atol=1e-6)
    shares = np.array([0.25, 0.75], np.float32)
    mixed = np.array([1, 6.5, 7, 9], np.float32)
    np.testing.assert_allclose(
        focus.reweighted(pooled, weights, [0, 1], centre, shares),
        unit((pooled - centre) * np.sqrt(mixed)),
        atol=1e-6,
    )


def test_activation_is_the_share_of_the_strongest_place() -> None:
    features = np.zeros((2, 2, 3), np.float32)
    features[0] = [[1, 2, 0], [0, 4, 0]]
    features[1] = [[0, 0, 9], [0, 0, 9]]
    weights = np.array([[2, -1]], np.float32)
    by_hand = [[0.25, 0.5, 0], [0, 1, 0]]
    np.testing.assert_allclose(focus.activation(features, weights, [0]), by_hand)
    assert (focus.activation(-features, np.array([[2, 0]], np.float32), [0]) == 1).all()


def places(*marked: tuple[int, int], size: tuple[int, int] = (10, 10)) -> np.ndarray:
    features = np.zeros((1, *size), np.float32)
    for row, column in marked:
        features[0, row, column] = 1
    return features


@pytest.mark.parametrize(
    ("features", "box"),
    [
        (places((4, 2), (4, 3), (4, 4), (4, 5), (5, 6), (6, 6)), (0.15, 0.35, 0.75, 0.75)),
        (places((5, 5)), (0.4, 0.4, 0.7, 0.7)),  # three places at least
        (places((0, 0)), (0.0, 0.0, 0.2, 0.2)),  # what is over the edge is lost
        (places((0, 0), size=(2, 2)), (0.0, 0.0, 0.75, 0.75)),
        (places((2, 2), (3, 3), (7, 7), (7, 8)), (0.15, 0.15, 0.45, 0.45)),  # with the first strongest
        (np.zeros((1, 4, 4), np.float32), (0.0, 0.0, 1.0, 1.0)),
    ],
)
def test_the_box_hangs_together_with_the_strongest_place(features: np.ndarray, box: Box) -> None:
    found = focus.activation_box(features, np.ones((1, 1), np.float32), [0])
    np.testing.assert_allclose(found, box, atol=1e-6)


def test_places_of_less_than_half_the_strength_are_outside() -> None:
    features = np.array([[[0.4, 0.6, 1.0, 0.49, 0.9, 0, 0, 0]]], np.float32).repeat(8, axis=1)
    left, top, right, bottom = focus.activation_box(features, np.ones((1, 1), np.float32), [0])
    assert (left, top, bottom) == (0.5 / 8, 0, 1)
    assert right == 3.5 / 8


def test_a_margin_is_what_a_central_crop_takes_off() -> None:
    grown = pixels.with_margin((0.4, 0.3, 0.6, 0.7), 0.8)
    np.testing.assert_allclose(grown, (0.375, 0.25, 0.625, 0.75))
    assert pixels.with_margin((0.0, 0.0, 1.0, 0.5), 0.5) == (0.0, 0.0, 1.0, 0.75)


# The network


def test_the_classifier_makes_logits_of_pooled_features(encoder: CnnEncoder, both: Picture) -> None:
    pooled, logits = encoder.run([both], ["pooled", "logits"])
    assert encoder.classifier.shape == (1000, 1280)
    np.testing.assert_allclose(pooled @ encoder.classifier.T + encoder.bias, logits, atol=1e-3)


def test_one_run_gives_vectors_and_probabilities(encoder: CnnEncoder, photo: Photo) -> None:
    several = [picture(np.asarray(photo(name))) for name in ("chelsea", "coffee")]
    vectors, probabilities = encoder.classify_batch(several)
    np.testing.assert_array_equal(vectors, encoder.encode_batch(several))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert probabilities.shape == (2, 1000)
    assert probabilities[0].argmax() in CATS
    assert probabilities[1].argmax() in (ESPRESSO, CUP)
    np.testing.assert_allclose(softmax(np.log(np.array([[0.75, 0.25]])) + 1000), [[0.75, 0.25]], rtol=1e-6)


@pytest.mark.parametrize("how", ["both", "weights", "crop"])
def test_focus_turns_to_what_is_named(
    encoder: CnnEncoder, both: Picture, photo: Photo, how: focus.How
) -> None:
    cat, coffee = encode(encoder, [picture(np.asarray(photo(name))) for name in ("chelsea", "coffee")])
    (plain,) = encode(encoder, [both])
    to_cat, cat_box = focus.focused(encoder, both, CATS, how)
    to_coffee, coffee_box = focus.focused(encoder, both, [ESPRESSO, CUP], how)
    assert to_cat @ cat - to_cat @ coffee > plain @ cat - plain @ coffee + 0.1
    assert to_coffee @ coffee - to_coffee @ cat > plain @ coffee - plain @ cat + 0.1
    assert np.linalg.norm(to_cat) == pytest.approx(1, abs=1e-5)
    assert (cat_box is None) == (coffee_box is None) == (how == "weights")
    if cat_box and coffee_box:
        assert (cat_box[0] + cat_box[2]) / 2 < 0.5 < (coffee_box[0] + coffee_box[2]) / 2


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (40, 1000)])
def test_any_size_can_be_focused_on(encoder: CnnEncoder, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    vector, box = focus.focused(encoder, picture(pixels), CATS)
    assert np.isfinite(vector).all()
    assert box is not None
    assert 0 <= box[0] < box[2] <= 1
    assert 0 <= box[1] < box[3] <= 1


@pytest.mark.parametrize("numbers", [[], [1000], [-1, 5]])
def test_numbers_that_are_no_classes_are_refused(
    encoder: CnnEncoder, both: Picture, numbers: list[int]
) -> None:
    with pytest.raises(QueryError, match="from 0 to 999"):
        focus.focused(encoder, both, numbers)
