"""Any network for pictures that was exported to ONNX: `--encoder onnx:FILE`, a folder, or a hub's OWNER/NAME.

What the graph does not say of itself is read from the `preprocessor_config.json` beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike import runtime
from findalike.encode import folder, graph, hub, pickles, recipe, reference
from findalike.encode import pooling as pooling_
from findalike.encode.catalog import Family
from findalike.encode.graph import Arrays, Graph, Port
from findalike.encode.recipe import Recipe
from findalike.errors import EncoderError, UsageError
from findalike.settings import Settings
from findalike.types import Card, Origin, Picture, Vectors

REVISION = "1"
"""Raised when the same files would give other vectors than before."""

OPTIONS = ("output", "pooling", "side")
POOLINGS = {2: ("none",), 3: ("cls", "avg", "max", "gem"), 4: ("avg", "max", "gem", "r-mac")}
"""What can be done with an output of so many axes to have one row for each picture."""

POOLED = ("image_embeds", "pooler_output", "pooled", "embedding", "embeddings", "image_features")
"""Names under which exporters give one vector for each picture, the first choice first."""

_POOLINGS = {"avg": pooling_.average, "max": pooling_.maximum, "gem": pooling_.gem, "r-mac": pooling_.r_mac}


@dataclass(frozen=True, slots=True, eq=False)
class ImageTower:
    """A graph used as its card says. `feeds` are those of its inputs that take no pictures."""

    card: Card
    graph: Graph
    feeds: Arrays = field(default_factory=dict)

    def encode_batch(self, pictures: Sequence[Picture]) -> Vectors:
        how = self.card.preprocessing
        chosen = recipe.from_json(how["recipe"])
        rows = {how["input"]: chosen.prepared(pictures)}
        found = graph.in_rows(self.graph, self.feeds, rows, how["output"], how["batch"])
        return pooled(found, self.card.pooling, chosen.layout)


def pooled(array: NDArray[Any], pooling: str, layout: str) -> Vectors:
    """One row for each picture from (n, dim), tokens (n, tokens, dim), or a map (n, dim, h, w) in NCHW or
    (n, h, w, dim) in NHWC."""
    x = np.asarray(array, np.float32)
    if pooling == "none":
        return x
    if pooling == "cls":
        return np.ascontiguousarray(x[:, 0])
    maps = x if x.ndim == 4 and layout == "NCHW" else np.moveaxis(x, -1, 1)
    return _POOLINGS[pooling](maps)


# The card of a graph


def card_of(text: str, precision: str | None = None) -> Card:
    """The card that a reference stands for; the graph is loaded and run once on a blank picture.

    Raises UsageError for what is not there or is asked for wrongly, EncoderError for a graph that cannot be
    used, ExtraMissing.
    """
    asked = reference.parse(text)
    reference.check_options(asked, OPTIONS)
    there, name, computed = _model(asked, precision)
    root = there.fetch([name, *folder.weights_of(there, name), *_beside(there)])
    files = with_weights({"model": root / name})
    loaded = graph.opened(files["model"])
    port = image_input(loaded)
    tower = _tower(loaded, port, _recipe(root, there, name, port, asked), asked)
    readme = root / "README.md"
    return named(
        replace(tower, precision=computed, licence=folder.licence(readme)),
        "onnx",
        reference.readable(asked.place if asked.hub else str(asked.path)),
        str(pinned(asked, there)),
        folder.digests(files),
    )


def _model(
    asked: reference.Reference, precision: str | None, cached: bool = False
) -> tuple[folder.Folder, str, str]:
    """Where the model is, the graph's name there, and how it is computed. Raises UsageError."""
    if asked.hub or asked.path.is_dir():
        there = hub.find(asked, cached)
        found = folder.graphs(there, ["model"], precision)
        if found is None:
            kind = f" in {precision}" if precision else ""
            raise UsageError(
                f"{there.source} lacks model.onnx{kind}, at its top or in onnx; in it there is "
                f"{', '.join(sorted(there.names)[:12]) or 'nothing'}; name the file: onnx:FILE.onnx"
            )
        return there, found[1][0], found[0]
    return _single(asked, precision)


def _single(asked: reference.Reference, precision: str | None) -> tuple[folder.Folder, str, str]:
    path = asked.path
    if not path.is_file():
        raise UsageError(f"{path} is not there; give the path of an ONNX file, such as onnx:resnet50.onnx")
    pickles.refuse(path)
    computed = graph.precision(path)
    if precision not in (None, computed):
        raise UsageError(f"{path} is computed in {computed}, not in {precision}; leave out the precision")
    root = path.parent.parent if path.parent.name == "onnx" else path.parent
    there = folder.local(root)
    return there, path.relative_to(root).as_posix(), computed


def _beside(there: folder.Folder) -> list[str]:
    """What else of a folder is read, where it is there."""
    return [name for name in ("preprocessor_config.json", "README.md") if name in there.names]


def _recipe(root: Path, there: folder.Folder, name: str, port: Port, asked: reference.Reference) -> Recipe:
    path = root / "preprocessor_config.json"
    chosen = recipe.configured(folder.config(path) if path.is_file() else {}, fixed_size(port))
    if "side" in asked.options:
        chosen = _of_side(chosen, asked.options["side"], port)
    return replace(chosen, layout=graph.layout(port), dtype=port.dtype)


def _of_side(chosen: Recipe, side: str, port: Port) -> Recipe:
    if not side.isdecimal() or not 16 <= int(side) <= 4096:
        raise UsageError(f"side is {side!r}, but it must be a whole number from 16 to 4096")
    size = (int(side), int(side))
    if fixed_size(port) not in (None, size):
        raise UsageError(f"side is {side}, but the graph takes {port}; leave it out")
    return chosen.fitted(size)


def fixed_size(port: Port) -> tuple[int, int] | None:
    """Height and width of an input that takes no other."""
    height, width = port.shape[2:] if graph.layout(port) == "NCHW" else port.shape[1:3]
    return (height, width) if height and width else None


def image_input(loaded: Graph) -> Port:
    """The only input of a graph, which takes pictures. Raises EncoderError."""
    port = graph.image_input(loaded)
    if len(loaded.inputs) > 1:
        hint = "; is it of two towers? then name its folder: clip:FOLDER" if _reads(loaded) else ""
        raise EncoderError(f"{loaded.path} wants more than a picture: {loaded.described()}{hint}")
    return port


def _reads(loaded: Graph) -> bool:
    return any(port.name == "input_ids" for port in loaded.inputs)


def _tower(loaded: Graph, port: Port, chosen: Recipe, asked: reference.Reference) -> Card:
    batch, found = probed(loaded, port, chosen, {}, [each.name for each in loaded.outputs])
    output = _output(loaded, found, asked.options.get("output"))
    pooling = _pooling(output, found[output], asked.options.get("pooling"))
    return tower_card(port, chosen, output, pooling, batch, found[output])


def tower_card(
    port: Port, chosen: Recipe, output: str, pooling: str, batch: int | None, found: NDArray[Any]
) -> Card:
    """A card, not named yet, that says how to run a graph; `found` is what `output` gave."""
    how = {
        "side": chosen.side,
        "recipe": chosen.to_json(),
        "input": port.name,
        "output": output,
        "batch": batch,
    }
    dim = pooled(found, pooling, chosen.layout).shape[1]
    return Card("", REVISION, dim, preprocessing=how, pooling=pooling)


def probed(
    loaded: Graph, port: Port, chosen: Recipe, feeds: Arrays, outputs: Sequence[str]
) -> tuple[int | None, dict[str, NDArray[Any]]]:
    """How many pictures the graph wants in one run (None: any number), and what a blank picture gives."""
    batch = port.shape[0] or (1 if graph.batch_alone(loaded.path) else None)
    try:
        found = _blank(loaded, port, chosen, feeds, outputs, batch or 2)
    except EncoderError:
        if batch:
            raise
        batch = 1  # some exports claim any number and then want one
        found = _blank(loaded, port, chosen, feeds, outputs, 1)
    return batch, found


def _blank(
    loaded: Graph, port: Port, chosen: Recipe, feeds: Arrays, outputs: Sequence[str], count: int
) -> dict[str, NDArray[Any]]:
    """The outputs that have a row for each of `count` blank pictures."""
    blank = Picture(np.full((*chosen.size, 3), 128, np.uint8), Origin(""), *chosen.size[::-1])
    found = loaded.run({**feeds, port.name: chosen.prepared([blank] * count)}, outputs)
    rows = {name: array for name, array in zip(outputs, found, strict=True) if np.ndim(array) > 1}
    rows = {name: array for name, array in rows.items() if len(array) == count}
    if not rows:
        raise EncoderError(f"{loaded.path} gives no row for each picture: {loaded.described()}")
    return rows


def _output(loaded: Graph, found: Mapping[str, NDArray[Any]], asked: str | None) -> str:
    """The output to use: a pooled one, tokens, a map, a vector; class scores when there is nothing else."""
    if asked is not None:
        if asked not in found:
            raise UsageError(f"{loaded.path} has no output {asked!r} with a row for each picture: "
                             f"{loaded.described()}")  # fmt: skip
        return asked
    named_ = [name for name in POOLED if name in found and found[name].ndim in (2, 4)]
    tokens = [name for name in ("last_hidden_state",) if name in found and found[name].ndim == 3]
    maps = [name for name, array in found.items() if array.ndim == 4]
    flat = sorted((n for n, array in found.items() if array.ndim == 2), key=lambda n: "logits" in n.lower())
    others = [name for name, array in found.items() if array.ndim == 3]
    chosen = next(iter([*named_, *tokens, *maps, *flat, *others]), None)
    if chosen is None:
        raise EncoderError(f"{loaded.path} gives nothing that is known here: {loaded.described()}")
    return chosen


def _pooling(name: str, array: NDArray[Any], asked: str | None) -> str:
    """How to have one row for each picture. Tokens: the first where it stands apart from a square grid."""
    fitting = POOLINGS.get(array.ndim, ())
    if asked is not None and asked not in fitting:
        raise UsageError(
            f"pooling is {asked!r}, but the output {name} has {array.ndim} axes, which allow "
            f"{', '.join(fitting) or 'none'}; name another with output=NAME"
        )
    if not fitting:
        raise EncoderError(
            f"the output {name} has {array.ndim} axes, not 2, 3 or 4; name another: output=NAME"
        )
    if array.ndim == 3 and asked is None:
        return "avg" if math.isqrt(array.shape[1]) ** 2 == array.shape[1] else "cls"
    return asked or fitting[0]


# What the families share


def with_weights(files: Mapping[str, Path]) -> dict[str, Path]:
    """Files by their role, and those that graphs among them keep weights in. Raises EncoderError."""
    every = dict(files)
    for role, path in files.items():
        for name in graph.weights_beside(path) if path.suffix == ".onnx" else ():
            if ".." in Path(name).parts or Path(name).is_absolute():
                raise EncoderError(f"{path} keeps weights in {name}, outside its folder, which is refused")
            every[f"{role}/{name}"] = path.parent / name
            if not every[f"{role}/{name}"].is_file():
                raise UsageError(f"{path} keeps weights in {name}, which is not beside it; put it there")
    return every


def named(card: Card, family: str, place: str, source: str, digests: Mapping[str, str]) -> Card:
    """The card with the name that its content gives it: the same wherever its files lie."""
    how = {**card.preprocessing, "files": dict(digests)}
    sha256 = folder.combined(digests.values())
    name = f"{family}:{place}-{reference.digest(sha256, how, card.pooling, card.dim)}"
    return replace(card, name=name, preprocessing=how, sha256=sha256, source=source)


def pinned(asked: reference.Reference, there: folder.Folder) -> reference.Reference:
    """The reference of what was found: of a hub, with the commit."""
    return replace(asked, revision=there.source.rpartition("@")[2]) if asked.hub else asked


def checked(card: Card, files: Mapping[str, Path]) -> dict[str, Path]:
    """All files of a library's card, by their role, given those that its source names. Raises EncoderError
    when one is gone, or when this findalike would use them otherwise."""
    wanted = card.preprocessing["files"]
    digest = reference.digest(card.sha256, card.preprocessing, card.pooling, card.dim)
    if card.revision != REVISION or not card.name.endswith(digest):
        raise EncoderError(f"{card.space} was written by another version of findalike, or was changed")
    every = {role: files[role.partition("/")[0]] for role in wanted}
    for role in wanted:
        if "/" in role:
            every[role] = every[role].parent / role.partition("/")[2]
        if not every[role].is_file():
            raise EncoderError(f"{every[role]} is gone: {folder.put_back(wanted[role], card.space)}")
    return every


def exact(card: Card, settings: Settings) -> bool:
    """Whether integer products must be kept from saturating here."""
    return card.precision == "int8" and runtime.saturates(settings.cache / "models")


# The encoder of a card


def located(card: Card) -> dict[str, Path]:
    """The files of a card, found again without the network. Raises UsageError, EncoderError."""
    asked = reference.parse(card.source)
    if not asked.hub and asked.path.suffix == ".onnx" and not asked.path.is_dir():
        return checked(card, {"model": asked.path})
    there, name, _ = _model(asked, card.precision, cached=True)
    return checked(card, {"model": there.fetch([name]) / name})


def load(card: Card, settings: Settings) -> ImageTower:
    """The encoder of a card. Raises EncoderError when a file is gone or is another than then."""
    files = located(card)
    folder.verify(files, card.preprocessing["files"], card.space)
    return ImageTower(card, graph.opened(files["model"], exact(card, settings)))


FAMILY = Family(card_of, located, load)
