"""Keypoints, alignments, structural similarity, and searches that are verified by them."""

from __future__ import annotations

import io
import itertools
import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

import findalike
from conftest import PHOTOGRAPHS, Cli, Photo
from findalike import verify
from findalike.errors import QueryError, UsageError
from findalike.present import matches
from findalike.present.caption import Pair
from findalike.query import Query, Term, from_json, to_json
from findalike.regions import overlap
from findalike.search.verified import is_verified
from findalike.verify import geometry
from findalike.verify.confidence import confidence, evidence, support

SIZE = (480, 360)


def array(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"))


def alignment_of(a: Image.Image, b: Image.Image, **how: bool) -> verify.Alignment | None:
    return verify.aligned(verify.keypoints(array(a)), verify.keypoints(array(b)), **how)


def farthest(found: np.ndarray, expected: np.ndarray, size: tuple[int, int]) -> float:
    """How far apart two transforms send the corners of a picture, in pixels."""
    frame = geometry.corners(*size)
    return float(np.abs(geometry.applied(found, frame) - geometry.applied(expected, frame)).max())


# Keypoints


@pytest.mark.parametrize("kind", ["sift", "orb"])
def test_keypoints_lie_in_the_picture_given(photo: Photo, kind: verify.Kind):
    found = verify.keypoints(array(photo("astronaut", (1500, 1000))), kind)
    assert (found.width, found.height, len(found)) == (1500, 1000, len(found.descriptors))
    assert 200 < len(found) <= 1000
    assert (found.points >= 0).all()
    assert (found.points <= (1499, 999)).all()
    assert found.points.max() > 1000  # not in those of the reduction


def test_sift_descriptors_have_unit_length(photo: Photo):
    lengths = np.linalg.norm(verify.keypoints(array(photo("coffee"))).descriptors, axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (4000, 3), (40, 60), (7, 7), (500, 500)])
def test_flat_and_odd_pictures_have_no_keypoints(shape: tuple[int, int]):
    found = verify.keypoints(np.full((*shape, 3), 130, np.uint8))
    assert len(found) == 0
    assert found.descriptors.shape == (0, 128)
    assert verify.aligned(found, found) is None


def test_keypoints_of_an_unknown_kind(photo: Photo):
    with pytest.raises(UsageError, match="there are sift, orb"):
        verify.keypoints(array(photo("coffee")), "surf")  # type: ignore[arg-type]
    sift, orb = (verify.keypoints(array(photo("coffee")), kind) for kind in ("sift", "orb"))
    with pytest.raises(UsageError, match="cannot be matched"):
        verify.aligned(sift, orb)
    with pytest.raises(UsageError, match="no mirrored keypoints"):
        verify.mirrored(orb)


def test_mirrored_keypoints_are_those_of_the_mirrored_picture(photo: Photo):
    picture = photo("coffee", SIZE)
    turned = verify.mirrored(verify.keypoints(array(picture)))
    found = verify.keypoints(array(ImageOps.mirror(picture)))
    apart = np.linalg.norm(turned.points[:, None] - found.points[None], axis=2)
    nearest = apart.argmin(axis=1)
    same = apart.min(axis=1) < 1
    assert same.mean() > 0.8
    alike = (turned.descriptors[same] * found.descriptors[nearest[same]]).sum(axis=1)
    assert np.median(alike) > 0.98


# Alignments


def warped(picture: Image.Image, transform: np.ndarray, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(cv2.warpPerspective(array(picture), transform, size, flags=cv2.INTER_AREA))


def similarity(scale: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    """Clockwise on the screen, about the upper left corner."""
    c, s = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    return np.array([[c, -s, shift[0]], [s, c, shift[1]], [0, 0, 1]])


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
@pytest.mark.parametrize(
    ("scale", "degrees", "shift"),
    [(1, 0, (0, 0)), (1, 30, (120, -60)), (0.5, 0, (0, 0)), (0.6, -75, (0, 280)), (1.7, 5, (-200, -150)),
     (1, 180, (480, 360))],
)  # fmt: skip
def test_a_known_turn_and_scale_is_recovered(
    photo: Photo, name: str, scale: float, degrees: float, shift: tuple[float, float]
):
    picture = photo(name, SIZE)
    transform = similarity(scale, degrees, shift)
    found = alignment_of(picture, warped(picture, transform, SIZE))
    assert found is not None
    assert found.confidence > 0.99
    assert found.scale == pytest.approx(scale, rel=0.02)
    assert (found.rotation - degrees + 180) % 360 - 180 == pytest.approx(0, abs=1.5)
    assert farthest(found.transform, transform, SIZE) < 6 * max(1, scale)


def test_perspective_is_recovered(photo: Photo):
    picture = photo("coffee", SIZE)
    seen = np.array([(40, 20), (430, 60), (400, 300), (80, 350)], np.float32)
    transform = cv2.getPerspectiveTransform(geometry.corners(*SIZE).astype(np.float32), seen)
    found = alignment_of(picture, warped(picture, transform, SIZE))
    assert found is not None
    assert found.confidence > 0.99
    assert abs(found.transform[2, :2]).max() > 1e-4  # no affine transform would do
    assert farthest(found.transform, transform, SIZE) < 6


@pytest.mark.parametrize("part", [0.3, 0.5, 0.75])
def test_a_crop_tells_its_place_and_overlap(photo: Photo, part: float):
    picture = photo("astronaut", SIZE)
    width, height = (round(side * math.sqrt(part)) for side in SIZE)
    found = alignment_of(picture, picture.crop((20, 30, 20 + width, 30 + height)))
    assert found is not None
    assert found.confidence > 0.99
    assert found.overlap == pytest.approx((part, 1), abs=0.03)
    assert farthest(found.transform, similarity(1, 0, (-20, -30)), SIZE) < 3


@pytest.mark.parametrize("kind", ["sift", "orb"])
def test_both_kinds_align(photo: Photo, kind: verify.Kind):
    picture = photo("astronaut", SIZE)
    transform = similarity(0.8, 20, (60, 0))
    a, b = (verify.keypoints(array(each), kind) for each in (picture, warped(picture, transform, SIZE)))
    found = verify.aligned(a, b)
    assert found is not None
    assert found.confidence > 0.99
    assert farthest(found.transform, transform, SIZE) < 6


def test_a_mirror_image_is_found_when_asked_for(photo: Photo):
    picture = photo("coffee", SIZE)
    plain = alignment_of(picture, ImageOps.mirror(picture))
    assert plain is None or plain.confidence < 0.5
    found = alignment_of(picture, ImageOps.mirror(picture), reflections=True)
    assert found is not None
    assert (found.mirrored, found.confidence > 0.99) == (True, True)
    assert farthest(found.transform, np.eye(3), SIZE) < 4  # of the mirror image


def test_small_thumbnails_align(photo: Photo):
    picture = photo("coffee", SIZE)
    found = alignment_of(picture, picture.resize((64, 48), Image.Resampling.LANCZOS))
    assert found is not None
    assert found.confidence > 0.9
    assert found.scale == pytest.approx(64 / 480, rel=0.05)


def changed(picture: Image.Image, edit: str) -> Image.Image:
    if edit == "compressed":
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=10)
        return Image.open(file)
    if edit == "blurred":
        return picture.filter(ImageFilter.GaussianBlur(2))
    return ImageOps.grayscale(picture) if edit == "grey" else ImageOps.expand(picture, 50, "black")


@pytest.mark.parametrize("edit", ["compressed", "blurred", "grey", "bordered"])
@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_edited_copies_align(photo: Photo, name: str, edit: str):
    found = alignment_of(photo(name, SIZE), changed(photo(name, SIZE), edit))
    assert found is not None
    assert found.confidence > 0.99


@pytest.mark.parametrize("size", [SIZE, (128, 96)])
def test_different_pictures_do_not_align(photo: Photo, size: tuple[int, int]):
    names = [*PHOTOGRAPHS, "camera", "clock_motion", "hubble_deep_field", "ihc", "rocket"]
    known = []
    for name in names:
        try:
            known.append(verify.keypoints(array(photo(name, size))))
        except FileNotFoundError:
            continue
    found = [verify.aligned(a, b, reflections=True) for a, b in itertools.combinations(known, 2)]
    assert len(found) >= 45
    assert max(each.confidence if each else 0.0 for each in found) < 0.5


@pytest.mark.parametrize("ground", ["brick", "coins"])
def test_what_lies_around_another_thing_is_no_alignment(photo: Photo, ground: str):
    """Two things before one background: its keypoints agree, but not those of the thing in the middle."""
    scenes = []
    for name in ("astronaut", "coffee"):
        scene = photo(ground, SIZE).copy()
        scene.paste(photo(name, (280, 220)), (100, 70))
        scenes.append(scene)
    found = alignment_of(*scenes)
    assert found is not None
    assert (found.evidence > 20, found.confidence < 0.5) == (True, True)


def test_the_same_pair_gets_the_same_answer_in_any_thread(photo: Photo):
    a, b = array(photo("astronaut", SIZE)), array(photo("astronaut", SIZE).rotate(20))

    def look(_: int) -> bytes:
        found = verify.aligned(verify.keypoints(a), verify.keypoints(b))
        assert found is not None
        return found.transform.tobytes() + found.matches.tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(look, range(8)))) == 1


def test_geometry_refuses_what_no_camera_does():
    assert geometry.is_sane(np.eye(3), 4, 3)
    for broken in (
        np.diag([-1.0, 1, 1]),  # mirrored
        np.diag([5.0, 1, 1]),  # stretched
        np.diag([0.01, 0.01, 1]),  # shrunk to nothing
        np.array([[1, 0, 0], [0, 1, 0], [-0.5, 0, 1.0]]),  # seen from behind
        np.array([[1, 4, 0], [0, 1, 0], [0, 0, 1.0]]),  # sheared
    ):
        assert not geometry.is_sane(broken, 4, 3)


def test_areas_and_fits_by_hand():
    assert geometry.area(geometry.corners(4, 3)) == 12
    half = geometry.common(similarity(1, 0, (2, 0)), (4, 3), (4, 3))
    assert geometry.area(half) == pytest.approx(6)
    assert len(geometry.common(similarity(1, 0, (9, 0)), (4, 3), (4, 3))) == 0
    points = np.random.default_rng(0).random((9, 2))
    wanted = similarity(2, 30, (5, 1))
    for fit in (geometry.similarity, geometry.affine):
        np.testing.assert_allclose(fit(points, geometry.applied(wanted, points)), wanted, atol=1e-9)
    sheared = np.array([[1, 0.3, 2], [0.1, 2, 0], [0, 0, 1]])
    np.testing.assert_allclose(geometry.affine(points, geometry.applied(sheared, points)), sheared, atol=1e-9)


def test_evidence_by_hand():
    """All of 12 agree, two of which tell the transform: 10 log(1 / 0.05) - log 12, in powers of ten."""
    assert evidence(12, 12) == pytest.approx(10 * math.log10(20) - math.log10(12))
    assert evidence(2, 40) == evidence(3, 40) == 0
    assert evidence(10, 20) > evidence(10, 40) > evidence(5, 40)
    tail = sum(math.comb(38, k) * 0.05**k * 0.95 ** (38 - k) for k in range(18, 39))
    assert evidence(20, 40) <= -math.log10(tail * 40)  # a bound is never surer than the exact tail


def test_support_is_of_the_middle():
    points = np.array([(0.5, 0.5), (0.52, 0.5), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
    middle = np.array([0.5, 0.5])
    assert support(points, points, middle) == pytest.approx(1)
    assert support(points, points[:1], middle) > 0.9
    assert support(points, points[2:], middle) < 0.1
    assert confidence(4, 1) == pytest.approx(0.5)
    assert confidence(100, 0.1) == 0
    assert confidence(1e6, 0.5) == 1


# Structure


@pytest.mark.parametrize("other", ["blurred", "darker", "coffee"])
def test_ssim_is_that_of_scikit_image(photo: Photo, other: str):
    metrics = pytest.importorskip("skimage.metrics")
    a = photo("astronaut", (200, 150))
    b = {"blurred": a.filter(ImageFilter.GaussianBlur(2)), "darker": a.point(lambda v: v * 0.7),
         "coffee": photo("coffee", (200, 150))}[other]  # fmt: skip
    greys = [cv2.cvtColor(array(each), cv2.COLOR_RGB2GRAY) for each in (a, b)]
    expected = metrics.structural_similarity(
        *greys, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert verify.ssim(array(a), array(b)) == pytest.approx(expected, abs=2e-3)


def test_ssim_of_the_same_of_flat_and_of_tiny_pictures(photo: Photo):
    picture = array(photo("coffee"))
    assert verify.ssim(picture, picture) == pytest.approx(1)
    flat = np.full((1, 1, 3), 9, np.uint8)
    assert verify.ssim(flat, flat) == pytest.approx(1)
    assert verify.ssim(picture, picture, np.zeros(picture.shape[:2], bool)) == 0
    with pytest.raises(UsageError, match="one size"):
        verify.ssim(picture, picture[1:])


def test_ssim_counts_only_what_the_mask_shows(photo: Photo):
    a = array(photo("astronaut"))
    b = a.copy()
    b[:, 96:] = 255
    mask = np.zeros(a.shape[:2], bool)
    mask[:, :80] = True
    assert verify.ssim(a, b) < 0.8
    assert verify.ssim(a, b, mask) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("degrees", [0, 15, 90])
def test_ssim_of_aligned_pictures_is_high_and_of_others_low(photo: Photo, degrees: int):
    a, b = photo("coffee", SIZE), photo("coffee", SIZE).rotate(degrees, Image.Resampling.BICUBIC)
    found = alignment_of(a, b)
    assert found is not None
    assert verify.ssim_aligned(array(a), array(b), found) > 0.85
    assert verify.ssim_aligned(array(photo("astronaut", SIZE)), array(b), found) < 0.4


def test_ssim_aligned_undoes_a_mirror_and_a_crop(photo: Photo):
    a = photo("astronaut", SIZE)
    b = ImageOps.mirror(a).crop((60, 40, 420, 330))
    found = alignment_of(a, b, reflections=True)
    assert found is not None
    assert verify.ssim_aligned(array(a), array(b), found) > 0.9


# Searches


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory, photo: Photo) -> Path:
    """Photographs, and views of the astronaut and the coffee that an embedding finds hard."""
    folder = tmp_path_factory.mktemp("scenes") / "pictures"
    folder.mkdir()
    for name in PHOTOGRAPHS:
        photo(name, SIZE).save(folder / f"{name}.jpg", quality=90)
    for name in ("astronaut", "coffee"):
        scene = photo("grass", SIZE).copy()
        scene.paste(photo(name, (300, 225)).rotate(100, expand=True), (110, 20))
        scene.save(folder / f"{name}-on-grass.jpg", quality=85)
    return folder


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, scenes: Path) -> Path:
    path = tmp_path_factory.mktemp("seen") / "library"
    with findalike.open(path) as library:
        library.add(scenes)
    return path


def names(hits: findalike.Hits) -> list[str]:
    return [Path(hit.asset.uri).name for hit in hits]


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_geometric_puts_the_same_thing_first(seen: Path, scenes: Path, name: str):
    with findalike.open(seen, "r") as library:
        plain = library.search(scenes / f"{name}.jpg")
        hits = library.search(scenes / f"{name}.jpg", verify="geometric")
    assert names(hits)[0] == f"{name}-on-grass.jpg"
    assert names(hits)[1:] == [each for each in names(plain) if each != f"{name}-on-grass.jpg"]
    assert [hit.score for hit in hits[1:]] == [hit.score for hit in plain if hit.asset != hits[0].asset]
    (reason,) = [each for each in hits[0].reasons if each.space == "geometric"]
    assert (reason.term, reason.similarity > 0.9) == (f"{name}.jpg", True)
    assert [is_verified(hit) for hit in hits] == [True] + [False] * (len(hits) - 1)
    assert not hits.nothing_similar


def test_pages_and_least_scores_keep_the_order(seen: Path, scenes: Path):
    with findalike.open(seen, "r") as library:
        whole = library.search(scenes / "coffee.jpg", verify="geometric", k=9)
        first = library.search(scenes / "coffee.jpg", verify="geometric", k=4)
        second = library.search(scenes / "coffee.jpg", verify="geometric", k=5, cursor=None, offset=4)
        third = library.search(
            replace(first.query, k=5, cursor=first.cursor)
        )  # goes on where the first ended
        best = library.search(scenes / "coffee.jpg", verify="geometric", min_score=0.99)
    assert names(first) + names(second) == names(first) + names(third) == names(whole)
    assert names(best) == ["coffee-on-grass.jpg"]  # verified, whatever its score


def test_a_region_is_verified_alone(seen: Path, scenes: Path):
    """Only the coffee of a picture of two things is looked for."""
    both = np.hstack([np.asarray(Image.open(scenes / f"{name}.jpg")) for name in ("chelsea", "coffee")])
    with findalike.open(seen, "r") as library:
        hits = library.search(both, region=(0.5, 0, 1, 1), verify="geometric")
    assert {name for name, hit in zip(names(hits), hits, strict=True) if is_verified(hit)} == {
        "coffee.jpg", "coffee-on-grass.jpg"}  # fmt: skip


def test_several_pictures_words_and_what_is_looked_away_from(seen: Path, scenes: Path):
    with findalike.open(seen, "r") as library:
        terms = (
            Term(str(scenes / "coffee.jpg")),
            Term(str(scenes / "astronaut.jpg"), weight=0.5),
            Term(str(scenes / "moon.jpg"), weight=-0.5),
            Term("grass", "text"),
        )
        hits = library.search(Query(terms, verify="geometric", include_self=True))
    verified = {name for name, hit in zip(names(hits), hits, strict=True) if is_verified(hit)}
    assert verified == {"coffee.jpg", "coffee-on-grass.jpg", "astronaut.jpg", "astronaut-on-grass.jpg"}


def test_ssim_puts_copies_first_and_flat_ones_too(library: findalike.Library, tmp_path: Path, photo: Photo):
    folder = tmp_path / "pictures"
    folder.mkdir()
    photo("coffee", SIZE).crop((40, 30, 460, 340)).save(folder / "crop.jpg", quality=60)
    Image.new("RGB", (200, 150), (60, 90, 200)).save(folder / "blue.png")
    for name in ("astronaut", "moon", "page"):
        photo(name, SIZE).save(folder / f"{name}.jpg")
    library.add(folder)
    hits = library.search(array(photo("coffee", SIZE)), verify="ssim")
    assert (names(hits)[0], [is_verified(hit) for hit in hits]) == ("crop.jpg", [True] + [False] * 4)
    flat = library.search(np.full((75, 100, 3), (60, 90, 200), np.uint8), verify="ssim")
    assert (names(flat)[0], is_verified(flat[0])) == ("blue.png", True)


def test_a_file_that_is_gone_is_verified_by_its_thumbnail(
    library: findalike.Library, tmp_path: Path, scenes: Path
):
    copy = tmp_path / "coffee.jpg"
    copy.write_bytes((scenes / "coffee-on-grass.jpg").read_bytes())
    library.add(copy, scenes / "moon.jpg")
    copy.unlink()
    progress: list[tuple[int, int]] = []
    hits = library.search(scenes / "coffee.jpg", verify="geometric", watch=lambda *at: progress.append(at))
    assert (names(hits)[0], is_verified(hits[0])) == ("coffee.jpg", True)
    assert progress == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"text": "coffee", "verify": "geometric"}, "there is none; give a picture"),
        ({"what": "coffee.jpg", "verify": "ssimm"}, "must be geometric or ssim"),
        ({"what": "coffee.jpg", "verify": "ssim", "diverse": 0.3}, "give one of them"),
    ],
)
def test_what_cannot_be_verified(seen: Path, scenes: Path, query: dict[str, object], words: str):
    what = [scenes / str(query.pop("what"))] if "what" in query else []
    with findalike.open(seen, "r") as library, pytest.raises(QueryError, match=words):
        library.search(*what, **query)  # type: ignore[arg-type]


def test_json_round_trip():
    query = Query((Term("7", "asset"),), verify="geometric")
    assert to_json(query)["verify"] == "geometric"
    assert from_json(json.loads(json.dumps(to_json(query)))) == query
    with pytest.raises(QueryError, match="verify is 3, but it must be geometric or ssim"):
        from_json({"terms": [{"id": "7"}], "verify": 3})


# Sheets


def test_matches_sheet_draws_lines_where_keypoints_agree(seen: Path, scenes: Path, tmp_path: Path):
    with findalike.open(seen, "r") as library:
        hits = library.search(scenes / "coffee.jpg", verify="geometric")
        hits.matches_sheet(tmp_path / "matches.png")
        with pytest.raises(UsageError, match="nothing was verified"):
            library.search(scenes / "coffee.jpg").matches_sheet(tmp_path / "none.png")
        with pytest.raises(UsageError, match="one of the pictures"):
            hits.matches_sheet(scenes / "moon.jpg")
    with Image.open(tmp_path / "matches.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    gutter = pixels[60:280, matches.MARGIN + matches.SIDE + 8 : matches.MARGIN + matches.SIDE + 16]
    bright = gutter.max(axis=2).astype(int) - gutter.min(axis=2) > 120
    assert bright.any(axis=1).sum() > 20  # coloured lines cross from picture to picture


def test_a_sheet_without_lines_without_pairs_and_of_any_shape():
    def pair(left: tuple[int, int], right: tuple[int, int], lines: np.ndarray) -> Pair:
        pixels = [np.full((*size, 3), 90, np.uint8) for size in (left, right)]
        return Pair(*pixels, lines, "query.jpg", "a very long name of a picture " * 4 + ".jpg", 3, "words")

    assert matches.draw([]).width > 100
    one = matches.draw([pair((1, 1), (10, 4000), np.array([[0, 0, 1, 1.0]]))])
    assert one.height < 1000
    many = matches.draw([pair((30, 40), (40, 30), np.zeros((0, 4)))] * 30, columns=4)
    assert many.width > one.width
    with pytest.raises(UsageError, match="from 1 to 8"):
        matches.draw([], columns=9)


def test_the_program_verifies(cli: Cli, seen: Path, scenes: Path, tmp_path: Path):
    sheet = tmp_path / "matches.webp"
    picture = scenes / "coffee.jpg"
    done = cli("search", picture, "--verify", "geometric", "--sheet", sheet, "--json", library=seen)
    assert (done.returncode, f"Wrote {sheet}\n" in done.stderr) == (0, True)
    assert "Verified: 1 of these hits shows the same." in done.stderr
    lines = cli("search", picture, "--verify", "geometric", library=seen).stdout.splitlines()
    assert [line.split("\t")[2].endswith(", verified") for line in lines[:2]] == [True, False]
    first = json.loads(done.stdout)[0]
    assert Path(first["path"]).name == "coffee-on-grass.jpg"
    assert [reason["space"] for reason in first["reasons"]][-1] == "geometric"
    with Image.open(sheet) as written:
        assert written.format == "WEBP"
    wordy = cli("search", "coffee", "--verify", "geometric", library=seen)
    assert (wordy.returncode, "give a picture" in wordy.stderr) == (2, True)
    shown = cli("search", picture, "--verify", "ssim", "--show-query", library=seen)
    assert json.loads(shown.stdout)["verify"] == "ssim"


# Small things in large pictures


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, photo: Photo) -> tuple[Path, tuple[float, ...]]:
    """Large pictures, one of them with a small one in it, and where that is."""
    folder = tmp_path_factory.mktemp("scenes")
    for name in ("grass", "brick", "gravel", "coffee"):
        photo(name, (1600, 1200)).convert("RGB").save(folder / f"{name}.jpg", quality=90)
    scene = photo("moon", (1600, 1200)).convert("RGB")
    scene.paste(photo("astronaut", (240, 240)), (1000, 200))
    scene.save(folder / "scene.jpg", quality=90)
    return folder, (1000 / 1600, 200 / 1200, 1240 / 1600, 440 / 1200)


@pytest.mark.parametrize("finder", [None, "objects"])
def test_a_small_thing_is_verified_where_it_is(
    large: tuple[Path, tuple[float, ...]], photo: Photo, finder: str | None
) -> None:
    folder, place = large
    with findalike.open(":memory:") as library:
        library.add(folder, regions=finder)
        hits = library.search(array(photo("astronaut", (480, 480))), verify="geometric")
        assert Path(hits[0].asset.uri).name == "scene.jpg"
        assert is_verified(hits[0])
        assert hits[0].origin.part == "region"
        assert overlap(hits[0].origin.box, place) > 0.8
        assert not any(is_verified(hit) for hit in hits[1:])
        (pair,) = hits._pairs(hits)
        assert pair.lines[:, 2].min() > place[0] - 0.01
        assert pair.lines[:, 2].max() < place[2] + 0.01
        assert pair.lines[:, 3].min() > place[1] - 0.01
        assert pair.lines[:, 3].max() < place[3] + 0.01


def test_a_copy_that_shows_all_stays_whole(large: tuple[Path, tuple[float, ...]], photo: Photo) -> None:
    folder, _ = large
    with findalike.open(":memory:") as library:
        library.add(folder)
        hits = library.search(array(photo("brick", (800, 600))), verify="geometric")
        assert Path(hits[0].asset.uri).name == "brick.jpg"
        assert is_verified(hits[0])
        assert (hits[0].origin.part, hits[0].origin.box) == ("whole", (0, 0, 1, 1))
