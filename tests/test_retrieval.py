"""Retrieval on labelled pictures, through a library as a user's pictures go: leave one out."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import findalike
from findalike import rank
from findalike.evaluate.metrics import leave_one_out

DATA = Path(__file__).parents[2] / "shared/data"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs the pictures of ../shared/data"),
]


@pytest.mark.parametrize(
    ("name", "least_p1", "least_p10", "least_map"),
    [("corel", 0.95, 0.955, 0.90), ("clothing", 0.77, 0.65, 0.50)],
)
def test_leave_one_out(
    tmp_path: Path, name: str, least_p1: float, least_p10: float, least_map: float
) -> None:
    with (DATA / name / "labels.csv").open(encoding="utf-8") as file:
        categories = {str(DATA / name / row["path"]): row["category"] for row in csv.DictReader(file)}
    with findalike.open(tmp_path / "library") as library:
        report = library.add(DATA / name)
        assert (report.added, report.failures) == (len(categories), ())
        assets = list(library.store.assets())
        space = next(iter(library.store.cards()))
        rows = {row.asset_id: row.vector for row in library.store.rows(space, [a.id for a in assets])}
        vectors = np.stack([rows[asset.id] for asset in assets])
        turned = np.stack([rank.adapted(v, vectors.mean(axis=0), len(vectors)) for v in vectors])
        similarity = turned @ vectors.T
        for i in range(0, len(assets), len(assets) // 8):  # the program ranks as the matrix does
            order = [j for j in np.argsort(-similarity[i]) if j != i][:15]
            found = [hit.asset.id for hit in library.search(f"id:{assets[i].id}", k=15)]
            assert sum(assets[j].id == hit for j, hit in zip(order, found, strict=True)) >= 13
    scores = leave_one_out(similarity, [categories[asset.uri] for asset in assets])
    assert scores.precision_at_1 >= least_p1
    assert scores.precision_at_10 >= least_p10
    assert scores.mean_average_precision >= least_map
