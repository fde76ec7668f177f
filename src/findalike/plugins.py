"""A name to an object, through entry points: built-ins register by the same door as anyone else's.

The one place that imports by name. Groups: `findalike.encoders`, `findalike.stores`, `findalike.sources`.
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


def load(group: str, name: str) -> Any:
    """The object registered as `name`. Raises UsageError for an unknown name, ExtraMissing for a
    dependency that is not installed."""
    registered = _registered(group)
    if name not in registered:
        kind = group.rpartition(".")[2].removesuffix("s")
        raise UsageError(f"no {kind} is named {name!r}; there are {', '.join(sorted(registered))}")
    entry = registered[name]
    try:
        return entry.load()
    except ImportError as error:
        extras = f"[{','.join(entry.extras)}]" if entry.extras else ""
        package = entry.dist.name if entry.dist else "findalike"
        raise ExtraMissing(f"{name} needs {error.name or error}: pip install '{package}{extras}'") from error


def on_use(module: str) -> ModuleType:
    """A module of our own that is heavy to import, when it is needed. Raises ExtraMissing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ExtraMissing(f"{module} needs {error.name or error}, which is not installed") from error


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
