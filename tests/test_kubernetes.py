"""The manifests of docs/kubernetes: they parse, fit together, and say what this program and this Ray take."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest

from findalike import settings
from findalike.cli.index import index
from findalike.cli.serve import serve
from findalike.fleet.address import asked
from findalike.web.config import Config

yaml = pytest.importorskip("yaml")
FOLDER = Path(__file__).parents[1] / "docs" / "kubernetes"
SCHEMAS = {
    "Namespace": ("v1", set()),
    "Secret": ("v1", {"type", "stringData"}),
    "Service": ("v1", {"spec.selector", "spec.ports"}),
    "Deployment": ("apps/v1", {"spec.selector.matchLabels", "spec.template.spec.containers"}),
    "Milvus": (
        "milvus.io/v1beta1",
        {
            "spec.mode", "spec.dependencies.storage.endpoint", "spec.dependencies.storage.secretRef",
            "spec.config.minio.bucketName", "spec.config.common.security.authorizationEnabled",
        },
    ),
    "RayJob": (
        "ray.io/v1",
        {
            "spec.entrypoint", "spec.shutdownAfterJobFinishes", "spec.rayClusterSpec.rayVersion",
            "spec.rayClusterSpec.authOptions.mode", "spec.rayClusterSpec.workerGroupSpecs",
            "spec.rayClusterSpec.headGroupSpec.template.spec.containers",
        },
    ),
}  # fmt: skip
"""The version of each kind, and fields that it must have here."""


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    return [each for path in sorted(FOLDER.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text())]


def of_kind(documents: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in documents if each["kind"] == kind]


def at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document[name]
    return document


def containers(document: Any) -> Iterator[dict[str, Any]]:
    """Every container, however deep it lies."""
    if isinstance(document, dict):
        yield from document.get("containers", [])
        for value in document.values():
            yield from containers(value)
    elif isinstance(document, list):
        for value in document:
            yield from containers(value)


def test_every_document_is_of_a_known_kind_and_has_its_fields(documents: list[dict[str, Any]]) -> None:
    assert {each["kind"] for each in documents} == set(SCHEMAS)
    for each in documents:
        api, fields = SCHEMAS[each["kind"]]
        assert each["apiVersion"] == api
        assert all(at(each, field) is not None for field in fields)
        space = each["metadata"].get("namespace", "findalike")
        assert space == of_kind(documents, "Namespace")[0]["metadata"]["name"]


def test_what_is_named_is_there(documents: list[dict[str, Any]]) -> None:
    secrets = {each["metadata"]["name"]: each["stringData"] for each in of_kind(documents, "Secret")}
    for container in containers(documents):
        for source in container.get("envFrom", []):
            assert source["secretRef"]["name"] in secrets
    (milvus,) = of_kind(documents, "Milvus")
    assert set(secrets[at(milvus, "spec.dependencies.storage.secretRef")]) == {"accesskey", "secretkey"}
    password = at(milvus, "spec.config.common.security.defaultRootPassword")
    assert secrets["findalike"]["FINDALIKE_MILVUS_TOKEN"] == f"root:{password}"
    (service,), (page,) = of_kind(documents, "Service"), of_kind(documents, "Deployment")
    labels = at(page, "spec.template.metadata.labels")
    assert at(service, "spec.selector") == at(page, "spec.selector.matchLabels") == labels
    (container,) = at(page, "spec.template.spec.containers")
    assert service["spec"]["ports"][0]["targetPort"] in [port["name"] for port in container["ports"]]


def test_variables_are_those_of_the_program(documents: list[dict[str, Any]]) -> None:
    known = {f"FINDALIKE_{name.upper()}" for name in settings._NAMES} | {"FINDALIKE_TOKEN"}
    named = {name for each in of_kind(documents, "Secret") for name in each["stringData"]}
    named |= {one["name"] for each in containers(documents) for one in each.get("env", [])}
    ours = {name for name in named if name.startswith("FINDALIKE_")}
    assert ours == {"FINDALIKE_MILVUS_TOKEN", "FINDALIKE_TOKEN", "FINDALIKE_BATCH_ROWS"}
    assert ours <= known


def test_the_commands_are_understood(documents: list[dict[str, Any]]) -> None:
    (job,) = of_kind(documents, "RayJob")
    words = shlex.split(job["spec"]["entrypoint"])
    assert words[:2] == ["findalike", "index"]
    taken = understood(index, words[2:])
    assert taken["paths"] == ("s3://BUCKET/PICTURES",)
    assert asked(taken["workers"]).workers == 64
    (page,) = of_kind(documents, "Deployment")
    (container,) = at(page, "spec.template.spec.containers")
    assert container["command"] == ["findalike", "serve"]
    served = understood(serve, container["args"])
    assert served["library"] == taken["library"]
    assert served["port"] == container["ports"][0]["containerPort"]
    assert Config(port=served["port"]).port == served["port"]
    (milvus,) = of_kind(documents, "Milvus")
    assert f"//{milvus['metadata']['name']}-milvus:19530/" in taken["library"]


def understood(command: click.Command, words: list[str]) -> dict[str, Any]:
    return command.make_context(command.name, list(words)).params


def test_workers_find_room_and_ray_is_the_one_that_is_tested(documents: list[dict[str, Any]]) -> None:
    (job,) = of_kind(documents, "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == version("ray")
    assert f"rayproject/ray:{version('ray')}-py311" in (FOLDER / "Dockerfile").read_text()
    (group,) = cluster["workerGroupSpecs"]
    (worker,) = group["template"]["spec"]["containers"]
    cores = int(worker["resources"]["requests"]["cpu"])
    assert int(group["rayStartParams"]["num-cpus"]) == cores + 1, "room for what else a job starts"
    wanted = asked(understood(index, shlex.split(job["spec"]["entrypoint"])[2:])["workers"]).workers
    assert wanted == group["maxReplicas"] * cores
    images = {each["image"] for each in containers(job)} | {
        each["image"] for each in containers(of_kind(documents, "Deployment"))
    }
    assert len(images) == 1, "all machines are alike"
