"""How well attributes are told, and how long learning and applying them takes.

    python benchmarks/attributes.py DATA [--only cars|clothing|methods|time] [--pictures N] [--libraries DIR]

DATA holds `cars` (column color) and `clothing` (column category, split into validation and test), each with a
`labels.csv`. Colour is told of cars that were left out, in five folds by three seeds; garments of the test
split are told by what the others taught. Which spaces serve, and how much shrinkage, is chosen inside the
pictures that are learned from. Once with the vectors that every library has, once with those of `MORE` too.
Time is that of made-up embeddings (see `synthetic.py`) in a library on disk, in seconds of the processor's
time and of the clock.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from sklearn import linear_model

import findalike
import synthetic
from findalike.attributes import Attribute, Score, features, load, predict
from findalike.attributes.discriminant import solved, sums
from findalike.attributes.folds import dealt
from findalike.attributes.learning import cross_validated
from findalike.attributes.probe import predicted
from findalike.attributes.reading import read
from findalike.attributes.scoring import cooled, score
from findalike.attributes.shelf import save
from findalike.attributes.temperature import calibration_error
from findalike.attributes.told import Dealt
from findalike.library import Library
from findalike.query import parse_filter
from findalike.store.base import Batch
from findalike.types import Asset, Origin, Row, Vectors

Numbers = NDArray[np.int64]
Fit = Callable[[Vectors, Numbers, Vectors, int], Vectors]

SEEDS = (0, 1, 2)
MORE = ("efficientnet-lite2", "efficientnet-joined-r-mac")
"""Encoders beside those that every library has."""

PROMPTS = {"color": "a {} car", "category": "a photo of a {}"}
LABELS = 10
AT_ONCE = 5_000


def main() -> None:
    parser = argparse.ArgumentParser(description="How well attributes are told, and how long it takes.")
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--only", choices=("cars", "clothing", "methods", "time"))
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--libraries", type=Path, help="Keep the libraries here.")
    asked = parser.parse_args()
    with _folder(asked.libraries) as folder:
        if asked.only in (None, "cars"):
            cars(_indexed(asked.data / "cars", folder))
        if asked.only in (None, "clothing"):
            clothing(_indexed(asked.data / "clothing", folder))
        if asked.only in (None, "methods"):
            methods(_indexed(asked.data / "cars", folder), "color")
            methods(_indexed(asked.data / "clothing", folder), "category")
        if asked.only in (None, "time"):
            timed(folder / f"made-{asked.pictures}.library", asked.pictures)


def cars(library: Library) -> None:
    print("\ncars, column color, 5 folds by 3 seeds: mean and standard deviation over seeds")
    for encoders in _choices(library):
        scores: dict[str, list[Score]] = {}
        for seed in SEEDS:
            learned = library.learn_attribute("color", encoder=encoders, prompt=PROMPTS["color"], seed=seed)
            for each in learned.info.scores:
                scores.setdefault(each.method, []).append(each)
        print(f"  {_said(encoders)}")
        for method, several in scores.items():
            spaces = dict.fromkeys(space for each in several for space in each.spaces)
            print(f"    {method:8} {_figures(several)}  {', '.join(spaces)}")


def clothing(library: Library) -> None:
    """Learned from the pictures that are not of the test split, in three seeds of the folds."""
    print("\nclothing, column category: learned from the split validation, told of the split test")
    for encoders in _choices(library):
        shares, errors, spaces = [], [], dict[str, None]()
        for seed in SEEDS:
            library.learn_attribute("category", encoder=encoders, where="split != 'test'", seed=seed)
            share, error, found = _tested(library)
            shares.append(share)
            errors.append(error)
            spaces |= dict.fromkeys(found.probe("probe").spaces)
        print(f"  {_said(encoders)}")
        told = f"accuracy {_spread(shares)}  calibration error {_spread(errors)}"
        print(f"    probe    {told}  {', '.join(spaces)}")
    wanted = library.learn_attribute("category", prompt=PROMPTS["category"], where="split = 'test'").info
    for each in wanted.scores[1:]:
        print(f"    {each.method:8} {_figures([each])} on the same pictures, no label learned from")


def _tested(library: Library) -> tuple[float, float, Attribute]:
    """Accuracy and calibration error on the test split."""
    found = load(library.store.sidecars, "category")
    assert found is not None
    assets = list(library.store.assets(parse_filter("split = 'test'", library.store.columns())))
    places, told = predict(library.store, found, [asset.id for asset in assets], "probe")
    number = {value: n for n, value in enumerate(found.info.values)}
    true = np.array([number[str(assets[n].metadata["category"])] for n in places])
    right = float((told.probabilities.argmax(axis=1) == true).mean())
    return right, calibration_error(told.probabilities, true), found


def methods(library: Library, column: str) -> None:
    """The probe's arithmetic beside logistic regression and ridge regression of scikit-learn, on the vectors
    of the default encoder, each at the best of several strengths: five folds by three seeds."""
    card = library._card(None)
    assets = [asset for asset in library.store.assets() if asset.metadata.get(column)]
    places, vectors = read(library.store, [card.space], [asset.id for asset in assets])
    joined = features.joined(vectors, [card]).rows
    values, numbers = np.unique([str(assets[n].metadata[column]) for n in places], return_inverse=True)
    print(f"\n{column}, {len(numbers)} pictures, {card.name}: accuracy, log loss, seconds of the processor")
    for name, (strengths, fit) in KINDS.items():
        found = [_crossed(joined, numbers, len(values), partial(fit, strength)) for strength in strengths]
        best = min(range(len(strengths)), key=lambda n: found[n][1])
        accuracy, loss, seconds = found[best]
        print(
            f"    {name:12} {accuracy:.3f}  {loss:.3f}  {seconds:6.2f}  (best strength {strengths[best]:g})"
        )


def _crossed(rows: Vectors, numbers: Numbers, count: int, fit: Fit) -> tuple[float, float, float]:
    accuracies, losses, started = [], [], time.process_time()
    for seed in SEEDS:
        fold, logits = dealt(numbers, 5, seed), np.zeros((len(rows), count), np.float32)
        for n in range(5):
            logits[fold == n] = fit(rows[fold != n], numbers[fold != n], rows[fold == n], count)
        told = score("probe", (), cooled(logits, numbers, fold), numbers, fold)
        accuracies.append(told.accuracy or 0.0)
        losses.append(told.log_loss or 0.0)
    seconds = (time.process_time() - started) / len(SEEDS) / 5
    return float(np.mean(accuracies)), float(np.mean(losses)), seconds


def _discriminant(strength: float, rows: Vectors, numbers: Numbers, asked: Vectors, count: int) -> Vectors:
    turned = np.linalg.qr(rows.T.astype(np.float64))[0].astype(np.float32)
    (found,) = solved(sums(rows @ turned, numbers, count), [strength])
    return found.logits(asked @ turned)


def _logistic(strength: float, rows: Vectors, numbers: Numbers, asked: Vectors, count: int) -> Vectors:
    found = linear_model.LogisticRegression(C=strength, max_iter=500).fit(rows, numbers)
    logits: Vectors = found.decision_function(asked)
    return logits


def _ridge(strength: float, rows: Vectors, numbers: Numbers, asked: Vectors, count: int) -> Vectors:
    found = linear_model.Ridge(alpha=strength).fit(rows, np.eye(count)[numbers])
    logits: Vectors = found.predict(asked)
    return logits


KINDS = {
    "discriminant": ((1e-4, 1e-3, 3e-3, 1e-2, 1e-1), _discriminant),
    "logistic": ((1, 10, 100, 1000), _logistic),
    "ridge": ((0.1, 0.3, 1, 3, 10), _ridge),
}


def timed(path: Path, count: int) -> None:
    """All pictures are labelled for learning; what was learned is applied under another name to as many."""
    library = _made(path, count)
    print(f"\n{count:,} made-up embeddings of {synthetic.CARD.dim:,} numbers, {LABELS} values")
    with _clock("learning"):
        learned = library.learn_attribute("kind", encoder=synthetic.CARD.name)
    print(f"    of which {_parts(learned.seconds)} (clock); accuracy {learned.info.accuracy:.3f}")
    found = load(library.store.sidecars, "kind")
    assert found is not None
    _computed(library, found)
    save(library.store.sidecars, Attribute(replace(found.info, column="told"), found.probes))
    for what in ("applying", "applying again"):
        with _clock(what):
            (done,) = library.apply_attributes("told")
        print(f"    of which {_parts(done.seconds)} (clock); {done.written:,} written")
    with _clock("forgetting"):
        library.forget_attribute("told")
    print(f"  {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB of memory at most")


def _computed(library: Library, found: Attribute) -> None:
    """The same without the store: vectors and values lie in memory."""
    assets = list(library.store.assets())
    _, vectors = read(library.store, [synthetic.CARD.space], [asset.id for asset in assets])
    values = found.info.values
    numbers = np.array([values.index(str(asset.metadata["kind"])) for asset in assets])
    ids = tuple(asset.id for asset in assets)
    labels = Dealt(values, ids, numbers, dealt(numbers, found.info.folds, 0))
    with _clock("learning, computation alone"):
        cross_validated(labels, vectors, [synthetic.CARD], lambda *_: None)
    with _clock("telling, computation alone"):
        predicted(found.probe("probe"), values, vectors)


def _made(path: Path, count: int) -> Library:
    """A library of made-up pictures whose value is that of their subject."""
    there = path.exists()
    library = findalike.open(path)
    if there and len(library) == count:
        return library
    library.store.add_card(synthetic.CARD)
    pictures = synthetic.Pictures(count)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for first in track(range(0, count, AT_ONCE), "filling", transient=True):
        end = min(first + AT_ONCE, count)
        subjects = pictures.subjects(first, end)
        ids = [f"{n:016x}" for n in range(first, end)]
        rows = [
            Row(f"{i}:whole", Origin(i), v) for i, v in zip(ids, pictures.vectors(first, end), strict=True)
        ]
        assets = [
            Asset(f"/made/{i}.jpg", 1, at, i, "image/jpeg", i, {"kind": f"kind {subject % LABELS}"})
            for i, subject in zip(ids, subjects.tolist(), strict=True)
        ]
        library.store.write(Batch(assets, {synthetic.CARD.space: rows}))
    library.optimize()
    return library


def _indexed(data: Path, folder: Path) -> Library:
    library = findalike.open(folder / f"{data.name}.library")
    own = library.settings.encoder
    for encoder in (own, *MORE):
        library.add(table=data / "labels.csv", path_column="path", encoder=encoder)
    return library


def _choices(library: Library) -> list[list[str]]:
    """The encoders that every library has, and all."""
    own = [library.settings.encoder, "colour", "layout"]
    return [own, [*own, *MORE]]


def _said(encoders: Sequence[str]) -> str:
    return f"chosen among {', '.join(encoders)}"


def _figures(several: Sequence[Score]) -> str:
    accuracy = _spread([each.accuracy or 0.0 for each in several])
    error = _spread([each.calibration_error or 0.0 for each in several])
    return f"accuracy {accuracy}  calibration error {error}"


def _spread(figures: Sequence[float]) -> str:
    return f"{np.mean(figures):.3f} ±{np.std(figures, ddof=1) if len(figures) > 1 else 0:.3f}"


def _parts(seconds: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())


@contextmanager
def _clock(what: str) -> Iterator[None]:
    wall, processor = time.perf_counter(), time.process_time()
    yield
    taken = time.process_time() - processor
    print(f"  {what}: {taken:.1f} s of the processor, {time.perf_counter() - wall:.1f} s by the clock")


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


if __name__ == "__main__":
    main()
