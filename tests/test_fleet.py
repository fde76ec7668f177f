"""What the driver of a fleet does with shards and answers, on a cluster without Ray: the same library comes
out, whatever is moved, doubled, lost or not seen. `test_fleet_ray.py` has the same done by Ray."""

from __future__ import annotations

import pickle
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import findalike
from findalike import fleet
from findalike.errors import FleetError, UsageError
from findalike.fleet.address import Asked, asked
from findalike.fleet.shards import BYTES, FILES, Round, opening, sharded
from findalike.fleet.worker import Facts, beginnings
from findalike.ingest.plan import Job
from findalike.types import Asset
from fleets import Here, instead_of_ray, whole
from reels import reel, seconds

INT8, FLOAT = "efficientnet-lite0@1-int8", "efficientnet-lite0@1-float32"

Pair = Callable[[Here], tuple[findalike.Library, findalike.Library]]


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Two empty libraries: one to be filled by threads, one by a fleet."""
    opened = [findalike.open(tmp_path / name) for name in ("plain", "fleet")]

    def given(here: Here) -> tuple[findalike.Library, findalike.Library]:
        instead_of_ray(monkeypatch, here)
        return opened[0], opened[1]

    yield given
    for library in opened:
        library.close()


def counts(report: findalike.Report) -> dict[str, object]:
    names = ("added", "updated", "encoded", "moved", "removed", "unchanged", "skipped")
    return {name: getattr(report, name) for name in names} | {
        "failures": sorted((f.uri, f.stage, f.error) for f in report.failures)
    }


# The same library


def test_a_fleet_makes_the_same_library(pair: Pair, pictures: Path) -> None:
    (pictures / "torn.jpg").write_bytes((pictures / "coffee.jpg").read_bytes()[:400])
    (pictures / "notes.txt").write_text("no picture")
    shutil.copy(pictures / "coffee.jpg", pictures / "twin.jpg")
    (pictures / "harbour.mp4").write_bytes(reel(seconds(3)))
    plain, other = pair(here := Here())
    first = [counts(library.add(pictures, regions="grid", workers=w)) for library, w in _both(plain, other)]
    assert first[0] == first[1]
    assert first[0]["added"] == 6
    assert whole(plain) == whole(other)
    assert ["harbour.mp4"] in here.handed, "a film is a shard by itself"
    again = [counts(library.add(pictures, workers=w)) for library, w in _both(plain, other)]
    assert again[0] == again[1]
    assert again[1]["unchanged"] == 6


def test_changed_moved_and_doubled_files_keep_their_identity(pair: Pair, pictures: Path) -> None:
    plain, other = pair(here := Here())
    for library, w in _both(plain, other):
        library.add(pictures, workers=w)
    before = {Path(asset.uri).name: asset.id for asset in other.store.assets()}
    here.handed.clear()
    (pictures / "deep").mkdir()
    (pictures / "coffee.jpg").rename(pictures / "deep" / "moved.jpg")
    shutil.copy(pictures / "chelsea.jpg", pictures / "double.jpg")
    shutil.copy(pictures / "deep" / "moved.jpg", pictures / "rocket.jpg")
    done = [counts(library.add(pictures, workers=w)) for library, w in _both(plain, other)]
    assert done[0] == done[1]
    assert (done[1]["moved"], done[1]["added"], done[1]["removed"]) == (1, 2, 0)
    ids = {Path(asset.uri).name: asset.id for asset in other.store.assets()}
    assert before["coffee.jpg"] in (ids["moved.jpg"], ids["rocket.jpg"]), "one of the two, by who came first"
    assert len(set(ids.values())) == len(ids)
    assert ids["double.jpg"] != before["chelsea.jpg"]
    assert sum(len(names) for names in here.handed) == 4, (
        "three, and again the one that was not the moved one"
    )


def test_a_moved_file_that_lacks_a_space_is_sent_out_again(pair: Pair, pictures: Path) -> None:
    plain, other = pair(Here())
    for library, w in _both(plain, other):
        library.add(pictures, workers=w)
    (pictures / "coffee.jpg").rename(pictures / "moved.jpg")
    done = [
        counts(library.add(pictures, precision="float32", workers=w)) for library, w in _both(plain, other)
    ]
    assert done[0] == done[1]
    assert (done[1]["moved"], done[1]["encoded"]) == (1, 3)
    assert whole(plain) == whole(other)
    assert len(other.store.encoded(FLOAT)) == 4


def test_an_id_that_is_taken_is_given_to_none_else(pair: Pair, pictures: Path) -> None:
    plain, other = pair(Here())
    for library, w in _both(plain, other):
        library.add(pictures, workers=w)
    (pictures / "coffee.jpg").rename(pictures / "moved.jpg")
    for library, w in _both(plain, other):
        assert library.add(pictures, workers=w).moved == 1
    shutil.copy(pictures / "moved.jpg", pictures / "coffee.jpg")
    for library, w in _both(plain, other):
        assert library.add(pictures, workers=w).added == 1
    assert len({asset.id for asset in other.store.assets()}) == 5
    assert whole(plain) == whole(other)


def test_what_was_learned_reaches_the_workers(pair: Pair, pictures: Path) -> None:
    plain, other = pair(Here())
    for library, w in _both(plain, other):
        library.add(pictures, workers=w)
        library.learn_whitening(dim=2, name="mine")
    for name in ("one.jpg", "two.jpg"):
        shutil.copy(pictures / "chelsea.jpg", pictures / name)
    for library, w in _both(plain, other):
        assert library.add(pictures, workers=w).added == 2
    assert whole(plain)["rows"] == whole(other)["rows"]
    assert sum(space.startswith("whitened") for space in whole(other)["rows"]) == 1


def _both(
    plain: findalike.Library, other: findalike.Library
) -> Iterator[tuple[findalike.Library, int | None]]:
    return iter(((plain, None), (other, 1)))


# What is lost, and what cannot be done


def test_a_shard_that_is_lost_once_is_done_again(pair: Pair, album: Path) -> None:
    died: list[int] = []

    def dies(shard: object) -> bool:
        died.append(1)
        return len(died) == 1

    plain, other = pair(here := Here(dies))
    assert counts(plain.add(album)) == counts(other.add(album, workers=1))
    assert whole(plain) == whole(other)
    names = [name for shard in here.handed for name in shard]
    assert len(names) == 18, "ten, of which eight were lost and handed out again"


def test_a_file_that_ends_every_worker_is_a_failure_and_the_run_goes_on(pair: Pair, album: Path) -> None:
    def dies(shard: object) -> bool:
        return any(job.listed.uri.endswith("coffee.jpg") for job in shard.jobs)  # type: ignore[attr-defined]

    _, other = pair(here := Here(dies))
    report = other.add(album, workers=1)
    assert report.added == 9
    (failure,) = report.failures
    assert failure.uri.endswith("coffee.jpg")
    assert "ended the worker" in failure.error
    assert "memory" in failure.error
    assert sum("coffee.jpg" in names for names in here.handed) == 3, "with others, alone, and alone again"
    assert counts(other.add(album, workers=1))["unchanged"] == 9, "it is not tried again while it is the same"


def test_an_error_of_a_worker_is_told_with_the_file(
    pair: Pair, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise MemoryError("no more room")

    _, other = pair(Here())
    monkeypatch.setattr("findalike.fleet.worker.Worker._describe", broken)
    report = other.add(album, workers=1)
    assert (report.added, len(report.failures)) == (0, 10)
    assert {f.error for f in report.failures} == {"MemoryError: no more room"}


def test_what_a_worker_cannot_see_is_told_once_and_done_when_it_can(pair: Pair, pictures: Path) -> None:
    away = pictures.with_name("away")

    @contextmanager
    def hidden() -> Iterator[None]:
        pictures.rename(away)
        yield
        away.rename(pictures)

    _, other = pair(here := Here(around=hidden))
    report = other.add(pictures, workers=1)
    (failure,) = report.failures
    assert "and 3 more files" in failure.error
    assert socket.gethostname() in failure.error
    assert "same path" in failure.error
    here.around = Here().around
    assert counts(other.add(pictures, workers=1))["added"] == 4
    assert not other.store.failures()


def test_machines_that_are_not_alike_are_refused(pair: Pair, pictures: Path) -> None:
    def retrained(facts: object) -> object:
        cards = [replace(card, sha256="0" * 64) for card in facts.cards]  # type: ignore[attr-defined]
        return replace(facts, cards=cards)  # type: ignore[type-var]

    _, other = pair(here := Here(version="0.0.1"))
    with pytest.raises(
        FleetError, match=rf"{socket.gethostname()} cannot begin: .*0\.0\.1 here: install the same"
    ):
        other.add(pictures, workers=1)
    here.version, here.told = findalike.__version__, retrained  # type: ignore[assignment]
    with pytest.raises(FleetError, match=r"another efficientnet-lite0@1-int8 .*sha256 differ"):
        other.add(pictures, workers=1)
    assert len(other) == 0


def test_workers_are_told_no_secrets(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def told(facts: Facts) -> Facts:
        seen.append(pickle.dumps(facts))
        return facts

    instead_of_ray(monkeypatch, Here(told=told))
    with findalike.open(tmp_path / "library", milvus_token="root:very-secret") as library:
        assert library.add(pictures, workers=1).added == 4
    assert seen
    assert b"very-secret" not in seen[0]


# Shards


def _jobs(sizes: list[int], ending: str = "jpg") -> list[Job]:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return [Job(Asset(f"/p/{i}.{ending}", size, now), None, ()) for i, size in enumerate(sizes)]


def test_shards_are_bounded_by_count_and_by_bytes_and_keep_all() -> None:
    jobs = _jobs([1] * 600) + _jobs([BYTES // 2] * 5) + _jobs([9], "mp4") + _jobs([BYTES * 3])
    shards = list(sharded(jobs, 256))
    assert [job for shard in shards for job in shard.jobs if job.listed.uri.endswith("jpg")] == [
        job for job in jobs if job.listed.uri.endswith("jpg")
    ]
    assert len({shard.number for shard in shards}) == len(shards)
    for shard in shards:
        size = sum(job.listed.size for job in shard.jobs)
        assert len(shard.jobs) <= 256
        assert size <= BYTES or len(shard.jobs) == 1
    assert [len(shard.jobs) for shard in shards if shard.jobs[0].listed.uri.endswith("mp4")] == [1]


def test_shards_are_small_enough_for_all_workers_and_shrink_to_single_files() -> None:
    assert opening(_jobs([1] * 10_000), 2).files == FILES
    assert opening(_jobs([1] * 1_000), 8).files == 15
    each, sizes = Round([], FILES), []
    while not each.last:
        sizes.append(each.files)
        each = each.again([])
    assert [*sizes, each.files] == [256, 32, 4, 1, 1]


def test_beginnings_find_every_content() -> None:
    contents = [f"{number:064x}" for number in (7 << 192, 5 << 200, 2**255)] + [""]
    found = beginnings(contents)
    assert found.dtype == np.uint64
    assert sorted(int(c[:16] or "0", 16) for c in contents) == found.tolist()


# What may be asked for


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (2, Asked("", 2)),
        ("4", Asked("", 4)),
        ("auto", Asked("auto")),
        ("auto?workers=7", Asked("auto", 7)),
        ("ray://head:10001", Asked("ray://head:10001", 0, "head", 10001)),
        ("ray://[::1]:10001?workers=64", Asked("ray://[::1]:10001", 64, "::1", 10001)),
        ("10.0.0.5:6379", Asked("10.0.0.5:6379", 0, "10.0.0.5", 6379)),
    ],
)
def test_workers_are_a_number_or_an_address(text: int | str, found: Asked) -> None:
    assert asked(text) == found
    assert found.through_client == found.address.startswith("ray://")


@pytest.mark.parametrize(
    "text", [0, -1, True, "0", "5000", "", "head", "ray://head", "auto?n=1", "http://h:1"]
)
def test_anything_else_is_a_wrong_usage(text: int | str) -> None:
    with pytest.raises(UsageError, match=r"workers is .*, but it must be"):
        asked(text)


def test_an_address_where_nothing_answers_is_named_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nothing listens
        port = taken.getsockname()[1]
        with pytest.raises(
            FleetError, match=rf"no Ray cluster answers at ray://127.0.0.1:{port} .*ray status"
        ):
            fleet.checked(f"ray://127.0.0.1:{port}")


def test_without_ray_the_command_to_install_it_is_named(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['ray'] = None\n"
        "import findalike\n"
        f"findalike.open({str(tmp_path / 'library')!r}).add({str(tmp_path)!r}, workers=2)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "ExtraMissing: ray is not installed: pip install 'findalike[ray]'" in run.stderr
