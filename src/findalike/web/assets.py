"""`/v1/assets`: what the library holds, and what people say of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from findalike import query as asking
from findalike import sources
from findalike.errors import LibraryMissing, QueryError, ReadError
from findalike.query import FACTS, MAX_K
from findalike.store.columns import INTEGERS
from findalike.types import Asset, Value
from findalike.web.problems import ProblemError
from findalike.web.responses import JSON, Id, described_as, problems, service_of
from findalike.web.schema import (
    AssetDetail,
    Assets,
    Edited,
    EditIn,
    EditManyIn,
    Text,
)
from findalike.web.search import EVERYTHING
from findalike.web.service import Service

router = APIRouter(prefix="/v1/assets", tags=["assets"])


@router.get(
    "",
    operation_id="listAssets",
    summary="All pictures, by path",
    responses={**described_as(Assets), **problems()},
)
async def list_assets(
    request: Request,
    where: Annotated[Text | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_K)] = 100,
    cursor: Annotated[str | None, Query(max_length=60_000)] = None,
) -> JSONResponse:
    service = service_of(request)
    most = service.config.limits.hits
    if limit > most:
        raise ProblemError("query", f"limit is {limit}; this server gives at most {most} at once")
    wanted = asking.Query((), where or EVERYTHING, k=limit, cursor=cursor)
    return JSONResponse(await service.read(request, _listed, service, wanted))


def _listed(service: Service, wanted: asking.Query) -> dict[str, Any]:
    try:
        hits = service.library.search(wanted)
    except LibraryMissing:
        return {"assets": [], "cursor": None}
    return {"assets": service.described([hit.asset for hit in hits]), "cursor": hits.cursor}


@router.patch(
    "",
    operation_id="editAssets",
    summary="Label many pictures, or set their metadata",
    dependencies=[JSON],
    responses={**described_as(Edited), **problems(409, 415)},
)
async def edit_assets(request: Request, edit: EditManyIn) -> JSONResponse:
    changed = await service_of(request).write(request, _edited, service_of(request), edit.ids, edit)
    return JSONResponse({"changed": changed})


@router.get(
    "/{asset_id}",
    operation_id="getAsset",
    summary="One picture, and what it shows",
    responses={**described_as(AssetDetail), **problems()},
)
async def get_asset(request: Request, asset_id: Id) -> JSONResponse:
    service = service_of(request)
    return JSONResponse(await service.read(request, _detail, service, asset_id))


@router.patch(
    "/{asset_id}",
    operation_id="editAsset",
    summary="Label a picture, or set its metadata",
    dependencies=[JSON],
    responses={**described_as(AssetDetail), **problems(409, 415)},
)
async def edit_asset(request: Request, asset_id: Id, edit: EditIn) -> JSONResponse:
    service = service_of(request)
    await service.read(request, service.asset, asset_id)
    await service.write(request, _edited, service, [asset_id], edit)
    return JSONResponse(await service.read(request, _detail, service, asset_id))


@router.delete(
    "/{asset_id}",
    operation_id="removeAsset",
    summary="Forget a picture; its file is never touched",
    status_code=204,
    response_class=Response,
    responses=problems(409),
)
async def remove_asset(request: Request, asset_id: Id) -> Response:
    service = service_of(request)
    await service.read(request, service.asset, asset_id)
    await service.write(request, service.library.remove, f"id:{asset_id}")
    service.made.drop(asset_id)
    return Response(status_code=204)


# In threads


def _detail(service: Service, asset_id: str) -> dict[str, Any]:
    asset = service.asset(asset_id)
    more = {"shown": _shown_of(service, asset), "available": sources.exists(asset.uri)}
    return {**service.described([asset])[0], **more}


def _shown_of(service: Service, asset: Asset) -> list[dict[str, Any]]:
    """What an asset shows. Of a film that cannot be looked into all else is told still."""
    try:
        return shown(service, asset.id)
    except (QueryError, ReadError):
        if not asset.is_film:
            raise
        return []


def shown(service: Service, asset_id: str) -> list[dict[str, Any]]:
    """What a picture shows, as the library keeps it."""
    tags = service.library.tags(f"id:{asset_id}")
    return [{"bank": tag.bank, "name": tag.name, "confidence": round(tag.weight, 4)} for tag in tags]


def _edited(service: Service, ids: Sequence[str], edit: EditIn) -> int:
    columns = service.library.store.columns()
    metadata = {name: _typed(name, value, columns.get(name)) for name, value in (edit.metadata or {}).items()}
    labels = edit.labels
    service.assets(ids)
    return service.library.edit(
        ids, labels.add if labels else (), labels.remove if labels else (), metadata or None, wait=2
    )


SIDES = ("width", "height")


def _typed(name: str, value: Value, kind: str | None) -> Value:
    """A JSON value as one of its column's kind: dates and times are texts in JSON."""
    if name in FACTS or name in SIDES:
        raise QueryError(
            f"metadata.{name}: {name!r} is what filters call a fact of the file; take another name"
        )
    if kind == "integer" and isinstance(value, int | float) and not isinstance(value, bool):
        if value != int(value) or int(value) not in INTEGERS:  # a float is sought in a range one by one
            raise QueryError(f"metadata.{name} is {value!r}, but it must be a whole number, as others have")
        return int(value)
    if kind not in ("date", "time") or value is None:
        return value
    try:
        moment = datetime.fromisoformat(str(value))
        return date.fromisoformat(str(value)) if kind == "date" else moment.astimezone()
    except (ValueError, OverflowError):
        raise QueryError(
            f"metadata.{name} is {value!r}, but it must be a {kind}, such as 2019-05-02"
        ) from None
