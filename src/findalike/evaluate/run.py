"""Tasks and methods to a report: every method is measured on the same queries of every task."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from findalike.errors import UsageError
from findalike.evaluate import bootstrap, metrics, similarity, stored
from findalike.evaluate.metrics import PerQuery, Ranks
from findalike.evaluate.results import (
    Comparison,
    Cost,
    Evaluation,
    Method,
    Options,
    Report,
    Result,
    Slice,
    Top,
)
from findalike.evaluate.similarity import AS_SEARCHED
from findalike.evaluate.stored import Space
from findalike.evaluate.task import PAIRS, Places, Task
from findalike.evaluate.truth import Labels
from findalike.evaluate.verification import Scored, Verification, verify
from findalike.library import Library
from findalike.types import Vectors

BLOCK = 2_000_000
"""Similarities that are ordered at a time: about 60 MB."""

PAIR_SAMPLE = 300_000
"""Pairs of queries and pictures that thresholds are chosen from."""

TOP = 10
"""Results of each query that are kept to look at."""

SLICED = ("precision@1", "map")
"""What is told of each value of a column."""

Watch = Callable[[int, int, str], None]
"""Called with how many of how many methods are done, and the one that is next."""


def evaluate(
    library: Library,
    tasks: Sequence[Task],
    methods: Sequence[Method],
    options: Options | None = None,
    watch: Watch = lambda done, total, label: None,
) -> Report:
    """Measure methods on tasks, whose pictures are the same and have vectors in every space: see
    `stored.encoded`. Nothing is encoded but a few pictures for their time.

    Raises UsageError when no method suits, LibraryError for a vector that is not finite.
    """
    options = options or Options()
    started = time.monotonic()
    found: list[dict[str, Result]] = [{} for _ in tasks]
    notes: dict[str, None] = {}
    skipped: dict[str, str] = {}
    cards = [method.card for method in methods]
    shown = stored.decoded(library, cards, tasks[0].pictures) if options.timing else []
    done = 0
    for card, several in groupby(sorted(methods, key=lambda m: cards.index(m.card)), key=lambda m: m.card):
        space = stored.space(library, card, tasks[0].pictures)
        encode_ms = stored.encode_ms(library, card, shown)
        notes |= dict.fromkeys(_notes(space))
        for method in several:
            watch(done, len(methods), method.label)
            done += 1
            why = similarity.unsuited(method.distance, card, space.vectors)
            if why:
                skipped[method.label] = why
                continue
            for task, results in zip(tasks, found, strict=True):
                results[method.label] = _result(task, method, space, encode_ms, options)
    if len(skipped) == len(methods):
        raise UsageError(f"nothing can be compared: {'; '.join(dict.fromkeys(skipped.values()))}")
    evaluations = [
        Evaluation(task, ordered := tuple(r[m.label] for m in methods if m.label in r), skipped,
                   tuple(_comparisons(ordered, options.seed)), tuple(notes))
        for task, r in zip(tasks, found, strict=True)
    ]  # fmt: skip
    return Report(library.path, tuple(evaluations), time.monotonic() - started)


def _notes(space: Space) -> Iterator[str]:
    """What is odd about the vectors of a space."""
    vectors = space.vectors
    if len(vectors) > 1 and not np.ptp(vectors, axis=0).any():
        yield f"{space.card.space}: all pictures have the same vector, so their order is one of chance"
    empty = int((~vectors.any(axis=1)).sum())
    if empty and space.card.metric == "cosine":
        yield f"{space.card.space}: {empty:,} pictures have a vector of zeros, which is like no other"


def similarities(method: Method, space: Space, queries: Vectors, gallery: Vectors) -> Vectors:
    """The similarity of each query to each picture in the way of a method, shape (q, g)."""
    if method.distance == AS_SEARCHED:
        return similarity.as_searched(space.card, queries, gallery, space.mean, space.count)
    return similarity.matrix(method.distance, queries, gallery)


def _result(task: Task, method: Method, space: Space, encode_ms: float | None, options: Options) -> Result:
    if task.protocol == PAIRS:
        return _of_pairs(task, method, space, encode_ms, options)
    ranks, top, pairs, seconds = _ranked(task, method, space)
    cost = Cost(encode_ms, seconds / max(len(task.queries), 1) * 1000, space.bytes_each)
    per_query = metrics.measured(ranks)
    judged = ranks.relevant > 0
    if not judged.any():
        raise UsageError(f"{task.name}: no query has anything relevant to find; see what was left out")
    table = np.stack([values[judged] for values in per_query.values()], axis=1)
    means = dict(zip(per_query, bootstrap.means(table, seed=options.seed), strict=True))
    columns = {**({task.name: task.labels} if task.labels else {}), **options.by}
    slices = {
        n: tuple(_slices(task, labels, per_query, judged, options.seed)) for n, labels in columns.items()
    }
    curve = tuple(map(float, metrics.precision_at_recall(ranks)[judged].mean(axis=0)))
    searched = method.distance == AS_SEARCHED
    return Result(method, cost, int(judged.sum()), int((~judged).sum()), means, slices, curve,
                  _verified(pairs, options) if searched else None, per_query, top)  # fmt: skip


def _ranked(task: Task, method: Method, space: Space) -> tuple[Ranks, Top, Scored, float]:
    """Ranks and best results of all queries, pairs of some, and the seconds of comparing."""
    gallery = space.vectors[task.gallery]
    step = max(1, BLOCK // max(len(gallery), 1))
    every = max(1, len(task.queries) * len(gallery) // PAIR_SAMPLE)
    ranks, tops, pairs, seconds = [], [], [], 0.0
    for start in range(0, len(task.queries), step):
        some = slice(start, start + step)
        grades, excluded = task.block(some)
        clock = time.perf_counter()
        alike = similarities(method, space, space.vectors[task.queries[some]], gallery)
        seconds += time.perf_counter() - clock
        order = metrics.ordered(alike, excluded)
        ranks.append(metrics.in_order(order, grades, excluded))
        values = similarity.scores(space.card, alike) if method.distance == AS_SEARCHED else alike
        tops.append(_top(task, order, values, grades, excluded))
        for row in range(-start % every, len(alike), every):
            there = ~excluded[row]
            group = np.full(int(there.sum()), start + row)
            pairs.append(Scored(values[row][there], grades[row][there].astype(np.float64) > 0, group))
    top = Top(*(np.concatenate([getattr(t, name) for t in tops]) for name in Top.__slots__))
    scored = Scored(*(np.concatenate([getattr(p, name) for p in pairs]) for name in Scored.__slots__))
    return metrics.joined(ranks), top, scored, seconds


def _top(
    task: Task,
    order: Places,
    values: Vectors,
    grades: NDArray[np.generic],
    excluded: NDArray[np.bool_],
) -> Top:
    best = order[:, :TOP]
    out = np.take_along_axis(excluded, best, axis=1)
    return Top(
        np.where(out, -1, task.gallery[best]),
        np.take_along_axis(values, best, axis=1),
        np.take_along_axis(grades, best, axis=1).astype(np.float64) > 0,
    )


def _slices(
    task: Task, labels: Labels, per_query: Mapping[str, PerQuery], judged: NDArray[np.bool_], seed: int
) -> Iterator[Slice]:
    """The judged queries by their value of a column, the worst first."""
    values = np.array([labels[place] or "" for place in task.queries])
    found = []
    for value in sorted(set(values[judged])):
        chosen = judged & (values == value)
        table = np.stack([per_query[name][chosen] for name in SLICED], axis=1)
        means = dict(zip(SLICED, bootstrap.means(table, seed=seed), strict=True))
        found.append(Slice(str(value) or "(none)", int(chosen.sum()), means))
    yield from sorted(found, key=lambda each: each.means["map"].value)


def _of_pairs(task: Task, method: Method, space: Space, encode_ms: float | None, options: Options) -> Result:
    """Pairs as a search with the first picture would score the second."""
    pairs = task.pairs
    assert pairs is not None
    clock = time.perf_counter()
    alike = np.array([
        similarities(method, space, space.vectors[[a]], space.vectors[[b]])[0, 0]
        for a, b in zip(pairs.first, pairs.second, strict=True)
    ], np.float32)  # fmt: skip
    cost = Cost(encode_ms, (time.perf_counter() - clock) / len(alike) * 1000, space.bytes_each)
    values = similarity.scores(space.card, alike) if method.distance == AS_SEARCHED else alike
    scored = Scored(values.astype(np.float64), pairs.same, np.arange(len(values)))
    return Result(method, cost, verification=_verified(scored, options))


def _verified(pairs: Scored, options: Options) -> Verification | None:
    """What is said of pairs, where both kinds of them are there."""
    try:
        return verify(pairs, options.precision, options.seed)
    except ValueError:
        return None


def _comparisons(results: Sequence[Result], seed: int) -> Iterator[Comparison]:
    """Each method less the first, on the same queries or pairs."""
    if len(results) < 2:
        return
    (metric, first), *others = [_compared(result) for result in results]
    differences = [values - first for _, values in others]
    tests = [bootstrap.sign_flip(d, int(np.clip(20_000_000 // len(d), 2_000, bootstrap.FLIPS)), seed)
             for d in differences]  # fmt: skip
    for result, d, p in zip(results[1:], differences, bootstrap.holm(tests), strict=True):
        interval = bootstrap.means(d[:, None], seed=seed)[0]
        yield Comparison(result.method.label, results[0].method.label, metric, interval, p)


def _compared(result: Result) -> tuple[str, PerQuery]:
    """The metric that methods are compared by: average precision, of pairs whether each is judged rightly."""
    if "map" in result.per_query:
        values = result.per_query["map"]
        return "map", values[~np.isnan(values)]
    right = result.verification.right if result.verification else np.zeros(0)
    return "accuracy", right.astype(np.float64)
