"""Calibrate the scores of faces: from the cosine of two descriptors to a score whose bands mean something.

    python training/calibrate_faces.py FOLDER [--encoder faces]

FOLDER holds photographs of persons and a `labels.csv` with columns path and person, as `faces` (Labeled Faces
in the Wild) does. Writes the space anew into `src/findalike/encode/data/calibration.json`, and prints what it
saw. A band begins at the cosine where

    loosely related   1 pair in 100 of different persons is as close: about where dlib's own decision lies
    similar           1 in 1,000
    very similar      1 in 10,000
    near copy         all but 1 in 20 of the edited copies of a photograph are as close
    same picture      all but 1 in 20 of the copies that were only compressed (JPEG 70 and up) or enlarged

The largest face of a photograph counts. Beside it stands how many pairs of one person each band would hold.
"""

from __future__ import annotations

import argparse
import csv
import json
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from calibrate_scores import EDITED, OUT, SAME, Edit, encoded
from findalike import settings
from findalike.encode import calibration, catalog
from findalike.encode.base import Encoder

SHARES = (1e-2, 1e-3, 1e-4)
STEP = 4
"""Every so many of the photographs is edited."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", default="faces")
    arguments = parser.parse_args()
    with (arguments.folder / "labels.csv").open(encoding="utf-8") as file:
        labels = list(csv.DictReader(file))
    encoder = catalog.load(catalog.find(arguments.encoder), settings.default())
    points = json.loads(OUT.read_text("utf-8"))
    points[encoder.card.space] = calibrated(
        encoder, [arguments.folder / row["path"] for row in labels], np.array([r["person"] for r in labels])
    )
    OUT.write_text(json.dumps(points, indent=1) + "\n", "utf-8")


def calibrated(encoder: Encoder, paths: list[Path], persons: NDArray[np.str_]) -> list[tuple[float, float]]:
    vectors = encoded(encoder, [path.read_bytes() for path in paths], encoder.card.space)
    found = vectors.any(axis=1)
    pairs = np.triu_indices(found.sum(), 1)
    cosines = (vectors[found] @ vectors[found].T)[pairs]
    same = persons[found][pairs[0]] == persons[found][pairs[1]]
    copies = {
        name: alike(encoder, paths[::STEP], vectors[::STEP], name, edit)
        for name, edit in {**SAME, **EDITED}.items()
    }
    thresholds = [
        *np.quantile(cosines[~same], [1 - share for share in SHARES]),
        np.quantile(np.concatenate([copies[name] for name in EDITED]), 0.05),
        np.quantile(np.concatenate([copies[name] for name in SAME]), 0.05),
    ]
    least = [score for score, _ in reversed(calibration.BANDS[:-1])]
    for threshold, (_, band) in zip(thresholds, reversed(calibration.BANDS[:-1]), strict=True):
        share = (cosines[same] >= threshold).mean()
        print(f"{band:16} from {threshold:.4f}: {share:.3f} of the pairs of one person")
    for name, cosine in copies.items():
        low, middle = np.quantile(cosine, [0.05, 0.5])
        print(f"  {name:15} of {len(cosine)}: p5 {low:.4f} p50 {middle:.4f}")
    if sorted(set(thresholds)) != thresholds:
        raise SystemExit("the bands of this space are not in order")
    knots = [(0.0, 0.0), *zip(thresholds, least, strict=True), (1.0, 1.0)]
    return [(round(float(cosine), 4), score) for cosine, score in knots]


def alike(
    encoder: Encoder, paths: list[Path], vectors: NDArray[np.float32], name: str, edit: Edit
) -> NDArray[np.float32]:
    """The cosines of photographs and their edited copies, where a face is found in both."""
    edited = []
    for path in paths:
        buffer = BytesIO()
        edit(Image.open(path).convert("RGB")).save(buffer, "PNG", compress_level=1)
        edited.append(buffer.getvalue())
    found = encoded(encoder, edited, name)
    cosines: NDArray[np.float32] = (found * vectors).sum(axis=1)
    return cosines[found.any(axis=1) & vectors.any(axis=1)]


if __name__ == "__main__":
    main()
