"""findalike: give it a folder of pictures, and it finds those that look alike."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from findalike.errors import FindalikeError
    from findalike.library import Library, open
    from findalike.query import Query, Term
    from findalike.search import Hits
    from findalike.transfer.moving import Copied, copy, export, import_
    from findalike.types import Asset, Card, Failure, Hit, Origin

__all__ = [
    "Asset",
    "Card",
    "Copied",
    "Failure",
    "FindalikeError",
    "Hit",
    "Hits",
    "Library",
    "Origin",
    "Query",
    "Term",
    "__version__",
    "copy",
    "export",
    "import_",
    "open",
]

_HOMES = {
    "Asset": "types",
    "Card": "types",
    "Copied": "transfer",
    "Failure": "types",
    "FindalikeError": "errors",
    "Hit": "types",
    "Hits": "search",
    "Library": "library",
    "Origin": "types",
    "Query": "query",
    "Term": "query",
    "copy": "transfer",
    "export": "transfer",
    "import_": "transfer",
    "open": "library",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used, so that `import findalike` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'findalike' has no attribute {name!r}")
    return getattr(importlib.import_module(f"findalike.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
