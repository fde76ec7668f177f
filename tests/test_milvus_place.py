"""The addresses of libraries on Milvus, and where their records lie there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from findalike.errors import UsageError
from findalike.store.milvus_place import place

tables = pytest.importorskip("findalike.store.milvus_tables", reason="needs pymilvus")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (
            "milvus://host/holiday",
            {"uri": "http://host:19530", "name": "holiday", "token": "", "database": ""},
        ),
        ("milvus://host:1234/My pictures", {"uri": "http://host:1234", "name": "My pictures"}),
        ("milvus://host/My%20pictures/", {"name": "My pictures"}),
        ("milvus://[::1]:5/x", {"uri": "http://[::1]:5"}),
        ("milvus://host/x?tls=yes", {"uri": "https://host:19530", "ca": "", "server_name": ""}),
        (
            "milvus://host/x?ca=" + __file__ + "&server_name=h",
            {"uri": "https://host:19530", "server_name": "h"},
        ),
        ("milvus://host/x?database=art&patience=7", {"database": "art", "patience": 7.0}),
        ("milvus://root:w%40rd@host/x", {"token": "root:w@rd", "shown": "milvus://host/x"}),
        ("milvus://key@host/x", {"token": "key"}),
        ("milvus://host/x?user=root&password=word", {"token": "root:word"}),
        ("milvus://host/x?token=key", {"token": "key", "shown": "milvus://host/x?token=…"}),
        ("milvus:///data/my%20own.db", {"uri": "/data/my own.db", "name": "library", "is_file": True}),
        ("milvus:///data/own.db?library=art", {"name": "art"}),
    ],
)
def test_an_address_names_a_place(address: str, expected: dict[str, Any]) -> None:
    found = place(address)
    assert {name: getattr(found, name) for name in expected} == expected


def test_a_token_of_the_settings_counts_where_the_address_has_none() -> None:
    assert place("milvus://host/x", "root:word").token == "root:word"
    assert place("milvus://other@host/x", "root:word").token == "other"


def test_a_token_is_in_no_message() -> None:
    found = place("milvus://root:pass-word@host/x")
    assert "pass-word" not in found.without_secrets("root:pass-word and pass-word")
    assert "pass-word" not in repr(found)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("milvus://host", "the name of a library has up to 60"),
        ("milvus://host/a/b", "the name of a library"),
        ("milvus://host/" + "x" * 61, "the name of a library"),
        ("milvus://host/-x", "the name of a library"),
        ("milvus://host:port/x", "is no address"),
        ("milvus:///data/own", "neither a server nor a file that ends in .db"),
        ("milvus://host/x?tsl=yes", "no part 'tsl'; there are database, tls"),
        ("milvus://host/x?tls=on", "tls is 'on', but it must be yes or no"),
        ("milvus://host/x?patience=0", "patience is '0'"),
        ("milvus://host/x?patience=long", "patience is 'long'"),
        ("milvus://host/x?ca=/none.pem", "there is no file /none.pem"),
        ("milvus://root:secret@host/x?tls=on", "milvus://host/x"),
    ],
)
def test_what_is_no_address_is_refused(address: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        place(address)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_no_library_has_collections_of_another() -> None:
    """Whatever their names are, also where one begins as the other does."""
    names = ["a", "A", "a b", "a_b", "a-b", "a.b", "a_assets", "ä", "日本", "a_rows_x", "_a"]
    parts = (tables.ASSETS, tables.THINGS, tables.rows_name("cnn@1-int8"))
    several = [f"{tables.prefix(name)}_{part}" for name in names for part in parts]
    assert len(set(several)) == len(names) * len(parts)
    assert all(one.isascii() and one.replace("_", "").isalnum() and len(one) < 256 for one in several)


def test_spaces_of_any_name_have_collections_of_their_own(tmp_path: Path) -> None:
    spaces = ["cnn@1-int8", "cnn@1_int8", "onnx:" + "x/" * 200 + "@1", "onnx:" + "x/" * 201 + "@1"]
    names = {tables.rows_name(space) for space in spaces}
    assert len(names) == len(spaces)
    assert all(len(name) < 130 for name in names)
