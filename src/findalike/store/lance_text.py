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

from findalike.store import full_text, lance_records, lance_tables
from findalike.store.full_text import Asked
from findalike.types import Asset

COLUMN = "document"
FRESH = 500
"""So many documents may be outside of the index before `optimize` adds them: they take 2 ms of a search."""
_SLACK = 100  # more scores than asked for, so that among equal ones ids decide
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
) -> tuple[Sequence[tuple[str, float]], dict[str, Asset]]:
    """The ids of the k best assets that pass a condition, with their relevance, and of those assets what was
    fetched beside: mostly all.

    A word that no document holds stands for those that are one typo away; of one that is held, those come
    after all else.
    """
    finder = _Finder(table, condition)
    strange = [word for word in search.words if word not in vocabulary.words]
    near = {word: vocabulary.near(word) for word in strange}
    unknown = {word for word, others in near.items() if others and not _held(table, word)}
    words = [form for word in search.words for form in (near[word] if word in unknown else [word])]
    first = finder.best(_query(words, search), k)
    if len(first) >= k or search.phrases:
        return full_text.ordered(first, {})[:k], finder.assets
    held = (word for word in search.words if word not in unknown)
    later = [other for word in held for other in near.get(word) or vocabulary.near(word)]
    if not later:
        return full_text.ordered(first, {}), finder.assets
    second = finder.best(_match(later), k + len(first))
    return full_text.ordered(first, second)[:k], finder.assets


class _Finder:
    """Asks the index, and keeps the assets that come with the answers."""

    def __init__(self, table: Any, condition: str | None) -> None:
        self._table = table
        self._condition = condition
        self._kinds = lance_records.kinds_of(table.schema)
        self._whole = lance_records.asset_columns(table.schema) == ["asset"]
        self.assets: dict[str, Asset] = {}

    def best(self, query: Any, k: int) -> dict[str, float]:
        """Relevance by id of the best, and of all that are as good as the k-th.

        Scores and places come fast, and tell of which rows more is to be fetched. Places hold for one version
        of the table, and another thread may move it on.
        """
        while True:
            version = self._table.version
            scores = self._scores(query, k)
            found = self._fetched(list(scores), len(scores) <= 2 * k + _SLACK) if scores else {}
            if self._table.version == version:
                return {found[place]: score for place, score in scores.items()}

    def _scores(self, query: Any, k: int) -> dict[int, float]:
        limit = k + _SLACK
        while True:
            found = _asked(self._table, query, limit, self._condition)
            scores = found.column("_score").to_numpy().clip(min=_LEAST).tolist()
            least = sorted(scores, reverse=True)[:k][-1] * (1 - _EQUAL) if scores else 0.0
            places = zip(found.column("_rowid").to_pylist(), scores, strict=True)
            best = {place: score for place, score in places if score >= least}
            if len(scores) < limit or len(best) < limit:
                return best
            limit *= 4

    def _fetched(self, places: list[int], few: bool) -> dict[int, str]:
        """Ids by place. Of a few the assets come along; those of thousands of equals would take long."""
        column = "asset" if few and self._whole else "asset_id"
        found: pa.Table = self._table.take_row_ids(places).select([column]).with_row_id().to_arrow()
        ids = found.column(column).to_pylist() if column == "asset_id" else self._kept(found)
        return dict(zip(found.column("_rowid").to_pylist(), ids, strict=True))

    def _kept(self, found: pa.Table) -> list[str]:
        assets = list(lance_records.to_assets(found, self._kinds))
        self.assets |= {asset.id: asset for asset in assets}
        return [asset.id for asset in assets]


def _held(table: Any, word: str) -> bool:
    """Whether any document holds a word, by its stem."""
    return bool(len(_asked(table, _match([word]), 1, None)))


def _query(words: Sequence[str], search: Asked) -> Any:
    if words and not search.joined and not search.phrases:
        return _match(words)  # this form alone skips what cannot be among the best
    parts = [(Occur.MUST, PhraseQuery(" ".join(phrase), COLUMN)) for phrase in search.phrases]
    parts += [(Occur.SHOULD, PhraseQuery(" ".join(pieces), COLUMN)) for pieces in search.joined]
    return BooleanQuery(parts + ([(Occur.SHOULD, _match(words))] if words else []))


def _match(words: Sequence[str]) -> Any:
    return MatchQuery(" ".join(dict.fromkeys(words)), COLUMN)


def _asked(table: Any, query: Any, limit: int, condition: str | None) -> pa.Table:
    made = table.search(query, query_type="fts").select(["_score"]).with_row_id(True).limit(limit)
    found: pa.Table = (made.where(condition, prefilter=True) if condition else made).to_arrow()
    return found
