"""Exports: what the Parquet files hold, read without findalike, and libraries that are filled from them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

import findalike
import moved
from conftest import Cli
from findalike.errors import LibraryError, LibraryMismatch, LibraryMissing, UsageError
from findalike.store.lance import LanceStore
from findalike.transfer import contents, part
from findalike.types import Card

DOCS = Path(__file__).parents[1] / "docs" / "moving.md"


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small libraries take several batches and parts too."""
    monkeypatch.setattr(contents, "MOST", 4)
    monkeypatch.setattr(part, "SHARD", 3_000)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("furnished") / "library"
    moved.furnish(LanceStore(path, "a")).close()
    return path


@pytest.fixture(scope="module")
def exported(furnished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of several parts, which no test changes."""
    path = tmp_path_factory.mktemp("exported") / "export"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents, "MOST", 4)
        patch.setattr(part, "SHARD", 3_000)
        done = findalike.export(furnished, path)
    assert done.proof.holds
    assert done.written == 25
    return path


@pytest.fixture
def spoilt(exported: Path, tmp_path: Path) -> Path:
    """A copy of the export, to be changed at will."""
    return shutil.copytree(exported, tmp_path / "spoilt")


def stop_after(pictures: int) -> Callable[[str, int, int], None]:
    def watch(phase: str, done: int, total: int) -> None:
        if phase == "copying" and done >= pictures:
            raise KeyboardInterrupt

    return watch


def table(folder: Path) -> pa.Table:
    return pyarrow.dataset.dataset(folder, format="parquet").to_table()


# --- what the files hold


def test_arrow_reads_what_the_library_holds(furnished: Path, exported: Path) -> None:
    held = moved.everything(LanceStore(furnished))
    assert len(list((exported / "assets").iterdir())) > 2
    records = table(exported / "assets").to_pylist()
    assert {r["asset_id"]: r["path"] for r in records} == {i: a.uri for i, a in held["assets"].items()}
    for record in records:
        asset = held["assets"][record["asset_id"]]
        metadata = {name: value for name, value in record["metadata"].items() if value is not None}
        assert metadata == asset.metadata
        assert record["tags"] == list(asset.tags)
        assert (record["size"], record["modified"]) == (asset.size, asset.modified)
    thumbnails = table(exported / "thumbnails").to_pylist()
    assert {r["asset_id"]: r["thumbnail"] for r in thumbnails} == held["thumbnails"]
    attached = table(exported / "attachments").to_pylist()
    assert {(r["asset_id"], r["name"]): r["data"] for r in attached} == held["attachments"]
    evidence = table(exported / "evidence" / "things").to_pylist()
    assert {r["asset_id"]: (r["concepts"], r["weights"]) for r in evidence} == held["evidence"]["things"]
    assert {r["path"] for r in table(exported / "failures").to_pylist()} == set(held["failures"])
    for name, content in held["sidecars"].items():
        assert (exported / "sidecars" / name).read_bytes() == content


@pytest.mark.parametrize("card", moved.CARDS, ids=lambda card: card.name)
def test_arrow_reads_the_vectors_with_their_card(furnished: Path, exported: Path, card: Card) -> None:
    folder = exported / "vectors" / card.space.replace(":", "%3A")
    found = table(folder)
    rows = {row.id: row for row in LanceStore(furnished).each_row(card.space)}
    assert set(found.column("row_id").to_pylist()) == set(rows)
    said = json.loads(found.schema.metadata[b"findalike.card"])
    assert (said["name"], said["dim"], said["dtype"]) == (card.name, card.dim, card.dtype)
    if card.dtype != "sparse":
        kind = {"float16": pa.float16(), "bit": pa.uint8()}.get(card.dtype, pa.float32())
        assert found.schema.field("vector").type == pa.list_(kind, card.dim)
    for record in found.to_pylist():
        row = rows[record["row_id"]]
        origin = row.origin
        assert (record["asset_id"], record["part"], record["label"]) == (
            origin.asset_id, origin.part, origin.label,
        )  # fmt: skip
        assert (tuple(record["box"]), record["time"], record["end"]) == (origin.box, origin.time, origin.end)
        if card.dtype == "sparse":
            vector = np.zeros(card.dim, np.float32)
            vector[record["places"]] = record["weights"]
        else:
            vector = np.array(record["vector"], np.float32)
        np.testing.assert_array_equal(vector, row.vector)


def test_pandas_reads_the_vectors(furnished: Path, exported: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pip install pandas")
    frame = pandas.read_parquet(exported / "vectors" / moved.HALVES.space)
    matrix = np.stack(frame["vector"].to_list())
    assert matrix.shape == (len(list(LanceStore(furnished).each_row(moved.HALVES.space))), moved.HALVES.dim)


def test_the_manifest_lists_every_file_with_its_sha256(exported: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_text("utf-8"))
    listed = {file["path"]: file for file in manifest["files"]}
    there = {p.relative_to(exported).as_posix() for p in exported.rglob("*") if p.is_file()}
    assert set(listed) == there - {"manifest.json"}
    told = subprocess.run(
        ["sha256sum", *listed], cwd=exported, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split("  ")[1]: line.split("  ")[0] for line in told.splitlines()} == {
        path: file["sha256"] for path, file in listed.items()
    }
    for path, file in listed.items():
        if path.endswith(".parquet"):
            assert pq.read_metadata(exported / path).num_rows == file["rows"]
    assert manifest["totals"]["pictures"]["number"] == 25


@pytest.mark.parametrize("number", range(3))
def test_the_examples_of_the_manual_run(furnished: Path, tmp_path: Path, number: int) -> None:
    """Ten lines of pyarrow, of pandas and of DuckDB, as they stand in docs/moving.md."""
    code = re.findall(r"```python\n(# reads.*?)```", DOCS.read_text("utf-8"), re.DOTALL)[number]
    needs = re.findall(r"^import (\w+)", code, re.MULTILINE)
    assert "findalike" not in needs
    for module in needs:
        pytest.importorskip(module, reason=f"pip install {module}")
    (space,) = {line for line in code.splitlines() if line.startswith("space = ")}
    code = code.replace(space, f"space = {moved.FLOATS.space!r}")
    findalike.export(furnished, tmp_path / "holiday.export")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = list(LanceStore(furnished).each_row(moved.FLOATS.space))
    matrix = np.stack([row.vector for row in sorted(rows, key=lambda row: row.id)])
    near = np.sort(matrix @ matrix[0])[::-1][:5]
    printed = [float(line.split()[-1]) for line in done.stdout.splitlines()[-5:]]
    np.testing.assert_allclose(printed, near, atol=2e-4)


# --- and back


def test_an_import_holds_what_was_exported(furnished: Path, exported: Path, tmp_path: Path) -> None:
    done = findalike.import_(exported, tmp_path / "new")
    assert done.proof.holds
    assert (done.written, done.source) == (25, str(exported))
    assert moved.everything(LanceStore(tmp_path / "new")) == moved.everything(LanceStore(furnished))
    assert findalike.import_(exported, tmp_path / "new", check=True).proof.holds
    LanceStore(tmp_path / "new", "a").remove(["asset00007"])
    found = findalike.import_(exported, tmp_path / "new", check=True).proof
    assert {"pictures", "thumbnails", "attachments"} <= set(found.differing)


def test_a_library_without_anything_goes_out_and_in(tmp_path: Path) -> None:
    findalike.open(tmp_path / "old").close()
    assert findalike.export(tmp_path / "old", tmp_path / "export").proof.holds
    assert findalike.import_(tmp_path / "export", tmp_path / "new").proof.holds


def test_an_import_that_was_interrupted_goes_on(furnished: Path, exported: Path, tmp_path: Path) -> None:
    target = tmp_path / "new"
    with pytest.raises(KeyboardInterrupt):
        findalike.import_(exported, target, watch=stop_after(9))
    with pytest.raises(LibraryMismatch, match=f"findalike import {exported} --library {target}"):
        findalike.open(target)
    done = findalike.import_(exported, target)
    assert done.kept >= 9
    assert moved.everything(LanceStore(target)) == moved.everything(LanceStore(furnished))


def test_an_export_that_was_interrupted_goes_on(furnished: Path, tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "export"
    with pytest.raises(KeyboardInterrupt):
        findalike.export(furnished, folder, watch=stop_after(9))
    assert not (folder / "manifest.json").exists()
    whole = len(table(folder / "assets"))
    assert 9 <= whole < 25  # the part at hand was ended
    with pytest.raises(LibraryMismatch, match="an export that is not whole"):
        findalike.import_(folder, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with findalike.open(":memory:") as other, pytest.raises(LibraryMismatch, match="was begun there"):
        findalike.export(other, folder)
    done = cli("export", folder, "--json", library=furnished)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kept"] == whole
    findalike.import_(folder, tmp_path / "new")
    assert moved.everything(LanceStore(tmp_path / "new")) == moved.everything(LanceStore(furnished))


EXPORT = """
import sys, findalike
from findalike.transfer import contents, part
contents.MOST, part.SHARD = 4, 3_000
findalike.export(sys.argv[1], sys.argv[2], watch=lambda phase, done, total: WATCH)
"""


def test_an_export_that_is_killed_goes_on(furnished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    for pictures in (10, 18):
        code = EXPORT.replace("WATCH", f"__import__('os').kill(__import__('os').getpid(), 9) if done >= {pictures} else 0")  # fmt: skip  # noqa: E501
        done = subprocess.run([sys.executable, "-c", code, str(furnished), str(folder)], check=False)
        assert done.returncode == -9
        assert not (folder / "manifest.json").exists()
    assert findalike.export(furnished, folder).proof.holds
    assert len(table(folder / "assets")) == 25


def test_a_library_that_changed_before_the_export_went_on_is_told(tmp_path: Path) -> None:
    source, folder = tmp_path / "old", tmp_path / "export"
    store = moved.furnish(LanceStore(source, "a"))
    with pytest.raises(KeyboardInterrupt):
        findalike.export(source, folder, watch=stop_after(9))
    store.remove(table(folder / "assets").column("asset_id").to_pylist()[:1])
    found = findalike.export(source, folder).proof
    assert "pictures" in found.differing
    assert not (folder / "manifest.json").exists()
    store.remove_space(moved.CITY.space)
    with pytest.raises(LibraryMismatch, match="has other spaces, banks or columns since"):
        findalike.export(source, folder)


# --- what is refused


def test_a_folder_that_is_no_export(tmp_path: Path) -> None:
    with pytest.raises(LibraryMissing, match="findalike export"):
        findalike.import_(tmp_path, tmp_path / "new")
    with pytest.raises(LibraryMissing):
        findalike.import_(tmp_path / "nothing", tmp_path / "new")
    with pytest.raises(UsageError, match="a folder of this machine"):
        findalike.import_("s3://bucket/export", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_export_writes_into_no_folder_of_something_else(furnished: Path, exported: Path) -> None:
    before = sorted(exported.rglob("*"))
    with pytest.raises(LibraryMismatch, match="is an export already"):
        findalike.export(furnished, exported)
    assert sorted(exported.rglob("*")) == before
    with pytest.raises(LibraryError, match="a folder of something else"):
        findalike.export(furnished, furnished)


def test_a_missing_file_is_named_before_anything_is_written(spoilt: Path, tmp_path: Path, cli: Cli) -> None:
    (spoilt / "thumbnails" / "part-00001.parquet").unlink()
    done = cli("import", spoilt, library=tmp_path / "new")
    assert done.returncode == 1
    assert "thumbnails/part-00001.parquet is missing" in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_truncated_file_is_named(spoilt: Path, tmp_path: Path) -> None:
    path = spoilt / "vectors" / moved.FLOATS.space / "part-00000.parquet"
    size = path.stat().st_size
    os.truncate(path, size - 100)
    with pytest.raises(
        LibraryError, match=f"part-00000.parquet has {size - 100:,} bytes instead of {size:,}"
    ):
        findalike.import_(spoilt, tmp_path / "new")


def test_a_flipped_byte_is_found(spoilt: Path, tmp_path: Path) -> None:
    path = spoilt / "assets" / "part-00000.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(LibraryError, match="has another SHA-256"):
        findalike.import_(spoilt, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_export_of_a_later_format(spoilt: Path, tmp_path: Path, cli: Cli) -> None:
    path = spoilt / "manifest.json"
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**content, "format": 2, "made_by": "findalike 9.0"}))
    done = cli("import", spoilt, library=tmp_path / "new")
    assert done.returncode == 4
    assert "made by findalike 9.0 in format 2" in done.stderr
    path.write_text("{")
    with pytest.raises(LibraryError, match=r"manifest\.json cannot be read"):
        findalike.import_(spoilt, tmp_path / "new")


def test_a_full_drive_is_named_and_the_export_goes_on(tmp_path: Path) -> None:
    """No file may grow beyond 64 KB, which the thumbnails do."""
    source, folder = tmp_path / "old", tmp_path / "export"
    store = moved.furnish(LanceStore(source, "a"))
    last = list(store.assets())[-1]
    store.write(moved.Batch([last], thumbnails={last.id: os.urandom(200_000)}))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))\n"
    quiet = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    code = limit + quiet + EXPORT.replace("WATCH", "0")
    done = subprocess.run(
        [sys.executable, "-c", code, str(source), str(folder)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the drive is full: free some space and run the command again" in done.stderr
    assert not [path for path in folder.rglob("*") if "unfinished" in path.name and path.suffix != ".json"]
    again = findalike.export(source, folder)
    assert again.kept > 0
    assert again.proof.holds
