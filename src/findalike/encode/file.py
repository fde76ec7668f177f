"""An encoder that was trained here: `--encoder file:PATH/NAME.onnx`, beside which NAME.json says what it is.

`findalike train` writes both; see `file_card`. A head makes its vectors of another encoder's, so a library
has them from those that it stores; and since it is small, the library keeps a copy of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from findalike import plugins
from findalike.encode import (
    catalog,
    file_card,
    file_graph,
    folder,
    graph,
    learned,
    pickles,
    recipe,
    reference,
)
from findalike.encode.base import Encoder, TextEncoder, encode
from findalike.encode.catalog import Family
from findalike.encode.file_card import FAMILY as NAME
from findalike.encode.file_card import HEAD, PIXELS, VECTORS, FileCard
from findalike.encode.graph import Graph
from findalike.encode.onnx import exact
from findalike.errors import EncoderError, LibraryError, UsageError
from findalike.settings import Settings
from findalike.types import Card, Picture, Vectors

REVISION = "1"
"""Raised when the same files would give other vectors than before."""

_AT_ONCE = 4_096
"""Vectors that a head is given at once."""

_SOUGHT: ContextVar[tuple[Path, ...]] = ContextVar("sought", default=())
"""The heads whose base is being looked for, each the base of the one before."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """An encoder after another. `derive` needs that one's vectors alone, and no pictures."""

    card: Card
    encoder: Encoder
    graph: Graph

    @property
    def base(self) -> Card:
        return self.encoder.card

    def derive(self, vectors: Vectors) -> Vectors:
        """Of the base's vectors, shape (n, base.dim), the card's, shape (n, card.dim): one of zeros stays so.
        Raises EncoderError."""
        rows = np.asarray(vectors, np.float32)
        found = [self._run(rows[start : start + _AT_ONCE]) for start in range(0, len(rows), _AT_ONCE)]
        if not found:
            return np.empty((0, self.card.dim), np.float32)
        return np.concatenate(found) * rows.any(axis=1, keepdims=True)

    def _run(self, rows: Vectors) -> Vectors:
        found: Vectors = self.graph.run({VECTORS: rows}, [file_graph.OUTPUT])[0]
        return _finite(found, self.graph.path)

    def encode_batch(self, pictures: Sequence[Picture]) -> Vectors:
        return self.derive(encode(self.encoder, pictures))


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A network of pictures, prepared as its card's recipe says."""

    card: Card
    graph: Graph

    def encode_batch(self, pictures: Sequence[Picture]) -> Vectors:
        how = self.card.preprocessing
        rows = {PIXELS: recipe.of_card(how["recipe"]).prepared(pictures)}
        found = graph.in_rows(self.graph, {}, rows, file_graph.OUTPUT, how["batch"])
        return _finite(found, self.graph.path)


def _finite(found: Vectors, path: Path) -> Vectors:
    if not np.isfinite(found).all():
        raise EncoderError(f"{path} gave numbers that are not finite for a picture; {file_graph.AGAIN}")
    return found


# The card of a pair


def card_of(text: str, precision: str | None = None) -> Card:
    """The card that a reference stands for; the graph is looked into and run on a few rows.

    Raises UsageError for what is not there or is asked for wrongly, EncoderError for a pair that cannot be
    used.
    """
    path = reference.parse(text).path
    if path.is_file() or path.suffix.lower() in pickles.ENDINGS:
        _check_ending(path)
    files = file_card.pair(path)
    card = _made(files[0], *map(_stamp, files))
    if precision not in (None, card.precision):
        raise UsageError(f"{text} is computed in {card.precision}; leave out the precision")
    return card


@lru_cache(maxsize=32)
def _made(onnx: Path, *_: object) -> Card:
    """The card of a pair, kept while its files are as they were: each search that names a pair asks for
    it."""
    written = file_card.read(onnx)
    _check_digest(onnx, written)
    loaded = file_card.try_graph(onnx, written)
    base = base_of(onnx, written) if written.kind == HEAD else None
    if base:
        _check_width(loaded, base)
    return _card(written, onnx, base, loaded)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _check_ending(path: Path) -> None:
    """Raises EncoderError for a pickle, UsageError for another file than one of a pair."""
    pickles.refuse(path)
    if path.suffix not in (".onnx", ".json"):
        raise UsageError(
            f"{path} is no trained encoder, which is a .onnx and a .json of one name; another network: "
            f"--encoder onnx:{path}"
        )


def _check_digest(onnx: Path, written: FileCard) -> None:
    if onnx.stat().st_size and (found := folder.sha256(onnx)) != written.onnx_sha256:
        pickles.refuse(onnx)
        raise EncoderError(
            f"{onnx} is not the file that {onnx.stem}.json is the card of: its SHA-256 is {found}, not "
            f"{written.onnx_sha256}; put back the two that belong together, or train anew: findalike train"
        )


def _check_width(loaded: Graph, base: Card) -> None:
    width = loaded.inputs[0].shape[1]
    if width != base.dim:
        raise EncoderError(
            f"{loaded.path} takes vectors of {width} numbers, but those of {base.space}, on which its card "
            f"says it was trained, have {base.dim}; {file_graph.AGAIN}"
        )


def _card(written: FileCard, onnx: Path, base: Card | None, loaded: Graph) -> Card:
    """The card of the space: named by what makes its vectors, and by nothing of where it lies."""
    how: dict[str, Any] = {"kind": written.kind}
    if base and written.base:
        how |= {key: base.preprocessing[key] for key in ("side", "crop") if key in base.preprocessing}
        how["base"] = {key: written.base[key] for key in ("space", "precision", "sha256")}
    else:
        found = recipe.of_card(written.recipe or {})
        how |= {"side": found.side, "recipe": dict(written.recipe or {}), "batch": loaded.inputs[0].shape[0]}
    if written.text:
        how["text"] = dict(written.text)
    digest = reference.digest(written.onnx_sha256, how, "none", written.dim)
    return Card(
        f"{learned.named(NAME, written.name)}-{digest}",
        written.revision,
        written.dim,
        written.metric,
        modalities=("image", "text") if written.text else ("image",),
        preprocessing=how,
        pooling="none",
        precision=written.precision,
        licence=written.licence,
        source=f"{NAME}:{onnx}",
        sha256=written.onnx_sha256,
        calibration=written.calibration,
    )


def base_of(onnx: Path, written: FileCard) -> Card:
    """The card whose vectors a head takes. One of files of its own is looked for beside the head first, as a
    library keeps it. Raises UsageError, and EncoderError, also for a head that is under itself."""
    sought = _SOUGHT.get()
    if onnx.resolve() in sought:
        raise EncoderError(
            f"{onnx} cannot be its own base, or be under it: put back the .json that belongs to it, or train "
            "anew with findalike train"
        )
    token = _SOUGHT.set((*sought, onnx.resolve()))
    try:
        return _sought(onnx, written.base or {})
    finally:
        _SOUGHT.reset(token)


def _sought(onnx: Path, wanted: Mapping[str, str]) -> Card:
    differing = []
    for each in _named(onnx, wanted):
        try:
            base = catalog.find(each, wanted["precision"])
        except (EncoderError, UsageError) as error:
            raise EncoderError(f"{onnx} needs the encoder {wanted['space']}: {error}") from error
        if (base.space, base.sha256) == (wanted["space"], wanted["sha256"]):
            return base
        differing.append(f"{each} is {base.space} of SHA-256 {base.sha256 or 'none'}")
    raise EncoderError(
        f"{onnx} was trained on vectors of {wanted['space']} of SHA-256 {wanted['sha256'] or 'none'}, but "
        f"{' and '.join(differing)}: put that encoder back, or train anew with findalike train"
    )


def _named(onnx: Path, wanted: Mapping[str, str]) -> list[str]:
    """What the base may be, best first; a head of the base's own name that lies there is not it."""
    family, _, place = wanted["reference"].partition(":")
    beside = [onnx.with_name(Path(place).name)] if place else []
    beside += [own] if (own := learned.copy_of(onnx.parent, wanted["space"])) else []
    others = [path for path in beside if path.is_file() and path.resolve() != onnx.resolve()]
    return [*(f"{family}:{path}" for path in others), wanted["reference"]]


# The encoder of a card


def located(card: Card) -> dict[str, Path]:
    """The pair of a card. Raises EncoderError when one of them is gone."""
    onnx, beside = file_card.pair(reference.parse(card.source).path)
    for path in (onnx, beside):
        if not path.is_file():
            raise EncoderError(
                f"{path} is gone, of which {card.space} was made: put {onnx.name} and {beside.name} back, or "
                f"say where they are now: findalike index --encoder {NAME}:PATH on the folders again"
            )
    return {"model": onnx, "card": beside}


def load(card: Card, settings: Settings) -> Head | Network:
    """The encoder of a card. Raises EncoderError when a file is gone or is another than then, UsageError."""
    onnx, written = verified(card)
    loaded = file_graph.opened(onnx, written.wanted, exact(card, settings))
    base = base_of(onnx, written) if written.kind == HEAD else None
    _check_same(card, _card(written, onnx, base, loaded))
    if base is None:
        return Network(card, loaded)
    _check_width(loaded, base)
    return Head(card, catalog.load(base, settings), loaded)


def load_text(card: Card, settings: Settings) -> TextEncoder:
    """The side of texts, which `preprocessing["text"]` names. Raises UsageError where the card has none,
    EncoderError."""
    if "text" not in card.preprocessing:
        raise UsageError(f"{card.space} sees pictures and reads no words")
    verified(card)
    side: TextEncoder = plugins.on_use("findalike.encode.file_text").load(card, settings)
    return side


def verified(card: Card) -> tuple[Path, FileCard]:
    """The .onnx of a library's card, and what its .json says now. Raises EncoderError for another than
    then."""
    files = located(card)
    folder.verify({"model": files["model"]}, {"model": card.sha256}, card.space)
    written = file_card.read(files["model"])
    if written.onnx_sha256 != card.sha256:
        raise EncoderError(
            f"{files['card']} is of another training than {card.space}: put back the one that belongs to it"
        )
    return files["model"], written


def base(card: Card) -> Card | None:
    """The card whose vectors a head takes; None of a network. Raises EncoderError, UsageError."""
    onnx, written = verified(card)
    return base_of(onnx, written) if written.kind == HEAD else None


def seen(card: Card, sha256s: Sequence[str]) -> list[bool]:
    """Which of these pictures the encoder was trained on, as far as its card names them."""
    return file_card.seen(verified(card)[1], sha256s)


def training(card: Card) -> dict[str, Any]:
    """What the card of a pair says of the training; of the pictures, how many. Raises EncoderError."""
    _, written = verified(card)
    said = {**written.trained, "source": written.source}
    if "pictures" in said:
        said["pictures"] = len(said["pictures"])
    return said


def check(card: Card) -> None:
    """Look anew into all that makes a card's vectors. Raises EncoderError, UsageError."""
    onnx, written = verified(card)
    loaded = file_card.try_graph(onnx, written)
    base = base_of(onnx, written) if written.kind == HEAD else None
    if base:
        _check_width(loaded, base)
    _check_same(card, _card(written, onnx, base, loaded))


def _check_same(card: Card, now: Card) -> None:
    """Raises EncoderError for a .json that says another way of making vectors than the card of a library."""
    if differing := catalog.differing(now, card):
        raise EncoderError(
            f"{file_card.pair(reference.parse(now.source).path)[1]} says another {', '.join(differing)} than "
            f"when {card.space} was made: put back the one that belongs to it"
        )


def is_trained(card: Card) -> bool:
    """Whether a card is of a pair."""
    return card.name.partition(":")[0] == NAME


# A copy inside the library


def keep(card: Card, home: learned.Home) -> None:
    """Copy the pair of a head into a library, which is then whole without it; one that is there stays. Raises
    LibraryError when the library cannot be written."""
    for name, path in zip(learned.kept(card), located(card).values(), strict=False):
        try:
            if home.sidecars.read(name) is None:
                home.sidecars.write(name, path.read_bytes())
        except OSError as error:
            where = home.sidecars.where(name)
            raise LibraryError(f"{where} cannot be written: {error.strerror or error}") from error


FAMILY = Family(card_of, located, load, load_text)
