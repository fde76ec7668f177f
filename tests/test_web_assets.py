"""What the library holds, over HTTP: thumbnails, files, ranges of them, edits, removals, uploads, exports."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, UnidentifiedImageError

import findalike
from findalike import uri as uris
from findalike.web.config import Config, Limits
from findalike.web.problems import told_of
from web import Answered, Served, drawn, encoded, refused, serving

pytest_plugins = ["web"]


def file_of(library: findalike.Library, asset_id: str) -> bytes:
    """The bytes of a picture, without any of findalike's own reading."""
    path, member = uris.split(library.store.get([asset_id])[asset_id].uri)
    if not member:
        return Path(uris.to_path(path)).read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read(member)


def opened(answer: httpx.Response) -> Image.Image:
    image = Image.open(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == f"image/{str(image.format).lower()}"
    image.load()
    return image


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


# Lists and single ones


def test_all_pictures_by_path(web: httpx.Client, oracle: findalike.Library) -> None:
    listed, cursor = [], None
    for _ in range(10):
        page = web.get("/v1/assets", params={"limit": 8, **({"cursor": cursor} if cursor else {})}).json()
        listed += page["assets"]
        cursor = page["cursor"]
        if cursor is None:
            break
    known = sorted(oracle.store.assets(), key=lambda asset: asset.uri)
    assert [(each["id"], each["path"]) for each in listed] == [(asset.id, asset.uri) for asset in known]
    for each, asset in zip(listed, known, strict=True):
        assert (each["size"], each["media"], each["tags"]) == (asset.size, asset.media, list(asset.tags))


def test_one_picture_and_what_it_shows(
    web: httpx.Client, oracle: findalike.Library, ids: dict[str, str]
) -> None:
    told = web.get(f"/v1/assets/{ids['shape-04.png']}").json()
    tags = oracle.tags(f"id:{ids['shape-04.png']}")
    assert tags
    assert [(each["bank"], each["name"]) for each in told["shown"]] == [(tag.bank, tag.name) for tag in tags]
    assert web.get("/v1/tags", params={"id": told["id"]}).json()["shown"] == told["shown"]


@pytest.mark.parametrize("path", ["", "/thumbnail", "/thumbnail?size=64", "/content"])
def test_an_unknown_id_is_not_found(web: httpx.Client, path: str) -> None:
    refused(web.get(f"/v1/assets/0123456789abcdef{path}"), "not-found")


# Thumbnails


@pytest.mark.parametrize("size", [16, 100, 255, 256, 257, 700, 1600, 2048])
def test_a_thumbnail_s_longer_side_is_what_is_asked_for(
    web: httpx.Client, ids: dict[str, str], size: int
) -> None:
    """Or a little less, where a whole factor is near; and never more than the picture has."""
    width, height = opened(web.get(f"/v1/assets/{ids['large.png']}/thumbnail", params={"size": size})).size
    assert 0.75 * min(size, 1800) < width <= min(size, 1800)
    assert abs(height - width * 1200 / 1800) <= 1


@pytest.mark.parametrize("size", [None, 40, 120, 1000])
def test_a_thumbnail_stands_upright(web: httpx.Client, ids: dict[str, str], size: int | None) -> None:
    params = {} if size is None else {"size": size}
    image = opened(web.get(f"/v1/assets/{ids['upright.jpg']}/thumbnail", params=params))
    width, height = image.size
    assert height == min(size or 256, 120)
    assert abs(width - height * 2 / 3) <= 1
    assert image.getexif().get(0x0112, 1) == 1
    assert [image.convert("RGB").getpixel((width // 2, y)) for y in (height // 4, height * 3 // 4)] == [
        pytest.approx((255, 0, 0), abs=40),
        pytest.approx((0, 0, 255), abs=40),
    ]


def test_every_picture_has_a_thumbnail(web: httpx.Client, ids: dict[str, str]) -> None:
    """Whatever its format and its name, and inside of an archive too."""
    for name, known in ids.items():
        for size in (None, 48):
            params = {} if size is None else {"size": size}
            answer = web.get(f"/v1/assets/{known}/thumbnail", params=params)
            assert answer.status_code == 200, name
            assert max(opened(answer).size) <= (size or 256)


@pytest.mark.parametrize("size", ["0", "15", "2049", "-1", "1e3", "x", "", "99999999999999999999", "64.0"])
def test_a_size_out_of_bounds_is_refused(web: httpx.Client, ids: dict[str, str], size: str) -> None:
    answer = web.get(f"/v1/assets/{ids['large.png']}/thumbnail", params={"size": size})
    if size != "64.0":
        refused(answer, "invalid")


def test_a_thumbnail_is_kept_by_its_version_and_checked_without(
    web: httpx.Client, ids: dict[str, str]
) -> None:
    asset = web.get(f"/v1/assets/{ids['shape-01.png']}").json()
    versioned = web.get(asset["links"]["thumbnail"])
    assert "immutable" in versioned.headers["cache-control"]
    assert "private" in versioned.headers["cache-control"]
    plain = web.get(f"/v1/assets/{asset['id']}/thumbnail")
    assert "no-cache" in plain.headers["cache-control"]
    tag = plain.headers["etag"]
    for given in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = web.get(f"/v1/assets/{asset['id']}/thumbnail", headers={"if-none-match": given})
        assert (again.status_code, again.content) == (304, b""), given
        assert again.headers["etag"] == tag
        assert "cache-control" in again.headers
    for given in ('"other"', "", "nonsense", f"{tag[:-1]}"):
        again = web.get(f"/v1/assets/{asset['id']}/thumbnail", headers={"if-none-match": given})
        assert again.status_code == 200, given
    assert web.get(f"/v1/assets/{asset['id']}/thumbnail", params={"size": 32}).headers["etag"] != tag


# Files


def test_content_is_the_file(web: httpx.Client, oracle: findalike.Library, ids: dict[str, str]) -> None:
    for name, known in ids.items():
        answer = web.get(f"/v1/assets/{known}/content")
        assert answer.status_code == 200, name
        assert answer.content == file_of(oracle, known), name
        assert answer.headers["content-type"] == oracle.store.get([known])[known].media
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["content-disposition"].startswith("inline;")
        assert "sandbox" in answer.headers["content-security-policy"]


def ranges(size: int) -> Iterator[tuple[str, slice | None]]:
    """Ranges of a file, and the part that each is; None for those that it has not."""
    yield "0-0", slice(0, 1)
    yield "0-", slice(0, size)
    yield "1-", slice(1, size)
    yield f"{size - 1}-", slice(size - 1, size)
    yield f"{size - 1}-{size - 1}", slice(size - 1, size)
    yield f"0-{size - 1}", slice(0, size)
    yield f"0-{size}", slice(0, size)
    yield f"5-{10 * size}", slice(5, size)
    yield "0-99999999999999999999", slice(0, size)
    yield "-1", slice(size - 1, size)
    yield "-100", slice(size - 100, size)
    yield f"-{size}", slice(0, size)
    yield f"-{size + 1}", slice(0, size)
    yield f"{size}-", None
    yield f"{size}-{size + 5}", None
    yield "99999999999999999999-", None
    yield "-0", None
    for seed in range(20):
        first, last = sorted(random.Random(seed).sample(range(size), 2))
        yield f"{first}-{last}", slice(first, last + 1)


@pytest.mark.parametrize("name", ["large.png", "spring.jpg", "one.png", "two.jpg", "caf\uf7e9.png"])
def test_ranges_are_slices_of_the_file(
    web: httpx.Client, oracle: findalike.Library, ids: dict[str, str], name: str
) -> None:
    """Of a file on disk, and of members of an archive, compressed and not."""
    whole = file_of(oracle, ids[name])
    for asked, part in ranges(len(whole)):
        answer = web.get(f"/v1/assets/{ids[name]}/content", headers={"range": f"bytes={asked}"})
        if part is None:
            refused(answer, "range")
            assert answer.headers["content-range"] == f"bytes */{len(whole)}", asked
            continue
        assert answer.status_code == 206, asked
        assert answer.content == whole[part], asked
        first, last, _ = part.indices(len(whole))
        assert answer.headers["content-range"] == f"bytes {first}-{last - 1}/{len(whole)}"
        assert answer.headers["content-length"] == str(last - first)
        assert answer.headers["etag"]


@pytest.mark.parametrize("name", ["large.png", "one.png"])
@pytest.mark.parametrize(
    "asked",
    ["", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=0x0-5", "lines=0-5", "bytes=0-1-2",
     "bytes=" + "9" * 5_000 + "-", "bytes=--5", "bytes=\u00b2-", "bytes=1e2-"],
)  # fmt: skip
def test_what_is_no_range_is_ignored(
    web: httpx.Client, oracle: findalike.Library, ids: dict[str, str], name: str, asked: str
) -> None:
    """As RFC 9110, section 14.2 has it: the whole file is never wrong."""
    answer = web.get(f"/v1/assets/{ids[name]}/content", headers={b"range": asked.encode("latin-1")})
    assert answer.status_code in (200, 416)
    assert answer.status_code == 416 or answer.content == file_of(oracle, ids[name])


@pytest.mark.parametrize("name", ["large.png", "one.png"])
def test_many_ranges_cost_no_more_than_the_file(
    web: httpx.Client, oracle: findalike.Library, ids: dict[str, str], name: str
) -> None:
    whole = file_of(oracle, ids[name])
    asked = "bytes=" + ",".join(["0-"] * 90)
    answer = web.get(f"/v1/assets/{ids[name]}/content", headers={"range": asked})
    assert answer.status_code in (200, 206)
    assert len(answer.content) < len(whole) + 1_000


@pytest.mark.parametrize("name", ["large.png", "one.png"])
def test_a_range_of_another_version_is_the_whole(
    web: httpx.Client, oracle: findalike.Library, ids: dict[str, str], name: str
) -> None:
    path, whole = f"/v1/assets/{ids[name]}/content", file_of(oracle, ids[name])
    tag = web.get(path).headers["etag"]
    same = web.get(path, headers={"range": "bytes=3-9", "if-range": tag})
    assert (same.status_code, same.content) == (206, whole[3:10])
    for other in ('"other"', f"W/{tag}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        answer = web.get(path, headers={"range": "bytes=3-9", "if-range": other})
        assert (answer.status_code, answer.content) == (200, whole), other


def test_content_that_the_client_has_is_not_sent_again(web: httpx.Client, ids: dict[str, str]) -> None:
    for name in ("large.png", "two.jpg"):
        path = f"/v1/assets/{ids[name]}/content"
        tag = web.get(path).headers["etag"]
        again = web.get(path, headers={"if-none-match": tag, "range": "bytes=0-3"})
        assert (again.status_code, again.content) == (304, b"")
        assert web.get(path, headers={"if-none-match": '"old"'}).status_code == 200


def test_the_head_of_a_file(web: httpx.Client, ids: dict[str, str]) -> None:
    """Every server answers HEAD as it answers GET, without the content (RFC 9110, section 9.1)."""
    for path in (f"/v1/assets/{ids['large.png']}/content", "/v1/library", "/healthz", "/"):
        head, whole = web.head(path), web.get(path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-type"] == whole.headers["content-type"]
    assert web.head("/v1/assets/nobody").status_code == 404
    head = web.head(f"/v1/assets/{ids['large.png']}/content")
    assert int(head.headers["content-length"]) > 1_000


def test_no_name_ends_a_header(reading: Served, ids: dict[str, str]) -> None:
    for name, known in ids.items():
        answer = reading.get(f"/v1/assets/{known}/content?download=1")
        assert answer.status == 200
        assert "x-evil" not in answer.headers
        disposition = answer.headers["content-disposition"]
        assert disposition.startswith("attachment; filename=")
        assert disposition.isprintable(), name
        assert disposition.isascii(), name


def test_a_file_that_is_gone_is_told(copied: Path, ids: dict[str, str], tmp_path: Path) -> None:
    with findalike.open(copied) as library:
        drawn(300, (400, 300)).save(tmp_path / "soon-gone.png")
        library.add(tmp_path / "soon-gone.png")
        asset = library.store.find(uris.from_path(tmp_path / "soon-gone.png"))
        assert asset
    with serving(copied) as served, served.client() as web:
        (tmp_path / "soon-gone.png").unlink()
        refused(web.get(f"/v1/assets/{asset.id}/content"), "file-missing")
        assert web.get(f"/v1/assets/{asset.id}/thumbnail").status_code == 200
        small = web.get(f"/v1/assets/{asset.id}/thumbnail", params={"size": 300})
        assert 192 < max(opened(small).size) <= 256, "the stored one is better than none"
        (tmp_path / "soon-gone.png").mkdir()
        refused(web.get(f"/v1/assets/{asset.id}/content"), "file-missing")
        assert web.get(f"/v1/assets/{asset.id}").status_code == 200


def test_a_file_that_changed_has_another_tag(copied: Path, tmp_path: Path) -> None:
    path = tmp_path / "changing.png"
    drawn(301).save(path)
    with findalike.open(copied) as library:
        library.add(path)
        asset = library.store.find(uris.from_path(path))
        assert asset
    with serving(copied) as served, served.client() as web:
        first = web.get(f"/v1/assets/{asset.id}/content")
        drawn(302, (200, 100)).save(path)
        second = web.get(f"/v1/assets/{asset.id}/content", headers={"if-none-match": first.headers["etag"]})
        assert (second.status_code, second.content) == (200, path.read_bytes())


def test_reveal_is_for_those_at_the_machine(gallery: Path, web: httpx.Client, ids: dict[str, str]) -> None:
    assert web.post(f"/v1/assets/{ids['large.png']}/reveal").status_code == 403  # --read-only
    shown: list[Path] = []
    with serving(gallery, reveal=shown.append) as served, served.client() as client:
        assert client.get("/v1/library").json()["can"]["reveal"]
        assert client.post(f"/v1/assets/{ids['two.jpg']}/reveal").status_code == 204
        refused(client.post("/v1/assets/nobody/reveal"), "not-found")
    assert [path.name for path in shown] == ["members.zip"]
    with serving(gallery) as served, served.client() as client:
        assert not client.get("/v1/library").json()["can"]["reveal"]
        refused(client.post(f"/v1/assets/{ids['two.jpg']}/reveal"), "unavailable")


# Edits


def test_labels_come_up_in_facets_filters_and_search(
    writing: Served, ids: dict[str, str], copied: Path
) -> None:
    with writing.client() as web:
        one, two = ids["shape-00.png"], ids["two.jpg"]
        told = web.patch(f"/v1/assets/{one}", json={"labels": {"add": ["Zorbling", "été 2019"]}}).json()
        assert told["labels"] == ["Zorbling", "été 2019"]
        assert web.patch("/v1/assets", json={"ids": [one, two], "labels": {"add": ["zorbling"]}}).json() == {
            "changed": 2
        }
        counted = web.get("/v1/facets", params={"column": "tag", "most": 1000}).json()["values"]
        assert {each["value"]: each["count"] for each in counted}["Zorbling"] == 2
        tags = web.get("/v1/tags", params={"most": 1000}).json()["tags"]
        assert {each["tag"]: each["count"] for each in tags}["Zorbling"] == 2
        found = web.post("/v1/search", json={"where": "tag = 'zorbling'"}).json()["hits"]
        assert {hit["id"] for hit in found} == {one, two}
        best = web.post("/v1/search", json={"terms": [{"text": "zorbling"}], "limit": 2}).json()["hits"]
        assert {hit["id"] for hit in best} == {one, two}
        with findalike.open(copied, "r") as oracle:
            assert set(oracle.labels([one, two])) == {one, two}
        off = web.patch(f"/v1/assets/{one}", json={"labels": {"remove": ["ZORBLING"]}}).json()
        assert off["labels"] == ["été 2019"]
        found = web.get("/v1/assets", params={"where": "tag = 'zorbling'"}).json()["assets"]
        assert [each["id"] for each in found] == [two]


def test_metadata_is_set_typed_and_taken_away(writing: Served, ids: dict[str, str]) -> None:
    with writing.client() as web:
        path = f"/v1/assets/{ids['shape-02.png']}"
        values = {"artist": "unknown", "rating": 5, "sharpness": 0.5, "kept": True, "taken": "2011-03-04"}
        told = web.patch(path, json={"metadata": values}).json()["metadata"]
        assert {name: told[name] for name in ("artist", "rating", "sharpness", "kept")} == {
            "artist": "unknown", "rating": 5, "sharpness": 0.5, "kept": True,
        }  # fmt: skip
        assert told["taken"].startswith(("2011-03-04", "2011-03-03"))
        where = "artist = 'unknown' and rating > 4 and sharpness < 1 and kept and year = 2011"
        where = where.replace("and kept and year = 2011", "and kept = true and taken < '2012-01-01'")
        assert len(web.get("/v1/assets", params={"where": where}).json()["assets"]) == 1
        columns = web.get("/v1/library").json()["columns"]
        assert (columns["rating"], columns["artist"], columns["kept"]) == ("integer", "text", "boolean")
        told = web.patch(path, json={"metadata": {"artist": None, "rating": None}}).json()["metadata"]
        assert "artist" not in told
        assert "rating" not in told


@pytest.mark.parametrize(
    "edit",
    [
        {"metadata": {"width": "wide"}},
        {"metadata": {"width": 1.5}},  # the whole column would hold no whole numbers any more
        {"metadata": {"width": 2**70}},
        {"metadata": {"taken": "yesterday"}},
        {"metadata": {"taken": "0001-01-01T00:00:00+23:59"}},
        {"metadata": {"taken": "9999-12-31T23:59:59-23:59"}},
        {"metadata": {"taken": 5}},
        {"metadata": {"taken": ""}},
        {"metadata": {"": "x"}},
        {"metadata": {"x\ny": 1}},
        {"metadata": {"tag": "x"}},
        {"metadata": {"new": [1]}},
        {"metadata": {"new": {"a": 1}}},
        {"metadata": {"x" * 2000: 1}},
        {"metadata": {f"c{n}": 1 for n in range(101)}},
        {"labels": {"add": [""]}},
        {"labels": {"add": ["a\nb"]}},
        {"labels": {"add": ["x" * 101]}},
        {"labels": {"add": ["x"] * 101}},
        {"labels": {"put": ["x"]}},
        {"labels": ["x"]},
        {"ids": ["x"]},
        [],
        "x",
    ],
)
def test_an_edit_that_is_wrong_is_refused_and_changes_nothing(
    editing: Served, ids: dict[str, str], edit: Any
) -> None:
    with editing.client() as web:
        path = f"/v1/assets/{ids['shape-07.png']}"
        before = web.get(path).json()
        answer = web.patch(path, json=edit)
        assert answer.status_code == 422, answer.text
        assert web.get(path).json() == before


@pytest.fixture(scope="module")
def editing(gallery: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that is asked for much, and must not do it."""
    import shutil

    path = Path(shutil.copytree(gallery, tmp_path_factory.mktemp("editing") / "library"))
    with serving(path) as served:
        yield served


@pytest.mark.parametrize(
    "values",
    [{"big": 2**63}, {"big": -(2**70)}, {"huge": 1e308}, {"ancient": "0001-01-01"}, {"nul": "a\x00b"},
     {"emoji": "🦄" * 500}, {"drop table'--": 1}, {"ü": "x"}, {"a.b": 1}, {"SELECT": True},
     {"name": "shadow"}],
)  # fmt: skip
def test_odd_metadata_is_kept_or_refused(
    editing: Served, ids: dict[str, str], values: dict[str, Any]
) -> None:
    with editing.client() as web:
        path = f"/v1/assets/{ids['shape-08.png']}"
        answer = web.patch(path, json={"metadata": values})
        assert answer.status_code in (200, 422)
        if answer.status_code == 200:
            told = answer.json()["metadata"]
            assert {name: told[name] for name in values} == {n: pytest.approx(v) for n, v in values.items()}
        assert web.get("/v1/library").status_code == 200
        assert web.get("/v1/facets", params={"column": next(iter(values))}).status_code in (200, 422)


def test_edits_of_unknown_pictures_change_none(editing: Served, ids: dict[str, str]) -> None:
    with editing.client() as web:
        many = {"ids": [ids["shape-09.png"], "nobody"], "labels": {"add": ["never"]}}
        refused(web.patch("/v1/assets", json=many), "not-found")
        refused(web.patch("/v1/assets/nobody", json={"labels": {"add": ["never"]}}), "not-found")
        assert web.get("/v1/assets", params={"where": "tag = 'never'"}).json()["assets"] == []
        refused(web.patch("/v1/assets", json={"ids": [], "labels": {"add": ["never"]}}), "invalid")
        typed = web.patch(
            f"/v1/assets/{ids['shape-09.png']}", content=b"{}", headers={"content-type": "text/plain"}
        )
        assert typed.status_code in (415, 422)


# Removal


def test_a_removal_leaves_the_file(writing: Served, ids: dict[str, str], drawings: Path) -> None:
    with writing.client() as web:
        known, before = ids["shape-06.png"], files_below(drawings)
        links = web.get(f"/v1/assets/{known}").json()["links"]
        assert web.get(links["thumbnail"]).status_code == 200
        answer = web.delete(f"/v1/assets/{known}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert files_below(drawings) == before
        for link in links.values():
            assert web.get(link).status_code == 404, link
        refused(web.delete(f"/v1/assets/{known}"), "not-found")
        listed = web.get("/v1/assets", params={"limit": 100}).json()["assets"]
        assert known not in [each["id"] for each in listed]
        assert len(listed) == web.get("/v1/library").json()["pictures"] == 33
        found = web.post("/v1/search", json={"terms": [{"text": "red"}], "limit": 100}).json()["hits"]
        assert known not in [hit["id"] for hit in found]


# Uploads


def posted(web: httpx.Client, *several: tuple[str, bytes]) -> httpx.Response:
    return web.post("/v1/assets", files=[("files", (name, data, "image/png")) for name, data in several])


def test_uploads_are_kept_and_found(writing: Served, tmp_path: Path) -> None:
    with writing.client() as web:
        first, second = encoded(drawn(400)), encoded(drawn(401), "JPEG")
        answer = posted(web, ("first.png", first), ("second.jpg", second))
        assert answer.status_code == 201
        told = answer.json()
        assert told["failures"] == []
        assert [each["name"] for each in told["assets"]] == ["first.png", "second.jpg"]
        assert sorted(path.read_bytes() for path in files_below(tmp_path / "uploads")) == sorted(
            [first, second]
        )
        for each, data in zip(told["assets"], (first, second), strict=True):
            assert web.get(each["links"]["content"]).content == data
            hits = web.post("/v1/search", json={"terms": [{"id": each["id"]}], "include_self": True}).json()
            assert hits["hits"][0]["id"] == each["id"]
        again = posted(web, ("other name.png", first))
        assert again.status_code == 201
        assert [each["id"] for each in again.json()["assets"]] == [told["assets"][0]["id"]]
        assert len(files_below(tmp_path / "uploads")) == 2, "the same picture is kept once"


EVIL_NAMES = [
    "../../x.png", "/etc/cron.d/x.png", "..", ".", " ", "...", "x/../../y.png", "..\\..\\x.png",
    "C:\\x.png", "a\x00b.png", "a\r\nX-Evil: 1.png", "n" * 900 + ".png", "猫.png", "..%2f..%2fx.png",
    ".hidden.png", "x.png.partial", "con", "x.php", "a;b=c.png", 'a"b.png', "\u202egnp.exe", "~root",
    "-rf.png",
]  # fmt: skip


def test_whatever_a_file_is_called_it_lands_in_the_folder(writing: Served, tmp_path: Path) -> None:
    before = {path for path in files_below(tmp_path) if "library" not in path.parts}
    with writing.client() as web:
        named = [(name, encoded(drawn(500 + seed))) for seed, name in enumerate(EVIL_NAMES)]
        answer = posted(web, *named)
        assert answer.status_code == 201, answer.text
        for asset, (name, data) in zip(answer.json()["assets"], named, strict=True):
            assert Path(asset["path"]).is_relative_to(tmp_path / "uploads"), name
            assert web.get(asset["links"]["content"]).content == data, name
        for name in ("", "n" * 5_000 + ".png"):
            assert posted(web, (name, encoded(drawn(499)))).status_code in (201, 400, 422)
    after = {path for path in files_below(tmp_path) if "library" not in path.parts} - before
    assert all(path.is_relative_to(tmp_path / "uploads") for path in after)
    assert all(path.suffix == ".png" for path in after), "what it is says the content, not the client"
    assert len(after) >= len(EVIL_NAMES)


def raw_upload(served: Served, disposition: bytes, data: bytes) -> Answered:
    body = b"--b\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + data + b"\r\n--b--\r\n"
    head = (
        f"POST /v1/assets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    )
    return Answered.read(
        served.raw(head.encode() + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" + body)
    )


@pytest.mark.parametrize(
    ("disposition", "kept"),
    [
        (b'form-data; name="files"; filename="../../../evil.png"', True),
        (b'form-data; name="files"; filename="/tmp/evil.png"', True),
        (b'form-data; name="files"; filename="a\x00b.png"', True),
        (b"form-data; name=\"files\"; filename*=utf-8''..%2f..%2fevil.png", False),
        (b'form-data; name="files"; filename="caf\xe9.png"', True),
        (b'form-data; name="files"', False),
        (b'form-data; name="other"; filename="x.png"', False),
        (b"form-data", False),
        (b"", False),
    ],
)
def test_names_that_no_client_would_send(
    writing: Served, tmp_path: Path, disposition: bytes, kept: bool
) -> None:
    data = encoded(drawn(600))
    answer = raw_upload(writing, disposition, data)
    assert answer.status < 500, answer.body
    assert answer.status == 201 or not kept
    assert len(files_below(tmp_path / "uploads")) == (answer.status == 201)
    assert not [path for path in tmp_path.rglob("*evil*") if not path.is_relative_to(tmp_path / "uploads")]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def claimed(width: int, height: int) -> bytes:
    """A PNG that says how large it is, with next to nothing inside."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1_000))) + chunk(b"IEND", b"")


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.png", bytes(50_000_000))
    return out.getvalue()


def wordy() -> bytes:
    """A good PNG with a text that unfolds to 200 MB."""
    whole = encoded(drawn(1))
    packed = zlib.compressobj(9)
    text = b"".join(packed.compress(bytes(2**20)) for _ in range(200)) + packed.flush()
    return whole[:33] + chunk(b"zTXt", b"Comment\x00\x00" + text) + whole[33:]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("zip.jpg", bomb()),
        ("huge.png", claimed(100_000, 100_000)),
        ("huger.png", claimed(2**31 - 1, 2**31 - 1)),
        ("short.png", claimed(300, 300)),
        ("cut.jpg", encoded(drawn(1, (300, 200)), "JPEG")[:900]),
        ("empty.png", b""),
        ("page.png", b"<html><script>alert(1)</script>"),
        ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
        ("magic.png", b"\x89PNG\r\n\x1a\n"),
        ("magic.jpg", b"\xff\xd8\xff\xe0" + bytes(100)),
        ("magic.webp", b"RIFF\xff\xff\xff\xffWEBPVP8 "),
        ("magic.tiff", b"II*\x00\x08\x00\x00\x00\xff\xff"),
        ("magic.gif", b"GIF89a" + bytes(20)),
        ("magic.heic", b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_picture_is_told_and_let_go_of(
    uploading: tuple[Served, Path], name: str, data: bytes
) -> None:
    served, folder = uploading
    with served.client() as web:
        pictures = web.get("/v1/library").json()["pictures"]
        answer = posted(web, (name, data))
        assert answer.status_code == 201, answer.text
        told = answer.json()
        assert told["assets"] == []
        assert [failure["name"] for failure in told["failures"]] == [name]
        assert told["failures"][0]["error"]
        assert list(folder.rglob("*")) == [], "nothing is left behind"
        library = web.get("/v1/library").json()
        assert (library["pictures"], library["failures"]) == (pictures, 1)


def test_a_picture_with_an_endless_text_is_no_danger(uploading: tuple[Served, Path]) -> None:
    served, folder = uploading
    with served.client() as web:
        told = posted(web, ("wordy.png", wordy())).json()
        assert len(told["assets"]) + len(told["failures"]) == 1
        for each in told["assets"]:
            web.delete(f"/v1/assets/{each['id']}")
        for path in files_below(folder):
            path.unlink()


@pytest.fixture(scope="module")
def uploading(gallery: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    """A server with a folder for uploads, where nothing should stay, and its folder."""
    import shutil

    place = tmp_path_factory.mktemp("uploading")
    path = Path(shutil.copytree(gallery, place / "library"))
    with serving(path, Config(port=0, uploads=place / "uploads")) as served:
        (place / "uploads").mkdir()
        yield served, place / "uploads"


def test_good_ones_are_kept_beside_bad_ones(writing: Served, tmp_path: Path) -> None:
    with writing.client() as web:
        told = posted(
            web, ("bad.png", b"nothing"), ("good.png", encoded(drawn(700))), ("cut.png", claimed(300, 300))
        ).json()
        assert [each["name"] for each in told["assets"]] == ["good.png"]
        assert sorted(each["name"] for each in told["failures"]) == ["bad.png", "cut.png"]
        assert len(files_below(tmp_path / "uploads")) == 1
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(b"nothing"))


def test_bodies_that_are_no_upload(writing: Served, tmp_path: Path) -> None:
    with writing.client() as web:
        assert web.post("/v1/assets").status_code == 422
        assert web.post("/v1/assets", json={"files": ["x"]}).status_code == 422
        assert web.post("/v1/assets", data={"files": "x"}).status_code == 422
        for kind in ("multipart/form-data", "multipart/form-data; boundary=" + "x" * 300):
            answer = web.post("/v1/assets", content=b"--x\r\nnonsense", headers={"content-type": kind})
            assert answer.status_code in (400, 422)
        many = [("files", (f"{n}.png", b"x")) for n in range(1_100)]
        assert web.post("/v1/assets", files=many).status_code in (201, 400)
        assert not (tmp_path / "uploads").exists() or not files_below(tmp_path / "uploads")


def test_an_upload_over_the_limit_is_refused_before_it_is_kept(copied: Path, tmp_path: Path) -> None:
    config = Config(port=0, uploads=tmp_path / "uploads", limits=Limits(body=20_000))
    with serving(copied, config) as served, served.client() as web:
        data = encoded(Image.effect_noise((300, 300), 90))
        assert len(data) > 20_000
        refused(posted(web, ("noise.png", data)), "too-large")
        assert posted(web, ("small.png", encoded(drawn(1)))).status_code == 201
        assert len(files_below(tmp_path / "uploads")) == 1


def test_the_pixel_budget_holds_for_uploads(copied: Path, tmp_path: Path) -> None:
    config = Config(port=0, uploads=tmp_path / "uploads")
    with serving(copied, config, pixel_budget=5_000) as served, served.client() as web:
        told = posted(web, ("large.png", encoded(drawn(2)))).json()
        assert "pixels" in told["failures"][0]["error"]
        assert files_below(tmp_path / "uploads") == []


HOLDING = """
import sys, filelock
with filelock.FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(library: Path) -> Iterator[None]:
    """Another process writes to the library."""
    command = [sys.executable, "-c", HOLDING, str(library / "writer.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        try:
            yield
        finally:
            other.stdin.close()
            other.wait(10)


def test_a_library_that_another_process_writes_to(
    writing: Served, copied: Path, ids: dict[str, str], tmp_path: Path
) -> None:
    """Reading goes on; writing is told to come back, and loses nothing."""
    known, data = ids["shape-05.png"], encoded(drawn(800))
    with writing.client() as web:
        (kept,) = posted(web, ("kept.png", data)).json()["assets"]
        with held(copied):
            answers = [
                web.patch(f"/v1/assets/{known}", json={"labels": {"add": ["x"]}}),
                web.delete(f"/v1/assets/{known}"),
                posted(web, ("new.png", encoded(drawn(801))), ("kept.png", data)),
            ]
            for answer in answers:
                assert answer.status_code == 409, answer.request.url
                refused(answer, "library-locked")
                assert int(answer.headers["retry-after"]) > 0
            assert web.post("/v1/search", json={"terms": [{"text": "red"}]}).json()["hits"]
        assert [path.read_bytes() for path in files_below(tmp_path / "uploads")] == [data]
        assert web.get(kept["links"]["content"]).content == data, (
            "a file that the library knows is not let go of"
        )
        assert posted(web, ("new.png", encoded(drawn(801)))).status_code == 201
        assert web.delete(f"/v1/assets/{known}").status_code == 204


# Exports


def test_exports(web: httpx.Client, oracle: findalike.Library, ids: dict[str, str]) -> None:
    wanted = [ids[name] for name in ("two.jpg", "large.png", 'ü 猫 "quoted".png', "line\r\nX-Evil: yes.png")]
    answer = web.post("/v1/assets/export", json={"ids": wanted, "format": "json"})
    assert [each["id"] for each in answer.json()] == wanted
    assert answer.headers["content-disposition"].startswith("attachment;")
    answer = web.post("/v1/assets/export", json={"ids": wanted, "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["id"] for row in rows] == wanted
    assert [row["width"] for row in rows] == ["96", "1800", "96", "96"]
    answer = web.post("/v1/assets/export", json={"ids": wanted, "format": "zip"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        kept = {hashlib.sha256(archive.read(name)).digest() for name in archive.namelist()}
        assert all(not name.startswith(("/", "..")) and "/" not in name for name in archive.namelist())
    assert kept == {hashlib.sha256(file_of(oracle, known)).digest() for known in wanted}
    refused(web.post("/v1/assets/export", json={"ids": ["nobody"]}), "not-found")
    refused(web.post("/v1/assets/export", json={"ids": wanted, "format": "exe"}), "invalid")


def test_cells_of_a_table_are_no_formulas(writing: Served, ids: dict[str, str]) -> None:
    with writing.client() as web:
        known = ids["shape-00.png"]
        formulas = {"one": "=cmd()", "two": "@x", "three": "+1", "four": "\t=x", "five": "-1+1"}
        web.patch(f"/v1/assets/{known}", json={"metadata": formulas, "labels": {"add": ["=label()"]}})
        text = web.post("/v1/assets/export", json={"ids": [known], "format": "csv"}).text
        (row,) = csv.DictReader(io.StringIO(text, newline=""))
        for name in (*formulas, "labels"):
            assert row[name][0] == "'"


def test_an_export_of_a_file_that_is_gone_says_so(copied: Path, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("here.png", "gone.png")]
    for seed, path in enumerate(paths, 900):
        drawn(seed).save(path)
    with findalike.open(copied) as library:
        library.add(*paths)
        found = [library.store.find(uris.from_path(path)) for path in paths]
    os.remove(paths[1])  # noqa: PTH107
    with serving(copied) as served, served.client() as web:
        wanted = [asset.id for asset in found if asset]
        answer = web.post("/v1/assets/export", json={"ids": wanted, "format": "zip"})
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.namelist() == ["here.png", "missing.txt"]
            assert b"gone.png" in archive.read("missing.txt")


# What is known of the library


def test_facets_tags_and_words_are_the_library_s(web: httpx.Client, oracle: findalike.Library) -> None:
    for column in ("tag", "media", "year", "month", "taken", "width"):
        told = web.get("/v1/facets", params={"column": column, "most": 50}).json()
        expected = [[value, count] for value, count in oracle.facets(column, most=50)]
        assert [[each["value"], each["count"]] for each in told["values"]] == json.loads(
            json.dumps(expected, default=str)
        ), column
    where = "width > 1000"
    told = web.get("/v1/facets", params={"column": "media", "where": where}).json()["values"]
    assert told == [{"value": "image/png", "count": 1}]
    tags = web.get("/v1/tags", params={"most": 5}).json()["tags"]
    assert [(each["tag"], each["count"]) for each in tags] == oracle.facets("tag", most=5)
    words = web.get("/v1/words", params={"text": "dog"}).json()["words"]
    assert [each["word"] for each in words] == [each.word for each in oracle.words("dog")]
    refused(web.get("/v1/facets", params={"column": "no such"}), "query")
    refused(web.get("/v1/facets", params={"where": "no such = 1"}), "query")


def test_failures_are_listed_with_reasons(web: httpx.Client, oracle: findalike.Library) -> None:
    (told,) = web.get("/v1/failures").json()["failures"]
    (known,) = oracle.store.failures()
    assert told == {"path": known.uri, "stage": known.stage, "error": known.error}
    assert told["path"].endswith("broken.jpg")


def test_the_library_and_its_encoders(web: httpx.Client, oracle: findalike.Library) -> None:
    told = web.get("/v1/library").json()
    assert (told["pictures"], told["failures"]) == (len(oracle), 1)
    assert told["columns"] == oracle.info().columns
    assert told["can"] == {"write": False, "index": False, "upload": False, "reveal": False}
    assert told["range"]["from"] == "2015-01-01T00:00:00+00:00"
    encoders = web.get("/v1/encoders").json()["encoders"]
    own = [each["space"] for each in encoders if each["in_library"]]
    assert sorted(own) == sorted(oracle.store.cards())


def test_health_and_metrics(web: httpx.Client) -> None:
    assert web.get("/healthz").json() == {"status": "alive"}
    assert web.get("/readyz").json() == {"status": "ready"}
    web.post("/v1/search", json={"terms": [{"text": "red"}]})
    answer = web.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "findalike_pictures 34" in answer.text
    lines = [line for line in answer.text.splitlines() if line.startswith("findalike_requests_total{")]
    assert any('route="/v1/search"' in line and 'status="200"' in line for line in lines), lines
    assert not any("0123456789abcdef" in line for line in lines), "an address is no label"


# Files that are not what they were


@pytest.fixture
def moving(tmp_path: Path) -> Iterator[tuple[Served, Path, str]]:
    """A server over one large picture, its file, and its id."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    file = folder / "one.png"
    drawn(7, (1600, 1200)).save(file)
    with findalike.open(tmp_path / "library") as library:
        library.add(folder)
        (asset,) = library.store.assets()
    with serving(tmp_path / "library") as served:
        yield served, file, asset.id


def test_the_small_picture_of_an_unplugged_drive_is_not_kept(moving: tuple[Served, Path, str]) -> None:
    served, file, asset_id = moving
    with served.client() as web:
        address = web.get(f"/v1/assets/{asset_id}").json()["links"]["thumbnail"] + "&size=1024"
        away = file.rename(file.with_suffix(".away"))
        small = web.get(address)
        assert max(opened(small).size) <= 256
        assert "immutable" not in small.headers["cache-control"]
        assert web.get(f"/v1/assets/{asset_id}").json()["available"] is False
        away.rename(file)
        large = web.get(address)
        assert max(opened(large).size) > 700
        assert "immutable" in large.headers["cache-control"]
        assert web.get(f"/v1/assets/{asset_id}").json()["available"] is True


def test_a_version_that_a_client_made_up_is_not_kept_for_ever(moving: tuple[Served, Path, str]) -> None:
    served, _, asset_id = moving
    with served.client() as web:
        for more in ("", "&size=512"):
            made_up = web.get(f"/v1/assets/{asset_id}/thumbnail?v=anything{more}")
            assert made_up.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("kind", ["link", "file", "unreadable"])
def test_what_came_in_the_place_of_a_picture_is_not_served(
    moving: tuple[Served, Path, str], tmp_path: Path, kind: str
) -> None:
    served, file, asset_id = moving
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret of this machine " * 10)
    file.unlink()
    if kind == "link":
        file.symlink_to(secret)
    elif kind == "file":
        file.write_bytes(secret.read_bytes())
    else:
        file.mkdir()
    with served.client() as web:
        answer = web.get(f"/v1/assets/{asset_id}/content")
        assert (answer.status_code, answer.json()["code"]) == (404, "file-missing")
        asked = {"ids": [asset_id], "format": "zip"}
        with zipfile.ZipFile(io.BytesIO(web.post("/v1/assets/export", json=asked).content)) as archive:
            assert archive.namelist() == ["missing.txt"]
            assert b"secret of this" not in archive.read("missing.txt")


@pytest.mark.parametrize("name", ["width", "height"])
def test_the_size_of_a_picture_is_not_for_clients_to_say(moving: tuple[Served, Path, str], name: str) -> None:
    served, _, asset_id = moving
    with served.client() as web:
        assert web.patch(f"/v1/assets/{asset_id}", json={"metadata": {name: 5}}).status_code == 422
        assert web.get(f"/v1/assets/{asset_id}").json()[name] in (1600, 1200)


def test_clients_that_hang_up_are_no_errors(
    moving: tuple[Served, Path, str], caplog: pytest.LogCaptureFixture
) -> None:
    served, _, _ = moving
    host, port = served.url.removeprefix("http://").split(":")
    for _ in range(10):
        with socket.create_connection((host, int(port.strip("/")))) as client:
            client.sendall(
                b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"Content-Length: 5000\r\n\r\n{"
            )
    with served.client() as web:
        metrics = web.get("/metrics").text
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert 'status="500"' not in metrics


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("no picture has the id 'x': ids are in findalike search --json", "no picture has the id 'x'"),
        ("known are, for example, cat, dog: see findalike words", "known are, for example, cat, dog"),
        (
            "more than the budget; raise FINDALIKE_PIXEL_BUDGET, and index with --retry",
            "more than the budget",
        ),
        ("is missing; connect the drive, or add --sweep to forget 1,151", "is missing; connect the drive"),
        ("year >= 'a': a number; it is --- odd", "year >= 'a': a number; it is --- odd"),
    ],
)
def test_advice_for_a_command_line_is_not_told_to_clients(message: str, told: str) -> None:
    assert told_of(ValueError(message)) == told
