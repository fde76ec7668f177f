"""The encoder of faces: it finds them, and describes each by 128 numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from findalike import plugins, runtime
from findalike.encode.base import Entry
from findalike.encode.catalog import FACES, calibrated
from findalike.encode.faces import arrays, chips, network
from findalike.encode.faces.chips import Cut
from findalike.encode.faces.detector import LEAST_CHANCES, Detector, Faces
from findalike.settings import Settings
from findalike.types import Card, Picture, Vectors

PART = "face"
GRAPH_REVISION = 2
"""Raised when other graphs are written from the same files, so that caches are made anew."""

SIDE = 640
"""Pixels of the shorter side that pictures are decoded to."""

_AT_ONCE = 32

_PROPOSAL, _REFINEMENT, _OUTPUT, _DESCRIPTOR = "proposal", "refinement", "output", "descriptor"

FILES = {
    _PROPOSAL: ("mtcnn", "assets/weights/pnet.lz4"),
    _REFINEMENT: ("mtcnn", "assets/weights/rnet.lz4"),
    _OUTPUT: ("mtcnn", "assets/weights/onet.lz4"),
    _DESCRIPTOR: ("face_recognition_models", "models/dlib_face_recognition_resnet_model_v1.dat"),
}
"""The package and the file of each network."""

DIGESTS = {
    _PROPOSAL: "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    _REFINEMENT: "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    _OUTPUT: "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
    _DESCRIPTOR: "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
}

HOW = {"side": round(SIDE * 0.875), "mirrored": True, "adapted": False}
"""What the cards of all descriptors of faces say."""


def _card(precision: str) -> Card:
    return calibrated(
        Card(
            name=FACES,
            revision="1",
            dim=128,
            preprocessing={**HOW, "files": DIGESTS, "chip": chips.DLIB.side},
            precision=precision,
            licence="MIT (MTCNN), CC0-1.0 (descriptor)",
            source="PyPI mtcnn 1.0.0: MTCNN (Zhang et al. 2016); PyPI face_recognition_models 0.3.0: dlib's "
            "residual network for faces (King 2017)",
            sha256=hashlib.sha256("".join(DIGESTS.values()).encode()).hexdigest(),
        )
    )


@dataclass(frozen=True, slots=True, eq=False)
class FaceEncoder:
    """Faces that a detector finds, cut out as a descriptor wants them, and what that says of them.

    `describe` takes pictures of such cuts, and gives shape (n, card.dim).
    """

    card: Card
    detector: Detector
    cut: Cut
    describe: Callable[[Sequence[Picture]], Vectors]

    def find(self, picture: Picture) -> Faces:
        """The faces of a picture, in its pixels."""
        return self.detector.find(picture.pixels)

    def parts(self, picture: Picture) -> list[Picture]:
        """The faces of a picture, the surest first: turned upright, each with its box and, as label, the
        probability that it is one."""
        return parts(picture, self.find(picture), self.cut)

    def encode_batch(self, pictures: Sequence[Picture]) -> Vectors:
        """The mean of the descriptors of each face and of its mirror image. Of a picture that is no part of
        `parts` it is that of its largest face; a row of zeros where there is none."""
        shown = {place: face for place, each in enumerate(pictures) if (face := self._face(each))}
        rows = np.zeros((len(pictures), self.card.dim), np.float32)
        for start in range(0, len(shown), _AT_ONCE):
            places = list(shown)[start : start + _AT_ONCE]
            faces = [shown[place] for place in places]
            mirrored = [replace(face, pixels=face.pixels[:, ::-1]) for face in faces]
            rows[places] = (self.describe(faces) + self.describe(mirrored)) / 2
        return rows

    def _face(self, picture: Picture) -> Picture | None:
        if picture.origin.part == PART:
            return picture
        return max(self.parts(picture), key=lambda each: each.width * each.height, default=None)


def parts(picture: Picture, found: Faces, cut: Cut) -> list[Picture]:
    """Each face as a picture of its own, whose size is that of its box in the original."""
    height, width = picture.pixels.shape[:2]
    boxes = (found.boxes / [width, height, width, height]).clip(0, 1)
    several = []
    for box, chance, landmarks in zip(boxes, found.chances, found.landmarks, strict=True):
        left, top, right, bottom = (float(end) for end in box)
        if right <= left or bottom <= top:
            continue
        origin = replace(picture.origin, part=PART, box=(left, top, right, bottom), label=f"{chance:.2f}")
        size = round(picture.width * (right - left)), round(picture.height * (bottom - top))
        several.append(Picture(cut.of(picture.pixels, landmarks), origin, *size))
    return several


def load(card: Card, settings: Settings) -> FaceEncoder:
    """The encoder, its graphs built into the cache on first use. Raises EncoderError, ExtraMissing."""
    file, folder = located(_DESCRIPTOR), settings.cache / "models"
    int8 = card.precision == "int8"
    written = ranges() if int8 else None
    digest = hashlib.sha256(f"{card.sha256} {written} {GRAPH_REVISION}".encode()).hexdigest()[:12]

    def build() -> bytes:
        runtime.verify(file, DIGESTS[_DESCRIPTOR])
        graph: bytes = plugins.on_use("findalike.encode.faces.residual").descriptor(
            network.read(file), written
        )
        return graph

    exact = int8 and runtime.saturates(folder)
    session = runtime.built(folder, f"{card.space}-{digest}.onnx", build, exact)

    def describe(faces: Sequence[Picture]) -> Vectors:
        (found,) = session.run(["descriptors"], {"pixels": np.stack([face.pixels for face in faces])})
        return np.asarray(found, np.float32)

    return FaceEncoder(card, detector(settings), chips.DLIB, describe)


def ranges() -> dict[str, tuple[float, float]]:
    """The least and greatest value of each map, as `training/measure_faces.py` measured them."""
    file = resources.files("findalike.encode") / "data" / "faces.json"
    return {name: (low, high) for name, (low, high) in json.loads(file.read_text("utf-8")).items()}


def detector(settings: Settings) -> Detector:
    """The detector alone, as the settings want it. Raises EncoderError, ExtraMissing."""
    proposal, refinement, output = (_session(role, settings) for role in (_PROPOSAL, _REFINEMENT, _OUTPUT))
    likely = (*LEAST_CHANCES[:2], settings.face_sureness / 100)
    return Detector(proposal, refinement, output, settings.face_side, likely)


def located(role: str) -> Path:
    """The file of a network. Raises ExtraMissing, EncoderError."""
    return runtime.locate(*FILES[role], FACES)


def _session(role: str, settings: Settings) -> Any:
    file = located(role)

    def build() -> bytes:
        runtime.verify(file, DIGESTS[role])
        graph: bytes = getattr(plugins.on_use("findalike.encode.faces.graphs"), role)(arrays.read(file))
        return graph

    name = f"mtcnn-{role}-{DIGESTS[role][:12]}-{GRAPH_REVISION}.onnx"
    return runtime.built(settings.cache / "models", name, build)


CARDS = tuple(_card(precision) for precision in ("int8", "float32"))
ENTRY = Entry(CARDS, load)
