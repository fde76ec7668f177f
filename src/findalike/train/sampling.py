"""Batches to learn from: so many classes, and so many pictures of each (Hermans, Beyer and Leibe 2017)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from findalike.train.data import CLASSES, TRIPLETS, Examples, Places

P, K = 16, 4
"""Classes in a batch, and pictures of each."""


def batches(
    examples: Examples, random: np.random.Generator, p: int = P, k: int = K, across: str | None = None
) -> Iterator[Places]:
    """The batches of an epoch: places of pictures, each once in a batch, about as many in all as there are
    pictures. Of pairs and triplets, a batch has whole ones. With `across`, pictures of a class are taken
    from the values of that column in turn."""
    if examples.kind != CLASSES:
        yield from _of_relations(examples, random, p * k)
        return
    turns = _turns(examples, across)
    for _ in range(max(1, round(len(examples) / (p * k)))):
        chosen = random.permutation(len(turns))[:p]
        yield np.concatenate([_drawn(turns[number], random, k) for number in chosen])


def _turns(examples: Examples, across: str | None) -> list[list[Places]]:
    """The pictures of each class of two or more, by their value of a column; other classes follow, since they
    too are what others are not."""
    values = np.array([value or "" for value in examples.column(across)] if across else [""] * len(examples))
    return [
        [own[places] for places in _grouped(np.unique(values[own], return_inverse=True)[1])]
        for own in _grouped(examples.codes)
    ]


def _grouped(codes: Places) -> list[Places]:
    """The places of each number, ascending, by the number: in one pass, since classes may be many."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _drawn(turns: list[Places], random: np.random.Generator, k: int) -> Places:
    """At most k pictures of a class, one of each value in turn."""
    piles = [random.permutation(pile) for pile in turns]
    longest = max(map(len, piles))
    in_turn = [pile[depth] for depth in range(longest) for pile in piles if depth < len(pile)]
    return np.array(in_turn[:k], np.int64)


def _of_relations(examples: Examples, random: np.random.Generator, size: int) -> Iterator[Places]:
    """Whole pairs, or whole triplets, so many that about `size` pictures are in a batch."""
    several = [examples.triplets] if examples.kind == TRIPLETS else [examples.alike, examples.apart]
    steps = max(1, round(sum(rows.size for rows in several) / size))
    dealt = [np.array_split(rows[random.permutation(len(rows))], steps) for rows in several]
    for parts in zip(*dealt, strict=True):
        yield np.unique(np.concatenate([part.ravel() for part in parts]))
