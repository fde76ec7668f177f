"""What stands after a family's name: `onnx:FILE?pooling=gem`, `clip:FOLDER`, `clip:OWNER/NAME@REVISION`; and
the name that a card made from it gets."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from findalike.errors import UsageError

PAIR = "file"
"""The family whose references name a file and the card beside it: no hub has them, none takes options."""

_HUB = re.compile(r"(?P<name>\w[\w.-]*/\w[\w.-]*?)(?:@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True, slots=True)
class Reference:
    """`place` is a path as it was given, or, where `hub` is true, OWNER/NAME of a model hub."""

    family: str
    place: str
    hub: bool = False
    revision: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return Path(os.path.expanduser(self.place)).absolute()  # noqa: PTH111  (Path's raises for a user it lacks)

    def __str__(self) -> str:
        """The reference as a card's source keeps it: of any working directory, and read by `parse` again."""
        place = self.place if self.hub else str(self.path)
        revision = f"@{self.revision}" if self.revision else ""
        options = "&".join(f"{name}={value}" for name, value in sorted(self.options.items()))
        return f"{self.family}:{place}{revision}{'?' if options else ''}{options}"


def parse(text: str) -> Reference:
    """The parts of a reference. What is there as a file or folder is that; else OWNER/NAME is of the hub.

    Raises UsageError for one that names nothing, or has an option without a value.
    """
    family, _, rest = text.partition(":")
    if rest.startswith("onnx:"):  # a family of such models for something, such as faces:onnx:FILE
        family, rest = f"{family}:onnx", rest.removeprefix("onnx:")
    if not rest:
        raise UsageError(f"{text} names no model: give its path, such as {family}:PATH")
    if family == PAIR:
        return _pair(rest)
    whole = Reference(family, rest)
    if whole.path.exists():
        return whole
    place, _, written = rest.rpartition("?") if "?" in rest else (rest, "", "")
    options = dict(_option(each, text) for each in written.split("&") if each)
    here = Reference(family, place, options=options)
    if not here.path.exists() and here.path.suffix != ".onnx" and (found := _HUB.fullmatch(place)):
        return Reference(family, found["name"], True, found["revision"] or "", options)
    return here


def _pair(place: str) -> Reference:
    """A pair by its .onnx, whichever way it was named; another file that is there by its own name."""
    given = Reference(PAIR, place)
    known = given.path.suffix == ".onnx" or (given.path.suffix != ".json" and given.path.is_file())
    return given if known else Reference(PAIR, f"{place.removesuffix('.json')}.onnx")


def _option(written: str, text: str) -> tuple[str, str]:
    name, sign, value = written.partition("=")
    if not (name and sign and value):
        raise UsageError(f"{text}: {written!r} is no option; write NAME=VALUE, several joined by &")
    return name, value


def check_options(reference: Reference, known: Collection[str]) -> None:
    """Raises UsageError for an option that the family does not have."""
    for name in reference.options:
        if name not in known:
            raise UsageError(
                f"{reference}: no option is named {name!r}; there are {', '.join(known) or 'none'}"
            )


def readable(place: str) -> str:
    """The part of a card's name that tells people which model it is, from the path of a file or folder."""
    path = Path(place)
    parts = [path.name.removesuffix(".onnx"), *(parent.name for parent in path.parents)]
    plain = [re.sub(r"[^a-z0-9._-]+", "-", part.lower()).strip("-.") for part in parts]
    return next((part for part in plain if part not in ("", "onnx", "model")), "model")[:60]


def digest(sha256: str, preprocessing: Mapping[str, Any], pooling: str, dim: int) -> str:
    """Eight characters that are the same for the same model files used the same way, and for no others."""
    recipe = json.dumps([sha256, dict(preprocessing), pooling, dim], sort_keys=True)
    return hashlib.sha256(recipe.encode()).hexdigest()[:8]
