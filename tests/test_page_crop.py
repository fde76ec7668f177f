"""The box on the query picture: drawn, moved and resized by mouse, keys and touch, searching as it moves."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

import findalike
from browser import PHONE, Visitor, picture_of, pictures, query_of, shows, until
from findalike import Query, Term
from web import Served

pytest_plugins = ["web", "browser"]

Box = tuple[float, float, float, float]
NAME = "motorcycle_left.jpg"


@pytest.fixture
def address(site: Served, known: dict[str, str]) -> str:
    return f"{site.url}/?t=id:{known[NAME]}"


@pytest.fixture
def cropping(visitor: Visitor, address: str) -> Page:
    page = visitor.open(address)
    until(lambda: pictures(page), "the first hits")
    return page


def frame(page: Page) -> Locator:
    return page.get_by_label(re.compile("^Part that counts"))


def image(page: Page) -> FloatRect:
    """Where the query picture is."""
    shown = page.get_by_role("img", name=re.compile("^Searched with"))
    until(lambda: shown.evaluate("(img) => img.complete && img.naturalWidth > 0"), "the query picture")
    area = shown.bounding_box()
    assert area
    return area


def at(area: FloatRect, x: float, y: float) -> tuple[float, float]:
    return area["x"] + x * area["width"], area["y"] + y * area["height"]


def drag(page: Page, start: tuple[float, float], end: tuple[float, float], steps: int = 8) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=steps)
    page.mouse.up()


def box_of(page: Page) -> Box | None:
    """The box that the address tells."""
    found = re.search(r"@([\d.,]+):", query_of(page)["t"][0])
    return tuple(map(float, found[1].split(","))) if found else None  # type: ignore[return-value]


def is_near(page: Page, wanted: Box | None) -> Callable[[], bool]:
    def near() -> bool:
        box = box_of(page)
        if box is None or wanted is None:
            return box == wanted
        return box == pytest.approx(wanted, abs=0.012)

    return near


def found_with(truth: findalike.Library, page: Page, known: dict[str, str], most: int = 12) -> None:
    """Whether the page shows what Python finds with the box of the address."""
    shows(page, truth.search(Query((Term(known[NAME], "asset", box_of(page)),), k=60)), most)


def test_a_box_is_drawn_moved_resized_and_taken_away(
    cropping: Page, truth: findalike.Library, known: dict[str, str]
) -> None:
    area = image(cropping)
    whole = pictures(cropping)
    drag(cropping, at(area, 0.2, 0.3), at(area, 0.6, 0.8))
    until(is_near(cropping, (0.2, 0.3, 0.6, 0.8)), lambda: f"the drawn box, not {box_of(cropping)}")
    found_with(truth, cropping, known)
    assert pictures(cropping) != whole
    picture_of(cropping, "crop")
    drag(cropping, at(area, 0.4, 0.5), at(area, 0.5, 0.4))
    until(is_near(cropping, (0.3, 0.2, 0.7, 0.7)), lambda: f"the moved box, not {box_of(cropping)}")
    found_with(truth, cropping, known)
    drag(cropping, at(area, 0.7, 0.7), at(area, 0.9, 0.95))
    until(is_near(cropping, (0.3, 0.2, 0.9, 0.95)), lambda: f"the resized box, not {box_of(cropping)}")
    drag(cropping, at(area, 0.3, 0.575), at(area, 0.1, 0.575))
    until(is_near(cropping, (0.1, 0.2, 0.9, 0.95)), lambda: f"the widened box, not {box_of(cropping)}")
    found_with(truth, cropping, known)
    cropping.get_by_role("button", name="Whole picture").click()
    until(is_near(cropping, None), "the whole picture")
    shows(cropping, whole)
    assert not re.search("@", cropping.url)


def test_it_searches_while_it_moves_and_is_one_step(cropping: Page, address: str) -> None:
    area = image(cropping)
    asked: list[str] = []
    cropping.on("request", lambda request: asked.append(request.url) if "/v1/search" in request.url else None)
    cropping.mouse.move(*at(area, 0.1, 0.1))
    cropping.mouse.down()
    for step in range(1, 7):
        cropping.mouse.move(*at(area, 0.1 + 0.1 * step, 0.1 + 0.1 * step))
        cropping.wait_for_timeout(120)
    assert len(asked) >= 3, "the mouse is still down"
    cropping.mouse.up()
    until(is_near(cropping, (0.1, 0.1, 0.7, 0.7)), "the box")
    cropping.go_back()
    expect(cropping).to_have_url(address)
    until(lambda: "0 to 100 percent across" in (frame(cropping).get_attribute("aria-label") or ""), "no box")
    cropping.go_forward()
    until(is_near(cropping, (0.1, 0.1, 0.7, 0.7)), "the box")


def test_the_box_stays_in_the_picture_and_never_gets_lost(cropping: Page) -> None:
    area = image(cropping)
    drag(cropping, at(area, 0.5, 0.5), at(area, 1.6, 1.4))
    until(is_near(cropping, (0.5, 0.5, 1, 1)), lambda: f"a box to the corner, not {box_of(cropping)}")
    drag(cropping, at(area, 0.75, 0.75), at(area, -0.4, -0.9))
    until(is_near(cropping, (0, 0, 0.5, 0.5)), lambda: f"a box in the other corner, not {box_of(cropping)}")
    drag(cropping, at(area, 0.49, 0.49), at(area, -0.3, -0.3))
    until(lambda: box_of(cropping) and box_of(cropping)[2] <= 0.06, "the smallest box")  # type: ignore[index]
    cropping.mouse.click(*at(area, 0.8, 0.8))
    cropping.wait_for_timeout(200)
    assert box_of(cropping) == pytest.approx((0, 0, 0.05, 0.05), abs=0.012), "a click draws nothing"


def test_the_box_by_keys(cropping: Page, truth: findalike.Library, known: dict[str, str]) -> None:
    frame(cropping).focus()
    for _ in range(10):
        cropping.keyboard.press("Shift+ArrowLeft")
        cropping.keyboard.press("Shift+ArrowUp")
    until(is_near(cropping, (0, 0, 0.8, 0.8)), lambda: f"a smaller box, not {box_of(cropping)}")
    for _ in range(5):
        cropping.keyboard.press("ArrowRight")
        cropping.keyboard.press("ArrowDown")
    until(is_near(cropping, (0.1, 0.1, 0.9, 0.9)), lambda: f"a moved box, not {box_of(cropping)}")
    expect(frame(cropping)).to_be_focused()
    expect(frame(cropping)).to_have_accessible_name(
        re.compile("10 to 90 percent across, 10 to 90 percent down")
    )
    found_with(truth, cropping, known)
    cropping.keyboard.press("Escape")
    until(is_near(cropping, None), "the whole picture")


def test_the_box_by_touch(
    visitor: Visitor, address: str, truth: findalike.Library, known: dict[str, str]
) -> None:
    page = visitor.open(address, size=PHONE, touch=True)
    until(lambda: pictures(page), "the first hits")
    panel = page.get_by_text("Query picture", exact=True)
    if not frame(page).is_visible():
        panel.tap()
    area = image(page)
    hand = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    before = page.evaluate("scrollY")
    touch("touchStart", at(area, 0.2, 0.2))
    for share in (0.3, 0.45, 0.6, 0.7):
        touch("touchMove", at(area, share, share))
        page.wait_for_timeout(60)
    touch("touchEnd")
    until(is_near(page, (0.2, 0.2, 0.7, 0.7)), lambda: f"the box, not {box_of(page)}")
    found_with(truth, page, known, most=6)
    assert page.evaluate("scrollY") == before, "the page does not scroll below the finger"
    touch("touchStart", at(area, 0.7, 0.7))
    for share in (0.75, 0.85, 0.9):
        touch("touchMove", at(area, share, share))
        page.wait_for_timeout(60)
    touch("touchEnd")
    until(is_near(page, (0.2, 0.2, 0.9, 0.9)), lambda: f"the larger box, not {box_of(page)}")
    picture_of(page, "crop-phone")


def test_a_box_of_an_address_is_drawn(
    visitor: Visitor, site: Served, truth: findalike.Library, known: dict[str, str]
) -> None:
    page = visitor.open(f"{site.url}/?t=id@0.25,0.5,0.75,1:{known[NAME]}")
    found_with(truth, page, known)
    area, drawn = image(page), frame(page).bounding_box()
    assert drawn
    assert drawn["x"] == pytest.approx(area["x"] + 0.25 * area["width"], abs=2)
    assert drawn["y"] == pytest.approx(area["y"] + 0.5 * area["height"], abs=2)
    assert drawn["width"] == pytest.approx(0.5 * area["width"], abs=2)
    assert drawn["height"] == pytest.approx(0.5 * area["height"], abs=2)
