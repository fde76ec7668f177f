"""Poolings, whitening, words and joined spaces against plain average pooling, on labelled folders.

    python benchmarks/pooling.py DATA [--set NAME]... [--local sift] [--json FILE] [--page docs/learned.md]

DATA holds the labelled folders of `benchmarks/retrieval.py`. Each becomes a library with a space for every
encoder; whitening and words are learned on that very library, without its labels, as the commands do it.
Prints the mean average precision of leave one out, in points: by plain cosine, and as searched (the query
turned from the library's mean, `rank.adapted`). Folders that are in FILE already are not measured again.
`--page` writes the table into a page, between its marks.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import findalike
from findalike import decode, distance, settings
from findalike.encode import catalog
from findalike.encode.base import encode
from findalike.evaluate.metrics import leave_one_out
from findalike.library import Library
from findalike.types import Card, Origin
from retrieval import SETS, as_searched, read_labels

PLAIN = "efficientnet-lite0"
POOLED = (
    "efficientnet-lite0-max",
    "efficientnet-lite0-gem",
    "efficientnet-lite0-gem-whole",
    "efficientnet-lite0-r-mac",
    "efficientnet-lite0-r-mac-whole",
    "efficientnet-lite0-r-mac-multiscale",
    "efficientnet-lite2",
    "efficientnet-lite2-r-mac",
    "efficientnet-joined",
    "efficientnet-joined-r-mac",
)
WHITENED = (
    (PLAIN, 0.0),
    (PLAIN, 0.125),
    (PLAIN, 0.25),
    (PLAIN, 0.5),
    ("efficientnet-lite0-r-mac", 0.0),
    ("efficientnet-lite0-r-mac-multiscale", 0.0),
    ("efficientnet-lite0-r-mac-multiscale", 0.25),
    ("efficientnet-joined", 0.0),
    ("efficientnet-joined-r-mac", 0.0),
    ("efficientnet-joined-r-mac", 0.25),
)
LOOKS = (("colour", 0.25), ("colour", 0.5), ("layout", 0.5))
"""What is added to the similarity of plain average pooling, at which weight."""

BEGIN, END = "<!-- measured: pooling -->", "<!-- end of pooling -->"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", action="append", choices=list(SETS))
    parser.add_argument("--local", action="append", choices=["sift", "orb"], help="default: both")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    results: dict[str, dict[str, tuple[float, float]]] = {}
    if arguments.json and arguments.json.exists():
        results = json.loads(arguments.json.read_text("utf-8"))
    for name in arguments.set or SETS:
        if name not in results:
            kinds = arguments.local or ["sift", "orb"]
            results[name] = measured(arguments.data / name, SETS[name], kinds)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    shown = f"{table(results)}\n{costs(arguments.data / 'covers')}"
    print(shown)
    if arguments.page:
        page = arguments.page.read_text("utf-8")
        marked = re.compile(f"{BEGIN}.*?{END}", re.DOTALL)
        arguments.page.write_text(marked.sub(f"{BEGIN}\n\n{shown}\n{END}", page), "utf-8")


def measured(folder: Path, column: str, kinds: Sequence[str]) -> dict[str, tuple[float, float]]:
    """By the name of each way: mAP in points, by plain cosine and as searched."""
    paths, labels = read_labels(folder, column)
    with tempfile.TemporaryDirectory() as made, findalike.open(Path(made) / "library") as library:
        started = time.monotonic()
        library.add(*paths, encoder=[PLAIN, *POOLED])
        print(f"{folder.name}: {len(paths)} pictures in {time.monotonic() - started:.0f} s", flush=True)
        ways = Ways(library, paths, labels, {})
        for name in (PLAIN, *POOLED):
            ways.judge(name, name)
        for name, power in WHITENED:
            learned = library.learn_whitening(name, power=power, name=f"{name}-{power:g}").cards[0].name
            ways.judge(f"{name}, whitened to {power:g}", learned)
        for name in (PLAIN, "efficientnet-joined-r-mac"):
            for beside, weight in LOOKS:
                ways.join(f"{name} + {weight:g} {beside}", name, beside, weight)
        for local in kinds:
            for card in library.learn_vocabulary(local, most_pictures=len(paths)).cards:
                ways.judge(card.name, card.name)
        return ways.found


def costs(folder: Path) -> str:
    """A Markdown table of the processor's time for a picture, decoded, in parts of the default's: the best of
    three rounds over 24 pictures, eight at a time."""
    paths = sorted(folder.rglob("*.jpg"))[:24]
    pictures = [decode.decode(path.read_bytes(), Origin(""), short_side=448).picture for path in paths]
    encoders = {name: catalog.load(catalog.find(name), settings.default()) for name in (PLAIN, *POOLED)}
    best = dict.fromkeys(encoders, float("inf"))
    for _ in range(3):
        for name, encoder in encoders.items():
            started = time.process_time()
            for start in range(0, len(pictures), 8):
                encode(encoder, pictures[start : start + 8])
            best[name] = min(best[name], time.process_time() - started)
    rows = "".join(f"| {name} | {seconds / best[PLAIN]:.1f} |\n" for name, seconds in best.items())
    return f"| encoder | time, of the default's |\n| --- | --- |\n{rows}"


@dataclass
class Ways:
    """A library of a labelled folder, and what was found of it so far."""

    library: Library
    paths: Sequence[Path]
    labels: Sequence[str]
    found: dict[str, tuple[float, float]]

    def judge(self, way: str, encoder: str) -> None:
        vectors = self.vectors(encoder)
        turned = self.card(encoder).dtype != "sparse"  # of a bag of words a search takes nothing off
        self.keep(way, plain(vectors), as_searched(vectors) if turned else plain(vectors))

    def join(self, way: str, encoder: str, beside: str, weight: float) -> None:
        vectors, others = self.vectors(encoder), self.vectors(beside)
        metric = self.card(beside).metric
        more = weight * np.stack([distance.similarity(metric, others, each) for each in others])
        self.keep(way, plain(vectors) + more, as_searched(vectors) + more)

    def keep(self, way: str, *similarities: np.ndarray) -> None:
        scores = [100 * leave_one_out(s, self.labels).mean_average_precision for s in similarities]
        self.found[way] = (scores[0], scores[1])
        print(f"  {way:52} {scores[0]:6.1f} {scores[1]:6.1f}", flush=True)

    def vectors(self, encoder: str) -> np.ndarray:
        stored = {asset.uri: asset.id for asset in self.library.store.assets()}
        rows = self.library.store.rows(self.card(encoder).space, stored.values())
        by_id = {row.asset_id: row.vector for row in rows}
        return np.stack([by_id[stored[str(path.absolute())]] for path in self.paths])

    def card(self, encoder: str) -> Card:
        return next(card for card in self.library.store.cards().values() if card.name == encoder)


def plain(vectors: np.ndarray) -> np.ndarray:
    similarity: np.ndarray = vectors @ vectors.T
    return similarity


def table(results: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    """A Markdown table of points: the first row as they are, all others as gains over it."""
    head = "| plain cosine / as searched | " + " | ".join(results) + " | mean |\n"
    lines = [head, "| --- " * (len(results) + 2) + "|\n"]
    base = {name: found[PLAIN] for name, found in results.items()}
    for way in dict.fromkeys(way for found in results.values() for way in found):
        of = {name: found[way] for name, found in results.items() if way in found}
        cells = [
            _cell(of[name], (0, 0) if way == PLAIN else base[name], way != PLAIN) if name in of else "–"
            for name in results
        ]
        gains = [np.mean([of[n][i] - (0 if way == PLAIN else base[n][i]) for n in of]) for i in (0, 1)]
        lines.append(f"| {way} | {' | '.join(cells)} | {_cell(gains, (0, 0), way != PLAIN)} |\n")
    return "".join(lines)


def _cell(scores: Sequence[float], base: Sequence[float], signed: bool) -> str:
    show: Callable[[float], str] = (lambda x: f"{x:+.1f}") if signed else (lambda x: f"{x:.1f}")
    return " / ".join(show(float(score - less)) for score, less in zip(scores, base, strict=True))


if __name__ == "__main__":
    main()
