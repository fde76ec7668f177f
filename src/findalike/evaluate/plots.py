"""A report as drawings: precision against recall, accuracy against cost, and curves of pairs. Needs
matplotlib."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from findalike.evaluate.indexes import Comparison
from findalike.evaluate.metrics import LEVELS
from findalike.evaluate.results import Evaluation, Report, Result
from findalike.present import output

matplotlib.use("Agg")

SIZE = (7.5, 5.0)
DPI = 150
MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Told apart by the colour-blind too (Okabe and Ito 2008); beyond these, marks tell."""


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


def _styles() -> Any:
    return zip(cycle(COLOURS), cycle(MARKS), strict=False)


def _precision_recall(evaluation: Evaluation) -> Figure | None:
    results = [result for result in evaluation.results if result.curve]
    if not results:
        return None
    title = f"{evaluation.task.name}: {evaluation.task.protocol}"
    made, axes = figure(title, "recall", "precision (interpolated, mean over queries)")
    for result, (colour, mark) in zip(results, _styles(), strict=False):
        label = f"{result.method.label} (mAP {result.means['map'].value:.3f})"
        axes.plot(LEVELS, result.curve, color=colour, marker=mark, markersize=5, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    _legend(made, axes, len(results))
    return made


def _cost(evaluation: Evaluation) -> Figure | None:
    """Accuracy by the time of encoding; the area of a mark says how many bytes a vector takes."""
    results = [r for r in evaluation.results if r.cost.encode_ms]
    if len(results) < 2:
        return None
    metric = "mAP" if results[0].curve else "accuracy"
    made, axes = figure(
        f"{evaluation.task.name}: what {metric} costs (area: bytes of a vector)",
        "encoding a picture, ms",
        metric,
    )
    largest = max(result.cost.bytes for result in results)
    for result, (colour, mark) in zip(results, _styles(), strict=False):
        value = _accuracy(result)
        if value is None:
            continue
        spread = [[value.value - value.low], [value.high - value.value]]
        axes.errorbar(result.cost.encode_ms, value.value, yerr=spread, color=colour, capsize=3, zorder=2)
        axes.scatter(
            result.cost.encode_ms,
            value.value,
            s=30 + 220 * result.cost.bytes / largest,
            color=colour,
            marker=mark,
            alpha=0.85,
            zorder=3,
            label=f"{result.method.label}, {result.cost.bytes:,.0f} bytes",
        )
    times = [result.cost.encode_ms or 0.0 for result in results]
    if max(times) > 10 * min(times):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    else:
        axes.set_xlim(0, max(times) * 1.1)
    _legend(made, axes, len(results))
    return made


def _accuracy(result: Result) -> Any:
    if result.curve:
        return result.means["map"]
    return result.verification.accuracy if result.verification else None


def _roc(evaluation: Evaluation) -> Figure | None:
    results: Sequence[Result] = [result for result in evaluation.results if result.verification]
    if not results:
        return None
    made, axes = figure(
        f"{evaluation.task.name}: same or not",
        "different pairs taken for the same",
        "same pairs taken for the same",
    )
    for result, (colour, mark) in zip(results, _styles(), strict=False):
        found = result.verification
        assert found is not None
        wrong, right = zip(*found.curve, strict=True)
        label = f"{result.method.label} (AUC {found.auc:.3f}, equal error {found.equal_error:.3f})"
        axes.plot(wrong, right, color=colour, marker=mark, markevery=0.1, markersize=5, label=label)
    axes.plot([0, 1], [1, 0], color="#888888", linewidth=0.8, linestyle=":")  # where both errors are equal
    axes.set(xlim=(-0.01, 1), ylim=(0, 1.01))
    _legend(made, axes, len(results))
    return made


def _legend(made: Figure, axes: Any, several: int) -> None:
    """Inside where there are few, below the drawing where it would hide what is drawn."""
    if several <= 4:
        legend = axes.legend(fontsize=8, framealpha=0.9)
    else:
        made.set_size_inches(SIZE[0], SIZE[1] + 0.2 * several / (1 if several < 12 else 2))
        columns = 1 if several < 12 else 2
        legend = made.legend(loc="outside lower left", fontsize=8, ncols=columns, frameon=False)
    for handle in legend.legend_handles:
        if hasattr(handle, "set_sizes"):  # of an area that says something in the drawing alone
            handle.set_sizes([36])


def draw_indexes(found: Comparison, path: Path) -> None:
    """Recall against the time of a query, a line for each kind of index, as a PNG or what the name says."""
    title = f"{found.space}: {found.rows:,} rows, {found.queries:,} queries"
    made, axes = figure(title, "median time of a query, ms", f"recall@{found.k}")
    kinds = dict.fromkeys(point.kind for point in found.points)
    for kind, (colour, mark) in zip(kinds, _styles(), strict=False):
        points = sorted((p.query_ms, p.recall) for p in found.points if p.kind == kind)
        times, recalls = zip(*points, strict=True)
        axes.plot(
            times,
            recalls,
            color=colour,
            marker=mark,
            label=kind,
            linewidth=1.2,
            **({"markersize": 11, "fillstyle": "none", "zorder": 5} if kind == "exact" else {}),
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(min(0.8, *(p.recall for p in found.points)) - 0.03, 1.02)
    _legend(made, axes, 1)
    _save(made, path)
