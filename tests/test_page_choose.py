"""Several pictures at once: chosen, exported, labelled, and told apart from what is looked for."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

import findalike
from browser import (
    PHONE,
    Visitor,
    box,
    cell,
    link,
    names,
    picture_of,
    pictures,
    query_of,
    shows,
    terms,
    toast,
    until,
)
from findalike import Query, Term
from web import Served

pytest_plugins = ["web", "browser"]

THREE = ("shape-01.png", "shape-03.png", "shape-04.png")


def bar(page: Page) -> Locator:
    return page.get_by_role("region", name="Selected pictures")


def choose(page: Page, *chosen: str) -> None:
    for name in chosen:
        cell(page, name).hover()
        cell(page, name).get_by_role("checkbox", name=f"Select {name}").click()
    expect(bar(page)).to_contain_text(f"{len(chosen)} selected")


def named(hits: findalike.Hits) -> list[str]:
    return [hit.asset.uri.rpartition("/")[2] for hit in hits]


# Choosing


def test_pictures_are_chosen_one_by_one_in_a_row_and_all(page: Page) -> None:
    choose(page, "shape-01.png")
    checkbox = cell(page, "shape-01.png").get_by_role("checkbox")
    expect(checkbox).to_be_checked()
    expect(cell(page, "shape-01.png")).to_have_attribute("aria-selected", "true")
    cell(page, "shape-04.png").hover()
    cell(page, "shape-04.png").get_by_role("checkbox").click(modifiers=["Shift"])
    expect(bar(page)).to_contain_text("4 selected")
    picture_of(page, "selection")
    checkbox.click()
    expect(checkbox).not_to_be_checked()
    expect(bar(page)).to_contain_text("3 selected")
    bar(page).get_by_role("button", name=re.compile("^All .* shown")).click()
    expect(bar(page)).to_contain_text(re.compile(r"(60|113) selected"))
    bar(page).get_by_role("button", name="Clear the selection").click()
    expect(bar(page)).to_be_hidden()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)


def test_choosing_by_tapping(visitor: Visitor, site: Served) -> None:
    page = visitor.open(site.url, size=PHONE, touch=True)
    until(lambda: names(page), "the pictures")
    page.get_by_role("button", name="Select", exact=True).tap()
    for name in THREE[:2]:
        link(page, name).tap()
    expect(bar(page)).to_contain_text("2 selected")
    expect(page.get_by_role("dialog")).to_have_count(0)
    for button in bar(page).get_by_role("button").all():
        expect(button).to_be_visible()
    picture_of(page, "phone-selection")
    bar(page).get_by_role("button", name="Export").tap()
    expect(page.get_by_role("dialog", name="Export")).to_be_visible()
    picture_of(page, "phone-export")


# Taking along


@pytest.fixture
def ids(known: dict[str, str]) -> list[str]:
    return [known[name] for name in THREE]


def exported(page: Page, text: str) -> tuple[str, bytes]:
    bar(page).get_by_role("button", name="Export").click()
    menu = page.get_by_role("dialog", name="Export")
    expect(menu).to_be_visible()
    picture_of(page, "export")
    with page.expect_download() as download:
        menu.get_by_role("button", name=text).click()
    expect(menu).to_be_hidden()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


@pytest.mark.parametrize(("text", "format_"), [("Table (CSV)", "csv"), ("Records (JSON)", "json")])
def test_tables_are_what_the_server_gives(
    page: Page, site: Served, ids: list[str], text: str, format_: str
) -> None:
    choose(page, *THREE)
    name, data = exported(page, text)
    assert name == f"findalike.{format_}"
    with site.client() as client:
        told = client.post("/v1/assets/export", json={"ids": ids, "format": format_})
    assert data == told.content
    if format_ == "csv":
        rows = [*csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))]
        assert [row["id"] for row in rows] == ids
        assert [row["name"] for row in rows] == [*THREE]
    else:
        assert [each["id"] for each in json.loads(data)] == ids


def test_the_files_in_a_zip(page: Page, photographs: Path) -> None:
    choose(page, *THREE)
    name, data = exported(page, "The pictures (ZIP)")
    assert name == "findalike.zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == [*THREE]
        for each in THREE:
            assert archive.read(each) == (photographs / "drawn" / each).read_bytes()


def test_a_label_on_many_and_taken_back(writing: Served, visitor: Visitor) -> None:
    page = visitor.open(writing.url)
    until(lambda: names(page), "the pictures")
    of = {asset.uri.rpartition("/")[2]: asset.id for asset in writing.library.store.assets()}
    chosen = [of[name] for name in THREE]
    choose(page, *THREE)
    bar(page).get_by_role("button", name="Label").click()
    menu = page.get_by_role("dialog", name="Label 3 pictures")
    field = menu.get_by_role("combobox", name="New label")
    expect(field).to_be_focused()
    field.fill("holiday")
    picture_of(page, "label")
    field.press("Enter")
    expect(toast(page)).to_contain_text("“holiday” is on 3 pictures")
    assert writing.library.labels(chosen) == dict.fromkeys(chosen, ("holiday",))
    page.keyboard.press("f")
    holiday = page.get_by_role("region", name="Filters", exact=True).get_by_title("holiday", exact=True)
    expect(holiday).to_contain_text("3")
    toast(page).get_by_role("button", name="Undo").click()
    until(lambda: writing.library.labels(chosen) == {}, "no labels")


# Less like this


def test_what_does_not_match_reshapes_the_results_and_can_be_undone(
    page: Page, truth: findalike.Library
) -> None:
    box(page).fill("animal")
    hits = truth.search(text="animal", k=60)
    shows(page, hits)
    wrong = hits[:3]
    choose(page, *named(wrong))
    bar(page).get_by_role("button", name="Less like this").click()
    away = tuple(Term(hit.asset.id, "asset", weight=round(-0.5 / 3, 6)) for hit in wrong)
    reshaped = truth.search(Query((Term("animal", "text"), *away), k=60))
    shows(page, reshaped)
    assert not {hit.asset.id for hit in wrong} & set(pictures(page))
    expect(bar(page)).to_be_hidden()
    expect(toast(page)).to_contain_text("Less like 3 pictures")
    expect(terms(page)).to_contain_text(["not: 3 pictures"])
    picture_of(page, "feedback")
    toast(page).get_by_role("button", name="Undo").click()
    shows(page, hits)
    assert query_of(page) == {"q": ["animal"]}
    page.go_back()
    shows(page, reshaped)
    page.reload()
    shows(page, reshaped)


def test_feedback_is_taken_out_one_by_one(page: Page, truth: findalike.Library) -> None:
    hits = truth.search(text="animal", k=60)
    first, second = hits[0].asset, hits[1].asset
    page.goto(f"{page.url}?q=animal&not={first.id},{second.id}")
    both = tuple(Term(each.id, "asset", weight=-0.25) for each in (first, second))
    shows(page, truth.search(Query((Term("animal", "text"), *both), k=60)))
    page.get_by_role("button", name="not: 2 pictures", exact=True).click()
    list_ = page.get_by_role("dialog", name="Not like these")
    expect(list_.get_by_role("listitem")).to_have_count(2)
    first_name, second_name = (each.uri.rpartition("/")[2] for each in (first, second))
    expect(list_.get_by_role("listitem")).to_contain_text([first_name, second_name])
    picture_of(page, "feedback-list")
    list_.get_by_role("button", name=f"Take out {first_name}").click()
    expect(list_.get_by_role("button", name=f"Take out {second_name}")).to_be_focused()
    shows(page, truth.search(Query((Term("animal", "text"), Term(second.id, "asset", weight=-0.5)), k=60)))
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Forget not: 1 picture").click()
    shows(page, hits)


def test_more_of_some_and_less_of_another(page: Page, truth: findalike.Library) -> None:
    box(page).fill("animal")
    hits = truth.search(text="animal", k=60)
    shows(page, hits)
    liked = hits[2].asset
    choose(page, liked.uri.rpartition("/")[2])
    bar(page).get_by_role("button", name="More of this").click()
    shows(page, truth.search(Query((Term("animal", "text"), Term(liked.id, "asset", weight=0.5)), k=60)))
    cell(page, names(page)[0]).hover()
    refused = names(page)[0]
    cell(page, refused).get_by_role("button", name=f"Less like {refused}").click()
    of = {asset.uri.rpartition("/")[2]: asset.id for asset in truth.store.assets()}
    wanted = (
        Term("animal", "text"),
        Term(liked.id, "asset", weight=0.5),
        Term(of[refused], "asset", weight=-0.5),
    )
    shows(page, truth.search(Query(wanted, k=60)))


def test_nothing_is_pushed_away_where_nothing_is_looked_for(page: Page) -> None:
    choose(page, "shape-01.png")
    expect(bar(page).get_by_role("button", name="Less like this")).to_be_disabled()
    expect(bar(page).get_by_role("button", name="More of this")).to_be_enabled()


def test_the_focus_is_not_lost_when_the_bar_is_drawn_anew(page: Page) -> None:
    link(page, "shape-01.png").focus()
    page.keyboard.press("x")
    every = bar(page).get_by_role("button", name=re.compile("^All .* shown"))
    every.focus()
    page.keyboard.press("Enter")
    expect(every).to_be_focused()
    bar(page).get_by_role("button", name="Clear the selection").focus()
    page.keyboard.press("Enter")
    expect(bar(page)).to_be_hidden()
    expect(page.get_by_role("button", name="Select", exact=True)).to_be_focused()
