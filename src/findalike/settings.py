"""Settings: defaults < settings file < environment < arguments.

The settings file is `findalike.toml` in the platform's configuration directory, or the file that
`FINDALIKE_CONFIG` names. A variable is `FINDALIKE_` and the setting's name in capitals.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs

from findalike.errors import SettingError


@dataclass(frozen=True, slots=True)
class Settings:
    """`library`: the folder of the library. `cache`: where built models are kept.

    `encoder`: the encoder of a new library. `precision`: `int8` or `float32`.
    `pixel_budget`: pictures of more pixels than this are refused from their header.
    `workers`: threads that decode and encode; 0 means one for each core this process may use.
    `batch_rows`: rows written in one commit; a run that is killed loses at most these.
    `thumbnail_side`: the longer side of a stored thumbnail, in pixels.
    """

    library: Path
    cache: Path
    encoder: str = "efficientnet-lite0"
    precision: str = "int8"
    pixel_budget: int = 200_000_000
    workers: int = 0
    batch_rows: int = 2_000
    thumbnail_side: int = 256

    def worker_count(self) -> int:
        """Threads to run: `workers`, or one for each core that this process may use."""
        if self.workers:
            return self.workers
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else (os.cpu_count() or 1)


_LEAST = {"pixel_budget": 1, "workers": 0, "batch_rows": 1, "thumbnail_side": 16}
_CHOICES = {"precision": ("int8", "float32")}


def load(**arguments: object) -> Settings:
    """The settings in force. An argument that is None does not count. Raises SettingError."""
    settings = Settings(
        library=Path(platformdirs.user_data_dir("findalike", appauthor=False)) / "library",
        cache=Path(platformdirs.user_cache_dir("findalike", appauthor=False)),
    )
    path = _file()
    if path.exists():
        settings = _changed(settings, _parsed(path), str(path))
    names = [f.name for f in fields(Settings)]
    environment = {
        n: os.environ[f"FINDALIKE_{n.upper()}"] for n in names if f"FINDALIKE_{n.upper()}" in os.environ
    }
    settings = _changed(settings, environment, "the environment (FINDALIKE_…)")
    return _changed(settings, {k: v for k, v in arguments.items() if v is not None}, "an argument")


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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingError(f"{path}: cannot be read as TOML: {error}") from error


def _changed(settings: Settings, values: dict[str, Any], where: str) -> Settings:
    known = {f.name for f in fields(Settings)}
    for name, value in values.items():
        if name not in known:
            raise SettingError(f"{where}: no setting is named {name!r}; there are {', '.join(sorted(known))}")
        typed: Any = _typed(name, value, type(getattr(settings, name)), where)
        settings = replace(settings, **{name: typed})
    return settings


def _typed(name: str, value: object, kind: type, where: str) -> Any:
    typed: Any
    try:
        typed = Path(str(value)).expanduser() if issubclass(kind, Path) else kind(value)  # type: ignore[call-arg]
    except (TypeError, ValueError) as error:
        raise SettingError(f"{where}: {name} is {value!r}, but it must be {kind.__name__}") from error
    if name in _LEAST and typed < _LEAST[name]:
        raise SettingError(f"{where}: {name} is {value}, but it must be at least {_LEAST[name]}")
    if name in _CHOICES and typed not in _CHOICES[name]:
        raise SettingError(f"{where}: {name} is {value!r}, but it must be one of {', '.join(_CHOICES[name])}")
    return typed
