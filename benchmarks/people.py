"""How well faces are grouped into persons, against marked pictures among strangers, and how fast.

    python benchmarks/people.py --data ../shared/data --work /tmp/people
    python benchmarks/people.py --rows 20000

The persons are those of `faces`, four pictures each: of a picture the face nearest to its middle is theirs.
All other faces there, in `captions` and in the first of `captions-train` are strangers, each taken for
another, so that one who is there twice counts as wrong. `--work` keeps the library. `--rows` times made-up
faces.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import DBSCAN

import findalike
from findalike.encode import catalog
from findalike.people import grouping, sorting
from findalike.types import Row, Vectors

STRANGERS = 2_500
"""Pictures of `captions-train` that are looked into."""

Groups = list[list[int]]


def indexed(data: Path, work: Path) -> findalike.Library:
    library = findalike.open(work / "library")
    several = sorted((data / "captions-train").rglob("*.webp"))[:STRANGERS]
    library.add(data / "faces", data / "captions", *several, faces=True)
    return library


def marked(library: findalike.Library, data: Path) -> tuple[list[Row], list[str]]:
    """The faces that are large enough to be grouped, and the person of each: its own id for a stranger."""
    with (data / "faces/labels.csv").open(encoding="utf-8") as file:
        person_of = {str(data / "faces" / row["path"]): row["person"] for row in csv.DictReader(file)}
    assets = {asset.id: asset for asset in library.store.assets()}
    space = next(c.space for c in library.store.cards().values() if catalog.describes_faces(c))
    by_asset = defaultdict(list)
    for row in library.store.each_row(space):
        by_asset[row.asset_id].append(row)
    rows, persons = [], []
    for asset_id, several in sorted(by_asset.items()):
        main = min(several, key=_from_middle)
        for row in several:
            left, top, right, bottom = row.origin.box
            width, height = (int(str(assets[asset_id].metadata[name])) for name in ("width", "height"))
            if min((right - left) * width, (bottom - top) * height) >= sorting.LEAST_PIXELS:
                rows.append(row)
                persons.append(person_of.get(assets[asset_id].uri, row.id) if row is main else row.id)
    return rows, persons


def _from_middle(row: Row) -> float:
    left, top, right, bottom = row.origin.box
    return float(((left + right) / 2 - 0.5) ** 2 + ((top + bottom) / 2 - 0.5) ** 2)


def ours(vectors: Vectors, pictures: Sequence[object], least: float) -> Groups:
    """With the mean as far above the lowest as it is in the library."""
    by_default = sorting.ALIKE[catalog.FACES]
    asked = grouping.Least(least, least + by_default.mean - by_default.lowest)
    return grouping.grouped(vectors, grouping.edges(vectors, least - sorting.NEAR), asked, pictures)


def linked(method: str) -> Callable[[Vectors, Sequence[object], float], Groups]:
    def groups(vectors: Vectors, pictures: Sequence[object], least: float) -> Groups:
        distances = squareform(np.clip(1 - vectors @ vectors.T, 0, 2), checks=False)
        return _gathered(fcluster(linkage(distances, method), 1 - least, "distance"))

    return groups


def dense(vectors: Vectors, pictures: Sequence[object], least: float) -> Groups:
    """DBSCAN (Ester et al. 1996) with two faces for a core."""
    found = DBSCAN(eps=1 - least, min_samples=2, metric="cosine").fit_predict(vectors)
    return _gathered([n if n >= 0 else -1 - place for place, n in enumerate(found)])


def whispers(vectors: Vectors, pictures: Sequence[object], least: float) -> Groups:
    """Chinese whispers (Biemann 2006) over all pairs that are alike."""
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, 0)
    label, chance = np.arange(len(vectors)), np.random.default_rng(0)
    near = [np.flatnonzero(row >= least) for row in alike]
    for _ in range(20):
        for place in chance.permutation(len(vectors)):
            if len(near[place]):
                label[place] = np.bincount(label[near[place]], alike[place, near[place]]).argmax()
    return _gathered(label)


def _gathered(labels: Sequence[int]) -> Groups:
    found = defaultdict(list)
    for place, label in enumerate(labels):
        found[label].append(place)
    return list(found.values())


METHODS = {
    "findalike": (ours, (0.90, 0.91, 0.92, 0.93)),
    "average linkage": (linked("average"), (0.92, 0.93, 0.935, 0.94, 0.95)),
    "complete linkage": (linked("complete"), (0.90, 0.91, 0.92, 0.93)),
    "single linkage": (linked("single"), (0.95, 0.96, 0.97)),
    "DBSCAN": (dense, (0.95, 0.96, 0.97)),
    "Chinese whispers": (whispers, (0.94, 0.95, 0.96)),
}


def judged(groups: Groups, persons: Sequence[str]) -> Iterator[float]:
    """Precision and recall of pairs with a marked face in them, and B-cubed precision, recall and F (Bagga
    and Baldwin 1998) of marked faces."""
    size = {person: persons.count(person) for person in set(persons)}
    known = {place for place, person in enumerate(persons) if size[person] > 1}
    pairs = [(a, b) for g in groups for n, a in enumerate(g) for b in g[:n] if a in known or b in known]
    right = sum(persons[a] == persons[b] for a, b in pairs)
    yield right / max(len(pairs), 1)
    yield right / sum(n * (n - 1) // 2 for n in size.values())
    same = {a: (sum(persons[a] == persons[b] for b in g), len(g)) for g in groups for a in g if a in known}
    precision = sum(n / of for n, of in same.values()) / len(known)
    recall = sum(n / size[persons[a]] for a, (n, _) in same.items()) / len(known)
    yield from (precision, recall, 2 * precision * recall / (precision + recall))


def compare(data: Path, work: Path) -> None:
    with indexed(data, work) as library:
        rows, persons = marked(library, data)
    vectors, pictures = np.stack([row.vector for row in rows]), [row.asset_id for row in rows]
    print(f"{len(rows)} faces of {sorting.LEAST_PIXELS} pixels and more, {len(set(persons))} persons")
    for name, (method, levels) in METHODS.items():
        for least in levels:
            figures = " ".join(f"{each:.3f}" for each in judged(method(vectors, pictures, least), persons))
            print(f"{name:18} {least:.3f}  pairs and B-cubed: {figures}")


def timed(rows: int) -> None:
    chance = np.random.default_rng(0)
    mean = chance.standard_normal(128)
    centres = 3 * mean + chance.standard_normal((rows // 8, 128)) * np.linalg.norm(mean) / 8
    vectors = np.repeat(centres, 8, axis=0) + chance.standard_normal((rows // 8 * 8, 128)) * 0.3
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    for name, since in (("all", 0), ("the last hundredth", len(vectors) - len(vectors) // 100)):
        began = time.perf_counter()
        near = grouping.edges(vectors, 0.90, since=since)
        print(f"neighbours of {name} of {len(vectors):,}: {time.perf_counter() - began:.1f} s")
        if not since:
            began = time.perf_counter()
            groups = grouping.grouped(vectors, near, sorting.ALIKE[catalog.FACES], range(len(vectors)))
            print(f"{len(groups):,} groups: {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, default=Path("/tmp/people"))
    parser.add_argument("--rows", type=int, default=0)
    given = parser.parse_args()
    if given.data:
        compare(given.data.resolve(), given.work)
    if given.rows:
        timed(given.rows)
