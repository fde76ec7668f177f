"""What pictures show: the observers of a run, and the evidence that the library had when it began."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from findalike.store.base import Store
from findalike.types import Bank, Evidence, EvidenceTable, Metadata, Picture
from findalike.words.banks import Observer, observed, tags_of

log = logging.getLogger(__name__)

Found = dict[str, Evidence]
"""Evidence of one picture, by bank."""


class Watchers:
    """Asks observers, and knows what they said before. Threads may ask at once.

    An asset whose evidence for a bank is empty was looked at, and is not looked at again.
    """

    def __init__(self, observers: Sequence[Observer], store: Store) -> None:
        self._observers = {observer.bank.name: observer for observer in observers}
        self._before: dict[str, EvidenceTable] = {bank: store.evidence(bank) for bank in self._observers}
        self._unseen: dict[str, set[str]] = {}
        self.of_pixels = tuple(b for b, each in self._observers.items() if not each.from_metadata)
        self.of_metadata = tuple(b for b, each in self._observers.items() if each.from_metadata)

    def banks(self) -> list[Bank]:
        """The banks of all observers."""
        return [observer.bank for observer in self._observers.values()]

    def compare(self, asset_ids: set[str]) -> None:
        """Find out which of the assets of the library have evidence: to be called before `lacking`. Only
        those that have none are kept in mind."""
        self._unseen = {bank: asset_ids.difference(table.asset_ids) for bank, table in self._before.items()}

    def lacking(self, asset_id: str, banks: Iterable[str]) -> tuple[str, ...]:
        """Those of the banks for which an asset of the library has no evidence, not even an empty one."""
        return tuple(bank for bank in banks if asset_id in self._unseen[bank])

    def look(
        self,
        banks: Iterable[str],
        picture: Picture | None,
        metadata: Metadata,
        probabilities: NDArray[np.float32] | None = None,
    ) -> Found:
        """The evidence for these banks. What an observer fails at, it does not see; the picture is kept."""
        found: Found = {}
        for bank in banks:
            try:
                found[bank] = observed(self._observers[bank], picture, metadata, probabilities)
            except Exception:
                log.exception("the bank %s failed at a picture", bank)
                found[bank] = {}
        return found

    def read(self, metadata: Metadata) -> Found:
        """The evidence of those that go by metadata alone."""
        return self.look(self.of_metadata, None, metadata)

    def tags(self, asset_id: str, found: Mapping[str, Evidence], before: Sequence[str]) -> tuple[str, ...]:
        """The whole tags of an asset: by the new evidence, and for other banks by that of before. Tags that
        no observer knows are of users' own vocabularies, and stay."""
        if not found:
            return tuple(before)
        several = (
            tags_of(observer.bank, found[bank] if bank in found else self._known(bank, asset_id))
            for bank, observer in self._observers.items()
        )
        others = (tag for tag in before if tag not in self._names)
        return tuple(dict.fromkeys([*(tag for tags in several for tag in tags), *others]))

    @cached_property
    def _names(self) -> set[str]:
        return {concept.name for watcher in self._observers.values() for concept in watcher.bank.concepts}

    @cached_property
    def _places(self) -> dict[str, dict[str, int]]:
        """Where the evidence of an asset stands: of a million assets this takes 0.1 GB for each bank, and few
        runs ask."""
        return {
            bank: {asset_id: place for place, asset_id in enumerate(table.asset_ids)}
            for bank, table in self._before.items()
        }

    def _known(self, bank: str, asset_id: str) -> Evidence:
        table, place = self._before[bank], self._places[bank].get(asset_id)
        if place is None:
            return {}
        part = slice(table.starts[place], table.starts[place + 1])
        return dict(zip(table.concepts[part].tolist(), table.weights[part].tolist(), strict=True))
