"""Labels: words that people put on pictures themselves. They are a bank of their own, so that filters, facets
and searches know them as they know any tag, and they stay when the file changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from findalike.errors import UsageError
from findalike.filters import folded
from findalike.store.base import Store
from findalike.store.columns import check_tags, kept_tags
from findalike.tagging.tables import LABELS, Tables, own_banks, vocabularies
from findalike.types import Bank, Concept, Evidence

LONGEST = 100
"""Letters of a label."""


def labels(store: Store, asset_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The labels of assets by id, of those that have any, in the order in which the library met them."""
    bank = store.banks().get(LABELS)
    if bank is None:
        return {}
    tables = Tables(store, [LABELS])
    found = {i: tables.of(LABELS, i) for i in asset_ids}
    return {i: tuple(bank.concepts[n].name for n in sorted(one)) for i, one in found.items() if one}


def label(store: Store, asset_ids: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> int:
    """Put labels on assets and take others off; returns how many assets it changed. Raises UsageError for
    what is no label. Letters count in whatever case: a label is spelled as it was first."""
    for each in (*add, *remove):
        _check(each)
    bank = _grown(store, add)
    number = {folded(concept.name): n for n, concept in enumerate(bank.concepts)}
    plus = dict.fromkeys((number[folded(each)] for each in add), 1.0)
    minus = {number.get(folded(each)) for each in remove}
    tables = Tables(store, [*own_banks(), *vocabularies(store), LABELS])
    before = {i: tables.of(LABELS, i) or {} for i in asset_ids}
    after = {i: {**{n: w for n, w in one.items() if n not in minus}, **plus} for i, one in before.items()}
    changed = {i: one for i, one in after.items() if one != before[i]}
    if changed:
        store.put_evidence(LABELS, changed, _tags(store, tables, bank, before, changed))
    return len(changed)


def _tags(
    store: Store, tables: Tables, bank: Bank, before: Mapping[str, Evidence], after: Mapping[str, Evidence]
) -> dict[str, tuple[str, ...]]:
    """The whole tags of assets: those they have, less labels that were taken off and that nothing else says,
    and the new ones."""
    found = {}
    for i, asset in store.get(after).items():
        gone = {folded(bank.concepts[n].name) for n in before[i] if n not in after[i]}
        others = {folded(tag) for tag in tables.tags(i, {LABELS: {}})}
        kept = [tag for tag in asset.tags if folded(tag) not in gone or folded(tag) in others]
        found[i] = kept_tags([*kept, *(bank.concepts[n].name for n in sorted(after[i]))])
    return found


def _grown(store: Store, add: Sequence[str]) -> Bank:
    """The bank of labels, with new ones at its end."""
    bank = store.banks().get(LABELS) or Bank(LABELS, "1", ())
    known = {folded(concept.name) for concept in bank.concepts}
    new = {folded(each): Concept(each, (each,)) for each in reversed(add) if folded(each) not in known}
    bank = Bank(LABELS, bank.revision, (*bank.concepts, *reversed(new.values())))
    store.add_bank(bank)
    return bank


def _check(name: str) -> None:
    check_tags("label", [name])
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > LONGEST:
        raise UsageError(f"{name[:40]!r} is no label; give a word or a few, such as 'keeper'")
