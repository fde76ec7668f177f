"""Hits that share an attribute with the query picture, by buttons below it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

import findalike
from browser import Visitor, link, names, picture_of, pictures, query_of, shows, until
from findalike import Query, Term
from web import Served

pytest_plugins = ["web", "browser"]

NAME = "motorcycle_left.jpg"


@pytest.fixture
def looking(visitor: Visitor, site: Served, known: dict[str, str]) -> Page:
    page = visitor.open(f"{site.url}/?t=id:{known[NAME]}")
    until(lambda: pictures(page), "the first hits")
    return page


def attribute(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name="Same as the picture").get_by_role("button", name=name)


def found(truth: findalike.Library, known: dict[str, str], *same: str) -> list[str]:
    return [hit.asset.id for hit in truth.search(Query((Term(known[NAME], "asset"),), same=same, k=60))]


def test_buttons_keep_to_the_values_of_the_picture(
    looking: Page, truth: findalike.Library, known: dict[str, str]
) -> None:
    expect(attribute(looking, "orientation")).to_have_attribute("aria-pressed", "false")
    attribute(looking, "main colour").click()
    shows(looking, found(truth, known, "dominant_color"))
    expect(attribute(looking, "main colour")).to_have_attribute("aria-pressed", "true")
    attribute(looking, "orientation").click()
    shows(looking, found(truth, known, "dominant_color", "orientation"))
    assert query_of(looking)["same"] == ["dominant_color", "orientation"]
    picture_of(looking, "same")
    looking.reload()
    shows(looking, found(truth, known, "dominant_color", "orientation"))
    attribute(looking, "main colour").click()
    shows(looking, found(truth, known, "orientation"))
    looking.go_back()
    expect(attribute(looking, "main colour")).to_have_attribute("aria-pressed", "true")


def test_a_hit_says_what_it_shares(looking: Page, known: dict[str, str], truth: findalike.Library) -> None:
    attribute(looking, "orientation").click()
    shows(looking, found(truth, known, "orientation"))
    link(looking, names(looking)[0]).click()
    expect(looking.get_by_role("dialog").get_by_text("Same orientation as the picture: ")).to_be_visible()


def test_what_is_measured_comes_last_among_the_facts(looking: Page) -> None:
    link(looking, names(looking)[0]).click()
    told = looking.get_by_role("dialog").locator("dl.facts dt").all_inner_texts()
    assert told[-6:] == [
        "Main colour",
        "Orientation",
        "Black and white",
        "Sharpness",
        "Brightness",
        "Changed",
    ]
