"""Films on the page: moments among the pictures, the film that plays from them, and what cannot be played."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

import findalike
from access import check_for_everyone, check_on_phones
from browser import (
    DESK,
    PHONE,
    Visitor,
    cell,
    drop,
    link,
    names,
    picture_of,
    terms,
    toast,
    until,
)
from filmed import animation, cut, film
from findalike import Query, Term
from findalike.present.caption import span
from findalike.types import Hit
from web import Served, drawn, encoded, serving

pytest_plugins = ["web", "browser"]


RED, ROUND, STRIPE, PIE = 9, 16, 18, 19
"""Drawings that look unlike one another."""

SCENES = ((RED, 3), (ROUND, 3), (STRIPE, 3), (RED, 3), (PIE, 3))


@pytest.fixture(scope="module")
def axe() -> Axe:
    return Axe()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cinema") / "Films"
    made.mkdir()
    film(made / "trip.mp4", SCENES)
    film(made / "old.avi", [(STRIPE, 4), (PIE, 2)], "mpeg4")
    film(made / "short.webm", [(RED, 2)], "libvpx-vp9")
    animation(made / "loop.gif", (PIE, ROUND))
    for seed in (RED, ROUND, STRIPE):
        (made / f"still-{seed}.png").write_bytes(encoded(drawn(seed, (320, 180))))
    return made


@pytest.fixture(scope="module")
def cinema(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Served]:
    """A server over films, an animation and pictures."""
    path = tmp_path_factory.mktemp("cinema-library") / "library"
    with findalike.open(path) as library:
        report = library.add(folder)
    assert not report.failures
    with serving(path) as served:
        yield served


@pytest.fixture(scope="module")
def ids(cinema: Served) -> dict[str, str]:
    return {asset.uri.rpartition("/")[2]: asset.id for asset in cinema.library.store.assets()}


def searched(visitor: Visitor, cinema: Served, like: str, **options: object) -> Page:
    page = visitor.open(f"{cinema.url}/?t=id:{like}", **options)  # type: ignore[arg-type]
    until(lambda: names(page), "hits")
    return page


def found(cinema: Served, like: str, name: str) -> Hit:
    """The hit of a name, as Python gives it."""
    with findalike.open(cinema.library.path, "r") as library:
        hits = library.search(Query((Term(like, "asset"),), k=60))
    return next(hit for hit in hits if hit.asset.uri.endswith(f"/{name}"))


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog", name=re.compile("^Picture "))


def opened(page: Page, name: str) -> Locator:
    link(page, name).click()
    expect(dialog(page)).to_be_visible()
    return dialog(page)


def now(page: Page) -> float:
    return float(page.locator("video").evaluate("(video) => video.currentTime"))


def test_a_moment_is_shown_by_its_frame_and_its_time(
    visitor: Visitor, cinema: Served, ids: dict[str, str]
) -> None:
    page = searched(visitor, cinema, ids[f"still-{ROUND}.png"])
    until(lambda: "trip.mp4" in names(page), "the film")
    hit = cell(page, "trip.mp4")
    best = found(cinema, ids[f"still-{ROUND}.png"], "trip.mp4")
    time, end = best.origin.time or 0.0, best.origin.end or 0.0
    assert 3 <= time < end <= 6
    told = span(time, end)
    expect(hit.locator(".time")).to_have_text(told)
    expect(link(page, "trip.mp4")).to_have_accessible_name(re.compile(f"film, {told.replace('–', ' to ')}"))
    shown = hit.locator("img")
    until(lambda: shown.evaluate("(img) => img.complete && img.naturalWidth > 0"), "the frame")
    assert f"/parts/{best.frame}?v=" in str(shown.get_attribute("src"))
    picture_of(page, "moments-grid")


def test_without_a_search_a_film_tells_its_length(visitor: Visitor, cinema: Served) -> None:
    page = visitor.open(cinema.url)
    until(lambda: len(names(page)) == 7, lambda: str(names(page)))
    expect(cell(page, "trip.mp4").locator(".time")).to_have_text("0:15")
    expect(cell(page, "still-9.png").locator(".time")).to_be_hidden()


def test_the_film_plays_from_the_moment(visitor: Visitor, cinema: Served, ids: dict[str, str]) -> None:
    page = searched(visitor, cinema, ids[f"still-{STRIPE}.png"])
    shown = opened(page, "trip.mp4")
    video = shown.locator("video")
    begin = found(cinema, ids[f"still-{STRIPE}.png"], "trip.mp4").origin.time or 0.0
    assert 6 <= begin < 9
    playing = f"(v) => v.readyState >= 2 && !v.paused && v.currentTime > {begin + 0.2}"
    until(lambda: video.evaluate(playing), "the film")
    assert now(page) < begin + 6
    assert video.evaluate("(v) => v.muted && v.videoWidth === 320")
    expect(shown).to_contain_text("Length0:15")
    picture_of(page, "moments-detail")


def test_other_moments_are_gone_to(visitor: Visitor, cinema: Served, ids: dict[str, str]) -> None:
    """The scene that comes twice is found twice, and both are gone to, also by the keyboard."""
    page = searched(visitor, cinema, ids[f"still-{RED}.png"], still=True)
    shown = opened(page, "trip.mp4")
    bar = shown.get_by_role("toolbar", name="Moments")
    expect(bar.get_by_role("button")).to_have_count(2)
    video = shown.locator("video")
    until(lambda: video.evaluate("(v) => v.readyState >= 2"), "the film")
    assert video.evaluate("(v) => v.paused"), "nothing moves for those who want no motion"
    bar.get_by_role("button", name=re.compile("^Go to 0:09")).click()
    until(lambda: now(page) >= 9 and video.evaluate("(v) => !v.paused"), "the second moment")
    expect(bar.get_by_role("button").nth(1)).to_have_attribute("aria-current", "true")
    page.keyboard.press("ArrowLeft")
    expect(bar.get_by_role("button").first).to_be_focused()
    expect(shown.get_by_role("heading", name="trip.mp4")).to_be_visible()
    page.keyboard.press("Enter")
    until(lambda: now(page) < 3, "the first moment")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.locator("video").count() == 0


def test_a_film_opened_without_a_search_shows_its_frames(
    visitor: Visitor, cinema: Served, ids: dict[str, str]
) -> None:
    page = visitor.open(f"{cinema.url}/?open={ids['trip.mp4']}", still=True)
    frames = dialog(page).get_by_role("toolbar", name="Frames").get_by_role("button")
    until(lambda: frames.count() >= 5, "frames")
    until(lambda: page.locator("video").evaluate("(v) => v.readyState >= 2"), "the film")
    assert now(page) == 0
    frames.last.click()
    until(lambda: now(page) >= 12, "the last scene")


def test_a_link_to_a_moment_is_followed(visitor: Visitor, cinema: Served, ids: dict[str, str]) -> None:
    """The film is open before the search that found the moment is answered."""
    like, trip = ids[f"still-{STRIPE}.png"], ids["trip.mp4"]
    page = visitor.open(f"{cinema.url}/?t=id:{like}&open={trip}", still=True)
    expect(dialog(page).get_by_role("toolbar", name="Moments")).to_be_visible()
    begin = found(cinema, like, "trip.mp4").origin.time or 0.0
    until(lambda: now(page) == pytest.approx(begin, abs=0.1), "the moment")
    expect(dialog(page).get_by_text("Why it was found")).to_be_visible()
    expect(dialog(page).get_by_text("What it shows")).to_be_visible()


def test_what_the_browser_cannot_play_is_shown_in_frames(
    visitor: Visitor, cinema: Served, ids: dict[str, str]
) -> None:
    page = searched(visitor, cinema, ids[f"still-{STRIPE}.png"])
    shown = opened(page, "old.avi")
    expect(shown.get_by_text("This browser cannot play this film")).to_be_visible()
    expect(page.locator("video")).to_have_count(0)
    large = shown.locator(".frame img.large")
    before = large.get_attribute("src")
    frames = shown.get_by_role("toolbar", name="Frames").get_by_role("button")
    until(lambda: frames.count() >= 2, "frames")
    frames.last.click()
    until(lambda: large.get_attribute("src") != before, "another frame")
    until(lambda: large.evaluate("(img) => img.complete && img.naturalWidth > 0"), "its picture")
    picture_of(page, "moments-unplayable")
    with page.expect_download() as download:
        shown.get_by_role("link", name="Download the film").click()
    assert download.value.suggested_filename == "old.avi"


def test_an_animation_just_plays(visitor: Visitor, cinema: Served, ids: dict[str, str]) -> None:
    page = visitor.open(f"{cinema.url}/?open={ids['loop.gif']}")
    large = dialog(page).locator(".frame img.large")
    until(lambda: large.evaluate("(img) => img.complete && img.naturalWidth === 320"), "the animation")
    assert str(large.get_attribute("src")).endswith("/content")
    calm = visitor.open(f"{cinema.url}/?open={ids['loop.gif']}", still=True)
    expect(dialog(calm).locator(".frame img.large")).to_have_attribute("src", re.compile("/thumbnail"))


def test_a_clip_finds_its_film(visitor: Visitor, cinema: Served, folder: Path, tmp_path: Path) -> None:
    """Dropped on the page, it is shown as a film, no part of which can be chosen; it stays over a reload."""
    clip = cut(folder / "trip.mp4", 4, 8, tmp_path / "clip.mp4")
    page = visitor.open(cinema.url)
    until(lambda: names(page), "the pictures")
    drop(page, clip)
    until(lambda: names(page)[:1] == ["trip.mp4"], lambda: str(names(page)))
    query = page.locator("#query")
    expect(query.get_by_text("Query clip")).to_be_visible()
    until(lambda: query.locator("video").evaluate("(v) => v.readyState >= 1 && v.duration > 3.8"), "the clip")
    expect(query.get_by_role("application")).to_have_count(0)
    expect(terms(page)).to_have_count(1)
    until(lambda: terms(page).locator("img").evaluate("(img) => img.naturalWidth") == 320, "a picture of it")
    shown = opened(page, "trip.mp4")
    why = shown.locator("section").filter(has=page.get_by_role("heading", name="Why it was found"))
    expect(why).to_contain_text("0:00–0:04 of the clip is 0:04–0:08 here")
    expect(why).to_contain_text("follow one another as those of your clip")
    picture_of(page, "moments-clip")
    page.keyboard.press("Escape")
    page.reload()
    until(lambda: names(page)[:1] == ["trip.mp4"], lambda: str(names(page)))
    expect(page.locator("#query").get_by_text("Query clip")).to_be_visible()


def test_a_clip_that_is_too_large_is_told(visitor: Visitor, cinema: Served, tmp_path: Path) -> None:
    page = visitor.open(cinema.url)
    until(lambda: names(page), "the pictures")
    page.evaluate("import('/static/library.js').then(({library}) => { library.limits.body = 10000; })")
    drop(page, film(tmp_path / "clip.mp4", [(ROUND, 1), (STRIPE, 2)]))
    expect(toast(page)).to_contain_text("“clip.mp4” is larger than")


@pytest.mark.parametrize("touch", [False, True])
def test_films_are_for_everyone(
    visitor: Visitor, cinema: Served, ids: dict[str, str], axe: Axe, touch: bool
) -> None:
    """By axe-core, light and dark, and on the smallest phone: what plays, and what does not."""
    check = check_on_phones if touch else check_for_everyone
    how = {"size": PHONE if touch else DESK, "touch": touch, "still": True}
    page = searched(visitor, cinema, ids[f"still-{RED}.png"], **how)
    check(page, "moments-hits", axe)
    opened(page, "trip.mp4")
    until(lambda: page.locator("video").evaluate("(v) => v.readyState >= 2"), "the film")
    check(page, "moments-film", axe)
    page.goto(f"{cinema.url}/?open={ids['old.avi']}")
    expect(dialog(page).get_by_text("This browser cannot play this film")).to_be_visible()
    until(lambda: dialog(page).get_by_role("toolbar", name="Frames").get_by_role("button").count(), "frames")
    check(page, "moments-frames", axe)
    page.goto(f"{cinema.url}/?t=id:{ids['trip.mp4']}")
    until(lambda: names(page), "hits")
    check(page, "moments-query", axe)


def test_films_on_a_small_phone(visitor: Visitor, cinema: Served, ids: dict[str, str]) -> None:
    page = searched(
        visitor, cinema, ids[f"still-{RED}.png"], size=(320, 640), touch=True, dark=True, still=True
    )
    link(page, "trip.mp4").tap()
    shown = dialog(page)
    until(lambda: page.locator("video").evaluate("(v) => v.readyState >= 2"), "the film")
    assert page.evaluate("document.querySelector('.detail .content').scrollWidth") <= 320
    shown.get_by_role("button", name=re.compile("^Go to 0:09")).tap()
    until(lambda: now(page) >= 9, "the moment")
    picture_of(page, "moments-phone")
