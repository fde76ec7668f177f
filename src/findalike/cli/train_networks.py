"""Whole networks under `findalike train`: their options, and what is trained of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import click
from click.core import ParameterSource

from findalike import plugins
from findalike.cli.evaluate import progress
from findalike.cli.train_data import Gathered, tell
from findalike.encode import file_card
from findalike.encode.file_card import FileCard
from findalike.errors import UsageError
from findalike.train import data as datas
from findalike.train.splits import Split

REQUIREMENT = "findalike[train]"
RECIPES = {"deep-ranking": "deep ranking", "siamese": "contrastive, by all pairs"}
"""Named networks, each with the loss that is its own."""

FINE_TUNED, CLASSIFIER = "fine-tuned", "classifier"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options say of a whole network; `kind` is one of those of `findalike.train.whole`."""

    kind: str
    unfreeze: str | None
    side: int | None
    rate: float | None
    varied: bool


@dataclass(frozen=True, slots=True, eq=False)
class Learner:
    """What is trained: a `metric.Retrieval`, a text that says all of it that decides the result, and what
    makes of a card that says how it was trained the whole card, and the graph."""

    task: Any
    of: str
    exported: Callable[[FileCard], tuple[FileCard, bytes]]


_OPTIONS = (
    click.option("--unfreeze", metavar="PART",
                 help="Train the network too, not a head alone: its last parts, all, or a number of the last "
                 "ones; head trains what lies on top of it, on pictures that are varied."),
    click.option("--side", type=click.IntRange(32, 1024), metavar="PIXELS",
                 help="Of a whole network: the side of the square it sees; else what it was made for."),
    click.option("--rate", type=click.FloatRange(0, min_open=True), metavar="NUMBER",
                 help="Of a whole network: how fast it learns; else 0.0001, and 0.001 from nothing."),
    click.option("--varied/--plain", default=True, show_default=True,
                 help="Of a whole network: show pictures cut, turned over and relit, or as they are."),
)  # fmt: skip

recipe_option = click.option(
    "--recipe",
    type=click.Choice(list(RECIPES)),
    help="A named network with its own loss, in place of a head.",
)


def network_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `Asked`, without its recipe."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def asked(given: dict[str, Any], kind: str = FINE_TUNED) -> Asked | None:
    """What was given to the options, which are taken out: None for a head. Raises click.UsageError for
    options that have no meaning for a head."""
    recipe = given.pop("recipe", None)
    found = Asked(
        recipe or kind, **{name: given.pop(name) for name in ("unfreeze", "side", "rate", "varied")}
    )
    if recipe or found.unfreeze:
        return found
    if found.side or found.rate or not found.varied:
        raise click.UsageError(
            "--side, --rate and --plain are of whole networks: give --unfreeze or --recipe too"
        )
    return None


def own_loss(of: Asked, loss: str, miner: str | None, across: str | None) -> str:
    """The loss of a network: a recipe has its own. Raises click.UsageError for another beside it."""
    if of.kind not in RECIPES:
        return loss
    given = click.get_current_context().get_parameter_source("loss") == ParameterSource.COMMANDLINE
    if given or miner or across:
        raise click.UsageError(
            f"the recipe {of.kind} has its own loss, which compares all pictures: leave out --loss, --miner "
            "and --across"
        )
    return RECIPES[of.kind]


def suited(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values of options by their names, with what suits the kind in place of those that nobody gave."""
    context = click.get_current_context()
    suits = plugins.on_use("findalike.train.whole", REQUIREMENT).SUITED[kind]
    return {
        name: value
        if context.get_parameter_source(name) == ParameterSource.COMMANDLINE
        else getattr(suits, name)
        for name, value in values.items()
    }


def readable(of: Asked, found: Gathered) -> tuple[Gathered, Any]:
    """The examples whose pictures can be read, and these, at the size that the network sees. Raises
    UsageError where there are none."""
    whole = plugins.on_use("findalike.train.whole", REQUIREMENT)
    pictures = plugins.on_use("findalike.train.pictures", REQUIREMENT)
    uris = [asset.uri for asset in found.examples.pictures.assets]
    side = whole.side_of(of.kind, _options(of, found))
    with progress() as watch:
        read, places, failures = pictures.read(uris, side, found.library.settings,
                                               lambda done, total: watch(done, total, "Reading"))  # fmt: skip
    tell((), failures)
    if not len(places):
        raise UsageError(
            f"none of {len(uris):,} pictures can be read: are their files where they were indexed?"
        )
    examples, vectors = datas.subset(found.examples, places), found.vectors[places]
    several = (*found.failures, *failures)
    return replace(found, examples=examples, vectors=vectors, failures=several), read


def learner(of: Asked, found: Gathered, pictures: Any, split: Split, plan: Any, dim: int) -> Learner:
    """A whole network to train, begun."""
    whole = plugins.on_use("findalike.train.whole", REQUIREMENT)
    options = _options(of, found, dim)
    material = whole.Material(found.examples, split, pictures, plan, options)
    if of.kind == whole.AUTOENCODER:
        task, graph = plugins.on_use("findalike.train.autoencoding", REQUIREMENT).task(material)
    else:
        task, graph = whole.task(of.kind, material)

    def exported(card: FileCard) -> tuple[FileCard, bytes]:
        told = {**card.trained, "what": of.kind, "network": whole.told(of.kind, options)}
        return replace(card, kind=file_card.NETWORK, dim=dim, recipe=whole.recipe(pictures), trained=told,
                       licence=whole.licence(of.kind, options)), graph()  # fmt: skip

    return Learner(task, f"{of.kind} {options} {pictures.side}", exported)


def _options(of: Asked, found: Gathered, dim: int = 1) -> Any:
    whole = plugins.on_use("findalike.train.whole", REQUIREMENT)
    augment = plugins.on_use("findalike.train.augment", REQUIREMENT)
    networks = plugins.on_use("findalike.train.networks", REQUIREMENT)
    return whole.Options(
        network=networks.card_of(found.card.name).name if of.kind not in whole.FROM_NOTHING else "",
        unfreeze=of.unfreeze or "last",
        dim=dim,
        side=of.side,
        rate=of.rate,
        augmentation=augment.Augmentation() if of.varied else None,
    )
