"""Names of persons as tags of the pictures that show them, by a bank of their own."""

from __future__ import annotations

from collections.abc import Mapping

from findalike.people.album import Album, asset_of
from findalike.store.base import Store
from findalike.tagging.tables import PEOPLE, Tables, retagged
from findalike.types import Bank, Concept

REVISION = "1"
_AT_ONCE = 2_000


def sync(store: Store, album: Album) -> int:
    """Bring the tags of all pictures in step with an album; returns how many it changed. A run that was
    killed is mended by the next.

    First names go that are no more, while the bank still knows them; then the bank, and what is missing.
    """
    if store.banks().get(PEOPLE) is None and not any(p.name for p in album.persons.values()):
        return 0
    wanted = _wanted(album)
    changed = _put(store, {i: wanted.get(i, set()) & has for i, has in _actual(store).items()})
    _renew(store, [p.name for p in album.persons.values() if p.name])
    return changed + (_put(store, wanted) if wanted else 0)


def _wanted(album: Album) -> dict[str, set[str]]:
    """The names of the persons that each asset shows."""
    found: dict[str, set[str]] = {}
    for person in album.persons.values():
        for asset_id in {asset_of(face) for face in person.faces} if person.name else ():
            found.setdefault(asset_id, set()).add(person.name)
    return found


def _actual(store: Store) -> dict[str, set[str]]:
    bank = store.banks().get(PEOPLE)
    if bank is None:
        return {}
    table, tables = store.evidence(PEOPLE), Tables(store, [PEOPLE])
    return {i: {bank.concepts[n].name for n in tables.of(PEOPLE, i) or ()} for i in table.asset_ids}


def _renew(store: Store, names: list[str]) -> None:
    """The bank with these names and no other, in the order in which it met them."""
    known = store.banks().get(PEOPLE) or Bank(PEOPLE, REVISION, ())
    kept = [concept.name for concept in known.concepts if concept.name in names]
    several = list(dict.fromkeys([*kept, *names]))
    if several:
        store.add_bank(Bank(PEOPLE, REVISION, tuple(Concept(name, (name,)) for name in several)))
    else:
        store.remove_bank(PEOPLE)


def _put(store: Store, wanted: Mapping[str, set[str]]) -> int:
    """Write the evidence and the tags of those that have other names than these."""
    bank = store.banks().get(PEOPLE)
    if bank is None:
        return 0
    tables, there = Tables(store, [PEOPLE]), store.get(wanted)
    number = {concept.name: n for n, concept in enumerate(bank.concepts)}
    before = {i: tables.of(PEOPLE, i) or {} for i in wanted if i in there}
    after = {i: {number[name]: 1.0 for name in sorted(wanted[i])} for i in before}
    changed = [i for i in after if set(after[i]) != set(before[i])]
    for start in range(0, len(changed), _AT_ONCE):
        some = {i: after[i] for i in changed[start : start + _AT_ONCE]}
        store.put_evidence(PEOPLE, some, retagged(store, bank, before, some))
    return len(changed)
