"""Attributes without labels: each value said in words, and pictures compared with them.

Zero-shot classification with prompts, as in CLIP (Radford et al. 2021), by any encoder with a side for texts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from findalike.attributes.card import Label
from findalike.attributes.probe import Linear
from findalike.encode.base import TextEncoder, unit
from findalike.encode.text import WordEncoder
from findalike.errors import UsageError
from findalike.types import Card, Vectors

PROMPT = "{}"
COOL = 0.01
"""The temperature of cosines where no label tells a better one: what CLIP and its kin were trained to."""

_MOST = 1_000
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Wording:
    """Values and the texts that mean them: those of `own`, else the value put into each of `prompts`."""

    values: tuple[str, ...] = ()
    prompts: tuple[str, ...] = (PROMPT,)
    own: tuple[tuple[str, tuple[str, ...]], ...] = ()
    asked: bool = False

    def texts(self, value: Label) -> list[str]:
        words = dict(self.own).get(str(value), (str(value),))
        return [prompt.replace("{}", word) for prompt in self.prompts for word in words]


UNSAID = Wording()
"""Each value is its own text."""


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """A space, and its side for texts."""

    card: Card
    encoder: TextEncoder


def worded(
    values: Sequence[str] | Mapping[str, Sequence[str]] | str | os.PathLike[str] | None,
    prompts: str | Sequence[str] | None,
) -> Wording:
    """Values as a list, with the texts that mean them, or a text file with `value` or `value: text, text` on
    each line; and prompts in which {} stands for the value. Raises UsageError."""
    given = [prompts] if isinstance(prompts, str) else list(prompts or [PROMPT])
    for prompt in given:
        if "{}" not in prompt or not prompt.isprintable():
            raise UsageError(
                f"the prompt {prompt!r} has no place for the value; write {{}} there: 'a {{}} car'"
            )
    if isinstance(values, str | os.PathLike):
        values = _read(Path(os.path.expanduser(values)))  # noqa: PTH111  (Path's raises for a user it lacks)
    own = values if isinstance(values, Mapping) else dict.fromkeys(values or (), ())
    names = [str(value).strip() for value in own]
    if not all(names) or len(set(names)) < len(names) or len(names) == 1:
        raise UsageError(f"values are {', '.join(map(repr, names[:5]))}: give at least two, each another")
    texts = tuple((str(value).strip(), tuple(several)) for value, several in own.items() if several)
    return Wording(tuple(names), tuple(given), texts, values is not None or prompts is not None)


def probe(values: Sequence[Label], wording: Wording, reader: Reader) -> tuple[Linear | None, list[str]]:
    """Compares pictures with what is said of each value; None, and the texts without a known word, where the
    encoder cannot read all of them."""
    texts = [wording.texts(value) for value in values]
    read = [_read_by(reader.encoder, several) for several in texts]
    unknown = [
        text
        for several, vectors in zip(texts, read, strict=True)
        for text, vector in zip(several, vectors, strict=True)
        if not vector.any()
    ]
    if unknown:
        return None, unknown
    space, none = reader.card.space, np.zeros(len(values), np.float32)
    meanings = unit(np.stack([unit(vectors).mean(axis=0) for vectors in read])).astype(np.float32)
    if isinstance(reader.encoder, WordEncoder):
        tower = reader.encoder.tower
        return Linear({space: meanings}, none, tower.chance_std, (), (tower.head.T, tower.bias)), []
    return Linear({space: meanings}, none, COOL), []


def _read_by(encoder: TextEncoder, texts: Sequence[str]) -> Vectors:
    """The meanings of texts, zeros for one without a known word: by our own tower as it compares pictures
    with them, by any other as directions of its space."""
    if isinstance(encoder, WordEncoder):
        return np.stack([encoder.tower.embed(text) for text in texts])
    return encoder.encode_texts(texts)


def _read(path: Path) -> dict[str, list[str]]:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}; give a text file of one value a line") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is no text in UTF-8; save it as such, one value a line") from None
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, words = line.partition(":")
        if name.strip() and not line.lstrip().startswith("#"):
            found.setdefault(name.strip(), []).extend(w.strip() for w in words.split(",") if w.strip())
    if not 1 < len(found) <= _MOST:
        raise UsageError(f"{path}: holds {len(found):,} values, but 2 to {_MOST:,} can be told apart; write "
                         "one a line")  # fmt: skip
    return found
