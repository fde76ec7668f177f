"""The value of an attribute that a query picture has: its own, a prediction, or what its pixels say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from findalike import pixels
from findalike.attributes import shelf
from findalike.attributes.applying import predict
from findalike.attributes.probe import EVIDENCE
from findalike.attributes.shelf import Attribute
from findalike.errors import QueryError
from findalike.filters import Kind
from findalike.ingest.measures import Measures
from findalike.ownership import confidence, confidence_column
from findalike.query import IsNull, Literal_, Query, Term, bind
from findalike.search.same import Same
from findalike.store.base import Store
from findalike.types import Asset, Picture, Vector, Vectors
from findalike.words import banks
from findalike.words.measures import measured

KINDS: tuple[Kind, ...] = ("text", "boolean", "integer", "date")
"""The kinds of columns of which two pictures may have the same value."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of a query picture: `asset` where it is the library's own; `vector` gives its row in a
    space, and `picture` its pixels, when they are needed."""

    term: Term
    asset: Asset | None
    vector: Callable[[str], Vector]
    picture: Callable[[], Picture]


def picture_of(query: Query) -> Term:
    """The picture whose values are meant: the first that is looked for."""
    return next(t for t in query.terms if t.kind in ("image", "asset") and t.weight > 0)


def same(store: Store, column: str, sight: Sight) -> Same:
    """The value that a query picture has in a column, a prediction where it has none. Raises QueryError."""
    _check(store, column)
    return replace(_found(store, column, sight), note=_unapplied(store, column))


def _found(store: Store, column: str, sight: Sight) -> Same:
    name = sight.term.label
    own = sight.asset.metadata.get(column) if sight.asset and not sight.term.box else None
    if sight.asset and own is not None:
        return Same(column, _literal(own), name, confidence(sight.asset.metadata, column))
    if column in Measures.read(store.sidecars).own:
        return Same(column, _literal(_measured(sight)[column]), name)
    learned = shelf.load(store.sidecars, column)
    if learned is not None:
        return _predicted(store, learned, sight)
    if sight.asset and (own := sight.asset.metadata.get(column)) is not None:
        return Same(column, _literal(own), name, confidence(sight.asset.metadata, column))
    raise QueryError(
        f"{name} has no value for {column!r}, and nothing was learned that tells it: findalike attributes "
        f"learn --column {column}; or say it yourself: --where \"{column} = 'VALUE'\""
    )


def _check(store: Store, column: str) -> None:
    """Raises QueryError for a column that is not there or has values that no two pictures share."""
    columns = store.columns()
    bind(IsNull(column), columns)
    if columns[column] not in KINDS or column in ("path", "name", "size"):
        raise QueryError(
            f"same is for columns of a few values, such as a color, and {column!r} has one for nearly every "
            f'picture; give a filter instead, such as --where "{column} >= …"'
        )


def _unapplied(store: Store, column: str) -> str:
    """That a column was learned, and only labelled pictures have a value."""
    learned = store.sidecars.stamp(shelf.name_of(column)) is not None
    if not learned or confidence_column(column) in store.columns() or not store.count(IsNull(column)):
        return ""
    return (
        f"{column} was learned, but only labelled pictures have it yet; for the others: findalike attributes "
        f"apply --column {column}"
    )


def _measured(sight: Sight) -> Mapping[str, object]:
    """What the pixels of the picture say, or of the part that counts."""
    picture, box = sight.picture(), sight.term.box
    if box is None:
        return measured(picture.pixels, picture.width, picture.height)
    part = pixels.crop(picture.pixels, box)
    return measured(part, part.shape[1], part.shape[0])


def _predicted(store: Store, learned: Attribute, sight: Sight) -> Same:
    """By the vectors that the library has of it, or by those that are made now."""
    column, name = learned.info.column, sight.term.label
    if sight.asset and not sight.term.box:
        places, found = predict(store, learned, [sight.asset.id])
    else:
        rows = {space: _row(store, space, sight) for space in learned.probe().spaces}
        places, found = predict(store, learned, rows)
    if not places:
        raise QueryError(
            f"the library has no vectors of {name} that tell its {column}; run findalike index on its folder"
        )
    return Same(column, found.values[0], name, round(float(found.confidences[0]), 4))


def _row(store: Store, space: str, sight: Sight) -> Vectors:
    """The row of the picture in a space, or its evidence for the concepts of a bank: shape (1, dim)."""
    if not space.startswith(EVIDENCE):
        return sight.vector(space)[np.newaxis]
    bank = store.banks()[space.removeprefix(EVIDENCE)]
    picture = sight.picture()
    if sight.term.box:
        picture = replace(picture, pixels=pixels.crop(picture.pixels, sight.term.box))
    row = np.zeros((1, len(bank.concepts)), np.float32)
    for number, weight in banks.observed(banks.observer(bank.name), picture, {}, None).items():
        row[0, number] = weight
    return row


def _literal(value: object) -> Literal_:
    """A value as a filter holds it; numpy's and None do not come here."""
    if isinstance(value, Literal_):
        return value
    raise QueryError(f"{value!r} is no value that a filter can compare with")
