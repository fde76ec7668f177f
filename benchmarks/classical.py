"""How well the classical encoders retrieve, and what a picture costs them, beside any other encoder.

    python benchmarks/classical.py DATA [--set NAME]... [--encoder NAME]...

DATA holds the labelled folders of `benchmarks/retrieval.py`. Prints P@1 / mAP of leave one out, each encoder
under the metric of its card, and the milliseconds that encoding a decoded picture takes one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from findalike import decode, distance, settings
from findalike.encode import catalog
from findalike.encode.base import encode, short_side
from findalike.evaluate.metrics import leave_one_out
from findalike.types import Card, Origin, Picture
from retrieval import SETS, read_labels

CLASSICAL = (
    "colour",
    "hsv-histogram",
    "lab-histogram",
    "dominant-colours",
    "layout",
    "gist",
    "hog",
    "lbp",
    "average-hash",
    "difference-hash",
    "perceptual-hash",
    "wavelet-hash",
    "crop-resistant-hash",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", action="append", choices=SETS, help="default: all")
    parser.add_argument("--encoder", action="append", help="default: the classical ones")
    arguments = parser.parse_args()
    cards = [catalog.find(name) for name in arguments.encoder or CLASSICAL]
    names = arguments.set or list(SETS)
    sets = {}
    for name in names:
        paths, labels = read_labels(arguments.data / name, SETS[name])
        sets[name] = decoded(paths, cards), labels
    print(f"{'':22}{'numbers':>8}" + "".join(f"{name:>14}" for name in sets) + f"{'ms a picture':>14}")
    for card in cards:
        encoder = catalog.load(card, settings.default())
        encode(encoder, next(iter(sets.values()))[0][:1])  # makes its tables
        cells, took, count = [], 0.0, 0
        for pictures, labels in sets.values():
            start = time.perf_counter()
            vectors = np.concatenate([encode(encoder, [picture]) for picture in pictures])
            took, count = took + time.perf_counter() - start, count + len(pictures)
            found = leave_one_out(similarities(card, vectors), labels)
            cells.append(f"{found.precision_at_1:8.3f} {found.mean_average_precision:.3f}")
        print(f"{card.name:22}{card.dim:8}" + "".join(cells) + f"{took / count * 1000:14.2f}", flush=True)


def decoded(paths: list[Path], cards: list[Card]) -> list[Picture]:
    side = short_side(cards)
    return [decode.decode(path.read_bytes(), Origin(""), short_side=side).picture for path in paths]


def similarities(card: Card, vectors: np.ndarray) -> np.ndarray:
    return np.stack([distance.similarity(card.metric, vectors, each) for each in vectors])


if __name__ == "__main__":
    main()
