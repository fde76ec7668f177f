"""Detectors of the user's: `onnx:detector.onnx`, of the YOLO and DETR kinds.

How a picture is shown to the network is worked out from its input, and from what stands beside it or in it:
the size, the order of axes, the type; YOLO sees it whole with grey bars, DETR kin squeezed into their size.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from findalike.encode import graph
from findalike.encode.graph import Graph, Port
from findalike.errors import EncoderError, UsageError
from findalike.regions import detections
from findalike.regions.base import Entry, Proposal
from findalike.regions.detections import Form, Shown
from findalike.settings import Settings
from findalike.types import Box, Picture, Pixels

SIDE = 640
"""Pixels of each side where the network takes any size and does not say."""

GREY = 114
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, which DETR was trained with."""

KNOWN = (
    "(1, 4 + classes, n) or (1, n, 5 + classes) of YOLO, (1, n, 6) or (n, 7) of final boxes; logits and "
    "pred_boxes; labels, boxes and scores; num_dets, det_boxes, det_scores and det_classes"
)


@dataclass(frozen=True, slots=True)
class View:
    """How a picture is shown: pixels of the input, whether with bars or squeezed, and what is taken off and
    divided by after scaling to 0..1."""

    width: int
    height: int
    barred: bool
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    deviation: tuple[float, ...] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """A detector of a file. `sizes` is the input that asks for the picture's size, where there is one."""

    name: str
    graph: Graph
    port: Port
    sizes: Port | None
    view: View
    form: Form
    names: Mapping[int, str]
    least: int = 64
    magnified: float = 2.5

    def find(self, picture: Picture) -> Sequence[Proposal]:
        """What is detected, the surest first, with the names of classes. Raises EncoderError."""
        shown, box = _shown(picture.pixels, self.view)
        outputs = _run(self.graph, self.port, self.sizes, shown, self.view)
        classes = max(self.names, default=-1) + 1
        found = detections.best(self.form(outputs, Shown(self.view.width, self.view.height, classes)))
        pairs = zip(found.boxes, found.classes, strict=True)
        return [Proposal(_back(each, box), self.names.get(int(number), "")) for each, number in pairs]


def load(file: str, _: Settings) -> Detector:
    """The detector of a file, tried on a grey picture. Raises UsageError when there is no such file, and
    EncoderError when it is no detector."""
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"there is no detector {file}; give the path of an ONNX file: onnx:detector.onnx")
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    model = graph.opened(path)
    port = graph.image_input(model)
    sizes = _other_input(model, port)
    view = _view(model, port, sizes is not None)
    grey = np.full((view.height, view.width, 3), GREY, np.uint8)
    outputs = _run(model, port, sizes, grey, view)
    form = detections.form_of(outputs)
    if form is None:
        raise EncoderError(f"{path} is no detector known here: {model.described()}; known are {KNOWN}")
    return Detector(f"onnx:{path.stem}-{digest[:8]}", model, port, sizes, view, form, _names(model))


# Showing


def _view(model: Graph, port: Port, exported: bool) -> View:
    """How pictures are shown, by the input and the outputs. Raises EncoderError."""
    height, width = port.shape[2:] if graph.layout(port) == "NCHW" else port.shape[1:3]
    given = _given_sides(model)
    sides = width or given[1], height or given[0]
    names = {output.name for output in model.outputs}
    if "pred_boxes" not in names:
        return View(*sides, barred=not exported and not {"boxes", "labels"} <= names)
    normalised = _beside(model.path, "preprocessor_config.json")
    mean, deviation = (normalised.get(name) for name in ("image_mean", "image_std"))
    if not normalised:  # DETR has one class more than names: that there is nothing
        return View(*sides, False, MEAN, DEVIATION) if _has_nothing(model) else View(*sides, False)
    if not normalised.get("do_normalize") or not mean or not deviation:
        return View(*sides, False)
    return View(*sides, False, tuple(mean), tuple(deviation))


def _has_nothing(model: Graph) -> bool:
    logits = next((port for port in model.outputs if port.name == "logits"), None)
    classes = logits.shape[-1] if logits and logits.shape else None
    return classes in (92, 251, len(_names(model)) + 1)  # of COCO, of COCO with stuff, or by the names


def _given_sides(model: Graph) -> tuple[int, int]:
    """Height and width that the file says it was made for."""
    try:
        found = ast.literal_eval(_metadata(model).get("imgsz", ""))
        height, width = found if isinstance(found, list | tuple) else (found, found)
        return (int(height), int(width)) if min(height, width) > 0 else (SIDE, SIDE)
    except (ValueError, SyntaxError, TypeError):
        return SIDE, SIDE


def _shown(pixels: Pixels, view: View) -> tuple[Pixels, Box]:
    """The picture as the network is shown it, and the part of that which it fills."""
    height, width = pixels.shape[:2]
    if not view.barred:
        return _resized(pixels, view.width, view.height), (0.0, 0.0, 1.0, 1.0)
    scale = min(view.width / width, view.height / height)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (view.width - wide) // 2, (view.height - high) // 2
    canvas = np.full((view.height, view.width, 3), GREY, np.uint8)
    canvas[top : top + high, left : left + wide] = _resized(pixels, wide, high)
    return canvas, (
        left / view.width, top / view.height, (left + wide) / view.width, (top + high) / view.height
    )  # fmt: skip


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def _back(box: NDArray[np.float64], filled: Box) -> Box:
    """A box in what was shown as one of the picture."""
    left, top, right, bottom = (float(edge) for edge in box)
    wide, high = filled[2] - filled[0], filled[3] - filled[1]
    return (
        (left - filled[0]) / wide, (top - filled[1]) / high,
        (right - filled[0]) / wide, (bottom - filled[1]) / high,
    )  # fmt: skip


def _run(model: Graph, port: Port, sizes: Port | None, shown: Pixels, view: View) -> dict[str, NDArray[Any]]:
    batch: NDArray[Any] = shown[np.newaxis]
    if port.dtype != "uint8":
        mean, deviation = np.array(view.mean, np.float32), np.array(view.deviation, np.float32)
        batch = ((batch / np.float32(255) - mean) / deviation).astype(port.dtype)
    feeds = {port.name: batch.transpose(0, 3, 1, 2) if graph.layout(port) == "NCHW" else batch}
    for other in model.inputs:
        if sizes and other.name == sizes.name:
            feeds[other.name] = np.array([[view.width, view.height]], other.dtype)
        elif other.name == "pixel_mask":
            feeds[other.name] = np.ones((1, view.height, view.width), other.dtype)
    names = [output.name for output in model.outputs]
    return dict(zip(names, model.run(feeds, names), strict=True))


def _other_input(model: Graph, port: Port) -> Port | None:
    """The input that takes the picture's size, in which boxes then are. Raises EncoderError for others."""
    found = None
    for other in model.inputs:
        if other.name in (port.name, "pixel_mask"):
            continue
        if other.dtype not in ("int64", "int32", "float32") or len(other.shape) != 2 or other.shape[1] != 2:
            raise EncoderError(f"{model.path} wants more than a picture: {model.described()}")
        found = other
    return found


# Names


def _names(model: Graph) -> dict[int, str]:
    """The names of classes by number, from the file or from the `config.json` beside it."""
    try:
        found = ast.literal_eval(_metadata(model).get("names", ""))
    except (ValueError, SyntaxError):
        found = _beside(model.path, "config.json").get("id2label")
    if isinstance(found, list | tuple):
        found = dict(enumerate(found))
    if not isinstance(found, dict):
        return {}
    return {int(number): str(name) for number, name in found.items() if str(number).isdecimal()}


def _metadata(model: Graph) -> Mapping[str, str]:
    found: Mapping[str, str] = model.session.get_modelmeta().custom_metadata_map
    return found


def _beside(path: Path, name: str) -> dict[str, Any]:
    """What a JSON file beside the model says; nothing where there is none."""
    try:
        content = json.loads((path.parent / name).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


FINDER = Entry(load, of_file=True)
