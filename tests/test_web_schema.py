"""The API against its own document: schemathesis asks every operation, well and badly."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import CHECKS, load_all_checks

import findalike
from findalike.web.app import create_app
from findalike.web.config import Config, Limits
from findalike.web.problems import MEDIA
from findalike.web.service import Service
from web import Served, drawn, serving

pytest_plugins = ["web"]

load_all_checks()


def document() -> dict[str, Any]:
    """The OpenAPI document, as any server gives it."""
    with findalike.open(":memory:") as library:
        service = Service(library, Config())
        told: dict[str, Any] = create_app(service).openapi()
        service.close()
    return told


DOCUMENT = document()
API = schemathesis.openapi.from_dict(DOCUMENT)

CHECKED: list[Any] = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "unsupported_method",
        "negative_data_rejection",
    )
]

REJECTED: Any = CHECKS.get_one("negative_data_rejection")
LENIENT = {
    # On the wire every part of a form is bytes: the "number" that stands for a file cannot be told from one.
    "POST /v1/assets",
    "POST /v1/faces",
}


@pytest.fixture(scope="module")
def asked(gallery: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that may do everything, so that every operation gets as far as it can."""
    place = tmp_path_factory.mktemp("asked")
    library = Path(shutil.copytree(gallery, place / "library"))
    (place / "allowed").mkdir()
    drawn(1).save(place / "allowed" / "one.png")
    config = Config(port=0, folders=(place / "allowed",), uploads=place / "uploads", limits=Limits(workers=2))
    with serving(library, config, reveal=lambda path: None) as served:
        yield served


@API.parametrize()
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_api_is_what_it_says(case: Case[Any], asked: Served, ids: dict[str, str]) -> None:
    response = case.call(base_url=asked.url, timeout=30)
    # 431 refuses too, but schemathesis counts other statuses.
    lenient = case.operation.label in LENIENT or response.status_code == 431
    checks = [check for check in CHECKED if not (lenient and check is REJECTED)]
    case.validate_response(response, checks=checks, transport_kwargs={"base_url": asked.url})


@API.include(path_regex="asset_id").exclude(method="DELETE").parametrize()
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_pictures_that_are_there_are_told_as_it_says(
    case: Case[Any], asked: Served, ids: dict[str, str]
) -> None:
    case.path_parameters = {**case.path_parameters, "asset_id": ids["upright.jpg"]}
    checks = [check for check in CHECKED if check is not REJECTED]  # the id that was bad is now a good one
    case.call_and_validate(base_url=asked.url, checks=checks, timeout=30)


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    found = [
        (path, m, operation)
        for path, several in DOCUMENT["paths"].items()
        for m, operation in several.items()
    ]
    assert len(found) > 25
    return found


def test_each_operation_is_told_in_full() -> None:
    """A name of its own, a sentence, what a success is, and the problems as what they are."""
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    for path, method, operation in operations():
        place = f"{method} {path}"
        assert operation["summary"], place
        assert [status for status in operation["responses"] if status.startswith("2")], place
        for status, response in operation["responses"].items():
            if status >= "400" and status != "431":
                assert list(response["content"]) == [MEDIA], place
                assert response["description"], place
        for parameter in operation.get("parameters", []):
            assert parameter["in"] in ("path", "query"), place


def test_an_address_tells_all_methods_that_it_answers(asked: Served) -> None:
    with asked.client() as web:
        for path, several in DOCUMENT["paths"].items():
            address = path.replace("{asset_id}", "nobody").replace("{job_id}", "nothing")
            address = address.replace("{number}", "1")
            known = {method.upper() for method in several}
            for method in ("PUT", "OPTIONS", "TRACE", "PROPFIND"):
                answer = web.request(method, address)
                assert answer.status_code == 405, (method, address)
                allowed = set(answer.headers["allow"].split(", "))
                assert allowed >= known | ({"HEAD"} if "GET" in known else set()), address
                assert allowed <= {"GET", "HEAD", "POST", "PATCH", "DELETE"}
