"""Reading films: what each second shows, upright and in its colours, and what cannot be read."""

from __future__ import annotations

import gc
import io
import subprocess
import sys
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image, ImageDraw, ImageFont

from findalike import decode
from findalike.decode import animation, sampling, titles
from findalike.decode.film import Film
from findalike.decode.sampling import Sampling, sample
from findalike.errors import DamagedPicture, NotAPicture, ReadError, TooManyPixels, UsageError
from findalike.types import Pixels
from reels import AROUND, CLOCKWISE, COLOURS, COUNTER, MIRRORED, card, nearest, reel, seconds, turned

KINDS = {
    "mp4": ("mp4", "libx264", "video/mp4"),
    "mov": ("mov", "mjpeg", "video/quicktime"),
    "mkv": ("matroska", "libx264", "video/x-matroska"),
    "webm": ("webm", "libvpx-vp9", "video/webm"),
    "avi": ("avi", "mpeg4", "video/x-msvideo"),
    "flv": ("flv", "flv", "video/x-flv"),
    "ts": ("mpegts", "libx264", "video/mp2t"),
    "wmv": ("asf", "wmv2", "video/x-ms-wmv"),
    "3gp": ("3gp", "mpeg4", "video/3gpp"),
}


def film(data: bytes, **options: Any) -> Film:
    return Film(io.BytesIO(data), **options)


def shown(pixels: Pixels) -> int:
    """Which second's colour the lower right of a picture has."""
    height, width = pixels.shape[:2]
    return nearest(pixels[3 * height // 4, 3 * width // 4])


def corner(pixels: Pixels) -> tuple[int, int]:
    """In which quarter the white corner is: row and column, 0 or 1."""
    height, width = pixels.shape[:2]
    light = {
        (r, c): pixels[height * (2 * r + 1) // 4, width * (2 * c + 1) // 4].min()
        for r in (0, 1)
        for c in (0, 1)
    }
    return max(light, key=lambda quarter: light[quarter])


# What is there


@pytest.mark.parametrize("kind", KINDS)
def test_each_second_shows_its_colour(kind: str) -> None:
    container, codec, media = KINDS[kind]
    data = reel(seconds(4, fps=25), container, codec, fps=25)
    assert decode.sniff_film(data[: decode.HEAD_BYTES]) == media
    opened = film(data)
    assert (opened.facts.media, opened.facts.width, opened.facts.height) == (media, 96, 64)
    assert opened.facts.duration == pytest.approx(4, abs=0.1)
    assert opened.facts.fps == pytest.approx(25)
    frames = list(opened.frames())
    assert len(frames) == 100
    assert opened.problem == ""
    assert opened.seen == pytest.approx(4, abs=0.05)
    for frame in frames[::7]:
        assert shown(frame.pixels()) == int(frame.time + 0.01)
    assert [f.time for f in frames] == pytest.approx([at / 25 for at in range(100)], abs=0.002)
    assert all(one.end == other.time for one, other in pairwise(frames))


@pytest.mark.parametrize("kind", ["mp4", "webm", "ts", "avi"])
def test_a_part_begins_with_what_is_shown_then(kind: str) -> None:
    container, codec, _ = KINDS[kind]
    part = list(film(reel(seconds(6), container, codec)).frames(start=3.45, end=5))
    assert part[0].time == pytest.approx(3.4, abs=0.002)
    assert part[-1].time == pytest.approx(4.9, abs=0.002)
    assert [shown(part[at].pixels()) for at in (0, -1)] == [3, 4]


def test_colours_are_right_to_a_few_levels() -> None:
    for number, frame in enumerate(film(reel(seconds(6), keys=1)).frames()):
        if number % 10 == 5:
            assert np.abs(frame.pixels()[50, 70].astype(int) - COLOURS[number // 10]).max() <= 6


@pytest.mark.parametrize("full", [False, True])
def test_black_is_black_and_white_is_white_in_either_range(full: bool) -> None:
    codec = "mjpeg" if full else "libx264"
    frame = next(iter(film(reel([card((0, 0, 0))] * 3, "mov", codec)).frames()))
    assert frame.pixels()[50, 70].max() <= 3
    assert frame.pixels()[10, 10].min() >= 252
    assert frame.luma()[80, 80] <= 3
    assert frame.luma()[10, 10] >= 252


@pytest.mark.parametrize(
    ("matrix", "size", "quarter"),
    [(CLOCKWISE, (64, 96), (0, 1)), (COUNTER, (64, 96), (1, 0)), (AROUND, (96, 64), (1, 1)),
     (MIRRORED, (96, 64), (0, 1))],
)  # fmt: skip
def test_frames_are_upright(matrix: tuple[int, ...], size: tuple[int, int], quarter: tuple[int, int]) -> None:
    opened = film(turned(reel(seconds(1)), matrix))
    frame = next(iter(opened.frames()))
    assert (opened.facts.width, opened.facts.height) == frame.size == size
    assert frame.pixels().shape == (size[1], size[0], 3)
    assert corner(frame.pixels()) == corner(np.repeat(frame.luma()[:, :, None], 3, axis=2)) == quarter


def test_pixels_that_are_no_squares_are_stretched() -> None:
    opened = film(reel(seconds(1), aspect=Fraction(3, 2)))
    assert (opened.facts.width, opened.facts.height) == (144, 64)
    assert next(iter(opened.frames())).pixels().shape == (64, 144, 3)


def test_reduced_pixels_show_the_same() -> None:
    frame = next(iter(film(reel(seconds(1, size=(640, 360)))).frames()))
    assert frame.pixels(90).shape == (90, 160, 3)
    assert np.abs(frame.pixels(90)[70, 120].astype(int) - COLOURS[0]).max() <= 6
    assert frame.pixels(720).shape == (360, 640, 3)


def test_what_a_film_says_of_itself() -> None:
    said = {"creation_time": "2021-06-05T12:30:00.000000Z", "location": "+48.2082+016.3738/"}
    metadata = film(
        reel(seconds(2), "mov", options={"movflags": "use_metadata_tags"}, metadata=said)
    ).facts.metadata
    assert metadata["taken"] == datetime(2021, 6, 5, 12, 30, tzinfo=UTC)
    assert (metadata["latitude"], metadata["longitude"]) == (48.2082, 16.3738)
    assert (metadata["duration"], metadata["fps"], metadata["codec"]) == (2.0, 10.0, "h264")
    never = {"creation_time": "1904-01-01T00:00:00Z"}
    assert "taken" not in film(reel(seconds(1), "mov", metadata=never)).facts.metadata


def test_frames_of_no_even_rate_have_their_own_times() -> None:
    times = [0.0, 0.04, 0.5, 3.0, 3.25, 9.0]
    frames = [card(COLOURS[at]) for at in range(6)]
    read = list(film(reel(frames, "matroska", times=times)).frames())
    assert [frame.time for frame in read] == pytest.approx(times, abs=0.002)
    assert [shown(frame.pixels()) for frame in read] == list(range(6))


def test_a_film_of_one_frame() -> None:
    opened = film(reel([card(COLOURS[2])]))
    (frame,) = opened.frames()
    assert frame.time == 0
    assert shown(frame.pixels()) == 2
    assert opened.problem == ""
    (kept,) = sample(opened.frames())
    assert kept.end == pytest.approx(0.1)


def test_brisk_reading_gives_eleven_frames_a_second_at_most_and_no_gaps() -> None:
    frames = list(film(reel(seconds(4, fps=50), fps=50, keys=100)).frames(brisk=True))
    gaps = np.diff([frame.time for frame in frames])
    assert gaps.min() >= 0.089
    assert gaps.max() <= 0.2
    assert all(shown(frame.pixels()) == int(frame.time + 0.001) for frame in frames)


def test_key_frames_alone() -> None:
    opened = film(reel(seconds(6), keys=20))
    frames = list(opened.frames(keys=True))
    assert all(frame.key for frame in frames)
    assert len(frames) <= 12
    assert {0.0, 2.0, 4.0} <= {round(frame.time, 1) for frame in frames}
    assert frames[-1].end == pytest.approx(6)
    assert opened.problem == ""


# What cannot be read


def test_a_film_that_is_cut_gives_what_is_there_and_says_so() -> None:
    data = reel(seconds(20), "matroska")
    for share in (0.3, 0.6, 0.9):
        opened = film(data[: int(len(data) * share)])
        frames = list(opened.frames())
        assert frames
        assert 0 < opened.seen < 19
        assert opened.problem.startswith(f"can be read up to {opened.seen:.1f} s of 20.0 s")
        assert all(shown(f.pixels()) == int(f.time + 0.001) % 6 for f in frames[:-1])


def test_a_film_whose_index_is_at_its_cut_off_end_is_refused() -> None:
    data = reel(seconds(4))
    with pytest.raises(DamagedPicture, match="damaged or cut off"):
        film(data[: len(data) // 2])


def test_a_film_with_its_index_first_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    data = reel(seconds(30), options={"movflags": "faststart"}, path=tmp_path / "film.mp4")
    opened = film(data[: len(data) * 2 // 3])
    assert list(opened.frames())
    assert "of 30.0 s" in opened.problem


def test_damage_in_the_middle_is_passed_over() -> None:
    noise = np.random.default_rng(0)
    frames = [noise.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(60)]
    data = bytearray(reel(frames, "avi", "mjpeg"))
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    opened = film(bytes(data))
    assert len(list(opened.frames())) >= 50


def test_sound_alone_is_no_film() -> None:
    for container in ("mp4", "matroska"):
        with pytest.raises(NotAPicture, match="no moving pictures"):
            film(reel([], container, sound=2.0))


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x20ftypisom", b"\x1a\x45\xdf\xa3" + bytes(600), bytes(4000)])
def test_what_is_no_film_is_refused(data: bytes) -> None:
    with pytest.raises((NotAPicture, DamagedPicture)):
        film(data)


def test_any_cut_is_a_film_or_an_error_of_ours() -> None:
    for container in ("mp4", "matroska", "avi", "mpegts"):
        data = reel(seconds(2), container, "mpeg4")
        for cut in np.linspace(1, len(data) - 1, 25).astype(int):
            try:
                list(film(data[:cut]).frames())
            except ReadError:
                continue


def test_sound_that_runs_on_is_no_damage() -> None:
    opened = film(reel(seconds(3), sound=4.5))
    assert len(list(opened.frames())) == 30
    assert opened.problem == ""


def test_a_film_without_a_duration() -> None:
    opened = film(reel(seconds(3), "matroska", options={"live": "1"}))
    assert opened.facts.duration is None
    assert len(list(opened.frames())) == 30
    assert opened.problem == ""
    assert opened.seen == pytest.approx(3, abs=0.11)


def test_too_many_pixels_are_refused_from_the_header() -> None:
    data = reel(seconds(1, size=(640, 480)))
    with pytest.raises(TooManyPixels, match="640 × 480"):
        film(data, budget=300_000)
    assert film(data, budget=310_000).facts.width == 640


def test_frames_that_change_their_size() -> None:
    data = reel(seconds(2), "mpegts") + reel(seconds(2, size=(160, 128)), "mpegts")
    frames = list(film(data).frames())
    assert {frame.size for frame in frames} == {(96, 64), (160, 128)}
    assert all(frame.pixels(64).shape[0] == 64 for frame in frames)
    small = film(data, budget=7000)
    assert {frame.size for frame in small.frames()} == {(96, 64)}


def test_nothing_is_said_on_stderr(tmp_path: Path) -> None:
    data = reel(seconds(40), "matroska")
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2] + bytes(500) + data[len(data) // 2 + 400 :])
    code = "import sys; from findalike.decode.film import Film\nlist(Film(open(sys.argv[1], 'rb')).frames())"
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "cut.mkv"], capture_output=True, text=True)
    assert (run.returncode, run.stderr, run.stdout) == (0, "", "")


# Sampling


def kept(data: bytes, text: str, per_minute: int = 120) -> list[tuple[float, float]]:
    opened = film(data)
    several = sample(
        opened.frames(keys=text == "key"), Sampling.parse(text, per_minute), opened.facts.duration
    )
    return [(round(each.frame.time, 3), round(each.end, 3)) for each in several]


def test_one_a_second_and_what_looks_the_same_is_kept_once() -> None:
    assert kept(reel(seconds(4)), "1/s") == [(0, 1), (1, 2), (2, 3), (3, 4)]
    still = [card(COLOURS[0])] * 50 + [card(COLOURS[2])] * 30
    assert kept(reel(still), "2/s") == [(0, 5), (5, 8)]


def test_scenes() -> None:
    cuts = [card(COLOURS[0])] * 33 + [card(COLOURS[3])] * 12 + [card(COLOURS[2])] * 25
    assert kept(reel(cuts), "scene") == [(0, 3.3), (3.3, 4.5), (4.5, 7)]


def test_black_and_blank_frames_are_left_out() -> None:
    black, white = np.zeros((64, 96, 3), np.uint8), np.full((64, 96, 3), 255, np.uint8)
    data = reel([black] * 10 + [card(COLOURS[0])] * 10 + [white] * 10 + [card(COLOURS[1])] * 10)
    assert kept(data, "1/s") == [(1, 2), (3, 4)]
    assert kept(reel([black] * 20), "1/s") == [(0, 2)], "a film that shows nothing keeps a frame all the same"


def test_at_most_so_many_a_minute() -> None:
    flicker = [card(COLOURS[at % 6]) for at in range(200)]
    assert len(kept(reel(flicker), "10/s", 600)) > 100
    times = [time for time, _ in kept(reel(flicker), "10/s", 30)]
    assert times == pytest.approx(list(range(0, 20, 2)))


def test_a_film_without_end_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "MOST_FRAMES", 40)
    data = reel([card(COLOURS[at % 6]) for at in range(600)], "matroska", options={"live": "1"})
    assert len(kept(data, "10/s", 600)) <= 40
    assert len(kept(reel(seconds(60)), "1/s")) <= 41


@pytest.mark.parametrize("text", ["", "0/s", "fast", "-1/s", "1/h", "s", "1e9"])
def test_what_is_no_way_to_sample(text: str) -> None:
    with pytest.raises(UsageError, match="key, scene, or a rate"):
        Sampling.parse(text)


def test_spellings() -> None:
    assert [Sampling.parse(text).gap for text in ("2/s", "30/min", "5s", "2min", "0.5s")] == [
        0.5,
        2,
        5,
        120,
        0.5,
    ]


def test_titles_are_told_from_pictures(photo: Any) -> None:
    board = Image.new("RGB", (640, 360))
    ImageDraw.Draw(board).text(
        (40, 150), "a film by nobody in particular", "white", ImageFont.load_default(36)
    )
    assert titles.is_title(np.asarray(board))
    assert not any(
        titles.is_title(np.asarray(photo(name))) for name in ("astronaut", "coffee", "chelsea", "moon")
    )


# Pictures that move, and memory


@pytest.mark.parametrize(
    ("kind", "media"), [("GIF", "image/gif"), ("PNG", "image/png"), ("WEBP", "image/webp")]
)
def test_pictures_that_move(kind: str, media: str) -> None:
    stills = [Image.fromarray(card(colour)) for colour in COLOURS[:3]]
    target = io.BytesIO()
    stills[0].save(
        target, kind, save_all=True, append_images=stills[1:], duration=[500, 1500, 250], lossless=True
    )
    data = target.getvalue()
    assert animation.moves(data, media)
    frames = list(animation.Animation(data, media).frames())
    assert [frame.time for frame in frames] == pytest.approx([0, 0.5, 2.0])
    assert frames[-1].end == pytest.approx(2.25)
    assert [shown(frame.pixels()) for frame in frames] == [0, 1, 2]
    alone = io.BytesIO()
    stills[0].save(alone, kind)
    assert not animation.moves(alone.getvalue(), media)


def test_a_moving_picture_that_is_cut_says_how_far_it_goes() -> None:
    target = io.BytesIO()
    stills = [
        Image.fromarray(np.random.default_rng(n).integers(0, 255, (64, 96, 3), dtype=np.uint8))
        for n in range(5)
    ]
    stills[0].save(target, "GIF", save_all=True, append_images=stills[1:], duration=1000)
    moving = animation.Animation(target.getvalue()[: len(target.getvalue()) * 3 // 5], "image/gif")
    assert 1 <= len(list(moving.frames())) < 5


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    path = tmp_path / "long.mkv"
    path.write_bytes(
        reel((card(COLOURS[n % 6], (320, 240)) for n in range(6000)), "matroska", "mpeg4", fps=25)
    )
    process, highest = psutil.Process(), 0
    with path.open("rb") as file:
        opened = Film(file)
        count, start = 0, 0
        for frame in opened.frames():
            frame.luma()
            count += 1
            if count == 500:
                start = process.memory_info().rss
            if count > 500 and count % 100 == 0:
                highest = max(highest, process.memory_info().rss)
    assert count == 6000
    assert highest - start < 20 << 20


def test_films_leave_no_frames_behind() -> None:
    data = reel((card(COLOURS[number % 6], (1280, 720)) for number in range(40)), "matroska", "mpeg4")
    process, sizes = psutil.Process(), []
    gc.disable()  # what waits for the collector is left behind
    try:
        for _ in range(6):
            for frame in film(data).frames():
                frame.luma()
            sizes.append(process.memory_info().rss)
    finally:
        gc.enable()
    assert sizes[-1] - sizes[1] < 60 << 20
