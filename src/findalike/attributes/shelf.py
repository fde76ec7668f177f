"""The attributes of a library as sidecars `attributes/NAME.npz`: arrays, and a card in JSON among them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from findalike.attributes.card import AttributeInfo, Method, Score, Way
from findalike.attributes.probe import Linear
from findalike.errors import LibraryError
from findalike.sidecars import Sidecars

FOLDER = "attributes"
FORMAT = 1
_CARD = "card"
_HEARD = ("heard", "heard-offset")
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """A card, and the probes of its methods."""

    info: AttributeInfo
    probes: Mapping[Method, Linear]

    def probe(self, method: Method | None = None) -> Linear:
        return self.probes[method or self.info.method]


def name_of(column: str) -> str:
    """The sidecar of a column: its name, with all but small letters, digits, - and _ escaped, so that no file
    system takes two columns for one."""
    return f"{FOLDER}/{''.join(c if c in _PLAIN else _escaped(c) for c in column)}.npz"


def _escaped(char: str) -> str:
    plain = quote(char, safe="")
    return plain if plain != char else f"%{ord(char):02x}"


def save(sidecars: Sidecars, found: Attribute) -> None:
    """Write an attribute, whole or not at all, in place of what was learned of its column before. Raises
    LibraryError."""
    arrays: Arrays = {}
    probes = {}
    for method, probe in found.probes.items():
        arrays |= _arrays(method, probe)
        probes[method] = {
            "spaces": list(probe.spaces),
            "roots": list(probe.roots),
            "temperature": probe.temperature,
            "heard": probe.heard is not None,
        }
    card = {"format": FORMAT, "info": asdict(found.info), "probes": probes}
    written = json.dumps(card, ensure_ascii=False, default=datetime.isoformat).encode()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays, **{_CARD: np.frombuffer(written, np.uint8)})
    name = name_of(found.info.column)
    try:
        sidecars.write(name, buffer.getvalue())
    except OSError as error:
        raise LibraryError(f"{sidecars.where(name)} cannot be written: {error.strerror or error}") from error


def load(sidecars: Sidecars, column: str) -> Attribute | None:
    """What was learned of a column; None where nothing was. Raises LibraryError for a file that cannot be
    read."""
    return read(sidecars, name_of(column))


def there(sidecars: Sidecars, column: str) -> bool:
    """Whether something was learned of a column, readable or not."""
    return sidecars.stamp(name_of(column)) is not None


def names(sidecars: Sidecars) -> list[str]:
    """The sidecars of all that was learned."""
    return [name for name in sidecars.names() if name.startswith(f"{FOLDER}/")]


def every(sidecars: Sidecars) -> list[Attribute]:
    """All that was learned, by the names of the columns. Raises LibraryError."""
    found = [each for each in (read(sidecars, name) for name in names(sidecars)) if each is not None]
    return sorted(found, key=lambda each: each.info.column)


def remove(sidecars: Sidecars, column: str) -> None:
    sidecars.remove(name_of(column))


def _arrays(method: Method, probe: Linear) -> Arrays:
    found: Arrays = {f"{method}/bias": probe.bias}
    for n, weights in enumerate(probe.weights.values()):
        found[f"{method}/{n}"] = weights
    if probe.heard is not None:
        found |= {f"{method}/{name}": array for name, array in zip(_HEARD, probe.heard, strict=True)}
    return found


def read(sidecars: Sidecars, name: str) -> Attribute | None:
    """What a sidecar of this name holds; None where there is none. Raises LibraryError."""
    content = sidecars.read(name)
    if content is None:
        return None
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {each: archive[each] for each in archive.files}
        card = json.loads(arrays.pop(_CARD).tobytes())
        if card["format"] > FORMAT:
            raise ValueError("a newer findalike wrote it")
        probes = {method: _probe(method, values, arrays) for method, values in card["probes"].items()}
        return Attribute(_info(card["info"]), probes)
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise LibraryError(
            f"{sidecars.where(name)} cannot be read as what findalike learned ({error}); learn the "
            "attribute again: findalike attributes learn --column COLUMN"
        ) from error


def _probe(method: str, values: Mapping[str, Any], arrays: Arrays) -> Linear:
    weights = {space: arrays[f"{method}/{n}"] for n, space in enumerate(values["spaces"])}
    heard = tuple(arrays[f"{method}/{name}"] for name in _HEARD) if values["heard"] else None
    checked = [*weights.values(), arrays[f"{method}/bias"], *(heard or ())]
    if not all(array.dtype.kind == "f" and np.isfinite(array).all() for array in checked):
        raise ValueError(f"{method} holds what is not a finite number")
    return Linear(
        weights, arrays[f"{method}/bias"], float(values["temperature"]), tuple(values["roots"]),
        (heard[0], heard[1]) if heard else None,
    )  # fmt: skip


def _info(values: dict[str, Any]) -> AttributeInfo:
    values["scores"] = tuple(_score(each) for each in values["scores"])
    values["learned"] = datetime.fromisoformat(values["learned"])
    values["applied"] = Way(**values["applied"]) if values.get("applied") else None
    return AttributeInfo(**_known(AttributeInfo, values))


def _score(values: dict[str, Any]) -> Score:
    values["confusion"] = tuple(map(tuple, values["confusion"]))
    return Score(**_known(Score, values))


def _known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a value, lists as tuples; those of a later findalike are left out."""
    names = {each.name for each in fields(kind)}
    return {n: tuple(v) if isinstance(v, list) else v for n, v in values.items() if n in names}
