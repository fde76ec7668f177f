"""Hits shown: read back by independent readers of JSON, HTML, pictures and bytes."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.cells import cell_len
from rich.console import Console

from findalike import uri
from findalike.errors import UsageError
from findalike.present import caption, lettering
from findalike.present.caption import Example
from findalike.present.page import STYLE, html_grid, html_page, page
from findalike.present.records import paths, records, to_json, to_jsonl
from findalike.present.sheet import INK, MAX_HITS, MINUS, QUERY, TILE, draw, sheet
from findalike.present.table import tabbed, table
from findalike.types import WHOLE, Asset, Hit, Origin, Reason

EVIL = '/pictures/"><script>alert(1)</script>\x1b[31m\u202e\n.jpg'


def a_hit(
    path="/pictures/dog.jpg", asset="a1", score=0.9, band="very similar", metadata=None, reasons=(), **origin
):
    when = datetime(2019, 5, 1, tzinfo=UTC)
    found = Asset(path, 10, when, asset, "image/jpeg", "0" * 64, metadata or {})
    return Hit(found, Origin(asset, **origin), score, band, 0.81234567, "net@1-int8", tuple(reasons))


def a_jpeg(colour=(200, 0, 0), size=(256, 128)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


def thumbnails_of(known):
    return lambda ids: {i: known[i] for i in ids if i in known}


NONE = thumbnails_of({})


# Records


def test_a_record_has_the_documented_fields_in_order():
    reason = Reason("dog.jpg", "net@1-int8", 0.123456, -0.5)
    metadata = {
        "taken": date(2019, 5, 1),
        "shot": datetime(2019, 5, 1, 12, 0, 0, 500, tzinfo=timezone(timedelta(hours=2))),
        "price": float("nan"),
        "largest": float("inf"),
        "sold": True,
        "n": 3,
        "none": None,
        "name": "Zoë\udcff",
    }
    hit = a_hit(metadata=metadata, reasons=[reason], part="frame", box=(0.1, 0.2, 1 / 3, 1), time=12.34567)
    (record,) = records([hit])
    assert record == {
        "rank": 1,
        "path": "/pictures/dog.jpg",
        "asset": "a1",
        "score": 0.9,
        "band": "very similar",
        "similarity": 0.8123,
        "space": "net@1-int8",
        "part": "frame",
        "box": [0.1, 0.2, 0.333333, 1.0],
        "label": None,
        "time": 12.346,
        "end": None,
        "moments": [],
        "query_span": None,
        "frame": None,
        "reasons": [{"term": "dog.jpg", "space": "net@1-int8", "similarity": 0.1235, "weight": -0.5}],
        "tags": [],
        "metadata": {
            "taken": "2019-05-01",
            "shot": "2019-05-01T10:00:00.000500Z",
            "price": None,
            "largest": None,
            "sold": True,
            "n": 3,
            "none": None,
            "name": "Zoë?",
        },
    }
    documented = re.findall(
        r"^\| `(\w+)` \|", Path(__file__).parents[1].joinpath("docs/present.md").read_text("utf-8"), re.M
    )
    assert documented[: len(record)] == list(record)


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.dates()
    | st.datetimes()
)


@given(
    st.lists(st.builds(a_hit, score=st.floats(0, 1), metadata=st.dictionaries(st.text(), VALUES)), max_size=3)
)
def test_json_is_strict_and_each_line_is_a_record(hits):
    def refused(constant):
        raise AssertionError(constant)

    text = to_json(hits)
    text.encode("utf-8")
    assert json.loads(text, parse_constant=refused) == json.loads(json.dumps(records(hits)))
    lines = to_jsonl(hits)
    assert [json.loads(line) for line in lines.split("\n")[:-1]] == json.loads(text)


def test_paths_are_bytes_as_the_file_system_has_them(tmp_path):
    raw = os.fsencode(tmp_path) + b"/caf\xe9\n.jpg"
    try:
        Path(os.fsdecode(raw)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes no stray bytes")
    archive = tmp_path / "pics.zip"
    hits = [
        a_hit(uri.from_path(os.fsdecode(raw))),
        a_hit(uri.member(uri.from_path(archive), "sea/\udcff.jpg")),
        a_hit(uri.from_path(tmp_path / "日本.jpg")),
    ]
    found = paths(hits, null=True)
    rest = [os.fsencode(archive) + b"!/sea/\xff.jpg", os.fsencode(tmp_path / "日本.jpg")]
    assert found == b"\0".join([raw, *rest]) + b"\0"
    assert paths(hits[1:]) == b"".join(name + b"\n" for name in rest)


# Captions


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name.jpg", "plain name.jpg"),
        ("a\x1b[31m\n\tb", "a\\x1b[31m\\n\\tb"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\u2028", "\\u2028"),
        ("caf\uf7e9", "caf\\xe9"),
        ("caf\udce9", "caf\\xe9"),
        ("日本 é 👩\u200d🚀", "日本 é 👩\u200d🚀"),
    ],
)
def test_names_cannot_harm_a_terminal(text, shown):
    assert caption.printable(text) == shown


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ({}, ""),
        ({"part": "face", "box": (0, 0, 0.5, 0.5)}, "face"),
        ({"part": "region", "label": "dog"}, "region (dog)"),
        ({"part": "frame", "time": 72.9}, "frame at 1:12"),
        ({"time": 3_723.0}, "frame at 1:02:03"),
    ],
)
def test_the_part_in_words(origin, words):
    assert caption.part(a_hit(**origin)) == words


def test_why_names_the_strongest_terms_first():
    reasons = [Reason("night", "s", 0.3, -0.5), Reason("dog", "s", 0.9, 1.0), Reason("sea", "s", 0.4, 2.0)]
    assert caption.why(a_hit(reasons=reasons)) == "dog 0.90, sea 0.40, minus night 0.30"
    assert caption.why(a_hit(reasons=reasons, part="face"), most=1) == "dog 0.90"
    found = a_hit(reasons=reasons, part="region", label="cat", box=(0.1, 0.052, 0.404, 0.62))
    assert caption.place(found) == "region (cat) 10%,5%,40%,62%"
    assert records([found])[0]["label"] == "cat"


def test_links_are_encoded_byte_for_byte():
    path = caption.link(a_hit(uri.from_path("/pictures/#1 caf\udce9?.jpg")))
    assert path is not None
    assert unquote_to_bytes(urlsplit(path).path) == b"/pictures/#1 caf\xe9?.jpg"
    assert caption.link(a_hit("/pictures/a.zip!/b.jpg")) == "file:///pictures/a.zip"
    assert caption.link(a_hit("s3://bucket/b.jpg")) is None
    assert caption.link(a_hit("javascript:alert(1)")) is None


# Table


def printed(hits, width, terminal=False, encoding="utf-8"):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace", newline="\n")
    console = Console(
        file=file, width=width, force_terminal=terminal, color_system="truecolor" if terminal else None
    )
    console.print(table(hits, console))
    file.flush()
    return file.buffer.getvalue().decode(encoding)


HITS = [
    a_hit(f"/pictures/{'long ' * n}名 {n}.jpg", f"a{n}", 1 - n / 9, "related",
          {"taken": date(2019, 5, n + 1), "width": 4000, "height": 3000}, [Reason("dog", "s", 0.5, 1.0)] * 2)
    for n in range(9)
]  # fmt: skip


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
def test_a_table_keeps_within_the_console(width):
    lines = printed(HITS, width).splitlines()
    assert len(lines) == 1 + len(HITS)
    assert max(map(cell_len, lines)) <= width
    for rank, line in enumerate(lines[1:], 1):
        assert line.split()[:2] == [str(rank), f"{int(HITS[rank - 1].score * 100) / 100:.2f}"]
    assert "名 0.jpg"[: width - 12] in lines[1]


def test_a_wide_table_says_all():
    line = printed(HITS, 200).splitlines()[1]
    for words in (
        "related",
        "████████",
        "名 0.jpg",
        "/pictures",
        "4000 × 3000",
        "2019-05-01",
        "dog 0.50, dog 0.50",
    ):
        assert words in line


def test_where_a_moment_and_a_part_are_is_said_in_a_column_and_in_tabs():
    reasons = [Reason("clip.mp4", "track", 0.99, 1.0)]
    moment = a_hit("/f/film.mp4", "f", reasons=reasons, part="frame", time=12.48, end=15.0)
    moment = replace(moment, query_span=(0.0, 2.52))
    face = a_hit("/f/group.jpg", "g", reasons=reasons, part="face", box=(0.1, 0.05, 0.38, 0.62))
    whole = a_hit("/f/a.jpg", "a", reasons=reasons)
    head, *lines = printed([moment, face, whole], 80).splitlines()
    assert "where" in head
    assert "0:12–0:15 is 0:00–0:02" in lines[0]
    assert "face 10%,5%,38%,62%" in lines[1]
    assert [line.split("\t")[4:] for line in tabbed([moment, face, whole]).splitlines()] == [
        ["t=12.480,15.000", "t=0.000,2.520"],
        ["xywh=percent:10.0,5.0,28.0,57.0"],
        [],
    ]


def test_a_table_in_ascii_has_no_other_letters_of_its_own():
    assert "####----" in printed([a_hit(score=0.5)], 80, encoding="ascii")


def test_names_are_links_on_a_terminal_only():
    assert "]8;" in printed([a_hit()], 80, terminal=True)
    assert "file:///pictures/dog.jpg" in printed([a_hit()], 80, terminal=True)
    assert "\x1b" not in printed([a_hit()], 80)


def test_an_evil_name_is_harmless_in_a_table():
    shown = printed([a_hit(EVIL)], 200, terminal=True)
    assert "\x1b[31m" not in shown
    assert "\u202e" not in shown
    assert len(printed([a_hit(EVIL)], 200).splitlines()) == 2
    assert len(printed([a_hit("/p/[red]x[/red].jpg")], 200).splitlines()) == 2
    assert "[red]x[" in tabbed([a_hit("/p/[red]x[/red].jpg")])


def test_tabbed_lines_have_four_fields():
    lines = tabbed([a_hit(EVIL), a_hit("/p/a\tb.jpg", score=0.12345)]).split("\n")
    assert lines[2] == ""
    assert [len(line.split("\t")) for line in lines[:2]] == [4, 4]
    assert lines[1] == "2\t0.1235\tvery similar\t/p/a\\tb.jpg"


def test_no_hits_make_an_empty_table():
    assert printed([], 80).strip() == ""
    assert tabbed([]) == ""
    assert paths([]) == b""
    assert to_json([]) == "[]\n"


# Contact sheet


def colours(image, box):
    return {colour for _, colour in image.crop(box).getcolors(1_000_000)}


def near(image, point, colour):
    return all(abs(a - b) <= 3 for a, b in zip(image.getpixel(point), colour, strict=True))


def test_a_sheet_has_its_tiles_in_a_grid():
    hits = [a_hit(asset=f"a{n}") for n in range(7)]
    known = {f"a{n}": a_jpeg((30 * n, 100, 200)) for n in range(6)}
    image = draw(hits, thumbnails_of(known), columns=3, tile=110)
    gap, margin = 12, 24
    assert image.width == 2 * margin + 3 * 110 + 2 * gap
    cells = 110 + 2 * 16 + gap // 2
    for n in range(6):
        x, y = margin + n % 3 * (110 + gap), margin + n // 3 * (cells + gap)
        assert near(image, (x + 55, y + 55), (30 * n, 100, 200))
        assert image.getpixel((x + 55, y + 2)) == TILE  # a picture twice as wide as high leaves room above
        assert image.getpixel((x - 2, y + 55)) == (255, 255, 255)
    x, y = margin, margin + 2 * (cells + gap)
    assert image.getpixel((x + 2, y + 2)) == TILE
    assert len(colours(image, (x, y, x + 110, y + 110))) > 1  # the words "no thumbnail"


def test_the_query_comes_first_in_frames_of_their_side():
    query = [Example("dog.jpg", 1.0, a_jpeg((0, 0, 0))), Example("night", -0.5)]
    image = draw([a_hit()], thumbnails_of({"a1": a_jpeg()}), query, columns=2, tile=128)
    edge, margin, gap = 3, 24, 12
    for left, colour in ((margin, QUERY), (margin + 128 + gap, MINUS)):
        for point in (
            (left - edge, margin + 64),
            (left + 128 + edge - 1, margin + 64),
            (left + 64, margin + 128),
        ):
            assert image.getpixel(point) == colour
    head = 128 + 16 + gap // 2 + 2 * gap
    assert near(image, (margin + 64, margin + head + 64), (200, 0, 0))


def test_a_box_is_drawn_where_it_is():
    hit = a_hit(part="region", box=(0.25, 0.25, 0.75, 0.5))
    image = draw([hit], thumbnails_of({"a1": a_jpeg((255, 255, 0), (256, 256))}), columns=1, tile=256)
    left, top = 46, 46
    blue = [
        (x, y)
        for x in range(256)
        for y in range(256)
        if image.getpixel((left + x, top + y)) == QUERY
    ]  # fmt: skip
    assert min(x for x, _ in blue) == pytest.approx(64, abs=1)
    assert max(x for x, _ in blue) == pytest.approx(191, abs=1)
    assert min(y for _, y in blue) == pytest.approx(64, abs=1)
    assert max(y for _, y in blue) == pytest.approx(128, abs=1)
    assert image.getpixel((left + 1, top + 255)) == INK  # the tag that names the part


def test_the_bar_is_as_long_as_the_score():
    def filled(score):
        image = draw([a_hit(score=score)], NONE, columns=1, tile=256)
        return {c: n for n, c in image.crop((0, 302, image.width, 360)).getcolors(100_000)}[QUERY]

    assert filled(1.0) == pytest.approx(2 * filled(0.5), rel=0.05)
    assert filled(7.0) == filled(1.0)


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".png", "PNG"), (".JPG", "JPEG"), (".jpeg", "JPEG"), (".webp", "WEBP")]
)
def test_a_sheet_is_written_in_the_format_of_its_name(tmp_path, suffix, kind):
    out = tmp_path / f"sheet{suffix}"
    sheet([a_hit()], NONE, out)
    with Image.open(out) as image:
        assert image.format == kind
        image.load()
    assert list(tmp_path.iterdir()) == [out]


def test_a_sheet_goes_into_a_file_object_as_png():
    file = io.BytesIO()
    sheet([], NONE, file)
    assert Image.open(file).format == "PNG"


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("sheet.gif", {}, ".png, .jpg, .jpeg, .webp, not .gif"),
        ("sheet", {}, "not nothing"),
        ("missing/sheet.png", {}, "there is no folder"),
        ("folder.png", {}, "this is a folder"),
        ("sheet.png", {"columns": 0}, "columns is 0"),
        ("sheet.png", {"tile": 1_000}, "tile is 1000"),
        ("sheet.webp", {"columns": 1, "tile": 512}, "ask for more columns"),
    ],
)
def test_what_a_sheet_cannot_be(tmp_path, name, options, words):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError) as caught:
        sheet([a_hit()] * 40, NONE, tmp_path / name, **options)
    assert words in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.png"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    out = tmp_path / "sheet.png"
    out.write_bytes(b"old")

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match="No space left on device"):
        sheet([a_hit()], NONE, out)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("sheet.png", b"old")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and devices")
def test_links_are_followed_and_devices_written_to(tmp_path):
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to("real.png")
    sheet([a_hit()], NONE, tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "real.png").read_bytes()[:4] == b"\x89PNG"
    (tmp_path / "null.png").symlink_to(os.devnull)
    sheet([a_hit()], NONE, tmp_path / "null.png")
    assert not Path(os.devnull).is_file()


def test_only_so_many_hits_are_drawn_and_asked_for():
    asked = []

    def thumbnails(ids):
        asked.extend(ids)
        return {}

    many = draw([a_hit(asset=f"a{n}") for n in range(MAX_HITS + 200)], thumbnails, tile=64)
    assert len(asked) == MAX_HITS
    assert many.size == draw([a_hit(asset=f"a{n}") for n in range(MAX_HITS)], NONE, tile=64).size


@pytest.mark.parametrize("data", [b"", b"nonsense", a_jpeg()[:200], b"GIF89a"])
def test_a_damaged_thumbnail_is_a_tile(data):
    assert draw([a_hit()], thumbnails_of({"a1": data}), tile=128).getpixel((26, 26)) == TILE


@pytest.mark.parametrize(
    "name", ["plain.jpg", "Übermütig.jpg", "日本語.jpg", "e\u0301.jpg", "🚀.jpg", "عربي.jpg", EVIL, ""]
)
def test_every_name_can_be_lettered_and_fits(name):
    text, font = lettering.fitted(caption.printable(name * 5), 17, 150, keep_end=8)
    assert font.getlength(text) <= 150
    assert (text == name) == (len(name) < 2)


def test_letters_that_no_font_has_become_plain_ones(monkeypatch):
    monkeypatch.setattr(lettering, "_OTHER_FONTS", ())
    lettering.lettered.cache_clear()
    assert lettering.lettered("Zoë 日.jpg", 17)[0] == "Zoe ?.jpg"
    lettering.lettered.cache_clear()


# Page


class Reader(HTMLParser):
    """Elements as (tag, attributes), the text, and a check that every element is closed."""

    VOID = ("meta", "img")

    def __init__(self, html):
        super().__init__()
        self.elements, self.words, self.open = [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def all(self, tag):
        return [attrs for found, attrs in self.elements if found == tag]


def a_page(hits, known=None, query=(), title="findalike"):
    html = html_page(hits, thumbnails_of(known or {}), query, title)
    return html, Reader(html)


def test_a_page_shows_each_hit():
    reason = Reason("dog.jpg", "net@1-int8", 0.8, 1.0)
    hits = [
        a_hit(
            "/pictures/#1 dog.jpg",
            "a1",
            0.9,
            metadata={"taken": date(2019, 5, 1), "note": None},
            reasons=[reason],
        ),
        a_hit("/pictures/cat.mp4", "a2", 0.5, "related", part="frame", time=12.5),
    ]
    query = [Example("dog.jpg", 1.0, a_jpeg()), Example("night", -0.5)]
    _, reader = a_page(hits, {"a1": a_jpeg((1, 2, 3))}, query, "Like dog.jpg")
    images = reader.all("img")
    assert [image["alt"] for image in images] == ["dog.jpg", "#1 dog.jpg"]
    head, data = images[1]["src"].split(",")
    assert (head, base64.b64decode(data)) == ("data:image/jpeg;base64", a_jpeg((1, 2, 3)))
    assert [link["href"] for link in reader.all("a")] == [
        "file:///pictures/%231%20dog.jpg",
        "file:///pictures/cat.mp4#t=12.5",
    ]
    assert [bar["width"] for bar in reader.all("rect")] == ["0.9000", "0.5000"]
    text = "|".join(reader.words)
    expected = [
        "query",
        "minus (0.5)",
        "night",
        "0.90",
        "very similar",
        "frame at 0:12",
        "no thumbnail",
        "2 hits",
    ]
    expected += ["similarity 0.8000, weight 1, net@1-int8", "taken|2019-05-01", "Like dog.jpg"]
    for words in expected:
        assert words in text
    assert "note" not in text


def test_a_page_holds_nothing_that_runs_or_comes_from_outside():
    query = [Example(EVIL, 1.0, a_jpeg()), Example("<b>", -1.0)]
    hit = a_hit(
        EVIL,
        band="<i>",
        metadata={"<u>": "<img src=x onerror=y>"},
        reasons=[Reason("</dl>", "<s>", 1, 1)],
        label="<em>",
    )
    html, reader = a_page([hit], {"a1": a_jpeg()}, query, "<script>")
    allowed = "html head meta title style body main h1 ol li span img p a svg rect details summary dl dt dd"
    assert {tag for tag, _ in reader.elements} <= set(allowed.split())
    for _, attributes in reader.elements:
        assert not {name for name in attributes if name.startswith("on") or name == "style"}
        assert all(
            attributes[n].startswith(("data:image/jpeg;", "file:///"))
            for n in ("src", "href")
            if n in attributes
        )
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_the_policy_allows_the_one_style_of_the_page():
    html, reader = a_page([a_hit()])
    (policy,) = (m["content"] for m in reader.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    style = html[html.index("<style>") + 7 : html.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "url(" not in style


def test_a_box_lies_on_its_picture():
    _, reader = a_page([a_hit(box=(0.25, 0.5, 0.75, 1.0))], {"a1": a_jpeg(size=(200, 100))})
    assert [drawing["viewbox"] for drawing in reader.all("svg")] == ["0 0 200 100", "0 0 1 1"]
    assert reader.all("rect")[0] == {"x": "50.0", "y": "50.0", "width": "100.0", "height": "50.0"}
    assert len(a_page([a_hit(box=WHOLE)], {"a1": a_jpeg()})[1].all("svg")) == 1


def test_damaged_thumbnails_and_no_hits():
    assert "damaged thumbnail" in a_page([a_hit()], {"a1": b"<svg onload=alert(1)>"})[1].words
    assert "nothing similar was found" in a_page([])[1].words


def test_a_page_is_written_whole(tmp_path):
    out = tmp_path / "hits.html"
    page([a_hit("/p/caf\uf7e9 \udce9.jpg", metadata={"x": "\ud800"})], NONE, out)
    Reader(out.read_text("utf-8"))
    assert list(tmp_path.iterdir()) == [out]
    with pytest.raises(UsageError, match=r"ends in \.html"):
        page([], NONE, tmp_path / "hits.pdf")
    with pytest.raises(UsageError, match="no folder"):
        page([], NONE, tmp_path / "no" / "hits.html")
    file = io.BytesIO()
    page([], NONE, file)
    assert file.getvalue().startswith(b"<!DOCTYPE html>")


def test_a_grid_is_a_fragment_that_styles_only_itself():
    html = html_grid([a_hit(asset=f"a{n}") for n in range(250)], NONE)
    reader = Reader(html)
    assert reader.elements[0] == ("div", {"class": "findalike"})
    assert {"html", "body", "script"}.isdisjoint(tag for tag, _ in reader.elements)
    assert len(reader.all("li")) == 200
    assert "the first 200 of 250 hits" in reader.words
    selectors = re.findall(r"([^{}]+)\{", STYLE)
    assert all(one.strip().startswith(".findalike") for group in selectors for one in group.split(","))
