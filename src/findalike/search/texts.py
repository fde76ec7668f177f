"""Full-text search as one more ranking, and what is said of words that nothing knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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


class Texts:
    """Searches names, folders, columns and tags for the words of a query."""

    def __init__(self, store: Store, shelf: Shelf) -> None:
        self._store = store
        self._shelf = shelf

    def rankings(
        self, terms: Sequence[Term], depth: int, where: Filter | None, own: frozenset[str]
    ) -> list[list[Candidate]]:
        """One for each text that is looked for: a text to look away from finds nothing by itself."""
        return [
            self._ranking(term, depth, where, own)
            for term in terms
            if term.kind == "text" and term.weight > 0
        ]

    def _ranking(self, term: Term, depth: int, where: Filter | None, own: frozenset[str]) -> list[Candidate]:
        words = str(term.what)
        asked = full_text.asked(words)
        found = _complete(self._store.full_text(words, depth, where), depth)
        candidates = []
        for each in found:
            share = _share(asked, full_text.document(replace(each.asset, tags=())))
            if share > 0 and each.asset.id not in own:
                reason = Reason(term.label, TEXTS, share, term.weight)
                candidates.append(
                    Candidate(
                        each.asset,
                        None,
                        each.relevance * share,
                        ALL_WORDS * share,
                        share,
                        TEXTS,
                        (reason,),
                        vote=share**2,  # a text with one word of two is mostly about something else
                    )
                )
        return candidates

    def notes(self, terms: Sequence[Term], spaces: Sequence[Space]) -> list[str]:
        """What is to be said of words that no encoder, bank or text knows."""
        texts = [str(term.what) for term in terms if term.kind == "text"]
        return [note for text in texts if (note := self._note(text, spaces))]

    def _note(self, text: str, spaces: Sequence[Space]) -> str:
        others = dict.fromkeys(self._shelf.read(text).others)
        unknown = [word for word in others if not any(space.knows(word) for space in spaces)]
        unknown = [word for word in unknown if not self._store.full_text(word, 1)][:8]
        if not unknown:
            return ""
        quoted = ", ".join(repr(word) for word in unknown)
        near = dict.fromkeys(n for word in unknown for n in self._near(word, spaces))
        foreign = len(unknown) > 1 and 2 * len(unknown) >= len(others)
        advice = ENGLISH if foreign or not near else f"words near by that are known: {', '.join([*near][:6])}"
        return f"no picture or text knows {quoted}; {advice}"

    def _near(self, word: str, spaces: Sequence[Space]) -> list[str]:
        spelled = [near for space in spaces for near in space.spelled_like(word)]
        return list(dict.fromkeys([*self._shelf.near(word), *spelled]))[:3]


def _complete(found: Sequence[Found], depth: int) -> Sequence[Found]:
    """The list without those at its end that tie with others beyond it: which of these came is chance."""
    if len(found) < depth:
        return found
    return [each for each in found if each.relevance > found[-1].relevance]


def _share(asked: full_text.Asked, document: str) -> float:
    """The share of what was asked for that a text holds, in 0..1: words by their stem, phrases whole."""
    held = f" {' '.join(map(full_text.stem, document.split()))} "
    units = [*asked.phrases, *((word,) for word in asked.words), *asked.joined]
    count = sum(f" {' '.join(map(full_text.stem, unit))} " in held for unit in units)
    return count / len(units) if units else 0.0
