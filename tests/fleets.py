"""What tests of fleets share: a cluster without Ray, and the whole of two libraries side by side."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import findalike
from findalike import __version__, fleet
from findalike.fleet.rounds import rounds
from findalike.fleet.shards import Shard
from findalike.fleet.worker import ANSWER, SHARD, Encoding, Facts
from findalike.ingest import Run
from findalike.sidecars import Sidecars


@dataclass
class Here:
    """A cluster of one worker in this process. A shard for which `dies` says so is lost with its worker;
    `around` is what is so while the worker works; `told` changes the facts on their way."""

    dies: Callable[[Shard], bool] = lambda _: False
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    told: Callable[[Facts], Facts] = lambda facts: facts
    version: str = __version__
    workers: int = 1
    threads: int = 1
    handed: list[list[str]] = field(default_factory=list)

    def stream(self, facts: Facts) -> Here:
        packed = pickle.dumps(self.told(facts))
        self._made = lambda: Encoding(self.version, packed)
        self._worker = self._made()
        return self

    def pool(self, first: bool) -> bool:
        return first

    def begin(self, shards: Sequence[bytes], pool: bool) -> None:
        self._waiting = list(shards)

    def take(self, seconds: float) -> tuple[list[bytes], bool]:
        if not self._waiting:
            return [], False
        packed = self._waiting.pop(0)
        shard: Shard = pickle.loads(packed)
        self.handed.append([Path(job.listed.uri).name for job in shard.jobs])
        if self.dies(shard):
            self._worker = self._made()
            return [], True
        with self.around():
            answer = self._worker(pa.table({SHARD: pa.array([packed], pa.large_binary())}))
        return [value.as_py() for value in answer[ANSWER]], True

    def stop(self) -> None:
        self._waiting = []


def instead_of_ray(monkeypatch: pytest.MonkeyPatch, here: Here) -> None:
    """`library.add(workers=N)` uses this cluster."""

    def run(asked: object, sidecars: Sidecars, finders: Sequence[str] = ()) -> Run:
        return lambda load: rounds(load, here, sidecars, finders)  # type: ignore[arg-type]

    monkeypatch.setattr(fleet, "run", run)


def whole(library: findalike.Library) -> dict[str, Any]:
    """All that a library holds, so that two can be compared whatever order they were filled in."""
    store = library.store
    assets = {asset.id: asset for asset in store.assets()}
    ids = sorted(assets)
    rows = {
        space: {row.id: (row.origin, row.vector.tobytes()) for row in store.rows(space, ids)}
        for space in store.cards()
    }
    tables = {bank: store.evidence(bank) for bank in store.banks()}
    return {
        "assets": assets,
        "rows": rows,
        "thumbnails": dict(store.thumbnails(ids)),
        "attachments": {asset_id: dict(store.attachments(asset_id)) for asset_id in ids},
        "evidence": {bank: _evidence(table) for bank, table in tables.items()},
        "marks": {space: store.encoded(space) for space in store.cards()},
        "failures": sorted((f.uri, f.stage, f.error) for f in store.failures()),
    }


def _evidence(table: Any) -> dict[str, list[tuple[int, float]]]:
    parts = zip(table.asset_ids, table.starts[:-1], table.starts[1:], strict=True)
    return {
        asset_id: list(zip(table.concepts[a:b].tolist(), table.weights[a:b].tolist(), strict=True))
        for asset_id, a, b in parts
    }
