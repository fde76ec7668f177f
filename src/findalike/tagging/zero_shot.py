"""Pictures scored against a vocabulary that no network was trained for, and tagged with it.

The confidence in an entry is the score that a search for its words would give the picture: what the banks saw
of it, and how near it comes to the meaning of the words (zero-shot, as in CLIP: Radford et al. 2021).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from findalike.errors import UsageError
from findalike.search import Space
from findalike.search.space import TESTIMONY
from findalike.search.words import Shelf, checked
from findalike.store.base import Store
from findalike.store.columns import kept_tags
from findalike.tagging.affinity import Affinity, scored
from findalike.tagging.tables import GIVEN, Tables, own_banks, vocabularies
from findalike.tagging.vocabulary import Entry, Vocabulary
from findalike.types import Bank, Evidence, Vectors
from findalike.words.banks import TAG_FROM

MIN_CONFIDENCE = 0.5
"""From here on a search calls a picture a match."""

CHUNK = 4_000
"""Pictures that are scored and written at once: 20 MB of vectors."""

Watch = Callable[[int, int], None]
"""Called with the number of pictures that are done, and of all."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """What tagging did: how many pictures were scored, in how many each entry was found, in the order of the
    vocabulary, and the words that nothing here knows, each with known ones that are spelled like it."""

    name: str
    pictures: int
    counts: Mapping[str, int]
    skipped: Mapping[str, Sequence[str]]


def tag(
    store: Store,
    space: Space,
    vocabulary: Vocabulary,
    min_confidence: float = MIN_CONFIDENCE,
    watch: Watch = lambda done, total: None,
) -> Tagged:
    """Score every picture against every entry, and keep what is at least `min_confidence` as evidence of a
    bank of the vocabulary's name, in place of what that bank held.

    Raises UsageError for a confidence that is out of range, and when no word of the vocabulary is known.
    """
    if not TAG_FROM <= min_confidence <= 1:
        raise UsageError(f"the least confidence is {min_confidence:g}, but it must be from {TAG_FROM:g} to 1")
    observed = Tables(store, own_banks())
    shelf = observed.shelf([])
    entries, skipped = _known(vocabulary, space, shelf)
    bank = Bank(
        vocabulary.name, _revision(space, min_confidence), Vocabulary(vocabulary.name, entries).concepts()
    )
    store.add_bank(bank)
    judge = _Judge(entries, space, shelf)
    tables = Tables(store, [*own_banks(), *vocabularies(store), *GIVEN])
    ids, counts = sorted(store.encoded(space.card.space)), Counter[int]()
    for done, vectors in _wholes(store, space.card.space, ids):
        watch(done, len(ids))
        confidence = judge.confidence(np.stack([*vectors.values()]), observed.shelf([*vectors]))
        evidence = {i: _sure(each, min_confidence) for i, each in zip(vectors, confidence, strict=True)}
        counts.update(number for found in evidence.values() for number in found)
        _write(store, bank, evidence, tables)
    watch(len(ids), len(ids))
    return Tagged(bank.name, len(ids), {e.name: counts[n] for n, e in enumerate(entries)}, skipped)


def untag(store: Store, name: str) -> int:
    """Forget a vocabulary and its tags; returns how many pictures had one. Raises UsageError for a bank that
    comes with findalike or is not there."""
    if name in (*own_banks(), *GIVEN):
        raise UsageError(
            f"{name!r} is a bank of findalike's own, and stays; to list yours: findalike tag --list"
        )
    others = vocabularies(store)
    if name not in others:
        raise UsageError(f"the library has no vocabulary {name!r}; it has {', '.join(others) or 'none'}")
    table = store.evidence(name)
    shown = [i for i, count in zip(table.asset_ids, np.diff(table.starts), strict=True) if count]
    tables = Tables(store, [*own_banks(), *(each for each in others if each != name), *GIVEN])
    for start in range(0, len(shown), CHUNK):
        store.put_evidence(name, {}, {i: tables.tags(i) for i in shown[start : start + CHUNK]})
    store.remove_bank(name)
    return len(shown)


def _known(
    vocabulary: Vocabulary, space: Space, shelf: Shelf
) -> tuple[tuple[Entry, ...], dict[str, list[str]]]:
    """The entries without the phrases that would not be understood whole, and those phrases."""
    skipped: dict[str, list[str]] = {}
    entries = []
    for entry in vocabulary.entries:
        kept = []
        for phrase in entry.words:
            unknown = [word for word in shelf.read(checked(phrase)).others if not space.knows(word)]
            if unknown:
                near = [n for word in unknown for n in (*shelf.near(word), *space.spelled_like(word))]
                skipped[phrase] = list(dict.fromkeys(near))[:3]
            else:
                kept.append(phrase)
        if kept:
            entries.append(Entry(entry.name, tuple(kept)))
    if not entries:
        words = ", ".join(list(skipped)[:5])
        raise UsageError(f"no word of {vocabulary.name!r} is known here ({words}); to see what "
                         "is known near a word: findalike words WORD")  # fmt: skip
    return tuple(entries), skipped


class _Judge:
    """Scores pictures as a search for words does."""

    def __init__(self, entries: Sequence[Entry], space: Space, shelf: Shelf) -> None:
        phrases = [phrase for entry in entries for phrase in entry.words]
        self._readings = [shelf.read(phrase) for phrase in phrases]
        self._starts = np.cumsum([0, *(len(entry.words) for entry in entries)])[:-1]
        self._affinity = Affinity(space, phrases)

    def confidence(self, vectors: Vectors, shelf: Shelf) -> Vectors:
        """The scores of pictures for entries, shape (n, entries): that of the best of an entry's phrases.
        `shelf` holds the evidence of these very pictures, in the same order."""
        above = self._affinity.above_chance(vectors)
        for column, reading in enumerate(self._readings):
            if reading.named:
                above[:, column] += TESTIMONY * shelf.evidence(reading)
        best: Vectors = np.maximum.reduceat(scored(above), self._starts, axis=1)
        return best


def _wholes(store: Store, space: str, ids: Sequence[str]) -> Iterator[tuple[int, dict[str, Vectors]]]:
    """The vectors of whole pictures by asset, some thousands at a time, and how many came before them."""
    for start in range(0, len(ids), CHUNK):
        rows = store.rows(space, ids[start : start + CHUNK])
        vectors = {row.asset_id: row.vector for row in rows if row.origin.part == "whole"}
        if vectors:
            yield start, vectors


def _sure(confidence: Vectors, least: float) -> dict[int, float]:
    return {int(n): round(float(confidence[n]), 3) for n in np.flatnonzero(confidence >= np.float32(least))}


def _write(store: Store, bank: Bank, evidence: Mapping[str, Evidence], tables: Tables) -> None:
    """Only what is not so already: writing costs far more than scoring."""
    there = store.get(evidence)
    tags = {i: tables.tags(i, {bank.name: found}) for i, found in evidence.items() if i in there}
    untold = {i: found for i, found in evidence.items() if not _alike(found, tables.of(bank.name, i))}
    changed = {i: several for i, several in tags.items() if kept_tags(several) != there[i].tags}
    if untold or changed:
        store.put_evidence(bank.name, untold, changed)


def _alike(found: Evidence, before: Evidence | None) -> bool:
    return before is not None and found == {number: round(weight, 3) for number, weight in before.items()}


def _revision(space: Space, min_confidence: float) -> str:
    """Changes with all that confidence hangs on, the words themselves aside."""
    made = json.dumps(["zero-shot 1", space.card.space, min_confidence])
    return hashlib.sha256(made.encode()).hexdigest()[:12]
