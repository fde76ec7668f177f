"""Many machines encode: what a worker does with files, as a Ray Data job.

    checked(workers)                     what `workers` asks for, before anything is started
    run(asked, sidecars, finders)        what `ingest.ingest` takes in place of threads

The driver holds the library's lock, plans, settles whose file is whose, and writes; so identity, failures,
sweep and resuming are one code with one machine or many. Workers get shards of the list of files, load the
encoders by their cards, and give back vectors and thumbnails, never pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

from findalike import plugins
from findalike.fleet.address import Asked, asked
from findalike.fleet.rounds import rounds
from findalike.ingest import Run
from findalike.ingest.pipeline import Results, Workload
from findalike.sidecars import Sidecars

__all__ = ["Asked", "checked", "run"]

REQUIREMENT = "findalike[ray]"


def checked(workers: int | str) -> Asked:
    """What `workers` asks for: so many processes of this machine, or the address of a Ray cluster. Raises
    UsageError for what is neither, FleetError where nothing answers, ExtraMissing."""
    found = asked(workers)
    quiet = plugins.on_use("findalike.fleet.quiet")
    if not found.address:
        quiet.lock()
    plugins.on_use("ray", REQUIREMENT)
    plugins.on_use("findalike.fleet.cluster", REQUIREMENT).reachable(found)
    return found


def run(asked: Asked, sidecars: Sidecars, finders: Sequence[str] = ()) -> Run:
    """Works through the files of a run on a cluster. `sidecars` are the library's, of which workers get what
    was learned; `finders` are the references of the run's finders of regions. The run raises FleetError when
    the cluster cannot be reached, or its machines are not like this one."""

    def worked(load: Workload) -> Results:
        if not load.plan.jobs:
            return
        cluster = plugins.on_use("findalike.fleet.cluster", REQUIREMENT)
        with cluster.joined(asked, load.settings.threads or 1) as joined:
            yield from rounds(load, joined, sidecars, finders)

    return worked
