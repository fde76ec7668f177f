"""A report as drawings: precision against recall, accuracy against cost, and curves of pairs. Needs
matplotlib."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from findalike.evaluate.indexes import Comparison
from findalike.evaluate.metrics import LEVELS
from findalike.evaluate.results import Evaluation, Report, Result
from findalike.present import output

matplotlib.use("Agg")

SIZE = (7.5, 5.0)
DPI = 150
MOST = 10
"""Lines that can be told apart in one drawing."""

MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Told apart by the colour-blind too (Okabe and Ito 2008); beyond these, marks and lines tell."""

LINES = ("-", "--", ":", "-.")


def draw(report: Report, folder: Path) -> list[Path]:
    """PNG files into a folder, which is made: for each task those drawings that its protocol has. Returns
    them."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for evaluation in report.evaluations:
        name = re.sub(r"[^\w.-]+", "-", evaluation.task.name)
        several = {
            "precision-recall": _precision_recall(evaluation),
            "cost": _cost(evaluation),
            "roc": _roc(evaluation),
        }
        for kind, figure in several.items():
            if figure is not None:
                drawn.append(folder / f"{name}-{kind}.png")
                _save(figure, drawn[-1])
    return drawn


def figure(title: str, across: str, up: str) -> tuple[Figure, Any]:
    """An empty drawing of one axis in the style of all."""
    made = Figure(figsize=SIZE, layout="constrained")
    axes = made.add_subplot()
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return made, axes


def _save(figure: Figure, path: Path) -> None:
    output.check(path)
    figure.savefig(path, dpi=DPI)


def _styles() -> Iterator[dict[str, str]]:
    """The looks of lines, of which the first 140 differ."""
    for colour, mark, line in zip(cycle(COLOURS), cycle(MARKS), cycle(LINES), strict=False):
        yield {"color": colour, "marker": mark, "linestyle": line}


def shown(results: Sequence[Result], quality: Callable[[Result], float], most: int = MOST) -> list[Result]:
    """Those worth drawing, the best first: of each encoder its best distance, and the best of those, among
    them the encoder of the first result, which others are held against."""
    best: dict[str, Result] = {}
    for each in sorted(results, key=quality, reverse=True):
        best.setdefault(each.method.card.space, each)
    kept, first = list(best.values())[:most], best[results[0].method.card.space]
    return kept if first in kept else [*kept[:-1], first]


def _title(evaluation: Evaluation, what: str, drawn: int, of: int) -> str:
    some = f" ({drawn} of {of} methods)" if drawn < of else ""
    return f"{evaluation.task.name}: {what}{some}"


def _precision_recall(evaluation: Evaluation) -> Figure | None:
    judged = [result for result in evaluation.results if result.curve]
    if not judged:
        return None
    results = shown(judged, lambda result: result.means["map"].value)
    title = _title(evaluation, evaluation.task.protocol, len(results), len(judged))
    made, axes = figure(title, "recall", "precision (interpolated, mean over queries)")
    for result, style in zip(results, _styles(), strict=False):
        label = f"{result.method.label} (mAP {result.means['map'].value:.3f})"
        axes.plot(LEVELS, result.curve, markersize=5, label=label, **style)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    _legend(made, axes, len(results))
    return made


def _cost(evaluation: Evaluation) -> Figure | None:
    """Accuracy by the time of encoding; the area of a mark says how many bytes a vector takes."""
    timed = [r for r in evaluation.results if r.cost.encode_ms and _accuracy(r)]
    if len(timed) < 2:
        return None
    results = shown(timed, lambda result: _accuracy(result).value, most=len(timed))
    metric = "mAP" if results[0].curve else "accuracy"
    what = f"what {metric} costs (area: bytes of a vector)"
    made, axes = figure(_title(evaluation, what, len(results), len(timed)), "encoding a picture, ms", metric)
    largest = max(result.cost.bytes for result in results)
    for result, style in zip(results, _styles(), strict=False):
        value = _accuracy(result)
        if value.known:
            spread = [[value.value - value.low], [value.high - value.value]]
            axes.errorbar(
                result.cost.encode_ms, value.value, yerr=spread, color=style["color"], capsize=3, zorder=2
            )
        axes.scatter(
            result.cost.encode_ms,
            value.value,
            s=30 + 220 * result.cost.bytes / largest,
            color=style["color"],
            marker=style["marker"],
            alpha=0.85,
            zorder=3,
            label=f"{result.method.label}, {result.cost.bytes:,.0f} bytes",
        )
    times = [result.cost.encode_ms or 0.0 for result in results]
    if max(times) > 10 * min(times):
        _logarithmic(axes)
    else:
        axes.set_xlim(0, max(times) * 1.1)
    _legend(made, axes, len(results))
    return made


def _logarithmic(axes: Any) -> None:
    """Times along a scale of ratios, of which enough are written down to read off those between."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())


def _accuracy(result: Result) -> Any:
    if result.curve:
        return result.means["map"]
    return result.verification.accuracy if result.verification else None


def _roc(evaluation: Evaluation) -> Figure | None:
    judged = [result for result in evaluation.results if result.verification]
    if not judged:
        return None
    results = shown(judged, lambda result: result.verification.auc if result.verification else 0.0)
    made, axes = figure(
        _title(evaluation, "same or not", len(results), len(judged)),
        "different pairs taken for the same",
        "same pairs taken for the same",
    )
    for result, style in zip(results, _styles(), strict=False):
        found = result.verification
        assert found is not None
        wrong, right = zip(*found.curve, strict=True)
        label = f"{result.method.label} (AUC {found.auc:.3f}, equal error {found.equal_error:.3f})"
        axes.plot(wrong, right, markevery=0.1, markersize=5, label=label, **style)
    axes.plot([0, 1], [1, 0], color="#888888", linewidth=0.8, linestyle=":")  # where both errors are equal
    axes.set(xlim=(-0.01, 1), ylim=(0, 1.01))
    _legend(made, axes, len(results))
    return made


def _legend(made: Figure, axes: Any, several: int) -> None:
    """Inside where there are few, below the drawing where it would hide what is drawn."""
    if several <= 4:
        legend = axes.legend(fontsize=8, framealpha=0.9)
    else:
        columns = 1 if several <= MOST else 2
        made.set_size_inches(SIZE[0], SIZE[1] + 0.2 * several / columns)
        legend = made.legend(
            loc="outside lower left", fontsize=8, frameon=False, ncols=columns, handlelength=4 / columns
        )
    for handle in legend.legend_handles:
        if hasattr(handle, "set_sizes"):  # of an area that says something in the drawing alone
            handle.set_sizes([36])


def draw_indexes(found: Comparison, path: Path) -> None:
    """Recall against the time of a query, a line for each kind of index, as a PNG or what the name says."""
    title = f"{found.space}: {found.rows:,} rows, {found.queries:,} queries"
    made, axes = figure(title, "median time of a query, ms", f"recall@{found.k}")
    kinds = dict.fromkeys(point.kind for point in found.points)
    for kind, style in zip(kinds, _styles(), strict=False):
        points = sorted((p.recall, p.query_ms) for p in found.points if p.kind == kind)
        recalls, times = zip(*points, strict=True)
        axes.plot(
            times,
            recalls,
            label=kind,
            linewidth=1.2,
            **style,
            **({"markersize": 11, "fillstyle": "none", "zorder": 5} if kind == "exact" else {}),
        )
    _logarithmic(axes)
    axes.set_ylim(min(0.8, *(p.recall for p in found.points)) - 0.03, 1.02)
    _legend(made, axes, 1)
    _save(made, path)
