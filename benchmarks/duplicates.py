"""How well duplicates are found, against edits whose truth is known, and how fast on many rows.

    python benchmarks/duplicates.py --data ../shared/data --work /tmp/duplicates
    python benchmarks/duplicates.py --rows 100000 --work /tmp/duplicates

With `--data` some of the given pictures, chosen by a seed from several sets, are edited in twenty ways by
`edits` below, and all given pictures are distractors. `--work` keeps the pictures and the libraries made.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import random
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

import findalike
from findalike.duplicates import Group
from findalike.encode import catalog
from findalike.encode.classical import layout
from findalike.store.base import Batch
from findalike.store.lance import LanceStore
from findalike.types import Asset, Origin, Row

COPIES = {
    frozenset(("boxes/raccoon-11.jpg", "boxes/raccoon-116.jpg")),
    frozenset(("corel/food/918.jpg", "corel/food/924.jpg")),
}
"""Given pictures that are copies of one another, by eye: neither is a distractor of the other."""

Edit = Callable[[Image.Image, random.Random], Image.Image]

SETS = ("boxes", "captions", "captions-train", "cars", "clothing", "corel", "faces", "grocery", "objects")
"""Where pictures to edit come from. The others hold copies of one picture, or one thing taken thrice."""
DISTRACTORS = (*SETS, "copies", "covers")


def cropped(away: float) -> Edit:
    """What is left when this share of the area is cut away, at a place and of a shape of its own."""

    def edit(image: Image.Image, chance: random.Random) -> Image.Image:
        shape = chance.uniform(0.85, 1.18)
        across = min(1.0, (1 - away) ** 0.5 * shape)
        down = min(1.0, (1 - away) / across)
        across = (1 - away) / down
        width, height = round(image.width * across), round(image.height * down)
        left, top = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
        return image.crop((left, top, left + width, top + height))

    return edit


def scaled(factor: float) -> Edit:
    def edit(image: Image.Image, chance: random.Random) -> Image.Image:
        size = max(8, round(image.width * factor)), max(8, round(image.height * factor))
        return image.resize(size, Image.Resampling.LANCZOS)

    return edit


def compressed(quality: int) -> Edit:
    def edit(image: Image.Image, chance: random.Random) -> Image.Image:
        target = io.BytesIO()
        image.save(target, "JPEG", quality=quality)
        return Image.open(target).convert("RGB")

    return edit


def blurred(image: Image.Image, chance: random.Random) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(max(image.size) / 200))


def captioned(image: Image.Image, chance: random.Random) -> Image.Image:
    made = image.copy()
    pen, size = ImageDraw.Draw(made), max(10, image.height // 8)
    font = ImageFont.load_default(size)
    pen.text(
        (image.width / 2, size), "WHEN YOU SEE IT", "white", font, "mm", stroke_width=2, stroke_fill="black"
    )
    lower = image.height - size
    pen.text((image.width / 2, lower), "AGAIN", "white", font, "mm", stroke_width=2, stroke_fill="black")
    return made


def bordered(image: Image.Image, chance: random.Random) -> Image.Image:
    colour = chance.choice(["white", "black", (200, 30, 40)])
    return ImageOps.expand(image, round(max(image.size) * chance.uniform(0.05, 0.12)), colour)


def turned(degrees: float) -> Edit:
    def edit(image: Image.Image, chance: random.Random) -> Image.Image:
        if degrees == 90:
            return image.transpose(chance.choice([Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270]))
        return image.rotate(chance.choice([-1, 1]) * degrees, Image.Resampling.BICUBIC, expand=True)

    return edit


def mirrored(image: Image.Image, chance: random.Random) -> Image.Image:
    return ImageOps.mirror(image)


def recoloured(image: Image.Image, chance: random.Random) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    shift = chance.randint(15, 40)
    other = Image.merge("HSV", (hue.point(lambda v: (v + shift) % 256), saturation, value)).convert("RGB")
    return ImageEnhance.Brightness(other).enhance(chance.uniform(0.75, 1.25))


def grey(image: Image.Image, chance: random.Random) -> Image.Image:
    return image.convert("L").convert("RGB")


def framed(image: Image.Image, chance: random.Random) -> Image.Image:
    """As a screenshot shows it: on a page with a bar, lines of text and room around."""
    width, height = image.size
    page = Image.new("RGB", (round(width * 1.25), round(height * 1.45)), "white")
    pen, bar = ImageDraw.Draw(page), round(height * 0.12)
    pen.rectangle((0, 0, page.width, bar), "#3b5998")
    pen.ellipse((bar * 0.2, bar * 0.2, bar * 0.8, bar * 0.8), "white")
    page.paste(image, (round(width * 0.125), round(height * 0.18)))
    font = ImageFont.load_default(max(8, height // 22))
    for n, line in enumerate(("somebody: look at this!", "12 likes   3 answers", "write an answer ...")):
        pen.text((width * 0.1, height * (1.22 + 0.07 * n)), line, "#333333", font)
    return page


EDITS: dict[str, Edit] = {
    **{f"crop {away} %": cropped(away / 100) for away in (5, 15, 30, 50, 65)},
    **{f"scale {factor}": scaled(factor) for factor in (0.25, 0.5, 2)},
    **{f"jpeg {quality}": compressed(quality) for quality in (10, 30, 90)},
    "blur": blurred,
    "text": captioned,
    "border": bordered,
    "turn 3": turned(3),
    "turn 90": turned(90),
    "mirror": mirrored,
    "colour": recoloured,
    "grey": grey,
    "frame": framed,
}
BELOW_HALF = ("crop 65 %",)


def chosen(data: Path, count: int, seed: int) -> list[Path]:
    """Pictures of several sets, as many of each as of any other."""
    chance = random.Random(seed)
    found: list[Path] = []
    for name in SETS:
        inside = sorted(
            p for p in (data / name).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")
        )
        found += chance.sample(inside, -(-count // len(SETS)))
    return chance.sample(found, count)


def make(pictures: Sequence[Path], folder: Path, seed: int) -> None:
    """Write every edit of every picture as `folder/EDIT/NUMBER.jpg` unless it is there."""
    for number, path in enumerate(pictures):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        for name, edit in EDITS.items():
            target = folder / name / f"{number:03d}.jpg"
            if target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            edit(image, random.Random(f"{seed} {number} {name}")).save(target, quality=92)


# How well


def judged(data: Path, work: Path, count: int, seed: int) -> None:
    """Print the recall of each edit and the precision, of the cascade and of each hash alone."""
    pictures = chosen(data, count, seed)
    make(pictures, work / "edits", seed)
    with findalike.open(work / "given.library") as opened:
        opened.add(*[data / name for name in DISTRACTORS], work / "edits")
        began, cpu = time.perf_counter(), time.process_time()
        found = opened.find_duplicates()
        print(f"{len(opened):,} pictures in {time.perf_counter() - began:.1f} s, "
              f"{time.process_time() - cpu:.1f} s of processor; {found.left_out:,} left out")  # fmt: skip
    originals = {str(path): number for number, path in enumerate(pictures)}
    edits = {str(work / "edits" / e / f"{n:03d}.jpg"): (e, n) for e in EDITS for n in range(len(pictures))}
    right, wrong = scored(found.groups, edits, originals)
    print_recall("cascade", right, wrong, len(pictures))
    copies = [g for g in found.groups if "/copies/" in g.keeper.uri]
    print(f"copies: {len(copies)} group of {max(map(len, copies), default=0)} pictures")
    for score, one, other in sorted(wrong, reverse=True)[:40]:
        print(f"  {score:.2f}  {one}  {other}")
    if not importlib.util.find_spec("imagehash"):
        return
    paths = [
        p for name in DISTRACTORS for p in sorted((data / name).rglob("*")) if p.suffix.lower() in ENDINGS
    ]
    for name in HASHES:
        print_recall(name, *hashed(name, edits, pictures, paths), len(pictures))


def are_copies(one: Path | str, other: Path | str) -> bool:
    return any(all(str(each).endswith(tuple(pair)) for each in (one, other)) for pair in COPIES)


Right = list[tuple[float, str]]
Wrong = list[tuple[float, str, str]]


def scored(
    groups: Sequence[Group], edits: dict[str, tuple[str, int]], originals: dict[str, int]
) -> tuple[Right, Wrong]:
    """Of each edit that shares a group with its original the score and its name; and of each pair of keeper
    and member that do not belong together their score and paths. Two given pictures are no distractor pair:
    the sets hold real copies (a burst, a picture twice); the pairs are those with an edit in them."""
    right, wrong = [], []
    paths = {number: path for path, number in originals.items()}
    for group in groups:
        scores = {group.keeper.uri: 1.0, **{m.asset.uri: m.score for m in group.members}}
        owners = {uri: originals.get(uri, edits[uri][1] if uri in edits else -1) for uri in scores}
        for uri in scores:
            original = next((u for u in scores if originals.get(u) == owners[uri]), None)
            if uri in edits and original is not None:
                right.append((min(scores[uri], scores[original]), edits[uri][0]))
            whose = [paths.get(owners[each], each) for each in (uri, group.keeper.uri)]
            is_distractor = owners[uri] != owners[group.keeper.uri] and not are_copies(*whose)
            if is_distractor and (uri in edits or group.keeper.uri in edits):
                wrong.append((scores[uri], group.keeper.uri, uri))
    return right, wrong


def print_recall(name: str, right: Right, wrong: Wrong, pictures: int) -> None:
    """Recall at the lowest score at which 99.9 % of the pairs are right."""
    marks = sorted([(s, True, e) for s, e in right] + [(w[0], False, "") for w in wrong], key=lambda m: -m[0])
    kept, good = 0, 0
    for place, (_, is_right, _) in enumerate(marks, 1):
        good += is_right
        if good >= 0.999 * place and (place == len(marks) or marks[place][0] < marks[place - 1][0]):
            kept = place
    counts = Counter(edit for _, is_right, edit in marks[:kept] if is_right)
    every = sum(counts.values()) / (pictures * len(EDITS))
    above = [edit for edit in EDITS if edit not in BELOW_HALF]
    most = sum(counts[edit] for edit in above) / (pictures * len(above))
    by_edit = "  ".join(f"{edit} {counts[edit] / pictures:.2f}" for edit in EDITS)
    print(f"{name:>15}: recall {every:.3f} of all, {most:.3f} without crops below half  ({len(wrong)} wrong)")
    print(f"{'':>15}  {by_edit}", flush=True)


HASHES = ("average_hash", "phash", "dhash", "whash", "crop_resistant_hash")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


def hashed(
    name: str, edits: dict[str, tuple[str, int]], pictures: Sequence[Path], paths: Sequence[Path]
) -> tuple[Right, Wrong]:
    """The same of one hash: all pairs of an edit and a given picture, by how few bits differ."""
    import imagehash

    make_hash = getattr(imagehash, name)

    def bits(path: Path | str) -> np.ndarray:
        with Image.open(path) as image:
            found = make_hash(image.convert("RGB"))
        several = found.segment_hashes if name.startswith("crop") else [found]
        return np.stack([np.asarray(each.hash).ravel() for each in several]).astype(np.float32)

    given = [bits(path) for path in paths]
    owner = np.repeat(np.arange(len(given)), [len(each) for each in given])
    rows = np.concatenate(given)
    place = {str(path): n for n, path in enumerate(paths)}
    right, wrong = [], []
    for path, (edit, number) in edits.items():
        mine = bits(path)
        same = mine @ rows.T + (1 - mine) @ (1 - rows).T  # bits that agree, of each segment
        score = np.full(len(given), -1.0)
        np.maximum.at(score, owner, same.max(axis=0) / rows.shape[1])
        own = place[str(pictures[number])]
        right.append((float(score[own]), edit))
        others = np.argsort(-np.where(np.arange(len(score)) == own, -2, score))[:3]
        wrong += [
            (float(score[n]), path, str(paths[n]))
            for n in others
            if not are_copies(pictures[number], paths[n])
        ]
    return right, wrong


# How fast


def timed(rows: int, work: Path, seed: int) -> None:
    """Build a library of drawn pictures, one in ten a copy of another, and print how long finding them takes
    beyond reading."""
    folder = work / f"rows-{rows}"
    if not folder.exists():
        fill(folder, rows, seed)
    stages: dict[str, float] = {}
    last = [time.perf_counter(), "reading"]

    def watch(stage: str, done: int, total: int) -> None:
        now = time.perf_counter()
        stages[last[1]] = stages.get(last[1], 0.0) + now - last[0]
        last[:] = now, stage

    with findalike.open(folder, "r") as opened:
        began, cpu = time.perf_counter(), time.process_time()
        found = opened.find_duplicates(watch=watch)
        whole = time.perf_counter() - began
    right = sum(
        m.asset.uri.rpartition("-")[0] == g.keeper.uri.rpartition("-")[0]
        for g in found.groups
        for m in g.members
    )
    members = sum(len(group.members) for group in found.groups)
    print({stage: round(seconds, 1) for stage, seconds in stages.items()})
    print(f"{rows:,} rows in {whole:.1f} s, {whole - stages.get('reading', 0):.1f} s beyond reading, "
          f"{time.process_time() - cpu:.1f} s of processor, "
          f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB at most")  # fmt: skip
    print(
        f"{right:,} of {rows // 10:,} planted copies found, {members - right:,} wrong; "
        f"{found.left_out:,} left out"
    )


def fill(folder: Path, rows: int, seed: int) -> None:
    """Rows whose embeddings lie in clusters, with layouts and thumbnails of drawn pictures. Every tenth is a
    smaller, cropped or mirrored copy of the one before, its embedding a little off."""
    chance = np.random.default_rng(seed)
    network = catalog.find("efficientnet-lite0", "int8")
    centres = chance.standard_normal((rows // 100 + 1, network.dim)).astype(np.float32)
    store = LanceStore(folder, mode="a")
    for card in (network, layout.LAYOUT):
        store.add_card(card)
    image, vector, number = Image.new("RGB", (256, 192)), centres[0], 0
    for start in range(0, rows, 1_000):
        assets, thumbnails, vectors, layouts = [], {}, [], []
        for n in range(start, min(start + 1_000, rows)):
            if n % 10 == 9:
                image, name = (
                    (mirrored, cropped(0.3), scaled(0.5))[n // 10 % 3](image, random.Random(n)),
                    f"{number}-copy",
                )
                vector = vector + 0.35 * np.linalg.norm(vector) / network.dim**0.5 * chance.standard_normal(
                    network.dim
                )
            else:
                number, name = n, f"{n}-own"
                image = drawn(random.Random(f"{seed} {n}"))
                vector = centres[chance.integers(len(centres))] + chance.standard_normal(network.dim)
            asset = Asset(f"/pictures/{name}.jpg", 1_000 + n, TAKEN, f"{n:016x}", "image/jpeg", f"{n:064x}",
                          {"width": image.width, "height": image.height})  # fmt: skip
            target = io.BytesIO()
            image.save(target, "JPEG", quality=82)
            assets.append(asset)
            thumbnails[asset.id] = target.getvalue()
            vectors.append(Row(f"{n:016x}", Origin(asset.id), unit(vector)))
            layouts.append(Row(f"{n:016x}", Origin(asset.id), unit(layout.describe(np.asarray(image)))))
        store.write(Batch(assets, {network.space: vectors, layout.LAYOUT.space: layouts}, thumbnails))
    store.close()


def drawn(chance: random.Random) -> Image.Image:
    """A picture of its own: smooth colours, and shapes on them."""
    small = np.random.default_rng(chance.randrange(2**32)).integers(0, 256, (6, 8, 3), np.uint8)
    image = Image.fromarray(small).resize((256, 192), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(14):
        x, y, size = chance.randint(0, 255), chance.randint(0, 191), chance.randint(6, 60)
        shape = pen.ellipse if chance.random() < 0.5 else pen.rectangle
        shape((x, y, x + size, y + chance.randint(6, 60)), tuple(chance.randrange(256) for _ in range(3)))
    return image


def unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


TAKEN = datetime(2020, 1, 1, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, help="the folder of the picture sets")
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True, help="keep what is made in this folder")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.rows:
        timed(options.rows, options.work.resolve(), options.seed)
    if options.data:
        judged(options.data.resolve(), options.work.resolve(), options.pictures, options.seed)


if __name__ == "__main__":
    main()
