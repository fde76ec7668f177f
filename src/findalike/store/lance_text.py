"""Full-text search on disk: Lance's index over the documents of assets, and a table of their words.

The index stems; rows that it does not cover yet are read, at 4 µs each, so what was just written is found.
Its own tolerance of typos does not reach those rows, so words near a word are looked up here, in the table of
all words that documents ever held. A word that is there no more finds nothing and does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from lancedb.index import FTS
from lancedb.query import BooleanQuery, MatchQuery, Occur, PhraseQuery

from findalike.store import full_text, lance_tables
from findalike.store.full_text import Asked

COLUMN = "document"
FRESH = 500
"""So many documents may be outside of the index before `optimize` adds them: they take 2 ms of a search."""
_SLACK = 8  # more than asked for, so that among equal ones ids decide
_LEAST = 1e-9  # what a word is worth that all of many millions of documents hold
_EQUAL = 1e-6  # relevances that float32 cannot tell apart


def indexed(table: Any) -> bool:
    return any(index.columns == [COLUMN] for index in table.list_indices())


def unindexed(table: Any) -> int:
    """Documents that the index does not cover."""
    return sum(i.num_unindexed_rows or 0 for i in table.list_indices() if i.columns == [COLUMN])


def make_index(table: Any) -> None:
    """An index whose words are those between the spaces of documents, stemmed."""
    plain = FTS(
        with_position=True,
        base_tokenizer="whitespace",
        max_token_length=None,
        lower_case=False,
        stem=True,
        remove_stop_words=False,
        ascii_folding=False,
    )
    table.create_index(COLUMN, config=plain)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All words of letters, at one version of their table."""

    version: int = -1
    words: frozenset[str] = frozenset()
    array: Any = None

    def latest(self, table: Any) -> Vocabulary:
        if table.version == self.version:
            return self
        array = lance_tables.select(table, ["word"]).column("word")
        return Vocabulary(table.version, frozenset(array.to_pylist()), array)

    def lacking(self, documents: Iterable[str]) -> list[str]:
        """The words of documents that are not there yet and that a typo may lead to."""
        held = {word for text in documents for word in text.split()} - self.words
        least = full_text.LEAST_LETTERS - 1
        return sorted(word for word in held if len(word) >= least and word.isalpha())

    def near(self, word: str) -> list[str]:
        """The words with a letter wrong, missing or too many, or with two neighbours swapped."""
        if not full_text.may_have_typo(word) or self.array is None:
            return []
        ends = range(len(word) + 1)
        forms = [f"{word[:i]}.?{word[i + 1 :]}" for i in ends[:-1]] + [f"{word[:i]}.{word[i:]}" for i in ends]
        forms += [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in ends[:-2]]
        fits = pc.match_substring_regex(self.array, f"^(?:{'|'.join(forms)})$")
        return sorted(set(self.array.filter(fits).to_pylist()) - {word})


def search(
    table: Any, vocabulary: Vocabulary, search: Asked, k: int, condition: str | None
) -> Sequence[tuple[str, float]]:
    """The ids of the k best assets that pass a condition, with their relevance.

    A word that no document holds stands for those that are one typo away; of one that is held, those come
    after all else.
    """
    near = {word: vocabulary.near(word) for word in search.words}
    unknown = {word for word, others in near.items() if others and not _held(table, vocabulary, word)}
    words = [form for word in search.words for form in (near[word] if word in unknown else [word])]
    first = _best(table, _query(words, search), k, condition)
    later = [other for word in search.words if word not in unknown for other in near[word]]
    if len(first) >= k or search.phrases or not later:
        return full_text.ordered(first, {})[:k]
    second = _best(table, _match(later), k + len(first), condition)
    return full_text.ordered(first, second)[:k]


def _held(table: Any, vocabulary: Vocabulary, word: str) -> bool:
    return word in vocabulary.words or bool(_found(table, _match([word]), 1, None))


def _query(words: Sequence[str], search: Asked) -> Any:
    if words and not search.joined and not search.phrases:
        return _match(words)  # this form alone skips what cannot be among the best
    parts = [(Occur.MUST, PhraseQuery(" ".join(phrase), COLUMN)) for phrase in search.phrases]
    parts += [(Occur.SHOULD, PhraseQuery(" ".join(pieces), COLUMN)) for pieces in search.joined]
    return BooleanQuery(parts + ([(Occur.SHOULD, _match(words))] if words else []))


def _match(words: Sequence[str]) -> Any:
    return MatchQuery(" ".join(dict.fromkeys(words)), COLUMN)


def _best(table: Any, query: Any, k: int, condition: str | None) -> dict[str, float]:
    """The best, and all that are as good as the k-th."""
    limit = k + _SLACK
    while True:
        found = _found(table, query, limit, condition)
        scores = sorted(found.values(), reverse=True)
        if len(found) < limit or scores[-1] < scores[k - 1] * (1 - _EQUAL):
            return found
        limit *= 16


def _found(table: Any, query: Any, limit: int, condition: str | None) -> dict[str, float]:
    made = table.search(query, query_type="fts").select(["asset_id", "_score"]).limit(limit)
    found: pa.Table = (made.where(condition, prefilter=True) if condition else made).to_arrow()
    scores = found.column("_score").to_numpy().clip(min=_LEAST).tolist()
    return dict(zip(found.column("asset_id").to_pylist(), scores, strict=True))
