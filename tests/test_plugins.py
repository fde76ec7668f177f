"""Names to objects: what is registered, what is not, and what cannot be loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from findalike import plugins, sources
from findalike.encode.catalog import EFFICIENTNET_LITE0
from findalike.errors import ExtraMissing, FindalikeError, UsageError

Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package `acme` with these entry points, for the length of a test."""

    def install(entry_points: str) -> None:
        info = tmp_path / "acme-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        (tmp_path / "acme_findalike.py").write_text("here = 'here'\nimport_me = 1\n")
        (tmp_path / "acme_broken.py").write_text("import no_such_package.part\n")
        monkeypatch.syspath_prepend(tmp_path)
        _forget()

    yield install
    _forget()
    for name in ("acme_findalike", "acme_broken"):
        sys.modules.pop(name, None)


def _forget() -> None:
    plugins._registered.cache_clear()
    plugins.load.cache_clear()


def test_built_ins_register_by_the_same_door() -> None:
    assert {"efficientnet-lite0", "efficientnet-lite2"} <= set(plugins.names("findalike.encoders"))
    assert {"lance", "memory"} <= set(plugins.names("findalike.stores"))
    assert plugins.load("findalike.encoders", "efficientnet-lite0").cards == EFFICIENTNET_LITE0


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no store is named 'postgres'; there are: lance, memory"):
        plugins.load("findalike.stores", "postgres")
    with pytest.raises(UsageError, match=r"no thing is named 'x'; there are: none"):
        plugins.load("findalike.things", "x")
    with pytest.raises(UsageError, match="no source is named 'gopher'; there are: s3"):
        sources.discover("gopher://host/photos")


def test_a_package_adds_a_name(install: Install) -> None:
    install("[findalike.stores]\nacme = acme_findalike:here\n")
    assert plugins.load("findalike.stores", "acme") == "here"
    assert "acme" in plugins.names("findalike.stores")


def test_a_missing_dependency_names_the_package_and_its_extra(install: Install) -> None:
    install("[findalike.stores]\nacme = acme_broken:x [fast]\n")
    with pytest.raises(ExtraMissing, match=r"No module named 'no_such_package'.*pip install 'acme\[fast\]'"):
        plugins.load("findalike.stores", "acme")


def test_an_entry_that_names_nothing_is_an_error_of_its_package(install: Install) -> None:
    install("[findalike.stores]\nacme = acme_findalike:gone\n")
    with pytest.raises(FindalikeError, match=r"acme of the package acme cannot be loaded .*--upgrade acme"):
        plugins.load("findalike.stores", "acme")


def test_a_name_that_is_taken_raises(install: Install) -> None:
    install("[findalike.stores]\nmemory = acme_findalike:here\n")
    with pytest.raises(FindalikeError, match="'memory' is registered twice"):
        plugins.names("findalike.stores")


def test_a_module_of_ours_that_lacks_a_package(install: Install) -> None:
    install("")
    with pytest.raises(ExtraMissing, match=r"acme_broken cannot be loaded .*: pip install no_such_package"):
        plugins.on_use("acme_broken")
