"""What is asked: terms, a filter, and their forms as command-line words and JSON."""

from __future__ import annotations

import base64
import difflib
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, cast

import numpy as np

from findalike.errors import QueryError
from findalike.filters import (
    FACTS,
    MEASURES,
    And,
    Compare,
    Filter,
    In,
    IsNull,
    Kind,
    Like,
    Literal_,
    Not,
    Or,
    bind,
    evaluate,
    parse_filter,
    render,
)
from findalike.look import Look, checked_look, parse_look
from findalike.types import Box, Pixels, Vector

__all__ = [
    "FACTS",
    "MAX_K",
    "MEASURES",
    "VERIFICATIONS",
    "And",
    "Compare",
    "Filter",
    "In",
    "IsNull",
    "Kind",
    "Like",
    "Literal_",
    "Not",
    "Or",
    "Query",
    "Region",
    "Term",
    "TermKind",
    "bind",
    "evaluate",
    "from_json",
    "parse_filter",
    "parse_look",
    "parse_region",
    "parse_term",
    "render",
    "to_json",
]

TermKind = Literal["image", "asset", "text", "vector"]

VERIFICATIONS = ("geometric", "ssim")
"""The ways of comparing the best hits with the picture that is looked for."""

MAX_K = 10_000
"""The most hits that one query may ask for."""


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One thing to look for, or with a negative weight to look away from.

    `what` is, for an `image`, a path, the bytes of a picture file, or upright RGB pixels (height, width, 3)
    of uint8; for an `asset` its id; for a `text` the words; for a `vector` its numbers, of shape (dim,).
    `box` is the part of the picture that counts, `focus` names the thing in it that does, `face` is the
    number of the face that does: from 1, left to right. Raises QueryError.
    """

    what: str | bytes | Pixels | Vector
    kind: TermKind = "image"
    box: Box | None = None
    weight: float = 1.0
    focus: str | None = None
    face: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in _CHECKS:
            raise QueryError(f"kind is {self.kind!r}, but it must be one of {', '.join(_CHECKS)}")
        object.__setattr__(self, "what", _CHECKS[self.kind](self.what))
        object.__setattr__(self, "weight", _checked_weight(self.weight))
        if self.box is not None:
            if self.kind not in ("image", "asset"):
                raise QueryError(f"a box marks a part of a picture; a {self.kind} has none")
            object.__setattr__(self, "box", _checked_box(self.box))
        if self.focus is not None:
            if self.kind not in ("image", "asset"):
                raise QueryError(f"a focus names a thing in a picture; a {self.kind} shows none")
            _checked_words(self.focus)
        if self.face is not None:
            self._check_face()

    def _check_face(self) -> None:
        if not _is_whole(self.face) or (self.face or 0) < 1:
            raise QueryError(f"face is {self.face!r}, but it must be a number from 1, counted left to right")
        if self.kind not in ("image", "asset"):
            raise QueryError(f"a face is of a picture; a {self.kind} shows none")
        if self.box is not None or self.focus is not None:
            other = "a region" if self.box is not None else "a focus"
            raise QueryError(f"a face and {other} both say what counts of the picture; give one of them")

    @property
    def label(self) -> str:
        """A few words that name the term in reasons and on a contact sheet."""
        if not isinstance(self.what, str):
            return "picture" if self.kind == "image" else "vector"
        if self.kind == "image":
            return os.path.basename(self.what) or self.what  # noqa: PTH119
        return f"id:{self.what}" if self.kind == "asset" else self.what

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Term) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        what = self.what
        known = (what.shape, what.tobytes()) if isinstance(what, np.ndarray) else what
        return self.kind, known, self.box, self.weight, self.focus, self.face


@dataclass(frozen=True, slots=True)
class Query:
    """Terms to rank by, a filter to pass, or both.

    `k` is from 1 to 10,000; `min_score`, in 0..1, leaves out weaker hits; `encoder` names the space, several
    of them, which are fused, or None for the library's own choice; `include_self` keeps the asset that a
    term is. `diverse`, in 0..1, is how much a hit that looks like one before it gives way to others.
    `offset` hits are passed over, up to 10,000 with `k`; `cursor`, that of an earlier answer to this query,
    goes on where it ended instead. `look` weighs ways of looking alike, such as
    `{"thing": 1, "colour": 0.5}`, and takes the place of `encoder`. `verify`, `geometric` or `ssim`, puts
    first those of the best hits that are seen to show the same as a picture of the query. `same` names
    attributes, such as `color`: hits have the value that the query picture has, or is predicted to have.
    Raises QueryError.
    """

    terms: tuple[Term, ...] = ()
    where: str | Filter | None = None
    encoder: str | tuple[str, ...] | None = None
    k: int = 20
    min_score: float = 0.0
    include_self: bool = False
    diverse: float = 0.0
    offset: int = 0
    cursor: str | None = None
    look: Look | Mapping[str, float] | str = ()
    verify: str | None = None
    same: str | tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", _checked_terms(self.terms))
        object.__setattr__(self, "look", checked_look(self.look))
        if self.look and self.encoder is not None:
            raise QueryError("look and encoder both say in which spaces to search; give one of them")
        if isinstance(self.encoder, list):
            object.__setattr__(self, "encoder", tuple(self.encoder))
        _check_encoder(self.encoder)
        if self.where is not None and not isinstance(self.where, str | Filter):
            raise QueryError(f"where is {self.where!r}, but it must be a filter, such as \"color = 'red'\"")
        if self.cursor is not None and not isinstance(self.cursor, str):
            raise QueryError(f"cursor is {self.cursor!r}, but it must be the text that an earlier page gave")
        if isinstance(self.where, str):
            parse_filter(self.where)
        if not self.terms and self.where is None:
            raise QueryError("the query is empty; give a picture, an id, a text or a filter")
        if not _is_whole(self.k) or not 1 <= self.k <= MAX_K:
            raise QueryError(f"k is {self.k!r}, but it must be a whole number from 1 to {MAX_K:,}")
        for name in ("min_score", "diverse"):
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value <= 1:
                raise QueryError(f"{name} is {value!r}, but it must be from 0 to 1")
        if not _is_whole(self.offset) or not 0 <= self.offset <= MAX_K - self.k:
            most = f"a whole number from 0 to {MAX_K - self.k:,}: {MAX_K:,} hits with k are the most"
            raise QueryError(
                f"offset is {self.offset!r}, but it must be {most}; narrow the search with a filter"
            )
        if self.cursor is not None and self.offset:
            raise QueryError("a cursor and an offset both say where to go on; give one of them")
        if self.verify is not None:
            self._check_verify()
        object.__setattr__(self, "same", _checked_names(self.same))
        if self.same and not self._looks_for_a_picture():
            raise QueryError("same asks for what a picture that is looked for has, and there is none; give a "
                             "picture, or say the value in a filter: where \"color = 'red'\"")  # fmt: skip

    def _looks_for_a_picture(self) -> bool:
        return any(term.kind in ("image", "asset") and term.weight > 0 for term in self.terms)

    def _check_verify(self) -> None:
        if self.verify not in VERIFICATIONS:
            raise QueryError(f"verify is {self.verify!r}, but it must be {' or '.join(VERIFICATIONS)}")
        if not self._looks_for_a_picture():
            raise QueryError("verify compares hits with a picture that is looked for, and there is none; "
                             "give a picture, or leave verify out")  # fmt: skip
        if self.diverse:
            raise QueryError("verify puts pictures of the same thing first, and diverse lets them give way; "
                             "give one of them")  # fmt: skip

    @property
    def encoders(self) -> tuple[str, ...]:
        """The names of the spaces to search; none for the library's own choice."""
        return (self.encoder,) if isinstance(self.encoder, str) else self.encoder or ()

    @property
    def looks(self) -> Look:
        """The ways of looking alike that are weighed; none for the library's own choice."""
        return checked_look(self.look)

    def filter(self, columns: Mapping[str, Kind]) -> Filter | None:
        """`where` as a tree bound to the columns of a library. Raises QueryError."""
        if self.where is None:
            return None
        return parse_filter(self.where, columns) if isinstance(self.where, str) else bind(self.where, columns)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _checked_terms(terms: object) -> tuple[Term, ...]:
    if not isinstance(terms, Iterable) or isinstance(terms, str | bytes):
        raise QueryError(f"terms is {terms!r}, but it must be a list of Terms")
    several = tuple(terms)
    for each in several:
        if not isinstance(each, Term):
            raise QueryError(f"terms holds {each!r}, which is no Term; library.search makes terms of others")
    return several


def _check_encoder(encoder: object) -> None:
    names = encoder if isinstance(encoder, tuple) else (encoder,)
    if encoder is not None and not (names and all(isinstance(name, str) for name in names)):
        shown = list(names) if isinstance(encoder, tuple) else encoder
        raise QueryError(f"encoder is {shown!r}, but it must be a name or a list of names; to list them: "
                         "findalike encoders")  # fmt: skip


def _checked_names(same: object) -> tuple[str, ...]:
    """The columns of `same`, each once."""
    names = (same,) if isinstance(same, str) else same
    if not isinstance(names, Iterable) or not all(isinstance(n, str) and n.strip() for n in (*names,)):
        raise QueryError(f"same is {same!r}, but it must be the name of an attribute or a list of them, such "
                         "as color")  # fmt: skip
    return tuple(dict.fromkeys(name.strip() for name in (*names,)))


def _checked_weight(weight: float) -> float:
    if not _is_number(weight) or not math.isfinite(weight) or weight == 0:
        raise QueryError(f"weight is {weight!r}, but it must be a finite number other than 0")
    return float(weight)


def _checked_box(box: Box) -> Box:
    shown = f"box is {box!r}"
    if not isinstance(box, tuple | list) or len(box) != 4 or not all(map(_is_number, box)):
        raise QueryError(f"{shown}, but it must be four numbers: left, top, right, bottom")
    left, top, right, bottom = map(float, box)
    if not all(0 <= edge <= 1 for edge in (left, top, right, bottom)):
        raise QueryError(f"{shown}, but its edges must be from 0 to 1, fractions of the picture")
    if left >= right or top >= bottom:
        raise QueryError(f"{shown}, but left must be less than right, and top less than bottom")
    return left, top, right, bottom


def _checked_image(what: object) -> str | bytes | Pixels:
    if isinstance(what, os.PathLike):
        what = os.fspath(what)
    if isinstance(what, bytearray | memoryview):
        what = bytes(what)
    if isinstance(what, str | bytes):
        if not what:
            raise QueryError("the picture is empty; give a path, or the bytes of a picture file")
        return what
    if not isinstance(what, np.ndarray) or what.dtype != np.uint8 or what.ndim != 3 or what.shape[2] != 3:
        found = f"{what.dtype} of shape {what.shape}" if isinstance(what, np.ndarray) else type(what).__name__
        raise QueryError(
            f"a picture is a path, bytes, or RGB pixels (height, width, 3) of uint8, not {found}"
        )
    if not what.size:
        raise QueryError(f"the picture has no pixels: its shape is {what.shape}")
    return what


def _checked_words(what: object) -> str:
    if not isinstance(what, str) or not what.strip():
        raise QueryError(f"expected some text, not {what!r}")
    return what


def _checked_vector(what: object) -> Vector:
    try:
        vector = np.array(what, np.float32)
    except (TypeError, ValueError):
        raise QueryError(f"a vector is a list of numbers, not {type(what).__name__}") from None
    if vector.ndim != 1 or not np.isfinite(vector).all() or not vector.any():
        raise QueryError("a vector has one dimension, finite numbers, and is not all zero")
    vector.flags.writeable = False
    return vector


_CHECKS = {
    "image": _checked_image,
    "asset": _checked_words,
    "text": _checked_words,
    "vector": _checked_vector,
}


# Command-line words

_WEIGHTED = re.compile(
    r"([+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf(?:inity)?)):(.*)",
    re.DOTALL | re.IGNORECASE,
)
_RATIO = re.compile(r"[0-9]+:[0-9]+")
_FILE_ENDING = re.compile(
    r"\.(?:jpe?g|jfif|png|gif|bmp|tiff?|webp|heic|heif|avif|jp2|ico|p[bgnp]m|mp4|m4v|mov|avi|mkv|webm)\Z",
    re.IGNORECASE,
)


def parse_term(text: str) -> Term:
    """A term of the command line: a picture file, `id:…`, or words; `0.5:` before it is its weight. Two whole
    numbers, `16:9`, are words: a ratio or a time of day.

    The name of a file that is there always wins, also over a weight. What looks like a path and is not
    there is an error, since a mistyped path would else be searched for as words; `text:` before words says
    that they are words. Raises QueryError.
    """
    weighted = _WEIGHTED.fullmatch(text)
    if weighted is None or _RATIO.fullmatch(text) or os.path.exists(text):  # noqa: PTH110  (Path's raises on a long text)
        return _parsed_term(text)
    if not weighted[2].strip():
        raise QueryError(
            f"{text}: a weight without a term; write {weighted[1]}:TERM, or for words text:{text}"
        )
    return replace(_parsed_term(weighted[2]), weight=_checked_weight(float(weighted[1])))


def _parsed_term(text: str) -> Term:
    path = os.path.expanduser(text)  # noqa: PTH111
    if os.path.isfile(path):  # noqa: PTH113
        if not os.access(path, os.R_OK):
            raise QueryError(f"{text}: this file may not be read; check its permissions")
        return Term(path)
    if os.path.isdir(path):  # noqa: PTH112
        raise QueryError(f"{text}: this is a folder; name a picture in it")
    kind, found, rest = text.partition(":")
    if found and kind == "id":
        return Term(rest.strip(), "asset")
    if found and kind == "text":
        return Term(rest.strip(), "text")
    if text.startswith(("http://", "https://")):
        raise QueryError(f"{text}: nothing is fetched from the network; save the picture and name the file")
    if "/" in text or os.sep in text or _FILE_ENDING.search(text):
        raise QueryError(f"{text}: there is no such file; check the path, or give id: and a picture's id")
    return Term(text, "text")


LEAST_PIXELS = 8
"""The least side of a region in pixels: in fewer there is nothing to see."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a picture as typed: in fractions of it, or in pixels of the upright picture."""

    left: float
    top: float
    right: float
    bottom: float
    unit: Literal["fraction", "pixel"] = "fraction"

    def resolve(self, width: int, height: int) -> Box:
        """The region as fractions of a picture of that size. Raises QueryError when it reaches beyond."""
        if self.unit == "fraction":
            return self.left, self.top, self.right, self.bottom
        if self.right > width or self.bottom > height:
            right, bottom = f"{self.right:g}", f"{self.bottom:g}"
            raise QueryError(
                f"region reaches to {right},{bottom}, but the picture has {width} × {height} pixels"
            )
        return self.left / width, self.top / height, self.right / width, self.bottom / height


def parse_region(text: str) -> Region:
    """`left,top,right,bottom` in fractions 0..1 or percent; in pixels when a number is above 1."""
    wanted = "write left,top,right,bottom, such as 0.1,0.2,0.5,0.6 or 10%,20%,50%,60%, or whole pixels"
    words = [word.strip() for word in text.split(",")]
    percent = [word.endswith("%") for word in words]
    if len(words) != 4:
        raise QueryError(f"region {text!r} has {len(words)} of 4 numbers; {wanted}")
    if any(percent) and not all(percent):
        raise QueryError(f"region {text!r} mixes percent with other numbers; {wanted}")
    try:
        edges = [float(word.rstrip("%")) / (100 if all(percent) else 1) for word in words]
    except ValueError:
        raise QueryError(f"region {text!r} is not four numbers; {wanted}") from None
    if not all(math.isfinite(edge) and edge >= 0 for edge in edges):
        raise QueryError(f"region {text!r} has an edge outside the picture; {wanted}")
    if all(percent) and max(edges) > 1:
        raise QueryError(f"region {text!r} has more than 100%; {wanted}")
    if edges[0] >= edges[2] or edges[1] >= edges[3]:
        raise QueryError(f"region {text!r} is empty: left must be less than right, and top less than bottom")
    left, top, right, bottom = edges
    if max(edges) <= 1:
        return Region(left, top, right, bottom)
    if not all(edge.is_integer() for edge in edges) or min(right - left, bottom - top) < LEAST_PIXELS:
        raise QueryError(
            f"region {text!r}: fractions or pixels? Fractions are from 0 to 1; with a number above 1 all are "
            f"pixels, whole ones, and a side has at least {LEAST_PIXELS}"
        )
    return Region(left, top, right, bottom, "pixel")


# JSON


def to_json(query: Query) -> dict[str, Any]:
    """The query as JSON values: `json.dumps` takes it, and `from_json` reads it back.

    A filter becomes its text. Pixels and bytes become base64.
    """
    where = query.where if query.where is None or isinstance(query.where, str) else render(query.where)
    values = {field.name: getattr(query, field.name) for field in fields(Query)}
    encoder = list(query.encoder) if isinstance(query.encoder, tuple) else query.encoder
    terms = [_term_to_json(term) for term in query.terms]
    look = dict(query.looks) or None
    same = list(query.same) or None
    return values | {"terms": terms, "where": where, "encoder": encoder, "look": look, "same": same}


def _term_to_json(term: Term) -> dict[str, Any]:
    what = term.what
    value: dict[str, Any]
    if isinstance(what, str):
        value = {{"image": "path", "asset": "id", "text": "text"}[term.kind]: what}
    elif isinstance(what, bytes):
        value = {"image": base64.b64encode(what).decode()}
    elif term.kind == "vector":
        value = {"vector": [float(number) for number in what]}
    else:
        value = {"pixels": {"shape": list(what.shape), "data": base64.b64encode(what.tobytes()).decode()}}
    part = {} if term.box is None else {"box": list(term.box)}
    focus = {} if term.focus is None else {"focus": term.focus}
    face = {} if term.face is None else {"face": term.face}
    return value | part | focus | face | {"weight": term.weight}


def from_json(data: Mapping[str, Any], paths: bool = True) -> Query:
    """The query of JSON values; a field that is null is as if left out. Raises QueryError naming the field.

    `paths=False` refuses terms that name a file: for a server, whose clients must not open its files.
    """
    values = dict(_object(data, "query", [field.name for field in fields(Query)]))
    terms = values.get("terms", [])
    if not isinstance(terms, list):
        raise QueryError(f"terms is {_json_kind(terms)}, but it must be a list of objects")
    values["terms"] = tuple(_term_from_json(term, f"terms[{i}]", paths) for i, term in enumerate(terms))
    values = {name: value for name, value in values.items() if value is not None}
    for name, kind, words in (
        ("where", str, "text"),
        ("encoder", str | list, "a name or a list of names"),
        ("include_self", bool, "true or false"),
        ("cursor", str, "text"),
        ("look", Mapping, "an object of ways and weights"),
        ("same", str | list, "a name or a list of names"),
    ):
        if name in values and not isinstance(values[name], kind):
            raise QueryError(f"{name} is {values[name]!r}, but it must be {words}")
    return Query(**values)


_WHAT: dict[str, TermKind] = {
    "path": "image",
    "image": "image",
    "pixels": "image",
    "id": "asset",
    "text": "text",
    "vector": "vector",
}


def _term_from_json(data: object, where: str, paths: bool) -> Term:
    values = _object(data, where, [*_WHAT, "box", "focus", "face", "weight"])
    named = [name for name in _WHAT if name in values]
    if len(named) != 1:
        raise QueryError(
            f"{where} has {' and '.join(named) or 'none'}, but it must have one of {', '.join(_WHAT)}"
        )
    name = named[0]
    if values[name] is None:
        raise QueryError(f"{where}.{name} is null, but it says what to look for")
    if name == "path" and not paths:
        raise QueryError(
            f"{where}.path: files are not opened by name here; send the picture as image, in base64"
        )
    try:
        what = _READERS[name](values[name])
    except (QueryError, ValueError) as error:
        raise QueryError(f"{where}.{name}: {error}") from None
    try:
        rest = (
            values.get("box"),
            1.0 if values.get("weight") is None else values["weight"],
            values.get("focus"),
            values.get("face"),
        )
        return Term(cast(Any, what), _WHAT[name], *rest)
    except QueryError as error:
        raise QueryError(f"{where}: {error}") from None


def _object(data: object, where: str, names: list[str]) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise QueryError(f"{where} is {_json_kind(data)}, but it must be an object")
    for name in data:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, 1)
            guess = f"; did you mean {near[0]!r}?" if near else ""
            raise QueryError(f"{where}: there is no field {name!r}{guess} Fields: {', '.join(names)}")
    return data


def _json_kind(value: object) -> str:
    """What a value is called in JSON."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    kinds = ((str, "text"), (int | float, "a number"), (list | tuple, "a list"), (Mapping, "an object"))
    return next((name for kind, name in kinds if isinstance(value, kind)), type(value).__name__)


def _bytes(data: object) -> bytes:
    try:
        return base64.b64decode(_checked_words(data), validate=True)
    except ValueError as error:
        raise QueryError(f"not base64: {error}") from None


def _pixels(data: object) -> Pixels:
    values = _object(data, "it", ["shape", "data"])
    shape = values.get("shape")
    if not isinstance(shape, list) or not all(_is_whole(n) and n > 0 for n in shape) or len(shape) != 3:
        raise QueryError(f"shape is {json.dumps(shape)}, but it must be [height, width, 3]")
    given = values.get("data")
    if not isinstance(given, str) or not given:
        shown = "empty" if given == "" else _json_kind(given)
        raise QueryError(f"data is {shown}, but it must be the pixels in base64")
    try:
        found = _bytes(given)
    except QueryError as error:
        raise QueryError(f"data is {error}") from None
    if len(found) != math.prod(shape):
        raise QueryError(
            f"data has {len(found):,} bytes, but the shape {shape} asks for {math.prod(shape):,}"
        )
    return np.frombuffer(found, np.uint8).reshape(shape)


_READERS = {
    "path": _checked_words,
    "image": _bytes,
    "pixels": _pixels,
    "id": _checked_words,
    "text": _checked_words,
    "vector": _checked_vector,
}
