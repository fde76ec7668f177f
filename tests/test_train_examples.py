"""What training learns from: copies, predictions, and the pictures of a class in turn."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from findalike.errors import UsageError
from findalike.evaluate import truth
from findalike.evaluate.truth import Known, Pairs, Pictures
from findalike.train import captions, data, sampling, splits
from findalike.types import Asset, Value


def pictures(*contents: str, **metadata: tuple[Value, ...]) -> Pictures:
    """Pictures of these contents, each with its values of columns."""
    return truth.pictures(
        Asset(f"/p/{place}.png", 1, datetime(2020, 1, 1, tzinfo=UTC), id=str(place), sha256=content,
              metadata={name: values[place] for name, values in metadata.items()})
        for place, content in enumerate(contents)
    )  # fmt: skip


def test_what_was_predicted_is_no_label() -> None:
    found = pictures("a", "b", "c", color=("red", "blue", "red"), color_confidence=(None, 0.9, None),
                     width=(1, 2, 3))  # fmt: skip
    assert truth.of_library(found).columns["color"] == ("red", None, "red")
    assert truth.of_library(found).columns["width"] == ("1", "2", "3")
    all_guessed = pictures("a", "b", color=("red", "blue"), color_confidence=(0.2, 0.9))
    assert not truth.of_library(all_guessed).columns


def test_what_was_predicted_is_no_caption() -> None:
    names = tuple("abcdefghijkl")
    found = pictures(*names, kind=tuple(f"kind {name}" for name in names),
                     color=("red", "blue", *("green",) * 10),
                     color_confidence=(None, 0.9, *(None,) * 10))  # fmt: skip
    said = captions.of_columns(found, ["kind", "color"])
    assert said.texts[0] == ("kind a", "red")
    assert said.texts[1] == ("kind b",)


def test_copies_in_pairs_are_one_picture() -> None:
    """0 and 1 are copies: what is said of one is said of the other, so they are never on both sides."""
    found = pictures("a", "a", "b", "c", "d")
    first, second, same = np.array([0, 1, 3, 0]), np.array([2, 3, 4, 1]), np.array([True, True, False, True])
    examples = data.of_pairs(found, Pairs(first, second, same), "pairs.csv")
    named = [asset.id for asset in examples.pictures.assets]
    assert named == ["0", "2", "3", "4"]
    pairs = {tuple(named[place] for place in row) for row in examples.alike}
    assert pairs == {("0", "2"), ("0", "3")}
    assert len(set(examples.labels)) == 2
    with pytest.raises(UsageError, match="no two pictures are said to be the same"):
        data.of_pairs(found, Pairs(np.array([0]), np.array([1]), np.array([True])), "pairs.csv")


def paired(groups: int) -> data.Examples:
    """Groups of two pictures and of three, in turn."""
    rows, place = [], 0
    for number in range(groups):
        rows += [(place, place + 1), (place, place + 2)][: 1 + number % 2]
        place += 2 + number % 2
    first, second = np.array(rows).T
    found = pictures(*(f"{n:03}" for n in range(place)))
    return data.of_pairs(found, Pairs(first, second, np.ones(len(rows), np.bool_)), "pairs.csv")


@pytest.mark.parametrize("how", ["class", "random"])
def test_pairs_are_split_by_groups(how: str) -> None:
    examples = paired(20)
    split = splits.make(examples, how, 1)
    of = {part: {examples.labels[place] for place in split.places(part)} for part in splits.PARTS}
    assert {part: len(groups) for part, groups in of.items()} == {"train": 10, "validation": 4, "test": 6}
    assert len(set.union(*of.values())) == 20
    assert splits.of_unseen(examples, split)
    assert splits.make(examples, how, 2).parts != split.parts
    assert splits.make(paired(6), how, 0)
    with pytest.raises(UsageError, match=r"pairs.csv: 4 groups .* mark 2 more matches"):
        splits.make(paired(4), how, 0)


@pytest.mark.parametrize(("each", "classes"), [(5, 2), (5, 7), (4, 4)])
def test_small_classes_have_two_in_each_part_that_asks_in_turn(each: int, classes: int) -> None:
    labels = tuple(f"kind {place // each}" for place in range(each * classes))
    found = pictures(*(f"{place:03}" for place in range(len(labels))))
    examples = data.of_column(found, Known({"kind": labels}), "kind")
    split = splits.make(examples, "random", 0)
    pairs = dict.fromkeys(splits.PARTS, 0)
    for part in splits.PARTS:
        own = [labels[place] for place in split.places(part)]
        pairs[part] = sum(own.count(label) == 2 for label in set(own))
        assert len(set(own)) >= 2
    assert pairs == {"train": classes, "test": (classes + 1) // 2, "validation": classes // 2}


@pytest.mark.parametrize("across", [None, "side"])
def test_batches_take_the_values_of_a_class_in_turn(across: str | None) -> None:
    random = np.random.default_rng(3)
    labels = tuple(random.choice(list("abcd"), 40))
    sides = tuple(random.choice(["l", "r"], 40))
    found = Pictures(tuple(pictures(*(f"{n:02}" for n in range(40))).assets))
    examples = data.of_column(found, Known({"label": labels, "side": sides}), "label")
    for batch in sampling.batches(examples, random, p=3, k=4, across=across):
        own = [labels[place] for place in batch]
        assert len(set(batch)) == len(batch) == 12
        assert len(set(own)) == 3
        if across:
            for label in set(own):
                seen = [sides[place] for place in batch if labels[place] == label]
                assert seen.count("l") == seen.count("r") == 2
