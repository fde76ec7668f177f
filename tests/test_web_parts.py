"""Pictures of frames and faces by the API, and films in ranges."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest

import findalike
from filmed import film
from findalike.encode import catalog
from findalike.store.base import Batch
from findalike.types import Asset, Origin, Row
from findalike.web.clips import check_clip
from findalike.web.problems import ProblemError
from web import Served, drawn, encoded, refused, serving

pytest_plugins = ["web"]

CARD = catalog.find("efficientnet-lite0")
TIMES = tuple(float(at) for at in range(0, 30, 2))
FACE = (0.1, 0.2, 0.4, 0.6)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over a film of fifteen frames, and a picture with a face and a region."""
    folder = tmp_path_factory.mktemp("kept")
    path = film(folder / "film.mp4", [(1, 0.5)])
    (folder / "people.png").write_bytes(encoded(drawn(2)))
    now = datetime(2020, 1, 1, tzinfo=UTC)
    assets = [
        Asset(str(path), path.stat().st_size, now, "f" * 16, "video/mp4", "ab" * 32, {"duration": 30.0}),
        Asset(str(folder / "people.png"), 1, now, "e" * 16, "image/png", "cd" * 32),
    ]
    frames = [Origin("f" * 16, "frame", time=at, end=at + 2) for at in TIMES]
    others = [Origin("e" * 16, "face", FACE, label="0.98"), Origin("e" * 16, "region", (0.5, 0.5, 1, 1))]
    origins = [*frames, *others, Origin("f" * 16), Origin("e" * 16)]
    vectors = np.eye(4, CARD.dim, dtype=np.float32)
    rows = [Row(f"{o.asset_id}:{o.key}", o, vectors[n % 4]) for n, o in enumerate(origins)]
    pictures = {
        "f" * 16: {
            **{o.key: encoded(drawn(n), "JPEG") for n, o in enumerate(frames)},
            "track": b"\xff\xd8 no picture",
        },
        "e" * 16: {others[0].key: encoded(drawn(90), "JPEG"), "faces@1-float32": b"", "regions:objects": b""},
    }
    thumbnails = {asset.id: encoded(drawn(7), "JPEG") for asset in assets}
    with findalike.open(folder / "library") as library:
        library.store.add_card(CARD)
        library.store.write(Batch(assets, {CARD.space: rows}, thumbnails, attachments=pictures))
    with serving(folder / "library", mode="r") as served:
        yield served


@pytest.fixture
def client(kept: Served) -> Iterator[httpx.Client]:
    with kept.client() as made:
        yield made


def test_the_picture_of_a_frame_is_kept_for_ever_by_its_version(client: httpx.Client) -> None:
    address = f"/v1/assets/{'f' * 16}/parts/frame-4.000"
    plain = client.get(address)
    assert (plain.status_code, plain.headers["content-type"]) == (200, "image/jpeg")
    assert plain.content == encoded(drawn(2), "JPEG")
    assert plain.headers["cache-control"] == "private, no-cache"
    known = client.get(address, headers={"If-None-Match": plain.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    assert "immutable" in client.get(address, params={"v": "abababab"}).headers["cache-control"]
    assert "immutable" not in client.get(address, params={"v": "older"}).headers["cache-control"]


def test_the_picture_of_a_face(client: httpx.Client) -> None:
    answer = client.get(f"/v1/assets/{'e' * 16}/parts/face-0100-0200-0400-0600")
    assert answer.content == encoded(drawn(90), "JPEG")


@pytest.mark.parametrize("key", ["frame-4.001", "face-0000-0000-0001-0001", "region-0500-0500-1000-1000"])
def test_a_part_without_a_picture_is_not_there(client: httpx.Client, key: str) -> None:
    assert key in refused(client.get(f"/v1/assets/{'e' * 16}/parts/{key}"), "not-found")


@pytest.mark.parametrize(
    "key", ["track", "faces@1-float32", "regions:objects", "whole", "frame-4", "..%2ftrack"]
)
def test_what_is_no_picture_of_a_part_is_never_told(client: httpx.Client, key: str) -> None:
    answer = client.get(f"/v1/assets/{'f' * 16}/parts/{key}")
    assert answer.status_code in (404, 422)
    assert b"no picture" not in answer.content or answer.headers["content-type"] != "image/jpeg"


def test_parts_of_an_asset_that_is_not_there(client: httpx.Client) -> None:
    refused(client.get("/v1/assets/0000/parts"), "not-found")
    refused(client.get("/v1/assets/0000/parts/frame-4.000"), "not-found")


def test_the_frames_of_a_film_come_in_the_order_of_time(client: httpx.Client) -> None:
    told = client.get(f"/v1/assets/{'f' * 16}/parts").json()
    assert told["total"] == len(TIMES)
    assert [(part["time"], part["end"]) for part in told["parts"]] == [(at, at + 2) for at in TIMES]
    assert all(client.get(part["picture"]).status_code == 200 for part in told["parts"])
    few = client.get(f"/v1/assets/{'f' * 16}/parts", params={"most": 5}).json()
    assert few["total"] == len(TIMES)
    assert [part["time"] for part in few["parts"]] == [TIMES[n * len(TIMES) // 5] for n in range(5)]


def test_faces_and_regions_of_a_picture(client: httpx.Client) -> None:
    told = client.get(f"/v1/assets/{'e' * 16}/parts").json()["parts"]
    assert [(part["part"], part["box"], part["picture"]) for part in told] == [
        ("face", list(FACE), None),
        ("region", [0.5, 0.5, 1, 1], None),
    ]
    faces = client.get(f"/v1/assets/{'e' * 16}/parts", params={"part": "face"}).json()
    assert [part["key"] for part in faces["parts"]] == ["face-0100-0200-0400-0600"]


def test_a_hit_tells_its_stretch(kept: Served, client: httpx.Client) -> None:
    """Of the frames whose vectors are that which is looked for."""
    wanted = np.eye(4, CARD.dim)[1].tolist()
    hit = client.post("/v1/search", json={"terms": [{"vector": wanted}]}).json()["hits"][0]
    assert (hit["part"], hit["end"] - hit["time"], hit["key"]) == ("frame", 2, f"frame-{hit['time']:.3f}")
    assert hit["time"] in TIMES[1::4]
    assert client.get(hit["picture"]).headers["content-type"] == "image/jpeg"
    assert hit["query_span"] is None


def test_the_thumbnail_of_a_film_is_the_stored_one_in_any_size(client: httpx.Client) -> None:
    for size in (None, 640, 1600):
        params = {"size": size} if size else {}
        answer = client.get(f"/v1/assets/{'f' * 16}/thumbnail", params=params)
        assert answer.content == encoded(drawn(7), "JPEG")


# A film in ranges


def _one(asset: Asset) -> Row:
    return Row(f"{asset.id}:whole", Origin(asset.id), np.eye(1, CARD.dim, dtype=np.float32)[0])


def test_a_large_film_is_read_where_it_is_asked_for(tmp_path: Path) -> None:
    """100 MB, of which the ends and a place within are asked for: no more memory than pieces take."""
    path = film(tmp_path / "large.mp4", [(1, 0.5)])
    with path.open("r+b") as file:
        file.truncate(100 * 2**20)
        file.seek(70 * 2**20)
        file.write(b"here")
    asset = Asset(str(path), 1, datetime(2020, 1, 1, tzinfo=UTC), "f" * 16, "video/mp4", "ab" * 32)
    with findalike.open(tmp_path / "library") as library:
        library.store.add_card(CARD)
        library.store.write(Batch([asset], {CARD.space: [_one(asset)]}))
    with serving(tmp_path / "library", mode="r") as served, served.client() as client:
        address = f"/v1/assets/{'f' * 16}/content"
        first = client.get(address, headers={"Range": "bytes=0-3"})
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        within = client.get(address, headers={"Range": f"bytes={70 * 2**20}-{70 * 2**20 + 3}"})
        last = client.get(address, headers={"Range": "bytes=-2"})
        assert (first.status_code, first.headers["content-type"]) == (206, "video/mp4")
        assert within.content == b"here"
        assert within.headers["content-range"] == f"bytes {70 * 2**20}-{70 * 2**20 + 3}/{100 * 2**20}"
        assert last.content == b"\0\0"
        with client.stream("GET", address, headers={"Range": "bytes=0-"}) as whole:
            assert whole.headers["content-length"] == str(100 * 2**20)
            next(whole.iter_raw(2**16))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert after - before < 30 * 1024


# Clips


def test_a_clip_that_lasts_too_long_is_refused(tmp_path: Path, kept: Served) -> None:
    clip = film(tmp_path / "clip.mp4", [(1, 3)]).read_bytes()
    check_clip(clip, 3.5, 10**6)
    check_clip(encoded(drawn(1)), 0.1, 10**6)
    check_clip(clip[:100], 0.1, 10**6)
    with pytest.raises(ProblemError, match="lasts 3 s; at most 2 s"):
        check_clip(clip, 2, 10**6)
