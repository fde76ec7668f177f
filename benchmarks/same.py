"""What `--same color` adds to a search by looks, and what the attributes that pixels decide tell and cost.

    python benchmarks/same.py DATA [--part same|pixels|cost]... [--seeds 3] [--json FILE]

DATA holds `cars`, with a `labels.csv`, and for `pixels` also `captions-train`.

same: P@10 for the labelled colour. The pictures are divided into five folds; the labels of one are hidden,
the colour is learned from the others, and the hidden ones are predicted: none of them is learned from.
Queries are the pictures of the hidden fold, whose own value is then a prediction too. `four of five
labelled`: the others have a person's label. `nothing labelled`: every picture has the value that was
predicted of it while its label was hidden. Mean and spread (standard deviation) over the seeds that divide
the folds.

- look-alike: a search as it is; with colours: the same with `--look thing=1,colour=1`
- same: only hits with the value of the query, by looks; by confidence too: similarity × confidence
- soft: all pictures, by similarity + weight × log of how probable the query's value is

pixels: how often the dominant colour is the labelled one (cars) or one that the captions name, for the middle
of a picture less what is around it, as it is used; for the middle alone; and for all pixels alike. And how
sharpness parts photographs from blurred copies of them.

cost: processor time of measuring a picture, of all that indexing one takes, and of filling in those of a
library that has none measured; and how what is measured on stored pictures agrees with the pixels.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

import findalike
from findalike import Query, Term, attributes, decode
from findalike.ingest.measures import SIDECAR
from findalike.library import Library
from findalike.ownership import confidence, without
from findalike.palette import COLOURS
from findalike.query import MEASURES
from findalike.types import Metadata, Origin, Pixels
from findalike.words import measures

K, FOLDS = 10, 5
LOOK = {"thing": 1, "colour": 1}
SOFT = (0.02, 0.1, 0.3)
CAPTIONED = 2_000
BLURS = (1, 2, 3)
Report = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", action="append", choices=list(PARTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report = {part: PARTS[part](arguments.data, arguments.seeds) for part in arguments.part or PARTS}
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


# same


@dataclass(frozen=True)
class Cars:
    """A library of cars; `ids` and their true colours, in one order."""

    library: Library
    ids: list[str]
    colors: np.ndarray

    def label(self, shown: Sequence[int]) -> None:
        """Give these pictures their colour as a person does, and the others none."""
        hidden = sorted(set(range(len(self.ids))) - set(shown))
        self.library.edit([self.ids[n] for n in hidden], metadata={"color": None})
        for color in set(self.colors.tolist()):
            some = [self.ids[n] for n in shown if self.colors[n] == color]
            self.library.edit(some, metadata={"color": color})

    def precision(self, number: int, **asked: Any) -> float:
        hits = self.library.search(Query((Term(self.ids[number], "asset"),), k=K, **asked))
        return self.right(number, [self.ids.index(hit.asset.id) for hit in hits])

    def right(self, number: int, found: Sequence[int]) -> float:
        return float(sum(self.colors[n] == self.colors[number] for n in found[:K]) / K)


@contextmanager
def opened(data: Path) -> Iterator[Cars]:
    folder = data / "cars"
    colors = {str((folder / row["path"]).resolve()): row["color"] for row in table(folder)}
    with findalike.open(":memory:") as library:
        library.add(folder.resolve())
        assets = sorted(library.store.assets(), key=lambda asset: asset.uri)
        yield Cars(library, [a.id for a in assets], np.array([colors[a.uri] for a in assets]))


def same(data: Path, seeds: int) -> Report:
    report: Report = {}
    with opened(data) as cars:
        cars.label([])
        cosines = similarities(cars)
        several = [one_seed(cars, cosines, seed) for seed in range(seeds)]
    for setting in ("four of five labelled", "nothing labelled"):
        report[setting] = {}
        print(f"\n{setting:24} P@{K}   spread  gain over look-alike")
        plain = np.array([each[setting]["look-alike"] for each in several])
        for name in several[0][setting]:
            found = np.array([each[setting][name] for each in several])
            report[setting][name] = {"mean": float(found.mean()), "spread": float(found.std())}
            gain = f"{(found - plain).mean():+.3f}" if name != "look-alike" else ""
            print(f"  {name:22} {found.mean():.3f}  {found.std():.3f}   {gain}")
    right = [each["predictions"]["right"] for each in several]
    report["values told right"] = {"mean": float(np.mean(right)), "spread": float(np.std(right))}
    print(f"\nvalues told right: {np.mean(right):.3f}, spread {np.std(right):.3f}")
    return report


def similarities(cars: Cars) -> np.ndarray:
    """How alike each picture is to each query, as a search ranks them."""
    found = np.zeros((len(cars.ids), len(cars.ids)))
    for n, asset_id in enumerate(cars.ids):
        for hit in cars.library.search(Query((Term(asset_id, "asset"),), k=len(cars.ids), include_self=True)):
            found[n, cars.ids.index(hit.asset.id)] = hit.similarity
    return found


def one_seed(cars: Cars, cosines: np.ndarray, seed: int) -> dict[str, dict[str, float]]:
    order = np.random.default_rng(seed).permutation(len(cars.ids))
    told = {"four of five labelled": {}, "nothing labelled": {}}
    values = sorted(set(cars.colors.tolist()))
    predicted = np.zeros((len(order), len(values)))
    for fold in np.array_split(order, FOLDS):
        hidden = fold.tolist()
        cars.label(sorted(set(order.tolist()) - set(hidden)))
        cars.library.learn_attribute("color", seed=seed)
        cars.library.apply_attributes("color")
        predicted[hidden] = probabilities(cars, hidden, values)
        known = (cars.colors[:, None] == np.array(values)).astype(float)
        known[hidden] = predicted[hidden]
        add(told["four of five labelled"], measured(cars, hidden, cosines, known))
    for number, row in enumerate(predicted):
        best = {"color": values[row.argmax()], "color_confidence": round(float(row.max()), 4)}
        cars.library.edit([cars.ids[number]], metadata=best)
    add(told["nothing labelled"], measured(cars, range(len(order)), cosines, predicted))
    means = {setting: {name: float(np.mean(v)) for name, v in each.items()} for setting, each in told.items()}
    right = np.array(values)[predicted.argmax(axis=1)] == cars.colors
    return means | {"predictions": {"right": float(right.mean())}}


def probabilities(cars: Cars, numbers: Sequence[int], values: Sequence[str]) -> np.ndarray:
    store = cars.library.store
    learned = attributes.of_column(store, "color")
    _, found = attributes.predict(store, learned, [cars.ids[n] for n in numbers])
    return found.probabilities[:, [list(learned.info.values).index(value) for value in values]]


def measured(
    cars: Cars, queries: Sequence[int], cosines: np.ndarray, known: np.ndarray
) -> dict[str, list[float]]:
    """P@10 of each way for these queries. `known`: how probable each value is of each picture."""
    found: dict[str, list[float]] = {
        "look-alike": [cars.precision(n) for n in queries],
        "with colours": [cars.precision(n, look=LOOK) for n in queries],
        "same": [cars.precision(n, same=("color",)) for n in queries],
    }
    assets = cars.library.store.get(cars.ids)
    sure = np.array([confidence(assets[i].metadata, "color") or 1.0 for i in cars.ids])
    for n in queries:
        value = int(known[n].argmax())
        has = known.argmax(axis=1) == value
        ways = {"same, by confidence too": np.where(has, cosines[n] * sure, -np.inf)}
        ways |= {f"soft {w}": cosines[n] + w * np.log(known[:, value] + 1e-3) for w in SOFT}
        for name, worth in ways.items():
            worth[n] = -np.inf
            found.setdefault(name, []).append(cars.right(n, np.argsort(-worth, kind="stable")[:K].tolist()))
    return found


def add(total: dict[str, list[float]], more: dict[str, list[float]]) -> None:
    for name, values in more.items():
        total.setdefault(name, []).extend(values)


# pixels


def pixels(data: Path, seeds: int) -> Report:
    cars = [(small(data / "cars" / row["path"]), {row["color"]}) for row in table(data / "cars")]
    captioned = list(with_named_colours(data / "captions-train"))
    report: Report = {"colours": {}}
    print("\ndominant colour             cars   captions")
    for name, (around, steep) in WAYS.items():
        right = [
            float(np.mean([named(p, around, steep) in those for p, those in several]))
            for several in (cars, captioned)
        ]
        report["colours"][name] = right
        print(f"  {name:24} {right[0]:.2f}   {right[1]:.3f}")
    print(f"  ({len(cars)} cars; {len(captioned):,} pictures whose captions name a colour)")
    for color in sorted(set[str]().union(*(those for _, those in cars))):
        right = [measures.dominant_color(p) == color for p, those in cars if color in those]
        report["colours"][color] = float(np.mean(right))
        print(f"  {color} cars: {np.mean(right):.2f} of {len(right)}")
    report["sharpness"] = sharpness([data / "cars" / row["path"] for row in table(data / "cars")])
    return report


WAYS = {"middle less edges": (measures.AROUND, True), "middle": (0.0, True), "all pixels alike": (0.0, False)}


def named(picture: Pixels, around: float, middle: bool) -> str:
    """The colour by the package's own function with another constant, or by plain counts."""
    if not middle:
        found = measures.palette.names_of_levels()[measures.palette.levels(picture)]
        return COLOURS[int(np.bincount(found.ravel(), minlength=len(COLOURS)).argmax())].name
    before, measures.AROUND = measures.AROUND, around
    try:
        return measures.dominant_color(picture)
    finally:
        measures.AROUND = before


def small(path: Path) -> Pixels:
    decoded = decode.decode(path.read_bytes(), Origin(""), short_side=256, thumbnail_side=256)
    assert decoded.small is not None
    return measures.normalised(decoded.small)[:: measures.EVERY, :: measures.EVERY]


def with_named_colours(folder: Path) -> Iterator[tuple[Pixels, set[str]]]:
    names, words = {colour.name for colour in COLOURS}, {"gray": "grey", "tan": "beige"}
    for row in table(folder)[:CAPTIONED]:
        text = " ".join(value for column, value in row.items() if column != "path").lower()
        found = {words.get(word, word) for word in re.findall("[a-z]+", text)} & names
        if found:
            yield small(folder / row["path"]), found


def sharpness(paths: Sequence[Path]) -> Report:
    """Quantiles of photographs and of copies that are blurred by so many pixels of 300."""
    report: Report = {}
    print("\nsharpness        5 %    50 %   95 %   at least 0.5")
    for blur in (0, *BLURS):
        found = [sharp(path, blur) for path in paths]
        low, middle, high = np.percentile(found, [5, 50, 95])
        kept = float(np.mean(np.array(found) >= 0.5))
        report[f"blurred by {blur}"] = [low, middle, high, kept]
        name = f"blurred by {blur}" if blur else "as they are"
        print(f"  {name:14} {low:.2f}   {middle:.2f}   {high:.2f}   {kept:.2f}")
    return report


def sharp(path: Path, blur: float) -> float:
    image = Image.open(path).convert("RGB")
    blurred = image.filter(ImageFilter.GaussianBlur(blur * min(image.size) / 300)) if blur else image
    return sharp_of(measures.measured(np.asarray(blurred), *image.size))


# cost


def cost(data: Path, seeds: int) -> Report:
    paths = [data / "cars" / row["path"] for row in table(data / "cars")]
    decoded = [decode.decode(p.read_bytes(), Origin(""), short_side=256, thumbnail_side=256) for p in paths]
    seen = [(d.small, d.picture.width, d.picture.height) for d in decoded if d.small is not None]
    measuring = least(lambda: [measures.measured(*each) for each in seen]) / len(seen)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        with findalike.open(Path(folder) / "first") as library:
            library.add(data / "cars")
        began = time.process_time()  # encoders are loaded now
        with findalike.open(Path(folder) / "library") as library:
            library.add(data / "cars")
            whole = (time.process_time() - began) / len(paths)
            filling, agreeing, off = filled(library, data / "cars")
    print(f"\nmeasuring {1e3 * measuring:.2f} ms of {1e3 * whole:.1f} ms of processor time a picture: "
          f"{measuring / whole:.1%}")  # fmt: skip
    print(
        f"filling in one that was there before: {1e3 * filling:.1f} ms; by the stored picture the dominant "
        f"colour of {agreeing:.1%} is the same, and sharpness at most {off:.3f} off"
    )
    return {"measuring": measuring, "whole": whole, "filling": filling, "same": agreeing, "off": off}


def filled(library: Library, folder: Path) -> tuple[float, float, float]:
    """Seconds of processor time a picture for measuring those of a library that has none measured, and how
    its values agree with those of before."""
    before = {asset.id: asset.metadata for asset in library.store.assets()}
    bare = [replace(a, metadata=without(a.metadata, MEASURES)) for a in library.store.assets()]
    library.store.update(bare)
    library.store.sidecars.write(SIDECAR, json.dumps({"columns": list(MEASURES)}))
    began = time.process_time()
    library.add(folder)
    spent = time.process_time() - began
    after = {asset.id: asset.metadata for asset in library.store.assets()}
    agreeing = [after[i]["dominant_color"] == before[i]["dominant_color"] for i in before]
    off = [abs(sharp_of(after[i]) - sharp_of(before[i])) for i in before]
    return spent / len(before), float(np.mean(agreeing)), max(off)


def sharp_of(metadata: Metadata) -> float:
    found = metadata["sharpness"]
    assert isinstance(found, float)
    return found


def least(run: Callable[[], object], times: int = 5) -> float:
    """The least processor time of several runs."""
    spent = []
    for _ in range(times):
        began = time.process_time()
        run()
        spent.append(time.process_time() - began)
    return min(spent)


PARTS = {"same": same, "pixels": pixels, "cost": cost}


if __name__ == "__main__":
    main()
