"""Faces on the page: boxes, names that stay, who it is not, and the persons of the library."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Locator, Page, expect

import findalike
from browser import Visitor, link, names, picture_of, query_of, terms, toast, until
from findalike.encode import catalog
from findalike.store.base import Batch
from findalike.types import Box, Origin, Row
from findalike.web.config import Config
from web import Served, drawn, encoded, serving

pytest_plugins = ["web", "browser"]

LEFT, RIGHT = (0.1, 0.2, 0.35, 0.6), (0.6, 0.25, 0.85, 0.65)

SHOWN: Mapping[str, Mapping[Box, str]] = {
    "beach": {LEFT: "tall", RIGHT: "small"},
    "garden": {LEFT: "small", RIGHT: "tall"},
    "party": {LEFT: "tall", RIGHT: "stranger"},
    "stairs": {RIGHT: "small"},
    "bench": {LEFT: "small"},
    "empty": {},
}
"""Who is where in which picture."""


def portrait(seed: int) -> Image.Image:
    """A face, as one draws it."""
    image = Image.new("RGB", (112, 112), tuple(np.random.default_rng(seed).integers(60, 220, 3).tolist()))
    draw = ImageDraw.Draw(image)
    draw.ellipse((20, 10, 92, 104), fill="bisque")
    draw.ellipse((38, 42, 46, 50), fill="black")
    draw.ellipse((66, 42, 74, 50), fill="black")
    draw.arc((38, 60, 74, 86), 20, 160, "brown", 4)
    return image


def fill(library: findalike.Library, folder: Path) -> None:
    """Pictures with faces whose vectors are given: near each other for one person, far for two."""
    folder.mkdir()
    for seed, (name, shown) in enumerate(SHOWN.items()):
        image = drawn(seed, (480, 360))
        for box, who in shown.items():
            left, top, right, bottom = (
                round(edge * side) for edge, side in zip(box, (480, 360) * 2, strict=True)
            )
            image.paste(portrait(len(who)).resize((right - left, bottom - top)), (left, top))
        image.save(folder / f"{name}.png")
    assert not library.add(folder).failures
    card = catalog.find("faces")
    rng = np.random.default_rng(0)
    look = {who: rng.standard_normal(card.dim) for who in ("tall", "small", "stranger")}
    library.store.add_card(card)
    rows, crops = [], {}
    for asset in library.store.assets():
        shown = SHOWN[Path(asset.uri).stem]
        crops[asset.id] = {card.space: b""}
        for box, who in shown.items():
            origin = Origin(asset.id, "face", box, label="0.99")
            vector = look[who] + 0.05 * rng.standard_normal(card.dim)
            rows.append(
                Row(f"{asset.id}:{origin.key}", origin, (vector / np.linalg.norm(vector)).astype(np.float32))
            )
            crops[asset.id][origin.key] = encoded(portrait(len(who)), "JPEG")
    library.store.write(Batch(rows={card.space: rows}, attachments=crops))


@pytest.fixture
def album(tmp_path: Path) -> Iterator[Served]:
    """A server over a library with faces of its own, in which all may be changed."""
    with findalike.open(tmp_path / "library") as library:
        fill(library, tmp_path / "Pictures")
    with serving(tmp_path / "library") as served:
        yield served


def ids(served: Served) -> dict[str, str]:
    return {Path(asset.uri).stem: asset.id for asset in served.library.store.assets()}


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


def test_a_face_is_named_and_its_person_is_found(album: Served, visitor: Visitor) -> None:
    page = opened(visitor, album, "beach")
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


def test_not_this_person_is_remembered(album: Served, visitor: Visitor) -> None:
    page = opened(visitor, album, "garden")
    chips(page).nth(1).click()
    page.get_by_role("combobox", name="Name of this person").fill("Ada")
    page.keyboard.press("Enter")
    expect(chips(page).nth(1)).to_have_accessible_name("Face 2, Ada")
    until(lambda: {p.name for p in album.library.people.all()} == {"Ada", ""}, "the name in the library")
    chips(page).nth(1).click()
    page.get_by_role("button", name="Not Ada").click()
    expect(chips(page).nth(1)).to_have_accessible_name("Face 2, nobody yet")
    until(lambda: len(album.library.people.get("Ada").faces) == 2, "the person without the face")
    page.reload()
    expect(chips(page).nth(1)).to_have_accessible_name("Face 2, nobody yet")
    with findalike.open(album.library.path, "r") as other:
        assert other.people.get("Ada").barred
    page.goto(f"{album.url}/?tag=Ada")
    until(lambda: sorted(names(page)) == ["beach.png", "party.png"], lambda: str(names(page)))


def test_a_name_is_taken_back(album: Served, visitor: Visitor) -> None:
    page = opened(visitor, album, "party")
    chips(page).nth(1).focus()
    page.keyboard.press("Enter")
    page.keyboard.type("Grace")
    page.keyboard.press("Enter")
    expect(chips(page).nth(1)).to_have_accessible_name("Face 2, Grace")
    expect(chips(page).nth(1)).to_be_focused()
    toast(page).get_by_role("button", name="Undo").click()
    expect(chips(page).nth(1)).to_have_accessible_name("Face 2, nobody yet")
    assert all(not person.name for person in album.library.people.all())


def test_a_face_is_searched_for(album: Served, visitor: Visitor) -> None:
    page = opened(visitor, album, "garden")
    chips(page).first.click()
    page.get_by_role("button", name="Search this face").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    until(lambda: set(names(page)[:3]) == {"beach.png", "stairs.png", "bench.png"}, lambda: str(names(page)))
    assert query_of(page)["t"] == [f"id~1:{ids(album)['garden']}"]
    expect(terms(page)).to_contain_text("")
    expect(page.locator("#query .part")).to_be_visible()
    assert link(page, "stairs.png").locator(".part").is_visible()
    picture_of(page, "faces-search")
    page.get_by_role("button", name="Whole picture").click()
    until(lambda: query_of(page)["t"] == [f"id:{ids(album)['garden']}"], "the whole picture")


def test_people_are_named_merged_and_forgotten(album: Served, visitor: Visitor) -> None:
    page = visitor.open(album.url)
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
    with findalike.open(album.library.path, "r") as other:
        assert not [person for person in other.people.all() if person.name]
        space = next(space for space in other.store.cards() if space.startswith("faces"))
        assert len(other.store.rows(space, ids(album).values())) == 4


def test_without_faces_there_is_nothing_of_them(visitor: Visitor, site: Served) -> None:
    page = visitor.open(site.url)
    until(lambda: names(page), "the pictures")
    expect(page.get_by_role("button", name="People")).to_have_count(0)
    page.get_by_role("grid").get_by_role("link").first.click()
    expect(dialog(page)).to_be_visible()
    expect(dialog(page).get_by_role("button", name="Faces")).to_have_count(0)


def test_who_may_only_read_names_nobody(album: Served, visitor: Visitor) -> None:
    with serving(Path(album.library.path), Config(port=0, writable=False), mode="r") as reading:
        page = opened(visitor, reading, "beach", size=(320, 640), touch=True, dark=True)
        assert page.evaluate("document.querySelector('.detail .content').scrollWidth") <= 320
        chips(page).first.tap()
        picture_of(page, "faces-phone")
        expect(page.get_by_role("button", name="Search this face")).to_be_visible()
        expect(page.get_by_role("combobox", name="Name of this person")).to_have_count(0)
        expect(page.get_by_role("button", name=re.compile("^Not "))).to_have_count(0)
