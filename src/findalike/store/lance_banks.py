"""The banks of a library on disk: their file, and the table of evidence that each of them has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from findalike.sidecars import Sidecars
from findalike.store import banks, lance_records, lance_tables
from findalike.store.banks import Shelved
from findalike.store.lance_filter import ids_sql
from findalike.store.lance_snapshot import Snapshot, Tables
from findalike.types import Bank, Evidence, EvidenceTable


class LanceBanks:
    """Reads follow what other processes change; tables of evidence stay in memory until they change."""

    def __init__(self, sidecars: Sidecars, tables: Tables) -> None:
        self._sidecars = sidecars
        self._tables = tables
        self._known: dict[str, Shelved] = {}
        self._seen: object = None
        self._loaded: dict[str, tuple[object, EvidenceTable]] = {}

    def all(self) -> dict[str, Bank]:
        return {name: one.bank for name, one in self._shelved().items()}

    def add(self, bank: Bank) -> None:
        known = self._shelved().get(bank.name)
        if known and banks.grows(known.bank, bank):
            one = replace(known, bank=bank)
        else:
            one = banks.shelved(bank)
            self._tables.create(one.table, lance_records.EVIDENCE)
        banks.write(self._sidecars, self._shelved() | {bank.name: one})
        self.drop_strays()

    def remove(self, name: str) -> None:
        known = self._shelved()
        if known.pop(name, None):
            self._loaded.pop(name, None)
            banks.write(self._sidecars, known)
            self.drop_strays()

    def table(self, bank: str) -> Any:
        """The evidence for a bank. Raises LibraryMismatch when there is no such bank."""
        return self._snapshot(bank).table

    def evidence(self, bank: str, gone: Sequence[str]) -> EvidenceTable:
        """All evidence for a bank, but for these assets."""
        table = self._snapshot(bank)
        version = (table, tuple(gone))
        seen, found = self._loaded.get(bank, (None, None))
        if found is None or seen != version:
            kept = f"NOT ({ids_sql('asset_id', list(gone))})" if gone else None
            selected = lance_tables.select(table.table, lance_records.EVIDENCE.names, kept)
            found = self._sharing_ids(lance_records.to_evidence(selected))
            self._loaded[bank] = (version, found)
        return found

    def _sharing_ids(self, table: EvidenceTable) -> EvidenceTable:
        """The table, with the very ids of another bank's where they are equal: mostly all banks are about
        the same assets, and the ids of a million take 70 MB."""
        others = (other.asset_ids for _, other in list(self._loaded.values()))
        equal = (ids for ids in others if ids == table.asset_ids)
        return replace(table, asset_ids=next(equal, table.asset_ids))

    def put(self, bank: str, evidence: Mapping[str, Evidence], fresh: bool = False) -> None:
        """Write evidence in place of what these assets had. `fresh`: they had none; then none is looked for,
        which would take longer the more there is."""
        if not evidence:
            return
        data = lance_records.evidence_to_arrow(evidence)
        if fresh:
            self.table(bank).add(data)
        else:
            lance_tables.upsert(self.table(bank), data, "asset_id")

    def drop_strays(self) -> None:
        """Drop the evidence of banks that are gone, also of those whose adding was killed."""
        kept = {one.table for one in self._shelved().values()}
        for name in self._tables.names():
            if name.startswith("evidence_") and name not in kept:
                self._tables.drop(name)

    def _snapshot(self, bank: str) -> Snapshot:
        banks.bank_of(self.all(), bank)
        return self._tables.snapshot(self._shelved()[bank].table)

    def _shelved(self) -> dict[str, Shelved]:
        if self._seen != (stamp := self._sidecars.stamp(banks.NAME)):
            self._known, self._seen = banks.read(self._sidecars), stamp
        return dict(self._known)
