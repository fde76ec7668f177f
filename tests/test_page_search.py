"""The page searches: by words, by pictures that are dropped, pasted, picked or clicked, and by several terms.

What it shows is what `library.search` finds in Python, in the same order.
"""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

import findalike
from browser import (
    Visitor,
    box,
    cell,
    drop,
    link,
    names,
    paste,
    picture_of,
    pictures,
    query_of,
    shows,
    terms,
    toast,
    until,
)
from findalike import Query, Term
from findalike.search import Hits
from web import Served

pytest_plugins = ["web", "browser"]


@pytest.fixture
def cat(photographs: Path, tmp_path: Path) -> Path:
    """A picture of the cat that the library does not have."""
    with Image.open(photographs / "photos" / "chelsea.jpg") as image:
        image.rotate(5).crop((60, 50, 560, 400)).save(tmp_path / "my cat.jpg", quality=80)
    return tmp_path / "my cat.jpg"


@pytest.fixture
def asked(site: Served, monkeypatch: pytest.MonkeyPatch) -> list[Query]:
    """The queries that reach the server's library."""
    queries: list[Query] = []
    search = site.library.search

    def noted(query: Query) -> Hits:
        queries.append(query)
        return search(query)

    monkeypatch.setattr(site.library, "search", noted)
    return queries


def sent(asked: list[Query]) -> bytes:
    """The picture that the page has sent last."""

    def pictures_sent() -> list[bytes]:
        return [term.what for query in asked for term in query.terms if isinstance(term.what, bytes)]

    until(pictures_sent, "a picture that is sent")
    return pictures_sent()[-1]


# The first visit


def test_the_first_visit_shows_all_pictures_and_what_to_do(page: Page, truth: findalike.Library) -> None:
    everything = sorted(asset.uri for asset in truth.store.assets())
    by_path = {asset.uri: asset.id for asset in truth.store.assets()}
    shows(page, [by_path[uri] for uri in everything])
    expect(page.get_by_text(re.compile(rf"^{len(everything)} pictures ·"))).to_be_visible()
    expect(page.get_by_text("Type words, drop a picture anywhere")).to_be_visible()
    expect(page).to_have_title("findalike")
    expect(page.get_by_role("search").get_by_role("searchbox")).to_be_editable()


def test_an_example_searches_for_its_word(page: Page, truth: findalike.Library) -> None:
    hint = page.get_by_text("Type words, drop a picture anywhere")
    example = hint.get_by_role("button").first
    word = example.inner_text()
    example.click()
    expect(box(page)).to_have_value(word)
    shows(page, truth.search(text=word, k=60))
    expect(hint).to_be_hidden()


# Words


def test_words_are_searched_as_they_are_typed(page: Page, truth: findalike.Library) -> None:
    box(page).press_sequentially("cat", delay=20)
    shows(page, truth.search(text="cat", k=60))
    assert query_of(page) == {"q": ["cat"]}
    expect(page).to_have_title("cat – findalike")
    box(page).press_sequentially(" on grass", delay=20)
    shows(page, truth.search(text="cat on grass", k=60))
    page.go_back()
    expect(box(page)).to_have_value("")
    assert query_of(page) == {}, "what is typed in one go is one step"
    page.go_forward()
    expect(box(page)).to_have_value("cat on grass")
    shows(page, truth.search(text="cat on grass", k=60))


def test_enter_searches_at_once_and_enter_again_keeps_the_words(page: Page, truth: findalike.Library) -> None:
    box(page).fill("coffee")
    box(page).press("Enter")
    shows(page, truth.search(text="coffee", k=60))
    box(page).press("Enter")
    expect(terms(page)).to_have_count(1)
    expect(box(page)).to_have_value("")
    expect(box(page)).to_be_focused()
    box(page).fill("red")
    box(page).press("Enter")
    both = (Term("coffee", "text"), Term("red", "text"))
    shows(page, truth.search(Query(both, k=60)))
    box(page).fill("")
    box(page).press("Backspace")
    expect(terms(page)).to_have_count(0)
    until(lambda: query_of(page) == {}, "an empty search")


def test_words_nobody_knows_are_told(page: Page, truth: findalike.Library) -> None:
    box(page).fill("frobnicate the quux")
    hits = truth.search(text="frobnicate the quux", k=60)
    shows(page, hits)
    for note in hits.notes:
        expect(page.get_by_text(re.compile(re.escape(note), re.IGNORECASE))).to_be_visible()
    if hits.nothing_similar:
        expect(page.get_by_text("Nothing here is really similar")).to_be_visible()
    picture_of(page, "search-unknown-words")


def test_nothing_is_said_to_fit_before_it_is_known(visitor: Visitor, site: Served) -> None:
    page = visitor.open("about:blank")
    held: list[Route] = []
    page.route("**/v1/search", lambda route: held.append(route))
    page.goto(f"{site.url}/?q=cat&tag=nowhere")
    until(lambda: page.wait_for_timeout(20) or held, "the question")
    expect(page.get_by_text("Searching…")).to_be_visible()
    expect(page.get_by_text("No picture fits")).to_have_count(0)
    held[0].continue_()
    expect(page.locator("#notes").get_by_text("No picture fits")).to_be_visible()


def test_the_latest_question_wins(page: Page, truth: findalike.Library) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        if '"rocket"' in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/v1/search", hold)
    box(page).fill("rocket")
    until(lambda: page.wait_for_timeout(20) or held, "the first question")
    box(page).fill("coins")
    shows(page, truth.search(text="coins", k=60))
    for route in held:
        route.continue_()
    page.wait_for_timeout(400)
    shows(page, truth.search(text="coins", k=60))


# Terms


def test_terms_have_weights_and_signs(page: Page, truth: findalike.Library) -> None:
    page.goto(f"{page.url}?t=text:cat&t=text:moon")
    shows(page, truth.search(Query((Term("cat", "text"), Term("moon", "text")), k=60)))
    page.get_by_role("button", name="More of moon, weight 1").click()
    weight = page.get_by_role("slider", name="Weight")
    expect(weight).to_be_focused()
    weight.press("ArrowRight")
    weight.press("ArrowRight")
    heavier = (Term("cat", "text"), Term("moon", "text", weight=1.5))
    shows(page, truth.search(Query(heavier, k=60)))
    picture_of(page, "search-weight")
    page.get_by_role("radio", name="Less of it").check()
    away = (Term("cat", "text"), Term("moon", "text", weight=-1.5))
    shows(page, truth.search(Query(away, k=60)))
    weight.press("Escape")
    expect(weight).to_be_hidden()
    expect(page.get_by_role("button", name="Less of moon, weight 1.5")).to_be_focused()
    assert query_of(page)["t"] == ["text:cat", "text*-1.5:moon"]
    page.get_by_role("button", name="Search for moon instead of away from it").click()
    shows(page, truth.search(Query(heavier, k=60)))
    page.get_by_role("button", name="Remove moon").click()
    shows(page, truth.search(text="cat", k=60))


def test_words_and_a_picture_together(page: Page, truth: findalike.Library, known: dict[str, str]) -> None:
    cell(page, "chelsea-cropped.jpg").scroll_into_view_if_needed()
    cell(page, "chelsea-cropped.jpg").hover()
    cell(page, "chelsea-cropped.jpg").get_by_role("button", name="More like chelsea-cropped.jpg").click()
    query = Term(known["chelsea-cropped.jpg"], "asset")
    shows(page, truth.search(Query((query,), k=60)))
    box(page).fill("night")
    shows(page, truth.search(Query((query, Term("night", "text")), k=60)))
    picture_of(page, "search-picture-and-words")
    page.get_by_role("button", name="Search away from chelsea-cropped.jpg").click()
    away = Term(known["chelsea-cropped.jpg"], "asset", weight=-1)
    shows(page, truth.search(Query((away, Term("night", "text")), k=60)))


def test_no_more_terms_than_the_server_takes(page: Page, visitor: Visitor) -> None:
    visitor.forgive("422")
    most = 32
    page.goto(page.url + "?" + "&".join(f"t=text:word{n}" for n in range(most)))
    expect(terms(page)).to_have_count(most)
    box(page).fill("one too many")
    expect(page.get_by_text(re.compile("at most 32"))).to_be_visible()


# Pictures


def test_a_picture_is_dropped_anywhere(
    visitor: Visitor, site: Served, truth: findalike.Library, cat: Path, asked: list[Query]
) -> None:
    page = visitor.open(site.url)
    until(lambda: pictures(page), "the first pictures")
    drop(page, cat, over=True)
    expect(page.get_by_text("Search with this picture")).to_be_visible()
    picture_of(page, "search-drop")
    drop(page, cat)
    expect(page.get_by_text("Search with this picture")).to_be_hidden()
    hits = truth.search(sent(asked), k=60)
    shows(page, hits)
    assert hits[0].asset.uri.endswith("chelsea.jpg")
    expect(page.get_by_role("img", name="Searched with: your picture")).to_be_visible()
    with Image.open(io.BytesIO(sent(asked))) as image, Image.open(cat) as own:
        assert image.size == own.size
    page.reload()
    shows(page, hits)
    expect(page.get_by_role("img", name="Searched with: your picture")).to_be_visible()
    elsewhere = visitor.open(page.url)
    expect(elsewhere.get_by_text("is not in this browser")).to_be_visible()
    picture_of(elsewhere, "search-picture-missing")


def test_a_picture_is_dropped_to_be_added(
    page: Page, truth: findalike.Library, cat: Path, known: dict[str, str], asked: list[Query]
) -> None:
    box(page).fill("rocket")
    shows(page, truth.search(text="rocket", k=60))
    width, height = page.viewport_size.values() if page.viewport_size else (0, 0)
    drop(page, cat, over=True, at=(width - 100, height // 2))
    picture_of(page, "search-drop-to-add")
    drop(page, cat, at=(width - 100, height // 2))
    shows(page, truth.search(Query((Term(sent(asked)), Term("rocket", "text")), k=60)))


def test_a_drop_begins_a_new_search_that_can_be_joined_to_the_last(
    page: Page, truth: findalike.Library, cat: Path, asked: list[Query]
) -> None:
    box(page).fill("rocket")
    shows(page, truth.search(text="rocket", k=60))
    drop(page, cat, at=(200, 400))
    shows(page, truth.search(sent(asked), k=60))
    toast(page).get_by_role("button", name="Add to the last search").click()
    shows(page, truth.search(Query((Term(sent(asked)), Term("rocket", "text")), k=60)))


def test_a_result_is_dragged_to_the_search(
    page: Page, truth: findalike.Library, known: dict[str, str]
) -> None:
    first = link(page, "shape-00.png")
    first.drag_to(page.get_by_role("banner"), target_position={"x": 300, "y": 20})
    shows(page, truth.search(Query((Term(known["shape-00.png"], "asset"),), k=60)))


@pytest.mark.parametrize("inside", [False, True], ids=["anywhere", "in the box"])
def test_a_picture_is_pasted_with_ctrl_v(
    page: Page, truth: findalike.Library, cat: Path, inside: bool, asked: list[Query]
) -> None:
    """From the real clipboard, by the real key."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    with Image.open(cat) as image:
        image.save(cat.with_suffix(".png"))
    page.evaluate(
        """async (base64) => {
          const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
          const blob = new Blob([bytes], {type: "image/png"});
          await navigator.clipboard.write([new ClipboardItem({"image/png": blob})]);
        }""",
        base64.b64encode(cat.with_suffix(".png").read_bytes()).decode(),
    )
    if inside:
        box(page).focus()
    page.keyboard.press("Control+v")
    shows(page, truth.search(sent(asked), k=60))
    assert names(page)[0].startswith("chelsea")


def test_a_pasted_file_and_pasted_words(
    page: Page, truth: findalike.Library, cat: Path, asked: list[Query]
) -> None:
    paste(page, cat)
    shows(page, truth.search(sent(asked), k=60))
    page.goto(page.url.partition("?")[0])
    page.get_by_role("heading", name="Pictures", include_hidden=True).evaluate(
        "() => document.activeElement.blur()"
    )
    paste(page, text_plain=" a  rocket\nlaunch ")
    expect(box(page)).to_have_value("a rocket launch")
    shows(page, truth.search(text="a rocket launch", k=60))


def test_a_picture_file_is_picked(
    page: Page, truth: findalike.Library, cat: Path, asked: list[Query]
) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Search with a picture file").click()
    chooser.value.set_files(cat)
    shows(page, truth.search(sent(asked), k=60))


def test_a_picture_that_no_browser_shows_is_searched_with(
    page: Page, truth: findalike.Library, cat: Path
) -> None:
    heic = cat.with_suffix(".heic")
    with Image.open(cat) as image:
        pillow_heif.from_pillow(image).save(heic)
    drop(page, heic)
    shows(page, truth.search(heic, k=60))
    expect(page.get_by_text("This browser cannot show this kind of picture")).to_be_visible()
    picture_of(page, "search-heic")


def test_what_is_no_picture_is_told(page: Page, visitor: Visitor, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    drop(page, tmp_path / "notes.txt")
    expect(toast(page)).to_contain_text("“notes.txt” is not a picture")
    visitor.forgive("422")
    (tmp_path / "lies.jpg").write_text("no picture either")
    drop(page, tmp_path / "lies.jpg")
    expect(page.get_by_role("region", name="Results", exact=True)).to_contain_text(
        re.compile("picture|read", re.IGNORECASE)
    )
    expect(page.locator("#notes .wrong")).to_be_visible()
    picture_of(page, "search-no-picture")


def test_one_thing_in_the_picture(
    page: Page, truth: findalike.Library, cat: Path, known: dict[str, str]
) -> None:
    page.goto(f"{page.url}?t=id:{known['chelsea.jpg']}")
    field = page.get_by_role("textbox", name="The thing in the picture that counts")
    field.fill("cat")
    field.press("Enter")
    focused = Term(known["chelsea.jpg"], "asset", focus="cat")
    shows(page, truth.search(Query((focused,), k=60)))
    assert query_of(page)["t"] == [f"id(cat):{known['chelsea.jpg']}"]


def test_the_next_of_several_pictures(page: Page, truth: findalike.Library, known: dict[str, str]) -> None:
    first, second = known["coffee.jpg"], known["moon.jpg"]
    page.goto(f"{page.url}?t=id:{first}&t=id:{second}")
    shows(page, truth.search(Query((Term(first, "asset"), Term(second, "asset")), k=60)))
    expect(page.get_by_role("img", name="Searched with: moon.jpg")).to_be_visible()
    page.get_by_role("group", name="Which picture").get_by_role("button", name="coffee.jpg").click()
    expect(page.get_by_role("img", name="Searched with: coffee.jpg")).to_be_visible()


# The address


def test_an_address_is_shared(
    visitor: Visitor, site: Served, truth: findalike.Library, known: dict[str, str]
) -> None:
    """Weights, boxes, filters and the least score open in another browser as they were left."""
    moon, cat = known["moon.jpg"], known["chelsea.jpg"]
    address = f"{site.url}/?q=night&t=id*0.5@0.1,0.1,0.8,0.9:{moon}&not={cat}&tag=dark&least=0.05"
    page = visitor.open(address)
    wanted = Query(
        (
            Term(moon, "asset", (0.1, 0.1, 0.8, 0.9), 0.5),
            Term("night", "text"),
            Term(cat, "asset", weight=-0.5),
        ),
        where="tag = 'dark'",
        min_score=0.05,
        k=60,
    )
    hits = truth.search(wanted)
    assert hits
    shows(page, hits)
    expect(box(page)).to_have_value("night")
    expect(terms(page)).to_have_count(2)
    expect(page.get_by_role("slider", name="Least score")).to_have_value("0.05")
    assert page.url == address
    page.reload()
    shows(page, hits)


def test_an_address_that_means_nothing_opens_all_the_same(visitor: Visitor, site: Served) -> None:
    page = visitor.open(f"{site.url}/?t=nonsense&t=id@9,9,9,9:&least=7&from=tomorrow&in==x&open=&zzz=1#what")
    until(lambda: pictures(page), "pictures")
    expect(terms(page)).to_have_count(0)


def test_a_shared_picture_that_is_gone_is_told(visitor: Visitor, site: Served) -> None:
    visitor.forgive("422", "404")
    page = visitor.open(f"{site.url}/?t=id:{'0' * 32}")
    expect(page.locator("#notes")).to_contain_text("No picture of the library has the id")
    expect(page.get_by_text("Query picture", exact=True)).to_be_hidden()
    picture_of(page, "search-gone")


def test_back_goes_through_all_that_was_asked(
    page: Page, truth: findalike.Library, known: dict[str, str]
) -> None:
    everything = pictures(page)
    box(page).fill("cat")
    box(page).press("Enter")
    cats = truth.search(text="cat", k=60)
    shows(page, cats)
    first = cats[0].asset
    name = first.uri.rpartition("/")[2]
    cell(page, name).hover()
    cell(page, name).get_by_role("button", name=f"More like {name}").click()
    alike = truth.search(Query((Term(first.id, "asset"),), k=60))
    shows(page, alike)
    link(page, alike[1].asset.uri.rpartition("/")[2]).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_be_hidden()
    shows(page, alike)
    page.go_back()
    shows(page, cats)
    expect(box(page)).to_have_value("cat")
    page.go_back()
    shows(page, everything)
    page.go_forward()
    shows(page, cats)


def test_the_name_of_the_page_leads_home(page: Page) -> None:
    everything = pictures(page)
    box(page).fill("cat")
    until(lambda: pictures(page) != everything, "cats")
    page.get_by_role("link", name="findalike, all pictures").click()
    shows(page, everything)
    expect(box(page)).to_have_value("")
