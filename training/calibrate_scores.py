"""Calibrate scores: from the similarity of each space to a score whose bands mean the same in every space.

    python training/calibrate_scores.py FOLDER [--encoder NAME]... [--pictures 3000]

FOLDER holds photographs and a `labels.csv` with columns path, caption_1, … as `captions-train` (Flickr8k)
does. Writes `src/findalike/encode/data/calibration.json`, or the spaces of the encoders that are named anew
into it, and prints what it saw. A band begins at the similarity (for cosine that to the adapted query, see
`rank.adapted`) where

    loosely related   1 pair in 1,000 of any two photographs is as close
    similar           1 in 2 of the pairs as close share words in what people wrote below them
                      (tf-idf cosine of the captions above .2, as 1 pair in 60 has)
    very similar      4 in 5 do
    near copy         1 pair in 1,000,000 of different photographs is as close
    same picture      all but 1 in 20 of the copies that were only compressed (JPEG 70 and up) or enlarged are
                      as close

In a space that knows nothing of what is shown, such as one of colours, no similarity makes shared words that
likely. There the two bands in between begin where 1 pair in 10,000 and 1 in 100,000 is as close.

Beside it stands how many of the edited copies (cropped, framed, greyed, …) each band would hold.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps
from rich.progress import track
from sklearn.feature_extraction.text import TfidfVectorizer

from findalike import decode, distance, settings
from findalike.encode import calibration, catalog
from findalike.encode.base import Encoder, encode, short_side
from findalike.rank import adapted
from findalike.types import Card, Origin

OUT = Path(__file__).parents[1] / "src/findalike/encode/data/calibration.json"
CALIBRATED = (
    "efficientnet-lite0",
    "efficientnet-lite2",
    "colour",
    "layout",
    "average-hash",
    "difference-hash",
    "perceptual-hash",
    "wavelet-hash",
    "crop-resistant-hash",
    "hsv-histogram",
    "lab-histogram",
    "dominant-colours",
    "gist",
    "hog",
    "lbp",
)
SHARE_WORDS = 0.2
COPIED = 300

Edit = Callable[[Image.Image], Image.Image]


def jpeg(quality: int, scale: float = 1) -> Edit:
    def edit(image: Image.Image) -> Image.Image:
        buffer = BytesIO()
        size = round(image.width * scale), round(image.height * scale)
        image.resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return edit


def crop(part: float) -> Edit:
    def edit(image: Image.Image) -> Image.Image:
        x, y = round(image.width * part / 2), round(image.height * part / 2)
        return image.crop((x, y, image.width - x, image.height - y))

    return edit


def banner(image: Image.Image) -> Image.Image:
    drawn = image.copy()
    draw = ImageDraw.Draw(drawn)
    draw.rectangle((0, image.height * 0.82, image.width, image.height), fill=(20, 20, 20))
    draw.text(
        (image.width * 0.05, image.height * 0.86),
        "SAMPLE TEXT",
        fill=(255, 255, 255),
        font_size=image.height // 12,
    )
    return drawn


SAME: dict[str, Edit] = {
    "jpeg 90": jpeg(90),
    "jpeg 70": jpeg(70),
    "twice the size": jpeg(90, 2),
}
EDITED: dict[str, Edit] = {
    "crop 10 %": crop(0.1),
    "crop 20 %": crop(0.2),
    "crop 40 %": crop(0.4),
    "border": lambda image: ImageOps.expand(image, image.width // 12, (255, 255, 255)),
    "banner": banner,
    "grey": lambda image: image.convert("L").convert("RGB"),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.4),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "blur": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "mirror": ImageOps.mirror,
    "turned by 3°": lambda image: image.rotate(3, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255)),
    "jpeg 15": jpeg(15),
    "half size": jpeg(90, 0.5),  # of pictures of 224 pixels, which the encoder has to enlarge then
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", action="append", help="default: those that findalike calibrates")
    parser.add_argument("--pictures", type=int, default=3000)
    arguments = parser.parse_args()
    with (arguments.folder / "labels.csv").open(encoding="utf-8") as file:
        labels = list(csv.DictReader(file))
    labels = labels[:: max(1, len(labels) // arguments.pictures)][: arguments.pictures]
    paths = [arguments.folder / row["path"] for row in labels]
    captions = [" ".join(text for name, text in row.items() if name.startswith("caption_")) for row in labels]
    shared = shared_words(captions)
    names = arguments.encoder or CALIBRATED
    points = json.loads(OUT.read_text("utf-8"))
    for card in [card for name in names for card in catalog.cards() if name in (card.name, card.space)]:
        encoder = catalog.load(card, settings.default())
        points[card.space] = calibrated(encoder, paths, shared)
        OUT.write_text(json.dumps(points, indent=1) + "\n", "utf-8")


def shared_words(captions: list[str]) -> NDArray[np.float32]:
    """The tf-idf cosine of every two captions, shape (n, n)."""
    table = TfidfVectorizer(stop_words="english", sublinear_tf=True).fit_transform(captions)
    similarity: NDArray[np.float32] = (table @ table.T).toarray().astype(np.float32)
    return similarity


def calibrated(encoder: Encoder, paths: list[Path], shared: NDArray[np.float32]) -> list[tuple[float, float]]:
    card = encoder.card
    vectors = encoded(encoder, [path.read_bytes() for path in paths], card.space)
    mean = vectors.mean(axis=0)
    pairs = np.triu_indices(len(vectors), 1)
    cosines = similarities(card, vectors, vectors, mean)[pairs]
    copies = {}
    for name, edit in {**SAME, **EDITED}.items():
        copies[name] = similarities_of_copies(encoder, paths, vectors, mean, name, edit)
    like = shared[pairs] > SHARE_WORDS
    thresholds = [
        float(np.quantile(cosines, 0.999)),
        *(similarities_of_shared_words(cosines, like) or np.quantile(cosines, [1 - 1e-4, 1 - 1e-5]).tolist()),
        float(np.quantile(cosines, 1 - 1e-6)),
        float(np.quantile(np.concatenate([copies[name] for name in SAME]), 0.05)),
    ]
    thresholds = in_order(thresholds)
    names = [name for _, name in reversed(calibration.BANDS[:-1])]
    print(
        f"\n{card.space}: "
        + ", ".join(f"{name} {at:.3f}" for name, at in zip(names, thresholds, strict=True))
    )
    for name, found in copies.items():
        least = [score for score, _ in reversed(calibration.BANDS[:-1])]
        scores = np.interp(found, [0, *thresholds, 1], [0, *least, 1])
        bands = [calibration.band(score) for score in scores]
        shares = ", ".join(f"{bands.count(b):4d} {b}" for _, b in calibration.BANDS[:4])
        low, middle = np.quantile(found, [0.05, 0.5])
        print(f"  {name:15} similarity p5 {low:.3f} p50 {middle:.3f}: {shares} of {len(found)}")
    if sorted(set(thresholds)) != thresholds:
        raise SystemExit("the bands of this space are not in order")
    knots = [(0.0, 0.0), *zip(thresholds, least, strict=True), (1.0, 1.0)]
    return [(round(cosine, 4), score) for cosine, score in knots]


def similarities_of_shared_words(
    cosines: NDArray[np.float32], like: NDArray[np.bool_]
) -> tuple[float, float] | None:
    """From where on every other and four in five of the pairs are alike; None where no step has so many."""
    half, most = share_reaches(cosines, like, 0.5), share_reaches(cosines, like, 0.8)
    return (half, most) if half and most else None


def share_reaches(cosines: NDArray[np.float32], like: NDArray[np.bool_], share: float) -> float | None:
    """The cosine from which on at least this share of the pairs in a small step are alike."""
    edges = np.arange(0.3, 0.95, 0.01)
    for low in edges:
        inside = (cosines >= low) & (cosines < low + 0.05)
        if inside.sum() >= 20 and like[inside].mean() >= share:
            return float(low + 0.025)
    return None


def in_order(thresholds: list[float]) -> list[float]:
    """The beginnings of the bands, each above the last. A space in which different pictures are as alike as
    copies, as their colours often are, cannot tell the two upper bands from them: there they begin half and
    three quarters of the way from very similar to 1, and say no more than that."""
    if sorted(set(thresholds)) == thresholds:
        return thresholds
    room = 1 - thresholds[2]
    return [*thresholds[:3], 1 - room / 2, 1 - room / 4]


def similarities(
    card: Card, queries: NDArray[np.float32], vectors: NDArray[np.float32], mean: NDArray[np.float32]
) -> NDArray[np.float32]:
    """As a search computes them, shape (queries, vectors)."""
    if card.metric != distance.COSINE:
        return np.stack([distance.similarity(card.metric, vectors, query) for query in queries])
    turned = np.stack([adapted(query, mean, len(vectors)) for query in queries])
    own = (turned * queries).sum(axis=1, keepdims=True)
    found: NDArray[np.float32] = turned @ vectors.T / own
    return found


def similarities_of_copies(
    encoder: Encoder,
    paths: list[Path],
    vectors: NDArray[np.float32],
    mean: NDArray[np.float32],
    name: str,
    edit: Edit,
) -> NDArray[np.float32]:
    step = len(paths) // COPIED
    edited = []
    for path in paths[::step]:
        buffer = BytesIO()
        edit(Image.open(path).convert("RGB")).save(buffer, "PNG", compress_level=1)
        edited.append(buffer.getvalue())
    found: NDArray[np.float32] = similarities(
        encoder.card, encoded(encoder, edited, name), vectors[::step], mean
    ).diagonal()
    return found


def encoded(encoder: Encoder, files: list[bytes], what: str) -> NDArray[np.float32]:
    side = short_side([encoder.card])
    several = []
    for start in track(range(0, len(files), 8), what, transient=True):
        pictures = [
            decode.decode(data, Origin(""), short_side=side).picture for data in files[start : start + 8]
        ]
        several.append(encode(encoder, pictures))
    return np.concatenate(several)


if __name__ == "__main__":
    main()
