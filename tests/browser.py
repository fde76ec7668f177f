"""A real browser at a real server: for `pytest_plugins = ["web", "browser"]`.

Chromium is looked for on the PATH, or where FINDALIKE_CHROMIUM says; the build without windows comes first,
for it opens a page at half the cost. Without one these tests skip, unless FINDALIKE_NEEDS_CHROMIUM is set:
then they fail. What the pages look like is kept in out/page.

Whatever a test does, no page of it may write an error to the console, throw, break the page's policy or ask
another host for anything.
"""

from __future__ import annotations

import base64
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect, sync_playwright

import findalike
from conftest import ASKED
from findalike.cli.demo import EDITS, _photographs
from web import Served, dated, drawn, lying, serving

PICTURES_OF_PAGES = Path(__file__).parents[1] / "out" / "page"

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

DESK, PHONE = (1280, 800), (360, 740)

DATES = {
    "chelsea": "2015:05:01 10:00:00",
    "coffee": "2015:06:02 09:30:00",
    "coins": "2017:01:20 12:00:00",
    "grass": "2019:08:01 11:30:00",
    "rocket": "2021:12:24 18:00:00",
}

PATIENCE = 40.0
"""Seconds to wait for what must come."""

expect.set_options(timeout=1000 * PATIENCE)


# The pictures and their library


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some hundred pictures in folders: photographs, edits of them, drawings, one that lies on its side, and
    one that is damaged. No test changes them."""
    folder = tmp_path_factory.mktemp("photographs") / "Pictures"
    for name in ("photos", "edits", "drawn"):
        (folder / name).mkdir(parents=True)
    found = list(_photographs())
    if len(found) < 15:
        pytest.skip("the photographs come inside other packages: pip install 'findalike[demo]'")
    for path in found:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        image.thumbnail((720, 720))
        if taken := DATES.get(path.stem):
            (folder / "photos" / f"{path.stem}.jpg").write_bytes(dated(image, taken))
        else:
            image.save(folder / "photos" / f"{path.stem}.jpg", quality=88)
        for name in ("cropped", "mirrored", "dark"):
            EDITS[name](image).save(folder / "edits" / f"{path.stem}-{name}.jpg", quality=80)
    for seed in range(20):
        drawn(seed, (160, 100 + 6 * seed)).save(folder / "drawn" / f"shape-{seed:02}.png")
    (folder / "upright.jpg").write_bytes(lying())
    whole = (folder / "photos" / "coffee.jpg").read_bytes()
    (folder / "damaged.jpg").write_bytes(whole[: len(whole) // 3])
    return folder


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory, photographs: Path) -> Path:
    """A library of them that no test changes."""
    path = tmp_path_factory.mktemp("collection") / "library"
    with findalike.open(path) as library:
        report = library.add(photographs)
        assert len(report.failures) == 1
    return path


@pytest.fixture(scope="session")
def truth(collection: Path) -> Iterator[findalike.Library]:
    """The collection as Python opens it: what the page shows is held against its answers."""
    with findalike.open(collection, "r") as library:
        yield library


@pytest.fixture(scope="session")
def known(truth: findalike.Library) -> dict[str, str]:
    """The ids of the collection's pictures by their file names."""
    return {asset.uri.rpartition("/")[2]: asset.id for asset in truth.store.assets()}


@pytest.fixture(scope="session")
def revealed() -> list[Path]:
    """The files that the server was asked to show in the file manager."""
    return []


@pytest.fixture(scope="session")
def site(collection: Path, revealed: list[Path]) -> Iterator[Served]:
    """A server over the collection, for tests that change nothing in it."""
    with serving(collection, reveal=revealed.append) as served:
        yield served


# The browser


def executable() -> str | None:
    return ASKED.get("FINDALIKE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One for each file of tests: while Playwright runs, no other test could run an event loop."""
    path = executable()
    if path is None:
        reason = f"no Chromium: none of {', '.join(NAMES)} is on the PATH, and FINDALIKE_CHROMIUM names none"
        if ASKED.get("FINDALIKE_NEEDS_CHROMIUM"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """Someone who opens pages, and notes all that goes wrong in them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._forgiven: list[str] = []
        self._faults: list[str] = []

    def open(
        self,
        url: str,
        *,
        size: tuple[int, int] = DESK,
        dark: bool = False,
        touch: bool = False,
        still: bool = False,
        **options: Any,
    ) -> Page:
        """A page in a fresh profile. `still` shows no motion, as for pictures of it."""
        context = self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            has_touch=touch,
            is_mobile=touch,
            reduced_motion="reduce" if still else "no-preference",
            locale="en-GB",
            timezone_id="UTC",
            accept_downloads=True,
            **options,
        )
        context.set_default_timeout(1000 * PATIENCE)
        self._contexts.append(context)
        self._listen(context)
        page = context.new_page()
        page.goto(url)
        return page

    def forgive(self, *patterns: str) -> None:
        """Expects faults that these patterns fit."""
        self._forgiven += patterns

    def leave(self) -> list[str]:
        """Closes all pages; the faults that nothing forgives."""
        for context in self._contexts:
            context.close()
        return [fault for fault in self._faults if not any(re.search(p, fault) for p in self._forgiven)]

    def _listen(self, context: BrowserContext) -> None:
        context.add_init_script(
            "addEventListener('securitypolicyviolation', (event) =>"
            " console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"
        )

        def asked(request: Request) -> None:
            if urlsplit(request.url).hostname not in (None, "127.0.0.1"):
                self._faults.append(f"asked another host: {request.url}")

        def told(message: Any) -> None:
            if message.type in ("error", "warning"):
                self._faults.append(f"{message.type}: {message.text} [{message.location.get('url')}]")

        context.on("request", asked)
        context.on("console", told)
        context.on("weberror", lambda error: self._faults.append(f"thrown: {error.error}"))


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Visitor]:
    """Comes after the server of a test, among its arguments, so that it leaves before."""
    visitor = Visitor(chromium)
    yield visitor
    assert visitor.leave() == []


@pytest.fixture
def page(visitor: Visitor, site: Served) -> Page:
    """The collection's page, with its first pictures."""
    opened = visitor.open(site.url)
    until(lambda: pictures(opened), "the first pictures")
    return opened


# What is on a page


def grid(page: Page) -> Locator:
    return page.get_by_role("grid", name="Pictures")


def cell(page: Page, name: str) -> Locator:
    """The picture of a name, among those that were found."""
    named = page.get_by_role("link", name=re.compile(f"^{re.escape(name)}"))
    return grid(page).get_by_role("gridcell").filter(has=named)


def link(page: Page, name: str) -> Locator:
    return cell(page, name).get_by_role("link")


def pictures(page: Page) -> list[str]:
    """The ids of the pictures that are there, in the order in which they are read."""
    ids: list[str] = (
        grid(page)
        .get_by_role("link", include_hidden=True)
        .evaluate_all("links => links.map((link) => new URL(link.href).searchParams.get('open'))")
    )
    return ids


def names(page: Page) -> list[str]:
    """Their file names."""
    alts: list[str] = grid(page).get_by_role("img").evaluate_all("all => all.map((img) => img.alt)")
    return [alt.partition(", ")[0] for alt in alts]


def shows(page: Page, wanted: Sequence[Any], most: int = 12) -> None:
    """Waits until the page begins with the pictures of these hits or ids, in this order: with all, or with
    `most` where there is no room for more."""
    ids = [each if isinstance(each, str) else each.asset.id for each in wanted]
    least = min(len(ids), most)
    assert least, "a page that shows nothing is told otherwise"

    def right() -> bool:
        got = pictures(page)
        return len(got) >= least and got == ids[: len(got)] and grid(page).get_attribute("aria-busy") is None

    until(right, lambda: f"{ids[:12]}\nbut there are\n{pictures(page)[:12]}\n{names(page)[:12]}")


def until(true: Callable[[], Any], what: str | Callable[[], str], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"waited in vain for {what() if callable(what) else what}")
        time.sleep(0.04)


def box(page: Page) -> Locator:
    return page.get_by_role("searchbox", name="Words to search for")


def terms(page: Page) -> Locator:
    return page.get_by_role("list", name="What is searched for").get_by_role("listitem")


def toast(page: Page) -> Locator:
    return page.locator("#toasts")


def query_of(page: Page) -> dict[str, list[str]]:
    """The parameters of the page's address."""
    found: dict[str, list[str]] = page.evaluate(
        "() => { const all = {}; for (const [name, value] of new URLSearchParams(location.search))"
        " (all[name] ??= []).push(value); return all; }"
    )
    return found


def picture_of(page: Page, name: str) -> None:
    """Keeps what the page looks like now."""
    PICTURES_OF_PAGES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES_OF_PAGES / f"{name}.jpg", quality=90)


# What is done with it

_TRANSFER = """({files, texts}) => {
  const data = new DataTransfer();
  for (const {name, type, base64} of files) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    data.items.add(new File([bytes], name, {type}));
  }
  for (const [type, text] of Object.entries(texts)) data.setData(type, text);
  return data;
}"""


def drop(
    page: Page, *files: Path, at: tuple[int, int] = (500, 400), over: bool = False, **texts: str
) -> None:
    """Drags files over the page to a point, and drops them there unless they are to be held `over` it."""
    data = _transfer(page, files, texts)
    page.evaluate(
        """([data, [x, y], types]) => {
          const target = document.elementFromPoint(x, y) ?? document.body;
          for (const type of types) target.dispatchEvent(new DragEvent(type,
            {dataTransfer: data, bubbles: true, cancelable: true, clientX: x, clientY: y}));
        }""",
        [data, list(at), ["dragenter", "dragover", *([] if over else ["drop"])]],
    )


def paste(page: Page, *files: Path, **texts: str) -> None:
    """Pastes into what has the focus."""
    page.evaluate(
        """(data) => (document.activeElement ?? document.body).dispatchEvent(
          new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}))""",
        _transfer(page, files, texts),
    )


def _transfer(page: Page, files: Iterable[Path], texts: dict[str, str]) -> Any:
    kinds = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".txt": "text/plain"}
    sent = [
        {
            "name": file.name,
            "type": kinds.get(file.suffix, ""),
            "base64": base64.b64encode(file.read_bytes()).decode(),
        }
        for file in files
    ]
    plain = {name.replace("_", "/", 1): text for name, text in texts.items()}
    return page.evaluate_handle(_TRANSFER, {"files": sent, "texts": plain})
