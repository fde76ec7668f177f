"""Detectors that users name: what they say in each form, how pictures are shown to them, and what is none.

The networks give rows that are written here, and beside them the mean of some of the picture they are shown,
so that a test also sees what the network saw. All boxes are worked out by hand.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import findalike
import small_models
from conftest import Photo
from findalike import regions, settings
from findalike.errors import EncoderError, UsageError
from findalike.regions.onnx import Detector
from findalike.types import Box, Origin, Picture

HALVES = {"do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}


def picture(width: int, height: int, colour: tuple[int, int, int] = (200, 100, 50)) -> Picture:
    pixels = np.full((height, width, 3), colour, np.uint8)
    return Picture(pixels, Origin("a"), width, height)


def loaded(path: Path) -> Detector:
    finder = regions.load(f"onnx:{path}", settings.default())
    assert isinstance(finder, Detector)
    return finder


def found(path: Path, shown: Picture) -> list[tuple[str, tuple[float, ...]]]:
    finder = loaded(path)
    return [(each.label, tuple(round(edge, 4) for edge in each.box)) for each in finder.find(shown)]


# The forms. The inputs have 64 pixels a side.


def test_cells_of_yolo_5_with_objectness(tmp_path: Path) -> None:
    """(1, n, 5 + classes): the score is that of a thing times that of its class."""
    rows = np.zeros((1, 20, 7), np.float32)
    rows[0, 0] = [32, 32, 32, 16, 0.9, 0.1, 0.8]  # a dog, .72
    rows[0, 1] = [33, 32, 32, 16, 0.9, 0.1, 0.7]  # nearly the same place, .63
    rows[0, 2] = [8, 56, 16, 16, 0.5, 0.9, 0.0]  # a cat, .45
    rows[0, 3] = [48, 8, 8, 8, 0.4, 0.5, 0.5]  # .2: too little
    path = small_models.detector(tmp_path / "v5.onnx", {"output0": rows}, names="{0: 'cat', 1: 'dog'}")
    assert found(path, picture(64, 64)) == [
        ("dog", (0.25, 0.375, 0.75, 0.625)),
        ("cat", (0.0, 0.75, 0.25, 1.0)),
    ]


def test_channels_of_yolo_8(tmp_path: Path) -> None:
    """(1, 4 + classes, n), here with the columns of masks after the classes."""
    rows = np.zeros((1, 20, 6 + 3), np.float32)
    rows[0, 4, :6] = [16, 16, 32, 32, 0.3, 0.0]
    rows[0, 7, :6] = [48, 48, 16, 32, 0.0, 0.9]
    rows[0, :, 6:] = 7.0
    outputs = {"output0": rows.transpose(0, 2, 1), "output1": np.ones((1, 3, 4, 4), np.float32)}
    path = small_models.detector(tmp_path / "v8.onnx", outputs, names="['cat', 'dog']")
    assert found(path, picture(64, 64)) == [("dog", (0.625, 0.5, 0.875, 1.0)), ("cat", (0.0, 0.0, 0.5, 0.5))]


def test_final_boxes(tmp_path: Path) -> None:
    """(1, n, 6) of YOLO 10, and (n, 7) of YOLO 7: what the network leaves out has the score 0."""
    rows = np.zeros((1, 30, 6), np.float32)
    rows[0, 0] = [16, 0, 48, 32, 0.8, 1]
    expected = [("", (0.25, 0.0, 0.75, 0.5))]
    assert found(small_models.detector(tmp_path / "v10.onnx", {"o": rows}), picture(64, 64)) == expected
    rows = np.array([[0, 16, 0, 48, 32, 1, 0.8], [0, 0, 0, 9, 9, 1, 0.1]], np.float32)
    assert found(small_models.detector(tmp_path / "v7.onnx", {"o": rows}), picture(64, 64)) == expected


def test_counted_boxes(tmp_path: Path) -> None:
    outputs = {
        "num_dets": np.array([[1]], np.int64),
        "det_boxes": np.array([[[0, 0, 32, 64], [32, 0, 64, 64]]], np.float32),
        "det_scores": np.array([[0.9, 0.8]], np.float32),
        "det_classes": np.array([[0, 0]], np.int64),
    }
    path = small_models.detector(tmp_path / "counted.onnx", outputs)
    assert found(path, picture(64, 64)) == [("", (0.0, 0.0, 0.5, 1.0))]


def test_queries_of_detr(tmp_path: Path) -> None:
    """Softmax over the classes and one for nothing: e^3 / (e^3 + 2) = .909, e^1 / (e^1 + 2) = .576."""
    logits = np.zeros((1, 8, 3), np.float32)
    logits[0, :, 2] = 9.0
    logits[0, 1] = [0, 3, 0]
    logits[0, 2] = [1, 0, 0]
    boxes = np.full((1, 8, 4), 0.1, np.float32)
    boxes[0, 1], boxes[0, 2] = [0.5, 0.5, 0.5, 0.25], [0.25, 0.125, 0.5, 0.25]
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "cat", "1": "dog"}}))
    path = small_models.detector(
        tmp_path / "detr.onnx", {"logits": logits, "pred_boxes": boxes}, entry="pixel_values"
    )
    assert found(path, picture(64, 64)) == [
        ("dog", (0.25, 0.375, 0.75, 0.625)),
        ("cat", (0.0, 0.0, 0.5, 0.25)),
    ]


def test_queries_without_a_class_for_nothing(tmp_path: Path) -> None:
    """RT-DETR: each class by its sigmoid, 1 / (1 + e^-2) = .881; -2 gives .119, too little."""
    logits = np.full((1, 8, 3), -2.0, np.float32)
    logits[0, 5, 2] = 2.0
    boxes = np.full((1, 8, 4), 0.5, np.float32)
    path = small_models.detector(
        tmp_path / "rt.onnx", {"logits": logits, "pred_boxes": boxes}, entry="pixel_values"
    )
    assert found(path, picture(64, 64)) == [("", (0.25, 0.25, 0.75, 0.75))]


def test_labels_boxes_and_scores_in_the_size_that_is_asked_for(tmp_path: Path) -> None:
    """An export that is given the picture's size: boxes are in it, whatever the picture's shape."""
    outputs = {
        "labels": np.array([[2, 0]], np.int64),
        "boxes": np.array([[[0, 32, 64, 64], [0, 0, 9, 9]]], np.float32),
        "scores": np.array([[0.6, 0.2]], np.float32),
    }
    path = small_models.detector(
        tmp_path / "exported.onnx", outputs, names="{2: 'bird'}", sizes="orig_target_sizes"
    )
    assert found(path, picture(300, 200)) == [("bird", (0.0, 0.5, 1.0, 1.0))]


# How pictures are shown


def test_yolo_sees_a_picture_with_bars_and_boxes_come_back_without(tmp_path: Path) -> None:
    """128 × 64 in 64 × 64: half as large, 16 pixels of grey above and below."""
    rows = np.zeros((1, 30, 6), np.float32)
    rows[0, 0] = [16, 24, 48, 40, 0.8, 0]  # 32 × 16 of 64 × 32
    rows[0, 1] = [0, 0, 16, 24, 0.7, 0]  # half of it in the bar
    path = small_models.detector(tmp_path / "bars.onnx", {"o": rows})
    assert found(path, picture(128, 64)) == [
        ("", (0.25, 0.25, 0.75, 0.75)),
        ("", (0.0, -0.5, 0.25, 0.25)),
    ]
    finder = loaded(path)
    assert [part.box for part in regions.parts(finder, picture(128, 64))] == [
        pytest.approx((0.25, 0.25, 0.75, 0.75)),
        pytest.approx((0.0, 0.0, 0.25, 0.25)),
    ]


@pytest.mark.parametrize(("kind", "axes"), [("float32", "NCHW"), ("float16", "NCHW"), ("uint8", "NHWC")])
def test_the_network_gets_rgb_as_its_input_wants_it(tmp_path: Path, kind: str, axes: str) -> None:
    """The one box begins and ends where the means of blue, red and green say."""
    path = small_models.seeing_detector(tmp_path / "seeing.onnx", kind, axes)
    ((_, box),) = found(path, picture(64, 64, (200, 100, 50)))
    assert box == pytest.approx((50 / 255, 0.0, 200 / 255, 100 / 255), abs=2e-3)


@pytest.mark.parametrize(
    ("classes", "beside", "mean", "deviation"),
    [
        (92, None, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        (80, None, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        (92, HALVES, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        (92, {"do_normalize": False}, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    ],
)
def test_detr_kin_are_shown_pictures_as_they_were_trained(
    tmp_path: Path, classes: int, beside: dict[str, object] | None, mean: Box, deviation: Box
) -> None:
    if beside:
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(beside))
    outputs = {
        "logits": np.zeros((1, 4, classes), np.float32),
        "pred_boxes": np.zeros((1, 4, 4), np.float32),
    }
    path = small_models.detector(tmp_path / "detr.onnx", outputs, entry="pixel_values", side="any")
    view = loaded(path).view
    assert view.mean == pytest.approx(mean)
    assert view.deviation == pytest.approx(deviation)
    assert not view.barred


def test_a_network_of_any_size_is_shown_that_which_its_file_names(tmp_path: Path) -> None:
    rows = {"o": np.zeros((1, 30, 6), np.float32)}
    plain = small_models.detector(tmp_path / "plain.onnx", rows, side="any")
    named = small_models.detector(tmp_path / "named.onnx", rows, side="any", imgsz="[96, 128]")
    views = [loaded(path).view for path in (plain, named)]
    assert [(view.width, view.height) for view in views] == [(640, 640), (128, 96)]


# What is no detector


def test_files_that_are_no_detectors(tmp_path: Path) -> None:
    loaded = settings.default()
    with pytest.raises(UsageError, match=r"there is no detector .*none\.onnx; give the path of an ONNX file"):
        regions.load(f"onnx:{tmp_path / 'none.onnx'}", loaded)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(EncoderError, match=r"text\.onnx cannot be loaded by ONNX Runtime"):
        regions.load(f"onnx:{tmp_path / 'text.onnx'}", loaded)
    with pytest.raises(EncoderError, match=r"resnet\.onnx is no detector known here: .*logits.*; known are"):
        regions.load(f"onnx:{small_models.resnet(tmp_path / 'resnet.onnx')}", loaded)
    rows = {"o": np.zeros((1, 30, 6), np.float32)}
    strange = small_models.detector(tmp_path / "strange.onnx", rows, sizes="prompt", size_shape=(1, 7))
    with pytest.raises(EncoderError, match=r"strange\.onnx wants more than a picture: .*prompt"):
        regions.load(f"onnx:{strange}", loaded)


def test_a_changed_file_is_another_finder(tmp_path: Path) -> None:
    path = tmp_path / "d.onnx"
    names = set()
    for score in (0.4, 0.5):
        small_models.detector(path, {"o": np.full((1, 30, 6), score, np.float32)})
        names.add(regions.load(f"onnx:{path}", settings.default()).name)
    assert len(names) == 2
    assert all(name.startswith("onnx:d-") for name in names)


# In a library


def test_labels_and_boxes_are_in_hits_and_the_library_remembers(tmp_path: Path, photo: Photo) -> None:
    rows = np.zeros((1, 30, 6), np.float32)
    rows[0, 0] = [32, 32, 64, 64, 0.8, 0]
    path = small_models.detector(tmp_path / "d.onnx", {"o": rows}, names="{0: 'lower right'}")
    scene = Image.new("RGB", (400, 400), "white")
    scene.paste(photo("chelsea", (200, 200)), (200, 200))
    (tmp_path / "pictures").mkdir()
    scene.save(tmp_path / "pictures" / "scene.png")
    with findalike.open(tmp_path / "library") as library:
        library.add(tmp_path / "pictures", regions=f"onnx:{path}")
        (hit,) = library.search(np.asarray(photo("chelsea", (200, 200))))
        assert (hit.origin.part, hit.origin.label) == ("region", "lower right")
        assert hit.origin.box == pytest.approx((0.5, 0.5, 1.0, 1.0))
        Image.new("RGB", (300, 300), "red").save(tmp_path / "pictures" / "red.png")
        library.add(tmp_path / "pictures")
        assert len(library.store.attached(regions.mark(loaded(path).name))) == 2
        path.unlink()
        (failure,) = library.add(tmp_path / "pictures").failures
        assert failure.error.startswith(f"there is no detector {path}; give the path of an ONNX file")
