"""The default encoder against answers that were got another way."""

from __future__ import annotations

import csv
import pickle
import struct
import sys
import types
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from findalike import checkpoint, decode, runtime, settings
from findalike.encode import calibration, catalog, efficientnet
from findalike.encode.base import Encoder, encode, short_side
from findalike.encode.cnn import CnnEncoder, Statistics
from findalike.errors import EncoderError, ExtraMissing, UsageError
from findalike.types import Card, Origin, Picture, Vectors

DATA = Path(__file__).parents[2] / "shared/data"
LITE0 = catalog.find("efficientnet-lite0", "int8")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the pictures of ../shared/data")


@pytest.fixture(scope="module")
def tensors() -> checkpoint.Tensors:
    return checkpoint.read(runtime.locate(LITE0.preprocessing["package"], "models/*.pth"))


# The checkpoint reader


def _named(module: str, name: str) -> type:
    return type(name, (), {"__module__": module, "__qualname__": name})


@pytest.fixture
def torch_names(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Modules with the few names that a checkpoint refers to, so that pickle can write them."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*_: object) -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    for name in ("FloatStorage", "LongStorage"):
        setattr(torch, name, _named("torch", name))
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return types.SimpleNamespace(storages=torch, rebuild=_rebuild_tensor_v2)


@dataclass
class _Stored:
    kind: type
    numbers: NDArray[np.generic]


class _Tensor:
    def __init__(
        self, rebuild: object, stored: _Stored, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
    ):
        self.parts = rebuild, (stored, offset, shape, stride, False, OrderedDict())

    def __reduce__(self) -> tuple[object, ...]:
        return self.parts


class _Pickler(pickle.Pickler):
    def persistent_id(self, thing: object) -> object:
        if isinstance(thing, _Stored):
            return ("storage", thing.kind, str(id(thing)), "cpu", thing.numbers.size, None)
        return None


def write_checkpoint(path: Path, tensors: dict[str, object], stored: Sequence[_Stored]) -> None:
    with path.open("wb") as file:
        for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(part, file, protocol=2)
        _Pickler(file, protocol=2).dump(OrderedDict(tensors))
        pickle.dump([str(id(s)) for s in stored], file, protocol=2)
        for s in stored:
            file.write(struct.pack("<q", s.numbers.size) + s.numbers.tobytes())


def test_a_checkpoint_is_read_with_offsets_and_strides(
    tmp_path: Path, torch_names: types.SimpleNamespace
) -> None:
    numbers = np.arange(24, dtype=np.float32)
    stored = _Stored(torch_names.storages.FloatStorage, numbers)
    steps = _Stored(torch_names.storages.LongStorage, np.array([7], np.int64))
    tensors = {
        "plain": _Tensor(torch_names.rebuild, stored, 0, (4, 6), (6, 1)),
        "turned": _Tensor(torch_names.rebuild, stored, 0, (6, 4), (1, 6)),
        "part": _Tensor(torch_names.rebuild, stored, 5, (3,), (2,)),
        "steps": _Tensor(torch_names.rebuild, steps, 0, (), ()),
    }
    write_checkpoint(tmp_path / "net.pth", tensors, [stored, steps])
    found = checkpoint.read(tmp_path / "net.pth")
    np.testing.assert_array_equal(found["plain"], numbers.reshape(4, 6))
    np.testing.assert_array_equal(found["turned"], numbers.reshape(4, 6).T)
    np.testing.assert_array_equal(found["part"], [5, 7, 9])
    assert found["steps"].item() == 7


def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path, torch_names: types.SimpleNamespace) -> None:
    stored = _Stored(torch_names.storages.FloatStorage, np.zeros(4, np.float32))
    write_checkpoint(
        tmp_path / "net.pth", {"x": _Tensor(torch_names.rebuild, stored, 2, (3,), (1,))}, [stored]
    )
    with pytest.raises(EncoderError, match="reaches beyond its storage"):
        checkpoint.read(tmp_path / "net.pth")


class _Harm:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("harm",)


def test_a_checkpoint_that_calls_anything_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(pickle.dumps(_Harm(), protocol=2))
    with pytest.raises(EncoderError, match=r"asks for __builtin__\.print"):
        checkpoint.read(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kept", [0, 1, 10, 100, 5_000, 1_000_000])
def test_a_checkpoint_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    whole = runtime.locate(LITE0.preprocessing["package"], "models/*.pth").read_bytes()
    (tmp_path / "net.pth").write_bytes(whole[:kept])
    with pytest.raises(EncoderError, match="not a PyTorch checkpoint"):
        checkpoint.read(tmp_path / "net.pth")


# The graphs


def convolved(
    x: NDArray[np.float64], weight: NDArray[np.float64], stride: int, groups: int
) -> NDArray[np.float64]:
    """One picture (c, h, w), padded as TensorFlow's SAME, by a loop over the kernel."""
    _, height, width = x.shape
    out, per_group, kernel, _ = weight.shape
    size = [-(-n // stride) for n in (height, width)]
    pad = [max((n - 1) * stride + kernel - m, 0) for n, m in zip(size, (height, width), strict=True)]
    x = np.pad(x, ((0, 0), *((p // 2, p - p // 2) for p in pad)))
    y = np.zeros((out, *size))
    for i in range(kernel):
        for j in range(kernel):
            seen = x[:, i : i + size[0] * stride : stride, j : j + size[1] * stride : stride][
                :, : size[0], : size[1]
            ]
            if groups == 1:
                y += np.einsum("oc,chw->ohw", weight[:, :, i, j], seen)
            else:
                assert per_group == 1
                y += weight[:, 0, i, j, None, None] * seen
    return y


def by_hand(tensors: checkpoint.Tensors, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Pooled features of EfficientNet-Lite0, with batch norm as it is written in papers."""
    strides, repeats, kernels = (1, 2, 2, 2, 1, 2, 1), (1, 2, 2, 3, 3, 4, 1), (3, 3, 5, 3, 5, 5, 3)

    def step(
        x: NDArray[np.float64], conv: str, norm: str, stride: int = 1, groups: int = 1
    ) -> NDArray[np.float64]:
        x = convolved(x, tensors[f"{conv}.weight"].astype(np.float64), stride, groups)
        mean, variance, gain, shift = (
            tensors[f"{norm}.{n}"].astype(np.float64)[:, None, None]
            for n in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * gain + shift

    def relu6(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip(x, 0, 6)

    x = relu6(step((pixels.transpose(2, 0, 1) - 127.0) / 128, "_conv_stem", "_bn0", 2))
    block = 0
    for stage, repeat in enumerate(repeats):
        for i in range(repeat):
            name, entry = f"_blocks.{block}.", x
            if stage:
                x = relu6(step(x, f"{name}_expand_conv", f"{name}_bn0"))
            assert tensors[f"{name}_depthwise_conv.weight"].shape[-1] == kernels[stage]
            x = relu6(
                step(x, f"{name}_depthwise_conv", f"{name}_bn1", strides[stage] if i == 0 else 1, len(x))
            )
            x = step(x, f"{name}_project_conv", f"{name}_bn2")
            x = x + entry if i else x
            block += 1
    return relu6(step(x, "_conv_head", "_bn1")).mean(axis=(1, 2))


def test_the_float_graph_is_the_network(tensors: checkpoint.Tensors) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    graph = efficientnet.float_model(tensors).SerializeToString()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    features, pooled, logits = session.run(["features", "pooled", "logits"], {"pixels": pixels[None]})
    expected = by_hand(tensors, pixels)
    np.testing.assert_allclose(pooled[0], expected, atol=2e-4)
    np.testing.assert_allclose(features.mean(axis=(2, 3)), pooled, atol=1e-5)
    np.testing.assert_allclose(logits[0], tensors["_fc.weight"] @ expected + tensors["_fc.bias"], atol=2e-3)


def photographs() -> list[Picture]:
    skimage = pytest.importorskip("skimage")
    folder = Path(skimage.__file__).parent / "data"
    names = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")
    side = short_side([LITE0])
    return [
        decode.decode((folder / name).read_bytes(), Origin(name), short_side=side).picture for name in names
    ]


@pytest.mark.parametrize("name", ["efficientnet-lite0", "efficientnet-lite2"])
def test_int8_stays_close_to_float(name: str) -> None:
    pictures = photographs()
    vectors = [
        encode(catalog.load(catalog.find(name, p), settings.load()), pictures) for p in ("int8", "float32")
    ]
    assert ((vectors[0] * vectors[1]).sum(axis=1) > 0.97).all()


def test_the_network_knows_what_it_sees() -> None:
    encoder = catalog.load(LITE0, settings.load())
    assert isinstance(encoder, CnnEncoder)
    _, cat, coffee, _, _ = encoder.run(photographs(), ["logits"])[0].argmax(axis=1)
    assert cat in range(281, 287)  # the cats among ImageNet's classes
    assert coffee in (504, 967, 968)  # coffee mug, espresso, cup


def test_exact_int8_sums_are_exact_on_this_processor(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    probe = tmp_path / "probe.onnx"
    probe.write_bytes(runtime._probe())
    for pixels in (np.full((1, 64, 8, 8), 255, np.uint8), rng.integers(200, 256, (1, 64, 8, 8), np.uint8)):
        (found,) = runtime.session(probe, exact=True).run(None, {"x": pixels})
        sums = pixels.astype(np.int64).sum(axis=1, keepdims=True) * 127
        np.testing.assert_array_equal(found, np.broadcast_to(np.rint(sums / (64 * 255)), found.shape))


def test_exact_and_fast_int8_agree_where_nothing_saturates(tmp_path: Path) -> None:
    if runtime.saturates(tmp_path):
        pytest.skip("this processor saturates, so findalike never uses the fast kernels here")
    weights = runtime.locate(LITE0.preprocessing["package"], "models/*.pth")
    graph = tmp_path / "net.onnx"
    graph.write_bytes(efficientnet.build(weights, Statistics(LITE0.name).ranges))
    pixels = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
    fast, exact = (runtime.session(graph, e).run(["pooled"], {"pixels": pixels})[0] for e in (False, True))
    np.testing.assert_array_equal(fast, exact)


# The cache


def test_a_damaged_cache_is_made_again(tmp_path: Path) -> None:
    chosen = settings.load(cache=tmp_path)
    first = encode(catalog.load(LITE0, chosen), photographs())
    (graph,) = (tmp_path / "models").glob(f"{LITE0.space}-*.onnx")
    graph.write_bytes(b"not a graph")
    np.testing.assert_array_equal(encode(catalog.load(LITE0, chosen), photographs()), first)


def test_a_cache_that_cannot_be_written_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    encoder = catalog.load(LITE0, settings.load(cache=tmp_path / "file"))
    assert encode(encoder, photographs()[:1]).shape == (1, 1280)


def test_weights_that_are_not_the_expected_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"others")
    with pytest.raises(EncoderError, match=r"weights is not the expected file.*reinstall"):
        runtime.verify(path, LITE0.sha256)


def test_a_missing_package_is_named() -> None:
    with pytest.raises(ExtraMissing, match="no_such_package_of_weights"):
        runtime.locate("no_such_package_of_weights", "*.pth")


# What the caller checks


class _Wrong:
    """An encoder that gives whatever it is told to."""

    card = Card("wrong", "1", 4)

    def __init__(self, answer: Vectors) -> None:
        self.answer = answer

    def encode_batch(self, pictures: Sequence[Picture]) -> Vectors:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (np.ones((1, 5), np.float32), "not of"),
        (np.ones((2, 4), np.float32), "not of"),
        (np.ones(4, np.float32), "not of"),
        (np.array([[1, np.nan, 0, 0]], np.float32), "not finite"),
        (np.array([[1, np.inf, 0, 0]], np.float32), "not finite"),
    ],
)
def test_an_encoder_that_breaks_its_contract_is_named(answer: Vectors, sentence: str) -> None:
    encoder: Encoder = _Wrong(answer)
    pictures = [Picture(np.zeros((2, 2, 3), np.uint8), Origin("x"), 2, 2)]
    with pytest.raises(EncoderError, match=rf"wrong@1-float32.*{sentence}"):
        encode(encoder, pictures)


def test_an_unknown_encoder_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="efficientnet-lite0"):
        catalog.find("resnet")
    with pytest.raises(UsageError, match="efficientnet-lite0@1-int8"):
        catalog.find("efficientnet-lite0", "int4")


# Scores


@pytest.mark.parametrize(
    ("score", "name"),
    [(1, "same picture"), (0.95, "same picture"), (0.94, "near copy"), (0.7, "very similar"),
     (0.5, "similar"), (0.3, "loosely related"), (0.2999, "unrelated"), (0, "unrelated")],
)  # fmt: skip
def test_bands_begin_where_they_say(score: float, name: str) -> None:
    assert calibration.band(score) == name


def test_scores_rise_with_similarity_and_stay_in_range() -> None:
    scores = [calibration.score(LITE0, similarity) for similarity in np.linspace(-1, 1.1, 200)]
    assert scores == sorted(scores)
    assert (scores[0], scores[-1]) == (0.0, 1.0)
    for similarity, score in LITE0.calibration:
        assert calibration.score(LITE0, similarity) == pytest.approx(score)


# On labelled pictures


@pytest.mark.data
@needs_data
def test_top_1_on_objects() -> None:
    encoder = catalog.load(LITE0, settings.load())
    assert isinstance(encoder, CnnEncoder)
    with (DATA / "objects/labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    side = short_side([LITE0])
    right = 0
    for row in rows:
        data = (DATA / "objects" / row["path"]).read_bytes()
        logits = encoder.run([decode.decode(data, Origin(""), short_side=side).picture], ["logits"])[0]
        right += int(logits.argmax() == int(row["imagenet_index"]))
    assert right / len(rows) >= 0.85
