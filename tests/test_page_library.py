"""The library on the page: the first pictures, indexing and what fails of it; who may do what; and a server
that is away, busy, broken or wants a token."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

import findalike
from browser import (
    Visitor,
    box,
    cell,
    drop,
    grid,
    link,
    names,
    picture_of,
    pictures,
    query_of,
    shows,
    toast,
    until,
)
from conftest import PROGRAM
from findalike.ingest import Progress, Report, Watch
from findalike.web.config import Config, Limits
from web import READER, TOKENS, WRITER, Served, drawn, serving

pytest_plugins = ["web", "browser"]

NO_ANSWER = (
    "ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INTERNET_DISCONNECTED|ERR_INCOMPLETE"
)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Served]:
    """A server over an empty library, with a folder of pictures to index, one of them damaged."""
    folder = tmp_path / "Holidays"
    folder.mkdir()
    for seed in range(12):
        drawn(seed).save(folder / f"{seed:02}.png")
    (folder / "damaged.png").write_bytes((folder / "00.png").read_bytes()[:200])
    with findalike.open(tmp_path / "library"):
        pass
    config = Config(port=0, folders=(folder,), uploads=tmp_path / "uploads", limits=Limits(workers=2))
    with serving(tmp_path / "library", config) as served:
        yield served


def sheet(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Library")


def opened(page: Page) -> Locator:
    page.get_by_role("button", name="Library").click()
    expect(sheet(page)).to_be_visible()
    return sheet(page)


# An empty library


def test_an_empty_library_tells_what_to_do_and_fills(fresh: Served, visitor: Visitor) -> None:
    page = visitor.open(fresh.url)
    expect(page.get_by_role("heading", name="No pictures yet")).to_be_visible()
    expect(grid(page)).to_be_hidden()
    expect(page.get_by_role("button", name="Filters", exact=True)).to_be_hidden()
    picture_of(page, "empty")
    page.get_by_role("button", name="Choose a folder").click()
    expect(sheet(page)).to_contain_text("0 pictures")
    picture_of(page, "empty-library")
    sheet(page).get_by_role("button", name="Index", exact=True).click()
    expect(sheet(page)).to_contain_text("12 added")
    expect(sheet(page)).to_contain_text("1 failed")
    expect(sheet(page)).to_contain_text("12 pictures")
    expect(sheet(page)).to_contain_text("1 file could not be read")
    expect(sheet(page)).to_contain_text("damaged.png")
    picture_of(page, "library-indexed")
    sheet(page).get_by_role("button", name="Close").click()
    expect(sheet(page)).to_be_hidden()
    until(lambda: names(page) == [f"{n:02}.png" for n in range(12)], "the pictures")
    expect(page.get_by_role("heading", name="No pictures yet")).to_be_hidden()
    assert len(fresh.library) == 12


def test_an_empty_library_without_folders_tells_the_commands(tmp_path: Path, visitor: Visitor) -> None:
    with findalike.open(tmp_path / "library"):
        pass
    with serving(tmp_path / "library") as served:
        page = visitor.open(served.url)
        page.get_by_role("button", name="How to add pictures").click()
        expect(sheet(page).get_by_text("findalike index ~/Pictures", exact=True)).to_be_visible()
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        sheet(page).get_by_role("button", name="Copy findalike index ~/Pictures").click()
        expect(toast(page)).to_contain_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == "findalike index ~/Pictures"
        picture_of(page, "empty-how-to")
        page.close()


def test_a_search_of_an_empty_library_is_no_error(fresh: Served, visitor: Visitor, photographs: Path) -> None:
    page = visitor.open(f"{fresh.url}/?q=cat")
    expect(page.get_by_role("heading", name="No pictures yet")).to_be_visible()
    drop(page, photographs / "photos" / "coffee.jpg")
    until(lambda: "picture:" in query_of(page).get("t", [""])[0], "the search")
    expect(page.get_by_role("heading", name="No pictures yet")).to_be_visible()


# Indexing


def test_progress_is_shown_and_a_job_is_cancelled(
    fresh: Served, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def slow(path: Path, retry: bool, watch: Watch) -> Report:
        watch(Progress("listing", 0, 0, 0))
        time.sleep(0.5)
        for done in range(0, 100, 5):
            watch(Progress("encoding", done, 100, 1 if done > 20 else 0))
            if done >= 40:
                go_on.wait(0.25)
        return Report(added=99)

    monkeypatch.setattr(fresh.library, "add", lambda path, retry, watch, **_: slow(path, retry, watch))
    page = visitor.open(f"{fresh.url}/#index")
    sheet(page).get_by_role("button", name="Index", exact=True).click()
    bar = sheet(page).get_by_role("progressbar", name=re.compile("^Indexing .*Holidays"))
    until(lambda: bar.get_attribute("value") and float(bar.get_attribute("value") or 0) >= 40, "progress")
    expect(sheet(page)).to_contain_text(re.compile(r"[456]\d of 100"))
    expect(sheet(page)).to_contain_text("1 file failed")
    picture_of(page, "library-indexing")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=re.compile("Indexing"))).to_be_visible()
    page.reload()
    page.get_by_role("button", name=re.compile("Indexing|Library")).click()
    sheet(page).get_by_role("button", name="Cancel").click()
    expect(sheet(page)).to_contain_text("Cancelled")
    expect(sheet(page).get_by_role("button", name="Index again")).to_be_visible()
    go_on.set()


def test_a_job_that_fails_tells_why(fresh: Served, visitor: Visitor, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "Holidays")
    page = visitor.open(f"{fresh.url}/#index")
    sheet(page).get_by_role("button", name="Index", exact=True).click()
    expect(sheet(page).get_by_text(re.compile("Holidays: nothing is there"))).to_be_visible()
    picture_of(page, "library-job-failed")
    expect(sheet(page).get_by_role("button", name="Index again")).to_be_enabled()


def test_a_folder_is_indexed_while_one_searches(fresh: Served, visitor: Visitor) -> None:
    """Closing the dialog does not stop the job, and its end is told."""
    page = visitor.open(f"{fresh.url}/#index")
    sheet(page).get_by_role("button", name="Index", exact=True).click()
    page.keyboard.press("Escape")
    expect(sheet(page)).to_be_hidden()
    until(lambda: len(names(page)) == 12, "the pictures")


def test_failures_are_listed_with_reasons_and_found(visitor: Visitor, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    drawn(1).save(folder / "right.png")
    for n in range(12):
        (folder / f"wrong-{n}.jpg").write_bytes(b"no picture at all")
    with findalike.open(tmp_path / "library") as library:
        library.add(folder)
        failures = library.store.failures()
    assert len(failures) == 12
    with serving(tmp_path / "library", mode="r") as served:
        page = visitor.open(f"{served.url}/#index")
        sheet(page).get_by_text("12 files could not be read").click()
        items = sheet(page).get_by_role("listitem").filter(has_text="wrong-")
        expect(items).to_have_count(12)
        for failure in failures:
            expect(items.filter(has_text=failure.uri)).to_contain_text(failure.error)
        sheet(page).get_by_role("searchbox", name="Find among the failures").fill("wrong-1")
        expect(items).to_have_count(3)
        picture_of(page, "library-failures")
        page.close()


def test_pictures_are_uploaded(fresh: Served, visitor: Visitor, tmp_path: Path) -> None:
    drawn(40).save(tmp_path / "mine.png")
    (tmp_path / "bad.png").write_bytes(b"no picture at all")
    page = visitor.open(f"{fresh.url}/#index")
    with page.expect_file_chooser() as chooser:
        sheet(page).get_by_role("button", name="Choose pictures").click()
    chooser.value.set_files([tmp_path / "mine.png", tmp_path / "bad.png"])
    expect(sheet(page)).to_contain_text("1 picture added. bad.png: ")
    expect(sheet(page)).to_contain_text("1 picture in")
    picture_of(page, "library-uploaded")
    page.keyboard.press("Escape")
    until(lambda: names(page) == ["mine.png"], "the picture")
    assert len(fresh.library) == 1


# Who may do what


def offered(page: Page) -> str:
    """The names of all that can be pressed now."""
    return "\n".join(
        page.get_by_role("button").all_inner_texts() + page.get_by_role("link").all_inner_texts()
    )


CHANGES = re.compile("Label$|^Add$|Remove from|^Index|Choose pictures|Open folder|Take off", re.MULTILINE)


def walk_about(page: Page) -> None:
    """Sees every view; nothing that changes the library may be offered."""
    until(lambda: names(page), "the pictures")
    first = names(page)[0]
    cell(page, first).hover()
    cell(page, first).get_by_role("checkbox").click()
    assert not CHANGES.search(offered(page)), offered(page)
    page.keyboard.press("Escape")
    link(page, first).click()
    expect(page.get_by_role("dialog").get_by_text("What it shows")).to_be_visible()
    assert not CHANGES.search(offered(page)), offered(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    opened(page)
    page.wait_for_timeout(300)
    assert not CHANGES.search(offered(page)), offered(page)
    picture_of(page, "library-read-only")
    page.keyboard.press("Escape")


def test_a_server_that_only_reads_offers_no_change(reading: Served, visitor: Visitor) -> None:
    walk_about(visitor.open(reading.url))


@pytest.fixture
def guarded(copied: Path, tmp_path: Path) -> Iterator[Served]:
    """A server that wants a token."""
    config = Config(
        port=0, tokens=TOKENS, folders=(tmp_path,), uploads=tmp_path / "up", limits=Limits(workers=2)
    )
    with serving(copied, config) as served:
        yield served


def sign_in(page: Page, token: str) -> Locator:
    question = page.get_by_role("dialog", name="A token, please")
    question.get_by_label("Token").fill(token)
    question.get_by_role("button", name="Open").click()
    return question


def test_a_token_is_asked_for_once(guarded: Served, visitor: Visitor) -> None:
    visitor.forgive("401")
    page = visitor.open(f"{guarded.url}/?q=circle")
    question = page.get_by_role("dialog", name="A token, please")
    expect(question.get_by_label("Token")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(question).to_be_visible()
    sign_in(page, "wrong-0123456789")
    expect(question.get_by_role("alert")).to_contain_text("That is no token of this server.")
    picture_of(page, "token-wrong")
    assert pictures(page) == []
    sign_in(page, WRITER)
    expect(question).to_be_hidden()
    with findalike.open(guarded.library.path, "r") as truth:
        shows(page, truth.search(text="circle", k=60))
    loaded = "all => all.length > 5 && all.every((img) => img.complete && img.naturalWidth > 0)"
    until(lambda: grid(page).get_by_role("img").evaluate_all(loaded), "thumbnails, by the cookie")
    assert WRITER not in page.evaluate("document.cookie + JSON.stringify(localStorage)"), (
        "out of reach of scripts"
    )
    (cookie,) = page.context.cookies()
    assert cookie.get("httpOnly")
    assert WRITER not in str(cookie)
    page.reload()
    until(lambda: names(page), "pictures without a question")
    expect(question).to_be_hidden()


def test_who_may_only_read_is_offered_no_change(guarded: Served, visitor: Visitor) -> None:
    visitor.forgive("401")
    page = visitor.open(guarded.url)
    expect(sign_in(page, READER)).to_be_hidden()
    walk_about(page)


# A server that is away, busy or broken


@contextmanager
def program(library: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`findalike serve` as a process, until it is killed."""
    command = [
        os.fspath(PROGRAM),
        "serve",
        "--library",
        os.fspath(library),
        "--port",
        str(port),
        "--read-only",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            answers = lambda: _answers(f"http://127.0.0.1:{port}/readyz")  # noqa: E731
            until(answers, "the server", 40)
            yield process
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_a_server_that_is_killed_and_comes_back(
    visitor: Visitor, collection: Path, truth: findalike.Library
) -> None:
    visitor.forgive(NO_ANSWER)
    port = free_port()
    with program(collection, port):
        page = visitor.open(f"http://127.0.0.1:{port}/")
        box(page).fill("cat")
        shows(page, truth.search(text="cat", k=60))
    box(page).fill("coffee")
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    picture_of(page, "server-gone")
    assert pictures(page), "what was found stays"
    with program(collection, port):
        shows_later(page, truth.search(text="coffee", k=60))
        expect(page.get_by_role("alert")).to_be_hidden()
        page.close()


def shows_later(page: Page, hits: findalike.Hits) -> None:
    until(lambda: pictures(page)[:1] == [hits[0].asset.id], "the answer", 20)
    shows(page, hits)


def test_a_visitor_who_is_offline_and_back(page: Page, visitor: Visitor, truth: findalike.Library) -> None:
    visitor.forgive(NO_ANSWER)
    page.context.set_offline(True)
    box(page).fill("rocket")
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    page.context.set_offline(False)
    shows_later(page, truth.search(text="rocket", k=60))
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_busy_server_is_asked_again(page: Page, visitor: Visitor, truth: findalike.Library) -> None:
    visitor.forgive("503")
    answers = [503, 503]

    def busy(route: Route) -> None:
        if answers:
            route.fulfill(
                status=answers.pop(),
                headers={"Retry-After": "1"},
                content_type="application/problem+json",
                body='{"status": 503, "title": "busy", "detail": "try again", "code": "busy"}',
            )
        else:
            route.continue_()

    page.route("**/v1/search", busy)
    box(page).fill("rocket")
    shows_later(page, truth.search(text="rocket", k=60))
    assert not answers


def test_a_problem_is_told_and_can_be_tried_again(
    page: Page, visitor: Visitor, truth: findalike.Library
) -> None:
    visitor.forgive("500")
    problem = (
        '{"status": 500, "title": "Oh", "detail": "something went wrong; see the log", "code": "internal"}'
    )
    page.route(
        "**/v1/search",
        lambda route: route.fulfill(status=500, content_type="application/problem+json", body=problem),
    )
    box(page).fill("rocket")
    results = page.get_by_role("region", name="Results", exact=True)
    expect(results.get_by_text("Something went wrong; see the log.")).to_be_visible()
    picture_of(page, "server-problem")
    page.unroute("**/v1/search")
    results.get_by_role("button", name="Try again").click()
    shows(page, truth.search(text="rocket", k=60))
    expect(results.get_by_text("Something went wrong")).to_be_hidden()


def test_a_page_of_hits_that_fails_is_told_at_the_end(page: Page, visitor: Visitor) -> None:
    visitor.forgive("500")
    problem = '{"status": 500, "title": "Oh", "detail": "this page was lost", "code": "internal"}'
    page.goto(f"{page.url}?q=red")
    until(lambda: names(page), "the first hits")
    page.route(
        "**/v1/search",
        lambda route: route.fulfill(status=500, content_type="application/problem+json", body=problem),
    )
    page.mouse.wheel(0, 20_000)
    page.wait_for_timeout(100)
    page.mouse.wheel(0, 20_000)
    expect(page.get_by_text("This page was lost")).to_be_visible()
    page.unroute("**/v1/search")
    page.get_by_role("button", name="Try again").click()
    page.mouse.wheel(0, 20_000)
    expect(page.get_by_text("This page was lost")).to_be_hidden()
    until(lambda: page.get_by_text("That is all").count(), "the real end")


def test_a_library_that_another_process_writes_to_is_told(writing: Served, visitor: Visitor) -> None:
    """Labels wait for the other writer a moment; then it is told."""
    visitor.forgive("409")
    page = visitor.open(writing.url)
    until(lambda: names(page), "the pictures")
    holder = (
        "import sys, findalike; library = findalike.open(sys.argv[1]);\n"
        "with library._writing(0):\n    print('held', flush=True); sys.stdin.read()"
    )
    command = [os.fspath(PROGRAM.with_name("python")), "-c", holder, writing.library.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout
            assert other.stdout.readline() == b"held\n"
            link(page, "shape-05.png").click()
            field = page.get_by_role("dialog").get_by_role("combobox", name="New label")
            field.fill("keeper")
            field.press("Enter")
            expect(toast(page)).to_contain_text(re.compile("writ|lock", re.IGNORECASE))
        finally:
            other.kill()


def test_no_other_host_is_asked(visitor: Visitor, site: Served) -> None:
    """Even where requests to others would get through."""
    page = visitor.open(site.url)
    others: list[str] = []

    def watch(route: Route) -> None:
        if route.request.url.startswith((site.url, "blob:", "data:")):
            route.continue_()
        else:
            others.append(route.request.url)
            route.abort()

    page.route("**/*", watch)
    page.reload()
    until(lambda: names(page), "the pictures")
    link(page, names(page)[0]).click()
    expect(page.get_by_role("dialog").get_by_text("What it shows")).to_be_visible()
    page.goto(f"{site.url}/#index")
    expect(sheet(page)).to_be_visible()
    assert others == []
