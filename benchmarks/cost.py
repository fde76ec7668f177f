"""What it takes to bring very many pictures into a library with a fleet: machines, hours, memory, disk and
network.

    python benchmarks/cost.py --library DIR --rate R --driver-rate R --worker-memory MB --milvus-factor F
        [--pictures 10000000 1000000000] [--cores 16] [--days 2] [--price-core-hour P ...]

Bytes of a picture are measured on a library that exists and was optimized: its file, vectors, thumbnail, the
rest, and what it takes on disk.
The rates are those of this machine and must be measured where the work will be done:

    --rate            pictures a core encodes in a second             benchmarks/fleet.py
    --driver-rate     pictures a second that one driver writes        benchmarks/fleet.py
    --worker-memory   MB of a worker at its peak                      benchmarks/fleet.py
    --milvus-factor   memory of Milvus beside the bytes of vectors    benchmarks/milvus.py

Prices are no facts of ours: each is 1.00 of any currency unless one is given, so that a sum says how many
units of each are bought and nothing more.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import findalike
from findalike.types import Asset

GB, TB = 1e9, 1e12
SAMPLED = 2_000


@dataclass(frozen=True)
class Sizes:
    """Bytes of one picture: of its `file`, of its `vectors` in all spaces as float32, of its `thumbnail`, of
    the `rest`, and what it takes on the disk of the library, `stored`."""

    file: float
    vectors: float
    thumbnail: float
    rest: float
    stored: float


@dataclass(frozen=True)
class Need:
    """What so many pictures need."""

    pictures: int
    core_hours: float
    machines: int
    hours: float
    driver_hours: float
    drivers: int
    machine_memory: float
    read: float
    sent: float
    disk: float
    milvus: float


def main() -> None:
    arguments = parsed()
    with findalike.open(arguments.library, "r") as library:
        sizes = measured(library)
    print(f"one picture of {arguments.library}:")
    for name in ("file", "vectors", "thumbnail", "rest", "stored"):
        print(f"  {name:10} {getattr(sizes, name):10,.0f} bytes")
    print(f"{arguments.rate:g} pictures per core-second; {arguments.driver_rate:,.0f}/s of one driver")
    needs = [need(count, sizes, arguments) for count in arguments.pictures]
    print(table(needs))
    print(costs(needs, arguments))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(each) for each in needs], indent=1) + "\n", "utf-8")


def parsed() -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--pictures", type=int, nargs="+", default=[10_000_000, 1_000_000_000])
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--driver-rate", type=float, required=True)
    parser.add_argument("--worker-memory", type=float, required=True)
    parser.add_argument("--milvus-factor", type=float, required=True)
    parser.add_argument("--cores", type=int, default=16, help="of one machine")
    parser.add_argument("--beside", type=float, default=2, help="GB of a machine for its system and Ray")
    parser.add_argument("--days", type=float, default=2, help="until all should be encoded")
    for name in PRICES:
        parser.add_argument(f"--price-{name}", type=float, default=1.0)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


PRICES = {
    "core-hour": "core-hours of encoding",
    "disk-gb-month": "GB-months of object storage",
    "memory-gb-month": "GB-months of memory for search",
    "network-gb": "GB that are read from the bucket",
}


def measured(library: findalike.Library) -> Sizes:
    """Means over the first pictures of a library; of all spaces together."""
    assets = [asset for asset, _ in zip(library.store.assets(), range(SAMPLED), strict=False)]
    if not assets:
        raise SystemExit(f"{library.path} is empty; fill it with pictures like those that are to come")
    ids, count = [asset.id for asset in assets], len(assets)
    vectors = sum(
        row.vector.size * 4 for space in library.store.cards() for row in library.store.rows(space, ids)
    )
    thumbnails = sum(map(len, library.store.thumbnails(ids).values()))
    evidence = sum(
        6 * len(table.concepts) / max(1, len(table.asset_ids)) * count
        for table in (library.store.evidence(bank) for bank in library.store.banks())
    )
    rest = sum(map(described, assets)) + evidence
    return Sizes(
        sum(asset.size for asset in assets) / count,
        vectors / count,
        thumbnails / count,
        rest / count,
        library.store.disk_bytes() / len(library),
    )


def described(asset: Asset) -> int:
    values = [asset.uri, asset.id, asset.sha256, asset.media, *asset.tags, *asset.metadata.items()]
    return sum(len(str(value)) for value in values)


def need(pictures: int, sizes: Sizes, given: argparse.Namespace) -> Need:
    """What it takes, were all machines like the one that was measured."""
    core_hours = pictures / given.rate / 3600
    machines = math.ceil(core_hours / (given.cores * 24 * given.days))
    driver_hours = pictures / given.driver_rate / 3600
    return Need(
        pictures,
        core_hours,
        machines,
        hours=core_hours / (machines * given.cores),
        driver_hours=driver_hours,
        drivers=math.ceil(driver_hours / (24 * given.days)),
        machine_memory=given.cores * given.worker_memory * 1e6 + given.beside * GB,
        read=pictures * sizes.file,
        sent=pictures * (sizes.vectors + sizes.thumbnail + sizes.rest),
        disk=pictures * sizes.stored,
        milvus=pictures * sizes.vectors * given.milvus_factor,
    )


def table(needs: list[Need]) -> str:
    lines: Mapping[str, list[str]] = {
        "pictures": [f"{each.pictures:,}" for each in needs],
        "core-hours to encode": [f"{each.core_hours:,.0f}" for each in needs],
        "machines of that many cores": [f"{each.machines:,}" for each in needs],
        "hours on them": [f"{each.hours:,.1f}" for each in needs],
        "memory of each, GB": [f"{each.machine_memory / GB:,.1f}" for each in needs],
        "hours of writing by one driver": [f"{each.driver_hours:,.1f}" for each in needs],
        "drivers, each with a library": [f"{each.drivers:,}" for each in needs],
        "read from the bucket, TB": [f"{each.read / TB:,.2f}" for each in needs],
        "sent to the driver and on to the store, TB": [f"{each.sent / TB:,.2f}" for each in needs],
        "stored, TB": [f"{each.disk / TB:,.2f}" for each in needs],
        "memory of Milvus, all vectors in it, GB": [f"{each.milvus / GB:,.0f}" for each in needs],
    }
    return "\n".join("| " + " | ".join([name, *cells]) + " |" for name, cells in lines.items())


def costs(needs: list[Need], given: argparse.Namespace) -> str:
    prices = {name: getattr(given, f"price_{name.replace('-', '_')}") for name in PRICES}
    said = "placeholders of 1.00, not prices" if set(prices.values()) == {1.0} else "prices as given"
    lines = [f"cost ({said}): encoding once, then each month"]
    for each in needs:
        bought = {
            "core-hour": each.core_hours,
            "disk-gb-month": each.disk / GB,
            "memory-gb-month": each.milvus / GB,
            "network-gb": each.read / GB,
        }
        cells = (
            f"{PRICES[name]} {amount:,.0f} × {prices[name]:g} = {amount * prices[name]:,.0f}"
            for name, amount in bought.items()
        )
        lines += [f"  {each.pictures:,} pictures", *(f"    {cell}" for cell in cells)]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
