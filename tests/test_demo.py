"""The demo: what a newcomer sees first."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from conftest import Cli, Photo


@pytest.mark.slow
def test_the_demo_finds_its_queries(cli: Cli, photo: Photo, tmp_path: Path) -> None:
    photo("chelsea")  # skips where the photographs are not installed
    run = cli("demo", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    lines = run.stderr.splitlines()
    assert lines[0].startswith("Indexed ")
    found = {line.partition("-")[0]: line for line in lines[1:]}
    assert set(found) == {"astronaut", "chelsea", "rocket"}
    for name, line in found.items():
        assert f"best {name}" in line
        with Image.open(tmp_path / "findalike-demo" / f"{name}-query.png") as sheet:
            assert sheet.width > 400
    commands = [line.split() for line in run.stdout.splitlines() if line.startswith("  findalike search ")]
    first = commands[0]
    assert cli(*first[1:], cwd=tmp_path).stdout.startswith("1\t0.")
    again = cli("demo", cwd=tmp_path)
    assert again.returncode == 0


def test_the_demo_leaves_other_folders_alone(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept.txt").write_text("kept")
    run = cli("demo", tmp_path / "mine")
    assert run.returncode == 2
    assert (
        "is there already and holds something else; name another folder: findalike demo FOLDER" in run.stderr
    )
    assert (tmp_path / "mine" / "kept.txt").read_text() == "kept"
