"""Full-text search as one more ranking, and what is said of words that nothing knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from findalike import timing
from findalike.query import Filter, Term
from findalike.search.space import Candidate, Space
from findalike.search.words import Shelf
from findalike.store import full_text
from findalike.store.base import Store
from findalike.types import Found, Reason

TEXTS = "texts"
"""The space that a hit of full-text search names."""

ALL_WORDS = 0.9
"""The score of a picture whose texts hold all words asked for: it is called so, whatever it shows."""

ENGLISH = "findalike's own words are English; names and texts are searched in any language"


VOTES_FROM = 0.6
"""The least share of what was asked for that a text must hold. Below it a text is about something else."""

NAMED = 3.0
"""How much a word that no network or bank knows, such as a name, counts beside one that they know."""

TYPO = 0.8
"""What a word counts that is spelled a little otherwise in a text."""

RARE = 0.4
"""The least relevance for each word that a text holds: what most pictures hold, as a folder that all of them
lie in, tells none of them from another."""


class Texts:
    """Searches names, folders and columns for the words of a query."""

    def __init__(self, store: Store, shelf: Shelf, spaces: Sequence[Space]) -> None:
        self._store = store
        self._shelf = shelf
        self._spaces = spaces

    def rankings(
        self, terms: Sequence[Term], depth: int, where: Filter | None, own: frozenset[str]
    ) -> list[list[Candidate]]:
        """One for each text that is looked for: a text to look away from finds nothing by itself."""
        with timing.stage("texts"):
            return [
                self._ranking(term, depth, where, own)
                for term in terms
                if term.kind == "text" and term.weight > 0
            ]

    def _ranking(self, term: Term, depth: int, where: Filter | None, own: frozenset[str]) -> list[Candidate]:
        units = self._units(str(term.what))
        if not units:
            return []
        candidates = []
        for found in _complete(self._store.full_text(str(term.what), depth, where), depth):
            share, held = _share(units, full_text.document(replace(found.asset, tags=())))
            if share >= VOTES_FROM and found.relevance >= RARE * held and found.asset.id not in own:
                candidates.append(_candidate(term, found, share))
        return candidates

    def _units(self, text: str) -> dict[tuple[str, ...], float]:
        """What a text asks of others, words and phrases, and how much each counts. Single letters and digits
        stand in every name."""
        asked = full_text.asked(text)
        several = [*asked.phrases, *((word,) for word in asked.words), *asked.joined]
        return {
            unit: 1.0 if all(map(self._known, unit)) else NAMED for unit in several if len("".join(unit)) > 1
        }

    def _known(self, word: str) -> bool:
        return bool(self._shelf.read(word).named) or any(space.knows(word) for space in self._spaces)

    def notes(self, terms: Sequence[Term]) -> list[str]:
        """What is to be said of words that no encoder or bank knows."""
        texts = [str(term.what) for term in terms if term.kind == "text"]
        return [note for text in texts for note in self._notes(text)]

    def _notes(self, text: str) -> Iterator[str]:
        others = dict.fromkeys(self._shelf.read(text).others)
        unknown = [w for w in others if not any(space.knows(w) for space in self._spaces)]
        spelled = {word: _spelled(word, self._store.full_text(word, 1)) for word in unknown}
        for word, near in spelled.items():
            if near and near != word:
                yield f"{word!r} is not known; names and texts have {near!r}, which was looked for"
        lost = [word for word, near in spelled.items() if not near][:8]
        if lost:
            near_by = list(dict.fromkeys(n for word in lost for n in self._near(word)))
            foreign = len(lost) > 1 and 2 * len(lost) >= sum(len(word) > 2 for word in others)
            known = f"words near by that are known: {', '.join(near_by[:6])}"
            advice = ENGLISH if foreign or not near_by else known
            yield f"no picture or text knows {', '.join(map(repr, lost))}; {advice}"

    def _near(self, word: str) -> list[str]:
        spelled = [near for space in self._spaces for near in space.spelled_like(word)]
        return list(dict.fromkeys([*self._shelf.near(word), *spelled]))[:3]


def _candidate(term: Term, found: Found, share: float) -> Candidate:
    reason = Reason(term.label, TEXTS, share, term.weight)
    value, score = found.relevance * share, ALL_WORDS * share
    return Candidate(found.asset, None, value, score, share, TEXTS, (reason,), vote=share**2)


def _complete(found: Sequence[Found], depth: int) -> Sequence[Found]:
    """The list without those at its end that tie with others beyond it: which of these came is chance."""
    if len(found) < depth:
        return found
    return [each for each in found if each.relevance > found[-1].relevance]


def _share(units: Mapping[tuple[str, ...], float], document: str) -> tuple[float, int]:
    """The share of what is asked for that a text holds, in 0..1, and how many of the words and phrases: words
    by their stem or with a typo, phrases whole."""
    words = document.split()
    held = f" {' '.join(map(full_text.stem, words))} "
    found = {
        unit: 1.0 if f" {' '.join(map(full_text.stem, unit))} " in held else _typo(unit, words)
        for unit in units
    }
    total = sum(weight * found[unit] for unit, weight in units.items())
    return total / sum(units.values()), sum(share > 0 for share in found.values())


def _typo(unit: tuple[str, ...], words: Sequence[str]) -> float:
    """What a word counts that a text holds with a typo."""
    word = unit[0]
    alike = len(unit) == 1 and full_text.may_have_typo(word)
    return TYPO if alike and any(full_text.one_typo(word, other) for other in words) else 0.0


def _spelled(word: str, found: Sequence[Found]) -> str:
    """How a text that was found for a word has it; nothing when none was found."""
    words = full_text.document(found[0].asset).split() if found else []
    if any(full_text.stem(word) == full_text.stem(other) for other in words):
        return word
    return next((other for other in words if full_text.one_typo(word, other)), word if found else "")
