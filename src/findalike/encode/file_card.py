"""A trained encoder as two files, NAME.onnx and NAME.json: the network, and the card that says what it is.

A `head` makes vectors of another encoder's: `vectors` float32 (n, base dim) to `embedding` float32 (n, dim).
A `network` makes them of pictures: `pixels` as the recipe says to `embedding` float32 (n, dim).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike.encode import catalog, file_graph, learned, recipe, reference
from findalike.encode.file_graph import Wanted
from findalike.encode.graph import Graph
from findalike.errors import EncoderError, UsageError
from findalike.types import Card, Origin, Picture

FORMAT = 1
"""Raised when an earlier findalike would misread a card."""

FAMILY = reference.PAIR
HEAD, NETWORK = "head", "network"
VECTORS, PIXELS = "vectors", "pixels"
DIGITS, MOST = 12, 200_000
"""Hex digits of the SHA-256 of each picture that was trained on, and how many a card names."""

_LONGEST = 64 * 2**20
_MENTION = ("space", "reference", "precision", "sha256")
_PRECISIONS = ("float32", "float16", "int8")
_HEX = re.compile(r"[0-9a-f]+")
_AGAIN = "train anew with findalike train, or put back the .json that belongs to the .onnx"


@dataclass(frozen=True, slots=True)
class FileCard:
    """What the .json says. A head has a `base` (see `mention`), a network a `recipe`, as `recipe.of_card`
    reads it.

    `trained` says how: what, loss, data, classes, seed, epochs, measure, before, after, and in `pictures`
    what `pictures` makes. `text` names what reads words into this space. `onnx_sha256` is filled in by
    `write`.
    """

    kind: str
    name: str
    dim: int
    base: Mapping[str, str] | None = None
    recipe: Mapping[str, Any] | None = None
    revision: str = "1"
    metric: str = "cosine"
    precision: str = "float32"
    licence: str = "unknown"
    source: str = "pictures of one's own"
    trained: Mapping[str, Any] = field(default_factory=dict)
    calibration: tuple[tuple[float, float], ...] = ()
    text: Mapping[str, Any] | None = None
    onnx_sha256: str = ""

    @property
    def wanted(self) -> Wanted:
        """What the graph must take and give."""
        if self.kind == HEAD:
            return Wanted(VECTORS, "float32", (None, None), self.dim)
        prepared = self.example(1)
        return Wanted(PIXELS, str(prepared.dtype), (None, *prepared.shape[1:]), self.dim)

    def example(self, count: int, width: int = 0) -> NDArray[Any]:
        """Rows to try a graph with: vectors of `width` numbers and unit length, or noisy pictures."""
        random = np.random.default_rng(0)
        if self.kind == HEAD:
            rows = random.normal(size=(count, width)).astype(np.float32)
            return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
        shown = random.integers(0, 256, (count, 96, 128, 3), np.uint8)
        return recipe.of_card(self.recipe or {}).prepared(
            [Picture(each, Origin(""), 128, 96) for each in shown]
        )

    def to_json(self) -> dict[str, Any]:
        values = {key: value for key, value in asdict(self).items() if value is not None or key == "text"}
        values["calibration"] = [list(point) for point in self.calibration]
        return {"findalike": FORMAT, **values}


def mention(base: Card) -> dict[str, str]:
    """What finds the encoder again whose vectors a head takes."""
    named = (base.space, catalog.reference(base), base.precision, base.sha256)
    return dict(zip(_MENTION, named, strict=True))


def pictures(sha256s: Iterable[str]) -> list[str]:
    """The pictures that an encoder was trained on, as its card names them: the beginnings of their SHA-256,
    sorted; of very many the first `MOST`."""
    return sorted({each[:DIGITS] for each in sha256s})[:MOST]


def seen(card: FileCard, sha256s: Sequence[str]) -> list[bool]:
    """Of pictures, by their SHA-256, which the encoder was trained on, as far as its card names them."""
    trained = set(card.trained.get("pictures", ()))
    return [each[:DIGITS] in trained for each in sha256s]


def pair(path: Path) -> tuple[Path, Path]:
    """The .onnx and the .json, given either, or their name without an ending."""
    bare = path.name.removesuffix(path.suffix) if path.suffix in (".onnx", ".json") else path.name
    return path.with_name(f"{bare}.onnx"), path.with_name(f"{bare}.json")


# Reading


def read(path: Path) -> FileCard:
    """The card of a pair, of which `path` names either file. Raises UsageError where one is not there,
    EncoderError for a card that cannot be used. The .onnx is not looked into."""
    onnx, card = pair(path)
    for each in (onnx, card):
        if not each.is_file():
            raise UsageError(
                f"{each} is not there; a trained encoder is two files, {onnx.name} and {card.name}, which "
                "findalike train writes: keep them together"
            )
    try:
        if card.stat().st_size > _LONGEST:
            raise EncoderError(f"{card} has {card.stat().st_size:,} bytes, which no card has; {_AGAIN}")
        values = json.loads(card.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EncoderError(f"{card} cannot be read as JSON: {error}; {_AGAIN}") from error
    made = values.get("findalike") if isinstance(values, dict) else None
    if isinstance(made, int) and made > FORMAT:
        raise EncoderError(
            f"{card} has format {made}, and this findalike reads {FORMAT}: pip install --upgrade findalike"
        )
    try:
        return checked(values)
    except ValueError as error:
        raise EncoderError(f"{card} is no card of a trained encoder: {error}; {_AGAIN}") from error


def checked(values: Any) -> FileCard:
    """The card of a JSON object. Raises ValueError saying what is wrong with it."""
    if not isinstance(values, dict) or "findalike" not in values:
        raise ValueError('it must be an object with "findalike": 1')
    _of(values, "findalike", int)
    known = {name: values[name] for name in FileCard.__dataclass_fields__ if name in values}
    for name, (kind, check, expected) in _RULES.items():
        if name in known or name in _REQUIRED:
            value = _of(values, name, kind)
            if not check(value):
                raise ValueError(f"{name} is {_shown(value)}, but it must be {expected}")
    for name in ("base", "recipe", "text"):
        if known.get(name) is not None:
            _of(known, name, dict)
    known["calibration"] = tuple(tuple(point) for point in known.get("calibration") or ())
    found = FileCard(**known)
    _check_kind(found)
    return found


def _check_kind(card: FileCard) -> None:
    if card.kind == HEAD:
        lacking = [name for name in _MENTION if not isinstance((card.base or {}).get(name), str)]
        if lacking:
            raise ValueError(f"base must be an object that gives {', '.join(_MENTION)} as text")
        return
    try:
        recipe.of_card(card.recipe or {})
    except (TypeError, ValueError) as error:
        raise ValueError(f"recipe does not say how pictures become pixels: {error}") from error


def _of(values: Mapping[str, Any], name: str, kind: type) -> Any:
    value = values.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name} is {_shown(value)}, but it must be {_KINDS[kind]}")
    return value


def _shown(value: Any) -> str:
    return "missing" if value is None else json.dumps(value, default=str)[:80]


def _rising(points: Sequence[Any]) -> bool:
    """Whether a calibration is pairs of numbers, both rising, its scores from 0 to 1."""
    pairs = [p for p in points if isinstance(p, list | tuple) and len(p) == 2 and all(map(_number, p))]
    if len(pairs) != len(points) or len(pairs) == 1:
        return False
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(pairs)]
    ends = not pairs or (pairs[0][1], pairs[-1][1]) == (0, 1)
    return ends and all(x > 0 and y > 0 for x, y in steps)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _pictures_listed(trained: Mapping[str, Any]) -> bool:
    listed = trained.get("pictures", [])
    return isinstance(listed, list) and all(
        isinstance(each, str) and len(each) == DIGITS and _HEX.fullmatch(each) for each in listed
    )


_KINDS = {int: "a whole number", str: "text", dict: "an object", list: "a list"}
_REQUIRED = ("kind", "name", "dim", "onnx_sha256")
_RULES: Mapping[str, tuple[type, Callable[[Any], Any], str]] = {
    "kind": (str, (HEAD, NETWORK).__contains__, f"{HEAD} or {NETWORK}"),
    "name": (str, learned.NAME.fullmatch, "up to 60 letters, digits, dots, dashes and underlines"),
    "dim": (int, lambda n: 1 <= n <= 65_536, "from 1 to 65536"),
    "revision": (str, re.compile(r"[\w.]{1,20}").fullmatch, "up to 20 letters and digits"),
    "metric": (str, ("cosine",).__contains__, "cosine"),
    "precision": (str, _PRECISIONS.__contains__, " or ".join(_PRECISIONS)),
    "licence": (str, bool, "the name of a licence, or unknown"),
    "source": (str, bool, "a sentence on what it was trained with"),
    "trained": (dict, _pictures_listed, f"an object; its pictures, {DIGITS} hex digits each"),
    "calibration": (list, _rising, "pairs of similarity and score, both rising, the scores from 0 to 1"),
    "onnx_sha256": (str, lambda text: len(text) == 64 and _HEX.fullmatch(text), "64 hex digits"),
}  # fmt: skip


# Writing


def write(path: Path, card: FileCard, onnx: bytes) -> FileCard:
    """Write a pair, both files whole or neither, once the graph was seen to do what the card says; the card
    with the SHA-256 of its graph. `path` is of either file.

    What was there under these names is replaced. Raises UsageError for a folder that is not there or cannot
    be written, EncoderError for a card or a graph that `read` and the family `file` would refuse.
    """
    final = replace(card, onnx_sha256=hashlib.sha256(onnx).hexdigest())
    try:
        content = json.dumps(final.to_json(), indent=1, allow_nan=False, default=_plain) + "\n"
        checked(json.loads(content))
    except (TypeError, ValueError) as error:
        raise EncoderError(f"{pair(path)[1]} would be no card: {error}") from error
    try:
        with tempfile.TemporaryDirectory(prefix=".findalike-", dir=path.parent) as beside:
            made = [Path(beside) / each.name for each in pair(path)]
            for file, data in zip(made, (onnx, content.encode()), strict=True):
                _written(file, data)
            try_graph(made[0], final)
            _placed(made, pair(path))
    except OSError as error:
        raise UsageError(
            f"{path.parent}: the trained encoder {path.stem} cannot be written there: "
            f"{error.strerror or error}; name another place"
        ) from error
    return final


def _plain(value: Any) -> Any:
    """Numbers of numpy as JSON has them. Raises TypeError."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def try_graph(onnx: Path, card: FileCard) -> Graph:
    """The graph of a card, refused unless it gives what the card says: see `file_graph`. Raises
    EncoderError."""
    file_graph.refuse(onnx)
    loaded = file_graph.opened(onnx, card.wanted)
    width = loaded.inputs[0].shape[1] if card.kind == HEAD else 0
    if width is None or (card.kind == HEAD and loaded.inputs[0].shape[0] is not None):
        raise EncoderError(
            f"{onnx} must take {VECTORS} of any number of rows and a fixed number of columns: "
            f"{loaded.described()}; {file_graph.AGAIN}"
        )
    file_graph.tried(loaded, card.wanted, card.example(3, width))
    return loaded


def _written(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _placed(made: Sequence[Path], places: Sequence[Path]) -> None:
    """Give both their names; where the second cannot get its own, the first is as it was."""
    before = made[0].with_name("before")
    if places[0].exists():
        shutil.copyfile(places[0], before)
    try:
        made[0].replace(places[0])
        made[1].replace(places[1])
    except BaseException:
        if before.exists():
            before.replace(places[0])
        else:
            places[0].unlink(missing_ok=True)
        raise
