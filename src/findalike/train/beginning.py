"""Where a head begins: vectors in which what sets like pictures apart counts for less, solved at once.

The directions in which matching pictures differ are divided by a root of how much they do (Mikolajczyk and
Matas 2007; for vectors of networks Radenović, Tolias and Chum 2019).
"""

from __future__ import annotations

import numpy as np

from findalike.encode import whitening
from findalike.train.data import CLASSES, Examples, Places
from findalike.types import Vectors

POWER, SHRUNK = 0.25, 0.5
"""The root (0.5 would make them differ in all directions alike), and how much of the variances their mean is:
what few pictures show of how things of one kind differ is mostly chance. Chosen by classes that were kept out
of learning."""

MOST = 20_000
"""Pairs that are looked at."""

_RANK = 1e-7
"""Of the largest variance: what is below it is rounding."""


def axes(examples: Examples, vectors: Vectors, dim: int | None = None, across: str | None = None) -> Vectors:
    """What vectors of shape (n, d), less their mean, are multiplied by: shape (d, d), or (d, `dim`) with
    those axes that then vary most. Where nothing that is alike differs, nothing is changed."""
    found = _evened(differences(examples, vectors, across), vectors.shape[1])
    if dim is None or dim >= vectors.shape[1]:
        return found
    turned = np.asarray((vectors - vectors.mean(axis=0)) @ found, np.float32)
    kept = whitening.learn(turned, dim).axes
    return np.pad(found @ kept, ((0, 0), (0, dim - kept.shape[1])))


def differences(examples: Examples, vectors: Vectors, across: str | None = None) -> Vectors:
    """By what vectors of matching pictures differ, shape (m, d): of a class from its mean, with `across` from
    those of other values of that column, of pairs from each other."""
    if examples.kind == CLASSES and not across:
        codes = examples.codes
        sums = np.zeros((len(examples.classes), vectors.shape[1]))
        np.add.at(sums, codes, vectors)
        counts = np.bincount(codes)[:, None]
        return np.asarray((vectors - (sums / counts)[codes])[counts[codes, 0] > 1], np.float32)
    pairs = _pairs_across(examples, across) if examples.kind == CLASSES and across else examples.alike
    some = pairs[:: max(1, -(-len(pairs) // MOST))]
    return np.asarray(vectors[some[:, 0]] - vectors[some[:, 1]], np.float32)


def _pairs_across(examples: Examples, across: str) -> Places:
    """Pictures of one class and two values of a column."""
    codes, values = examples.codes, np.array([value or "" for value in examples.column(across)])
    rows = []
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        first, second = np.nonzero(values[own][:, None] < values[own])
        rows.append(np.stack([own[first], own[second]], axis=1))
    return np.concatenate(rows)


def _evened(rows: Vectors, width: int) -> Vectors:
    """The symmetric matrix that divides the principal axes of rows, shape (m, width), by their root, scaled
    so that what the rows say nothing of stays as it is."""
    if not len(rows) or not rows.any():
        return np.eye(width, dtype=np.float32)
    variances, found = whitening.principal(rows.astype(np.float64))
    seen = variances > _RANK * variances[0]
    even = SHRUNK * float(variances.sum()) / width
    roots = ((1 - SHRUNK) * variances[seen] + even) ** -POWER / even**-POWER
    turned = found[:, seen]
    return np.asarray(np.eye(width) + (turned * (roots - 1)) @ turned.T, np.float32)
