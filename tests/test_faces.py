"""Faces: the networks against dlib and plain numpy, their files, and what becomes of pictures."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

import findalike
import small_models
from findalike import runtime, settings
from findalike.encode import catalog
from findalike.encode.base import encode
from findalike.encode.faces import arrays, chips, detector, encoder, network, residual
from findalike.encode.faces.encoder import FaceEncoder
from findalike.errors import EncoderError, ExtraMissing, LibraryMismatch, UsageError
from findalike.types import Origin, Picture

for package in ("mtcnn", "face_recognition_models", "lz4"):
    if find_spec(package) is None:
        pytest.skip("pip install 'findalike[faces]'", allow_module_level=True)
skimage = pytest.importorskip("skimage", reason="pip install 'findalike[classical]'")
dlib = pytest.importorskip("dlib", reason="pip install dlib-bin")

SPACE = "faces@1-int8"
DATA = Path(__file__).parents[2] / "shared/data/faces"
Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def faces() -> FaceEncoder:
    return encoder.load(catalog.find("faces", "float32"), settings.default())


@pytest.fixture(scope="module")
def astronaut() -> Pixels:
    return np.asarray(skimage.data.astronaut())


def picture(pixels: Pixels) -> Picture:
    return Picture(pixels, Origin("one"), pixels.shape[1], pixels.shape[0])


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def model(name: str) -> str:
    return str(runtime.locate("face_recognition_models", f"models/{name}.dat"))


# The networks


def test_the_descriptor_is_that_of_dlib(faces: FaceEncoder, astronaut: Pixels) -> None:
    oracle = dlib.face_recognition_model_v1(model("dlib_face_recognition_resnet_model_v1"))
    noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3), np.uint8)
    squares = [astronaut[40:190, 150:300], astronaut[300:450, :150], noise, np.zeros_like(noise)]
    expected = [oracle.compute_face_descriptor(np.ascontiguousarray(each)) for each in squares]
    found = faces.describe([picture(each) for each in squares])
    np.testing.assert_allclose(found, np.array(expected), atol=1e-4)


def test_the_descriptor_in_int8_is_nearly_that(faces: FaceEncoder, astronaut: Pixels) -> None:
    small = encoder.load(catalog.find("faces"), settings.default())
    assert (small.card.precision, faces.card.precision) == ("int8", "float32")
    pictures = [picture(astronaut), picture(np.ascontiguousarray(astronaut[::2, ::2]))]
    cosines = (encode(small, pictures) * encode(faces, pictures)).sum(axis=1)
    assert cosines.min() > 0.999


def test_a_face_and_its_mirror_image_have_the_same_vector(faces: FaceEncoder, astronaut: Pixels) -> None:
    (face,) = faces.parts(picture(astronaut))
    mirrored = Picture(face.pixels[:, ::-1], face.origin, face.width, face.height)
    one, other = encode(faces, [face, mirrored])
    np.testing.assert_allclose(one, other, atol=1e-6)
    alone = faces.describe([face])[0] + faces.describe([mirrored])[0]
    np.testing.assert_allclose(one, alone / np.linalg.norm(alone), atol=1e-6)


def convolved(x: NDArray[Any], kernel: NDArray[Any], bias: NDArray[Any]) -> NDArray[Any]:
    """Of (h, w, c) by (k, k, c, out), by the definition."""
    windows = sliding_window_view(x, kernel.shape[:2], axis=(0, 1))
    return np.einsum("hwcij,ijco->hwo", windows, kernel) + bias


def prelu(x: NDArray[Any], slopes: NDArray[Any]) -> NDArray[Any]:
    return np.where(x > 0, x, x * slopes.ravel())


def largest(x: NDArray[Any], size: int) -> NDArray[Any]:
    """Of windows two apart, those at the end cut off by it."""
    rows, columns = range(0, x.shape[0], 2), range(0, x.shape[1], 2)
    return np.array([[x[i : i + size, j : j + size].max(axis=(0, 1)) for j in columns] for i in rows])


def softmax(x: NDArray[Any]) -> NDArray[Any]:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def weights(name: str) -> list[NDArray[Any]]:
    return [
        each.astype(np.float64) for each in arrays.read(runtime.locate("mtcnn", f"assets/weights/{name}"))
    ]


def test_the_first_network_is_what_numpy_computes(faces: FaceEncoder, astronaut: Pixels) -> None:
    small = resized(astronaut, 31, 24)
    w = weights("pnet.lz4")
    x = largest(prelu(convolved((small - 127.5) / 128, w[0], w[1]), w[2]), 2)
    x = prelu(convolved(prelu(convolved(x, w[3], w[4]), w[5]), w[6], w[7]), w[8])
    boxes, chances = faces.detector.proposal.run(["boxes", "faces"], {"pixels": small[None]})
    np.testing.assert_allclose(boxes[0].transpose(1, 2, 0), convolved(x, w[9], w[10]), atol=1e-4)
    np.testing.assert_allclose(chances[0], softmax(convolved(x, w[11], w[12]))[..., 1], atol=1e-5)


def test_the_last_network_is_what_numpy_computes(faces: FaceEncoder, astronaut: Pixels) -> None:
    small = resized(astronaut[50:190, 155:295], 48, 48)
    w = weights("onet.lz4")
    x = largest(prelu(convolved((small - 127.5) / 128, w[0], w[1]), w[2]), 3)
    x = largest(prelu(convolved(x, w[3], w[4]), w[5]), 3)[:10, :10]  # here, windows that are cut off are none
    x = largest(prelu(convolved(x, w[6], w[7]), w[8]), 2)
    x = prelu(convolved(x, w[9], w[10]), w[11])
    hidden = prelu(x.transpose(1, 0, 2).ravel() @ w[12] + w[13], w[14])
    names = ["boxes", "landmarks", "faces"]
    boxes, landmarks, chances = faces.detector.output.run(names, {"pixels": small[None]})
    np.testing.assert_allclose(boxes[0], hidden @ w[15] + w[16], atol=1e-4)
    np.testing.assert_allclose(landmarks[0], hidden @ w[17] + w[18], atol=1e-4)
    np.testing.assert_allclose(chances[0], softmax(hidden @ w[19] + w[20])[1], atol=1e-5)
    assert chances[0] > 0.99


# Where faces are


def test_a_face_is_found_where_dlib_finds_it(faces: FaceEncoder, astronaut: Pixels) -> None:
    found = faces.find(picture(astronaut))
    (there,) = dlib.get_frontal_face_detector()(astronaut)
    points = dlib.shape_predictor(model("shape_predictor_5_face_landmarks"))(astronaut, there).parts()
    x, y = np.array([(point.x, point.y) for point in points], float).T
    assert len(found) == 1
    assert found.chances[0] > 0.99
    left, top, right, bottom = found.boxes[0]
    assert left < x.min() < x.max() < right
    assert top < y.min() < y.max() < bottom
    # dlib's five points are the corners of both eyes, the right one first, and the base of the nose
    np.testing.assert_allclose(found.landmarks[0, 0], [x[2:4].mean(), y[2:4].mean()], atol=5)
    np.testing.assert_allclose(found.landmarks[0, 1], [x[:2].mean(), y[:2].mean()], atol=5)
    assert abs(found.landmarks[0, 2] - [x[4], y[4]]).max() < 15


def test_a_part_says_where_its_face_is(faces: FaceEncoder, astronaut: Pixels) -> None:
    whole = Picture(astronaut, Origin("one", "frame", time=3.5), 1024, 1024)  # of which these are a reduction
    (face,) = faces.parts(whole)
    assert face.origin.asset_id == "one"
    assert (face.origin.part, face.origin.time, face.origin.label) == ("face", 3.5, "1.00")
    expected = np.array([182, 60, 269, 175]) / 512
    np.testing.assert_allclose(face.origin.box, expected, atol=4 / 512)
    assert abs(face.width - 174) < 12
    assert abs(face.height - 230) < 12
    assert face.pixels.shape == (150, 150, 3)


def overlap(one: NDArray[Any], other: NDArray[Any], within: bool) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(across, 0) * max(down, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(shared / (min(areas) if within else sum(areas) - shared))


@pytest.mark.parametrize("within", [False, True])
def test_boxes_of_the_same_are_taken_once(within: bool) -> None:
    rng = np.random.default_rng(5)
    corners = rng.uniform(0, 100, (120, 2))
    boxes = np.hstack([corners, corners + rng.uniform(10, 40, (120, 2))]).astype(np.float32)
    chances = rng.random(120).astype(np.float32)
    expected: list[int] = []
    for place in np.argsort(-chances):
        if all(overlap(boxes[place], boxes[kept], within) <= 0.4 for kept in expected):
            expected.append(int(place))
    assert detector.apart(boxes, chances, 0.4, 500, within).tolist() == expected
    assert detector.apart(boxes, chances, 0.4, 7, within).tolist() == expected[:7]
    assert len(detector.apart(boxes[:0], chances[:0], 0.4, 7, within)) == 0


def test_two_hundred_faces_in_one_picture(faces: FaceEncoder, astronaut: Pixels) -> None:
    tile = resized(astronaut[20:220, 120:320], 80, 80)
    found = faces.parts(picture(np.tile(tile, (10, 20, 1))))
    middles = np.array([(face.origin.box[0] + face.origin.box[2], face.origin.box[1] + face.origin.box[3])
                        for face in found]) / 2  # fmt: skip
    cells = {(int(x * 20), int(y * 10)) for x, y in middles}
    assert (len(found), len(cells)) == (200, 200)
    assert encode(faces, found).shape == (200, 128)


def test_no_more_faces_than_that_are_taken(faces: FaceEncoder, astronaut: Pixels) -> None:
    tile = resized(astronaut[40:200, 140:300], 40, 40)
    assert len(faces.find(picture(np.tile(tile, (25, 30, 1))))) == detector.MOST_FACES


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 4000, 3), (3000, 2, 3), (11, 11, 3), (30, 30, 3)])
def test_a_picture_too_small_for_a_face_has_none(faces: FaceEncoder, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert faces.parts(picture(pixels)) == []
    assert not encode(faces, [picture(pixels)]).any()


def test_pictures_without_faces_have_none(faces: FaceEncoder) -> None:
    for name in ("brick", "coffee", "chelsea", "coins"):
        pixels = np.asarray(Image.fromarray(getattr(skimage.data, name)()).convert("RGB"))
        assert faces.parts(picture(pixels)) == []


def test_a_huge_picture_is_bounded(faces: FaceEncoder, astronaut: Pixels) -> None:
    huge = np.zeros((5000, 8000, 3), np.uint8)
    huge[1000:3560, 2000:4560] = resized(astronaut, 2560, 2560)
    started = time.process_time()
    (face,) = faces.parts(picture(huge))
    assert time.process_time() - started < 10
    expected = (np.array([182, 60, 269, 175]) * 5 + [2000, 1000] * 2) / ([8000, 5000] * 2)
    np.testing.assert_allclose(face.origin.box, expected, atol=0.01)
    assert np.ptp(face.pixels) > 100


def test_a_face_of_twelve_pixels_is_not_found(faces: FaceEncoder, astronaut: Pixels) -> None:
    around = resized(astronaut, 70, 70)  # where the face is 12 pixels wide
    assert faces.parts(picture(np.pad(around, ((90, 90), (90, 90), (0, 0)), mode="edge"))) == []


def test_a_face_of_thirty_pixels_is_found(faces: FaceEncoder, astronaut: Pixels) -> None:
    small = np.pad(resized(astronaut, 176, 176), ((90, 90), (90, 90), (0, 0)), mode="edge")
    (whole,), (face,) = faces.parts(picture(astronaut)), faces.parts(picture(small))
    assert abs(face.width - 30) < 4
    one, other = encode(faces, [whole, face])
    assert one @ other > 0.97


@pytest.mark.parametrize("degrees", [-30, 20])
def test_a_face_at_a_slant_is_turned_upright(faces: FaceEncoder, astronaut: Pixels, degrees: int) -> None:
    slanted = np.asarray(Image.fromarray(astronaut).rotate(degrees, Image.Resampling.BICUBIC))
    (one,), (other,) = faces.parts(picture(astronaut)), faces.parts(picture(slanted))
    upright, turned = encode(faces, [one, other])
    assert upright @ turned > 0.98


def test_a_face_upside_down_is_not_taken_for_another_person(faces: FaceEncoder, astronaut: Pixels) -> None:
    upright, turned = encode(
        faces, [picture(astronaut), picture(np.ascontiguousarray(astronaut[::-1, ::-1]))]
    )
    assert (
        not turned.any() or upright @ turned > 0.9
    )  # it is not found; never is it found and described wrong


def test_the_least_side_and_chance_can_be_set(faces: FaceEncoder, astronaut: Pixels) -> None:
    small = np.pad(resized(astronaut, 176, 176), ((90, 90), (90, 90), (0, 0)), mode="edge")
    strict = encoder.detector(settings.load(face_sureness=100))
    assert len(encoder.detector(settings.load(face_side=80)).find(small)) == len(strict.find(small)) == 0
    three = (faces.detector.proposal, faces.detector.refinement, faces.detector.output)
    assert len(detector.Detector(*three).find(small)) == 1
    assert len(detector.Detector(*three, least_side=80).find(small)) == 0
    assert len(detector.Detector(*three, least_chances=(0.7, 0.7, 0.99999)).find(small)) == 0


# Cutting out


def test_a_similarity_is_the_one_of_least_squares() -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        points = rng.normal(100, 30, (5, 2)).astype(np.float32)
        places = (points @ [[0.6, -0.5], [0.5, 0.6]] + [7, -40] + rng.normal(0, 4, (5, 2))).astype(np.float32)
        oracle = skimage.transform.SimilarityTransform.from_estimate(points, places)
        np.testing.assert_allclose(chips.similarity(points, places), oracle.params[:2], atol=1e-4)


def test_a_cut_of_the_same_scale_is_the_picture_itself(astronaut: Pixels) -> None:
    places = np.array(chips.DLIB.places, np.float32)
    cut = chips.DLIB.of(astronaut, places + np.array([170, 40]))
    np.testing.assert_allclose(cut.astype(int), astronaut[40:190, 170:320], atol=1)


def test_a_cut_beyond_the_border_is_black_there(astronaut: Pixels) -> None:
    cut = chips.DLIB.of(astronaut, np.array(chips.DLIB.places, np.float32) - [50, 0])
    assert not cut[:, :49].any()
    np.testing.assert_allclose(cut[:, 51:].astype(int), astronaut[:150, 1:100], atol=1)


def test_a_large_face_is_averaged_not_sampled() -> None:
    fine = np.indices((1500, 1500)).sum(axis=0) % 2 * 255
    places = np.array(chips.DLIB.places, np.float32) * 10
    cut = chips.DLIB.of(np.repeat(fine[..., None], 3, axis=2).astype(np.uint8), places)
    assert abs(cut[5:-5, 5:-5].astype(int) - 127).max() <= 2


def test_landmarks_all_in_one_place_do_no_harm(astronaut: Pixels) -> None:
    assert chips.DLIB.of(astronaut, np.full((5, 2), 100, np.float32)).shape == (150, 150, 3)


# The files


def dumped(path: Path, content: Any) -> Path:
    pytest.importorskip("joblib").dump(content, path, compress=("lz4", 3))
    return path


def test_arrays_are_those_that_joblib_wrote(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    several = [rng.random(shape, np.float32) for shape in [(3, 3, 2, 5), (7,), (1, 1, 4), (300, 200)]]
    for found, expected in zip(arrays.read(dumped(tmp_path / "net.lz4", several)), several, strict=True):
        np.testing.assert_array_equal(found, expected)


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)

    folder: Path


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    Harmful.folder = tmp_path / "made by a pickle"
    for content in (Harmful(), [np.zeros(3, np.float32), Harmful()]):
        path = dumped(tmp_path / "net.lz4", content)
        with pytest.raises(EncoderError, match=r"net.lz4: not a joblib file .*mkdir"):
            arrays.read(path)
    assert not Harmful.folder.exists()
    dumped(tmp_path / "net.lz4", Harmful())
    pickle.loads(pickle.dumps(Harmful()))  # which would have run it
    assert Harmful.folder.exists()


@pytest.mark.parametrize(
    "content",
    [
        [np.zeros(3, np.float64)],
        [np.array(["text"], object)],
        {"weights": np.zeros(3, np.float32)},
        np.zeros(3, np.float32),
        [np.asfortranarray(np.ones((2, 3), np.float32))],
        ["no array"],
    ],
)
def test_a_file_of_other_things_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(EncoderError, match="not a joblib file of plain arrays"):
        arrays.read(dumped(tmp_path / "net.lz4", content))


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = dumped(tmp_path / "net.lz4", [np.random.default_rng(0).random((50, 50), np.float32)])
    whole = path.read_bytes()
    for size in (0, 3, 40, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:size])
        with pytest.raises(EncoderError, match="not a joblib file"):
            arrays.read(path)


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = dumped(tmp_path / "net.lz4", [np.zeros(arrays.MOST_BYTES // 4 + 1, np.float32)])
    assert path.stat().st_size < 2**20
    with pytest.raises(EncoderError, match="not a joblib file"):
        arrays.read(path)


def test_a_network_that_is_cut_off_or_no_network_is_refused(tmp_path: Path) -> None:
    whole = Path(model("dlib_face_recognition_resnet_model_v1")).read_bytes()
    path = tmp_path / "network.dat"
    for content in (b"", whole[:100], whole[:1_000_000], whole[:-1], os.urandom(5000), b"\x09" * 100):
        path.write_bytes(content)
        with pytest.raises(EncoderError, match=r"network.dat: not a network for faces"):
            network.read(path)


def test_layers_in_another_order_are_refused() -> None:
    read = network.read(Path(model("dlib_face_recognition_resnet_model_v1")))
    other = network.Network(read.mean, read.height, read.width, (*read.layers[:3], *read.layers[4:]))
    with pytest.raises(EncoderError, match="was expected"):
        residual.descriptor(other)


@pytest.mark.parametrize("role", list(encoder.FILES))
def test_a_spoilt_file_is_refused_by_its_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    package, name = encoder.FILES[role]
    original = runtime.locate(package, name)
    copy = tmp_path / "site" / package / name
    copy.parent.mkdir(parents=True)
    (tmp_path / "site" / package / "__init__.py").touch()
    shutil.copyfile(original, copy)
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path / "site")
    fresh = settings.load(cache=tmp_path / "cache")
    with pytest.raises(EncoderError, match=r"is not the expected file: its SHA-256"):
        encoder._session(role, fresh)
    assert not list((tmp_path / "cache").rglob("*.onnx"))


def test_the_extra_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, astronaut: Pixels
) -> None:
    Image.fromarray(astronaut).save(tmp_path / "astronaut.png")
    monkeypatch.setitem(sys.modules, "mtcnn", None)  # as where it is not installed
    with (
        findalike.open(":memory:") as library,
        pytest.raises(ExtraMissing, match=r"pip install 'findalike\[faces\]'"),
    ):
        library.add(tmp_path, faces=True)


def test_nothing_of_the_packages_is_imported(faces: FaceEncoder) -> None:
    assert not {"mtcnn", "face_recognition_models", "tensorflow"} & set(sys.modules)


# Through a library


@pytest.fixture
def album(tmp_path: Path, astronaut: Pixels) -> Path:
    """One person twice, a picture of two faces, and one of none."""
    folder = tmp_path / "album"
    folder.mkdir()
    Image.fromarray(astronaut).save(folder / "astronaut.png")
    Image.fromarray(astronaut[:300, 80:380, ::-1]).save(folder / "other colours.png")
    Image.fromarray(np.hstack([astronaut, astronaut[:, ::-1]])).save(folder / "two.png")
    Image.fromarray(skimage.data.coffee()).save(folder / "coffee.png")
    return folder


def test_faces_are_rows_of_their_own(album: Path, tmp_path: Path) -> None:
    with findalike.open(tmp_path / "library") as library:
        report = library.add(album, faces=True)
        assert (report.added, report.failures) == (4, ())
        ids = {Path(asset.uri).name: asset.id for asset in library.store.assets()}
        rows = library.store.rows(SPACE, ids.values())
        counts = {name: sum(row.asset_id == each for row in rows) for name, each in ids.items()}
        assert counts == {"astronaut.png": 1, "other colours.png": 1, "two.png": 2, "coffee.png": 0}
        assert {row.origin.part for row in rows} == {"face"}
        assert library.store.attached(SPACE) == set(ids.values())
        (row,) = [row for row in rows if row.asset_id == ids["astronaut.png"]]
        assert row.origin.key in library.store.attachments(ids["astronaut.png"])
        assert library.add(album).unchanged == 4
        hits = library.search(album / "astronaut.png", encoder="faces", k=5)
        assert {Path(hit.asset.uri).name for hit in hits} == {"other colours.png", "two.png"}
        (two,) = [hit for hit in hits if Path(hit.asset.uri).name == "two.png"]
        assert two.origin.part == "face"
        assert two.score > 0.9


def test_faces_are_off_unless_asked_for_and_kept_up_then(album: Path, tmp_path: Path) -> None:
    with findalike.open(tmp_path / "library") as library:
        library.add(album)
        assert SPACE not in library.store.cards()
        assert library.add(album, faces=True).encoded == 4
        shutil.copyfile(album / "astronaut.png", album / "once more.png")
        assert library.add(album).added == 1
        (new,) = [a.id for a in library.store.assets() if Path(a.uri).name == "once more.png"]
        assert len(library.store.rows(SPACE, [new])) == 1


def test_other_spaces_are_nearly_the_same_without_faces(tmp_path: Path, astronaut: Pixels) -> None:
    (tmp_path / "album").mkdir()
    Image.fromarray(resized(astronaut, 1500, 1400)).save(tmp_path / "album/large.png")
    vectors = []
    for name in ("plain", "faces"):
        with findalike.open(tmp_path / name) as library:
            library.add(tmp_path / "album", faces=name == "faces")
            (asset,) = library.store.assets()
            spaces = ["efficientnet-lite0@1-int8", "colour@1-float32", "layout@1-float32"]
            vectors.append([library.store.rows(space, [asset.id])[0].vector for space in spaces])
    for one, other in zip(*vectors, strict=True):
        assert one @ other > 0.99


def test_index_faces(album: Path, tmp_path: Path, cli: Any) -> None:
    library = str(tmp_path / "library")
    assert cli("index", str(album), "--faces", "--library", library).returncode == 0
    found = cli("search", str(album / "astronaut.png"), "-e", "faces", "--library", library, "--paths")
    assert sorted(map(os.path.basename, found.stdout.splitlines())) == ["other colours.png", "two.png"]


# Networks of the user's


def test_a_network_of_the_users_sees_faces_cut_out_for_it(
    tmp_path: Path, faces: FaceEncoder, astronaut: Pixels
) -> None:
    path = small_models.resnet(tmp_path / "mine.onnx", ("n", 3, 112, 112), ("features",))
    card = catalog.find(f"faces:onnx:{path}")
    assert card.name.startswith("faces:onnx:mine-")
    assert (card.dim, card.precision) == (8, "float32")
    mine = catalog.load(catalog.installed(card), settings.default())
    cut = chips.ARCFACE.of(astronaut, faces.find(picture(astronaut)).landmarks[0])
    expected = sum(features(each) for each in (cut, cut[:, ::-1]))
    (found,) = encode(mine, [picture(astronaut)])
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-5)


def features(cut: Pixels) -> NDArray[Any]:
    """What the small network gives for pixels from -1 to 1."""
    x = convolved(cut / 127.5 - 1, small_models.CONV.transpose(2, 3, 1, 0), 0)[::2, ::2]
    mean: NDArray[Any] = np.maximum(x, 0).mean(axis=(0, 1))
    return mean


def test_a_library_of_such_a_network_is_kept_up(album: Path, tmp_path: Path) -> None:
    path = small_models.resnet(tmp_path / "mine.onnx", ("n", 3, 112, 112), ("features",))
    with findalike.open(tmp_path / "library") as library:
        library.add(album, encoder=["efficientnet-lite0", f"faces:onnx:{path}"])
        (space,) = [space for space in library.store.cards() if space.startswith("faces:")]
        assert len(library.store.rows(space, [a.id for a in library.store.assets()])) == 4
        assert library.add(album).unchanged == 4
        assert len(library.search(album / "astronaut.png", encoder=f"faces:onnx:{path}", k=5)) == 2
        path.unlink()
        with pytest.raises(LibraryMismatch, match=r"mine\.onnx is gone.* --encoder faces:onnx:PATH"):
            library.add(album, retry=True)


def test_what_is_no_network_for_faces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="faces:onnx:FILE"):
        catalog.find("faces:mine.onnx")
    with pytest.raises(UsageError, match="is not there"):
        catalog.find(f"faces:onnx:{tmp_path}/mine.onnx")


# Many persons


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="needs the pictures of ../shared/data")
def test_persons_are_told_apart(faces: FaceEncoder) -> None:
    paths = [
        path for folder in sorted(DATA.iterdir())[:25] if folder.is_dir() for path in sorted(folder.iterdir())
    ]
    pictures = [picture(np.asarray(Image.open(path).convert("RGB"))) for path in paths]
    vectors = encode(faces, pictures)
    assert vectors.any(axis=1).mean() >= 0.98
    persons = np.array([path.parent.name for path in paths])
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    assert (persons[cosines.argmax(axis=1)] == persons).mean() >= 0.97
