"""Pictures and libraries in buckets, on a server that speaks S3's protocol."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import PHOTOGRAPHS, Cli, Photo

pytest_plugins = ["s3_server"]
s3_server = pytest.importorskip("s3_server")

import findalike  # noqa: E402
from findalike import buckets, sources  # noqa: E402
from findalike.buckets import Place, Refused  # noqa: E402
from findalike.errors import LibraryError, LibraryLocked, LibraryMissing, ReadError, UsageError  # noqa: E402
from findalike.sources import Options, ahead  # noqa: E402
from findalike.sources import bucket as bucket_source  # noqa: E402
from findalike.store import bucket_lease, bucket_sidecars  # noqa: E402
from findalike.types import Asset, Failure  # noqa: E402


def put(bucket: str, objects: dict[str, bytes]) -> None:
    for key, content in objects.items():
        buckets.server().put(Place(bucket, key), content)


def upload(bucket: str, folder: Path, prefix: str = "") -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    put(bucket, {f"{prefix}{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files})


def listed(source: sources.Source) -> list[str]:
    found = list(source)
    assert all(isinstance(each, Asset) for each in found)
    return [each.uri for each in found]


# Listing


TREE = (
    "a.jpg",
    "b.png",
    ".hidden/c.jpg",
    "x/a.jpg",
    "x/y/a.JPG",
    "x/y/.d.jpg",
    "x/@eaDir/t.jpg",
    "z w/ü+%25&?#.jpg",
)


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(hidden=True),
        Options(include=("*.jpg",)),
        Options(exclude=("x/y",)),
        Options(include=("x/**/*.jpg",), exclude=("y",)),
        Options(include=("Z W",)),
    ],
)
def test_a_folder_in_a_bucket_lists_what_the_same_folder_here_does(
    bucket: str, tmp_path: Path, options: Options
) -> None:
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    upload(bucket, tmp_path, "pictures/")
    put(bucket, {"pictures-2/a.jpg": b"x", "pictures.jpg": b"x"})
    here, there = (sources.discover(each, options) for each in (tmp_path, f"s3://{bucket}/pictures"))
    expected = sorted(uri.removeprefix(f"{tmp_path}/") for uri in listed(here))
    assert sorted(uri.removeprefix(f"s3://{bucket}/pictures/") for uri in listed(there)) == expected
    assert {each.size for each in there} == {each.size for each in here}
    for name in TREE:
        assert there.covers(f"s3://{bucket}/pictures/{name}") == here.covers(f"{tmp_path}/{name}")
    assert not there.covers(f"s3://{bucket}/pictures-2/a.jpg")


def test_what_stands_for_a_folder_is_no_picture_and_what_is_empty_is(bucket: str) -> None:
    put(bucket, {"a/": b"", "a/b/": b"", "a/b/c.jpg": b"", "a/d/": b"bytes", "a//e.jpg": b"x"})
    found = listed(sources.discover(f"s3://{bucket}/a/"))
    assert found == [f"s3://{bucket}/a/{name}" for name in ("/e.jpg", "b/c.jpg", "d/")]
    assert sources.open_asset(found[1]).read() == b""
    assert sources.open_asset(found[2]).read() == b"bytes"


def test_a_library_among_pictures_is_not_listed(bucket: str) -> None:
    put(bucket, {"a/lib/assets.lance/x": b"1", "a/lib/findalike.json": b"{}", "a/z.jpg": b"2"})
    assert listed(sources.discover(f"s3://{bucket}/a")) == [f"s3://{bucket}/a/z.jpg"]
    with pytest.raises(UsageError, match="is a findalike library; give a folder"):
        sources.discover(f"s3://{bucket}/a/lib")


def test_many_objects_are_listed_page_by_page(bucket: str, way: s3_server.Way) -> None:
    backend = s3_server.backend()
    for number in range(2_500):
        backend.put_object(bucket, f"many/{number:05d}.jpg", b"x")
    way.heard.clear()
    found = listed(bucket_source.Below(Place(bucket, "many"), Options()))
    assert found == [f"s3://{bucket}/many/{number:05d}.jpg" for number in range(2_500)]
    assert len(way.heard) == 3


def test_a_listing_that_breaks_off_judges_nothing(bucket: str, way: s3_server.Way) -> None:
    backend = s3_server.backend()
    for number in range(1_500):
        backend.put_object(bucket, f"many/{number}.jpg", b"x")
    way.answers = lambda _, path: (403, "AccessDenied") if "continuation-token" in path else None
    (found,) = bucket_source.Below(Place(bucket, "many"), Options())
    assert isinstance(found, Failure)
    assert (found.uri, found.stage) == (f"s3://{bucket}/many", "list")
    assert "s3:ListBucket" in found.error


def test_a_single_object_and_what_is_not_read_in_a_bucket(bucket: str) -> None:
    put(bucket, {"one.jpg": b"abc", "t.csv": b"path", "a.zip": b"PK", "in/a.zip": b"PK", "in/b.jpg": b"x"})
    (asset,) = sources.discover(f"s3://{bucket}/one.jpg")
    assert isinstance(asset, Asset)
    assert (asset.uri, asset.size) == (f"s3://{bucket}/one.jpg", 3)
    with pytest.raises(UsageError, match="is a table; copy it"):
        sources.discover(f"s3://{bucket}/t.csv")
    with pytest.raises(UsageError, match="archives in buckets are not opened; copy it"):
        sources.discover(f"s3://{bucket}/a.zip")
    first, second = sources.discover(f"s3://{bucket}/in", Options(archives=True))
    assert isinstance(first, Failure)
    assert "archives in buckets are not opened" in first.error
    assert second.uri == f"s3://{bucket}/in/b.jpg"


def test_nothing_there(bucket: str) -> None:
    with pytest.raises(UsageError, match=r"s3://.*/no: nothing is there; give the address"):
        sources.discover(f"s3://{bucket}/no")
    assert sources.is_empty_or_missing(f"s3://{bucket}/no")
    assert sources.is_empty_or_missing(f"s3://{bucket}")
    put(bucket, {"no/a.jpg": b""})
    assert not sources.is_empty_or_missing(f"s3://{bucket}/no")
    assert not sources.is_empty_or_missing(f"s3://{bucket}")
    assert sources.exists(f"s3://{bucket}/no/a.jpg")
    uris = [f"s3://{bucket}/no/{name}.jpg" for name in "abc"]
    assert sources.missing([*uris, "/nowhere.jpg"]) == {*uris[1:], "/nowhere.jpg"}


def test_another_content_of_the_same_size_in_the_same_second_is_another_time(bucket: str) -> None:
    place = Place(bucket, "a.jpg")
    seen = set()
    for content in (b"one", b"two", b"six"):
        buckets.server().put(place, content)
        (asset,) = sources.discover(place.uri)
        seen.add((asset.size, asset.modified))
        assert [asset] == [*sources.discover(place.uri)]
    assert len(seen) == 3


# Reading


def test_a_large_object_is_read_in_blocks_wherever_one_looks(
    bucket: str, way: s3_server.Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_source, "BLOCK", 1 << 16)
    content = bytes(range(251)) * 3_000  # 12 blocks
    put(bucket, {"film.mp4": content})
    plain = io.BytesIO(content)
    with sources.open_asset(f"s3://{bucket}/film.mp4") as file:
        assert file.seekable()
        for start, whence, count in [
            (0, 0, 10),
            (-5, 2, 100),
            (65_530, 0, 70_000),
            (9, 1, 9),
            (700_000, 0, -1),
        ]:
            assert file.seek(start, whence) == plain.seek(start, whence)
            assert file.read(count) == plain.read(count)
        file.seek(0)
        assert file.read() == content
        buckets.server().put(Place(bucket, "film.mp4"), content[::-1])
        file.seek(0)
        with pytest.raises(OSError, match="was changed by someone else meanwhile"):
            file.read()


def test_a_small_object_takes_one_request(bucket: str, way: s3_server.Way) -> None:
    put(bucket, {"a.jpg": b"picture"})
    way.heard.clear()
    with sources.open_asset(f"s3://{bucket}/a.jpg") as file:
        assert file.read(3) + file.read() == b"picture"
    assert len(way.heard) == 1
    with pytest.raises(ReadError, match=r"^was there when it was listed, and is gone now$"):
        sources.open_asset(f"s3://{bucket}/b.jpg")


def test_reading_ahead_overlaps_and_stays_within_bounds(
    bucket: str, way: s3_server.Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "MOST_FILES", 12)
    put(bucket, {f"{number:02d}.jpg": bytes([number]) for number in range(30)} | {"x.mp4": bytes(2_000)})
    assets = [each for each in sources.discover(f"s3://{bucket}") if isinstance(each, Asset)]
    monkeypatch.setattr(ahead, "LARGE", 1_000)
    way.heard.clear()
    way.delay, way.most = 0.2, 0
    sources.fetch(assets[::-1])
    sources.fetch(assets[::-1])
    opened = {each.uri: sources.open_asset(each.uri).read() for each in assets[29:17:-1]}
    assert opened == {each.uri: bytes([number]) for number, each in enumerate(assets) if 18 <= number < 30}
    assert 6 <= way.most <= 12
    assert len(way.heard) == 12
    sources.fetch(assets[:3])
    sources.forget(each.uri for each in assets)
    buckets.server().put(Place(bucket, "00.jpg"), b"new")
    assert sources.open_asset(assets[0].uri).read() == b"new"


# What can go wrong

NAMED = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((403, "AccessDenied"), "these keys may not read it; give them the permission s3:GetObject"),
        ((403, "InvalidAccessKeyId"), f"does not accept these keys; set {NAMED}"),
        ((403, "SignatureDoesNotMatch"), f"does not accept these keys; set {NAMED}"),
        ((400, "ExpiredToken"), "the keys have expired; sign in again"),
        ((400, "AuthorizationHeaderMalformed"), "another region; set AWS_REGION"),
        ((403, "RequestTimeTooSkewed"), "this machine's clock is wrong"),
        ((501, "NotImplemented"), "does not know how to do this"),
        ((418, "Teapot"), "the server answered Teapot"),
    ],
)
def test_refusals_say_what_to_do(bucket: str, way: s3_server.Way, answer: tuple[int, str], said: str) -> None:
    way.answers = lambda *_: answer
    with pytest.raises(ReadError, match=said) as raised:
        sources.open_asset(f"s3://{bucket}/a.jpg")
    assert "test-secret" not in str(raised.value)
    assert sources.exists(f"s3://{bucket}/a.jpg")  # in doubt
    with pytest.raises(ReadError, match=rf"^s3://{bucket}/a: "):
        sources.is_empty_or_missing(f"s3://{bucket}/a")


def test_no_bucket_no_server_no_keys(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UsageError, match=r"^s3://nobody/a: there is no bucket 'nobody' at http://127.*aws s3 ls"
    ):
        sources.discover("s3://nobody/a")
    monkeypatch.setattr(buckets, "TRIES", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ReadError, match=r"no S3 server answers at http://127.0.0.1:9; is it running"):
        sources.discover(f"s3://{bucket}/a")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost")
    with pytest.raises(ReadError, match="AWS_ENDPOINT_URL is 'localhost', but it must be like http"):
        sources.discover(f"s3://{bucket}/a")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3_server.port()}")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ReadError, match="no keys are set"):
        sources.discover(f"s3://{bucket}/a")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "1")
    put(bucket, {"a": b"x"})
    assert sources.exists(f"s3://{bucket}/a")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ReadError, match="AWS_PROFILE names a profile that is not in"):
        sources.discover(f"s3://{bucket}/a")


def test_a_server_that_stalls_is_given_up(
    bucket: str, way: s3_server.Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "READ_TIMEOUT", 0.4)
    monkeypatch.setattr(buckets, "PATIENCE", 0.5)
    monkeypatch.setenv("AWS_STALLS", "1")  # another connection
    way.delay = 3.0
    started = time.monotonic()
    with pytest.raises(ReadError, match=r"did not answer within 0 s; run the command again later"):
        sources.open_asset(f"s3://{bucket}/a.jpg")
    assert time.monotonic() - started < 2.5


def test_what_passes_is_tried_again(bucket: str, way: s3_server.Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "PAUSE", 0.01)
    put(bucket, {"a.jpg": b"x"})
    answers = iter([(503, "SlowDown"), (500, "InternalError"), None])
    way.answers = lambda *_: next(answers)
    assert sources.open_asset(f"s3://{bucket}/a.jpg").read() == b"x"
    way.heard.clear()
    way.answers = lambda *_: (503, "SlowDown")
    with pytest.raises(ReadError, match="the server answered SlowDown"):
        sources.open_asset(f"s3://{bucket}/a.jpg")
    assert len(way.heard) == buckets.TRIES


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://key:s3cret@photos/a", "keys do not belong in an address"),
        ("s3://", "'' is no name of a bucket"),
        ("s3://a b/c", "'a b' is no name of a bucket"),
    ],
)
def test_addresses_that_are_none(address: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        sources.discover(address)
    assert "s3cret" not in str(raised.value)


def test_a_write_under_a_condition_is_refused_when_it_does_not_hold(bucket: str) -> None:
    server, place = buckets.server(), Place(bucket, "a")
    first = server.put(place, b"1", "")
    with pytest.raises(Refused):
        server.put(place, b"2", "")
    second = server.put(place, b"2", first)
    with pytest.raises(Refused):
        server.put(place, b"3", first)
    assert server.fetch(place).data == b"2"
    server.delete(place)
    with pytest.raises(Refused):
        server.put(place, b"4", second)
    assert server.look(place) is None


# From a bucket


@pytest.fixture
def photos(bucket: str, album: Path) -> str:
    """The address of a folder of ten photographs in the bucket."""
    upload(bucket, album, "photos/")
    return f"s3://{bucket}/photos"


def got(way: s3_server.Way) -> list[str]:
    """The keys of the pictures that were read since it was last asked."""
    heard, way.heard = way.heard, []
    return sorted(path.rpartition("/")[2] for what, path in heard if what == "GET" and path.endswith(".jpg"))


def test_a_bucket_is_indexed_as_a_folder_is_and_only_what_changed_is_read_again(
    photos: str, way: s3_server.Way, library: findalike.Library, filled: Path, photo: Photo
) -> None:
    report = library.add(photos)
    assert (report.added, report.failures) == (10, ())
    names = [f"{name}.jpg" for name in sorted(PHOTOGRAPHS)]
    assert got(way) == names
    with findalike.open(filled, "r") as local:
        for name in ("chelsea", "moon"):
            here, there = (opened.search(photo(name), k=10) for opened in (local, library))
            assert [Path(hit.asset.uri).name for hit in there] == [Path(hit.asset.uri).name for hit in here]
            scores = [hit.score for hit in here]
            assert [hit.score for hit in there] == pytest.approx(scores, abs=1e-6)  # rows are summed in turn
    assert there[0].asset.uri == f"{photos}/moon.jpg"
    assert library.add(photos).unchanged == 10
    assert got(way) == []
    place = Place.parse(photos)
    buckets.server().put(place.below("moon.jpg"), buckets.server().fetch(place.below("page.jpg")).data)
    buckets.server().put(place.below("new.jpg"), buckets.server().fetch(place.below("coins.jpg")).data)
    for gone in ("coins.jpg", "cell.jpg"):
        buckets.server().delete(place.below(gone))
    got(way)
    report = library.add(photos)
    assert (report.updated, report.moved, report.removed, report.unchanged) == (1, 1, 1, 7)
    assert got(way) == ["moon.jpg", "new.jpg"]


def test_a_table_names_objects(photos: str, way: s3_server.Way, tmp_path: Path, album: Path) -> None:
    lines = ["path,kind", f"{photos}/moon.jpg,night", f"{photos}/none.jpg,", f"{album}/page.jpg,paper"]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    moon, none, page = sources.discover_table(tmp_path / "table.csv")
    assert isinstance(moon, Asset)
    assert isinstance(page, Asset)
    assert (moon.uri, moon.size) == (f"{photos}/moon.jpg", (album / "moon.jpg").stat().st_size)
    assert (dict(moon.metadata), dict(page.metadata)) == ({"kind": "night"}, {"kind": "paper"})
    assert moon in [replace(each, metadata=moon.metadata) for each in sources.discover(photos)]
    assert isinstance(none, Failure)
    assert none.error == "row 3 of table.csv names this file: nothing is there"
    way.answers = lambda *_: (403, "AccessDenied")
    with pytest.raises(ReadError, match="s3:GetObject"):
        list(sources.discover_table(tmp_path / "table.csv"))


def test_what_cannot_be_read_is_a_failure_and_is_tried_again(
    photos: str, way: s3_server.Way, library: findalike.Library
) -> None:
    way.answers = lambda what, path: (403, "AccessDenied") if "moon" in path or "page" in path else None
    report = library.add(photos)
    assert report.added == 8
    assert {failure.uri for failure in report.failures} == {f"{photos}/moon.jpg", f"{photos}/page.jpg"}
    assert all("s3:GetObject" in failure.error for failure in report.failures)
    way.answers = lambda *_: None
    report = library.add(photos)
    assert (report.added, report.unchanged, report.failures) == (2, 8, ())
    way.answers = lambda *_: (403, "AccessDenied")
    with pytest.raises(ReadError, match=rf"^{photos}: these keys may not list it"):
        library.add(photos)
    way.answers = lambda *_: None
    assert len(library) == 10


def test_a_folder_that_was_emptied_is_taken_for_a_mistake(photos: str, library: findalike.Library) -> None:
    library.add(photos)
    for listed in buckets.server().listing(Place.parse(photos)):
        buckets.server().delete(listed.place)
    with pytest.raises(findalike.errors.SweepRefused, match="is missing or empty, but the library holds 10"):
        library.add(photos)
    assert library.remove(photos, missing=True, dry_run=True)
    assert library.add(photos, sweep=True).removed == 10


def test_reading_from_a_bucket_overlaps(photos: str, way: s3_server.Way, library: findalike.Library) -> None:
    way.delay = 0.05
    assert library.add(photos).added == 10
    assert way.most >= 6


def test_the_server_shows_pictures_of_a_bucket(photos: str, bucket: str, album: Path) -> None:
    pytest.importorskip("httpx")
    from web import serving

    content = (album / "moon.jpg").read_bytes()
    address = f"s3://{bucket}/lib"
    with findalike.open(address) as library:
        library.add(photos)
        asset = library.store.find(f"{photos}/moon.jpg")
        assert asset
    with serving(address) as served, served.client() as client:  # type: ignore[arg-type]
        answer = client.get(f"/v1/assets/{asset.id}/content")
        assert (answer.status_code, answer.content) == (200, content)
        part = client.get(f"/v1/assets/{asset.id}/content", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, content[10:20])
        tag = answer.headers["etag"]
        assert client.get(f"/v1/assets/{asset.id}/content", headers={"If-None-Match": tag}).status_code == 304
        assert client.get(f"/v1/assets/{asset.id}").json()["available"]
        assert client.get(f"/v1/assets/{asset.id}/thumbnail", params={"size": 128}).status_code == 200
        buckets.server().put(Place.parse(asset.uri), (album / "page.jpg").read_bytes())
        assert client.get(f"/v1/assets/{asset.id}/content", headers={"If-None-Match": tag}).status_code == 200
        buckets.server().delete(Place.parse(asset.uri))
        assert client.get(f"/v1/assets/{asset.id}/content").status_code == 404


def test_duplicates_in_a_bucket_are_found_and_not_touched(
    photos: str, library: findalike.Library, album: Path
) -> None:
    copy = Place.parse(photos).below("copy of moon.jpg")
    buckets.server().put(copy, (album / "moon.jpg").read_bytes())
    library.add(photos)
    (group,) = library.duplicates(level="exact")
    assert {group.keeper.uri, *(m.asset.uri for m in group.members)} == {f"{photos}/moon.jpg", copy.uri}
    outcome = library.reclaim([group], "delete")
    assert not outcome.done
    assert "not a file of this machine" in str(outcome)
    assert buckets.server().look(copy)


# A library in a bucket


def test_a_library_in_a_bucket_answers_as_one_in_a_folder(
    bucket: str, album: Path, filled: Path, photo: Photo
) -> None:
    address = f"s3://{bucket}/a folder/lib"
    with pytest.raises(
        LibraryMissing, match=rf"there is no library at {address}; to make one: findalike index"
    ):
        findalike.open(address, "r")
    with findalike.open(address) as library:
        assert library.add(album).added == 10
        assert library.path == address
    with findalike.open(address, "r") as there, findalike.open(filled, "r") as here:
        for query in (photo("chelsea"), photo("coffee")):
            found = [
                [(hit.asset.uri, hit.score) for hit in each.search(query, k=5)] for each in (here, there)
            ]
            assert found[0] == found[1]
        words = [[hit.asset.uri for hit in each.search(text="cat", k=5)] for each in (here, there)]
        assert words[0] == words[1]
        assert there.info().pictures == 10
        assert there.info().bytes > 10_000
        assert there.check() == []
        with pytest.raises(UsageError, match="open for reading"):
            there.add(album)
    with findalike.open(address) as library:
        assert library.add(album).unchanged == 10
        assert len(library.remove(str(album / "moon.jpg"))) == 1
        assert len(library) == 9
        library.optimize()
        assert library.check() == []
        assert len(library.search(photo("chelsea"), k=20)) == 9


def test_a_library_is_made_only_where_nothing_else_is(bucket: str) -> None:
    put(bucket, {"a/photo.jpg": b"x"})
    with pytest.raises(LibraryError, match=r"is a folder of something else \(it holds 'photo.jpg'\)"):
        findalike.open(f"s3://{bucket}/a")
    with pytest.raises(LibraryError, match="there is no bucket 'nobody' at"):
        findalike.open("s3://nobody/a")


def test_a_reader_hears_of_what_others_write(bucket: str, album: Path) -> None:
    address = f"s3://{bucket}/lib"
    with findalike.open(address) as writer, findalike.open(address, "r") as reader:
        writer.add(album / "moon.jpg", album / "page.jpg")
        time.sleep(bucket_sidecars.FRESH * 1.1)
        assert len(reader) == 2
        (hit,) = reader.search(str(album / "page.jpg"), k=5)
        assert hit.asset.uri == str(album / "moon.jpg")
        writer.remove(str(album / "page.jpg"))
        time.sleep(bucket_sidecars.FRESH * 1.1)
        assert len(reader) == 1


def test_an_idle_library_is_hardly_asked_whether_it_changed(
    bucket: str, way: s3_server.Way, album: Path, photo: Photo
) -> None:
    address = f"s3://{bucket}/lib"
    with findalike.open(address) as library:
        library.add(album)
    with findalike.open(address, "r") as library:
        library.search(photo("moon"))
        time.sleep(bucket_sidecars.FRESH * 1.1)
        way.heard.clear()
        library.search(photo("moon"))
        listings = [path for what, path in way.heard if "list-type" in path]
        assert len(listings) <= 2


def test_sidecars_are_objects(bucket: str) -> None:
    with findalike.open(f"s3://{bucket}/lib") as library:
        sidecars = library.store.sidecars
        assert sidecars.names() == []
        assert sidecars.read("people.json") is None
        assert sidecars.stamp("learned/x.npz") is None
        sidecars.write("people.json", "ä")
        sidecars.write("learned/x.npz", b"1")
        before = sidecars.stamp("learned/x.npz")
        sidecars.write("learned/x.npz", b"2")
        assert sidecars.stamp("learned/x.npz") not in (None, before)
        assert sidecars.read("people.json") == "ä".encode()
        assert sidecars.names() == ["learned/x.npz", "people.json"]
        with findalike.open(f"s3://{bucket}/lib", "r") as other:
            assert other.store.sidecars.read("learned/x.npz") == b"2"
        sidecars.remove("people.json")
        sidecars.remove("people.json")
        assert sidecars.names() == ["learned/x.npz"]
        assert sidecars.where("people.json") == f"s3://{bucket}/lib/people.json"


# One writer


def lease_of(address: str) -> bucket_lease.Lease:
    return bucket_lease.Lease(Place.parse(address))


def test_of_several_writers_one_holds_the_library(bucket: str) -> None:
    address, held = f"s3://{bucket}/lib", []
    gate = threading.Barrier(6)

    def take() -> None:
        gate.wait()
        try:
            with lease_of(address).held(0):
                held.append("held")
                time.sleep(1.0)
        except LibraryLocked as error:
            held.append(str(error))

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held.count("held") == 1
    refused = [text for text in held if text != "held"]
    assert all("is being written by process" in text and "wait until it is done" in text for text in refused)
    with lease_of(address).held(0):
        pass


def test_a_writer_waits_for_another(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_lease, "POLL", 0.05)
    first, second = (lease_of(f"s3://{bucket}/lib") for _ in range(2))
    turns: list[str] = []

    def wait() -> None:
        with second.held(-1):
            turns.append("second")

    waiting = threading.Thread(target=wait, daemon=True)
    with first.held(0):
        waiting.start()
        time.sleep(0.5)
        turns.append("first")
    waiting.join(20)
    assert turns == ["first", "second"]


def test_a_lease_that_is_not_renewed_ends_and_its_holder_writes_no_more(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_lease, "LASTS", 1.0)  # the server's clock has whole seconds
    address = f"s3://{bucket}/lib"
    with findalike.open(address) as library, ExitStack() as held:
        held.enter_context(library.store.locked(0))
        time.sleep(2.1)
        with lease_of(address).held(0):
            monkeypatch.setattr(bucket_lease, "BEAT", 0.05)
            library.store._place._lease._beat(threading.Event())  # what its thread does every ten seconds
            with pytest.raises(LibraryLocked, match="run the command again"):
                library.store.sidecars.write("people.json", b"{}")
        with pytest.raises(LibraryLocked, match="was taken over by another writer"):
            held.pop_all().close()


def test_a_server_without_conditional_writes_holds_no_library(
    bucket: str, way: s3_server.Way, album: Path
) -> None:
    way.without = ("If-None-Match", "If-Match")
    with findalike.open(f"s3://{bucket}/lib") as library:  # noqa: SIM117
        with pytest.raises(LibraryError, match=r"knows no conditional writes .* library in a folder"):
            library.add(album)


# As a user


def test_commands_on_a_bucket(bucket: str, photos: str, cli: Cli, tmp_path: Path) -> None:
    address = f"s3://{bucket}/library"
    done = cli("index", photos, "--library", address)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{address} holds 10 pictures." in done.stdout
    found = cli("search", f"{photos}/moon.jpg", "--library", address, "--json", "-k", "3")
    assert found.returncode == 0
    info = cli("info", "--library", address)
    assert f"library   {address}" in info.stdout
    assert "pictures  10" in info.stdout
    assert cli("doctor", "--library", address).stdout == "All is well.\n"
    gone = cli("remove", f"{photos}/moon.jpg", "--yes", "--library", address)
    assert gone.stdout == "Forgot 1 picture. No file was touched.\n"
    assert json.loads(cli("info", "--library", address, "--json").stdout)["pictures"] == 9
    wrong = cli("info", "--library", address, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert wrong.returncode == 1
    assert (
        "no S3 server answers at http://127.0.0.1:9; is it running, and AWS_ENDPOINT_URL right?"
        in wrong.stderr
    )
    missing = cli("search", "x", "--library", f"s3://{bucket}/none")
    assert missing.returncode == 4


KILLED = """
import sys, os, signal
import findalike
from findalike.ingest import write
seen = write.Writer.flush
def flush(self):
    seen(self)
    if self.counts["added"] >= 4:
        os.kill(os.getpid(), signal.SIGKILL)
write.Writer.flush = flush
with findalike.open(sys.argv[2], batch_rows=4) as library:
    library.add(sys.argv[1])
"""


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on(
    bucket: str, photos: str, way: s3_server.Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"s3://{bucket}/library"
    run = subprocess.run([sys.executable, "-c", KILLED, photos, address], timeout=120, check=False)
    assert run.returncode == -signal.SIGKILL
    with findalike.open(address) as library:
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(bucket_lease, "_BOOT", "/nowhere")
            with pytest.raises(LibraryLocked, match="is being written by process"):
                library.add(photos)
        got(way)
        report = library.add(photos)
        assert report.failures == ()
        assert report.added + report.unchanged == 10
        assert report.unchanged >= 4
        assert len(got(way)) == report.added
        assert library.check() == []
