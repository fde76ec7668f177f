"""Films in a library: rows, stretches, attachments, failures, and what a second run does."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import findalike
from conftest import Cli, Photo
from findalike.errors import UsageError
from findalike.ingest import Progress
from findalike.tracks import TRACK, Track
from findalike.types import Asset, Row
from reels import COLOURS, card, reel, seconds

NETWORK = "efficientnet-lite0@1-int8"
SPACES = [NETWORK, "colour@1-float32", "layout@1-float32"]
SIZE = (160, 120)


def only(library: findalike.Library) -> Asset:
    (asset,) = library.store.assets()
    return asset


def rows(library: findalike.Library, asset: Asset, space: str = NETWORK) -> list[Row]:
    return sorted(
        library.store.rows(space, [asset.id]),
        key=lambda row: -1.0 if row.origin.time is None else row.origin.time,
    )


def scenes(photo: Photo, *lengths: tuple[str, int]) -> list[np.ndarray]:
    """Photographs, each shown for so many tenths of a second."""
    return [np.asarray(photo(name, SIZE)) for name, length in lengths for _ in range(length)]


def test_a_film_has_rows_of_its_frames_and_of_all_of_it(
    library: findalike.Library, tmp_path: Path, photo: Photo
) -> None:
    path = tmp_path / "three.mp4"
    path.write_bytes(reel(scenes(photo, ("coffee", 20), ("chelsea", 30), ("astronaut", 10))))
    report = library.add(path)
    assert (report.added, report.failures) == (1, ())
    asset = only(library)
    assert asset.media == "video/mp4"
    said = {name: asset.metadata[name] for name in ("width", "height", "duration", "fps", "codec")}
    assert said == {"width": 160, "height": 120, "duration": 6.0, "fps": 10.0, "codec": "h264"}
    for space in SPACES:
        whole, *frames = rows(library, asset, space)
        assert [(row.origin.part, row.origin.time, row.origin.end) for row in frames] == [
            ("frame", 0.0, 2.0), ("frame", 2.0, 5.0), ("frame", 5.0, 6.0)
        ]  # fmt: skip
        assert [row.id for row in frames] == [f"{asset.id}:frame-{at}.000" for at in (0, 2, 5)]
        mean = np.mean([row.vector for row in frames], axis=0, dtype=np.float64)
        assert (whole.id, whole.origin.part) == (f"{asset.id}:whole", "whole")
        assert np.allclose(whole.vector, mean / np.linalg.norm(mean), atol=1e-5)
    kept = library.store.attachments(asset.id)
    assert set(kept) == {"frame-0.000", "frame-2.000", "frame-5.000", TRACK}
    with Image.open(io.BytesIO(kept["frame-2.000"])) as image:
        shown = np.asarray(image.convert("RGB").resize(SIZE), int)
    assert np.abs(shown - np.asarray(photo("chelsea", SIZE), int)).mean() < 8
    assert len(Track.from_bytes(kept[TRACK]).cells) == pytest.approx(48, abs=1)
    assert library.store.thumbnails([asset.id])[asset.id] in kept.values()


def test_frames_have_the_vectors_of_the_same_pictures(
    library: findalike.Library, tmp_path: Path, photo: Photo
) -> None:
    photo("chelsea", SIZE).save(tmp_path / "cat.png")
    (tmp_path / "cat.mkv").write_bytes(reel(scenes(photo, ("coffee", 10), ("chelsea", 10)), "matroska"))
    library.add(tmp_path / "cat.png", tmp_path / "cat.mkv")
    by_name = {Path(asset.uri).name: asset for asset in library.store.assets()}
    (still,) = rows(library, by_name["cat.png"])
    _, coffee, cat = rows(library, by_name["cat.mkv"])
    assert still.vector @ cat.vector > 0.95 > still.vector @ coffee.vector
    assert "cat" in by_name["cat.mkv"].tags


def test_an_unchanged_film_is_not_read_again(library: findalike.Library, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(reel(seconds(3)))
    assert library.add(path).added == 1
    assert library.add(path).unchanged == 1
    before = only(library)
    moved = path.rename(tmp_path / "other.mp4")
    assert library.add(tmp_path).moved == 1
    assert only(library).id == before.id
    moved.write_bytes(reel(seconds(2)))
    assert library.add(tmp_path).updated == 1
    assert [row.origin.time for row in rows(library, only(library))] == [None, 0.0, 1.0]
    assert set(library.store.attachments(before.id)) == {"frame-0.000", "frame-1.000", TRACK}


def test_another_encoder_looks_at_all_frames(library: findalike.Library, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(reel(seconds(3)))
    library.add(path)
    assert library.add(path, encoder="gist").encoded == 1
    space = next(space for space in library.store.cards() if space.startswith("gist"))
    whole, *frames = rows(library, only(library), space)
    assert len(frames) == 3
    assert np.allclose(whole.vector, np.mean([row.vector for row in frames], axis=0), atol=1e-5)


def test_which_frames_are_kept_is_said(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(reel([card(COLOURS[at // 5 % 6]) for at in range(60)]))
    for frames, per_minute, count in (("2/s", None, 12), ("1/s", 30, 3), ("scene", None, 12), ("3s", 6, 1)):
        with findalike.open(":memory:") as library:
            library.add(path, frames=frames, per_minute=per_minute)
            assert len(rows(library, only(library))) == count + 1, (frames, per_minute)
    with findalike.open(":memory:") as library:
        assert library.add(path, films=False).skipped == 1
        with pytest.raises(UsageError, match="key, scene, or a rate"):
            library.add(path, frames="often")


def test_a_cut_film_is_kept_and_listed_as_a_failure(library: findalike.Library, tmp_path: Path) -> None:
    path = tmp_path / "cut.mkv"
    data = reel(seconds(20), "matroska")
    path.write_bytes(data[: len(data) // 2])
    report = library.add(path)
    assert report.added == 1
    (failure,) = report.failures
    assert failure.error.startswith("can be read up to ")
    assert "of 20.0 s" in failure.error
    times = [row.origin.time for row in rows(library, only(library)) if row.origin.time is not None]
    assert times == list(range(len(times)))
    assert len(times) >= 3
    again = library.add(path)
    assert (again.added, again.updated, len(again.failures)) == (0, 0, 1)
    path.write_bytes(data)
    assert library.add(path).failures == ()
    assert len(rows(library, only(library))) == 21


def test_what_is_no_film(library: findalike.Library, tmp_path: Path) -> None:
    (tmp_path / "song.mp4").write_bytes(reel([], sound=2.0))
    (tmp_path / "song.dat").write_bytes(reel([], "matroska", sound=2.0))
    (tmp_path / "noise.avi").write_bytes(os.urandom(5000))
    (tmp_path / "empty.mkv").write_bytes(b"")
    (tmp_path / "code.ts").write_text("export const film = 1;\n")
    report = library.add(tmp_path)
    errors = {Path(failure.uri).name: failure.error for failure in report.failures}
    assert errors == {
        "song.mp4": "holds no moving pictures, only sound or text",
        "noise.avi": "is no film of a format that is read here",
        "empty.mkv": "is no film of a format that is read here",
    }
    assert report.skipped == 2


def test_ten_hours_of_few_frames(library: findalike.Library, tmp_path: Path) -> None:
    times = [at * 3600.0 for at in range(11)]
    path = tmp_path / "long.mkv"
    path.write_bytes(reel([card(COLOURS[at % 6]) for at in range(11)], "matroska", times=times))
    report = library.add(path)
    assert report.failures == ()
    assert [row.origin.time for row in rows(library, only(library))] == [None, *times]
    assert only(library).metadata["duration"] == pytest.approx(36000, abs=1)


def test_too_many_pixels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    path.write_bytes(reel(seconds(1, size=(640, 480))))
    with findalike.open(":memory:", pixel_budget=100_000) as library:
        (failure,) = library.add(path).failures
        assert "FINDALIKE_PIXEL_BUDGET" in failure.error
        assert len(library) == 0


def test_films_in_archives(library: findalike.Library, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "films.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/first.mp4", reel(seconds(2)))
        archive.writestr("second.webm", reel(seconds(3), "webm", "libvpx-vp9"))
    assert library.add(tmp_path / "films.zip").added == 2
    media = {Path(asset.uri).name: asset.media for asset in library.store.assets()}
    assert media == {"first.mp4": "video/mp4", "second.webm": "video/webm"}


def test_a_picture_that_moves(library: findalike.Library, tmp_path: Path, photo: Photo) -> None:
    names = ("coffee", "chelsea", "astronaut")
    stills = [photo(name, SIZE) for name in names]
    stills[0].save(tmp_path / "moving.gif", save_all=True, append_images=stills[1:], duration=1000)
    stills[0].save(tmp_path / "still.gif")
    assert library.add(tmp_path).added == 2
    by_name = {Path(asset.uri).name: asset for asset in library.store.assets()}
    whole, *frames = rows(library, by_name["moving.gif"])
    (alone,) = rows(library, by_name["still.gif"])
    assert by_name["moving.gif"].media == "image/gif"
    assert by_name["moving.gif"].metadata["duration"] == 3.0
    assert "duration" not in by_name["still.gif"].metadata
    assert whole.vector @ alone.vector > 0.97, "the whole is its first frame"
    assert [(row.origin.time, row.origin.end) for row in frames] == [(0, 1), (1, 2), (2, 3)]


def test_regions_of_frames_keep_their_time(library: findalike.Library, tmp_path: Path, photo: Photo) -> None:
    frames = [np.asarray(photo(name, (480, 360))) for name in ("coffee", "chelsea") for _ in range(10)]
    (tmp_path / "film.mp4").write_bytes(reel(frames))
    library.add(tmp_path, regions="grid")
    several = rows(library, only(library))
    parts = [row for row in several if row.origin.part == "region"]
    assert {row.origin.time for row in parts} == {0.0, 1.0}
    assert len(parts) == 18
    assert library.add(tmp_path, regions="grid").unchanged == 1


def test_progress_tells_the_time_of_a_film(library: findalike.Library, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(reel(seconds(40)))
    told: list[Progress] = []
    library.add(tmp_path, watch=told.append)
    inside = [tick for tick in told if tick.film]
    assert [tick.of for tick in inside] == [40.0] * len(inside)
    assert len(inside) >= 4
    assert sorted(tick.seconds for tick in inside) == [tick.seconds for tick in inside]
    assert all(0 <= tick.seconds <= 40 for tick in inside)


def test_ctrl_c_in_the_middle_of_a_film_keeps_what_was_done(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_png())
    (tmp_path / "b.mp4").write_bytes(reel(seconds(60)))

    def watch(tick: Progress) -> None:
        if tick.film and tick.done:
            raise KeyboardInterrupt

    with findalike.open(tmp_path / "library") as library:
        with pytest.raises(KeyboardInterrupt):
            library.add(tmp_path / "a.png", tmp_path / "b.mp4", watch=watch)
        assert only(library).media == "image/png"
        assert library.add(tmp_path / "a.png", tmp_path / "b.mp4").added == 1


def test_a_kill_in_the_middle_of_a_film_loses_that_film_alone(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(reel(seconds(3)))
    (folder / "b.mp4").write_bytes(reel(seconds(120)))
    code = (
        "import sys, os, signal, findalike\n"
        "from findalike.ingest import write\n"
        "write.SECONDS_BETWEEN_WRITES = 0\n"
        "def watch(tick):\n"
        "    if tick.film.endswith('b.mp4') and tick.done: os.kill(os.getpid(), signal.SIGKILL)\n"
        "findalike.open(sys.argv[1]).add(sys.argv[2], watch=watch)"
    )
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "library", folder])
    assert run.returncode == -signal.SIGKILL
    with findalike.open(tmp_path / "library") as library:
        assert Path(only(library).uri).name == "a.mp4"
        (folder / "b.mp4").write_bytes(reel(seconds(4)))
        report = library.add(folder)
        assert (report.added, report.unchanged, report.failures) == (1, 1, ())


def test_without_pyav_each_film_is_a_failure_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(reel(seconds(1)))
    (tmp_path / "a.png").write_bytes(_png())
    code = (
        "import sys; sys.modules['av'] = None\n"
        "import findalike\n"
        "report = findalike.open(':memory:').add(sys.argv[1])\n"
        "print(report.added, [failure.error for failure in report.failures])"
    )
    run = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert "pip install 'av'" in run.stdout
    assert run.stdout.startswith("1 [")


@pytest.mark.slow
def test_memory_is_bounded(tmp_path: Path, cli: Cli) -> None:
    """Many frames, of which each second's is kept, take hardly more than six hundred."""
    peaks = []
    for count in (300, 3000):
        path = tmp_path / f"{count}.mkv"
        frames = (card(COLOURS[at // 10 % 6], (640, 360)) for at in range(count))
        path.write_bytes(reel(frames, "matroska", "mpeg4"))
        code = (
            "import sys, resource, findalike\n"
            "findalike.open(sys.argv[1]).add(sys.argv[2])\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        run = subprocess.run(
            [sys.executable, "-c", code, tmp_path / f"library-{count}", path],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(run.stdout) / 1024)
    assert peaks[1] - peaks[0] < 60


def _png() -> bytes:
    target = io.BytesIO()
    Image.fromarray(card(COLOURS[1])).save(target, "PNG")
    return target.getvalue()
