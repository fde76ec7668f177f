"""The real server of the `milvus` wheel, for `pytest_plugins = ["milvus_server"]`.

One server is shared by all processes that run tests, started by the first that asks and ended by the first of
all when the tests end; a test that kills its server, or gives it settings of its own, starts another. It
listens on every interface of the machine, as it cannot be told otherwise, and its clients use loopback.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import json
import lzma
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import filelock
import pytest

from findalike.store import manifest

ROLES = ("proxy", "rootCoord", "queryCoord", "queryNode", "dataCoord", "dataNode", "indexCoord", "indexNode")
QUICK = {
    "proxy.timeTickInterval": 20,
    "queryCoord.checkInterval": 200,
    "queryCoord.checkChannelInterval": 200,
    "queryCoord.checkSegmentInterval": 200,
    "queryCoord.distPullInterval": 200,
    "common.session.ttl": 5,
}
"""Waits of the server, most in milliseconds, which fit a large cluster: a reader waits for a time tick after
each write, and a collection is loaded when several watchers have seen it."""
STARTS_WITHIN = 150  # seconds
ANSWERS = b"OK"


class Server:
    """A server over a folder, which it takes up again when it was killed."""

    def __init__(self, folder: Path, programs: Path, **changes: object) -> None:
        self.folder = folder
        self._program = programs / "milvus"
        self.process: subprocess.Popen[bytes] | None = None
        self._health, internal, clients, peers, *several = free_ports(4 + len(ROLES))
        ports = dict(zip(ROLES, several, strict=True))
        self.port = ports["proxy"]
        (folder / "configs").mkdir(parents=True)
        (folder / "logs").mkdir()
        self._write("etcd.yaml", json.dumps(_of_etcd(clients, peers)))
        self._write("glog.conf", "--minloglevel=3\n--log_dir=logs/\n")
        self._settings = _of_server(folder, ports, internal) | QUICK
        self.change(**changes)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def change(self, **changes: object) -> None:
        """Settings by their names, `__` for a dot; a server that runs reads most of them within seconds."""
        self._settings |= {name.replace("__", "."): value for name, value in changes.items()}
        self._write("milvus.yaml", json.dumps(_nested(self._settings), indent=1))  # JSON is YAML

    def start(self) -> None:
        """Begin, and wait until it answers."""
        environment = {
            **os.environ,
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self._health),
            "LD_LIBRARY_PATH": str(self._program.parent),
        }
        with (self.folder / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                [self._program, "run", "standalone"],
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + STARTS_WITHIN
        while not self.healthy():
            if self.process.poll() is not None or time.monotonic() > until:
                self.kill()
                told = (self.folder / "output.txt").read_text("utf-8", "replace")
                raise RuntimeError(f"the Milvus server does not start:\n{told[-2_000:]}")
            time.sleep(0.05)

    def healthy(self) -> bool:
        """Whether all its parts say that they work."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._health}/healthz", timeout=5) as answer:
                return ANSWERS in answer.read()
        except OSError:
            return False

    def kill(self) -> None:
        """As by a loss of power."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, name: str, text: str) -> None:
        (self.folder / "configs" / name).write_text(text, "utf-8")


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody uses, each another."""
    with ExitStack() as stack:
        several = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for each in several:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in several]


def _of_server(folder: Path, ports: dict[str, int], internal: int) -> dict[str, object]:
    return {
        "etcd.use.embed": True,
        "etcd.config.path": str(folder / "configs" / "etcd.yaml"),
        "etcd.data.dir": str(folder / "etcd"),
        "etcd.log.level": "error",
        "etcd.log.path": str(folder / "logs" / "etcd.txt"),
        "common.storageType": "local",
        "localStorage.path": str(folder / "data"),
        "mq.type": "rocksmq",
        "rocksmq.path": str(folder / "queue"),
        "log.level": "error",
        "quotaAndLimits.limits.maxCollectionNum": 65_536,
        "quotaAndLimits.limits.maxCollectionNumPerDB": 65_536,
        "proxy.internalPort": internal,
        **{f"{role}.port": port for role, port in ports.items()},
    }


def _of_etcd(clients_at: int, peers_at: int) -> dict[str, object]:
    """Its usual ports are fixed, so that only one server could run on a machine."""
    clients, peers = f"http://127.0.0.1:{clients_at}", f"http://127.0.0.1:{peers_at}"
    return {
        "name": "default",
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"default={peers}",
    }


def _nested(settings: dict[str, object]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in settings.items():
        *way, last = name.split(".")
        branch = tree
        for part in way:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return tree


def unpacked(shared: Path) -> Path:
    """The folder of the server's program and libraries, unpacked once for all tests. Skips without it."""
    found = importlib.util.find_spec("milvus")
    packed = sorted(Path(found.origin).parent.glob("data/bin/*.lzma")) if found and found.origin else []
    if not packed:
        pytest.skip("a Milvus server comes with pip install milvus, on Linux with x86-64 and on macOS")
    shared.mkdir(exist_ok=True)
    folder = shared / "milvus-programs"
    with filelock.FileLock(shared / "milvus-programs.lock"), ThreadPoolExecutor(2) as threads:
        if not folder.exists():
            making = folder.with_suffix(".part")
            making.mkdir(exist_ok=True)
            list(threads.map(_unpack, packed, itertools.repeat(making)))
            making.rename(folder)
    return folder


def _unpack(packed: Path, folder: Path) -> None:
    path = folder / packed.stem
    with lzma.open(packed) as source, path.open("wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
    path.chmod(0o755)


def shared_server(shared: Path) -> str:
    """Where the server that all tests share listens: HOST:PORT. Started when it does not run yet."""
    programs, note = unpacked(shared), shared / "milvus.json"
    with filelock.FileLock(shared / "milvus.lock"):
        if not note.exists():
            server = Server(shared / "milvus", programs)
            server.start()
            assert server.process
            note.write_text(json.dumps({"place": server.place, "pid": server.process.pid}), "utf-8")
        return str(json.loads(note.read_text("utf-8"))["place"])


def end_shared(shared: Path) -> None:
    """End the server that all tests shared, if there is one."""
    note = shared / "milvus.json"
    if note.exists():
        os.kill(json.loads(note.read_text("utf-8"))["pid"], signal.SIGKILL)
        note.unlink()


def emptied(place: str, library: str, kept: str) -> None:
    """Take all that a library holds away, but leave it a library: with its collections, of its spaces that of
    `kept`, and an empty manifest."""
    pymilvus = pytest.importorskip("pymilvus", reason="pip install 'findalike[milvus]'")
    tables = importlib.import_module("findalike.store.milvus_tables")
    prefix = f"{tables.prefix(library)}_"
    stay = {prefix + name for name in (tables.ASSETS, tables.THINGS, tables.rows_name(kept))}
    with closing(pymilvus.MilvusClient(f"http://{place}")) as client:
        there = [name for name in client.list_collections() if name.startswith(prefix)]
        for name in there:
            if name in stay:
                client.delete(name, filter='id != ""')
            else:
                client.drop_collection(name)
    if there:
        _without_cards(f"milvus://{place}/{library}")


def _without_cards(address: str) -> None:
    connecting, things, tables, places = (
        importlib.import_module(f"findalike.store.milvus_{name}")
        for name in ("connection", "things", "tables", "place")
    )
    with closing(connecting.Connection(places.place(address))) as connection:
        manifest.write(things.MilvusSidecars(tables.Tables(connection).things, address), {})


@pytest.fixture(scope="session")
def milvus(shared: Path) -> str:
    """HOST:PORT of a running server; libraries on it are named by their tests."""
    return shared_server(shared)


@pytest.fixture(scope="module")
def own_server(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts a server for the tests of one file: own_server(common__security__authorizationEnabled=True)."""
    with ExitStack() as stack:

        def started(**changes: object) -> Server:
            server = Server(tmp_path_factory.mktemp("milvus") / "server", unpacked(shared), **changes)
            stack.callback(server.remove)
            server.start()
            return server

        yield started
