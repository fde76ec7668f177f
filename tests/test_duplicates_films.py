"""Duplicates among films: what shows the same from beginning to end, and nothing else."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

import findalike
from filmed import cut, film

SCENES = [(3, 2.0), (11, 2.0), (7, 2.0)]


def smaller(source: Path, path: Path) -> Path:
    """The film again at half its size, coarsely compressed."""
    with av.open(str(source)) as opened, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"crf": "34"})
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for number, frame in enumerate(opened.decode(video=0)):
            pixels = frame.reformat(160, 90, "rgb24").to_ndarray()
            reduced = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            reduced.pts = number
            out.mux(stream.encode(reduced))
        out.mux(stream.encode(None))
    return path


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    film(folder / "film.mp4", SCENES)
    smaller(folder / "film.mp4", folder / "small.mp4")
    cut(folder / "film.mp4", 0, 4, folder / "trimmed.mp4")
    film(folder / "other-order.mp4", [SCENES[1], SCENES[0], SCENES[2]])
    return folder


def test_only_the_whole_film_is_a_copy(films: Path, tmp_path: Path) -> None:
    with findalike.open(tmp_path / "library") as library:
        assert library.add(films).added == 4
        (group,) = library.duplicates()
    assert Path(group.keeper.uri).name == "film.mp4"
    (member,) = group.members
    assert Path(member.asset.uri).name == "small.mp4"
    assert member.reason == "near copy: the same film, smaller (50 %)"


def test_films_of_the_same_bytes_are_exact_copies(films: Path, tmp_path: Path) -> None:
    (films / "again.mp4").write_bytes((films / "film.mp4").read_bytes())
    with findalike.open(tmp_path / "library") as library:
        library.add(films)
        (group,) = library.duplicates(level="exact")
    assert {Path(a.uri).name for a in (group.keeper, group.members[0].asset)} == {"film.mp4", "again.mp4"}
