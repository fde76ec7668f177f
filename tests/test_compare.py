"""`findalike eval --compare`: whether what was trained is better than what it began from, and no when not."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import findalike
import small_models as small
from conftest import Cli
from findalike.encode import catalog, file_card
from findalike.encode.base import unit
from findalike.encode.file_card import FileCard
from findalike.errors import EncoderError, UsageError
from findalike.evaluate import bootstrap, compare, report, stored, task, truth
from findalike.evaluate.results import BETTER, NO_BETTER, UNTOLD, WORSE, Method, Options, Report, Verdict
from findalike.evaluate.run import evaluate
from findalike.rank import adapted
from findalike.types import Card

BASE = next(card for card in catalog.cards() if card.name == "colour")
CLASSES, EACH = 6, 6


def drawing(kind: int, number: int) -> Image.Image:
    """Of a class: a colour of its own, under noise that drowns it but for its mean."""
    random = np.random.default_rng(100 * kind + number)
    own = np.random.default_rng(kind).integers(60, 196, 3)
    noise = random.integers(-60, 61, (8, 8, 3)) + random.integers(-25, 26, 3)
    return Image.fromarray((own + noise).clip(0, 255).astype(np.uint8)).resize(
        (64, 64), Image.Resampling.BICUBIC
    )


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawings")
    for kind, number in itertools.product(range(CLASSES), range(EACH)):
        (root / f"class{kind}").mkdir(exist_ok=True)
        drawing(kind, number).save(root / f"class{kind}" / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def indexed(drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("indexed") / "library"
    with findalike.open(path, encoder="colour") as library:
        library.add(drawings)
    return path


@pytest.fixture
def opened(indexed: Path) -> Iterator[findalike.Library]:
    with findalike.open(indexed, "r") as library:
        yield library


@pytest.fixture(scope="module")
def contents(indexed: Path) -> dict[str, str]:
    """The SHA-256 of each drawing by its path, such as `class0/3.png`."""
    with findalike.open(indexed, "r") as library:
        return {"/".join(Path(a.uri).parts[-2:]): a.sha256 for a in library.store.assets()}


def head(path: Path, matrix: np.ndarray, **trained: Any) -> str:
    """A head on colours that multiplies by a matrix."""
    card = FileCard("head", path.stem, matrix.shape[1], base=file_card.mention(BASE), trained=trained)
    file_card.write(path, card, small.head_bytes(matrix.astype(np.float32)))
    return f"file:{path}"


def discriminant(indexed: Path) -> np.ndarray:
    """What parts the classes best: Fisher's discriminants, of the pictures that are judged."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    with findalike.open(indexed, "r") as library:
        found = truth.pictures(library.store.assets())
        vectors = stored.space(library, library.store.cards()[BASE.space], found).vectors
        fitted = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.1).fit(
            vectors, truth.of_folders(found)
        )
        return np.asarray(fitted.scalings_[:, : CLASSES - 1])


@pytest.fixture(scope="module")
def better(indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return head(tmp_path_factory.mktemp("better") / "better.onnx", discriminant(indexed), pictures=[])


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A head that turns the space, which changes no similarity."""
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(BASE.dim, BASE.dim)))[0]
    return head(tmp_path_factory.mktemp("turned") / "turned.onnx", axes, pictures=[])


@pytest.fixture(scope="module")
def worse(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A head that sees one random direction."""
    narrow = np.random.default_rng(1).normal(size=(BASE.dim, 2))
    return head(tmp_path_factory.mktemp("worse") / "worse.onnx", narrow, pictures=[])


def judged(library: findalike.Library, *references: str, only_unseen: bool = False) -> Report:
    cards = [catalog.find(each) for each in references]
    found = truth.pictures(library.store.assets())
    asked = task.leave_one_out("folder", found, truth.of_folders(found))
    if only_unseen:
        asked = compare.unseen(asked, cards)
    start = library.store.cards()[BASE.space]
    done = evaluate(library, [asked], [Method(each) for each in (start, *cards)], Options(timing=False))
    return compare.judged(done, cards)


def verdicts(found: Report) -> dict[str, Verdict]:
    return {
        each.method.partition("-")[0].removeprefix("file:"): each for each in found.evaluations[0].verdicts
    }


# What is said


def test_better_worse_and_no_better_are_told_apart(
    opened: findalike.Library, better: str, turned: str, worse: str
) -> None:
    found = verdicts(judged(opened, better, turned, worse))
    assert {name: each.outcome for name, each in found.items()} == {
        "better": BETTER, "turned": NO_BETTER, "worse": WORSE,
    }  # fmt: skip
    assert found["better"].difference.low > 0
    assert found["worse"].difference.high < 0
    assert found["turned"].p > 0.05


def test_figures_are_those_of_a_plain_loop(opened: findalike.Library, better: str, worse: str) -> None:
    """Average precision by hand, the differences, and the p of these, raised for two comparisons."""
    found = verdicts(judged(opened, better, worse))
    pictures = truth.pictures(opened.store.assets())
    names = truth.of_folders(pictures)
    base = stored.space(opened, opened.store.cards()[BASE.space], pictures)
    made = {"better": better, "worse": worse}
    precision = {"start": average_precisions(base.vectors, base.mean, names)}
    for name, reference in made.items():
        matrix = weights(Path(reference.removeprefix("file:")))
        vectors = unit(base.vectors @ matrix)
        sample = unit(opened.store.sample(BASE.space, 10_000) @ matrix)
        precision[name] = average_precisions(vectors, sample.mean(axis=0), names)
    ps = []
    for name in made:
        each, differences = found[name], precision[name] - precision["start"]
        assert each.before == pytest.approx(precision["start"].mean(), abs=1e-4)
        assert each.after == pytest.approx(precision[name].mean(), abs=1e-4)
        assert each.difference.value == pytest.approx(differences.mean(), abs=1e-4)
        assert each.difference.low < each.difference.value < each.difference.high
        assert each.queries == CLASSES * EACH
        ps.append(bootstrap.sign_flip(differences))
    assert sorted(each.p for each in found.values()) == pytest.approx(sorted(bootstrap.holm(ps)), abs=2e-4)


def weights(path: Path) -> np.ndarray:
    return onnx.numpy_helper.to_array(onnx.load(path).graph.initializer[0])


def average_precisions(vectors: np.ndarray, mean: np.ndarray, names: tuple[str | None, ...]) -> np.ndarray:
    """Of each picture, over all others, as a search ranks them; ties by content, the order of pictures."""
    found = []
    for place, query in enumerate(vectors):
        turned = adapted(query, mean, len(vectors))
        alike = np.minimum(vectors @ turned / (query @ turned), 1)
        order = [i for i in np.argsort(-alike.round(6), kind="stable") if i != place]
        right = np.array([names[i] == names[place] for i in order])
        found.append((np.cumsum(right) / np.arange(1, len(right) + 1))[right].mean())
    return np.array(found)


def test_words_say_how_much_on_how_many_and_no_when_it_is_none(
    opened: findalike.Library, better: str, turned: str, worse: str
) -> None:
    said = "\n".join(report.verdicts(judged(opened, better, turned, worse).evaluations[0]))
    assert "is better. mAP 1.000, where colour@" in said
    assert f"on {CLASSES * EACH} queries, 95 % interval +0." in said
    assert "is no better: what differs may be chance." in said
    assert "is worse." in said
    assert "Beware" not in said


def test_too_few_queries_tell_nothing(opened: findalike.Library, better: str) -> None:
    cards = [opened.store.cards()[BASE.space], catalog.find(better)]
    found = truth.pictures(list(opened.store.assets())[:4])
    labels = tuple(str(i % 2) for i in range(4))
    asked = task.leave_one_out("made up", found, labels)
    done = evaluate(opened, [asked], list(map(Method, cards)), Options(timing=False))
    (verdict,) = compare.judged(done, cards[1:]).evaluations[0].verdicts
    assert verdict.outcome in (UNTOLD, NO_BETTER)
    assert verdict.p > 0.05


# What was trained on


def test_pictures_of_the_training_are_counted_and_warned_of(
    opened: findalike.Library, contents: dict[str, str], indexed: Path, tmp_path: Path
) -> None:
    known = [sha256 for name, sha256 in contents.items() if name.startswith(("class0", "class1"))]
    reference = head(tmp_path / "seen.onnx", discriminant(indexed), pictures=file_card.pictures(known),
                     classes=["class0", "class1"])  # fmt: skip
    found = judged(opened, reference)
    (verdict,) = found.evaluations[0].verdicts
    assert (verdict.seen.pictures, verdict.seen.of, verdict.seen.told) == (12, 36, True)
    assert (verdict.seen.values, verdict.seen.of_values) == (2, 6)
    said = "\n".join(report.verdicts(found.evaluations[0]))
    assert (verdict.outcome, verdict.after > verdict.before, verdict.p < 0.05) == (UNTOLD, True, True)
    assert "was trained on 12 of the 36 pictures, so nothing can be told of new ones" in said
    assert "is better" not in said
    assert "for 2 of the 6 values" in said
    every = head(
        tmp_path / "every.onnx", discriminant(indexed), classes=[f"class{n}" for n in range(CLASSES)]
    )
    assert "was trained for all 6 values" in "\n".join(report.verdicts(judged(opened, every).evaluations[0]))
    left = judged(opened, reference, only_unseen=True).evaluations[0]
    assert (left.task.counts["seen"], left.task.counts["labelled"], left.task.counts["values"]) == (12, 24, 4)
    assert left.results[0].queries == 24
    assert left.verdicts[0].seen.pictures == 0
    assert "12 pictures that an encoder was trained on left out." in list(report.remarks(left))


def test_a_card_that_names_no_pictures_is_said_to(opened: findalike.Library, tmp_path: Path) -> None:
    small.head(tmp_path / "silent.onnx", BASE, 4)
    said = "\n".join(report.verdicts(judged(opened, f"file:{tmp_path / 'silent'}").evaluations[0]))
    assert "does not say which pictures it was trained on" in said


def test_where_all_is_of_the_training_nothing_is_judged(
    opened: findalike.Library, contents: dict[str, str], tmp_path: Path
) -> None:
    all_seen = small.head(
        tmp_path / "all.onnx", BASE, 4, trained={"pictures": file_card.pictures(contents.values())}
    )
    assert len(all_seen.trained["pictures"]) == 36
    with pytest.raises(UsageError, match=r"36 of 36 pictures are of the training.*Give new pictures"):
        judged(opened, f"file:{tmp_path / 'all'}", only_unseen=True)
    but_one = [sha256 for name, sha256 in contents.items() if not name.startswith("class3")]
    small.head(tmp_path / "most.onnx", BASE, 4, trained={"pictures": file_card.pictures(but_one)})
    with pytest.raises(UsageError, match=r"30 of 36.*with one value every answer is right.*also-seen"):
        judged(opened, f"file:{tmp_path / 'most'}", only_unseen=True)


def test_queries_that_are_left_with_nothing_to_find_are_refused(
    opened: findalike.Library, contents: dict[str, str], tmp_path: Path
) -> None:
    """The first three classes ask, and of these only queries stay; of the others only what is found."""
    found = truth.pictures(opened.store.assets())
    names, asks = truth.of_folders(found), [i % 2 == 0 for i in range(len(found))]
    asked = task.query_gallery("folder", found, names, asks)
    first = {"class0", "class1", "class2"}
    known = [each.sha256 for each, name, a in zip(found.assets, names, asks, strict=True)
             if a != (name in first)]  # fmt: skip
    small.head(tmp_path / "apart.onnx", BASE, 4, trained={"pictures": file_card.pictures(known)})
    card = catalog.find(f"file:{tmp_path / 'apart'}")
    with pytest.raises(UsageError, match="no query has anything to find"):
        compare.unseen(asked, [card])
    small.head(tmp_path / "one.onnx", BASE, 4, trained={"pictures": file_card.pictures(known[:1])})
    assert compare.unseen(asked, [catalog.find(f"file:{tmp_path / 'one'}")]).counts["seen"] == 1
    assert len(contents) == 36


def test_what_the_encoder_under_a_head_was_trained_on_counts_too(
    opened: findalike.Library, contents: dict[str, str], tmp_path: Path
) -> None:
    first, second, *_ = contents.values()
    small.head(tmp_path / "under.onnx", BASE, 4, trained={"pictures": file_card.pictures([first])})
    under = catalog.find(f"file:{tmp_path / 'under'}")
    small.head(tmp_path / "over.onnx", under, 3, trained={"pictures": file_card.pictures([second])})
    found = truth.pictures(opened.store.assets())
    known = compare.seen(catalog.find(f"file:{tmp_path / 'over'}"), found)
    assert {each.sha256 for each, is_known in zip(found.assets, known, strict=True) if is_known} == {
        first, second
    }  # fmt: skip


def test_pairs_of_the_training_are_left_out(
    opened: findalike.Library, contents: dict[str, str], tmp_path: Path
) -> None:
    found = truth.pictures(opened.store.assets())
    first, second, same = np.array([0, 1, 2, 3]), np.array([4, 5, 6, 7]), np.array([True, False, True, False])
    asked = task.of_pairs("pairs", found, truth.Pairs(first, second, same))
    known = file_card.pictures([found.assets[4].sha256, found.assets[1].sha256])
    small.head(tmp_path / "pairs.onnx", BASE, 4, trained={"pictures": known})
    left = compare.unseen(asked, [catalog.find(f"file:{tmp_path / 'pairs'}")])
    assert left.pairs is not None
    assert left.pairs.first.tolist() == [2, 3]
    assert (left.counts["pairs"], left.counts["same"]) == (2, 1)
    assert len(contents) == 36


# Encoders


def test_a_head_need_not_be_in_the_library(
    opened: findalike.Library, better: str, indexed: Path, tmp_path: Path
) -> None:
    card = catalog.find(better)
    pictures = truth.pictures(opened.store.assets())
    made = stored.space(opened, card, pictures)
    with findalike.open(shutil.copytree(indexed, tmp_path / "library")) as library:
        library.add(encoder=better)
        kept = stored.space(library, card, pictures)
    np.testing.assert_allclose(made.vectors, kept.vectors, atol=1e-5)
    np.testing.assert_allclose(made.mean, kept.mean, atol=1e-5)
    assert stored.encoded(opened, [card], pictures.assets) == (list(pictures.assets), 0)


def test_what_a_head_began_from_is_found(better: str, tmp_path: Path) -> None:
    first = catalog.find(better)
    small.head(tmp_path / "second.onnx", first, 3)
    second = catalog.find(f"file:{tmp_path / 'second'}")
    assert compare.start(first) == BASE.space
    assert compare.start(second) == better
    assert compare.root(second) == BASE
    assert compare.start(BASE) is None
    small.network(tmp_path / "net.onnx")
    assert compare.start(catalog.find(f"file:{tmp_path / 'net'}")) is None
    (tmp_path / "second.json").unlink()
    with pytest.raises(EncoderError, match="is gone"):
        compare.start(second)


# On the command line


def test_a_folder_is_judged_by_what_a_head_began_from(
    cli: Cli, drawings: Path, better: str, tmp_path: Path
) -> None:
    out, page = tmp_path / "out.json", tmp_path / "out.md"
    run = cli(
        "eval", drawings, "--compare", better, "--no-timing", "--json", out, "--markdown", page, "--exit-code"
    )
    assert run.returncode == 0, run.stderr
    assert "is better. mAP " in run.stderr
    assert f"where {BASE.space} has" in run.stderr
    (evaluation,) = json.loads(out.read_text())["evaluations"]
    assert [each["method"] for each in evaluation["results"]] == [BASE.space, catalog.find(better).space]
    (verdict,) = evaluation["verdicts"]
    assert (verdict["outcome"], verdict["queries"], verdict["seen"]["pictures"]) == (BETTER, 36, 0)
    assert verdict["difference"]["low"] > 0
    assert "is better" in page.read_text()


@pytest.mark.parametrize(
    ("option", "outcome", "left_out", "said"),
    [
        ([], BETTER, 12, "12 pictures that an encoder was trained on left out"),
        (["--only-unseen"], BETTER, 12, "12 pictures that an encoder was trained on left out"),
        (["--also-seen"], UNTOLD, None, "was trained on 12 of the 36 pictures, so nothing can be told"),
    ],
)
def test_pictures_of_the_training_are_left_out_unless_asked_for(
    cli: Cli, indexed: Path, contents: dict[str, str], tmp_path: Path, option: list[str], outcome: str,
    left_out: int | None, said: str,
) -> None:  # fmt: skip
    known = [sha256 for name, sha256 in contents.items() if name.startswith(("class0", "class1"))]
    reference = head(tmp_path / "part.onnx", discriminant(indexed), pictures=file_card.pictures(known))
    run = cli("eval", "--column", "folder", "--compare", reference, "--no-timing", "--exit-code", *option,
              "--json", tmp_path / "out.json", library=indexed)  # fmt: skip
    assert run.returncode == (0 if outcome == BETTER else 5), run.stderr
    assert said in run.stderr
    assert ("is better" in run.stderr) == (outcome == BETTER)
    (evaluation,) = json.loads((tmp_path / "out.json").read_text())["evaluations"]
    assert (evaluation["verdicts"][0]["outcome"], evaluation["counts"].get("seen")) == (outcome, left_out)


def test_a_library_is_judged_and_not_changed(
    cli: Cli, indexed: Path, turned: str, worse: str, tmp_path: Path
) -> None:
    args = ("eval", "--column", "folder", "--compare", turned, "--compare", worse, "--no-timing")
    run = cli(*args, library=indexed)
    assert run.returncode == 0, run.stderr
    assert "is no better: what differs may be chance" in run.stderr
    assert "is worse" in run.stderr
    assert cli(*args, "--exit-code", library=indexed).returncode == 5
    with findalike.open(indexed, "r") as library:
        assert not any(space.startswith("file:") for space in library.store.cards())


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--compare", "colour"), "would be compared with itself"),
        (("--compare", "file:nowhere.onnx"), "nowhere.onnx is not there"),
        (("--compare", "efficientnet-lite2"), "holds colour@"),
        (("--compare", "layout", "--distance", "all"), "give one --distance"),
        (("--exit-code",), "--exit-code tells"),
    ],
)
def test_what_cannot_be_compared_is_said(cli: Cli, indexed: Path, args: tuple[str, ...], said: str) -> None:
    run = cli("eval", "--column", "folder", "--no-timing", *args, library=indexed)
    assert run.returncode in (2, 4)
    assert said in " ".join(run.stderr.split())


def test_a_kept_head_is_compared_by_its_name(cli: Cli, indexed: Path, turned: str, tmp_path: Path) -> None:
    shutil.copytree(Path(turned.removeprefix("file:")).parent, tmp_path / "pair")
    library = shutil.copytree(indexed, tmp_path / "library")
    card: Card = catalog.find(f"file:{tmp_path / 'pair' / 'turned'}")
    assert cli("index", "--encoder", f"file:{tmp_path / 'pair' / 'turned'}", library=library).returncode == 0
    shutil.rmtree(tmp_path / "pair")
    run = cli("eval", "--column", "folder", "--no-timing", "--compare", card.name, library=library)
    assert run.returncode == 0, run.stderr
    assert "is no better" in run.stderr
