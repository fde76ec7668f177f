"""How well the encoders retrieve, on labelled folders: leave one out, beside a colour histogram and chance.

    python benchmarks/retrieval.py DATA [--encoder NAME]... [--json FILE]

DATA holds the folders below, each with a `labels.csv`. Everything runs through a library, as a user's
pictures do. `objects` has one ImageNet class for each picture: there the classifier's top 1 and 5 are shown.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.progress import track

import findalike
from findalike import decode, settings
from findalike.encode import catalog
from findalike.encode.base import short_side
from findalike.encode.cnn import CnnEncoder
from findalike.evaluate.metrics import Scores, leave_one_out
from findalike.rank import adapted
from findalike.types import Origin

SETS: dict[str, str] = {
    "corel": "category",
    "clothing": "category",
    "grocery": "product",
    "cars": "color",
    "covers": "category",
}
TARGETS = {"corel": "P@10 .955, mAP .90", "clothing": "P@1 .77", "objects": "top 1 .85"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--encoder", action="append", help="a name or a space; default: all spaces of lite0")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    spaces = arguments.encoder or ["efficientnet-lite0@1-int8", "efficientnet-lite0@1-float32"]
    results: dict[str, Any] = {}
    print(f"{'set':10} {'by':42} {'queries':>7} {'P@1':>6} {'P@10':>6} {'mAP':>6}   target")
    for name, column in SETS.items():
        if not (arguments.data / name).is_dir():
            continue
        paths, labels = read_labels(arguments.data / name, column)
        rng = np.random.default_rng(0)
        rows = {"chance": leave_one_out(rng.random((len(labels), len(labels))), labels)}
        rows["colour histogram"] = leave_one_out(by_cosine(histograms(paths)), labels)
        for space in spaces:
            vectors = embeddings(paths, space)
            rows[f"{space}, plain cosine"] = leave_one_out(by_cosine(vectors), labels)
            rows[space] = leave_one_out(as_searched(vectors), labels)
        results[name] = {how: asdict(scores) for how, scores in rows.items()}
        for how, scores in rows.items():
            print(line(name, how, scores))
    if (arguments.data / "objects").is_dir():
        for space in spaces:
            results.setdefault("objects", {})[space] = classified(arguments.data / "objects", space)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


def line(name: str, how: str, scores: Scores) -> str:
    target = TARGETS.get(name, "") if how.endswith(("int8", "float32")) else ""
    numbers = (
        f"{scores.precision_at_1:6.3f} {scores.precision_at_10:6.3f} {scores.mean_average_precision:6.3f}"
    )
    return f"{name:10} {how:42} {scores.queries:7} {numbers}   {target}"


def read_labels(folder: Path, column: str) -> tuple[list[Path], list[str]]:
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [folder / row["path"] for row in rows], [row[column] for row in rows]


def by_cosine(vectors: np.ndarray) -> np.ndarray:
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    similarity: np.ndarray = unit @ unit.T
    return similarity


def as_searched(vectors: np.ndarray) -> np.ndarray:
    """The similarities of a search in a library of these rows."""
    mean = vectors.mean(axis=0)
    similarity: np.ndarray = np.stack([adapted(query, mean, len(vectors)) for query in vectors]) @ vectors.T
    return similarity


def embeddings(paths: list[Path], space: str) -> np.ndarray:
    """The stored vectors of a library that holds these files."""
    with tempfile.TemporaryDirectory() as folder, findalike.open(Path(folder) / "library") as library:
        library.add(*paths, encoder=space)
        stored = {asset.uri: asset.id for asset in library.store.assets()}
        card = catalog.find(space)
        rows = {row.asset_id: row.vector for row in library.store.rows(card.space, stored.values())}
        return np.stack([rows[stored[str(path.absolute())]] for path in paths])


def histograms(paths: list[Path]) -> np.ndarray:
    """8 hues × 4 saturations × 4 values, a baseline of the field (Swain and Ballard 1991)."""
    rows = []
    for path in paths:
        image = Image.open(path).convert("RGB")
        image.thumbnail((256, 256))
        hue, saturation, value = (np.asarray(band, np.int32) for band in image.convert("HSV").split())
        bins = hue // 32 * 16 + saturation // 64 * 4 + value // 64
        rows.append(np.sqrt(np.bincount(bins.ravel(), minlength=128) / bins.size))
    return np.stack(rows)


def classified(folder: Path, space: str) -> dict[str, float]:
    encoder = catalog.load(catalog.find(space), settings.default())
    if not isinstance(encoder, CnnEncoder):
        return {}
    paths, labels = read_labels(folder, "imagenet_index")
    truth = np.array([int(label) for label in labels])
    side = short_side([encoder.card])
    logits = []
    for path in track(paths, "objects", transient=True):
        picture = decode.decode(path.read_bytes(), Origin(""), short_side=side).picture
        logits.append(encoder.run([picture], ["logits"])[0][0])
    order = np.argsort(-np.stack(logits), axis=1)
    top1, top5 = (
        float((order[:, 0] == truth).mean()),
        float((order[:, :5] == truth[:, None]).any(axis=1).mean()),
    )
    print(
        f"{'objects':10} {space:42} {len(truth):7} top 1 {top1:.3f}, top 5 {top5:.3f}   {TARGETS['objects']}"
    )
    return {"top_1": top1, "top_5": top5}


if __name__ == "__main__":
    main()
