"""What counts in looking alike, by sliders beside the query picture."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

import findalike
from browser import Visitor, picture_of, pictures, query_of, shows, until
from findalike import Query, Term
from web import Served

pytest_plugins = ["web", "browser"]

NAME = "motorcycle_left.jpg"


@pytest.fixture
def looking(visitor: Visitor, site: Served, known: dict[str, str]) -> Page:
    page = visitor.open(f"{site.url}/?t=id:{known[NAME]}")
    until(lambda: pictures(page), "the first hits")
    return page


def slider(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name="What counts").get_by_role("slider", name=name)


def found(truth: findalike.Library, known: dict[str, str], look: dict[str, float]) -> list[str]:
    return [hit.asset.id for hit in truth.search(Query((Term(known[NAME], "asset"),), look=look, k=60))]


def test_sliders_weigh_thing_colour_and_layout(
    looking: Page, truth: findalike.Library, known: dict[str, str]
) -> None:
    expect(slider(looking, "Thing")).to_have_value("1")
    expect(slider(looking, "Colours")).to_have_value("0")
    expect(looking.get_by_role("button", name="As usual")).to_be_disabled()
    slider(looking, "Colours").fill("0.5")
    shows(looking, found(truth, known, {"thing": 1, "colour": 0.5}))
    assert query_of(looking)["look"] == ["thing=1,colour=0.5"]
    slider(looking, "Thing").fill("0")
    slider(looking, "Layout").press("ArrowRight")
    shows(looking, found(truth, known, {"colour": 0.5, "layout": 0.25}))
    picture_of(looking, "look")
    looking.get_by_role("button", name="As usual").click()
    shows(looking, [hit.asset.id for hit in truth.search(Term(known[NAME], "asset"), k=60)])
    expect(slider(looking, "Thing")).to_have_value("1")
    assert "look" not in query_of(looking)


def test_the_address_keeps_them_and_one_goes_back(
    looking: Page, truth: findalike.Library, known: dict[str, str]
) -> None:
    slider(looking, "Colours").fill("1")
    shows(looking, found(truth, known, {"thing": 1, "colour": 1}))
    looking.reload()
    shows(looking, found(truth, known, {"thing": 1, "colour": 1}))
    expect(slider(looking, "Colours")).to_have_value("1")
    looking.go_back()
    expect(slider(looking, "Colours")).to_have_value("0")


def test_nothing_cannot_count(looking: Page, truth: findalike.Library, known: dict[str, str]) -> None:
    slider(looking, "Thing").fill("0")
    expect(slider(looking, "Thing")).to_have_value("1")
