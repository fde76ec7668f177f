"""Made-up embeddings, any number of them, that lie as those of the default encoder do.

`python benchmarks/synthetic.py --data ../shared/data` holds them against real ones.

What is alike, by constants that were read off 9,681 photographs, garments and shelves: the length and place
of the mean, how fast the spread falls from the first principal axis to the last, and how alike the nearest,
fifth, twentieth and hundredth neighbours are. The axes themselves are those of the coordinates: an index
that compares by cosine does not feel a turn. Pictures come as people take them, some of one scene in a row;
scenes are of subjects, whose sizes follow Zipf's law with exponent 0.7, one subject for 200 pictures;
subjects belong to themes. Each level has its share of the variance, and subjects differ in how tight they
are. A larger set has more subjects, not more pictures of each, so neighbours are as far apart in it as in a
small one.

What is not: real axes are skewed, and here all are normal; very near copies are rarer here.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import findalike
from findalike.encode import catalog
from findalike.types import Vectors

CARD = catalog.find("efficientnet-lite0", "int8")
SETS = ("captions-train", "captions", "corel", "clothing", "grocery", "objects", "cars")

_RANKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1280)
_SPREAD = (
    .0365, .0261, .0195, .0128, .00807, .00477, .00266, .00138, .000637, .000295, .000118, .0000304,
)  # fmt: skip
"""The variance along the principal axes of these ranks, of vectors of unit length."""
_MEAN = 0.294
_MEAN_RANKS = (0, 1, 4, 16, 64, 256, 1024, 1280)
_MEAN_SHARE = (0.0, 0.289, 0.359, 0.515, 0.762, 0.919, 0.992, 1.0)
"""The length of the mean, and how much of its square lies in the first axes."""
_THEME, _SUBJECT, _SCENE = 0.05, 0.19, 0.22
"""Shares of the variance among themes, among their subjects, and among the scenes of a subject."""
_TIGHTNESS = 0.25
"""The standard deviation of the logarithm of how far the pictures of a subject lie from its middle."""

_SUBJECT_ROWS, _SCENE_ROWS, _THEME_SUBJECTS = 200, 5, 10
CHUNK = 10_000
"""Rows that are made at once, from a seed of their own."""


@dataclass(frozen=True)
class Pictures:
    """A set of so many made-up pictures. Row `n` of it is the same however it is asked for; rows beyond
    the last are unseen pictures of the same subjects."""

    rows: int
    dim: int = CARD.dim
    seed: int = 0

    def each(self, first: int, end: int) -> Iterator[tuple[int, Vectors]]:
        """The rows from `first` to `end` as unit vectors, in parts with the number of their first row."""
        for chunk in range(first // CHUNK, -(-end // CHUNK)):
            begins = max(first, chunk * CHUNK)
            made = self._chunk(chunk)
            yield begins, made[begins - chunk * CHUNK : max(0, end - chunk * CHUNK)]

    def vectors(self, first: int, end: int) -> Vectors:
        """The same in one piece, of shape (end - first, dim)."""
        return np.concatenate([part for _, part in self.each(first, end)])

    def subjects(self, first: int, end: int) -> NDArray[np.int64]:
        """The subject of each of these rows; their numbers are in no order."""
        chunks = range(first // CHUNK, -(-end // CHUNK))
        several = np.concatenate([np.repeat(self._scenes(self._random(c)), _SCENE_ROWS) for c in chunks])
        return several[first - chunks[0] * CHUNK : end - chunks[0] * CHUNK]

    @property
    def subject_count(self) -> int:
        return max(20, self.rows // _SUBJECT_ROWS)

    def _random(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.rows, *key])

    def _scenes(self, random: np.random.Generator) -> NDArray[np.int64]:
        """The subject of each scene of a chunk."""
        return random.choice(self.subject_count, CHUNK // _SCENE_ROWS, p=self._sizes)

    def _chunk(self, chunk: int) -> Vectors:
        random = self._random(chunk)
        subject = self._scenes(random)
        loose = self._looseness[subject, None]
        scene = random.standard_normal((len(subject), self.dim), np.float32)
        own = random.standard_normal((CHUNK, self.dim), np.float32)
        own *= np.float32(np.sqrt(1 - _THEME - _SUBJECT - _SCENE)) * np.repeat(loose, _SCENE_ROWS, axis=0)
        scene *= np.float32(np.sqrt(_SCENE)) * loose
        own += np.repeat(self._middles[subject] + scene, _SCENE_ROWS, axis=0)
        own *= self._spread
        own += self._mean
        own /= np.linalg.norm(own, axis=1, keepdims=True)
        return own

    @cached_property
    def _sizes(self) -> NDArray[np.float64]:
        sizes = 1.0 / np.arange(1, self.subject_count + 1) ** 0.7
        return sizes / sizes.sum()

    @cached_property
    def _middles(self) -> Vectors:
        random = self._random(2**32)
        themes = random.standard_normal((max(2, self.subject_count // _THEME_SUBJECTS), self.dim), np.float32)
        middles = random.standard_normal((self.subject_count, self.dim), np.float32)
        middles *= np.float32(np.sqrt(_SUBJECT))
        middles += np.float32(np.sqrt(_THEME)) * themes[random.integers(0, len(themes), len(middles))]
        return middles

    @cached_property
    def _looseness(self) -> NDArray[np.float32]:
        drawn = self._random(2**32 + 1).standard_normal(self.subject_count, np.float32)
        return np.exp(_TIGHTNESS * drawn - _TIGHTNESS**2)

    @cached_property
    def _spread(self) -> NDArray[np.float32]:
        """The standard deviation along each axis; of fewer axes, the first ones."""
        ranks = np.log(np.arange(1, self.dim + 1))
        return np.exp(np.interp(ranks, np.log(_RANKS), np.log(_SPREAD)) / 2).astype(np.float32)

    @cached_property
    def _mean(self) -> NDArray[np.float32]:
        share = np.diff(np.interp(np.arange(self.dim + 1), _MEAN_RANKS, _MEAN_SHARE))
        signs = self._random(2**32 + 2).choice([-1.0, 1.0], self.dim)
        return (_MEAN * signs * np.sqrt(share)).astype(np.float32)


@dataclass(frozen=True)
class Tiled(Pictures):
    """Real vectors over and over, each time with other noise, which takes `noise` of the variance: .25 leaves
    copies about .85 alike. A subject is a real picture."""

    real: Vectors = field(default_factory=lambda: np.empty((0, CARD.dim), np.float32), repr=False)
    noise: float = 0.25

    def subjects(self, first: int, end: int) -> NDArray[np.int64]:
        return np.arange(first, end) % len(self.real)

    @property
    def subject_count(self) -> int:
        return len(self.real)

    def _chunk(self, chunk: int) -> Vectors:
        made = self._random(chunk).standard_normal((CHUNK, self.dim), np.float32)
        made *= self._spread * np.float32(np.sqrt(self.noise))
        made += self.real[self.subjects(chunk * CHUNK, (chunk + 1) * CHUNK)]
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        return made


def real(data: Path, cache: Path | None = None) -> Vectors:
    """The vectors that findalike gives the pictures of the sets, of shape (pictures, 1280); kept in a file
    of this name, if one is given."""
    if cache and cache.exists():
        return np.load(cache)
    with tempfile.TemporaryDirectory() as folder, findalike.open(f"{folder}/library") as library:
        library.add(*(data / name for name in SETS), films=False)
        made = np.stack([row.vector for row in library.store.each_row(CARD.space)])
    if cache:
        np.save(cache, made)
    return made


def statistics(vectors: Vectors, queries: int = 1_000) -> dict[str, float]:
    """How vectors of unit length lie: the similarity of neighbours and of any two, the length of the mean,
    and the participation ratio, which is the number of axes that the variance would fill evenly."""
    asked = np.random.default_rng(0).choice(len(vectors), min(queries, len(vectors)), replace=False)
    similar = vectors[asked] @ vectors.T
    similar[np.arange(len(asked)), asked] = -2
    nearest = -np.sort(-similar, axis=1)[:, :100]
    variances = np.linalg.eigvalsh(np.cov(vectors.T))
    figures = {
        f"neighbour {rank}, {per_cent} % of pictures below": np.quantile(nearest[:, rank - 1], per_cent / 100)
        for rank in (1, 5, 20, 100)
        for per_cent in (5, 50, 95)
    }
    figures["any two, mean"] = similar[similar > -2].mean()
    figures["any two, standard deviation"] = similar[similar > -2].std()
    figures["length of the mean"] = np.linalg.norm(vectors.mean(axis=0))
    figures["participation ratio"] = variances.sum() ** 2 / (variances**2).sum()
    return {name: float(value) for name, value in figures.items()}


def beside(data: Path, cache: Path | None = None) -> dict[str, tuple[float, float]]:
    """The statistics of real vectors, and of as many made-up ones."""
    vectors = real(data, cache)
    found, made = statistics(vectors), statistics(Pictures(len(vectors)).vectors(0, len(vectors)))
    return {name: (found[name], made[name]) for name in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, help="keep the real vectors in this .npy file")
    options = parser.parse_args()
    print(f"{'':40}   real  made up")
    for name, (found, made) in beside(options.data, options.cache).items():
        print(f"{name:40} {found:7.3f} {made:7.3f}")


if __name__ == "__main__":
    main()
