"""Settings: defaults < settings file < environment < arguments.

The settings file is `findalike.toml` in the platform's configuration directory, or the file that
`FINDALIKE_CONFIG` names. A variable is `FINDALIKE_` and the setting's name in capitals; an empty one does not
count.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import platformdirs

from findalike import addresses
from findalike.errors import SettingError


@dataclass(frozen=True, slots=True)
class Settings:
    """`library`: the folder or the address of the library. `cache`: where built models are kept.

    `encoder`: the encoder of a new library. `precision`: `int8` or `float32`.
    `pixel_budget`: pictures of more pixels than this are refused from their header.
    `threads` that decode and encode; 0 means one for each core this process may use.
    `batch_rows`: rows written in one commit; a run that is killed loses at most these.
    `thumbnail_side`: the longer side of a stored thumbnail, in pixels.
    `films`: `yes`, or `no` to pass them over. `frames`: which of their frames are kept: a rate such as `1/s`
    or `5s`, `scene` or `key`; never more than `frames_per_minute`.
    `face_side`: pixels of the longer side of the smallest face that is taken, of a picture whose shorter side
    has 640. `face_sureness`: per cent of probability that it is one, at least.
    `milvus_token`: USER:PASSWORD, or the token, for libraries on a Milvus server; never shown.
    """

    library: Path | str
    cache: Path
    encoder: str = "efficientnet-lite0"
    precision: str = "int8"
    pixel_budget: int = 200_000_000
    threads: int = 0
    batch_rows: int = 2_000
    thumbnail_side: int = 256
    films: str = "yes"
    frames: str = "1/s"
    frames_per_minute: int = 120
    face_side: int = 20
    face_sureness: int = 90
    milvus_token: str = field(default="", repr=False)

    def thread_count(self) -> int:
        """Threads to run: `threads`, or one for each core that this process may use."""
        if self.threads:
            return self.threads
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else (os.cpu_count() or 1)


_NAMES = tuple(sorted(field.name for field in fields(Settings)))
_LEAST = {
    "pixel_budget": 1,
    "threads": 0,
    "batch_rows": 1,
    "thumbnail_side": 16,
    "frames_per_minute": 1,
    "face_side": 12,
    "face_sureness": 1,
}
_CHOICES = {"precision": ("int8", "float32"), "films": ("yes", "no")}
_WORDS: Mapping[type, str] = {str: "text", type(Path()): "the path of a folder"}


def load(**arguments: object) -> Settings:
    """The settings in force. An argument that is None does not count. Raises SettingError."""
    settings = Settings(
        library=Path(platformdirs.user_data_dir("findalike", appauthor=False)) / "library",
        cache=Path(platformdirs.user_cache_dir("findalike", appauthor=False)),
    )
    path = _file()
    if path.exists():
        settings = _changed(settings, _parsed(path), str(path))
    for name in _NAMES:
        variable = f"FINDALIKE_{name.upper()}"
        if value := os.environ.get(variable):
            settings = _changed(settings, {name: value}, f"the variable {variable}")
    return changed(settings, **arguments)


def changed(settings: Settings, **arguments: object) -> Settings:
    """The settings with some given anew. An argument that is None does not count. Raises SettingError."""
    return _changed(settings, {k: v for k, v in arguments.items() if v is not None}, "the argument")


@cache
def default() -> Settings:
    """The settings without arguments, read once."""
    return load()


def _file() -> Path:
    named = os.environ.get("FINDALIKE_CONFIG")
    return (
        Path(named)
        if named
        else Path(platformdirs.user_config_dir("findalike", appauthor=False)) / "findalike.toml"
    )


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"the settings file {path} is not TOML: {error}; mend or delete it") from error
    except OSError as error:
        raise SettingError(f"the settings file {path} cannot be read: {error.strerror or error}") from error


def _changed(settings: Settings, values: Mapping[str, object], where: str) -> Settings:
    for name, value in values.items():
        if name not in _NAMES:
            near = difflib.get_close_matches(name, _NAMES, 1)
            guess = f"did you mean {near[0]}? " if near else ""
            raise SettingError(f"{where}: no setting is named {name!r}; {guess}There are {', '.join(_NAMES)}")
        kind = type(Path()) if name == "library" else type(getattr(settings, name))
        typed: Any = _typed(name, value, kind, where)
        settings = replace(settings, **{name: typed})
    return settings


def _typed(name: str, value: object, kind: type, where: str) -> object:
    typed: object = None
    if name == "library" and isinstance(value, str) and addresses.scheme(value):
        return value
    if issubclass(kind, Path) and isinstance(value, str | os.PathLike) and os.fspath(value):
        typed = Path(os.path.expanduser(os.fspath(value)))  # noqa: PTH111  (Path's raises for a user it lacks)
    elif kind is int and isinstance(value, int | str) and not isinstance(value, bool):
        typed = _whole(value)
    elif kind is str and isinstance(value, str):
        typed = value
    least, choices = _LEAST.get(name), _CHOICES.get(name)
    wanted = f"a whole number of at least {least}" if least is not None else _WORDS[kind]
    if choices:
        wanted = " or ".join(choices)
    if (
        typed is None
        or (least is not None and cast(int, typed) < least)
        or (choices and typed not in choices)
    ):
        raise SettingError(f"{where}: {name} is {value!r}, but it must be {wanted}")
    return typed


def _whole(value: int | str) -> int | None:
    try:
        return int(value)
    except ValueError:
        return None
