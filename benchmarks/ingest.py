"""How fast pictures get into a library, beside a plain loop and beside what the cores could do at most.

    python benchmarks/ingest.py [--small 2400] [--large 60] [--rounds 3] [--json FILE]

For JPEGs of 500×375 and of 4,000×3,000, made from photographs that come inside scikit-image:

    plain loop    one by one: Pillow, resize, a float32 session with ONNX Runtime's defaults, numpy.save
    plain int8    the same loop with our int8 network
    ceiling       only decode and encode, as findalike does them, in one process for each core
    ingest        `findalike` with all it does beside: hashes, thumbnails, metadata, the library on disk

All four take turns, so that what else the machine does falls on each; a figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

import findalike
from findalike import checkpoint, decode, runtime, settings
from findalike.encode import catalog, efficientnet
from findalike.encode.base import encode, short_side
from findalike.encode.cnn import Statistics
from findalike.types import Origin

SIZES = {"500×375": (500, 375), "4,000×3,000": (4000, 3000)}
PHOTOGRAPHS = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "motorcycle_left.png",
    "rocket.jpg",
    "hubble_deep_field.jpg",
)
CARD = catalog.find("efficientnet-lite0", "int8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", type=int, default=2400)
    parser.add_argument("--large", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report = {}
    for (name, size), count in zip(SIZES.items(), (arguments.small, arguments.large), strict=True):
        with tempfile.TemporaryDirectory() as folder:
            paths = written(Path(folder) / "pictures", count, size)
            report[name] = measured(paths, Path(folder), arguments.rounds)
        show(name, count, report[name])
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")


def measured(paths: list[Path], folder: Path, rounds: int) -> dict[str, float]:
    ways: dict[str, Callable[[], None]] = {
        "plain loop": lambda: plain(paths, session("float32"), folder / "plain.npy"),
        "plain int8": lambda: plain(paths, session("int8"), folder / "plain.npy"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in (*ways, "ceiling", "ingest")}
    for turn in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
        seconds["ceiling"].append(ceiling(paths))
        with findalike.open(folder / f"library{turn}") as library:
            seconds["ingest"].append(library.add(folder / "pictures").seconds)
    return {name: len(paths) / float(np.median(several)) for name, several in seconds.items()}


def show(name: str, count: int, rates: dict[str, float]) -> None:
    print(f"{name}, {count} pictures, {settings.default().thread_count()} cores")
    for way, rate in rates.items():
        print(f"  {way:12} {rate:8.1f} pictures/s")
    print(f"  ingest is {rates['ingest'] / rates['ceiling']:.2f} of the ceiling (target .85), ", end="")
    print(f"{rates['ingest'] / rates['plain loop']:.2f} times the plain loop (target 2.2), ", end="")
    print(f"{rates['ingest'] / rates['plain int8']:.2f} times the plain loop in int8\n")


def written(folder: Path, count: int, size: tuple[int, int]) -> list[Path]:
    """JPEGs of that size: other parts of a few photographs, each a little different."""
    folder.mkdir()
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.origin:
        raise SystemExit("the pictures are made from those of scikit-image: pip install 'findalike[demo]'")
    originals = [Image.open(Path(spec.origin).parent / "data" / name).convert("RGB") for name in PHOTOGRAPHS]
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        original = originals[number % len(originals)]
        width = rng.uniform(0.6, 1) * min(original.width, original.height * size[0] / size[1])
        height = width * size[1] / size[0]
        left, top = rng.uniform(0, original.width - width), rng.uniform(0, original.height - height)
        part = original.resize(size, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))
        paths.append(folder / f"{number:06}.jpg")
        part.save(paths[-1], quality=88)
    return paths


def session(precision: str) -> Any:
    """A session with ONNX Runtime's defaults, as a plain script would make it."""
    weights = runtime.locate(CARD.preprocessing["package"], "models/*.pth")
    tensors = checkpoint.read(weights)
    ranges = Statistics(CARD.name).ranges
    model = (
        efficientnet.int8_model(tensors, ranges) if precision == "int8" else efficientnet.float_model(tensors)
    )
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def plain(paths: list[Path], network: Any, out: Path) -> None:
    rows = []
    for path in paths:
        image = Image.open(path).convert("RGB")
        scale = 256 / min(image.size)
        image = image.resize(
            (round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC
        )
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        pixels = np.asarray(image.crop((left, top, left + 224, top + 224)))
        rows.append(network.run(["pooled"], {"pixels": pixels[None]})[0][0])
    np.save(out, np.stack(rows))


def ceiling(paths: list[Path]) -> float:
    """Seconds until every core has decoded and encoded its share, without what it takes to start."""
    cores = settings.default().thread_count()
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(cores)
    with spawn.Pool(cores, initializer=_share_barrier, initargs=(barrier,)) as pool:
        return max(pool.map(decoded_and_encoded, [paths[i::cores] for i in range(cores)], chunksize=1))


def _share_barrier(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def decoded_and_encoded(paths: list[Path]) -> float:
    encoder = catalog.load(CARD, settings.default())
    side = short_side([CARD])
    contents = [path.read_bytes() for path in paths]
    encode(encoder, [decode.decode(contents[0], Origin(""), short_side=side).picture])
    _barrier.wait()
    started = time.perf_counter()
    for start in range(0, len(contents), 8):
        several = contents[start : start + 8]
        encode(encoder, [decode.decode(data, Origin(""), short_side=side).picture for data in several])
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
