"""The text tower of the default encoder: words to meanings, without a transformer, and pictures to meanings.

The meaning of a text is the sum of one stored vector for each of its words; a linear head takes the vector of
a picture to the meaning of what would be said of it. So both meet in a space of words, and only the vectors
that a library has anyway are stored. `training/train_words.py` trains table and head.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike.encode.base import unit
from findalike.settings import Settings
from findalike.types import Card, Vector, Vectors

LONGEST = 1_000
"""Words of a text that count; a caption has a dozen."""

UNKNOWN = 0
"""The number of the token that stands for every word outside the table."""

COMMON = 8_000
"""So many words, the commonest, may be named as neighbours of others: of rarer ones the table knows too
little to put them beside a word (gondola: gossamer)."""

EXACT = 64
"""Of the pictures that a text is compared with, so many get the exact affinity."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text as written, in lower case. `number` is its row in the table, `UNKNOWN` without one.

    An inflected word that is not in the table has the row of what it is a form of.
    """

    word: str
    number: int

    @property
    def known(self) -> bool:
        return self.number != UNKNOWN


@dataclass(frozen=True)
class TextTower:
    """`table`: int8 of shape (words, dim), to be multiplied by `scales` (words,), the commonest words first.
    `head` (dim, space) and `bias` (dim,) take a stored vector, of unit length, to a meaning.

    `chance_mean` and `chance_std` are those of the affinity of what does not belong together.
    """

    tokenizer: Any
    table: NDArray[np.int8]
    scales: NDArray[np.float32]
    head: Vectors
    bias: Vector
    chance_mean: float = 0.0
    chance_std: float = 1.0

    def tokens(self, text: str) -> list[Token]:
        """The words of a text in order, at most `LONGEST`; signs and emoji are none."""
        short = text[: LONGEST * 20]
        encoded = self.tokenizer.encode(short)
        spans = zip(encoded.ids[:LONGEST], encoded.offsets, strict=False)
        return [self._token(short[start:end].lower(), number) for number, (start, end) in spans]

    def embed(self, text: str) -> Vector:
        """The meaning of a text, of shape (dim,) and unit length; zeros when it has no known word."""
        numbers = [token.number for token in self.tokens(text) if token.known]
        summed: Vector = self.scales[numbers] @ self.table[numbers].astype(np.float32)
        return unit(summed)

    def into_space(self, meanings: Vectors) -> Vectors:
        """Meanings of shape (n, dim) as directions of the picture space, of unit length.

        Pictures ranked by the direction come nearly as they do by `affinity`, which costs more: it is for
        finding candidates.
        """
        return unit(meanings @ self.head)

    def affinity(self, meaning: Vector, vectors: NDArray[np.floating[Any]]) -> Vector:
        """The cosine of a meaning, shape (dim,), and what pictures mean: stored vectors of shape (n, space)
        to (n,)."""
        heard = np.asarray(vectors, np.float32) @ self.head.T + self.bias
        length = np.sqrt(np.einsum("ij,ij->i", heard, heard))
        cosines: Vector = heard @ meaning / np.maximum(length, np.float32(1e-12))
        return cosines

    def neighbours(self, meaning: Vector, most: int = 10) -> list[tuple[str, float]]:
        """The words nearest to a meaning, with their cosine, the nearest first; none to no meaning."""
        if not meaning.any():
            return []
        similarities = self._directions @ meaning
        similarities[UNKNOWN] = -np.inf
        most = min(most, len(similarities) - 1)
        best = np.argpartition(-similarities, most)[:most]
        best = best[np.argsort(-similarities[best], kind="stable")]
        return [(self._words[i], float(similarities[i])) for i in best]

    def spelled_like(self, word: str, most: int = 3) -> list[str]:
        """The known words that a mistyped one may have meant, the likeliest first.

        Those one slip of the fingers away, the commonest first (Norvig 2007), then those that begin alike and
        share most letters.
        """
        meant = word.lower()
        numbers = {self._number(form) for form in set(_one_slip_from(meant))} - {UNKNOWN}
        slipped = [self._words[number] for number in sorted(numbers)]
        near = [known for known in self._words[1:] if _alike(known, meant)]
        found = dict.fromkeys([*slipped[:2], *difflib.get_close_matches(meant, near, most, 0.75), *slipped])
        return list(found)[:most]

    def _token(self, word: str, number: int) -> Token:
        if number == UNKNOWN:
            number = next((known for form in stems(word) if (known := self._number(form))), UNKNOWN)
        return Token(word, number)

    def _number(self, word: str) -> int:
        return self.tokenizer.token_to_id(word) or UNKNOWN

    @cached_property
    def _words(self) -> list[str]:
        return sorted(numbers := self.tokenizer.get_vocab(), key=numbers.__getitem__)

    @cached_property
    def _directions(self) -> Vectors:
        return unit(self.table[:COMMON].astype(np.float32))


@dataclass(frozen=True)
class WordEncoder:
    """The tower as the text side of an encoder."""

    card: Card
    tower: TextTower

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Directions of shape (n, card.dim), of unit length; zeros for a text without a known word."""
        meanings = np.zeros((len(texts), len(self.tower.bias)), np.float32)
        for row, text in enumerate(texts):
            meanings[row] = self.tower.embed(text)
        return self.tower.into_space(meanings)

    def compare(self, text: str, vectors: NDArray[np.floating[Any]]) -> Vector:
        """The affinity of a text and each of some stored vectors: shape (n, card.dim) to (n,), in -1..1.
        All are 0 for a text without a known word.

        Of the likeliest `EXACT` it is exact. What is far from them is not worth its length, which costs most:
        it is given their mean.
        """
        tower, meaning = self.tower, self.tower.embed(text)
        vectors = np.asarray(vectors, np.float32)
        along = vectors @ (meaning @ tower.head) + tower.bias @ meaning
        likeliest = np.argsort(-along, kind="stable")[:EXACT]
        compared = np.zeros(len(vectors), np.float32)
        if meaning.any() and len(vectors):
            exact = tower.affinity(meaning, vectors[likeliest])
            ratio = np.abs(exact).sum() / max(float(np.abs(along[likeliest]).sum()), 1e-9)
            compared = np.clip(along * np.float32(ratio), -1, 1)
            compared[likeliest] = exact
        return compared

    @property
    def chance(self) -> tuple[float, float]:
        """Mean and standard deviation of what `compare` gives for texts and pictures that do not belong
        together."""
        return self.tower.chance_mean, self.tower.chance_std

    def knows(self, word: str) -> bool:
        return any(token.known for token in self.tower.tokens(word))

    def spelled_like(self, word: str) -> list[str]:
        """The known words that a mistyped one may have meant, the likeliest first."""
        return self.tower.spelled_like(word)


def stems(word: str) -> Iterator[str]:
    """What an English word may be a form of, the likeliest first: `dog` of `dog's`, `fly` of `flies`. Not all
    of them are words."""
    word = word.replace("\u2019", "'").removesuffix("'s").removesuffix("'")
    yield word
    if len(word) < 4:
        return
    if word.endswith("ies"):
        yield word[:-3] + "y"
    if word.endswith("s") and not word.endswith("ss"):
        yield from (word[:-1], *([word[:-2]] if word.endswith("es") else []))
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            stem = word.removesuffix(ending)
            yield from (stem, stem + "e", *([stem[:-1]] if stem[-1] == stem[-2] else []))


def _one_slip_from(word: str) -> Iterator[str]:
    """A letter left out, two exchanged, one wrong, or one too many."""
    for at in range(len(word) + 1):
        head, tail = word[:at], word[at:]
        yield head + tail[1:]
        yield head + tail[1:2] + tail[:1] + tail[2:]
        yield from (head + letter + tail[1:] for letter in _LETTERS)
        yield from (head + letter + tail for letter in _LETTERS)


def _alike(known: str, word: str) -> bool:
    return known[:1] == word[:1] and abs(len(known) - len(word)) <= 2


def read(folder: Traversable) -> TextTower:
    """The tower of `words.json` and `words.npz` in a folder."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str((folder / "words.json").read_text("utf-8"))
    with resources.as_file(folder / "words.npz") as path, np.load(path) as arrays:
        mean, deviation = arrays["chance"].tolist()
        return TextTower(
            tokenizer,
            arrays["table"],
            arrays["scales"],
            arrays["head"].astype(np.float32),
            arrays["bias"],
            mean,
            deviation,
        )


@cache
def tower() -> TextTower:
    """The tower that comes with findalike."""
    return read(resources.files("findalike.encode") / "data")


def load(card: Card, settings: Settings) -> WordEncoder:
    """The text side of the space that the head was trained for."""
    return WordEncoder(card, tower())
