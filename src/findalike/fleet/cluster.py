"""A Ray cluster for one run: started on this machine, or joined where it is."""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import grpc
import ray

from findalike.errors import FleetError
from findalike.fleet.address import AUTO, Asked
from findalike.fleet.quiet import hushed
from findalike.fleet.stream import Pool, Stream
from findalike.fleet.worker import VERSION, Facts

CONNECTING = 10.0
"""Seconds for an address to answer at all, and again to answer as Ray does."""

ROOM = 1
"""Logical CPUs that no worker gets: with none left over, what else the job starts would wait for ever."""

STORE = 256 << 20
"""Bytes of the object store of a Ray that we start: shards and answers are small and soon taken."""


STARTS = 2
"""How often it is tried to start one."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the workers are. `far` says that this process only speaks to it through Ray Client."""

    workers: int
    threads: int
    far: bool

    def stream(self, facts: Facts) -> Any:
        """What works through shards with these facts: `begin`, `take` and `stop` of a `Stream`."""
        packed = (VERSION, pickle.dumps(facts, protocol=5))
        return _Far(*packed) if self.far else Stream(*packed)

    def pool(self, first: bool) -> Pool:
        return Pool(self.workers, self.threads, first)


class _Far:
    """A stream that runs in the cluster: Ray Client carries no streaming results, which Ray Data needs."""

    def __init__(self, version: str, packed: bytes) -> None:
        self._actor = ray.remote(Stream).options(num_cpus=0).remote(version, packed)

    def begin(self, shards: Sequence[bytes], pool: Pool) -> None:
        ray.get(self._actor.begin.remote(list(shards), pool))

    def take(self, seconds: float) -> tuple[list[bytes], bool]:
        taken: tuple[list[bytes], bool] = ray.get(self._actor.take.remote(seconds))
        return taken

    def stop(self) -> None:
        ray.kill(self._actor)


def reachable(asked: Asked) -> None:
    """Raises FleetError when nothing answers at the address, or what is no Ray: Ray itself would try for
    minutes."""
    if not asked.host:
        return
    try:
        socket.create_connection((asked.host, asked.port), CONNECTING).close()
    except OSError as error:
        raise FleetError(
            f"no Ray cluster answers at {asked.address} ({error.strerror or error}): {_WHERE}"
        ) from error
    if os.environ.get("RAY_USE_TLS", "0") in ("0", "false"):
        _speaks(asked)


def _speaks(asked: Asked) -> None:
    host = f"[{asked.host}]" if ":" in asked.host else asked.host
    with grpc.insecure_channel(f"{host}:{asked.port}") as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=CONNECTING)
        except grpc.FutureTimeoutError as error:
            raise FleetError(f"what answers at {asked.address} is no Ray cluster: {_WHERE}") from error


_WHERE = (
    "look with ray status on its head; its address is ray://HOST:10001 from outside, HOST:6379 or auto on "
    "one of its machines"
)


@contextmanager
def joined(asked: Asked, threads: int) -> Iterator[Cluster]:
    """The cluster, until the run is over. One that was started here is ended; of one that was joined, only
    what this run started. Raises FleetError."""
    ours = not ray.is_initialized()
    if ours:
        _connect(asked, threads)
    try:
        far = ray.util.client.ray.is_connected()
        yield Cluster(_count(asked, threads), threads, far)
    finally:
        if ours:
            with suppress(Exception):  # a cluster that is gone is left all the same
                ray.shutdown()


def _connect(asked: Asked, threads: int) -> None:
    reachable(asked)
    try:
        with hushed():
            if asked.address:
                ray.init(asked.address, **_QUIET)
            else:
                _start(asked.workers * threads + ROOM)
    except Exception as error:  # what Ray raises has no common root
        if asked.address == AUTO and isinstance(error, ConnectionError):
            raise FleetError(
                "no Ray cluster runs on this machine: start one with ray start --head, or have findalike "
                "start processes of its own, such as --workers 4"
            ) from None
        cluster = f"the Ray cluster at {asked.address} cannot be joined"
        raise FleetError(
            f"{cluster if asked.address else 'Ray cannot be started'}: {_said(error)}"
        ) from error


_QUIET = {"logging_level": logging.CRITICAL, "log_to_driver": False, "configure_logging": True}


def _start(cpus: int) -> None:
    """Start a Ray of this process's own. It gives itself half a minute, which on a busy machine may be too
    little the first time."""
    here = {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": STORE}
    for attempt in range(STARTS):
        try:
            ray.init("local", _node_ip_address="127.0.0.1", **here, **_QUIET)
            return
        except Exception:  # what Ray raises has no common root
            if attempt == STARTS - 1:
                raise
            ray.shutdown()


def _count(asked: Asked, threads: int) -> int:
    """The workers of a cluster: as many as are asked for, else as many as it has room for now."""
    if asked.workers:
        return asked.workers
    cpus = int(ray.cluster_resources().get("CPU", 0))
    if cpus < threads:
        raise FleetError(
            f"the Ray cluster at {asked.address} has {cpus} CPUs, but a worker asks for {threads}: give "
            "fewer --threads, start machines, or say how many workers to wait for with ?workers=N"
        )
    return max(1, (cpus - ROOM) // threads)


def _said(error: Exception) -> str:
    """What Ray says, without its traces and the rest of its page of advice."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    said = lines[-1] if any(line.startswith("Traceback") for line in lines) else " ".join(lines[:3])
    if "timeout" in said.lower() or "authentication" in said.lower():
        said += "; its head may be busy, or ask for a token: RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
    return said
