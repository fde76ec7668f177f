"""A report as a web page in one file: the tables, and the worst queries with what they found. No script,
nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Mapping
from html import escape

import numpy as np

from findalike.evaluate import report as reports
from findalike.evaluate.report import Table
from findalike.evaluate.results import Evaluation, Report, Result
from findalike.evaluate.similarity import AS_SEARCHED
from findalike.evaluate.task import Task
from findalike.present.caption import Thumbnails, printable
from findalike.present.page import PAGE_STYLE

WORST = 24
"""Queries of each task that are shown, at most."""

STYLE = """
main { font: 15px/1.45 system-ui, sans-serif; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .3rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .25em .8em .25em 0; text-align: right; white-space: nowrap;
  border-bottom: 1px solid color-mix(in srgb, currentColor 14%, transparent); }
th:first-child, td:first-child { text-align: left; }
th { font-weight: 600; }
.quiet { color: color-mix(in srgb, currentColor 72%, transparent); }
.query { display: grid; grid-template-columns: minmax(7rem, 10rem) 1fr; gap: 1rem; margin: 1rem 0;
  padding-top: 1rem; border-top: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
.found { display: grid; grid-template-columns: repeat(10, minmax(0, 1fr)); gap: .8rem .6rem;
  list-style: none; margin: 0; padding: 0; }
figure { margin: 0; min-width: 0; }
.shot { position: relative; aspect-ratio: 1; border-radius: 5px; overflow: hidden;
  background: color-mix(in srgb, currentColor 7%, transparent); }
.shot img { width: 100%; height: 100%; object-fit: contain; display: block; }
.shot .mark { position: absolute; left: 0; bottom: 0; padding: 0 .45em; color: #fff; background: #1c1c20;
  font-size: .8rem; }
.yes .shot { outline: 3px solid #1a7f37; }
.yes .mark { background: #1a7f37; }
.no .shot { outline: 2px dashed #b0303a; }
.asked .shot { outline: 3px solid #2563eb; }
.asked .mark { background: #2563eb; }
figcaption { font-size: .8rem; margin-top: .35em; }
figcaption span { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
@media (max-width: 70rem) { .found { grid-template-columns: repeat(5, minmax(0, 1fr)); } }
@media (max-width: 40rem) { .query { grid-template-columns: 1fr; } .asked { max-width: 10rem; } }
"""


LEGEND = (
    "AP: average precision of the query. ✓ and a solid frame: relevant. ✗ and a dashed frame: not. Below "
    "each its label, how alike it is, and its file."
)


def page(report: Report, thumbnails: Thumbnails, title: str = "findalike eval") -> str:
    """The page as text. Its policy lets a browser use only what is in the file."""
    style = PAGE_STYLE + STYLE
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'"
    body = "".join(_section(each, thumbnails) for each in report.evaluations)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}: {_said(report.of)}</h1>\n{body}"
        f'<p class="quiet">{escape(reports.EXPLAINED)}</p>\n</main>\n</body>\n</html>\n'
    )


def _section(evaluation: Evaluation, thumbnails: Thumbnails) -> str:
    said = [*reports.recommendations(evaluation), *reports.remarks(evaluation)]
    parts = [
        f"<h2>{_said(reports.heading(evaluation))}</h2>\n",
        *map(_table, reports.tables(evaluation)),
        f"<ul>{''.join(f'<li>{_said(sentence)}</li>' for sentence in said)}</ul>\n" if said else "",
        *_worst(evaluation, thumbnails),
    ]
    return f"<section>\n{''.join(parts)}</section>\n"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_said(name)}</th>' for name in table.head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_said(cell)}</td>" for cell in row) + "</tr>\n" for row in table.rows
    )
    title = f"<h3>{_said(table.title)}</h3>\n" if table.title else ""
    return f'{title}<div class="wide"><table>\n<tr>{head}</tr>\n{rows}</table></div>\n'


def _worst(evaluation: Evaluation, thumbnails: Thumbnails) -> Iterator[str]:
    """The queries that the first method answers worst, without those that it answers in full."""
    result, task = evaluation.results[0], evaluation.task
    if result.top is None:
        return
    quality = result.per_query["map"]
    judged = np.flatnonzero(quality < 1)
    worst = judged[np.argsort(quality[judged], kind="stable")][:WORST]
    places = {int(p) for row in worst for p in (task.queries[row], *result.top.places[row]) if p >= 0}
    shots = thumbnails([task.pictures.assets[place].id for place in sorted(places)])
    if not len(worst):
        yield f"<p>{_said(result.method.label)} ranks all that is relevant first, for every query.</p>\n"
        return
    yield f"<h3>The {len(worst)} queries that {_said(result.method.label)} answers worst</h3>\n"
    yield f'<p class="quiet">{LEGEND}</p>\n'
    for row in worst:
        yield _query(task, result, int(row), shots)


def _query(task: Task, result: Result, row: int, shots: Mapping[str, bytes]) -> str:
    top = result.top
    assert top is not None
    asked = int(task.queries[row])
    quality = f"AP {result.per_query['map'][row]:.2f}"
    measure = "score" if result.method.distance == AS_SEARCHED else "similarity"
    found = "".join(
        _figure("li", task, int(place), f"{'✓' if right else '✗'} {rank}", "yes" if right else "no", shots,
                f"{measure} {score:.2f}")
        for rank, (place, score, right) in enumerate(
            zip(top.places[row], top.scores[row], top.relevant[row], strict=True), 1)
        if place >= 0
    )  # fmt: skip
    query = _figure("div", task, asked, "query", "asked", shots, quality)
    return f'<div class="query">{query}<ol class="found">{found}</ol></div>\n'


def _figure(
    element: str, task: Task, place: int, mark: str, side: str, shots: Mapping[str, bytes], words: str
) -> str:
    asset, label = task.pictures.assets[place], task.labels[place] if task.labels else None
    name = _said(os.path.basename(asset.uri))  # noqa: PTH119
    data = shots.get(asset.id)
    kind = "webp" if data and data[8:12] == b"WEBP" else "png" if data and data[:4] == b"\x89PNG" else "jpeg"
    shown = (
        f'<img src="data:image/{kind};base64,{base64.b64encode(data).decode()}" alt="{name}">' if data else ""
    )
    said = f"<span>{_said(label)}</span>" if label else ""
    return (
        f'<{element} class="{side}"><figure title="{_said(asset.uri)}"><div class="shot">{shown}'
        f'<span class="mark">{mark}</span></div><figcaption>{said}<span class="quiet">{words}</span>'
        f'<span class="quiet">{name}</span></figcaption></figure></{element}>'
    )


def _said(text: str) -> str:
    return escape(printable(text))
