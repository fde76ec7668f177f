"""`findalike train metric` and `classifier`: from pictures to an encoder that an index takes, without harm to
the library, and what is said of data that cannot be learned from."""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import findalike
from conftest import PROGRAM, Cli
from findalike.cli import train_shown
from findalike.cli.main import FAILED
from findalike.cli.train import TRAININGS
from findalike.cli.train_metric import finish
from findalike.cli.train_out import checked_out
from findalike.encode import file_card
from findalike.errors import UsageError
from findalike.evaluate import tables
from findalike.evaluate.bootstrap import Interval
from findalike.feedback import Mark
from findalike.train.splits import Split

pytest.importorskip("torch", reason="training needs torch: pip install 'findalike[train]'")
pytest.importorskip("pytorch_metric_learning")

from findalike.train import loop, measure, metric

CLASSES, EACH = 6, 6
OPTIONS = ("--epochs", "4", "--classes", "4", "--pictures", "3", "--encoder", "colour")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six folders of six pictures of one colour each, with a broken one, and a table of labels."""
    folder = tmp_path_factory.mktemp("shop") / "pictures"
    random = np.random.default_rng(0)
    rows = ["path,kind,Kind of thing"]
    for number in range(CLASSES):
        (folder / f"kind{number}").mkdir(parents=True)
        colour = random.integers(0, 256, 3)
        for each in range(EACH):
            noise = random.normal(0, 60, (48, 48, 3)) * (random.random((48, 48, 1)) < 0.6)
            pixels = np.clip(colour + noise, 0, 255)
            name = f"kind{number}/{each}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
            rows.append(f"{name},kind{number % 3},{number}")
    (folder / "kind0" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, shop: Path) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("filled") / "shop.library"
    with findalike.open(path) as library:
        library.add(shop, encoder="colour")
        by_name = {tuple(Path(asset.uri).parts[-2:]): asset.id for asset in library.store.assets()}
        for kind in range(CLASSES):
            own = [by_name[f"kind{kind}", f"{n}.png"] for n in range(EACH)]
            other = by_name[f"kind{(kind + 1) % CLASSES}", "0.png"]
            library.feedback.add([Mark(own[n], own[n + 1], "match") for n in range(EACH - 1)])
            library.feedback.add([Mark(own[0], other, "no match")])
    return path


def contents(folder: Path) -> dict[str, str]:
    files = (each for each in sorted(folder.rglob("*")) if each.is_file())
    return {str(each): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


def test_a_folder_becomes_an_encoder_that_an_index_takes(cli: Cli, shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "shop.onnx"
    done = cli("train", "metric", shop, *OPTIONS, "--out", out, "--json", tmp_path / "figures.json")
    assert done.returncode == 3, done.stderr
    assert "broken.jpg" in done.stderr
    assert "1 file could not be read" in done.stderr
    assert {each.name for each in tmp_path.iterdir()} == {
        "shop.onnx", "shop.json", "shop.split.csv", "shop.png", "figures.json"
    }  # fmt: skip
    card = file_card.read(out)
    assert card.trained["split"] == {"how": "class", "train": 12, "validation": 12, "test": 12}
    assert (card.dim, card.trained["loss"], len(card.trained["pictures"])) == (91, "triplet", 24)
    split = tables.read(tmp_path / "shop.split.csv")
    learned = {Path(row["path"]) for _, row in split.rows if row["part"] != "test"}
    digests = {hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in learned}
    assert digests == set(card.trained["pictures"])
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["comparisons"][0]["after"] == pytest.approx(card.trained["after"])
    with findalike.open(tmp_path / "library") as library:
        library.add(shop, encoder=f"file:{out}")
        hits = library.search(shop / "kind1" / "0.png", encoder=f"file:{out}", k=EACH - 1)
        assert {Path(hit.asset.uri).parent.name for hit in hits} == {"kind1"}


def test_two_runs_give_the_same_bytes(cli: Cli, filled: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        done = cli("train", "metric", *OPTIONS, "--out", tmp_path / name / "x.onnx", library=filled)
        assert done.returncode == 0, done.stderr
    for name in ("x.onnx", "x.json", "x.split.csv", "x.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_the_library_is_only_read(cli: Cli, filled: Path, tmp_path: Path) -> None:
    before = contents(filled)
    for arguments in (("--split", "random"), ("--feedback", "--replace")):
        done = cli("train", "metric", *OPTIONS, *arguments, "--out", tmp_path / "x.onnx", library=filled)
        assert done.returncode == 0, done.stderr
    assert contents(filled) == before


def test_marks_are_learned_from(cli: Cli, filled: Path, tmp_path: Path) -> None:
    done = cli("train", "metric", *OPTIONS, "--feedback", "--out", tmp_path / "x.onnx", library=filled)
    assert done.returncode == 0, done.stderr
    card = file_card.read(tmp_path / "x.onnx")
    assert (card.trained["by"], card.trained["classes"]) == ("marks", 2)


def test_a_table_says_what_is_alike(cli: Cli, shop: Path, tmp_path: Path) -> None:
    done = cli("train", "metric", shop / "labels.csv", "--column", "kind", "--split", "random", *OPTIONS,
               "--out", tmp_path / "x.onnx")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert file_card.read(tmp_path / "x.onnx").trained["classes"] == ["kind0", "kind1", "kind2"]


def test_what_is_shown_is_the_measure() -> None:
    assert train_shown.sparkline([0.1, 0.2, 0.8, 0.47]) == "▁▂█▅"
    assert train_shown.sparkline([0.5]) == "▁"
    shown = train_shown.line(loop.Tick(3, 60, 0.2, (0.5, 0.6, 0.75, 0.7), 2))
    assert shown.startswith("epoch 3/60  mAP .700, best .750 (epoch 2)  ▁")


def test_it_says_plainly_when_it_is_no_better() -> None:
    def verdict(difference: float, p: float) -> str:
        between = Interval(difference, difference - 0.1, difference + 0.1)
        return train_shown.verdict(measure.Comparison("mAP", 9, 0.5, 0.5 + difference, between, p))

    assert verdict(0.2, 0.001).startswith("Better than what it began from: mAP +0.200")
    assert verdict(0.2, 0.3).startswith("No better than what it began from")
    assert verdict(-0.2, 0.001).startswith("Worse than what it began from")
    assert "too few to tell" in verdict(0.2, math.nan)


def test_a_run_that_comes_to_nothing_leaves_an_earlier_result(tmp_path: Path) -> None:
    out = tmp_path / "x.onnx"
    out.write_bytes(b"of an earlier run")
    even = measure.Comparison("mAP", 9, 0.5, 0.5, Interval(0.0, -0.1, 0.1), 1.0)
    fit = loop.Fit((0.5, 0.4), (0.1,), 0, loop.NOT_A_NUMBER)
    outcome = metric.Outcome(fit, 0.5, (even,), Split(("test",), "class", 0))
    card = file_card.FileCard(file_card.HEAD, "x", 4)
    assert finish(outcome, card, b"", out, False, None) == FAILED
    assert [each.name for each in tmp_path.iterdir()] == ["x.onnx"]
    assert out.read_bytes() == b"of an earlier run"


def test_a_classifier_names_its_classes(cli: Cli, filled: Path, shop: Path, tmp_path: Path) -> None:
    done = cli("train", "classifier", "--labels", shop / "labels.csv", "--column", "kind", "--epochs", "4",
               "--encoder", "colour", "--out", tmp_path / "x.onnx", library=filled)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].startswith("accuracy\t")
    card = file_card.read(tmp_path / "x.onnx")
    assert (card.trained["what"], card.trained["classes"]) == ("classifier", ["kind0", "kind1", "kind2"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--column", "colour"], "no column is named 'colour'"),
        (["--loss", "tripel"], "no loss is named 'tripel'"),
        (["--loss", "arcface", "--miner", "hard"], "leave out --miner"),
        (["--feedback", "--loss", "arcface"], "have no classes"),
        (["--column", "folder", "--feedback"], "give one of --column"),
        (["--split", "half"], "none of class, random and COLUMN=VALUE"),
        (["--device", "abacus"], "--device auto, cpu or cuda"),
        (["--where", "size < 0"], "no picture passes"),
        (["--resume"], "nothing is there to go on from"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_is_wrong_usage(
    cli: Cli, filled: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    done = cli("train", "metric", *OPTIONS, *arguments, "--out", tmp_path / "x.onnx", library=filled)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "x.onnx").exists()


def test_an_end_that_is_no_onnx_is_refused_before_the_work(cli: Cli, shop: Path, tmp_path: Path) -> None:
    done = cli("train", "metric", shop, "--out", tmp_path / "x.pt")
    assert (done.returncode, "the result ends in .onnx" in done.stderr) == (2, True)
    done = cli("train", "metric", shop, "--out", tmp_path / "none" / "x.onnx")
    assert (done.returncode, "make it first" in done.stderr) == (2, True)


@pytest.mark.parametrize("command", list(TRAININGS))
def test_a_result_that_is_there_is_lost_only_when_asked_for(
    cli: Cli, filled: Path, tmp_path: Path, command: str
) -> None:
    """A library may be using it, and could not be added to without."""
    out = tmp_path / "x.onnx"
    out.with_suffix(".json").write_bytes(b"of an earlier run")
    done = cli("train", command, "--out", out, library=filled)
    assert (done.returncode, "x.json of an earlier run would be lost" in done.stderr) == (2, True), (
        done.stderr
    )
    assert "--replace" in done.stderr
    assert "--resume" not in done.stderr
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"of an earlier run"]


def test_a_result_is_replaced_and_gone_on_to(tmp_path: Path) -> None:
    out = tmp_path / "x.onnx"
    assert checked_out(str(out), replace=False) == out
    out.write_bytes(b"of an earlier run")
    (tmp_path / "x.checkpoint.npz").write_bytes(b"where it stands")
    with pytest.raises(UsageError, match="--resume to go on with it, or --replace"):
        checked_out(str(out), replace=False)
    assert checked_out(str(out), replace=True) == out
    assert checked_out(str(out), replace=False, resume=True) == out


def test_an_interrupted_run_keeps_the_best_and_goes_on(filled: Path, tmp_path: Path) -> None:
    out, kept = tmp_path / "x.onnx", tmp_path / "x.checkpoint.npz"
    endless = [str(PROGRAM), "train", "metric", "--encoder", "colour", "--split", "random", "--epochs",
    "100000",
               "--patience", "100000", "--out", str(out), "--library", str(filled)]  # fmt: skip
    with subprocess.Popen(endless, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as run:
        until = time.monotonic() + 200
        while not kept.exists() and time.monotonic() < until and run.poll() is None:
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)  # a shell may have SIGINT passed over; both are taken alike
        try:
            _, said = run.communicate(timeout=90)
        finally:
            run.kill()
    assert run.returncode == 130, said
    assert "the same command with --resume goes on" in said
    assert file_card.read(out).trained["ended"] == "interrupted"
    other = subprocess.run([*endless, "--resume", "--seed", "1"], capture_output=True, text=True, check=False)
    assert (other.returncode, "other pictures or options" in other.stderr) == (2, True)


def test_help_imports_no_torch() -> None:
    code = "import sys; from findalike.cli.main import findalike as f; f.main(['train', 'metric', '--help'], "
    code += "standalone_mode=False); assert 'torch' not in sys.modules"
    python = PROGRAM.with_name("python")
    done = subprocess.run([os.fspath(python), "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
