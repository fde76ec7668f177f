"""A vocabulary: the words of one's own that pictures are to be tagged with.

A file has one word or phrase a line. `name: word, word`, or `name, word, word`, gives other words that mean
the same; lines that begin with # and empty ones are passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from findalike import plugins
from findalike.errors import UsageError
from findalike.tagging.tables import GIVEN
from findalike.types import Concept
from findalike.words.banks import GROUP
from findalike.words.lexicon import tokens

MOST = 10_000
"""Entries of a vocabulary: more would take hours, and no one reads that many tags."""

MOST_BYTES = 4 << 20
LONGEST = 200
"""Characters of a name, which is a tag that people type."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A tag, and the words that mean it, its own among them."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A name, that of the bank it becomes, and entries of distinct names. Raises UsageError."""

    name: str
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.entries:
            raise UsageError(f"the vocabulary {self.name!r} has no words; write one on each line")
        if len(self.entries) > MOST:
            raise UsageError(f"{self.name!r} has {len(self.entries):,} entries, but {MOST:,} are the most")

    @classmethod
    def read(cls, path: str | os.PathLike[str], name: str | None = None) -> Self:
        """That of a file, named after it unless a name is given. Raises UsageError."""
        file = Path(os.path.expanduser(path))  # noqa: PTH111  (Path's raises for a user it lacks)
        return cls(file.stem if name is None else name, _entries(_lines(file), os.fspath(path)))

    @classmethod
    def of(cls, words: Iterable[str] | Mapping[str, Sequence[str]], name: str | None) -> Self:
        """That of words, or of names with the words that mean them."""
        if name is None:
            raise UsageError("a vocabulary that is no file needs a name")
        if isinstance(words, Mapping):
            words = [f"{each}: {', '.join(several)}" for each, several in words.items()]
        return cls(name, _entries(enumerate(words, 1), "vocabulary"))

    def concepts(self) -> tuple[Concept, ...]:
        return tuple(Concept(entry.name, entry.words) for entry in self.entries)


def check_name(name: str) -> str:
    """A name that a bank may have. Raises UsageError for one of those that come with findalike."""
    if name in plugins.names(GROUP) or name in GIVEN:
        raise UsageError(f"{name!r} is a bank of findalike's own; name the vocabulary otherwise, with --name")
    if not name.strip() or not name.isprintable() or len(name) > LONGEST:
        raise UsageError(f"{name[:40]!r} is no name for a vocabulary; give one such as --name garden")
    return name


def _lines(file: Path) -> Iterable[tuple[int, str]]:
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}; give a text file of one word a line") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: is no text in UTF-8 (byte {error.start:,}); save it as such") from None
    if len(data) > MOST_BYTES or "\0" in text:
        raise UsageError(f"{file}: is no list of words; give a text file of one word or phrase a line")
    return enumerate(text.splitlines(), 1)


def _entries(lines: Iterable[tuple[int, str]], where: str) -> tuple[Entry, ...]:
    """Entries of the same name, whatever its case, become one."""
    found: dict[str, Entry] = {}
    for number, line in lines:
        text = " ".join(line.split())
        if text and not text.startswith("#"):
            entry = _entry(text, f"{where}, line {number}")
            known = found.get(entry.name.casefold(), entry)
            found[entry.name.casefold()] = Entry(known.name, tuple(dict.fromkeys(known.words + entry.words)))
    return tuple(found.values())


def _entry(text: str, where: str) -> Entry:
    name, _, others = text.partition(":" if ":" in text else ",")
    name = name.strip()
    if not tokens(name) or not name.isprintable():
        raise UsageError(f"{where}: {text[:40]!r} names no word; write a word, a phrase, or name: word, word")
    if len(name) > LONGEST:
        raise UsageError(f"{where}: a tag of {len(name):,} characters; at most {LONGEST} can be typed")
    words = [word.strip() for word in others.split(",")]
    return Entry(name, tuple(dict.fromkeys([name, *(word for word in words if tokens(word))])))
