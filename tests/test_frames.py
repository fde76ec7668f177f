"""`findalike frames`: which pictures are written, how they are named, what is refused, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import Cli
from findalike.cli.frames import stamp
from reels import CLOCKWISE, COLOURS, card, nearest, reel, seconds, turned


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "harbour.mp4"
    path.write_bytes(reel(seconds(6), keys=20))
    return path


def names(out: Path) -> list[str]:
    return sorted(each.name for each in out.iterdir())


def colour(path: Path) -> int:
    """Which second a picture shows."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    return nearest(pixels[3 * len(pixels) // 4, 3 * pixels.shape[1] // 4])


def test_one_every_so_many_seconds(cli: Cli, film: Path, tmp_path: Path) -> None:
    run = cli("frames", film, "--every", "2s", tmp_path / "out")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == f"3 frames in {tmp_path / 'out'}\n"
    wanted = {f"harbour-00-00-0{at}.000.jpg": at for at in (0, 2, 4)}
    assert {name: colour(tmp_path / "out" / name) for name in names(tmp_path / "out")} == wanted


def test_a_part_as_png_and_json(cli: Cli, film: Path, tmp_path: Path) -> None:
    part = ("--every", "500ms", "--from", "0:03", "--to", "4.6")
    run = cli("frames", film, *part, "--format", "png", "--json", tmp_path)
    record = json.loads(run.stdout)
    assert [each["time"] for each in record] == [3.0, 3.5, 4.0, 4.5]
    assert [colour(Path(each["path"])) for each in record] == [3, 3, 4, 4]
    assert names(tmp_path)[0] == "harbour-00-00-03.000.png"
    with Image.open(tmp_path / names(tmp_path)[0]) as image:
        assert (image.format, image.size) == ("PNG", (96, 64))


def test_key_frames_and_scenes(cli: Cli, film: Path, tmp_path: Path) -> None:
    assert cli("frames", film, "--key", tmp_path / "keys").returncode == 0
    assert {f"harbour-00-00-0{at}.000.jpg" for at in (0, 2, 4)} <= set(names(tmp_path / "keys"))
    two = tmp_path / "two.mkv"
    two.write_bytes(reel([card(COLOURS[0])] * 25 + [card(COLOURS[3])] * 25, "matroska"))
    assert cli("frames", two, "--scenes", tmp_path / "scenes").returncode == 0
    assert names(tmp_path / "scenes") == ["two-00-00-00.000.jpg", "two-00-00-02.500.jpg"]


def test_what_is_shown_for_long_is_written_once(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "slides.mkv"
    path.write_bytes(reel([card(COLOURS[at]) for at in range(3)], "matroska", times=[0, 7.0, 4000.0]))
    assert cli("frames", path, "--every", "1s", tmp_path / "out").returncode == 0
    assert names(tmp_path / "out") == [
        "slides-00-00-00.000.jpg", "slides-00-00-07.000.jpg", "slides-01-06-40.000.jpg"
    ]  # fmt: skip


def test_frames_are_upright(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "turned.mp4").write_bytes(turned(reel(seconds(1)), CLOCKWISE))
    assert cli("frames", tmp_path / "turned.mp4", tmp_path / "out").returncode == 0
    with Image.open(tmp_path / "out" / "turned-00-00-00.000.jpg") as image:
        assert image.size == (64, 96)
        assert image.getpixel((50, 10)) > (230, 230, 230)


def test_nothing_is_written_over(cli: Cli, film: Path, tmp_path: Path) -> None:
    kept = tmp_path / "harbour-00-00-00.000.jpg"
    kept.write_bytes(b"mine")
    run = cli("frames", film, tmp_path)
    assert run.returncode == 2
    assert "--force" in run.stderr
    assert names(tmp_path) == [kept.name]
    assert kept.read_bytes() == b"mine"
    assert cli("frames", film, tmp_path, "--force").returncode == 0
    assert colour(kept) == 0
    again = cli("frames", film, tmp_path)
    assert f"{tmp_path / names(tmp_path)[0]}: is there already" in again.stderr


def test_a_broken_film_gives_what_it_has(cli: Cli, tmp_path: Path) -> None:
    data = reel(seconds(20), "matroska")
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) * 2 // 3])
    run = cli("frames", tmp_path / "cut.mkv", "--every", "1s", tmp_path / "out")
    assert run.returncode == 3
    assert "cut.mkv: can be read up to" in run.stderr
    assert len(names(tmp_path / "out")) >= 3


def test_a_picture_that_moves(cli: Cli, tmp_path: Path) -> None:
    stills = [Image.fromarray(card(each)) for each in COLOURS[:3]]
    stills[0].save(tmp_path / "moving.gif", save_all=True, append_images=stills[1:], duration=1000)
    assert cli("frames", tmp_path / "moving.gif", "--every", "1s", tmp_path / "out").returncode == 0
    assert [colour(tmp_path / "out" / name) for name in names(tmp_path / "out")] == [0, 1, 2]


def test_what_is_refused(cli: Cli, film: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("no film")
    for words, code, text in (
        ((tmp_path / "nowhere.mp4", tmp_path / "out"), 2, "nothing is there"),
        (
            (tmp_path / "words.txt", tmp_path / "out"),
            1,
            "words.txt: is no film of a format",
        ),
        ((film, tmp_path / "out", "--every", "soon"), 2, "is no time"),
        ((film, tmp_path / "out", "--every", "0"), 2, "--every 0"),
        ((film, tmp_path / "out", "--key", "--scenes"), 2, "give one of"),
        ((film, tmp_path / "out", "--from", "5s", "--to", "1s"), 2, "--to is not after"),
        ((film, tmp_path / "words.txt"), 2, "is a file"),
    ):
        run = cli("frames", *words)
        assert run.returncode == code, run.stderr
        assert text in run.stderr
    assert not (tmp_path / "out").exists()


def test_stamps_sort_by_time() -> None:
    times = [0.0, 0.9996, 59.5, 60.0, 3599.999, 3600.0, 36000.25]
    stamps = [stamp(time) for time in times]
    assert stamps == sorted(stamps)
    assert stamps[1] == "00-00-01.000"
    assert stamps[-1] == "10-00-00.250"
