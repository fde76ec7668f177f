"""How cost grows with a library, drawn: `python benchmarks/growing.py --work WORK --out docs/images`.

Reads what `million.py` left in WORK for libraries of several sizes, prints it as a table, and draws it to
ten million pictures. Beyond the largest library nothing was measured: dashed lines go on from there by the
formula that stands in each plot, fitted to the measured points by least squares of relative errors.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

Figures = dict[str, Any]
TO = 10_000_000
PHOTOGRAPH = 12_700
"""Bytes of the thumbnail of a photograph."""


@dataclass(frozen=True)
class Measure:
    """What is drawn: its name with its unit, its value by the figures of a library and how many pictures it
    has, and the powers of that number that it is made of."""

    name: str
    value: Callable[[Figures, int], float | None]
    powers: tuple[float, ...]
    formula: str


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    libraries = measured(options.work)
    rows = sorted(libraries)
    print("| | " + " | ".join(f"{n:,}" for n in rows) + f" | {TO:,}, extrapolated |")
    print("|---|" + "---|" * (len(rows) + 1))
    figure, axes = plt.subplots(2, 3, figsize=(13, 7.5), layout="constrained")
    for measure, place in zip(MEASURES, axes.flat, strict=True):
        known = {n: v for n in rows if (v := measure.value(libraries[n], n)) is not None}
        beyond = draw(place, measure, known)
        cells = [f"{known[n]:,.3g}" if n in known else "" for n in rows]
        print(f"| {measure.name} | " + " | ".join(cells) + f" | {beyond:,.3g} |")
    figure.savefig(options.out / "growing.png", dpi=90)


def measured(work: Path) -> dict[int, Figures]:
    """The figures of each library, by its number of pictures."""
    paths = (path for path in work.glob("*.json") if path.stem.isdigit())
    return {int(path.stem): json.loads(path.read_text("utf-8")) for path in paths}


def draw(place: Any, measure: Measure, known: dict[int, float]) -> float:
    """The measured points, and what they lead to; returns what that is at the end."""
    rows, values = np.array(sorted(known)), np.array([known[n] for n in sorted(known)])
    weights = fitted(rows, values, measure.powers)
    place.loglog(rows, values, "o", color="tab:blue", label="measured")
    for line, style, first, last in (
        ("fitted", "-", rows[0], rows[-1]),
        (f"extrapolated: {measure.formula}", "--", rows[-1], TO),
    ):
        x = np.geomspace(first, last, 50)
        place.loglog(
            x,
            at(x, weights, measure.powers),
            style,
            color="tab:blue" if style == "-" else "tab:red",
            label=line,
        )
    place.set(title=measure.name, xlabel="pictures")
    place.grid(alpha=0.3)
    place.legend(fontsize=8)
    return float(at(np.array([TO]), weights, measure.powers)[0])


def fitted(
    rows: NDArray[np.int64], values: NDArray[np.float64], powers: Sequence[float]
) -> NDArray[np.float64]:
    """Weights, none below 0, of the powers of the rows whose sum is nearest to the values in proportion."""
    terms = np.stack([rows.astype(float) ** power for power in powers], axis=1) / values[:, None]
    kept = list(range(len(powers)))
    while True:
        found = np.linalg.lstsq(terms[:, kept], np.ones(len(values)))[0]
        if (found >= 0).all():
            break
        kept.pop(int(np.argmin(found)))
    weights = np.zeros(len(powers))
    weights[kept] = found
    return weights


def at(rows: NDArray[Any], weights: NDArray[np.float64], powers: Sequence[float]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = sum(
        w * rows.astype(float) ** p for w, p in zip(weights, powers, strict=True)
    )
    return found


def _of(step: str, name: str) -> Callable[[Figures, int], float | None]:
    return lambda figures, rows: figures.get(step, {}).get(name)


def _fills(figures: Figures) -> list[Figures]:
    return [figures[name] for name in sorted(figures) if name.startswith("fill")]


def _disk(figures: Figures, rows: int) -> float | None:
    """Gigabytes with the thumbnails of photographs."""
    held = figures.get("optimize", {}).get("GB")
    return None if held is None else held + rows * (PHOTOGRAPH - 600) / 1e9


def _peak(figures: Figures, rows: int) -> float:
    return max(step["peak GiB"] for step in figures.values())


MEASURES = (
    Measure("on disk, GB", _disk, (1,), "a n"),
    Measure("building the index, processor s", _of("optimize", "cpu s"), (1, 1.5), "a n + b n^1.5"),
    Measure("search (a third probed), processor ms", _of("query", "query cpu ms"), (0, 1), "a + b n"),
    Measure(
        "search with a filter of 1 %, processor ms", _of("query", "query, 1 %, cpu ms"), (0, 1), "a + b n"
    ),
    Measure("largest peak of memory, GiB", _peak, (0, 1), "a + b n"),
    Measure("index when nothing changed, processor s", _of("nothing", "cpu s"), (0, 1), "a + b n"),
)


if __name__ == "__main__":
    main()
