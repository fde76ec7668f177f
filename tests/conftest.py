"""What many tests need: photographs, a folder of them, libraries, and the installed program.

Nothing of the user is touched: cache, settings file and library lie in a folder that goes when the tests end.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.register_assert_rewrite("web", "browser", "access", "portraits", "milvus_server", "s3_server")

_HOME = Path(tempfile.mkdtemp(prefix="findalike-tests-"))
_given = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith("FINDALIKE_")}
ASKED: dict[str, str] = json.loads(os.environ.get("TESTS_ASKED", "null")) or _given
"""What was set for the tests themselves, such as FINDALIKE_CHROMIUM; the program sees none of it, and the
processes that share the tests hear of it by TESTS_ASKED."""
SHARED = Path(os.environ.get("TESTS_SHARED") or _HOME / "shared")
"""A folder of all processes that share the tests; it goes when the tests end."""
os.environ |= {
    "TESTS_ASKED": json.dumps(ASKED),
    "TESTS_SHARED": str(SHARED),
    "FINDALIKE_CACHE": str(_HOME / "cache"),
    "FINDALIKE_CONFIG": str(_HOME / "there-is-none.toml"),
    "FINDALIKE_LIBRARY": str(_HOME / "library"),
    "COLUMNS": "100",
}

import findalike  # noqa: E402  (its settings are read once, so the variables come first)
import milvus_server  # noqa: E402
import warm  # noqa: E402

PROGRAM = Path(sys.executable).with_name("findalike")
PHOTOGRAPHS = ("astronaut", "brick", "cell", "chelsea", "coffee", "coins", "grass", "moon", "page", "text")

MOST_WORKERS = 4
"""Tests that run at a time: each may take a browser, a server and a gigabyte."""

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
Photo = Callable[..., Image.Image]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` of pytest-xdist means: a process for each core; on a single one, no further process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS) if cores > 1 else 0


def pytest_sessionfinish() -> None:
    if SHARED.parent == _HOME:
        milvus_server.end_shared(SHARED)
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def shared() -> Path:
    return SHARED


@pytest.fixture(scope="session")
def photo() -> Photo:
    """A photograph of scikit-image as a small RGB picture: photo("chelsea"), photo("coffee", (400, 300))."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the photographs come inside scikit-image: pip install 'findalike[demo]'")
    folder = Path(next(iter(spec.submodule_search_locations))) / "data"

    @cache
    def opened(name: str, size: tuple[int, int] = (192, 144)) -> Image.Image:
        with Image.open(folder / f"{name}.png") as image:
            return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)

    return opened


def save_all(folder: Path, photo: Photo, names: tuple[str, ...] = PHOTOGRAPHS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        photo(name).save(folder / f"{name}.jpg", quality=90)
    return folder


@pytest.fixture
def pictures(tmp_path: Path, photo: Photo) -> Path:
    """A folder of four photographs, to be changed at will."""
    return save_all(tmp_path / "pictures", photo, PHOTOGRAPHS[2:6])


@pytest.fixture
def library(tmp_path: Path) -> Iterator[findalike.Library]:
    """An empty library on disk."""
    with findalike.open(tmp_path / "library") as opened:
        yield opened


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory, photo: Photo) -> Path:
    """A folder of ten photographs that no test changes."""
    return save_all(tmp_path_factory.mktemp("album") / "pictures", photo)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, album: Path) -> Path:
    """A library of the album that no test changes."""
    path = tmp_path_factory.mktemp("filled") / "library"
    with findalike.open(path) as opened:
        opened.add(album)
    return path


@pytest.fixture
def shelf(filled: Path) -> Iterator[findalike.Library]:
    """The library of the album, open for reading."""
    with findalike.open(filled, "r") as opened:
        yield opened


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Runs the installed program: cli("search", path, library=folder, FINDALIKE_THREADS="1")."""

    def run(
        *args: object,
        library: Path | None = None,
        stdin: str = "",
        cwd: Path | None = None,
        options: dict[str, Any] | None = None,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        command = [str(PROGRAM), *map(os.fspath, map(_word, args))]
        command += ["--library", str(library)] if library else []
        if options is None and warm.possible(environment):
            whole = os.environ | environment
            return warm.run(command, stdin=stdin, environment=whole, cwd=cwd, timeout=120)
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env=os.environ | environment,
            cwd=cwd,
            timeout=120,
            check=False,
            **(options or {}),
        )

    return run


def _word(value: object) -> str | os.PathLike[str]:
    return value if isinstance(value, str | os.PathLike) else str(value)
