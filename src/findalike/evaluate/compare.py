"""Whether an encoder that was trained is better than what it began from, and which of the pictures that it is
judged by it was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike.encode import catalog
from findalike.encode import file as pairs
from findalike.errors import UsageError
from findalike.evaluate.results import (
    BETTER,
    NO_BETTER,
    UNTOLD,
    WORSE,
    Comparison,
    Evaluation,
    Report,
    Result,
    Seen,
    Verdict,
)
from findalike.evaluate.task import LEAVE_ONE_OUT, Task, check_varied, with_counts
from findalike.evaluate.truth import Pairs, Pictures
from findalike.types import Card

ALPHA = 0.05
"""Below this p a difference is taken for one."""

_AT_ONCE = 256
"""Queries that are looked through at once for one that has anything to find."""


def start(card: Card) -> str | None:
    """The name of what a trained encoder began from, as its card says; None where that says nothing, as of
    encoders that were not trained here. Raises UsageError, EncoderError."""
    if not pairs.is_trained(card):
        return None
    base = pairs.base(card)
    return None if base is None else name(base)


def name(card: Card) -> str:
    """What a card is asked for by: the space, or of a model of one's own files where these are."""
    return catalog.reference(card) if ":" in card.name else card.space


def root(card: Card) -> Card | None:
    """The card that looks at the pictures for a head, or for a head on a head; None of an encoder that looks
    at them itself. Raises EncoderError, UsageError."""
    base = pairs.base(card) if pairs.is_trained(card) else None
    return base and (root(base) or base)


# What was trained on


def seen(card: Card, pictures: Pictures) -> NDArray[np.bool_]:
    """Which of some pictures an encoder, or one that is under it, was trained on, as far as their cards name
    them. Raises UsageError, EncoderError."""
    if not pairs.is_trained(card):
        return np.zeros(len(pictures), np.bool_)
    own = np.array(pairs.seen(card, [asset.sha256 for asset in pictures.assets]), np.bool_)
    base = pairs.base(card)
    return own if base is None else own | seen(base, pictures)


def unseen(task: Task, cards: Iterable[Card]) -> Task:
    """The task without what any of these encoders was trained on; how many these are is among its counts.
    Raises UsageError where that leaves nothing to judge by."""
    gone = np.logical_or.reduce([seen(card, task.pictures) for card in cards])
    if not gone.any():
        return with_counts(task, {"seen": 0})
    queries, gallery = (places[~gone[places]] for places in (task.queries, task.gallery))
    kept = replace(task, queries=queries, gallery=gallery, pairs=_apart(task.pairs, gone))
    try:
        _check(kept)
    except UsageError as error:
        raise UsageError(
            f"{task.name}: {int(gone.sum()):,} of {len(gone):,} pictures are of the training, and are left "
            f"out; of the others {error}. Give new pictures; --also-seen shows figures of all, which say "
            "nothing of new ones"
        ) from error
    return with_counts(kept, _counts(kept, int(gone.sum())))


def _check(task: Task) -> None:
    """Raises UsageError for a task that is left with nothing to judge by."""
    if task.pairs is not None:
        if task.pairs.same.all() or not task.pairs.same.any():
            raise UsageError("the pairs are of one kind, or there are none")
        return
    if not (len(task.queries) and len(task.gallery)):
        raise UsageError("none asks or is found")
    if task.protocol == LEAVE_ONE_OUT:
        check_varied(task.name, task.pictures, task.labels, task.queries)
    elif not any(_finds(task, start) for start in range(0, len(task.queries), _AT_ONCE)):
        raise UsageError("no query has anything to find")


def _finds(task: Task, start: int) -> bool:
    grades, excluded = task.block(slice(start, start + _AT_ONCE))
    return bool((grades.astype(np.bool_) & ~excluded).any())


def _apart(found: Pairs | None, gone: NDArray[np.bool_]) -> Pairs | None:
    if found is None:
        return None
    keep = ~(gone[found.first] | gone[found.second])
    return replace(found, first=found.first[keep], second=found.second[keep], same=found.same[keep])


def _counts(task: Task, gone: int) -> dict[str, int]:
    """The counts that are others once pictures were left out."""
    if task.pairs is not None:
        return {"seen": gone, "pairs": len(task.pairs.same), "same": int(task.pairs.same.sum())}
    judged = np.union1d(task.queries, task.gallery)
    counts = {name: len(places) for name, places in (("queries", task.queries), ("gallery", task.gallery))}
    found = {name: count for name, count in counts.items() if name in task.counts}
    if task.labels:
        found |= {"labelled": len(judged), "values": len({task.labels[place] for place in judged})}
    return {**found, "seen": gone}


# The verdict


def judged(report: Report, compared: Sequence[Card]) -> Report:
    """The report with a verdict on each of some encoders, held against the first method, in every task."""
    several = [replace(e, verdicts=tuple(_verdicts(e, compared))) for e in report.evaluations]
    return replace(report, evaluations=tuple(several))


def _verdicts(evaluation: Evaluation, compared: Sequence[Card]) -> Iterator[Verdict]:
    results = {result.method.card.space: result for result in evaluation.results}
    comparisons = {each.method: each for each in evaluation.comparisons}
    for card in compared:
        result = results.get(card.space)
        found = comparisons.get(result.method.label) if result else None
        if result and found:
            yield _verdict(evaluation, result, found)


def _verdict(evaluation: Evaluation, result: Result, found: Comparison) -> Verdict:
    before, queries = _measured(evaluation.results[0], found.metric)
    known = _seen(result.method.card, evaluation.task)
    return Verdict(
        method=found.method,
        first=found.first,
        metric=found.metric,
        outcome=UNTOLD if known.pictures else _outcome(found),
        before=before,
        after=before + found.difference.value,
        difference=found.difference,
        p=found.p,
        queries=queries,
        seen=known,
    )


def _outcome(found: Comparison) -> str:
    if not found.difference.known and found.difference.value:
        return UNTOLD
    if found.p >= ALPHA:
        return NO_BETTER
    return BETTER if found.difference.value > 0 else WORSE


def _measured(result: Result, metric: str) -> tuple[float, int]:
    """A mean of the first method, and of how many queries or pairs."""
    if metric in result.means:
        return result.means[metric].value, result.queries
    right = result.verification.right if result.verification else np.zeros(0)
    return (float(np.mean(right)), len(right)) if len(right) else (float("nan"), 0)


def _seen(card: Card, task: Task) -> Seen:
    """What of a task an encoder knows from its training."""
    places = np.union1d(task.queries, task.gallery)
    if task.pairs is not None:
        places = np.union1d(task.pairs.first, task.pairs.second)
    said: Mapping[str, Any] = pairs.training(card) if pairs.is_trained(card) else {}
    learned, values = said.get("classes"), {task.labels[place] for place in places} if task.labels else set()
    known = values.intersection(map(str, learned)) if isinstance(learned, list) else ()
    return Seen(
        int(seen(card, task.pictures)[places].sum()),
        len(places),
        "pictures" in said or not pairs.is_trained(card),
        len(known),
        len(values),
    )
