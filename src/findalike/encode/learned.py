"""What was learned of a library's own pictures, as a file inside the library: arrays, and the card of the
space that they make.

A reference is FAMILY:PATH of the file. A library finds its own files again wherever it was moved to.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike.encode import reference
from findalike.errors import EncoderError, LibraryError, UsageError
from findalike.files import replace_file
from findalike.sidecars import Sidecars
from findalike.types import Card

FOLDER = "learned"
"""Of a library: where its files of this kind lie."""

WHITENED, BAG, VLAD = "whitened", "bow", "vlad"
COMMANDS = {WHITENED: "learn-whitening", BAG: "learn-vocabulary", VLAD: "learn-vocabulary"}
"""The families, each with the command that learns."""

REVISION = "1"
"""Raised when the same files would give other vectors than before."""

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}", re.IGNORECASE)
"""What people may call what was learned, so that it can be typed and be the name of a file."""

_CARD = "card"

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A card, and the arrays that its encoder computes with."""

    card: Card
    arrays: Arrays


@dataclass(frozen=True, slots=True)
class Home:
    """A library's sidecars, and the folder of this machine in which they are as files: its own, or, of a
    library elsewhere, one that they are brought into when they are needed."""

    sidecars: Sidecars
    folder: Path

    def path(self, name: str) -> Path | None:
        """The file of a sidecar; None where there is no such thing."""
        path = self.folder / name
        if not path.is_file() and (content := self.sidecars.read(name)) is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content)
        return path if path.is_file() else None


def named(family: str, name: str) -> str:
    """The name of a card. Raises UsageError for one that could not be typed again."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"the name {name!r} cannot be used: up to 60 letters, digits, dots, dashes and underlines, the "
            "first a letter or digit"
        )
    return f"{family}:{name}"


def save(card: Card, arrays: Arrays, home: Home) -> Card:
    """Write what was learned into a library, whole or not at all; the card, with its source and SHA-256.
    Raises LibraryError when the library cannot be written."""
    plain = {name: value for name, value in asdict(card).items() if name not in ("source", "sha256")}
    written = np.frombuffer(json.dumps(plain, sort_keys=True).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays, **{_CARD: written})
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    family, _, name = card.name.partition(":")
    file = f"{FOLDER}/{family}-{name}-{sha256[:8]}.npz"
    try:
        home.sidecars.write(file, buffer.getvalue())
        path = home.path(file)
    except OSError as error:
        raise LibraryError(
            f"{home.sidecars.where(file)} cannot be written: {error.strerror or error}"
        ) from error
    return replace(card, source=f"{family}:{path}", sha256=sha256)


def card_of(text: str, precision: str | None = None) -> Card:
    """The card in a file that a reference names. Raises UsageError, EncoderError."""
    family, _, place = text.partition(":")
    path = _absolute(place)
    if not path.is_file():
        raise UsageError(
            f"nothing is named {text} in this library, and {place or 'that'} is no file; to learn it: "
            f"findalike {COMMANDS[family]}"
        )
    card = _read(path).card
    if _family(card) != family:
        raise UsageError(f"{path} holds {card.name}: name it {_family(card)}:{place}")
    if precision not in (None, card.precision):
        raise UsageError(f"{text} was learned of {card.precision} vectors; leave out the precision")
    return card


def located(card: Card) -> dict[str, Path]:
    """The file of a card. Raises EncoderError when it is gone."""
    family, _, place = card.source.partition(":")
    path = _absolute(place)
    if not path.is_file():
        raise EncoderError(
            f"{path} is gone, into which {card.space} was learned: put it back from a copy of the library, "
            f"or learn into a new one: findalike {COMMANDS.get(family, 'learn-whitening')}"
        )
    return {FOLDER: path}


def _family(card: Card) -> str:
    return card.name.partition(":")[0]


def _absolute(place: str) -> Path:
    return Path(os.path.expanduser(place)).absolute()  # noqa: PTH111  (Path's raises for a user it lacks)


def is_learned(card: Card) -> bool:
    """Whether a card is of what was learned of a library."""
    return _family(card) in COMMANDS


def at_home(card: Card, home: Home) -> Card:
    """The card, its files taken from this library where they are there."""
    own = [home.path(name) for name in kept(card)]
    return replace(card, source=f"{_family(card)}:{own[0]}") if own and all(own) else card


def kept(card: Card) -> tuple[str, ...]:
    """The sidecars in which a library keeps what makes a card's vectors: of what was learned on it, and of a
    trained head, which is small, its two files."""
    place = card.source.partition(":")[2]
    if is_learned(card) and place:
        return (f"{FOLDER}/{Path(place).name}",)
    if _family(card) == reference.PAIR and "base" in card.preprocessing:
        return tuple(f"{FOLDER}/{kept_as(card.name)}{ending}" for ending in (".onnx", ".json"))
    return ()


def copy_of(folder: Path, space: str) -> Path | None:
    """The .onnx of the pair that makes the vectors of a space, where a library keeps it in this folder."""
    path = folder / f"{kept_as(space.rpartition('@')[0])}.onnx"
    return path if path.is_file() else None


def kept_as(name: str) -> str:
    """What a library calls its copy of a pair, without the ending, by the name of the card."""
    return name.replace(":", "-")


def load(card: Card, names: Sequence[str]) -> Learned:
    """What a card's file holds, which must have arrays of these names. Raises EncoderError for a file that is
    gone, another than then, or holds what is not a number."""
    path = located(card)[FOLDER]
    found = _read(path)
    if found.card.sha256 != card.sha256:
        raise EncoderError(
            f"{path} is not the file that {card.space} was learned into: its SHA-256 is {found.card.sha256}, "
            f"not {card.sha256}; put that one back from a copy of the library"
        )
    for name in names:
        array = found.arrays.get(name)
        if array is None or array.dtype.kind != "f" or not np.isfinite(array).all():
            what = "no" if array is None else "what is not a finite number in"
            raise EncoderError(
                f"{path} has {what} {name!r}, so {card.space} cannot be computed; put back the file from a "
                f"copy of the library, or learn into a new one: findalike {COMMANDS[_family(card)]}"
            )
    return Learned(card, found.arrays)


def _read(path: Path) -> Learned:
    """The file's card and arrays, read without running what could be in it. Raises EncoderError."""
    try:
        data = path.read_bytes()
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        values = json.loads(arrays.pop(_CARD).tobytes())
        known = {field.name: values[field.name] for field in fields(Card) if field.name in values}
        known["modalities"] = tuple(known["modalities"])
        known["calibration"] = tuple(tuple(point) for point in known["calibration"])
        card = Card(**known)
        source = f"{_family(card)}:{path}"
        return Learned(replace(card, source=source, sha256=hashlib.sha256(data).hexdigest()), arrays)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise EncoderError(f"{path} cannot be read as what findalike learned ({error})") from error
