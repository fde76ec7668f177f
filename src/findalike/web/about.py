"""What the library knows: facets, tags, words, encoders, failures; and whether the server is well."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response

from findalike import __version__
from findalike import uri as uris
from findalike.encode import catalog
from findalike.present.caption import plain
from findalike.query import MAX_K
from findalike.web.access import COOKIE, GRANTED, cookie_of
from findalike.web.assets import shown
from findalike.web.jobs import failure_to_json
from findalike.web.problems import ProblemError
from findalike.web.responses import JSON, described_as, problems, service_of
from findalike.web.schema import (
    AssetId,
    Encoders,
    Facets,
    Failures,
    Health,
    LibraryOut,
    Line,
    SessionIn,
    Tags,
    Text,
    Words,
)
from findalike.web.service import Service

router = APIRouter(prefix="/v1", tags=["library"])
health = APIRouter(tags=["health"])

A_MONTH = 30 * 24 * 3600


@router.get(
    "/library",
    operation_id="getLibrary",
    summary="What the library holds, and what this server allows",
    responses={**described_as(LibraryOut), **problems(409)},
)
async def get_library(request: Request) -> JSONResponse:
    service = service_of(request)
    may_write = request.scope.get(GRANTED) == "write"
    return JSONResponse(await service.read(request, _library, service, may_write))


@router.get(
    "/facets",
    operation_id="getFacets",
    summary="The values of a column and how many pictures have them",
    responses={**described_as(Facets), **problems(409)},
)
async def get_facets(
    request: Request,
    column: Annotated[Line, Query(description="`tag`, a column, `year` or `month`")] = "tag",
    where: Annotated[Text | None, Query(description="counts only pictures that pass")] = None,
    most: Annotated[int, Query(ge=1, le=1_000)] = 20,
) -> JSONResponse:
    library = service_of(request).library
    found = await service_of(request).read(request, library.facets, column, where, most)
    values = [{"value": plain(value), "count": count} for value, count in found]
    return JSONResponse({"column": column, "values": values})


@router.get(
    "/tags",
    operation_id="getTags",
    summary="All tags and how many pictures have them, or what one picture shows",
    responses={**described_as(Tags), **problems(409)},
)
async def get_tags(
    request: Request,
    id: Annotated[AssetId | None, Query(description="a picture")] = None,  # noqa: A002
    most: Annotated[int, Query(ge=1, le=MAX_K)] = 100,
) -> JSONResponse:
    service = service_of(request)
    if id is not None:
        await service.read(request, service.asset, id)
        return JSONResponse({"tags": None, "shown": await service.read(request, shown, service, id)})
    found = await service.read(request, service.library.facets, "tag", None, most)
    return JSONResponse({"tags": [{"tag": plain(t), "count": n} for t, n in found], "shown": None})


@router.get(
    "/words",
    operation_id="getWords",
    summary="The words near a word, and how many pictures each would find",
    responses={**described_as(Words), **problems(409)},
)
async def get_words(request: Request, text: Annotated[Text, Query()]) -> JSONResponse:
    service = service_of(request)
    found = await service.search(request, service.library.words, text)
    names = ("word", "relation", "pictures", "bank", "similarity")
    words = [{name: getattr(each, name) for name in names} for each in found]
    return JSONResponse(
        {"text": text, "words": [{**w, "similarity": round(float(w["similarity"]), 4)} for w in words]}
    )


@router.get(
    "/failures",
    operation_id="listFailures",
    summary="The files that could not be used, and why",
    responses={**described_as(Failures), **problems()},
)
async def list_failures(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: Annotated[str | None, Query(max_length=8_000)] = None,
) -> JSONResponse:
    service = service_of(request)
    after = _after(cursor)
    failures = await service.read(request, service.library.store.failures)
    left = sorted((f for f in failures if after is None or f.uri > after), key=lambda f: f.uri)
    page = left[:limit]
    more = base64.urlsafe_b64encode(json.dumps(page[-1].uri).encode()).decode() if len(left) > limit else None
    return JSONResponse({"failures": [failure_to_json(each) for each in page], "cursor": more})


@router.get(
    "/encoders",
    operation_id="listEncoders",
    summary="The encoders that are installed",
    responses={**described_as(Encoders), **problems()},
)
async def list_encoders(request: Request) -> JSONResponse:
    service = service_of(request)
    return JSONResponse({"encoders": await service.read(request, _encoders, service)})


@router.post(
    "/session",
    operation_id="signIn",
    summary="Give a token once, and have a cookie from then on",
    status_code=204,
    response_class=Response,
    dependencies=[JSON],
    responses=problems(415),
)
async def sign_in(request: Request, asked: SessionIn) -> Response:
    keys = service_of(request).keys
    if keys and keys.scope(asked.token) is None:
        raise ProblemError("unauthorized", "that is no token of this server")
    answer = Response(status_code=204)
    if keys:
        answer.set_cookie(
            COOKIE,
            cookie_of(asked.token),
            max_age=A_MONTH,
            httponly=True,
            samesite="strict",
            secure="https" in (request.url.scheme, request.headers.get("origin", "").partition(":")[0]),
        )
    return answer


@router.delete(
    "/session",
    operation_id="signOut",
    summary="Forget the cookie",
    status_code=204,
    response_class=Response,
    responses=problems(),
)
async def sign_out() -> Response:
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


@health.get(
    "/healthz",
    operation_id="isAlive",
    summary="The process answers",
    responses={**described_as(Health), **problems()},
)
async def is_alive() -> JSONResponse:
    return JSONResponse({"status": "alive"})


@health.get(
    "/readyz",
    operation_id="isReady",
    summary="The library is open and the models are loaded",
    responses={**described_as(Health), **problems()},
)
async def is_ready(request: Request) -> JSONResponse:
    service = service_of(request)
    if not service.warmed.is_set():
        raise ProblemError("busy", "the models are still being loaded")
    await service.read(request, service.library.store.count)
    return JSONResponse({"status": "ready"})


@health.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Counters for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems()},
)
async def get_metrics(request: Request) -> Response:
    service = service_of(request)
    pictures = await service.read(request, service.library.store.count)
    return Response(service.metrics.told(service, pictures), media_type=CONTENT_TYPE_LATEST)


# In threads


def _library(service: Service, may_write: bool) -> dict[str, Any]:
    library, config = service.library, service.config
    store, limits = library.store, config.limits
    cards, status = store.cards(), store.status()
    return {
        "name": service.name,
        "path": uris.text(library.path),
        "pictures": store.count(),
        "failures": len(store.failures()),
        "spaces": [
            {"space": space, "name": cards[space].name, "rows": one.rows, "index": one.index}
            for space, one in status.items()
        ],
        "columns": dict(store.columns()),
        "folders": [{"id": name, "path": uris.text(str(path))} for name, path in config.folder_ids().items()],
        "can": {
            "write": may_write,
            "index": may_write and bool(config.folders),
            "upload": may_write and config.uploads is not None,
            "reveal": may_write and service.reveal is not None,
        },
        "limits": {
            "body": limits.body,
            "pixels": library.settings.pixel_budget,
            "terms": limits.terms,
            "limit": limits.hits,
            "seconds": limits.seconds,
            "urls": config.urls,
        },
        "range": _range(service),
        "version": __version__,
        "faces": sum(status[space].rows for space, card in cards.items() if catalog.describes_faces(card)),
    }


def _range(service: Service) -> dict[str, str] | None:
    """The years from the first to the last picture's, by the column of dates; None where there is none."""
    columns = service.library.store.columns()
    names = [name for name, kind in columns.items() if kind in ("date", "time") and name != "modified"]
    column = "taken" if "taken" in names else next(iter(sorted(names)), None)
    if column is None:
        return None
    years = sorted(int(str(year)) for year, _ in service.library.facets(column, most=MAX_K))
    if not years:
        return None
    return {
        "column": column,
        "from": f"{years[0]:04}-01-01T00:00:00+00:00",
        "to": f"{years[-1]:04}-12-31T23:59:59+00:00",
    }


def _encoders(service: Service) -> list[dict[str, Any]]:
    spaces = service.library.store.cards()
    there: dict[str, Any] = {card.space: card for card in [*catalog.cards(), *spaces.values()]}
    return [
        {
            **{
                name: getattr(card, name)
                for name in ("name", "space", "dim", "precision", "licence", "source")
            },
            "modalities": list(card.modalities),
            "in_library": space in spaces,
        }
        for space, card in there.items()
    ]


def _after(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        after = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, RecursionError):
        after = None
    if not isinstance(after, str):
        raise ProblemError("query", "this cursor is none that a list of failures gave")
    return after
