"""What `findalike train words` and `train whiten` do, on labelled folders: before and after, with spread.

    python benchmarks/captions.py DATA [--json FILE]

DATA holds `captions`, `corel` and `clothing`, each with a `labels.csv`. Splits are settled by three seeds
before anything is learned. For words, each seed deals the 300 pictures of `captions` to five parts: each part
in turn asks by its captions, and a head is learned from the other four, its strength or epochs chosen by
cross-validation among these alone. For whitening, each seed sets a part of the classes or of the pictures
aside, which is measured on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

import findalike
from findalike.evaluate import bootstrap, stored, tables, truth
from findalike.train import captions, data, devise, splits, whiten, words
from findalike.train.devise import CONTRASTIVE, RIDGE, Plan, Side
from findalike.train.words import Lesson
from findalike.types import Vectors

SEEDS, PARTS = 3, 5
MEASURES = ("recall@1", "recall@5", "recall@10", "mrr")
DECIDES = "recall@10"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    if (arguments.data / "captions").is_dir():
        results["captions"] = worded(arguments.data / "captions")
    for name in ("corel", "clothing"):
        if (arguments.data / name).is_dir():
            results[name] = whitened(arguments.data / name)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


# Words


def worded(folder: Path) -> dict[str, Any]:
    """Recall and median rank of each way to learn, mean and deviation over all parts and seeds."""
    table = tables.read(folder / "labels.csv")
    with tempfile.TemporaryDirectory() as place, findalike.open(Path(place) / "library") as library:
        library.add(folder)
        base = next(iter(library.store.cards().values()))
        said = captions.of_table(truth.pictures(library.store.assets()), table)
        side = devise.side(base, library.settings)
        every = words.lesson(said, stored.space(library, base, said.pictures).vectors, side.read)
    ways = {
        "as it comes": None,
        "ridge from nothing": (replace(side, known=None), RIDGE),
        "ridge, shrunk to it": (side, RIDGE),
        "contrastive from it": (side, CONTRASTIVE),
    }
    found = {name: tuple(map(np.array, of_parts(every, side, way, name))) for name, way in ways.items()}
    show_words(len(every), found)
    return {name: rows.tolist() for name, (rows, _) in found.items()}


def of_parts(
    every: Lesson, side: Side, way: tuple[Side, str] | None, name: str
) -> tuple[list[list[float]], NDArray[np.float64]]:
    """The measures and the median rank of each part, by a head of the others; and what decides of each
    picture, the mean over the seeds."""
    rows, by_picture = [], np.zeros(len(every))
    for seed, part in track([(s, p) for s in range(SEEDS) for p in range(PARTS)], name, transient=True):
        held = np.sort(np.random.default_rng(seed).permutation(len(every))[part::PARTS])
        some, asked = every.part(np.setdiff1d(np.arange(len(every)), held)), every.part(held)
        if way is None:
            line = words.begun(some.vectors, some.targets, side.known)
        else:
            _, line, _, _ = devise.taught(some, way[0], Plan(way[1], DECIDES, seed=seed))
        ranks = words.measured(line.of(asked.vectors), asked)
        rows.append([*(ranks.mean(measure) for measure in MEASURES), ranks.median_rank])
        by_picture[held] += words.by_picture(ranks, DECIDES) / SEEDS
    return rows, by_picture


def show_words(count: int, found: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]) -> None:
    asks = count // PARTS
    print(f"captions: {asks} pictures ask by five captions each, heads of the {count - asks} others; "
          f"{SEEDS * PARTS} splits, mean ± deviation")  # fmt: skip
    head = "".join(f"{name:>15}" for name in (*MEASURES, "median rank"))
    print(f"{'head':22}{head}   {DECIDES} beside as it comes")
    first, told_first = next(iter(found.values()))
    place = MEASURES.index(DECIDES)
    for name, (rows, told) in found.items():
        means = zip(rows.mean(axis=0), rows.std(axis=0), strict=True)
        cells = "".join(f"{mean:8.3f} ±{spread:.3f}" for mean, spread in means)
        gain = rows[:, place] - first[:, place]
        better, worse = (gain > 1e-9).sum(), (gain < -1e-9).sum()
        p = bootstrap.sign_flip(told - told_first)
        beside = f"{gain.mean():+.4f} ±{gain.std():.4f}, better {better}, worse {worse}"
        print(f"{name:22}{cells}   {beside}; p of {count} pictures {p:.4f}")


# Whitening


def whitened(folder: Path) -> dict[str, Any]:
    """The mAP before and after supervised whitening, by way of splitting and by seed."""
    with tempfile.TemporaryDirectory() as place, findalike.open(Path(place) / "library") as library:
        library.add(folder)
        base = next(iter(library.store.cards().values()))
        found = truth.pictures(library.store.assets())
        known = truth.of_table(found, tables.read(folder / "labels.csv"))
        examples = data.of_column(found, known, "category")
        vectors: Vectors = stored.space(library, base, examples.pictures).vectors
    results: dict[str, Any] = {}
    for how in (splits.BY_CLASS, splits.RANDOM):
        outcomes = [
            whiten.learn(examples, vectors, splits.make(examples, how, seed))[1] for seed in range(SEEDS)
        ]
        first = [outcome.comparisons[0] for outcome in outcomes]
        before, after = np.array([each.before for each in first]), np.array([each.after for each in first])
        powers = [outcome.power for outcome in outcomes]
        results[how] = {"before": before.tolist(), "after": after.tolist(), "powers": powers}
        gain = after - before
        print(f"{folder.name:10} whitening, split by {how:7} mAP {before.mean():.3f} ±{before.std():.3f} "
              f"before, {after.mean():.3f} ±{after.std():.3f} after, {gain.mean():+.3f} ±{gain.std():.3f}; "
              f"powers {', '.join(map(str, powers))}")  # fmt: skip
    return results


if __name__ == "__main__":
    main()
