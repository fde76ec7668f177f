"""Fleets on a real Ray of this machine: the same library, a worker that is killed, a file that kills workers,
and an interruption."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

import findalike
from findalike.errors import FindalikeError
from findalike.ingest import Progress
from fleets import whole
from reels import reel, seconds

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
pytest.importorskip("ray")

POISON = """
import os, signal
import numpy as np
from findalike.encode.base import Entry
from findalike.types import Card

CARD = Card("acme", "1", 4, preprocessing={"side": 32})

class Encoder:
    card = CARD
    def encode_batch(self, pictures):
        means = np.array([[*picture.pixels.mean((0, 1)), 255.0] for picture in pictures], np.float32)
        if ((means[:, 0] > 240) & (means[:, 1] < 20)).any():  # all red: what a kernel does that has no memory
            os.kill(os.getpid(), signal.SIGKILL)
        return means

ENTRY = Entry((CARD,), lambda card, settings: Encoder())
"""


def workers_of(process: int) -> list[psutil.Process]:
    """The processes of a program's workers, once they are at work."""
    found = []
    for child in psutil.Process(process).children(recursive=True):
        try:
            if child.name().startswith("ray::MapWorker"[:15]):
                found.append(child)
        except psutil.Error:
            continue
    return found


def many(folder: Path, album: Path, count: int) -> Path:
    """So many pictures, each another file of its own content."""
    folder.mkdir()
    originals = sorted(album.iterdir())
    for number in range(count):
        data = originals[number % len(originals)].read_bytes()
        (folder / f"{number:04}.jpg").write_bytes(data + b"%d" % number)
    return folder


def test_two_workers_make_the_same_library_and_one_that_is_killed_changes_nothing(
    tmp_path: Path, album: Path
) -> None:
    pictures = many(tmp_path / "pictures", album, 240)
    (pictures / "torn.jpg").write_bytes((album / "coffee.jpg").read_bytes()[:500])
    (pictures / "harbour.mp4").write_bytes(reel(seconds(4)))
    killed: list[int] = []

    def watch(tick: Progress) -> None:
        if tick.phase == "encoding" and tick.done and not killed:
            victim = workers_of(os.getpid())[0]
            killed.append(victim.pid)
            victim.kill()

    with findalike.open(tmp_path / "plain") as plain, findalike.open(tmp_path / "fleet") as other:
        ours, theirs = plain.add(pictures), other.add(pictures, workers=2, watch=watch)
        assert killed
        assert (theirs.added, len(theirs.failures)) == (ours.added, len(ours.failures)) == (241, 1)
        assert whole(plain) == whole(other)
    assert not workers_of(os.getpid()), "the Ray that was started for the run is ended with it"


def test_a_file_that_kills_workers_is_a_failure_and_ray_says_nothing(tmp_path: Path, album: Path) -> None:
    site = tmp_path / "site"
    info = site / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "acme_encoder.py").write_text(POISON)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[findalike.encoders]\nacme = acme_encoder:ENTRY\n")
    pictures = shutil.copytree(album, tmp_path / "pictures")
    Image.new("RGB", (64, 64), (255, 0, 0)).save(pictures / "poison.png")
    command = [
        str(Path(sys.executable).with_name("findalike")), "index", str(pictures), "--encoder", "acme",
        "--library", str(tmp_path / "library"), "--workers", "2", "--no-optimize",
    ]  # fmt: skip
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=600,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert run.returncode == 3, run.stderr
    assert "10 added, 1 failed" in run.stdout
    assert "poison.png: it ended the worker that looked into it" in run.stderr
    assert not [line for line in (run.stdout + run.stderr).splitlines() if "raylet" in line or "Ray" in line]


def interruptible() -> None:
    """In the program that is started: a shell that runs the tests in the background has it passed over."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interruption_keeps_what_was_done_and_ends_the_ray_that_was_started(
    tmp_path: Path, album: Path
) -> None:
    pictures = many(tmp_path / "pictures", album, 3000)
    command = [
        str(Path(sys.executable).with_name("findalike")), "index", str(pictures),
        "--library", str(tmp_path / "library"), "--workers", "2", "--no-optimize",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env={**os.environ, "FINDALIKE_BATCH_ROWS": "100"}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible,
    )  # fmt: skip
    until = time.monotonic() + 300
    while held(tmp_path / "library") < 100 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    assert process.poll() is None, process.communicate()
    family = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all that belong to it
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Interrupted. What was done is kept" in said
    assert "Traceback" not in said
    psutil.wait_procs(family, timeout=30)
    assert not [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    with findalike.open(tmp_path / "library") as library:
        kept = len(library)
        assert 100 <= kept < 3000
        there = {asset.uri for asset in library.store.assets()}
        for path in [path for path in pictures.iterdir() if str(path) not in there][50:]:
            path.unlink()  # which would only take time
        report = library.add(pictures)
        assert (report.unchanged, report.added) == (kept, 50)
        assert not library.check()


def held(path: Path) -> int:
    """How many pictures a library holds that another process may be about to make."""
    try:
        with findalike.open(path, "r") as library:
            return len(library)
    except FindalikeError:
        return 0
