"""A head for words, from captioned pictures to what is written: split, learned, measured, exported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from findalike import __version__, plugins
from findalike.encode import catalog, file_card, file_text, text
from findalike.encode.file_card import FileCard
from findalike.errors import UsageError
from findalike.settings import Settings
from findalike.train import captions, words
from findalike.train.captions import Captioned
from findalike.train.linear import Line, line, onnx_bytes
from findalike.train.measure import Comparison
from findalike.train.words import Lesson, Places, Reader, Starts
from findalike.types import Card, Vectors

RIDGE, CONTRASTIVE = LOSSES = ("ridge", "contrastive")
TEST = 0.2
"""The share of the pictures that is measured on."""

EPOCHS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A side of texts: what reads them into numbers, what a card says of it, given what chance finds, and the
    mapping from the vectors of pictures that it comes with, if any."""

    read: Reader
    mention: Callable[[tuple[float, float]], dict[str, Any]]
    known: Line | None
    dim: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is decided before anything is learned. `measure` is what decides, one of `words.MEASURES`."""

    loss: str = RIDGE
    measure: str = words.MEASURES[0]
    epochs: int = EPOCHS
    test: float = TEST
    seed: int = 0
    device: str = "auto"


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """How the head does beside what it started from, on pictures that it was not learned from; how it was
    learned, in `how`; and why training ended otherwise than by itself, if so. `curve` are the measures of
    cross-validation, the start first."""

    comparisons: tuple[Comparison, ...]
    median: tuple[float, float]
    counts: tuple[int, int]
    how: Mapping[str, Any] = field(default_factory=dict)
    curve: tuple[float, ...] = ()
    ended: str = ""


def side(base: Card, settings: Settings, reference: str | None = None) -> Side:
    """The side of texts for vectors of an encoder: that of a two-tower model, named or `base` itself, else
    findalike's own words, of which the default encoder has a mapping already. Raises UsageError,
    EncoderError."""
    family = base.name.partition(":")[0]
    if reference is None and family != "clip":
        return own_side(base)
    card = base if reference is None or catalog.answers_to(base, reference) else catalog.find(reference)
    read = catalog.load_text(card, settings).encode_texts
    identity = line(np.eye(base.dim), np.zeros(base.dim)) if card.space == base.space else None
    return Side(read, lambda chance: file_text.mention_other(card), identity, card.dim)


def own_side(base: Card) -> Side:
    tower = text.tower()
    mapped = base.name == catalog.EFFICIENTNET_LITE0[0].name
    known = line(tower.head.T, tower.bias) if mapped else None
    return Side(partial(file_text.meanings, tower), file_text.mention_own, known, len(tower.bias))


def decides(captioned: Captioned) -> str:
    """What decides where nothing is named: how often a caption finds its picture among the first ten; of
    labels, which many pictures share, how high all of these are."""
    return "map" if captioned.shared else words.MEASURES[0]


def learn(
    captioned: Captioned, vectors: Vectors, texts: Side, plan: Plan, watch: Any = None
) -> tuple[Line, tuple[float, float], Places, Outcome]:
    """The line, what chance finds by it, the places of the pictures that it was learned from, and how it
    went.

    `vectors` has a row for each picture. A part is set aside first and measured on at the end, and nothing
    that the head or its card holds comes of it. Raises UsageError for what cannot be learned from.
    """
    every = words.lesson(captioned, vectors, texts.read)
    learned, held = split(len(every), plan.test, plan.seed)
    some, asked = every.part(learned), every.part(held)
    start, found, unseen, told = taught(some, texts, plan, watch)
    before, after = (words.measured(each.of(asked.vectors), asked) for each in (start, found))
    chance = words.chance(unseen, some)
    outcome = Outcome(
        tuple(words.compared(before, after, name, plan.seed) for name in _measures(plan.measure)),
        (before.median_rank, after.median_rank),
        (len(some), len(asked)),
        **told,
    )
    return found, chance, learned, outcome


def split(count: int, test: float, seed: int) -> tuple[Places, Places]:
    """The places to learn from and those to measure on, ascending. Raises UsageError where either has too
    few."""
    held = max(2, round(test * count))
    if count - held < 2 * words.FOLDS:
        raise UsageError(
            f"{count - held} of {count} pictures would be left to learn from, and {2 * words.FOLDS} are the "
            "least: describe more pictures, or set fewer aside with --test"
        )
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[held:]), np.sort(order[:held])


def exported(found: Line, chance: tuple[float, float], texts: Side, card: FileCard) -> tuple[FileCard, bytes]:
    """The card with its side of texts, and the graph."""
    return replace(card, dim=found.matrix.shape[1], text=texts.mention(chance)), onnx_bytes(found)


def trained(outcome: Outcome, captioned: Captioned, learned: Places, plan: Plan, of: str) -> dict[str, Any]:
    """What a card says of the training. `of` names the data."""
    some = captions.subset(captioned, learned)
    first = outcome.comparisons[0]
    return {
        "what": "words", "loss": plan.loss, "data": of, "by": captioned.of,
        "pictures": file_card.pictures(asset.sha256 for asset in some.pictures.assets),
        "texts": len(some.sentences), "seed": plan.seed, **outcome.how,
        "split": {"how": "random", "train": outcome.counts[0], "test": outcome.counts[1]},
        "measure": first.metric, "before": first.before, "after": first.after,
        "findalike": __version__,
    }  # fmt: skip


def _measures(first: str) -> list[str]:
    """What is told: what decided first."""
    return list(dict.fromkeys([first, "recall@1", "recall@10" if first != "map" else "map", "mrr"]))


def taught(
    some: Lesson, texts: Side, plan: Plan, watch: Any = None
) -> tuple[Line, Line, Vectors, dict[str, Any]]:
    """Where learning starts, the line that comes of it, what lines that did not learn a picture make of it,
    and what `Outcome` says of how."""
    if plan.loss == RIDGE:
        choice = words.choose(some, texts.known, plan.measure, plan.seed)
        ridges = words.fitted(some, texts.known)
        found = choice.line(ridges)
        unseen = words.held_out(some, lambda part: choice.line(words.fitted(part, texts.known)), plan.seed)
        how = {"strength": choice.strength if choice.changes else None}
        return ridges.start, found, unseen, {"how": how, "curve": (choice.start, *choice.tried.values())}
    starts = _starts(some, texts, plan)
    contrast = plugins.on_use("findalike.train.contrast", "findalike[train]")
    loop = plugins.on_use("findalike.train.loop", "findalike[train]")
    schedule = loop.Schedule(plan.epochs, plan.epochs, plan.seed)
    found, fit, unseen = contrast.train(
        some, starts, plan.measure, schedule, plan.device, watch or (lambda _: None)
    )
    told = {"how": {"epochs": fit.best_epoch, "ended": fit.ended}, "curve": fit.values, "ended": fit.ended}
    return starts(some), found, unseen, told


def _starts(some: Lesson, texts: Side, plan: Plan) -> Starts:
    """Where contrastive training starts: the mapping that is known, else the best ridge."""
    if texts.known is not None:
        return lambda part: words.begun(part.vectors, part.targets, texts.known)
    strength = words.choose(some, None, plan.measure, plan.seed).strength
    return lambda part: words.fitted(part, None).line(strength)
