"""What routes have in common: the service, the reading of bodies, what the document says of answers."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends
from fastapi import Path as InPath
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from findalike.web.problems import MEDIA, PROBLEMS, ProblemError
from findalike.web.schema import AssetId
from findalike.web.service import Service

Id = Annotated[AssetId, InPath(description="an asset's id")]

M = TypeVar("M", bound=BaseModel)

ALWAYS = (400, 401, 403, 404, 405, 408, 413, 421, 422, 429, 500, 503)
"""Statuses of problems that any address may answer with."""


def service_of(request: Request) -> Service:
    return cast(Service, request.app.state.service)


async def _json(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ProblemError("unsupported-media", f"the body is application/json here, not {kind[:80]!r}")


JSON = Depends(_json)
"""What a route depends on whose body is JSON and nothing else."""


def validated(model: type[M], body: str | bytes) -> M:
    """The body as a model. Raises ProblemError naming the first field that is wrong."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise ProblemError("invalid", told(error.errors(include_url=False, include_context=False))) from None


def told(errors: Any) -> str:
    """The first of pydantic's errors as a sentence."""
    first = errors[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    return f"{place}: {first['msg']}" if place else str(first["msg"])


def described_as(model: type[BaseModel], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """What the document says of an answer that a route writes itself."""
    return {status: {"model": model}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the document says of the problems that a route may answer with."""
    schema = {"$ref": "#/components/schemas/Problem"}
    told: dict[int | str, dict[str, Any]] = {
        status: {"description": _title(status), "content": {MEDIA: {"schema": schema}}}
        for status in sorted({*ALWAYS, *statuses})
    }
    return {**told, 431: {"description": "the address and the headers are too long; there is no content"}}


def _title(status: int) -> str:
    return "; ".join(f"{code}: {title}" for code, (known, title) in PROBLEMS.items() if known == status)
