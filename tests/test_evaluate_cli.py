"""`findalike eval` and `findalike bench-index` as they are installed, on photographs in folders."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

import findalike
from conftest import Cli, Photo
from findalike.encode import catalog
from findalike.errors import UsageError
from findalike.evaluate import index_kinds, indexes
from findalike.store.base import Batch
from findalike.types import Asset, Origin, Row
from test_evaluate import CARD, asset, filled

NAMES = ("astronaut", "cell", "chelsea", "coffee", "coins")


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory, photo: Photo) -> Path:
    """Five photographs, each in a folder with four edits, and a table of them."""
    root = tmp_path_factory.mktemp("classes")
    rows = []
    for name in NAMES:
        (root / name).mkdir()
        image = photo(name)
        edits: dict[str, Image.Image] = {
            "plain": image,
            "mirrored": ImageOps.mirror(image),
            "dark": ImageEnhance.Brightness(image).enhance(0.6),
            "cut": image.crop((20, 15, 180, 130)),
            "grey": ImageOps.grayscale(image).convert("RGB"),
        }
        for edit, made in edits.items():
            made.save(root / name / f"{edit}.jpg", quality=90)
            rows.append((f"{name}/{edit}.jpg", name, edit, "query" if edit == "cut" else "gallery"))
    with (root / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "subject", "edit", "role"), *rows])
    return root


def test_a_folder_of_folders_just_works(cli: Cli, classes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    run = cli("eval", classes, "--json", out)
    assert run.returncode == 0, run.stderr
    head, first, *_ = run.stdout.splitlines()
    assert head.split("\t")[:3] == ["method", "P@1", "P@10"]
    assert first.startswith("efficientnet-lite0@1-int8\t")
    assert "folder: leave one out, 25 pictures of 5 values" in run.stderr
    assert re.search(r"--min-score 0\.\d+, chosen for equal error: on pairs held out precision", run.stderr)
    (evaluation,) = json.loads(out.read_text())["evaluations"]
    (result,) = evaluation["results"]
    assert result["queries"] == 25
    assert result["metrics"]["precision@1"]["value"] >= 0.9
    assert result["cost"]["encode_ms"] > 0
    assert result["cost"]["bytes"] == 5120
    again = cli("eval", classes, "--json", "-", "--no-timing")
    assert (again.returncode, json.loads(again.stdout)["evaluations"][0]["counts"]["labelled"]) == (0, 25)


def test_columns_and_all_that_is_written(cli: Cli, classes: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    page, plots, markdown = tmp_path / "worst.html", tmp_path / "plots", tmp_path / "out.md"
    run = cli(
        "eval", classes, "--labels", classes / "labels.csv", "--column", "subject", "--by", "edit",
        "--split", "role=query", "--distance", "as-searched", "--distance", "cosine", "--html", page,
        "--plots", plots, "--markdown", markdown, library=tmp_path / "library",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "subject: query against gallery, 5 queries on 20 pictures of 5 values" in run.stderr
    assert "Beside the first" in markdown.read_text("utf-8")
    drawn = sorted(path.name for path in plots.iterdir())
    assert drawn == ["subject-cost.png", "subject-precision-recall.png", "subject-roc.png"]
    for path in plots.iterdir():
        with Image.open(path) as image:
            assert image.width > 800
            assert len(image.convert("RGB").getcolors(1 << 24) or []) > 20
    text = page.read_text("utf-8")
    assert f"findalike eval: {classes}</h1>" in text
    assert text.count("ranks all that is relevant first") == 1
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)
    assert "<script" not in text


@pytest.mark.slow
def test_stored_vectors_of_a_library(cli: Cli, classes: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    assert cli("index", "--table", classes / "labels.csv", library=library).returncode == 0
    columns = ("subject", "role", "folder")
    run = cli("eval", *(f"--column={name}" for name in columns), "--json", "-", library=library)
    assert run.returncode == 0, run.stderr
    subject, role, folder = json.loads(run.stdout)["evaluations"]
    assert (subject["name"], role["name"], folder["name"]) == columns
    assert folder["results"][0]["metrics"] == subject["results"][0]["metrics"]
    for args, code, said in [
        (["--column", "colour"], 2, "no column is named 'colour'; there are brightness"),
        (["--encoder", "nonsense"], 2, "no encoder is named 'nonsense'"),
        (["--encoder", "efficientnet-lite2"], 4, "not efficientnet-lite2"),
        (["--distance", "taxi"], 2, "no distance is named 'taxi'"),
        (["--distance", "hamming"], 2, "nothing can be compared"),
        (["--where", "edit = 'none'"], 2, "no picture passes"),
        (["--column", "role", "--pairs", "p.csv"], 2, "give one of"),
        (["--pairs", tmp_path / "none.csv"], 2, "nothing is there"),
        (["--split", "edit=blue", "--column", "subject"], 2, "no value 'blue'"),
        (["--split", "query", "--column", "subject"], 2, "write COLUMN=VALUE"),
        (["--plots", "/dev/null/plots"], 2, "/dev/null/plots"),
        (["--html", tmp_path / "page.txt"], 2, "ends in .html"),
        (["--queries", tmp_path, "--column", "subject"], 2, "none of the pictures lies in this folder"),
    ]:  # fmt: skip
        run = cli("eval", *args, "--no-timing", library=library)
        assert (run.returncode, said in run.stderr) == (code, True), (args, run.stderr)
        assert "Traceback" not in run.stderr


def test_pairs_with_an_unknown_file(cli: Cli, classes: Path, tmp_path: Path) -> None:
    rows = [
        (f"{a}/plain.jpg", f"{b}/{e}.jpg", int(a == b)) for a in NAMES for b in NAMES for e in ("dark", "cut")
    ]
    pairs = classes / "pairs.csv"
    with pairs.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("first", "second", "same"), *rows, ("gone.jpg", "cell/cut.jpg", 1)])
    run = cli("eval", classes, "--pairs", pairs, "--precision", "0.99", "--json", "-", "--no-timing")
    assert run.returncode == 3, run.stderr
    assert "1 file of the truth not among the pictures, and left out: gone.jpg." in run.stderr
    found = json.loads(run.stdout)["evaluations"][0]["results"][0]["verification"]
    assert (found["pairs"], found["same"]) == (50, 10)
    assert found["auc"] > 0.95
    threshold = found["thresholds"][1]["score"]
    with findalike.open(":memory:") as library:  # what --min-score of a search would keep
        library.add(classes, encoder="efficientnet-lite0")
        hits = library.search(classes / "cell/plain.jpg", k=24, min_score=threshold)
        kept = {Path(hit.asset.uri).parent.name for hit in hits}
    assert kept == {"cell"}


def test_one_picture_and_an_empty_folder(cli: Cli, tmp_path: Path, photo: Photo) -> None:
    (tmp_path / "one").mkdir()
    assert "no picture" in cli("eval", tmp_path / "one").stderr
    photo("cell").save(tmp_path / "one" / "a.jpg")
    run = cli("eval", tmp_path / "one")
    assert (run.returncode, "there is one picture" in run.stderr) == (2, True)
    photo("cell").save(tmp_path / "one" / "b.jpg")
    run = cli("eval", tmp_path / "one")
    assert (run.returncode, "have the same bytes" in run.stderr) == (2, True)


# bench-index


def scattered(rows: int, dim: int = 24) -> tuple[list[Asset], np.ndarray]:
    vectors = np.random.default_rng(0).normal(size=(rows, dim)).astype(np.float32)
    return [asset(f"{i:05}") for i in range(rows)], vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_indexes_beside_plain_loops() -> None:
    pytest.importorskip("faiss")
    library = filled(*scattered(600))
    found = indexes.compare(library, CARD, k=5)
    assert (found.rows, found.queries, found.dim) == (540, 60, CARD.dim)
    by_kind: dict[str, list[float]] = {}
    for point in found.points:
        by_kind.setdefault(point.kind, []).append(point.recall)
        assert point.query_ms > 0
    assert by_kind["exact"] == [1.0]
    assert by_kind["library"] == [1.0]
    for kind in ("HNSW", "IVF"):
        assert by_kind[kind][-1] >= by_kind[kind][0]
        assert by_kind[kind][-1] > 0.95
    assert 0.2 < by_kind["IVF"][0] < 1
    assert max(by_kind["LSH"]) > 0.9
    assert "few" in found.advice


def test_recall_is_the_share_that_is_found() -> None:
    rows = np.random.default_rng(1).normal(size=(80, 6)).astype(np.float32)
    nearest = indexes._nearest("euclidean", rows[10:], rows[:10], 4)
    for query, found in zip(rows[:10], nearest, strict=True):
        by_distance = sorted(range(70), key=lambda i: float(np.linalg.norm(rows[10 + i] - query)))
        assert found == frozenset(by_distance[:4])
    half = iter([sorted(found)[:2] for found in (nearest[0], *nearest)])
    recall, _ = indexes._asked(lambda query, k: np.array(next(half)), rows[:10], nearest, 4)
    assert recall == pytest.approx(0.5)


def test_more_are_ranked_again_where_more_are_asked_for() -> None:
    pytest.importorskip("faiss")
    _, rows = scattered(600)
    built = index_kinds.lsh(rows, False)
    for name, search in built.searches.items():
        found = search(rows[7:8], 90)
        assert len(set(found)) == 90, name
        assert found[0] == 7
    best = built.searches["1024 bits, 100 × k ranked again"](rows[7:8], 90)  # all rows, by their vectors
    assert set(best) == set(np.argsort(-(rows @ rows[7]))[:90])


def test_what_cannot_be_compared_is_refused() -> None:
    pytest.importorskip("faiss")
    library = filled(*scattered(49))
    with pytest.raises(UsageError, match="has 49 rows; to"):
        indexes.compare(library, CARD)
    bits = catalog.find("efficientnet-lite0", "int8").__class__("bits", "1", 64, "hamming", "bit")
    with pytest.raises(UsageError, match="compares bit numbers by hamming"):
        indexes.compare(library, bits)


def test_bench_index_as_installed(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    pytest.importorskip("matplotlib")
    path = tmp_path / "library"
    assets, vectors = scattered(120)
    whole = np.zeros((120, CARD.dim), np.float32)
    whole[:, :24] = vectors
    with findalike.open(path) as library:
        library.store.add_card(CARD)
        rows = [Row(f"{a.id}-0", Origin(a.id), v) for a, v in zip(assets, whole, strict=True)]
        library.store.write(Batch(assets=assets, rows={CARD.space: rows}))
    run = cli("bench-index", "--plot", tmp_path / "plot.png", "--json", "-", library=path)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert {point["kind"] for point in found["points"]} >= {"exact", "HNSW", "IVF", "LSH", "library"}
    assert "exact search finds all" in run.stderr
    with Image.open(tmp_path / "plot.png") as image:
        assert image.width > 800
    run = cli("bench-index", "--plot", tmp_path / "plot.doc", library=path)
    assert (run.returncode, "ends in .png" in run.stderr) == (2, True)
