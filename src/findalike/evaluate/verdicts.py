"""What came of a comparison, as people say it."""

from __future__ import annotations

from collections.abc import Iterator

from findalike.evaluate.results import BETTER, NO_BETTER, UNTOLD, WORSE, Verdict

NAMES = {"map": "mAP"}


def sentences(verdict: Verdict) -> Iterator[str]:
    """A verdict as people say it, and what it does not tell."""
    yield _said(verdict)
    seen, name = verdict.seen, verdict.method
    if not seen.told:
        yield f"The card of {name} does not say which pictures it was trained on; these may be among them."
    if seen.values:
        some = "all" if seen.values == seen.of_values else f"{seen.values:,} of the"
        yield (
            f"{name} was trained for {some} {seen.of_values:,} values: of values that it never saw this says "
            "less."
        )


def _said(verdict: Verdict) -> str:
    metric, counted = NAMES.get(verdict.metric, verdict.metric), "pairs" if _of_pairs(verdict) else "queries"
    figures = f"{metric} {verdict.after:.3f}, where {verdict.first} has {verdict.before:.3f}"
    how = f"{verdict.difference.value:+.3f} on {verdict.queries:,} {counted}"
    if verdict.difference.known:
        how += f", 95 % interval {verdict.difference.low:+.3f} to {verdict.difference.high:+.3f}"
    p = "p < 0.0001" if verdict.p < 0.0001 else f"p = {verdict.p:.4f}"
    words = {
        BETTER: "is better",
        WORSE: "is worse",
        NO_BETTER: "is no better: what differs may be chance",
        UNTOLD: _untold(verdict, counted),
    }
    return f"{verdict.method} {words[verdict.outcome]}. {figures} ({how}, {p})."


def _untold(verdict: Verdict, counted: str) -> str:
    seen = verdict.seen
    if not seen.pictures:
        return f"cannot be told from the start on {verdict.queries:,} {counted}: give more"
    some = f"all {seen.of:,}" if seen.pictures == seen.of else f"{seen.pictures:,} of the {seen.of:,}"
    return (
        f"was trained on {some} pictures, so nothing can be told of new ones; --only-unseen leaves them out"
    )


def _of_pairs(verdict: Verdict) -> bool:
    return verdict.metric == "accuracy"
