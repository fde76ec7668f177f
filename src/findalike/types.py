"""The values that travel between stages. All are frozen; none knows a service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

Value = None | bool | int | float | str | date | datetime
"""One metadata value. A datetime is aware and in UTC."""

Metadata = Mapping[str, Value]
Vector = NDArray[np.float32]
Vectors = NDArray[np.float32]
Pixels = NDArray[np.uint8]

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in 0..1 of the upright picture."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, or one member of an archive.

    `uri` is the absolute path; for a member of an archive, the archive's path, `!/` and the member's
    name. `modified` is aware, in UTC. Until the bytes were read, `id`, `sha256` and `media` are empty.
    `tags` are names of concepts that the picture shows, the surest first.
    """

    uri: str
    size: int
    modified: datetime
    id: str = ""
    media: str = ""
    sha256: str = ""
    metadata: Metadata = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @property
    def is_film(self) -> bool:
        return self.media.startswith("video/")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in an asset a picture comes from.

    `part` is `whole`, `region`, `face` or `frame`. Only films have a `time`, in seconds; a frame stands for
    what is shown from it to `end`.
    """

    asset_id: str
    part: str = "whole"
    box: Box = WHOLE
    time: float | None = None
    label: str = ""
    end: float | None = None

    @property
    def key(self) -> str:
        """What tells it from all others of its asset: `whole`, `frame-12.480`, `face-0312-0120-0500-0410`
        with the box in thousandths, `frame-12.480-face-0312-0120-0500-0410`."""
        names = [] if self.time is None else [f"frame-{self.time:.3f}"]
        if self.part in ("region", "face"):
            names.append("-".join([self.part, *(f"{round(side * 1000):04d}" for side in self.box)]))
        return "-".join(names) or self.part


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """RGB pixels of shape (height, width, 3), upright, and where they come from.

    `width` and `height` are those of the upright original; `pixels` may be a faithful reduction of it.
    """

    pixels: Pixels
    origin: Origin
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Card:
    """What an encoder is. Vectors of two cards with different `space` are never compared.

    `precision` says how the network is computed (`float32`, `int8`), `dtype` how a vector is stored.
    `calibration` maps cosine similarity to a score in 0..1 by straight lines between its points; it may
    be refined without making another space.
    """

    name: str
    revision: str
    dim: int
    metric: str = "cosine"
    dtype: str = "float32"
    modalities: tuple[str, ...] = ("image",)
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    pooling: str = ""
    precision: str = "float32"
    licence: str = ""
    source: str = ""
    sha256: str = ""
    calibration: tuple[tuple[float, float], ...] = ()

    @property
    def space(self) -> str:
        """The name of the space of this card's vectors, such as `efficientnet-lite0@1-int8`."""
        return f"{self.name}@{self.revision}-{self.precision}"


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One vector of one picture, of unit length when the metric is cosine."""

    id: str
    origin: Origin
    vector: Vector

    @property
    def asset_id(self) -> str:
        return self.origin.asset_id


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """A row that a store found, its asset, and its similarity to the query: higher is better."""

    row: Row
    asset: Asset
    similarity: float


@dataclass(frozen=True, slots=True)
class Concept:
    """Something that pictures can show: a thing, a colour, a season. `words` are the texts that mean it,
    the best first; `broader` the names of the concepts of its bank that it is a kind of, nearest first."""

    name: str
    words: tuple[str, ...] = ()
    broader: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bank:
    """A table of concepts, numbered by their place. A picture's evidence for them lives in the store."""

    name: str
    revision: str
    concepts: tuple[Concept, ...]


Evidence = Mapping[int, float]
"""How strongly a picture shows concepts of a bank: their numbers, with weights above 0 and at most 1."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class EvidenceTable:
    """The evidence of all pictures for one bank, as a sparse matrix of rows (CSR): picture `i` shows
    `concepts[starts[i]:starts[i + 1]]` (int32) with `weights` (float32) of the same places."""

    asset_ids: tuple[str, ...]
    starts: NDArray[np.int64]
    concepts: NDArray[np.int32]
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Found:
    """An asset that a full-text search found. `relevance` is above 0: higher is better."""

    asset: Asset
    relevance: float


@dataclass(frozen=True, slots=True)
class Reason:
    """What one term of the query gave to a hit. `similarity` is the cosine of the two vectors."""

    term: str
    space: str
    similarity: float
    weight: float


Span = tuple[float, float]
"""From and to, in seconds of a film."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of a film that answers too: `origin` has its time and end. `score` is as of `Hit`."""

    origin: Origin
    score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer. `score` is in 0..1 and calibrated; `band` is its name; `similarity` is
    the cosine to the adapted query (`rank.adapted`), 1 for the query itself.

    Of a film, `origin` has the stretch that answers best, and `moments` the others, best first; `frame` names
    the attachment with a picture of it. Where the query is a film, `query_span` is the stretch of it that was
    found in `origin`'s."""

    asset: Asset
    origin: Origin
    score: float
    band: str
    similarity: float
    space: str
    reasons: tuple[Reason, ...] = ()
    moments: tuple[Moment, ...] = ()
    query_span: Span | None = None
    frame: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be used. `stage` is `list`, `read`, `decode`, `encode` or `store`."""

    uri: str
    stage: str
    error: str
    size: int = -1
    modified: datetime | None = None
