"""Trained encoders as files: a pair of ONNX and card, what a library does with it, and what is refused."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

import findalike
import small_models as small
from conftest import Cli
from findalike import pixels, regions, settings
from findalike.encode import catalog, file, file_card, learned
from findalike.encode.base import encode, unit
from findalike.encode.file_card import FileCard
from findalike.errors import EncoderError, FindalikeError, LibraryMismatch, UsageError
from findalike.sidecars import MemorySidecars
from findalike.types import Origin, Picture
from findalike.web.config import Config
from web import serving

BASE = next(card for card in catalog.cards() if card.name == "colour")
"""A small space that every library has, so that nothing large is loaded."""

DIM = 6
Write = Callable[..., FileCard]


def drawing(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    return Image.fromarray(coarse).resize((200, 160), Image.Resampling.BICUBIC)


def picture(seed: int) -> Picture:
    return Picture(np.asarray(drawing(seed)), Origin(str(seed)), 200, 160)


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawings")
    for seed in range(6):
        drawing(seed).save(folder / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def indexed(drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of the drawings, whose files are gone."""
    path, shown = tmp_path_factory.mktemp("indexed") / "library", drawings.with_name("shown")
    shutil.copytree(drawings, shown)
    with findalike.open(path, encoder="layout") as library:
        library.add(shown)
    shutil.rmtree(shown)
    return path


@pytest.fixture
def opened(tmp_path: Path, indexed: Path) -> Iterator[findalike.Library]:
    """A copy of that library, to be changed at will."""
    with findalike.open(shutil.copytree(indexed, tmp_path / "library")) as library:
        yield library


def rows(library: findalike.Library, space: str) -> dict[str, np.ndarray]:
    names = {asset.id: Path(asset.uri).name for asset in library.store.assets()}
    return {names[row.asset_id]: row.vector for row in library.store.rows(space, names)}


def refused(path: Path) -> str:
    """Why the encoder of a path is not taken; it must name a file of it."""
    with pytest.raises(FindalikeError) as caught:
        catalog.load(catalog.find(f"file:{path}"), settings.load())
    assert isinstance(caught.value, EncoderError | UsageError)
    assert path.stem in str(caught.value)
    return str(caught.value)


# A pair


def test_a_pair_is_named_by_either_file_or_neither(tmp_path: Path) -> None:
    written = small.head(tmp_path / "head.onnx", BASE, DIM)
    cards = [catalog.find(f"file:{tmp_path / name}") for name in ("head.onnx", "head.json", "head")]
    assert cards[0] == cards[1] == cards[2]
    assert (cards[0].dim, cards[0].sha256) == (DIM, written.onnx_sha256)
    assert cards[0].name.startswith("file:head-")
    assert all(catalog.answers_to(cards[0], f"file:{tmp_path / name}") for name in ("head.json", "head"))
    assert file_card.read(tmp_path / "head.json") == written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["head.json", "head.onnx"]


def test_a_card_keeps_all_that_it_was_written_with(tmp_path: Path) -> None:
    facts: dict[str, Any] = {
        "licence": "CC-BY-4.0",
        "source": "Ten drawings.",
        "trained": {"what": "metric", "loss": "triplet", "before": 0.25, "after": np.float32(0.5)},
        "calibration": ((0.0, 0.0), (0.5, 0.9), (1.0, 1.0)),
        "revision": "3",
    }
    small.head(tmp_path / "head.onnx", BASE, DIM, **facts)
    read, card = file_card.read(tmp_path / "head"), catalog.find(f"file:{tmp_path / 'head'}")
    assert {name: getattr(read, name) for name in facts} == facts
    assert (card.licence, card.calibration, card.revision) == ("CC-BY-4.0", facts["calibration"], "3")
    assert read.base == {"space": BASE.space, "reference": "colour", "precision": BASE.precision,
                         "sha256": BASE.sha256}  # fmt: skip


def test_a_head_multiplies_as_numpy_does(tmp_path: Path) -> None:
    small.head(tmp_path / "head.onnx", BASE, DIM, seed=3)
    encoder = catalog.load(catalog.find(f"file:{tmp_path / 'head'}"), settings.load())
    assert isinstance(encoder, file.Head)
    base = encode(catalog.load(BASE, settings.load()), [picture(1), picture(2)])
    expected = unit(base @ small.matrix(BASE.dim, DIM, 3))
    np.testing.assert_allclose(encode(encoder, [picture(1), picture(2)]), expected, atol=1e-5)
    many = np.random.default_rng(0).normal(size=(9_000, BASE.dim)).astype(np.float32)
    many[17] = 0
    np.testing.assert_allclose(encoder.derive(many), many @ small.matrix(BASE.dim, DIM, 3), atol=1e-3)
    assert not encoder.derive(many)[17].any()


def test_a_network_sees_squares_as_the_default_encoders_do(tmp_path: Path) -> None:
    small.network(tmp_path / "net.onnx", seed=4)
    encoder = catalog.load(catalog.find(f"file:{tmp_path / 'net'}"), settings.load())
    square = pixels.square(picture(1).pixels, 32, 0.875).astype(np.float64) - 128
    parts = square.reshape(4, 8, 4, 8, 3).mean(axis=(1, 3)).transpose(2, 0, 1).reshape(1, 48)
    expected = unit((parts @ small.matrix(48, 8, 4)).astype(np.float32))
    np.testing.assert_allclose(encode(encoder, [picture(1)]), expected, atol=1e-5)


def test_a_network_may_say_its_whole_recipe(tmp_path: Path) -> None:
    said = {"size": [16, 24], "scaled": [16, 24], "mean": [0, 0, 0], "std": [1, 1, 1], "layout": "NHWC"}
    mean = helper.make_node("ReduceMean", ["pixels"], ["embedding"], axes=[1, 2], keepdims=0)
    graph = small.as_bytes([mean], [small.value("pixels", ["n", 16, 24, 3])],
                           [small.value("embedding", ["n", 3])])  # fmt: skip
    file_card.write(tmp_path / "mean.onnx", FileCard("network", "mean", 3, recipe=said), graph)
    card = catalog.find(f"file:{tmp_path / 'mean'}")
    image = Image.fromarray(picture(2).pixels).resize((24, 16), Image.Resampling.BILINEAR)
    expected = unit((np.asarray(image) / 255).mean(axis=(0, 1))[None].astype(np.float32))
    found = encode(catalog.load(card, settings.load()), [picture(2)])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_another_training_is_another_space_and_the_same_elsewhere_is_not(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for path, seed in (("head", 0), ("other", 1), ("there/head", 0)):
        small.head(tmp_path / f"{path}.onnx", BASE, DIM, seed, trained={"seed": seed, "at": path})
    here, other, there = (catalog.find(f"file:{tmp_path / path}") for path in ("head", "other", "there/head"))
    assert here.space == there.space
    assert catalog.differing(here, there) == []
    assert here.name.removeprefix("file:head-") != other.name.removeprefix("file:other-")


def test_nothing_is_replaced_by_what_would_be_refused(tmp_path: Path) -> None:
    before = small.head(tmp_path / "head.onnx", BASE, DIM)
    lying = replace(before, dim=DIM + 1)
    with pytest.raises(EncoderError, match=r"6.* but its card claims 7 numbers"):
        file_card.write(tmp_path / "head.onnx", lying, small.head_bytes(small.matrix(BASE.dim, DIM, 1)))
    with pytest.raises(EncoderError, match="JSON compliant"):
        small.head(tmp_path / "head.onnx", BASE, DIM, trained={"after": float("nan")})
    with pytest.raises(EncoderError, match="name is"):
        small.head(tmp_path / "my head.onnx", BASE, DIM)
    assert file_card.read(tmp_path / "head") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["head.json", "head.onnx"]


def test_where_only_one_file_can_be_written_neither_is(tmp_path: Path) -> None:
    small.head(tmp_path / "head.onnx", BASE, DIM)
    before = (tmp_path / "head.onnx").read_bytes()
    (tmp_path / "head.json").unlink()
    (tmp_path / "head.json").mkdir()
    (tmp_path / "head.json" / "in the way").touch()
    with pytest.raises(UsageError, match="cannot be written there"):
        small.head(tmp_path / "head.onnx", BASE, DIM, seed=1)
    assert (tmp_path / "head.onnx").read_bytes() == before
    with pytest.raises(UsageError, match="cannot be written there"):
        small.head(tmp_path / "nowhere" / "head.onnx", BASE, DIM)


# In a library


def test_a_library_whose_files_are_gone_gets_the_space_from_its_vectors(
    opened: findalike.Library, tmp_path: Path
) -> None:
    small.head(tmp_path / "head.onnx", BASE, DIM)
    ticks: list[tuple[int, int]] = []
    report = opened.add(
        encoder=f"file:{tmp_path / 'head.json'}", watch=lambda t: ticks.append((t.done, t.total))
    )
    assert (report.encoded, report.failures, ticks[-1]) == (6, (), (6, 6))
    card = catalog.find(f"file:{tmp_path / 'head'}")
    base, found = rows(opened, BASE.space), rows(opened, card.space)
    assert found.keys() == base.keys()
    for name, vector in found.items():
        np.testing.assert_allclose(
            vector, unit(base[name] @ small.matrix(BASE.dim, DIM)), atol=2e-3, err_msg=name
        )
    assert opened.add(encoder=f"file:{tmp_path / 'head'}").encoded == 0
    asked = next(iter(opened.store.assets()))
    hits = opened.search(asked.id, encoder=f"file:{tmp_path / 'head.onnx'}", k=3)
    assert len(hits) == 3
    assert hits[0].space == card.space


def test_a_library_stays_whole_without_the_head_and_wherever_it_is_moved(
    opened: findalike.Library, drawings: Path, tmp_path: Path
) -> None:
    small.head(tmp_path / "head.onnx", BASE, DIM)
    opened.add(encoder=f"file:{tmp_path / 'head'}")
    opened.close()
    moved = shutil.move(opened.path, tmp_path / "elsewhere")
    for path in tmp_path.glob("head.*"):
        path.unlink()
    with findalike.open(moved) as library:
        assert library.check() == [] or {each.kind for each in library.check()} == {"missing files"}
        space = next(space for space in library.store.cards() if space.startswith("file:"))
        report = library.add(drawings)
        assert report.failures == ()
        assert len(rows(library, space)) == 6
        hits = library.search(drawings / "3.png", encoder=space, include_self=True)
        assert Path(hits[0].asset.uri).name == "3.png"


def test_a_copy_that_is_spoilt_is_named_and_the_rest_goes_on(
    opened: findalike.Library, drawings: Path, tmp_path: Path
) -> None:
    small.head(tmp_path / "head.onnx", BASE, DIM)
    opened.add(encoder=f"file:{tmp_path / 'head'}")
    opened.close()
    copy = next(Path(opened.path).glob("learned/file-head-*.onnx"))
    copy.write_bytes(copy.read_bytes()[:-4] + b"abcd")
    with findalike.open(opened.path) as library:
        said = "\n".join(str(each) for each in library.check())
        assert str(copy) in said
        assert "put that one back" in said
        report = library.add(drawings)
        assert [failure.stage for failure in report.failures] == ["encode"]
        assert str(copy) in report.failures[0].error


def test_a_network_that_is_gone_is_named_with_what_to_type(
    opened: findalike.Library, drawings: Path, tmp_path: Path
) -> None:
    small.network(tmp_path / "net.onnx")
    opened.add(drawings, encoder=f"file:{tmp_path / 'net'}")
    opened.close()
    (tmp_path / "net.onnx").unlink()
    with findalike.open(opened.path) as library:
        with pytest.raises(FindalikeError, match=r"net\.onnx is gone.*findalike index --encoder file:PATH"):
            library.search(drawings / "1.png", encoder=f"file:{tmp_path / 'net'}")
        small.network(tmp_path / "net.onnx", seed=1)  # another training under the old name
        with pytest.raises(EncoderError, match="is not the file that file:net-"):
            library.search(drawing(77), encoder=library_space(library))
        with pytest.raises(FindalikeError, match=r"holds .*, not file:.*findalike index --encoder"):
            library.search(drawing(77), encoder=f"file:{tmp_path / 'net'}")


@pytest.mark.parametrize("seed", [None, 1], ids=["gone", "another"])
def test_a_network_that_is_lost_keeps_nothing_else_from_being_indexed(
    opened: findalike.Library, drawings: Path, tmp_path: Path, seed: int | None
) -> None:
    small.network(tmp_path / "net.onnx")
    opened.add(drawings, encoder=f"file:{tmp_path / 'net'}")
    opened.close()
    if seed is None:
        (tmp_path / "net.onnx").unlink()
    else:
        small.network(tmp_path / "net.onnx", seed=seed)
    drawing(77).save(tmp_path / "new.png")
    with findalike.open(opened.path) as library:
        before = library.store.status()
        report = library.add(tmp_path / "new.png")
        assert report.added == 1
        (failure,) = report.failures
        assert (failure.uri, failure.stage) == (str(tmp_path / "net.onnx"), "encode")
        assert "net.onnx" in failure.error
        grown = {space: one.rows - before[space].rows for space, one in library.store.status().items()}
        assert grown == {space: int(not space.startswith("file:")) for space in before}
    small.network(tmp_path / "net.onnx")
    with findalike.open(opened.path) as library:
        assert library.add(tmp_path / "new.png").failures == ()
        assert library.store.status()[library_space(library)].rows == before[BASE.space].rows + 1


def library_space(library: findalike.Library) -> str:
    return next(space for space in library.store.cards() if space.startswith("file:"))


def test_heads_stand_on_heads(opened: findalike.Library, tmp_path: Path) -> None:
    small.head(tmp_path / "first.onnx", BASE, DIM)
    first = catalog.find(f"file:{tmp_path / 'first'}")
    small.head(tmp_path / "second.onnx", first, 4, seed=5)
    report = opened.add(encoder=[f"file:{tmp_path / 'first'}", f"file:{tmp_path / 'second'}"])
    assert report.encoded == 12
    second = catalog.find(f"file:{tmp_path / 'second'}")
    below, above = rows(opened, first.space), rows(opened, second.space)
    for name, vector in above.items():
        np.testing.assert_allclose(vector, unit(below[name] @ small.matrix(DIM, 4, 5)), atol=2e-3)
    opened.close()
    for path in tmp_path.glob("*.onnx"):
        path.unlink()
    with findalike.open(opened.path) as library:  # each copy finds the other beside it
        assert {each.kind for each in library.check()} <= {"missing files"}
        asked = next(iter(library.store.assets()))
        assert library.search(asked.id, encoder=second.space)


def test_an_attribute_is_learned_on_a_head_only_where_it_is_named(
    opened: findalike.Library, tmp_path: Path
) -> None:
    small.head(tmp_path / "head.onnx", BASE, DIM)
    opened.add(encoder=f"file:{tmp_path / 'head'}")
    for place, asset in enumerate(opened.store.assets()):
        opened.edit([asset.id], metadata={"kind": "even" if place % 2 else "odd"})
    learned_on = [
        {
            space
            for score in opened.learn_attribute("kind", folds=2, encoder=name).info.scores
            for space in score.spaces
        }
        for name in (None, library_space(opened))
    ]
    assert library_space(opened) not in learned_on[0]
    assert library_space(opened) in learned_on[1]


def test_what_a_library_learns_on_a_head_stays_whole_too(opened: findalike.Library, tmp_path: Path) -> None:
    small.head(tmp_path / "head.onnx", BASE, DIM)
    opened.add(encoder=f"file:{tmp_path / 'head'}")
    lesson = opened.learn_whitening(library_space(opened), dim=3, name="small")
    small.head(tmp_path / "above.onnx", lesson.cards[0], 2)
    opened.add(encoder=f"file:{tmp_path / 'above'}")
    opened.close()
    for path in tmp_path.glob("*.onnx"):
        path.unlink()
    moved = shutil.move(opened.path, tmp_path / "elsewhere")
    with findalike.open(moved) as library:
        assert {each.kind for each in library.check()} <= {"missing files"}
        assert len(library.store.cards()) == 5
        for space in library.store.cards():
            assert library.search(drawing(77), encoder=space, k=1)


def test_without_a_path_only_what_needs_no_picture_is_added(
    opened: findalike.Library, tmp_path: Path
) -> None:
    small.network(tmp_path / "net.onnx")
    small.head(tmp_path / "head.onnx", catalog.find("gist"), DIM)
    with pytest.raises(UsageError, match="looks at the pictures: give their folders, too"):
        opened.add(encoder=f"file:{tmp_path / 'net'}")
    with pytest.raises(UsageError, match=r"made of the vectors of gist@.*does not have: give the folders"):
        opened.add(encoder=f"file:{tmp_path / 'head'}")
    with pytest.raises(UsageError, match="nothing to index"):
        opened.add()
    assert len(opened.store.cards()) == 2


def test_a_head_whose_base_the_library_lacks_runs_it_on_the_pictures(drawings: Path, tmp_path: Path) -> None:
    base = catalog.find("dominant-colours")
    small.head(tmp_path / "head.onnx", base, DIM)
    with findalike.open(tmp_path / "library", encoder=f"file:{tmp_path / 'head'}") as library:
        library.add(drawings)
        card = next(iter(library.store.cards().values()))
        head = catalog.load(catalog.find(f"file:{tmp_path / 'head'}"), settings.load())
        with Image.open(drawings / "2.png") as image:
            shown = Picture(np.asarray(image.convert("RGB")), Origin(""), 200, 160)
        expected = encode(head, [shown])[0]
        assert rows(library, card.space)["2.png"] @ expected == pytest.approx(1, abs=1e-3)
        assert base.space not in library.store.cards()


def test_copies_of_heads_are_brought_where_workers_are(tmp_path: Path) -> None:
    small.head(tmp_path / "head.onnx", BASE, DIM)
    card = catalog.find(f"file:{tmp_path / 'head'}")
    home = learned.Home(MemorySidecars(), tmp_path / "worker")
    file.keep(card, home)
    assert home.sidecars.names() == [f"learned/{card.name.replace(':', '-')}{e}" for e in (".json", ".onnx")]
    for path in tmp_path.glob("head.*"):
        path.unlink()
    found = learned.at_home(card, home)
    assert str(tmp_path / "worker") in found.source
    assert catalog.load(catalog.installed(found), settings.load()).card.space == card.space


# What is refused


def broken(tmp_path: Path, graph: bytes | None = None, **changes: Any) -> Path:
    """A pair that was right, with another graph (its hash put right) and other values in its card."""
    small.head(tmp_path / "head.onnx", BASE, DIM)
    path = tmp_path / "head.json"
    if graph is not None:
        (tmp_path / "head.onnx").write_bytes(graph)
        changes = {"onnx_sha256": hashlib.sha256(graph).hexdigest(), **changes}
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not ...}))
    return path


MATRIX = small.matrix(BASE.dim, DIM)

CARDS: Mapping[str, tuple[dict[str, Any], str]] = {
    "a dimension that the graph does not give": ({"dim": 7}, r"gives an array of .*6, but its card claims 7"),
    "no dimension": ({"dim": ...}, "dim is missing, but it must be a whole number"),
    "a dimension in words": ({"dim": "six"}, 'dim is "six", but it must be a whole number'),
    "a dimension of true": ({"dim": True}, "dim is true"),
    "no numbers at all": ({"dim": 0}, "dim is 0, but it must be from 1"),
    "another kind": ({"kind": "tower"}, 'kind is "tower", but it must be head or network'),
    "a later format": ({"findalike": 2}, r"head\.json.* format 2, and this findalike reads 1"),
    "no format": ({"findalike": ...}, 'must be an object with "findalike": 1'),
    "a name that is a path": ({"name": "../head"}, "name is"),
    "a base in words": ({"base": "colour"}, "base is"),
    "half a base": ({"base": {"space": "colour"}}, "base must be an object that gives space, reference"),
    "no base": ({"base": ...}, "base must be an object"),
    "a base of another hash": (
        {"base": {**file_card.mention(BASE), "sha256": "ab" * 32}}, r"trained on vectors of .*abab",
    ),
    "a base of another space": (
        {"base": {**file_card.mention(BASE), "space": "colour@99-float32"}},
        "trained on vectors of colour@99-float32 .* put that encoder back",
    ),
    "a base of another precision": (
        {"base": {**file_card.mention(BASE), "precision": "int8"}}, "colour in int8",
    ),
    "a base that is nowhere": (
        {"base": {**file_card.mention(BASE), "reference": "onnx:/nowhere/net.onnx"}},
        r"needs the encoder colour.*net\.onnx is not there",
    ),
    "a base of other numbers": (
        {"base": file_card.mention(catalog.find("layout"))}, r"takes vectors of \d+ numbers",
    ),
    "another hash": ({"onnx_sha256": "12" * 32}, r"is not the file that head\.json is the card of"),
    "no hash": ({"onnx_sha256": "12"}, "onnx_sha256 is"),
    "another metric": ({"metric": "dot"}, 'metric is "dot", but it must be cosine'),
    "a calibration that falls": ({"calibration": [[0, 0], [0.5, 1], [0.4, 1]]}, "calibration is"),
    "pictures that are no digests": ({"trained": {"pictures": ["a.jpg"]}}, "trained is"),
    "training in words": ({"trained": "yes"}, "trained is"),
    "a recipe of nothing": ({"kind": "network"}, "recipe does not say how pictures become pixels"),
    "a recipe of a filter that nobody has": (
        {"kind": "network", "recipe": {"size": [8, 8], "scaled": 8, "resample": "magic"}},
        "resample is 'magic'",
    ),
    "a recipe without a size": ({"kind": "network", "recipe": {"scaled": 8}}, "size"),
    "a network that is a head": (
        {"kind": "network", "recipe": {"side": 8, "crop": 1}}, r"must take pixels \(uint8 \?×8×8×3\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CARDS)
def test_a_card_that_lies_is_refused(tmp_path: Path, what: str) -> None:
    changes, said = CARDS[what]
    with pytest.raises(FindalikeError, match=said) as caught:
        catalog.load(catalog.find(f"file:{broken(tmp_path, **changes)}"), settings.load())
    assert "head" in str(caught.value)


def edited(change: Callable[[Any], object]) -> bytes:
    """The graph of the head, changed."""
    model = onnx.load_from_string(small.head_bytes(MATRIX))
    change(model)
    return model.SerializeToString()


def elsewhere(place: str) -> bytes:
    """The graph, which says that its weights lie in another file."""

    def change(model: Any) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=place)

    return edited(change)


def in_a_branch(place: str) -> bytes:
    """The same, hidden in a branch of a node."""
    inner = onnx.load_from_string(elsewhere(place)).graph
    return edited(
        lambda model: model.graph.node.append(
            helper.make_node("If", ["yes"], ["never"], then_branch=inner, else_branch=inner)
        )
    )


def foreign(model: Any) -> None:
    model.graph.node[0].domain = "com.example"
    model.opset_import.add(domain="com.example", version=1)


def batch_dependent() -> bytes:
    """A head that takes off the mean of the rows it is given, as batch normalisation in training does."""
    nodes = [
        helper.make_node("ReduceMean", ["vectors"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["vectors", "mean"], ["centred"]),
        helper.make_node("MatMul", ["centred", "matrix"], ["embedding"]),
    ]
    ports = [small.value("vectors", ["n", BASE.dim])], [small.value("embedding", ["n", DIM])]
    return small.as_bytes(nodes, *ports, matrix=MATRIX)


def spoilt() -> bytes:
    """A head whose numbers overflow."""
    nodes = [helper.make_node("MatMul", ["vectors", "matrix"], ["flat"]),
             helper.make_node("Log", ["flat"], ["embedding"])]  # fmt: skip
    ports = [small.value("vectors", ["n", BASE.dim])], [small.value("embedding", ["n", DIM])]
    return small.as_bytes(nodes, *ports, matrix=MATRIX)


GRAPHS: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "is empty"),
    "half of it": (lambda: small.head_bytes(MATRIX)[:200], r"is no ONNX model|cannot be loaded"),
    "noise": (lambda: bytes(range(1, 200)), "is no ONNX model"),
    "a pointer": (lambda: b"version https://git-lfs.github.com/spec/v1\n", "is no ONNX model|Git LFS"),
    "another name of its input": (lambda: small.head_bytes(MATRIX, takes="x"), "must take vectors"),
    "another name of its output": (lambda: small.head_bytes(MATRIX, gives="y"), "must give embedding"),
    "another width": (
        lambda: small.head_bytes(small.matrix(BASE.dim + 1, DIM)), rf"takes vectors of {BASE.dim + 1} numbers"
    ),
    "any width": (lambda: small.head_bytes(MATRIX, width="m"), "fixed number of columns"),
    "one row at a time": (lambda: small.head_bytes(MATRIX, rows=1), "any number of rows"),
    "another dimension": (lambda: small.head_bytes(small.matrix(BASE.dim, 9)), "×9, but its card claims 6"),
    "a dimension that it hides": (
        lambda: small.head_bytes(small.matrix(BASE.dim, 9), dim="m"), "9, but its card claims 6"
    ),
    "weights elsewhere": (lambda: elsewhere("../../etc/passwd"), r"another file, \.\./\.\./etc/passwd"),
    "weights beside": (lambda: elsewhere("head.onnx.data"), "external_data=False"),
    "weights elsewhere, in a branch": (lambda: in_a_branch("/etc/passwd"), "another file, /etc/passwd"),
    "operators of others": (lambda: edited(foreign), r"needs the operator com\.example::MatMul"),
    "weights that are no numbers": (
        lambda: small.head_bytes(MATRIX * np.float32("nan")), "weights that are not finite in 'matrix'"
    ),
    "numbers that are none": (spoilt, "gives numbers that are not finite"),
    "rows that hang together": (batch_dependent, r"alone than among others.*module\.eval\(\)"),
}  # fmt: skip


@pytest.mark.parametrize("what", GRAPHS)
def test_a_graph_that_is_not_what_its_card_says_is_refused(tmp_path: Path, what: str) -> None:
    made, said = GRAPHS[what]
    with pytest.raises(EncoderError, match=said) as caught:
        catalog.load(catalog.find(f"file:{broken(tmp_path, made())}"), settings.load())
    assert "head" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"findalike": 1', "null", "\x00", "[" * 100_000])
def test_a_card_that_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    small.head(tmp_path / "head.onnx", BASE, DIM)
    (tmp_path / "head.json").write_text(text)
    assert "head.json" in refused(tmp_path / "head.onnx")


@pytest.mark.parametrize("names", [("me",), ("one", "other")])
def test_a_head_that_is_under_itself_is_named(tmp_path: Path, names: tuple[str, ...]) -> None:
    """The base of each is the next, of the last the first."""
    for name, base in zip(names, (*names[1:], names[0]), strict=True):
        small.head(tmp_path / f"{name}.onnx", BASE, DIM)
        card = tmp_path / f"{name}.json"
        values = json.loads(card.read_text())
        values["base"]["reference"] = f"file:{tmp_path / base}.onnx"
        card.write_text(json.dumps(values))
    with pytest.raises(EncoderError, match=rf"{names[0]}\.onnx cannot be its own base"):
        catalog.find(f"file:{tmp_path / names[0]}")


def test_a_head_is_not_taken_for_its_base_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    small.head(tmp_path / "a" / "shop.onnx", BASE, DIM)
    below = catalog.find(f"file:{tmp_path / 'a' / 'shop'}")
    small.head(tmp_path / "b" / "shop.onnx", below, 3)
    found = file.base(catalog.find(f"file:{tmp_path / 'b' / 'shop'}"))
    assert (found, below.dim) == (below, DIM)


@pytest.mark.parametrize("gone", ["head.onnx", "head.json"])
def test_one_file_of_a_pair_is_none(tmp_path: Path, gone: str) -> None:
    small.head(tmp_path / "head.onnx", BASE, DIM)
    (tmp_path / gone).unlink()
    said = refused(tmp_path / "head.onnx")
    assert f"{tmp_path / gone} is not there" in said
    assert "keep them together" in said


class Trap:
    """Would make a file where anything read it as a pickle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def trapped(path: Path, trap: Path, how: str) -> None:
    if how == "pickle":
        path.write_bytes(pickle.dumps(Trap(trap), protocol=4))
    elif how == "old pickle":
        path.write_bytes(pickle.dumps(Trap(trap), protocol=0))
    elif how == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(Trap(trap)))
    else:
        with path.open("wb") as opened:
            np.save(opened, np.array([Trap(trap)], object), allow_pickle=True)


@pytest.mark.parametrize("how", ["pickle", "old pickle", "zip", "numpy"])
@pytest.mark.parametrize("name", ["head.pt", "head.pth", "head.bin", "head.npz", "head.onnx", "head"])
def test_no_pickle_is_opened(tmp_path: Path, name: str, how: str) -> None:
    small.head(tmp_path / "head.onnx", BASE, DIM)
    path, trap = tmp_path / name, tmp_path / "sprung"
    trapped(path, trap, how)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    values = json.loads((tmp_path / "head.json").read_text()) | {"onnx_sha256": digest}
    (tmp_path / "head.json").write_text(json.dumps(values))
    said = refused(path)
    assert "pickle" in said or name == "head"
    assert "export" in said or name == "head"
    assert not trap.exists()


@pytest.mark.parametrize("how", ["pickle", "zip"])
@pytest.mark.parametrize("name", ["network.pt", "network.onnx"])
def test_other_families_open_no_pickle_either(tmp_path: Path, name: str, how: str) -> None:
    path, trap = tmp_path / name, tmp_path / "sprung"
    trapped(path, trap, how)
    with pytest.raises(EncoderError, match=rf"{name} .*opens no pickle"):
        catalog.find(f"onnx:{path}")
    with pytest.raises(EncoderError, match=rf"{name} .*opens no pickle"):
        regions.load(f"onnx:{path}", settings.load())
    assert not trap.exists()


def test_a_file_of_another_kind_is_pointed_to_its_family(tmp_path: Path) -> None:
    (tmp_path / "head.tflite").write_bytes(b"TFL3")
    assert "--encoder onnx:" in refused(tmp_path / "head.tflite")
    assert "is not there" in refused(tmp_path / "nowhere.onnx")
    with pytest.raises(UsageError, match="names no model"):
        catalog.find("file:")


def test_no_hub_is_asked_for_a_pair() -> None:
    assert not catalog.on_hub("file:owner/head")
    with pytest.raises(UsageError, match=r"owner/head\.onnx is not there"):
        catalog.find("file:owner/head")


def test_a_precision_that_a_pair_is_not_of_is_refused(tmp_path: Path) -> None:
    small.head(tmp_path / "head.onnx", BASE, DIM)
    with pytest.raises(UsageError, match="is computed in float32; leave out the precision"):
        catalog.find(f"file:{tmp_path / 'head'}", "int8")


# What it was trained on


def test_the_pictures_of_a_training_are_told_by_their_beginnings() -> None:
    names = [f"{n:064x}"[::-1] for n in range(300)]
    card = FileCard("head", "x", 2, trained={"pictures": file_card.pictures([*names[:100], names[0]])})
    assert len(card.trained["pictures"]) == 100
    assert card.trained["pictures"] == sorted(name[:12] for name in names[:100])
    assert file_card.seen(card, names) == [True] * 100 + [False] * 200
    assert file_card.seen(FileCard("head", "x", 2), names[:2]) == [False, False]


# On the command line


def test_commands_take_a_head(cli: Cli, indexed: Path, tmp_path: Path) -> None:
    library, reference = shutil.copytree(indexed, tmp_path / "library"), f"file:{tmp_path / 'head.onnx'}"
    small.head(tmp_path / "head.onnx", BASE, DIM, trained={"what": "metric", "before": 0.25, "after": 0.5})
    done = cli("index", "--encoder", reference, library=library)
    assert (done.returncode, "6 newly encoded" in done.stdout) == (0, True), done.stderr
    asked = json.loads(cli("search", "--where", "size >= 0", "--json", library=library).stdout)[0]["asset"]
    found = cli("search", f"id:{asked}", "--encoder", reference, "--json", library=library)
    assert {hit["space"] for hit in json.loads(found.stdout)} == {catalog.find(reference).space}
    told = cli("info", library=library).stdout
    assert "file:head-" in told
    assert "0.250 before, 0.500 after" in told
    listed = cli("encoders").stdout
    assert "file:NAME.onnx, from findalike train" in listed
    described = cli("encoders", reference)
    assert "(metric)" in described.stdout
    assert "0.250 before, 0.500 after" in described.stdout
    record = json.loads(cli("encoders", reference, "--json").stdout)
    assert [(each["name"], each["trained"]["after"]) for each in record] == [
        (catalog.find(reference).name, 0.5)
    ]
    wrong = cli("index", "--encoder", "file:nowhere.onnx", library=library, cwd=tmp_path)
    assert (wrong.returncode, "nowhere.onnx is not there" in wrong.stderr) == (2, True)
    (tmp_path / "head.pt").write_bytes(b"\x80\x04.")
    pickled = cli("index", "--encoder", f"file:{tmp_path / 'head.pt'}", library=library)
    assert (pickled.returncode, "opens no pickle" in pickled.stderr) == (1, True)
    assert cli("index", "--encoder", reference, library=tmp_path / "none").returncode == 4


def test_the_server_searches_a_kept_head_and_opens_no_path_of_a_client(indexed: Path, tmp_path: Path) -> None:
    small.head(tmp_path / "head.onnx", BASE, DIM)
    path = shutil.copytree(indexed, tmp_path / "library")
    with findalike.open(path) as library:
        library.add(encoder=f"file:{tmp_path / 'head'}")
        name = catalog.find(f"file:{tmp_path / 'head'}").name
        asked = next(iter(library.store.assets())).id
    (tmp_path / "head.onnx").unlink()
    with serving(path, Config(port=0, writable=False), mode="r") as served, served.client() as client:
        listed = {each["name"]: each for each in client.get("/v1/encoders").json()["encoders"]}
        assert (listed[name]["dim"], listed[name]["in_library"]) == (DIM, True)
        query = {"encoder": name, "like": asked}
        found = client.get("/v1/search", params=query)
        assert found.status_code == 200, found.text
        assert {hit["space"] for hit in found.json()["hits"]} == {f"{name}@1-float32"}
        refused = client.get("/v1/search", params={**query, "encoder": f"file:{tmp_path / 'head.json'}"})
        assert (refused.status_code, "has no encoder" in refused.text) == (422, True)


def test_a_head_travels_with_the_library(cli: Cli, indexed: Path, tmp_path: Path) -> None:
    small.head(tmp_path / "head.onnx", BASE, DIM)
    library = shutil.copytree(indexed, tmp_path / "library")
    assert cli("index", "--encoder", f"file:{tmp_path / 'head'}", library=library).returncode == 0
    assert cli("export", tmp_path / "exported", library=library).returncode == 0
    for path in [*tmp_path.glob("head.*"), *library.glob("learned/*")]:
        path.unlink()
    run = cli("import", tmp_path / "exported", library=tmp_path / "again")
    assert run.returncode == 0, run.stderr
    doctor = cli("doctor", library=tmp_path / "again")
    assert "file:head" not in doctor.stdout
    assert "missing files: 6" in doctor.stdout
    assert "file:head" in cli("doctor", library=library).stdout


def test_a_card_that_was_changed_since_is_refused(opened: findalike.Library, tmp_path: Path) -> None:
    small.head(tmp_path / "head.onnx", BASE, DIM, calibration=((0.0, 0.0), (1.0, 1.0)))
    opened.add(encoder=f"file:{tmp_path / 'head'}")
    copy = next(Path(opened.path).glob("learned/file-head-*.json"))
    opened.close()
    values = json.loads(copy.read_text())
    copy.write_text(json.dumps(values | {"calibration": [], "licence": "CC0-1.0"}))  # which changes no vector
    with findalike.open(opened.path) as library:
        assert library.search(drawing(77), encoder=library_space(library))
    copy.write_text(json.dumps(values | {"text": {"tower": "findalike"}}))
    with findalike.open(opened.path) as library:
        with pytest.raises(EncoderError, match=r"\.json says another preprocessing than when file:head-"):
            library.search(drawing(77), encoder=library_space(library))
        assert "says another preprocessing" in "\n".join(each.detail for each in library.check())


def test_an_encoder_is_forgotten_and_the_library_goes_on(
    opened: findalike.Library, tmp_path: Path, cli: Cli
) -> None:
    """Also one whose files are gone; what it was made from, and what the library began with, stay."""
    small.head(tmp_path / "head.onnx", BASE, DIM)
    opened.add(encoder=f"file:{tmp_path / 'head.onnx'}")
    before, first = set(opened.store.cards()), next(iter(opened.store.cards()))
    space = next(each for each in before if each.startswith("file:head-"))
    for path in tmp_path.glob("head.*"):
        path.unlink()
    for name, why in ((BASE.space, "is made from"), (first, "began with")):
        with pytest.raises(UsageError, match=why):
            opened.remove_encoder(name)
    with pytest.raises(LibraryMismatch, match="has no nothing"):
        opened.remove_encoder("nothing")
    opened.close()
    done = cli("remove", "--encoder", space, "--library", opened.path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Forgot {space}.")
    with findalike.open(opened.path, "r") as library:
        assert set(library.store.cards()) == before - {space}
        assert len(library) == 6
        assert not [problem for problem in library.check() if problem.kind == "card"]
