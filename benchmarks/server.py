"""How fast the server answers, how it bears many clients, and how its memory behaves.

    python benchmarks/server.py --rows 100000

The library is made up (see `benchmarks/store.py`) but for its thumbnails, which are cut from the photographs
that come with scikit-learn and scikit-image. The server is the installed program; the clients share its
processors, and keep their connections open as a browser does. Of a search by an uploaded picture, what
decoding and encoding take is told from the rest.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from findalike.cli.demo import _photographs
from findalike.encode import catalog
from store import build, clustered

CARD = catalog.find("efficientnet-lite0", "int8")
STATIC = Path(__file__).parents[1] / "src" / "findalike" / "web" / "static"
TILES = 400


def main() -> None:
    options = _options()
    report: dict[str, Any] = {"rows": options.rows}
    with tempfile.TemporaryDirectory() as folder:
        library = options.library or Path(folder) / "library"
        if not library.exists():
            vectors, _, columns = clustered(options.rows, CARD.dim, 1, 0)
            build(library, CARD, vectors, columns, _tiles())
            del vectors
        with serving(library) as server:
            report |= {"start s (target 4)": server.started, "ready s": server.ready}
            report |= searched(server, options.rows)
            report |= crowded(server, options.rows, options.seconds)
            report |= thumbnails(server, options.rows, options.seconds)
            report |= drawn(server)
            report |= steady(server, options.rows, options.requests)
    report["page KB (target 200)"] = sum(f.stat().st_size for f in STATIC.rglob("*") if f.is_file()) / 1000
    for name, value in report.items():
        print(f"{name:52} {value:,.1f}" if isinstance(value, float) else f"{name:52} {value:,}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


class Server:
    """A server that runs: its port and process, and the seconds until it listened and was ready."""

    def __init__(self, process: subprocess.Popen[str], port: int, started: float, ready: float) -> None:
        self.process = psutil.Process(process.pid)
        self.port = port
        self.started = started
        self.ready = ready

    def client(self) -> Client:
        return Client(self.port)


class Client:
    """One connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, path: str, body: bytes | None = None, kind: str = "application/json") -> tuple[int, bytes]:
        method, headers = ("POST", {"content-type": kind}) if body is not None else ("GET", {})
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


@contextmanager
def serving(library: Path) -> Iterator[Server]:
    program = shutil.which("findalike", path=str(Path(sys.executable).parent)) or "findalike"
    began = time.perf_counter()
    process = subprocess.Popen(
        [program, "serve", "--library", library, "--port", "0"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        found = None
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                break
        if found is None:
            raise SystemExit("the server did not start")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        started, port = time.perf_counter() - began, int(found[1])
        while Client(port).ask("/readyz")[0] != 200:
            time.sleep(0.02)
        yield Server(process, port, started, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def searched(server: Server, rows: int) -> dict[str, float]:
    """Searches by one client: by id, by words, by an uploaded picture beyond decoding and encoding."""
    client, random = server.client(), np.random.default_rng(1)

    def by_id() -> float:
        body = json.dumps({"terms": [{"id": f"{random.integers(rows):032x}"}], "limit": 40})
        return _milliseconds(lambda: client.ask("/v1/search", body.encode()))

    def by_picture() -> tuple[float, float]:
        kind, body = _multipart(_noise(random))
        began = time.perf_counter()
        status, answer = client.ask("/v1/search", body, kind)
        took = (time.perf_counter() - began) * 1000
        assert status == 200, answer
        spent = json.loads(answer)["timings"]
        return took, took - spent.get("decode", 0) - spent.get("encode", 0)

    for _ in range(10):
        by_id(), by_picture()
    ids = [by_id() for _ in range(300)]
    pictures = [by_picture() for _ in range(200)]
    words = [
        _milliseconds(lambda text=text: client.ask(f"/v1/search?text={text}"))
        for text in ["dog", "red+car", "snow", "fruit"] * 20
    ]
    return {
        "by id p50 ms": float(np.median(ids)),
        "by id p95 ms (target 40)": float(np.percentile(ids, 95)),
        "by upload p50 ms": float(np.median([whole for whole, _ in pictures])),
        "  beyond encoding p95 ms (target 40)": float(np.percentile([b for _, b in pictures], 95)),
        "by words p50 ms": float(np.median(words)),
        "by words p95 ms": float(np.percentile(words, 95)),
    }


def crowded(server: Server, rows: int, seconds: float) -> dict[str, float]:
    """Searches by id a second, by 1, 4 and 16 clients at once, and how many were lost."""
    found: dict[str, float] = {}
    for clients in (1, 4, 16):
        done, lost, took = _at_once(server, clients, seconds, lambda random: (
            "/v1/search", json.dumps({"terms": [{"id": f"{random.integers(rows):032x}"}]}).encode()
        ))  # fmt: skip
        found[f"{clients} clients: searches/s"] = done / seconds
        found[f"{clients} clients: p95 ms"] = float(np.percentile(took, 95))
        found[f"{clients} clients: lost (target 0)"] = lost
    ratio = found["16 clients: searches/s"] / found["4 clients: searches/s"]
    return found | {"16 clients against 4, x100 (target 100)": 100 * ratio}


def thumbnails(server: Server, rows: int, seconds: float) -> dict[str, float]:
    """Thumbnails a second, of pictures all over the library, by as many connections as a browser opens."""
    done, lost, _ = _at_once(
        server, 6, seconds, lambda random: (f"/v1/assets/{random.integers(rows):032x}/thumbnail", None)
    )
    return {"thumbnails/s (target 300)": done / seconds, "thumbnails lost": lost}


def drawn(server: Server) -> dict[str, float]:
    """Until a browser has drawn the page for the first time, and until the first pictures are there."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return {}
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        return {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.wait_for_function("[...document.images].some(i => i.complete && i.naturalWidth > 0)")
        pictures = page.evaluate("performance.now()")
        first = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        browser.close()
    return {"first drawn ms (target 1000)": float(first), "first pictures ms": float(pictures)}


def steady(server: Server, rows: int, requests: int) -> dict[str, float]:
    """Memory after a tenth of the requests, and after all of them."""
    client, random = server.client(), np.random.default_rng(3)
    kind, picture = _multipart(_noise(random))
    memory = []
    for n in range(requests):
        asset_id = f"{random.integers(rows):032x}"
        if n % 10 == 0:
            status, _ = client.ask("/v1/search", picture, kind)
        elif n % 2:
            status, _ = client.ask(f"/v1/assets/{asset_id}/thumbnail?v={n}")
        else:
            status, _ = client.ask(f"/v1/search?like={asset_id}&limit=20")
        assert status == 200, status
        if n + 1 in (requests // 10, requests // 2, requests):
            memory.append(server.process.memory_info().rss / 2**20)
    return {
        f"memory MiB after {requests // 10:,} requests": memory[0],
        f"memory MiB after {requests // 2:,} requests": memory[1],
        f"memory MiB after {requests:,} requests": memory[2],
    }


def _at_once(
    server: Server, clients: int, seconds: float, asked: Callable[[Any], tuple[str, bytes | None]]
) -> tuple[int, int, list[float]]:
    """Answers, losses and milliseconds of clients that ask for so many seconds."""
    took: list[float] = []
    lost: list[int] = []
    until = time.perf_counter() + seconds

    def run(seed: int) -> None:
        client, random = server.client(), np.random.default_rng(seed)
        while (began := time.perf_counter()) < until:
            status, _ = client.ask(*asked(random))
            took.append((time.perf_counter() - began) * 1000)
            if status != 200:
                lost.append(status)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(took) - len(lost), len(lost), took


def _tiles() -> list[bytes]:
    """Thumbnails: squares and oblongs cut from real photographs."""
    random, made = np.random.default_rng(2), []
    photographs = [Image.open(path).convert("RGB") for path in _photographs()]
    if not photographs:
        raise SystemExit(
            "the thumbnails are cut from photographs of scikit-image: pip install 'findalike[demo]'"
        )
    for n in range(TILES):
        image = photographs[n % len(photographs)]
        width, height = (min(side, int(random.integers(120, 500))) for side in image.size)
        left, top = (
            int(random.integers(0, whole - part + 1))
            for whole, part in zip(image.size, (width, height), strict=True)
        )
        tile = image.crop((left, top, left + width, top + height))
        tile = tile.resize(
            (256, max(64, 256 * height // width))
            if width >= height
            else (max(64, 256 * width // height), 256)
        )
        out = io.BytesIO()
        tile.save(out, "JPEG", quality=85)
        made.append(out.getvalue())
    return made


def _noise(random: Any) -> bytes:
    small = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
    out = io.BytesIO()
    small.resize((500, 375), Image.Resampling.BICUBIC).save(out, "JPEG")
    return out.getvalue()


def _multipart(picture: bytes) -> tuple[str, bytes]:
    query = json.dumps({"terms": [{"upload": "picture"}], "limit": 40}).encode()
    mark = b"--" + os.urandom(12).hex().encode()
    body = (
        mark + b'\r\nContent-Disposition: form-data; name="query"\r\n\r\n' + query + b"\r\n"
        + mark + b'\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n'
        + b"Content-Type: image/jpeg\r\n\r\n" + picture + b"\r\n" + mark + b"--\r\n"
    )  # fmt: skip
    return f"multipart/form-data; boundary={mark[2:].decode()}", body


def _milliseconds(ask: Callable[[], tuple[int, bytes]]) -> float:
    began = time.perf_counter()
    status, body = ask()
    assert status == 200, body
    return (time.perf_counter() - began) * 1000


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long many clients ask")
    parser.add_argument("--requests", type=int, default=10_000, help="for memory")
    parser.add_argument(
        "--library", type=Path, help="one that an earlier run made, or is to be made and kept"
    )
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
