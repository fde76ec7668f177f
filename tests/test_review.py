"""Reviews below the web: the order against plain loops, what is expected by hand, leases, undo."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import findalike
from findalike.attributes import ordering
from findalike.attributes.answers import Answer, Answers
from findalike.attributes.leases import SECONDS, Leases
from findalike.attributes.review import Outdated, Review
from findalike.attributes.standing import Standing, standing
from findalike.errors import UsageError
from findalike.sidecars import MemorySidecars
from findalike.store.base import Batch
from findalike.types import Asset, Card, Origin, Row

CARD = Card("made-up", "1", 4)


def by_loops(
    uncertainty: list[float], raised: list[float], near: list[list[float]], others: list[float], most: int
) -> list[int]:
    """The order as its words say it."""
    left, own, order = list(others), [1.0] * len(uncertainty), []
    for _ in range(min(most, len(uncertainty))):
        worths = [
            raised[i] * uncertainty[i] * own[i] * sum(w * v for w, v in zip(near[i], left, strict=True))
            for i in range(len(uncertainty))
        ]
        best = max((i for i in range(len(worths)) if i not in order), key=lambda i: (worths[i], -i))
        order.append(best)
        left = [v * (1 - w) for w, v in zip(near[best], left, strict=True)]
        own = [v * (1 - near[best][i]) for i, v in enumerate(own)]
    return order


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_that_of_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(30, 6)).astype(np.float32)
    near = ordering.nearness(vectors[:12], vectors)
    np.fill_diagonal(near, 1.0)
    centred = vectors.astype(float) - vectors.mean(axis=0)
    for i, j in ((0, 1), (3, 20), (11, 29)):
        cosine = centred[i] @ centred[j] / np.linalg.norm(centred[i]) / np.linalg.norm(centred[j])
        assert near[i, j] == pytest.approx(max(0.0, cosine) ** 4, abs=1e-5)
    others = rng.uniform(size=30)
    raised = rng.uniform(1, 3, size=12)
    found = ordering.ordered(others[:12], raised, near, others, 9)
    assert found.tolist() == by_loops(
        others[:12].tolist(), raised.tolist(), near.tolist(), others.tolist(), 9
    )


def test_doubt_crowds_and_rare_values_come_first() -> None:
    """Two crowds of five and a loner: one of the larger doubt, then of the other crowd, not its neighbour."""
    near = np.zeros((11, 11))
    near[:5, :5] = near[5:10, 5:10] = 0.9
    np.fill_diagonal(near, 1.0)
    doubt = np.array([0.5] * 5 + [0.4] * 5 + [0.5])
    same = np.ones(11)
    first, second, *_ = ordering.ordered(doubt, same, near, doubt, 11)
    assert (first, 5 <= second < 10) == (0, True)
    rare = np.where(np.arange(11) == 10, 3.0, 1.0)
    assert 10 in ordering.ordered(doubt, rare, near, doubt, 3)
    assert ordering.ordered(doubt[:0], same[:0], near[:0], doubt, 3).tolist() == []
    assert ordering.rarity(np.array([1600.0, 100.0, 1.0])) == pytest.approx([1.0, 2.0, 3.0]), "at most 3"


def answer(value: str, before: str | None, confidence: float | None, session: str = "") -> Answer:
    return Answer("a", value, before, confidence, session)


def test_what_is_expected_by_hand() -> None:
    """60 of 100 pictures predicted with .8 each, 30 said, 10 without: (30 + 48) of 90."""
    now = standing(30, 60, 10, 48.0, [answer("x", "x", 0.5), answer("y", "x", 0.7), answer("x", None, None)])
    assert (now.total, now.answered, now.accepted) == (100, 2, 1)
    assert now.expected == pytest.approx(78 / 90)
    assert now.expected_of_predicted == pytest.approx(0.8)
    assert (now.accepted_share, now.foreseen_share) == pytest.approx((0.5, 0.6))
    assert now.trust == "unknown"
    nothing = standing(0, 0, 3, 0.0, [])
    assert (nothing.expected, nothing.expected_of_predicted, nothing.accepted_share) == (None, None, None)


@pytest.mark.parametrize(
    ("accepted", "trust"), [(50, "fits"), (41, "fits"), (39, "too sure"), (59, "fits"), (61, "too modest")]
)
def test_answers_bear_the_confidences_out_or_not(accepted: int, trust: str) -> None:
    """Of 100 with confidence .5, 50 are foreseen, give or take two times 5."""
    several = [answer("x", "x" if n < accepted else "y", 0.5) for n in range(100)]
    assert standing(0, 1, 0, 0.5, several).trust == trust


def test_leases_end_and_skips_are_ones_own() -> None:
    now = [0.0]
    leases = Leases(lambda: now[0])
    leases.hold("ada", ["1", "2"])
    assert not leases.free("bo", "1")
    assert leases.free("ada", "1")
    leases.hold("bo", ["1", "3"])
    assert leases.elsewhere("ada") == {"3"}, "what is out is not taken"
    leases.hold("ada", ["2"])
    assert leases.free("bo", "1"), "what was let go of is free"
    now[0] = SECONDS + 1
    assert leases.elsewhere("bo") == set()
    leases.skip("ada", "4")
    assert (leases.skipped("ada"), leases.skipped("bo")) == ({"4"}, frozenset())
    leases.unskip("ada")
    assert leases.skipped("ada") == set()


def test_answers_of_columns_are_kept_apart() -> None:
    sidecars = MemorySidecars()
    colour, other = Answers(sidecars, "colour"), Answers(sidecars, "colour-2")
    first, second = answer("red", "blue", 0.5, "ada"), answer("green", None, None, "bo")
    colour.add(first)
    colour.add(second)
    other.add(answer("small", "large", 0.9, "ada"))
    assert colour.all() == [first, second]
    assert [each.value for each in other.all()] == ["small"]
    assert colour.last("ada") == first
    colour.remove(first)
    assert (colour.last("ada"), Answers(sidecars, "colour").all()) == (None, [second])


# A library


def made(library: findalike.Library, count: int = 24) -> dict[str, str]:
    """Pictures with vectors in two heaps, of which the first six are labelled, and the ids by their names."""
    rng = np.random.default_rng(1)
    library.store.add_card(CARD)
    assets, rows = [], []
    for n in range(count):
        heap = n % 2
        vector = np.eye(4)[heap] + rng.normal(scale=0.3, size=4)
        name = f"{n:02}"
        metadata = {"kind": ("cat", "dog")[heap]} if n < 6 else {}
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=n)
        assets.append(Asset(f"/{name}.jpg", 1, moment, name, "image/jpeg", f"{n:064}", metadata))
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        rows.append(Row(name, Origin(name), unit))
    library.store.write(Batch(assets=assets, rows={CARD.space: rows}))
    return {asset.id: asset.uri for asset in assets}


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("review") / "library"
    with findalike.open(path) as library:
        made(library)
        library.learn_attribute("kind")
        library.apply_attributes("kind")
    return path


@pytest.fixture
def kept(learned: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(learned, tmp_path / "library"))


def test_undo_outlives_the_program(kept: Path) -> None:
    with findalike.open(kept) as library:
        before = {asset.id: dict(asset.metadata) for asset in library.store.assets()}
        review = library.review("kind")
        for value in ("dog", "cat", "bird"):
            (case,) = review.deal("ada")
            review.answer(case.asset.id, value, case.revision, "ada")
        assert [each.value for each in review.answers()] == ["dog", "cat", "bird"]
        assert "bird" in review.values()
    with findalike.open(kept) as library:
        review = library.review("kind")
        assert review.standing().stated == 9
        assert [review.undo("ada").value for _ in range(3)] == ["bird", "cat", "dog"]
        with pytest.raises(UsageError, match="no answer left"):
            review.undo("ada")
        assert {asset.id: dict(asset.metadata) for asset in library.store.assets()} == before


def test_a_review_begins_where_nothing_was_learned() -> None:
    with findalike.open(":memory:") as library:
        names = made(library)
        review = library.review("kind")
        cases = review.deal(count=30)
        assert {case.asset.id for case in cases} == set(names) - {f"{n:02}" for n in range(6)}
        assert {choice.value for choice in cases[0].choices} == {"cat", "dog"}
        assert (cases[0].value, cases[0].confidence) == (None, None)
        for case in cases:
            review.answer(case.asset.id, ("cat", "dog")[int(case.asset.id) % 2], case.revision)
        assert review.deal() == []
        assert review.standing() == Standing(24, 0, 0, 0.0)
        assert library.learn_attribute("kind").info.labelled == 24


def test_many_people_answer_at_once_and_each_picture_once(kept: Path) -> None:
    with findalike.open(kept) as library:
        review = library.review("kind")
        given: list[str] = []

        def person(name: str) -> None:
            while cases := review.deal(name):
                review.answer(cases[0].asset.id, "cat", cases[0].revision, name, wait=-1)
                given.append(cases[0].asset.id)

        people = [threading.Thread(target=person, args=(f"person-{n}",)) for n in range(3)]
        for each in people:
            each.start()
        for each in people:
            each.join()
        assert sorted(given) == [f"{n:02}" for n in range(6, 24)]
        assert len(review.answers()) == 18


def test_another_program_is_not_overwritten(kept: Path) -> None:
    with findalike.open(kept) as library:
        review = library.review("kind")
        (case,) = review.deal("ada")
        program = (
            "import sys, findalike\n"
            "with findalike.open(sys.argv[1]) as library:\n"
            "    library.edit([sys.argv[2]], metadata={'kind': 'horse'})\n"
        )
        subprocess.run([sys.executable, "-c", program, str(kept), case.asset.id], check=True)
        with pytest.raises(Outdated, match="another person says 'horse' now") as told:
            review.answer(case.asset.id, "cat", case.revision, "ada")
        assert (told.value.now.value, told.value.now.confidence) == ("horse", None)
        assert review.answers() == []
        assert case.asset.id not in {each.asset.id for each in review.deal("ada", 30)}


def test_what_is_no_attribute_is_refused(kept: Path) -> None:
    with findalike.open(kept) as library:
        for column in ("mood", "size", "kind_confidence", "tag"):
            with pytest.raises(UsageError, match=column.partition("_")[0]):
                library.review(column)
        review: Review = library.review("kind")
        with pytest.raises(UsageError, match="has the id 'nowhere'"):
            review.answer("nowhere", "cat", "")
    with findalike.open(kept, "r") as library:
        (case,) = library.review("kind").deal()
        with pytest.raises(UsageError, match="open for reading"):
            library.review("kind").answer(case.asset.id, "cat", case.revision)
