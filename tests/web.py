"""A library of drawn pictures and a real server over it, on loopback: for `pytest_plugins = ["web"]`.

Whatever a test asks, its client checks that the answer keeps what all answers promise.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw

import findalike
from findalike.library import Mode
from findalike.web.app import create_app
from findalike.web.config import Config, Limits
from findalike.web.problems import PROBLEMS
from findalike.web.server import listening, runner
from findalike.web.service import Service

WRITER, READER = "writer-0123456789abcdef", "reader-0123456789abcdef"
TOKENS = {WRITER: "write", READER: "read"}

ODD_NAMES = ('ü 猫 "quoted".png', "a%2f..%2fb.png", "line\r\nX-Evil: yes.png", os.fsdecode(b"caf\xe9.png"))

PROMISED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


# Pictures


def drawn(seed: int, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """A shape over a gradient, another for each seed."""
    rng = np.random.default_rng(seed)
    first, last, ink = (rng.integers(0, 256, 3) for _ in range(3))
    share = np.linspace(0, 1, size[0])[None, :, None]
    pixels = np.broadcast_to(first + (last - first) * share, (size[1], size[0], 3))
    image = Image.fromarray(pixels.astype(np.uint8))
    draw, (width, height) = ImageDraw.Draw(image), size
    box = (width * 0.2, height * 0.2, width * (0.5 + 0.4 * rng.random()), height * 0.8)
    shapes: list[Callable[..., None]] = [draw.ellipse, draw.rectangle, draw.line, draw.pieslice]
    more: dict[str, Any] = (
        {"width": 6} if seed % 4 == 2 else {"start": 30, "end": 300} if seed % 4 == 3 else {}
    )
    shapes[seed % 4](box, fill=tuple(map(int, ink)), **more)
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def dated(image: Image.Image, taken: str) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = taken
    return encoded(image, "JPEG", exif=exif)


def lying(size: tuple[int, int] = (120, 80)) -> bytes:
    """A JPEG with orientation 6: its pixels lie on their side. Upright it is 80 wide, 120 high, with red
    above and blue below."""
    upright = Image.new("RGB", size[::-1], "blue")
    upright.paste("red", (0, 0, size[1], size[0] // 2))
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)


def draw_album(folder: Path) -> Path:
    """Some three dozen pictures: shapes, dates, formats, odd names, an archive, and one that is damaged."""
    folder.mkdir(parents=True)
    for seed in range(22):
        drawn(seed, (96, 72 + seed)).save(folder / f"shape-{seed:02}.png")
    (folder / "upright.jpg").write_bytes(lying())
    drawn(50, (1800, 1200)).save(folder / "large.png")
    (folder / "spring.jpg").write_bytes(dated(drawn(51), "2015:05:01 10:00:00"))
    (folder / "summer.jpg").write_bytes(dated(drawn(52), "2019:08:01 11:30:00"))
    drawn(53).save(folder / "scan.tiff")
    drawn(54).save(folder / "tall.webp")
    for seed, name in enumerate(ODD_NAMES, 60):
        drawn(seed).save(folder / name)
    with zipfile.ZipFile(folder / "members.zip", "w") as archive:
        archive.writestr("inner/one.png", encoded(drawn(70)), zipfile.ZIP_DEFLATED)
        archive.writestr("two.jpg", encoded(drawn(71), "JPEG"), zipfile.ZIP_STORED)
    whole = encoded(drawn(72, (400, 300)), "JPEG")
    (folder / "broken.jpg").write_bytes(whole[: len(whole) // 3])
    return folder


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that no test changes."""
    return draw_album(tmp_path_factory.mktemp("drawings") / "pictures")


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory, drawings: Path) -> Path:
    """A library of the drawings that no test changes."""
    path = tmp_path_factory.mktemp("gallery") / "library"
    with findalike.open(path) as library:
        report = library.add(drawings, archives=True)
    assert len(report.failures) == 1
    return path


@pytest.fixture
def copied(gallery: Path, tmp_path: Path) -> Path:
    """A library of the drawings, to be changed at will."""
    return Path(shutil.copytree(gallery, tmp_path / "library"))


# The server


@dataclass(frozen=True)
class Answered:
    """An answer as it came over the wire; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def read(cls, raw: bytes) -> Answered:
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return cls(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, body)


@dataclass(frozen=True, eq=False)
class Served:
    """A server that runs."""

    port: int
    service: Service
    clients: list[httpx.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def library(self) -> findalike.Library:
        """The server's own; a test's oracle is another one."""
        return self.service.library

    def client(self, **headers: str) -> httpx.Client:
        """A client that checks what all answers promise."""
        made = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=30,
            trust_env=False,
            event_hooks={"response": [promised]},
        )
        self.clients.append(made)
        return made

    def raw(self, request: bytes, seconds: float = 10.0) -> bytes:
        """All that comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), seconds) as line:
            line.sendall(request)
            got = bytearray()
            try:
                while piece := line.recv(65_536):
                    got += piece
            except ConnectionError:
                pass
            return bytes(got)

    def get(self, target: str, *headers: str) -> Answered:
        """A GET of exactly this target, which no client has put right."""
        lines = [f"GET {target} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
        return Answered.read(self.raw("\r\n".join(lines).encode("latin-1")))


@contextmanager
def serving(
    path: Path,
    config: Config | None = None,
    mode: Mode = "a",
    reveal: Callable[[Path], None] | None = None,
    **changes: Any,
) -> Iterator[Served]:
    """A server over the library at `path`, in a thread, as `findalike serve` runs it. `changes` override
    settings."""
    config = config or Config(port=0, limits=Limits(workers=2))
    with findalike.open(path, mode, **changes) as library:
        service = Service(library, config, reveal)
        listener = listening(config)
        server = runner(create_app(service), config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert soon(lambda: server.started and service.warmed.is_set(), 30)
        served = Served(listener.getsockname()[1], service)
        try:
            yield served
        finally:
            for client in served.clients:
                client.close()
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture(scope="session")
def reading(gallery: Path) -> Iterator[Served]:
    """A server over the gallery that changes nothing."""
    with serving(gallery, Config(port=0, writable=False), mode="r") as served:
        yield served


@pytest.fixture
def web(reading: Served) -> Iterator[httpx.Client]:
    """A client of the server that only reads."""
    with reading.client() as client:
        yield client


@pytest.fixture(scope="session")
def oracle(gallery: Path) -> Iterator[findalike.Library]:
    """The gallery, as Python opens it."""
    with findalike.open(gallery, "r") as library:
        yield library


@pytest.fixture(scope="session")
def ids(oracle: findalike.Library) -> dict[str, str]:
    """The ids of the gallery's pictures by the last part of their paths."""
    return {asset.uri.rpartition("/")[2]: asset.id for asset in oracle.store.assets()}


@pytest.fixture
def writing(copied: Path, tmp_path: Path) -> Iterator[Served]:
    """A server over a library of one's own, with a folder to index and one for uploads."""
    (tmp_path / "allowed").mkdir()
    config = Config(
        port=0,
        folders=(tmp_path / "allowed",),
        uploads=tmp_path / "uploads",
        limits=Limits(workers=2),
    )
    with serving(copied, config) as served:
        yield served


# What all answers promise


def promised(answer: httpx.Response) -> None:
    for name, value in PROMISED.items():
        assert answer.headers.get(name) == value, f"{answer.request.method} {answer.url}: {name}"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    if answer.status_code >= 400:
        answer.read()
        if answer.request.method != "HEAD":
            check_problem(answer.status_code, answer.headers, answer.content)


def check_problem(status: int, headers: Any, body: bytes) -> dict[str, Any]:
    """The problem that an answer is, after RFC 9457 and the list of codes."""
    assert headers["content-type"] == "application/problem+json", body[:300]
    told: dict[str, Any] = json.loads(body)
    assert {"type", "title", "status", "detail", "code"} <= set(told)
    assert PROBLEMS[told["code"]] == (status, told["title"])
    assert told["status"] == status
    assert told["detail"]
    assert "Traceback" not in told["detail"]
    if status in (429, 503):
        assert int(headers["retry-after"]) > 0
    return told


def refused(answer: httpx.Response, code: str) -> str:
    """The detail of an answer that must be this problem."""
    told = answer.json()
    assert told.get("code") == code, f"{answer.status_code} {answer.text[:500]}"
    return str(told["detail"])


def soon(true: Callable[[], Any], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
