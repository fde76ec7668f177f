"""The columns of a library: which there are, of which kind, and which values they take.

Every store admits assets through this module, so that all refuse the same things with the same sentences.
Two rules hold for all: a null is not kept, and a NaN is a null, because it says that there is no value and
orders differently in every database.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from findalike import uri
from findalike.errors import UsageError
from findalike.filters import folded
from findalike.query import FACTS, Kind
from findalike.types import Asset, Metadata, Value

INTEGERS = range(-(2**63), 2**63)
"""What an integer column holds; a whole number beyond goes into a number column as a float."""


def facts(asset: Asset) -> dict[str, Value]:
    """The values of `FACTS` for an asset, save its tags."""
    folder, name = parent(asset.uri)
    return {
        "path": asset.uri,
        "name": name,
        "folder": folder,
        "media": asset.media,
        "size": asset.size,
        "modified": asset.modified,
    }


def values(asset: Asset, columns: Mapping[str, Kind]) -> dict[str, Value | tuple[str, ...]]:
    """What a filter sees of an asset: its metadata, and those facts that no metadata column shadows."""
    seen: dict[str, Value | tuple[str, ...]] = {"tag": asset.tags, **facts(asset)}
    return {name: value for name, value in seen.items() if name not in columns} | dict(asset.metadata)


def parent(name: str) -> tuple[str, str]:
    """The uri of what holds a uri, and the last part. What holds a top member is the archive itself."""
    archive, member = uri.split(name)
    if member and "/" not in member:
        return archive, name[len(archive) + len(uri.SEPARATOR) :]
    cut = max(name.rfind("/"), name.rfind(os.sep))
    return name[: max(cut, 0)], name[cut + 1 :]


def kind_of(value: Value) -> Kind | None:
    """The kind of column that holds a value; None for a null. Raises TypeError for any other type."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if value in INTEGERS else "number"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, datetime):
        return "time"
    if isinstance(value, date):
        return "date"
    raise TypeError(type(value).__name__)


def grown(columns: Mapping[str, Kind], assets: Sequence[Asset]) -> dict[str, Kind]:
    """The metadata columns that hold these assets too. Raises UsageError naming column, kinds and uri, or
    the tag that is no text of one line."""
    wider = dict(columns)
    for asset in assets:
        check_tags(asset.uri, asset.tags)
        for name, value in asset.metadata.items():
            kind = _admitted(name, value, asset)
            if kind is None or wider.get(name, kind) == kind:
                if kind is not None:
                    wider[name] = kind
            elif {wider[name], kind} == {"integer", "number"}:
                wider[name] = "number"
            else:
                raise UsageError(
                    f"{asset.uri}: column {name!r} holds {_PLURAL[wider[name]]}, but {value!r} is a {kind}; "
                    "rename the column or mend the table"
                )
    return wider


def kept_asset(asset: Asset, columns: Mapping[str, Kind]) -> Asset:
    """An asset as a store keeps and returns it."""
    return replace(asset, metadata=kept(asset.metadata, columns), tags=kept_tags(asset.tags))


def kept(metadata: Metadata, columns: Mapping[str, Kind]) -> dict[str, Value]:
    """Metadata as a store keeps and returns it: no nulls, each value of its column's kind, times in UTC."""
    return {
        name: _as_kind(value, columns[name]) for name, value in metadata.items() if kind_of(value) is not None
    }


def kept_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags as a store keeps and returns them: each once, in whatever case of letters it comes first."""
    first: dict[str, str] = {}
    for tag in tags:
        first.setdefault(folded(tag), tag)
    return tuple(first.values())


def check_tags(uri: str, tags: Sequence[str]) -> None:
    """Raises UsageError for a tag that is empty or no text of one line."""
    for tag in tags:
        if not isinstance(tag, str) or not tag or "\n" in tag or "\0" in tag or not _is_unicode(tag):
            raise UsageError(f"{uri}: the tag {tag!r} must be text of one line, such as 'dog'")


def visible(columns: Mapping[str, Kind]) -> dict[str, Kind]:
    """What filters may name: the metadata columns, then the facts that none of them shadows."""
    return {**columns, **{name: kind for name, kind in FACTS.items() if name not in columns}}


_PLURAL: dict[Kind, str] = {
    "boolean": "true or false",
    "integer": "whole numbers",
    "number": "numbers",
    "text": "text",
    "date": "dates",
    "time": "times",
    "tags": "tags",
}


def _admitted(name: str, value: Value, asset: Asset) -> Kind | None:
    try:
        kind = kind_of(value)
    except TypeError as error:
        raise UsageError(f"{asset.uri}: column {name!r} cannot hold a value of type {error}") from error
    if isinstance(value, datetime) and value.tzinfo is None:
        raise UsageError(f"{asset.uri}: the time {value} in column {name!r} names no zone; UTC is expected")
    if not _is_unicode(name) or (isinstance(value, str) and not _is_unicode(value)):
        raise UsageError(f"{asset.uri}: column {name!r} holds text that is not Unicode: {value!r}")
    return kind


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_kind(value: Value, kind: Kind) -> Value:
    if kind == "number" and isinstance(value, int):
        return float(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else value
