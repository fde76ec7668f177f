"""A Milvus server that is not there, is another, refuses, stalls or dies: a sentence, and nothing lost."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pymilvus
import pytest

import findalike
from conftest import PROGRAM, Cli
from findalike.errors import LibraryError, LibraryMismatch
from findalike.store import copying, milvus_connection, milvus_lease, milvus_tables
from milvus_server import Server, free_ports
from stalling import way_to
from web import drawn, soon

pytest_plugins = ["milvus_server", "web"]

TOKEN = "root:Milvus"
"""What a server takes that was told to ask who comes."""
MANY = 90
PIECES = {"FINDALIKE_BATCH_ROWS": "10", "FINDALIKE_THREADS": "1"}
"""Settings under which a run of many pictures makes many writes."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn pictures that no test changes."""
    folder = tmp_path_factory.mktemp("many")
    for n in range(MANY):
        drawn(n).save(folder / f"{n:03}.png")
    return folder


@pytest.fixture(scope="module")
def expected(many: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """The vectors of the folder by space and file, as a library in a folder has them."""
    with findalike.open(tmp_path_factory.mktemp("expected") / "library") as library:
        library.add(many)
        return contents(library)


@pytest.fixture(scope="module")
def mortal(own_server: Callable[..., Server]) -> Server:
    """A server that tests may kill; each leaves it running."""
    return own_server()


@pytest.fixture(scope="module")
def guarded(own_server: Callable[..., Server]) -> Server:
    """A server that asks who comes, and can be told to refuse writes."""
    return own_server(
        common__security__authorizationEnabled=True,
        quotaAndLimits__enabled=True,
        quotaAndLimits__quotaCenterCollectInterval=1,
    )


def contents(library: findalike.Library) -> dict[str, dict[str, bytes]]:
    """What each space has of each file, with every row counted: two rows of one would not be one."""
    uris = {asset.id: Path(asset.uri).name for asset in library.store.assets()}
    assert len(set(uris.values())) == len(uris) == len(library)
    assert set(library.store.thumbnails(uris)) == set(uris)
    found: dict[str, dict[str, bytes]] = {}
    for space in library.store.cards():
        rows = list(library.store.each_row(space))
        found[space] = {uris[row.asset_id]: row.vector.tobytes() for row in rows}
        assert len(found[space]) == len(rows) == library.store.status()[space].rows
    return found


def begun(*command: object, **environment: str) -> subprocess.Popen[str]:
    """The program at work."""
    return subprocess.Popen(
        [str(PROGRAM), *map(str, command)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def written(address: str, least: int) -> Callable[[], bool]:
    """Whether so many pictures are there, as another process sees it."""

    def asked() -> bool:
        try:
            with findalike.open(address, "r") as library:
                return len(library) >= least
        except LibraryError:
            return False

    return asked


def refused(run: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One sentence on stderr, no trace of the program, and the exit code."""
    assert run.returncode == code, run.stderr
    assert run.stdout == ""
    assert run.stderr.startswith("findalike: ")
    assert "Traceback" not in run.stderr
    assert len(run.stderr.splitlines()) == 1, run.stderr
    for word in words:
        assert word in run.stderr


# Nobody there, or somebody else


@contextmanager
def web_server() -> Iterator[int]:
    """A server of pages, such as may listen on a port that is not Milvus's."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize("command", [["info"], ["index", "."], ["search", "a cat"]], ids=" ".join)
def test_no_server(cli: Cli, command: list[str]) -> None:
    (port,) = free_ports(1)
    run = cli(*command, "--library", f"milvus://127.0.0.1:{port}/holiday?patience=2")
    refused(
        run,
        1,
        f"milvus://127.0.0.1:{port}/holiday",
        "no Milvus server answers",
        "is it running",
        "(Connection refused)",
    )


def test_another_server(cli: Cli) -> None:
    with web_server() as port:
        run = cli("info", "--library", f"milvus://127.0.0.1:{port}/holiday?patience=2")
    refused(run, 1, f"127.0.0.1:{port}", "is the port right")


def test_a_server_that_is_too_old(milvus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus_connection, "LEAST_VERSION", (99, 1, 0))
    with pytest.raises(LibraryError, match=r"is Milvus v2\.3\.5\S*, but findalike needs 99\.1\.0 or later"):
        findalike.open(f"milvus://{milvus}/old")


def test_a_wrong_token_is_never_shown(cli: Cli, guarded: Server, many: Path) -> None:
    plain = f"milvus://{guarded.place}/guarded?patience=5"
    for address, token in (
        (plain, ""),
        (plain, "root:not-the-word"),
        (f"milvus://root:not-the-word@{guarded.place}/guarded?patience=5", ""),
    ):
        run = cli("info", "--library", address, FINDALIKE_MILVUS_TOKEN=token)
        refused(run, 1, "FINDALIKE_MILVUS_TOKEN")
        assert "not-the-word" not in run.stderr
    run = cli("index", many / "000.png", "--library", plain, FINDALIKE_MILVUS_TOKEN=TOKEN)
    assert run.returncode == 0, run.stderr
    run = cli("info", "--library", f"milvus://{TOKEN}@{guarded.place}/guarded")
    assert run.returncode == 0, run.stderr
    assert TOKEN not in run.stdout


# A server that takes no more


def takes_nothing(server: Server) -> Callable[[], bool]:
    """Whether the server refuses to write."""
    client = pymilvus.MilvusClient(f"http://{server.place}", token=TOKEN)
    if not client.has_collection("probe"):
        client.create_collection("probe", dimension=2)

    def refuses() -> bool:
        try:
            client.insert("probe", [{"id": 1, "vector": [0.0, 1.0]}])
        except pymilvus.MilvusException:
            return True
        return False

    return refuses


def test_a_server_that_is_full_is_told_and_the_next_run_goes_on(
    cli: Cli, guarded: Server, many: Path, expected: dict[str, dict[str, bytes]]
) -> None:
    address = f"milvus://{guarded.place}/full?patience=20"
    run = begun("index", many, "--library", address, FINDALIKE_MILVUS_TOKEN=TOKEN, **PIECES)
    assert soon(written(f"milvus://{TOKEN}@{guarded.place}/full", 10), 60)
    run.send_signal(signal.SIGSTOP)  # until the server has read what it is told
    try:
        guarded.change(quotaAndLimits__limitWriting__forceDeny=True)
        assert soon(takes_nothing(guarded), 30)
    finally:
        run.send_signal(signal.SIGCONT)
    _, said = run.communicate(timeout=60)
    guarded.change(quotaAndLimits__limitWriting__forceDeny=False)
    assert run.returncode == 1, said
    assert "Traceback" not in said
    assert "has no room, or takes no writes now" in said
    again = "milvus://" + TOKEN + address.removeprefix("milvus:/").replace("/", "@", 1)

    def goes_on() -> bool:  # the server reads its settings again within seconds
        return cli("index", many, "--wait", "--library", again).returncode == 0

    assert soon(goes_on, 60)
    with findalike.open(again, "r") as library:
        assert contents(library) == expected


# A server that dies, a way that stalls


def test_collections_without_a_manifest_are_no_missing_library(cli: Cli, milvus: str, many: Path) -> None:
    """So may one look while a server that was killed still reads its log: nothing is made in its place."""
    address = f"milvus://{milvus}/torn"
    assert cli("index", many / "000.png", "--library", address).returncode == 0
    client = pymilvus.MilvusClient(f"http://{milvus}")
    client.delete("findalike_torn_things", filter="part >= 0")
    for command in (["info"], ["index", str(many)]):
        refused(cli(*command, "--library", address), 1, "its collections are there", "wait a minute")


def test_finished_libraries_survive_two_deaths_of_the_server(mortal: Server, many: Path) -> None:
    address = f"milvus://{mortal.place}/finished"
    with findalike.open(address) as library:
        library.add(*(many / f"{n:03}.png" for n in range(20)))
        before = contents(library)
    for _ in range(2):
        mortal.kill()
        mortal.start()
        assert soon(written(address, 20), 60)
    with findalike.open(address, "r") as library:
        assert contents(library) == before


def test_a_server_that_is_killed_while_a_library_is_filled(
    mortal: Server, many: Path, expected: dict[str, dict[str, bytes]]
) -> None:
    """The run waits for it and goes on: nothing is lost, nothing doubled."""
    address = f"milvus://{mortal.place}/killed?patience=100"
    run = begun("index", many, "--library", address, **PIECES)
    assert soon(written(address, 10), 60)
    mortal.kill()
    assert run.poll() is None, run.communicate()
    time.sleep(1)
    mortal.start()
    out, said = run.communicate(timeout=120)
    assert (run.returncode, said) == (0, "")
    assert out.startswith(f"{MANY} added in "), out
    with findalike.open(address, "r") as library:
        assert contents(library) == expected
        assert list(library.check()) == []


def test_a_server_that_does_not_come_back(mortal: Server, cli: Cli, many: Path) -> None:
    address = f"milvus://{mortal.place}/gone?patience=3"
    with findalike.open(f"milvus://{mortal.place}/gone") as library:
        library.add(many / "000.png")
    with findalike.open(address) as library:
        mortal.kill()
        began = time.monotonic()
        with pytest.raises(LibraryError, match="did not answer within 3 seconds: is it running"):
            library.search(text="a circle")
        assert time.monotonic() - began < 20
        mortal.start()
        assert soon(lambda: answered(library) == ["000.png"], 90)


def answered(library: findalike.Library) -> list[str]:
    """The names of all pictures; none while the server is not ready yet."""
    try:
        return [Path(hit.asset.uri).name for hit in library.search(where="size > 0")]
    except LibraryError:
        return []


def test_a_way_that_stalls(milvus: str, many: Path) -> None:
    """Longer than it may take is an error; less than that is waited for."""
    with way_to(int(milvus.rpartition(":")[2])) as way:
        address = f"milvus://{way.place}/stalls?patience="
        with findalike.open(address + "30") as library:
            library.add(many / "000.png")
            way.stall()
            threading.Timer(3, way.go_on).start()
            assert [Path(hit.asset.uri).name for hit in library.search(where="size > 0")] == ["000.png"]
        with findalike.open(address + "2", "r") as library:
            way.stall()
            began = time.monotonic()
            with pytest.raises(LibraryError, match="did not answer within 2 seconds"):
                library.search(where="size > 0")
            assert time.monotonic() - began < 15
            way.go_on()
            assert len(library) == 1


# Processes that die, and several writers


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who holds a library and is silent for two seconds is dead to this process."""
    monkeypatch.setattr(milvus_lease, "EXPIRES", 2.0)
    monkeypatch.setattr(milvus_lease, "BEATS", 0.5)


@pytest.mark.usefixtures("impatient")
def test_a_process_that_is_killed_and_begun_again(
    milvus: str, many: Path, expected: dict[str, dict[str, bytes]]
) -> None:
    address = f"milvus://{milvus}/begun-again"
    run = begun("index", many, "--library", address, **PIECES)
    assert soon(written(address, 10), 60)
    run.kill()
    run.communicate()
    with findalike.open(address, "r") as library:
        done = {asset.uri: asset.id for asset in library.store.assets()}
    assert 10 <= len(done) < MANY
    with findalike.open(address) as library:
        report = library.add(many, wait=-1)
        assert (report.added, report.unchanged) == (MANY - len(done), len(done))
        assert contents(library) == expected
        assert done.items() <= {asset.uri: asset.id for asset in library.store.assets()}.items()
        assert list(library.check()) == []


HOLDER = """
import sys, time, findalike
with findalike.open(sys.argv[1]) as library, library.store.locked(0):
    print("held", flush=True)
    time.sleep(100)
"""


@pytest.mark.slow
def test_two_writers(cli: Cli, milvus: str, many: Path) -> None:
    address = f"milvus://{milvus}/two-writers"
    assert cli("index", many / "000.png", "--library", address).returncode == 0
    command = [sys.executable, "-c", HOLDER, address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        run = cli("index", many / "001.png", "--library", address)
        refused(run, 1, "is being written by", f"process {holder.pid} on ", "wait until it is done")
        assert cli("search", "a circle", "--library", address).returncode == 0, "readers are many"
        holder.send_signal(signal.SIGKILL)
    began = time.monotonic()
    run = cli("index", many / "001.png", "--wait", "--library", address)
    assert run.returncode == 0, run.stderr
    assert time.monotonic() - began < 3 * milvus_lease.EXPIRES, "a dead holder holds nothing"
    assert json.loads(cli("info", "--json", "--library", address).stdout)["pictures"] == 2


# A library that is another's, or not whole


def test_a_library_that_is_being_filled_by_a_copy(cli: Cli, milvus: str, many: Path) -> None:
    address = f"milvus://{milvus}/half-copied"
    with findalike.open(address) as library:
        library.add(many / "000.png")
        mark = copying.Copying("/elsewhere", "yesterday", f"findalike copy /elsewhere {address}")
        copying.write(library.store.sidecars, mark)
    for command in (["info"], ["search", "a circle"], ["index", many]):
        refused(
            cli(*command, "--library", address), 4, "is not whole", f"findalike copy /elsewhere {address}"
        )
    with pytest.raises(LibraryMismatch, match="is not whole"):
        findalike.open(address, "r")


def test_a_library_of_another_encoder(cli: Cli, milvus: str, many: Path) -> None:
    address = f"milvus://{milvus}/other-card"
    with findalike.open(address) as library:
        card = library._cards_to_fill([], None, False)[0]
        library.store.add_card(findalike.types.Card(card.name, card.revision, 7, precision=card.precision))
    refused(cli("index", many, "--library", address), 4, "dim", address)


def test_a_collection_of_somebody_else(cli: Cli, milvus: str, many: Path) -> None:
    """It stays as it is."""
    name = f"{milvus_tables.prefix('taken')}_{milvus_tables.ASSETS}"
    client = pymilvus.MilvusClient(f"http://{milvus}")
    client.create_collection(name, dimension=4, consistency_level="Strong")
    client.insert(name, [{"id": 1, "vector": [0.1, 0.2, 0.3, 0.4], "of": "somebody"}])
    for command in (["info"], ["index", many]):
        run = cli(*command, "--library", f"milvus://{milvus}/taken?patience=5")
        refused(run, 4, name, "was not made by findalike", "another name")
    (found,) = client.query(name, "id == 1", output_fields=["of"])
    assert found["of"] == "somebody"
    assert [each for each in client.list_collections() if each.startswith("findalike_taken")] == [name]
    client.close()
