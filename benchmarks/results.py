"""Write docs/results.md: every method on labelled pictures, by `findalike eval` (`make results`).

    python benchmarks/results.py DATA [--set NAME]... [--encoder NAME]... [--libraries DIR] [--out FILE]

DATA holds the folders of `SETS`, each with a `labels.csv`. Each set is indexed into a library with all
encoders that are installed, of each its first precision, and with what the library learns of its own pictures
(whitening, bags of visual words, VLAD), and judged as a search ranks; then the distances are compared on one
set. Libraries are kept in DIR, so that another run encodes only what is new.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.progress import track

import findalike
from findalike.encode import catalog
from findalike.evaluate import report as reports
from findalike.evaluate import similarity, stored, tables, task, truth
from findalike.evaluate.report import Table
from findalike.evaluate.results import Evaluation, Method, Options, Result
from findalike.evaluate.run import evaluate
from findalike.types import Card

SETS: dict[str, tuple[str, str, str]] = {
    "corel": ("category", "", "photographs of ten scenes and things"),
    "clothing": ("category", "", "garments photographed with phones, by kind"),
    "grocery": ("product", "", "groceries on shelves and in studios, by product"),
    "cars": ("color", "", "sports cars, by their colour"),
    "covers": ("category", "role=query", "CD covers photographed again, against a gallery"),
}
"""Of each set the column of labels, who asks, and what it is."""

FIRST = "efficientnet-lite0"
"""The default encoder, which the others are held against."""

DISTANCES_ON = "cars"
LEARNED = ("whitened:efficientnet-lite0", "bow:sift", "vlad:sift")
NETWORKS = ("efficientnet", "clip", "onnx", "whitened")

SEES = {
    "efficientnet": "what is shown: things, kinds of things and scenes, wherever they are and however lit",
    "joined": "what is shown, by two networks at once",
    "-gem": "what is shown, strong responses of the network weighing more",
    "-max": "what is shown, by the strongest responses of the network alone",
    "-r-mac": "what is shown in each of several parts",
    "colour": "which colours, and how much of each; stored for every picture",
    "hsv-histogram": "which colours, and how much of each, by hue, saturation and value",
    "lab-histogram": "which colours, and how much of each, in steps that look equal",
    "dominant-colours": "the few main colours, which can also be named and filtered",
    "layout": "where light and colour lie: the same picture or composition; stored for every picture",
    "hog": "outlines and where they run: things of one shape and pose, seen from one side",
    "lbp": "fine texture, wherever it is: cloth, grass, stone",
    "gist": "the rough shape of a scene: coast, street, forest",
    "hash": "the same picture again, resized or recompressed, in a few bytes; nothing else",
    "crop-resistant-hash": "the same picture again, also cut, by hashes of its parts; nothing else",
    "bow:": "the same thing again, by details that are matched as words",
    "vlad:": "the same thing again, by details, in one vector",
    "whitened:": "what its network sees, with what all pictures share taken back",
}
"""What methods see, by what their names hold; of those that fit a name, the last is said."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", action="append", choices=list(SETS), help="default: all that are there")
    parser.add_argument("--encoder", action="append", help="default: all that are installed")
    parser.add_argument("--libraries", type=Path, default=Path("out/results"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "results.md")
    options = parser.parse_args()
    options.libraries.mkdir(parents=True, exist_ok=True)
    names = options.encoder or list(dict.fromkeys(card.name for card in catalog.cards()))
    names = [FIRST, *(name for name in names if name != FIRST)]
    learned = [] if options.encoder else list(LEARNED)
    sets = [name for name in options.set or SETS if (options.data / name).is_dir()]
    started = time.monotonic()
    found = {
        name: judged(options.data, name, names, learned, options.libraries) for name in track(sets, "Sets")
    }
    distances = compared(options.data, names, options.libraries) if DISTANCES_ON in sets else None
    options.out.write_text(page(found, distances), "utf-8")
    print(f"wrote {options.out} in {time.monotonic() - started:.0f} s")


def opened(data: Path, name: str, names: Sequence[str], libraries: Path) -> findalike.Library:
    library = findalike.open(libraries / name)
    report = library.add(data / name, encoder=names)
    for failure in report.failures:
        print(f"{failure.uri}: {failure.error}")
    return library


def learn(library: findalike.Library, learned: Sequence[str]) -> None:
    """What is named and was not yet learned of the library."""
    there = {card.name for card in library.store.cards().values()}
    if missing := [name for name in learned if name not in there]:
        library.learn_whitening(FIRST)
        library.learn_vocabulary()
        print(f"{library.path}: learned {', '.join(missing)}")


def chosen(library: findalike.Library, names: Sequence[str]) -> list[Card]:
    cards = {card.name: card for card in reversed(library.store.cards().values())}
    return [cards[name] for name in names]


def asked(data: Path, library: findalike.Library, name: str, cards: Sequence[Card]) -> task.Task:
    column, split, _ = SETS[name]
    there, _ = stored.encoded(library, cards, library.store.assets())
    pictures = truth.pictures(there)
    known = truth.of_table(pictures, tables.read(data / name / "labels.csv"))
    labels = known.columns[column]
    if not split:
        return task.leave_one_out(column, pictures, labels)
    by, _, value = split.partition("=")
    return task.query_gallery(column, pictures, labels, task.sides(by, known.columns[by], value))


def judged(
    data: Path, name: str, names: Sequence[str], learned: Sequence[str], libraries: Path
) -> Evaluation:
    with opened(data, name, names, libraries) as library:
        learn(library, learned)
        cards = chosen(library, [*names, *learned])
        question = asked(data, library, name, cards)
        return evaluate(library, [question], [Method(card) for card in cards]).evaluations[0]


def compared(data: Path, names: Sequence[str], libraries: Path) -> Evaluation:
    """All distances on one set."""
    with opened(data, DISTANCES_ON, names, libraries) as library:
        cards = chosen(library, names)
        question = asked(data, library, DISTANCES_ON, cards)
        methods = [Method(card, distance) for card in cards for distance in similarity.NAMES]
        return evaluate(library, [question], methods, Options(timing=False)).evaluations[0]


# The page


INTRODUCTION = """\
# Results

Every method on labelled photographs, as a search of the library ranks them. Written by `make results`
(`python benchmarks/results.py DATA`) with the code of `findalike eval`: nothing here is typed by hand but
what a method sees. [The judge](evaluate.md) says what the numbers mean. Encoding was timed on a busy
machine, whose load changed from method to method: read times as orders of size.

`whitened:`, `bow:` and `vlad:` were [learned](learned.md) of the pictures of each set, without their
labels. What comparing the best hits by their keypoints adds stands in [Verification](verify.md), and how
spaces are weighed together in [Queries](query.md#what-counts-in-looking-alike).

## What each is good for
"""

RANKS = """\
`rank` is that of its mAP among all methods, on the set where that is highest: no advice where it lies in the
lower half. What sees other things than the network is not for its place but for its side:
`--look thing=1,colour=0.5`.

## All sets

mAP of each method on each set; **bold** is best.
"""

DISTANCES = f"""\
## Distances

mAP on `{DISTANCES_ON}` with the stored vectors compared in other ways. A dash: the distance says nothing of
such vectors. Stored vectors of a space of cosines have unit length, so Euclidean distance orders them as the
plain cosine does.
"""


def page(found: dict[str, Evaluation], distances: Evaluation | None) -> str:
    parts = [INTRODUCTION, reports.markdown_table(good_for(found))]
    parts += [RANKS, reports.markdown_table(overview(found))]
    for name, evaluation in found.items():
        parts += section(name, evaluation)
    if distances is not None:
        parts += [DISTANCES, reports.markdown_table(by_distance(distances))]
    return "\n".join(parts)


def section(name: str, evaluation: Evaluation) -> Iterator[str]:
    what = SETS[name][2][0].upper() + SETS[name][2][1:]
    yield (
        f"## {name}\n\n{what}. {reports.heading(evaluation)}. p is that of the difference in mAP to "
        f"`{FIRST}` by a paired test, raised for the number of methods.\n"
    )
    yield from reading(evaluation)
    yield reports.markdown_table(methods(evaluation))
    yield from (f"- {sentence}" for sentence in reports.remarks(evaluation))
    yield ""


def reading(evaluation: Evaluation) -> Iterator[str]:
    """What the table says, in sentences."""
    ordered = by_map(evaluation)
    plain = next((r for r in ordered if not r.method.card.name.startswith(NETWORKS)), None)
    yield f"- Best: {named(ordered[0])}." + (f" Best without a network: {named(plain)}." if plain else "")
    better = [c for c in evaluation.comparisons if c.p < 0.05 and c.difference.value > 0]
    listed = ", ".join(f"`{c.method.partition('@')[0]}`" for c in better) or "none"
    yield f"- Better than `{FIRST}` beyond chance (p below 0.05): {listed}.\n"


def named(result: Result) -> str:
    return f"`{result.method.short}` (mAP {result.means['map'].value:.3f})"


def methods(evaluation: Evaluation) -> Table:
    """The methods of a set, the best first."""
    beside = {each.method: each for each in evaluation.comparisons}
    rows = []
    for result in by_map(evaluation):
        p = beside.get(result.method.label)
        cost = result.cost
        rows.append(
            (
                f"`{result.method.short}`",
                reports.between(result.means["precision@1"], 3),
                f"{result.means['precision@10'].value:.3f}",
                reports.between(result.means["map"], 3),
                f"{p.difference.value:+.3f}" if p else "",
                ("< 0.001" if p.p < 0.001 else f"{p.p:.3f}") if p else "",
                f"{cost.encode_ms:.1f}" if cost.encode_ms else "–",
                f"{cost.bytes:,.0f}",
            )
        )
    head = ("method", "P@1", "P@10", "mAP", f"mAP less {FIRST}", "p", "encode ms", "bytes")
    return Table("", head, tuple(rows))


def by_map(evaluation: Evaluation) -> list[Result]:
    return sorted(evaluation.results, key=lambda result: -result.means["map"].value)


def overview(found: dict[str, Evaluation]) -> Table:
    best = {name: by_map(each)[0].means["map"].value for name, each in found.items()}
    values = {
        name: {r.method.short: r.means["map"].value for r in each.results} for name, each in found.items()
    }
    rows = []
    for method in all_methods(found):
        here = {name: values[name][method] for name in found}
        cells = (f"**{here[n]:.3f}**" if here[n] == best[n] else f"{here[n]:.3f}" for n in found)
        rows.append((f"`{method}`", *cells))
    return Table("", ("method", *found), tuple(rows))


def all_methods(found: dict[str, Evaluation]) -> list[str]:
    return [result.method.short for result in next(iter(found.values())).results]


def good_for(found: dict[str, Evaluation]) -> Table:
    rows = []
    orders = {name: [r.method.short for r in by_map(each)] for name, each in found.items()}
    for method in all_methods(found):
        name = min(orders, key=lambda each: orders[each].index(method))
        place = orders[name].index(method) + 1
        fitting = [words for part, words in SEES.items() if part in method]
        rows.append((f"`{method}`", fitting[-1] if fitting else "", name, f"{place} of {len(orders[name])}"))
    return Table("", ("method", "what it sees", "highest rank on", "rank"), tuple(rows))


def by_distance(evaluation: Evaluation) -> Table:
    values = {(r.method.card.name, r.method.distance): r.means["map"].value for r in evaluation.results}
    names = dict.fromkeys(name for name, _ in values)
    rows = []
    for name in names:
        there = [values.get((name, distance)) for distance in similarity.NAMES]
        rows.append((f"`{name}`", *("–" if value is None else f"{value:.3f}" for value in there)))
    return Table("", ("method", *similarity.NAMES), tuple(rows))


if __name__ == "__main__":
    main()
