"""Drawn people, and a library that knows their faces: for `pytest_plugins = ["web", "portraits"]`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

import findalike
from findalike.encode import catalog
from findalike.store.base import Batch
from findalike.types import Box, Origin, Row
from web import Served, drawn, encoded, serving

LEFT, RIGHT = (0.1, 0.2, 0.35, 0.6), (0.6, 0.25, 0.85, 0.65)

SHOWN: Mapping[str, Mapping[Box, str]] = {
    "beach": {LEFT: "tall", RIGHT: "small"},
    "garden": {LEFT: "small", RIGHT: "tall"},
    "party": {LEFT: "tall", RIGHT: "stranger"},
    "stairs": {RIGHT: "small"},
    "bench": {LEFT: "small"},
    "empty": {},
}
"""Who is where in which picture."""


def portrait(seed: int) -> Image.Image:
    """A face, as one draws it."""
    image = Image.new("RGB", (112, 112), tuple(np.random.default_rng(seed).integers(60, 220, 3).tolist()))
    draw = ImageDraw.Draw(image)
    draw.ellipse((20, 10, 92, 104), fill="bisque")
    draw.ellipse((38, 42, 46, 50), fill="black")
    draw.ellipse((66, 42, 74, 50), fill="black")
    draw.arc((38, 60, 74, 86), 20, 160, "brown", 4)
    return image


def fill(library: findalike.Library, folder: Path) -> None:
    """Pictures with faces whose vectors are given: near each other for one person, far for two."""
    folder.mkdir()
    for seed, (name, shown) in enumerate(SHOWN.items()):
        image = drawn(seed, (480, 360))
        for box, who in shown.items():
            left, top, right, bottom = (
                round(edge * side) for edge, side in zip(box, (480, 360) * 2, strict=True)
            )
            image.paste(portrait(len(who)).resize((right - left, bottom - top)), (left, top))
        image.save(folder / f"{name}.png")
    assert not library.add(folder).failures
    card = catalog.find("faces")
    rng = np.random.default_rng(0)
    look = {who: rng.standard_normal(card.dim) for who in ("tall", "small", "stranger")}
    library.store.add_card(card)
    rows, crops = [], {}
    for asset in library.store.assets():
        shown = SHOWN[Path(asset.uri).stem]
        crops[asset.id] = {card.space: b""}
        for box, who in shown.items():
            origin = Origin(asset.id, "face", box, label="0.99")
            vector = look[who] + 0.05 * rng.standard_normal(card.dim)
            rows.append(
                Row(f"{asset.id}:{origin.key}", origin, (vector / np.linalg.norm(vector)).astype(np.float32))
            )
            crops[asset.id][origin.key] = encoded(portrait(len(who)), "JPEG")
    library.store.write(Batch(rows={card.space: rows}, attachments=crops))


@pytest.fixture(scope="session")
def known_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of them that no test changes."""
    folder = tmp_path_factory.mktemp("known-faces")
    with findalike.open(folder / "library") as library:
        fill(library, folder / "Pictures")
    return folder / "library"


@pytest.fixture
def party(known_faces: Path, tmp_path: Path) -> Iterator[Served]:
    """A server over a library of one's own."""
    with serving(Path(shutil.copytree(known_faces, tmp_path / "library"))) as served:
        yield served


@pytest.fixture(scope="session")
def group(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of someone twice, at the left mirrored; in a folder beside it the photograph it is of."""
    if any(find_spec(name) is None for name in ("mtcnn", "face_recognition_models", "lz4")):
        pytest.skip("pip install 'findalike[faces]'")
    data = pytest.importorskip("skimage.data", reason="pip install 'findalike[classical]'")
    photograph = Image.fromarray(data.astronaut())
    place = tmp_path_factory.mktemp("group")
    (place / "Photographs").mkdir()
    photograph.save(place / "Photographs" / "astronaut.png")
    one = photograph.crop((120, 0, 340, 280))
    both = Image.new("RGB", (640, 360), "slategray")
    both.paste(ImageOps.mirror(one), (40, 40))
    both.paste(one, (370, 60))
    both.save(place / "group.png")
    return place / "group.png"


def middles() -> list[tuple[float, float]]:
    """Where in the group the faces are, as shares: that of the photograph is around (224, 116)."""
    return [((40 + 220 - 104) / 640, (40 + 116) / 360), ((370 + 104) / 640, (60 + 116) / 360)]


@pytest.fixture
def crowd(party: Served, group: Path) -> Served:
    """A server over a library that knows the face of the group, too."""
    assert not party.library.add(group.parent / "Photographs", faces=True).failures
    return party


def ids(served: Served) -> dict[str, str]:
    """The ids of the pictures by their names."""
    return {Path(asset.uri).stem: asset.id for asset in served.library.store.assets()}
