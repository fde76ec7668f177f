"""Reviews and marks on the page: by keys and by hand, taken back, for two people, and for everyone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

import findalike
from access import check_for_everyone, check_on_phones
from browser import DESK, PHONE, Visitor, cell, link, pictures, toast, until
from findalike import lock
from findalike.web.config import Config, Limits
from painted import painted
from web import Served, serving

pytest_plugins = ["web", "browser"]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library whose colours were learned and predicted; no test changes it."""
    place = tmp_path_factory.mktemp("taught")
    folder = painted(place / "pictures")
    with findalike.open(place / "library") as library:
        library.add(folder, table=folder / "table.csv")
        library.learn_attribute("colour")
        library.apply_attributes("colour")
    return place / "library"


@pytest.fixture
def served(taught: Path, tmp_path: Path) -> Iterator[Served]:
    copy = Path(shutil.copytree(taught, tmp_path / "library"))
    with serving(copy, Config(port=0, limits=Limits(workers=2))) as running:
        yield running


@pytest.fixture(scope="module")
def axe() -> Axe:
    return Axe()


def review(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Review")


def settled(page: Page) -> Locator:
    """The dialog, when it waits for an answer."""
    expect(page.locator("#review .about")).to_have_attribute("aria-busy", "false")
    return review(page)


def reviewing(visitor: Visitor, served: Served, **options: bool | tuple[int, int]) -> Page:
    page = visitor.open(f"{served.url}/#review", **options)  # type: ignore[arg-type]
    expect(review(page).get_by_role("button", name="Accept")).to_be_visible()
    settled(page)
    return page


def on_stage(page: Page) -> str:
    """The name of the picture that is asked for."""
    return (page.locator("#review .stage img.large").get_attribute("alt") or "").partition(",")[0]


def stands(served: Served, name: str) -> tuple[object, object]:
    """Value and confidence of a picture as another opens the library."""
    with findalike.open(served.library.path, "r") as other:
        asset = next(a for a in other.store.assets() if a.uri.endswith(f"/{name}"))
        return asset.metadata.get("colour"), asset.metadata.get("colour_confidence")


def pressed(page: Page, key: str) -> str:
    """The picture that comes after a key."""
    before = on_stage(page)
    page.keyboard.press(key)
    until(lambda: on_stage(page) != before, "another picture")
    settled(page)
    return on_stage(page)


def test_a_review_by_keys_alone(served: Served, visitor: Visitor) -> None:
    visitor.forgive("422")  # when nothing is left to undo
    page = visitor.open(served.url)
    until(lambda: pictures(page), "the pictures")
    page.get_by_role("button", name="Review").click()
    expect(review(page).get_by_role("button", name="Accept")).to_be_visible()
    settled(page)
    first = on_stage(page)
    guess = page.locator("#review .guess").inner_text()
    assert stands(served, first)[0] == guess
    second = pressed(page, "Enter")
    assert stands(served, first) == (guess, None)
    chosen = review(page).locator(".choices li").nth(1).locator(".name").inner_text()
    third = pressed(page, "2")
    assert stands(served, second) == (chosen, None)
    fourth = pressed(page, "s")
    page.keyboard.press("e")
    page.keyboard.type("violet")
    fifth = pressed(page, "Enter")
    assert stands(served, fourth) == ("violet", None)
    expect(review(page)).to_contain_text("15 of 30 pictures have a person's value")
    expect(review(page)).to_contain_text("checked stayed as they were")
    assert "violet" in page.locator("#review-values option").evaluate_all(
        "all => all.map((one) => one.value)"
    )
    before = stands(served, fifth)
    for name, key in ((fourth, "u"), (third, "u"), (second, "Control+z"), (first, "u")):
        assert pressed(page, key) == name
    assert stands(served, fifth) == before
    assert stands(served, first)[1] is not None
    assert stands(served, second)[1] is not None
    page.keyboard.press("u")
    expect(toast(page)).to_contain_text("no answer left to take back")
    page.keyboard.press("Escape")
    expect(review(page)).to_be_hidden()
    assert "review" not in page.url


def test_an_answer_waits_for_other_writers(served: Served, visitor: Visitor) -> None:
    visitor.forgive("409")
    page = reviewing(visitor, served)
    first, guess = on_stage(page), page.locator("#review .guess").inner_text()
    with lock.held(Path(served.library.path), 0):
        page.keyboard.press("Enter")
        expect(review(page)).to_contain_text("Someone else is writing", timeout=10_000)
        assert stands(served, first)[1] is not None
    until(lambda: on_stage(page) != first, "another picture")
    settled(page)
    assert stands(served, first) == (guess, None)
    expect(review(page)).not_to_contain_text("Someone else is writing")
    expect(toast(page)).to_be_empty()


def test_two_people_at_once(served: Served, visitor: Visitor) -> None:
    visitor.forgive("409")
    ada, bo = reviewing(visitor, served), reviewing(visitor, served)
    first, other = on_stage(ada), on_stage(bo)
    assert first != other
    # someone says of Ada's picture what it is, in another program
    asset_id = next(a.id for a in served.library.store.assets() if a.uri.endswith(f"/{first}"))
    served.library.edit([asset_id], metadata={"colour": "violet", "colour_confidence": None})
    after = pressed(ada, "Enter")
    assert after not in (first, other)
    expect(review(ada)).to_contain_text("Another person says 'violet' now")
    expect(review(ada)).to_contain_text("Your answer was not taken")
    assert stands(served, first) == ("violet", None)
    truth = other.partition("-")[0]
    review(bo).get_by_role("button", name=truth, exact=False).first.click()
    until(lambda: on_stage(bo) != other, "another picture")
    assert stands(served, other) == (truth, None)


def test_learning_anew_from_the_page(served: Served, visitor: Visitor) -> None:
    page = reviewing(visitor, served)
    pressed(page, "Enter")
    review(page).get_by_role("button", name="Learn anew").click()
    expect(toast(page)).to_contain_text("Learned from 13 pictures")
    expect(toast(page)).to_contain_text("17 predictions made anew")
    settled(page)
    with page.expect_download() as download:
        review(page).get_by_role("link", name="Answers as CSV").click()
    assert len(Path(download.value.path()).read_text().splitlines()) == 2


def test_hits_are_marked_and_taken_back(served: Served, visitor: Visitor) -> None:
    ids = {a.uri.rpartition("/")[2]: a.id for a in served.library.store.assets()}
    page = visitor.open(f"{served.url}/?t=id:{ids['red-0.png']}")
    until(lambda: len(pictures(page)) > 4, "the hits")

    def said() -> dict[str, str]:
        return {mark.hit: mark.verdict for mark in served.library.feedback.marks()}

    link(page, "red-1.png").focus()
    page.keyboard.press("y")
    expect(toast(page)).to_contain_text("Noted in this library: match")
    until(lambda: said() == {ids["red-1.png"]: "match"}, "the mark")
    cell(page, "red-2.png").hover()
    page.get_by_role("button", name="Not a match: red-2.png").click()
    until(lambda: said().get(ids["red-2.png"]) == "no match", "the other mark")
    expect(cell(page, "red-2.png").locator(".said")).to_be_visible()
    toast(page).get_by_role("button", name="Undo").click()
    until(lambda: said() == {ids["red-1.png"]: "match"}, "the mark to go")
    page.reload()
    marked = page.get_by_role("button", name="Match: red-1.png", exact=True, include_hidden=True)
    expect(marked).to_have_attribute("aria-pressed", "true")
    link(page, "red-3.png").click()
    shown = page.get_by_role("dialog", name="Picture red-3.png")
    until(lambda: said().get(ids["red-3.png"]) == "click", "the weak mark")
    shown.get_by_role("button", name="Not a match").click()
    until(lambda: said().get(ids["red-3.png"]) == "no match", "the strong one")
    page.goto(f"{served.url}/#index")
    page.get_by_role("checkbox", name="Also note which hits are opened").uncheck()
    page.goto(f"{served.url}/?t=id:{ids['red-0.png']}")
    link(page, "red-4.png").click()
    expect(page.get_by_role("dialog", name="Picture red-4.png")).to_be_visible()
    page.keyboard.press("y")
    until(lambda: said().get(ids["red-4.png"]) == "match", "the mark")
    assert ids["red-4.png"] not in {m.hit for m in served.library.feedback.all() if m.verdict == "click"}


def test_who_may_only_read_is_not_asked(taught: Path, visitor: Visitor) -> None:
    with serving(taught, Config(port=0, writable=False), mode="r") as running:
        ids = {a.uri.rpartition("/")[2]: a.id for a in running.library.store.assets()}
        page = visitor.open(f"{running.url}/?t=id:{ids['red-0.png']}")
        until(lambda: len(pictures(page)) > 4, "the hits")
        link(page, "red-1.png").click()
        shown = page.get_by_role("dialog", name="Picture red-1.png")
        expect(shown.get_by_role("button", name="More like this")).to_be_visible()
        expect(shown.get_by_role("button", name="Match", exact=True)).to_have_count(0)
        expect(page.get_by_role("button", name="Review", include_hidden=True)).to_be_hidden()
        assert running.library.feedback.all() == []
        assert visitor.leave() == []


@pytest.mark.parametrize("touch", [False, True])
def test_reviews_are_for_everyone(served: Served, visitor: Visitor, axe: Axe, touch: bool) -> None:
    """By axe-core, light and dark, and on the smallest phone."""
    check = check_on_phones if touch else check_for_everyone
    page = reviewing(visitor, served, size=PHONE if touch else DESK, touch=touch, still=True)
    check(page, "review", axe)
    ids = {a.uri.rpartition("/")[2]: a.id for a in served.library.store.assets()}
    page.goto(f"{served.url}/?t=id:{ids['red-0.png']}")
    until(lambda: len(pictures(page)) > 4, "the hits")
    if not touch:
        link(page, "red-1.png").focus()
        page.keyboard.press("n")
        expect(cell(page, "red-1.png").locator(".said")).to_be_visible()
    check(page, "marks", axe)
