"""How well things are found that are only a part of a picture: with finders of regions, and without.

    python benchmarks/boxes.py DATA [--part composites|raccoons]... [--split test|dev] [--json FILE]

DATA holds `objects`, `corel`, `clothing`, `captions`, `cars` and `boxes`, each with a `labels.csv`. Pictures
are written and indexed as users do it. `whole` is a library without regions; the others have those of a
finder beside the whole pictures.

composites: pictures made of several given ones, each of which is in one composite only. The original picture
asks; `top 5` is how often the composite that shows it is among the first five, `box` how often with a box
that has at least half in common with where it is (intersection over union). `2x2`: four of equal size.
`uneven`: four of unlike sizes and shapes, cut to fit, some with bars between. `loose`: four that lie anywhere
on a fifth, each .25 to .5 as high as that. `small`: one on another, .25 to .45 as high. What finders were
chosen by is `--split dev`: other pictures than those of `test`.

raccoons: pictures of raccoons with a box drawn by hand, among pictures of all else. The box, or the whole
picture, asks for other raccoons. `pictures`: P@10, of hits that show a raccoon. `places`: P@10, of hits whose
box has at least half in common with a raccoon's. In `photos` the pictures are as they were taken, most of
them filled by the raccoon; in `scenes` what the box holds is pasted into other photographs, .3 to .5 as high.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import findalike
from findalike import decode, pixels
from findalike.encode.base import encode
from findalike.rank import adapted
from findalike.regions import overlap
from findalike.types import Box, Origin, Picture, Pixels, Row

ENCODER = "efficientnet-lite0"
FINDERS = {"whole": None, "grid": "grid", "objects": "objects"}
TUNED = ("objects", "corel", "clothing")
UNSEEN = ("captions", "cars")
TOP, TARGET, GAIN = 5, 0.80, 0.10
EDGES = ("left", "top", "right", "bottom")
SIDES = 512

Table = dict[str, dict[str, float]]
Truth = dict[str, list[Box]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", action="append", choices=list(PARTS))
    parser.add_argument("--split", choices=["test", "dev"], default="test")
    parser.add_argument("--most", type=int, default=200, help="composites of each kind")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report = {part: PARTS[part](arguments) for part in arguments.part or list(PARTS)}
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def opened(path: Path, side: int | None = SIDES) -> Pixels:
    return decode.decode(path.read_bytes(), Origin(""), short_side=side).picture.pixels


def fitted(array: Pixels, width: int, height: int) -> Pixels:
    """The middle of a picture, as large as it can be in these proportions."""
    tall, wide = array.shape[:2]
    scale = max(width / wide, height / tall)
    left, top = max(0.0, (wide - width / scale) / 2), max(0.0, (tall - height / scale) / 2)
    box = (left, top, min(wide, left + width / scale), min(tall, top + height / scale))
    return np.asarray(Image.fromarray(array).resize((width, height), Image.Resampling.BICUBIC, box=box))


# Composites


@dataclass(frozen=True)
class Composite:
    """`boxes` are where the pictures of these paths are."""

    pixels: Pixels
    paths: Sequence[Path]
    boxes: Sequence[Box]


@dataclass
class Canvas:
    """A composite that is being made."""

    pixels: Pixels
    boxes: list[Box]

    @classmethod
    def of(cls, width: int, height: int, ground: Pixels | int = 0) -> Canvas:
        if isinstance(ground, int):
            return cls(np.full((height, width, 3), ground, np.uint8), [])
        return cls(fitted(ground, width, height).copy(), [])

    def put(self, path: Path, left: int, top: int, right: int, bottom: int) -> None:
        self.pixels[top:bottom, left:right] = fitted(opened(path), right - left, bottom - top)
        height, width = self.pixels.shape[:2]
        self.boxes.append((left / width, top / height, right / width, bottom / height))


def two_by_two(rng: np.random.Generator, paths: Sequence[Path]) -> Composite:
    canvas = Canvas.of(512, 512)
    for number, path in enumerate(paths):
        top, left = (256 * each for each in divmod(number, 2))
        canvas.put(path, left, top, left + 256, top + 256)
    return Composite(canvas.pixels, paths, canvas.boxes)


def uneven(rng: np.random.Generator, paths: Sequence[Path], width: int = 768, height: int = 576) -> Composite:
    cells: list[tuple[int, int, int, int]] = []
    while not cells or min(min(c[2] - c[0], c[3] - c[1]) for c in cells) < 150:
        cells = _split(rng, (0, 0, width, height), len(paths))
    gap = int(rng.choice([0, 0, 4]))
    canvas = Canvas.of(width, height, int(rng.integers(0, 256)))
    for path, (left, top, right, bottom) in zip(paths, cells, strict=True):
        canvas.put(path, left + gap, top + gap, right - gap, bottom - gap)
    return Composite(canvas.pixels, paths, canvas.boxes)


def _split(
    rng: np.random.Generator, cell: tuple[int, int, int, int], count: int
) -> list[tuple[int, int, int, int]]:
    """A cell cut in two, and those again, at random places and in random directions."""
    if count == 1:
        return [cell]
    left, top, right, bottom = cell
    first = int(rng.integers(1, count))
    share = min(max(first / count + rng.uniform(-0.12, 0.12), 0.25), 0.75)
    if right - left > (bottom - top) * rng.uniform(0.7, 1.4):
        middle = round(left + (right - left) * share)
        halves = (left, top, middle, bottom), (middle, top, right, bottom)
    else:
        middle = round(top + (bottom - top) * share)
        halves = (left, top, right, middle), (left, middle, right, bottom)
    return [*_split(rng, halves[0], first), *_split(rng, halves[1], count - first)]


def loose(rng: np.random.Generator, paths: Sequence[Path], width: int = 1024, height: int = 768) -> Composite:
    *several, ground = paths
    shapes = [opened(path).shape[:2] for path in several]
    while (places := _places(rng, shapes, width, height)) is None:
        pass
    canvas = Canvas.of(width, height, opened(ground))
    for path, place in zip(several, places, strict=True):
        canvas.put(path, *place)
    return Composite(canvas.pixels, several, canvas.boxes)


def _places(
    rng: np.random.Generator, shapes: Sequence[tuple[int, ...]], width: int, height: int
) -> list[tuple[int, int, int, int]] | None:
    """Random places that do not meet, for pictures of these shapes; None where one found none."""
    taken: list[tuple[int, int, int, int]] = []
    for tall, wide in shapes:
        for _ in range(300):
            high = int(rng.uniform(0.25, 0.5) * height)
            broad = min(int(high * wide / tall), int(0.6 * width))
            left, top = int(rng.integers(0, width - broad)), int(rng.integers(0, height - high))
            new = (left, top, left + broad, top + high)
            if all(new[2] <= t[0] or t[2] <= new[0] or new[3] <= t[1] or t[3] <= new[1] for t in taken):
                taken.append(new)
                break
        else:
            return None
    return taken


def small(rng: np.random.Generator, paths: Sequence[Path], width: int = 1024, height: int = 768) -> Composite:
    canvas = Canvas.of(width, height, opened(paths[1]))
    side = round(rng.uniform(0.25, 0.45) * height)
    left, top = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
    canvas.put(paths[0], left, top, left + side, top + side)
    return Composite(canvas.pixels, paths[:1], canvas.boxes)


KINDS: dict[str, tuple[Callable[..., Composite], int]] = {
    "2x2": (two_by_two, 4),
    "uneven": (uneven, 4),
    "loose": (loose, 5),
    "small": (small, 2),
}


def given(data: Path, split: str) -> list[Path]:
    """The pictures of a split: of the sets that finders were chosen by every other one, and others."""
    own = [data / name / row["path"] for name in TUNED for row in rows_of(data / name)[split == "test" :: 2]]
    others = UNSEEN if split == "test" else ()
    return own + [data / name / row["path"] for name in others for row in rows_of(data / name)]


def made(kind: str, paths: Sequence[Path], most: int) -> Iterator[Composite]:
    make, each = KINDS[kind]
    rng = np.random.default_rng(list(KINDS).index(kind))
    order = rng.permutation(len(paths))
    for start in range(0, min(most, len(paths) // each) * each, each):
        yield make(rng, [paths[number] for number in order[start : start + each]])


def by_composites(arguments: argparse.Namespace) -> dict[str, Table]:
    paths, report = given(arguments.data, arguments.split), {}
    for kind in KINDS:
        composites = list(made(kind, paths, arguments.most))
        with tempfile.TemporaryDirectory() as folder:
            for number, composite in enumerate(composites):
                Image.fromarray(composite.pixels).save(Path(folder) / f"{number:04}.jpg", quality=90)
            report[kind] = {name: composed(Path(folder), composites, name) for name in FINDERS}
        print(f"{kind}: {len(composites)} composites of {sum(len(c.paths) for c in composites)} pictures")
        shown(report[kind], ("top 5", "box", "rows", "seconds"))
    reached = report["2x2"]["objects"]["top 5"]
    print(f"objects bring the right one of 2x2 to the top 5 for {reached:.3f} (target {TARGET:.2f})\n")
    return report


def composed(folder: Path, composites: Sequence[Composite], finder: str) -> dict[str, float]:
    """What is found of the composites in a folder with one finder."""
    started = time.monotonic()
    with findalike.open(":memory:") as library:
        library.add(folder, regions=FINDERS[finder])
        seconds = time.monotonic() - started
        space = next(iter(library.store.cards()))
        assets = sorted(library.store.assets(), key=lambda asset: asset.uri)
        place = {asset.id: number for number, asset in enumerate(assets)}
        rows = library.store.rows(space, place)
        encoder = library._encoder(library.store.cards()[space])
        vectors = np.stack([row.vector for row in rows])
        mean, owners = vectors.mean(axis=0), np.array([place[row.asset_id] for row in rows])
        outcome = []
        for number, composite in enumerate(composites):
            for path, box in zip(composite.paths, composite.boxes, strict=True):
                query = adapted(encode(encoder, [of(opened(path))])[0], mean, len(assets))
                outcome.append(judged(vectors @ query, owners, number, rows, box))
    top, boxed = np.mean(outcome, axis=0)
    return {"top 5": float(top), "box": float(boxed), "rows": len(rows) / len(assets), "seconds": seconds}


def judged(
    similarities: np.ndarray, owners: np.ndarray, number: int, rows: Sequence[Row], box: Box
) -> tuple[bool, bool]:
    """Whether a picture is among the first, by its best row, and whether that is where the box is."""
    best = np.full(owners.max() + 1, -2.0)
    np.maximum.at(best, owners, similarities)
    own = np.flatnonzero(owners == number)
    row = rows[own[similarities[own].argmax()]]
    found = bool((best > best[number]).sum() < TOP)
    return found, found and overlap(row.origin.box, box) >= 0.5


def of(array: Pixels) -> Picture:
    return Picture(array, Origin(""), array.shape[1], array.shape[0])


def shown(table: Table, columns: Sequence[str]) -> None:
    print("  " + " " * 26 + "".join(f"{column:>10}" for column in columns))
    for name, values in table.items():
        print(f"  {name:26}" + "".join(f"{values[column]:10.3f}" for column in columns))
    print()


# Raccoons


def by_raccoons(arguments: argparse.Namespace) -> dict[str, Table]:
    boxes: Truth = {}
    for row in rows_of(arguments.data / "boxes"):
        left, top, right, bottom = (float(row[edge]) for edge in EDGES)
        boxes.setdefault(row["path"], []).append((left, top, right, bottom))
    sets = [arguments.data / name for name in ("corel", "objects", "captions")]
    others = [folder / row["path"] for folder in sets for row in rows_of(folder)]
    report = {}
    for setting, write in (("photos", photos), ("scenes", scenes)):
        with tempfile.TemporaryDirectory() as folder:
            truth = write(Path(folder), arguments.data / "boxes", boxes, others)
            report[setting] = {}
            for name in ("whole", "objects"):
                report[setting] |= asked(Path(folder), truth, others, name)
        print(f"{setting}: {len(truth)} pictures of raccoons among {len(others)} others")
        shown(report[setting], ("pictures", "places"))
        for column in ("pictures", "places"):
            gain = report[setting]["objects, by box"][column] - report[setting]["whole, by picture"][column]
            print(f"  {column}: the box gains {gain:+.3f} over whole pictures (target +{GAIN:.2f})")
        print()
    return report


def photos(folder: Path, data: Path, boxes: Truth, others: Sequence[Path]) -> Truth:
    for name in boxes:
        shutil.copy(data / name, folder)
    return boxes


def scenes(folder: Path, data: Path, boxes: Truth, others: Sequence[Path]) -> Truth:
    """What each first box holds, somewhere in a photograph of the others."""
    rng, truth = np.random.default_rng(0), {}
    grounds = rng.choice(len(others), len(boxes), False)
    for (name, drawn), ground in zip(boxes.items(), grounds, strict=True):
        canvas = Canvas.of(1024, 768, opened(others[ground]))
        thing = pixels.crop(opened(data / name, None), drawn[0])
        high = int(rng.uniform(0.3, 0.5) * 768)
        wide = min(int(high * thing.shape[1] / thing.shape[0]), 800)
        left, top = int(rng.integers(0, 1024 - wide)), int(rng.integers(0, 768 - high))
        canvas.pixels[top : top + high, left : left + wide] = fitted(thing, wide, high)
        Image.fromarray(canvas.pixels).save(folder / name, quality=90)
        truth[name] = [(left / 1024, top / 768, (left + wide) / 1024, (top + high) / 768)]
    return truth


def asked(folder: Path, truth: Truth, others: Sequence[Path], finder: str) -> Table:
    """Each box and each whole picture as a query of a library with one finder."""
    found: dict[str, list[tuple[float, float]]] = {}
    with findalike.open(":memory:") as library:
        library.add(folder, *others, regions=FINDERS[finder])
        for name, boxes in truth.items():
            for region in (None, *boxes):
                hits = list(library.search(folder / name, region=region, k=10))
                right = [hit for hit in hits if Path(hit.asset.uri).parent == folder]
                placed = [
                    hit for hit in right
                    if max(overlap(hit.origin.box, box) for box in truth[Path(hit.asset.uri).name]) >= 0.5
                ]  # fmt: skip
                way = f"{finder}, by {'picture' if region is None else 'box'}"
                found.setdefault(way, []).append((len(right) / 10, len(placed) / 10))
    return {
        way: dict(zip(("pictures", "places"), map(float, np.mean(values, axis=0)), strict=True))
        for way, values in found.items()
    }


PARTS: dict[str, Callable[[argparse.Namespace], object]] = {
    "composites": by_composites,
    "raccoons": by_raccoons,
}

if __name__ == "__main__":
    main()
