"""`/v1/feedback`: what people say of hits, kept in the library to learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from starlette.responses import JSONResponse, Response

from findalike.feedback import VERDICTS, Mark
from findalike.web.exports import as_csv, attached
from findalike.web.problems import ProblemError
from findalike.web.responses import JSON, described_as, problems, service_of
from findalike.web.schema import AssetId, Line
from findalike.web.schema_review import Marks, MarksIn, Removed
from findalike.web.service import Service

router = APIRouter(prefix="/v1/feedback", tags=["feedback"])

PATIENCE = 2.0
"""Seconds that a mark waits for other writers."""

NAMES = ("at", "verdict", "query", "hit", "query_path", "hit_path", "space", "rank", "id")
"""The columns of the table."""


@router.post(
    "",
    operation_id="addFeedback",
    summary="Say of hits that they match, do not match, or were opened",
    dependencies=[JSON],
    responses={**described_as(Marks), **problems(409, 415)},
)
async def add_feedback(request: Request, said: MarksIn) -> JSONResponse:
    service = service_of(request)
    told = await service.write(request, _added, service, said)
    return JSONResponse({"marks": told, "total": len(told)})


@router.get(
    "",
    operation_id="listFeedback",
    summary="What was said of hits and holds, as JSON or as a CSV table",
    response_class=Response,
    responses={
        200: {
            "content": {
                "application/json": {"schema": Marks.model_json_schema()},
                "text/csv": {"schema": {"type": "string"}},
            }
        },
        **problems(),
    },
)
async def list_feedback(
    request: Request,
    query: Annotated[AssetId | None, Query(description="only of hits of the search for this picture")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    format: Annotated[Literal["json", "csv"], Query(description="a CSV table has all")] = "json",  # noqa: A002
) -> Response:
    service = service_of(request)
    marks = await service.read(request, _of, service, query)
    if format == "json":
        told = [_told(mark) for mark in marks[:limit]]
        return JSONResponse({"marks": told, "total": len(marks)}, headers={"Cache-Control": "no-store"})
    table = await service.read(request, _table, service, marks)
    return Response(table, headers=attached("feedback.csv"), media_type="text/csv")


@router.delete(
    "",
    operation_id="forgetFeedback",
    summary="Forget all marks, or all of a verdict",
    responses={**described_as(Removed), **problems(409)},
)
async def forget_feedback(
    request: Request, verdict: Annotated[Literal["match", "no match", "click", "all"], Query()]
) -> JSONResponse:
    service = service_of(request)
    chosen = next((each for each in VERDICTS if each == verdict), None)
    removed = await service.write(request, service.library.feedback.forget, chosen, wait=PATIENCE)
    return JSONResponse({"removed": removed})


@router.delete(
    "/{mark_id}",
    operation_id="removeFeedback",
    summary="Take one mark back; what was said before holds again",
    status_code=204,
    response_class=Response,
    responses=problems(409),
)
async def remove_feedback(
    request: Request, mark_id: Annotated[Line, InPath(description="a mark's id")]
) -> Response:
    service = service_of(request)
    if not await service.write(request, service.library.feedback.remove, [mark_id], wait=PATIENCE):
        raise ProblemError("not-found", f"there is no mark {mark_id[:64]!r}; /v1/feedback lists them")
    return Response(status_code=204)


# In threads


def _added(service: Service, said: MarksIn) -> list[dict[str, Any]]:
    service.assets([each for mark in said.marks for each in (mark.query, mark.hit)])
    marks = [Mark(each.query, each.hit, each.verdict, each.space, each.rank) for each in said.marks]
    return [_told(mark) for mark in service.library.feedback.add(marks, wait=PATIENCE)]


def _of(service: Service, query: str | None) -> list[Mark]:
    marks = service.library.feedback.marks()
    return [mark for mark in reversed(marks) if query is None or mark.query == query]


def _table(service: Service, marks: Sequence[Mark]) -> str:
    return as_csv(NAMES, _rows(service, marks))


def _rows(service: Service, marks: Sequence[Mark]) -> Iterator[list[object]]:
    assets = service.library.store.get({each for mark in marks for each in (mark.query, mark.hit)})

    def path(asset_id: str) -> str:
        return assets[asset_id].uri if asset_id in assets else ""

    for mark in marks:
        told = _told(mark) | {"query_path": path(mark.query), "hit_path": path(mark.hit)}
        yield [told[name] for name in NAMES]


def _told(mark: Mark) -> dict[str, Any]:
    names = ("id", "query", "hit", "verdict", "space", "rank")
    return {**{name: getattr(mark, name) for name in names}, "at": mark.at.isoformat()}
