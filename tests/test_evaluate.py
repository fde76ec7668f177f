"""The judge over libraries: truth, protocols, what is left out, and the order of a search."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import findalike
from findalike import plugins
from findalike.encode import catalog
from findalike.errors import LibraryError, UsageError
from findalike.evaluate import page, report, stored, tables, task, truth
from findalike.evaluate.results import Cost, Method, Options, Report, Result
from findalike.evaluate.run import evaluate
from findalike.evaluate.task import Task
from findalike.evaluate.truth import Labels, Pictures
from findalike.store.base import Batch
from findalike.types import Asset, Card, Origin, Row

CARD = catalog.find("efficientnet-lite0", "int8")
QUIET = Options(timing=False)


def asset(name: str, sha: str = "", **metadata: str | None) -> Asset:
    kept = {key: value for key, value in metadata.items() if value is not None}
    made = datetime(2020, 1, 1, tzinfo=UTC)
    return Asset(f"/p/{name}", 1, made, name, "image/jpeg", sha or name, kept)


def filled(assets: Sequence[Asset], vectors: np.ndarray) -> findalike.Library:
    """A library in memory with these vectors in the default encoder's space, zeros put behind them."""
    library = findalike.open(":memory:")
    library.store.add_card(CARD)
    whole = np.zeros((len(assets), CARD.dim), np.float32)
    whole[:, : vectors.shape[1]] = vectors
    rows = [Row(f"{a.id}-0", Origin(a.id), v) for a, v in zip(assets, whole, strict=True)]
    library.store.write(Batch(assets=assets, rows={CARD.space: rows}))
    return library


def directions(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def judged(library: findalike.Library, asked: Task, distance: str = "cosine") -> Report:
    return evaluate(library, [asked], [Method(CARD, distance)], QUIET)


def all_of(library: findalike.Library) -> Pictures:
    return truth.pictures(library.store.assets())


def column(found: Pictures, name: str) -> Labels:
    return truth.of_library(found).columns[name]


# Leave one out


def test_leave_one_out_by_hand() -> None:
    # On a circle: a at 0 and 10, b at 14 and 60, c alone at 90.
    assets = [asset(n, kind=k) for n, k in zip("12345", "aabbc", strict=True)]
    library = filled(assets, directions(0, 10, 14, 60, 90))
    found = all_of(library)
    (evaluation,) = judged(library, task.leave_one_out("kind", found, column(found, "kind"))).evaluations
    (result,) = evaluation.results
    assert (result.queries, result.without) == (4, 1)
    # 1 finds 2 first; 2 finds 3, then 1; 3 finds 2, 1, then 4; 4 finds 5 (30 away), then 3 (46).
    assert result.means["precision@1"].value == pytest.approx(1 / 4)
    assert result.means["map"].value == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    by_value = {each.value: each for each in result.slices["kind"]}
    assert {value: each.queries for value, each in by_value.items()} == {"a": 2, "b": 2}
    assert by_value["b"].means["map"].value == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert any("1 query has nothing relevant" in sentence for sentence in report.remarks(evaluation))
    assert report.heading(evaluation) == (
        "kind: leave one out, 5 pictures of 3 values, 4 with something to find"
    )


def test_the_page_shows_the_queries_that_are_not_answered_in_full() -> None:
    assets = [asset(n, kind=k) for n, k in zip("12345", "aabbc", strict=True)]
    library = filled(assets, directions(0, 10, 14, 60, 90))
    found = all_of(library)
    made = judged(library, task.leave_one_out("kind", found, column(found, "kind")))
    text = page.page(replace(made, paths=("holiday",)), lambda ids: {})
    assert "findalike eval: holiday</h1>" in text
    assert text.count('class="query"') == 3  # 2, 3 and 4; 1 finds all first, and 5 has nothing to find
    assert ("AP 0.33" in text, "similarity 0." in text, "AP 1.00" in text) == (True, True, False)


def test_the_order_is_that_of_a_search() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(0.2, 1, (60, 12)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assets = [asset(f"{i:02}", kind=str(i % 3)) for i in range(60)]
    library = filled(assets, vectors)
    found = all_of(library)
    asked = task.leave_one_out("kind", found, column(found, "kind"))
    (result,) = judged(library, asked, "as searched").evaluations[0].results
    assert result.top is not None
    for query in (0, 17, 42):
        hits = library.search(f"id:{found.assets[query].id}", k=10)
        assert [hit.asset.id for hit in hits] == [found.assets[p].id for p in result.top.places[query]]
        assert result.top.scores[query] == pytest.approx([hit.score for hit in hits], abs=1e-4)
    kinds = np.array(asked.labels)
    averages = []
    for query in range(60):
        hits = library.search(f"id:{found.assets[query].id}", k=59)
        right = [hit.asset.metadata["kind"] == kinds[query] for hit in hits]
        at = [rank for rank, good in enumerate(right, 1) if good]
        averages.append(sum((n + 1) / rank for n, rank in enumerate(at)) / len(at))
    assert result.per_query["map"] == pytest.approx(averages, abs=1e-6)


def test_copies_of_the_query_are_left_out_unless_wanted() -> None:
    assets = [
        asset("1", "same", kind="a"),
        asset("2", "same", kind="a"),
        asset("3", kind="a"),
        asset("4", kind="b"),
    ]
    library = filled(assets, directions(0, 0, 50, 10))
    found = all_of(library)
    asked = task.leave_one_out("kind", found, column(found, "kind"))
    assert asked.counts["copies"] == 1
    (without,) = judged(library, asked).evaluations[0].results
    kept = task.leave_one_out("kind", found, column(found, "kind"), copies=True)
    (with_copies,) = judged(library, kept).evaluations[0].results
    # Without them, 1 and 2 find 4 first, then 3; 3 finds 4 (40 away) first, then 1 and 2.
    assert without.means["precision@1"].value == 0
    assert without.means["map"].value == pytest.approx((1 / 2 + 1 / 2 + (1 / 2 + 2 / 3) / 2) / 3)
    assert with_copies.means["precision@1"].value == pytest.approx(2 / 3)


def test_ties_do_not_know_the_labels() -> None:
    """All pictures the same vector: the mean over many is what chance finds, and a note says so."""
    assets = [asset(f"{i % 2}{i:03}", f"{hash((i, 7)) & 0xFFFFFFFF:08x}", kind=str(i % 2)) for i in range(80)]
    library = filled(assets, directions(*[30] * 80))
    found = all_of(library)
    (evaluation,) = judged(library, task.leave_one_out("kind", found, column(found, "kind"))).evaluations
    means = evaluation.results[0].means
    assert means["precision@20"].value == pytest.approx(means["precision"].value, abs=0.12)
    assert any("same vector" in note for note in evaluation.notes)
    (searched,) = judged(library, evaluation.task, "as searched").evaluations
    assert searched.results[0].verification is not None
    assert searched.results[0].verification.thresholds == ()
    assert list(report.recommendations(searched)) == [
        "No score can be recommended for equal error.",
        "No score can be recommended for precision 0.9.",
    ]


def test_unlabelled_pictures_are_left_out_and_counted() -> None:
    assets = [asset(n, kind=k) for n, k in zip("12345", ("a", "a", "b", "b", None), strict=True)]
    library = filled(assets, directions(0, 20, 90, 70, 1))
    found = all_of(library)
    (evaluation,) = judged(library, task.leave_one_out("kind", found, column(found, "kind"))).evaluations
    assert (evaluation.task.counts["labelled"], evaluation.task.counts["unlabelled"]) == (4, 1)
    assert evaluation.results[0].means["map"].value == 1
    assert any("1 picture without a value of kind" in said for said in report.remarks(evaluation))


@pytest.mark.parametrize(
    ("labels", "shas", "said"),
    [
        ("aaa", "123", "all 3 pictures have the kind 'a'"),
        ("abc", "123", "no two pictures have the same kind"),
        ("a", "1", "there is one picture"),
        ("aab", "111", "all 3 pictures have the same bytes"),
        ([None, None], "12", "no picture has a value of kind"),
    ],
)
def test_labels_that_tell_nothing_are_refused(labels: Sequence[str | None], shas: str, said: str) -> None:
    found = truth.pictures([asset(str(i), sha) for i, sha in enumerate(shas)])
    with pytest.raises(UsageError, match=said):
        task.leave_one_out("kind", found, tuple(labels))


def test_a_vector_that_is_no_number_is_named() -> None:
    vectors = directions(0, 10, 20)
    vectors[1, 0] = np.nan
    library = filled([asset(n, kind=k) for n, k in zip("123", "aab", strict=True)], vectors)
    found = all_of(library)
    with pytest.raises(LibraryError, match="/p/2 in efficientnet-lite0@1-int8"):
        judged(library, task.leave_one_out("kind", found, column(found, "kind")))


def test_pictures_without_a_vector_are_counted() -> None:
    library = filled([asset("1"), asset("2")], directions(0, 10))
    library.store.write(Batch(assets=[asset("3")]))
    there, without = stored.encoded(library, [CARD], library.store.assets())
    assert (sorted(a.id for a in there), without) == (["1", "2"], 1)


# Query against gallery, tables, pairs


def test_query_against_gallery_by_hand() -> None:
    assets = [asset(n, kind=k, role=r) for n, k, r in zip("12345", "abaab", "qqggg", strict=True)]
    library = filled(assets, directions(0, 5, 10, 80, 20))
    found = all_of(library)
    asks = task.sides("role", column(found, "role"), "q")
    (evaluation,) = judged(
        library, task.query_gallery("kind", found, column(found, "kind"), asks)
    ).evaluations
    means = evaluation.results[0].means
    # 1 finds 3, 5, 4; 2 finds 3, 5, 4, of which 5 is right: never another query.
    assert means["map"].value == pytest.approx(((1 + 2 / 3) / 2 + 1 / 2) / 2)
    with pytest.raises(UsageError, match="no value 'query'; there are g, q"):
        task.sides("role", column(found, "role"), "query")


def test_relevant_pictures_with_grades_by_hand(tmp_path: Path) -> None:
    library = filled([asset(n) for n in "1234"], directions(0, 10, 20, 30))
    table = tmp_path / "truth.json"
    table.write_text(json.dumps({"/p/1": {"/p/3": 3, "/p/4": 1, "/p/9": 2}, "/p/2": [], "/p/7": ["/p/1"]}))
    found = all_of(library)
    known = truth.relevant(found, tables.read(table))
    assert set(known.unknown) == {"/p/9", "/p/7"}
    assert known.grades.keys() == {0, 1}
    (evaluation,) = judged(library, task.of_relevant("truth", found, known)).evaluations
    result = evaluation.results[0]
    dcg, ideal = 3 / math.log2(3) + 1 / math.log2(4), 3 + 1 / math.log2(3)
    assert result.means["ndcg"].value == pytest.approx(dcg / ideal)
    assert (result.queries, result.without) == (1, 1)
    assert report.heading(evaluation) == (
        "truth: query against gallery, 2 queries on 4 pictures, 1 with something to find"
    )
    assert any("2 files of the truth" in said for said in report.remarks(evaluation))


def test_pairs_of_a_table(tmp_path: Path) -> None:
    library = filled([asset(n) for n in "1234"], directions(0, 10, 60, 75))
    table = tmp_path / "pairs.csv"
    rows = ["1,2,same", "3,4,1", "1,3,0", "2,4,different", "1,9,1", "2,2,1"]
    table.write_text(
        "first,second,same\n" + "\n".join(f"/p/{a},/p/{b},{c}" for a, b, c in (r.split(",") for r in rows))
    )
    found = all_of(library)
    (evaluation,) = judged(
        library, task.of_pairs("pairs", found, truth.pairs(found, tables.read(table)))
    ).evaluations
    verification = evaluation.results[0].verification
    assert verification is not None
    assert (verification.pairs, verification.same, verification.auc, verification.equal_error) == (4, 2, 1, 0)
    assert verification.base == 0.5
    assert evaluation.task.unknown == ("/p/9",)
    assert "1 pair of a picture and itself left out." in report.remarks(evaluation)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "", "is empty"),
        ("t.csv", "path,kind\n", "has no rows"),
        ("t.csv", "first\n/p/1\n", "one named 'second' is missing"),
        ("t.csv", "first,second,same\n/p/1,/p/2,maybe\n", "line 2 says 'maybe'"),
        ("t.csv", "first,second,same\n/p/1,/p/2\n", "line 2 has 2 fields"),
        ("t.csv", "first,second,same\n/p/1,,1\n", "line 2 names no picture in the column 'second'"),
        ("t.csv", "first,second,same\n/p/1,/p/1,1\n", "all pairs are of one picture"),
        ("t.csv", "first,second,same\n/p/8,/p/9,1\n", "none of its pictures is in the library"),
        ("t.csv", "a,a,b\n/p/1,/p/2,1\n", "two columns named 'a'"),
        ("t.json", "[1, 2]", "must be a list of objects"),
        ("t.json", "{", "is no JSON"),
    ],
)
def test_tables_that_cannot_be_used_are_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=said) as error:
        truth.pairs(truth.pictures([asset("1"), asset("2")]), tables.read(tmp_path / name))
    assert name in str(error.value)
    with pytest.raises(UsageError, match="nothing is there"):
        tables.read(tmp_path / "none.csv")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_of_labels(tmp_path: Path, separator: str) -> None:
    lines = [["kind", "path"], ["cat", "a.jpg"], ["", "b.jpg"], ["dog", "gone.jpg"], ["cow", "a.jpg"]]
    path = tmp_path / "labels.csv"
    path.write_text("\ufeff" + "\r\n".join(separator.join(line) for line in lines), "utf-8")
    made = datetime(2020, 1, 1, tzinfo=UTC)
    assets = [Asset(str(tmp_path / n), 1, made, n, "", n) for n in ("a.jpg", "b.jpg", "c.jpg")]
    known = truth.of_table(truth.pictures(assets), tables.read(path))
    assert known.columns == {"kind": ("cow", None, None)}
    assert known.unknown == ("gone.jpg",)


# Methods beside each other


def test_methods_are_compared_on_the_same_queries() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(120) % 4
    vectors = np.eye(8, dtype=np.float32)[labels] + random.normal(0, 0.6, (120, 8)).astype(np.float32)
    assets = [asset(f"{i:03}", kind=str(label)) for i, label in enumerate(labels)]
    library = filled(assets, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    found = all_of(library)
    asked = task.leave_one_out("kind", found, column(found, "kind"))
    methods = [Method(CARD, name) for name in ("cosine", "euclidean", "city-block", "hamming", "chi-square")]
    (evaluation,) = evaluate(library, [asked], methods, QUIET).evaluations
    assert [r.method.distance for r in evaluation.results] == ["cosine", "euclidean", "city-block"]
    assert set(evaluation.skipped) == {f"{CARD.space}, hamming", f"{CARD.space}, chi-square"}
    same, other = evaluation.comparisons
    assert abs(same.difference.value) < 1e-3  # of rows of unit length, both have one order
    per_query = [result.per_query["map"] for result in evaluation.results]
    assert other.difference.value == pytest.approx(float((per_query[2] - per_query[0]).mean()))
    assert 0 < other.p <= 1
    with pytest.raises(UsageError, match="nothing can be compared"):
        evaluate(library, [asked], [Method(CARD, "hamming")], QUIET)
    written = report.markdown(evaluate(library, [asked], methods, QUIET))
    assert "| method | P@1 |" in written
    assert json.dumps(report.record(evaluate(library, [asked], methods, QUIET)), allow_nan=False)


def test_a_drawing_has_the_best_distance_of_each_encoder() -> None:
    pytest.importorskip("matplotlib")
    plots = plugins.on_use("findalike.evaluate.plots")
    cards = [Card(f"card-{n:02}", "1", 8) for n in range(14)]
    quality = {
        Method(card, name).label: n / 20 + worth
        for n, card in enumerate(cards)
        for name, worth in (("cosine", 0.01), ("city-block", 0.02), ("euclidean", 0.0))
    }
    results = [
        Result(Method(card, name), Cost(None, 0, 8))
        for card in cards
        for name in ("cosine", "city-block", "euclidean")
    ]
    shown = plots.shown(results, lambda each: quality[each.method.label])
    best = [f"card-{n:02}, city-block" for n in (13, 12, 11, 10, 9, 8, 7, 6, 5, 0)]
    assert [each.method.short for each in shown] == best


def test_times_can_be_read_off_a_drawing() -> None:
    pytest.importorskip("matplotlib")
    plots = plugins.on_use("findalike.evaluate.plots")
    made, axes = plots.figure("", "ms", "")
    axes.plot([0.3, 5.6], [0, 1])
    plots._logarithmic(axes)
    made.canvas.draw()
    low, high = axes.get_xlim()
    written = [label.get_text() for label in axes.get_xticklabels() if low <= label.get_position()[0] <= high]
    assert written == ["0.5", "1", "2", "5"]
