"""What verification of the best hits gives: P@1 and mAP with and without it, how often keypoints agree on
pictures of different things, and how many edited copies they find.

    python benchmarks/verify.py DATA [--sets covers,corel] [--queries N] [--pairs N] [--edits N] [--json FILE]

DATA holds folders, each with a `labels.csv`. Each query is searched for in a library, and its best 50 hits
are verified: leave one out on every set, and for `covers` also queries against gallery. mAP is that of
the best 50 hits. --pairs and --edits compare pictures directly, whole and as thumbnails of 256 pixels.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps
from rich.progress import track

import findalike
from findalike import pixels, verify
from findalike.search.terms import Seen
from findalike.search.verified import DEPTH, Side, Verifier
from findalike.search.views import Views
from findalike.types import Asset, Hit

SETS = {
    "covers": "category", "corel": "category", "clothing": "category", "grocery": "product",
    "faces": "person", "cars": "color",
}  # fmt: skip
DIFFERENT = {**SETS, "objects": "name"}
"""Sets of which two pictures with two labels show different things."""

METHODS = (None, "geometric", "ssim")
LEVELS = (0.5, 0.9, 0.99, 0.999)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--queries", type=int, default=10_000, help="at most so many of each set")
    parser.add_argument("--pairs", type=int, default=0, help="pairs of different pictures")
    parser.add_argument("--edits", type=int, default=0, help="pictures to edit")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    for name in filter(None, arguments.sets.split(",")):
        results[name] = ranked(arguments.data / name, name, arguments.queries)
    for side in (256, 512):
        if arguments.pairs:
            results[f"pairs {side}"] = chance(arguments.data, arguments.pairs, side)
        if arguments.edits:
            results[f"edits {side}"] = edited(arguments.data, arguments.edits, side)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


# Searches


def ranked(folder: Path, name: str, most: int) -> dict[str, Any]:
    labels = read_labels(folder, SETS[name])
    roles = read_labels(folder, "role") if name == "covers" else {}
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place, findalike.open(Path(place) / "library") as library:
        library.add(folder)
        assets = {
            str(Path(asset.uri).relative_to(folder.resolve())): asset for asset in library.store.assets()
        }
        chosen = sorted(random.Random(0).sample(sorted(assets), min(most, len(assets))))
        for method in METHODS:
            started, spent = time.perf_counter(), time.process_time()
            words = f"{name}, {method or 'as found'}"
            judge = method and Remembering(method, Views(library.store, library.settings), 1)
            hits = {path: searched(library, assets[path], judge, folder) for path in track(chosen, words)}
            wall, cpu = ((now - then) / len(chosen) for now, then in (
                (time.perf_counter(), started), (time.process_time(), spent)))  # fmt: skip
            found[str(method)] = {
                "leave one out": scores(hits, labels, list(labels)),
                "seconds a query": wall,
                "processor seconds a query": cpu,
            }
            if roles:
                gallery = [path for path, role in roles.items() if role == "gallery"]
                asked = {path: [p for p in several if roles[p] == "gallery"]
                         for path, several in hits.items() if roles[path] == "query"}  # fmt: skip
                found[str(method)]["query against gallery"] = scores(asked, labels, gallery)
            print(name, method or "as found", json.dumps(found[str(method)]), flush=True)
    return found


class Remembering(Verifier):
    """Looks at each picture of the library once, so that time is that of comparing."""

    def __init__(self, method: str, views: Views, threads: int) -> None:
        super().__init__(method, views, threads)
        self.known: dict[str, Side | None] = {}

    def side_of(self, hit: Hit) -> Side | None:
        if hit.asset.id not in self.known:
            self.known[hit.asset.id] = super().side_of(hit)
        return self.known[hit.asset.id]


def searched(library: findalike.Library, asset: Asset, judge: Verifier | None, folder: Path) -> list[str]:
    term = findalike.Term(asset.id, "asset")
    hits: Sequence[Hit] = library.search(term, k=DEPTH)
    if judge:
        hits = judge.verified(
            hits, [Seen(term, np.zeros(0, np.float32), asset)], lambda done, total: None
        ).hits
    return [str(Path(hit.asset.uri).relative_to(folder.resolve())) for hit in hits]


def scores(hits: dict[str, list[str]], labels: dict[str, str], gallery: list[str]) -> dict[str, float]:
    """P@1 and the mean average precision of the best 50, of queries that something of the gallery is like."""
    first, precision = [], []
    for path, several in hits.items():
        total = sum(labels[other] == labels[path] for other in gallery if other != path)
        if total:
            relevant = np.array([labels[other] == labels[path] for other in several], bool)
            at = np.cumsum(relevant) / np.arange(1, len(relevant) + 1)
            first.append(bool(relevant[:1].any()))
            precision.append(at[relevant].sum() / min(total, 50))
    return {"queries": len(first), "P@1": float(np.mean(first)), "mAP": float(np.mean(precision))}


# Pairs


def chance(data: Path, pairs: int, side: int) -> dict[str, float]:
    """How often pictures of different things are taken for one, half of the pairs from one set."""
    labels = {(name, path): label for name, column in DIFFERENT.items() if (data / name).is_dir()
              for path, label in read_labels(data / name, column).items()}  # fmt: skip
    rng = random.Random(0)
    sets = {name: [key for key in labels if key[0] == name] for name in DIFFERENT}
    sets = {name: keys for name, keys in sets.items() if keys}
    known = {key: verify.keypoints(opened(data, key, side)) for key in track(labels, f"keypoints at {side}")}
    found: list[float] = []
    spent = time.process_time()
    while len(found) < pairs:
        keys = list(labels) if len(found) % 2 else rng.choice(list(sets.values()))
        a, b = rng.sample(keys, 2)
        if a[0] != b[0] or labels[a] != labels[b]:
            alignment = verify.aligned(known[a], known[b])
            found.append(alignment.confidence if alignment else 0.0)
            if found[-1] >= LEVELS[0]:
                print(f"  {found[-1]:.4f}", *a, *b)
    spent = (time.process_time() - spent) / pairs
    rates = {f"at {level}": float(np.mean(np.array(found) >= level)) for level in LEVELS}
    print(
        f"{pairs} different pairs at {side}:", json.dumps(rates), f"{spent * 1000:.1f} ms a pair", flush=True
    )
    return rates | {"processor seconds a pair": spent}


def edited(data: Path, count: int, side: int) -> dict[str, dict[str, float]]:
    keys = [(name, path) for name in DIFFERENT if (data / name).is_dir()
            for path in read_labels(data / name, DIFFERENT[name])]  # fmt: skip
    rng = random.Random(0)
    found: dict[str, list[float]] = {}
    for key in track(rng.sample(keys, count), f"edits at {side}"):
        image = Image.fromarray(opened(data, key, 1024))
        whole = verify.keypoints(pixels.fit(np.asarray(image), side))
        for edit, changed in edits(image, rng):
            other = verify.keypoints(pixels.fit(np.asarray(changed), side))
            alignment = verify.aligned(whole, other, reflections=edit == "mirrored")
            found.setdefault(edit, []).append(alignment.confidence if alignment else 0.0)
    recalls = {edit: {f"at {level}": float(np.mean(np.array(several) >= level)) for level in LEVELS}
               for edit, several in found.items()}  # fmt: skip
    for edit, several in recalls.items():
        print(f"{edit:22} at {side}", json.dumps(several), flush=True)
    return recalls


def edits(image: Image.Image, rng: random.Random) -> Iterator[tuple[str, Image.Image]]:
    width, height = image.size
    text = image.copy()
    font = ImageFont.load_default(max(10, width // 9))
    pen, where = ImageDraw.Draw(text), (width * 0.05, height * 0.4)
    pen.text(where, "SOME WORDS\nON IT", "white", font, stroke_width=2, stroke_fill="black")
    frame = Image.new("RGB", (width * 3 // 2, height * 17 // 10), (240, 240, 240))
    ImageDraw.Draw(frame).rectangle((0, 0, frame.width, height // 10), fill=(60, 60, 70))
    frame.paste(image, (width // 4, height * 3 // 10))
    yield from ((f"cropped to {part:.0%}", cropped(image, part, rng)) for part in (0.3, 0.5, 0.75))
    yield "half as large", image.resize((max(1, width // 2), max(1, height // 2)), Image.Resampling.LANCZOS)
    yield "JPEG 10", compressed(image, 10)
    yield "turned by 3 degrees", image.rotate(3, Image.Resampling.BICUBIC, fillcolor="white")
    yield "turned by 90 degrees", image.transpose(Image.Transpose.ROTATE_90)
    yield "blurred", image.filter(ImageFilter.GaussianBlur(2 * max(width, height) / 512))
    yield "text", text
    yield "border", ImageOps.expand(image, max(width, height) // 10, "black")
    yield "mirrored", ImageOps.mirror(image)
    yield "grey", image.convert("L").convert("RGB")
    yield "framed", frame


def cropped(image: Image.Image, part: float, rng: random.Random) -> Image.Image:
    width, height = (max(1, round(side * math.sqrt(part))) for side in image.size)
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def compressed(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def opened(data: Path, key: tuple[str, str], side: int) -> np.ndarray:
    with Image.open(data / key[0] / key[1]) as image:
        return pixels.fit(np.asarray(ImageOps.exif_transpose(image).convert("RGB")), side)


def read_labels(folder: Path, column: str) -> dict[str, str]:
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        return {row["path"]: row[column] for row in csv.DictReader(file)}


if __name__ == "__main__":
    main()
