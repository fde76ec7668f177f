"""Every view for everyone: no serious fault that axe-core finds, light and dark, on a phone and zoomed; an
order for the keyboard, names and roles for screen readers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

import findalike
from access import check_for_everyone, check_on_phones
from browser import (
    PHONE,
    Visitor,
    box,
    cell,
    grid,
    link,
    names,
    picture_of,
    pictures,
    shows,
    until,
)
from findalike.web.config import Config
from web import TOKENS, Served, serving

pytest_plugins = ["web", "browser"]

# The views


@dataclass(frozen=True)
class Where:
    """Addresses of servers in each state a view needs."""

    site: str
    empty: str
    guarded: str
    known: dict[str, str]


@pytest.fixture(scope="module")
def where(
    site: Served, known: dict[str, str], collection: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Where]:
    folder = tmp_path_factory.mktemp("access")
    (folder / "Pictures").mkdir()
    with findalike.open(folder / "library"):
        pass
    empty = Config(port=0, folders=(folder / "Pictures",), uploads=folder / "uploads")
    with (
        serving(folder / "library", empty) as bare,
        serving(collection, Config(port=0, tokens=TOKENS), mode="r") as guarded,
    ):
        yield Where(site.url, bare.url, guarded.url, known)


View = Callable[[Page, Where], None]
VIEWS: dict[str, View] = {}


def view(build: View) -> View:
    VIEWS[build.__name__.replace("_", "-")] = build
    return build


def at(page: Page, address: str) -> None:
    page.goto(address)
    until(lambda: pictures(page), "pictures")


@view
def home(page: Page, where: Where) -> None:
    at(page, where.site)
    expect(page.get_by_role("button", name="Keyboard help")).to_be_visible()
    until(lambda: page.locator("#hint button").count(), "examples")


@view
def words(page: Page, where: Where) -> None:
    at(page, f"{where.site}/?q=coffee&t=text:cup&t=text*-0.5:night&not={where.known['moon.jpg']}")


@view
def picture(page: Page, where: Where) -> None:
    at(page, f"{where.site}/?t=id@0.2,0.1,0.8,0.9:{where.known['chelsea.jpg']}")
    summary = page.get_by_text("Query picture", exact=True)
    if not page.get_by_role("button", name="Whole picture").is_visible():
        summary.click()


@view
def filters(page: Page, where: Where) -> None:
    at(page, f"{where.site}/?tag=red&in=media%3Dimage%2Fpng")
    page.get_by_role("button", name="Filters", exact=True).click()
    expect(page.get_by_role("button", name=re.compile("^image.png"))).to_be_visible()


@view
def selection(page: Page, where: Where) -> None:
    at(page, f"{where.site}/?q=cat")
    page.get_by_role("button", name="Select", exact=True).click()
    for name in names(page)[:3]:
        link(page, name).click()
    expect(page.get_by_role("region", name="Selected pictures")).to_contain_text("3")


@view
def export_menu(page: Page, where: Where) -> None:
    selection(page, where)
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_role("dialog", name="Export")).to_be_visible()


@view
def label_menu(page: Page, where: Where) -> None:
    selection(page, where)
    page.get_by_role("region", name="Selected pictures").get_by_role("button", name="Label").click()
    expect(page.get_by_role("dialog", name=re.compile("^Label"))).to_be_visible()


@view
def weight(page: Page, where: Where) -> None:
    at(page, f"{where.site}/?t=text:coffee&t=text:cat")
    page.get_by_role("button", name="More of cat, weight 1").click()
    expect(page.get_by_role("slider", name="Weight")).to_be_visible()


@view
def detail(page: Page, where: Where) -> None:
    at(page, f"{where.site}/?q=cat")
    link(page, names(page)[0]).click()
    expect(page.get_by_role("dialog").get_by_text("What it shows")).to_be_visible()
    strip = page.get_by_role("region", name="Similar pictures").get_by_role("img")
    expect(strip).to_have_count(12)


@view
def compare(page: Page, where: Where) -> None:
    at(page, f"{where.site}/?t=id:{where.known['rocket.jpg']}")
    link(page, names(page)[0]).click()
    page.get_by_role("button", name="Compare with the query picture").click()
    expect(page.get_by_role("dialog").get_by_text("Query", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Similar pictures").get_by_role("img")).to_have_count(12)


@view
def question(page: Page, where: Where) -> None:
    at(page, where.site)
    link(page, "shape-00.png").click()
    page.get_by_role("button", name="Remove from the library").click()
    expect(page.get_by_role("dialog", name="Remove from the library?")).to_be_visible()


@view
def library(page: Page, where: Where) -> None:
    at(page, where.site)
    page.get_by_role("button", name="Library").click()
    expect(page.get_by_role("dialog", name="Library")).to_contain_text("damaged.jpg")


@view
def help_(page: Page, where: Where) -> None:
    at(page, where.site)
    page.get_by_role("button", name="Keyboard help").click()
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()


@view
def nothing(page: Page, where: Where) -> None:
    page.goto(f"{where.site}/?q=cat&least=0.95&tag=nothing%20has%20this")
    expect(page.get_by_text("No picture fits")).to_be_visible()


@view
def message(page: Page, where: Where) -> None:
    at(page, f"{where.site}/?q=cat")
    link(page, names(page)[0]).focus()
    page.keyboard.press("-")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()


@view
def empty(page: Page, where: Where) -> None:
    page.goto(where.empty)
    expect(page.get_by_role("heading", name="No pictures yet")).to_be_visible()


@view
def empty_library(page: Page, where: Where) -> None:
    page.goto(f"{where.empty}/#index")
    expect(page.get_by_role("button", name="Index", exact=True)).to_be_visible()


@view
def token(page: Page, where: Where) -> None:
    page.goto(where.guarded)
    expect(page.get_by_role("dialog", name="A token, please")).to_be_visible()


# What holds in each


@pytest.fixture(scope="module")
def axe() -> Axe:
    return Axe()


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_for_everyone(name: str, visitor: Visitor, where: Where, axe: Axe) -> None:
    """Light and dark, by axe-core."""
    visitor.forgive("401")
    page = visitor.open("about:blank", still=True)
    VIEWS[name](page, where)
    check_for_everyone(page, f"view-{name}", axe)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_fits_a_phone(name: str, visitor: Visitor, where: Where, axe: Axe) -> None:
    """No sideways scrolling at 360 and 320 pixels, and every target is large enough for a finger."""
    visitor.forgive("401")
    page = visitor.open("about:blank", size=PHONE, touch=True, still=True)
    VIEWS[name](page, where)
    check_on_phones(page, name, axe)


# Names and roles


def test_landmarks_headings_and_what_is_said(page: Page) -> None:
    for role, name in (("banner", None), ("search", "Pictures"), ("navigation", "Tools"), ("main", None)):
        expect(page.get_by_role(role, name=name) if name else page.get_by_role(role)).to_have_count(1)  # type: ignore[arg-type]
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    said = page.locator("#live")
    box(page).fill("cat")
    expect(said).to_have_text(re.compile(r"^[\d,]+\+? pictures$"))
    box(page).fill("")
    expect(said).to_have_text(re.compile(r"^113 pictures$"))
    assert page.get_by_role("status").count() >= 1
    assert page.locator("html").get_attribute("lang") == "en"


def test_each_picture_is_named_by_what_it_shows(page: Page) -> None:
    alts = grid(page).get_by_role("img").evaluate_all("all => all.map((img) => img.alt)")
    assert len(alts) > 20
    assert all(re.match(r"^\S.*\.(jpg|png)(, shows .+)?$", alt) for alt in alts)
    rows = grid(page).get_by_role("row")
    indexes = rows.evaluate_all("all => all.map((row) => Number(row.ariaRowIndex))")
    assert indexes == sorted(indexes)
    assert indexes[0] == 1


# The keyboard


_FOCUS = """() => {
  const node = document.activeElement;
  const {left, top, right, bottom} = node.getBoundingClientRect();
  const middle = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  const ring = [node, node.parentElement].some((one) => {
    const style = getComputedStyle(one);
    const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1.5;
    return outlined || style.boxShadow !== "none";
  });
  return {name: node.ariaLabel || node.textContent.trim().slice(0, 40) || node.tagName, tag: node.tagName,
    inside: top >= -1 && bottom <= innerHeight + 1 && left >= -1 && right <= innerWidth + 1,
    covered: !(node.contains(middle) || middle?.contains(node)), ring};
}"""


def test_the_tab_key_goes_in_the_order_of_the_eye(page: Page) -> None:
    """Each stop is in the window, covered by nothing, and marked."""
    until(lambda: page.locator("#hint button").count(), "examples")
    stops = []
    for _ in range(24):
        page.keyboard.press("Tab")
        stop = page.evaluate(_FOCUS)
        if stop["tag"] == "BODY":
            break
        assert stop["ring"], stop
        assert stop["inside"], stop
        assert not stop["covered"], stop
        stops.append(stop["name"])
    order = [
        "Skip to the pictures",
        "findalike, all pictures",
        "Words to search for",
        "Search with a picture file",
        "Library",
        "Theme: as the system has it",
        "Keyboard help",
        "Filters",
        "Select",
    ]
    assert [stop for stop in stops if stop in order] == order, stops
    assert stops.index("Select") < next(n for n, stop in enumerate(stops) if stop.startswith("shape-00.png"))


def test_the_focus_stays_in_the_detail_view_when_hits_come(page: Page) -> None:
    """Also where the button that had it is none any more."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route) if '"cat"' in (route.request.post_data or "") else route.continue_()

    page.route("**/v1/search", hold)
    box(page).fill("cat")
    page.keyboard.press("Enter")
    until(lambda: page.wait_for_timeout(20) or held, "the search")
    link(page, names(page)[1]).click()
    detail = page.get_by_role("dialog")
    expect(detail.get_by_role("button", name="Close")).to_be_focused()
    detail.get_by_role("button", name="Previous picture").focus()
    for route in held:
        route.continue_()
    expect(detail.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(detail).to_have_count(0)
    page.keyboard.press("ArrowDown")
    assert page.evaluate("Boolean(document.activeElement.closest('[role=gridcell]'))")


def test_a_dialog_keeps_the_focus_and_gives_it_back(page: Page) -> None:
    opener = page.get_by_role("button", name="Library")
    opener.focus()
    page.keyboard.press("Enter")
    sheet = page.get_by_role("dialog", name="Library")
    expect(sheet).to_be_visible()
    for _ in range(12):
        page.keyboard.press("Tab")
        inside = page.evaluate(
            "document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))"
        )
        assert inside, page.evaluate(_FOCUS)
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(opener).to_be_focused()


def test_all_of_a_search_by_keyboard_alone(page: Page, truth: findalike.Library) -> None:
    page.keyboard.press("/")
    page.keyboard.type("cat")
    page.keyboard.press("Enter")
    shows(page, truth.search(text="cat", k=60))
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("Boolean(document.activeElement.closest('[role=gridcell]'))"):
            break
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("x")
    expect(page.get_by_role("region", name="Selected pictures")).to_contain_text("1")
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    expect(page.get_by_role("list", name="What is searched for").get_by_role("listitem")).to_have_count(1)


# The theme


def test_the_theme_is_chosen_and_kept(page: Page, visitor: Visitor, site: Served) -> None:
    colour = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(colour)
    page.get_by_role("button", name="Theme: as the system has it").click()
    dark = page.evaluate(colour)
    assert dark != light
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    page.reload()
    assert page.evaluate(colour) == dark, "without a flash, before the page has loaded"
    page.get_by_role("button", name="Theme: dark").click()
    assert page.evaluate(colour) == light
    other = visitor.open(site.url, dark=True)
    assert other.evaluate(colour) == dark, "the system's, where none was chosen"


def test_nothing_moves_for_who_wants_no_motion(visitor: Visitor, site: Served) -> None:
    page = visitor.open(site.url, still=True)
    until(lambda: pictures(page), "pictures")
    link(page, names(page)[0]).click()
    moving = page.evaluate("document.getAnimations().filter((one) => one.playState === 'running').length")
    assert moving == 0


def test_the_page_without_a_mouse_that_hovers(visitor: Visitor, site: Served) -> None:
    """On a phone all that a hovering mouse would show is there without it."""
    page = visitor.open(f"{site.url}/?q=cat", size=PHONE, touch=True)
    until(lambda: names(page), "pictures")
    first = names(page)[0]
    cell(page, first).get_by_role("button", name=f"More like {first}").tap()
    expect(page.get_by_role("list", name="What is searched for").get_by_role("listitem")).to_have_count(1)


def test_a_phone_is_asked_for_what_it_can_do(visitor: Visitor, site: Served) -> None:
    """Nothing is dropped with a finger, and a slider needs room for one."""
    page = visitor.open(site.url, size=PHONE, touch=True)
    until(lambda: pictures(page), "pictures")
    expect(box(page)).to_have_attribute("placeholder", "Words, or a picture")
    expect(page.get_by_text("Type words, choose a picture")).to_be_visible()
    box(page).fill("cat")
    slider = page.get_by_role("slider", name="Least score")
    expect(slider).to_be_visible()
    size = slider.bounding_box()
    assert size
    assert size["width"] > 150


def test_wide_screens_are_used(visitor: Visitor, site: Served) -> None:
    page = visitor.open(site.url, size=(1920, 1080), still=True)
    until(lambda: pictures(page), "pictures")
    first = grid(page).get_by_role("row").first.bounding_box()
    assert first
    assert first["width"] > 1600
    picture_of(page, "view-wide")
