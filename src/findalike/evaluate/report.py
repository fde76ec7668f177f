"""A report as tables, Markdown and JSON. Needs nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from findalike import __version__
from findalike.evaluate import bootstrap, metrics
from findalike.evaluate.bootstrap import Interval
from findalike.evaluate.results import Comparison, Evaluation, Report, Result, Slice
from findalike.evaluate.similarity import AS_SEARCHED
from findalike.evaluate.task import LEAVE_ONE_OUT, PAIRS
from findalike.evaluate.verdicts import sentences
from findalike.evaluate.verification import Verification

MAIN = {
    "precision@1": "P@1",
    "precision@10": "P@10",
    "recall@10": "R@10",
    "map": "mAP",
    "ndcg@10": "nDCG@10",
    "r_precision": "R-prec",
    "mrr": "MRR",
}
"""The metrics of the main table, as they are called there. JSON has all."""

BESIDE = "P@1 by "
"""How the columns of other methods begin, beside the values of a column."""

OTHERS = 3
"""Methods that are shown there beside the first; JSON has all."""

WORST_VALUES = 12
"""Values of a column that a table shows, the worst; JSON has all."""

EXPLAINED = (
    "P@k: share of the first k that is relevant; R@k: share of what is relevant among the first k; mAP: mean "
    "of the average precision over the full ranking; R-prec: precision at the number of relevant pictures; "
    "MRR: mean of 1 over the rank of the first relevant one. In brackets: 95 % intervals, where there are "
    f"{bootstrap.LEAST} queries or more that differ. Base: the accuracy of one answer for all pairs."
)


@dataclass(frozen=True, slots=True)
class Table:
    """Words in rows; the first column is read from the left, the others are numbers."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(evaluation: Evaluation) -> Iterator[Table]:
    """All that a reader looks at: the methods, pairs, comparisons, values of columns."""
    results = evaluation.results
    if evaluation.task.protocol != PAIRS:
        yield _methods(results)
    if any(result.verification for result in results):
        yield _verified(results, evaluation.task.protocol)
    if evaluation.comparisons:
        yield _compared(evaluation.comparisons, results[0].method.short)
    for column in results[0].slices:
        yield _sliced(column, results)


def heading(evaluation: Evaluation) -> str:
    """What was judged, and on how much: `album: query against gallery, 10 queries on 99 pictures
    of 33 values`."""
    task, counts = evaluation.task, evaluation.task.counts
    if task.protocol == PAIRS:
        return f"{task.name}: {task.protocol}, {counts['pairs']:,} pairs, {counts['same']:,} of them the same"
    if task.protocol == LEAVE_ONE_OUT:
        said = _several(len(task.queries), "picture")
    else:
        said = f"{_several(len(task.queries), 'query')} on {_several(len(task.gallery), 'picture')}"
    values = f" of {_several(counts['values'], 'value')}" if "values" in counts else ""
    judged = evaluation.results[0].queries
    counted = "" if judged == len(task.queries) else f", {judged:,} with something to find"
    return f"{task.name}: {task.protocol}, {said}{values}{counted}"


def remarks(evaluation: Evaluation) -> Iterator[str]:
    """What was left out and what is odd, in sentences. Nothing is left out without one."""
    task, results = evaluation.task, evaluation.results
    left_out = {
        "unlabelled": f"{{}} without a value of {task.name} left out.",
        "copies": "{} with the same bytes as another; they are not ranked for each other.",
        "unencoded": "{} without a vector in every space left out.",
        "failed": "{} could not be read and left out.",
        "seen": "{} that an encoder was trained on left out.",
    }
    for name, sentence in left_out.items():
        if count := task.counts.get(name, 0):
            yield sentence.format(_several(count, "picture"))
    if count := task.counts.get("selves", 0):
        yield f"{_several(count, 'pair')} of a picture and itself left out."
    if results and results[0].without:
        count = results[0].without
        said = (
            "has nothing relevant to find, and does"
            if count == 1
            else "have nothing relevant to find, and do"
        )
        yield f"{_several(count, 'query')} {said} not count."
    if task.unknown:
        some = ", ".join(task.unknown[:3])
        more = ", …" if len(task.unknown) > 3 else ""
        files = _several(len(task.unknown), "file")
        yield f"{files} of the truth not among the pictures, and left out: {some}{more}."
    for label, why in evaluation.skipped.items():
        yield f"{label} was left out: {why}."
    yield from (f"{note}." for note in evaluation.notes)


def recommendations(evaluation: Evaluation) -> Iterator[str]:
    """Which least score to search with, in sentences, for each method that a search follows."""
    for result in evaluation.results:
        if result.verification is None or result.method.distance != AS_SEARCHED:
            continue
        named = f" with {result.method.card.name}" if len(evaluation.results) > 1 else ""
        for each in result.verification.thresholds:
            yield (
                f"--min-score {each.score:.3f}{named}, chosen for {each.chosen_for}: on pairs held out "
                f"precision {between(each.precision)}, recall {between(each.recall)}."
            )
        for aim in result.verification.missed:
            yield f"No score{named} can be recommended for {aim}."


def verdicts(evaluation: Evaluation) -> Iterator[str]:
    """Whether each trained encoder is better than what it was held against, in sentences."""
    for each in evaluation.verdicts:
        yield from sentences(each)


def markdown(report: Report, level: int = 2) -> str:
    """The report as Markdown, its headings beginning at a level."""
    parts = []
    for evaluation in report.evaluations:
        parts.append(f"{'#' * level} {heading(evaluation)}\n")
        for table in tables(evaluation):
            if table.title:
                parts.append(f"**{table.title}**\n")
            parts.append(markdown_table(table))
        sentences = (*verdicts(evaluation), *recommendations(evaluation), *remarks(evaluation))
        parts += [*(f"- {sentence}" for sentence in sentences), ""]
    return "\n".join(parts)


def markdown_table(table: Table) -> str:
    """A table of Markdown, columns of numbers to the right."""
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.head)
    rules = ["---:" if all(map(_NUMBER.match, column)) else "---" for column in columns]
    lines = [table.head, rules, *table.rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def record(report: Report) -> dict[str, Any]:
    """The report as JSON holds it: `docs/evaluate.md` names the fields."""
    return {
        "version": __version__,
        "library": report.library,
        "paths": list(report.paths),
        "seconds": round(report.seconds, 3),
        "evaluations": [_evaluation(each) for each in report.evaluations],
    }


_NUMBER = re.compile(r"[-+–<*]* ?\d|[–-]?$")


# Tables


def _methods(results: Sequence[Result]) -> Table:
    head = ("method", *MAIN.values(), "encode ms", "compare ms", "bytes")
    rows = [
        (
            result.method.label,
            *(_cell(name, result.means[name]) for name in MAIN),
            _number(result.cost.encode_ms, 1),
            _number(result.cost.compare_ms, 2),
            f"{result.cost.bytes:,.0f}",
        )
        for result in results
    ]
    return Table("", head, tuple(rows))


def _cell(name: str, interval: Interval) -> str:
    """The value, and of the two that most look at its interval."""
    return between(interval, 3) if name in ("precision@1", "map") else f"{interval.value:.3f}"


def _verified(results: Sequence[Result], protocol: str) -> Table:
    title = "Same or not" if protocol == PAIRS else "Same or not, over pairs of query and picture"
    head = ("method", "AUC", "equal error", "accuracy", "base", "pairs", "same")
    rows = [
        (result.method.label, *_pair_cells(result.verification))
        for result in results
        if result.verification is not None
    ]
    return Table(title, head, tuple(rows))


def _pair_cells(found: Verification) -> tuple[str, ...]:
    numbers = (f"{found.auc:.3f}", f"{found.equal_error:.3f}", between(found.accuracy))
    return (*numbers, f"{found.base:.2f}", f"{found.pairs:,}", f"{found.same:,}")


def _compared(comparisons: Sequence[Comparison], first: str) -> Table:
    metric = comparisons[0].metric
    head = ("method", f"{MAIN.get(metric, metric)} less that of {first}", "95 % interval", "p")
    rows = [
        (
            each.method,
            f"{each.difference.value:+.3f}",
            _ends(each.difference),
            f"{each.p:.4f}" if each.p >= 0.0001 else "< 0.0001",
        )
        for each in comparisons
    ]
    return Table("Beside the first, on the same queries", head, tuple(rows))


def _sliced(column: str, results: Sequence[Result]) -> Table:
    """The values of a column by the first method, the worst first; the P@1 of the next ones beside it."""
    slices, beside = results[0].slices[column], results[1 : 1 + OTHERS]
    others = [{each.value: each for each in result.slices[column]} for result in beside]
    title = f"By {column}"
    if len(slices) > WORST_VALUES:
        title += f", the worst {WORST_VALUES} of {len(slices)}"
    if len(results) > 1 + OTHERS:
        title += f", by the first {1 + OTHERS} of {len(results)} methods"
    head = (column, "queries", "P@1", "mAP", *(BESIDE + result.method.short for result in beside))
    rows = [
        (each.value, f"{each.queries:,}", *_slice_cells(each), *(_p1(other[each.value]) for other in others))
        for each in slices[:WORST_VALUES]
    ]
    return Table(title, head, tuple(rows))


def _ends(difference: Interval) -> str:
    return f"{difference.low:+.3f} to {difference.high:+.3f}" if difference.known else "–"


def _slice_cells(each: Slice) -> tuple[str, ...]:
    return tuple(between(each.means[name]) for name in ("precision@1", "map"))


def _p1(each: Slice) -> str:
    return f"{each.means['precision@1'].value:.2f}"


def between(interval: Interval, digits: int = 2) -> str:
    """The value and, where they are known, the ends of its interval: `0.912 (0.89–0.93)`."""
    ends = f" ({interval.low:.2f}–{interval.high:.2f})" if interval.known else ""
    return f"{interval.value:.{digits}f}{ends}"


def _several(count: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


# JSON


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    task = evaluation.task
    return {
        "name": task.name,
        "protocol": task.protocol,
        "counts": dict(task.counts),
        "unknown": list(task.unknown),
        "skipped": dict(evaluation.skipped),
        "notes": list(evaluation.notes),
        "results": [_result(result) for result in evaluation.results],
        "comparisons": [_finite(asdict(each)) for each in evaluation.comparisons],
        "verdicts": [_finite(asdict(each)) for each in evaluation.verdicts],
    }


def _result(result: Result) -> dict[str, Any]:
    card = result.method.card
    found = {
        "method": result.method.label,
        "space": card.space,
        "encoder": card.name,
        "pooling": card.pooling,
        "metric": card.metric,
        "distance": result.method.distance,
        "dim": card.dim,
        "cost": asdict(result.cost),
        "queries": result.queries,
        "without_relevant": result.without,
        "metrics": {name: asdict(interval) for name, interval in result.means.items()},
        "precision_at_recall": dict(zip(map(_level, metrics.LEVELS), result.curve, strict=False)),
        "values": {column: [asdict(each) for each in slices] for column, slices in result.slices.items()},
        "verification": _verification(result.verification),
    }
    cleaned: dict[str, Any] = _finite(found)
    return cleaned


def _level(level: float) -> str:
    return f"{level:.1f}"


def _verification(found: Verification | None) -> dict[str, Any] | None:
    if found is None:
        return None
    names = ("pairs", "same", "auc", "equal_error", "folds")
    return {
        **{name: getattr(found, name) for name in names},
        "base": found.base,
        "accuracy": asdict(found.accuracy),
        "thresholds": [asdict(each) for each in found.thresholds],
        "missed": list(found.missed),
        "roc": [list(point) for point in found.curve],
    }


def _finite(value: Any) -> Any:
    """What is not finite as null, which JSON has no number for."""
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
