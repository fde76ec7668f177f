"""The banks of concepts of a library: one JSON file beside the manifest, replaced as a whole."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from findalike.errors import LibraryError, LibraryMismatch, UsageError
from findalike.sidecars import Sidecars
from findalike.types import Bank, Concept, Evidence, EvidenceTable

NAME = "banks.json"


@dataclass(frozen=True, slots=True)
class Shelved:
    """A bank, and the name of what holds its evidence: never used again, so that no reader takes the
    evidence of a replaced bank for that of the new one."""

    bank: Bank
    table: str


def shelved(bank: Bank) -> Shelved:
    return Shelved(bank, f"evidence_{uuid.uuid4().hex}")


def grows(before: Bank, now: Bank) -> bool:
    """Whether a bank is another with concepts put at its end, so that evidence for the other holds for it."""
    same = (before.name, before.revision) == (now.name, now.revision)
    return same and now.concepts[: len(before.concepts)] == before.concepts


def read(sidecars: Sidecars) -> dict[str, Shelved]:
    """The banks by name; none when there is no file. Raises LibraryError when it is damaged."""
    try:
        if (content := sidecars.read(NAME)) is None:
            return {}
        several = [Shelved(_bank(values), values["table"]) for values in json.loads(content)["banks"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LibraryError(
            f"{sidecars.where(NAME)} cannot be read ({error}); delete it, then index again to learn what "
            "the pictures show"
        ) from error
    return {one.bank.name: one for one in several}


def write(sidecars: Sidecars, banks: Mapping[str, Shelved]) -> None:
    """Replace the file."""
    several = [_to_json(one) for one in banks.values()]
    sidecars.write(NAME, json.dumps({"banks": several}, ensure_ascii=False))


def bank_of(banks: Mapping[str, Bank], name: str) -> Bank:
    """A bank by name. Raises LibraryMismatch when the library has no such bank."""
    if name not in banks:
        raise LibraryMismatch(f"the library has no bank {name!r}; it has {', '.join(banks) or 'none yet'}")
    return banks[name]


def check_evidence(banks: Mapping[str, Bank], evidence: Mapping[str, Mapping[str, Evidence]]) -> None:
    """Raises LibraryMismatch for evidence of a bank that is not there or beyond its concepts, UsageError for
    a weight that is not above 0 and at most 1."""
    for name, by_asset in evidence.items():
        count = len(bank_of(banks, name).concepts)
        for asset_id, weights in by_asset.items():
            if any(not 0 <= number < count for number in weights):
                raise LibraryMismatch(
                    f"{asset_id}: evidence for concept {max(weights)}, but bank {name!r} has {count}"
                )
            if any(not 0 < weight <= 1 for weight in weights.values()):
                raise UsageError(
                    f"{asset_id}: a weight of {min(weights.values())} is not above 0 and at most 1"
                )


def evidence_table(evidence: Mapping[str, Evidence]) -> EvidenceTable:
    """Evidence by asset id as one sparse matrix."""
    flat = [pair for weights in evidence.values() for pair in sorted(weights.items())]
    return EvidenceTable(
        tuple(evidence),
        np.cumsum([0, *map(len, evidence.values())], dtype=np.int64),
        np.array([number for number, _ in flat], np.int32),
        np.array([weight for _, weight in flat], np.float32),
    )


def _bank(values: Mapping[str, object]) -> Bank:
    concepts = values["concepts"]
    if not isinstance(concepts, list):
        raise TypeError("concepts are a list")
    several = tuple(Concept(name, tuple(words), tuple(broader)) for name, words, broader in concepts)
    return Bank(str(values["name"]), str(values["revision"]), several)


def _to_json(one: Shelved) -> dict[str, object]:
    concepts = [[concept.name, concept.words, concept.broader] for concept in one.bank.concepts]
    return {"name": one.bank.name, "revision": one.bank.revision, "table": one.table, "concepts": concepts}
