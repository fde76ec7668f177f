"""What pictures and a library in a bucket cost, beside the same on the local drive.

    python benchmarks/s3.py [--pictures 400] [--latency 30] [--rounds 3]

A server that speaks S3's protocol (moto) runs as a process of its own on loopback; what it answers comes
that many milliseconds later. By turns the same pictures are indexed from a folder and from a bucket, with and
without reading ahead, into libraries in folders. Then the same searches are made in a library in a folder
and in one in a bucket, each opened anew for the first (cold), then with all that is kept in memory (warm).
Medians over the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import findalike
from findalike import buckets, sources
from findalike.ingest.pipeline import CHUNK
from findalike.sources import ahead
from findalike.types import Asset
from ingest import written

BUCKET = "benchmark"
MOST_FILES = ahead.MOST_FILES


class Delay:
    """Hands on what goes over loopback, and what comes back that many seconds later."""

    def __init__(self, port: int, seconds: float) -> None:
        self._target, self._seconds = port, seconds
        self.port = free_port()
        started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._run(started)), daemon=True).start()
        started.wait()

    async def _run(self, started: threading.Event) -> None:
        server = await asyncio.start_server(self._line, "127.0.0.1", self.port)
        started.set()
        await server.serve_forever()

    async def _line(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        far_in, far_out = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(self._pump(near_in, far_out, 0.0), self._pump(far_in, near_out, self._seconds))

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, delay: float) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def send() -> None:
            with suppress(ConnectionError):
                while True:
                    due, piece = await waiting.get()
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    if not piece:
                        target.close()
                        return
                    target.write(piece)
                    await target.drain()

        sending = asyncio.create_task(send())
        with suppress(ConnectionError):
            while piece := await source.read(1 << 16):
                waiting.put_nowait((time.monotonic() + delay, piece))
        waiting.put_nowait((time.monotonic() + delay, b""))
        await sending


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--latency", type=float, default=30.0, help="milliseconds")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-c", f"from moto.server import main; main(['-p', '{port}'])"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            prepare(port, asked.latency / 1000)
            measure(Path(folder), asked.pictures, asked.rounds)
    finally:
        server.terminate()
        server.wait()


def prepare(port: int, latency: float) -> None:
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{Delay(port, latency).port}",
    }
    made = urllib.request.Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")
    for _ in range(100):
        with suppress(OSError):
            urllib.request.urlopen(made).close()
            return
        time.sleep(0.2)
    raise SystemExit("the server did not start: pip install 'moto[s3,server]'")


def measure(folder: Path, count: int, rounds: int) -> None:
    pictures = folder / "pictures"
    for path in written(pictures, count, (500, 375)):
        buckets.server().put(buckets.Place(BUCKET, f"pictures/{path.name}"), path.read_bytes())
    remote = f"s3://{BUCKET}/pictures"
    filled(folder / "first", str(pictures), count)  # which loads the networks
    times: dict[str, list[float]] = {"folder": [], "bucket": [], "one after the other": []}
    for number in range(rounds):
        times["folder"].append(filled(folder / f"a{number}", str(pictures), count))
        times["bucket"].append(filled(folder / f"b{number}", remote, count))
        ahead.MOST_FILES = 0
        times["one after the other"].append(filled(folder / f"c{number}", remote, count))
        ahead.MOST_FILES = MOST_FILES
    print(f"Indexing {count} pictures, seconds, and the ratio to a folder:")
    base = statistics.median(times["folder"])
    for name, several in times.items():
        middle = statistics.median(several)
        print(f"  {name:22} {middle:6.1f}   {middle / base:5.2f}")
    both = [statistics.median(reading(remote, most) for _ in range(rounds)) for most in (MOST_FILES, 0)]
    print(f"Reading alone, pictures/s: ahead {both[0]:.0f}, one after the other {both[1]:.0f}")
    again = timed(lambda: filled(folder / "b0", remote, 0))
    print(f"  again, unchanged       {again:6.1f}")
    search(folder / "a0", pictures, count, rounds)


def search(library: Path, pictures: Path, count: int, rounds: int) -> None:
    address = f"s3://{BUCKET}/library"
    with findalike.open(address) as opened:
        seconds = timed(lambda: opened.add(pictures))
    print(f"Indexing {count} pictures into a library in a bucket: {seconds:.1f} s")
    query = str(next(iter(sorted(pictures.iterdir()))))
    print("Searching, milliseconds:        opened anew    warm")
    for name, place in (("in a folder", str(library)), ("in a bucket", address)):
        cold, warm = [], []
        for _ in range(rounds):
            with findalike.open(place, "r") as opened:
                cold.append(timed(lambda o=opened: o.search(query, k=20)))
                warm += [timed(lambda o=opened: o.search(query, k=20)) for _ in range(10)]
        print(f"  {name:28} {1000 * statistics.median(cold):10.0f} {1000 * statistics.median(warm):10.0f}")


def reading(source: str, most: int) -> float:
    """Pictures that are read in a second, by one thread, in chunks as a run takes them."""
    ahead.MOST_FILES = most
    assets = [each for each in sources.discover(source) if isinstance(each, Asset)]
    started = time.perf_counter()
    for start in range(0, len(assets), CHUNK):
        sources.fetch(assets[start : start + 3 * CHUNK])
        for asset in assets[start : start + CHUNK]:
            sources.open_asset(asset.uri).close()
    ahead.MOST_FILES = MOST_FILES
    return len(assets) / (time.perf_counter() - started)


def filled(library: Path, source: str, count: int) -> float:
    """Seconds that indexing takes."""
    with findalike.open(library) as opened:
        started = time.perf_counter()
        report = opened.add(source)
        assert report.added == count, report
        return time.perf_counter() - started


def timed(what: Callable[[], object]) -> float:
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    main()
