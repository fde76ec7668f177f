"""One picture, large: what is told of it, what can be done with it, and the query picture beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

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
from web import Served, drawn, encoded, serving

pytest_plugins = ["web", "browser"]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, photographs: Path) -> Iterator[Served]:
    """A server over a library that knows parts of its pictures."""
    path = tmp_path_factory.mktemp("parts") / "library"
    with findalike.open(path) as library:
        library.add(
            *(photographs / "photos" / f"{name}.jpg" for name in ("chelsea", "coffee", "rocket")),
            regions="grid",
        )
    with serving(path) as served:
        yield served


def dialog(page: Page, name: str) -> Locator:
    return page.get_by_role("dialog", name=f"Picture {name}", exact=True)


def opened(page: Page, name: str) -> Locator:
    link(page, name).click()
    expect(dialog(page, name)).to_be_visible()
    return dialog(page, name)


def is_loaded(image: Locator) -> bool:
    return bool(image.evaluate("(img) => img.complete && img.naturalWidth > 0"))


# What is told


def test_all_that_is_known_of_a_picture(
    page: Page, truth: findalike.Library, known: dict[str, str], photographs: Path
) -> None:
    link(page, "shape-19.png").scroll_into_view_if_needed()
    page.goto(f"{page.url}?tag=cat")
    shown = opened(page, "chelsea.jpg")
    large = shown.get_by_role("img", name=re.compile("^chelsea.jpg, shows"))
    until(lambda: is_loaded(large), "the large picture")
    with Image.open(photographs / "photos" / "chelsea.jpg") as image:
        assert large.evaluate("(img) => [img.naturalWidth, img.naturalHeight]") == list(image.size)
        expect(shown).to_contain_text(f"{image.width} × {image.height}")
    expect(shown).to_contain_text("1 May 2015")
    expect(shown.get_by_text(str(photographs / "photos" / "chelsea.jpg"))).to_be_visible()
    best: dict[str, float] = {}
    for tag in truth.tags(f"id:{known['chelsea.jpg']}"):
        best[tag.name] = max(tag.weight, best.get(tag.name, 0))
    for name, weight in sorted(best.items(), key=lambda one: -one[1])[:5]:
        sure = re.compile(rf"^{re.escape(name)} ?, {round(100 * weight)} percent sure$")
        expect(shown.get_by_role("button", name=sure)).to_have_count(1)
    near = truth.search(Query((Term(known["chelsea.jpg"], "asset"),), k=12))
    strip = shown.get_by_role("region", name="Similar pictures").get_by_role("img")
    expect(strip).to_have_count(12)
    alts = strip.evaluate_all("all => all.map((img) => img.alt)")
    assert alts == [f"{hit.asset.uri.rpartition('/')[2]}, {hit.band}" for hit in near]
    expect(shown.get_by_text("Why it was found")).to_have_count(0)
    picture_of(page, "detail")


def test_why_it_was_found(page: Page, truth: findalike.Library, known: dict[str, str]) -> None:
    box(page).fill("cat")
    hits = truth.search(text="cat", k=60)
    shows(page, hits)
    best = hits[0]
    shown = opened(page, best.asset.uri.rpartition("/")[2])
    why = shown.locator("section").filter(has=page.get_by_role("heading", name="Why it was found"))
    expect(why).to_contain_text(re.compile(f"{best.band} {best.score:.2f}", re.IGNORECASE))
    expect(why).to_contain_text("“cat”")
    assert why.get_by_role("listitem").count() >= 1


def test_why_it_was_found_by_a_picture_away_from_another(
    page: Page, known: dict[str, str], site: Served
) -> None:
    page.goto(f"{site.url}/?t=id:{known['chelsea.jpg']}&t=id*-0.5:{known['coffee.jpg']}")
    shown = opened(page, "chelsea-mirrored.jpg")
    why = shown.locator("section").filter(has=page.get_by_role("heading", name="Why it was found"))
    expect(why).to_contain_text("like chelsea.jpg")
    expect(why).to_contain_text(re.compile("away from coffee.jpg"))


def test_the_part_that_matched(visitor: Visitor, parts: Served) -> None:
    ids = {asset.uri.rpartition("/")[2]: asset.id for asset in parts.library.store.assets()}
    address = f"{parts.url}/?t=id@0.05,0.05,0.45,0.45:{ids['coffee.jpg']}"
    with findalike.open(parts.library.path, "r") as truth:
        wanted = (Term(ids["coffee.jpg"], "asset", (0.05, 0.05, 0.45, 0.45)),)
        hits = truth.search(Query(wanted, k=60))
    hit = next(hit for hit in hits if hit.origin.part != "whole")
    page = visitor.open(address)
    shows(page, hits)
    shown = opened(page, hit.asset.uri.rpartition("/")[2])
    part, large = (
        shown.get_by_title("The part that matched"),
        shown.get_by_role("img", name=re.compile("jpg, shows")).first,
    )
    until(lambda: is_loaded(large), "the large picture")
    inner, outer = part.bounding_box(), large.bounding_box()
    assert inner
    assert outer
    left, top, right, bottom = hit.origin.box
    assert (inner["x"] - outer["x"]) / outer["width"] == pytest.approx(left, abs=0.01)
    assert (inner["y"] - outer["y"]) / outer["height"] == pytest.approx(top, abs=0.01)
    assert inner["width"] / outer["width"] == pytest.approx(right - left, abs=0.01)
    assert inner["height"] / outer["height"] == pytest.approx(bottom - top, abs=0.01)
    picture_of(page, "detail-part")


# Going through them


def test_keys_and_buttons_go_through_the_hits(page: Page, truth: findalike.Library) -> None:
    box(page).fill("dark")
    hits = truth.search(text="dark", k=60)
    shows(page, hits)
    order = [hit.asset.uri.rpartition("/")[2] for hit in hits[:3]]
    shown = opened(page, order[0])
    expect(shown).to_contain_text(re.compile(r"1 of 60\+?"))
    expect(shown.get_by_role("button", name="Previous picture")).to_be_disabled()
    page.keyboard.press("ArrowRight")
    expect(dialog(page, order[1])).to_be_visible()
    dialog(page, order[1]).get_by_role("button", name="Next picture").click()
    expect(dialog(page, order[2])).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(dialog(page, order[1])).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    shows(page, hits)
    assert query_of(page) == {"q": ["dark"]}


def test_an_opened_picture_is_shared(
    visitor: Visitor, site: Served, truth: findalike.Library, known: dict[str, str]
) -> None:
    """Also one that is not among the first hits."""
    hits = truth.search(text="cat", k=len(truth))
    last = hits[len(truth) - 1].asset
    name = last.uri.rpartition("/")[2]
    page = visitor.open(f"{site.url}/?q=cat&open={last.id}")
    expect(dialog(page, name)).to_be_visible()
    expect(dialog(page, name).get_by_role("heading", name=name)).to_be_visible()
    until(
        lambda: is_loaded(dialog(page, name).get_by_role("img", name=re.compile(f"^{name}")).first),
        "the picture",
    )
    dialog(page, name).get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert query_of(page) == {"q": ["cat"]}
    shows(page, hits)
    page.go_back()
    assert query_of(page) == {} or page.url == "about:blank", "closing was no step"


def test_a_picture_that_is_not_there_is_told(visitor: Visitor, site: Served) -> None:
    visitor.forgive("404")
    page = visitor.open(f"{site.url}/?open=ffffffffffffffff")
    expect(toast(page)).to_contain_text("No picture of the library")
    picture_of(page, "detail-gone")
    expect(page.get_by_role("dialog")).to_have_count(0)
    until(lambda: pictures(page), "the pictures below")
    assert query_of(page) == {}


def test_a_neighbour_opens(page: Page, truth: findalike.Library, known: dict[str, str]) -> None:
    opened(page, "shape-00.png")
    near = truth.search(Query((Term(known["shape-00.png"], "asset"),), k=12))
    name = near[0].asset.uri.rpartition("/")[2]
    strip = page.get_by_role("dialog").get_by_role("region", name="Similar pictures")
    strip.get_by_role("button").first.click()
    expect(dialog(page, name)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


# What can be done


def test_the_path_is_copied_and_the_folder_opened(
    page: Page, photographs: Path, revealed: list[Path]
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    path = photographs / "drawn" / "shape-03.png"
    shown = opened(page, "shape-03.png")
    shown.get_by_role("button", name="Copy path").click()
    expect(toast(page)).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == str(path)
    shown.get_by_role("button", name="Open folder").click()
    expect(toast(page)).to_contain_text("folder is open")
    assert revealed[-1:] == [path]


def test_the_file_is_downloaded_and_opened(
    page: Page, visitor: Visitor, photographs: Path, known: dict[str, str]
) -> None:
    visitor.forgive("favicon.ico")  # asked for by the browser's own viewer, whose origin is none
    shown = opened(page, "shape-03.png")
    with page.expect_download() as download:
        shown.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "shape-03.png"
    assert Path(download.value.path()).read_bytes() == (photographs / "drawn" / "shape-03.png").read_bytes()
    with page.expect_popup() as popup:
        shown.get_by_role("link", name="Original").click()
    popup.value.wait_for_load_state()
    assert popup.value.url.endswith(f"/v1/assets/{known['shape-03.png']}/content")


def test_more_like_this_and_feedback(page: Page, truth: findalike.Library, known: dict[str, str]) -> None:
    box(page).fill("cat")
    hits = truth.search(text="cat", k=60)
    shows(page, hits)
    first, second = hits[0].asset, hits[1].asset
    shown = opened(page, first.uri.rpartition("/")[2])
    shown.get_by_role("button", name="Less like this").click()
    expect(dialog(page, second.uri.rpartition("/")[2])).to_be_visible()
    page.keyboard.press("Escape")
    away = (Term("cat", "text"), Term(first.id, "asset", weight=-0.5))
    shows(page, truth.search(Query(away, k=60)))
    opened(page, second.uri.rpartition("/")[2]).get_by_role("button", name="More of this").click()
    page.keyboard.press("Escape")
    both = (Term("cat", "text"), Term(second.id, "asset", weight=0.5), Term(first.id, "asset", weight=-0.5))
    shows(page, truth.search(Query(both, k=60)))
    name = names(page)[0]
    opened(page, name).get_by_role("button", name="More like this").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    shows(page, truth.search(Query((Term(known[name], "asset"),), k=60)))
    expect(terms(page)).to_have_count(1)


def test_a_tag_is_searched_for(page: Page, truth: findalike.Library) -> None:
    shown = opened(page, "shape-00.png")
    tag = shown.get_by_role("button", name=re.compile("percent sure$")).first
    until(lambda: tag.count(), "what it shows")
    word = tag.inner_text().split(",")[0].strip()
    tag.click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(box(page)).to_have_value(word)
    shows(page, truth.search(text=word, k=60))


# Beside the query


def test_a_hit_is_compared_with_the_query(visitor: Visitor, site: Served, known: dict[str, str]) -> None:
    page = visitor.open(f"{site.url}/?t=id@0.2,0.1,0.8,0.9:{known['chelsea.jpg']}")
    until(lambda: names(page), "hits")
    name = "chelsea-dark.jpg"
    shown = opened(page, name)
    compare = shown.get_by_role("button", name="Compare with the query picture")
    expect(compare).to_have_attribute("aria-pressed", "false")
    compare.click()
    expect(compare).to_have_attribute("aria-pressed", "true")
    query = shown.get_by_role("img", name=re.compile("^Searched with"))
    until(lambda: is_loaded(query), "the query picture")
    other = shown.get_by_role("img", name=re.compile(f"^{name}")).first
    left, right = query.bounding_box(), other.bounding_box()
    assert left
    assert right
    assert left["x"] + left["width"] <= right["x"], "side by side"
    expect(shown.get_by_title("The part that was searched with")).to_be_visible()
    page.wait_for_timeout(400)
    picture_of(page, "compare")
    page.keyboard.press("ArrowRight")
    until(lambda: page.get_by_role("dialog").get_attribute("aria-label") != f"Picture {name}", "the next one")
    expect(page.get_by_role("img", name=re.compile("^Searched with")).last).to_be_visible()
    page.keyboard.press("c")
    expect(page.get_by_role("button", name="Compare with the query picture")).to_have_attribute(
        "aria-pressed", "false"
    )


def test_nothing_is_compared_where_no_picture_was_searched_with(page: Page) -> None:
    shown = opened(page, "shape-00.png")
    expect(shown.get_by_role("button", name="Compare with the query picture")).to_have_count(0)
    page.keyboard.press("c")
    expect(toast(page)).to_contain_text("Search with a picture")


def test_compared_on_a_phone_one_is_above_the_other(
    visitor: Visitor, site: Served, known: dict[str, str]
) -> None:
    page = visitor.open(f"{site.url}/?t=id:{known['chelsea.jpg']}", size=PHONE, touch=True)
    until(lambda: names(page), "hits")
    link(page, "chelsea-dark.jpg").tap()
    page.get_by_role("button", name="Compare with the query picture").tap()
    query = page.get_by_role("dialog").get_by_role("img", name=re.compile("^Searched with"))
    until(lambda: is_loaded(query), "the query picture")
    page.wait_for_timeout(400)
    picture_of(page, "phone-compare")
    other = page.get_by_role("dialog").get_by_role("img", name=re.compile("^chelsea-dark.jpg")).first
    above, below = query.bounding_box(), other.bounding_box()
    assert above
    assert below
    assert above["y"] + above["height"] <= below["y"] + 1


# Changes


def test_labels_are_put_on_and_taken_off(writing: Served, visitor: Visitor) -> None:
    page = visitor.open(writing.url)
    until(lambda: names(page), "the pictures")
    shown = opened(page, "shape-05.png")
    field = shown.get_by_role("combobox", name="New label")
    field.fill("keeper")
    field.press("Enter")
    expect(shown.get_by_role("button", name="Take off keeper")).to_be_visible()
    expect(field).to_be_focused()
    field.fill("to print")
    shown.get_by_role("button", name="Add", exact=True).click()
    expect(shown.get_by_role("button", name="Take off to print")).to_be_visible()
    asset = next(a for a in writing.library.store.assets() if a.uri.endswith("shape-05.png"))
    assert writing.library.labels([asset.id]) == {asset.id: ("keeper", "to print")}
    picture_of(page, "detail-labels")
    shown.get_by_role("button", name="Take off keeper").click()
    expect(shown.get_by_role("button", name="Take off keeper")).to_have_count(0)
    assert writing.library.labels([asset.id]) == {asset.id: ("to print",)}
    page.keyboard.press("Escape")
    page.goto(f"{writing.url}/?tag=to%20print")
    until(lambda: names(page) == ["shape-05.png"], lambda: f"the labelled one, not {names(page)}")


def test_a_label_that_is_being_typed_stays(page: Page) -> None:
    """Also when the rest that is known of the picture comes only then."""
    held: list[Route] = []
    page.route(re.compile(r"/v1/assets/\w+$"), lambda route: held.append(route))
    shown = opened(page, "shape-05.png")
    field = shown.get_by_role("combobox", name="New label")
    field.press_sequentially("keep")
    expect(shown.get_by_text("What it shows")).to_have_count(0)
    until(lambda: page.wait_for_timeout(20) or held, "the question")
    held[0].continue_()
    expect(shown.get_by_text("What it shows")).to_be_visible()
    expect(field).to_have_value("keep")
    expect(field).to_be_focused()


def test_a_picture_is_removed_after_a_question(writing: Served, visitor: Visitor) -> None:
    page = visitor.open(writing.url)
    until(lambda: names(page), "the pictures")
    before = len(writing.library)
    asset = next(a for a in writing.library.store.assets() if a.uri.endswith("shape-05.png"))
    opened(page, "shape-05.png").get_by_role("button", name="Remove from the library").click()
    question = page.get_by_role("dialog", name="Remove from the library?")
    expect(question).to_contain_text("shape-05.png")
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    picture_of(page, "ask")
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_be_hidden()
    assert len(writing.library) == before
    page.get_by_role("button", name="Remove from the library").click()
    question.get_by_role("button", name="Remove").click()
    expect(toast(page)).to_contain_text("shape-05.png was removed")
    expect(dialog(page, "shape-06.png")).to_be_visible()
    page.keyboard.press("Escape")
    until(lambda: "shape-05.png" not in names(page), "a grid without it")
    assert len(writing.library) == before - 1
    assert asset.id not in pictures(page)
    assert Path(asset.uri).exists()
    expect(page.get_by_text(re.compile(rf"^{before - 1} pictures ·"))).to_be_visible()


# What is foreign stays text


EVIL = '<img src=x onerror="window.evil=1">'


@pytest.fixture
def evil(tmp_path: Path) -> Iterator[Served]:
    """A library whose names, camera, labels and metadata are HTML."""
    folder = tmp_path / "<b onmouseover=evil()>bold"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "<script>window.evil=1</script>", EVIL
    (folder / "<img src=x onerror=window.evil=1>.jpg").write_bytes(encoded(drawn(1), "JPEG", exif=exif))
    (folder / "javascript:window.evil=1.png").write_bytes(encoded(drawn(2)))
    (folder / '"><svg onload=window.evil=1>.png').write_bytes(b"no picture at all")
    with findalike.open(tmp_path / "library") as library:
        library.add(folder)
        ids = [asset.id for asset in library.store.assets()]
        library.edit(ids, add=[EVIL, "{{7*7}}"], metadata={"note": EVIL, "javascript": "javascript:alert(1)"})
    with serving(tmp_path / "library") as served:
        yield served


def test_what_is_foreign_stays_text(evil: Served, visitor: Visitor) -> None:
    page = visitor.open(evil.url)
    until(lambda: len(names(page)) == 2, "the pictures")
    name = "<img src=x onerror=window.evil=1>.jpg"
    cell(page, name).hover()
    expect(cell(page, name).get_by_text(name)).to_be_visible()
    link(page, name).click()
    detail = page.get_by_role("dialog")
    expect(detail.get_by_role("heading", name=name)).to_be_visible()
    expect(detail.get_by_text(EVIL).first).to_be_visible()
    expect(detail.get_by_text("javascript:alert(1)")).to_be_visible()
    expect(detail.get_by_role("button", name=f"Take off {EVIL}")).to_be_visible()
    picture_of(page, "detail-foreign")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("f")
    expect(page.get_by_role("region", name="Filters", exact=True).get_by_title(EVIL).first).to_be_visible()
    page.get_by_role("region", name="Filters", exact=True).get_by_title(EVIL).first.click()
    until(lambda: query_of(page).get("tag") == [EVIL], "the filter")
    until(lambda: len(names(page)) == 2, "those with the label")
    box(page).fill(EVIL)
    page.wait_for_timeout(500)
    box(page).press("Enter")
    box(page).press("Enter")
    expect(terms(page)).to_have_count(1)
    page.goto(f"{evil.url}/#index")
    expect(page.get_by_role("dialog", name="Library").get_by_text("<svg onload")).to_be_visible()
    page.goto(f"{evil.url}/?t=text:{EVIL}&tag={EVIL}&where={EVIL}&q={EVIL}")
    visitor.forgive("422")
    expect(page.get_by_role("list", name="Active filters")).to_contain_text(EVIL)
    assert page.evaluate("window.evil") is None
    assert (
        page.evaluate(
            "document.querySelectorAll('[onerror], [onload], [onmouseover], b, script:not([src])').length"
        )
        == 0
    )


def test_odd_names_are_shown_as_they_are(visitor: Visitor, reading: Served) -> None:
    page = visitor.open(f"{reading.url}/?where=name%20like%20'%25quoted%25'")
    until(lambda: names(page) == ['ü 猫 "quoted".png'], lambda: str(names(page)))
    opened(page, 'ü 猫 "quoted".png')
    picture_of(page, "detail-odd-name")


def test_a_file_that_went_away_is_told(visitor: Visitor, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(3):
        drawn(seed, (600, 400)).save(folder / f"{seed}.png")
    with findalike.open(tmp_path / "library") as library:
        library.add(folder)
    (folder / "1.png").unlink()
    with serving(tmp_path / "library") as served:
        page = visitor.open(served.url)
        until(lambda: len(names(page)) == 3, "the pictures")
        visitor.forgive("404", "422")
        shown = opened(page, "1.png")
        expect(shown.get_by_text(str(folder / "1.png"))).to_be_visible()
        expect(shown.get_by_text(re.compile("file is (gone|not where)", re.IGNORECASE))).to_be_visible()
        picture_of(page, "detail-file-gone")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.close()
