"""The documentation check finds nothing here, and finds each thing that is taken out of a copy."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
COPIED = ("src", "docs", "training", "benchmarks", "tests", ".ci")

sys.path.insert(0, str(ROOT / "docs"))
import check  # noqa: E402


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    return tmp_path


def change(page: Path, old: str, new: str) -> None:
    text = page.read_text("utf-8")
    assert old in text
    page.write_text(text.replace(old, new), "utf-8")


def test_nothing_is_missing() -> None:
    assert check.problems(ROOT) == []


@pytest.mark.parametrize(
    ("page", "old", "new", "said"),
    [
        ("docs/cli.md", "`--min-score S`", "`--least S`", "generated part is out of date"),
        ("docs/cli.md", "## findalike optimize", "## optimize", "command optimize"),
        ("docs/settings.md", "`FINDALIKE_CONFIG`", "`CONFIG`", "variable FINDALIKE_CONFIG"),
        ("docs/settings.md", "`pixel_budget`", "`pixels`", "setting pixel_budget"),
        ("docs/encoders.md", "`efficientnet-lite2`", "`lite2`", "encoder efficientnet-lite2"),
        ("docs/store.md", "`memory`", "`ram`", "store memory"),
        ("docs/errors.md", "`SweepRefused`", "`Refused`", "error SweepRefused"),
        ("docs/present.md", "`similarity`", "`cosine`", "JSON field similarity"),
        ("docs/ingest.md", "`unchanged`", "`same`", "field of the report unchanged"),
        ("docs/python.md", "`columns`", "`column`", "field of Info columns"),
        ("docs/python.md", "include_self", "itself", "name include_self"),
        ("docs/search.md", "(store.md)", "(shop.md)", "shop.md leads nowhere"),
        ("docs/cli.md", "#what-it-holds", "#what-it-has", "no heading for python.md#what-it-has"),
        (
            "docs/encode.md",
            "`src/findalike/checkpoint.py`",
            "`src/findalike/point.py`",
            "point.py, which is not",
        ),
        ("docs/README.md", "(errors.md)", "(cli.md)", "does not list docs/errors.md"),
        ("README.md", "--min-score 0.85", "--least 0.85", "there is no option --least"),
        ("README.md", "findalike index", "findalike learn", "there is no command learn"),
        ("README.md", "import findalike", "import", "is no Python"),
        ("docs/store.md", "python benchmarks/store.py", "a script", "no command that prints them"),
        ("docs/api.md", "### GET /v1/facets\n", "### Facets\n", "GET /v1/facets is not documented"),
        ("docs/api.md", "### GET /v1/words\n", "### PUT /v1/words\n", "the server has no PUT /v1/words"),
        ("docs/api.md", "`unlike`", "`other`", "parameter unlike of GET /v1/search"),
        ("docs/api.md", "`nothing_similar`", "`nothing`", "field nothing_similar"),
        ("docs/api.md", "`file-missing`", "`gone`", "problem file-missing"),
        ("docs/api.md", "8000/v1/encoders'", "8000/v1/coders'", "calls /v1/coders, which the server has not"),
        ("docs/serve.md", "| `M` | More like this |", "| `N` | More |", "generated part is out of date"),
        ("docs/serve.md", "--allow-host pictures", "--host-name pictures", "there is no option --host-name"),
    ],
)
def test_what_is_broken_is_named(copy: Path, page: str, old: str, new: str, said: str) -> None:
    change(copy / page, old, new)
    found = check.problems(copy)
    assert any(page in problem and said in problem for problem in found), found


def test_a_page_that_the_source_names_must_be_there(copy: Path) -> None:
    (copy / "docs" / "query.md").unlink()
    assert any("src/findalike" in problem and "docs/query.md" in problem for problem in check.problems(copy))


@pytest.mark.parametrize(("broken", "code"), [(False, 0), (True, 1)])
def test_the_check_exits_with_1_when_something_is_wrong(copy: Path, broken: bool, code: int) -> None:
    if broken:
        (copy / "docs" / "errors.md").unlink()
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "check.py", copy], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout
    assert ("docs/errors.md: is missing" in done.stdout) == broken


def test_anchors_are_those_of_the_usual_renderers() -> None:
    assert check.anchors("# A b\n## `x`, y!\n## A b\n```\n# no\n```\n") == {"a-b", "x-y", "a-b-1"}


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("Pictures").mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (90, 120, 3), np.uint8)
        Image.fromarray(pixels).save(f"Pictures/{number}.jpg")
    shutil.copy("Pictures/0.jpg", "photo.jpg")
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert Path("found.png").stat().st_size > 0
