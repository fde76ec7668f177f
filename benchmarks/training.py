"""What heads gain that are trained on stored vectors: means and spreads over three seeds.

    python benchmarks/training.py DATA [--only NAME]... [--json FILE]

DATA holds the folders `clothing` and `grocery`, each with a `labels.csv`. Each seed settles, before anything
is learned, what is learned from, what is chosen by, and what is measured on; the settings are the defaults of
`findalike train metric`, but for what a line names. Each figure is of pictures that nothing was learned from.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import findalike
from findalike.cli.evaluate import cards_of, kept_for
from findalike.evaluate import stored, tables, truth
from findalike.train import data, heads, metric, splits
from findalike.train.data import Examples
from findalike.train.loop import Schedule
from findalike.train.metric import Outcome, Plan
from findalike.train.splits import TEST, TRAIN, VALIDATION, Split
from findalike.types import Card, Vectors

SEEDS = (0, 1, 2)
LITE0, JOINED = "efficientnet-lite0", "efficientnet-joined-r-mac"
STUDIO, SHELF = "iconic", "shelf"


def by_class(examples: Examples, seed: int) -> Split:
    return splits.make(examples, splits.BY_CLASS, seed)


def at_random(examples: Examples, seed: int) -> Split:
    return splits.make(examples, splits.RANDOM, seed)


def half_of_products(examples: Examples, seed: int) -> Split:
    """Half of the products are measured on; of the others every fourth is chosen by."""
    shares = (0.375, 0.125, 0.5)
    return Split(tuple(splits.by_class(examples.labels, seed, shares)), "half of the classes", seed)


@dataclass(frozen=True)
class Case:
    """What is trained on, and what the issue asks of the `metric` that is measured."""

    name: str
    folder: str
    column: str
    split: Callable[[Examples, int], Split]
    metric: str
    goal: str
    encoder: str = LITE0
    plan: dict[str, Any] = field(default_factory=dict)


ACROSS = {"across": "kind", "asks": STUDIO}
CASES = (
    Case("clothing, unseen classes", "clothing", "category", by_class, "mAP", "above 0"),
    Case("clothing, unseen classes, joined", "clothing", "category", by_class, "mAP", "above 0", JOINED),
    Case("clothing, unseen pictures", "clothing", "category", at_random, "mAP", "+.10"),
    Case("grocery, studio to shelf", "grocery", "product", half_of_products, "recall@1", "+.05", LITE0,
    ACROSS), Case("grocery, studio to shelf, joined", "grocery", "product", half_of_products, "recall@1",
    "+.05",
         JOINED, ACROSS),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", action="append", help="cases whose names begin so")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(f"{'case':36} {'measure':9} {'before':>12} {'after':>12} {'gain':>13}  {'goal':8} p of each seed")
    results = {}
    for case in CASES:
        if (arguments.data / case.folder).is_dir() and case.name.startswith(tuple(arguments.only or [""])):
            results[case.name] = measured(case, arguments.data / case.folder)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


def measured(case: Case, folder: Path) -> dict[str, Any]:
    started = time.process_time()
    with examples_of(folder, case.column, case.encoder) as (card, examples, vectors):
        outcomes = [trained(case, examples, vectors, seed) for seed in SEEDS]
    found: dict[str, Any] = {"encoder": card.space, "seconds": (time.process_time() - started) / len(SEEDS)}
    for name in ("mAP", "recall@1"):
        several = [next(c for c in outcome.comparisons if c.metric == name) for outcome in outcomes]
        before, after = (np.array([getattr(c, side) for c in several]) for side in ("before", "after"))
        p = [c.p for c in several]
        found[name] = {"before": before.tolist(), "after": after.tolist(), "p": p}
        told = (spread(before), spread(after), spread(after - before, "+"))
        goal = case.goal if name == case.metric else ""
        print("{:36} {:9} {:>12} {:>12} {:>13}".format(case.name, name, *told), f" {goal:8}",
              ", ".join("not told" if np.isnan(each) else f"{each:.4f}" for each in p))  # fmt: skip
    found["epochs"] = [outcome.fit.best_epoch for outcome in outcomes]
    print(f"{'':36} best epochs {found['epochs']}, {found['seconds']:.0f} s of processor time each")
    return found


def trained(case: Case, examples: Examples, vectors: Vectors, seed: int) -> Outcome:
    split = case.split(examples, seed)
    parts = [set(np.flatnonzero(np.array(split.parts) == part)) for part in (TRAIN, VALIDATION, TEST)]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    plan = Plan(schedule=Schedule(seed=seed), **case.plan)
    return metric.train(heads.task(examples, vectors, split, plan), vectors)


@contextmanager
def examples_of(folder: Path, column: str, encoder: str) -> Iterator[tuple[Card, Examples, Vectors]]:
    """The labelled pictures of a folder and their stored vectors, in a library that is kept in the cache."""
    with findalike.open(kept_for([str(folder)])) as library:
        library.add(folder, encoder=encoder)
        card = cards_of(library, [encoder])[0]
        found = truth.pictures(stored.encoded(library, [card], library.store.assets())[0])
        known = truth.of_table(found, tables.read(folder / "labels.csv"))
        examples = data.of_column(found, known, column)
        yield card, examples, stored.space(library, card, examples.pictures).vectors


def spread(values: Any, sign: str = "") -> str:
    """Mean and standard deviation."""
    return f"{np.mean(values):{sign}.3f} ±{np.std(values, ddof=1):.3f}"


if __name__ == "__main__":
    main()
