"""The tags of one picture: those that a library keeps, or what the banks see in a file right now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from findalike import decode, sources
from findalike.encode import catalog
from findalike.encode.base import Classifier, Encoder
from findalike.errors import QueryError
from findalike.ingest.work import classified
from findalike.query import Term
from findalike.search.terms import Looker, uri_of
from findalike.store.base import Store
from findalike.tagging.tables import row
from findalike.types import Asset, Bank, Evidence, Metadata, Origin
from findalike.words.banks import TAG_FROM, observed, observers

CLASSIFIER = catalog.EFFICIENTNET_LITE0[:1]
"""The card of what looks at a picture where no encoder of the library knows classes."""

_ORDER = {"classes": 0, "dates": 2, "appearance": 3}
"""Of banks; those of the user, and of other packages, come after the classes."""

_SMALL = 32
"""The side to which a picture is decoded when only its metadata is wanted: the least work."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A concept of a bank, by its name, and how strongly a picture shows it, above 0 and at most 1."""

    name: str
    weight: float
    bank: str

    @property
    def is_filtered(self) -> bool:
        """Whether it is strong enough that filters and facets know it."""
        return round(self.weight, 4) >= TAG_FROM


def tags(store: Store, looker: Looker, encoders: Callable[[], Iterable[Encoder]], term: Term) -> list[Tag]:
    """What a picture shows, bank by bank, the surest first. Raises QueryError for what is no picture.

    Of the library's own pictures it is what the library keeps; of another it is seen now, and not kept:
    `encoders` are those that may classify it, in the order of preference.
    """
    if term.kind not in ("image", "asset"):
        raise QueryError(f"{term.label!r} is no picture; give a path, or id: and an id of the library")
    asset = looker.asset(term)
    kept = _kept(store, asset.id) if asset else {}
    if kept:
        return _named(store.banks(), kept)
    return _named({each.bank.name: each.bank for each in observers()}, _seen(looker, encoders(), term, asset))


def _kept(store: Store, asset_id: str) -> dict[str, Evidence]:
    """The evidence that a library keeps of a picture; none where no bank looked at it."""
    found = {}
    for name in store.banks():
        table = store.evidence(name)
        if asset_id in table.asset_ids:
            found[name] = row(table, table.asset_ids.index(asset_id))
    return found


def _named(banks: Mapping[str, Bank], evidence: Mapping[str, Evidence]) -> list[Tag]:
    """What the picture shows first, its looks last. Of equally sure ones the narrower comes first, as in the
    tags that filters see."""
    found = []
    for name, bank in sorted(banks.items(), key=lambda pair: _ORDER.get(pair[0], 1)):
        sure = sorted(
            evidence.get(name, {}).items(),
            key=lambda pair: (-round(pair[1], 2), -len(bank.concepts[pair[0]].broader), pair[0]),
        )
        found += [Tag(bank.concepts[number].name, weight, name) for number, weight in sure]
    return found


def _seen(
    looker: Looker, encoders: Iterable[Encoder], term: Term, asset: Asset | None
) -> Mapping[str, Evidence]:
    picture = looker.picture(term, asset)
    metadata = _metadata(looker, term, asset)
    classifier = next((each for each in encoders if hasattr(each, "classify_batch")), None)
    probabilities = None
    if classifier is not None:
        probabilities = classified(cast(Classifier, classifier), [picture])[1][0]
    return {each.bank.name: observed(each, picture, metadata, probabilities) for each in observers()}


def _metadata(looker: Looker, term: Term, asset: Asset | None) -> Metadata:
    """What the file says of itself, unless it is a film, and what the library knows of it."""
    known = dict(asset.metadata) if asset else {}
    if isinstance(term.what, np.ndarray):
        return known
    data = term.what
    if isinstance(data, str):
        with sources.open_asset(asset.uri if asset else uri_of(data)) as file:
            data = file.read(decode.HEAD_BYTES)
            data += b"" if decode.sniff_film(data) else file.read()
    if decode.sniff_film(data[: decode.HEAD_BYTES]):
        return known
    decoded = decode.decode(data, Origin(""), short_side=_SMALL, budget=looker.settings.pixel_budget)
    return {**decoded.metadata, **known}
