"""Whole networks: how each begins, by what loss it learns, and what is written of it.

What is learned from, when to stop and what is measured is the same as for heads: see `metric`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from findalike.encode import catalog
from findalike.encode.base import encode, unit
from findalike.encode.file_card import PIXELS
from findalike.look import COLOUR
from findalike.train import data, embedder, export, loop, metric, networks
from findalike.train.augment import Augmentation
from findalike.train.classify import LOSS, Classification
from findalike.train.data import Examples, Places
from findalike.train.deep_ranking import DeepRanking, RankingLoss
from findalike.train.embedder import Embedder
from findalike.train.looks import AT_ONCE, Looks, Remembered
from findalike.train.metric import Fetch, Plan, Retrieval
from findalike.train.pictures import KEPT, Pictures
from findalike.train.siamese import ContrastiveLoss, Twin
from findalike.train.splits import TRAIN, Split
from findalike.types import Origin, Picture, Vector, Vectors

FINE_TUNED, CLASSIFIER, DEEP_RANKING = "fine-tuned", "classifier", "deep-ranking"
SIAMESE, AUTOENCODER = FROM_NOTHING = ("siamese", "autoencoder")
SIDE = 64
"""Of what a network that begins from nothing sees."""

RATE, HEAD_RATE, NEW_RATE = 1e-4, 1e-3, 1e-3
"""How fast learn: what was pretrained, what is new on top of it, and a network that begins from nothing."""


Graph = Callable[[], bytes]
"""Gives the ONNX of a network as it stands, once it was seen to give what the network gives."""


@dataclass(frozen=True, slots=True)
class Suited:
    """What suits a kind where nothing else is asked for: at most so many epochs, how many without a better
    mAP end it, classes in a batch and pictures of each, and numbers of a vector."""

    epochs: int
    patience: int
    p: int
    k: int
    dim: int = embedder.DIM


SUITED = {
    FINE_TUNED: Suited(12, 5, 8, 4),
    CLASSIFIER: Suited(12, 5, 8, 4),
    DEEP_RANKING: Suited(12, 5, 6, 5),
    SIAMESE: Suited(40, 12, 8, 8),
    AUTOENCODER: Suited(40, 12, 8, 4),
}


@dataclass(frozen=True, slots=True)
class Options:
    """`network` by its encoder's name, `unfreeze` and `norms_learn` as of `networks.Backbone`; `dim` numbers
    of a vector; `side` of the square that is seen and `rate` of learning, None for what suits."""

    network: str = networks.NETWORKS[0]
    unfreeze: str = "last"
    dim: int = embedder.DIM
    side: int | None = None
    rate: float | None = None
    norms_learn: bool = False
    augmentation: Augmentation | None = field(default_factory=Augmentation)


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A network that is ready to be trained, its loss, and its parameters with their rates."""

    network: nn.Module
    objective: nn.Module
    rates: list[dict[str, Any]]
    looks: Fetch
    graph: Graph


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What networks begin with: examples, their parts, and their pictures, of the same places."""

    examples: Examples
    split: Split
    pictures: Pictures
    plan: Plan
    options: Options

    @property
    def learned(self) -> Places:
        return self.split.places(TRAIN)

    @property
    def codes(self) -> Places:
        """The classes of the pictures to learn from."""
        return data.subset(self.examples, self.learned).codes

    @property
    def seed(self) -> int:
        return self.plan.schedule.seed


@dataclass(slots=True)
class Whole(Retrieval):
    """The task of a whole network, of which a few pictures at a time fill enough memory."""

    def embedded(self, places: Places) -> Vectors:
        return _embedded(self, places)


@dataclass(slots=True)
class WholeClassifier(Classification):
    """The same, measured by how many pictures are taken for what they are."""

    def embedded(self, places: Places) -> Vectors:
        return _embedded(self, places)


def _embedded(task: Retrieval, places: Places) -> Vectors:
    parts = np.array_split(places, max(1, -(-len(places) // AT_ONCE)))
    return np.concatenate([metric.embedded(task.network, task.fetch, each, task.device) for each in parts])


def side_of(kind: str, options: Options) -> int:
    """The side of the square that a network sees."""
    if options.side or kind in FROM_NOTHING:
        return options.side or SIDE
    return int(networks.card_of(options.network).preprocessing["side"])


def task(kind: str, material: Material) -> tuple[Whole | WholeClassifier, Graph]:
    """A network of a kind, begun, as a task to train, and what gives its ONNX. Raises UsageError for options
    that do not fit, EncoderError."""
    plan = material.plan
    torch.manual_seed(plan.schedule.seed)
    device = loop.device(plan.device)
    found = _KINDS[kind](material, device)
    of = WholeClassifier if kind == CLASSIFIER else Whole
    made = of(found.network, found.objective, found.looks, material.examples, material.split, plan,
              found.rates, device)  # fmt: skip
    return made, found.graph


def _fine_tuned(material: Material, device: torch.device) -> Ready:
    network = Embedder(*_backbone(material.options), material.options.dim, material.seed)
    looks, _ = _begun(network, material, device)
    objective = metric.objective(material.examples, material.split, material.plan, material.options.dim)
    return _ready(network, objective, looks, material, _built(network))


def _classifier(material: Material, device: torch.device) -> Ready:
    network = Embedder(*_backbone(material.options), material.options.dim, material.seed)
    looks, _ = _begun(network, material, device)
    plan = replace(material.plan, loss=LOSS, miner=None)
    objective = metric.objective(material.examples, material.split, plan, material.options.dim)
    return _ready(network, objective, looks, material, _built(network))


def _deep_ranking(material: Material, device: torch.device) -> Ready:
    backbone, centre = _backbone(material.options)
    network = DeepRanking(backbone, centre, material.pictures.side, material.options.dim, material.seed)
    looks, seen = _begun(network, material, device)
    golden = unit(np.concatenate([unit(seen), _colours(material)], axis=1))
    objective = RankingLoss(material.codes, golden)
    return _ready(network, objective, looks, material, traced(network, material))


def _siamese(material: Material, device: torch.device) -> Ready:
    network = Twin(material.pictures.side, material.options.dim)
    rates = [{"params": list(network.parameters()), "lr": material.options.rate or NEW_RATE}]
    looks = Looks(material.pictures, material.options.augmentation)
    return Ready(network, ContrastiveLoss(material.codes), rates, looks, traced(network, material))


_KINDS: Mapping[str, Callable[[Material, torch.device], Ready]] = {
    FINE_TUNED: _fine_tuned,
    CLASSIFIER: _classifier,
    DEEP_RANKING: _deep_ranking,
    SIAMESE: _siamese,
}


def _backbone(options: Options) -> tuple[networks.Backbone, Vector]:
    backbone, centre = networks.pretrained(options.network, options.norms_learn)
    backbone.unfreeze(options.unfreeze)
    return backbone, centre


def _begun(
    network: Embedder | DeepRanking, material: Material, device: torch.device
) -> tuple[Fetch, Vectors]:
    """Begin with the principal axes of what is learned from: what the network is shown, and what it sees
    untrained of that, shape (n, channels)."""
    looks: Fetch = Looks(material.pictures, material.options.augmentation)
    if network.backbone.frozen:
        looks = Remembered(material.pictures, material.options.augmentation, network.backbone, device,
                           material.seed, needs_pixels=isinstance(network, DeepRanking))  # fmt: skip
    network.to(device).eval()
    parts = np.array_split(material.learned, -(-len(material.learned) // AT_ONCE))
    with torch.no_grad():
        seen = [network.features(looks(part, None).to(device)).cpu().numpy() for part in parts]
    whole = np.asarray(np.concatenate(seen), np.float32)
    network.begin(whole, material.seed)
    return looks, whole


def _colours(material: Material) -> Vectors:
    """The colours of the pictures to learn from, as the encoder of that name tells them."""
    encoder = catalog.load(catalog.find(COLOUR), material.pictures.settings)
    shown = (material.pictures.whole(int(place)) for place in material.learned)
    return np.concatenate(
        [encode(encoder, [Picture(pixels, Origin(""), *pixels.shape[1::-1])]) for pixels in shown]
    )


def _ready(
    network: Embedder | DeepRanking, objective: nn.Module, looks: Fetch, material: Material, graph: Graph
) -> Ready:
    """The pretrained part learns slowly, what is new on top of it faster."""
    rate = material.options.rate or RATE
    slow = [each for each in network.backbone.parameters() if each.requires_grad]
    fast = [each for name, each in network.named_parameters() if not name.startswith("backbone.")]
    rates = [{"params": fast, "lr": rate * HEAD_RATE / RATE}]
    if slow:
        rates.append({"params": slow, "lr": rate})
    return Ready(network, objective, rates, looks, graph)


def _built(network: Embedder) -> Graph:
    """By the builder of the default encoder, which takes pictures of any size."""

    def graph() -> bytes:
        made = embedder.graph(network.to("cpu").eval())
        for side in (64, 97):
            shown = torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8)
            export.verify(made, network, shown, PIXELS)
        return made

    return graph


def traced(network: nn.Module, material: Material) -> Graph:
    """By torch's own exporter, for pictures of the size that was trained with."""
    side = material.pictures.side
    return lambda: export.onnx_bytes(
        network, torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8), PIXELS
    )


def recipe(pictures: Pictures) -> dict[str, Any]:
    """How pictures become pixels, as a card says it: as for the default encoders."""
    return {"side": pictures.side, "crop": KEPT}


def told(kind: str, options: Options) -> dict[str, Any]:
    """What a card says of the network."""
    varied = asdict(options.augmentation) if options.augmentation else None
    if kind in FROM_NOTHING:
        return {"begun": "from nothing", "varied": varied}
    return {"begun": options.network, "unfrozen": options.unfreeze, "varied": varied}


def licence(kind: str, options: Options) -> str:
    """That of the pretrained weights; of a network that began from nothing, its pictures' owners decide."""
    return "unknown" if kind in FROM_NOTHING else networks.card_of(options.network).licence
