"""Single networks from ONNX files: numbers held against numpy, bad files, and a library of two spaces."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

import findalike
import small_models as small
from findalike import settings
from findalike.encode import catalog, recipe
from findalike.encode import onnx as family
from findalike.encode.base import encode, short_side
from findalike.errors import EncoderError, LibraryMismatch, UsageError
from findalike.types import Card, Origin, Picture, Vectors


def picture(seed: int = 0, height: int = 48, width: int = 64) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Picture(pixels, Origin(str(seed)), width, height)


def vectors(reference: str, *pictures: Picture) -> Vectors:
    encoder = catalog.load(catalog.find(reference), settings.load())
    return encoder.encode_batch(pictures or [picture()])


def tensor(
    pixels: NDArray[np.uint8], short: int, side: int, mean: Any, std: Any, resample: Any
) -> NDArray[Any]:
    """What Hugging Face and torchvision do: scale all, cut out the centre, normalise. (3, side, side)."""
    height, width = pixels.shape[:2]
    least = min(height, width)
    image = Image.fromarray(pixels).resize((short * width // least, short * height // least), resample)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    cut = np.asarray(image.crop((left, top, left + side, top + side)), np.float64)
    return ((cut / 255 - np.asarray(mean)) / np.asarray(std)).transpose(2, 0, 1)


def convolved(x: NDArray[Any]) -> NDArray[Any]:
    """The map of `small.resnet` by loops: (8, h, w)."""
    size = (x.shape[1] - 3) // 2 + 1
    y = np.zeros((8, size, size))
    for i in range(size):
        for j in range(size):
            seen = x[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            y[:, i, j] = (small.CONV * seen).sum(axis=(1, 2, 3))
    return np.maximum(y, 0)


def imagenet(pixels: NDArray[np.uint8]) -> NDArray[Any]:
    return tensor(pixels, 37, 32, recipe.IMAGENET_MEAN, recipe.IMAGENET_STD, Image.Resampling.BILINEAR)


# Numbers


@pytest.mark.parametrize(
    ("outputs", "options", "dim"),
    [
        (["logits"], "", 5),
        (["logits", "features"], "", 8),
        (["logits", "map"], "", 8),
        (["map"], "?pooling=max", 8),
        (["map"], "?pooling=gem", 8),
        (["features", "logits"], "?output=logits", 5),
    ],
)
def test_a_convolutional_network(tmp_path: Path, outputs: list[str], options: str, dim: int) -> None:
    path = small.resnet(tmp_path / "resnet.onnx", outputs=outputs)
    found = vectors(f"onnx:{path}{options}")
    map_ = convolved(imagenet(picture().pixels))
    pooled = map_.mean(axis=(1, 2))
    if "max" in options:
        pooled = map_.max(axis=(1, 2))
    if "gem" in options:
        pooled = (np.maximum(map_, 1e-6) ** 3).mean(axis=(1, 2)) ** (1 / 3)
    expected = pooled if dim == 8 else pooled @ small.SCORES
    np.testing.assert_allclose(found, [expected], rtol=1e-3, atol=2e-2)


def test_without_a_configuration_it_is_that_of_imagenet_and_says_so(tmp_path: Path) -> None:
    card = catalog.find(f"onnx:{small.resnet(tmp_path / 'ResNet 50.onnx')}")
    how = card.preprocessing["recipe"]
    assert (how["size"], how["scaled"], how["based_on"]) == ([32, 32], 37, "ImageNet defaults")
    assert card.name.startswith("onnx:resnet-50-")
    assert (card.licence, card.precision, card.pooling) == ("unknown", "float32", "none")
    assert (card.preprocessing["input"], card.preprocessing["output"]) == ("data", "logits")
    assert card.source == f"onnx:{tmp_path / 'ResNet 50.onnx'}"


def test_a_configuration_beside_the_file_says_how(tmp_path: Path) -> None:
    path = small.resnet(tmp_path / "m.onnx", ("n", 3, "h", "w"), ["features"])
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(small.PREPROCESSOR))
    card = catalog.find(f"onnx:{path}")
    mean, std = small.PREPROCESSOR["image_mean"], small.PREPROCESSOR["image_std"]
    seen = tensor(picture().pixels, 36, 32, mean, std, Image.Resampling.BICUBIC)
    found = catalog.load(card, settings.load()).encode_batch([picture()])
    np.testing.assert_allclose(found, [convolved(seen).mean(axis=(1, 2))], rtol=1e-3, atol=2e-2)
    assert card.preprocessing["recipe"]["based_on"] == "preprocessor_config.json"


@pytest.mark.parametrize(("first", "options"), [(True, ""), (False, ""), (True, "?pooling=avg&side=32")])
def test_tokens(tmp_path: Path, first: bool, options: str) -> None:
    """The first token where there is one beside the grid, the mean of all where there is none."""
    folder = tmp_path / "dino"
    path = small.vit(folder / "onnx/model.onnx", first)
    (folder / "preprocessor_config.json").write_text(json.dumps(small.PREPROCESSOR))
    assert catalog.find(f"onnx:{path}{options}").name == catalog.find(f"onnx:{folder}{options}").name
    mean, std = small.PREPROCESSOR["image_mean"], small.PREPROCESSOR["image_std"]
    seen = tensor(picture().pixels, 36, 32, mean, std, Image.Resampling.BICUBIC)
    patches = seen.reshape(3, 4, 8, 4, 8).transpose(1, 3, 0, 2, 4).reshape(16, -1)
    tokens = patches @ small.PATCH.reshape(6, -1).T
    own = tokens.mean(axis=0, keepdims=True) * small.FIRST[0]
    every = np.concatenate([own, tokens]) if first else tokens
    expected = own[0] if first and not options else every.mean(axis=0)
    np.testing.assert_allclose(vectors(f"onnx:{folder}{options}"), [expected], rtol=1e-3, atol=5e-2)


def test_pixels_in_bytes_one_by_one_in_half_precision(tmp_path: Path) -> None:
    path = small.uint8(tmp_path / "net_fp16.onnx")
    card = catalog.find(f"onnx:{path}")
    assert (card.precision, card.preprocessing["batch"]) == ("float16", 1)
    flat = [
        Picture(np.full((30, 40, 3), c, np.uint8), Origin(""), 40, 30) for c in ((255, 0, 51), (0, 102, 0))
    ]
    expected = [[1, 0, 0.2], [0, 0.4, 0]]
    np.testing.assert_allclose(vectors(f"onnx:{path}", *flat), expected, atol=2e-3)


def test_a_graph_of_a_fixed_batch_gets_it_filled(tmp_path: Path) -> None:
    fixed = small.resnet(tmp_path / "fixed.onnx", (4, 3, 32, 32))
    free = small.resnet(tmp_path / "free.onnx")
    several = [picture(seed) for seed in range(6)]
    np.testing.assert_allclose(
        vectors(f"onnx:{fixed}", *several), vectors(f"onnx:{free}", *several), atol=1e-4
    )


@pytest.mark.parametrize(
    ("config", "size", "scaled"),
    [
        ({"size": 224, "crop_size": 224}, (224, 224), 224),
        ({"size": 384}, (384, 384), (384, 384)),
        ({"size": {"height": 256, "width": 192}}, (256, 192), (256, 192)),
        ({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}}, (224, 224), 256),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, (224, 224), 256),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.95}, (384, 384), (384, 384)),
        ({"size": {"height": 256, "width": 250}, "crop_size": 224}, (224, 224), (256, 250)),
        ({"size": {"shortest_edge": 800}, "crop_size": 224}, (224, 224), 800),
    ],
)  # fmt: skip
def test_configurations(config: dict[str, Any], size: tuple[int, int], scaled: Any) -> None:
    found = recipe.configured(config)
    assert (found.size, found.scaled) == (size, scaled)
    assert recipe.from_json(json.loads(json.dumps(found.to_json()))) == found
    card = Card("x", "1", 2, preprocessing={"side": found.side})
    assert (short_side([card]) or 0) >= (scaled if isinstance(scaled, int) else max(scaled))


def test_channels_and_scales() -> None:
    config = {"size": {"height": 4, "width": 4}, "do_flip_channel_order": True, "do_normalize": False}
    flat = Picture(np.full((4, 4, 3), (255, 51, 0), np.uint8), Origin(""), 4, 4)
    np.testing.assert_allclose(recipe.configured(config).prepared([flat])[0, :, 0, 0], [0, 0.2, 1], atol=1e-6)
    plain = recipe.configured({**config, "do_rescale": False, "do_flip_channel_order": False})
    np.testing.assert_allclose(plain.prepared([flat])[0, :, 0, 0], [255, 51, 0])


# Names


def test_the_name_is_of_the_content_and_of_the_way_it_is_used(tmp_path: Path) -> None:
    here = catalog.find(f"onnx:{small.resnet(tmp_path / 'a/net.onnx', outputs=['map'])}")
    there = catalog.find(f"onnx:{small.resnet(tmp_path / 'b/net.onnx', outputs=['map'])}")
    other = catalog.find(f"onnx:{small.resnet(tmp_path / 'c/net.onnx', outputs=['map'], factor=2)}")
    maximum = catalog.find(f"onnx:{tmp_path}/a/net.onnx?pooling=max")
    assert here.space == there.space
    assert len({here.space, other.space, maximum.space}) == 3
    assert here.sha256 == maximum.sha256 != other.sha256


def test_weights_in_other_files_count(tmp_path: Path) -> None:
    path = small.resnet(tmp_path / "net.onnx")
    whole = vectors(f"onnx:{path}")
    kept = {"save_as_external_data": True, "location": "net.onnx_data", "size_threshold": 0}
    onnx.save(onnx.load(path), path, **kept)
    card = catalog.find(f"onnx:{path}")
    assert set(card.preprocessing["files"]) == {"model", "model/net.onnx_data"}
    np.testing.assert_allclose(vectors(f"onnx:{path}"), whole)
    weights = tmp_path / "net.onnx_data"
    weights.write_bytes(bytes(8) + weights.read_bytes()[8:])
    with pytest.raises(EncoderError, match=r"net\.onnx_data is not the file that onnx:net-"):
        catalog.load(card, settings.load())
    weights.unlink()
    with pytest.raises(UsageError, match=r"keeps weights in net\.onnx_data, which is not beside it"):
        catalog.find(f"onnx:{path}")


# Bad input


def test_what_is_not_there_or_asked_for_wrongly(tmp_path: Path) -> None:
    path = small.resnet(tmp_path / "net.onnx", outputs=["map", "logits"])
    (tmp_path / "empty").mkdir()
    wrong = {
        f"onnx:{tmp_path}/missing.onnx": r"missing\.onnx is not there; give the path of an ONNX file",
        f"onnx:{tmp_path}/empty": r"empty lacks model\.onnx.*in it there is nothing",
        f"onnx:{path}?side=64": r"side is 64, but the graph takes data \(float32 \?×3×32×32\)",
        f"onnx:{path}?side=big": "side is 'big', but it must be a whole number",
        f"onnx:{path}?layer=map": "no option is named 'layer'; there are output, pooling, side",
        f"onnx:{path}?pooling": "'pooling' is no option; write NAME=VALUE",
        f"onnx:{path}?pooling=cls": "'cls', but the output map has 4 axes, which allow avg, max, gem",
        f"onnx:{path}?output=map2": r"no output 'map2'.*its outputs are map \(float32 \?×8×15×15\), logits",
        "onnx:": "onnx: names no model: give its path, such as onnx:PATH",
        "onxx:net.onnx": "no encoder is named 'onxx:net.onnx'; there are: .*onnx:…",
    }
    for reference, sentence in wrong.items():
        with pytest.raises(UsageError, match=sentence):
            catalog.find(reference)
    with pytest.raises(UsageError, match=r"computed in float32, not in int8; leave out the precision"):
        catalog.find(f"onnx:{path}", "int8")


def test_what_is_no_model_of_pictures(tmp_path: Path) -> None:
    for name, content in (
        ("text", b"not a graph"),
        ("empty", b""),
        ("lfs", b"version https://git-lfs.github.com/spec"),
    ):
        (tmp_path / f"{name}.onnx").write_bytes(content)
    with pytest.raises(EncoderError, match=r"text\.onnx"):
        catalog.find(f"onnx:{tmp_path}/text.onnx")
    with pytest.raises(EncoderError, match=r"empty\.onnx"):
        catalog.find(f"onnx:{tmp_path}/empty.onnx")
    with pytest.raises(EncoderError, match="pointer of Git LFS, not the model: git lfs pull"):
        catalog.find(f"onnx:{tmp_path}/lfs.onnx")
    towers = small.two_tower(tmp_path / "towers")
    with pytest.raises(
        EncoderError, match=r"no input that can take a picture: its inputs are input_ids \(int64"
    ):
        catalog.find(f"onnx:{towers}/onnx/text_model.onnx")
    both = small.two_tower(tmp_path / "both", joint=True)
    with pytest.raises(EncoderError, match=r"wants more than a picture: .*then name its folder: clip:FOLDER"):
        catalog.find(f"onnx:{both}")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "holds no JSON object"),
        ('{"size": {"longest_edge": 5}}', "must have shortest_edge, or height and width"),
        ('{"image_mean": [1]}', "not one for each of red, green and blue"),
        ('{"resample": 99}', "not understood"),
    ],
)
def test_configurations_that_are_not_understood(tmp_path: Path, content: str, sentence: str) -> None:
    path = small.resnet(tmp_path / "net.onnx")
    (tmp_path / "preprocessor_config.json").write_text(content)
    with pytest.raises(EncoderError, match=rf"preprocessor_config\.json.*{sentence}"):
        catalog.find(f"onnx:{path}")


# In a library


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return small.resnet(tmp_path / "models/net.onnx", outputs=["features"])


def space_of(library: findalike.Library, family: str) -> str:
    return next(space for space in library.store.cards() if space.startswith(family))


def test_two_spaces_in_one_library(tmp_path: Path, pictures: Path, net: Path) -> None:
    with findalike.open(tmp_path / "library") as library:
        library.add(pictures)
        report = library.add(pictures, encoder=f"onnx:{net}")
        assert (report.encoded, report.failures) == (4, ())
        assert [status.rows for status in library.store.status().values()] == [4, 4, 4, 4]
        space = space_of(library, "onnx:")
    with findalike.open(tmp_path / "library", "r") as library:
        for name in (f"onnx:{net}", space, space.partition("@")[0]):
            hits = library.search(pictures / "coffee.jpg", encoder=name, include_self=True)
            assert hits[0].space == space
            assert hits[0].asset.uri.endswith("coffee.jpg")
        assert library.search(pictures / "coffee.jpg")[0].space == "efficientnet-lite0@1-int8"
        assert library.check() == []
        assert library.search(pictures / "coffee.jpg", encoder=f"onnx:{net}?pooling=none")[0].space == space
        other = small.resnet(net.with_name("other.onnx"))
        with pytest.raises(LibraryMismatch, match=r"holds efficientnet-lite0@1-int8, .*, onnx:net-"):
            library.search(pictures / "coffee.jpg", encoder=f"onnx:{other}")


def test_a_model_that_was_moved_and_renamed(tmp_path: Path, pictures: Path, net: Path) -> None:
    with findalike.open(tmp_path / "library") as library:
        library.add(pictures, encoder=f"onnx:{net}")
        space = space_of(library, "onnx:")
    moved = net.rename(tmp_path / "other name.onnx")
    with findalike.open(tmp_path / "library") as library:
        gone = rf"made with {space}.*net\.onnx is gone: put the file of SHA-256 \w{{64}} back, or say where"
        with pytest.raises(LibraryMismatch, match=gone):
            library.search(pictures / "coffee.jpg")
        with pytest.raises(LibraryMismatch, match=gone):
            library.add(pictures)
        assert any("is gone" in problem.detail or "is gone" in problem.kind for problem in library.check())
        hits = library.search(pictures / "coffee.jpg", encoder=f"onnx:{moved}")
        assert hits[0].space == space
        assert library.add(pictures, encoder=f"onnx:{moved}").unchanged == 4
    with findalike.open(tmp_path / "library", "r") as library:
        assert list(library.store.cards()) == [space, "colour@1-float32", "layout@1-float32"]
        assert len(library.search(pictures / "coffee.jpg")) == 3


def test_a_model_that_was_changed(tmp_path: Path, pictures: Path, net: Path) -> None:
    with findalike.open(tmp_path / "library") as library:
        library.add(pictures, encoder=f"onnx:{net}")
    small.resnet(net, outputs=["features"], factor=3)
    with findalike.open(tmp_path / "library") as library:
        before = dict(library.store.cards())
        for act in (lambda: library.search(Image.new("RGB", (50, 50))), lambda: library.add(pictures)):
            with pytest.raises(
                EncoderError, match=r"net\.onnx is not the file that onnx:net-.*its SHA-256 is"
            ):
                act()
        assert library.store.cards() == before


def test_a_card_that_was_changed_is_refused(tmp_path: Path, pictures: Path, net: Path) -> None:
    with findalike.open(tmp_path / "library") as library:
        library.add(pictures, encoder=f"onnx:{net}")
    manifest = tmp_path / "library/findalike.json"
    content = json.loads(manifest.read_text())
    content["cards"][0]["preprocessing"]["recipe"]["resample"] = "nearest"
    manifest.write_text(json.dumps(content))
    with (
        findalike.open(tmp_path / "library", "r") as library,
        pytest.raises(LibraryMismatch, match="written by another version of findalike, or was changed"),
    ):
        library.search(pictures / "coffee.jpg")


def test_a_bad_model_changes_nothing_in_a_library(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not a graph")
    with findalike.open(tmp_path / "library") as library:
        library.add(pictures)
        before = (dict(library.store.cards()), len(library))
        for reference, error in ((tmp_path / "bad.onnx", EncoderError), (tmp_path / "none.onnx", UsageError)):
            with pytest.raises(error):
                library.add(pictures, encoder=["efficientnet-lite2", f"onnx:{reference}"])
        assert (dict(library.store.cards()), len(library)) == before
        assert library.check() == []


def test_numbers_that_are_not_finite_are_failures_of_their_pictures(tmp_path: Path, pictures: Path) -> None:
    path = small.not_finite(tmp_path / "net.onnx")
    Image.new("RGB", (64, 64), "black").save(pictures / "black.png")
    with findalike.open(tmp_path / "library") as library:
        report = library.add(pictures, encoder=f"onnx:{path}")
        (failure,) = report.failures
        assert failure.uri.endswith("black.png")
        assert (failure.stage, report.added) == ("encode", 4)
        assert "not finite" in failure.error


def test_another_dimension_than_the_card_says(tmp_path: Path, net: Path) -> None:
    card = catalog.find(f"onnx:{net}")
    loaded = family.load(card, settings.load())
    wrong = family.ImageTower(
        Card("x", "1", 9, preprocessing=card.preprocessing, pooling="none"), loaded.graph
    )
    with pytest.raises(EncoderError, match=r"gave an array of \(1, 8\), not of \(1, 9\)"):
        encode(wrong, [picture()])


def test_the_program(tmp_path: Path, pictures: Path, net: Path, cli: Any) -> None:
    library = tmp_path / "library"
    done = cli("index", pictures, "--encoder", f"onnx:{net}", "-e", "efficientnet-lite0", library=library)
    assert done.returncode == 0, done.stderr
    found = cli("search", pictures / "coffee.jpg", "--encoder", f"onnx:{net}", "--json", library=library)
    assert {hit["space"] for hit in json.loads(found.stdout)} == {catalog.find(f"onnx:{net}").space}
    missing = cli("index", pictures, "--encoder", f"onnx:{tmp_path}/missing.onnx", library=library)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "missing.onnx is not there; give the path of an ONNX file" in missing.stderr
    shutil.rmtree(net.parent)
    gone = cli("search", pictures / "coffee.jpg", "--encoder", f"onnx:{net}", library=library)
    assert gone.returncode == 4
    assert f"{net} is gone: put the file of SHA-256" in gone.stderr
