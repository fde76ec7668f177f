"""The evidence of several banks, picture by picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from findalike.filters import folded
from findalike.search.words import Shelf
from findalike.store.banks import evidence_table
from findalike.store.base import Store
from findalike.store.columns import kept_tags
from findalike.types import Bank, Evidence, EvidenceTable
from findalike.words.banks import observers, tags_of

LABELS = "labels"
"""The bank of what people put on pictures themselves."""

PEOPLE = "people"
"""The bank of the names of persons whose faces pictures show."""

GIVEN = (LABELS, PEOPLE)
"""The banks of what people say, whatever pictures look like."""


class Tables:
    """What a store knows for these banks, as it was at one moment."""

    def __init__(self, store: Store, names: Iterable[str]) -> None:
        banks = store.banks()
        self._tables = {name: (banks[name], store.evidence(name)) for name in names if name in banks}
        self._places = {
            name: {asset_id: place for place, asset_id in enumerate(table.asset_ids)}
            for name, (_, table) in self._tables.items()
        }

    def of(self, bank: str, asset_id: str) -> Evidence | None:
        """The evidence of a picture; None where the bank never looked at it."""
        place = self._places[bank].get(asset_id)
        return None if place is None else row(self._tables[bank][1], place)

    def tags(self, asset_id: str, changed: Mapping[str, Evidence] | None = None) -> tuple[str, ...]:
        """The whole tags of a picture, by the changed evidence for some banks and by what is kept."""
        found: dict[str, None] = {}
        for name, (bank, _) in self._tables.items():
            evidence = (changed or {}).get(name, self.of(name, asset_id))
            found.update(dict.fromkeys(tags_of(bank, evidence or {})))
        return tuple(found)

    def shelf(self, ids: Sequence[str]) -> Shelf:
        """That of these pictures alone."""
        several = {
            name: (bank, evidence_table({i: self.of(name, i) or {} for i in ids}))
            for name, (bank, _) in self._tables.items()
        }
        return Shelf(several)


def row(table: EvidenceTable, place: int) -> Evidence:
    part = slice(table.starts[place], table.starts[place + 1])
    return dict(zip(table.concepts[part].tolist(), table.weights[part].tolist(), strict=True))


def own_banks() -> list[str]:
    """The names of the banks that are observed at ingest, in the order of their tags."""
    return [each.bank.name for each in observers()]


def vocabularies(store: Store) -> list[str]:
    """The names of the banks that users made of words of their own."""
    return [name for name in store.banks() if name not in (*own_banks(), *GIVEN)]


def retagged(
    store: Store, bank: Bank, before: Mapping[str, Evidence], after: Mapping[str, Evidence]
) -> dict[str, tuple[str, ...]]:
    """The whole tags of assets whose evidence for one of the `GIVEN` banks changes: those they have, less
    what was taken off and nothing else says, and what came."""
    others = Tables(store, [*own_banks(), *vocabularies(store), *(n for n in GIVEN if n != bank.name)])
    found = {}
    for i, asset in store.get(after).items():
        gone = {folded(bank.concepts[n].name) for n in before.get(i, {}) if n not in after[i]}
        said = {folded(tag) for tag in others.tags(i)} if gone else set()
        kept = [tag for tag in asset.tags if folded(tag) not in gone or folded(tag) in said]
        found[i] = kept_tags([*kept, *(bank.concepts[n].name for n in sorted(after[i]))])
    return found
