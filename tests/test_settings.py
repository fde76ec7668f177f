"""Settings: which source wins, and what a bad value says."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from findalike.errors import SettingError, UsageError
from findalike.settings import Settings, load


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file that is in force."""
    path = tmp_path / "findalike.toml"
    monkeypatch.setenv("FINDALIKE_CONFIG", str(path))
    for name in ("LIBRARY", "CACHE"):
        monkeypatch.delenv(f"FINDALIKE_{name}", raising=False)
    return path


def test_defaults(file: Path) -> None:
    settings = load()
    assert (settings.encoder, settings.precision) == ("efficientnet-lite0", "int8")
    assert settings.pixel_budget == 200_000_000
    assert settings.library.is_absolute()
    assert settings.thread_count() >= 1


def test_arguments_win_over_the_environment_over_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('threads = 2\nbatch_rows = 20\nthumbnail_side = 200\nlibrary = "~/of-file"\n')
    assert (load().threads, load().batch_rows, load().thumbnail_side) == (2, 20, 200)
    assert load().library == Path("~/of-file").expanduser()
    monkeypatch.setenv("FINDALIKE_THREADS", "3")
    monkeypatch.setenv("FINDALIKE_BATCH_ROWS", "30")
    assert (load().threads, load().batch_rows, load().thumbnail_side) == (3, 30, 200)
    found = load(threads=4, batch_rows=None)
    assert (found.threads, found.batch_rows, found.thumbnail_side) == (4, 30, 200)
    assert found.thread_count() == 4


def test_an_empty_variable_does_not_count(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINDALIKE_LIBRARY", "")
    monkeypatch.setenv("FINDALIKE_THREADS", "")
    assert load().library.is_absolute()
    assert load().threads == 0


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_every_setting_has_a_variable(name: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "library": "/x",
        "cache": "/x",
        "encoder": "efficientnet-lite2",
        "precision": "float32",
        "films": "no",
    }
    value = values.get(name, "77")
    monkeypatch.setenv(f"FINDALIKE_{name.upper()}", value)
    assert str(getattr(load(), name)) == value


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "threads",
            "many",
            "variable FINDALIKE_THREADS: threads is 'many', but it must be a whole number of",
        ),
        ("threads", "-1", "at least 0"),
        ("batch_rows", "0", "at least 1"),
        ("pixel_budget", "1e9", "pixel_budget is '1e9', but it must be a whole number"),
        ("precision", "int4", "precision is 'int4', but it must be int8 or float32"),
    ],
)
def test_a_bad_variable_is_named(
    name: str, value: str, sentence: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"FINDALIKE_{name.upper()}", value)
    with pytest.raises(SettingError, match=sentence):
        load()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("threads = true", "threads is True, but it must be a whole number of at least 0"),
        ("threads = 1.5", "threads is 1.5"),
        ("encoder = ['a']", r"encoder is \['a'\], but it must be text"),
        ("library = 3", "library is 3, but it must be the path of a folder"),
        ("thread = 3", "no setting is named 'thread'; did you mean threads?"),
        ("colour = 'red'", "no setting is named 'colour'; There are batch_rows, cache"),
        ("threads = ", "is not TOML: .*; mend or delete it"),
    ],
)
def test_a_bad_settings_file_is_named(text: str, sentence: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(SettingError, match=sentence) as caught:
        load()
    assert str(file) in str(caught.value)


def test_a_settings_file_that_cannot_be_read(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingError, match="is not TOML"):
        load()
    file.unlink()
    file.mkdir()
    with pytest.raises(SettingError, match="cannot be read"):
        load()


def test_a_bad_argument_is_a_wrong_usage() -> None:
    with pytest.raises(UsageError, match="the argument: no setting is named 'thread'; did you mean threads"):
        load(thread=3)
    with pytest.raises(UsageError, match="the argument: threads is '', but"):
        load(threads="")
