"""Copying to servers and buckets and back, and a server that goes away in the middle."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import findalike
import moved
from findalike.errors import LibraryError, LibraryLocked, LibraryMismatch
from findalike.store.lance import LanceStore
from findalike.transfer import contents
from milvus_server import Server

pytest_plugins = ["milvus_server", "s3_server"]


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MOST", 8)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("furnished") / "library"
    moved.furnish(LanceStore(path, "a"), 30).close()
    return path


def arrived(address: str | Path) -> dict[str, object]:
    with findalike.open(address, "r") as there:
        return moved.everything(there.store)


def test_everything_arrives_on_a_server_and_comes_back(furnished: Path, tmp_path: Path, milvus: str) -> None:
    address = f"milvus://{milvus}/moving-{os.getpid()}"
    done = findalike.copy(furnished, address)
    assert done.proof.holds
    assert done.target == address
    assert arrived(address) == arrived(furnished)
    findalike.copy(address, tmp_path / "back")
    assert arrived(tmp_path / "back") == arrived(furnished)


def test_everything_arrives_in_a_bucket_and_comes_back(furnished: Path, tmp_path: Path, bucket: str) -> None:
    address = f"s3://{bucket}/library"
    assert findalike.copy(furnished, address).proof.holds
    assert arrived(address) == arrived(furnished)
    findalike.copy(address, tmp_path / "back")
    assert arrived(tmp_path / "back") == arrived(furnished)


@pytest.mark.slow
def test_a_server_that_goes_away_in_the_middle(furnished: Path, own_server: Callable[..., Server]) -> None:
    server = own_server()
    address = f"milvus://{server.place}/moving?patience=5"

    def watch(phase: str, done: int, total: int) -> None:
        if phase == "copying" and done >= 10 and server.process:
            server.kill()

    with pytest.raises(LibraryError, match=server.place) as raised:
        findalike.copy(furnished, address, watch=watch)
    assert not isinstance(raised.value, LibraryMismatch | LibraryLocked)
    server.start()
    with pytest.raises(LibraryMismatch, match="is not whole"):
        findalike.open(address)
    done = findalike.copy(furnished, address, wait=120)  # until the lease of the run that died is over
    assert done.kept >= 10
    assert done.proof.holds
    assert arrived(address) == arrived(furnished)
