"""Filters: colours, tags, columns, dates and expressions, with counts that are true."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

import findalike
from browser import PHONE, Visitor, box, names, picture_of, pictures, query_of, shows, until
from findalike import Query, Term
from web import Served

pytest_plugins = ["web", "browser"]


@pytest.fixture
def panel(page: Page) -> Locator:
    """The panel of filters, open."""
    page.get_by_role("button", name="Filters", exact=True).click()
    panel = page.get_by_role("region", name="Filters", exact=True)
    expect(panel).to_be_visible()
    return panel


def by_path(truth: findalike.Library, where: str) -> list[str]:
    hits = truth.search(where=where, k=200)
    return [hit.asset.id for hit in sorted(hits, key=lambda hit: hit.asset.uri)]


def active(page: Page) -> Locator:
    return page.get_by_role("list", name="Active filters")


def counts(panel: Locator) -> dict[str, int]:
    """The values that are offered with their counts."""
    values = panel.get_by_role("button").evaluate_all(
        """all => all
          .filter((button) => button.ariaPressed !== null && button.title && button.innerText.trim())
          .map((button) => [button.title, button.innerText])"""
    )
    told = ((name, re.search(r"([\d,]+)\s*$", text)) for name, text in values)
    return {name: int(found[1].replace(",", "")) for name, found in told if found}


def test_a_colour(page: Page, panel: Locator, truth: findalike.Library) -> None:
    facets = dict(truth.facets("tag", most=1000))
    red = panel.get_by_role("button", name=re.compile(f"^red, {facets['red']} picture"))
    red.click()
    shows(page, by_path(truth, "tag = 'red'"))
    expect(red).to_have_attribute("aria-pressed", "true")
    expect(active(page)).to_contain_text("red")
    assert query_of(page) == {"tag": ["red"]}
    picture_of(page, "filters")
    page.go_back()
    expect(red).to_have_attribute("aria-pressed", "false")
    until(lambda: len(names(page)) > 20, "all pictures")


def test_the_counts_are_those_of_the_library(page: Page, panel: Locator, truth: findalike.Library) -> None:
    facets = dict(truth.facets("tag", most=1000))
    until(lambda: len(counts(panel)) > 8, "the counts")
    shown = counts(panel)
    tags = {name: count for name, count in shown.items() if name in facets}
    assert len(tags) >= 8
    assert tags == {name: facets[name] for name in tags}
    media = dict(truth.facets("media"))
    until(lambda: media.keys() <= counts(panel).keys(), "kinds of files")
    shown = counts(panel)
    assert {name: shown[name] for name in media} == media
    most = next(iter(tags))
    panel.get_by_role("button", name=re.compile(f"^{most}")).first.click()
    left = dict(truth.facets("media", f"tag = '{most}'"))
    until(
        lambda: {name: counts(panel).get(name) for name in left} == left,
        lambda: f"{left}, not {counts(panel)}",
    )


def test_filters_meet(page: Page, panel: Locator, truth: findalike.Library) -> None:
    """Values of one column are alternatives, columns and tags must all be."""
    cameras = panel.get_by_role("button", name=re.compile("^image"))
    until(lambda: cameras.count() >= 2, "kinds of files")
    panel.get_by_role("button", name=re.compile("image.png")).click()
    shows(page, by_path(truth, "media = 'image/png'"))
    panel.get_by_role("button", name=re.compile("image.jpeg")).click()
    until(lambda: query_of(page).get("in") == ["media=image/png", "media=image/jpeg"], "both kinds")
    panel.get_by_role("button", name=re.compile("^green, ")).click()
    shows(page, by_path(truth, "media in ('image/png', 'image/jpeg') and tag = 'green'"))
    expect(active(page).get_by_role("listitem")).to_have_count(4)
    active(page).get_by_role("button", name="No longer Kind of file: image/jpeg").click()
    shows(page, by_path(truth, "media = 'image/png' and tag = 'green'"))
    active(page).get_by_role("button", name="Clear all").click()
    until(lambda: query_of(page) == {}, "no filter")
    expect(active(page)).to_be_hidden()


def test_a_folder(page: Page, panel: Locator, truth: findalike.Library) -> None:
    folder = panel.get_by_role("button", name=re.compile("Pictures.drawn"))
    folder.click()
    until(lambda: names(page) == [f"shape-{n:02}.png" for n in range(20)], "the drawings")
    expect(active(page)).to_contain_text("Folder: Pictures/drawn")


def test_a_filter_stays_when_something_is_searched(
    page: Page, panel: Locator, truth: findalike.Library
) -> None:
    panel.get_by_role("button", name=re.compile("^green, ")).click()
    shows(page, by_path(truth, "tag = 'green'"))
    box(page).fill("circle")
    shows(page, truth.search(Query((Term("circle", "text"),), where="tag = 'green'", k=60)))
    assert query_of(page) == {"q": ["circle"], "tag": ["green"]}


def test_dates_with_both_ends(page: Page, panel: Locator, truth: findalike.Library) -> None:
    first, last = panel.get_by_label("From"), panel.get_by_label("To")
    expect(first).to_have_attribute("min", "2015-01-01")
    expect(last).to_have_attribute("max", "2021-12-31")
    first.fill("2015-05-02")
    first.press("Enter")
    until(
        lambda: sorted(names(page)) == ["coffee.jpg", "coins.jpg", "grass.jpg", "rocket.jpg"],
        "those since then",
    )
    last.fill("2019-08-01")
    last.press("Enter")
    until(
        lambda: sorted(names(page)) == ["coffee.jpg", "coins.jpg", "grass.jpg"],
        lambda: f"the day itself, not {names(page)}",
    )
    assert query_of(page) == {"from": ["2015-05-02"], "to": ["2019-08-01"]}
    expect(active(page)).to_contain_text("from 2015-05-02")
    active(page).get_by_role("button", name="No longer from 2015-05-02").click()
    until(lambda: "chelsea.jpg" in names(page), "the first one")


def test_an_expression(page: Page, visitor: Visitor, panel: Locator, truth: findalike.Library) -> None:
    panel.get_by_text("Expression").click()
    field = panel.get_by_role("textbox", name="Filter expression")
    field.fill("width > 400 and name like 'c%'")
    field.press("Enter")
    shows(page, by_path(truth, "width > 400 and name like 'c%'"))
    visitor.forgive("422")
    field.fill("width >> 7 and")
    field.press("Enter")
    wrong = panel.get_by_role("alert")
    expect(wrong).to_be_visible()
    expect(wrong).to_contain_text(re.compile("expected|>", re.IGNORECASE))
    expect(field).to_have_attribute("aria-invalid", "true")
    picture_of(page, "filters-wrong-expression")
    page.get_by_role("button", name="Clear the filters").click()
    until(lambda: len(pictures(page)) > 20, "all pictures")
    expect(field).to_have_value("")
    expect(wrong).to_be_hidden()


def test_a_wrong_expression_of_an_address_is_told(visitor: Visitor, site: Served) -> None:
    visitor.forgive("422")
    page = visitor.open(f"{site.url}/?where=nonsense%20%3D%203")
    results = page.get_by_role("region", name="Results", exact=True)
    expect(results.get_by_text("No column is named 'nonsense'")).to_be_visible()
    picture_of(page, "filters-wrong-address")
    page.get_by_role("button", name="Clear the filters").click()
    until(lambda: len(pictures(page)) > 20, "all pictures")


def test_another_tag_may_be_typed(page: Page, panel: Locator, truth: findalike.Library) -> None:
    tag = [tag for tag, _ in truth.facets("tag", most=1000)][-1]
    field = panel.get_by_role("combobox", name="Filter by another tag")
    field.fill(str(tag))
    field.press("Enter")
    shows(page, by_path(truth, f"tag = '{tag}'"))
    until(lambda: counts(panel).get(str(tag)) == 1, "the new counts")
    expect(field).to_be_focused()
    field.fill("it's nowhere")
    field.press("Enter")
    expect(page.get_by_text("No picture fits")).to_be_visible()
    page.get_by_role("button", name="Clear the filters").click()
    until(lambda: len(pictures(page)) > 20, "all pictures")


def test_the_keyboard_keeps_its_place_in_the_panel(page: Page, panel: Locator) -> None:
    """What is pressed stays focused, though all counts are drawn anew."""
    until(lambda: len(counts(panel)) > 8, "the counts")
    name = next(name for name in counts(panel) if "/" not in name)
    value = panel.get_by_title(name, exact=True)
    value.focus()
    page.keyboard.press("Enter")
    until(lambda: query_of(page).get("tag") == [name], "the filter")
    page.wait_for_timeout(600)
    expect(panel.get_by_title(name, exact=True)).to_be_focused()


def test_the_keyboard_opens_and_closes_the_panel(page: Page) -> None:
    button = page.get_by_role("button", name="Filters", exact=True)
    expect(button).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("f")
    panel = page.get_by_role("region", name="Filters", exact=True)
    expect(panel).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(button).to_be_focused()


def test_filters_on_a_phone(visitor: Visitor, site: Served, truth: findalike.Library) -> None:
    page = visitor.open(site.url, size=PHONE, touch=True)
    until(lambda: pictures(page), "the first pictures")
    page.get_by_role("button", name="Filters", exact=True).tap()
    panel = page.get_by_role("region", name="Filters", exact=True)
    until(lambda: len(counts(panel)) > 8, "the counts")
    picture_of(page, "phone-filters")
    panel.get_by_role("button", name=re.compile("^red, ")).tap()
    panel.get_by_role("button", name="Close the filters").tap()
    shows(page, by_path(truth, "tag = 'red'"))
    expect(panel).to_be_hidden()
