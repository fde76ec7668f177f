"""Faces on the page: boxes, names that stay, who it is not, and the persons of the library."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

import findalike
from access import check_for_everyone, check_on_phones
from browser import DESK, PHONE, Visitor, drop, link, names, picture_of, query_of, terms, toast, until
from findalike.web.config import Config
from portraits import LEFT, ids, middles
from web import Served, serving

pytest_plugins = ["web", "browser", "portraits"]


@pytest.fixture(scope="module")
def axe() -> Axe:
    return Axe()


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog", name=re.compile("^Picture "))


def opened(visitor: Visitor, served: Served, name: str, **options: object) -> Page:
    page = visitor.open(f"{served.url}/?open={ids(served)[name]}", **options)  # type: ignore[arg-type]
    expect(chips(page).first).to_be_visible()
    return page


def chips(page: Page) -> Locator:
    """The faces beside the picture."""
    return dialog(page).locator(".faces").get_by_role("button")


def boxes(page: Page) -> Locator:
    """The faces on the picture."""
    return dialog(page).locator(".face-boxes").get_by_role("button")


def people(page: Page) -> Locator:
    page.get_by_role("button", name="People", exact=True).click()
    return page.get_by_role("dialog", name="People")


def test_a_face_is_named_and_its_person_is_found(party: Served, visitor: Visitor) -> None:
    page = opened(visitor, party, "beach")
    expect(boxes(page)).to_have_count(0)
    dialog(page).get_by_role("button", name="Faces").click()
    expect(boxes(page)).to_have_count(2)
    inner, outer = boxes(page).first.bounding_box(), dialog(page).locator(".frame").bounding_box()
    assert inner
    assert outer
    assert (inner["x"] - outer["x"]) / outer["width"] == pytest.approx(LEFT[0], abs=0.01)
    assert inner["height"] / outer["height"] == pytest.approx(LEFT[3] - LEFT[1], abs=0.01)
    boxes(page).first.click()
    field = page.get_by_role("combobox", name="Name of this person")
    expect(field).to_be_focused()
    picture_of(page, "faces-name")
    field.fill("Ada")
    field.press("Enter")
    expect(dialog(page).get_by_role("button", name="Face 1, Ada").first).to_be_visible()
    expect(boxes(page).first).to_have_accessible_name("Face 1, Ada")
    expect(toast(page)).to_contain_text("This is Ada")
    picture_of(page, "faces-named")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    shown = people(page)
    shown.get_by_role("button", name="Show Ada, 3 faces in 3 pictures").click()
    until(lambda: sorted(names(page)) == ["beach.png", "garden.png", "party.png"], lambda: str(names(page)))
    assert query_of(page) == {"tag": ["Ada"]}


def test_not_this_person_is_remembered(party: Served, visitor: Visitor) -> None:
    page = opened(visitor, party, "garden")
    chips(page).nth(1).click()
    page.get_by_role("combobox", name="Name of this person").fill("Ada")
    page.keyboard.press("Enter")
    expect(chips(page).nth(1)).to_have_accessible_name("Face 2, Ada")
    until(lambda: {p.name for p in party.library.people.all()} == {"Ada", ""}, "the name in the library")
    chips(page).nth(1).click()
    page.get_by_role("button", name="Not Ada").click()
    expect(chips(page).nth(1)).to_have_accessible_name("Face 2, nobody yet")
    until(lambda: len(party.library.people.get("Ada").faces) == 2, "the person without the face")
    page.reload()
    expect(chips(page).nth(1)).to_have_accessible_name("Face 2, nobody yet")
    with findalike.open(party.library.path, "r") as other:
        assert other.people.get("Ada").barred
    page.goto(f"{party.url}/?tag=Ada")
    until(lambda: sorted(names(page)) == ["beach.png", "party.png"], lambda: str(names(page)))


def test_a_name_is_taken_back(party: Served, visitor: Visitor) -> None:
    page = opened(visitor, party, "party")
    chips(page).nth(1).focus()
    page.keyboard.press("Enter")
    page.keyboard.type("Grace")
    page.keyboard.press("Enter")
    expect(chips(page).nth(1)).to_have_accessible_name("Face 2, Grace")
    expect(chips(page).nth(1)).to_be_focused()
    toast(page).get_by_role("button", name="Undo").click()
    expect(chips(page).nth(1)).to_have_accessible_name("Face 2, nobody yet")
    assert all(not person.name for person in party.library.people.all())


def test_a_face_is_searched_for(party: Served, visitor: Visitor) -> None:
    page = opened(visitor, party, "garden")
    chips(page).first.click()
    page.get_by_role("button", name="Search this face").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    until(lambda: set(names(page)[:3]) == {"beach.png", "stairs.png", "bench.png"}, lambda: str(names(page)))
    assert query_of(page)["t"] == [f"id~1:{ids(party)['garden']}"]
    expect(terms(page)).to_contain_text("")
    expect(page.locator("#query").get_by_role("button", name="Face 1 of 2", pressed=True)).to_be_visible()
    assert link(page, "stairs.png").locator(".part").is_visible()
    picture_of(page, "faces-search")
    page.get_by_role("button", name="Whole picture").click()
    until(lambda: query_of(page)["t"] == [f"id:{ids(party)['garden']}"], "the whole picture")


def chosen(page: Page) -> list[bool]:
    """Which of the faces of the query picture is pressed."""
    buttons = page.locator("#query").get_by_role("button", name=re.compile(r"^Face \d of 2"))
    return [each.get_attribute("aria-pressed") == "true" for each in buttons.all()]


def test_a_face_of_a_dropped_picture_is_searched_for(crowd: Served, visitor: Visitor, group: Path) -> None:
    page = visitor.open(crowd.url)
    until(lambda: names(page), "the pictures")
    drop(page, group)
    second = page.locator("#query").get_by_role("button", name="Face 2 of 2")
    expect(second).to_be_visible()
    whole = query_of(page)["t"]
    assert chosen(page) == [False, False]
    inner, outer = second.bounding_box(), page.locator("#query .crop img").bounding_box()
    assert inner
    assert outer
    x, y = middles()[1]
    assert (inner["x"] + inner["width"] / 2 - outer["x"]) / outer["width"] == pytest.approx(x, abs=0.03)
    assert (inner["y"] + inner["height"] / 2 - outer["y"]) / outer["height"] == pytest.approx(y, abs=0.05)
    second.click()
    face = [whole[0].replace("picture:", "picture~2:")]
    until(lambda: query_of(page)["t"] == face, lambda: str(query_of(page)))
    until(lambda: names(page)[:1] == ["astronaut.png"], lambda: str(names(page)))
    expect(link(page, "astronaut.png").locator(".part")).to_be_visible()
    assert chosen(page) == [False, True]
    picture_of(page, "faces-dropped")
    page.reload()
    until(lambda: chosen(page) == [False, True], lambda: str(chosen(page)))
    page.go_back()
    until(lambda: chosen(page) == [False, False], lambda: str(chosen(page)))
    assert query_of(page)["t"] == whole
    page.go_forward()
    until(lambda: chosen(page) == [False, True], lambda: str(chosen(page)))
    second.click()
    until(lambda: query_of(page)["t"] == whole, "the whole picture")
    page.locator("#query").get_by_role("button", name="Face 1 of 2").focus()
    page.keyboard.press("Enter")
    until(lambda: chosen(page) == [True, False], lambda: str(chosen(page)))
    expect(terms(page).get_by_role("button", name="More of face 1 of your picture")).to_be_visible()


def test_a_region_takes_the_place_of_a_face(crowd: Served, visitor: Visitor, group: Path) -> None:
    page = visitor.open(crowd.url)
    until(lambda: names(page), "the pictures")
    drop(page, group)
    second = page.locator("#query").get_by_role("button", name="Face 2 of 2")
    second.click()
    until(lambda: chosen(page) == [False, True], "the face")
    inner, outer = second.bounding_box(), page.locator("#query .crop img").bounding_box()
    assert inner
    assert outer
    page.mouse.move(inner["x"] + 8, inner["y"] + 8)  # from within the button
    page.mouse.down()
    page.mouse.move(outer["x"] + outer["width"] - 4, outer["y"] + outer["height"] - 4, steps=6)
    page.mouse.up()
    until(lambda: re.match(r"picture@[\d.,]+:", query_of(page)["t"][0]), lambda: str(query_of(page)))
    assert chosen(page) == [False, False]
    second.click()
    until(lambda: query_of(page)["t"][0].startswith("picture~2:"), lambda: str(query_of(page)))
    page.get_by_role("button", name="Whole picture").click()
    until(lambda: query_of(page)["t"][0].startswith("picture:"), lambda: str(query_of(page)))


def test_people_are_named_merged_and_forgotten(party: Served, visitor: Visitor) -> None:
    page = visitor.open(party.url)
    until(lambda: names(page), "the pictures")
    shown = people(page)
    expect(shown.get_by_role("button", name=re.compile("^Show Person"))).to_have_count(2)
    picture_of(page, "people")
    shown.get_by_role("button", name="Name Person 1").click()
    page.get_by_role("textbox", name="Name of Person 1").fill("Bo")
    page.keyboard.press("Enter")
    expect(shown.get_by_role("button", name="Show Bo, 4 faces in 4 pictures")).to_be_visible()
    shown.get_by_role("button", name="Name Person 2").click()
    picture_of(page, "people-change")
    page.get_by_role("button", name="Merge").click()
    expect(shown.get_by_role("button", name=re.compile("^Show Bo, 7 faces in"))).to_be_visible()
    toast(page).get_by_role("button", name="Undo").click()
    expect(shown.get_by_role("button", name="Show Bo, 4 faces in 4 pictures")).to_be_visible()
    shown.get_by_role("button", name="Change Bo").click()
    page.get_by_role("button", name="Forget this person").click()
    question = page.get_by_role("dialog", name="Forget Bo?")
    expect(question).to_contain_text("cannot be undone")
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    picture_of(page, "people-forget")
    question.get_by_role("button", name="Forget").click()
    expect(shown.get_by_role("button", name=re.compile("^Show Bo"))).to_have_count(0)
    with findalike.open(party.library.path, "r") as other:
        assert not [person for person in other.people.all() if person.name]
        space = next(space for space in other.store.cards() if space.startswith("faces"))
        assert len(other.store.rows(space, ids(party).values())) == 4


@pytest.mark.parametrize("touch", [False, True])
def test_faces_and_people_are_for_everyone(party: Served, visitor: Visitor, axe: Axe, touch: bool) -> None:
    """By axe-core, light and dark, and on the smallest phone."""
    check = check_on_phones if touch else check_for_everyone
    page = opened(visitor, party, "beach", size=PHONE if touch else DESK, touch=touch, still=True)
    dialog(page).get_by_role("button", name="Faces").click()
    expect(boxes(page)).to_have_count(2)
    check(page, "faces-boxes", axe)
    chips(page).first.click()
    expect(page.get_by_role("combobox", name="Name of this person")).to_be_focused()
    check(page, "faces-talk", axe)
    page.goto(f"{party.url}/?t=id~1:{ids(party)['beach']}")
    if touch:
        page.get_by_text("Query picture", exact=True).tap()
    expect(page.get_by_role("button", name="Face 1 of 2", pressed=True)).to_be_visible()
    check(page, "faces-query", axe)
    page.goto(f"{party.url}/#people")
    shown = page.get_by_role("dialog", name="People")
    expect(shown.get_by_role("button", name=re.compile("^Show Person"))).to_have_count(2)
    check(page, "people-all", axe)
    shown.get_by_role("button", name="Name Person 1").click()
    check(page, "people-name", axe)


def test_without_faces_there_is_nothing_of_them(visitor: Visitor, site: Served, group: Path) -> None:
    page = visitor.open(site.url)
    until(lambda: names(page), "the pictures")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response("**/v1/search"):
        drop(page, group)
    expect(page.locator("#query .crop-box")).to_be_visible()
    expect(page.get_by_role("grid")).not_to_have_attribute("aria-busy", "true")
    assert not [url for url in asked if "faces" in url]
    page.goto(site.url)
    until(lambda: names(page), "the pictures")
    expect(page.get_by_role("button", name="People")).to_have_count(0)
    page.get_by_role("grid").get_by_role("link").first.click()
    expect(dialog(page)).to_be_visible()
    expect(dialog(page).get_by_role("button", name="Faces")).to_have_count(0)


def test_who_may_only_read_names_nobody(party: Served, visitor: Visitor) -> None:
    with serving(Path(party.library.path), Config(port=0, writable=False), mode="r") as reading:
        page = opened(visitor, reading, "beach", size=(320, 640), touch=True, dark=True)
        assert page.evaluate("document.querySelector('.detail .content').scrollWidth") <= 320
        chips(page).first.tap()
        picture_of(page, "faces-phone")
        expect(page.get_by_role("button", name="Search this face")).to_be_visible()
        expect(page.get_by_role("combobox", name="Name of this person")).to_have_count(0)
        expect(page.get_by_role("button", name=re.compile("^Not "))).to_have_count(0)
