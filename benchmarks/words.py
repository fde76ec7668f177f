"""How well words find pictures, on labelled folders: beside a random order and a plain match on file names.

    python benchmarks/words.py DATA [--json FILE]

DATA holds the folders below, each with a `labels.csv`. Everything runs through a library, as a user's search
does. Where file names would tell the answer, the pictures are linked under names that say nothing; the plain
match on file names alone sees the true names.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

import findalike
from findalike.library import Library
from findalike.query import Term
from findalike.store import full_text
from findalike.types import Asset
from findalike.words.lexicon import lexicon

CATEGORIES = (
    "animal", "bird", "dog", "cat", "fish", "insect", "reptile", "snake", "lizard", "spider", "monkey",
    "bear", "butterfly", "mammal", "pet", "vehicle", "car", "truck", "boat", "ship", "aircraft", "bus",
    "fruit",
    "vegetable", "food", "drink", "tool", "weapon", "musical instrument", "furniture", "chair", "clothing",
    "hat", "shoe", "bag", "building", "container", "bottle", "kitchen utensil", "appliance", "computer",
    "electronics", "toy", "ball", "sports equipment", "plant", "flower", "mushroom", "mountain", "coast",
    "machine", "jewellery", "lamp", "crustacean", "frog", "hound", "terrier", "water bird", "wild animal",
    "clock", "shop", "sea animal", "cup",
)  # fmt: skip
"""Chosen for what people ask for, not by results. Which pictures they ask for says the tree of the lexicon;
those that no picture of the set belongs to are left out."""

Rank = Callable[[str], Sequence[str]]
"""The paths of a set in the order in which a text finds them."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    for name, measure in {
        "objects": objects, "captions": captions, "grocery": grocery, "cars": cars
    }.items():  # fmt: skip
        if (arguments.data / name).is_dir():
            results[name] = measure(arguments.data / name)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


def objects(folder: Path) -> dict[str, Any]:
    """Class names, each against its one picture, and category words against all pictures below them."""
    rows = labels(folder)
    truth = {row["path"]: int(row["imagenet_index"]) for row in rows}
    results: dict[str, Any] = {}
    with hidden(folder, [row["path"] for row in rows]) as (library, origin):
        for how, rank in ways(library, origin, list(truth)).items():
            queries = [(row["name"], {row["path"]}) for row in rows]
            results[f"class names, {how}"] = recall(queries, rank, (1, 10))
            found = {word: below(word, truth) for word in CATEGORIES}
            asked = [(word, relevant) for word, relevant in found.items() if relevant]
            precision = np.mean([capped_precision(rank(word), relevant) for word, relevant in asked])
            results[f"{len(asked)} category words, {how}"] = {"P@10": float(precision)}
    show("objects", results, {"class names": "R@1 .92, R@10 .98", "category words": "P@10 .75"})
    return results


def captions(folder: Path) -> dict[str, Any]:
    """Each caption against its picture, and each picture against its captions."""
    rows = labels(folder)
    paths = [row["path"] for row in rows]
    queries = [(row[c], {row["path"]}) for row in rows for c in row if c.startswith("caption")]
    results: dict[str, Any] = {}
    with hidden(folder, paths) as (library, origin):
        for how, rank in ways(library, origin, paths).items():
            results[f"caption to picture, {how}"] = recall(
                track(queries, how, transient=True), rank, (1, 5, 10)
            )
        results |= reverse(library, origin, queries, paths)
    show("captions", results, {"caption to picture": "R@1 .28, R@10 .72"})
    return results


def reverse(
    library: Library, origin: dict[str, str], queries: Sequence[tuple[str, set[str]]], paths: Sequence[str]
) -> dict[str, dict[str, float]]:
    """For each picture all captions in the order of their similarity to it; and what true and wrong pairs of
    caption and picture score."""
    column = {path: n for n, path in enumerate(paths)}
    similarity, score = np.full((2, len(queries), len(paths)), -1.0)
    for n, (text, _) in enumerate(track(queries, "the other way", transient=True)):
        for hit in library.search(text=text, k=len(paths)):
            place = n, column[origin[hit.asset.id]]
            similarity[place], score[place] = hit.similarity, hit.score
    own = np.array([column[next(iter(relevant))] for _, relevant in queries])
    best = [int(np.argmax(own[np.argsort(-similarity[:, n])] == n)) for n in range(len(paths))]
    true = own[:, None] == np.arange(len(paths))
    return {
        "picture to caption, findalike": {
            f"R@{k}": float(np.mean([rank < k for rank in best])) for k in (1, 10)
        },
        "true pairs that score": {f"{s:g}": float((score[true] >= s).mean()) for s in (0.3, 0.5, 0.7)},
        "wrong pairs that score": {f"{s:g}": float((score[~true] >= s).mean()) for s in (0.3, 0.5, 0.7)},
    }


def grocery(folder: Path) -> dict[str, Any]:
    """A shop's description against its products' pictures, and a studio picture against shelf pictures."""
    rows = labels(folder)
    shelf, studio = ([r for r in rows if (r["kind"] == kind)] for kind in ("shelf", "iconic"))
    results: dict[str, Any] = {}
    with hidden(folder, [row["path"] for row in rows]) as (library, origin):
        paths = [row["path"] for row in shelf]
        of = {p: {r["path"] for r in shelf if r["product"] == p} for p in {r["product"] for r in shelf}}
        described = {r["product"]: r["description"] for r in rows if r["product"] in of and r["description"]}
        queries = [(text, of[product]) for product, text in described.items()]
        for how, rank in ways(library, origin, paths).items():
            results[f"description to shelf, {how}"] = recall(queries, rank, (1, 5))
        ids = {path: asset_id for asset_id, path in origin.items()}
        looks = [(ids[r["path"]], of[r["product"]]) for r in studio if r["product"] in of]
        kept = set(paths)

        def by_picture(asset_id: str) -> list[str]:
            found = (origin[hit.asset.id] for hit in library.search(f"id:{asset_id}", k=len(rows)))
            return [path for path in found if path in kept]

        results["studio to shelf, findalike"] = recall(looks, by_picture, (1, 5))
    show("grocery", results, {})
    return results


def cars(folder: Path) -> dict[str, Any]:
    """Cars of the model of an example, in another colour, which words name. The example alone has the wrong
    colour and the words alone say nothing of the model: who shops for cars asks just so."""
    rows = labels(folder)
    results: dict[str, Any] = {}
    models = {row["path"]: model_of(row) for row in rows}
    colours = {row["path"]: row["color"] for row in rows}
    with hidden(folder, list(models)) as (library, origin):
        ids = {path: asset_id for asset_id, path in origin.items()}
        tasks = []
        for path, model in models.items():
            for colour in sorted(set(colours.values()) - {colours[path]}):
                wanted = {p for p in models if p != path and models[p] == model and colours[p] == colour}
                if model and wanted:
                    tasks.append((path, colour, wanted))
        for how in ("words", "example", "words and example"):
            scores = []
            for path, colour, wanted in track(tasks, how, transient=True):
                words = [Term(f"{colour} car", "text")] if "words" in how else []
                looks = [Term(ids[path], "asset")] if "example" in how else []
                hits = library.search(*words, *looks, k=len(rows))
                found = [p for p in (origin[hit.asset.id] for hit in hits) if p != path]
                scores.append(average_precision(found, wanted))
            results[f"same model in another colour, {how} ({len(tasks)} queries)"] = {
                "mAP": float(np.mean(scores))
            }
    with tempfile.TemporaryDirectory() as place, findalike.open(Path(place) / "library") as library:
        library.add(table=folder / "labels.csv", path_column="path")
        for colour in sorted(set(colours.values())):
            hits = library.search(text="red ferrari", where=f"color = '{colour}'", k=10)
            right = {hit.asset.metadata["color"] for hit in hits} <= {colour}
            results[f"'red ferrari' where color = '{colour}'"] = {"only that colour": float(right)}
    show("cars", results, {})
    return results


MODELS = ("599", "f430", "458", "california", "360", "enzo", "gto", "scuderia")


def model_of(row: dict[str, str]) -> str:
    """The first model that the tags of a car name."""
    tags = [tag.strip() for tag in row["tags"].lower().split(";")]
    return next((model for model in MODELS if any(model in tag for tag in tags)), "")


# A library whose file names say nothing


@contextmanager
def hidden(folder: Path, paths: Sequence[str]) -> Iterator[tuple[Library, dict[str, str]]]:
    """A library of these files under numbers for names, and each asset's true path."""
    with tempfile.TemporaryDirectory() as place:
        pictures = Path(place) / "p"
        pictures.mkdir()
        names = {}
        for n, path in enumerate(paths):
            link = pictures / f"{n:05}{Path(path).suffix}"
            link.write_bytes((folder / path).read_bytes())
            names[str(link)] = path
        with findalike.open(Path(place) / "library") as library:
            library.add(pictures)
            yield library, {asset.id: names[asset.uri] for asset in library.store.assets()}


def ways(library: Library, origin: dict[str, str], paths: Sequence[str]) -> dict[str, Rank]:
    """findalike, and what stands beside it."""
    kept = set(paths)
    documents = {path: full_text.document(Asset(f"/{path}", 0, findalike_epoch())) for path in paths}
    rng = np.random.default_rng(0)

    def searched(text: str) -> list[str]:
        found = (origin[hit.asset.id] for hit in library.search(text=text, k=len(origin)))
        return [path for path in found if path in kept]

    def by_names(text: str) -> list[str]:
        return [path for path, _ in full_text.rank(full_text.asked(text), documents, kept, len(paths))]

    def by_chance(text: str) -> list[str]:
        return [paths[i] for i in rng.permutation(len(paths))]

    return {"findalike": searched, "file names": by_names, "random order": by_chance}


def findalike_epoch() -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(0, UTC)


# Figures


def recall(queries: Sequence[tuple[str, set[str]]], rank: Rank, depths: Sequence[int]) -> dict[str, float]:
    """The share of queries with a relevant picture among the first k."""
    found = []
    for text, relevant in queries:
        ranked = rank(text)
        found.append(next((n for n, path in enumerate(ranked) if path in relevant), len(ranked) + 10**6))
    return {f"R@{k}": float(np.mean([place < k for place in found])) for k in depths}


def capped_precision(ranked: Sequence[str], relevant: set[str], k: int = 10) -> float:
    return len(relevant & set(ranked[:k])) / min(k, len(relevant))


def average_precision(ranked: Sequence[str], relevant: set[str]) -> float:
    places = [n for n, path in enumerate(ranked, 1) if path in relevant]
    return sum(i / n for i, n in enumerate(places, 1)) / len(relevant)


def below(word: str, truth: dict[str, int]) -> set[str]:
    """The pictures whose class the tree has below a word."""
    known = lexicon()
    names = [known.bank.concepts[n].name for mention in known.find(word) for n in mention.concepts]
    classes = {number for name in names for number in known.classes_under(name)}
    return {path for path, number in truth.items() if number in classes}


def labels(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def show(name: str, results: dict[str, Any], targets: dict[str, str]) -> None:
    for what, figures in results.items():
        target = next((asked for key, asked in targets.items() if key in what and "findalike" in what), "")
        numbers = "  ".join(f"{key} {value:.3f}" for key, value in figures.items())
        print(f"{name:9} {what:52} {numbers:40} {target}")


if __name__ == "__main__":
    main()
