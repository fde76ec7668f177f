"""Dense tracks of films, against plain loops and films made by hand."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from findalike.errors import FindalikeError
from findalike.tracks import LUMA_SIDE, Recorder, Track, aligned, placed
from findalike.tracks.alignment import STILL, Slid
from findalike.tracks.placing import Parts
from findalike.tracks.recorder import STEP, cells_of
from findalike.tracks.track import BLOCK, CELLS, GRID

SIDE = LUMA_SIDE
Frames = NDArray[np.uint8]


@cache
def film(seconds: float, rate: float = 30, seed: int = 0) -> Frames:
    """A camera that wanders over a large smooth picture: shape (frames, SIDE, SIDE)."""
    rng = np.random.default_rng(seed)
    large = np.kron(rng.uniform(0, 255, (20, 20)), np.ones((20, 20)))
    for axis in (0, 1):
        large = sum(np.roll(large, shift, axis) for shift in range(-10, 11)) / 21
    times = np.arange(0, seconds, 1 / rate)
    speeds = rng.uniform(0.3, 1.3, 4)
    x = (150 + 140 * np.sin(speeds[0] * times + np.sin(speeds[1] * times))).astype(int)
    y = (150 + 140 * np.cos(speeds[2] * times + np.sin(speeds[3] * times))).astype(int)
    shown = [large[b : b + SIDE, a : a + SIDE] for a, b in zip(x, y, strict=True)]
    frames = np.stack(shown).astype(np.uint8)
    frames.flags.writeable = False
    return frames


def recorded(frames: Frames, rate: float = 30, start: float = 0.0) -> Track:
    recorder = Recorder()
    for number, luma in enumerate(frames):
        recorder.add(start + number / rate, luma)
    return Track.from_bytes(recorder.finish())


def test_ticks_are_the_means_of_their_frames_cell_by_cell() -> None:
    frames = film(2.0)
    track = recorded(frames, start=5.0)
    assert (track.start, track.step, len(track)) == (5.0, STEP, 16)
    assert track.end == 7.0
    for tick in (0, 7, 15):
        shown = [n for n in range(60) if int(n / 30 / STEP + 1e-6) == tick]
        mean = frames[shown].astype(float).mean(axis=0)
        for row in range(GRID):
            for column in range(GRID):
                expected = _mean_within(mean, row * 9.6, row * 9.6 + 9.6, column * 9.6, column * 9.6 + 9.6)
                assert track.cells[tick, row * GRID + column] == pytest.approx(expected, rel=0.05, abs=2)


def _mean_within(picture: NDArray[np.float64], top: float, bottom: float, left: float, right: float) -> float:
    total = area = 0.0
    for y in range(SIDE):
        for x in range(SIDE):
            share = max(0.0, min(bottom, y + 1) - max(top, y)) * max(0.0, min(right, x + 1) - max(left, x))
            total += share * picture[y, x]
            area += share
    return total / area


def test_bytes_keep_small_changes() -> None:
    rng = np.random.default_rng(1)
    still = rng.uniform(20, 235, CELLS)
    cells = (still + rng.normal(0, 0.1, (200, CELLS))).astype(np.float32)
    data = Track(1.5, STEP, cells).to_bytes()
    again = Track.from_bytes(data)
    assert (again.start, again.step) == (1.5, STEP)
    assert np.abs(again.cells - cells).max() < 0.02
    assert len(data) < 200 * 110


def test_bytes_hold_any_change() -> None:
    cells = np.zeros((BLOCK + 1, CELLS), np.float32)
    cells[::2] = 255
    again = Track.from_bytes(Track(0, STEP, cells).to_bytes())
    assert np.abs(again.cells - cells).max() < 5


@pytest.mark.parametrize("data", [b"", b"no track at all, of any version", "cut", "grown"])
def test_damaged_bytes_are_named(data: bytes | str) -> None:
    good = recorded(film(3)).to_bytes()
    given = {"cut": good[:-20], "grown": good[:6] + b"\xff" * 20 + good[26:]}.get(str(data), data)
    with pytest.raises(FindalikeError, match=r"damaged.*index the film again"):
        Track.from_bytes(given)  # type: ignore[arg-type]


def test_nothing_recorded_is_no_bytes() -> None:
    assert Recorder().finish() == b""


def test_what_stays_is_recorded_while_it_stays() -> None:
    recorder = Recorder()
    recorder.add(0.0, np.full((SIDE, SIDE), 10, np.uint8))
    recorder.add(10.0, np.full((SIDE, SIDE), 200, np.uint8))
    track = Track.from_bytes(recorder.finish())
    assert len(track) == 81
    assert np.allclose(track.cells[:80], 10, atol=0.5)
    assert np.allclose(track.cells[80], 200, atol=5)


def test_a_frame_of_another_shape_or_without_a_time_is_refused() -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="shape"):
        recorder.add(0.0, np.zeros((32, 32), np.uint8))
    with pytest.raises(ValueError, match="finite"):
        recorder.add(float("nan"), np.zeros((SIDE, SIDE), np.uint8))


def test_long_films_have_longer_ticks() -> None:
    recorder = Recorder(most_ticks=4 * BLOCK)
    levels = np.arange(1000) % 250
    for number, level in enumerate(levels):
        recorder.add(number * STEP, np.full((SIDE, SIDE), level, np.uint8))
    track = Track.from_bytes(recorder.finish())
    assert track.step == 4 * STEP
    assert len(track) == 250
    means = levels.reshape(-1, 4).mean(axis=1)
    assert np.abs(track.cells.mean(axis=1) - means).max() < 8


def test_a_leap_in_time_ends() -> None:
    recorder = Recorder(most_ticks=4 * BLOCK)
    recorder.add(0.0, np.full((SIDE, SIDE), 50, np.uint8))
    recorder.add(1e9, np.full((SIDE, SIDE), 90, np.uint8))
    track = Track.from_bytes(recorder.finish())
    assert len(track) <= 4 * BLOCK
    assert track.end >= 1e9


@pytest.mark.parametrize("bars", [(12, 12, 0, 0), (0, 0, 8, 7), (5, 9, 6, 0)])
def test_bars_do_not_count(bars: tuple[int, int, int, int]) -> None:
    top, bottom, left, right = bars
    large = film(2.0)
    inner = np.stack([_resized(frame, SIDE - top - bottom, SIDE - left - right) for frame in large])
    barred = np.zeros_like(large)
    barred[:, top : SIDE - bottom, left : SIDE - right] = inner
    found = aligned(recorded(barred), recorded(large))
    assert found is not None
    assert found.confidence > 0.95
    assert found.film == pytest.approx((0, 2), abs=0.13)


def _resized(frame: Frames, height: int, width: int, side: int = SIDE) -> Frames:
    rows = (np.arange(height) + 0.5) * side / height
    columns = (np.arange(width) + 0.5) * side / width
    return frame[rows.astype(int)][:, columns.astype(int)]


def test_a_dark_scene_is_no_bar() -> None:
    night = np.zeros((60, SIDE, SIDE), np.uint8)
    night[:, 80:90, 40:60] = film(2.0)[:, :10, :20]
    track = recorded(night)
    assert np.allclose(track.cells[:, :70], 0, atol=0.1)
    assert track.cells[:, 80:].max() > 10


def test_windows_score_as_plain_loops_do() -> None:
    long, window = recorded(film(6.0, seed=3)).cells, recorded(film(1.0, seed=4)).cells
    scores = Slid(long, len(window)).scores(window)
    assert scores is not None
    assert len(scores) == len(long) - len(window) + 1
    for place in range(0, len(scores), 5):
        assert scores[place] == pytest.approx(_score(window, long[place : place + len(window)]), abs=1e-4)


def _score(window: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    count = len(window)
    means = [[sum(float(t[c]) for t in ticks) / count for c in range(CELLS)] for ticks in (window, other)]
    covariance = first = second = 0.0
    for tick in range(count):
        for cell in range(CELLS):
            a, b = float(window[tick, cell]) - means[0][cell], float(other[tick, cell]) - means[1][cell]
            covariance, first, second = covariance + a * b, first + a * a, second + b * b
    per = count * CELLS
    moves = 2 * covariance / per / (first / per + second / per + 2 * STILL)
    return float(np.corrcoef(*means)[0, 1]) + moves


def test_a_trim_is_found_where_it_was() -> None:
    whole = film(20.0)
    for first in (0, 100, 333, 470):
        found = aligned(recorded(whole[first : first + 90]), recorded(whole))
        assert found is not None
        assert found.film == pytest.approx((first / 30, first / 30 + 3), abs=0.15)
        assert found.query == pytest.approx((0, 3), abs=0.15)
        assert found.confidence > 0.85
        assert not found.mirrored


def test_it_does_not_matter_which_is_longer() -> None:
    whole, part = recorded(film(20.0), start=100.0), recorded(film(20.0)[150:300])
    there, back = aligned(part, whole), aligned(whole, part)
    assert there is not None
    assert back is not None
    assert (there.query, there.film) == (back.film, back.query)
    assert there.film == pytest.approx((105, 110), abs=0.15)


def test_a_part_of_both_is_found_in_both() -> None:
    shared = film(4.0, seed=7)
    one = np.concatenate([film(6.0, seed=8), shared, film(3.0, seed=9)])
    other = np.concatenate([film(2.0, seed=10), shared, film(7.0, seed=11)])
    found = aligned(recorded(one), recorded(other))
    assert found is not None
    assert found.query == pytest.approx((6, 10), abs=0.3)
    assert found.film == pytest.approx((2, 6), abs=0.3)


def _slow(frames: Frames) -> tuple[Frames, float]:
    times = np.arange(0, len(frames) / 30, 1 / 12.5)
    return frames[(times * 30).astype(int)], 12.5


def _logo(frames: Frames) -> tuple[Frames, float]:
    marked = frames.copy()
    marked[:, 10:30, 60:85] = 250
    return marked, 30


def _dim(frames: Frames) -> tuple[Frames, float]:
    return (frames * 0.8 + 10).astype(np.uint8), 30


def _noisy(frames: Frames) -> tuple[Frames, float]:
    noise = np.random.default_rng(0).normal(0, 12, frames.shape)
    return (frames + noise).clip(0, 255).astype(np.uint8), 30


@pytest.mark.parametrize("edit", [_slow, _logo, _dim, _noisy])
def test_edits_are_found(edit) -> None:  # type: ignore[no-untyped-def]
    whole = film(20.0)
    frames, rate = edit(whole[200:320])
    found = aligned(recorded(frames, rate), recorded(whole))
    assert found is not None
    assert found.film == pytest.approx((20 / 3, 32 / 3), abs=0.3)


def test_mirrored_films_are_found_and_said_to_be() -> None:
    whole = film(8.0)
    turned = recorded(whole[60:150, :, ::-1])
    found = aligned(turned, recorded(whole))
    assert found is not None
    assert found.mirrored
    assert found.film == pytest.approx((2, 5), abs=0.15)
    assert aligned(turned, recorded(whole), mirrors=False) is None


def test_other_films_are_not_found() -> None:
    tracks = [recorded(film(10.0, seed=seed)) for seed in range(20, 28)]
    for number, one in enumerate(tracks):
        assert all(aligned(one, other) is None for other in tracks[number + 1 :])


def test_a_camera_that_stands_still_is_placed_by_what_moves() -> None:
    rng = np.random.default_rng(5)
    room = film(0.1)[0]
    whole = np.repeat(room[None], 600, axis=0).astype(float)
    for number in range(600):  # something small that comes and goes, and light that wavers
        row = int(40 + 30 * np.sin(number / 37 + np.sin(number / 90)))
        whole[number, row : row + 8, 40:48] = 255
        whole[number] += 0.8 * np.sin(number / 53)
    noisy = (whole + rng.normal(0, 2, whole.shape)).clip(0, 255).astype(np.uint8)
    again = (whole[250:340] + rng.normal(0, 2, (90, SIDE, SIDE))).clip(0, 255).astype(np.uint8)
    found = aligned(recorded(again), recorded(noisy))
    assert found is not None
    assert found.film == pytest.approx((250 / 30, 340 / 30), abs=0.2)


def test_black_films_say_nothing() -> None:
    black = recorded(np.zeros((90, SIDE, SIDE), np.uint8))
    assert aligned(black, black) is None


def test_a_film_of_one_frame_is_compared_by_what_stands() -> None:
    frame = film(0.03)
    assert aligned(recorded(frame), recorded(frame)) is not None
    assert aligned(recorded(frame), recorded(film(0.03, seed=99))) is None


def test_tracks_of_different_steps_are_compared() -> None:
    whole = recorded(film(20.0))
    found = aligned(recorded(film(20.0)[150:300]), whole.halved().halved())
    assert found is not None
    assert found.film == pytest.approx((5, 10), abs=0.5)


def test_cells_of_a_part_of_the_frame() -> None:
    frames = film(0.1).astype(np.float32)
    cells = cells_of(frames, (3, 50, 10, 96))
    for row, column in ((0, 0), (4, 7), (9, 9)):
        top, left = 3 + row * 4.7, 10 + column * 8.6
        expected = _mean_within(frames[1].astype(float), top, top + 4.7, left, left + 8.6)
        assert cells[1, row * GRID + column] == pytest.approx(expected, rel=1e-4)


# Pictures


def test_a_cropped_picture_is_placed() -> None:
    whole = film(20.0)
    track = recorded(whole)
    for number, (top, left, side) in ((90, (0, 0, 96)), (300, (10, 6, 80)), (480, (2, 15, 78))):
        part = _resized(whole[number][top : top + side, left : left + side], SIDE, SIDE, side)
        found = placed(part, track)
        assert found is not None
        assert found.span[0] - 0.5 <= number / 30 <= found.span[1] + 0.5
        assert found.similarity > 0.97


def test_other_pictures_are_not_placed() -> None:
    track = recorded(film(20.0))
    assert all(placed(film(0.1, seed=seed)[0], track) is None for seed in range(40, 60))
    assert placed(np.full((SIDE, SIDE), 90, np.uint8), track) is None


def test_parts_are_compared_as_plain_loops_do() -> None:
    picture, ticks = film(0.1, seed=5)[0].astype(np.float32), recorded(film(1.0, seed=6)).cells
    parts = Parts.of(picture, [(1.0, 0.0), (0.8, 0.1)], [(0.9, 0.05)])
    found = parts.alike(ticks)
    assert found.shape == (len(ticks), 2)
    for number, (down, across) in enumerate(parts.lines):
        inside = [
            (row, column)
            for row in range(GRID)
            for column in range(GRID)
            if _seen(down, row) > 0.7 and _seen(across, column) > 0.7
        ]
        means = [
            _mean_within(picture, *_pixels(down, row), *_pixels(across, column)) for row, column in inside
        ]
        for tick in range(len(ticks)):
            there = [float(ticks[tick, row * GRID + column]) for row, column in inside]
            assert found[tick, number] == pytest.approx(np.corrcoef(means, there)[0, 1], abs=2e-3)


def _pixels(line: tuple[float, float], cell: int) -> tuple[float, float]:
    share, start = line
    edges = [((cell + more) / GRID - start) / share * SIDE for more in (0, 1)]
    return max(0.0, min(SIDE, edges[0])), max(0.0, min(SIDE, edges[1]))


def _seen(line: tuple[float, float], cell: int) -> float:
    low, high = _pixels(line, cell)
    return (high - low) * GRID * line[0] / SIDE
