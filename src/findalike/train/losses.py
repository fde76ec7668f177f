"""Losses and miners by name, from pytorch-metric-learning (Musgrave, Belongie and Lim 2020), with settings
that suit vectors of unit length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pytorch_metric_learning import losses, miners
from torch import nn

from findalike.errors import UsageError
from findalike.train.data import CLASSES, TRIPLETS, Examples, Places


@dataclass(frozen=True, slots=True)
class Kind:
    """`made` gives the loss or miner. Of a loss: `rate` is how fast its own weights, one vector for each
    class, learn; 0 where it has none and compares pictures with each other."""

    made: Any
    settings: Mapping[str, Any]
    rate: float = 0.0
    told: str = ""


LOSSES = {
    "triplet": Kind(losses.TripletMarginLoss, {"margin": 0.2},
                    told="a picture is nearer to one like it than to another (Schroff and others 2015)"),
    "contrastive": Kind(losses.ContrastiveLoss, {"pos_margin": 0.0, "neg_margin": 1.0},
                        told="like pictures near, others at least so far (Hadsell and others 2006)"),
    "multi-similarity": Kind(losses.MultiSimilarityLoss, {"alpha": 2.0, "beta": 40.0, "base": 0.5},
                             told="pairs weighed by how they compare with others (Wang and others 2019)"),
    "supervised-contrastive": Kind(losses.SupConLoss, {"temperature": 0.1},
                                   told="each picture picks those like it (Khosla and others 2020)"),
    "circle": Kind(losses.CircleLoss, {"m": 0.4, "gamma": 64},
                   told="each pair at a pace of its own (Sun and others 2020)"),
    "arcface": Kind(losses.ArcFaceLoss, {"margin": 14.0, "scale": 24.0}, 0.01,
                    told="classes apart by an angle (Deng and others 2019)"),
    "softmax": Kind(losses.NormalizedSoftmaxLoss, {"temperature": 0.05}, 0.01,
                    told="classes by the cosine to a vector of each (Zhai and Wu 2019)"),
    "proxy-anchor": Kind(losses.ProxyAnchorLoss, {"margin": 0.1, "alpha": 32}, 0.01,
                         told="a vector of each class draws and pushes (Kim and others 2020)"),
}  # fmt: skip
"""The first is a good start for few pictures."""

MINERS = {
    "none": Kind(None, {}),
    "hard": Kind(miners.BatchHardMiner, {}),
    "semi-hard": Kind(miners.TripletMarginMiner, {"margin": 0.2, "type_of_triplets": "semihard"}),
    "easy-hard": Kind(miners.BatchEasyHardMiner, {}),
    "multi-similarity": Kind(miners.MultiSimilarityMiner, {"epsilon": 0.1}),
    "distance-weighted": Kind(miners.DistanceWeightedMiner, {"cutoff": 0.5, "nonzero_loss_cutoff": 1.4}),
    "angular": Kind(miners.AngularMiner, {"angle": 20}),
    "pairs": Kind(miners.PairMarginMiner, {"pos_margin": 0.2, "neg_margin": 0.8}),
}
DEFAULT_MINERS = {"triplet": "semi-hard", "multi-similarity": "multi-similarity"}


class Objective(nn.Module):
    """The loss of a batch: vectors of shape (n, dim), of the pictures at `places`."""

    def __init__(self, examples: Examples, loss: str, miner: str | None, dim: int, across: str | None = None):
        """`miner` None takes the one that suits. `across` names a column: pictures are brought nearer to
        those of other values alone. Raises UsageError for names that are none, or do not fit each other or
        the examples."""
        super().__init__()
        self.loss_name, self.miner_name = loss, checked(examples, loss, miner, across)
        kind = LOSSES[loss]
        sized = {"num_classes": len(examples.classes), "embedding_size": dim} if kind.rate else {}
        self.loss = kind.made(**kind.settings, **sized)
        self.rate = kind.rate
        chosen = MINERS[self.miner_name]
        self._miner = chosen.made(**chosen.settings) if chosen.made else None
        self._examples = examples
        self._codes = examples.codes
        self._sides = _codes(examples.column(across)) if across else None

    def forward(self, vectors: torch.Tensor, places: Places) -> torch.Tensor:
        codes = torch.from_numpy(self._codes[places]).to(vectors.device)
        tuples = self._miner(vectors, codes) if self._miner else self._tuples(places, vectors.device)
        loss: torch.Tensor = self.loss(vectors, codes, tuples)
        return loss + 0 * vectors.sum()  # losses leave out what is not a number, which would go unseen

    def _tuples(self, places: Places, device: torch.device) -> Any:
        """The pairs or triplets of a batch; None for all that labels say."""
        if self._examples.kind == TRIPLETS:
            found: tuple[Any, ...] = _within(self._examples.triplets, places)
        elif self._examples.kind == CLASSES and self._sides is None:
            return None
        else:
            found = (*np.nonzero(self._alike(places)), *np.nonzero(self._apart(places)))
        return tuple(torch.from_numpy(np.asarray(each, np.int64)).to(device) for each in found)

    def _alike(self, places: Places) -> Any:
        codes = self._codes[places]
        if self._examples.kind == CLASSES:
            same = codes[:, None] == codes
            other = self._sides is None or self._sides[places][:, None] != self._sides[places]
            return same & other & ~np.eye(len(places), dtype=bool)
        return _marked(self._examples.alike, places)

    def _apart(self, places: Places) -> Any:
        codes = self._codes[places]
        found = codes[:, None] != codes
        return found if self._examples.kind == CLASSES else found | _marked(self._examples.apart, places)


def checked(examples: Examples, loss: str, miner: str | None, across: str | None = None) -> str:
    """The miner, or the one that suits where none is named. Raises UsageError."""
    _known("loss", loss, LOSSES)
    _known("miner", miner or "none", MINERS)
    plain = examples.kind == CLASSES and not across
    if LOSSES[loss].rate:
        if examples.kind != CLASSES:
            raise UsageError(f"the loss {loss} has a vector for each class, and {examples.kind} have no "
                             "classes: give --loss triplet, contrastive or multi-similarity")  # fmt: skip
        if miner not in (None, "none"):
            raise UsageError(f"the loss {loss} compares pictures with classes, and the miner {miner} chooses "
                             "pairs of pictures: leave out --miner")  # fmt: skip
    elif miner not in (None, "none") and not plain:
        what = f"--across {across}" if across else examples.kind
        raise UsageError(f"the miner {miner} chooses by class, and {what} already says which to compare: "
                         "leave out --miner")  # fmt: skip
    return miner or (DEFAULT_MINERS.get(loss, "none") if plain else "none")


def _known(what: str, name: str, there: Mapping[str, Kind]) -> None:
    if name not in there:
        raise UsageError(f"no {what} is named {name!r}; there are {', '.join(there)}: give one to --{what}")


def _codes(values: tuple[str | None, ...]) -> Places:
    return np.unique([value or "" for value in values], return_inverse=True)[1].astype(np.int64)


def _within(rows: Places, places: Places) -> tuple[Places, ...]:
    """The rows that lie wholly among places, as places in the batch."""
    at = {int(place): number for number, place in enumerate(places)}
    kept = [[at[int(place)] for place in row] for row in rows if all(int(place) in at for place in row)]
    return tuple(np.array(kept, np.int64).reshape(-1, rows.shape[1]).T)


def _marked(rows: Places, places: Places) -> Any:
    """Which two of a batch are a pair of `rows`, either way about."""
    found = np.zeros((len(places), len(places)), bool)
    first, second = _within(rows, places)
    found[first, second] = found[second, first] = True
    return found
