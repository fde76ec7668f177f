"""Labels: words that people put on pictures themselves. They are a bank of their own, so that filters, facets
and searches know them as they know any tag, and they stay when the file changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from findalike.errors import UsageError
from findalike.filters import folded
from findalike.store.base import Store
from findalike.store.columns import check_tags
from findalike.tagging.tables import LABELS, Tables, retagged, row
from findalike.types import Bank, Concept, EvidenceTable

LONGEST = 100
"""Letters of a label."""


class Labels:
    """Tells the labels of assets. Kept in memory until any of them changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: tuple[object, dict[str, tuple[str, ...]]] = (None, {})

    def of(self, asset_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The labels by asset id, of those that have any, in the order in which the library met them."""
        bank = self._store.banks().get(LABELS)
        if bank is None:
            return {}
        table = self._store.evidence(LABELS)
        if self._known[0] is not table:
            self._known = table, _by_asset(bank, table)
        known = self._known[1]
        return {i: known[i] for i in asset_ids if i in known}


def _by_asset(bank: Bank, table: EvidenceTable) -> dict[str, tuple[str, ...]]:
    several = ((i, sorted(row(table, place))) for place, i in enumerate(table.asset_ids))
    return {i: tuple(bank.concepts[n].name for n in numbers) for i, numbers in several if numbers}


def label(store: Store, asset_ids: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> int:
    """Put labels on assets and take others off; returns how many assets it changed. Letters count in whatever
    case: a label is spelled as it was first. What is no label is to be refused before: see `check_labels`."""
    bank = _grown(store, add)
    number = {folded(concept.name): n for n, concept in enumerate(bank.concepts)}
    plus = dict.fromkeys((number[folded(each)] for each in add), 1.0)
    minus = {number.get(folded(each)) for each in remove}
    tables = Tables(store, [LABELS])
    before = {i: tables.of(LABELS, i) or {} for i in asset_ids}
    after = {i: {**{n: w for n, w in one.items() if n not in minus}, **plus} for i, one in before.items()}
    changed = {i: one for i, one in after.items() if one != before[i]}
    if changed:
        store.put_evidence(LABELS, changed, retagged(store, bank, before, changed))
    return len(changed)


def _grown(store: Store, add: Sequence[str]) -> Bank:
    """The bank of labels, with new ones at its end."""
    bank = store.banks().get(LABELS) or Bank(LABELS, "1", ())
    known = {folded(concept.name) for concept in bank.concepts}
    new = {folded(each): Concept(each, (each,)) for each in reversed(add) if folded(each) not in known}
    bank = Bank(LABELS, bank.revision, (*bank.concepts, *reversed(new.values())))
    store.add_bank(bank)
    return bank


def check_labels(names: Iterable[str]) -> None:
    """Raises UsageError for what is no label."""
    for name in names:
        check_tags("label", [name])
        if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > LONGEST:
            raise UsageError(f"{name[:40]!r} is no label; give a word or a few, such as 'keeper'")
