"""How well one thing in a picture is found: by its name (focus), by parts of a library's pictures (grid),
and by a box that the user draws.

    python benchmarks/focus.py DATA [--each 20] [--part focus|grid|box]... [--json FILE]

DATA holds `corel` and `clothing`, each with a `labels.csv`, and `boxes` for the last part. Everything is
compared with vectors that a library stores, the query turned from their mean as in a search.

focus: a picture made of two, of which one is meant. `side by side`: both 256 pixels square. `40 %`, `30 %`:
the one that is meant has that share of the sides of the other. P@10 is over the single pictures, without the
two: which share of the first ten is of the kind that is meant. That alone does not tell a focus from a search
for the kind as such, so `found` is how often the very picture that is meant comes among the first ten. The
row `kind alone` is a search with nothing but the weights of the classes.

grid: the same composites in the library, and the single picture as the query.

box: the box is drawn by hand; the ways to show what is in it to the network.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from findalike import decode, pixels, regions, settings
from findalike.encode import catalog, focus
from findalike.encode.base import encode, short_side, unit
from findalike.encode.cnn import CnnEncoder
from findalike.rank import adapted
from findalike.types import Box, Origin, Picture, Pixels, Vector, Vectors

CLASSES = {
    "buses": [654, 779, 874],  # minibus, school bus, trolleybus
    "elephants": [101, 385, 386],  # tusker, Indian, African
    "horses": [339],  # sorrel
    "mountains": [970, 972, 979, 980],  # alp, cliff, valley, volcano
    "beaches": [975, 976, 977, 978],  # lakeside, promontory, sandbar, seashore
    "food": list(range(923, 970)),  # plate to eggnog
    "flowers": [985, 986],  # daisy, lady's slipper: none of those that Corel has
    "dinosaurs": [51],  # triceratops
    "shoes": [502, 514, 630, 770, 774],  # clog, cowboy boot, loafer, running shoe, sandal
}
"""The classes of ImageNet that are kinds of what a folder holds, by what the words mean."""

SCENES = ("mountains", "beaches", "buildings", "africans")
TARGET = 0.30


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--each", type=int, default=20, help="composites of each kind")
    parser.add_argument("--part", action="append", choices=["focus", "grid", "box"])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    pool = pooled(arguments.data)
    report = {}
    for part in arguments.part or ["focus", "grid", "box"]:
        report[part] = PARTS[part](pool, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


@dataclass(frozen=True)
class Pool:
    """The single pictures: what a library holds."""

    encoder: CnnEncoder
    paths: list[Path]
    labels: np.ndarray
    vectors: Vectors

    def of(self, *labels: str) -> np.ndarray:
        return np.flatnonzero(np.isin(self.labels, labels))

    def similarities(self, query: Vector) -> np.ndarray:
        return self.vectors @ adapted(query, self.vectors.mean(axis=0), len(self.vectors))


def pooled(data: Path) -> Pool:
    encoder = catalog.load(catalog.find("efficientnet-lite0", "int8"), settings.default())
    assert isinstance(encoder, CnnEncoder)
    paths, labels = [], []
    for name in ("corel", "clothing"):
        for row in rows(data / name):
            paths.append(data / name / row["path"])
            labels.append(row["category"])
    vectors = np.concatenate([encode(encoder, [opened(path)]) for path in paths])
    return Pool(encoder, paths, np.array(labels), vectors)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def opened(path: Path, side: int | None = 256) -> Picture:
    return decode.decode(path.read_bytes(), Origin(""), short_side=side).picture


def of(array: Pixels) -> Picture:
    return Picture(array, Origin(""), array.shape[1], array.shape[0])


# Composites


@dataclass(frozen=True)
class Composite:
    """`pixels` show picture number `meant` of the pool inside `box`, and beside it number `other`."""

    kind: str
    meant: int
    other: int
    box: Box
    pixels: Pixels


def filled(path: Path, side: int) -> Pixels:
    """The middle of a picture, as a square."""
    return pixels.square(opened(path).pixels, side, 1.0)


def side_by_side(pool: Pool, each: int) -> Iterator[Composite]:
    rng = np.random.default_rng(0)
    for kind in CLASSES:
        others = np.flatnonzero(pool.labels != kind)
        for meant, other in zip(
            rng.choice(pool.of(kind), each, False), rng.choice(others, each, False), strict=True
        ):
            halves = [filled(pool.paths[number], 256) for number in (meant, other)]
            left = rng.random() < 0.5
            box = (0.0, 0.0, 0.5, 1.0) if left else (0.5, 0.0, 1.0, 1.0)
            yield Composite(kind, int(meant), int(other), box, np.hstack(halves if left else halves[::-1]))


def pasted(pool: Pool, each: int, share: float, width: int = 512, height: int = 384) -> Iterator[Composite]:
    """A thing at a random place of a landscape: `share` of its shorter side."""
    rng = np.random.default_rng(1)
    for kind in [kind for kind in CLASSES if kind not in SCENES]:
        for meant, other in zip(
            rng.choice(pool.of(kind), each, False), rng.choice(pool.of(*SCENES), each, False), strict=True
        ):
            scene = np.asarray(
                Image.fromarray(opened(pool.paths[other]).pixels).resize(
                    (width, height), Image.Resampling.BICUBIC
                )
            ).copy()
            side = round(share * height)
            left, top = rng.integers(0, width - side), rng.integers(0, height - side)
            scene[top : top + side, left : left + side] = filled(pool.paths[meant], side)
            box = (left / width, top / height, (left + side) / width, (top + side) / height)
            yield Composite(kind, int(meant), int(other), box, scene)


# Focus


def by_focus(pool: Pool, arguments: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    sets = {
        "side by side": side_by_side(pool, arguments.each),
        "40 %": pasted(pool, arguments.each, 0.4),
        "30 %": pasted(pool, arguments.each, 0.3),
    }
    return {name: focus_on(pool, name, list(several)) for name, several in sets.items()}


def focus_on(pool: Pool, name: str, several: Sequence[Composite]) -> dict[str, list[float]]:
    encoder, weights = pool.encoder, pool.encoder.classifier
    found: dict[str, list[tuple[float, float, float]]] = {}
    for composite in several:
        numbers, picture = CLASSES[composite.kind], of(composite.pixels)
        pooled = encoder.run([picture], ["pooled"])[0][0]
        ways: dict[str, Callable[[], tuple[Vector, Box | None]]] = {
            "plain": lambda picture=picture: (encode(encoder, [picture])[0], None),
            "kind alone": lambda numbers=numbers: (unit(weights[numbers].mean(axis=0).clip(0)), None),
            "weights only": lambda pooled=pooled, numbers=numbers: (
                focus.reweighted(pooled, weights, numbers, encoder.centre), None),
            "how=weights": lambda picture=picture, n=numbers: focus.focused(encoder, picture, n, "weights"),
            "how=crop": lambda picture=picture, n=numbers: focus.focused(encoder, picture, n, "crop"),
            "how=both": lambda picture=picture, n=numbers: focus.focused(encoder, picture, n, "both"),
            "cut by hand": lambda c=composite: (
                encode(encoder, [of(pixels.crop(c.pixels, c.box))])[0], c.box),
        }  # fmt: skip
        for way, vector in ways.items():
            found.setdefault(way, []).append(judged(pool, composite, *vector()))
    table = {way: list(np.mean(values, axis=0)) for way, values in found.items()}
    print(f"{name} ({len(several)})       P@10   found     IoU")
    for way, (precision, again, overlap) in table.items():
        print(f"  {way:18} {precision:8.3f} {again:7.3f} {overlap:7.3f}")
    gain = table["how=both"][0] - table["plain"][0]
    print(f"  gain of how=both over plain: {gain:.2f} (target {TARGET:.2f})\n")
    return table


def judged(pool: Pool, composite: Composite, vector: Vector, box: Box | None) -> tuple[float, float, float]:
    similarities = pool.similarities(vector)
    found = float((similarities > similarities[composite.meant]).sum() < 10)
    similarities[[composite.meant, composite.other]] = -9
    first = np.argsort(-similarities)[:10]
    precision = float((pool.labels[first] == composite.kind).mean())
    return precision, found, overlap(box, composite.box) if box else 0.0


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both)


# Parts of the library's pictures


def by_grid(pool: Pool, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """The composites are in a library beside all single pictures; the single picture that is in one asks."""
    table = {}
    for share in (0.5, 0.4, 0.3):
        several = list(pasted(pool, arguments.each, share, 1024, 768))
        ranks = {"whole": [], "grid": []}
        wholes = np.concatenate([encode(pool.encoder, [shown(c.pixels, 256)]) for c in several])
        parts = [parts_of(pool.encoder, c.pixels) for c in several]
        for number, composite in enumerate(several):
            query = adapted(pool.vectors[composite.meant], pool.vectors.mean(axis=0), len(pool.vectors))
            singles = np.delete(pool.vectors @ query, composite.meant)
            whole = wholes @ query
            best = np.maximum(whole, [float((part @ query).max()) for part in parts])
            for name, scores in (("whole", whole), ("grid", best)):
                others = np.concatenate([singles, np.delete(scores, number)])
                ranks[name].append(int((others > scores[number]).sum()))
        table[f"{share:.0%}"] = [float((np.array(rank) < 10).mean()) for rank in ranks.values()]
        counts = np.mean([len(part) for part in parts])
        print(f"  {share:4.0%} of the side: recall@10 {table[f'{share:.0%}'][0]:.3f} by whole pictures, "
              f"{table[f'{share:.0%}'][1]:.3f} with {counts:.0f} parts of each")  # fmt: skip
    return table


def shown(array: Pixels, side: int) -> Picture:
    """A picture reduced as decoding for a shorter side of `side` reduces it."""
    factor = min(array.shape[:2]) // side
    return of(np.asarray(Image.fromarray(array).reduce(factor)) if factor > 1 else array)


def parts_of(encoder: CnnEncoder, array: Pixels) -> Vectors:
    grid = regions.load("grid", settings.default())
    needed = regions.magnified([grid], short_side([encoder.card])) or 256
    picture = shown(array, needed)
    return encode(encoder, [regions.cut(picture, part) for part in regions.parts(grid, picture)])


# A box drawn by hand


def by_box(pool: Pool, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Raccoons whose box is given find the other raccoons: P@10, and precision among as many as there are."""
    boxes = [
        (opened(arguments.data / "boxes" / row["path"], None), tuple(float(row[k]) for k in EDGES))
        for row in rows(arguments.data / "boxes")
    ]
    own = np.concatenate([encode(pool.encoder, [picture]) for picture, _ in boxes])
    vectors = np.concatenate([own, pool.vectors])
    mean, table = vectors.mean(axis=0), {}
    for name, way in WAYS.items():
        found = []
        for number, (picture, box) in enumerate(boxes):
            similarities = vectors @ adapted(way(pool.encoder, picture.pixels, box), mean, len(vectors))
            similarities[number] = -9
            right = np.argsort(-similarities)[: len(boxes) - 1] < len(boxes)
            found.append((right[:10].mean(), right.mean()))
        table[name] = [float(value) for value in np.mean(found, axis=0)]
        print(f"  {name:24} P@10 {table[name][0]:.3f}, precision at {len(boxes) - 1} {table[name][1]:.3f}")
    return table


EDGES = ("left", "top", "right", "bottom")


def central(encoder: CnnEncoder, array: Pixels, box: Box) -> Vector:
    return encode(encoder, [of(pixels.crop(array, box))])[0]


def squashed(encoder: CnnEncoder, array: Pixels, box: Box) -> Vector:
    side = encoder.card.preprocessing["side"]
    image = Image.fromarray(pixels.crop(array, box)).resize((side, side), Image.Resampling.BICUBIC)
    return unit(encoder.centred(encoder.look(np.asarray(image)[None], ["pooled"])[0][0]))


WAYS: dict[str, Callable[[CnnEncoder, Pixels, Box], Vector]] = {
    "whole picture": lambda encoder, array, _: encode(encoder, [of(array)])[0],
    "its centre, 0.875": central,
    "grown, then its centre": lambda e, array, box: central(e, array, pixels.with_margin(box, 0.875)),
    "squashed to a square": squashed,
}
PARTS: dict[str, Callable[[Pool, argparse.Namespace], object]] = {
    "focus": by_focus,
    "grid": by_grid,
    "box": by_box,
}

if __name__ == "__main__":
    main()
