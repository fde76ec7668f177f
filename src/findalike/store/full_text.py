"""Words that find pictures: the text of an asset, what a search asks of it, and a plain ranking.

A text is split into pieces at punctuation, between letters and digits, and in camelCase; accents and case go.
`redFerrari-f430` is red, ferrari, f, 430, and beside them the longer forms redferrari and f430. Chinese and
Japanese characters are a piece each. A break stands between two texts, so that no phrase reaches across.

`rank` is the slow answer that needs no index: BM25 (Robertson and Zaragoza 2009), with a stemmer of a few
endings. Stores with an index bring their own stemmer and agree with it on which assets are found.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from findalike.palette import COLOURS
from findalike.store.columns import parent
from findalike.types import Asset

MOST = 64
"""Of a search so many distinct words and phrases count, and of a phrase so many words."""
LEAST_LETTERS = 5
"""From so many letters on, a word may have a typo."""
BREAK = "|"
"""Stands between texts; no piece is one."""

_UNREAD = {
    "dominant_color": frozenset(colour.name for colour in COLOURS),
    "orientation": frozenset(("portrait", "landscape", "square")),
}
"""The words of what is measured, by column; others in a column of that name are the user's."""
_LONGEST = 32  # characters of a piece: what is longer is no word, and its beginning tells it well enough
_ASIAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_RUN = re.compile(rf"[{_ASIAN}]+|(?:(?![{_ASIAN}])[^\W_])+")
_DIGITS = re.compile(r"(?<=\d)(?=\D)|(?<=\D)(?=\d)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ENDING = re.compile(r"(?<=.)\.[^\W_]{1,5}\Z")
_QUOTED = re.compile(r'"([^"]*)"')
_MARKS = re.compile("[\u0300-\u036f]")
_STOP = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by for from in into is it its my no not of on or our that the their then "
        "there these they this to was were will with your",
    )
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search asks for: all of the `phrases`; if there are none, any of the `words` or of `joined`,
    the pieces of words that have several, which must stand together too."""

    phrases: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]
    joined: tuple[tuple[str, ...], ...]

    def __bool__(self) -> bool:
        return bool(self.phrases or self.words or self.joined)


def document(asset: Asset) -> str:
    """What full-text search knows of an asset: file name, folders, text columns and tags, as words between
    spaces. Every store searches this text, so that all find the same. Who looks for a landscape wants no
    list of all that is wider than high: what was measured on pixels is not read."""
    folder, name = parent(asset.uri)
    metadata = asset.metadata
    columns = [metadata[name] for name in sorted(metadata) if metadata[name] not in _UNREAD.get(name, ())]
    texts = [_ENDING.sub("", name), *re.split(r"[/\\]", folder), *columns, *asset.tags]
    read = [_read(text) for text in texts if isinstance(text, str)]
    longer = dict.fromkeys(form for _, forms in read for form in forms)
    return f" {BREAK} ".join(part for part in [*(pieces for pieces, _ in read), *longer] if part)


def asked(words: str) -> Asked:
    """The search that a text asks for. Stop words count in quotes, and where there is nothing else."""
    text = re.sub("[“”„]", '"', words)
    phrases = [_pieces(quoted) for quoted in _QUOTED.findall(text)]
    split = [_split(run) for run in _RUN.findall(_plain(_QUOTED.sub(" ", text)))]
    loose = dict.fromkeys((forms or pieces)[0] for pieces, forms in split if forms or len(pieces) == 1)
    joined = dict.fromkeys(pieces[:MOST] for pieces, _ in split if len(pieces) > 1)
    distinct = tuple(dict.fromkeys(phrase[:MOST] for phrase in phrases if phrase))[:MOST]
    telling = tuple(word for word in loose if word not in _STOP)
    kept = telling if telling or distinct or joined else tuple(loose)
    return Asked(distinct, kept[: MOST - len(distinct)], tuple(joined)[: MOST - len(distinct)])


def may_have_typo(word: str) -> bool:
    return len(word) >= LEAST_LETTERS and word.isalpha()


def rank(
    search: Asked, documents: Mapping[str, str], passing: Container[str], k: int
) -> Sequence[tuple[str, float]]:
    """The ids of the best documents that pass, with their relevance, by reading all of them.

    A word that no document holds stands for those that are one typo away; of one that is held, those come
    after all else.
    """
    texts = {i: text.split() for i, text in documents.items()}
    spelled = {word: stem(word) for word in {word for words in texts.values() for word in words}}
    stems = {i: [spelled[word] for word in words] for i, words in texts.items()}
    held = set(spelled.values())
    near = {word: _neighbours(word, spelled) for word in search.words if may_have_typo(word)}
    exact = [word for word in search.words if stem(word) in held]
    exact += [other for word in search.words if stem(word) not in held for other in near.get(word, ())]
    later = [other for word in search.words if stem(word) in held for other in near.get(word, ())]
    units = [(stem(word),) for word in exact] + [tuple(map(stem, words)) for words in search.joined]
    needed = [tuple(map(stem, words)) for words in search.phrases]
    first = _scores(units, needed, stems)
    second = _scores([(stem(word),) for word in later], [], {i: stems[i] for i in stems if i not in first})
    if needed:
        second = {}
    return ordered(
        {i: score for i, score in first.items() if i in passing},
        {i: score for i, score in second.items() if i in passing},
    )[: max(k, 0)]


def ordered(first: Mapping[str, float], second: Mapping[str, float]) -> list[tuple[str, float]]:
    """Both in one order, best first, ties by id; all of the second come after the first."""
    best = sorted(first.items(), key=lambda found: (-found[1], found[0]))
    below = best[-1][1] if best else 1.0
    rest = {i: below * score / (1 + score) for i, score in second.items() if i not in first}
    return best + sorted(rest.items(), key=lambda found: (-found[1], found[0]))


@lru_cache(1 << 16)
def stem(word: str) -> str:
    """A word without the commonest English endings: dogs and dog, running and run, cities and city agree."""
    for ending, instead in (("ies", "y"), ("ing", ""), ("ed", ""), ("s", "")):
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) > 2:
            word = word[: -len(ending)] + instead
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def _plain(text: str) -> str:
    """Text without accents; case stays, because it marks the pieces of a word."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", _MARKS.sub("", unicodedata.normalize("NFKD", text)))


@lru_cache(1 << 14)  # folders, tags and words of columns come again and again
def _read(text: str) -> tuple[str, tuple[str, ...]]:
    """The pieces of a text, between spaces, and the longer forms of its words."""
    split = [_split(run) for run in _RUN.findall(_plain(text))]
    return " ".join(piece for pieces, _ in split for piece in pieces), tuple(f for _, fs in split for f in fs)


@lru_cache(1 << 16)
def _split(run: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The pieces of a run of letters and digits, in order, and its longer forms, the whole first."""
    if re.match(f"[{_ASIAN}]", run):
        return tuple(run), ()
    parts = _DIGITS.split(run)
    pieces = [piece for part in parts for piece in _CAMEL.split(part)]
    longer = [form for form in (run, *parts) if form not in pieces]
    return _cut(pieces), tuple(dict.fromkeys(_cut(longer)))


def _cut(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(word.casefold()[:_LONGEST] for word in words)


def _pieces(text: str) -> tuple[str, ...]:
    return tuple(piece for run in _RUN.findall(_plain(text)) for piece in _split(run)[0])


def _neighbours(word: str, others: Iterable[str]) -> list[str]:
    """The words of letters that are one typo away."""
    return sorted(o for o in others if o != word and o.isalpha() and one_typo(word, o))


def one_typo(a: str, b: str) -> bool:
    """Whether one letter is wrong, missing or too many, or two neighbours are swapped."""
    same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    a, b = a[same:], b[same:]
    swapped = a[1::-1] + a[2:] if len(a) > 1 else ""
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or swapped == b


def _scores(
    units: Sequence[tuple[str, ...]], needed: Sequence[tuple[str, ...]], texts: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    """BM25 of the texts that hold all that is needed, or if nothing is, at least one of the units."""
    average = sum(map(len, texts.values())) / max(len(texts), 1) or 1.0
    total: dict[str, float] = {}
    kept = set(texts)
    for number, unit in enumerate([*needed, *dict.fromkeys(units)]):
        times = {i: found for i, words in texts.items() if (found := _times(unit, words))}
        rarity = math.log(1 + (len(texts) - len(times) + 0.5) / (len(times) + 0.5))
        for i, found in times.items():
            length = 1.2 * (0.25 + 0.75 * len(texts[i]) / average)
            total[i] = total.get(i, 0.0) + rarity * found * 2.2 / (found + length)
        if number < len(needed):
            kept &= set(times)
    return {i: score for i, score in total.items() if i in kept}


def _times(unit: tuple[str, ...], words: Sequence[str]) -> int:
    """How often these words stand together."""
    if len(unit) == 1:
        return words.count(unit[0])
    return sum(tuple(words[i : i + len(unit)]) == unit for i in range(len(words) - len(unit) + 1))
