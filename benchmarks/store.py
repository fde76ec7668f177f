"""How fast and how right the store on disk answers: `python benchmarks/store.py --rows 200000 --dim 256`.

The data have the statistics of embeddings of real collections, as far as an index feels them: the spread of
the numbers falls with a power law from the first component to the last, as after a PCA that is half
whitened; pictures come in subjects whose sizes follow Zipf's law with exponent 0.7, one subject for 200
pictures, and vary within a subject 0.8 times as much as subjects vary among each other. Queries are unseen
pictures of the same subjects. Two columns hold a number from 0 to 999: `any` has nothing to do with the
vectors; `subject` orders whole subjects, so a filter on it leaves some subjects and nothing of the others,
which is what misleads a graph index most.

Each picture has five tags of 800, whose frequencies fall as Zipf's law has it, a caption of four made-up
words of 5,000, and ten concepts of the lexicon as evidence.

Answers are held against an exact scan in numpy. Its time in the same run is the yardstick: trust the ratios,
the seconds depend on what else the machine does. Searches run in a process of their own that has nothing but
the store, so that its memory is what a server would need.

With `--mirror` the same searches are asked of the store and of a mirror of it, each in a process of its own,
by 1, 4 and 16 threads; what is printed are the mirror's figures, and in brackets their ratio to the store's.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from findalike.query import parse_filter
from findalike.store import mirror
from findalike.store.base import Batch
from findalike.store.lance import LanceStore
from findalike.types import Asset, Card, Origin, Row, Vectors
from findalike.words.lexicon import lexicon

K = 20
THREADS = (1, 4, 16)
BATCH = 2_000
FILTERS = [""] + [f"{column} < {share}" for share in (1, 10, 100) for column in ("any", "subject")]
TAGS, WORDS, CONCEPTS = 800, 5_000, len(lexicon().bank.concepts)
TEXTS = {
    "a common word": "worda",
    "three words": "wordfa wordfb wordfc",
    "a phrase": '"wordb wordc"',
    "a typo": "worzdfa",
    "a folder": "pictures",
}


def main() -> None:
    options = _options()
    folder = Path(options.library or tempfile.mkdtemp(prefix="findalike-store-"))
    shutil.rmtree(folder, ignore_errors=True)
    vectors, queries, columns = clustered(options.rows, options.dim, options.queries, options.seed)
    card = Card("bench", "1", options.dim, dtype=options.dtype)
    report: dict[str, Any] = {"rows": options.rows, "dim": options.dim, "dtype": options.dtype}
    report |= build(folder, card, vectors, columns)
    spawn = multiprocessing.get_context("spawn")  # LanceDB has threads, and those do not survive a fork
    with spawn.Pool(1) as pool:
        searched = pool.apply(search, (folder, card.space, queries))
    for name in [name for name in searched if name not in FILTERS]:
        report[name] = searched.pop(name)
    report["searches"] = [
        {"filter": where, **judged(vectors, queries, columns, where, *searched[where])} for where in FILTERS
    ]
    show(report)
    if options.mirror:
        report["mirror"] = side_by_side(folder, card.space, queries)
        show_mirror(report["mirror"])
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if not options.library:
        shutil.rmtree(folder)


def clustered(rows: int, dim: int, queries: int, seed: int) -> tuple[Vectors, Vectors, dict[str, Any]]:
    """Unit vectors of shape (rows, dim) and (queries, dim), and the two columns."""
    random = np.random.default_rng(seed)
    spread = (np.arange(dim) + 1.0) ** -0.5
    subjects = max(20, rows // 200)
    sizes = 1.0 / np.arange(1, subjects + 1) ** 0.7
    centres = random.standard_normal((subjects, dim)) * spread
    subject = random.choice(subjects, rows + queries, p=sizes / sizes.sum())
    made = np.empty((rows + queries, dim), np.float32)
    for start in range(0, len(made), 20_000):
        part = subject[start : start + 20_000]
        made[start : start + 20_000] = centres[part] + 0.8 * random.standard_normal((len(part), dim)) * spread
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    order = np.argsort(random.permutation(subjects)[subject[:rows]], kind="stable")
    place = np.empty(rows, np.int64)
    place[order] = np.arange(rows) * 1000 // rows
    return made[:rows], made[rows:], {"any": random.integers(0, 1000, rows), "subject": place}


def build(
    folder: Path, card: Card, vectors: Vectors, columns: dict[str, Any], thumbnails: Sequence[bytes] = ()
) -> dict[str, Any]:
    """Write everything in batches, then optimize; seconds, and megabytes on disk. Assets have the thumbnails
    in turn."""
    store = LanceStore(folder, mode="a")
    store.add_card(card)
    store.add_bank(lexicon().bank)
    batches = []
    for start in range(0, len(vectors), BATCH):
        made = _batch(card, vectors, columns, range(start, min(start + BATCH, len(vectors))))
        if thumbnails:
            made = replace(
                made,
                thumbnails={
                    asset.id: thumbnails[(start + n) % len(thumbnails)] for n, asset in enumerate(made.assets)
                },
            )
        began = time.perf_counter()
        store.write(made)
        batches.append(time.perf_counter() - began)
    steps: list[tuple[float, str]] = []
    began = time.perf_counter()
    store.optimize(lambda sentence: steps.append((time.perf_counter(), sentence)))
    ended = time.perf_counter()
    store.write(made)  # what is there already, so that all of it is replaced
    again = time.perf_counter() - ended
    store.update(made.assets)
    return {
        "write_s": round(sum(batches), 2),
        "batch_p50_ms": _ms(np.median(batches)),
        "last_batch_ms": _ms(batches[-1]),
        "rewrite_batch_ms": _ms(again),
        "update_batch_ms": _ms(time.perf_counter() - ended - again),
        "optimize_s": round(ended - began, 2),
        "steps": {
            sentence: round(until - at, 2)
            for (at, sentence), until in zip(steps, [*(at for at, _ in steps[1:]), ended], strict=True)
        },
        "disk_mb": round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6, 1),
        "status": str(store.status()[card.space]),
    }


def search(folder: Path, space: str, queries: Vectors) -> dict[str, Any]:
    """For each filter the row numbers found and the seconds taken. Runs in a fresh process."""
    began = time.perf_counter()
    store = LanceStore(folder, mode="r")
    store.nearest(space, queries[0], K)
    answers: dict[str, Any] = {"cold_ms": _ms(time.perf_counter() - began)}
    for where in FILTERS:
        tree = parse_filter(where) if where else None
        store.nearest(space, queries[0], K, tree)
        found, seconds = [], []
        for query in queries:
            began = time.perf_counter()
            matches = store.nearest(space, query, K, tree)
            seconds.append(time.perf_counter() - began)
            found.append([int(match.row.id) for match in matches])
        answers[where] = (found, seconds)
    answers |= other_answers(store, space, queries)
    answers["rss_mib"] = round(psutil.Process().memory_info().rss / 2**20)
    return answers


def side_by_side(folder: Path, space: str, queries: Vectors) -> dict[str, Any]:
    """What `busy` finds of the store and of its mirror."""
    found = {}
    for name, mirrored in (("store", False), ("mirror", True)):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found[name] = pool.apply(busy, (folder, space, queries, mirrored))
    return found


def busy(folder: Path, space: str, queries: Vectors, mirrored: bool) -> dict[str, Any]:
    """Searches by several threads: by filter and threads the median and the 95th percentile of a search in
    ms, and the searches in a second. Runs in a fresh process."""
    began = time.perf_counter()
    lance = LanceStore(folder, mode="r")
    store = mirror.mirrored(lance) if mirrored else lance
    store.nearest(space, queries[0], K)
    figures: dict[str, Any] = {"first_ms": _ms(time.perf_counter() - began)}
    for where in ("", "any < 10", "any < 100"):
        tree = parse_filter(where) if where else None
        for threads in THREADS:
            figures[f"{where or 'none'}, {threads}"] = _asked(
                threads, lambda query, tree=tree: store.nearest(space, query, K, tree), queries
            )
    return figures | {"rss_mib": round(psutil.Process().memory_info().rss / 2**20)}


def _asked(threads: int, ask: Callable[[Any], object], queries: Vectors) -> tuple[float, float, float]:
    def timed(query: Any) -> float:
        began = time.perf_counter()
        ask(query)
        return time.perf_counter() - began

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(timed, queries[: 2 * threads]))
        began = time.perf_counter()
        seconds = list(pool.map(timed, queries))
        whole = time.perf_counter() - began
    return _ms(np.median(seconds)), _ms(np.quantile(seconds, 0.95)), round(len(queries) / whole, 1)


def other_answers(store: LanceStore, space: str, queries: Vectors) -> dict[str, Any]:
    """Milliseconds of what is no plain search: the first time, and the median of ten more."""
    filters = [
        parse_filter(f"tag {text}") for text in ("= 'tag 0'", "= 'tag 400'", "!= 'tag 0'", "like '%9%'")
    ]
    asked: dict[str, Callable[[], object]] = {
        "evidence_ms": lambda: store.evidence("classes"),
        "facet_ms": lambda: store.facets("tag"),
        "facet_any_ms": lambda: store.facets("any"),
        "facet_filtered": lambda: store.facets("tag", filters[1]),
    }
    asked |= {f"text: {name}": partial(store.full_text, text, K) for name, text in TEXTS.items()}
    asked["text, filtered"] = partial(store.full_text, TEXTS["three words"], K, filters[0])
    asked |= {
        f"tag filter {n}": partial(store.nearest, space, queries[0], K, one) for n, one in enumerate(filters)
    }
    return {name: "{} then {}".format(*_timed(ask)) for name, ask in asked.items()}


def _timed(ask: Callable[[], object]) -> tuple[float, float]:
    seconds = []
    for _ in range(11):
        began = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - began)
    return _ms(seconds[0]), _ms(np.median(seconds[1:]))


def judged(
    vectors: Vectors,
    queries: Vectors,
    columns: dict[str, Any],
    where: str,
    found: list[list[int]],
    seconds: list[float],
) -> dict[str, Any]:
    """Recall against the exact answer, and times beside those of the exact scan."""
    passing = np.arange(len(vectors))
    if where:
        column, _, below = where.split()
        passing = np.flatnonzero(columns[column] < int(below))
    pool = vectors[passing]
    recalls, scans = [], []
    for query, rows in zip(queries, found, strict=True):
        began = time.perf_counter()
        similarities = pool @ query
        best = passing[np.argpartition(-similarities, min(K, len(pool)) - 1)[:K]]
        scans.append(time.perf_counter() - began)
        recalls.append(len(set(rows) & set(best.tolist())) / len(best))
    return {
        "passing": len(pool),
        "recall": round(float(np.mean(recalls)), 4),
        "least_recall": round(float(np.min(recalls)), 4),
        "p50_ms": _ms(np.median(seconds)),
        "p95_ms": _ms(np.quantile(seconds, 0.95)),
        "numpy_ms": _ms(np.median(scans)),
    }


def show(report: dict[str, Any]) -> None:
    for name, value in report.items():
        if name != "searches":
            print(f"{name:>18}  {value}")
    print("        filter      rows  recall  least  p50 ms  p95 ms  numpy ms  ratio")
    for line in report["searches"]:
        ratio = line["p50_ms"] / max(line["numpy_ms"], 1e-3)
        print(
            f"{line['filter'] or 'none':>14} {line['passing']:>9,} {line['recall']:>7.4f} "
            f"{line['least_recall']:>6.2f} {line['p50_ms']:>7.1f} {line['p95_ms']:>7.1f} "
            f"{line['numpy_ms']:>9.2f} {ratio:>6.2f}"
        )


def show_mirror(found: dict[str, Any]) -> None:
    store, mirror = found["store"], found["mirror"]
    print("        filter, threads         p50 ms         p95 ms        a second")
    for name, figures in mirror.items():
        if name in ("first_ms", "rss_mib"):
            print(f"{name:>23}  {figures:>6} ({figures / store[name]:.2f})")
            continue
        pairs = zip(figures, store[name], strict=True)
        print(f"{name:>23}  " + "  ".join(f"{one:>6.1f} ({one / other:.2f})" for one, other in pairs))


def _batch(card: Card, vectors: Vectors, columns: dict[str, Any], numbers: range) -> Batch:
    assets, rows, evidence = [], [], {}
    random = np.random.default_rng(numbers.start)
    tags = np.minimum(random.zipf(1.3, (len(numbers), 5)), TAGS) - 1
    words = (random.pareto(0.5, (len(numbers), 4)) % WORDS).astype(int)
    shown = random.integers(0, CONCEPTS, (len(numbers), 10))
    for n in numbers:
        metadata: dict[str, Any] = {
            "any": int(columns["any"][n]),
            "subject": int(columns["subject"][n]),
            "color": "red",
        }
        uri = f"/home/someone/Pictures/{2000 + n // 9_000}/{n // 300:04d}/IMG_{n:07d}.jpg"
        at = n - numbers.start
        metadata["caption"] = " ".join(f"word{_letters(word)}" for word in words[at])
        labels = tuple(f"tag {tag}" for tag in dict.fromkeys(tags[at].tolist()))
        made = Asset(uri, 3_000_000 + n, _TAKEN, f"{n:032x}", "image/jpeg", f"{n:064x}", metadata, labels)
        assets.append(made)
        evidence[made.id] = dict.fromkeys(shown[at].tolist(), 0.5)
        rows.append(Row(f"{n:032d}", Origin(assets[-1].id), vectors[n]))
    return Batch(assets, {card.space: rows}, evidence={"classes": evidence})


def _letters(number: int) -> str:
    """A number in letters, so that it is one word, which may have a typo."""
    return "".join(chr(ord(digit) + ord("a") - ord("0")) for digit in str(number))


_TAKEN = datetime(2020, 1, 1, tzinfo=UTC)


def _ms(seconds: Any) -> float:
    return round(float(seconds) * 1000, 2)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--dtype", choices=["float32", "float16"], default="float32")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mirror", action="store_true", help="compare with a mirror in memory")
    parser.add_argument("--library", type=Path, help="keep the library in this folder")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
