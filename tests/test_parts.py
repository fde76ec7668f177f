"""Encoders that describe parts of pictures: what ingest keeps of them, and when it looks again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

import findalike
from findalike import ingest, sources
from findalike.encode.base import Encoder
from findalike.ingest import Report
from findalike.types import Card, Picture, Vectors

INT8 = "efficientnet-lite0@1-int8"


class RedThings:
    """Finds what is pure red in each quarter of a picture, and describes how much of it there is."""

    card = Card("red-things", "1", 2, preprocessing={"side": 64})

    def __init__(self) -> None:
        self.looked = 0

    def parts(self, picture: Picture) -> list[Picture]:
        self.looked += 1
        found = []
        for top in (0.0, 0.5):
            for left in (0.0, 0.5):
                height, width = picture.pixels.shape[:2]
                y, x = round(top * height), round(left * width)
                part = picture.pixels[y : y + height // 2, x : x + width // 2]
                if self._red(part).mean() > 0.5:
                    box = (left, top, left + 0.5, top + 0.5)
                    origin = replace(picture.origin, part="face", box=box)
                    found.append(Picture(part, origin, part.shape[1], part.shape[0]))
        return found

    def encode_batch(self, pictures: Sequence[Picture]) -> Vectors:
        return np.array([[self._red(p.pixels).mean(), 1.0] for p in pictures], np.float32)

    @staticmethod
    def _red(pixels: np.ndarray) -> np.ndarray:
        return (pixels[..., 0] > 200) & (pixels[..., 1] < 60)


def painted(path: Path, *corners: tuple[int, int]) -> None:
    """A grey picture of 200 pixels with a red quarter at each of these corners."""
    pixels = np.full((200, 200, 3), 128, np.uint8)
    for x, y in corners:
        pixels[y : y + 100, x : x + 100] = (255, 0, 0)
    Image.fromarray(pixels).save(path)


def run(library: findalike.Library, folder: Path, *encoders: Encoder) -> Report:
    for encoder in encoders:
        library.store.add_card(encoder.card)
    return ingest.ingest(library.store, encoders, [sources.discover(folder)], library.settings)


def test_rows_pictures_and_a_mark_are_kept_of_parts(library: findalike.Library, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    painted(folder / "two.png", (0, 0), (100, 100))
    painted(folder / "none.png")
    finder = RedThings()
    assert run(library, folder, finder).added == 2
    by_name = {Path(asset.uri).name: asset.id for asset in library.store.assets()}
    keys = {"face-0000-0000-0500-0500", "face-0500-0500-1000-1000"}
    rows = library.store.rows(finder.card.space, by_name.values())
    assert {row.id for row in rows} == {f"{by_name['two.png']}:{key}" for key in keys}
    assert {row.origin.box for row in rows} == {(0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0)}
    kept = library.store.attachments(by_name["two.png"])
    assert set(kept) == {*keys, finder.card.space}
    shown = np.asarray(Image.open(BytesIO(kept["face-0500-0500-1000-1000"])))
    assert np.abs(shown.mean(axis=(0, 1)) - (254, 0, 0)).max() < 3
    assert set(library.store.attachments(by_name["none.png"])) == {finder.card.space}
    assert library.store.encoded(finder.card.space) == {by_name["two.png"]}


def test_a_picture_without_parts_is_looked_into_once(library: findalike.Library, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    painted(folder / "none.png")
    painted(folder / "one.png", (0, 100))
    finder = RedThings()
    run(library, folder, finder)
    assert finder.looked == 2
    assert run(library, folder, finder).unchanged == 2
    assert finder.looked == 2


def test_parts_that_are_no_more_go_with_the_change(library: findalike.Library, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    painted(folder / "a.png", (0, 0), (100, 0))
    finder = RedThings()
    run(library, folder, finder)
    (asset,) = library.store.assets()
    painted(folder / "a.png", (100, 100))
    assert run(library, folder, finder).updated == 1
    key = "face-0500-0500-1000-1000"
    assert [row.id for row in library.store.rows(finder.card.space, [asset.id])] == [f"{asset.id}:{key}"]
    assert set(library.store.attachments(asset.id)) == {key, finder.card.space}
    painted(folder / "a.png")
    assert run(library, folder, finder).updated == 1
    assert library.store.rows(finder.card.space, [asset.id]) == []
    assert set(library.store.attachments(asset.id)) == {finder.card.space}
    assert not library.store.encoded(finder.card.space)


def test_known_pictures_get_their_parts_later(library: findalike.Library, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    painted(folder / "one.png", (0, 100))
    library.add(folder)
    (asset,) = library.store.assets()
    finder, network = RedThings(), library._encoder(next(iter(library.store.cards().values())))
    assert run(library, folder, network, finder).encoded == 1
    assert library.store.encoded(finder.card.space) == {asset.id}
    assert len(library.store.rows(INT8, [asset.id])) == 1
