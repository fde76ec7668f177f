"""What an operator may decide, and what is refused before anything listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from findalike.errors import UsageError
from findalike.web.config import Config

TOKEN = "a-token-of-24-letters-ab"


def test_folders_have_ids_that_tell_them_apart(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("x/a", "y/a", "z/a~2", "b")]
    for folder in folders:
        folder.mkdir(parents=True)
    ids = Config(folders=(*folders, folders[0])).folder_ids()
    assert sorted(ids.values()) == sorted(folders)
    assert ids["a"] == folders[0]
    assert ids["b"] == folders[3]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        Config(folders=(tmp_path / "nowhere",))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_this_machine_alone_needs_no_token(host: str) -> None:
    assert Config(host=host).is_local


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "pictures.example", ""])
def test_other_addresses_need_one(host: str) -> None:
    with pytest.raises(UsageError, match="FINDALIKE_TOKEN"):
        Config(host=host)
    assert not Config(host=host, tokens={TOKEN: "read"}).is_local


@pytest.mark.parametrize(
    "token", ["", "short", "a" * 15, "sixteen letters and spaces", "sechzehn-zeichen-ü", "a" * 16 + "\n"]
)
def test_tokens_that_could_be_guessed_or_not_be_sent_are_refused(token: str) -> None:
    with pytest.raises(UsageError, match="token"):
        Config(tokens={token: "write"})


@pytest.mark.parametrize("name", ["pictures.example:443", "https://pictures.example", "a b", "", "a/b", "*"])
def test_hosts_are_bare_names(name: str) -> None:
    with pytest.raises(UsageError, match="name of a host"):
        Config(hosts=(name,))


@pytest.mark.parametrize("name", ["pictures.example", "NAS", "fe80::1", "10.0.0.5"])
def test_names_and_addresses_are_hosts(name: str) -> None:
    assert name.lower() in Config(hosts=(name,)).names


@pytest.mark.parametrize(
    "origin", ["*", "shop.example", "https://shop.example/", "https://", "null", "ftp://a"]
)
def test_origins_have_a_scheme_and_no_path(origin: str) -> None:
    with pytest.raises(UsageError, match="origin"):
        Config(origins=(origin,))


@pytest.mark.parametrize("origin", ["https://shop.example", "http://localhost:5173", "http://[::1]:80"])
def test_origins_of_sites_are_taken(origin: str) -> None:
    assert Config(origins=(origin,)).origins == (origin,)
