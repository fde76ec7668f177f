"""Where a library lies when it is in no folder."""

from __future__ import annotations

from pathlib import Path

import pytest

import findalike
from findalike import addresses, settings
from findalike.errors import UsageError


def test_an_address_begins_with_a_scheme() -> None:
    assert addresses.scheme("milvus://host:19530/name") == "milvus"
    assert addresses.scheme("s3://bucket/prefix") == "s3"
    assert addresses.scheme("/pictures/my.library") == ""
    assert addresses.scheme("MILVUS://host/name") == "milvus"
    assert addresses.scheme("C://folder") == "", "a drive is no scheme"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("milvus://root:secret@host:1/name", "milvus://host:1/name"),
        ("milvus://secret@host:1/name?tls=yes", "milvus://host:1/name?tls=yes"),
        ("milvus://host/name?token=secret&tls=yes", "milvus://host/name?token=…&tls=yes"),
        ("milvus://root:sec/ret@host:1/name", "milvus://host:1/name"),
        ("milvus://root:sec#ret@host:1/name", "milvus://host:1/name"),
        ("milvus://root:sec?ret@host:1/name", "milvus://host:1/name"),
        ("milvus://root:sec@ret@host:1/name", "milvus://host:1/name"),
        ("milvus://host:1/name?database=a@b", "milvus://host:1/name?database=a@b"),
        ("milvus://[::1]:1/name", "milvus://[::1]:1/name"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("s3://bucket/a:b@c", "s3://bucket/a:b@c"),
    ],
)
def test_secrets_are_not_shown(address: str, shown: str) -> None:
    assert addresses.shown(address) == shown


def test_each_library_has_a_folder_of_its_own_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    one, other = (addresses.workroom(f"milvus://host:1/{name}") for name in ("a/b", "a-b"))
    assert one != other
    assert one == addresses.workroom("milvus://secret@host:1/a/b"), "whoever opens it"
    assert "secret" not in str(addresses.workroom("milvus://secret@host:1/a/b"))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nowhere://x/y", "no store is named 'nowhere'; there are: .*memory"),
        ("memory://x", "memory://x: give the path of a folder as it is"),
        ("lance:///x", "lance:///x: give the path of a folder as it is"),
        ("milvus:/host/x", "milvus:/host/x has one slash"),
        ("S3:/bucket/x", "S3:/bucket/x has one slash"),
    ],
)
def test_an_address_of_no_store_is_refused(address: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        findalike.open(address)


def test_the_library_of_the_settings_may_be_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINDALIKE_LIBRARY", "milvus://host:19530/name")
    assert settings.load().library == "milvus://host:19530/name"
    assert settings.load(library="~/pictures.library").library == Path("~/pictures.library").expanduser()
