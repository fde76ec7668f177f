"""Two networks that were trained together, one for pictures and one for texts, so that words find pictures:
CLIP (Radford et al. 2021), SigLIP (Zhai et al. 2023), MobileCLIP (Vasu et al. 2024) and their kin.

`--encoder clip:FOLDER` reads a folder as model hubs lay it out for ONNX: `config.json`,
`preprocessor_config.json`, `tokenizer.json`, and in `onnx/` either `vision_model.onnx` and `text_model.onnx`
or one `model.onnx`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findalike import plugins
from findalike.encode import folder, graph, hub, onnx, recipe, reference
from findalike.encode.base import unit
from findalike.encode.catalog import Family
from findalike.encode.folder import Folder
from findalike.encode.graph import Arrays, Graph
from findalike.errors import EncoderError, UsageError
from findalike.settings import Settings
from findalike.types import Card, Vectors

CONFIGS = ("config.json", "preprocessor_config.json", "tokenizer.json")
TOWERS = ("vision_model", "text_model")
PICTURE_OUTPUTS = ("image_embeds", "image_features", "image_embeddings", "pooler_output")
TEXT_OUTPUTS = ("text_embeds", "text_features", "text_embeddings", "pooler_output")
"""Names of the outputs that are compared, the first choice first; the last only of a tower of its own."""

_TOKENS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
LENGTHS = {"siglip": 64, "clip": 77}
"""Tokens of a text where no file says how many, by the beginning of `model_type`; else as of CLIP."""

_EXPECTED = (
    "a two-tower model has config.json, preprocessor_config.json, tokenizer.json, and vision_model.onnx and "
    "text_model.onnx, or one model.onnx, at the top or in onnx"
)


@dataclass(frozen=True, slots=True, eq=False)
class TextTower:
    """The side of texts. A text is read as it is written: no sentence is put around it, because captions and
    questions are sentences already; a bare noun may be asked for as `a photo of a …`.

    Every text has the length that the network was trained with, so that a row never depends on the others.
    """

    card: Card
    graph: Graph
    tokenizer: Any
    feeds: Arrays

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Rows of unit length. Raises EncoderError for numbers that are not finite."""
        if not texts:
            return np.empty((0, self.card.dim), np.float32)
        how = self.card.preprocessing["text"]
        read = [self.tokenizer.encode(text.lower() if how["lower"] else text) for text in texts]
        rows = _token_rows(self.graph, read)
        vectors = graph.in_rows(self.graph, self.feeds, rows, how["output"], how["batch"])
        vectors = np.asarray(vectors, np.float32)
        if vectors.shape != (len(texts), self.card.dim) or not np.isfinite(vectors).all():
            raise EncoderError(f"{self.card.space} gave no {self.card.dim} finite numbers for each text")
        return unit(vectors)


def _token_rows(loaded: Graph, read: Sequence[Any]) -> dict[str, NDArray[Any]]:
    """What a text graph takes, of tokens that were read: shape (texts, tokens)."""
    ids = np.asarray([each.ids for each in read])
    arrays = {
        "input_ids": ids,
        "attention_mask": np.asarray([each.attention_mask for each in read]),
        "token_type_ids": np.zeros_like(ids),
        "position_ids": np.broadcast_to(np.arange(ids.shape[1]), ids.shape),
    }
    return {p.name: arrays[p.name].astype(p.dtype) for p in loaded.inputs if p.name in _TOKENS}


# The card of a folder


def card_of(text: str, precision: str | None = None) -> Card:
    """The card that a reference stands for; both towers are loaded and run once.

    Raises UsageError for a folder that is not there or lacks a file, EncoderError for files that cannot be
    used or a hub that cannot be reached, ExtraMissing.
    """
    asked = reference.parse(text)
    reference.check_options(asked, ())
    there = hub.find(asked)
    computed, names = _layout(there, precision)
    root = there.fetch([*CONFIGS, *names.values(), *_beside(there, names)])
    every = onnx.with_weights({role: root / name for role, name in names.items()})
    return onnx.named(
        replace(_towers(root, every), precision=computed, licence=folder.licence(root / "README.md")),
        "clip",
        reference.readable(asked.place if asked.hub else str(asked.path)),
        str(onnx.pinned(asked, there)),
        folder.digests(every),
    )


def _layout(there: Folder, precision: str | None) -> tuple[str, dict[str, str]]:
    """The precision, and the names of the files that make vectors, by their role. Raises UsageError."""
    lacking = [name for name in CONFIGS if name not in there.names]
    found = folder.graphs(there, TOWERS, precision) or folder.graphs(there, ["model"], precision)
    if found is None:
        lacking.append(
            f"{' and '.join(f'{tower}.onnx' for tower in TOWERS)}{f' in {precision}' if precision else ''}"
        )
    if lacking or found is None:
        raise UsageError(f"{there.source} lacks {', '.join(lacking)}: {_EXPECTED}")
    computed, names = found
    roles = ("vision", "text") if len(names) > 1 else ("model",)
    return computed, {**dict(zip(roles, names, strict=True)), "tokenizer": "tokenizer.json"}


def _beside(there: Folder, names: Mapping[str, str]) -> list[str]:
    """What else of a folder is read, where it is there."""
    extra = [name for name in ("tokenizer_config.json", "README.md") if name in there.names]
    return extra + [each for name in names.values() for each in folder.weights_of(there, name)]


def _towers(root: Path, files: Mapping[str, Path]) -> Card:
    """The card without a name. Raises EncoderError when the towers do not belong together."""
    config = folder.config(root / "config.json")
    vision = graph.opened(files.get("vision") or files["model"])
    text = graph.opened(files["text"]) if "text" in files else vision
    how = _reading(config, root, text)
    card = _picture_side(vision, folder.config(root / "preprocessor_config.json"), how)
    both = replace(card, preprocessing={**card.preprocessing, "text": how}, modalities=("image", "text"))
    side = TextTower(both, text, _tokenizer(files["tokenizer"], how), _no_picture(text, card))
    dim = _width(side)
    if dim != card.dim:
        raise EncoderError(
            f"{root} gives {card.dim} numbers for a picture and {dim} for a text, which cannot be compared; "
            "both towers must be exported with their projections, as image_embeds and text_embeds"
        )
    return both


# The side of pictures


def _picture_side(vision: Graph, config: Mapping[str, Any], how: Mapping[str, Any]) -> Card:
    port = graph.image_input(vision)
    feeds = _no_text(vision, how)
    _check_inputs(vision, {port.name, *feeds})
    chosen = recipe.configured(config, onnx.fixed_size(port))
    chosen = replace(chosen, layout=graph.layout(port), dtype=port.dtype)
    output = _output(vision, PICTURE_OUTPUTS[:-1] if feeds else PICTURE_OUTPUTS)
    batch, found = onnx.probed(vision, port, chosen, feeds, [output])
    pooling = "avg" if found[output].ndim == 4 else "none"
    return onnx.tower_card(port, chosen, output, pooling, batch, found[output])


def _no_text(loaded: Graph, how: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """One blank text, for a graph of both towers that is run for its pictures."""
    shape = (1, how["length"])
    return {p.name: np.ones(shape, p.dtype) for p in loaded.inputs if p.name in _TOKENS}


def _no_picture(loaded: Graph, card: Card) -> dict[str, NDArray[Any]]:
    """One blank picture, for a graph of both towers that is run for its texts."""
    found = [p for p in loaded.inputs if p.name == card.preprocessing.get("input")]
    height, width = card.preprocessing["recipe"]["size"]
    shape = (3, height, width) if card.preprocessing["recipe"]["layout"] == "NCHW" else (height, width, 3)
    return {p.name: np.zeros((p.shape[0] or 1, *shape), p.dtype) for p in found}


# The side of texts


def _reading(config: Mapping[str, Any], root: Path, text: Graph) -> dict[str, Any]:
    """How texts become tokens, after the model's own files."""
    path = root / "tokenizer_config.json"
    said = folder.config(path) if path.is_file() else {}
    ports = [port for port in text.inputs if port.name == "input_ids"]
    if not ports or len(ports[0].shape) != 2:
        raise EncoderError(f"{text.path} has no input_ids of texts × tokens: {text.described()}")
    return {
        "length": ports[0].shape[1] or _length(config, said),
        "pad": _pad(config, said),
        "lower": bool(said.get("do_lower_case", False)),
        "output": _output(text, TEXT_OUTPUTS[:-1] if any(map(graph.layout, text.inputs)) else TEXT_OUTPUTS),
        "batch": ports[0].shape[0] or (1 if graph.batch_alone(text.path) else None),
    }


def _length(config: Mapping[str, Any], said: Mapping[str, Any]) -> int:
    """The tokens of a text: the least that a file says, since a network knows no more places than that."""
    inner = config.get("text_config") or {}
    lengths = (
        said.get("model_max_length"),
        inner.get("max_position_embeddings"),
        inner.get("context_length"),
    )
    stated = [int(n) for n in lengths if isinstance(n, int | float) and 0 < n < 100_000]
    kind = str(config.get("model_type", ""))
    return min(stated, default=next((n for name, n in LENGTHS.items() if kind.startswith(name)), 77))


def _pad(config: Mapping[str, Any], said: Mapping[str, Any]) -> str | int | None:
    """The token that fills a text up: its text or its number, where a file says so."""
    token = said.get("pad_token")
    token = token.get("content") if isinstance(token, dict) else token
    return token if token is not None else (config.get("text_config") or {}).get("pad_token_id")


def _tokenizer(path: Path, how: Mapping[str, Any]) -> Any:
    """The tokenizer of a `tokenizer.json`, set to texts of one length. Raises EncoderError."""
    tokenizers = plugins.on_use("tokenizers", "tokenizers")
    try:
        loaded = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust library raises Exception itself
        raise EncoderError(f"{path} cannot be read: {error}; fetch it again") from error
    number, pad = None, how["pad"]
    if isinstance(pad, str):
        number = loaded.token_to_id(pad)
    elif pad is not None:
        number = int(pad)
    if number is None:
        number = (loaded.padding or {}).get("pad_id", 0)
    loaded.enable_truncation(how["length"])
    loaded.enable_padding(length=how["length"], pad_id=number, pad_token=loaded.id_to_token(number) or "")
    return loaded


def _width(side: TextTower) -> int:
    """How many numbers a text gets, seen by reading one."""
    how = side.card.preprocessing["text"]
    rows = _token_rows(side.graph, [side.tokenizer.encode("a")])
    _check_inputs(side.graph, {*rows, *side.feeds})
    found = graph.in_rows(side.graph, side.feeds, rows, how["output"], how["batch"])
    if found.ndim != 2:
        raise EncoderError(f"{side.graph.path} gives no row for each text: {side.graph.described()}")
    return int(found.shape[1])


def _check_inputs(loaded: Graph, known: set[str]) -> None:
    unknown = [port for port in loaded.inputs if port.name not in known]
    if unknown:
        raise EncoderError(
            f"{loaded.path} wants {unknown[0]}, which nothing here gives: {loaded.described()}"
        )


def _output(loaded: Graph, names: Sequence[str]) -> str:
    there = {port.name for port in loaded.outputs}
    found = next((name for name in names if name in there), None)
    if found is None:
        raise EncoderError(f"{loaded.path} has no output {' or '.join(names)}: {loaded.described()}")
    return found


# The encoder of a card


def located(card: Card) -> dict[str, Path]:
    """The files of a card, found again without the network. Raises UsageError, EncoderError."""
    there = hub.find(reference.parse(card.source), cached_only=True)
    _, names = _layout(there, card.precision)
    root = there.fetch(list(names.values()))
    return onnx.checked(card, {role: root / name for role, name in names.items()})


def load(card: Card, settings: Settings) -> onnx.ImageTower:
    """The side of pictures. Raises EncoderError when a file is gone or is another than then."""
    loaded = _verified(card, settings, ("vision", "model"))[0]
    return onnx.ImageTower(card, loaded, _no_text(loaded, card.preprocessing["text"]))


def load_text(card: Card, settings: Settings) -> TextTower:
    """The side of texts. Raises EncoderError when a file is gone or is another than then."""
    loaded, files = _verified(card, settings, ("text", "model", "tokenizer"))
    tokenizer = _tokenizer(files["tokenizer"], card.preprocessing["text"])
    return TextTower(card, loaded, tokenizer, _no_picture(loaded, card))


def _verified(card: Card, settings: Settings, roles: Sequence[str]) -> tuple[Graph, dict[str, Path]]:
    """The graph of the first of these roles that the card has, and the files of all, checked by hash."""
    files = {role: path for role, path in located(card).items() if role.partition("/")[0] in roles}
    folder.verify(files, card.preprocessing["files"], card.space)
    graphs = (files[role] for role in roles if role in files)
    return graph.opened(next(graphs), onnx.exact(card, settings)), files


FAMILY = Family(card_of, located, load, load_text)
