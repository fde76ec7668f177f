"""Hits as a web page in one file, and as a fragment for notebooks. No script, nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from html import escape
from typing import BinaryIO

from PIL import Image

from findalike.errors import UsageError
from findalike.present import caption, output
from findalike.present.caption import Example, Thumbnails
from findalike.types import Box, Hit

MAX_HITS = 2_000
"""More hits than these are left out of a page; a line at the foot says how many there were."""

MAX_GRID = 200
"""As `MAX_HITS`, for a fragment, which a notebook keeps in its file."""

# Colours are mixed from those around, so that one sheet of style serves light, dark, and any notebook.
STYLE = """
.findalike { font: 15px/1.4 system-ui, sans-serif; }
.findalike ol { display: grid; gap: 1.5rem 1rem; padding: 0; margin: 1rem 0; list-style: none;
  grid-template-columns: repeat(auto-fill, minmax(min(13rem, 100%), 1fr)); }
.findalike li { min-width: 0; margin: 0; }
.findalike .shot { position: relative; display: block; aspect-ratio: 1; overflow: hidden; border-radius: 6px;
  background: color-mix(in srgb, currentColor 7%, transparent); }
.findalike .shot img, .findalike .shot svg { position: absolute; inset: 0; width: 100%; height: 100%;
  max-width: none; margin: 0; object-fit: contain; }
.findalike rect { fill: none; vector-effect: non-scaling-stroke; stroke: #fff; stroke-width: 5; }
.findalike rect + rect { stroke: #2563eb; stroke-width: 2; }
.findalike .none { display: grid; place-items: center; height: 100%; padding: 1rem; text-align: center;
  overflow-wrap: anywhere; }
.findalike .tag { position: absolute; left: 0; bottom: 0; padding: 0 .5em; background: #1c1c20; color: #fff;
  font-size: .85em; }
.findalike .example .shot { outline: 3px solid #2563eb; }
.findalike .example .tag { top: 0; bottom: auto; background: #2563eb; }
.findalike .minus .shot { outline-color: #c83232; }
.findalike .minus .tag { background: #c83232; }
.findalike .line { display: flex; gap: .5em; align-items: center; margin: .3em 0 0; }
.findalike .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.findalike a { color: inherit; text-decoration: none; }
.findalike a:hover { outline: 2px solid #3b82f6; }
.findalike a:focus-visible, .findalike summary:focus-visible { outline: 2px solid #3b82f6;
  outline-offset: 2px; }
.findalike .quiet, .findalike dt, .findalike summary {
  color: color-mix(in srgb, currentColor 72%, transparent); }
.findalike .number { font-variant-numeric: tabular-nums; }
.findalike .bar { flex: none; width: 4.5em; height: 5px; border-radius: 2px;
  background: color-mix(in srgb, currentColor 16%, transparent); }
.findalike .bar rect { fill: #3b82f6; stroke: none; }
.findalike summary { cursor: pointer; font-size: .9em; }
.findalike dl { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 3fr);
  gap: .1em .8em; margin: .3em 0;
  font-size: .85em; }
.findalike dt, .findalike dd { min-width: 0; margin: 0; overflow-wrap: anywhere; font-weight: normal; }
.findalike .examples { border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent);
  padding: 4px 4px 1.2rem; grid-template-columns: repeat(auto-fill, minmax(min(9rem, 100%), 11rem)); }
"""

PAGE_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 100rem; padding: 1rem clamp(1rem, 4vw, 3rem) 3rem; color: #1c1c20;
  background: #fff; }
h1 { font: 600 1.25rem/1.3 system-ui, sans-serif; margin: .5rem 0 1rem; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { body { color: #e8e8ec; background: #141416; } }
"""


def page(
    hits: Sequence[Hit],
    thumbnails: Thumbnails,
    out: str | os.PathLike[str] | BinaryIO,
    query: Sequence[Example] = (),
    title: str = "findalike",
) -> None:
    """Write the page as UTF-8: to a path ending in .html or .htm, whole or not at all, or a binary file.

    Raises UsageError.
    """
    if not isinstance(out, str | os.PathLike):
        out.write(html_page(hits, thumbnails, query, title).encode("utf-8", "replace"))
        return
    if not os.fspath(out).lower().endswith((".html", ".htm")):
        raise UsageError(f"{os.fspath(out)}: a page ends in .html or .htm")
    output.check(out)
    output.write(out, html_page(hits, thumbnails, query, title).encode("utf-8", "replace"))


def html_page(
    hits: Sequence[Hit], thumbnails: Thumbnails, query: Sequence[Example] = (), title: str = "findalike"
) -> str:
    """The page as text. Its policy lets a browser use only what is in the file."""
    style = PAGE_STYLE + STYLE
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    heading = escape(caption.printable(title))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{heading}</title>\n<style>{style}</style>\n</head>\n"
        f'<body>\n<main class="findalike">\n<h1>{heading}</h1>\n'
        f"{_content(hits, thumbnails, query, MAX_HITS)}</main>\n</body>\n</html>\n"
    )


def html_grid(hits: Sequence[Hit], thumbnails: Thumbnails, query: Sequence[Example] = ()) -> str:
    """A fragment for `_repr_html_`: the content of the page with its style, in a division of its own."""
    content = _content(hits, thumbnails, query, MAX_GRID)
    return f'<div class="findalike">\n<style>{STYLE}</style>\n{content}</div>\n'


def _content(hits: Sequence[Hit], thumbnails: Thumbnails, query: Sequence[Example], most: int) -> str:
    shown = hits[:most]
    found = thumbnails(list({caption.picture(hit): None for hit in shown}))
    examples = "".join(map(_example, query))
    head = f'<ol class="examples" aria-label="query">\n{examples}</ol>\n' if query else ""
    cards = "".join(_card(rank, hit, found) for rank, hit in enumerate(shown, 1))
    body = f'<ol aria-label="hits">\n{cards}</ol>\n' if shown else ""
    count = f"{len(hits):,} {'hit' if len(hits) == 1 else 'hits'}" if hits else "nothing similar was found"
    foot = count if len(shown) == len(hits) else f"the first {len(shown):,} of {count}"
    return f'{head}{body}<p class="quiet">{foot}</p>\n'


def _example(example: Example) -> str:
    words = escape(caption.printable(example.caption))
    shot = (
        _shot(example.thumbnail, words, example.box)
        if example.thumbnail
        else f'<span class="none">{words}</span>'
    )
    below = (
        f'<p class="line"><span class="name" title="{words}">{words}</span></p>' if example.thumbnail else ""
    )
    side = "example minus" if example.weight < 0 else "example"
    role = f'<span class="tag">{escape(example.role)}</span>'
    return f'<li class="{side}"><span class="shot">{shot}{role}</span>{below}</li>\n'


def _card(rank: int, hit: Hit, found: Mapping[str, bytes]) -> str:
    name, part = escape(caption.name(hit)), escape(caption.part(hit))
    shot = _shot(found.get(caption.picture(hit)), name, caption.box(hit)) + (
        f'<span class="tag">{part}</span>' if part else ""
    )
    address = caption.link(hit)
    if address is None:
        shot = f'<span class="shot">{shot}</span>'
    else:
        # A browser that plays the video starts at the moment that matched.
        moment = f"#t={hit.origin.time:.1f}" if hit.origin.time is not None else ""
        shot = f'<a class="shot" href="{escape(address + moment)}" aria-label="open {name}">{shot}</a>'
    label = f'<span class="name" title="{escape(caption.printable(hit.asset.uri))}">{name}</span>'
    length = f"{min(1.0, max(0.0, hit.score)):.4f}"
    bar = (
        '<svg class="bar" viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{length}" height="1"/></svg>'
    )
    return (
        f'<li>{shot}<p class="line"><span class="quiet number">{rank}</span>{label}</p>'
        f'<p class="line"><span class="number" title="score">{caption.score(hit)}</span>{bar}'
        f'<span class="quiet">{escape(caption.band(hit))}</span></p>{_details(hit)}</li>\n'
    )


def _shot(data: bytes | None, alt: str, box: Box | None) -> str:
    """The picture and its box; `alt` is escaped already."""
    kind, size = _measured(data)
    if data is None or kind is None:
        return f'<span class="none quiet">{"no" if data is None else "damaged"} thumbnail</span>'
    encoded = base64.b64encode(data).decode()
    return f'<img src="data:{kind};base64,{encoded}" alt="{alt}">' + (_outline(size, box) if box else "")


def _outline(size: tuple[int, int], box: Box) -> str:
    """A drawing of the picture's proportions, which therefore lies on it exactly, with the box as a frame."""
    (width, height), (left, top, right, bottom) = size, box
    place = (
        f'x="{left * width:.1f}" y="{top * height:.1f}" '
        f'width="{(right - left) * width:.1f}" height="{(bottom - top) * height:.1f}"'
    )
    return f'<svg viewBox="0 0 {width} {height}" aria-hidden="true"><rect {place}/><rect {place}/></svg>'


def _measured(data: bytes | None) -> tuple[str | None, tuple[int, int]]:
    """Media type, and width and height in pixels; None for what is no picture."""
    try:
        with Image.open(io.BytesIO(data or b""), formats=["JPEG", "PNG", "WEBP"]) as file:
            return Image.MIME[file.format or ""], file.size
    except (OSError, ValueError, SyntaxError, KeyError, Image.DecompressionBombError):
        return None, (0, 0)


def _details(hit: Hit) -> str:
    """Folder, part, reasons and metadata, folded away."""
    reasons = [
        (
            f"{'minus ' if reason.weight < 0 else ''}{caption.printable(reason.term)}",
            f"similarity {reason.similarity:.4f}, weight {reason.weight:g}, {reason.space}",
        )
        for reason in hit.reasons
    ]
    facts = [("folder", caption.folder(hit)), ("similarity", f"{hit.similarity:.4f}"), ("id", hit.asset.id)]
    known = [(column, caption.plain(value)) for column, value in hit.asset.metadata.items()]
    metadata = [(caption.printable(c), caption.printable(str(v))) for c, v in known if v is not None]
    lists = "".join(_list(pairs) for pairs in (reasons, facts, metadata))
    return f"<details><summary>details</summary>{lists}</details>"


def _list(pairs: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f"<dl>{rows}</dl>" if rows else ""
