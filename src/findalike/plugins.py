"""A name to an object, through entry points: built-ins register by the same door as anyone else's.

The one place that imports by name. Groups: `findalike.encoders`, `findalike.encoder_families`,
`findalike.stores`, `findalike.regions`, `findalike.banks`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from findalike.errors import ExtraMissing, FindalikeError, UsageError


def names(group: str) -> list[str]:
    """The registered names of a group, sorted."""
    return sorted(_registered(group))


@cache
def load(group: str, name: str) -> Any:
    """The object registered as `name`. Raises UsageError for an unknown name, ExtraMissing for a
    dependency that is not installed."""
    registered = _registered(group)
    if name not in registered:
        kind = group.rpartition(".")[2].removesuffix("s")
        there = ", ".join(sorted(registered)) or "none"
        raise UsageError(f"no {kind} is named {name!r}; there are: {there}")
    entry = registered[name]
    package = entry.dist.name if entry.dist else "findalike"
    try:
        return entry.load()
    except ImportError as error:
        extras = f"[{','.join(entry.extras)}]" if entry.extras else ""
        raise ExtraMissing(f"{name} cannot be loaded ({error}): pip install '{package}{extras}'") from error
    except AttributeError as error:
        raise FindalikeError(
            f"{name} of the package {package} cannot be loaded ({error}): pip install --upgrade {package}"
        ) from error


def on_use(module: str, requirement: str = "") -> ModuleType:
    """A module that is heavy to import, or that not everyone has installed, when it is needed. Raises
    ExtraMissing, which names the `requirement` to install where one is given."""
    try:
        return import_module(module)
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if requirement:
            raise ExtraMissing(f"{module} is not installed: pip install '{requirement}'") from error
        advice = missing if missing and missing != "findalike" else "--force-reinstall findalike"
        raise ExtraMissing(f"{module} cannot be loaded ({error}): pip install {advice}") from error


@cache
def _registered(group: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        if entry.name in found and found[entry.name].value != entry.value:
            raise FindalikeError(
                f"{group}: {entry.name!r} is registered twice: {found[entry.name].value}, {entry.value}"
            )
        found[entry.name] = entry
    return found
