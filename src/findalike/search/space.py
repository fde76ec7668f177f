"""One space of a library: the terms of a query as one direction, and how well rows fit them.

Where words are among the terms, everything that a row is judged by is put on one scale, that of chance: how
many standard deviations it lies above a picture that has nothing to do with the term. On that scale pictures,
words and evidence add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from findalike import timing
from findalike.distance import COSINE
from findalike.encode import calibration
from findalike.encode.base import TextEncoder, WordEncoder, unit
from findalike.errors import QueryError
from findalike.query import And, Filter, In, Not
from findalike.rank import adapted, best_parts, combine, is_adapted
from findalike.search.terms import Looker, Seen
from findalike.search.words import Shelf
from findalike.store.base import Store, similarities
from findalike.types import Asset, Card, Match, Reason, Row, Vector, Vectors

SAMPLE = 4_000
"""Rows that stand for a library when its mean is taken: the mean is then within 2 % of its length."""

STALE = 0.05
"""The share by which a library grows or shrinks before its mean is taken again."""

TESTIMONY = 8.0
"""What full evidence for all that a text names counts, in standard deviations: more than any meaning does, of
which the best of a million pictures has five."""

CONCEPTS = "concepts"
"""The space that reasons of evidence name."""

LEAST_SPREAD = 1e-3
"""Of similarities; where they are all the same, none tells pictures apart."""

LOOKS = 0.12
"""The standard deviation of the similarity of two pictures that have nothing in common."""

DOUBLED, AGAIN, MOST_LEFT_OUT = 3, 5, 500
"""How often a search asks for twice as many rows, because those of a long film crowd out others; how often it
then asks for rows of others; and how many assets it leaves out then."""

WORDED = ((0.0, 0.0), (2.8, 0.3), (4.5, 0.5), (7.0, 0.7), (9.0, 0.85), (11.0, 0.95), (14.0, 1.0))
"""From standard deviations above chance to the score of words: see `docs/scores.md`."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A picture that may answer, its best row, and by what: `value` orders, `score` is in 0..1, and `vote` is
    what it weighs where rankings are fused."""

    asset: Asset
    row: Row | None
    value: float
    score: float
    similarity: float
    space: str
    reasons: tuple[Reason, ...]
    vote: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What a store is asked for, and how similar to it a picture is that is the query itself."""

    vector: Vector
    most: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """How alike a picture and the query are in one space: `value` is in standard deviations above the
    pictures of the library, `score` in 0..1."""

    row: Row
    similarity: float
    value: float
    score: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """One term about all candidates: arrays of shape (candidates,). `value` is in standard deviations above
    chance, evidence included; `score` is in 0..1."""

    seen: Seen
    similarity: Vector
    evidence: Vector
    value: Vector
    score: NDArray[np.float64]


class Space:
    """Searches one space of a store."""

    def __init__(
        self, store: Store, card: Card, looker: Looker, text_encoder: Callable[[], TextEncoder | None]
    ) -> None:
        self.store = store
        self.card = card
        self.looker = looker
        self.text_encoder = text_encoder
        self._sample: tuple[Vectors, Vector, int] = (
            np.zeros((0, card.dim), np.float32),
            np.zeros(card.dim, np.float32),
            0,
        )

    def by_looks(
        self, seen: Sequence[Seen], depth: int, where: Filter | None, own: frozenset[str]
    ) -> list[Candidate]:
        """The pictures nearest to pictures; none where nothing is seen in these."""
        if len(seen) == 1 and seen[0].frames is not None:
            return self._by_film(seen[0], seen[0].frames, depth, where, own)
        target = self._target(seen)
        if target is None:
            return []
        near = self.nearest(target.vector, depth, where, own)
        return [self._as_alike(match, target, seen) for match in near]

    def _by_film(
        self, seen: Seen, frames: Vectors, depth: int, where: Filter | None, own: frozenset[str]
    ) -> list[Candidate]:
        """What is nearest to a film as a whole, or to any of some of its frames."""
        best: dict[str, Candidate] = {}
        for vector in (seen.vector, *frames):
            one = [replace(seen, vector=vector)]
            target = self._target(one)
            near = self.nearest(target.vector, depth, where, own, vector is seen.vector) if target else []
            for match in near:
                found = self._as_alike(match, cast(Target, target), one)
                known = best.get(match.asset.id)
                if known is None or known.similarity < found.similarity:
                    best[match.asset.id] = found
        return sorted(best.values(), key=lambda found: (-found.similarity, found.asset.id))

    def _as_alike(self, match: Match, target: Target, seen: Sequence[Seen]) -> Candidate:
        similarity = min(1.0, match.similarity / target.most)
        score = calibration.score(self.card, similarity)
        reasons = tuple(self._looks(s, match.row) for s in seen)
        return Candidate(match.asset, match.row, similarity, score, similarity, self.card.space, reasons)

    def within(
        self, seen: Sequence[Seen], films: Sequence[Asset], most: int, worded: bool
    ) -> list[Candidate]:
        """The rows of films that fit best, however many are of one film."""
        target = None if worded else self._target(seen)
        vector = self._direction(seen) if worded else target.vector if target else np.zeros(0, np.float32)
        if not vector.any():
            return []
        near = self.store.nearest(self.card.space, vector, most, In("path", tuple(f.uri for f in films)))
        near = [match for match in near if not _is_mean(match)]
        if target:
            return [self._as_alike(match, target, seen) for match in near]
        rows, assets = {m.row.id: m.row for m in near}, {m.row.id: m.asset for m in near}
        return self._judged(seen, [np.zeros(len(rows), np.float32)] * len(seen), rows, assets)

    def judged(self, seen: Sequence[Seen], asset_ids: Iterable[str]) -> dict[str, Judged]:
        """How alike assets and pictures are, by id, of those that have rows in this space; none where
        nothing is seen in the pictures."""
        target = self._target(seen)
        best: dict[str, tuple[float, Row]] = {}
        if target is None:
            return {}
        ordinary = similarities(self.card, self._rows(), target.vector)
        mean, spread = float(ordinary.mean()), max(float(ordinary.std()), LEAST_SPREAD)
        for row in _without_means(self.store.rows(self.card.space, asset_ids)):
            found = float(similarities(self.card, row.vector[None], target.vector)[0])
            if row.asset_id not in best or best[row.asset_id][0] < found:
                best[row.asset_id] = found, row
        return {
            asset_id: Judged(
                row,
                min(1.0, found / target.most),
                (found - mean) / spread,
                calibration.score(self.card, found / target.most),
                tuple(self._looks(s, row) for s in seen),
            )
            for asset_id, (found, row) in best.items()
        }

    def by_words(
        self,
        seen: Sequence[Seen],
        shelf: Shelf,
        depth: int,
        where: Filter | None,
        own: frozenset[str],
        passing: Callable[[Sequence[str]], Mapping[str, Asset]],
    ) -> list[Candidate]:
        """The pictures that fit words best, or words and pictures together. `passing` gives those of some
        assets that pass the filter."""
        vector = self._direction(seen)
        near = self.nearest(vector, depth, where, own) if vector.any() else []
        rows = {match.row.asset_id: match.row for match in near}
        assets = {match.row.asset_id: match.asset for match in near}
        evidence = [self._evidence(s, shelf) for s in seen]
        told = np.sum([s.term.weight * e for s, e in zip(seen, evidence, strict=True)], axis=0)
        new = [i for i in _strongest(told, shelf.ids, depth + len(own)) if i not in rows and i not in own]
        assets |= passing(new)
        rows |= self._best_rows([i for i in new if i in assets], vector)
        places = np.array([shelf.place.get(i, -1) for i in rows], np.int64)
        return self._judged(seen, [_at(each, places) for each in evidence], rows, assets)

    def nearest(
        self,
        vector: Vector,
        k: int,
        where: Filter | None,
        own: frozenset[str] = frozenset(),
        means: bool = False,
    ) -> list[Match]:
        """The best part of each of k assets; those of films may be their `means`. Asks for more rows when
        several are parts of one asset, then for those of others."""
        asked, best = k + len(own), list[Match]()
        for doubled in range(DOUBLED + AGAIN):
            with timing.stage("nearest"):
                rows = self.store.nearest(self.card.space, vector, asked, where)
            shown = own.union(match.asset.id for match in best)
            best += best_parts((m for m in rows if means or not _is_mean(m)), shown)
            if len(best) >= k or len(rows) < asked:
                break
            if doubled < DOUBLED:
                asked, best = asked * 2, []
            else:  # one has more parts than could be asked for: the others are beyond them
                where = _beside(where, rows)
        return best[:k]

    def knows(self, word: str) -> bool:
        """Whether the text side of this space knows a word; one that cannot say is taken at its word."""
        encoder = self.text_encoder()
        return encoder.knows(word) if isinstance(encoder, WordEncoder) else encoder is not None

    def spelled_like(self, word: str) -> list[str]:
        """The words of this space that a mistyped one may have meant."""
        encoder = self.text_encoder()
        return encoder.spelled_like(word) if isinstance(encoder, WordEncoder) else []

    def _judged(
        self,
        seen: Sequence[Seen],
        evidence: Sequence[Vector],
        rows: Mapping[str, Row],
        assets: Mapping[str, Asset],
    ) -> list[Candidate]:
        """Candidates of these rows, by all terms; `evidence` is that of each term for each row."""
        if not rows:
            return []
        vectors = np.stack([row.vector for row in rows.values()])
        vectors = unit(vectors) if self._directed else vectors
        verdicts = [self._verdict(s, vectors, told) for s, told in zip(seen, evidence, strict=True)]
        weights = np.array([s.term.weight for s in seen])
        value = weights @ np.stack([verdict.value for verdict in verdicts])
        score = _mean_score(weights, np.stack([verdict.score for verdict in verdicts]))
        similarity = np.max([verdict.similarity for verdict in verdicts], axis=0)
        return [
            Candidate(
                assets[i],
                row,
                float(value[n]),
                min(max(float(score[n]), 0.0), 1.0),
                float(similarity[n]),
                self.card.space,
                tuple(reason for v in verdicts for reason in self._reasons(v, n)),
            )
            for n, (i, row) in enumerate(rows.items())
        ]

    def _verdict(self, seen: Seen, vectors: Vectors, evidence: Vector) -> Verdict:
        if not _is_text(seen):
            similarity, value = self._alike(seen, vectors)
            scores = [calibration.score(self.card, float(each)) for each in similarity]
            return Verdict(seen, similarity, evidence, value, np.array(scores))
        similarity, value = self._meant(seen, vectors)
        value = value + np.float32(TESTIMONY) * evidence
        above, scores = (list(axis) for axis in zip(*WORDED, strict=True))
        return Verdict(seen, similarity, evidence, value, np.interp(value, above, scores))

    def _alike(self, seen: Seen, vectors: Vectors) -> tuple[Vector, Vector]:
        """How alike a picture and rows are, and how many standard deviations that is above chance."""
        if not self._directed:
            ordinary = similarities(self.card, self._rows(), seen.vector)
            found = similarities(self.card, vectors, seen.vector)
            return found, (found - ordinary.mean()) / max(float(ordinary.std()), LEAST_SPREAD)
        turned = self._turned(seen)
        most = max(
            float(turned @ unit(seen.vector)), 1e-6
        )  # a picture in which nothing is seen has no vector
        return vectors @ turned / np.float32(most), vectors @ turned / np.float32(LOOKS)

    def _meant(self, seen: Seen, vectors: Vectors) -> tuple[Vector, Vector]:
        """How well a text fits rows, and how many standard deviations that is above chance."""
        encoder = self.text_encoder()
        if encoder is None or not seen.vector.any():
            return np.zeros(len(vectors), np.float32), np.zeros(len(vectors), np.float32)
        if isinstance(encoder, WordEncoder):
            similarity = encoder.compare(cast(str, seen.term.what), vectors)
            mean, spread = encoder.chance
        else:
            similarity = vectors @ seen.vector
            chance = self._rows() @ seen.vector
            mean, spread = float(chance.mean()), max(float(chance.std()), 1e-3)
        return similarity, (similarity - np.float32(mean)) / np.float32(spread)

    def _reasons(self, verdict: Verdict, place: int) -> Iterator[Reason]:
        term, told = verdict.seen.term, float(verdict.evidence[place])
        if verdict.seen.vector.any():
            yield Reason(term.label, self.card.space, float(verdict.similarity[place]), term.weight)
        if told > 0:
            yield Reason(term.label, CONCEPTS, told, term.weight)

    def _evidence(self, seen: Seen, shelf: Shelf) -> Vector:
        """How far each picture of the shelf shows what a term names; a picture names nothing."""
        if _is_text(seen):
            return shelf.evidence(shelf.read(cast(str, seen.term.what)))
        return np.zeros(len(shelf.ids), np.float32)

    def _direction(self, seen: Sequence[Seen]) -> Vector:
        """Where the terms point together, each scaled to the same spread over the library."""
        if not self._directed:
            target = self._target([s for s in seen if not _is_text(s)])
            return np.zeros(self.card.dim, np.float32) if target is None else target.vector
        total = np.zeros(self.card.dim, np.float64)
        for s in seen:
            if not _is_text(s):
                total += s.term.weight * self._turned(s) / LOOKS
            elif s.vector.any():
                seen_so = self._rows() @ s.vector
                total += s.term.weight * s.vector / max(float(seen_so.std()) if len(seen_so) else 0.0, 1e-3)
        length = float(np.linalg.norm(total))
        return (total / length).astype(np.float32) if length > 1e-9 else total.astype(np.float32)

    def _turned(self, seen: Seen) -> Vector:
        """The vector of a picture, turned away from the ordinary where it is looked for."""
        vector = unit(seen.vector)
        turns = seen.term.weight > 0 and vector.any()
        return self._adapted(vector) if turns else vector

    def _adapted(self, vector: Vector) -> Vector:
        return adapted(vector, *self._ordinary()) if is_adapted(self.card) else vector

    @property
    def _directed(self) -> bool:
        """Whether vectors of this space count by their directions, and so add up."""
        return self.card.metric == COSINE

    def _target(self, seen: Sequence[Seen]) -> Target | None:
        """What pictures ask a store for together. Raises QueryError."""
        vectors, weights = [s.vector for s in seen], [s.term.weight for s in seen]
        if not self._directed:
            if min(weights, default=1) < 0:
                raise QueryError(
                    f"{self.card.name} compares by {self.card.metric}, which only looks for pictures; to "
                    "look away from some, search in another space"
                )
            return Target(np.average(vectors, axis=0, weights=weights).astype(np.float32)) if seen else None
        if not any(vector.any() for vector in vectors):
            return None
        wanted = combine(vectors, weights)
        turned = self._adapted(wanted)
        return Target(turned, float(turned @ wanted))

    def _best_rows(self, ids: Sequence[str], vector: Vector) -> dict[str, Row]:
        rows = _without_means(self.store.rows(self.card.space, ids))
        alike = {row.id: similarities(self.card, row.vector[None], vector)[0] for row in rows}
        return {row.asset_id: row for row in sorted(rows, key=lambda row: alike[row.id])}

    def _looks(self, seen: Seen, row: Row) -> Reason:
        if self._directed:
            similarity = float(unit(seen.vector) @ unit(row.vector))
        else:
            similarity = float(similarities(self.card, row.vector[None], seen.vector)[0])
        return Reason(seen.term.label, self.card.space, similarity, seen.term.weight)

    def _rows(self) -> Vectors:
        """A sample of the library."""
        self._ordinary()
        return self._sample[0]

    def _ordinary(self) -> tuple[Vector, int]:
        """The mean of the library's vectors and of how many rows; kept while the library grows little."""
        rows = self.store.count()
        _, _, counted = self._sample
        if abs(rows - counted) > counted * STALE:
            sample = self.store.sample(self.card.space, SAMPLE)
            if len(sample):
                some = np.ascontiguousarray(sample[:: max(1, len(sample) // 500)])
                self._sample = some, sample.mean(axis=0), rows
        return self._sample[1], self._sample[2]


def _is_mean(match: Match) -> bool:
    """Whether a row is that of a whole film, which no picture is alike: the mean of its frames."""
    return match.row.origin.part == "whole" and match.asset.is_film


def _without_means(rows: Sequence[Row]) -> list[Row]:
    """The rows without those of whole films."""
    films = {row.asset_id for row in rows if row.origin.part == "frame"}
    return [row for row in rows if row.origin.part != "whole" or row.asset_id not in films]


def _beside(where: Filter | None, rows: Sequence[Match]) -> Filter:
    """Also none of the assets that most of these rows are parts of."""
    counts = Counter(match.asset.uri for match in rows)
    others = Not(In("path", tuple(uri for uri, _ in counts.most_common(MOST_LEFT_OUT))))
    return others if where is None else And((where, others))


def _is_text(seen: Seen) -> bool:
    return seen.term.kind == "text"


def _mean_score(weights: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of what is looked for, by weight, less what is looked away from; where nothing is looked for, how
    little of the rest there is. `scores` has shape (terms, candidates)."""
    if (weights > 0).any():
        mean: NDArray[np.float64] = weights @ scores / weights[weights > 0].sum()
        return mean
    rest: NDArray[np.float64] = weights @ (1 - scores) / weights.sum()
    return rest


def _strongest(told: Vector, ids: Sequence[str], most: int) -> list[str]:
    """The ids of the largest values above 0, best first, ties by id."""
    shown = np.flatnonzero(told > 0)
    if len(shown) > most:
        values = told[shown]
        shown = shown[values >= np.partition(values, -most)[-most]]
    if len(shown) > 4 * most:  # so many are equally sure that any of them will do
        shown = shown[: 4 * most]
    return [ids[i] for i in sorted(shown.tolist(), key=lambda i: (-told[i], ids[i]))[:most]]


def _at(evidence: Vector, places: NDArray[np.int64]) -> Vector:
    """The evidence at these places; a place of -1 has none."""
    taken: Vector = np.append(evidence, np.float32(0))[places]
    return taken
