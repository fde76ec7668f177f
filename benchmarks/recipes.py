"""What the recipes for whole networks come to on labelled photographs, beside the encoder they begin from.

    python benchmarks/recipes.py DATA [--recipe NAME]... [--seed N]... [--library DIR] [--json FILE]

Each recipe is trained with its default settings, as `findalike train` does, on half of the pictures of each
class; a fifth decides when to stop, and three in ten, which nothing was learned from, are measured on, leave
one out. Another seed is another split. Processor time is that of the whole process, from reading to the
written file. Runs are added to the JSON as they end, and those that stand there are not made again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

import findalike
from findalike.encode import file_card
from findalike.encode.file_card import FileCard
from findalike.evaluate import metrics, similarity, stored, tables, truth
from findalike.evaluate.metrics import Scores
from findalike.train import autoencoding, classify, data, metric, pictures, splits, whole
from findalike.train.data import Examples
from findalike.train.loop import Fit, Schedule
from findalike.train.splits import TEST
from findalike.types import Card, Vectors

SETS = {"corel": "category", "clothing": "category"}
KINDS = (whole.FINE_TUNED, whole.CLASSIFIER, whole.DEEP_RANKING, whole.SIAMESE, whole.AUTOENCODER)
TRAIN: Mapping[str, Any] = {whole.AUTOENCODER: autoencoding.train, whole.CLASSIFIER: classify.train}
DEFAULT = "default encoder"
FIGURES = {"P@1": "precision_at_1", "P@10": "precision_at_10", "mAP": "mean_average_precision"}

Run = Mapping[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", choices=list(SETS), default="corel")
    parser.add_argument("--recipe", action="append", choices=KINDS, help="default: all")
    parser.add_argument("--seed", action="append", type=int, help="default: 0, 1 and 2")
    parser.add_argument("--library", type=Path, default=Path("out/recipes"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    runs = json.loads(options.json.read_text()) if options.json and options.json.is_file() else []
    options.library.parent.mkdir(parents=True, exist_ok=True)
    with findalike.open(options.library / options.set) as library:
        examples, vectors = labelled(library, options.data / options.set, SETS[options.set])
        wanted = [(seed, kind) for seed in options.seed or (0, 1, 2) for kind in options.recipe or KINDS]
        known = {(run["set"], run["seed"], run["recipe"]) for run in runs}
        for seed, kind in wanted:
            if (options.set, seed, kind) in known:
                continue
            for run in measured(library, examples, vectors, kind, seed):
                runs.append({"set": options.set, "seed": seed, **run})
                print(line(runs[-1]), flush=True)
            if options.json:
                options.json.write_text(json.dumps(runs, indent=1))
    print(table([run for run in runs if run["set"] == options.set]))


def labelled(library: findalike.Library, folder: Path, column: str) -> tuple[Examples, Vectors]:
    """The pictures of a set, and their vectors by the default encoder."""
    library.add(folder)
    found = truth.pictures(asset for asset in library.store.assets() if not asset.is_film)
    known = truth.of_table(found, tables.read(str(folder / "labels.csv")))
    examples = data.of_column(found, known, column)
    card = next(iter(library.store.cards().values()))
    return examples, stored.space(library, card, examples.pictures).vectors


def measured(
    library: findalike.Library, examples: Examples, vectors: Vectors, kind: str, seed: int
) -> Iterator[Run]:
    """One training, and before it, for each seed, the default encoder on the same pictures."""
    split = splits.make(examples, splits.RANDOM, seed)
    asked = split.places(TEST)
    labels = [examples.labels[place] for place in asked]
    yield {"recipe": DEFAULT, "beside": kind, **asdict(scores(vectors[asked], labels))}
    started = time.process_time(), time.monotonic()
    suits = whole.SUITED[kind]
    plan = metric.Plan(
        schedule=Schedule(suits.epochs, suits.patience, seed), p=suits.p, k=suits.k, device="cpu"
    )
    options = whole.Options(dim=suits.dim)
    uris = [asset.uri for asset in examples.pictures.assets]
    read, _, failures = pictures.read(uris, whole.side_of(kind, options), library.settings)
    assert not failures
    material = whole.Material(examples, split, read, plan, options)
    fit, found = trained(kind, material, vectors)
    yield {
        "recipe": kind, **asdict(scores(found, labels)), "values": fit.values, "best_epoch": fit.best_epoch,
        "ended": fit.ended, "processor_s": time.process_time() - started[0],
        "wall_s": time.monotonic() - started[1], "threads": torch.get_num_threads(),
    }  # fmt: skip


def trained(kind: str, material: whole.Material, vectors: Vectors) -> tuple[Fit, Vectors]:
    """How a training went, and the vectors of what is measured on; the file is written, and thrown away."""
    task, graph = autoencoding.task(material) if kind == whole.AUTOENCODER else whole.task(kind, material)
    outcome = TRAIN.get(kind, metric.train)(task, vectors)
    card = FileCard(file_card.NETWORK, kind, material.options.dim, recipe=whole.recipe(material.pictures))
    with TemporaryDirectory() as folder:
        file_card.write(Path(folder) / f"{kind}.onnx", card, graph())
    return outcome.fit, task.embedded(material.split.places(TEST))


def scores(vectors: Vectors, labels: Sequence[str]) -> Scores:
    """As a search ranks them, leave one out."""
    card = Card("trained", "1", vectors.shape[1])
    mean = np.asarray(vectors.mean(axis=0), np.float32)
    alike = similarity.as_searched(card, vectors, vectors, mean, len(vectors))
    return metrics.leave_one_out(alike, labels)


def line(run: Run) -> str:
    figures = "  ".join(f"{name} {run[key]:.3f}" for name, key in FIGURES.items())
    cost = f"  {run['processor_s']:.0f} s of a processor" if "processor_s" in run else ""
    return f"seed {run['seed']}  {run['recipe']:16} {figures}{cost}"


def table(runs: Sequence[Run]) -> str:
    """Means over the seeds, and between which values they lie, as Markdown."""
    rows = ["| network | P@1 | P@10 | mAP | seeds | processor time |", "|---|---|---|---|---|---|"]
    for name in (DEFAULT, *KINDS):
        own = list({run["seed"]: run for run in runs if run["recipe"] == name}.values())
        if own:
            cells = [spread([run[key] for run in own]) for key in FIGURES.values()]
            times = [run["processor_s"] for run in own if "processor_s" in run]
            cost = f"{min(times):.0f} to {max(times):.0f} s" if times else "–"
            rows.append(f"| {name} | {' | '.join(cells)} | {len(own)} | {cost} |")
    return "\n".join(rows)


def spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    main()
