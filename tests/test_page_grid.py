"""The grid of pictures: their shape and order, scores, scrolling to the end, and the keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import findalike
from browser import (
    Visitor,
    box,
    cell,
    grid,
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
from findalike.store.base import Batch
from findalike.types import Asset, Origin, Row
from web import Served, drawn, encoded, serving

pytest_plugins = ["web", "browser"]

MANY = 10_000


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, truth: findalike.Library) -> Iterator[Served]:
    """A server over a library of ten thousand pictures, whose vectors are random."""
    path = tmp_path_factory.mktemp("crowd") / "library"
    card = next(iter(truth.store.cards().values()))
    vectors = np.random.default_rng(0).standard_normal((MANY, card.dim)).astype(np.float32)
    thumbnail = encoded(drawn(3, (48, 36)), "JPEG")
    with findalike.open(path) as library:
        library.store.add_card(card)
        start = datetime(2020, 1, 1, tzinfo=UTC)
        assets = [
            Asset(
                f"/crowd/{n:05}.jpg", 1, start + timedelta(n), f"{n:016x}", "image/jpeg",
                f"{n:064x}", {"width": 48 + n % 60, "height": 48},
            )
            for n in range(MANY)
        ]  # fmt: skip
        rows = [
            Row(f"{asset.id}:whole", Origin(asset.id), vector)
            for asset, vector in zip(assets, vectors, strict=True)
        ]
        thumbnails = {asset.id: thumbnail for asset in assets}
        library.store.write(Batch(assets, {card.space: rows}, thumbnails))
    with serving(path) as served:
        yield served


# Shape and order


def test_pictures_keep_their_shape_in_rows_as_wide_as_the_grid(page: Page) -> None:
    loaded = "all => all.every((img) => img.complete && img.naturalWidth)"
    until(lambda: grid(page).get_by_role("img").evaluate_all(loaded), "the thumbnails")
    measured = grid(page).evaluate(
        """(grid) => {
          const {left, right} = grid.getBoundingClientRect();
          return [...grid.querySelectorAll("[role=row]")].map((row) => ({left, right,
            cells: [...row.querySelectorAll("[role=gridcell]")].map((cell) => {
              const {left, right, width, height, top} = cell.getBoundingClientRect();
              const img = cell.querySelector("img");
              return {left, right, width, height, top, own: img.naturalWidth / img.naturalHeight};
            })}));
        }"""
    )
    assert len(measured) > 4
    shapes = [
        (one["width"] / one["height"], one["own"]) for row in measured for one in row["cells"] if one["own"]
    ]
    assert len(shapes) > 20
    for shown, own in shapes:
        assert shown == pytest.approx(min(3.2, max(0.45, own)), rel=0.03)
    for row in measured[:-1]:
        cells = row["cells"]
        assert cells[0]["left"] == pytest.approx(row["left"], abs=1)
        assert cells[-1]["right"] == pytest.approx(row["right"], abs=1)
        assert len({round(one["height"], 2) for one in cells}) == 1
        for one, other in pairwise(cells):
            assert other["left"] - one["right"] == pytest.approx(8, abs=0.6)


def test_a_picture_that_lies_on_its_side_is_shown_upright(page: Page) -> None:
    page.goto(f"{page.url}?where=name%20%3D%20%27upright.jpg%27")
    until(lambda: names(page) == ["upright.jpg"], "the picture")
    size = cell(page, "upright.jpg").bounding_box()
    assert size
    assert size["width"] / size["height"] == pytest.approx(80 / 120, rel=0.03)


def test_scores_are_told_in_bands(page: Page, truth: findalike.Library, known: dict[str, str]) -> None:
    page.goto(f"{page.url}?t=id:{known['chelsea.jpg']}")
    hits = truth.search(Query((Term(known["chelsea.jpg"], "asset"),), k=60))
    shows(page, hits)
    for hit in hits[:4]:
        name = hit.asset.uri.rpartition("/")[2]
        expect(link(page, name)).to_have_accessible_name(re.compile(rf"^{name}, {hit.band}"))
    best = hits[0].asset.uri.rpartition("/")[2]
    cell(page, best).hover()
    expect(cell(page, best).get_by_text(hits[0].band)).to_be_visible()
    expect(cell(page, best).get_by_text(f"{hits[0].score:.2f}")).to_be_visible()
    picture_of(page, "grid-scores")
    related = [hit for hit in hits if hit.score >= 0.3]
    assert 0 < len(related) < len(hits)
    below = hits[len(related) + 3].asset.uri.rpartition("/")[2]
    for _ in range(20):
        page.mouse.wheel(0, 500)
        page.wait_for_timeout(30)
        if cell(page, below).count():
            break
    cell(page, below).scroll_into_view_if_needed()
    line = page.get_by_text("Less alike from here on").bounding_box()
    last, next_ = (
        cell(page, hits[at].asset.uri.rpartition("/")[2]).bounding_box()
        for at in (len(related) - 1, len(related))
    )
    assert line
    assert last
    assert next_
    assert last["y"] + last["height"] <= line["y"] < next_["y"]
    picture_of(page, "grid-hardly-related")


def test_no_scores_where_nothing_is_ranked(page: Page) -> None:
    expect(page.get_by_role("slider", name="Least score")).to_be_hidden()
    expect(link(page, "shape-00.png")).to_have_accessible_name(re.compile(r"^shape-00.png, shows"))


def test_the_least_score(page: Page, truth: findalike.Library, known: dict[str, str]) -> None:
    page.goto(f"{page.url}?t=id:{known['chelsea.jpg']}")
    query = (Term(known["chelsea.jpg"], "asset"),)
    shows(page, truth.search(Query(query, k=60)))
    slider = page.get_by_role("slider", name="Least score")
    slider.focus()
    for _ in range(10):
        slider.press("ArrowRight")
    hits = truth.search(Query(query, k=60, min_score=0.5))
    shows(page, hits)
    assert len(pictures(page)) == len(hits) < 20
    assert query_of(page)["least"] == ["0.5"]
    expect(page.get_by_text(f"That is all: {len(hits)} pictures")).to_be_visible()
    page.goto(page.url.partition("?")[0] + "?q=cat&least=0.95")
    expect(page.get_by_text("No picture fits")).to_be_visible()
    picture_of(page, "grid-nothing")
    page.get_by_role("button", name="Show lower scores too").click()
    shows(page, truth.search(text="cat", k=60))
    expect(slider).to_have_value("0")


# To the end


def walk(page: Page, step: float = 0.8, most: int = 4_000) -> list[str]:
    """All ids from the top to the real end, as one who scrolls meets them."""
    page.evaluate("scrollTo(0, 0)")
    met: dict[str, None] = {}
    for _ in range(most):
        met |= dict.fromkeys(pictures(page))
        ended = page.get_by_text("That is all").count()
        done = page.evaluate(
            """async (step) => {
              const at = scrollY;
              scrollBy({top: innerHeight * step, behavior: "instant"});
              for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
              return scrollY === at;
            }""",
            step,
        )
        if done and ended:
            break
    return [*met, *[one for one in pictures(page) if one not in met]]


def test_scrolling_meets_every_picture_once_and_ends(page: Page, truth: findalike.Library) -> None:
    met = walk(page)
    assert len(met) == len(set(met)) == len(truth)
    in_order = sorted(truth.store.assets(), key=lambda asset: asset.uri)
    assert met == [asset.id for asset in in_order]
    expect(page.get_by_text(f"That is all: {len(truth)} pictures")).to_be_visible()
    picture_of(page, "grid-end")


def test_scrolling_a_ranking_meets_what_python_finds(page: Page, truth: findalike.Library) -> None:
    box(page).fill("red")
    hits = truth.search(text="red", k=len(truth))
    shows(page, hits)
    assert walk(page) == [hit.asset.id for hit in hits]


def test_ten_thousand_pictures_scroll_to_a_real_end(visitor: Visitor, crowd: Served) -> None:
    page = visitor.open(crowd.url)
    until(lambda: pictures(page), "the first pictures")
    expect(page.locator("#summary")).to_have_text(re.compile(r"^10,000 pictures"))
    most = 0
    for _ in range(400):
        page.evaluate("scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
        page.wait_for_timeout(15)
        most = max(most, len(pictures(page)))
        if page.get_by_text("That is all").count():
            break
    expect(page.get_by_text("That is all: 10,000 pictures")).to_be_visible()
    page.evaluate("scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
    until(lambda: names(page) and names(page)[-1] == "09999.jpg", "the last picture")
    assert most < 400, "only what is near the window is in the document"
    slowest = page.evaluate(
        """async () => {
          let slowest = 0;
          for (let step = 0; step < 40; step++) {
            const start = performance.now();
            scrollTo({top: Math.random() * document.body.scrollHeight, behavior: "instant"});
            await new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)));
            slowest = Math.max(slowest, performance.now() - start);
          }
          return slowest;
        }"""
    )
    assert slowest < 1_500, "milliseconds from a jump to its pictures, on a machine that does other things"
    link(page, names(page)[0]).focus()
    page.keyboard.press("End")
    expect(link(page, "09999.jpg")).to_be_focused()
    page.keyboard.press("Home")
    expect(link(page, "00000.jpg")).to_be_focused()


def test_a_ranking_of_ten_thousand_goes_on(visitor: Visitor, crowd: Served) -> None:
    visitor.forgive("422")  # the files are not there
    page = visitor.open(f"{crowd.url}/?t=id:{0:016x}")
    until(lambda: pictures(page), "the first pictures")
    for _ in range(20):
        page.evaluate("scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
        page.wait_for_timeout(60)
    seen = pictures(page)
    assert len(seen) == len(set(seen))
    assert f"{0:016x}" not in seen
    told = page.get_by_text(re.compile(r"\+ pictures ·"))
    until(lambda: int(re.sub(r"\D", "", told.inner_text().partition("+")[0])) > 600, "further pages")


def test_back_returns_to_where_one_was(page: Page) -> None:
    until(lambda: len(pictures(page)) > 20 and grid(page).get_attribute("aria-busy") is None, "all pictures")
    page.evaluate("scrollTo({top: 900, behavior: 'instant'})")
    until(lambda: page.evaluate("scrollY") == 900, "the place")
    box(page).fill("cat")
    until(lambda: query_of(page) == {"q": ["cat"]} and page.evaluate("scrollY") == 0, "the top of the answer")
    page.go_back()
    until(lambda: abs(page.evaluate("scrollY") - 900) < 60, lambda: f"900, not {page.evaluate('scrollY')}")


# Keys


def focused(page: Page) -> str:
    """The name of the picture that has the focus."""
    alt: str = page.evaluate(
        "document.activeElement?.closest('[role=gridcell]')?.querySelector('img').alt ?? ''"
    )
    return alt.partition(", ")[0]


def test_arrow_keys_go_through_the_pictures(page: Page) -> None:
    first, second = names(page)[:2]
    page.get_by_role("link", name="Skip to the pictures").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert focused(page) == first
    page.keyboard.press("ArrowRight")
    assert focused(page) == second
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert focused(page) == first, "there is none before the first"
    page.keyboard.press("ArrowDown")
    below = focused(page)
    upper, lower = cell(page, first).bounding_box(), cell(page, below).bounding_box()
    assert upper
    assert lower
    assert lower["y"] > upper["y"]
    assert abs(lower["x"] - upper["x"]) < max(lower["width"], upper["width"])
    page.keyboard.press("ArrowUp")
    assert focused(page) == first
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    inside = cell(page, focused(page)).bounding_box()
    assert inside
    assert inside["y"] > 60
    assert inside["y"] + inside["height"] <= 800


def test_one_picture_is_one_stop_of_the_tab_key(page: Page) -> None:
    """The picture, its tick and its two buttons; then what follows the grid."""
    link(page, names(page)[0]).focus()
    stops = 0
    while focused(page) and stops < 9:
        page.keyboard.press("Tab")
        stops += 1
    assert stops <= 4


def test_enter_opens_and_escape_returns(page: Page) -> None:
    second = names(page)[1]
    link(page, second).focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name=f"Picture {second}")
    expect(dialog).to_be_visible()
    page.keyboard.press("ArrowRight")
    third = names(page)[2]
    expect(page.get_by_role("dialog", name=f"Picture {third}")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    until(lambda: focused(page) == third, "the focus on the picture that was shown")


def test_slash_goes_to_the_box_from_anywhere(page: Page) -> None:
    link(page, names(page)[0]).focus()
    page.keyboard.press("/")
    expect(box(page)).to_be_focused()
    page.keyboard.type("a/b")
    expect(box(page)).to_have_value("a/b")


def test_keys_of_a_picture(page: Page, truth: findalike.Library, known: dict[str, str]) -> None:
    box(page).fill("cat")
    hits = truth.search(text="cat", k=60)
    shows(page, hits)
    first, second = (hit.asset.id for hit in hits[:2])
    best = hits[0].asset.uri.rpartition("/")[2]
    link(page, best).focus()
    page.keyboard.press("x")
    expect(cell(page, best).get_by_role("checkbox")).to_be_checked()
    expect(page.get_by_role("region", name="Selected pictures")).to_contain_text("1 selected")
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="Selected pictures")).to_be_hidden()
    page.keyboard.press("-")
    away = Term(first, "asset", weight=-0.5)
    shows(page, truth.search(Query((Term("cat", "text"), away), k=60)))
    toast(page).get_by_role("button", name="Undo").click()
    shows(page, hits)
    link(page, best).focus()
    page.keyboard.press("+")
    shows(page, truth.search(Query((Term("cat", "text"), Term(first, "asset", weight=0.5)), k=60)))
    page.go_back()
    shows(page, hits)
    link(page, hits[1].asset.uri.rpartition("/")[2]).focus()
    page.keyboard.press("m")
    shows(page, truth.search(Query((Term(second, "asset"),), k=60)))
    expect(terms(page)).to_have_count(1)


def test_the_help_tells_the_keys(page: Page) -> None:
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Keys")
    expect(help_).to_be_visible()
    expect(help_).to_contain_text("More like this")
    picture_of(page, "help")
    page.keyboard.press("Escape")
    expect(help_).to_be_hidden()
    page.get_by_role("button", name="Keyboard help").click()
    expect(help_).to_be_visible()


def test_a_thumbnail_that_cannot_be_had_leaves_its_place(
    page: Page, visitor: Visitor, known: dict[str, str]
) -> None:
    visitor.forgive("ERR_FAILED")
    page.route(re.compile(f"{known['shape-02.png']}/thumbnail"), lambda route: route.abort())
    page.reload()
    until(lambda: pictures(page), "the pictures")
    expect(link(page, "shape-02.png")).to_be_visible()
    size = cell(page, "shape-02.png").bounding_box()
    assert size
    assert size["width"] > 100
