"""The training of an autoencoder: no labels are learned from. How like unseen pictures the drawings are says
when to stop; where there are labels, they say how well the codes find."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from findalike.evaluate import bootstrap
from findalike.train import loop, metric
from findalike.train.autoencoder import Autoencoder, planes_of, spoiled
from findalike.train.data import Places
from findalike.train.looks import AT_ONCE, Looks
from findalike.train.loop import Watch
from findalike.train.measure import Comparison
from findalike.train.metric import Outcome
from findalike.train.splits import TEST, TRAIN, VALIDATION
from findalike.train.whole import NEW_RATE, Graph, Material, Whole, traced
from findalike.types import Pixels, Vectors

BATCH = 32
LIKENESS = "likeness of what is drawn (dB)"
"""The peak signal-to-noise ratio: 10 · log10 of 1 over the mean squared error, of 1. Higher is better."""

SHOWN = 10
"""Pictures that are shown with what was drawn of them."""


@dataclass(slots=True)
class Drawing(Whole):
    """The task of an autoencoder."""

    @property
    def judged(self) -> bool:
        """Whether labels say what the codes should find."""
        return len(self.examples.classes) > 1

    def losses(self, random: np.random.Generator) -> Iterator[torch.Tensor]:
        order = random.permutation(self.split.places(TRAIN))
        for batch in np.array_split(order, max(1, round(len(order) / BATCH))):
            yield self.network.loss(self.fetch(batch, random).to(self.device))

    def measure(self) -> float:
        """Never by labels: codes of colours and coarse shapes find hardly more after learning to draw than
        before, so the untrained network would be chosen."""
        return float(self.likeness(self.split.places(VALIDATION)).mean())

    def likeness(self, places: Places) -> NDArray[np.float64]:
        """How like each picture, unspoiled, what is drawn of it is, in dB."""
        self.network.eval()
        found = []
        with torch.no_grad():
            for part in np.array_split(places, max(1, -(-len(places) // AT_ONCE))):
                planes = planes_of(self.fetch(part, None).to(self.device))
                found.append((self.network.drawn(planes) - planes).square().mean(dim=(1, 2, 3)).cpu().numpy())
        return _decibels(np.concatenate(found))

    def of_mean(self, places: Places) -> NDArray[np.float64]:
        """The same of what can be drawn of a picture that was not seen: the mean of those learned from."""
        learned = self.split.places(TRAIN)
        parts = np.array_split(learned, -(-len(learned) // AT_ONCE))
        mean = sum(planes_of(self.fetch(part, None)).sum(dim=0).numpy() for part in parts) / len(learned)
        errors = [
            np.square(planes_of(self.fetch(place[None], None)).numpy() - mean).mean() for place in places
        ]
        return _decibels(np.array(errors))


def task(material: Material) -> tuple[Drawing, Graph]:
    """An autoencoder, begun, as a task to train, and what gives its ONNX."""
    torch.manual_seed(material.seed)
    network = Autoencoder(material.pictures.side, material.options.dim)
    rates = [{"params": list(network.parameters()), "lr": material.options.rate or NEW_RATE}]
    looks = Looks(material.pictures, material.options.augmentation)
    made = Drawing(network, nn.Identity(), looks, material.examples, material.split, material.plan, rates,
                   loop.device(material.plan.device))  # fmt: skip
    return made, traced(network, material)


def train(
    of: Drawing,
    start: Vectors,
    checkpoint: Path | None = None,
    resume: bool = False,
    purpose: str = "",
    watch: Watch = lambda _: None,
) -> Outcome:
    """As `metric.train`. What is drawn again is compared with the mean picture, which knows nothing of it;
    where there are labels, the codes come first, compared with `start`. Raises UsageError as that does."""
    several: tuple[Comparison, ...] = ()
    if of.judged:
        found = metric.train(of, start, checkpoint, resume, purpose, watch)
        fit, several = found.fit, found.comparisons
    else:
        fit = loop.fit(of, of.plan.schedule, checkpoint, resume, purpose, watch)
        if not fit.values:
            raise KeyboardInterrupt
    begun = float(of.of_mean(of.split.places(VALIDATION)).mean())
    places = of.split.places(TEST)
    drawn = _compared(of.of_mean(places), of.likeness(places), of)
    return Outcome(fit, begun, (*several, drawn), of.split, LIKENESS)


def _compared(before: NDArray[np.float64], after: NDArray[np.float64], of: Drawing) -> Comparison:
    seed, differences = of.plan.schedule.seed, after - before
    interval = bootstrap.means(differences[:, None], seed=seed)[0]
    p = bootstrap.sign_flip(differences, seed=seed)
    return Comparison(LIKENESS, len(after), float(before.mean()), float(after.mean()), interval, p)


def drawings(of: Drawing) -> bytes:
    """A PNG of a few pictures that were not learned from: as they are, spoiled, and drawn again from that."""
    places = of.split.places(TEST)[:SHOWN]
    of.network.to("cpu").eval()
    torch.manual_seed(of.plan.schedule.seed)
    with torch.no_grad():
        planes = planes_of(of.fetch(places, None))
        seen = spoiled(planes)
        rows = [
            np.concatenate(list(_pixels(each)), axis=1) for each in (planes, seen, of.network.drawn(seen))
        ]
    out = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(out, "PNG")
    return out.getvalue()


def _pixels(planes: torch.Tensor) -> Pixels:
    shown = ((planes + 0.5) * 255).round().clamp(0, 255).permute(0, 2, 3, 1)
    return np.asarray(shown.numpy(), np.uint8)


def _decibels(errors: NDArray[np.floating]) -> NDArray[np.float64]:
    return -10 * np.log10(np.maximum(errors.astype(np.float64), 1e-10))
