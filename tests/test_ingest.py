"""Bringing a library in step with folders: what is counted, kept, encoded, swept and refused."""

from __future__ import annotations

import csv
import io
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import findalike
from findalike import ingest, sources
from findalike.encode import catalog
from findalike.errors import ReadError, SweepRefused, UsageError
from findalike.ingest import Report
from findalike.ownership import without
from findalike.query import MEASURES
from findalike.store.base import Batch
from findalike.types import Asset, Bank, Concept, Evidence, Failure, Metadata, Picture, Row, Vector
from findalike.words import banks

INT8 = "efficientnet-lite0@1-int8"
FLOAT = "efficientnet-lite0@1-float32"


def counts(report: Report) -> dict[str, int]:
    """What is not zero."""
    numbers = {
        f.name: getattr(report, f.name) for f in fields(report) if f.name not in ("failures", "seconds")
    }
    numbers["failures"] = len(report.failures)
    return {name: number for name, number in numbers.items() if number}


def by_name(library: findalike.Library) -> dict[str, Asset]:
    return {Path(asset.uri).name: asset for asset in library.store.assets()}


def vector_of(library: findalike.Library, asset: Asset, space: str = INT8) -> Vector:
    (row,) = library.store.rows(space, [asset.id])
    return row.vector


def mark(library: findalike.Library, asset: Asset) -> Vector:
    """Give an asset a vector that no encoder makes, to see whether it is encoded again."""
    (row,) = library.store.rows(INT8, [asset.id])
    vector = np.zeros_like(row.vector)
    vector[7] = 1
    thumbnail = library.store.thumbnails([asset.id])[asset.id]
    rows = {INT8: [Row(row.id, row.origin, vector)]}
    library.store.write(Batch([library.store.get([asset.id])[asset.id]], rows, {asset.id: thumbnail}))
    return vector


def is_marked(library: findalike.Library, asset: Asset) -> bool:
    return bool(vector_of(library, asset)[7] == 1)


def touch(path: Path, seconds: int = 5) -> None:
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + seconds * 10**9))


def jpeg(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


# What is new, the same, changed, moved


def test_the_first_run_adds_and_the_second_finds_all_unchanged(
    library: findalike.Library, pictures: Path
) -> None:
    (pictures / "notes.txt").write_text("no picture, and it does not claim to be one")
    assert counts(library.add(pictures)) == {"added": 4, "skipped": 1}
    assert len(library) == 4
    first = by_name(library)
    assert counts(library.add(pictures)) == {"unchanged": 4, "skipped": 1}
    assert by_name(library) == first
    asset = first["chelsea.jpg"]
    assert asset.uri == str(pictures / "chelsea.jpg")
    assert asset.media == "image/jpeg"
    assert (asset.metadata["width"], asset.metadata["height"]) == (192, 144)
    assert asset.size == (pictures / "chelsea.jpg").stat().st_size


def test_unchanged_files_are_not_opened(library: findalike.Library, pictures: Path) -> None:
    library.add(pictures)
    path = pictures / "chelsea.jpg"
    before, known = path.stat(), by_name(library)["chelsea.jpg"]
    path.write_bytes(b"x" * before.st_size)  # who opened it would see that it is no picture
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert counts(library.add(pictures)) == {"unchanged": 4}
    assert by_name(library)["chelsea.jpg"] == known


def test_a_touched_file_is_the_same_asset_and_is_not_encoded(
    library: findalike.Library, pictures: Path
) -> None:
    library.add(pictures)
    known = by_name(library)["coffee.jpg"]
    mark(library, known)
    touch(pictures / "coffee.jpg")
    assert counts(library.add(pictures)) == {"unchanged": 4}
    now = by_name(library)["coffee.jpg"]
    assert is_marked(library, now)
    assert now.modified > known.modified
    assert replace(now, modified=known.modified) == known
    assert counts(library.add(pictures)) == {"unchanged": 4}


def test_a_moved_file_keeps_its_identity_and_vectors(library: findalike.Library, pictures: Path) -> None:
    library.add(pictures)
    known = by_name(library)["coffee.jpg"]
    mark(library, known)
    (pictures / "deep" / "er").mkdir(parents=True)
    (pictures / "coffee.jpg").rename(pictures / "deep" / "er" / "renamed.jpg")
    assert counts(library.add(pictures)) == {"moved": 1, "unchanged": 3}
    now = by_name(library)["renamed.jpg"]
    assert now.id == known.id
    assert now.metadata == known.metadata
    assert is_marked(library, now)
    assert len(library) == 4
    found = library.search(where="folder like '%/deep/er'")
    assert [hit.asset.id for hit in found] == [known.id]
    nearest = library.search(f"id:{known.id}", where="name = 'renamed.jpg'", include_self=True)
    assert [hit.asset.id for hit in nearest] == [known.id]


def test_a_file_that_moves_to_another_root_keeps_its_identity(
    library: findalike.Library, pictures: Path, tmp_path: Path
) -> None:
    library.add(pictures)
    known = by_name(library)["coffee.jpg"]
    other = tmp_path / "other"
    other.mkdir()
    (pictures / "coffee.jpg").rename(other / "coffee.jpg")
    assert counts(library.add(other)) == {"moved": 1}
    assert by_name(library)["coffee.jpg"].id == known.id
    assert counts(library.add(pictures)) == {"unchanged": 3}
    assert len(library) == 4


def test_copies_of_one_content_are_assets_of_their_own(library: findalike.Library, pictures: Path) -> None:
    shutil.copy(pictures / "coffee.jpg", pictures / "copy.jpg")
    assert counts(library.add(pictures)) == {"added": 5}
    first = by_name(library)
    assert first["coffee.jpg"].id != first["copy.jpg"].id
    assert first["coffee.jpg"].sha256 == first["copy.jpg"].sha256
    (pictures / "copy.jpg").rename(pictures / "copy2.jpg")
    shutil.copy(pictures / "coffee.jpg", pictures / "third.jpg")
    assert counts(library.add(pictures)) == {"added": 1, "moved": 1, "unchanged": 4}
    now = by_name(library)
    assert now["coffee.jpg"].id == first["coffee.jpg"].id
    assert first["copy.jpg"].id in (now["copy2.jpg"].id, now["third.jpg"].id)
    (pictures / "third.jpg").unlink()
    assert counts(library.add(pictures)) == {"removed": 1, "unchanged": 5}


def test_changed_content_keeps_the_identity_and_gives_new_vectors(
    library: findalike.Library, pictures: Path
) -> None:
    library.add(pictures)
    known = by_name(library)["coffee.jpg"]
    was = vector_of(library, known)
    with Image.open(pictures / "chelsea.jpg") as other:
        other.crop((0, 0, 100, 90)).save(pictures / "coffee.jpg")
    touch(pictures / "coffee.jpg")
    assert counts(library.add(pictures)) == {"updated": 1, "unchanged": 3}
    now = by_name(library)["coffee.jpg"]
    assert now.id == known.id
    assert now.sha256 != known.sha256
    assert (now.metadata["width"], now.metadata["height"]) == (100, 90)
    assert float(vector_of(library, now) @ was) < 0.9
    assert library.search(pictures / "coffee.jpg")[0].asset.uri.endswith("chelsea.jpg")


def test_one_folder_given_twice_or_inside_another_is_indexed_once(
    library: findalike.Library, pictures: Path
) -> None:
    (pictures / "sub").mkdir()
    (pictures / "coffee.jpg").rename(pictures / "sub" / "coffee.jpg")
    assert counts(library.add(pictures, pictures / "sub", pictures)) == {"added": 4}


# Failures


def test_a_damaged_file_is_a_failure_and_its_old_asset_stays(
    library: findalike.Library, pictures: Path
) -> None:
    library.add(pictures)
    known, path = by_name(library)["coffee.jpg"], pictures / "coffee.jpg"
    good, stamp = path.read_bytes(), path.stat()
    path.write_bytes(good[: len(good) // 2])
    report = library.add(pictures)
    assert counts(report) == {"failures": 1, "unchanged": 3}
    assert (report.failures[0].uri, report.failures[0].stage) == (str(path), "decode")
    assert by_name(library)["coffee.jpg"] == known
    assert len(vector_of(library, known)) == 1280
    path.write_bytes(good)  # as it was, to the nanosecond: as from a backup
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert counts(library.add(pictures)) == {"unchanged": 4}
    assert not library.store.failures()


def test_a_known_picture_that_turns_into_something_else_is_a_failure(
    library: findalike.Library, pictures: Path
) -> None:
    (pictures / "coffee.jpg").rename(pictures / "coffee")
    library.add(pictures)
    (pictures / "coffee").write_text("a text, and the name claims nothing")
    report = library.add(pictures)
    assert counts(report) == {"failures": 1, "unchanged": 3}
    assert "no picture" in report.failures[0].error


def test_a_failure_is_remembered_until_the_file_changes(library: findalike.Library, pictures: Path) -> None:
    path = pictures / "broken.jpg"
    good = (pictures / "chelsea.jpg").read_bytes()
    path.write_bytes(good[:1000])
    assert counts(library.add(pictures)) == {"added": 4, "failures": 1}
    stamp = path.stat()
    path.write_bytes(good[:999] + b"\0")  # not opened: neither size nor time differs
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    report = library.add(pictures)
    assert counts(report) == {"unchanged": 4, "failures": 1}
    assert report.failures == tuple(library.store.failures())
    path.write_bytes(good)
    assert counts(library.add(pictures)) == {"added": 1, "unchanged": 4}
    assert not library.store.failures()


def test_retry_looks_again_into_what_failed(tmp_path: Path, pictures: Path) -> None:
    with findalike.open(tmp_path / "library", pixel_budget=1000) as library:
        report = library.add(pictures)
        assert counts(report) == {"failures": 4}
        assert "limit is 1,000" in report.failures[0].error
    with findalike.open(tmp_path / "library") as library:
        assert counts(library.add(pictures)) == {"failures": 4}
        assert counts(library.add(pictures, retry=True)) == {"added": 4}
        assert not library.store.failures()


def test_a_failure_goes_with_its_file(library: findalike.Library, pictures: Path) -> None:
    (pictures / "broken.jpg").write_bytes(b"")
    assert counts(library.add(pictures)) == {"added": 4, "failures": 1}
    (pictures / "broken.jpg").unlink()
    assert counts(library.add(pictures)) == {"unchanged": 4}
    assert not library.store.failures()


class Changing:
    """A folder in which something happens between the listing and the reading."""

    def __init__(self, folder: Path, happens: Callable[[], object]) -> None:
        self._folder = sources.discover(folder)
        self._happens = happens
        self.root = str(folder)

    def covers(self, uri: str) -> bool:
        return self._folder.covers(uri)

    def __iter__(self) -> Iterator[Asset | Failure]:
        yield from self._folder
        self._happens()


def run(library: findalike.Library, source: sources.Source) -> Report:
    """Ingest from a source that is given as an object."""
    encoders = [library._encoder(card) for card in library.store.cards().values()]
    observers = [banks.observer(name) for name in library.store.banks()]
    return ingest.ingest(library.store, encoders, [source], library.settings, observers=observers)


def test_a_file_that_vanishes_between_listing_and_reading(library: findalike.Library, pictures: Path) -> None:
    library.add(pictures / "chelsea.jpg")
    report = run(library, Changing(pictures, (pictures / "coffee.jpg").unlink))
    assert counts(report) == {"added": 2, "unchanged": 1, "failures": 1}
    assert report.failures[0].stage == "read"
    assert "is gone now" in report.failures[0].error
    assert counts(library.add(pictures)) == {"unchanged": 3}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_file_that_turns_into_a_pipe_is_not_waited_for(library: findalike.Library, pictures: Path) -> None:
    def turn() -> None:
        (pictures / "coffee.jpg").unlink()
        os.mkfifo(pictures / "coffee.jpg")

    library.add(pictures / "chelsea.jpg")
    report = run(library, Changing(pictures, turn))
    assert counts(report) == {"added": 2, "unchanged": 1, "failures": 1}
    assert "pipe" in report.failures[0].error


# Sweeping


def test_what_vanished_is_swept_with_all_its_parts(library: findalike.Library, pictures: Path) -> None:
    library.add(pictures)
    gone = by_name(library)["coffee.jpg"]
    (pictures / "coffee.jpg").unlink()
    assert counts(library.add(pictures)) == {"removed": 1, "unchanged": 3}
    assert not library.store.rows(INT8, [gone.id])
    assert not library.store.thumbnails([gone.id])
    assert not library.check()


def test_what_was_not_looked_at_is_not_swept(library: findalike.Library, pictures: Path) -> None:
    library.add(pictures)
    for name in ("coffee.jpg", "cell.jpg"):
        (pictures / name).unlink()
    assert counts(library.add(pictures, exclude=["c*"])) == {}
    assert counts(library.add(pictures, include=["*.png"])) == {}
    assert len(library) == 4
    assert counts(library.add(pictures, exclude=["cof*"])) == {"removed": 1, "unchanged": 2}
    assert counts(library.add(pictures)) == {"removed": 1, "unchanged": 2}


def test_what_is_excluded_stays_while_it_is_there(library: findalike.Library, pictures: Path) -> None:
    library.add(pictures)
    assert counts(library.add(pictures, exclude=["coffee.jpg"])) == {"unchanged": 3}
    assert len(library) == 4


class Unreadable(Changing):
    """A folder whose subfolder cannot be listed."""

    def __init__(self, folder: Path, subfolder: str) -> None:
        super().__init__(folder, lambda: None)
        self._subfolder = f"{folder}/{subfolder}"

    def __iter__(self) -> Iterator[Asset | Failure]:
        yield Failure(self._subfolder, "list", "this folder may not be read")
        yield from (item for item in self._folder if not item.uri.startswith(f"{self._subfolder}/"))


def test_what_is_below_an_unreadable_folder_is_not_swept(library: findalike.Library, pictures: Path) -> None:
    for name in ("sub", "sub two"):
        shutil.copytree(pictures, pictures.parent / name)
    for name in ("sub", "sub two"):
        (pictures.parent / name).rename(pictures / name)
    (pictures / "sub" / "broken.jpg").write_bytes(b"")
    library.add(pictures)
    assert len(library) == 12
    shutil.rmtree(pictures / "sub")
    shutil.rmtree(pictures / "sub two")
    report = run(library, Unreadable(pictures, "sub"))
    assert counts(report) == {"removed": 4, "unchanged": 4, "failures": 1}
    assert {f.uri for f in library.store.failures()} == {
        f"{pictures}/sub",
        f"{pictures}/sub/broken.jpg",
    }
    assert counts(library.add(pictures)) == {"removed": 4, "unchanged": 4}
    assert not library.store.failures()


@pytest.mark.parametrize("empty", [False, True], ids=["missing", "empty"])
def test_a_root_that_is_missing_or_empty_stops_the_sweep(
    library: findalike.Library, pictures: Path, tmp_path: Path, empty: bool
) -> None:
    library.add(pictures)
    pictures.rename(tmp_path / "unplugged")
    if empty:
        pictures.mkdir()
    with pytest.raises(SweepRefused, match=r"holds 4 pictures from there\. Is a drive not connected\?"):
        library.add(pictures)
    assert len(library) == 4
    (tmp_path / "unplugged" / "coffee.jpg").unlink()
    if empty:
        pictures.rmdir()
    (tmp_path / "unplugged").rename(pictures)
    assert counts(library.add(pictures)) == {"removed": 1, "unchanged": 3}
    shutil.rmtree(pictures)
    if empty:
        pictures.mkdir()
    assert counts(library.add(pictures, sweep=True)) == {"removed": 3}
    assert len(library) == 0


def test_one_missing_root_of_several_stops_before_anything_is_done(
    library: findalike.Library, pictures: Path, tmp_path: Path
) -> None:
    library.add(pictures)
    shutil.copytree(pictures, tmp_path / "other")
    shutil.rmtree(pictures)
    with pytest.raises(SweepRefused):
        library.add(tmp_path / "other", pictures)
    assert len(library) == 4


def test_a_single_file_that_is_gone_is_asked_about_too(library: findalike.Library, pictures: Path) -> None:
    library.add(pictures / "coffee.jpg")
    (pictures / "coffee.jpg").unlink()
    with pytest.raises(SweepRefused, match="1 picture from there"):
        library.add(pictures / "coffee.jpg")
    assert counts(library.add(pictures / "coffee.jpg", sweep=True)) == {"removed": 1}


def test_a_root_that_never_was_there_is_an_error(library: findalike.Library, pictures: Path) -> None:
    library.add(pictures)
    with pytest.raises(UsageError, match="pictures2: nothing is there"):
        library.add(f"{pictures}2")
    with pytest.raises(UsageError, match="nothing to index"):
        library.add()


def test_an_empty_folder_adds_nothing(library: findalike.Library, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert counts(library.add(tmp_path / "empty")) == {}


# Archives and tables


def test_the_members_of_an_archive(library: findalike.Library, pictures: Path) -> None:
    photographs = {path.name: path.read_bytes() for path in pictures.iterdir()}
    archive = pictures / "all.zip"

    def pack(members: dict[str, bytes]) -> None:
        with zipfile.ZipFile(archive, "w") as file:
            for name, data in members.items():
                file.writestr(f"in/{name}", data)

    pack(photographs)
    assert counts(library.add(archive)) == {"added": 4}
    known = {asset.uri: asset.id for asset in library.store.assets()}
    assert f"{archive}!/in/coffee.jpg" in known
    assert counts(library.add(archive)) == {"unchanged": 4}
    pack({name: data for name, data in photographs.items() if name != "coffee.jpg"})
    touch(archive)
    assert counts(library.add(archive)) == {"removed": 1, "unchanged": 3}
    assert counts(library.add(pictures)) == {"added": 4, "skipped": 1}
    assert counts(library.add(pictures, archives=True)) == {"unchanged": 7}
    archive.unlink()
    with pytest.raises(SweepRefused, match="3 pictures from there"):
        library.add(archive)
    assert counts(library.add(pictures, archives=True)) == {"removed": 3, "unchanged": 4}


def write_table(path: Path, *rows: dict[str, object]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def said_of(library: findalike.Library, name: str) -> dict[str, object]:
    """The metadata of a picture, without what was measured on its pixels."""
    return without(by_name(library)[name].metadata, MEASURES)


def test_a_table_gives_typed_metadata(library: findalike.Library, pictures: Path) -> None:
    table = write_table(
        pictures / "table.csv",
        {"photo": "coffee.jpg", "year": 2015, "price": 2.5, "fine": "true", "day": "2015-03-01",
         "seen": "2015-03-01 10:00:00", "code": "007", "note": "red, round"},
        {"photo": "cell.jpg", "year": 2017, "price": 3, "fine": "false", "day": "2017-03-01",
         "seen": "2017-03-01 10:00:00", "code": "008", "note": ""},
        {"photo": "absent.jpg", "year": "", "price": "", "fine": "", "day": "", "seen": "", "code": "",
         "note": ""},
    )  # fmt: skip
    report = library.add(table=table, path_column="photo")
    assert counts(report) == {"added": 2, "failures": 1}
    assert "row 4 of table.csv" in report.failures[0].error
    assert said_of(library, "coffee.jpg") == {
        "width": 192, "height": 144, "year": 2015, "price": 2.5, "fine": True, "day": date(2015, 3, 1),
        "seen": datetime(2015, 3, 1, 10, tzinfo=UTC), "code": "007", "note": "red, round",
    }  # fmt: skip
    assert "note" not in by_name(library)["cell.jpg"].metadata
    assert counts(library.add(table=table, path_column="photo")) == {"unchanged": 2, "failures": 1}
    found = library.search(where="year >= 2016 and fine = false and day > '2016-01-01'")
    assert [hit.asset.uri for hit in found] == [str(pictures / "cell.jpg")]


def test_changed_metadata_of_unchanged_files_needs_no_encoding(
    library: findalike.Library, pictures: Path
) -> None:
    rows: list[dict[str, object]] = [
        {"path": "coffee.jpg", "color": "brown", "taste": "good"},
        {"path": "cell.jpg", "color": "blue", "taste": "none"},
    ]
    table = write_table(pictures / "table.csv", *rows)
    library.add(table=table)
    for asset in by_name(library).values():
        mark(library, asset)
    rows[0] |= {"color": "red", "taste": ""}
    write_table(table, *rows)
    assert counts(library.add(table=table)) == {"updated": 1, "unchanged": 1}
    now = by_name(library)["coffee.jpg"]
    assert said_of(library, "coffee.jpg") == {"width": 192, "height": 144, "color": "red"}
    assert all(is_marked(library, asset) for asset in by_name(library).values())
    ranked = library.search(f"id:{now.id}", where="color = 'red'", include_self=True)
    assert [hit.asset.id for hit in ranked] == [now.id]
    assert counts(library.add(pictures, table=table)) == {"added": 2, "unchanged": 2, "skipped": 1}
    assert by_name(library)["coffee.jpg"].metadata["color"] == "red"


def test_a_tables_columns_stay_when_the_content_changes(library: findalike.Library, pictures: Path) -> None:
    table = write_table(pictures / "table.csv", {"path": "coffee.jpg", "color": "brown"})
    exif = Image.Exif()
    exif[0x0110] = "Camera 1"
    with Image.open(pictures / "cell.jpg") as image:
        (pictures / "coffee.jpg").write_bytes(jpeg(image, exif=exif))
    library.add(table=table)
    assert by_name(library)["coffee.jpg"].metadata["camera"] == "Camera 1"
    with Image.open(pictures / "cell.jpg") as image:
        (pictures / "coffee.jpg").write_bytes(jpeg(image.crop((0, 0, 80, 90)), quality=95))
    assert counts(library.add(pictures / "coffee.jpg")) == {"updated": 1}
    assert said_of(library, "coffee.jpg") == {"width": 80, "height": 90, "color": "brown"}


def test_what_pictures_say_gives_way_to_a_tables_column_of_another_kind(
    library: findalike.Library, pictures: Path
) -> None:
    table = write_table(pictures / "table.csv", {"path": "coffee.jpg", "width": "wide", "camera": 3})
    exif = Image.Exif()
    exif[0x0110] = "Camera 1"
    with Image.open(pictures / "cell.jpg") as image:
        (pictures / "cell.jpg").write_bytes(jpeg(image, exif=exif))
    assert counts(library.add(pictures, table=table)) == {"added": 4, "skipped": 1}
    assert said_of(library, "coffee.jpg") == {"width": "wide", "camera": 3, "height": 144}
    assert said_of(library, "cell.jpg") == {"height": 144}
    shutil.copy(pictures / "cell.jpg", pictures / "later.jpg")
    assert counts(library.add(pictures)) == {"added": 1, "unchanged": 4, "skipped": 1}


def test_a_table_that_contradicts_the_library_is_refused_before_the_work(
    library: findalike.Library, pictures: Path
) -> None:
    library.add(table=write_table(pictures / "one.csv", {"path": "coffee.jpg", "year": 2015}))
    other = write_table(pictures / "two.csv", {"path": "cell.jpg", "year": "about 1900"})
    with pytest.raises(UsageError, match=r"cell\.jpg: column 'year' holds whole numbers, but 'about 1900'"):
        library.add(pictures, table=other)
    assert len(library) == 1


# Encoders


def test_another_precision_is_another_space(library: findalike.Library, pictures: Path) -> None:
    library.add(pictures)
    assert counts(library.add(pictures, precision="float32")) == {"encoded": 4}
    assert list(library.store.cards()) == [INT8, "colour@1-float32", "layout@1-float32", FLOAT]
    for asset in library.store.assets():
        cosine = float(vector_of(library, asset, INT8) @ vector_of(library, asset, FLOAT))
        assert 0.8 < cosine < 0.99999
    shutil.copy(pictures / "coffee.jpg", pictures / "new.jpg")
    assert counts(library.add(pictures)) == {"added": 1, "unchanged": 4}
    assert {status.rows for status in library.store.status().values()} == {5}


def test_a_file_that_moved_gets_the_vectors_of_a_new_space(
    library: findalike.Library, pictures: Path
) -> None:
    library.add(pictures)
    known = by_name(library)["coffee.jpg"]
    mark(library, known)
    (pictures / "coffee.jpg").rename(pictures / "moved.jpg")
    assert counts(library.add(pictures, encoder=FLOAT)) == {"moved": 1, "encoded": 3}
    now = by_name(library)["moved.jpg"]
    assert now.id == known.id
    assert is_marked(library, now)
    assert len(library.store.rows(FLOAT, [now.id])) == 1


def test_an_unknown_encoder_is_refused_before_the_work(library: findalike.Library, pictures: Path) -> None:
    with pytest.raises(UsageError, match=r"no encoder is named 'resnet'; there are: .*efficientnet-lite0"):
        library.add(pictures, encoder="resnet")
    with pytest.raises(UsageError, match=r"no encoder is efficientnet-lite0 in int4"):
        library.add(pictures, precision="int4")
    assert len(library) == 0


def test_an_encoder_that_fails_on_one_picture_costs_that_picture_alone(
    library: findalike.Library, pictures: Path
) -> None:
    library.add(pictures / "coffee.jpg")
    inner = library._encoder(next(iter(library.store.cards().values())))
    with Image.open(pictures / "cell.jpg") as image:
        image.resize((33, 77)).save(pictures / "odd.jpg")

    class Picky:
        card = inner.card

        def encode_batch(self, several: list[findalike.types.Picture]) -> np.ndarray:
            if any(picture.width == 33 for picture in several):
                raise ReadError("not this one")
            return inner.encode_batch(several)

    report = ingest.ingest(library.store, [Picky()], [sources.discover(pictures)], library.settings)
    assert counts(report) == {"added": 3, "unchanged": 1, "failures": 1}
    assert (report.failures[0].stage, report.failures[0].error) == ("encode", "not this one")
    good = by_name(library)["cell.jpg"]
    alone = findalike.open(":memory:")
    alone.add(pictures / "cell.jpg")
    (expected,) = alone.store.assets()
    assert float(vector_of(alone, expected) @ vector_of(library, good)) > 0.999


def test_a_library_in_memory_takes_the_same_path(pictures: Path) -> None:
    with findalike.open(":memory:") as library:
        assert counts(library.add(pictures)) == {"added": 4}
        assert counts(library.add(pictures)) == {"unchanged": 4}
        assert library.search(pictures / "coffee.jpg", include_self=True)[0].band == "same picture"


def test_progress_goes_from_listing_to_sweeping(library: findalike.Library, pictures: Path) -> None:
    library.add(pictures / "coffee.jpg")
    (pictures / "broken.jpg").write_bytes(b"")
    ticks: list[ingest.Progress] = []
    library.add(pictures, watch=ticks.append)
    assert [tick.phase for tick in ticks] == ["encoding", "sweeping"]
    assert [(tick.done, tick.total, tick.failed) for tick in ticks] == [(5, 5, 1), (5, 5, 1)]


# What pictures show


class Shows:
    """An observer of two concepts: whether the network's surest class is a cat, and whether it is surest."""

    from_metadata = False

    def __init__(self, name: str = "shows", concepts: tuple[str, ...] = ("cat", "other")) -> None:
        self.bank = Bank(name, "1", tuple(Concept(each) for each in concepts))
        self.asked: list[Picture | None] = []

    def observe(
        self, picture: Picture | None, metadata: Metadata, probabilities: np.ndarray | None
    ) -> Evidence:
        self.asked.append(picture)
        assert picture is not None
        assert picture.pixels.ndim == 3
        assert probabilities is not None
        assert probabilities.sum() == pytest.approx(1, abs=1e-4)
        return {0 if probabilities.argmax() in (281, 282, 285) else 1: 0.75}


class Says(Shows):
    """An observer that goes by a table's column."""

    from_metadata = True

    def observe(
        self, picture: Picture | None, metadata: Metadata, probabilities: np.ndarray | None
    ) -> Evidence:
        self.asked.append(picture)
        assert picture is None
        return {n: 1.0 for n, each in enumerate(self.bank.concepts) if metadata.get("color") == each.name}


def look(
    library: findalike.Library, found: sources.Source, *observers: Shows, spaces: tuple[str, ...] = (INT8,)
) -> Report:
    encoders = [library._encoder(catalog.find(space)) for space in spaces]
    for encoder in encoders:
        library.store.add_card(encoder.card)
    for observer in observers:
        library.store.add_bank(observer.bank)
    return ingest.ingest(library.store, encoders, [found], library.settings, observers=observers)


def evidence(library: findalike.Library, bank: str) -> dict[str, dict[int, float]]:
    """By name of the file."""
    table, found = library.store.evidence(bank), {}
    names = {asset.id: Path(asset.uri).name for asset in library.store.assets()}
    for place, asset_id in enumerate(table.asset_ids):
        part = slice(table.starts[place], table.starts[place + 1])
        found[names[asset_id]] = dict(
            zip(table.concepts[part].tolist(), table.weights[part].tolist(), strict=True)
        )
    return found


def tags(library: findalike.Library) -> dict[str, tuple[str, ...]]:
    return {name: asset.tags for name, asset in by_name(library).items()}


def test_new_pictures_get_evidence_and_tags(library: findalike.Library, pictures: Path) -> None:
    assert counts(look(library, sources.discover(pictures), Shows())) == {"added": 4}
    shown = evidence(library, "shows")
    assert shown == {name: {int(name != "chelsea.jpg"): 0.75} for name in by_name(library)}
    assert tags(library)["chelsea.jpg"] == ("cat",)
    assert tags(library)["coffee.jpg"] == ("other",)
    again = Shows()
    assert counts(look(library, sources.discover(pictures), again)) == {"unchanged": 4}
    assert not again.asked


def test_vectors_are_the_same_with_and_without_observers(library: findalike.Library, pictures: Path) -> None:
    look(library, sources.discover(pictures), Shows())
    with findalike.open(":memory:") as plain:
        look(plain, sources.discover(pictures))
        for name, asset in by_name(plain).items():
            assert float(vector_of(plain, asset) @ vector_of(library, by_name(library)[name])) > 0.9999


def test_a_library_of_before_gets_evidence_and_keeps_its_vectors(
    library: findalike.Library, pictures: Path
) -> None:
    look(library, sources.discover(pictures))
    for asset in by_name(library).values():
        mark(library, asset)
    assert counts(look(library, sources.discover(pictures), Shows())) == {"encoded": 4}
    assert set(evidence(library, "shows")) == set(by_name(library))
    assert all(is_marked(library, asset) for asset in by_name(library).values())
    assert tags(library)["chelsea.jpg"] == ("cat",)
    assert counts(look(library, sources.discover(pictures), Shows())) == {"unchanged": 4}


def test_another_bank_leaves_what_is_known_by_the_first(library: findalike.Library, pictures: Path) -> None:
    first, second = Shows(), Shows("more", ("feline", "thing"))
    look(library, sources.discover(pictures), first)
    before = evidence(library, "shows")
    later = Shows()
    assert counts(look(library, sources.discover(pictures), later, second)) == {"encoded": 4}
    assert not later.asked
    assert evidence(library, "shows") == before
    assert tags(library)["chelsea.jpg"] == ("cat", "feline")


def test_what_shows_nothing_is_not_looked_at_again(library: findalike.Library, pictures: Path) -> None:
    class Nothing(Shows):
        def observe(self, *_: object) -> Evidence:
            self.asked.append(None)
            return {}

    look(library, sources.discover(pictures), Nothing())
    again = Nothing()
    assert counts(look(library, sources.discover(pictures), again)) == {"unchanged": 4}
    assert not again.asked
    assert set(map(len, evidence(library, "shows").values())) == {0}


def test_an_observer_that_fails_costs_its_evidence_alone(library: findalike.Library, pictures: Path) -> None:
    class Broken(Shows):
        def observe(self, *_: object) -> Evidence:
            return {7: 0.5}

    assert counts(look(library, sources.discover(pictures), Broken(), Shows("good"))) == {"added": 4}
    assert set(map(len, evidence(library, "shows").values())) == {0}
    assert tags(library)["chelsea.jpg"] == ("cat",)


def test_changed_content_is_looked_at_again(library: findalike.Library, pictures: Path) -> None:
    look(library, sources.discover(pictures), Shows())
    shutil.copy(pictures / "chelsea.jpg", pictures / "coffee.jpg")
    touch(pictures / "coffee.jpg")
    assert counts(look(library, sources.discover(pictures), Shows())) == {"updated": 1, "unchanged": 3}
    assert tags(library)["coffee.jpg"] == ("cat",)
    assert evidence(library, "shows")["coffee.jpg"] == {0: 0.75}


def test_a_moved_file_keeps_its_evidence(library: findalike.Library, pictures: Path) -> None:
    look(library, sources.discover(pictures), Shows())
    (pictures / "chelsea.jpg").rename(pictures / "cat.jpg")
    again = Shows()
    assert counts(look(library, sources.discover(pictures), again)) == {"moved": 1, "unchanged": 3}
    assert not again.asked
    assert tags(library)["cat.jpg"] == ("cat",)
    assert evidence(library, "shows")["cat.jpg"] == {0: 0.75}


def test_another_space_leaves_evidence_and_tags(library: findalike.Library, pictures: Path) -> None:
    look(library, sources.discover(pictures), Shows())
    again = Shows()
    report = look(library, sources.discover(pictures), again, spaces=(INT8, FLOAT))
    assert counts(report) == {"encoded": 4}
    assert not again.asked
    assert tags(library)["chelsea.jpg"] == ("cat",)
    assert set(evidence(library, "shows")) == set(by_name(library))


def test_changed_metadata_is_asked_about_without_the_picture(
    library: findalike.Library, pictures: Path
) -> None:
    rows: list[dict[str, object]] = [
        {"path": "coffee.jpg", "color": "brown"},
        {"path": "chelsea.jpg", "color": "red"},
    ]
    table = write_table(pictures / "table.csv", *rows)
    says, shows = Says("says", ("red", "brown")), Shows()
    look(library, sources.discover_table(table), says, shows)
    assert tags(library) == {"coffee.jpg": ("brown", "other"), "chelsea.jpg": ("red", "cat")}
    rows[0]["color"] = "red"
    write_table(table, *rows)
    says, shows = Says("says", ("red", "brown")), Shows()
    assert counts(look(library, sources.discover_table(table), says, shows)) == {
        "updated": 1,
        "unchanged": 1,
    }
    assert (len(says.asked), len(shows.asked)) == (1, 0)
    assert tags(library) == {"coffee.jpg": ("red", "other"), "chelsea.jpg": ("red", "cat")}
    assert evidence(library, "says") == {"coffee.jpg": {0: 1.0}, "chelsea.jpg": {0: 1.0}}


def test_a_bank_that_reads_metadata_needs_no_pixels(library: findalike.Library, pictures: Path) -> None:
    table = write_table(pictures / "table.csv", {"path": "coffee.jpg", "color": "brown"})
    look(library, sources.discover_table(table))
    stamp = (pictures / "coffee.jpg").stat()
    (pictures / "coffee.jpg").write_bytes(b"x" * stamp.st_size)  # who opened it would see no picture
    os.utime(pictures / "coffee.jpg", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    says = Says("says", ("red", "brown"))
    assert counts(look(library, sources.discover(pictures / "coffee.jpg"), says)) == {"unchanged": 1}
    assert tags(library) == {"coffee.jpg": ("brown",)}
    look(library, sources.discover(pictures / "coffee.jpg"), says)
    assert len(says.asked) == 1


def test_probabilities_that_are_not_finite_are_the_encoders_failure(
    library: findalike.Library, pictures: Path
) -> None:
    library.add(pictures / "coffee.jpg")
    inner = library._encoder(catalog.find(INT8))

    class Odd:
        card = inner.card
        encode_batch = inner.encode_batch

        def classify_batch(self, several: list[Picture]) -> tuple[np.ndarray, np.ndarray]:
            return inner.encode_batch(several), np.full((len(several), 3), np.nan, np.float32)

    library.store.add_bank(Shows().bank)
    found = [sources.discover(pictures / "cell.jpg")]
    report = ingest.ingest(library.store, [Odd()], found, library.settings, observers=[Shows()])
    assert counts(report) == {"failures": 1}
    assert "probabilities that are not finite" in report.failures[0].error
