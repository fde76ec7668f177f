"""Indexing over HTTP: progress, events, the queue, cancelling, failures with reasons."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import findalike
from filmed import film
from findalike.ingest import Progress
from findalike.web.config import Config, Limits
from web import Served, drawn, encoded, refused, serving, soon

pytest_plugins = ["web"]

FIELDS = {
    "id", "folder", "path", "state", "phase", "done", "total", "failed", "created", "started", "ended",
    "error", "report", "failures", "film", "kind", "column", "lesson",
}  # fmt: skip


def fill(folder: Path, count: int, first: int = 0) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    for seed in range(first, first + count):
        drawn(seed, (64, 48)).save(folder / f"{seed:03}.png")
    return folder


def started(web: httpx.Client, folder: str = "allowed", **more: Any) -> dict[str, Any]:
    answer = web.post("/v1/jobs", json={"folder": folder, **more})
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert set(job) == FIELDS
    return job


def ended(web: httpx.Client, job: dict[str, Any], seconds: float = 30) -> dict[str, Any]:
    def over() -> bool:
        job.update(web.get(f"/v1/jobs/{job['id']}").json())
        return job["state"] in ("done", "failed", "cancelled")

    assert soon(over, seconds), job
    return job


def events(web: httpx.Client, job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The jobs of the stream, until the server ends it."""
    with web.stream("GET", f"/v1/jobs/{job['id']}/events") as answer:
        assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        for event in "".join(answer.iter_text()).split("\n\n"):
            fields = dict(line.split(": ", 1) for line in event.splitlines() if not line.startswith(":"))
            if fields:
                assert fields["event"] == "job"
                yield json.loads(fields["data"])


@pytest.fixture
def slowly(writing: Served, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Indexing takes a breath at each step until the event is set."""
    quick, add = threading.Event(), writing.library.add

    def slow(*paths: Any, watch: Any, **more: Any) -> Any:
        def watched(progress: Progress) -> None:
            watch(progress)
            quick.wait(0.15)

        return add(*paths, watch=watched, **more)

    monkeypatch.setattr(writing.library, "add", slow)
    return quick


# From the folder to the library


def test_a_folder_is_indexed_and_found(writing: Served, tmp_path: Path, copied: Path) -> None:
    fill(tmp_path / "allowed", 12)
    with writing.client() as web:
        before = web.get("/v1/library").json()
        assert before["folders"] == [{"id": "allowed", "path": str(tmp_path / "allowed")}]
        job = ended(web, started(web))
        assert (job["state"], job["error"], job["failures"]) == ("done", None, [])
        assert (job["done"], job["total"], job["report"]["added"]) == (12, 12, 12)
        assert job["created"] <= job["started"] <= job["ended"]
        assert web.get("/v1/library").json()["pictures"] == before["pictures"] + 12
        where = "folder = '" + str(tmp_path / "allowed") + "'"
        found = web.get("/v1/assets", params={"where": where}).json()["assets"]
        assert [each["name"] for each in found] == [f"{n:03}.png" for n in range(12)]
        with findalike.open(copied, "r") as oracle:
            assert len(oracle) == before["pictures"] + 12
        (tmp_path / "allowed" / "003.png").unlink()
        fill(tmp_path / "allowed", 1, 50)
        report = ended(web, started(web))["report"]
        assert (report["added"], report["removed"], report["unchanged"]) == (1, 1, 11)
        assert [each["id"] for each in web.get("/v1/jobs").json()["jobs"]][1] == job["id"], "newest first"


def test_the_events_of_a_job_end_with_it(writing: Served, tmp_path: Path, slowly: threading.Event) -> None:
    fill(tmp_path / "allowed", 30)
    with writing.client() as web:
        told = list(events(web, started(web)))
        assert told[-1]["state"] == "done"
        assert all(job["state"] in ("queued", "running") for job in told[:-1])
        assert len(told) >= 3
        done = [job["done"] for job in told]
        assert done == sorted(done)
        assert done[-1] == told[-1]["total"] == 30
        assert {job["phase"] for job in told[:-1]} & {"listing", "encoding"}
        again = list(events(web, told[-1]))
        assert again == [told[-1]], "one who comes late is told how it ended"
        refused(web.get("/v1/jobs/nothing/events"), "not-found")


def test_cancelling_keeps_what_was_done(writing: Served, tmp_path: Path, slowly: threading.Event) -> None:
    fill(tmp_path / "allowed", 60)
    with writing.client() as web:
        before = web.get("/v1/library").json()["pictures"]
        job = started(web)
        assert soon(lambda: 0 < web.get(f"/v1/jobs/{job['id']}").json()["done"] < 60)
        answer = web.delete(f"/v1/jobs/{job['id']}")
        assert answer.status_code == 200
        assert set(answer.json()) == FIELDS
        job = ended(web, job)
        assert (job["state"], job["error"], job["report"]) == ("cancelled", None, None)
        kept = web.get("/v1/library").json()["pictures"] - before
        assert job["done"] <= kept < 60
        assert kept > 0
        assert list(events(web, job))[-1]["state"] == "cancelled"
        assert web.delete(f"/v1/jobs/{job['id']}").json()["state"] == "cancelled", "twice is no mistake"
        slowly.set()
        report = ended(web, started(web))["report"]
        assert (report["unchanged"], report["added"]) == (kept, 60 - kept)
        refused(web.delete("/v1/jobs/nothing"), "not-found")


@pytest.fixture
def crowded(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Served, Any]]:
    """A server that indexes three folders, two of the same name, when it is let; one job may wait."""
    folders = (tmp_path / "one" / "same", tmp_path / "two" / "same", tmp_path / "three")
    for first, folder in enumerate(folders):
        fill(folder, 3, 10 * first)
    go = threading.Event()
    with serving(copied, Config(port=0, folders=folders, limits=Limits(jobs=1))) as served:
        add = served.library.add

        def waiting(*paths: Any, **more: Any) -> Any:
            assert go.wait(20)
            return add(*paths, **more)

        monkeypatch.setattr(served.library, "add", waiting)
        yield served, go
        go.set()


def test_jobs_queue(crowded: tuple[Served, threading.Event]) -> None:
    served, go = crowded
    with served.client() as web:
        names = [folder["id"] for folder in web.get("/v1/library").json()["folders"]]
        assert len(set(names)) == 3
        first = started(web, names[0])
        assert soon(lambda: web.get(f"/v1/jobs/{first['id']}").json()["state"] == "running")
        second = started(web, names[1])
        assert second["state"] == "queued"
        assert started(web, names[1])["id"] == second["id"], "what waits already is not put in line again"
        answer = web.post("/v1/jobs", json={"folder": names[2]})
        refused(answer, "too-many")
        assert int(answer.headers["retry-after"]) > 0
        assert "findalike_jobs 2" in web.get("/metrics").text
        go.set()
        jobs = [ended(web, first), ended(web, second)]
        assert [job["state"] for job in jobs] == ["done", "done"]
        assert jobs[0]["ended"] <= jobs[1]["started"]
        assert ended(web, started(web, names[2]))["report"]["added"] == 3


def test_a_job_that_waits_is_cancelled_at_once(crowded: tuple[Served, threading.Event]) -> None:
    served, go = crowded
    with served.client() as web:
        names = [folder["id"] for folder in web.get("/v1/library").json()["folders"]]
        first, second = started(web, names[0]), started(web, names[1])
        assert web.delete(f"/v1/jobs/{second['id']}").json()["state"] == "cancelled"
        go.set()
        assert ended(web, first)["state"] == "done"
        job = web.get(f"/v1/jobs/{second['id']}").json()
        assert (job["state"], job["started"], job["report"]) == ("cancelled", None, None)


# What goes wrong


@pytest.mark.parametrize(
    "folder", ["", "other", "..", "../allowed", "allowed/..", "/", "/etc", "allowed\x00", "{path}"]
)
def test_no_folder_but_those_of_the_operator(writing: Served, tmp_path: Path, folder: str) -> None:
    with writing.client() as web:
        name = folder.replace("{path}", str(tmp_path / "allowed"))
        answer = web.post("/v1/jobs", json={"folder": name})
        assert answer.status_code in (403, 404, 422)
        assert web.get("/v1/jobs").json() == {"jobs": []}


def test_damaged_files_are_told_with_reasons(writing: Served, tmp_path: Path) -> None:
    fill(tmp_path / "allowed", 3)
    bad = tmp_path / "allowed" / os.fsdecode(b"b\xe4d.jpg")
    bad.write_bytes(encoded(drawn(1, (300, 200)), "JPEG")[:700])
    with writing.client() as web:
        before = web.get("/v1/library").json()["failures"]
        job = ended(web, started(web))
        assert (job["state"], job["failed"], job["report"]["added"]) == ("done", 1, 3)
        (failure,) = job["failures"]
        assert failure["path"].endswith(".jpg")
        assert failure["error"]
        assert failure in web.get("/v1/failures").json()["failures"]
        assert web.get("/v1/library").json()["failures"] == before + 1
        assert list(events(web, job))[-1] == job
        bad.write_bytes(encoded(drawn(1, (300, 200)), "JPEG"))
        job = ended(web, started(web, retry=True))
        assert (job["failed"], job["report"]["added"]) == (0, 1)


def test_failures_come_in_pages(writing: Served, tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir(exist_ok=True)
    for n in range(7):
        (tmp_path / "allowed" / f"{n}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(n + 1))
    with writing.client() as web:
        assert ended(web, started(web))["failed"] == 7
        whole = web.get("/v1/failures").json()["failures"]
        paged: list[Any] = []
        cursor: str | None = None
        for _ in range(5):
            page = web.get(
                "/v1/failures", params={"limit": 3, **({"cursor": cursor} if cursor else {})}
            ).json()
            paged += page["failures"]
            cursor = page["cursor"]
            if cursor is None:
                break
        assert paged == whole
        assert len(paged) == 8


def test_a_folder_that_is_gone_fails_with_a_sentence(writing: Served, tmp_path: Path) -> None:
    fill(tmp_path / "allowed", 2)
    with writing.client() as web:
        assert ended(web, started(web))["state"] == "done"
        shutil.rmtree(tmp_path / "allowed")
        job = ended(web, started(web))
        assert job["state"] == "failed"
        assert "allowed" in job["error"]
        assert web.get("/v1/assets", params={"where": f"folder = '{tmp_path / 'allowed'}'"}).json()["assets"]
        fill(tmp_path / "allowed", 2)
        assert ended(web, started(web))["state"] == "done", "and the next one runs"


HOLDING = """
import sys, filelock
with filelock.FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(library: Path) -> Iterator[None]:
    """Another process writes to the library."""
    command = [sys.executable, "-c", HOLDING, str(library / "writer.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        try:
            yield
        finally:
            other.stdin.close()
            other.wait(10)


def test_a_job_waits_for_a_short_write_of_others(writing: Served, copied: Path, tmp_path: Path) -> None:
    """As someone labels a picture just when it starts."""
    fill(tmp_path / "allowed", 2)
    with writing.client() as web:
        with held(copied):
            job = started(web)
            time.sleep(0.5)
            assert web.get(f"/v1/jobs/{job['id']}").json()["state"] in ("queued", "running")
        assert ended(web, job)["state"] == "done"


def test_searching_and_labelling_go_on_while_a_job_runs(
    writing: Served, tmp_path: Path, slowly: threading.Event, ids: dict[str, str]
) -> None:
    """Of writes, one may be told to come back; it is never lost and never a mistake of the server."""
    fill(tmp_path / "allowed", 40)
    with writing.client() as web:
        job = started(web)
        for number in range(6):
            assert web.post("/v1/search", json={"terms": [{"text": "red"}]}).json()["hits"]
            if number == 3:
                answer = web.patch(f"/v1/assets/{ids['shape-01.png']}", json={"labels": {"add": ["busy"]}})
                assert answer.status_code in (200, 409)
                assert answer.status_code == 200 or int(answer.headers["retry-after"]) > 0
        slowly.set()
        assert ended(web, job)["state"] == "done"
        answer = web.patch(f"/v1/assets/{ids['shape-01.png']}", json={"labels": {"add": ["later"]}})
        assert answer.status_code == 200


def test_a_folder_whose_name_is_no_utf8(copied: Path, tmp_path: Path) -> None:
    folder = fill(tmp_path / os.fsdecode(b"f\xf6to"), 2)
    with serving(copied, Config(port=0, folders=(folder,))) as served, served.client() as web:
        (known,) = web.get("/v1/library").json()["folders"]
        job = ended(web, started(web, known["id"]))
        assert job["report"]["added"] == 2
        assert job["folder"] == known["id"]
        assert job["path"] == known["path"]
        assert list(events(web, job)) == [job]
        shutil.rmtree(folder)
        assert ended(web, started(web, known["id"]))["state"] == "failed"


def test_a_server_that_ends_lets_go_of_its_job(copied: Path, tmp_path: Path) -> None:
    fill(tmp_path / "allowed", 40)
    with serving(copied, Config(port=0, folders=(tmp_path / "allowed",))) as served, served.client() as web:
        started(web)
    with findalike.open(copied) as library:
        assert library.add(tmp_path / "allowed").added <= 40
        assert len(library) == 74


def test_a_long_film_tells_how_far_it_is(writing: Served, tmp_path: Path, slowly: threading.Event) -> None:
    path = film(tmp_path / "allowed" / "trip.mp4", [(1, 8), (2, 8), (3, 8)])
    with writing.client() as web:
        told = [job["film"] for job in events(web, started(web))]
        during = [each for each in told if each]
        assert told[-1] is None
        assert {each["path"] for each in during} == {str(path)}
        assert all(each["of"] == pytest.approx(24, abs=0.2) for each in during)
        seconds = [each["seconds"] for each in during]
        assert seconds == sorted(seconds)
        assert 0 < seconds[-1] <= 24.2
